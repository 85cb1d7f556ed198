//! Sums the shards of all cores when somebody asks.
//!
//! Lives on the control thread. Never makes a core wait: it reads atomics and takes new blocks from
//! a channel. Counts of one label set never go down while any series has it, even when series come
//! and go, because a counter that goes down reads as a restart.

mod shown;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::counter::{Counter, Gauge};
use super::measures::{Bounds, KindTotals, NginxBounds};
use super::series::{IdentifiedBlock, SeriesBlock, SeriesTotals};
use super::shard::CoreCounters;
use crate::limits::{SAMPLES_SHOWN_MAX, SERIES_MAX};
use crate::model::BackendKey;
use crate::table::SeriesId;
use crate::table::compile::SeriesLabels;

use shown::Shown;

/// The labels of exported series. Several series can share them: two ports of one Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricLabels {
    /// Of the object.
    pub namespace: Arc<str>,
    /// Name of the object; `_overflow`: requests without a series of their own.
    pub ingress: Arc<str>,
    /// Name of the Service; empty: answered without one.
    pub service: Arc<str>,
    /// `NAMESPACE-SERVICE-PORT` of the canary that stood in for it; empty: none did.
    pub canary: Arc<str>,
}

/// The same where hosts and paths are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceLabels {
    /// Of object and backend.
    pub labels: MetricLabels,
    /// As the object has it, `_` for any; empty: hosts are not told apart.
    pub host: Arc<str>,
    /// As the object has it.
    pub path: Arc<str>,
}

impl PlaceLabels {
    fn new(labels: &SeriesLabels) -> Self {
        let SeriesLabels { object, host, path, backend, canary } = labels;
        let service = backend.as_ref().map_or_else(|| "".into(), |b| Arc::clone(&b.service));
        let namespace = Arc::clone(&object.namespace);
        let canary = canary.as_ref().map_or_else(|| "".into(), upstream_name);
        let labels = MetricLabels { namespace, ingress: Arc::clone(&object.name), service, canary };
        Self { labels, host: Arc::clone(host), path: Arc::clone(path) }
    }

    /// Those of requests that no series has.
    #[must_use]
    pub fn fixed(ingress: &str) -> Self {
        let none: Arc<str> = "".into();
        let none = || Arc::clone(&none);
        let labels = MetricLabels {
            namespace: none(),
            ingress: ingress.into(),
            service: none(),
            canary: none(),
        };
        Self { labels, host: "_".into(), path: "/".into() }
    }
}

/// The name of a backend in ingress-nginx.
fn upstream_name(key: &BackendKey) -> Arc<str> {
    format!("{}-{}-{}", key.namespace, key.service, key.port).into()
}

/// The scraping end of all shards.
pub struct Scrape {
    cores: Vec<Arc<CoreCounters>>,
    announced: Receiver<Arc<IdentifiedBlock>>,
    bounds: Arc<Bounds>,
    series: HashMap<SeriesId, Series>,
    groups: Groups<MetricLabels, SeriesTotals>,
    /// Empty where nothing is told apart by them.
    places: Groups<PlaceLabels, KindTotals>,
    shown: Shown<PlaceLabels>,
    removed: Vec<SeriesId>,
    /// What each core counted for series that are gone.
    gone: Vec<SeriesTotals>,
}

struct Series {
    labels: PlaceLabels,
    /// At most one per core.
    blocks: Vec<Arc<IdentifiedBlock>>,
}

/// Series with the same labels `L`, and their sum.
struct Groups<L, T>(BTreeMap<L, Group<T>>);

#[derive(Default)]
struct Group<T> {
    /// Counts of series that are gone.
    base: T,
    /// Series in [`Scrape::series`] with these labels.
    members: usize,
}

impl<L: Ord + Clone, T: Default + Clone> Groups<L, T> {
    fn enter(&mut self, labels: L) {
        self.0.entry(labels).or_default().members += 1;
    }

    /// `add` adds what the member counted to a sum.
    fn leave(&mut self, labels: &L, add: impl FnOnce(&mut T)) -> Remaining {
        let Some(group) = self.0.get_mut(labels) else { return Remaining::Nobody };
        group.members -= 1;
        if group.members == 0 {
            self.0.remove(labels);
            return Remaining::Nobody;
        }
        add(&mut group.base);
        Remaining::Others
    }

