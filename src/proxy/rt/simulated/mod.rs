//! A core without a kernel, for tests: its clock is moved by hand, its tasks run until none can go
//! on, and its connections end in memory.
//!
//! ```text
//! tasks ─ none can go on ─▶ clock to the next timer ─▶ tasks …
//! Stream ◀─ Link ─▶ Peer: what the other side does, and saw
//! ```
//!
//! The model is `Pair` of quinn: no socket, no thread, no pause. What a socket does here, it does
//! on Linux: octets before an end, a reset in answer to octets for who closed.

#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "what is simulated is documented where it is real, and a panic is the test's"
)]

pub mod link;
pub mod listener;
pub mod network;
pub(super) mod splice;
pub mod stream;
pub mod task;
pub mod time;
