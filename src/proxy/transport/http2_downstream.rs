//! One stream of a client's HTTP/2 connection as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  DATA ─▶ Server ─▶ RequestBody ─▶ octets ─▶ exchange ─▶ octets ─▶ ResponseReader ─▶ Server ─▶
//! ```
//!
//! Flow control goes through: a client may send on when the upstream took what it sent, and the
//! upstream is read on when the client made room.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::http1::encode::{CHUNK_HEAD_BYTES_MAX, CRLF, LAST_CHUNK};
use crate::http2::body::{RequestBody, RequestBodyError};
use crate::http2::frame::ErrorCode;
use crate::http2::request::{Facts, RequestRefusal, RequestShape, put_request};
use crate::http2::response::{Event, ResponseReader};
use crate::http2::server::{Arrival, Closed, Opened, Server};
use crate::limits::WHOLE_BODY_BYTES_MAX;
use crate::model::Scheme;
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{Deadline, SharedStream, Target};
use crate::proxy::transport::http2_codec::Codec;
use crate::telemetry::Counter;

/// Octets of a body that are taken at a time: as many as fit with the framing of a chunk, so that
/// no buffer grows.
const TAKEN_BYTES: RangeInclusive<usize> = Class::Small.bytes()..=Class::Medium.bytes();
const CHUNK_BYTES_MAX: usize = CHUNK_HEAD_BYTES_MAX + CRLF.len() + LAST_CHUNK.len();

/// A stream.
pub struct Http2Stream {
    /// Dropped first, as with a socket.
    deadline: Deadline,
    write_deadline: Deadline,
    ends: Rc<Ends>,
}

/// Both ends of it, also for its deadlines.
struct Ends {
    codec: Rc<Codec>,
    id: u32,
    incoming: RefCell<Incoming>,
    reader: RefCell<ResponseReader>,
    /// Nothing more is read.
    is_read_closed: Cell<bool>,
    /// Nothing goes in either direction.
    is_closed: Cell<bool>,
}

struct Incoming {
    body: RequestBody,
    /// Octets taken and not yet given back to the client's window.
    uncredited: u32,
    is_over: bool,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.codec.release(self.id);
    }
}

impl SharedStream for Ends {
    fn shutdown(&self, is_read_only: bool) {
        self.is_read_closed.set(true);
        if !is_read_only {
            self.is_closed.set(true);
        }
        self.codec.with(|server| server.wake(self.id));
    }

    fn is_peer_gone(&self) -> bool {
        self.codec.look(|server| server.is_closed(self.id))
    }
}

/// The beginning of a request as HTTP/1.1.
struct Beginning {
    shape: RequestShape,
    body: RequestBody,
    /// Octets of the body that are in it.
    early: usize,
    /// All of the body is.
    is_over: bool,
}

impl Http2Stream {
    /// A stream just opened, and the octets of its request so far. `None`: it was answered with a
    /// refusal, or is gone.
    pub fn accept(
        core: &Core,
        connection: &Downstream,
        codec: &Rc<Codec>,
        opened: Opened,
    ) -> Option<(Self, Buffer)> {
        let id = opened.id;
        let mut buffer = Buffer::new(Class::Small);
        let is_secure = connection.listener.scheme == Scheme::Https;
        let began = codec.with(|server| {
            let began = begin(core, server, &opened, is_secure, buffer.as_vec());
            server.recycle(opened.fields);
            if began.is_none() {
                server.release(id);
            }
            began
        });
        let Beginning { shape, body, early, is_over } = began?;
        let uncredited = u32::try_from(early).unwrap_or(u32::MAX);
        if is_over && uncredited > 0 {
            // Nobody reads on, and what is held here is bounded by the number of streams.
            codec.with(|server| server.credit(id, uncredited));
        }
        let uncredited = if is_over { 0 } else { uncredited };
        let ends = Rc::new(Ends {
            codec: Rc::clone(codec),
            id,
            incoming: RefCell::new(Incoming { body, uncredited, is_over }),
            reader: RefCell::new(ResponseReader::new(shape)),
            is_read_closed: Cell::new(false),
            is_closed: Cell::new(false),
        });
        let target = || Target::Stream(Rc::clone(&ends) as Rc<dyn SharedStream>);
        let deadline = Deadline::new(&core.deadlines, target());
        let write_deadline = Deadline::new(&core.deadlines, target());
        Some((Self { deadline, write_deadline, ends }, buffer))
    }

