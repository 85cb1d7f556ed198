//! Which endpoint gets the next request: pure, one core's view.
//!
//! Each core decides by itself from what it has seen; a random start keeps the cores from moving in
//! step. An endpoint that was tried already, is ejected or is silent is passed over, unless nothing
//! else is left: with every endpoint ejected, all count as usable (a guess beats a certain 503).

use crate::model::Balance;
use crate::proxy::rt::random::Random;

/// What a decision looks at, for endpoint `index` of a backend.
pub trait Candidates {
    /// How many there are.
    fn count(&self) -> usize;
    /// Whether this request tried it already.
    fn is_tried(&self, index: usize) -> bool;
    /// Whether it is ejected now.
    fn is_ejected(&self, index: usize) -> bool;
    /// Whether it owes answers and is to be spared.
    fn is_silent(&self, index: usize) -> bool;
    /// Requests in flight on it.
    fn in_flight(&self, index: usize) -> u32;
    /// Peak EWMA of its response time in microseconds; `None`: no response yet.
    fn latency(&self, index: usize) -> Option<f64>;
}

/// How good an endpoint has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fitness {
    /// Neither tried, ejected nor silent.
    Fit,
    /// Neither tried nor ejected.
    Well,
    /// Not tried.
    Untried,
    /// It exists.
    Any,
}

impl Fitness {
    /// From the strictest on.
    pub const ALL: [Self; 4] = [Self::Fit, Self::Well, Self::Untried, Self::Any];

    /// Whether an endpoint is so good.
    pub fn allows(self, candidates: &impl Candidates, index: usize) -> bool {
        let is_untried = || !candidates.is_tried(index);
        let is_well = || is_untried() && !candidates.is_ejected(index);
        match self {
            Self::Fit => is_well() && !candidates.is_silent(index),
            Self::Well => is_well(),
            Self::Untried => is_untried(),
            Self::Any => true,
        }
    }
}

/// Picks an endpoint; `None`: there is none.
///
/// Shape: `cursor` is the backend's turn counter, moved by round robin. Does not allocate; visits
/// each endpoint a few times at most.
pub fn pick(
    balance: Balance,
    candidates: &impl Candidates,
    cursor: &mut usize,
    random: &Random,
) -> Option<usize> {
    if candidates.count() == 0 {
        return None;
    }
    Fitness::ALL.into_iter().find_map(|fitness| {
        choose(balance, candidates, cursor, random, |index| fitness.allows(candidates, index))
    })
}

fn choose(
    balance: Balance,
    candidates: &impl Candidates,
    cursor: &mut usize,
    random: &Random,
    fit: impl Fn(usize) -> bool,
) -> Option<usize> {
    let count = candidates.count();
    match balance {
        Balance::RoundRobin => {
            let index = next_fit(*cursor, count, &fit)?;
            *cursor = index.wrapping_add(1);
            Some(index)
        }
        Balance::LeastRequest => {
            two_choices(count, random, &fit, |index| f64::from(candidates.in_flight(index)))
        }
        Balance::PeakEwma => {
            let typical = typical_latency(candidates);
            two_choices(count, random, &fit, |index| {
                let latency = candidates.latency(index).unwrap_or(typical);
                latency * f64::from(candidates.in_flight(index).saturating_add(1))
            })
        }
    }
}

/// First fit index from `start` on, around the end.
fn next_fit(start: usize, count: usize, fit: &impl Fn(usize) -> bool) -> Option<usize> {
    (0..count).map(|step| (start % count + step) % count).find(|&index| fit(index))
}

/// The cheaper of two fit endpoints chosen at random (power of two choices).
fn two_choices(
    count: usize,
    random: &Random,
    fit: &impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
) -> Option<usize> {
    let first = next_fit(random.below(count), count, fit)?;
    let second = next_fit((first + 1 + random.below(count.max(2) - 1)) % count, count, fit)?;
    Some(if cost(second) < cost(first) { second } else { first })
}

