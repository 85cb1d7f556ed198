//! `GRPCRoute`: calls of gRPC.

use k8s_openapi::NamespaceResourceScope;
use serde::Deserialize;

use super::http_route::{HeaderModifier, RequestMirror, SessionPersistence, ValueCondition};
use super::reference::{FilteredReference, LocalReference, ParentReference};
use super::resource::resource;

resource! {
    /// Calls of gRPC.
    GRPCRoute, GrpcRouteSpec, "grpcroutes", "v1", NamespaceResourceScope
}

/// `spec` of a GRPCRoute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteSpec {
    /// Where it is attached.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// Empty: those of the listeners.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// In order.
    #[serde(default)]
    pub rules: Vec<GrpcRule>,
    /// Experimental.
    pub use_default_gateways: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRule {
    /// For people, and for policies.
    pub name: Option<String>,
    /// Any of them; empty: every call.
    #[serde(default)]
    pub matches: Vec<GrpcMatch>,
    /// In order.
    #[serde(default)]
    pub filters: Vec<GrpcFilter>,
    /// By their shares.
    #[serde(default)]
    pub backend_refs: Vec<FilteredReference<GrpcFilter>>,
    /// Experimental.
    pub session_persistence: Option<SessionPersistence>,
}

/// Conditions that hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GrpcMatch {
    /// `None`: every method.
    pub method: Option<MethodCondition>,
    /// All of them.
    #[serde(default)]
    pub headers: Vec<ValueCondition>,
}

/// A condition on service and method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct MethodCondition {
    /// `Exact` or `RegularExpression`; `None`: Exact.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// `None`: every one.
    pub service: Option<String>,
    /// `None`: every one.
    pub method: Option<String>,
}

/// One step on the way: the field that belongs to `type`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcFilter {
    /// Such as `RequestHeaderModifier`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Of that type.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Of that type.
    pub response_header_modifier: Option<HeaderModifier>,
    /// Of that type.
    pub request_mirror: Option<RequestMirror>,
    /// Of that type.
    pub extension_ref: Option<LocalReference>,
}
