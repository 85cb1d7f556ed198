//! Heads of HTTP/2 requests, written as HTTP/1.1 heads that say the same.
//!
//! `http1::head::parse_request` reads what is written here and has the last word on method, target,
//! host and size. This file refuses what HTTP/1.1 text could not show any more.
//!
//! Source: RFC 9113 sections 8.2 and 8.3, RFC 8441 section 4.

use super::field::{self, FieldFault};
use super::follows::Follows;
use super::hpack::{FieldList, Overrun};
use crate::http1::encode::{CRLF, put_decimal, put_field, put_request_line};
use crate::http1::fields::{FieldKind, is_token, trim_ows};
use crate::http1::framing::BodyLength;
use crate::http1::target::is_target_byte;
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
    /// A pseudo-field that is unknown, repeated, missing or behind another field. 400.
    #[error("a pseudo-field is unknown, repeated, missing or misplaced")]
    PseudoField,
    /// `:method` is no token. 400.
    #[error("the method is no token")]
    Method,
    /// `:scheme` is neither http nor https, or not that of the connection. 400.
    #[error("the scheme is neither http nor https, or not that of the connection")]
    Scheme,
    /// `:path` is neither a path nor `*` of OPTIONS, or has what no target may have. 400.
    #[error("the path is malformed")]
    Path,
    /// Neither `:authority` nor Host. 400.
    #[error("neither authority nor Host is present")]
    HostMissing,
    /// Several Host fields, or one that disagrees with `:authority`. 400.
    #[error("Host is repeated or disagrees with the authority")]
    HostDisagrees,
    /// A field name that is no token in lower case. 400.
    #[error("a field name is no token in lower case")]
    FieldName,
    /// A field value, or `:authority`, with a control character. 400.
    #[error("a field value has a control character")]
    FieldValue,
    /// A field that concerns one HTTP/1.1 connection. 400.
    #[error("a field that is specific to HTTP/1.1 connections is present")]
    ConnectionSpecific,
    /// Content-Length is not one plain number, or not the length of the body. 400.
    #[error("Content-Length is invalid or not the length of the body")]
    Length,
    /// More field lines than the limit, cookie crumbs counted one by one. 431.
    #[error("too many field lines")]
    TooManyFields,
    /// The head, or the list of its fields, is larger than the limit. 431.
    #[error("the head is too large")]
    HeadTooLarge,
}

impl From<FieldFault> for RequestRefusal {
    fn from(fault: FieldFault) -> Self {
        match fault {
            FieldFault::Name => Self::FieldName,
            FieldFault::Value => Self::FieldValue,
            FieldFault::ConnectionSpecific => Self::ConnectionSpecific,
        }
    }
}

impl RequestRefusal {
    /// What the stream is answered with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Connect => 405,
            Self::TooManyFields | Self::HeadTooLarge => 431,
            Self::Protocol
            | Self::PseudoField
            | Self::Method
            | Self::Scheme
            | Self::Path
            | Self::HostMissing
            | Self::HostDisagrees
            | Self::FieldName
            | Self::FieldValue
            | Self::ConnectionSpecific
            | Self::Length => 400,
        }
    }

    /// Name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Protocol => "protocol",
            Self::PseudoField => "pseudo_field",
            Self::Method => "method",
            Self::Scheme => "scheme",
            Self::Path => "path",
            Self::HostMissing => "host_missing",
            Self::HostDisagrees => "host_disagrees",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::ConnectionSpecific => "connection_specific",
            Self::Length => "length",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTooLarge => "head_too_large",
        }
    }
}

/// What is known of a request besides its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The connection is one of TLS: `:scheme` must say so.
    pub is_secure: bool,
    /// Behind the head.
    pub follows: Follows,
    /// Octets of the complete body, if all of it is here already.
    pub whole: Option<usize>,
}

/// Appends the HTTP/1.1 head of a request.
///
/// `nonce`: 16 random octets, asked for only where an upgrade needs its `Sec-WebSocket-Key`.
///
/// Shape: `list` as it came. `:path` goes out octet for octet, by the rule for targets of HTTP/1.1.
///
/// # Errors
/// The client's fault; `out` is as before.
pub fn put_request(
    out: &mut Vec<u8>,
    list: &FieldList,
    facts: Facts,
    nonce: impl FnOnce() -> [u8; 16],
) -> Result<RequestShape, RequestRefusal> {
    let start = out.len();
    let shape = put(out, list, facts, nonce).and_then(|shape| {
        let is_small = out.len() - start <= REQUEST_HEAD_BYTES_MAX;
        is_small.then_some(shape).ok_or(RequestRefusal::HeadTooLarge)
    });
    if shape.is_err() {
        out.truncate(start);
    }
    shape
}

