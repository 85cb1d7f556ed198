//! Control → cores: bounded channels with a doorbell, acknowledgements back.
//!
//! Never blocks and never grows: what a full channel cannot take is merged, latest word per table
//! and backend, and sent when the core acknowledges. Knows no runtime: both ends are plain
//! descriptors.
//!
//! ```text
//!  control                                     core
//!  try_send(update)                            read(doorbell)
//!  if !rung.swap(true)  write(doorbell) ──────▶ rung.swap(false)     before draining
//!                                              apply every update
//!  read(doorbell) ◀──────────────────────────── acknowledge(version)  stores, then writes
//! ```
//!
//! By the same doorbell cores get the answers of threads that check passwords, see
//! `publish::passwords`.
//!
//! A *publication* is what one change sent: endpoints, a table, or both. [`Publisher::mark`] ends
//! it with its [`Sequence`]; a core that reads the mark has applied all before it.

mod core_state;
mod explain;
mod passwords;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::{RETIRED_PER_CORE_MAX, UPDATES_IN_FLIGHT_MAX};
use crate::model::{BackendKey, EntryPoint};
use crate::table::{BackendId, EndpointSet, Table, TableVersion};
use core_state::{Bell, ring};

pub use core_state::CoreState;
pub use explain::{Asking, Explainers, Unexplained};
pub use passwords::{PasswordChecks, PasswordDesk};

/// Number of a publication, from 1, growing; 0: none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub u64);

/// Number of an opening, never used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpeningId(pub u64);

/// What clients come in by.
#[derive(Debug)]
pub enum EntrySocket {
    /// Connections.
    Tcp(TcpListener),
    /// Datagrams.
    Udp(UdpSocket),
}

impl EntrySocket {
    /// What it is bound to.
    ///
    /// # Errors
    /// The descriptor failed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }
}

impl From<TcpListener> for EntrySocket {
    fn from(socket: TcpListener) -> Self {
        Self::Tcp(socket)
    }
}

impl From<UdpSocket> for EntrySocket {
    fn from(socket: UdpSocket) -> Self {
        Self::Udp(socket)
    }
}

/// A bound socket for one core.
#[derive(Debug)]
pub struct Opening {
    /// For its closing.
    pub id: OpeningId,
    /// Where it listens.
    pub entry_point: EntryPoint,
    /// This core's socket.
    pub socket: EntrySocket,
}

/// One message to one core.
#[derive(Debug)]
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
    /// Accept connections; whose they are, the table says.
    Open(Opening),
    /// Accept none any more; those that are open go on.
    Close(OpeningId),
    /// No table names this backend any more.
    RemoveBackend(BackendId),
    /// Everything of this publication and of those before it has been sent: see
    /// [`Subscriber::applied`].
    Mark(Sequence),
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
    pub updates: Receiver<Update>,
    /// Readable when there may be messages; written to after an acknowledgement. Blocking mode.
    pub doorbell: UnixStream,
    /// See [`CoreState`].
    pub state: Arc<CoreState>,
    /// For what the control thread shall free.
    pub retired: Sender<Retired>,
    /// For passwords that are to be checked.
    pub passwords: PasswordDesk,
    /// Requests that are to be explained; there may be one when the doorbell rang.
    pub questions: Receiver<Asking>,
}

