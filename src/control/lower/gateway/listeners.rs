//! Listeners of Gateways and ListenerSets: what each is by itself, and who of them are in each
//! other's way.

use std::collections::BTreeSet;

use super::grants::{Grants, Referrer, Unusable};
use super::hostnames;
use super::namespaces::{Admission, NoChoice};
use super::protocol::{Protocol, Transport};
use super::sites::Site;
use crate::control::gateway_api::gateway::{ListenerSpec, ListenerTls, RouteGroupKind};
use crate::control::gateway_api::reference::GROUP;
use crate::model::{HostPattern, Kind, ObjectRef, ServerTlsId};

/// Why something of a listener has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Of its condition.
    pub reason: &'static str,
    /// Within the listener, such as `tls.certificateRefs[0]`; empty: the whole. That of its object
    /// begins with `spec.`.
    pub field: String,
    /// What is wrong, and what to write.
    pub message: String,
}

impl Fault {
    pub(super) fn new(
        reason: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { reason, field: field.into(), message: message.into() }
    }
}

/// A listener.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listener {
    pub name: Box<str>,
    pub port: u16,
    /// `None`: one that we do not know.
    pub protocol: Option<Protocol>,
    pub hostname: HostPattern,
    /// Kinds of routes that it takes.
    pub kinds: Vec<Kind>,
    pub admission: Admission,
    /// Secrets that it may use, in order.
    pub certificates: Vec<ObjectRef>,
    /// Condition Accepted.
    pub refused: Option<Fault>,
    /// Condition ResolvedRefs.
    pub unresolved: Option<Fault>,
    /// Condition Conflicted: the reason.
    pub conflict: Option<&'static str>,
    /// Where it is; `None`: nowhere.
    pub site: Option<Site>,
    /// Settings of the certificate that is served; `None`: nobody answers handshakes, where they
    /// are ours.
    pub tls: Option<ServerTlsId>,
}

impl Listener {
    /// Reads the listener of an object.
    pub(super) fn read(spec: &ListenerSpec, owner: &ObjectRef, grants: &Grants) -> Self {
        let ListenerSpec { name, hostname, port, protocol: spoken, tls, allowed_routes } = spec;
        let (protocol, mut refused) = protocol(spoken, tls.as_ref());
        // Where nobody asks for a host, none is looked at.
        let hostname = hostname.as_deref().filter(|_| protocol.is_none_or(Protocol::has_hosts));
        let hostname = hostnames::pattern(hostname);
        if hostname.is_none() {
            let text = "It is no name of a host; write one such as shop.example or *.example.";
            refused.get_or_insert_with(|| Fault::new("UnsupportedValue", "hostname", text));
        }
        let allowed = allowed_routes.as_ref();
        let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
        let admission = Admission::of(namespaces, &owner.namespace, "Same");
        if let Err(NoChoice { field, advice }) = &admission {
            let field = format!("allowedRoutes.namespaces.{field}");
            refused.get_or_insert_with(|| Fault::new("UnsupportedValue", field, advice.clone()));
        }
        let wanted = allowed.map(|allowed| &*allowed.kinds).unwrap_or_default();
        let (kinds, wrong_kind) = kinds(protocol, wanted);
        let (certificates, wrong_secret) = match protocol.is_some_and(Protocol::ends_tls) {
            true => {
                let referrer = Referrer { kind: owner.kind, namespace: &owner.namespace };
                certificates(tls.as_ref(), referrer, grants)
            }
            false => (Vec::new(), None),
        };
        Self {
            name: name.as_str().into(),
            port: *port,
            // At no host it is in nobody's way.
            protocol: protocol.filter(|_| hostname.is_some()),
            hostname: hostname.unwrap_or(HostPattern::Any),
            kinds,
            admission: admission.unwrap_or(Admission::Nobody),
            certificates,
            refused,
            unresolved: wrong_kind.or(wrong_secret),
            conflict: None,
            site: None,
            tls: None,
        }
    }

    /// Whether routes get requests from it. If not, and it is somewhere, its hosts have no answer:
    /// they do not fall to a wider listener there.
    pub(super) fn is_served(&self) -> bool {
        let answers = self.tls.is_some() || !self.ends_tls();
        self.site.is_some() && self.refused.is_none() && answers
    }

    /// Whether connections are relayed to backends of routes.
    pub(super) fn relays(&self) -> bool {
        matches!(self.protocol, Some(Protocol::Passthrough | Protocol::Decrypted))
    }

