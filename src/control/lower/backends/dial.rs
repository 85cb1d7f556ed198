//! How a backend is spoken to by TLS: annotations or policies, Secret and ConfigMaps → client
//! settings.
//!
//! Backends that want the same share one object, which stays the same until what they name changes:
//! another object is another wire, and costs them their pooled connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::service::service_ref;
use crate::control::lower::ingress::annotations::backend_tls;
use crate::control::lower::secrets::{
    CA, CERTIFICATE, Found, KEY, ObjectName, SecretDefect, Secrets, is_same, secret_ref, value,
};
use crate::control::source::report::Finding;
use crate::control::store::Store;
use crate::model::{
    BackendKey, BackendProtocol, CertificateName, DialAuthorities, DialTls, Kind, ObjectRef,
    TlsVersion, reason,
};
use crate::tls::certificate::Certificate;
use crate::tls::client::{ClientTls, ClientTlsError, DemandedName, Terms, Verify, Version};

/// Why a backend cannot be spoken to as its owner wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialDefect {
    /// Nothing to verify against.
    #[error("certificates of the backend are to be verified and no Secret names a CA")]
    NoCa,
    /// The Secret, or what it should hold, is missing; or its certificate never was usable.
    #[error("{0}")]
    Secret(#[from] SecretDefect),
    /// No authority of it can be read.
    #[error("the ConfigMap {0} has no ca.crt")]
    ConfigMap(ObjectName),
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
                reason!("BackendCaMissing"),
                backend_tls::verify_field(),
                "Name a Secret with ca.crt in proxy-ssl-secret.",
            ),
            Self::ConfigMap(_) => {
                (reason!("BackendCaMissing"), String::new(), "Store certificates in PEM as ca.crt.")
            }
            Self::Tls(_) => (
                reason!("BackendCaInvalid"),
                backend_tls::secret_field(),
                "Store certificates in PEM.",
            ),
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
    authorities: DialAuthorities,
    terms: Terms,
    /// Application protocol that is offered; empty: none.
    alpn: &'static [u8],
}

/// Settings and what of objects went into them.
#[derive(Debug)]
struct Kept {
    certificate: Option<Arc<Certificate>>,
    ca: Option<Vec<u8>>,
    tls: Arc<ClientTls>,
}

/// All settings in use, and who uses which Secret or ConfigMap.
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
        for object in objects_of(key) {
            if object.kind == Kind::Secret {
                self.secrets.acquire(&object, &service_ref(key));
            }
            self.users.entry(object).or_default().insert(key.clone());
        }
    }

    /// The backend is no longer in use.
    pub(crate) fn release(&mut self, key: &BackendKey) {
        for object in objects_of(key) {
            let Some(users) = self.users.get_mut(&object) else { continue };
            users.remove(key);
            // The Service may have another port, or way, that uses it.
            if !users.iter().any(|o| o.namespace == key.namespace && o.service == key.service) {
                self.secrets.release(&object, &service_ref(key));
            }
            if users.is_empty() {
                self.users.remove(&object);
            }
        }
    }

    /// Marks the backends that use a Secret or ConfigMap that changed, or of which time made
    /// something else.
    pub(crate) fn touch_named<'a>(
        &self,
        dirty: impl Iterator<Item = &'a ObjectRef>,
        now: SystemTime,
        backends: &mut BTreeSet<BackendKey>,
    ) {
        for object in dirty.cloned().chain(self.secrets.due(now)) {
            backends.extend(self.users.get(&object).into_iter().flatten().cloned());
        }
    }

    /// Drops what nobody uses, keys among it.
    pub(crate) fn forget_unused(&mut self) {
        self.secrets.forget_unused();
        self.kept.retain(|_, kept| Arc::strong_count(&kept.tls) > 1);
    }

    /// Why a backend that nothing names yet could not be spoken to by TLS, as far as it is known
    /// without making settings.
    pub(crate) fn review(&self, store: &Store, dial: &DialTls) -> Option<DialDefect> {
        let stored = &store.secrets;
        let wants_secret = dial.verify && dial.authorities == DialAuthorities::Secret;
        let Some((namespace, name)) = &dial.secret else {
            return wants_secret.then_some(DialDefect::NoCa);
        };
        let secret = secret_ref(namespace, name);
        let Some(entry) = stored.get(&secret) else {
            let is_missing = self.users.contains_key(&secret);
            return is_missing.then(|| SecretDefect::Missing(ObjectName(secret)).into());
        };
        let lacks_ca = wants_secret && value(&entry.object, CA).is_none();
        lacks_ca.then(|| SecretDefect::NoKey(ObjectName(secret), CA).into())
    }

    /// Settings for a backend that [`Self::acquire`] was told of; `dial` as its key has it.
    ///
    /// # Errors
    /// It must not be spoken to.
    pub(crate) fn make(
        &mut self,
        store: &Store,
        dial: Option<&DialTls>,
        protocol: BackendProtocol,
        now: SystemTime,
    ) -> Result<Made, DialDefect> {
        let stored = &store.secrets;
        let verify = dial.is_some_and(|dial| dial.verify);
        let believed = dial.map(|dial| dial.authorities.clone()).unwrap_or_default();
        let wants_secret = verify && believed == DialAuthorities::Secret;
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
                if wants_secret {
                    let octets = version.and_then(|version| value(version, CA));
                    let no_ca = || SecretDefect::NoKey(ObjectName(secret.clone()), CA);
                    ca = Some(octets.ok_or_else(no_ca)?.to_vec());
                }
            }
            None if wants_secret => return Err(DialDefect::NoCa),
            None => {}
        }
        if let DialAuthorities::ConfigMaps(namespace, names) = &believed {
            ca = Some(bundle(store, namespace, names)?);
        }
        let terms = dial.map(terms).unwrap_or_default();
        let is_system = verify && believed == DialAuthorities::System;
        let alpn: &[u8] = match protocol {
            BackendProtocol::Tls => b"",
            protocol if protocol.is_http2() => b"h2",
            _ => b"http/1.1",
        };
        let way = Way { secret, verify, authorities: believed, terms, alpn };
        if let Some(kept) = self.kept.get(&way)
            && is_same(kept.certificate.as_ref(), certificate.as_ref())
            && kept.ca == ca
        {
            return Ok(Made { tls: Arc::clone(&kept.tls), defect });
        }
        let none = if is_system { Verify::Native } else { Verify::Nothing };
        let authorities = ca.as_deref().map_or(none, Verify::Ca);
        let alpn = Some(way.alpn).filter(|name| !name.is_empty());
        let tls = ClientTls::on(&way.terms, authorities, certificate.as_ref(), alpn.as_slice())?;
        self.kept.insert(way, Kept { certificate, ca, tls: Arc::clone(&tls) });
        Ok(Made { tls, defect })
    }
}

