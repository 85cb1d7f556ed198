//! HTTP/2 connections to one endpoint on one core: shared by requests, one task each.
//!
//! ```text
//!  obtain ─▶ a connection with a free stream? ─┬─▶ its slot
//!                                              ├─▶ open another (one at a time), wait
//!                                              └─▶ as many as may be: wait for a slot
//!  task: dial ─▶ SETTINGS ─▶ read ║ write ║ probe ─▶ gone
//! ```
//!
//! A connection that got GOAWAY, is too old or whose endpoint is gone is left: nothing new is sent
//! on it, and it ends with its last stream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::http2::connection::{Connection, WindowBudget};
use crate::limits::{
    HTTP2_UPSTREAM_CONNECTIONS_MAX, HTTP2_UPSTREAM_PING_INTERVAL, HTTP2_UPSTREAM_PING_TIMEOUT,
};
use crate::proxy::rt;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{Expiry, recent_millis};
use crate::proxy::tasks::Tasks;
use crate::proxy::transport::Transport;
use crate::proxy::transport::http2_codec::{Codec, Outgoing};
use crate::proxy::transport::http2_slot::{SharedConnection, Turns, Unopened};
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::PoolLimits;

/// The connections of one endpoint.
#[derive(Default)]
pub struct Http2Pool {
    connections: RefCell<Vec<Rc<SharedConnection>>>,
    opening: RefCell<Option<Rc<Opening>>>,
    turns: Rc<Turns>,
}

/// What connections of a core are opened with.
pub struct Ground<'a> {
    /// Bounds of pools.
    pub limits: &'a PoolLimits,
    /// Runs them.
    pub tasks: &'a Tasks,
    /// What their windows may grow by.
    pub windows: &'a WindowBudget,
}

/// A connection on its way.
#[derive(Default)]
struct Opening {
    failure: Cell<Option<Failure>>,
}

impl Http2Pool {
    /// A stream on a connection that has room; those that take none any more are let go.
    fn checkout(&self, limits: &PoolLimits, now: u64) -> Option<Unopened> {
        self.sweep(limits, now);
        self.connections.borrow().iter().find_map(|known| known.checkout(&self.turns))
    }

    /// The same for whoever comes now, behind those that wait.
    fn checkout_anew(&self, limits: &PoolLimits, now: u64) -> Option<Unopened> {
        let room = || {
            self.sweep(limits, now);
            self.connections.borrow().iter().map(|known| known.room()).sum()
        };
        self.turns.admit(room).then(|| self.checkout(limits, now))?
    }

    /// Lets go of connections that are over, too old, or idle for too long.
    pub fn sweep(&self, limits: &PoolLimits, now: u64) {
        self.connections.borrow_mut().retain(|connection| {
            let stays = !connection.is_over() && !is_expired(connection, limits, now);
            if !stays {
                connection.leave();
            }
            stays
        });
    }

    /// Lets go of a connection without a stream; false: there is none.
    pub fn evict(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        let Some(at) = connections.iter().position(|known| known.idle_since().is_some()) else {
            return false;
        };
        let evicted = connections.swap_remove(at);
        drop(connections);
        evicted.leave();
        true
    }

    /// The endpoint is gone: connections end with their last stream.
    pub fn remove(&self) {
        self.turns.close();
        for connection in self.connections.borrow_mut().drain(..) {
            connection.leave();
        }
    }

    fn forget(&self, connection: &Rc<SharedConnection>) {
        connection.leave();
        self.connections.borrow_mut().retain(|known| !Rc::ptr_eq(known, connection));
    }

