//! One stream of a client's HTTP/2 connection as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  RecvStream ─▶ RequestBody ─▶ octets ─▶ exchange ─▶ octets ─▶ ResponseReader ─▶ SendStream
//! ```
//!
//! Flow control goes through: a client may send on when the upstream took what it sent, and the
//! upstream is read on when the client made room.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};

use super::buffer::{Buffer, Class};
use super::clock::{Deadline, SharedStream, Target};
use super::core::Core;
use super::downstream::Downstream;
use super::socket::Scheme;
use crate::http2::body::RequestBody;
use crate::http2::guard::FrameMeter;
use crate::http2::request::{RequestRefusal, put_request};
use crate::http2::response::{Event, ResponseReader};
use crate::telemetry::Counter;

/// What DATA frames are made of.
pub type Payload = Bytes;

/// Bodies up to this size that are here with their head are read with it, so that they can be
/// repeated and need no chunked coding.
const EARLY_BYTES_MAX: usize = Class::Medium.bytes();

/// Frames are read together up to here. One by one, each costs a write upstream, and a client that
/// streams small messages faster than those go runs into h2's bound of frames held.
const GATHERED_BYTES: usize = Class::Small.bytes();

/// A buffer that goes back to its free list when the last frame made of it is written.
pub(super) struct Octets(pub(super) Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.unread()
    }
}

/// A stream.
pub struct Http2Stream {
    /// Dropped first, as with a socket.
    deadline: Deadline,
    write_deadline: Deadline,
    ends: Rc<Ends>,
}

