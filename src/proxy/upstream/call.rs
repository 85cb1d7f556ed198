//! One request to an endpoint, whoever asks: sent, and answered by a head and a body in pieces.
//!
//! ```text
//! send head (+ whole body) ─▶ await head ─▶ 1xx: told, again
//!   └ transfer of the body beside it ─▶      101, final: Reply ─▶ pieces of body
//! ```

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use crate::http1::error::ResponseError;
use crate::http1::head::{
    HeadScan, RequestKind, ResponseHead, check_partial_response, parse_response,
};
use crate::limits::INFORMATIONAL_RESPONSES_MAX;
use crate::proxy::rt::Side;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{Deadline, Expiry};
use crate::proxy::rt::pipe::Pipes;
use crate::proxy::transport::Transport;
use crate::proxy::transport::way::{Flow, Passage, Way};
use crate::proxy::upstream::endpoint::Endpoint;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::request_body::End;
use crate::proxy::upstream::until::Until;
use crate::publish::process_nanos;
use crate::telemetry;

/// Whom to ask, and under which terms.
pub struct Call<'a> {
    /// Who is asked.
    pub endpoint: &'a Endpoint,
    /// An open connection to it.
    pub stream: &'a Transport,
    /// How long it may take.
    pub until: &'a Until,
    /// What the end of the response depends on.
    pub kind: RequestKind,
    /// Whether 101 is an answer.
    pub is_upgrade: bool,
    /// Octets of the body are written as soon as the head is.
    pub is_body_here: bool,
    /// Deadline of the connection of who wants to know; the wait ends with that one.
    pub asker: Option<&'a Deadline>,
    /// Process clock when this try began.
    pub started: u64,
}

/// Why there is no answer.
pub enum Unanswered {
    /// The endpoint gave none.
    Failed(Failure),
    /// Who asked is gone.
    Left,
    /// The body of the request failed, so that the endpoint never gets the whole of it.
    Body(End),
}

/// An answer whose head is here, and what comes behind it. While it is read, the rest of the
/// request's body is sent.
pub struct Reply<'a> {
    /// Octets behind the head that were read with it.
    pub octets: Buffer,
    /// The transfer of the request's body.
    pub sending: Side<'a, End>,
    /// From the begin of the attempt until the head of the answer was there.
    pub latency: Duration,
    call: Call<'a>,
}

/// What a read found.
pub enum Read {
    /// Octets.
    Octets,
    /// The endpoint closed its side.
    Closed,
    /// The connection failed, or there was no octet in time: what ends by the close has not ended.
    Broken(io::Error),
    /// The transfer of the request's body failed.
    BodyFailed,
}

impl<'a> Reply<'a> {
    /// That to a call which was not made yet; `sending` is what sends the rest of its body.
    pub const fn to(call: Call<'a>, sending: Side<'a, End>) -> Self {
        Self { octets: Buffer::unallocated(), sending, latency: Duration::ZERO, call }
    }

    /// Makes the call: sends `octets`, which begin with the head of the request, then, beside all
    /// that follows, the rest of its body. Reads until the answer is parsed into `head`; `inform`
    /// gets informational responses before it.
    ///
    /// # Errors
    /// Nothing of an answer may be used.
    pub async fn call(
        &mut self,
        mut octets: Buffer,
        head: &mut ResponseHead,
        inform: impl AsyncFnMut(&ResponseHead, &[u8]),
    ) -> Result<(), Unanswered> {
        let stream = self.call.stream;
        let offered = octets.len();
        stream.write_deadline().arm(self.call.until.send, Expiry::CloseBoth);
        if self.call.is_body_here
            && let Ok(count) = stream.try_write_ahead(octets.unread())
        {
            octets.consume(count);
        }
        let (sent, octets) = stream.write_all(octets).await;
        stream.write_deadline().disarm();
        let is_untouched = octets.len() == offered;
        // Given back now, so that one buffer less is held while the endpoint thinks.
        drop(octets);
        if let Err(error) = &sent
            && is_untouched
        {
            return Err(self.failed(Failure::NothingSent, error));
        }
        if sent.is_err() {
            // An endpoint that broke off while it was sent to may have answered before; that is
            // read.
            self.sending.stop();
        }
        if !self.sending.is_running() {
            self.call.endpoint.asked();
        }
        self.octets = Buffer::new(Class::Medium);
        self.await_head(head, inform).await?;
        self.latency = Duration::from_nanos(process_nanos().saturating_sub(self.call.started));
        self.call.endpoint.succeeded(self.latency);
        Ok(())
    }

    async fn await_head(
        &mut self,
        head: &mut ResponseHead,
        mut inform: impl AsyncFnMut(&ResponseHead, &[u8]),
    ) -> Result<(), Unanswered> {
        let mut scan = HeadScan::default();
        let mut informational = 0;
        loop {
            let Some(end) = scan.find_end(self.octets.unread()) else {
                if let Err(error) = check_partial_response(self.octets.unread()) {
                    return Err(self.malformed(&error));
                }
                self.await_octets(informational).await?;
                continue;
            };
            if let Err(error) = parse_response(self.octets.unread(), end, self.call.kind, head) {
                return Err(self.malformed(&error));
            }
            match head.status {
                101 if !self.call.is_upgrade || head.switches_to_http(self.octets.unread()) => {
                    return Err(self.failed(Failure::Malformed, &"it switches unasked"));
                }
                100 | 102..=199 => {
                    informational += 1;
                    if informational > INFORMATIONAL_RESPONSES_MAX {
                        return Err(self.failed(Failure::Malformed, &"1xx without end"));
                    }
                    inform(head, self.octets.unread()).await;
                    self.octets.consume(end);
                    scan = HeadScan::default();
                }
                _ => return Ok(()),
            }
        }
    }

