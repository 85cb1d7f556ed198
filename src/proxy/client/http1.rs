//! One client connection: heads in, exchanges, and how it ends.
//!
//! ```text
//!            ┌──────────── keep-alive ◀───────────┐
//!  accepted ─▶ idle ─ octets ─▶ head ─ complete ─▶ exchange ─▶ close | linger
//!              no buffer        │ 400 … 505, 408
//! ```

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::http1::head::{HeadScan, check_partial_request, parse_request};
use crate::limits::{DRAIN_IDLE_GRACE, LINGER_BYTES_MAX, LINGER_TIMEOUT, OVERLOADED_LINGER};
use crate::proxy::core::{Core, Scratch};
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::After;
use crate::proxy::exchange::reply::{self, OwnFields, Persistence, Reply};
use crate::proxy::exchange::serve;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::{self, Expiry};
use crate::proxy::rt::{self, Stream};
use crate::proxy::transport::Transport;
use crate::publish::process_nanos;
use crate::telemetry::{Counter, ExchangeRecord};

/// Serves a connection that speaks HTTP/1.1 to its end, from the octets in `carried`
/// on. `place` puts the future of one request where it costs nothing while the connection is idle.
pub async fn serve<P: Future<Output = After>>(
    core: &Rc<Core>,
    downstream: &Rc<Downstream>,
    place: impl Fn(Request) -> P,
    mut carried: Option<Buffer>,
) {
    let mut served = 0;
    loop {
        let Some(buffer) = next_octets(core, downstream, carried.take(), served).await else {
            return downstream.stream.finish();
        };
        served += 1;
        let mut buffer = buffer;
        let started = process_nanos();
        let head = match HeadScan::default().find_end(buffer.unread()) {
            Some(end) => Ok(end),
            // In memory of its own, so that neither a slow head has the future of a request, nor an
            // idle connection that of a slow head.
            None => Box::pin(read_head(core, downstream, &mut buffer, served == 1)).await,
        };
        let request = Request {
            core: Rc::clone(core),
            downstream: Rc::clone(downstream),
            buffer,
            served,
            started,
            head,
        };
        match place(request).await {
            After::KeepAlive(next) => carried = next,
            After::Close => return downstream.stream.finish(),
            After::Linger => return linger(downstream).await,
        }
    }
}

