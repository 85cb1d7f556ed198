//! `Gateway` and `ListenerSet`: addresses, and what listens there.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::reference::{LocalReference, ObjectReference};
use super::resource::resource;

resource! {
    /// Addresses and listeners.
    Gateway, GatewaySpec, "gateways", "v1", NamespaceResourceScope
}

resource! {
    /// More listeners of a Gateway, by another owner.
    ListenerSet, ListenerSetSpec, "listenersets", "v1", NamespaceResourceScope
}

/// `spec` of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// GatewayClass.
    pub gateway_class_name: String,
    /// At most one of a name.
    #[serde(default)]
    pub listeners: Vec<ListenerSpec>,
    /// Empty: some address.
    #[serde(default)]
    pub addresses: Vec<AddressSpec>,
    /// What is made for the Gateway.
    pub infrastructure: Option<Infrastructure>,
    /// Who may add listeners.
    pub allowed_listeners: Option<AllowedListeners>,
    /// TLS that belongs to no listener.
    pub tls: Option<GatewayTls>,
    /// Whose routes are attached that name no Gateway; experimental.
    pub default_scope: Option<String>,
}

/// `spec` of a ListenerSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// The Gateway.
    pub parent_ref: SetParent,
    /// At most one of a name.
    #[serde(default)]
    pub listeners: Vec<ListenerSpec>,
}

/// The Gateway of a ListenerSet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SetParent {
    /// `None`: that of the Gateway API.
    pub group: Option<String>,
    /// `None`: Gateway.
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// `None`: that of the set.
    pub namespace: Option<String>,
}

/// One listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSpec {
    /// Name.
    pub name: String,
    /// `None` or empty: every host.
    pub hostname: Option<String>,
    /// Port.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP` or `UDP`.
    pub protocol: String,
    /// Needed for HTTPS and TLS.
    pub tls: Option<ListenerTls>,
    /// `None`: routes of the same namespace, of all kinds that the protocol has.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// `tls` of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// `Terminate` or `Passthrough`; `None`: Terminate.
    pub mode: Option<String>,
    /// Certificates.
    #[serde(default)]
    pub certificate_refs: Vec<ObjectReference>,
    /// Of implementations; we have none.
    pub options: Option<BTreeMap<String, String>>,
}

/// Which routes a listener takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AllowedRoutes {
    /// `None`: the same.
    pub namespaces: Option<AllowedNamespaces>,
    /// Empty: all of the protocol.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
}

/// Which namespaces.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AllowedNamespaces {
    /// `All`, `Same`, `Selector` or `None`.
    pub from: Option<String>,
    /// By labels of Namespaces, where `from` says so.
    pub selector: Option<LabelSelector>,
}

/// A kind of route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RouteGroupKind {
    /// `None`: that of the Gateway API.
    pub group: Option<String>,
    /// Kind.
    pub kind: String,
}

/// Which ListenerSets a Gateway takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AllowedListeners {
    /// `None`: none.
    pub namespaces: Option<AllowedNamespaces>,
}

/// An address that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AddressSpec {
    /// `IPAddress`, `Hostname` or one of an implementation; `None`: IPAddress.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// `None` or empty: any.
    pub value: Option<String>,
}

/// What objects that are made for a Gateway get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Their labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Their annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What configures them further.
    pub parameters_ref: Option<LocalReference>,
}

/// `tls` of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GatewayTls {
    /// Towards backends.
    pub backend: Option<BackendTls>,
    /// Towards clients.
    pub frontend: Option<FrontendTls>,
}

/// What backends are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTls {
    /// Secret with certificate and key.
    pub client_certificate_ref: Option<ObjectReference>,
}

/// What is asked of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTls {
    /// On all ports that have nothing of their own.
    pub default: FrontendTlsConfig,
    /// Ports that have.
    #[serde(default)]
    pub per_port: Vec<PortTls>,
}

/// The same on one port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PortTls {
    /// Port.
    pub port: u16,
    /// What is asked there.
    pub tls: FrontendTlsConfig,
}

/// What is asked of clients on a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FrontendTlsConfig {
    /// `None`: nothing.
    pub validation: Option<FrontendValidation>,
}

/// How certificates of clients are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendValidation {
    /// ConfigMaps with CAs.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectReference>,
    /// `AllowValidOnly` or `AllowInsecureFallback`; `None`: the first.
    pub mode: Option<String>,
}
