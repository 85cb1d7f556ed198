//! RFC 8441: WebSocket over a stream of HTTP/2, to a backend that speaks RFC 6455 alone.

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Driver, Http2, Proxy, manifest};

for_each_driver!(
    extended_connect_is_announced,
    stream_carries_octets_both_ways,
    refusal_of_the_backend_is_a_response,
    reset_of_the_stream_ends_the_tunnel,
);

fn ask(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a.example"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ];
    headers(stream, &fields, 0)
}

/// Accepts, and answers each octet in upper case until the end.
fn backend() -> Backend {
    Backend::scripted(|mut connection| {
        let request = connection.read_head()?;
        let is_whole = request.method() == "GET"
            && request.field("upgrade") == Some("websocket")
            && request.field("sec-websocket-key").is_some()
            && request.field("sec-websocket-version") == Some("13");
        if !is_whole || request.target() == "/refused" {
            return connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        }
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
             \r\n",
        )?;
        let first = connection.read_exact(5)?;
        connection.send(first.to_ascii_uppercase())?;
        let rest = connection.read_to_end()?;
        connection.send(rest.to_ascii_uppercase())
    })
}

fn start(driver: Driver, backend: &Backend) -> Proxy {
    Proxy::start(driver, manifest::one_host("a.example", backend.address()))
}

/// Section 3 of RFC 8441.
fn extended_connect_is_announced(driver: Driver) {
    let backend = backend();
    let proxy = start(driver, &backend);
    let http2 = Http2::connect(proxy.http);
    assert!(http2.server_settings.contains(&(ENABLE_CONNECT_PROTOCOL, 1)));
}

fn stream_carries_octets_both_ways(driver: Driver) {
    let backend = backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(ask(1, "/ws"));
    http2.read_until(|http2| http2.so_far(1).status != 0 || http2.so_far(1).reset.is_some());
    assert_eq!(http2.so_far(1).status, 200, "{:?}", http2.so_far(1));
    http2.send(data(1, "hello", 0));
    http2.read_until(|http2| http2.so_far(1).body.len() >= 5);
    assert_eq!(http2.so_far(1).body, b"HELLO");
    http2.send(data(1, "world", END_STREAM));
    let answer = http2.answer(1);
    assert_eq!((&answer.body[..], answer.reset), (&b"HELLOWORLD"[..], None));
    let text = backend.received_text().to_ascii_lowercase();
    assert!(text.contains("sec-websocket-protocol: chat") && text.contains("host: a.example"));
    assert!(!text.contains("transfer-encoding") && !text.contains(":protocol"), "{text}");
}

fn refusal_of_the_backend_is_a_response(driver: Driver) {
    let backend = backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(ask(1, "/refused"));
    let answer = http2.answer(1);
    assert_eq!(answer.status, 403);
    assert!(matches!(answer.reset, None | Some(NO_ERROR)), "{answer:?}");
}

fn reset_of_the_stream_ends_the_tunnel(driver: Driver) {
    let backend = backend();
    let proxy = start(driver, &backend);
    let mut http2 = Http2::connect(proxy.http);
    http2.send([ask(1, "/ws"), data(1, "hello", 0)].concat());
    http2.read_until(|http2| http2.so_far(1).body.len() >= 5);
    assert_eq!(http2.so_far(1).body, b"HELLO");
    http2.send(reset(1, CANCEL));
    backend.wait_for_ends(1);
    http2.sync();
}
