//! A certificate chain with its key, parsed and matched once, on the control thread.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_SIG_ED25519, OID_X509_SERIALNUMBER};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::AttributeTypeAndValue;

use super::x509;
use crate::limits::{
    CLOCK_SKEW, LABEL_BYTES_MAX, TLS_CHAIN_BYTES_MAX, TLS_CHAIN_CERTIFICATES_MAX,
    TLS_SELF_SIGNED_LIFETIME,
};

/// The name in the certificate that is served if no other is.
const DEFAULT_HOST: &str = "ringway.local";

/// Why a chain and a key cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The chain is not PEM, RFC 7468.
    #[error("the certificate chain is not valid PEM")]
    ChainPem,
    /// PEM without a certificate.
    #[error("the certificate chain holds no certificate")]
    ChainEmpty,
    /// More certificates or octets than the limits.
    #[error("the certificate chain is too large")]
    ChainTooLarge,
    /// One of the certificates is not X.509, RFC 5280.
    #[error("a certificate of the chain is not a valid X.509 certificate")]
    CertificateInvalid,
    /// The key is not PEM.
    #[error("the private key is not valid PEM")]
    KeyPem,
    /// PEM without a key that can be read; an encrypted key is none.
    #[error("no unencrypted PKCS#8, PKCS#1 or SEC1 private key was found")]
    KeyMissing,
    /// Neither RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) nor Ed25519.
    #[error("the private key is broken, of a kind that is not supported, or RSA below 2048 bits")]
    KeyUnsupported,
    /// The key is not that of the first certificate.
    #[error("the private key does not belong to the first certificate of the chain")]
    KeyMismatch,
    /// A certificate of our own could not be made.
    #[error("a self-signed certificate could not be made")]
    Generation,
}

/// Whether a certificate is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Valid,
    /// Not before this time.
    NotYet {
        /// First instant of its life.
        from: SystemTime,
    },
    /// Not after this time.
    Expired {
        /// Last instant of its life.
        since: SystemTime,
    },
}

/// Chain, leaf first, and signing key.
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
}

// The key must not reach a log.
impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain (leaf first) and the key of its leaf: RSA, ECDSA or Ed25519, as PKCS#8, PKCS#1
    /// or SEC1. Whether it is in force is not asked, see [`Certificate::validity`].
    ///
    /// # Errors
    /// Any but [`CertificateError::Generation`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<Self>, CertificateError> {
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(chain) {
            if certificates.len() == TLS_CHAIN_CERTIFICATES_MAX {
                return Err(CertificateError::ChainTooLarge);
            }
            certificates.push(certificate.or(Err(CertificateError::ChainPem))?);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::KeyMissing,
            _ => CertificateError::KeyPem,
        })?;
        Self::new(certificates, key)
    }

    /// Makes a certificate for the case that no other fits: ECDSA P-256, signed by itself.
    ///
    /// # Errors
    /// [`CertificateError::Generation`] if the machine has no random numbers.
    pub fn self_signed() -> Result<Arc<Self>, CertificateError> {
        Self::generate(DEFAULT_HOST)
    }

    pub(super) fn generate(host: &str) -> Result<Arc<Self>, CertificateError> {
        let made = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new([host.to_owned()])?;
            params.distinguished_name.push(DnType::OrganizationName, "Ringway");
            params.distinguished_name.push(DnType::CommonName, "Ringway default certificate");
            let now = SystemTime::now();
            params.not_before = (now - CLOCK_SKEW).into();
            params.not_after = (now + TLS_SELF_SIGNED_LIFETIME).into();
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            Ok((params.self_signed(&key)?.der().clone(), PrivateKeyDer::from(key)))
        };
        let (certificate, key) = made().or(Err(CertificateError::Generation))?;
        Self::new(vec![certificate], key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Arc<Self>, CertificateError> {
        let Some(leaf) = chain.first() else {
            return Err(CertificateError::ChainEmpty);
        };
        if chain.iter().map(|certificate| certificate.len()).sum::<usize>() > TLS_CHAIN_BYTES_MAX {
            return Err(CertificateError::ChainTooLarge);
        }
        for intermediate in &chain[1..] {
            parse_x509_certificate(intermediate).or(Err(CertificateError::CertificateInvalid))?;
        }
        let (names, not_before, not_after) = read_leaf(leaf)?;
        let key = super::provider::provider()
            .key_provider
            .load_private_key(key)
            .or(Err(CertificateError::KeyUnsupported))?;
        // Not by rustls, which reads version 3 alone.
        let public = key.public_key().ok_or(CertificateError::KeyUnsupported)?;
        match x509::is_key_of(&public, leaf) {
            Some(true) => {}
            Some(false) => return Err(CertificateError::KeyMismatch),
            None => return Err(CertificateError::CertificateInvalid),
        }
        drop(public);
        let key = CertifiedKey::new(chain, key);
        Ok(Arc::new(Self { key: Arc::new(key), names, not_before, not_after }))
    }

    /// Chain and key as rustls takes them.
    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// Whether a client that asks for `host` accepts the certificate: one of its names is the host,
    /// or a wildcard that stands for exactly the first label (RFC 6125 section 6.4.3). `*.x` itself
    /// is a host of that kind. Case and a final dot do not matter.
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| x509::stands_for(name, host))
    }

    /// Whether it is in force at `now`, by the leaf alone.
    pub fn validity(&self, now: SystemTime) -> Validity {
        if now < self.not_before {
            Validity::NotYet { from: self.not_before }
        } else if now > self.not_after {
            Validity::Expired { since: self.not_after }
        } else {
            Validity::Valid
        }
    }

    /// Its host names, lower case: the dNSNames of the subjectAltName; only without that extension
    /// the common name.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Last instant of its life.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

