//! Asks the server of a rule whether a request may pass, and does what it says.

use std::rc::Rc;
use std::time::Duration;

use crate::filter::{AuthProtocol, Call, ExternalAuth, RequestOverlay, Said, SentFields};
use crate::filter::{Statuses, Unnamed, Verdict, is_of_answer, is_own_field};
use crate::http1::encode;
use crate::http1::fields::{is_hop_by_hop, members};
use crate::http1::framing::BodyLength;
use crate::http1::head::{RequestKind, ResponseHead};
use crate::http1::reframe::Framing;
use crate::http1::target::put_percent_encoded;
use crate::limits::AUTH_QUESTION_BYTES_MAX;
use crate::proxy::auth_answers::AuthAnswer;
use crate::proxy::exchange::answer::Told;
use crate::proxy::exchange::ask::{self, Body, Question};
use crate::proxy::exchange::check::read_checked;
use crate::proxy::exchange::reply::Reply;
use crate::proxy::exchange::request_fields::goes_along;
use crate::proxy::exchange::response::Unsaid;
use crate::proxy::exchange::scripted::Received;
use crate::proxy::exchange::state::{Exchange, Served};
use crate::proxy::exchange::uncollected::Uncollected;
use crate::proxy::exchange::variables::Known;
use crate::proxy::rt::clock::recent_millis;
use crate::table::Substitutes;
use crate::table::TableRule;
use crate::telemetry::Counter;
use crate::telemetry::spans::Question as Asked;

