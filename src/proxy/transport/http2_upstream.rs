//! One stream towards a backend that speaks HTTP/2, as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  exchange ─▶ octets ─▶ RequestReader ─▶ SendRequest, SendStream
//!  exchange ◀─ octets ◀─ put_response, RequestBody ◀─ ResponseFuture, RecvStream
//! ```
//!
//! Flow control goes through, as in [`super::http2_downstream`]. A stream that is dropped before
//! its end is reset.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request};

use crate::http2::body::RequestBody;
use crate::http2::client::{
    Event, RequestReader, ResponseHeadFault, put_informational, put_response,
};
use crate::http2::screen::Screen;
use crate::proxy::core::Core;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::{Deadline, SharedStream, Target};
use crate::proxy::upstream::http2::Slot;

/// What DATA frames are made of.
pub type Payload = Bytes;

/// A buffer that goes back to its free list when the last frame made of it is written.
struct Octets(Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.unread()
    }
}

/// A stream.
pub struct Http2ClientStream {
    /// Dropped first, as with a socket.
    deadline: Deadline,
    write_deadline: Deadline,
    ends: Rc<Ends>,
    /// Its place on the connection; given up last.
    _slot: Slot,
}

/// Both ends of it, also for its deadlines.
struct Ends {
    incoming: RefCell<Incoming>,
    outgoing: RefCell<Outgoing>,
    /// Nothing goes in either direction.
    is_closed: Cell<bool>,
    is_read_closed: Cell<bool>,
    /// What is known of responses on its connection, and its number there, once it is open.
    screen: Rc<RefCell<Screen>>,
    id: Cell<Option<u32>>,
    /// The backend never looked at the request.
    is_refused: Cell<bool>,
    reader: Cell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

struct Incoming {
    state: Receiving,
    next: Option<Step>,
    /// Octets read and not yet given back to the backend's window.
    unreleased: usize,
}

enum Receiving {
    /// The request was not sent.
    Nothing,
    /// For a head.
    Head {
        future: ResponseFuture,
        is_head: bool,
    },
    Body {
        stream: RecvStream,
        body: RequestBody,
    },
    Over,
}

/// What comes next.
enum Step {
    Head(Vec<u8>),
    Data(Bytes),
    End(Option<HeaderMap>),
}

struct Outgoing {
    reader: RequestReader,
    side: Side,
}

enum Side {
    /// The request was not sent.
    Waiting(SendRequest<Payload>),
    Open(SendStream<Payload>),
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
        self.wake_reader();
    }

    /// Only clients are asked.
    fn is_peer_gone(&self) -> bool {
        false
    }
}

