//! Sockets and threads before a core runs: bind in core order, pin.
//!
//! Each core has a socket of its own per address (`SO_REUSEPORT`); the kernel spreads connections
//! over them. All are opened by one thread in core order, because their order in the group is the
//! order of `listen(2)`.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::thread::CpuSet;
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::LISTEN_BACKLOG;
use crate::model::ListenerId;

/// A listening socket of one core.
pub struct BoundListener {
    /// The socket.
    pub socket: TcpListener,
    /// Which listener of the table it serves.
    pub id: ListenerId,
    /// What its clients speak.
    pub scheme: Scheme,
}

/// Whether clients of a listener come in clear text or by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Binds `address` once per core; port 0 takes one free port for all of them.
///
/// # Errors
/// The address is in use, not ours, or needs rights that the process lacks.
pub fn bind(address: SocketAddr, cores: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind_one(address, false)?;
    let bound = first.local_addr()?;
    // The first socket was bound without SO_REUSEPORT, so an address
    // that another process serves is an error instead of a silent share of its connections.
    drop(first);
    (0..cores).map(|_| bind_one(bound, true)).collect()
}

fn bind_one(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// CPUs the process may use, in order.
///
/// # Errors
/// `sched_getaffinity(2)` failed.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Pins the calling thread.
///
/// # Errors
/// The CPU is not in the process's affinity mask.
pub fn pin_thread(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_core_gets_a_socket_on_the_same_free_port() {
        let sockets = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|&port| port == ports[0] && port != 0));
    }

    #[test]
    fn an_address_in_use_is_an_error_even_when_its_owner_shares_it() {
        let theirs = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap();
        let address = theirs[0].local_addr().unwrap();
        let error = bind(address, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn threads_can_be_pinned_to_what_is_allowed() {
        let allowed = allowed_cpus().unwrap();
        assert!(!allowed.is_empty());
        std::thread::spawn(move || pin_thread(allowed[0]).unwrap()).join().unwrap();
    }
}
