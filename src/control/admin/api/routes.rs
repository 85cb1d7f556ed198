//! Hosts, their routes, the backends of those and their endpoints.

use std::sync::Arc;

use serde::Serialize;

use super::unanswered::Unanswered;
use super::window::{Rows, Window};
use crate::control::admin::state::AdminState;
use crate::control::served::Served;
use crate::explain::{Backend as Seen, Endpoint, NOT_SHOWN, Place, is_secret_name, shortened};
use crate::limits::EXPLANATION_PATIENCE;
use crate::model::{
    BackendTarget, Host, Listener, LocationMatch, Model, PathMatch, RequestMatch, Rule, ValueMatch,
};

/// A host that is served.
#[derive(Debug, Serialize)]
pub(super) struct HostRow {
    /// As its object has it; `*`: any.
    host: String,
    /// Where its clients come in.
    entry_points: Vec<String>,
    routes: usize,
    /// The Secret of its certificate, or `made by us`; `null`: it has none of its own.
    certificate: Option<String>,
}

/// A path of a host.
#[derive(Debug, Serialize)]
pub(super) struct RouteRow {
    host: String,
    entry_points: Vec<String>,
    /// As its object has it.
    path: String,
    /// `exact`, `prefix`, `regex`, `location`, or `default`: what nothing else matches.
    kind: &'static str,
    /// What is asked of a request besides; empty: nothing.
    conditions: Vec<String>,
    place: Place,
    backends: Vec<BackendRow>,
}

/// Who gets requests of a route.
#[derive(Debug, Serialize)]
pub(super) struct BackendRow {
    /// Namespace, Service and port; in brackets: why there is none.
    name: String,
    weight: u32,
    is_canary: bool,
    /// Usable ones; `null`: it is no backend.
    endpoints: Option<usize>,
}

/// A backend and how its endpoints do.
#[derive(Debug, Serialize)]
pub(super) struct EndpointsRow {
    backend: String,
    /// Who sees it so.
    core: usize,
    endpoints: Vec<Endpoint>,
    /// Further ones, which are not listed.
    endpoints_left_out: usize,
}

/// Hosts and routes of a model.
pub(super) fn count(model: &Model) -> (usize, usize) {
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let routes = hosts.map(|host| routes_of(host).count()).filter(|count| *count > 0);
    routes.fold((0, 0), |(hosts, all), count| (hosts + 1, all + count))
}

/// Those that have routes, by name.
fn all_hosts(model: &Model) -> Vec<(&Listener, &Host)> {
    let hosts = model.listeners.iter().flat_map(|listener| {
        let hosts = listener.hosts.iter().filter(|host| routes_of(host).next().is_some());
        hosts.map(move |host| (listener, &**host))
    });
    let mut hosts: Vec<(&Listener, &Host)> = hosts.collect();
    hosts.sort_by(|(_, a), (_, b)| a.pattern.cmp(&b.pattern));
    hosts
}

