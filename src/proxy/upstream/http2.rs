//! HTTP/2 connections to one endpoint on one core: shared by requests, one task each.
//!
//! ```text
//!  obtain ─▶ a connection with a free stream? ─┬─▶ its slot
//!                                              ├─▶ open another (one at a time), wait
//!                                              └─▶ as many as may be: wait for a slot
//!  task: dial ─▶ SETTINGS ─▶ read ║ speak ║ write ║ probe ─▶ gone
//! ```
//!
//! A connection that got GOAWAY, is too old or whose endpoint is gone loses its sender: nothing new
//! is sent on it, and h2 ends it with its last stream.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use h2::client::{Connection, SendRequest};
use h2::{Ping, PingPong};

use super::dial::CoreWire;
use super::pool::PoolLimits;
use crate::http2::client::client_builder;
use crate::http2::io::{Link, LinkIo, Outgoing};
use crate::http2::screen::Screen;
use crate::limits::{
    HTTP2_UPSTREAM_CONNECTIONS_MAX, HTTP2_UPSTREAM_PING_INTERVAL, HTTP2_UPSTREAM_PING_TIMEOUT,
    HTTP2_UPSTREAM_STREAMS_MAX,
};
use crate::proxy::core::Core;
use crate::proxy::rt;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{Expiry, recent_millis};
use crate::proxy::transport::Transport;
use crate::proxy::transport::http2_upstream::Payload;
use crate::proxy::upstream::failure::Failure;

/// The connections of one endpoint.
#[derive(Default)]
pub struct Http2Pool {
    connections: RefCell<Vec<Rc<Shared>>>,
    opening: RefCell<Option<Rc<Opening>>>,
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
    is_removed: Cell<bool>,
}

/// One connection, as its streams know it.
struct Shared {
    /// `None`: it takes no new streams.
    sender: RefCell<Option<SendRequest<Payload>>>,
    streams: Cell<usize>,
    has_served: Cell<bool>,
    idle_since: Cell<u64>,
    opened_at: u64,
    screen: Rc<RefCell<Screen>>,
}

/// A place on a connection.
pub struct Slot {
    connection: Rc<Shared>,
    pool: Rc<Http2Pool>,
}

/// A stream that may be opened.
pub struct Checkout {
    /// Opens it, once.
    pub sender: SendRequest<Payload>,
    /// To be held as long as the stream lives.
    pub slot: Slot,
    /// The connection carried a stream before.
    pub is_reused: bool,
}

/// A connection on its way.
#[derive(Default)]
struct Opening {
    failure: Cell<Option<Failure>>,
}

#[derive(Default)]
struct Waiter {
    is_woken: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// A place in the queue; hands its turn on if it is given up.
struct Queued<'a> {
    pool: &'a Http2Pool,
    waiter: Rc<Waiter>,
    is_done: bool,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        if self.waiter.is_woken.get() {
            return self.pool.wake_one();
        }
        self.pool.waiters.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
    }
}

impl Slot {
    /// Of the connection; whoever opens a stream says so to it, and when it ends.
    pub fn screen(&self) -> Rc<RefCell<Screen>> {
        Rc::clone(&self.connection.screen)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let connection = &self.connection;
        let left = connection.streams.get().saturating_sub(1);
        connection.streams.set(left);
        connection.idle_since.set(recent_millis());
        if left == 0 && self.pool.is_removed.get() {
            connection.leave();
        }
        self.pool.wake_one();
    }
}

impl Shared {
    fn leave(&self) {
        // Dropped behind the borrow: it wakes the connection's task.
        let sender = self.sender.borrow_mut().take();
        drop(sender);
    }

    /// A sender if one more stream may be opened.
    fn sender(&self) -> Option<SendRequest<Payload>> {
        let sender = self.sender.borrow();
        let sender = sender.as_ref()?;
        let most = sender.current_max_send_streams().min(HTTP2_UPSTREAM_STREAMS_MAX as usize);
        (self.streams.get() < most).then(|| sender.clone())
    }

