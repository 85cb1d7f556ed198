//! `ringway serve`: start sequence, signals, drain.
//!
//! One thread, one Tokio runtime: control plane, admin listener and signals. Workers have threads
//! of their own and are started before it.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::config::{Args, Config, LogLevel, Machine};
use crate::control::admin::{self, AdminState};
use crate::control::lower::LowerOptions;
use crate::control::{ControlError, ControlLoop, ControlState, Controller};
use crate::proxy;
use crate::publish::{Drain, Publisher, channel, process_nanos};
use crate::table::Compiled;
use crate::telemetry::access_log::{self, LogWriter};
use crate::telemetry::{self, Scrape};

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Directory of Kubernetes manifests (*.yaml, *.yml, *.json); watched for changes
    #[arg(long, env = "RINGWAY_MANIFESTS", value_name = "DIR")]
    pub manifests: PathBuf,

    /// Everything that does not depend on the source.
    #[command(flatten)]
    pub common: Args,
}

/// How long past `--drain-timeout` workers may take to end what they cut off.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// Serves until a signal ends it.
///
/// # Errors
/// Start: unusable flags, missing directory, port in use. Later: a worker is gone.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    run_with(args, |_bound| Ok(()))
}

/// Addresses that were bound.
#[derive(Debug, Clone)]
pub struct Bound {
    /// In the order of `--http-bind`.
    pub http: Vec<SocketAddr>,
    /// In the order of `--https-bind`.
    pub https: Vec<SocketAddr>,
    /// `--admin-bind`.
    pub admin: SocketAddr,
}

/// The same; `on_bound` is called once everything listens.
///
/// # Errors
/// As [`run`], or what `on_bound` says.
pub fn run_with(
    args: &ServeArgs,
    on_bound: impl FnOnce(&Bound) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let machine = Machine::look().context("the CPUs of this process cannot be told")?;
    let config = Config::new(&args.common, &machine)?;
    start_log(config.log_level);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the control plane cannot start")?;
    let plane = DataPlane::start(&config)?;
    let _within = runtime.enter();
    let admin = bind_admin(config.admin_bind)?;
    let bound = Bound {
        http: plane.started.http.clone(),
        https: plane.started.https.clone(),
        admin: admin.local_addr()?,
    };
    let DataPlane { publisher, scrape, log_writer, started } = plane;
    let state = Arc::new(ControlState::default());
    let admin_state = Rc::new(AdminState {
        cores: publisher.states(),
        scrape: Rc::clone(&scrape),
        control: Arc::clone(&state),
        log_writer: log_writer.as_ref().map(LogWriter::counts),
        now_nanos: process_nanos,
    });
    let options = lower_options(&config);
    let hook = Box::new(move |compiled: &Compiled| name_series(&scrape, compiled));
    let controller = Controller::new(options, publisher, Arc::clone(&state), hook);
    let control = ControlLoop::start(controller, &args.manifests)?;
    print_start_line(&config, &started, &bound, &args.manifests)?;
    on_bound(&bound)?;
    let code = runtime.block_on(async {
        tokio::select! {
            () = admin::serve(admin, admin_state) => unreachable_end(),
            code = until_ended(control, &config, &state) => code,
        }
    });
    if log_writer.is_some_and(|writer| !writer.finish(LOG_GRACE)) {
        tracing::warn!("the end of the access log could not be written in time");
    }
    code
}

/// What is left of the access log is written within this time.
const LOG_GRACE: Duration = Duration::from_millis(500);

fn unreachable_end() -> anyhow::Result<ExitCode> {
    anyhow::bail!("the admin listener ended")
}

/// Metrics get to know a series before any core can count it.
fn name_series(scrape: &RefCell<Scrape>, compiled: &Compiled) {
    let mut scrape = scrape.borrow_mut();
    for (id, labels) in &compiled.series_added {
        scrape.series_added(*id, labels);
    }
    for id in &compiled.series_removed {
        scrape.series_removed(*id);
    }
}

fn bind_admin(address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    let bind = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    };
    bind().with_context(|| format!("cannot listen on {address} (--admin-bind)"))
}

