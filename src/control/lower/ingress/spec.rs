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
use crate::control::lower::claim::{Age, CertificateEntry, Certificates, Claim, Place, Route};
use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::options::{CatchAll, LowerOptions};
use crate::control::lower::path::{self, PathType, RawPath};
use crate::control::lower::regex_path;
use crate::control::lower::secrets::secret_ref;
use crate::control::lower::settings::Settings;
use crate::control::source::manifest::{is_dns_label, is_dns_subdomain};
use crate::control::source::object::Provenance;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::limits::{
    PATHS_PER_INGRESS_MAX, TLS_ENTRIES_PER_INGRESS_MAX, TLS_HOSTS_PER_INGRESS_MAX,
};
use crate::model::host::HostNameError;
use crate::model::{
    BackendKey, BackendTarget, HostName, HostPattern, ObjectRef, PortRef, Reason, WildcardDepth,
    reason,
};

/// The class, before `spec.ingressClassName` existed.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Whether `ingress` is ours.
#[must_use]
pub fn is_ours(ingress: &Ingress, classes: &Classes, options: &LowerOptions) -> bool {
    let is_left_alone = options.catch_all == CatchAll::Ignored
        && ingress.spec.as_ref().is_some_and(|spec| spec.default_backend.is_some());
    !is_left_alone && classes.is_ours(class_field(ingress), class_annotation(ingress), options)
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

/// Every Secret and ConfigMap that lowering `ingress` may read, ours or not. A name that no object
/// can have is left out: it is for the author to correct, and goes into no request.
#[must_use]
pub fn needs(reference: &ObjectRef, ingress: &Ingress, globals: &Globals) -> BTreeSet<ObjectRef> {
    let Ingress { metadata, spec, status: _ } = ingress;
    // Told when the Ingress is lowered.
    let mut report = Report::new(reference, None);
    let settings = annotations::read(reference, metadata, globals, &mut report);
    let entries = spec.iter().flat_map(|spec| spec.tls.iter().flatten());
    let of_entries = entries.take(TLS_ENTRIES_PER_INGRESS_MAX);
    let of_entries = of_entries.filter_map(|entry| tls_secret(reference, entry));
    let all = of_entries.chain(settings.needs.iter().cloned());
    all.filter(|secret| is_dns_subdomain(&secret.name)).collect()
}

/// Whether anything of an Ingress could serve a request; if not, its last good version stays.
pub(crate) fn is_usable(reference: &ObjectRef, ingress: &Arc<Ingress>, globals: &Globals) -> bool {
    let entry = Entry { object: Arc::clone(ingress), provenance: None };
    !lower(reference, &entry, globals).is_unusable
}

fn tls_secret(ingress: &ObjectRef, entry: &IngressTLS) -> Option<ObjectRef> {
    let name = entry.secret_name.as_deref().filter(|name| !name.is_empty())?;
    Some(secret_ref(&ingress.namespace, name))
}

/// Lowers one Ingress that is ours. Total: what cannot be used is a problem.
pub(crate) fn lower(reference: &ObjectRef, entry: &Entry<Ingress>, globals: &Globals) -> Claim {
    let Ingress { metadata, spec, status: _ } = &*entry.object;
    let provenance = entry.provenance.as_ref();
    let mut report = Report::new(reference, provenance);
    let settings = annotations::read(reference, metadata, globals, &mut report);
    let mut lowering = Lowering {
        reference,
        provenance,
        report,
        routes: BTreeMap::new(),
        fallback: None,
        uses: BTreeMap::new(),
        certificates: Certificates::default(),
        settings,
        paths: 0,
        tls_hosts: 0,
    };
    let created = lowering.metadata(metadata);
    match spec {
        Some(spec) => lowering.spec(spec, metadata),
        None => lowering.error(reason!("NoSpec"), "spec", "the Ingress has no spec.", "Add one."),
    }
    lowering.servers_of_hosts();
    let Lowering { report, mut routes, mut fallback, mut uses, mut certificates, settings, .. } =
        lowering;
    if settings.is_refused {
        (routes, fallback, uses) = (BTreeMap::new(), None, BTreeMap::new());
        certificates = Certificates::default();
    }
    let is_unusable = settings.is_refused || report.errors() > 0 && uses.is_empty();
    for (key, name) in settings.named_backends() {
        uses.entry(key.clone()).or_insert(Place::Annotation(name));
    }
    Claim {
        age: Age {
            created,
            namespace: Arc::clone(&reference.namespace),
            name: Arc::clone(&reference.name),
        },
        owner: reference.clone(),
        provenance: provenance.cloned(),
        is_unusable,
        problems: report.finish(),
        routes,
        fallback,
        uses,
        certificates,
        settings,
        newer_guards: None,
    }
}

struct Lowering<'a> {
    reference: &'a ObjectRef,
    provenance: Option<&'a Provenance>,
    report: Report<'a>,
    routes: BTreeMap<HostPattern, Vec<Route>>,
    fallback: Option<Route>,
    /// Empty: nothing leads to a Service.
    uses: BTreeMap<BackendKey, Place>,
    certificates: Certificates,
    settings: Arc<Settings>,
    paths: usize,
    tls_hosts: usize,
}

