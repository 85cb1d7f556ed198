//! Lowering, one file per kind: manifests in, hosts, endpoints and problems out.

mod access;
mod binding;
mod bounds;
mod canaries;
mod configmap;
mod conflicts;
mod corpus;
mod dial;
mod endpoint_slice;
mod external_auth;
mod gateway;
mod gateway_tls;
mod guards;
mod incremental;
mod ingress;
mod ingress_class;
mod locations;
mod other_names;
mod review;
mod secret_references;
mod served;
mod service;
mod snippets;
pub(super) mod tls;

use super::*;
use crate::control::source::{Change, manifest};
use crate::model::{BackendTarget, Dial, PathMatch, Policies, PortRef};

/// A store and what lowers it.
pub(super) struct World {
    pub store: Store,
    pub lowerer: Lowerer,
}

pub(in crate::control) fn options() -> LowerOptions {
    LowerOptions {
        adopt_classless: true,
        ..LowerOptions::cluster("ringway", "ringway.dev/ingress")
    }
}

/// Readable manifests only: a test of lowering does not mean to test reading.
#[track_caller]
pub(super) fn changes(text: &str) -> Vec<Change> {
    let manifest = manifest::read(&"f".into(), text);
    assert!(manifest.problems.is_empty(), "{:?}", manifest.problems);
    manifest.objects.into_iter().map(|object| Change::Apply(Box::new(object))).collect()
}

impl World {
    pub(super) fn new(options: LowerOptions) -> Self {
        Self { store: Store::default(), lowerer: Lowerer::new(options) }
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) -> Lowered {
        let dirty = self.store.apply(changes);
        let lowered = self.lowerer.apply(&self.store, &dirty, SystemTime::now());
        secret_references::check(self);
        lowered
    }
}

/// The controller's ConfigMap, which lets Ingresses have directives.
pub(super) const PERMISSION: &str = "---\napiVersion: v1\nkind: ConfigMap\n\
    metadata: {name: controller, namespace: ringway}\n\
    data: {allow-snippet-annotations: \"true\", annotations-risk-level: Critical}\n";

/// One that reads it, and nothing else yet.
pub(super) fn permitting() -> World {
    let (kind, namespace) = (Kind::ConfigMap, "ringway".into());
    let config_map = Some(ObjectRef { kind, namespace, name: "controller".into() });
    World::new(LowerOptions { config_map, ..options() })
}

/// Lowers Ingresses that may have directives.
#[track_caller]
pub(super) fn lower_permitted(text: &str) -> Lowered {
    permitting().apply(changes(&format!("{text}{PERMISSION}")))
}

#[track_caller]
pub(super) fn lower(text: &str) -> Lowered {
    World::new(options()).apply(changes(text))
}

/// `host path -> backend (owner)` per rule, the hosts in order.
pub(super) fn routes(model: &Model) -> Vec<String> {
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let rules = hosts.flat_map(|host| host.rules.iter().map(move |rule| (host, rule)));
    let text = rules.map(|(host, rule)| {
        let path = rule.matches.iter().map(|m| match &m.path {
            PathMatch::Exact(path) => format!("={path}"),
            PathMatch::Prefix(path) => path.to_string(),
            PathMatch::Regex(pattern) => format!("~{}", pattern.source()),
        });
        let text = |key: &BackendKey| key.to_string();
        let backend = rule.backends.iter().map(|b| match &b.target {
            BackendTarget::Nobody => "nobody".into(),
            target => target.key().map_or_else(|| "invalid".into(), text),
        });
        let (path, backend) = (path.collect::<String>(), backend.collect::<String>());
        format!("{} {path} -> {backend} ({})", host.pattern, rule.origin.object.name)
    });
    text.collect()
}

/// `Reason field` of each problem, but not those about endpoints, which most tests leave out.
pub(super) fn reasons(lowered: &Lowered) -> Vec<String> {
    let problems = lowered.problems.iter().filter(|p| p.reason != "ServiceMissing");
    problems.map(|p| format!("{} {}", p.reason, p.field)).collect()
}

/// `backend = addresses` of each changed backend.
pub(super) fn endpoints(lowered: &Lowered) -> Vec<String> {
    let sets = lowered.endpoints.iter().map(|(key, set)| {
        let addresses: Vec<_> = set.addresses.iter().map(ToString::to_string).collect();
        format!("{key} = {}", addresses.join(" "))
    });
    sets.collect()
}

/// An Ingress named `name` with one host and one path to `web:80`.
pub(super) fn ingress(name: &str, created: &str, host: &str, path: &str) -> String {
    let created = match created {
        "" => String::new(),
        year => format!(", creationTimestamp: \"{year}-01-01T00:00:00Z\""),
    };
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
         metadata: {{name: {name}{created}}}\nspec:\n  rules:\n  - host: \
          \"{host}\"\n    http:\n      \
         paths:\n      - {{path: {path}, pathType: Prefix, \
         backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
    )
}
