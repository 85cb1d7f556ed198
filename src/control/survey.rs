//! What an account can see and do in a cluster, asked once: for `ringway doctor`, and what
//! `inventory` asks likewise.
//!
//! Nothing is watched or written; the two reviews are questions in the form of objects.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

pub use super::calls::chain;
use super::calls::{Late, call};
use super::kinds::{KindInfo, KindScope, Need, Place as _, Reading as Read};
use super::lower::{LowerOptions, globals_of, needs};
use super::source::object::{ForType, Object, SourceObject, Stored, for_type};
use super::source::reach::Reach;
use crate::limits::{
    DOCTOR_ANSWER_TIMEOUT, DOCTOR_NAMED_MAX, DOCTOR_OBJECTS_MAX, DOCTOR_PAGE_OBJECTS,
    DOCTOR_QUESTIONS_IN_FLIGHT,
};
use crate::model::{Kind, ObjectRef};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The API server said no.
    #[error("{message} (status {code})")]
    Refused {
        /// HTTP status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// There was no conversation.
    #[error("{}", chain(.0))]
    Broken(Box<kube::Error>),
    /// More objects than are read.
    #[error("there are more than {DOCTOR_OBJECTS_MAX}")]
    TooMany,
}

impl From<kube::Error> for Unanswered {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                Self::Refused { code: status.code, message: status.message }
            }
            error => Self::Broken(Box::new(error)),
        }
    }
}

impl From<Late> for Unanswered {
    fn from(Late(limit): Late) -> Self {
        Self::Late(limit)
    }
}

/// One verb on one resource, as RBAC has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group; empty: core.
    pub group: &'static str,
    /// Plural, such as `ingresses`.
    pub resource: &'static str,
    /// Empty: the object itself.
    pub subresource: &'static str,
    /// Empty: all namespaces, or a resource that has none.
    pub namespace: Arc<str>,
    /// Empty: all objects.
    pub name: Arc<str>,
    /// Such as `list`.
    pub verb: &'static str,
}

/// Objects as they were found, and what could not be found out.
#[derive(Debug, Default)]
pub struct Reading {
    /// In no order.
    pub objects: Vec<SourceObject>,
    /// Kinds that could not be read in full, and why.
    pub unread: Vec<(Kind, Unanswered)>,
    /// Secrets and ConfigMaps that may exist and were not read: why, for those that were asked for.
    pub unread_named: Vec<(ObjectRef, Option<Unanswered>)>,
}

async fn ask<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, Unanswered> {
    call(DOCTOR_ANSWER_TIMEOUT, answer).await
}

/// The API server's version, such as `v1.36.3`.
///
/// # Errors
/// [`Unanswered`]; this is also the question whether there is an API server.
pub async fn version(client: &Client) -> Result<String, Unanswered> {
    Ok(ask(client.apiserver_version()).await?.git_version)
}

