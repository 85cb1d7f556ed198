//! What one core owns: table, upstreams, clock, counters, reusable memory. Nothing in it is `Send`.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::config::ProxyConfig;
use crate::filter::{AddedFields, LogForm, RequestOverlay, ScriptState, Trace, Variables};
use crate::http1::head::{RequestHead, ResponseHead};
use crate::limits::SCRATCHES_KEPT_MAX;
use crate::model::Downstream;
use crate::proxy::auth_answers::{AuthAnswer, AuthAnswers};
use crate::proxy::compressors::Compressors;
use crate::proxy::drainable::Drainable;
use crate::proxy::noted::Noted;
use crate::proxy::passwords::Passwords;
use crate::proxy::rt::buffer;
use crate::proxy::rt::clock::Deadlines;
use crate::proxy::rt::pipe::Pipes;
use crate::proxy::rt::random::Random;
use crate::proxy::rt::spares::{self, Spares};
use crate::proxy::tasks::Tasks;
use crate::proxy::upstream::body_copy::Copies;
use crate::proxy::upstream::pool::PoolLimits;
use crate::proxy::upstream::upstreams::Upstreams;
use crate::publish::{Retired, Subscriber, process_nanos};
use crate::quota::Quotas;
use crate::table::Table;
use crate::telemetry::spans::{CoreSpans, Question, RequestSpans};
use crate::telemetry::{Attempt, CoreLog, CoreTelemetry, Counter, ExchangeRecord, Outlets};

/// One core.
pub struct Core {
    /// What flags say.
    pub config: ProxyConfig,
    /// Backends, endpoints, idle connections.
    pub upstreams: Rc<Upstreams>,
    /// Deadlines of every connection.
    pub deadlines: Rc<Deadlines>,
    /// Randomness.
    pub random: Random,
    /// Counters.
    pub telemetry: Rc<CoreTelemetry>,
    /// Answers of servers of external authentication.
    pub auth_answers: AuthAnswers,
    /// What long bodies go through.
    pub pipes: Rc<Pipes>,
    /// What compresses bodies.
    pub compressors: Rc<Compressors>,
    /// Starts tasks.
    pub tasks: Tasks,
    /// Passwords of clients.
    pub passwords: Passwords,
    /// Messages from the control plane.
    pub subscriber: Subscriber,
    /// Whether connections end after the response under way.
    pub is_draining: Cell<bool>,
    /// Copies of requests.
    pub copies: Rc<Copies>,
    /// Loops that accept connections.
    pub accepting: Cell<usize>,
    /// Client connections that speak HTTP/2.
    pub http2: Drainable,
    /// Downstream connections of this core.
    pub open: Cell<usize>,
    /// The same when memory was looked after last.
    open_before: Cell<usize>,
    /// Access log, if there is one; taken by the end of a drain.
    log: RefCell<Option<CoreLog>>,
    /// Spans of requests that are traced; taken by the end of a drain.
    spans: RefCell<Option<CoreSpans>>,
    /// What clients asked, on all cores.
    pub quotas: Arc<Quotas>,
    admission: Arc<Admission>,
    table: RefCell<Rc<CoreTable>>,
    date: RefCell<String>,
    scratch: RefCell<Spares<Box<Scratch>>>,
}

/// A table as a core holds it: requests clone the `Rc`, never the `Arc`.
pub struct CoreTable(pub Arc<Table>);

/// Downstream connections of the process, all cores; touched once per connection.
#[derive(Debug, Default)]
pub struct Admission(AtomicUsize);

/// Memory of one request that outlives it: cleared and used again, never freed on the request path.
#[derive(Default)]
pub struct Scratch {
    /// The request head.
    pub request: RequestHead,
    /// The response head.
    pub response: ResponseHead,
    /// Tries made.
    pub attempts: Vec<Attempt>,
    /// Endpoints that are not to be tried again.
    pub tried: Vec<SocketAddr>,
    /// What a server of external authentication said.
    pub auth: Option<Rc<AuthAnswer>>,
    /// What gates change of the request's fields.
    pub overlay: RequestOverlay,
    /// What directives did.
    pub script: ScriptState,
    /// Rewritten path.
    pub path: Vec<u8>,
    /// Whether [`crate::filter::PathReplacement`] or a script made it.
    pub is_path_replaced: bool,
    /// What that made, before it was encoded.
    pub replaced: Vec<u8>,
    /// Host for the backend, put together.
    pub host: Vec<u8>,
    /// A text with variables.
    pub text: Vec<u8>,
    /// Host that a proxy says the client asked for, see [`Claimed`].
    ///
    /// [`Claimed`]: crate::proxy::exchange::claimed::Claimed
    pub claimed_host: Vec<u8>,
    /// What is kept of heads for the access log.
    pub noted: Noted,
    /// Request id sent upstream.
    pub request_id: Vec<u8>,
    /// What gates and balance add to the answer.
    pub added: AddedFields,
    /// The trace that it belongs to; `None`: it is not traced.
    pub trace: Option<Trace>,
    /// What of it went to a server of external authentication.
    pub question: Option<Question>,
}

