//! What a source gives: objects of the kinds that the store holds, and their changes.

use std::fmt::{self, Debug};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;

use super::trim::Trim;
use super::yaml::Positions;
use crate::control::definition::CustomResourceDefinition;
use crate::control::endpoint_slice::EndpointSlice;
use crate::control::gateway_api::backend_tls_policy::BackendTLSPolicy;
use crate::control::gateway_api::class::GatewayClass;
use crate::control::gateway_api::gateway::{Gateway, ListenerSet};
use crate::control::gateway_api::grpc_route::GRPCRoute;
use crate::control::gateway_api::http_route::HTTPRoute;
use crate::control::gateway_api::reference_grant::ReferenceGrant;
use crate::control::gateway_api::stream_routes::{TCPRoute, TLSRoute, UDPRoute};
use crate::control::kinds::Place;
use crate::model::{Kind, ObjectRef, Problem, SourcePosition};

/// Hands the kinds that the store holds to a macro: the kind, which its type is named after, and
/// its field in the store.
macro_rules! stored_kinds {
    ($make:ident) => {
        $make! {
            BackendTLSPolicy(backend_tls_policies),
            ConfigMap(config_maps),
            CustomResourceDefinition(definitions),
            EndpointSlice(endpoint_slices),
            GRPCRoute(grpc_routes),
            Gateway(gateways),
            GatewayClass(gateway_classes),
            HTTPRoute(http_routes),
            Ingress(ingresses),
            IngressClass(ingress_classes),
            ListenerSet(listener_sets),
            Namespace(namespaces),
            ReferenceGrant(reference_grants),
            Secret(secrets),
            Service(services),
            TCPRoute(tcp_routes),
            TLSRoute(tls_routes),
            UDPRoute(udp_routes),
        }
    };
}
pub(crate) use stored_kinds;

/// The Rust type of a kind that the store holds.
pub trait Stored:
    kube::Resource<DynamicType = (), Scope: Place>
    + Trim
    + Clone
    + Debug
    + PartialEq
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The kind.
    const KIND: Kind;

    /// As one object of any kind.
    fn wrap(object: Arc<Self>) -> Object;
}

/// Something to be done for the type of a kind.
pub trait ForType {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<K: Stored>(self) -> Self::Output;
}

macro_rules! objects {
    ($($kind:ident($_field:ident),)+) => {
        /// One object of a kind that the store holds.
        #[derive(Clone, PartialEq)]
        pub enum Object {
            $(
                #[doc = concat!("`", stringify!($kind), "`.")]
                $kind(Arc<$kind>),
            )+
        }

        impl Object {
            /// `metadata`.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Self::$kind(object) => &object.metadata,)+
                }
            }

            fn as_debug(&self) -> &dyn Debug {
                match self {
                    $(Self::$kind(object) => object,)+
                }
            }
        }

        $(
            impl Stored for $kind {
                const KIND: Kind = Kind::$kind;

                fn wrap(object: Arc<Self>) -> Object {
                    Object::$kind(object)
                }
            }
        )+

        /// Kinds that the store holds.
        pub const STORED: [Kind; [$(Kind::$kind),+].len()] = [$(Kind::$kind),+];

        /// Does something for the type of a kind; `None`: the store holds no such kind.
        pub fn for_type<T: ForType>(kind: Kind, task: T) -> Option<T::Output> {
            match kind {
                $(Kind::$kind => Some(task.run::<$kind>()),)+
                _ => None,
            }
        }
    };
}

stored_kinds!(objects);

/// Of a Secret its name alone.
impl Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(object) => f.debug_tuple("Secret").field(&object.metadata.name).finish(),
            other => other.as_debug().fmt(f),
        }
    }
}

/// Where an object stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// As the user named it.
    pub file: Arc<str>,
    /// Lines of its fields.
    pub positions: Arc<Positions>,
}

impl Provenance {
    /// The place of a field; empty: of the object.
    #[must_use]
    pub fn position(&self, field: &str) -> SourcePosition {
        SourcePosition { file: Arc::clone(&self.file), line: self.positions.line_of(field) }
    }
}

/// An object with its identity. Name and namespace are checked; kinds without a namespace have an
/// empty one.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceObject {
    /// Kind, namespace, name.
    pub reference: ObjectRef,
    /// Content.
    pub object: Object,
    /// Directory source only.
    pub provenance: Option<Provenance>,
}

/// One step of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// New or changed.
    Apply(Box<SourceObject>),
    /// Gone.
    Delete(ObjectRef),
    /// There, and no form of it can be used; the source has told why.
    Broken(ObjectRef),
}

/// What a source found since it was last asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// In order.
    pub changes: Vec<Change>,
    /// All present problems of the source itself; `None`: the same as before.
    pub problems: Option<Vec<Arc<Problem>>>,
}

impl Changes {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_none()
    }
}
