//! Upstreams as one core sees them: backends and their endpoints, connections to them, new ones.

pub mod backend;
pub mod balance;
pub mod body_copy;
pub mod bound;
pub mod call;
pub mod dial;
pub mod endpoint;
pub mod failure;
pub mod health;
pub mod http2;
pub mod pool;
pub mod request_body;
pub mod until;
pub mod upstreams;
pub mod wire;
