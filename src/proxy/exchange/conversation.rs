//! One attempt on one upstream connection: request out, response head in, response relayed.
//!
//! ```text
//! send head (+ whole body) ─▶ await head ─▶ 1xx: relay, again
//!   └ transfer of the body beside it ─▶      101: tunnel
//!                                            final: relay body ─▶ release | close
//! ```
//!
//! Nothing is said to the client before the response head is complete, so until then the attempt
//! may fail and be repeated; after it, a failure breaks the client connection, never ends it
//! cleanly.

use std::io::ErrorKind;
use std::time::Duration;

use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::head::{HeadScan, RequestKind, Version, check_partial_response, parse_response};
use crate::limits::{COALESCED_BYTES_MAX, INFORMATIONAL_RESPONSES_MAX, MID_SIZE_BODY_BYTES_MAX};
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::forward::{self, ResponseFraming};
use crate::proxy::exchange::reply::{OwnFields, Persistence, Reply};
use crate::proxy::exchange::request_body::{self, Progress, Transfer, frame_chunk};
use crate::proxy::exchange::retry::{self, Facts};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::tunnel::{self, Relayed};
use crate::proxy::rt::Side;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::{Ending, Transport};
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::{Connection, Reusable};
use crate::proxy::upstream::until::Until;
use crate::publish::process_nanos;
use crate::table::Route;
use crate::telemetry::Counter;

/// What an attempt is about.
pub struct Conversation<'a> {
    /// The endpoint.
    pub lease: &'a Lease,
    /// What is done on the way.
    pub route: Route<'a>,
    /// How long the endpoint may take.
    pub until: Until,
    /// State of the request body.
    pub progress: &'a Progress,
    /// For the decision to repeat on a status.
    pub facts: Facts,
}

/// How an attempt ended.
pub enum Outcome {
    /// The client got an answer, or is gone.
    Ended(End),
    /// Nothing was said to the client.
    Failed(Failure),
    /// The response's status is to be tried elsewhere; nothing was said to the client.
    Repeat,
}

type BodySide<'a> = Side<'a, request_body::End>;

/// Runs one attempt.
pub async fn run(
    exchange: &mut Exchange<'_>,
    connection: Connection,
    talk: &Conversation<'_>,
    started: u64,
) -> Outcome {
    let (outcome, is_reusable) = converse(exchange, &connection, talk, started).await;
    exchange.tally.request_bytes = talk.progress.octets.get();
    // A stream is over with its response; what it ran over is shared.
    if is_reusable && !matches!(connection.stream, Transport::Http2Upstream(_)) {
        let mut connection = connection;
        connection.keep_alive = exchange
            .scratch
            .response
            .keep_alive_timeout
            .map(|seconds| Duration::from_secs(u64::from(seconds)));
        // `converse` says so only when the response was read to its end and nothing lies behind it.
        let core = exchange.core;
        if core.upstreams.release(talk.lease, connection, Reusable(())) {
            core.count(Counter::UpstreamReleases);
        }
    }
    outcome
}

async fn converse(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    started: u64,
) -> (Outcome, bool) {
    let mut out = Buffer::new(Class::Small);
    exchange.put_request(out.as_vec(), talk.route);
    let whole = exchange.whole_body_octets();
    if let Some(body) = whole {
        out.as_vec().extend_from_slice(body);
        talk.progress.octets.set(body.len() as u64);
    }
    let stream = &connection.stream;
    let offered = out.len();
    stream.write_deadline().arm(talk.until.send, Expiry::CloseBoth);
    let (sent, out) = stream.write_all(out).await;
    stream.write_deadline().disarm();
    if sent.is_err() && out.len() == offered {
        return (failed(exchange, connection, Failure::NothingSent), false);
    }
    // Given back now, so that one buffer less is held while the upstream thinks.
    drop(out);
    // An upstream that broke off while it was sent to may have answered before; that is read still.
    let mut side = if whole.is_some() || sent.is_err() {
        Side::idle()
    } else {
        Side::start(transfer(exchange, connection, talk).run())
    };
    if !side.is_running() {
        talk.lease.endpoint.asked();
    }
    let mut response = Buffer::new(Class::Medium);
    let is_switched = match await_head(exchange, connection, talk, &mut side, &mut response).await {
        Head::Final => false,
        Head::Switched => true,
        Head::Failed(failure) => return (failed(exchange, connection, failure), false),
        Head::BodyFailed => return (body_failed(exchange, &mut side).await, false),
    };
    let latency = process_nanos().saturating_sub(started);
    talk.lease.endpoint.succeeded(Duration::from_nanos(latency));
    if is_switched {
        return (switch(exchange, connection, talk, side, response, started).await, false);
    }
    let (status, is_persistent) = {
        let head = &exchange.scratch.response;
        (head.status, head.is_persistent)
    };
    let facts = Facts { is_replayable: !talk.progress.has_read.get(), ..talk.facts };
    if retry::is_farewell(status, is_persistent, facts) {
        return (Outcome::Failed(Failure::NoResponse), false);
    }
    if retry::is_status_repeated(status, &talk.route.plan.treatment.retried_statuses, facts) {
        exchange.note_attempt(talk.lease, Some(status), latency);
        return (Outcome::Repeat, false);
    }
    relay(exchange, connection, talk, side, response, started).await
}

