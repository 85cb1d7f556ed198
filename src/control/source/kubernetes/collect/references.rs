//! Which Secrets the Ingresses of ours name, and how long each of them is needed: what is served
//! keeps its certificates until what replaces it was told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Collector, Extent};
use crate::control::lower::{self, Classes};
use crate::control::source::object::Object;
use crate::model::{Kind, ObjectRef};

/// Secrets of one Ingress of ours.
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
    fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ObjectRef> {
        self.newest.union(&self.in_force).filter(|secret| !other.contains(secret))
    }
}

impl Collector {
    pub(super) fn find_classes(&mut self, now: Instant) {
        let first = Extent::all(Kind::IngressClass).first();
        let held =
            self.held.range(first..).take_while(|(object, _)| object.kind == Kind::IngressClass);
        let classes = held.filter_map(|(reference, held)| match &held.object {
            Some(Object::IngressClass(class)) => Some((reference, &**class)),
            _ => None,
        });
        let classes = Classes::of(classes, &self.lower);
        if classes != self.classes {
            self.classes = classes;
            let first = Extent::all(Kind::Ingress).first();
            let held = self.held.range(first..).map(|(object, _)| object);
            let all: Vec<_> = held.take_while(|o| o.kind == Kind::Ingress).cloned().collect();
            all.iter().for_each(|ingress| self.find_references(ingress, now));
        }
    }

    /// Finds out anew which Secrets an Ingress of ours names.
    pub(super) fn find_references(&mut self, ingress: &ObjectRef, now: Instant) {
        let held = self.held.get(ingress).filter(|_| self.is_visible(ingress));
        let found = match held.and_then(|held| held.object.as_ref()) {
            Some(Object::Ingress(object)) if lower::is_ours(object, &self.classes, &self.lower) => {
                lower::secret_references(ingress, object)
            }
            _ => BTreeSet::new(),
        };
        let old = self.references.get(ingress).cloned().unwrap_or_default();
        let newest = if *old.newest == found { old.newest } else { Arc::new(found) };
        // What is served keeps its certificates until the new version is told.
        self.set_references(ingress, References { newest, in_force: old.in_force }, now);
    }

    fn set_references(&mut self, ingress: &ObjectRef, new: References, now: Instant) {
        let old = self.references.remove(ingress).unwrap_or_default();
        new.without(&old).for_each(|secret| self.secrets.want(secret));
        for secret in old.without(&new) {
            if self.secrets.release(secret) {
                self.drop_held(secret, now);
                self.stop_waiting(secret);
                self.are_problems_stale = true;
            }
        }
        if !new.newest.is_empty() || !new.in_force.is_empty() {
            self.references.insert(ingress.clone(), new);
        }
    }

    /// What is told now comes into force: lets go of Secrets that only older versions name.
    pub(super) fn settle_told(&mut self, now: Instant) {
        let waits = |object: &ObjectRef| self.waiting.contains_key(object);
        let told = || self.dirty.iter().filter(|object| !waits(object));
        let ingresses: Vec<_> = match told().any(|object| object.kind == Kind::IngressClass) {
            // Any Ingress may be ours or not from now on.
            true => self.references.keys().filter(|ingress| !waits(ingress)).cloned().collect(),
            false => told().filter(|object| object.kind == Kind::Ingress).cloned().collect(),
        };
        for ingress in &ingresses {
            let Some(References { newest, in_force }) = self.references.get(ingress) else {
                continue;
            };
            // As good as in force where nothing has to be let go of: costs less than to lower it.
            if Arc::ptr_eq(newest, in_force)
                || !in_force.is_subset(newest) && self.is_last_good_kept(ingress)
            {
                continue;
            }
            let (newest, in_force) = (Arc::clone(newest), Arc::clone(newest));
            self.set_references(ingress, References { newest, in_force }, now);
        }
    }

    /// Whether the newest version of an Ingress of ours leaves the one before it in force.
    fn is_last_good_kept(&self, ingress: &ObjectRef) -> bool {
        let held = self.held.get(ingress).filter(|_| self.is_visible(ingress));
        match held.and_then(|held| held.object.as_ref()) {
            Some(Object::Ingress(object)) => {
                lower::is_ours(object, &self.classes, &self.lower)
                    && !lower::is_usable(ingress, object)
            }
            _ => false,
        }
    }
}
