//! Equal values, held once: ten thousand Ingresses that say the same share one plan.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Below so many values nothing is looked after.
const SWEEP_FLOOR: usize = 256;

/// Values that somebody holds.
///
/// INVARIANT: those that nobody else holds are never more than those in use were at the last sweep,
/// or [`SWEEP_FLOOR`].
#[derive(Debug)]
pub(super) struct Shared<T> {
    known: HashSet<Arc<T>, foldhash::fast::RandomState>,
    sweep_at: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { known: HashSet::default(), sweep_at: SWEEP_FLOOR }
    }
}

impl<T: Eq + Hash> Shared<T> {
    /// The one value that equals `value`.
    pub(super) fn get(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.known.get(&value) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = self.known.len().saturating_mul(2).max(SWEEP_FLOOR);
        }
        let value = Arc::new(value);
        self.known.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut shared = Shared::default();
        let a = shared.get("a".to_owned());
        assert!(Arc::ptr_eq(&a, &shared.get("a".to_owned())));
        assert!(!Arc::ptr_eq(&a, &shared.get("b".to_owned())));
    }

    #[test]
    fn values_that_nobody_holds_are_let_go() {
        let mut shared = Shared::default();
        let kept: Vec<_> = (0..10).map(|n| shared.get(n)).collect();
        for n in 10..10_000 {
            shared.get(n);
            assert!(shared.known.len() <= SWEEP_FLOOR);
        }
        assert!(kept.iter().all(|value| Arc::ptr_eq(value, &shared.get(**value))));
    }
}