    /// The connection on its way; `dial` begins one unless there are as many as may be.
    fn join<D>(
        self: &Rc<Self>,
        ground: &Ground<'_>,
        time: Duration,
        dial: impl FnOnce() -> D,
    ) -> Option<Rc<Opening>>
    where
        D: Future<Output = Result<Transport, Failure>> + 'static,
    {
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
            pool: Rc::clone(self),
            opening: Rc::clone(&begun),
            send_timeout: ground.limits.send_timeout,
            windows: ground.windows.clone(),
        };
        let dialling = dial();
        ground.tasks.start(async move { task.run(dialling, time).await });
        Some(begun)
    }

    /// A stream, within `time`; `dial` opens another connection.
    ///
    /// # Errors
    /// No connection could be made, all of them were full, or too many wait for a stream already.
    pub async fn obtain<D>(
        self: &Rc<Self>,
        ground: &Ground<'_>,
        time: Duration,
        dial: impl Fn() -> D,
    ) -> Result<Unopened, Failure>
    where
        D: Future<Output = Result<Transport, Failure>> + 'static,
    {
        if let Some(found) = self.checkout_anew(ground.limits, recent_millis()) {
            return Ok(found);
        }
        let mut waiting = self.turns.enter().ok_or(Failure::Local)?;
        let waited = async {
            loop {
                let joined = self.join(ground, time, &dial);
                waiting.turn().await;
                if let Some(failure) = joined.and_then(|opening| opening.failure.get()) {
                    return Err(failure);
                }
                if let Some(found) = self.checkout(ground.limits, recent_millis()) {
                    return Ok(found);
                }
                waiting.again();
            }
        };
        let late = || {
            let is_opening = self.opening.borrow().is_some();
            Err(if is_opening { Failure::ConnectTimeout } else { Failure::Local })
        };
        rt::within(time, waited).await.unwrap_or_else(late)
    }
}

fn is_expired(connection: &SharedConnection, limits: &PoolLimits, now: u64) -> bool {
    let is_idle = connection
        .idle_since()
        .is_some_and(|since| now.saturating_sub(since) >= limits.idle_millis);
    is_idle || now.saturating_sub(connection.opened_at) >= limits.age_millis
}

/// The task of one connection. When it ends, also by a panic, nobody waits for it any more.
struct Task {
    pool: Rc<Http2Pool>,
    opening: Rc<Opening>,
    send_timeout: Duration,
    windows: WindowBudget,
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
        self.pool.turns.call_all();
    }

    async fn run(self, dialling: impl Future<Output = Result<Transport, Failure>>, time: Duration) {
        let began = recent_millis();
        let transport = match dialling.await {
            Ok(transport) => transport,
            Err(failure) => return self.end_opening(Some(failure)),
        };
        let spent = Duration::from_millis(recent_millis().saturating_sub(began));
        transport.deadline().arm(time.saturating_sub(spent), Expiry::CloseBoth);
        let connection = Connection::asking(recent_millis(), self.windows.clone());
        let codec = Rc::new(Codec::new(connection));
        let shared = SharedConnection::new(Rc::clone(&codec));
        let read = self.read(&transport, &codec, &shared);
        let write = write(&transport, &codec, self.send_timeout);
        drive(read, write, probe(&shared, &codec)).await;
        codec.with(Connection::disconnect);
        self.pool.forget(&shared);
        if transport.deadline().is_expired() {
            self.end_opening(Some(Failure::ConnectTimeout));
        }
        transport.finish();
    }

    /// Socket to codec; the connection is open once SETTINGS came.
    async fn read(&self, transport: &Transport, codec: &Codec, shared: &Rc<SharedConnection>) {
        let mut is_open = false;
        while let Some(buffer) = read_some(transport, codec).await {
            let received = codec
                .with_streams(|connection| connection.receive(buffer.unread(), recent_millis()));
            if received.is_err() {
                // GOAWAY is on its way, and says why.
                return;
            }
            if !is_open && shared.room() > 0 {
                is_open = true;
                transport.deadline().disarm();
                self.pool.connections.borrow_mut().push(Rc::clone(shared));
                self.end_opening(None);
            }
        }
        codec.with(Connection::disconnect);
    }
}

