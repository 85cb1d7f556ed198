//! A connection of a TCP service: relayed as it is to an endpoint of a backend that the table in
//! force has for its entry point.

use std::net::SocketAddr;

use crate::model::{EntryPoint, Introduced, Introduces, StreamTerms};
use crate::proxy::client::arrival::Admitted;
use crate::proxy::client::passthrough::{self, Client, Terms, Towards};
use crate::proxy::client::proxy_header;
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::transport::Transport;
use crate::telemetry::Counter;

/// Relays an admitted connection to its end.
pub async fn serve(admitted: Admitted, socket: Stream, peer: SocketAddr, at: EntryPoint) {
    let core = &admitted.0;
    core.count(Counter::TcpConnections);
    let table = core.table();
    let chosen = table.0.stream_at(&at).and_then(|service| {
        let backend = service.backends.pick(|below| core.random.below(below))?;
        Some((backend, service.terms))
    });
    core.retire_table(table);
    let Some((backend, StreamTerms { introduced, introduces, policy })) = chosen else { return };
    let introduced = match introduced {
        Introduced::ByHeader => proxy_header::demanded(core, &socket, peer).await,
        Introduced::ByConnection => Some((peer, None)),
    };
    let Some((peer, first)) = introduced else { return };
    let first = first.unwrap_or_else(Buffer::unallocated);
    let terms = Terms {
        introduces: match introduces {
            Introduces::Nobody => None,
            Introduces::Client => Some(crate::proxy_protocol::put_v1),
        },
        towards: Towards::AsItIs,
        policy,
    };
    let stream = Transport::from(socket);
    passthrough::relay(core, Client { stream, peer, first }, backend, terms).await;
}
