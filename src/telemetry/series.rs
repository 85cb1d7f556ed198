//! What one core counts for one series: statuses, latencies, bytes.
//!
//! Written by its core alone with plain loads and stores, read by the scraper at any time. Of fixed
//! size whatever statuses an upstream invents.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::histogram::{Histogram, HistogramTotals, add_single_writer};
use super::record::ExchangeRecord;
use crate::limits::{SERIES_BYTES, STATUS_CODES_MAX};
use crate::table::SeriesId;

/// Hundreds of a status, 0 to 9.
const CLASSES: usize = 10;

/// Counts of one core for one series.
///
/// Aligned so that two cores never write to one cache line (or to an adjacent pair of them).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct SeriesBlock {
    statuses: StatusCounts,
    duration: Histogram,
    upstream_duration: Histogram,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
}

/// A block with the series that it counts for.
#[derive(Debug)]
pub struct IdentifiedBlock {
    /// Slot and generation.
    pub id: SeriesId,
    /// Its counts.
    pub block: SeriesBlock,
}

const _: () = assert!(size_of::<IdentifiedBlock>() <= SERIES_BYTES);

impl SeriesBlock {
    /// Counts one exchange. Only the owning core may call it.
    pub fn record(&self, record: &ExchangeRecord<'_>) {
        self.statuses.count(record.status);
        self.duration.record(record.duration);
        add_single_writer(&self.request_bytes, record.request_bytes);
        add_single_writer(&self.response_bytes, record.response_body_bytes);
        for attempt in record.attempts.iter().filter(|attempt| attempt.status.is_some()) {
            self.upstream_duration.record(attempt.duration);
        }
    }

    /// Adds what was counted so far to `totals`.
    pub fn add_to(&self, totals: &mut SeriesTotals) {
        self.statuses.add_to(&mut totals.statuses);
        self.duration.add_to(&mut totals.duration);
        self.upstream_duration.add_to(&mut totals.upstream_duration);
        totals.request_bytes = totals.request_bytes.wrapping_add(self.request_bytes.load(Relaxed));
        totals.response_bytes =
            totals.response_bytes.wrapping_add(self.response_bytes.load(Relaxed));
    }
}

/// A status as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusLabel {
    /// `200`; `000`: the connection broke before any status.
    Code(u16),
    /// `2xx`: codes beyond the [`STATUS_CODES_MAX`] that a block tells apart.
    Class(u8),
}

impl std::fmt::Display for StatusLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code:03}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
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
        for step in 0..STATUS_CODES_MAX {
            let place = (usize::from(status) + step) % STATUS_CODES_MAX;
            let (Some(slot), Some(count)) = (self.keys.get(place), self.counts.get(place)) else {
                break;
            };
            let occupant = slot.load(Relaxed);
            if occupant == 0 {
                slot.store(key, Relaxed);
            } else if occupant != key {
                continue;
            }
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

fn class_of(status: u16) -> u8 {
    u8::try_from(status / 100).unwrap_or(u8::MAX).min(9)
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
    /// First byte of the request to last byte of the response.
    pub duration: HistogramTotals,
    /// Connect and response of every attempt that was answered.
    pub upstream_duration: HistogramTotals,
    /// Head and body bytes received from clients.
    pub request_bytes: u64,
    /// Body bytes sent to clients.
    pub response_bytes: u64,
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
        self.duration.add(&other.duration);
        self.upstream_duration.add(&other.upstream_duration);
        self.request_bytes = self.request_bytes.wrapping_add(other.request_bytes);
        self.response_bytes = self.response_bytes.wrapping_add(other.response_bytes);
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
