//! TLS over a socket: the record engine of [`crate::tls`] between the buffers of a core.
//!
//! An idle connection holds the session's keys and nothing else: cipher text is kept only while a
//! record is incomplete. Records leave in the order they were sealed: whoever finds a write under
//! way leaves its own in the queue, and the writer takes them along.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::{Peek, Stream};
use crate::tls::Session;

/// A TLS connection.
pub struct TlsStream {
    socket: Stream,
    engine: RefCell<Engine>,
    is_writing: Cell<bool>,
    waiting: Cell<Option<Waker>>,
    is_broken_off: Cell<bool>,
}

struct Engine {
    session: Session,
    /// An incomplete record.
    cipher: Buffer,
    /// Decrypted while looking for something else.
    plain: Buffer,
    /// Sealed, not sent.
    outgoing: Buffer,
}

impl Engine {
    /// Decrypts what is complete to the end of `plain`; gives the octets added.
    fn open(&mut self, plain: &mut Buffer) -> io::Result<usize> {
        let before = plain.len();
        let Self { session, cipher, outgoing, .. } = self;
        let result = session.feed(cipher.as_vec(), plain.as_vec(), outgoing.as_vec());
        if cipher.is_empty() {
            // An idle connection holds no memory.
            *cipher = Buffer::unallocated();
        }
        result.map_err(io::Error::other)?;
        Ok(plain.len().saturating_sub(before))
    }

    /// Where cipher text is read to: the incomplete record with room behind it.
    fn take_cipher(&mut self, class: Class) -> Buffer {
        let mut cipher = std::mem::replace(&mut self.cipher, Buffer::unallocated());
        if cipher.is_empty() {
            return Buffer::new(class);
        }
        if cipher.spare() < Class::Small.bytes() {
            cipher.grow(Class::Large);
        }
        cipher
    }

    /// What was decrypted before.
    fn take_plain(&mut self, buffer: &mut Buffer) -> usize {
        let count = self.plain.len();
        if count > 0 {
            buffer.as_vec().extend_from_slice(self.plain.unread());
            self.plain = Buffer::unallocated();
        }
        count
    }
}

/// What went out before an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Something,
}

/// Resets the mark of a write under way, also when its future is dropped.
struct Writing<'a>(&'a TlsStream);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.is_writing.set(false);
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }
}

impl TlsStream {
    /// A connection whose handshake is about to begin; `first` was read from it already.
    #[must_use]
    pub fn new(socket: Stream, session: Session, first: Buffer) -> Self {
        socket.deadline().watch_half_close();
        Self {
            socket,
            engine: RefCell::new(Engine {
                session,
                cipher: first,
                plain: Buffer::unallocated(),
                outgoing: Buffer::unallocated(),
            }),
            is_writing: Cell::new(false),
            waiting: Cell::new(None),
            is_broken_off: Cell::new(false),
        }
    }

    /// What it runs over.
    pub const fn socket(&self) -> &Stream {
        &self.socket
    }

    /// Asks the session.
    pub fn with_session<T>(&self, ask: impl FnOnce(&Session) -> T) -> T {
        ask(&self.engine.borrow().session)
    }

    /// Runs the handshake to its end. The caller bounds the time.
    ///
    /// # Errors
    /// The peer breaks the protocol, or is gone; an alert was sent where there is one.
    pub async fn handshake(&self) -> io::Result<()> {
        let mut plain = Buffer::unallocated();
        loop {
            let result = self.engine.borrow_mut().open(&mut plain);
            if let Err(error) = result {
                self.try_flush();
                return Err(error);
            }
            if !self.with_session(Session::is_handshaking) {
                // Tickets go along with the first response. Before TLS 1.3 the client waits for
                // our last word, so there it goes at once.
                if self.with_session(Session::version) != Some("TLSv1.3") {
                    self.flush().await?;
                }
                if !plain.is_empty() {
                    self.engine.borrow_mut().plain = plain;
                }
                return Ok(());
            }
            self.flush().await?;
            self.socket.readable().await?;
            match self.pull(Class::Medium) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Reads cipher text that is there; 0: end.
    fn pull(&self, class: Class) -> io::Result<usize> {
        let mut cipher = self.engine.borrow_mut().take_cipher(class);
        let result = self.socket.try_read(&mut cipher);
        if cipher.is_empty() {
            cipher = Buffer::unallocated();
        }
        self.engine.borrow_mut().cipher = cipher;
        result
    }

    fn is_outgoing(&self) -> bool {
        !self.engine.borrow().outgoing.is_empty()
    }

    /// See [`super::Transport::readable`].
    ///
    /// # Errors
    /// The connection failed.
    pub async fn readable(&self) -> io::Result<()> {
        if !self.engine.borrow().plain.is_empty() || self.with_session(Session::is_closed_by_peer) {
            return Ok(());
        }
        if self.is_outgoing() && self.socket.peek() == Peek::Silent {
            // What does not go now goes before the next write: a wait here would have no deadline,
            // and a wait that is given up would lose a part of a record.
            self.try_flush();
        }
        self.socket.readable().await
    }

    /// See [`super::Transport::try_read`].
    ///
    /// # Errors
    /// See there.
    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let kept = self.engine.borrow_mut().take_plain(buffer);
        if kept > 0 {
            return Ok(kept);
        }
        let class = cipher_class(buffer);
        loop {
            if self.with_session(Session::is_closed_by_peer) {
                return Ok(0);
            }
            let count = self.pull(class)?;
            if let Some(opened) = self.open(count, buffer)? {
                return Ok(opened);
            }
        }
    }

    /// Decrypts after `count` octets of cipher text came. `None`: more is needed.
    fn open(&self, count: usize, buffer: &mut Buffer) -> io::Result<Option<usize>> {
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let opened = self.engine.borrow_mut().open(buffer);
        if opened.is_err() {
            // The alert.
            self.try_flush();
        }
        Ok(Some(opened?).filter(|opened| *opened > 0))
    }

    /// See [`super::Transport::read`].
    pub async fn read(&self, mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
        let result = self.read_into(&mut buffer).await;
        (result, buffer)
    }

    async fn read_into(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let kept = self.engine.borrow_mut().take_plain(buffer);
        if kept > 0 {
            return Ok(kept);
        }
        let class = cipher_class(buffer);
        loop {
            if self.with_session(Session::is_closed_by_peer) {
                return Ok(0);
            }
            if self.is_outgoing() {
                self.try_flush();
            }
            let cipher = self.engine.borrow_mut().take_cipher(class);
            let (result, cipher) = self.socket.read(cipher).await;
            self.engine.borrow_mut().cipher = cipher;
            if let Some(opened) = self.open(result?, buffer)? {
                return Ok(opened);
            }
        }
    }

    fn seal(&self, bytes: &[u8]) -> io::Result<()> {
        let mut engine = self.engine.borrow_mut();
        let Engine { session, outgoing, .. } = &mut *engine;
        if outgoing.is_empty() {
            let sealed = bytes.len().saturating_add(SEAL_BYTES_MAX);
            let is_small = sealed <= Class::Small.bytes();
            let is_medium = sealed <= Class::Medium.bytes();
            *outgoing = Buffer::new(match (is_small, is_medium) {
                (true, _) => Class::Small,
                (_, true) => Class::Medium,
                _ => Class::Large,
            });
        }
        session.seal(bytes, outgoing.as_vec()).map_err(io::Error::other)
    }

    /// See [`super::Transport::try_write`]; what the socket does not take now goes
    /// before whatever is written next.
    ///
    /// # Errors
    /// The session failed.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.seal(bytes)?;
        self.try_flush();
        Ok(bytes.len())
    }

