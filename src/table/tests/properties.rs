//! Fast ≡ naive; incremental ≡ fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Request;
use super::generate;
use crate::model::{BackendKey, Host, Listener, ListenerId, Model, Rule};
use crate::table::{
    BackendId, Compiled, Compiler, Match, SeriesId, SeriesLabels, Table, TableRule, naive,
};

/// What makes two answers the same.
type Answer = Option<(Option<u32>, usize, bool)>;

fn fast(table: &Table, listener: ListenerId, request: &Request) -> Answer {
    let found = table.lookup(listener, &request.key())?;
    Some((found.rule.origin.rule, found.matched_bytes, found.is_routed))
}

fn slow(model: &Model, listener: ListenerId, request: &Request) -> Answer {
    let found = naive::lookup(model, listener, &request.key())?;
    Some((found.rule.origin.rule, found.matched_bytes, found.is_routed))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn lookup_answers_as_the_oracle(
        model in generate::model(),
        requests in vec(generate::request(), 16),
    ) {
        let table = Compiler::default().compile(&model).table;
        for request in requests {
            let key = ListenerId::HTTP;
            prop_assert_eq!(
                fast(&table, key, &request), slow(&model, key, &request), "{:?}", request
            );
        }
    }
}

/// A change of a model; indices are taken modulo what is there.
#[derive(Debug, Clone)]
enum Edit {
    Put(usize, Box<Host>),
    Remove(usize, usize),
    Swap(usize, usize, usize),
    Share(usize, usize),
    Default(usize, Option<Box<Rule>>),
    AddListener,
    RemoveListener,
    Nothing,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        8 => (0..4_usize, generate::host()).prop_map(|(at, host)| Edit::Put(at, Box::new(host))),
        3 => (0..4_usize, 0..9_usize).prop_map(|(at, host)| Edit::Remove(at, host)),
        1 => (0..4_usize, 0..9_usize, 0..9_usize).prop_map(|(at, a, b)| Edit::Swap(at, a, b)),
        1 => (0..4_usize, 0..4_usize).prop_map(|(from, to)| Edit::Share(from, to)),
        2 => (0..4_usize, generate::default_rule())
            .prop_map(|(at, rule)| Edit::Default(at, rule.map(Box::new))),
        1 => Just(Edit::AddListener),
        1 => Just(Edit::RemoveListener),
        1 => Just(Edit::Nothing),
    ]
}

impl Edit {
    fn apply(self, model: &mut Model, next: &mut u32) {
        let count = model.listeners.len().max(1);
        let listeners = &mut model.listeners;
        match self {
            Self::Put(n, host) => {
                if let Some(listener) = listeners.get_mut(n % count) {
                    put(listener, generate::number(*host, next));
                }
            }
            Self::Remove(n, host) => {
                if let Some(hosts) = hosts_of(listeners, n % count) {
                    hosts.remove(host % hosts.len());
                }
            }
            Self::Swap(n, a, b) => {
                if let Some(hosts) = hosts_of(listeners, n % count) {
                    let count = hosts.len();
                    hosts.swap(a % count, b % count);
                }
            }
            Self::Share(from, to) => {
                let host = hosts_of(listeners, from % count).map(|hosts| Arc::clone(&hosts[0]));
                if let (Some(host), Some(listener)) = (host, listeners.get_mut(to % count)) {
                    put(listener, host);
                }
            }
            Self::Default(n, rule) => {
                if let Some(listener) = listeners.get_mut(n % count) {
                    let rule = rule.map(|rule| generate::number_rule(*rule, next));
                    listener.default_rule = rule.map(Arc::new);
                }
            }
            Self::AddListener => listeners.push(Listener::default()),
            Self::RemoveListener => drop(listeners.pop()),
            Self::Nothing => {}
        }
    }
}

/// The hosts of a listener that has some.
fn hosts_of(listeners: &mut [Listener], at: usize) -> Option<&mut Vec<Arc<Host>>> {
    listeners.get_mut(at).map(|listener| &mut listener.hosts).filter(|hosts| !hosts.is_empty())
}

fn put(listener: &mut Listener, host: Arc<Host>) {
    match listener.hosts.iter_mut().find(|other| other.pattern == host.pattern) {
        Some(place) => *place = host,
        None => listener.hosts.push(host),
    }
}

/// What a core and the metrics would know after the compilations so far.
#[derive(Default)]
struct Book {
    backends: BTreeMap<BackendKey, BackendId>,
    series: BTreeMap<SeriesLabels, SeriesId>,
}