/// Both ends of it, also for its deadlines.
struct Ends {
    incoming: RefCell<Incoming>,
    outgoing: RefCell<Outgoing>,
    /// Nothing more is read.
    is_read_closed: Cell<bool>,
    /// Nothing goes in either direction.
    is_closed: Cell<bool>,
    reader: Cell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

struct Incoming {
    stream: RecvStream,
    body: RequestBody,
    next: Option<Step>,
    /// Octets read and not yet given back to the client's window.
    unreleased: usize,
    is_over: bool,
}

/// What comes next.
enum Step {
    Data(Bytes),
    End(Option<HeaderMap>),
}

struct Outgoing {
    reader: ResponseReader,
    side: Side,
    /// Of the connection: knows which of the client's frames answer ours.
    meter: Rc<RefCell<FrameMeter>>,
}

enum Side {
    /// No head was sent.
    Waiting(SendResponse<Payload>),
    /// The head was.
    Open(SendStream<Payload>),
    /// All was, or the stream is reset.
    Over,
}

impl SharedStream for Ends {
    fn shutdown(&self, is_read_only: bool) {
        self.is_read_closed.set(true);
        if !is_read_only {
            self.is_closed.set(true);
            if let Some(waker) = self.writer.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn is_peer_gone(&self) -> bool {
        let writer = self.writer.borrow();
        // h2 remembers one waker for all that concerns sending: a write that waits must keep its
        // own.
        let waker = writer.as_ref().unwrap_or(Waker::noop());
        let mut context = Context::from_waker(waker);
        match &mut self.outgoing.borrow_mut().side {
            Side::Waiting(respond) => respond.poll_reset(&mut context).is_ready(),
            Side::Open(send) => send.poll_reset(&mut context).is_ready(),
            Side::Over => false,
        }
    }
}

impl Http2Stream {
    /// A stream just opened, and the octets of its request so far. `None`: it was answered with a
    /// refusal, or is gone.
    pub fn accept(
        core: &Core,
        connection: &Downstream,
        meter: &Rc<RefCell<FrameMeter>>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Payload>,
    ) -> Option<(Self, Buffer)> {
        let (parts, mut stream) = request.into_parts();
        let is_end = stream.is_end_stream();
        let early = if is_end { Early::default() } else { Early::read(&mut stream)? };
        let whole = early.is_whole().then_some(early.octets);
        let mut buffer = Buffer::new(Class::Small);
        let nonce = || {
            let halves = [core.random.next().to_be_bytes(), core.random.next().to_be_bytes()];
            let mut nonce = [0; 16];
            nonce.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
            nonce
        };
        let is_other_scheme = connection.listener.scheme == Scheme::Https
            && parts.uri.scheme().is_some_and(|scheme| *scheme != http::uri::Scheme::HTTPS);
        let shape = match put_request(buffer.as_vec(), &parts, is_end, whole, nonce) {
            Ok(shape) if !is_other_scheme => shape,
            other => {
                core.count(Counter::RequestsMalformed);
                let status = other.err().map_or(StatusCode::BAD_REQUEST, RequestRefusal::status);
                let mut response = Response::new(());
                *response.status_mut() = status;
                // A client that is gone already needs no answer.
                drop(respond.send_response(response, true));
                return None;
            }
        };
        let mut body = RequestBody::new(shape);
        let octets = early.octets;
        let Some(is_over) = early.put(&mut body, buffer.as_vec()) else {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return None;
        };
        let is_over = is_over || is_end;
        if is_over && octets > 0 {
            // Nobody reads on, and what is held here is bounded by the number of streams.
            drop(stream.flow_control().release_capacity(octets));
        }
        let ends = Rc::new(Ends {
            incoming: RefCell::new(Incoming {
                stream,
                body,
                next: None,
                unreleased: if is_over { 0 } else { octets },
                is_over,
            }),
            outgoing: RefCell::new(Outgoing {
                reader: ResponseReader::new(shape),
                side: Side::Waiting(respond),
                meter: Rc::clone(meter),
            }),
            is_read_closed: Cell::new(false),
            is_closed: Cell::new(false),
            reader: Cell::new(None),
            writer: RefCell::new(None),
        });
        let target = || Target::Stream(Rc::clone(&ends) as Rc<dyn SharedStream>);
        let deadline = Deadline::new(&core.deadlines, target());
        let write_deadline = Deadline::new(&core.deadlines, target());
        Some((Self { deadline, write_deadline, ends }, buffer))
    }

    /// See [`super::rt::Stream::deadline`].
    pub const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// See [`super::rt::Stream::write_deadline`].
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
            let polled = self.ends.incoming.borrow_mut().poll_step(context);
            if polled.is_pending() {
                self.ends.reader.set(Some(context.waker().clone()));
            }
            polled
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
        let mut incoming = self.ends.incoming.borrow_mut();
        let before = buffer.len();
        loop {
            let mut context = Context::from_waker(Waker::noop());
            match incoming.poll_step(&mut context) {
                Poll::Pending if buffer.len() > before => return Ok(buffer.len() - before),
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
                Poll::Ready(result) => result?,
            }
            let is_end = incoming.take_step(buffer.as_vec())?;
            let count = buffer.len().saturating_sub(before);
            if is_end || count >= GATHERED_BYTES {
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
        let mut outgoing = self.ends.outgoing.borrow_mut();
        while let Some(event) = outgoing.reader.next(&mut octets, &mut at).map_err(invalid)? {
            match event {
                Event::Informational(response) => outgoing.inform(response)?,
                Event::Head { response, is_end } => outgoing.begin(response, is_end)?,
                Event::End { trailers } => outgoing.end(trailers)?,
                Event::Data { .. } => return Err(ErrorKind::WouldBlock.into()),
            }
        }
        Ok(bytes.len())
    }

    /// Writes octets of the response as frames, as the client makes room for them.
    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        let mut at = 0;
        loop {
            let event = {
                let mut outgoing = self.ends.outgoing.borrow_mut();
                outgoing.reader.next(buffer.unread_mut(), &mut at)
            };
            let result = match event {
                Err(error) => {
                    self.reset();
                    Err(invalid(error))
                }
                Ok(None) => {
                    buffer.clear();
                    return (Ok(()), buffer);
                }
                Ok(Some(Event::Informational(response))) => {
                    self.ends.outgoing.borrow_mut().inform(response)
                }
                Ok(Some(Event::Head { response, is_end })) => {
                    self.ends.outgoing.borrow_mut().begin(response, is_end)
                }
                Ok(Some(Event::End { trailers })) => self.ends.outgoing.borrow_mut().end(trailers),
                Ok(Some(Event::Data { range, is_end })) => {
                    // Whatever follows in the same buffer is framing and was read already.
                    buffer.consume(range.start);
                    buffer.truncate(range.len());
                    let octets = std::mem::replace(&mut buffer, Buffer::unallocated());
                    at = 0;
                    self.send(Bytes::from_owner(Octets(octets)), is_end).await
                }
            };
            if result.is_err() {
                return (result, buffer);
            }
        }
    }

    async fn send(&self, mut octets: Bytes, is_end: bool) -> io::Result<()> {
        let result = poll_fn(|context| {
            if self.ends.is_closed.get() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            let mut outgoing = self.ends.outgoing.borrow_mut();
            let polled = outgoing.poll_send(context, &mut octets, is_end);
            if polled.is_pending() {
                *self.ends.writer.borrow_mut() = Some(context.waker().clone());
            }
            polled
        })
        .await;
        *self.ends.writer.borrow_mut() = None;
        result
    }

    /// Ends the response: cleanly if it is complete, else by a reset.
    pub fn close_write(&self) {
        let mut outgoing = self.ends.outgoing.borrow_mut();
        let ended = match outgoing.reader.finish() {
            Ok(None) => Ok(()),
            Ok(Some(Event::End { trailers })) => outgoing.end(trailers),
            Ok(Some(_)) | Err(_) => Err(ErrorKind::InvalidData.into()),
        };
        if ended.is_err() {
            outgoing.reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Ends both directions at once; the client cannot take what it got for the whole.
    pub fn reset(&self) {
        self.ends.outgoing.borrow_mut().reset(Reason::INTERNAL_ERROR);
        self.ends.shutdown(false);
    }
}

/// What of a body is here when its head is.
#[derive(Default)]
struct Early {
    pieces: Vec<Bytes>,
    octets: usize,
    end: Option<Option<HeaderMap>>,
}

impl Early {
    /// `None`: the stream is gone.
    fn read(stream: &mut RecvStream) -> Option<Self> {
        let mut context = Context::from_waker(Waker::noop());
        let mut early = Self::default();
        while early.octets < EARLY_BYTES_MAX {
            match stream.poll_data(&mut context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(octets))) => {
                    early.octets = early.octets.saturating_add(octets.len());
                    early.pieces.push(octets);
                }
                Poll::Ready(Some(Err(_))) => return None,
                Poll::Ready(None) => {
                    if let Poll::Ready(trailers) = stream.poll_trailers(&mut context) {
                        early.end = Some(trailers.ok()?);
                    }
                    break;
                }
            }
        }
        Some(early)
    }

    const fn is_whole(&self) -> bool {
        matches!(self.end, Some(None))
    }

    /// Appends it framed; gives whether the body is over. `None`: it is not what the head
    /// announced.
    fn put(self, body: &mut RequestBody, out: &mut Vec<u8>) -> Option<bool> {
        for octets in &self.pieces {
            body.put_data(octets, out).ok()?;
        }
        let Some(trailers) = self.end else { return Some(false) };
        body.put_end(trailers.as_ref(), out).ok()?;
        Some(true)
    }
}

impl Incoming {
    /// Makes the next step available. What was read before is through by now, so that the client
    /// may send as much again.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.next.is_some() || self.is_over {
            return Poll::Ready(Ok(()));
        }
        let unreleased = std::mem::take(&mut self.unreleased);
        if unreleased > 0 {
            // It fails for a stream that is over, which the next line finds out.
            drop(self.stream.flow_control().release_capacity(unreleased));
        }
        let step = match self.stream.poll_data(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(octets))) => Step::Data(octets),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(reset(error))),
            Poll::Ready(None) => match self.stream.poll_trailers(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(trailers)) => Step::End(trailers),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(reset(error))),
            },
        };
        self.next = Some(step);
        Poll::Ready(Ok(()))
    }

    /// Appends the step that is there; true: the body is over.
    fn take_step(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        match self.next.take() {
            Some(Step::Data(octets)) => {
                self.unreleased = self.unreleased.saturating_add(octets.len());
                self.body.put_data(&octets, out).map_err(invalid)?;
                Ok(false)
            }
            Some(Step::End(trailers)) => {
                self.is_over = true;
                self.body.put_end(trailers.as_ref(), out).map_err(invalid)?;
                Ok(true)
            }
            None => Ok(true),
        }
    }
}

