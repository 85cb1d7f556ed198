//! Index newtypes: 32 bits, one per purpose, so that they cannot be mixed up.

/// Counts published tables from 1; 0: none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TableVersion(pub u64);

/// A backend: a slot and the generation of its occupant. Slots are used again, ids are not, so a
/// request that still holds an old table cannot reach another backend by an old id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId {
    /// Index into a core's backends.
    pub slot: u32,
    /// Which occupant of the slot.
    pub generation: u32,
}

/// A metrics series (object × backend), same scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId {
    /// Index into a core's series.
    pub slot: u32,
    /// Which occupant of the slot.
    pub generation: u32,
}
