//! The task that stands for the Lease and, while it is held, writes the status of Ingresses and
//! Events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::addresses::{AddressSource, Addresses, Replicas, follow};
use super::classes::{self, Uses};
use super::events::{self, EventBook, Telling};
use super::gateway_services::{Found, GatewayServices, Maker, Wanted, want};
use super::lease::{Candidate, Leadership};
use super::rights::Right;
use super::state::WriterState;
use super::status::{self, StatusBook, Upkeep, Write};
use crate::control::calls::{CallError, Next, alive};
use crate::control::conditions::ClassUse;
use crate::control::observed::Observed;
use crate::control::outcomes::{Outcome, Outcomes};
use crate::control::source::reach::Reach;
use crate::limits::{FAREWELL_TIMEOUT, STATUS_WITHDRAWALS_IN_FLIGHT_MAX};
use crate::model::ObjectRef;

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
    /// Services that are made for Gateways; `None`: none are.
    pub services: Option<GatewayServices>,
    /// Take the addresses back when the last replica ends.
    pub update_status_on_shutdown: bool,
    /// Whose Gateways are read: where it is not all, who uses a GatewayClass is not known.
    pub reach: Reach,
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
    let (leading, is_leading) = watch::channel(Leadership::NotHeld);
    let (told, addresses) = watch::channel(Addresses::from([]));
    let (want, wanted) = watch::channel(Wanted::new());
    let (find, found) = watch::channel(Found::new());
    let (use_classes, uses) = watch::channel(Uses::new());
    let now = Instant::now();
    let keeps_classes = options.update_status && matches!(options.reach, Reach::All);
    let upkeep = if options.update_status { Upkeep::Done } else { Upkeep::LeftOut };
    let mut writer = Writer {
        client: client.clone(),
        pod: pod.as_str().into(),
        status: StatusBook::new(upkeep, now),
        events: EventBook::new(now),
        under_way: JoinSet::new(),
        is_failing: false,
        services: want,
        classes: use_classes,
        keeps_classes,
        observed: Arc::clone(&observed),
        state: Arc::clone(&state),
    };
    let follow_addresses = async {
        if options.update_status {
            follow(&options.addresses, &client, &replicas, is_leading.clone(), &told, &state.rights)
                .await
        } else {
            std::future::pending().await
        }
    };
    let make_services = async {
        let (Some(services), replicas) = (&options.services, &replicas) else {
            return std::future::pending().await;
        };
        let (client, rights, observed) = (&client, &state.rights, &*observed);
        let maker = Maker { client, services, replicas, observed, rights };
        maker.follow(wanted, is_leading.clone(), &find).await
    };
    // Of no class it knows a use where none is to be kept.
    let keep_classes = classes::follow(&client, &state.rights, uses, is_leading.clone());
    let work = async {
        tokio::select! {
            never = writer.run(&outcomes, is_leading.clone(), addresses, found) => match never {},
            () = shutdown => {}
        }
        if options.update_status && options.update_status_on_shutdown {
            let withdraw = writer.withdraw(&replicas);
            if timeout(FAREWELL_TIMEOUT, withdraw).await.is_err() {
                tracing::warn!("some statuses or finalizers still show that we were here");
            }
        }
    };
    tokio::select! {
        never = candidate.run(&leading, &state.rights) => match never {},
        never = follow_addresses => match never {},
        never = make_services => match never {},
        never = keep_classes => match never {},
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
    /// Services that Gateways are to have.
    services: watch::Sender<Wanted>,
    /// Whether Gateways use their classes; empty where that cannot be known.
    classes: watch::Sender<Uses>,
    /// It can, and we may write.
    keeps_classes: bool,
    observed: Arc<Observed>,
    state: Arc<WriterState>,
}

