//! The task that stands for the Lease and, while it is held, writes the status of Ingresses and
//! Events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::addresses::{AddressSource, Addresses, Replicas, follow};
use super::events::{self, EventBook, Telling};
use super::lease::Candidate;
use super::status::{self, StatusBook, Write};
use crate::control::calls::{CallError, Next, alive};
use crate::control::observed::Observed;
use crate::control::outcomes::Outcomes;
use crate::limits::{FAREWELL_TIMEOUT, MISSING_RIGHTS_MAX, STATUS_WITHDRAWALS_IN_FLIGHT_MAX};
use crate::model::{ObjectRef, Problem, Severity};

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// Namespace of our pods and of the Lease.
    pub namespace: String,
    /// Name of this pod.
    pub pod: String,
    /// Name of the Lease.
    pub election_id: String,
    /// Who says the addresses of the status.
    pub addresses: AddressSource,
    /// False: no status is ever written.
    pub update_status: bool,
    /// Take the addresses back when the last replica ends.
    pub update_status_on_shutdown: bool,
}

/// A right that the account of the process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    Lease,
    Status,
    Events,
    Service,
    Pods,
    Nodes,
}

impl Right {
    /// What to bind, and what is not done without it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Lease => (
                "get, create and update leases (coordination.k8s.io)",
                "No status and no Event is written",
            ),
            Self::Status => (
                "patch ingresses/status (networking.k8s.io)",
                "The status of Ingresses is not written",
            ),
            Self::Events => {
                ("create, get and patch events (events.k8s.io)", "Problems are not told by Events")
            }
            Self::Service => (
                "list and watch services",
                "The addresses of --publish-service are not known and no status is written",
            ),
            Self::Pods => {
                ("get and list pods", "Other replicas and the nodes that run us are not known")
            }
            Self::Nodes => (
                "get nodes (in a ClusterRole), or set --publish-service",
                "The addresses of the nodes are not known and no status is written",
            ),
        }
    }

    fn problem(self, namespace: &str, said: &str) -> Problem {
        let (verbs, effect) = self.words();
        let place = if namespace.is_empty() {
            String::new()
        } else {
            format!(" in the namespace {namespace}")
        };
        Problem {
            object: None,
            position: None,
            field: String::new(),
            severity: Severity::Error,
            reason: "MissingPermission",
            message: format!("{effect}: {said}."),
            advice: format!(
                "Bind a role to the service account that may {verbs}{place}; the chart has one."
            ),
        }
    }
}

/// What the writer did, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterCounts {
    /// Status writes that the API server took.
    pub status_written: u64,
    /// Those it did not, each tried again.
    pub status_failed: u64,
    /// Events written, repetitions included.
    pub events_written: u64,
    /// Event writes that failed, each tried again.
    pub events_failed: u64,
    /// Problems above `EVENT_PROBLEMS_MAX`, told nowhere but in the log and the admin listener.
    pub events_dropped: u64,
}

/// Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct WriterState {
    is_leader: AtomicBool,
    status_written: AtomicU64,
    status_failed: AtomicU64,
    events_written: AtomicU64,
    events_failed: AtomicU64,
    events_dropped: AtomicU64,
    missing: Mutex<MissingRights>,
}

/// By namespace; empty: all.
type MissingRights = BTreeMap<(Right, Arc<str>), Arc<Problem>>;

impl WriterState {
    /// Whether this replica holds the Lease.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    /// Since the start of the process.
    #[must_use]
    pub fn counts(&self) -> WriterCounts {
        WriterCounts {
            status_written: self.status_written.load(Ordering::Relaxed),
            status_failed: self.status_failed.load(Ordering::Relaxed),
            events_written: self.events_written.load(Ordering::Relaxed),
            events_failed: self.events_failed.load(Ordering::Relaxed),
            events_dropped: self.events_dropped.load(Ordering::Relaxed),
        }
    }

    /// Rights that are missing now.
    #[must_use]
    pub fn problems(&self) -> Vec<Arc<Problem>> {
        self.missing().values().cloned().collect()
    }

    /// Says a missing right, once until it is there.
    pub(super) fn refused(&self, right: Right, namespace: &str, said: &str) {
        let key = (right, Arc::from(namespace));
        let mut missing = self.missing();
        if missing.len() < MISSING_RIGHTS_MAX && !missing.contains_key(&key) {
            let problem = right.problem(namespace, said);
            tracing::warn!("{problem}");
            missing.insert(key, Arc::new(problem));
        }
    }

