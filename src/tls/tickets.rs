//! Session tickets: one set of keys for each client-auth policy, shared by all cores.
//!
//! rustls resumes whatever a ticketer opens, also for a host that demands a client certificate. So
//! it is a matter of keys that a ticket made under one policy opens nothing under another.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use rustls::Error;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ProducesTickets;

use super::client_auth::{ClientAuthId, Judge};
use crate::limits::{TLS_TICKET_KEYS_MAX, TLS_TICKET_LIFETIME};

/// Octets of one key given from outside: what `openssl rand 80` makes, as for nginx.
pub const TICKET_KEY_BYTES: usize = 80;
const NAME_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const TIME_BYTES: usize = 8;

/// Why keys from outside cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketKeyError {
    /// Not a whole number of keys, or none.
    #[error("ticket keys are {TICKET_KEY_BYTES} bytes each, one after the other")]
    Length,
    /// More keys than the limit.
    #[error("more than {TLS_TICKET_KEYS_MAX} ticket keys")]
    TooMany,
}

type Make = fn() -> Result<Arc<dyn ProducesTickets>, Error>;

enum Source {
    /// Keys of this process alone, renewed every six hours.
    Own(Make),
    /// Keys from outside, so that replicas open each other's tickets.
    Given(Vec<hkdf::Prk>),
}

/// The ticketers of the process. One lives as long as a configuration uses it.
pub struct Tickets {
    source: Source,
    ticketers: Mutex<HashMap<ClientAuthId, Weak<dyn ProducesTickets>>>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

impl Tickets {
    /// With keys that are made here, rotated, and never leave the process.
    pub fn new() -> Self {
        Self::from_source(Source::Own(Ticketer::new))
    }

    /// With keys from outside, each [`TICKET_KEY_BYTES`] long: the first makes tickets, all open
    /// them. Rotation is the owner's: put a new key last everywhere, then first, then drop the old.
    ///
    /// # Errors
    /// See [`TicketKeyError`].
    pub fn with_keys(keys: &[u8]) -> Result<Self, TicketKeyError> {
        let (keys, rest) = keys.as_chunks::<TICKET_KEY_BYTES>();
        if keys.is_empty() || !rest.is_empty() {
            return Err(TicketKeyError::Length);
        }
        if keys.len() > TLS_TICKET_KEYS_MAX {
            return Err(TicketKeyError::TooMany);
        }
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"ringway tickets 1");
        Ok(Self::from_source(Source::Given(keys.iter().map(|key| salt.extract(key)).collect())))
    }

    fn from_source(source: Source) -> Self {
        Self { source, ticketers: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn with_maker(make: Make) -> Self {
        Self::from_source(Source::Own(make))
    }

    /// The one ticketer of a policy, for every certificate and core.
    ///
    /// # Errors
    /// Keys cannot be made: no random numbers.
    pub(super) fn ticketer(&self, id: ClientAuthId) -> Result<Arc<dyn ProducesTickets>, Error> {
        let mut ticketers = self.ticketers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticketer) = ticketers.get(&id).and_then(Weak::upgrade) {
            return Ok(ticketer);
        }
        let ticketer = match &self.source {
            Source::Own(make) => make()?,
            Source::Given(keys) => {
                let keys = keys.iter().map(|key| TicketKey::derive(key, id));
                let keys = keys.collect::<Option<_>>().ok_or(Error::EncryptError)?;
                Arc::new(GivenKeys { keys }) as Arc<dyn ProducesTickets>
            }
        };
        ticketers.retain(|_, ticketer| ticketer.strong_count() > 0);
        ticketers.insert(id, Arc::downgrade(&ticketer));
        Ok(ticketer)
    }
}

/// Tickets for sessions that are served, and for no others: who resumes a session is not asked for
/// a certificate again, and could not mend what was wrong with it for as long as the ticket lives.
#[derive(Debug)]
pub(super) struct AdmittedOnly {
    pub judge: Arc<Judge>,
    pub ticketer: Arc<dyn ProducesTickets>,
}

impl ProducesTickets for AdmittedOnly {
    fn enabled(&self) -> bool {
        self.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let chain = client_chain(plain)?;
        if self.judge.admits(&chain) { self.ticketer.encrypt(plain) } else { None }
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.ticketer.decrypt(cipher)
    }
}

/// The client's certificates in the state of a session as rustls writes it; tests notice when it
/// writes something else. `None`: it does.
fn client_chain(state: &[u8]) -> Option<Vec<CertificateDer<'_>>> {
    let (&has_name, mut rest) = state.split_first()?;
    if has_name == 1 {
        rest = take(rest, 1)?.1;
    }
    // Version and suite.
    rest = rest.get(4..)?;
    // Master secret, then whether it is an extended one.
    rest = take(rest, 1)?.1.get(1..)?;
    let (&has_chain, rest) = rest.split_first()?;
    let mut chain = Vec::new();
    if has_chain == 1 {
        let mut list = take(rest, 3)?.0;
        while !list.is_empty() {
            let (certificate, others) = take(list, 3)?;
            chain.push(CertificateDer::from(certificate));
            list = others;
        }
    }
    Some(chain)
}

