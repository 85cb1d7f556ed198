//! Section 9, with RFC 9110 sections 7.6 (Connection), 7.8 (Upgrade) and 10.1 (Expect, TE).

use super::{RequestError, get, parse, respond};
use crate::http1::error::{HeadError, RequestFault};
use crate::limits::CONNECTION_OPTIONS_MAX;

#[track_caller]
fn persistent(version: &str, lines: &str, expected: bool) {
    let request = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
    let found = parse(request.as_bytes()).map(|head| head.is_persistent);
    assert_eq!(found, Ok(expected), "{version} {lines:?}");
    let response = format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{lines}\r\n");
    let found = respond(response.as_bytes()).map(|head| head.is_persistent);
    assert_eq!(found, Ok(expected), "{version} {lines:?}");
}

#[test]
fn persistence_follows_version_and_options() {
    persistent("1.1", "", true);
    persistent("1.0", "", false);
    persistent("1.1", "Connection: close\r\n", false);
    persistent("1.0", "Connection: Keep-Alive\r\n", true);
    persistent("1.1", "Connection: a, CLOSE ,b\r\n", false);
    persistent("1.1", "Connection: a\r\nConnection: close\r\n", false);
    persistent("1.1", "Connection: closed, xclose\r\n", true);
}

#[test]
fn close_wins_over_keep_alive() {
    persistent("1.0", "Connection: close, keep-alive\r\n", false);
    persistent("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false);
}

#[test]
fn nominated_fields_are_dropped() {
    let lines = "X-A: b\r\nConnection: x-a, , \"q\", absent\r\nx-A: c\r\nX-B: d\r\n";
    let head = get(lines).expect("the head is accepted");
    let dropped: Vec<bool> = head.fields.iter().map(|field| field.dropped).collect();
    assert_eq!(dropped, [false, true, false, true, false]);
}

#[test]
fn nominations_that_strip_identity_or_framing_are_refused() {
    for name in [
        "host",
        "Content-Length",
        "transfer-encoding",
        "trailer",
        "authorization",
        "Cookie",
        "expect",
        "x-forwarded-for",
        "X-Forwarded-Anything",
        "forwarded",
        "via",
        "x-real-ip",
        "x-request-id",
        "x-scheme",
        "x-original-forwarded-for",
        "x-original-forwarded-host",
    ] {
        let found = get(&format!("Connection: close, {name}\r\n"));
        assert_eq!(found.err(), Some(RequestError::ConnectionNominates), "{name}");
    }
    // Their senders have to nominate these.
    assert!(get("Connection: TE, upgrade, http2-settings\r\nTE: trailers\r\n").is_ok());
}

#[test]
fn nominations_that_are_refused_in_requests_are_ignored_in_responses() {
    let bytes = b"HTTP/1.1 200 OK\r\nConnection: content-length, x-a\r\n\
        Content-Length: 5\r\nX-A: b\r\n\r\n";
    let head = respond(bytes).expect("the head is accepted");
    let dropped: Vec<bool> = head.fields.iter().map(|field| field.dropped).collect();
    assert_eq!(dropped, [false, false, true]);
}

#[test]
fn connection_options_are_counted() {
    let most = vec!["a"; CONNECTION_OPTIONS_MAX].join(",");
    assert!(get(&format!("Connection: {most}\r\n")).is_ok());
    let over = format!("Connection: {most}\r\nConnection: close\r\n");
    assert_eq!(get(&over).err(), Some(HeadError::TooManyOptions.into()));
    let response = format!("HTTP/1.1 200 OK\r\n{over}\r\n");
    assert_eq!(respond(response.as_bytes()).err(), Some(HeadError::TooManyOptions.into()));
}

/// Which protocols of `request` go on; empty: it is no upgrade.
#[track_caller]
fn upgrade(request: &str, expected: &str) {
    let bytes = format!("{request}\r\n").into_bytes();
    let head = parse(&bytes).expect("the head is accepted");
    let found = head.protocols(&bytes).collect::<Vec<_>>().join(&b", "[..]);
    let found = if head.is_upgrade { found.as_slice() } else { b"" };
    assert_eq!(String::from_utf8_lossy(found), expected, "{request:?}");
}

#[test]
fn upgrades_to_anything_but_http_are_seen() {
    for (protocols, expected) in [
        ("websocket", "websocket"),
        ("WebSocket", "WebSocket"),
        ("websocket/13", "websocket/13"),
        ("tcp", "tcp"),
        ("SPDY/3.1", "SPDY/3.1"),
        ("h2c, websocket, , tcp", "websocket, tcp"),
        ("websocket,H2C", "websocket"),
        ("web socket, tcp/1/2, a/, /b", ""),
        ("h2c", ""),
        ("H2C", ""),
        ("h2c/1", ""),
        ("h2", ""),
        ("HTTP/2.0", ""),
        ("TLS/1.0", ""),
        ("", ""),
    ] {
        let line = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n";
        upgrade(&format!("{line}Upgrade: {protocols}\r\n"), expected);
    }
    let lines = "Connection: upgrade\r\nUpgrade: tcp\r\nUpgrade: h2c, a\r\n";
    upgrade(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}"), "tcp, a");
}

#[test]
fn an_upgrade_needs_its_option_and_1_1() {
    let fields = "Host: a\r\nUpgrade: tcp\r\n";
    let option = "Connection: upgrade\r\n";
    upgrade(&format!("GET / HTTP/1.1\r\n{fields}"), "");
    upgrade(&format!("GET / HTTP/1.0\r\n{fields}{option}"), "");
    upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n", "");
    upgrade(&format!("POST / HTTP/1.1\r\n{fields}{option}"), "tcp");
    upgrade(&format!("POST / HTTP/1.1\r\n{fields}{option}Content-Length: 1\r\n"), "tcp");
    upgrade(&format!("POST / HTTP/1.1\r\n{fields}{option}Transfer-Encoding: chunked\r\n"), "tcp");
}

#[test]
fn a_101_that_leads_to_http_is_told() {
    for (protocol, expected) in
        [("tcp", false), ("websocket", false), ("h2c", true), ("a, H2C", true)]
    {
        let bytes = format!("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        let found = respond(bytes.as_bytes()).map(|head| head.switches_to_http(bytes.as_bytes()));
        assert_eq!(found, Ok(expected), "{protocol}");
    }
}

#[track_caller]
fn expects(version: &str, lines: &str, expected: Result<bool, RequestError>) {
    let bytes = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
    let found = parse(bytes.as_bytes()).map(|head| head.expects_continue);
    assert_eq!(found, expected, "{version} {lines:?}");
}

#[test]
fn continue_is_expected_only_with_a_body_and_in_1_1() {
    let expect = "Expect: 100-Continue\r\n";
    expects("1.1", &format!("{expect}Content-Length: 5\r\n"), Ok(true));
    expects("1.1", &format!("{expect}Transfer-Encoding: chunked\r\n"), Ok(true));
    expects("1.1", &format!("{expect}Content-Length: 0\r\n"), Ok(false));
    expects("1.1", expect, Ok(false));
    expects("1.0", &format!("{expect}Content-Length: 5\r\n"), Ok(false));
    expects("1.0", "Expect: other\r\nContent-Length: 5\r\n", Ok(false));
}

#[test]
fn other_expectations_fail() {
    for value in ["", "other", "100-continue, other", "100-continue;a", "200-ok"] {
        let lines = format!("Expect: {value}\r\nContent-Length: 5\r\n");
        expects("1.1", &lines, Err(RequestError::Expectation));
    }
    expects("1.1", "Expect: 100-continue\r\nExpect: x\r\n", Err(RequestError::Expectation));
    assert_eq!(RequestError::Expectation.category(), RequestFault::ExpectationFailed);
}

#[test]
fn trailers_are_accepted_when_te_says_so() {
    for (lines, expected) in [
        ("TE: trailers\r\n", true),
        ("TE: deflate;q=0.5, Trailers\r\n", true),
        ("TE: deflate\r\nTE: trailers\r\n", true),
        ("TE: trailers;q=1\r\n", false),
        ("", false),
    ] {
        assert_eq!(get(lines).map(|head| head.accepts_trailers), Ok(expected), "{lines:?}");
    }
    let old = parse(b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n");
    assert_eq!(old.map(|head| head.accepts_trailers), Ok(false));
}

#[test]
fn upstreams_may_say_how_long_they_keep_a_connection() {
    for (value, expected) in [
        ("timeout=5", Some(5)),
        ("max=100, Timeout=15", Some(15)),
        ("timeout=99999999999999", Some(u32::MAX)),
        ("timeout=", None),
        ("timeout=-5", None),
        ("timeout=+5", None),
        ("timeout", None),
        ("max=5", None),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {value}\r\n\r\n");
        let found = respond(bytes.as_bytes()).map(|head| head.keep_alive_timeout);
        assert_eq!(found, Ok(expected), "{value}");
    }
}

#[test]
fn a_head_is_reused_without_remains_of_the_one_before() {
    let full = b"POST http://b/c?d HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\n\
        Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut reused = parse(full).expect("the head is accepted");
    let fresh = parse(plain).expect("the head is accepted");
    crate::http1::head::parse_request(plain, plain.len(), &mut reused).expect("accepted again");
    assert_eq!(format!("{reused:?}"), format!("{fresh:?}"));
}
