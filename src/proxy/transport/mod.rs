//! What a message is read from and written to: a socket, TLS over it, or a stream of an HTTP/2
//! connection, all with the manners of [`Stream`].
//!
//! The octets are always those of HTTP/1.1 or of what a client switched to. So whatever is decided
//! about messages is decided once, above this.

pub mod frame;
pub mod http2_codec;
pub mod http2_downstream;
mod http2_ends;
mod http2_inflow;
pub mod http2_slot;
pub mod http2_upstream;
pub mod tls;
pub mod way;

use std::io;

use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::Deadline;
use crate::proxy::rt::{Peek, Stream};
use crate::proxy::transport::http2_downstream::Http2Downstream;
use crate::proxy::transport::http2_upstream::Http2Upstream;
use crate::proxy::transport::tls::TlsStream;

/// Whether a peer can tell by the octets alone that a message did not reach its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By its length, or by the last chunk: an ordinary close says the rest.
    Told,
    /// The close is the end, so it has to look like a failure.
    Untold,
}

/// A connection, or what behaves like one. At most one read and one write may be under way.
pub enum Transport {
    /// The socket itself. PERF: on its own, as what is handed from one to the next is moved.
    Plain(Box<Stream>),
    /// TLS.
    Tls(Box<TlsStream>),
    /// One stream of a client's HTTP/2 connection.
    Http2Downstream(Box<Http2Downstream>),
    /// One stream towards a backend.
    Http2Upstream(Box<Http2Upstream>),
}

impl From<Stream> for Transport {
    fn from(stream: Stream) -> Self {
        Self::Plain(Box::new(stream))
    }
}

impl Transport {
    /// See [`Stream::deadline`].
    pub fn deadline(&self) -> &Deadline {
        match self {
            Self::Plain(stream) => stream.deadline(),
            Self::Tls(tls) => tls.socket().deadline(),
            Self::Http2Downstream(stream) => stream.deadline(),
            Self::Http2Upstream(stream) => stream.deadline(),
        }
    }

    /// See [`Stream::write_deadline`].
    pub fn write_deadline(&self) -> &Deadline {
        match self {
            Self::Plain(stream) => stream.write_deadline(),
            Self::Tls(tls) => tls.socket().write_deadline(),
            Self::Http2Downstream(stream) => stream.write_deadline(),
            Self::Http2Upstream(stream) => stream.write_deadline(),
        }
    }

