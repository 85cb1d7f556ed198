//! Bodies of HTTP/2 requests, and of the responses of backends, in HTTP/1.1 framing.

use http::HeaderMap;

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
    /// A trailer section with more fields or bytes than the limit.
    #[error("the trailer section is too large")]
    TrailerTooLarge,
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

    /// Appends what ends the body. Trailer fields that have no business there are dropped, and all
    /// of them where a length was announced: HTTP/1.1 has no place for them then.
    ///
    /// # Errors
    /// [`RequestBodyError::TooShort`], [`RequestBodyError::TrailerTooLarge`]: the body must not be
    /// taken for complete; nothing was appended.
    pub fn put_end(
        &mut self,
        trailers: Option<&HeaderMap>,
        out: &mut Vec<u8>,
    ) -> Result<(), RequestBodyError> {
        match self.state {
            State::Known(1..) => return Err(RequestBodyError::TooShort),
            State::Chunked => put_last_chunk(trailers, out)?,
            State::Known(0) | State::Raw | State::Done => {}
        }
        self.state = State::Done;
        Ok(())
    }
}

fn put_last_chunk(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) -> Result<(), RequestBodyError> {
    let Some(trailers) = trailers else {
        out.extend_from_slice(LAST_CHUNK);
        return Ok(());
    };
    let start = out.len();
    out.extend_from_slice(b"0\r\n");
    let section = out.len();
    for (name, value) in trailers {
        let name = name.as_str().as_bytes();
        if !is_forbidden_trailer(name) {
            put_field(out, name, trim_ows(value.as_bytes()));
        }
    }
    out.extend_from_slice(CRLF);
    if trailers.len() > FIELDS_MAX || out.len() - section > TRAILER_BYTES_MAX {
        out.truncate(start);
        return Err(RequestBodyError::TrailerTooLarge);
    }
    Ok(())
}
