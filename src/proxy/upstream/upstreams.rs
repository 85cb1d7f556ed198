//! All backends of one core, and what the control plane tells of them.
//!
//! Endpoints change apart from routes: an update replaces a backend's list and carries over what is
//! known of every address that stays, so a rollout flushes no pool. A request that still holds an
//! endpoint that was removed finishes on it; its connection is closed afterwards.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::http1::body::EndOfMessage;
use crate::http2::connection::WindowBudget;
use crate::model::BackendKey;
use crate::proxy::rt::clock::{Deadlines, recent_millis};
use crate::proxy::rt::random::Random;
use crate::proxy::tasks::Tasks;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::endpoint::{Endpoint, Lease};
use crate::proxy::upstream::pool::{Channel, IdleCount, PoolLimits};
use crate::proxy::upstream::wire::CoreWire;
use crate::table::{BackendId, EndpointSet};
use crate::telemetry::{CoreTelemetry, Counter};

/// All backends of a core.
pub struct Upstreams {
    slots: RefCell<Vec<Option<Rc<Backend>>>>,
    /// Idle connections of the core.
    pub idle: IdleCount,
    /// Bounds of its pools.
    pub limits: Cell<PoolLimits>,
    /// Deadlines of the core, for new connections.
    pub deadlines: Rc<Deadlines>,
    /// Its counters.
    pub telemetry: Rc<CoreTelemetry>,
    /// Runs connections that are shared.
    pub tasks: Tasks,
    /// What windows of the core may grow by, also those of clients.
    pub windows: WindowBudget,
}

impl Upstreams {
    /// No backends.
    #[must_use]
    pub fn new(
        limits: PoolLimits,
        deadlines: Rc<Deadlines>,
        telemetry: Rc<CoreTelemetry>,
    ) -> Rc<Self> {
        Rc::new(Self {
            slots: RefCell::default(),
            idle: IdleCount::default(),
            limits: Cell::new(limits),
            deadlines,
            tasks: Tasks::new(Rc::clone(&telemetry)),
            windows: WindowBudget::default(),
            telemetry,
        })
    }

    /// The backend of an id; `None`: it vanished.
    pub fn backend(&self, id: BackendId) -> Option<Rc<Backend>> {
        let slots = self.slots.borrow();
        let backend = slots.get(id.slot as usize)?.as_ref()?;
        (backend.id == id).then(|| Rc::clone(backend))
    }

    /// The backend of a key; `None`: there is none. For people: looks at all of them.
    pub fn backend_of(&self, key: &BackendKey) -> Option<Rc<Backend>> {
        let slots = self.slots.borrow();
        let mut all = slots.iter().flatten();
        all.find(|backend| *backend.key == *key).map(Rc::clone)
    }

    /// Puts a backend's endpoints in force; returns the set they replace, to be freed elsewhere.
    pub fn apply(
        &self,
        id: BackendId,
        key: Arc<BackendKey>,
        set: Arc<EndpointSet>,
        random: &Random,
    ) -> Option<Arc<EndpointSet>> {
        if let Some(backend) = self.backend(id) {
            let old = Rc::clone(&backend.endpoints.borrow());
            let is_same_wire = backend.set.borrow().wire == set.wire;
            // A connection that speaks otherwise, or to whom else, must not be used again.
            let new = carry_over(if is_same_wire { &old } else { &[] }, &set);
            *backend.endpoints.borrow_mut() = new;
            if !is_same_wire {
                *backend.wire.borrow_mut() = Rc::new(CoreWire::new(&backend.key, &set.wire));
            }
            self.retire(&old, if is_same_wire { &set.addresses } else { &[] });
            return Some(backend.set.replace(set));
        }
        self.remove_slot(id.slot);
        let backend = Backend {
            id,
            wire: RefCell::new(Rc::new(CoreWire::new(&key, &set.wire))),
            key,
            endpoints: RefCell::new(carry_over(&[], &set)),
            cursor: Cell::new(random.below(set.addresses.len())),
            set: RefCell::new(set),
        };
        let mut slots = self.slots.borrow_mut();
        let slot = id.slot as usize;
        if slots.len() <= slot {
            slots.resize_with(slot + 1, || None);
        }
        if let Some(place) = slots.get_mut(slot) {
            *place = Some(Rc::new(backend));
        }
        None
    }

