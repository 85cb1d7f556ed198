//! How the watches are, for metrics and readiness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::model::Kind;

/// Shared by the source and the admin listener.
#[derive(Debug, Default)]
pub struct SourceState {
    kinds: Mutex<BTreeMap<Kind, KindState>>,
    /// `None`: objects of all namespaces count.
    namespaces: Mutex<Option<BTreeSet<Arc<str>>>>,
}

/// One kind, all its watches together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindState {
    /// `kind`.
    pub kind: Kind,
    /// Objects known; of Secrets those that exist, whether read or not.
    pub objects: usize,
    /// Every watch has listed its objects once.
    pub is_synced: bool,
    /// Lists that were complete, the first ones included.
    pub lists: u64,
    /// Requests that failed, watches that broke and events that cannot be read.
    pub errors: u64,
    /// When something was last heard.
    pub last_event: Option<Instant>,
}

impl SourceState {
    /// All kinds that are watched, in the order of their names.
    #[must_use]
    pub fn snapshot(&self) -> Vec<KindState> {
        self.lock().values().cloned().collect()
    }

    /// Whether objects of a namespace count.
    #[must_use]
    pub fn is_watched(&self, namespace: &str) -> bool {
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.as_ref().is_none_or(|all| all.contains(namespace))
    }

    /// Only objects of these namespaces count.
    pub(crate) fn watch_only(&self, namespaces: BTreeSet<Arc<str>>) {
        *self.namespaces.lock().unwrap_or_else(PoisonError::into_inner) = Some(namespaces);
    }

    /// Changes what is known of one kind.
    pub(crate) fn update(&self, kind: Kind, change: impl FnOnce(&mut KindState)) {
        let new = || KindState {
            kind,
            objects: 0,
            is_synced: false,
            lists: 0,
            errors: 0,
            last_event: None,
        };
        change(self.lock().entry(kind).or_insert_with(new));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, KindState>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
