//! The record engine against rustls' buffered connection.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use super::{Pair, VERSIONS, World, load};
use crate::tls::chain_error::ChainError;
use crate::tls::client_auth::{ClientAuth, ClientAuthMode};
use crate::tls::identity::{ClientRefusal, ClientVerdict};
use crate::tls::provider;
use crate::tls::session::{Session, TlsError};

const ALERT: u8 = 21;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..=250).cycle().take(bytes).collect()
}

#[test]
fn the_session_itself_is_small() {
    assert!(size_of::<Session>() <= 48, "{}", size_of::<Session>());
}

#[test]
fn post_quantum_group_comes_first() {
    assert_eq!(provider().kx_groups[0].name(), rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn handshakes_in_both_versions_in_any_pieces() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    for (version, text) in VERSIONS.into_iter().zip(["TLSv1.3", "TLSv1.2"]) {
        for step in [1, 2, 5, 7, 100, 1_400, usize::MAX] {
            let mut pair = Pair::server(&tls, world.client(version));
            assert!(pair.session.is_handshaking());
            pair.step = step;
            pair.run().unwrap();
            assert!(!pair.session.is_handshaking() && !pair.peer.is_handshaking());
            assert_eq!(pair.session.version(), Some(text));
            assert_eq!(pair.session.alpn(), Some(&b"http/1.1"[..]));
            assert!(pair.session.peer_certificates().is_empty() && !pair.session.is_resumed());
            pair.peer_writes(b"ping");
            pair.run().unwrap();
            assert_eq!(pair.plain, b"ping");
            assert!(pair.cipher.is_empty());
            pair.session.seal(b"pong", &mut pair.out).unwrap();
            pair.run().unwrap();
            assert_eq!(pair.peer_plain, b"pong");
        }
    }
}

#[test]
fn client_side_handshakes_in_any_pieces_with_messages_cut_into_many_records() {
    let world = World::new();
    for version in VERSIONS {
        for (step, fragment) in [(usize::MAX, None), (1, Some(64)), (3, Some(32)), (61, Some(100))]
        {
            let mut server = ServerConfig::clone(world.server(&ClientAuth::none()).config());
            server.max_fragment_size = fragment;
            let client = Arc::new(world.client(version));
            let mut pair = Pair::client(client, Arc::new(server));
            pair.step = step;
            pair.run().unwrap();
            assert!(!pair.session.is_handshaking());
            pair.session.seal(&pattern(40_000), &mut pair.out).unwrap();
            pair.run().unwrap();
            assert_eq!(pair.peer_plain, pattern(40_000));
        }
    }
}

/// A ticket cut into many records leaves a part of a message in the buffer while we send.
#[test]
fn sealing_between_the_records_of_one_message() {
    let world = World::new();
    let mut server = ServerConfig::clone(world.server(&ClientAuth::none()).config());
    server.max_fragment_size = Some(40);
    let mut pair = Pair::client(Arc::new(world.client(&TLS13)), Arc::new(server));
    pair.feed().unwrap();
    let mut sealed = Vec::new();
    let mut held = 0;
    for _ in 0..4 {
        pair.peer_reads().unwrap();
        for octet in pair.peer_sends() {
            pair.cipher.push(octet);
            pair.feed().unwrap();
            if !pair.session.is_handshaking() {
                held += usize::from(pair.cipher.len() > 45);
                pair.session.seal(b"x", &mut pair.out).unwrap();
                sealed.push(b'x');
            } else {
                assert_eq!(pair.session.seal(b"x", &mut pair.out), Err(TlsError::NotEstablished));
                pair.session.close(&mut pair.out);
            }
        }
    }
    assert!(held > 20, "{held}");
    pair.peer_reads().unwrap();
    assert_eq!(pair.peer_plain, sealed);
    pair.session.close(&mut pair.out);
    pair.peer_reads().unwrap();
    assert!(pair.is_peer_closed);
}

#[test]
fn large_transfers_both_ways() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    let octets = pattern(300_000);
    for version in VERSIONS {
        let mut pair = Pair::server(&tls, world.client(version));
        pair.step = 1_447;
        pair.run().unwrap();
        pair.session.seal(&octets, &mut pair.out).unwrap();
        let longest = pair.out.len() - octets.len();
        assert!(longest <= octets.len().div_ceil(16_384) * 32, "{longest}");
        pair.peer_reads().unwrap();
        assert!(pair.peer_plain == octets);
        for piece in octets.chunks(20_000) {
            pair.peer_writes(piece);
            pair.run().unwrap();
        }
        assert!(pair.plain == octets);
        assert!(pair.cipher.is_empty());
    }
}

