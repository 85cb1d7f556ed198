//! Responses that we originate: the one map from what went wrong to a status.
//!
//! Texts are fixed: nothing of the request is repeated in them.

use std::borrow::Cow;

use crate::filter::{AddedFields, AnswerFields, AnswerOverlay};
use crate::http1::encode;
use crate::http1::error::RequestFault;
use crate::http1::framing::has_no_body;
use crate::http1::head::{RequestKind, Version};
use crate::model::{Exhausted, Refusal};
use crate::proxy::upstream::failure::Failure;
use crate::tls::ClientRefusal;

/// A response of ours without a body from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The head or the body breaks the protocol.
    Malformed(RequestFault),
    /// A backend could read the path so that another rule should have had a say.
    Ambiguous,
    /// The client did not finish its message in time.
    ClientTimeout,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The body is too long to be measured before it goes on.
    LengthRequired,
    /// No route.
    NotFound,
    /// The rule's backend reference cannot be used.
    InvalidBackend,
    /// The backend has no endpoints.
    NoEndpoints,
    /// The client asks too much; the status.
    Limited(u16),
    /// No request of the client is served.
    Blocked,
    /// The endpoint failed.
    BadGateway,
    /// The same, as the owner of the rule wants it told.
    Unavailable,
    /// The endpoint did not answer in time.
    GatewayTimeout,
    /// The process is at its connection limit.
    Overloaded,
    /// The host demands other client certificates than the connection was made with.
    Misdirected,
    /// The route must not be served to this client.
    Denied,
    /// The client's address may not come in.
    NotAllowed,
    /// There was no time to check the password.
    PasswordUnchecked,
    /// The host demands a client certificate, and the connection has none that is believed.
    Certificate(ClientRefusal),
    /// A load balancer asked for our health.
    Healthy,
    /// The route is not served until its owner changes it.
    Refused,
    /// The client has to say who it is.
    Unauthorized,
    /// Whoever should say whether the client may come in did not.
    Undecided,
    /// Directives of the rule went in a circle, or made too much of the request.
    Astray,
    /// What a backend answered with this status is not passed on.
    Replaced(u16),
}

impl Reply {
    /// The answer when the last attempt failed.
    #[must_use]
    pub const fn to_failure(failure: Failure, exhausted: Exhausted) -> Self {
        match failure {
            Failure::Local => Self::Overloaded,
            Failure::ConnectTimeout | Failure::Timeout => Self::GatewayTimeout,
            Failure::Connect
            | Failure::Tls
            | Failure::Refused
            | Failure::NothingSent
            | Failure::NoResponse
            | Failure::Truncated
            | Failure::Malformed => match exhausted {
                Exhausted::BadGateway => Self::BadGateway,
                Exhausted::Unavailable => Self::Unavailable,
            },
        }
    }

