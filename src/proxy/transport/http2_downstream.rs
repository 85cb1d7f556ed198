//! One stream of a client's HTTP/2 connection as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  DATA ─▶ Codec ─▶ Inflow ─▶ octets ─▶ exchange ─▶ octets ─▶ ResponseReader ─▶ Codec ─▶
//! ```

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::http2::body::RequestBody;
use crate::http2::connection::{Closed, Connection, Opened};
use crate::http2::follows::Follows;
use crate::http2::frame::ErrorCode;
use crate::http2::request::{Facts, RequestRefusal, RequestShape, put_request};
use crate::http2::response::{Event, ResponseReader};
use crate::limits::WHOLE_BODY_BYTES_MAX;
use crate::model::Scheme;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Deadlines;
use crate::proxy::rt::random::Random;
use crate::proxy::transport::http2_codec::Codec;
use crate::proxy::transport::http2_ends::{Carrier, Http2Stream, Said, Taken, invalid};
use crate::proxy::transport::http2_inflow::{Inflow, closed};

/// A stream.
pub type Http2Downstream = Http2Stream<DownstreamCarrier>;

/// Our codec, for one stream of it.
pub struct DownstreamCarrier {
    codec: Rc<Codec>,
    id: u32,
    inflow: RefCell<Inflow>,
    reader: RefCell<ResponseReader>,
}

/// What all streams of a connection are made with.
pub struct Ground<'a> {
    /// Carries them.
    pub codec: &'a Rc<Codec>,
    /// How clients of the listener come.
    pub scheme: Scheme,
    /// Those of the core.
    pub deadlines: &'a Rc<Deadlines>,
    /// For keys of WebSockets.
    pub random: &'a Random,
}

/// Why a stream that was opened is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// It was answered with a refusal: no request can be made of it.
    Refused,
    /// The client gave it up.
    Gone,
}

impl Drop for DownstreamCarrier {
    fn drop(&mut self) {
        self.codec.release(self.id);
    }
}

/// The beginning of a request as HTTP/1.1.
struct Beginning {
    shape: RequestShape,
    /// Where the head ends.
    head_end: usize,
    body: RequestBody,
    /// Octets of the body that are in it.
    early: usize,
    /// All of the body is.
    is_over: bool,
}

impl Http2Downstream {
    /// A stream just opened, and the octets of its request so far, which are its head up to the
    /// offset given.
    ///
    /// # Errors
    /// It is over, and the client was told.
    pub fn accept(ground: &Ground<'_>, opened: Opened) -> Result<(Self, Buffer, usize), Unserved> {
        let (id, codec) = (opened.id, ground.codec);
        let mut buffer = Buffer::new(Class::Small);
        let began = codec.with(|server| {
            let began = begin(ground, server, &opened, buffer.as_vec());
            server.recycle(opened.fields);
            if began.is_err() {
                server.release(id);
            }
            began
        });
        let Beginning { shape, head_end, body, early, is_over } = began?;
        let uncredited = u32::try_from(early).unwrap_or(u32::MAX);
        if is_over && uncredited > 0 {
            // Nobody reads on, and what is held here is bounded by the number of streams.
            codec.with(|server| server.credit(id, uncredited));
        }
        let uncredited = if is_over { 0 } else { uncredited };
        let carrier = DownstreamCarrier {
            codec: Rc::clone(codec),
            id,
            inflow: RefCell::new(Inflow { body, uncredited, is_over }),
            reader: RefCell::new(ResponseReader::new(shape)),
        };
        Ok((Self::carried(carrier, ground.deadlines), buffer, head_end))
    }

    /// Whether the client reset it, or its connection is over.
    pub fn is_given_up(&self) -> bool {
        self.carrier().is_given_up()
    }

    /// Writes octets that need no room in the client's window.
    ///
    /// # Errors
    /// `WouldBlock`: they do. Else the stream is over.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let carrier = self.carrier();
        let mut octets = bytes.to_vec();
        let mut at = 0;
        let mut reader = carrier.reader.borrow_mut();
        while let Some(event) = reader.next(&mut octets, &mut at).map_err(invalid)? {
            if matches!(event, Event::Data { .. }) {
                return Err(ErrorKind::WouldBlock.into());
            }
            carrier.tell(&reader, &event, &octets).map_err(closed)?;
        }
        Ok(bytes.len())
    }

    /// Ends the response: cleanly if it is complete, else by a reset.
    pub fn close_write(&self) {
        let carrier = self.carrier();
        let mut reader = carrier.reader.borrow_mut();
        let is_ended = match reader.finish() {
            Ok(None) => true,
            Ok(Some(event)) => carrier.tell(&reader, &event, &[]).is_ok(),
            Err(_) => false,
        };
        if !is_ended {
            carrier.break_off();
        }
    }
}

