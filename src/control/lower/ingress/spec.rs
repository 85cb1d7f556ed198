//! Ingress → routes per host pattern. Knows one Ingress at a time; who wins is decided in
//! [`super::super::hosts`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::annotations::row::field_of;
use super::class::Classes;
use super::{annotations, foreign};
use crate::control::lower::guards::Guards;
use crate::control::lower::names::certificates::{IngressTls, TlsEntry};
use crate::control::lower::options::LowerOptions;
use crate::control::lower::path::{self, PathRules, RoutePath};
use crate::control::lower::regex_path;
use crate::control::lower::secrets::secret_ref;
use crate::control::lower::settings::{ClientCertificates, PathStyle, Role, Settings};
use crate::control::source::Provenance;
use crate::control::source::manifest::{is_dns_label, is_dns_subdomain};
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::limits::{
    PATHS_PER_INGRESS_MAX, TLS_ENTRIES_PER_INGRESS_MAX, TLS_HOSTS_PER_INGRESS_MAX,
};
use crate::model::host::HostNameError;
use crate::model::{
    BackendKey, BackendTarget, HostName, HostPattern, ObjectRef, Origin, Policies, PortRef,
    Problem, Refusal, RequestMatch, Rule, WeightedBackend, WildcardDepth,
};

/// The class, before `spec.ingressClassName` existed.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Orders Ingresses: the oldest first, then by namespace and name. An object that the API server
/// never saw has no age and counts as oldest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    created: Option<Time>,
    namespace: Arc<str>,
    name: Arc<str>,
}

/// One Ingress in our words.
#[derive(Debug)]
pub(crate) struct LoweredIngress {
    pub age: Age,
    pub reference: ObjectRef,
    pub provenance: Option<Provenance>,
    /// Routes of each host that the Ingress names, in the order of the object.
    pub hosts: BTreeMap<HostPattern, Vec<Route>>,
    /// `spec.defaultBackend` of an Ingress with rules: for the paths of its hosts that no rule has.
    pub fallback: Option<Arc<Rule>>,
    pub problems: Vec<Arc<Problem>>,
    /// Backends, each with the field that names it first.
    pub uses: BTreeMap<BackendKey, String>,
    /// Certificates, redirects, client certificates.
    pub tls: IngressTls,
    pub settings: Settings,
    /// What holds instead of its guards, because of a newer version of which nothing else can be
    /// used.
    pub newer_guards: Option<Guards>,
    /// Errors left nothing that could serve a request.
    pub is_unusable: bool,
}

impl LoweredIngress {
    /// The guards that hold for it.
    pub(crate) fn guards(&self) -> &Guards {
        self.newer_guards.as_ref().unwrap_or(&self.settings.guards)
    }

    /// What `newer`, of which nothing can be used, asks of the version in force: no request may
    /// come in that its author wants kept out.
    pub(crate) fn guards_of_newer(&self, newer: &Self) -> Option<Guards> {
        let (old, new) = (&self.settings, &newer.settings);
        let is_unguarded = new.guards.is_closed && new.guards != old.guards;
        let asks_more = !matches!(new.client_auth, None | Some(ClientCertificates::Off))
            && old.client_auth != new.client_auth;
        (is_unguarded || asks_more).then(|| old.guards.closed_with(&new.guards))
    }
}

/// One path of one host.
#[derive(Debug)]
pub(crate) struct Route {
    pub path: RoutePath,
    pub rule: Arc<Rule>,
}

impl Route {
    /// The field that the route comes from.
    pub(crate) fn field(&self) -> String {
        match (self.rule.origin.rule, self.rule.origin.path) {
            (Some(rule), Some(path)) => format!("spec.rules[{rule}].http.paths[{path}]"),
            _ => "spec.defaultBackend".into(),
        }
    }
}

/// Whether `ingress` is ours.
#[must_use]
pub fn is_ours(ingress: &Ingress, classes: &Classes, options: &LowerOptions) -> bool {
    classes.is_ours(class_field(ingress), class_annotation(ingress), options)
}

