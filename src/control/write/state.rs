//! What the writer tells about itself, for the admin listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::rights::Rights;
use crate::model::Problem;

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
    pub(super) is_leader: AtomicBool,
    pub(super) status_written: AtomicU64,
    pub(super) status_failed: AtomicU64,
    pub(super) events_written: AtomicU64,
    pub(super) events_failed: AtomicU64,
    pub(super) events_dropped: AtomicU64,
    pub(super) rights: Rights,
}

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
        self.rights.problems()
    }
}
