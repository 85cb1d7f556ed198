//! What would be wrong with a claim if it were in force now. Judges, and changes nothing.
//!
//! Costs what the object costs: of others it asks who is first at its hosts and paths, which is
//! known. Only for a canary it walks through the Ingresses that it may stand beside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backends::Backends;
use super::canaries::without_main;
use super::candidate::Candidate;
use super::claim::{Claim, Route};
use super::configmap::globals::{Globals, PathCheck};
use super::hosts::{self, ClosedBy};
use super::locations::Locations;
use super::named;
use super::names::certificates::{Names, Sources};
use super::passwords::PasswordFiles;
use super::path::{PathType, RoutePath};
use crate::control::source::report::{Finding, Report};
use crate::control::store::Store;
use crate::model::{Origin, Problem, Severity, reason};

/// What a claim is judged by.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub names: &'a Names,
    pub backends: &'a Backends,
    pub globals: &'a Globals,
    pub store: &'a Store,
    pub sources: Sources<'a>,
}

/// Errors are what the object is at fault for by itself. What others have to do with (an older
/// object has the path, a Service or a Secret is missing) is a warning here, whatever it is once
/// applied: objects are applied in any order, and nobody may keep another's out.
pub(super) fn review(candidate: Candidate<'_>, world: World<'_>) -> Vec<Arc<Problem>> {
    let World { names, backends, globals, store, sources } = world;
    let claim = candidate.claim;
    let (mut own, mut others) = (claim.report(), claim.report());
    paths(candidate, &mut own, &mut others);
    if globals.path_check == PathCheck::Strict {
        path_types(claim, &mut own);
    }
    names.review(sources, candidate, &mut own, &mut others);
    named::find(claim, store, globals, &mut PasswordFiles::default(), &mut others);
    for (key, place) in &claim.uses {
        let Some(defect) = backends.review(key, store) else { continue };
        let report = if defect.is_own() { &mut own } else { &mut others };
        let finding = defect.finding(&place.backend_field(), place.effect());
        if defect.is_error() { report.error(finding) } else { report.warning(finding) }
    }
    let others = others.finish();
    let others = others.iter().map(|problem| warning(problem));
    claim.problems.iter().cloned().chain(own.finish()).chain(others).collect()
}

/// Who has the paths. The winner of a path in force is older than all others that want it: a claim
/// that is older than the winner has none before it, nor has the winner itself, as its age stays
/// what it is.
fn paths(candidate: Candidate<'_>, own: &mut Report<'_>, others: &mut Report<'_>) {
    let claim = candidate.claim;
    if claim.settings.is_canary() {
        return canaries(candidate, others);
    }
    let none = Locations::default();
    for (pattern, routes) in &claim.routes {
        let host = candidate.hosts.get(pattern);
        let locations = host.map(|host| &host.locations).unwrap_or(&none).and(claim, pattern);
        let mut first: BTreeMap<RoutePath, Origin> = BTreeMap::new();
        for route in routes {
            // What a path means is told on the way.
            drop(locations.of(claim, route, own));
        }
        let answers = claim.settings.answers.iter();
        let answers = answers.map(|a| (a.path.clone(), a.field.clone(), claim.origin_of(a), true));
        let routes = routes.iter().map(|route| {
            (route.path.plain(), route.place.field(), claim.origin(route.place), false)
        });
        for (path, field, origin, is_answer) in answers.chain(routes) {
            let taken = host.and_then(|host| host.rule_of(&path)).filter(|rule| {
                let is_older = candidate.older(&rule.origin.object).is_some();
                // What a host answers by itself comes before rules of whatever age.
                match (is_answer, rule.backends.is_empty()) {
                    (false, true) => rule.origin.object != claim.owner,
                    (true, false) => false,
                    (true, true) | (false, false) => is_older,
                }
            });
            let winner = taken.map(|rule| &rule.origin);
            let conflict = |winner| hosts::conflict(pattern, claim, field.clone(), &path, winner);
            match (winner, first.get(&path)) {
                (Some(winner), _) => others.error(conflict(winner)),
                (None, Some(winner)) => own.error(conflict(winner)),
                (None, None) => {
                    first.insert(path, origin);
                }
            }
        }
        if claim.fallback.is_some() && !candidate.is_first(pattern) {
            others.warning(hosts::unused_fallback(pattern));
        }
        if let Some(ClosedBy { owner, text, .. }) = candidate.closed_by(pattern)
            && !claim.settings.guards.is_closed
        {
            others.error(hosts::closed(pattern, owner, text));
        }
    }
}

/// Whether paths that are Exact or Prefix are plain ones, as strict-validate-path-type asks.
fn path_types(claim: &Claim, own: &mut Report<'_>) {
    let routes = claim.routes.values().flatten();
    for Route { path, place, .. } in routes {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
        let text = path.text();
        if path.kind() == PathType::ImplementationSpecific || text.bytes().all(is_plain) {
            continue;
        }
        own.error(Finding {
            reason: reason!("InvalidPath"),
            field: format!("{}.path", place.field()),
            message: format!("{text:?} has more than letters, digits and -._/."),
            advice: "Write pathType: ImplementationSpecific, or a plain path.".into(),
        });
    }
}

/// Which paths nobody has that a canary repeats.
fn canaries(candidate: Candidate<'_>, others: &mut Report<'_>) {
    for (pattern, routes) in &candidate.claim.routes {
        let mains = candidate.claims.of_host(pattern);
        let mains = mains.filter_map(|claim| claim.routes.get(pattern)).flatten();
        let paths: BTreeSet<_> = mains.map(|route| route.path.written()).collect();
        for route in routes.iter().filter(|route| !paths.contains(&route.path.written())) {
            others.warning(without_main(pattern, route.place));
        }
    }
}

/// The problem as one that may pass.
fn warning(problem: &Problem) -> Arc<Problem> {
    Arc::new(Problem { severity: Severity::Warning, ..problem.clone() })
}