/// Nanoseconds since the process first asked; monotonic, the same clock on every thread.
#[must_use]
pub fn process_nanos() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    #[cfg(test)]
    if let Some(nanos) = tests::SIMULATED_NANOS.get() {
        return nanos;
    }
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Subscriber {
    /// Clears the doorbell flag, then yields what waits, in order.
    ///
    /// Call it after each read from the doorbell, apply everything, then [`Self::acknowledge`].
    pub fn drain_updates(&self) -> impl Iterator<Item = Update> + '_ {
        // A read-modify-write, not a store: the load of the channel must not move before it, or an
        // update sent in between would see the flag up, ring nothing and lie there unseen.
        self.state.rung.swap(false, AcqRel);
        self.updates.try_iter()
    }

    /// Notes that everything up to a mark is in force; [`Self::acknowledge`] tells it.
    ///
    /// Call it when the mark's turn comes, after every update before it was applied.
    pub fn applied(&self, sequence: Sequence) {
        self.state.applied.store(sequence.0, Release);
    }

    /// Tells the control thread which table is in force and that the channel has room again.
    ///
    /// Call it after every drain that had updates, also when the version is the old one. Never
    /// blocks: when the
    /// socket takes no byte, bytes that say the same wait in it already.
    pub fn acknowledge(&self, version: TableVersion) {
        if self.state.acknowledged.load(Relaxed) != version.0 {
            self.state.acknowledged_at.store(process_nanos(), Relaxed);
            self.state.acknowledged.store(version.0, Release);
        }
        ring(&self.doorbell);
    }

    /// Tells the control thread that nothing is in flight on this core any more.
    pub fn finish_drain(&self) {
        self.state.drained.store(1, Release);
        ring(&self.doorbell);
    }

    /// Marks a turn of the core's loop.
    pub fn beat(&self) {
        self.state.heartbeat.store(process_nanos(), Relaxed);
    }

    /// Hands memory back to be freed on the control thread.
    ///
    /// When [`RETIRED_PER_CORE_MAX`] things wait already it is freed here: slow, but bounded.
    pub fn retire(&self, retired: Retired) {
        drop(self.retired.try_send(retired));
    }

    /// Another handle on the doorbell, for the core's runtime to read from.
    ///
    /// # Errors
    /// No descriptor left; the process is at fault.
    pub fn doorbell_reader(&self) -> io::Result<UnixStream> {
        self.doorbell.try_clone()
    }
}

/// The control thread's end of all cores.
pub struct Publisher {
    cores: Vec<CoreLink>,
    retired: Receiver<Retired>,
    password_checks: PasswordChecks,
    explainers: Explainers,
    published: TableVersion,
    marked: Sequence,
    opened: OpeningId,
}

struct CoreLink {
    updates: Sender<Update>,
    bell: Bell,
    pending: Pending,
}

/// Makes the two ends for `cores` cores; `Vec` index is the core's index.
///
/// # Errors
/// No descriptor left for the doorbells, or no randomness; the process is at fault.
pub fn channel(cores: usize) -> io::Result<(Publisher, Vec<Subscriber>)> {
    let (grave, retired) = bounded(RETIRED_PER_CORE_MAX * cores.max(1));
    let mut links = Vec::with_capacity(cores);
    let mut subscribers = Vec::with_capacity(cores);
    let (mut bells, mut askers) = (Vec::with_capacity(cores), Vec::with_capacity(cores));
    for core in 0..cores {
        let (control_half, core_half) = UnixStream::pair()?;
        control_half.set_nonblocking(true)?;
        let (sender, updates) = bounded(UPDATES_IN_FLIGHT_MAX);
        let state = Arc::new(CoreState::default());
        let bell = Bell { doorbell: control_half, state: Arc::clone(&state) };
        bells.push(bell.try_clone()?);
        askers.push(bell.try_clone()?);
        links.push(CoreLink { updates: sender, bell, pending: Pending::default() });
        subscribers.push((core, updates, core_half, state));
    }
    let (password_checks, desks) = passwords::channel(bells)?;
    let (explainers, questions) = explain::channel(askers);
    let subscribers = subscribers.into_iter().zip(desks.into_iter().zip(questions));
    let subscribers =
        subscribers.map(|((core, updates, doorbell, state), (passwords, questions))| {
            let retired = grave.clone();
            Subscriber { core, updates, doorbell, state, retired, passwords, questions }
        });
    let publisher = Publisher {
        cores: links,
        retired,
        password_checks,
        explainers,
        published: TableVersion::default(),
        marked: Sequence::default(),
        opened: OpeningId::default(),
    };
    Ok((publisher, subscribers.collect()))
}

