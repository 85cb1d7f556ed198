//! Bodies of HTTP/2 requests, and of the responses of backends, in HTTP/1.1 framing.

use super::field;
use super::hpack::FieldList;
use super::request::RequestShape;
use crate::http1::encode::{CRLF, LAST_CHUNK, put_chunk_head, put_field};
use crate::http1::fields::{is_forbidden_trailer, trim_ows};
use crate::http1::framing::BodyLength;
use crate::limits::{FIELDS_MAX, TRAILER_BYTES_MAX};

/// Why a body was given up: its sender is at fault, and the stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    /// More octets than announced, or octets behind the end.
    #[error("the body is longer than announced")]
    TooLong,
    /// Fewer octets than announced.
    #[error("the body is shorter than announced")]
    TooShort,
}

/// Writes one body; it holds no octets.
#[derive(Debug)]
pub struct RequestBody {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Octets to come.
    Known(u64),
    Chunked,
    /// A WebSocket: octets pass as they are.
    Raw,
    Done,
}

impl RequestBody {
    /// The beginning of the body of a request of `shape`.
    #[must_use]
    pub fn new(shape: RequestShape) -> Self {
        let state = match shape.body {
            _ if shape.is_websocket => State::Raw,
            BodyLength::Known(octets) => State::Known(octets),
            BodyLength::Chunked => State::Chunked,
            BodyLength::None | BodyLength::UntilClose => State::Known(0),
        };
        Self { state }
    }

    /// The beginning of a body of `length`, also of a response.
    #[must_use]
    pub fn of_length(length: BodyLength) -> Self {
        Self::new(RequestShape { body: length, is_head: false, is_websocket: false })
    }

    /// Appends the octets of one DATA frame, framed. Empty ones, which would end a chunked body,
    /// append nothing.
    ///
    /// # Errors
    /// [`RequestBodyError::TooLong`]; nothing was appended.
    pub fn put_data(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), RequestBodyError> {
        if octets.is_empty() {
            return Ok(());
        }
        match &mut self.state {
            State::Known(remaining) => {
                *remaining =
                    remaining.checked_sub(octets.len() as u64).ok_or(RequestBodyError::TooLong)?;
                out.extend_from_slice(octets);
            }
            State::Chunked => {
                put_chunk_head(out, octets.len());
                out.extend_from_slice(octets);
                out.extend_from_slice(CRLF);
            }
            State::Raw => out.extend_from_slice(octets),
            State::Done => return Err(RequestBodyError::TooLong),
        }
        Ok(())
    }

    /// Appends what ends the body, with trailer lines as [`trailer_lines`] gives them. All of them
    /// are dropped where a length was announced: HTTP/1.1 has no place for them then.
    ///
    /// # Errors
    /// [`RequestBodyError::TooShort`]: the body must not be taken for complete; nothing was
    /// appended.
    pub fn put_end_with(
        &mut self,
        lines: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), RequestBodyError> {
        match (self.state, lines) {
            (State::Known(1..), _) => return Err(RequestBodyError::TooShort),
            (State::Chunked, None) => out.extend_from_slice(LAST_CHUNK),
            (State::Chunked, Some(lines)) => {
                out.extend_from_slice(b"0\r\n");
                out.extend_from_slice(lines);
                out.extend_from_slice(CRLF);
            }
            (State::Known(0) | State::Raw | State::Done, _) => {}
        }
        self.state = State::Done;
        Ok(())
    }
}

/// Why trailers make their message malformed, or are too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trailers are malformed or too large")]
pub struct TrailerRefusal;

/// The field lines that are made of trailers: what has no business there is dropped (RFC 9110
/// section 6.5.1).
///
/// # Errors
/// A pseudo-field, a malformed name or value, a field of one HTTP/1.1 connection (RFC 9113 sections
/// 8.1 to 8.3); or more than the limits allow.
pub fn trailer_lines(list: &FieldList) -> Result<Vec<u8>, TrailerRefusal> {
    if list.overrun().is_some()
        || list.iter().any(|(name, value)| field::check(name, value).is_err())
    {
        return Err(TrailerRefusal);
    }
    let mut lines = Vec::new();
    for (name, value) in list.iter().filter(|(name, _)| !is_forbidden_trailer(name)) {
        put_field(&mut lines, name, trim_ows(value));
    }
    if list.len() > FIELDS_MAX || lines.len() + CRLF.len() > TRAILER_BYTES_MAX {
        return Err(TrailerRefusal);
    }
    Ok(lines)
}
