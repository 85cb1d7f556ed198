//! Places for streams on the HTTP/2 connections to one endpoint, and the queue of who waits for
//! one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::http2::connection::Connection;
use crate::limits::{HTTP2_UPSTREAM_STREAMS_MAX, HTTP2_UPSTREAM_WAITERS_MAX};
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::transport::http2_codec::Codec;

/// A connection that streams share.
pub struct SharedConnection {
    codec: Rc<Codec>,
    /// It takes no new streams.
    is_left: Cell<bool>,
    streams: Cell<usize>,
    has_served: Cell<bool>,
    idle_since: Cell<u64>,
    /// When SETTINGS were sent, milliseconds of the coarse clock.
    pub opened_at: u64,
}

/// A place on a connection.
pub struct Slot {
    connection: Rc<SharedConnection>,
    turns: Rc<Turns>,
}

/// A stream that may be opened.
pub struct Unopened {
    /// To be held as long as the stream lives.
    pub slot: Slot,
    /// The connection carried a stream before.
    pub is_reused: bool,
}

/// The queue for places on the connections to one endpoint.
#[derive(Default)]
pub struct Turns {
    /// Whoever came first stands before the others.
    queue: RefCell<VecDeque<Rc<Waiter>>>,
    /// Those in the queue, and those whose turn it is.
    waiting: Cell<usize>,
    /// Those that ever waited.
    entered: Cell<u64>,
    /// The endpoint is gone: connections end with their last stream.
    is_closed: Cell<bool>,
}

#[derive(Default)]
struct Waiter {
    turn: Cell<Turn>,
    /// Whoever came before has a lower one.
    number: u64,
    waker: Cell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    /// In the queue.
    #[default]
    Queued,
    /// It is told so, and has not looked yet.
    Called,
    Taken,
}

/// Somebody who waits for a place; hands the turn on if it is given up.
pub struct Waiting<'a> {
    turns: &'a Turns,
    waiter: Rc<Waiter>,
}

impl Slot {
    /// Of the connection.
    pub fn codec(&self) -> &Codec {
        &self.connection.codec
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let connection = &self.connection;
        let left = connection.streams.get().saturating_sub(1);
        connection.streams.set(left);
        connection.idle_since.set(recent_millis());
        if left == 0 && (self.turns.is_closed.get() || connection.is_left.get()) {
            connection.leave();
        }
        self.turns.call_one();
    }
}

impl SharedConnection {
    /// A connection just made.
    #[must_use]
    pub fn new(codec: Rc<Codec>) -> Rc<Self> {
        let now = recent_millis();
        Rc::new(Self {
            codec,
            is_left: Cell::new(false),
            streams: Cell::new(0),
            has_served: Cell::new(false),
            idle_since: Cell::new(now),
            opened_at: now,
        })
    }

    /// Lets it end with its last stream.
    pub fn leave(&self) {
        self.is_left.set(true);
        if self.streams.get() == 0 {
            self.codec.retire();
        }
    }

    /// How many more streams may be opened.
    pub fn room(&self) -> usize {
        if self.is_left.get() {
            return 0;
        }
        let allowed = self.codec.look(Connection::streams_allowed);
        let most = allowed.min(HTTP2_UPSTREAM_STREAMS_MAX) as usize;
        most.saturating_sub(self.streams.get())
    }

    /// A place on it, if one more stream may be opened.
    pub fn checkout(self: &Rc<Self>, turns: &Rc<Turns>) -> Option<Unopened> {
        if self.room() == 0 {
            return None;
        }
        self.streams.set(self.streams.get().saturating_add(1));
        let is_reused = self.has_served.replace(true);
        let slot = Slot { connection: Rc::clone(self), turns: Rc::clone(turns) };
        Some(Unopened { slot, is_reused })
    }

    /// Whether it got GOAWAY, or failed, and its task has not said so yet.
    pub fn is_over(&self) -> bool {
        self.is_left.get() || self.codec.look(Connection::is_spent)
    }

    /// Since when there is no stream on it, milliseconds of the coarse clock; `None`: there is one.
    pub fn idle_since(&self) -> Option<u64> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }
}