impl Publisher {
    /// Sends a table to every core. The endpoints of its backends must be published before it.
    pub fn publish_table(&mut self, table: &Arc<Table>) {
        self.published = table.version;
        self.for_each_core(|pending| pending.table = Some(Arc::clone(table)));
    }

    /// Sends the whole endpoint set of a backend to every core.
    pub fn publish_endpoints(
        &mut self,
        backend: BackendId,
        key: &Arc<BackendKey>,
        set: &Arc<EndpointSet>,
    ) {
        self.for_each_core(|pending| {
            pending.set_endpoints(backend, Arc::clone(key), Arc::clone(set));
        });
    }

    /// Sends bound sockets of one entry point, one to each core in core order. The table that
    /// names it must be published before.
    pub fn open(
        &mut self,
        entry_point: EntryPoint,
        sockets: Vec<impl Into<EntrySocket>>,
    ) -> OpeningId {
        let id = OpeningId(self.opened.0 + 1);
        self.opened = id;
        for (core, socket) in self.cores.iter_mut().zip(sockets) {
            let socket = socket.into();
            core.pending.openings.insert(id, Opening { id, entry_point, socket });
        }
        self.pump();
        id
    }

    /// Tells every core to accept no connections of an opening any more.
    pub fn close(&mut self, opening: OpeningId) {
        self.for_each_core(|pending| pending.close(opening));
    }

    /// Ends a publication: what was published since the last mark is one change.
    ///
    /// Shape: returns its number, for [`Self::all_applied`].
    pub fn mark(&mut self) -> Sequence {
        let sequence = Sequence(self.marked.0 + 1);
        self.marked = sequence;
        self.for_each_core(|pending| pending.mark = Some(sequence));
        sequence
    }

    /// Tells every core to forget a backend. Call it once every core applied the publication whose
    /// table does not name it any more.
    pub fn remove_backend(&mut self, backend: BackendId) {
        self.for_each_core(|pending| pending.remove(backend));
    }

    /// Begins the drain on every core; overtakes what is pending.
    pub fn drain(&mut self, drain: Drain) {
        self.for_each_core(|pending| pending.drain = Some(drain));
    }

    /// Sends what earlier found a full channel. Call it whenever a core acknowledged.
    pub fn pump(&mut self) {
        self.collect_retired();
        for core in &mut self.cores {
            core.pump();
        }
    }

    /// Frees what the cores gave back.
    ///
    /// Shape: returns how many things it freed; runs on the calling thread, which must not be a
    /// core's.
    pub fn collect_retired(&mut self) -> usize {
        self.retired.try_iter().count()
    }

    /// The last table given to [`Self::publish_table`].
    #[must_use]
    pub fn published(&self) -> TableVersion {
        self.published
    }

    /// True once every core serves `version` or a later one.
    #[must_use]
    pub fn all_acknowledged(&self, version: TableVersion) -> bool {
        self.versions().all(|acknowledged| acknowledged >= version)
    }

    /// True once the publication `sequence`, and with it every earlier one, is in force on every
    /// core.
    #[must_use]
    pub fn all_applied(&self, sequence: Sequence) -> bool {
        self.cores.iter().all(|core| core.bell.state.applied.load(Acquire) >= sequence.0)
    }

    /// True once every core finished its drain.
    #[must_use]
    pub fn all_drained(&self) -> bool {
        self.cores.iter().all(|core| core.bell.state.drained.load(Acquire) != 0)
    }