/// What a route is about.
enum Requests<'m> {
    Match(&'m RequestMatch),
    Location(&'m LocationMatch),
    Rest,
}

fn routes_of(host: &Host) -> impl Iterator<Item = (Requests<'_>, &Rule)> {
    let of_rules = host.rules.iter().filter(|rule| !rule.is_unclaimed()).flat_map(|rule| {
        rule.matches.iter().map(move |requests| (Requests::Match(requests), &**rule))
    });
    let locations = host.locations.iter();
    of_rules.chain(locations.map(|at| (Requests::Location(&at.requests), &*at.rule)))
}

pub(super) fn hosts(state: &AdminState, window: &Window) -> Rows<HostRow> {
    let model = state.control.served.model();
    let certificates = state.control.snapshot().certificates;
    let hosts = all_hosts(&model).into_iter();
    let wanted = hosts.filter(|(_, host)| window.wants(|| host.pattern.to_string()));
    window.rows(wanted, |(listener, host)| {
        let name = host.pattern.to_string();
        let own = certificates.iter().find(|served| served.host == name);
        HostRow {
            entry_points: entry_points(listener),
            routes: routes_of(host).count(),
            certificate: own.map(|served| match &served.secret {
                Some(secret) => secret.to_string(),
                None => "made by us".to_owned(),
            }),
            host: name,
        }
    })
}

pub(super) fn routes(state: &AdminState, window: &Window) -> Rows<RouteRow> {
    let served = &state.control.served;
    let model = served.model();
    let wanted_host = window.named("host");
    let of_hosts = all_hosts(&model)
        .into_iter()
        .map(|(listener, host)| (listener, host.pattern.to_string(), host))
        .filter(|(_, name, _)| wanted_host.is_none_or(|wanted| wanted == name))
        .flat_map(|(listener, name, host)| {
            routes_of(host).map(move |(requests, rule)| (listener, name.clone(), requests, rule))
        });
    let of_nobody = model.listeners.iter().filter(|_| wanted_host.is_none());
    let of_nobody = of_nobody.filter_map(|listener| {
        let rule = listener.default_rule.as_deref()?;
        Some((listener, "*".to_owned(), Requests::Rest, rule))
    });
    let wanted = of_hosts.chain(of_nobody).filter(|(_, host, requests, rule)| {
        window.wants(|| format!("{host}{} {}", requests.path(), rule.origin.object))
    });
    window.rows(wanted, |(listener, host, requests, rule)| RouteRow {
        host,
        entry_points: entry_points(listener),
        path: shortened(&requests.path()),
        kind: requests.kind(),
        conditions: requests.conditions(),
        place: (&rule.origin).into(),
        backends: backends(served, rule),
    })
}

/// # Errors
/// There is no such backend, or the core does not answer.
pub(super) fn endpoints(
    state: &AdminState,
    window: &Window,
) -> Result<Rows<EndpointsRow>, Unanswered> {
    let name = window.named("backend").ok_or(Unanswered::Missing("backend"))?;
    let core = window.named("core").unwrap_or("0").parse();
    let core = core.ok().ok_or_else(|| Unanswered::Parameter("core".to_owned()))?;
    let mut seen = Vec::new();
    for key in state.control.served.named(name) {
        seen.extend(state.explainers.backend(core, key, EXPLANATION_PATIENCE)?);
    }
    if seen.is_empty() {
        return Err(Unanswered::NoBackend);
    }
    Ok(window.rows(seen.into_iter(), |seen: Seen| EndpointsRow {
        backend: seen.name,
        core,
        endpoints: seen.endpoints,
        endpoints_left_out: seen.endpoints_left_out,
    }))
}

fn entry_points(listener: &Listener) -> Vec<String> {
    listener.entry_points.iter().map(ToString::to_string).collect()
}

impl Requests<'_> {
    fn path(&self) -> Arc<str> {
        match self {
            Self::Match(requests) => requests.path.text(),
            Self::Location(LocationMatch::Matching(pattern)) => pattern.text().into(),
            Self::Location(
                LocationMatch::Exact(path)
                | LocationMatch::Beginning(path)
                | LocationMatch::Settled(path),
            ) => (&**path).into(),
            Self::Rest => "".into(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Match(RequestMatch { path: PathMatch::Exact(_), .. }) => "exact",
            Self::Match(RequestMatch { path: PathMatch::Prefix(_), .. }) => "prefix",
            Self::Match(RequestMatch { path: PathMatch::Regex(_), .. }) => "regex",
            Self::Location(_) => "location",
            Self::Rest => "default",
        }
    }

    fn conditions(&self) -> Vec<String> {
        let Self::Match(RequestMatch { method, fields, query, .. }) = self else {
            return Vec::new();
        };
        let method = method.iter().map(|method| format!("method {method}"));
        let fields = fields.iter().map(|field| condition("field", &field.name, &field.value));
        let query = query.iter().map(|part| condition("parameter", &part.name, &part.value));
        method.chain(fields).chain(query).collect()
    }
}

/// What is asked of a value. Those of fields and parameters that may be secrets are not shown.
fn condition(what: &str, name: &str, value: &ValueMatch) -> String {
    let (verb, value) = match value {
        ValueMatch::Exact(value) => ("is", &**value),
        ValueMatch::Regex(pattern) => ("matches", pattern.as_str()),
    };
    let value = if is_secret_name(name) { NOT_SHOWN.to_owned() } else { shortened(value) };
    format!("{what} {name} {verb} {value}")
}

fn backends(served: &Served, rule: &Rule) -> Vec<BackendRow> {
    let own = rule.backends.iter().map(|backend| {
        let name = match &backend.target {
            BackendTarget::Service(key) | BackendTarget::AsClient { http: key, .. } => {
                key.to_string()
            }
            BackendTarget::Elsewhere(_) => "(redirected)".to_owned(),
            BackendTarget::Invalid => "(invalid reference)".to_owned(),
            BackendTarget::Nobody => "(nobody)".to_owned(),
        };
        let endpoints = backend.target.key().map(|key| served.endpoints(key).unwrap_or(0));
        BackendRow { name, weight: backend.weight, is_canary: false, endpoints }
    });
    let canaries = rule.canaries.iter().map(|canary| BackendRow {
        name: canary.backend.to_string(),
        weight: 0,
        is_canary: true,
        endpoints: Some(served.endpoints(&canary.backend).unwrap_or(0)),
    });
    own.chain(canaries).collect()
}
