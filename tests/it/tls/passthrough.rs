//! Connections that go to their backend as they are: its certificate, its protocol, its end.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::HTTP1;
use crate::for_each_driver;
use crate::harness::message::{self, read_some};
use crate::harness::peer::curl_tls;
use crate::harness::pki::{Authority, Leaf, client_hello};
use crate::harness::{Backend, Builder, Client, Driver, Ingress, manifest, pause};

for_each_driver!(
    client_sees_the_certificate_of_the_backend,
    other_hosts_are_terminated_on_the_same_port,
    octets_arrive_as_they_were_sent,
    without_an_endpoint_it_is_closed,
    endpoint_that_refuses_is_passed_over,
    idle_connection_is_closed,
    either_side_may_end_its_half_first,
    end_of_one_side_is_told_to_the_other,
);

/// `p.example` goes through to these addresses; `a.example` is terminated and goes to `web`.
fn builder(
    driver: Driver,
    authority: &Authority,
    through: &[SocketAddr],
    web: SocketAddr,
) -> Builder {
    let through = manifest::backend("through", through)
        + &Ingress::simple("through", "p.example", "through")
            .annotation("nginx.ingress.kubernetes.io/ssl-passthrough", "true")
            .yaml();
    Builder::new(driver).manifests(super::one_host(authority, web) + &through)
}

/// Speaks TLS with a certificate of its own, and answers each request with its own name; how many
/// certificates it was shown, too, if it is to ask for those of an authority.
pub(crate) fn tls_server(name: &'static str, leaf: &Leaf, asked: Option<&Authority>) -> Backend {
    let chain = vec![CertificateDer::from_pem_slice(leaf.chain.as_bytes()).expect("pem")];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("pem");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = match asked {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("pem");
            roots.add(root).expect("a root");
            let roots = Arc::new(roots);
            let asking = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            asking.allow_unauthenticated().build().expect("a verifier")
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("a pair");
    let (config, asks) = (Arc::new(config), asked.is_some());
    Backend::scripted(move |connection| {
        let session = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, connection);
        let mut buffer = Vec::new();
        while read_some(&mut stream, &mut buffer)? > 0 {
            while let Some(end) = buffer.windows(4).position(|octets| octets == b"\r\n\r\n") {
                buffer.drain(..end + 4);
                let shown = stream.conn.peer_certificates().map_or(0, <[_]>::len);
                let text = if asks { format!("{name}, shown {shown}") } else { name.to_owned() };
                let length = text.len();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")?;
            }
        }
        stream.conn.send_close_notify();
        stream.flush()
    })
}

/// The same handshake message in records of at most `size` octets, RFC 8446 section 5.1.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let (head, message) = hello.split_at(5);
    let records = message.chunks(size).map(|part| {
        let length = u16::try_from(part.len()).expect("short").to_be_bytes();
        [&head[..3], &length, part].concat()
    });
    records.collect::<Vec<_>>().concat()
}

fn client_sees_the_certificate_of_the_backend(driver: Driver) {
    let (outer, inner) = (Authority::new(), Authority::new());
    let leaf = inner.issue(&["p.example"]);
    let (server, web) = (tls_server("through", &leaf, None), Backend::echo("web"));
    let proxy = builder(driver, &outer, &[server.address()], web.address()).start();
    let mut client = Client::tls(proxy.https, &inner.trusting(&[]), "p.example");
    let expected = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).expect("pem");
    assert_eq!(client.session().peer_certificates(), Some(&[expected][..]));
    for _ in 0..3 {
        assert_eq!(client.get("p.example", "/").text(), "through");
    }
    client.finish_with_close_notify();
    // The close_notify of the backend, not a mere end.
    client.assert_closed();
    server.wait_for_ends(1);
    let refused = Client::connect(proxy.https).handshake(&outer.trusting(&[]), "p.example");
    assert!(refused.is_err(), "a certificate of ours");
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let args = [version, &["https://p.example/"]].concat();
        let output = curl_tls(proxy.https, &inner, &args);
        output.assert_success();
        output.assert_says("through");
    }
    assert_eq!(web.connection_count(), 0);
}

fn other_hosts_are_terminated_on_the_same_port(driver: Driver) {
    let (outer, inner) = (Authority::new(), Authority::new());
    let (server, web) =
        (tls_server("through", &inner.issue(&["p.example"]), None), Backend::echo("web"));
    let proxy = builder(driver, &outer, &[server.address()], web.address()).start();
    let mut through = Client::tls(proxy.https, &inner.trusting(&[]), "p.example");
    let mut ours = Client::tls(proxy.https, &outer.trusting(HTTP1), "a.example");
    for _ in 0..3 {
        assert_eq!(ours.get("a.example", "/").backend(), "web");
        assert_eq!(through.get("p.example", "/").text(), "through");
    }
    for http in ["--http1.1", "--http2"] {
        let output = curl_tls(proxy.https, &outer, &[http, "https://a.example/"]);
        output.assert_success();
        output.assert_says("\"backend\":\"web\"");
    }
    assert_eq!(server.connection_count(), 1);
    assert!(!server.received_text().contains("GET"), "it is sent what the client encrypted");
}

