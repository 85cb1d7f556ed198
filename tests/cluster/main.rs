//! The controller against a real API server. This file is the table of contents: each module is a
//! behaviour, each case a rule.
//!
//! Everything runs in a network namespace of its own, which a process enters before it has threads;
//! so this target has its own `main`. Filters and options are those of every `cargo test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod harness;
/// Clients, backends and the binary, as the integration tests have them.
#[path = "../it/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "more than these tests need")]
mod peers;

#[path = "../conformance/mod.rs"]
mod conformance;

mod acme;
mod admission;
mod classes;
mod configmap;
mod control_plane;
mod deploy;
mod discovery;
mod doctor;
mod faults;
mod gateway;
mod migrate;
mod rollout;
mod scale;
mod scope;
mod source;
mod status;
mod takeover;
mod tls;
mod topology;
mod writer;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::pod::serve_if_asked();
    conformance::program::serve_names_if_asked();
    harness::run([
        control_plane::cases(),
        discovery::cases(),
        deploy::cases(),
        doctor::cases(),
        migrate::cases(),
        classes::cases(),
        configmap::cases(),
        scope::cases(),
        tls::cases(),
        source::cases(),
        status::cases(),
        takeover::cases(),
        writer::cases(),
        topology::cases(),
        acme::cases(),
        admission::cases(),
        rollout::cases(),
        scale::cases(),
        faults::cases(),
        gateway::cases(),
        conformance::cases(),
    ])
}
