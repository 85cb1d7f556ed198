//! What a rule points at: a Service port, resolved to endpoints elsewhere.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A Service port as an object names it. Resolved to endpoints apart from the routes, so that a
/// rollout changes no rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey {
    /// Namespace of the Service.
    pub namespace: Arc<str>,
    /// Name of the Service.
    pub service: Arc<str>,
    /// As written in the rule.
    pub port: PortRef,
}

/// A Service port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortRef {
    /// `port.number`.
    Number(u16),
    /// `port.name`.
    Name(Arc<str>),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
}

/// A destination, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendTarget {
    /// Endpoints of a Service port; none at the moment: 503.
    Service(BackendKey),
    /// A reference that cannot be used (Gateway API `ResolvedRefs=False`): its share gets 500.
    Invalid,
}

/// The usable endpoints of one backend at one moment.
///
/// Sorted by address, no duplicates. Published apart from the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointSet {
    /// Addresses that may get new requests.
    pub addresses: Vec<SocketAddr>,
}
