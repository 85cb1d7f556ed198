//! A client connection that speaks HTTP/2: octets between socket and codec, one task per stream.
//!
//! ```text
//!  socket ─▶ read ─▶ Codec ─▶ opened ─▶ task per stream: serve_one over Http2Downstream
//!  socket ◀─ write ◀─ Codec ◀───────────────────────────────┘
//! ```
//!
//! Both run in one task; streams run in tasks of their own.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::http2::connection::Connection;
use crate::http2::frame::ErrorCode;
use crate::http2::patience::{Patience, Wait};
use crate::limits::DRAIN_IDLE_GRACE;
use crate::proxy::client::head::Unparsed;
use crate::proxy::client::linger::linger;
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::After;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{Expiry, recent_millis};
use crate::proxy::transport::Transport;
use crate::proxy::transport::http2_codec::{Codec, Outgoing};
use crate::proxy::transport::http2_downstream::{Ground, Http2Downstream, Unserved};
use crate::telemetry::Counter;

/// What the parts of a connection tell each other.
struct Shared {
    core: Rc<Core>,
    downstream: Rc<Downstream>,
    codec: Rc<Codec>,
    patience: RefCell<Patience>,
    /// What the connection's deadline is armed for.
    armed: Cell<Option<Wait>>,
    /// Tasks of streams that have not ended. A stream that the client reset counts until its
    /// upstream work is over.
    streams: Cell<u32>,
    /// Those of them that are being served.
    served: RefCell<Vec<Rc<Downstream>>>,
    /// Waits until there are none.
    last: RefCell<Option<Waker>>,
    /// The client may still send.
    is_open: Cell<bool>,
    /// Octets are on their way to the socket.
    is_writing: Cell<bool>,
    /// Frames go neither way any more.
    is_over: Cell<bool>,
}

/// Serves a connection to its end; `first` begins with the client's preface or a part of it. A
/// deadline that is set bounds the time to the first request, which else begins now.
pub async fn serve<P: Future<Output = After> + 'static>(
    core: &Rc<Core>,
    downstream: &Rc<Downstream>,
    first: Buffer,
    place: impl Fn(Unparsed) -> P + Clone + 'static,
) {
    core.count(Counter::Http2Connections);
    let shared = Rc::new(Shared::new(core, downstream));
    shared.watch(|_, _| {});
    drive(read(&shared, first, place), write(&shared)).await;
    shared.is_over.set(true);
    shared.codec.with(Connection::disconnect);
    shared.look_after_streams();
    if shared.is_open.get() {
        // Frames that cross our last ones, WINDOW_UPDATE above all, must not turn the close into a
        // reset, which may destroy responses on their way.
        linger(&downstream.stream).await;
    } else {
        downstream.stream.finish();
    }
    if shared.streams.get() > 0 {
        downstream.stream.shutdown_both();
        // Until then the connection counts: clients that come and go leave no more running upstream
        // than those that stay.
        poll_fn(|context| shared.wait_last(context)).await;
    }
}

/// Polls both until the writer is done. In this order what is read is answered in the same turn.
async fn drive(read: impl Future<Output = ()>, write: impl Future<Output = ()>) {
    let (mut read, mut write) = (pin!(read), pin!(write));
    let mut is_read = false;
    poll_fn(|context| {
        is_read = is_read || read.as_mut().poll(context).is_ready();
        write.as_mut().poll(context)
    })
    .await;
}

impl Shared {
    fn new(core: &Rc<Core>, downstream: &Rc<Downstream>) -> Self {
        let now = recent_millis();
        let (head, idle) =
            core.downstream(|policy| (policy.header_timeout, policy.keep_alive_timeout));
        let wait = u64::try_from(head.as_millis()).unwrap_or(u64::MAX);
        let running = downstream.stream.deadline().due_millis();
        let first_until = running.unwrap_or_else(|| now.saturating_add(wait));
        let most = core.downstream(|policy| policy.http2_streams);
        let connection = Connection::serving(now, most, core.upstreams.windows.clone());
        Self {
            core: Rc::clone(core),
            downstream: Rc::clone(downstream),
            codec: Rc::new(Codec::new(connection)),
            patience: RefCell::new(Patience::new(head, idle, first_until)),
            armed: Cell::new(None),
            streams: Cell::new(0),
            served: RefCell::default(),
            last: RefCell::default(),
            is_open: Cell::new(true),
            is_writing: Cell::new(false),
            is_over: Cell::new(false),
        }
    }

