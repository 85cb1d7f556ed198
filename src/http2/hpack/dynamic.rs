//! The dynamic table, RFC 7541 sections 2.3.2 and 4: as many octets as its limit allows, and no
//! allocation per entry.

use std::collections::VecDeque;

/// Octets that each entry counts for besides its own.
pub(super) const ENTRY_OVERHEAD: usize = 32;

/// Newest entries of a connection.
#[derive(Debug)]
pub(super) struct DynamicTable {
    /// Name and value of each entry, the oldest first, behind octets of evicted ones.
    octets: Vec<u8>,
    /// Octets of evicted entries in front.
    gone: usize,
    /// Lengths of name and value, the newest first.
    entries: VecDeque<Entry>,
    /// As section 4.1 counts.
    size: usize,
    size_max: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where it begins in `octets`.
    start: usize,
    name_len: usize,
    value_len: usize,
}

impl Entry {
    const fn size(self) -> usize {
        self.name_len + self.value_len + ENTRY_OVERHEAD
    }
}

impl DynamicTable {
    pub(super) const fn new(size_max: usize) -> Self {
        Self { octets: Vec::new(), gone: 0, entries: VecDeque::new(), size: 0, size_max }
    }

    /// The entry of an index, from 0 for the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        let octets = self.octets.get(entry.start..)?;
        let (name, rest) = octets.split_at_checked(entry.name_len)?;
        Some((name, rest.get(..entry.value_len)?))
    }

    /// Adds an entry and evicts what has no room any more; one above the whole size empties the
    /// table (section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + ENTRY_OVERHEAD;
        self.evict(self.size_max.saturating_sub(size));
        if size > self.size_max {
            return;
        }
        if self.gone > self.size_max {
            self.compact();
        }
        let start = self.octets.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.entries.push_front(Entry { start, name_len: name.len(), value_len: value.len() });
        self.size += size;
    }

    /// Sets the limit.
    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(size_max);
    }

    /// Octets as section 4.1 counts.
    #[cfg(test)]
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Octets of memory for names and values.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.octets.len()
    }

    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
            self.gone = entry.start + entry.name_len + entry.value_len;
        }
        if self.entries.is_empty() {
            self.octets.clear();
            self.gone = 0;
        }
    }

    fn compact(&mut self) {
        self.octets.drain(..self.gone);
        for entry in &mut self.entries {
            entry.start -= self.gone;
        }
        self.gone = 0;
    }
}
