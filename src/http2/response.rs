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

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};

use super::request::RequestShape;
use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::error::{BodyError, ResponseError};
use crate::http1::fields::{is_hop_by_hop, trim_ows};
use crate::http1::head::{
    HeadScan, RequestKind, ResponseHead, check_partial_response, parse_response,
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

/// What the stream is to do next.
#[derive(Debug)]
pub enum Event {
    /// Send an informational response.
    Informational(Response<()>),
    /// Send the response.
    Head {
        /// Names in lower case, no hop-by-hop fields.
        response: Response<()>,
        /// With END_STREAM; no event follows.
        is_end: bool,
    },
    /// Send octets.
    Data {
        /// Where they are in the buffer that was given.
        range: Range<usize>,
        /// With END_STREAM; no event follows.
        is_end: bool,
    },
    /// End the stream: with a HEADERS frame if there are trailers, else with an empty DATA frame.
    End {
        /// What has no business in trailers is gone.
        trailers: Option<HeaderMap>,
    },
}

/// Reads one response, informational ones before it included.
#[derive(Debug)]
pub struct ResponseReader {
    shape: RequestShape,
    state: State,
    scan: HeadScan,
    /// The beginning of a head that came in several pieces.
    partial: Vec<u8>,
    head: ResponseHead,
}

#[derive(Debug)]
enum State {
    Head,
    Body(BodyDecoder),
    Raw,
    Done,
}

impl ResponseReader {
    /// A reader of the response to a request of `shape`.
    #[must_use]
    pub fn new(shape: RequestShape) -> Self {
        Self {
            shape,
            state: State::Head,
            scan: HeadScan::default(),
            partial: Vec::new(),
            head: ResponseHead::default(),
        }
    }

    /// Reads from `buf[*at..]`, moves `at` behind what was read and gives the next event. `None`:
    /// all was read, more is needed.
    ///
    /// Shape: called until it gives `None`; octets of [`Event::Data`] are copied or sent before the
    /// next call. The chunked coding is decoded in place. A head that lies whole in `buf` is not
    /// copied before it is parsed.
    ///
    /// # Errors
    /// The upstream's fault, or ours; the reader is of no use afterwards.
    pub fn next(&mut self, buf: &mut [u8], at: &mut usize) -> Result<Option<Event>, ResponseFault> {
        if let State::Body(decoder) = &self.state
            && decoder.is_done()
        {
            // The octets before were given without END_STREAM.
            let trailers = trailers(decoder.trailers())?;
            self.state = State::Done;
            return Ok(Some(Event::End { trailers }));
        }
        let rest = buf.get_mut(*at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        match &mut self.state {
            State::Head => self.read_head(rest, at),
            State::Body(decoder) => {
                let decoded = decoder.decode(rest)?;
                let range = *at..*at + decoded.body;
                *at += decoded.consumed;
                if !decoder.is_done() {
                    return Ok((!range.is_empty()).then_some(Event::Data { range, is_end: false }));
                }
                let trailers = trailers(decoder.trailers())?;
                if range.is_empty() {
                    self.state = State::Done;
                    return Ok(Some(Event::End { trailers }));
                }
                if trailers.is_none() {
                    self.state = State::Done;
                    return Ok(Some(Event::Data { range, is_end: true }));
                }
                Ok(Some(Event::Data { range, is_end: false }))
            }
            State::Raw => {
                let range = *at..buf.len();
                *at = buf.len();
                Ok(Some(Event::Data { range, is_end: false }))
            }
            State::Done => Err(ResponseFault::Surplus),
        }
    }

    /// Tells that no octets follow. `None`: the response had ended before.
    ///
    /// # Errors
    /// It is not complete.
    pub fn finish(&mut self) -> Result<Option<Event>, ResponseFault> {
        let trailers = match &mut self.state {
            State::Head => return Err(ResponseFault::Truncated),
            State::Body(decoder) => {
                decoder.finish()?;
                trailers(decoder.trailers())?
            }
            State::Raw => None,
            State::Done => return Ok(None),
        };
        self.state = State::Done;
        Ok(Some(Event::End { trailers }))
    }

    /// Whether the whole response was given; for a WebSocket never before [`Self::finish`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn read_head(&mut self, rest: &[u8], at: &mut usize) -> Result<Option<Event>, ResponseFault> {
        if self.partial.is_empty()
            && let Some(end) = self.scan.find_end(rest)
        {
            *at += end;
            return self.parse(rest, end).map(Some);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(rest);
        let Some(end) = self.scan.find_end(&self.partial) else {
            check_partial_response(&self.partial)?;
            *at += rest.len();
            return Ok(None);
        };
        // INVARIANT: end > before, since what was there had no end.
        *at += end - before;
        let partial = std::mem::take(&mut self.partial);
        let event = self.parse(&partial, end);
        self.partial = partial;
        self.partial.clear();
        event.map(Some)
    }

    fn parse(&mut self, buf: &[u8], end: usize) -> Result<Event, ResponseFault> {
        self.scan = HeadScan::default();
        parse_response(buf, end, RequestKind { is_head: self.shape.is_head }, &mut self.head)?;
        let is_upgrade = self.head.status == 101;
        if is_upgrade && !self.shape.is_websocket {
            return Err(ResponseFault::UpgradeUnasked);
        }
        if self.shape.is_websocket && matches!(self.head.status, 200..=299) {
            return Err(ResponseFault::UpgradeIgnored);
        }
        let response = self.response(buf, end, is_upgrade)?;
        if self.head.is_informational() {
            return Ok(Event::Informational(response));
        }
        let is_end = !is_upgrade && self.head.body.is_empty();
        self.state = if is_upgrade {
            State::Raw
        } else if is_end {
            State::Done
        } else {
            State::Body(BodyDecoder::new(self.head.body, Sender::Upstream))
        };
        Ok(Event::Head { response, is_end })
    }

    fn response(
        &self,
        buf: &[u8],
        end: usize,
        is_upgrade: bool,
    ) -> Result<Response<()>, ResponseFault> {
        let mut response = Response::new(());
        *response.version_mut() = Version::HTTP_2;
        *response.status_mut() = if is_upgrade {
            StatusCode::OK
        } else {
            StatusCode::from_u16(self.head.status).or(Err(ResponseError::Status))?
        };
        // PERF: one copy of the head, of which all values are parts.
        let octets = Bytes::copy_from_slice(buf.get(..end).unwrap_or_default());
        let fields = response.headers_mut();
        fields.reserve(self.head.fields.len());
        for field in &self.head.fields {
            if field.dropped || is_hop_by_hop(field.kind) {
                continue;
            }
            let name = HeaderName::from_bytes(field.name.of(buf)).or(Err(ResponseError::FieldName));
            let name = name?;
            if is_upgrade && name == header::SEC_WEBSOCKET_ACCEPT {
                continue;
            }
            let value = octets.slice(field.value.start as usize..field.value.end as usize);
            let value = HeaderValue::from_maybe_shared(value).or(Err(ResponseError::FieldValue))?;
            fields.append(name, value);
        }
        Ok(response)
    }
}

/// Reads trailer lines that the decoder has checked; `None` if there are none.
pub(super) fn trailers(lines: &[u8]) -> Result<Option<HeaderMap>, BodyError> {
    let mut trailers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(BodyError::Trailer)?;
        let (name, value) = line.split_at(colon);
        let value = trim_ows(value.get(1..).unwrap_or_default());
        let name = HeaderName::from_bytes(name).or(Err(BodyError::Trailer))?;
        let value = HeaderValue::from_bytes(value).or(Err(BodyError::Trailer))?;
        trailers.append(name, value);
    }
    Ok((!trailers.is_empty()).then_some(trailers))
}
