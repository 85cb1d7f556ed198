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
mod guards;
mod hosts;
mod ingress;
mod interest;
mod names;
mod options;
mod path;
mod regex_path;
mod review;
mod secrets;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::resolve::{Answer, Resolution};
use super::source::report::{Finding, Report};
use super::store::{Dirty, Store};
use crate::model::{
    BackendKey, Dial, EndpointSet, HostPattern, Kind, Listener, ListenerId, Model, ObjectRef,
    PortRef, Problem, Rule,
};
use backends::backend::{self, Backend, Defect, SliceIndex, Sources};
use backends::dial::Dialers;
use backends::slices;
use hosts::BuiltHost;
use ingress::class;
use ingress::spec::{self, Age, LoweredIngress};
use names::certificates::{self, TlsState};

pub use backends::slices::removes_endpoints;
pub use ingress::annotations_page;
pub use ingress::class::Classes;
pub use ingress::spec::{class_name, is_ours, is_usable, secret_references};
pub use interest::Interest;
pub use options::LowerOptions;

/// What a change came to.
#[derive(Debug)]
pub struct Lowered {
    /// The whole model; `None`: routes are as before. Unchanged hosts are the same pointers.
    pub model: Option<Model>,
    /// Backends whose endpoints are new or changed.
    pub endpoints: Vec<(BackendKey, Arc<EndpointSet>)>,
    /// All present problems, in the order of objects. Unchanged ones are the same pointer.
    pub problems: Arc<[Arc<Problem>]>,
    /// Ingresses of which something came into force (true), and those of which nothing is any more
    /// (false).
    pub served: Vec<(ObjectRef, bool)>,
}

/// Lowers objects and remembers what it lowered.
#[derive(Debug)]
pub struct Lowerer {
    options: LowerOptions,
    default_rule: Option<Arc<Rule>>,
    classes: Classes,
    /// In force.
    ingresses: BTreeMap<ObjectRef, InForce>,
    /// Who names a host, the oldest first.
    claims: BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    hosts: BTreeMap<HostPattern, BuiltHost>,
    /// Who names a backend.
    uses: BTreeMap<BackendKey, BTreeSet<ObjectRef>>,
    backends: BTreeMap<BackendKey, Backend>,
    /// What is wrong with a backend, told on each object that names it.
    backend_problems: BTreeMap<BackendKey, BTreeMap<ObjectRef, Vec<Arc<Problem>>>>,
    tls: TlsState,
    /// How backends are spoken to by TLS.
    dialers: Dialers,
    slices: SliceIndex,
    slice_services: BTreeMap<ObjectRef, (Arc<str>, Arc<str>)>,
    resolutions: BTreeMap<Arc<str>, Resolution>,
    /// Of classes and slices.
    problems: BTreeMap<ObjectRef, Vec<Arc<Problem>>>,
    /// All of them, as last told.
    told: Arc<[Arc<Problem>]>,
    /// Some may have come or gone since.
    are_problems_stale: bool,
    /// Names to be resolved, and how many backends each has.
    external_names: BTreeMap<Arc<str>, usize>,
    is_first: bool,
}

/// An Ingress and what is wrong with the newer version that could not replace it.
#[derive(Debug)]
struct InForce {
    lowered: LoweredIngress,
    newer: Vec<Arc<Problem>>,
    /// `metadata.uid`, so that an object of the same name is no newer version.
    uid: Option<Box<str>>,
}

/// What has to be built again.
#[derive(Default)]
struct Touched {
    hosts: BTreeSet<HostPattern>,
    backends: BTreeSet<BackendKey>,
    /// Lowered again or gone: what they say about their backends may have changed.
    ingresses: BTreeSet<ObjectRef>,
    tls: certificates::Touched,
    /// See [`Lowered::served`].
    served: Vec<(ObjectRef, bool)>,
}

