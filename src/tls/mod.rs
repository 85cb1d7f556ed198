//! TLS on both sides: certificates, policies and configurations made on the control thread, and the
//! record engine that a core drives. No socket, no clock of the data plane, no Kubernetes.
//!
//! The one crypto provider is [`provider()`]; it is passed wherever a configuration is built: with
//! a second provider in the process, brought by some crate, rustls cannot choose and panics.

pub mod certificate;
pub mod chain;
mod chain_error;
pub mod client;
pub mod client_auth;
mod constraints;
mod distinguished_name;
pub mod hello;
pub mod identity;
mod masked;
mod provider;
mod revocation;
pub mod server;
pub mod server_terms;
pub mod session;
#[cfg(test)]
mod tests;
pub mod tickets;
mod x509;

pub use certificate::{Certificate, CertificateError, Validity};
pub use chain_error::ChainError;
pub use client::{CoreClientTls, Sni};
pub use client_auth::{ClientAuth, ClientAuthError, ClientAuthId, ClientAuthMode, ClientDemand};
pub use hello::{Hello, read_hello};
pub use identity::{ClientIdentity, ClientRefusal, ClientVerdict};
pub use provider::provider;
pub use server::ServerTls;
pub use session::{Session, TlsFacts};
pub use tickets::Tickets;