    /// See [`super::Transport::write_all`].
    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        let had_outgoing = self.is_outgoing();
        if let Err(error) = self.seal(buffer.unread()) {
            return (Err(error), buffer);
        }
        match self.flush_counted().await {
            Ok(()) => {
                buffer.clear();
                (Ok(()), buffer)
            }
            Err((error, sent)) => {
                if had_outgoing || sent == Sent::Something {
                    buffer.clear();
                }
                (Err(error), buffer)
            }
        }
    }

    async fn flush(&self) -> io::Result<()> {
        self.flush_counted().await.map_err(|(error, _)| error)
    }

    /// Sends everything sealed.
    async fn flush_counted(&self) -> Result<(), (io::Error, Sent)> {
        let mut sent = Sent::Nothing;
        loop {
            poll_fn(|context| {
                if self.is_writing.get() {
                    self.waiting.set(Some(context.waker().clone()));
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            let outgoing =
                std::mem::replace(&mut self.engine.borrow_mut().outgoing, Buffer::unallocated());
            if outgoing.is_empty() {
                return Ok(());
            }
            self.is_writing.set(true);
            let writing = Writing(self);
            let offered = outgoing.len();
            let (result, rest) = self.socket.write_all(outgoing).await;
            drop(writing);
            if result.is_ok() || rest.len() < offered {
                sent = Sent::Something;
            }
            result.map_err(|error| (error, sent))?;
        }
    }

    /// Sends what the socket takes at once; the rest stays.
    fn try_flush(&self) {
        if self.is_writing.get() {
            return;
        }
        let mut engine = self.engine.borrow_mut();
        let outgoing = &mut engine.outgoing;
        while !outgoing.is_empty() {
            match self.socket.try_write(outgoing.unread()) {
                Ok(count) if count > 0 => outgoing.consume(count),
                _ => return,
            }
        }
    }

    /// See [`super::Transport::peek`]. Tickets and key updates are not octets of the
    /// peer's application.
    pub fn peek(&self) -> Peek {
        if !self.engine.borrow().plain.is_empty() {
            return Peek::Data;
        }
        match self.socket.peek() {
            Peek::Data => {
                let mut plain = Buffer::new(Class::Medium);
                match self.try_read(&mut plain) {
                    Ok(0) => Peek::Closed,
                    Ok(_) => {
                        self.engine.borrow_mut().plain = plain;
                        Peek::Data
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Peek::Silent,
                    Err(_) => Peek::Closed,
                }
            }
            other => other,
        }
    }

    /// Sends close_notify, unless the connection is to look broken off.
    pub fn finish(&self) {
        if self.is_broken_off.get() {
            return;
        }
        {
            let mut engine = self.engine.borrow_mut();
            let Engine { session, outgoing, .. } = &mut *engine;
            session.close(outgoing.as_vec());
        }
        self.try_flush();
    }

    /// close_notify, then the end of the socket's direction.
    pub fn close_write(&self) {
        self.finish();
        self.socket.close_write();
    }

    /// The end comes without close_notify, which tells the peer that octets are missing.
    pub fn say_no_goodbye(&self) {
        self.is_broken_off.set(true);
    }

    /// See [`Stream::reset_on_close`].
    pub fn reset_on_close(&self) {
        self.say_no_goodbye();
        self.socket.reset_on_close();
    }
}

/// How much cipher text to read at once for a buffer.
fn cipher_class(buffer: &Buffer) -> Class {
    if buffer.spare() > Class::Medium.bytes() { Class::Large } else { Class::Medium }
}

/// What a record adds to its octets, with room to spare: header, content type, tag, nonce.
const SEAL_BYTES_MAX: usize = 64;
