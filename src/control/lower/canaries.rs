//! The canaries of a host: beside which rule each stands.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::claim::{Claim, Place, Route};
use super::path::PathType;
use super::sessions;
use super::settings::{CanarySessions, Role};
use crate::control::source::report::Finding;
use crate::limits::CANARIES_PER_RULE_MAX;
use crate::model::{
    BackendKey, BackendTarget, Canary, CanaryCriteria, HostPattern, ObjectRef, Policies, Problem,
    reason,
};

/// What canaries ask for at one host, by path.
pub(super) struct Canaries<'a>(BTreeMap<(&'a str, PathType), Vec<Asked<'a>>>);

/// One path of a canary.
struct Asked<'a> {
    claim: &'a Claim,
    criteria: &'a Arc<CanaryCriteria>,
    route: &'a Route,
    backend: &'a BackendKey,
    outcome: Cell<Outcome>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Alone,
    /// The rule has the same backend.
    SameBackend,
    TooMany,
    Attached,
}

/// Which canary uses a backend.
#[derive(Debug)]
pub(super) struct CanaryUse {
    pub canary: ObjectRef,
    pub backend: BackendKey,
    /// Requests are bound to its endpoints.
    pub is_bound: bool,
}

impl<'a> Canaries<'a> {
    /// Those of a host, the oldest first.
    pub(super) fn new(pattern: &HostPattern, claims: impl Iterator<Item = &'a Claim>) -> Self {
        let mut by_path = BTreeMap::<_, Vec<_>>::new();
        for claim in claims {
            let Role::Canary(criteria) = &claim.settings.role else { continue };
            for route in claim.routes.get(pattern).into_iter().flatten() {
                let Some(backend) = route.target.key() else { continue };
                let outcome = Cell::new(Outcome::Alone);
                let asked = Asked { claim, criteria, route, backend, outcome };
                by_path.entry(route.path.written()).or_default().push(asked);
            }
        }
        Self(by_path)
    }

    /// Those of the rule that `main` makes of `route`. They are spoken to and treated as its own
    /// backend, but for the choice of endpoints.
    ///
    /// Source: ingress-nginx attaches what equals host, path and type of path, from any namespace.
    pub(super) fn of_rule(
        &self,
        main: &Claim,
        route: &Route,
        policies: &Policies,
        uses: &mut Vec<CanaryUse>,
    ) -> Vec<Canary> {
        let Some(own) = route.target.key() else { return Vec::new() };
        let mut canaries = Vec::new();
        for asked in self.0.get(&route.path.written()).into_iter().flatten() {
            let upstream = &main.settings.upstream;
            let dial = upstream.dial(&asked.backend.namespace, &asked.backend.service);
            let backend = BackendKey { dial, ..asked.backend.clone() };
            asked.outcome.set(match () {
                () if backend == *own => Outcome::SameBackend,
                () if canaries.len() >= CANARIES_PER_RULE_MAX => Outcome::TooMany,
                () => Outcome::Attached,
            });
            if asked.outcome.get() != Outcome::Attached {
                continue;
            }
            let settings = &asked.claim.settings;
            let mut policies = policies.balanced_as(&settings.policies);
            if settings.canary_sessions == CanarySessions::Legacy {
                policies.binding.clone_from(&settings.policies.binding);
            }
            let over_tls = upstream.dial_over_tls(&backend.namespace, &backend.service);
            let over_tls = over_tls.map(|dial| BackendKey { dial, ..backend.clone() });
            let (canary, is_bound) = (&asked.claim.owner, policies.binding.is_some());
            let used = |backend| CanaryUse { canary: canary.clone(), backend, is_bound };
            uses.extend(over_tls.iter().chain([&backend]).cloned().map(used));
            let target = BackendTarget::Service(backend.clone());
            let tag = sessions::tagged(target, policies.binding.as_deref()).tag;
            let criteria = Arc::clone(asked.criteria);
            canaries.push(Canary { backend, over_tls, criteria, tag, policies });
        }
        canaries
    }

    /// What the owners of those are told that get nothing.
    pub(super) fn problems(&self, pattern: &HostPattern) -> Vec<Arc<Problem>> {
        let all = self.0.values().flatten();
        let told = all.filter_map(|asked| {
            let finding = finding(asked.outcome.get(), pattern, asked.route.place)?;
            let mut report = asked.claim.report();
            report.warning(finding);
            Some(report.finish())
        });
        told.flatten().collect()
    }
}

fn finding(outcome: Outcome, pattern: &HostPattern, place: Place) -> Option<Finding> {
    let (reason, why, advice) = match outcome {
        Outcome::Attached => return None,
        Outcome::Alone => return Some(without_main(pattern, place)),
        Outcome::SameBackend => (
            reason!("CanaryNotServed"),
            "the main Ingress has the same backend".to_owned(),
            "Name another Service.",
        ),
        Outcome::TooMany => (
            reason!("TooManyCanaries"),
            format!("{CANARIES_PER_RULE_MAX} older canaries have this path already"),
            "Remove some of them.",
        ),
    };
    Some(Finding {
        reason,
        field: place.field(),
        message: format!("it gets no request to host {pattern}: {why}."),
        advice: advice.into(),
    })
}

/// A path of a canary that no other Ingress has.
pub(super) fn without_main(pattern: &HostPattern, place: Place) -> Finding {
    Finding {
        reason: reason!("CanaryWithoutMain"),
        field: place.field(),
        message: format!(
            "it gets no request to host {pattern}: no Ingress that is no canary has this host with \
             the same path and pathType and a Service behind it."
        ),
        advice: "Write the path as the main Ingress has it, or remove canary.".into(),
    }
}