fn transfer<'t, 'e: 't, 'c: 't>(
    exchange: &Exchange<'e>,
    connection: &'t Connection,
    talk: &Conversation<'c>,
) -> Transfer<'t> {
    let head = &exchange.scratch.request;
    let config = &exchange.core.config;
    Transfer {
        downstream: &exchange.downstream.stream,
        upstream: &connection.stream,
        endpoint: &talk.lease.endpoint,
        initial: exchange.bytes.get(head.head_bytes..).unwrap_or_default(),
        length: head.body,
        bytes_max: talk.route.plan.treatment.body_bytes_max,
        is_expecting: head.expects_continue,
        read_timeout: config.client_body_timeout,
        until: talk.until,
        progress: talk.progress,
    }
}

enum Head {
    Final,
    Switched,
    Failed(Failure),
    BodyFailed,
}

/// Reads until a final response head is parsed into the scratch; `response` then begins behind it.
async fn await_head(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    side: &mut BodySide<'_>,
    response: &mut Buffer,
) -> Head {
    let request = RequestKind { is_head: exchange.scratch.request.is_head(exchange.bytes) };
    let mut scan = HeadScan::default();
    let mut informational = 0;
    loop {
        let Some(end) = scan.find_end(response.unread()) else {
            if check_partial_response(response.unread()).is_err() {
                return Head::Failed(Failure::Malformed);
            }
            if !side.is_running() {
                // Anew for each piece: a head that stops half-way would be waited for without end.
                connection.stream.deadline().arm(talk.until.wait(), Expiry::CloseBoth);
            }
            match read_more(exchange.downstream, connection, side, response, false).await {
                Read::Octets => continue,
                Read::Nothing | Read::Broken if response.is_empty() && informational == 0 => {
                    return Head::Failed(Failure::NoResponse);
                }
                Read::Nothing | Read::Broken => return Head::Failed(Failure::Truncated),
                Read::BodyFailed => return Head::BodyFailed,
            }
        };
        let head = &mut exchange.scratch.response;
        if parse_response(response.unread(), end, request, head).is_err() {
            return Head::Failed(Failure::Malformed);
        }
        match head.status {
            101 if exchange.scratch.request.is_upgrade
                && !head.switches_to_http(response.unread()) =>
            {
                return Head::Switched;
            }
            101 => return Head::Failed(Failure::Malformed),
            100..=199 => {
                informational += 1;
                if informational > INFORMATIONAL_RESPONSES_MAX {
                    return Head::Failed(Failure::Malformed);
                }
                pass_informational(exchange, talk, response).await;
                response.consume(end);
                scan = HeadScan::default();
            }
            _ => return Head::Final,
        }
    }
}

enum Read {
    Octets,
    /// The upstream closed its side.
    Nothing,
    /// The connection failed: whatever ends by the close has not ended.
    Broken,
    BodyFailed,
}

/// Appends to `buffer` what the upstream sends next.
async fn read_more(
    downstream: &Downstream,
    connection: &Connection,
    side: &mut BodySide<'_>,
    buffer: &mut Buffer,
    is_in_flow: bool,
) -> Read {
    if buffer.spare() == 0 {
        buffer.compact();
    }
    if buffer.spare() == 0 {
        buffer.grow(Class::Large);
    }
    if !side.is_running() {
        downstream.stream.deadline().watch_peer_for(connection.stream.deadline());
    }
    let owned = std::mem::replace(buffer, Buffer::unallocated());
    let read = async {
        let mut owned = owned;
        // In full flow the next octets are here already; a wait would cost a turn of the loop.
        if is_in_flow {
            match connection.stream.try_read(&mut owned) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The kernel tells an error once only, so it is not asked again.
                result => return (result, owned),
            }
        }
        connection.stream.read(owned).await
    };
    let Some((result, owned)) = side.alongside(read, request_body::End::is_fatal).await else {
        return Read::BodyFailed;
    };
    *buffer = owned;
    if !side.is_running() {
        // What is done with the octets is not the upstream's time.
        connection.stream.deadline().disarm();
    }
    match result {
        Ok(1..) => Read::Octets,
        Ok(_) => Read::Nothing,
        Err(_) => Read::Broken,
    }
}

