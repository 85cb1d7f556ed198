//! The spans of one request: its own, and one for each request of ours to another server.
//!
//! Source: OpenTelemetry, "Semantic conventions for HTTP spans"; the names before those became
//! stable are the ones that ingress-nginx sets.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::attributes::{Attributes, put_end, put_method};
use crate::filter::{Call, SpanId, Trace};
use crate::limits::{ACCESS_LOG_ATTEMPTS_MAX, SPAN_TEXT_BYTES_MAX};
use crate::model::BackendKey;
use crate::protobuf::{put_fixed32, put_fixed64, put_message, put_number, put_octets, put_text};
use crate::telemetry::record::{Attempt, ExchangeRecord};

/// What the spans of a request are made of.
pub struct RequestSpans<'a> {
    /// Which trace they belong to.
    pub trace: &'a Trace,
    /// What other systems say of it: values of `tracestate`.
    pub state: &'a [u8],
    /// Name of the request's own.
    pub name: &'a [u8],
    /// Path of the rule; empty: there is none.
    pub route: &'a str,
    /// What became of the request.
    pub exchange: &'a ExchangeRecord<'a>,
    /// Process clock when it began, nanoseconds.
    pub began: u64,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host asked for, without port.
    pub host: &'a [u8],
    /// Port that the client came to.
    pub port: u16,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// What a server of external authentication was asked; `None`: nothing.
    pub question: Option<(Question, &'a BackendKey)>,
}

/// A question to a server of external authentication that is over.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// What it is in the trace.
    pub call: Call,
    /// The answer; `None`: there was none.
    pub status: Option<u16>,
}

/// What a span is about.
struct Head<'a> {
    span: SpanId,
    parent: Option<SpanId>,
    kind: Kind,
    name: &'a [u8],
    begun: u64,
    ended: u64,
}

impl<'a> Head<'a> {
    /// Of a request of ours.
    fn of_call(call: Call, trace: &Trace, name: &'a [u8]) -> Self {
        let Call { span, begun, ended } = call;
        Self { span, parent: Some(trace.context.span), kind: Kind::Client, name, begun, ended }
    }
}

/// Source: `opentelemetry/proto/trace/v1/trace.proto`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server = 2,
    Client = 3,
}

/// Of the flags of a span: whether its parent is of another process is known, and is so.
const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

