//! Who is asked for a connection: whoever the test says.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::proxy::rt::simulated::link::{Close, Link, Peer};

type Router = Rc<dyn Fn(SocketAddr, Knock)>;

thread_local! {
    static ROUTER: RefCell<Option<Router>> = const { RefCell::new(None) };
}

/// From now on `router` is told of every connection that is asked for; `None`: nobody is there.
pub fn route(router: Option<Router>) {
    let old = ROUTER.replace(router);
    drop(old);
}

#[derive(Default)]
struct Asked {
    answer: Cell<Option<io::Result<Rc<Link>>>>,
    waker: Cell<Option<Waker>>,
    is_given_up: Cell<bool>,
}

/// Somebody asks for a connection. Not answered when dropped.
pub struct Knock(Rc<Asked>);

impl Knock {
    fn answer(&self, answer: io::Result<Rc<Link>>) {
        self.0.answer.set(Some(answer));
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Opens it.
    #[must_use]
    pub fn accept(self) -> Peer {
        let link = Link::new();
        if self.0.is_given_up.get() {
            link.let_go(Close::Fin);
        }
        self.answer(Ok(Rc::clone(&link)));
        Peer(link)
    }

    /// Says no.
    pub fn refuse(self, error: io::Error) {
        self.answer(Err(error));
    }
}

/// The wait for an answer.
struct Asking(Rc<Asked>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.is_given_up.set(true);
    }
}

pub(super) async fn connect(address: SocketAddr) -> io::Result<Rc<Link>> {
    let asking = Asking(Rc::default());
    let router = ROUTER.with_borrow(Clone::clone);
    match router {
        Some(router) => router(address, Knock(Rc::clone(&asking.0))),
        None => return Err(io::ErrorKind::ConnectionRefused.into()),
    }
    poll_fn(|context| match asking.0.answer.take() {
        Some(answer) => Poll::Ready(answer),
        None => {
            asking.0.waker.set(Some(context.waker().clone()));
            Poll::Pending
        }
    })
    .await
}
