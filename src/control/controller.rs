//! What a change does: store → lower → compile → publish, and what acknowledgements allow.
//!
//! Never waits and starts no task, so that every decision can be tested with plain calls.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::admission::ReviewRequest;
use super::explain::{Explainer, ExplainerRequest};
use super::lower::{LowerOptions, Lowered, Lowerer};
use super::openings::{Bound, Openings, Shut};
use super::outcomes::{Outcome, Outcomes};
use super::resolve::Answer;
use super::source::Changes;
use super::state::ControlState;
use super::store::Store;
use crate::limits::PUBLICATIONS_WAITING_MAX;
use crate::model::{BackendKey, Kind, Model, ObjectRef, Problem, Severity};
use crate::publish::{Drain, Publisher, Sequence};
use crate::table::{BackendInfo, Compiled, Compiler, EndpointSet, TableVersion};

/// Told about each compilation before its table is published, for the series of metrics.
pub type CompiledHook = Box<dyn FnMut(&Compiled)>;

/// Decides; see the module.
pub struct Controller {
    store: Store,
    lowerer: Lowerer,
    compiler: Compiler,
    publisher: Publisher,
    openings: Openings,
    on_compiled: CompiledHook,
    state: Arc<ControlState>,
    outcomes: Arc<Outcomes>,
    /// Backends that the last table names.
    backends: BTreeMap<BackendKey, BackendInfo>,
    /// Publications that are not in force on every core yet, oldest first; at most
    /// [`PUBLICATIONS_WAITING_MAX`].
    waiting: VecDeque<Waiting>,
    source_problems: Vec<Arc<Problem>>,
    /// Of objects.
    object_problems: Arc<[Arc<Problem>]>,
    /// As last told to the operator.
    told: Vec<Arc<Problem>>,
}

/// A publication on its way.
struct Waiting {
    sequence: Sequence,
    /// Of its table; none when endpoints alone changed.
    version: Option<TableVersion>,
    /// When the change that led to it arrived.
    since: Instant,
    /// Named by the table before its own and not by that.
    removed: Vec<BackendInfo>,
    /// Of objects that came into force or went out of it.
    outcomes: Vec<(ObjectRef, Outcome)>,
}

impl Waiting {
    /// Makes one publication of this and the next: it is in force once the next is, took as long as
    /// this will have, and sets free what both do.
    fn merge(&mut self, next: Self) {
        let Self { sequence, version, since: _, removed, outcomes } = next;
        self.sequence = sequence;
        self.version = version.or(self.version);
        self.removed.extend(removed);
        // Told as an object twice, it counts as told last.
        let mut latest: BTreeMap<ObjectRef, Outcome> = self.outcomes.drain(..).collect();
        latest.extend(outcomes);
        self.outcomes.extend(latest);
    }
}

impl Controller {
    /// Publishes through `publisher` and tells `state`.
    #[must_use]
    pub fn new(
        options: LowerOptions,
        publisher: Publisher,
        state: Arc<ControlState>,
        on_compiled: CompiledHook,
    ) -> Self {
        Self {
            store: Store::default(),
            lowerer: Lowerer::new(options),
            compiler: Compiler::default(),
            publisher,
            openings: Openings::default(),
            on_compiled,
            state,
            outcomes: Arc::default(),
            backends: BTreeMap::new(),
            waiting: VecDeque::new(),
            source_problems: Vec::new(),
            object_problems: Arc::default(),
            told: Vec::new(),
        }
    }

    /// Takes listening sockets that are bound already, to be opened by the first table that names
    /// them.
    pub fn adopt(&mut self, bound: Vec<Bound>) {
        self.openings.adopt(bound);
    }

    /// Takes what a source found. The first call publishes the first table, whatever it holds.
    ///
    /// `since`: arrival of the first event of the change; apply times begin there.
    pub fn on_changes(&mut self, changes: Changes, since: Instant) {
        let Changes { changes, problems } = changes;
        let has_new_problems = problems.is_some();
        if let Some(problems) = problems {
            self.source_problems = problems;
        }
        let dirty = self.store.apply(changes);
        let is_first = self.state.is_empty();
        if dirty.is_empty() && !is_first && !has_new_problems {
            return;
        }
        let lowered = self.lowerer.apply(&self.store, &dirty, SystemTime::now());
        if is_first {
            let is_ingress = |(object, _): &&(ObjectRef, Outcome)| object.kind == Kind::Ingress;
            let ours = lowered.outcomes.iter().filter(is_ingress).count();
            let all = self.store.ingresses.len();
            tracing::info!("first reading: {all} Ingresses, {ours} of them ours and usable");
        }
        self.publish(lowered, since);
        if has_new_problems {
            self.tell();
        }
    }

    /// Takes all present problems of a source that may not have read everything yet.
    pub fn on_source_problems(&mut self, problems: Vec<Arc<Problem>>) {
        self.source_problems = problems;
        self.tell();
    }

