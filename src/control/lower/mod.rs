//! Kubernetes objects → model. Incremental: a change costs what it touches.
//!
//! Never fails: what cannot be accepted is a [`Problem`] on that object and affects it alone. An
//! Ingress whose new version is wholly unusable keeps its last good version in force. The result
//! does not depend on the order in which objects arrive.
//!
//! ```text
//!  Ingress ──lower──▶ routes per host ──┬─▶ Host (oldest Ingress first) ──▶ Model
//!  IngressClass ──▶ which are ours      └─▶ backends in use
//!  spec.tls + Secret ───────────────────────▶ ServerName per host with a certificate
//!  Service + EndpointSlices + DNS + Secret ─▶ EndpointSet per backend in use
//! ```
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod backends;
mod canaries;
mod candidate;
mod claim;
mod claims;
mod configmap;
mod gateway;
mod guards;
mod hosts;
mod ingress;
mod interest;
mod locations;
mod named;
mod names;
mod options;
mod other_names;
mod passwords;
mod path;
mod regex_path;
mod review;
mod secrets;
mod sessions;
mod settings;
mod slip;
mod snippet;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::networking::v1::Ingress;

use super::host_certificate::HostCertificate;
use super::outcomes::Outcome;
use super::resolve::Answer;
use super::store::{Dirty, Entry, Store};
use crate::model::{
    BackendKey, EntryPoint, HostPattern, Kind, Listener, ListenerId, Model, ObjectRef, Problem,
    Rule, StreamService,
};
use crate::table::{EndpointSet, ServerTlsById};
use backends::{Backends, Use, slices};
use candidate::Candidate;
use claim::Claim;
use claims::{Claims, Taken, Version};
use configmap::{Found, InForce};
use gateway::{Gateways, Ingresses, Surroundings};
use hosts::{BuiltHost, OfAll};
use ingress::{class, spec};
use named::{Difference, Named};
use names::certificates::{self, Names, Sources};
use names::host_tls::{HostTls, redirect_status};
use other_names::{Source, twin_host};
use streams::Protocol;

pub use configmap::globals::{Globals, UnknownNames};
pub use configmap::page as configmap_page;
pub use configmap::{globals_of, is_guard_key};
pub use gateway::{NotOpen, ROUTE_KINDS};
pub use ingress::annotations_page;
pub use ingress::class::Classes;
pub use ingress::spec::{class_name, is_ours, needs};
pub use ingress::{is_guard_annotation, nearest_annotation};
pub use interest::Interest;
pub use options::{CatchAll, ExternalNames, GATEWAY_CONTROLLER, LowerOptions, OwnServices};
pub use regex_path::SPECIAL;

/// What a change came to.
#[derive(Debug)]
pub struct Lowered {
    /// The whole model; `None`: routes are as before. Unchanged hosts are the same pointers.
    pub model: Option<Model>,
    /// What the server configurations stand for that it names.
    pub server_tls: Arc<ServerTlsById>,
    /// What clients of hosts get to see; unchanged ones are the same pointer.
    pub certificates: Arc<[HostCertificate]>,
    /// Backends whose endpoints are new or changed.
    pub endpoints: Vec<(BackendKey, Arc<EndpointSet>)>,
    /// All present problems, in the order of objects. Unchanged ones are the same pointer.
    pub problems: Arc<[Arc<Problem>]>,
    /// Of objects of which something came into force, or nothing is any more.
    pub outcomes: Vec<(ObjectRef, Outcome)>,
}

/// Lowers objects and remembers what it lowered.
#[derive(Debug)]
pub struct Lowerer {
    options: LowerOptions,
    default_rule: Option<Arc<Rule>>,
    globals: Globals,
    /// What of the ConfigMap they come from.
    in_force: InForce,
    classes: Classes,
    claims: Claims,
    hosts: BTreeMap<HostPattern, BuiltHost>,
    names: Names,
    certificates: Arc<[HostCertificate]>,
    backends: Backends,
    named: Named,
    gateways: Gateways,
    streams: BTreeMap<Protocol, Vec<streams::Line>>,
    /// All of them.
    stream_services: Arc<[StreamService]>,
    /// Of classes, slices and the ConfigMaps that flags name.
    problems: BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
    /// All of them, as last told.
    told: Arc<[Arc<Problem>]>,
    /// Some may have come or gone since.
    are_problems_stale: bool,
    is_first: bool,
}

