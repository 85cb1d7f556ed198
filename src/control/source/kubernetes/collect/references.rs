//! Which Secrets an object of ours names, and how long each of them is needed: what is served keeps
//! its certificates until what replaces it was told.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::ObjectRef;

/// Secrets of one object of ours.
#[derive(Clone, Default)]
pub(super) struct References {
    /// Named by its newest version.
    pub(super) newest: Arc<BTreeSet<ObjectRef>>,
    /// Named by the version that is served: the one that was told last, or the last one before of
    /// which anything could be used.
    pub(super) in_force: Arc<BTreeSet<ObjectRef>>,
}

impl References {
    fn contains(&self, secret: &ObjectRef) -> bool {
        self.newest.contains(secret) || self.in_force.contains(secret)
    }

    /// Those that `other` does not name.
    pub(super) fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ObjectRef> {
        self.newest.union(&self.in_force).filter(|secret| !other.contains(secret))
    }
}
