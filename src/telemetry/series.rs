//! What one core counts for one series: statuses, latencies, bytes.
//!
//! Written by its core alone with plain loads and stores, read by the scraper at any time. Of fixed
//! size whatever statuses an upstream invents.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::histogram::add_single_writer;
use super::measures::{Bounds, KindTotals, MeasureTotals, Measures, Room, SeriesMeasures, Told};
use super::record::ExchangeRecord;
use super::status::{CLASSES, StatusLabel, class_of, place_of};
use crate::limits::{SERIES_BYTES, STATUS_CODES_MAX};
use crate::table::SeriesId;

/// Counts of one core for one series.
///
/// Aligned so that two cores never write to one cache line (or to an adjacent pair of them).
#[derive(Debug)]
#[repr(align(128))]
pub struct SeriesBlock {
    statuses: StatusCounts,
    measures: SeriesMeasures,
}

/// A block with the series that it counts for.
#[derive(Debug)]
pub struct IdentifiedBlock {
    /// Whose it is.
    pub core: usize,
    /// Slot and generation.
    pub id: SeriesId,
    /// Its counts.
    pub block: SeriesBlock,
}

/// The counts of an `Arc` are aligned as what is behind them.
const COUNTED_BYTES: usize = size_of::<IdentifiedBlock>() + align_of::<IdentifiedBlock>();
const _: () = assert!(COUNTED_BYTES + Measures::BYTES <= SERIES_BYTES);

impl SeriesBlock {
    /// Nothing counted yet.
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self { statuses: StatusCounts::default(), measures: SeriesMeasures::new(bounds) }
    }

    /// Counts one exchange. Only the owning core may call it, always with the same `bounds`.
    pub(super) fn record(&self, record: &ExchangeRecord<'_>, bounds: &Bounds, room: &Room) -> Told {
        self.statuses.count(record.status);
        self.measures.record(record, bounds, room)
    }

    /// Kinds of exchanges that it tells apart.
    pub(super) fn kinds(&self) -> usize {
        self.measures.kinds()
    }

    /// Adds what was counted so far to `totals`.
    pub fn add_to(&self, totals: &mut SeriesTotals) {
        self.statuses.add_to(&mut totals.statuses);
        self.measures.add_to(&mut totals.measures);
    }

    /// Adds it by method and status, where they are told apart.
    pub fn add_kinds_to(&self, totals: &mut KindTotals) {
        self.measures.add_kinds_to(totals);
    }
}

/// Open addressing with linear probing; nothing is ever removed.
#[derive(Debug, Default)]
struct StatusCounts {
    /// Status + 1; 0: free.
    keys: [AtomicU32; STATUS_CODES_MAX],
    counts: [AtomicU64; STATUS_CODES_MAX],
    by_class: [AtomicU64; CLASSES],
}

impl StatusCounts {
    fn count(&self, status: u16) {
        let key = u32::from(status) + 1;
        if let Some(place) = place_of(&self.keys, usize::from(status), key)
            && let (Some(slot), Some(count)) = (self.keys.get(place), self.counts.get(place))
        {
            slot.store(key, Relaxed);
            return add_single_writer(count, 1);
        }
        if let Some(count) = self.by_class.get(usize::from(class_of(status))) {
            add_single_writer(count, 1);
        }
    }

    /// A key that is seen before its count, or the other way round, is complete at the next scrape.
    fn add_to(&self, totals: &mut BTreeMap<StatusLabel, u64>) {
        for (key, count) in self.keys.iter().zip(&self.counts) {
            let Some(code) = key.load(Relaxed).checked_sub(1) else { continue };
            let code = u16::try_from(code).unwrap_or(u16::MAX);
            add_nonzero(totals, StatusLabel::Code(code), count.load(Relaxed));
        }
        for (class, count) in (0..).zip(&self.by_class) {
            add_nonzero(totals, StatusLabel::Class(class), count.load(Relaxed));
        }
    }
}

fn add_nonzero(totals: &mut BTreeMap<StatusLabel, u64>, label: StatusLabel, n: u64) {
    if n > 0 {
        let total = totals.entry(label).or_default();
        *total = total.wrapping_add(n);
    }
}

/// A sum of blocks at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesTotals {
    /// Exchanges by status.
    pub statuses: BTreeMap<StatusLabel, u64>,
    /// What was measured of them.
    pub measures: MeasureTotals,
}

impl SeriesTotals {
    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }

    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        for (label, count) in &other.statuses {
            add_nonzero(&mut self.statuses, *label, *count);
        }
        self.measures.add(&other.measures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(counts: &StatusCounts) -> Vec<(String, u64)> {
        let mut totals = BTreeMap::new();
        counts.add_to(&mut totals);
        totals.into_iter().map(|(label, n)| (label.to_string(), n)).collect()
    }

    #[track_caller]
    fn check(statuses: impl IntoIterator<Item = u16>, expected: &[(&str, u64)]) {
        let counts = StatusCounts::default();
        statuses.into_iter().for_each(|status| counts.count(status));
        let expected: Vec<_> = expected.iter().map(|(l, n)| ((*l).to_owned(), *n)).collect();
        assert_eq!(totals(&counts), expected);
    }

    #[test]
    fn statuses_are_counted_exactly_until_the_room_is_full_then_by_class() {
        check([200, 200, 404, 0, 499], &[("000", 1), ("200", 2), ("404", 1), ("499", 1)]);
        // 200, 216 and 232 want the same place.
        check([232, 200, 216, 232], &[("200", 1), ("216", 1), ("232", 2)]);
        let exact: Vec<(String, u64)> = (300..316).map(|code| (code.to_string(), 1)).collect();
        let mut expected: Vec<_> = exact.iter().map(|(l, n)| (l.as_str(), *n)).collect();
        expected.extend([("2xx", 1), ("5xx", 2), ("9xx", 1)]);
        check((300..316).chain([200, 500, 599, 65_535]), &expected);
    }

    #[test]
    fn every_status_is_counted_once() {
        let counts = StatusCounts::default();
        (0..1_000).for_each(|status| counts.count(status));
        assert_eq!(totals(&counts).iter().map(|(_, n)| n).sum::<u64>(), 1_000);
        assert!(totals(&counts).len() <= STATUS_CODES_MAX + CLASSES);
    }
}
