//! Tells when to look at a manifest directory again (inotify), and for which files.
//!
//! Nothing is polled. A file counts as changed when its writer closed it, when it was renamed,
//! linked or removed, or when its permissions changed; opening and plain writing do not count, so
//! that a slow writer is not read halfway. The directory's parent is watched too: a directory that
//! is removed and made again, or a symbolic link that points elsewhere, is followed. The `..data`
//! link of a mounted ConfigMap stands for all files at once.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::directory::{Wanted, is_manifest_name};
use crate::limits::MANIFEST_FILES_MAX;

/// What happened since the last [`Watch::take`].
#[derive(Debug)]
pub struct Pending {
    /// What to look at.
    pub wanted: Wanted,
    /// When the first event of them arrived.
    pub since: Instant,
}

/// Why a directory cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The path cannot be made absolute.
    #[error("the path {} cannot be used", path.display())]
    Path {
        /// As the user named it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// inotify is not available, or its limits are reached.
    #[error("the directory {} cannot be watched", path.display())]
    Notify {
        /// Absolute.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
}

/// A watched directory. Ends with the value.
pub struct Watch {
    watcher: RecommendedWatcher,
    shared: Arc<Shared>,
    is_armed: bool,
}

/// What the thread of `notify` writes and the control thread takes.
struct Shared {
    directory: PathBuf,
    parent: PathBuf,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
struct State {
    names: BTreeSet<OsString>,
    all: bool,
    /// The directory itself was replaced, and with it our watch.
    is_replaced: bool,
    since: Option<Instant>,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// See [`WatchError`]; a directory that does not exist is an error here, not later.
    pub fn start(directory: &Path) -> Result<Self, WatchError> {
        let absolute = std::path::absolute(directory)
            .map_err(|source| WatchError::Path { path: directory.to_owned(), source })?;
        let parent = absolute.parent().unwrap_or(&absolute).to_owned();
        let shared = Arc::new(Shared {
            directory: absolute,
            parent,
            state: Mutex::default(),
            bell: Notify::new(),
        });
        let for_events = Arc::clone(&shared);
        let failed = |source| WatchError::Notify { path: shared.directory.clone(), source };
        let watcher = notify::recommended_watcher(move |event| for_events.on_event(event));
        let mut watcher = watcher.map_err(failed)?;
        watcher.watch(&shared.directory, RecursiveMode::NonRecursive).map_err(failed)?;
        if shared.parent != shared.directory {
            watcher.watch(&shared.parent, RecursiveMode::NonRecursive).map_err(failed)?;
        }
        Ok(Self { watcher, shared, is_armed: true })
    }

    /// Waits for the next event; safe to cancel.
    pub async fn changed(&self) {
        self.shared.bell.notified().await;
    }

    /// Waits until something is pending and gives the arrival of its first event; returns at once if
    /// something is. Safe to cancel.
    pub async fn pending(&self) -> Instant {
        loop {
            // Not the condition of a `while let`: that would hold the lock across the wait.
            let since = self.shared.lock().since;
            match since {
                Some(since) => return since,
                None => self.changed().await,
            }
        }
    }

    /// Takes what is pending, and follows the directory if it was replaced.
    pub fn take(&mut self) -> Option<Pending> {
        let state = std::mem::take(&mut *self.shared.lock());
        if state.is_replaced || !self.is_armed {
            self.rearm();
        }
        let since = state.since?;
        let wanted = if state.all { Wanted::All } else { Wanted::Names(state.names) };
        Some(Pending { wanted, since })
    }

    /// Whether events of the directory arrive. False while it does not exist.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.is_armed
    }

    fn rearm(&mut self) {
        // Fails when the kernel has dropped the watch together with the directory.
        let _gone = self.watcher.unwatch(&self.shared.directory);
        let armed = self.watcher.watch(&self.shared.directory, RecursiveMode::NonRecursive);
        if let Err(error) = &armed {
            tracing::debug!(directory = %self.shared.directory.display(), %error, "not watched");
        }
        self.is_armed = armed.is_ok();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_event(&self, event: notify::Result<Event>) {
        let mut state = self.lock();
        match event {
            Ok(event) if event.need_rescan() => state.all = true,
            Ok(event) => {
                for path in &event.paths {
                    self.note(&mut state, event.kind, path);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "manifest watch failed; the directory is read as a whole");
                state.all = true;
            }
        }
        if !state.all && state.names.is_empty() {
            return;
        }
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        self.bell.notify_one();
    }

    fn note(&self, state: &mut State, kind: EventKind, path: &Path) {
        if path == self.directory {
            if replaces(kind) {
                (state.all, state.is_replaced) = (true, true);
            }
            return;
        }
        let Some(name) = path.file_name().filter(|_| path.parent() == Some(&self.directory)) else {
            return;
        };
        if is_manifest_name(name) {
            if completes(kind, path) {
                state.names.insert(name.to_owned());
                state.all |= state.names.len() > MANIFEST_FILES_MAX;
            }
        } else if is_mount_link(name) && replaces(kind) {
            state.all = true;
        }
    }
}

/// Links that Kubernetes swaps in mounted volumes: `..data`.
fn is_mount_link(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"..")
}

/// The name stands for something else now.
fn replaces(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    )
}

/// The file is worth reading now.
fn completes(kind: EventKind, path: &Path) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_) | ModifyKind::Metadata(_))
        | EventKind::Remove(_) => true,
        // A file that was opened to be created is closed later; a link is complete at once.
        EventKind::Create(_) => fs::symlink_metadata(path)
            .map_or(true, |metadata| !metadata.is_file() || metadata.nlink() > 1),
        EventKind::Any | EventKind::Access(_) | EventKind::Modify(_) | EventKind::Other => false,
    }
}
