//! One watch: what it is about, and how it does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::failure::Failure;
use super::watch::Verb;
use crate::control::kinds::Need;
use crate::model::{Kind, ObjectRef};

/// What one watch is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// `kind`.
    pub kind: Kind,
    /// `None`: all of them, or a kind without.
    pub namespace: Option<Arc<str>>,
    /// `None`: all of them.
    pub name: Option<Arc<str>>,
}

impl Extent {
    /// All objects of a kind, wherever they are.
    pub(super) fn all(kind: Kind) -> Self {
        Self { kind, namespace: None, name: None }
    }

    pub(super) fn covers(&self, object: &ObjectRef) -> bool {
        object.kind == self.kind
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == object.namespace)
            && self.name.as_ref().is_none_or(|name| *name == object.name)
    }

    /// No covered object is less.
    pub(super) fn first(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind,
            namespace: self.namespace.clone().unwrap_or_else(|| "".into()),
            name: self.name.clone().unwrap_or_else(|| "".into()),
        }
    }
}

/// One watch.
#[derive(Debug)]
pub(super) struct Stream {
    /// What it is about.
    pub extent: Extent,
    /// What depends on it.
    pub need: Need,
    /// What stands in its way.
    pub failure: Option<(Verb, Failure)>,
    /// An event that could not be read since the last list.
    pub unreadable: Option<Failure>,
    /// It has listed all objects once.
    pub is_synced: bool,
    /// Found by the list under way.
    pub listed: BTreeSet<ObjectRef>,
}

impl Stream {
    /// Nothing was heard yet.
    pub(super) fn new(extent: Extent, need: Need) -> Self {
        let listed = BTreeSet::new();
        Self { extent, need, failure: None, unreadable: None, is_synced: false, listed }
    }
}