fn terms(dial: &DialTls) -> Terms {
    let version = dial.version.map(|version| match version {
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    });
    let demanded = |name: &CertificateName| match name {
        CertificateName::Dns(name) => DemandedName::Dns(Arc::clone(name)),
        CertificateName::Uri(uri) => DemandedName::Uri(Arc::clone(uri)),
    };
    let names = dial.names.as_ref().map(|names| names.iter().map(demanded).collect());
    Terms { depth: dial.depth, version, suites: dial.suites.clone(), names }
}

/// `ca.crt` of ConfigMaps, one behind the other.
fn bundle(store: &Store, namespace: &Arc<str>, names: &[Arc<str>]) -> Result<Vec<u8>, DialDefect> {
    let mut all = Vec::new();
    for name in names {
        let map = config_map_ref(namespace, name);
        let entry = store.config_maps.get(&map);
        let data = entry.and_then(|entry| entry.object.data.as_ref());
        let text = data.and_then(|data| data.get(CA)).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| DialDefect::ConfigMap(ObjectName(map.clone())))?;
        all.extend_from_slice(text.as_bytes());
        all.push(b'\n');
    }
    Ok(all)
}

fn config_map_ref(namespace: &Arc<str>, name: &Arc<str>) -> ObjectRef {
    let (namespace, name) = (Arc::clone(namespace), Arc::clone(name));
    ObjectRef { kind: Kind::ConfigMap, namespace, name }
}

/// Secrets and ConfigMaps that a backend is dialled with.
pub(crate) fn objects_of(key: &BackendKey) -> impl Iterator<Item = ObjectRef> {
    let tls = key.dial.tls.as_deref();
    let secret = tls.and_then(|tls| tls.secret.as_ref());
    let secret = secret.map(|(namespace, name)| secret_ref(namespace, name));
    let maps = tls.map(|tls| match &tls.authorities {
        DialAuthorities::ConfigMaps(namespace, names) => {
            names.iter().map(|name| config_map_ref(namespace, name)).collect()
        }
        DialAuthorities::Secret | DialAuthorities::System => Vec::new(),
    });
    secret.into_iter().chain(maps.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_a_config_map_lacks_are_told_by_its_name() {
        let lacks = bundle(&Store::default(), &"ns".into(), &["ca".into()]).err();
        let told = lacks.map(|defect| defect.finding("it is closed").message);
        let expected = "the ConfigMap ns/ca has no ca.crt; it is closed.";
        assert_eq!(told.as_deref(), Some(expected));
    }
}