impl Book {
    /// Enters a compilation and checks that the lists say exactly what changed.
    fn enter(&mut self, compiled: &Compiled) -> Result<(), TestCaseError> {
        for info in &compiled.removed {
            prop_assert_eq!(self.backends.remove(&*info.key), Some(info.id));
        }
        for info in &compiled.added {
            prop_assert_eq!(self.backends.insert(BackendKey::clone(&info.key), info.id), None);
        }
        for id in &compiled.series_removed {
            let before = self.series.len();
            self.series.retain(|_, other| other != id);
            prop_assert_eq!(self.series.len(), before - 1);
        }
        for (id, labels) in &compiled.series_added {
            prop_assert_eq!(self.series.insert(labels.clone(), *id), None);
        }
        let slots: BTreeSet<u32> = self.backends.values().map(|id| id.slot).collect();
        prop_assert_eq!(slots.len(), self.backends.len(), "two backends share a slot");
        let slots: BTreeSet<u32> = self.series.values().map(|id| id.slot).collect();
        prop_assert_eq!(slots.len(), self.series.len(), "two series share a slot");
        Ok(())
    }

    /// Checks that the ids of `compiled` stand for what `rule` says.
    fn check_rule(&self, compiled: &TableRule, rule: &Rule) -> Result<(), TestCaseError> {
        let series = |backend: Option<&BackendKey>| {
            let object = rule.origin.object.clone();
            let (host, path) = ("".into(), "".into());
            let labels =
                SeriesLabels { object, host, path, backend: backend.cloned(), canary: None };
            self.series.get(&labels).copied()
        };
        prop_assert_eq!(Some(compiled.series), series(None));
        let weighted = rule.backends.iter().filter(|entry| entry.weight > 0);
        prop_assert_eq!(compiled.backends.len(), weighted.clone().count());
        for (entry, from) in compiled.backends.iter().zip(weighted) {
            let key = from.target.key();
            let id = key.map(|key| self.backends.get(key).copied());
            prop_assert_eq!(entry.backend.map(Some), id);
            prop_assert_eq!(Some(entry.series), series(key));
        }
        Ok(())
    }
}

fn rules(model: &Model) -> impl Iterator<Item = &Arc<Rule>> {
    model.listeners.iter().flat_map(|listener| {
        let hosts = || listener.hosts.iter();
        let locations = hosts().flat_map(|host| &host.locations).map(|location| &location.rule);
        hosts().flat_map(|host| &host.rules).chain(locations).chain(&listener.default_rule)
    })
}

fn backend_keys(model: &Model) -> BTreeSet<BackendKey> {
    let entries = rules(model).flat_map(|rule| &rule.backends).filter(|entry| entry.weight > 0);
    entries.filter_map(|entry| entry.target.key()).cloned().collect()
}

/// Answers of both compilers agree with the oracle, and ids in them with the book.
fn check_answers(
    model: &Model,
    incremental: &Table,
    fresh: &Table,
    requests: &[Request],
    book: &Book,
) -> Result<(), TestCaseError> {
    for listener in (0..=4).map(|slot| ListenerId { slot, generation: 0 }) {
        for request in requests {
            let wanted = slow(model, listener, request);
            prop_assert_eq!(fast(incremental, listener, request), wanted);
            prop_assert_eq!(fast(fresh, listener, request), wanted);
            let found = incremental.lookup(listener, &request.key());
            let from = naive::lookup(model, listener, &request.key());
            if let (Some(Match { rule, .. }), Some(from)) = (found, from) {
                book.check_rule(rule, from.rule)?;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_incremental_compile_equals_a_fresh_one(
        mut model in generate::model(),
        edits in vec(edit(), 1..10),
        requests in vec(generate::request(), 4),
    ) {
        let mut next = 1000;
        let mut compiler = Compiler::default();
        let mut book = Book::default();
        let first = compiler.compile(&model);
        book.enter(&first)?;
        for (edit, version) in edits.into_iter().zip(2..) {
            let before = book.backends.clone();
            edit.apply(&mut model, &mut next);
            let compiled = compiler.compile(&model);
            prop_assert_eq!(compiled.table.version.0, version);
            book.enter(&compiled)?;
            let keys: BTreeSet<BackendKey> = book.backends.keys().cloned().collect();
            prop_assert_eq!(&keys, &backend_keys(&model));
            for key in &keys {
                if let Some(id) = before.get(key) {
                    prop_assert_eq!(book.backends.get(key), Some(id), "{} changed its id", key);
                }
            }
            let fresh = Compiler::default().compile(&model).table;
            check_answers(&model, &compiled.table, &fresh, &requests, &book)?;
        }
        let emptied = compiler.compile(&Model::default());
        book.enter(&emptied)?;
        prop_assert!(book.backends.is_empty());
        prop_assert_eq!(book.series.len(), 1, "the overflow stays");
    }
}
