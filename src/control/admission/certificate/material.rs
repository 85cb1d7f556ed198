//! What the Secret holds: CA, certificate and key. Judged as the API server will judge it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{RootCertStore, ServerConfig};

use crate::limits::{
    ADMISSION_CERTIFICATE_LIFETIME, ADMISSION_CERTIFICATE_RENEWAL, CLOCK_SKEW,
    TLS_CA_CERTIFICATES_MAX, TLS_CHAIN_CERTIFICATES_MAX,
};
use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::server::{ServerTls, ServerTlsError};

/// Leaf first.
pub(super) const CHAIN: &str = "tls.crt";
/// Of the leaf.
pub(super) const KEY: &str = "tls.key";
/// Newest first.
pub(super) const CA: &str = "ca.crt";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a Secret cannot serve the webhook.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaterialError {
    /// Not the Secret that was meant.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// See [`CertificateError`].
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// No certificate of a CA in PEM.
    #[error("its {CA} holds no usable certificate of a CA")]
    Ca,
    /// The API server would not believe it.
    #[error("the API server would not trust it for {name}: {why}")]
    Distrusted {
        /// What it asks for.
        name: String,
        /// What rustls said.
        why: rustls::Error,
    },
    /// The Service has no name that a certificate could have.
    #[error("{0:?} is not a DNS name")]
    Name(String),
    /// See [`ServerTlsError`].
    #[error("{0}")]
    Tls(#[from] ServerTlsError),
    /// The machine has no random numbers.
    #[error("a certificate could not be made: {0}")]
    Generation(#[from] rcgen::Error),
}

/// A certificate with its key and the CAs that the API server is to trust.
#[derive(Debug)]
pub(super) struct Material {
    certificate: Arc<Certificate>,
    chain: Vec<CertificateDer<'static>>,
    name: ServerName<'static>,
    verifier: Arc<WebPkiServerVerifier>,
    /// PEM.
    pub ca: Vec<u8>,
}

impl Material {
    /// Reads it. `names`: the first is what the API server asks for.
    ///
    /// # Errors
    /// The Secret's owner is at fault.
    pub(super) fn read(secret: &Secret, names: &[String]) -> Result<Self, MaterialError> {
        let need = |key| value(secret, key).ok_or(MaterialError::Missing(key));
        let (chain, key, ca) = (need(CHAIN)?, need(KEY)?, need(CA)?);
        let certificate = Certificate::from_pem(chain, key)?;
        let chain = CertificateDer::pem_slice_iter(chain).take(TLS_CHAIN_CERTIFICATES_MAX);
        let chain = chain.collect::<Result<Vec<_>, _>>().or(Err(CertificateError::ChainPem))?;
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(ca).take(TLS_CA_CERTIFICATES_MAX) {
            roots.add(root.or(Err(MaterialError::Ca))?).or(Err(MaterialError::Ca))?;
        }
        let provider = crate::tls::provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().or(Err(MaterialError::Ca))?;
        let name = names.first().cloned().unwrap_or_default();
        let name = ServerName::try_from(name.clone()).or(Err(MaterialError::Name(name)))?;
        Ok(Self { certificate, chain, name, verifier, ca: ca.to_vec() })
    }

    /// Whether the API server trusts it at that time: chain, name, validity.
    ///
    /// # Errors
    /// [`MaterialError::Distrusted`].
    pub(super) fn check(&self, at: SystemTime) -> Result<(), MaterialError> {
        let (leaf, others) = self.chain.split_first().ok_or(CertificateError::ChainEmpty)?;
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
        let verified = self.verifier.verify_server_cert(leaf, others, &self.name, &[], at);
        verified
            .map(drop)
            .map_err(|why| MaterialError::Distrusted { name: self.name.to_str().into_owned(), why })
    }

    /// It is for all `names` and not due for renewal.
    pub(super) fn lasts(&self, names: &[String], now: SystemTime) -> bool {
        names.iter().all(|name| self.certificate.covers(name))
            && self.check(now + ADMISSION_CERTIFICATE_RENEWAL).is_ok()
    }

    /// The same certificate, whatever the CAs.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.chain == other.chain
    }

    /// For the listener.
    ///
    /// # Errors
    /// [`MaterialError::Tls`].
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, MaterialError> {
        Ok(ServerTls::http1(&self.certificate)?)
    }
}

/// A CA, and a certificate that it signed, as the data of a Secret; `previous` is trusted besides.
///
/// # Errors
/// [`MaterialError::Generation`].
pub(super) fn make(
    names: &[String],
    now: SystemTime,
    previous: Option<&str>,
) -> Result<BTreeMap<String, ByteString>, MaterialError> {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let params = |names: &[String], title: &str| {
        let mut params = CertificateParams::new(names)?;
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + ADMISSION_CERTIFICATE_LIFETIME).into();
        params.distinguished_name.push(DnType::OrganizationName, "Ringway");
        // CAs of two generations must not have one name.
        params.distinguished_name.push(DnType::CommonName, format!("{title} {seconds}"));
        Ok::<_, rcgen::Error>(params)
    };
    let mut ca = params(&[], "Ringway admission CA")?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut bundle = ca.self_signed(&ca_key)?.pem();
    if let Some(previous) = previous {
        bundle.push_str(previous);
    }
    let mut leaf = params(names, "Ringway admission")?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let chain = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?.pem();
    let data = [(CHAIN, chain), (KEY, key.serialize_pem()), (CA, bundle)];
    Ok(data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).into())
}

/// The first certificate of a bundle, as PEM again.
pub(super) fn first_pem(bundle: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bundle).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let pem = format!("{BEGIN}{body}{END}\n");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    // What the store does not take, the API server would not either.
    RootCertStore::empty().add(der).ok()?;
    Some(pem)
}

/// The octets under `key`; an empty value is none.
pub(super) fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    let value = secret.data.as_ref()?.get(key)?;
    Some(value.0.as_slice()).filter(|octets| !octets.is_empty())
}
