//! Gateways of ours and their ListenerSets: what listens where.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::addresses::{Place, Pool};
use super::gateway_tls::{
    Demand, GatewayTls, Identity, PortTls, Reading, client_certificate_fault,
};
use super::grants::{Grants, Referrer};
use super::listeners::{Fault, Listener, mark_conflicts};
use super::namespaces::Admission;
use super::protocol::Transport;
use super::sites::Site;
use crate::control::gateway_api::class::GatewayClass;
use crate::control::gateway_api::gateway::{Gateway, GatewaySpec, ListenerSet, ListenerSpec};
use crate::control::gateway_api::reference::{GROUP, ObjectReference};
use crate::control::lower::claim::Age;
use crate::control::lower::names::certificates::{Names, Wish};
use crate::control::lower::options::LowerOptions;
use crate::control::lower::secrets::SecretDefect;
use crate::control::source::manifest::is_dns_subdomain;
use crate::control::source::object::Provenance;
use crate::control::store::{Entry, Store};
use crate::limits::GATEWAY_LISTENERS_MAX;
use crate::model::{EntryPoint, Kind, ObjectRef, Scheme};
use crate::tls::server_terms::Application;

/// A Gateway or ListenerSet of ours.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    /// Itself, or that of the set.
    pub gateway: ObjectRef,
    pub generation: i64,
    pub provenance: Option<Provenance>,
    pub listeners: Vec<Listener>,
    pub role: Role,
    /// That of the Gateway.
    pub tls: Arc<GatewayTls>,
    /// Less: its Gateway is older.
    pub rank: usize,
}

impl Parent {
    /// Whether what it comes to depends on a Secret or ConfigMap.
    pub(super) fn names(&self, object: &ObjectRef) -> bool {
        let mut certificates = self.listeners.iter().flat_map(|listener| &listener.certificates);
        self.tls.names(object) || certificates.any(|secret| secret == object)
    }

    /// What backends are shown.
    pub(super) fn identity(&self) -> Identity {
        self.tls.identity()
    }
}

/// Which of both.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    Gateway {
        place: Place,
        /// Condition Accepted: what belongs to no listener.
        fault: Option<Fault>,
    },
    Set {
        /// Why it is not attached.
        fault: Option<Fault>,
    },
}

/// All of them.
pub(super) type Parents = BTreeMap<ObjectRef, Parent>;

/// Whether two come to the same routes: places and states of listeners are alike.
pub(super) fn are_alike(one: &Parents, other: &Parents) -> bool {
    let alike = |(a, b): ((&ObjectRef, &Parent), (&ObjectRef, &Parent))| {
        let is_same =
            a.1.listeners == b.1.listeners && a.1.role == b.1.role && a.1.rank == b.1.rank;
        a.0 == b.0 && is_same && a.1.identity() == b.1.identity()
    };
    one.len() == other.len() && one.iter().zip(other).all(alike)
}

/// Of listeners that have a hostname at one port the oldest Gateway's handshake is that of all: who
/// demands something else of clients would be reached past it.
fn refuse_other_demands(parents: &mut Parents) {
    let mut by_rank: Vec<&mut Parent> = parents.values_mut().collect();
    by_rank.sort_by_key(|parent| parent.rank);
    let mut demands = BTreeMap::new();
    for parent in by_rank {
        let tls = Arc::clone(&parent.tls);
        for listener in parent.listeners.iter_mut().filter(|listener| listener.ends_tls()) {
            let Some(site) = listener.site.clone() else { continue };
            let own = tls.at(listener.port).demand.id();
            let first = *demands.entry((site, listener.hostname.clone())).or_insert(own);
            if first != own {
                let text = "An older Gateway has the same port and hostname, and demands something \
                            else of clients; take another hostname or port.";
                let fault = Fault::new("HostnameConflict", "hostname", text);
                listener.refused.get_or_insert(fault);
            }
        }
    }
}

/// When an object was made, and its name.
pub(super) fn age_of(reference: &ObjectRef, metadata: &ObjectMeta) -> Age {
    Age {
        created: metadata.creation_timestamp.clone(),
        namespace: Arc::clone(&reference.namespace),
        name: Arc::clone(&reference.name),
    }
}

/// The names of classes of ours.
pub(super) fn classes(store: &Store, options: &LowerOptions) -> BTreeSet<Arc<str>> {
    let is_ours = |(_, entry): &(&ObjectRef, &Entry<_>)| is_class(&entry.object, options);
    let ours = store.gateway_classes.iter().filter(is_ours);
    let mut names: BTreeSet<Arc<str>> = ours.map(|(class, _)| Arc::clone(&class.name)).collect();
    if options.adopt_classless {
        // Classes that a directory does not bring along.
        let used = store.gateways.values().map(|entry| &*entry.object.spec.gateway_class_name);
        let is_there =
            |name: &&str| store.gateway_classes.keys().any(|class| *class.name == **name);
        names.extend(used.filter(|name| !is_there(name)).map(Arc::from));
    }
    names
}

