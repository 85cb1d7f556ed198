//! How objects of the Gateway API name others.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The annotation by which its definitions say of which release they are.
pub const BUNDLE_VERSION: &str = "gateway.networking.k8s.io/bundle-version";

/// Where a route wants to be attached, or what a policy counts for; written to statuses as it was
/// read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// `None`: that of the Gateway API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `None`: Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `None`: that of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// A listener by name; `None`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Listeners by port; `None`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl fmt::Display for ParentReference {
    /// `Gateway shop/public, listener web, port 80` with absent parts left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group: _, kind, namespace, name, section_name, port } = self;
        write!(f, "{} ", kind.as_deref().unwrap_or("Gateway"))?;
        if let Some(namespace) = namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(name)?;
        if let Some(section) = section_name {
            write!(f, ", listener {section}")?;
        }
        port.map_or(Ok(()), |port| write!(f, ", port {port}"))
    }
}

/// An object in a namespace that may be another one, where a grant says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ObjectReference {
    /// `None`: core.
    pub group: Option<String>,
    /// `None`: Secret or Service, depending on who names it.
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// `None`: that of the object that names it.
    pub namespace: Option<String>,
}

/// An object in the namespace of the one that names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LocalReference {
    /// API group; empty: core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Where requests or connections go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct BackendReference {
    /// `None`: core.
    pub group: Option<String>,
    /// `None`: Service.
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// `None`: that of the route.
    pub namespace: Option<String>,
    /// Needed for a Service.
    pub port: Option<u16>,
}

/// The same, how much of all, and filters for what goes there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FilteredReference<F> {
    /// `None`: core.
    pub group: Option<String>,
    /// `None`: Service.
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// `None`: that of the route.
    pub namespace: Option<String>,
    /// Needed for a Service.
    pub port: Option<u16>,
    /// `None`: 1.
    pub weight: Option<u32>,
    /// In order.
    #[serde(default = "Vec::new")]
    pub filters: Vec<F>,
}

impl<F> FilteredReference<F> {
    /// What it names.
    #[must_use]
    pub fn backend(&self) -> BackendReference {
        let Self { group, kind, name, namespace, port, weight: _, filters: _ } = self;
        BackendReference {
            group: group.clone(),
            kind: kind.clone(),
            name: name.clone(),
            namespace: namespace.clone(),
            port: *port,
        }
    }
}

/// What stands where no field is: passed over, whatever it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "IgnoredAny")]
pub struct NoFilter;

impl From<IgnoredAny> for NoFilter {
    fn from(_: IgnoredAny) -> Self {
        Self
    }
}

/// The same, where nothing can be filtered.
pub type WeightedReference = FilteredReference<NoFilter>;
