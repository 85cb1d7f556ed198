//! ClientHellos of a real client, cut in every way.

use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection};
use std::sync::Arc;

use super::World;
use crate::limits::TLS_HELLO_BYTES_MAX;
use crate::tls::hello::{ClientHello, Hello, HelloError, read_hello};

const NAME: &str = "ringway.test";

fn first_flight(change: impl FnOnce(&mut ClientConfig)) -> Vec<u8> {
    let mut config = World::new().client(&TLS13);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    change(&mut config);
    let name = ServerName::try_from(NAME).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut wire = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut wire).unwrap();
    }
    wire
}

/// The same message in records of `bytes`.
fn cut(wire: &[u8], bytes: usize) -> Vec<u8> {
    let mut message = Vec::new();
    let mut rest = wire;
    while let Some((&[_, _, _, high, low], after)) = rest.split_first_chunk::<5>() {
        let (fragment, after) = after.split_at(usize::from(u16::from_be_bytes([high, low])));
        message.extend_from_slice(fragment);
        rest = after;
    }
    let mut cut = Vec::new();
    for fragment in message.chunks(bytes) {
        cut.extend_from_slice(&[22, 3, 1]);
        cut.extend_from_slice(&u16::try_from(fragment.len()).unwrap().to_be_bytes());
        cut.extend_from_slice(fragment);
    }
    cut
}

/// The name replaced by one of the same length.
fn named(name: &str) -> Vec<u8> {
    assert_eq!(name.len(), NAME.len());
    let mut wire = first_flight(|_| {});
    let at = wire.windows(NAME.len()).position(|window| window == NAME.as_bytes()).unwrap();
    wire[at..at + NAME.len()].copy_from_slice(name.as_bytes());
    wire
}

fn server_name(wire: &[u8]) -> Option<String> {
    match read_hello(wire) {
        Ok(Hello::Complete(hello)) => hello.server_name,
        other => panic!("{other:?}"),
    }
}

fn expected() -> Hello {
    Hello::Complete(ClientHello {
        server_name: Some(NAME.to_owned()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        is_name_masked: false,
    })
}

#[test]
fn every_beginning_is_incomplete_and_the_whole_is_read() {
    let wire = first_flight(|_| {});
    assert!(wire.len() > 1_400, "a post-quantum share does not fit into one segment");
    for bytes in [usize::MAX, 1_000, 100, 5, 4, 3, 2, 1] {
        let wire = cut(&wire, bytes);
        for end in 0..wire.len() {
            assert_eq!(read_hello(&wire[..end]), Ok(Hello::Incomplete), "{bytes} {end}");
        }
        assert_eq!(read_hello(&wire), Ok(expected()), "{bytes}");
    }
}

#[test]
fn what_follows_the_hello_does_not_matter() {
    let mut wire = first_flight(|_| {});
    wire.extend_from_slice(&[20, 3, 3, 0, 1, 1, 23]);
    assert_eq!(read_hello(&wire), Ok(expected()));
    wire.extend(vec![0; TLS_HELLO_BYTES_MAX]);
    assert_eq!(read_hello(&wire), Ok(expected()));
}

#[test]
fn names_of_all_kinds() {
    assert_eq!(server_name(&first_flight(|config| config.enable_sni = false)), None);
    assert_eq!(server_name(&named("RINGWAY.Test")).as_deref(), Some(NAME));
    assert_eq!(server_name(&named("ringway.tes.")).as_deref(), Some("ringway.tes"));
    assert_eq!(server_name(&named("192.168.10.1")), None);
    // None of these is a host name; nginx answers with its default certificate.
    for name in ["ringway test", "ringway..tes", "*.ingway.tes", "ringway/test", "[ringway.te]"] {
        match read_hello(&named(name)) {
            Ok(Hello::Complete(ClientHello { server_name: None, is_name_masked: true, alpn })) => {
                assert_eq!(alpn.len(), 2, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    // Nor is this, and OpenSSL refuses it.
    assert_eq!(read_hello(&named("ringway\0test")), Err(HelloError::ServerName));
}

#[test]
fn without_application_protocols() {
    match read_hello(&first_flight(|config| config.alpn_protocols.clear())) {
        Ok(Hello::Complete(hello)) => assert!(hello.alpn.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_large_is_told_as_soon_as_it_is_known() {
    let many = |config: &mut ClientConfig| {
        config.alpn_protocols = (0..70).map(|at| vec![b'a' + at % 26; 250]).collect();
    };
    let wire = first_flight(many);
    assert!(wire.len() > TLS_HELLO_BYTES_MAX);
    assert_eq!(read_hello(&wire[..8]), Ok(Hello::Incomplete));
    // The length in the head of the message is enough.
    assert_eq!(read_hello(&wire[..9]), Err(HelloError::TooLarge));
    // One octet a record: the message is small, the flight is not.
    let wire = cut(
        &first_flight(|config| {
            config.alpn_protocols = (0..7).map(|at| vec![b'a' + at; 250]).collect();
        }),
        1,
    );
    assert!(wire.len() > TLS_HELLO_BYTES_MAX);
    assert_eq!(read_hello(&wire[..TLS_HELLO_BYTES_MAX - 1]), Ok(Hello::Incomplete));
    assert_eq!(read_hello(&wire[..TLS_HELLO_BYTES_MAX]), Err(HelloError::TooLarge));
    assert_eq!(read_hello(&wire), Err(HelloError::TooLarge));
}

#[test]
fn other_protocols_and_broken_records() {
    for octets in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-a\r\n",
        &[22, 2],
        &[22, 3, 1, 0, 0],
        &[22, 3, 1, 0x40, 1],
        &[22, 3, 1, 0, 4, 2],
        &[0x80, 46, 1, 3, 1],
        &[21, 3, 3, 0, 2, 2, 0],
    ] {
        assert_eq!(read_hello(octets), Err(HelloError::NotTls), "{octets:?}");
    }
    for octets in [
        // Another kind of record, or an empty one, within the message.
        &[22, 3, 1, 0, 1, 1, 23, 3, 3][..],
        &[22, 3, 1, 0, 1, 1, 22, 3, 3, 0, 0],
        // A message without its fields.
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 7],
    ] {
        assert_eq!(read_hello(octets), Err(HelloError::Malformed), "{octets:?}");
    }
}

#[test]
fn every_octet_changed_is_survived() {
    let wire = first_flight(|_| {});
    for at in 0..wire.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut wire = wire.clone();
            wire[at] ^= flip;
            // Whatever it says, it says it.
            drop(read_hello(&wire));
        }
    }
}

#[test]
fn alerts_are_whole_records() {
    assert!(HelloError::NotTls.alert().is_empty());
    for (error, number) in
        [(HelloError::TooLarge, 50), (HelloError::Malformed, 50), (HelloError::ServerName, 47)]
    {
        assert_eq!(error.alert(), [21, 3, 3, 0, 2, 2, number]);
    }
}
