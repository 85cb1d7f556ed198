//! The claims in force, and who of them names a host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claim::{Age, Claim};
use crate::control::source::report::Finding;
use crate::model::{HostPattern, ObjectRef, Problem, reason};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub in_force: BTreeMap<ObjectRef, InForce>,
    /// The oldest first.
    by_host: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    /// Canaries, likewise.
    canaries: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    /// Names besides those of rules, likewise.
    others: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    /// Who names an object in its settings.
    by_need: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
}

/// A claim and what is wrong with the newer version that could not replace it.
#[derive(Debug)]
pub(super) struct InForce {
    pub claim: Box<Claim>,
    pub newer: Vec<Arc<Problem>>,
    /// `metadata.uid`, so that an object of the same name is no newer version.
    uid: Option<Box<str>>,
}

/// Which version of an object was lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// One that was not seen before.
    New,
    /// The same once more, because of something else.
    Known,
}

/// What became of a new version.
pub(super) enum Taken {
    /// Nothing of it can be used: the last good version stays, and perhaps closes its rules.
    Kept { are_guards_changed: bool },
    /// It is in force, in place of the old one.
    InForce { old: Option<Box<Claim>> },
}

impl Claims {
    pub(super) fn get(&self, owner: &ObjectRef) -> Option<&Claim> {
        self.in_force.get(owner).map(|in_force| &*in_force.claim)
    }

    /// The claims with rules for the host, the oldest first.
    pub(super) fn of_host(&self, host: &HostPattern) -> impl Iterator<Item = &Claim> + Clone {
        let owners = self.by_host.get(host).into_iter().flat_map(BTreeMap::values);
        owners.filter_map(|owner| self.get(owner))
    }

    /// The canaries of the host, the oldest first.
    pub(super) fn canaries_of(&self, host: &HostPattern) -> impl Iterator<Item = &Claim> {
        let owners = self.canaries.get(host).into_iter().flat_map(BTreeMap::values);
        owners.filter_map(|owner| self.get(owner))
    }

    /// The claims that want the name without rules for it, the oldest first.
    pub(super) fn wanting(&self, name: &HostPattern) -> impl Iterator<Item = &Claim> {
        let owners = self.others.get(name).into_iter().flat_map(BTreeMap::values);
        owners.filter_map(|owner| self.get(owner))
    }

    /// Whether any claim has rules for the host.
    pub(super) fn has_host(&self, host: &HostPattern) -> bool {
        self.by_host.contains_key(host)
    }

    /// All hosts with rules.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.by_host.keys()
    }

    /// Whose the claims are.
    pub(super) fn owners(&self) -> impl Iterator<Item = &ObjectRef> {
        self.in_force.keys()
    }

    /// Whose settings name `object`.
    pub(super) fn needing(&self, object: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.by_need.get(object).into_iter().flatten()
    }

    /// Takes what an object comes to. The last good version stays in force only for the sake of
    /// another one: what is no longer permitted ends.
    pub(super) fn take(&mut self, claim: Claim, uid: Option<&str>, version: Version) -> Taken {
        let owner = claim.owner.clone();
        if claim.is_unusable
            && let Some(old) = self.in_force.get_mut(&owner)
            && !old.claim.is_unusable
            && old.uid.as_deref() == uid
            && (version == Version::New || !old.newer.is_empty())
        {
            // The version that stays must not be more open than the one that cannot be used.
            let guards = old.claim.guards_of_newer(&claim);
            let are_guards_changed = guards != old.claim.newer_guards;
            old.claim.newer_guards = guards;
            old.newer = claim.problems;
            return Taken::Kept { are_guards_changed };
        }
        let old = self.remove(&owner);
        for name in claim.other_names() {
            self.others.entry(name).or_default().insert(claim.age.clone(), owner.clone());
        }
        let by_host = self.index_of(&claim);
        for host in claim.routes.keys() {
            let claims = by_host.entry(host.clone()).or_default();
            claims.insert(claim.age.clone(), owner.clone());
        }
        for need in &claim.settings.needs {
            self.by_need.entry(need.clone()).or_default().insert(owner.clone());
        }
        let uid = uid.map(Into::into);
        self.in_force.insert(owner, InForce { claim: Box::new(claim), newer: Vec::new(), uid });
        Taken::InForce { old }
    }

    /// The object is gone, or no longer ours.
    pub(super) fn remove(&mut self, owner: &ObjectRef) -> Option<Box<Claim>> {
        let InForce { claim, .. } = self.in_force.remove(owner)?;
        for name in claim.other_names() {
            if let Some(claims) = self.others.get_mut(&name) {
                claims.remove(&claim.age);
                if claims.is_empty() {
                    self.others.remove(&name);
                }
            }
        }
        let by_host = self.index_of(&claim);
        for host in claim.routes.keys() {
            if let Some(claims) = by_host.get_mut(host) {
                claims.remove(&claim.age);
                if claims.is_empty() {
                    by_host.remove(host);
                }
            }
        }
        for need in &claim.settings.needs {
            if let Some(owners) = self.by_need.get_mut(need) {
                owners.remove(owner);
                if owners.is_empty() {
                    self.by_need.remove(need);
                }
            }
        }
        Some(claim)
    }

    fn index_of(&mut self, claim: &Claim) -> &mut BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>> {
        match claim.settings.is_canary() {
            true => &mut self.canaries,
            false => &mut self.by_host,
        }
    }

    /// What is wrong with each by itself.
    pub(super) fn problems(&self) -> Vec<Arc<Problem>> {
        let mut problems = Vec::new();
        for InForce { claim, newer, uid: _ } in self.in_force.values() {
            if newer.is_empty() {
                problems.extend(claim.problems.iter().cloned());
            } else {
                problems.extend(newer.iter().cloned());
                problems.extend(kept(claim));
            }
        }
        problems
    }
}

/// Tells that an older version than the object's is in force.
fn kept(claim: &Claim) -> Vec<Arc<Problem>> {
    let mut report = claim.report();
    let what = match claim.newer_guards.is_some() {
        true => {
            "of the last good one all requests get status 503, because the new one is to be \
             protected"
        }
        false => "the last good one stays in force",
    };
    report.warning(Finding {
        reason: reason!("LastGoodVersion"),
        field: String::new(),
        message: format!("nothing of its new version can be used; {what}."),
        advice: "Correct the errors.".into(),
    });
    report.finish()
}
