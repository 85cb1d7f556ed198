//! Who may connect: the authorities that client certificates are checked against, and whether one
//! must be shown.
//!
//! The handshake asks and lets everybody through who holds the key of what he shows. What the
//! certificate is worth is judged behind it, so that who is refused gets an answer that says why
//! (400, as nginx does), not an alert; [`ClientIdentity::admitted`] keeps him from everything else.
//! [`ClientAuthMode::InHandshake`] alone judges within it.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::chain::{Authorities, BundleError, Demand, Purpose};
use super::identity::{ClientIdentity, ClientRefusal, ClientVerdict};
use super::revocation::RevocationList;
use super::x509::{self, Algorithms, HandshakeVersion};
use crate::limits::{TLS_CRLS_MAX, TLS_VERIFY_DEPTH};

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
    /// A certificate that cannot be read.
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

impl From<BundleError> for ClientAuthError {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Pem => Self::CaPem,
            BundleError::Empty => Self::CaEmpty,
            BundleError::TooMany => Self::CaTooMany,
            BundleError::Invalid => Self::CaInvalid,
        }
    }
}

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientAuthMode {
    /// Without a good certificate no request is served.
    Required,
    /// No certificate is fine; a bad one is not.
    Optional,
    /// The same, but an authority that is not known is no fault: who reads `ssl-client-verify`
    /// decides.
    OptionalNoCa,
    /// Without a good certificate there is no connection: an alert ends the handshake (Gateway API
    /// `AllowValidOnly`).
    InHandshake,
    /// Whatever is shown, or nothing, is fine (Gateway API `AllowInsecureFallback`).
    Whatever,
}

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientDemand {
    /// Whether.
    pub mode: ClientAuthMode,
    /// Intermediate authorities between a client and a root, at most.
    pub depth: u8,
}

impl From<ClientAuthMode> for ClientDemand {
    fn from(mode: ClientAuthMode) -> Self {
        Self { mode, depth: TLS_VERIFY_DEPTH }
    }
}

/// Identity of a policy: equal if authorities, revocation lists and demand are, in every process.
/// Zero if no certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ClientAuthId(pub u64);

/// A policy on client certificates.
pub struct ClientAuth {
    id: ClientAuthId,
    judge: Option<Arc<Judge>>,
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientAuth").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ClientAuth {
    /// Asks for no certificate.
    pub fn none() -> Arc<Self> {
        Arc::new(Self { id: ClientAuthId::default(), judge: None })
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
        demand: impl Into<ClientDemand>,
    ) -> Result<Arc<Self>, ClientAuthError> {
        let demand = demand.into();
        let mut hash = Context::new(&SHA256);
        hash.update(&[demand.mode as u8, demand.depth]);
        let authorities = Authorities::from_pem(ca)?;
        for authority in authorities.iter() {
            update(&mut hash, b'A', authority.der());
        }
        let mut lists = Vec::new();
        for list in crl.into_iter().flat_map(CertificateRevocationListDer::pem_slice_iter) {
            if lists.len() == TLS_CRLS_MAX {
                return Err(ClientAuthError::CrlTooMany);
            }
            let list = list.or(Err(ClientAuthError::CrlPem))?;
            update(&mut hash, b'R', &list);
            lists.push(RevocationList::read(list).ok_or(ClientAuthError::CrlInvalid)?);
        }
        if crl.is_some() && lists.is_empty() {
            return Err(ClientAuthError::CrlPem);
        }
        let mut id = [0; 8];
        id.copy_from_slice(&hash.finish().as_ref()[..8]);
        let subjects = authorities.iter().map(|node| node.subject().to_vec().into()).collect();
        let judge = Judge {
            authorities,
            lists: crl.is_some().then_some(lists),
            demand,
            subjects,
            algorithms: super::provider::provider().signature_verification_algorithms,
        };
        // Zero is the policy that asks for nothing.
        let id = ClientAuthId(u64::from_be_bytes(id).max(1));
        Ok(Arc::new(Self { id, judge: Some(Arc::new(judge)) }))
    }

