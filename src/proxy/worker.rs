//! One core from start to end: pin, ring, listen, serve, apply updates, drain.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::config::ProxyConfig;
use crate::limits::{
    ACCEPT_PAUSE, ACCEPTS_IN_FLIGHT, DRAIN_HANDSHAKE_GRACE, DRAIN_IDLE_GRACE, DRAIN_POLL,
    SPARES_PERIOD, TICK,
};
use crate::model::Scheme;
use crate::proxy::client::connection::{self, Admitted, Arrived};
use crate::proxy::client::downstream::{self, Request};
use crate::proxy::client::socket::BoundListener;
use crate::proxy::core::{Admission, Core};
use crate::proxy::exchange::downstream::ListenerFacts;
use crate::proxy::exchange::end::After;
use crate::proxy::exchange::forward;
use crate::proxy::rt::{self, Accepted, DriverChoice, Listener, Places};
use crate::publish::{Drain, Retired, Subscriber, Update};
use crate::table::TableVersion;
use crate::telemetry::{CoreLog, CoreTelemetry, Counter, Gauge};

/// Everything a worker is given; moves to its thread.
pub struct Seat {
    /// What flags say.
    pub config: ProxyConfig,
    /// A driver that works here.
    pub driver: DriverChoice,
    /// CPU to pin to.
    pub cpu: Option<usize>,
    /// This core's sockets.
    pub listeners: Vec<BoundListener>,
    /// Its end of the publisher.
    pub subscriber: Subscriber,
    /// Its counters.
    pub telemetry: CoreTelemetry,
    /// Its access log.
    pub log: Option<CoreLog>,
    /// Connections of the process.
    pub admission: Arc<Admission>,
}

/// Runs a core on the calling thread; does not return unless the driver cannot be set up.
///
/// # Errors
/// The driver or a socket could not be set up.
pub fn run(seat: Seat) -> io::Result<std::convert::Infallible> {
    if let Some(cpu) = seat.cpu {
        crate::proxy::client::socket::pin_thread(cpu)?;
    }
    let driver = seat.driver;
    rt::run(driver, move || work(seat))
}

async fn work(seat: Seat) {
    let Seat { config, driver, listeners, subscriber, telemetry, log, admission, .. } = seat;
    let doorbell = subscriber.doorbell_reader().and_then(|half| rt::Doorbell::new(half, driver));
    let core = Core::new(config, subscriber, telemetry, log, admission);
    core.refresh_date();
    let ticking = Rc::clone(&core);
    core.tasks.start(async move { tick(&ticking).await });
    let opened: io::Result<Vec<_>> =
        listeners.into_iter().map(|bound| open(bound, driver)).collect();
    let (mut doorbell, listeners) = match (doorbell, opened) {
        (Ok(doorbell), Ok(listeners)) => (doorbell, listeners),
        (Err(error), _) | (_, Err(error)) => {
            rt::last_words(&format!("a core could not take its sockets over: {error}"));
            return;
        }
    };
    // Nobody is served before there is something to serve by.
    let is_listening = Cell::new(false);
    loop {
        if doorbell.rung().await.is_err() {
            // The control thread is gone, so the process is about to end; until then we serve.
            std::future::pending::<()>().await;
        }
        for update in core.subscriber.drain_updates() {
            apply(&core, update, &listeners);
        }
        let version = core.table().0.version;
        core.subscriber.acknowledge(version);
        if !is_listening.get() && version != TableVersion::default() {
            is_listening.set(true);
            listeners.iter().for_each(|listener| listen(&core, listener));
        }
    }
}

type OpenListener = (Rc<Listener>, Rc<ListenerFacts>);

fn open(bound: BoundListener, driver: DriverChoice) -> io::Result<OpenListener> {
    let port = bound.socket.local_addr()?.port();
    let mut fields = Vec::new();
    forward::put_listener_fields(&mut fields, port, bound.scheme.as_str());
    let listener = Listener::new(bound.socket, driver)?;
    Ok((
        Rc::new(listener),
        Rc::new(ListenerFacts { id: bound.id, port, scheme: bound.scheme, fields }),
    ))
}

fn apply(core: &Rc<Core>, update: Update, listeners: &[OpenListener]) {
    match update {
        Update::Table(table) => {
            core.set_table(table);
        }
        Update::Endpoints { backend, key, set } => {
            if let Some(old) = core.upstreams.apply(backend, key, set, &core.random) {
                core.subscriber.retire(Retired::Endpoints(old));
            }
        }
        Update::RemoveBackend(backend) => {
            if let Some(old) = core.upstreams.remove(backend) {
                core.subscriber.retire(Retired::Endpoints(old));
            }
        }
        Update::Mark(sequence) => core.subscriber.applied(sequence),
        Update::Drain(drain) => {
            let listeners = listeners.iter().map(|(listener, _)| Rc::clone(listener)).collect();
            let draining = Rc::clone(core);
            core.tasks.start(async move { run_drain(&draining, listeners, drain).await });
        }
    }
}

fn listen(core: &Rc<Core>, (listener, facts): &OpenListener) {
    listen_with(core, listener, facts, &Rc::default(), downstream::serve_one);
}

