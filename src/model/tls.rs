//! What a TLS server name leads to, known before any request is read.

use super::backend::WeightedBackend;
use super::host::HostPattern;
use super::origin::ObjectRef;

/// One server name (RFC 6066 section 3) or wildcard of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    /// [`HostPattern::Any`] has the connections that nobody else has, those without a name too.
    pub pattern: HostPattern,
    /// What happens to a connection that asks for it.
    pub action: TlsAction,
    /// Hostname of the listener that has it, where several at one port are kept apart: a request
    /// for a host of another one is misdirected. `None`: connections are good for each other's
    /// hosts.
    pub section: Option<HostPattern>,
    /// The object that decides it.
    pub origin: ObjectRef,
}

/// A certificate with its key, and what is demanded of clients. What it stands for goes to the
/// compiler beside the model; none is used for another pair again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerTlsId(pub u64);

/// What happens to a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsAction {
    /// The handshake is ours.
    Terminate(ServerTlsId),
    /// Its octets go to one of these backends as they are; it is closed where its share leads
    /// nowhere.
    Passthrough {
        /// By their shares.
        backends: Vec<WeightedBackend>,
        /// A PROXY protocol header goes first.
        send_proxy: bool,
    },
    /// The handshake is ours; what is inside goes to one of these backends, as of
    /// [`Self::Passthrough`].
    Relay {
        /// As of [`Self::Terminate`].
        tls: ServerTlsId,
        /// By their shares.
        backends: Vec<WeightedBackend>,
    },
    /// It is closed, whatever a wider name would do with it.
    Nobody,
}