impl Outgoing {
    fn inform(&mut self, response: Response<()>) -> io::Result<()> {
        match &mut self.side {
            Side::Waiting(respond) => respond.send_informational(response).map_err(reset),
            Side::Open(_) | Side::Over => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn begin(&mut self, response: Response<()>, is_end: bool) -> io::Result<()> {
        let Side::Waiting(respond) = &mut self.side else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let send = respond.send_response(response, is_end).map_err(reset)?;
        self.side = Side::Open(send);
        if is_end {
            self.over();
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> io::Result<()> {
        let Side::Open(send) = &mut self.side else { return Err(ErrorKind::BrokenPipe.into()) };
        match trailers {
            Some(trailers) => send.send_trailers(trailers),
            None => send.send_data(Bytes::new(), true),
        }
        .map_err(reset)?;
        self.over();
        Ok(())
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        octets: &mut Bytes,
        is_end: bool,
    ) -> Poll<io::Result<()>> {
        let Side::Open(send) = &mut self.side else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let meter = &self.meter;
        let sent = ready!(poll_send_data(send, context, octets, is_end, |count| {
            meter.borrow_mut().sent(count);
        }));
        if sent.is_ok() && is_end {
            self.over();
        }
        Poll::Ready(sent.map_err(|error| error.map_or_else(closed, reset)))
    }

    /// The response is complete.
    fn over(&mut self) {
        self.side = Side::Over;
        self.meter.borrow_mut().answered();
    }

    fn reset(&mut self, reason: Reason) {
        match &mut self.side {
            Side::Waiting(respond) => respond.send_reset(reason),
            Side::Open(send) => send.send_reset(reason),
            Side::Over => {}
        }
        self.side = Side::Over;
    }
}

/// Hands `octets` to h2 as the peer's window allows; ready when all of them are. `on_frame` is told
/// the octets of each DATA frame.
///
/// # Errors
/// What h2 says; `None`: the stream is closed.
pub fn poll_send_data(
    send: &mut SendStream<Payload>,
    context: &mut Context<'_>,
    octets: &mut Bytes,
    is_end: bool,
    mut on_frame: impl FnMut(usize),
) -> Poll<Result<(), Option<h2::Error>>> {
    loop {
        send.reserve_capacity(octets.len());
        let room = send.capacity().min(octets.len());
        if room > 0 {
            let part = octets.split_to(room);
            on_frame(room);
            send.send_data(part, is_end && octets.is_empty())?;
            if octets.is_empty() {
                return Poll::Ready(Ok(()));
            }
            continue;
        }
        match ready!(send.poll_capacity(context)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Poll::Ready(Err(Some(error))),
            None => return Poll::Ready(Err(None)),
        }
    }
}

/// The error of a stream that takes nothing any more.
pub fn closed() -> io::Error {
    ErrorKind::BrokenPipe.into()
}

fn reset(error: h2::Error) -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, error)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