impl Turns {
    /// Goes to the end of the queue; `None`: it is too long.
    pub fn enter(&self) -> Option<Waiting<'_>> {
        if self.waiting.get() >= HTTP2_UPSTREAM_WAITERS_MAX {
            return None;
        }
        self.waiting.set(self.waiting.get().saturating_add(1));
        let number = self.entered.get();
        self.entered.set(number.wrapping_add(1));
        let waiter = Rc::new(Waiter { number, ..Waiter::default() });
        self.queue.borrow_mut().push_back(Rc::clone(&waiter));
        Some(Waiting { turns: self, waiter })
    }

    fn call_one(&self) {
        let waiter = self.queue.borrow_mut().pop_front();
        if let Some(waiter) = waiter {
            waiter.turn.set(Turn::Called);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }

    /// Whether whoever comes now may have one of so many places: nobody waits for each. It is the
    /// turn of those who wait for one, if nobody told them.
    pub fn admit(&self, room: impl FnOnce() -> usize) -> bool {
        let waiting = self.waiting.get();
        if waiting == 0 {
            return true;
        }
        let room = room();
        let queued = self.queue.borrow().len();
        let called = waiting.saturating_sub(queued);
        (called..room).take(queued).for_each(|_| self.call_one());
        room > waiting
    }

    /// It is the turn of all who wait now.
    pub fn call_all(&self) {
        let count = self.queue.borrow().len();
        for _ in 0..count {
            self.call_one();
        }
    }

    /// Connections end with their last stream from now on.
    pub fn close(&self) {
        self.is_closed.set(true);
    }
}

impl Waiting<'_> {
    /// Waits for its turn.
    pub async fn turn(&mut self) {
        poll_fn(|context| {
            if self.waiter.turn.get() == Turn::Called {
                self.waiter.turn.set(Turn::Taken);
                return Poll::Ready(());
            }
            self.waiter.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Its turn was in vain: it stands where it stood among those that wait.
    pub fn again(&mut self) {
        self.waiter.turn.set(Turn::Queued);
        let mut queue = self.turns.queue.borrow_mut();
        let place = queue.partition_point(|other| other.number < self.waiter.number);
        queue.insert(place, Rc::clone(&self.waiter));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns.waiting.set(self.turns.waiting.get().saturating_sub(1));
        match self.waiter.turn.get() {
            Turn::Queued => {
                self.turns.queue.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.waiter));
            }
            Turn::Called => self.turns.call_one(),
            Turn::Taken => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn is_called(waiting: &mut Waiting<'_>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(waiting.turn()).as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn turns_go_round_and_a_turn_given_up_is_the_next_one_s() {
        let turns = Turns::default();
        let mut first = turns.enter().unwrap();
        let mut second = turns.enter().unwrap();
        let mut third = turns.enter().unwrap();
        turns.call_one();
        assert!(!is_called(&mut second));
        assert!(is_called(&mut first));
        // In vain: before the others once more.
        first.again();
        turns.call_one();
        assert!(!is_called(&mut second));
        drop(first);
        assert!(is_called(&mut second));
        assert!(!is_called(&mut third));
        drop(second);
        assert!(!is_called(&mut third), "a turn that was taken is nobody else's");
    }

    #[test]
    fn whoever_waited_in_vain_stands_where_it_stood() {
        let turns = Turns::default();
        let mut all: Vec<_> = (0..4).filter_map(|_| turns.enter()).collect();
        turns.call_all();
        let mut late = turns.enter().unwrap();
        // Each finds nothing, in whatever order they look.
        for at in [0, 2, 1, 3] {
            assert!(is_called(&mut all[at]));
            all[at].again();
        }
        for waiting in &mut all {
            turns.call_one();
            assert!(is_called(waiting));
        }
        assert!(!is_called(&mut late));
        turns.call_one();
        assert!(is_called(&mut late));
    }

    #[test]
    fn the_queue_is_bounded_those_included_whose_turn_it_is() {
        let turns = Turns::default();
        let mut all: Vec<_> = std::iter::from_fn(|| turns.enter()).collect();
        assert_eq!(all.len(), HTTP2_UPSTREAM_WAITERS_MAX);
        turns.call_all();
        assert!(turns.enter().is_none());
        all.pop();
        assert!(turns.enter().is_some());
        all.clear();
        assert_eq!((turns.waiting.get(), turns.queue.borrow().len()), (0, 0));
    }
}
