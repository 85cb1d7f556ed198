//! One request and its response: match, filters, pick, attempts, relay, record.
//!
//! Decisions are elsewhere and pure (`table`, `filter`, `forward`, `retry`, `reply`); this file
//! moves octets between what they decide.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::filter::script::{Known as Changed, Logged, PageStatus};
use crate::filter::{Answer, AnswerFields, CorsAnswer, Redirect, put_hex};
use crate::http1::error::RequestFault;
use crate::http1::fields::FieldKind;
use crate::http1::framing::BodyLength;
use crate::http1::reframe::Trailers;
use crate::limits::COLLECTED_BODY_BYTES_MAX;
use crate::model::{AccessLog, RequestIds, RetryCause, Scheme, UpstreamVersion};
use crate::proxy::core::{Core, CoreTable, Scratch};
use crate::proxy::exchange::claimed::Claimed;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::{After, End};
use crate::proxy::exchange::gates::Held;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request::Body;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::state::{Exchange, Served, Tally};
use crate::proxy::exchange::substitute::Cause;
use crate::proxy::exchange::variables::Known;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::upstream::backend::Backend;
use crate::publish::process_nanos;
use crate::table::plan::ResponsePlan;
use crate::table::{Match, Route, TableRule};
use crate::telemetry::{Counter, ExchangeRecord};

/// Serves the request whose head is parsed in `scratch` and stands at the front of `buffer`; with
/// it the connection served so many.
pub async fn run(
    core: &Rc<Core>,
    downstream: &Downstream,
    buffer: Buffer,
    scratch: &mut Scratch,
    started: u64,
    served: u64,
) -> After {
    let is_last = is_last(core, scratch, served);
    let table = core.table();
    let mut exchange = Exchange::begin(core, &table, downstream, buffer.unread(), scratch);
    exchange.is_last = is_last;
    let mut matched = exchange.look_up(&table, exchange.head().rule_path());
    let passed = loop {
        exchange.take_rule(matched.as_ref(), &table.0.no_rule);
        match exchange.pass_gates(&table, matched.as_ref()).map(|_| ()) {
            // Steps are bounded, and so are rounds.
            Err(Held::Answered(Answer::Moved)) => matched = exchange.look_up_again(&table),
            passed => break passed,
        }
    };
    let end = exchange.serve(&table, matched.as_ref(), passed, Unsaid::new(), started).await;
    exchange.record(&table, matched.as_ref(), started);
    // Its client may have another one under way from here on.
    drop(exchange);
    core.retire_table(table);
    match end {
        End::Close => After::Close,
        End::Linger => After::Linger,
        End::Next(next) => After::KeepAlive(next),
        End::Behind(octets) => {
            let mut buffer = buffer;
            buffer.consume(octets);
            After::KeepAlive((!buffer.is_empty()).then_some(buffer))
        }
    }
}

/// Whether the connection ends after this request whatever the client wants.
fn is_last(core: &Core, scratch: &Scratch, served: u64) -> bool {
    let is_last = core.downstream(|policy| {
        let most = policy.keep_alive_requests;
        !policy.keeps_alive() || (most > 0 && served >= most)
    });
    is_last || !scratch.request.is_persistent
}

/// What comes of a request in the place of a backend's answer.
pub(super) enum Instead<'t> {
    /// An answer of ours.
    Reply(Reply),
    /// It is sent elsewhere.
    Redirect(&'t Redirect),
}