/// Workers that run, and the control thread's ends of everything they share with it.
struct DataPlane {
    publisher: Publisher,
    scrape: Rc<RefCell<Scrape>>,
    log_writer: Option<LogWriter>,
    started: proxy::Started,
}

impl DataPlane {
    fn start(config: &Config) -> anyhow::Result<Self> {
        let cores = config.proxy.cores;
        let (publisher, subscribers) = channel(cores).context("the workers cannot be reached")?;
        let (shards, scrape) = telemetry::telemetry(cores);
        let sink = Box::new(std::io::stdout());
        let (logs, log_writer) = access_log::access_log(config.proxy.access_log, cores, sink)
            .context("the access log cannot start")?;
        let mut logs: Vec<_> = logs.into_iter().map(Some).collect();
        logs.resize_with(cores, || None);
        let started = proxy::start(&config.proxy, subscribers, shards, logs)?;
        if let Some(error) = &started.fallback {
            tracing::warn!(
                "io_uring cannot be used here ({error}); serving with epoll, at a little more CPU \
                 per request. Allow io_uring_setup, io_uring_enter and io_uring_register in the \
                 seccomp profile, or say --driver epoll to be silent about it"
            );
        }
        Ok(Self { publisher, scrape: Rc::new(RefCell::new(scrape)), log_writer, started })
    }
}

/// One line that people and scripts read: version, cores, driver, listeners.
fn print_start_line(
    config: &Config,
    started: &proxy::Started,
    bound: &Bound,
    manifests: &Path,
) -> anyhow::Result<()> {
    let list =
        |bound: &[SocketAddr]| bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    writeln!(
        std::io::stderr(),
        "ringway {} ready: cores={} driver={} http={} https={} admin={} manifests={}",
        env!("CARGO_PKG_VERSION"),
        config.proxy.cores,
        started.driver.name(),
        list(&bound.http),
        list(&bound.https),
        bound.admin,
        manifests.display(),
    )
    .context("standard error is closed")
}

/// A directory belongs to whoever runs the process, so local addresses are theirs to name.
#[must_use]
pub fn lower_options(config: &Config) -> LowerOptions {
    LowerOptions {
        ingress_class: config.ingress_class.clone(),
        default_backend: config.default_backend.clone(),
        default_certificate: config.default_certificate.clone(),
        ticket_keys: config.ticket_keys.clone(),
        hsts: config.hsts.clone(),
        allow_local_addresses: true,
        adopt_classless: true,
    }
}

/// Signals that ask the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs the control plane until a signal, then drains. A second signal ends everything at once.
///
/// # Errors
/// A worker is gone.
pub async fn until_ended(
    mut control: ControlLoop,
    config: &Config,
    state: &ControlState,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    run_until(&mut control, signals.next()).await?;
    tracing::info!(delay = ?config.drain_delay, "ending: no longer ready, still serving");
    state.begin_drain();
    tokio::select! {
        drained = drain(&mut control, config) => drained?,
        () = signals.next() => tracing::warn!("second signal: ending at once"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Manifests are followed to the end: a drain may take minutes.
async fn drain(control: &mut ControlLoop, config: &Config) -> Result<(), ControlError> {
    run_until(control, sleep_until(Instant::now() + config.drain_delay)).await?;
    tracing::info!(timeout = ?config.drain_timeout, "draining");
    control.controller_mut().drain(Drain { timeout: config.drain_timeout });
    let latest = Instant::now() + config.drain_timeout + DRAIN_GRACE;
    tokio::select! {
        ended = control.run_until_drained() => ended,
        () = sleep_until(latest) => {
            tracing::warn!("workers did not end in time");
            Ok(())
        }
    }
}

async fn run_until(
    control: &mut ControlLoop,
    end: impl Future<Output = ()>,
) -> Result<(), ControlError> {
    tokio::select! {
        failed = control.run() => match failed {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
        () = end => Ok(()),
    }
}

/// Log on standard error.
pub fn start_log(level: LogLevel) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call in one process (tests) leaves the first one's log in place.
    let _first = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false)
        .try_init();
}
