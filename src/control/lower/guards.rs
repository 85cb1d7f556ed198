//! What keeps clients out and is not supported → what must not be served.
//!
//! INVARIANT: a guard that is on and that nothing here sets up closes its rules. What cannot be
//! read counts as on.

use std::collections::{BTreeMap, BTreeSet};

/// What of an object is closed, and of its hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    /// The rules of the object are.
    pub is_closed: bool,
    /// Its author wants clients kept out, by whatever is supported or not.
    is_wanted: bool,
    /// What it sets for all of its hosts, by name.
    set: BTreeSet<&'static str>,
    /// What of it closes the hosts, as it is written.
    closing: BTreeMap<&'static str, String>,
}

/// What closes a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing<'a> {
    pub name: &'static str,
    /// As it is written.
    pub text: &'a str,
}

impl Guards {
    /// The object sets `name` for its hosts.
    pub(crate) fn set(&mut self, name: &'static str) {
        self.set.insert(name);
    }

    /// Clients are to be kept out.
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted || self.is_closed
    }

    /// The rules are closed.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// All rules of the hosts are closed for the sake of `name`, written as `text`.
    pub(crate) fn close_hosts(&mut self, name: &'static str, text: &str) {
        self.close();
        self.set(name);
        self.closing.insert(name, text.to_owned());
    }

    /// What `newer`, the guards of a version of which nothing can be used, means for the version
    /// in force: these, and those.
    pub(crate) fn closed_with(&self, newer: &Self) -> Self {
        let mut both = self.clone();
        both.set.extend(&newer.set);
        both.closing.extend(newer.closing.clone());
        both.close();
        both
    }

    /// Whether it sets `name` for its hosts.
    pub(crate) fn decides(&self, name: &str) -> bool {
        self.set.contains(name)
    }
}

/// What closes a host, and the claimant whose it is. `claimants` are those with rules for the host,
/// the oldest first: of those that set a name the first decides, as in ingress-nginx.
pub(crate) fn closing<'a, T>(
    claimants: impl Iterator<Item = (T, &'a Guards)>,
) -> Option<(T, Closing<'a>)> {
    let mut decided: BTreeSet<&str> = BTreeSet::new();
    for (claimant, guards) in claimants {
        let first = guards.closing.iter().find(|(name, _)| !decided.contains(**name));
        if let Some((name, text)) = first {
            return Some((claimant, Closing { name, text }));
        }
        decided.extend(&guards.set);
    }
    None
}
