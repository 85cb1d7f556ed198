//! A stream of an HTTP/2 connection as a transport of HTTP/1.1 octets: what both sides have in
//! common. A side is what carries the stream: the codec of a client's or a backend's connection.
//!
//! Flow control goes through: who sends may send on when the other side took what was sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::http2::follows::Follows;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::{Deadline, Deadlines, SharedStream, Target};

/// What carries a stream.
pub trait Carrier: 'static {
    /// Octets of a message on their way out.
    type Payload;

    /// Makes the next step of what is received available. What was taken before is through by now,
    /// so that the peer may send as much again. While there is none, `waker` is kept for it.
    ///
    /// # Errors
    /// The peer reset the stream, or its connection failed.
    fn poll_arrival(&self, waker: Option<&Waker>) -> Poll<io::Result<()>>;

    /// Appends the step that is there, framed as HTTP/1.1.
    ///
    /// # Errors
    /// `InvalidData`: the message breaks the protocol.
    fn take(&self, buffer: &mut Buffer) -> io::Result<Taken>;

    /// Reads octets that are to be sent from `at` on, moves it behind what was read, and does what
    /// they say, unless that is to send content.
    ///
    /// # Errors
    /// `InvalidData`: they are no message. Else the stream takes nothing any more.
    fn say(&self, octets: &mut Buffer, at: &mut usize) -> io::Result<Said>;

    /// Makes content of octets.
    fn load(octets: Buffer) -> Self::Payload;

    /// The buffer that is left of it.
    fn unload(payload: Self::Payload) -> Buffer;

    /// Sends content as the peer makes room for it; ready when all of it is taken.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        payload: &mut Self::Payload,
        follows: Follows,
    ) -> Poll<io::Result<()>>;

    /// Whatever waits on the stream looks at it again.
    fn wake(&self);

    /// Whether the peer gave the stream up.
    fn is_given_up(&self) -> bool;

    /// Ends the stream so that the peer cannot take what it got for the whole.
    fn break_off(&self);
}

/// How far a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// More of it may come.
    Part,
    /// To its end.
    All,
}

/// What octets said.
pub enum Said {
    /// Something that is done now.
    Done,
    /// Content.
    Content {
        /// Where it is among the octets.
        range: Range<usize>,
        /// Behind it.
        follows: Follows,
    },
    /// Nothing more.
    Nothing,
}

/// A stream.
pub struct Http2Stream<C: Carrier> {
    /// Dropped first, as with a socket.
    deadline: Deadline,
    write_deadline: Deadline,
    ends: Rc<Ends<C>>,
}

/// Both ends of it, also for its deadlines.
struct Ends<C> {
    carrier: C,
    /// Nothing more is read.
    is_read_closed: Cell<bool>,
    /// Nothing goes in either direction.
    is_closed: Cell<bool>,
}

impl<C: Carrier> SharedStream for Ends<C> {
    fn shutdown(&self, how: Shutdown) {
        self.is_read_closed.set(true);
        if how == Shutdown::Both {
            self.is_closed.set(true);
        }
        self.carrier.wake();
    }

    fn is_peer_gone(&self) -> bool {
        self.carrier.is_given_up()
    }
}

impl<C: Carrier> Http2Stream<C> {
    /// A stream that is carried by `carrier`.
    pub(super) fn carried(carrier: C, deadlines: &Rc<Deadlines>) -> Self {
        let (is_read_closed, is_closed) = (Cell::new(false), Cell::new(false));
        let ends = Rc::new(Ends { carrier, is_read_closed, is_closed });
        let deadline =
            || Deadline::new(deadlines, Target::Stream(Rc::clone(&ends) as Rc<dyn SharedStream>));
        Self { deadline: deadline(), write_deadline: deadline(), ends }
    }

    /// What carries it.
    pub(super) fn carrier(&self) -> &C {
        &self.ends.carrier
    }

    /// See [`crate::proxy::rt::Stream::deadline`].
    pub const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// See [`crate::proxy::rt::Stream::write_deadline`].
    pub const fn write_deadline(&self) -> &Deadline {
        &self.write_deadline
    }

    /// Waits until something can be read, the end included.
    ///
    /// # Errors
    /// See [`Carrier::poll_arrival`].
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            if self.ends.is_read_closed.get() {
                return Poll::Ready(Ok(()));
            }
            self.carrier().poll_arrival(Some(context.waker()))
        })
        .await
    }

    /// Reads what is there; 0: the end.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. `InvalidData`: the message breaks the protocol.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        if self.ends.is_read_closed.get() {
            return Ok(0);
        }
        let before = buffer.len();
        loop {
            match self.carrier().poll_arrival(None) {
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
                Poll::Ready(arrived) => arrived?,
            }
            let taken = self.carrier().take(buffer)?;
            let count = buffer.len().saturating_sub(before);
            if taken == Taken::All || count > 0 {
                return Ok(count);
            }
        }
    }

    /// Writes octets of a message as frames, as the peer makes room for them. If nothing at all was
    /// sent, the error comes with the buffer as it was.
    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        let mut at = 0;
        loop {
            match self.carrier().say(&mut buffer, &mut at) {
                Ok(Said::Done) => {}
                Ok(Said::Nothing) => {
                    buffer.clear();
                    return (Ok(()), buffer);
                }
                Ok(Said::Content { range, follows }) => {
                    // Whatever follows in the same buffer is framing and was read already.
                    buffer.consume(range.start);
                    buffer.truncate(range.len());
                    at = 0;
                    let content = std::mem::replace(&mut buffer, Buffer::unallocated());
                    let mut payload = C::load(content);
                    let sent = self.send(&mut payload, follows).await;
                    buffer = C::unload(payload);
                    if sent.is_err() {
                        return (sent, buffer);
                    }
                    buffer.clear();
                }
                Err(error) => {
                    if error.kind() == ErrorKind::InvalidData {
                        self.reset();
                    }
                    return (Err(error), buffer);
                }
            }
        }
    }

    async fn send(&self, payload: &mut C::Payload, follows: Follows) -> io::Result<()> {
        poll_fn(|context| {
            if self.ends.is_closed.get() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            self.carrier().poll_send(context, payload, follows)
        })
        .await
    }

    /// Ends both directions at once; the peer cannot take what it got for the whole.
    pub fn reset(&self) {
        self.carrier().break_off();
        self.ends.shutdown(Shutdown::Both);
    }
}

/// What breaks the protocol.
pub(super) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
