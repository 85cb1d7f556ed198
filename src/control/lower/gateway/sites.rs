//! Where listeners are served: those of one port at the same addresses are one listener of the
//! model, whose hosts tell them apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::host_map::HostMap;
use super::protocol::Transport;
use crate::limits::UDP_FLOW_IDLE;
use crate::model::{
    EntryPoint, Host, HostPattern, Listener, ListenerId, Scheme, ServerName, StreamPolicy,
    StreamService, StreamTerms, TlsAction, WeightedBackend,
};

/// Addresses and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    /// Empty: those of Ingresses.
    pub addresses: Arc<[IpAddr]>,
    pub port: u16,
    pub transport: Transport,
}

impl Site {
    pub(super) fn is_shared(&self) -> bool {
        self.addresses.is_empty()
    }

    pub(super) fn scheme(&self) -> Scheme {
        match self.transport {
            Transport::Http => Scheme::Http,
            Transport::Tls => Scheme::Https,
            Transport::Tcp => Scheme::Tcp,
            Transport::Udp => Scheme::Udp,
        }
    }

    /// Where its clients come in. `flags`: where those of Ingresses do.
    pub(super) fn entry_points(&self, flags: &[EntryPoint]) -> Vec<EntryPoint> {
        let addresses: BTreeSet<IpAddr> = match self.is_shared() {
            true => flags.iter().map(|entry_point| entry_point.address.ip()).collect(),
            false => self.addresses.iter().copied().collect(),
        };
        let scheme = self.scheme();
        let at = |ip| EntryPoint { address: SocketAddr::new(ip, self.port), scheme };
        addresses.into_iter().map(at).collect()
    }
}

impl Site {
    /// Whether clients come in there where others let them in, whose hosts are served there, too.
    pub(super) fn is_joint(&self, theirs: &[EntryPoint], flags: &[EntryPoint]) -> bool {
        self.entry_points(flags).iter().any(|at| theirs.contains(at))
    }
}

/// A host at a site.
pub(super) type Spot = (Site, HostPattern);

/// What is served at a site.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub hosts: BTreeMap<HostPattern, Arc<Host>>,
    pub names: Vec<Arc<ServerName>>,
    /// Where what is no HTTP goes.
    pub streams: Vec<WeightedBackend>,
}

/// Sites that have a place in the model.
#[derive(Debug, Default)]
pub(super) struct Sites {
    places: BTreeMap<Site, (ListenerId, Served)>,
    /// Of each slot, from that behind [`ListenerId::HTTP`] on: the next occupant's, or that of its
    /// occupant.
    generations: Vec<u32>,
}

impl Sites {
    /// Gives places to new sites and takes those of others. Whether anything changed.
    pub(super) fn settle(&mut self, named: &BTreeSet<Site>) -> bool {
        let gone: Vec<Site> =
            self.places.keys().filter(|site| !named.contains(*site)).cloned().collect();
        for site in &gone {
            if let Some((id, _)) = self.places.remove(site)
                && let Some(generation) = generation(&mut self.generations, id.slot)
            {
                *generation = generation.wrapping_add(1);
            }
        }
        let mut is_changed = !gone.is_empty();
        for site in named {
            if self.places.contains_key(site) {
                continue;
            }
            let taken: BTreeSet<u16> = self.places.values().map(|(id, _)| id.slot).collect();
            let first = ListenerId::HTTP.slot.saturating_add(1);
            let Some(slot) = (first..ListenerId::NONE.slot).find(|slot| !taken.contains(slot))
            else {
                continue;
            };
            let slots = usize::from(slot);
            if self.generations.len() < slots {
                self.generations.resize(slots, 0);
            }
            let generation = generation(&mut self.generations, slot).map_or(0, |known| *known);
            let id = ListenerId { slot, generation };
            self.places.insert(site.clone(), (id, Served::default()));
            is_changed = true;
        }
        is_changed
    }

