//! Section 2: lines, versions, and what may precede a message.

use super::{RequestError, check_partial, parse, refused};
use crate::http1::error::{FramingError, HeadError, RequestFault, ResponseError};
use crate::http1::head::{
    RequestHead, RequestKind, ResponseHead, Version, check_partial_response, parse_request,
    parse_response,
};
use crate::limits::{LEADING_EMPTY_LINES_MAX, REQUEST_HEAD_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn bare_line_feeds_are_refused_in_requests() {
    refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nB:\nC: d\r\n\r\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\n\n", HeadError::LineEnd);
}

#[test]
fn bare_carriage_returns_are_refused() {
    refused(b"GET / HTTP/1.1\rHost: a\r\n\r\n", HeadError::LineEnd);
    refused(b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HeadError::FieldValue);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HeadError::FieldValue);
    refused(b"GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n", HeadError::FieldName);
    refused(b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::TargetCharacter);
    refused(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::LeadingLines);
}

#[test]
fn a_few_empty_lines_may_precede_a_request() {
    let with = |lines: usize| [b"\r\n".repeat(lines), REQUEST.to_vec()].concat();
    let most = with(LEADING_EMPTY_LINES_MAX);
    assert_eq!(parse(&most).map(|head| head.head_bytes), Ok(most.len()));
    assert_eq!(check_partial(&b"\r\n".repeat(LEADING_EMPTY_LINES_MAX)), Ok(()));
    let surplus = b"\r\n".repeat(LEADING_EMPTY_LINES_MAX + 1);
    assert_eq!(check_partial(&surplus), Err(RequestError::LeadingLines));
    refused(&with(LEADING_EMPTY_LINES_MAX + 1), RequestError::LeadingLines);
    refused(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::LeadingLines);
}

#[test]
fn nothing_else_may_precede_a_request() {
    for byte in [b' ', b'\t', 0, 0x80, b'(', b'"'] {
        let bytes = [&[byte][..], REQUEST].concat();
        refused(&bytes, RequestError::Method);
        assert_eq!(check_partial(&[byte]), Err(RequestError::Method), "{byte}");
    }
    assert_eq!(check_partial(b"\x16\x03\x01\x02\x00"), Err(RequestError::Method));
}

#[test]
fn a_blank_between_request_line_and_first_field_is_refused() {
    refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", HeadError::FoldedLine);
    refused(b"GET / HTTP/1.1\r\n\tX: a\r\nHost: a\r\n\r\n", HeadError::FoldedLine);
}

#[test]
fn only_versions_1_0_and_1_1_are_spoken() {
    assert_eq!(parse(REQUEST).map(|head| head.version), Ok(Version::Http11));
    assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n").map(|head| head.version), Ok(Version::Http10));
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/9.9"] {
        refused(format!("GET / {version}\r\n\r\n").as_bytes(), RequestError::Version);
    }
    for other in ["http/1.1", "HTTP 1.1", "HTTPS/1.1", "HTTP/one", "ICY/1.1234"] {
        refused(format!("GET / {other}\r\n\r\n").as_bytes(), RequestError::RequestLine);
    }
    // Not 1.1 and not a version either.
    refused(b"GET / HTTP/1.10\r\n\r\n", HeadError::LineEnd);
    // HTTP/0.9 has none.
    refused(b"GET /\r\n\r\n", RequestError::RequestLine);
    assert_eq!(RequestError::Version.category(), RequestFault::VersionNotSupported);
}

#[test]
fn the_http2_preface_is_told_apart() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    refused(preface, RequestError::Http2Preface);
    assert_eq!(check_partial(&preface[..16]), Err(RequestError::Http2Preface));
    assert_eq!(check_partial(&preface[..10]), Ok(()));
    assert_eq!(RequestError::Http2Preface.category(), RequestFault::VersionNotSupported);
}

#[test]
fn a_head_that_does_not_end_where_it_should_is_incomplete() {
    let mut head = RequestHead::default();
    for end in [0, 10, REQUEST.len() - 1, REQUEST.len() + 1] {
        let result = parse_request(REQUEST, end, &mut head);
        assert_eq!(result, Err(HeadError::Incomplete.into()), "{end}");
    }
    let two = [REQUEST, REQUEST].concat();
    assert_eq!(parse_request(&two, two.len(), &mut head), Err(HeadError::Incomplete.into()));
    let response = b"HTTP/1.1 200 OK\r\n\r\n";
    let mut head = ResponseHead::default();
    for end in [0, response.len() - 1, response.len() + 1] {
        let result = parse_response(response, end, RequestKind::default(), &mut head);
        assert_eq!(result, Err(HeadError::Incomplete.into()), "{end}");
    }
}

#[test]
fn what_follows_a_head_is_not_looked_at() {
    let bytes = [REQUEST, b"\0\n\n\n"].concat();
    assert_eq!(parse(&bytes).map(|head| head.head_bytes), Ok(REQUEST.len()));
}

#[test]
fn heads_have_a_limit_of_bytes() {
    let fill = |line: &str, bytes: usize| {
        let mut head = line.as_bytes().to_vec();
        let lines = 20;
        let value = (bytes - head.len() - 2) / lines - "A: \r\n".len();
        for _ in 0..lines {
            head.extend(format!("A: {}\r\n", "b".repeat(value)).as_bytes());
        }
        while head.len() + 2 < bytes {
            let at = head.len() - 2;
            head.insert(at, b'c');
        }
        head.extend(b"\r\n");
        assert_eq!(head.len(), bytes);
        head
    };
    let line = "GET / HTTP/1.1\r\nHost: a\r\n";
    let most = fill(line, REQUEST_HEAD_BYTES_MAX);
    assert_eq!(parse(&most).map(|head| head.head_bytes), Ok(most.len()));
    assert_eq!(check_partial(&most[..most.len() - 1]), Ok(()));
    let over = fill(line, REQUEST_HEAD_BYTES_MAX + 1);
    refused(&over, HeadError::TooLarge);
    assert_eq!(check_partial(&over[..over.len() - 1]), Err(HeadError::TooLarge.into()));
    assert_eq!(RequestError::from(HeadError::TooLarge).category(), RequestFault::FieldsTooLarge);

    let line = "HTTP/1.1 200 OK\r\n";
    let most = fill(line, RESPONSE_HEAD_BYTES_MAX);
    assert_eq!(super::respond(&most).map(|head| head.head_bytes), Ok(most.len()));
    assert_eq!(check_partial_response(&most[..most.len() - 1]), Ok(()));
    let over = fill(line, RESPONSE_HEAD_BYTES_MAX + 1);
    super::response_refused(&over, HeadError::TooLarge);
    let partial = check_partial_response(&over[..over.len() - 1]);
    assert_eq!(partial, Err(HeadError::TooLarge.into()));
}

#[test]
fn errors_have_distinct_labels() {
    let labels = [
        RequestError::from(HeadError::LineEnd).label(),
        RequestError::from(HeadError::Framing(FramingError::LengthInvalid)).label(),
        ResponseError::StatusLine.label(),
        crate::http1::error::BodyError::Truncated.label(),
    ];
    assert_eq!(labels, ["line_end", "length_invalid", "status_line", "truncated"]);
}
