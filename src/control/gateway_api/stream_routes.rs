//! `TLSRoute`, `TCPRoute` and `UDPRoute`: what is relayed as it is.

use k8s_openapi::NamespaceResourceScope;
use serde::Deserialize;

use super::reference::{ParentReference, WeightedReference};
use super::resource::resource;

resource! {
    /// Connections by their server names.
    TLSRoute, TlsRouteSpec, "tlsroutes", "v1", NamespaceResourceScope
}

resource! {
    /// Connections.
    TCPRoute, StreamRouteSpec, "tcproutes", "v1", NamespaceResourceScope
}

resource! {
    /// Datagrams.
    UDPRoute, StreamRouteSpec, "udproutes", "v1", NamespaceResourceScope
}

/// `spec` of a TLSRoute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// Where it is attached.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// Server names.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// One.
    #[serde(default)]
    pub rules: Vec<StreamRule>,
    /// Experimental.
    pub use_default_gateways: Option<String>,
}

/// `spec` of a TCPRoute or UDPRoute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRouteSpec {
    /// Where it is attached.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// One.
    #[serde(default)]
    pub rules: Vec<StreamRule>,
    /// Experimental.
    pub use_default_gateways: Option<String>,
}

/// Where it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRule {
    /// For people.
    pub name: Option<String>,
    /// By their shares.
    #[serde(default)]
    pub backend_refs: Vec<WeightedReference>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// It would be read, and refused, for nothing.
    #[test]
    fn what_is_no_field_of_a_backend_is_passed_over() {
        let backend = json!({"name": "web", "port": 80, "filters": [{"type": "RequestMirror"}]});
        let rule: StreamRule = serde_json::from_value(json!({ "backendRefs": [backend] })).unwrap();
        assert_eq!(rule.backend_refs[0].backend().port, Some(80));
    }
}
