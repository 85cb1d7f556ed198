//! Objects of the Gateway API → listeners, hosts and rules of the model, and their states.
//!
//! ```text
//!  GatewayClass ─▶ Gateway, ListenerSet ─▶ Listener ──┐
//!  ReferenceGrant, Namespace, Secret ─────────┘       ├─▶ attachment ─▶ hosts ─▶ Model
//!  HTTPRoute, GRPCRoute, … ─▶ Meaning ────────────────┘        └─▶ states of all of them
//! ```
//!
//! Gateways are few and made anew together; routes are many, and a change makes anew those that it
//! concerns, and their hosts.

mod addresses;
mod attachment;
mod authorities;
pub(super) mod backend_tls;
mod durations;
mod external_auth;
mod filters;
mod gateway_tls;
mod grants;
mod grpc_route;
mod host_map;
mod hostnames;
mod http_route;
mod listeners;
mod meaning;
mod namespaces;
pub(super) mod parents;
mod protocol;
mod references;
mod rivals;
mod routes;
mod rules;
mod sessions;
mod sites;
mod speech;
mod states;
mod stream_route;
mod values;
mod versions;
mod ways;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::backends::{self, Backends, Use};
use super::claim::Age;
use super::names::certificates::Names;
use super::options::{LowerOptions, OwnServices};
use crate::control::conditions::{
    Carrier, ClassUse, Content, GatewayService, ObjectStatus, ParentList,
};
use crate::control::gateway_api::gateway::Infrastructure;
use crate::control::outcomes::Outcome;
use crate::control::store::{Dirty, Store};
use crate::limits::OVERLAPS_TOLD_MAX;
use crate::model::{
    BackendKey, EntryPoint, Host, HostPattern, Kind, Listener as ModelListener, ObjectRef, OnMiss,
    Problem, Rule, ServerName, StreamPolicy, StreamService, TlsAction, WeightedBackend,
};
use addresses::Pool;
use attachment::{Attached, attach};
use backend_tls::Policies;
use gateway_tls::Identity;
use grants::Grants;
use host_map::HostMap;
use listeners::Listener;
use meaning::Traffic;
use namespaces::Admission;
use parents::{Making, Parent, Parents, Role};
use protocol::{Protocol, Transport};
use rivals::{Going, Rivals};
pub use routes::KINDS as ROUTE_KINDS;
use routes::{Meanings, Route, view};
use sites::{Site, Sites, Spot};
use states::{Counts, Overlap, Telling};
use ways::Ways;
use world::World;

pub use states::NotOpen;

/// What everything of the Gateway API came to.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    /// Changed since it was last made.
    pending: BTreeSet<ObjectRef>,
    grants: Grants,
    policies: Policies,
    pool: Pool,
    parents: Parents,
    routes: BTreeMap<ObjectRef, Route>,
    /// Routes that an object changes by its coming, going or changing.
    by_read: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    /// Routes of a host, the oldest first.
    by_spot: BTreeMap<Spot, BTreeSet<(Age, ObjectRef)>>,
    rivals: Rivals,
    counts: Counts,
    ways: Ways,
    sites: Sites,
    /// Entry points that others have.
    taken: BTreeSet<EntryPoint>,
    is_taken_stale: bool,
    /// Hostnames of the listeners of each site.
    hostnames: BTreeMap<Site, HostMap<HostPattern>>,
    /// See [`Names::edition`].
    edition: u64,
    /// Entry points that are not open, and why.
    refused: BTreeMap<EntryPoint, NotOpen>,
    told: BTreeMap<ObjectRef, Arc<ObjectStatus>>,
    problems: BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
}

/// What Gateways are made with.
pub(super) struct Surroundings<'a> {
    pub store: &'a Store,
    pub options: &'a LowerOptions,
    pub names: &'a mut Names,
    pub backends: &'a mut Backends,
    pub touched: &'a mut backends::Touched,
    pub ingresses: Ingresses<'a>,
    pub now: SystemTime,
}

/// What Ingresses have.
#[derive(Clone, Copy)]
pub(super) struct Ingresses<'a> {
    /// The Ingress that a host belongs to.
    pub owner: &'a dyn Fn(&HostPattern) -> Option<ObjectRef>,
    /// Hosts that may have come, gone or changed.
    pub changed: &'a BTreeSet<HostPattern>,
}

/// An object, what it is to show, and what is wrong with it.
type Fate = (ObjectRef, Option<ObjectStatus>, Vec<Arc<Problem>>);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The model says something else.
    pub is_model: bool,
    /// Some problems came or went.
    pub are_problems_stale: bool,
    /// States that are others than before.
    pub outcomes: Vec<(ObjectRef, Outcome)>,
}

