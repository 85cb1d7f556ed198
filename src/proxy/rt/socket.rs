//! What the kernel says of a socket without waiting.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::mem::{MaybeUninit, size_of};
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{self, RecvFlags};

/// What is at the front of the receive queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// Nothing; the peer is there.
    Silent,
    /// Octets.
    Data,
    /// The peer closed, or the connection failed.
    Closed,
}

/// Looks at the front of a receive queue.
pub(super) fn peek(descriptor: RawFd) -> Peek {
    // SAFETY: the caller's descriptor is open until this returns.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match net::recv(descriptor, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((1.., _)) => Peek::Data,
        Err(Errno::WOULDBLOCK | Errno::INTR) => Peek::Silent,
        Ok(_) | Err(_) => Peek::Closed,
    }
}

/// Whether the peer closed its direction, or the connection failed; octets before it may still be
/// unread.
pub(super) fn is_half_closed(descriptor: RawFd) -> bool {
    poll(descriptor) & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
}

/// Whether the connection failed, or both directions ended; octets before it may still be unread.
pub(super) fn is_failed(descriptor: RawFd) -> bool {
    poll(descriptor) & (libc::POLLHUP | libc::POLLERR) != 0
}

fn poll(descriptor: RawFd) -> libc::c_short {
    let mut asked = libc::pollfd { fd: descriptor, events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: the kernel writes one pollfd; a timeout of 0 does not wait.
    let count = unsafe { libc::poll(&raw mut asked, 1, 0) };
    if count > 0 { asked.revents } else { 0 }
}

/// A few hundred.
#[expect(clippy::cast_possible_truncation, reason = "no conversion that checks is const")]
const TCP_INFO_BYTES: libc::socklen_t = size_of::<libc::tcp_info>() as libc::socklen_t;

/// Connections of a listening socket whose handshake is complete and that nobody has accepted yet.
/// tcp(7), `TCP_INFO`: there `tcpi_unacked` is the length of its queue.
pub(super) fn waiting(descriptor: RawFd) -> u32 {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = TCP_INFO_BYTES;
    // SAFETY: the kernel writes at most `length` octets into `info`.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // SAFETY: integers, every one of them valid as zero, which is what the kernel left alone.
    let info = unsafe { info.assume_init() };
    if result == 0 { info.tcpi_unacked } else { 0 }
}

/// Shuts directions of a connection down; operations under way on it end.
pub(super) fn shutdown(descriptor: RawFd, how: Shutdown) {
    let how = match how {
        Shutdown::Read => libc::SHUT_RD,
        Shutdown::Write => libc::SHUT_WR,
        Shutdown::Both => libc::SHUT_RDWR,
    };
    // SAFETY: plain system call; a failure means that the connection is already down.
    unsafe { libc::shutdown(descriptor, how) };
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn connections_that_nobody_accepted_are_counted() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(waiting(socket.as_raw_fd()), 0);
        let _waits = TcpStream::connect(address).unwrap();
        assert_eq!(waiting(socket.as_raw_fd()), 1);
        let _accepted = socket.accept().unwrap();
        assert_eq!(waiting(socket.as_raw_fd()), 0);
    }
}
