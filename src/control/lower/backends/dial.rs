//! How a backend is spoken to by TLS: annotations and Secret → client settings.
//!
//! Backends that want the same share one object, which stays the same until their Secret changes:
//! another object is another wire, and costs them their pooled connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Secret;

use super::service::service_ref;
use crate::control::lower::ingress::annotations::backend_tls;
use crate::control::lower::secrets::{
    CA, CERTIFICATE, Found, KEY, ObjectName, SecretDefect, Secrets, is_same, secret_ref, value,
};
use crate::control::source::report::Finding;
use crate::control::store::Entries;
use crate::model::{BackendKey, DialTls, ObjectRef, TlsVersion};
use crate::tls::certificate::Certificate;
use crate::tls::client::{ClientTls, ClientTlsError, Terms, Verify, Version};

/// Why a backend cannot be spoken to as its owner wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialDefect {
    /// Nothing to verify against.
    #[error("certificates of the backend are to be verified and no Secret names a CA")]
    NoCa,
    /// The Secret, or what it should hold, is missing; or its certificate never was usable.
    #[error("{0}")]
    Secret(#[from] SecretDefect),
    /// Of the CA, in all likelihood: see [`ClientTlsError`].
    #[error("TLS cannot be spoken with the backend: {0}")]
    Tls(#[from] ClientTlsError),
}

impl DialDefect {
    /// See [`SecretDefect::is_told`].
    pub(crate) fn is_told(&self, broken: &BTreeSet<ObjectRef>) -> bool {
        matches!(self, Self::Secret(defect) if defect.is_told(broken))
    }

    /// For the owner of the annotations; `effect` is what follows from it.
    pub(crate) fn finding(&self, effect: &str) -> Finding {
        let (reason, field, advice) = match self {
            Self::Secret(defect) => return defect.finding(backend_tls::secret_field(), effect),
            Self::NoCa => (
                "BackendCaMissing",
                backend_tls::verify_field(),
                "Name a Secret with ca.crt in proxy-ssl-secret.",
            ),
            Self::Tls(_) => {
                ("BackendCaInvalid", backend_tls::secret_field(), "Store certificates in PEM.")
            }
        };
        Finding { reason, field, message: format!("{self}; {effect}."), advice: advice.into() }
    }
}

/// Settings for one backend.
#[derive(Debug)]
pub(crate) struct Made {
    pub tls: Arc<ClientTls>,
    /// Of the client certificate; an older one is shown, or one out of its time.
    pub defect: Option<SecretDefect>,
}

/// What settings depend on. The server name is not among it: it goes with each connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    secret: Option<ObjectRef>,
    verify: bool,
    terms: Terms,
    is_http2: bool,
}

/// Settings and what of a Secret went into them.
#[derive(Debug)]
struct Kept {
    certificate: Option<Arc<Certificate>>,
    ca: Option<Vec<u8>>,
    tls: Arc<ClientTls>,
}

/// All settings in use, and who uses which Secret.
#[derive(Default)]
pub(crate) struct Dialers {
    secrets: Secrets,
    users: BTreeMap<ObjectRef, BTreeSet<BackendKey>>,
    kept: BTreeMap<Way, Kept>,
}

impl std::fmt::Debug for Dialers {
    /// Keys stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialers").field("users", &self.users).finish_non_exhaustive()
    }
}

impl Dialers {
    /// The backend is in use.
    pub(crate) fn acquire(&mut self, key: &BackendKey) {
        if let Some(secret) = secret_of(key) {
            self.secrets.acquire(&secret, &service_ref(key));
            self.users.entry(secret).or_default().insert(key.clone());
        }
    }

    /// The backend is no longer in use.
    pub(crate) fn release(&mut self, key: &BackendKey) {
        let Some(secret) = secret_of(key) else { return };
        let Some(users) = self.users.get_mut(&secret) else { return };
        users.remove(key);
        // The Service may have another port, or way, that uses it.
        if !users.iter().any(|o| o.namespace == key.namespace && o.service == key.service) {
            self.secrets.release(&secret, &service_ref(key));
        }
        if users.is_empty() {
            self.users.remove(&secret);
        }
    }

