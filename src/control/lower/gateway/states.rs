//! What objects show of what became of them, and what their authors are told.
//!
//! Pure: objects and what was decided in, conditions out. What is wrong with an object is a problem
//! as well, with the same words, for those who have no API server to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::addresses::Place;
use super::listeners::{Fault, Listener};
use super::meaning::Refused;
use super::parents::{Parent, Role};
use super::routes::Route;
use super::sites::Spot;
use crate::control::conditions::{
    ClassUse, Condition, Content, GatewayAddresses, GatewayService, ListenerStatus, ObjectStatus,
    ParentList, ParentStatus,
};
use crate::control::gateway_api::class::GatewayClass;
use crate::control::lower::options::OwnServices;
use crate::control::source::object::Provenance;
use crate::control::source::report::{Finding, Report};
use crate::model::{HostPattern, Kind, ObjectRef, Problem, Reason, WildcardDepth, reason};

const ACCEPTED: &str = "Accepted";
const CONFLICTED: &str = "Conflicted";
const INSECURE: &str = "InsecureFrontendValidationMode";
const PARTIALLY_INVALID: &str = "PartiallyInvalid";
const PROGRAMMED: &str = "Programmed";
const RESOLVED: &str = "ResolvedRefs";

/// What we do of what the Gateway API leaves open, sorted, [`INFRASTRUCTURE`] where flags have it
/// done. A GatewayClass tells it; nothing else decides what is claimed.
///
/// Source: `pkg/features` of the Gateway API 1.6, whose suite knows no other names.
pub(super) const FEATURES: &[&str] = &[
    "BackendTLSPolicy",
    "BackendTLSPolicySANValidation",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayBackendClientCertificate",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    INFRASTRUCTURE,
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetry",
    "HTTPRouteRetryBackendTimeout",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
    "UDPRoute",
];

/// Something is made for Gateways that has their labels and annotations.
const INFRASTRUCTURE: &str = "GatewayInfrastructurePropagation";

/// Why something is not open: a reason and a sentence.
pub type NotOpen = (&'static str, String);

/// Routes that listeners have, by the object of the listener and its place.
pub(super) type Counts = BTreeMap<(ObjectRef, usize), u32>;

/// Of a GatewayClass. `version`: see [`super::versions`].
pub(super) fn class(
    class: &GatewayClass,
    used: ClassUse,
    services: OwnServices,
    version: Option<Condition>,
) -> ObjectStatus {
    let accepted = match class.spec.parameters_ref {
        None => Condition::holds(ACCEPTED, "Accepted"),
        Some(_) => Condition::fails(
            ACCEPTED,
            "InvalidParameters",
            "There are no parameters of any kind; leave parametersRef out.",
        ),
    };
    let is_done = |name: &&str| *name != INFRASTRUCTURE || services == OwnServices::Made;
    let features = FEATURES.iter().copied().filter(is_done).collect();
    let generation = class.metadata.generation.unwrap_or_default();
    let conditions = std::iter::once(accepted).chain(version).collect();
    let content = Content::Class { conditions, features, used };
    ObjectStatus { generation, content }
}

/// What a Gateway or ListenerSet is told by, besides itself.
pub(super) struct Telling<'a> {
    pub counts: &'a Counts,
    /// Why the listeners at a site are not open.
    pub not_open: &'a dyn Fn(&Listener) -> Option<NotOpen>,
}