    /// All hosts.
    pub(super) fn spots(&self) -> impl Iterator<Item = Spot> {
        self.places.iter().flat_map(|(site, (_, served))| {
            served.hosts.keys().map(|pattern| (site.clone(), pattern.clone()))
        })
    }

    /// Where Ingresses are served as well.
    pub(super) fn joint(&self, flags: &[EntryPoint]) -> impl Iterator<Item = &Site> {
        self.places.keys().filter(|site| site.is_joint(flags, flags))
    }

    pub(super) fn served(&mut self, site: &Site) -> Option<&mut Served> {
        self.places.get_mut(site).map(|(_, served)| served)
    }

    /// Where connections and datagrams go that nobody looks into. `flags`: as of
    /// [`Site::entry_points`]. `policy`: what holds for those of ConfigMaps.
    pub(super) fn stream_services(
        &self,
        flags: &[EntryPoint],
        policy: StreamPolicy,
    ) -> impl Iterator<Item = StreamService> {
        let led = self.places.iter().filter(|(_, (_, served))| !served.streams.is_empty());
        led.map(move |(site, (_, served))| {
            let policy = match site.transport.is_datagrams() {
                // A flow stays with its endpoint.
                true => StreamPolicy {
                    responses: u32::MAX,
                    idle_timeout: policy.idle_timeout.min(UDP_FLOW_IDLE),
                    ..policy
                },
                false => policy,
            };
            StreamService {
                entry_points: site.entry_points(flags),
                backends: served.streams.clone(),
                terms: StreamTerms { policy, ..StreamTerms::default() },
            }
        })
    }

    /// The listeners of the model: `ingress`, and ours behind it. Of entry points that Ingresses
    /// and a site share, the site has both hosts; a host that both name is that of Ingresses.
    pub(super) fn listeners(&self, mut ingress: Listener) -> Vec<Listener> {
        let flags = std::mem::take(&mut ingress.entry_points);
        let empty = |generation: &u32| Listener { generation: *generation, ..Listener::default() };
        let mut all: Vec<Listener> = self.generations.iter().map(empty).collect();
        let mut kept = flags.clone();
        for (site, (id, served)) in &self.places {
            let Some(listener) = usize::from(id.slot).checked_sub(1).and_then(|n| all.get_mut(n))
            else {
                continue;
            };
            let Served { hosts, names, streams: _ } = served;
            listener.entry_points = site.entry_points(&flags);
            listener.hosts = hosts.values().cloned().collect();
            listener.server_names.clone_from(names);
            if site.is_joint(&kept, &flags) {
                kept.retain(|at| !listener.entry_points.contains(at));
                join(listener, &ingress);
            }
        }
        ingress.entry_points = kept;
        all.insert(0, ingress);
        all
    }
}

fn generation(generations: &mut [u32], slot: u16) -> Option<&mut u32> {
    generations.get_mut(usize::from(slot).checked_sub(1)?)
}

/// Adds to a listener what Ingresses have at its entry points. The hosts of both are in order.
fn join(listener: &mut Listener, ingress: &Listener) {
    let mut patterns = ingress.hosts.iter().map(|host| &host.pattern).peekable();
    listener.hosts.retain(|host| {
        while patterns.next_if(|pattern| **pattern < host.pattern).is_some() {}
        patterns.peek().is_none_or(|pattern| **pattern != host.pattern)
    });
    if !ingress.server_names.is_empty() {
        join_names(listener, ingress);
    }
    listener.hosts.extend(ingress.hosts.iter().cloned());
    listener.default_rule.clone_from(&ingress.default_rule);
    // Where a listener has all names, that is nobody's.
    listener.default_tls = ingress.default_tls;
}