/// In any number of segments and records: nothing goes out before the name is known, and then
/// every octet once.
fn octets_arrive_as_they_were_sent(driver: Driver) {
    let authority = Authority::new();
    let backend = Backend::scripted(|mut connection| {
        connection.send("hi")?;
        connection.read_to_end().map(drop)
    });
    let proxy = builder(driver, &authority, &[backend.address()], backend.address()).start();
    let whole = client_hello("p.example");
    let small = in_records(&whole, 50);
    for (round, (octets, size)) in [
        (&whole, whole.len()),
        (&whole, 100),
        (&whole, 1),
        (&small, small.len()),
        (&small, 57),
        (&small, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::connect(proxy.https);
        let (last, most) = octets.split_last().expect("octets");
        for segment in most.chunks(size) {
            client.send(segment);
        }
        client.assert_quiet();
        assert_eq!(backend.connection_count(), round, "not before the ClientHello is whole");
        client.send([*last]);
        assert_eq!(client.take(2), b"hi");
        client.send("and the rest");
        client.finish_sending();
        client.assert_closed();
        backend.wait_for_ends(round + 1);
        let expected = [octets, &b"and the rest"[..]].concat();
        assert_eq!(backend.received()[round], expected, "{size}");
    }
}

fn without_an_endpoint_it_is_closed(driver: Driver) {
    let (authority, web) = (Authority::new(), Backend::echo("web"));
    for through in [vec![], vec![Backend::closed_address()]] {
        let proxy = builder(driver, &authority, &through, web.address()).start();
        for _ in 0..2 {
            let mut client = Client::connect(proxy.https);
            client.send(client_hello("p.example"));
            client.assert_closed();
        }
        let mut ours = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
        assert_eq!(ours.get("a.example", "/").status(), 200);
        assert!(!proxy.output().contains("panicked"), "{}", proxy.output());
    }
}

fn endpoint_that_refuses_is_passed_over(driver: Driver) {
    let (outer, inner) = (Authority::new(), Authority::new());
    let (server, web) =
        (tls_server("through", &inner.issue(&["p.example"]), None), Backend::echo("web"));
    let through = [Backend::closed_address(), server.address(), Backend::closed_address()];
    let proxy = builder(driver, &outer, &through, web.address()).start();
    for _ in 0..6 {
        let mut client = Client::tls(proxy.https, &inner.trusting(&[]), "p.example");
        assert_eq!(client.get("p.example", "/").text(), "through");
    }
}

/// Whatever moves, in either direction, keeps both alive.
fn idle_connection_is_closed(driver: Driver) {
    let authority = Authority::new();
    let backend = Backend::scripted(|mut connection| {
        while connection.read_exact(1).is_ok() {}
        Ok(())
    });
    let proxy = builder(driver, &authority, &[backend.address()], backend.address())
        .flag("--proxy-read-timeout", 1)
        .start();
    let mut client = Client::connect(proxy.https);
    client.send(client_hello("p.example"));
    for _ in 0..6 {
        pause(Duration::from_millis(300));
        client.send("x");
    }
    backend.wait_for_text("xxxxxx");
    let time = client.time_to_close();
    assert!(time >= Duration::from_millis(900), "{time:?}");
    backend.wait_for_ends(1);
}

fn either_side_may_end_its_half_first(driver: Driver) {
    let authority = Authority::new();
    let patient = Backend::scripted(|mut connection| {
        connection.read_to_end()?;
        connection.send("late")
    });
    let proxy = builder(driver, &authority, &[patient.address()], patient.address()).start();
    let mut client = Client::connect(proxy.https);
    client.send(client_hello("p.example"));
    client.finish_sending();
    assert_eq!(client.read_until_close(), b"late");
    let hasty = Backend::scripted(|mut connection| {
        connection.send("early")?;
        connection.finish_sending()?;
        connection.read_to_end().map(drop)
    });
    let proxy = builder(driver, &authority, &[hasty.address()], hasty.address()).start();
    let mut client = Client::connect(proxy.https);
    client.send(client_hello("p.example"));
    assert_eq!(client.read_until_close(), b"early");
    client.send("more");
    hasty.wait_for_text("more");
    client.send("and more");
    client.finish_sending();
    hasty.wait_for_text("moreand more");
    hasty.wait_for_ends(1);
}

fn end_of_one_side_is_told_to_the_other(driver: Driver) {
    let authority = Authority::new();
    let backend = Backend::scripted(|mut connection| {
        if message::take_through(&mut connection, b"leave").is_ok() {
            connection.reset()?;
        }
        Ok(())
    });
    let proxy = builder(driver, &authority, &[backend.address()], backend.address()).start();
    let mut client = Client::connect(proxy.https);
    client.send(client_hello("p.example"));
    client.send("leave");
    client.read_until_close();
    let mut client = Client::connect(proxy.https);
    client.send(client_hello("p.example"));
    client.send("stay");
    backend.wait_for_text("stay");
    client.reset();
    backend.wait_for_ends(2);
}
