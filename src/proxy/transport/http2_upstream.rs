//! One stream towards a backend that speaks HTTP/2, as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  exchange ─▶ octets ─▶ RequestReader ─▶ SendRequest, SendStream
//!  exchange ◀─ octets ◀─ put_response, RequestBody ◀─ ResponseFuture, RecvStream
//! ```
//!
//! A stream that is dropped before its end is reset.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request};

use crate::http2::body::RequestBody;
use crate::http2::client::{
    Event, RequestReader, ResponseHeadFault, put_informational, put_response,
};
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::Deadlines;
use crate::proxy::transport::http2_ends::{Carrier, Http2Stream, Said, Taken, invalid};
use crate::proxy::transport::http2_slot::{Payload, Slot, Unopened};

/// A buffer that goes back to its free list when the last frame made of it is written.
struct Octets(Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.unread()
    }
}

/// A stream.
pub type Http2Upstream = Http2Stream<UpstreamCarrier>;

/// h2, for one stream of it.
pub struct UpstreamCarrier {
    incoming: RefCell<Incoming>,
    outgoing: RefCell<Outgoing>,
    /// Its number on the connection, once it is open.
    id: Cell<Option<u32>>,
    /// The backend never looked at the request.
    is_refused: Cell<bool>,
    reader: Cell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    /// Its place on the connection; given up last.
    slot: Slot,
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

impl UpstreamCarrier {
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
        self.slot.screen().borrow_mut().expect(id);
        self.incoming.borrow_mut().state = Receiving::Head { future, is_head };
        self.wake_reader();
        Ok(())
    }

    /// What h2 does not say of the fields that came.
    fn check_fields(&self) -> io::Result<()> {
        let is_malformed = |id| self.slot.screen().borrow().is_malformed(id);
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
    /// Appends the step that is there.
    fn take_step(&mut self, out: &mut Vec<u8>) -> io::Result<Taken> {
        let step = self.next.take();
        if let Some(Step::Head(octets)) = step {
            out.extend_from_slice(&octets);
            return Ok(Taken::Part);
        }
        let Receiving::Body { body, .. } = &mut self.state else { return Ok(Taken::All) };
        match step {
            Some(Step::Data(octets)) => {
                self.unreleased = self.unreleased.saturating_add(octets.len());
                body.put_data(&octets, out).map_err(invalid)?;
            }
            Some(Step::End(trailers)) => {
                body.put_end(trailers.as_ref(), out).map_err(invalid)?;
                self.state = Receiving::Over;
                return Ok(Taken::All);
            }
            Some(Step::Head(_)) | None => {}
        }
        Ok(Taken::Part)
    }
}

impl Carrier for UpstreamCarrier {
    type Payload = Bytes;

    fn poll_arrival(&self, waker: Option<&Waker>) -> Poll<io::Result<()>> {
        let mut context = Context::from_waker(waker.unwrap_or(Waker::noop()));
        let polled = self.poll_step(&mut context);
        if polled.is_pending()
            && let Some(waker) = waker
        {
            self.reader.set(Some(waker.clone()));
        }
        polled
    }

    fn take(&self, buffer: &mut Buffer) -> io::Result<Taken> {
        self.incoming.borrow_mut().take_step(buffer.as_vec())
    }

    fn say(&self, octets: &mut Buffer, at: &mut usize) -> io::Result<Said> {
        let event = self.outgoing.borrow_mut().reader.next(octets.unread_mut(), at);
        match event.map_err(invalid)? {
            None => return Ok(Said::Nothing),
            Some(Event::Data { range, is_end }) => return Ok(Said::Content { range, is_end }),
            Some(Event::Head { request, is_end }) => self.begin(request, is_end)?,
            Some(Event::End { trailers }) => self.end(trailers)?,
        }
        Ok(Said::Done)
    }

    fn load(octets: Buffer) -> Bytes {
        Bytes::from_owner(Octets(octets))
    }

    /// h2 keeps the buffer until it is sent.
    fn unload(_: Bytes) -> Buffer {
        Buffer::unallocated()
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
        let Poll::Ready(sent) = poll_send_data(send, context, octets, is_end) else {
            *self.writer.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        };
        *self.writer.borrow_mut() = None;
        if sent.is_ok() && is_end {
            outgoing.side = Side::Over;
        }
        let failed = |error: Option<_>| error.map_or_else(closed, |error| self.failed(error));
        Poll::Ready(sent.map_err(failed))
    }

    fn wake(&self) {
        if let Some(waker) = self.writer.borrow().as_ref() {
            waker.wake_by_ref();
        }
        self.wake_reader();
    }

    /// Only clients are asked.
    fn is_given_up(&self) -> bool {
        false
    }

    /// CANCEL, unless the stream is over.
    fn break_off(&self) {
        let side = std::mem::replace(&mut self.outgoing.borrow_mut().side, Side::Over);
        if let Side::Open(mut send) = side {
            send.send_reset(Reason::CANCEL);
        }
        // h2 resets a stream that nobody holds any more.
        self.incoming.borrow_mut().state = Receiving::Over;
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

impl Http2Upstream {
    /// A stream that its request will open, with `scheme` in it.
    pub fn new(found: Unopened, scheme: Scheme, deadlines: &Rc<Deadlines>) -> Self {
        let carrier = UpstreamCarrier {
            incoming: RefCell::new(Incoming {
                state: Receiving::Nothing,
                next: None,
                unreleased: 0,
            }),
            outgoing: RefCell::new(Outgoing {
                reader: RequestReader::new(scheme),
                side: Side::Waiting(found.sender),
            }),
            id: Cell::new(None),
            is_refused: Cell::new(false),
            reader: Cell::new(None),
            writer: RefCell::new(None),
            slot: found.slot,
        };
        Self::carried(carrier, deadlines)
    }

    /// Whether the backend said that it did nothing with the request.
    pub fn is_refused(&self) -> bool {
        self.carrier().is_refused.get()
    }
}

impl Drop for UpstreamCarrier {
    fn drop(&mut self) {
        self.break_off();
        if let Some(id) = self.id.get() {
            self.slot.screen().borrow_mut().forget(id);
        }
    }
}