impl Ends {
    fn wake_reader(&self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn failed(&self, error: h2::Error) -> io::Error {
        if is_refusal(&error) {
            self.is_refused.set(true);
        }
        io::Error::new(ErrorKind::ConnectionReset, error)
    }

    fn begin(&self, request: Request<()>, is_end: bool) -> io::Result<()> {
        let is_head = request.method() == Method::HEAD;
        let mut outgoing = self.outgoing.borrow_mut();
        let Side::Waiting(sender) = &mut outgoing.side else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let (future, send) =
            sender.send_request(request, is_end).map_err(|error| self.failed(error))?;
        outgoing.side = if is_end { Side::Over } else { Side::Open(send) };
        drop(outgoing);
        let id = future.stream_id().as_u32();
        self.id.set(Some(id));
        self.screen.borrow_mut().expect(id);
        self.incoming.borrow_mut().state = Receiving::Head { future, is_head };
        self.wake_reader();
        Ok(())
    }

    /// What h2 does not say of the fields that came.
    fn check_fields(&self) -> io::Result<()> {
        let is_malformed = |id| self.screen.borrow().is_malformed(id);
        if self.id.get().is_some_and(is_malformed) {
            return Err(invalid(ResponseHeadFault::PseudoField));
        }
        Ok(())
    }

    fn end(&self, trailers: Option<HeaderMap>) -> io::Result<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Side::Open(send) = &mut outgoing.side else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let result = match trailers {
            Some(trailers) => send.send_trailers(trailers),
            None => send.send_data(Bytes::new(), true),
        };
        outgoing.side = Side::Over;
        result.map_err(|error| self.failed(error))
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        octets: &mut Bytes,
        is_end: bool,
    ) -> Poll<io::Result<()>> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Side::Open(send) = &mut outgoing.side else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let sent = ready!(poll_send_data(send, context, octets, is_end));
        if sent.is_ok() && is_end {
            outgoing.side = Side::Over;
        }
        let failed = |error: Option<_>| error.map_or_else(closed, |error| self.failed(error));
        Poll::Ready(sent.map_err(failed))
    }

    /// Makes the next step available. What was read before is through by now, so that the backend
    /// may send as much again.
    fn poll_step(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.next.is_some() {
            return Poll::Ready(Ok(()));
        }
        let incoming = &mut *incoming;
        let step = match &mut incoming.state {
            Receiving::Nothing => return Poll::Pending,
            Receiving::Over => return Poll::Ready(Ok(())),
            Receiving::Head { future, is_head } => {
                if let Poll::Ready(Some(informed)) = future.poll_informational(context) {
                    let response = informed.map_err(|error| self.failed(error))?;
                    self.check_fields()?;
                    let mut octets = Vec::new();
                    put_informational(&mut octets, response.status(), response.headers())
                        .map_err(invalid)?;
                    Step::Head(octets)
                } else {
                    let response = ready!(Pin::new(future).poll(context));
                    let response = response.map_err(|error| self.failed(error))?;
                    self.check_fields()?;
                    let (parts, stream) = response.into_parts();
                    let mut octets = Vec::new();
                    let is_end = stream.is_end_stream();
                    let length = put_response(&mut octets, &parts, *is_head, is_end);
                    let length = length.map_err(invalid)?;
                    incoming.state = if length.is_empty() {
                        Receiving::Over
                    } else {
                        Receiving::Body { stream, body: RequestBody::of_length(length) }
                    };
                    Step::Head(octets)
                }
            }
            Receiving::Body { stream, .. } => {
                let unreleased = std::mem::take(&mut incoming.unreleased);
                if unreleased > 0 {
                    // It fails for a stream that is over, which the next line finds out.
                    drop(stream.flow_control().release_capacity(unreleased));
                }
                match ready!(stream.poll_data(context)) {
                    Some(Ok(octets)) => Step::Data(octets),
                    // RFC 9113 section 8.1: the response is whole, the request is not wanted whole.
                    Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => Step::End(None),
                    Some(Err(error)) => return Poll::Ready(Err(self.failed(error))),
                    None => {
                        let trailers = ready!(stream.poll_trailers(context));
                        let trailers = trailers.map_err(|error| self.failed(error))?;
                        self.check_fields()?;
                        Step::End(trailers)
                    }
                }
            }
        };
        incoming.next = Some(step);
        Poll::Ready(Ok(()))
    }
}

impl Incoming {
    /// Appends the step that is there; true: the response is over.
    fn take_step(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let step = self.next.take();
        if let Some(Step::Head(octets)) = step {
            out.extend_from_slice(&octets);
            return Ok(false);
        }
        let Receiving::Body { body, .. } = &mut self.state else { return Ok(true) };
        match step {
            Some(Step::Data(octets)) => {
                self.unreleased = self.unreleased.saturating_add(octets.len());
                body.put_data(&octets, out).map_err(invalid)?;
                Ok(false)
            }
            Some(Step::End(trailers)) => {
                body.put_end(trailers.as_ref(), out).map_err(invalid)?;
                self.state = Receiving::Over;
                Ok(true)
            }
            Some(Step::Head(_)) | None => Ok(false),
        }
    }
}

