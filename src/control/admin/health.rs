//! Liveness and readiness, with the reason in words. Pure: looks at [`AdminState`] and its clock.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use super::state::{AdminState, HealthMeaning};
use crate::limits::{CONTROL_LAG_MAX, LOOP_LAG_MAX};
use crate::model::Problem;
use crate::table::TableVersion;

impl AdminState {
    /// Alive: every core's loop turned lately, and so did the control thread.
    ///
    /// # Errors
    /// Names each core whose last turn is older than [`LOOP_LAG_MAX`], and the control thread if
    /// its last is older than [`CONTROL_LAG_MAX`].
    pub(super) fn alive(&self) -> Result<String, String> {
        let now = (self.now_nanos)();
        let mut stuck = Vec::new();
        for (core, state) in self.cores.iter().enumerate() {
            let lag = since(now, state.heartbeat.load(Relaxed));
            if lag > LOOP_LAG_MAX {
                stuck.push(format!("core {core} has not turned for {:.1} s", lag.as_secs_f64()));
            }
        }
        let lag = since(now, self.control.heartbeat());
        if lag > CONTROL_LAG_MAX {
            let seconds = lag.as_secs_f64();
            stuck.push(format!("the control thread has not turned for {seconds:.1} s"));
        }
        if stuck.is_empty() { Ok("ok".into()) } else { Err(stuck.join("; ")) }
    }

    /// What the page for probes of ingress-nginx says.
    ///
    /// # Errors
    /// As [`Self::alive`] and, if it means that, [`Self::ready`].
    pub(super) fn healthy(&self) -> Result<String, String> {
        let alive = self.alive()?;
        match self.health {
            HealthMeaning::Alive => Ok(alive),
            HealthMeaning::Ready => self.ready().map(|_| alive),
        }
    }

    /// What keeps status, Events or the webhook from being written.
    pub(super) fn writing_problems(&self) -> Vec<Arc<Problem>> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let mut problems = cluster.writer.problems();
        problems.extend(cluster.admission.problems());
        problems
    }

    /// Ready: every core serves a complete table, and traffic is wanted. What the source cannot
    /// read is told, a line each, and does not end readiness: what is served stays served.
    ///
    /// # Errors
    /// Says what is missing.
    pub(super) fn ready(&self) -> Result<String, String> {
        let control = self.control.snapshot();
        if control.is_draining {
            return Err("draining".into());
        }
        // The first table is made of the first complete reading of the source.
        if control.published == TableVersion::default() {
            return Err(lines("no complete table yet", &control.source_problems, &[]));
        }
        let mut versions = self.cores.iter().map(|state| state.acknowledged.load(Acquire));
        match versions.position(|version| version == 0) {
            None => Ok(lines("ok", &control.source_problems, &self.writing_problems())),
            Some(core) => Err(format!("core {core} has no table yet")),
        }
    }
}

fn lines(first: &str, reading: &[Arc<Problem>], writing: &[Arc<Problem>]) -> String {
    let problems = reading.iter().chain(writing);
    problems.fold(first.to_owned(), |text, problem| format!("{text}\n{problem}"))
}

/// Time from `then` to `now`, both of the process clock; 0 when a core was quicker than our
/// reading.
pub(super) fn since(now: u64, then: u64) -> Duration {
    Duration::from_nanos(now.saturating_sub(then))
}