/// What a length of so many octets says is next, and the rest.
fn take(octets: &[u8], length_bytes: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_at_checked(length_bytes)?;
    let length = length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
    rest.split_at_checked(length)
}

/// A length for HKDF.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// What one key from outside becomes for one policy.
struct TicketKey {
    name: [u8; NAME_BYTES],
    secret: hkdf::Prk,
}

impl TicketKey {
    fn derive(key: &hkdf::Prk, id: ClientAuthId) -> Option<Self> {
        let id = id.0.to_be_bytes();
        let mut name = [0; NAME_BYTES];
        key.expand(&[b"name", &id], Length(NAME_BYTES)).ok()?.fill(&mut name).ok()?;
        let mut secret = [0; SECRET_BYTES];
        key.expand(&[b"secret", &id], Length(SECRET_BYTES)).ok()?.fill(&mut secret).ok()?;
        Some(Self { name, secret: hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &secret) })
    }

    /// The AEAD key of one ticket. A key from outside lives for long on many replicas, where random
    /// nonces of 96 bits would meet; a salt of 256 bits never does, and the nonce can be constant.
    fn aead(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let info = [salt];
        let key = self.secret.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// Tickets of keys from outside: name, salt, and under AES-256-GCM the time of issue and the state.
struct GivenKeys {
    keys: Vec<TicketKey>,
}

impl fmt::Debug for GivenKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GivenKeys").finish_non_exhaustive()
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl ProducesTickets for GivenKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(TLS_TICKET_LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).ok()?;
        let mut sealed = Vec::with_capacity(TIME_BYTES + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&UnixTime::now().as_secs().to_be_bytes());
        sealed.extend_from_slice(plain);
        let aead = key.aead(&salt)?;
        aead.seal_in_place_append_tag(nonce(), Aad::from(key.name), &mut sealed).ok()?;
        Some([&key.name[..], &salt, &sealed].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = cipher.split_first_chunk::<NAME_BYTES>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_BYTES>()?;
        let key = self.keys.iter().find(|key| key.name == *name)?;
        let mut sealed = sealed.to_vec();
        let plain = key.aead(salt)?.open_in_place(nonce(), Aad::from(name), &mut sealed).ok()?;
        let (issued, plain) = plain.split_first_chunk::<TIME_BYTES>()?;
        let is_fresh = is_fresh(u64::from_be_bytes(*issued), UnixTime::now().as_secs());
        is_fresh.then(|| plain.to_vec())
    }
}

/// Whether a ticket may still be used, in seconds since 1970: keys from outside may stay for longer
/// than a ticket may live. Clocks of replicas differ, so one from the future is as good as new.
pub(super) fn is_fresh(issued: u64, now: u64) -> bool {
    now.saturating_sub(issued) <= TLS_TICKET_LIFETIME.as_secs()
}
