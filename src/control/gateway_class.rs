//! `GatewayClass` of the Gateway API, which Kubernetes does not bring along.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, Metadata, Resource};
use serde::Deserialize;
use serde_json::Value;

/// Who is responsible for the Gateways of a class (`gateway.networking.k8s.io/v1`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClass {
    /// Absent in lists.
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    /// `metadata`.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// `spec`.
    pub spec: GatewayClassSpec,
    /// Written by the controller of the class.
    #[serde(default)]
    status: Option<Value>,
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

impl GatewayClass {
    /// Nothing but what is of use here.
    #[must_use]
    pub fn new(metadata: ObjectMeta, spec: GatewayClassSpec) -> Self {
        Self { metadata, spec, ..Self::default() }
    }
}

impl Resource for GatewayClass {
    const API_VERSION: &'static str = "gateway.networking.k8s.io/v1";
    const GROUP: &'static str = "gateway.networking.k8s.io";
    const KIND: &'static str = "GatewayClass";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "gatewayclasses";
    type Scope = ClusterResourceScope;
}

impl Metadata for GatewayClass {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
