//! One core from start to end: pin, ring, listen, serve, apply updates, drain.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::ProxyConfig;
use crate::limits::{DRAIN_IDLE_GRACE, PASSWORDS_REMEMBERED_PERIOD, SPARES_PERIOD, TICK};
use crate::proxy::affinity;
use crate::proxy::client::accept::{self, Listeners, Socket, Waited};
use crate::proxy::client::head::{self, Unparsed};
use crate::proxy::core::{Admission, Core};
use crate::proxy::exchange::end::After;
use crate::proxy::exchange::explain;
use crate::proxy::rt::clock::recent_millis;
use crate::proxy::rt::{self, DriverChoice};
use crate::publish::{Asking, Drain, Retired, Subscriber, Update};
use crate::quota::Quotas;
use crate::telemetry::{CoreTelemetry, Gauge, Outlets};

/// Everything a worker is given; moves to its thread.
pub struct Seat {
    /// What flags say.
    pub config: ProxyConfig,
    /// A driver that works here.
    pub driver: DriverChoice,
    /// CPU to pin to.
    pub cpu: Option<usize>,
    /// Its end of the publisher.
    pub subscriber: Subscriber,
    /// Its counters.
    pub telemetry: CoreTelemetry,
    /// Its access log and its spans.
    pub outlets: Outlets,
    /// Connections of the process.
    pub admission: Arc<Admission>,
    /// What clients asked of the process.
    pub quotas: Arc<Quotas>,
}

/// Runs a core on the calling thread; does not return unless the driver cannot be set up.
///
/// # Errors
/// The CPU or the driver could not be set up.
pub fn run(seat: Seat) -> io::Result<std::convert::Infallible> {
    if let Some(cpu) = seat.cpu {
        affinity::pin_thread(cpu)?;
    }
    let driver = seat.driver;
    rt::run(driver, move || work(seat))
}

async fn work(seat: Seat) {
    let Seat { config, driver, subscriber, telemetry, outlets, admission, quotas, .. } = seat;
    let doorbell = subscriber.doorbell_reader().and_then(|half| rt::Doorbell::new(half, driver));
    let core = Core::new(config, subscriber, telemetry, outlets, admission, quotas);
    core.refresh_date();
    let ticking = Rc::clone(&core);
    core.tasks.start(async move { tick(&ticking).await });
    let mut doorbell = match doorbell {
        Ok(doorbell) => doorbell,
        Err(error) => {
            rt::last_words(&format!("a core could not take its doorbell over: {error}"));
            return;
        }
    };
    // Nobody is served before there is something to serve by: tables come before sockets.
    let mut listeners = Listeners::new(&core, driver, head::serve_one);
    loop {
        if doorbell.rung().await.is_err() {
            // The control thread is gone, so the process is about to end; until then we serve.
            std::future::pending::<()>().await;
        }
        let mut is_any = false;
        for update in core.subscriber.drain_updates() {
            is_any = true;
            apply(&core, update, &mut listeners);
        }
        core.passwords.settle();
        for asking in core.subscriber.questions.try_iter() {
            // Who asked may have gone meanwhile.
            match asking {
                Asking::Request(question, reply) => {
                    reply.try_send(explain::explain(&core, &question)).unwrap_or_default();
                }
                Asking::Backend(key, reply) => {
                    reply.try_send(explain::backend(&core, &key)).unwrap_or_default();
                }
            }
        }
        if is_any {
            core.subscriber.acknowledge(core.table().0.version);
        }
    }
}

pub(super) fn apply<F, S>(core: &Rc<Core>, update: Update, listeners: &mut Listeners<F, S>)
where
    F: Future<Output = After> + 'static,
    S: Fn(Unparsed) -> F + Copy + 'static,
{
    match update {
        Update::Table(table) => {
            listeners.follow(&table);
            core.set_table(table);
        }
        Update::Open(opening) => listeners.open(opening),
        Update::Close(opening) => listeners.close(opening),
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
            core.is_draining.set(true);
            let (draining, sockets) = (Rc::clone(core), listeners.take());
            core.tasks.start(async move { run_drain(&draining, sockets, drain).await });
        }
    }
}

/// Ticks in a second.
const TICKS_PER_SECOND: u64 = 50;
const _: () = assert!(TICK.as_millis() * TICKS_PER_SECOND as u128 == 1000);

/// The heartbeat of a core: deadlines, date, pools, log.
pub(super) async fn tick(core: &Rc<Core>) {
    let mut count: u64 = 0;
    loop {
        rt::sleep_in_place(TICK).await;
        core.deadlines.advance();
        core.subscriber.beat();
        core.passwords.expire(recent_millis());
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
        if count.is_multiple_of(TICKS_PER_SECOND * PASSWORDS_REMEMBERED_PERIOD.as_secs()) {
            core.passwords.age();
        }
        if count.is_multiple_of(TICKS_PER_SECOND / 4) {
            core.flush_log();
        }
    }
}

/// Every response from now on closes its connection. Listeners close once no handshake can be under
/// way and their queues are empty. Done when the last connection ends or time is over.
async fn run_drain(core: &Rc<Core>, sockets: Vec<Rc<Socket>>, drain: Drain) {
    core.http2.wake();
    core.deadlines.hurry_idle(DRAIN_IDLE_GRACE);
    let mut time = Waited::at_most(drain.timeout);
    accept::close(&sockets, &mut time).await;
    // What an accept has taken may not have been looked at.
    time.until(|| core.accepting.get() == 0).await;
    time.until(|| core.open.get() == 0).await;
    core.end_log();
    core.subscriber.finish_drain();
}
