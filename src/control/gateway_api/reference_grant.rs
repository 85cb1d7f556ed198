//! `ReferenceGrant`: who may name objects of a namespace from another one.

use k8s_openapi::NamespaceResourceScope;
use serde::Deserialize;

use super::resource::resource;

resource! {
    /// Consent of a namespace to being named. Every release serves this version; the fields of `v1`
    /// are the same.
    ReferenceGrant, ReferenceGrantSpec, "referencegrants", "v1beta1", NamespaceResourceScope
}

/// `spec` of a ReferenceGrant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ReferenceGrantSpec {
    /// Any of these may name
    pub from: Vec<GrantFrom>,
    /// any of these.
    pub to: Vec<GrantTo>,
}

/// Who may name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GrantFrom {
    /// API group; empty: core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
}

/// What may be named, in the grant's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GrantTo {
    /// API group; empty: core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// `None`: all.
    pub name: Option<String>,
}
