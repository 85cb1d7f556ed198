//! HTTP/1.1 on the wire, sans-IO: bytes in, typed heads and body octets out. No socket, no clock, no
//! allocation once its reusable structures are warm.

pub mod body;
pub mod chunked;
pub mod encode;
pub mod error;
pub mod fields;
pub mod framing;
pub mod head;
pub mod target;
