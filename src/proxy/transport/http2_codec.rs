//! The codec of one connection as its driver and its streams share it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use crate::http2::connection::Connection;
use crate::limits::HTTP2_OUTBOX_BYTES_MAX;
use crate::proxy::rt::buffer::{Buffer, Class};

/// A connection's codec. INVARIANT: it is never borrowed while a waker runs or a task is dropped.
pub struct Codec {
    connection: RefCell<Connection>,
    /// The driver waits for something to send, or for the end.
    driver: Cell<Option<Waker>>,
    /// It waits until less waits to be sent.
    room: Cell<Option<Waker>>,
}

/// Gives `out` room in a buffer of the core. By itself it would copy what it has time and again,
/// into memory that is new each time.
fn grow(out: &mut Vec<u8>, octets: usize) {
    let needed = out.len().saturating_add(octets);
    if out.capacity() >= needed {
        return;
    }
    let classes = [Class::Small, Class::Medium, Class::Large];
    let Some(class) = classes.into_iter().find(|class| needed <= class.bytes()) else {
        return out.reserve(octets);
    };
    let mut buffer = Buffer::unallocated();
    std::mem::swap(buffer.as_vec(), out);
    buffer.grow(class);
    std::mem::swap(buffer.as_vec(), out);
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
    /// Of a connection of which no octet was read.
    pub fn new(connection: Connection) -> Self {
        let connection = RefCell::new(connection.growing(grow));
        Self { connection, driver: Cell::new(None), room: Cell::new(None) }
    }

    /// Does something with the codec, then wakes whoever it concerns: tasks of streams, and the
    /// driver if there is something for it.
    pub fn with<R>(&self, act: impl FnOnce(&mut Connection) -> R) -> R {
        let (result, has_news) = self.with_streams(|connection| {
            let result = act(connection);
            (result, connection.output_len() > 0 || connection.is_over())
        });
        if has_news && let Some(waker) = self.driver.take() {
            waker.wake();
        }
        result
    }

    /// The same for the driver, which looks for what concerns it by itself.
    pub fn with_streams<R>(&self, act: impl FnOnce(&mut Connection) -> R) -> R {
        let (result, mut wakes) = {
            let mut connection = self.connection.borrow_mut();
            let result = act(&mut connection);
            if connection.wakes().is_empty() {
                return result;
            }
            (result, std::mem::take(connection.wakes()))
        };
        wakes.drain(..).for_each(Waker::wake);
        // Their memory is used again.
        let mut connection = self.connection.borrow_mut();
        if connection.wakes().capacity() == 0 {
            *connection.wakes() = wakes;
        }
        result
    }

    /// Looks at the codec.
    pub fn look<R>(&self, act: impl FnOnce(&Connection) -> R) -> R {
        act(&self.connection.borrow())
    }

    /// Lets go of a stream, also while a panic unwinds.
    pub fn release(&self, id: u32) {
        if self.connection.try_borrow_mut().is_ok() {
            self.with(|connection| connection.release(id));
        }
    }

    /// Takes what is to be sent; a driver that waits for room reads on.
    pub fn take_output(&self) -> Vec<u8> {
        let octets = self.with_streams(Connection::take_output);
        if let Some(waker) = self.room.take() {
            waker.wake();
        }
        octets
    }

    /// Lets a connection to a backend end with its last stream, also while a panic unwinds.
    pub fn retire(&self) {
        if self.connection.try_borrow_mut().is_ok() {
            self.with(Connection::retire);
        }
    }

    /// Waits while too much waits to be sent: the answers to what is read would come on top of it.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let is_full = self.look(|connection| {
            connection.output_len() >= HTTP2_OUTBOX_BYTES_MAX && !connection.is_over()
        });
        if !is_full {
            return Poll::Ready(());
        }
        self.room.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Waits for something to send, or for the end.
    pub fn poll_outgoing(&self, context: &Context<'_>) -> Poll<Outgoing> {
        let (has_octets, is_over) =
            self.look(|connection| (connection.output_len() > 0, connection.is_over()));
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
