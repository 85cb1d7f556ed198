//! Configurations towards backends.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::{Authority, Pair, World, load};
use crate::limits::TLS_CA_CERTIFICATES_MAX;
use crate::tls::chain_error::ChainError;
use crate::tls::client::{ClientTls, ClientTlsError, Terms, Verify, Version};
use crate::tls::client_auth::{ClientAuth, ClientAuthMode};
use crate::tls::provider;
use crate::tls::server::ServerTls;
use crate::tls::session::TlsError;

#[test]
fn a_certificate_is_checked_against_the_bundle_and_the_name_or_not_at_all() {
    let world = World::new();
    let none = ClientAuth::none();
    let ca = world.authority.pem();
    let stranger = Authority::new("Stranger");
    let good = Arc::clone(&world.certificate);
    let foreign = load(&stranger.issue("ringway.test", 1));
    let misnamed = load(&world.authority.issue("other.test", 1));
    for (certificate, checked) in [
        (good, Ok(())),
        (foreign, Err(TlsError::CertificateRefused(ChainError::LeafUnverified))),
        (misnamed, Err(TlsError::CertificateRefused(ChainError::HostMismatch))),
    ] {
        let server = ServerTls::new(&certificate, &none, &world.tickets).unwrap();
        for (verify, expected) in [(Verify::Ca(ca.as_bytes()), checked), (Verify::Nothing, Ok(()))]
        {
            let client = ClientTls::new(verify, None, &[b"h2", b"http/1.1"]).unwrap();
            let mut pair = Pair::client(client.config(), Arc::clone(server.config()));
            assert_eq!(pair.run(), expected);
            match expected {
                Ok(()) => assert_eq!(pair.session.alpn(), Some(&b"h2"[..])),
                Err(_) => assert!(pair.peer_reads().is_err(), "the backend is told"),
            }
        }
    }
}

#[test]
fn the_authorities_of_the_system_do_not_know_ours() {
    let world = World::new();
    let server = world.server(&ClientAuth::none());
    match ClientTls::new(Verify::Native, None, &[]) {
        Ok(client) => {
            let mut pair = Pair::client(client.config(), Arc::clone(server.config()));
            let refused = TlsError::CertificateRefused(ChainError::LeafUnverified);
            assert_eq!(pair.run(), Err(refused));
        }
        Err(error) => assert_eq!(error, ClientTlsError::CaEmpty, "a machine without any"),
    }
}

#[test]
fn a_client_certificate_is_shown() {
    let world = World::new();
    let ca = world.authority.pem();
    let auth = ClientAuth::from_pem(ca.as_bytes(), None, ClientAuthMode::Required).unwrap();
    let server = world.server(&auth);
    let certificate = load(&world.authority.issue("proxy.test", 2));
    let client = ClientTls::new(Verify::Nothing, Some(&certificate), &[b"http/1.1"]).unwrap();
    let mut pair = Pair::client(client.config(), Arc::clone(server.config()));
    pair.run().unwrap();
    assert!(pair.peer.peer_certificates().is_some());
}

#[test]
fn sessions_are_kept_by_each_configuration_for_itself() {
    let world = World::new();
    let server = world.server(&ClientAuth::none());
    let client = ClientTls::new(Verify::Nothing, None, &[b"h2"]).unwrap();
    let one = client.config();
    let is_resumed = |config: &Arc<rustls::ClientConfig>| {
        let mut pair = Pair::client(Arc::clone(config), Arc::clone(server.config()));
        pair.run().unwrap();
        pair.session.is_resumed()
    };
    assert!(!is_resumed(&one));
    assert!(is_resumed(&one));
    assert!(!is_resumed(&client.config()), "another core");
    assert!(!one.enable_early_data);
}

#[test]
fn terms_narrow_what_is_offered() {
    use rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 as CHACHA;
    use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
    let world = World::new();
    let server = world.server(&ClientAuth::none());
    let only = |number: u16| Some([number].into());
    for (terms, version, suite) in [
        (Terms::default(), TLSv1_3, None),
        (Terms { version: Some(Version::Tls13), ..Terms::default() }, TLSv1_3, None),
        (Terms { version: Some(Version::Tls12), ..Terms::default() }, TLSv1_2, None),
        // What is chosen is of TLS 1.2 alone.
        (Terms { suites: only(CHACHA.into()), ..Terms::default() }, TLSv1_3, None),
        (
            Terms {
                version: Some(Version::Tls12),
                suites: only(CHACHA.into()),
                ..Terms::default()
            },
            TLSv1_2,
            Some(CHACHA),
        ),
    ] {
        let client = ClientTls::on(&terms, Verify::Nothing, None, &[]).unwrap();
        let mut pair = Pair::client(client.config(), Arc::clone(server.config()));
        pair.run().unwrap();
        assert_eq!(pair.peer.protocol_version(), Some(version), "{terms:?}");
        let chosen = pair.peer.negotiated_cipher_suite().map(|suite| suite.suite());
        assert!(suite.is_none() || chosen == suite, "{terms:?}");
    }
    let none = Terms { version: Some(Version::Tls12), suites: only(0x0035), ..Terms::default() };
    let made = ClientTls::on(&none, Verify::Nothing, None, &[]);
    assert_eq!(made.unwrap_err(), ClientTlsError::Provider);
}

/// A root, `between` authorities, and a leaf for `ringway.test`.
fn chain(between: usize) -> (String, (String, String)) {
    let root = Authority::new("Root");
    let ca = root.pem();
    let (mut issuer, mut rest) = (root, String::new());
    for number in 0..between {
        issuer = issuer.below(&format!("Between {number}"));
        rest = issuer.pem() + &rest;
    }
    let (leaf, key) = issuer.issue("ringway.test", 9);
    (ca, (leaf + &rest, key))
}

#[test]
fn chains_may_be_so_long() {
    let world = World::new();
    let too_long = Err(TlsError::CertificateRefused(ChainError::TooLong));
    for (between, depth, expected) in [
        (0, Some(0), Ok(())),
        (1, Some(0), too_long),
        (1, Some(1), Ok(())),
        (2, Some(1), too_long),
        (2, Some(2), Ok(())),
        (2, None, Ok(())),
    ] {
        let (ca, pair) = chain(between);
        let server = ServerTls::new(&load(&pair), &ClientAuth::none(), &world.tickets).unwrap();
        let terms = Terms { depth, ..Terms::default() };
        let client = ClientTls::on(&terms, Verify::Ca(ca.as_bytes()), None, &[]).unwrap();
        let mut pair = Pair::client(client.config(), Arc::clone(server.config()));
        assert_eq!(pair.run(), expected, "{between} {depth:?}");
    }
}

#[test]
fn configurations_that_cannot_be_made() {
    let refused = |pem: &[u8]| ClientTls::new(Verify::Ca(pem), None, &[]).unwrap_err();
    assert_eq!(refused(b""), ClientTlsError::CaEmpty);
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(refused(junk), ClientTlsError::CaInvalid);
    let many = Authority::new("One").pem().repeat(TLS_CA_CERTIFICATES_MAX + 1);
    assert_eq!(refused(many.as_bytes()), ClientTlsError::CaTooMany);
    let no_groups = CryptoProvider { kx_groups: Vec::new(), ..CryptoProvider::clone(&provider()) };
    let terms = Terms::default();
    let made = ClientTls::with_provider(Arc::new(no_groups), &terms, Verify::Nothing, None, &[]);
    assert_eq!(made.unwrap_err(), ClientTlsError::Provider);
}