/// The first octets of the next head; `None`: the client closed or was silent for too long.
pub async fn next_octets(
    core: &Core,
    downstream: &Downstream,
    carried: Option<Buffer>,
    served: u64,
) -> Option<Buffer> {
    if let Some(buffer) = carried
        && !buffer.is_empty()
    {
        return Some(buffer);
    }
    let config = &core.config;
    let deadline = downstream.stream.deadline();
    let wait = if served == 0 { config.client_header_timeout } else { config.keep_alive_timeout };
    if core.is_draining.get() {
        deadline.arm(wait.min(DRAIN_IDLE_GRACE), Expiry::CloseIdle);
    } else if served == 0 {
        // It may run since accept, when there was a PROXY header to wait for.
        deadline.keep_or_arm(wait, Expiry::CloseIdle);
    } else {
        deadline.arm(wait, Expiry::CloseIdle);
    }
    loop {
        // Holds no buffer: an idle connection costs its task and the socket.
        downstream.stream.readable().await.ok()?;
        let mut buffer = Buffer::new(Class::Small);
        match downstream.stream.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(_) => {
                clock::refresh();
                return Some(buffer);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// How reading a head ended without one.
enum NoHead {
    Gone,
    Refused(Reply),
}

/// Reads until the head is complete; gives the offset behind it. One deadline for the whole of it,
/// so that a client that trickles gains nothing; that of the first head runs since accept.
async fn read_head(
    core: &Core,
    downstream: &Downstream,
    buffer: &mut Buffer,
    is_first: bool,
) -> Result<usize, NoHead> {
    let mut scan = HeadScan::default();
    let mut is_armed = false;
    loop {
        if let Some(end) = scan.find_end(buffer.unread()) {
            return Ok(end);
        }
        if let Err(error) = check_partial_request(buffer.unread(), &mut scan) {
            return Err(NoHead::Refused(Reply::Malformed(error.category())));
        }
        if !is_armed {
            let wait = core.config.client_header_timeout;
            let deadline = downstream.stream.deadline();
            if is_first && !core.is_draining.get() {
                deadline.keep_or_arm(wait, Expiry::CloseRead);
            } else {
                deadline.arm(wait, Expiry::CloseRead);
            }
            is_armed = true;
        }
        match read_sparingly(&downstream.stream, buffer).await {
            Ok(0) | Err(_) if downstream.stream.deadline().is_expired() => {
                core.count(Counter::ClientTimeouts);
                return Err(NoHead::Refused(Reply::ClientTimeout));
            }
            Ok(0) | Err(_) => return Err(NoHead::Gone),
            Ok(_) => {}
        }
    }
}

/// Makes spare capacity: by moving to the front, else by a larger buffer. The head limits are below
/// the largest class, so that a full large buffer was refused before.
pub fn make_room(buffer: &mut Buffer) {
    if buffer.spare() == 0 {
        buffer.compact();
    }
    if buffer.spare() == 0 {
        let classes = [Class::Small, Class::Medium];
        let roomy = classes.into_iter().find(|class| buffer.len() < class.bytes());
        buffer.grow(roomy.unwrap_or(Class::Large));
    }
}

/// Reads what comes next; while nothing is there, holds no more memory than what came before needs.
///
/// # Errors
/// The connection failed.
pub async fn read_sparingly(stream: &Transport, buffer: &mut Buffer) -> io::Result<usize> {
    loop {
        make_room(buffer);
        match stream.try_read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                buffer.shrink();
                stream.readable().await?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A request whose first octets are here.
pub struct Request {
    core: Rc<Core>,
    downstream: Rc<Downstream>,
    buffer: Buffer,
    /// Which one of its connection, from 1.
    served: u64,
    /// Process clock when its first octets were here.
    started: u64,
    /// Offset behind its head.
    head: Result<usize, NoHead>,
}

impl Request {
    /// The only request of a stream.
    #[must_use]
    pub fn new(core: Rc<Core>, downstream: Rc<Downstream>, buffer: Buffer) -> Self {
        // The octets of a stream are ours, and its head is always there as a whole.
        let head = HeadScan::default().find_end(buffer.unread()).ok_or(NoHead::Gone);
        Self { core, downstream, buffer, served: 1, started: process_nanos(), head }
    }
}

/// Serves one request.
pub async fn serve_one(request: Request) -> After {
    let Request { core, downstream, buffer, served, started, head } = request;
    let (core, downstream) = (&core, &*downstream);
    let end = match head {
        Ok(end) => end,
        Err(NoHead::Gone) => return After::Close,
        Err(NoHead::Refused(reply)) => {
            return refuse(core, downstream, reply, started, buffer.len()).await;
        }
    };
    // The wait for the head is over; what comes next has deadlines of its own.
    downstream.stream.deadline().disarm();
    let mut scratch = core.take_scratch();
    let parsed = parse_request(buffer.unread(), end, &mut scratch.request);
    if let Err(error) = parsed {
        core.return_scratch(scratch);
        let reply = Reply::Malformed(error.category());
        return refuse(core, downstream, reply, started, end).await;
    }
    core.count(Counter::Requests);
    let is_last = is_last(core, &scratch, served);
    let after = serve::run(core, downstream, buffer, &mut scratch, started, is_last).await;
    core.return_scratch(scratch);
    after
}

/// Whether the connection ends after this request whatever the client wants.
fn is_last(core: &Core, scratch: &Scratch, served: u64) -> bool {
    let most = core.config.keep_alive_requests;
    !scratch.request.is_persistent || (most > 0 && served >= most)
}

/// Answers what is no request. The next message boundary is unknown, so the connection ends.
async fn refuse(
    core: &Core,
    downstream: &Downstream,
    reply: Reply,
    started: u64,
    received: usize,
) -> After {
    if matches!(reply, Reply::Malformed(_)) {
        core.count(Counter::RequestsMalformed);
    }
    let mut out = Buffer::new(Class::Small);
    let octets = core.with_date(|date| {
        let own = OwnFields { date, hsts: None };
        reply::put(out.as_vec(), reply, Persistence::Close, true, &own)
    });
    let (is_sent, _) = downstream.write(core, out).await;
    core.record(&ExchangeRecord {
        series: None,
        origin: None,
        backend: None,
        status: if is_sent { reply.status() } else { 499 },
        started_at: SystemTime::now(),
        duration: Duration::from_nanos(process_nanos().saturating_sub(started)),
        client: downstream.peer,
        method: b"",
        target: b"",
        protocol: downstream.protocol.unwrap_or_default(),
        host: b"",
        referer: b"",
        user_agent: b"",
        request_id: b"",
        request_bytes: received as u64,
        response_body_bytes: octets as u64,
        attempts: &[],
    });
    if is_sent { After::Linger } else { After::Close }
}

/// Closes so that the client can read the answer: our side first, then what still comes is thrown
/// away for a while. Closing at once would send a reset, which may destroy the answer on its way.
///
/// Source: RFC 9112 section 9.6.
pub async fn linger(downstream: &Downstream) {
    let stream = &downstream.stream;
    stream.close_write();
    stream.deadline().arm(LINGER_TIMEOUT, Expiry::CloseBoth);
    let mut thrown_away = 0;
    while thrown_away < LINGER_BYTES_MAX {
        let mut buffer = Buffer::new(Class::Medium);
        match stream.read_when_ready(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => thrown_away += count as u64,
        }
        if stream.deadline().is_expired() {
            return;
        }
    }
}

/// Answers 503 to a connection above the limit, without reading anything.
pub async fn turn_away(core: Rc<Core>, stream: Stream) {
    let mut out = Buffer::new(Class::Small);
    core.with_date(|date| {
        let own = OwnFields { date, hsts: None };
        reply::put(out.as_vec(), Reply::Overloaded, Persistence::Close, true, &own)
    });
    // The socket is new, so its send queue takes a short answer at once or never.
    if stream.try_write(out.unread()).is_ok() {
        stream.close_write();
        rt::sleep(OVERLOADED_LINGER).await;
    }
}