    /// The answer to all requests of a rule that is not served.
    #[must_use]
    pub const fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ClientCertificates => Self::Denied,
            Refusal::NotSupported | Refusal::Guard => Self::Refused,
        }
    }

    /// The answer to a client that another server does not let in, by the status it gave.
    #[must_use]
    pub const fn of_denial(status: u16) -> Self {
        if status == 401 { Self::Unauthorized } else { Self::Denied }
    }

    /// Its status code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(fault) => match fault {
                RequestFault::BadRequest => 400,
                RequestFault::MethodNotAllowed => 405,
                RequestFault::UriTooLong => 414,
                RequestFault::ExpectationFailed => 417,
                RequestFault::FieldsTooLarge => 431,
                RequestFault::NotImplemented => 501,
                RequestFault::VersionNotSupported => 505,
            },
            Self::Healthy => 200,
            Self::Ambiguous => 400,
            Self::ClientTimeout => 408,
            Self::LengthRequired => 411,
            Self::BodyTooLarge => 413,
            Self::NotFound => 404,
            Self::InvalidBackend | Self::Undecided | Self::Astray => 500,
            Self::BadGateway => 502,
            Self::Unauthorized => 401,
            Self::NoEndpoints
            | Self::Unavailable
            | Self::Overloaded
            | Self::Refused
            | Self::PasswordUnchecked => 503,
            Self::GatewayTimeout => 504,
            Self::Misdirected => 421,
            Self::Denied | Self::NotAllowed | Self::Blocked => 403,
            Self::Replaced(status) | Self::Limited(status) => status,
            // As nginx, whose own 495 and 496 become 400 on the wire.
            Self::Certificate(_) => 400,
        }
    }

    /// What it says.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Malformed(fault) => match fault {
                RequestFault::BadRequest => "400 Bad Request: the request breaks HTTP\n",
                RequestFault::MethodNotAllowed => "405 Method Not Allowed\n",
                RequestFault::UriTooLong => "414 URI Too Long\n",
                RequestFault::ExpectationFailed => "417 Expectation Failed\n",
                RequestFault::FieldsTooLarge => "431 Request Header Fields Too Large\n",
                RequestFault::NotImplemented => "501 Not Implemented: transfer coding\n",
                RequestFault::VersionNotSupported => "505 HTTP Version Not Supported\n",
            },
            Self::Healthy | Self::Replaced(_) => "",
            Self::Ambiguous => "400 Bad Request: the path can be read in more than one way\n",
            Self::ClientTimeout => "408 Request Timeout\n",
            Self::LengthRequired => "411 Length Required: the backend has to be told it\n",
            Self::BodyTooLarge => "413 Content Too Large\n",
            Self::NotFound => "404 Not Found: no route for this host and path\n",
            Self::InvalidBackend => "500 Internal Server Error: the route has no usable backend\n",
            Self::Limited(429) => "429 Too Many Requests: from this address\n",
            Self::Limited(503) => "503 Service Unavailable: too many requests from this address\n",
            Self::Limited(_) => "Too many requests from this address\n",
            Self::Blocked => "403 Forbidden\n",
            Self::BadGateway => "502 Bad Gateway: the backend failed\n",
            Self::Unavailable => "503 Service Unavailable: the backend failed\n",
            Self::NoEndpoints => "503 Service Unavailable: the backend has no endpoints\n",
            Self::Overloaded => "503 Service Unavailable: too many connections\n",
            Self::Misdirected => "421 Misdirected Request: open a connection of its own\n",
            Self::Denied => "403 Forbidden: the route is not served\n",
            Self::NotAllowed => "403 Forbidden: not from this address\n",
            Self::Unauthorized => "401 Unauthorized\n",
            Self::PasswordUnchecked => {
                "503 Service Unavailable: there was no time to check the password\n"
            }
            Self::Certificate(ClientRefusal::Missing) => {
                "400 Bad Request: no required SSL certificate was sent\n"
            }
            Self::Certificate(ClientRefusal::Untrusted(_)) => {
                "400 Bad Request: the SSL certificate error\nReason: "
            }
            Self::Refused => "503 Service Unavailable: the route is not served\n",
            Self::Undecided => "500 Internal Server Error: nobody could say who may come in\n",
            Self::Astray => "500 Internal Server Error: the route leads nowhere\n",
            Self::GatewayTimeout => "504 Gateway Timeout: the backend did not answer in time\n",
        }
    }

    /// What else there is to say to who can mend it; behind the text.
    fn reason(self) -> &'static str {
        match self {
            Self::Certificate(ClientRefusal::Untrusted(error)) => error.words(),
            Self::Replaced(status) => encode::reason_phrase(status),
            _ => "",
        }
    }

    /// Whether another backend may give it: not where the client broke HTTP, or where a connection
    /// cannot be used for the host.
    #[must_use]
    pub const fn may_be_replaced(self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::Ambiguous
            | Self::ClientTimeout
            | Self::Misdirected
            | Self::Certificate(_)
            | Self::Blocked
            | Self::Healthy => false,
            Self::BodyTooLarge
            | Self::LengthRequired
            | Self::NotFound
            | Self::InvalidBackend
            | Self::NoEndpoints
            | Self::Limited(_)
            | Self::BadGateway
            | Self::Unavailable
            | Self::GatewayTimeout
            | Self::Overloaded
            | Self::Denied
            | Self::NotAllowed
            | Self::Unauthorized
            | Self::PasswordUnchecked
            | Self::Refused
            | Self::Undecided
            | Self::Astray
            | Self::Replaced(_) => true,
        }
    }

    /// Status of a gRPC call that is answered so, by its HTTP status: what gRPC clients would make
    /// of it, but 413, 408 and 504, which say more than their `UNKNOWN`.
    ///
    /// Source: gRPC `doc/http-grpc-status-mapping.md`, `doc/statuscodes.md`; Gateway API
    /// `GRPCRouteRule.backendRefs`, of those that cannot be used.
    #[must_use]
    pub const fn grpc_status(self) -> u8 {
        match self.status() {
            _ if matches!(self, Self::InvalidBackend) => 14,
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            413 => 8,
            408 | 504 => 4,
            421 | 502 | 503 => 14,
            _ => 2,
        }
    }

    /// An extra field.
    const fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            // RFC 9110 section 15.5.6 asks for the list; a proxy knows only what it refuses itself.
            Self::Malformed(RequestFault::MethodNotAllowed) => {
                Some(("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"))
            }
            Self::NoEndpoints | Self::Overloaded | Self::PasswordUnchecked => {
                Some(("Retry-After", "1"))
            }
            _ => None,
        }
    }
}