/// Hands `octets` to h2 as the backend's window allows; ready when all of them are.
///
/// # Errors
/// What h2 says; `None`: the stream is closed.
fn poll_send_data(
    send: &mut SendStream<Payload>,
    context: &mut Context<'_>,
    octets: &mut Bytes,
    is_end: bool,
) -> Poll<Result<(), Option<h2::Error>>> {
    loop {
        send.reserve_capacity(octets.len());
        let room = send.capacity().min(octets.len());
        if room > 0 {
            let part = octets.split_to(room);
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
fn closed() -> io::Error {
    ErrorKind::BrokenPipe.into()
}

/// The backend says that it did nothing with the request: RFC 9113 sections 6.8 and 8.7. h2 gives
/// the GOAWAY of a backend to streams above its last one and to those never opened.
fn is_refusal(error: &h2::Error) -> bool {
    let is_reset = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || is_reset)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

impl Http2ClientStream {
    /// A stream that its request will open.
    pub fn new(core: &Core, sender: SendRequest<Payload>, slot: Slot, is_secure: bool) -> Self {
        let ends = Rc::new(Ends {
            incoming: RefCell::new(Incoming {
                state: Receiving::Nothing,
                next: None,
                unreleased: 0,
            }),
            outgoing: RefCell::new(Outgoing {
                reader: RequestReader::new(is_secure),
                side: Side::Waiting(sender),
            }),
            screen: slot.screen(),
            id: Cell::new(None),
            is_closed: Cell::new(false),
            is_read_closed: Cell::new(false),
            is_refused: Cell::new(false),
            reader: Cell::new(None),
            writer: RefCell::new(None),
        });
        let target = || Target::Stream(Rc::clone(&ends) as Rc<dyn SharedStream>);
        let deadline = Deadline::new(&core.deadlines, target());
        let write_deadline = Deadline::new(&core.deadlines, target());
        Self { deadline, write_deadline, ends, _slot: slot }
    }

    /// See [`crate::proxy::rt::Stream::deadline`].
    pub const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// See [`crate::proxy::rt::Stream::write_deadline`].
    pub const fn write_deadline(&self) -> &Deadline {
        &self.write_deadline
    }

    /// Whether the backend said that it did nothing with the request.
    pub fn is_refused(&self) -> bool {
        self.ends.is_refused.get()
    }

    /// Waits until something can be read, the end included.
    ///
    /// # Errors
    /// The backend reset the stream, or its connection failed.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            if self.ends.is_read_closed.get() {
                return Poll::Ready(Ok(()));
            }
            let polled = self.ends.poll_step(context);
            if polled.is_pending() {
                self.ends.reader.set(Some(context.waker().clone()));
            }
            polled
        })
        .await
    }

    /// Reads what is there; 0: the end.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. `InvalidData`: the response breaks the protocol.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        if self.ends.is_read_closed.get() {
            return Ok(0);
        }
        let before = buffer.len();
        loop {
            let mut context = Context::from_waker(Waker::noop());
            match self.ends.poll_step(&mut context) {
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
                Poll::Ready(result) => result?,
            }
            let is_end = self.ends.incoming.borrow_mut().take_step(buffer.as_vec())?;
            let count = buffer.len().saturating_sub(before);
            if is_end || count > 0 {
                return Ok(count);
            }
        }
    }

    /// Writes octets of the request as frames, as the backend makes room for them. If nothing at
    /// all was sent, the error comes with the buffer as it was.
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
                Ok(Some(Event::Head { request, is_end })) => self.ends.begin(request, is_end),
                Ok(Some(Event::End { trailers })) => self.ends.end(trailers),
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
            let polled = self.ends.poll_send(context, &mut octets, is_end);
            if polled.is_pending() {
                *self.ends.writer.borrow_mut() = Some(context.waker().clone());
            }
            polled
        })
        .await;
        *self.ends.writer.borrow_mut() = None;
        result
    }

    /// Ends both directions at once: CANCEL, unless the stream is over.
    pub fn reset(&self) {
        let side = std::mem::replace(&mut self.ends.outgoing.borrow_mut().side, Side::Over);
        if let Side::Open(mut send) = side {
            send.send_reset(Reason::CANCEL);
        }
        // h2 resets a stream that nobody holds any more.
        self.ends.incoming.borrow_mut().state = Receiving::Over;
        self.ends.shutdown(false);
    }
}

impl Drop for Http2ClientStream {
    fn drop(&mut self) {
        self.reset();
        if let Some(id) = self.ends.id.get() {
            self.ends.screen.borrow_mut().forget(id);
        }
    }
}
