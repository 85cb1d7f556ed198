//! The claimants of a host → the host, and who lost what to whom.
//!
//! All of them are known here, so here it is decided what holds for the whole host, what a path
//! means, and who has it; only then are rules made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backends::service::service_ref;
use super::canaries::{Canaries, CanaryUse};
use super::claim::{Claim, Place, Route};
use super::configmap::globals::Globals;
use super::guards::{self, Closing};
use super::ingress::annotations::row::field as annotation_field;
use super::locations::{self, Location as PathLocation, Locations};
use super::named::Named;
use super::names::host_tls::{HostTls, begins_with};
use super::options::LowerOptions;
use super::path::{RawPath, RoutePath};
use super::sessions;
use super::settings::{HostAnswer, PathStyle};
use super::snippet::{self, LocationText, Snippet};
use crate::control::source::report::{Finding, Report};
use crate::filter::{Filter, PathEdit, Redirect, RedirectQuery};
use crate::model::{
    BackendKey, BackendTarget, Host, HostPattern, Location, ObjectRef, OnMiss, Origin, Policies,
    Problem, Refusal, RequestMatch, Rule, WeightedBackend, reason,
};

/// A host and the problems of its making.
#[derive(Debug, Default)]
pub(super) struct BuiltHost {
    /// `None`: only canaries name it.
    pub host: Option<Arc<Host>>,
    pub problems: Vec<Arc<Problem>>,
    pub closed_by: Option<ClosedBy>,
    /// What canaries beside its rules use.
    pub canaries: Vec<CanaryUse>,
    /// What its paths are.
    pub locations: Locations,
    /// The rules that paths lead to, by index, in the order of paths.
    by_path: Box<[(RoutePath, u32)]>,
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
    /// One that nobody claims.
    pub(super) fn lone(host: Host) -> Self {
        Self { host: Some(Arc::new(host)), ..Self::default() }
    }

    /// The same by another name. What is wrong with it is told by its own.
    pub(super) fn called(self, pattern: &HostPattern) -> Self {
        let pattern = pattern.clone();
        let host = self.host.map(|host| Arc::new(Host { pattern, ..Host::clone(&host) }));
        Self { host, problems: Vec::new(), ..self }
    }

    /// The rule that a path leads to.
    pub(super) fn rule_of(&self, path: &RoutePath) -> Option<&Arc<Rule>> {
        let found = self.by_path.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
        let (_, index) = self.by_path.get(found)?;
        self.host.as_ref()?.rules.get(usize::try_from(*index).ok()?)
    }
}

/// What holds for all hosts.
#[derive(Clone, Copy)]
pub(super) struct OfAll<'a> {
    pub options: &'a LowerOptions,
    pub globals: &'a Globals,
    /// What other objects come to that claims name.
    pub named: &'a Named,
}

/// What holds for all rules of a host, whoever claims them.
struct HostWide<'a> {
    pattern: &'a HostPattern,
    tls: HostTls,
    hsts: Option<Arc<str>>,
    options: &'a LowerOptions,
    globals: &'a Globals,
    named: &'a Named,
    /// What closes all of them.
    closing: Option<(&'a Claim, Closing<'a>)>,
    canaries: Canaries<'a>,
    /// Directives of the host, and whose they are.
    snippet: Option<(&'a Claim, &'a Snippet)>,
}

