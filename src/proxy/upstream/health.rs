//! Passive health of one endpoint: pure, fed with outcomes and times (milliseconds of one clock).
//!
//! ```text
//! usable ─ EJECT_AFTER_FAILURES in a row ─▶ ejected ─ time over ─▶ usable, one failure from
//! ejection
//!    ▲                                                                │
//!    └───────────────────────────── success ──────────────────────────┘
//! ```
//!
//! A failure is no answer, or an answer that broke off; each kind has a row of its own, because an
//! endpoint that breaks every body off answers every head.
//!
//! Apart from that an endpoint is *silent* when nothing came from it since a request was sent that
//! ought to be answered by now. It may hang, or have much to think about: it is passed over while
//! others answer, and asked now and then, so that one that only keeps some of its clients waiting
//! is found to be well.

use std::time::Duration;

use crate::limits::{
    EJECT_AFTER_FAILURES, EJECT_TIME_BASE, EJECT_TIME_MAX, EWMA_DECAY, SILENCE_LATENCIES,
    SILENCE_MIN, SILENCE_PROBE_MAX, SILENCE_PROBE_MIN,
};

/// Weight of the last answer in what is usual.
const USUAL_SHARE: f64 = 1.0 / 8.0;

/// What one core knows of an endpoint.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failures: u32,
    cut_bodies: u32,
    ejections: u32,
    ejected_until: u64,
    latency: Option<f64>,
    /// Microseconds that an answer takes, smoothed as by TCP (SRTT, RFC 6298 section 2).
    usual: f64,
    measured_at: u64,
    silence: Silence,
}

/// Whether it owes answers.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    /// When the first request since its last answer was sent; `None`: it owes none.
    since: Option<u64>,
    /// When it may be asked all the same.
    probe_at: u64,
    /// How often it was, in vain.
    probes: u32,
}

