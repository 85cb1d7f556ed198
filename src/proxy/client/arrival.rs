//! One accepted connection: TLS where the listener says so, then the protocol that the client
//! speaks.
//!
//! ```text
//!  http  ─▶ "PRI * HTTP/2.0" ? ─┬─▶ http2
//!  https ─▶ handshake ─▶ ALPN ──┴─▶ HTTP/1.1 (downstream)
//! ```

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use crate::http2::PREFACE;
use crate::model::Scheme;
use crate::proxy::client::http1::{self, Request, make_room};
use crate::proxy::client::http2;
use crate::proxy::client::tls;
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::{Downstream, ListenerFacts};
use crate::proxy::exchange::end::After;
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;
use crate::proxy_protocol::{self, Parsed};
use crate::telemetry::Counter;

/// An admitted connection; dismissed when its task ends, also by a panic.
pub struct Admitted(pub Rc<Core>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}

/// A connection just accepted.
pub struct Arrived {
    /// Counts it.
    pub admitted: Admitted,
    /// The socket.
    pub socket: Stream,
    /// The other end.
    pub peer: SocketAddr,
    /// Where it came in.
    pub listener: Rc<ListenerFacts>,
}

/// A connection whose protocol is known, or will be by its first octets.
struct Prepared {
    downstream: Rc<Downstream>,
    /// Read already.
    first: Option<Buffer>,
    is_http2: bool,
}

/// What there is to do before the protocol is known: nothing in clear text, so that such a
/// connection keeps no room for it.
enum Preparation<F> {
    Done(Prepared),
    /// In memory of its own, which the connection gives back afterwards.
    Needed(Pin<Box<F>>),
}

/// Serves a connection to its end. For `place` see [`http1::serve`].
pub fn serve<P: Future<Output = After> + 'static>(
    arrived: Arrived,
    place: impl Fn(Request) -> P + Clone + 'static,
) -> impl Future<Output = ()> {
    let Arrived { admitted, socket, peer, listener } = arrived;
    let core = Rc::clone(&admitted.0);
    let preparation = if listener.scheme == Scheme::Http && !is_trusted(&core, peer) {
        let downstream = Downstream::new(Transport::Plain(socket), peer, listener);
        let downstream = Rc::new(downstream);
        Preparation::Done(Prepared { downstream, first: None, is_http2: false })
    } else {
        Preparation::Needed(Box::pin(prepare(core, socket, peer, listener)))
    };
    run(admitted, preparation, place)
}

async fn run<P: Future<Output = After> + 'static>(
    admitted: Admitted,
    preparation: Preparation<impl Future<Output = Option<Prepared>>>,
    place: impl Fn(Request) -> P + Clone + 'static,
) {
    let core = &admitted.0;
    let prepared = match preparation {
        Preparation::Done(prepared) => Some(prepared),
        Preparation::Needed(preparing) => preparing.await,
    };
    let Some(Prepared { downstream, first, is_http2 }) = prepared else { return };
    if is_http2 {
        let first = Buffer::unallocated();
        return Box::pin(http2::serve(core, &downstream, first, place)).await;
    }
    let Some(mut first) = http1::next_octets(core, &downstream, first, 0).await else {
        return downstream.stream.finish();
    };
    // By TLS, ALPN has decided.
    if downstream.listener.scheme == Scheme::Http && may_be_preface(&first) {
        match Box::pin(complete_preface(core, &downstream, first)).await {
            Sniffed::Http1(octets) => first = octets,
            Sniffed::Http2(octets) => {
                return Box::pin(http2::serve(core, &downstream, octets, place)).await;
            }
            Sniffed::Gone => return,
        }
    }
    http1::serve(core, &downstream, place, Some(first)).await;
}

/// PROXY header and TLS handshake, as far as the connection has them. `None`: it is over.
async fn prepare(
    core: Rc<Core>,
    socket: Stream,
    peer: SocketAddr,
    listener: Rc<ListenerFacts>,
) -> Option<Prepared> {
    let core = &core;
    let (peer, first) = introduced(core, &socket, peer).await?;
    if listener.scheme == Scheme::Http {
        let downstream = Rc::new(Downstream::new(Transport::Plain(socket), peer, listener));
        return Some(Prepared { downstream, first, is_http2: false });
    }
    let secured = tls::accept(core, socket, peer, &listener, first).await?;
    let mut downstream = Downstream::new(secured.transport, peer, listener);
    downstream.client_auth = secured.client_auth;
    downstream.identity = secured.identity;
    let is_http2 = secured.is_http2;
    Some(Prepared { downstream: Rc::new(downstream), first: None, is_http2 })
}

fn is_trusted(core: &Core, peer: SocketAddr) -> bool {
    core.config.proxy_protocol_trusted.iter().any(|range| range.contains(peer.ip()))
}

/// Who the client is, and the octets read beyond that; `None`: the connection is of no use.
async fn introduced(
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
        make_room(&mut octets);
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

/// The part of the preface that no request of HTTP/1.1 begins with.
const PREFACE_START: usize = "PRI * HTTP/2.0\r\n".len();

fn may_be_preface(octets: &Buffer) -> bool {
    let seen = octets.len().min(PREFACE_START);
    octets.unread().get(..seen) == PREFACE.get(..seen)
}

enum Sniffed {
    Http1(Buffer),
    Http2(Buffer),
    Gone,
}

/// Reads until it is plain whether this is HTTP/2 by prior knowledge, RFC 9113 section 3.3.
async fn complete_preface(core: &Core, downstream: &Downstream, mut octets: Buffer) -> Sniffed {
    let stream = &downstream.stream;
    stream.deadline().keep_or_arm(core.config.client_header_timeout, Expiry::CloseBoth);
    while octets.len() < PREFACE_START {
        match http1::read_sparingly(stream, &mut octets).await {
            Ok(1..) if may_be_preface(&octets) => {}
            Ok(1..) => return Sniffed::Http1(octets),
            Ok(_) | Err(_) => return Sniffed::Gone,
        }
    }
    Sniffed::Http2(octets)
}
