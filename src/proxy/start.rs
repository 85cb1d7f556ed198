//! The start of the data plane: chooses the driver, starts a thread per core.

use std::io;
use std::sync::Arc;

use crate::config::{Driver, ProxyConfig};
use crate::proxy::affinity;
use crate::proxy::rt::{self, DriverChoice, RingFlags};
use crate::proxy::worker::{self, Seat};
use crate::publish::Subscriber;
use crate::telemetry::{CoreTelemetry, Outlets};

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `--driver uring` on a machine that forbids it.
    #[error(
        "io_uring cannot be used here: {0}. A container runtime's seccomp profile or the sysctl \
         kernel.io_uring_disabled may forbid it; allow io_uring_setup, io_uring_enter and \
         io_uring_register, or use --driver auto or epoll"
    )]
    Uring(io::Error),
    /// The affinity mask could not be read.
    #[error("cannot read the CPUs this process may use: {0}")]
    Affinity(io::Error),
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
}

/// What was started.
pub struct Started {
    /// The driver in use.
    pub driver: DriverChoice,
    /// Why io_uring is not used although `--driver auto` would prefer it.
    pub fallback: Option<io::Error>,
}

/// Starts one worker per core. Tables and listening sockets come by their subscribers.
///
/// Shape: one subscriber, telemetry and pair of outlets per core, in core order.
///
/// # Errors
/// See [`StartError`]; nothing runs then.
pub fn start(
    config: &ProxyConfig,
    subscribers: Vec<Subscriber>,
    telemetry: Vec<CoreTelemetry>,
    outlets: Vec<Outlets>,
) -> Result<Started, StartError> {
    // A huge page makes memory resident that idle connections never touch. Kernels without them
    // refuse; so what.
    rustix::thread::disable_transparent_huge_pages(true).unwrap_or_default();
    let (driver, fallback) = choose_driver(config)?;
    let cpus = affinity::allowed_cpus().map_err(StartError::Affinity)?;
    let (admission, quotas) = (Arc::default(), Arc::default());
    let parts = subscribers.into_iter().zip(telemetry.into_iter().zip(outlets));
    for (index, (subscriber, (telemetry, outlets))) in parts.enumerate() {
        let seat = Seat {
            config: config.clone(),
            driver,
            cpu: if config.pin { cpus.get(index % cpus.len().max(1)).copied() } else { None },
            subscriber,
            telemetry,
            outlets,
            admission: Arc::clone(&admission),
            quotas: Arc::clone(&quotas),
        };
        start_thread(index, seat)?;
    }
    Ok(Started { driver, fallback })
}

fn choose_driver(config: &ProxyConfig) -> Result<(DriverChoice, Option<io::Error>), StartError> {
    let best = match config.ring_defer_taskrun {
        true => RingFlags::CoopSingleDefer,
        false => RingFlags::CoopSingle,
    };
    let probed = || rt::probe_uring(best);
    match config.driver {
        Driver::Epoll => Ok((DriverChoice::Epoll, None)),
        Driver::Uring => {
            probed().map(|flags| (DriverChoice::Uring(flags), None)).map_err(StartError::Uring)
        }
        Driver::Auto => Ok(match probed() {
            Ok(flags) => (DriverChoice::Uring(flags), None),
            Err(error) => (DriverChoice::Epoll, Some(error)),
        }),
    }
}

fn start_thread(index: usize, seat: Seat) -> Result<(), StartError> {
    let work = move || {
        let Err(error) = worker::run(seat);
        // Without this core its share of connections would hang: better a process that ends.
        rt::last_words(&format!("core {index} could not start: {error}"));
        std::process::exit(1);
    };
    std::thread::Builder::new()
        .name(format!("core-{index}"))
        .spawn(work)
        .map(drop)
        .map_err(StartError::Thread)
}
