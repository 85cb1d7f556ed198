//! Towards clients: from an accepted socket to request heads, by the protocol that is spoken.

pub mod accept;
pub mod connection;
pub mod downstream;
pub mod http2;
pub mod secure;