impl Core {
    /// A core without a table.
    #[must_use]
    pub fn new(
        config: ProxyConfig,
        subscriber: Subscriber,
        telemetry: CoreTelemetry,
        outlets: Outlets,
        admission: Arc<Admission>,
        quotas: Arc<Quotas>,
    ) -> Rc<Self> {
        let limits = pool_limits(&config);
        let Outlets { log, spans } = outlets;
        let (telemetry, deadlines) = (Rc::new(telemetry), Deadlines::new());
        let upstreams = Upstreams::new(limits, Rc::clone(&deadlines), Rc::clone(&telemetry));
        Rc::new(Self {
            pipes: Pipes::new(config.pipes),
            config,
            tasks: upstreams.tasks.clone(),
            upstreams,
            deadlines,
            random: Random::from_kernel(),
            telemetry,
            auth_answers: AuthAnswers::default(),
            compressors: Rc::default(),
            passwords: Passwords::new(subscriber.passwords.clone()),
            subscriber,
            is_draining: Cell::new(false),
            copies: Rc::default(),
            accepting: Cell::new(0),
            http2: Drainable::default(),
            open: Cell::new(0),
            open_before: Cell::new(0),
            log: RefCell::new(Some(log).filter(CoreLog::is_active)),
            spans: RefCell::new(Some(spans)),
            quotas,
            admission,
            table: RefCell::new(Rc::new(CoreTable(Arc::default()))),
            date: RefCell::new(String::new()),
            scratch: RefCell::default(),
        })
    }

    /// The table in force. A request reads it once and holds it to its end.
    pub fn table(&self) -> Rc<CoreTable> {
        Rc::clone(&self.table.borrow())
    }

    /// Reads what holds for all connections of clients.
    pub fn downstream<T>(&self, read: impl FnOnce(&Downstream) -> T) -> T {
        read(&self.table.borrow().0.downstream)
    }

    /// Puts a table in force. The old one goes back to the control thread when its last request
    /// ends.
    pub fn set_table(self: &Rc<Self>, table: Arc<Table>) {
        self.upstreams.limits.set(pool_limits(&self.config).under(&table.pools));
        let old = self.table.replace(Rc::new(CoreTable(table)));
        self.retire_table(old);
    }

    /// Gives a table back when `table` is the last handle on it.
    pub fn retire_table(&self, table: Rc<CoreTable>) {
        if let Some(CoreTable(shared)) = Rc::into_inner(table) {
            self.subscriber.retire(Retired::Table(shared));
        }
    }

    /// Nanoseconds of the process clock.
    pub fn now(&self) -> u64 {
        process_nanos()
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.telemetry.count(counter);
    }

