//! Two bounded queues of octets that stand in for a socket, so that h2 runs on any runtime.
//!
//! The driver of the connection reads and writes the socket and holds the [`Link`]; h2 holds the
//! [`LinkIo`]. Both live on one thread. No borrow of the queues is alive when a waker runs.

use std::cell::RefCell;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{HTTP2_INBOX_BYTES_MAX, HTTP2_OUTBOX_BYTES_MAX};

/// The driver's end.
#[derive(Debug, Clone, Default)]
pub struct Link(Rc<RefCell<Queues>>);

/// h2's end; dropping it ends the connection as [`AsyncWrite::poll_shutdown`] does.
#[derive(Debug)]
pub struct LinkIo(Rc<RefCell<Queues>>);

/// What a driver that waits for something to send finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// Octets to be sent.
    Octets,
    /// Nothing, and nothing will come: h2 has ended, or the connection has failed.
    Closed,
}

#[derive(Debug, Default)]
struct Queues {
    inbox: Vec<u8>,
    /// Octets of the inbox that were read.
    read: usize,
    outbox: Vec<u8>,
    is_ended: bool,
    is_closing: bool,
    has_failed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    room: Option<Waker>,
    outgoing: Option<Waker>,
}

impl Queues {
    fn received(&self) -> usize {
        self.inbox.len() - self.read
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let room = HTTP2_OUTBOX_BYTES_MAX.saturating_sub(self.outbox.len());
        let octets = octets.get(..room).unwrap_or(octets);
        self.outbox.extend_from_slice(octets);
        octets.len()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Keeps the waker of the newest poll, and its allocation if it is the same.
fn store(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

impl Link {
    /// A connection without octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The end that h2 gets; called once.
    #[must_use]
    pub fn io(&self) -> LinkIo {
        LinkIo(Rc::clone(&self.0))
    }

    /// Hands on octets from the socket. Gives whether there is room for more; if not, the driver
    /// waits with [`Self::wait_room`] before it reads again. What nobody will read is dropped.
    pub fn push_received(&self, octets: &[u8]) -> bool {
        let (reader, has_room) = {
            let mut queues = self.0.borrow_mut();
            if queues.is_closing || queues.has_failed {
                return true;
            }
            if queues.read > 0 {
                let read = std::mem::take(&mut queues.read);
                queues.inbox.drain(..read);
            }
            queues.inbox.extend_from_slice(octets);
            (queues.reader.take(), queues.received() < HTTP2_INBOX_BYTES_MAX)
        };
        wake(reader);
        has_room
    }

    /// Octets that h2 has not read yet.
    #[must_use]
    pub fn received_len(&self) -> usize {
        self.0.borrow().received()
    }

    /// Waits until h2 has read enough for another read of the socket. Ready also when it will never
    /// read again.
    pub fn wait_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut queues = self.0.borrow_mut();
        let is_over = queues.is_closing || queues.has_failed;
        if is_over || queues.received() < HTTP2_INBOX_BYTES_MAX {
            return Poll::Ready(());
        }
        store(&mut queues.room, cx);
        Poll::Pending
    }

    /// The client will send nothing more; h2 reads what is there, then the end.
    pub fn end_received(&self) {
        let reader = {
            let mut queues = self.0.borrow_mut();
            queues.is_ended = true;
            queues.reader.take()
        };
        wake(reader);
    }

    /// Appends what is to be sent to `out` and lets h2 write on. Gives whether there was anything.
    /// An empty `out` is exchanged for the queue, without a copy.
    pub fn take_outgoing(&self, out: &mut Vec<u8>) -> bool {
        let writer = {
            let mut queues = self.0.borrow_mut();
            if queues.outbox.is_empty() {
                return false;
            }
            if out.is_empty() {
                std::mem::swap(out, &mut queues.outbox);
            } else {
                out.append(&mut queues.outbox);
            }
            queues.writer.take()
        };
        wake(writer);
        true
    }

    /// Whether there is anything to be sent.
    #[must_use]
    pub fn has_outgoing(&self) -> bool {
        !self.0.borrow().outbox.is_empty()
    }

    /// Waits for something to send, or for the end.
    pub fn wait_outgoing(&self, cx: &Context<'_>) -> Poll<Outgoing> {
        let mut queues = self.0.borrow_mut();
        if !queues.outbox.is_empty() && !queues.has_failed {
            return Poll::Ready(Outgoing::Octets);
        }
        if queues.is_closing || queues.has_failed {
            return Poll::Ready(Outgoing::Closed);
        }
        store(&mut queues.outgoing, cx);
        Poll::Pending
    }

    /// The socket is broken: h2 gets errors from now on, what was queued is dropped.
    pub fn fail(&self) {
        let wakers = {
            let mut queues = self.0.borrow_mut();
            queues.has_failed = true;
            queues.inbox = Vec::new();
            queues.read = 0;
            queues.outbox = Vec::new();
            let queues = &mut *queues;
            [&mut queues.reader, &mut queues.writer, &mut queues.room, &mut queues.outgoing]
                .map(Option::take)
        };
        wakers.into_iter().for_each(wake);
    }
}

impl LinkIo {
    fn close(&self) {
        let (outgoing, room) = {
            let mut queues = self.0.borrow_mut();
            queues.is_closing = true;
            (queues.outgoing.take(), queues.room.take())
        };
        wake(outgoing);
        wake(room);
    }

    /// Writes through `put`, which tells how much it took.
    fn poll_put(
        &self,
        cx: &Context<'_>,
        put: impl FnOnce(&mut Queues) -> usize,
    ) -> Poll<Result<usize>> {
        let (count, outgoing) = {
            let mut queues = self.0.borrow_mut();
            if queues.has_failed || queues.is_closing {
                return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe)));
            }
            if queues.outbox.len() >= HTTP2_OUTBOX_BYTES_MAX {
                store(&mut queues.writer, cx);
                return Poll::Pending;
            }
            (put(&mut queues), queues.outgoing.take())
        };
        wake(outgoing);
        Poll::Ready(Ok(count))
    }
}

impl Drop for LinkIo {
    fn drop(&mut self) {
        self.close();
    }
}

impl AsyncRead for LinkIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let room = {
            let mut queues = self.0.borrow_mut();
            if queues.has_failed {
                return Poll::Ready(Err(Error::from(ErrorKind::ConnectionAborted)));
            }
            let count = queues.received().min(buf.remaining());
            if count == 0 {
                if queues.is_ended || buf.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                store(&mut queues.reader, cx);
                return Poll::Pending;
            }
            let from = queues.read;
            buf.put_slice(queues.inbox.get(from..from + count).unwrap_or_default());
            queues.read += count;
            if queues.received() == 0 {
                // An idle connection keeps no memory for octets.
                queues.inbox = Vec::new();
                queues.read = 0;
            }
            if queues.received() < HTTP2_INBOX_BYTES_MAX { queues.room.take() } else { None }
        };
        wake(room);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LinkIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<Result<usize>> {
        self.poll_put(cx, |queues| queues.write(octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.poll_put(cx, |queues| slices.iter().map(|slice| queues.write(slice)).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready at once: octets in the queue need nothing more from h2.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        if self.0.borrow().has_failed {
            return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe)));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}