/// Builds one host.
///
/// Shape: `claimants` and `canaries` are ordered by age, the oldest first, and each names the host.
///
/// Two paths that are compared alike and are equal contend: the older claim wins, within a claim
/// the first. What hosts answer by themselves comes before all of them. Paths without a rule are
/// those of the oldest claimant, as in ingress-nginx: what it says of its rules holds for them, and
/// its default backend serves them, if it has one.
pub(super) fn build<'a>(
    pattern: &'a HostPattern,
    claimants: impl Iterator<Item = &'a Claim> + Clone,
    canaries: impl Iterator<Item = &'a Claim>,
    tls: HostTls,
    of_all: OfAll<'_>,
) -> BuiltHost {
    let OfAll { options, globals, named } = of_all;
    let closing = guards::closing(claimants.clone().map(|claim| (claim, claim.guards())));
    let canaries = Canaries::new(pattern, canaries);
    // The text for all stands in all of them: first comes who says one himself.
    let own = claimants.clone().filter(|claim| claim.guards().decides(SERVER_SNIPPET));
    let snippet = own.chain(claimants.clone()).find_map(host_snippet);
    let hsts = globals.hsts.value();
    let wide = HostWide { pattern, tls, hsts, options, globals, named, closing, canaries, snippet };
    let mut uses = Vec::new();
    let locations = Locations::new(pattern, claimants.clone());
    let mut contest = Contest::default();
    let mut problems = Vec::new();
    for claim in claimants.clone() {
        for answer in &claim.settings.answers {
            let path = &answer.path;
            if let Some(winner) = contest.winner(path) {
                let finding = conflict(pattern, claim, answer.field.clone(), path, winner);
                problems.extend(told(claim, |report| report.error(finding)));
            } else {
                contest.enter(path.clone(), wide.answer(claim, answer));
            }
        }
    }
    for claim in claimants.clone() {
        let mut report = claim.report();
        for route in claim.routes.get(pattern).into_iter().flatten() {
            let path = route.path.plain();
            if let Some(winner) = contest.winner(&path) {
                report.error(conflict(pattern, claim, route.place.field(), &path, winner));
            } else if let Some(location) = locations.of(claim, route, &mut report) {
                contest.enter(path, wide.rule(claim, route, location, &mut uses));
            }
        }
        problems.extend(report.finish());
    }
    if locations.style() == PathStyle::Plain {
        claimants.clone().for_each(|claim| wide.slash_redirects(pattern, claim, &mut contest));
    }
    if let Some(oldest) = claimants.clone().next()
        && contest.winner(&RoutePath::prefix("/")).is_none()
    {
        problems.extend(told(oldest, |report| {
            let root = wide.unclaimed(pattern, oldest, &locations, &mut uses, report);
            contest.rules.extend(root);
        }));
    }
    let Contest { rules, winners } = contest;
    let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let by_path = winners.into_iter().map(|(path, at)| (path, index(at))).collect();
    if let Some((owner, closing)) = &wide.closing {
        let others = claimants.clone().filter(|other| !other.guards().is_closed);
        problems.extend(others.flat_map(|other| {
            told(other, |report| report.error(closed(pattern, &owner.owner, closing.text)))
        }));
    }
    let has_rules = claimants.clone().next().is_some();
    problems.extend(claimants.clone().flat_map(|claim| wide.unused_text(claim)));
    let younger = claimants.skip(1).filter(|claim| claim.fallback.is_some());
    problems.extend(
        younger.flat_map(|claim| told(claim, |report| report.warning(unused_fallback(pattern)))),
    );
    problems.extend(wide.canaries.problems(pattern));
    let closed_by = wide.closing.map(|(owner, by)| ClosedBy {
        owner: owner.owner.clone(),
        name: by.name,
        text: by.text.to_owned(),
    });
    let host = has_rules.then(|| Arc::new(wide.host(pattern, rules)));
    BuiltHost { host, problems, closed_by, canaries: uses, locations, by_path }
}

/// The annotation with directives for hosts.
const SERVER_SNIPPET: &str = "server-snippet";

/// Directives of its hosts, if a claim has any.
fn host_snippet(claim: &Claim) -> Option<(&Claim, &Snippet)> {
    claim.settings.host_snippet.as_deref().map(|snippet| (claim, snippet))
}

/// Who has which path.
#[derive(Default)]
struct Contest {
    rules: Vec<Arc<Rule>>,
    /// The index of the rule that has a path.
    winners: BTreeMap<RoutePath, usize>,
}

impl Contest {
    /// Where the rule comes from that has the path.
    fn winner(&self, path: &RoutePath) -> Option<&Origin> {
        let index = self.winners.get(path)?;
        self.rules.get(*index).map(|winner| &winner.origin)
    }

    /// Gives a path that nobody has to a rule.
    fn enter(&mut self, path: RoutePath, rule: Rule) {
        self.winners.insert(path, self.rules.len());
        self.rules.push(Arc::new(rule));
    }
}

