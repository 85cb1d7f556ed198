//! The collector follows what objects of ours name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::references::References;
use super::{Collector, Held};
use crate::control::kinds::{KINDS, Role, info};
use crate::control::source::interest::Choice;
use crate::control::source::kubernetes::stream::Extent;
use crate::control::source::object::Object;
use crate::model::ObjectRef;

impl Collector {
    /// Finds out anew which objects are ours.
    pub(super) fn choose(&mut self, now: Instant) {
        let choosers = of_role(&self.held, Role::Chooses);
        let choosers = choosers.filter_map(|(object, held)| Some((object, held.object.as_ref()?)));
        let choice = self.interest.choose(&choosers.collect::<Vec<_>>());
        let choosers = of_role(&self.held, Role::Chooses);
        let others = of_role(&self.held, Role::Names).filter(|_| choice == Choice::Changed);
        let all: Vec<_> = choosers.chain(others).map(|(object, _)| object.clone()).collect();
        all.iter().for_each(|object| self.find_references(object, now));
    }

    /// Finds out anew what an object of ours names.
    pub(super) fn find_references(&mut self, object: &ObjectRef, now: Instant) {
        let content = self.content(object);
        let found = content.map(|content| self.interest.needs(object, content)).unwrap_or_default();
        let old = self.references.get(object).cloned().unwrap_or_default();
        let newest = if *old.newest == found { old.newest } else { Arc::new(found) };
        // What is served keeps what it needs until the new version is told.
        self.set_references(object, References { newest, in_force: old.in_force }, now);
    }

    /// Of an object that counts.
    fn content(&self, object: &ObjectRef) -> Option<&Object> {
        self.held.get(object).filter(|_| self.is_visible(object))?.object.as_ref()
    }

    fn set_references(&mut self, ingress: &ObjectRef, new: References, now: Instant) {
        let old = self.references.remove(ingress).unwrap_or_default();
        new.without(&old).for_each(|named| self.named.want(named));
        for named in old.without(&new) {
            if self.named.release(named) {
                self.drop_held(named, now);
                self.stop_waiting(named);
                self.are_problems_stale = true;
            }
        }
        if !new.newest.is_empty() || !new.in_force.is_empty() {
            self.references.insert(ingress.clone(), new);
        }
    }

    /// What is told now comes into force: lets go of what only older versions name.
    pub(super) fn settle_told(&mut self, now: Instant) {
        let waits = |object: &ObjectRef| self.waiting.contains_key(object);
        let told = || self.dirty.iter().filter(|object| !waits(object));
        let role = |object: &ObjectRef| info(object.kind).role;
        let ingresses: Vec<_> = match told().any(|object| role(object) == Role::Chooses) {
            // Any object may be ours or not from now on.
            true => self.references.keys().filter(|ingress| !waits(ingress)).cloned().collect(),
            false => told().filter(|object| role(object) == Role::Names).cloned().collect(),
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

    /// Whether the newest version of an object of ours leaves the one before it in force.
    fn is_last_good_kept(&self, object: &ObjectRef) -> bool {
        let content = self.content(object);
        content.is_some_and(|content| self.interest.leaves_last_good(object, content))
    }
}

fn of_role(
    held: &BTreeMap<ObjectRef, Held>,
    role: Role,
) -> impl Iterator<Item = (&ObjectRef, &Held)> {
    let kinds = KINDS.iter().filter(move |info| info.role == role).map(|info| info.kind);
    kinds.flat_map(|kind| {
        held.range(Extent::all(kind).first()..).take_while(move |(object, _)| object.kind == kind)
    })
}
