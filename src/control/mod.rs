//! Control plane: sources, store, lowering, publishing, admin. The only place of Kubernetes and Tokio.

pub mod lower;
pub mod resolve;
pub mod source;
pub mod store;