/// What has to be built again.
#[derive(Default)]
struct Touched {
    hosts: BTreeSet<HostPattern>,
    backends: backends::Touched,
    names: certificates::Touched,
    /// The model as a whole says something else.
    is_model: bool,
    /// Claims whose named objects may come to something else.
    named: BTreeSet<ObjectRef>,
    /// See [`Lowered::outcomes`].
    outcomes: Vec<(ObjectRef, Outcome)>,
}

/// What another version of the controller's ConfigMap changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GlobalsChange {
    None,
    /// What the model says as a whole.
    Model,
    /// What objects come to, and perhaps that.
    Objects,
}

impl Lowerer {
    /// Nothing lowered yet.
    #[must_use]
    pub fn new(options: LowerOptions) -> Self {
        let mut backends = Backends::default();
        if let Some(key) = &options.default_backend {
            backends.pin(key);
        }
        Self {
            default_rule: options.default_backend.as_ref().map(hosts::default_rule),
            names: Names::new(options.default_certificate.clone(), options.ticket_keys.clone()),
            certificates: Arc::default(),
            globals: Globals::of_flags(&options),
            in_force: InForce::default(),
            options,
            classes: Classes::default(),
            claims: Claims::default(),
            hosts: BTreeMap::new(),
            backends,
            named: Named::default(),
            gateways: Gateways::default(),
            streams: BTreeMap::new(),
            stream_services: Arc::default(),
            problems: BTreeMap::new(),
            told: Arc::default(),
            are_problems_stale: true,
            is_first: true,
        }
    }

    /// Lowers what is dirty. Certificates are judged as of `now`.
    pub fn apply(&mut self, store: &Store, dirty: &Dirty, now: SystemTime) -> Lowered {
        let mut touched = Touched::default();
        self.gateways.note(store, dirty, &self.options);
        if self.is_first {
            touched.backends.keys.extend(self.options.default_backend.clone());
        }
        self.check_slices(store, dirty);
        self.backends.touch(store, dirty, now, &mut touched.backends);
        let globals = self.apply_globals(store, dirty);
        touched.is_model = globals != GlobalsChange::None;
        touched.is_model |= self.apply_streams(store, dirty, globals, &mut touched.backends);
        if self.apply_classes(store, dirty) | (globals == GlobalsChange::Objects) {
            let known = self.claims.owners().filter(|owner| owner.kind == Kind::Ingress);
            let all: BTreeSet<_> = store.ingresses.keys().chain(known).cloned().collect();
            for ingress in &all {
                let version = match dirty.0.contains(ingress) {
                    true => Version::New,
                    false => Version::Known,
                };
                self.apply_ingress(store, ingress, version, &mut touched);
            }
        } else {
            let dirty = dirty.of_kind(Kind::Ingress);
            for ingress in dirty {
                self.apply_ingress(store, ingress, Version::New, &mut touched);
            }
        }
        let named = dirty.of_kind(Kind::Secret).chain(dirty.of_kind(Kind::ConfigMap));
        touched.named.extend(named.flat_map(|object| self.claims.needing(object)).cloned());
        let sources = sources(store, &self.claims, now);
        self.names.touch_secrets(dirty.of_kind(Kind::Secret), sources, &mut touched.names);
        self.finish(store, touched, now)
    }

    /// Takes a new result of name resolution.
    pub fn apply_answer(&mut self, store: &Store, answer: Answer, now: SystemTime) -> Lowered {
        let mut touched = Touched::default();
        self.backends.answer(answer, &mut touched.backends);
        self.finish(store, touched, now)
    }