    /// The zone of this process became known.
    pub fn on_zone(&mut self, zone: Option<Arc<str>>, since: Instant) {
        let lowered = self.lowerer.set_zone(&self.store, zone, SystemTime::now());
        // Before the first reading it only has to be remembered.
        if !self.state.is_empty() {
            self.publish(lowered, since);
        }
    }

    /// What became of objects, for those who tell their owners.
    #[must_use]
    pub fn outcomes(&self) -> Arc<Outcomes> {
        Arc::clone(&self.outcomes)
    }

    /// Takes the result of a name resolution.
    pub fn on_answer(&mut self, answer: Answer, since: Instant) {
        let lowered = self.lowerer.apply_answer(&self.store, answer, SystemTime::now());
        self.publish(lowered, since);
    }

    /// Some core acknowledged: removes backends that no core's table names any more.
    pub fn on_acknowledged(&mut self, now: Instant) {
        self.publisher.pump();
        while let Some(first) = self.waiting.front() {
            if !self.publisher.all_applied(first.sequence) {
                return;
            }
            let Some(waiting) = self.waiting.pop_front() else { return };
            let Waiting { sequence: _, version, since, removed, outcomes } = waiting;
            self.state.acknowledged(version, now.saturating_duration_since(since));
            for backend in removed {
                self.publisher.remove_backend(backend.id);
            }
            self.acknowledge(outcomes);
        }
    }

    /// Tells what became of objects.
    fn acknowledge(&self, outcomes: Vec<(ObjectRef, Outcome)>) {
        if !outcomes.is_empty() {
            self.state.served.tell(&outcomes);
            self.outcomes.acknowledged(outcomes);
        }
    }

    /// Answers what would be wrong with an object; not before the first table, and not if nobody
    /// waits any more.
    pub fn review(&self, request: ReviewRequest) {
        let ReviewRequest { ingress, reference, reply } = request;
        if !self.state.is_empty() && !reply.is_closed() {
            let problems = self.lowerer.review(&self.store, &reference, ingress, SystemTime::now());
            // The connection may have ended in between.
            drop(reply.send(problems));
        }
    }

    /// Tells what objects have to do with a rule.
    pub fn explain(&self, request: ExplainerRequest) {
        let ExplainerRequest { place, reply } = request;
        // Who asked may be gone.
        drop(reply.send(Explainer::of(&self.store, self.lowerer.options(), &place)));
    }

    /// Begins the drain on every core.
    pub fn drain(&mut self, drain: Drain) {
        self.openings.end();
        self.publisher.drain(drain);
    }

    /// When [`Self::on_opening_due`] is to be called.
    #[must_use]
    pub fn opening_due(&self) -> Option<Instant> {
        self.openings.due()
    }

    /// Tries again to open what could not be opened.
    pub fn on_opening_due(&mut self, now: Instant) {
        let problems = self.openings.problems();
        self.openings.retry(&mut self.publisher, now);
        let outcomes = self.take_refused();
        self.deliver(outcomes);
        let of_objects = self.lowerer.problems();
        if !Arc::ptr_eq(&problems, &self.openings.problems())
            || !Arc::ptr_eq(&of_objects, &self.object_problems)
        {
            self.object_problems = of_objects;
            self.tell();
        }
    }

    /// The way to the cores.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Names to be resolved.
    #[must_use]
    pub fn external_names(&self) -> BTreeSet<Arc<str>> {
        self.lowerer.external_names()
    }

    fn publish(&mut self, lowered: Lowered, since: Instant) {
        let Lowered { model, server_tls, certificates, endpoints, problems: _, outcomes } = lowered;
        self.state.serve(certificates);
        self.compiler.set_server_tls(server_tls);
        let of_openings = self.openings.problems();
        match model {
            Some(model) => self.publish_model(model, &endpoints, since, outcomes),
            None if self.publish_endpoints(&endpoints) => {
                self.await_cores(None, since, Vec::new(), outcomes);
            }
            None => self.deliver(outcomes),
        }
        let problems = self.lowerer.problems();
        if Arc::ptr_eq(&self.object_problems, &problems)
            && Arc::ptr_eq(&of_openings, &self.openings.problems())
        {
            // Most changes are of endpoints; they cost nothing that grows with the problems.
            self.state.count(self.store.counts());
        } else {
            self.object_problems = problems;
            self.tell();
        }
    }

    /// Endpoints first: a core must never route to a backend that it knows nothing of.
    fn publish_model(
        &mut self,
        model: Model,
        changed: &[(BackendKey, Arc<EndpointSet>)],
        since: Instant,
        mut outcomes: Vec<(ObjectRef, Outcome)>,
    ) {
        let compiled = self.compiler.compile(&model);
        (self.on_compiled)(&compiled);
        let Compiled { table, added, removed, series_added: _, series_removed: _ } = compiled;
        self.publish_endpoints(changed);
        for backend in added {
            let set = self.lowerer.endpoints(&backend.key);
            self.publisher.publish_endpoints(backend.id, &backend.key, &set);
            self.state.served.set_endpoints(&backend.key, set);
            self.backends.insert((*backend.key).clone(), backend);
        }
        for backend in &removed {
            // The same key may have come back under a new id.
            if self.backends.get(&*backend.key).is_some_and(|known| known.id == backend.id) {
                self.backends.remove(&*backend.key);
                self.state.served.remove_endpoints(&backend.key);
            }
        }
        self.publisher.publish_table(&table);
        self.state.served.set_model(model);
        let named = table.entry_points().iter().map(|(entry_point, _)| *entry_point);
        self.openings.follow(named, &mut self.publisher, since);
        outcomes.extend(self.take_refused());
        self.state.published(table.version);
        self.await_cores(Some(table.version), since, removed, outcomes);
    }