/// The name that the API server knows this client by.
///
/// # Errors
/// [`Unanswered`].
pub async fn account(client: &Client) -> Result<String, Unanswered> {
    let api = Api::<SelfSubjectReview>::all(client.clone());
    let review = ask(api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

/// Whether each right is given, in the order of `rights`.
pub async fn rights(client: &Client, rights: &[Right]) -> Vec<Result<bool, Unanswered>> {
    let asked = rights.iter().map(|right| is_given(client, right));
    stream::iter(asked).buffered(DOCTOR_QUESTIONS_IN_FLIGHT).collect().await
}

async fn is_given(client: &Client, right: &Right) -> Result<bool, Unanswered> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attributes = ResourceAttributes {
        group: some(right.group),
        resource: some(right.resource),
        subresource: some(right.subresource),
        namespace: some(&right.namespace),
        name: some(&right.name),
        verb: some(right.verb),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let review = ask(api.create(&PostParams::default(), &review)).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// Reads what routing depends on, and of Secrets and ConfigMaps what flags and Ingresses name.
pub async fn read(client: &Client, reach: &Reach, options: &LowerOptions) -> Reading {
    let mut reading = Reading::default();
    let namespaces = match reach {
        Reach::All => None,
        Reach::Namespaces(names) => Some(names.iter().map(|name| Arc::from(&**name)).collect()),
        Reach::Selector(selector) => match named(client, selector).await {
            Ok(names) => Some(names),
            Err(error) => {
                reading.unread.push((Kind::Namespace, error));
                return reading;
            }
        },
    };
    let within = Within { client, reach, namespaces };
    let all = [KindScope::Cluster, KindScope::Namespaced].into_iter().flat_map(KindInfo::followed);
    for KindInfo { kind, need, .. } in all.filter(|info| info.reading == Read::Whole) {
        let Some(listed) = for_type(*kind, List(&within)) else { continue };
        match listed.await {
            Ok(objects) => reading.objects.extend(objects),
            Err(Unanswered::Refused { code: 404, .. }) if *need == Need::IfServed => {}
            Err(error) => reading.unread.push((*kind, error)),
        }
    }
    reading.follow(client, options, |_| true).await;
    reading
}

impl Reading {
    /// Reads what flags, the ConfigMap of the controller and Ingresses name, of what `is_wanted`.
    pub(super) async fn follow(
        &mut self,
        client: &Client,
        options: &LowerOptions,
        is_wanted: fn(&ObjectRef) -> bool,
    ) {
        let named: BTreeSet<_> =
            options.named().filter(|object| is_wanted(object)).cloned().collect();
        self.get(client, &named).await;
        let objects = self.objects.iter().map(|source| (&source.reference, &source.object));
        let globals = globals_of(objects, options);
        let ingresses = self.objects.iter().filter_map(|source| match &source.object {
            Object::Ingress(ingress) => Some((&source.reference, ingress)),
            _ => None,
        });
        let needed = ingresses.flat_map(|(reference, ingress)| needs(reference, ingress, &globals));
        let needed = needed.chain(globals.field_maps.named().cloned());
        let needed = needed.filter(|object| is_wanted(object) && !named.contains(object));
        let needed: BTreeSet<_> = needed.collect();
        self.get(client, &needed).await;
    }

    /// Reads objects by their names.
    async fn get(&mut self, client: &Client, wanted: &BTreeSet<ObjectRef>) {
        let mut wanted = wanted.iter();
        let asked = wanted.by_ref().take(DOCTOR_NAMED_MAX).filter_map(|reference| {
            let answer = for_type(reference.kind, Get { client, reference })?;
            Some(async move { (reference.clone(), answer.await) })
        });
        let answers: Vec<_> =
            stream::iter(asked).buffer_unordered(DOCTOR_QUESTIONS_IN_FLIGHT).collect().await;
        for (reference, answer) in answers {
            match answer {
                Ok(found) => self.objects.extend(found),
                Err(error) => self.unread_named.push((reference, Some(error))),
            }
        }
        self.unread_named.extend(wanted.map(|reference| (reference.clone(), None)));
    }
}

/// Reads one object by its name.
struct Get<'a> {
    client: &'a Client,
    reference: &'a ObjectRef,
}

impl<'a> ForType for Get<'a> {
    type Output = LocalBoxFuture<'a, Result<Option<SourceObject>, Unanswered>>;

    fn run<K: Stored>(self) -> Self::Output {
        let Self { client, reference } = self;
        Box::pin(async {
            let api = K::Scope::api::<K>(client.clone(), Some(&reference.namespace));
            Ok(ask(api.get_opt(&reference.name)).await?.and_then(|object: K| source(object.trim())))
        })
    }
}

/// The object as the store takes it; `None`: it has no name.
pub(super) fn source<K: Stored>(object: K) -> Option<SourceObject> {
    let name = object.meta().name.as_deref()?.into();
    let namespace = object.meta().namespace.as_deref().unwrap_or_default().into();
    let reference = ObjectRef { kind: K::KIND, namespace, name };
    Some(SourceObject { reference, object: K::wrap(Arc::new(object)), provenance: None })
}

/// Namespaces with these labels.
async fn named(client: &Client, selector: &str) -> Result<BTreeSet<Arc<str>>, Unanswered> {
    let (api, params) = (Api::all(client.clone()), ListParams::default().labels(selector));
    let found = list(api, &params, |namespace: Namespace| namespace.metadata.name).await?;
    Ok(found.into_iter().map(Arc::from).collect())
}

/// Where objects are read.
struct Within<'a> {
    client: &'a Client,
    reach: &'a Reach,
    /// `None`: all.
    namespaces: Option<BTreeSet<Arc<str>>>,
}

/// All objects of a kind.
struct List<'a>(&'a Within<'a>);

impl<'a> ForType for List<'a> {
    type Output = LocalBoxFuture<'a, Result<Vec<SourceObject>, Unanswered>>;

    fn run<K: Stored>(self) -> Self::Output {
        Box::pin(self.0.list::<K>())
    }
}

impl Within<'_> {
    async fn list<K: Stored>(&self) -> Result<Vec<SourceObject>, Unanswered> {
        let list = async |namespace| {
            let api = K::Scope::api(self.client.clone(), namespace);
            list(api, &ListParams::default(), |object: K| source(object.trim())).await
        };
        let within = self.namespaces.as_ref().filter(|_| K::Scope::SCOPE == KindScope::Namespaced);
        match (within, self.reach) {
            (Some(namespaces), Reach::Namespaces(_)) => {
                let mut all = Vec::new();
                for namespace in namespaces {
                    all.extend(list(Some(namespace)).await?);
                }
                Ok(all)
            }
            (Some(namespaces), _) => {
                let mut all = list(None).await?;
                all.retain(|object| namespaces.contains(&object.reference.namespace));
                Ok(all)
            }
            (None, _) => list(None).await,
        }
    }
}

