//! Data plane: what one core does. No lock on the request path, no Tokio, no Kubernetes.
//!
//! ```text
//!  worker ─▶ client ─▶ exchange ─▶ upstream ─▶ transport ─▶ rt
//!   one       accept,   one         dial,       socket,      sockets, time,
//!   core      TLS,      request     pools,      TLS,         memory: the only
//!             HTTP/1,               balance,    HTTP/2       room that names
//!             HTTP/2                health      streams      the runtime
//! ```
//!
//! A worker owns its ring, listeners, pools, buffers and counters; sharing inside it is by `Rc`.
//! Across threads move only published data (in) and counters (out).

mod affinity;
pub mod auth_answers;
pub mod client;
pub mod compressors;
pub mod core;
pub mod drainable;
pub mod exchange;
pub mod noted;
pub mod passwords;
pub mod rt;
mod start;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod transport;
pub mod upstream;
pub mod worker;

pub use start::{StartError, Started, start};
