//! The tries of one request: which endpoint, which connection, what a failure means, what is next.
//!
//! ```text
//! pick ─▶ obtain (pool, HTTP/2, dial) ─▶ conversation ─▶ the answer
//!   ▲          └───────── failure ◀──────────┘
//!   └── blame the endpoint, note the try ── may it be repeated? ── no ─▶ 502, 503, 504
//! ```
//!
//! Decisions are in `retry`, `upstream::balance` and `upstream::health`, and pure.

use std::rc::Rc;
use std::time::Duration;

use crate::proxy::exchange::conversation::{self, Conversation, Outcome};
use crate::proxy::exchange::end::End;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request_body::Progress;
use crate::proxy::exchange::retry::{self, ConnectTime, Facts, Room};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::dial;
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::Connection;
use crate::proxy::upstream::until::Until;
use crate::proxy::upstream::wire::CoreWire;
use crate::publish::process_nanos;
use crate::table::Route;
use crate::table::plan::Treatment;
use crate::telemetry::{Attempt, Counter};

/// One try.
struct Try<'t> {
    lease: &'t Lease,
    wire: &'t Rc<CoreWire>,
    until: Until,
    /// A pooled connection failed this request already.
    wants_fresh: bool,
    /// Where a failure may be made good, if another try is allowed.
    elsewhere: Option<&'t Backend>,
}

impl Exchange<'_> {
    /// Tries endpoints of `backend` until one answers or nothing is left to try.
    pub async fn try_endpoints(
        &mut self,
        backend: &Rc<Backend>,
        route: Route<'_>,
        until: Until,
        mut started: u64,
    ) -> End {
        let treatment = &route.plan.treatment;
        let begun = started;
        let progress = Progress::default();
        let mut connecting = ConnectTime::new(treatment.connect_timeout);
        let mut wants_fresh = false;
        let mut tries = 0;
        loop {
            if self.downstream.stream.is_given_up() {
                return self.client_left();
            }
            let Some(lease) =
                backend.pick(treatment.balance, &self.scratch.tried, &self.core.random)
            else {
                return self.answer(Reply::NoEndpoints).await;
            };
            tries += 1;
            let wire = backend.wire();
            let elsewhere = (tries < treatment.tries_max).then_some(&**backend);
            let attempt = Try { lease: &lease, wire: &wire, until, wants_fresh, elsewhere };
            let obtained = self.obtain(&attempt, &mut connecting).await;
            let (failure, is_reused) = match obtained {
                Err(failure) => (failure, false),
                // It may have taken its time.
                Ok(connection) if !connection.is_reused && self.downstream.stream.is_given_up() => {
                    return self.client_left();
                }
                Ok(connection) => {
                    let is_reused = connection.is_reused;
                    let facts = self.facts(tries, treatment, is_reused, &progress);
                    let talk =
                        Conversation { lease: &lease, route, until, progress: &progress, facts };
                    match conversation::run(self, connection, &talk, started).await {
                        Outcome::Ended(end) => return end,
                        Outcome::Failed(failure) => (failure, is_reused),
                        Outcome::Repeat => {
                            self.tried(&lease);
                            started = process_nanos();
                            continue;
                        }
                    }
                }
            };
            self.blame(&lease, failure, is_reused);
            started = self.note_failure(&lease, started);
            tries -= u32::from(retry::is_free(failure, is_reused, wants_fresh));
            let facts = self.facts(tries, treatment, is_reused, &progress);
            let has_other = self.has_other(backend, &lease);
            let room = Room { is_in_time: is_in_time(treatment, until, begun), has_other };
            if !retry::may_repeat(failure, facts, room) {
                return self.give_up(failure, &progress).await;
            }
            self.core.count(Counter::UpstreamRetries);
            wants_fresh |= is_reused;
            if failure.is_endpoint_fault(is_reused) {
                self.scratch.tried.push(lease.endpoint.address);
            }
        }
    }

    /// The client gave the request up before it went upstream.
    fn client_left(&mut self) -> End {
        self.core.count(Counter::ClientAborts);
        self.tally.status = 499;
        End::Close
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
        is_reused: bool,
        progress: &Progress,
    ) -> Facts {
        Facts {
            tries,
            tries_max: treatment.tries_max,
            is_reused,
            is_idempotent: self.head().is_idempotent(self.bytes),
            is_replayable: !progress.has_read.get(),
        }
    }

    async fn give_up(&mut self, failure: Failure, progress: &Progress) -> End {
        match failure {
            Failure::Malformed => self.core.count(Counter::UpstreamMalformed),
            Failure::Timeout | Failure::ConnectTimeout => {
                self.core.count(Counter::UpstreamTimeouts);
            }
            Failure::Local => self.core.count(Counter::UpstreamExhausted),
            _ => {}
        }
        let end = self.answer(Reply::to_failure(failure)).await;
        // Some of the body was read already, so the rest cannot be stepped over.
        if progress.has_read.get() { End::Linger } else { end }
    }

    fn blame(&self, lease: &Lease, failure: Failure, is_reused: bool) {
        if failure.is_endpoint_fault(is_reused) && lease.endpoint.failed() {
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
    fn note_failure(&mut self, lease: &Lease, started: u64) -> u64 {
        let ended = process_nanos();
        self.note_attempt(lease, None, ended.saturating_sub(started));
        ended
    }

    /// Remembers a try that took `nanos`.
    pub fn note_attempt(&mut self, lease: &Lease, status: Option<u16>, nanos: u64) {
        self.scratch.attempts.push(Attempt {
            address: lease.endpoint.address,
            status,
            response_bytes: 0,
            duration: Duration::from_nanos(nanos),
        });
    }

    /// A connection for a try: a pooled one, a stream of a shared one, or a new one within the
    /// try's share of `connecting`.
    async fn obtain(
        &self,
        attempt: &Try<'_>,
        connecting: &mut ConnectTime,
    ) -> Result<Connection, Failure> {
        let core = self.core;
        let &Try { lease, wire, until, .. } = attempt;
        let endpoint = &lease.endpoint;
        let opened_at = recent_millis();
        if !wire.is_http2() && !attempt.wants_fresh {
            let pool = &endpoint.pool;
            let found = pool.checkout(&core.upstreams.limits, &core.upstreams.idle, opened_at);
            core.telemetry.add(Counter::UpstreamStale, found.stale);
            if let Some(connection) = found.connection {
                core.count(Counter::UpstreamReuses);
                return Ok(connection);
            }
        }
        let began = process_nanos();
        let has_other = attempt.elsewhere.is_some_and(|backend| self.has_other(backend, lease));
        let time = connecting.share(has_other).min(until.left());
        // Whoever cannot be reached is as silent as who does not answer.
        let is_first = endpoint.asked();
        let result = if wire.is_http2() {
            dial::open_stream(&core.upstreams, endpoint, wire, time).await
        } else {
            let dialled = dial::dial(&core.upstreams, wire, endpoint.address, time).await;
            dialled.map(|stream| Connection {
                stream,
                opened_at,
                is_reused: false,
                keep_alive: None,
            })
        };
        connecting.spend(Duration::from_nanos(process_nanos().saturating_sub(began)));
        if is_first && result.is_ok() {
            endpoint.unasked();
        }
        result
    }
}

/// Whether another try may begin, when the first one began at `begun` (process clock).
fn is_in_time(treatment: &Treatment, until: Until, begun: u64) -> bool {
    let spent = Duration::from_nanos(process_nanos().saturating_sub(begun));
    let time = treatment.tries_time;
    !until.left().is_zero() && (time.is_zero() || spent < time)
}
