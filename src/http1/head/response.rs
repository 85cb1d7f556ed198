//! Response heads. More is tolerated than from clients, because what is forwarded is written anew;
//! where the end of a response is in doubt, its connection is not used again.

use std::mem::MaybeUninit;

use super::connection::ConnectionOptions;
use super::parts::{Field, KindSet, Span, Version, explain, take_fields, values};
use super::request::carries_http;
use crate::http1::error::{HeadError, ResponseError};
use crate::http1::fields::{FieldKind, is_token, is_value_byte, members, trim_ows};
use crate::http1::framing::{self, BodyLength, RequestKind};
use crate::limits::{
    FIELDS_MAX, RESPONSE_FIELDS_ADDED_MAX, RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX,
};

/// A response head in parsed form.
///
/// Reusable: parsing into it again keeps its allocations. After an error its content means nothing,
/// but reading it is harmless.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    /// As sent; may be empty, may have obs-text.
    pub reason: Span,
    /// Of the upstream; what is forwarded is our own.
    pub version: Version,
    /// In order, at most [`RESPONSE_FIELDS_MAX`]. Framing fields that the message may not carry are
    /// dropped.
    pub fields: Vec<Field>,
    /// How the body ends; `None` for 101, behind which another protocol begins.
    pub body: BodyLength,
    /// What Content-Length says, also where no body follows (HEAD, 304).
    pub declared_length: Option<u64>,
    /// The upstream keeps the connection and another request may safely be sent on it once the body
    /// ended; means nothing for 1xx other than 101.
    pub is_persistent: bool,
    /// Upstream and proxy could disagree about the end; never persistent.
    pub is_framing_suspect: bool,
    /// Seconds after which the upstream closes an idle connection, if it says so.
    pub keep_alive_timeout: Option<u32>,
    /// Everything up to the body.
    pub head_bytes: usize,
}

impl ResponseHead {
    /// Whether a final response is still to come. 101 is final: HTTP ends with it.
    #[must_use]
    pub fn is_informational(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// The values of all lines of one kind, in order, dropped ones included.
    pub fn values<'a>(&'a self, buf: &'a [u8], kind: FieldKind) -> impl Iterator<Item = &'a [u8]> {
        values(buf, &self.fields, kind)
    }

    /// Whether it opens a tunnel that may not be: one that carries HTTP, which nobody asked for.
    #[must_use]
    pub fn switches_to_http(&self, buf: &[u8]) -> bool {
        self.values(buf, FieldKind::Upgrade).flat_map(members).any(carries_http)
    }
}

/// Parses the head `buf[..end]` into `head`.
///
/// Shape: `end` comes from [`super::HeadScan`]; `buf` may hold more behind it. Spans count from the
/// beginning of `buf`.
///
/// # Errors
/// All are the upstream's fault: the client gets 502 and the upstream connection is closed.
///
/// Source: RFC 9112 sections 4 to 6 and 9.3.
pub fn parse_response(
    buf: &[u8],
    end: usize,
    request: RequestKind,
    head: &mut ResponseHead,
) -> Result<(), ResponseError> {
    if end > RESPONSE_HEAD_BYTES_MAX {
        check_beginning(buf)?;
        return Err(HeadError::TooLarge.into());
    }
    parse::<RESPONSE_FIELDS_MAX>(buf, end, request, head)
}

/// The same for a head that this proxy wrote: an upstream's, within its limits, and lines of our
/// own.
///
/// # Errors
/// As [`parse_response`].
pub fn parse_own_response(
    buf: &[u8],
    end: usize,
    request: RequestKind,
    head: &mut ResponseHead,
) -> Result<(), ResponseError> {
    let text = buf.get(..end).ok_or(HeadError::Incomplete)?;
    match read_own_syntax(text, head) {
        Some(kinds) => {
            head.head_bytes = end;
            read_framing(text, request, kinds, head)?;
            read_persistence(text, kinds, head)
        }
        None => {
            parse::<{ RESPONSE_FIELDS_MAX + RESPONSE_FIELDS_ADDED_MAX }>(buf, end, request, head)
        }
    }
}

/// Reads what is written as this proxy writes it; `None`: something is not.
///
/// PERF: a third of what the parser costs, which has to be ready for anybody's text.
fn read_own_syntax(text: &[u8], head: &mut ResponseHead) -> Option<KindSet> {
    let line_end = memchr::memchr(b'\n', text)?;
    let line = text.get(..line_end)?.strip_suffix(b"\r")?;
    let digits = line.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    head.version = Version::Http11;
    head.status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    head.reason = find_reason(text);
    head.fields.clear();
    let mut kinds = KindSet::default();
    let mut at = line_end + 1;
    loop {
        let rest = text.get(at..)?;
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest.get(..end)?.strip_suffix(b"\r")?;
        if line.is_empty() {
            let is_whole = end + 1 == rest.len() && matches!(head.status, 100..=599);
            return is_whole.then_some(kinds);
        }
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line.get(..colon)?, trim_ows(line.get(colon + 1..)?));
        // Without an early exit the loop becomes vector code.
        let is_value = value.iter().fold(true, |is_value, byte| is_value & is_value_byte(*byte));
        if !is_token(name) || !is_value || head.fields.len() >= FIELDS_MAX {
            return None;
        }
        let kind = FieldKind::of(name);
        kinds.insert(kind);
        let (name, value) = (Span::locate(text, name), Span::locate(text, value));
        head.fields.push(Field { name, value, kind, dropped: false });
        at += end + 1;
    }
}

