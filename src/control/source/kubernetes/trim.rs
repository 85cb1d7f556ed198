//! Objects as the API server sends them → what routing reads of them.
//!
//! Done before an object is kept: bookkeeping, status and what only the cluster's own components
//! read would be several times as large, and would make every status update look like a change.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Secret, Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::api::networking::v1::{
    Ingress, IngressClass, IngressLoadBalancerIngress, IngressSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;

use crate::control::source::Object;
use crate::limits::{KUBE_PAGE_OBJECTS, KUBE_PAGE_SLICES};
use crate::model::ObjectRef;

/// `kubectl apply` keeps the whole object in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only label that routing reads.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// What a watch tells of one object.
#[derive(Clone, PartialEq)]
pub(super) struct Item {
    /// Kind, namespace, name.
    pub reference: ObjectRef,
    /// The rest.
    pub content: Content,
}

/// What is kept of an object. No `Debug`: it may hold a private key.
#[derive(Clone, PartialEq)]
pub(super) enum Content {
    /// For the store, and the addresses in the status of an Ingress.
    Object(Object, Vec<IngressLoadBalancerIngress>),
    /// A Secret of this `metadata.resourceVersion` exists.
    Version(Box<str>),
    /// A namespace exists.
    Presence,
}

/// A kind that is watched.
pub(super) trait Watched:
    kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// `kind`.
    const KIND: &'static str;
    /// Objects of a page.
    const PAGE: u32 = KUBE_PAGE_OBJECTS;

    /// What is kept.
    fn content(self) -> Content;

    /// Kind, namespace, name; `None`: it has no name, which no server sends.
    fn reference(&self) -> Option<ObjectRef> {
        let ObjectMeta { name, namespace, .. } = self.meta();
        let name = name.as_deref().filter(|name| !name.is_empty())?;
        let namespace = namespace.as_deref().unwrap_or_default();
        Some(ObjectRef { kind: Self::KIND, namespace: namespace.into(), name: name.into() })
    }

    /// All of it.
    fn item(self) -> Option<Item> {
        Some(Item { reference: self.reference()?, content: self.content() })
    }
}

impl Watched for Ingress {
    const KIND: &'static str = "Ingress";

    fn content(self) -> Content {
        let Self { metadata, mut spec, status } = self;
        let addresses = status.and_then(|status| status.load_balancer?.ingress).unwrap_or_default();
        spec.as_mut().map(shrink);
        let metadata = trim(metadata, |name| name != LAST_APPLIED, false);
        Content::Object(Object::Ingress(Arc::new(Self { metadata, spec, status: None })), addresses)
    }
}

impl Watched for IngressClass {
    const KIND: &'static str = "IngressClass";

    fn content(self) -> Content {
        let metadata = trim(self.metadata, |name| name != LAST_APPLIED, false);
        Content::Object(Object::IngressClass(Arc::new(Self { metadata, ..self })), Vec::new())
    }
}

impl Watched for Service {
    const KIND: &'static str = "Service";

    fn content(self) -> Content {
        let spec = self.spec.map(|ServiceSpec { mut ports, type_, external_name, .. }| {
            ports.iter_mut().for_each(Vec::shrink_to_fit);
            ServiceSpec { ports, type_, external_name, ..ServiceSpec::default() }
        });
        let metadata = trim(self.metadata, |_| false, false);
        Content::Object(
            Object::Service(Arc::new(Self { metadata, spec, status: None })),
            Vec::new(),
        )
    }
}

impl Watched for EndpointSlice {
    const KIND: &'static str = "EndpointSlice";
    const PAGE: u32 = KUBE_PAGE_SLICES;

    fn content(self) -> Content {
        let Self { address_type, endpoints, metadata, mut ports } = self;
        ports.iter_mut().for_each(Vec::shrink_to_fit);
        // `from_iter` would reuse the allocation of a vector that grew by doubling.
        let mut kept = Vec::with_capacity(endpoints.len());
        for Endpoint { mut addresses, conditions, hints, zone, .. } in endpoints {
            addresses.shrink_to_fit();
            kept.push(Endpoint { addresses, conditions, hints, zone, ..Endpoint::default() });
        }
        // `endpoints.kubernetes.io/last-change-trigger-time` changes with every pod.
        let metadata = trim(metadata, |_| false, true);
        let slice = Self { address_type, endpoints: kept, metadata, ports };
        Content::Object(Object::EndpointSlice(Arc::new(slice)), Vec::new())
    }
}

impl Watched for PartialObjectMeta<Secret> {
    const KIND: &'static str = "Secret";

    fn content(self) -> Content {
        Content::Version(self.metadata.resource_version.unwrap_or_default().into())
    }
}

impl Watched for Namespace {
    const KIND: &'static str = "Namespace";

    fn content(self) -> Content {
        Content::Presence
    }
}

/// A Secret that was read, and its version.
pub(super) fn secret(secret: Secret) -> (Box<str>, Arc<Secret>) {
    let Secret { data, immutable: _, mut metadata, string_data: _, type_ } = secret;
    let version = metadata.resource_version.take().unwrap_or_default().into();
    let metadata = trim(metadata, |_| false, false);
    (version, Arc::new(Secret { data, metadata, type_, ..Secret::default() }))
}

/// `metadata.uid` of what is kept.
pub(super) fn uid(object: &Object) -> Option<&str> {
    let metadata = match object {
        Object::Ingress(o) => &o.metadata,
        Object::IngressClass(o) => &o.metadata,
        Object::Service(o) => &o.metadata,
        Object::EndpointSlice(o) => &o.metadata,
        Object::Secret(o) => &o.metadata,
        Object::ConfigMap(o) => &o.metadata,
    };
    metadata.uid.as_deref()
}

fn trim(metadata: ObjectMeta, keeps: fn(&str) -> bool, keeps_service: bool) -> ObjectMeta {
    let ObjectMeta { annotations, creation_timestamp, labels, name, namespace, uid, .. } = metadata;
    let annotations = annotations.map(|mut all| {
        all.retain(|name, _| keeps(name));
        all
    });
    let labels = labels.filter(|_| keeps_service).map(|mut all| {
        all.retain(|name, _| name == SERVICE_LABEL);
        all
    });
    ObjectMeta {
        annotations: annotations.filter(|all| !all.is_empty()),
        creation_timestamp,
        labels: labels.filter(|all| !all.is_empty()),
        name,
        namespace,
        uid,
        ..ObjectMeta::default()
    }
}

/// Vectors that a decoder filled have room for three more elements at least.
fn shrink(spec: &mut IngressSpec) {
    let IngressSpec { default_backend: _, ingress_class_name: _, rules, tls } = spec;
    for rule in rules.iter_mut().flatten() {
        rule.http.iter_mut().for_each(|http| http.paths.shrink_to_fit());
    }
    for entry in tls.iter_mut().flatten() {
        entry.hosts.iter_mut().for_each(Vec::shrink_to_fit);
    }
    rules.iter_mut().for_each(Vec::shrink_to_fit);
    tls.iter_mut().for_each(Vec::shrink_to_fit);
}
