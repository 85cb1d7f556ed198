//! Certificates as people really have them: made by `openssl` in every form of key.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};

use super::{Pair, World, file, load, openssl};
use crate::limits::TLS_CHAIN_CERTIFICATES_MAX;
use crate::tls::certificate::{Certificate, CertificateError, Validity};
use crate::tls::client::{ClientTls, Verify};
use crate::tls::client_auth::ClientAuth;
use crate::tls::server::ServerTls;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn refused(chain: &[u8], key: &[u8]) -> CertificateError {
    Certificate::from_pem(chain, key).unwrap_err()
}

fn pem(label: &str, body: &str) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
}

#[test]
fn every_kind_and_form_of_key_is_read_and_served() {
    let folder = openssl(&[
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pkcs8",
        "rsa -in rsa.pkcs8 -traditional -out rsa.pkcs1",
        "ecparam -name prime256v1 -genkey -out p256.sec1",
        "pkcs8 -topk8 -nocrypt -in p256.sec1 -out p256.pkcs8",
        "ecparam -name secp384r1 -genkey -out p384.sec1",
        "ecparam -name secp521r1 -genkey -out p521.sec1",
        "genpkey -algorithm ed25519 -out ed25519.pkcs8",
        "req -x509 -new -key rsa.pkcs8 -out rsa.crt -days 2 -subj /CN=rsa.test",
        "req -x509 -new -key p256.sec1 -out p256.crt -days 2 -subj /CN=p256.test",
        "req -x509 -new -key p384.sec1 -out p384.crt -days 2 -subj /CN=p384.test",
        "req -x509 -new -key p521.sec1 -out p521.crt -days 2 -subj /CN=p521.test",
        "req -x509 -new -key ed25519.pkcs8 -out ed25519.crt -days 2 -subj /CN=ED25519.test",
    ]);
    let world = World::new();
    for key in [
        "rsa.pkcs8",
        "rsa.pkcs1",
        "p256.sec1",
        "p256.pkcs8",
        "p384.sec1",
        "p521.sec1",
        "ed25519.pkcs8",
    ] {
        let kind = key.split('.').next().unwrap();
        let chain = file(&folder, &format!("{kind}.crt"));
        let certificate = Certificate::from_pem(&chain, &file(&folder, key)).unwrap();
        assert_eq!(certificate.names(), [format!("{kind}.test")], "the common name, lower case");
        assert_eq!(certificate.validity(SystemTime::now()), Validity::Valid);
        let tls = ServerTls::new(&certificate, &ClientAuth::none(), &world.tickets).unwrap();
        let client = ClientTls::new(Verify::Nothing, None, &[b"h2"]).unwrap();
        let mut pair = Pair::client(client.config(), tls.config().clone());
        pair.run().unwrap();
        assert!(!pair.session.is_handshaking(), "{key}");
    }
    assert_eq!(
        refused(&file(&folder, "rsa.crt"), &file(&folder, "p256.sec1")),
        CertificateError::KeyMismatch
    );
    assert_eq!(
        refused(&file(&folder, "p256.crt"), &file(&folder, "p384.sec1")),
        CertificateError::KeyMismatch
    );
}

#[test]
fn keys_that_cannot_be_used() {
    let folder = openssl(&[
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.key",
        "req -x509 -new -key small.key -out small.crt -days 2 -subj /CN=small.test",
        "pkcs8 -topk8 -in small.key -out locked.key -passout pass:secret",
    ]);
    let small = file(&folder, "small.crt");
    assert_eq!(refused(&small, &file(&folder, "small.key")), CertificateError::KeyUnsupported);
    assert_eq!(refused(&small, &file(&folder, "locked.key")), CertificateError::KeyMissing);
    assert_eq!(refused(&small, &pem("PRIVATE KEY", "AAAA")), CertificateError::KeyUnsupported);
    assert_eq!(refused(&small, &pem("PRIVATE KEY", "%%%%")), CertificateError::KeyPem);
    assert_eq!(refused(&small, b""), CertificateError::KeyMissing);
}

/// As it comes from guides that are older than extensions; and neither usage nor serial number is
/// ours to judge.
#[test]
fn certificates_that_others_would_not_make_are_served() {
    let folder = openssl(&[
        "genpkey -algorithm ed25519 -out any.key",
        "req -new -key any.key -out any.csr -subj /CN=old.test",
        "x509 -req -in any.csr -signkey any.key -out version1.crt -days 2",
        "req -x509 -key any.key -out negative.crt -days 2 -subj /CN=old.test -set_serial -5",
        "req -x509 -key any.key -out long.crt -days 2 -subj /CN=old.test -set_serial \
         0x1122334455667788990011223344556677889900112233445566",
        "req -x509 -key any.key -out usage.crt -days 2 -subj /CN=old.test -addext \
         keyUsage=critical,cRLSign -addext 1.2.3.4.5=critical,DER:0500",
    ]);
    let world = World::new();
    for name in ["version1.crt", "negative.crt", "long.crt", "usage.crt"] {
        let key = file(&folder, "any.key");
        let certificate = Certificate::from_pem(&file(&folder, name), &key).unwrap();
        assert_eq!(certificate.names(), ["old.test"], "{name}");
        let tls = ServerTls::new(&certificate, &ClientAuth::none(), &world.tickets).unwrap();
        let client = ClientTls::new(Verify::Nothing, None, &[b"h2"]).unwrap();
        let mut pair = Pair::client(client.config(), tls.config().clone());
        assert_eq!(pair.run(), Ok(()), "{name}");
    }
}

