//! One request under way: what all its steps see.

use std::rc::Rc;

use crate::http1::framing::BodyLength;
use crate::http1::head::{RequestHead, Version};
use crate::limits::WHOLE_BODY_BYTES_MAX;
use crate::proxy::core::{Core, Scratch};
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Persistence;
use crate::proxy::rt::Peek;
use crate::proxy::transport::Transport;
use crate::proxy::upstream::backend::Backend;
use crate::table::SeriesId;

/// What of an exchange metrics and access log get to know.
#[derive(Default)]
pub struct Tally {
    /// Status sent; 0: none.
    pub status: u16,
    /// Body octets sent to the client.
    pub response_bytes: u64,
    /// Body octets received from the client.
    pub request_bytes: u64,
    /// Counts the request.
    pub series: Option<SeriesId>,
    /// The chosen backend.
    pub backend: Option<Rc<Backend>>,
    /// Process clock when the response was through; 0: not yet.
    pub finished: u64,
    /// A load balancer's question: counted, not logged.
    pub is_probe: bool,
}

/// One request under way.
pub struct Exchange<'a> {
    /// The core.
    pub core: &'a Rc<Core>,
    /// The client.
    pub downstream: &'a Downstream,
    /// The head and what came with it.
    pub bytes: &'a [u8],
    /// Parsed heads and other memory.
    pub scratch: &'a mut Scratch,
    /// What is recorded.
    pub tally: Tally,
    /// The connection ends after this request whatever happens.
    pub is_last: bool,
    /// Value of `Strict-Transport-Security`, if there is to be one.
    pub hsts: Option<&'a str>,
}

impl Exchange<'_> {
    /// The request.
    pub(super) fn head(&self) -> &RequestHead {
        &self.scratch.request
    }

    /// Octets of the body that came with the head, and whether they are the whole of it.
    pub fn whole_body(&self) -> Option<usize> {
        let head = self.head();
        let here = self.bytes.len().saturating_sub(head.head_bytes);
        match head.body {
            BodyLength::None => Some(0),
            BodyLength::Known(length) if length <= WHOLE_BODY_BYTES_MAX as u64 => {
                usize::try_from(length).ok().filter(|&length| length <= here)
            }
            _ => None,
        }
    }

    /// The body, if the whole of it came with the head and is short enough to be kept.
    pub fn whole_body_octets(&self) -> Option<&[u8]> {
        let octets = self.whole_body()?;
        let from = self.head().head_bytes;
        self.bytes.get(from..from.checked_add(octets)?)
    }

    /// How to end the connection: octets that nobody reads would turn the close into a reset, which
    /// may destroy the response on its way.
    pub fn close(&self) -> End {
        if self.downstream.stream.peek() == Peek::Data { End::Linger } else { End::Close }
    }

    /// Whether the connection ends with the response that is written now.
    pub fn ends_connection(&self) -> bool {
        self.is_last || self.core.is_draining.get()
    }

    /// Whether the client can take trailers: one of HTTP/1.1 says so, HTTP/2 has a place for them.
    pub fn accepts_trailers(&self) -> bool {
        self.head().accepts_trailers
            || matches!(self.downstream.stream, Transport::Http2Downstream(_))
    }

    /// How persistence is said to this client.
    pub fn keep(&self) -> Persistence {
        match self.head().version {
            Version::Http11 => Persistence::Keep,
            Version::Http10 => Persistence::KeepExplicitly,
        }
    }
}
