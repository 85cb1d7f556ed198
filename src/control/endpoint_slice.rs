//! `EndpointSlice` as it is kept: what routing reads of it, and no more room than that.

use k8s_openapi::api::discovery::v1::{
    Endpoint as WholeEndpoint, EndpointConditions, EndpointHints, EndpointPort,
    EndpointSlice as WholeSlice,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope, Resource};
use serde::Deserialize;

/// Endpoints of a Service (`discovery.k8s.io/v1`). They are by far the most of all that a cluster
/// consists of, and the API's own type takes ten times the room of an [`Endpoint`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "WholeSlice")]
pub struct EndpointSlice {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// `endpoints`.
    pub endpoints: Box<[Endpoint]>,
    /// `ports`.
    pub ports: Option<Box<[EndpointPort]>>,
}

/// A pod, as a slice has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoint {
    /// Of the slice's type, as written.
    pub addresses: Box<[Box<str>]>,
    /// `conditions`.
    pub conditions: Option<EndpointConditions>,
    /// Whom it is meant for.
    pub hints: Option<Box<EndpointHints>>,
}

impl From<WholeSlice> for EndpointSlice {
    fn from(slice: WholeSlice) -> Self {
        let WholeSlice { address_type, endpoints, metadata, ports } = slice;
        // `from_iter` of a vector would go on using its allocation, which grew by doubling.
        let mut kept = Vec::with_capacity(endpoints.len());
        kept.extend(endpoints.into_iter().map(Endpoint::from));
        let ports = ports.map(Vec::into_boxed_slice);
        Self { metadata, address_type, endpoints: kept.into_boxed_slice(), ports }
    }
}

impl From<WholeEndpoint> for Endpoint {
    fn from(endpoint: WholeEndpoint) -> Self {
        let WholeEndpoint { addresses, conditions, hints, .. } = endpoint;
        let mut kept = Vec::with_capacity(addresses.len());
        kept.extend(addresses.into_iter().map(String::into_boxed_str));
        Self { addresses: kept.into_boxed_slice(), conditions, hints: hints.map(Box::new) }
    }
}

impl Resource for EndpointSlice {
    const API_VERSION: &'static str = WholeSlice::API_VERSION;
    const GROUP: &'static str = WholeSlice::GROUP;
    const KIND: &'static str = WholeSlice::KIND;
    const VERSION: &'static str = WholeSlice::VERSION;
    const URL_PATH_SEGMENT: &'static str = WholeSlice::URL_PATH_SEGMENT;
    type Scope = NamespaceResourceScope;
}

impl Metadata for EndpointSlice {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
