//! Which replica writes: the holder of a Lease (coordination.k8s.io/v1), as client-go elects it.
//!
//! A holder is dead when its record has not changed for its duration by *our* monotonic clock; the
//! times in the record are for people, so that clocks of nodes may differ (the crate
//! kube-lease-manager compares them). Two holders at once, such as after a process was stopped for
//! a while, cost superfluous writes and nothing else: every write of a holder is idempotent and no
//! traffic depends on it.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::sleep;

use super::rights::{Right, Rights};
use crate::control::calls::{CallError, call, jitter, random};
use crate::limits::{
    API_CALL_TIMEOUT, FAREWELL_TIMEOUT, KUBE_REFUSED_RETRY, LEASE_DURATION, LEASE_DURATION_MAX,
    LEASE_RENEW, LEASE_RENEW_DEADLINE, LEASE_RETRY,
};

/// Whether this replica writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leadership {
    /// It holds the Lease.
    Held,
    /// Another does, or nobody.
    NotHeld,
}

/// What to do about the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    /// Nobody holds it, or a dead one.
    Take,
    Renew,
    /// Another holds it for as long as its record does not stand still.
    Wait(Duration),
}

/// What a candidate remembers of the record.
#[derive(Debug)]
struct Election {
    identity: String,
    /// The record, and since when it stands.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Election {
    /// `None`: there is no Lease.
    fn decide(&mut self, record: Option<&LeaseSpec>, now: Instant) -> Action {
        let Some(record) = record else {
            self.seen = None;
            return Action::Create;
        };
        let stands = match &self.seen {
            Some((seen, since)) if seen == record => now.saturating_duration_since(*since),
            _ => {
                self.seen = Some((record.clone(), now));
                Duration::ZERO
            }
        };
        let duration = record.lease_duration_seconds.unwrap_or_default().max(1).unsigned_abs();
        let duration = Duration::from_secs(duration.into()).min(LEASE_DURATION_MAX);
        match record.holder_identity.as_deref() {
            None | Some("") => Action::Take,
            Some(holder) if holder == self.identity => Action::Renew,
            Some(_) if stands >= duration => Action::Take,
            Some(_) => Action::Wait(duration - stands),
        }
    }

    /// Our record in the place of `old`.
    fn record(&self, old: LeaseSpec, action: Action, wall: Timestamp) -> LeaseSpec {
        let is_taken = action == Action::Take;
        let transitions = old.lease_transitions.unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            renew_time: Some(MicroTime(wall)),
            acquire_time: match old.acquire_time {
                Some(acquired) if action == Action::Renew => Some(acquired),
                _ => Some(MicroTime(wall)),
            },
            lease_transitions: Some(transitions.saturating_add(i32::from(is_taken))),
            ..old
        }
    }
}

/// One replica in the election.
pub(super) struct Candidate {
    leases: Api<Lease>,
    namespace: String,
    name: String,
    election: Election,
    /// Until when what we wrote last makes us its holder.
    held: Option<Instant>,
}

