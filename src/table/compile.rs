//! Model → table, at the cost of what changed.
//!
//! The compiler remembers each `Arc<Host>` it compiled, by address, and the order in which a
//! listener had its hosts. A new model is compared pointer by pointer; only the stretch between the
//! first and the last difference is looked at. Compiling cannot fail: sizes were bounded when
//! objects were lowered, and what would not fit an index is left out.

use std::collections::HashMap;
use std::sync::Arc;

use super::canary::Canaries;
use super::hosts::Hosts;
use super::id::{BackendId, SeriesId, TableVersion};
use super::intern::{Changes, Interned, Interner};
use super::lookup::{Table, TableListener};
use super::names::{Lead, NameAction, Names};
use super::plan::{Plan, ResponsePlan};
use super::rule::{PageSource, Standing, Substitutes, TableBackend, TableRule};
use super::server_tls::ServerTlsById;
use super::shared::Shared;
use super::stream::{StreamBackends, TableStream};
use super::vhost::VHost;
use crate::limits::SERIES_MAX;
use crate::model::{
    BackendKey, BackendTarget, Canary, Defaults, Downstream, EntryPoint, Host, HostPattern, Kind,
    Listener, ListenerId, Model, ObjectRef, Policies, Pools, Rule, SeriesDetail, ServerName,
    ServerTlsId, StreamService, TlsAction, WeightedBackend,
};

/// Compiles models and remembers what it compiled: an unchanged `Arc<Host>` costs a pointer copy.
///
/// Owns the ids of backends and series: an id stays with its key as long as any model since the
/// last one names it.
#[derive(Debug)]
pub struct Compiler {
    /// What models name.
    server_tls: Arc<ServerTlsById>,
    version: TableVersion,
    /// By [`address`] of the model's host, which the entry keeps alive.
    hosts: HashMap<usize, CompiledHost, foldhash::fast::RandomState>,
    /// As of the last model.
    listeners: Vec<CompiledListener>,
    /// Of the last model, sorted.
    entry_points: Arc<[(EntryPoint, ListenerId)]>,
    /// Of the last model.
    downstream: Arc<Downstream>,
    pools: Pools,
    stream_services: CompiledStreams,
    /// Of the last defaults.
    no_rule: Arc<ResponsePlan>,
    rules: RuleCompiler,
}

/// Result of one compilation.
#[derive(Debug)]
pub struct Compiled {
    /// Ready to publish.
    pub table: Arc<Table>,
    /// Backends that the previous table did not name: their endpoints must be published before it.
    pub added: Vec<BackendInfo>,
    /// Backends that this table no longer names: to be removed once every core acknowledged it.
    pub removed: Vec<BackendInfo>,
    /// Series that the previous table did not name, with their labels. The first time also the one
    /// called `_overflow`, which all share that find no series left; it is never removed.
    pub series_added: Vec<(SeriesId, SeriesLabels)>,
    /// Series that this table no longer names.
    pub series_removed: Vec<SeriesId>,
}

/// What a backend id stands for; kept by the control plane and sent along with endpoints.
#[derive(Debug, Clone)]
pub struct BackendInfo {
    /// Id in tables.
    pub id: BackendId,
    /// The Service port.
    pub key: Arc<BackendKey>,
}

/// What a series counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesLabels {
    /// The object whose rule was hit.
    pub object: ObjectRef,
    /// The host of the rule, `_` for any; empty: hosts are not told apart.
    pub host: Arc<str>,
    /// The path of the rule; empty: paths are not told apart.
    pub path: Arc<str>,
    /// The destination; `None`: answered without one.
    pub backend: Option<BackendKey>,
    /// The canary that stood in for it.
    pub canary: Option<BackendKey>,
}

/// A host of the model with its compiled form.
#[derive(Debug)]
struct CompiledHost {
    /// Keeps the address from being given to another host.
    _host: Arc<Host>,
    vhost: Arc<VHost>,
    uses: IdUses,
    /// Places in listeners that name it.
    places: usize,
}

/// What a listener was compiled from and to.
#[derive(Debug, Default)]
struct CompiledListener {
    generation: u32,
    order: Vec<Arc<Host>>,
    hosts: Hosts,
    default_rule: Option<CompiledRule>,
    names_from: Vec<Arc<ServerName>>,
    names: Arc<Names>,
    names_uses: IdUses,
    default_tls: Option<Lead>,
}

