//! The codec of one client connection as its driver and its streams share it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use crate::http2::server::Server;

/// A connection's codec. INVARIANT: it is never borrowed while a waker runs or a task is dropped.
pub struct Codec {
    server: RefCell<Server>,
    /// The driver waits for something to send, or for the end.
    driver: Cell<Option<Waker>>,
}

/// What a driver that waits for something to send finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// Octets to be sent.
    Octets,
    /// Nothing, and nothing will come.
    Over,
}

impl Codec {
    /// Of a connection of which no octet was read, and of which so many requests are served at a
    /// time.
    pub fn new(now_millis: u64, streams_max: u32) -> Self {
        let server = Server::serving(now_millis, streams_max);
        Self { server: RefCell::new(server), driver: Cell::new(None) }
    }

    /// Does something with the codec, then wakes whoever it concerns: tasks of streams, and the
    /// driver if there is something for it.
    pub fn with<R>(&self, act: impl FnOnce(&mut Server) -> R) -> R {
        let (result, has_news) = self.with_streams(|server| {
            let result = act(server);
            (result, server.output_len() > 0 || server.is_over())
        });
        if has_news && let Some(waker) = self.driver.take() {
            waker.wake();
        }
        result
    }

    /// The same for the driver, which looks for what concerns it by itself.
    pub fn with_streams<R>(&self, act: impl FnOnce(&mut Server) -> R) -> R {
        let (result, mut wakes) = {
            let mut server = self.server.borrow_mut();
            let result = act(&mut server);
            if server.wakes().is_empty() {
                return result;
            }
            (result, std::mem::take(server.wakes()))
        };
        wakes.drain(..).for_each(Waker::wake);
        // Their memory is used again.
        let mut server = self.server.borrow_mut();
        if server.wakes().capacity() == 0 {
            *server.wakes() = wakes;
        }
        result
    }

    /// Looks at the codec.
    pub fn look<R>(&self, act: impl FnOnce(&Server) -> R) -> R {
        act(&self.server.borrow())
    }

    /// Lets go of a stream, also while a panic unwinds.
    pub fn release(&self, id: u32) {
        if self.server.try_borrow_mut().is_ok() {
            self.with(|server| server.release(id));
        }
    }

    /// Waits for something to send, or for the end.
    pub fn poll_outgoing(&self, context: &Context<'_>) -> Poll<Outgoing> {
        let (has_octets, is_over) = self.look(|server| (server.output_len() > 0, server.is_over()));
        if has_octets {
            return Poll::Ready(Outgoing::Octets);
        }
        if is_over {
            return Poll::Ready(Outgoing::Over);
        }
        self.driver.set(Some(context.waker().clone()));
        Poll::Pending
    }
}
