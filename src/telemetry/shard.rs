//! What one core counts, without locks and without locked instructions.
//!
//! Owned by its core: it can move to the core's thread but cannot be shared, so that every atomic
//! in it has one writer. Allocates once per series and never again.

use std::array;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Sender;

use super::counter::{COUNTERS, Counter, GAUGES, Gauge};
use super::histogram::add_single_writer;
use super::measures::{Bounds, Room, Told};
use super::record::ExchangeRecord;
use super::series::{IdentifiedBlock, SeriesBlock};
use crate::limits::{KINDS_MAX, SERIES_MAX};
use crate::table::SeriesId;

/// The counts of a core that have no labels, and the two blocks for requests without a series of
/// their own.
#[derive(Debug)]
#[repr(align(128))]
pub struct CoreCounters {
    counters: [AtomicU64; COUNTERS],
    gauges: [AtomicU64; GAUGES],
    /// Requests that nothing matched.
    pub(super) unmatched: SeriesBlock,
    /// Requests whose series has no block: too many series, or a request that outlived its rule.
    pub(super) overflow: SeriesBlock,
}

impl CoreCounters {
    fn new(bounds: &Bounds) -> Self {
        Self {
            counters: array::from_fn(|_| AtomicU64::new(0)),
            gauges: array::from_fn(|_| AtomicU64::new(0)),
            unmatched: SeriesBlock::new(bounds),
            overflow: SeriesBlock::new(bounds),
        }
    }

    /// Present value of a counter.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// Present value of a gauge.
    #[must_use]
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.gauges.get(gauge as usize).map_or(0, |value| value.load(Relaxed))
    }
}

/// A core's own shard.
pub struct CoreTelemetry {
    core: usize,
    counters: Arc<CoreCounters>,
    /// Indexed by slot. The cell also keeps the type from being shared between threads.
    series: RefCell<Vec<Option<Arc<IdentifiedBlock>>>>,
    announce: Sender<Arc<IdentifiedBlock>>,
    bounds: Arc<Bounds>,
    kinds_left: Room,
}

impl CoreTelemetry {
    pub(super) fn new(
        core: usize,
        announce: Sender<Arc<IdentifiedBlock>>,
        bounds: Arc<Bounds>,
    ) -> Self {
        let counters = Arc::new(CoreCounters::new(&bounds));
        // Room for every slot: address space that is not touched before it is used.
        let series = RefCell::new(Vec::with_capacity(SERIES_MAX));
        Self { core, counters, series, announce, bounds, kinds_left: Room::new(KINDS_MAX) }
    }

    /// For the scraper.
    #[must_use]
    pub fn counters(&self) -> Arc<CoreCounters> {
        Arc::clone(&self.counters)
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n`.
    pub fn add(&self, counter: Counter, n: u64) {
        if let Some(count) = self.counters.counters.get(counter as usize) {
            add_single_writer(count, n);
        }
    }

    /// Sets a present amount.
    pub fn set(&self, gauge: Gauge, value: u64) {
        if let Some(place) = self.counters.gauges.get(gauge as usize) {
            place.store(value, Relaxed);
        }
    }

    /// Sets the number of open client connections.
    pub fn set_open_connections(&self, connections: u64) {
        self.set(Gauge::ConnectionsOpen, connections);
    }

    /// Counts a finished exchange.
    ///
    /// Shape: constant cost; allocates only at the first exchange of a series on this core, or of a
    /// method and status in it where they are told apart.
    pub fn record(&self, record: &ExchangeRecord<'_>) {
        let Some(id) = record.series else {
            return self.record_in(&self.counters.unmatched, record);
        };
        let mut series = self.series.borrow_mut();
        let slot = usize::try_from(id.slot).unwrap_or(usize::MAX);
        if let Some(Some(block)) = series.get(slot)
            && block.id.generation == id.generation
        {
            return self.record_in(&block.block, record);
        }
        match self.first_use(&mut series, slot, id) {
            Some(block) => self.record_in(&block.block, record),
            None => self.record_in(&self.counters.overflow, record),
        }
    }

    fn record_in(&self, block: &SeriesBlock, record: &ExchangeRecord<'_>) {
        if block.record(record, &self.bounds, &self.kinds_left) == Told::Together {
            self.count(Counter::KindsTogether);
        }
    }

    /// Makes the block of a series, or says that it gets none.
    #[cold]
    fn first_use(
        &self,
        series: &mut Vec<Option<Arc<IdentifiedBlock>>>,
        slot: usize,
        id: SeriesId,
    ) -> Option<Arc<IdentifiedBlock>> {
        if slot >= SERIES_MAX {
            return None;
        }
        if slot >= series.len() {
            series.resize(slot + 1, None);
        }
        let place = series.get_mut(slot)?;
        if place.as_ref().is_some_and(|occupant| is_newer(occupant.id, id)) {
            return None;
        }
        let block = SeriesBlock::new(&self.bounds);
        let block = Arc::new(IdentifiedBlock { core: self.core, id, block });
        // Full: the control thread has not looked for long. The next exchange tries again.
        self.announce.try_send(Arc::clone(&block)).ok()?;
        if let Some(former) = place.replace(Arc::clone(&block)) {
            self.kinds_left.set(self.kinds_left.get() + former.block.kinds());
        }
        Some(block)
    }
}

/// Generations wrap around; "newer" is less than half the circle ahead.
fn is_newer(a: SeriesId, b: SeriesId) -> bool {
    a.generation != b.generation && a.generation.wrapping_sub(b.generation) < u32::MAX / 2
}
