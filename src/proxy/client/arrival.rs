//! One accepted connection: a PROXY header and TLS where they are due, then the protocol that the
//! client speaks.
//!
//! ```text
//!  http  ─▶ "PRI * HTTP/2.0" ? ─┬─▶ http2
//!  https ─▶ handshake ─▶ ALPN ──┴─▶ http1
//! ```

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use crate::http1::head::RequestKind;
use crate::http2::PREFACE;
use crate::limits::OVERLOADED_LINGER;
use crate::model::Scheme;
use crate::proxy::client::head::Unparsed;
use crate::proxy::client::http1;
use crate::proxy::client::http2;
use crate::proxy::client::proxy_header::{Introduced, introduced, is_introduced};
use crate::proxy::client::tls::{self, Protocol};
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::{Downstream, ListenerFacts};
use crate::proxy::exchange::end::After;
use crate::proxy::exchange::reply::{self, OwnFields, Persistence, Reply};
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::rt::{self, Stream};

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

/// A connection that carries requests.
struct Prepared {
    downstream: Rc<Downstream>,
    /// Read already.
    first: Option<Buffer>,
    /// `None`: known by its first octets.
    protocol: Option<Protocol>,
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
    place: impl Fn(Unparsed) -> P + Clone + 'static,
) -> impl Future<Output = ()> {
    let Arrived { admitted, socket, peer, listener } = arrived;
    let core = Rc::clone(&admitted.0);
    let preparation = if listener.scheme == Scheme::Http && !is_introduced(&core, peer) {
        let downstream = Downstream::new(socket.into(), peer, listener);
        let downstream = Rc::new(downstream);
        Preparation::Done(Prepared { downstream, first: None, protocol: None })
    } else {
        Preparation::Needed(Box::pin(prepare(core, socket, peer, listener)))
    };
    run(admitted, preparation, place)
}

async fn run<P: Future<Output = After> + 'static>(
    admitted: Admitted,
    preparation: Preparation<impl Future<Output = Option<Prepared>>>,
    place: impl Fn(Unparsed) -> P + Clone + 'static,
) {
    let core = &admitted.0;
    let prepared = match preparation {
        Preparation::Done(prepared) => Some(prepared),
        Preparation::Needed(preparing) => preparing.await,
    };
    let Some(Prepared { downstream, first, protocol }) = prepared else { return };
    if protocol == Some(Protocol::Http2) {
        let first = Buffer::unallocated();
        return Box::pin(http2::serve(core, &downstream, first, place)).await;
    }
    let Some(mut first) = http1::next_octets(core, &downstream, first, 0).await else {
        return downstream.stream.finish();
    };
    if protocol.is_none() && may_be_preface(&first) {
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
    let Introduced { peer, listener, first } = introduced(core, &socket, peer, listener).await?;
    if listener.scheme == Scheme::Http {
        let downstream = Rc::new(Downstream::new(socket.into(), peer, listener));
        return Some(Prepared { downstream, first, protocol: None });
    }
    let secured = tls::accept(core, socket, peer, &listener, first).await?;
    let mut downstream = Downstream::new(secured.transport, peer, listener);
    downstream.client_auth = secured.client_auth;
    downstream.section = secured.section;
    downstream.identity = secured.identity;
    downstream.tls = Some(secured.facts);
    let protocol = Some(secured.protocol);
    Some(Prepared { downstream: Rc::new(downstream), first: None, protocol })
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
    let wait = core.downstream(|policy| policy.header_timeout);
    stream.deadline().keep_or_arm(wait, Expiry::CloseBoth);
    while octets.len() < PREFACE_START {
        match stream.read_sparingly(&mut octets).await {
            Ok(1..) if may_be_preface(&octets) => {}
            Ok(1..) => return Sniffed::Http1(octets),
            Ok(_) | Err(_) => return Sniffed::Gone,
        }
    }
    Sniffed::Http2(octets)
}

/// Answers 503 to a connection above the limit, without reading anything.
pub async fn turn_away(core: Rc<Core>, stream: Stream) {
    let mut out = Buffer::new(Class::Small);
    core.with_date(|date| {
        let own = OwnFields::dated(date);
        let request = RequestKind::default();
        reply::put(out.as_vec(), Reply::Overloaded, Persistence::Close, request, &own)
    });
    // The socket is new, so its send queue takes a short answer at once or never.
    if stream.try_write(out.unread()).is_ok() {
        stream.close_write();
        rt::sleep(OVERLOADED_LINGER).await;
    }
}