    /// The zone of this process became known, or another one.
    pub fn set_zone(&mut self, store: &Store, zone: Option<Arc<str>>, now: SystemTime) -> Lowered {
        self.options.zone = zone;
        let mut touched = Touched::default();
        self.backends.touch_all(&mut touched.backends);
        self.finish(store, touched, now)
    }

    /// What would be wrong with `ingress` if it were applied now, in the words of
    /// [`Self::apply`]; nothing if it is not ours.
    ///
    /// An object without `creationTimestamp` is the youngest of all.
    #[must_use]
    pub fn review(
        &self,
        store: &Store,
        reference: &ObjectRef,
        ingress: Arc<Ingress>,
        now: SystemTime,
    ) -> Vec<Arc<Problem>> {
        if !is_ours(&ingress, &self.classes, &self.options) {
            return Vec::new();
        }
        let is_new = ingress.metadata.creation_timestamp.is_none();
        let entry = Entry { object: ingress, provenance: None };
        let claim = spec::lower(reference, &entry, &self.globals);
        let (claims, hosts) = (&self.claims, &self.hosts);
        let candidate = Candidate { claim: &claim, claims, hosts, is_new };
        let sources = sources(store, claims, now);
        let world = review::World {
            names: &self.names,
            backends: &self.backends,
            globals: &self.globals,
            store,
            sources,
        };
        review::review(candidate, world)
    }

    /// Says which entry points are not open, and why. What becomes of objects by that.
    pub fn set_refused(
        &mut self,
        store: &Store,
        refused: BTreeMap<EntryPoint, NotOpen>,
    ) -> Vec<(ObjectRef, Outcome)> {
        let made = self.gateways.set_refused(refused, store, &self.options);
        self.are_problems_stale |= made.are_problems_stale;
        made.outcomes
    }

    /// All present problems, as [`Lowered::problems`].
    pub fn problems(&mut self) -> Arc<[Arc<Problem>]> {
        if std::mem::take(&mut self.are_problems_stale) {
            self.told = self.all_problems().into();
        }
        Arc::clone(&self.told)
    }

    /// What it is told besides objects.
    #[must_use]
    pub const fn options(&self) -> &LowerOptions {
        &self.options
    }

    /// Names that have to be resolved for the backends in use.
    #[must_use]
    pub fn external_names(&self) -> BTreeSet<Arc<str>> {
        self.backends.external_names()
    }

    /// The endpoints of a backend in use; of others: none.
    #[must_use]
    pub fn endpoints(&self, key: &BackendKey) -> Arc<EndpointSet> {
        self.backends.endpoints(key)
    }

    fn apply_classes(&mut self, store: &Store, dirty: &Dirty) -> bool {
        let mut dirty = dirty.of_kind(Kind::IngressClass).peekable();
        if dirty.peek().is_none() && !self.is_first {
            return false;
        }
        self.are_problems_stale = true;
        for reference in dirty {
            self.problems.remove(reference);
        }
        for (reference, problems) in class::check(&store.ingress_classes, &self.options) {
            set_problems(&mut self.problems, reference, problems);
        }
        let classes = store.ingress_classes.iter().map(|(r, entry)| (r, &*entry.object));
        let classes = Classes::of(classes, &self.options);
        let is_changed = self.is_first || classes != self.classes;
        self.classes = classes;
        is_changed
    }

    /// Reads the controller's ConfigMap again if it changed.
    fn apply_globals(&mut self, store: &Store, dirty: &Dirty) -> GlobalsChange {
        let Some(flag) = self.options.config_map.clone() else { return GlobalsChange::None };
        let is_named = self.globals.field_maps.named().any(|map| dirty.0.contains(map));
        if !self.is_first && !is_named && !dirty.0.contains(&flag) {
            return GlobalsChange::None;
        }
        let map = store.config_maps.get(&flag);
        let found = Found::of(&flag, store);
        let (mut globals, mut problems) = self.in_force.read(&flag, found, &self.options);
        problems.extend(configmap::find_fields(&flag, map, &store.config_maps, &mut globals));
        set_problems(&mut self.problems, &flag, problems);
        self.are_problems_stale = true;
        let old = std::mem::replace(&mut self.globals, globals);
        self.names.set_terms(&self.globals.tls);
        match (old.is_same_for_objects(&self.globals), old == self.globals) {
            (false, _) => GlobalsChange::Objects,
            (true, false) => GlobalsChange::Model,
            (true, true) => GlobalsChange::None,
        }
    }

