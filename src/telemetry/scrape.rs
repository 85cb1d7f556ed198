//! Sums the shards of all cores when somebody asks.
//!
//! Lives on the control thread. Never makes a core wait: it reads atomics and takes new blocks from
//! a channel. Counts of one label set never go down while any series has it, even when series come
//! and go, because a counter that goes down reads as a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::counter::{Counter, Gauge};
use super::series::{IdentifiedBlock, SeriesTotals};
use super::shard::CoreCounters;
use crate::limits::SERIES_MAX;
use crate::model::BackendKey;
use crate::table::SeriesId;
use crate::table::compile::SeriesLabels;

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

impl MetricLabels {
    fn new(labels: &SeriesLabels) -> Self {
        let service = labels.backend.as_ref().map_or_else(|| "".into(), |b| Arc::clone(&b.service));
        let namespace = Arc::clone(&labels.object.namespace);
        let canary = labels.canary.as_ref().map_or_else(|| "".into(), upstream_name);
        Self { namespace, ingress: Arc::clone(&labels.object.name), service, canary }
    }

    fn fixed(ingress: &str) -> Self {
        let none: Arc<str> = "".into();
        let (namespace, service) = (Arc::clone(&none), Arc::clone(&none));
        Self { namespace, ingress: ingress.into(), service, canary: none }
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
    series: HashMap<SeriesId, Series>,
    groups: BTreeMap<MetricLabels, Group>,
    removed: Vec<SeriesId>,
}

struct Series {
    labels: MetricLabels,
    /// At most one per core.
    blocks: Vec<Arc<IdentifiedBlock>>,
}

/// Series with the same labels.
#[derive(Default)]
struct Group {
    /// Counts of series that are gone.
    base: SeriesTotals,
    /// Series in [`Scrape::series`] with these labels.
    members: usize,
}

/// All counts at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Sums over the cores, in the order of [`Counter::all`].
    pub counters: Vec<(&'static str, &'static str, u64)>,
    /// Sums over the cores, in the order of [`Gauge::all`].
    pub gauges: Vec<(&'static str, &'static str, u64)>,
    /// One entry per label set with at least one request, sorted.
    pub series: Vec<(MetricLabels, SeriesTotals)>,
}

impl Scrape {
    pub(super) fn new(
        cores: Vec<Arc<CoreCounters>>,
        announced: Receiver<Arc<IdentifiedBlock>>,
    ) -> Self {
        let (series, groups, removed) = (HashMap::new(), BTreeMap::new(), Vec::new());
        Self { cores, announced, series, groups, removed }
    }

    /// Tells what a series counts. To be called before the table that names it is published: counts
    /// of an unknown series are thrown away.
    pub fn series_added(&mut self, id: SeriesId, labels: &SeriesLabels) {
        self.attach_announced();
        let labels = MetricLabels::new(labels);
        let series = Series { labels: labels.clone(), blocks: Vec::new() };
        if self.series.insert(id, series).is_none() {
            self.groups.entry(labels).or_default().members += 1;
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
        let snapshot = Snapshot {
            counters: Counter::all().map(|(c, name, help)| (name, help, self.total(c))).collect(),
            gauges: Gauge::all().map(|(g, name, help)| (name, help, self.amount(g))).collect(),
            series: self.sum_series(),
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

    fn sum_series(&self) -> Vec<(MetricLabels, SeriesTotals)> {
        let mut sums: BTreeMap<&MetricLabels, SeriesTotals> =
            self.groups.iter().map(|(labels, group)| (labels, group.base.clone())).collect();
        for series in self.series.values() {
            let sum = sums.entry(&series.labels).or_default();
            series.blocks.iter().for_each(|block| block.block.add_to(sum));
        }
        let (unmatched, overflow) = (MetricLabels::fixed(""), MetricLabels::fixed("_overflow"));
        for core in &self.cores {
            core.unmatched.add_to(sums.entry(&unmatched).or_default());
            core.overflow.add_to(sums.entry(&overflow).or_default());
        }
        let counted = sums.into_iter().filter(|(_, sum)| !sum.is_empty());
        counted.map(|(labels, sum)| (labels.clone(), sum)).collect()
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
            let Some(group) = self.groups.get_mut(&series.labels) else { continue };
            group.members -= 1;
            if group.members == 0 {
                self.groups.remove(&series.labels);
            } else {
                series.blocks.iter().for_each(|block| block.block.add_to(&mut group.base));
            }
        }
    }
}

#[cfg(test)]
mod tests;
