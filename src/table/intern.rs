//! Ids for keys, counted: a key keeps its id as long as something uses it.
//!
//! Slots are used again, ids are not: each occupant has its own generation.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use crate::limits::UPDATES_IN_FLIGHT_MAX;

/// Rounds a slot rests after it was freed. A core may lag behind by as many tables as its channel
/// holds; while it serves one that still names the old occupant, no new one should move in. Should
/// a core lag further, generations keep it from reaching the wrong occupant.
const ROUNDS_AT_REST: u64 = UPDATES_IN_FLIGHT_MAX as u64;

/// Slot and generation of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interned {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Keys with ids, used by at least one owner each.
///
/// INVARIANT: `by_key` names exactly the slots whose `uses` are not 0 or that wait for `finish`.
#[derive(Debug)]
pub(super) struct Interner<K> {
    by_key: HashMap<Arc<K>, u32, foldhash::fast::RandomState>,
    slots: Vec<Slot<K>>,
    slots_max: u32,
    /// Free slots with the round they were freed in, oldest first.
    free: VecDeque<(u64, u32)>,
    round: u64,
    added: Vec<u32>,
    /// Slots whose uses fell to 0 in this round; they may have risen again since.
    idle: Vec<u32>,
}

#[derive(Debug)]
struct Slot<K> {
    /// `None`: free.
    key: Option<Arc<K>>,
    generation: u32,
    uses: u32,
}

/// What a round changed, as ids with their keys.
#[derive(Debug)]
pub(super) struct Changes<K> {
    pub(super) added: Vec<(Interned, Arc<K>)>,
    pub(super) removed: Vec<(Interned, Arc<K>)>,
}

impl<K: Eq + Hash> Interner<K> {
    /// At most `slots_max` slots.
    pub(super) fn new(slots_max: u32) -> Self {
        Self {
            by_key: HashMap::default(),
            slots: Vec::new(),
            slots_max,
            free: VecDeque::new(),
            round: 0,
            added: Vec::new(),
            idle: Vec::new(),
        }
    }

    /// The id of `key`, used once more. `None`: it has none and no slot is free.
    pub(super) fn acquire(&mut self, key: &K) -> Option<Interned>
    where
        K: Clone,
    {
        let slot = match self.by_key.get(key) {
            Some(slot) => *slot,
            None => self.admit(key)?,
        };
        let entry = self.slots.get_mut(slot as usize)?;
        entry.uses = entry.uses.saturating_add(1);
        Some(Interned { slot, generation: entry.generation })
    }

    /// Takes back one use. The key keeps its id at least until [`Self::finish`].
    pub(super) fn release(&mut self, slot: u32) {
        let Some(entry) = self.slots.get_mut(slot as usize) else { return };
        // A saturated count is never given up: an id too many is better than one too few.
        if entry.uses != u32::MAX {
            entry.uses = entry.uses.saturating_sub(1);
        }
        if entry.uses == 0 {
            self.idle.push(slot);
        }
    }

    /// Ends a round: frees what nobody uses any more and tells what changed since the last one.
    pub(super) fn finish(&mut self) -> Changes<K> {
        let mut removed = Vec::new();
        for slot in std::mem::take(&mut self.idle) {
            let Some(entry) = self.slots.get_mut(slot as usize) else { continue };
            if entry.uses > 0 {
                continue;
            }
            // `None` if the slot became idle twice.
            let Some(key) = entry.key.take() else { continue };
            self.by_key.remove(&key);
            removed.push((Interned { slot, generation: entry.generation }, key));
            // A slot whose generations are used up is never used again.
            if let Some(next) = entry.generation.checked_add(1) {
                entry.generation = next;
                self.free.push_back((self.round, slot));
            }
        }
        let slots = &self.slots;
        let added = std::mem::take(&mut self.added).into_iter().filter_map(|slot| {
            let entry = slots.get(slot as usize)?;
            let key = Arc::clone(entry.key.as_ref()?);
            Some((Interned { slot, generation: entry.generation }, key))
        });
        let changes = Changes { added: added.collect(), removed };
        self.round += 1;
        changes
    }

    fn admit(&mut self, key: &K) -> Option<u32>
    where
        K: Clone,
    {
        let slot = self.free_slot()?;
        let key = Arc::new(key.clone());
        let entry = self.slots.get_mut(slot as usize)?;
        entry.key = Some(Arc::clone(&key));
        self.by_key.insert(key, slot);
        self.added.push(slot);
        Some(slot)
    }

    fn free_slot(&mut self) -> Option<u32> {
        if let Some((freed, slot)) = self.free.front().copied()
            && self.round - freed > ROUNDS_AT_REST
        {
            self.free.pop_front();
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|slot| *slot < self.slots_max)?;
        self.slots.push(Slot { key: None, generation: 0, uses: 0 });
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32, generation: u32) -> Option<Interned> {
        Some(Interned { slot, generation })
    }

    #[test]
    fn a_key_keeps_its_id_while_it_is_used() {
        let mut interner = Interner::new(10);
        assert_eq!(interner.acquire(&"a"), id(0, 0));
        assert_eq!(interner.acquire(&"b"), id(1, 0));
        assert_eq!(interner.acquire(&"a"), id(0, 0));
        assert_eq!(interner.finish().added.len(), 2);
        interner.release(0);
        assert!(interner.finish().removed.is_empty());
        interner.release(0);
        assert_eq!(interner.acquire(&"a"), id(0, 0), "taken up again within the round");
        let changes = interner.finish();
        assert!(changes.added.is_empty() && changes.removed.is_empty());
    }

    #[test]
    fn a_slot_rests_and_then_gets_another_generation() {
        let mut interner = Interner::new(2);
        assert_eq!(interner.acquire(&"a"), id(0, 0));
        interner.finish();
        interner.release(0);
        assert_eq!(interner.finish().removed, [(Interned { slot: 0, generation: 0 }, "a".into())]);
        assert_eq!(interner.acquire(&"b"), id(1, 0));
        assert_eq!(interner.acquire(&"c"), None, "slot 0 rests");
        for _ in 0..ROUNDS_AT_REST {
            interner.finish();
        }
        assert_eq!(interner.acquire(&"c"), id(0, 1));
        assert_eq!(interner.acquire(&"d"), None, "both slots are taken");
    }

    #[test]
    fn a_slot_that_became_idle_twice_is_freed_once() {
        let mut interner = Interner::new(2);
        interner.acquire(&"a");
        interner.release(0);
        interner.acquire(&"a");
        interner.release(0);
        let changes = interner.finish();
        assert_eq!(changes.removed.len(), 1);
        assert!(changes.added.is_empty());
    }
}
