//! Steps of all watches, and objects as they were read by name → batches for the store.
//!
//! Decides and never waits; time is handed in. Keeps every trimmed object (the store shares it), so
//! that a list that is read anew comes to what differs, never to an empty table, and so that what
//! changes twice while nobody takes it is told once.
//!
//! ```text
//!  Step ─▶ held ─▶ dirty ──┬────────────▶ Batch::Changes
//!             │            └─ waiting ──▶   (an Ingress, until what it names was read)
//!  Ingress ───┴▶ references ─▶ Named ─▶ GET ─▶ held
//! ```

mod needs;
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Urgency};
use super::failure::Failure;
use super::item::{Content, Item};
use super::named::{Answer, Named};
use super::problems::{self, Trouble};
use super::state::SourceState;
use super::stream::{Extent, Stream};
use super::watch::{Step, Verb};
use crate::control::kinds::{KindInfo, KindScope, Need, Reading, Role, info};
use crate::control::observed::{Observed, Shown};
use crate::control::source::interest::Interest;
use crate::control::source::object::{Change, Object, SourceObject};
use crate::limits::{NAMED_REFRESH, NAMED_WAIT};
use crate::model::{Kind, ObjectRef, Problem};
use references::References;

/// What becomes of a namespace that labels choose.
#[derive(Clone, Copy)]
enum Selection {
    /// Its objects count.
    Taken,
    /// They do not, or no more.
    Left,
}

/// Settings of a [`Collector`].
pub(super) struct Setup {
    /// All watches; their place is their id.
    pub extents: Vec<Extent>,
    /// Only objects of namespaces that a watch of namespaces finds count.
    pub is_selective: bool,
    /// Whose objects are ours.
    pub interest: Box<dyn Interest>,
    /// Wanted whoever names them.
    pub named: Vec<ObjectRef>,
    /// For the writer.
    pub observed: Arc<Observed>,
    /// For metrics.
    pub state: Arc<SourceState>,
}

/// See the module.
pub(super) struct Collector {
    streams: Vec<Stream>,
    /// Namespaces whose objects count; `None`: all.
    namespaces: Option<BTreeSet<Arc<str>>>,
    held: BTreeMap<ObjectRef, Held>,
    interest: Box<dyn Interest>,
    /// What Ingresses of ours name.
    references: BTreeMap<ObjectRef, References>,
    named: Named,
    refresh_at: Instant,
    /// Differs from what was told.
    dirty: BTreeSet<ObjectRef>,
    /// Some of the dirty ones: since when and until when they wait for what they name.
    waiting: BTreeMap<ObjectRef, Wait>,
    /// When the first of them has waited long enough, or earlier.
    wait_until: Option<Instant>,
    /// Which Ingresses may wait for an open object.
    waiters: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    since: Option<Instant>,
    urgency: Urgency,
    has_told: bool,
    trouble: Trouble,
    told_problems: Vec<Arc<Problem>>,
    are_problems_stale: bool,
    observed: Arc<Observed>,
    state: Arc<SourceState>,
}

struct Held {
    /// `None`: gone, which is not told yet.
    object: Option<Object>,
    /// In its status.
    shown: Shown,
    /// The store has it, perhaps in an older version.
    is_told: bool,
}

#[derive(Clone, Copy)]
struct Wait {
    since: Instant,
    until: Instant,
}