/// What stream services were compiled from and to.
#[derive(Debug, Default)]
struct CompiledStreams {
    from: Arc<[StreamService]>,
    /// By entry points, sorted.
    services: Arc<[(EntryPoint, TableStream)]>,
    uses: IdUses,
}

/// A default rule.
#[derive(Debug)]
struct CompiledRule {
    from: Arc<Rule>,
    rule: Arc<TableRule>,
    uses: IdUses,
}

/// Slots that a compiled thing uses, once per use.
#[derive(Debug, Default)]
struct IdUses {
    backends: Vec<u32>,
    series: Vec<u32>,
}

/// What rules are compiled with.
#[derive(Debug)]
struct RuleCompiler {
    defaults: Defaults,
    detail: SeriesDetail,
    plans: Shared<Plan>,
    ids: Ids,
}

/// Where a rule is, as far as metrics tell.
#[derive(Debug, Clone)]
struct Place {
    host: Arc<str>,
    path: Arc<str>,
}

/// Ids of backends and series.
#[derive(Debug)]
struct Ids {
    backends: Interner<BackendKey>,
    series: Interner<SeriesLabels>,
    /// For what no series of its own is left.
    overflow: Interned,
}

/// What the new model no longer has. Released after everything new was acquired, so that an id that
/// only moved stays.
#[derive(Default)]
struct Gone {
    hosts: Vec<Arc<Host>>,
    uses: Vec<IdUses>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            server_tls: Arc::default(),
            version: TableVersion::default(),
            hosts: HashMap::default(),
            listeners: Vec::new(),
            entry_points: Arc::default(),
            downstream: Arc::default(),
            pools: Pools::default(),
            stream_services: CompiledStreams::default(),
            no_rule: Arc::default(),
            rules: RuleCompiler {
                defaults: Defaults::default(),
                detail: SeriesDetail::default(),
                plans: Shared::default(),
                ids: Ids::new(SERIES_MAX),
            },
        }
    }
}

impl Compiler {
    /// Says what models name from now on. To be called before one is compiled that names others.
    pub fn set_server_tls(&mut self, server_tls: Arc<ServerTlsById>) {
        self.server_tls = server_tls;
    }

    /// Compiles `model`.
    ///
    /// Shape: where a listener has a pattern twice, against the model's rule, one of them is
    /// served.
    pub fn compile(&mut self, model: &Model) -> Compiled {
        let mut gone = Gone::default();
        if self.rules.defaults != model.defaults {
            self.rules.defaults = model.defaults.clone();
            self.no_rule = Arc::new(ResponsePlan::new(&Policies::default(), &model.defaults));
            self.forget_rules(&mut gone);
        }
        if self.rules.detail != model.downstream.series {
            self.rules.detail = model.downstream.series;
            self.forget_rules(&mut gone);
        }
        self.listeners
            .resize_with(self.listeners.len().max(model.listeners.len()), Default::default);
        let mut listeners = std::mem::take(&mut self.listeners);
        let none = Listener::default();
        for (number, state) in listeners.iter_mut().enumerate() {
            let listener = model.listeners.get(number).unwrap_or(&none);
            state.generation = listener.generation;
            self.compile_hosts(state, &listener.hosts, &mut gone);
            self.compile_default(state, listener.default_rule.as_ref(), &mut gone);
            self.compile_names(state, &listener.server_names, &mut gone);
            let default = listener.default_tls.map(|id| terminate(&self.server_tls, id));
            state.default_tls = default.map(|action| Lead { action, section: None });
        }
        listeners.truncate(model.listeners.len());
        self.listeners = listeners;
        self.compile_streams(&model.stream_services, &mut gone);
        self.release(gone);
        self.downstream = Arc::clone(&model.downstream);
        let entry_points = entry_points(model);
        if *entry_points != *self.entry_points {
            self.entry_points = entry_points.into();
        }
        self.pools = model.pools;
        self.version.0 += 1;
        self.rules.ids.finish(Arc::new(self.table()))
    }

