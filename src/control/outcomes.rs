//! What became of the objects of the source, for those who tell their owners: status and Events.
//!
//! Written by [`super::Controller`] on the control thread, read on the thread that talks to the API
//! server. State, not a queue: what changes twice before it is read is read once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::conditions::ObjectStatus;
use crate::model::{ObjectRef, Problem};

/// What became of an object, once every core acknowledged it. The status of an Ingress can say no
/// more than whether it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something of it is in force.
    Served,
    /// Nothing of it is any more, or it is gone.
    Withdrawn,
    /// This is true of it.
    Status(Arc<ObjectStatus>),
}

/// Shared by both threads.
#[derive(Debug, Default)]
pub struct Outcomes {
    now: Mutex<Taken>,
    bell: Notify,
}

/// What changed since it was last taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// Of objects whose status we write.
    pub outcomes: BTreeMap<ObjectRef, Outcome>,
    /// All present problems of objects, where they changed.
    pub problems: Option<Vec<Arc<Problem>>>,
}

impl Outcomes {
    /// Waits until something is to be taken. Safe to cancel.
    pub async fn changed(&self) {
        self.bell.notified().await;
    }

    /// Takes what changed.
    #[must_use]
    pub fn take(&self) -> Taken {
        std::mem::take(&mut *self.lock())
    }

    /// Every core acknowledged what led to these.
    pub fn acknowledged(&self, outcomes: impl IntoIterator<Item = (ObjectRef, Outcome)>) {
        self.lock().outcomes.extend(outcomes);
        self.bell.notify_one();
    }

    /// Tells all present problems.
    pub fn problems(&self, problems: Vec<Arc<Problem>>) {
        self.lock().problems = Some(problems);
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn what_changes_twice_is_read_once() {
        let ingress = |name: &str| ObjectRef {
            kind: Kind::Ingress,
            namespace: "a".into(),
            name: name.into(),
        };
        let outcomes = Outcomes::default();
        outcomes.acknowledged([(ingress("x"), Outcome::Served), (ingress("y"), Outcome::Served)]);
        outcomes.acknowledged([(ingress("x"), Outcome::Withdrawn)]);
        let expected = [(ingress("x"), Outcome::Withdrawn), (ingress("y"), Outcome::Served)].into();
        assert_eq!(outcomes.take().outcomes, expected);
        assert!(outcomes.take().outcomes.is_empty());
        outcomes.problems(Vec::new());
        assert!(outcomes.take().problems.is_some_and(|problems| problems.is_empty()));
    }
}
