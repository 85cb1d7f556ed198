//! Heads of HTTP/2 requests, written as HTTP/1.1 heads that say the same.
//!
//! `http1::head::parse_request` reads what is written here and has the last word on method, target,
//! host and size. This file refuses what HTTP/1.1 text could not show any more.
//!
//! Source: RFC 9113 sections 8.2 and 8.3, RFC 8441 section 4.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};

use crate::http1::encode::{CRLF, put_decimal, put_field, put_request_line};
use crate::http1::fields::trim_ows;
use crate::http1::framing::BodyLength;
use crate::limits::{FIELDS_MAX, REQUEST_HEAD_BYTES_MAX};

/// What body and response of a request depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestShape {
    /// How the body is framed in HTTP/1.1. `None` for a WebSocket: raw octets follow its upgrade.
    pub body: BodyLength,
    /// Its response has no body.
    pub is_head: bool,
    /// Extended CONNECT: the response 101 opens the stream.
    pub is_websocket: bool,
}

/// Why a request was refused. The client is at fault; other streams live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// CONNECT: this is no forward proxy. 405.
    #[error("CONNECT is not served")]
    Connect,
    /// Extended CONNECT with another protocol than `websocket`, or with a body length. 400.
    #[error("extended CONNECT is served for WebSockets only")]
    Protocol,
    /// `:scheme` is neither http nor https. 400.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// `:path` is neither a path nor `*` of OPTIONS, or has characters that no target has. 400.
    #[error("the path is malformed")]
    Path,
    /// Neither `:authority` nor Host. 400.
    #[error("neither authority nor Host is present")]
    HostMissing,
    /// Several Host fields, or one that disagrees with `:authority`. 400.
    #[error("Host is repeated or disagrees with the authority")]
    HostDisagrees,
    /// A field that concerns one HTTP/1.1 connection. 400.
    #[error("a field that is specific to HTTP/1.1 connections is present")]
    ConnectionSpecific,
    /// Content-Length is not one plain number, or not the length of the body. 400.
    #[error("Content-Length is invalid or not the length of the body")]
    Length,
    /// More field lines than the limit, cookie crumbs counted one by one. 431.
    #[error("too many field lines")]
    TooManyFields,
    /// The head would be larger than the limit. 431.
    #[error("the head is too large")]
    HeadTooLarge,
}

impl RequestRefusal {
    /// What the stream is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Protocol
            | Self::Scheme
            | Self::Path
            | Self::HostMissing
            | Self::HostDisagrees
            | Self::ConnectionSpecific
            | Self::Length => StatusCode::BAD_REQUEST,
        }
    }

    /// Name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Protocol => "protocol",
            Self::Scheme => "scheme",
            Self::Path => "path",
            Self::HostMissing => "host_missing",
            Self::HostDisagrees => "host_disagrees",
            Self::ConnectionSpecific => "connection_specific",
            Self::Length => "length",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTooLarge => "head_too_large",
        }
    }
}

/// Appends the HTTP/1.1 head of a request.
///
/// `is_end`: nothing follows the head. `whole`: the octets of the complete body, if all of it is
/// here already. `nonce`: 16 random octets, asked for only where an upgrade needs its
/// `Sec-WebSocket-Key`.
///
/// Shape: `parts` as h2 gives them, so that names are lower-case tokens and values have no control
/// characters. h2 loses what a client writes behind `#` in `:path`, so that it cannot be refused;
/// nobody sees it either: what is matched, forwarded and logged is the text before.
///
/// # Errors
/// The client's fault; `out` is as before.
pub fn put_request(
    out: &mut Vec<u8>,
    parts: &Parts,
    is_end: bool,
    whole: Option<usize>,
    nonce: impl FnOnce() -> [u8; 16],
) -> Result<RequestShape, RequestRefusal> {
    let start = out.len();
    let shape = put(out, parts, is_end, whole, nonce).and_then(|shape| {
        let is_small = out.len() - start <= REQUEST_HEAD_BYTES_MAX;
        is_small.then_some(shape).ok_or(RequestRefusal::HeadTooLarge)
    });
    if shape.is_err() {
        out.truncate(start);
    }
    shape
}