    /// Reads the ConfigMaps of TCP and UDP services again if something changed by which they are
    /// read; whether there are others.
    fn apply_streams(
        &mut self,
        store: &Store,
        dirty: &Dirty,
        globals: GlobalsChange,
        touched: &mut backends::Touched,
    ) -> bool {
        let LowerOptions { tcp_services, udp_services, .. } = &self.options;
        let flags = [(Protocol::Tcp, tcp_services.clone()), (Protocol::Udp, udp_services.clone())];
        let flags = flags.into_iter().filter_map(|(protocol, map)| Some((protocol, map?)));
        let mut is_changed = false;
        for (protocol, map) in flags {
            if !self.is_first && !dirty.0.contains(&map) && globals == GlobalsChange::None {
                continue;
            }
            let entry = store.config_maps.get(&map);
            let (ours, policy) = (&self.options.entry_points, self.globals.streams);
            let reading = streams::Reading { protocol, ours, policy };
            let (now, problems) = streams::read(&map, entry, reading);
            set_problems(&mut self.problems, &map, problems);
            self.are_problems_stale = true;
            let lines = self.streams.entry(protocol).or_default();
            let old = lines.iter().map(|line| &line.backend);
            let new = now.iter().map(|line| (&line.backend, &line.field));
            self.backends.services(&map, (old, Use::Plain), (new, Use::Plain), touched);
            is_changed |= *lines != now;
            *lines = now;
        }
        if is_changed {
            let services = self.streams.values().flatten().map(|line| &line.service);
            self.gateways.yield_to(services.flat_map(|service| &service.entry_points).copied());
        }
        is_changed
    }

    /// Those of ConfigMaps, and behind them those of Gateways.
    fn collect_streams(&mut self) {
        let of_maps = self.streams.values().flatten().map(|line| line.service.clone());
        let (ours, policy) = (&self.options.entry_points, self.globals.streams);
        let of_gateways = self.gateways.stream_services(ours, policy);
        let all: Vec<_> = of_maps.chain(of_gateways).collect();
        if *all != *self.stream_services {
            self.stream_services = all.into();
        }
    }

    fn check_slices(&mut self, store: &Store, dirty: &Dirty) {
        for reference in dirty.of_kind(Kind::EndpointSlice) {
            let entry = store.endpoint_slices.get(reference);
            let check = |entry| slices::check(reference, entry, &self.options);
            let problems = entry.map(check).unwrap_or_default();
            let is_told = self.problems.contains_key(reference);
            self.are_problems_stale |= is_told || !problems.is_empty();
            set_problems(&mut self.problems, reference, problems);
        }
    }

    fn apply_ingress(
        &mut self,
        store: &Store,
        reference: &ObjectRef,
        version: Version,
        touched: &mut Touched,
    ) {
        let is_ours =
            |entry: &&Entry<Ingress>| is_ours(&entry.object, &self.classes, &self.options);
        match store.ingresses.get(reference).filter(is_ours) {
            Some(entry) => {
                let claim = spec::lower(reference, entry, &self.globals);
                self.take(claim, entry.object.metadata.uid.as_deref(), version, touched);
            }
            None => {
                let Some(old) = self.claims.remove(reference) else { return };
                self.release(&old, touched);
                touched.named.insert(reference.clone());
                if !old.is_unusable {
                    touched.outcomes.push((reference.clone(), Outcome::Withdrawn));
                }
            }
        }
    }