    /// Whether handshakes are ours.
    pub(super) fn ends_tls(&self) -> bool {
        self.protocol.is_some_and(Protocol::ends_tls)
    }
}

/// What is spoken, and why it is not served. What is known counts for conflicts all the same.
fn protocol(spoken: &str, tls: Option<&ListenerTls>) -> (Option<Protocol>, Option<Fault>) {
    let mode = tls.and_then(|tls| tls.mode.as_deref()).unwrap_or("Terminate");
    let protocol = match (spoken, mode) {
        ("HTTP", _) => Protocol::Http,
        ("HTTPS", "Terminate") => Protocol::Https,
        ("TLS", "Passthrough") => Protocol::Passthrough,
        ("TLS", "Terminate") => Protocol::Decrypted,
        ("HTTPS" | "TLS", mode) => {
            let other = if spoken == "TLS" { "Passthrough or Terminate" } else { "Terminate" };
            let text = format!("{spoken} with mode {mode} is not possible; write mode: {other}.");
            return (None, Some(Fault::new("UnsupportedValue", "tls.mode", text)));
        }
        ("TCP", _) => Protocol::Tcp,
        ("UDP", _) => Protocol::Udp,
        (other, _) => {
            let text = format!(
                "The protocol {other} is not supported; write HTTP, HTTPS, TLS, TCP or UDP."
            );
            return (None, Some(Fault::new("UnsupportedProtocol", "protocol", text)));
        }
    };
    (Some(protocol), None)
}

/// The kinds that the listener takes, and what is wrong with those that it wants.
fn kinds(protocol: Option<Protocol>, wanted: &[RouteGroupKind]) -> (Vec<Kind>, Option<Fault>) {
    let Some(protocol) = protocol else { return (Vec::new(), None) };
    if wanted.is_empty() {
        return (protocol.kinds().collect(), None);
    }
    let of = |wanted: &RouteGroupKind| {
        let is_group = wanted.group.as_deref().unwrap_or(GROUP) == GROUP;
        protocol.kinds().find(|kind| is_group && kind.name() == wanted.kind)
    };
    let mut kinds: Vec<Kind> = wanted.iter().filter_map(of).collect();
    kinds.dedup();
    let fault = wanted.iter().position(|wanted| of(wanted).is_none()).map(|index| {
        let possible: Vec<_> = protocol.kinds().map(Kind::name).collect();
        let kind = wanted.get(index).map(|wanted| &*wanted.kind).unwrap_or_default();
        let possible = possible.join(" or ");
        let text = format!("It takes no routes of kind {kind}; write {possible}.");
        Fault::new("InvalidRouteKinds", format!("allowedRoutes.kinds[{index}]"), text)
    });
    (kinds, fault)
}

/// The Secrets that the listener may use, and what is wrong with the others.
fn certificates(
    tls: Option<&ListenerTls>,
    referrer: Referrer<'_>,
    grants: &Grants,
) -> (Vec<ObjectRef>, Option<Fault>) {
    let references = tls.map(|tls| &*tls.certificate_refs).unwrap_or_default();
    if references.is_empty() {
        let text = "It needs a certificate; name a Secret of type kubernetes.io/tls.";
        let fault = Fault::new("InvalidCertificateRef", "tls.certificateRefs", text);
        return (Vec::new(), Some(fault));
    }
    let mut fault = None;
    let mut certificates = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let (reason, text) = match grants.resolve(referrer, reference, Kind::Secret) {
            Ok(secret) => {
                certificates.push(secret);
                continue;
            }
            Err(Unusable::Kind(kind)) => ("InvalidCertificateRef", no_certificate(&kind)),
            Err(Unusable::NotPermitted(text)) => ("RefNotPermitted", text),
        };
        let field = format!("tls.certificateRefs[{index}]");
        fault.get_or_insert_with(|| Fault::new(reason, field, text));
    }
    (certificates, fault)
}

/// What is wrong with an object of a kind that holds none.
pub(super) fn no_certificate(kind: &str) -> String {
    format!("A {kind} is no certificate; name a Secret.")
}

