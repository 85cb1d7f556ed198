//! HTTPRoutes and GRPCRoutes that want the same hosts of one listener: the older one has them.
//!
//! Source: Gateway API, `GRPCRouteSpec.hostnames`: of two such routes exactly one is accepted, the
//! older one, then the first by namespace and name.

use std::collections::{BTreeMap, BTreeSet};

use super::attachment::{Attached, NotAttached};
use super::host_map::HostMap;
use crate::control::lower::claim::Age;
use crate::model::{HostPattern, Kind, ObjectRef};

/// A listener: its object, and its place there.
type At = (ObjectRef, usize);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    listeners: BTreeMap<At, Wanted>,
    /// Where something is other than when it was settled.
    stale: BTreeSet<At>,
}

/// What routes want of a listener.
#[derive(Debug, Default)]
struct Wanted {
    /// The oldest first.
    by_age: BTreeMap<(Age, ObjectRef), Vec<HostPattern>>,
    /// How many HTTPRoutes want a host.
    http: HostMap<u32>,
    /// How many GRPCRoutes.
    grpc: HostMap<u32>,
    /// Who does not get it, and who has the hosts.
    losers: BTreeMap<ObjectRef, ObjectRef>,
}

impl Rivals {
    /// A route that is attached so comes or goes.
    pub(super) fn note(&mut self, route: &ObjectRef, age: &Age, wished: &[Attached], comes: Going) {
        if !matches!(route.kind, Kind::GRPCRoute | Kind::HTTPRoute) {
            return;
        }
        for Attached { object, listeners, .. } in wished {
            for attachment in listeners.iter().flatten() {
                let at = (object.clone(), attachment.listener);
                let wanted = self.listeners.entry(at.clone()).or_default();
                let meets = wanted.note((age.clone(), route.clone()), &attachment.hosts, comes);
                // Who meets nobody of the other kind takes nothing and leaves nothing.
                if meets || wanted.by_age.is_empty() {
                    self.stale.insert(at);
                }
            }
        }
    }

    /// Decides what is open. Routes that have another lot than before.
    pub(super) fn settle(&mut self) -> BTreeSet<ObjectRef> {
        let mut changed = BTreeSet::new();
        for at in std::mem::take(&mut self.stale) {
            let Some(wanted) = self.listeners.get_mut(&at) else { continue };
            let losers = wanted.losers();
            let is_other = |route: &&ObjectRef| losers.get(*route) != wanted.losers.get(*route);
            changed.extend(losers.keys().chain(wanted.losers.keys()).filter(is_other).cloned());
            wanted.losers = losers;
            if wanted.by_age.is_empty() {
                self.listeners.remove(&at);
            }
        }
        changed
    }

    /// Where a route is attached that wishes for this.
    pub(super) fn granted(&self, route: &ObjectRef, wished: &[Attached]) -> Vec<Attached> {
        let granted = |wish: &Attached| {
            let Ok(all) = &wish.listeners else { return wish.clone() };
            let (mut left, mut winner) = (Vec::new(), None);
            for attachment in all {
                let wanted = self.listeners.get(&(wish.object.clone(), attachment.listener));
                match wanted.and_then(|wanted| wanted.losers.get(route)) {
                    Some(other) => winner = Some(other),
                    None => left.push(attachment.clone()),
                }
            }
            let listeners = match winner.filter(|_| left.is_empty()) {
                Some(winner) => Err(lost(winner)),
                None => Ok(left),
            };
            Attached { listeners, ..wish.clone() }
        };
        wished.iter().map(granted).collect()
    }
}

/// Whether a route is there from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    In,
    Out,
}

impl Wanted {
    /// Whether the route has hosts in common with some route of the other kind.
    fn note(&mut self, route: (Age, ObjectRef), hosts: &[HostPattern], going: Going) -> bool {
        let (own, others) = match route.1.kind {
            Kind::GRPCRoute => (&mut self.grpc, &self.http),
            _ => (&mut self.http, &self.grpc),
        };
        match going {
            Going::In => {
                hosts.iter().for_each(|host| own.add(host));
                // One that names a listener by two parents wants the hosts of both.
                self.by_age.entry(route).or_default().extend_from_slice(hosts);
                hosts.iter().any(|host| others.meeting(host).is_some())
            }
            Going::Out => {
                let hosts = self.by_age.remove(&route).unwrap_or_default();
                hosts.iter().for_each(|host| own.take(host));
                hosts.iter().any(|host| others.meeting(host).is_some())
            }
        }
    }

