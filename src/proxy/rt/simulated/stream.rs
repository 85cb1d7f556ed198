//! [`Stream`] over memory: every method as that of the socket.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::proxy::rt::buffer::Buffer;
use crate::proxy::rt::clock::{Deadline, Deadlines, Target};
use crate::proxy::rt::pipe::Pipe;
use crate::proxy::rt::simulated::link::{Close, Link};
use crate::proxy::rt::simulated::network;
use crate::proxy::rt::socket::Peek;

/// A connection.
pub struct Stream {
    deadline: Deadline,
    write_deadline: Deadline,
    link: Rc<Link>,
    is_reset_on_close: Cell<bool>,
}

impl Stream {
    pub(super) fn new(link: Rc<Link>, deadlines: &Rc<Deadlines>) -> Self {
        let target = || Target::Stream(Rc::clone(&link) as Rc<_>);
        Self {
            deadline: Deadline::new(deadlines, target()),
            write_deadline: Deadline::new(deadlines, target()),
            is_reset_on_close: Cell::new(false),
            link,
        }
    }

    pub async fn connect(address: SocketAddr, deadlines: &Rc<Deadlines>) -> io::Result<Self> {
        Ok(Self::new(network::connect(address).await?, deadlines))
    }

    pub fn closed(deadlines: &Rc<Deadlines>) -> io::Result<Self> {
        let link = Link::new();
        link.let_go(Close::Fin);
        Ok(Self::new(link, deadlines))
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    pub fn write_deadline(&self) -> &Deadline {
        &self.write_deadline
    }

    pub async fn readable(&self) -> io::Result<()> {
        self.link.readable().await;
        Ok(())
    }

    pub fn peek_idle(&self) -> Peek {
        self.peek()
    }

    pub fn try_read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        let octets = self.link.read(buffer.spare())?;
        buffer.as_vec().extend_from_slice(&octets);
        Ok(octets.len())
    }

    pub async fn read_when_ready(&self, buffer: &mut Buffer) -> io::Result<usize> {
        self.link.readable().await;
        self.try_read(buffer)
    }

    pub async fn read(&self, mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
        (self.read_when_ready(&mut buffer).await, buffer)
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.link.write(bytes)
    }

    pub fn try_write_ahead(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    pub async fn writable(&self) -> io::Result<()> {
        self.link.writable().await;
        Ok(())
    }

    pub async fn turn(&self) -> io::Result<()> {
        self.writable().await
    }

    pub fn try_fill(&self, pipe: &mut Pipe, most: usize) -> io::Result<usize> {
        pipe.fill(|ends| ends.fill(&self.link, most))
    }

    pub fn try_drain(&self, pipe: &mut Pipe) -> io::Result<usize> {
        pipe.drain(|ends, _| ends.drain(&self.link))
    }

    pub async fn write_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        while !buffer.is_empty() {
            self.link.writable().await;
            match self.try_write(buffer.unread()) {
                Ok(count) => buffer.consume(count),
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    pub fn peek(&self) -> Peek {
        self.link.peek()
    }

    pub fn close_write(&self) {
        self.link.close(Close::Fin);
    }

    pub fn reset_on_close(&self) {
        self.is_reset_on_close.set(true);
    }

    pub fn shutdown_both(&self) {
        self.link.shut_read();
        self.link.close(Close::Fin);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let is_reset = self.is_reset_on_close.get();
        self.link.let_go(if is_reset { Close::Reset } else { Close::Fin });
    }
}
