//! The API server → [`Batch`]es of changes. Never clears what is served: an outage, an expired
//! watch or a missing role leaves objects as they were last seen.
//!
//! ```text
//!  list + watch, one task per kind and namespace ─Step─▶ Collector ─Batch─▶ sink
//!  GET (or list) of what Ingresses of ours name ───────────┘
//! ```

mod batch;
mod collect;
mod failure;
mod item;
mod named;
mod problems;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use kube::Client;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::control::calls::alive;
use crate::control::kinds::{KindInfo, KindScope, Place, Reading, info};
use crate::control::observed::Observed;
use crate::control::source::interest::Interest;
use crate::control::source::object::{ForType, Object, Stored, for_type};
use crate::control::source::reach::Reach;
use crate::limits::{KUBE_ANSWER_TIMEOUT, KUBE_DRAIN_MAX, KUBE_STEPS_MAX, NAMED_GETS_MAX};
use crate::model::{Kind, ObjectRef};
pub use batch::{Batch, Urgency};
use collect::{Collector, Setup};
use failure::Failure;
use item::Watched;
pub use state::{KindState, SourceState};
use stream::Extent;
use watch::{Query, Step, follow};

/// What the source is told.
pub struct KubernetesOptions {
    /// Whose objects count.
    pub reach: Reach,
    /// Whose objects are ours.
    pub interest: Box<dyn Interest>,
    /// Objects that flags name, wherever they are, of kinds of which only those are read that
    /// something names.
    pub named: Vec<ObjectRef>,
    /// For metrics and readiness.
    pub state: Arc<SourceState>,
}

/// Reads and watches for ever; returns only when nobody takes batches any more.
///
/// Shape: to be run on the thread that talks to the API server. Errors become problems.
pub async fn run(
    client: Client,
    options: KubernetesOptions,
    observed: Arc<Observed>,
    sink: mpsc::Sender<Batch>,
) {
    let KubernetesOptions { reach, interest, named, state } = options;
    let extents = extents(&reach, &named);
    let (out, mut steps) = mpsc::channel(KUBE_STEPS_MAX);
    let mut watches = JoinSet::new();
    for (id, extent) in extents.iter().enumerate() {
        spawn(&mut watches, &client, &reach, extent, id, out.clone());
    }
    let is_selective = matches!(reach, Reach::Selector(_));
    let setup = Setup { extents, is_selective, interest, named, observed, state };
    let mut collector = Collector::new(setup, Instant::now());
    let mut reads: JoinSet<(ObjectRef, ReadResult)> = JoinSet::new();
    let mut problems = None;
    let mut received = Vec::new();
    loop {
        while reads.len() < NAMED_GETS_MAX
            && let Some(object) = collector.next_named()
        {
            let kind = object.kind;
            if let Some(read) = for_type(kind, Read { client: client.clone(), object }) {
                reads.spawn(read);
            }
        }
        problems = collector.take_problems().or(problems);
        let pending = collector.pending_since();
        let is_late = pending.is_some_and(|since| since.elapsed() > KUBE_DRAIN_MAX);
        let wants = pending.is_some() || problems.is_some();
        // What is there is collected before any is told, so that bursts are told at once.
        tokio::select! {
            biased;
            permit = sink.reserve(), if wants && is_late => match permit {
                Ok(permit) => tell(permit, &mut problems, &mut collector),
                Err(_) => return,
            },
            _ = steps.recv_many(&mut received, KUBE_STEPS_MAX) => {
                let now = Instant::now();
                received.drain(..).for_each(|(id, step)| collector.step(id, step, now));
            }
            Some(ended) = reads.join_next() => {
                let (object, result) = alive(ended);
                collector.read(&object, result, Instant::now());
            }
            Some(ended) = watches.join_next() => alive(ended),
            permit = sink.reserve(), if wants && !is_late => match permit {
                Ok(permit) => tell(permit, &mut problems, &mut collector),
                Err(_) => return,
            },
            () = sleep_until(collector.deadline().into()) => collector.tick(Instant::now()),
            () = sink.closed() => return,
        }
    }
}

fn tell(permit: mpsc::Permit<'_, Batch>, problems: &mut Option<Batch>, collector: &mut Collector) {
    let batch = problems.take().unwrap_or_else(|| collector.take_changes(Instant::now()));
    permit.send(batch);
}

