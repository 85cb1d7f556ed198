//! Passive health of one endpoint: pure, fed with outcomes and times.
//!
//! ```text
//! usable ─ EJECT_AFTER_FAILURES in a row ─▶ ejected ─ time over ─▶ usable, one failure from
//! ejection
//!    ▲                                                                │
//!    └───────────────────────────── success ──────────────────────────┘
//! ```

use std::time::Duration;

use crate::limits::{EJECT_AFTER_FAILURES, EJECT_TIME_BASE, EJECT_TIME_MAX, EWMA_DECAY};

/// What one core knows of an endpoint.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failures: u32,
    ejections: u32,
    ejected_until: u64,
    latency: Option<f64>,
    measured_at: u64,
}

impl Health {
    /// Whether it is ejected at `now` (milliseconds).
    #[must_use]
    pub const fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until
    }

    /// It answered in `latency`. Any answer counts: what status means is the application's
    /// business.
    pub fn succeeded(&mut self, latency: Duration, now: u64) {
        self.failures = 0;
        self.ejections = 0;
        self.observe(latency, now);
    }

    /// It refused, timed out or broke the protocol; true when this ejects it.
    pub fn failed(&mut self, now: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < EJECT_AFTER_FAILURES || self.is_ejected(now) {
            return false;
        }
        let doubled = EJECT_TIME_BASE.saturating_mul(1 << self.ejections.min(10));
        let time = doubled.min(EJECT_TIME_MAX);
        self.ejections = self.ejections.saturating_add(1);
        // One more failure after its return ejects it again.
        self.failures = EJECT_AFTER_FAILURES - 1;
        self.ejected_until = now.saturating_add(millis(time));
        true
    }

    /// Peak EWMA of the response time in microseconds; `None`: no response yet.
    #[must_use]
    pub const fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// A slower answer counts at once, a faster one decays in: `EWMA_DECAY` to 63 %.
    fn observe(&mut self, latency: Duration, now: u64) {
        let sample = latency.as_secs_f64() * 1e6;
        let next = match self.latency {
            Some(known) if sample < known => {
                let elapsed = Duration::from_millis(now.saturating_sub(self.measured_at));
                let weight = (-elapsed.as_secs_f64() / EWMA_DECAY.as_secs_f64()).exp();
                known * weight + sample * (1.0 - weight)
            }
            _ => sample,
        };
        self.latency = Some(next);
        self.measured_at = now;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_eject_and_time_brings_back() {
        let mut health = Health::default();
        for _ in 1..EJECT_AFTER_FAILURES {
            assert!(!health.failed(1000));
        }
        assert!(health.failed(1000));
        assert!(health.is_ejected(1000));
        assert!(!health.is_ejected(1000 + millis(EJECT_TIME_BASE)));
    }

    #[test]
    fn a_success_forgives() {
        let mut health = Health::default();
        for _ in 0..100 {
            for _ in 1..EJECT_AFTER_FAILURES {
                assert!(!health.failed(0));
            }
            health.succeeded(Duration::from_millis(1), 0);
        }
        assert!(!health.is_ejected(0));
    }

    #[test]
    fn ejections_grow_to_the_maximum() {
        let mut health = Health::default();
        let mut now = 0;
        let mut last = 0;
        for _ in 0..40 {
            while !health.failed(now) {}
            let length = health.ejected_until - now;
            assert!(length >= last && length <= millis(EJECT_TIME_MAX));
            last = length;
            now = health.ejected_until;
        }
        assert_eq!(last, millis(EJECT_TIME_MAX));
    }

    #[test]
    fn peaks_count_at_once_and_decay_slowly() {
        let mut health = Health::default();
        health.succeeded(Duration::from_millis(1), 0);
        health.succeeded(Duration::from_millis(100), 10);
        assert_eq!(health.latency(), Some(100_000.0));
        health.succeeded(Duration::from_millis(1), 20);
        assert!(health.latency().is_some_and(|l| l > 99_000.0));
        health.succeeded(Duration::from_millis(1), 100_000);
        assert!(health.latency().is_some_and(|l| l < 2_000.0));
    }
}
