//! New connections to endpoints: TCP, then TLS where the backend wants it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::limits::{DESCRIPTOR_PAUSE, DESCRIPTOR_WAIT};
use crate::model::{BackendKey, Wire};
use crate::proxy::core::Core;
use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::{self, Stream};
use crate::proxy::transport::Transport;
use crate::proxy::transport::tls::TlsStream;
use crate::proxy::upstream::failure::Failure;
use crate::telemetry::{self, Counter};
use crate::tls::CoreClientTls;

/// What a backend's connections speak, as one core sees it.
pub struct CoreWire {
    is_http2: bool,
    /// With a store of sessions that is this core's alone.
    tls: Option<CoreClientTls>,
}

impl CoreWire {
    pub(super) fn new(key: &BackendKey, wire: &Wire) -> Self {
        let dial = key.dial.tls.as_deref();
        let name = dial.and_then(|dial| dial.server_name.as_ref());
        let is_sent = dial.is_some_and(|dial| dial.sends_server_name);
        let tls = wire.tls.as_ref().map(|tls| CoreClientTls::new(tls, name, is_sent));
        Self { is_http2: wire.is_http2, tls }
    }

    /// HTTP/2 and nothing else.
    pub const fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// TLS.
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection within `time`, the handshake included.
    ///
    /// # Errors
    /// Whose fault it is that there is none.
    pub async fn dial(
        &self,
        core: &Core,
        address: SocketAddr,
        time: Duration,
    ) -> Result<Transport, Failure> {
        let began = recent_millis();
        let socket = connect(core, address, time).await?;
        core.count(Counter::UpstreamConnects);
        let Some(tls) = &self.tls else { return Ok(Transport::Plain(socket)) };
        let spent = Duration::from_millis(recent_millis().saturating_sub(began));
        let session = tls.session(address.ip()).or(Err(Failure::Tls))?;
        let stream = TlsStream::new(socket, session, Buffer::unallocated());
        match rt::within(time.saturating_sub(spent), stream.handshake()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                telemetry::secure::backend_not_secured(address, &error);
                return Err(Failure::Tls);
            }
            None => return Err(Failure::ConnectTimeout),
        }
        if self.is_http2 && stream.with_session(|session| session.alpn() != Some(b"h2")) {
            telemetry::secure::backend_not_secured(address, &"it does not choose h2");
            return Err(Failure::Tls);
        }
        Ok(Transport::Tls(Box::new(stream)))
    }
}

/// Opens a connection within `time`.
///
/// # Errors
/// Whose fault it is that there is none.
pub async fn connect(core: &Core, address: SocketAddr, time: Duration) -> Result<Stream, Failure> {
    match rt::within(time, connect_with_room(core, address)).await {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(Failure::ConnectTimeout),
        Some(Err(error)) if is_local(&error) => Err(Failure::Local),
        Some(Err(_)) => Err(Failure::Connect),
        None => Err(Failure::ConnectTimeout),
    }
}

/// Whether it is this machine that lacks a descriptor, a port or memory.
fn is_local(error: &io::Error) -> bool {
    is_exhausted(error)
        || matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENOBUFS | libc::ENOMEM))
}

/// Connects; where descriptors are used up, closes idle connections for it, or waits until others
/// go idle or end.
async fn connect_with_room(core: &Core, address: SocketAddr) -> io::Result<Stream> {
    let mut waited = Duration::ZERO;
    let mut pause = DESCRIPTOR_PAUSE;
    loop {
        let result = Stream::connect(address, &core.deadlines).await;
        if waited >= DESCRIPTOR_WAIT || !result.as_ref().is_err_and(is_exhausted) {
            return result;
        }
        if core.upstreams.evict() {
            core.count(Counter::UpstreamEvictions);
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
