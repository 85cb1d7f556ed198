//! What would be wrong with an Ingress if it were applied now. Judges, and changes nothing.
//!
//! Costs what the object costs: of others it asks who is first at its hosts and paths, which is
//! known, and never walks through them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::networking::v1::Ingress;

use super::backends::backend;
use super::hosts::ClosedBy;
use super::ingress::spec::{self, LoweredIngress};
use super::path::RoutePath;
use super::{Lowerer, hosts, tls_sources};
use crate::control::source::report::Report;
use crate::control::store::{Entry, Store};
use crate::model::{HostPattern, ObjectRef, Problem, Rule, Severity};

impl Lowerer {
    /// What would be wrong with `ingress` if it were applied now, in the words of
    /// [`Self::apply`]; nothing if it is not ours.
    ///
    /// Errors are what the object is at fault for by itself. What others have to do with (an older
    /// Ingress has the path, a Service or a Secret is missing) is a warning here, whatever
    /// it is once applied: objects are applied in any order, and nobody may keep another's out.
    ///
    /// An object without `creationTimestamp` is the youngest of all.
    #[must_use]
    pub fn review(
        &self,
        store: &Store,
        reference: &ObjectRef,
        ingress: Arc<Ingress>,
    ) -> Vec<Arc<Problem>> {
        if !spec::is_ours(&ingress, &self.classes, &self.options) {
            return Vec::new();
        }
        let is_new = ingress.metadata.creation_timestamp.is_none();
        let lowered = spec::lower(reference, &Entry { object: ingress, provenance: None });
        let place = Place { lowerer: self, lowered: &lowered, is_new };
        let mut own = Report::new(reference, None);
        let mut others = Report::new(reference, None);
        place.paths(&mut own, &mut others);
        let sources = tls_sources(store, &self.ingresses, &self.claims, SystemTime::now());
        self.tls.review(sources, place, &mut own, &mut others);
        for (key, field) in &lowered.uses {
            let Some(defect) = backend::review(key, store, &self.dialers) else { continue };
            let report = if defect.is_own() { &mut own } else { &mut others };
            report.error(defect.finding(field));
        }
        let others = others.finish();
        let others = others.iter().map(|problem| warning(problem));
        lowered.problems.iter().cloned().chain(own.finish()).chain(others).collect()
    }
}

/// An Ingress among those in force.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    lowerer: &'a Lowerer,
    pub lowered: &'a LoweredIngress,
    /// No API server gave it an age yet.
    is_new: bool,
}

impl<'a> Place<'a> {
    /// `reference`, if it is another Ingress and comes before this one.
    pub(super) fn older(self, reference: &ObjectRef) -> Option<&'a LoweredIngress> {
        let other = &self.lowerer.ingresses.get(reference)?.lowered;
        let is_older = self.is_new || other.age < self.lowered.age;
        (is_older && other.reference != self.lowered.reference).then_some(other)
    }

    /// No older Ingress names the host.
    pub(super) fn is_first(self, pattern: &HostPattern) -> bool {
        let claims = self.lowerer.claims.get(pattern).into_iter().flat_map(BTreeMap::values);
        let mut others = claims.filter(|reference| **reference != self.lowered.reference);
        others.next().is_none_or(|oldest| self.older(oldest).is_none())
    }

    /// Which other Ingress closes the host, and by which annotation.
    pub(super) fn closed_by(self, pattern: &HostPattern) -> Option<&'a ClosedBy> {
        let closed_by = self.lowerer.hosts.get(pattern)?.closed_by.as_ref();
        closed_by.filter(|ClosedBy { owner, name, .. }| {
            let decides = || self.lowered.settings.guards.decides(name);
            *owner != self.lowered.reference && (self.older(owner).is_some() || !decides())
        })
    }

    /// Who has the paths. The winner of a path in force is older than all others that want it: an
    /// Ingress that is older than the winner has none before it, nor has the winner itself, as
    /// its age stays what it is.
    fn paths(self, own: &mut Report<'_>, others: &mut Report<'_>) {
        for (pattern, routes) in &self.lowered.hosts {
            let host = self.lowerer.hosts.get(pattern);
            #[expect(clippy::mutable_key_type, reason = "paths are ordered by their text")]
            let mut first: BTreeMap<&RoutePath, &Rule> = BTreeMap::new();
            for route in routes {
                let taken = host.and_then(|host| host.rule_of(&route.path));
                let taken = taken.filter(|rule| self.older(&rule.origin.object).is_some());
                match (taken, first.get(&route.path)) {
                    (Some(rule), _) => others.error(hosts::conflict(pattern, route, &rule.origin)),
                    (None, Some(rule)) => own.error(hosts::conflict(pattern, route, &rule.origin)),
                    (None, None) => {
                        first.insert(&route.path, &route.rule);
                    }
                }
            }
            if self.lowered.fallback.is_some() && !self.is_first(pattern) {
                others.warning(hosts::unused_fallback(pattern));
            }
            if let Some(ClosedBy { owner, text, .. }) = self.closed_by(pattern)
                && !self.lowered.settings.guards.is_closed
            {
                others.error(hosts::closed(pattern, owner, text));
            }
        }
    }
}

/// The problem as one that may pass.
fn warning(problem: &Problem) -> Arc<Problem> {
    Arc::new(Problem { severity: Severity::Warning, ..problem.clone() })
}