/// Adds the names of Ingresses to those of a listener whose own hosts are known.
fn join_names(listener: &mut Listener, ingress: &Listener) {
    // Whose the host is, his is the handshake: a certificate of Ingresses is no way round what a
    // Gateway demands of clients.
    let mut is_gateways = HostMap::default();
    ingress.hosts.iter().for_each(|host| is_gateways.insert(&host.pattern, false));
    listener.hosts.iter().for_each(|host| is_gateways.insert(&host.pattern, true));
    let is_theirs = |name: &Arc<ServerName>| {
        !matches!(name.action, TlsAction::Terminate(_))
            || is_gateways.covering(&name.pattern) != Some(&true)
    };
    let (mut theirs, dropped): (Vec<_>, Vec<_>) =
        ingress.server_names.iter().cloned().partition(is_theirs);
    if !dropped.is_empty() {
        theirs.extend(kept(ingress, listener, &dropped));
    }
    let pinned = pinned(listener, &theirs);
    let names: BTreeSet<_> = theirs.iter().map(|name| &name.pattern).collect();
    listener.server_names.retain(|name| !names.contains(&name.pattern));
    listener.server_names.extend(pinned);
    listener.server_names.extend(theirs);
}

/// Names of their own for hosts of Ingresses that have theirs by one that is dropped.
fn kept(
    ingress: &Listener,
    listener: &Listener,
    dropped: &[Arc<ServerName>],
) -> Vec<Arc<ServerName>> {
    let mut owners = HostMap::default();
    ingress.server_names.iter().for_each(|name| owners.insert(&name.pattern, name));
    let dropped: BTreeSet<_> = dropped.iter().map(|name| &name.pattern).collect();
    let taken: BTreeSet<_> = listener.server_names.iter().map(|name| &name.pattern).collect();
    let keep = |host: &Arc<Host>| {
        let owner = owners.covering(&host.pattern)?;
        let is_kept = dropped.contains(&owner.pattern) && !taken.contains(&host.pattern);
        let name = ServerName { pattern: host.pattern.clone(), ..ServerName::clone(owner) };
        is_kept.then(|| Arc::new(name))
    };
    ingress.hosts.iter().filter_map(keep).collect()
}

