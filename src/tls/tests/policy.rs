//! Resumption, and that no ticket crosses from one client-auth policy to another.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};

use super::{Authority, Pair, VERSIONS, World, load};
use crate::limits::{
    TLS_CA_CERTIFICATES_MAX, TLS_CRLS_MAX, TLS_TICKET_KEYS_MAX, TLS_TICKET_LIFETIME,
};
use crate::tls::chain_error::ChainError;
use crate::tls::client_auth::{ClientAuth, ClientAuthError, ClientAuthId, ClientAuthMode};
use crate::tls::identity::{ClientRefusal, ClientVerdict};
use crate::tls::provider;
use crate::tls::server::{ServerTls, ServerTlsError};
use crate::tls::session::TlsError;
use crate::tls::tickets::{TICKET_KEY_BYTES, TicketKeyError, Tickets, is_fresh};

/// Handshake and a few octets both ways, so that tickets arrive; whether it was resumed.
fn visit(tls: &ServerTls, client: &Arc<ClientConfig>) -> Result<Pair, TlsError> {
    let mut pair = Pair::server_by(tls, client);
    pair.run()?;
    pair.session.seal(b"hello", &mut pair.out)?;
    pair.run()?;
    assert_eq!(pair.peer_plain, b"hello");
    Ok(pair)
}

fn is_resumed(tls: &ServerTls, client: &Arc<ClientConfig>) -> bool {
    let pair = visit(tls, client).unwrap();
    let kind = pair.peer.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    assert_eq!(pair.session.is_resumed(), kind);
    kind
}

fn junk(label: &str) -> Vec<u8> {
    format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes()
}

fn bad_base64(label: &str) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n%%%%\n-----END {label}-----\n").into_bytes()
}

#[test]
fn the_second_visit_resumes_also_after_the_configuration_was_swapped() {
    let world = World::new();
    for version in VERSIONS {
        let tls = world.server(&ClientAuth::none());
        let client = Arc::new(world.client(version));
        assert!(!is_resumed(&tls, &client));
        assert!(is_resumed(&tls, &client));
        let swapped = world.server(&ClientAuth::none());
        drop(tls);
        assert!(is_resumed(&swapped, &client));
    }
}

#[test]
fn no_ticket_crosses_to_another_policy() {
    let world = World::new();
    let other = Authority::new("Other authority");
    let ours = world.authority.pem();
    let policy = |ca: &str, mode| ClientAuth::from_pem(ca.as_bytes(), None, mode).unwrap();
    for version in VERSIONS {
        let open = world.server(&ClientAuth::none());
        let required = world.server(&policy(&ours, ClientAuthMode::Required));
        let optional = world.server(&policy(&ours, ClientAuthMode::Optional));
        let stranger = world.server(&policy(&other.pem(), ClientAuthMode::Required));
        assert_eq!(open.client_auth(), ClientAuthId(0));

        let client = Arc::new(world.client(version));
        assert!(!is_resumed(&open, &client));
        assert_eq!(refusal(&required, &client), Some(ClientRefusal::Missing));
        let client = Arc::new(world.client(version));
        assert!(!is_resumed(&optional, &client));
        assert_eq!(refusal(&required, &client), Some(ClientRefusal::Missing));

        let certificate = world.authority.issue("client.test", 5);
        let client = Arc::new(world.client_with(version, Some(certificate)));
        assert!(!is_resumed(&required, &client));
        let pair = visit(&required, &client).unwrap();
        assert!(pair.session.is_resumed());
        let identity = required.identify(&pair.session).unwrap();
        assert_eq!(identity.verdict(), ClientVerdict::Success);
        let unknown = ClientRefusal::Untrusted(ChainError::LeafUnverified);
        assert_eq!(refusal(&stranger, &client), Some(unknown));
    }
}

/// Of a full handshake.
fn refusal(tls: &ServerTls, client: &Arc<ClientConfig>) -> Option<ClientRefusal> {
    let pair = visit(tls, client).unwrap();
    assert!(!pair.session.is_resumed());
    tls.identify(&pair.session).unwrap().admitted().err()
}

/// Who has no certificate that is believed must be asked again, however often he comes: this also
/// notices when rustls writes the state of a session in another way.
#[test]
fn tickets_are_for_sessions_that_are_served() {
    let world = World::new();
    let strange = load(&Authority::new("Other authority").issue("client.test", 5));
    for version in VERSIONS {
        for (mode, without, with_strange) in [
            (ClientAuthMode::Required, false, false),
            (ClientAuthMode::Optional, true, false),
            (ClientAuthMode::OptionalNoCa, true, true),
            (ClientAuthMode::Whatever, true, true),
        ] {
            let auth = ClientAuth::from_pem(world.authority.pem().as_bytes(), None, mode).unwrap();
            let tls = world.server(&auth);
            let own = Some(world.authority.issue("client.test", 5));
            let client = |certificate| world.client_with(version, certificate);
            let mut stranger = client(None);
            stranger.client_auth_cert_resolver =
                Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(strange.key())));
            for (client, expected) in
                [(client(None), without), (stranger, with_strange), (client(own), true)]
            {
                let client = Arc::new(client);
                assert!(!is_resumed(&tls, &client));
                assert_eq!(is_resumed(&tls, &client), expected, "{mode:?}");
                assert_eq!(is_resumed(&tls, &client), expected, "{mode:?} again");
            }
        }
    }
}

