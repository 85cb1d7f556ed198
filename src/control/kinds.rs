//! What the API says of each kind and what Ringway does with it: one row a kind.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};
use kube::{Api, Client};

use super::definition::CustomResourceDefinition;
use super::endpoint_slice::EndpointSlice;
use super::gateway_api::backend_tls_policy::BackendTLSPolicy;
use super::gateway_api::class::GatewayClass;
use super::gateway_api::gateway::{Gateway, ListenerSet};
use super::gateway_api::grpc_route::GRPCRoute;
use super::gateway_api::http_route::HTTPRoute;
use super::gateway_api::reference_grant::ReferenceGrant;
use super::gateway_api::stream_routes::{TCPRoute, TLSRoute, UDPRoute};
use crate::limits::{KUBE_PAGE_OBJECTS, KUBE_PAGE_SLICES};
use crate::model::Kind;

/// A row.
#[derive(Debug)]
pub struct KindInfo {
    /// Its place in [`KINDS`].
    pub kind: Kind,
    /// Such as `networking.k8s.io/v1`.
    pub api_version: &'static str,
    /// API group; empty: core.
    pub group: &'static str,
    /// Such as `ingresses`.
    pub plural: &'static str,
    /// Whether its objects are in namespaces.
    pub scope: KindScope,
    /// What is read of it from an API server.
    pub reading: Reading,
    /// What depends on it.
    pub need: Need,
    /// What its objects say about others.
    pub role: Role,
    /// What happens where it cannot be read: a clause.
    pub unread: &'static str,
    /// What happens where states of its objects cannot be written: a clause; empty: none are.
    pub unwritten: &'static str,
    /// What happens where it is not watched: a sentence.
    pub unseen: &'static str,
    /// What happens where those that others name cannot be read: a sentence.
    pub unnamed: &'static str,
    /// Objects of a page of a list.
    pub page: u32,
    /// Versions with the same fields, which manifests may name as well.
    pub same_versions: &'static [&'static str],
    /// Versions that Kubernetes itself no longer serves.
    pub old_versions: &'static [&'static str],
    /// Field whose values are base64, which a manifest may break into lines; empty: none.
    pub base64: &'static str,
}

/// Where objects of a kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindScope {
    /// Each in a namespace.
    Namespaced,
    /// In none.
    Cluster,
}

/// What is read of a kind from an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every object.
    Whole,
    /// Which objects exist; content only of those that others name.
    Named,
    /// Nothing.
    Nothing,
}

/// What depends on a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Everything: nothing is published before its objects were listed.
    Required,
    /// A part of what owners asked for.
    Wanted,
    /// Routing goes on without it.
    Optional,
    /// Nothing where the API server does not serve it, which is no fault: it is an extension.
    IfServed,
}

/// What objects of a kind say about others, for what is read of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Which of them are ours.
    Chooses,
    /// Which of them they need.
    Names,
    /// Nothing.
    Plain,
}

/// All kinds, in their order.
pub static KINDS: [KindInfo; Kind::ALL.len()] = [
    KindInfo {
        role: Role::Names,
        unread: "TLS to backends of Gateways is not set up",
        ..extension::<BackendTLSPolicy>(Kind::BackendTLSPolicy)
    },
    KindInfo {
        reading: Reading::Named,
        need: Need::Wanted,
        role: Role::Chooses,
        unread: "--configmap has no effect, and rules that need a ConfigMap get status 503",
        unnamed: "Rules of Ingresses that name them get status 503; settings stay as they were.",
        base64: "binaryData",
        ..row::<ConfigMap>(Kind::ConfigMap)
    },
    KindInfo {
        reading: Reading::Whole,
        need: Need::IfServed,
        unread: "no GatewayClass says whether the Gateway API that is installed is supported",
        ..row::<CustomResourceDefinition>(Kind::CustomResourceDefinition)
    },
    KindInfo {
        reading: Reading::Whole,
        need: Need::Required,
        unread: "no endpoint is found",
        page: KUBE_PAGE_SLICES,
        old_versions: &["discovery.k8s.io/v1beta1"],
        ..row::<EndpointSlice>(Kind::EndpointSlice)
    },
    KindInfo {
        unread: "nothing is routed by GRPCRoutes",
        ..extension::<GRPCRoute>(Kind::GRPCRoute)
    },
    KindInfo {
        role: Role::Names,
        unread: "nothing listens for Gateways",
        same_versions: BETA,
        ..extension::<Gateway>(Kind::Gateway)
    },
    KindInfo {
        role: Role::Chooses,
        unread: "no Gateway is ours",
        same_versions: BETA,
        ..extension::<GatewayClass>(Kind::GatewayClass)
    },
    KindInfo {
        unread: "nothing is routed by HTTPRoutes",
        same_versions: BETA,
        ..extension::<HTTPRoute>(Kind::HTTPRoute)
    },
    KindInfo {
        reading: Reading::Whole,
        need: Need::Required,
        role: Role::Names,
        unread: "nothing is routed",
        unwritten: "no Ingress shows its address (or use --update-status=false)",
        old_versions: &["networking.k8s.io/v1beta1", "extensions/v1beta1"],
        ..row::<Ingress>(Kind::Ingress)
    },
    KindInfo {
        reading: Reading::Whole,
        role: Role::Chooses,
        unread: "classes count by the name --ingress-class alone",
        unseen: "Ingresses are ours by the name of their class alone.",
        old_versions: &["networking.k8s.io/v1beta1"],
        ..row::<IngressClass>(Kind::IngressClass)
    },
    KindInfo {
        role: Role::Names,
        unread: "nothing listens for ListenerSets",
        ..extension::<ListenerSet>(Kind::ListenerSet)
    },
    KindInfo {
        reading: Reading::Whole,
        need: Need::IfServed,
        unread: "--watch-namespace-selector, and listeners that choose routes by labels of \
                 namespaces, select nothing",
        ..row::<Namespace>(Kind::Namespace)
    },
    KindInfo {
        unread: "no object of a Gateway may name one in another namespace",
        unwritten: "",
        same_versions: &["gateway.networking.k8s.io/v1"],
        ..extension::<ReferenceGrant>(Kind::ReferenceGrant)
    },
    KindInfo {
        reading: Reading::Named,
        need: Need::Wanted,
        unread: "no certificate is served but a self-signed one",
        unnamed: "Hosts of Ingresses that name them answer with the default certificate.",
        base64: "data",
        ..row::<Secret>(Kind::Secret)
    },
    KindInfo {
        reading: Reading::Whole,
        need: Need::Required,
        unread: "no backend is found",
        ..row::<Service>(Kind::Service)
    },
    KindInfo { unread: "nothing is relayed by TCPRoutes", ..extension::<TCPRoute>(Kind::TCPRoute) },
    KindInfo { unread: "nothing is relayed by TLSRoutes", ..extension::<TLSRoute>(Kind::TLSRoute) },
    KindInfo { unread: "nothing is relayed by UDPRoutes", ..extension::<UDPRoute>(Kind::UDPRoute) },
    row::<ValidatingWebhookConfiguration>(Kind::ValidatingWebhookConfiguration),
];

