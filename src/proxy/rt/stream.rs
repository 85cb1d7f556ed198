//! A TCP connection of one core, downstream or upstream, with its deadline.
//!
//! Methods take `&self`, so that a task can read and write at once; at most one read and one write
//! operation may be under way. Waiting for a silent peer is done with [`Stream::readable`], which
//! holds no buffer; an operation that was given a buffer is awaited to its end or the connection is
//! given up.

#![expect(unsafe_code, reason = "system calls that std does not offer")]

use std::cell::{Cell, UnsafeCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::TcpStream;
use rustix::net::{self, RecvFlags, SendFlags};

use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::{Deadline, Deadlines, Target};
use crate::proxy::rt::pipe::Pipe;
use crate::proxy::rt::socket::{Peek, peek, shutdown};

/// A connection.
pub struct Stream {
    /// Dropped first: no deadline may fire on a descriptor that could already be another's.
    deadline: Deadline,
    write_deadline: Deadline,
    inner: UnsafeCell<TcpStream>,
    descriptor: RawFd,
    /// Whether no system call on it waits.
    is_nonblocking: Cell<bool>,
}

impl Stream {
    pub(super) fn new(inner: TcpStream, deadlines: &Rc<Deadlines>) -> Self {
        let descriptor = inner.as_raw_fd();
        Self {
            deadline: Deadline::new(deadlines, Target::Socket(descriptor)),
            write_deadline: Deadline::new(deadlines, Target::Socket(descriptor)),
            inner: UnsafeCell::new(inner),
            descriptor,
            is_nonblocking: Cell::new(false),
        }
    }

    /// Opens a connection. The caller bounds the time.
    ///
    /// # Errors
    /// What the kernel said: refused, unreachable, no descriptor or port left.
    pub async fn connect(address: SocketAddr, deadlines: &Rc<Deadlines>) -> io::Result<Self> {
        let stream = TcpStream::connect_addr(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream, deadlines))
    }

    /// One whose other end is closed already, for what only looks at connections.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn closed(deadlines: &Rc<Deadlines>) -> io::Result<Self> {
        let (own, _) = UnixStream::pair()?;
        let stream = std::net::TcpStream::from(OwnedFd::from(own));
        Ok(Self::new(TcpStream::from_std(stream)?, deadlines))
    }

    /// Our own address.
    ///
    /// # Errors
    /// The descriptor failed.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner().local_addr()
    }

    /// The deadline of what is waited for from the peer.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// The deadline of what is being written. Apart from the other one, because both directions may
    /// be under way and neither may put the other's end off.
    pub fn write_deadline(&self) -> &Deadline {
        &self.write_deadline
    }

    #[expect(clippy::mut_from_ref, reason = "monoio asks for &mut and only clones the descriptor")]
    fn inner(&self) -> &mut TcpStream {
        // SAFETY: a core's types are neither Send nor Sync, and monoio's read and write only clone
        // the shared descriptor into the operation before they return; `TcpStream: Split` vouches
        // that a read and a write may be under way together.
        unsafe { &mut *self.inner.get() }
    }

    /// Waits until there is something to read, end of stream and errors included. Holds no buffer;
    /// may be dropped at any time.
    ///
    /// # Errors
    /// The descriptor failed; a read would say the same.
    pub async fn readable(&self) -> io::Result<()> {
        if !monoio::utils::is_legacy() {
            return self.inner().readable(false).await;
        }
        match poll_fn(|context| Poll::Ready(self.ask_readable(context))).await {
            Poll::Ready(result) => result,
            // PERF: asked again in words it would call poll(2) once more.
            Poll::Pending => self.inner().readable(true).await,
        }
    }

    /// Asks poll(2), on epoll. Not before an event says otherwise is the socket taken for readable
    /// after a no.
    fn ask_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(self.inner().readable(false)).poll(context)
    }

    /// Reads what is there into the spare capacity; 0: end of stream.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        // PERF: not by libc, where each call may be cancelled by another thread, which costs more
        // than the rest of it.
        let received = net::recv(self.borrowed(), buffer.spare_mut(), RecvFlags::DONTWAIT)?;
        let ((octets, _), _) = received;
        let count = octets.len();
        // SAFETY: the kernel wrote `count` octets.
        unsafe { buffer.assume_written(count) };
        Ok(count)
    }

    /// Waits for octets without holding a buffer and reads them; 0: end of stream.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn read_when_ready(&self, buffer: &mut Buffer) -> io::Result<usize> {
        loop {
            self.readable().await?;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads into the spare capacity of `buffer` as a ring operation; 0: end of stream. The buffer
    /// must have spare capacity.
    pub async fn read(&self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        self.inner().read(buffer).await
    }

    /// Writes as much as the socket takes at once.
    ///
    /// # Errors
    /// `WouldBlock`: it takes nothing.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes, SendFlags::empty())
    }

    /// The same; what is written may wait for octets that the caller writes at once, to share a
    /// segment with them.
    ///
    /// # Errors
    /// As [`Stream::try_write`].
    pub fn try_write_ahead(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes, SendFlags::MORE)
    }

    fn send(&self, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
        let flags = flags | SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(net::send(self.borrowed(), bytes, flags)?)
    }

    /// Waits until the socket takes octets, or failed. May be dropped at any time.
    ///
    /// # Errors
    /// The descriptor failed; a write would say the same.
    pub async fn writable(&self) -> io::Result<()> {
        self.inner().writable(false).await
    }

    /// Lets everybody else have a turn of the loop. May wait as [`Stream::writable`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn turn(&self) -> io::Result<()> {
        if !monoio::utils::is_legacy() {
            return self.writable().await;
        }
        // On epoll a writable socket is not waited for. There the loop looks at all sockets while
        // tasks are runnable, so that one may wake itself.
        let mut is_over = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_over, true) {
                return Poll::Ready(Ok(()));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// Moves what is there, at most `most` octets, into an empty pipe; 0: end of stream.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there.
    pub fn try_fill(&self, pipe: &mut Pipe, most: usize) -> io::Result<usize> {
        self.never_block()?;
        pipe.fill(|ends| ends.fill(self.descriptor, most))
    }

    /// Moves as much out of a pipe as the socket takes at once.
    ///
    /// # Errors
    /// `WouldBlock`: it takes nothing.
    pub fn try_drain(&self, pipe: &mut Pipe) -> io::Result<usize> {
        self.never_block()?;
        pipe.drain(|ends, held| ends.drain(self.descriptor, held))
    }

    /// splice(2) has no flag for a single call that keeps a socket from waiting. Operations of the
    /// ring on sockets (send, recv) wait all the same, other than its read and write.
    fn never_block(&self) -> io::Result<()> {
        if self.is_nonblocking.get() {
            return Ok(());
        }
        socket2::SockRef::from(&self.borrowed()).set_nonblocking(true)?;
        self.is_nonblocking.set(true);
        Ok(())
    }

    fn borrowed(&self) -> BorrowedFd<'_> {
        // SAFETY: `self` keeps the descriptor open for longer than the borrow.
        unsafe { BorrowedFd::borrow_raw(self.descriptor) }
    }

    /// Writes the unread octets of `buffer`; they are consumed.
    ///
    /// Shape: the second value is the buffer, empty on success.
    ///
    /// # Errors
    /// The connection failed; what of the octets went out is unknown, except that
    /// [`Buffer::len`] unchanged means none did.
    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        while !buffer.is_empty() {
            let tried = match monoio::utils::is_legacy() {
                // What an operation would do there.
                true => self.try_write(buffer.unread()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
            let result = match tried {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let (result, back) = self.inner().write(buffer).await;
                    buffer = back;
                    result
                }
                tried => tried,
            };
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
                Ok(count) => buffer.consume(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Looks at the front of the receive queue.
    #[must_use]
    pub fn peek(&self) -> Peek {
        peek(self.descriptor)
    }

    /// The same where nobody waits to read: whoever did would not be woken any more.
    #[must_use]
    pub fn peek_idle(&self) -> Peek {
        // PERF: on epoll the read that follows knows the answer, too, and does not try in vain.
        if monoio::utils::is_legacy()
            && self.ask_readable(&mut Context::from_waker(Waker::noop())).is_pending()
        {
            return Peek::Silent;
        }
        self.peek()
    }

    /// Tells the peer that nothing more comes.
    pub fn close_write(&self) {
        shutdown(self.descriptor, Shutdown::Write);
    }

    /// Makes close send a reset, so that the peer cannot take what it got for the whole.
    pub fn reset_on_close(&self) {
        let descriptor = self.borrowed();
        let socket = socket2::SockRef::from(&descriptor);
        // A socket that takes no options any more is closed already.
        drop(socket.set_linger(Some(std::time::Duration::ZERO)));
    }

    /// Ends both directions; whatever waits on them ends.
    pub fn shutdown_both(&self) {
        shutdown(self.descriptor, Shutdown::Both);
    }
}