/// Whether a class is ours.
pub(in crate::control::lower) fn is_class(class: &GatewayClass, options: &LowerOptions) -> bool {
    class.spec.controller_name == *options.gateway_controller
}

/// Secrets that listeners name, whether they may or not.
pub(in crate::control::lower) fn needs(
    listeners: &[ListenerSpec],
    own: &Arc<str>,
) -> BTreeSet<ObjectRef> {
    let references = listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let references = references.flat_map(|tls| &tls.certificate_refs);
    references.filter_map(|reference| named(reference, Kind::Secret, own)).collect()
}

/// The same of a Gateway, and what its `spec.tls` names.
pub(in crate::control::lower) fn gateway_needs(
    spec: &GatewaySpec,
    own: &Arc<str>,
) -> BTreeSet<ObjectRef> {
    let mut all = needs(&spec.listeners, own);
    if let Some(tls) = &spec.tls {
        let frontend = tls.frontend.iter();
        let configs = frontend.flat_map(|all| {
            std::iter::once(&all.default).chain(all.per_port.iter().map(|port| &port.tls))
        });
        let validations = configs.filter_map(|config| config.validation.as_ref());
        let maps = validations.flat_map(|validation| &validation.ca_certificate_refs);
        all.extend(maps.filter_map(|reference| named(reference, Kind::ConfigMap, own)));
        let shown =
            tls.backend.iter().filter_map(|backend| backend.client_certificate_ref.as_ref());
        all.extend(shown.filter_map(|reference| named(reference, Kind::Secret, own)));
    }
    all
}

/// The object that a reference names, if it is of this kind.
fn named(reference: &ObjectReference, wanted: Kind, own: &Arc<str>) -> Option<ObjectRef> {
    let ObjectReference { group, kind, name, namespace } = reference;
    let is_it = group.as_deref().is_none_or(str::is_empty)
        && kind.as_deref().is_none_or(|kind| kind == wanted.name());
    let namespace = namespace.as_deref().map_or_else(|| Arc::clone(own), Arc::from);
    // What no object can be called goes into no request.
    let is_possible = is_it && is_dns_subdomain(name) && is_dns_subdomain(&namespace);
    is_possible.then(|| ObjectRef { kind: wanted, namespace, name: name.as_str().into() })
}

/// What Gateways are made of, besides their objects.
pub(super) struct Making<'a> {
    pub store: &'a Store,
    pub options: &'a LowerOptions,
    pub grants: &'a Grants,
    pub pool: &'a mut Pool,
    pub names: &'a mut Names,
    /// Entry points that others have.
    pub taken: &'a BTreeSet<EntryPoint>,
    pub now: SystemTime,
}

/// Who has which ports of the addresses that all share, those of datagrams apart.
type Ports = BTreeMap<(u16, bool), Transport>;

impl<'a> Making<'a> {
    /// Makes all of them, the oldest first.
    pub(super) fn parents(&mut self) -> Parents {
        let classes = classes(self.store, self.options);
        let ours = self.store.gateways.iter();
        let ours = ours.filter(|(_, e)| classes.contains(&*e.object.spec.gateway_class_name));
        let mut ours: Vec<_> = ours.collect();
        ours.sort_by_cached_key(|(reference, entry)| age_of(reference, &entry.object.metadata));
        let there: BTreeSet<&ObjectRef> = ours.iter().map(|(reference, _)| *reference).collect();
        self.pool.retain(|gateway| there.contains(gateway));
        let mut sets = self.sets();
        let mut parents = Parents::new();
        let mut shared = Ports::new();
        for (reference, entry) in ours {
            let sets = sets.remove(reference).unwrap_or_default();
            self.gateway((reference, entry), sets, &mut parents, &mut shared);
        }
        let mut secrets = BTreeSet::new();
        let mut settings = HashSet::new();
        for (reference, parent) in &mut parents {
            let shown = parent.tls.client_certificate.iter().flatten();
            let mut named: Vec<ObjectRef> = shown.cloned().collect();
            for listener in parent.listeners.iter_mut().filter(|listener| listener.ends_tls()) {
                self.certify(listener, parent.tls.at(listener.port));
                named.extend(listener.certificates.iter().cloned());
                settings.extend(listener.tls);
            }
            secrets.extend(named.into_iter().map(|secret| (secret, reference.clone())));
        }
        refuse_other_demands(&mut parents);
        self.names.hold(secrets, settings);
        parents
    }

