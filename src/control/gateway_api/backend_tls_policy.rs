//! `BackendTLSPolicy`: TLS between gateway and Service.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use serde::Deserialize;

use super::reference::LocalReference;
use super::resource::resource;

resource! {
    /// How a Service is spoken to by TLS.
    BackendTLSPolicy, BackendTlsPolicySpec, "backendtlspolicies", "v1", NamespaceResourceScope
}

/// `spec` of a BackendTLSPolicy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicySpec {
    /// Services.
    pub target_refs: Vec<PolicyTarget>,
    /// What is demanded of them.
    pub validation: BackendValidation,
    /// Of implementations; we have none.
    pub options: Option<BTreeMap<String, String>>,
}

/// What a policy is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// API group; empty: core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// A port of a Service, by name; `None`: all that no other policy names.
    pub section_name: Option<String>,
}

/// Who is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendValidation {
    /// ConfigMaps with CAs, in the policy's namespace.
    #[serde(default)]
    pub ca_certificate_refs: Vec<LocalReference>,
    /// `System`, in their place.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known: Option<String>,
    /// Name that is asked for, and verified where nothing else is named.
    pub hostname: String,
    /// Names of which one has to be in the certificate.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name in a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SubjectAltName {
    /// `Hostname` or `URI`.
    #[serde(rename = "type")]
    pub type_: String,
    /// DNS name.
    pub hostname: Option<String>,
    /// URI.
    pub uri: Option<String>,
}
