//! The configuration towards backends: how their certificate is checked, what they are shown.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use super::certificate::Certificate;
use super::chain::{Authorities, BundleError, Demand, Purpose};
use super::chain_error::ChainError;
use super::session::{Session, TlsError};
use super::x509::{self, Algorithms, HandshakeVersion, ServerNames};
use crate::limits::{TLS_UPSTREAM_SESSIONS_MAX, TLS_UPSTREAM_VERIFY_DEPTH};

/// Why backends cannot be reached by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientTlsError {
    /// The bundle is not PEM, or a certificate of it cannot be read.
    #[error("the bundle of authorities is not valid")]
    CaInvalid,
    /// No authority at all.
    #[error("there is no authority to check certificates against")]
    CaEmpty,
    /// More authorities than the limit.
    #[error("the bundle of authorities is too large")]
    CaTooMany,
    /// The crypto provider has nothing for one of the protocol versions.
    #[error("the crypto provider does not support TLS 1.2 and 1.3")]
    Provider,
}

impl From<BundleError> for ClientTlsError {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Pem | BundleError::Invalid => Self::CaInvalid,
            BundleError::Empty => Self::CaEmpty,
            BundleError::TooMany => Self::CaTooMany,
        }
    }
}

/// How the certificate of a backend is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify<'a> {
    /// Against a PEM bundle of authorities, and the server name.
    Ca(&'a [u8]),
    /// Against the authorities of the system, and the server name.
    Native,
    /// Not at all: encryption without knowing with whom. As ingress-nginx does by default.
    Nothing,
}

/// What is offered to a backend, and how long its chain may be. By default all that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// Intermediate authorities at most; `None`: [`TLS_UPSTREAM_VERIFY_DEPTH`].
    pub depth: Option<u8>,
    /// The only version; `None`: each.
    pub version: Option<Version>,
    /// Cipher suites of TLS 1.2 by their numbers at IANA; `None`: all.
    pub suites: Option<Arc<[u16]>>,
    /// Names of which a certificate that is checked must have one; `None`: the server name.
    pub names: Option<Arc<[DemandedName]>>,
}

/// A subject alternative name (RFC 5280 section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemandedName {
    /// A DNS name.
    Dns(Arc<str>),
    /// A URI as it is.
    Uri(Arc<str>),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Terms {
    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
        static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
        static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self.version {
            Some(Version::Tls12) => &ONLY_12,
            Some(Version::Tls13) => &ONLY_13,
            None => &ALL,
        }
    }

    pub(super) fn narrow(&self, mut provider: Arc<CryptoProvider>) -> Arc<CryptoProvider> {
        if let Some(suites) = &self.suites {
            let is_offered = |suite: &SupportedCipherSuite| {
                suite.tls13().is_some() || suites.contains(&suite.suite().into())
            };
            Arc::make_mut(&mut provider).cipher_suites.retain(is_offered);
        }
        provider
    }
}

/// How to be a client of a backend.
pub struct ClientTls {
    config: ClientConfig,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl ClientTls {
    /// TLS 1.2 and 1.3, no early data; `certificate` is shown if the backend asks; `alpn` in order
    /// of preference, empty to offer none. Reads files for [`Verify::Native`].
    ///
    /// # Errors
    /// See [`ClientTlsError`].
    pub fn new(
        verify: Verify<'_>,
        certificate: Option<&Arc<Certificate>>,
        alpn: &[&[u8]],
    ) -> Result<Arc<Self>, ClientTlsError> {
        Self::on(&Terms::default(), verify, certificate, alpn)
    }

    /// The same on other terms.
    ///
    /// # Errors
    /// See [`ClientTlsError`].
    pub fn on(
        terms: &Terms,
        verify: Verify<'_>,
        certificate: Option<&Arc<Certificate>>,
        alpn: &[&[u8]],
    ) -> Result<Arc<Self>, ClientTlsError> {
        Self::with_provider(super::provider::provider(), terms, verify, certificate, alpn)
    }

    pub(super) fn with_provider(
        provider: Arc<CryptoProvider>,
        terms: &Terms,
        verify: Verify<'_>,
        certificate: Option<&Arc<Certificate>>,
        alpn: &[&[u8]],
    ) -> Result<Arc<Self>, ClientTlsError> {
        let algorithms = provider.signature_verification_algorithms;
        let depth = usize::from(terms.depth.unwrap_or(TLS_UPSTREAM_VERIFY_DEPTH));
        let verifier: Arc<dyn ServerCertVerifier> = match verify {
            Verify::Ca(pem) => {
                let authorities = Authorities::from_pem(pem)?;
                Arc::new(Verifier { authorities, algorithms, depth, names: terms.names.clone() })
            }
            Verify::Native => {
                let found = rustls_native_certs::load_native_certs().certs;
                // One unreadable file of a system must not take the others away.
                let authorities = Authorities::parsable(found.iter().map(AsRef::as_ref));
                if authorities.is_empty() {
                    return Err(ClientTlsError::CaEmpty);
                }
                Arc::new(Verifier { authorities, algorithms, depth, names: terms.names.clone() })
            }
            Verify::Nothing => Arc::new(NoVerifier { algorithms }),
        };
        let builder = ClientConfig::builder_with_provider(terms.narrow(provider))
            .with_protocol_versions(terms.versions())
            .or(Err(ClientTlsError::Provider))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match certificate {
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(
                SingleCertAndKey::from(Arc::clone(certificate.key())),
            )),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.enable_early_data = false;
        config.resumption = Resumption::disabled();
        Ok(Arc::new(Self { config }))
    }

    /// The configuration of one core, with a store of sessions of its own: a shared one would be a
    /// lock between cores.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(TLS_UPSTREAM_SESSIONS_MAX);
        Arc::new(config)
    }
}