    /// See [`Stream::readable`].
    ///
    /// # Errors
    /// The connection failed.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.readable().await,
            Self::Tls(tls) => tls.readable().await,
            Self::Http2Downstream(stream) => stream.readable().await,
            Self::Http2Upstream(stream) => stream.readable().await,
        }
    }

    /// See [`Stream::try_read`].
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. `UnexpectedEof`: TLS was cut off.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_read(buffer),
            Self::Tls(tls) => tls.try_read(buffer),
            Self::Http2Downstream(stream) => stream.try_read(buffer),
            Self::Http2Upstream(stream) => stream.try_read(buffer),
        }
    }

    /// See [`Stream::read_when_ready`].
    ///
    /// # Errors
    /// The connection failed.
    pub async fn read_when_ready(&self, buffer: &mut Buffer) -> io::Result<usize> {
        loop {
            self.readable().await?;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads what comes next; while nothing is there, holds no more memory than what came before
    /// needs.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn read_sparingly(&self, buffer: &mut Buffer) -> io::Result<usize> {
        loop {
            buffer.make_room();
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    buffer.shrink();
                    self.readable().await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// See [`Stream::read`].
    pub async fn read(&self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(tls) => tls.read(buffer).await,
            Self::Http2Downstream(_) | Self::Http2Upstream(_) => {
                let mut buffer = buffer;
                (self.read_when_ready(&mut buffer).await, buffer)
            }
        }
    }

    /// Writes `bytes` if that is possible at once.
    ///
    /// # Errors
    /// `WouldBlock`: it is not.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Tls(tls) => tls.try_write(bytes),
            Self::Http2Downstream(stream) => stream.try_write(bytes),
            Self::Http2Upstream(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// See [`Stream::try_write_ahead`].
    ///
    /// # Errors
    /// As there; `WouldBlock`, where octets do not wait for others.
    pub fn try_write_ahead(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write_ahead(bytes),
            Self::Tls(_) | Self::Http2Downstream(_) | Self::Http2Upstream(_) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// See [`Stream::write_all`].
    pub async fn write_all(&self, buffer: Buffer) -> (io::Result<()>, Buffer) {
        match self {
            Self::Plain(stream) => stream.write_all(buffer).await,
            Self::Tls(tls) => tls.write_all(buffer).await,
            Self::Http2Downstream(stream) => stream.write_all(buffer).await,
            Self::Http2Upstream(stream) => stream.write_all(buffer).await,
        }
    }

    /// See [`Stream::peek`].
    #[must_use]
    pub fn peek(&self) -> Peek {
        match self {
            Self::Plain(stream) => stream.peek(),
            Self::Tls(tls) => tls.peek(),
            Self::Http2Downstream(_) | Self::Http2Upstream(_) => Peek::Silent,
        }
    }

    /// See [`Stream::peek_idle`].
    #[must_use]
    pub fn peek_idle(&self) -> Peek {
        match self {
            Self::Plain(stream) => stream.peek_idle(),
            Self::Tls(_) | Self::Http2Downstream(_) | Self::Http2Upstream(_) => self.peek(),
        }
    }

    /// Tells the peer that nothing more comes.
    pub fn close_write(&self) {
        match self {
            Self::Plain(stream) => stream.close_write(),
            Self::Tls(tls) => tls.close_write(),
            Self::Http2Downstream(stream) => stream.close_write(),
            // The end of a request is in its framing.
            Self::Http2Upstream(_) => {}
        }
    }

    /// Says goodbye where the protocol has a word for it; the caller drops the connection then.
    pub fn finish(&self) {
        match self {
            Self::Plain(_) | Self::Http2Upstream(_) => {}
            Self::Tls(tls) => tls.finish(),
            Self::Http2Downstream(stream) => stream.close_write(),
        }
    }

    /// Whether the peer said that it did nothing with the request, so that it may be repeated.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::Http2Downstream(_) => false,
            Self::Http2Upstream(stream) => stream.is_refused(),
        }
    }

    /// Whether the client gave the request up, where that is known without asking the kernel.
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::Http2Upstream(_) => false,
            Self::Http2Downstream(stream) => stream.is_given_up(),
        }
    }

    /// Whether the peer's protocol has a place for trailers, so that it need not ask for them.
    #[must_use]
    pub const fn has_place_for_trailers(&self) -> bool {
        matches!(self, Self::Http2Downstream(_) | Self::Http2Upstream(_))
    }

    /// Whether the connection can carry another message when this one is over. A stream cannot:
    /// what it runs over is shared.
    #[must_use]
    pub const fn outlives_message(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Tls(_))
    }

    /// Ends both directions; whatever waits on them ends.
    pub fn shutdown_both(&self) {
        match self {
            Self::Plain(stream) => stream.shutdown_both(),
            Self::Tls(tls) => tls.socket().shutdown_both(),
            Self::Http2Downstream(stream) => stream.reset(),
            Self::Http2Upstream(stream) => stream.reset(),
        }
    }

    /// A message of ours ends before its end; the caller closes the connection then.
    pub fn break_off(&self, end: Ending) {
        match (self, end) {
            (Self::Plain(_) | Self::Tls(_), Ending::Told) => {}
            (Self::Plain(stream), Ending::Untold) => stream.reset_on_close(),
            (Self::Tls(tls), Ending::Untold) => tls.say_no_goodbye(),
            (Self::Http2Downstream(stream), _) => stream.reset(),
            (Self::Http2Upstream(stream), _) => stream.reset(),
        }
    }

    /// Makes the end look like a failure, so that the peer cannot take what it got for the whole.
    pub fn reset_on_close(&self) {
        match self {
            Self::Plain(stream) => stream.reset_on_close(),
            Self::Tls(tls) => tls.reset_on_close(),
            Self::Http2Downstream(stream) => stream.reset(),
            Self::Http2Upstream(stream) => stream.reset(),
        }
    }
}
