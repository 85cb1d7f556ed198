//! A question of our own to some endpoint of a backend, on behalf of a request: a head without a
//! body out, a small answer in.
//!
//! Which failure is followed by another try is decided as for requests of clients (`retry`).

use std::rc::Rc;
use std::time::Duration;

use crate::http1::body::{BodyDecoder, EndOfMessage, Sender};
use crate::http1::head::{RequestKind, ResponseHead};
use crate::limits::{ASKED_BODY_BYTES_MAX, ASKED_REST_TIMEOUT};
use crate::model::RetryCauses;
use crate::proxy::core::Core;
use crate::proxy::exchange::retry::{self, ConnectTime, Facts, Room, Wanted};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Deadline;
use crate::proxy::rt::{self, Side};
use crate::proxy::transport::way::Flow;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::call::{self, Call, Read, Unanswered};
use crate::proxy::upstream::dial;
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::{Channel, Freshness};
use crate::proxy::upstream::until::Until;
use crate::publish::process_nanos;
use crate::table::plan::Treatment;

/// A question, and whom to ask.
pub struct Question<'a> {
    /// The core.
    pub core: &'a Rc<Core>,
    /// Who is asked.
    pub backend: &'a Rc<Backend>,
    /// How often, and how long.
    pub treatment: &'a Treatment,
    /// The same, of one try.
    pub until: &'a Until,
    /// The head, and whatever body there is.
    pub head: &'a [u8],
    /// What the end of the answer depends on.
    pub kind: RequestKind,
    /// It may be repeated by definition.
    pub is_idempotent: bool,
    /// Deadline of the connection of who wants to know; the wait ends with that one.
    /// `None`: nobody waits.
    pub asker: Option<&'a Deadline>,
}

/// What of an answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// All of it, if it is not longer than [`ASKED_BODY_BYTES_MAX`].
    Kept,
    /// Nothing.
    Ignored,
}

