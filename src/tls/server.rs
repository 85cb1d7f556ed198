//! The configuration towards clients: one per certificate and client-auth policy, made on the
//! control thread, shared by all cores, swapped with the table.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::certificate::Certificate;
use super::client_auth::{ClientAuth, ClientAuthId};
use super::identity::ClientIdentity;
use super::masked;
use super::server_terms::{Resumption, ServerTerms};
use super::session::{Session, TlsError};
use super::tickets::{AdmittedOnly, Tickets};

/// Why a configuration could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerTlsError {
    /// The crypto provider has nothing for one of the protocol versions.
    #[error("the crypto provider does not support TLS 1.2 and 1.3")]
    Provider,
    /// Ticket keys could not be made: the machine has no random numbers.
    #[error("ticket keys could not be made")]
    Tickets,
}

/// How to be a server with one certificate and one client-auth policy.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// The same for handshakes whose server name is none, made when the first comes.
    masked: OnceLock<Option<Arc<ServerConfig>>>,
    certificate: Arc<Certificate>,
    auth: Arc<ClientAuth>,
    terms: ServerTerms,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerTls")
            .field("certificate", &self.certificate)
            .field("client_auth", &self.auth.id())
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// TLS 1.2 and 1.3, ALPN `h2` before `http/1.1`, one ticket, no early data (a replayed request
    /// would be forwarded twice).
    ///
    /// # Errors
    /// See [`ServerTlsError`].
    pub fn new(
        certificate: &Arc<Certificate>,
        auth: &Arc<ClientAuth>,
        tickets: &Tickets,
    ) -> Result<Arc<Self>, ServerTlsError> {
        Self::on(&ServerTerms::default(), certificate, auth, tickets)
    }

    /// The same on other terms.
    ///
    /// # Errors
    /// See [`ServerTlsError`].
    pub fn on(
        terms: &ServerTerms,
        certificate: &Arc<Certificate>,
        auth: &Arc<ClientAuth>,
        tickets: &Tickets,
    ) -> Result<Arc<Self>, ServerTlsError> {
        Self::with_provider(super::provider::provider(), terms, certificate, auth, tickets)
    }

    pub(super) fn with_provider(
        provider: Arc<CryptoProvider>,
        terms: &ServerTerms,
        certificate: &Arc<Certificate>,
        auth: &Arc<ClientAuth>,
        tickets: &Tickets,
    ) -> Result<Arc<Self>, ServerTlsError> {
        // rustls checks no policy on resumption: what a ticket may open is decided by its keys.
        let ticketer = tickets.ticketer(auth.id()).or(Err(ServerTlsError::Tickets))?;
        let ticketer = match auth.judge() {
            Some(judge) => Arc::new(AdmittedOnly { judge: Arc::clone(judge), ticketer }),
            None => ticketer,
        };
        let config = make(provider, terms, certificate, auth, ticketer)?;
        let (certificate, auth) = (Arc::clone(certificate), Arc::clone(auth));
        let (terms, masked) = (terms.clone(), OnceLock::new());
        Ok(Arc::new(Self { config, masked, certificate, auth, terms }))
    }

    /// For a listener of our own that a few programs ask: HTTP/1.1 only, no resumption.
    ///
    /// # Errors
    /// [`ServerTlsError::Provider`].
    pub fn http1(certificate: &Certificate) -> Result<Arc<ServerConfig>, ServerTlsError> {
        let mut config = ServerConfig::builder_with_provider(super::provider::provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .or(Err(ServerTlsError::Provider))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate.key()))));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What a new session is made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// A session with a client whose server name [`super::hello::read_hello`] found to be none.
    ///
    /// # Errors
    /// [`TlsError::Local`] if rustls refuses the configuration.
    pub fn session_with_masked_name(&self) -> Result<Session, TlsError> {
        let make = || {
            let ticketer = Arc::clone(&self.config.ticketer);
            make(masked::provider(), &self.terms, &self.certificate, &self.auth, ticketer).ok()
        };
        let config = self.masked.get_or_init(make).as_ref().ok_or(TlsError::Local)?;
        Session::masked_server(Arc::clone(config))
    }

    /// Who the client of a session is; see [`ClientAuth::identify`].
    pub fn identify(&self, session: &Session) -> Option<ClientIdentity> {
        self.auth.identify(session.peer_certificates())
    }

    /// Who a client is that shows no certificate.
    pub fn identify_nobody(&self) -> Option<ClientIdentity> {
        self.auth.identify(&[])
    }

    /// Which policy on client certificates holds.
    pub fn client_auth(&self) -> ClientAuthId {
        self.auth.id()
    }

    /// What clients are shown.
    pub fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }
}

fn make(
    provider: Arc<CryptoProvider>,
    terms: &ServerTerms,
    certificate: &Certificate,
    auth: &ClientAuth,
    ticketer: Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, ServerTlsError> {
    let mut config = ServerConfig::builder_with_provider(terms.narrow(provider))
        .with_protocol_versions(terms.terms.versions())
        .or(Err(ServerTlsError::Provider))?
        .with_client_cert_verifier(auth.verifier())
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate.key()))));
    config.alpn_protocols = terms.protocols();
    // The order of the client stays in force: a device without AES instructions asks for ChaCha20
    // first, and it is right.
    config.ignore_client_order = false;
    if terms.resumption == Resumption::Tickets {
        config.ticketer = ticketer;
    }
    // Tickets hold all state. A store would be a lock shared by all cores.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = usize::from(terms.resumption == Resumption::Tickets);
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
