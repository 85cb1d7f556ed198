//! Windows that grow: a stream whose octets are taken as fast as its window lets them come may send
//! more at a time, within a budget that all connections of a core share.
//!
//! ```text
//!  a window taken within two round trips ─▶ twice the window, of stream and connection
//!  the stream is let go of ─▶ its share is for others of the connection
//!                              └─▶ octets taken by then are withheld from the window of the
//!                                  connection, until the share is back in the budget
//! ```
//!
//! A peer that sends a window each round trip is held up by the window, whatever the rate; one
//! whose octets are taken more slowly is held up by whoever takes them, for whom a larger window
//! would only hold memory. The time of a round trip is that of SETTINGS and their acknowledgement.

use std::cell::Cell;
use std::rc::Rc;

use crate::limits::{
    HTTP2_GROWN_CONNECTION_BYTES_MAX, HTTP2_GROWN_CORE_BYTES_MAX, HTTP2_ROUND_TRIP_MAX,
    HTTP2_STREAM_WINDOW_BYTES_MAX,
};

/// What a core has left for windows above their first size, [`HTTP2_GROWN_CORE_BYTES_MAX`].
#[derive(Debug, Clone)]
pub struct WindowBudget(Rc<Cell<u32>>);

impl Default for WindowBudget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(HTTP2_GROWN_CORE_BYTES_MAX)))
    }
}

impl WindowBudget {
    /// Octets that are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0.get()
    }

    fn give(&self, octets: u32) {
        self.0.set(self.0.get().saturating_add(octets));
    }
}

/// How fast octets of a stream are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Octets that the peer may send before any are taken.
    pub(super) window: u32,
    /// Its size at first.
    first: u32,
    /// Octets that were taken since then.
    taken: u32,
    since: u64,
}

/// What a connection has of the budget.
#[derive(Debug)]
pub(super) struct Growth {
    budget: WindowBudget,
    /// Octets that its window has more than at first.
    granted: u32,
    /// Those of them that are in windows of streams.
    used: u32,
    /// When the peer was heard last.
    now: u64,
    begun: u64,
    /// 0: not known, or too short to be told.
    round_trip: u64,
}

/// More room for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grown {
    pub(super) stream: u32,
    pub(super) connection: u32,
}

impl Growth {
    pub(super) const fn new(budget: WindowBudget, now: u64) -> Self {
        Self { budget, granted: 0, used: 0, now, begun: now, round_trip: 0 }
    }

    pub(super) const fn pace(&self, window: u32) -> Pace {
        Pace { window, first: window, taken: 0, since: self.now }
    }

    pub(super) fn heard(&mut self, now: u64) {
        self.now = now;
    }

    /// SETTINGS were acknowledged.
    pub(super) fn acknowledged(&mut self) {
        if self.round_trip == 0 {
            let most = u64::try_from(HTTP2_ROUND_TRIP_MAX.as_millis()).unwrap_or(0);
            self.round_trip = self.now.saturating_sub(self.begun).min(most);
        }
    }

    /// Octets of a stream were taken.
    pub(super) fn taken(&mut self, pace: &mut Pace, octets: u32) -> Option<Grown> {
        pace.taken = pace.taken.saturating_add(octets);
        if pace.taken < pace.window {
            return None;
        }
        pace.taken = 0;
        let spent = self.now.saturating_sub(std::mem::replace(&mut pace.since, self.now));
        if spent >= 2 * self.round_trip {
            return None;
        }
        let more = pace.window.min(HTTP2_STREAM_WINDOW_BYTES_MAX.saturating_sub(pace.window));
        let needed = more.saturating_sub(self.granted - self.used);
        let left = self.budget.left().checked_sub(needed)?;
        if more == 0 || self.granted + needed > HTTP2_GROWN_CONNECTION_BYTES_MAX {
            return None;
        }
        self.budget.0.set(left);
        self.granted += needed;
        self.used += more;
        pace.window += more;
        Some(Grown { stream: more, connection: needed })
    }

    /// The stream is let go of.
    pub(super) fn ended(&mut self, pace: Pace) {
        self.used = self.used.saturating_sub(pace.window - pace.first);
    }

    /// Of octets that were taken, those that the connection's window gets back.
    pub(super) fn returned(&mut self, octets: u32) -> u32 {
        let withheld = octets.min(self.granted - self.used);
        self.granted -= withheld;
        self.budget.give(withheld);
        octets - withheld
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.budget.give(self.granted);
    }
}