#[test]
fn nothing_sealed_is_nothing_sent() {
    let world = World::new();
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.run().unwrap();
    pair.out.extend_from_slice(b"before");
    pair.session.seal(b"", &mut pair.out).unwrap();
    assert_eq!(pair.out, b"before");
}

#[test]
fn key_updates_of_the_peer_are_answered() {
    let world = World::new();
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.run().unwrap();
    for round in 0..4_u8 {
        pair.peer.refresh_traffic_keys().unwrap();
        pair.peer_writes(&[round]);
        pair.run().unwrap();
        pair.session.seal(&[round; 3], &mut pair.out).unwrap();
        // The answer goes first: KeyUpdate is 5 octets, inner type and tag 17.
        assert_eq!(pair.out[..5], [23, 3, 3, 0, 22]);
        assert_eq!(pair.out[27..32], [23, 3, 3, 0, 20]);
        pair.run().unwrap();
    }
    assert_eq!(pair.plain, [0, 1, 2, 3]);
    assert_eq!(pair.peer_plain.len(), 12);
    // Also before close_notify, if nothing else follows.
    pair.peer.refresh_traffic_keys().unwrap();
    pair.run().unwrap();
    pair.session.close(&mut pair.out);
    pair.run().unwrap();
    assert!(pair.is_peer_closed);
}

#[test]
fn close_notify_of_both_sides() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    for version in VERSIONS {
        let mut pair = Pair::server(&tls, world.client(version));
        pair.run().unwrap();
        pair.peer_writes(b"last");
        pair.peer.send_close_notify();
        pair.run().unwrap();
        assert_eq!(pair.plain, b"last");
        assert!(pair.session.is_closed_by_peer());
        // Half closed: ours still goes out. What comes in is thrown away.
        pair.session.seal(b"answer", &mut pair.out).unwrap();
        pair.cipher.extend_from_slice(b"junk");
        pair.feed().unwrap();
        assert!(pair.cipher.is_empty());
        pair.session.close(&mut pair.out);
        let len = pair.out.len();
        pair.session.close(&mut pair.out);
        assert_eq!(pair.out.len(), len, "once");
        assert_eq!(pair.session.seal(b"more", &mut pair.out), Err(TlsError::Closed));
        pair.run().unwrap();
        assert_eq!(pair.peer_plain, b"answer");
        assert!(pair.is_peer_closed);
    }
}

#[test]
fn truncation_is_told_apart() {
    let world = World::new();
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.run().unwrap();
    pair.peer_writes(b"half");
    let mut wire = pair.peer_sends();
    wire.pop();
    pair.cipher = wire;
    pair.feed().unwrap();
    assert!(pair.plain.is_empty() && !pair.cipher.is_empty());
    assert!(!pair.session.is_closed_by_peer());
    // In the handshake too, and there close says nothing.
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.cipher = pair.peer_sends();
    pair.cipher.truncate(50);
    pair.feed().unwrap();
    pair.session.close(&mut pair.out);
    assert!(pair.out.is_empty());
}

/// Feeds a fresh server `wire` and gives what it says: error and alert number.
fn refuse(world: &World, wire: &[u8]) -> (TlsError, u8) {
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.cipher = wire.to_vec();
    let error = pair.feed().unwrap_err();
    assert_eq!(pair.out[..5], [ALERT, 3, 3, 0, 2], "{:?}", pair.out);
    assert_eq!(pair.out[5], 2, "fatal");
    let alert = pair.out[6];
    // Dead, and quiet.
    let len = pair.out.len();
    assert_eq!(pair.feed(), Err(error));
    assert_eq!(pair.session.seal(b"x", &mut pair.out), Err(error));
    pair.session.close(&mut pair.out);
    assert_eq!(pair.out.len(), len);
    (error, alert)
}