impl Gateways {
    /// Takes note of what changed. Costs nothing where there is no class of ours.
    pub(super) fn note(&mut self, store: &Store, dirty: &Dirty, options: &LowerOptions) {
        let has_class = || !parents::classes(store, options).is_empty();
        if !self.told.is_empty() || has_class() {
            let concerns = |object: &&ObjectRef| match object.kind {
                Kind::EndpointSlice | Kind::Ingress | Kind::IngressClass => false,
                Kind::CustomResourceDefinition => versions::is_of_api(object),
                Kind::Service | Kind::ConfigMap | Kind::Secret => {
                    self.by_read.contains_key(*object)
                        || self.policies.read(object)
                        || self.parents.values().any(|parent| parent.names(object))
                }
                _ => true,
            };
            let pending: Vec<_> = dirty.0.iter().filter(concerns).cloned().collect();
            self.pending.extend(pending);
        }
    }

    /// Says which entry points are not open, and why; what changes by it.
    pub(super) fn set_refused(
        &mut self,
        refused: BTreeMap<EntryPoint, NotOpen>,
        store: &Store,
        options: &LowerOptions,
    ) -> Made {
        let mut made = Made::default();
        if refused != self.refused {
            self.refused = refused;
            self.tell(store, options, Vec::new(), &mut made);
        }
        made
    }

    /// The listeners of the model, with those of Ingresses.
    pub(super) fn listeners(&self, ingress: ModelListener) -> Vec<ModelListener> {
        self.sites.listeners(ingress)
    }

    /// See [`Sites::stream_services`].
    pub(super) fn stream_services(
        &self,
        flags: &[EntryPoint],
        policy: StreamPolicy,
    ) -> impl Iterator<Item = StreamService> {
        self.sites.stream_services(flags, policy)
    }

