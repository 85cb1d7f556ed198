//! One backend as one core sees it: its endpoints, and which of them is next.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::model::{BackendKey, Balance};
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::random::Random;
use crate::proxy::upstream::balance::{self, Candidates};
use crate::proxy::upstream::bound::{self, Bond, Choice, Stay};
use crate::proxy::upstream::endpoint::{Endpoint, Lease};
use crate::proxy::upstream::wire::CoreWire;
use crate::table::{BackendId, EndpointSet};

/// One backend on one core.
pub struct Backend {
    /// Id in tables.
    pub id: BackendId,
    /// The Service port, for logs.
    pub key: Arc<BackendKey>,
    pub(super) endpoints: RefCell<Rc<[Rc<Endpoint>]>>,
    pub(super) cursor: Cell<usize>,
    pub(super) set: RefCell<Arc<EndpointSet>>,
    pub(super) wire: RefCell<Rc<CoreWire>>,
}

/// What a core knows of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// Where it listens.
    pub address: SocketAddr,
    /// It is not asked, because it failed of late.
    pub is_ejected: bool,
    /// It owes an answer, and is asked after the others.
    pub is_silent: bool,
    /// Requests that it has under way.
    pub in_flight: u32,
    /// Microseconds until an answer, smoothed; `None`: it has given none yet.
    pub latency: Option<f64>,
}

struct View<'a> {
    endpoints: &'a [Rc<Endpoint>],
    tried: &'a [SocketAddr],
    now: u64,
}

impl Candidates for View<'_> {
    fn count(&self) -> usize {
        self.endpoints.len()
    }

    fn is_tried(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|endpoint| self.tried.contains(&endpoint.address))
    }

    fn is_ejected(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|e| e.health.borrow().is_ejected(self.now))
    }

    fn is_silent(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|e| e.health.borrow().is_silent(self.now))
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.endpoints.get(index).map_or(0, |endpoint| endpoint.in_flight.get())
    }

    fn latency(&self, index: usize) -> Option<f64> {
        self.endpoints.get(index)?.health.borrow().latency()
    }
}

impl Backend {
    /// Picks an endpoint other than the `tried` ones if there is one; `None`: there is none at all.
    pub fn pick(&self, balance: Balance, tried: &[SocketAddr], random: &Random) -> Option<Lease> {
        let endpoints = Rc::clone(&self.endpoints.borrow());
        let view = View { endpoints: &endpoints, tried, now: recent_millis() };
        let mut cursor = self.cursor.get();
        let index = balance::pick(balance, &view, &mut cursor, random)?;
        self.cursor.set(cursor);
        endpoints.get(index).map(|endpoint| Lease::new(Rc::clone(endpoint), view.now))
    }

    /// The same for a request that `bond` binds, if it does. With what follows from it.
    pub fn pick_bound(
        &self,
        balance: Balance,
        bond: Option<Bond<'_>>,
        tried: &[SocketAddr],
        random: &Random,
    ) -> Option<(Lease, Stay)> {
        let set = self.set.borrow();
        // One that was bound to nothing a moment ago has no ring yet.
        let (Some(bond), Some(ring)) = (bond, &set.ring) else {
            return Some((self.pick(balance, tried, random)?, Stay::Free));
        };
        let endpoints = Rc::clone(&self.endpoints.borrow());
        let view = View { endpoints: &endpoints, tried, now: recent_millis() };
        let mut cursor = self.cursor.get();
        let Choice { index, stay } = bound::pick(bond, balance, ring, &view, &mut cursor, random)?;
        self.cursor.set(cursor);
        let lease = endpoints.get(index).map(|endpoint| Lease::new(Rc::clone(endpoint), view.now));
        Some((lease?, stay))
    }

    /// The endpoint that [`Self::pick_bound`] would pick; nothing gets to know of it.
    pub fn foresee(
        &self,
        balance: Balance,
        bond: Option<Bond<'_>>,
        tried: &[SocketAddr],
        random: &Random,
    ) -> Option<SocketAddr> {
        let set = self.set.borrow();
        let endpoints = Rc::clone(&self.endpoints.borrow());
        let view = View { endpoints: &endpoints, tried, now: recent_millis() };
        let mut cursor = self.cursor.get();
        let index = match (bond, &set.ring) {
            (Some(bond), Some(ring)) => {
                bound::pick(bond, balance, ring, &view, &mut cursor, random)?.index
            }
            _ => balance::pick(balance, &view, &mut cursor, random)?,
        };
        endpoints.get(index).map(|endpoint| endpoint.address)
    }

    /// What is known of each endpoint, in their order.
    pub fn sights(&self) -> Vec<Sight> {
        let now = recent_millis();
        let endpoints = self.endpoints.borrow();
        let sight = |endpoint: &Rc<Endpoint>| {
            let health = endpoint.health.borrow();
            let (is_ejected, is_silent) = (health.is_ejected(now), health.is_silent(now));
            let (latency, in_flight) = (health.latency(), endpoint.in_flight.get());
            Sight { address: endpoint.address, is_ejected, is_silent, in_flight, latency }
        };
        endpoints.iter().map(sight).collect()
    }

    /// Whether there is an endpoint beside `current` that is not among the `tried` ones.
    pub fn has_other(&self, current: SocketAddr, tried: &[SocketAddr]) -> bool {
        let endpoints = self.endpoints.borrow();
        endpoints.iter().any(|e| e.address != current && !tried.contains(&e.address))
    }

    /// Endpoints at the moment.
    pub fn endpoint_count(&self) -> usize {
        self.endpoints.borrow().len()
    }

    /// How its endpoints are spoken to at the moment. To be read together with [`Self::pick`],
    /// without waiting in between: an update changes both.
    pub fn wire(&self) -> Rc<CoreWire> {
        Rc::clone(&self.wire.borrow())
    }
}