impl Lowerer {
    /// Nothing lowered yet.
    #[must_use]
    pub fn new(options: LowerOptions) -> Self {
        let mut uses: BTreeMap<BackendKey, BTreeSet<ObjectRef>> = BTreeMap::new();
        if let Some(key) = &options.default_backend {
            uses.entry(key.clone()).or_default().insert(service_ref(key));
        }
        Self {
            default_rule: options.default_backend.as_ref().map(hosts::default_rule),
            tls: TlsState::new(options.default_certificate.clone(), options.ticket_keys.clone()),
            options,
            dialers: Dialers::default(),
            classes: Classes::default(),
            ingresses: BTreeMap::new(),
            claims: BTreeMap::new(),
            hosts: BTreeMap::new(),
            uses,
            backends: BTreeMap::new(),
            backend_problems: BTreeMap::new(),
            slices: BTreeMap::new(),
            slice_services: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            problems: BTreeMap::new(),
            told: Arc::default(),
            are_problems_stale: true,
            external_names: BTreeMap::new(),
            is_first: true,
        }
    }

    /// Lowers what is dirty.
    pub fn apply(&mut self, store: &Store, dirty: &Dirty) -> Lowered {
        let mut touched = Touched::default();
        let is_first = std::mem::take(&mut self.is_first);
        if is_first {
            touched.backends.extend(self.options.default_backend.clone());
        }
        let are_classes_changed = self.apply_classes(store, dirty, is_first);
        self.apply_slices(store, dirty, &mut touched);
        for reference in dirty.of_kind(Kind::Service) {
            self.touch_service(&reference.namespace, &reference.name, &mut touched);
        }
        if are_classes_changed {
            for reference in self.all_ingresses(store) {
                self.apply_ingress(store, &reference, &mut touched);
            }
        } else {
            for reference in dirty.of_kind(Kind::Ingress) {
                self.apply_ingress(store, reference, &mut touched);
            }
        }
        let now = SystemTime::now();
        let sources = tls_sources(store, &self.ingresses, &self.claims, now);
        self.tls.touch_secrets(dirty.of_kind(Kind::Secret), sources, &mut touched.tls);
        self.dialers.touch_secrets(dirty.of_kind(Kind::Secret), &mut touched.backends);
        self.finish(store, touched, is_first)
    }

    /// Takes a new result of name resolution.
    pub fn apply_answer(&mut self, store: &Store, answer: Answer) -> Lowered {
        let Answer { name, result } = answer;
        self.resolutions.entry(Arc::clone(&name)).or_default().update(result);
        let external =
            self.backends.iter().filter(|(_, b)| b.external_name.as_ref() == Some(&name));
        let backends = external.map(|(key, _)| key.clone()).collect();
        self.finish(store, Touched { backends, ..Touched::default() }, false)
    }

    /// The zone of this process became known, or another one.
    pub fn set_zone(&mut self, store: &Store, zone: Option<Arc<str>>) -> Lowered {
        self.options.zone = zone;
        let backends = self.backends.keys().cloned().collect();
        self.finish(store, Touched { backends, ..Touched::default() }, false)
    }

    /// Names that have to be resolved for the backends in use.
    #[must_use]
    pub fn external_names(&self) -> BTreeSet<Arc<str>> {
        self.external_names.keys().cloned().collect()
    }

    /// The endpoints of a backend in use; of others: none.
    #[must_use]
    pub fn endpoints(&self, key: &BackendKey) -> Arc<EndpointSet> {
        self.backends.get(key).map(|backend| Arc::clone(&backend.set)).unwrap_or_default()
    }

    fn all_ingresses(&self, store: &Store) -> BTreeSet<ObjectRef> {
        store.ingresses.keys().chain(self.ingresses.keys()).cloned().collect()
    }

