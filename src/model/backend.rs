//! What a rule points at: a Service port, resolved to endpoints elsewhere.

use std::fmt;
use std::sync::Arc;

use crate::filter::{Edit, Redirect};

/// A Service port as an object names it. Resolved to endpoints apart from the routes, so that a
/// rollout changes no rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey {
    /// Namespace of the Service; empty: it is none, see [`Self::host`].
    pub namespace: Arc<str>,
    /// Name of the Service.
    pub service: Arc<str>,
    /// As written in the rule.
    pub port: PortRef,
    /// How the rule's owner wants it spoken to. Part of the key: connections of two ways are never
    /// in one pool. Last, and its default is the least: keys of a Service are next to each other.
    pub dial: Dial,
}

impl BackendKey {
    /// A host that is named as clients do it: a DNS name, perhaps that of a Service, or an address.
    #[must_use]
    pub fn host(name: &str, port: u16, dial: Dial) -> Self {
        // No object has an empty namespace.
        let (namespace, port) = (Arc::from(""), PortRef::Number(port));
        Self { namespace, service: name.into(), port, dial }
    }

    /// Name and port of a [`Self::host`]; `None`: it is a Service.
    #[must_use]
    pub fn as_host(&self) -> Option<(&Arc<str>, u16)> {
        match self.port {
            PortRef::Number(port) if self.namespace.is_empty() => Some((&self.service, port)),
            _ => None,
        }
    }
}

/// How to speak to a backend, as the object that names it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dial {
    /// `None`: as the Service port says (`appProtocol`).
    pub protocol: Option<BackendProtocol>,
    /// `None`: where TLS is spoken, nothing is verified and nothing shown. Always `None` for a
    /// `protocol` in clear text.
    pub tls: Option<Arc<DialTls>>,
    /// What of the Service is spoken to.
    pub reach: Reach,
    /// What carries it.
    pub transport: TransportProtocol,
}

/// What carries octets to a backend: `protocol` of a Service port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransportProtocol {
    /// Connections.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl TransportProtocol {
    /// As Kubernetes writes it; a port that says nothing is one of TCP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }

    /// Whether a port with this `protocol` is one of it.
    #[must_use]
    pub fn is_of(self, protocol: Option<&str>) -> bool {
        let said = protocol.filter(|said| !said.is_empty()).unwrap_or("TCP");
        said == self.as_str()
    }
}

/// What of a Service is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// Its endpoints.
    #[default]
    Endpoints,
    /// Its own address, whoever is behind it; where it has none, its endpoints.
    Service,
}

/// What a backend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendProtocol {
    /// HTTP/1.1 in clear text.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// gRPC: HTTP/2 in clear text.
    Grpc,
    /// gRPC over TLS: HTTP/2.
    Grpcs,
    /// HTTP/2 in clear text with prior knowledge (RFC 9113 section 3.3).
    H2c,
    /// Whatever it is, over TLS: no application protocol is offered.
    Tls,
}

impl BackendProtocol {
    /// HTTP/2, by prior knowledge or ALPN.
    #[must_use]
    pub const fn is_http2(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs | Self::H2c)
    }

    /// TLS below it.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs | Self::Tls)
    }
}

/// What to prove and to demand where TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialTls {
    /// Namespace and name of the Secret with client certificate and perhaps CA.
    pub secret: Option<(Arc<str>, Arc<str>)>,
    /// The backend's certificate must be issued by `authorities` and name `server_name`.
    pub verify: bool,
    /// Whose certificates are believed.
    pub authorities: DialAuthorities,
    /// Names of which the certificate must have one; `None`: `server_name`.
    pub names: Option<Arc<[CertificateName]>>,
    /// DNS name or address to verify and to send; `None`: the address of the endpoint, which is
    /// never sent (RFC 6066 section 3).
    pub server_name: Option<Arc<str>>,
    /// `server_name` goes into the ClientHello.
    pub sends_server_name: bool,
    /// Intermediate authorities that a verified chain may have; `None`:
    /// [`crate::limits::TLS_UPSTREAM_VERIFY_DEPTH`].
    pub depth: Option<u8>,
    /// The only version that is spoken; `None`: each that there is.
    pub version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 that are offered, by their numbers at IANA; `None`: all.
    pub suites: Option<Arc<[u16]>>,
}

/// Whose certificates are believed of a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DialAuthorities {
    /// Those of `ca.crt` in [`DialTls::secret`].
    #[default]
    Secret,
    /// Those of `ca.crt` in ConfigMaps of this namespace, by their names.
    ConfigMaps(Arc<str>, Arc<[Arc<str>]>),
    /// Those that the system believes.
    System,
}

/// A name in a certificate (RFC 5280 section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// A DNS name, which a wildcard of the certificate may stand for.
    Dns(Arc<str>),
    /// A URI as it is.
    Uri(Arc<str>),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A Service port by number, by name, or whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortRef {
    /// `port.number`.
    Number(u16),
    /// `port.name`.
    Name(Arc<str>),
    /// The first one that the Service has.
    First,
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
            Self::First => f.write_str("first"),
        }
    }
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, port)) = self.as_host() {
            return write!(f, "{name}:{port}");
        }
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)
    }
}

/// Where a share of a rule's requests goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedBackend {
    /// The destination.
    pub target: BackendTarget,
    /// Share of the rule's sum; 0: never.
    pub weight: u32,
    /// Behind those of the rule, in this order.
    pub edits: Vec<Edit>,
    /// What sessions call it, where the rule has any.
    pub tag: Option<Arc<str>>,
}

impl WeightedBackend {
    /// All of a rule's requests, as they are.
    #[must_use]
    pub fn only(target: BackendTarget) -> Self {
        Self { target, weight: 1, edits: Vec::new(), tag: None }
    }
}

/// A destination, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendTarget {
    /// Endpoints of a Service port; none at the moment: 503.
    Service(BackendKey),
    /// The same Service port, spoken to over TLS for those who came over TLS.
    AsClient {
        /// For those who came in clear text.
        http: BackendKey,
        /// For the others.
        https: Box<BackendKey>,
    },
    /// None is asked: they are sent elsewhere.
    Elsewhere(Arc<Redirect>),
    /// A reference that cannot be used (Gateway API `ResolvedRefs=False`): its share gets 500.
    Invalid,
    /// There is none, and no rule for the path either: as if none had matched, once all that holds
    /// for the whole host has let the request pass.
    Nobody,
}

impl BackendTarget {
    /// The backend, as it is spoken to in clear text if it depends; `None`: there is none.
    #[must_use]
    pub const fn key(&self) -> Option<&BackendKey> {
        match self {
            Self::Service(key) | Self::AsClient { http: key, https: _ } => Some(key),
            Self::Elsewhere(_) | Self::Invalid | Self::Nobody => None,
        }
    }

    /// As it is spoken to for who came over TLS, where that is another backend.
    #[must_use]
    pub fn key_over_tls(&self) -> Option<&BackendKey> {
        match self {
            Self::AsClient { http: _, https } => Some(https),
            Self::Service(_) | Self::Elsewhere(_) | Self::Invalid | Self::Nobody => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_dial_is_the_least() {
        let plain = Dial { protocol: Some(BackendProtocol::Http), ..Dial::default() };
        let tls = Dial { tls: Some(Arc::default()), ..Dial::default() };
        let service = Dial { reach: Reach::Service, ..Dial::default() };
        assert!([plain, tls, service].iter().all(|other| Dial::default() < *other));
    }
}
