//! Request heads. A request that two servers could read differently never leaves this file.

use std::mem::MaybeUninit;

use super::connection::ConnectionOptions;
use super::parts::{Field, KindSet, Span, Version, explain, take_fields, values};
use super::request_line::RequestLine;
use super::scan::HeadScan;
use crate::http1::error::{HeadError, RequestError};
use crate::http1::fields::{FieldKind, is_tchar, is_token, members};
use crate::http1::framing::{self, BodyLength};
use crate::http1::target::{self, TargetForm};
use crate::limits::{
    FIELDS_MAX, LEADING_EMPTY_LINES_MAX, REQUEST_HEAD_BYTES_MAX, REQUEST_LINE_BYTES_MAX,
};

/// A request head in parsed form.
///
/// Reusable: parsing into it again keeps its allocations. After an error its content means nothing,
/// but reading it is harmless.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// A token, as sent.
    pub method: Span,
    /// The whole target, as sent.
    pub target: Span,
    /// Of the client; what is forwarded is always HTTP/1.1.
    pub version: Version,
    /// In order, at most [`FIELDS_MAX`].
    pub fields: Vec<Field>,
    /// How the target was written.
    pub form: TargetForm,
    /// `host[:port]` as sent: of the target if it has one, else of Host; empty: neither (HTTP/1.0).
    pub authority: Span,
    /// Of `authority`: lower case, no port, no trailing dot; IPv6 addresses keep their brackets.
    pub host: Vec<u8>,
    /// Normalised, begins with `/`; or `*`. See [`Self::rule_path`] and [`Self::sent_path`].
    pub path: Vec<u8>,
    /// As rules read it, if that differs from `path`; else empty.
    pub read_path: Vec<u8>,
    /// A backend may read the path otherwise than `path` says; see [`target::lax_path`].
    pub has_lax_reading: bool,
    /// The path as sent; empty if an absolute target has none.
    pub raw_path: Span,
    /// As sent, without `?`; `None`: there is no `?`.
    pub query: Option<Span>,
    /// How the body ends.
    pub body: BodyLength,
    /// Another request may follow on the connection.
    pub is_persistent: bool,
    /// Another protocol is asked for that could be had; see [`Self::protocols`].
    pub is_upgrade: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The client understands trailer fields.
    pub accepts_trailers: bool,
    /// Everything up to the body, empty lines before the request line included.
    pub head_bytes: usize,
}

impl RequestHead {
    /// Whether the answer to this request has no body.
    #[must_use]
    pub fn is_head(&self, buf: &[u8]) -> bool {
        self.method.of(buf) == b"HEAD"
    }

    /// The path as rules match it: percent-decoded, one slash where there were several, without dot
    /// segments; or `*`.
    #[must_use]
    pub fn rule_path(&self) -> &[u8] {
        if self.read_path.is_empty() { &self.path } else { &self.read_path }
    }

    /// The path to forward: octet for octet as sent, or what an absolute target leaves out.
    #[must_use]
    pub fn sent_path<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        match (self.form, self.raw_path.of(buf)) {
            (TargetForm::Asterisk, _) => b"*",
            (_, []) => b"/",
            (_, sent) => sent,
        }
    }

    /// The protocols that the client would rather speak and that a tunnel may carry, in order.
    pub fn protocols<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        tunnelled_protocols(buf, &self.fields)
    }

    /// Whether doing it twice does no more than doing it once, RFC 9110 section 9.2.2.
    #[must_use]
    pub fn is_idempotent(&self, buf: &[u8]) -> bool {
        matches!(self.method.of(buf), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
    }

    /// The values of all lines of one kind, in order, dropped ones included.
    pub fn values<'a>(&'a self, buf: &'a [u8], kind: FieldKind) -> impl Iterator<Item = &'a [u8]> {
        values(buf, &self.fields, kind)
    }

    /// The value of the first line of one kind.
    #[must_use]
    pub fn find<'a>(&'a self, buf: &'a [u8], kind: FieldKind) -> Option<&'a [u8]> {
        self.values(buf, kind).next()
    }

    /// The value of the first line of `name`, any case, dropped ones included.
    #[must_use]
    pub fn find_name<'a>(&self, buf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        let line = self.fields.iter().find(|line| line.name.of(buf).eq_ignore_ascii_case(name))?;
        Some(line.value.of(buf))
    }
}

