//! Responses in HTTP/1.1 octets, read as what an HTTP/2 stream is to send.
//!
//! ```text
//!  Head ─ 1xx ─▶ Informational ─▶ Head
//!   ├─ 101 of a WebSocket ─▶ Head ─▶ Raw ─▶ Data …
//!   └─ final ─▶ Head ─▶ Body ─▶ Data … ─▶ (End ─▶) Done
//! ```
//!
//! Source: RFC 9113 section 8.1, RFC 8441 section 5.

use std::ops::Range;

use super::follows::Follows;
use super::message::{Message, MessageFault, Piece};
use super::request::RequestShape;
use crate::http1::body::Sender;
use crate::http1::error::{BodyError, ResponseError};
use crate::http1::fields::{is_hop_by_hop, trim_ows};
use crate::http1::head::{
    Field, RequestKind, ResponseHead, check_partial_response, parse_own_response,
};

/// Why no response can be made of the octets. If no head was sent yet: 502; else the stream is
/// reset (INTERNAL_ERROR), never ended cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    /// The head is malformed.
    #[error(transparent)]
    Head(#[from] ResponseError),
    /// The body is malformed or not complete.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// 101 where no WebSocket was asked for.
    #[error("the response changes the protocol unasked")]
    UpgradeUnasked,
    /// 2xx to a WebSocket: the client would take the stream for an open one.
    #[error("the response takes the upgrade for a plain request")]
    UpgradeIgnored,
    /// Octets behind the end of the response.
    #[error("octets follow the end of the response")]
    Surplus,
    /// The octets end before the head does.
    #[error("the response ended before its head did")]
    Truncated,
}

impl From<MessageFault> for ResponseFault {
    fn from(fault: MessageFault) -> Self {
        match fault {
            MessageFault::Body(error) => Self::Body(error),
            MessageFault::Surplus => Self::Surplus,
        }
    }
}

/// What the stream is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Send an informational response; its fields are [`ResponseReader::fields`].
    Informational {
        /// 100 to 199, not 101.
        status: u16,
    },
    /// Send the response; its fields are [`ResponseReader::fields`].
    Head {
        /// 200 to 599.
        status: u16,
        /// With END_STREAM; no event follows.
        follows: Follows,
    },
    /// Send octets.
    Data {
        /// Where they are in the buffer that was given.
        range: Range<usize>,
        /// With END_STREAM; no event follows.
        follows: Follows,
    },
    /// End the stream: with a HEADERS frame if there are [`ResponseReader::trailers`], else with an
    /// empty DATA frame.
    End,
}

/// Reads one response, informational ones before it included.
#[derive(Debug)]
pub struct ResponseReader {
    shape: RequestShape,
    message: Message,
    /// Of the head that was read last.
    head: ResponseHead,
}

/// Fields that most responses have room in.
const FIELDS_USUAL: usize = 16;

impl ResponseReader {
    /// A reader of the response to a request of `shape`.
    #[must_use]
    pub fn new(shape: RequestShape) -> Self {
        let fields = Vec::with_capacity(FIELDS_USUAL);
        let head = ResponseHead { fields, ..ResponseHead::default() };
        Self { shape, message: Message::new(), head }
    }

    /// Reads from `buf[*at..]`, moves `at` behind what was read and gives the next event. `None`:
    /// all was read, more is needed.
    ///
    /// Shape: called until it gives `None`; fields of a head are read, and octets of
    /// [`Event::Data`] copied or sent, before the next call. The chunked coding is decoded in
    /// place. A head that lies whole in `buf` is not copied before it is parsed.
    ///
    /// # Errors
    /// The upstream's fault, or ours; the reader is of no use afterwards.
    pub fn next(&mut self, buf: &mut [u8], at: &mut usize) -> Result<Option<Event>, ResponseFault> {
        Ok(match self.message.next(buf, at)? {
            Some(Piece::Head) => Some(self.parse(buf)?),
            Some(Piece::Data { range, follows }) => Some(Event::Data { range, follows }),
            Some(Piece::End) => Some(Event::End),
            None => {
                check_partial_response(self.message.partial())?;
                None
            }
        })
    }

    /// Tells that no octets follow. `None`: the response had ended before.
    ///
    /// # Errors
    /// It is not complete.
    pub fn finish(&mut self) -> Result<Option<Event>, ResponseFault> {
        let has_ended = self.message.finish()?.ok_or(ResponseFault::Truncated)?;
        Ok(has_ended.then_some(Event::End))
    }

    /// Whether the whole response was given; for a WebSocket never before [`Self::finish`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.message.is_done()
    }

    /// The fields of the head that was read last, from the buffer that was given then: names in any
    /// case, no hop-by-hop fields.
    pub fn fields<'r>(&'r self, buf: &'r [u8]) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        let text = self.message.head(buf);
        let is_upgrade = self.head.status == 101;
        self.head
            .fields
            .iter()
            .filter(|field| !field.dropped && !is_hop_by_hop(field.kind))
            .map(|Field { name, value, .. }| (name.of(text), value.of(text)))
            .filter(move |(name, _)| {
                !is_upgrade || !name.eq_ignore_ascii_case(b"sec-websocket-accept")
            })
    }

    /// The trailers of a response that has ended; what has no business in trailers is gone. `None`
    /// if there are none.
    #[must_use]
    pub fn trailers(&self) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        let lines = self.message.trailers();
        (!lines.is_empty()).then(|| line_fields(lines))
    }

    fn parse(&mut self, buf: &[u8]) -> Result<Event, ResponseFault> {
        let kind = RequestKind { is_head: self.shape.is_head };
        let text = self.message.head(buf);
        parse_own_response(text, text.len(), kind, &mut self.head)?;
        let status = self.head.status;
        let is_upgrade = status == 101;
        if is_upgrade && !self.shape.is_websocket {
            return Err(ResponseFault::UpgradeUnasked);
        }
        if self.shape.is_websocket && matches!(status, 200..=299) {
            return Err(ResponseFault::UpgradeIgnored);
        }
        if self.head.is_informational() {
            return Ok(Event::Informational { status });
        }
        if is_upgrade {
            self.message.begin_raw();
            return Ok(Event::Head { status: 200, follows: Follows::More });
        }
        let follows = if self.head.body.is_empty() { Follows::Nothing } else { Follows::More };
        self.message.begin_body(self.head.body, Sender::Upstream);
        Ok(Event::Head { status, follows })
    }
}

/// Names and values of field lines that were checked.
pub(super) fn line_fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        Some((name, trim_ows(value.get(1..).unwrap_or_default())))
    })
}
