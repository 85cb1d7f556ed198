//! The header of the PROXY protocol, by which a load balancer says who its client is.

use std::net::SocketAddr;

use crate::proxy::core::Core;
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy_protocol::{self, Parsed};
use crate::telemetry::Counter;

/// Whether the peer is believed to be such a load balancer.
pub fn is_trusted(core: &Core, peer: SocketAddr) -> bool {
    core.config.proxy_protocol_trusted.iter().any(|range| range.contains(peer.ip()))
}

/// Who the client is, and the octets read beyond that; `None`: the connection is of no use.
pub async fn introduced(
    core: &Core,
    socket: &Stream,
    peer: SocketAddr,
) -> Option<(SocketAddr, Option<Buffer>)> {
    if !is_trusted(core, peer) {
        return Some((peer, None));
    }
    read_proxy_header(core, socket, peer).await
}

/// Reads the header that a load balancer puts in front of a connection.
async fn read_proxy_header(
    core: &Core,
    socket: &Stream,
    peer: SocketAddr,
) -> Option<(SocketAddr, Option<Buffer>)> {
    socket.deadline().arm(core.config.client_header_timeout, Expiry::CloseBoth);
    let mut octets = Buffer::new(Class::Small);
    loop {
        match proxy_protocol::parse(octets.unread()) {
            Ok(Parsed::Header { bytes, source, .. }) => {
                // The deadline goes on: it bounds all up to the first request.
                octets.consume(bytes);
                octets.compact();
                return Some((source.unwrap_or(peer), (!octets.is_empty()).then_some(octets)));
            }
            Ok(Parsed::Incomplete) => {}
            Ok(Parsed::Absent) | Err(_) => break,
        }
        octets.make_room();
        match socket.read_when_ready(&mut octets).await {
            Ok(1..) => {}
            // A health check that only connects.
            Ok(_) | Err(_) if octets.is_empty() && !socket.deadline().is_expired() => return None,
            Ok(_) | Err(_) => break,
        }
    }
    core.count(Counter::ProxyHeadersInvalid);
    None
}
