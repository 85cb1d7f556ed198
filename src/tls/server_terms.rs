//! What is offered to clients.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::client::Terms;

/// What is offered to clients. By default all that there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerTerms {
    /// Versions, and cipher suites of TLS 1.2.
    pub terms: Terms,
    /// Groups for the exchange of keys by their numbers at IANA; `None`: all.
    pub groups: Option<Arc<[u16]>>,
    /// Whether clients may come back to a session.
    pub resumption: Resumption,
    /// What they may speak.
    pub application: Application,
}

/// Whether clients may come back to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resumption {
    /// By tickets.
    #[default]
    Tickets,
    /// They may not.
    Never,
}

/// What clients are offered to speak, by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Application {
    /// HTTP/2, and HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1.
    Http1,
    /// It is not our business: whatever they ask for, nothing is chosen.
    Any,
}

/// Numbers (IANA) of the groups that there are, with the names that OpenSSL has for them.
pub const GROUPS: [(u16, &[&str]); 4] = [
    (0x11ec, &["X25519MLKEM768"]),
    (0x001d, &["X25519", "x25519"]),
    (0x0017, &["prime256v1", "P-256", "secp256r1"]),
    (0x0018, &["secp384r1", "P-384"]),
];

impl ServerTerms {
    /// The provider, less what is not offered.
    pub(super) fn narrow(&self, provider: Arc<CryptoProvider>) -> Arc<CryptoProvider> {
        let mut provider = self.terms.narrow(provider);
        if let Some(groups) = &self.groups {
            let is_offered = |group: u16| groups.contains(&group);
            Arc::make_mut(&mut provider).kx_groups.retain(|group| is_offered(group.name().into()));
        }
        provider
    }

    /// Application protocols, the one preferred first.
    pub(super) fn protocols(&self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self.application {
            Application::Http => &[b"h2", b"http/1.1"],
            Application::Http1 => &[b"http/1.1"],
            Application::Any => &[],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}
