//! Data plane: what one core does. No lock, no Tokio, no Kubernetes.
pub mod buffer;
pub mod clock;
pub mod random;
pub mod rt;
pub mod upstream;
