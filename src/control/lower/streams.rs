//! The ConfigMaps of TCP and UDP services: a line a port.
//!
//! Source: ingress-nginx, "Exposing TCP and UDP services".

use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::filter::Scheme;
use crate::model::{
    BackendKey, BackendTarget, Dial, EntryPoint, Introduced, Introduces, ObjectRef, PortRef,
    Problem, Reason, StreamPolicy, StreamService, StreamTerms, TransportProtocol, WeightedBackend,
    reason,
};

/// What services are spoken to by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    const fn scheme(self) -> Scheme {
        match self {
            Self::Tcp => Scheme::Tcp,
            Self::Udp => Scheme::Udp,
        }
    }

    const fn transport(self) -> TransportProtocol {
        match self {
            Self::Tcp => TransportProtocol::Tcp,
            Self::Udp => TransportProtocol::Udp,
        }
    }

    /// That names the ConfigMap.
    const fn flag(self) -> &'static str {
        match self {
            Self::Tcp => "--tcp-services-configmap",
            Self::Udp => "--udp-services-configmap",
        }
    }
}

/// A line that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Of the ConfigMap.
    pub field: String,
    pub backend: BackendKey,
    pub service: StreamService,
}

/// What the lines of a ConfigMap are read with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub protocol: Protocol,
    /// Entry points that flags name; services come in at the same addresses.
    pub ours: &'a [EntryPoint],
    /// How they are relayed.
    pub policy: StreamPolicy,
}

/// The lines of `map`, and what is wrong with it. One that cannot be understood stands for
/// nothing.
pub(super) fn read(
    reference: &ObjectRef,
    map: Option<&Entry<ConfigMap>>,
    reading: Reading<'_>,
) -> (Vec<Line>, Vec<Arc<Problem>>) {
    let mut report = Report::new(reference, map.and_then(|entry| entry.provenance.as_ref()));
    let Some(entry) = map else {
        report.warning(missing(reference, reading.protocol));
        return (Vec::new(), report.finish());
    };
    let ConfigMap { data, binary_data: _, immutable: _, metadata: _ } = &*entry.object;
    let mut lines = Vec::new();
    for (port, value) in data.iter().flatten() {
        let field = format!("data.{port}");
        match parse(port, value, reading) {
            Ok((backend, service)) => lines.push(Line { field, backend, service }),
            Err((reason, why)) => report.error(Finding {
                reason,
                field,
                message: format!("nothing listens on port {port:?} for {value:?}: {why}."),
                advice: "Write PORT: NAMESPACE/SERVICE:PORT, and behind that :PROXY if clients \
                         say who they are, and another :PROXY if the Service is to be told."
                    .into(),
            }),
        }
    }
    (lines, report.finish())
}

fn missing(reference: &ObjectRef, protocol: Protocol) -> Finding {
    let flag = protocol.flag();
    Finding {
        reason: reason!("ConfigMapMissing"),
        field: String::new(),
        message: format!(
            "there is no {reference}, which {flag} names: there are no such services."
        ),
        advice: "Create it, or leave the flag out.".into(),
    }
}

/// A line; or why it stands for nothing, as a word and as a part of a sentence.
fn parse(
    port: &str,
    value: &str,
    Reading { protocol, ours, policy }: Reading<'_>,
) -> Result<(BackendKey, StreamService), (Reason, String)> {
    const INVALID: Reason = reason!("InvalidService");
    let invalid = |why: &str| (INVALID, why.to_owned());
    let number = port.trim().parse().ok().filter(|port| *port > 0);
    let number: u16 = number.ok_or_else(|| invalid("it is no port"))?;
    let is_taken = |entry_point: &EntryPoint| entry_point.address.port() == number;
    if protocol == Protocol::Tcp && ours.iter().any(is_taken) {
        return Err((reason!("PortTaken"), "clients of Ingresses come in there".to_owned()));
    }
    let mut parts = value.trim().split(':');
    let (Some(name), Some(service_port)) = (parts.next(), parts.next()) else {
        return Err(invalid("it names no port of a Service"));
    };
    let Some((namespace, service)) = name.split_once('/') else {
        return Err(invalid("it names no Service with its namespace"));
    };
    if !is_name(namespace) || !is_name(service) {
        return Err(invalid("it names no Service with its namespace"));
    }
    let service_port = match service_port.parse() {
        Ok(0) => return Err(invalid("it names no port of a Service")),
        Ok(number) => PortRef::Number(number),
        Err(_) if is_name(service_port) => PortRef::Name(service_port.into()),
        Err(_) => return Err(invalid("it names no port of a Service")),
    };
    let mut has_proxy = || match parts.next() {
        None | Some("") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("PROXY") => Ok(true),
        Some(_) => Err(invalid("behind the port stands something else than PROXY")),
    };
    let (reads, writes) = (has_proxy()?, has_proxy()?);
    if protocol == Protocol::Udp && (reads || writes) {
        return Err(invalid("datagrams have no PROXY header"));
    }
    if parts.next().is_some() {
        return Err(invalid("there is more than PROXY:PROXY behind the port"));
    }
    let mut addresses: Vec<_> = ours.iter().map(|entry_point| entry_point.address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let scheme = protocol.scheme();
    let entry_point = |ip| EntryPoint { address: SocketAddr::new(ip, number), scheme };
    let backend = BackendKey {
        namespace: namespace.into(),
        service: service.into(),
        port: service_port,
        dial: Dial { transport: protocol.transport(), ..Dial::default() },
    };
    let service = StreamService {
        entry_points: addresses.into_iter().map(entry_point).collect(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(backend.clone()))],
        terms: StreamTerms {
            introduced: if reads { Introduced::ByHeader } else { Introduced::ByConnection },
            introduces: if writes { Introduces::Client } else { Introduces::Nobody },
            policy,
        },
    };
    Ok((backend, service))
}

