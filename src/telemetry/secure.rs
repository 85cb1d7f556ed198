//! Why there is no TLS with a peer, as lines of the log for whoever asks for them
//! (`--log-level debug`): a counter says how often, and nothing else says why.

use std::fmt::Display;
use std::net::SocketAddr;

/// With the endpoint of a backend.
#[cold]
pub fn backend_not_secured(endpoint: SocketAddr, error: &dyn Display) {
    tracing::debug!(%endpoint, %error, "no TLS with a backend");
}

/// With a client.
#[cold]
pub fn client_not_secured(client: SocketAddr, error: &dyn Display) {
    tracing::debug!(%client, %error, "no TLS with a client");
}

/// With a client whose certificate is not what its host demands.
#[cold]
pub fn client_not_admitted(client: SocketAddr, error: &dyn Display) {
    tracing::debug!(%client, %error, "a client's certificate is refused");
}
