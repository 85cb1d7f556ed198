//! What a connection of TLS carries, and how it ends.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_tungstenite::tungstenite::{self, Message};

use super::{HTTP1, builder, start};
use crate::for_each_driver;
use crate::harness::peer::curl_tls;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Gate, Proxy, holds_within, pause, wait_until};

for_each_driver!(
    keep_alive_and_pipelining,
    close_is_told_by_close_notify,
    client_that_closes_without_close_notify,
    truncated_upload_never_looks_whole,
    close_notify_of_the_client_does_not_cut_its_response,
    large_download_and_upload,
    slow_reader_holds_back_the_upstream,
    client_abort_is_seen_upstream,
    drain_finishes_running_exchanges,
    websocket_over_tls,
    truncated_upstream_response_is_not_closed_properly,
);

fn connect(proxy: &Proxy, authority: &Authority) -> Client {
    Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example")
}

fn keep_alive_and_pipelining(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let mut client = connect(&proxy, &authority);
    for round in 0..20 {
        let response = client.get("a.example", &format!("/{round}"));
        assert_eq!(response.json()["target"], format!("/{round}"));
        assert_eq!(response.json()["connection"], 0);
    }
    client.send("GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(3));
    for _ in 0..3 {
        assert_eq!(client.response().json()["target"], "/one");
    }
    // One request, an octet a record.
    for octet in b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n" {
        client.send([*octet]);
    }
    assert_eq!(client.response().json()["target"], "/slow");
}

/// RFC 8446 section 6.1; without it the read below is an error.
fn close_is_told_by_close_notify(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend).flag("--keep-alive-timeout", 0.5).start();
    let mut client = connect(&proxy, &authority);
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    client.assert_closed();
    let mut idle = connect(&proxy, &authority);
    assert_eq!(idle.get("a.example", "/").status(), 200);
    idle.assert_closed();
    // The end of an HTTP/1.0 response that only the close delimits.
    let mut old = connect(&proxy, &authority);
    old.send("GET /chunked HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert_eq!(old.response().json()["target"], "/chunked");
}

/// Common and harmless between two requests.
fn client_that_closes_without_close_notify(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for is_reset in [false, true] {
        for _ in 0..10 {
            let mut client = connect(&proxy, &authority);
            assert_eq!(client.get("a.example", "/").status(), 200);
            if is_reset {
                client.reset();
            }
        }
    }
    let mut client = connect(&proxy, &authority);
    client.finish_sending();
    // With or without a close_notify in answer.
    assert!(client.try_response().is_err());
    assert_eq!(connect(&proxy, &authority).get("a.example", "/").status(), 200);
    assert!(!proxy.output().contains("panicked"), "{}", proxy.output());
}

fn truncated_upload_never_looks_whole(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let ways = [("Content-Length: 100", false), ("Content-Length: 100", true)];
    let chunked = [("Transfer-Encoding: chunked", false), ("Transfer-Encoding: chunked", true)];
    for (index, (framing, is_told)) in ways.into_iter().chain(chunked).enumerate() {
        let mut client = connect(&proxy, &authority);
        client.send(format!("POST /cut{index} HTTP/1.1\r\nHost: a.example\r\n{framing}\r\n\r\n"));
        client.send("5\r\nhello\r\n");
        backend.wait_for_text(&format!("/cut{index}"));
        if is_told {
            client.finish_with_close_notify();
        }
        drop(client);
        backend.wait_for_ends(index + 1);
    }
    assert_eq!(backend.request_count(), 0);
}

/// Half-close: the client said all it had to say, the response still comes.
fn close_notify_of_the_client_does_not_cut_its_response(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        }
    });
    let authority = Authority::new();
    let proxy = start(driver, &authority, &backend);
    let mut client = connect(&proxy, &authority);
    client.send("GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n");
    backend.wait_for_text("/half");
    client.session().send_close_notify();
    client.send("");
    gate.open();
    assert_eq!(client.response().text(), "late");
}