    fn apply_classes(&mut self, store: &Store, dirty: &Dirty, is_first: bool) -> bool {
        let mut dirty = dirty.of_kind(Kind::IngressClass).peekable();
        if dirty.peek().is_none() && !is_first {
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
        let is_changed = is_first || classes != self.classes;
        self.classes = classes;
        is_changed
    }

    fn apply_slices(&mut self, store: &Store, dirty: &Dirty, touched: &mut Touched) {
        for reference in dirty.of_kind(Kind::EndpointSlice) {
            if let Some(service) = self.slice_services.remove(reference) {
                self.touch_service(&service.0, &service.1, touched);
                if let Some(slices) = self.slices.get_mut(&service) {
                    slices.remove(reference);
                    if slices.is_empty() {
                        self.slices.remove(&service);
                    }
                }
            }
            let Some(entry) = store.endpoint_slices.get(reference) else {
                self.are_problems_stale |= self.problems.remove(reference).is_some();
                continue;
            };
            let problems = slices::check(reference, entry, &self.options);
            let is_told = self.problems.contains_key(reference);
            self.are_problems_stale |= is_told || !problems.is_empty();
            set_problems(&mut self.problems, reference, problems);
            let Some(name) = slices::service_name(&entry.object) else { continue };
            let service = (Arc::clone(&reference.namespace), Arc::from(name));
            self.touch_service(&service.0, &service.1, touched);
            self.slices.entry(service.clone()).or_default().insert(reference.clone());
            self.slice_services.insert(reference.clone(), service);
        }
    }

    /// Marks every backend in use that is a port of the Service.
    fn touch_service(&self, namespace: &Arc<str>, service: &Arc<str>, touched: &mut Touched) {
        // The least of its keys in their order.
        let first = BackendKey {
            namespace: Arc::clone(namespace),
            service: Arc::clone(service),
            port: PortRef::Number(0),
            dial: Dial::default(),
        };
        let ports = self
            .uses
            .range(first..)
            .map(|(key, _)| key)
            .take_while(|key| key.namespace == *namespace && key.service == *service);
        touched.backends.extend(ports.cloned());
    }

    fn apply_ingress(&mut self, store: &Store, reference: &ObjectRef, touched: &mut Touched) {
        let ours = store
            .ingresses
            .get(reference)
            .filter(|entry| is_ours(&entry.object, &self.classes, &self.options));
        let Some(entry) = ours else {
            if let Some(old) = self.ingresses.remove(reference) {
                self.release(&old.lowered, touched);
                touched.ingresses.insert(reference.clone());
                if !old.lowered.is_unusable {
                    touched.served.push((reference.clone(), false));
                }
            }
            return;
        };
        let lowered = spec::lower(reference, entry);
        let uid: Option<Box<str>> = entry.object.metadata.uid.as_deref().map(Into::into);
        touched.ingresses.insert(reference.clone());
        match self.ingresses.get_mut(reference) {
            Some(old) if lowered.is_unusable && !old.lowered.is_unusable && old.uid == uid => {
                // The version that stays must not be more open than the one that cannot be used.
                let guards = old.lowered.guards_of_newer(&lowered);
                if guards != old.lowered.newer_guards {
                    touched.hosts.extend(old.lowered.hosts.keys().cloned());
                    old.lowered.newer_guards = guards;
                }
                old.newer = lowered.problems;
                return;
            }
            Some(_) | None => {}
        }
        let old = self.ingresses.remove(reference);
        if let Some(old) = &old {
            self.release(&old.lowered, touched);
        }
        let was_served = old.is_some_and(|old| !old.lowered.is_unusable);
        if was_served == lowered.is_unusable {
            touched.served.push((reference.clone(), !was_served));
        }
        self.claim(&lowered, touched);
        self.ingresses.insert(reference.clone(), InForce { lowered, newer: Vec::new(), uid });
    }

    fn claim(&mut self, ingress: &LoweredIngress, touched: &mut Touched) {
        for pattern in ingress.hosts.keys() {
            let claims = self.claims.entry(pattern.clone()).or_default();
            claims.insert(ingress.age.clone(), ingress.reference.clone());
            touched.hosts.insert(pattern.clone());
        }
        for key in ingress.uses.keys() {
            self.uses.entry(key.clone()).or_default().insert(ingress.reference.clone());
            touched.backends.insert(key.clone());
        }
        self.tls.claim(ingress, &mut touched.tls);
    }

    fn release(&mut self, ingress: &LoweredIngress, touched: &mut Touched) {
        for pattern in ingress.hosts.keys() {
            if let Some(claims) = self.claims.get_mut(pattern) {
                claims.remove(&ingress.age);
            }
            touched.hosts.insert(pattern.clone());
        }
        for key in ingress.uses.keys() {
            if let Some(users) = self.uses.get_mut(key) {
                users.remove(&ingress.reference);
                if users.is_empty() {
                    self.uses.remove(key);
                }
            }
            touched.backends.insert(key.clone());
        }
        self.tls.release(ingress, &mut touched.tls);
    }

    fn finish(&mut self, store: &Store, mut touched: Touched, is_first: bool) -> Lowered {
        for pattern in &touched.hosts {
            if self.claims.get(pattern).is_some_and(BTreeMap::is_empty) {
                self.claims.remove(pattern);
            }
        }
        touched.tls.names.extend(touched.hosts.iter().cloned());
        let old_flag_problems: Vec<_> = self.tls.flag_problems().cloned().collect();
        self.are_problems_stale |= !touched.ingresses.is_empty() || !touched.tls.is_empty();
        let sources = tls_sources(store, &self.ingresses, &self.claims, SystemTime::now());
        let built = self.tls.build(sources, touched.tls);
        touched.hosts.extend(built.hosts);
        self.are_problems_stale |= built.is_changed || !touched.hosts.is_empty();
        self.are_problems_stale |= !self.tls.flag_problems().eq(&old_flag_problems);
        let are_routes_changed = is_first || built.is_changed || !touched.hosts.is_empty();
        for pattern in touched.hosts {
            self.build_host(pattern);
        }
        let endpoints = self.build_backends(store, touched.backends, &touched.ingresses);
        let model = are_routes_changed.then(|| self.model());
        if std::mem::take(&mut self.are_problems_stale) {
            self.told = self.all_problems().into();
        }
        let problems = Arc::clone(&self.told);
        Lowered { model, endpoints, problems, served: touched.served }
    }

    fn build_host(&mut self, pattern: HostPattern) {
        let Some(claims) = self.claims.get(&pattern) else {
            self.hosts.remove(&pattern);
            return;
        };
        let claimants = claims.values().filter_map(|reference| self.ingresses.get(reference));
        let claimants = claimants.map(|in_force| &in_force.lowered);
        let hsts = self.options.hsts.as_ref();
        let built = hosts::build(&pattern, claimants, self.tls.host(&pattern), hsts);
        self.hosts.insert(pattern, built);
    }

    fn build_backends(
        &mut self,
        store: &Store,
        touched: BTreeSet<BackendKey>,
        ingresses: &BTreeSet<ObjectRef>,
    ) -> Vec<(BackendKey, Arc<EndpointSet>)> {
        let mut changed = Vec::new();
        for key in touched {
            if !self.uses.contains_key(&key) {
                let old = self.backends.remove(&key);
                self.count_name(old.and_then(|old| old.external_name), None);
                self.dialers.release(&key);
                self.are_problems_stale |= self.backend_problems.remove(&key).is_some();
                continue;
            }
            let sources = Sources {
                store,
                slices: &self.slices,
                resolutions: &self.resolutions,
                options: &self.options,
            };
            self.dialers.acquire(&key);
            let backend = backend::lower(&key, &sources, &mut self.dialers);
            let old = self.backends.insert(key.clone(), backend.clone());
            if old.as_ref().is_none_or(|old| old.set != backend.set) {
                changed.push((key.clone(), Arc::clone(&backend.set)));
            }
            let old_name = old.as_ref().and_then(|old| old.external_name.clone());
            self.count_name(old_name, backend.external_name.clone());
            let is_same_defect = old.is_some_and(|old| old.defect == backend.defect);
            self.tell_users(&key, &backend, is_same_defect.then_some(ingresses));
        }
        self.dialers.forget_unused();
        changed
    }

    /// A backend has another external name.
    fn count_name(&mut self, old: Option<Arc<str>>, new: Option<Arc<str>>) {
        if let Some(name) = new {
            let count = self.external_names.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(name) = old
            && let Some(count) = self.external_names.get_mut(&name)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.external_names.remove(&name);
            }
        }
    }

