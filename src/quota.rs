//! How much each client has asked, exact over all cores: the one thing that the data plane shares.
//!
//! A key is a limit of an object and the address of a client. It has one word in a table of fixed
//! size, changed by compare and exchange alone: no core ever waits for another one. Keys follow
//! from what they stand for, so that tables of routes come and go without resetting anything, and
//! what is not asked for any more runs out by itself.
//!
//! ```text
//! Table: buckets ── Bucket: header │ slot × 7 ── Slot: tag (whose it is) │ word (value, check)
//! ```
//!
//! A rate is a generic cell rate algorithm, nginx's leaky bucket by another name: the word holds
//! the time at which the key will be as if it had never asked. What is rejected changes nothing.
//!
//! A full bucket lets go of the key that has asked least, which is then as if it had not asked.
//! Whoever is at his limit goes last, so that many addresses do not free one that is; and a new
//! key always finds room, so that they lock nobody out. Where a key is to be found depends on a
//! secret of the process.
//!
//! Source: nginx `limit_req`, `limit_conn`; ITU-T I.371, GCRA (virtual scheduling).

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use crate::filter::{Asker, ClientLimits, Excess, Rate, Zone};
use crate::limits::QUOTA_BUCKETS;

/// Slots of a bucket: what two cache lines hold beside the header.
const WAYS: usize = 7;
/// Bits of a word that say whose it is; the rest is its value.
const CHECK_BITS: u32 = 8;
/// Bits of a tag.
const TAG_BITS: u32 = 44;
const TAG: u64 = (1 << TAG_BITS) - 1;
/// Bits of a header that say which slot gets a new tag, counted from 1; 0: none does.
const SLOT_BITS: u32 = 4;
const SLOT: u64 = (1 << SLOT_BITS) - 1;
/// Above them the new tag, and above that how many there were.
const VERSION_SHIFT: u32 = SLOT_BITS + TAG_BITS;

/// What clients have asked, by limit.
pub struct Quotas {
    keys: RandomState,
    per_second: Table,
    per_minute: Table,
    /// Requests under way.
    open: Table,
}

/// Made when it is first needed.
#[derive(Default)]
struct Table(OnceLock<Box<[Bucket]>>);

/// Two cache lines, one of which says who is here.
#[derive(Default)]
#[repr(align(128))]
struct Bucket {
    header: AtomicU64,
    slots: [Slot; WAYS],
}

#[derive(Default)]
struct Slot {
    /// Of a key; 0: it is free.
    tag: AtomicU64,
    /// Of that key, if it has the key's check; else it is as if it were 0.
    word: AtomicU64,
}

/// Which limit a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    PerSecond,
    PerMinute,
    Open,
}

#[derive(Clone, Copy)]
struct Key {
    bucket: usize,
    tag: u64,
    check: u64,
}

/// What became of a request.
#[derive(Debug)]
pub struct Judged<T> {
    /// Whether it may pass.
    pub verdict: Result<T, Excess>,
    /// Keys that had to go although they were needed.
    pub evictions: u64,
}

/// A change of a word.
struct Change<'t> {
    slot: &'t Slot,
    from: u64,
    to: u64,
}

/// A request under way; it counts until this is dropped.
#[must_use]
pub struct Hold<'q> {
    slot: &'q Slot,
    key: Key,
}

impl Default for Quotas {
    fn default() -> Self {
        let (per_second, per_minute, open) = Default::default();
        Self { keys: RandomState::new(), per_second, per_minute, open }
    }
}

impl Quotas {
    /// Counts a request of `client` at `now` (nanoseconds of the process clock) against both rates,
    /// or, if either is exceeded, against none.
    #[must_use]
    pub fn count(&self, limits: &ClientLimits, client: &Asker, now: u64) -> Judged<()> {
        let now = Rate::units(now);
        let mut evictions = 0;
        let mut charge = |kind, rate: Rate| {
            let key = self.key(limits.zone, kind, client);
            let next = |until| rate.next(until, now);
            self.bucket(kind, key)?.update(key, now, next, &mut evictions)
        };
        let second = limits.per_second.map(|rate| (charge(Kind::PerSecond, rate), rate));
        let verdict = match (second, limits.per_minute) {
            (Some((None, _)), _) => Err(Excess::Rate),
            (second, Some(rate)) if charge(Kind::PerMinute, rate).is_none() => {
                if let Some((Some(charged), rate)) = second {
                    charged.undo(rate.interval());
                }
                Err(Excess::Rate)
            }
            _ => Ok(()),
        };
        Judged { verdict, evictions }
    }

