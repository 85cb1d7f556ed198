//! `GatewayClass`: who is responsible for which Gateways.

use k8s_openapi::ClusterResourceScope;
use serde::Deserialize;

use super::resource::resource;

resource! {
    /// Who is responsible for the Gateways of a class.
    GatewayClass, GatewayClassSpec, "gatewayclasses", "v1", ClusterResourceScope
}

/// `spec` of a GatewayClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Whose class it is, such as `example.com/gateway`.
    pub controller_name: String,
    /// For people.
    pub description: Option<String>,
    /// What configures the controller further.
    pub parameters_ref: Option<ParametersReference>,
}

/// An object that configures a controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ParametersReference {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// `None`: the object is of the cluster.
    pub namespace: Option<String>,
}
