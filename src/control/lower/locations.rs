//! What the paths of a host mean once all of them are known: text, or expressions all together, as
//! in ingress-nginx.

use std::collections::BTreeSet;

use super::claim::{Claim, Route};
use super::path::{self, PathType, RawPath, RoutePath};
use super::regex_path;
use super::settings::PathStyle;
use crate::control::source::report::{Finding, Report};
use crate::filter::Variable;
use crate::model::{HostPattern, PathMatch, PathPattern, Policies, Refusal, reason};

/// What the texts of a host's paths are.
#[derive(Debug, Default)]
pub(super) struct Locations {
    style: PathStyle,
    /// Of expressions: the texts of Exact paths.
    exact: BTreeSet<RoutePath>,
}

/// What a path means.
#[derive(Debug)]
pub(super) struct Location {
    /// The requests.
    pub path: PathMatch,
    /// Why they are not served, whatever the backend.
    pub refusal: Option<Refusal>,
    /// What is rewritten, is.
    pub is_rewritten: bool,
}

impl Locations {
    /// Those of a host. `claimants`: the oldest first; a path that an older one has says nothing.
    pub(super) fn new<'a>(
        pattern: &HostPattern,
        mut claimants: impl Iterator<Item = &'a Claim> + Clone,
    ) -> Self {
        // PERF: most hosts end here.
        if !claimants.clone().any(|claim| claim.settings.may_ask_for_expressions()) {
            return Self::default();
        }
        let routes = claimants.clone().flat_map(|claim| {
            let routes = claim.routes.get(pattern).into_iter().flatten();
            routes.map(move |route| (claim, route))
        });
        let mut taken = BTreeSet::new();
        let mut asks = false;
        let mut asked_if = |claim: &Claim, path: &RawPath| {
            asks |= taken.insert(path.plain()) && claim.settings.asks_for_expressions(path.text());
        };
        routes.for_each(|(claim, route)| asked_if(claim, &route.path));
        // The paths that nobody has are those of the oldest.
        if let Some(oldest) = claimants.next().filter(|_| *pattern != HostPattern::Any) {
            asked_if(oldest, &RawPath::root());
        }
        match asks {
            true => Self { style: PathStyle::Expressions, exact: taken },
            false => Self::default(),
        }
    }

    pub(super) fn style(&self) -> PathStyle {
        self.style
    }

    /// As it would be with one claim more.
    pub(super) fn and(&self, claim: &Claim, pattern: &HostPattern) -> Self {
        let mut routes = claim.routes.get(pattern).into_iter().flatten();
        let asks = routes.any(|route| claim.settings.asks_for_expressions(route.path.text()));
        let style = if asks { PathStyle::Expressions } else { self.style };
        Self { style, exact: self.exact.clone() }
    }

    /// What a path of the claim means. `None`: nothing, which is told.
    pub(super) fn of(
        &self,
        claim: &Claim,
        route: &Route,
        report: &mut Report<'_>,
    ) -> Option<Location> {
        match self.style {
            PathStyle::Plain => plain(route, report),
            PathStyle::Expressions => Some(self.expression(claim, route, report)),
        }
    }

    fn expression(&self, claim: &Claim, route: &Route, report: &mut Report<'_>) -> Location {
        let (path, text) = (&route.path, route.path.text());
        let is_rewritten = claim.settings.rewrites(text);
        // Beside an Exact path a Prefix is what is below, unless its author wrote an expression.
        let is_below = path.kind() != PathType::Exact
            && !text.ends_with('/')
            && !claim.settings.asks_for_expressions(text)
            && self.exact.contains(&RoutePath::exact(path.plain().text()));
        let compiled = match is_below {
            true => regex_path::pattern(text, &format!("{text}/")),
            false => path.expression().clone(),
        };
        let pattern = compiled.map_err(|why| why.to_string()).and_then(|pattern| {
            let unknown = unknown_group(&claim.settings.policies, &pattern);
            match unknown.filter(|_| is_rewritten) {
                Some(name) => Err(format!("it has no group ${name}, which a rewrite refers to")),
                None => Ok(pattern),
            }
        });
        match pattern {
            Ok(pattern) => {
                Location { path: PathMatch::Regex(pattern), refusal: None, is_rewritten }
            }
            Err(why) => {
                report.error(unusable(route, &why));
                let refusal = Some(Refusal::NotSupported);
                Location { path: widest(claim, text), refusal, is_rewritten }
            }
        }
    }
}

/// All that the path may mean. Where its author keeps clients out it has its place among the
/// others, so that none of them leads around the guard; where not, it takes nothing from them.
fn widest(claim: &Claim, text: &str) -> PathMatch {
    let place = if claim.guards().is_wanted() { text } else { "" };
    match regex_path::widest(place, text) {
        Some(pattern) => PathMatch::Regex(pattern),
        None => PathMatch::Exact(text.into()),
    }
}

/// A group that the texts of a rewrite name and the path does not have.
fn unknown_group<'p>(policies: &'p Policies, pattern: &PathPattern) -> Option<&'p str> {
    let texts = policies.replacement.iter().flat_map(|replacement| replacement.texts());
    texts.flat_map(|text| text.variables()).find_map(|variable| match variable {
        Variable::NamedCapture(name) if pattern.group(name).is_none() => Some(&**name),
        _ => None,
    })
}

fn plain(route: &Route, report: &mut Report<'_>) -> Option<Location> {
    let (text, field) = (route.path.text(), format!("{}.path", route.place.field()));
    let advice = "Write a plain path, or use-regex: \"true\" if it is a regular expression.";
    if let Err(why) = path::check(text) {
        let message = format!("{text:?} cannot be used: {why}.");
        let (reason, advice) = (reason!("InvalidPath"), advice.into());
        report.error(Finding { reason, field, message, advice });
        return None;
    }
    if regex_path::looks_like_one(text) {
        let message = format!(
            "{text:?} looks like a pattern and, as in ingress-nginx without use-regex, is none: \
             only requests for this very text match."
        );
        let (reason, advice) = (reason!("RegexPath"), advice.into());
        report.warning(Finding { reason, field, message, advice });
    }
    let path = route.path.plain().as_match();
    Some(Location { path, refusal: None, is_rewritten: false })
}

fn unusable(route: &Route, why: &str) -> Finding {
    Finding {
        reason: reason!("RegexPath"),
        field: format!("{}.path", route.place.field()),
        message: format!(
            "{:?} cannot be used as a regular expression: {why}. What it may mean gets status 503.",
            route.path.text()
        ),
        advice: "Write it another way; the paths of a host are all regular expressions if one \
                 Ingress of it asks for that (use-regex, rewrite-target)."
            .into(),
    }
}

/// Where requests are sent that lack but the slash at the end of a path: nginx does it by itself,
/// unless something has the path without it.
pub(super) fn slashed(slashed: &RoutePath) -> Option<RoutePath> {
    let is_any = |text: &&str| !text.is_empty() && !path::has_empty_element(slashed.text());
    let text = slashed.text().strip_suffix('/').filter(is_any)?;
    Some(RoutePath::exact(text))
}