fn put(
    out: &mut Vec<u8>,
    parts: &Parts,
    is_end: bool,
    whole: Option<usize>,
    nonce: impl FnOnce() -> [u8; 16],
) -> Result<RequestShape, RequestRefusal> {
    let fields = &parts.headers;
    if fields.len() > FIELDS_MAX {
        return Err(RequestRefusal::TooManyFields);
    }
    let is_websocket = is_websocket(parts)?;
    let (path, query) = target(parts)?;
    let host = host(&parts.uri, fields)?;
    let body = if is_websocket { websocket_body(fields)? } else { body(fields, is_end, whole)? };
    let method = if is_websocket { &Method::GET } else { &parts.method };
    put_request_line(out, method.as_str().as_bytes(), path, query);
    put_field(out, b"host", host);
    let mut accepts_trailers = false;
    for (name, value) in fields {
        match place(name) {
            Place::Forward => put_field(out, name.as_str().as_bytes(), trimmed(value)),
            Place::WebSocketKey if is_websocket => {}
            Place::WebSocketKey => put_field(out, name.as_str().as_bytes(), trimmed(value)),
            Place::Te if value.as_bytes().eq_ignore_ascii_case(b"trailers") => {
                accepts_trailers = true;
            }
            Place::Te | Place::Refuse => return Err(RequestRefusal::ConnectionSpecific),
            Place::Elsewhere => {}
        }
    }
    put_cookies(out, fields);
    if is_websocket {
        put_upgrade(out, fields, nonce());
    } else if accepts_trailers {
        // RFC 9110 section 10.1.4: its sender must nominate it.
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    put_framing(out, body);
    out.extend_from_slice(CRLF);
    Ok(RequestShape { body, is_head: parts.method == Method::HEAD, is_websocket })
}

enum Place {
    Forward,
    /// Written in another place, or part of the framing.
    Elsewhere,
    Te,
    WebSocketKey,
    Refuse,
}

fn place(name: &HeaderName) -> Place {
    // PERF: comparing standard names compares one octet.
    if *name == header::COOKIE || *name == header::HOST || *name == header::CONTENT_LENGTH {
        Place::Elsewhere
    } else if *name == header::TE {
        Place::Te
    } else if *name == header::SEC_WEBSOCKET_KEY {
        Place::WebSocketKey
    } else if *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
    {
        Place::Refuse
    } else {
        Place::Forward
    }
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    trim_ows(value.as_bytes())
}

fn is_websocket(parts: &Parts) -> Result<bool, RequestRefusal> {
    if parts.method != Method::CONNECT {
        return Ok(false);
    }
    match parts.extensions.get::<h2::ext::Protocol>() {
        None => Err(RequestRefusal::Connect),
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Ok(true),
        Some(_) => Err(RequestRefusal::Protocol),
    }
}

/// Path and query of the target.
fn target(parts: &Parts) -> Result<(&[u8], Option<&[u8]>), RequestRefusal> {
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(RequestRefusal::Scheme);
    }
    // Not `Uri::path`, which shows `/` where `:path` begins with `?`.
    let text = parts.uri.path_and_query().ok_or(RequestRefusal::Path)?.as_str().as_bytes();
    let is_target = text.first() == Some(&b'/') || text == b"*" && parts.method == Method::OPTIONS;
    if !is_target || !text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(RequestRefusal::Path);
    }
    Ok(match text.iter().position(|byte| *byte == b'?') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    })
}

/// The one Host; `:authority` wins, but Host must not name another.
fn host<'p>(uri: &'p Uri, fields: &'p HeaderMap) -> Result<&'p [u8], RequestRefusal> {
    let mut lines = fields.get_all(header::HOST).iter();
    let field = lines.next().map(trimmed);
    if lines.next().is_some() {
        return Err(RequestRefusal::HostDisagrees);
    }
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, field) {
        (None, None) => Err(RequestRefusal::HostMissing),
        (Some(host), None) | (None, Some(host)) => Ok(host),
        (Some(authority), Some(field)) => {
            let port = if uri.scheme_str() == Some("http") { &b":80"[..] } else { b":443" };
            let name = |host: &'p [u8]| host.strip_suffix(port).unwrap_or(host);
            if name(authority).eq_ignore_ascii_case(name(field)) {
                Ok(authority)
            } else {
                Err(RequestRefusal::HostDisagrees)
            }
        }
    }
}

fn body(
    fields: &HeaderMap,
    is_end: bool,
    whole: Option<usize>,
) -> Result<BodyLength, RequestRefusal> {
    let here = if is_end { Some(0) } else { whole.map(|octets| octets as u64) };
    let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else {
        return Ok(match here {
            Some(0) if is_end => BodyLength::None,
            Some(octets) => BodyLength::Known(octets),
            None => BodyLength::Chunked,
        });
    };
    let length = decimal(trimmed(line)).ok_or(RequestRefusal::Length)?;
    if lines.next().is_some() || here.is_some_and(|octets| octets != length) {
        return Err(RequestRefusal::Length);
    }
    Ok(BodyLength::Known(length))
}

/// 1 to 18 digits, as `http1` reads them.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

fn websocket_body(fields: &HeaderMap) -> Result<BodyLength, RequestRefusal> {
    if fields.contains_key(header::CONTENT_LENGTH) {
        return Err(RequestRefusal::Protocol);
    }
    Ok(BodyLength::None)
}

/// RFC 9113 section 8.2.3.
fn put_cookies(out: &mut Vec<u8>, fields: &HeaderMap) {
    let mut crumbs = fields.get_all(header::COOKIE).iter().map(trimmed);
    let Some(first) = crumbs.next() else { return };
    out.extend_from_slice(b"cookie: ");
    out.extend_from_slice(first);
    for crumb in crumbs {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(crumb);
    }
    out.extend_from_slice(CRLF);
}

/// RFC 6455 section 4.1; the key proves nothing between proxies, but servers insist on it.
fn put_upgrade(out: &mut Vec<u8>, fields: &HeaderMap, nonce: [u8; 16]) {
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    put_field(out, b"sec-websocket-key", &base64(nonce));
    if !fields.contains_key(header::SEC_WEBSOCKET_VERSION) {
        put_field(out, b"sec-websocket-version", b"13");
    }
}

/// RFC 4648 section 4.
fn base64(octets: [u8; 16]) -> [u8; 24] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; 24];
    for (group, digits) in octets.chunks(3).zip(text.chunks_mut(4)) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | usize::from(group.get(at).map_or(0, |o| *o)));
        for (at, digit) in digits.iter_mut().enumerate().take(group.len() + 1) {
            *digit = ALPHABET[bits >> (18 - 6 * at) & 63];
        }
    }
    text
}

fn put_framing(out: &mut Vec<u8>, body: BodyLength) {
    match body {
        BodyLength::Known(octets) => {
            out.extend_from_slice(b"content-length: ");
            put_decimal(out, octets);
            out.extend_from_slice(CRLF);
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
}