/// All pages, and of each object what `keep` keeps.
pub(super) async fn list<K, T>(
    api: Api<K>,
    params: &ListParams,
    keep: impl Fn(K) -> Option<T>,
) -> Result<Vec<T>, Unanswered>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut params = params.clone().limit(DOCTOR_PAGE_OBJECTS);
    let (mut all, mut read) = (Vec::new(), 0_usize);
    loop {
        let page = ask(api.list(&params)).await?;
        read = read.saturating_add(page.items.len());
        all.extend(page.items.into_iter().filter_map(&keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(_) if read >= DOCTOR_OBJECTS_MAX => return Err(Unanswered::TooMany),
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_without_an_answer_say_why() {
        let status =
            kube::core::Status { code: 403, ..kube::core::Status::failure("no", "Forbidden") };
        let error = Unanswered::from(kube::Error::Api(Box::new(status)));
        assert_eq!(error.to_string(), "no (status 403)");
        let never = std::future::pending::<kube::Result<()>>();
        let late: Result<(), Unanswered> = call(Duration::from_millis(1), never).await;
        let error = late.expect_err("late");
        assert!(matches!(error, Unanswered::Late(_)), "{error}");
        // Port 1 of loopback: nobody listens, and nobody may take it.
        let config = kube::Config::new("http://127.0.0.1:1".parse().expect("an address"));
        let client = Client::try_from(config).expect("a client");
        let error = version(&client).await.expect_err("nobody there");
        assert!(matches!(error, Unanswered::Broken(_) | Unanswered::Late(_)), "{error}");
        let reach = Reach::Namespaces(vec!["a".into()]);
        let reading = read(&client, &reach, &LowerOptions::cluster("", "")).await;
        let unread: Vec<_> = reading.unread.iter().map(|(kind, _)| *kind).collect();
        let whole = [
            Kind::CustomResourceDefinition,
            Kind::GatewayClass,
            Kind::IngressClass,
            Kind::Namespace,
            Kind::BackendTLSPolicy,
            Kind::EndpointSlice,
            Kind::GRPCRoute,
            Kind::Gateway,
            Kind::HTTPRoute,
            Kind::Ingress,
            Kind::ListenerSet,
            Kind::ReferenceGrant,
            Kind::Service,
            Kind::TCPRoute,
            Kind::TLSRoute,
            Kind::UDPRoute,
        ];
        assert_eq!(unread, whole);
    }
}