/// 100 goes on when the client waits for it; other informational responses go to HTTP/1.1 clients.
async fn pass_informational(
    exchange: &mut Exchange<'_>,
    talk: &Conversation<'_>,
    response: &Buffer,
) {
    let head = &exchange.scratch.response;
    let request = &exchange.scratch.request;
    let is_permission = head.status == 100;
    let is_awaited = request.expects_continue && !talk.progress.is_continued.is_raised();
    if is_permission && !is_awaited {
        return;
    }
    if request.version == Version::Http11 {
        let mut out = Buffer::new(Class::Small);
        forward::put_informational(out.as_vec(), response.unread(), head);
        // A client that is gone is found out by whatever is written or read next.
        drop(exchange.downstream.write(exchange.core, out).await);
    }
    if is_permission {
        talk.progress.is_continued.raise();
    }
}

/// The upstream failed before a head: its own fault, ours to wait, or the client left.
fn failed(exchange: &mut Exchange<'_>, connection: &Connection, failure: Failure) -> Outcome {
    if exchange.downstream.stream.deadline().is_peer_gone() {
        exchange.core.count(Counter::ClientAborts);
        exchange.tally.status = 499;
        return Outcome::Ended(End::Close);
    }
    if connection.stream.is_refused() {
        return Outcome::Failed(Failure::Refused);
    }
    let is_late = connection.stream.deadline().is_expired()
        || connection.stream.write_deadline().is_expired();
    Outcome::Failed(if is_late { Failure::Timeout } else { failure })
}

/// The request body failed, so the upstream never gets the whole request and is closed.
async fn body_failed(exchange: &mut Exchange<'_>, side: &mut BodySide<'_>) -> Outcome {
    let reply = match side.take_end() {
        Some(request_body::End::ClientTimeout) => {
            exchange.core.count(Counter::ClientTimeouts);
            Reply::ClientTimeout
        }
        Some(request_body::End::Malformed) => {
            exchange.core.count(Counter::RequestsMalformed);
            Reply::Malformed(crate::http1::error::RequestFault::BadRequest)
        }
        Some(request_body::End::TooLarge) => {
            exchange.core.count(Counter::BodiesTooLarge);
            Reply::BodyTooLarge
        }
        _ => {
            exchange.core.count(Counter::ClientAborts);
            exchange.tally.status = 499;
            return Outcome::Ended(End::Close);
        }
    };
    exchange.is_last = true;
    let _ = exchange.answer(reply).await;
    Outcome::Ended(End::Linger)
}