impl Writer {
    async fn run(
        &mut self,
        outcomes: &Outcomes,
        mut leading: watch::Receiver<Leadership>,
        mut addresses: watch::Receiver<Addresses>,
        mut found: watch::Receiver<Found>,
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
                    self.want_services(&taken.outcomes);
                    if self.keeps_classes {
                        let note = |uses: &mut Uses| classes::note(uses, &taken.outcomes);
                        self.classes.send_if_modified(note);
                    }
                    self.status.became(taken.outcomes, now);
                    if let Some(problems) = taken.problems {
                        let dropped = self.events.present(problems, now, |o| observed.uid(o));
                        self.state.events_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
                    }
                }
                () = observed.status_changed() => {
                    self.status.observed(observed.take_changed(), Instant::now());
                }
                Ok(()) = leading.changed() => {
                    let leadership = *leading.borrow_and_update();
                    let is_leader = leadership == Leadership::Held;
                    self.state.is_leader.store(is_leader, Ordering::Relaxed);
                    self.status.lead(leadership, Instant::now());
                    self.events.lead(leadership, Instant::now());
                }
                Ok(()) = addresses.changed() => {
                    let wanted = Arc::clone(&addresses.borrow_and_update());
                    self.status.wanted(wanted, Instant::now());
                }
                Ok(()) = found.changed() => {
                    let found = found.borrow_and_update().clone();
                    self.status.found(found, Instant::now());
                }
                Some(ended) = self.under_way.join_next() => {
                    self.done(alive(ended), Instant::now());
                }
            }
        }
    }

    fn want_services(&self, outcomes: &BTreeMap<ObjectRef, Outcome>) {
        let is_there = |gateway: &ObjectRef| self.observed.uid(gateway).is_some();
        self.services.send_if_modified(|wanted| want(wanted, outcomes, is_there));
    }

    /// Starts the status writes that are due, and says when the next one is.
    fn start_status(&mut self, now: Instant) -> Option<Instant> {
        loop {
            match self.status.next(now, Timestamp::now(), |object| self.observed.status(object)) {
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
                let result = self.note_status(&write.object, result);
                self.status.done(&write, &result, now);
            }
            Done::Event(telling, result) => {
                let (namespace, state) = (telling.namespace(), &self.state);
                // Rights in some namespaces alone are none for objects that have no namespace.
                let result = match result {
                    Err(CallError::Refused(_)) if telling.is_of_cluster() => result,
                    result => state.rights.noted(Right::Events, namespace, result),
                };
                if let Err(error) = &result {
                    tracing::debug!(namespace, %error, "Event not written");
                }
                let count =
                    if result.is_ok() { &state.events_written } else { &state.events_failed };
                count.fetch_add(1, Ordering::Relaxed);
                self.events.done(&telling, &result, now);
            }
        }
    }

    fn note_status(
        &mut self,
        object: &ObjectRef,
        result: Result<(), CallError>,
    ) -> Result<(), CallError> {
        let state = &self.state;
        let result = state.rights.noted(Right::of_status(object.kind), &object.namespace, result);
        match &result {
            Ok(()) => self.is_failing = false,
            Err(CallError::Refused(_)) => {}
            // Deleted or changed meanwhile.
            Err(error @ (CallError::Gone(_) | CallError::Conflict(_))) => {
                tracing::debug!(%object, %error, "status not written");
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%object, %error, "its status is not written; tried again");
                }
            }
        }
        let count = if result.is_ok() { &state.status_written } else { &state.status_failed };
        count.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// Takes our addresses back, if no replica is left to serve them.
    async fn withdraw(&mut self, replicas: &Replicas) {
        if !self.status.is_leading() || !replicas.is_last(&self.state.rights).await {
            return;
        }
        // What is under way would come after it.
        while let Some(done) = self.under_way.join_next().await {
            if let Ok(Done::Status(write, result)) = done {
                drop(self.note_status(&write.object, result));
            }
        }
        // Who takes us away can take the classes away, too: none is added from now on.
        self.classes.send_if_modified(|uses| {
            uses.values_mut().for_each(|used| *used = ClassUse::Unused);
            false
        });
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
                Some(Ok(Done::Status(write, result))) => {
                    drop(self.note_status(&write.object, result));
                }
                Some(_) => {}
                None => break,
            }
        }
        let uses = self.classes.borrow().clone();
        if !uses.is_empty() {
            classes::put(&self.client, &self.state.rights, &uses).await;
        }
    }
}
