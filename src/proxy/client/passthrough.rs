//! A connection whose octets are relayed to an endpoint of a backend.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{Balance, StreamPolicy};
use crate::proxy::core::Core;
use crate::proxy::exchange::retry::ConnectTime;
use crate::proxy::exchange::tunnel::{self, Relayed};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::transport::Transport;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::dial;
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::table::BackendId;
use crate::telemetry::Counter;

/// A connection that is relayed.
pub struct Client {
    /// What its octets come from.
    pub stream: Transport,
    /// The other end.
    pub peer: SocketAddr,
    /// What was read of it.
    pub first: Buffer,
}

/// Writes who the client is, and where it came in.
pub type Introduces = fn(&mut Vec<u8>, SocketAddr, SocketAddr);

/// How such a connection is relayed.
pub struct Terms {
    /// Says to the endpoint who the client is; `None`: nobody does.
    pub introduces: Option<Introduces>,
    /// How endpoints get the octets.
    pub towards: Towards,
    /// How long it may be silent, and how many endpoints are tried.
    pub policy: StreamPolicy,
}

/// How endpoints get the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// As they are.
    AsItIs,
    /// Within TLS, where the backend is to be spoken to so.
    AsSaid,
}

/// Relays the whole connection to an endpoint of the backend.
pub async fn relay(core: &Core, client: Client, backend: BackendId, terms: Terms) {
    let Client { stream: client, peer, first } = client;
    let Some(backend) = core.upstreams.backend(backend) else { return };
    // The lease counts the connection as one request in flight, for as long as it lasts.
    let Some((upstream, _lease)) = reach(core, &backend, &terms).await else {
        core.count(Counter::UpstreamConnectFailures);
        return;
    };
    client.deadline().disarm();
    let mut octets = Buffer::new(Class::Small);
    if let Some(put) = terms.introduces
        && let Transport::Plain(socket) = &client
        && let Ok(own) = socket.local_address()
    {
        put(octets.as_vec(), peer, own);
    }
    octets.as_vec().extend_from_slice(first.unread());
    let relayed = Relayed::default();
    let idle = terms.policy.idle_timeout;
    tunnel::relay(&client, &upstream, octets, Buffer::unallocated(), idle, &relayed).await;
}

/// Connects to an endpoint of the backend, within the time for connections in all.
async fn reach(core: &Core, backend: &Backend, terms: &Terms) -> Option<(Transport, Lease)> {
    let Terms { introduces: _, towards, policy } = terms;
    let mut connecting = ConnectTime::new(core.config.defaults.connect_timeout);
    let mut tried = Vec::new();
    let first_try = recent_millis();
    loop {
        let lease = backend.pick(Balance::RoundRobin, &tried, &core.random)?;
        let address = lease.endpoint.address;
        if tried.contains(&address) {
            return None;
        }
        let began = recent_millis();
        let time = match backend.has_other(address, &tried) {
            true => connecting.share(),
            false => connecting.left(),
        };
        let opened = match towards {
            Towards::AsItIs => dial::connect_plainly(&core.upstreams, address, time).await,
            Towards::AsSaid => dial::dial(&core.upstreams, &backend.wire(), address, time).await,
        };
        match opened {
            Ok(stream) => return Some((stream, lease)),
            Err(Failure::Local) => {
                core.count(Counter::UpstreamExhausted);
                return None;
            }
            Err(_) => {}
        }
        connecting.spend(Duration::from_millis(recent_millis().saturating_sub(began)));
        tried.push(address);
        let elapsed = Duration::from_millis(recent_millis().saturating_sub(first_try));
        let is_late = !policy.tries_time.is_zero() && elapsed >= policy.tries_time;
        if !policy.goes_on
            || is_late
            || u32::try_from(tried.len()).is_ok_and(|tries| tries >= policy.tries)
        {
            return None;
        }
    }
}
