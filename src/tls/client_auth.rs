//! Who may connect: the authorities that client certificates are checked against, and whether one
//! must be shown.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::limits::{TLS_CA_CERTIFICATES_MAX, TLS_CRLS_MAX};

/// Why a policy on client certificates cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthError {
    /// The bundle is not PEM.
    #[error("the bundle of authorities is not valid PEM")]
    CaPem,
    /// PEM without a certificate.
    #[error("the bundle of authorities holds no certificate")]
    CaEmpty,
    /// More authorities than the limit.
    #[error("the bundle of authorities is too large")]
    CaTooMany,
    /// A certificate that cannot be a trust anchor.
    #[error("a certificate of the bundle of authorities is not valid")]
    CaInvalid,
    /// The revocation lists are not PEM, or none is there.
    #[error("the revocation list is not valid PEM")]
    CrlPem,
    /// More revocation lists than the limit.
    #[error("there are too many revocation lists")]
    CrlTooMany,
    /// A revocation list that cannot be decoded.
    #[error("a revocation list is not valid")]
    CrlInvalid,
}

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// No certificate: the handshake fails.
    Required,
    /// No certificate is fine; a bad one is not.
    Optional,
}

/// Identity of a policy: equal if authorities, revocation lists and mode are, in every process.
/// Zero if no certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ClientAuthId(pub u64);

/// A policy on client certificates.
pub struct ClientAuth {
    id: ClientAuthId,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientAuth").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ClientAuth {
    /// Asks for no certificate.
    pub fn none() -> Arc<Self> {
        let verifier = WebPkiClientVerifier::no_client_auth();
        Arc::new(Self { id: ClientAuthId::default(), verifier })
    }

    /// Checks certificates against the PEM bundle `ca`. With `crl` (PEM, one list or more) a
    /// certificate whose issuer has no list, or one out of date, is refused, as OpenSSL does; the
    /// lists are asked about the client's own certificate only.
    ///
    /// # Errors
    /// See [`ClientAuthError`].
    pub fn from_pem(
        ca: &[u8],
        crl: Option<&[u8]>,
        mode: ClientAuthMode,
    ) -> Result<Arc<Self>, ClientAuthError> {
        let mut hash = Context::new(&SHA256);
        hash.update(&[u8::from(mode == ClientAuthMode::Optional)]);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            if roots.len() == TLS_CA_CERTIFICATES_MAX {
                return Err(ClientAuthError::CaTooMany);
            }
            let certificate = certificate.or(Err(ClientAuthError::CaPem))?;
            update(&mut hash, b'A', &certificate);
            roots.add(certificate).or(Err(ClientAuthError::CaInvalid))?;
        }
        if roots.is_empty() {
            return Err(ClientAuthError::CaEmpty);
        }
        let mut lists = Vec::new();
        for list in crl.into_iter().flat_map(CertificateRevocationListDer::pem_slice_iter) {
            if lists.len() == TLS_CRLS_MAX {
                return Err(ClientAuthError::CrlTooMany);
            }
            let list = list.or(Err(ClientAuthError::CrlPem))?;
            update(&mut hash, b'R', &list);
            lists.push(list);
        }
        if crl.is_some() && lists.is_empty() {
            return Err(ClientAuthError::CrlPem);
        }
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider())
                .with_crls(lists)
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration();
        if mode == ClientAuthMode::Optional {
            builder = builder.allow_unauthenticated();
        }
        // There are roots: only a list can be at fault.
        let verifier = builder.build().or(Err(ClientAuthError::CrlInvalid))?;
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finish().as_ref()[..8]);
        // Zero is the policy that asks for nothing.
        Ok(Arc::new(Self { id: ClientAuthId(u64::from_be_bytes(id).max(1)), verifier }))
    }

    /// Identity of the policy.
    pub fn id(&self) -> ClientAuthId {
        self.id
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }
}

/// Adds one item so that no two sequences of items give the same octets.
fn update(hash: &mut Context, kind: u8, der: &[u8]) {
    hash.update(&[kind]);
    hash.update(&der.len().to_be_bytes());
    hash.update(der);
}