impl Exchange<'_> {
    /// Whether the server of `rule` lets the request pass.
    pub(super) async fn ask_auth_server(&mut self, auth: &ExternalAuth, rule: &TableRule) -> Said {
        let received = match rule.plan.script.as_deref() {
            Some(script) => self.received(script, &rule.origin),
            None => RequestOverlay::default(),
        };
        if let Err(why) = self.hold_body(auth).await {
            self.uncollected = Some(why);
            return Said::Unknown;
        }
        let key = self.cache_key(auth, rule, &received);
        let kept = key.as_ref().and_then(|key| self.core.auth_answers.get(key, recent_millis()));
        let answer = match kept {
            Some(answer) => {
                self.core.count(Counter::ExternalAuthReuses);
                Some(answer)
            }
            None => self.auth_answer(auth, rule, &received, key.as_deref()).await,
        };
        self.scratch.auth.clone_from(&answer);
        let Some(answer) = answer else {
            self.core.count(Counter::ExternalAuthUndecided);
            return Said::Unknown;
        };
        if let Some(script) = rule.plan.script.as_deref() {
            self.remember(script, rule, auth, &answer);
        }
        let verdict = auth.protocol.verdict(answer.status);
        if verdict != Verdict::Undecided {
            for cookie in &answer.cookies {
                self.scratch.added.add("Set-Cookie", cookie, auth.cookies);
            }
        }
        match verdict {
            Verdict::Admitted => {
                self.scratch.overlay.take_over(&answer.passed);
                for (name, value) in &answer.added {
                    self.scratch.added.add(name.clone(), value, Statuses::Any);
                }
                Said::Yes
            }
            Verdict::Denied(_) => {
                self.core.count(Counter::ExternalAuthDenied);
                Said::No
            }
            Verdict::Undecided => {
                self.core.count(Counter::ExternalAuthUndecided);
                Said::Unknown
            }
        }
    }

    /// Has the body here that the server gets, too.
    async fn hold_body(&mut self, auth: &ExternalAuth) -> Result<(), Uncollected> {
        let octets = self.request().whole_body_octets().map(<[u8]>::len);
        match (auth.body_bytes_max, octets) {
            (0, _) => Ok(()),
            (most, Some(octets)) if octets <= most => Ok(()),
            (_, Some(_)) => Err(Uncollected::Refused(Counter::BodiesTooLarge, Reply::BodyTooLarge)),
            (most, None) => self.collect(Some(most as u64)).await,
        }
    }

    /// Takes away what the client says in the place of the server of `rule`, be it that nobody
    /// asked that, or for a page of errors.
    pub(super) fn drop_claims(&mut self, rule: &TableRule) {
        let auth = rule.plan.gates.external_auth();
        for name in auth.iter().flat_map(|auth| &auth.response_names) {
            self.scratch.overlay.remove(name.as_bytes());
        }
    }

    /// Ends a request that the server does not let pass.
    pub(super) async fn deny_as_told(
        &mut self,
        unsaid: Unsaid,
        auth: &ExternalAuth,
        substitutes: Option<&Substitutes>,
    ) -> Served {
        let answer = self.scratch.auth.clone().unwrap_or_default();
        if let (401, Some(signin)) = (answer.status, &auth.signin) {
            let mut location = Vec::new();
            signin.put(&self.known(None), &mut location);
            return Served::Over(self.send_redirect(unsaid, 302, &location).await);
        }
        let pages = substitutes.and_then(|others| others.pages.as_ref());
        let has_page = pages.is_some_and(|pages| pages.statuses.contains(&answer.status));
        let reply = Reply::of_denial(answer.status);
        if has_page || self.request().is_grpc() {
            let is_challenge = |name: &str| name.eq_ignore_ascii_case(CHALLENGE);
            for (name, value) in answer.told.iter().filter(|(name, _)| is_challenge(name)) {
                self.scratch.added.add(name.clone(), value, Statuses::Any);
            }
            return Served::Owed(unsaid, reply);
        }
        let body = answer.body.as_deref().unwrap_or_else(|| reply.text().as_bytes());
        let told = Told { status: answer.status, fields: &answer.told, body };
        Served::Over(self.send_told(unsaid, told).await)
    }

    /// Asks the server and keeps what it said, if that may be kept under `key`; `None`: it gave no
    /// answer.
    async fn auth_answer(
        &mut self,
        auth: &ExternalAuth,
        rule: &TableRule,
        received: &RequestOverlay,
        key: Option<&[u8]>,
    ) -> Option<Rc<AuthAnswer>> {
        let backend = self.core.upstreams.backend(rule.auth_server?)?;
        let mut octets = Vec::new();
        let call = self.new_call(ask::now);
        match auth.protocol {
            AuthProtocol::Check => self.put_check(auth, call, &mut octets),
            AuthProtocol::Subrequest(_) | AuthProtocol::Http => {
                self.put_question(auth, rule, (received, call), &mut octets);
            }
        }
        if octets.len() > AUTH_QUESTION_BYTES_MAX.saturating_add(auth.body_bytes_max) {
            return None;
        }
        let treatment = &rule.plan.treatment;
        let mut until = self.until(treatment, ask::now());
        // One that says a little every now and then is not waited for without end.
        let whole = treatment.connect_timeout.saturating_add(treatment.send_timeout);
        until.end_within(whole.saturating_add(treatment.read_timeout));
        let question = Question {
            core: self.core,
            backend: &backend,
            treatment,
            until: &until,
            head: &octets,
            kind: RequestKind { is_head: self.question_method(auth) == b"HEAD" },
            is_idempotent: true,
            asker: Some(self.downstream.stream.deadline()),
        };
        let wanted = |status| match (auth.protocol, auth.protocol.verdict(status)) {
            (AuthProtocol::Check, _) | (_, Verdict::Denied(_)) => Body::Kept,
            (_, Verdict::Admitted | Verdict::Undecided) => Body::Ignored,
        };
        let head = &mut self.scratch.response;
        let answered = question.ask(head, wanted).await;
        let status = answered.as_ref().ok().map(|_| head.status);
        self.scratch.question =
            call.map(|call| Asked { call: Call { ended: ask::now(), ..call }, status });
        let (answered, head) = (answered.ok()?, &self.scratch.response);
        let answer = Rc::new(match auth.protocol {
            AuthProtocol::Check => read_checked(head, &answered)?,
            AuthProtocol::Subrequest(_) | AuthProtocol::Http => {
                read_answer(auth, head, &answered.head, answered.body)
            }
        });
        if let (Some(key), Some(cache)) = (key, &auth.cache) {
            let time = lifetime(head, &answered.head, cache.durations.of(answer.status));
            self.core.auth_answers.keep(key, &answer, time, recent_millis());
        }
        Some(answer)
    }

    /// Appends the head of the question, which is `call` in the trace of the request. `received`:
    /// what directives made of the client's fields.
    fn put_question(
        &self,
        auth: &ExternalAuth,
        rule: &TableRule,
        (received, call): (&RequestOverlay, Option<Call>),
        out: &mut Vec<u8>,
    ) {
        let known = Received { request: self.known(Some(rule)), overlay: received };
        let mut text = Vec::new();
        auth.target.put(&known, &mut text);
        if auth.protocol == AuthProtocol::Http {
            text.extend_from_slice(self.head().sent_path(self.bytes));
            if let Some(query) = self.head().query {
                text.push(b'?');
                text.extend_from_slice(query.of(self.bytes));
            }
        }
        out.extend_from_slice(self.question_method(auth));
        out.push(b' ');
        put_target(out, &text);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &auth.fields {
            text.clear();
            value.put(&known, &mut text);
            if !text.is_empty() {
                encode::put_field(out, name.as_bytes(), &text);
            }
        }
        if auth.sent == SentFields::All {
            out.extend_from_slice(self.identity_fields(rule.plan.request.identity));
        }
        let trace = self.scratch.trace.as_ref();
        if let Some((trace, call)) = trace.zip(call) {
            trace.put_fields(call.span, out);
        }
        for field in self.head().fields.iter().filter(|field| !field.dropped) {
            let name = field.name.of(self.bytes);
            if !auth.sent.has(name) || trace.is_some_and(|trace| trace.drops(name)) {
                continue;
            }
            if goes_along(field.kind) && !auth.has_field(name) && !received.is_dropped(name) {
                encode::put_field(out, name, field.value.of(self.bytes));
            }
        }
        for (name, value) in received.fields().filter(|(name, _)| !auth.has_field(name)) {
            encode::put_field(out, name, value);
        }
        if auth.protocol == AuthProtocol::Http {
            let body = self.request().whole_body_octets().filter(|_| auth.body_bytes_max > 0);
            let body = body.unwrap_or_default();
            Framing::of_request(BodyLength::Known(body.len() as u64)).put_field(out);
            out.extend_from_slice(b"\r\n");
            return out.extend_from_slice(body);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn question_method<'s>(&'s self, auth: &ExternalAuth) -> &'s [u8] {
        match auth.protocol {
            AuthProtocol::Subrequest(method) => method.as_bytes(),
            AuthProtocol::Http => self.head().method.of(self.bytes),
            AuthProtocol::Check => b"POST",
        }
    }

    fn known<'s>(&'s self, rule: Option<&'s TableRule>) -> Known<'s> {
        Known {
            request: self.request(),
            request_id: &self.scratch.request_id,
            origin: rule.map(|rule| &rule.origin),
            backend: None,
        }
    }

    /// What the answer to a request is kept under, if answers are: nothing that two rules have in
    /// common, or two hosts of one.
    fn cache_key(
        &self,
        auth: &ExternalAuth,
        rule: &TableRule,
        received: &RequestOverlay,
    ) -> Option<Vec<u8>> {
        let (cache, server) = (auth.cache.as_ref()?, rule.auth_server?);
        let (origin, mut key) = (&rule.origin, Vec::new());
        let numbers = [origin.rule, origin.path].map(|index| index.unwrap_or(u32::MAX));
        for number in numbers.into_iter().chain([server.slot, server.generation]) {
            key.extend_from_slice(&number.to_be_bytes());
        }
        key.extend_from_slice(&auth.fingerprint().to_be_bytes());
        for part in [&*origin.object.namespace, &*origin.object.name] {
            key.extend_from_slice(part.as_bytes());
            key.push(0);
        }
        key.extend_from_slice(&self.head().host);
        key.push(0);
        let known = Received { request: self.known(Some(rule)), overlay: received };
        cache.key.put(&known, &mut key);
        Some(key)
    }
}