/// The pseudo-fields of a request, RFC 9113 section 8.3.1 and RFC 8441 section 4.
#[derive(Debug, Clone, Copy, Default)]
struct Pseudo<'l> {
    method: Option<&'l [u8]>,
    scheme: Option<&'l [u8]>,
    authority: Option<&'l [u8]>,
    path: Option<&'l [u8]>,
    protocol: Option<&'l [u8]>,
    count: usize,
}

impl<'l> Pseudo<'l> {
    /// Reads those that stand in front of the fields.
    fn read(fields: impl Iterator<Item = (&'l [u8], &'l [u8])>) -> Result<Self, RequestRefusal> {
        let mut pseudo = Self::default();
        for (name, value) in fields.take_while(|(name, _)| name.first() == Some(&b':')) {
            let place = match name {
                b":method" => &mut pseudo.method,
                b":scheme" => &mut pseudo.scheme,
                b":authority" => &mut pseudo.authority,
                b":path" => &mut pseudo.path,
                b":protocol" => &mut pseudo.protocol,
                _ => return Err(RequestRefusal::PseudoField),
            };
            if place.replace(value).is_some() {
                return Err(RequestRefusal::PseudoField);
            }
            pseudo.count += 1;
        }
        Ok(pseudo)
    }

    fn method(&self) -> Result<&'l [u8], RequestRefusal> {
        let method = self.method.ok_or(RequestRefusal::PseudoField)?;
        if is_token(method) { Ok(method) } else { Err(RequestRefusal::Method) }
    }

    fn is_websocket(&self, method: &[u8]) -> Result<bool, RequestRefusal> {
        match self.protocol {
            None if method == b"CONNECT" => Err(RequestRefusal::Connect),
            None => Ok(false),
            Some(_) if method != b"CONNECT" => Err(RequestRefusal::PseudoField),
            Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => Ok(true),
            Some(_) => Err(RequestRefusal::Protocol),
        }
    }

    fn check_scheme(&self, facts: Facts) -> Result<(), RequestRefusal> {
        let scheme = self.scheme.ok_or(RequestRefusal::PseudoField)?;
        // A plain connection may come from a load balancer that took TLS off.
        let is_right = scheme.eq_ignore_ascii_case(b"https")
            || !facts.is_secure && scheme.eq_ignore_ascii_case(b"http");
        if is_right { Ok(()) } else { Err(RequestRefusal::Scheme) }
    }

    /// The target. What is not a path must not reach `http1`, which would read an absolute form.
    fn target(&self, method: &[u8]) -> Result<&'l [u8], RequestRefusal> {
        let text = self.path.ok_or(RequestRefusal::PseudoField)?;
        let is_target = text.first() == Some(&b'/') || text == b"*" && method == b"OPTIONS";
        // Without an early exit the loop becomes vector code.
        let is_text = text.iter().fold(true, |is_text, byte| is_text & is_target_byte(*byte));
        if is_target && is_text { Ok(text) } else { Err(RequestRefusal::Path) }
    }

    /// The one Host; `:authority` wins, but Host must not name another.
    fn host(
        &self,
        mut fields: impl Iterator<Item = (&'l [u8], &'l [u8])>,
    ) -> Result<&'l [u8], RequestRefusal> {
        let mut next =
            || fields.find(|(name, _)| *name == b"host").map(|(_, value)| trim_ows(value));
        let field = next();
        if next().is_some() {
            return Err(RequestRefusal::HostDisagrees);
        }
        let host = match (self.authority, field) {
            (None, None) => return Err(RequestRefusal::HostMissing),
            (Some(host), None) | (None, Some(host)) => host,
            (Some(authority), Some(field)) => {
                let is_plain = self.scheme.is_some_and(|name| name.eq_ignore_ascii_case(b"http"));
                let port = if is_plain { &b":80"[..] } else { b":443" };
                let name = |host: &'l [u8]| host.strip_suffix(port).unwrap_or(host);
                if !name(authority).eq_ignore_ascii_case(name(field)) {
                    return Err(RequestRefusal::HostDisagrees);
                }
                authority
            }
        };
        let is_text = host.iter().all(u8::is_ascii_graphic);
        if is_text { Ok(host) } else { Err(RequestRefusal::FieldValue) }
    }
}

