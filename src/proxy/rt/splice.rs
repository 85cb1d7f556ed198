//! The kernel moves octets from a socket into a pipe and on to another socket: splice(2).
//!
//! What is moved are the pages that octets lie in, so that a long body costs nothing per octet and
//! passes no cache of the CPU.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::null_mut;

use crate::limits::PIPE_BYTES;

/// Both ends of a pipe.
pub(super) struct Ends {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Ends {
    /// Opens an empty one.
    ///
    /// # Errors
    /// There is no descriptor or memory left, or splice is forbidden (seccomp) or missing.
    pub(super) fn open() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // Of nothing: the kernel looks only whether this call may be made.
        splice(reader.as_raw_fd(), writer.as_raw_fd(), 0)?;
        let bytes = libc::c_int::try_from(PIPE_BYTES).unwrap_or(libc::c_int::MAX);
        // SAFETY: plain system call on a descriptor that we own.
        let held = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
        if held < 0 {
            // The pipes of a user hold much already (pipe(7)): copying is faster than a short one.
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        Ok(Self { reader, writer })
    }

    /// Moves in what a socket has, at most `most` octets and [`PIPE_BYTES`]: places take as much as
    /// the sender put into one piece; 0: end of stream. The socket must not block.
    ///
    /// # Errors
    /// `WouldBlock`: the socket has nothing, or the pipe is full.
    pub(super) fn fill(&self, socket: RawFd, most: usize) -> io::Result<usize> {
        splice(socket, self.writer.as_raw_fd(), most.min(PIPE_BYTES))
    }

    /// Moves out what a socket takes of `most` octets that are there.
    ///
    /// # Errors
    /// `WouldBlock`: it takes nothing.
    pub(super) fn drain(&self, socket: RawFd, most: usize) -> io::Result<usize> {
        splice(self.reader.as_raw_fd(), socket, most)
    }
}

/// A socket whose peer is gone makes the kernel send SIGPIPE, as there is no flag against it; the
/// runtime of Rust has that signal ignored.
fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    // SAFETY: the descriptors are open for the time of the call, and no memory of ours is named.
    let count = unsafe { libc::splice(from, null_mut(), to, null_mut(), most, flags) };
    usize::try_from(count).map_err(|_negative| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    /// Two ends of a connection; the second never blocks.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let theirs = TcpStream::connect(listener.local_addr().expect("known")).expect("open");
        let (ours, _) = listener.accept().expect("accepted");
        ours.set_nonblocking(true).expect("set");
        (theirs, ours)
    }

    fn fill(ends: &Ends, socket: &TcpStream, most: usize) -> io::Result<usize> {
        loop {
            match ends.fill(socket.as_raw_fd(), most) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                result => return result,
            }
        }
    }

    #[test]
    fn octets_go_through_a_pipe_to_the_other_socket_and_no_further_than_asked() {
        let ((mut sender, from), (mut receiver, to)) = (connection(), connection());
        let ends = Ends::open().expect("open");
        let nothing = ends.fill(from.as_raw_fd(), 5).expect_err("silent");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        sender.write_all(b"head and tail").expect("sent");
        let mut held = 0;
        while held < 4 {
            held += fill(&ends, &from, 4 - held).expect("there");
        }
        assert_eq!(ends.drain(to.as_raw_fd(), held).expect("taken"), 4);
        let mut heard = [0; 4];
        receiver.read_exact(&mut heard).expect("heard");
        assert_eq!(&heard, b"head");
        let mut rest = [0; 9];
        from.set_nonblocking(false).expect("set");
        (&from).read_exact(&mut rest).expect("left alone");
        assert_eq!(&rest, b" and tail");
    }

    #[test]
    fn an_end_is_told_from_silence_and_from_a_failure() {
        let (sender, from) = connection();
        let ends = Ends::open().expect("open");
        sender.shutdown(Shutdown::Write).expect("shut");
        assert_eq!(fill(&ends, &from, usize::MAX).expect("the end"), 0);
        let (sender, from) = connection();
        socket2::SockRef::from(&sender).set_linger(Some(std::time::Duration::ZERO)).expect("set");
        drop(sender);
        let error = fill(&ends, &from, 10).expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn who_is_gone_takes_nothing() {
        let ((mut sender, from), (receiver, to)) = (connection(), connection());
        let ends = Ends::open().expect("open");
        sender.write_all(&[b'x'; 100]).expect("sent");
        let held = fill(&ends, &from, 100).expect("there");
        drop(receiver);
        to.shutdown(Shutdown::Both).expect("shut");
        let error = ends.drain(to.as_raw_fd(), held).expect_err("gone");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
