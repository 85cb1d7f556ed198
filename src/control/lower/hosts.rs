//! The Ingresses that claim a host → the host, and who lost what to whom.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use super::guards;
use super::ingress::spec::{LoweredIngress, Route};
use super::names::certificates::HostTls;
use super::path::RoutePath;
use crate::control::source::report::{Finding, Report};
use crate::model::{
    Host, HostPattern, ObjectRef, OnMiss, Origin, Policies, Problem, Refusal, RequestMatch, Rule,
};

/// A host and the problems of its making.
#[derive(Debug)]
pub(super) struct BuiltHost {
    pub host: Arc<Host>,
    pub problems: Vec<Arc<Problem>>,
    pub closed_by: Option<ClosedBy>,
    /// Indices of the rules that paths lead to, in the order of their paths.
    by_path: Box<[u32]>,
}

/// Whose annotation closes a host, and which.
#[derive(Debug)]
pub(super) struct ClosedBy {
    pub owner: ObjectRef,
    pub name: &'static str,
    /// As it is written.
    pub text: String,
}

impl BuiltHost {
    /// The rule that a path leads to.
    pub(super) fn rule_of(&self, path: &RoutePath) -> Option<&Arc<Rule>> {
        let rule = |index: &u32| self.host.rules.get(usize::try_from(*index).ok()?);
        let found = self.by_path.binary_search_by(|index| {
            let matched = rule(index).and_then(|rule| rule.matches.first());
            matched.map_or(Ordering::Less, |matched| path.compare_to(&matched.path).reverse())
        });
        rule(self.by_path.get(found.ok()?)?)
    }
}

/// Builds one host.
///
/// Shape: `claimants` are ordered by age, the oldest first, and each names the host.
///
/// Two paths that are compared alike and are equal contend: the older Ingress wins, within an
/// Ingress the first. Paths without a rule go to the default backend of the oldest claimant, if it
/// has one, as ingress-nginx does it.
pub(super) fn build<'a>(
    pattern: &HostPattern,
    claimants: impl Iterator<Item = &'a LoweredIngress> + Clone,
    tls: HostTls,
    hsts: Option<&Arc<str>>,
) -> BuiltHost {
    let closing = guards::closing(claimants.clone().map(|ingress| (ingress, ingress.guards())));
    let governed = |ingress: &LoweredIngress, path: &RoutePath, rule: &Arc<Rule>| {
        let policies = tls.policies(path, &ingress.settings, hsts);
        let is_closed = closing.is_some() || ingress.guards().is_closed;
        let guard = is_closed.then_some(Refusal::Guard);
        let refusal = guard.or(policies.refusal).or(rule.policies.refusal);
        with_policies(rule, Policies { refusal, ..policies })
    };
    #[expect(clippy::mutable_key_type, reason = "paths are ordered by their text")]
    let mut winners: BTreeMap<&RoutePath, (&Route, u32)> = BTreeMap::new();
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for ingress in claimants.clone() {
        let mut report = Report::new(&ingress.reference, ingress.provenance.as_ref());
        for route in ingress.hosts.get(pattern).into_iter().flatten() {
            match winners.entry(&route.path) {
                btree_map::Entry::Vacant(entry) => {
                    entry.insert((route, u32::try_from(rules.len()).unwrap_or(u32::MAX)));
                    rules.push(governed(ingress, &route.path, &route.rule));
                }
                btree_map::Entry::Occupied(winner) => {
                    report.error(conflict(pattern, route, &winner.get().0.rule.origin));
                }
            }
        }
        problems.extend(report.finish());
    }
    let by_path = winners.values().map(|(_, index)| *index).collect();
    let root = RoutePath::root();
    let oldest = claimants.clone().next();
    if let Some(oldest) = oldest
        && let Some(fallback) = &oldest.fallback
        && !winners.contains_key(&root)
    {
        rules.push(governed(oldest, &root, fallback));
    }
    if let Some((owner, closing)) = closing {
        let others = claimants.clone().filter(|other| !other.guards().is_closed);
        problems.extend(others.flat_map(|other| {
            let mut report = Report::new(&other.reference, other.provenance.as_ref());
            report.error(closed(pattern, &owner.reference, closing.text));
            report.finish()
        }));
    }
    problems.extend(unused_fallbacks(pattern, claimants.skip(1)));
    let closed_by = closing.map(|(owner, by)| ClosedBy {
        owner: owner.reference.clone(),
        name: by.name,
        text: by.text.to_owned(),
    });
    let host = Host { pattern: pattern.clone(), on_miss: OnMiss::Default, rules };
    BuiltHost { host: Arc::new(host), problems, closed_by, by_path }
}

