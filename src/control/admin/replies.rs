//! What the admin listener says, and what browsers are to make of it.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

/// Octets that come one after the other.
pub(super) type Flow = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;

/// An answer.
pub(super) type Reply = Response<Either<Full<Bytes>, StreamBody<Flow>>>;

pub(super) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

/// Nothing of another host, nothing within a document, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A line of text.
pub(super) fn text(status: StatusCode, line: &str) -> Reply {
    response(status, PLAIN_TEXT, Bytes::from(format!("{line}\n")))
}

/// Text of a probe.
pub(super) fn verdict(verdict: Result<String, String>) -> Reply {
    match verdict {
        Ok(detail) => text(StatusCode::OK, &detail),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

/// For methods that nothing here has.
pub(super) fn other_method() -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}

/// For those who have no token.
pub(super) fn unauthorized() -> Reply {
    let line = "Authorization: Bearer with the token of --admin-token-file is asked for";
    let mut reply = text(StatusCode::UNAUTHORIZED, line);
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

/// For those who may be a page of somebody else.
pub(super) fn forbidden() -> Reply {
    let line = "without --admin-token-file this is shown by an IP address, by a name without a \
                dot, and by names that end in .localhost, .local, .svc or .internal: any other \
                may be that of a site that looks at it through your browser";
    text(StatusCode::FORBIDDEN, line)
}

/// The whole at once.
pub(super) fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    complete(Response::new(Either::Left(Full::new(body))), status, content_type)
}

/// As it comes.
pub(super) fn flow(content_type: &'static str, flow: Flow) -> Reply {
    complete(Response::new(Either::Right(StreamBody::new(flow))), StatusCode::OK, content_type)
}

fn complete(mut reply: Reply, status: StatusCode, content_type: &'static str) -> Reply {
    *reply.status_mut() = status;
    let fields = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fields {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