    /// Forgets a backend.
    pub fn remove(&self, id: BackendId) -> Option<Arc<EndpointSet>> {
        let backend = self.backend(id)?;
        self.remove_slot(id.slot);
        Some(backend.set.take())
    }

    fn remove_slot(&self, slot: u32) {
        let removed = self.slots.borrow_mut().get_mut(slot as usize).and_then(Option::take);
        if let Some(backend) = removed {
            self.retire(&backend.endpoints.borrow(), &[]);
        }
    }

    /// Marks the endpoints that are not in `kept` and closes their idle connections.
    fn retire(&self, endpoints: &[Rc<Endpoint>], kept: &[SocketAddr]) {
        for endpoint in endpoints {
            if kept.binary_search(&endpoint.address).is_err() {
                endpoint.is_removed.set(true);
                endpoint.pool.clear(&self.idle);
                endpoint.http2.remove();
            }
        }
    }

    /// An idle connection of an endpoint's pool, if there is one that is still good.
    pub fn checkout(&self, endpoint: &Endpoint) -> Option<Channel> {
        let found = endpoint.pool.checkout(&self.limits.get(), &self.idle, recent_millis());
        self.telemetry.add(Counter::UpstreamStale, found.stale);
        found.channel.inspect(|_| self.telemetry.count(Counter::UpstreamReuses))
    }

    /// Gives a channel back to its endpoint's pool, or closes it.
    pub fn release(&self, lease: &Lease, channel: Channel, end: EndOfMessage) {
        let Endpoint { pool, is_removed, .. } = &*lease.endpoint;
        if channel.stream.outlives_message()
            && !is_removed.get()
            && pool.release(channel, end, &self.limits.get(), &self.idle, recent_millis())
        {
            self.telemetry.count(Counter::UpstreamReleases);
        }
    }

    /// Closes an idle connection of any endpoint, so that its descriptor can be another's; false:
    /// there is none. The descriptor is free a turn of the loop later.
    pub fn evict(&self) -> bool {
        let slots = self.slots.borrow();
        slots.iter().flatten().any(|backend| {
            backend.endpoints.borrow().iter().any(|endpoint| {
                self.idle.get() > 0 && endpoint.pool.evict(&self.idle) || endpoint.http2.evict()
            })
        })
    }

    /// Closes idle connections whose time is over; to be called about once a second.
    pub fn sweep(&self) {
        let now = recent_millis();
        for backend in self.slots.borrow().iter().flatten() {
            for endpoint in backend.endpoints.borrow().iter() {
                endpoint.http2.sweep(&self.limits.get(), now);
                if !endpoint.pool.is_empty() {
                    endpoint.pool.sweep(&self.limits.get(), &self.idle, now);
                }
            }
        }
    }
}

