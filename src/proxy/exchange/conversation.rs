//! One attempt on one upstream connection: a request in, what became of it out.
//!
//! Nothing is said to the client before the response head is complete, so until then the attempt
//! may fail and be repeated; after it, a failure breaks the client connection, never ends it
//! cleanly.

use std::time::Duration;

use crate::filter::Validators;
use crate::filter::script::PageStatus;
use crate::http1::body::{BodyDecoder, EndOfMessage, Sender};
use crate::http1::error::RequestFault;
use crate::http1::framing::{BodyLength, has_no_body};
use crate::http1::head::{RequestKind, ResponseHead, Span};
use crate::http1::reframe::{Framing, Recoding, ResponseFacts};
use crate::model::UpstreamVersion;
use crate::proxy::exchange::coder::Coder;
use crate::proxy::exchange::downstream::Gone;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::pacing::Pacing;
use crate::proxy::exchange::relay::{Relay, Relayed};
use crate::proxy::exchange::reply::{Persistence, Reply};
use crate::proxy::exchange::request::{Body, Request};
use crate::proxy::exchange::response::{Saying, Unsaid};
use crate::proxy::exchange::retry::{self, Facts, Room};
use crate::proxy::rt::Side;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::{Ending, Transport};
use crate::proxy::upstream::call::{self, Call, Unanswered};
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::request_body::{self, Progress, Transfer};
use crate::proxy::upstream::until::Until;
use crate::publish::process_nanos;
use crate::table::Route;
use crate::telemetry::Counter;

/// What an attempt is about.
pub struct Conversation<'a> {
    /// What the client asks.
    pub request: Request<'a>,
    /// The endpoint.
    pub lease: &'a Lease,
    /// What is done on the way.
    pub route: Route<'a>,
    /// How long the endpoint may take.
    pub until: &'a Until,
    /// State of the request body.
    pub progress: &'a Progress,
    /// For the decision to repeat on a status.
    pub facts: Facts,
    /// Process clock when it began.
    pub started: u64,
}

/// How an attempt ended.
pub enum Outcome {
    /// The client got an answer, or is gone; with the end of the endpoint's message, if another
    /// request may follow on its connection.
    Ended(End, Option<EndOfMessage>),
    /// The connections are another protocol's now, beginning with these octets.
    Switched {
        /// Of the client.
        early: Buffer,
        /// Of the endpoint.
        behind: Buffer,
    },
    /// Nothing was said to the client: the endpoint failed.
    Failed(Unsaid, Failure),
    /// Nothing was said to the client: the response's status is to be tried elsewhere.
    Repeat(Unsaid),
    /// Nothing was said to the client: what the endpoint answers is not to be passed on; with the
    /// end of its message as above.
    Replace(Unsaid, Option<EndOfMessage>, Challenges),
    /// Nothing was said to the client, and no other attempt would help.
    Refused(Unsaid, Reply),
}

/// What is known of an attempt afterwards.
#[derive(Default)]
pub struct Record {
    /// Status of the endpoint; `None`: there is none, or nobody wants to know any more.
    pub answered: Option<u16>,
    /// From the begin of the attempt until its head was there; `None`: none came.
    pub header_time: Option<Duration>,
    /// Process clock at the end of its answer.
    pub finished: u64,
    /// Why it is not whole.
    pub failure: Option<Failure>,
    /// Status that the client got; 499: it left.
    pub status: u16,
    /// Body octets sent to it.
    pub response_bytes: u64,
}

