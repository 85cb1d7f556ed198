//! RFC 9112 section 2: message format.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, cases, manifest};

for_each_driver!(table, head_may_come_byte_by_byte, refusals_are_short_typed_and_echo_nothing);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s2_message.txt"));
}

/// A head that comes one byte a packet is the same head.
fn head_may_come_byte_by_byte(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    let request = "POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    for byte in request.bytes() {
        client.send([byte]);
    }
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json()["body"], "abcde");
}

/// Replies of our own carry nothing of the request, and say what they are.
fn refusals_are_short_typed_and_echo_nothing(driver: Driver) {
    let proxy = Proxy::start(driver, "");
    let marker = "<script>alert(1)</script>";
    let requests = [
        format!("GET /{marker} HTTP/1.1\r\nHost: {marker}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: nowhere.example\r\nX: {marker}\r\n\r\n"),
        format!("{marker} / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n"),
    ];
    for request in requests {
        let mut client = proxy.client();
        client.send(&request);
        let response = client.response();
        assert!(response.status() >= 400, "{request:?}: {}", response.start_line);
        assert!(!response.text().contains("script"), "{request:?}: {}", response.text());
        assert!(response.body.len() < 1024, "{request:?}: {} bytes", response.body.len());
        assert!(response.field("content-type").is_some(), "{request:?}: no type");
        assert!(response.field("content-length").is_some(), "{request:?}: no length");
    }
}