    /// Identity of the policy.
    pub fn id(&self) -> ClientAuthId {
        self.id
    }

    /// Who the client is that showed `chain` in its handshake, or in the one it resumes. `None`:
    /// nobody asks.
    pub fn identify(&self, chain: &[CertificateDer<'_>]) -> Option<ClientIdentity> {
        Some(self.judge.as_ref()?.identify(chain))
    }

    pub(super) fn judge(&self) -> Option<&Arc<Judge>> {
        self.judge.as_ref()
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        match &self.judge {
            Some(judge) => Arc::clone(judge) as Arc<dyn ClientCertVerifier>,
            None => WebPkiClientVerifier::no_client_auth(),
        }
    }
}

/// Says what certificates are worth.
pub(super) struct Judge {
    authorities: Authorities,
    lists: Option<Vec<RevocationList>>,
    demand: ClientDemand,
    subjects: Vec<DistinguishedName>,
    algorithms: Algorithms,
}

impl fmt::Debug for Judge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Judge").field("demand", &self.demand).finish_non_exhaustive()
    }
}

impl Judge {
    fn identify(&self, chain: &[CertificateDer<'_>]) -> ClientIdentity {
        let verdict = self.verdict(chain);
        ClientIdentity::new(chain.first(), verdict, self.admit(verdict))
    }

    fn verdict(&self, chain: &[CertificateDer<'_>]) -> ClientVerdict {
        if chain.is_empty() {
            return ClientVerdict::None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let demand = Demand {
            purpose: Purpose::Client,
            depth: usize::from(self.demand.depth),
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            lists: self.lists.as_deref(),
            algorithms: self.algorithms,
        };
        match self.authorities.verify(chain, &demand) {
            Ok(()) => ClientVerdict::Success,
            Err(error) => ClientVerdict::Failed(error),
        }
    }

    /// See [`ClientAuthMode`].
    fn admit(&self, verdict: ClientVerdict) -> Result<(), ClientRefusal> {
        match (verdict, self.demand.mode) {
            (_, ClientAuthMode::Whatever) => Ok(()),
            (ClientVerdict::None, ClientAuthMode::Required | ClientAuthMode::InHandshake) => {
                Err(ClientRefusal::Missing)
            }
            (ClientVerdict::Failed(error), ClientAuthMode::OptionalNoCa)
                if error.is_of_trust_alone() =>
            {
                Ok(())
            }
            (ClientVerdict::Failed(error), _) => Err(ClientRefusal::Untrusted(error)),
            (ClientVerdict::None | ClientVerdict::Success, _) => Ok(()),
        }
    }

    /// Whether a session with these certificates would be served.
    pub(super) fn admits(&self, chain: &[CertificateDer<'_>]) -> bool {
        self.admit(self.verdict(chain)).is_ok()
    }
}

impl ClientCertVerifier for Judge {
    fn client_auth_mandatory(&self) -> bool {
        self.demand.mode == ClientAuthMode::InHandshake
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // All others are judged behind the handshake, as it is where it is resumed.
        if self.demand.mode == ClientAuthMode::InHandshake {
            let chain: Vec<_> = std::iter::once(leaf).chain(others).cloned().collect();
            if let ClientVerdict::Failed(error) = self.verdict(&chain) {
                return Err(error.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let version = HandshakeVersion::Tls12;
        x509::verify_handshake(message, certificate, signed, self.algorithms, version)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let version = HandshakeVersion::Tls13;
        x509::verify_handshake(message, certificate, signed, self.algorithms, version)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Adds one item so that no two sequences of items give the same octets.
fn update(hash: &mut Context, kind: u8, der: &[u8]) {
    hash.update(&[kind]);
    hash.update(&der.len().to_be_bytes());
    hash.update(der);
}
