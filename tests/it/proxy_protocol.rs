//! PROXY protocol: a trusted load balancer says who the client is, and nobody else does.

use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::for_each_driver;
use crate::harness::peer::{curl, curl_tls};
use crate::harness::pki::Authority;
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    upstream_learns_the_told_client,
    header_comes_octet_by_octet,
    header_and_first_flight_in_one_segment,
    curl_as_the_load_balancer,
    told_client_is_in_the_access_log,
    what_is_no_header_is_closed_and_counted,
    silence_is_closed_and_counted,
    header_of_others_is_refused,
);

const HTTP1: &[&str] = &["http/1.1"];
const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const LINE: &str = "PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const CLIENT4: [u8; 4] = [203, 0, 113, 8];
/// 2001:db8::8
const CLIENT6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8];

/// Version 2: command, family and what follows.
fn block(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, payload].concat()
}

fn block4(more: &[u8]) -> Vec<u8> {
    let ports = [0x9c, 0x40, 0x01, 0xbb];
    block(1, 0x11, &[&CLIENT4[..], &[198, 51, 100, 1], &ports, more].concat())
}

/// Headers, each with the client that it tells; `None`: the connection's own peer.
fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let ports = [0x9c, 0x40, 0x01, 0xbb];
    let block6 = block(1, 0x21, &[&CLIENT6[..], &CLIENT6, &ports].concat());
    // An authority (section 2.2.2) and a checksum that nobody checks.
    let extensions = b"\x02\x00\x09a.example\x03\x00\x04abcd";
    // A certificate of the client, say: 4 KiB in all.
    let most = 4096 - block4(&[]).len();
    let length = u16::try_from(most - 3).expect("short").to_be_bytes();
    let large = [&[0xe0, length[0], length[1]][..], &vec![b'x'; most - 3]].concat();
    vec![
        (block4(&large), Some("203.0.113.8")),
        (block(0, 0, &large), None),
        (block(1, 0, &large), None),
        (LINE.into(), Some("203.0.113.7")),
        ("PROXY TCP6 2001:db8::7 2001:db8::1 65535 1\r\n".into(), Some("2001:db8::7")),
        (block4(&[]), Some("203.0.113.8")),
        (block4(extensions), Some("203.0.113.8")),
        (block6, Some("2001:db8::8")),
        ("PROXY UNKNOWN\r\n".into(), None),
        (block(0, 0, &[]), None),
    ]
}

fn builder(driver: Driver, authority: &Authority, backend: &Backend, trusted: &str) -> Builder {
    let leaf = authority.issue(&["a.example"]);
    let ingress = Ingress::simple("web", "a.example", "web")
        .annotation("nginx.ingress.kubernetes.io/ssl-redirect", "false")
        .tls(&["a.example"], "a-tls");
    Builder::new(driver).flag("--proxy-protocol-trusted", trusted).manifests(
        manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("a-tls", &leaf.chain, &leaf.key)
            + &ingress.yaml(),
    )
}

fn start(driver: Driver, authority: &Authority, backend: &Backend) -> Proxy {
    builder(driver, authority, backend, "192.0.2.0/24,127.0.0.1/32").start()
}

/// A request whose upstream was told of `client`, and of nobody else.
#[track_caller]
fn assert_told(connection: &mut Client, client: Option<&str>) {
    let response = connection.response();
    assert_eq!(response.status(), 200);
    let client = client.unwrap_or("127.0.0.1");
    for name in ["x-real-ip", "x-forwarded-for"] {
        assert_eq!(response.echoed_fields(name), [client], "{name}");
    }
}

fn invalid(proxy: &Proxy) -> f64 {
    proxy.metric("ringway_proxy_headers_invalid_total", &[])
}

#[track_caller]
fn wait_for_invalid(proxy: &Proxy, count: usize) {
    wait_until(&format!("{count} headers counted as invalid"), || {
        invalid(proxy).to_string() == count.to_string()
    });
}

