//! Handshakes whose server name is none (RFC 6066 section 3): `[shop.example]`, `shop.example:443`,
//! raw UTF-8. OpenSSL hands such names on and nginx answers with its default certificate; rustls
//! ends the handshake before anybody is asked.
//!
//! So the extension is given another number before rustls sees it, one that nobody assigned: an
//! unknown extension is skipped. The transcript must be that of the client, so that the hash
//! functions of these handshakes put the number back. What OpenSSL refuses (NUL, more than
//! 255 octets, more names than one) is left as it is, and ends in rustls' alert.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CipherSuiteCommon, CryptoProvider, hash};
use rustls::{SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use crate::limits::TLS_SERVER_NAME_BYTES_MAX;

/// Content type of a handshake record, RFC 8446 section 5.1.
const HANDSHAKE: u8 = 22;
const HEADER_BYTES: usize = 5;
/// Handshake type of a ClientHello, RFC 8446 section 4.
const CLIENT_HELLO: u8 = 1;
/// Octets before the session id: head of the message, version, random.
const BEFORE_SESSION_ID: usize = 4 + 2 + 32;
const SERVER_NAME: [u8; 2] = [0, 0];
/// Of the range for private use, RFC 8446 section 11.
const MASK: [u8; 2] = [0xff, 0xa7];

/// Masks the server name in the first ClientHello among whole records. Whether one was there that
/// can be masked.
pub(super) fn mask(records: &mut [u8]) -> bool {
    let (message, places) = first_message(records);
    if message.first() != Some(&CLIENT_HELLO) || extension(&message, MASK).is_some() {
        return false;
    }
    let Some((at, content)) = extension(&message, SERVER_NAME) else { return false };
    if !is_tolerated(content) {
        return false;
    }
    for (offset, octet) in MASK.into_iter().enumerate() {
        let place = places.get(at + offset).and_then(|place| records.get_mut(*place));
        let Some(place) = place else { return false };
        *place = octet;
    }
    true
}

/// Octets of the first handshake message, and where in the records each is.
fn first_message(records: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut message, mut places) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(&[kind, _, _, high, low]) = records.get(at..at + HEADER_BYTES) {
        let start = at + HEADER_BYTES;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        let Some(fragment) = records.get(start..end) else { break };
        if kind == HANDSHAKE {
            message.extend_from_slice(fragment);
            places.extend(start..end);
        }
        at = end;
        if let Some(&[_, high, middle, low]) = message.get(..4)
            && message.len()
                >= 4 + usize::from(high) * 0x1_0000 + usize::from(u16::from_be_bytes([middle, low]))
        {
            break;
        }
    }
    (message, places)
}

/// Where the number of an extension is in a ClientHello, which may be cut behind it, and what the
/// extension holds.
fn extension(message: &[u8], number: [u8; 2]) -> Option<(usize, &[u8])> {
    let byte = |at: usize| message.get(at).map(|octet| usize::from(*octet));
    let word = |at: usize| Some(byte(at)? << 8 | byte(at + 1)?);
    let mut at = BEFORE_SESSION_ID;
    at += 1 + byte(at)?; // session id
    at += 2 + word(at)?; // cipher suites
    at += 1 + byte(at)?; // compression methods
    at += 2; // length of the extensions
    loop {
        let found = message.get(at..at + 2)?;
        let length = word(at + 2)?;
        let content = message.get(at + 4..at + 4 + length)?;
        if found == number {
            return Some((at, content));
        }
        at += 4 + length;
    }
}

/// Whether OpenSSL takes the content of a server_name extension.
fn is_tolerated(content: &[u8]) -> bool {
    let Some((list, [])) = split_by_length(content) else { return false };
    let Some((&0, name)) = list.split_first() else { return false };
    let Some((name, [])) = split_by_length(name) else { return false };
    name.len() <= TLS_SERVER_NAME_BYTES_MAX && !name.contains(&0)
}

fn split_by_length(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The message as the client sent it.
fn unmasked(message: &[u8]) -> Cow<'_, [u8]> {
    if message.first() != Some(&CLIENT_HELLO) {
        return Cow::Borrowed(message);
    }
    let Some((at, _)) = extension(message, MASK) else { return Cow::Borrowed(message) };
    let mut own = message.to_vec();
    for (place, octet) in own.iter_mut().skip(at).zip(SERVER_NAME) {
        *place = octet;
    }
    Cow::Owned(own)
}

/// The algorithms of every connection, with transcripts of unmasked messages.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let own = super::provider::provider();
        let cipher_suites = own.cipher_suites.iter().map(|suite| unmasking(*suite)).collect();
        Arc::new(CryptoProvider { cipher_suites, ..CryptoProvider::clone(&own) })
    });
    Arc::clone(&PROVIDER)
}

/// Suites live as long as the process, and there is one of each.
fn unmasking(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: Box::leak(Box::new(Unmasking(common.hash_provider))),
        confidentiality_limit: common.confidentiality_limit,
    };
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            let suite = Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            };
            SupportedCipherSuite::Tls12(Box::leak(Box::new(suite)))
        }
        SupportedCipherSuite::Tls13(suite) => {
            let suite = Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: suite.aead_alg,
                quic: suite.quic,
            };
            SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
        }
    }
}

/// A hash function of transcripts. rustls hands over whole messages.
struct Unmasking(&'static dyn hash::Hash);

impl hash::Hash for Unmasking {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Transcript(self.0.start()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        self.0.hash(data)
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        self.0.algorithm()
    }
}

struct Transcript(Box<dyn hash::Context>);

impl hash::Context for Transcript {
    fn fork_finish(&self) -> hash::Output {
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Self(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        self.0.finish()
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(&unmasked(data));
    }
}
