//! Which endpoint gets a request that is bound to one: pure, one core's view.
//!
//! What binds is the same on every core: see [`Ring`]. An endpoint that is ejected, or that this
//! request tried already, makes room for the next one on the ring; a silent one does not, because
//! it may only be slow, and whoever binds requests wants them together.

use crate::filter::{NewKey, OnFailure, SessionMode};
use crate::limits::{HASH_GROUP_MAX, RING_STEPS_MAX, SESSION_PICKS_MAX};
use crate::model::Balance;
use crate::proxy::rt::random::Random;
use crate::proxy::upstream::balance::{self, Candidates, Fitness};
use crate::table::Ring;

/// From the strictest on.
const FITNESS: [Fitness; 3] = [Fitness::Well, Fitness::Untried, Fitness::Any];

/// What binds a request.
#[derive(Debug, Clone, Copy)]
pub enum Bond<'a> {
    /// The hash of a text, and how many endpoints share its requests.
    Hash(u32, u8),
    /// A client's session.
    Session {
        /// See [`SessionMode`].
        mode: SessionMode,
        /// See [`OnFailure`].
        on_failure: OnFailure,
        /// The one that the client has.
        key: Option<&'a [u8]>,
    },
}

/// The endpoint of a bound request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Of the candidates.
    pub index: usize,
    /// What follows from it.
    pub stay: Stay,
}

/// What follows from the choice of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Nothing: another try may go elsewhere.
    Free,
    /// Every try goes there.
    Kept,
    /// Another try may go elsewhere; a session began, and the client is to be told its key.
    New(NewKey),
}

/// Picks an endpoint; `None`: there is none.
///
/// Shape: as [`balance::pick`], which chooses the endpoints of new persistent sessions; the indices
/// of `ring` are those of `candidates`.
pub fn pick(
    bond: Bond<'_>,
    balance: Balance,
    ring: &Ring,
    candidates: &impl Candidates,
    cursor: &mut usize,
    random: &Random,
) -> Option<Choice> {
    let free = |index| Choice { index, stay: Stay::Free };
    match bond {
        Bond::Hash(hash, 0 | 1) => FITNESS.into_iter().find_map(|fitness| {
            let mut near = ring.from(hash).take(RING_STEPS_MAX);
            near.find(|&index| fitness.allows(candidates, index)).map(free)
        }),
        Bond::Hash(hash, size) => {
            let mut room = [0; HASH_GROUP_MAX];
            let group = group(ring, hash, usize::from(size), &mut room);
            let start = random.below(group.len());
            let (before, behind) = group.split_at_checked(start)?;
            FITNESS.into_iter().find_map(|fitness| {
                let mut members = behind.iter().chain(before).copied();
                members.find(|&index| fitness.allows(candidates, index)).map(free)
            })
        }
        Bond::Session { mode, on_failure, key } => {
            let known = key.and_then(|key| endpoint_of(ring, mode, key));
            match (known, on_failure) {
                (Some(index), OnFailure::Kept) => Some(Choice { index, stay: Stay::Kept }),
                (Some(index), OnFailure::Changed) if Fitness::Well.allows(candidates, index) => {
                    Some(free(index))
                }
                _ => begin(mode, balance, ring, candidates, cursor, random),
            }
        }
    }
}

/// The endpoint of a session; `None`: it is gone, or the key was never one of ours.
fn endpoint_of(ring: &Ring, mode: SessionMode, key: &[u8]) -> Option<usize> {
    match mode {
        SessionMode::Balanced => ring.from(Ring::hash(key)).next(),
        SessionMode::Persistent => ring.named(NewKey::number_of(key)?),
    }
}

/// Begins a session at an endpoint that does well.
fn begin(
    mode: SessionMode,
    balance: Balance,
    ring: &Ring,
    candidates: &impl Candidates,
    cursor: &mut usize,
    random: &Random,
) -> Option<Choice> {
    let new = |index, number| Choice { index, stay: Stay::New(NewKey::new(number)) };
    if mode == SessionMode::Persistent {
        let index = balance::pick(balance, candidates, cursor, random)?;
        return Some(new(index, ring.name(index)?));
    }
    let draw = || {
        let number = random.next();
        let index = endpoint_of(ring, mode, NewKey::new(number).as_bytes())?;
        Some((index, number))
    };
    Fitness::ALL.into_iter().find_map(|fitness| {
        let mut draws = std::iter::repeat_with(draw).take(SESSION_PICKS_MAX).flatten();
        let found = draws.find(|&(index, _)| fitness.allows(candidates, index));
        found.map(|(index, number)| new(index, number))
    })
}