impl Health {
    /// Whether it is ejected at `now` (milliseconds).
    #[must_use]
    pub const fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until
    }

    /// Whether it owes an answer that should be here at `now`, and is to be asked after others.
    #[must_use]
    pub fn is_silent(&self, now: u64) -> bool {
        self.is_overdue(now) && now < self.silence.probe_at
    }

    fn is_overdue(&self, now: u64) -> bool {
        self.silence.since.is_some_and(|since| now.saturating_sub(since) >= self.patience())
    }

    /// Milliseconds in which an answer ought to come: of an endpoint that is slow by nature more.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float beyond the range of the integer becomes its bound"
    )]
    fn patience(&self) -> u64 {
        let most = self.usual * SILENCE_LATENCIES / 1e3;
        (most as u64).max(millis(SILENCE_MIN))
    }

    /// It is chosen for a request. If it is overdue this is a try how it is, and the next one comes
    /// later.
    pub fn chosen(&mut self, now: u64) {
        if now >= self.silence.probe_at && self.is_overdue(now) {
            let pause = SILENCE_PROBE_MIN.saturating_mul(1 << self.silence.probes.min(10));
            self.silence.probes = self.silence.probes.saturating_add(1);
            self.silence.probe_at = now.saturating_add(millis(pause.min(SILENCE_PROBE_MAX)));
        }
    }

    /// Something was sent, or begun, that it has to answer; true: it owed nothing before.
    pub fn asked(&mut self, now: u64) -> bool {
        let is_first = self.silence.since.is_none();
        if is_first {
            let due = now.saturating_add(self.patience());
            let probe_at = due.saturating_add(millis(SILENCE_PROBE_MIN));
            self.silence = Silence { since: Some(now), probe_at, probes: 0 };
        }
        is_first
    }

    /// It owes nothing: what was [asked](Self::asked) first is withdrawn.
    pub const fn unasked(&mut self) {
        self.silence.since = None;
    }

    /// Nobody waits for it any more. That clears it of what was not overdue.
    pub fn left_alone(&mut self, now: u64) {
        if !self.is_overdue(now) {
            self.unasked();
        }
    }

    /// It answered in `latency`. Any answer counts: what status means is the application's
    /// business.
    pub fn succeeded(&mut self, latency: Duration, now: u64) {
        self.failures = 0;
        self.unasked();
        if self.cut_bodies == 0 {
            self.ejections = 0;
        }
        self.observe(latency, now);
    }

    /// A response came to its end.
    pub const fn completed(&mut self) {
        self.cut_bodies = 0;
    }

    /// It refused, timed out or broke the protocol before a response; true when this ejects it.
    pub fn failed(&mut self, now: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        let is_ejected = self.failures >= EJECT_AFTER_FAILURES && self.eject(now);
        if is_ejected {
            // One more failure after its return ejects it again.
            self.failures = EJECT_AFTER_FAILURES - 1;
        }
        is_ejected
    }

    /// A response ended before its end; true when this ejects it.
    pub fn broke_off(&mut self, now: u64) -> bool {
        self.cut_bodies = self.cut_bodies.saturating_add(1);
        let is_ejected = self.cut_bodies >= EJECT_AFTER_FAILURES && self.eject(now);
        if is_ejected {
            self.cut_bodies = EJECT_AFTER_FAILURES - 1;
        }
        is_ejected
    }

    /// False: it is out already.
    fn eject(&mut self, now: u64) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        let doubled = EJECT_TIME_BASE.saturating_mul(1 << self.ejections.min(10));
        let time = doubled.min(EJECT_TIME_MAX);
        self.ejections = self.ejections.saturating_add(1);
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
        let share = if self.latency.is_some() { USUAL_SHARE } else { 1.0 };
        self.usual += (sample - self.usual) * share;
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
    #[test]
    fn bodies_that_break_off_eject_although_heads_come() {
        let mut health = Health::default();
        let answers = |health: &mut Health| health.succeeded(Duration::from_millis(1), 0);
        for _ in 1..EJECT_AFTER_FAILURES {
            answers(&mut health);
            assert!(!health.broke_off(0));
        }
        health.completed();
        for _ in 1..EJECT_AFTER_FAILURES {
            answers(&mut health);
            assert!(!health.broke_off(0), "a whole response forgives");
        }
        answers(&mut health);
        assert!(health.broke_off(0));
        assert!(health.is_ejected(0));
        let back = health.ejected_until;
        answers(&mut health);
        assert!(health.broke_off(back), "once more after its return");
        assert!(health.ejected_until - back > millis(EJECT_TIME_BASE), "for longer");
    }

    const PROBE: u64 = SILENCE_PROBE_MIN.as_secs() * 1000;
    // Below a second, so that its milliseconds are all of it.
    const MIN: u64 = SILENCE_MIN.subsec_millis() as u64;

    #[test]
    fn silence_is_no_answer_to_what_was_asked() {
        let mut health = Health::default();
        assert!(!health.is_silent(1_000_000));
        assert!(health.asked(1000));
        assert!(!health.asked(1000 + MIN), "not the first");
        assert!(!health.is_silent(1000 + MIN - 1));
        assert!(health.is_silent(1000 + MIN));
        health.succeeded(Duration::from_millis(1), 1000 + MIN);
        assert!(!health.is_silent(1000 + 2 * MIN));
        // An older request that is still unanswered does not count any more.
        assert!(!health.is_silent(1_000_000));
    }

    #[test]
    fn slow_endpoints_are_waited_for_longer() {
        let mut health = Health::default();
        health.succeeded(Duration::from_secs(2), 0);
        health.asked(0);
        assert!(!health.is_silent(7_999));
        assert!(health.is_silent(8_000));
    }

    /// A machine that stood still for a moment must not make a hung endpoint look slow by nature.
    #[test]
    fn one_slow_answer_among_many_buys_no_patience() {
        let mut health = Health::default();
        for _ in 0..20 {
            health.succeeded(Duration::from_millis(2), 0);
        }
        health.succeeded(Duration::from_millis(100), 0);
        health.asked(0);
        assert!(!health.is_silent(MIN - 1));
        assert!(health.is_silent(MIN));
    }

    #[test]
    fn what_is_silent_is_asked_ever_more_rarely() {
        let mut health = Health::default();
        health.asked(0);
        let mut now = MIN;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let silent_from = now;
            while health.is_silent(now) {
                health.chosen(now);
                now += 1;
            }
            health.chosen(now);
            pauses.push(now - silent_from);
            assert!(health.is_silent(now), "one request at a time");
        }
        assert_eq!(pauses, [PROBE, PROBE, 2 * PROBE, 2 * PROBE]);
        health.succeeded(Duration::from_millis(1), now);
        health.asked(now);
        assert!(!health.is_silent(now + MIN - 1));
    }

    #[test]
    fn clients_that_leave_excuse_only_what_was_not_overdue() {
        let mut health = Health::default();
        health.asked(0);
        health.left_alone(MIN - 1);
        assert!(!health.is_silent(MIN));
        health.asked(0);
        health.left_alone(MIN);
        assert!(health.is_silent(MIN));
    }
}
