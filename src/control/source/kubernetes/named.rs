//! Which objects of kinds that are read by name exist, which are wanted, and which have to be read
//! (again).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::failure::Failure;
use crate::limits::{KUBE_REFUSED_RETRY, NAMED_RETRY};
use crate::model::{Kind, ObjectRef};

/// Decides what to read. Knows no content.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// All that exist where we may watch, with their versions.
    versions: BTreeMap<ObjectRef, Box<str>>,
    /// How many of each kind these are.
    counts: BTreeMap<Kind, usize>,
    wanted: BTreeMap<ObjectRef, Wanted>,
    /// Wanted, and the server has not answered once. A refusal counts as an answer: one Secret that
    /// the server cannot decrypt must not hold up everything.
    open: BTreeSet<ObjectRef>,
    /// Wanted, and the last reading failed.
    failed: BTreeMap<ObjectRef, Failure>,
    /// To be read; none of them is being read.
    due: BTreeSet<ObjectRef>,
    /// Being read, wanted still or not; true: what comes may be too old. One reading at a time, or
    /// the older answer might come last.
    reading: BTreeMap<ObjectRef, bool>,
    retry_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Wanted {
    users: usize,
    /// Its version; `None`: it does not exist, or is not known.
    present: Option<Box<str>>,
}

/// What the last reading said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It exists in this version.
    Present(Box<str>),
    /// It does not exist.
    Absent,
    /// Not known.
    Failed(Failure),
}

impl Named {
    /// One more user. The first one makes it be read.
    pub(super) fn want(&mut self, object: &ObjectRef) {
        let wanted = self.wanted.entry(object.clone()).or_default();
        wanted.users = wanted.users.saturating_add(1);
        if wanted.users == 1 {
            self.open.insert(object.clone());
            self.demand(object);
        }
    }

    /// One user less. Returns whether there is none left, so that it has to be forgotten.
    pub(super) fn release(&mut self, object: &ObjectRef) -> bool {
        let Some(wanted) = self.wanted.get_mut(object) else { return false };
        wanted.users = wanted.users.saturating_sub(1);
        if wanted.users > 0 {
            return false;
        }
        self.wanted.remove(object);
        self.open.remove(object);
        self.failed.remove(object);
        self.due.remove(object);
        true
    }

    /// The watch says that it exists in this version.
    pub(super) fn exists(&mut self, object: ObjectRef, version: Box<str>) {
        let known = self.wanted.get(&object).and_then(|wanted| wanted.present.as_ref());
        let is_known = known == Some(&version) && !self.failed.contains_key(&object);
        if !is_known {
            self.demand(&object);
        }
        let kind = object.kind;
        if self.versions.insert(object, version).is_none() {
            let count = self.counts.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The watch says that it is gone. Returns whether anybody wants it.
    pub(super) fn gone(&mut self, object: &ObjectRef) -> bool {
        if self.versions.remove(object).is_some()
            && let Some(count) = self.counts.get_mut(&object.kind)
        {
            *count = count.saturating_sub(1);
        }
        // What is being read may have been answered before it went.
        if let Some(is_stale) = self.reading.get_mut(object) {
            *is_stale = true;
        }
        let Some(wanted) = self.wanted.get_mut(object) else { return false };
        wanted.present = None;
        self.open.remove(object);
        self.failed.remove(object);
        self.due.remove(object);
        true
    }

    /// Reads it as soon as may be, if it is wanted.
    pub(super) fn demand(&mut self, object: &ObjectRef) {
        match self.reading.get_mut(object) {
            Some(is_stale) => *is_stale = true,
            None if self.wanted.contains_key(object) => _ = self.due.insert(object.clone()),
            None => {}
        }
    }

    /// The next one to read; to be answered with [`Self::answer`].
    pub(super) fn next(&mut self) -> Option<ObjectRef> {
        let object = self.due.pop_first()?;
        self.reading.insert(object.clone(), false);
        Some(object)
    }

    /// It was read. Returns whether anybody wants it still.
    pub(super) fn answer(&mut self, object: &ObjectRef, answer: Answer, now: Instant) -> bool {
        let is_stale = self.reading.remove(object).unwrap_or_default();
        let Some(wanted) = self.wanted.get_mut(object) else { return false };
        let is_newest = matches!(
            (&answer, self.versions.get(object)),
            (Answer::Present(read), Some(seen)) if read == seen
        );
        match answer {
            Answer::Failed(failure) => {
                let pause = if failure.is_refusal() { KUBE_REFUSED_RETRY } else { NAMED_RETRY };
                let at = now + pause;
                self.retry_at = Some(self.retry_at.map_or(at, |earlier| earlier.min(at)));
                if !failure.is_no_answer() {
                    self.open.remove(object);
                }
                self.failed.insert(object.clone(), failure);
            }
            Answer::Present(_) | Answer::Absent => {
                wanted.present = match answer {
                    Answer::Present(version) => Some(version),
                    _ => None,
                };
                self.open.remove(object);
                self.failed.remove(object);
            }
        }
        if is_stale && !is_newest {
            self.due.insert(object.clone());
        }
        true
    }

    /// Those that were read, or are being read, though the watch does not know of them.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = &ObjectRef> {
        let is_doubtful = |object: &ObjectRef, wanted: &Wanted| {
            let may_exist = wanted.present.is_some() || self.reading.contains_key(object);
            may_exist && !self.versions.contains_key(object)
        };
        let all = self.wanted.iter();
        all.filter(move |(object, wanted)| is_doubtful(object, wanted)).map(|(object, _)| object)
    }

    /// When [`Self::retry`] has something to do.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Reads again what could not be read.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.retry_at = None;
        let failed: Vec<_> = self.failed.keys().cloned().collect();
        failed.iter().for_each(|object| self.demand(object));
    }

    /// Whether it is wanted and nobody knows yet whether it exists.
    pub(super) fn is_open(&self, object: &ObjectRef) -> bool {
        self.open.contains(object)
    }

    /// Whether any is.
    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether anybody wants it.
    pub(super) fn is_wanted(&self, object: &ObjectRef) -> bool {
        self.wanted.contains_key(object)
    }

    /// Those that somebody wants.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &ObjectRef> {
        self.wanted.keys()
    }

    /// Those that could not be read, and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&ObjectRef, &Failure)> {
        self.failed.iter()
    }

    /// Why it could not be read.
    pub(super) fn failure(&self, object: &ObjectRef) -> Option<&Failure> {
        self.failed.get(object)
    }

    /// All that exist as far as the watch knows, from `first` on.
    pub(super) fn known_from(&self, first: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.versions.range(first..).map(|(object, _)| object)
    }

    /// How many of a kind exist.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or_default()
    }
}