/// Fields that a response gets from us, whoever makes it.
#[derive(Debug, Clone, Copy)]
pub struct OwnFields<'a> {
    /// An IMF-fixdate (RFC 9110 section 6.6.1).
    pub date: &'a [u8],
    /// Of the rule.
    pub answer: AnswerFields<'a>,
    /// Of the request.
    pub added: &'a AddedFields,
    /// What directives change of both.
    pub changed: &'a AnswerOverlay,
}

impl<'a> OwnFields<'a> {
    /// Those of a response that no rule has to do with.
    #[must_use]
    pub const fn dated(date: &'a [u8]) -> Self {
        Self {
            date,
            answer: AnswerFields::NONE,
            added: AddedFields::NONE,
            changed: AnswerOverlay::NONE,
        }
    }

    /// Appends a line of the response's maker, unless the rule has another one.
    pub fn put_field(&self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        if !self.replaces(name.as_bytes()) {
            encode::put_field(out, name.as_bytes(), value);
        }
    }

    /// Whether a line of this name of the response's maker is left out.
    #[must_use]
    #[inline]
    pub fn replaces(&self, name: &[u8]) -> bool {
        self.answer.replaces(name) || self.changed.replaces(name)
    }

    /// Appends those of a response with `status` that its maker has no say in.
    pub fn put(&self, out: &mut Vec<u8>, status: u16) {
        let ours = self.answer.lines().chain(self.added.lines(status));
        for (name, value) in ours.chain(self.answer.added(status)) {
            if !self.changed.replaces(name.as_bytes()) {
                encode::put_field(out, name.as_bytes(), value);
            }
        }
        for (name, value) in self.changed.lines() {
            encode::put_field(out, name, value);
        }
    }

    /// Appends all of them.
    fn put_dated(&self, out: &mut Vec<u8>, status: u16) {
        self.put_field(out, "Date", self.date);
        self.put(out, status);
    }
}

/// How the connection goes on after a response of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1 default: nothing is said.
    Keep,
    /// HTTP/1.0 client that asked for it.
    KeepExplicitly,
    /// `Connection: close`.
    Close,
}

impl Persistence {
    /// The field line that says so, CRLF included.
    #[must_use]
    pub const fn field(self) -> &'static [u8] {
        match self {
            Self::Keep => b"",
            Self::KeepExplicitly => b"Connection: keep-alive\r\n",
            Self::Close => b"Connection: close\r\n",
        }
    }
}