    /// Says which entry points others have; to be followed by [`Self::make`].
    pub(super) fn yield_to(&mut self, taken: impl Iterator<Item = EntryPoint>) {
        let taken = taken.collect();
        self.is_taken_stale |= std::mem::replace(&mut self.taken, taken) != self.taken;
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Arc<Problem>> {
        self.problems.values().flatten()
    }

    /// Reads all BackendTLSPolicies; whether that changed anything.
    fn read_policies(&mut self, store: &Store) -> bool {
        let policies = Policies::of(store);
        std::mem::replace(&mut self.policies, policies) != self.policies
    }

    /// Routes of what is no HTTP: who is older than another one, or was, is a part of what that one
    /// is told.
    fn relayed_at(&self, spots: &BTreeSet<Spot>) -> BTreeSet<ObjectRef> {
        let rivals = spots.iter().filter(|(site, _)| site.transport != Transport::Http);
        let rivals = rivals.filter_map(|spot| self.by_spot.get(spot)).flatten();
        let rivals = rivals.filter(|(_, route)| self.relayed(route).is_some());
        rivals.map(|(_, route)| route.clone()).collect()
    }

    /// Makes what is pending.
    pub(super) fn make(&mut self, around: Surroundings<'_>) -> Made {
        let Surroundings { store, options, names, backends, touched, ingresses, now } = around;
        let edition = names.edition();
        let is_new_edition = std::mem::replace(&mut self.edition, edition) != edition;
        let pending = std::mem::take(&mut self.pending);
        let is_others = std::mem::take(&mut self.is_taken_stale) | is_new_edition;
        let is_concerned = !self.parents.is_empty() && is_others;
        let contenders = self.contenders(ingresses.changed, &options.entry_points);
        if pending.is_empty() && !is_concerned && contenders.is_empty() {
            return Made::default();
        }
        let mut made = Made::default();
        let has = |kinds: &[Kind]| pending.iter().any(|object| kinds.contains(&object.kind));
        let is_route = |object: &ObjectRef| routes::KINDS.contains(&object.kind);
        // What definitions say is told, and changes nothing.
        let others = || {
            let of_route = |object: &&ObjectRef| is_route(object);
            let is_told = |object: &&ObjectRef| object.kind == Kind::CustomResourceDefinition;
            pending.iter().filter(move |object| !of_route(object) && !is_told(object))
        };
        let are_parents_stale = is_concerned || others().any(|o| o.kind != Kind::Service);
        if are_parents_stale {
            // With a class, too: what came before it was not noted.
            self.grants = Grants::of(&store.reference_grants);
        }
        let are_policies_others = others().next().is_some() && self.read_policies(store);
        let (mut spots, mut wanted) = (BTreeSet::new(), BTreeSet::new());
        let are_others = are_parents_stale && self.make_parents(store, options, names, now);
        let chooses = |listener: &Listener| matches!(listener.admission, Admission::Selected(_));
        let mut listeners = self.parents.values().flat_map(|parent| &parent.listeners);
        if are_others || (has(&[Kind::Namespace]) && listeners.any(chooses)) {
            wanted.extend(all_routes(store).chain(self.routes.keys()).cloned());
        }
        if are_others {
            spots.extend(self.sites.spots());
            made.is_model = true;
        }
        let reading = pending.iter().flat_map(|object| self.by_read.get(object)).flatten();
        let mut stale: BTreeSet<ObjectRef> = reading.cloned().collect();
        stale.extend(pending.iter().filter(|object| is_route(object)).cloned());
        if has(&[Kind::ReferenceGrant]) || are_policies_others {
            stale.extend(self.routes.keys().cloned());
        }
        wanted.extend(stale.iter().cloned());
        let world = World { store, grants: &self.grants, policies: &self.policies };
        let mut changed = Vec::new();
        for route in &wanted {
            let known = self.routes.get(route).filter(|_| !stale.contains(route));
            let known = known.map(|known| &known.meanings);
            changed.push((route, attached(&world, route, &self.parents, known)));
        }
        for (reference, route) in changed {
            self.take(reference, route, backends, touched, &mut spots);
        }
        wanted.extend(self.rivals.settle());
        for reference in &wanted {
            self.place(reference, &mut spots);
        }
        let sites: BTreeSet<Site> = spots.iter().map(|(site, _)| site.clone()).collect();
        for site in &sites {
            made.is_model |= match site.transport {
                Transport::Http => false,
                Transport::Tls => self.name(site),
                Transport::Tcp | Transport::Udp => self.lead(site),
            };
        }
        wanted.extend(self.relayed_at(&spots));
        made.is_model |= self.build(spots);
        wanted.extend(self.contenders(ingresses.changed, &options.entry_points));
        let routes = wanted.into_iter().map(|route| self.fate(route, store, options, ingresses));
        let routes = routes.collect();
        self.tell(store, options, routes, &mut made);
        made
    }

    /// Routes of these hosts, where Ingresses are served as well.
    fn contenders(
        &self,
        hosts: &BTreeSet<HostPattern>,
        flags: &[EntryPoint],
    ) -> BTreeSet<ObjectRef> {
        let mut routes = BTreeSet::new();
        if hosts.is_empty() {
            return routes;
        }
        for site in self.sites.joint(flags) {
            let hosts = hosts.iter().flat_map(hostnames::alike);
            let spots = hosts.map(|host| (site.clone(), host));
            let found = spots.filter_map(|spot| self.by_spot.get(&spot)).flatten();
            routes.extend(found.map(|(_, route)| route.clone()));
        }
        routes
    }

    /// What of a route's hosts Ingresses have, each once.
    fn overlaps(
        &self,
        route: &Route,
        flags: &[EntryPoint],
        ingresses: Ingresses<'_>,
    ) -> Vec<Overlap> {
        if matches!(route.meaning().traffic, Traffic::Streams(_)) {
            return Vec::new();
        }
        let joint = route.spots.iter().filter(|(site, _)| site.is_joint(flags, flags));
        let taken = joint.filter_map(|(site, host)| {
            let mut hosts = hostnames::alike(host);
            let of = |host| Some(((ingresses.owner)(&host)?, host));
            let (ingress, host) = hosts.find_map(of)?;
            Some(Overlap { ingress, host, port: site.port })
        });
        taken.collect()
    }

    /// What a route is told, and what is told of it; nothing: it is none of ours.
    fn fate(
        &self,
        reference: ObjectRef,
        store: &Store,
        options: &LowerOptions,
        ingresses: Ingresses<'_>,
    ) -> Fate {
        let controller = &options.gateway_controller;
        let Some(route) = self.routes.get(&reference) else {
            // What we said of a route that is still there is taken back, be it before we started.
            let left = view(store, &reference).map(|view| ObjectStatus {
                generation: view.metadata.generation.unwrap_or_default(),
                content: Content::Parents {
                    list: ParentList::Parents,
                    controller: Arc::clone(controller),
                    parents: Vec::new(),
                },
            });
            return (reference, left, Vec::new());
        };
        let older = self.older(&reference, route);
        let older = older.map(|(older, spot)| states::lost(&older, spot));
        let overlaps = self.overlaps(route, &options.entry_points, ingresses);
        let of_first = || Some(overlaps.first()?.of_route(overlaps.len().saturating_sub(1)));
        let lost = older.or_else(of_first);
        let mut problems = states::route_problems(&reference, route, lost.as_deref());
        let mut noted = BTreeSet::new();
        for overlap in &overlaps {
            if noted.len() == OVERLAPS_TOLD_MAX || !noted.insert(&overlap.ingress) {
                continue;
            }
            let entry = store.ingresses.get(&overlap.ingress);
            let provenance = entry.and_then(|entry| entry.provenance.as_ref());
            problems.extend(overlap.of_ingress(&reference, provenance));
        }
        let status = states::route(route, lost.as_deref(), controller);
        (reference, Some(status), problems)
    }

    /// Makes Gateways and their listeners anew. Whether they are others.
    fn make_parents(
        &mut self,
        store: &Store,
        options: &LowerOptions,
        names: &mut Names,
        now: SystemTime,
    ) -> bool {
        let (grants, pool, taken) = (&self.grants, &mut self.pool, &self.taken);
        let parents = Making { store, options, grants, pool, names, taken, now }.parents();
        let is_changed = !parents::are_alike(&self.parents, &parents);
        self.parents = parents;
        let served = self.parents.values().flat_map(|parent| &parent.listeners);
        let served = served.filter(|listener| listener.is_served());
        let named: BTreeSet<Site> = served.filter_map(|listener| listener.site.clone()).collect();
        let is_changed = self.sites.settle(&named) | is_changed;
        self.hostnames.clear();
        for listener in self.parents.values().flat_map(|parent| &parent.listeners) {
            if let Some(site) = &listener.site {
                let known = self.hostnames.entry(site.clone()).or_default();
                known.insert(&listener.hostname, listener.hostname.clone());
            }
        }
        if is_changed {
            for site in named.iter().filter(|site| site.transport == Transport::Tls) {
                self.name(site);
            }
        }
        is_changed
    }

    /// Where TLS connections of a site are led by their names: to certificates of listeners, or
    /// on to backends of routes. Whether anything is other than it was.
    fn name(&mut self, site: &Site) -> bool {
        let mut parents: Vec<_> = self.parents.iter().collect();
        parents.sort_by_key(|(_, parent)| parent.rank);
        let mut owners: BTreeMap<&HostPattern, Owner<'_>> = BTreeMap::new();
        for (object, parent) in parents {
            let listeners = parent.listeners.iter().enumerate();
            for (place, listener) in listeners.filter(|(_, l)| l.site.as_ref() == Some(site)) {
                let owner = Owner { object, place, listener };
                owners.entry(&listener.hostname).or_insert(owner);
            }
        }
        let mut names = BTreeMap::new();
        for (hostname, owner) in &owners {
            names.insert((*hostname).clone(), self.server_name(site, hostname, *owner));
        }
        let relays = owners.values().any(|owner| owner.listener.relays());
        let spots = self.by_spot.iter().take_while(|_| relays);
        for ((_, pattern), routes) in spots.filter(|((at, _), _)| at == site) {
            let is_named = routes.iter().any(|(_, route)| route.kind == Kind::TLSRoute);
            if !is_named || names.contains_key(pattern) {
                continue;
            }
            let wider = owners.iter().filter(|(hostname, _)| hostnames::covers(hostname, pattern));
            let narrowest = wider.reduce(|one, other| match hostnames::covers(one.0, other.0) {
                true => other,
                false => one,
            });
            if let Some((_, owner)) = narrowest.filter(|(_, owner)| owner.listener.relays()) {
                names.insert(pattern.clone(), self.server_name(site, pattern, *owner));
            }
        }
        let Some(served) = self.sites.served(site) else { return false };
        let old: BTreeMap<_, _> =
            served.names.drain(..).map(|name| (name.pattern.clone(), name)).collect();
        let is_same = old.values().map(|name| &**name).eq(names.values());
        served.names = names
            .into_iter()
            .map(|(pattern, name)| match old.get(&pattern) {
                Some(old) if **old == name => Arc::clone(old),
                _ => Arc::new(name),
            })
            .collect();
        !is_same
    }

    /// Where connections for a name are led that is that of a listener, or within it. What its
    /// listener does not serve does not fall to a wider one.
    fn server_name(&self, site: &Site, pattern: &HostPattern, owner: Owner<'_>) -> ServerName {
        let Owner { object, place, listener } = owner;
        let spot = (site.clone(), pattern.clone());
        let routes = self.by_spot.get(&spot).into_iter().flatten().map(|(_, route)| route);
        let is_its = |attached: &Attached| {
            let mut places = attached.listeners.iter().flatten().map(|found| found.listener);
            attached.object == *object && places.any(|found| found == place)
        };
        let mut routes = routes.filter(|route| {
            self.routes.get(*route).is_some_and(|route| route.attached.iter().any(is_its))
        });
        let (action, origin) = match (listener.is_served(), listener.tls, listener.relays()) {
            (true, Some(tls), false) => (TlsAction::Terminate(tls), object),
            // The oldest has the name, even if it leads nowhere.
            (true, _, true) => routes
                .find_map(|route| Some((self.passed(route, owner)?, route)))
                .unwrap_or((TlsAction::Nobody, object)),
            _ => (TlsAction::Nobody, object),
        };
        let section = Some(listener.hostname.clone());
        ServerName { pattern: pattern.clone(), action, section, origin: origin.clone() }
    }

    /// What becomes of the connections of a route that come by a listener; `None`: it has
    /// requests.
    fn passed(&self, route: &ObjectRef, owner: Owner<'_>) -> Option<TlsAction> {
        let identity = || self.parents.get(owner.object).map(Parent::identity);
        let meaning = self.routes.get(route)?.meaning_behind(identity);
        let Traffic::Streams(passed) = &meaning.traffic else { return None };
        let tls = owner.listener.tls;
        let backends = if tls.is_some() { &meaning.decrypted } else { passed };
        let leads = |entry: &WeightedBackend| entry.weight > 0 && entry.target.key().is_some();
        if !backends.iter().any(leads) {
            return Some(TlsAction::Nobody);
        }
        let backends = backends.clone();
        Some(match tls {
            Some(tls) => TlsAction::Relay { tls, backends },
            None => TlsAction::Passthrough { backends, send_proxy: false },
        })
    }

    /// Where a route relays to; `None`: it has requests.
    fn relayed(&self, route: &ObjectRef) -> Option<&[WeightedBackend]> {
        match &self.routes.get(route)?.meaning().traffic {
            Traffic::Streams(backends) => Some(backends),
            Traffic::Rules(_) => None,
        }
    }

    /// Leads what comes in at a site without hosts to where its oldest route says. Whether that is
    /// elsewhere than before.
    fn lead(&mut self, site: &Site) -> bool {
        let spot = (site.clone(), HostPattern::Any);
        let oldest = self.by_spot.get(&spot).and_then(BTreeSet::first);
        let backends = oldest.and_then(|(_, route)| self.relayed(route)).unwrap_or_default();
        let backends = backends.to_vec();
        let Some(served) = self.sites.served(site) else { return false };
        let is_changed = served.streams != backends;
        served.streams = backends;
        is_changed
    }

    /// The route that has what comes in at one of the places of another one, which is younger, and
    /// that place.
    fn older<'r>(&self, reference: &ObjectRef, route: &'r Route) -> Option<(ObjectRef, &'r Spot)> {
        if !matches!(route.meaning().traffic, Traffic::Streams(_)) {
            return None;
        }
        route.spots.iter().find_map(|spot| {
            let mut all = self.by_spot.get(spot)?.iter().map(|(_, route)| route);
            let first = all.find(|route| self.relayed(route).is_some())?;
            (first != reference).then(|| (first.clone(), spot))
        })
    }

