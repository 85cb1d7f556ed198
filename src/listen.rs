//! Listening sockets: each of one family, never shared with another process, with some patience for
//! one that has just died. Says who holds a port that cannot be had.

mod holder;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Bind;
use crate::limits::{
    BIND_PATIENCE, BIND_PAUSE, BIND_TRIES_FREE_PORT, HOLDER_DESCRIPTORS_MAX,
    HOLDER_DESCRIPTORS_SERVING_MAX, LISTEN_BACKLOG,
};

/// An address cannot be listened on. The operator is at fault, or whoever has the port.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{}{}", asked(*.flag), told(.holder))]
pub struct ListenError {
    /// Of one family.
    pub address: SocketAddr,
    /// Which flag asks for it, if one does.
    pub flag: Option<&'static str>,
    /// Who has the port, where it is in use.
    pub holder: Option<String>,
    /// What the kernel said.
    pub source: io::Error,
}

fn asked(flag: Option<&str>) -> String {
    flag.map(|flag| format!(" ({flag})")).unwrap_or_default()
}

fn told(holder: &Option<String>) -> String {
    holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default()
}

impl ListenError {
    /// Another socket has the port, or had it a moment ago.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == ErrorKind::AddrInUse
    }

    /// The machine has no such address.
    #[must_use]
    pub fn is_no_address(&self) -> bool {
        self.source.kind() == ErrorKind::AddrNotAvailable
    }

    /// The whole of it as one clause, with who holds the port, as far as a short look tells.
    #[must_use]
    pub fn in_words(mut self) -> String {
        if self.is_in_use() {
            self.holder = Some(holder::of(self.address, HOLDER_DESCRIPTORS_SERVING_MAX));
        }
        match self.holder {
            Some(_) => self.to_string(),
            None => format!("{self}: {}", self.source),
        }
    }
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Listening {
    /// With the port that was taken.
    pub address: SocketAddr,
    /// As many as were asked for. The kernel spreads connections over them, in this order.
    pub sockets: Vec<TcpListener>,
}

/// Listens on what `bind` asks for, with `sockets` sockets on each address.
///
/// Shape: one entry per family. Of a [`Bind`] that names both, a family that the machine lacks is
/// left out; both have the same port. Waits up to [`BIND_PATIENCE`] for a port in use: the sockets
/// of a process that was killed live for some tens of milliseconds in its ring.
///
/// # Errors
/// [`ListenError`]; nothing listens then.
pub fn listen(
    bind: Bind,
    flag: &'static str,
    sockets: usize,
) -> Result<Vec<Listening>, ListenError> {
    let addresses = bind.addresses();
    let latest = Instant::now() + BIND_PATIENCE;
    let mut tries = 0;
    loop {
        tries += 1;
        match listen_all(&addresses, sockets) {
            Ok(listening) => return Ok(listening),
            Err((address, source)) => {
                let is_in_use = source.kind() == ErrorKind::AddrInUse;
                let asked = addresses.iter().find(|asked| asked.is_ipv4() == address.is_ipv4());
                // The free port of one family may be taken in the other.
                let is_free_port = asked.is_some_and(|asked| asked.port() == 0);
                let goes_on = match is_free_port {
                    true => tries < BIND_TRIES_FREE_PORT,
                    false => Instant::now() < latest,
                };
                if !(is_in_use && goes_on) {
                    let holder = is_in_use.then(|| holder::of(address, HOLDER_DESCRIPTORS_MAX));
                    return Err(ListenError { address, flag: Some(flag), holder, source });
                }
            }
        }
        pause(BIND_PAUSE);
    }
}

/// Listens on `address` with `sockets` sockets, in one try that does not wait.
///
/// # Errors
/// [`ListenError`]; nothing listens then.
pub fn try_listen(address: SocketAddr, sockets: usize) -> Result<Vec<TcpListener>, ListenError> {
    match listen_on(address, sockets) {
        Ok(listening) => Ok(listening.sockets),
        Err(source) => Err(ListenError { address, flag: None, holder: None, source }),
    }
}

/// Binds `sockets` sockets for datagrams to `address`, in one try that does not wait.
///
/// # Errors
/// [`ListenError`]; nothing is bound then.
pub fn try_bind(address: SocketAddr, sockets: usize) -> Result<Vec<UdpSocket>, ListenError> {
    match open_all(address, sockets, open_datagrams) {
        Ok((_, sockets)) => Ok(sockets),
        Err(source) => Err(ListenError { address, flag: None, holder: None, source }),
    }
}

#[expect(clippy::disallowed_methods, reason = "the process starts: nothing else could be done")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn listen_all(
    addresses: &[SocketAddr],
    sockets: usize,
) -> Result<Vec<Listening>, (SocketAddr, io::Error)> {
    let mut all: Vec<Listening> = Vec::new();
    let mut lacking = None;
    for &address in addresses {
        let mut address = address;
        if let Some(first) = all.first() {
            address.set_port(first.address.port());
        }
        match listen_on(address, sockets) {
            Ok(listening) => all.push(listening),
            Err(error) if addresses.len() > 1 && is_family_lacking(&error) => {
                lacking.get_or_insert((address, error));
            }
            Err(error) => return Err((address, error)),
        }
    }
    match lacking {
        Some(lacking) if all.is_empty() => Err(lacking),
        _ => Ok(all),
    }
}

/// The kernel has no such family, or none of its interfaces has an address of it.
fn is_family_lacking(error: &io::Error) -> bool {
    let codes = [libc::EAFNOSUPPORT, libc::EPFNOSUPPORT, libc::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn listen_on(address: SocketAddr, sockets: usize) -> io::Result<Listening> {
    let (address, sockets) = open_all(address, sockets, open_listener)?;
    Ok(Listening { address, sockets })
}

/// The first socket has the address alone before it lets siblings join (`SO_REUSEPORT`): of two
/// processes that start together one finds the port in use, and never does one share it in silence.
fn open_all<S: From<Socket>>(
    address: SocketAddr,
    sockets: usize,
    open: fn(SocketAddr, Sharing) -> io::Result<Socket>,
) -> io::Result<(SocketAddr, Vec<S>)> {
    let first = open(address, Sharing::Alone)?;
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    if sockets > 1 {
        first.set_reuse_port(true)?;
    }
    let mut all = vec![first.into()];
    for _ in 1..sockets {
        all.push(open(address, Sharing::Siblings)?.into());
    }
    Ok((address, all))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Siblings,
}

fn open_listener(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = unbound(address, sharing, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket)
}

fn open_datagrams(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = unbound(address, sharing, Type::DGRAM, Protocol::UDP)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn unbound(
    address: SocketAddr,
    sharing: Sharing,
    kind: Type,
    protocol: Protocol,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_reuse_port(sharing == Sharing::Siblings)?;
    if address.is_ipv6() {
        // Or clients of IPv4 would appear as ::ffff:192.0.2.1.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests;