    /// What is gone, to which what `counted` holds is added.
    fn sums<'a>(
        &self,
        counted: impl Iterator<Item = (&'a L, &'a SeriesBlock)>,
        mut add: impl FnMut(&L, &SeriesBlock, &mut T),
    ) -> BTreeMap<L, T>
    where
        L: 'a,
    {
        let bases = self.0.iter().map(|(labels, group)| (labels.clone(), group.base.clone()));
        let mut sums: BTreeMap<L, T> = bases.collect();
        for (labels, block) in counted {
            match sums.get_mut(labels) {
                Some(sum) => add(labels, block, sum),
                None => add(labels, block, sums.entry(labels.clone()).or_default()),
            }
        }
        sums
    }
}

/// Who has labels still.
#[derive(PartialEq, Eq)]
enum Remaining {
    Others,
    Nobody,
}

/// All counts at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Sums over the cores, in the order of [`Counter::all`]; then what the scrape counts itself.
    pub counters: Vec<(&'static str, &'static str, u64)>,
    /// Sums over the cores, in the order of [`Gauge::all`].
    pub gauges: Vec<(&'static str, &'static str, u64)>,
    /// One entry per label set with at least one request, sorted.
    pub series: Vec<(MetricLabels, SeriesTotals)>,
    /// The same by host, path, method and status, where they are told apart.
    pub places: Vec<(PlaceLabels, KindTotals)>,
}

/// What is summed by core: a list of what is counted in, so that whoever sums it keeps nobody
/// waiting who adds series.
#[derive(Debug)]
pub struct CoreSums {
    cores: Vec<Arc<CoreCounters>>,
    blocks: Vec<Arc<IdentifiedBlock>>,
    /// What each core counted for series that were gone then.
    gone: Vec<SeriesTotals>,
}

impl CoreSums {
    /// What each core counted, in core order. No count goes down.
    #[must_use]
    pub fn totals(self) -> Vec<CoreTotals> {
        let Self { cores, blocks, gone: mut answered } = self;
        for (core, answered) in cores.iter().zip(&mut answered) {
            core.unmatched.add_to(answered);
            core.overflow.add_to(answered);
        }
        for of_core in &blocks {
            if let Some(answered) = answered.get_mut(of_core.core) {
                of_core.block.add_to(answered);
            }
        }
        let totals = |(core, answered): (&Arc<CoreCounters>, _)| CoreTotals {
            requests: core.counter(Counter::Requests),
            accepted: core.counter(Counter::ConnectionsAccepted),
            open: core.gauge(Gauge::ConnectionsOpen),
            serving: core.gauge(Gauge::ExchangesActive),
            answered,
        };
        cores.iter().zip(answered).map(totals).collect()
    }
}

/// What one core counted.
#[derive(Debug, Clone, Default)]
pub struct CoreTotals {
    /// Requests begun.
    pub requests: u64,
    /// Connections of clients.
    pub accepted: u64,
    /// Those that are open.
    pub open: u64,
    /// Requests under way.
    pub serving: u64,
    /// Requests that ended.
    pub answered: SeriesTotals,
}

impl Scrape {
    pub(super) fn new(
        cores: Vec<Arc<CoreCounters>>,
        announced: Receiver<Arc<IdentifiedBlock>>,
        bounds: Arc<Bounds>,
    ) -> Self {
        let (series, removed) = (HashMap::new(), Vec::new());
        let (groups, places) = (Groups(BTreeMap::new()), Groups(BTreeMap::new()));
        let lines = bounds.nginx.as_ref().map_or(0, NginxBounds::lines);
        let shown = Shown::new(SAMPLES_SHOWN_MAX.checked_div(lines).unwrap_or(0));
        let gone = vec![SeriesTotals::default(); cores.len()];
        Self { cores, announced, bounds, series, groups, places, shown, removed, gone }
    }

    /// What everything is counted by.
    #[must_use]
    pub fn bounds(&self) -> Arc<Bounds> {
        Arc::clone(&self.bounds)
    }

    /// Tells what a series counts. To be called before the table that names it is published: counts
    /// of an unknown series are thrown away.
    pub fn series_added(&mut self, id: SeriesId, labels: &SeriesLabels) {
        self.attach_announced();
        let labels = PlaceLabels::new(labels);
        let series = Series { labels: labels.clone(), blocks: Vec::new() };
        if self.series.insert(id, series).is_none() {
            self.groups.enter(labels.labels.clone());
            if self.bounds.nginx.is_some() {
                self.places.enter(labels);
            }
        }
    }

    /// No table names the series any more. It is shown once more, then forgotten.
    pub fn series_removed(&mut self, id: SeriesId) {
        self.attach_announced();
        self.removed.push(id);
        // Nobody scrapes: do not keep what is gone for ever.
        if self.removed.len() > SERIES_MAX {
            self.forget_removed();
        }
    }

