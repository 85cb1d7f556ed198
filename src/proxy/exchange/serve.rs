//! One request and its response: match, filters, pick, attempts, relay, record.
//!
//! Decisions are elsewhere and pure (`table`, `filter`, `forward`, `retry`, `reply`); this file
//! moves octets between what they decide.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::filter::{FieldEdits, Filter, Redirect, RedirectParts};
use crate::http1::fields::FieldKind;
use crate::http1::framing::BodyLength;
use crate::http1::head::{RequestHead, Version, is_grpc};
use crate::model::ClientIdentityPolicy;
use crate::proxy::core::{Core, CoreTable, Scratch};
use crate::proxy::exchange::attempts::Treatment;
use crate::proxy::exchange::downstream::{Downstream, Scheme};
use crate::proxy::exchange::end::{After, End};
use crate::proxy::exchange::forward::{self, RequestFacts};
use crate::proxy::exchange::reading;
use crate::proxy::exchange::reply::{self, OwnFields, Persistence, Reply};
use crate::proxy::rt::Peek;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::Transport;
use crate::proxy::upstream::Backend;
use crate::publish::process_nanos;
use crate::table::{FieldLookup, Match, RequestKey, SeriesId, TableRule};
use crate::telemetry::{Counter, ExchangeRecord};
use crate::tls::{ClientAuthId, ClientIdentity, ClientRefusal};

/// What of an exchange metrics and access log get to know.
#[derive(Default)]
pub struct Tally {
    /// Status sent; 0: none.
    pub status: u16,
    /// Body octets sent to the client.
    pub response_bytes: u64,
    /// Body octets received from the client.
    pub request_bytes: u64,
    /// Counts the request.
    pub series: Option<SeriesId>,
    /// The chosen backend.
    pub backend: Option<Rc<Backend>>,
    /// Process clock when the response was through; 0: not yet.
    pub finished: u64,
    /// A load balancer's question: counted, not logged.
    pub is_probe: bool,
}

/// Bodies up to this size that came with their head are sent with it and kept for repetition.
const WHOLE_BODY_BYTES_MAX: u64 = Class::Medium.bytes() as u64;

/// One request under way.
pub struct Exchange<'a> {
    /// The core.
    pub core: &'a Rc<Core>,
    /// The client.
    pub downstream: &'a Downstream,
    /// The head and what came with it.
    pub bytes: &'a [u8],
    /// Parsed heads and other memory.
    pub scratch: &'a mut Scratch,
    /// What is recorded.
    pub tally: Tally,
    /// The connection ends after this request whatever happens.
    pub is_last: bool,
    /// Value of `Strict-Transport-Security`, if there is to be one.
    pub hsts: Option<&'a str>,
}

struct Fields<'a> {
    bytes: &'a [u8],
    head: &'a RequestHead,
}

impl FieldLookup for Fields<'_> {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self
            .head
            .fields
            .iter()
            .find(|field| field.name.of(self.bytes).eq_ignore_ascii_case(name));
        found.map(|field| field.value.of(self.bytes))
    }
}

