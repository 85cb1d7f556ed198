//! RFC 9112 section 6: where a body ends, both ways.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, cases, manifest, wait_until};

for_each_driver!(
    table,
    equal_lengths_become_one,
    responses_without_content_carry_none,
    response_framings_are_relayed,
    bad_response_framing_is_502,
    response_with_both_lengths_is_not_trusted_twice,
    large_bodies_pass_unchanged,
);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s6_body.txt"));
}

/// RFC 9110 8.6: equal copies are refused, or go on as one.
fn equal_lengths_become_one(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    for lengths in ["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5"] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lengths}\r\n\r\nhello"));
        let response = client.response();
        if response.status() == 200 {
            assert_eq!(response.echoed_field("content-length").as_deref(), Some("5"));
            assert_eq!(response.json()["body"], "hello");
        } else {
            assert_eq!(response.status(), 400, "{lengths}");
        }
    }
}

/// RFC 9112 6.3: HEAD, 204 and 304 have no content whatever the fields say; surplus bytes end the
/// upstream connection and reach nobody.
fn responses_without_content_carry_none(driver: Driver) {
    let check = |method: &str, upstream: &'static str, status: u16| {
        let backend = Backend::fixed(upstream);
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let mut client = proxy.client();
        let request = format!("{method} / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        for round in 0..2 {
            client.send(&request);
            let response = client.response_to(method);
            assert_eq!(response.status(), status, "{method} {upstream:?} round {round}");
            let is_204_framed = status == 204
                && (response.field("content-length").is_some() || response.is_chunked);
            assert!(!is_204_framed, "204 with framing fields");
        }
        client.assert_quiet();
        backend.connection_count()
    };
    check("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200);
    check("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200);
    check("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204);
    check("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304);
    let connections = check("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200);
    assert_eq!(connections, 2, "a connection with surplus bytes was used again");
    let connections =
        check("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204);
    assert_eq!(connections, 2, "a connection with surplus bytes was used again");
}

/// Length, chunks and close, to clients of both versions.
fn response_framings_are_relayed(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    for path in ["/length", "/chunked", "/close"] {
        let mut client = proxy.client();
        let response = client.get("a.example", path);
        assert_eq!(response.json()["target"], path);
        assert_eq!(response.is_chunked, path != "/length", "{path} to HTTP/1.1");
        assert_eq!(client.get("a.example", "/next").status(), 200, "{path} kept the client");

        let mut client = proxy.client();
        client.send(format!("GET {path} HTTP/1.0\r\nHost: a.example\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.json()["target"], path);
        assert!(!response.is_chunked, "{path}: chunks to HTTP/1.0");
        client.assert_closed();
    }
}

/// RFC 9112 6.3: a response whose end cannot be known is not relayed.
fn bad_response_framing_is_502(driver: Driver) {
    let check = |head: &str| {
        let backend = Backend::fixed(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nhello"));
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        assert_eq!(proxy.get("a.example", "/").status(), 502, "{head:?}");
    };
    check("Content-Length: +5");
    check("Content-Length: five");
    check("Content-Length: 5\r\nContent-Length: 6");
    check("Content-Length: 99999999999999999999");
    check("Transfer-Encoding: gzip, chunked, gzip");
}

/// RFC 9112 6.3: Transfer-Encoding wins, Content-Length is dropped, the connection ends.
fn response_with_both_lengths_is_not_trusted_twice(driver: Driver) {
    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
    );
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    for round in 1..=2 {
        let response = client.get("a.example", "/");
        assert!(matches!(response.status(), 200 | 502), "{}", response.start_line);
        if response.status() == 200 {
            assert_eq!(response.text(), "hello");
            assert!(response.field("content-length").is_none());
            wait_until("a new upstream connection", || backend.connection_count() == round);
        }
    }
}

/// Bodies far above every buffer, both ways, both framings.
fn large_bodies_pass_unchanged(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = crate::harness::Builder::new(driver)
        .flag("--client-max-body-size", 0)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let body: String = (0..300_000).map(|n| format!("{n:07}\n")).collect();
    for path in ["/length", "/chunked"] {
        for is_chunked in [false, true] {
            let mut client = proxy.client();
            let framing = if is_chunked {
                "Transfer-Encoding: chunked".to_owned()
            } else {
                format!("Content-Length: {}", body.len())
            };
            let head = format!("POST {path} HTTP/1.1\r\nHost: a.example\r\n{framing}\r\n\r\n");
            client.send(head);
            if is_chunked {
                for piece in body.as_bytes().chunks(70_001) {
                    client.send(format!("{:X}\r\n", piece.len()));
                    client.send(piece);
                    client.send("\r\n");
                }
                client.send("0\r\n\r\n");
            } else {
                client.send(&body);
            }
            let response = client.response();
            assert_eq!(response.status(), 200);
            assert!(response.json()["body"] == body.as_str(), "{path} {is_chunked}: body changed");
        }
    }
}
