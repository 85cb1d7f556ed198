//! Bodies of every length on their way, in either direction: what arrives is what was sent, and an
//! end that came too early is seen for what it is. Long ones in clear text go past the process.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::backend::Connection;
use crate::harness::{
    Backend, Builder, Driver, Ingress, Proxy, holds_within, manifest, wait_until,
};

for_each_driver!(
    bodies_arrive_as_they_were_sent,
    a_client_gets_all_however_late_it_reads,
    ends_within_a_body_are_passed_on,
    octets_behind_an_answer_are_nobodys,
    who_leaves_within_a_body_ends_the_other_side,
);

const LONGEST: usize = 8 * 1024 * 1024 + 13;
const LENGTHS: [usize; 9] =
    [0, 1, 4_095, 16_385, 32_767, 32_768, 100_003, 1024 * 1024 + 1, LONGEST];

/// No two parts of it are alike.
fn octets(count: usize) -> Vec<u8> {
    let octet = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0];
    (0..).map(octet).take(count).collect()
}

fn chunked(body: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.chunks(most) {
        write!(out, "{:x}\r\n", piece.len()).expect("memory");
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Framing and body of a message, by the first word of its target.
fn framed(kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    match kind {
        "chunks" => ("Transfer-Encoding: chunked\r\n".into(), chunked(body, 150_000)),
        "small-chunks" => ("Transfer-Encoding: chunked\r\n".into(), chunked(body, 5_000)),
        "close" => ("Connection: close\r\n".into(), body.to_vec()),
        _ => (format!("Content-Length: {}\r\n", body.len()), body.to_vec()),
    }
}

/// `/KIND/LENGTH` gets so many octets, a request with a body gets that back.
fn answer(mut connection: Connection) -> io::Result<()> {
    loop {
        let request = connection.read_request()?;
        let mut words = request.target().split('/').skip(1);
        let (kind, length) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = match length.parse() {
            Ok(length) => octets(length),
            Err(_) => request.body.clone(),
        };
        let (fields, body) = framed(kind, &body);
        let status = if kind == "unchanged" { "304 Not Modified" } else { "200 OK" };
        connection.send(format!("HTTP/1.1 {status}\r\n{fields}\r\n"))?;
        if request.method() != "HEAD" && kind != "unchanged" {
            connection.send(body)?;
        }
        if kind == "close" {
            return Ok(());
        }
    }
}

fn proxy(driver: Driver, backend: &Backend) -> Proxy {
    let ingress = Ingress::simple("web", "a.example", "web");
    let ingress = ingress.annotation("nginx.ingress.kubernetes.io/proxy-body-size", "0");
    let manifests = manifest::backend("web", &[backend.address()]) + &ingress.yaml();
    Builder::new(driver).manifests(manifests).start()
}

fn bodies_arrive_as_they_were_sent(driver: Driver) {
    let backend = Backend::scripted(answer);
    let proxy = proxy(driver, &backend);
    let mut client = proxy.client();
    for kind in ["length", "chunks", "small-chunks", "close"] {
        for length in LENGTHS {
            let got = client.get("a.example", &format!("/{kind}/{length}"));
            assert!(got.body == octets(length), "/{kind}/{length}: {} octets", got.body.len());
        }
    }
    for (method, target) in [("HEAD", "length/100003"), ("GET", "unchanged/100003")] {
        client.send(format!("{method} /{target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let got = client.response_to(if target.starts_with('u') { "HEAD" } else { method });
        assert_eq!(got.field("content-length"), Some("100003"), "{target}");
    }
    // Each with another request right behind it.
    for kind in ["length", "chunks", "small-chunks"] {
        for length in LENGTHS {
            let (fields, body) = framed(kind, &octets(length));
            let head = format!("POST /{kind} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
            let next = b"GET /length/7 HTTP/1.1\r\nHost: a.example\r\n\r\n";
            let all = [head.as_bytes(), &body, next].concat();
            let mut sender = client.sender();
            let sending = std::thread::spawn(move || sender.write_all(&all));
            let got = client.response();
            assert!(got.body == octets(length), "{kind} {length}: {} octets", got.body.len());
            assert!(client.response().body == octets(7), "behind {kind} {length}");
            sending.join().expect("no panic").expect("sent");
        }
    }
    for kind in ["length", "chunks", "close"] {
        let mut client = proxy.client();
        client.send(format!("GET /{kind}/{LONGEST} HTTP/1.0\r\nHost: a.example\r\n\r\n"));
        assert!(client.response().body == octets(LONGEST), "HTTP/1.0 of {kind}");
    }
}

fn a_client_gets_all_however_late_it_reads(driver: Driver) {
    let length = 4 * LONGEST;
    let body = Arc::new(octets(length));
    let sent = Arc::new(AtomicU64::new(0));
    let backend = Backend::scripted({
        let (body, sent) = (Arc::clone(&body), Arc::clone(&sent));
        move |mut connection| {
            connection.read_head()?;
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
            for piece in body.chunks(60_001) {
                connection.send(piece)?;
                sent.fetch_add(1, Ordering::SeqCst);
            }
            connection.read_head().map(drop)
        }
    });
    let proxy = proxy(driver, &backend);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut last = 0;
    wait_until("the upstream to be held back, or done", || {
        let now = sent.load(Ordering::SeqCst);
        now > 0
            && now == std::mem::replace(&mut last, now)
            && !holds_within(Duration::from_millis(200), || sent.load(Ordering::SeqCst) != now)
    });
    client.response_head();
    let mut got = Vec::new();
    for share in (1..).map(|count| count * 1_001) {
        let rest = length - got.len();
        if rest == 0 {
            break;
        }
        got.extend(client.take(share.min(rest)));
    }
    assert!(got == *body);
}

fn ends_within_a_body_are_passed_on(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        let request = connection.read_head()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")?;
        connection.send(octets(150_000))?;
        if request.target() == "/reset" { connection.reset() } else { Ok(()) }
    });
    let proxy = proxy(driver, &backend);
    for target in ["/closed", "/reset"] {
        let mut client = proxy.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let end = client.try_response().map(|response| response.body.len());
        end.expect_err("a part that looked like the whole");
    }
}

/// They would be taken for the answer to the next request.
fn octets_behind_an_answer_are_nobodys(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        let length = if connection.index == 0 { 100_000 } else { 3 };
        connection.read_head()?;
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
        let behind = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong";
        connection.send([&octets(length), &behind[..]].concat())?;
        connection.read_to_end().map(drop)
    });
    let proxy = proxy(driver, &backend);
    let mut client = proxy.client();
    assert!(client.get("a.example", "/").body == octets(100_000));
    assert_eq!(client.get("a.example", "/").body, octets(3));
    assert_eq!(backend.connection_count(), 2);
}

fn who_leaves_within_a_body_ends_the_other_side(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        let request = connection.read_head()?;
        match request.target() {
            "/down" => {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")?;
                loop {
                    connection.send(octets(100_000))?;
                }
            }
            "/up" => connection.read_to_end().map(drop),
            _ => {
                connection.read_exact(200_000)?;
                connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
                connection.read_to_end().map(drop)
            }
        }
    });
    let proxy = proxy(driver, &backend);
    let mut client = proxy.client();
    client.send("GET /down HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.response_head();
    client.take(3_000_000);
    drop(client);
    backend.wait_for_ends(1);
    let head = |target| {
        format!("POST {target} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 99999999999\r\n\r\n")
    };
    let mut client = proxy.client();
    client.send(head("/up"));
    client.send(octets(3_000_000));
    wait_until("most of it there", || backend.received_text().len() > 2_000_000);
    drop(client);
    backend.wait_for_ends(2);
    let mut client = proxy.client();
    client.send(head("/refused"));
    let mut sender = client.sender();
    let sending = std::thread::spawn(move || while sender.write_all(&octets(100_000)).is_ok() {});
    assert_eq!(client.response().status(), 403);
    drop(client);
    sending.join().expect("no panic");
    backend.wait_for_ends(3);
}