    /// Takes what became of a route; `None`: no parent of it is ours, or it is gone.
    fn take(
        &mut self,
        reference: &ObjectRef,
        route: Option<Route>,
        backends: &mut Backends,
        touched: &mut backends::Touched,
        spots: &mut BTreeSet<Spot>,
    ) {
        let old = self.routes.remove(reference);
        for (route, going) in [(&old, Going::Out), (&route, Going::In)] {
            // Who is not accepted is in nobody's way.
            if let Some(route) = route.as_ref().filter(|route| route.meaning().refused.is_none()) {
                self.rivals.note(reference, &route.age, &route.wished, going);
            }
        }
        if let Some(old) = &old {
            self.withdraw(reference, old, spots);
        }
        let reads = |route: &Option<Route>| -> BTreeSet<ObjectRef> {
            let reads = route.iter().flat_map(|route| &route.meaning().references.reads);
            reads.cloned().collect()
        };
        let (before, after) = (uses(old.as_ref()), uses(route.as_ref()));
        if before != after {
            let before = (before.0.into_keys(), before.1);
            backends.services(
                reference,
                before,
                (after.0.iter().map(|(key, field)| (*key, *field)), after.1),
                touched,
            );
        }
        for object in reads(&old) {
            if let Some(readers) = self.by_read.get_mut(&object) {
                readers.remove(reference);
                if readers.is_empty() {
                    self.by_read.remove(&object);
                }
            }
        }
        for object in reads(&route) {
            self.by_read.entry(object).or_default().insert(reference.clone());
        }
        if let Some(route) = route {
            self.routes.insert(reference.clone(), route);
        }
    }

