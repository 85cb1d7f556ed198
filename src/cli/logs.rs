//! The log of the process, and where lines of both logs go, as flags and then the ConfigMap say.

use std::path::Path;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogLevel};
use crate::model::{LogPlace, LogSeverity, RequestLog};
use crate::telemetry::access_log::{LogOrders, Sink};

/// Changes the least severity of the log.
pub(super) struct Severity(Option<reload::Handle<Targets, Registry>>);

/// Follows what tables say of logs.
pub(super) struct Logs {
    severity: Severity,
    /// `None`: there is no access log.
    orders: Option<LogOrders>,
    /// What flags say.
    level: LogLevel,
    place: LogPlace,
    /// What is in force.
    now: (LogLevel, LogPlace),
}

impl Logs {
    /// As flags say.
    #[must_use]
    pub(super) fn new(config: &Config, severity: Severity, orders: Option<&LogOrders>) -> Self {
        let place = config.access_log_file.as_deref();
        let place = place.map_or(LogPlace::Output, |path| LogPlace::File(path.into()));
        let level = config.log_level;
        let now = (level, place.clone());
        Self { severity, orders: orders.cloned(), level, place, now }
    }

    /// Puts in force what `log` says. A file that cannot be opened leaves lines where they go.
    pub(super) fn follow(&mut self, log: &RequestLog) {
        let level = log.severity.map_or(self.level, |severity| match severity {
            LogSeverity::Error => LogLevel::Error,
            LogSeverity::Warn => LogLevel::Warn,
            LogSeverity::Info => LogLevel::Info,
            LogSeverity::Debug => LogLevel::Debug,
        });
        if level != self.now.0 {
            self.severity.set(level);
            self.now.0 = level;
        }
        let place = log.place.as_ref().unwrap_or(&self.place);
        let Some(orders) = self.orders.as_ref().filter(|_| *place != self.now.1) else { return };
        let sink = match place {
            LogPlace::Output => Ok(Sink::output()),
            LogPlace::Error => Ok(Sink::new(Box::new(std::io::stderr()))),
            LogPlace::File(path) => Sink::file(path),
        };
        match sink {
            // Where the writer is behind, the next table says it again.
            Ok(sink) => {
                if orders.redirect(sink) {
                    self.now.1 = place.clone();
                }
            }
            Err(error) => {
                let path = match place {
                    LogPlace::File(path) => path,
                    LogPlace::Output | LogPlace::Error => Path::new("-"),
                };
                tracing::warn!(%error, path = %path.display(), "the access log cannot be opened; \
                     its lines go where they went");
            }
        }
    }
}

impl Severity {
    fn set(&self, level: LogLevel) {
        if let Some(handle) = &self.0 {
            // It fails where the log itself is gone.
            handle.reload(targets(level)).unwrap_or_default();
        }
    }
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // kube tells each request that fails and each watch that breaks, once a try; what that means is
    // told once, in our words.
    let of_kube = if level >= LevelFilter::DEBUG { level } else { LevelFilter::OFF };
    Targets::new().with_default(level).with_target("kube_client", of_kube)
}

/// Log on standard error.
pub(super) fn start_log(level: LogLevel) -> Severity {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false);
    // A second call in one process (tests) leaves the first one's log in place.
    let is_first = tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok();
    Severity(is_first.then_some(handle))
}
