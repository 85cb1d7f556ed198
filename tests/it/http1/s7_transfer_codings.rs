//! RFC 9112 section 7: chunked coding, trailers.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, cases, manifest};

for_each_driver!(
    table,
    chunk_framing_is_never_copied,
    request_trailers_that_frame_or_route_are_dropped,
    bad_chunk_before_the_response_head_is_502_after_it_a_broken_transfer,
);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s7_transfer_codings.txt"));
}

/// RFC 9112 7.1.1: extensions are not forwarded; sizes are written by us.
fn chunk_framing_is_never_copied(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("00005;secret=extension\r\nhello\r\n0;another\r\n\r\n");
    let response = client.response();
    assert_eq!(response.json()["body"], "hello");
    let received = backend.received_text();
    assert!(!received.contains("extension"), "{received}");
    assert!(!received.contains("00005"), "{received}");
}

/// RFC 9110 6.5.1.
fn request_trailers_that_frame_or_route_are_dropped(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(
        "2\r\nok\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\nHost: b.example\r\n\
         Authorization: Basic x\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Encoding: gzip\r\n\r\n",
    );
    let response = client.response();
    if response.status() == 200 {
        assert_eq!(response.json()["trailers"], serde_json::json!([]));
        assert_eq!(response.json()["body"], "ok");
    } else {
        assert_eq!(response.status(), 400);
    }
}

/// RFC 9112 section 8: a clean end is never made up.
fn bad_chunk_before_the_response_head_is_502_after_it_a_broken_transfer(driver: Driver) {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for bad in ["5\r\nhello\r\n+3\r\nabc\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhelloX"] {
        let backend = Backend::fixed(format!("{head}{bad}"));
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        if let Ok(response) = client.try_response() {
            assert_eq!(response.status(), 502, "{bad:?} ended cleanly: {:?}", response.text());
        }
    }
}