    /// Takes a new version of an object of whatever kind.
    fn take(&mut self, claim: Claim, uid: Option<&str>, version: Version, touched: &mut Touched) {
        let (owner, is_served) = (claim.owner.clone(), !claim.is_unusable);
        touched.backends.owners.insert(owner.clone());
        touched.named.insert(owner.clone());
        let old = match self.claims.take(claim, uid, version) {
            Taken::Kept { are_guards_changed } => {
                if are_guards_changed && let Some(kept) = self.claims.get(&owner) {
                    touched.hosts.extend(kept.routes.keys().cloned());
                }
                return;
            }
            Taken::InForce { old } => old,
        };
        if let Some(old) = &old {
            self.release(old, touched);
        }
        if old.is_some_and(|old| !old.is_unusable) != is_served {
            let outcome = if is_served { Outcome::Served } else { Outcome::Withdrawn };
            touched.outcomes.push((owner.clone(), outcome));
        }
        if let Some(new) = self.claims.get(&owner) {
            touched.hosts.extend(new.routes.keys().cloned().chain(new.other_names()));
            self.backends.claim(new, &mut touched.backends);
            self.names.claim(new, &mut touched.names);
        }
    }

    fn release(&mut self, old: &Claim, touched: &mut Touched) {
        touched.hosts.extend(old.routes.keys().cloned().chain(old.other_names()));
        self.backends.release(old, &mut touched.backends);
        self.names.release(old, &mut touched.names);
    }

    fn finish(&mut self, store: &Store, mut touched: Touched, now: SystemTime) -> Lowered {
        let is_first = std::mem::take(&mut self.is_first);
        self.follow(&mut touched.hosts);
        touched.names.names.extend(touched.hosts.iter().cloned());
        let old_flag_problems: Vec<_> = self.names.flag_problems().cloned().collect();
        self.are_problems_stale |= !touched.backends.owners.is_empty() || !touched.names.is_empty();
        self.find_named(store, &mut touched);
        let built = self.names.build(sources(store, &self.claims, now), touched.names);
        touched.hosts.extend(built.hosts);
        self.follow(&mut touched.hosts);
        self.are_problems_stale |= built.is_changed || !touched.hosts.is_empty();
        self.are_problems_stale |= !self.names.flag_problems().eq(&old_flag_problems);
        let is_model_changed =
            is_first || touched.is_model || built.is_changed || !touched.hosts.is_empty();
        let changed = touched.hosts;
        for pattern in &changed {
            self.build_host(pattern.clone(), &mut touched.backends);
        }
        let (hosts, claims) = (&self.hosts, &self.claims);
        let owner = |pattern: &HostPattern| {
            let host = hosts.get(pattern)?.host.as_ref()?;
            let of_rule = host.rules.first().map(|rule| &rule.origin.object);
            of_rule.or_else(|| claims.of_host(pattern).next().map(|claim| &claim.owner)).cloned()
        };
        let made = self.gateways.make(Surroundings {
            store,
            options: &self.options,
            names: &mut self.names,
            backends: &mut self.backends,
            touched: &mut touched.backends,
            ingresses: Ingresses { owner: &owner, changed: &changed },
            now,
        });
        let is_model_changed = is_model_changed || made.is_model;
        self.are_problems_stale |= made.are_problems_stale;
        touched.outcomes.extend(made.outcomes);
        let backends =
            self.backends.build(store, &self.options, &self.claims, now, touched.backends);
        self.are_problems_stale |= backends.are_problems_stale;
        if is_model_changed {
            self.collect_streams();
        }
        let model = is_model_changed.then(|| self.model());
        let problems = self.problems();
        if built.is_changed || is_first {
            self.certificates = self.names.certificates().collect();
        }
        let certificates = Arc::clone(&self.certificates);
        let (server_tls, endpoints) = (Arc::clone(self.names.server_tls()), backends.endpoints);
        let outcomes = touched.outcomes;
        Lowered { model, server_tls, certificates, endpoints, problems, outcomes }
    }

    fn find_named(&mut self, store: &Store, touched: &mut Touched) {
        for owner in std::mem::take(&mut touched.named) {
            let claim = self.claims.get(&owner);
            match self.named.update(&owner, claim, store, &self.globals) {
                Difference::Same => {}
                Difference::Problems => self.are_problems_stale = true,
                Difference::Rules => {
                    self.are_problems_stale = true;
                    touched.hosts.extend(claim.into_iter().flat_map(|c| c.routes.keys().cloned()));
                }
            }
        }
    }

