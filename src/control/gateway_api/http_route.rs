//! `HTTPRoute`: requests of HTTP.

use k8s_openapi::NamespaceResourceScope;
use serde::Deserialize;

use super::reference::{BackendReference, FilteredReference, LocalReference, ParentReference};
use super::resource::resource;

resource! {
    /// Requests of HTTP.
    HTTPRoute, HttpRouteSpec, "httproutes", "v1", NamespaceResourceScope
}

/// `spec` of an HTTPRoute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// Where it is attached.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// Empty: those of the listeners.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// In order.
    #[serde(default)]
    pub rules: Vec<HttpRule>,
    /// Experimental.
    pub use_default_gateways: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRule {
    /// For people, and for policies.
    pub name: Option<String>,
    /// Any of them; empty: prefix `/`.
    #[serde(default)]
    pub matches: Vec<HttpMatch>,
    /// In order.
    #[serde(default)]
    pub filters: Vec<HttpFilter>,
    /// By their shares.
    #[serde(default)]
    pub backend_refs: Vec<FilteredReference<HttpFilter>>,
    /// Deadlines.
    pub timeouts: Option<HttpTimeouts>,
    /// Experimental.
    pub retry: Option<HttpRetry>,
    /// Experimental.
    pub session_persistence: Option<SessionPersistence>,
}

/// Conditions that hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// `None`: prefix `/`.
    pub path: Option<PathCondition>,
    /// All of them; the first of a name counts.
    #[serde(default)]
    pub headers: Vec<ValueCondition>,
    /// The same.
    #[serde(default)]
    pub query_params: Vec<ValueCondition>,
    /// Exact.
    pub method: Option<String>,
}

/// A condition on the path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PathCondition {
    /// `Exact`, `PathPrefix` or `RegularExpression`; `None`: PathPrefix.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// `None`: `/`.
    pub value: Option<String>,
}

/// A condition on what a name has for a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ValueCondition {
    /// `Exact` or `RegularExpression`; `None`: Exact.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Of the field or parameter.
    pub name: String,
    /// Value or expression.
    pub value: String,
}

/// One step on the way: the field that belongs to `type`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpFilter {
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
    pub request_redirect: Option<RequestRedirect>,
    /// Of type URLRewrite.
    pub url_rewrite: Option<UrlRewrite>,
    /// Of type CORS.
    pub cors: Option<CorsFilter>,
    /// Of that type; experimental.
    pub external_auth: Option<ExternalAuthFilter>,
    /// Of that type.
    pub extension_ref: Option<LocalReference>,
}

/// Changes of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HeaderModifier {
    /// In place of those there are.
    #[serde(default)]
    pub set: Vec<Header>,
    /// Besides.
    #[serde(default)]
    pub add: Vec<Header>,
    /// Away with them.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Copies of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// Who gets them.
    pub backend_ref: BackendReference,
    /// How many of a hundred.
    pub percent: Option<u32>,
    /// The same, finer.
    pub fraction: Option<Fraction>,
}

/// A part of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Fraction {
    /// So many
    pub numerator: u32,
    /// of these; `None`: 100.
    pub denominator: Option<u32>,
}

/// Sends clients elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `None`: that of the request.
    pub scheme: Option<String>,
    /// `None`: that of the request.
    pub hostname: Option<String>,
    /// `None`: that of the request.
    pub path: Option<PathModifier>,
    /// `None`: that of the scheme, else of the listener.
    pub port: Option<u16>,
    /// `None`: 302.
    pub status_code: Option<u16>,
}

/// Another path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// `ReplaceFullPath` or `ReplacePrefixMatch`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Of that type.
    pub replace_full_path: Option<String>,
    /// Of that type.
    pub replace_prefix_match: Option<String>,
}

/// What backends are asked for instead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct UrlRewrite {
    /// Host.
    pub hostname: Option<String>,
    /// Path.
    pub path: Option<PathModifier>,
}

/// What scripts of other origins may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsFilter {
    /// Origins.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// `None`: false.
    pub allow_credentials: Option<bool>,
    /// Methods.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Fields of requests.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Fields of responses.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Seconds; `None`: 5.
    pub max_age: Option<u32>,
}

/// Another server that says who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthFilter {
    /// `HTTP` or `GRPC`.
    pub protocol: String,
    /// Who.
    pub backend_ref: BackendReference,
    /// Of that protocol.
    pub grpc: Option<GrpcAuth>,
    /// Of that protocol.
    pub http: Option<HttpAuth>,
    /// How much of the body it gets.
    pub forward_body: Option<ForwardBody>,
}

/// How a server of gRPC is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcAuth {
    /// Fields that it gets.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
}

/// How a server of HTTP is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpAuth {
    /// In front of the request's path.
    pub path: Option<String>,
    /// Fields that it gets.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
    /// Fields of its answer that the backend gets.
    #[serde(default)]
    pub allowed_response_headers: Vec<String>,
}

/// How much of the body is sent along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardBody {
    /// Octets.
    pub max_size: Option<u32>,
}

/// Deadlines, as durations of the Gateway API (GEP-2257).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTimeouts {
    /// Of the whole.
    pub request: Option<String>,
    /// Of each attempt.
    pub backend_request: Option<String>,
}

/// When an attempt is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HttpRetry {
    /// Statuses.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// Repetitions.
    pub attempts: Option<u32>,
    /// Least pause.
    pub backoff: Option<String>,
}

/// Clients that stay with an endpoint: the fields of release 1.6, and those that replaced them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionPersistence {
    /// Of the cookie or field.
    pub session_name: Option<String>,
    /// Longest life.
    pub absolute_timeout: Option<String>,
    /// Longest silence.
    pub idle_timeout: Option<String>,
    /// `Cookie` or `Header`; `None`: Cookie.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Of release 1.6.
    pub cookie_config: Option<CookieConfig>,
    /// Of later ones.
    pub cookie: Option<CookieConfig>,
    /// Of later ones.
    pub header: Option<NamedHeader>,
}

/// A cookie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CookieConfig {
    /// `Session` or `Permanent`; `None`: Session.
    pub lifetime_type: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// `None`: `/`.
    pub path: Option<String>,
}

/// A field by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct NamedHeader {
    /// Name.
    pub name: Option<String>,
}