/// Parses the head `buf[..end]` into `head`.
///
/// Shape: `end` comes from [`super::HeadScan`]; `buf` may hold more behind it. Spans count from the
/// beginning of `buf`.
///
/// # Errors
/// All are the client's fault. The connection must be closed after the answer: where the next
/// request begins is not known.
///
/// Source: RFC 9112 sections 2 to 6, RFC 9110 sections 7 and 10.1.
pub fn parse_request(buf: &[u8], end: usize, head: &mut RequestHead) -> Result<(), RequestError> {
    let buf = buf.get(..end).ok_or(HeadError::Incomplete)?;
    let start = skip_empty_lines(buf)?;
    let bytes = buf.get(start..).unwrap_or_default();
    check_limits(bytes)?;
    let kinds = parse_syntax(buf, bytes, head)?;
    head.head_bytes = end;
    check_line_ends(buf, &head.fields)?;
    check_method(head.method.of(buf))?;
    read_host(buf, kinds, head)?;
    read_target(buf, head)?;
    head.body = framing::request_body(buf, head.version, &head.fields).map_err(HeadError::from)?;
    read_connection(buf, kinds, head)?;
    read_expectation(buf, kinds, head)?;
    head.accepts_trailers = kinds.contains(FieldKind::Te)
        && head.version == Version::Http11
        && has_member(buf, &head.fields, FieldKind::Te, b"trailers");
    Ok(())
}

/// Refuses early what can no longer become a good head; called while no end was found.
///
/// Costs no more than a look at the first bytes, until the request line is complete or over its
/// limit. A line that cannot be one is refused as soon as it ends: its client may wait for the
/// answer and send nothing more, as clients of HTTP/0.9 do.
///
/// Shape: `scan` is that of [`HeadScan::find_end`], which found no end in `buf`.
///
/// # Errors
/// As [`parse_request`].
pub fn check_partial_request(buf: &[u8], scan: &mut HeadScan) -> Result<(), RequestError> {
    let start = skip_empty_lines(buf)?;
    let bytes = buf.get(start..).unwrap_or_default();
    // A longer method without a blank is found by the limit of the line; looking at all of it after
    // every byte would be quadratic.
    let method = bytes.iter().take(METHOD_BYTES_CHECKED).take_while(|byte| **byte != b' ');
    // A single CR can still become an empty line.
    let is_method = bytes == b"\r" || method.clone().all(|byte| is_tchar(*byte));
    if !is_method || bytes.first() == Some(&b' ') {
        return Err(RequestError::Method);
    }
    if bytes.len() >= REQUEST_HEAD_BYTES_MAX {
        // The end was not found yet, so that the head is longer than what is here.
        check_line_limit(bytes)?;
        return Err(HeadError::TooLarge.into());
    }
    check_limits(bytes)?;
    scan.first_line(buf).map_or(Ok(()), |line| RequestLine::read(line).map(drop))
}

const METHOD_BYTES_CHECKED: usize = 16;
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Offset of the request line.
fn skip_empty_lines(buf: &[u8]) -> Result<usize, RequestError> {
    let mut start = 0;
    let mut rest = buf;
    while let Some(behind) = rest.strip_prefix(b"\r\n") {
        start += 2;
        if start > 2 * LEADING_EMPTY_LINES_MAX {
            return Err(RequestError::LeadingLines);
        }
        rest = behind;
    }
    match rest {
        [b'\n', ..] | [b'\r', _, ..] => Err(RequestError::LeadingLines),
        _ => Ok(start),
    }
}

/// Sizes, and the one other protocol whose clients deserve a clear answer.
fn check_limits(bytes: &[u8]) -> Result<(), RequestError> {
    if bytes.starts_with(HTTP2_PREFACE) {
        return Err(RequestError::Http2Preface);
    }
    if bytes.len() > REQUEST_LINE_BYTES_MAX {
        check_line_limit(bytes)?;
    }
    if bytes.len() > REQUEST_HEAD_BYTES_MAX {
        return Err(HeadError::TooLarge.into());
    }
    Ok(())
}