impl RequestSpans<'_> {
    /// Appends them; gives their number.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> usize {
        let mut spans = 1;
        self.put_server(out);
        if let Some((question, server)) = &self.question {
            self.put_question(out, question, server);
            spans += 1;
        }
        let attempts = self.exchange.attempts.iter().take(ACCESS_LOG_ATTEMPTS_MAX);
        for (number, attempt) in attempts.enumerate() {
            spans += usize::from(self.put_attempt(out, number, attempt));
        }
        if let Some((call, server)) = self.trace.call {
            let given_up = Attempt {
                address: server,
                status: None,
                reason: Some("given_up"),
                response_bytes: 0,
                duration: Duration::ZERO,
                connect_time: None,
                header_time: None,
                call: Some(Call { ended: self.end(), ..call }),
            };
            spans += usize::from(self.put_attempt(out, self.exchange.attempts.len(), &given_up));
        }
        spans
    }

    fn put_span(&self, out: &mut Vec<u8>, head: &Head<'_>, put: impl FnOnce(&mut Vec<u8>)) {
        let &Head { span, parent, kind, name, begun, ended } = head;
        let context = &self.trace.context;
        let is_remote = if kind == Kind::Server { PARENT_IS_REMOTE } else { 0 };
        put_message(out, 2, |out| {
            put_octets(out, 1, &context.trace.octets());
            put_octets(out, 2, &span.octets());
            if !self.state.is_empty() {
                put_octets(out, 3, self.state);
            }
            if let Some(parent) = parent {
                put_octets(out, 4, &parent.octets());
            }
            put_text(out, 5, name, SPAN_TEXT_BYTES_MAX);
            put_number(out, 6, kind as u64);
            put_fixed64(out, 7, self.unix_nanos(begun));
            put_fixed64(out, 8, self.unix_nanos(ended));
            put_fixed32(out, 16, u32::from(context.flags.bits()) | PARENT_IS_KNOWN | is_remote);
            put(out);
        });
    }

    /// Wall clock at a moment of the process clock.
    fn unix_nanos(&self, moment: u64) -> u64 {
        let start = self.exchange.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = Duration::from_nanos(moment.saturating_sub(self.began));
        u64::try_from(start.saturating_add(since).as_nanos()).unwrap_or(u64::MAX)
    }

    fn end(&self) -> u64 {
        let elapsed = u64::try_from(self.exchange.duration.as_nanos()).unwrap_or(u64::MAX);
        self.began.saturating_add(elapsed)
    }

    fn put_server(&self, out: &mut Vec<u8>) {
        let exchange = self.exchange;
        let head = Head {
            span: self.trace.context.span,
            parent: self.trace.parent,
            kind: Kind::Server,
            name: self.name,
            begun: self.began,
            ended: self.end(),
        };
        self.put_span(out, &head, |out| {
            self.put_request(&mut Attributes(out));
            self.put_former_names(&mut Attributes(out));
            self.put_object(&mut Attributes(out));
            // Mistakes of clients are none of ours.
            put_outcome(out, exchange.status, 500, None);
        });
    }

    fn put_request(&self, attributes: &mut Attributes<'_>) {
        let exchange = self.exchange;
        put_method(attributes, exchange.method);
        let mut parts = exchange.target.splitn(2, |octet| *octet == b'?');
        attributes.text("url.scheme", self.scheme.as_bytes());
        attributes.text("url.path", parts.next().unwrap_or_default());
        attributes.text("url.query", parts.next().unwrap_or_default());
        attributes.text("http.route", self.route.as_bytes());
        attributes.text("server.address", self.host);
        attributes.number("server.port", self.port.into());
        attributes.address(["client.address", "client.port"], exchange.client);
        attributes.address(["network.peer.address", "network.peer.port"], self.peer);
        let version = exchange.protocol.strip_prefix("HTTP/").unwrap_or_default();
        let version = version.strip_suffix(".0").filter(|_| version > "2").unwrap_or(version);
        attributes.text("network.protocol.version", version.as_bytes());
        attributes.text("user_agent.original", exchange.user_agent);
    }

    /// Source: `otel_ngx_module`.
    fn put_former_names(&self, attributes: &mut Attributes<'_>) {
        let exchange = self.exchange;
        attributes.text("http.method", exchange.method);
        let flavor = exchange.protocol.strip_prefix("HTTP/").unwrap_or_default();
        attributes.text("http.flavor", flavor.as_bytes());
        attributes.text("http.target", exchange.target);
        attributes.text("http.scheme", self.scheme.as_bytes());
        attributes.text("http.server_name", self.host);
        attributes.text("http.host", exchange.host);
        attributes.text("http.user_agent", exchange.user_agent);
        attributes.number("net.host.port", self.port.into());
        attributes.address(["net.peer.ip", "net.peer.port"], exchange.client);
        attributes.number("http.status_code", exchange.status.into());
    }

    fn put_object(&self, attributes: &mut Attributes<'_>) {
        if let Some(origin) = self.exchange.origin {
            attributes.text("ingress.namespace", origin.object.namespace.as_bytes());
            attributes.text("ingress.name", origin.object.name.as_bytes());
        }
        if let Some(backend) = self.exchange.canary.or(self.exchange.backend) {
            attributes.text("ingress.service_name", backend.service.as_bytes());
        }
    }

    fn put_question(&self, out: &mut Vec<u8>, question: &Question, server: &BackendKey) {
        let head = Head::of_call(question.call, self.trace, b"external-auth");
        self.put_span(out, &head, |out| {
            Attributes(out).text("server.address", server.service.as_bytes());
            // To say 401 or 403 is what it is there for.
            let status = question.status.unwrap_or(0);
            put_outcome(out, status, 500, None);
        });
    }

    /// Whether it is a part of the trace.
    fn put_attempt(&self, out: &mut Vec<u8>, number: usize, attempt: &Attempt) -> bool {
        let Some(call) = attempt.call else { return false };
        let head = Head::of_call(call, self.trace, self.exchange.method);
        self.put_span(out, &head, |out| {
            let mut attributes = Attributes(out);
            put_method(&mut attributes, self.exchange.method);
            attributes.address(["server.address", "server.port"], attempt.address);
            attributes.address(["network.peer.address", "network.peer.port"], attempt.address);
            if number > 0 {
                attributes.number("http.request.resend_count", number as u64);
            }
            let status = attempt.status.unwrap_or(0);
            put_outcome(out, status, 400, attempt.reason);
        });
        true
    }
}

/// Says what came of it; `errors`: the lowest status that is one; `reason`: why there is no answer,
/// or only a part of one.
fn put_outcome(out: &mut Vec<u8>, status: u16, errors: u16, reason: Option<&str>) {
    let is_error = status == 0 || status >= errors || reason.is_some();
    let mut digits = itoa::Buffer::new();
    let class = if status == 0 { "_OTHER" } else { digits.format(status) };
    put_end(out, status, is_error.then(|| reason.unwrap_or(class)));
}