/// Whether servers are told in the ClientHello which of them is meant (RFC 6066 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sni {
    /// They are.
    Sent,
    /// They are not, as with `proxy_ssl_server_name off`.
    Withheld,
}

/// [`ClientTls`] on one core, towards one backend.
pub struct CoreClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<Arc<str>>,
}

impl CoreClientTls {
    /// `server_name` is what certificates are checked against, by default the address; it goes into
    /// the ClientHello if `sni` says so and it is no address.
    #[must_use]
    pub fn new(tls: &ClientTls, server_name: Option<&Arc<str>>, sni: Sni) -> Self {
        let mut config = tls.config();
        Arc::make_mut(&mut config).enable_sni = sni == Sni::Sent;
        Self { config, server_name: server_name.cloned() }
    }

    /// The beginning of a connection to `address`.
    ///
    /// # Errors
    /// [`TlsError::Local`]: the server name is none, or rustls refuses the configuration.
    pub fn session(&self, address: IpAddr) -> Result<Session, TlsError> {
        let name = match &self.server_name {
            Some(name) => ServerName::try_from(name.to_string()).or(Err(TlsError::Local))?,
            None => ServerName::from(address),
        };
        Session::client(Arc::clone(&self.config), name)
    }
}

/// Checks chain and name as OpenSSL does.
#[derive(Debug)]
struct Verifier {
    authorities: Authorities,
    algorithms: Algorithms,
    /// Intermediate authorities at most.
    depth: usize,
    /// See [`Terms`].
    names: Option<Arc<[DemandedName]>>,
}

impl Verifier {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), ChainError> {
        let demand = Demand {
            purpose: Purpose::Server,
            depth: self.depth,
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            lists: None,
            algorithms: self.algorithms,
        };
        let chain: Vec<_> = std::iter::once(leaf).chain(others).cloned().collect();
        self.authorities.verify(&chain, &demand)?;
        let names = ServerNames::read(leaf)?;
        let is_it = match &self.names {
            None => names.include(name),
            Some(demanded) => demanded.iter().any(|demanded| match demanded {
                DemandedName::Dns(name) => names.lists(name),
                DemandedName::Uri(uri) => names.uris.iter().any(|own| **own == **uri),
            }),
        };
        if is_it { Ok(()) } else { Err(ChainError::HostMismatch) }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(leaf, others, name, now)?;
        Ok(ServerCertVerified::assertion())
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

/// Accepts every certificate. Signatures are checked all the same where they can be: a broken one
/// is a broken peer. A key that is too short or of no kind we know proves nothing, and need not.
#[derive(Debug)]
struct NoVerifier {
    algorithms: Algorithms,
}

impl NoVerifier {
    fn check(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        version: HandshakeVersion,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !x509::is_checkable(certificate, self.algorithms) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        x509::verify_handshake(message, certificate, signed, self.algorithms, version)
    }
}

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(message, certificate, signed, HandshakeVersion::Tls12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(message, certificate, signed, HandshakeVersion::Tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
