//! Service ports that rules name → their endpoints, and what their users are told.

pub(super) mod backend;
pub(super) mod dial;
mod rings;
pub(super) mod service;
pub(super) mod slices;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::canaries::CanaryUse;
use super::claim::{Claim, Place};
use super::claims::Claims;
use super::options::LowerOptions;
use crate::control::resolve::{Answer, Resolution};
use crate::control::source::object::Provenance;
use crate::control::source::report::Report;
use crate::control::store::{Dirty, Store};
use crate::model::{BackendKey, Kind, ObjectRef, Problem, TransportProtocol};
use crate::table::EndpointSet;
use backend::{Backend, Defect, Sources};
use dial::Dialers;
use service::service_ref;
use slices::SliceIndex;
pub(super) use uses::Use;
use uses::Uses;

/// All backends in use.
#[derive(Debug, Default)]
pub(super) struct Backends {
    uses: Uses,
    /// Fields of the objects, other than claims, that name them.
    lines: BTreeMap<(ObjectRef, BackendKey), String>,
    built: BTreeMap<BackendKey, Backend>,
    /// What is wrong with a backend, told on each object that names it.
    problems: BTreeMap<BackendKey, BTreeMap<ObjectRef, Vec<Arc<Problem>>>>,
    /// How they are spoken to by TLS.
    dialers: Dialers,
    slices: SliceIndex,
    resolutions: BTreeMap<Arc<str>, Resolution>,
    /// Names to be resolved, and how many backends each has.
    external_names: BTreeMap<Arc<str>, usize>,
}

/// What is to be built again.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub keys: BTreeSet<BackendKey>,
    /// Lowered again or gone: what they say about their backends may have changed.
    pub owners: BTreeSet<ObjectRef>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// Those whose endpoints are new or changed.
    pub endpoints: Vec<(BackendKey, Arc<EndpointSet>)>,
    /// Some may have come or gone.
    pub are_problems_stale: bool,
}

impl Backends {
    /// The backend of a flag is in use.
    pub(super) fn pin(&mut self, key: &BackendKey) {
        self.uses.acquire(key, &service_ref(key), Use::Plain);
    }

    /// A claim came into force. What a canary uses is known with the rules that it stands beside.
    pub(super) fn claim(&mut self, claim: &Claim, touched: &mut Touched) {
        let how = use_of(claim);
        for key in claim.uses.keys().filter(|_| !claim.settings.is_canary()) {
            self.uses.acquire(key, &claim.owner, how);
            touched.keys.insert(key.clone());
        }
        touched.owners.insert(claim.owner.clone());
    }

    /// A claim is no longer in force.
    pub(super) fn release(&mut self, claim: &Claim, touched: &mut Touched) {
        for key in claim.uses.keys().filter(|_| !claim.settings.is_canary()) {
            self.uses.release(key, &claim.owner, use_of(claim));
            touched.keys.insert(key.clone());
        }
        touched.owners.insert(claim.owner.clone());
    }

    /// Canaries of a host use `new` in place of `old`.
    pub(super) fn canaries(&mut self, old: &[CanaryUse], new: &[CanaryUse], touched: &mut Touched) {
        let how = |used: &CanaryUse| if used.is_bound { Use::Binding } else { Use::Plain };
        new.iter().for_each(|used| self.uses.acquire(&used.backend, &used.canary, how(used)));
        old.iter().for_each(|used| self.uses.release(&used.backend, &used.canary, how(used)));
        for CanaryUse { canary, backend, .. } in old.iter().chain(new) {
            touched.keys.insert(backend.clone());
            touched.owners.insert(canary.clone());
        }
    }

