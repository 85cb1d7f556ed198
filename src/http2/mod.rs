//! HTTP/2, sans-IO: a codec of our own for both roles with its meter against floods and slowness,
//! and translators between streams and HTTP/1.1 octets.
//!
//! ```text
//!  client ──▶ Connection ─▶ FieldList ─▶ put_request ──▶ HTTP/1.1 head ─▶ exchange
//!                │ ▲        DATA ──────▶ RequestBody ──▶ HTTP/1.1 body ─▶    │
//!  client ◀──────┘ └─────── events ◀─── ResponseReader ◀─ HTTP/1.1 ◀─────────┘
//!
//!  backend ◀─ Connection ◀─ events ◀─── RequestReader ◀── HTTP/1.1 ◀─ exchange
//!  backend ─▶ Connection ─▶ FieldList ─▶ put_response ──▶ HTTP/1.1 head ─▶
//!                           DATA ──────▶ RequestBody ──▶ HTTP/1.1 body ─▶
//! ```
//!
//! HTTP/1.1 octets are the one currency inside: routing, filters, retries and logs are written once
//! and know nothing of streams. What is translated is parsed again by `http1`, so that nothing
//! passes here that would be refused there. Everything belongs to one thread.

pub mod body;
pub mod client;
pub mod connection;
pub mod field;
pub mod follows;
pub mod frame;
pub mod guard;
pub mod hpack;
mod message;
pub mod patience;
pub mod request;
pub mod response;

#[cfg(test)]
mod tests;

/// What a client sends first, RFC 9113 section 3.4.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
