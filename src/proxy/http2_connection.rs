//! A client connection that speaks HTTP/2: octets between socket and h2, one task per stream.
//!
//! ```text
//!  socket ─▶ read ─▶ meter ─▶ Link ─▶ h2 ─▶ accept ─▶ task per stream: serve_one over Http2Stream
//!  socket ◀─ write ◀───────── Link ◀─ h2 ◀───────────────────────────────┘
//! ```
//!
//! The three run in one task; streams run in tasks of their own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use h2::Reason;

use super::buffer::{Buffer, Class};
use super::clock::{Expiry, recent_millis};
use super::core::Core;
use super::downstream::{Downstream, Request, linger};
use super::exchange::After;
use super::http2_stream::{Http2Stream, Payload};
use super::transport::Transport;
use super::worker;
use crate::http2::PREFACE;
use crate::http2::guard::{FrameMeter, Glitch, Verdict};
use crate::http2::io::{Link, LinkIo, Outgoing};
use crate::http2::settings::server_builder;
use crate::limits::{DRAIN_IDLE_GRACE, HTTP2_STREAMS_MAX};
use crate::telemetry::Counter;

/// Tasks of HTTP/2 connections that are to be woken when a drain begins.
#[derive(Default)]
pub struct Drainable {
    next: Cell<u64>,
    wakers: RefCell<BTreeMap<u64, Waker>>,
}

impl Drainable {
    /// Wakes all of them.
    pub fn wake(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    fn enter(&self, context: &Context<'_>) -> u64 {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.wakers.borrow_mut().insert(id, context.waker().clone());
        id
    }
}

/// A connection in [`Drainable`]; leaves it when dropped.
struct Entered<'a>(&'a Drainable, u64);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.wakers.borrow_mut().remove(&self.1);
    }
}

/// What the parts of a connection tell each other.
struct Shared {
    core: Rc<Core>,
    downstream: Rc<Downstream>,
    link: Link,
    meter: Rc<RefCell<FrameMeter>>,
    /// Tasks of streams that have not ended. A stream that the client reset counts until its
    /// upstream work is over.
    streams: Cell<u32>,
    /// The client sent what no honest one sends.
    abuse: Cell<Option<Reason>>,
    /// A field block was begun and not ended.
    is_in_block: Cell<bool>,
    /// Nothing happened for too long.
    is_idle_over: Cell<bool>,
    /// The whole preface came, so that h2 can say goodbye.
    is_greeted: Cell<bool>,
    /// The client may still send.
    is_open: Cell<bool>,
    /// Octets are on their way to the socket.
    is_writing: Cell<bool>,
}

/// Serves a connection to its end; `first` begins with the client's preface or a part of it.
pub async fn serve<P: Future<Output = After> + 'static>(
    core: &Rc<Core>,
    downstream: &Rc<Downstream>,
    first: Buffer,
    place: impl Fn(Request) -> P + Clone + 'static,
) {
    core.count(Counter::Http2Connections);
    let shared = Rc::new(Shared {
        core: Rc::clone(core),
        downstream: Rc::clone(downstream),
        link: Link::new(),
        meter: Rc::new(RefCell::new(FrameMeter::new(recent_millis()))),
        streams: Cell::new(0),
        abuse: Cell::new(None),
        is_in_block: Cell::new(false),
        is_idle_over: Cell::new(false),
        is_greeted: Cell::new(false),
        is_open: Cell::new(true),
        is_writing: Cell::new(false),
    });
    shared.rest();
    drive(read(&shared, first), speak(&shared, place), write(&shared)).await;
    shared.link.fail();
    if shared.is_open.get() {
        // Frames that cross our last ones, WINDOW_UPDATE above all, must not turn the close into a
        // reset, which may destroy responses on their way.
        linger(downstream).await;
    } else {
        downstream.stream.finish();
    }
}

