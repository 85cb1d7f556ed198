//! Where a message ends: the only place that decides it, for both directions.
//!
//! It never guesses. A request in doubt is refused; a response in doubt is refused or marked
//! suspect, so that its connection is not used again.
//!
//! Source: RFC 9112 section 6.3. Stricter than the RFC on purpose: we refuse where it lets us
//! repair.

use super::error::FramingError;
use super::fields::{FieldKind, members};
use super::head::parts::{Field, Version};
use crate::limits::CONTENT_LENGTH_MAX;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// So many octets; 0 if the message says so itself.
    Known(u64),
    /// The chunked coding marks the end.
    Chunked,
    /// The end of the connection is the end of the body; responses only.
    UntilClose,
}

impl BodyLength {
    /// Whether not one octet of body follows.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Known(0))
    }
}

/// What the end of a response depends on besides the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestKind {
    /// It answers a HEAD request.
    pub is_head: bool,
}

/// What the framing fields of a response say, for the cases that need more than its body length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseFraming {
    pub(super) body: BodyLength,
    /// Content-Length, also where no body follows (HEAD, 304).
    pub(super) declared_length: Option<u64>,
    /// The sender and we could disagree about the end: do not reuse its connection.
    pub(super) is_suspect: bool,
}

/// Decides how the body of a request ends, whatever its method.
pub(super) fn request_body(
    buf: &[u8],
    version: Version,
    fields: &[Field],
) -> Result<BodyLength, FramingError> {
    let has_coding = has(fields, FieldKind::TransferEncoding);
    if has_coding && version == Version::Http10 {
        return Err(FramingError::CodingInHttp10);
    }
    if has_coding && has(fields, FieldKind::ContentLength) {
        return Err(FramingError::LengthAndCoding);
    }
    if has_coding {
        check_coding(buf, fields)?;
        return Ok(BodyLength::Chunked);
    }
    Ok(content_length(buf, fields)?.map_or(BodyLength::None, BodyLength::Known))
}

/// Decides how the body of a response to `request` ends.
pub(super) fn response_body(
    buf: &[u8],
    version: Version,
    status: u16,
    request: RequestKind,
    fields: &[Field],
) -> Result<ResponseFraming, FramingError> {
    let has_coding = has(fields, FieldKind::TransferEncoding);
    if has_coding {
        check_coding(buf, fields)?;
    }
    let declared_length = content_length(buf, fields)?;
    let mut is_suspect = has_coding && (declared_length.is_some() || version == Version::Http10);
    // RFC 9110 sections 8.6 and 9112 section 6.1: these may not carry either field. An upstream
    // that announces a body may also send it.
    if matches!(status, 100..=199 | 204) && (has_coding || declared_length.unwrap_or(0) > 0) {
        is_suspect = true;
    }
    let body = if request.is_head || has_no_body(status) {
        BodyLength::None
    } else if has_coding {
        BodyLength::Chunked
    } else {
        declared_length.map_or(BodyLength::UntilClose, BodyLength::Known)
    };
    Ok(ResponseFraming { body, declared_length, is_suspect })
}

/// Whether responses of this status have no body, whatever their fields say (RFC 9112 section 6.3).
#[must_use]
pub const fn has_no_body(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn has(fields: &[Field], kind: FieldKind) -> bool {
    fields.iter().any(|field| field.kind == kind)
}

fn list<'a>(buf: &'a [u8], fields: &'a [Field], kind: FieldKind) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.kind == kind)
        .flat_map(move |field| members(field.value.of(buf)))
}

/// Accepts the single coding `chunked`, over all lines.
fn check_coding(buf: &[u8], fields: &[Field]) -> Result<(), FramingError> {
    let mut is_chunked = false;
    let mut is_unknown = false;
    for coding in list(buf, fields, FieldKind::TransferEncoding) {
        // Anything behind `chunked` means that the end of the body is unknown.
        if coding.is_empty() || is_chunked {
            return Err(FramingError::CodingInvalid);
        }
        if coding.eq_ignore_ascii_case(b"chunked") {
            is_chunked = true;
        } else {
            is_unknown = true;
        }
    }
    if is_unknown { Err(FramingError::CodingUnknown) } else { Ok(()) }
}

/// Reads Content-Length over all lines; several values must be the same text.
fn content_length(buf: &[u8], fields: &[Field]) -> Result<Option<u64>, FramingError> {
    let mut first: Option<(&[u8], u64)> = None;
    for text in list(buf, fields, FieldKind::ContentLength) {
        let value = decimal(text).ok_or(FramingError::LengthInvalid)?;
        match first {
            None => first = Some((text, value)),
            Some((known, _)) if known == text => {}
            Some(_) => return Err(FramingError::LengthsDisagree),
        }
    }
    Ok(first.map(|(_, value)| value))
}

/// Reads `1*18DIGIT`. Not `str::parse`: that accepts a leading `+`.
fn decimal(text: &[u8]) -> Option<u64> {
    const { assert!(CONTENT_LENGTH_MAX == 10_u64.pow(DIGITS_MAX) - 1) };
    if text.is_empty() || text.len() > DIGITS_MAX as usize {
        return None;
    }
    let mut value = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Some(value)
}

const DIGITS_MAX: u32 = 18;
