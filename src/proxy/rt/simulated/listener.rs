//! A listening socket to which clients come by a call.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::proxy::rt::clock::Deadlines;
use crate::proxy::rt::driver::DriverChoice;
use crate::proxy::rt::simulated::link::{Link, Peer};
use crate::proxy::rt::stream::Stream;

#[derive(Default)]
pub struct Listener {
    queue: RefCell<VecDeque<(Rc<Link>, SocketAddr)>>,
    is_closed: Cell<bool>,
    accepting: RefCell<Vec<Waker>>,
}

/// What an accept gave; nothing fails here.
pub enum Accepted {
    Connection(Stream, SocketAddr),
    Exhausted,
    Passing,
    Closed,
}

impl Listener {
    pub fn new(_socket: std::net::TcpListener, _driver: DriverChoice) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A client comes; `None`: it is refused.
    pub fn come(&self, from: SocketAddr) -> Option<Peer> {
        if self.is_closed.get() {
            return None;
        }
        let link = Link::new();
        self.queue.borrow_mut().push_back((Rc::clone(&link), from));
        self.accepting.take().into_iter().for_each(Waker::wake);
        Some(Peer(link))
    }

    pub async fn accept(&self, deadlines: &Rc<Deadlines>) -> Accepted {
        poll_fn(|context| {
            if let Some((link, from)) = self.queue.borrow_mut().pop_front() {
                return Poll::Ready(Accepted::Connection(Stream::new(link, deadlines), from));
            }
            if self.is_closed.get() {
                return Poll::Ready(Accepted::Closed);
            }
            self.accepting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub fn refuse_handshakes(&self) -> io::Result<()> {
        Ok(())
    }

    pub fn waiting(&self) -> u32 {
        u32::try_from(self.queue.borrow().len()).unwrap()
    }

    pub fn close(&self) {
        self.is_closed.set(true);
        self.accepting.take().into_iter().for_each(Waker::wake);
    }
}
