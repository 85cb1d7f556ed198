//! HTTP/2, sans-IO, towards clients and backends: queues in place of a socket for the h2 crate, a
//! meter against floods and slowness, and translators between its streams and HTTP/1.1 octets.
//!
//! ```text
//!  octets ─▶ FrameMeter ─▶ Link ─▶ h2 ─▶ Parts ─▶ put_request ─▶ HTTP/1.1 head ─▶ exchange
//!                                   │    DATA  ─▶ RequestBody ─▶ HTTP/1.1 body ─▶    │
//!  octets ◀─────────────── Link ◀─ h2 ◀─ events ◀─ ResponseReader ◀─ HTTP/1.1 ◀─────┘
//! ```
//!
//! HTTP/1.1 octets are the one currency inside: routing, filters, retries and logs are written once
//! and know nothing of streams. What is translated is parsed again by `http1`, so that nothing
//! passes here that would be refused there. Everything belongs to one thread.

pub mod body;
pub mod client;
pub mod field;
pub mod frame;
pub mod guard;
pub mod hpack;
pub mod io;
pub mod patience;
pub mod request;
pub mod response;
pub mod server;
pub mod settings;

#[cfg(test)]
mod tests;

/// What a client sends first, RFC 9113 section 3.4.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
