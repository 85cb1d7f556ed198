//! `ringway serve`: start sequence, signals, drain.
//!
//! One thread, one Tokio runtime: control plane, admin listener and signals. Workers have threads
//! of their own and are started before it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::config::{Args, Config, LogLevel, Machine};
use crate::control::lower::LowerOptions;
use crate::control::{ControlError, ControlLoop, ControlState, Controller};
use crate::publish::{Drain, Subscriber, channel};

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
    let machine = Machine::look().context("the CPUs of this process cannot be told")?;
    let config = Config::new(&args.common, &machine)?;
    start_log(config.log_level);
    let (publisher, subscribers) =
        channel(config.proxy.cores).context("the workers cannot be reached")?;
    let state = Arc::new(ControlState::default());
    let _workers = start_workers(&config, subscribers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the control plane cannot start")?.block_on(async {
        let options = lower_options(&config);
        let controller =
            Controller::new(options, publisher, Arc::clone(&state), Box::new(|_compiled| {}));
        let control = ControlLoop::start(controller, &args.manifests)?;
        until_ended(control, &config, &state).await
    })
}

/// A directory belongs to whoever runs the process, so local addresses are theirs to name.
#[must_use]
pub fn lower_options(config: &Config) -> LowerOptions {
    LowerOptions {
        ingress_class: config.ingress_class.clone(),
        default_backend: config.default_backend.clone(),
        allow_local_addresses: true,
        adopt_classless: true,
    }
}

/// The running data plane.
pub struct Workers {
    _subscribers: Vec<Subscriber>,
}

/// SEAM: the one place where the data plane is started; each subscriber belongs to one worker.
///
/// # Errors
/// A port is in use, or io_uring is forbidden where it was demanded.
pub fn start_workers(_config: &Config, subscribers: Vec<Subscriber>) -> anyhow::Result<Workers> {
    Ok(Workers { _subscribers: subscribers })
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