    /// Takes a route away from its hosts.
    fn withdraw(&mut self, reference: &ObjectRef, route: &Route, spots: &mut BTreeSet<Spot>) {
        self.count(route, Going::Out);
        self.ways.note(route, Going::Out);
        for spot in &route.spots {
            if let Some(all) = self.by_spot.get_mut(spot) {
                all.remove(&(route.age.clone(), reference.clone()));
                if all.is_empty() {
                    self.by_spot.remove(spot);
                }
            }
            spots.insert(spot.clone());
        }
    }

    /// Gives a route the hosts that it gets of those that it wishes for.
    fn place(&mut self, reference: &ObjectRef, spots: &mut BTreeSet<Spot>) {
        let Some(mut route) = self.routes.remove(reference) else { return };
        self.withdraw(reference, &route, spots);
        route.attached = self.rivals.granted(reference, &route.wished);
        self.count(&route, Going::In);
        self.ways.note(&route, Going::In);
        route.spots = self.spots(&route);
        for spot in &route.spots {
            let all = self.by_spot.entry(spot.clone()).or_default();
            all.insert((route.age.clone(), reference.clone()));
            spots.insert(spot.clone());
        }
        self.routes.insert(reference.clone(), route);
    }

    /// Where requests for a route come in: at hosts of its own, less those that belong to a
    /// listener with a narrower hostname (listener isolation). One that is not accepted has an
    /// error for requests, so that no other route has them by accident.
    fn spots(&self, route: &Route) -> BTreeSet<Spot> {
        let mut spots = BTreeSet::new();
        let meaning = route.meaning();
        if meaning.refused.is_some() && matches!(meaning.traffic, Traffic::Streams(_)) {
            return spots;
        }
        for Attached { object, listeners, .. } in &route.attached {
            let Some(parent) = self.parents.get(object) else { continue };
            for attachment in listeners.iter().flatten() {
                let listener = parent.listeners.get(attachment.listener);
                let Some(listener) = listener.filter(|listener| listener.is_served()) else {
                    continue;
                };
                let Some(site) = &listener.site else { continue };
                let hosts = attachment.hosts.iter();
                let known = self.hostnames.get(site);
                let narrowest = |host| known.and_then(|known| known.covering(host));
                let own = hosts.filter(|host| narrowest(host) == Some(&listener.hostname));
                spots.extend(own.map(|host| (site.clone(), host.clone())));
            }
        }
        spots
    }