/// An answer.
pub struct Answered {
    /// What the spans of the parsed head lie in.
    pub head: Vec<u8>,
    /// `None`: it was not wanted, did not come, or is too long.
    pub body: Option<Vec<u8>>,
    /// The trailer section behind a body that was wanted: whole lines.
    pub trailers: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswerable {
    /// The backend has no endpoints.
    NoEndpoints,
    /// The last try failed so.
    Failed(Failure),
    /// Who wanted to know is gone.
    Left,
}

impl Question<'_> {
    /// Asks until some endpoint answers or nothing is left to try. The answer is parsed into
    /// `head`; `wanted` says by its status what is done with the body.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn ask(
        &self,
        head: &mut ResponseHead,
        wanted: impl Fn(u16) -> Body,
    ) -> Result<Answered, Unanswerable> {
        let treatment = self.treatment;
        let mut connecting = ConnectTime::new(treatment.connect_timeout);
        let (mut tried, mut tries, mut next) = (Vec::new(), 0, Wanted::Any);
        loop {
            let picked = self.backend.pick(treatment.balance, &tried, &self.core.random);
            let lease = picked.ok_or(Unanswerable::NoEndpoints)?;
            tries += 1;
            let has_other = self.backend.has_other(lease.endpoint.address, &tried);
            let time = match has_other && tries < treatment.tries_max {
                true => connecting.share(),
                false => connecting.left(),
            };
            let dialled = process_nanos();
            let obtained = self.obtain(&lease, next, time).await;
            connecting.spend(since(dialled));
            let freshness = obtained.as_ref().map_or(Freshness::Fresh, |channel| channel.freshness);
            let mut facts = Facts {
                tries,
                tries_max: treatment.tries_max,
                causes: RetryCauses::DEFAULT,
                freshness,
                is_idempotent: self.is_idempotent,
                is_replayable: true,
            };
            let answered = match obtained {
                Ok(channel) => self.ask_over(&lease, channel, facts, head, &wanted).await,
                Err(failure) => Err(Unanswerable::Failed(failure)),
            };
            let failure = match answered {
                Err(Unanswerable::Failed(failure)) => failure,
                decided => return decided,
            };
            if failure.is_endpoint_fault(freshness) {
                lease.endpoint.failed();
                tried.push(lease.endpoint.address);
            }
            tries -= u32::from(retry::is_free(failure, freshness, next));
            facts.tries = tries;
            let is_in_time = self.until.may_repeat(Duration::ZERO);
            let room = Room { is_in_time, may_connect: connecting.is_left() };
            if !retry::may_repeat(failure, facts, room) {
                return Err(Unanswerable::Failed(failure));
            }
            if freshness == Freshness::Reused {
                next = Wanted::Fresh;
            }
        }
    }

    async fn obtain(
        &self,
        lease: &Lease,
        wanted: Wanted,
        time: Duration,
    ) -> Result<Channel, Failure> {
        let (upstreams, wire) = (&self.core.upstreams, self.backend.wire());
        if !wire.is_http2()
            && wanted == Wanted::Any
            && let Some(channel) = upstreams.checkout(&lease.endpoint)
        {
            return Ok(channel);
        }
        dial::open(upstreams, &lease.endpoint, &wire, time.min(self.until.left())).await
    }

    /// One try over `channel`, which goes to the pool or is closed.
    async fn ask_over(
        &self,
        lease: &Lease,
        mut channel: Channel,
        facts: Facts,
        head: &mut ResponseHead,
        wanted: &impl Fn(u16) -> Body,
    ) -> Result<Answered, Unanswerable> {
        let mut octets = Buffer::new(Class::Small);
        octets.as_vec().extend_from_slice(self.head);
        let call = Call {
            endpoint: &lease.endpoint,
            stream: &channel.stream,
            until: self.until,
            kind: self.kind,
            is_upgrade: false,
            is_body_here: false,
            asker: self.asker,
            started: process_nanos(),
        };
        let mut reply = call::Reply::to(call, Side::idle());
        reply.call(octets, head, async |_: &ResponseHead, _: &[u8]| {}).await.map_err(
            |unanswered| match unanswered {
                Unanswered::Failed(failure) => Unanswerable::Failed(failure),
                Unanswered::Left | Unanswered::Body(_) => Unanswerable::Left,
            },
        )?;
        if retry::is_farewell(head, facts) {
            return Err(Unanswerable::Failed(Failure::NoResponse));
        }
        let of_head = reply.octets.unread().get(..head.head_bytes).unwrap_or_default().to_vec();
        reply.octets.consume(head.head_bytes);
        let mut body = Vec::new();
        let wanted = wanted(head.status);
        let rest = read_rest(&mut reply, head, &mut body);
        let end = match wanted {
            Body::Kept => rest.await,
            // The decision is made; nobody waits for what nobody reads.
            Body::Ignored => rt::within(ASKED_REST_TIMEOUT, rest).await.flatten(),
        };
        drop(reply);
        let (is_whole, mut trailers) = (end.is_some(), Vec::new());
        if let Some(end) = end {
            lease.endpoint.completed();
            if wanted == Body::Kept {
                trailers.extend_from_slice(end.trailers());
            }
            if head.is_persistent {
                channel.keep_alive = head.keep_alive_timeout.map(|s| Duration::from_secs(s.into()));
                self.core.upstreams.release(lease, channel, end);
            }
        }
        let body = (is_whole && wanted == Body::Kept).then_some(body);
        Ok(Answered { head: of_head, body, trailers })
    }
}

/// Reads the rest of an answer; `None`: it did not come, or is longer than
/// [`ASKED_BODY_BYTES_MAX`].
async fn read_rest(
    reply: &mut call::Reply<'_>,
    head: &ResponseHead,
    body: &mut Vec<u8>,
) -> Option<EndOfMessage> {
    let mut decoder = BodyDecoder::new(head.body, Sender::Upstream);
    let mut piece = std::mem::replace(&mut reply.octets, Buffer::unallocated());
    loop {
        let decoded = decoder.decode(piece.unread_mut()).ok()?;
        body.extend_from_slice(piece.unread().get(..decoded.body)?);
        if body.len() > ASKED_BODY_BYTES_MAX {
            return None;
        }
        if decoder.is_done() {
            break;
        }
        piece = Buffer::new(Class::Medium);
        match reply.read(&mut piece, Flow::Full).await {
            Read::Octets => {}
            Read::Closed => break,
            Read::Broken(_) | Read::BodyFailed => return None,
        }
    }
    decoder.finish().ok()
}

/// Process clock.
pub fn now() -> u64 {
    process_nanos()
}

fn since(nanos: u64) -> Duration {
    Duration::from_nanos(process_nanos().saturating_sub(nanos))
}
