//! A claim that is not in force, among those that are.

use std::collections::BTreeMap;

use super::claim::Claim;
use super::claims::Claims;
use super::hosts::{BuiltHost, ClosedBy};
use crate::model::{HostPattern, ObjectRef};

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub claim: &'a Claim,
    pub claims: &'a Claims,
    pub hosts: &'a BTreeMap<HostPattern, BuiltHost>,
    /// No API server gave it an age yet.
    pub is_new: bool,
}

impl<'a> Candidate<'a> {
    /// The claim of `owner`, if it is another one and comes before this.
    pub(super) fn older(self, owner: &ObjectRef) -> Option<&'a Claim> {
        let other = self.claims.get(owner)?;
        let is_older = self.is_new || other.age < self.claim.age;
        (is_older && other.owner != self.claim.owner).then_some(other)
    }

    /// No older claim names the host.
    pub(super) fn is_first(self, host: &HostPattern) -> bool {
        let mut others = self.claims.of_host(host).filter(|c| c.owner != self.claim.owner);
        others.next().is_none_or(|oldest| self.older(&oldest.owner).is_none())
    }

    /// Which other claim closes the host.
    pub(super) fn closed_by(self, host: &HostPattern) -> Option<&'a ClosedBy> {
        let closed_by = self.hosts.get(host)?.closed_by.as_ref();
        closed_by.filter(|ClosedBy { owner, name, .. }| {
            let decides = || self.claim.settings.guards.decides(name);
            *owner != self.claim.owner && (self.older(owner).is_some() || !decides())
        })
    }
}
