//! A connection that is relayed as it is to an endpoint of a backend.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{Balance, StreamPolicy};
use crate::proxy::core::Core;
use crate::proxy::exchange::retry::ConnectTime;
use crate::proxy::exchange::tunnel::{self, Relayed};
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::transport::Transport;
use crate::proxy::upstream::backend::Backend;
use crate::proxy::upstream::dial;
use crate::proxy::upstream::endpoint::Lease;
use crate::proxy::upstream::failure::Failure;
use crate::table::BackendId;
use crate::telemetry::Counter;

/// A connection that is passed through.
pub struct Client {
    /// Its socket.
    pub socket: Stream,
    /// The other end.
    pub peer: SocketAddr,
    /// What was read of it.
    pub first: Buffer,
}

/// How such a connection is relayed.
pub struct Terms {
    /// Says to the endpoint who the client is; `None`: nobody does.
    pub introduces: Option<fn(&mut Vec<u8>, SocketAddr, SocketAddr)>,
    /// How long it may be silent, and how many endpoints are tried.
    pub policy: StreamPolicy,
}

/// Relays the whole connection to an endpoint of the backend.
pub async fn relay(core: &Core, client: Client, backend: BackendId, terms: Terms) {
    let Client { socket, peer, first } = client;
    let Some(backend) = core.upstreams.backend(backend) else { return };
    // The lease counts the connection as one request in flight, for as long as it lasts.
    let Some((upstream, _lease)) = reach(core, &backend, &terms.policy).await else {
        core.count(Counter::UpstreamConnectFailures);
        return;
    };
    core.count(Counter::UpstreamConnects);
    socket.deadline().disarm();
    let mut octets = Buffer::new(Class::Small);
    if let Some(put) = terms.introduces
        && let Ok(own) = socket.local_address()
    {
        put(octets.as_vec(), peer, own);
    }
    octets.as_vec().extend_from_slice(first.unread());
    let (client, upstream) = (Transport::Plain(socket), Transport::Plain(upstream));
    let relayed = Relayed::default();
    let idle = terms.policy.idle_timeout;
    tunnel::relay(&client, &upstream, octets, Buffer::unallocated(), idle, &relayed).await;
}

/// Connects to an endpoint of the backend, within the time for connections in all.
async fn reach(core: &Core, backend: &Backend, policy: &StreamPolicy) -> Option<(Stream, Lease)> {
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
        let time = connecting.share(backend.has_other(address, &tried));
        match dial::connect(&core.upstreams, address, time).await {
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
