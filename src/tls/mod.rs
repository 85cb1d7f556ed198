//! TLS on both sides: certificates, policies and configurations made on the control thread, and the
//! record engine that a core drives. No socket, no clock of the data plane, no Kubernetes.
//!
//! The one crypto provider is [`provider`]; it is passed wherever a configuration is built, because
//! with a second provider in the process, brought by some crate, rustls cannot choose and panics.

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{DEFAULT_CIPHER_SUITES, default_provider, kx_group};

pub mod certificate;
pub mod chain;
pub mod client;
pub mod client_auth;
mod constraints;
mod distinguished_name;
pub mod hello;
pub mod identity;
mod masked;
mod revocation;
pub mod server;
pub mod session;
#[cfg(test)]
mod tests;
pub mod tickets;
mod x509;

pub use certificate::{Certificate, CertificateError, Validity};
pub use chain::ChainError;
pub use client::CoreClientTls;
pub use client_auth::{ClientAuth, ClientAuthError, ClientAuthId, ClientAuthMode, ClientDemand};
pub use hello::{Hello, read_hello};
pub use identity::{ClientIdentity, ClientRefusal, ClientVerdict};
pub use server::ServerTls;
pub use session::Session;
pub use tickets::Tickets;

/// Algorithms of every connection: aws-lc-rs, AEAD suites with forward secrecy only, X25519MLKEM768
/// (RFC 8446 with draft-ietf-tls-ecdhe-mlkem) before X25519 and the NIST curves.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: DEFAULT_CIPHER_SUITES.to_vec(),
            kx_groups: vec![
                kx_group::X25519MLKEM768,
                kx_group::X25519,
                kx_group::SECP256R1,
                kx_group::SECP384R1,
            ],
            ..default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}