impl Candidate {
    /// A pod that starts again is another one: it cannot know what its former self left undone.
    pub(super) fn new(client: &kube::Client, namespace: &str, name: &str, pod: &str) -> Self {
        let identity = format!("{pod}_{:016x}", random());
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            election: Election { identity, seen: None },
            held: None,
        }
    }

    /// Stands for election, and tells when it is won or lost.
    pub(super) async fn run(
        &mut self,
        leading: &watch::Sender<Leadership>,
        rights: &Rights,
    ) -> Infallible {
        let mut is_failing = false;
        loop {
            let begun = Instant::now();
            let limit = self.term(begun).unwrap_or(API_CALL_TIMEOUT).min(API_CALL_TIMEOUT);
            let looked = call(limit, self.look(begun)).await;
            let mut pause = match rights.noted(Right::Lease, &self.namespace, looked) {
                Ok(pause) => {
                    is_failing = false;
                    pause
                }
                Err(CallError::Refused(_)) => KUBE_REFUSED_RETRY,
                // Another was faster.
                Err(CallError::Conflict(_)) => jitter(LEASE_RETRY),
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(lease = %self.name, %error, "the Lease cannot be renewed");
                    }
                    jitter(LEASE_RETRY)
                }
            };
            match self.term(Instant::now()) {
                Some(term) => pause = pause.min(term),
                None => self.held = None,
            }
            let (is_held, leadership) = match self.held {
                Some(_) => (true, Leadership::Held),
                None => (false, Leadership::NotHeld),
            };
            let is_news =
                leading.send_if_modified(|now| std::mem::replace(now, leadership) != leadership);
            if is_news {
                let (lease, identity) = (&self.name, &self.election.identity);
                tracing::info!(%lease, %identity, is_leader = is_held, "election");
            }
            sleep(pause).await;
        }
    }

    /// Gives the Lease up, so that nobody has to wait for our death.
    pub(super) async fn release(&mut self) {
        if self.held.take().is_none() {
            return;
        }
        let given: Result<(), CallError> = call(FAREWELL_TIMEOUT, self.give_up()).await;
        if let Err(error) = given {
            tracing::warn!(lease = %self.name, %error, "the Lease could not be given up");
        }
    }

    /// What we wrote last may not be what is there: a renewal may have been cut off on its way
    /// back, and others may write labels.
    async fn give_up(&self) -> Result<(), kube::Error> {
        let lease = self.leases.get(&self.name).await?;
        let spec = lease.spec.unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.election.identity) {
            return Ok(());
        }
        let wall = MicroTime(Timestamp::now());
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            renew_time: Some(wall.clone()),
            acquire_time: Some(wall),
            ..spec
        };
        let lease = Lease { spec: Some(spec), ..lease };
        self.leases.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
    }

    /// How long we are still the holder.
    fn term(&self, now: Instant) -> Option<Duration> {
        self.held?.checked_duration_since(now).filter(|term| !term.is_zero())
    }

    /// Looks at the record, writes ours where that is due, and says when to look again.
    async fn look(&mut self, begun: Instant) -> Result<Duration, kube::Error> {
        let found = self.leases.get_opt(&self.name).await?;
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let action = self.election.decide(spec.as_ref(), begun);
        let ours = self.election.record(spec.unwrap_or_default(), action, Timestamp::now());
        let post = PostParams::default();
        match (found, action) {
            (_, Action::Wait(rest)) => {
                self.held = None;
                return Ok(jitter(LEASE_RETRY).min(rest));
            }
            (Some(lease), _) => {
                let lease = Lease { spec: Some(ours), ..lease };
                self.leases.replace(&self.name, &post, &lease).await?;
            }
            (None, _) => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
                self.leases.create(&post, &Lease { metadata, spec: Some(ours) }).await?;
            }
        }
        self.held = Some(begun + LEASE_RENEW_DEADLINE);
        Ok(LEASE_RENEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election() -> Election {
        Election { identity: "a_1".to_owned(), seen: None }
    }

    fn held_by(holder: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Timestamp::from_second(renewed).ok().map(MicroTime),
            lease_transitions: Some(4),
            ..Default::default()
        }
    }

    #[test]
    fn a_record_that_stands_still_is_dead_by_our_clock_alone() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut election = election();
        // The holder's clock is decades behind ours.
        let record = held_by("b_2", 0);
        assert_eq!(election.decide(Some(&record), start), Action::Wait(second * 15));
        assert_eq!(election.decide(Some(&record), start + second * 14), Action::Wait(second));
        let renewed = held_by("b_2", 14);
        assert_eq!(election.decide(Some(&renewed), start + second * 15), Action::Wait(second * 15));
        assert_eq!(election.decide(Some(&renewed), start + second * 30), Action::Take);
    }

    #[test]
    fn nobody_is_waited_for_longer_than_the_bound() {
        let start = Instant::now();
        let mut election = election();
        let forever = LeaseSpec { lease_duration_seconds: Some(i32::MAX), ..held_by("b_2", 0) };
        assert_eq!(election.decide(Some(&forever), start), Action::Wait(LEASE_DURATION_MAX));
        assert_eq!(election.decide(Some(&forever), start + LEASE_DURATION_MAX), Action::Take);
        let never = LeaseSpec { lease_duration_seconds: Some(-5), ..held_by("b_2", 0) };
        assert_eq!(election.decide(Some(&never), start), Action::Wait(Duration::from_secs(1)));
    }

    #[test]
    fn absent_released_and_own_records() {
        let now = Instant::now();
        let mut election = election();
        assert_eq!(election.decide(None, now), Action::Create);
        assert_eq!(election.decide(Some(&LeaseSpec::default()), now), Action::Take);
        assert_eq!(election.decide(Some(&held_by("", 0)), now), Action::Take);
        assert_eq!(election.decide(Some(&held_by("a_1", 0)), now), Action::Renew);
        // The same pod, started again.
        assert!(matches!(election.decide(Some(&held_by("a_0", 0)), now), Action::Wait(_)));
    }

    #[test]
    fn a_record_counts_its_holders() {
        let wall = Timestamp::from_second(100).unwrap();
        let taken = election().record(held_by("b_2", 0), Action::Take, wall);
        assert_eq!(taken.holder_identity.as_deref(), Some("a_1"));
        assert_eq!(taken.lease_transitions, Some(5));
        assert_eq!(taken.acquire_time, Some(MicroTime(wall)));
        let later = Timestamp::from_second(105).unwrap();
        let renewed = election().record(taken, Action::Renew, later);
        assert_eq!(renewed.lease_transitions, Some(5));
        assert_eq!(renewed.acquire_time, Some(MicroTime(wall)));
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
        let most = LeaseSpec { lease_transitions: Some(i32::MAX), ..held_by("b_2", 0) };
        let taken = election().record(most, Action::Take, wall);
        assert_eq!(taken.lease_transitions, Some(i32::MAX));
    }
}