/// The class that an Ingress names: by the field, or by the older annotation.
#[must_use]
pub fn class_name(ingress: &Ingress) -> Option<&str> {
    let annotation = class_annotation(ingress).filter(|name| !name.is_empty());
    class_field(ingress).or(annotation)
}

fn class_field(ingress: &Ingress) -> Option<&str> {
    ingress.spec.as_ref()?.ingress_class_name.as_deref()
}

fn class_annotation(ingress: &Ingress) -> Option<&str> {
    ingress.metadata.annotations.as_ref()?.get(CLASS_ANNOTATION).map(String::as_str)
}

/// Every Secret that lowering `ingress` may read, ours or not. A name that no object can have is
/// left out: it is for the author to correct, and goes into no request.
#[must_use]
pub fn secret_references(reference: &ObjectRef, ingress: &Ingress) -> BTreeSet<ObjectRef> {
    let Ingress { metadata, spec, status: _ } = ingress;
    // Told when the Ingress is lowered.
    let mut report = Report::new(reference, None);
    let settings = annotations::read(reference, metadata.annotations.as_ref(), &mut report);
    let entries = spec.iter().flat_map(|spec| spec.tls.iter().flatten());
    let of_entries = entries.take(TLS_ENTRIES_PER_INGRESS_MAX);
    let of_entries = of_entries.filter_map(|entry| tls_secret(reference, entry));
    let all = of_entries.chain(settings.needs);
    all.filter(|secret| is_dns_subdomain(&secret.name)).collect()
}

/// Whether anything of an Ingress could serve a request; if not, its last good version stays.
#[must_use]
pub fn is_usable(reference: &ObjectRef, ingress: &Arc<Ingress>) -> bool {
    let entry = Entry { object: Arc::clone(ingress), provenance: None };
    !lower(reference, &entry).is_unusable
}

fn tls_secret(ingress: &ObjectRef, entry: &IngressTLS) -> Option<ObjectRef> {
    let name = entry.secret_name.as_deref().filter(|name| !name.is_empty())?;
    Some(secret_ref(&ingress.namespace, name))
}

/// Lowers one Ingress that is ours. Total: what cannot be used is a problem.
pub(crate) fn lower(reference: &ObjectRef, entry: &Entry<Ingress>) -> LoweredIngress {
    let Ingress { metadata, spec, status: _ } = &*entry.object;
    let provenance = entry.provenance.as_ref();
    let mut lowering = Lowering {
        reference,
        provenance,
        report: Report::new(reference, provenance),
        hosts: BTreeMap::new(),
        fallback: None,
        uses: BTreeMap::new(),
        tls: IngressTls::default(),
        settings: Settings::default(),
        paths: 0,
        tls_hosts: 0,
        has_service: false,
    };
    let created = lowering.metadata(metadata);
    match spec {
        Some(spec) => lowering.spec(spec, metadata),
        None => lowering.error("NoSpec", "spec", "the Ingress has no spec.", "Add one."),
    }
    let Lowering { report, hosts, fallback, uses, tls, settings, has_service, .. } = lowering;
    LoweredIngress {
        age: Age {
            created,
            namespace: Arc::clone(&reference.namespace),
            name: Arc::clone(&reference.name),
        },
        reference: reference.clone(),
        provenance: provenance.cloned(),
        is_unusable: report.errors() > 0 && !has_service,
        problems: report.finish(),
        hosts,
        fallback,
        uses,
        tls,
        settings,
        newer_guards: None,
    }
}

struct Lowering<'a> {
    reference: &'a ObjectRef,
    provenance: Option<&'a Provenance>,
    report: Report<'a>,
    hosts: BTreeMap<HostPattern, Vec<Route>>,
    fallback: Option<Arc<Rule>>,
    uses: BTreeMap<BackendKey, String>,
    tls: IngressTls,
    settings: Settings,
    paths: usize,
    tls_hosts: usize,
    /// Some route leads to a Service.
    has_service: bool,
}

