//! HTTP/1.1 over TLS to backends: tokio-rustls as backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::{Peer, ingress, manifests};
use crate::for_each_driver;
use crate::harness::pki::{Authority, Leaf, OldAuthority};
use crate::harness::{Builder, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    nothing_is_verified_by_default,
    a_certificate_of_the_authority_is_accepted,
    version_1_and_what_signed_itself_are_accepted,
    a_certificate_of_another_authority_is_502,
    a_certificate_with_another_name_is_502,
    a_backend_without_tls_is_502,
    connections_are_reused_and_sessions_resumed,
    a_body_cut_off_without_close_notify_is_broken,
);

pub(super) fn server_config(leaf: &Leaf, alpn: &[&str]) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).expect("pem");
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("pem");
    let key = provider.key_provider.load_private_key(key).expect("key");
    // rustls would look at the certificate, and does not read version 1.
    let pair = Arc::new(CertifiedKey::new(vec![chain], key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    resumed: AtomicUsize,
}

/// What ends a response.
#[derive(Clone, Copy)]
enum End {
    Length,
    CloseNotify,
    Cut,
}

/// Answers requests without bodies.
fn backend(leaf: &Leaf, end: End) -> (Peer, Arc<Seen>) {
    let acceptor = TlsAcceptor::from(server_config(leaf, &[]));
    let seen = Arc::new(Seen::default());
    let of_backend = Arc::clone(&seen);
    let peer = Peer::start(move |listener| async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&of_backend));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
                    seen.resumed.fetch_add(1, Ordering::SeqCst);
                }
                let mut octets = [0; 8192];
                while let Ok(1..) = stream.read(&mut octets).await {
                    let text: &[u8] = match end {
                        End::Length => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                        _ => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
                    };
                    drop(stream.write_all(text).await);
                    drop(stream.flush().await);
                    match end {
                        End::Length => {}
                        End::CloseNotify => return drop(stream.shutdown().await),
                        End::Cut => return drop(stream.get_mut().0.shutdown().await),
                    }
                }
            });
        }
    });
    (peer, seen)
}

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// Verifies against `authority`, for `name`.
fn start(driver: Driver, peer: &Peer, verified: Option<(&Authority, &str)>) -> Proxy {
    start_by(driver, peer, verified.map(|(authority, name)| (authority.pem.as_str(), name)))
}

/// The same, for authorities in PEM.
fn start_by(driver: Driver, peer: &Peer, verified: Option<(&str, &str)>) -> Proxy {
    let mut ingress: Ingress = ingress();
    let mut text = String::new();
    if let Some((authority, name)) = verified {
        ingress = ingress
            .annotation(&format!("{PREFIX}/proxy-ssl-secret"), "default/authority")
            .annotation(&format!("{PREFIX}/proxy-ssl-verify"), "on")
            .annotation(&format!("{PREFIX}/proxy-ssl-name"), name);
        text = manifest::secret("authority", "Opaque", &[("ca.crt", authority)]);
    }
    let manifests = text + &manifests(peer.address, "https", &ingress);
    Builder::new(driver).flag("--log-level", "debug").manifests(manifests).start()
}

fn nothing_is_verified_by_default(driver: Driver) {
    let (peer, seen) = backend(&Authority::new().issue(&["whoever.example"]), End::Length);
    let proxy = start(driver, &peer, None);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

fn a_certificate_of_the_authority_is_accepted(driver: Driver) {
    let authority = Authority::new();
    let (peer, _) = backend(&authority.issue(&["web.internal"]), End::Length);
    let proxy = start(driver, &peer, Some((&authority, "web.internal")));
    assert_eq!(proxy.get("a.example", "/").status(), 200);
}

#[track_caller]
fn assert_refused(proxy: &Proxy, why: &str) {
    assert_eq!(proxy.get("a.example", "/").status(), 502);
    assert!(proxy.metric("ringway_upstream_tls_failures_total", &[]) >= 1.0);
    wait_until("why", || {
        proxy.output().lines().any(|line| line.contains("reason=\"tls\"") && line.contains(why))
    });
}

/// The authority bears the name of ours.
const FORGED: &str = "certificate signature failure";
const MISNAMED: &str = "hostname mismatch";

/// As OpenSSL: the authority may be of version 1, too, and without alternative names the common
/// name counts. What signed itself is its own authority, whatever it says about that.
fn version_1_and_what_signed_itself_are_accepted(driver: Driver) {
    let old = OldAuthority::new();
    let leaf = old.issue("/CN=web.internal");
    let (peer, _) = backend(&leaf, End::Length);
    assert_eq!(start(driver, &peer, None).get("a.example", "/").status(), 200);
    let verified = start_by(driver, &peer, Some((&old.pem, "web.internal")));
    assert_eq!(verified.get("a.example", "/").status(), 200);
    assert_refused(&start_by(driver, &peer, Some((&old.pem, "other.internal"))), MISNAMED);
    assert_refused(
        &start_by(driver, &peer, Some((&OldAuthority::new().pem, "web.internal"))),
        FORGED,
    );
    for is_ca in [IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(["web.internal".to_owned()]).expect("names");
        params.is_ca = is_ca;
        let key = KeyPair::generate().expect("key");
        let chain = params.self_signed(&key).expect("certificate").pem();
        let leaf = Leaf { chain, key: key.serialize_pem() };
        let (peer, _) = backend(&leaf, End::Length);
        let proxy = start_by(driver, &peer, Some((&leaf.chain, "web.internal")));
        assert_eq!(proxy.get("a.example", "/").status(), 200);
    }
}

fn a_certificate_of_another_authority_is_502(driver: Driver) {
    let (peer, _) = backend(&Authority::new().issue(&["web.internal"]), End::Length);
    assert_refused(&start(driver, &peer, Some((&Authority::new(), "web.internal"))), FORGED);
}

fn a_certificate_with_another_name_is_502(driver: Driver) {
    let authority = Authority::new();
    let (peer, _) = backend(&authority.issue(&["other.internal"]), End::Length);
    assert_refused(&start(driver, &peer, Some((&authority, "web.internal"))), MISNAMED);
}

fn a_backend_without_tls_is_502(driver: Driver) {
    let peer = Peer::start(|listener| async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    assert_refused(&start(driver, &peer, None), "malformed record");
}

fn connections_are_reused_and_sessions_resumed(driver: Driver) {
    let authority = Authority::new();
    let (peer, seen) = backend(&authority.issue(&["web.internal"]), End::Length);
    let proxy = start(driver, &peer, Some((&authority, "web.internal")));
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let (peer, seen) = backend(&authority.issue(&["web.internal"]), End::CloseNotify);
    let proxy = start(driver, &peer, Some((&authority, "web.internal")));
    for _ in 0..3 {
        assert_eq!(&*proxy.get("a.example", "/").body, b"ok");
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 3);
    assert_eq!(seen.resumed.load(Ordering::SeqCst), 2);
}

/// Somebody on the way could have cut it; close_notify cannot be made up.
fn a_body_cut_off_without_close_notify_is_broken(driver: Driver) {
    use std::io::{Read as _, Write as _};
    let (peer, _) = backend(&Authority::new().issue(&["web.internal"]), End::Cut);
    let proxy = start(driver, &peer, None);
    let mut socket = std::net::TcpStream::connect(proxy.http).expect("connect");
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").expect("send");
    let mut octets = Vec::new();
    let result = socket.read_to_end(&mut octets);
    let is_ended = result.is_ok() && octets.ends_with(b"0\r\n\r\n");
    assert!(!is_ended, "{}", String::from_utf8_lossy(&octets));
}
