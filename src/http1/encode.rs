//! Writes heads and chunk framing by appending to a buffer, and allocates nothing else.
//!
//! It trusts its callers to pass parsed values: it must never be given bytes that nobody checked.
//! Debug builds check again.

use super::fields::{is_token, is_value_byte};
use super::head::parts::Version;
use super::target::is_target_byte;

/// Ends a line.
pub const CRLF: &[u8] = b"\r\n";
/// Ends a chunked body without trailer section. With one: its first three bytes, the trailer lines
/// and [`CRLF`].
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Bytes of a [`ChunkHead`] at most.
pub const CHUNK_HEAD_BYTES_MAX: usize = 16 + CRLF.len();

/// Appends `method SP path[?query] SP HTTP/1.1 CRLF`; the version of a forwarded message is our own
/// (RFC 9110 section 2.5).
pub fn put_request_line(out: &mut Vec<u8>, method: &[u8], path: &[u8], query: Option<&[u8]>) {
    debug_assert!(is_token(method));
    debug_assert!(path.iter().all(|byte| is_target_byte(*byte)));
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(path);
    if let Some(query) = query {
        debug_assert!(query.iter().all(|byte| is_target_byte(*byte)));
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends `version SP status SP reason CRLF`; the reason may be empty.
pub fn put_status_line(out: &mut Vec<u8>, version: Version, status: u16, reason: &[u8]) {
    debug_assert!((100..=999).contains(&status));
    debug_assert!(reason.iter().all(|byte| is_value_byte(*byte)));
    out.extend_from_slice(version.as_str().as_bytes());
    out.push(b' ');
    put_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(CRLF);
}

/// Appends one field line.
pub fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_token(name));
    debug_assert!(value.iter().all(|byte| is_value_byte(*byte)));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Appends `value` in decimal.
pub fn put_decimal(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The size line of a chunk, to be put in front of octets that are there already.
#[derive(Debug, Clone, Copy)]
pub struct ChunkHead {
    line: [u8; CHUNK_HEAD_BYTES_MAX],
    length: usize,
}

impl ChunkHead {
    /// No chunk, no line.
    pub const NONE: Self = Self { line: [0; CHUNK_HEAD_BYTES_MAX], length: 0 };

    /// That of a chunk of `octets`, which must not be 0: that would end the body.
    #[must_use]
    pub fn new(octets: usize) -> Self {
        debug_assert_ne!(octets, 0);
        let digits = (usize::BITS - octets.leading_zeros()).div_ceil(4);
        let hex = (0..digits).rev().map(|digit| HEX_DIGITS[octets >> (4 * digit) & 0xf]);
        let mut head = Self { length: digits as usize + CRLF.len(), ..Self::NONE };
        let places = head.line.iter_mut();
        places.zip(hex.chain(CRLF.iter().copied())).for_each(|(place, octet)| *place = octet);
        head
    }

    /// The line, CRLF included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.line.get(..self.length).unwrap_or_default()
    }
}

/// Appends the size line of a chunk of `octets`, which must not be 0.
pub fn put_chunk_head(out: &mut Vec<u8>, octets: usize) {
    out.extend_from_slice(ChunkHead::new(octets).as_bytes());
}

/// The usual phrase of a status; empty for one without.
///
/// Source: the IANA registry of status codes, RFC 9110 section 15.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut Vec<u8>), expected: &str) {
        let mut out = b"before:".to_vec();
        write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before:{expected}"));
    }

    #[test]
    fn lines_are_appended() {
        check(|out| put_request_line(out, b"GET", b"/a", None), "GET /a HTTP/1.1\r\n");
        check(|out| put_request_line(out, b"GET", b"/a", Some(b"")), "GET /a? HTTP/1.1\r\n");
        check(|out| put_request_line(out, b"GET", b"/a", Some(b"b=c")), "GET /a?b=c HTTP/1.1\r\n");
        check(|out| put_status_line(out, Version::Http11, 200, b"OK"), "HTTP/1.1 200 OK\r\n");
        check(|out| put_status_line(out, Version::Http10, 599, b""), "HTTP/1.0 599 \r\n");
        check(|out| put_field(out, b"a", b"b c"), "a: b c\r\n");
        check(|out| put_decimal(out, u64::MAX), "18446744073709551615");
    }

    #[test]
    fn chunk_sizes_are_hexadecimal() {
        for len in [1, 15, 16, 255, 4096, usize::MAX] {
            check(|out| put_chunk_head(out, len), &format!("{len:x}\r\n"));
        }
    }

    #[test]
    fn statuses_that_we_send_have_a_phrase() {
        for status in [400, 404, 405, 408, 411, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505] {
            assert_ne!(reason_phrase(status), "", "{status}");
        }
        assert_eq!(reason_phrase(299), "");
    }
}
