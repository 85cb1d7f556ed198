//! Section 3: method, target and version on one line.

use super::{RequestError, check_partial, parse, refused};
use crate::http1::error::{HeadError, RequestFault};
use crate::http1::head::{HeadScan, check_partial_request};
use crate::limits::REQUEST_LINE_BYTES_MAX;

#[test]
fn exactly_one_blank_separates_the_three_parts() {
    refused(b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::RequestLine);
    refused(b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::RequestLine);
    refused(b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HeadError::LineEnd);
    refused(b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::Method);
    refused(b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", RequestError::TargetCharacter);
    refused(b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::RequestLine);
    refused(b"GET\r\nHost: a\r\n\r\n", RequestError::RequestLine);
}

/// Their clients may send nothing more before they are answered.
#[test]
fn lines_that_are_none_are_refused_when_they_end() {
    for (line, error) in [
        ("GET /\r\n", RequestError::RequestLine),
        ("\r\nGET /\r\n", RequestError::RequestLine),
        ("GET\r\n", RequestError::Method),
        ("GET / \r\n", RequestError::RequestLine),
        ("GET /a b HTTP/1.1\r\n", RequestError::RequestLine),
        ("GET / FTP/1.1\r\n", RequestError::RequestLine),
        ("GET / HTTP/0.9\r\n", RequestError::Version),
        ("GET / HTTP/2.0\r\n", RequestError::Version),
        ("GET /#a HTTP/1.1\r\n", RequestError::TargetCharacter),
        ("GET /\x01 HTTP/1.1\r\n", RequestError::TargetCharacter),
        ("GET /\n", HeadError::LineEnd.into()),
        ("GET / HTTP/1.1\n", HeadError::LineEnd.into()),
        ("G(T / HTTP/1.1\r\n", RequestError::Method),
    ] {
        let bytes = line.as_bytes();
        assert_eq!(check_partial(bytes), Err(error), "{line:?}");
        let mut scan = HeadScan::default();
        let when = (1..=bytes.len()).find(|len| {
            let part = &bytes[..*len];
            assert_eq!(scan.find_end(part), None);
            check_partial_request(part, &mut scan).is_err()
        });
        if error != RequestError::Method {
            assert_eq!(when, Some(bytes.len()), "{line:?}, octet by octet");
        }
    }
    for line in
        ["GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\nHost: a\r\n", "GET /", "M http://a/\u{e9}"]
    {
        assert_eq!(check_partial(line.as_bytes()), Ok(()), "{line:?}");
    }
}

#[test]
fn unknown_methods_are_accepted_with_their_case() {
    let bytes = b"m-Search!#$%&'*+.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n";
    let method = parse(bytes).map(|head| head.method.of(bytes));
    assert_eq!(method, Ok(&b"m-Search!#$%&'*+.^_`|~9"[..]));
}

#[test]
fn methods_are_tokens() {
    for method in ["G(T", "G\0T", "G\u{e9}T", "G:T", "\"GET\"", "{}"] {
        refused(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), RequestError::Method);
        assert_eq!(check_partial(method.as_bytes()), Err(RequestError::Method), "{method}");
    }
}

#[test]
fn connect_and_trace_are_refused() {
    refused(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", RequestError::Connect);
    refused(b"CONNECT / HTTP/1.0\r\n\r\n", RequestError::Connect);
    refused(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::Trace);
    assert_eq!(RequestError::Connect.category(), RequestFault::MethodNotAllowed);
    assert_eq!(RequestError::Trace.category(), RequestFault::MethodNotAllowed);
    // Methods are case-sensitive: these are other, unknown ones.
    assert!(parse(b"connect / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
}

#[test]
fn request_lines_have_a_limit_of_bytes() {
    let line = |bytes: usize| {
        let target = "a".repeat(bytes - "GET / HTTP/1.1".len());
        format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
    };
    const { assert!(REQUEST_LINE_BYTES_MAX >= 8000) };
    let most = line(REQUEST_LINE_BYTES_MAX);
    assert!(parse(&most).is_ok());
    for partial in [REQUEST_LINE_BYTES_MAX, REQUEST_LINE_BYTES_MAX + 1, most.len() - 1] {
        assert_eq!(check_partial(&most[..partial]), Ok(()), "{partial}");
    }
    let over = line(REQUEST_LINE_BYTES_MAX + 1);
    refused(&over, RequestError::RequestLineTooLong);
    assert_eq!(check_partial(&over[..REQUEST_LINE_BYTES_MAX]), Ok(()));
    for partial in [REQUEST_LINE_BYTES_MAX + 1, REQUEST_LINE_BYTES_MAX + 2, over.len()] {
        let result = check_partial(&over[..partial]);
        assert_eq!(result, Err(RequestError::RequestLineTooLong), "{partial}");
    }
    // The line is at fault, not the head, however long it is.
    refused(&line(100_000), RequestError::RequestLineTooLong);
    let result = check_partial(&line(100_000)[..90_000]);
    assert_eq!(result, Err(RequestError::RequestLineTooLong));
    assert_eq!(RequestError::RequestLineTooLong.category(), RequestFault::UriTooLong);
}

#[test]
fn methods_know_what_the_proxy_may_do() {
    for (method, is_idempotent) in [("GET", true), ("PUT", true), ("POST", false), ("get", false)] {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let found = parse(&bytes).map(|head| head.is_idempotent(&bytes));
        assert_eq!(found, Ok(is_idempotent), "{method}");
    }
    let bytes = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(parse(bytes).map(|head| head.is_head(bytes)), Ok(true));
}