/// In the handshake, or behind it by nobody.
#[test]
fn gateways_refuse_connections_or_nothing() {
    let world = World::new();
    let strange = load(&Authority::new("Other authority").issue("client.test", 5));
    let policy = |mode| ClientAuth::from_pem(world.authority.pem().as_bytes(), None, mode).unwrap();
    for version in VERSIONS {
        let (strict, open) = (
            world.server(&policy(ClientAuthMode::InHandshake)),
            world.server(&policy(ClientAuthMode::Whatever)),
        );
        let mut stranger = world.client_with(version, None);
        stranger.client_auth_cert_resolver =
            Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(strange.key())));
        let own = world.authority.issue("client.test", 5);
        let unknown = ChainError::LeafUnverified;
        for (client, refused, verdict) in [
            (
                world.client_with(version, None),
                Some(TlsError::CertificateMissing),
                ClientVerdict::None,
            ),
            (stranger, Some(TlsError::CertificateRefused(unknown)), ClientVerdict::Failed(unknown)),
            (world.client_with(version, Some(own)), None, ClientVerdict::Success),
        ] {
            let client = Arc::new(client);
            assert_eq!(visit(&strict, &client).err(), refused);
            let pair = visit(&open, &client).unwrap();
            let identity = open.identify(&pair.session).unwrap();
            assert_eq!((identity.verdict(), identity.admitted()), (verdict, Ok(())));
            if refused.is_none() {
                // Judged once more when it comes back.
                let pair = visit(&strict, &client).unwrap();
                assert_eq!(strict.identify(&pair.session).unwrap().admitted(), Ok(()));
            }
        }
    }
}

#[test]
fn identities_depend_on_everything_and_on_nothing_else() {
    let authority = Authority::new("One");
    let (ca, crl) = (authority.pem(), authority.revoke(9, true));
    let id = |ca: &str, crl: Option<&str>, mode| {
        ClientAuth::from_pem(ca.as_bytes(), crl.map(str::as_bytes), mode).unwrap().id()
    };
    let (required, optional) = (ClientAuthMode::Required, ClientAuthMode::Optional);
    let ids = [
        ClientAuth::none().id(),
        id(&ca, None, required),
        id(&ca, None, optional),
        id(&ca, Some(&crl), required),
        id(&(ca.clone() + &Authority::new("Two").pem()), None, required),
    ];
    for (at, one) in ids.iter().enumerate() {
        assert_eq!(ids.iter().position(|other| other == one), Some(at));
    }
    assert_eq!(ids[1], id(&format!("# a comment\n{ca}"), None, required));
}

#[test]
fn revoked_certificates_and_lists_out_of_date() {
    let world = World::new();
    let ca = world.authority.pem();
    let run = |crl: String, serial| {
        let mode = ClientAuthMode::Required;
        let auth = ClientAuth::from_pem(ca.as_bytes(), Some(crl.as_bytes()), mode).unwrap();
        let certificate = world.authority.issue("client.test", serial);
        let client = world.client_with(&TLS13, Some(certificate));
        let tls = world.server(&auth);
        let pair = visit(&tls, &Arc::new(client)).unwrap();
        tls.identify(&pair.session).unwrap().admitted()
    };
    let refused = |error| Err(ClientRefusal::Untrusted(error));
    assert_eq!(run(world.authority.revoke(66, true), 65), Ok(()));
    assert_eq!(run(world.authority.revoke(66, true), 66), refused(ChainError::Revoked));
    assert_eq!(run(world.authority.revoke(66, false), 65), refused(ChainError::ListExpired));
    let strange = Authority::new("Other").revoke(1, true);
    assert_eq!(run(strange, 65), refused(ChainError::ListMissing));
    // Under the name of the authority, and not by it.
    let forged = Authority::new("Test authority").revoke(1, true);
    assert_eq!(run(forged, 65), refused(ChainError::ListInvalid));
}

#[test]
fn policies_that_cannot_be_used() {
    let authority = Authority::new("One");
    let (ca, crl) = (authority.pem(), authority.revoke(9, true));
    let refused = |ca: &[u8], crl: Option<&[u8]>| {
        ClientAuth::from_pem(ca, crl, ClientAuthMode::Required).unwrap_err()
    };
    assert_eq!(refused(b"", None), ClientAuthError::CaEmpty);
    assert_eq!(refused(&bad_base64("CERTIFICATE"), None), ClientAuthError::CaPem);
    assert_eq!(refused(&junk("CERTIFICATE"), None), ClientAuthError::CaInvalid);
    let many = ca.repeat(TLS_CA_CERTIFICATES_MAX + 1);
    assert_eq!(refused(many.as_bytes(), None), ClientAuthError::CaTooMany);
    let ca = ca.as_bytes();
    assert_eq!(refused(ca, Some(b"")), ClientAuthError::CrlPem);
    assert_eq!(refused(ca, Some(&bad_base64("X509 CRL"))), ClientAuthError::CrlPem);
    assert_eq!(refused(ca, Some(&junk("X509 CRL"))), ClientAuthError::CrlInvalid);
    let many = crl.repeat(TLS_CRLS_MAX + 1);
    assert_eq!(refused(ca, Some(many.as_bytes())), ClientAuthError::CrlTooMany);
}

