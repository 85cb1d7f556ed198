//! Secret → certificate, or bundle of CAs for client certificates.
//!
//! Each version of a Secret is parsed once, and only if something uses it. A new version that
//! cannot serve leaves the last good certificate in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;

use crate::control::source::report::Finding;
use crate::control::store::{Entries, Entry};
use crate::model::{Kind, ObjectRef, reason};
use crate::tls::certificate::{Certificate, CertificateError, Validity};
use crate::tls::client_auth::{ClientAuth, ClientAuthError, ClientDemand};
use crate::tls::tickets::TicketKeyError;

/// Leaf first, then intermediates.
pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";
pub(super) const CA: &str = "ca.crt";
const CRL: &str = "ca.crl";
/// Keys of session tickets, one after the other.
const TICKET_KEYS: &str = "keys";

/// Why a Secret cannot be used, or not as meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretDefect {
    /// No such object.
    #[error("there is no Secret {0}")]
    Missing(ObjectName),
    /// Not the Secret that was meant.
    #[error("the Secret {0} has no {1}")]
    NoKey(ObjectName, &'static str),
    /// See [`CertificateError`].
    #[error("the certificate of the Secret {0} cannot be used: {1}")]
    Certificate(ObjectName, CertificateError),
    /// Its time is over.
    #[error("the certificate of the Secret {0} has expired")]
    Expired(ObjectName),
    /// Its time has not come.
    #[error("the certificate of the Secret {0} is not valid yet")]
    NotYetValid(ObjectName),
    /// See [`ClientAuthError`].
    #[error("the CAs of the Secret {0} cannot be used: {1}")]
    ClientAuth(ObjectName, ClientAuthError),
    /// See [`TicketKeyError`].
    #[error("the ticket keys of the Secret {0} cannot be used: {1}")]
    TicketKeys(ObjectName, TicketKeyError),
}

/// `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectName(pub ObjectRef);

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0.namespace, self.0.name)
    }
}

/// What serves in the name of a Secret.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// `None`: the default certificate has to.
    pub certificate: Option<Arc<Certificate>>,
    /// Of the newest version.
    pub defect: Option<SecretDefect>,
    /// The certificate is that of an older version.
    pub is_last_good: bool,
}

/// The Secrets that something uses.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Who uses a Secret.
    users: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    held: BTreeMap<ObjectRef, Held>,
}

/// What is known of one Secret.
#[derive(Debug, Default)]
struct Held {
    /// The version that the rest was read from.
    version: Option<Arc<Secret>>,
    newest: Option<Result<Arc<Certificate>, SecretDefect>>,
    /// The last one that was valid when it was looked at.
    good: Option<Arc<Certificate>>,
    client_auth: BTreeMap<ClientDemand, Result<Arc<ClientAuth>, SecretDefect>>,
    /// When time alone changes what serves.
    changes_at: Option<SystemTime>,
}

impl Held {
    fn is_of(&self, version: Option<&Arc<Secret>>) -> bool {
        is_same(self.version.as_ref(), version)
    }
}

/// Whether it is the same object: what was made of it is not compared.
pub(super) fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// A reference to a Secret.
pub(super) fn secret_ref(namespace: &Arc<str>, name: &str) -> ObjectRef {
    ObjectRef { kind: Kind::Secret, namespace: Arc::clone(namespace), name: name.into() }
}

impl SecretDefect {
    pub(super) fn ticket_keys(secret: &ObjectRef, error: TicketKeyError) -> Self {
        Self::TicketKeys(ObjectName(secret.clone()), error)
    }

    /// Whether the owner of the Secret knows already: it is not missing, it was refused.
    pub(super) fn is_told(&self, broken: &BTreeSet<ObjectRef>) -> bool {
        matches!(self, Self::Missing(name) if broken.contains(&name.0))
    }

    /// For the owner of `field`, which names the Secret; `effect` is what follows from it.
    pub(super) fn finding(&self, field: String, effect: &str) -> Finding {
        let (reason, advice) = match self {
            Self::Missing(_) => (reason!("SecretMissing"), "Create it, or correct the name."),
            Self::NoKey(..) => (reason!("SecretInvalid"), "Name a Secret that has it."),
            Self::Certificate(_, CertificateError::KeyMismatch) => (
                reason!("CertificateKeyMismatch"),
                "Store the key that the certificate was issued for.",
            ),
            Self::Certificate(..) => (
                reason!("CertificateInvalid"),
                "Store a certificate chain in PEM, leaf first, and its key.",
            ),
            Self::Expired(_) => (reason!("CertificateExpired"), "Renew it."),
            Self::NotYetValid(_) => {
                (reason!("CertificateNotYetValid"), "See whether the clock is right.")
            }
            Self::ClientAuth(..) => (reason!("ClientCaInvalid"), "Store certificates in PEM."),
            Self::TicketKeys(..) => (
                reason!("TicketKeysInvalid"),
                "Store what `openssl rand 80` makes, once for each key.",
            ),
        };
        Finding { reason, field, message: format!("{self}; {effect}."), advice: advice.into() }
    }
}

