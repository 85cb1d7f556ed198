//! New connections to endpoints: TCP, then TLS where the backend wants it; streams of shared ones.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::limits::{DESCRIPTOR_PAUSE, DESCRIPTOR_WAIT};
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::{self, Stream};
use crate::proxy::transport::Transport;
use crate::proxy::transport::http2_upstream::Http2Upstream;
use crate::proxy::transport::tls::TlsStream;
use crate::proxy::upstream::endpoint::Endpoint;
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::http2::Ground;
use crate::proxy::upstream::pool::{Channel, Freshness};
use crate::proxy::upstream::upstreams::Upstreams;
use crate::proxy::upstream::wire::CoreWire;
use crate::telemetry::{self, Counter};

/// A channel for one request: a new connection, or a stream of one that is shared, within `time`.
///
/// # Errors
/// Whose fault it is that there is none.
pub async fn open(
    upstreams: &Rc<Upstreams>,
    endpoint: &Endpoint,
    wire: &Rc<CoreWire>,
    time: Duration,
) -> Result<Channel, Failure> {
    let opened_at = recent_millis();
    // Whoever cannot be reached is as silent as who does not answer.
    let is_first = endpoint.asked();
    let opened = if wire.is_http2() {
        open_stream(upstreams, endpoint, wire, time).await
    } else {
        let dialled = dial(upstreams, wire, endpoint.address, time).await;
        dialled.map(|stream| Channel {
            stream,
            opened_at,
            served: 0,
            freshness: Freshness::Fresh,
            keep_alive: None,
        })
    };
    if is_first && opened.is_ok() {
        endpoint.unasked();
    }
    opened
}

/// Opens a connection within `time`, the handshake included.
///
/// # Errors
/// Whose fault it is that there is none.
pub async fn dial(
    upstreams: &Upstreams,
    wire: &CoreWire,
    address: SocketAddr,
    time: Duration,
) -> Result<Transport, Failure> {
    let began = recent_millis();
    let socket = connect(upstreams, address, time).await?;
    let Some(tls) = wire.tls() else { return Ok(socket.into()) };
    let spent = Duration::from_millis(recent_millis().saturating_sub(began));
    let session = tls.session(address.ip()).or(Err(Failure::Tls))?;
    let stream = TlsStream::new(socket, session, Buffer::unallocated());
    match rt::within(time.saturating_sub(spent), stream.handshake()).await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            return Err(failed(address, Failure::Tls, &error));
        }
        None => return Err(failed(address, Failure::ConnectTimeout, &"no TLS in time")),
    }
    if wire.is_http2() && stream.with_session(|session| session.alpn() != Some(b"h2")) {
        return Err(failed(address, Failure::Tls, &"it does not choose h2"));
    }
    Ok(Transport::Tls(Box::new(stream)))
}

/// A stream of a connection that is shared, or of a new one, within `time`.
///
/// # Errors
/// No connection could be made, or all of them were full.
async fn open_stream(
    upstreams: &Rc<Upstreams>,
    endpoint: &Endpoint,
    wire: &Rc<CoreWire>,
    time: Duration,
) -> Result<Channel, Failure> {
    let address = endpoint.address;
    let dial = || {
        let (upstreams, wire) = (Rc::clone(upstreams), Rc::clone(wire));
        async move { dial(&upstreams, &wire, address, time).await }
    };
    let ground = Ground {
        limits: &upstreams.limits.get(),
        tasks: &upstreams.tasks,
        windows: &upstreams.windows,
    };
    let found = endpoint.http2.obtain(&ground, time, dial).await;
    let found = found.map_err(|failure| failed(address, failure, &"no stream of a connection"))?;
    let freshness = if found.is_reused { Freshness::Reused } else { Freshness::Fresh };
    if found.is_reused {
        upstreams.telemetry.count(Counter::UpstreamReuses);
    }
    let stream = Http2Upstream::new(found, wire.scheme(), &upstreams.deadlines);
    let stream = Transport::Http2Upstream(Box::new(stream));
    Ok(Channel { stream, opened_at: recent_millis(), served: 0, freshness, keep_alive: None })
}

/// The same, of one without TLS.
///
/// # Errors
/// Whose fault it is that there is none.
pub async fn connect_plainly(
    upstreams: &Upstreams,
    address: SocketAddr,
    time: Duration,
) -> Result<Transport, Failure> {
    connect(upstreams, address, time).await.map(Transport::from)
}

async fn connect(
    upstreams: &Upstreams,
    address: SocketAddr,
    time: Duration,
) -> Result<Stream, Failure> {
    let error = match rt::within(time, connect_with_room(upstreams, address)).await {
        Some(Ok(stream)) => {
            upstreams.telemetry.count(Counter::UpstreamConnects);
            return Ok(stream);
        }
        Some(Err(error)) => error,
        None => io::ErrorKind::TimedOut.into(),
    };
    let failure = match &error {
        error if error.kind() == io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        error if is_local(error) => Failure::Local,
        _ => Failure::Connect,
    };
    Err(failed(address, failure, &error))
}

fn failed(endpoint: SocketAddr, failure: Failure, cause: &dyn Display) -> Failure {
    telemetry::blame::endpoint_failed(endpoint, failure.label(), cause);
    failure
}

/// Whether it is this machine that lacks a descriptor, a port or memory.
fn is_local(error: &io::Error) -> bool {
    is_exhausted(error)
        || matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENOBUFS | libc::ENOMEM))
}

/// Connects; where descriptors are used up, closes idle connections for it, or waits until others
/// go idle or end.
async fn connect_with_room(upstreams: &Upstreams, address: SocketAddr) -> io::Result<Stream> {
    let mut waited = Duration::ZERO;
    let mut pause = DESCRIPTOR_PAUSE;
    loop {
        let result = Stream::connect(address, &upstreams.deadlines).await;
        if waited >= DESCRIPTOR_WAIT || !result.as_ref().is_err_and(is_exhausted) {
            return result;
        }
        if upstreams.evict() {
            upstreams.telemetry.count(Counter::UpstreamEvictions);
            pause = DESCRIPTOR_PAUSE;
        }
        rt::sleep(pause).await;
        waited += pause;
        pause *= 2;
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