    /// Adds the names that stand for hosts.
    fn follow(&self, hosts: &mut BTreeSet<HostPattern>) {
        let names: Vec<_> = hosts.iter().flat_map(|host| self.claims.following(host)).collect();
        hosts.extend(names);
    }

    fn build_host(&mut self, pattern: HostPattern, touched: &mut backends::Touched) {
        let tls = self.names.host(&pattern);
        let source = self.claims.source(&pattern);
        let mut built = match &source {
            None => self.built(&pattern, tls),
            Some(Source::Alias(host)) => self.built(host, tls).called(&pattern),
            Some(Source::Twin(host)) => {
                let mut owners = self.claims.wanting(&pattern);
                let owner = owners.find(|claim| claim.routes.contains_key(host));
                let hsts = self.globals.hsts.value().filter(|_| tls.has_entry);
                let status = redirect_status(&self.globals);
                let host = owner.map(|owner| twin_host(&pattern, host, owner, status, hsts));
                host.map(BuiltHost::lone).unwrap_or_default()
            }
        };
        built.problems.extend(self.claims.names_lost(&pattern));
        let old = self.hosts.get(&pattern).map(|old| &*old.canaries).unwrap_or_default();
        self.backends.canaries(old, &built.canaries, touched);
        match built.host.is_some() || !built.problems.is_empty() {
            true => drop(self.hosts.insert(pattern, built)),
            false => drop(self.hosts.remove(&pattern)),
        }
    }

    fn built(&self, host: &HostPattern, tls: HostTls) -> BuiltHost {
        let (claimants, canaries) = (self.claims.of_host(host), self.claims.canaries_of(host));
        let (options, globals, named) = (&self.options, &self.globals, &self.named);
        hosts::build(host, claimants, canaries, tls, OfAll { options, globals, named })
    }

    fn model(&self) -> Model {
        let hosts = self.hosts.values().filter_map(|built| built.host.clone()).collect();
        let (server_names, default_tls) = self.names.server_names();
        let is_served = self.globals.unknown_names == UnknownNames::Served;
        let default_tls = default_tls.filter(|_| is_served);
        let default_rule = self.default_rule.clone();
        let is_closed = self.globals.is_closed;
        let default_rule =
            default_rule.map(|rule| if is_closed { hosts::shut(&rule) } else { rule });
        let entry_points = self.options.entry_points.clone();
        let generation = ListenerId::HTTP.generation;
        let listener =
            Listener { generation, entry_points, hosts, default_rule, server_names, default_tls };
        let Globals { defaults, downstream, pools, .. } = &self.globals;
        Model {
            listeners: self.gateways.listeners(listener),
            defaults: defaults.clone(),
            downstream: Arc::new(downstream.clone()),
            pools: *pools,
            stream_services: Arc::clone(&self.stream_services),
        }
    }

    fn all_problems(&self) -> Vec<Arc<Problem>> {
        let mut problems: Vec<_> = self.problems.values().flatten().cloned().collect();
        problems.extend(self.claims.problems());
        problems.extend(self.gateways.problems().cloned());
        problems.extend(self.hosts.values().flat_map(|built| built.problems.iter().cloned()));
        problems.extend(self.named.problems().cloned());
        problems.extend(self.names.problems().cloned());
        problems.extend(self.backends.problems().cloned());
        problems
    }
}

fn set_problems(
    all: &mut BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
    reference: &ObjectRef,
    problems: Vec<Arc<Problem>>,
) {
    if problems.is_empty() {
        all.remove(reference);
    } else {
        all.insert(reference.clone(), problems);
    }
}

fn sources<'a>(store: &'a Store, claims: &'a Claims, now: SystemTime) -> Sources<'a> {
    Sources { secrets: &store.secrets, broken: &store.broken, claims, now }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests;