impl<'a> Exchange<'a> {
    /// The request whose head is parsed in `scratch` and stands at the front of `bytes`.
    pub(super) fn begin(
        core: &'a Rc<Core>,
        table: &'a CoreTable,
        downstream: &'a Downstream,
        bytes: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.attempts.clear();
        scratch.tried.clear();
        scratch.overlay.clear();
        scratch.added.clear();
        scratch.auth = None;
        (scratch.trace, scratch.question) = (None, None);
        scratch.is_path_replaced = false;
        let policy = &*table.0.downstream;
        scratch.noted.begin(policy.log.form.as_ref());
        let Scratch { request, claimed_host, .. } = &mut *scratch;
        let claimed = Claimed::of(&policy.forwarded, downstream.peer, request, bytes, claimed_host);
        scratch.script.clear();
        let mut exchange = Self {
            core,
            downstream,
            bytes,
            scratch,
            policy,
            claimed,
            tally: Tally::default(),
            is_last: false,
            answer: AnswerFields::NONE,
            script: None,
            page: None,
            body: Body::Untouched,
            sent_trailers: Trailers::Kept,
            is_reading: false,
            collected: Buffer::unallocated(),
            holds: Cell::default(),
            uncollected: None,
            copy: None,
            copied: 0,
        };
        exchange.choose_request_id(policy.request_ids);
        exchange
    }

    async fn serve(
        &mut self,
        table: &'a CoreTable,
        matched: Option<&Match<'_>>,
        passed: Result<(), Held<'_>>,
        unsaid: Unsaid,
        started: u64,
    ) -> End {
        self.tally.series = matched.map(|matched| matched.rule.series);
        let passed = match passed {
            Ok(()) => matched.ok_or(Answer::NotFound),
            Err(Held::Answered(answer)) => Err(answer),
            // PERF: its future is large, and few rules have anybody asked.
            Err(Held::Inquiring(walk, inquiry)) => {
                Box::pin(self.pass_inquiries(walk, inquiry, table, matched)).await
            }
        };
        if let Some(rule) =
            matched.map(|found| found.rule).filter(|rule| rule.auth_server.is_some())
        {
            self.drop_claims(rule);
        }
        let (served, cause) = match passed {
            Ok(matched) => (self.ask(matched, unsaid, started).await, Cause::Backend),
            Err(answer) => (self.keep_back(unsaid, answer, matched).await, Cause::Gate),
        };
        let (unsaid, reply) = match served {
            Served::Over(end) => return end,
            Served::Owed(unsaid, reply) => (unsaid, reply),
        };
        if self.script.is_some()
            && let Some((status, path)) = self.error_path(reply)
        {
            // Boxed, as few requests come here.
            return Box::pin(self.serve_page(table, (status, &path), unsaid, reply)).await;
        }
        match matched.and_then(|found| Some((found, found.rule.substitutes.as_deref()?))) {
            // Boxed, so that no other request has room for it.
            Some((found, substitutes)) => {
                Box::pin(self.substitute(found, substitutes, unsaid, reply, cause)).await
            }
            None => self.answer(unsaid, reply).await,
        }
    }

    /// Answers with what is found at another path, or else with `reply`.
    async fn serve_page(
        &mut self,
        table: &'a CoreTable,
        (status, path): (PageStatus, &[u8]),
        unsaid: Unsaid,
        reply: Reply,
    ) -> End {
        let is_named = path.starts_with(b"@");
        if is_named {
            self.scratch.script.move_to_named();
        } else {
            let mut parts = path.splitn(2, |octet| *octet == b'?');
            let path = parts.next().unwrap_or_default();
            self.scratch.script.move_to(path, parts.next().unwrap_or_default());
            self.is_reading = true;
        }
        self.end_request(reply);
        if self.is_reading && self.request().whole_body() != Some(0) {
            self.body = Body::Spent;
        }
        self.scratch.overlay.withhold();
        self.page = Some(match status {
            PageStatus::OfError => PageStatus::Fixed(reply.status()),
            status => status,
        });
        let matched = match is_named {
            true => self.look_up_named(table, path),
            false => self.look_up_again(table),
        };
        self.take_rule(matched.as_ref(), &table.0.no_rule);
        let matched = matched.as_ref();
        if let Some(found) = matched.filter(|found| found.rule.auth_server.is_some()) {
            self.drop_claims(found.rule);
        }
        let served = match self.pass_gates(table, matched).map(|_| ()) {
            Ok(()) => match matched {
                Some(found) => self.ask(found, unsaid, process_nanos()).await,
                None => Served::Owed(unsaid, reply),
            },
            Err(Held::Answered(answer @ Answer::Ended(_))) => {
                self.keep_back(unsaid, answer, matched).await
            }
            // Whoever may not have the page gets the error.
            Err(_) => Served::Owed(unsaid, reply),
        };
        match served {
            Served::Over(end) => end,
            Served::Owed(unsaid, _) => self.answer(unsaid, reply).await,
        }
    }

