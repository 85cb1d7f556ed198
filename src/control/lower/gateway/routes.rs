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
use crate::control::gateway_api::stream_routes::{StreamRouteSpec, StreamRule};
use crate::control::lower::claim::Age;
use crate::control::source::object::Provenance;
use crate::control::store::{Entry, Store};
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
    Streams(&'a [StreamRule]),
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
            Some(View { metadata, provenance, wish, spec: Spec::Streams(&spec.rules) })
        }
        Kind::TCPRoute => {
            let entry = store.tcp_routes.get(route)?;
            Some(stream(route, &entry.object.metadata, &entry.object.spec, entry))
        }
        Kind::UDPRoute => {
            let entry = store.udp_routes.get(route)?;
            Some(stream(route, &entry.object.metadata, &entry.object.spec, entry))
        }
        _ => None,
    }
}

/// A route that asks for no host.
fn stream<'a, K>(
    route: &'a ObjectRef,
    metadata: &'a ObjectMeta,
    spec: &'a StreamRouteSpec,
    entry: &'a Entry<K>,
) -> View<'a> {
    let wish = Wish { route, parents: &spec.parent_refs, hostnames: &[] };
    let (provenance, spec) = (entry.provenance.as_ref(), Spec::Streams(&spec.rules));
    View { metadata, provenance, wish, spec }
}

impl View<'_> {
    pub(super) fn lower(&self, world: &World<'_>) -> Meaning {
        let Self { provenance, wish, spec, .. } = *self;
        let lowering = Lowering { world, reference: wish.route, provenance };
        match spec {
            Spec::Grpc(spec) => grpc_route::lower(lowering, spec),
            Spec::Http(spec) => http_route::lower(lowering, spec),
            Spec::Streams(rules) => stream_route::lower(lowering, rules),
        }
    }
}
