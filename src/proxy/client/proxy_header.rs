//! The header of the PROXY protocol, by which a load balancer says who its client is.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::ListenerFacts;
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy_protocol::{self, Parsed};
use crate::telemetry::Counter;

/// Whether the peer is a load balancer that introduces its client.
pub fn is_introduced(core: &Core, peer: SocketAddr) -> bool {
    core.downstream(|policy| policy.proxy_protocol.introducing.contains(peer.ip()))
}

/// A client and how it came, as far as a load balancer said it.
pub struct Introduced {
    /// The client.
    pub peer: SocketAddr,
    /// Where it came in.
    pub listener: Rc<ListenerFacts>,
    /// What was read beyond the header.
    pub first: Option<Buffer>,
}

/// Who the client is; `None`: the connection is of no use.
pub async fn introduced(
    core: &Core,
    socket: &Stream,
    peer: SocketAddr,
    listener: Rc<ListenerFacts>,
) -> Option<Introduced> {
    if !is_introduced(core, peer) {
        return Some(Introduced { peer, listener, first: None });
    }
    let (said, first) = read_proxy_header(core, socket).await?;
    let is_believed = core.downstream(|policy| policy.proxy_protocol.believed.contains(peer.ip()));
    let Said { source, destination } = if is_believed { said } else { Said::default() };
    let listener = match destination {
        Some(address) => Rc::new(listener.came_to(address.port())),
        None => listener,
    };
    Some(Introduced { peer: source.unwrap_or(peer), listener, first })
}

/// Who the client is by a header that has to be there, whoever sends it; and what was read beyond.
pub async fn demanded(
    core: &Core,
    socket: &Stream,
    peer: SocketAddr,
) -> Option<(SocketAddr, Option<Buffer>)> {
    let (said, first) = read_proxy_header(core, socket).await?;
    Some((said.source.unwrap_or(peer), first))
}

/// What a header says.
#[derive(Default)]
struct Said {
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
}

/// Reads the header that a load balancer puts in front of a connection.
async fn read_proxy_header(core: &Core, socket: &Stream) -> Option<(Said, Option<Buffer>)> {
    let wait = core.downstream(|policy| policy.header_timeout);
    socket.deadline().arm(wait, Expiry::CloseBoth);
    let mut octets = Buffer::new(Class::Small);
    loop {
        match proxy_protocol::parse(octets.unread()) {
            Ok(Parsed::Header { bytes, source, destination }) => {
                // The deadline goes on: it bounds all up to the first request.
                octets.consume(bytes);
                octets.compact();
                let said = Said { source, destination };
                return Some((said, (!octets.is_empty()).then_some(octets)));
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