    /// Marks the backends that use a Secret that changed, or of which time made something else.
    pub(crate) fn touch_secrets<'a>(
        &self,
        dirty: impl Iterator<Item = &'a ObjectRef>,
        now: SystemTime,
        backends: &mut BTreeSet<BackendKey>,
    ) {
        for secret in dirty.cloned().chain(self.secrets.due(now)) {
            backends.extend(self.users.get(&secret).into_iter().flatten().cloned());
        }
    }

    /// Drops what nobody uses, keys among it.
    pub(crate) fn forget_unused(&mut self) {
        self.secrets.forget_unused();
        self.kept.retain(|_, kept| Arc::strong_count(&kept.tls) > 1);
    }

    /// Why a backend that nothing names yet could not be spoken to by TLS, as far as it is known
    /// without making settings.
    pub(crate) fn review(&self, stored: &Entries<Secret>, dial: &DialTls) -> Option<DialDefect> {
        let Some((namespace, name)) = &dial.secret else {
            return dial.verify.then_some(DialDefect::NoCa);
        };
        let secret = secret_ref(namespace, name);
        let Some(entry) = stored.get(&secret) else {
            let is_missing = self.users.contains_key(&secret);
            return is_missing.then(|| SecretDefect::Missing(ObjectName(secret)).into());
        };
        let lacks_ca = dial.verify && value(&entry.object, CA).is_none();
        lacks_ca.then(|| SecretDefect::NoKey(ObjectName(secret), CA).into())
    }

    /// Settings for a backend that [`Self::acquire`] was told of; `dial` as its key has it.
    ///
    /// # Errors
    /// It must not be spoken to.
    pub(crate) fn make(
        &mut self,
        stored: &Entries<Secret>,
        dial: Option<&DialTls>,
        is_http2: bool,
        now: SystemTime,
    ) -> Result<Made, DialDefect> {
        let verify = dial.is_some_and(|dial| dial.verify);
        let secret = dial.and_then(|dial| dial.secret.as_ref());
        let secret = secret.map(|(namespace, name)| secret_ref(namespace, name));
        let (mut certificate, mut defect, mut ca) = (None, None, None);
        match &secret {
            Some(secret) => {
                let version = stored.get(secret).map(|entry| &*entry.object);
                let has = |key| version.is_some_and(|version| value(version, key).is_some());
                // One with a CA alone is for verification only.
                if has(CERTIFICATE) || has(KEY) || !has(CA) {
                    match self.secrets.certificate(stored, secret, now) {
                        Found { certificate: None, defect: Some(defect), .. } => {
                            return Err(defect.into());
                        }
                        found => (certificate, defect) = (found.certificate, found.defect),
                    }
                }
                if verify {
                    let octets = version.and_then(|version| value(version, CA));
                    let no_ca = || SecretDefect::NoKey(ObjectName(secret.clone()), CA);
                    ca = Some(octets.ok_or_else(no_ca)?.to_vec());
                }
            }
            None if verify => return Err(DialDefect::NoCa),
            None => {}
        }
        let terms = dial.map(terms).unwrap_or_default();
        let way = Way { secret, verify, terms, is_http2 };
        if let Some(kept) = self.kept.get(&way)
            && is_same(kept.certificate.as_ref(), certificate.as_ref())
            && kept.ca == ca
        {
            return Ok(Made { tls: Arc::clone(&kept.tls), defect });
        }
        let authorities = ca.as_deref().map_or(Verify::Nothing, Verify::Ca);
        let alpn: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
        let tls = ClientTls::on(&way.terms, authorities, certificate.as_ref(), &[alpn])?;
        self.kept.insert(way, Kept { certificate, ca, tls: Arc::clone(&tls) });
        Ok(Made { tls, defect })
    }
}

fn terms(dial: &DialTls) -> Terms {
    let version = dial.version.map(|version| match version {
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    });
    Terms { depth: dial.depth, version, suites: dial.suites.clone() }
}

/// The Secret that a backend is dialled with.
pub(crate) fn secret_of(key: &BackendKey) -> Option<ObjectRef> {
    let (namespace, name) = key.dial.tls.as_ref()?.secret.as_ref()?;
    Some(secret_ref(namespace, name))
}
