//! What the API server's objects come to, for the control thread.

use std::sync::Arc;
use std::time::Instant;

use crate::control::source::object::Change;
use crate::model::Problem;

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