impl Collector {
    pub(super) fn new(setup: Setup, now: Instant) -> Self {
        let Setup { extents, is_selective, interest, named: wanted, observed, state } = setup;
        let mut named = Named::default();
        wanted.iter().for_each(|object| named.want(object));
        extents.iter().for_each(|extent| state.update(extent.kind, |_| {}));
        let stream = |extent: Extent| {
            let selects = is_selective && extent.kind == Kind::Namespace;
            let need = if selects { Need::Required } else { info(extent.kind).need };
            Stream::new(extent, need)
        };
        let ingresses = extents.iter().filter(|extent| extent.kind == Kind::Ingress);
        let fixed: Option<_> = ingresses.map(|extent| extent.namespace.clone()).collect();
        if let Some(namespaces) = if is_selective { Some(BTreeSet::new()) } else { fixed } {
            state.watch_only(namespaces);
        }
        Self {
            streams: extents.into_iter().map(stream).collect(),
            namespaces: is_selective.then(BTreeSet::new),
            held: BTreeMap::new(),
            interest,
            references: BTreeMap::new(),
            named,
            refresh_at: now + NAMED_REFRESH,
            dirty: BTreeSet::new(),
            waiting: BTreeMap::new(),
            wait_until: None,
            waiters: BTreeMap::new(),
            // The first reading is told even if it is empty.
            since: Some(now),
            urgency: Urgency::Endpoints,
            has_told: false,
            trouble: Trouble::default(),
            told_problems: Vec::new(),
            are_problems_stale: false,
            observed,
            state,
        }
    }