    /// Builds hosts anew. Whether any is another one.
    fn build(&mut self, spots: BTreeSet<Spot>) -> bool {
        let of_listeners = self.parents.values().flat_map(|parent| &parent.listeners);
        let of_listeners = of_listeners
            .filter(|l| matches!(l.protocol, Some(Protocol::Http | Protocol::Https)))
            .filter_map(|l| Some((l.site.clone()?, l.hostname.clone())));
        let ends: BTreeSet<Spot> = of_listeners.collect();
        let mut is_changed = false;
        for spot in spots.into_iter().chain(ends.iter().cloned()).collect::<BTreeSet<_>>() {
            let rules = self.rules(&spot);
            let is_end = ends.contains(&spot);
            let (site, pattern) = spot;
            let Some(served) = self.sites.served(&site) else { continue };
            if rules.is_empty() && !is_end {
                is_changed |= served.hosts.remove(&pattern).is_some();
                continue;
            }
            // A listener takes no requests that belong to a narrower one.
            let on_miss = if is_end { OnMiss::Default } else { OnMiss::NextHost };
            let is_same = |old: &Arc<Host>| {
                old.on_miss == on_miss
                    && old.rules.len() == rules.len()
                    && old.rules.iter().zip(&rules).all(|(old, new)| Arc::ptr_eq(old, new))
            };
            if served.hosts.get(&pattern).is_some_and(is_same) {
                continue;
            }
            is_changed = true;
            let host = Host { pattern: pattern.clone(), on_miss, rules, locations: Vec::new() };
            served.hosts.insert(pattern, Arc::new(host));
        }
        is_changed
    }

    fn rules(&self, spot: &Spot) -> Vec<Arc<Rule>> {
        let routes = self.by_spot.get(spot).into_iter().flatten();
        let routes = routes.filter_map(|(_, route)| self.routes.get(route));
        let meanings = routes.map(|route| route.meaning_behind(|| self.shown(route, &spot.0)));
        let rules = meanings.flat_map(|meaning| match &meaning.traffic {
            Traffic::Rules(rules) => &rules[..],
            Traffic::Streams(_) => &[],
        });
        rules.cloned().collect()
    }

    /// What backends of a route are shown by the Gateway through which its requests come from a
    /// site.
    fn shown(&self, route: &Route, site: &Site) -> Option<Identity> {
        let mut attached = route.attached.iter();
        attached.find_map(|Attached { object, listeners, .. }| {
            let parent = self.parents.get(object)?;
            let mut places = listeners.iter().flatten().map(|attachment| attachment.listener);
            let site_of = |place: usize| parent.listeners.get(place)?.site.as_ref();
            places.any(|place| site_of(place) == Some(site)).then(|| parent.identity())
        })
    }

