//! RFC 9110 section 7.8, RFC 6455 section 4: WebSocket, other tunnels, and what must not be one.

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Proxy, manifest, wait_until};

for_each_driver!(
    tunnel_carries_bytes_both_ways_and_half_closes,
    bytes_before_101_wait_for_it,
    refused_upgrade_goes_on_as_http,
    h2c_is_never_passed_on,
    idle_tunnel_is_closed,
    any_protocol_but_http_is_passed_on,
    body_of_the_request_goes_before_the_tunnel,
    answer_without_101_is_a_response,
    tunnel_nobody_asked_for_is_502,
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
    // What it came by goes meanwhile.
    proxy.write(
        crate::harness::proxy::MAIN_FILE,
        &manifest::one_host("b.example", backend.address()),
    );
    proxy.wait_for_status("a.example", "/", 404);
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

/// Answers with 101 to the protocol asked for, then echoes in upper case what follows the request.
fn tunnel_backend() -> Backend {
    Backend::scripted(|mut connection| {
        let request = connection.read_request()?;
        let Some(protocol) = request.field("upgrade").map(str::to_owned) else {
            return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        };
        let option = request.field("connection").unwrap_or("none").to_owned();
        let length = request.body.len();
        connection.send(format!(
            "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
             X-Connection: {option}\r\nX-Body: {length}\r\n\r\n"
        ))?;
        let octets = connection.read_exact(5)?;
        connection.send(octets.to_ascii_uppercase())
    })
}

/// As kubectl exec, docker attach and others ask; what is said of the connection itself stays here.
fn any_protocol_but_http_is_passed_on(driver: Driver) {
    let backend = tunnel_backend();
    let proxy = start(driver, &backend);
    for (method, lines, expected) in [
        ("GET", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "tcp"),
        ("POST", "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n", "SPDY/3.1"),
        ("POST", "Connection: upgrade, x\r\nUpgrade: tcp\r\nContent-Length: 0\r\nX: y\r\n", "tcp"),
        ("DELETE", "connection: keep-alive, UPGRADE\r\nupgrade: a, b/1 ,c\r\n", "a, b/1, c"),
        (
            "GET",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, tcp\r\nHTTP2-Settings: AA\r\n",
            "tcp",
        ),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"),
    ] {
        let mut client = proxy.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"));
        let response = client.response_head();
        assert_eq!(response.status(), 101, "{lines}");
        assert_eq!(response.field("upgrade"), Some(expected), "{lines}");
        assert_eq!(response.field("connection"), Some("upgrade"), "{lines}");
        assert_eq!(response.field("x-connection"), Some("upgrade"), "{lines}");
        client.send("hello");
        assert_eq!(client.take(5), b"HELLO", "{lines}");
        client.assert_closed();
    }
    for lines in [
        "Upgrade: tcp\r\n",
        "Connection: Upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: H2C, h2\r\n",
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "Connection: Upgrade\r\nUpgrade: a b\r\n",
    ] {
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"));
        assert_eq!(client.response().text(), "plain", "{lines}");
    }
    let mut client = proxy.client();
    let lines = "Connection: Upgrade, keep-alive\r\nUpgrade: tcp\r\n";
    client.send(format!("GET / HTTP/1.0\r\nHost: a.example\r\n{lines}\r\n"));
    assert_eq!(client.response().text(), "plain", "HTTP/1.0");
}

/// RFC 9110 section 7.8: the new protocol begins behind the request, however that arrives.
fn body_of_the_request_goes_before_the_tunnel(driver: Driver) {
    let backend = tunnel_backend();
    let proxy = start(driver, &backend);
    let head = "POST /exec HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
    let long = "x".repeat(300_000);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (name, rest, octets) in [
        ("known", "Content-Length: 5\r\n\r\nabcde".to_owned(), "5"),
        ("chunked", chunked.to_owned(), "5"),
        ("long", format!("Content-Length: {}\r\n\r\n{long}", long.len()), "300000"),
        ("expected", format!("Expect: 100-continue\r\n{chunked}"), "5"),
    ] {
        // The first octets of the tunnel come with the body, then alone.
        for early in ["hello", ""] {
            let mut client = proxy.client();
            client.send(format!("{head}{rest}{early}"));
            let mut response = client.response_head();
            if response.status() == 100 {
                response = client.response_head();
            }
            assert_eq!(response.status(), 101, "{name}");
            assert_eq!(response.field("x-body"), Some(octets), "{name}");
            if early.is_empty() {
                client.send("hello");
            }
            assert_eq!(client.take(5), b"HELLO", "{name}");
        }
    }
    // Both at once: an upstream that agrees before it has the body gets the body first.
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.send("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n")?;
        let octets = connection.read_exact(10)?;
        connection.send(octets)
    });
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(format!("{head}Content-Length: 5\r\n\r\nab"));
    wait_until("the upstream agreed", || backend.received_text().contains("upgrade"));
    client.send("cdehello");
    assert_eq!(client.response_head().status(), 101);
    assert_eq!(client.take(10), b"abcdehello");
}

/// The request was served as any other, and the connection goes on.
fn answer_without_101_is_a_response(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    let lines = "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 3\r\n\r\nabc";
    client.send(format!("POST /x HTTP/1.1\r\nHost: a.example\r\n{lines}"));
    let response = client.response();
    assert_eq!((response.status(), response.field("upgrade")), (200, None));
    assert_eq!(response.echoed_field("upgrade").as_deref(), Some("tcp"));
    assert_eq!(client.get("a.example", "/next").status(), 200);
}

fn tunnel_nobody_asked_for_is_502(driver: Driver) {
    let switch = |protocol: &str| {
        format!("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n")
    };
    for (lines, protocol) in [
        ("", "tcp"),
        ("Upgrade: tcp\r\n", "tcp"),
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", "h2c"),
        ("Connection: upgrade\r\nUpgrade: tcp\r\n", "h2c"),
        ("Connection: upgrade\r\nUpgrade: tcp\r\n", "tcp, H2C"),
    ] {
        let backend = Backend::fixed(switch(protocol));
        let proxy = start(driver, &backend);
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"));
        assert_eq!(client.response().status(), 502, "{lines}{protocol}");
    }
}