impl Lowering<'_> {
    fn error(&mut self, reason: Reason, field: &str, message: &str, advice: &str) {
        self.report.error(Finding {
            reason,
            field: field.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
        });
    }

    fn warning(&mut self, reason: Reason, field: &str, message: &str, advice: &str) {
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
        if let Some(finding) = foreign::annotations(annotations.iter().flatten()) {
            self.report.note(finding);
        }
        creation_timestamp.clone()
    }

    fn spec(&mut self, spec: &IngressSpec, metadata: &ObjectMeta) {
        let IngressSpec { default_backend, ingress_class_name, rules, tls } = spec;
        self.class(metadata, ingress_class_name.as_deref());
        let is_canary = self.settings.is_canary();
        let rules = rules.as_deref().unwrap_or_default();
        // The certificates of a canary are those of the main Ingress.
        for (index, entry) in tls.iter().flatten().filter(|_| !is_canary).enumerate() {
            if index >= TLS_ENTRIES_PER_INGRESS_MAX {
                let message =
                    format!("only the first {TLS_ENTRIES_PER_INGRESS_MAX} entries are used.");
                let field = format!("spec.tls[{index}]");
                self.error(reason!("TooManyTlsEntries"), &field, &message, "Split the Ingress.");
                break;
            }
            let entry = self.tls_entry(index, entry);
            self.certificates.push(entry);
        }
        let default = default_backend.as_ref().and_then(|backend| {
            let target = self.backend(Place::Default, backend)?;
            Some(Route { path: RawPath::root(), target, place: Place::Default })
        });
        if rules.is_empty() {
            self.no_redirect();
            match default {
                Some(route) => self.routes.entry(HostPattern::Any).or_default().push(route),
                None if default_backend.is_none() => self.error(
                    reason!("NoRules"),
                    "spec",
                    "the Ingress has neither rules nor a default backend.",
                    "Add one of them.",
                ),
                None => {}
            }
        } else {
            self.fallback = default.filter(|_| !is_canary);
        }
        for (index, rule) in rules.iter().enumerate() {
            self.rule(index, rule);
        }
    }

    /// As in ingress-nginx, where the requests of all hosts without rules would be redirected.
    fn no_redirect(&mut self) {
        if self.settings.policies.goto.is_some() {
            Arc::make_mut(&mut self.settings).policies.goto = None;
            let message = "an Ingress without rules redirects nobody; its requests are served.";
            let advice = "Write a rule with path / instead of a default backend.";
            self.warning(reason!("RedirectNotUsed"), "spec.defaultBackend", message, advice);
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
            Some(_) => self.error(reason!("ClassConflict"), &field, &message, advice),
            None => self.warning(reason!("ClassConflict"), &field, &message, advice),
        }
    }

    fn tls_entry(&mut self, index: usize, entry: &IngressTLS) -> CertificateEntry {
        let IngressTLS { hosts, secret_name: _ } = entry;
        let mut patterns = Vec::new();
        for (nth, host) in hosts.iter().flatten().enumerate() {
            self.tls_hosts = self.tls_hosts.saturating_add(1);
            if self.tls_hosts > TLS_HOSTS_PER_INGRESS_MAX {
                let message = format!("only the first {TLS_HOSTS_PER_INGRESS_MAX} hosts are used.");
                let field = format!("spec.tls[{index}].hosts[{nth}]");
                self.error(reason!("TooManyTlsHosts"), &field, &message, "Split the Ingress.");
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
                    self.error(reason!("InvalidHost"), &field, &message, advice);
                }
            }
        }
        CertificateEntry { hosts: patterns, secret: tls_secret(self.reference, entry) }
    }

    /// Notes the servers of external authentication that have the names of hosts.
    fn servers_of_hosts(&mut self) {
        let Some(server) = self.settings.auth_of_host else { return };
        let field = annotations::row::field("auth-url");
        for host in self.routes.keys() {
            if let Some(key) = server.of(host) {
                self.uses.entry(key).or_insert(Place::Annotation("auth-url"));
                continue;
            }
            self.report.error(Finding {
                reason: reason!("HostNotNamed"),
                field: field.clone(),
                message: format!(
                    "all requests to host {host} get status 503: clients choose its name, and \
                     with it the server that is asked about them."
                ),
                advice: "Name the server, or the host.".into(),
            });
        }
    }

    fn refused_host(&mut self, field: &str, refused: Option<HostNameError>) {
        if let Some(why) = refused {
            let message = format!("an API server refuses the host: {why}.");
            self.error(
                reason!("InvalidHost"),
                field,
                &message,
                "Write it as DNS has it, in lower case.",
            );
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
                return self.error(reason!("InvalidHost"), &field, &message, advice);
            }
        };
        self.routes.entry(pattern.clone()).or_default();
        let Some(HTTPIngressRuleValue { paths }) = http else { return };
        if paths.is_empty() {
            let field = format!("spec.rules[{index}].http.paths");
            let advice = "Add one, or leave http out.";
            return self.error(reason!("NoPaths"), &field, "the rule has no path.", advice);
        }
        for (nth, path) in paths.iter().enumerate() {
            self.paths = self.paths.saturating_add(1);
            if self.paths > PATHS_PER_INGRESS_MAX {
                let message = format!("only the first {PATHS_PER_INGRESS_MAX} paths are used.");
                let field = format!("spec.rules[{index}].http.paths[{nth}]");
                return self.error(reason!("TooManyPaths"), &field, &message, "Split the Ingress.");
            }
            if let Some(route) = self.path(index, nth, path) {
                self.routes.entry(pattern.clone()).or_default().push(route);
            }
        }
    }

    fn path(&mut self, rule: usize, nth: usize, path: &HTTPIngressPath) -> Option<Route> {
        let HTTPIngressPath { backend, path, path_type } = path;
        // Neither is beyond PATHS_PER_INGRESS_MAX or what an object holds.
        let place = Place::Path { rule: u32::try_from(rule).ok()?, path: u32::try_from(nth).ok()? };
        let path = self.raw_path(place, path.as_deref().unwrap_or_default(), path_type)?;
        let target = self.backend(place, backend)?;
        Some(Route { path, target, place })
    }

    fn raw_path(&mut self, place: Place, text: &str, path_type: &str) -> Option<RawPath> {
        let field = place.field();
        let (kind, text) = match (path_type, text) {
            ("Exact", text) => (PathType::Exact, text),
            ("Prefix", text) => (PathType::Prefix, text),
            ("ImplementationSpecific", "") => (PathType::ImplementationSpecific, "/"),
            ("ImplementationSpecific", text) => (PathType::ImplementationSpecific, text),
            (other, _) => {
                let message = match other {
                    "" => "pathType is missing.".to_owned(),
                    other => format!("{other:?} is not a pathType."),
                };
                let advice = "Write Exact, Prefix or ImplementationSpecific.";
                self.error(
                    reason!("InvalidPathType"),
                    &format!("{field}.pathType"),
                    &message,
                    advice,
                );
                return None;
            }
        };
        let path = RawPath::new(text, kind);
        if self.settings.is_canary() && path::check_octets(text).is_ok() {
            // The main Ingress says what it means.
            return Some(path);
        }
        let field = format!("{field}.path");
        self.usable_path(&field, &path).then_some(path)
    }

    /// Whether requests can have the path, by what is known of it before its host is: a path that
    /// looks like an expression may be one because another Ingress asks for that.
    fn usable_path(&mut self, field: &str, path: &RawPath) -> bool {
        let text = path.text();
        let is_expression = self.settings.asks_for_expressions(text);
        let checked = match is_expression || regex_path::looks_like_one(text) {
            true => path::check_octets(text),
            false => path::check(text),
        };
        if let Err(why) = checked {
            let message = format!("{text:?} cannot be used: {why}.");
            self.error(
                reason!("InvalidPath"),
                field,
                &message,
                "Write the path as requests have it.",
            );
            return false;
        }
        if is_expression {
            return true;
        }
        let is_lenient = path.kind() == PathType::ImplementationSpecific;
        if let Some(why) = path::refusal(text).filter(|_| !is_lenient) {
            let message = format!("an API server refuses {text:?}: {why}.");
            let advice = "Write a plain path, or pathType ImplementationSpecific.";
            self.error(reason!("InvalidPath"), field, &message, advice);
        } else if path::has_empty_element(text) {
            self.warning(
                reason!("EmptyPathElement"),
                field,
                "repeated slashes of requests are merged before they are matched: none has it.",
                "Write single slashes.",
            );
        }
        true
    }

    /// `None`: an API server would not have stored it. A reference that it would store and that we
    /// cannot use still takes its path, so that its requests do not reach another backend.
    fn backend(&mut self, place: Place, backend: &IngressBackend) -> Option<BackendTarget> {
        let IngressBackend { resource, service } = backend;
        let field = place.backend_field();
        match (service, resource) {
            (Some(service), None) => {
                let key = self.service_backend(&field, service)?;
                let http = self.used(key, place);
                let over_tls = self.settings.upstream.dial_over_tls(&http.namespace, &http.service);
                let Some(dial) = over_tls else { return Some(BackendTarget::Service(http)) };
                let https = self.used(BackendKey { dial, ..http.clone() }, place);
                Some(BackendTarget::AsClient { http, https: Box::new(https) })
            }
            (None, Some(resource)) if resource.kind.is_empty() || resource.name.is_empty() => {
                let field = format!("{field}.resource");
                let message = "the resource needs a kind and a name.";
                self.error(reason!("InvalidBackend"), &field, message, "Name a Service instead.");
                None
            }
            (None, Some(_)) => {
                self.error(
                    reason!("ResourceBackend"),
                    &format!("{field}.resource"),
                    "resource backends are not supported; requests get status 503.",
                    "Name a Service.",
                );
                Some(BackendTarget::Invalid)
            }
            (Some(_), Some(_)) => {
                let message = "a backend is either a Service or a resource.";
                self.error(reason!("InvalidBackend"), &field, message, "Remove one of them.");
                None
            }
            (None, None) => {
                self.error(
                    reason!("InvalidBackend"),
                    &field,
                    "the backend is empty.",
                    "Name a Service.",
                );
                None
            }
        }
    }

    /// Notes the backend; all paths share what its key is made of.
    fn used(&mut self, key: BackendKey, place: Place) -> BackendKey {
        let entry = self.uses.entry(key);
        let key = entry.key().clone();
        entry.or_insert(place);
        key
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
            self.error(reason!("InvalidBackend"), &field, &message, advice);
            return None;
        }
        let port = port.as_ref().and_then(|ServiceBackendPort { name, number }| {
            // An API server takes the empty name and the number 0 for none.
            match (name.as_deref().filter(|name| !name.is_empty()), number.unwrap_or_default()) {
                (None, number) => {
                    u16::try_from(number).ok().filter(|n| *n != 0).map(PortRef::Number)
                }
                (Some(name), 0) if is_port_name(name) => Some(PortRef::Name(name.into())),
                (Some(name), 0) => number_as_name(name).map(PortRef::Number),
                (Some(_), _) => None,
            }
        });
        let Some(port) = port else {
            self.error(
                reason!("InvalidBackend"),
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
}

/// Kubernetes `IsValidPortName`: what a port of a Service can be called.
fn is_port_name(name: &str) -> bool {
    is_dns_label(name)
        && name.len() <= 15
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.contains("--")
}

/// A number where a name belongs: an API server refuses it, ingress-nginx looks for the number.
fn number_as_name(name: &str) -> Option<u16> {
    name.parse().ok().filter(|number| *number != 0 && !name.starts_with('+'))
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