impl Secrets {
    /// `user` uses the Secret from now on.
    pub(super) fn acquire(&mut self, secret: &ObjectRef, user: &ObjectRef) {
        self.users.entry(secret.clone()).or_default().insert(user.clone());
    }

    /// `user` uses it no longer. What nobody uses is forgotten by [`Self::forget_unused`], so that
    /// a user may come back first.
    pub(super) fn release(&mut self, secret: &ObjectRef, user: &ObjectRef) {
        if let Some(users) = self.users.get_mut(secret) {
            users.remove(user);
        }
    }

    /// Who uses the Secret.
    pub(super) fn users(&self, secret: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.users.get(secret).into_iter().flatten()
    }

    /// Drops what nobody uses, keys among it.
    pub(super) fn forget_unused(&mut self) {
        self.users.retain(|_, users| !users.is_empty());
        self.held.retain(|secret, _| self.users.contains_key(secret));
    }

    /// Secrets of which time alone made something else.
    pub(super) fn due(&self, now: SystemTime) -> Vec<ObjectRef> {
        let due = self.held.iter().filter(|(_, held)| held.changes_at.is_some_and(|at| at < now));
        due.map(|(secret, _)| secret.clone()).collect()
    }

    /// What serves in the name of `secret`.
    ///
    /// A version that is malformed, expired or not valid yet leaves the certificate of an older one
    /// in force; where there is none, a certificate out of its time is served rather than none. A
    /// Secret that is gone takes its certificate with it.
    pub(super) fn certificate(
        &mut self,
        stored: &Entries<Secret>,
        secret: &ObjectRef,
        now: SystemTime,
    ) -> Found {
        let held = self.look(stored, secret);
        let version = held.version.as_deref();
        let newest = held.newest.get_or_insert_with(|| parse_certificate(secret, version)).clone();
        let (in_force, changes_at) = match newest {
            Ok(newest) => match newest.validity(now) {
                Validity::Valid => {
                    held.good = Some(Arc::clone(&newest));
                    let changes_at = newest.not_after();
                    (
                        Found { certificate: Some(newest), defect: None, is_last_good: false },
                        Some(changes_at),
                    )
                }
                validity => out_of_time(secret, newest, validity, held.good.as_ref(), now),
            },
            Err(defect) => {
                if matches!(defect, SecretDefect::Missing(_)) {
                    held.good = None;
                }
                let certificate = held.good.clone();
                let is_last_good = certificate.is_some();
                (Found { certificate, defect: Some(defect), is_last_good }, None)
            }
        };
        // What is over stays over.
        held.changes_at = changes_at.filter(|at| *at >= now);
        in_force
    }

    /// What would serve in the name of `secret` if something used it now, and changes nothing.
    /// `None`: it cannot be known. The source fetches the Secrets that are in use, so that one
    /// that nothing uses yet may exist all the same.
    pub(super) fn peek_certificate(
        &self,
        stored: &Entries<Secret>,
        secret: &ObjectRef,
        now: SystemTime,
    ) -> Option<Found> {
        let (version, held) = self.peek(stored, secret)?;
        let good = held.and_then(|held| held.good.as_ref());
        let read = held.filter(|held| held.is_of(version)).and_then(|held| held.newest.clone());
        let newest = read.unwrap_or_else(|| parse_certificate(secret, version.map(|v| &**v)));
        Some(match newest {
            Ok(newest) => match newest.validity(now) {
                Validity::Valid => {
                    Found { certificate: Some(newest), defect: None, is_last_good: false }
                }
                validity => out_of_time(secret, newest, validity, good, now).0,
            },
            Err(defect) => {
                let is_gone = matches!(defect, SecretDefect::Missing(_));
                let certificate = good.filter(|_| !is_gone).cloned();
                let is_last_good = certificate.is_some();
                Found { certificate, defect: Some(defect), is_last_good }
            }
        })
    }

    /// The same of its CAs.
    pub(super) fn peek_client_auth(
        &self,
        stored: &Entries<Secret>,
        secret: &ObjectRef,
        demand: ClientDemand,
    ) -> Option<Result<Arc<ClientAuth>, SecretDefect>> {
        let (version, held) = self.peek(stored, secret)?;
        let held = held.filter(|held| held.is_of(version));
        let read = held.and_then(|held| held.client_auth.get(&demand).cloned());
        Some(read.unwrap_or_else(|| parse_client_auth(secret, version.map(|v| &**v), demand)))
    }