    /// Counts a request of `client` as under way until what is returned is dropped. `None`: there
    /// is no such limit.
    pub fn hold(&self, limits: &ClientLimits, client: &Asker) -> Judged<Option<Hold<'_>>> {
        let mut evictions = 0;
        let Some(most) = limits.open else { return Judged { verdict: Ok(None), evictions } };
        let key = self.key(limits.zone, Kind::Open, client);
        let next = |open| (open < u64::from(most.get())).then_some(open + 1);
        let bucket = self.bucket(Kind::Open, key);
        let change = bucket.and_then(|bucket| bucket.update(key, 0, next, &mut evictions));
        let hold = change.map(|change| Some(Hold { slot: change.slot, key }));
        Judged { verdict: hold.ok_or(Excess::Open), evictions }
    }

    fn bucket(&self, kind: Kind, key: Key) -> Option<&Bucket> {
        let table = match kind {
            Kind::PerSecond => &self.per_second,
            Kind::PerMinute => &self.per_minute,
            Kind::Open => &self.open,
        };
        let make = || std::iter::repeat_with(Bucket::default).take(QUOTA_BUCKETS).collect();
        table.0.get_or_init(make).get(key.bucket)
    }

    fn key(&self, zone: Zone, kind: Kind, client: &Asker) -> Key {
        Key::of(self.keys.hash_one((zone, kind, client)))
    }
}

impl Key {
    fn of(hash: u64) -> Self {
        let bucket = usize::try_from(hash >> (u64::BITS - QUOTA_BUCKETS.trailing_zeros()));
        let tag = ((hash >> CHECK_BITS) & TAG).max(1);
        let check = hash & ((1 << CHECK_BITS) - 1);
        Self { bucket: bucket.unwrap_or(0), tag, check }
    }

    /// The value that `word` holds for this key.
    fn value(self, word: u64) -> u64 {
        let is_own = word & ((1 << CHECK_BITS) - 1) == self.check;
        if is_own { word >> CHECK_BITS } else { 0 }
    }

    fn word(self, value: u64) -> u64 {
        value << CHECK_BITS | self.check
    }
}

impl Bucket {
    /// Makes `next` of the value of `key`, unless that says no. A key whose value is not above
    /// `idle` is not needed any more.
    fn update(
        &self,
        key: Key,
        idle: u64,
        next: impl Fn(u64) -> Option<u64>,
        evictions: &mut u64,
    ) -> Option<Change<'_>> {
        loop {
            let slot = self.slot(key, idle, evictions);
            let from = slot.word.load(Acquire);
            // Whose the word is, is looked at behind it: whoever takes the slot over changes the
            // tag first.
            if slot.tag.load(Acquire) != key.tag {
                continue;
            }
            let to = key.word(next(key.value(from))?);
            if slot.word.compare_exchange(from, to, AcqRel, Acquire).is_ok() {
                return Some(Change { slot, from, to });
            }
        }
    }

    /// The slot of `key`, which may have to become its.
    ///
    /// INVARIANT: no key has two. Tags change one after the other: who wants to change one says so
    /// in the header, if that is as it was before he looked for the key in vain, and whoever comes
    /// to such a header does what it says before anything else.
    fn slot(&self, key: Key, idle: u64, evictions: &mut u64) -> &Slot {
        loop {
            let header = self.header.load(Acquire);
            if header & SLOT != 0 {
                self.complete(header);
                continue;
            }
            let mut slots = self.slots.iter();
            if let Some(slot) = slots.find(|slot| slot.tag.load(Acquire) == key.tag) {
                return slot;
            }
            let least = self.slots.iter().zip(1..).min_by_key(|(slot, _)| slot.used());
            let Some((slot, number)) = least else { continue };
            let (used, before) = (slot.used(), slot.word.load(Acquire));
            let claim = header | key.tag << SLOT_BITS | number;
            if self.header.compare_exchange(header, claim, AcqRel, Acquire).is_ok() {
                self.complete(claim);
                // What the last owner left may have the same check.
                slot.word
                    .compare_exchange(before, key.word(0), AcqRel, Acquire)
                    .unwrap_or_default();
                *evictions += u64::from(used > idle);
                return slot;
            }
        }
    }

    /// Gives a slot the tag that `claim` says, and takes the claim out of the header, unless others
    /// did.
    fn complete(&self, claim: u64) {
        let (number, tag) = (claim & SLOT, claim >> SLOT_BITS & TAG);
        let index = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        if let Some(slot) = self.slots.get(index) {
            let old = slot.tag.load(Acquire);
            if self.header.load(Acquire) == claim && old != tag {
                slot.tag.compare_exchange(old, tag, AcqRel, Acquire).unwrap_or_default();
            }
        }
        let next = (claim >> VERSION_SHIFT).wrapping_add(1) << VERSION_SHIFT;
        self.header.compare_exchange(claim, next, AcqRel, Acquire).unwrap_or_default();
    }
}