/// Appends the whole response to `request`. See [`OwnFields`].
///
/// Returns the body octets appended.
pub fn put(
    out: &mut Vec<u8>,
    reply: Reply,
    persistence: Persistence,
    request: RequestKind,
    own: &OwnFields<'_>,
) -> usize {
    let (text, reason) = (reply.text(), reply.reason());
    let end = if reason.is_empty() { "" } else { "\n" };
    let octets = text.len() + reason.len() + end.len();
    encode::put_status_line(
        out,
        Version::Http11,
        reply.status(),
        encode::reason_phrase(reply.status()).as_bytes(),
    );
    own.put_dated(out, reply.status());
    own.put_field(out, "Content-Type", b"text/plain; charset=utf-8");
    out.extend_from_slice(b"Content-Length: ");
    encode::put_decimal(out, octets as u64);
    out.extend_from_slice(b"\r\n");
    if let Some((name, value)) = reply.field() {
        own.put_field(out, name, value.as_bytes());
    }
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
    if request.is_head {
        return 0;
    }
    for part in [text, reason, end] {
        out.extend_from_slice(part.as_bytes());
    }
    octets
}

/// Appends the response to a gRPC call: a status without a message.
///
/// Source: gRPC `doc/PROTOCOL-HTTP2.md`, Trailers-Only.
pub fn put_grpc(out: &mut Vec<u8>, reply: Reply, persistence: Persistence, own: &OwnFields<'_>) {
    encode::put_status_line(out, Version::Http11, 200, encode::reason_phrase(200).as_bytes());
    own.put_dated(out, reply.status());
    own.put_field(out, "Content-Type", b"application/grpc");
    out.extend_from_slice(b"Grpc-Status: ");
    encode::put_decimal(out, u64::from(reply.grpc_status()));
    out.extend_from_slice(b"\r\n");
    // Percent-encoding is for other characters than those of our texts.
    let text = reply.text();
    let text = text.split_once('\n').map_or(text, |(line, _)| line);
    own.put_field(out, "Grpc-Message", text.as_bytes());
    out.extend_from_slice(b"Content-Length: 0\r\n");
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of a response whose `fields` are another server's, with a body of `octets`.
pub fn put_told(
    out: &mut Vec<u8>,
    status: u16,
    fields: &[(Cow<'static, str>, Box<[u8]>)],
    octets: usize,
    persistence: Persistence,
    own: &OwnFields<'_>,
) {
    let reason = encode::reason_phrase(status);
    encode::put_status_line(out, Version::Http11, status, reason.as_bytes());
    own.put_dated(out, status);
    for (name, value) in fields {
        own.put_field(out, name, value);
    }
    // RFC 9110 section 8.6.
    if !has_no_body(status) {
        out.extend_from_slice(b"Content-Length: ");
        encode::put_decimal(out, octets as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
}

/// Appends a redirect to `location`, which is a URI reference made of checked parts.
pub fn put_redirect(
    out: &mut Vec<u8>,
    status: u16,
    location: &[u8],
    persistence: Persistence,
    own: &OwnFields<'_>,
) {
    let reason = encode::reason_phrase(status);
    encode::put_status_line(out, Version::Http11, status, reason.as_bytes());
    own.put_dated(out, status);
    own.put_field(out, "Location", location);
    out.extend_from_slice(b"Content-Length: 0\r\n");
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
}

/// Appends the answer to a CORS preflight. Without the Content-Length that ingress-nginx has there
/// (RFC 9110 section 8.6), and with its Content-Type.
pub fn put_permission(out: &mut Vec<u8>, persistence: Persistence, own: &OwnFields<'_>) {
    encode::put_status_line(out, Version::Http11, 204, encode::reason_phrase(204).as_bytes());
    own.put_dated(out, 204);
    own.put_field(out, "Content-Type", b"text/plain charset=UTF-8");
    out.extend_from_slice(persistence.field());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: Reply, status: u16) {
        let mut out = Vec::new();
        let date = b"Tue, 15 Nov 1994 08:12:31 GMT";
        let (request, own) = (RequestKind::default(), OwnFields::dated(date));
        let octets = put(&mut out, reply, Persistence::Close, request, &own);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(reply.status(), status);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with(&format!("{status} ")), "{text}");
        assert!(head.contains(&format!("Content-Length: {octets}")));
        assert_eq!(body.len(), octets);
        assert!(head.contains("Connection: close"));
    }

    #[test]
    fn every_reply_has_its_status_and_text() {
        check(Reply::Malformed(RequestFault::BadRequest), 400);
        check(Reply::Malformed(RequestFault::MethodNotAllowed), 405);
        check(Reply::Malformed(RequestFault::UriTooLong), 414);
        check(Reply::Malformed(RequestFault::ExpectationFailed), 417);
        check(Reply::Malformed(RequestFault::FieldsTooLarge), 431);
        check(Reply::Malformed(RequestFault::NotImplemented), 501);
        check(Reply::Malformed(RequestFault::VersionNotSupported), 505);
        check(Reply::ClientTimeout, 408);
        check(Reply::BodyTooLarge, 413);
        check(Reply::LengthRequired, 411);
        check(Reply::NotFound, 404);
        check(Reply::InvalidBackend, 500);
        check(Reply::Undecided, 500);
        check(Reply::of_denial(401), 401);
        check(Reply::of_denial(403), 403);
        check(Reply::NotAllowed, 403);
        check(Reply::PasswordUnchecked, 503);
        check(Reply::NoEndpoints, 503);
        check(Reply::Overloaded, 503);
        check(Reply::Limited(503), 503);
        check(Reply::Limited(429), 429);
        check(Reply::Blocked, 403);
        check(Reply::of_refusal(Refusal::Guard), 503);
        check(Reply::of_refusal(Refusal::NotSupported), 503);
        check(Reply::of_refusal(Refusal::ClientCertificates), 403);
        check(Reply::BadGateway, 502);
        check(Reply::Unavailable, 503);
        check(Reply::GatewayTimeout, 504);
    }

    #[test]
    fn grpc_calls_get_a_status_of_their_own() {
        let bad = Reply::Malformed(RequestFault::BadRequest);
        let expected = [
            (bad, 13),
            (Reply::Unauthorized, 16),
            (Reply::Denied, 7),
            (Reply::NotFound, 12),
            (Reply::BodyTooLarge, 8),
            (Reply::ClientTimeout, 4),
            (Reply::GatewayTimeout, 4),
            (Reply::Misdirected, 14),
            (Reply::BadGateway, 14),
            (Reply::NoEndpoints, 14),
            (Reply::Overloaded, 14),
            (Reply::Refused, 14),
            (Reply::Unavailable, 14),
            (Reply::InvalidBackend, 14),
            (Reply::Undecided, 2),
        ];
        for (reply, status) in expected {
            let mut out = Vec::new();
            put_grpc(&mut out, reply, Persistence::Keep, &OwnFields::dated(b"x"));
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.contains(&format!("\r\nGrpc-Status: {status}\r\n")), "{text}");
            assert!(!text.contains('%') && text.ends_with("\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn failures_map_to_502_and_504_or_as_the_rule_says() {
        let to = |failure, exhausted| Reply::to_failure(failure, exhausted);
        for (failure, plain, said) in [
            (Failure::Connect, Reply::BadGateway, Reply::Unavailable),
            (Failure::NoResponse, Reply::BadGateway, Reply::Unavailable),
            (Failure::Malformed, Reply::BadGateway, Reply::Unavailable),
            (Failure::Tls, Reply::BadGateway, Reply::Unavailable),
            (Failure::Refused, Reply::BadGateway, Reply::Unavailable),
            (Failure::ConnectTimeout, Reply::GatewayTimeout, Reply::GatewayTimeout),
            (Failure::Timeout, Reply::GatewayTimeout, Reply::GatewayTimeout),
            (Failure::Local, Reply::Overloaded, Reply::Overloaded),
        ] {
            assert_eq!(to(failure, Exhausted::BadGateway), plain, "{failure:?}");
            assert_eq!(to(failure, Exhausted::Unavailable), said, "{failure:?}");
        }
    }

    #[test]
    fn head_gets_the_length_without_the_body() {
        let mut out = Vec::new();
        let (request, own) = (RequestKind { is_head: true }, OwnFields::dated(b"x"));
        put(&mut out, Reply::NotFound, Persistence::Keep, request, &own);
        assert!(out.ends_with(b"\r\n\r\n"));
    }
}