    fn model(&self) -> Model {
        let hosts = self.hosts.values().map(|built| Arc::clone(&built.host)).collect();
        let (server_names, default_tls) = self.tls.server_names();
        let default_rule = self.default_rule.clone();
        let entry_points = self.options.entry_points.clone();
        let generation = ListenerId::HTTP.generation;
        let listener =
            Listener { generation, entry_points, hosts, default_rule, server_names, default_tls };
        Model { listeners: vec![listener], defaults: self.options.defaults.clone() }
    }

    fn all_problems(&self) -> Vec<Arc<Problem>> {
        let mut problems = Vec::new();
        problems.extend(self.problems.values().flatten().cloned());
        for in_force in self.ingresses.values() {
            let InForce { lowered, newer, uid: _ } = in_force;
            if newer.is_empty() {
                problems.extend(lowered.problems.iter().cloned());
            } else {
                problems.extend(newer.iter().cloned());
                problems.extend(kept(lowered));
            }
        }
        problems.extend(self.hosts.values().flat_map(|built| built.problems.iter().cloned()));
        problems.extend(self.tls.problems().cloned());
        let of_backends = self.backend_problems.values().flat_map(BTreeMap::values).flatten();
        problems.extend(of_backends.cloned());
        problems
    }

    /// Renews the problems of a backend on the objects that name it; `among`: on these only,
    /// because the others were told the same before. Thousands of objects may name one missing
    /// Service.
    fn tell_users(
        &mut self,
        key: &BackendKey,
        backend: &Backend,
        among: Option<&BTreeSet<ObjectRef>>,
    ) {
        let Some(defect) = &backend.defect else {
            self.are_problems_stale |= self.backend_problems.remove(key).is_some();
            return;
        };
        self.are_problems_stale = true;
        let mut told = self.backend_problems.remove(key).unwrap_or_default();
        let no_users = BTreeSet::new();
        let users = self.uses.get(key).unwrap_or(&no_users);
        if among.is_none() {
            told.clear();
        }
        for user in among.unwrap_or(users) {
            if users.contains(user) {
                told.insert(user.clone(), self.backend_problem(user, key, defect));
            } else {
                told.remove(user);
            }
        }
        self.backend_problems.insert(key.clone(), told);
    }

