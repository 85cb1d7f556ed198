//! Admin listener: health, readiness, metrics. Read-only; knows no secret and changes nothing.
//!
//! On a thread of its own, so that neither a long reading of objects keeps a probe waiting nor
//! anybody who talks to it a table. Long texts are made on yet another.

mod door;
mod health;
mod metrics;
mod process;
mod server;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use server::serve;

use super::cluster::ClusterState;
use super::own_thread::{self, OwnThread};
use super::seats::{ControlRoom, PutOff};
use super::state::ControlState;
use crate::publish::CoreState;
use crate::telemetry::Scrape;
use crate::telemetry::access_log::LogWriterCounts;

/// What the admin listener looks at. Others write it, this module only reads.
pub struct AdminState {
    /// In core order, see [`crate::publish::Publisher::states`].
    pub cores: Vec<Arc<CoreState>>,
    /// Sums the shards.
    pub scrape: Arc<Mutex<Scrape>>,
    /// Tables, problems, apply times, drain.
    pub control: Arc<ControlState>,
    /// `None`: objects come from a directory.
    pub cluster: Option<ClusterState>,
    /// `None`: no access log.
    pub log_writer: Option<Arc<LogWriterCounts>>,
    /// The clock of [`CoreState`]: [`crate::publish::process_nanos`].
    pub now_nanos: fn() -> u64,
    /// Connections that had to make room.
    pub put_off: Arc<PutOff>,
    /// How many of them there may be.
    pub room: ControlRoom,
}

/// Serves on a thread of its own for as long as the process lives.
///
/// # Errors
/// No thread, no runtime, or no room for a listener in it.
pub fn start(listeners: Vec<TcpListener>, state: AdminState) -> io::Result<OwnThread> {
    let callers = door::open(listeners, Arc::clone(&state.put_off), state.room)?;
    own_thread::start("ringway-admin", Vec::new(), |_| serve(callers, Arc::new(state)))
}

#[cfg(test)]
mod tests;
