//! Histograms whose buckets hold all that are exported, so that a scrape only adds.
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
pub const TIME_BOUNDS: [u64; 22] = [
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

/// Adds for a counter that one thread alone writes: no locked instruction.
pub(super) fn add_single_writer(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

fn bucket_of(bounds: &[u64], amount: u64) -> usize {
    bounds.partition_point(|bound| *bound < amount)
}

pub(super) fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Written by one thread, read by any. Its bounds are kept by whoever made it.
#[derive(Debug)]
pub struct Histogram {
    /// One more than bounds.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// One for these upper bounds, which rise.
    #[must_use]
    pub fn new(bounds: &[u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, sum: AtomicU64::new(0) }
    }

    /// Counts an amount; `bounds` are those that it was made for. Only one thread may call it.
    pub fn record(&self, bounds: &[u64], amount: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(bounds, amount)) {
            add_single_writer(bucket, 1);
        }
        add_single_writer(&self.sum, amount);
    }

    /// Adds what was counted so far to `totals`.
    pub fn add_to(&self, totals: &mut HistogramTotals) {
        totals.widen(self.buckets.len());
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(bucket.load(Relaxed));
        }
        totals.sum = totals.sum.wrapping_add(self.sum.load(Relaxed));
    }
}

/// Durations by [`TIME_BOUNDS`], written and read by any thread; for what is rare.
#[derive(Debug)]
pub struct SharedHistogram(Histogram);

impl Default for SharedHistogram {
    fn default() -> Self {
        Self(Histogram::new(&TIME_BOUNDS))
    }
}

impl SharedHistogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = nanos_of(duration);
        if let Some(bucket) = self.0.buckets.get(bucket_of(&TIME_BOUNDS, nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.0.sum.fetch_add(nanos, Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn totals(&self) -> HistogramTotals {
        let mut totals = HistogramTotals::default();
        self.0.add_to(&mut totals);
        totals
    }
}

/// A sum of histograms with the same bounds at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramTotals {
    buckets: Vec<u64>,
    sum: u64,
}

impl HistogramTotals {
    /// Amounts counted. Derived from the buckets, so that `_count` and `+Inf` always agree.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Sum of the amounts.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Sum of the durations, seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a sum for rates; 53 bits are plenty")]
    pub fn sum_seconds(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    /// Count of each bucket of `shown`, not cumulative, the last for what is above: exact where
    /// each of these bounds is one of `counted`, by which it was counted.
    #[must_use]
    pub fn buckets(&self, counted: &[u64], shown: &[u64]) -> Vec<u64> {
        let mut buckets = vec![0_u64; shown.len() + 1];
        for (index, count) in self.buckets.iter().enumerate() {
            let place = counted.get(index).map_or(shown.len(), |bound| bucket_of(shown, *bound));
            if let Some(bucket) = buckets.get_mut(place) {
                *bucket = bucket.wrapping_add(*count);
            }
        }
        buckets
    }

    /// Upper bound in seconds and count of each bucket of [`TIME_BOUNDS`], not cumulative; the last
    /// bound is infinite.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
    pub fn seconds(&self, counted: &[u64]) -> Vec<(f64, u64)> {
        let bounds = TIME_BOUNDS.iter().map(|nanos| *nanos as f64 / 1e9);
        let bounds = bounds.chain(std::iter::once(f64::INFINITY));
        bounds.zip(self.buckets(counted, &TIME_BOUNDS)).collect()
    }

    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.widen(other.buckets.len());
        for (total, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *total = total.wrapping_add(*count);
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    fn widen(&mut self, buckets: usize) {
        if self.buckets.len() < buckets {
            self.buckets.resize(buckets, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nanos: u64, bound: f64) {
        let shared = SharedHistogram::default();
        shared.record(Duration::from_nanos(nanos));
        let single = Histogram::new(&TIME_BOUNDS);
        single.record(&TIME_BOUNDS, nanos);
        let mut totals = HistogramTotals::default();
        single.add_to(&mut totals);
        assert_eq!(totals, shared.totals());
        let hit: Vec<f64> = totals
            .seconds(&TIME_BOUNDS)
            .iter()
            .filter(|(_, n)| *n == 1)
            .map(|(le, _)| *le)
            .collect();
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
        assert!(TIME_BOUNDS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn buckets_are_shown_by_some_of_their_bounds() {
        let counted = [10, 20, 30, 40];
        let single = Histogram::new(&counted);
        [5, 10, 11, 25, 31, 40, 41].iter().for_each(|amount| single.record(&counted, *amount));
        let mut totals = HistogramTotals::default();
        single.add_to(&mut totals);
        assert_eq!(totals.buckets(&counted, &counted), [2, 1, 1, 2, 1]);
        assert_eq!(totals.buckets(&counted, &[20, 40]), [3, 3, 1]);
        assert_eq!(totals.buckets(&counted, &[]), [7]);
        assert_eq!((totals.count(), totals.sum()), (7, 163));
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
