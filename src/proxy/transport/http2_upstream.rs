//! One stream towards a backend that speaks HTTP/2, as a transport of HTTP/1.1 octets.
//!
//! ```text
//!  exchange ─▶ octets ─▶ RequestReader ─▶ Codec
//!  exchange ◀─ octets ◀─ put_response, Inflow ◀─ Codec
//! ```
//!
//! A stream that is dropped before its end is reset.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::http1::framing::{BodyLength, RequestKind};
use crate::http2::body::RequestBody;
use crate::http2::client::{Answer, Event, RequestReader, put_response};
use crate::http2::connection::{Closed, Connection};
use crate::http2::follows::Follows;
use crate::http2::frame::ErrorCode;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::Deadlines;
use crate::proxy::transport::http2_ends::{Carrier, Http2Stream, Said, Taken, invalid};
use crate::proxy::transport::http2_inflow::{Inflow, closed};
use crate::proxy::transport::http2_slot::{Slot, Unopened};

/// A stream.
pub type Http2Upstream = Http2Stream<UpstreamCarrier>;

/// Our codec, for one stream of it.
pub struct UpstreamCarrier {
    /// 0: it is not open yet.
    id: Cell<u32>,
    inflow: RefCell<Inflow>,
    reader: RefCell<RequestReader>,
    /// Of the request.
    kind: Cell<RequestKind>,
    /// The backend wanted no more streams when it was to be opened, or did not read.
    is_late: Cell<bool>,
    /// Waits until it is open.
    unopened: Cell<Option<Waker>>,
    /// Its place on the connection; given up last.
    slot: Slot,
}

impl UpstreamCarrier {
    fn begin(&self, reader: &RequestReader, text: &[u8], follows: Follows) -> io::Result<()> {
        let target = reader.target(text);
        self.kind.set(RequestKind { is_head: target.method == b"HEAD" });
        let opened = self.slot.codec().with(|connection| {
            let opened = connection.open(target, reader.fields(text), follows);
            let is_late = connection.is_leaving() || connection.is_unread();
            opened.inspect_err(|_| self.is_late.set(is_late))
        });
        self.id.set(opened.map_err(closed)?);
        self.wake_unopened();
        Ok(())
    }

    fn wake_unopened(&self) {
        if let Some(waker) = self.unopened.take() {
            waker.wake();
        }
    }

    /// Appends the next head, and a short body that came with it.
    fn take_head(
        &self,
        connection: &mut Connection,
        inflow: &mut Inflow,
        buffer: &mut Buffer,
    ) -> io::Result<Taken> {
        let id = self.id.get();
        let Some(fields) = connection.take_head(id) else {
            return inflow.take(connection, id, buffer).map_err(invalid);
        };
        let follows = connection.follows(id);
        let answer = put_response(buffer.as_vec(), &fields, self.kind.get(), follows);
        connection.recycle(fields);
        match answer.map_err(invalid)? {
            Answer::Informational => Ok(Taken::Part),
            Answer::Final(length) if length.is_empty() => {
                inflow.is_over = true;
                Ok(Taken::All)
            }
            Answer::Final(length) => {
                inflow.body = RequestBody::of_length(length);
                inflow.take_along(connection, id, buffer).map_err(invalid)
            }
        }
    }

    /// Does something with an open stream.
    fn act<R>(&self, act: impl FnOnce(&mut Connection, u32) -> Result<R, Closed>) -> io::Result<R> {
        let id = self.id.get();
        self.slot.codec().with(|connection| act(connection, id)).map_err(closed)
    }
}

impl Carrier for UpstreamCarrier {
    type Payload = Buffer;

    fn poll_arrival(&self, waker: Option<&Waker>) -> Poll<io::Result<()>> {
        let id = self.id.get();
        let mut inflow = self.inflow.borrow_mut();
        if id == 0 && !inflow.is_over {
            if let Some(waker) = waker {
                self.unopened.set(Some(waker.clone()));
            }
            return Poll::Pending;
        }
        inflow.poll(self.slot.codec(), id, waker).map_err(closed)
    }

    fn take(&self, buffer: &mut Buffer) -> io::Result<Taken> {
        let mut inflow = self.inflow.borrow_mut();
        self.slot.codec().with(|connection| {
            let result = self.take_head(connection, &mut inflow, buffer);
            if result.is_err() {
                connection.reset(self.id.get(), ErrorCode::ProtocolError);
            }
            result
        })
    }

    fn say(&self, octets: &mut Buffer, at: &mut usize) -> io::Result<Said> {
        let mut reader = self.reader.borrow_mut();
        match reader.next(octets.unread_mut(), at).map_err(invalid)? {
            None => return Ok(Said::Nothing),
            Some(Event::Data { range, follows }) => return Ok(Said::Content { range, follows }),
            Some(Event::Head { follows }) => self.begin(&reader, octets.unread(), follows)?,
            Some(Event::End) => self.act(|connection, id| connection.end(id, reader.trailers()))?,
        }
        Ok(Said::Done)
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
        let (id, codec) = (self.id.get(), self.slot.codec());
        loop {
            let sent = codec
                .with(|connection| connection.poll_data(context, id, octets.unread(), follows));
            octets.consume(ready!(sent).map_err(closed)?);
            if octets.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn wake(&self) {
        self.slot.codec().with(|connection| connection.wake(self.id.get()));
        self.wake_unopened();
    }

    /// Only clients are asked.
    fn is_given_up(&self) -> bool {
        false
    }

    fn break_off(&self) {
        self.slot.codec().with(|connection| connection.reset(self.id.get(), ErrorCode::Cancel));
    }
}

impl Http2Upstream {
    /// A stream that its request will open, with `scheme` in it.
    pub fn new(found: Unopened, scheme: &'static str, deadlines: &Rc<Deadlines>) -> Self {
        let body = RequestBody::of_length(BodyLength::None);
        let carrier = UpstreamCarrier {
            id: Cell::new(0),
            inflow: RefCell::new(Inflow { body, uncredited: 0, is_over: false }),
            reader: RefCell::new(RequestReader::new(scheme)),
            kind: Cell::default(),
            is_late: Cell::new(false),
            unopened: Cell::new(None),
            slot: found.slot,
        };
        Self::carried(carrier, deadlines)
    }

    /// Whether the backend said that it did nothing with the request.
    pub fn is_refused(&self) -> bool {
        let carrier = self.carrier();
        let id = carrier.id.get();
        carrier.is_late.get() || carrier.slot.codec().look(|connection| connection.is_refused(id))
    }
}

impl Drop for UpstreamCarrier {
    fn drop(&mut self) {
        self.slot.codec().release(self.id.get());
    }
}
