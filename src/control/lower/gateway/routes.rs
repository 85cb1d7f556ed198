//! Routes of every kind, as they are attached: what each says of itself, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::attachment::{Attached, Wish};
use super::gateway_tls::Identity;
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
use crate::model::{BackendKey, Kind, ObjectRef};

/// Kinds of routes of the Gateway API.
pub const KINDS: [Kind; 5] =
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
    /// Where it may be attached as far as listeners have a say: one for each parent that is ours.
    pub wished: Vec<Attached>,
    /// Where it is, when routes of another kind have had theirs.
    pub attached: Vec<Attached>,
    /// Where its requests come in.
    pub spots: BTreeSet<Spot>,
    /// By what backends are shown by the Gateways that it is attached to; the first is that of the
    /// first one.
    pub meanings: Meanings,
}

/// What a route comes to, by what backends are shown.
#[derive(Debug, Clone)]
pub(super) struct Meanings {
    first: (Identity, Arc<Meaning>),
    others: Vec<(Identity, Arc<Meaning>)>,
}

impl Meanings {
    /// Of these, each once. `known`: what need not be found out.
    pub(super) fn new(
        first: Identity,
        others: impl Iterator<Item = Identity>,
        known: Option<&Self>,
        lower: impl Fn(&Identity) -> Meaning,
    ) -> Self {
        let find = |identity: Identity| {
            let known = known.and_then(|known| known.find(&identity)).cloned();
            let meaning = known.unwrap_or_else(|| Arc::new(lower(&identity)));
            (identity, meaning)
        };
        let mut all = Self { first: find(first), others: Vec::new() };
        for identity in others {
            if all.find(&identity).is_none() {
                all.others.push(find(identity));
            }
        }
        all
    }

    fn find(&self, identity: &Identity) -> Option<&Arc<Meaning>> {
        self.all().find(|(known, _)| known == identity).map(|(_, meaning)| meaning)
    }

    fn all(&self) -> impl Iterator<Item = &(Identity, Arc<Meaning>)> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Route {
    /// What it comes to, whatever backends are shown: states and problems are the same.
    pub(super) fn meaning(&self) -> &Meaning {
        &self.meanings.first.1
    }

    /// What it comes to behind Gateways of which `shows` says what they show.
    pub(super) fn meaning_behind(&self, shows: impl Fn() -> Option<Identity>) -> &Meaning {
        let Meanings { others, .. } = &self.meanings;
        let other = (!others.is_empty()).then(shows).flatten();
        let found = other.and_then(|other| self.meanings.find(&other));
        found.unwrap_or(&self.meanings.first.1)
    }

    /// Backends of all that it comes to, each with the field that names it.
    pub(super) fn uses(&self) -> BTreeMap<&BackendKey, &String> {
        self.meanings.all().flat_map(|(_, meaning)| &meaning.references.uses).collect()
    }
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
    pub(super) fn lower(&self, world: &World<'_>, identity: &Identity) -> Meaning {
        let Self { provenance, wish, spec, .. } = *self;
        let lowering = Lowering { world, reference: wish.route, provenance, identity };
        match spec {
            Spec::Grpc(spec) => grpc_route::lower(lowering, spec),
            Spec::Http(spec) => http_route::lower(lowering, spec),
            Spec::Streams(rules) => stream_route::lower(lowering, rules),
        }
    }
}