    /// Takes a step of the watch `id`.
    pub(super) fn step(&mut self, id: usize, step: Step, now: Instant) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let kind = stream.extent.kind;
        if !matches!(step, Step::Broken | Step::Failed(..)) {
            self.state.update(kind, |state| state.last_event = Some(now));
        }
        match step {
            Step::Begin => stream.listed.clear(),
            Step::Page(items) => {
                stream.listed.extend(items.iter().map(|item| item.reference.clone()));
                items.into_iter().for_each(|item| self.put(item, now));
            }
            Step::Done => self.finish_list(id, now),
            Step::Watching => self.set_failure(id, None),
            Step::Apply(item) => self.put(item, now),
            Step::Delete(object) => self.remove(&object, now),
            Step::Broken => self.count_error(kind),
            Step::Unreadable(failure) => {
                stream.unreadable = Some(failure);
                self.are_problems_stale = true;
                self.count_error(kind);
            }
            // An extension that the cluster does not have, or that we have no right to, which a
            // server says of what it does not have, too; what there was of it stays.
            Step::Failed(verb, failure)
                if stream.need == Need::IfServed
                    && matches!(failure, Failure::NotServed(_) | Failure::Forbidden(_)) =>
            {
                stream.is_synced = true;
                self.state.update(kind, |state| state.is_synced = true);
                let is_refused = matches!(failure, Failure::Forbidden(_));
                self.set_failure(id, is_refused.then_some((verb, failure)));
            }
            Step::Failed(verb, failure) => {
                self.count_error(kind);
                self.set_failure(id, Some((verb, failure)));
            }
        }
    }

    /// The next object to read by its name.
    pub(super) fn next_named(&mut self) -> Option<ObjectRef> {
        self.named.next()
    }

    /// Takes an object that was read by its name, with its version; `None`: there is none.
    pub(super) fn read(
        &mut self,
        reference: &ObjectRef,
        result: Result<Option<(Box<str>, Object)>, Failure>,
        now: Instant,
    ) {
        let (answer, content) = match result {
            Ok(Some((version, object))) => (Answer::Present(version), Some(Some(object))),
            Ok(None) => (Answer::Absent, Some(None)),
            Err(failure) => {
                self.count_error(reference.kind);
                (Answer::Failed(failure), None)
            }
        };
        let failure = self.named.failure(reference).cloned();
        if !self.named.answer(reference, answer, now) {
            return;
        }
        self.are_problems_stale |= failure.as_ref() != self.named.failure(reference);
        match content {
            Some(Some(object)) => self.hold(reference, object, Shown::Nothing, now),
            Some(None) => self.drop_held(reference, now),
            // What was read before stays in force.
            None => {}
        }
        self.stop_waiting(reference);
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn deadline(&self) -> Instant {
        let others = self.wait_until.into_iter().chain(self.named.retry_at());
        others.fold(self.refresh_at, Instant::min)
    }

    /// Does what time alone asks for.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.wait_until.is_some_and(|until| until <= now) {
            self.waiting.retain(|_, wait| wait.until > now);
            self.wait_until = self.waiting.values().map(|wait| wait.until).min();
        }
        self.named.retry(now);
        if self.refresh_at <= now {
            self.refresh_at = now + NAMED_REFRESH;
            let is_watched = |object: &ObjectRef| {
                let refused = |s: &Stream| s.failure.as_ref().is_some_and(|(_, f)| f.is_refusal());
                self.streams.iter().any(|s| s.extent.covers(object) && !refused(s))
            };
            let blind: Vec<_> =
                self.named.wanted().filter(|object| !is_watched(object)).cloned().collect();
            blind.iter().for_each(|object| self.named.demand(object));
        }
    }

    /// Since when there is something to tell.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let is_ready = match self.has_told {
            true => self.dirty.len() > self.waiting.len(),
            false => self.is_complete(),
        };
        is_ready.then_some(self.since).flatten()
    }

    /// What differs from what was told before.
    pub(super) fn take_changes(&mut self, now: Instant) -> Batch {
        self.has_told = true;
        self.settle_told(now);
        let waiting = &self.waiting;
        let dirty = std::mem::take(&mut self.dirty).into_iter();
        let (kept, told): (BTreeSet<_>, BTreeSet<_>) =
            dirty.partition(|object| waiting.contains_key(object));
        self.dirty = kept;
        let since = self.since.take().unwrap_or(now);
        self.since = self.waiting.values().map(|wait| wait.since).min();
        let next = if self.dirty.is_empty() { Urgency::Endpoints } else { Urgency::Routes };
        let urgency = std::mem::replace(&mut self.urgency, next);
        let changes = told.into_iter().filter_map(|object| self.change(object)).collect();
        Batch::Changes { changes, urgency, since }
    }

    /// All present problems, if they differ from what was told before.
    pub(super) fn take_problems(&mut self) -> Option<Batch> {
        if !std::mem::take(&mut self.are_problems_stale) {
            return None;
        }
        let problems = problems::of(&self.streams, &self.named, &mut self.trouble);
        if problems == self.told_problems {
            return None;
        }
        self.told_problems.clone_from(&problems);
        Some(Batch::Problems(problems))
    }

    /// Whether everything that can be known is known.
    fn is_complete(&self) -> bool {
        // What definitions say is told, and routes nothing.
        let excused = |stream: &Stream| {
            let is_told = stream.extent.kind == Kind::CustomResourceDefinition;
            let failure = stream.failure.as_ref();
            failure.is_some_and(|(_, failure)| is_told || failure.is_of_kind())
        };
        let required = self.streams.iter().filter(|stream| stream.need == Need::Required);
        let mut required = required.map(|stream| stream.extent.kind);
        let is_known =
            |kind| self.streams.iter().any(|stream| stream.extent.kind == kind && stream.is_synced);
        self.streams.iter().all(|stream| stream.is_synced || excused(stream))
            && required.all(is_known)
            && !self.named.is_any_open()
    }

    fn count_error(&self, kind: Kind) {
        self.state.update(kind, |state| state.errors = state.errors.saturating_add(1));
    }

    fn set_failure(&mut self, id: usize, failure: Option<(Verb, Failure)>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.are_problems_stale |= stream.failure != failure;
        stream.failure = failure;
    }

    fn finish_list(&mut self, id: usize, now: Instant) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let listed = std::mem::take(&mut stream.listed);
        let extent = stream.extent.clone();
        stream.is_synced = true;
        self.are_problems_stale |= stream.unreadable.take().is_some();
        let first = extent.first();
        let gone: Vec<ObjectRef> = match extent.kind {
            kind if is_named(kind) => {
                let known = self.named.known_from(&first).take_while(|known| known.kind == kind);
                let known = known.filter(|known| extent.covers(known));
                known.filter(|known| !listed.contains(*known)).cloned().collect()
            }
            kind => {
                let known = self.held.range(&first..).map(|(object, _)| object);
                let known = known.take_while(|object| object.kind == kind);
                let known = known.take_while(|object| extent.covers(object));
                known.filter(|object| !listed.contains(*object)).cloned().collect()
            }
        };
        gone.iter().for_each(|object| self.remove(object, now));
        if is_named(extent.kind) {
            // Read while nothing was watched, and perhaps gone since.
            let doubtful = self.named.doubtful().filter(|object| extent.covers(object));
            let doubtful: Vec<_> = doubtful.cloned().collect();
            doubtful.iter().for_each(|object| self.named.demand(object));
        }
        let is_synced = self.streams.iter().all(|s| s.extent.kind != extent.kind || s.is_synced);
        self.state.update(extent.kind, |state| {
            state.is_synced = is_synced;
            state.lists = state.lists.saturating_add(1);
        });
        self.set_failure(id, None);
    }

    fn put(&mut self, item: Item, now: Instant) {
        let Item { reference, content } = item;
        match content {
            Content::Object(object, shown) => {
                self.hold(&reference, object, shown, now);
                if reference.kind == Kind::Namespace {
                    self.set_namespace(&reference.name, Selection::Taken, now);
                }
            }
            Content::Version(version) => {
                let kind = reference.kind;
                self.named.exists(reference, version);
                self.count_objects(kind, self.named.count(kind));
            }
        }
    }

    fn remove(&mut self, object: &ObjectRef, now: Instant) {
        match object.kind {
            Kind::Namespace => {
                self.drop_held(object, now);
                self.set_namespace(&object.name, Selection::Left, now);
            }
            kind if is_named(kind) => {
                if self.named.gone(object) {
                    self.drop_held(object, now);
                    self.are_problems_stale = true;
                    self.stop_waiting(object);
                }
                self.count_objects(kind, self.named.count(kind));
            }
            _ => self.drop_held(object, now),
        }
    }

    fn count_objects(&self, kind: Kind, objects: usize) {
        self.state.update(kind, |state| state.objects = objects);
    }

    /// The object is this now.
    fn hold(&mut self, reference: &ObjectRef, object: Object, shown: Shown, now: Instant) {
        let old = self.held.get_mut(reference);
        if let Some(held) = old
            && held.object.as_ref() == Some(&object)
        {
            // Also where only the version is new: a write that names an older one is a conflict.
            held.shown = shown;
            self.observe(reference);
            return;
        }
        let held = self.held.remove(reference);
        let (old, is_told) = held.map_or((None, false), |held| (held.object, held.is_told));
        let urgency = self.urgency(old.as_ref(), Some(&object));
        if old.is_none() && !is_named(reference.kind) {
            self.state.update(reference.kind, |s| s.objects = s.objects.saturating_add(1));
        }
        let held = Held { object: Some(object), shown, is_told };
        self.held.insert(reference.clone(), held);
        self.change_of(reference, urgency, now);
    }

    /// The object is gone.
    fn drop_held(&mut self, reference: &ObjectRef, now: Instant) {
        let Some(held) = self.held.get_mut(reference) else { return };
        let Some(old) = held.object.take() else { return };
        held.shown = Shown::Nothing;
        if !is_named(reference.kind) {
            self.state.update(reference.kind, |s| s.objects = s.objects.saturating_sub(1));
        }
        let urgency = self.urgency(Some(&old), None);
        self.change_of(reference, urgency, now);
    }

    fn urgency(&self, old: Option<&Object>, new: Option<&Object>) -> Urgency {
        match old.or(new) {
            Some(Object::EndpointSlice(_)) if self.interest.is_urgent(old, new) => Urgency::Now,
            Some(Object::EndpointSlice(_)) => Urgency::Endpoints,
            _ => Urgency::Routes,
        }
    }

    /// Follows what hangs on an object that is new, changed or gone, and marks it.
    fn change_of(&mut self, reference: &ObjectRef, urgency: Urgency, now: Instant) {
        self.observe(reference);
        match info(reference.kind).role {
            Role::Names => self.find_references(reference, now),
            Role::Chooses => self.choose(now),
            Role::Plain => {}
        }
        if self.is_visible(reference) || self.held.get(reference).is_some_and(|held| held.is_told) {
            self.mark(reference, urgency, now);
        } else if self.held.get(reference).is_some_and(|held| held.object.is_none()) {
            self.held.remove(reference);
        }
    }

    fn mark(&mut self, object: &ObjectRef, urgency: Urgency, now: Instant) {
        self.dirty.insert(object.clone());
        self.since.get_or_insert(now);
        self.urgency = self.urgency.max(urgency);
        // Of the first reading everything waits.
        if self.has_told && self.must_wait(object) {
            let wait = Wait { since: now, until: now + NAMED_WAIT };
            let wait = self.waiting.entry(object.clone()).or_insert(wait);
            self.wait_until = Some(self.wait_until.map_or(wait.until, |at| at.min(wait.until)));
            let named = self.references.get(object).into_iter().flat_map(|all| &*all.newest);
            for named in named.filter(|named| self.named.is_open(named)) {
                self.waiters.entry(named.clone()).or_default().insert(object.clone());
            }
        } else {
            self.waiting.remove(object);
        }
    }

    /// Whether hosts would be without their certificates, or rules without what they need, if this
    /// were told now.
    fn must_wait(&self, object: &ObjectRef) -> bool {
        match info(object.kind).role {
            Role::Names => {
                let named = self.references.get(object).into_iter().flat_map(|all| &*all.newest);
                named.into_iter().any(|named| self.named.is_open(named))
            }
            Role::Chooses => self.named.is_any_open(),
            Role::Plain => false,
        }
    }

    /// The object is open no more.
    fn stop_waiting(&mut self, object: &ObjectRef) {
        if self.named.is_open(object) {
            return;
        }
        for ingress in self.waiters.remove(object).into_iter().flatten() {
            if !self.must_wait(&ingress) {
                self.waiting.remove(&ingress);
            }
        }
        if !self.named.is_any_open() {
            self.waiting.clear();
        }
    }

    fn is_visible(&self, object: &ObjectRef) -> bool {
        if is_named(object.kind) {
            return self.named.is_wanted(object);
        }
        object.namespace.is_empty()
            || self.namespaces.as_ref().is_none_or(|all| all.contains(&object.namespace))
    }

    /// Tells the writer of an object that counts, or that it does no more.
    fn observe(&self, reference: &ObjectRef) {
        let held = self.held.get(reference).filter(|_| self.is_visible(reference));
        match held.map(|held| (held.object.as_ref(), &held.shown)) {
            Some((Some(object), shown)) => self.observed.put(reference, uid(object), shown),
            _ => self.observed.remove(reference),
        }
    }

    fn set_namespace(&mut self, name: &Arc<str>, selection: Selection, now: Instant) {
        let Some(namespaces) = &mut self.namespaces else { return };
        let is_changed = match selection {
            Selection::Taken => namespaces.insert(Arc::clone(name)),
            Selection::Left => namespaces.remove(name),
        };
        if !is_changed {
            return;
        }
        self.state.watch_only(namespaces.clone());
        let kinds = KindInfo::followed(KindScope::Namespaced);
        for KindInfo { kind, .. } in kinds.filter(|info| info.reading == Reading::Whole) {
            let (kind, namespace) = (*kind, Some(Arc::clone(name)));
            let extent = Extent { kind, namespace, name: None };
            let from = (Bound::Included(extent.first()), Bound::Unbounded);
            let held = self.held.range(from).map(|(object, _)| object);
            let all: Vec<_> = held.take_while(|object| extent.covers(object)).cloned().collect();
            for object in &all {
                self.observe(object);
                if info(kind).role == Role::Names {
                    self.find_references(object, now);
                }
                self.mark(object, Urgency::Routes, now);
            }
        }
    }

    fn change(&mut self, reference: ObjectRef) -> Option<Change> {
        let is_visible = self.is_visible(&reference);
        let held = self.held.get_mut(&reference)?;
        let was_told = std::mem::replace(&mut held.is_told, is_visible && held.object.is_some());
        let object = held.object.clone();
        if object.is_none() {
            self.held.remove(&reference);
        }
        match object {
            Some(object) if is_visible => {
                let source = SourceObject { reference, object, provenance: None };
                Some(Change::Apply(Box::new(source)))
            }
            _ => was_told.then_some(Change::Delete(reference)),
        }
    }
}

/// Whether only what others name is read of the kind.
fn is_named(kind: Kind) -> bool {
    info(kind).reading == Reading::Named
}

fn uid(object: &Object) -> Option<&str> {
    object.metadata().uid.as_deref()
}