    fn gateway(
        &mut self,
        (reference, entry): (&ObjectRef, &Entry<Gateway>),
        sets: Vec<(&ObjectRef, &Entry<ListenerSet>)>,
        parents: &mut Parents,
        shared: &mut Ports,
    ) {
        let Gateway { metadata, spec, .. } = &*entry.object;
        let place = self.pool.place(reference, &spec.addresses, &self.options.gateway_addresses);
        let parameters = spec.infrastructure.as_ref().and_then(|i| i.parameters_ref.as_ref());
        let fault = parameters.map(|parameters| {
            let text =
                format!("There are no parameters of kind {}; leave it out.", parameters.kind);
            Fault::new("InvalidParameters", "spec.infrastructure.parametersRef", text)
        });
        let is_refused = fault.is_some();
        let role = Role::Gateway { place: place.clone(), fault };
        let tls = Arc::new(self.tls(reference, spec));
        let of = (reference, &tls);
        let gateway = self.parent(reference, of, entry, &spec.listeners, metadata, role);
        let allowed = spec.allowed_listeners.as_ref().and_then(|all| all.namespaces.as_ref());
        let allowed = Admission::of(allowed, &reference.namespace, "None");
        let allowed = allowed.unwrap_or(Admission::Nobody);
        let mut family = vec![(reference.clone(), gateway)];
        for (set, entry) in sets {
            let is_allowed = allowed.admits(&set.namespace, &self.store.namespaces);
            let fault = (!is_allowed).then(|| {
                let text = "The Gateway does not take it; see allowedListeners of the Gateway.";
                Fault::new("NotAllowed", "spec.parentRef", text)
            });
            let ListenerSet { metadata, spec, .. } = &*entry.object;
            let role = Role::Set { fault };
            let parent = self.parent(set, of, entry, &spec.listeners, metadata, role);
            family.push((set.clone(), parent));
        }
        let is_attached = |parent: &Parent| !matches!(&parent.role, Role::Set { fault: Some(_) });
        let attached = family.iter_mut().map(|(_, parent)| parent).enumerate();
        let attached = attached.filter(|(_, parent)| is_attached(parent));
        let mut all: Vec<_> = attached
            .flat_map(|(rank, parent)| parent.listeners.iter_mut().map(move |l| (rank, l)))
            .collect();
        for (_, listener) in all.iter_mut().skip(GATEWAY_LISTENERS_MAX) {
            let text = "The Gateway has too many listeners; remove some.";
            listener.refused = Some(Fault::new("TooManyListeners", "", text));
        }
        all.truncate(GATEWAY_LISTENERS_MAX);
        mark_conflicts(&mut all);
        let addresses = match &place {
            Place::Own(own) => Some(Arc::from(&own[..])),
            Place::Shared => Some(Arc::from([])),
            Place::Refused(_) | Place::Missing(_) => None,
        };
        let addresses = addresses.filter(|_| !is_refused);
        for (_, listener) in all {
            self.settle(listener, addresses.as_ref(), shared);
        }
        let rank = parents.len();
        parents.extend(family.into_iter().map(|(of, parent)| (of, Parent { rank, ..parent })));
    }

    /// Reads `spec.tls` of a Gateway.
    fn tls(&mut self, gateway: &ObjectRef, spec: &GatewaySpec) -> GatewayTls {
        let referrer = Referrer { kind: gateway.kind, namespace: &gateway.namespace };
        let reading = Reading { store: self.store, grants: self.grants, referrer };
        let mut tls = GatewayTls::read(&reading, spec.tls.as_ref());
        if let Some(Ok(secret)) = &tls.client_certificate
            && let Some(defect) = self.names.defect(&self.store.secrets, secret, self.now)
        {
            let text = correct(&defect);
            let fault = client_certificate_fault("InvalidClientCertificateRef", text);
            tls.broken_certificate = Some(fault);
        }
        tls
    }

    /// Decides where a listener is served.
    fn settle(
        &self,
        listener: &mut Listener,
        addresses: Option<&Arc<[std::net::IpAddr]>>,
        shared: &mut Ports,
    ) {
        let (Some(protocol), Some(addresses)) = (listener.protocol, addresses) else { return };
        if listener.refused.is_some() {
            return;
        }
        let (port, transport) = (listener.port, protocol.transport());
        let site = Site { addresses: Arc::clone(addresses), port, transport };
        let of_whom = if site.is_shared() && self.is_flags(&site) {
            Some("--http-bind or --https-bind for another protocol")
        } else if self.is_services(&site) {
            Some("a service of --tcp-services-configmap or --udp-services-configmap")
        } else if site.is_shared() && !may_share(&site, shared) {
            Some("an older Gateway")
        } else {
            None
        };
        if let Some(whose) = of_whom {
            let text = format!("Port {port} is that of {whose}; take another one.");
            listener.refused = Some(Fault::new("PortUnavailable", "port", text));
            return;
        }
        listener.site = Some(site);
    }

