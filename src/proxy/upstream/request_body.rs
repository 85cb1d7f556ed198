//! A request body on its way from client to endpoint, beside whatever the endpoint answers.
//!
//! Constant memory: one buffer, read only after what it held was taken by the upstream.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::framing::BodyLength;
use crate::http1::reframe::{Framing, Trailers};
use crate::limits::CONTINUE_TIMEOUT;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::rt::pipe::Pipes;
use crate::proxy::rt::{self, Signal};
use crate::proxy::transport::Transport;
use crate::proxy::transport::frame::{HEADROOM, frame};
use crate::proxy::transport::way::Passage;
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
    /// What long bodies go through.
    pub pipes: &'a Rc<Pipes>,
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
        let end = match self.relay().await {
            Ok(next) => End::Done(next),
            Err(end) => end,
        };
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

    /// Gives the octets behind the body.
    async fn relay(&self) -> Result<Option<Buffer>, End> {
        // An earlier attempt may have counted the same octets.
        self.progress.octets.set(0);
        if let Some(copy) = &self.progress.copy {
            copy.begin();
        }
        let mut decoder = BodyDecoder::new(self.length, Sender::Client);
        let framing = Framing::of_request(self.length);
        let mut buffer = self.first_buffer();
        loop {
            let decoded = decoder.decode(buffer.unread_mut()).map_err(|_error| End::Malformed)?;
            self.count(decoded.body as u64)?;
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
            if let Some(passage) = self.passage(&decoder) {
                // PERF: in memory of its own, so that others do not carry it.
                Box::pin(self.splice(&mut decoder, framing, buffer, passage)).await?;
                if decoder.is_done() {
                    return Ok(None);
                }
                buffer = Buffer::with_headroom(Class::Medium, HEADROOM);
            } else {
                buffer = self.write(buffer).await?;
                if is_done {
                    return Ok(next);
                }
            }
            buffer.clear();
            if buffer.spare() == 0 {
                // Kept by an HTTP/2 stream until it is sent.
                buffer = Buffer::with_headroom(Class::Medium, HEADROOM);
            } else {
                buffer.reset_headroom(HEADROOM);
            }
            self.read(&mut buffer).await?;
        }
    }

    /// The way around us for the octets that come next, if nobody keeps them.
    fn passage(&self, decoder: &BodyDecoder) -> Option<Passage<'_>> {
        if self.progress.copy.is_some() {
            return None;
        }
        Passage::open(self.downstream, self.upstream, decoder.run(), self.pipes)
    }

    /// Sends `first`, then the run of octets that comes next as the kernel moves them, as long as
    /// there is a pipe.
    async fn splice(
        &self,
        decoder: &mut BodyDecoder,
        framing: Framing,
        mut first: Buffer,
        mut passage: Passage<'_>,
    ) -> Result<(), End> {
        while decoder.run() > 0 && passage.is_open() {
            let mut taken = passage.take(decoder.run());
            if is_nothing(&taken) {
                // What is known goes before a wait.
                self.write(std::mem::replace(&mut first, Buffer::unallocated())).await?;
                self.await_client();
                match passage.readable().await {
                    Ok(()) => continue,
                    Err(error) => taken = Err(error),
                }
            }
            self.took(&taken)?;
            let octets = passage.held();
            self.count(decoder.skip(octets as u64))?;
            let mut ahead = std::mem::replace(&mut first, Buffer::unallocated());
            ahead.as_vec().extend_from_slice(framing.before(octets).as_bytes());
            if let Ok(count) = self.upstream.try_write_ahead(ahead.unread()) {
                ahead.consume(count);
            }
            self.write(ahead).await?;
            self.watch_client();
            passage.give(self.until.send).await.map_err(|_error| self.refused())?;
            let mut behind = Buffer::unallocated();
            framing.put_behind(behind.as_vec(), octets, None);
            self.write(behind).await?;
        }
        Ok(())
    }

    /// Sends what is in `buffer`, if anything is.
    async fn write(&self, buffer: Buffer) -> Result<Buffer, End> {
        if buffer.is_empty() {
            return Ok(buffer);
        }
        self.upstream.write_deadline().arm(self.until.send, Expiry::CloseBoth);
        self.watch_client();
        let (result, buffer) = self.upstream.write_all(buffer).await;
        self.upstream.write_deadline().disarm();
        result.map_err(|_error| self.refused()).map(|()| buffer)
    }

    /// Why nothing more was taken.
    fn refused(&self) -> End {
        let is_alone = self.downstream.deadline().is_peer_gone();
        if is_alone { End::ClientGone } else { End::UpstreamGone }
    }

    /// An upstream that takes nothing is not waited for without a client. Not asked over TLS, where
    /// the end of a client that sent all and closed its side is seen before its last octets.
    fn watch_client(&self) {
        let deadline = self.downstream.deadline();
        // That it was found gone while others had their turn is not to be forgotten.
        if !matches!(self.downstream, Transport::Tls(_)) && !deadline.is_peer_gone() {
            deadline.watch_peer_for(self.upstream.deadline());
        }
    }

    fn first_buffer(&self) -> Buffer {
        let is_small = self.initial.len() + HEADROOM <= Class::Medium.bytes();
        let class = if is_small { Class::Medium } else { Class::Large };
        let mut buffer = Buffer::with_headroom(class, HEADROOM);
        buffer.as_vec().extend_from_slice(self.initial);
        buffer
    }

    fn count(&self, octets: u64) -> Result<(), End> {
        let total = self.progress.octets.get().saturating_add(octets);
        self.progress.octets.set(total);
        if self.bytes_max.is_none_or(|most| total <= most) { Ok(()) } else { Err(End::TooLarge) }
    }

    async fn read(&self, buffer: &mut Buffer) -> Result<(), End> {
        self.await_client();
        let result = self.downstream.read_when_ready(buffer).await;
        self.took(&result)
    }

    fn await_client(&self) {
        let wait = self.read_timeout.min(self.until.left());
        self.downstream.deadline().arm(wait, Expiry::CloseRead);
    }

    /// Looks at what came of taking octets from the client.
    fn took(&self, result: &io::Result<usize>) -> Result<(), End> {
        self.progress.has_read.set(true);
        match result {
            Ok(1..) => {
                self.downstream.deadline().disarm();
                Ok(())
            }
            _ if self.downstream.deadline().is_expired() => Err(End::ClientTimeout),
            _ => Err(End::ClientGone),
        }
    }
}

fn is_nothing(taken: &io::Result<usize>) -> bool {
    taken.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The octets behind the first `consumed`, in a buffer of their own.
fn rest(buffer: &Buffer, consumed: usize) -> Option<Buffer> {
    let behind = buffer.unread().get(consumed..).filter(|rest| !rest.is_empty())?;
    let class = if behind.len() <= Class::Small.bytes() { Class::Small } else { Class::Large };
    let mut next = Buffer::new(class);
    next.as_vec().extend_from_slice(behind);
    Some(next)
}
