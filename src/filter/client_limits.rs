//! How much one client may ask of the rules of one object, or of those that name a zone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::addresses::AddressRanges;
use super::text::Text;

/// Limits of the rules of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientLimits {
    /// Whose they are.
    pub zone: Zone,
    /// Who is one client.
    pub key: LimitKey,
    /// Requests in a second.
    pub per_second: Option<Rate>,
    /// Requests in a minute.
    pub per_minute: Option<Rate>,
    /// Requests under way.
    pub open: Option<NonZeroU32>,
    /// Whom they do not concern.
    pub exempt: AddressRanges,
}

/// Which requests count as those of one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum LimitKey {
    /// Those of an address.
    #[default]
    Address,
    /// Those of which this is the same; where it is empty they are not counted.
    Text(Text),
}

/// One whose requests count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asker {
    /// An address, in its canonical form.
    Address(IpAddr),
    /// A value of [`LimitKey::Text`].
    Text(Box<[u8]>),
}

impl From<IpAddr> for Asker {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

/// How clients are answered that ask too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitStatuses {
    /// For [`Excess::Rate`].
    pub rate: u16,
    /// For [`Excess::Open`].
    pub open: u16,
}

impl Default for LimitStatuses {
    /// Those of ingress-nginx.
    fn default() -> Self {
        Self { rate: 503, open: 503 }
    }
}

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Its client has asked too much of late.
    Rate,
    /// Too many of its client's requests are under way.
    Open,
}

/// What counts together: the rules of one object, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(u64);

/// So many requests in a time, and so many more at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Units between two requests.
    interval: u64,
    /// Units that a client may be ahead of that.
    tolerance: u64,
}

/// Units of a second; one is 16 ns, so that 56 bits hold 36 years.
const UNITS_PER_SECOND: u64 = 1_000_000_000 >> UNIT_SHIFT;
const UNIT_SHIFT: u32 = 4;

impl ClientLimits {
    /// Whether there is one of requests in a time.
    #[must_use]
    pub const fn has_rate(&self) -> bool {
        self.per_second.is_some() || self.per_minute.is_some()
    }
}

impl Zone {
    /// One that directives name, for all objects together.
    #[must_use]
    pub fn named(name: &str) -> Self {
        // No object has an empty namespace.
        Self::of("", name, None)
    }

    /// That of the object; one that is made anew under its name is another one.
    #[must_use]
    pub fn of(namespace: &str, name: &str, uid: Option<&str>) -> Self {
        let mut hasher = DefaultHasher::new();
        (namespace, name, uid).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl Rate {
    /// `count` requests in each second, and `burst` more at once.
    #[must_use]
    pub fn per_second(count: NonZeroU32, burst: u64) -> Self {
        Self::new(UNITS_PER_SECOND, count, burst)
    }

    /// `count` requests in each minute, and `burst` more at once.
    #[must_use]
    pub fn per_minute(count: NonZeroU32, burst: u64) -> Self {
        Self::new(60 * UNITS_PER_SECOND, count, burst)
    }

    fn new(time: u64, count: NonZeroU32, burst: u64) -> Self {
        let interval = (time / u64::from(count.get())).max(1);
        Self { interval, tolerance: interval.saturating_mul(burst) }
    }

    /// Units between two requests.
    #[must_use]
    pub const fn interval(&self) -> u64 {
        self.interval
    }

    /// The unit of time here, of nanoseconds.
    #[must_use]
    pub const fn units(nanos: u64) -> u64 {
        nanos >> UNIT_SHIFT
    }

    /// The time at which one who asks at `now` will be as if he had never asked, if that was
    /// `until` before; `None`: he has asked too much.
    #[must_use]
    pub const fn next(&self, until: u64, now: u64) -> Option<u64> {
        let ahead = until.saturating_sub(now);
        // Nobody gets so far ahead, not even by a clock that was read a while ago: it was counted
        // for another rate, before its owner changed it.
        let most = self.tolerance.saturating_add(self.interval).saturating_mul(2);
        let ahead = if ahead > most.saturating_add(UNITS_PER_SECOND) { 0 } else { ahead };
        if ahead > self.tolerance {
            return None;
        }
        Some(now.saturating_add(ahead).saturating_add(self.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn number(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    /// How many of those who ask at `nanos` pass.
    #[track_caller]
    fn check(rate: Rate, nanos: &[(u64, usize)], passed: &[usize]) {
        let mut until = 0;
        let counts = nanos.iter().map(|&(at, times)| {
            let pass = |_: &usize| match rate.next(until, Rate::units(at)) {
                Some(next) => {
                    until = next;
                    true
                }
                None => false,
            };
            (0..times).filter(pass).count()
        });
        assert_eq!(counts.collect::<Vec<_>>(), passed, "{rate:?}");
    }

    #[test]
    fn a_burst_and_one_more_pass_at_once_then_as_many_as_time_allows() {
        let start = 9 * SECOND;
        for (rate, nanos, passed) in [
            (
                Rate::per_second(number(2), 10),
                &[(start, 30), (start + SECOND, 9)][..],
                &[11, 2][..],
            ),
            // Nothing comes of what is refused, and a long rest gives no more than the burst.
            (Rate::per_second(number(1), 5), &[(start, 99), (start + 99 * SECOND, 99)], &[6, 6]),
            (Rate::per_second(number(5), 0), &[(start, 3), (start + SECOND, 3)], &[1, 1]),
            (
                Rate::per_minute(number(2), 2),
                &[(start, 5), (start + 29 * SECOND, 5), (start + 30 * SECOND, 5)],
                &[3, 0, 1],
            ),
            (Rate::per_second(number(1_000_000), 1), &[(start, 5), (start + 1000, 5)], &[2, 1]),
        ] {
            check(rate, nanos, passed);
        }
    }

    #[test]
    fn another_rate_is_not_held_against_a_client() {
        let (slow, fast) = (Rate::per_minute(number(1), 99), Rate::per_second(number(10), 0));
        let mut until = 0;
        while let Some(next) = slow.next(until, SECOND) {
            until = next;
        }
        assert!(fast.next(until, SECOND).is_some());
        // A clock that was read before others counted is no other rate.
        let now = Rate::units(9 * SECOND);
        let until = fast.next(0, now).unwrap();
        assert_eq!(fast.next(until, now - Rate::units(SECOND)), None);
    }

    #[test]
    fn objects_do_not_count_together() {
        let zone = |namespace, name, uid| Zone::of(namespace, name, uid);
        let own = zone("a", "b", Some("1"));
        assert_eq!(own, zone("a", "b", Some("1")));
        for other in [zone("a", "b", Some("2")), zone("a", "b", None), zone("ab", "", Some("1"))] {
            assert_ne!(own, other);
        }
    }
}