/// Reads head and early body.
fn begin(
    ground: &Ground<'_>,
    server: &mut Connection,
    opened: &Opened,
    out: &mut Vec<u8>,
) -> Result<Beginning, Unserved> {
    let id = opened.id;
    if server.is_closed(id) {
        return Err(Unserved::Gone);
    }
    let early = server.unread(id).len().min(WHOLE_BODY_BYTES_MAX);
    let is_whole = early == server.unread(id).len() && server.is_received(id);
    let whole = (is_whole && !server.has_trailers(id)).then_some(early);
    let facts = Facts { is_secure: ground.scheme == Scheme::Https, follows: opened.follows, whole };
    let nonce = || {
        let random = ground.random;
        let halves = [random.next().to_be_bytes(), random.next().to_be_bytes()];
        let mut nonce = [0; 16];
        nonce.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
        nonce
    };
    let refused = |server: &mut Connection, refusal: RequestRefusal| {
        // A client that is gone already needs no answer.
        server
            .respond(id, refusal.status(), std::iter::empty(), Follows::Nothing)
            .unwrap_or_default();
        Unserved::Refused
    };
    let shape = put_request(out, &opened.fields, facts, nonce)
        .map_err(|refusal| refused(server, refusal))?;
    let head_end = out.len();
    let mut body = RequestBody::new(shape);
    let mut is_right =
        body.put_data(server.unread(id).get(..early).unwrap_or_default(), out).is_ok();
    server.consume(id, early);
    if is_right && is_whole {
        let trailers = server.take_trailers(id);
        is_right = body.put_end_with(trailers.as_deref(), out).is_ok();
    }
    if !is_right {
        return Err(refused(server, RequestRefusal::Length));
    }
    Ok(Beginning { shape, head_end, body, early, is_over: is_whole })
}

impl Carrier for DownstreamCarrier {
    type Payload = Buffer;

    fn poll_arrival(&self, waker: Option<&Waker>) -> Poll<io::Result<()>> {
        self.inflow.borrow_mut().poll(&self.codec, self.id, waker).map_err(closed)
    }

    fn take(&self, buffer: &mut Buffer) -> io::Result<Taken> {
        let mut inflow = self.inflow.borrow_mut();
        let result = self.codec.with(|server| {
            let result = inflow.take(server, self.id, buffer);
            if result.is_err() {
                server.refuse(self.id);
            }
            result
        });
        result.map_err(invalid)
    }

    fn say(&self, octets: &mut Buffer, at: &mut usize) -> io::Result<Said> {
        let mut reader = self.reader.borrow_mut();
        Ok(match reader.next(octets.unread_mut(), at).map_err(invalid)? {
            None => Said::Nothing,
            Some(Event::Data { range, follows }) => Said::Content { range, follows },
            Some(event) => {
                self.tell(&reader, &event, octets.unread()).map_err(closed)?;
                Said::Done
            }
        })
    }

    fn load(octets: Buffer) -> Buffer {
        octets
    }

    fn unload(payload: Buffer) -> Buffer {
        payload
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        octets: &mut Buffer,
        follows: Follows,
    ) -> Poll<io::Result<()>> {
        loop {
            let sent = self
                .codec
                .with(|server| server.poll_data(context, self.id, octets.unread(), follows));
            let count = ready!(sent).map_err(closed)?;
            octets.consume(count);
            if octets.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn wake(&self) {
        self.codec.with(|server| server.wake(self.id));
    }

    fn is_given_up(&self) -> bool {
        self.codec.look(|server| server.is_closed(self.id))
    }

    fn break_off(&self) {
        self.codec.with(|server| server.reset(self.id, ErrorCode::InternalError));
    }
}

impl DownstreamCarrier {
    /// Sends what is no content.
    fn tell(&self, reader: &ResponseReader, event: &Event, text: &[u8]) -> Result<(), Closed> {
        let id = self.id;
        self.codec.with(|server| match *event {
            Event::Informational { status } => server.inform(id, status, reader.fields(text)),
            Event::Head { status, follows } => {
                server.respond(id, status, reader.fields(text), follows)
            }
            Event::End => server.end(id, reader.trailers()),
            // Content has a way of its own.
            Event::Data { .. } => Err(Closed),
        })
    }
}
