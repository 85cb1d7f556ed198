//! The start of the data plane: binds every listener, chooses the driver, starts a thread per core.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{Driver, ProxyConfig};
use crate::listen::{self, ListenError, Listening};
use crate::model::{ListenerId, Scheme};
use crate::proxy::client::socket::{self, BoundListener};
use crate::proxy::rt::{self, DriverChoice};
use crate::proxy::worker::{self, Seat};
use crate::publish::Subscriber;
use crate::telemetry::{CoreLog, CoreTelemetry};

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
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
    /// In the order of `--http-bind`, with the ports taken.
    pub http: Vec<SocketAddr>,
    /// In the order of `--https-bind`, with the ports taken.
    pub https: Vec<SocketAddr>,
    /// The driver in use.
    pub driver: DriverChoice,
    /// Why io_uring is not used although `--driver auto` would prefer it.
    pub fallback: Option<io::Error>,
}

/// Binds every listener and starts one worker per core. Workers listen once they have a table.
///
/// Shape: one subscriber, telemetry and log per core, in core order.
///
/// # Errors
/// See [`StartError`]; nothing runs then.
pub fn start(
    config: &ProxyConfig,
    subscribers: Vec<Subscriber>,
    telemetry: Vec<CoreTelemetry>,
    logs: Vec<Option<CoreLog>>,
) -> Result<Started, StartError> {
    // A huge page makes memory resident that idle connections never touch. Kernels without them
    // refuse; so what.
    rustix::thread::disable_transparent_huge_pages(true).unwrap_or_default();
    let (driver, fallback) = choose_driver(config)?;
    let cpus = socket::allowed_cpus().map_err(StartError::Affinity)?;
    let mut per_core: Vec<Vec<BoundListener>> = subscribers.iter().map(|_| Vec::new()).collect();
    let (mut http, mut https) = (Vec::new(), Vec::new());
    let of_http = config.http_bind.iter().map(|&bind| (bind, "--http-bind", Scheme::Http));
    let of_https = config.https_bind.iter().map(|&bind| (bind, "--https-bind", Scheme::Https));
    for (bind, flag, scheme) in of_http.chain(of_https) {
        for Listening { address, sockets } in listen::listen(bind, flag, subscribers.len())? {
            match scheme {
                Scheme::Http => http.push(address),
                Scheme::Https => https.push(address),
            }
            for (core, socket) in per_core.iter_mut().zip(sockets) {
                core.push(BoundListener { socket, id: ListenerId::HTTP, scheme });
            }
        }
    }
    let admission = Arc::default();
    let parts = subscribers.into_iter().zip(per_core).zip(telemetry.into_iter().zip(logs));
    for (index, ((subscriber, listeners), (telemetry, log))) in parts.enumerate() {
        let seat = Seat {
            config: config.clone(),
            driver,
            cpu: if config.pin { cpus.get(index % cpus.len().max(1)).copied() } else { None },
            listeners,
            subscriber,
            telemetry,
            log,
            admission: Arc::clone(&admission),
        };
        start_thread(index, seat)?;
    }
    Ok(Started { http, https, driver, fallback })
}

fn choose_driver(config: &ProxyConfig) -> Result<(DriverChoice, Option<io::Error>), StartError> {
    let probed = || rt::probe_uring(config.ring_defer_taskrun);
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