    /// Tells what is other than what was told: of Gateways, and of these routes.
    fn tell(&mut self, store: &Store, options: &LowerOptions, routes: Vec<Fate>, made: &mut Made) {
        let refused = self.refused.clone();
        let not_open = |listener: &Listener| {
            let site = listener.site.as_ref()?;
            let mut at = site.entry_points(&options.entry_points).into_iter();
            at.find_map(|entry_point| refused.get(&entry_point).cloned())
        };
        let telling = Telling { counts: &self.counts, not_open: &not_open };
        let version = versions::condition(store);
        let mut now: Vec<Fate> = Vec::new();
        let gateways = store.gateways.values();
        let used: BTreeSet<&str> =
            gateways.map(|entry| &*entry.object.spec.gateway_class_name).collect();
        for (reference, entry) in &store.gateway_classes {
            let spec = &entry.object.spec;
            if spec.controller_name == *options.gateway_controller {
                let services = options.gateway_services;
                let used = match used.contains(&*reference.name) {
                    true => ClassUse::Used,
                    false => ClassUse::Unused,
                };
                let status = states::class(&entry.object, used, services, version.clone());
                now.push((reference.clone(), Some(status), Vec::new()));
            }
        }
        let (sets, mut services) = (self.accepted_sets(), self.services(store, options));
        let sets_of = |gateway| sets.get(gateway).copied().unwrap_or_default();
        for (reference, parent) in &self.parents {
            let status = match &parent.role {
                Role::Gateway { .. } => {
                    let service = services.remove(reference);
                    telling.gateway(reference, parent, sets_of(reference), service)
                }
                Role::Set { .. } => telling.listener_set(reference, parent),
            };
            let problems = states::parent_problems(reference, parent, &telling);
            now.push((reference.clone(), Some(status), problems));
        }
        let policies = self.policies.states(&self.ways(), &options.gateway_controller);
        for (reference, status, wrong_target) in policies {
            // Of what has no way through a Gateway of ours nothing is said.
            if status.has_parents() || self.told.contains_key(&reference) {
                let entry = store.backend_tls_policies.get(&reference);
                let provenance = entry.and_then(|entry| entry.provenance.as_ref());
                let problems =
                    states::policy_problems(&reference, provenance, &status, wrong_target);
                now.push((reference, Some(status), problems));
            }
        }
        let said: BTreeSet<&ObjectRef> = now.iter().map(|(reference, ..)| reference).collect();
        let others = OTHERS.into_iter().flat_map(|kind| self.told_of(kind));
        let gone: Vec<_> = others.filter(|told| !said.contains(*told)).cloned().collect();
        now.extend(gone.into_iter().map(|reference| (reference, None, Vec::new())));
        for (reference, status, problems) in now.into_iter().chain(routes) {
            self.say(reference, status, problems, made);
        }
    }

    fn say(
        &mut self,
        reference: ObjectRef,
        status: Option<ObjectStatus>,
        problems: Vec<Arc<Problem>>,
        made: &mut Made,
    ) {
        let old = self.problems.get(&reference).map(|old| &old[..]).unwrap_or_default();
        if old != problems {
            made.are_problems_stale = true;
            match problems.is_empty() {
                true => self.problems.remove(&reference),
                false => self.problems.insert(reference.clone(), problems),
            };
        }
        let is_said = self.told.get(&reference).map(|told| &**told) == status.as_ref();
        if is_said {
            return;
        }
        let outcome = match status.map(Arc::new) {
            Some(status) => {
                self.told.insert(reference.clone(), Arc::clone(&status));
                Outcome::Status(status)
            }
            None => {
                self.told.remove(&reference);
                Outcome::Withdrawn
            }
        };
        made.outcomes.push((reference, outcome));
    }

    /// Services by the Gateways that they are made for: those that listen somewhere.
    fn services(
        &self,
        store: &Store,
        options: &LowerOptions,
    ) -> BTreeMap<&ObjectRef, GatewayService> {
        let mut services: BTreeMap<&ObjectRef, GatewayService> = BTreeMap::new();
        if options.gateway_services == OwnServices::LeftOut {
            return services;
        }
        for parent in self.parents.values() {
            let ports = parent.listeners.iter().filter_map(|listener| {
                let carrier = match listener.site.as_ref()?.transport {
                    Transport::Udp => Carrier::Udp,
                    Transport::Http | Transport::Tls | Transport::Tcp => Carrier::Tcp,
                };
                Some((listener.port, carrier))
            });
            let ports: BTreeSet<_> = ports.collect();
            let stored = store.gateways.get(&parent.gateway).filter(|_| !ports.is_empty());
            let Some(spec) = stored.map(|entry| &entry.object.spec) else { continue };
            let service = services.entry(&parent.gateway).or_insert_with(|| {
                let Infrastructure { labels, annotations, parameters_ref: _ } =
                    spec.infrastructure.clone().unwrap_or_default();
                let class = spec.gateway_class_name.as_str().into();
                GatewayService { class, labels, annotations, ports: BTreeSet::new() }
            });
            service.ports.extend(ports);
        }
        services
    }

