//! One core's listening socket.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use socket2::{SockFilter, SockRef};

use crate::proxy::rt::clock::Deadlines;
use crate::proxy::rt::driver::DriverChoice;
use crate::proxy::rt::socket;
use crate::proxy::rt::stream::Stream;

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

/// Classic BPF on a TCP header: a segment with SYN and without ACK is dropped, any other passes.
/// Accepted sockets inherit it; none of them ever gets such a segment that it would heed.
const DROP_SYN: [SockFilter; 5] = [
    // BPF_LD | BPF_B | BPF_ABS: the octet of flags, RFC 9293 section 3.1.
    SockFilter::new(0x30, 0, 0, 13),
    // BPF_ALU | BPF_AND | BPF_K: ACK and SYN.
    SockFilter::new(0x54, 0, 0, 0x12),
    // BPF_JMP | BPF_JEQ | BPF_K: SYN alone?
    SockFilter::new(0x15, 0, 1, 0x02),
    // BPF_RET | BPF_K: nothing of it, or all.
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

impl Listener {
    /// Takes a bound socket in listening state.
    ///
    /// # Errors
    /// The descriptor could not be registered with the driver.
    pub fn new(socket: std::net::TcpListener, driver: DriverChoice) -> io::Result<Self> {
        socket.set_nonblocking(driver == DriverChoice::Epoll)?;
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

    /// Lets no handshake begin any more; those that have begun still come to their end. The kernel
    /// answers a SYN no more, so that the client's next try, a second later, is refused in words.
    ///
    /// # Errors
    /// The kernel takes no filter; handshakes go on.
    pub fn refuse_handshakes(&self) -> io::Result<()> {
        // SAFETY: `self` keeps the descriptor open.
        let socket = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        SockRef::from(&socket).attach_filter(&DROP_SYN)
    }

    /// Connections whose handshake is complete and that nobody has accepted yet.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        socket::waiting(self.descriptor)
    }

    /// Stops listening: pending accepts end with [`Accepted::Closed`].
    pub fn close(&self) {
        // SAFETY: plain system call on a descriptor that `self` keeps open. A failure means that
        // the socket does not listen any more, which is what we want.
        unsafe { libc::shutdown(self.descriptor, libc::SHUT_RD) };
    }
}