fn upstream_learns_the_told_client(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for (header, client) in headers() {
        let mut plain = proxy.client();
        plain.send(&header);
        let mut tls = Client::connect(proxy.https);
        tls.send(&header);
        let mut tls = tls.handshake(&authority.trusting(HTTP1), "a.example").expect("a handshake");
        // The header is for the connection: the second request has none.
        for connection in [&mut plain, &mut tls] {
            for _ in 0..2 {
                connection.send(GET);
                assert_told(connection, client);
            }
        }
    }
    // What the client itself says of its origin does not count beside it.
    let mut plain = proxy.client();
    plain.send(format!("{LINE}{}", GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: ::9\r\n\r\n")));
    assert_told(&mut plain, Some("203.0.113.7"));
    // The port that the client came to says how it came, where TLS ends in front.
    for (port, scheme) in [("443", "https"), ("8081", "http")] {
        let mut plain = proxy.client();
        plain.send(format!("PROXY TCP4 203.0.113.7 198.51.100.1 40000 {port}\r\n{GET}"));
        let response = plain.response();
        assert_eq!(response.echoed_fields("x-forwarded-port"), [port]);
        for name in ["x-forwarded-proto", "x-forwarded-scheme", "x-scheme"] {
            assert_eq!(response.echoed_fields(name), [scheme], "{name} {port}");
        }
    }
    wait_for_invalid(&proxy, 0);
}

fn header_comes_octet_by_octet(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for (header, client) in headers() {
        let mut plain = proxy.client();
        for octet in header.iter().chain(GET.as_bytes()) {
            plain.send([*octet]);
        }
        assert_told(&mut plain, client);
        let mut tls = Client::connect(proxy.https);
        for octet in &header {
            tls.send([*octet]);
        }
        let mut tls = tls.handshake(&authority.trusting(HTTP1), "a.example").expect("a handshake");
        tls.send(GET);
        assert_told(&mut tls, client);
    }
}

fn header_and_first_flight_in_one_segment(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for (header, client) in headers() {
        let mut plain = proxy.client();
        plain.send([&header, GET.as_bytes(), GET.as_bytes()].concat());
        assert_told(&mut plain, client);
        assert_told(&mut plain, client);
        let name = ServerName::try_from("a.example").expect("a name");
        let mut session =
            ClientConnection::new(authority.trusting(HTTP1), name).expect("a session");
        let mut first = header.clone();
        session.write_tls(&mut first).expect("a ClientHello");
        let mut tls = Client::connect(proxy.https);
        tls.send(&first);
        let mut tls = tls.handshake_of(session).expect("a handshake");
        tls.send(GET);
        assert_told(&mut tls, client);
    }
}

/// A header of another's making, in front of all four protocols.
fn curl_as_the_load_balancer(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for http in ["--http1.1", "--http2"] {
        let args = ["--haproxy-protocol", http, "https://a.example/"];
        let output = curl_tls(proxy.https, &authority, &args);
        output.assert_success();
        output.assert_says("[\"X-Forwarded-For\",\"127.0.0.1\"]");
    }
    for http in ["--http1.1", "--http2-prior-knowledge"] {
        let output = curl(proxy.http, &["--haproxy-protocol", http, "http://a.example/"]);
        output.assert_success();
        output.assert_says("[\"X-Forwarded-For\",\"127.0.0.1\"]");
    }
    wait_for_invalid(&proxy, 0);
}

fn told_client_is_in_the_access_log(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy =
        builder(driver, &authority, &backend, "127.0.0.1/32").flag("--access-log", "json").start();
    let mut plain = proxy.client();
    plain.send(format!("{LINE}{GET}"));
    assert_told(&mut plain, Some("203.0.113.7"));
    proxy.wait_for_output("\"client\":\"203.0.113.7:40000\"");
}

fn what_is_no_header_is_closed_and_counted(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let mut wrong_version = block4(&[]);
    wrong_version[12] = 0x31;
    let mut too_long = block4(&[]);
    too_long[14] = 0xff;
    let cases: Vec<Vec<u8>> = vec![
        GET.into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        format!("proxy{}{GET}", &LINE[5..]).into(),
        format!("PROXY TCP4 203.0.113.7\r\n{GET}").into(),
        format!("PROXY TCP4 203.0.113.777 198.51.100.1 1 2\r\n{GET}").into(),
        format!("PROXY TCP4 203.0.113.7 198.51.100.1 1 65536\r\n{GET}").into(),
        format!("{}\n{GET}", LINE.trim_end()).into(),
        [b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
        [&wrong_version, GET.as_bytes()].concat(),
        [&too_long, GET.as_bytes()].concat(),
        [&block(1, 0x11, &CLIENT4), GET.as_bytes()].concat(),
        [&block4(&[3, 0, 200]), GET.as_bytes()].concat(),
        vec![0; 64],
    ];
    let mut count = 0;
    for case in &cases {
        for address in [proxy.http, proxy.https] {
            let mut client = Client::connect(address);
            client.send(case);
            client.assert_closed();
            count += 1;
        }
    }
    // TLS without a header in front.
    let client = Client::connect(proxy.https);
    assert!(client.handshake(&authority.trusting(HTTP1), "a.example").is_err());
    // The end comes amid a header.
    for header in [LINE.as_bytes(), &block4(&[])] {
        for part in [&header[..1], &header[..header.len() - 1]] {
            let mut client = proxy.client();
            client.send(part);
            client.finish_sending();
            client.assert_closed();
            count += 1;
        }
    }
    wait_for_invalid(&proxy, count + 1);
    assert_eq!(backend.connection_count(), 0);
    let mut client = proxy.client();
    client.send(format!("{LINE}{GET}"));
    assert_told(&mut client, Some("203.0.113.7"));
}

/// A header must come whole in the time of a request's head. A health check that connects and
/// leaves is no fault.
fn silence_is_closed_and_counted(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend, "127.0.0.1/32")
        .flag("--client-header-timeout", 0.5)
        .start();
    for address in [proxy.http, proxy.https] {
        let mut check = Client::connect(address);
        check.finish_sending();
        check.assert_closed();
    }
    for address in [proxy.http, proxy.https] {
        for part in ["", "P", "PROXY TCP4 203.0.113.7", "\r\n\r\n"] {
            let mut client = Client::connect(address);
            client.send(part);
            let time = client.time_to_close();
            assert!(time >= Duration::from_millis(400), "{part:?}: {time:?}");
        }
    }
    wait_for_invalid(&proxy, 8);
    assert_eq!(backend.connection_count(), 0);
}

/// Whoever is not on the list speaks for itself alone.
fn header_of_others_is_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend, "192.0.2.0/24").start();
    for (header, _) in headers() {
        let mut plain = proxy.client();
        plain.send([&header, GET.as_bytes()].concat());
        assert_eq!(plain.response().status(), 400);
        plain.assert_closed();
        let mut tls = Client::connect(proxy.https);
        tls.send(&header);
        assert!(tls.handshake(&authority.trusting(HTTP1), "a.example").is_err());
    }
    assert_eq!(backend.connection_count(), 0);
    let mut plain = proxy.client();
    plain.send(GET);
    assert_told(&mut plain, None);
    let mut tls = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
    tls.send(GET);
    assert_told(&mut tls, None);
    wait_for_invalid(&proxy, 0);
}