    /// Tells [`Patience`] what happened and arms the deadline that it wants now.
    fn watch(&self, happened: impl FnOnce(&mut Patience, u64)) {
        if self.is_over.get() {
            return;
        }
        let now = recent_millis();
        let wait = {
            let mut patience = self.patience.borrow_mut();
            if self.core.is_draining.get() {
                patience.drain(DRAIN_IDLE_GRACE, now);
            }
            happened(&mut patience, now);
            patience.wait()
        };
        if self.armed.replace(wait) == wait {
            return;
        }
        let deadline = self.downstream.stream.deadline();
        match wait {
            None => deadline.disarm(),
            Some(Wait::Idle { until }) => deadline.arm_at(until, Expiry::CloseIdle),
            Some(Wait::Rest { until }) => deadline.arm_at(until, Expiry::CloseRead),
        }
    }

    /// Responses that are over for their streams may still wait to be sent; a write has a deadline
    /// of its own.
    fn settle(&self) {
        let is_busy = self.streams.get() > 0 || self.is_writing.get();
        self.watch(|patience, now| match is_busy {
            true => patience.begin_work(),
            false => patience.end_work(now),
        });
    }

    /// A write under way that is more than answers to PING and SETTINGS keeps the connection.
    fn begin_write(&self, octets: usize) {
        if octets >= Class::Small.bytes() {
            self.is_writing.set(true);
            self.settle();
        }
    }

    fn end_write(&self) {
        if self.is_writing.replace(false) {
            self.settle();
        }
    }

    fn begin_stream(&self) {
        self.streams.set(self.streams.get().saturating_add(1));
        self.settle();
    }

    /// The client gave streams up, or is gone: what waits upstream for their sake need not wait for
    /// the next look.
    fn look_after_streams(&self) {
        for stream in self.served.borrow().iter() {
            stream.stream.deadline().hurry_check();
        }
    }

    fn wait_last(&self, context: &Context<'_>) -> Poll<()> {
        if self.streams.get() == 0 {
            return Poll::Ready(());
        }
        *self.last.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits while too much waits to be sent: the answers to what is read would come on top of it.
    async fn wait_room(&self) {
        let mut is_paused = false;
        poll_fn(|context| {
            let polled = self.codec.poll_room(context);
            if polled.is_pending() && !is_paused {
                is_paused = true;
                self.watch(|patience, _| patience.pause());
            }
            polled
        })
        .await;
        if is_paused {
            self.watch(Patience::resume);
        }
    }

    /// Hands octets on; false: enough of this client.
    fn receive(&self, octets: &[u8]) -> bool {
        let (result, progress, has_resets) = self.codec.with_streams(|server| {
            let before = server.meter().resets();
            let result = server.receive(octets, recent_millis());
            let meter = server.meter();
            (result, meter.progress(), meter.resets() != before)
        });
        if let Err(ended) = result {
            if ended.code == ErrorCode::EnhanceYourCalm {
                self.core.count(Counter::Http2Abuses);
            }
            return false;
        }
        if has_resets {
            self.look_after_streams();
        }
        self.watch(|patience, now| patience.received(progress, now));
        true
    }
}

/// A stream's task is under way; tells the connection when it ends, also by a panic.
struct Running {
    connection: Rc<Shared>,
    stream: OnceCell<Rc<Downstream>>,
}

impl Running {
    fn new(connection: &Rc<Shared>) -> Self {
        connection.begin_stream();
        Self { connection: Rc::clone(connection), stream: OnceCell::new() }
    }