/// Median-like stand-in for endpoints that have not answered yet, so that a new endpoint is neither
/// stampeded nor starved: the mean of a few that have.
fn typical_latency(candidates: &impl Candidates) -> f64 {
    const SAMPLES: usize = 8;
    let known = (0..candidates.count()).filter_map(|index| candidates.latency(index));
    let (sum, count) = known.take(SAMPLES).fold((0.0, 0_u32), |(sum, n), x| (sum + x, n + 1));
    if count == 0 { 1.0 } else { sum / f64::from(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Clone)]
    struct Fleet {
        tried: Vec<usize>,
        ejected: Vec<usize>,
        silent: Vec<usize>,
        in_flight: Vec<u32>,
        latency: Vec<Option<f64>>,
    }

    impl Candidates for Fleet {
        fn count(&self) -> usize {
            self.in_flight.len()
        }
        fn is_tried(&self, index: usize) -> bool {
            self.tried.contains(&index)
        }
        fn is_ejected(&self, index: usize) -> bool {
            self.ejected.contains(&index)
        }
        fn is_silent(&self, index: usize) -> bool {
            self.silent.contains(&index)
        }
        fn in_flight(&self, index: usize) -> u32 {
            self.in_flight[index]
        }
        fn latency(&self, index: usize) -> Option<f64> {
            self.latency[index]
        }
    }

    fn fleet(count: usize) -> Fleet {
        Fleet { in_flight: vec![0; count], latency: vec![None; count], ..Fleet::default() }
    }

    fn picks(balance: Balance, fleet: &Fleet, times: usize) -> Vec<usize> {
        let (mut cursor, random) = (0, Random::seeded(7));
        (0..times).filter_map(|_| pick(balance, fleet, &mut cursor, &random)).collect()
    }

    #[test]
    fn no_endpoint_no_pick() {
        for balance in [Balance::RoundRobin, Balance::LeastRequest, Balance::PeakEwma] {
            assert!(picks(balance, &fleet(0), 3).is_empty());
            assert_eq!(picks(balance, &fleet(1), 3), [0, 0, 0]);
        }
    }

    #[test]
    fn round_robin_goes_in_turn() {
        assert_eq!(picks(Balance::RoundRobin, &fleet(3), 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn tried_and_ejected_are_passed_over() {
        let some = Fleet { tried: vec![0], ejected: vec![1], ..fleet(3) };
        for balance in [Balance::RoundRobin, Balance::LeastRequest, Balance::PeakEwma] {
            assert_eq!(picks(balance, &some, 4), [2, 2, 2, 2]);
        }
    }

    #[test]
    fn the_silent_are_asked_last_before_the_ejected() {
        for balance in [Balance::RoundRobin, Balance::LeastRequest, Balance::PeakEwma] {
            let some = Fleet { silent: vec![0, 2], ..fleet(3) };
            assert_eq!(picks(balance, &some, 4), [1, 1, 1, 1]);
            let none_left = Fleet { ejected: vec![1], silent: vec![2], tried: vec![0], ..fleet(3) };
            assert_eq!(picks(balance, &none_left, 4), [2, 2, 2, 2]);
        }
        let all = Fleet { silent: vec![0, 1, 2], ..fleet(3) };
        assert_eq!(picks(Balance::RoundRobin, &all, 4), [0, 1, 2, 0]);
    }

    #[test]
    fn when_all_are_ejected_all_are_used() {
        let all = Fleet { ejected: vec![0, 1], ..fleet(2) };
        assert_eq!(picks(Balance::RoundRobin, &all, 4), [0, 1, 0, 1]);
        let tried_too = Fleet { tried: vec![0], ..all };
        assert_eq!(picks(Balance::RoundRobin, &tried_too, 2), [1, 1]);
    }

    #[test]
    fn least_request_prefers_the_idle_one() {
        let busy = Fleet { in_flight: vec![9, 0], ..fleet(2) };
        assert!(picks(Balance::LeastRequest, &busy, 50).iter().all(|&index| index == 1));
    }

    #[test]
    fn ewma_prefers_the_fast_one_and_counts_load() {
        let slow = Fleet { latency: vec![Some(9000.0), Some(100.0)], ..fleet(2) };
        assert!(picks(Balance::PeakEwma, &slow, 50).iter().all(|&index| index == 1));
        let loaded = Fleet { in_flight: vec![0, 200], ..slow };
        assert!(picks(Balance::PeakEwma, &loaded, 50).iter().all(|&index| index == 0));
    }

    #[test]
    fn a_new_endpoint_counts_as_typical() {
        let new = Fleet { latency: vec![Some(100.0), None, Some(100.0)], ..fleet(3) };
        let got = picks(Balance::PeakEwma, &new, 300);
        let share = got.iter().filter(|&&index| index == 1).count();
        assert!((40..200).contains(&share), "{share} of 300");
    }
}