impl HostWide<'_> {
    fn rule(
        &self,
        claim: &Claim,
        route: &Route,
        location: PathLocation,
        uses: &mut Vec<CanaryUse>,
    ) -> Rule {
        let PathLocation { path, refusal, is_rewritten } = location;
        let policies = self.policies(claim, route.path.text());
        let of_backend = (route.target == BackendTarget::Invalid).then_some(Refusal::NotSupported);
        let refusal = policies.refusal.or(refusal).or(of_backend);
        let replacement = policies.replacement.clone().filter(|_| is_rewritten);
        let binding = policies.binding.as_ref();
        let binding = binding.map(|binding| sessions::of_rule(binding, route.path.text()));
        let policies = Policies { refusal, binding, replacement, ..policies };
        Rule {
            origin: claim.origin(route.place),
            matches: vec![RequestMatch::path(path)],
            filters: Vec::new(),
            backends: vec![sessions::tagged(route.target.clone(), policies.binding.as_deref())],
            canaries: self.canaries.of_rule(claim, route, &policies, uses),
            policies,
        }
    }

    /// The rule of what nobody has at the host; `None`: nothing holds for it. A rule without host
    /// says nothing of others' requests.
    fn unclaimed(
        &self,
        pattern: &HostPattern,
        oldest: &Claim,
        locations: &Locations,
        uses: &mut Vec<CanaryUse>,
        report: &mut Report<'_>,
    ) -> Option<Arc<Rule>> {
        let default = self.options.default_backend.clone();
        let default = Route {
            path: RawPath::root(),
            target: default.map_or(BackendTarget::Nobody, BackendTarget::Service),
            place: Place::Default,
        };
        let route = oldest.fallback.as_ref().unwrap_or(&default);
        let rule = self.rule(oldest, route, locations.of(oldest, route, report)?, uses);
        let is_silent = *pattern == HostPattern::Any || rule.policies == Policies::default();
        (oldest.fallback.is_some() || !is_silent).then(|| Arc::new(rule))
    }

    /// Makes the rules of what lacks but the slash at the end of the claim's paths.
    fn slash_redirects(&self, pattern: &HostPattern, claim: &Claim, contest: &mut Contest) {
        for route in claim.routes.get(pattern).into_iter().flatten() {
            let path = route.path.plain();
            let Some(from) = locations::slashed(&path) else { continue };
            let origin = claim.origin(route.place);
            let is_own = contest.winner(&path).is_some_and(|winner| *winner == origin);
            let has_prefix = contest.winner(&RoutePath::prefix(from.text())).is_some();
            if !is_own || has_prefix || contest.winner(&from).is_some() {
                continue;
            }
            let redirect = Redirect {
                scheme: None,
                hostname: None,
                port: claim.settings.slash_port,
                query: RedirectQuery::Kept,
                path: Some(PathEdit::Full(path.text().into())),
                status: 301,
            };
            let policies = self.policies(claim, route.path.text());
            let rule = Rule {
                origin,
                matches: vec![RequestMatch::path(from.as_match())],
                filters: vec![Filter::Redirect(redirect)],
                backends: Vec::new(),
                canaries: Vec::new(),
                policies: Policies {
                    https_redirect: None,
                    replacement: None,
                    script: None,
                    ..policies
                },
            };
            contest.enter(from, rule);
        }
    }

    /// Comes before a redirect to https and without what locations add, as in ingress-nginx, where
    /// the server answers it.
    fn answer(&self, claim: &Claim, answer: &HostAnswer) -> Rule {
        Rule {
            origin: claim.origin_of(answer),
            matches: vec![RequestMatch::path(answer.path.as_match())],
            filters: vec![Filter::Redirect(answer.redirect.clone())],
            backends: Vec::new(),
            canaries: Vec::new(),
            policies: Policies {
                https_redirect: None,
                answer_fields: None,
                addresses: None,
                password: None,
                cors: None,
                replacement: None,
                script: None,
                // Lengths are the location's to say.
                body_bytes_max: Some(0),
                ..self.policies(claim, "/")
            },
        }
    }

    fn host(&self, pattern: &HostPattern, rules: Vec<Arc<Rule>>) -> Host {
        let locations = self.locations();
        Host { pattern: pattern.clone(), on_miss: OnMiss::Default, rules, locations }
    }

    /// What the claim is told if its directives for the host are not those that count.
    fn unused_text(&self, claim: &Claim) -> Vec<Arc<Problem>> {
        let Some((winner, _)) = self.snippet else { return Vec::new() };
        let is_other = winner.owner != claim.owner && claim.guards().decides(SERVER_SNIPPET);
        match host_snippet(claim).filter(|_| is_other) {
            Some(_) => told(claim, |report| report.warning(unused_text(self.pattern, winner))),
            None => Vec::new(),
        }
    }

    /// What directives of the host add to its rules.
    fn locations(&self) -> Vec<Location> {
        let Some((claim, host)) = self.snippet else { return Vec::new() };
        let is_closed = self.closing.is_some() || claim.guards().is_closed;
        let location = |location: &LocationText| {
            let LocationText { requests, snippet, at: _ } = location;
            let snippet = host.location_of(snippet);
            let denied = self.tls.is_denied.then_some(Refusal::ClientCertificates);
            let base = Policies {
                refusal: is_closed.then_some(Refusal::Guard).or(denied),
                certificate: self.tls.certificate.clone(),
                client_identity: self.tls.identity,
                hsts: self.hsts.clone().filter(|_| self.tls.has_entry),
                ..Policies::default()
            };
            let servers = snippet.pass.iter().flat_map(|pass| &pass.servers);
            let mut backends: Vec<_> = servers
                .map(|(server, weight)| {
                    let target = BackendTarget::Service(server.clone());
                    WeightedBackend { weight: *weight, ..WeightedBackend::only(target) }
                })
                .collect();
            if backends.is_empty() {
                backends.push(WeightedBackend::only(BackendTarget::Nobody));
            }
            let rule = Rule {
                origin: claim.origin(Place::Annotation(SERVER_SNIPPET)),
                matches: Vec::new(),
                filters: Vec::new(),
                backends,
                canaries: Vec::new(),
                policies: snippet::location_policies(&snippet, host, base, self.globals),
            };
            Location { requests: requests.clone(), rule: Arc::new(rule) }
        };
        host.locations.iter().map(location).collect()
    }

    /// What the claim says of all its rules, and the host.
    fn policies(&self, claim: &Claim, path: &str) -> Policies {
        let hsts = self.hsts.as_ref();
        let policies = self.tls.policies(path, &claim.settings, hsts, self.globals);
        let mut policies = self.named.policies(claim, policies);
        if begins_with(path, self.globals.no_auth.as_deref()) {
            policies.password = None;
        }
        let mut is_closed = self.closing.is_some() || claim.guards().is_closed;
        if let (Some(auth), Some(server)) =
            (&mut policies.external_auth, claim.settings.auth_of_host)
        {
            match server.of(self.pattern) {
                Some(server) => auth.server = server,
                None => is_closed = true,
            }
        }
        let guard = is_closed.then_some(Refusal::Guard);
        let errors = &claim.settings.errors;
        let host = self.snippet.map(|(_, snippet)| snippet);
        let policies =
            snippet::policies(policies, claim.settings.snippet.as_deref(), host, self.globals);
        Policies {
            refusal: guard.or(policies.refusal),
            error_pages: errors.pages(self.options.default_backend.as_ref()),
            stand_in: errors.backend.clone(),
            ..policies
        }
    }
}

