//! From an accepted socket of an HTTPS listener to a TLS connection, or to the backend that gets it
//! as it is.
//!
//! ```text
//!  octets ─▶ ClientHello complete ─▶ table: server name ─┬─▶ terminate: session, handshake, ALPN
//!                                                        │       └─▶ relay what is inside
//!                                                        └─▶ passthrough: relay to the end
//! ```

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{TLS_HELLO_BYTES_MAX, TRIES_MAX};
use crate::model::{HostPattern, StreamPolicy};
use crate::proxy::client::passthrough::{self, Terms, Towards};
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::ListenerFacts;
use crate::proxy::rt::Stream;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::proxy::transport::Transport;
use crate::proxy::transport::tls::TlsStream;
use crate::proxy_protocol;
use crate::table::{BackendId, TableTls};
use crate::telemetry::{self, Counter};
use crate::tls::{ClientAuthId, ClientIdentity, Hello, ServerTls, Session, TlsFacts, read_hello};

/// What clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, also without ALPN.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection whose handshake is done.
pub struct Secured {
    /// The connection.
    pub transport: Transport,
    /// What ALPN chose.
    pub protocol: Protocol,
    /// Client certificates that the handshake was about.
    pub client_auth: ClientAuthId,
    /// Listener of a Gateway that its server name led to, by its hostname.
    pub section: Option<Rc<HostPattern>>,
    /// Who the client is, if it was asked.
    pub identity: Option<Rc<ClientIdentity>>,
    /// What was agreed on.
    pub facts: TlsFacts,
}

/// Serves the TLS side of a connection; `None`: there is nothing left to do.
pub async fn accept(
    core: &Core,
    socket: Stream,
    peer: SocketAddr,
    listener: &ListenerFacts,
    first: Option<Buffer>,
) -> Option<Secured> {
    socket.deadline().arm(core.config.tls_handshake_timeout, Expiry::CloseBoth);
    let mut first = first.unwrap_or_else(|| Buffer::new(Class::Small));
    let asked = match first_flight(&socket, &mut first).await {
        Ok(asked) => asked,
        Err(Flight::Silent) => return None,
        Err(Flight::Broken) => {
            core.count(Counter::TlsHandshakeFailures);
            return None;
        }
    };
    let table = core.table();
    let name = asked.name.as_deref().map(str::as_bytes);
    let choice = match table.0.server_name(listener.id, name) {
        Some(TableTls::Terminate(tls)) => Choice::Serve(Arc::clone(tls)),
        Some(TableTls::Relay { tls, backends }) => {
            let backend = backends.pick(|below| core.random.below(below));
            backend.map_or(Choice::Close, |backend| Choice::Relay(Arc::clone(tls), backend))
        }
        Some(TableTls::Passthrough { backends, send_proxy }) => {
            let backend = backends.pick(|below| core.random.below(below));
            let introduces =
                send_proxy.then_some(proxy_protocol::put_v2 as passthrough::Introduces);
            backend.map_or(Choice::Close, |backend| Choice::Pass(backend, introduces))
        }
        None => {
            core.count(Counter::TlsHandshakeFailures);
            core.retire_table(table);
            return None;
        }
    };
    let section = table.0.section(listener.id, name).cloned().map(Rc::new);
    core.retire_table(table);
    match choice {
        Choice::Close => None,
        Choice::Serve(tls) => {
            let secured = terminate(core, socket, peer, first, &tls, &asked).await?;
            Some(Secured { section, ..secured })
        }
        Choice::Relay(tls, backend) => {
            let secured = terminate(core, socket, peer, first, &tls, &asked).await?;
            let admitted = secured.identity.as_ref().map_or(Ok(()), |client| client.admitted());
            // There is nobody to answer why.
            if admitted.is_ok() {
                let first = Buffer::unallocated();
                let client = passthrough::Client { stream: secured.transport, peer, first };
                let terms = terms(core, None, Towards::AsSaid);
                passthrough::relay(core, client, backend, terms).await;
            }
            None
        }
        Choice::Pass(backend, introduces) => {
            let stream = Transport::from(socket);
            let client = passthrough::Client { stream, peer, first };
            let terms = terms(core, introduces, Towards::AsItIs);
            passthrough::relay(core, client, backend, terms).await;
            None
        }
    }
}

/// What becomes of a connection.
enum Choice {
    Serve(Arc<ServerTls>),
    Relay(Arc<ServerTls>, BackendId),
    /// With or without a PROXY header.
    Pass(BackendId, Option<passthrough::Introduces>),
    /// Its share leads nowhere.
    Close,
}

fn terms(core: &Core, introduces: Option<passthrough::Introduces>, towards: Towards) -> Terms {
    let policy = StreamPolicy {
        idle_timeout: core.config.defaults.read_timeout,
        goes_on: true,
        tries: TRIES_MAX,
        tries_time: Duration::ZERO,
        responses: 0,
    };
    Terms { introduces, towards, policy }
}

/// What a ClientHello asks for.
#[derive(Default)]
struct Asked {
    name: Option<String>,
    /// By a name that is none.
    is_masked: bool,
}

enum Flight {
    /// The client sent nothing at all, as health checks do.
    Silent,
    Broken,
}

/// Reads until the ClientHello is complete; gives the server name. What is no ClientHello counts as
/// one without a name: the session of the default certificate finds the right alert.
async fn first_flight(socket: &Stream, first: &mut Buffer) -> Result<Asked, Flight> {
    loop {
        match read_hello(first.unread()) {
            Ok(Hello::Complete(hello)) => {
                let is_masked = hello.is_name_masked;
                return Ok(Asked { name: hello.server_name, is_masked });
            }
            Ok(Hello::Incomplete) if first.len() < TLS_HELLO_BYTES_MAX => {}
            Ok(Hello::Incomplete) => return Err(Flight::Broken),
            Err(_) => return Ok(Asked::default()),
        }
        first.make_room();
        match socket.read_when_ready(first).await {
            Ok(1..) => {}
            Ok(_) | Err(_) if first.is_empty() => return Err(Flight::Silent),
            Ok(_) | Err(_) => return Err(Flight::Broken),
        }
    }
}

async fn terminate(
    core: &Core,
    socket: Stream,
    peer: SocketAddr,
    first: Buffer,
    tls: &ServerTls,
    asked: &Asked,
) -> Option<Secured> {
    let session = if asked.is_masked {
        tls.session_with_masked_name()
    } else {
        Session::server(tls.config().clone())
    };
    let Ok(session) = session else {
        core.count(Counter::TlsHandshakeFailures);
        return None;
    };
    let stream = TlsStream::new(socket, session, first);
    if let Err(error) = stream.handshake().await {
        telemetry::blame::client_not_secured(peer, &error);
        core.count(Counter::TlsHandshakeFailures);
        return None;
    }
    stream.socket().deadline().disarm();
    core.count(Counter::TlsHandshakes);
    let protocol = stream.with_session(|session| match session.alpn() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    });
    let identity = stream.with_session(|session| tls.identify(session)).map(Rc::new);
    if let Some(Err(error)) = identity.as_ref().map(|identity| identity.admitted()) {
        telemetry::blame::client_not_admitted(peer, &error);
    }
    let facts = stream.with_session(|session| session.facts());
    let transport = Transport::Tls(Box::new(stream));
    let client_auth = tls.client_auth();
    Some(Secured { transport, protocol, client_auth, section: None, identity, facts })
}