/// Polls the three until the writer is done. In this order octets pass through all of them in one
/// turn.
async fn drive(
    read: impl Future<Output = ()>,
    speak: impl Future<Output = ()>,
    write: impl Future<Output = ()>,
) {
    let (mut read, mut speak, mut write) = (pin!(read), pin!(speak), pin!(write));
    let (mut is_read, mut is_spoken) = (false, false);
    poll_fn(|context| {
        is_read = is_read || read.as_mut().poll(context).is_ready();
        is_spoken = is_spoken || speak.as_mut().poll(context).is_ready();
        write.as_mut().poll(context)
    })
    .await;
}

impl Shared {
    /// Nothing is under way: the connection may be idle for so long. Responses that are over for
    /// their streams may still wait in h2; a write has a deadline of its own.
    fn rest(&self) {
        if self.is_writing.get() {
            return self.downstream.stream.deadline().disarm();
        }
        let config = &self.core.config;
        let is_draining = self.core.is_draining.get();
        let wait = config.keep_alive_timeout;
        let wait = if is_draining { wait.min(DRAIN_IDLE_GRACE) } else { wait };
        self.downstream.stream.deadline().arm(wait, Expiry::CloseIdle);
    }

    /// A field block has as long as a head of HTTP/1.1; nothing else of the connection goes on
    /// before it is through (RFC 9113 section 4.3).
    fn time_block(&self) {
        let is_in_block = self.meter.borrow().is_in_block();
        if self.is_in_block.replace(is_in_block) == is_in_block {
            return;
        }
        let deadline = self.downstream.stream.deadline();
        if is_in_block {
            deadline.arm(self.core.config.client_header_timeout, Expiry::CloseRead);
        } else if self.streams.get() == 0 {
            self.rest();
        } else {
            deadline.disarm();
        }
    }

    /// A write under way that is more than answers to PING and SETTINGS keeps the connection.
    fn begin_write(&self, octets: usize) {
        if octets < Class::Small.bytes() {
            return;
        }
        self.is_writing.set(true);
        if self.streams.get() == 0 && !self.is_in_block.get() {
            self.downstream.stream.deadline().disarm();
        }
    }

    fn end_write(&self) {
        if self.is_writing.replace(false) && self.streams.get() == 0 && !self.is_in_block.get() {
            self.rest();
        }
    }

    fn begin_stream(&self) {
        self.streams.set(self.streams.get().saturating_add(1));
        if !self.is_in_block.get() {
            self.downstream.stream.deadline().disarm();
        }
    }

    /// Looks at octets and hands them on; false: enough of this client.
    fn receive(&self, octets: &[u8]) -> bool {
        match self.meter.borrow_mut().feed(octets, recent_millis()) {
            Verdict::Fine => {}
            Verdict::Exhausted(glitch) => {
                self.core.count(Counter::Http2Abuses);
                self.abuse.set(Some(match glitch {
                    Glitch::FirstFrame => Reason::PROTOCOL_ERROR,
                    _ => Reason::ENHANCE_YOUR_CALM,
                }));
                return false;
            }
        }
        self.link.push_received(octets);
        self.time_block();
        true
    }
}

/// A stream's task is under way; tells the connection when it ends, also by a panic.
struct Running(Rc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0 && !self.0.is_in_block.get() {
            self.0.rest();
        }
    }
}

/// Socket to h2.
async fn read(shared: &Shared, first: Buffer) {
    if let Err(error) = receive_all(shared, first).await
        && error.kind() == ErrorKind::TimedOut
    {
        shared.is_idle_over.set(true);
        if !shared.is_greeted.get() {
            shared.link.end_received();
        }
        return;
    }
    if shared.abuse.get().is_none() {
        shared.is_open.set(false);
        shared.link.end_received();
    }
}