    /// By Gateway, how many ListenerSets are attached and have a listener that can be used.
    fn accepted_sets(&self) -> BTreeMap<&ObjectRef, u32> {
        let mut counts = BTreeMap::new();
        for parent in self.parents.values() {
            let is_accepted = matches!(parent.role, Role::Set { fault: None })
                && parent.listeners.iter().any(states::is_good);
            if is_accepted {
                let count: &mut u32 = counts.entry(&parent.gateway).or_default();
                *count = count.saturating_add(1);
            }
        }
        counts
    }

    /// The Gateways through which the Services of policies are reached.
    fn ways(&self) -> BTreeMap<ObjectRef, BTreeSet<ObjectRef>> {
        let gateway = |parent| Some(self.parents.get(parent)?.gateway.clone());
        let services = self.policies.services();
        let ways = |service| (ObjectRef::clone(service), self.ways.to(service));
        services.map(ways).map(|(to, ways)| (to, ways.filter_map(gateway).collect())).collect()
    }

    /// Objects of a kind that something was told of.
    fn told_of(&self, kind: Kind) -> impl Iterator<Item = &ObjectRef> {
        let first = ObjectRef { kind, namespace: "".into(), name: "".into() };
        let told = self.told.range(first..).map(|(told, _)| told);
        told.take_while(move |told| told.kind == kind)
    }

    /// Counts a route at the listeners that have it, whatever becomes of its requests.
    fn count(&mut self, route: &Route, going: Going) {
        if route.meaning().refused.is_some() {
            return;
        }
        let mut listeners = BTreeSet::new();
        for Attached { object, listeners: attachments, .. } in &route.attached {
            let attachments = attachments.iter().flatten();
            listeners.extend(attachments.map(|attachment| (object, attachment.listener)));
        }
        for (object, listener) in listeners {
            let at = (object.clone(), listener);
            let count = self.counts.entry(at.clone()).or_default();
            *count = match going {
                Going::In => count.saturating_add(1),
                Going::Out => count.saturating_sub(1),
            };
            if *count == 0 {
                self.counts.remove(&at);
            }
        }
    }
}

/// What is told of besides routes. They are few, so that each time all of them are.
const OTHERS: [Kind; 4] =
    [Kind::BackendTLSPolicy, Kind::Gateway, Kind::GatewayClass, Kind::ListenerSet];

/// A listener that has a name.
#[derive(Clone, Copy)]
struct Owner<'a> {
    /// Whose it is.
    object: &'a ObjectRef,
    /// Its place there.
    place: usize,
    listener: &'a Listener,
}

/// Backends of a route, and whether it binds requests to their endpoints.
fn uses(route: Option<&Route>) -> (BTreeMap<&BackendKey, &String>, Use) {
    let Some(route) = route else { return (BTreeMap::new(), Use::Plain) };
    let binds = match &route.meaning().traffic {
        Traffic::Rules(rules) => rules.iter().any(|rule| rule.policies.binding.is_some()),
        Traffic::Streams(_) => false,
    };
    let how = if binds { Use::Binding } else { Use::Plain };
    (route.uses(), how)
}

fn all_routes(store: &Store) -> impl Iterator<Item = &ObjectRef> {
    let http = store.http_routes.keys().chain(store.grpc_routes.keys());
    let streams = store.tls_routes.keys().chain(store.tcp_routes.keys());
    http.chain(streams).chain(store.udp_routes.keys())
}

/// What becomes of a route. `known`: what it is known to mean.
fn attached(
    world: &World<'_>,
    reference: &ObjectRef,
    parents: &Parents,
    known: Option<&Meanings>,
) -> Option<Route> {
    let view = view(world.store, reference)?;
    let listeners = |object: &ObjectRef| parents.get(object).map(|parent| &parent.listeners[..]);
    let wished = attach(view.wish, listeners, &world.store.namespaces);
    let shown = |attached: &Attached| parents.get(&attached.object).map(Parent::identity);
    let mut shown = wished.iter().filter_map(shown);
    let first = shown.next()?;
    let meanings = Meanings::new(first, shown, known, |identity| view.lower(world, identity));
    Some(Route {
        age: parents::age_of(reference, view.metadata),
        generation: view.metadata.generation.unwrap_or_default(),
        provenance: view.provenance.cloned(),
        wished,
        attached: Vec::new(),
        spots: BTreeSet::new(),
        meanings,
    })
}
