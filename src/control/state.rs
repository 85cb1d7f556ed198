//! What the control plane tells about itself, for the admin listener.
//!
//! Written by [`super::Controller`], read by anyone; the lock is never held across a wait.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::control::host_certificate::HostCertificate;
use crate::control::served::Served;
use crate::control::source::object::STORED;
use crate::model::{Kind, Problem, Severity};
use crate::table::TableVersion;
use crate::telemetry::SharedHistogram;

/// Shared between the control loop and the admin listener.
#[derive(Debug, Default)]
pub struct ControlState {
    now: Mutex<ControlSnapshot>,
    /// From the arrival of the file event to the last core's acknowledgement of what came of it:
    /// endpoints, a table, or both.
    pub apply_times: SharedHistogram,
    /// What the cores were told.
    pub served: Served,
    /// Last turn of the control thread, nanoseconds of the process clock.
    heartbeat: AtomicU64,
}

/// The state at one moment.
#[derive(Debug, Clone, Default)]
pub struct ControlSnapshot {
    /// Present problems of the source and of lowering.
    pub problems: Vec<Arc<Problem>>,
    /// Those of the source: why it cannot be read, or not all of it.
    pub source_problems: Vec<Arc<Problem>>,
    /// Objects in the store per kind.
    pub objects: Vec<(Kind, usize)>,
    /// Last table handed to the cores; 0: none yet.
    pub published: TableVersion,
    /// When.
    pub published_at: Option<Instant>,
    /// Last table that every core acknowledged; 0: none yet, not ready.
    pub acknowledged: TableVersion,
    /// When a table last came into force on every core.
    pub in_force_since: Option<SystemTime>,
    /// What clients of hosts get to see.
    pub certificates: Arc<[HostCertificate]>,
    /// Apply time of the last change that is in force on every core, with or without a table.
    pub last_apply_time: Option<Duration>,
    /// The process is about to end: not ready, whatever was acknowledged.
    pub is_draining: bool,
}

impl ControlSnapshot {
    /// Every core serves a complete table, and the process means to stay.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.acknowledged > TableVersion::default() && !self.is_draining
    }
}

impl ControlState {
    /// A copy; problems are shared, not copied.
    #[must_use]
    pub fn snapshot(&self) -> ControlSnapshot {
        self.lock().clone()
    }

    /// Present problems by severity.
    #[must_use]
    pub fn problem_counts(&self) -> [(Severity, u64); 2] {
        let now = self.lock();
        [Severity::Warning, Severity::Error].map(|severity| {
            (severity, now.problems.iter().filter(|p| p.severity == severity).count() as u64)
        })
    }

    /// Readiness is off from now on.
    pub fn begin_drain(&self) {
        self.lock().is_draining = true;
    }

    /// Marks a turn of the control thread at `now`, nanoseconds of the process clock.
    pub fn beat(&self, now: u64) {
        self.heartbeat.store(now, Relaxed);
    }

    /// The last turn of the control thread.
    pub(super) fn heartbeat(&self) -> u64 {
        self.heartbeat.load(Relaxed)
    }

    /// No table was published yet.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().published == TableVersion::default()
    }

    pub(super) fn update(
        &self,
        problems: Vec<Arc<Problem>>,
        source_problems: Vec<Arc<Problem>>,
        objects: [(Kind, usize); STORED.len()],
    ) {
        let mut now = self.lock();
        now.problems = problems;
        now.source_problems = source_problems;
        now.objects = objects.to_vec();
    }

    pub(super) fn count(&self, objects: [(Kind, usize); STORED.len()]) {
        self.lock().objects = objects.to_vec();
    }

    pub(super) fn serve(&self, certificates: Arc<[HostCertificate]>) {
        self.lock().certificates = certificates;
    }

    pub(super) fn published(&self, version: TableVersion) {
        let mut now = self.lock();
        now.published = version;
        now.published_at = Some(Instant::now());
    }

    /// `version`: of the change's table, if it made one.
    pub(super) fn acknowledged(&self, version: Option<TableVersion>, apply_time: Duration) {
        self.apply_times.record(apply_time);
        let mut now = self.lock();
        if let Some(version) = version {
            now.acknowledged = version;
            now.in_force_since = Some(SystemTime::now());
        }
        now.last_apply_time = Some(apply_time);
    }

    fn lock(&self) -> MutexGuard<'_, ControlSnapshot> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