async fn receive_all(shared: &Shared, first: Buffer) -> std::io::Result<()> {
    let stream = &shared.downstream.stream;
    // Handed on by itself: h2 can say goodbye only to whom it has greeted.
    let mut preface_left = PREFACE.len();
    let mut buffer = first;
    loop {
        let of_preface = buffer.len().min(preface_left);
        if of_preface > 0 {
            preface_left -= of_preface;
            if !shared.receive(buffer.unread().get(..of_preface).unwrap_or_default()) {
                return Ok(());
            }
            buffer.consume(of_preface);
        }
        if !buffer.is_empty() && !shared.receive(buffer.unread()) {
            return Ok(());
        }
        drop(buffer);
        poll_fn(|context| shared.link.wait_room(context)).await;
        // Holds no buffer: an idle connection costs its tables.
        stream.readable().await?;
        buffer = Buffer::new(Class::Medium);
        match stream.try_read(&mut buffer) {
            Ok(0) if stream.deadline().is_expired() => return Err(ErrorKind::TimedOut.into()),
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) if stream.deadline().is_expired() => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
}

/// h2 to socket.
async fn write(shared: &Shared) {
    let (link, downstream) = (&shared.link, &shared.downstream);
    loop {
        if poll_fn(|context| link.wait_outgoing(context)).await == Outgoing::Closed {
            return;
        }
        let mut buffer = Buffer::unallocated();
        link.take_outgoing(buffer.as_vec());
        shared.begin_write(buffer.len());
        let (is_sent, _) = downstream.write(&shared.core, buffer).await;
        if !is_sent {
            shared.is_open.set(false);
            return link.fail();
        }
        shared.end_write();
    }
}

/// Speaks HTTP/2 until the connection is over.
async fn speak<P: Future<Output = After> + 'static>(
    shared: &Rc<Shared>,
    place: impl Fn(Request) -> P + Clone + 'static,
) {
    let core = &shared.core;
    let handshake = server_builder().handshake::<LinkIo, Payload>(shared.link.io());
    let Ok(mut connection) = handshake.await else { return };
    shared.is_greeted.set(true);
    let id = poll_fn(|context| Poll::Ready(core.http2.enter(context))).await;
    let _entered = Entered(&core.http2, id);
    let (mut is_ending, mut is_leaving) = (false, false);
    loop {
        let accepted = poll_fn(|context| {
            if let Some(reason) = shared.abuse.get()
                && !is_ending
            {
                is_ending = true;
                connection.abrupt_shutdown(reason);
            }
            if shared.is_idle_over.get() && !is_ending {
                is_ending = true;
                connection.abrupt_shutdown(Reason::NO_ERROR);
            }
            if core.is_draining.get() && !is_leaving {
                is_leaving = true;
                connection.graceful_shutdown();
            }
            connection.poll_accept(context)
        })
        .await;
        match accepted {
            Some(Ok((request, respond))) => {
                if shared.streams.get() >= HTTP2_STREAMS_MAX {
                    let mut respond = respond;
                    respond.send_reset(Reason::REFUSED_STREAM);
                    continue;
                }
                shared.begin_stream();
                let running = Running(Rc::clone(shared));
                let place = place.clone();
                worker::start(
                    core,
                    async move { serve_stream(running, request, respond, place).await },
                );
            }
            Some(Err(_)) | None => return,
        }
    }
}

async fn serve_stream<P: Future<Output = After>>(
    running: Running,
    request: http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<Payload>,
    place: impl Fn(Request) -> P,
) {
    let shared = &running.0;
    let (core, connection) = (&shared.core, &shared.downstream);
    let Some((stream, buffer)) =
        Http2Stream::accept(core, connection, &shared.meter, request, respond)
    else {
        return;
    };
    let stream = Transport::Http2(Box::new(stream));
    let mut downstream = Downstream::new(stream, connection.peer, Rc::clone(&connection.listener));
    downstream.client_auth = connection.client_auth;
    downstream.protocol = Some("HTTP/2.0");
    let downstream = Rc::new(downstream);
    let request = Request::new(Rc::clone(core), Rc::clone(&downstream), buffer);
    match place(request).await {
        After::KeepAlive(_) | After::Close | After::Linger => downstream.stream.finish(),
    }
}