fn large_download_and_upload(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        loop {
            let request = connection.read_request()?;
            let length = request.body.len();
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
            connection.send(&request.body)?;
        }
    });
    let authority = Authority::new();
    let proxy = builder(driver, &authority, &backend).flag("--client-max-body-size", 0).start();
    let (sent, got) = (authority.folder().join("sent"), authority.folder().join("got"));
    let octets: Vec<u8> =
        (0..8_u32 << 20).map(|at| (at / 251 + at % 251).to_le_bytes()[0]).collect();
    std::fs::write(&sent, &octets).expect("file");
    let (from, to) = (format!("@{}", sent.display()), got.display().to_string());
    for extra in
        [&["--http1.1"][..], &["--http1.1", "-H", "Transfer-Encoding: chunked"], &["--http2"]]
    {
        let file = ["--data-binary", &from, "-o", &to, "https://a.example/"];
        curl_tls(proxy.https, &authority, &[extra, &file].concat()).assert_success();
        assert!(std::fs::read(&got).expect("file") == octets, "{extra:?}: octets differ");
    }
}

fn slow_reader_holds_back_the_upstream(driver: Driver) {
    let sent = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted({
        let sent = Arc::clone(&sent);
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            let piece = vec![b'x'; 64 * 1024];
            (0..1024).try_for_each(|_| {
                sent.fetch_add(piece.len(), Ordering::SeqCst);
                connection.send(&piece)
            })
        }
    });
    let authority = Authority::new();
    let proxy = start(driver, &authority, &backend);
    let mut client = connect(&proxy, &authority);
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_head().status(), 200);
    let mut last = 0;
    wait_until("the upstream to be held back", || {
        let now = sent.load(Ordering::SeqCst);
        now == std::mem::replace(&mut last, now)
            && !holds_within(Duration::from_millis(200), || sent.load(Ordering::SeqCst) != now)
    });
    assert!(last < 32 << 20, "{last} octets taken for a client that reads nothing");
}

/// Whichever way the client goes: properly, without a word, or by reset.
fn client_abort_is_seen_upstream(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.read_to_end().map(drop)
    });
    let authority = Authority::new();
    let proxy = builder(driver, &authority, &backend).flag("--access-log", "nginx").start();
    for (index, way) in ["fin", "reset"].into_iter().enumerate() {
        let mut client = connect(&proxy, &authority);
        client.send(format!("GET /{way} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        backend.wait_for_text(&format!("/{way}"));
        if way == "reset" {
            client.reset();
        } else {
            drop(client);
        }
        backend.wait_for_ends(index + 1);
    }
    wait_until("status 499 in the access log", || proxy.output().contains(" 499 "));
}

fn drain_finishes_running_exchanges(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        }
    });
    let authority = Authority::new();
    let mut proxy = start(driver, &authority, &backend);
    let mut idle = connect(&proxy, &authority);
    let mut client = connect(&proxy, &authority);
    client.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    backend.wait_for_text("/slow");
    proxy.signal("TERM");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.https).is_err());
    idle.assert_closed();
    gate.open();
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (200, "late"));
    client.assert_closed();
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
}

/// A WebSocket client and server that are not ours: tungstenite on both ends.
fn websocket_over_tls(driver: Driver) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accept");
        let mut socket = tungstenite::accept(stream).expect("handshake");
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).expect("echo");
            }
        }
    });
    let authority = Authority::new();
    let manifests = super::one_host(&authority, address);
    let proxy = Proxy::start(driver, manifests);
    let stream = connect(&proxy, &authority).into_stream();
    let (mut socket, response) = tungstenite::client("wss://a.example/chat", stream)
        .map_err(|e| e.to_string())
        .expect("101");
    assert_eq!(response.status().as_u16(), 101);
    for size in [0, 5, 70_000, 1 << 20] {
        let message = Message::binary(vec![7_u8; size]);
        socket.send(message.clone()).expect("send");
        assert!(socket.read().expect("echo") == message, "{size} octets");
    }
    socket.send(Message::text("hello")).expect("send");
    assert_eq!(socket.read().expect("echo"), Message::text("hello"));
    socket.close(None).expect("close");
    while socket.read().is_ok() {}
    server.join().expect("server");
}

/// Over TLS a cut response must not end in close_notify: the client would take it for whole.
fn truncated_upstream_response_is_not_closed_properly(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        pause(Duration::from_millis(50));
        connection.reset()
    });
    let authority = Authority::new();
    let proxy = start(driver, &authority, &backend);
    let mut client = connect(&proxy, &authority);
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    let mut stream = client.into_stream();
    let mut octets = Vec::new();
    let end = stream.read_to_end(&mut octets);
    assert!(end.is_err(), "{:?}", String::from_utf8_lossy(&octets));
}
