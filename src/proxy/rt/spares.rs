//! Memory kept to be used again, and given back once it was not needed for a while.
//!
//! A burst leaves free buffers, places and scratches behind. How many of them stayed unused for a
//! whole [`SPARES_PERIOD`](crate::limits::SPARES_PERIOD) is counted on the way, at the cost of a
//! comparison, and so many are let go of: what a steady load needs is never touched.

use std::sync::OnceLock;
use std::vec::Drain;

/// Things of one kind.
#[derive(Debug)]
pub struct Spares<T> {
    items: Vec<T>,
    /// The fewest there were since the last [`Spares::surplus`].
    least: usize,
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Spares<T> {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Vec::new(), least: 0 }
    }

    /// Takes one to be used.
    pub fn take(&mut self) -> Option<T> {
        let item = self.items.pop();
        self.least = self.least.min(self.items.len());
        item
    }

    /// Keeps one for the next use; gives it back when there are `most` already.
    pub fn keep(&mut self, item: T, most: usize) -> Option<T> {
        if self.items.len() >= most {
            return Some(item);
        }
        self.items.push(item);
        None
    }

    /// Takes out those that were not needed since the last time. Does not allocate.
    pub fn surplus(&mut self) -> Drain<'_, T> {
        let count = self.least.min(self.items.len());
        self.least = self.items.len().saturating_sub(count);
        self.items.drain(..count)
    }
}

static RETURN: OnceLock<fn()> = OnceLock::new();

/// Says how an allocator is told to give what the calling thread freed back to the system.
pub fn set_return(give_back: fn()) {
    RETURN.get_or_init(|| give_back);
}

/// Gives what this thread freed back to the system, if the allocator can.
pub fn give_back() {
    if let Some(give_back) = RETURN.get() {
        give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares(count: usize) -> Spares<usize> {
        let mut spares = Spares::new();
        for item in 0..count {
            assert_eq!(spares.keep(item, count), None);
        }
        spares
    }

    #[test]
    fn what_a_period_did_not_need_is_surplus() {
        let mut spares = spares(10);
        assert_eq!(spares.keep(11, 10), Some(11), "full");
        assert!(spares.surplus().len() == 0, "too new to tell");
        let used: Vec<_> = (0..4).filter_map(|_| spares.take()).collect();
        for item in used {
            spares.keep(item, 10);
        }
        assert_eq!(spares.surplus().len(), 6);
        assert_eq!(spares.surplus().len(), 4, "a period without any use");
        assert!(spares.take().is_none());
    }

    #[test]
    fn a_steady_load_keeps_what_it_uses() {
        let mut spares = spares(3);
        for _ in 0..5 {
            let used: Vec<_> = (0..3).filter_map(|_| spares.take()).collect();
            assert_eq!(used.len(), 3);
            for item in used {
                spares.keep(item, 3);
            }
            assert!(spares.surplus().len() == 0);
        }
    }
}