/// Relays the final response; the head is parsed, `response` begins with it.
async fn relay(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    mut side: BodySide<'_>,
    mut response: Buffer,
    started: u64,
) -> (Outcome, bool) {
    if exchange.scratch.request.expects_continue && !talk.progress.is_continued.is_raised() {
        // A final answer instead of 100: the body is not asked for any more.
        side.stop();
    }
    let head = &exchange.scratch.response;
    let (status, body, head_bytes) = (head.status, head.body, head.head_bytes);
    let framing = forward::response_framing(exchange.scratch.request.version, status, body);
    let next = body_end(exchange, &mut side);
    let is_last =
        exchange.ends_connection() || next.is_none() || framing == ResponseFraming::UntilClose;
    let persistence = if is_last { Persistence::Close } else { exchange.keep() };
    let edits = &talk.route.plan.response.fields;
    let mut out = Buffer::new(Class::Small);
    exchange.core.with_date(|date| {
        let bytes = response.unread();
        let head = &exchange.scratch.response;
        let own = OwnFields { date, hsts: exchange.hsts };
        forward::put_response(out.as_vec(), bytes, head, framing, persistence, edits, &own);
    });
    response.consume(head_bytes);
    exchange.tally.status = status;
    let relayed = relay_body(exchange, connection, talk, &mut side, out, response, framing).await;
    let finished = process_nanos();
    exchange.tally.finished = finished;
    exchange.note_attempt(talk.lease, Some(status), finished.saturating_sub(started));
    if let Some(attempt) = exchange.scratch.attempts.last_mut() {
        attempt.response_bytes = exchange.tally.response_bytes;
    }
    if matches!(relayed, Relay::Complete { .. }) {
        talk.lease.endpoint.completed();
    }
    let is_reusable = relayed == Relay::Complete { is_clean: true }
        && exchange.scratch.response.is_persistent
        && !side.is_running()
        && next.is_some();
    let end = match (relayed, next) {
        (Relay::Unsent, _) => {
            exchange.is_last = true;
            exchange.answer(Reply::BadGateway).await
        }
        (Relay::Gone, _) => End::Close,
        // A late FIN of ours would look like the end that was not reached.
        (Relay::Cut, _) if framing == ResponseFraming::UntilClose => End::Close,
        (Relay::Cut, Some(_)) => exchange.close(),
        (Relay::Cut, None) => End::Linger,
        (Relay::Complete { .. }, Some(_)) if is_last => exchange.close(),
        (Relay::Complete { .. }, Some(next)) => next,
        (Relay::Complete { .. }, None) => End::Linger,
    };
    (Outcome::Ended(end), is_reusable)
}

/// Where the next request begins; `None`: the body of this one is not through, so the connection
/// ends after the response.
fn body_end(exchange: &Exchange<'_>, side: &mut BodySide<'_>) -> Option<End> {
    if let Some(octets) = exchange.whole_body() {
        return Some(End::Behind(exchange.scratch.request.head_bytes + octets));
    }
    match side.take_end() {
        Some(request_body::End::Done(next)) => Some(End::Next(next)),
        _ => None,
    }
}

/// How much of the response the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relay {
    /// All of it.
    Complete {
        /// The upstream's message ended and nothing lies behind it.
        is_clean: bool,
    },
    /// Nothing, not even the head, because the upstream broke the protocol.
    Unsent,
    /// A part, because the upstream broke off; the client sees that something is missing.
    Cut,
    /// A part, because the client takes or sends no more.
    Gone,
}

async fn relay_body(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    side: &mut BodySide<'_>,
    head: Buffer,
    mut piece: Buffer,
    framing: ResponseFraming,
) -> Relay {
    let mut decoder = BodyDecoder::new(exchange.scratch.response.body, Sender::Upstream);
    let mut head = Some(head);
    let mut is_clean = true;
    loop {
        let Ok(decoded) = decoder.decode(piece.unread_mut()) else {
            return break_off(exchange, connection, talk, head.as_ref(), framing);
        };
        let is_done = decoder.is_done();
        is_clean &= decoded.consumed == piece.len();
        piece.truncate(decoded.body);
        exchange.tally.response_bytes += decoded.body as u64;
        if framing == ResponseFraming::Chunked {
            let trailers: &[u8] =
                if exchange.accepts_trailers() { decoder.trailers() } else { b"" };
            frame_chunk(&mut piece, is_done.then_some(trailers));
        }
        let outgoing = match head.take() {
            Some(mut head) if piece.len() <= COALESCED_BYTES_MAX => {
                head.as_vec().extend_from_slice(piece.unread());
                if !write(exchange, side, head).await {
                    return client_gone(exchange);
                }
                None
            }
            Some(head) => {
                if !write(exchange, side, head).await {
                    return client_gone(exchange);
                }
                Some(piece)
            }
            None => Some(piece),
        };
        if let Some(outgoing) = outgoing
            && !outgoing.is_empty()
            && !write(exchange, side, outgoing).await
        {
            return client_gone(exchange);
        }
        if is_done {
            return Relay::Complete { is_clean };
        }
        piece = Buffer::with_headroom(read_class(&decoder), request_body::HEADROOM);
        if !side.is_running() {
            connection.stream.deadline().arm(talk.until.wait(), Expiry::CloseBoth);
        }
        match read_more(exchange.downstream, connection, side, &mut piece, true).await {
            Read::Octets => {}
            Read::BodyFailed => return client_gone(exchange),
            Read::Broken => return break_off(exchange, connection, talk, head.as_ref(), framing),
            Read::Nothing => {
                let stopped = connection.stream.deadline().is_expired()
                    || exchange.downstream.stream.deadline().is_peer_gone();
                if stopped || decoder.finish().is_err() {
                    return break_off(exchange, connection, talk, head.as_ref(), framing);
                }
            }
        }
    }
}