/// Runs one attempt: `octets` is the head of the upstream request, `head` memory for that of the
/// response.
pub async fn run(
    talk: &Conversation<'_>,
    stream: &Transport,
    mut octets: Buffer,
    head: &mut ResponseHead,
    unsaid: Unsaid,
    record: &mut Record,
) -> Outcome {
    let request = &talk.request;
    let whole = request.whole_body_octets();
    if let Some(body) = whole {
        octets.as_vec().extend_from_slice(body);
        talk.progress.octets.set(body.len() as u64);
    }
    let question = Call {
        endpoint: &talk.lease.endpoint,
        stream,
        until: talk.until,
        kind: RequestKind { is_head: request.head.is_head(request.bytes) },
        is_upgrade: request.head.is_upgrade && !is_http10(talk),
        is_body_here: whole.is_none() && begins_at_once(request, talk.progress),
        asker: Some(request.downstream.stream.deadline()),
        started: talk.started,
    };
    let sending = match whole {
        Some(_) => Side::idle(),
        None => Side::start(transfer(talk, stream).run()),
    };
    let inform = async |head: &ResponseHead, octets: &[u8]| {
        pass_informational(talk, &unsaid, head, octets).await;
    };
    let mut reply = call::Reply::to(question, sending);
    if let Err(unanswered) = reply.call(octets, head, inform).await {
        return unanswered_outcome(request, unsaid, &unanswered, record);
    }
    record.header_time = Some(reply.latency);
    request.noted.hears(reply.octets.unread().get(..head.head_bytes).unwrap_or_default());
    if head.status == 101 {
        return switch(talk, &mut reply, head, unsaid, record).await;
    }
    let facts = Facts { is_replayable: !talk.progress.has_read.get(), ..talk.facts };
    if retry::is_farewell(head, facts) {
        return Outcome::Failed(unsaid, Failure::NoResponse);
    }
    let room = Room {
        is_in_time: talk.until.may_repeat(talk.route.plan.treatment.backoff.unwrap_or_default()),
        may_connect: true,
    };
    let statuses = &talk.route.plan.treatment.retried_statuses;
    if retry::is_status_repeated(head.status, statuses, facts, room) {
        record.answered = Some(head.status);
        record.finished = process_nanos();
        return Outcome::Repeat(unsaid);
    }
    // How long its body is was read for the status that it came with.
    if let Some(PageStatus::Fixed(status)) = request.page
        && !has_no_body(status)
        && !has_no_body(head.status)
    {
        head.status = status;
        head.reason = Span::default();
    }
    if request.page.is_none() && is_replaced(talk, head.status) {
        record.answered = Some(head.status);
        record.finished = process_nanos();
        let challenges = challenges(head, reply.octets.unread());
        return Outcome::Replace(unsaid, step_over(talk, &mut reply, head), challenges);
    }
    answer(talk, &mut reply, head, unsaid, record).await
}

/// Values of `WWW-Authenticate` of a 401, which its client needs whoever words the page, as nginx
/// has it.
pub type Challenges = Vec<Box<[u8]>>;

fn challenges(head: &ResponseHead, octets: &[u8]) -> Challenges {
    let fields = head.fields.iter().filter(|_| head.status == 401);
    let fields = fields.map(|field| (field.name.of(octets), field.value.of(octets)));
    let fields = fields.filter(|(name, _)| name.eq_ignore_ascii_case(b"www-authenticate"));
    fields.map(|(_, value)| value.into()).collect()
}

/// Whether another backend says what the client gets instead.
fn is_replaced(talk: &Conversation<'_>, status: u16) -> bool {
    let statuses = &talk.route.plan.response.replaced_statuses;
    status >= 400 && statuses.binary_search(&status).is_ok() && !talk.request.is_grpc()
}

/// The end of a message that nobody gets, if all of it is here and another request may follow.
fn step_over(
    talk: &Conversation<'_>,
    reply: &mut call::Reply<'_>,
    head: &ResponseHead,
) -> Option<EndOfMessage> {
    let is_sent = body_end(&talk.request, reply).is_some();
    reply.octets.consume(head.head_bytes);
    let mut decoder = BodyDecoder::new(head.body, Sender::Upstream);
    decoder.decode(reply.octets.unread_mut()).ok()?;
    if !decoder.is_done() || !head.is_persistent || !is_sent || is_http10(talk) {
        return None;
    }
    talk.lease.endpoint.completed();
    decoder.finish().ok()
}

/// Whether the endpoint was told that the connection ends, and cannot switch protocols.
fn is_http10(talk: &Conversation<'_>) -> bool {
    talk.route.plan.request.version == UpstreamVersion::Http10
}

/// Whether a transfer begins with octets that it need not wait for.
fn begins_at_once(request: &Request<'_>, progress: &Progress) -> bool {
    let is_asked_for = !request.head.expects_continue || progress.is_continued.is_raised();
    let is_begun = request.bytes.len() > request.head.head_bytes;
    is_asked_for && is_begun && matches!(request.head.body, BodyLength::Known(_))
}