    /// See [`crate::proxy::rt::Stream::deadline`].
    pub const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// See [`crate::proxy::rt::Stream::write_deadline`].
    pub const fn write_deadline(&self) -> &Deadline {
        &self.write_deadline
    }

    /// Whether the client reset it, or its connection is over.
    pub fn is_given_up(&self) -> bool {
        self.ends.is_peer_gone()
    }

    /// Waits until something can be read, the end included.
    ///
    /// # Errors
    /// The client reset the stream, or its connection failed.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            if self.ends.is_read_closed.get() {
                return Poll::Ready(Ok(()));
            }
            self.ends.poll_arrival(Some(context)).map_ok(drop)
        })
        .await
    }

    /// Reads what is there, framed as the head said; 0: the end.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. `InvalidData`: the body is not what the head announced.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        if self.ends.is_read_closed.get() {
            return Ok(0);
        }
        let before = buffer.len();
        loop {
            match self.ends.poll_arrival(None) {
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
                Poll::Ready(arrival) => drop(arrival?),
            }
            let most = buffer.spare().saturating_sub(CHUNK_BYTES_MAX);
            let most = most.clamp(*TAKEN_BYTES.start(), *TAKEN_BYTES.end());
            let is_end = self.ends.take(most, buffer.as_vec())?;
            let count = buffer.len().saturating_sub(before);
            if is_end || count > 0 {
                return Ok(count);
            }
        }
    }

    /// Writes octets that need no room in the client's window.
    ///
    /// # Errors
    /// `WouldBlock`: they do. Else the stream is over.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut octets = bytes.to_vec();
        let mut at = 0;
        let mut reader = self.ends.reader.borrow_mut();
        while let Some(event) = reader.next(&mut octets, &mut at).map_err(invalid)? {
            if matches!(event, Event::Data { .. }) {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.ends.tell(&reader, &event, &octets).map_err(closed)?;
        }
        Ok(bytes.len())
    }

    /// Writes octets of the response as frames, as the client makes room for them.
    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        let mut at = 0;
        loop {
            let step = {
                let mut reader = self.ends.reader.borrow_mut();
                match reader.next(buffer.unread_mut(), &mut at) {
                    Err(error) => Err(invalid(error)),
                    Ok(None) => {
                        buffer.clear();
                        return (Ok(()), buffer);
                    }
                    Ok(Some(Event::Data { range, is_end })) => Ok(Some((range, is_end))),
                    Ok(Some(event)) => match self.ends.tell(&reader, &event, buffer.unread()) {
                        Ok(()) => Ok(None),
                        Err(error) => return (Err(closed(error)), buffer),
                    },
                }
            };
            match step {
                Err(error) => {
                    self.reset();
                    return (Err(error), buffer);
                }
                Ok(None) => {}
                Ok(Some((range, is_end))) => {
                    // Whatever follows in the same buffer is framing and was read already.
                    buffer.consume(range.start);
                    buffer.truncate(range.len());
                    at = 0;
                    if let Err(error) = self.ends.send(&mut buffer, is_end).await {
                        return (Err(error), buffer);
                    }
                    buffer.clear();
                }
            }
        }
    }

    /// Ends the response: cleanly if it is complete, else by a reset.
    pub fn close_write(&self) {
        let mut reader = self.ends.reader.borrow_mut();
        let is_ended = match reader.finish() {
            Ok(None) => true,
            Ok(Some(event)) => self.ends.tell(&reader, &event, &[]).is_ok(),
            Err(_) => false,
        };
        if !is_ended {
            self.ends.break_off();
        }
    }

    /// Ends both directions at once; the client cannot take what it got for the whole.
    pub fn reset(&self) {
        self.ends.break_off();
        self.ends.shutdown(false);
    }
}