fn parse<const FIELDS: usize>(
    buf: &[u8],
    end: usize,
    request: RequestKind,
    head: &mut ResponseHead,
) -> Result<(), ResponseError> {
    let buf = buf.get(..end).ok_or(HeadError::Incomplete)?;
    check_beginning(buf)?;
    // PERF: 32 KiB of stack for the few heads that need it.
    let kinds = match parse_syntax::<FIELDS_MAX>(buf, head) {
        Err(ResponseError::Head(HeadError::TooManyFields)) => parse_many::<FIELDS>(buf, head)?,
        result => result?,
    };
    head.head_bytes = end;
    read_framing(buf, request, kinds, head)?;
    read_persistence(buf, kinds, head)
}

/// Refuses early what can no longer become a good head; called while no end was found.
///
/// # Errors
/// As [`parse_response`].
pub fn check_partial_response(buf: &[u8]) -> Result<(), ResponseError> {
    check_beginning(buf)?;
    // The end was not found yet, so that the head is longer than what is here.
    if buf.len() >= RESPONSE_HEAD_BYTES_MAX {
        return Err(HeadError::TooLarge.into());
    }
    Ok(())
}

/// The first bytes are `HTTP/1.`, as far as they are there. No empty line may precede them: that
/// would be a remainder of the response before.
fn check_beginning(buf: &[u8]) -> Result<(), ResponseError> {
    let known = buf.get(..PROTOCOL.len()).unwrap_or(buf);
    if PROTOCOL.starts_with(known) {
        return Ok(());
    }
    match buf.strip_prefix(b"HTTP/") {
        Some([b'0'..=b'9', ..]) => Err(ResponseError::Version),
        _ => Err(ResponseError::StatusLine),
    }
}

const PROTOCOL: &[u8] = b"HTTP/1.";

#[cold]
#[inline(never)]
fn parse_many<const FIELDS: usize>(
    buf: &[u8],
    head: &mut ResponseHead,
) -> Result<KindSet, ResponseError> {
    parse_syntax::<FIELDS>(buf, head)
}

fn parse_syntax<const FIELDS: usize>(
    buf: &[u8],
    head: &mut ResponseHead,
) -> Result<KindSet, ResponseError> {
    let mut config = httparse::ParserConfig::default();
    // RFC 9112 section 5.1: a proxy removes the blank before a colon from responses.
    config.allow_spaces_after_header_name_in_responses(true);
    let mut lines = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    match config.parse_response_with_uninit_headers(&mut parsed, buf, &mut lines) {
        Ok(httparse::Status::Complete(len)) if len == buf.len() => {}
        Ok(_) => return Err(HeadError::Incomplete.into()),
        Err(error) => return Err(refusal(error, buf)),
    }
    head.version = Version::from_minor(parsed.version);
    head.status = parsed.code.unwrap_or(0);
    if !matches!(head.status, 100..=599) {
        return Err(ResponseError::Status);
    }
    head.reason = find_reason(buf);
    head.fields.clear();
    Ok(take_fields(buf, parsed.headers, &mut head.fields))
}

/// What stands behind the status. The parser gives nothing where it finds obs-text.
fn find_reason(buf: &[u8]) -> Span {
    const START: usize = "HTTP/1.1 200 ".len();
    let line_end = memchr::memchr(b'\n', buf).unwrap_or(buf.len());
    let line = buf.get(..line_end).unwrap_or(buf);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Span::new(START.min(line.len()), line.len())
}

/// What is wrong with a head that the parser refused; not on the fast path.
fn refusal(error: httparse::Error, buf: &[u8]) -> ResponseError {
    match (explain(error, buf), error) {
        (Some(error), _) => error.into(),
        (None, httparse::Error::Version) => ResponseError::Version,
        (None, _) => ResponseError::StatusLine,
    }
}

fn read_framing(
    buf: &[u8],
    request: RequestKind,
    kinds: KindSet,
    head: &mut ResponseHead,
) -> Result<(), ResponseError> {
    let framing = framing::response_body(buf, head.version, head.status, request, &head.fields)
        .map_err(HeadError::from)?;
    head.body = framing.body;
    head.declared_length = framing.declared_length;
    head.is_framing_suspect = framing.is_suspect;
    // RFC 9110 section 8.6, RFC 9112 sections 6.1 and 6.3: these would mislead the next reader.
    let has_no_framing = matches!(head.status, 100..=199 | 204);
    if has_no_framing || kinds.contains(FieldKind::TransferEncoding) {
        head.declared_length = None;
        drop_fields(&mut head.fields, FieldKind::ContentLength);
    }
    if has_no_framing {
        drop_fields(&mut head.fields, FieldKind::TransferEncoding);
    }
    Ok(())
}

fn drop_fields(fields: &mut [Field], kind: FieldKind) {
    for field in fields.iter_mut().filter(|field| field.kind == kind) {
        field.dropped = true;
    }
}

fn read_persistence(
    buf: &[u8],
    kinds: KindSet,
    head: &mut ResponseHead,
) -> Result<(), ResponseError> {
    let options = if kinds.contains(FieldKind::Connection) {
        // Nominations that are refused in requests are ignored here: the fields stay.
        ConnectionOptions::read(buf, &mut head.fields)?
    } else {
        ConnectionOptions::default()
    };
    head.is_persistent = options.is_persistent(head.version)
        && head.body != BodyLength::UntilClose
        && head.status != 101
        && !head.is_framing_suspect;
    head.keep_alive_timeout = if kinds.contains(FieldKind::KeepAlive) {
        values(buf, &head.fields, FieldKind::KeepAlive).flat_map(members).find_map(seconds)
    } else {
        None
    };
    Ok(())
}

/// `timeout=N` of Keep-Alive; saturates.
fn seconds(parameter: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"timeout=";
    let (name, digits) = parameter.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) || digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}