/// `serve_one` only names the type of the futures that `places` is for.
fn listen_with<F: Future<Output = After> + 'static>(
    core: &Rc<Core>,
    listener: &Rc<Listener>,
    facts: &Rc<ListenerFacts>,
    places: &Rc<Places<F>>,
    serve_one: fn(Request) -> F,
) {
    let kept = Rc::clone(places);
    core.tasks.start(async move {
        loop {
            rt::sleep(SPARES_PERIOD).await;
            kept.trim();
        }
    });
    for _ in 0..ACCEPTS_IN_FLIGHT {
        let (accepting, listener) = (Rc::clone(core), Rc::clone(listener));
        let (facts, places) = (Rc::clone(facts), Rc::clone(places));
        let counted = Accepting::new(core);
        let accepts = async move {
            let _counted = counted;
            accept(&accepting, &listener, &facts, &places, serve_one).await;
        };
        core.tasks.start(accepts);
    }
}

/// Counts a loop that accepts, for as long as it does.
struct Accepting(Rc<Core>);

impl Accepting {
    fn new(core: &Rc<Core>) -> Self {
        core.accepting.set(core.accepting.get() + 1);
        Self(Rc::clone(core))
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.accepting.set(self.0.accepting.get().saturating_sub(1));
    }
}

async fn accept<F: Future<Output = After> + 'static>(
    core: &Rc<Core>,
    listener: &Listener,
    facts: &Rc<ListenerFacts>,
    places: &Rc<Places<F>>,
    serve_one: fn(Request) -> F,
) {
    loop {
        match listener.accept(&core.deadlines).await {
            Accepted::Connection(stream, peer) if core.admit() => {
                let (facts, places) = (Rc::clone(facts), Rc::clone(places));
                let place = move |request| places.put(serve_one(request));
                let admitted = Admitted(Rc::clone(core));
                let arrived = Arrived { admitted, socket: stream, peer, listener: facts };
                core.tasks.start(connection::serve(arrived, place));
            }
            Accepted::Connection(stream, _) => {
                core.count(Counter::ConnectionsRefused);
                // A client of TLS could not read what is said before a handshake.
                if facts.scheme == Scheme::Http {
                    let refusing = Rc::clone(core);
                    core.tasks.start(downstream::turn_away(refusing, stream));
                }
            }
            Accepted::Exhausted => {
                core.count(Counter::AcceptsExhausted);
                rt::sleep(ACCEPT_PAUSE).await;
            }
            Accepted::Passing => {}
            Accepted::Closed => return,
        }
    }
}

/// Ticks in a second.
const TICKS_PER_SECOND: u64 = 50;
const _: () = assert!(TICK.as_millis() * TICKS_PER_SECOND as u128 == 1000);

/// The heartbeat of a core: deadlines, date, pools, log.
async fn tick(core: &Rc<Core>) {
    let mut count: u64 = 0;
    loop {
        rt::sleep(TICK).await;
        core.deadlines.advance();
        core.subscriber.beat();
        count = count.wrapping_add(1);
        if count.is_multiple_of(TICKS_PER_SECOND) {
            core.refresh_date();
            core.upstreams.sweep();
            core.telemetry.set_open_connections(core.open.get() as u64);
            core.telemetry.set(Gauge::UpstreamConnectionsIdle, core.upstreams.idle.get() as u64);
        }
        if count.is_multiple_of(TICKS_PER_SECOND * SPARES_PERIOD.as_secs()) {
            core.trim();
        }
        if count.is_multiple_of(TICKS_PER_SECOND / 4) {
            core.flush_log();
        }
    }
}

/// Every response from now on closes its connection. Listeners close once no handshake can be under
/// way and their queues are empty: what the kernel told a client to be connected is served. Done
/// when the last connection ends or time is over.
async fn run_drain(core: &Rc<Core>, listeners: Vec<Rc<Listener>>, drain: Drain) {
    core.is_draining.set(true);
    core.http2.wake();
    core.deadlines.hurry_idle(DRAIN_IDLE_GRACE);
    for listener in &listeners {
        // Refused where a sandbox imitates the kernel: then those that come last may be lost.
        listener.refuse_handshakes().unwrap_or_default();
    }
    let mut time = Waited { waited: Duration::ZERO, at_most: drain.timeout };
    rt::sleep(DRAIN_HANDSHAKE_GRACE).await;
    time.until(|| listeners.iter().all(|listener| listener.waiting() == 0)).await;
    listeners.iter().for_each(|listener| listener.close());
    // What an accept has taken may not have been looked at.
    time.until(|| core.accepting.get() == 0).await;
    time.until(|| core.open.get() == 0).await;
    core.end_log();
    core.subscriber.finish_drain();
}

/// The time of a drain.
struct Waited {
    waited: Duration,
    at_most: Duration,
}

impl Waited {
    /// Looks again and again, until it holds or the time is over.
    async fn until(&mut self, is_so: impl Fn() -> bool) {
        while !is_so() && self.waited < self.at_most {
            rt::sleep(DRAIN_POLL).await;
            self.waited += DRAIN_POLL;
        }
    }
}