/// The first `size` endpoints from `hash` on.
fn group<'r>(
    ring: &Ring,
    hash: u32,
    size: usize,
    room: &'r mut [usize; HASH_GROUP_MAX],
) -> &'r [usize] {
    let mut found = 0;
    for index in ring.from(hash) {
        let (members, free) = room.split_at_mut(found);
        if members.contains(&index) {
            continue;
        }
        let Some(place) = free.first_mut().filter(|_| found < size) else { break };
        *place = index;
        found += 1;
    }
    room.get(..found).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    use super::*;

    /// A number of endpoints that are all well, but for those that are tried or ejected.
    #[derive(Default)]
    struct Fleet {
        count: u16,
        tried: Vec<usize>,
        ejected: Vec<usize>,
    }

    impl Candidates for Fleet {
        fn count(&self) -> usize {
            usize::from(self.count)
        }
        fn is_tried(&self, index: usize) -> bool {
            self.tried.contains(&index)
        }
        fn is_ejected(&self, index: usize) -> bool {
            self.ejected.contains(&index)
        }
        fn is_silent(&self, _: usize) -> bool {
            false
        }
        fn in_flight(&self, _: usize) -> u32 {
            0
        }
        fn latency(&self, _: usize) -> Option<f64> {
            None
        }
    }

    fn fleet(count: u16) -> Fleet {
        Fleet { count, ..Fleet::default() }
    }

    fn ring(count: u16) -> Ring {
        let addresses: Vec<_> =
            (1..=count).map(|port| SocketAddr::from(([10, 0, 0, 1], port))).collect();
        Ring::new(&addresses, None, |address| u64::from(address.port()))
    }

    fn choose(bond: Bond<'_>, fleet: &Fleet, random: &Random) -> Option<Choice> {
        pick(bond, Balance::RoundRobin, &ring(fleet.count), fleet, &mut 0, random)
    }

    fn session(mode: SessionMode, on_failure: OnFailure, key: Option<&[u8]>) -> Bond<'_> {
        Bond::Session { mode, on_failure, key }
    }

    #[test]
    fn where_there_is_none_none_is_picked() {
        let random = Random::seeded(1);
        for bond in [
            Bond::Hash(7, 1),
            Bond::Hash(7, 3),
            session(SessionMode::Balanced, OnFailure::Kept, Some(b"key")),
            session(SessionMode::Balanced, OnFailure::Kept, None),
            session(SessionMode::Persistent, OnFailure::Changed, None),
        ] {
            assert_eq!(choose(bond, &fleet(0), &random), None, "{bond:?}");
        }
    }

    #[test]
    fn a_hash_has_one_endpoint_and_another_one_while_that_fails() {
        let random = Random::seeded(1);
        for hash in [0, 1 << 30, u32::MAX] {
            let owner = choose(Bond::Hash(hash, 1), &fleet(5), &random).unwrap();
            assert_eq!(owner.stay, Stay::Free);
            assert_eq!(choose(Bond::Hash(hash, 1), &fleet(5), &random), Some(owner));
            let tried = Fleet { tried: vec![owner.index], ..fleet(5) };
            let next = choose(Bond::Hash(hash, 1), &tried, &random).unwrap();
            assert_ne!(next.index, owner.index);
            let ejected = Fleet { ejected: vec![owner.index], ..fleet(5) };
            assert_eq!(choose(Bond::Hash(hash, 1), &ejected, &random), Some(next));
            let all = Fleet { ejected: (0..5).collect(), ..fleet(5) };
            assert_eq!(choose(Bond::Hash(hash, 1), &all, &random), Some(owner));
        }
    }

    /// Whoever does well behind so many points of those who do not is not looked for.
    #[test]
    fn a_hash_looks_at_so_many_points_and_no_more() {
        let ring = ring(2_000);
        let near: BTreeSet<usize> = ring.from(7).take(RING_STEPS_MAX).collect();
        let far = (0..2_000).find(|index| !near.contains(index)).unwrap();
        let ejected = (0..2_000).filter(|index| *index != far).collect();
        let fleet = Fleet { ejected, ..fleet(2_000) };
        let found = choose(Bond::Hash(7, 1), &fleet, &Random::seeded(1));
        assert_eq!(found.map(|choice| choice.index), ring.from(7).next());
    }

    #[test]
    fn a_group_is_so_many_endpoints_and_no_others() {
        let random = Random::seeded(1);
        let members = |fleet: &Fleet, size| -> BTreeSet<usize> {
            let picks = (0..500).filter_map(|_| choose(Bond::Hash(1 << 31, size), fleet, &random));
            picks.map(|choice| choice.index).collect()
        };
        for (count, size, expected) in [(9, 3, 3), (9, 9, 9), (2, 3, 2), (100, 64, 64)] {
            assert_eq!(members(&fleet(count), size).len(), expected, "{size} of {count}");
        }
        let group = members(&fleet(9), 3);
        let one = *group.first().unwrap();
        let rest: BTreeSet<_> = group.iter().copied().filter(|&index| index != one).collect();
        assert_eq!(members(&Fleet { tried: vec![one], ..fleet(9) }, 3), rest);
        assert_eq!(
            members(&Fleet { ejected: group.iter().copied().collect(), ..fleet(9) }, 3),
            group
        );
    }

    #[test]
    fn a_session_keeps_its_endpoint() {
        let random = Random::seeded(1);
        for mode in [SessionMode::Balanced, SessionMode::Persistent] {
            for on_failure in [OnFailure::Kept, OnFailure::Changed] {
                let first = choose(session(mode, on_failure, None), &fleet(5), &random).unwrap();
                let Stay::New(key) = first.stay else { panic!("{first:?}") };
                let again = session(mode, on_failure, Some(key.as_bytes()));
                let next = choose(again, &fleet(5), &random).unwrap();
                let stay = if on_failure == OnFailure::Kept { Stay::Kept } else { Stay::Free };
                assert_eq!(next, Choice { index: first.index, stay }, "{mode:?}");
            }
        }
    }

    #[test]
    fn a_session_moves_from_a_failed_endpoint_if_it_may() {
        let random = Random::seeded(1);
        for mode in [SessionMode::Balanced, SessionMode::Persistent] {
            let first = choose(session(mode, OnFailure::Kept, None), &fleet(5), &random).unwrap();
            let Stay::New(key) = first.stay else { panic!("{first:?}") };
            for fleet in [
                Fleet { tried: vec![first.index], ..fleet(5) },
                Fleet { ejected: vec![first.index], ..fleet(5) },
            ] {
                let kept = session(mode, OnFailure::Kept, Some(key.as_bytes()));
                let kept = choose(kept, &fleet, &random).unwrap();
                assert_eq!((kept.index, kept.stay), (first.index, Stay::Kept));
                let changed = session(mode, OnFailure::Changed, Some(key.as_bytes()));
                let changed = choose(changed, &fleet, &random).unwrap();
                assert_ne!(changed.index, first.index);
                assert!(matches!(changed.stay, Stay::New(other) if other != key));
            }
        }
    }

    #[test]
    fn a_new_session_begins_where_it_is_well() {
        let random = Random::seeded(1);
        let some = Fleet { tried: vec![0], ejected: vec![1, 2], ..fleet(4) };
        for mode in [SessionMode::Balanced, SessionMode::Persistent] {
            for _ in 0..50 {
                let choice = choose(session(mode, OnFailure::Kept, None), &some, &random);
                assert_eq!(choice.map(|choice| choice.index), Some(3), "{mode:?}");
            }
            // A guess beats a certain 503.
            let none = Fleet { tried: vec![0, 1, 2, 3], ..fleet(4) };
            assert!(choose(session(mode, OnFailure::Kept, None), &none, &random).is_some());
        }
    }

    #[test]
    fn new_sessions_spread() {
        let random = Random::seeded(1);
        for mode in [SessionMode::Balanced, SessionMode::Persistent] {
            let ring = ring(4);
            let (mut cursor, mut shares) = (0, [0; 4]);
            for _ in 0..1000 {
                let bond = session(mode, OnFailure::Kept, None);
                let choice =
                    pick(bond, Balance::RoundRobin, &ring, &fleet(4), &mut cursor, &random);
                shares[choice.unwrap().index] += 1;
            }
            assert!(shares.iter().all(|&share| share > 150), "{mode:?} {shares:?}");
        }
    }

    #[test]
    fn keys_that_clients_make_up_lead_to_an_endpoint_or_nowhere() {
        let random = Random::seeded(1);
        for key in [&b"x"[..], b"10.0.0.1:1", &[0xff; 100], b"0000000000000009", b"%00"] {
            let balanced = session(SessionMode::Balanced, OnFailure::Kept, Some(key));
            let choice = choose(balanced, &fleet(3), &random).unwrap();
            assert_eq!(choice.stay, Stay::Kept, "any key is a place on the ring");
            let persistent = session(SessionMode::Persistent, OnFailure::Kept, Some(key));
            let choice = choose(persistent, &fleet(3), &random).unwrap();
            assert!(matches!(choice.stay, Stay::New(_)), "{key:?}");
        }
    }
}