    /// Counts a finished exchange and writes its log line, in `form` if there is one; `known` is
    /// known of the request.
    pub fn record(
        &self,
        record: &ExchangeRecord<'_>,
        known: &impl Variables,
        form: Option<&LogForm>,
    ) {
        self.telemetry.record(record);
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.write(record, known, form, &self.telemetry);
        }
    }

    /// Whether exchanges are logged.
    pub fn is_logged(&self) -> bool {
        self.log.borrow().is_some()
    }

    /// Hands over the spans of a request.
    pub fn record_spans(&self, request: &RequestSpans<'_>) {
        if let Some(spans) = &mut *self.spans.borrow_mut() {
            spans.write(request, &self.telemetry);
        }
    }

    /// Hands the lines so far to the log's writer, and spans to who sends them.
    pub fn flush_log(&self) {
        if let Some(spans) = &mut *self.spans.borrow_mut() {
            spans.flush(&self.telemetry);
        }
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.flush(&self.telemetry);
        }
    }

    /// Hands over the last lines and spans, and lets go of both ends: who writes or sends them ends
    /// when every core did.
    pub fn end_log(&self) {
        self.flush_log();
        drop(self.log.take());
        drop(self.spans.take());
    }

    /// Takes a scratch.
    pub fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().take().unwrap_or_default()
    }

    /// Gives it back.
    pub fn return_scratch(&self, scratch: Box<Scratch>) {
        drop(self.scratch.borrow_mut().keep(scratch, SCRATCHES_KEPT_MAX));
    }

    /// Frees what a burst left behind; to be called every [`SPARES_PERIOD`]. Once there was
    /// anything, or connections ended, the allocator is asked to give it back to the system.
    ///
    /// [`SPARES_PERIOD`]: crate::limits::SPARES_PERIOD
    pub fn trim(&self) {
        let scratches = self.scratch.borrow_mut().surplus().count();
        let buffers = buffer::trim() + self.compressors.trim() + self.pipes.trim();
        let open = self.open.get();
        let were_more = self.open_before.replace(open) > open;
        if scratches > 0 || buffers > 0 || were_more {
            spares::give_back();
        }
    }

    /// Runs `use_date` with the IMF-fixdate of this second.
    pub fn with_date<T>(&self, use_date: impl FnOnce(&[u8]) -> T) -> T {
        use_date(self.date.borrow().as_bytes())
    }

    /// To be called at least once a second.
    pub fn refresh_date(&self) {
        let mut date = self.date.borrow_mut();
        date.clear();
        // Writing to a String cannot fail.
        write!(date, "{}", httpdate::HttpDate::from(SystemTime::now())).unwrap_or_default();
    }

    /// Admits a connection unless the process is at its limit.
    pub fn admit(&self) -> bool {
        if self.admission.0.fetch_add(1, Ordering::Relaxed) >= self.config.max_connections {
            self.admission.0.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.open.set(self.open.get().saturating_add(1));
        self.count(Counter::ConnectionsAccepted);
        true
    }

    /// The end of an admitted connection.
    pub fn dismiss(&self) {
        self.admission.0.fetch_sub(1, Ordering::Relaxed);
        self.open.set(self.open.get().saturating_sub(1));
        self.count(Counter::ConnectionsClosed);
    }
}

/// The time.
#[must_use]
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Appends the time, in seconds since 1970 with milliseconds.
pub fn put_now(out: &mut Vec<u8>) {
    let now = since_1970();
    // Writing to a Vec cannot fail.
    write!(out, "{}.{:03}", now.as_secs(), now.subsec_millis()).unwrap_or_default();
}

/// Appends the IMF-fixdate that is so many seconds away.
pub fn put_date_in(seconds: i32, out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let away = Duration::from_secs(seconds.unsigned_abs().into());
    let date = if seconds < 0 { now.checked_sub(away) } else { now.checked_add(away) };
    // Nobody knows a time before 1970, and what is over is over.
    let date = date.unwrap_or(now).max(SystemTime::UNIX_EPOCH);
    // Writing to a Vec cannot fail.
    write!(out, "{}", httpdate::HttpDate::from(date)).unwrap_or_default();
}

/// A core's share of the process-wide pool limits.
fn pool_limits(config: &ProxyConfig) -> PoolLimits {
    let cores = config.cores.max(1);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    PoolLimits {
        idle_per_endpoint: config.pool_idle_per_endpoint.div_ceil(cores),
        total: config.pool_total.div_ceil(cores),
        idle_millis: millis(config.pool_idle_timeout),
        age_millis: millis(config.pool_max_age),
        requests: u32::MAX,
        send_timeout: config.defaults.send_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_some_seconds_away_and_never_before_1970() {
        let date = |seconds| {
            let mut out = Vec::new();
            put_date_in(seconds, &mut out);
            httpdate::parse_http_date(std::str::from_utf8(&out).unwrap()).unwrap()
        };
        let now = SystemTime::now();
        assert!(date(3600) > now + Duration::from_secs(3590));
        assert!(date(-3600) < now - Duration::from_secs(3590));
        assert!(date(i32::MAX) > now);
        assert_eq!(date(i32::MIN), SystemTime::UNIX_EPOCH);
    }
}
