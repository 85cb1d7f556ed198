//! Objects as the API server sends them → what routing reads of them.
//!
//! Done before an object is kept: bookkeeping, status and what only the cluster's own components
//! read would be several times as large, and would make every status update look like a change.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceSpec};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::definition::CustomResourceDefinition;
use crate::control::endpoint_slice::EndpointSlice;
use crate::control::gateway_api::backend_tls_policy::BackendTLSPolicy;
use crate::control::gateway_api::class::GatewayClass;
use crate::control::gateway_api::gateway::{Gateway, ListenerSet};
use crate::control::gateway_api::grpc_route::GRPCRoute;
use crate::control::gateway_api::http_route::HTTPRoute;
use crate::control::gateway_api::reference::BUNDLE_VERSION;
use crate::control::gateway_api::reference_grant::ReferenceGrant;
use crate::control::gateway_api::stream_routes::{TCPRoute, TLSRoute, UDPRoute};
use crate::control::observed::{Address, Shown};

/// `kubectl apply` keeps the whole object in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only label that routing reads.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// What is kept of an object of a kind.
pub trait Trim: Sized {
    /// Without what nobody reads.
    fn trim(self) -> Self;

    /// What the status shows, which trimming takes away.
    fn take_shown(&mut self) -> Shown {
        Shown::Nothing
    }
}

impl Trim for Ingress {
    fn trim(self) -> Self {
        let Self { metadata, mut spec, status: _ } = self;
        spec.as_mut().map(shrink);
        Self { metadata: owned(metadata), spec, status: None }
    }

    fn take_shown(&mut self) -> Shown {
        let status = self.status.take();
        let shown = status.and_then(|status| status.load_balancer?.ingress).unwrap_or_default();
        Shown::Addresses(shown.iter().map(Address::from).collect())
    }
}

impl Trim for IngressClass {
    fn trim(self) -> Self {
        Self { metadata: owned(self.metadata), ..self }
    }
}

impl Trim for Service {
    fn trim(self) -> Self {
        let spec =
            self.spec.map(|ServiceSpec { mut ports, type_, external_name, cluster_ip, .. }| {
                ports.iter_mut().for_each(Vec::shrink_to_fit);
                ServiceSpec { ports, type_, external_name, cluster_ip, ..ServiceSpec::default() }
            });
        Self { metadata: identity(self.metadata), spec, status: None }
    }
}

impl Trim for EndpointSlice {
    fn trim(self) -> Self {
        let mut metadata = self.metadata;
        let labels = metadata.labels.take().map(|mut all| {
            all.retain(|name, _| name == SERVICE_LABEL);
            all
        });
        let labels = labels.filter(|all| !all.is_empty());
        // `endpoints.kubernetes.io/last-change-trigger-time` changes with every pod.
        let metadata = ObjectMeta { labels, ..identity(metadata) };
        Self { metadata, ..self }
    }
}

impl Trim for Secret {
    fn trim(self) -> Self {
        let Self { data, immutable: _, metadata, string_data: _, type_ } = self;
        Self { data, metadata: identity(metadata), type_, ..Self::default() }
    }
}

impl Trim for ConfigMap {
    fn trim(self) -> Self {
        Self { metadata: identity(self.metadata), ..self }
    }
}

impl Trim for CustomResourceDefinition {
    fn trim(self) -> Self {
        let mut metadata = self.metadata;
        let annotations = metadata.annotations.take().map(|mut all| {
            all.retain(|name, _| name == BUNDLE_VERSION);
            all
        });
        let annotations = annotations.filter(|all| !all.is_empty());
        Self { metadata: ObjectMeta { annotations, ..identity(metadata) } }
    }
}

impl Trim for Namespace {
    fn trim(mut self) -> Self {
        let labels = self.metadata.labels.take();
        let metadata = ObjectMeta { labels, ..identity(self.metadata) };
        Self { metadata, ..Self::default() }
    }
}

macro_rules! conditional {
    ($($kind:ident),+) => {
        $(
            impl Trim for $kind {
                fn trim(self) -> Self {
                    Self::new(owned(self.metadata), self.spec)
                }

                fn take_shown(&mut self) -> Shown {
                    let version = self.metadata.resource_version.clone().unwrap_or_default();
                    Shown::Status(self.take_status().unwrap_or_default().into(), version.into())
                }
            }
        )+
    };
}

// Kinds whose status is made of conditions.
conditional! {
    BackendTLSPolicy, GRPCRoute, Gateway, GatewayClass, HTTPRoute, ListenerSet, TCPRoute, TLSRoute,
    UDPRoute
}

impl Trim for ReferenceGrant {
    fn trim(self) -> Self {
        Self::new(identity(self.metadata), self.spec)
    }
}

/// Which object it is.
fn identity(metadata: ObjectMeta) -> ObjectMeta {
    let ObjectMeta { creation_timestamp, name, namespace, uid, .. } = metadata;
    ObjectMeta { creation_timestamp, name, namespace, uid, ..ObjectMeta::default() }
}

/// Which object it is, in which version of its `spec`, and what its owner says in annotations.
fn owned(mut metadata: ObjectMeta) -> ObjectMeta {
    let generation = metadata.generation;
    let annotations = metadata.annotations.take().map(|mut all| {
        all.remove(LAST_APPLIED);
        all
    });
    let annotations = annotations.filter(|all| !all.is_empty());
    ObjectMeta { annotations, generation, ..identity(metadata) }
}

/// Vectors that a decoder filled have room for three more elements at least.
fn shrink(spec: &mut IngressSpec) {
    let IngressSpec { default_backend: _, ingress_class_name: _, rules, tls } = spec;
    for rule in rules.iter_mut().flatten() {
        rule.http.iter_mut().for_each(|http| http.paths.shrink_to_fit());
    }
    for entry in tls.iter_mut().flatten() {
        entry.hosts.iter_mut().for_each(Vec::shrink_to_fit);
    }
    rules.iter_mut().for_each(Vec::shrink_to_fit);
    tls.iter_mut().for_each(Vec::shrink_to_fit);
}