    fn compile_streams(&mut self, now: &Arc<[StreamService]>, gone: &mut Gone) {
        if Arc::ptr_eq(&self.stream_services.from, now) {
            return;
        }
        let mut uses = IdUses::default();
        let mut services = Vec::new();
        for service in now.iter() {
            let StreamService { entry_points, backends, terms } = service;
            let backends = self.rules.ids.stream_backends(backends, &mut uses);
            let compiled = TableStream { backends, terms: *terms };
            let at = entry_points.iter();
            services.extend(at.map(|entry_point| (*entry_point, compiled.clone())));
        }
        services.sort_by_key(|(entry_point, _)| *entry_point);
        services.dedup_by_key(|(entry_point, _)| *entry_point);
        let (from, services) = (Arc::clone(now), services.into());
        let new = CompiledStreams { from, services, uses };
        gone.uses.push(std::mem::replace(&mut self.stream_services, new).uses);
    }

    /// Has every rule compiled again.
    fn forget_rules(&mut self, gone: &mut Gone) {
        gone.uses.extend(self.hosts.drain().map(|(_, compiled)| compiled.uses));
        for state in &mut self.listeners {
            state.order.clear();
            state.hosts = Hosts::default();
            gone.uses.extend(state.default_rule.take().map(|compiled| compiled.uses));
        }
    }

    /// Brings one listener's hosts up to date.
    fn compile_hosts(&mut self, state: &mut CompiledListener, now: &[Arc<Host>], gone: &mut Gone) {
        let (head, tail) = common_ends(&state.order, now);
        let stretch = now.get(head..now.len() - tail).unwrap_or_default();
        let old = state.order.splice(head..state.order.len() - tail, stretch.iter().cloned());
        let mut old: Vec<Arc<Host>> = old.collect();
        if old.is_empty() && stretch.is_empty() {
            return;
        }
        // Between two hosts that changed there may be thousands that did not.
        let mut before: HashMap<usize, usize, foldhash::fast::RandomState> = HashMap::default();
        old.iter().for_each(|host| *before.entry(address(host)).or_default() += 1);
        let mut takes = |host: &Arc<Host>| match before.get_mut(&address(host)) {
            Some(left @ 1..) => {
                *left -= 1;
                true
            }
            _ => false,
        };
        let new: Vec<_> = stretch.iter().filter(|host| !takes(host)).collect();
        old.retain(takes);
        let new: Vec<Arc<VHost>> = new.into_iter().map(|host| self.acquire_host(host)).collect();
        let old_vhosts: Vec<Arc<VHost>> = old
            .iter()
            .filter_map(|host| self.hosts.get(&address(host)))
            .map(|compiled| Arc::clone(&compiled.vhost))
            .collect();
        state.hosts.edit(&old_vhosts, &new);
        gone.hosts.extend(old);
    }

    fn compile_default(
        &mut self,
        state: &mut CompiledListener,
        now: Option<&Arc<Rule>>,
        gone: &mut Gone,
    ) {
        let before = state.default_rule.as_ref().map(|compiled| &compiled.from);
        let is_same = match (before, now) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        let compiled = now.map(|from| {
            let mut uses = IdUses::default();
            let rule = Arc::new(self.rules.compile(from, &HostPattern::Any, &mut uses));
            CompiledRule { from: Arc::clone(from), rule, uses }
        });
        let old = std::mem::replace(&mut state.default_rule, compiled);
        gone.uses.extend(old.map(|old| old.uses));
    }

    /// Rebuilds the index of names if the list is another one.
    fn compile_names(
        &mut self,
        state: &mut CompiledListener,
        now: &[Arc<ServerName>],
        gone: &mut Gone,
    ) {
        let before = &state.names_from;
        let is_same = before.len() == now.len()
            && before.iter().zip(now).all(|(before, now)| Arc::ptr_eq(before, now));
        if is_same {
            return;
        }
        let mut uses = IdUses::default();
        let (ids, server_tls) = (&mut self.rules.ids, &self.server_tls);
        let names = now.iter().map(|name| {
            let action = ids.compile_action(&name.action, server_tls, &mut uses);
            (&name.pattern, Lead { action, section: name.section.clone() })
        });
        state.names = Arc::new(Names::new(names));
        state.names_from = now.to_vec();
        gone.uses.push(std::mem::replace(&mut state.names_uses, uses));
    }