/// Polls all until the writer is done, or the probe found the backend dead.
async fn drive(
    read: impl Future<Output = ()>,
    write: impl Future<Output = ()>,
    probe: impl Future<Output = ()>,
) {
    let (mut read, mut write, mut probe) = (pin!(read), pin!(write), pin!(probe));
    let mut is_read = false;
    poll_fn(|context| {
        is_read = is_read || read.as_mut().poll(context).is_ready();
        if probe.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        write.as_mut().poll(context)
    })
    .await;
}

/// What the backend sends next; `None`: nothing more.
async fn read_some(transport: &Transport, codec: &Codec) -> Option<Buffer> {
    loop {
        poll_fn(|context| codec.poll_room(context)).await;
        // Holds no buffer: an idle connection costs its tables.
        transport.readable().await.ok()?;
        let mut buffer = Buffer::new(Class::Medium);
        match transport.try_read(&mut buffer) {
            Ok(1..) => return Some(buffer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

/// Codec to socket.
async fn write(transport: &Transport, codec: &Codec, time: Duration) {
    loop {
        if poll_fn(|context| codec.poll_outgoing(context)).await == Outgoing::Over {
            return;
        }
        let mut buffer = Buffer::unallocated();
        *buffer.as_vec() = codec.take_output();
        transport.write_deadline().arm(time, Expiry::CloseBoth);
        let (result, _) = transport.write_all(buffer).await;
        transport.write_deadline().disarm();
        if result.is_err() {
            return;
        }
    }
}

/// Asks the backend now and then whether it is still there; ends when it is not.
async fn probe(shared: &SharedConnection, codec: &Codec) {
    loop {
        rt::sleep(HTTP2_UPSTREAM_PING_INTERVAL).await;
        if shared.idle_since().is_some() {
            continue;
        }
        codec.with(Connection::probe);
        let answer =
            poll_fn(|context| codec.with_streams(|connection| connection.poll_probe(context)));
        if rt::within(HTTP2_UPSTREAM_PING_TIMEOUT, answer).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    const LIMITS: PoolLimits = PoolLimits {
        idle_per_endpoint: 1,
        total: 1,
        idle_millis: u64::MAX,
        age_millis: u64::MAX,
        requests: 1,
        send_timeout: Duration::MAX,
    };

    /// A connection whose backend takes this many streams.
    fn connection(streams: u8) -> Rc<SharedConnection> {
        let codec = Codec::new(Connection::asking(0, WindowBudget::default()));
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, streams];
        codec.with(|connection| connection.receive(&settings, 0)).expect("SETTINGS");
        SharedConnection::new(Rc::new(codec))
    }

    #[test]
    fn who_comes_stands_behind_those_that_wait() {
        let is_called = |waiting: &mut crate::proxy::transport::http2_slot::Waiting<'_>| {
            let mut context = Context::from_waker(Waker::noop());
            pin!(waiting.turn()).as_mut().poll(&mut context).is_ready()
        };
        for (streams, is_served) in [(1, false), (2, true)] {
            let pool = Http2Pool::default();
            pool.connections.borrow_mut().push(connection(streams));
            let all: Vec<_> =
                std::iter::from_fn(|| pool.checkout_anew(&LIMITS, 0)).take(2).collect();
            assert_eq!(all.len(), usize::from(streams));
            let mut waiting = pool.turns.enter().expect("a place in the queue");
            drop(all);
            // The one that waits has not looked yet.
            let newcomer = pool.checkout_anew(&LIMITS, 0);
            assert_eq!(newcomer.is_some(), is_served, "{streams}");
            assert!(is_called(&mut waiting) && pool.checkout(&LIMITS, 0).is_some(), "{streams}");
        }
        // Room that came with new SETTINGS is that of those who wait, first.
        let pool = Http2Pool::default();
        let mut waiting = pool.turns.enter().expect("a place in the queue");
        pool.connections.borrow_mut().push(connection(1));
        assert!(pool.checkout_anew(&LIMITS, 0).is_none() && is_called(&mut waiting));
        drop(waiting);
        assert!(pool.checkout_anew(&LIMITS, 0).is_some());
    }
}
