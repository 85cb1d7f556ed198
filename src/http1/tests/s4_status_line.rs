//! Section 4: the status line of responses.

use super::{ResponseError, respond, response_refused};
use crate::http1::head::{Version, check_partial_response};

#[track_caller]
fn check(line: &[u8], version: Version, status: u16, reason: &[u8]) {
    let bytes = [line, b"\r\n\r\n"].concat();
    let found = respond(&bytes).map(|head| (head.version, head.status, head.reason.of(&bytes)));
    assert_eq!(found, Ok((version, status, reason)), "{}", line.escape_ascii());
}

#[test]
fn the_reason_is_free_text_and_may_be_missing() {
    check(b"HTTP/1.1 200 OK", Version::Http11, 200, b"OK");
    check(b"HTTP/1.0 404 Not Found", Version::Http10, 404, b"Not Found");
    check(b"HTTP/1.1 200 ", Version::Http11, 200, b"");
    check(b"HTTP/1.1 200", Version::Http11, 200, b"");
    check(b"HTTP/1.1 200 D\xe9j\xe0 vu", Version::Http11, 200, b"D\xe9j\xe0 vu");
    check(b"HTTP/1.1 200  a\tb ", Version::Http11, 200, b" a\tb ");
}

#[test]
fn statuses_are_100_to_599() {
    check(b"HTTP/1.1 100 a", Version::Http11, 100, b"a");
    check(b"HTTP/1.1 599 a", Version::Http11, 599, b"a");
    for status in ["000", "099", "600", "999"] {
        let bytes = format!("HTTP/1.1 {status} a\r\n\r\n");
        response_refused(bytes.as_bytes(), ResponseError::Status);
    }
    for status in ["20", "2000", "2x0", "-20", "+20", " 200", ""] {
        let bytes = format!("HTTP/1.1 {status} a\r\n\r\n");
        response_refused(bytes.as_bytes(), ResponseError::StatusLine);
    }
}

#[test]
fn malformed_status_lines_are_refused() {
    response_refused(b"HTTP/1.1 200 a\0\r\n\r\n", ResponseError::StatusLine);
    response_refused(b"HTTP/1.1 200 a\rb\r\n\r\n", ResponseError::StatusLine);
    response_refused(b"HTTP/1.1 200 a\x7f\r\n\r\n", ResponseError::StatusLine);
    response_refused(b"SSH-2.0-a\r\n\r\n", ResponseError::StatusLine);
    response_refused(b"http/1.1 200 a\r\n\r\n", ResponseError::StatusLine);
    response_refused(b"HTTP/1.1\t200 a\r\n\r\n", ResponseError::Version);
}

#[test]
fn only_versions_1_0_and_1_1_are_spoken() {
    response_refused(b"HTTP/1.2 200 a\r\n\r\n", ResponseError::Version);
    response_refused(b"HTTP/2 200 a\r\n\r\n", ResponseError::Version);
    response_refused(b"HTTP/2.0 200 a\r\n\r\n", ResponseError::Version);
}

#[test]
fn a_remainder_of_the_response_before_is_no_response() {
    response_refused(b"\r\nHTTP/1.1 200 a\r\n\r\n", ResponseError::StatusLine);
    assert_eq!(check_partial_response(b"\r"), Err(ResponseError::StatusLine));
    assert_eq!(check_partial_response(b"0"), Err(ResponseError::StatusLine));
    assert_eq!(check_partial_response(b"HTTP/2"), Err(ResponseError::Version));
    assert_eq!(check_partial_response(b"HTTP/1.1 20"), Ok(()));
    assert_eq!(check_partial_response(b"HT"), Ok(()));
    assert_eq!(check_partial_response(b""), Ok(()));
}

#[test]
fn informational_responses_are_not_final_but_101_is() {
    for (status, is_informational) in [(100, true), (101, false), (103, true), (200, false)] {
        let found = respond(format!("HTTP/1.1 {status} a\r\n\r\n").as_bytes());
        assert_eq!(found.map(|head| head.is_informational()), Ok(is_informational), "{status}");
    }
}
