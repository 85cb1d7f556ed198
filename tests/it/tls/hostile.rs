//! Handshakes that are slow, broken or never meant.

use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::{HTTP1, builder, start};
use crate::for_each_driver;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Proxy, pause};

for_each_driver!(
    hello_octet_by_octet_is_served,
    hello_in_many_records_is_served,
    handshake_has_a_deadline,
    garbage_is_answered_by_an_alert,
    hello_without_end_is_refused,
    broken_records_end_the_connection,
    plain_http_on_the_tls_port,
);

/// The first flight of a client.
fn hello(authority: &Authority) -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("a.example").expect("name");
    let mut tls = ClientConnection::new(authority.trusting(HTTP1), name).expect("session");
    let mut octets = Vec::new();
    tls.write_tls(&mut octets).expect("hello");
    (tls, octets)
}

#[track_caller]
fn assert_serves(proxy: &Proxy, authority: &Authority) {
    let mut client = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
    assert_eq!(client.get("a.example", "/").status(), 200);
}

fn hello_octet_by_octet_is_served(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let (tls, octets) = hello(&authority);
    let mut client = Client::connect(proxy.https);
    for octet in octets {
        client.send([octet]);
    }
    let mut client = client.handshake_of(tls).expect("handshake");
    assert_eq!(client.get("a.example", "/").status(), 200);
}

/// RFC 8446 section 5.1: one message over records of an octet each.
fn hello_in_many_records_is_served(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for size in [1_u8, 100] {
        let (tls, octets) = hello(&authority);
        let mut client = Client::connect(proxy.https);
        for piece in octets[5..].chunks(usize::from(size)) {
            let length = u8::try_from(piece.len()).expect("short");
            client.send([&[22, 3, 1, 0, length], piece].concat());
        }
        let mut client = client.handshake_of(tls).expect("handshake");
        assert_eq!(client.get("a.example", "/").status(), 200, "records of {size}");
    }
}

/// For the whole handshake, whatever trickles; `--tls-handshake-timeout`.
fn handshake_has_a_deadline(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend).flag("--tls-handshake-timeout", 1).start();
    let start = Instant::now();
    let mut silent = Client::connect(proxy.https);
    let mut half = Client::connect(proxy.https);
    let (_, octets) = hello(&authority);
    half.send(&octets[..100]);
    // The server's flight is there, the client says nothing more.
    let mut mute = Client::connect(proxy.https);
    mute.send(&octets);
    let mut trickle = Client::connect(proxy.https);
    let mut sent = octets.iter();
    while start.elapsed() < Duration::from_secs(5) {
        let Some(octet) = sent.next() else { break };
        if trickle.send_if_open([*octet]).is_err() {
            break;
        }
        pause(Duration::from_millis(20));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "a trickling hello was never refused");
    for client in [&mut silent, &mut half, &mut mute] {
        client.read_until_close();
    }
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    assert_serves(&proxy, &authority);
}

/// RFC 8446 section 5: records of TLS out of place get an alert. Who speaks no TLS may get nothing.
fn garbage_is_answered_by_an_alert(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let rows: [(&str, bool, &[u8]); 6] = [
        ("text", false, b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("zeros", false, &[0; 64]),
        ("hello of SSL 2.0", false, &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
        ("hello of nonsense", true, &[22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 1, 1]),
        ("application data first", true, &[23, 3, 3, 0, 2, 1, 2]),
        ("another handshake message first", true, &[22, 3, 1, 0, 4, 2, 0, 0, 0]),
    ];
    let mut failures = String::new();
    for (name, is_tls, octets) in rows {
        let mut client = Client::connect(proxy.https);
        client.send(octets);
        let answer = client.read_until_close();
        if !(answer.first() == Some(&21) || answer.is_empty() && !is_tls) {
            failures += &format!("\n- {name}: {:?}", String::from_utf8_lossy(&answer));
        }
    }
    assert!(failures.is_empty(), "no alert:{failures}");
    assert_serves(&proxy, &authority);
    assert_eq!(backend.request_count(), 1);
}

/// A hello that announces 16 MiB, and one that is large and whole.
fn hello_without_end_is_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let mut client = Client::connect(proxy.https);
    let start = Instant::now();
    let first = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3][..], &[0; 16_377]].concat();
    drop(client.send_if_open(first));
    let record = [&[22, 3, 1, 0x40, 0][..], &[0; 16_384]].concat();
    for _ in 0..20 {
        if client.send_if_open(&record).is_err() {
            break;
        }
    }
    client.read_until_close();
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    assert_serves(&proxy, &authority);
}

/// Behind the handshake: a record that cannot be opened.
fn broken_records_end_the_connection(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let rows: [&[u8]; 3] =
        [&[23, 3, 3, 0, 32], &[23, 3, 3, 0xff, 0xff], b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"];
    for head in rows {
        let mut client = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
        assert_eq!(client.get("a.example", "/").status(), 200);
        let mut socket = client.sender();
        std::io::Write::write_all(&mut socket, &[head, &[7; 64]].concat()).expect("send");
        let start = Instant::now();
        assert!(client.try_response().is_err());
        assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    }
    assert_serves(&proxy, &authority);
}

fn plain_http_on_the_tls_port(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let mut client = Client::connect(proxy.https);
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let octets = client.read_until_close();
    let is_told = octets.first() == Some(&21) || octets.starts_with(b"HTTP/1.1 400");
    let is_refused = is_told || octets.is_empty();
    assert!(is_refused, "{:?}", String::from_utf8_lossy(&octets));
    assert_eq!(backend.request_count(), 0);
    // TLS towards the plain port is no request either.
    let mut client = proxy.client();
    client.send(hello(&authority).1);
    client.finish_sending();
    let text = String::from_utf8_lossy(&client.read_until_close()).into_owned();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
}