    /// Whether it got GOAWAY, or failed, and its task has not said so yet.
    fn is_over(&self) -> bool {
        let mut sender = self.sender.borrow_mut();
        let Some(sender) = sender.as_mut() else { return true };
        let mut context = Context::from_waker(Waker::noop());
        matches!(sender.poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    fn is_expired(&self, limits: &PoolLimits, now: u64) -> bool {
        let is_idle = self.streams.get() == 0
            && now.saturating_sub(self.idle_since.get()) >= limits.idle_millis;
        is_idle || now.saturating_sub(self.opened_at) >= limits.age_millis
    }
}

impl Http2Pool {
    fn wake_one(&self) {
        let waiter = self.waiters.borrow_mut().pop_front();
        if let Some(waiter) = waiter {
            waiter.is_woken.set(true);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }

    fn wake_all(&self) {
        let count = self.waiters.borrow().len();
        for _ in 0..count {
            self.wake_one();
        }
    }

    /// Waits for its turn; who had one in vain goes to the front.
    async fn wait(&self, is_first: bool) {
        let waiter = Rc::new(Waiter::default());
        {
            let mut waiters = self.waiters.borrow_mut();
            if is_first {
                waiters.push_front(Rc::clone(&waiter));
            } else {
                waiters.push_back(Rc::clone(&waiter));
            }
        }
        let mut queued = Queued { pool: self, waiter, is_done: false };
        poll_fn(|context| {
            if queued.waiter.is_woken.get() {
                return Poll::Ready(());
            }
            queued.waiter.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        queued.is_done = true;
    }

    /// A stream on a connection that has room; those that take none any more are let go.
    fn checkout(self: &Rc<Self>, limits: &PoolLimits, now: u64) -> Option<Checkout> {
        self.sweep(limits, now);
        let connections = self.connections.borrow();
        let (connection, sender) =
            connections.iter().find_map(|known| Some((known, known.sender()?)))?;
        connection.streams.set(connection.streams.get().saturating_add(1));
        let is_reused = connection.has_served.replace(true);
        let slot = Slot { connection: Rc::clone(connection), pool: Rc::clone(self) };
        Some(Checkout { sender, slot, is_reused })
    }

    /// Lets go of connections that are over, too old, or idle for too long.
    pub fn sweep(&self, limits: &PoolLimits, now: u64) {
        self.connections.borrow_mut().retain(|connection| {
            let stays = !connection.is_over() && !connection.is_expired(limits, now);
            if !stays {
                connection.leave();
            }
            stays
        });
    }

    /// Lets go of a connection without a stream; false: there is none.
    pub fn evict(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        let Some(at) = connections.iter().position(|known| known.streams.get() == 0) else {
            return false;
        };
        let evicted = connections.swap_remove(at);
        drop(connections);
        evicted.leave();
        true
    }

    /// The endpoint is gone: connections end with their last stream.
    pub fn remove(&self) {
        self.is_removed.set(true);
        for connection in self.connections.borrow_mut().drain(..) {
            connection.leave();
        }
    }

    fn forget(&self, connection: &Rc<Shared>) {
        connection.leave();
        self.connections.borrow_mut().retain(|known| !Rc::ptr_eq(known, connection));
    }

    /// The connection on its way; begins one unless there are as many as may be.
    fn join(
        self: &Rc<Self>,
        core: &Rc<Core>,
        address: SocketAddr,
        wire: &Rc<CoreWire>,
        time: Duration,
    ) -> Option<Rc<Opening>> {
        let mut opening = self.opening.borrow_mut();
        if let Some(opening) = &*opening {
            return Some(Rc::clone(opening));
        }
        if self.connections.borrow().len() >= HTTP2_UPSTREAM_CONNECTIONS_MAX {
            return None;
        }
        let begun = Rc::new(Opening::default());
        *opening = Some(Rc::clone(&begun));
        let task = Task {
            core: Rc::clone(core),
            pool: Rc::clone(self),
            opening: Rc::clone(&begun),
            wire: Rc::clone(wire),
            address,
        };
        core.tasks.start(async move { task.run(time).await });
        Some(begun)
    }

    /// A stream, within `time`.
    ///
    /// # Errors
    /// No connection could be made, or all of them were full.
    pub async fn obtain(
        self: &Rc<Self>,
        core: &Rc<Core>,
        address: SocketAddr,
        wire: &Rc<CoreWire>,
        time: Duration,
    ) -> Result<Checkout, Failure> {
        let limits = &core.upstreams.limits;
        if let Some(found) = self.checkout(limits, recent_millis()) {
            return Ok(found);
        }
        let waited = async {
            let mut is_first = false;
            loop {
                let joined = self.join(core, address, wire, time);
                self.wait(is_first).await;
                if let Some(failure) = joined.and_then(|opening| opening.failure.get()) {
                    return Err(failure);
                }
                if let Some(found) = self.checkout(limits, recent_millis()) {
                    return Ok(found);
                }
                is_first = true;
            }
        };
        let late = || {
            let is_opening = self.opening.borrow().is_some();
            Err(if is_opening { Failure::ConnectTimeout } else { Failure::Local })
        };
        rt::within(time, waited).await.unwrap_or_else(late)
    }
}

/// The task of one connection. When it ends, also by a panic, nobody waits for it any more.
struct Task {
    core: Rc<Core>,
    pool: Rc<Http2Pool>,
    opening: Rc<Opening>,
    wire: Rc<CoreWire>,
    address: SocketAddr,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end_opening(Some(Failure::Connect));
    }
}

impl Task {
    /// Done, if it was not before.
    fn end_opening(&self, failure: Option<Failure>) {
        let is_ours = |opening: &Rc<Opening>| Rc::ptr_eq(opening, &self.opening);
        if !self.pool.opening.borrow().as_ref().is_some_and(is_ours) {
            return;
        }
        *self.pool.opening.borrow_mut() = None;
        self.opening.failure.set(failure);
        self.pool.wake_all();
    }

    async fn run(self, time: Duration) {
        let began = recent_millis();
        let transport = match self.wire.dial(&self.core, self.address, time).await {
            Ok(transport) => transport,
            Err(failure) => return self.end_opening(Some(failure)),
        };
        let spent = Duration::from_millis(recent_millis().saturating_sub(began));
        transport.deadline().arm(time.saturating_sub(spent), Expiry::CloseBoth);
        let link = Link::new();
        let handshake = client_builder().handshake::<LinkIo, Payload>(link.io());
        let Ok((sender, mut connection)) = handshake.await else { return };
        let now = recent_millis();
        let shared = Rc::new(Shared {
            sender: RefCell::new(Some(sender)),
            streams: Cell::new(0),
            has_served: Cell::new(false),
            idle_since: Cell::new(now),
            opened_at: now,
            screen: Rc::default(),
        });
        let probe = probe(&shared, connection.ping_pong());
        let read = read(&transport, &link, &shared.screen);
        let speak = self.speak(connection, &shared, &transport);
        let write = write(&transport, &link, self.core.config.proxy_send_timeout);
        drive(read, speak, write, probe).await;
        link.fail();
        self.pool.forget(&shared);
        if transport.deadline().is_expired() {
            self.end_opening(Some(Failure::ConnectTimeout));
        }
        transport.finish();
    }

    /// Speaks HTTP/2 until the connection is over; it is open once SETTINGS came.
    async fn speak(
        &self,
        mut connection: Connection<LinkIo, Payload>,
        shared: &Rc<Shared>,
        transport: &Transport,
    ) {
        let mut is_open = false;
        // How it ended is told to its streams.
        drop(
            poll_fn(|context| {
                let polled = Pin::new(&mut connection).poll(context);
                if !is_open && polled.is_pending() && shared.sender().is_some() {
                    is_open = true;
                    transport.deadline().disarm();
                    self.pool.connections.borrow_mut().push(Rc::clone(shared));
                    self.end_opening(None);
                }
                polled
            })
            .await,
        );
        drop(connection);
        self.pool.forget(shared);
    }
}

/// Polls all until the writer is done, or the probe found the backend dead.
async fn drive(
    read: impl Future<Output = ()>,
    speak: impl Future<Output = ()>,
    write: impl Future<Output = ()>,
    probe: impl Future<Output = ()>,
) {
    let (mut read, mut speak) = (pin!(read), pin!(speak));
    let (mut write, mut probe) = (pin!(write), pin!(probe));
    let (mut is_read, mut is_spoken) = (false, false);
    poll_fn(|context| {
        is_read = is_read || read.as_mut().poll(context).is_ready();
        is_spoken = is_spoken || speak.as_mut().poll(context).is_ready();
        if probe.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        write.as_mut().poll(context)
    })
    .await;
}

/// Socket to h2.
async fn read(transport: &Transport, link: &Link, screen: &RefCell<Screen>) {
    loop {
        poll_fn(|context| link.wait_room(context)).await;
        // Holds no buffer: an idle connection costs its tables.
        if transport.readable().await.is_err() {
            break;
        }
        let mut buffer = Buffer::new(Class::Medium);
        match transport.try_read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) => break,
        }
        screen.borrow_mut().feed(buffer.unread());
        link.push_received(buffer.unread());
    }
    link.end_received();
}

/// h2 to socket.
async fn write(transport: &Transport, link: &Link, time: Duration) {
    loop {
        if poll_fn(|context| link.wait_outgoing(context)).await == Outgoing::Closed {
            return;
        }
        let mut buffer = Buffer::unallocated();
        link.take_outgoing(buffer.as_vec());
        transport.write_deadline().arm(time, Expiry::CloseBoth);
        let (result, _) = transport.write_all(buffer).await;
        transport.write_deadline().disarm();
        if result.is_err() {
            return link.fail();
        }
    }
}

/// Asks the backend now and then whether it is still there; ends when it is not.
async fn probe(shared: &Rc<Shared>, ping_pong: Option<PingPong>) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    loop {
        rt::sleep(HTTP2_UPSTREAM_PING_INTERVAL).await;
        if shared.streams.get() == 0 {
            continue;
        }
        if ping_pong.send_ping(Ping::opaque()).is_err() {
            return;
        }
        let answer = poll_fn(|context| ping_pong.poll_pong(context));
        if !matches!(rt::within(HTTP2_UPSTREAM_PING_TIMEOUT, answer).await, Some(Ok(_))) {
            return;
        }
    }
}