/// The endpoints of `set`, those of `old` where the address stays. Both are sorted by address.
fn carry_over(old: &[Rc<Endpoint>], set: &EndpointSet) -> Rc<[Rc<Endpoint>]> {
    debug_assert!(set.addresses.is_sorted(), "endpoint sets are sorted");
    set.addresses
        .iter()
        .map(|address| match old.binary_search_by(|known| known.address.cmp(address)) {
            Ok(index) => Rc::clone(&old[index]),
            Err(_) => Endpoint::new(*address),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Balance, PortRef};
    use crate::table::Wire;
    use crate::telemetry::{Bounds, telemetry};

    fn set(ports: &[u16]) -> Arc<EndpointSet> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        let addresses = ports.iter().map(address).collect();
        Arc::new(EndpointSet { addresses, ..EndpointSet::default() })
    }

    fn key() -> Arc<BackendKey> {
        Arc::new(BackendKey {
            namespace: "default".into(),
            service: "web".into(),
            port: PortRef::Number(80),
            dial: crate::model::Dial::default(),
        })
    }

    fn upstreams() -> Rc<Upstreams> {
        let limits = PoolLimits {
            idle_per_endpoint: 4,
            total: 8,
            idle_millis: 1000,
            age_millis: 10_000,
            requests: u32::MAX,
            send_timeout: Duration::from_secs(1),
        };
        let counters = telemetry(1, Bounds::default()).0.pop().unwrap();
        Upstreams::new(limits, Deadlines::new(), Rc::new(counters))
    }

    const ID: BackendId = BackendId { slot: 3, generation: 1 };

    #[test]
    fn update_keeps_what_is_known_of_an_address() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        assert!(upstreams.apply(ID, key(), set(&[1, 2]), &random).is_none());
        let backend = upstreams.backend(ID).unwrap();
        let lease = backend.pick(Balance::RoundRobin, &[], &random).unwrap();
        let replaced = upstreams.apply(ID, key(), set(&[1, 2, 3]), &random);
        assert_eq!(replaced.as_deref(), Some(&*set(&[1, 2])));
        assert_eq!(backend.endpoint_count(), 3);
        let again: Vec<_> = (0..3)
            .filter_map(|_| backend.pick(Balance::RoundRobin, &[], &random))
            .filter(|other| Rc::ptr_eq(&other.endpoint, &lease.endpoint))
            .collect();
        assert_eq!(again.len(), 1);
        assert!(!lease.endpoint.is_removed.get());
    }

    #[test]
    fn an_endpoint_that_was_not_tried_is_told_from_the_rest() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        upstreams.apply(ID, key(), set(&[1, 2]), &random);
        let backend = upstreams.backend(ID).unwrap();
        let [first, second] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(backend.has_other(first, &[]));
        assert!(backend.has_other(first, &[first]));
        assert!(!backend.has_other(first, &[second]));
    }

    #[test]
    fn removed_endpoint_gets_nothing_new() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        upstreams.apply(ID, key(), set(&[1]), &random);
        let backend = upstreams.backend(ID).unwrap();
        let lease = backend.pick(Balance::RoundRobin, &[], &random).unwrap();
        upstreams.apply(ID, key(), set(&[]), &random);
        assert!(lease.endpoint.is_removed.get());
        assert!(backend.pick(Balance::RoundRobin, &[], &random).is_none());
    }

    #[test]
    fn another_wire_keeps_no_endpoint() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        upstreams.apply(ID, key(), set(&[1]), &random);
        let backend = upstreams.backend(ID).unwrap();
        let lease = backend.pick(Balance::RoundRobin, &[], &random).unwrap();
        let wire = Wire { is_http2: true, tls: None };
        let http2 = EndpointSet { wire, ..EndpointSet::clone(&set(&[1])) };
        upstreams.apply(ID, key(), Arc::new(http2), &random);
        assert!(backend.wire().is_http2());
        assert!(lease.endpoint.is_removed.get());
        let next = backend.pick(Balance::RoundRobin, &[], &random).unwrap();
        assert!(!Rc::ptr_eq(&lease.endpoint, &next.endpoint));
        assert!(!next.endpoint.is_removed.get());
    }

    #[test]
    fn an_old_id_never_reaches_the_next_occupant_of_its_slot() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        upstreams.apply(ID, key(), set(&[1]), &random);
        let next = BackendId { slot: 3, generation: 2 };
        upstreams.apply(next, key(), set(&[2]), &random);
        assert!(upstreams.backend(ID).is_none());
        assert!(upstreams.backend(next).is_some());
        assert!(upstreams.remove(ID).is_none());
        assert!(upstreams.remove(next).is_some());
        assert!(upstreams.backend(next).is_none());
    }

    #[test]
    fn requests_in_flight_are_counted_by_their_lease() {
        let (upstreams, random) = (upstreams(), Random::seeded(1));
        upstreams.apply(ID, key(), set(&[1]), &random);
        let backend = upstreams.backend(ID).unwrap();
        let lease = backend.pick(Balance::RoundRobin, &[], &random).unwrap();
        let endpoint = Rc::clone(&lease.endpoint);
        assert_eq!(endpoint.in_flight.get(), 1);
        drop(lease);
        assert_eq!(endpoint.in_flight.get(), 0);
    }
}