impl Telling<'_> {
    /// Of a Gateway. `sets`: ListenerSets that are attached and accepted.
    pub(super) fn gateway(
        &self,
        reference: &ObjectRef,
        parent: &Parent,
        sets: u32,
        service: Option<GatewayService>,
    ) -> ObjectStatus {
        let Parent { generation, listeners, .. } = parent;
        let (place, fault) = match &parent.role {
            Role::Gateway { place, fault } => (place, fault.as_ref()),
            Role::Set { .. } => (&Place::Shared, None),
        };
        let (refused, missing) = match place {
            Place::Refused(fault) => (Some(fault), None),
            Place::Missing(fault) => (None, Some(fault)),
            Place::Own(_) | Place::Shared => (None, None),
        };
        let accepted = match fault.or(refused) {
            Some(fault) => fails(ACCEPTED, fault),
            None => accepted(listeners),
        };
        let programmed = match (accepted.is_true(), missing) {
            (false, _) => Condition::fails(PROGRAMMED, "Invalid", accepted.message.clone()),
            (true, Some(fault)) => fails(PROGRAMMED, fault),
            (true, None) => self.programmed(listeners, sets),
        };
        let is_unresolved = listeners.iter().any(|listener| listener.unresolved.is_some());
        let resolved = match (parent.tls.client_certificate_fault(), is_unresolved) {
            (Some(fault), _) => fails(RESOLVED, fault),
            (None, false) => Condition::holds(RESOLVED, "ResolvedRefs"),
            (None, true) => Condition::fails(
                RESOLVED,
                "ListenersNotResolved",
                "Some listeners name what cannot be used; see their conditions.",
            ),
        };
        let addresses = match place {
            Place::Own(own) => GatewayAddresses::Own(own.clone()),
            Place::Shared if service.is_some() => GatewayAddresses::OfService,
            Place::Shared => GatewayAddresses::Published,
            Place::Refused(_) | Place::Missing(_) => GatewayAddresses::Own(Vec::new()),
        };
        let mut conditions = vec![accepted, programmed, resolved];
        if parent.tls.is_insecure {
            let insecure = Condition::holds(INSECURE, "ConfigurationChanged");
            let text = "Clients come in without a certificate, or with one that nobody believes.";
            conditions.push(Condition { message: text.into(), ..insecure });
        }
        let content = Content::Gateway {
            conditions,
            addresses,
            listeners: self.listeners(reference, listeners),
            listener_sets: sets,
            service: service.map(Arc::new),
        };
        ObjectStatus { generation: *generation, content }
    }

    /// Of a ListenerSet.
    pub(super) fn listener_set(&self, reference: &ObjectRef, parent: &Parent) -> ObjectStatus {
        let Parent { generation, listeners, role, .. } = parent;
        let fault = match role {
            Role::Set { fault } => fault.as_ref(),
            Role::Gateway { .. } => None,
        };
        let conditions = match fault {
            Some(fault) => vec![fails(ACCEPTED, fault), fails(PROGRAMMED, fault)],
            None if !listeners.iter().any(is_good) => {
                let text = "No listener can be used; see their conditions.";
                [ACCEPTED, PROGRAMMED]
                    .map(|name| Condition::fails(name, "ListenersNotValid", text))
                    .to_vec()
            }
            None => vec![Condition::holds(ACCEPTED, "Accepted"), self.programmed(listeners, 0)],
        };
        let listeners = match fault {
            Some(_) => Vec::new(),
            None => self.listeners(reference, listeners),
        };
        let content = Content::ListenerSet { conditions, listeners };
        ObjectStatus { generation: *generation, content }
    }

    /// Whether something of the listeners is open.
    fn programmed(&self, listeners: &[Listener], sets: u32) -> Condition {
        let served = || listeners.iter().filter(|listener| listener.is_served());
        let not_open: Vec<_> = served().filter_map(|listener| (self.not_open)(listener)).collect();
        match (served().count(), not_open.first()) {
            (0, _) if sets == 0 => {
                let text = "No listener can be served; see their conditions.";
                Condition::fails(PROGRAMMED, "Invalid", text)
            }
            (count, Some((reason, text))) if count == not_open.len() => {
                Condition::fails(PROGRAMMED, reason, text.clone())
            }
            _ => Condition::holds(PROGRAMMED, "Programmed"),
        }
    }

    fn listeners(&self, owner: &ObjectRef, listeners: &[Listener]) -> Vec<ListenerStatus> {
        let one = |(index, listener): (usize, &Listener)| {
            let attached = self.counts.get(&(owner.clone(), index)).copied().unwrap_or_default();
            ListenerStatus {
                name: listener.name.clone(),
                kinds: listener.kinds.clone(),
                attached,
                conditions: self.conditions(listener),
            }
        };
        listeners.iter().enumerate().map(one).collect()
    }

    fn conditions(&self, listener: &Listener) -> Vec<Condition> {
        let Listener { refused, unresolved, conflict, .. } = listener;
        let accepted = match refused {
            Some(fault) => fails(ACCEPTED, fault),
            None => Condition::holds(ACCEPTED, "Accepted"),
        };
        let resolved = match unresolved {
            Some(fault) => fails(RESOLVED, fault),
            None => Condition::holds(RESOLVED, "ResolvedRefs"),
        };
        let not_open = (self.not_open)(listener);
        let programmed = match (listener.is_served(), not_open) {
            (true, None) => Condition::holds(PROGRAMMED, "Programmed"),
            (true, Some((_, text))) => Condition::fails(PROGRAMMED, "Pending", text),
            (false, _) => {
                let reason = conflict.unwrap_or("Invalid");
                let why = refused.as_ref().or(unresolved.as_ref());
                let of_gateway = || "Its Gateway is not served; see its conditions.".to_owned();
                let text = why.map_or_else(of_gateway, |fault| fault.message.clone());
                Condition::fails(PROGRAMMED, reason, text)
            }
        };
        let mut conditions = vec![accepted, programmed, resolved];
        if let Some(reason) = conflict {
            conditions.push(Condition::holds(CONFLICTED, reason));
        }
        conditions
    }
}