    /// Whether flags have it for what is spoken otherwise.
    fn is_flags(&self, site: &Site) -> bool {
        let flags = self.options.entry_points.iter();
        let mut of_port = flags.filter(|at| at.address.port() == site.port);
        !site.transport.is_datagrams() && of_port.any(|at| at.scheme != site.scheme())
    }

    /// Whether a service of a ConfigMap has it.
    fn is_services(&self, site: &Site) -> bool {
        let wanted = site.entry_points(&self.options.entry_points);
        self.taken.iter().any(|taken| {
            let is_same = |at: &EntryPoint| {
                at.address == taken.address
                    && (at.scheme == Scheme::Udp) == (taken.scheme == Scheme::Udp)
            };
            wanted.iter().any(is_same)
        })
    }

    /// ListenerSets by the Gateways that they name, in the order in which they come first.
    fn sets(&self) -> BTreeMap<ObjectRef, Vec<(&'a ObjectRef, &'a Entry<ListenerSet>)>> {
        let mut all: Vec<_> = self.store.listener_sets.iter().collect();
        all.sort_by_cached_key(|(reference, entry)| age_of(reference, &entry.object.metadata));
        let mut sets: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (reference, entry) in all {
            let parent = &entry.object.spec.parent_ref;
            let is_gateway = parent.group.as_deref().is_none_or(|group| group == GROUP)
                && parent.kind.as_deref().is_none_or(|kind| kind == Kind::Gateway.name());
            if is_gateway {
                let namespace = parent.namespace.as_deref().map(Arc::from);
                let namespace = namespace.unwrap_or_else(|| Arc::clone(&reference.namespace));
                let (kind, name) = (Kind::Gateway, parent.name.as_str().into());
                let gateway = ObjectRef { kind, namespace, name };
                sets.entry(gateway).or_default().push((reference, entry));
            }
        }
        sets
    }

    fn parent<K>(
        &self,
        reference: &ObjectRef,
        (gateway, tls): (&ObjectRef, &Arc<GatewayTls>),
        entry: &Entry<K>,
        listeners: &[ListenerSpec],
        metadata: &ObjectMeta,
        role: Role,
    ) -> Parent {
        let read = |spec| Listener::read(spec, reference, self.grants);
        Parent {
            gateway: gateway.clone(),
            generation: metadata.generation.unwrap_or_default(),
            provenance: entry.provenance.clone(),
            listeners: listeners.iter().map(read).collect(),
            role,
            tls: Arc::clone(tls),
            rank: 0,
        }
    }

    /// Finds the certificate of a listener, and what its clients have to show.
    fn certify(&mut self, listener: &mut Listener, of_port: &PortTls) {
        let PortTls { demand, unresolved } = of_port;
        listener.unresolved = listener.unresolved.take().or_else(|| unresolved.clone());
        let auth = match demand {
            Demand::Nothing => None,
            Demand::Certificate(auth) => Some(auth),
            Demand::Unreadable(fault) => {
                listener.refused.get_or_insert_with(|| fault.clone());
                return;
            }
        };
        let application = listener.relays().then_some(Application::Any);
        let wish = Wish { auth, application };
        for (index, secret) in listener.certificates.iter().enumerate() {
            let (tls, defect) = self.names.of_secret(&self.store.secrets, secret, wish, self.now);
            listener.tls = listener.tls.or(tls);
            let is_served = matches!(
                defect,
                None | Some(SecretDefect::Expired(_) | SecretDefect::NotYetValid(_))
            );
            if let Some(defect) = defect.filter(|_| !is_served) {
                let field = format!("tls.certificateRefs[{index}]");
                let fault = Fault::new("InvalidCertificateRef", field, correct(&defect));
                listener.unresolved.get_or_insert(fault);
            }
        }
    }
}

/// Whether Gateways that were there before leave room at a port that all share. What has no hosts
/// to be told apart by is one Gateway's alone.
fn may_share(site: &Site, shared: &mut Ports) -> bool {
    match shared.entry((site.port, site.transport.is_datagrams())) {
        Slot::Vacant(slot) => {
            slot.insert(site.transport);
            true
        }
        Slot::Occupied(slot) => *slot.get() == site.transport && !site.transport.is_stream(),
    }
}

/// What is wrong, as a sentence, and what to do.
fn correct(defect: &SecretDefect) -> String {
    let text = defect.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!(
        "{}{}; correct it, or name another one.",
        first.unwrap_or_default(),
        characters.as_str()
    )
}
