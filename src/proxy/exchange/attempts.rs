//! The tries of one request: which endpoint, which connection, what a failure means, what is next.
//!
//! ```text
//! pick ─▶ obtain (pool, HTTP/2, dial) ─▶ conversation ─▶ the answer
//!   ▲          └───────── failure ◀──────────┘
//!   └── blame the endpoint, note the try ── may it be repeated? ── no ─▶ 502, 503, 504 are due
//! ```
//!
//! Decisions are in `retry`, `upstream::balance` and `upstream::health`, and pure.

use std::rc::Rc;
use std::time::Duration;

use crate::filter::Statuses;
use crate::http1::body::EndOfMessage;
use crate::model::UpstreamVersion;
use crate::proxy::exchange::conversation::{self, Conversation, Outcome, Record};
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::retry::{self, ConnectTime, Facts, Room, Wanted};
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::tunnel::{self, Relayed};
use crate::proxy::rt;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::bound::Stay;
use crate::proxy::upstream::dial;
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::{Channel, Freshness};
use crate::proxy::upstream::request_body::Progress;
use crate::proxy::upstream::until::Until;
use crate::proxy::upstream::wire::CoreWire;
use crate::publish::process_nanos;
use crate::table::plan::Treatment;
use crate::table::{BackendId, Route};
use crate::telemetry::{Attempt, Counter};

/// One try.
struct Try<'t> {
    lease: &'t Lease,
    wire: &'t Rc<CoreWire>,
    until: &'t Until,
    /// A pooled connection failed this request already.
    wanted: Wanted,
    /// Where a failure may be made good, if another try is allowed.
    elsewhere: Option<&'t Backend>,
}

/// What all conversations of a request are about.
#[derive(Clone, Copy)]
struct About<'t> {
    lease: &'t Lease,
    stay: Stay,
    route: Route<'t>,
    until: &'t Until,
    progress: &'t Progress,
}

/// What follows from a conversation.
enum Next {
    Over(End),
    Answer(Unsaid, Reply),
    Replace(Unsaid, u16),
    /// It was connected so long after its begin.
    Failed(Unsaid, Failure, Duration),
    Repeat(Unsaid),
}

/// Lets some time pass before another try, if the rule wants it; false: there is none left.
async fn has_paused(treatment: &Treatment, until: &Until) -> bool {
    let Some(backoff) = treatment.backoff else { return true };
    rt::sleep(until.pause(backoff)).await;
    until.may_repeat(Duration::ZERO)
}