    /// Sums everything, then forgets the removed series.
    pub fn snapshot(&mut self) -> Snapshot {
        self.attach_announced();
        let places = self.sum_places();
        let counters = Counter::all().map(|(c, name, help)| (name, help, self.total(c)));
        let snapshot = Snapshot {
            counters: counters.chain([(PLACES_FULL.0, PLACES_FULL.1, self.shown.full())]).collect(),
            gauges: Gauge::all().map(|(g, name, help)| (name, help, self.amount(g))).collect(),
            series: self.sum_series(),
            places,
        };
        self.forget_removed();
        snapshot
    }

    /// Sum of a counter over the cores.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        self.cores.iter().fold(0, |sum, core| sum.wrapping_add(core.counter(counter)))
    }

    /// Sum of a gauge over the cores.
    #[must_use]
    pub fn amount(&self, gauge: Gauge) -> u64 {
        self.cores.iter().fold(0, |sum, core| sum.saturating_add(core.gauge(gauge)))
    }

    /// What each core counted, to be summed elsewhere.
    pub fn core_sums(&mut self) -> CoreSums {
        self.attach_announced();
        let blocks = self.series.values().flat_map(|series| &series.blocks);
        CoreSums {
            cores: self.cores.clone(),
            blocks: blocks.map(Arc::clone).collect(),
            gone: self.gone.clone(),
        }
    }

    fn sum_series(&self) -> Vec<(MetricLabels, SeriesTotals)> {
        let fixed = fixed_labels();
        let counted = blocks(&self.series, &self.cores, &fixed);
        let counted = counted.map(|(place, block)| (&place.labels, block));
        let sums = self.groups.sums(counted, |_, block, sum| block.add_to(sum));
        sums.into_iter().filter(|(_, sum)| !sum.is_empty()).collect()
    }

    fn sum_places(&mut self) -> Vec<(PlaceLabels, KindTotals)> {
        if self.bounds.nginx.is_none() {
            return Vec::new();
        }
        let fixed = fixed_labels();
        let counted = blocks(&self.series, &self.cores, &fixed);
        // At once, so that what is not shown takes no memory either.
        let sums = self.places.sums(counted, |place, block, sum| {
            block.add_kinds_to(sum);
            self.shown.fold(place, sum);
        });
        sums.into_iter().filter(|(_, sum)| !sum.is_empty()).collect()
    }

    fn attach_announced(&mut self) {
        for block in self.announced.try_iter() {
            // Unknown: its series was forgotten before this core first used it.
            if let Some(series) = self.series.get_mut(&block.id) {
                series.blocks.push(block);
            }
        }
    }

    fn forget_removed(&mut self) {
        for id in std::mem::take(&mut self.removed) {
            let Some(series) = self.series.remove(&id) else { continue };
            let blocks = || series.blocks.iter().map(|identified| &identified.block);
            for of_core in &series.blocks {
                if let Some(gone) = self.gone.get_mut(of_core.core) {
                    of_core.block.add_to(gone);
                }
            }
            self.groups.leave(&series.labels.labels, |sum| blocks().for_each(|b| b.add_to(sum)));
            let (labels, shown) = (&series.labels, &mut self.shown);
            let remaining = self.places.leave(labels, |sum| {
                blocks().for_each(|b| b.add_kinds_to(sum));
                shown.fold(labels, sum);
            });
            if remaining == Remaining::Nobody {
                shown.forget(labels);
            }
        }
    }
}

/// All blocks; `fixed`: labels of those that no series has.
fn blocks<'a>(
    series: &'a HashMap<SeriesId, Series>,
    cores: &'a [Arc<CoreCounters>],
    fixed: &'a [PlaceLabels; 2],
) -> impl Iterator<Item = (&'a PlaceLabels, &'a SeriesBlock)> {
    let of_series = series.values().flat_map(|series| {
        series.blocks.iter().map(|identified| (&series.labels, &identified.block))
    });
    let [unmatched, overflow] = fixed;
    let of_cores = cores
        .iter()
        .flat_map(move |core| [(unmatched, &core.unmatched), (overflow, &core.overflow)]);
    of_series.chain(of_cores)
}

/// Of requests that nothing matched, and of those without a series of their own.
fn fixed_labels() -> [PlaceLabels; 2] {
    [PlaceLabels::fixed(""), PlaceLabels::fixed(OVERFLOW)]
}

/// Name and help, as of a [`Counter`].
const PLACES_FULL: (&str, &str) = (
    "metrics_places_full",
    "Paths whose further methods and statuses are shown together by the names of ingress-nginx.",
);

/// The name of an object that none can have.
pub const OVERFLOW: &str = "_overflow";

#[cfg(test)]
mod tests;
