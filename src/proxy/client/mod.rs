//! Towards clients: from an accepted socket to request heads, by the protocol that is spoken.

pub mod accept;
pub mod arrival;
pub mod head;
pub mod http1;
pub mod http2;
pub mod linger;
pub mod passthrough;
pub mod proxy_header;
pub mod tcp;
pub mod tls;
pub mod udp;