    /// An object that is no claim names `new` in place of `old`, each with the field that does.
    pub(super) fn services<'a>(
        &mut self,
        owner: &ObjectRef,
        (old, old_use): (impl Iterator<Item = &'a BackendKey>, Use),
        (new, new_use): (impl Iterator<Item = (&'a BackendKey, &'a String)> + Clone, Use),
        touched: &mut Touched,
    ) {
        for (backend, _) in new.clone() {
            self.uses.acquire(backend, owner, new_use);
            touched.keys.insert(backend.clone());
        }
        for backend in old {
            self.uses.release(backend, owner, old_use);
            self.lines.remove(&(owner.clone(), backend.clone()));
            touched.keys.insert(backend.clone());
        }
        for (backend, field) in new {
            let place = (owner.clone(), backend.clone());
            self.lines.entry(place).or_insert_with(|| field.clone());
        }
        touched.owners.insert(owner.clone());
    }

    /// Marks what changed objects are part of: Services, slices and Secrets. Time alone changes
    /// what Secrets come to.
    pub(super) fn touch(
        &mut self,
        store: &Store,
        dirty: &Dirty,
        now: SystemTime,
        touched: &mut Touched,
    ) {
        for reference in dirty.of_kind(Kind::EndpointSlice) {
            let new = store.endpoint_slices.get(reference).map(|entry| &*entry.object);
            for (namespace, service) in self.slices.take(reference, new) {
                touched.keys.extend(self.uses.of_service(&namespace, &service));
            }
        }
        for reference in dirty.of_kind(Kind::Service) {
            touched.keys.extend(self.uses.of_service(&reference.namespace, &reference.name));
        }
        let named = [Kind::Secret, Kind::ConfigMap];
        let named = named.into_iter().flat_map(|kind| dirty.of_kind(kind));
        self.dialers.touch_named(named, now, &mut touched.keys);
    }

    /// Takes a new result of name resolution, and marks what it is about.
    pub(super) fn answer(&mut self, answer: Answer, touched: &mut Touched) {
        let Answer { name, result } = answer;
        self.resolutions.entry(Arc::clone(&name)).or_default().update(result);
        let external = self.built.iter().filter(|(_, b)| b.external_name.as_ref() == Some(&name));
        touched.keys.extend(external.map(|(key, _)| key.clone()));
    }

    /// Marks all of them.
    pub(super) fn touch_all(&self, touched: &mut Touched) {
        touched.keys.extend(self.built.keys().cloned());
    }

    /// Builds what is touched.
    pub(super) fn build(
        &mut self,
        store: &Store,
        options: &LowerOptions,
        claims: &Claims,
        now: SystemTime,
        touched: Touched,
    ) -> Built {
        let mut built = Built::default();
        for key in touched.keys {
            if !self.uses.contains(&key) {
                let old = self.built.remove(&key);
                self.count_name(old.and_then(|old| old.external_name), None);
                self.dialers.release(&key);
                built.are_problems_stale |= self.problems.remove(&key).is_some();
                continue;
            }
            let (slices, resolutions) = (&self.slices, &self.resolutions);
            let sources = Sources { store, slices, resolutions, options, now };
            self.dialers.acquire(&key);
            let mut backend = backend::lower(&key, &sources, &mut self.dialers);
            if self.uses.binds(&key) {
                let service = store.services.get(&service_ref(&key)).map(|entry| &*entry.object);
                let before = self.built.get(&key).map(|old| &*old.set);
                rings::add(Arc::make_mut(&mut backend.set), &key, service, before);
            }
            let old = self.built.insert(key.clone(), backend.clone());
            if old.as_ref().is_none_or(|old| old.set != backend.set) {
                built.endpoints.push((key.clone(), Arc::clone(&backend.set)));
            }
            let old_name = old.as_ref().and_then(|old| old.external_name.clone());
            self.count_name(old_name, backend.external_name.clone());
            let is_same_defect = old.is_some_and(|old| old.defect == backend.defect);
            let among = is_same_defect.then_some(&touched.owners);
            built.are_problems_stale |= self.tell((claims, store), &key, &backend, among);
        }
        self.dialers.forget_unused();
        built
    }

    /// What the owner of a new rule can be told about its backend.
    pub(super) fn review(&self, key: &BackendKey, store: &Store) -> Option<Defect> {
        backend::review(key, store, &self.dialers)
    }