/// Marks listeners that are in each other's way. `all`: those of one address, each with the rank of
/// its owner. Of two of one rank neither is served, of others the one of the lower rank is.
///
/// Source: Gateway API, "distinct" of `GatewaySpec.listeners`, and precedence of ListenerSets.
pub(super) fn mark_conflicts(all: &mut [(usize, &mut Listener)]) {
    all.sort_by_key(|(rank, _)| *rank);
    let mut conflicts = vec![None; all.len()];
    let mut beaten = BTreeSet::new();
    for (index, (rank, listener)) in all.iter().enumerate() {
        for (other_index, (other_rank, other)) in all.iter().enumerate().take(index) {
            let is_lost = |index| conflicts.get(index).is_some_and(Option::is_some);
            if is_lost(other_index) && other_rank < rank {
                continue;
            }
            // Who has lost to an owner that comes first takes nobody of its own along.
            let is_beaten = |index| beaten.contains(&index);
            if other_rank == rank && (is_beaten(index) || is_beaten(other_index)) {
                continue;
            }
            let Some(reason) = conflict(listener, other) else { continue };
            if other_rank < rank {
                beaten.insert(index);
            }
            let losers = if rank == other_rank { &[index, other_index][..] } else { &[index] };
            for loser in losers {
                if let Some(slot) = conflicts.get_mut(*loser) {
                    *slot = slot.or(Some(reason));
                }
            }
        }
    }
    for ((_, listener), conflict) in all.iter_mut().zip(conflicts) {
        listener.conflict = conflict;
        if let Some(reason) = conflict {
            let has_hosts = listener.protocol.is_none_or(Protocol::has_hosts);
            let (field, text) = match reason {
                "ProtocolConflict" if has_hosts => {
                    ("protocol", "of another protocol has the same port")
                }
                "ProtocolConflict" => ("port", "has the same port"),
                _ => ("hostname", "has the same port and hostname"),
            };
            let text = format!("Another listener {text}; change one of them.");
            listener.refused = Some(Fault::new(reason, field, text));
        }
    }
}