    /// How many cores there are.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// Table in force on each core, in core order.
    pub fn versions(&self) -> impl Iterator<Item = TableVersion> + '_ {
        self.cores.iter().map(|core| TableVersion(core.bell.state.acknowledged.load(Acquire)))
    }

    /// True while an update waits for room in some core's channel.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.cores.iter().any(|core| !core.pending.is_empty())
    }

    /// For threads that check passwords.
    #[must_use]
    pub fn password_checks(&self) -> PasswordChecks {
        self.password_checks.clone()
    }

    /// For those who ask what would become of requests.
    #[must_use]
    pub fn explainers(&self) -> Explainers {
        self.explainers.clone()
    }

    /// What each core tells about itself, in core order.
    #[must_use]
    pub fn states(&self) -> Vec<Arc<CoreState>> {
        self.cores.iter().map(|core| Arc::clone(&core.bell.state)).collect()
    }

    /// Handles on the control halves of the doorbells, non-blocking, in core order: readable after
    /// an acknowledgement.
    ///
    /// # Errors
    /// No descriptor left; the process is at fault.
    pub fn doorbells(&self) -> io::Result<Vec<UnixStream>> {
        self.cores.iter().map(|core| core.bell.doorbell.try_clone()).collect()
    }

    /// Everything goes through `pending`, so that order is decided in one place.
    fn for_each_core(&mut self, mut change: impl FnMut(&mut Pending)) {
        for core in &mut self.cores {
            change(&mut core.pending);
        }
        self.pump();
    }
}

impl CoreLink {
    fn pump(&mut self) {
        let mut sent = false;
        // This is the only sender: a channel that is not full now takes the next update.
        while !self.updates.is_full() {
            let Some(update) = self.pending.pop() else { break };
            if self.updates.try_send(update).is_err() {
                // The core ended; the process ends with it, nobody will read this.
                self.pending = Pending::default();
                return;
            }
            sent = true;
        }
        if sent {
            self.bell.ring();
        }
    }
}

/// Updates on their way to one core, merged: its size is bounded by the number of backends.
#[derive(Default)]
struct Pending {
    endpoints: BTreeMap<BackendId, (Arc<BackendKey>, Arc<EndpointSet>)>,
    table: Option<Arc<Table>>,
    openings: BTreeMap<OpeningId, Opening>,
    closings: BTreeSet<OpeningId>,
    removals: BTreeSet<BackendId>,
    /// The latest: it says all that the earlier ones said.
    mark: Option<Sequence>,
    drain: Option<Drain>,
}

impl Pending {
    fn set_endpoints(&mut self, backend: BackendId, key: Arc<BackendKey>, set: Arc<EndpointSet>) {
        self.removals.remove(&backend);
        self.endpoints.insert(backend, (key, set));
    }

    fn remove(&mut self, backend: BackendId) {
        self.endpoints.remove(&backend);
        self.removals.insert(backend);
    }

    fn close(&mut self, opening: OpeningId) {
        if self.openings.remove(&opening).is_none() {
            self.closings.insert(opening);
        }
    }

    /// Endpoints go before the table that names them, sockets after the one that says whose they
    /// are, removals after the table that no longer does.
    ///
    /// The mark goes when nothing is left: what was merged into later updates counts as applied
    /// only with them, so a mark may come late but never too early.
    fn pop(&mut self) -> Option<Update> {
        if let Some(drain) = self.drain.take() {
            return Some(Update::Drain(drain));
        }
        if let Some((backend, (key, set))) = self.endpoints.pop_first() {
            return Some(Update::Endpoints { backend, key, set });
        }
        if let Some(table) = self.table.take() {
            return Some(Update::Table(table));
        }
        if let Some((_, opening)) = self.openings.pop_first() {
            return Some(Update::Open(opening));
        }
        if let Some(opening) = self.closings.pop_first() {
            return Some(Update::Close(opening));
        }
        if let Some(backend) = self.removals.pop_first() {
            return Some(Update::RemoveBackend(backend));
        }
        self.mark.take().map(Update::Mark)
    }

    fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
            && self.table.is_none()
            && self.openings.is_empty()
            && self.closings.is_empty()
            && self.removals.is_empty()
            && self.mark.is_none()
            && self.drain.is_none()
    }
}

#[cfg(test)]
pub(crate) mod tests;