impl Lowering<'_> {
    fn error(&mut self, reason: &'static str, field: &str, message: &str, advice: &str) {
        self.report.error(Finding {
            reason,
            field: field.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
        });
    }

    fn warning(&mut self, reason: &'static str, field: &str, message: &str, advice: &str) {
        self.report.warning(Finding {
            reason,
            field: field.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
        });
    }

    fn metadata(&mut self, metadata: &ObjectMeta) -> Option<Time> {
        // The rest is the cluster's bookkeeping.
        let ObjectMeta {
            annotations,
            creation_timestamp,
            deletion_grace_period_seconds: _,
            deletion_timestamp: _,
            finalizers: _,
            generate_name: _,
            generation: _,
            labels: _,
            managed_fields: _,
            name: _,
            namespace: _,
            owner_references: _,
            resource_version: _,
            self_link: _,
            uid: _,
        } = metadata;
        self.settings = annotations::read(self.reference, annotations.as_ref(), &mut self.report);
        if let Some(finding) = foreign::annotations(annotations.iter().flatten()) {
            self.report.note(finding);
        }
        creation_timestamp.clone()
    }

    fn spec(&mut self, spec: &IngressSpec, metadata: &ObjectMeta) {
        let IngressSpec { default_backend, ingress_class_name, rules, tls } = spec;
        self.class(metadata, ingress_class_name.as_deref());
        if self.settings.role == Role::Canary {
            // Its hosts, certificates and paths are those of the main Ingress.
            return;
        }
        let rules = rules.as_deref().unwrap_or_default();
        for (index, entry) in tls.iter().flatten().enumerate() {
            if index >= TLS_ENTRIES_PER_INGRESS_MAX {
                let message =
                    format!("only the first {TLS_ENTRIES_PER_INGRESS_MAX} entries are used.");
                let field = format!("spec.tls[{index}]");
                self.error("TooManyTlsEntries", &field, &message, "Split the Ingress.");
                break;
            }
            let entry = self.tls_entry(index, entry);
            self.tls.push(entry);
        }
        let default_rule = default_backend.as_ref().and_then(|backend| self.default_rule(backend));
        if rules.is_empty() {
            match default_rule {
                Some(rule) => {
                    let route = Route { path: RoutePath::root(), rule };
                    self.hosts.entry(HostPattern::Any).or_default().push(route);
                }
                None if default_backend.is_none() => self.error(
                    "NoRules",
                    "spec",
                    "the Ingress has neither rules nor a default backend.",
                    "Add one of them.",
                ),
                None => {}
            }
        } else {
            self.fallback = default_rule;
        }
        for (index, rule) in rules.iter().enumerate() {
            self.rule(index, rule);
        }
    }

    /// An API server refuses two classes of a new object, and lets an old one come to have them.
    fn class(&mut self, metadata: &ObjectMeta, name: Option<&str>) {
        let annotation = metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
        let (Some(name), Some(annotation)) = (name, annotation) else { return };
        if name == annotation {
            return;
        }
        let field = field_of(CLASS_ANNOTATION);
        let message = format!(
            "the class {annotation:?} differs from spec.ingressClassName, which counts ({name:?})."
        );
        let advice = "Remove the annotation.";
        match self.provenance {
            Some(_) => self.error("ClassConflict", &field, &message, advice),
            None => self.warning("ClassConflict", &field, &message, advice),
        }
    }

    fn default_rule(&mut self, backend: &IngressBackend) -> Option<Arc<Rule>> {
        let target = self.backend("spec.defaultBackend", backend)?;
        let place = Place { rule: None, path: None, field: "spec.defaultBackend" };
        Some(self.build_rule(place, &RoutePath::root(), target, None))
    }

    fn tls_entry(&mut self, index: usize, entry: &IngressTLS) -> TlsEntry {
        let IngressTLS { hosts, secret_name: _ } = entry;
        let mut patterns = Vec::new();
        for (nth, host) in hosts.iter().flatten().enumerate() {
            self.tls_hosts = self.tls_hosts.saturating_add(1);
            if self.tls_hosts > TLS_HOSTS_PER_INGRESS_MAX {
                let message = format!("only the first {TLS_HOSTS_PER_INGRESS_MAX} hosts are used.");
                let field = format!("spec.tls[{index}].hosts[{nth}]");
                self.error("TooManyTlsHosts", &field, &message, "Split the Ingress.");
                break;
            }
            match host_pattern(host) {
                Ok((pattern, refused)) if pattern != HostPattern::Any => {
                    patterns.push((nth, pattern));
                    let field = format!("spec.tls[{index}].hosts[{nth}]");
                    self.refused_host(&field, refused);
                }
                wrong => {
                    let why =
                        wrong.err().map_or_else(|| "it is empty".to_owned(), |e| e.to_string());
                    let field = format!("spec.tls[{index}].hosts[{nth}]");
                    let message = format!("the host cannot be used: {why}.");
                    let advice = "Write a DNS name, or *.name for one label more.";
                    self.error("InvalidHost", &field, &message, advice);
                }
            }
        }
        TlsEntry { hosts: patterns, secret: tls_secret(self.reference, entry) }
    }

    fn refused_host(&mut self, field: &str, refused: Option<HostNameError>) {
        if let Some(why) = refused {
            let message = format!("an API server refuses the host: {why}.");
            self.error("InvalidHost", field, &message, "Write it as DNS has it, in lower case.");
        }
    }

    fn rule(&mut self, index: usize, rule: &IngressRule) {
        let IngressRule { host, http } = rule;
        let field = format!("spec.rules[{index}].host");
        let pattern = match host_pattern(host.as_deref().unwrap_or_default()) {
            Ok((pattern, refused)) => {
                self.refused_host(&field, refused);
                pattern
            }
            Err(why) => {
                let message = format!("the host cannot be used: {why}.");
                let advice = "Write a DNS name, *.name for one label more, or leave it out.";
                return self.error("InvalidHost", &field, &message, advice);
            }
        };
        self.hosts.entry(pattern.clone()).or_default();
        let Some(HTTPIngressRuleValue { paths }) = http else { return };
        if paths.is_empty() {
            let field = format!("spec.rules[{index}].http.paths");
            let advice = "Add one, or leave http out.";
            return self.error("NoPaths", &field, "the rule has no path.", advice);
        }
        for (nth, path) in paths.iter().enumerate() {
            self.paths = self.paths.saturating_add(1);
            if self.paths > PATHS_PER_INGRESS_MAX {
                let message = format!("only the first {PATHS_PER_INGRESS_MAX} paths are used.");
                let field = format!("spec.rules[{index}].http.paths[{nth}]");
                return self.error("TooManyPaths", &field, &message, "Split the Ingress.");
            }
            if let Some(route) = self.path(index, nth, path) {
                self.hosts.entry(pattern.clone()).or_default().push(route);
            }
        }
    }

    fn path(&mut self, rule: usize, nth: usize, path: &HTTPIngressPath) -> Option<Route> {
        let HTTPIngressPath { backend, path, path_type } = path;
        let field = format!("spec.rules[{rule}].http.paths[{nth}]");
        let (path, refusal) =
            self.route_path(&field, path.as_deref().unwrap_or_default(), path_type)?;
        let target = self.backend(&format!("{field}.backend"), backend)?;
        let (rule, nth) = (u32::try_from(rule).ok(), u32::try_from(nth).ok());
        let place = Place { rule, path: nth, field: &field };
        let rule = self.build_rule(place, &path, target, refusal);
        Some(Route { path, rule })
    }

    /// With the reason why its requests are not served whatever the backend.
    fn route_path(
        &mut self,
        field: &str,
        text: &str,
        path_type: &str,
    ) -> Option<(RoutePath, Option<Refusal>)> {
        let (new, text, rules): (fn(&str) -> RoutePath, _, _) = match (path_type, text) {
            ("Exact", text) => (RoutePath::exact, text, PathRules::Strict),
            ("Prefix", text) => (RoutePath::prefix, text, PathRules::Strict),
            ("ImplementationSpecific", "") => (RoutePath::prefix, "/", PathRules::Lenient),
            ("ImplementationSpecific", text) => (RoutePath::prefix, text, PathRules::Lenient),
            (other, _) => {
                let message = match other {
                    "" => "pathType is missing.".to_owned(),
                    other => format!("{other:?} is not a pathType."),
                };
                let advice = "Write Exact, Prefix or ImplementationSpecific.";
                self.error("InvalidPathType", &format!("{field}.pathType"), &message, advice);
                return None;
            }
        };
        let field = format!("{field}.path");
        if let Some(pattern) = self.regex_path(&field, text) {
            return Some((pattern, Some(Refusal::NotSupported)));
        }
        if let Err(why) = path::check(text) {
            let advice = match regex_path::looks_like_one(text) {
                true => "Regular expressions are not supported yet: write a plain path.",
                false => "Write the path as requests have it.",
            };
            self.error("InvalidPath", &field, &format!("{text:?} cannot be used: {why}."), advice);
            return None;
        }
        if regex_path::looks_like_one(text) {
            let message = format!(
                "{text:?} looks like a pattern and, as in ingress-nginx without use-regex, is \
                 none: only requests for this very text match."
            );
            self.warning("RegexPath", &field, &message, "Write a plain path, such as / for all.");
        }
        let refused = path::refusal(text).filter(|_| rules == PathRules::Strict);
        if let Some(why) = refused {
            let message = format!("an API server refuses {text:?}: {why}.");
            let advice = "Write a plain path, or pathType ImplementationSpecific.";
            self.error("InvalidPath", &field, &message, advice);
        } else if path::has_empty_element(text) {
            self.warning(
                "EmptyPathElement",
                &field,
                "repeated slashes are not merged: only requests that have them, too, match.",
                "Write single slashes, unless requests have them.",
            );
        }
        Some((new(text), None))
    }

    /// The path if it is a regular expression, of which it is only known which requests it means.
    /// Those of a closed Ingress are all taken for expressions if one is: an expression matches
    /// more than the same text does, and so less leads around the guard.
    fn regex_path(&mut self, field: &str, text: &str) -> Option<RoutePath> {
        let looks_like_one = regex_path::looks_like_one(text);
        let has_expressions = self.settings.paths == PathStyle::Expressions;
        let is_one = match (has_expressions, self.settings.guards.is_closed) {
            (true, true) => true,
            (true, false) | (false, true) => looks_like_one,
            (false, false) => false,
        };
        if !is_one || path::check_size(text).is_err() {
            return None;
        }
        let pattern = regex_path::pattern(text)?;
        if looks_like_one {
            self.error(
                "RegexPath",
                field,
                &format!(
                    "{text:?} is a regular expression, which is not supported yet: requests that \
                     it matches get status 503, unless a plain path matches them."
                ),
                "Write a plain path, or leave the Ingress with a controller that knows them.",
            );
        }
        Some(RoutePath::pattern(pattern))
    }

    /// `None`: an API server would not have stored it. A reference that it would store and that we
    /// cannot use still takes its path, so that its requests do not reach another backend.
    fn backend(&mut self, field: &str, backend: &IngressBackend) -> Option<BackendTarget> {
        let IngressBackend { resource, service } = backend;
        match (service, resource) {
            (Some(service), None) => {
                let key = self.service_backend(field, service)?;
                self.uses.entry(key.clone()).or_insert_with(|| field.to_owned());
                self.has_service = true;
                Some(BackendTarget::Service(key))
            }
            (None, Some(resource)) if resource.kind.is_empty() || resource.name.is_empty() => {
                let field = format!("{field}.resource");
                let message = "the resource needs a kind and a name.";
                self.error("InvalidBackend", &field, message, "Name a Service instead.");
                None
            }
            (None, Some(_)) => {
                self.error(
                    "ResourceBackend",
                    &format!("{field}.resource"),
                    "resource backends are not supported; requests get status 503.",
                    "Name a Service.",
                );
                Some(BackendTarget::Invalid)
            }
            (Some(_), Some(_)) => {
                let message = "a backend is either a Service or a resource.";
                self.error("InvalidBackend", field, message, "Remove one of them.");
                None
            }
            (None, None) => {
                self.error("InvalidBackend", field, "the backend is empty.", "Name a Service.");
                None
            }
        }
    }

    fn service_backend(
        &mut self,
        field: &str,
        service: &IngressServiceBackend,
    ) -> Option<BackendKey> {
        let IngressServiceBackend { name, port } = service;
        if !is_dns_label(name) {
            let field = format!("{field}.service.name");
            let (message, advice) = match &**name {
                "" => ("the Service's name is missing.".to_owned(), "Add it."),
                name => (format!("{name:?} is no name of a Service."), "Correct it."),
            };
            self.error("InvalidBackend", &field, &message, advice);
            return None;
        }
        let port = port.as_ref().and_then(|ServiceBackendPort { name, number }| {
            // An API server takes the empty name and the number 0 for none.
            match (name.as_deref().filter(|name| !name.is_empty()), number.unwrap_or_default()) {
                (None, number) => {
                    u16::try_from(number).ok().filter(|n| *n != 0).map(PortRef::Number)
                }
                (Some(name), 0) if is_port_name(name) => Some(PortRef::Name(name.into())),
                (Some(_), _) => None,
            }
        });
        let Some(port) = port else {
            self.error(
                "InvalidBackend",
                &format!("{field}.service.port"),
                "the port needs either a number from 1 to 65535 or a name.",
                "Write the number or the name of a port of the Service.",
            );
            return None;
        };
        let namespace = Arc::clone(&self.reference.namespace);
        let dial = self.settings.upstream.dial(&namespace, name);
        Some(BackendKey { namespace, service: name.as_str().into(), port, dial })
    }

    fn build_rule(
        &self,
        place: Place<'_>,
        path: &RoutePath,
        target: BackendTarget,
        refusal: Option<Refusal>,
    ) -> Arc<Rule> {
        let of_backend = (target == BackendTarget::Invalid).then_some(Refusal::NotSupported);
        Arc::new(Rule {
            origin: Origin {
                object: self.reference.clone(),
                rule: place.rule,
                path: place.path,
                position: self.provenance.map(|p| p.position(place.field)),
            },
            matches: vec![RequestMatch::path(path.to_match())],
            filters: Vec::new(),
            backends: vec![WeightedBackend::only(target)],
            policies: Policies { refusal: refusal.or(of_backend), ..Policies::default() },
        })
    }
}

/// Where a rule stands in its object.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// `None`: it is `spec.defaultBackend`.
    rule: Option<u32>,
    path: Option<u32>,
    field: &'a str,
}

/// Kubernetes `IsValidPortName`: what a port of a Service can be called.
fn is_port_name(name: &str) -> bool {
    is_dns_label(name)
        && name.len() <= 15
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.contains("--")
}

/// What requests may ask for of what is written; with the reason why an API server would refuse it,
/// for some of that has but one meaning.
fn host_pattern(host: &str) -> Result<(HostPattern, Option<HostNameError>), HostNameError> {
    match host.strip_prefix("*.") {
        Some(suffix) => {
            let pattern =
                HostPattern::Wildcard { suffix: HostName::new(suffix)?, depth: WildcardDepth::One };
            Ok((pattern, HostName::of_object(suffix).err()))
        }
        None if host.is_empty() => Ok((HostPattern::Any, None)),
        None => Ok((HostPattern::Exact(HostName::new(host)?), HostName::of_object(host).err())),
    }
}