    /// What becomes of objects because of entry points that are open, or are not, since.
    fn take_refused(&mut self) -> Vec<(ObjectRef, Outcome)> {
        let refused = self.openings.refused().map(|(entry_point, shut)| {
            let (reason, text) = match shut {
                Shut::NoAddress(text) => ("AddressNotUsable", text),
                Shut::Port(text) => ("Pending", text),
            };
            (entry_point, (reason, format!("{entry_point} is not open: {text}.")))
        });
        self.lowerer.set_refused(&self.store, refused.collect())
    }

    /// Tells what became of objects once all cores have what was published.
    fn deliver(&mut self, outcomes: Vec<(ObjectRef, Outcome)>) {
        match self.waiting.back_mut() {
            _ if outcomes.is_empty() => {}
            Some(last) => last.outcomes.extend(outcomes),
            None => self.acknowledge(outcomes),
        }
    }

    /// Ends a publication; [`Self::on_acknowledged`] sees it come into force.
    fn await_cores(
        &mut self,
        version: Option<TableVersion>,
        since: Instant,
        removed: Vec<BackendInfo>,
        outcomes: Vec<(ObjectRef, Outcome)>,
    ) {
        let sequence = self.publisher.mark();
        let publication = Waiting { sequence, version, since, removed, outcomes };
        let is_full = self.waiting.len() >= PUBLICATIONS_WAITING_MAX;
        match self.waiting.back_mut().filter(|_| is_full) {
            Some(last) => last.merge(publication),
            None => self.waiting.push_back(publication),
        }
    }

    /// Returns whether anything was sent.
    fn publish_endpoints(&mut self, changed: &[(BackendKey, Arc<EndpointSet>)]) -> bool {
        let mut is_sent = false;
        for (key, set) in changed {
            // Of a backend that is not known yet the next table's `added` takes care.
            if let Some(backend) = self.backends.get(key) {
                self.publisher.publish_endpoints(backend.id, &backend.key, set);
                self.state.served.set_endpoints(&backend.key, Arc::clone(set));
                is_sent = true;
            }
        }
        is_sent
    }

    /// Tells everyone who listens about all present problems; the log about each once when it comes
    /// and once when it is gone.
    fn tell(&mut self) {
        let of_openings = self.openings.problems();
        let of_sources = self.source_problems.iter().chain(&*of_openings);
        let all: Vec<_> = of_sources.chain(&*self.object_problems).cloned().collect();
        let (fresh, gone) = difference(&self.told, &all);
        if !fresh.is_empty() || !gone.is_empty() {
            let is_wrong = |problem: &&Arc<Problem>| problem.severity > Severity::Note;
            let wrong = self.object_problems.iter().filter(is_wrong);
            self.outcomes.problems(wrong.cloned().collect());
        }
        for problem in gone {
            tracing::info!("solved: {problem}");
        }
        for problem in fresh {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
                Severity::Note => tracing::info!("{problem}"),
            }
        }
        self.told.clone_from(&all);
        self.state.update(all, self.source_problems.clone(), self.store.counts());
    }
}

/// Problems of `new` that are not in `old`, and the other way round.
///
/// Most are the same allocation in both; only the rest is compared by text.
fn difference<'a>(
    old: &'a [Arc<Problem>],
    new: &'a [Arc<Problem>],
) -> (Vec<&'a Problem>, Vec<&'a Problem>) {
    let by_address = |problems: &'a [Arc<Problem>]| -> HashMap<*const Problem, &'a Problem> {
        problems.iter().map(|problem| (Arc::as_ptr(problem), &**problem)).collect()
    };
    let (old_addresses, new_addresses) = (by_address(old), by_address(new));
    let only = |problems: &'a [Arc<Problem>], other: &HashMap<*const Problem, &Problem>| {
        let fresh = problems.iter().filter(|problem| !other.contains_key(&Arc::as_ptr(problem)));
        fresh.map(|problem| (problem.to_string(), &**problem)).collect::<BTreeMap<_, _>>()
    };
    let (fresh, gone) = (only(new, &old_addresses), only(old, &new_addresses));
    let without = |mine: &BTreeMap<String, &'a Problem>, other: &BTreeMap<String, &Problem>| {
        mine.iter().filter(|(text, _)| !other.contains_key(*text)).map(|(_, p)| *p).collect()
    };
    (without(&fresh, &gone), without(&gone, &fresh))
}

#[cfg(test)]
mod tests;
