//! A request as its octets come: its head is read, then parsed or refused, and what is a request is
//! served.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::filter::NothingKnown;
use crate::http1::head::{HeadScan, RequestKind, check_partial_request, parse_request};
use crate::model::AccessLog;
use crate::proxy::core::Core;
use crate::proxy::exchange::downstream::Downstream;
use crate::proxy::exchange::end::After;
use crate::proxy::exchange::reply::{self, OwnFields, Persistence, Reply};
use crate::proxy::exchange::serve;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::clock::Expiry;
use crate::publish::process_nanos;
use crate::telemetry::{Counter, ExchangeRecord};

/// A request whose first octets are here.
pub struct Unparsed {
    core: Rc<Core>,
    downstream: Rc<Downstream>,
    buffer: Buffer,
    /// Which one of its connection, from 1.
    served: u64,
    /// Process clock when its first octets were here.
    started: u64,
    head: Head,
}

/// How the octets of a head ended.
enum Head {
    /// At this offset.
    Whole(usize),
    /// Before its end.
    Gone,
    Refused(Reply),
}

impl Unparsed {
    #[inline]
    fn new(core: &Rc<Core>, downstream: &Rc<Downstream>, buffer: Buffer, served: u64) -> Self {
        let (core, downstream) = (Rc::clone(core), Rc::clone(downstream));
        let (started, head) = (process_nanos(), Head::Gone);
        Self { core, downstream, buffer, served, started, head }
    }

    /// The `served`th request of a connection; its head ends at `end` of `buffer`.
    #[must_use]
    pub fn whole(
        core: &Rc<Core>,
        downstream: &Rc<Downstream>,
        buffer: Buffer,
        served: u64,
        end: usize,
    ) -> Self {
        Self { head: Head::Whole(end), ..Self::new(core, downstream, buffer, served) }
    }

    /// The same where the end of the head is still to be read. One deadline for the whole of it, so
    /// that a client that trickles gains nothing; that of the first head runs since accept.
    pub async fn read(
        core: &Rc<Core>,
        downstream: &Rc<Downstream>,
        buffer: Buffer,
        served: u64,
    ) -> Self {
        let mut request = Self::new(core, downstream, buffer, served);
        let stream = &downstream.stream;
        let mut scan = HeadScan::default();
        let mut is_armed = false;
        request.head = loop {
            let octets = request.buffer.unread();
            if let Some(end) = scan.find_end(octets) {
                break Head::Whole(end);
            }
            if let Err(error) = check_partial_request(octets, &mut scan) {
                break Head::Refused(Reply::Malformed(error.category()));
            }
            if !is_armed {
                let wait = core.downstream(|policy| policy.header_timeout);
                if served == 1 && !core.is_draining.get() {
                    stream.deadline().keep_or_arm(wait, Expiry::CloseRead);
                } else {
                    stream.deadline().arm(wait, Expiry::CloseRead);
                }
                is_armed = true;
            }
            match stream.read_sparingly(&mut request.buffer).await {
                Ok(0) | Err(_) if stream.deadline().is_expired() => {
                    core.count(Counter::ClientTimeouts);
                    break Head::Refused(Reply::ClientTimeout);
                }
                Ok(0) | Err(_) => break Head::Gone,
                Ok(_) => {}
            }
        };
        request
    }
}

/// Serves one request.
pub async fn serve_one(request: Unparsed) -> After {
    let Unparsed { core, downstream, buffer, served, started, head } = request;
    let (core, downstream) = (&core, &*downstream);
    let end = match head {
        Head::Whole(end) => end,
        Head::Gone => return After::Close,
        Head::Refused(reply) => {
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
    let after = serve::run(core, downstream, buffer, &mut scratch, started, served).await;
    core.return_scratch(scratch);
    after
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
        let own = OwnFields::dated(date);
        reply::put(out.as_vec(), reply, Persistence::Close, RequestKind::default(), &own)
    });
    let out_bytes = out.len() as u64;
    let (sent, _) = downstream.write(core, out).await;
    let record = ExchangeRecord {
        series: None,
        origin: None,
        backend: None,
        named: None,
        canary: None,
        status: if sent.is_ok() { reply.status() } else { 499 },
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
        response_bytes: out_bytes,
        sent_head: b"",
        upstream_head: b"",
        attempts: &[],
    };
    let table = core.table();
    let log = &table.0.downstream.log;
    if log.requests == AccessLog::Written {
        core.record(&record, &NothingKnown, log.form.as_ref());
    } else {
        core.telemetry.record(&record);
    }
    core.retire_table(table);
    if sent.is_ok() { After::Linger } else { After::Close }
}