#[test]
fn garbage_in_the_handshake_gets_an_alert() {
    let world = World::new();
    assert_eq!(refuse(&world, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").0, TlsError::Malformed);
    // A ClientHello of the right length and no sense.
    let (error, alert) = refuse(&world, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 9]);
    assert_eq!((error, alert), (TlsError::Malformed, 50));
    // A Finished first.
    let (error, alert) = refuse(&world, &[22, 3, 1, 0, 4, 20, 0, 0, 0]);
    assert_eq!((error, alert), (TlsError::Unexpected, 10));
    // Application data first.
    assert_eq!(refuse(&world, &[23, 3, 3, 0, 1, 0]), (TlsError::Unexpected, 10));
    // A handshake message of more than 64 KiB: rustls makes no alert of it.
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.cipher = vec![22, 3, 1, 0, 4, 1, 2, 0, 0];
    assert_eq!(pair.feed(), Err(TlsError::Malformed));
}

#[test]
fn a_name_that_is_none_is_misbehaviour() {
    let world = World::new();
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    let mut wire = pair.peer_sends();
    let at = wire.windows(12).position(|window| window == b"ringway.test").unwrap();
    wire[at] = b' ';
    assert_eq!(refuse(&world, &wire), (TlsError::Misbehaved, 47));
}

#[test]
fn every_octet_flipped_in_the_first_flight_is_survived() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    let mut pair = Pair::server(&tls, world.client(&TLS12));
    let wire = pair.peer_sends();
    for at in 0..wire.len() {
        let mut pair = Pair::server(&tls, world.client(&TLS12));
        pair.cipher.clone_from(&wire);
        pair.cipher[at] ^= 0x55;
        if pair.feed().is_err() {
            assert!(pair.cipher.is_empty());
        }
    }
}

/// Handshake and application records of an established client, changed and cut everywhere, with
/// sealing and closing in between: nothing panics, and a failed session stays failed.
#[test]
fn every_octet_changed_after_the_first_flight_is_survived() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    for version in VERSIONS {
        let client = Arc::new(world.client(version));
        let mut at = 0;
        loop {
            let mut pair = Pair::server_by(&tls, &client);
            pair.cipher = pair.peer_sends();
            pair.feed().unwrap();
            pair.peer_reads().unwrap();
            pair.peer_writes(b"request");
            let mut wire = pair.peer_sends();
            let Some(octet) = wire.get_mut(at) else {
                break;
            };
            *octet ^= 1 << (at % 8);
            let (first, second) = wire.split_at(at);
            pair.cipher.extend_from_slice(first);
            let first = pair.feed();
            let sealed = pair.session.seal(b"x", &mut pair.out);
            assert!(first.is_ok() || sealed == first);
            pair.cipher.extend_from_slice(second);
            let second = pair.feed();
            assert!(first.is_ok() || second == first);
            if let Err(error) = second {
                assert_eq!(pair.session.seal(b"x", &mut pair.out), Err(error));
                assert_eq!(pair.feed(), Err(error));
            }
            pair.session.close(&mut pair.out);
            at += 1;
        }
        assert!(at > 80);
    }
}

#[test]
fn a_changed_record_ends_the_connection_and_keeps_what_came_before() {
    let world = World::new();
    let tls = world.server(&ClientAuth::none());
    for version in VERSIONS {
        let mut pair = Pair::server(&tls, world.client(version));
        pair.run().unwrap();
        pair.peer_writes(b"good");
        let mut wire = pair.peer_sends();
        pair.peer_writes(b"bad");
        wire.extend(pair.peer_sends());
        *wire.last_mut().unwrap() ^= 1;
        pair.cipher = wire;
        assert_eq!(pair.feed(), Err(TlsError::Decrypt));
        assert_eq!(pair.plain, b"good");
        let alert = rustls::AlertDescription::BadRecordMac;
        assert_eq!(pair.peer_reads(), Err(Error::AlertReceived(alert)));
    }
}

#[test]
fn an_alert_of_the_peer_carries_its_number() {
    let world = World::new();
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS13));
    pair.cipher = vec![ALERT, 3, 3, 0, 2, 2, 42];
    assert_eq!(pair.feed(), Err(TlsError::Alert(42)));
}

#[test]
fn no_application_protocol_in_common() {
    let world = World::new();
    for version in VERSIONS {
        let mut client = world.client(version);
        client.alpn_protocols = vec![b"spdy/3".to_vec()];
        let mut pair = Pair::server(&world.server(&ClientAuth::none()), client);
        assert_eq!(pair.run(), Err(TlsError::NoApplicationProtocol));
        let alert = rustls::AlertDescription::NoApplicationProtocol;
        assert_eq!(pair.peer_reads(), Err(Error::AlertReceived(alert)));
        // None named is fine, and so is ours preferred.
        for (offer, chosen) in [(vec![], None), (vec!["http/1.1", "h2"], Some(&b"h2"[..]))] {
            let mut client = world.client(version);
            client.alpn_protocols = offer.into_iter().map(Vec::from).collect();
            let mut pair = Pair::server(&world.server(&ClientAuth::none()), client);
            pair.run().unwrap();
            assert_eq!(pair.session.alpn(), chosen);
        }
    }
}