fn check_line_limit(bytes: &[u8]) -> Result<(), RequestError> {
    let window = bytes.get(..REQUEST_LINE_BYTES_MAX + 2).unwrap_or(bytes);
    if memchr::memchr(b'\n', window).is_some() {
        return Ok(());
    }
    // Complete or not, the line has these bytes, of which the last may be its CR.
    let line = window.strip_suffix(b"\r").unwrap_or(window);
    if line.len() > REQUEST_LINE_BYTES_MAX {
        return Err(RequestError::RequestLineTooLong);
    }
    Ok(())
}

/// Runs the parser over `bytes`, the rest of `buf` from the request line on.
fn parse_syntax(buf: &[u8], bytes: &[u8], head: &mut RequestHead) -> Result<KindSet, RequestError> {
    let mut lines = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
        Ok(_) => return Err(HeadError::Incomplete.into()),
        Err(httparse::Error::Token) => return parse_foreign(buf, bytes, head),
        Err(error) => return Err(refusal(error, bytes)),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(RequestError::RequestLine);
    };
    head.method = Span::locate(buf, method.as_bytes());
    head.target = Span::locate(buf, target.as_bytes());
    head.version = Version::from_minor(parsed.version);
    head.fields.clear();
    Ok(take_fields(buf, parsed.headers, &mut head.fields))
}

/// Like [`parse_syntax`], for targets that are not UTF-8, which the parser refuses. They are
/// octets like any other to nginx and to most applications.
#[cold]
fn parse_foreign(
    buf: &[u8],
    bytes: &[u8],
    head: &mut RequestHead,
) -> Result<KindSet, RequestError> {
    let line_end = memchr::memchr(b'\n', bytes).ok_or(HeadError::Incomplete)?;
    let (line, rest) = bytes.split_at(line_end);
    let RequestLine { method, target, version } = RequestLine::read(line)?;
    let rest = rest.get(1..).unwrap_or_default();
    let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed = match httparse::parse_headers(rest, &mut lines) {
        Ok(httparse::Status::Complete((len, parsed))) if len == rest.len() => parsed,
        Ok(_) => return Err(HeadError::Incomplete.into()),
        Err(error) => return Err(refusal(error, bytes)),
    };
    head.method = Span::locate(buf, method);
    head.target = Span::locate(buf, target);
    head.version = version;
    head.fields.clear();
    Ok(take_fields(buf, parsed, &mut head.fields))
}

/// What is wrong with a head that the parser refused; not on the fast path.
fn refusal(error: httparse::Error, bytes: &[u8]) -> RequestError {
    if let Some(error) = explain(error, bytes) {
        return error.into();
    }
    let line_end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = RequestLine::read(bytes.get(..line_end).unwrap_or(bytes));
    line.err().unwrap_or(RequestError::RequestLine)
}

/// Every line ends in CRLF; the parser also takes LF alone.
///
/// It guarantees that LF stands before each name and at the end, and that there is no CR elsewhere.
fn check_line_ends(buf: &[u8], fields: &[Field]) -> Result<(), RequestError> {
    let is_crlf_before = |field: &Field| {
        let start = field.name.start as usize;
        start.checked_sub(2).and_then(|cr| buf.get(cr)) == Some(&b'\r')
    };
    if buf.ends_with(b"\r\n\r\n") && fields.iter().all(is_crlf_before) {
        Ok(())
    } else {
        Err(HeadError::LineEnd.into())
    }
}

fn check_method(method: &[u8]) -> Result<(), RequestError> {
    match method {
        b"CONNECT" => Err(RequestError::Connect),
        b"TRACE" => Err(RequestError::Trace),
        _ => Ok(()),
    }
}

/// Exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0; RFC 9112 section 3.2.
fn read_host(buf: &[u8], kinds: KindSet, head: &mut RequestHead) -> Result<(), RequestError> {
    head.host.clear();
    head.authority = Span::default();
    if !kinds.contains(FieldKind::Host) {
        return match head.version {
            Version::Http10 => Ok(()),
            Version::Http11 => Err(RequestError::HostMissing),
        };
    }
    let mut hosts = head.fields.iter().filter(|field| field.kind == FieldKind::Host);
    let first = hosts.next().map(|field| field.value).unwrap_or_default();
    if hosts.next().is_some() {
        return Err(RequestError::HostRepeated);
    }
    head.authority = first;
    target::read_authority(first.of(buf), &mut head.host)
}