    /// More of a head, behind so many informational ones.
    async fn await_octets(&mut self, informational: u32) -> Result<(), Unanswered> {
        let mut octets = std::mem::replace(&mut self.octets, Buffer::unallocated());
        let read = self.read(&mut octets, Flow::Waiting).await;
        self.octets = octets;
        let is_begun = informational > 0 || !self.octets.is_empty();
        let failure = if is_begun { Failure::Truncated } else { Failure::NoResponse };
        match read {
            Read::Octets => Ok(()),
            Read::Closed => Err(self.failed(failure, &"it closed the connection")),
            Read::Broken(error) => Err(self.failed(failure, &error)),
            Read::BodyFailed => Err(match self.sending.take_end() {
                Some(end) => Unanswered::Body(end),
                None => Unanswered::Left,
            }),
        }
    }

    /// Appends to `buffer` what the endpoint sent already; `None`: nothing.
    pub fn read_here(&mut self, buffer: &mut Buffer) -> Option<Read> {
        make_room(buffer);
        match self.call.stream.try_read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            result => Some(self.found(result)),
        }
    }

    /// Appends to `buffer` what the endpoint sends next, within the time that it has for it.
    pub async fn read(&mut self, buffer: &mut Buffer, flow: Flow) -> Read {
        make_room(buffer);
        let stream = self.call.stream;
        let owned = std::mem::replace(buffer, Buffer::unallocated());
        // PERF: pinned here, as each of those that it is handed to would move it.
        let read = pin!(async {
            let mut owned = owned;
            if Way::of(flow, 0) == Way::Direct {
                match stream.try_read(&mut owned) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The kernel tells an error once only, so it is not asked again.
                    result => return (result, owned),
                }
            }
            stream.read(owned).await
        });
        let Some((result, owned)) = self.awaited(read).await else { return Read::BodyFailed };
        *buffer = owned;
        self.found(result)
    }

    /// The way to `to` for the `run` octets of the body that come next, without their being seen.
    pub fn passage<'t>(
        &self,
        to: &'t Transport,
        run: u64,
        pipes: &'t Rc<Pipes>,
    ) -> Option<Passage<'t>>
    where
        'a: 't,
    {
        Passage::open(self.call.stream, to, run, pipes)
    }

    /// Takes what the endpoint sent already, at most `most` octets; `None`: nothing.
    pub fn take_here(&self, passage: &mut Passage<'_>, most: u64) -> Option<Read> {
        match passage.take(most) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            result => Some(self.found(result)),
        }
    }

    /// Waits for more, within the time that the endpoint has for it. [`Read::Octets`]: or for its
    /// end.
    pub async fn await_more(&mut self, passage: &mut Passage<'_>) -> Read {
        match self.awaited(passage.readable()).await {
            Some(Ok(())) => Read::Octets,
            Some(Err(error)) => Read::Broken(error),
            None => Read::BodyFailed,
        }
    }

    /// Runs `read` within the time that the endpoint has for it; `None`: the transfer of the
    /// request's body failed.
    async fn awaited<T>(&mut self, read: impl Future<Output = T>) -> Option<T> {
        let deadline = self.call.stream.deadline();
        if !self.sending.is_running() {
            // Anew for each piece: one that stops half-way would be waited for without end.
            deadline.arm(self.call.until.wait(), Expiry::CloseBoth);
            if let Some(asker) = self.call.asker {
                asker.watch_peer_for(deadline);
            }
        }
        let read = self.sending.alongside(read, End::is_fatal).await?;
        if !self.sending.is_running() {
            // What is done with the octets is not the endpoint's time.
            deadline.disarm();
        }
        Some(read)
    }

    fn found(&self, result: io::Result<usize>) -> Read {
        match result {
            Ok(1..) => Read::Octets,
            Ok(_) if self.is_given_up() => Read::Broken(ErrorKind::TimedOut.into()),
            Ok(_) => Read::Closed,
            Err(error) => Read::Broken(error),
        }
    }

    /// Whether it was this side that ended the connection.
    fn is_given_up(&self) -> bool {
        self.call.stream.deadline().is_expired()
            || self.call.asker.is_some_and(Deadline::is_peer_gone)
    }

    fn malformed(&self, error: &ResponseError) -> Unanswered {
        self.failed(Failure::Malformed, error)
    }

    /// The endpoint failed: by its own fault, or because somebody's patience was over.
    pub fn failed(&self, failure: Failure, cause: &dyn Display) -> Unanswered {
        match self.blame(failure, cause) {
            Some(failure) => Unanswered::Failed(failure),
            None => Unanswered::Left,
        }
    }

    /// What became of the endpoint's part, when it looks like `failure`; `None`: who asked left, so
    /// that nobody failed.
    pub fn blame(&self, failure: Failure, cause: &dyn Display) -> Option<Failure> {
        if self.call.asker.is_some_and(Deadline::is_peer_gone) {
            return None;
        }
        let stream = self.call.stream;
        let is_late = stream.deadline().is_expired() || stream.write_deadline().is_expired();
        let failure = match failure {
            _ if stream.is_refused() => Failure::Refused,
            _ if is_late => Failure::Timeout,
            failure => failure,
        };
        telemetry::blame::endpoint_failed(self.call.endpoint.address, failure.label(), cause);
        Some(failure)
    }
}

fn make_room(buffer: &mut Buffer) {
    if buffer.spare() == 0 {
        buffer.compact();
    }
    if buffer.spare() == 0 {
        buffer.grow(Class::Large);
    }
}
