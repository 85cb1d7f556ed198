//! RFC 9110 section 7.8, RFC 6455 section 4: WebSocket and what must not be one.

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Proxy, manifest};

for_each_driver!(
    tunnel_carries_bytes_both_ways_and_half_closes,
    bytes_before_101_wait_for_it,
    refused_upgrade_goes_on_as_http,
    h2c_is_never_passed_on,
    idle_tunnel_is_closed,
);

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                      \r\n";

/// Accepts, echoes what comes in upper case, and answers the half-close with a last word.
fn websocket_backend() -> Backend {
    Backend::scripted(|mut connection| {
        let request = connection.read_head()?;
        if request.field("upgrade") != Some("websocket") {
            return connection.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
        }
        connection.send(ACCEPT)?;
        let first = connection.read_exact(5)?;
        connection.send(first.to_ascii_uppercase())?;
        let rest = connection.read_to_end()?;
        connection.send(rest.to_ascii_uppercase())?;
        connection.send("bye")
    })
}

fn start(driver: Driver, backend: &Backend) -> Proxy {
    Proxy::start(driver, manifest::one_host("a.example", backend.address()))
}

fn tunnel_carries_bytes_both_ways_and_half_closes(driver: Driver) {
    let backend = websocket_backend();
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(ASK);
    let response = client.response_head();
    assert_eq!(response.status(), 101);
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert!(response.field("sec-websocket-accept").is_some());
    client.send("hello");
    assert_eq!(client.take(5), b"HELLO");
    client.send("world");
    client.finish_sending();
    assert_eq!(client.read_until_close(), b"WORLDbye");
    assert!(proxy.metric("ringway_upgrades_total", &[]) >= 1.0);
}

/// What a client sends too early is held until the upstream agreed.
fn bytes_before_101_wait_for_it(driver: Driver) {
    let backend = websocket_backend();
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(format!("{ASK}hello"));
    assert_eq!(client.response_head().status(), 101);
    assert_eq!(client.take(5), b"HELLO");
}

/// Without a 101 those bytes are the next request.
fn refused_upgrade_goes_on_as_http(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    assert_eq!(client.response().json()["target"], "/ws");
    assert_eq!(client.response().json()["target"], "/next");
}

/// Past the router in one step: h2c is dropped, the request served as HTTP/1.1.
fn h2c_is_never_passed_on(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    for upgrade in ["h2c", "H2C", "websocket, h2c", "TLS/1.2"] {
        let mut client = proxy.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        let response = client.response();
        if response.status() == 200 {
            let sent = response.echoed_field("upgrade").unwrap_or_default();
            assert!(!sent.to_ascii_lowercase().contains("h2c"), "{upgrade}: {sent}");
            assert!(!sent.contains("TLS"), "{upgrade}: {sent}");
            assert_eq!(response.echoed_field("http2-settings"), None, "{upgrade}");
        } else {
            assert_eq!(response.status(), 400, "{upgrade}");
        }
    }
}

fn idle_tunnel_is_closed(driver: Driver) {
    let backend = websocket_backend();
    let proxy = Builder::new(driver)
        .flag("--proxy-read-timeout", 0.5)
        .flag("--proxy-send-timeout", 0.5)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(client.response_head().status(), 101);
    let took = client.time_to_close();
    assert!(took.as_secs() < 10, "closed after {took:?}");
}