/// Names of their own for hosts of Gateways that a wider name of Ingresses would lead elsewhere.
fn pinned(listener: &Listener, theirs: &[Arc<ServerName>]) -> Vec<Arc<ServerName>> {
    if theirs.iter().all(|name| matches!(name.pattern, HostPattern::Exact(_))) {
        return Vec::new();
    }
    let (mut owners, mut wider) = (HostMap::default(), HostMap::default());
    listener.server_names.iter().for_each(|name| owners.insert(&name.pattern, name));
    theirs.iter().for_each(|name| wider.insert(&name.pattern, name));
    let pin = |host: &Arc<Host>| {
        let owner = owners.covering(&host.pattern)?;
        let other = wider.covering(&host.pattern)?;
        let is_named = [&owner.pattern, &other.pattern].contains(&&host.pattern);
        let name = ServerName { pattern: host.pattern.clone(), ..ServerName::clone(owner) };
        (!is_named).then(|| Arc::new(name))
    };
    listener.hosts.iter().filter_map(pin).collect()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    fn site(port: u16) -> Site {
        let addresses = Arc::from([IpAddr::from([127, 80, 0, 1])]);
        Site { addresses, port, transport: Transport::Http }
    }

    /// Ports of the listeners, and generations, by slots.
    fn slots(sites: &Sites) -> Vec<(Vec<u16>, u32)> {
        let of = |listener: &Listener| {
            let ports = listener.entry_points.iter().map(|at| at.address.port());
            (ports.collect(), listener.generation)
        };
        sites.listeners(Listener::default()).iter().map(of).collect()
    }

    #[test]
    fn a_place_is_used_again_and_an_id_is_not() {
        let mut sites = Sites::default();
        assert!(sites.settle(&[site(80), site(81)].into()));
        assert!(!sites.settle(&[site(80), site(81)].into()));
        assert_eq!(slots(&sites), [(vec![], 0), (vec![80], 0), (vec![81], 0)]);
        assert!(sites.settle(&[site(81)].into()));
        assert_eq!(slots(&sites), [(vec![], 0), (vec![], 1), (vec![81], 0)]);
        assert!(sites.settle(&[site(81), site(82)].into()));
        assert_eq!(slots(&sites), [(vec![], 0), (vec![82], 1), (vec![81], 0)]);
    }

    /// The Gateway has the names below, an Ingress those of one label: of names with a certificate
    /// of an Ingress those are the Gateway's that only its own host has.
    #[test]
    fn certificates_follow_hosts_of_one_label_and_of_many() {
        let flag = EntryPoint { scheme: Scheme::Https, ..EntryPoint::clear_text(443) };
        let shared = Site { addresses: Arc::from([]), port: 443, transport: Transport::Tls };
        let host_name = |text: &str| crate::model::HostName::new(text).expect("a name");
        let wildcard = |depth| HostPattern::Wildcard { suffix: host_name("x"), depth };
        let host = |pattern: HostPattern| {
            let on_miss = crate::model::OnMiss::NextHost;
            Arc::new(Host { pattern, on_miss, rules: Vec::new(), locations: Vec::new() })
        };
        let name = |text: &str| {
            let (kind, namespace) = (crate::model::Kind::Ingress, "ns".into());
            let origin = crate::model::ObjectRef { kind, namespace, name: "i".into() };
            let action = TlsAction::Terminate(crate::model::ServerTlsId(1));
            let pattern = HostPattern::Exact(host_name(text));
            Arc::new(ServerName { pattern, action, section: None, origin })
        };
        let many = wildcard(crate::model::WildcardDepth::Any);
        let mut sites = Sites::default();
        sites.settle(&[shared.clone()].into());
        let served = sites.served(&shared).expect("a place");
        served.hosts.insert(many.clone(), host(many));
        let ingress = Listener {
            entry_points: vec![flag],
            hosts: vec![host(wildcard(crate::model::WildcardDepth::One))],
            server_names: vec![name("a.x"), name("a.b.x")],
            ..Listener::default()
        };
        let listeners = sites.listeners(ingress);
        assert_eq!(listeners[1].hosts.len(), 2);
        let names: Vec<_> =
            listeners[1].server_names.iter().map(|name| name.pattern.to_string()).collect();
        assert_eq!(names, ["a.x"]);
    }

    #[test]
    fn a_port_of_ingresses_has_the_hosts_of_both() {
        let flag = EntryPoint::clear_text(80);
        let other = EntryPoint::clear_text(8080);
        let shared = Site { addresses: Arc::from([]), port: 80, transport: Transport::Http };
        let host = |pattern: HostPattern| {
            let on_miss = crate::model::OnMiss::NextHost;
            Arc::new(Host { pattern, on_miss, rules: Vec::new(), locations: Vec::new() })
        };
        let name =
            |text: &str| HostPattern::Exact(crate::model::HostName::new(text).expect("a name"));
        let (of_both, of_ingress, of_gateway) = (name("both.x"), name("i.x"), name("g.x"));
        let mut sites = Sites::default();
        sites.settle(&[shared.clone()].into());
        let ours = [&of_both, &of_gateway].map(|pattern| (pattern.clone(), host(pattern.clone())));
        sites.served(&shared).expect("a place").hosts.extend(ours);
        let hosts = vec![host(of_both.clone()), host(of_ingress.clone())];
        let ingress = Listener { entry_points: vec![flag, other], hosts, ..Listener::default() };
        let listeners = sites.listeners(ingress);
        assert_eq!(listeners[0].entry_points, [other]);
        assert_eq!(listeners[1].entry_points, [flag]);
        let patterns: Vec<_> = listeners[1].hosts.iter().map(|host| &host.pattern).collect();
        assert_eq!(patterns, [&of_gateway, &of_both, &of_ingress]);
        assert!(Arc::ptr_eq(&listeners[0].hosts[0], &listeners[1].hosts[1]));
    }
}