/// What a leaf says of itself and of who made it; for those who look after certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Decimal.
    pub serial: String,
    /// Serial number in the name of the issuer, which few have.
    pub issuer_serial: String,
    /// First organization in that name.
    pub issuer_organization: String,
    /// Last common name in it.
    pub issuer_common_name: String,
    /// As Go calls it.
    pub key_algorithm: &'static str,
}

impl Leaf {
    /// What ingress-nginx tells certificates apart by.
    #[must_use]
    pub fn identifier(&self) -> String {
        format!("{}-{}", self.issuer_serial, self.serial)
    }
}

impl Certificate {
    /// Reads what is not kept; `None`: the leaf was never one.
    #[must_use]
    pub fn leaf(&self) -> Option<Leaf> {
        let (_, leaf) = parse_x509_certificate(self.key.cert.first()?).ok()?;
        let issuer = leaf.issuer();
        let text = |name: &AttributeTypeAndValue<'_>| -> String {
            let text = name.as_str().unwrap_or_default();
            text[..text.floor_char_boundary(LABEL_BYTES_MAX)].to_owned()
        };
        let serial = issuer.iter_by_oid(&OID_X509_SERIALNUMBER).next().map(text);
        let key_algorithm = match leaf.public_key().parsed() {
            Ok(PublicKey::RSA(_)) => "RSA",
            Ok(PublicKey::EC(_)) => "ECDSA",
            _ if leaf.public_key().algorithm.algorithm == OID_SIG_ED25519 => "Ed25519",
            _ => "0",
        };
        Some(Leaf {
            // RFC 5280 section 4.1.2.2: 20 octets at most. A much longer one takes long to write.
            serial: match leaf.raw_serial().len() {
                ..=32 => leaf.serial.to_string(),
                _ => String::new(),
            },
            issuer_serial: serial.unwrap_or_default(),
            issuer_organization: issuer.iter_organization().next().map(text).unwrap_or_default(),
            issuer_common_name: issuer.iter_common_name().last().map(text).unwrap_or_default(),
            key_algorithm,
        })
    }
}

/// Names, first and last instant of a leaf.
fn read_leaf(der: &[u8]) -> Result<(Vec<String>, SystemTime, SystemTime), CertificateError> {
    let invalid = CertificateError::CertificateInvalid;
    let (_, leaf) = parse_x509_certificate(der).or(Err(invalid))?;
    let mut names = Vec::new();
    let mut push = |name: &str| names.push(x509::canonical(name));
    if let Some(extension) = leaf.subject_alternative_name().or(Err(invalid))? {
        for name in &extension.value.general_names {
            if let GeneralName::DNSName(name) = name {
                push(name);
            }
        }
    } else {
        for name in leaf.subject().iter_common_name() {
            push(name.as_str().or(Err(invalid))?);
        }
    }
    let validity = leaf.validity();
    Ok((names, instant(validity.not_before), instant(validity.not_after)))
}

/// Times before 1970 count as 1970.
fn instant(time: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}