    fn backend_problem(
        &self,
        user: &ObjectRef,
        key: &BackendKey,
        defect: &Defect,
    ) -> Vec<Arc<Problem>> {
        let lowered = self.ingresses.get(user).map(|in_force| &in_force.lowered);
        let provenance = lowered.and_then(|lowered| lowered.provenance.as_ref());
        let field = lowered.and_then(|lowered| lowered.uses.get(key)).map_or("", |f| f);
        let mut report = Report::new(user, provenance);
        if defect.is_error() {
            report.error(defect.finding(field));
        } else if !defect.is_told() {
            report.warning(defect.finding(field));
        }
        report.finish()
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

fn tls_sources<'a>(
    store: &'a Store,
    ingresses: &'a BTreeMap<ObjectRef, InForce>,
    claims: &'a BTreeMap<HostPattern, BTreeMap<Age, ObjectRef>>,
    now: SystemTime,
) -> certificates::Sources<'a> {
    certificates::Sources { secrets: &store.secrets, broken: &store.broken, ingresses, claims, now }
}

/// Tells that an older version than the object's is in force.
fn kept(lowered: &LoweredIngress) -> Vec<Arc<Problem>> {
    let mut report = Report::new(&lowered.reference, lowered.provenance.as_ref());
    let what = match lowered.newer_guards.is_some() {
        true => {
            "of the last good one all requests get status 503, because the new one is to be \
             protected"
        }
        false => "the last good one stays in force",
    };
    report.warning(Finding {
        reason: "LastGoodVersion",
        field: String::new(),
        message: format!("nothing of its new version can be used; {what}."),
        advice: "Correct the errors.".into(),
    });
    report.finish()
}

/// The Service of a backend.
pub(super) fn service_ref(key: &BackendKey) -> ObjectRef {
    ObjectRef {
        kind: Kind::Service,
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(&key.service),
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests;