/// Reads head and early body; `None`: the stream is over, and the client was told.
fn begin(
    core: &Core,
    server: &mut Server,
    opened: &Opened,
    is_secure: bool,
    out: &mut Vec<u8>,
) -> Option<Beginning> {
    let id = opened.id;
    if server.is_closed(id) {
        return None;
    }
    let early = server.unread(id).len().min(WHOLE_BODY_BYTES_MAX);
    let is_whole = early == server.unread(id).len() && server.is_received(id);
    let whole = (is_whole && !server.has_trailers(id)).then_some(early);
    let facts = Facts { is_secure, is_end: opened.is_end, whole };
    let nonce = || {
        let halves = [core.random.next().to_be_bytes(), core.random.next().to_be_bytes()];
        let mut nonce = [0; 16];
        nonce.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
        nonce
    };
    let shape = match put_request(out, &opened.fields, facts, nonce) {
        Ok(shape) => shape,
        Err(refusal) => {
            refuse(core, server, id, refusal);
            return None;
        }
    };
    let mut body = RequestBody::new(shape);
    let mut is_right =
        body.put_data(server.unread(id).get(..early).unwrap_or_default(), out).is_ok();
    server.consume(id, early);
    if is_right && is_whole {
        let trailers = server.take_trailers(id);
        is_right = body.put_end_with(trailers.as_deref(), out).is_ok();
    }
    if !is_right {
        refuse(core, server, id, RequestRefusal::Length);
        return None;
    }
    Some(Beginning { shape, body, early, is_over: is_whole })
}

fn refuse(core: &Core, server: &mut Server, id: u32, refusal: RequestRefusal) {
    core.count(Counter::RequestsMalformed);
    // A client that is gone already needs no answer.
    server.respond(id, refusal.status(), std::iter::empty(), true).unwrap_or_default();
}

impl Ends {
    /// Makes the next step available. What was taken before is through by now, so that the client
    /// may send as much again.
    fn poll_arrival(&self, context: Option<&Context<'_>>) -> Poll<io::Result<Arrival>> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.is_over {
            return Poll::Ready(Ok(Arrival::End));
        }
        let uncredited = std::mem::take(&mut incoming.uncredited);
        self.codec
            .with(|server| {
                if uncredited > 0 {
                    server.credit(self.id, uncredited);
                }
                server.poll_arrival(self.id, context.map(Context::waker))
            })
            .map_err(closed)
    }

    /// Appends what is there; true: the body is over.
    fn take(&self, most: usize, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut incoming = self.incoming.borrow_mut();
        let incoming = &mut *incoming;
        if incoming.is_over {
            return Ok(true);
        }
        let result = self.codec.with(|server| {
            let result = incoming.take(server, self.id, most, out);
            if result.is_err() {
                server.refuse(self.id);
            }
            result
        });
        result.map_err(invalid)
    }

    /// Sends what is no content.
    fn tell(&self, reader: &ResponseReader, event: &Event, text: &[u8]) -> Result<(), Closed> {
        let id = self.id;
        self.codec.with(|server| match *event {
            Event::Informational { status } => server.inform(id, status, reader.fields(text)),
            Event::Head { status, is_end } => {
                server.respond(id, status, reader.fields(text), is_end)
            }
            Event::End => server.end(id, reader.trailers()),
            // Content has a way of its own.
            Event::Data { .. } => Err(Closed),
        })
    }

    async fn send(&self, octets: &mut Buffer, is_end: bool) -> io::Result<()> {
        poll_fn(|context| {
            loop {
                if self.is_closed.get() {
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
                let sent = self
                    .codec
                    .with(|server| server.poll_data(context, self.id, octets.unread(), is_end));
                let count = ready!(sent).map_err(closed)?;
                octets.consume(count);
                if octets.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }

    fn break_off(&self) {
        self.codec.with(|server| server.reset(self.id, ErrorCode::InternalError));
    }
}

impl Incoming {
    fn take(
        &mut self,
        server: &mut Server,
        id: u32,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, RequestBodyError> {
        let unread = server.unread(id);
        let count = unread.len().min(most);
        let is_last = count == unread.len() && server.is_received(id);
        self.body.put_data(unread.get(..count).unwrap_or_default(), out)?;
        self.uncredited = self.uncredited.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        server.consume(id, count);
        if is_last {
            let trailers = server.take_trailers(id);
            self.body.put_end_with(trailers.as_deref(), out)?;
            self.is_over = true;
            // Nobody reads on, and what is held here is bounded by the number of streams.
            server.credit(id, std::mem::take(&mut self.uncredited));
        }
        Ok(is_last)
    }
}

fn closed(error: Closed) -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, error)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
