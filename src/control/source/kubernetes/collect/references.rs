//! What an object of ours names, and how long each of that is needed: what is served keeps it, its
//! certificates for instance, until what replaces it was told.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::ObjectRef;

/// What one object of ours names.
#[derive(Clone, Default)]
pub(super) struct References {
    /// Named by its newest version.
    pub(super) newest: Arc<BTreeSet<ObjectRef>>,
    /// Named by the version that is served: the one that was told last, or the last one before of
    /// which anything could be used.
    pub(super) in_force: Arc<BTreeSet<ObjectRef>>,
}

impl References {
    fn contains(&self, named: &ObjectRef) -> bool {
        self.newest.contains(named) || self.in_force.contains(named)
    }

    /// Those that `other` does not name.
    pub(super) fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ObjectRef> {
        self.newest.union(&self.in_force).filter(|named| !other.contains(named))
    }
}
