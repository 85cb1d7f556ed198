//! How fast one response may go. Pure.

use std::num::NonZeroU64;
use std::time::Duration;

/// The pace of a response.
///
/// Source: nginx `limit_rate`, `limit_rate_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// Octets of a body in a second.
    pub bytes_per_second: NonZeroU64,
    /// Octets before that, as fast as they can.
    pub after_bytes: u64,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// So many octets.
    Bytes(NonZeroU64),
    /// None before so much time went by.
    After(Duration),
}

impl Pace {
    /// What may be sent of a body of which `sent` octets were, `elapsed` after its beginning. As in
    /// nginx, a second's octets go at once.
    #[must_use]
    pub fn allowance(&self, elapsed: Duration, sent: u64) -> Allowance {
        let rate = self.bytes_per_second.get();
        let whole = rate.saturating_mul(elapsed.as_secs().saturating_add(1));
        let part = u128::from(rate) * u128::from(elapsed.subsec_nanos()) / 1_000_000_000;
        let due = whole
            .saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
            .saturating_add(self.after_bytes);
        match NonZeroU64::new(due.saturating_sub(sent)) {
            Some(bytes) => Allowance::Bytes(bytes),
            None => {
                // One octet more than what is due, and then what a moment brings.
                let behind = sent.saturating_sub(due).saturating_add(1);
                let nanos = u128::from(behind) * 1_000_000_000 / u128::from(rate);
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                Allowance::After(Duration::from_nanos(nanos))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_octets_go_at_once_and_the_others_as_time_goes_by() {
        let pace = |rate, after_bytes| Pace {
            bytes_per_second: NonZeroU64::new(rate).unwrap(),
            after_bytes,
        };
        let bytes = |count| Allowance::Bytes(NonZeroU64::new(count).unwrap());
        let after = |millis| Allowance::After(Duration::from_millis(millis));
        for (pace, millis, sent, expected) in [
            (pace(1000, 0), 0, 0, bytes(1000)),
            (pace(1000, 0), 0, 999, bytes(1)),
            (pace(1000, 0), 0, 1000, after(1)),
            (pace(1000, 0), 500, 1000, bytes(500)),
            (pace(1000, 0), 500, 2000, after(501)),
            (pace(1000, 0), 10_000, 1000, bytes(10_000)),
            (pace(1000, 5000), 0, 0, bytes(6000)),
            (pace(1000, 5000), 0, 6000, after(1)),
            (pace(1, 0), 0, 1, after(1000)),
            (pace(u64::MAX, u64::MAX), u64::MAX, 1, bytes(u64::MAX - 1)),
            (pace(1, 0), 0, u64::MAX, Allowance::After(Duration::from_nanos(u64::MAX))),
        ] {
            let found = pace.allowance(Duration::from_millis(millis), sent);
            assert_eq!(found, expected, "{pace:?} {millis} {sent}");
        }
    }
}
