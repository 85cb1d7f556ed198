//! What the kernel says of a connection's socket without waiting.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::io;
use std::net::Shutdown;
use std::os::fd::RawFd;

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
    let mut octet = 0_u8;
    // SAFETY: the kernel writes at most one octet into `octet`.
    let count = unsafe {
        libc::recv(descriptor, (&raw mut octet).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT)
    };
    match count {
        1.. => Peek::Data,
        0 => Peek::Closed,
        _ => match io::Error::last_os_error().kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Peek::Silent,
            _ => Peek::Closed,
        },
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
