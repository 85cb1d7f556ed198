//! One delivery after the other from whichever source there is, each burst as one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::error::ControlError;
use super::source::directory::{Directory, Scan, Wanted};
use super::source::kubernetes::{Batch, Urgency};
use super::source::tree::Tree;
use super::source::watch::{Watch, not_watched};
use super::source::{Change, Changes};
use crate::limits::{ENDPOINTS_SETTLE, MANIFEST_WALKS_MAX, SETTLE_IDLE, SETTLE_MAX, WRITE_QUIET};
use crate::model::Problem;

/// What a source has to tell.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Objects; `since`: arrival of the first event of the change.
    Changes { changes: Changes, since: std::time::Instant },
    /// All present problems of a source that may not have read everything yet.
    Problems(Vec<Arc<Problem>>),
}

/// A source, settled.
pub(super) enum Feed {
    Directory(Box<DirectoryFeed>),
    Kubernetes(KubernetesFeed),
}

impl Feed {
    /// Waits for the next delivery. Safe to cancel.
    ///
    /// # Errors
    /// [`ControlError::ClusterThread`].
    pub(super) async fn next(&mut self) -> Result<Delivery, ControlError> {
        match self {
            Self::Directory(feed) => Ok(feed.next().await),
            Self::Kubernetes(feed) => feed.next().await,
        }
    }
}

impl Feed {
    /// The next delivery is a reading of everything. False: there is nothing that could be read.
    pub(super) fn reread(&mut self) -> bool {
        match self {
            Self::Directory(feed) => {
                feed.is_first = true;
                true
            }
            Self::Kubernetes(_) => false,
        }
    }
}

/// A watched directory.
pub(super) struct DirectoryFeed {
    directory: Directory,
    watch: Watch,
    /// Files seen in the middle of a write.
    again: BTreeSet<PathBuf>,
    again_at: Instant,
    /// When the first event of theirs arrived.
    again_since: std::time::Instant,
    /// When it is looked at unasked, if it is not watched.
    poll_at: Option<Instant>,
    is_first: bool,
}

impl DirectoryFeed {
    /// # Errors
    /// The operator is at fault: the directory is missing or closed.
    pub(super) fn start(directory: &Path) -> Result<Self, ControlError> {
        if let Some(source) = Tree::walk(directory).error {
            let directory = directory.display().to_string();
            return Err(ControlError::Directory { directory, source });
        }
        Ok(Self {
            watch: Watch::default(),
            directory: Directory::new(directory),
            again: BTreeSet::new(),
            again_at: Instant::now(),
            again_since: std::time::Instant::now(),
            poll_at: None,
            is_first: true,
        })
    }

    async fn next(&mut self) -> Delivery {
        let all = Wanted::All { files: BTreeSet::new() };
        if std::mem::take(&mut self.is_first) {
            return self.look(&all, std::time::Instant::now());
        }
        loop {
            let (again_at, poll_at) = (self.again_at, self.poll_at);
            tokio::select! {
                () = settled(&mut self.watch) => {
                    if let Some(pending) = self.watch.take() {
                        return self.look(&pending.wanted, pending.since);
                    }
                }
                () = sleep_until(again_at), if !self.again.is_empty() => {
                    let files = std::mem::take(&mut self.again);
                    return self.look(&Wanted::Files(files), self.again_since);
                }
                () = sleep_until(poll_at.unwrap_or(again_at)), if poll_at.is_some() => {
                    return self.look(&all, std::time::Instant::now());
                }
            }
        }
    }

    fn look(&mut self, wanted: &Wanted, since: std::time::Instant) -> Delivery {
        let Scan { changes, again } = match wanted {
            Wanted::All { files } => self.look_at_all(files),
            Wanted::Files(files) => self.directory.scan_files(files),
        };
        if !again.is_empty() {
            if self.again.is_empty() {
                self.again_since = since;
            }
            self.again.extend(again);
            self.again_at = Instant::now() + WRITE_QUIET;
        }
        Delivery::Changes { changes, since }
    }