/// What a beta of the Gateway API had, which later releases serve as well.
const BETA: &[&str] = &["gateway.networking.k8s.io/v1beta1"];

/// What a cluster may be without.
const fn extension<K: Resource<Scope: Place>>(kind: Kind) -> KindInfo {
    KindInfo {
        reading: Reading::Whole,
        need: Need::IfServed,
        unwritten: "their owners are not told what became of them (or use --update-status=false)",
        ..row::<K>(kind)
    }
}

/// What the API itself says.
const fn row<K: Resource<Scope: Place>>(kind: Kind) -> KindInfo {
    KindInfo {
        kind,
        api_version: K::API_VERSION,
        group: K::GROUP,
        plural: K::URL_PATH_SEGMENT,
        scope: <K::Scope as Place>::SCOPE,
        reading: Reading::Nothing,
        need: Need::Optional,
        role: Role::Plain,
        unread: "",
        unwritten: "",
        unseen: "Their changes are not seen.",
        unnamed: "",
        page: KUBE_PAGE_OBJECTS,
        same_versions: &[],
        old_versions: &[],
        base64: "",
    }
}

/// The row of a kind.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "the test below shows that each kind has its place")]
pub fn info(kind: Kind) -> &'static KindInfo {
    &KINDS[kind as usize]
}

impl KindInfo {
    /// Rows of kinds that are read whole or by name from an API server.
    pub fn followed(scope: KindScope) -> impl Iterator<Item = &'static Self> {
        let is_followed = |info: &&Self| matches!(info.reading, Reading::Whole | Reading::Named);
        KINDS.iter().filter(move |info| info.scope == scope).filter(is_followed)
    }

    /// As `kubectl auth can-i` takes it: `ingresses.networking.k8s.io`.
    #[must_use]
    pub fn resource(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.plural, self.group)
    }
}

/// Whether objects are in namespaces, as a type.
pub trait Place: Sized {
    /// The same as a value.
    const SCOPE: KindScope;

    /// The objects of a namespace; `None`, and where there are no namespaces: all.
    fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = Self>;
}

impl Place for NamespaceResourceScope {
    const SCOPE: KindScope = KindScope::Namespaced;

    fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = Self>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }
}

impl Place for ClusterResourceScope {
    const SCOPE: KindScope = KindScope::Cluster;

    fn api<K>(client: Client, _none: Option<&str>) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = Self>,
    {
        Api::all(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        assert!(Kind::ALL.into_iter().all(|kind| info(kind).kind == kind));
        assert_eq!(info(Kind::Ingress).resource(), "ingresses.networking.k8s.io");
        assert_eq!(info(Kind::Secret).resource(), "secrets");
        let followed: Vec<_> = KindInfo::followed(KindScope::Namespaced).map(|i| i.kind).collect();
        let core =
            [Kind::ConfigMap, Kind::EndpointSlice, Kind::Ingress, Kind::Secret, Kind::Service];
        assert!(core.iter().all(|kind| followed.contains(kind)));
        assert!(!followed.contains(&Kind::IngressClass));
        let extensions = KINDS.iter().filter(|info| info.group == "gateway.networking.k8s.io");
        assert_eq!(extensions.filter(|info| info.need == Need::IfServed).count(), 10);
    }
}
