//! Tells when to look at a manifest directory again, and for which files.
//!
//! A file counts as changed when its writer closed it, when it was renamed, linked or removed, or
//! when its permissions changed. Every name that the directory or a link in it leads through is
//! watched. Nothing is polled, unless inotify cannot be had: then the directory is looked at every
//! [`MANIFEST_POLL`], and its owner is told why.
#![expect(unsafe_code, reason = "Tokio waits for a descriptor that is no socket")]

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::Interest as Readiness;
use tokio::io::unix::AsyncFd;

use super::directory::Wanted;
use super::inotify::{Followed, Inotify, WatchFault};
use super::set::file_problem;
use super::tree::{Dependents, Interests};
use crate::limits::{MANIFEST_FILES_MAX, MANIFEST_POLL, MANIFEST_POLL_SHARE};
use crate::model::{Problem, Severity, reason};

/// What happened since the last [`Watch::take`].
#[derive(Debug)]
pub struct Pending {
    /// What to look at.
    pub wanted: Wanted,
    /// When the first event of them arrived.
    pub since: Instant,
}

/// A watched directory. Ends with the value.
#[derive(Debug, Default)]
pub struct Watch {
    inotify: Option<AsyncFd<Inotify>>,
    fault: Option<WatchFault>,
    effect: Dependents,
    since: Option<Instant>,
}

impl Watch {
    /// Watches these folders from now on and no others. Needs a Tokio runtime with I/O around it.
    ///
    /// Returns whether there is one among them that was not watched before: what happened in it
    /// until now nobody told.
    pub fn follow(&mut self, interests: Interests) -> bool {
        let inotify = match &mut self.inotify {
            Some(inotify) => Ok(inotify),
            None => register().map(|inotify| self.inotify.insert(inotify)),
        };
        let followed = match inotify {
            Ok(inotify) => inotify.get_mut().follow(interests),
            Err(fault) => Followed { is_new: false, fault: Some(fault) },
        };
        self.fault = followed.fault;
        followed.is_new
    }

    /// Why changes are not seen as they happen, if so.
    #[must_use]
    pub fn fault(&self) -> Option<&WatchFault> {
        self.fault.as_ref()
    }

    /// How long until the directory has to be looked at unasked, if it took `look` the last time;
    /// `None`: never.
    #[must_use]
    pub fn poll(&self, look: Duration) -> Option<Duration> {
        self.fault.as_ref().map(|_| MANIFEST_POLL.max(look.saturating_mul(MANIFEST_POLL_SHARE)))
    }

    /// Waits for the next event that counts; safe to cancel.
    pub async fn changed(&mut self) {
        let Some(inotify) = &mut self.inotify else { return std::future::pending().await };
        loop {
            // Fails with the runtime alone.
            let Ok(mut ready) = inotify.readable_mut().await else { continue };
            if ready.get_inner_mut().read(&mut self.effect) {
                ready.clear_ready();
            }
            if self.effect != Dependents::default() {
                self.since.get_or_insert_with(Instant::now);
                return;
            }
        }
    }

    /// Waits until something is pending and gives the arrival of its first event; returns at once
    /// if something is. Safe to cancel.
    pub async fn pending(&mut self) -> Instant {
        loop {
            match self.since {
                Some(since) => return since,
                None => self.changed().await,
            }
        }
    }

    /// Makes the whole directory pending.
    pub fn look_again(&mut self) {
        self.effect.tree = true;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Takes what is pending.
    pub fn take(&mut self) -> Option<Pending> {
        let since = self.since.take()?;
        let Dependents { tree, files } = std::mem::take(&mut self.effect);
        let is_all = tree || files.len() > MANIFEST_FILES_MAX;
        let wanted = if is_all { Wanted::All { files } } else { Wanted::Files(files) };
        Some(Pending { wanted, since })
    }
}

/// What is told of a directory that has to be polled.
#[must_use]
pub fn not_watched(directory: &Path, fault: &WatchFault) -> Problem {
    let seconds = MANIFEST_POLL.as_secs();
    let message = format!(
        "changes cannot be seen as they happen: {fault}; the directory is read every {seconds} s \
         instead."
    );
    let file = directory.to_string_lossy().into();
    let problem = file_problem(file, reason!("NotWatched"), message, &fault.advice());
    Problem { severity: Severity::Warning, ..problem }
}

fn register() -> Result<AsyncFd<Inotify>, WatchFault> {
    let inotify = Inotify::new()?;
    // SAFETY: `Inotify` owns its descriptor and gives the same one as long as it lives.
    let registered = unsafe { AsyncFd::register_with_interest(inotify, Readiness::READABLE) };
    registered.map_err(|error| WatchFault::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_polled_is_a_warning() {
        let problem = not_watched(Path::new("/a"), &WatchFault::Watches(Some(8_192)));
        assert_eq!((problem.reason.word(), problem.severity), ("NotWatched", Severity::Warning));
    }
}