impl Slot {
    /// How much its key has asked; 0: it is free.
    fn used(&self) -> u64 {
        match self.tag.load(Acquire) {
            0 => 0,
            _ => self.word.load(Acquire) >> CHECK_BITS,
        }
    }
}

impl Change<'_> {
    /// Takes it back: as it was, or, if others came on top, by as much as it was.
    fn undo(self, key_units: u64) {
        let Self { slot, from, to } = self;
        if slot.word.compare_exchange(to, from, AcqRel, Acquire).is_ok() {
            return;
        }
        let check = |word: u64| word & ((1 << CHECK_BITS) - 1);
        let less = |word: u64| {
            let value = (word >> CHECK_BITS).saturating_sub(key_units);
            (check(word) == check(to)).then_some(value << CHECK_BITS | check(word))
        };
        slot.word.fetch_update(AcqRel, Acquire, less).unwrap_or_default();
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let Self { slot, key } = self;
        let less = |word| {
            let is_own = slot.tag.load(Acquire) == key.tag;
            // Nothing, where it had to go meanwhile.
            key.value(word).checked_sub(1).filter(|_| is_own).map(|value| key.word(value))
        };
        slot.word.fetch_update(AcqRel, Acquire, less).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::filter::{AddressRanges, LimitKey};

    const SECOND: u64 = 1_000_000_000;

    fn number(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn limits(per_second: Option<Rate>, per_minute: Option<Rate>, open: u32) -> ClientLimits {
        let zone = Zone::of("shop", "web", None);
        let (open, exempt) = (NonZeroU32::new(open), AddressRanges::default());
        ClientLimits { zone, key: LimitKey::Address, per_second, per_minute, open, exempt }
    }

    fn client(number: u32) -> Asker {
        Asker::from(IpAddr::from(Ipv4Addr::from(number)))
    }

    fn passes(quotas: &Quotas, limits: &ClientLimits, from: u32, now: u64) -> bool {
        quotas.count(limits, &client(from), now).verdict.is_ok()
    }

    /// Runs `ask` with each number below `times` on each of `cores` threads, all at once, and says
    /// how often it was true.
    fn at_once(cores: usize, times: u32, ask: impl Fn(u32) -> bool + Sync) -> usize {
        let (passed, barrier) = (AtomicUsize::new(0), Barrier::new(cores));
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    barrier.wait();
                    let own = (0..times).filter(|number| ask(*number)).count();
                    passed.fetch_add(own, Relaxed);
                });
            }
        });
        passed.into_inner()
    }

    #[test]
    fn as_many_pass_on_one_core_as_on_four() {
        let second = Rate::per_second(number(3), 100);
        let minute = Rate::per_minute(number(1), 50);
        for cores in [1, 2, 4] {
            for (limits, passed) in [
                (limits(Some(second), None, 0), 101),
                (limits(None, Some(minute), 0), 51),
                (limits(Some(second), Some(minute), 0), 51),
            ] {
                let quotas = Quotas::default();
                let ask = |now| at_once(cores, 400, |_| passes(&quotas, &limits, 1, now));
                assert_eq!(ask(SECOND), passed, "{cores} {limits:?}");
                // Whatever was refused took nothing of what time gives.
                assert_eq!(ask(61 * SECOND), if passed == 101 { 101 } else { 1 }, "{limits:?}");
            }
        }
    }

    /// The first request of a client gives it its slot, on whichever core.
    #[test]
    fn new_clients_find_one_slot_whichever_core_they_come_to() {
        const CLIENTS: u32 = 3_000;
        let limits = limits(Some(Rate::per_second(number(1), 1)), None, 0);
        let quotas = Quotas::default();
        let passed = at_once(4, CLIENTS, |from| passes(&quotas, &limits, from, SECOND));
        assert_eq!(passed, 2 * CLIENTS as usize);
    }

    #[test]
    fn either_rate_refuses_and_then_neither_is_used_up() {
        let second = Rate::per_second(number(1), 1);
        let limits = limits(Some(second), Some(Rate::per_minute(number(1), 3)), 0);
        let quotas = Quotas::default();
        let ask = |now| (0..9).filter(|_| passes(&quotas, &limits, 1, now)).count();
        // Two by the second, two more by the minute; the minute's rest comes when it is due.
        assert_eq!([1, 3, 5, 60, 61].map(|second| ask(second * SECOND)), [2, 2, 0, 0, 1]);
    }

    #[test]
    fn clients_and_objects_count_apart() {
        let one = limits(Some(Rate::per_second(number(1), 0)), None, 0);
        let other = ClientLimits { zone: Zone::of("shop", "other", None), ..one.clone() };
        let quotas = Quotas::default();
        for (limits, from, expected) in
            [(&one, 1, true), (&one, 1, false), (&one, 2, true), (&other, 1, true)]
        {
            assert_eq!(passes(&quotas, limits, from, SECOND), expected, "{limits:?} {from}");
        }
        let mapped: IpAddr = "::ffff:0.0.0.1".parse().unwrap();
        assert_eq!(quotas.count(&one, &mapped.into(), SECOND).verdict, Err(Excess::Rate));
    }

    #[test]
    fn requests_count_while_they_are_held() {
        let limits = limits(None, None, 2);
        let quotas = Quotas::default();
        let hold = || quotas.hold(&limits, &client(1)).verdict;
        let (first, second) = (hold().unwrap(), hold().unwrap());
        assert_eq!(hold().err(), Some(Excess::Open));
        assert!(quotas.hold(&limits, &client(2)).verdict.is_ok());
        drop(first);
        let third = hold().unwrap();
        assert_eq!(hold().err(), Some(Excess::Open));
        drop((second, third));
        let most = AtomicUsize::new(0);
        let held = AtomicUsize::new(0);
        at_once(4, 10_000, |_| {
            let Ok(Some(_hold)) = quotas.hold(&limits, &client(1)).verdict else { return false };
            most.fetch_max(held.fetch_add(1, Relaxed) + 1, Relaxed);
            held.fetch_sub(1, Relaxed);
            true
        });
        assert!(most.into_inner() <= 2);
        let all: Vec<_> = std::iter::from_fn(|| hold().ok()).collect();
        assert_eq!(all.len(), 2, "every hold was given back");
    }

    /// Far more addresses than there is room for.
    #[test]
    fn many_addresses_neither_free_who_is_at_his_limit_nor_lock_others_out() {
        let room = u32::try_from(QUOTA_BUCKETS * WAYS).unwrap();
        let limits = limits(Some(Rate::per_second(number(1), 9)), None, 0);
        let quotas = Quotas::default();
        assert!((0..9).all(|_| passes(&quotas, &limits, 0, SECOND)));
        let mut evictions = 0;
        for from in 1..3 * room {
            let judged = quotas.count(&limits, &client(from), SECOND);
            assert_eq!(judged.verdict, Ok(()), "{from}");
            evictions += judged.evictions;
        }
        assert!(evictions > u64::from(room), "{evictions}");
        assert!(passes(&quotas, &limits, 0, SECOND));
        assert!(!passes(&quotas, &limits, 0, SECOND), "the tenth was his last");
        // Who is as if he had never asked makes room.
        let later = 100 * SECOND;
        let all = (0..room / 64).map(|from| quotas.count(&limits, &client(from), later).evictions);
        assert_eq!(all.sum::<u64>(), 0);
    }

    #[test]
    fn a_hold_that_had_to_go_gives_nothing_back() {
        let room = u32::try_from(QUOTA_BUCKETS * WAYS).unwrap();
        let limits = limits(None, None, 1);
        let quotas = Quotas::default();
        let first = quotas.hold(&limits, &client(0)).verdict;
        let others: Vec<_> =
            (1..4 * room).map(|from| quotas.hold(&limits, &client(from))).collect();
        assert!(others.iter().all(|judged| judged.verdict.is_ok()));
        assert!(others.iter().map(|judged| judged.evictions).sum::<u64>() > 0);
        drop((first, others));
        let again: Vec<_> = (0..9).map(|from| quotas.hold(&limits, &client(from))).collect();
        assert!(again.iter().all(|judged| judged.verdict.is_ok()));
        let second = (0..9).map(|from| quotas.hold(&limits, &client(from)));
        assert!(second.into_iter().all(|judged| judged.verdict.err() == Some(Excess::Open)));
    }
}