#[test]
fn no_version_in_common() {
    let world = World::new();
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&world.server(&ClientAuth::none()).config().cert_resolver));
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut pair = Pair::server(&world.server(&ClientAuth::none()), world.client(&TLS12));
    pair.session = Session::server(Arc::new(server)).unwrap();
    assert_eq!(pair.run(), Err(TlsError::Incompatible));
}

#[test]
fn client_certificates_required_and_optional() {
    let world = World::new();
    let ca = world.authority.pem();
    let good = || Some(world.authority.issue("client.test", 7));
    let bad = || Some(super::Authority::new("Stranger").issue("client.test", 7));
    for version in VERSIONS {
        use ClientAuthMode::{Optional, OptionalNoCa, Required};
        for mode in [Required, Optional, OptionalNoCa] {
            let auth = ClientAuth::from_pem(ca.as_bytes(), None, mode).unwrap();
            let tls = world.server(&auth);
            let run = |client| {
                let mut pair = Pair::server(&tls, client);
                pair.run().unwrap();
                let identity = tls.identify(&pair.session).unwrap();
                (identity.verdict(), identity.admitted())
            };
            let with = |certificate| world.client_with(version, certificate);
            assert_eq!(run(with(good())), (ClientVerdict::Success, Ok(())));
            // A client sends none that no authority named in the request has issued.
            let without = match mode {
                Required => Err(ClientRefusal::Missing),
                _ => Ok(()),
            };
            assert_eq!(run(with(None)), (ClientVerdict::None, without));
            let mut client = world.client(version);
            client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(
                Arc::clone(load(&bad().unwrap()).key()),
            ));
            let unknown = ChainError::LeafUnverified;
            let expected = match mode {
                OptionalNoCa => Ok(()),
                _ => Err(ClientRefusal::Untrusted(unknown)),
            };
            assert_eq!(run(client), (ClientVerdict::Failed(unknown), expected));
        }
    }
}

#[test]
fn a_configuration_that_rustls_refuses() {
    let world = World::new();
    let mut server = ServerConfig::clone(world.server(&ClientAuth::none()).config());
    server.max_fragment_size = Some(1);
    assert_eq!(Session::server(Arc::new(server)).unwrap_err(), TlsError::Local);
    let mut client = world.client(&TLS13);
    client.max_fragment_size = Some(1);
    assert_eq!(Session::client(Arc::new(client), super::name()).unwrap_err(), TlsError::Local);
}

/// A provider whose AES-128-GCM keys are used up after `records`.
fn short_lived(records: u64) -> Arc<CryptoProvider> {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: records,
    };
    let mut cipher_suites = Vec::new();
    if let SupportedCipherSuite::Tls13(suite) = cipher_suite::TLS13_AES_128_GCM_SHA256 {
        let suite = Tls13CipherSuite { common: common(&suite.common), ..*suite };
        cipher_suites.push(SupportedCipherSuite::Tls13(Box::leak(Box::new(suite))));
    }
    if let SupportedCipherSuite::Tls12(suite) =
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    {
        let suite = Tls12CipherSuite { common: common(&suite.common), ..*suite };
        cipher_suites.push(SupportedCipherSuite::Tls12(Box::leak(Box::new(suite))));
    }
    Arc::new(CryptoProvider { cipher_suites, ..CryptoProvider::clone(&provider()) })
}

#[test]
fn keys_that_are_used_up_are_renewed_in_1_3_and_end_the_connection_in_1_2() {
    let world = World::new();
    let tls = crate::tls::server::ServerTls::with_provider(
        short_lived(8),
        &crate::tls::server_terms::ServerTerms::default(),
        &world.certificate,
        &ClientAuth::none(),
        &world.tickets,
    )
    .unwrap();
    let mut pair = Pair::server(&tls, world.client(&TLS13));
    pair.run().unwrap();
    for round in 0..100 {
        pair.session.seal(&[round], &mut pair.out).unwrap();
        pair.run().unwrap();
    }
    assert_eq!(pair.peer_plain, (0..100).collect::<Vec<u8>>());

    let mut pair = Pair::server(&tls, world.client(&TLS12));
    pair.run().unwrap();
    let error = loop {
        if let Err(error) = pair.session.seal(b"x", &mut pair.out) {
            break error;
        }
        assert!(pair.out.len() < 10_000);
    };
    assert_eq!(error, TlsError::Exhausted);
    pair.peer_reads().unwrap();
    assert!(pair.is_peer_closed, "close_notify came out");
    assert!(pair.peer_plain.len() > 3);
    assert_eq!(pair.session.seal(b"x", &mut pair.out), Err(TlsError::Exhausted));
}
