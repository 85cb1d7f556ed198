//! What the webhook asks the control thread, and what it tells about itself.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::networking::v1::Ingress;
use tokio::sync::oneshot;

use crate::control::seats::PutOff;
use crate::limits::CHECKED_INGRESSES_MAX;
use crate::model::{Kind, ObjectRef, Problem};
use crate::telemetry::SharedHistogram;

/// An Ingress to be judged by the control thread.
#[derive(Debug)]
pub struct ReviewRequest {
    /// As it would be stored.
    pub ingress: Arc<Ingress>,
    /// Its namespace and name.
    pub reference: ObjectRef,
    /// Dropped: it cannot be judged yet.
    pub reply: oneshot::Sender<Vec<Arc<Problem>>>,
}

/// What the webhook tells about itself.
#[derive(Debug, Default)]
pub struct AdmissionState {
    verdicts: [AtomicU64; 4],
    /// Head of a request to its answer.
    pub latency: SharedHistogram,
    problems: Mutex<BTreeMap<Part, Arc<Problem>>>,
    checks: Mutex<BTreeMap<ObjectRef, [u64; 2]>>,
    /// Time and body of the last one.
    last: Mutex<Option<(Duration, u64)>>,
    /// Connections that had to make room.
    pub put_off: Arc<PutOff>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let in, perhaps with warnings.
    Allowed,
    /// Refused.
    Denied,
    /// Not an admission request, or none that could be read.
    Malformed,
    /// Let in because it could not be judged in time.
    Unjudged,
}

impl Verdict {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Allowed, "allowed"),
        (Self::Denied, "denied"),
        (Self::Malformed, "malformed"),
        (Self::Unjudged, "unjudged"),
    ];
}

/// What a problem of the webhook itself is about; at most one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Reading the Secret.
    SecretWatch,
    /// Reading the ValidatingWebhookConfiguration.
    ConfigurationWatch,
    /// What the Secret holds, or files in its place.
    Secret,
    /// What the ValidatingWebhookConfiguration says.
    Configuration,
}

impl AdmissionState {
    /// Requests by what came of them.
    #[must_use]
    pub fn verdicts(&self) -> [(&'static str, u64); 4] {
        Verdict::ALL.map(|(verdict, name)| (name, self.counter(verdict).load(Relaxed)))
    }

    /// How often each Ingress was let in, and refused. Of those that there is no room for, one
    /// called `_overflow` tells.
    #[must_use]
    pub fn checks(&self) -> Vec<(ObjectRef, [u64; 2])> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().map(|(ingress, counts)| (ingress.clone(), *counts)).collect()
    }

    /// Of the last review how long it took, head to answer, and the bytes of its body.
    #[must_use]
    pub fn last_review(&self) -> Option<(Duration, u64)> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reviewed(&self, took: Duration, bytes: u64) {
        self.latency.record(took);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((took, bytes));
    }

    pub(super) fn checked(&self, ingress: &ObjectRef, verdict: Verdict) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = checks.len() < CHECKED_INGRESSES_MAX || checks.contains_key(ingress);
        let ingress = if has_room { ingress.clone() } else { overflow() };
        let counts = checks.entry(ingress).or_default();
        let [let_in, refused] = counts;
        match verdict {
            Verdict::Denied => *refused = refused.wrapping_add(1),
            Verdict::Allowed | Verdict::Malformed | Verdict::Unjudged => {
                *let_in = let_in.wrapping_add(1);
            }
        }
    }

    /// What keeps the webhook from being asked or from answering.
    #[must_use]
    pub fn problems(&self) -> Vec<Arc<Problem>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn count(&self, verdict: Verdict) {
        self.counter(verdict).fetch_add(1, Relaxed);
    }

    fn counter(&self, verdict: Verdict) -> &AtomicU64 {
        let [allowed, denied, malformed, unjudged] = &self.verdicts;
        match verdict {
            Verdict::Allowed => allowed,
            Verdict::Denied => denied,
            Verdict::Malformed => malformed,
            Verdict::Unjudged => unjudged,
        }
    }

    /// Logs a problem once when it comes and once when it is gone.
    pub(super) fn tell(&self, part: Part, problem: Option<Problem>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let before = problems.remove(&part);
        if before.as_deref() != problem.as_ref() {
            if let Some(gone) = &before {
                tracing::info!("solved: {gone}");
            }
            if let Some(fresh) = &problem {
                tracing::warn!("{fresh}");
            }
        }
        if let Some(problem) = problem {
            problems.insert(part, Arc::new(problem));
        }
    }
}

/// A name that no object can have.
fn overflow() -> ObjectRef {
    ObjectRef { kind: Kind::Ingress, namespace: "".into(), name: "_overflow".into() }
}