fn transfer<'t>(talk: &Conversation<'t>, stream: &'t Transport) -> Transfer<'t> {
    let request = &talk.request;
    Transfer {
        downstream: &request.downstream.stream,
        upstream: stream,
        endpoint: &talk.lease.endpoint,
        initial: request.bytes.get(request.head.head_bytes..).unwrap_or_default(),
        trailers: request.sent_trailers,
        length: request.head.body,
        bytes_max: talk.route.plan.treatment.body_bytes_max,
        is_expecting: request.head.expects_continue,
        read_timeout: request.policy.body_timeout,
        until: talk.until,
        progress: talk.progress,
        pipes: &request.core.pipes,
    }
}

/// 100 goes on when the client waits for it; other informational responses go to HTTP/1.1 clients.
async fn pass_informational(
    talk: &Conversation<'_>,
    unsaid: &Unsaid,
    head: &ResponseHead,
    octets: &[u8],
) {
    let is_permission = head.status == 100;
    let is_continued = &talk.progress.is_continued;
    if is_permission && (!talk.request.head.expects_continue || is_continued.is_raised()) {
        return;
    }
    unsaid.inform(&talk.request, head, octets).await;
    if is_permission {
        is_continued.raise();
    }
}

/// What it means that the endpoint gave no answer.
fn unanswered_outcome(
    request: &Request<'_>,
    unsaid: Unsaid,
    unanswered: &Unanswered,
    record: &mut Record,
) -> Outcome {
    let (counter, reply) = match *unanswered {
        Unanswered::Failed(failure) => return Outcome::Failed(unsaid, failure),
        Unanswered::Body(request_body::End::ClientTimeout) => {
            (Counter::ClientTimeouts, Reply::ClientTimeout)
        }
        Unanswered::Body(request_body::End::Malformed) => {
            (Counter::RequestsMalformed, Reply::Malformed(RequestFault::BadRequest))
        }
        Unanswered::Body(request_body::End::TooLarge) => {
            (Counter::BodiesTooLarge, Reply::BodyTooLarge)
        }
        Unanswered::Left | Unanswered::Body(_) => {
            request.core.count(Counter::ClientAborts);
            record.status = 499;
            return Outcome::Ended(End::Close, None);
        }
    };
    request.core.count(counter);
    Outcome::Refused(unsaid, reply)
}

/// Relays the final response; its head is parsed.
async fn answer(
    talk: &Conversation<'_>,
    reply: &mut call::Reply<'_>,
    head: &ResponseHead,
    unsaid: Unsaid,
    record: &mut Record,
) -> Outcome {
    let request = &talk.request;
    if request.head.expects_continue && !talk.progress.is_continued.is_raised() {
        // A final answer instead of 100: the body is not asked for any more.
        reply.sending.stop();
    }
    let plan = &talk.route.plan.response;
    let (coder, change) = Coder::of(request, head, reply.octets.unread(), plan);
    let framing = Framing::of_response(ResponseFacts {
        version: request.head.version,
        status: head.status,
        body: head.body,
        recoding: match change.validators {
            Validators::Kept => Recoding::Untouched,
            Validators::Weakened | Validators::Dropped => Recoding::Recoded,
        },
        trailers: request.trailers(),
    });
    let next = body_end(request, reply);
    let is_last = request.ends_connection() || next.is_none() || framing.is_until_close();
    let persistence = if is_last { Persistence::Close } else { request.keep() };
    let octets = reply.octets.unread();
    let saying = Saying { framing, persistence, change };
    let begun = unsaid.begin(request, head, octets, saying, plan);
    reply.octets.consume(head.head_bytes);
    let sent = &mut record.response_bytes;
    let pace = talk.route.plan.treatment.pace;
    let pacing = pace.map(|pace| Pacing::new(pace, process_nanos()));
    let relayed = Relay { request, coder, pacing, begun, sent }.run(reply, head.body).await;
    record.status = head.status;
    record.answered = Some(head.status);
    record.finished = process_nanos();
    let (end, message) = match (relayed, next) {
        (Relayed::Complete(message), next) => {
            talk.lease.endpoint.completed();
            let is_sent = next.is_some() || request.body == Body::Spent;
            let is_kept = head.is_persistent && !is_http10(talk);
            let is_reusable = is_kept && !reply.sending.is_running() && is_sent;
            let end = match next {
                None => End::Linger,
                Some(_) if is_last => request.close(),
                Some(next) => next,
            };
            (end, is_reusable.then_some(message))
        }
        (Relayed::Unsent(unsaid, failure), _) => {
            broke_off(talk, failure, record);
            return Outcome::Refused(unsaid, Reply::BadGateway);
        }
        (Relayed::Cut(ending, failure), next) => {
            broke_off(talk, failure, record);
            let end = match (ending, next) {
                // A late FIN of ours would look like the end that was not reached.
                (Ending::Untold, _) => End::Close,
                (Ending::Told, Some(_)) => request.close(),
                (Ending::Told, None) => End::Linger,
            };
            (end, None)
        }
        (Relayed::Gone, _) => {
            request.core.count(Counter::ClientAborts);
            record.status = 499;
            request.downstream.stream.reset_on_close();
            (End::Close, None)
        }
    };
    Outcome::Ended(end, message)
}