    /// The rule of the request is this one; without one, answers are what `otherwise` says.
    pub(super) fn take_rule<'t: 'a>(
        &mut self,
        matched: Option<&Match<'t>>,
        otherwise: &'t ResponsePlan,
    ) {
        let plan = matched.map(|found| &found.rule.plan);
        self.answer = self.answer_fields(plan.map_or(otherwise, |plan| &plan.response));
        if let Some(policy) = plan.and_then(|plan| plan.forwarded.as_deref()) {
            let Scratch { request, claimed_host, .. } = &mut *self.scratch;
            let peer = self.downstream.peer;
            self.claimed = Claimed::of(policy, peer, request, self.bytes, claimed_host);
        }
        if let Some(form) = plan.and_then(|plan| plan.log_form.as_deref()) {
            self.scratch.noted.follow(Some(form));
        }
        self.begin_trace(matched);
        self.script = matched.and_then(|found| {
            let script = found.rule.plan.script.as_deref()?;
            Some((script, &found.rule.origin))
        });
    }

    /// The rule of the path that directives made.
    pub(super) fn look_up_again<'t>(&mut self, table: &'t CoreTable) -> Option<Match<'t>> {
        self.scratch.script.leave_rule();
        self.look_up(table, self.scratch.script.path().unwrap_or_else(|| self.head().rule_path()))
    }

    /// The location of this name, `@` included, unless the host has none any more.
    fn look_up_named<'t>(&mut self, table: &'t CoreTable, name: &[u8]) -> Option<Match<'t>> {
        self.scratch.script.leave_rule();
        self.look_up(table, name).filter(|found| found.matched_bytes == name.len())
    }

    /// Which backend of the rule gets the request, and by which way; the request is made ready for
    /// it.
    pub(super) fn prepare<'t>(
        &mut self,
        matched: &Match<'t>,
    ) -> Result<(Route<'t>, Rc<Backend>), Instead<'t>> {
        let rule = matched.rule;
        if rule.is_unclaimed {
            return Err(Instead::Reply(Reply::NotFound));
        }
        let share = self.core.random.below(rule.weight_total as usize);
        // Sessions count more than weights.
        let kept = match &rule.plan.treatment.binding {
            Some(binding) if binding.is_session() && rule.backends.len() > 1 => self.kept(rule),
            _ => None,
        };
        let entry = kept.or_else(|| rule.backend(u32::try_from(share).unwrap_or(0)));
        let entry = entry.ok_or(Instead::Reply(Reply::InvalidBackend))?;
        self.tally.series = Some(entry.series);
        let Some(id) = entry.backend_of(self.downstream.listener.scheme) else {
            let redirect = entry.redirect.as_deref();
            return Err(redirect.map_or(Instead::Reply(Reply::InvalidBackend), Instead::Redirect));
        };
        // A backend may vanish between the table and the request: then it has no endpoints.
        let Some(backend) = self.core.upstreams.backend(id) else {
            return Err(Instead::Reply(Reply::NoEndpoints));
        };
        self.tally.backend = Some(Rc::clone(&backend));
        let (entry, backend) = match self.canary(rule, entry, &backend) {
            Some((entry, canary)) => {
                self.tally.series = Some(entry.series);
                self.tally.canary = Some(Rc::clone(&canary));
                (entry, canary)
            }
            None => (entry, backend),
        };
        let route = matched.route(entry);
        if self.replace_path(route, &rule.origin).is_err() || self.follow_script().is_err() {
            return Err(Instead::Reply(Reply::Malformed(RequestFault::UriTooLong)));
        }
        if !self.scratch.overlay.is_empty() {
            self.sent_trailers = Trailers::Dropped;
        }
        // What the operator has all backends told says nothing against trailers.
        self.set_texts(route);
        Ok((route, backend))
    }

    /// Asks a backend of the rule.
    async fn ask(&mut self, matched: &Match<'_>, unsaid: Unsaid, started: u64) -> Served {
        let rule = matched.rule;
        let (route, backend) = match self.prepare(matched) {
            Ok(prepared) => prepared,
            Err(Instead::Reply(reply)) => {
                if matches!(reply, Reply::Malformed(_)) {
                    self.core.count(Counter::RequestsMalformed);
                }
                return Served::Owed(unsaid, reply);
            }
            // PERF: as few requests come here as to gates that wait.
            Err(Instead::Redirect(redirect)) => {
                return Box::pin(self.keep_back(
                    unsaid,
                    Answer::Elsewhere(redirect),
                    Some(matched),
                ))
                .await;
            }
        };
        if self.is_collected(route) {
            // PERF: of few requests, so that no other has room for it.
            match Box::pin(self.collect(route.plan.treatment.body_bytes_max)).await {
                Ok(()) => {}
                Err(why) => return self.refuse_uncollected(unsaid, why),
            }
        }
        let until = self.until(&route.plan.treatment, started);
        if !route.plan.request.mirrors.is_empty() && backend.endpoint_count() > 0 {
            self.begin_copies(rule, route, &until);
        }
        let served = self.try_endpoints(&backend, route, &until, unsaid, started).await;
        if self.copy.is_some() {
            self.end_copies(rule, route, &until);
        }
        served
    }

    /// Whether the body is read before a backend is asked: that would not know where it ends, or
    /// the request may be repeated, for which nginx holds it, too (`proxy_request_buffering`).
    fn is_collected(&self, route: Route<'_>) -> bool {
        if self.body != Body::Untouched {
            return false;
        }
        let (head, treatment) = (self.head(), &route.plan.treatment);
        match head.body {
            BodyLength::Chunked => route.plan.request.version == UpstreamVersion::Http10,
            BodyLength::Known(length) => {
                let may_be_repeated = treatment.retry_causes.has(RetryCause::NonIdempotent)
                    || (!treatment.retried_statuses.is_empty() && head.is_idempotent(self.bytes));
                treatment.tries_max > 1
                    && may_be_repeated
                    && length <= COLLECTED_BODY_BYTES_MAX as u64
                    && self.request().whole_body().is_none()
            }
            BodyLength::None | BodyLength::UntilClose => false,
        }
    }

    /// What the plan has in every answer to this request.
    fn answer_fields<'p>(&self, plan: &'p ResponsePlan) -> AnswerFields<'p>
    where
        'a: 'p,
    {
        let is_https = self.downstream.listener.scheme == Scheme::Https;
        let hsts = plan.hsts.as_deref().filter(|_| is_https);
        let cors = plan.cors.as_deref();
        let cors = cors.map_or(CorsAnswer::Nothing, |cors| cors.answer(&self.cors_request()));
        AnswerFields { hsts, set: &plan.set, cors, added: &plan.added }
    }

    /// Keeps the client's request id, if it is one that can be logged and forwarded; else makes one
    /// of 32 hex digits, if any are made.
    fn choose_request_id(&mut self, ids: RequestIds) {
        let bytes = self.bytes;
        let Scratch { request, request_id, .. } = &mut *self.scratch;
        request_id.clear();
        let sent = request.fields.iter().find(|field| field.kind == FieldKind::XRequestId);
        let sent = sent.map_or(&b""[..], |field| field.value.of(bytes));
        if !sent.is_empty() {
            request_id.extend_from_slice(sent);
            return;
        }
        if ids == RequestIds::Sent {
            return;
        }
        let halves = [self.core.random.next(), self.core.random.next()];
        put_hex(request_id, halves.map(u64::to_be_bytes).as_flattened());
    }

    fn record(&self, table: &CoreTable, matched: Option<&Match<'_>>, started: u64) {
        let (head, rule) = (self.head(), matched.map(|matched| matched.rule));
        let field = |kind: FieldKind| {
            let found = head.fields.iter().find(|field| field.kind == kind);
            found.map_or(&b""[..], |field| field.value.of(self.bytes))
        };
        let is_logged =
            self.core.is_logged() && !self.tally.is_probe && self.is_wanted(table, matched);
        let finished = if self.tally.finished > 0 { self.tally.finished } else { process_nanos() };
        let elapsed = Duration::from_nanos(finished.saturating_sub(started));
        let recorded = self.recorded_trace();
        let is_written = is_logged || recorded.is_some();
        // What only the log and spans need is looked for only when there are any.
        let written = |kind: FieldKind| if is_written { field(kind) } else { &b""[..] };
        let noted = &self.scratch.noted;
        let named = matched.filter(|_| is_logged && self.tally.backend.is_none());
        let named = named.and_then(|found| self.named_backend(found.rule));
        let record = ExchangeRecord {
            series: self.tally.series,
            origin: rule.map(|rule| &rule.origin),
            backend: self.tally.backend.as_ref().map(|backend| &*backend.key),
            named: named.as_deref().map(|backend| &*backend.key),
            canary: self.tally.canary.as_ref().map(|backend| &*backend.key),
            status: self.tally.status,
            started_at: if is_written {
                SystemTime::now().checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH)
            } else {
                SystemTime::UNIX_EPOCH
            },
            duration: elapsed,
            client: self.client(),
            method: head.method.of(self.bytes),
            target: head.target.of(self.bytes),
            protocol: self.downstream.protocol.unwrap_or_else(|| head.version.as_str()),
            host: head.authority.of(self.bytes),
            referer: written(FieldKind::Referer),
            user_agent: written(FieldKind::UserAgent),
            request_id: &self.scratch.request_id,
            request_bytes: (head.head_bytes as u64).saturating_add(self.tally.request_bytes),
            response_body_bytes: self.tally.response_bytes,
            response_bytes: noted.head_bytes.get().saturating_add(self.tally.response_bytes),
            sent_head: &noted.sent.borrow(),
            upstream_head: &noted.upstream.borrow(),
            attempts: &self.scratch.attempts,
        };
        if !is_written {
            return self.core.telemetry.record(&record);
        }
        let known = Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: record.origin,
            backend: record.backend.or(record.named),
        };
        if let Some(trace) = recorded {
            self.record_trace(trace, &record, &known, rule, started);
        }
        if !is_logged {
            return self.core.telemetry.record(&record);
        }
        let known = Changed { state: &self.scratch.script, request: &known };
        let own = rule.and_then(|rule| rule.plan.log_form.as_deref());
        self.core.record(&record, &known, own.or(self.policy.log.form.as_ref()));
    }

    /// The backend that the rule names, where it was not asked.
    fn named_backend(&self, rule: &TableRule) -> Option<Rc<Backend>> {
        let id = rule.backends.first()?.backend_of(self.downstream.listener.scheme)?;
        self.core.upstreams.backend(id)
    }

    /// Whether its rule and the controller want it in the log.
    fn is_wanted(&self, table: &CoreTable, matched: Option<&Match<'_>>) -> bool {
        let of_rule = matched.map_or(AccessLog::Written, |found| found.rule.plan.access_log);
        let log = &self.policy.log;
        let is_claimed = || {
            let (listener, host) = (self.downstream.listener.id, &self.head().host);
            matched.is_some_and(|found| found.is_routed) || table.0.has_host(listener, host)
        };
        let said = self.script.map(|(script, _)| self.scratch.script.logged(script));
        of_rule == AccessLog::Written
            && said != Some(Logged::Never)
            && log.has(self.head().target.of(self.bytes))
            && (log.unclaimed == AccessLog::Written || is_claimed())
    }
}