    fn serves(&self, stream: &Rc<Downstream>) {
        let stream = self.stream.get_or_init(|| Rc::clone(stream));
        self.connection.served.borrow_mut().push(Rc::clone(stream));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let connection = &self.connection;
        if let Some(stream) = self.stream.get() {
            connection.served.borrow_mut().retain(|other| !Rc::ptr_eq(other, stream));
        }
        connection.streams.set(connection.streams.get().saturating_sub(1));
        connection.settle();
        if connection.streams.get() == 0
            && let Some(waker) = connection.last.take()
        {
            waker.wake();
        }
    }
}

/// Socket to codec.
async fn read<P: Future<Output = After> + 'static>(
    shared: &Rc<Shared>,
    first: Buffer,
    place: impl Fn(Unparsed) -> P + Clone + 'static,
) {
    match receive_all(shared, first, place).await {
        // GOAWAY is on its way, and says why.
        Ok(Received::Enough) => {}
        Ok(Received::End) => {
            shared.is_open.set(false);
            shared.codec.with(Connection::disconnect);
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let is_late = matches!(shared.armed.get(), Some(Wait::Rest { .. }));
            if is_late {
                shared.core.count(Counter::ClientTimeouts);
            }
            let code = if is_late { ErrorCode::EnhanceYourCalm } else { ErrorCode::NoError };
            shared.codec.with(|server| server.abort(code));
        }
        Err(_) => {
            shared.is_open.set(false);
            shared.codec.with(Connection::disconnect);
        }
    }
}

/// How reading ended.
enum Received {
    /// The client sends nothing more.
    End,
    /// Nothing more is wanted of it.
    Enough,
}

async fn receive_all<P: Future<Output = After> + 'static>(
    shared: &Rc<Shared>,
    first: Buffer,
    place: impl Fn(Unparsed) -> P + Clone + 'static,
) -> std::io::Result<Received> {
    let stream = &shared.downstream.stream;
    let mut buffer = first;
    loop {
        if !buffer.is_empty() {
            let is_fine = shared.receive(buffer.unread());
            open_streams(shared, &place);
            if !is_fine {
                return Ok(Received::Enough);
            }
        }
        drop(buffer);
        shared.wait_room().await;
        // Holds no buffer: an idle connection costs its tables.
        stream.readable().await?;
        buffer = Buffer::new(Class::Medium);
        match stream.try_read(&mut buffer) {
            Ok(0) if stream.deadline().is_expired() => return Err(ErrorKind::TimedOut.into()),
            Ok(0) => return Ok(Received::End),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) if stream.deadline().is_expired() => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
}

/// Begins the tasks of requests that came.
fn open_streams<P: Future<Output = After> + 'static>(
    shared: &Rc<Shared>,
    place: &(impl Fn(Unparsed) -> P + Clone + 'static),
) {
    let core = &shared.core;
    let ground = Ground {
        codec: &shared.codec,
        scheme: shared.downstream.listener.scheme,
        deadlines: &core.deadlines,
        random: &core.random,
    };
    while let Some(opened) = shared.codec.with_streams(Connection::opened) {
        let (stream, buffer, head_end) = match Http2Downstream::accept(&ground, opened) {
            Ok(accepted) => accepted,
            Err(Unserved::Refused) => {
                core.count(Counter::RequestsMalformed);
                continue;
            }
            Err(Unserved::Gone) => continue,
        };
        let running = Running::new(shared);
        let place = place.clone();
        core.tasks.start(serve_stream(running, stream, (buffer, head_end), place));
    }
}

/// Codec to socket.
async fn write(shared: &Shared) {
    let (core, codec) = (&shared.core, &shared.codec);
    let _entered = poll_fn(|context| Poll::Ready(core.http2.enter(context))).await;
    loop {
        let outgoing = poll_fn(|context| {
            if core.is_draining.get() {
                codec.with_streams(Connection::begin_drain);
            }
            codec.poll_outgoing(context)
        });
        if outgoing.await == Outgoing::Over {
            return;
        }
        let mut buffer = Buffer::unallocated();
        *buffer.as_vec() = codec.take_output();
        shared.begin_write(buffer.len());
        let (sent, _) = shared.downstream.write(core, buffer).await;
        if sent.is_err() {
            shared.is_open.set(false);
            return;
        }
        shared.end_write();
    }
}

async fn serve_stream<P: Future<Output = After>>(
    running: Running,
    stream: Http2Downstream,
    (buffer, head_end): (Buffer, usize),
    place: impl Fn(Unparsed) -> P,
) {
    let shared = &running.connection;
    let (core, connection) = (&shared.core, &shared.downstream);
    let downstream = connection.carrying(Transport::Http2Downstream(Box::new(stream)));
    let downstream = Rc::new(downstream);
    running.serves(&downstream);
    // What a stream is followed by is its connection's business.
    drop(place(Unparsed::whole(core, &downstream, buffer, 1, head_end)).await);
    downstream.stream.finish();
}