    /// The compiled form of `host`, named in one more place.
    fn acquire_host(&mut self, host: &Arc<Host>) -> Arc<VHost> {
        let compiler = &mut self.rules;
        let compiled = self.hosts.entry(address(host)).or_insert_with(|| {
            let mut uses = IdUses::default();
            let mut compile = |rule: &Arc<Rule>| compiler.compile(rule, &host.pattern, &mut uses);
            let rules = host.rules.iter().map(&mut compile).collect();
            let locations = host.locations.iter().map(|location| compile(&location.rule)).collect();
            let vhost = Arc::new(VHost::new(host, rules, locations));
            CompiledHost { _host: Arc::clone(host), vhost, uses, places: 0 }
        });
        compiled.places += 1;
        Arc::clone(&compiled.vhost)
    }

    fn release(&mut self, gone: Gone) {
        for uses in &gone.uses {
            self.rules.ids.release(uses);
        }
        for host in gone.hosts {
            let address = address(&host);
            let Some(compiled) = self.hosts.get_mut(&address) else { continue };
            compiled.places = compiled.places.saturating_sub(1);
            if compiled.places == 0
                && let Some(compiled) = self.hosts.remove(&address)
            {
                self.rules.ids.release(&compiled.uses);
            }
        }
    }

    fn table(&self) -> Table {
        let listeners = self.listeners.iter().map(|state| TableListener {
            generation: state.generation,
            hosts: state.hosts.clone(),
            default_rule: state.default_rule.as_ref().map(|compiled| Arc::clone(&compiled.rule)),
            names: Arc::clone(&state.names),
            default_tls: state.default_tls.clone(),
        });
        Table {
            version: self.version,
            pools: self.pools,
            no_rule: Arc::clone(&self.no_rule),
            listeners: listeners.collect(),
            entry_points: Arc::clone(&self.entry_points),
            stream_services: Arc::clone(&self.stream_services.services),
            downstream: Arc::clone(&self.downstream),
        }
    }
}

impl SeriesLabels {
    /// Labels of the series that all objects share for which there was no other left.
    fn overflow() -> Self {
        // A name that no object can have.
        let name: Arc<str> = "_overflow".into();
        let object = ObjectRef { kind: Kind::Ingress, namespace: "".into(), name };
        Self { object, host: "_".into(), path: "/".into(), backend: None, canary: None }
    }
}

impl Place {
    fn new(detail: SeriesDetail, rule: &Rule, host: &HostPattern) -> Self {
        let host = match (detail, host) {
            (SeriesDetail::Backend | SeriesDetail::Path, _) => "".into(),
            // As the server of nginx that every other host belongs to.
            (SeriesDetail::HostAndPath, HostPattern::Any) => "_".into(),
            (SeriesDetail::HostAndPath, pattern) => pattern.to_string().into(),
        };
        let path = rule.matches.first().filter(|_| detail.is_fine());
        let path = path.map_or_else(|| "".into(), |matched| matched.path.text());
        Self { host, path }
    }
}

