//! Routes of every kind, as they are attached: what each says of itself, and what became of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::attachment::{Attached, Wish};
use super::meaning::{Lowering, Meaning};
use super::sites::Spot;
use super::world::World;
use super::{grpc_route, http_route, stream_route};
use crate::control::gateway_api::grpc_route::GrpcRouteSpec;
use crate::control::gateway_api::http_route::HttpRouteSpec;
use crate::control::gateway_api::stream_routes::TlsRouteSpec;
use crate::control::lower::claim::Age;
use crate::control::source::object::Provenance;
use crate::control::store::Store;
use crate::model::{Kind, ObjectRef};

/// Kinds of routes.
pub(super) const KINDS: [Kind; 5] =
    [Kind::GRPCRoute, Kind::HTTPRoute, Kind::TCPRoute, Kind::TLSRoute, Kind::UDPRoute];

/// A route as it is stored.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub metadata: &'a ObjectMeta,
    pub provenance: Option<&'a Provenance>,
    pub wish: Wish<'a>,
    spec: Spec<'a>,
}

/// By its kind.
#[derive(Clone, Copy)]
enum Spec<'a> {
    Grpc(&'a GrpcRouteSpec),
    Http(&'a HttpRouteSpec),
    Tls(&'a TlsRouteSpec),
}

/// A route of which some parent is ours.
#[derive(Debug)]
pub(super) struct Route {
    pub age: Age,
    pub generation: i64,
    pub provenance: Option<Provenance>,
    /// One for each parent that is ours.
    pub attached: Vec<Attached>,
    /// Where its requests come in.
    pub spots: BTreeSet<Spot>,
    pub meaning: Arc<Meaning>,
}

/// The route, if it is there and its kind is served.
pub(super) fn view<'a>(store: &'a Store, route: &'a ObjectRef) -> Option<View<'a>> {
    match route.kind {
        Kind::GRPCRoute => {
            let entry = store.grpc_routes.get(route)?;
            let spec = &entry.object.spec;
            let wish = Wish { route, parents: &spec.parent_refs, hostnames: &spec.hostnames };
            let (metadata, provenance) = (&entry.object.metadata, entry.provenance.as_ref());
            Some(View { metadata, provenance, wish, spec: Spec::Grpc(spec) })
        }
        Kind::HTTPRoute => {
            let entry = store.http_routes.get(route)?;
            let spec = &entry.object.spec;
            let wish = Wish { route, parents: &spec.parent_refs, hostnames: &spec.hostnames };
            let (metadata, provenance) = (&entry.object.metadata, entry.provenance.as_ref());
            Some(View { metadata, provenance, wish, spec: Spec::Http(spec) })
        }
        Kind::TLSRoute => {
            let entry = store.tls_routes.get(route)?;
            let spec = &entry.object.spec;
            let wish = Wish { route, parents: &spec.parent_refs, hostnames: &spec.hostnames };
            let (metadata, provenance) = (&entry.object.metadata, entry.provenance.as_ref());
            Some(View { metadata, provenance, wish, spec: Spec::Tls(spec) })
        }
        _ => None,
    }
}

impl View<'_> {
    pub(super) fn lower(&self, world: &World<'_>) -> Meaning {
        let Self { provenance, wish, spec, .. } = *self;
        let lowering = Lowering { world, reference: wish.route, provenance };
        match spec {
            Spec::Grpc(spec) => grpc_route::lower(lowering, spec),
            Spec::Http(spec) => http_route::lower(lowering, spec),
            Spec::Tls(spec) => stream_route::lower(lowering, &spec.rules),
        }
    }
}
