//! Admin listener: health, readiness, metrics. Read-only; knows no secret and changes nothing.
//!
//! Runs on the control thread and must not hold it up: long texts are made on another thread.

mod health;
mod metrics;
mod process;
mod server;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

pub use server::serve;

use crate::publish::CoreState;
use crate::telemetry::access_log::LogWriterCounts;
use crate::telemetry::{Scrape, SharedHistogram};

/// What the admin listener looks at. The control thread writes it, this module only reads.
pub struct AdminState {
    /// In core order, see [`crate::publish::Publisher::states`].
    pub cores: Vec<Arc<CoreState>>,
    /// Sums the shards.
    pub scrape: Rc<RefCell<Scrape>>,
    /// Version of the first complete table; 0: none was published yet.
    pub first_table: Arc<AtomicU64>,
    /// Set before the drain begins, so that load balancers look elsewhere.
    pub draining: Arc<AtomicBool>,
    /// Problems of the objects in force.
    pub problems: Rc<Cell<ProblemCounts>>,
    /// From a change to the last core's acknowledgement.
    pub apply_times: Arc<SharedHistogram>,
    /// `None`: no access log.
    pub log_writer: Option<Arc<LogWriterCounts>>,
    /// The clock of [`CoreState`]: [`crate::publish::process_nanos`].
    pub now_nanos: fn() -> u64,
}

/// Problems by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProblemCounts {
    /// Work, but probably not as meant.
    pub warnings: u64,
    /// Have no effect, whole or in part.
    pub errors: u64,
}

#[cfg(test)]
mod tests;