/// Whether a listener counts for its object.
pub(super) fn is_good(listener: &Listener) -> bool {
    listener.refused.is_none() && (listener.is_served() || listener.unresolved.is_none())
}

/// The condition of a Gateway with such listeners.
fn accepted(listeners: &[Listener]) -> Condition {
    let good = listeners.iter().filter(|listener| listener.refused.is_none()).count();
    let text = "Some listeners cannot be used; see their conditions.";
    match (good, listeners.len()) {
        (good, all) if good == all => Condition::holds(ACCEPTED, "Accepted"),
        (0, _) => Condition::fails(ACCEPTED, "ListenersNotValid", text),
        _ => Condition { message: text.into(), ..Condition::holds(ACCEPTED, "ListenersNotValid") },
    }
}

fn fails(name: &'static str, fault: &Fault) -> Condition {
    Condition::fails(name, fault.reason, fault.message.clone())
}

/// What a route is told that gets nothing at a place because another one is older.
pub(super) fn lost(older: &ObjectRef, (site, host): &Spot) -> String {
    let host = match host {
        HostPattern::Any => String::new(),
        host => format!(" for {host}"),
    };
    let port = site.port;
    format!("{older} is older and has what comes in at port {port}{host}; remove one of both.")
}

/// A host that an Ingress has for itself where a route wants it.
pub(super) struct Overlap {
    pub ingress: ObjectRef,
    pub host: HostPattern,
    pub port: u16,
}

impl Overlap {
    /// What the route is told. `others`: further hosts and ports of it of which the same is true.
    pub(super) fn of_route(&self, others: usize) -> String {
        let Self { ingress, host, port } = self;
        let more = match others {
            0 => String::new(),
            others => format!(", and {others} more of its hosts and ports belong to Ingresses"),
        };
        let host = shown(host);
        format!(
            "{ingress} has all requests for {host} at port {port}{more}; name a host in one of \
             both."
        )
    }

    /// What the Ingress is told.
    pub(super) fn of_ingress(
        &self,
        route: &ObjectRef,
        provenance: Option<&Provenance>,
    ) -> Vec<Arc<Problem>> {
        let Self { ingress, host, port } = self;
        let mut report = Report::new(ingress, provenance);
        let host = shown(host);
        report.note(Finding {
            reason: reason!("Overshadows"),
            field: String::new(),
            message: format!("{route} wants {host} at port {port}, too, and gets none of it."),
            advice: "Name a host in one of both.".into(),
        });
        report.finish()
    }
}

fn shown(host: &HostPattern) -> String {
    match host {
        HostPattern::Any => "every other host".into(),
        // A route has those of more labels, too.
        HostPattern::Wildcard { depth: WildcardDepth::One, .. } => format!("{host} (one label)"),
        host => host.to_string(),
    }
}

/// Of a route. `lost`: what it does not get, all the same; `controller`: the name that we go by.
pub(super) fn route(route: &Route, lost: Option<&str>, controller: &Arc<str>) -> ObjectStatus {
    let resolved = match route.meaning().references.unresolved.first() {
        None => Condition::holds(RESOLVED, "ResolvedRefs"),
        Some(unresolved) => {
            let text = format!("{}: {}.", unresolved.field, unresolved.error);
            Condition::fails(RESOLVED, unresolved.error.reason(), text)
        }
    };
    let parents = route.attached.iter().map(|attached| {
        let accepted = match (&route.meaning().refused, &attached.listeners) {
            (_, Err(why)) => Condition::fails(ACCEPTED, why.reason, why.message.clone()),
            (Some(Refused { reason, field, message }), Ok(_)) => {
                Condition::fails(ACCEPTED, reason, format!("{field}: {message}"))
            }
            (None, Ok(_)) => {
                let message = lost.unwrap_or_default().to_owned();
                Condition { message, ..Condition::holds(ACCEPTED, "Accepted") }
            }
        };
        let mut conditions = vec![accepted, resolved.clone()];
        if let Some(text) = &route.meaning().partial {
            let partial = Condition::holds(PARTIALLY_INVALID, "UnsupportedValue");
            conditions.push(Condition { message: text.clone(), ..partial });
        }
        ParentStatus { parent: attached.parent.clone(), conditions }
    });
    let content = Content::Parents {
        list: ParentList::Parents,
        controller: Arc::clone(controller),
        parents: parents.collect(),
    };
    ObjectStatus { generation: route.generation, content }
}