/// Appends `text` as path and query. What may not stand in one is percent-encoded: a part of the
/// request may be anything.
pub(super) fn put_target(out: &mut Vec<u8>, text: &[u8]) {
    for &octet in text {
        match octet {
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                put_percent_encoded(out, octet);
            }
            b'!'..=b'~' => out.push(octet),
            _ => put_percent_encoded(out, octet),
        }
    }
}

/// What of an answer somebody gets to know.
fn read_answer(
    auth: &ExternalAuth,
    head: &ResponseHead,
    octets: &[u8],
    body: Option<Vec<u8>>,
) -> AuthAnswer {
    let status = match auth.protocol.verdict(head.status) {
        Verdict::Denied(status) => status,
        Verdict::Admitted | Verdict::Undecided => head.status,
    };
    let mut answer = AuthAnswer { status, body, ..AuthAnswer::default() };
    let fields = || {
        let fields = head.fields.iter().filter(|field| !field.dropped);
        fields.map(|field| (field.name.of(octets), field.value.of(octets)))
    };
    let value_of = |wanted: &str| {
        let is_it = |name: &[u8]| name.eq_ignore_ascii_case(wanted.as_bytes());
        let values: Vec<_> = fields().filter(|(name, _)| is_it(name)).map(|(_, v)| v).collect();
        values.join(&b", "[..])
    };
    answer.remembered = auth.remembered.iter().map(|name| value_of(name).into()).collect();
    for (name, value) in fields() {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("set-cookie") {
            answer.cookies.push(value.into());
        } else if is(CHALLENGE) {
            answer.told.push((CHALLENGE.into(), value.into()));
        } else if auth.protocol == AuthProtocol::Http && is("Location") {
            answer.told.push(("Location".into(), value.into()));
        } else if let Some(told) = OF_BODY.into_iter().find(|told| is(told))
            && answer.body.is_some()
        {
            answer.told.push((told.into(), value.into()));
        }
    }
    if answer.body.is_none() {
        let text = *b"text/plain; charset=utf-8";
        answer.told.push(("Content-Type".into(), text.into()));
    }
    for wanted in &auth.response_names {
        let value = value_of(wanted);
        if !value.is_empty() {
            answer.passed.add(wanted.as_bytes(), &value);
        }
    }
    if auth.unnamed == Unnamed::Passed {
        pass_unnamed(head, octets, &mut answer.passed);
    }
    answer
}