/// Serves the request whose head is parsed in `scratch` and stands at the front of `buffer`.
pub async fn run(
    core: &Rc<Core>,
    downstream: &Downstream,
    buffer: Buffer,
    scratch: &mut Scratch,
    started: u64,
    is_last: bool,
) -> After {
    let table = core.table();
    scratch.attempts.clear();
    scratch.tried.clear();
    let mut exchange = Exchange {
        core,
        downstream,
        bytes: buffer.unread(),
        scratch,
        tally: Tally::default(),
        is_last,
        hsts: None,
    };
    exchange.choose_request_id();
    let matched = exchange.lookup(&table);
    if downstream.listener.scheme == Scheme::Https {
        exchange.hsts = matched.as_ref().and_then(|found| found.rule.policies.hsts.as_deref());
    }
    let end = exchange.serve(&table, matched.as_ref(), started).await;
    exchange.record(matched.as_ref().map(|matched| matched.rule), started);
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

impl Exchange<'_> {
    /// The request.
    pub(super) fn head(&self) -> &RequestHead {
        &self.scratch.request
    }

    fn lookup<'t>(&self, table: &'t CoreTable) -> Option<Match<'t>> {
        self.lookup_path(table, &self.head().path)
    }

    fn lookup_path<'t>(&self, table: &'t CoreTable, path: &[u8]) -> Option<Match<'t>> {
        let head = self.head();
        let fields = Fields { bytes: self.bytes, head };
        let key = RequestKey {
            host: &head.host,
            path,
            query: head.query.map(|query| query.of(self.bytes)),
            method: head.method.of(self.bytes),
            fields: &fields,
        };
        table.0.lookup(self.downstream.listener.id, &key)
    }

    /// Octets of the body that came with the head, and whether they are the whole of it.
    pub fn whole_body(&self) -> Option<usize> {
        let head = self.head();
        let here = self.bytes.len().saturating_sub(head.head_bytes);
        match head.body {
            BodyLength::None => Some(0),
            BodyLength::Known(length) if length <= WHOLE_BODY_BYTES_MAX => {
                usize::try_from(length).ok().filter(|&length| length <= here)
            }
            _ => None,
        }
    }

    /// The body, if the whole of it came with the head and is short enough to be kept.
    pub fn whole_body_octets(&self) -> Option<&[u8]> {
        let octets = self.whole_body()?;
        let from = self.head().head_bytes;
        self.bytes.get(from..from.checked_add(octets)?)
    }

    async fn serve(&mut self, table: &CoreTable, matched: Option<&Match<'_>>, started: u64) -> End {
        self.tally.series = matched.map(|matched| matched.rule.series);
        if let Some(refusal) = self.certificate_refusal(table) {
            self.core.count(Counter::ClientCertificatesRefused);
            // What is missing comes with another handshake only.
            self.is_last = true;
            return self.answer(Reply::Certificate(refusal)).await;
        }
        if self.is_probe(table, matched) {
            self.tally.is_probe = true;
            return self.answer(Reply::Healthy).await;
        }
        let Some(matched) = matched else { return self.answer(Reply::NotFound).await };
        let rule = matched.rule;
        if self.is_evasive(table, rule) {
            self.core.count(Counter::RequestsMalformed);
            return self.answer(Reply::Ambiguous).await;
        }
        if self.is_misdirected(table) {
            self.core.count(Counter::RequestsMisdirected);
            return self.answer(Reply::Misdirected).await;
        }
        if let Some(refusal) = rule.policies.refusal {
            return self.answer(Reply::of_refusal(refusal)).await;
        }
        if let Some(end) = self.redirect_to_https(rule).await {
            return end;
        }
        if self.lacks_tls(table) {
            return self.answer(Reply::Denied).await;
        }
        if let Some(end) = self.redirect(matched).await {
            return end;
        }
        let mut treatment = Treatment::new(&self.core.config, rule);
        if let Some(time) = self.grpc_timeout() {
            treatment.end_within(time);
        }
        if let (BodyLength::Known(length), Some(most)) =
            (self.head().body, treatment.body_bytes_max)
            && length > most
        {
            self.core.count(Counter::BodiesTooLarge);
            return self.answer(Reply::BodyTooLarge).await;
        }
        let share = self.core.random.below(rule.weight_total as usize);
        let Some(entry) = rule.backend(u32::try_from(share).unwrap_or(0)) else {
            return self.answer(Reply::InvalidBackend).await;
        };
        self.tally.series = Some(entry.series);
        let Some(id) = entry.backend else { return self.answer(Reply::InvalidBackend).await };
        // A backend may vanish between the table and the request: then it has no endpoints.
        let Some(backend) = self.core.upstreams.backend(id) else {
            return self.answer(Reply::NoEndpoints).await;
        };
        self.tally.backend = Some(Rc::clone(&backend));
        self.try_endpoints(&backend, matched, &treatment, started).await
    }

    /// Whether a load balancer asks for our health: the path of it, on a host that has no rules of
    /// its own, unless a rule for every host names that path. As the catch-all server of
    /// ingress-nginx has it, for every method.
    fn is_probe(&self, table: &CoreTable, matched: Option<&Match<'_>>) -> bool {
        let (head, path) = (self.head(), self.core.config.health_check_path.as_bytes());
        head.path == path
            && matched.is_none_or(|found| !found.is_routed || found.matched_bytes < path.len())
            && !table.0.has_host(self.downstream.listener.id, &head.host)
    }

    /// Whether a backend could read the path so that another rule should have had a say.
    fn is_evasive(&self, table: &CoreTable, rule: &TableRule) -> bool {
        let head = self.head();
        head.has_lax_reading
            && reading::is_evasive(head.sent_path(self.bytes), rule, |path| {
                self.lookup_path(table, path).map(|found| found.rule)
            })
    }

    /// Whether the host demands other client certificates than the connection was made with: it
    /// may be shared by hosts, or the client named another one in its handshake.
    ///
    /// Source: RFC 9110 section 15.5.20.
    fn is_misdirected(&self, table: &CoreTable) -> bool {
        let listener = &self.downstream.listener;
        listener.scheme == Scheme::Https
            && table.0.client_auth(listener.id, &self.head().host) != self.downstream.client_auth
    }

    /// Why nobody gets anything of the host on this connection: its handshake asked for a
    /// certificate in the host's name.
    fn certificate_refusal(&self, table: &CoreTable) -> Option<ClientRefusal> {
        let refusal = self.downstream.identity.as_ref()?.admitted().err()?;
        let (listener, own) = (self.downstream.listener.id, self.downstream.client_auth);
        (table.0.client_auth(listener, &self.head().host) == own).then_some(refusal)
    }

    /// Whether the host demands client certificates and the request came in clear text.
    fn lacks_tls(&self, table: &CoreTable) -> bool {
        let listener = &self.downstream.listener;
        listener.scheme == Scheme::Http
            && table.0.client_auth(listener.id, &self.head().host) != ClientAuthId::default()
    }

    /// As ingress-nginx writes it: without port, and without one slash at the end.
    async fn redirect_to_https(&mut self, rule: &TableRule) -> Option<End> {
        let status = rule.policies.https_redirect?;
        if self.downstream.listener.scheme == Scheme::Https {
            return None;
        }
        let head = self.head();
        let parts = RedirectParts {
            scheme: "https",
            host: &head.host,
            listener_port: 443,
            path: &head.path,
            sent_path: head.sent_path(self.bytes),
            query: head.query.map(|query| query.of(self.bytes)),
            matched_bytes: 0,
        };
        let keep = Redirect { scheme: None, hostname: None, port: None, path: None, status };
        let mut location = Vec::new();
        keep.location(&parts, &mut location);
        if location.last() == Some(&b'/') {
            location.pop();
        }
        Some(self.send_redirect(status, &location).await)
    }

    async fn send_redirect(&mut self, status: u16, location: &[u8]) -> End {
        let (persistence, end) = self.persistence_of_reply();
        let mut out = Buffer::new(Class::Small);
        self.core.with_date(|date| {
            let own = OwnFields { date, hsts: self.hsts };
            reply::put_redirect(out.as_vec(), status, location, persistence, &own);
        });
        self.send_reply(out, status, 0, end).await
    }

    async fn redirect(&mut self, matched: &Match<'_>) -> Option<End> {
        let redirect = matched.rule.filters.iter().find_map(|filter| match filter {
            Filter::Redirect(redirect) => Some(redirect),
            _ => None,
        })?;
        let head = self.head();
        let parts = RedirectParts {
            scheme: self.downstream.listener.scheme.as_str(),
            host: &head.host,
            listener_port: self.downstream.listener.port,
            path: &head.path,
            sent_path: head.sent_path(self.bytes),
            query: head.query.map(|query| query.of(self.bytes)),
            matched_bytes: matched.matched_bytes,
        };
        let mut location = Vec::new();
        redirect.location(&parts, &mut location);
        Some(self.send_redirect(redirect.status, &location).await)
    }

    /// Answers by ourselves.
    pub async fn answer(&mut self, reply: Reply) -> End {
        let (persistence, end) = self.persistence_of_reply();
        let has_body = !self.head().is_head(self.bytes);
        let mut out = Buffer::new(Class::Small);
        let content_type = self.head().find_name(self.bytes, b"content-type");
        if content_type.is_some_and(is_grpc) && reply.status() >= 400 {
            self.core.with_date(|date| {
                let own = OwnFields { date, hsts: self.hsts };
                reply::put_grpc(out.as_vec(), reply, persistence, &own);
            });
            return self.send_reply(out, 200, 0, end).await;
        }
        let octets = self.core.with_date(|date| {
            let own = OwnFields { date, hsts: self.hsts };
            reply::put(out.as_vec(), reply, persistence, has_body, &own)
        });
        self.send_reply(out, reply.status(), octets as u64, end).await
    }

    async fn send_reply(&mut self, out: Buffer, status: u16, octets: u64, end: End) -> End {
        let (is_sent, _) = self.downstream.write(self.core, out).await;
        self.tally.status = if is_sent { status } else { 499 };
        self.tally.response_bytes = octets;
        if is_sent { end } else { End::Close }
    }

    /// A reply of ours leaves the request's body where it is: the connection goes on only when the
    /// body is here as a whole and can be stepped over.
    fn persistence_of_reply(&self) -> (Persistence, End) {
        match self.whole_body() {
            Some(octets) if !self.ends_connection() => {
                let behind = self.head().head_bytes.saturating_add(octets);
                (self.keep(), End::Behind(behind))
            }
            Some(_) => (Persistence::Close, self.close()),
            None => (Persistence::Close, End::Linger),
        }
    }

    /// How to end the connection: octets that nobody reads would turn the close into a reset, which
    /// may destroy the response on its way.
    pub fn close(&self) -> End {
        if self.downstream.stream.peek() == Peek::Data { End::Linger } else { End::Close }
    }

    /// Whether the connection ends with the response that is written now.
    pub fn ends_connection(&self) -> bool {
        self.is_last || self.core.is_draining.get()
    }

    /// Whether the client can take trailers: one of HTTP/1.1 says so, HTTP/2 has a place for them.
    pub fn accepts_trailers(&self) -> bool {
        self.head().accepts_trailers || matches!(self.downstream.stream, Transport::Http2(_))
    }

    /// How persistence is said to this client.
    pub fn keep(&self) -> Persistence {
        match self.head().version {
            Version::Http11 => Persistence::Keep,
            Version::Http10 => Persistence::KeepExplicitly,
        }
    }

    /// How long the client of a gRPC call waits.
    fn grpc_timeout(&self) -> Option<Duration> {
        let head = self.head();
        let is_call = head.method.of(self.bytes) == b"POST"
            && head.find_name(self.bytes, b"content-type").is_some_and(is_grpc);
        let value = if is_call { head.find_name(self.bytes, b"grpc-timeout") } else { None };
        parse_grpc_timeout(value?)
    }

    /// Appends the head of the upstream request.
    pub fn put_request(&mut self, out: &mut Vec<u8>, matched: &Match<'_>) {
        let mut path = std::mem::take(&mut self.scratch.path);
        let head = &self.scratch.request;
        let mut host = None;
        let mut has_path = false;
        let mut edits: Vec<&FieldEdits> = Vec::new();
        for filter in &matched.rule.filters {
            match filter {
                Filter::RequestFields(fields) => edits.push(fields),
                Filter::Rewrite(rewrite) => {
                    host = rewrite.hostname.as_deref().or(host);
                    if let Some(edit) = &rewrite.path {
                        path.clear();
                        edit.apply(&head.path, matched.matched_bytes, &mut path);
                        has_path = true;
                    }
                }
                Filter::ResponseFields(_) | Filter::Redirect(_) => {}
            }
        }
        let facts = RequestFacts {
            client: self.downstream.client.as_bytes(),
            listener_fields: &self.downstream.listener.fields,
            request_id: &self.scratch.request_id,
            path: has_path.then_some(path.as_slice()),
            host: host.map(str::as_bytes),
            edits: &edits,
            forwards_expect: head.expects_continue && self.whole_body().is_none(),
            identity: self.identity_fields(matched.rule),
        };
        forward::put_request(out, self.bytes, head, &facts);
        self.scratch.path = path;
    }

    /// What the backend is told of the client's certificate, if its host checks any.
    fn identity_fields(&self, rule: &TableRule) -> &[u8] {
        let policy = rule.policies.client_identity;
        match self.downstream.identity.as_deref() {
            _ if policy == ClientIdentityPolicy::Untold => &[],
            Some(identity) if policy == ClientIdentityPolicy::WithCertificate => {
                identity.fields_with_certificate()
            }
            Some(identity) => identity.fields(),
            None if self.downstream.listener.scheme == Scheme::Https => {
                ClientIdentity::UNASKED_FIELDS
            }
            None => &[],
        }
    }

    /// Keeps the client's request id, if it is one that can be logged and forwarded; else makes one
    /// of 32 hex digits.
    fn choose_request_id(&mut self) {
        let bytes = self.bytes;
        let Scratch { request, request_id, .. } = &mut *self.scratch;
        request_id.clear();
        let sent = request.fields.iter().find(|field| field.kind == FieldKind::XRequestId);
        let sent = sent.map_or(&b""[..], |field| field.value.of(bytes));
        if !sent.is_empty() {
            request_id.extend_from_slice(sent);
            return;
        }
        for _ in 0..2 {
            put_hex(request_id, self.core.random.next());
        }
    }

    fn record(&self, rule: Option<&TableRule>, started: u64) {
        let head = self.head();
        let field = |kind: FieldKind| {
            let found = head.fields.iter().find(|field| field.kind == kind);
            found.map_or(&b""[..], |field| field.value.of(self.bytes))
        };
        let is_logged = self.core.is_logged();
        let finished = if self.tally.finished > 0 { self.tally.finished } else { process_nanos() };
        let elapsed = Duration::from_nanos(finished.saturating_sub(started));
        // What only the log needs is looked for only when there is one.
        let logged = |kind: FieldKind| if is_logged { field(kind) } else { &b""[..] };
        let record = ExchangeRecord {
            series: self.tally.series,
            origin: rule.map(|rule| &rule.origin),
            backend: self.tally.backend.as_ref().map(|backend| &*backend.key),
            status: self.tally.status,
            started_at: if is_logged {
                SystemTime::now().checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH)
            } else {
                SystemTime::UNIX_EPOCH
            },
            duration: elapsed,
            client: self.downstream.peer,
            method: head.method.of(self.bytes),
            target: head.target.of(self.bytes),
            protocol: self.downstream.protocol.unwrap_or_else(|| head.version.as_str()),
            host: head.authority.of(self.bytes),
            referer: logged(FieldKind::Referer),
            user_agent: logged(FieldKind::UserAgent),
            request_id: &self.scratch.request_id,
            request_bytes: (head.head_bytes as u64).saturating_add(self.tally.request_bytes),
            response_body_bytes: self.tally.response_bytes,
            attempts: &self.scratch.attempts,
        };
        if self.tally.is_probe {
            self.core.telemetry.record(&record);
        } else {
            self.core.record(&record);
        }
    }
}

/// Up to eight digits and a unit; `None` for anything else, which is the application's to refuse.
///
/// Source: gRPC `doc/PROTOCOL-HTTP2.md`, Timeout.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn put_hex(out: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for octet in number.to_be_bytes() {
        out.push(DIGITS[usize::from(octet >> 4)]);
        out.push(DIGITS[usize::from(octet & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_have_digits_and_a_unit() {
        let check = |text: &str, expected| {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), expected, "{text}");
        };
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3600)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        check("4m", Some(Duration::from_millis(4)));
        check("5u", Some(Duration::from_micros(5)));
        check("6n", Some(Duration::from_nanos(6)));
        for text in ["", "S", "1", "123456789S", "-1S", "1s", "1 S"] {
            check(text, None);
        }
    }
}