    /// Watched before it is read, so that no change falls in between.
    fn look_at_all(&mut self, forced: &BTreeSet<PathBuf>) -> Scan {
        let began = std::time::Instant::now();
        let mut tree = Tree::walk(self.directory.path());
        let mut walks = 1;
        while self.watch.follow(std::mem::take(&mut tree.interests)) {
            if walks == MANIFEST_WALKS_MAX {
                self.watch.look_again();
                break;
            }
            tree = Tree::walk(self.directory.path());
            walks += 1;
        }
        let fault = self.watch.fault().map(|fault| not_watched(self.directory.path(), fault));
        let scan = self.directory.scan_tree(tree, forced, fault);
        self.poll_at = self.watch.poll(began.elapsed()).map(|pause| Instant::now() + pause);
        scan
    }
}

/// Waits until something is pending and the burst has settled, or has lasted long enough.
async fn settled(watch: &mut Watch) {
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

/// Batches of the thread that watches an API server.
pub(super) struct KubernetesFeed {
    batches: mpsc::Receiver<Batch>,
    pending: Option<Pending>,
    /// To be delivered next; all of them, so that newer ones replace them.
    problems: Option<Vec<Arc<Problem>>>,
    is_first: bool,
}

/// Changes that wait for what may come with them.
struct Pending {
    changes: Vec<Change>,
    since: std::time::Instant,
    due: Instant,
    /// Nothing but routes.
    is_routes: bool,
}

impl KubernetesFeed {
    pub(super) fn new(batches: mpsc::Receiver<Batch>) -> Self {
        Self { batches, pending: None, problems: None, is_first: true }
    }

    async fn next(&mut self) -> Result<Delivery, ControlError> {
        loop {
            if let Some(problems) = self.problems.take() {
                return Ok(Delivery::Problems(problems));
            }
            let due = self.pending.as_ref().map(|pending| pending.due);
            if due.is_some_and(|due| due <= Instant::now())
                && let Some(Pending { changes, since, .. }) = self.take_all()
            {
                let changes = Changes { changes, problems: None };
                return Ok(Delivery::Changes { changes, since });
            }
            tokio::select! {
                batch = self.batches.recv() => {
                    if let Some(problems) = self.take(batch.ok_or(ControlError::ClusterThread)?) {
                        return Ok(Delivery::Problems(problems));
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// What is due, and all that came meanwhile: while the last delivery was worked on there may
    /// have come an endpoint that goes away, behind routes that are due one by one.
    fn take_all(&mut self) -> Option<Pending> {
        while let Ok(batch) = self.batches.try_recv() {
            if let Some(problems) = self.take(batch) {
                self.problems = Some(problems);
            }
        }
        self.pending.take()
    }

    fn take(&mut self, batch: Batch) -> Option<Vec<Arc<Problem>>> {
        match batch {
            Batch::Problems(problems) => Some(problems),
            Batch::Changes { changes, urgency, since } => {
                // The first reading is no change: it took as long as the start did.
                let (urgency, since) = if std::mem::take(&mut self.is_first) {
                    (Urgency::Now, std::time::Instant::now())
                } else {
                    (urgency, since)
                };
                self.add(changes, urgency, since, Instant::now());
                None
            }
        }
    }

    /// An endpoint that goes away must not get another request; one that comes can wait for its
    /// siblings; a route waits for the rest of `kubectl apply`.
    fn add(
        &mut self,
        changes: Vec<Change>,
        urgency: Urgency,
        since: std::time::Instant,
        now: Instant,
    ) {
        // One that waited for its Secrets may be told late.
        let first = self.pending.as_ref().map_or(since, |pending| pending.since.min(since));
        let due = match urgency {
            Urgency::Now => now,
            Urgency::Endpoints => Instant::from_std(first) + ENDPOINTS_SETTLE,
            Urgency::Routes => (now + SETTLE_IDLE).min(Instant::from_std(first) + SETTLE_MAX),
        };
        match &mut self.pending {
            Some(pending) => {
                pending.changes.extend(changes);
                pending.since = first;
                // Routes may wait longer for each other; nothing else is put off.
                let is_put_off = pending.is_routes && matches!(urgency, Urgency::Routes);
                pending.due = if is_put_off { due } else { pending.due.min(due) };
                pending.is_routes &= is_put_off;
            }
            None => {
                let is_routes = matches!(urgency, Urgency::Routes);
                self.pending = Some(Pending { changes, since, due, is_routes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Kind, ObjectRef};

    fn change(name: &str) -> Change {
        Change::Delete(ObjectRef { kind: Kind::Service, namespace: "a".into(), name: name.into() })
    }

    /// When what was added is due, counted from the first of it.
    fn due(urgencies: &[(Urgency, Duration)]) -> Duration {
        let (_sink, batches) = mpsc::channel(1);
        let mut feed = KubernetesFeed::new(batches);
        let start = Instant::now();
        for (urgency, at) in urgencies {
            let now = start + *at;
            feed.add(vec![change("a")], *urgency, now.into_std(), now);
        }
        let pending = feed.pending.expect("something was added");
        assert_eq!(pending.changes.len(), urgencies.len());
        assert_eq!(pending.since, start.into_std());
        pending.due - start
    }

    #[test]
    fn bursts_are_one_and_removals_do_not_wait() {
        use Urgency::{Endpoints, Now, Routes};
        let ms = Duration::from_millis;
        assert_eq!(due(&[(Now, ms(0))]), ms(0));
        assert_eq!(due(&[(Endpoints, ms(0))]), ENDPOINTS_SETTLE);
        assert_eq!(due(&[(Endpoints, ms(0)), (Endpoints, ms(9))]), ENDPOINTS_SETTLE);
        assert_eq!(due(&[(Endpoints, ms(0)), (Now, ms(4))]), ms(4));
        assert_eq!(due(&[(Routes, ms(0))]), SETTLE_IDLE);
        assert_eq!(due(&[(Routes, ms(0)), (Routes, ms(2))]), ms(2) + SETTLE_IDLE);
        let endless: Vec<_> = (0..30).map(|at| (Routes, ms(at))).collect();
        assert_eq!(due(&endless), SETTLE_MAX);
        // What a route waits for is no reason to let an endpoint wait.
        assert_eq!(due(&[(Routes, ms(0)), (Now, ms(1))]), ms(1));
        assert_eq!(due(&[(Now, ms(0)), (Routes, ms(1))]), ms(0));
        assert_eq!(due(&[(Endpoints, ms(0)), (Routes, ms(9))]), ENDPOINTS_SETTLE);
    }

    #[tokio::test]
    async fn the_first_reading_does_not_wait_and_the_thread_must_not_end() {
        let (sink, batches) = mpsc::channel(16);
        let mut feed = KubernetesFeed::new(batches);
        let since = std::time::Instant::now();
        let changes = vec![change("first")];
        let batch = Batch::Changes { changes, urgency: Urgency::Routes, since };
        sink.try_send(batch).expect("room");
        let delivery = feed.next().await.expect("a thread that lives");
        assert!(
            matches!(delivery, Delivery::Changes { changes, .. } if changes.changes.len() == 1)
        );
        sink.try_send(Batch::Problems(Vec::new())).expect("room");
        let delivery = feed.next().await.expect("a thread that lives");
        assert!(matches!(delivery, Delivery::Problems(problems) if problems.is_empty()));
        drop(sink);
        assert!(matches!(feed.next().await, Err(ControlError::ClusterThread)));
    }

    /// While a large change was worked on, routes came, and behind them an endpoint went away.
    #[tokio::test]
    async fn what_came_meanwhile_is_one_delivery() {
        let (sink, batches) = mpsc::channel(16);
        let mut feed = KubernetesFeed::new(batches);
        feed.is_first = false;
        let since = std::time::Instant::now() - 2 * SETTLE_MAX;
        for urgency in [Urgency::Routes, Urgency::Routes, Urgency::Now] {
            let batch = Batch::Changes { changes: vec![change("a")], urgency, since };
            sink.try_send(batch).expect("room");
        }
        sink.try_send(Batch::Problems(Vec::new())).expect("room");
        let delivery = feed.next().await.expect("a thread that lives");
        assert!(
            matches!(delivery, Delivery::Changes { changes, .. } if changes.changes.len() == 3)
        );
        let delivery = feed.next().await.expect("a thread that lives");
        assert!(matches!(delivery, Delivery::Problems(_)));
    }
}