/// Has backends get each field of an answer that may be one of a request.
fn pass_unnamed(head: &ResponseHead, octets: &[u8], passed: &mut RequestOverlay) {
    let fields = || head.fields.iter().filter(|field| !field.dropped && !is_hop_by_hop(field.kind));
    let free = || {
        fields().filter_map(|field| {
            let name = str::from_utf8(field.name.of(octets)).ok()?;
            let is_free = !is_own_field(name) && !is_of_answer(name);
            is_free.then(|| (name.as_bytes(), field.value.of(octets)))
        })
    };
    for (name, _) in free() {
        passed.remove(name);
    }
    for (name, value) in free() {
        passed.add(name, value);
    }
}

/// The field of a denial that the client gets in any case.
const CHALLENGE: &str = "WWW-Authenticate";
/// Those that it gets with the body.
const OF_BODY: [&str; 3] = ["Content-Type", "Content-Encoding", "Content-Language"];

/// How long an answer may be kept whose status alone makes it good for `time`.
///
/// Source: RFC 9111 sections 4.1 and 5.2.2; nginx keeps none that sets a cookie.
fn lifetime(head: &ResponseHead, octets: &[u8], time: Duration) -> Duration {
    let mut time = time;
    for field in &head.fields {
        let (name, value) = (field.name.of(octets), field.value.of(octets));
        if name.eq_ignore_ascii_case(b"set-cookie") || name.eq_ignore_ascii_case(b"vary") {
            return Duration::ZERO;
        }
        if name.eq_ignore_ascii_case(b"cache-control") {
            let most = members(value).map(directive).min();
            time = time.min(most.unwrap_or(Duration::MAX));
        }
    }
    time
}

/// How long a directive of `Cache-Control` lets an answer live.
fn directive(text: &[u8]) -> Duration {
    let text = text.to_ascii_lowercase();
    let mut parts = text.splitn(2, |octet| *octet == b'=');
    match (parts.next().unwrap_or_default(), parts.next()) {
        (b"no-store" | b"no-cache" | b"private", _) => Duration::ZERO,
        (b"max-age" | b"s-maxage", Some(seconds)) => {
            let seconds = str::from_utf8(seconds.trim_ascii()).ok();
            Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(0))
        }
        _ => Duration::MAX,
    }
}