/// What is wrong with a Gateway or ListenerSet.
pub(super) fn parent_problems(
    reference: &ObjectRef,
    parent: &Parent,
    telling: &Telling<'_>,
) -> Vec<Arc<Problem>> {
    let mut report = Report::new(reference, parent.provenance.as_ref());
    let whole = match &parent.role {
        Role::Gateway { place: Place::Refused(fault) | Place::Missing(fault), fault: None } => {
            Some(fault)
        }
        Role::Gateway { fault, .. } | Role::Set { fault } => fault.as_ref(),
    };
    if let Some(fault) = whole {
        report.error(finding(fault, &fault.field));
    }
    let is_gateway = matches!(parent.role, Role::Gateway { .. });
    if let Some(fault) = parent.tls.client_certificate_fault().filter(|_| is_gateway) {
        report.error(finding(fault, &fault.field));
    }
    // Several listeners may share one that is their Gateway's.
    let mut shared = BTreeSet::new();
    for (index, listener) in parent.listeners.iter().enumerate() {
        for fault in listener.refused.iter().chain(&listener.unresolved) {
            let Fault { field, .. } = fault;
            let dot = if field.is_empty() { "" } else { "." };
            match field.starts_with("spec.") {
                true if !shared.insert((fault.reason, field)) => {}
                true if is_gateway => report.error(finding(fault, field)),
                true => report.error(finding(fault, "spec.parentRef")),
                false => {
                    report.error(finding(fault, &format!("spec.listeners[{index}]{dot}{field}")));
                }
            }
        }
        if let Some((reason, message)) = (telling.not_open)(listener) {
            let fault = Fault::new(reason, "", message);
            report.error(finding(&fault, &format!("spec.listeners[{index}].port")));
        }
    }
    report.finish()
}

/// What is wrong with a policy that shows `status`. `wrong_target`: the reason why one of several
/// targets is none.
pub(super) fn policy_problems(
    reference: &ObjectRef,
    provenance: Option<&Provenance>,
    status: &ObjectStatus,
    wrong_target: Option<&'static str>,
) -> Vec<Arc<Problem>> {
    let mut report = Report::new(reference, provenance);
    // The same on each way to the Service.
    if let Content::Parents { parents, .. } = &status.content
        && let Some(parent) = parents.first()
    {
        for condition @ Condition { reason, message, .. } in &parent.conditions {
            if !message.is_empty() {
                // One that holds says what of the policy does not.
                let reason = wrong_target.filter(|_| condition.is_true()).unwrap_or(reason);
                let fault = Fault::new(reason, "", message.clone());
                report.error(finding(&fault, "spec"));
            }
        }
    }
    report.finish()
}

fn finding(fault: &Fault, field: &str) -> Finding {
    Finding {
        reason: Reason::of_condition(fault.reason),
        field: field.to_owned(),
        message: fault.message.clone(),
        advice: String::new(),
    }
}

/// What is wrong with a route. `lost`: as of [`route`].
pub(super) fn route_problems(
    reference: &ObjectRef,
    route: &Route,
    lost: Option<&str>,
) -> Vec<Arc<Problem>> {
    let mut report = Report::new(reference, route.provenance.as_ref());
    let say = |reason, field: &str, message: &str| Finding {
        reason: Reason::of_condition(reason),
        field: field.to_owned(),
        message: message.to_owned(),
        advice: String::new(),
    };
    for attached in &route.attached {
        if let Err(why) = &attached.listeners {
            let kind = attached.parent.kind.as_deref().unwrap_or(Kind::Gateway.name());
            let message = format!("{kind} {}: {}", attached.parent.name, why.message);
            report.error(say(why.reason, "spec.parentRefs", &message));
        }
    }
    if let Some(Refused { reason, field, message }) = &route.meaning().refused {
        report.error(say(reason, field, message));
    }
    if let Some(message) = lost {
        report.warning(say("Overshadowed", "spec.parentRefs", message));
    }
    for unresolved in &route.meaning().references.unresolved {
        let message = format!("{}.", unresolved.error);
        report.error(say(unresolved.error.reason(), &unresolved.field, &message));
    }
    let mut problems = report.finish();
    problems.extend(route.meaning().problems.iter().cloned());
    problems
}
