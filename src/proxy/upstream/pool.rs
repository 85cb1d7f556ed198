//! Idle connections of one endpoint on one core.
//!
//! Last in, first out: busy connections stay warm, surplus ones age out. A connection comes back
//! only with [`EndOfMessage`], the proof that its response was read to its end; plain drop closes
//! it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use crate::http1::body::{Boundary, EndOfMessage};
use crate::model::Pools;
use crate::proxy::rt::Peek;
use crate::proxy::transport::Transport;

/// Whether a way to an endpoint served a request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It did not.
    Fresh,
    /// It did, and may have ended since.
    Reused,
}

/// A way to an endpoint: a connection, or a stream of one that is shared.
pub struct Channel {
    /// What it is read from and written to.
    pub stream: Transport,
    /// When it was opened, milliseconds of the coarse clock.
    pub opened_at: u64,
    /// Requests that went over it before.
    pub served: u32,
    /// Whether it served a request before.
    pub freshness: Freshness,
    /// How long the upstream said it keeps it (`Keep-Alive: timeout=N`), if it did.
    pub keep_alive: Option<Duration>,
}

struct Idle {
    channel: Channel,
    since: u64,
}

/// Bounds of a core's pools.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Idle connections of one endpoint.
    pub idle_per_endpoint: usize,
    /// Idle connections of the core.
    pub total: usize,
    /// Idle time, milliseconds.
    pub idle_millis: u64,
    /// Age, milliseconds.
    pub age_millis: u64,
    /// Requests over one connection that is not shared.
    pub requests: u32,
    /// Between two writes on a connection that is shared.
    pub send_timeout: Duration,
}

impl PoolLimits {
    /// With what the operator says of pools.
    #[must_use]
    pub fn under(self, pools: &Pools) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let most = pools.connections.map_or(usize::MAX, |most| most as usize);
        Self {
            idle_per_endpoint: self.idle_per_endpoint.min(most),
            total: self.total.min(most),
            idle_millis: pools.idle_time.map_or(self.idle_millis, millis),
            age_millis: pools.age.map_or(self.age_millis, millis),
            requests: pools.requests.unwrap_or(self.requests),
            ..self
        }
    }
}

/// Idle connections of one endpoint.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<VecDeque<Idle>>,
}

/// Idle connections of all pools of a core.
#[derive(Default)]
pub struct IdleCount(Cell<usize>);

impl IdleCount {
    /// The count.
    pub fn get(&self) -> usize {
        self.0.get()
    }

    fn add(&self, count: usize) {
        self.0.set(self.0.get().saturating_add(count));
    }

    fn subtract(&self, count: usize) {
        debug_assert!(count <= self.0.get(), "idle connections are counted twice");
        self.0.set(self.0.get().saturating_sub(count));
    }
}

/// What a checkout found.
pub struct Checkout {
    /// A connection that is alive and silent; `None`: connect.
    pub channel: Option<Channel>,
    /// Dead or talkative connections closed on the way.
    pub stale: u64,
}

impl Pool {
    /// Takes the connection that went idle last and is still good.
    ///
    /// A connection with octets to read is closed: they would be taken for the answer to a request
    /// that was not sent yet (response-queue poisoning).
    pub fn checkout(&self, limits: &PoolLimits, count: &IdleCount, now: u64) -> Checkout {
        let mut stale = 0;
        loop {
            let Some(idle) = self.idle.borrow_mut().pop_back() else {
                return Checkout { channel: None, stale };
            };
            count.subtract(1);
            if !is_expired(&idle, limits, now) {
                if idle.channel.stream.peek_idle() == Peek::Silent {
                    return Checkout { channel: Some(idle.channel), stale };
                }
                stale += 1;
            }
        }
    }

    /// Puts a connection back; closes it instead when something lies behind its last response, it
    /// is too old, or the pool is full. True: kept.
    pub fn release(
        &self,
        mut channel: Channel,
        end: EndOfMessage,
        limits: &PoolLimits,
        count: &IdleCount,
        now: u64,
    ) -> bool {
        let mut idle = self.idle.borrow_mut();
        let is_clean = end.into_boundary() == Boundary::Clean;
        let is_full = idle.len() >= limits.idle_per_endpoint || count.get() >= limits.total;
        channel.served = channel.served.saturating_add(1);
        let is_used_up = channel.served >= limits.requests;
        if !is_clean
            || is_full
            || is_used_up
            || now.saturating_sub(channel.opened_at) >= limits.age_millis
        {
            return false;
        }
        channel.stream.deadline().disarm();
        channel.freshness = Freshness::Reused;
        idle.push_back(Idle { channel, since: now });
        count.add(1);
        true
    }

    /// Closes what has been idle for too long. The front is the one that went idle first.
    pub fn sweep(&self, limits: &PoolLimits, count: &IdleCount, now: u64) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|idle| !is_expired(idle, limits, now));
        count.subtract(before - idle.len());
    }

    /// Closes the connection that has been idle for longest; false: there is none.
    pub fn evict(&self, count: &IdleCount) -> bool {
        let evicted = self.idle.borrow_mut().pop_front();
        count.subtract(usize::from(evicted.is_some()));
        evicted.is_some()
    }

    /// Closes everything.
    pub fn clear(&self, count: &IdleCount) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        count.subtract(idle.len());
    }

    /// Whether nothing is idle.
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }
}

fn is_expired(idle: &Idle, limits: &PoolLimits, now: u64) -> bool {
    // One second before the upstream would close it, so that the race is not run.
    let theirs = idle.channel.keep_alive.map_or(u64::MAX, |keep| {
        u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).saturating_sub(1000)
    });
    let rested = now.saturating_sub(idle.since);
    rested >= limits.idle_millis.min(theirs)
        || now.saturating_sub(idle.channel.opened_at) >= limits.age_millis
}
