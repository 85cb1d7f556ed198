//! The upstream does not speak HTTP/1.1.

use crate::for_each_driver;
use crate::harness::peer::curl;
use crate::harness::{Backend, Driver, fields_named};

for_each_driver!(
    what_is_not_http_is_502,
    unasked_101_is_502,
    giant_heads_are_502,
    lines_that_are_no_fields_are_502,
    many_fields_are_passed_on,
);

fn check(driver: Driver, bytes: impl Into<Vec<u8>>) {
    let bytes = bytes.into();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    let backend = Backend::scripted(move |mut connection| {
        connection.read_request()?;
        connection.send(&bytes)
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    let response = client.get("a.example", "/");
    assert_eq!(response.status(), 502, "{shown:?}: {}", response.start_line);
}

fn what_is_not_http_is_502(driver: Driver) {
    check(driver, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    check(driver, b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n");
    check(driver, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64");
    check(driver, "");
    check(driver, "HTTP/1.1 20 OK\r\n\r\n");
    check(driver, "HTTP/1.1 2000 OK\r\n\r\n");
    check(driver, "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n");
    check(driver, "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    check(driver, "HTTP/1.1 200 OK\r\nContent-Le");
}

fn unasked_101_is_502(driver: Driver) {
    check(driver, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
}

fn giant_heads_are_502(driver: Driver) {
    check(driver, format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(100_000)));
    check(driver, format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1025)));
}

/// RFC 9112 sections 5.1 and 5.2: a proxy may refuse folded lines, as nginx does, and what is no
/// token is no name.
fn lines_that_are_no_fields_are_502(driver: Driver) {
    for line in [
        "X: a\r\n b",
        "X: a\r\n\tb",
        "X:\r\n b: c",
        " X: a",
        ":path: /",
        ":status: 200",
        ": a",
        "X a: b",
        "X",
        "X: a\0b",
    ] {
        check(driver, format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{line}\r\n\r\n"));
    }
}

/// Applications send hundreds of cookies; the clients of both protocols get every one of them.
fn many_fields_are_passed_on(driver: Driver) {
    let response = |count: usize| {
        let cookies: String = (0..count).map(|n| format!("Set-Cookie: c{n}=1\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 2\r\n\r\nok")
    };
    for count in [130, 1000] {
        let backend = Backend::fixed(response(count));
        let proxy = super::start(driver, &[&backend]);
        let mut client = proxy.client();
        for _ in 0..2 {
            let response = client.get("a.example", "/");
            assert_eq!((response.status(), &response.body[..]), (200, &b"ok"[..]));
            assert_eq!(fields_named(&response.fields, "set-cookie").len(), count);
        }
        let arguments = ["--http2-prior-knowledge", "-i", "http://a.example/"];
        let answer = curl(proxy.http, &arguments).text();
        assert!(answer.starts_with("HTTP/2 200") && answer.ends_with("ok"), "{answer}");
        assert_eq!(answer.matches("set-cookie: ").count(), count);
    }
}