impl Exchange<'_> {
    /// Tries endpoints of `backend` until one answers or nothing is left to try. The client is told
    /// what an endpoint says, and nothing else.
    pub async fn try_endpoints(
        &mut self,
        backend: &Rc<Backend>,
        route: Route<'_>,
        until: &Until,
        mut unsaid: Unsaid,
        mut started: u64,
    ) -> Served {
        let treatment = &route.plan.treatment;
        let progress = Progress { copy: self.copy.clone(), ..Progress::default() };
        let mut connecting = ConnectTime::new(treatment.connect_timeout);
        let mut wanted = Wanted::Any;
        let mut tries = 0;
        loop {
            if tries > 0 && !has_paused(treatment, until).await {
                return Served::Owed(unsaid, Reply::GatewayTimeout);
            }
            if self.downstream.stream.is_given_up() {
                return Served::Over(self.client_left());
            }
            let until = &until.of_try(treatment.try_timeout);
            let Some((lease, stay)) = self.pick(backend, route) else {
                return Served::Owed(unsaid, Reply::NoEndpoints);
            };
            tries += 1;
            self.begin_call(&lease, process_nanos);
            let wire = backend.wire();
            let may_leave = tries < treatment.tries_max && stay != Stay::Kept;
            let elsewhere = may_leave.then_some(&**backend);
            let attempt = Try { lease: &lease, wire: &wire, until, wanted, elsewhere };
            let obtained = self.obtain(&attempt, &mut connecting).await;
            let mut connected = None;
            let (failure, freshness) = match obtained {
                Err(failure) => (failure, Freshness::Fresh),
                Ok(channel) if self.has_left_for(&channel) => {
                    return Served::Over(self.client_left());
                }
                Ok(channel) => {
                    let freshness = channel.freshness;
                    let facts = self.facts(tries, treatment, freshness, &progress);
                    let about = About { lease: &lease, stay, route, until, progress: &progress };
                    match self.converse(about, channel, unsaid, facts, started).await {
                        Next::Over(end) => return Served::Over(end),
                        Next::Answer(unsaid, reply) => return Served::Owed(unsaid, reply),
                        Next::Replace(unsaid, status) => {
                            return Served::Owed(unsaid, Reply::Replaced(status));
                        }
                        Next::Failed(back, failure, connect) => {
                            (unsaid, connected) = (back, Some(connect));
                            (failure, freshness)
                        }
                        Next::Repeat(back) => {
                            unsaid = back;
                            self.tried(&lease);
                            started = process_nanos();
                            continue;
                        }
                    }
                }
            };
            self.blame(&lease, failure, freshness);
            started = self.note_failure(&lease, failure, connected, started);
            tries -= u32::from(retry::is_free(failure, freshness, wanted));
            let facts = self.facts(tries, treatment, freshness, &progress);
            let is_in_time = until.may_repeat(treatment.backoff.unwrap_or_default());
            let may_connect = connecting.is_left();
            if !retry::may_repeat(failure, facts, Room { is_in_time, may_connect }) {
                self.count_failure(failure);
                return Served::Owed(unsaid, Reply::to_failure(failure, treatment.exhausted));
            }
            self.core.count(Counter::UpstreamRetries);
            wanted = wanted.behind(freshness);
            if failure.is_endpoint_fault(freshness) {
                self.scratch.tried.push(lease.endpoint.address);
            }
        }
    }

    /// Asks a backend that is not the one that was asked before.
    pub(super) async fn ask_another(
        &mut self,
        id: BackendId,
        route: Route<'_>,
        unsaid: Unsaid,
    ) -> Served {
        let Some(backend) = self.core.upstreams.backend(id) else {
            return Served::Owed(unsaid, Reply::NoEndpoints);
        };
        self.scratch.tried.clear();
        let started = process_nanos();
        let until = self.until(&route.plan.treatment, started);
        self.try_endpoints(&backend, route, &until, unsaid, started).await
    }

    /// Asks the endpoint over `channel`, which goes to the pool, to a tunnel, or is closed.
    async fn converse(
        &mut self,
        about: About<'_>,
        channel: Channel,
        unsaid: Unsaid,
        facts: Facts,
        started: u64,
    ) -> Next {
        let About { lease, stay, route, until, progress } = about;
        let connect = connect_time(&channel, started);
        let added = self.scratch.added.len();
        if let Stay::New(key) = stay {
            self.add_cookie(route, key);
        }
        let mut octets = Buffer::new(Class::Small);
        let version = match channel.stream.has_place_for_trailers() {
            // A stream of HTTP/2, for which this text is taken apart again.
            true => UpstreamVersion::Http11,
            false => route.plan.request.version,
        };
        self.put_request(octets.as_vec(), route, version);
        let (request, head) = self.request_and_room();
        let talk = Conversation { request, lease, route, until, progress, facts, started };
        let mut record = Record::default();
        let stream = &channel.stream;
        let outcome = conversation::run(&talk, stream, octets, head, unsaid, &mut record).await;
        let next = match outcome {
            Outcome::Ended(end, message) => {
                self.release(lease, channel, message);
                Next::Over(end)
            }
            Outcome::Replace(unsaid, message, challenges) => {
                self.release(lease, channel, message);
                for value in challenges {
                    self.scratch.added.add("WWW-Authenticate", &value, Statuses::Any);
                }
                Next::Replace(unsaid, self.scratch.response.status)
            }
            Outcome::Switched { early, behind } => {
                let relayed = Relayed::default();
                let client = &self.downstream.stream;
                tunnel::relay(client, stream, early, behind, until.read, &relayed).await;
                record.response_bytes = relayed.down.get();
                record.finished = process_nanos();
                progress.octets.set(progress.octets.get().saturating_add(relayed.up.get()));
                Next::Over(End::Close)
            }
            Outcome::Failed(unsaid, failure) => Next::Failed(unsaid, failure, connect),
            Outcome::Repeat(unsaid) => Next::Repeat(unsaid),
            Outcome::Refused(unsaid, reply) => {
                self.is_last = true;
                Next::Answer(unsaid, reply)
            }
        };
        // No session begins where nobody answered.
        if !matches!(next, Next::Over(_) | Next::Replace(..)) {
            self.scratch.added.truncate(added);
        }
        self.tally.request_bytes = progress.octets.get();
        self.note(lease, &record, connect, started);
        next
    }

    /// Gives a channel back whose last message came to its end, or closes it.
    fn release(&self, lease: &Lease, mut channel: Channel, message: Option<EndOfMessage>) {
        let seconds = self.scratch.response.keep_alive_timeout;
        if let Some(message) = message {
            channel.keep_alive = seconds.map(|s| Duration::from_secs(s.into()));
            self.core.upstreams.release(lease, channel, message);
        }
    }

    /// The client gave the request up before it went upstream.
    pub(super) fn client_left(&mut self) -> End {
        self.core.count(Counter::ClientAborts);
        self.tally.status = 499;
        End::Close
    }

    /// Whether the client gave up while `channel` was opened, which may have taken its time.
    fn has_left_for(&self, channel: &Channel) -> bool {
        channel.freshness == Freshness::Fresh && self.downstream.stream.is_given_up()
    }

    fn has_other(&self, backend: &Backend, lease: &Lease) -> bool {
        backend.has_other(lease.endpoint.address, &self.scratch.tried)
    }

    /// A response that policy counts as a failure: noted by the conversation, tried elsewhere.
    fn tried(&mut self, lease: &Lease) {
        self.core.count(Counter::UpstreamRetries);
        self.scratch.tried.push(lease.endpoint.address);
    }

    fn facts(
        &self,
        tries: u32,
        treatment: &Treatment,
        freshness: Freshness,
        progress: &Progress,
    ) -> Facts {
        Facts {
            tries,
            tries_max: treatment.tries_max,
            causes: treatment.retry_causes,
            freshness,
            is_idempotent: self.head().is_idempotent(self.bytes),
            is_replayable: !progress.has_read.get(),
        }
    }

    fn count_failure(&self, failure: Failure) {
        match failure {
            Failure::Malformed => self.core.count(Counter::UpstreamMalformed),
            Failure::Timeout | Failure::ConnectTimeout => {
                self.core.count(Counter::UpstreamTimeouts);
            }
            Failure::Local => self.core.count(Counter::UpstreamExhausted),
            _ => {}
        }
    }

    fn blame(&self, lease: &Lease, failure: Failure, freshness: Freshness) {
        if failure.is_endpoint_fault(freshness) && lease.endpoint.failed() {
            self.core.count(Counter::UpstreamEjections);
        }
        match failure {
            Failure::Connect | Failure::ConnectTimeout => {
                self.core.count(Counter::UpstreamConnectFailures);
            }
            Failure::Tls => self.core.count(Counter::UpstreamTlsFailures),
            Failure::Refused => self.core.count(Counter::UpstreamRefusals),
            _ => {}
        }
    }

    /// Remembers a try without an answer; gives the time of its end.
    fn note_failure(
        &mut self,
        lease: &Lease,
        failure: Failure,
        connect_time: Option<Duration>,
        started: u64,
    ) -> u64 {
        let ended = process_nanos();
        let call = self.end_call(ended);
        self.scratch.attempts.push(Attempt {
            address: lease.endpoint.address,
            status: None,
            reason: Some(failure.label()),
            response_bytes: 0,
            duration: Duration::from_nanos(ended.saturating_sub(started)),
            connect_time,
            header_time: None,
            call,
        });
        ended
    }

    /// Remembers what came of a conversation.
    fn note(&mut self, lease: &Lease, record: &Record, connect_time: Duration, started: u64) {
        let &Record { answered, header_time, finished, failure, status, response_bytes } = record;
        self.tally.status = status;
        self.tally.response_bytes = response_bytes;
        self.tally.finished = finished;
        if answered.is_some() {
            let call = self.end_call(finished);
            self.scratch.attempts.push(Attempt {
                address: lease.endpoint.address,
                status: answered,
                reason: failure.map(Failure::label),
                response_bytes,
                duration: Duration::from_nanos(finished.saturating_sub(started)),
                connect_time: Some(connect_time),
                header_time,
                call,
            });
        }
    }

    /// A channel for a try: a pooled one, a stream of a shared one, or a new one within the
    /// try's share of `connecting`.
    async fn obtain(
        &self,
        attempt: &Try<'_>,
        connecting: &mut ConnectTime,
    ) -> Result<Channel, Failure> {
        let upstreams = &self.core.upstreams;
        let &Try { lease, wire, until, .. } = attempt;
        let endpoint = &lease.endpoint;
        if !wire.is_http2()
            && attempt.wanted == Wanted::Any
            && let Some(channel) = upstreams.checkout(endpoint)
        {
            return Ok(channel);
        }
        let began = process_nanos();
        let has_other = attempt.elsewhere.is_some_and(|backend| self.has_other(backend, lease));
        let time = if has_other { connecting.share() } else { connecting.left() };
        let time = time.min(until.left());
        let opened = dial::open(upstreams, endpoint, wire, time).await;
        connecting.spend(Duration::from_nanos(process_nanos().saturating_sub(began)));
        opened
    }
}

/// One that was there costs no look at the clock.
fn connect_time(channel: &Channel, started: u64) -> Duration {
    match channel.freshness {
        Freshness::Reused => Duration::ZERO,
        Freshness::Fresh => Duration::from_nanos(process_nanos().saturating_sub(started)),
    }
}
