//! Control → cores: bounded channels with a doorbell, acknowledgements back.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::model::{BackendKey, EndpointSet};
use crate::table::{BackendId, Table};

/// One message to one core.
#[derive(Debug, Clone)]
pub enum Update {
    /// A new table; every later request reads it.
    Table(Arc<Table>),
    /// The endpoints of a backend, new or changed.
    Endpoints {
        /// Id in tables.
        backend: BackendId,
        /// For logs.
        key: Arc<BackendKey>,
        /// The whole set.
        set: Arc<EndpointSet>,
    },
    /// No table names this backend any more.
    RemoveBackend(BackendId),
    /// Begin to drain.
    Drain(Drain),
}

/// How to drain.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// In-flight exchanges have this long.
    pub timeout: Duration,
}

/// What goes back: memory to be freed off the cores.
#[derive(Debug)]
pub enum Retired {
    /// A replaced table.
    Table(Arc<Table>),
    /// A replaced endpoint set.
    Endpoints(Arc<EndpointSet>),
}

/// A core's end.
pub struct Subscriber {
    /// Index of the core.
    pub core: usize,
    /// Messages, in order.
    pub updates: crossbeam_channel::Receiver<Update>,
    /// Readable when there may be messages; written to after an acknowledgement. Blocking mode.
    pub doorbell: UnixStream,
    /// See [`CoreState`].
    pub state: Arc<CoreState>,
    /// For what the control thread shall free.
    pub retired: crossbeam_channel::Sender<Retired>,
}

/// What a core tells about itself; written by it alone.
#[derive(Debug, Default)]
pub struct CoreState {
    /// Version of the table in force.
    pub acknowledged: AtomicU64,
    /// When it was put in force, nanoseconds of the process clock (`clock::process_nanos`).
    pub acknowledged_at: AtomicU64,
    /// Last turn of the loop, nanoseconds of the process clock.
    pub heartbeat: AtomicU64,
    /// Doorbell flag: set by the sender, cleared by the core before it drains.
    pub rung: std::sync::atomic::AtomicBool,
    /// 1 once the core has finished draining.
    pub drained: AtomicU64,
}

/// Nanoseconds since the process first asked; monotonic, the same clock on every thread.
#[must_use]
pub fn process_nanos() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
