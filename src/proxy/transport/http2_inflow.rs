//! The body that comes on a stream, framed as HTTP/1.1 for whoever reads it: the same from clients
//! and from backends.

use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::task::{Poll, Waker};

use crate::http1::encode::{CHUNK_HEAD_BYTES_MAX, CRLF, LAST_CHUNK};
use crate::http2::body::{RequestBody, RequestBodyError};
use crate::http2::connection::{Arrival, Closed, Connection};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::http2_codec::Codec;
use crate::proxy::transport::http2_ends::Taken;

/// Octets of a body that are taken at a time: as many as fit with the framing of a chunk, so that
/// no buffer grows.
const TAKEN_BYTES: RangeInclusive<usize> = Class::Small.bytes()..=Class::Medium.bytes();
const CHUNK_BYTES_MAX: usize = CHUNK_HEAD_BYTES_MAX + CRLF.len() + LAST_CHUNK.len();

/// How far a body has come.
pub(super) struct Inflow {
    /// Its framing.
    pub(super) body: RequestBody,
    /// Octets taken and not yet given back to the peer's window.
    pub(super) uncredited: u32,
    /// Nothing more comes, or is wanted.
    pub(super) is_over: bool,
}

impl Inflow {
    /// Waits for more; what was taken before is through by now.
    pub(super) fn poll(
        &mut self,
        codec: &Codec,
        id: u32,
        waker: Option<&Waker>,
    ) -> Poll<Result<(), Closed>> {
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        let uncredited = std::mem::take(&mut self.uncredited);
        let arrival: Poll<Result<Arrival, Closed>> = codec.with(|connection| {
            if uncredited > 0 {
                connection.credit(id, uncredited);
            }
            connection.poll_arrival(id, waker)
        });
        arrival.map_ok(drop)
    }

    /// Appends what is there and fits.
    ///
    /// # Errors
    /// The peer's fault: the body has another length than its head said.
    pub(super) fn take(
        &mut self,
        connection: &mut Connection,
        id: u32,
        buffer: &mut Buffer,
    ) -> Result<Taken, RequestBodyError> {
        if self.is_over {
            return Ok(Taken::All);
        }
        let most = buffer.spare().saturating_sub(CHUNK_BYTES_MAX);
        let most = most.clamp(*TAKEN_BYTES.start(), *TAKEN_BYTES.end());
        let out = buffer.as_vec();
        let unread = connection.unread(id);
        let count = unread.len().min(most);
        let is_last = count == unread.len() && connection.is_received(id);
        self.body.put_data(unread.get(..count).unwrap_or_default(), out)?;
        self.uncredited = self.uncredited.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        connection.consume(id, count);
        if !is_last {
            return Ok(Taken::Part);
        }
        let trailers = connection.take_trailers(id);
        self.body.put_end_with(trailers.as_deref(), out)?;
        self.is_over = true;
        // Nobody reads on, and what is held here is bounded by the number of streams.
        connection.credit(id, std::mem::take(&mut self.uncredited));
        Ok(Taken::All)
    }

    /// The same if all that is there fits with room to spare; for what comes right behind a head.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn take_along(
        &mut self,
        connection: &mut Connection,
        id: u32,
        buffer: &mut Buffer,
    ) -> Result<Taken, RequestBodyError> {
        let unread = connection.unread(id).len();
        let is_here = unread > 0 || connection.is_received(id);
        // Trailers wait for the next turn: their size is not known here.
        let fits = unread + CHUNK_BYTES_MAX <= buffer.spare() && !connection.has_trailers(id);
        if is_here && fits { self.take(connection, id, buffer) } else { Ok(Taken::Part) }
    }
}

/// The error of a stream that is over.
pub(super) fn closed(error: Closed) -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, error)
}