/// How much to read at once, by what is left.
fn read_class(decoder: &BodyDecoder) -> Class {
    match decoder.remaining() {
        Some(left) if left <= Class::Small.bytes() as u64 => Class::Small,
        Some(left) if left <= Class::Medium.bytes() as u64 => Class::Medium,
        Some(left) if left <= MID_SIZE_BODY_BYTES_MAX => Class::Large,
        _ => Class::Medium,
    }
}

async fn write(exchange: &Exchange<'_>, side: &mut BodySide<'_>, buffer: Buffer) -> bool {
    let write = exchange.downstream.write(exchange.core, buffer);
    // A transfer that fails in the meantime does not stop the response.
    side.alongside(write, |_| false).await.is_some_and(|(is_sent, _)| is_sent)
}

/// The upstream broke off after its head: the client must not take what it got for the whole. The
/// length that is missing, or the last chunk, tells it so, as nginx does; where there is neither,
/// the connection has to.
fn break_off(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    unsent_head: Option<&Buffer>,
    framing: ResponseFraming,
) -> Relay {
    if exchange.downstream.stream.deadline().is_peer_gone() {
        return client_gone(exchange);
    }
    let is_late = connection.stream.deadline().is_expired();
    exchange.core.count(if is_late {
        Counter::UpstreamTimeouts
    } else {
        Counter::UpstreamMalformed
    });
    if talk.lease.endpoint.broke_off() {
        exchange.core.count(Counter::UpstreamEjections);
    }
    if unsent_head.is_some() {
        return Relay::Unsent;
    }
    let end = match framing {
        ResponseFraming::UntilClose => Ending::Untold,
        _ => Ending::Told,
    };
    exchange.downstream.stream.break_off(end);
    Relay::Cut
}

fn client_gone(exchange: &mut Exchange<'_>) -> Relay {
    exchange.core.count(Counter::ClientAborts);
    exchange.tally.status = 499;
    exchange.downstream.stream.reset_on_close();
    Relay::Gone
}

/// Opens the tunnel and runs it to its end.
///
/// Source: RFC 9110 section 7.8: the new protocol begins behind the request, so that a body that is
/// under way is sent first.
async fn switch(
    exchange: &mut Exchange<'_>,
    connection: &Connection,
    talk: &Conversation<'_>,
    mut side: BodySide<'_>,
    mut response: Buffer,
    started: u64,
) -> Outcome {
    if side.is_running() {
        let _ = side.alongside(std::future::pending::<()>(), |_| true).await;
    }
    if side.ended().is_some_and(request_body::End::is_fatal) {
        return body_failed(exchange, &mut side).await;
    }
    let Some(early) = early_octets(exchange, &mut side) else {
        return failed(exchange, connection, Failure::Truncated);
    };
    exchange.core.count(Counter::Upgrades);
    let mut out = Buffer::new(Class::Small);
    let head = &exchange.scratch.response;
    let head_bytes = head.head_bytes;
    forward::put_informational(out.as_vec(), response.unread(), head);
    response.consume(head_bytes);
    exchange.tally.status = 101;
    let (is_sent, _) = exchange.downstream.write(exchange.core, out).await;
    if is_sent {
        let relayed = Relayed::default();
        let client = &exchange.downstream.stream;
        let idle = talk.until.read;
        tunnel::relay(client, &connection.stream, early, response, idle, &relayed).await;
        exchange.tally.response_bytes = relayed.down.get();
        let body = talk.progress.octets.get();
        talk.progress.octets.set(body.saturating_add(relayed.up.get()));
    }
    let nanos = process_nanos().saturating_sub(started);
    exchange.note_attempt(talk.lease, Some(101), nanos);
    Outcome::Ended(End::Close)
}

/// What the client sent behind its request: held until the upstream agreed, for it belongs to the
/// new protocol. `None`: the request did not get through.
fn early_octets(exchange: &Exchange<'_>, side: &mut BodySide<'_>) -> Option<Buffer> {
    match body_end(exchange, side)? {
        End::Behind(octets) => {
            let mut early = Buffer::new(Class::Small);
            early.as_vec().extend_from_slice(exchange.bytes.get(octets..)?);
            Some(early)
        }
        End::Next(next) => Some(next.unwrap_or_else(Buffer::unallocated)),
        End::Close | End::Linger => None,
    }
}