/// What one claim is told.
fn told(claim: &Claim, tell: impl FnOnce(&mut Report<'_>)) -> Vec<Arc<Problem>> {
    let mut report = claim.report();
    tell(&mut report);
    report.finish()
}

/// A host that another Ingress closes.
pub(super) fn closed(pattern: &HostPattern, owner: &ObjectRef, annotation: &str) -> Finding {
    Finding {
        reason: reason!("HostClosed"),
        field: String::new(),
        message: format!(
            "all requests to host {pattern} get status 503: {annotation} of {owner} protects the \
             whole host and is not supported."
        ),
        advice: "Remove that annotation, or use another host.".into(),
    }
}

/// A path that `winner` has taken already.
pub(super) fn conflict(
    pattern: &HostPattern,
    claim: &Claim,
    field: String,
    path: &RoutePath,
    winner: &Origin,
) -> Finding {
    let at = winner.position.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
    let why = match winner.object == claim.owner {
        true => "comes first",
        false => "is older, or as old and first by name",
    };
    Finding {
        reason: reason!("PathConflict"),
        field,
        message: format!(
            "host {pattern} path {path} is already taken by {}{at}, which {why}.",
            winner.object
        ),
        advice: "Remove one of the two.".into(),
    }
}

/// A default backend of an Ingress that is not the first of the host.
pub(super) fn unused_fallback(pattern: &HostPattern) -> Finding {
    Finding {
        reason: reason!("DefaultBackendNotUsed"),
        field: "spec.defaultBackend".into(),
        message: format!("it is not used for host {pattern}, which an older Ingress claims first."),
        advice: "Write a rule with path / instead.".into(),
    }
}

/// Directives of an Ingress for a host that an older one has directives for.
fn unused_text(pattern: &HostPattern, winner: &Claim) -> Finding {
    Finding {
        reason: reason!("DirectivesNotUsed"),
        field: annotation_field(SERVER_SNIPPET),
        message: format!(
            "it has no effect for host {pattern}: {}, which is older, or as old and first by name, \
             has directives for that host.",
            winner.owner
        ),
        advice: "Write the directives of a host in one Ingress.".into(),
    }
}

/// A rule that serves nobody.
pub(super) fn shut(rule: &Rule) -> Arc<Rule> {
    let policies = Policies { refusal: Some(Refusal::Guard), ..rule.policies.clone() };
    Arc::new(Rule { policies, ..rule.clone() })
}

/// The rule of `--default-backend-service`.
pub(super) fn default_rule(key: &BackendKey) -> Arc<Rule> {
    Arc::new(Rule {
        origin: Origin { object: service_ref(key), rule: None, path: None, position: None },
        matches: vec![RequestMatch::path(RoutePath::prefix("/").as_match())],
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(key.clone()))],
        canaries: Vec::new(),
        policies: Policies::default(),
    })
}
