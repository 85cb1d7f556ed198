//! Control plane: sources, store, lowering, publishing, admin. The only place of Kubernetes and
//! Tokio.
//!
//! ```text
//!  Watch ─▶ settle ─▶ Directory ─▶ Store ─▶ Lowerer ─▶ Compiler ─▶ endpoints, then table ─▶ cores
//!                     Resolver ────────────────┘              removed backends ◀─ acknowledgements
//! ```
//!
//! [`Controller`] decides and never waits; [`ControlLoop`] waits and decides nothing.

pub mod acks;
pub mod admin;
pub mod admission;
mod calls;
pub mod client;
pub mod cluster;
pub mod conditions;
mod control_loop;
pub mod controller;
pub mod definition;
pub mod endpoint_slice;
mod error;
pub mod explain;
mod feed;
pub mod gateway_api;
pub mod host_certificate;
pub mod inventory;
pub mod kinds;
pub mod lower;
pub mod observed;
pub mod openings;
pub mod outcomes;
mod own_thread;
pub mod password_threads;
pub mod resolve;
mod seats;
pub mod served;
pub mod source;
pub mod state;
pub mod store;
pub mod survey;
pub mod traces;
pub mod write;

pub use cluster::ClusterLink;
pub use control_loop::ControlLoop;
pub use controller::Controller;
pub use error::ControlError;
pub use own_thread::OwnThread;
pub use seats::{ControlRoom, PutOff};
pub use state::ControlState;

#[cfg(test)]
mod tests;
