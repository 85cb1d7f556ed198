//! A hash index that never changes once built: hash in, entry number out.
//!
//! The entries themselves live with the caller, who also compares them; so one shape serves hosts
//! and path elements, borrowed keys need no copy, and a lookup cannot allocate. Linear probing at a
//! load of one half at most: a miss ends at the first empty slot.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;

/// Fixed, so that equal models compile to equal tables and a test that fails fails again. No secret
/// is needed against clients: keys come from the configuration, a request can only ask for them,
/// and what it asks for costs one probe sequence whatever its text is. An author of objects could
/// search for keys that collide and so lengthen probe sequences, of the paths of a host by what
/// `limits::PATHS_PER_INGRESS_MAX` leaves; that costs microseconds, not a wrong answer.
const STATE: FixedState = FixedState::with_seed(0x5249_4e47_5741_5921);

/// Marks an empty slot; entry numbers stay below it.
const EMPTY: u32 = u32::MAX;

/// Hash of a key. All 64 bits are good: callers take what they need from either end.
#[inline]
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Entry numbers by hash.
#[derive(Debug, Default)]
pub(super) struct HashIndex {
    /// A power of two of them, or none when there are no entries.
    slots: Box<[Slot]>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Upper half of the hash: spares nearly all comparisons of different keys. The lower half
    /// chooses the slot.
    tag: u32,
    entry: u32,
}

impl HashIndex {
    /// Indexes entries `0..` by their hashes, in order; of equal keys the first is found.
    ///
    /// Shape: at most `u32::MAX` entries; surplus ones are not found.
    pub(super) fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let count = hashes.len();
        if count == 0 {
            return Self::default();
        }
        let capacity = count.saturating_mul(2).next_power_of_two();
        let mut slots = vec![Slot { tag: 0, entry: EMPTY }; capacity].into_boxed_slice();
        let mask = capacity - 1;
        for (entry, hash) in (0..EMPTY).zip(hashes) {
            let mut at = start(hash, mask);
            // Ends: half of the slots stay empty.
            while slots[at].entry != EMPTY {
                at = (at + 1) & mask;
            }
            slots[at] = Slot { tag: tag(hash), entry };
        }
        Self { slots }
    }

    /// The first entry with this hash for which `is_key` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_key: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = start(hash, mask);
        loop {
            let slot = self.slots.get(at)?;
            if slot.entry == EMPTY {
                return None;
            }
            let entry = slot.entry as usize;
            if slot.tag == tag(hash) && is_key(entry) {
                return Some(entry);
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the mask cuts it anyway")]
fn start(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        let keys: Vec<String> = (0..1000).map(|n| format!("host-{n}.example")).collect();
        let index = HashIndex::new(keys.iter().map(|key| hash_bytes(key.as_bytes())));
        let find = |key: &str| index.find(hash_bytes(key.as_bytes()), |n| keys[n] == key);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(find(key), Some(n));
        }
        assert_eq!(find("host-1000.example"), None);
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_key() {
        let index = HashIndex::new([7, 7, 7].into_iter());
        assert_eq!(index.find(7, |n| n == 2), Some(2));
        assert_eq!(index.find(7, |_| true), Some(0));
        assert_eq!(index.find(7, |_| false), None);
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        assert_eq!(HashIndex::default().find(1, |_| true), None);
        assert_eq!(HashIndex::new(std::iter::empty()).find(1, |_| true), None);
    }
}
