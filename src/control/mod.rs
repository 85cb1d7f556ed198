//! Control plane: sources, store, lowering, publishing, admin. The only place of Kubernetes and Tokio.
