//! The configuration towards backends: how their certificate is checked, what they are shown.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::Certificate;
use super::session::{Session, TlsError};
use crate::limits::{TLS_CA_CERTIFICATES_MAX, TLS_UPSTREAM_SESSIONS_MAX};

/// Why backends cannot be reached by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientTlsError {
    /// The bundle is not PEM, or a certificate of it cannot be a trust anchor.
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
        Self::with_provider(super::provider(), verify, certificate, alpn)
    }

    pub(super) fn with_provider(
        provider: Arc<CryptoProvider>,
        verify: Verify<'_>,
        certificate: Option<&Arc<Certificate>>,
        alpn: &[&[u8]],
    ) -> Result<Arc<Self>, ClientTlsError> {
        let verifier: Arc<dyn ServerCertVerifier> = match verify {
            Verify::Ca(pem) => verifier(bundle(pem)?, &provider)?,
            Verify::Native => {
                let mut roots = RootCertStore::empty();
                // One unreadable file of a system must not take the others away.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                verifier(roots, &provider)?
            }
            Verify::Nothing => Arc::new(NoVerifier { provider: Arc::clone(&provider) }),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
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

/// [`ClientTls`] on one core, towards one backend.
pub struct CoreClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<Arc<str>>,
}

impl CoreClientTls {
    /// `server_name` is what certificates are checked against, by default the address; it goes into
    /// the ClientHello if it `is_sent` and no address.
    #[must_use]
    pub fn new(tls: &ClientTls, server_name: Option<&Arc<str>>, is_sent: bool) -> Self {
        let mut config = tls.config();
        Arc::make_mut(&mut config).enable_sni = is_sent;
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

fn bundle(pem: &[u8]) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        if roots.len() == TLS_CA_CERTIFICATES_MAX {
            return Err(ClientTlsError::CaTooMany);
        }
        let certificate = certificate.or(Err(ClientTlsError::CaInvalid))?;
        roots.add(certificate).or(Err(ClientTlsError::CaInvalid))?;
    }
    Ok(roots)
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, ClientTlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .or(Err(ClientTlsError::CaEmpty))
}

/// Accepts every certificate. Signatures are checked all the same: a broken one is a broken peer.
#[derive(Debug)]
struct NoVerifier {
    provider: Arc<CryptoProvider>,
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
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