    pub(super) fn allowed(&self, right: Right, namespace: &str) {
        let mut missing = self.missing();
        if !missing.is_empty() && missing.remove(&(right, Arc::from(namespace))).is_some() {
            let (verbs, _) = right.words();
            tracing::info!(namespace, "the account may {verbs} now");
        }
    }

    fn missing(&self) -> MutexGuard<'_, MissingRights> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until `shutdown`, then takes the addresses back where that is asked for and gives the
/// Lease up; that takes seconds and may be cut off.
///
/// Shape: within a Tokio runtime with I/O and time.
pub async fn run(
    client: kube::Client,
    options: WriterOptions,
    outcomes: Arc<Outcomes>,
    observed: Arc<Observed>,
    state: Arc<WriterState>,
    shutdown: impl Future<Output = ()>,
) {
    let WriterOptions { namespace, pod, election_id, .. } = &options;
    let mut candidate = Candidate::new(&client, namespace, election_id, pod);
    let replicas = Replicas::new(&client, namespace, pod);
    let (leading, is_leading) = watch::channel(false);
    let (told, addresses) = watch::channel(Addresses::from([]));
    let now = Instant::now();
    let mut writer = Writer {
        client: client.clone(),
        pod: pod.as_str().into(),
        status: StatusBook::new(now),
        events: EventBook::new(now),
        under_way: JoinSet::new(),
        is_failing: false,
        observed,
        state: Arc::clone(&state),
    };
    let follow_addresses = async {
        if options.update_status {
            follow(&options.addresses, &client, &replicas, is_leading.clone(), &told, &state).await
        } else {
            std::future::pending().await
        }
    };
    let work = async {
        tokio::select! {
            never = writer.run(&outcomes, is_leading.clone(), addresses) => match never {},
            () = shutdown => {}
        }
        if options.update_status && options.update_status_on_shutdown {
            let withdraw = writer.withdraw(&replicas);
            if timeout(FAREWELL_TIMEOUT, withdraw).await.is_err() {
                tracing::warn!("the status of some Ingresses still shows our addresses");
            }
        }
    };
    tokio::select! {
        never = candidate.run(&leading, &state) => match never {},
        never = follow_addresses => match never {},
        () = work => {}
    }
    drop(writer);
    state.is_leader.store(false, Ordering::Relaxed);
    candidate.release().await;
}

/// A write that has ended.
enum Done {
    Status(Write, Result<(), CallError>),
    Event(Telling, Result<(), CallError>),
}

struct Writer {
    client: kube::Client,
    pod: Arc<str>,
    status: StatusBook,
    events: EventBook,
    under_way: JoinSet<Done>,
    /// The last status write failed, and that was said.
    is_failing: bool,
    observed: Arc<Observed>,
    state: Arc<WriterState>,
}

impl Writer {
    async fn run(
        &mut self,
        outcomes: &Outcomes,
        mut leading: watch::Receiver<bool>,
        mut addresses: watch::Receiver<Addresses>,
    ) -> Infallible {
        let observed = Arc::clone(&self.observed);
        loop {
            let now = Instant::now();
            let wake = [self.start_status(now), self.start_events(now)].into_iter().flatten().min();
            let alarm = async {
                match wake {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = alarm => {}
                () = outcomes.changed() => {
                    let taken = outcomes.take();
                    let now = Instant::now();
                    self.status.served(taken.served, now);
                    if let Some(problems) = taken.problems {
                        let dropped = self.events.present(problems, now, |o| observed.uid(o));
                        self.state.events_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
                    }
                }
                () = observed.status_changed() => {
                    self.status.observed(observed.take_changed(), Instant::now());
                }
                Ok(()) = leading.changed() => {
                    let is_leading = *leading.borrow_and_update();
                    self.state.is_leader.store(is_leading, Ordering::Relaxed);
                    self.status.lead(is_leading, Instant::now());
                    self.events.lead(is_leading, Instant::now());
                }
                Ok(()) = addresses.changed() => {
                    let wanted = Arc::clone(&addresses.borrow_and_update());
                    self.status.wanted(wanted, Instant::now());
                }
                Some(ended) = self.under_way.join_next() => {
                    self.done(alive(ended), Instant::now());
                }
            }
        }
    }

    /// Starts the status writes that are due, and says when the next one is.
    fn start_status(&mut self, now: Instant) -> Option<Instant> {
        loop {
            match self.status.next(now, |ingress| self.observed.status(ingress)) {
                Next::Wait(at) => return at,
                Next::Start(write) => {
                    let client = self.client.clone();
                    self.under_way.spawn(async move {
                        let result = status::write(client, &write).await;
                        Done::Status(write, result)
                    });
                }
            }
        }
    }

    fn start_events(&mut self, now: Instant) -> Option<Instant> {
        loop {
            match self.events.next(now, |object| self.observed.uid(object)) {
                Next::Wait(at) => return at,
                Next::Start(telling) => {
                    let (client, pod) = (self.client.clone(), Arc::clone(&self.pod));
                    self.under_way.spawn(async move {
                        let result = events::write(client, &telling, &pod).await;
                        Done::Event(telling, result)
                    });
                }
            }
        }
    }

    fn done(&mut self, done: Done, now: Instant) {
        match done {
            Done::Status(write, result) => {
                let ingress = &write.ingress;
                self.note_status(ingress, &result);
                self.status.done(&write, &result, now);
            }
            Done::Event(telling, result) => {
                let namespace = telling.namespace();
                match &result {
                    Ok(()) => self.state.allowed(Right::Events, namespace),
                    // Rights in some namespaces alone are none for objects that have no namespace.
                    Err(CallError::Refused(said)) if !telling.is_of_cluster() => {
                        self.state.refused(Right::Events, namespace, said);
                    }
                    Err(error) => tracing::debug!(namespace, %error, "Event not written"),
                }
                let state = &self.state;
                let count =
                    if result.is_ok() { &state.events_written } else { &state.events_failed };
                count.fetch_add(1, Ordering::Relaxed);
                self.events.done(&telling, &result, now);
            }
        }
    }

    fn note_status(&mut self, ingress: &ObjectRef, result: &Result<(), CallError>) {
        let state = &self.state;
        match result {
            Ok(()) => {
                self.is_failing = false;
                state.allowed(Right::Status, &ingress.namespace);
            }
            Err(CallError::Refused(said)) => {
                state.refused(Right::Status, &ingress.namespace, said);
            }
            // Deleted or changed meanwhile.
            Err(error @ (CallError::Gone(_) | CallError::Conflict(_))) => {
                tracing::debug!(%ingress, %error, "status not written");
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%ingress, %error, "its status is not written; tried again");
                }
            }
        }
        let count = if result.is_ok() { &state.status_written } else { &state.status_failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes our addresses back, if no replica is left to serve them.
    async fn withdraw(&mut self, replicas: &Replicas) {
        if !self.status.is_leading() || !replicas.is_last(&self.state).await {
            return;
        }
        // What is under way would come after it.
        while let Some(done) = self.under_way.join_next().await {
            if let Ok(Done::Status(write, result)) = done {
                self.note_status(&write.ingress, &result);
            }
        }
        let mut left = self.status.withdrawals(|ingress| self.observed.status(ingress)).into_iter();
        loop {
            while self.under_way.len() < STATUS_WITHDRAWALS_IN_FLIGHT_MAX
                && let Some(write) = left.next()
            {
                let client = self.client.clone();
                self.under_way.spawn(async move {
                    let result = status::write(client, &write).await;
                    Done::Status(write, result)
                });
            }
            match self.under_way.join_next().await {
                Some(Ok(Done::Status(write, result))) => self.note_status(&write.ingress, &result),
                Some(_) => {}
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_said_once_in_words_until_it_is_there() {
        let state = WriterState::default();
        for _ in 0..3 {
            state.refused(Right::Status, "shop", "User \"ringway\" cannot patch");
        }
        let problems = state.problems();
        assert_eq!(problems.len(), 1);
        let text = problems[0].to_string();
        assert!(text.contains("patch ingresses/status") && text.contains("shop"), "{text}");
        state.allowed(Right::Status, "other");
        assert_eq!(state.problems().len(), 1);
        state.allowed(Right::Status, "shop");
        assert!(state.problems().is_empty());
        for n in 0..MISSING_RIGHTS_MAX * 2 {
            state.refused(Right::Events, &format!("n{n}"), "no");
        }
        assert_eq!(state.problems().len(), MISSING_RIGHTS_MAX);
    }
}
