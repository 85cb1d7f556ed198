//! Ringway: Kubernetes ingress controller and reverse proxy on pinned io_uring cores.
//!
//! What this crate does not do: it generates no configuration text, reloads nothing, and lets no
//! request wait for Kubernetes. Data flows one way:
//!
//! ```text
//!  YAML directory ─▶ source ─▶ store ─▶ lower ─▶ Model ─▶ compile ─▶ Table ─publish─▶ core 0..n
//!  └───────── control plane: Tokio, may wait, may allocate ─────────┘  └─ data plane: no lock ─┘
//! ```
//!
//! `control` and `proxy` never name each other; `cli` hands each its end of `publish`.
//! `tests/tidy.rs` holds the table of allowed imports and fails on an edge that is not in it.

pub mod limits;
mod page;

pub mod model;

pub mod table;

pub mod explain;

pub mod publish;

pub mod quota;

pub mod protobuf;

pub mod ext_authz;

pub mod http1;

pub mod http2;

pub mod filter;

pub mod coding;

pub mod directives;

pub mod passwords;

pub mod tls;

pub mod telemetry;

pub mod config;

pub mod listen;

pub mod control;

pub mod migrate;

pub mod proxy;

pub mod proxy_protocol;

pub mod cli;
