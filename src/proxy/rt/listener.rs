//! One core's listening socket.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

use super::Stream;
use crate::proxy::clock::Deadlines;

/// A listening socket of one core.
pub struct Listener {
    inner: monoio::net::TcpListener,
    descriptor: RawFd,
}

/// What an accept gave.
pub enum Accepted {
    /// A connection and its peer.
    Connection(Stream, SocketAddr),
    /// The process or the system has no descriptor left.
    Exhausted,
    /// The peer was gone before it was accepted, or another passing fault.
    Passing,
    /// The listener was closed.
    Closed,
}

impl Listener {
    /// Takes a bound socket in listening state.
    ///
    /// # Errors
    /// The descriptor could not be registered with the driver.
    pub fn new(socket: std::net::TcpListener, driver: super::DriverChoice) -> io::Result<Self> {
        socket.set_nonblocking(driver == super::DriverChoice::Epoll)?;
        let descriptor = socket.as_raw_fd();
        Ok(Self { inner: monoio::net::TcpListener::from_std(socket)?, descriptor })
    }

    /// Accepts one connection. Must be awaited to its end: a dropped accept leaks a descriptor.
    pub async fn accept(&self, deadlines: &Rc<Deadlines>) -> Accepted {
        match self.inner.accept().await {
            Ok((stream, peer)) => Accepted::Connection(Stream::new(stream, deadlines), peer),
            Err(error) => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    Accepted::Exhausted
                }
                Some(libc::EINVAL | libc::EBADF) => Accepted::Closed,
                _ => Accepted::Passing,
            },
        }
    }

    /// Stops listening: pending accepts end with [`Accepted::Closed`].
    pub fn close(&self) {
        // SAFETY: plain system call on a descriptor that `self` keeps open. A failure means that
        // the socket does not listen any more, which is what we want.
        unsafe { libc::shutdown(self.descriptor, libc::SHUT_RD) };
    }
}