/// A host that another Ingress closes.
pub(super) fn closed(pattern: &HostPattern, owner: &ObjectRef, annotation: &str) -> Finding {
    Finding {
        reason: "HostClosed",
        field: String::new(),
        message: format!(
            "all requests to host {pattern} get status 503: {annotation} of {owner} protects the \
             whole host and is not supported yet."
        ),
        advice: "Remove that annotation, or use another host.".into(),
    }
}

/// The rule as it is, or as what the host's TLS makes of it.
fn with_policies(rule: &Arc<Rule>, policies: Policies) -> Arc<Rule> {
    if rule.policies == policies {
        return Arc::clone(rule);
    }
    Arc::new(Rule { policies, ..Rule::clone(rule) })
}

/// A path that `winner` has taken already.
pub(super) fn conflict(pattern: &HostPattern, route: &Route, winner: &Origin) -> Finding {
    let path = route.rule.matches.first().map(path_text).unwrap_or_default();
    let place = winner.position.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
    let why = match winner.object == route.rule.origin.object {
        true => "comes first",
        false => "is older, or as old and first by name",
    };
    Finding {
        reason: "PathConflict",
        field: route.field(),
        message: format!(
            "host {pattern} path {path} is already taken by {}{place}, which {why}.",
            winner.object
        ),
        advice: "Remove one of the two.".into(),
    }
}

fn path_text(matched: &RequestMatch) -> String {
    use crate::model::PathMatch;
    match &matched.path {
        PathMatch::Exact(path) => format!("{path} (Exact)"),
        PathMatch::Prefix(path) => format!("{path} (Prefix)"),
        PathMatch::Regex(pattern) => {
            let text = pattern.as_str();
            format!("{} (expression)", text.strip_prefix("(?i)^").unwrap_or(text))
        }
    }
}

fn unused_fallbacks<'a>(
    pattern: &HostPattern,
    younger: impl Iterator<Item = &'a LoweredIngress>,
) -> Vec<Arc<Problem>> {
    let unused = younger.filter(|ingress| ingress.fallback.is_some());
    unused.flat_map(|ingress| fallback_problem(pattern, ingress)).collect()
}

fn fallback_problem(pattern: &HostPattern, ingress: &LoweredIngress) -> Vec<Arc<Problem>> {
    let mut report = Report::new(&ingress.reference, ingress.provenance.as_ref());
    report.warning(unused_fallback(pattern));
    report.finish()
}

/// A default backend of an Ingress that is not the first of the host.
pub(super) fn unused_fallback(pattern: &HostPattern) -> Finding {
    Finding {
        reason: "DefaultBackendNotUsed",
        field: "spec.defaultBackend".into(),
        message: format!("it is not used for host {pattern}, which an older Ingress claims first."),
        advice: "Write a rule with path / instead.".into(),
    }
}

/// The rule of `--default-backend-service`.
pub(super) fn default_rule(key: &crate::model::BackendKey) -> Arc<Rule> {
    use crate::model::{BackendTarget, Policies, WeightedBackend};
    Arc::new(Rule {
        origin: Origin { object: super::service_ref(key), rule: None, path: None, position: None },
        matches: vec![RequestMatch::path(RoutePath::root().to_match())],
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(key.clone()))],
        policies: Policies::default(),
    })
}
