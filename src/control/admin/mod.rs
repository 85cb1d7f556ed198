//! Admin listener: health, readiness, metrics. Read-only; knows no secret and changes nothing.
//!
//! Runs on the control thread and must not hold it up: long texts are made on another thread.

mod health;
mod metrics;
mod process;
mod server;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub use server::serve;

use super::cluster::ClusterState;
use super::state::ControlState;
use crate::publish::CoreState;
use crate::telemetry::Scrape;
use crate::telemetry::access_log::LogWriterCounts;

/// What the admin listener looks at. The control thread writes it, this module only reads.
pub struct AdminState {
    /// In core order, see [`crate::publish::Publisher::states`].
    pub cores: Vec<Arc<CoreState>>,
    /// Sums the shards.
    pub scrape: Rc<RefCell<Scrape>>,
    /// Tables, problems, apply times, drain.
    pub control: Arc<ControlState>,
    /// `None`: objects come from a directory.
    pub cluster: Option<ClusterState>,
    /// `None`: no access log.
    pub log_writer: Option<Arc<LogWriterCounts>>,
    /// The clock of [`CoreState`]: [`crate::publish::process_nanos`].
    pub now_nanos: fn() -> u64,
}

#[cfg(test)]
mod tests;
