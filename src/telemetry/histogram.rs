//! Latency histograms whose buckets are the exported ones, so that a scrape converts nothing.
//!
//! [`Histogram`] has one writer and costs two plain stores; [`SharedHistogram`] takes any number of
//! writers. Neither allocates after it was made.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Upper bounds in nanoseconds, inclusive, as in Prometheus' `le`; above the last: `+Inf`.
///
/// They hold the default buckets of Prometheus clients (5 ms … 10 s) so that existing queries keep
/// their meaning, finer ones below and around 25 ms (what a change of the configuration takes), and
/// the 30 s and 60 s of the usual timeouts above.
const BOUNDS_NANOS: [u64; 22] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    20_000_000,
    25_000_000,
    30_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Buckets, `+Inf` included.
pub const BUCKETS: usize = BOUNDS_NANOS.len() + 1;

/// Adds for a counter that one thread alone writes: no locked instruction.
pub(super) fn add_single_writer(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

fn bucket_of(nanos: u64) -> usize {
    BOUNDS_NANOS.partition_point(|bound| *bound < nanos)
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Written by one thread, read by any.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// Counts one duration. Only one thread may call it.
    pub fn record(&self, duration: Duration) {
        let nanos = nanos_of(duration);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            add_single_writer(bucket, 1);
        }
        add_single_writer(&self.sum_nanos, nanos);
    }

    /// Adds what was counted so far to `totals`.
    pub fn add_to(&self, totals: &mut HistogramTotals) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(bucket.load(Relaxed));
        }
        totals.sum_nanos = totals.sum_nanos.wrapping_add(self.sum_nanos.load(Relaxed));
    }
}

/// Written and read by any thread; for what is rare.
#[derive(Debug, Default)]
pub struct SharedHistogram(Histogram);

impl SharedHistogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = nanos_of(duration);
        if let Some(bucket) = self.0.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.0.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn totals(&self) -> HistogramTotals {
        let mut totals = HistogramTotals::default();
        self.0.add_to(&mut totals);
        totals
    }
}

/// A sum of histograms at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramTotals {
    buckets: [u64; BUCKETS],
    sum_nanos: u64,
}

impl HistogramTotals {
    /// Durations counted. Derived from the buckets, so that `_count` and `+Inf` always agree.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Sum of the durations, seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a sum for rates; 53 bits are plenty")]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// Upper bound in seconds and count of each bucket, not cumulative; the last bound is infinite.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
    pub fn buckets(&self) -> [(f64, u64); BUCKETS] {
        let bound = |i: usize| BOUNDS_NANOS.get(i).map_or(f64::INFINITY, |ns| *ns as f64 / 1e9);
        let mut i = 0;
        self.buckets.map(|count| {
            let entry = (bound(i), count);
            i += 1;
            entry
        })
    }

    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        for (total, count) in self.buckets.iter_mut().zip(other.buckets) {
            *total = total.wrapping_add(count);
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(other.sum_nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nanos: u64, bound: f64) {
        let shared = SharedHistogram::default();
        shared.record(Duration::from_nanos(nanos));
        let single = Histogram::default();
        single.record(Duration::from_nanos(nanos));
        let mut totals = HistogramTotals::default();
        single.add_to(&mut totals);
        assert_eq!(totals, shared.totals());
        let hit: Vec<f64> =
            totals.buckets().iter().filter(|(_, n)| *n == 1).map(|(le, _)| *le).collect();
        assert_eq!(hit, [bound], "{nanos} ns");
        assert_eq!(totals.count(), 1);
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        check(0, 0.0001);
        check(100_000, 0.0001);
        check(100_001, 0.00025);
        check(5_000_000, 0.005);
        check(5_000_001, 0.01);
        check(60_000_000_000, 60.0);
        check(60_000_000_001, f64::INFINITY);
        check(u64::MAX, f64::INFINITY);
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS_NANOS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn sums_add_up() {
        let shared = SharedHistogram::default();
        shared.record(Duration::from_millis(250));
        shared.record(Duration::from_millis(500));
        let mut totals = shared.totals();
        totals.add(&shared.totals());
        assert_eq!(totals.count(), 4);
        assert!((totals.sum_seconds() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn shared_histograms_lose_no_count_between_threads() {
        let shared = SharedHistogram::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|ms| shared.record(Duration::from_millis(ms))));
            }
        });
        assert_eq!(shared.totals().count(), 4_000);
    }
}
