//! Control plane: sources, store, lowering, publishing, admin. The only place of Kubernetes and
//! Tokio.
//!
//! ```text
//!  Watch ─▶ settle ─▶ Directory ─▶ Store ─▶ Lowerer ─▶ Compiler ─▶ endpoints, then table ─▶ cores
//!                     Resolver ────────────────┘              removed backends ◀─ acknowledgements
//! ```
//!
//! [`Controller`] decides and never waits; [`ControlLoop`] waits and decides nothing.

pub mod acks;
pub mod admin;
pub mod controller;
pub mod lower;
pub mod outcomes;
pub mod resolve;
pub mod source;
pub mod state;
pub mod store;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::limits::{SETTLE_IDLE, SETTLE_MAX, WATCH_RETRY, WRITE_QUIET};
use acks::{AckError, AckWatch};
pub use controller::Controller;
use resolve::Resolver;
use source::directory::{Directory, Wanted};
use source::watch::{Watch, WatchError};
pub use state::ControlState;

/// Why the control plane cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The directory of manifests cannot be read at start.
    #[error("the directory {directory} cannot be read")]
    Directory {
        /// As the user named it.
        directory: String,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of manifests cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// A core is gone or cannot be heard.
    #[error(transparent)]
    Core(#[from] AckError),
    /// No descriptor left for the cores' doorbells.
    #[error("the doorbells of the cores cannot be watched")]
    Doorbells(#[source] io::Error),
}

/// Waits for whatever may change the model and passes it on.
pub struct ControlLoop {
    controller: Controller,
    directory: Directory,
    watch: Watch,
    resolver: Resolver,
    acks: AckWatch,
    /// Files seen in the middle of a write.
    again: BTreeSet<OsString>,
    again_at: Instant,
    /// When the first event of theirs arrived.
    again_since: std::time::Instant,
}

impl ControlLoop {
    /// Reads the directory for the first time and publishes the first table.
    ///
    /// Shape: within a Tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The operator is at fault: the directory is missing, closed, or cannot be watched.
    pub fn start(controller: Controller, directory: &Path) -> Result<Self, ControlError> {
        source::directory::list(directory).map_err(|source| ControlError::Directory {
            directory: directory.display().to_string(),
            source,
        })?;
        let acks = AckWatch::new(controller.publisher()).map_err(ControlError::Doorbells)?;
        // Watched before it is read, so that no change falls in between.
        let watch = Watch::start(directory)?;
        let mut this = Self {
            controller,
            directory: Directory::new(directory),
            watch,
            resolver: Resolver::default(),
            acks,
            again: BTreeSet::new(),
            again_at: Instant::now(),
            again_since: std::time::Instant::now(),
        };
        this.look(&Wanted::All, std::time::Instant::now());
        Ok(this)
    }

    /// Works until something breaks that cannot be repaired. Safe to cancel and to call again.
    ///
    /// # Errors
    /// [`ControlError::Core`]; the process must end.
    pub async fn run(&mut self) -> Result<std::convert::Infallible, ControlError> {
        loop {
            self.turn().await?;
        }
    }

    /// Works until every core has finished its drain. Safe to cancel.
    ///
    /// # Errors
    /// [`ControlError::Core`], unless the core ended because its drain did.
    pub async fn run_until_drained(&mut self) -> Result<(), ControlError> {
        while !self.controller.publisher().all_drained() {
            match self.turn().await {
                Err(_ended) if self.controller.publisher().all_drained() => break,
                other => other?,
            }
        }
        Ok(())
    }

    /// The deciding half.
    pub fn controller_mut(&mut self) -> &mut Controller {
        &mut self.controller
    }

    async fn turn(&mut self) -> Result<(), ControlError> {
        let retry = if self.watch.is_armed() { Duration::MAX } else { WATCH_RETRY };
        let now = std::time::Instant::now;
        tokio::select! {
            () = settled(&self.watch) => self.take_events(),
            () = sleep_until(self.again_at), if !self.again.is_empty() => {
                let names = std::mem::take(&mut self.again);
                self.look(&Wanted::Names(names), self.again_since);
            }
            () = sleep(retry), if !self.watch.is_armed() => {
                self.take_events();
                if self.watch.is_armed() {
                    self.look(&Wanted::All, now());
                }
            }
            answer = self.resolver.answer() => {
                self.controller.on_answer(answer, now());
            }
            acknowledged = self.acks.changed() => {
                acknowledged?;
                self.controller.on_acknowledged(now());
            }
        }
        Ok(())
    }

    fn take_events(&mut self) {
        if let Some(pending) = self.watch.take() {
            self.look(&pending.wanted, pending.since);
        }
    }

    /// `since`: when the first event of the change arrived.
    fn look(&mut self, wanted: &Wanted, since: std::time::Instant) {
        let scan = self.directory.scan(wanted);
        if !scan.again.is_empty() {
            if self.again.is_empty() {
                self.again_since = since;
            }
            self.again.extend(scan.again);
            self.again_at = Instant::now() + WRITE_QUIET;
        }
        self.controller.on_changes(scan.changes, since);
        self.resolver.want(self.controller.external_names());
    }
}

/// Waits until something is pending and the burst has settled, or has lasted long enough.
async fn settled(watch: &Watch) {
    let latest = Instant::from_std(watch.pending().await) + SETTLE_MAX;
    loop {
        let quiet = (Instant::now() + SETTLE_IDLE).min(latest);
        tokio::select! {
            () = watch.changed() => {}
            () = sleep_until(quiet) => return,
        }
        if Instant::now() >= latest {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
