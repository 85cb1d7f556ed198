//! What a TLS server name leads to, known before any request is read.

use std::sync::Arc;

use super::backend::BackendKey;
use super::host::HostPattern;
use super::origin::ObjectRef;
use crate::tls::server::ServerTls;

/// One server name (RFC 6066 section 3) or one-label wildcard of them.
#[derive(Debug, Clone)]
pub struct ServerName {
    /// [`HostPattern::Exact`], or a wildcard of depth one; others are never found.
    pub pattern: HostPattern,
    /// What happens to a connection that asks for it.
    pub action: TlsAction,
    /// The object that decides it.
    pub origin: ObjectRef,
}

/// What happens to a TLS connection.
#[derive(Debug, Clone)]
pub enum TlsAction {
    /// The handshake is ours.
    Terminate(Arc<ServerTls>),
    /// Its octets go to a backend as they are.
    Passthrough {
        /// The destination.
        backend: BackendKey,
        /// A PROXY protocol header goes first.
        send_proxy: bool,
    },
}

impl PartialEq for TlsAction {
    /// Settings are the same if they are the same object: comparing keys is no help.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Terminate(a), Self::Terminate(b)) => Arc::ptr_eq(a, b),
            (
                Self::Passthrough { backend, send_proxy },
                Self::Passthrough { backend: other, send_proxy: other_proxy },
            ) => backend == other && send_proxy == other_proxy,
            _ => false,
        }
    }
}

impl PartialEq for ServerName {
    fn eq(&self, other: &Self) -> bool {
        let Self { pattern, action, origin } = self;
        *pattern == other.pattern && *action == other.action && *origin == other.origin
    }
}