    /// The stored version and what is known of it or of one before.
    fn peek<'a>(
        &'a self,
        stored: &'a Entries<Secret>,
        secret: &ObjectRef,
    ) -> Option<(Option<&'a Arc<Secret>>, Option<&'a Held>)> {
        let version = stored.get(secret).map(|Entry { object, provenance: _ }| object);
        let is_known = version.is_some() || self.users.contains_key(secret);
        is_known.then(|| (version, self.held.get(secret)))
    }

    /// The CAs of `secret`. No older version stands in for a defect: whom it let in might be whom
    /// the newer one keeps out.
    ///
    /// # Errors
    /// The Secret's owner is at fault; nobody may be let in.
    pub(super) fn client_auth(
        &mut self,
        stored: &Entries<Secret>,
        secret: &ObjectRef,
        demand: ClientDemand,
    ) -> Result<Arc<ClientAuth>, SecretDefect> {
        let held = self.look(stored, secret);
        let version = held.version.as_deref();
        let known = held.client_auth.entry(demand);
        known.or_insert_with(|| parse_client_auth(secret, version, demand)).clone()
    }

    /// What is known of the stored version.
    fn look(&mut self, stored: &Entries<Secret>, secret: &ObjectRef) -> &mut Held {
        let version = stored.get(secret).map(|Entry { object, provenance: _ }| object);
        let held = self.held.entry(secret.clone()).or_default();
        if !held.is_of(version) {
            let good = held.good.take();
            *held = Held { version: version.cloned(), good, ..Held::default() };
        }
        held
    }
}

/// What serves where the newest certificate is out of its time.
fn out_of_time(
    secret: &ObjectRef,
    newest: Arc<Certificate>,
    validity: Validity,
    good: Option<&Arc<Certificate>>,
    now: SystemTime,
) -> (Found, Option<SystemTime>) {
    let name = ObjectName(secret.clone());
    let (defect, valid_from) = match validity {
        Validity::NotYet { from } => (SecretDefect::NotYetValid(name), Some(from)),
        Validity::Expired { .. } | Validity::Valid => (SecretDefect::Expired(name), None),
    };
    let good = good.filter(|good| good.validity(now) == Validity::Valid);
    let changes_at = valid_from.into_iter().chain(good.map(|good| good.not_after())).min();
    let is_last_good = good.is_some();
    let certificate = Some(good.map_or(newest, Arc::clone));
    (Found { certificate, defect: Some(defect), is_last_good }, changes_at)
}

fn parse_certificate(
    secret: &ObjectRef,
    version: Option<&Secret>,
) -> Result<Arc<Certificate>, SecretDefect> {
    let name = || ObjectName(secret.clone());
    let version = version.ok_or_else(|| SecretDefect::Missing(name()))?;
    let value = |key| value(version, key).ok_or_else(|| SecretDefect::NoKey(name(), key));
    Certificate::from_pem(value(CERTIFICATE)?, value(KEY)?)
        .map_err(|error| SecretDefect::Certificate(name(), error))
}

fn parse_client_auth(
    secret: &ObjectRef,
    version: Option<&Secret>,
    demand: ClientDemand,
) -> Result<Arc<ClientAuth>, SecretDefect> {
    let name = || ObjectName(secret.clone());
    let version = version.ok_or_else(|| SecretDefect::Missing(name()))?;
    let ca = value(version, CA).ok_or_else(|| SecretDefect::NoKey(name(), CA))?;
    ClientAuth::from_pem(ca, value(version, CRL), demand)
        .map_err(|error| SecretDefect::ClientAuth(name(), error))
}

/// The keys of session tickets, not yet looked at.
///
/// # Errors
/// There is no such Secret, or it has none.
pub(super) fn ticket_keys<'a>(
    secret: &ObjectRef,
    version: Option<&'a Secret>,
) -> Result<&'a [u8], SecretDefect> {
    let name = || ObjectName(secret.clone());
    let version = version.ok_or_else(|| SecretDefect::Missing(name()))?;
    value(version, TICKET_KEYS).ok_or_else(|| SecretDefect::NoKey(name(), TICKET_KEYS))
}

/// What stands under each key.
pub(super) fn values(secret: &Secret) -> BTreeMap<&str, &[u8]> {
    let Secret { data, string_data, type_: _, immutable: _, metadata: _ } = secret;
    let octets = data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    let texts = string_data.iter().flatten();
    octets.chain(texts.map(|(key, text)| (key.as_str(), text.as_bytes()))).collect()
}

/// The octets under `key`; an empty value is none. The type of the Secret does not matter:
/// cert-manager and others store pairs in Secrets of several types.
pub(super) fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let Secret { data, string_data, type_: _, immutable: _, metadata: _ } = secret;
    // An API server would have moved `stringData` into `data`, over what is there.
    let text = string_data.as_ref().and_then(|data| data.get(key)).map(String::as_bytes);
    let octets = || data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    text.or_else(octets).filter(|octets| !octets.is_empty())
}