/// The endpoint broke off after its head.
fn broke_off(talk: &Conversation<'_>, failure: Failure, record: &mut Record) {
    let core = talk.request.core;
    core.count(match failure {
        Failure::Timeout => Counter::UpstreamTimeouts,
        _ => Counter::UpstreamMalformed,
    });
    if talk.lease.endpoint.broke_off() {
        core.count(Counter::UpstreamEjections);
    }
    record.failure = Some(failure);
}

/// Where the next request begins; `None`: the body of this one is not through, so the connection
/// ends after the response.
fn body_end(request: &Request<'_>, reply: &mut call::Reply<'_>) -> Option<End> {
    if let Some(octets) = request.whole_body() {
        return Some(End::Behind(request.head.head_bytes + octets));
    }
    match reply.sending.take_end() {
        Some(request_body::End::Done(next)) => Some(End::Next(next)),
        _ => None,
    }
}

/// Switches to another protocol.
///
/// Source: RFC 9110 section 7.8: the new protocol begins behind the request, so that a body that is
/// under way is sent first.
async fn switch(
    talk: &Conversation<'_>,
    reply: &mut call::Reply<'_>,
    head: &ResponseHead,
    unsaid: Unsaid,
    record: &mut Record,
) -> Outcome {
    let request = &talk.request;
    let sending = &mut reply.sending;
    if sending.is_running() {
        let _ = sending.alongside(std::future::pending::<()>(), |_| true).await;
    }
    if sending.ended().is_some_and(request_body::End::is_fatal)
        && let Some(end) = sending.take_end()
    {
        return unanswered_outcome(request, unsaid, &Unanswered::Body(end), record);
    }
    let Some(early) = early_octets(request, reply) else {
        let unanswered = reply.failed(Failure::Truncated, &"it took only a part of the request");
        return unanswered_outcome(request, unsaid, &unanswered, record);
    };
    request.core.count(Counter::Upgrades);
    record.status = 101;
    record.answered = Some(101);
    match unsaid.switch(request, head, reply.octets.unread()).await {
        Ok(()) => {
            reply.octets.consume(head.head_bytes);
            let behind = std::mem::replace(&mut reply.octets, Buffer::unallocated());
            Outcome::Switched { early, behind }
        }
        Err(Gone) => {
            record.finished = process_nanos();
            Outcome::Ended(End::Close, None)
        }
    }
}

/// What the client sent behind its request: held until the upstream agreed, for it belongs to the
/// new protocol. `None`: the request did not get through.
fn early_octets(request: &Request<'_>, reply: &mut call::Reply<'_>) -> Option<Buffer> {
    match body_end(request, reply)? {
        End::Behind(octets) => {
            let mut early = Buffer::new(Class::Small);
            early.as_vec().extend_from_slice(request.bytes.get(octets..)?);
            Some(early)
        }
        End::Next(next) => Some(next.unwrap_or_else(Buffer::unallocated)),
        End::Close | End::Linger => None,
    }
}