fn key(fill: u8) -> Vec<u8> {
    vec![fill; TICKET_KEY_BYTES]
}

#[test]
fn replicas_with_the_same_keys_resume_each_other() {
    let world = World::new();
    let none = ClientAuth::none();
    let replica = |keys: &[u8]| {
        let tickets = Tickets::with_keys(keys).unwrap();
        ServerTls::new(&world.certificate, &none, &tickets).unwrap()
    };
    for version in VERSIONS {
        let client = Arc::new(world.client(version));
        assert!(!is_resumed(&replica(&key(1)), &client));
        assert!(is_resumed(&replica(&key(1)), &client));
        assert!(is_resumed(&replica(&[key(2), key(1)].concat()), &client));
        // That one gave a ticket of the new key: the old alone opens nothing.
        assert!(!is_resumed(&replica(&key(1)), &client));
    }
}

#[test]
fn tickets_of_given_keys_are_proof_against_changes() {
    let tickets = Tickets::with_keys(&key(1)).unwrap();
    let ticketer = tickets.ticketer(ClientAuthId(7)).unwrap();
    assert!(Arc::ptr_eq(&ticketer, &tickets.ticketer(ClientAuthId(7)).unwrap()));
    assert!(ticketer.enabled());
    assert_eq!(u64::from(ticketer.lifetime()), TLS_TICKET_LIFETIME.as_secs());
    let ticket = ticketer.encrypt(b"state").unwrap();
    assert_ne!(ticket, ticketer.encrypt(b"state").unwrap());
    assert_eq!(ticketer.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
    for at in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[at] ^= 1;
        assert_eq!(ticketer.decrypt(&changed), None, "{at}");
        assert_eq!(ticketer.decrypt(&ticket[..at]), None, "{at}");
    }
    let other = tickets.ticketer(ClientAuthId(8)).unwrap();
    assert_eq!(other.decrypt(&ticket), None);
    let secret = format!("{ticketer:?}{tickets:?}");
    assert_eq!(secret, "GivenKeys { .. }Tickets { .. }");
}

#[test]
fn tickets_grow_old() {
    let life = TLS_TICKET_LIFETIME.as_secs();
    assert!(is_fresh(1_000, 1_000) && is_fresh(1_000, 1_000 + life));
    assert!(!is_fresh(1_000, 1_001 + life));
    assert!(is_fresh(1_000, 0), "a clock that runs behind");
}

#[test]
fn ticket_keys_that_cannot_be_used() {
    for keys in [&[][..], &[1; TICKET_KEY_BYTES - 1], &[1; TICKET_KEY_BYTES + 1], &[1; 48]] {
        assert_eq!(Tickets::with_keys(keys).unwrap_err(), TicketKeyError::Length);
    }
    Tickets::with_keys(&key(1).repeat(TLS_TICKET_KEYS_MAX)).unwrap();
    let many = key(1).repeat(TLS_TICKET_KEYS_MAX + 1);
    assert_eq!(Tickets::with_keys(&many).unwrap_err(), TicketKeyError::TooMany);
}

#[test]
fn configurations_that_cannot_be_made() {
    let world = World::new();
    let none = ClientAuth::none();
    let no_groups = CryptoProvider { kx_groups: Vec::new(), ..CryptoProvider::clone(&provider()) };
    let made = ServerTls::with_provider(
        Arc::new(no_groups),
        &crate::tls::server_terms::ServerTerms::default(),
        &world.certificate,
        &none,
        &world.tickets,
    );
    assert_eq!(made.unwrap_err(), ServerTlsError::Provider);
    let tickets = Tickets::with_maker(|| Err(rustls::Error::FailedToGetRandomBytes));
    let made = ServerTls::new(&world.certificate, &none, &tickets);
    assert_eq!(made.unwrap_err(), ServerTlsError::Tickets);
}

#[test]
fn a_configuration_is_what_it_says() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    let config = tls.config();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!((config.max_early_data_size, config.send_tls13_tickets), (0, 1));
    assert!(!config.enable_secret_extraction && config.ticketer.enabled());
    assert!(!config.session_storage.can_cache());
    assert!(Arc::ptr_eq(tls.certificate(), &world.certificate));
    // Nothing but AEAD with forward secrecy: TLS 1.2 suites all carry ECDHE by type.
    let suites = &config.crypto_provider().cipher_suites;
    assert!(suites.iter().any(|suite| suite.version() == &TLS12) && suites.len() == 9);
}
