//! A request body on its way from client to endpoint, beside whatever the endpoint answers.
//!
//! Constant memory: one buffer, read only after what it held was taken by the upstream.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::framing::BodyLength;
use crate::http1::reframe::{Framing, Trailers};
use crate::limits::CONTINUE_TIMEOUT;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::rt::{self, Signal};
use crate::proxy::transport::Transport;
use crate::proxy::transport::frame::{HEADROOM, frame};
use crate::proxy::upstream::body_copy::BodyCopy;
use crate::proxy::upstream::endpoint::Endpoint;
use crate::proxy::upstream::until::Until;

/// How the transfer ended.
pub enum End {
    /// The upstream took all; the octets behind the body belong to the next request.
    Done(Option<Buffer>),
    /// The client closed or broke off within the body.
    ClientGone,
    /// The client was silent for too long.
    ClientTimeout,
    /// The body breaks the protocol.
    Malformed,
    /// The body is longer than allowed.
    TooLarge,
    /// The upstream takes no more; it may have answered already.
    UpstreamGone,
}

impl End {
    /// Whether the exchange cannot go on, whatever the upstream says.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Done(_) | Self::UpstreamGone)
    }
}

/// State that the exchange shares with a transfer that runs beside it.
#[derive(Default)]
pub struct Progress {
    /// Octets were read from the client since the head: the request cannot be repeated.
    pub has_read: Cell<bool>,
    /// Octets of the body so far.
    pub octets: Cell<u64>,
    /// The upstream said `100 Continue`.
    pub is_continued: Signal,
    /// Keeps the body for somebody else.
    pub copy: Option<Rc<BodyCopy>>,
}

/// A transfer about to begin.
pub struct Transfer<'a> {
    /// From.
    pub downstream: &'a Transport,
    /// To.
    pub upstream: &'a Transport,
    /// Whose connection that is.
    pub endpoint: &'a Endpoint,
    /// What came with the head.
    pub initial: &'a [u8],
    /// Framing on both sides.
    pub length: BodyLength,
    /// Whether what stands behind the body goes on.
    pub trailers: Trailers,
    /// Longest body; `None`: any.
    pub bytes_max: Option<u64>,
    /// The client waits for `100 Continue`.
    pub is_expecting: bool,
    /// Between two reads from the client.
    pub read_timeout: Duration,
    /// Of the upstream: between two writes, and for its answer once all is sent.
    pub until: &'a Until,
    /// Shared with the exchange.
    pub progress: &'a Progress,
}

impl Transfer<'_> {
    /// Runs to the end.
    pub async fn run(self) -> End {
        if self.is_expecting {
            self.wait_for_permission().await;
            if !self.progress.is_continued.is_raised() {
                return End::ClientGone;
            }
        }
        let end = self.relay().await;
        if matches!(end, End::Done(_) | End::UpstreamGone) {
            self.endpoint.asked();
            self.upstream.deadline().arm(self.until.wait(), Expiry::CloseBoth);
            self.downstream.deadline().watch_peer_for(self.upstream.deadline());
        }
        end
    }

    /// RFC 9110 section 10.1.1: the upstream gives it, or enough time passes and we do, because it
    /// may not know the mechanism.
    async fn wait_for_permission(&self) {
        let time = rt::sleep(CONTINUE_TIMEOUT);
        rt::either(self.progress.is_continued.raised(), time).await;
        if !self.progress.is_continued.is_raised() {
            // A client that leaves no room for these octets does not read what it asked for.
            let permission = b"HTTP/1.1 100 Continue\r\n\r\n";
            let sent = self.downstream.try_write(permission);
            if sent.is_ok_and(|count| count == permission.len()) {
                self.progress.is_continued.raise();
            }
        }
    }

    async fn relay(&self) -> End {
        // An earlier attempt may have counted the same octets.
        self.progress.octets.set(0);
        if let Some(copy) = &self.progress.copy {
            copy.begin();
        }
        let mut decoder = BodyDecoder::new(self.length, Sender::Client);
        let framing = Framing::of_request(self.length);
        let mut buffer = self.first_buffer();
        loop {
            let Ok(decoded) = decoder.decode(buffer.unread_mut()) else { return End::Malformed };
            if !self.count(decoded.body) {
                return End::TooLarge;
            }
            let is_done = decoder.is_done();
            if let Some(copy) = &self.progress.copy {
                copy.add(buffer.unread().get(..decoded.body).unwrap_or_default());
                if is_done {
                    copy.end();
                }
            }
            let next = if is_done { rest(&buffer, decoded.consumed) } else { None };
            buffer.truncate(decoded.body);
            let trailers = || match self.trailers {
                Trailers::Kept => decoder.trailers(),
                Trailers::Dropped => &[],
            };
            frame(&mut buffer, framing, is_done.then(trailers));
            if !buffer.is_empty() {
                let send_timeout = self.until.send;
                self.upstream.write_deadline().arm(send_timeout, Expiry::CloseBoth);
                self.watch_client();
                let (result, back) = self.upstream.write_all(buffer).await;
                self.upstream.write_deadline().disarm();
                buffer = back;
                if result.is_err() {
                    let is_alone = self.downstream.deadline().is_peer_gone();
                    return if is_alone { End::ClientGone } else { End::UpstreamGone };
                }
            }
            if is_done {
                return End::Done(next);
            }
            buffer.clear();
            if buffer.spare() == 0 {
                // Kept by an HTTP/2 stream until it is sent.
                buffer = Buffer::with_headroom(Class::Medium, HEADROOM);
            } else {
                buffer.reset_headroom(HEADROOM);
            }
            if let Some(end) = self.read(&mut buffer).await {
                return end;
            }
        }
    }

    /// An upstream that takes nothing is not waited for without a client. Not asked over TLS, where
    /// the end of a client that sent all and closed its side is seen before its last octets.
    fn watch_client(&self) {
        if !matches!(self.downstream, Transport::Tls(_)) {
            self.downstream.deadline().watch_peer_for(self.upstream.deadline());
        }
    }

    fn first_buffer(&self) -> Buffer {
        let is_small = self.initial.len() + HEADROOM <= Class::Medium.bytes();
        let class = if is_small { Class::Medium } else { Class::Large };
        let mut buffer = Buffer::with_headroom(class, HEADROOM);
        buffer.as_vec().extend_from_slice(self.initial);
        buffer
    }

    fn count(&self, octets: usize) -> bool {
        let total = self.progress.octets.get().saturating_add(octets as u64);
        self.progress.octets.set(total);
        self.bytes_max.is_none_or(|most| total <= most)
    }

    async fn read(&self, buffer: &mut Buffer) -> Option<End> {
        let wait = self.read_timeout.min(self.until.left());
        self.downstream.deadline().arm(wait, Expiry::CloseRead);
        let result = self.downstream.read_when_ready(buffer).await;
        self.progress.has_read.set(true);
        match result {
            Ok(1..) => {
                self.downstream.deadline().disarm();
                None
            }
            _ if self.downstream.deadline().is_expired() => Some(End::ClientTimeout),
            _ => Some(End::ClientGone),
        }
    }
}

/// The octets behind the first `consumed`, in a buffer of their own.
fn rest(buffer: &Buffer, consumed: usize) -> Option<Buffer> {
    let behind = buffer.unread().get(consumed..).filter(|rest| !rest.is_empty())?;
    let class = if behind.len() <= Class::Small.bytes() { Class::Small } else { Class::Large };
    let mut next = Buffer::new(class);
    next.as_vec().extend_from_slice(behind);
    Some(next)
}
