//! Rules of lookup and compile: one test per rule, then properties against the oracle and against
//! fresh compiles.

mod generate;
mod listeners;
mod names;
mod plans;
mod properties;
mod rules;

use std::sync::Arc;

use super::{FieldLookup, RequestKey};
use crate::filter::Filter;
use crate::model::{
    BackendKey, BackendTarget, Host, HostName, HostPattern, Kind, Listener, Model, ObjectRef,
    OnMiss, Origin, PathMatch, PathPattern, Policies, PortRef, RequestMatch, Rule, WeightedBackend,
    WildcardDepth,
};

/// A request as text.
#[derive(Debug, Clone, Default)]
struct Request {
    host: String,
    path: String,
    query: Option<String>,
    method: String,
    fields: Vec<(String, String)>,
}

impl Request {
    fn key(&self) -> RequestKey<'_> {
        RequestKey {
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            method: self.method.as_bytes(),
            fields: self,
        }
    }
}

impl FieldLookup for Request {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let line = self.fields.iter().find(|(other, _)| other.as_bytes() == name);
        line.map(|(_, value)| value.as_bytes())
    }
}

/// `*` is every host, `*.x` a one-label wildcard, `**.x` one of any depth.
fn pattern(text: &str) -> HostPattern {
    let suffix = |name| HostName::new(name).expect("a name");
    match (text, text.strip_prefix("**."), text.strip_prefix("*.")) {
        ("*", ..) => HostPattern::Any,
        (_, Some(name), _) => {
            HostPattern::Wildcard { suffix: suffix(name), depth: WildcardDepth::Any }
        }
        (_, _, Some(name)) => {
            HostPattern::Wildcard { suffix: suffix(name), depth: WildcardDepth::One }
        }
        _ => HostPattern::Exact(suffix(text)),
    }
}

fn backend_key(service: &str) -> BackendKey {
    BackendKey {
        namespace: "ns".into(),
        service: service.into(),
        port: PortRef::Number(80),
        dial: crate::model::Dial::default(),
    }
}

fn backend(service: &str, weight: u32) -> WeightedBackend {
    let target = BackendTarget::Service(backend_key(service));
    WeightedBackend { weight, ..WeightedBackend::only(target) }
}

/// A rule of the Ingress `ns/object`, told apart from others by `number`.
fn rule(object: &str, number: u32, matches: Vec<RequestMatch>) -> Rule {
    let object = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: object.into() };
    Rule {
        origin: Origin { object, rule: Some(number), path: None, position: None },
        matches,
        filters: Vec::<Filter>::new(),
        backends: vec![backend("web", 1)],
        canaries: Vec::new(),
        policies: Policies::default(),
    }
}

fn host(name: &str, on_miss: OnMiss, rules: Vec<Rule>) -> Arc<Host> {
    let rules = rules.into_iter().map(Arc::new).collect();
    Arc::new(Host { pattern: pattern(name), on_miss, rules, locations: Vec::new() })
}

fn model(hosts: Vec<Arc<Host>>, default_rule: Option<Rule>) -> Model {
    Model {
        listeners: vec![Listener {
            hosts,
            default_rule: default_rule.map(Arc::new),
            ..Listener::default()
        }],
        ..Model::default()
    }
}

/// `=/x` is exact, `~x` a pattern, `/x` a prefix.
fn path(text: &str) -> RequestMatch {
    RequestMatch::path(match (text.strip_prefix('='), text.strip_prefix('~')) {
        (Some(exact), _) => PathMatch::Exact(exact.into()),
        (_, Some(pattern)) => {
            PathMatch::Regex(PathPattern::new(pattern, pattern).expect("a pattern"))
        }
        _ => PathMatch::Prefix(text.into()),
    })
}

fn get(host: &str, path: &str) -> Request {
    Request { host: host.into(), path: path.into(), method: "GET".into(), ..Request::default() }
}
