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