/// Letters, digits and `-`: what names of namespaces, Services and ports are made of.
fn is_name(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line comes to: `entry points → namespace/service port, in, out`, or the reason and
    /// why not.
    fn line(protocol: Protocol, port: &str, value: &str) -> String {
        let entry_point = |address: &str, scheme| EntryPoint {
            address: address.parse().expect("an address"),
            scheme,
        };
        let ours = [
            entry_point("0.0.0.0:80", Scheme::Http),
            entry_point("[::]:80", Scheme::Http),
            entry_point("0.0.0.0:443", Scheme::Https),
        ];
        let reading = Reading { protocol, ours: &ours, policy: StreamPolicy::default() };
        match parse(port, value, reading) {
            Ok((backend, StreamService { entry_points, terms, .. })) => {
                let StreamTerms { introduced, introduces, policy: _ } = terms;
                let at: Vec<_> = entry_points.iter().map(ToString::to_string).collect();
                let BackendKey { namespace, service, port, dial: _ } = backend;
                format!(
                    "{} → {namespace}/{service} {port:?} {introduced:?} {introduces:?}",
                    at.join(" ")
                )
            }
            Err((reason, why)) => format!("{reason}: {why}"),
        }
    }

    #[test]
    fn a_line_is_a_service() {
        let at = |rest: &str| format!("tcp://0.0.0.0:9000 tcp://[::]:9000 → {rest}");
        let wrong = |why: &str| format!("InvalidService: {why}");
        let no_service = wrong("it names no Service with its namespace");
        let no_port = wrong("it names no port of a Service");
        let other = wrong("behind the port stands something else than PROXY");
        for (port, value, expected) in [
            ("9000", "a/b:80", at("a/b Number(80) ByConnection Nobody")),
            (" 9000", " a/b-c:sql ", at("a/b-c Name(\"sql\") ByConnection Nobody")),
            ("9000", "a/b:80:PROXY", at("a/b Number(80) ByHeader Nobody")),
            ("9000", "a/b:80::proxy", at("a/b Number(80) ByConnection Client")),
            ("9000", "a/b:80:PROXY:PROXY", at("a/b Number(80) ByHeader Client")),
            ("9000", "a/b:80::", at("a/b Number(80) ByConnection Nobody")),
            ("0", "a/b:80", wrong("it is no port")),
            ("65536", "a/b:80", wrong("it is no port")),
            ("http", "a/b:80", wrong("it is no port")),
            ("443", "a/b:80", "PortTaken: clients of Ingresses come in there".into()),
            ("9000", "", no_port.clone()),
            ("9000", "a/b", no_port.clone()),
            ("9000", "b:80", no_service.clone()),
            ("9000", "/b:80", no_service.clone()),
            ("9000", "a/B:80", no_service.clone()),
            ("9000", "a/b/c:80", no_service),
            ("9000", "a/b:0", no_port.clone()),
            ("9000", "a/b:", no_port.clone()),
            ("9000", "a/b:x y", no_port),
            ("9000", "a/b:80:TLS", other.clone()),
            ("9000", "a/b:80:PROXY:x", other),
            (
                "9000",
                "a/b:80:PROXY:PROXY:PROXY",
                wrong("there is more than PROXY:PROXY behind the port"),
            ),
        ] {
            assert_eq!(line(Protocol::Tcp, port, value), expected, "{port}: {value}");
        }
        // Of the other protocol the port is free.
        assert_eq!(
            line(Protocol::Udp, "443", "a/b:80"),
            "udp://0.0.0.0:443 udp://[::]:443 → a/b Number(80) ByConnection Nobody"
        );
        assert_eq!(
            line(Protocol::Udp, "53", "a/b:80::PROXY"),
            wrong("datagrams have no PROXY header")
        );
    }
}