    /// Names that have to be resolved.
    pub(super) fn external_names(&self) -> BTreeSet<Arc<str>> {
        self.external_names.keys().cloned().collect()
    }

    /// The endpoints of a backend in use; of others: none.
    pub(super) fn endpoints(&self, key: &BackendKey) -> Arc<EndpointSet> {
        self.built.get(key).map(|backend| Arc::clone(&backend.set)).unwrap_or_default()
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &Arc<Problem>> {
        self.problems.values().flat_map(BTreeMap::values).flatten()
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

    /// Renews the problems of a backend on the objects that name it; `among`: on these only,
    /// because the others were told the same before. Thousands of objects may name one missing
    /// Service. Whether there are others than before.
    fn tell(
        &mut self,
        objects: (&Claims, &Store),
        key: &BackendKey,
        backend: &Backend,
        among: Option<&BTreeSet<ObjectRef>>,
    ) -> bool {
        let Some(defect) = &backend.defect else { return self.problems.remove(key).is_some() };
        let mut told = self.problems.remove(key).unwrap_or_default();
        let uses = &self.uses;
        match among {
            None => {
                let users = uses.users(key);
                told = users.map(|u| (u.clone(), self.told(objects, u, key, defect))).collect();
            }
            Some(among) => {
                for user in among {
                    match uses.is_user(key, user) {
                        true => {
                            told.insert(user.clone(), self.told(objects, user, key, defect));
                        }
                        false => {
                            told.remove(user);
                        }
                    }
                }
            }
        }
        self.problems.insert(key.clone(), told);
        true
    }

    /// What is told to one of them.
    fn told(
        &self,
        (claims, store): (&Claims, &Store),
        user: &ObjectRef,
        key: &BackendKey,
        defect: &Defect,
    ) -> Vec<Arc<Problem>> {
        let claim = claims.get(user);
        let place = claim.and_then(|claim| claim.place_of(key));
        let line = self.lines.get(&(user.clone(), key.clone()));
        let (field, provenance, effect) = match line {
            Some(field) => (field.clone(), provenance_of(store, user), effect_on(user, key)),
            None => {
                let field = place.map(|place| place.backend_field()).unwrap_or_default();
                let effect = place.copied().unwrap_or(Place::Default).effect().to_owned();
                (field, claim.and_then(|claim| claim.provenance.as_ref()), effect)
            }
        };
        let mut report = Report::new(user, provenance);
        if defect.is_error() {
            report.error(defect.finding(&field, &effect));
        } else if !defect.is_told() {
            report.warning(defect.finding(&field, &effect));
        }
        report.finish()
    }
}

/// Where an object that is no claim comes from.
fn provenance_of<'a>(store: &'a Store, user: &ObjectRef) -> Option<&'a Provenance> {
    match user.kind {
        Kind::ConfigMap => store.config_maps.get(user)?.provenance.as_ref(),
        Kind::GRPCRoute => store.grpc_routes.get(user)?.provenance.as_ref(),
        Kind::HTTPRoute => store.http_routes.get(user)?.provenance.as_ref(),
        Kind::TCPRoute => store.tcp_routes.get(user)?.provenance.as_ref(),
        Kind::TLSRoute => store.tls_routes.get(user)?.provenance.as_ref(),
        Kind::UDPRoute => store.udp_routes.get(user)?.provenance.as_ref(),
        _ => None,
    }
}

fn effect_on(user: &ObjectRef, key: &BackendKey) -> String {
    match key.dial.transport {
        _ if matches!(user.kind, Kind::GRPCRoute | Kind::HTTPRoute) => {
            "requests that would go there get status 503".to_owned()
        }
        TransportProtocol::Tcp => format!("connections to the ports that lead to {key} are closed"),
        TransportProtocol::Udp => format!("datagrams to the ports that lead to {key} are dropped"),
    }
}

/// What it does with its backends.
fn use_of(claim: &Claim) -> Use {
    if claim.settings.policies.binding.is_some() { Use::Binding } else { Use::Plain }
}