fn conflict(one: &Listener, other: &Listener) -> Option<&'static str> {
    let (Some(protocol), Some(other_protocol)) = (one.protocol, other.protocol) else {
        return None;
    };
    let (transport, others) = (protocol.transport(), other_protocol.transport());
    if one.port != other.port || transport.is_datagrams() != others.is_datagrams() {
        return None;
    }
    match transport {
        _ if transport != others => Some("ProtocolConflict"),
        Transport::Http | Transport::Tls => {
            (one.hostname == other.hostname).then_some("HostnameConflict")
        }
        Transport::Tcp | Transport::Udp => Some("ProtocolConflict"),
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner() -> ObjectRef {
        ObjectRef { kind: Kind::Gateway, namespace: "edge".into(), name: "g".into() }
    }

    fn read(value: serde_json::Value) -> Listener {
        let spec: ListenerSpec = serde_json::from_value(value).expect("a listener");
        Listener::read(&spec, &owner(), &Grants::default())
    }

    #[test]
    fn what_is_wrong_with_a_listener_is_said_in_its_condition() {
        let secret = json!([{"name": "tls"}]);
        for (value, refused, unresolved, kinds) in [
            (json!({"protocol": "HTTP"}), None, None, 1),
            (json!({"protocol": "HTTPS", "tls": {"certificateRefs": secret}}), None, None, 1),
            (json!({"protocol": "INVALID"}), Some("UnsupportedProtocol"), None, 0),
            (json!({"protocol": "TCP", "hostname": "a b"}), None, None, 0),
            (json!({"protocol": "TLS"}), None, Some("InvalidCertificateRef"), 0),
            (json!({"protocol": "TLS", "tls": {"certificateRefs": secret}}), None, None, 0),
            (json!({"protocol": "TLS", "tls": {"mode": "Passthrough"}}), None, None, 0),
            (json!({"protocol": "TLS", "tls": {"mode": "X"}}), Some("UnsupportedValue"), None, 0),
            (json!({"protocol": "HTTP", "hostname": "a b"}), Some("UnsupportedValue"), None, 1),
            (
                json!({"protocol": "HTTPS", "tls": {"mode": "Passthrough"}}),
                Some("UnsupportedValue"),
                None,
                0,
            ),
            (json!({"protocol": "HTTPS"}), None, Some("InvalidCertificateRef"), 1),
            (
                json!({"protocol": "HTTPS",
                       "tls": {"certificateRefs": [{"name": "a", "kind": "ConfigMap"}]}}),
                None,
                Some("InvalidCertificateRef"),
                1,
            ),
            (
                json!({"protocol": "HTTPS",
                       "tls": {"certificateRefs": [{"name": "a", "namespace": "other"}]}}),
                None,
                Some("RefNotPermitted"),
                1,
            ),
            (
                json!({"protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "X"}]}}),
                None,
                Some("InvalidRouteKinds"),
                0,
            ),
            (
                json!({"protocol": "HTTP", "allowedRoutes":
                       {"kinds": [{"kind": "X"}, {"kind": "HTTPRoute"}]}}),
                None,
                Some("InvalidRouteKinds"),
                1,
            ),
            (
                json!({"protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Some"}}}),
                Some("UnsupportedValue"),
                None,
                1,
            ),
        ] {
            let mut full = json!({"name": "l", "port": 80});
            for (key, value) in value.as_object().expect("fields") {
                full[key] = value.clone();
            }
            let listener = read(full);
            let reason = |fault: &Option<Fault>| fault.as_ref().map(|fault| fault.reason);
            assert_eq!(reason(&listener.refused), refused, "{value}");
            assert_eq!(reason(&listener.unresolved), unresolved, "{value}");
            let has_http = listener.kinds.contains(&Kind::HTTPRoute);
            assert_eq!(usize::from(has_http), kinds, "{value}");
        }
    }

    #[test]
    fn listeners_that_cannot_be_told_apart_are_marked() {
        const HOSTNAME: Option<&str> = Some("HostnameConflict");
        const PROTOCOL: Option<&str> = Some("ProtocolConflict");
        let listener = |protocol: Protocol, port, host: &str| Listener {
            port,
            protocol: Some(protocol),
            hostname: hostnames::pattern(Some(host)).expect("a name"),
            ..read(json!({"name": "l", "port": 80, "protocol": "HTTP"}))
        };
        use Protocol::{Decrypted, Http, Https, Passthrough, Tcp, Udp};
        for (listeners, expected) in [
            (vec![(0, Http, 80, "a"), (0, Http, 80, "b")], vec![None, None]),
            (vec![(0, Http, 80, "a"), (0, Http, 81, "a")], vec![None, None]),
            (vec![(0, Http, 80, "a"), (0, Http, 80, "a")], vec![HOSTNAME, HOSTNAME]),
            (vec![(0, Http, 80, "a"), (1, Http, 80, "a")], vec![None, HOSTNAME]),
            (
                vec![(0, Http, 80, ""), (1, Http, 80, ""), (2, Http, 80, "")],
                vec![None, HOSTNAME, HOSTNAME],
            ),
            (vec![(0, Https, 443, "a"), (0, Passthrough, 443, "b")], vec![None, None]),
            (vec![(0, Https, 443, "a"), (0, Passthrough, 443, "a")], vec![HOSTNAME, HOSTNAME]),
            (
                vec![(0, Https, 443, "a"), (0, Passthrough, 443, "b"), (0, Decrypted, 443, "c")],
                vec![None, None, None],
            ),
            (vec![(0, Decrypted, 443, "a"), (0, Passthrough, 443, "a")], vec![HOSTNAME, HOSTNAME]),
            (vec![(0, Decrypted, 443, "a"), (0, Tcp, 443, "")], vec![PROTOCOL, PROTOCOL]),
            (vec![(0, Http, 80, "a"), (0, Https, 80, "b")], vec![PROTOCOL, PROTOCOL]),
            (vec![(0, Http, 80, "a"), (1, Tcp, 80, "")], vec![None, PROTOCOL]),
            (vec![(0, Tcp, 80, ""), (0, Udp, 80, "")], vec![None, None]),
            (vec![(0, Tcp, 80, ""), (0, Tcp, 80, "")], vec![PROTOCOL, PROTOCOL]),
            (
                vec![(0, Http, 80, "a"), (1, Http, 80, "b"), (1, Tcp, 80, "")],
                vec![None, None, PROTOCOL],
            ),
            // Who has lost takes nobody else along.
            (
                vec![(0, Http, 80, "a"), (1, Tcp, 80, ""), (2, Http, 80, "b")],
                vec![None, PROTOCOL, None],
            ),
        ] {
            let mut all: Vec<_> = listeners
                .iter()
                .map(|(rank, protocol, port, host)| (*rank, listener(*protocol, *port, host)))
                .collect();
            let mut ranked: Vec<_> = all.iter_mut().map(|(rank, l)| (*rank, l)).collect();
            mark_conflicts(&mut ranked);
            let found: Vec<_> = all.iter().map(|(_, listener)| listener.conflict).collect();
            assert_eq!(found, expected, "{listeners:?}");
        }
    }
}
