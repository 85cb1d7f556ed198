//! A connection in memory: what [`Stream`] sees of it, and what its other end does.
//!
//! [`Stream`]: crate::proxy::rt::Stream

use std::cell::{Ref, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::proxy::rt::clock::SharedStream;
use crate::proxy::rt::simulated::time;
use crate::proxy::rt::socket::Peek;

/// How our side of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Nothing more is sent.
    Fin,
    /// All is over.
    Reset,
}

struct State {
    /// Sent to us and not read yet.
    inbound: VecDeque<u8>,
    /// The peer sends nothing more.
    is_ended: bool,
    /// The peer takes nothing more: octets for it are answered by a reset.
    is_deaf: bool,
    /// The peer reset the connection.
    is_reset: bool,
    /// We read nothing more.
    is_read_shut: bool,
    /// All that we sent.
    outbound: Vec<u8>,
    /// Octets that there is room for.
    room: usize,
    /// When that came last, nanoseconds.
    heard_at: u64,
    /// How we ended it.
    closed: Option<Close>,
}

/// A connection.
pub struct Link {
    state: RefCell<State>,
    waiting: RefCell<Vec<Waker>>,
}

impl Link {
    pub(super) fn new() -> Rc<Self> {
        let state = State {
            inbound: VecDeque::new(),
            is_ended: false,
            is_deaf: false,
            is_reset: false,
            is_read_shut: false,
            outbound: Vec::new(),
            room: usize::MAX,
            heard_at: 0,
            closed: None,
        };
        Rc::new(Self { state: RefCell::new(state), waiting: RefCell::default() })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.borrow_mut());
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `look` finds something; looks again at each change.
    async fn until<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        poll_fn(|context: &mut Context<'_>| {
            if let Some(found) = look(&mut self.state.borrow_mut()) {
                return Poll::Ready(found);
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub(super) async fn readable(&self) {
        self.until(|state| (state.peek() != Peek::Silent).then_some(())).await;
    }

    pub(super) fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        let state = &mut *self.state.borrow_mut();
        match state.peek() {
            Peek::Data => {
                let count = most.min(state.inbound.len());
                Ok(state.inbound.drain(..count).collect())
            }
            Peek::Silent => Err(io::ErrorKind::WouldBlock.into()),
            Peek::Closed if state.is_ended || state.is_read_shut => Ok(Vec::new()),
            Peek::Closed => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    pub(super) fn write(&self, octets: &[u8]) -> io::Result<usize> {
        let mut result = Err(io::ErrorKind::WouldBlock.into());
        self.change(|state| result = state.write(octets));
        result
    }

    pub(super) async fn writable(&self) {
        let is_writable = |state: &State| state.room > 0 || state.is_over() || state.is_deaf;
        self.until(|state| is_writable(state).then_some(())).await;
    }

    pub(super) fn peek(&self) -> Peek {
        self.state.borrow().peek()
    }

    pub(super) fn shut_read(&self) {
        self.change(|state| state.is_read_shut = true);
    }

    /// Of several ends the first counts, except that a reset may follow.
    pub(super) fn close(&self, how: Close) {
        self.change(|state| {
            if state.closed.is_none() || how == Close::Reset {
                state.closed = Some(how);
            }
        });
    }

    /// The descriptor is closed. Octets that nobody read make the kernel send a reset.
    pub(super) fn let_go(&self, how: Close) {
        let is_unread = !self.state.borrow().inbound.is_empty();
        self.close(if is_unread { Close::Reset } else { how });
        self.shut_read();
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.is_reset || self.closed.is_some()
    }

    fn peek(&self) -> Peek {
        if !self.inbound.is_empty() {
            Peek::Data
        } else if self.is_ended || self.is_read_shut || self.is_reset {
            Peek::Closed
        } else {
            Peek::Silent
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.is_over() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.is_deaf {
            self.is_reset = true;
            return Ok(octets.len());
        }
        let count = octets.len().min(self.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.outbound.extend_from_slice(&octets[..count]);
        self.heard_at = time::nanos();
        Ok(count)
    }
}

/// As of a socket: gone is who reset, or who ended behind what was read.
impl SharedStream for Link {
    fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Write {
            self.shut_read();
        }
        if how != Shutdown::Read {
            self.close(Close::Fin);
        }
    }

    fn is_peer_gone(&self) -> bool {
        let state = self.state.borrow();
        match state.peek() {
            Peek::Closed => true,
            Peek::Silent => false,
            Peek::Data => state.is_reset || state.is_ended && state.closed.is_some(),
        }
    }
}

/// The other end.
#[derive(Clone)]
pub struct Peer(pub(super) Rc<Link>);

impl Peer {
    /// Sends octets.
    pub fn say(&self, octets: &[u8]) {
        self.0.change(|state| {
            assert!(!state.is_ended && !state.is_reset, "says something behind its end");
            state.inbound.extend(octets);
        });
    }

    /// Sends nothing more, but still takes.
    pub fn end(&self) {
        self.0.change(|state| state.is_ended = true);
    }

    /// Sends and takes nothing more.
    pub fn close(&self) {
        self.0.change(|state| (state.is_ended, state.is_deaf) = (true, true));
    }

    /// Ends all at once.
    pub fn reset(&self) {
        self.0.change(|state| state.is_reset = true);
    }

    /// Has room for so many octets more.
    pub fn take(&self, room: usize) {
        self.0.change(|state| state.room = room);
    }

    /// All that it was sent.
    #[must_use]
    pub fn heard(&self) -> Ref<'_, [u8]> {
        Ref::map(self.0.state.borrow(), |state| &state.outbound[..])
    }

    /// When it was sent something last, nanoseconds.
    #[must_use]
    pub fn heard_at(&self) -> u64 {
        self.0.state.borrow().heard_at
    }

    /// Whether it ended the connection itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let state = self.0.state.borrow();
        state.is_reset || state.is_ended && state.is_deaf
    }

    /// How the connection was ended for it.
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.0.state.borrow().closed
    }

    /// Waits until `is_enough` holds of all that it was sent; false: the connection ended before.
    pub async fn hear(&self, is_enough: impl Fn(&[u8]) -> bool) -> bool {
        self.0
            .until(|state| {
                let is_heard = is_enough(&state.outbound);
                (is_heard || state.closed.is_some() || state.is_reset).then_some(is_heard)
            })
            .await
    }

    /// Waits until the connection was ended for it.
    pub async fn hear_end(&self) {
        self.0.until(|state| state.closed.map(drop)).await;
    }
}