#[test]
fn chains_that_cannot_be_used() {
    let (leaf, key) = signed(&["a.test"], |_| {});
    let key = key.as_bytes();
    assert_eq!(refused(b"no PEM at all", key), CertificateError::ChainEmpty);
    assert_eq!(refused(&pem("CERTIFICATE", "%%%%"), key), CertificateError::ChainPem);
    assert_eq!(refused(&pem("CERTIFICATE", "AAAA"), key), CertificateError::CertificateInvalid);
    let broken = [leaf.as_bytes(), &pem("CERTIFICATE", "AAAA")].concat();
    assert_eq!(refused(&broken, key), CertificateError::CertificateInvalid);
    let cut = &leaf.as_bytes()[..leaf.len() / 2];
    assert_eq!(refused(cut, key), CertificateError::ChainPem);
    let long = leaf.repeat(TLS_CHAIN_CERTIFICATES_MAX);
    Certificate::from_pem(long.as_bytes(), key).unwrap();
    let longer = leaf.repeat(TLS_CHAIN_CERTIFICATES_MAX + 1);
    assert_eq!(refused(longer.as_bytes(), key), CertificateError::ChainTooLarge);
    let names = (0..2_000).map(|at| format!("host-number-{at}.a.test")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let (heavy, key) = signed(&names, |_| {});
    assert_eq!(refused(heavy.as_bytes(), key.as_bytes()), CertificateError::ChainTooLarge);
}

#[test]
fn intermediates_are_served_with_the_leaf() {
    let world = World::new();
    let (leaf, key) = world.authority.issue("ringway.test", 3);
    let chain = leaf + &world.authority.pem();
    let certificate = load(&(chain, key));
    assert_eq!(certificate.key().cert.len(), 2);
    assert_eq!(certificate.names(), ["ringway.test"]);
}

#[test]
fn covers_exact_names_and_one_label() {
    let certificate = load(&signed(&["Exact.test", "*.wild.test", "10.0.0.1"], |params| {
        params.distinguished_name.push(DnType::CommonName, "common.test");
    }));
    assert_eq!(certificate.names(), ["exact.test", "*.wild.test"]);
    for host in ["exact.test", "EXACT.Test", "exact.test.", "a.wild.test", "*.wild.test"] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in [
        "common.test",
        "wild.test",
        "a.b.wild.test",
        ".wild.test",
        "*.exact.test",
        "*.b.wild.test",
        "notexact.test",
        "awild.test",
        "test",
        "",
        ".",
        "10.0.0.1",
    ] {
        assert!(!certificate.covers(host), "{host}");
    }
    // A subjectAltName without host names still hides the common name.
    let certificate = load(&signed(&["10.0.0.1"], |params| {
        params.distinguished_name.push(DnType::CommonName, "common.test");
    }));
    assert!(!certificate.covers("common.test"));
    let certificate = load(&signed(&[], |params| {
        params.distinguished_name.push(DnType::CommonName, "*.common.test");
    }));
    assert!(certificate.covers("a.common.test"));
}

#[test]
fn validity_at_both_ends() {
    let from = SystemTime::UNIX_EPOCH + DAY * 20_000;
    let certificate = load(&signed(&["a.test"], |params| {
        params.not_before = from.into();
        params.not_after = (from + DAY).into();
    }));
    let second = Duration::from_secs(1);
    assert_eq!(certificate.validity(from - second), Validity::NotYet { from });
    assert_eq!(certificate.validity(from), Validity::Valid);
    assert_eq!(certificate.validity(from + DAY), Validity::Valid);
    let since = from + DAY;
    assert_eq!(certificate.not_after(), since);
    assert_eq!(certificate.validity(since + second), Validity::Expired { since });
}

#[test]
fn the_certificate_of_last_resort() {
    let certificate = Certificate::self_signed().unwrap();
    assert!(certificate.covers("ringway.local"));
    assert_eq!(certificate.validity(SystemTime::now()), Validity::Valid);
    assert_eq!(certificate.validity(SystemTime::now() + DAY * 365), Validity::Valid);
    assert!(String::from_utf8_lossy(&certificate.key().cert[0]).contains("Ringway"));
    assert_eq!(Certificate::generate("höst").unwrap_err(), CertificateError::Generation);
    let text = format!("{certificate:?}");
    assert!(text.contains("ringway.local") && !text.to_lowercase().contains("key"), "{text}");
}