impl RuleCompiler {
    fn compile(&mut self, rule: &Rule, host: &HostPattern, uses: &mut IdUses) -> TableRule {
        let place = Place::new(self.detail, rule, host);
        let plan = Plan::new(&rule.filters, &rule.policies, &self.defaults);
        let plan = self.plans.get(plan);
        let mut weight_total = 0_u32;
        let weighted = rule.backends.iter().filter(|entry| entry.weight > 0);
        let backends = weighted.map(|entry| {
            // Saturated: what lies above `u32::MAX` gets no share, and nothing wraps.
            weight_total = weight_total.saturating_add(entry.weight);
            let own = (!entry.edits.is_empty()).then(|| self.plans.get(plan.with(&entry.edits)));
            let key = entry.target.key();
            let over_tls = entry.target.key_over_tls();
            TableBackend {
                backend: key.and_then(|key| self.ids.acquire_backend(key, uses)),
                over_tls: over_tls.and_then(|key| self.ids.acquire_backend(key, uses)),
                weight_end: weight_total,
                plan: own,
                redirect: match &entry.target {
                    BackendTarget::Elsewhere(redirect) => Some(Arc::clone(redirect)),
                    _ => None,
                },
                tag: entry.tag.clone(),
                series: self.ids.acquire_series(rule, &place, [key, None], uses),
            }
        });
        let backends = backends.collect();
        let canaries = rule.canaries.iter().map(|canary| {
            (Arc::clone(&canary.criteria), self.compile_canary(rule, canary, (&plan, &place), uses))
        });
        let canaries = Canaries::new(canaries);
        let auth = rule.policies.external_auth.as_ref();
        let mirrors = rule.policies.mirrors.iter();
        let mirrors = mirrors.map(|mirror| self.ids.acquire_backend(&mirror.server, uses));
        let mirrors = mirrors.collect();
        TableRule {
            substitutes: self.substitutes(rule, &plan, uses),
            mirrors,
            auth_server: auth.and_then(|auth| self.ids.acquire_backend(&auth.server, uses)),
            origin: rule.origin.clone(),
            path: rule.matches.first().map(|matched| matched.path.text()),
            plan,
            backends,
            canaries,
            weight_total,
            series: self.ids.acquire_series(rule, &place, [None, None], uses),
            is_unclaimed: rule.is_unclaimed(),
        }
    }

    fn compile_canary(
        &mut self,
        rule: &Rule,
        canary: &Canary,
        (plan, place): (&Arc<Plan>, &Place),
        uses: &mut IdUses,
    ) -> TableBackend {
        let own = Plan::new(&rule.filters, &canary.policies, &self.defaults);
        let main = rule.backends.iter().find_map(|entry| entry.target.key());
        let over_tls = canary.over_tls.as_ref();
        let series = [main, Some(&canary.backend)];
        TableBackend {
            backend: self.ids.acquire_backend(&canary.backend, uses),
            over_tls: over_tls.and_then(|key| self.ids.acquire_backend(key, uses)),
            weight_end: 0,
            plan: (own != **plan).then(|| self.plans.get(own)),
            redirect: None,
            tag: canary.tag.clone(),
            series: self.ids.acquire_series(rule, place, series, uses),
        }
    }

    fn substitutes(
        &mut self,
        rule: &Rule,
        plan: &Plan,
        uses: &mut IdUses,
    ) -> Option<Box<Substitutes>> {
        let Policies { error_pages, stand_in, .. } = &rule.policies;
        let pages = error_pages.as_deref().and_then(|pages| {
            let is_same = |key: &BackendKey| {
                key.namespace == pages.backend.namespace && key.service == pages.backend.service
            };
            let is_behind = |entry: &WeightedBackend| entry.target.key().is_some_and(is_same);
            let is_behind = rule.backends.iter().any(is_behind);
            Some(PageSource {
                backend: self.ids.acquire_backend(&pages.backend, uses)?,
                plan: self.plans.get(plan.for_pages()),
                statuses: pages.statuses.clone(),
                standing: if is_behind { Standing::Behind } else { Standing::Outside },
            })
        });
        let stand_in = stand_in.as_ref().and_then(|key| self.ids.acquire_backend(key, uses));
        let has_any = pages.is_some() || stand_in.is_some();
        has_any.then(|| Box::new(Substitutes { pages, stand_in }))
    }
}

impl Ids {
    /// At most `series_max` series, the overflow included; all slots are below it.
    fn new(series_max: usize) -> Self {
        let mut series = Interner::new(u32::try_from(series_max).unwrap_or(u32::MAX));
        // Never released. The first table announces it.
        let overflow = series.acquire(&SeriesLabels::overflow());
        Self {
            backends: Interner::new(u32::MAX),
            series,
            overflow: overflow.unwrap_or(Interned { slot: 0, generation: 0 }),
        }
    }

    /// `None`: no id is left.
    fn acquire_backend(&mut self, key: &BackendKey, uses: &mut IdUses) -> Option<BackendId> {
        let id = self.backends.acquire(key)?;
        uses.backends.push(id.slot);
        Some(backend_id(id))
    }

    fn stream_backends(&mut self, all: &[WeightedBackend], uses: &mut IdUses) -> StreamBackends {
        StreamBackends::new(all.iter().map(|entry| {
            let backend = entry.target.key().and_then(|key| self.acquire_backend(key, uses));
            (backend, entry.weight)
        }))
    }

