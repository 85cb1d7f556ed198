//! What heads of requests and responses are made of: spans of the buffer, fields, versions.

use crate::http1::error::HeadError;
use crate::http1::fields::FieldKind;
use crate::limits::FIELD_BYTES;

/// A part of the buffer that a head was parsed from, in bytes from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes in `buf`; empty if `buf` is not the buffer that this was made for.
    #[must_use]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// From offsets; heads are far smaller than 4 GiB.
    pub(in crate::http1) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end);
        // A span beyond 4 GiB lies in no head: it becomes an empty one.
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: offset(start), end: offset(end) }
    }

    /// Where `part`, a piece of `buf`, lies in it.
    pub(super) fn locate(buf: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(buf.as_ptr().addr());
        debug_assert!(start + part.len() <= buf.len());
        Self::new(start, start + part.len())
    }
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As sent; a token.
    pub name: Span,
    /// Without the blanks around it; no control characters but HTAB.
    pub value: Span,
    /// What the name means to the proxy.
    pub kind: FieldKind,
    /// Not to be forwarded: `Connection` names it, or the message may not carry it.
    pub dropped: bool,
}

const _: () = assert!(size_of::<Field>() == FIELD_BYTES);

/// Versions that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}

impl Version {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }

    pub(super) fn from_minor(minor: Option<u8>) -> Self {
        if minor == Some(0) { Self::Http10 } else { Self::Http11 }
    }
}

/// Whether a Content-Type is that of gRPC, with whatever message format.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    const PREFIX: &[u8] = b"application/grpc";
    let start = content_type.get(..PREFIX.len()).unwrap_or_default();
    // `application/grpc-web` is another protocol, whose status is in the body.
    start.eq_ignore_ascii_case(PREFIX)
        && matches!(content_type.get(PREFIX.len()), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// The values of all lines of one kind, in order.
pub(super) fn values<'a>(
    buf: &'a [u8],
    fields: &'a [Field],
    kind: FieldKind,
) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.kind == kind).map(move |field| field.value.of(buf))
}

/// Takes over what the parser found; gives the set of kinds among it.
pub(super) fn take_fields(
    buf: &[u8],
    parsed: &[httparse::Header<'_>],
    fields: &mut Vec<Field>,
) -> KindSet {
    let mut kinds = KindSet::default();
    fields.extend(parsed.iter().map(|header| {
        let kind = FieldKind::of(header.name.as_bytes());
        kinds.insert(kind);
        Field {
            name: Span::locate(buf, header.name.as_bytes()),
            value: Span::locate(buf, header.value),
            kind,
            dropped: false,
        }
    }));
    kinds
}

/// Which kinds a head has, so that rules about absent fields cost one bit test.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KindSet(u32);

impl KindSet {
    pub(super) fn insert(&mut self, kind: FieldKind) {
        const { assert!(FieldKind::COUNT <= u32::BITS as usize) };
        self.0 |= 1 << kind as u32;
    }

    pub(super) fn contains(self, kind: FieldKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

/// Finds out what the parser's error means; `None`: something is wrong with the first line. Not on
/// the fast path.
#[cold]
pub(super) fn explain(error: httparse::Error, head: &[u8]) -> Option<HeadError> {
    match error {
        httparse::Error::TooManyHeaders => Some(HeadError::TooManyFields),
        httparse::Error::HeaderName if has_folded_line(head) => Some(HeadError::FoldedLine),
        httparse::Error::HeaderName => Some(HeadError::FieldName),
        httparse::Error::HeaderValue => Some(HeadError::FieldValue),
        httparse::Error::NewLine => Some(HeadError::LineEnd),
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => None,
    }
}

/// Whether a head that the parser calls malformed at a field name has a folded line. Only asked on
/// the way to an error.
fn has_folded_line(head: &[u8]) -> bool {
    head.windows(2).any(|pair| matches!(pair, [b'\n', b' ' | b'\t']))
}
