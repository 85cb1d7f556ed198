//! Randomness of a core: fast, seeded by the kernel, not for secrets.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::cell::Cell;

/// A generator of the wyrand family; one per core.
#[derive(Debug)]
pub struct Random(Cell<u64>);

impl Random {
    /// Seeded from `getrandom(2)`; if that fails (it does not on a running system), from the clock.
    #[must_use]
    pub fn from_kernel() -> Self {
        let mut seed = [0_u8; 8];
        // SAFETY: the kernel writes at most eight octets into `seed`.
        let count = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
        if count == 8 {
            Self::seeded(u64::from_ne_bytes(seed))
        } else {
            Self::seeded(crate::proxy::rt::time::coarse_millis())
        }
    }

    /// Seeded by hand, for tests.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// 64 random bits.
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.0.set(state);
        let product = u128::from(state).wrapping_mul(u128::from(state ^ 0xe703_7ed1_a0b4_28db));
        #[expect(clippy::cast_possible_truncation, reason = "folding both halves is the algorithm")]
        let folded = (product >> 64) as u64 ^ product as u64;
        folded
    }

    /// A number below `bound`; 0 for 0. The bias of the multiplication is below 2^-32 for any bound
    /// that a fleet of endpoints has.
    pub fn below(&self, bound: usize) -> usize {
        let wide = u128::from(self.next()).wrapping_mul(bound as u128) >> 64;
        usize::try_from(wide).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_bound_and_spread() {
        let random = Random::from_kernel();
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 700), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