    fn compile_action(
        &mut self,
        action: &TlsAction,
        server_tls: &ServerTlsById,
        uses: &mut IdUses,
    ) -> NameAction {
        match action {
            TlsAction::Terminate(id) => terminate(server_tls, *id),
            TlsAction::Nobody => NameAction::Nobody,
            TlsAction::Relay { tls, backends } => {
                let backends = self.stream_backends(backends, uses);
                match terminate(server_tls, *tls) {
                    NameAction::Terminate(tls) => NameAction::Relay { tls, backends },
                    nobody => nobody,
                }
            }
            TlsAction::Passthrough { backends, send_proxy } => {
                let backends = self.stream_backends(backends, uses);
                NameAction::Passthrough { backends, send_proxy: *send_proxy }
            }
        }
    }

    fn acquire_series(
        &mut self,
        rule: &Rule,
        Place { host, path }: &Place,
        [backend, canary]: [Option<&BackendKey>; 2],
        uses: &mut IdUses,
    ) -> SeriesId {
        let labels = SeriesLabels {
            object: rule.origin.object.clone(),
            host: Arc::clone(host),
            path: Arc::clone(path),
            backend: backend.cloned(),
            canary: canary.cloned(),
        };
        let id = self.series.acquire(&labels);
        uses.series.extend(id.map(|id| id.slot));
        series_id(id.unwrap_or(self.overflow))
    }

    fn release(&mut self, uses: &IdUses) {
        for slot in &uses.backends {
            self.backends.release(*slot);
        }
        for slot in &uses.series {
            self.series.release(*slot);
        }
    }

    fn finish(&mut self, table: Arc<Table>) -> Compiled {
        let info = |(id, key)| BackendInfo { id: backend_id(id), key };
        let Changes { added, removed } = self.backends.finish();
        let series = self.series.finish();
        Compiled {
            table,
            added: added.into_iter().map(info).collect(),
            removed: removed.into_iter().map(info).collect(),
            series_added: series
                .added
                .into_iter()
                .map(|(id, labels)| (series_id(id), SeriesLabels::clone(&labels)))
                .collect(),
            series_removed: series.removed.into_iter().map(|(id, _)| series_id(id)).collect(),
        }
    }
}

/// An id that stands for nothing is ours to answer for: nobody gets in by another certificate.
fn terminate(server_tls: &ServerTlsById, id: ServerTlsId) -> NameAction {
    server_tls.get(&id).map_or(NameAction::Nobody, |tls| NameAction::Terminate(Arc::clone(tls)))
}

fn backend_id(id: Interned) -> BackendId {
    BackendId { slot: id.slot, generation: id.generation }
}

fn series_id(id: Interned) -> SeriesId {
    SeriesId { slot: id.slot, generation: id.generation }
}

/// Sorted; of two listeners with the same one the first has it.
fn entry_points(model: &Model) -> Vec<(EntryPoint, ListenerId)> {
    let of_all = (0..).zip(&model.listeners).flat_map(|(slot, listener)| {
        let id = ListenerId { slot, generation: listener.generation };
        listener.entry_points.iter().map(move |entry_point| (*entry_point, id))
    });
    let of_services = model.stream_services.iter().flat_map(|service| &service.entry_points);
    let of_services = of_services.map(|entry_point| (*entry_point, ListenerId::NONE));
    let mut all: Vec<_> = of_all.chain(of_services).collect();
    all.sort_unstable();
    all.dedup_by_key(|(entry_point, _)| *entry_point);
    all
}

fn address(host: &Arc<Host>) -> usize {
    Arc::as_ptr(host).addr()
}

/// Lengths of the longest common start and, of what is left, the longest common end.
fn common_ends(before: &[Arc<Host>], now: &[Arc<Host>]) -> (usize, usize) {
    let is_same = |(a, b): &(&Arc<Host>, &Arc<Host>)| Arc::ptr_eq(a, b);
    let head = before.iter().zip(now).take_while(is_same).count();
    let rest = (before.get(head..).unwrap_or_default(), now.get(head..).unwrap_or_default());
    let tail = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(is_same).count();
    (head, tail)
}
