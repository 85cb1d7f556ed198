//! Data plane: per core, no lock, no Tokio, no Kubernetes.
