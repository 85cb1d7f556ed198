//! Why a peer failed, as lines of the log for whoever asks for them (`--log-level debug`): a
//! counter says how often, the access log which endpoint, and nothing else says why.

use std::fmt::Display;
use std::net::SocketAddr;

/// A try at an endpoint; `reason` as in the access log.
#[cold]
pub fn endpoint_failed(endpoint: SocketAddr, reason: &'static str, cause: &dyn Display) {
    tracing::debug!(%endpoint, reason, %cause, "an endpoint failed");
}

/// No TLS with a client.
#[cold]
pub fn client_not_secured(client: SocketAddr, error: &dyn Display) {
    tracing::debug!(%client, %error, "no TLS with a client");
}

/// TLS with a client whose certificate is not what its host demands.
#[cold]
pub fn client_not_admitted(client: SocketAddr, error: &dyn Display) {
    tracing::debug!(%client, %error, "a client's certificate is refused");
}