/// Everything that is watched.
fn extents(reach: &Reach, named: &[ObjectRef]) -> Vec<Extent> {
    let followed = |scope| KindInfo::followed(scope).map(|info| info.kind);
    let mut extents: Vec<_> = followed(KindScope::Cluster).map(Extent::all).collect();
    match reach {
        Reach::All | Reach::Selector(_) => {
            extents.extend(followed(KindScope::Namespaced).map(Extent::all));
        }
        Reach::Namespaces(namespaces) => {
            let namespaces: BTreeSet<Arc<str>> =
                namespaces.iter().map(|name| name.as_str().into()).collect();
            for namespace in &namespaces {
                let namespace = || Some(Arc::clone(namespace));
                let extent = |kind| Extent { kind, namespace: namespace(), name: None };
                extents.extend(followed(KindScope::Namespaced).map(extent));
            }
            let named: BTreeSet<_> = named.iter().collect();
            for object in named.into_iter().filter(|o| !namespaces.contains(&o.namespace)) {
                extents.push(Extent {
                    kind: object.kind,
                    namespace: Some(Arc::clone(&object.namespace)),
                    name: Some(Arc::clone(&object.name)),
                });
            }
        }
    }
    extents
}

/// One watch to be started.
struct Start<'a> {
    watches: &'a mut JoinSet<()>,
    client: Client,
    query: Query,
    namespace: Option<&'a str>,
    id: usize,
    out: mpsc::Sender<(usize, Step)>,
}

impl Start<'_> {
    fn follow<K: Watched<Scope: Place>>(self) {
        let Self { watches, client, query, namespace, id, out } = self;
        watches.spawn(follow(K::Scope::api::<K>(client, namespace), query, id, out));
    }
}

/// Watches whole objects.
struct Whole<'a>(Start<'a>);

/// Watches which objects there are.
struct Versions<'a>(Start<'a>);

impl ForType for Whole<'_> {
    type Output = ();

    fn run<K: Stored>(self) {
        self.0.follow::<K>();
    }
}

impl ForType for Versions<'_> {
    type Output = ();

    fn run<K: Stored>(self) {
        self.0.follow::<PartialObjectMeta<K>>();
    }
}

fn spawn(
    watches: &mut JoinSet<()>,
    client: &Client,
    reach: &Reach,
    extent: &Extent,
    id: usize,
    out: mpsc::Sender<(usize, Step)>,
) {
    let reading = info(extent.kind).reading;
    let labels = match reach {
        Reach::Selector(selector) if extent.kind == Kind::Namespace => Some(selector.clone()),
        Reach::Selector(_) | Reach::All | Reach::Namespaces(_) => None,
    };
    let fields = extent.name.as_ref().map(|name| format!("metadata.name={name}"));
    let (client, namespace) = (client.clone(), extent.namespace.as_deref());
    let start = Start { watches, client, query: Query { labels, fields }, namespace, id, out };
    match reading {
        Reading::Whole => _ = for_type(extent.kind, Whole(start)),
        Reading::Named => _ = for_type(extent.kind, Versions(start)),
        Reading::Nothing => {}
    }
}

/// An object and its version; `None`: there is none.
type ReadResult = Result<Option<(Box<str>, Object)>, Failure>;

/// Reads an object by its name.
struct Read {
    client: Client,
    object: ObjectRef,
}

impl ForType for Read {
    type Output = BoxFuture<'static, (ObjectRef, ReadResult)>;

    fn run<K: Stored>(self) -> Self::Output {
        let Self { client, object } = self;
        Box::pin(async move {
            let api = K::Scope::api::<K>(client, Some(&object.namespace));
            let result = match in_time(api.get_opt(&object.name)).await {
                // Roles made for ingress-nginx let Secrets and ConfigMaps be listed alone.
                Err(refused @ Failure::Forbidden(_)) => {
                    let named =
                        ListParams::default().fields(&format!("metadata.name={}", object.name));
                    let listed = in_time(api.list(&named)).await;
                    listed.map(|list| list.items.into_iter().next()).or(Err(refused))
                }
                result => result,
            };
            (object, result.map(|found| found.map(versioned)))
        })
    }
}

async fn in_time<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match timeout(KUBE_ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::silence(KUBE_ANSWER_TIMEOUT)),
    }
}

fn versioned<K: Stored>(mut object: K) -> (Box<str>, Object) {
    let version = object.meta_mut().resource_version.take().unwrap_or_default();
    (version.into(), K::wrap(Arc::new(object.trim())))
}
