//! The API server → [`Batch`]es of changes. Never clears what is served: an outage, an expired
//! watch or a missing role leaves objects as they were last seen.
//!
//! ```text
//!  list + watch, one task per kind and namespace ─Step─▶ Collector ─Batch─▶ sink
//!  GET of Secrets that Ingresses of ours name ─────────────┘
//! ```

mod collect;
mod failure;
mod problems;
mod secrets;
mod state;
#[cfg(test)]
mod tests;
mod trim;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::control::calls::alive;
use crate::control::lower::LowerOptions;
use crate::control::observed::Observed;
use crate::control::source::Change;
use crate::limits::{KUBE_ANSWER_TIMEOUT, KUBE_DRAIN_MAX, KUBE_STEPS_MAX, SECRET_GETS_MAX};
use crate::model::{ObjectRef, Problem};
use collect::{Collector, Extent, Setup};
use failure::Failure;
pub use state::{KindState, SourceState};
use watch::{Query, Step, follow};

/// What the source has to say.
#[derive(Debug)]
pub enum Batch {
    /// Objects that differ from what was told before. The first one is the first complete reading,
    /// the Secrets that Ingresses name included; it is told even if it is empty.
    Changes {
        /// Each object at most once.
        changes: Vec<Change>,
        /// How long they may wait for others.
        urgency: Urgency,
        /// When the first of them arrived; of the first reading, when it began.
        since: Instant,
    },
    /// All present problems of the source itself.
    Problems(Vec<Arc<Problem>>),
}

/// How long changes may wait for others, the longest first in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Endpoints were added, or changed in what can wait.
    Endpoints,
    /// Anything else changed.
    Routes,
    /// Requests go to endpoints that should get none.
    Now,
}

/// What the source is told by flags.
#[derive(Debug, Clone)]
pub struct KubernetesOptions {
    /// Whose objects count.
    pub scope: Scope,
    /// Whose Ingresses are ours.
    pub lower: LowerOptions,
    /// Secrets that flags name, wherever they are.
    pub secrets: Vec<ObjectRef>,
    /// For metrics and readiness.
    pub state: Arc<SourceState>,
}

/// Whose objects count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of all namespaces.
    All,
    /// Those of these namespaces.
    Namespaces(Vec<String>),
    /// Those of namespaces with labels that this selects.
    Selector(String),
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
    let KubernetesOptions { scope, lower, secrets, state } = options;
    let extents = extents(&scope, &secrets);
    let (out, mut steps) = mpsc::channel(KUBE_STEPS_MAX);
    let mut watches = JoinSet::new();
    for (id, extent) in extents.iter().enumerate() {
        spawn(&mut watches, &client, &scope, extent, id, out.clone());
    }
    let is_selective = matches!(scope, Scope::Selector(_));
    let setup = Setup { extents, is_selective, lower, secrets, observed, state };
    let mut collector = Collector::new(setup, Instant::now());
    let mut reads: JoinSet<(ObjectRef, Result<Option<Secret>, Failure>)> = JoinSet::new();
    let mut problems = None;
    let mut received = Vec::new();
    loop {
        while reads.len() < SECRET_GETS_MAX
            && let Some(secret) = collector.next_secret()
        {
            reads.spawn(read(client.clone(), secret));
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
                let (secret, result) = alive(ended);
                collector.secret(&secret, result, Instant::now());
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
fn extents(scope: &Scope, secrets: &[ObjectRef]) -> Vec<Extent> {
    const NAMESPACED: [&str; 4] = ["Ingress", "Service", "EndpointSlice", "Secret"];
    let mut extents = vec![Extent::all("IngressClass")];
    match scope {
        Scope::All | Scope::Selector(_) => extents.extend(NAMESPACED.map(Extent::all)),
        Scope::Namespaces(namespaces) => {
            let namespaces: BTreeSet<Arc<str>> =
                namespaces.iter().map(|name| name.as_str().into()).collect();
            for namespace in &namespaces {
                let namespace = || Some(Arc::clone(namespace));
                let extent = |kind| Extent { kind, namespace: namespace(), name: None };
                extents.extend(NAMESPACED.map(extent));
            }
            let secrets: BTreeSet<_> = secrets.iter().collect();
            for secret in secrets.into_iter().filter(|s| !namespaces.contains(&s.namespace)) {
                extents.push(Extent {
                    kind: "Secret",
                    namespace: Some(Arc::clone(&secret.namespace)),
                    name: Some(Arc::clone(&secret.name)),
                });
            }
        }
    }
    if let Scope::Selector(_) = scope {
        extents.push(Extent::all("Namespace"));
    }
    extents
}

fn spawn(
    watches: &mut JoinSet<()>,
    client: &Client,
    scope: &Scope,
    extent: &Extent,
    id: usize,
    out: mpsc::Sender<(usize, Step)>,
) {
    let fields = extent.name.as_ref().map(|name| format!("metadata.name={name}"));
    let query = Query { labels: None, fields };
    match extent.kind {
        "Ingress" => watches.spawn(follow(namespaced::<Ingress>(client, extent), query, id, out)),
        "Service" => watches.spawn(follow(namespaced::<Service>(client, extent), query, id, out)),
        "EndpointSlice" => {
            watches.spawn(follow(namespaced::<EndpointSlice>(client, extent), query, id, out))
        }
        "Secret" => {
            let api = namespaced::<PartialObjectMeta<Secret>>(client, extent);
            watches.spawn(follow(api, query, id, out))
        }
        "IngressClass" => watches.spawn(follow(of_cluster::<IngressClass>(client), query, id, out)),
        _ => {
            let labels = match scope {
                Scope::Selector(selector) => Some(selector.clone()),
                Scope::All | Scope::Namespaces(_) => None,
            };
            let query = Query { labels, ..query };
            watches.spawn(follow(of_cluster::<Namespace>(client), query, id, out))
        }
    };
}

fn namespaced<K>(client: &Client, extent: &Extent) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match &extent.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn of_cluster<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = ClusterResourceScope>,
{
    Api::all(client.clone())
}

async fn read(client: Client, secret: ObjectRef) -> (ObjectRef, Result<Option<Secret>, Failure>) {
    let api: Api<Secret> = Api::namespaced(client, &secret.namespace);
    let result = match timeout(KUBE_ANSWER_TIMEOUT, api.get_opt(&secret.name)).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(Failure::silence(KUBE_ANSWER_TIMEOUT)),
    };
    (secret, result)
}
