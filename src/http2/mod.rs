//! HTTP/2, sans-IO: our own codec towards clients with its meter against floods and slowness,
//! queues in place of a socket for the h2 crate towards backends, and translators between streams
//! and HTTP/1.1 octets.
//!
//! ```text
//!  octets ─▶ Server ─▶ FieldList ─▶ put_request ─▶ HTTP/1.1 head ─▶ exchange
//!              │ ▲     DATA ──────▶ RequestBody ─▶ HTTP/1.1 body ─▶    │
//!  octets ◀────┘ └──── events ◀── ResponseReader ◀─ HTTP/1.1 ◀─────────┘
//!
//!  octets ◀▶ Link ◀▶ h2 ◀▶ client::RequestReader, put_response ◀▶ HTTP/1.1
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
mod message;
pub mod patience;
pub mod request;
pub mod response;
pub mod screen;
pub mod server;

#[cfg(test)]
mod tests;

/// What a client sends first, RFC 9113 section 3.4.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
