//! One endpoint as one core sees it: health, load, connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::proxy::rt::clock::recent_millis;
use crate::proxy::upstream::health::Health;
use crate::proxy::upstream::http2::Http2Pool;
use crate::proxy::upstream::pool::Pool;

/// One endpoint on one core.
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Idle connections.
    pub pool: Pool,
    /// Connections that are shared.
    pub http2: Rc<Http2Pool>,
    pub(super) health: RefCell<Health>,
    pub(super) in_flight: Cell<u32>,
    pub(super) is_removed: Cell<bool>,
}

/// An endpoint in use by one request; counts it as in flight.
pub struct Lease {
    /// The endpoint.
    pub endpoint: Rc<Endpoint>,
}

impl Lease {
    pub(super) fn new(endpoint: Rc<Endpoint>, now: u64) -> Self {
        endpoint.in_flight.set(endpoint.in_flight.get().saturating_add(1));
        endpoint.health.borrow_mut().chosen(now);
        Self { endpoint }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let left = self.endpoint.in_flight.get().saturating_sub(1);
        self.endpoint.in_flight.set(left);
        if left == 0 {
            self.endpoint.health.borrow_mut().left_alone(recent_millis());
        }
    }
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            address,
            pool: Pool::default(),
            http2: Rc::default(),
            health: RefCell::default(),
            in_flight: Cell::new(0),
            is_removed: Cell::new(false),
        })
    }

    /// Whether it is none of its backend any more.
    pub fn is_removed(&self) -> bool {
        self.is_removed.get()
    }

    /// It answered.
    pub fn succeeded(&self, latency: Duration) {
        self.health.borrow_mut().succeeded(latency, recent_millis());
    }

    /// It failed; true when this ejects it.
    pub fn failed(&self) -> bool {
        self.health.borrow_mut().failed(recent_millis())
    }

    /// Its response came to its end.
    pub fn completed(&self) {
        self.health.borrow_mut().completed();
    }

    /// Its response ended before its end; true when this ejects it.
    pub fn broke_off(&self) -> bool {
        self.health.borrow_mut().broke_off(recent_millis())
    }

    /// It has something to answer now; true: for the first time since its last answer.
    pub fn asked(&self) -> bool {
        self.health.borrow_mut().asked(recent_millis())
    }

    /// It has nothing to answer after all.
    pub fn unasked(&self) {
        self.health.borrow_mut().unasked();
    }
}