fn put(
    out: &mut Vec<u8>,
    list: &FieldList,
    facts: Facts,
    nonce: impl FnOnce() -> [u8; 16],
) -> Result<RequestShape, RequestRefusal> {
    match list.overrun() {
        Some(Overrun::Bytes) => return Err(RequestRefusal::HeadTooLarge),
        Some(Overrun::Count) => return Err(RequestRefusal::TooManyFields),
        None => {}
    }
    let pseudo = Pseudo::read(list.iter())?;
    if list.len() - pseudo.count > FIELDS_MAX {
        return Err(RequestRefusal::TooManyFields);
    }
    let fields = list.iter().skip(pseudo.count);
    let method = pseudo.method()?;
    let is_websocket = pseudo.is_websocket(method)?;
    pseudo.check_scheme(facts)?;
    let target = pseudo.target(method)?;
    let sent_method = if is_websocket { b"GET" } else { method };
    put_request_line(out, sent_method, target, None);
    put_field(out, b"host", pseudo.host(fields.clone())?);
    let own: &[u8] = if is_websocket { b"sec-websocket-key" } else { b"" };
    let found = put_fields(out, fields.clone(), own)?;
    if found.has_cookies {
        put_cookies(out, fields);
    }
    let body = if is_websocket {
        if found.length.is_some() {
            return Err(RequestRefusal::Protocol);
        }
        put_upgrade(out, nonce(), &found);
        BodyLength::None
    } else {
        if found.accepts_trailers {
            // RFC 9110 section 10.1.4: its sender must nominate it.
            out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
        }
        body(found.length, facts)?
    };
    put_framing(out, body);
    out.extend_from_slice(CRLF);
    Ok(RequestShape { body, is_head: method == b"HEAD", is_websocket })
}

/// What the fields say that is written elsewhere.
#[derive(Default)]
struct Found<'l> {
    length: Option<&'l [u8]>,
    has_cookies: bool,
    accepts_trailers: bool,
    /// `Sec-WebSocket-Version`.
    has_version: bool,
}

/// Writes the fields that go on as they are; `own`: the name of one that we say ourselves.
fn put_fields<'l>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'l [u8], &'l [u8])>,
    own: &[u8],
) -> Result<Found<'l>, RequestRefusal> {
    let mut found = Found::default();
    for (name, value) in fields {
        if name.first() == Some(&b':') {
            return Err(RequestRefusal::PseudoField);
        }
        match field::check(name, value)? {
            FieldKind::Host => {}
            FieldKind::ContentLength => {
                if found.length.replace(trim_ows(value)).is_some() {
                    return Err(RequestRefusal::Length);
                }
            }
            FieldKind::Te if value.eq_ignore_ascii_case(b"trailers") => {
                found.accepts_trailers = true;
            }
            FieldKind::Te => return Err(RequestRefusal::ConnectionSpecific),
            _ if name == b"cookie" => found.has_cookies = true,
            _ if name == own => {}
            _ => {
                found.has_version |= name == b"sec-websocket-version";
                put_field(out, name, trim_ows(value));
            }
        }
    }
    Ok(found)
}

fn body(length: Option<&[u8]>, facts: Facts) -> Result<BodyLength, RequestRefusal> {
    let here = match facts.follows {
        Follows::Nothing => Some(0),
        Follows::More => facts.whole.map(|octets| octets as u64),
    };
    let Some(text) = length else {
        return Ok(match here {
            Some(0) if facts.follows == Follows::Nothing => BodyLength::None,
            Some(octets) => BodyLength::Known(octets),
            None => BodyLength::Chunked,
        });
    };
    let length = decimal(text).ok_or(RequestRefusal::Length)?;
    if here.is_some_and(|octets| octets != length) {
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

/// RFC 9113 section 8.2.3.
fn put_cookies<'l>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'l [u8], &'l [u8])>) {
    let mut before: &[u8] = b"cookie: ";
    for (_, crumb) in fields.filter(|(name, _)| *name == b"cookie") {
        out.extend_from_slice(before);
        out.extend_from_slice(trim_ows(crumb));
        before = b"; ";
    }
    out.extend_from_slice(CRLF);
}

/// RFC 6455 section 4.1; the key proves nothing between proxies, but servers insist on it.
fn put_upgrade(out: &mut Vec<u8>, nonce: [u8; 16], found: &Found<'_>) {
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    put_field(out, b"sec-websocket-key", &base64(nonce));
    if !found.has_version {
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