/// Splits the target and normalises its path; an authority in it replaces that of Host.
fn read_target(buf: &[u8], head: &mut RequestHead) -> Result<(), RequestError> {
    let at = head.target.start as usize;
    let sent = head.target.of(buf);
    let parts = target::split(sent, head.method.of(buf))?;
    let span = |part: &std::ops::Range<usize>| Span::new(at + part.start, at + part.end);
    head.form = parts.form;
    head.raw_path = span(&parts.path);
    head.query = parts.query.as_ref().map(span);
    if let Some(authority) = &parts.authority {
        head.authority = span(authority);
        target::read_authority(head.authority.of(buf), &mut head.host)?;
    }
    head.path.clear();
    head.read_path.clear();
    head.has_lax_reading = false;
    if parts.form == TargetForm::Asterisk {
        head.path.push(b'*');
        return Ok(());
    }
    let raw = head.raw_path.of(buf);
    let is_changed = target::normalise_path(raw, &mut head.path)?;
    head.has_lax_reading = target::has_lax_reading(raw);
    if is_changed || head.has_lax_reading || memchr::memchr(b'%', raw).is_some() {
        target::read_path(raw, target::Reading::Rules, &mut head.read_path)?;
    }
    Ok(())
}

/// Persistence, nominated fields, and a change of protocol.
fn read_connection(buf: &[u8], kinds: KindSet, head: &mut RequestHead) -> Result<(), RequestError> {
    let options = if kinds.contains(FieldKind::Connection) {
        ConnectionOptions::read(buf, &mut head.fields)?
    } else {
        ConnectionOptions::default()
    };
    if options.has_refused_nomination {
        return Err(RequestError::ConnectionNominates);
    }
    head.is_persistent = options.is_persistent(head.version);
    // RFC 9110 section 7.8: nothing to HTTP/1.0, and nothing without the connection option.
    head.is_upgrade = options.has_upgrade
        && head.version == Version::Http11
        && tunnelled_protocols(buf, &head.fields).next().is_some();
    Ok(())
}

/// The members of `Upgrade` that may be passed on. Others are treated as if they had not been asked
/// for: they carry HTTP, and such a tunnel would carry requests past every rule.
pub(super) fn tunnelled_protocols<'a>(
    buf: &'a [u8],
    fields: &'a [Field],
) -> impl Iterator<Item = &'a [u8]> {
    values(buf, fields, FieldKind::Upgrade)
        .flat_map(members)
        .filter(|protocol| is_protocol(protocol) && !carries_http(protocol))
}

/// RFC 9110 section 7.8: a token, and perhaps a slash and another one.
fn is_protocol(text: &[u8]) -> bool {
    match memchr::memchr(b'/', text) {
        Some(slash) => {
            let (name, version) = text.split_at(slash);
            is_token(name) && is_token(version.get(1..).unwrap_or_default())
        }
        None => is_token(text),
    }
}

/// `h2c` in any spelling, HTTP by another name, and TLS in the middle of a connection (RFC 2817),
/// within which HTTP goes on.
pub(super) fn carries_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// RFC 9110 section 10.1.1: ignored in HTTP/1.0, and without a body nothing is waited for.
fn read_expectation(
    buf: &[u8],
    kinds: KindSet,
    head: &mut RequestHead,
) -> Result<(), RequestError> {
    head.expects_continue = false;
    if !kinds.contains(FieldKind::Expect) || head.version == Version::Http10 {
        return Ok(());
    }
    let is_known = values(buf, &head.fields, FieldKind::Expect)
        .flat_map(members)
        .all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue"));
    if !is_known {
        return Err(RequestError::Expectation);
    }
    head.expects_continue = !head.body.is_empty();
    Ok(())
}

fn has_member(buf: &[u8], fields: &[Field], kind: FieldKind, wanted: &[u8]) -> bool {
    values(buf, fields, kind).flat_map(members).any(|member| member.eq_ignore_ascii_case(wanted))
}