    fn losers(&self) -> BTreeMap<ObjectRef, ObjectRef> {
        let mut losers = BTreeMap::new();
        let (mut http, mut grpc) = (HostMap::default(), HostMap::default());
        for ((_, route), hosts) in &self.by_age {
            let (own, others) = match route.kind {
                Kind::GRPCRoute => (&mut grpc, &http),
                _ => (&mut http, &grpc),
            };
            match hosts.iter().find_map(|host| others.meeting(host)) {
                Some(winner) => {
                    losers.insert(route.clone(), ObjectRef::clone(winner));
                }
                None => hosts.iter().for_each(|host| own.insert(host, route.clone())),
            }
        }
        losers
    }
}

fn lost(winner: &ObjectRef) -> NotAttached {
    let message = format!(
        "The {winner} is older and has hosts in common with it on this listener, which takes \
         either HTTPRoutes or GRPCRoutes for a host; write other hostnames, or name another \
         listener."
    );
    NotAttached { reason: "HostnameConflict", message }
}

#[cfg(test)]
mod tests {
    use super::super::attachment::Attachment;
    use super::super::hostnames::pattern;
    use super::*;

    fn route(text: &str) -> (ObjectRef, Age) {
        let (kind, name) = text.split_at(1);
        let kind = if kind == "g" { Kind::GRPCRoute } else { Kind::HTTPRoute };
        let age = Age { created: None, namespace: "ns".into(), name: name.into() };
        (ObjectRef { kind, namespace: "ns".into(), name: name.into() }, age)
    }

    /// At listeners of one Gateway, each with the same hosts.
    fn wish(listeners: &[usize], hosts: &str) -> Vec<Attached> {
        let hosts = hosts.split(' ').map(|host| pattern(Some(host)).expect("a name"));
        let hosts: Vec<_> = hosts.collect();
        let at = |&listener: &usize| Attachment { listener, hosts: hosts.clone() };
        let object = ObjectRef { kind: Kind::Gateway, namespace: "ns".into(), name: "g".into() };
        let listeners = Ok(listeners.iter().map(at).collect());
        vec![Attached { parent: Default::default(), object, listeners }]
    }

    #[test]
    fn of_two_kinds_the_older_has_the_hosts() {
        for (routes, expected) in [
            // Names are ages.
            (&[("h1", "a.x"), ("h2", "a.x")][..], &[][..]),
            (&[("h1", "a.x"), ("g2", "b.x")], &[]),
            (&[("h1", "a.x"), ("g2", "a.x")], &["2"]),
            (&[("h2", "a.x"), ("g1", "a.x")], &["2"]),
            (&[("h1", "*.x"), ("g2", "a.x b.y")], &["2"]),
            (&[("h1", "a.x"), ("g2", "*.x")], &["2"]),
            (&[("h1", ""), ("g2", "a.x")], &["2"]),
            // Who has lost is in nobody's way.
            (&[("h1", "a.x"), ("g2", "a.x b.x"), ("h3", "b.x")], &["2"]),
        ] {
            let mut rivals = Rivals::default();
            for (name, hosts) in routes {
                let (route, age) = route(name);
                rivals.note(&route, &age, &wish(&[0], hosts), Going::In);
            }
            let changed = rivals.settle();
            let names: Vec<&str> = changed.iter().map(|route| &*route.name).collect();
            assert_eq!(names, expected, "{routes:?}");
            for (name, hosts) in routes {
                let (route, _) = route(name);
                let granted = rivals.granted(&route, &wish(&[0], hosts));
                let is_lost = granted.iter().all(|at| at.listeners.is_err());
                assert_eq!(is_lost, expected.contains(&&*route.name), "{routes:?}");
            }
        }
    }

    #[test]
    fn who_has_lost_gets_the_hosts_when_the_other_goes() {
        let ((old, age), (young, younger)) = (route("g1"), route("h2"));
        let mut rivals = Rivals::default();
        rivals.note(&old, &age, &wish(&[0], "a.x"), Going::In);
        rivals.note(&young, &younger, &wish(&[0, 1], "a.x"), Going::In);
        assert_eq!(rivals.settle(), [young.clone()].into());
        // The other listener is free.
        let granted = rivals.granted(&young, &wish(&[0, 1], "a.x"));
        assert_eq!(granted, wish(&[1], "a.x"));
        assert!(rivals.settle().is_empty());
        rivals.note(&old, &age, &wish(&[0], "a.x"), Going::Out);
        assert_eq!(rivals.settle(), [young.clone()].into());
        let wished = wish(&[0, 1], "a.x");
        assert_eq!(rivals.granted(&young, &wished), wished);
        rivals.note(&young, &younger, &wished, Going::Out);
        rivals.settle();
        assert!(rivals.listeners.is_empty());
    }
}
