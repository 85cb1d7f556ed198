//! What the operator typed ([`Args`]), and what it means ([`Config`]).

pub mod args;
pub mod bind;
pub mod cidr;
pub mod cluster;
pub mod host;
pub mod machine;
pub mod metrics;
pub mod nginx_flags;
pub mod parse;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use args::{AccessLogFormat, Args, Driver, Healthz, LogLevel, NamedObjects};
pub use bind::Bind;
pub use cidr::Cidr;
pub use cluster::{ClusterArgs, ServiceType};
pub use host::Host;
pub use machine::Machine;
pub use metrics::{MetricsArgs, MetricsError};

use crate::limits::{CORES_MAX, OWN_DESCRIPTORS};
use crate::model::{
    AccessLog, Defaults, Downstream, Hsts, NginxMetrics, ProxyProtocol, RequestLog, RetryCauses,
    SeriesDetail,
};

/// Everything the data plane is told by flags.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Worker threads.
    pub cores: usize,
    /// Pin worker `i` to the `i`-th CPU of the process's affinity mask.
    pub pin: bool,
    /// I/O driver.
    pub driver: Driver,
    /// Ring with `DEFER_TASKRUN` where the kernel has it.
    pub ring_defer_taskrun: bool,
    /// From the accept to the end of the TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Idle connections kept per endpoint, all cores together.
    pub pool_idle_per_endpoint: usize,
    /// How long an idle upstream connection is kept.
    pub pool_idle_timeout: Duration,
    /// How old an upstream connection may become; checked when it goes idle.
    pub pool_max_age: Duration,
    /// Idle upstream connections in all, all cores together.
    pub pool_total: usize,
    /// Pipes of each core.
    pub pipes: usize,
    /// Downstream connections, all cores together.
    pub max_connections: usize,
    /// For what belongs to no rule: connections that are passed through or shared. Rules have
    /// theirs in the table.
    pub defaults: Defaults,
    /// In normal form; answered with 200 for hosts without rules. Empty: none.
    pub health_check_path: Arc<str>,
    /// Access log.
    pub access_log: AccessLogFormat,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the data plane.
    pub proxy: ProxyConfig,
    /// For the table: how clients are treated before it is known what they ask for.
    pub downstream: Downstream,
    /// Where clients come in by HTTP; port 0 takes a free port.
    pub http_bind: Vec<Bind>,
    /// Where they come in by HTTPS.
    pub https_bind: Vec<Bind>,
    /// Admin listeners.
    pub admin_bind: Vec<Bind>,
    /// Connections to the control plane that there are descriptors for.
    pub control_connections: usize,
    /// Readiness is off this long before the drain begins.
    pub drain_delay: Duration,
    /// In-flight exchanges have this long.
    pub drain_timeout: Duration,
    /// What hosts with a TLS entry say.
    pub hsts: Hsts,
    /// File of the access log; `None`: standard output.
    pub access_log_file: Option<PathBuf>,
    /// What `/healthz` of the admin listener says.
    pub healthz: Healthz,
    /// Metrics by the names of ingress-nginx; `None`: there are none.
    pub nginx_metrics: Option<NginxMetrics>,
    /// Least severity of the log.
    pub log_level: LogLevel,
}

/// Why flags that are each right are unusable together, or on this machine. One sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// None, or more than [`CORES_MAX`].
    #[error("--cores must be from 1 to {CORES_MAX}, not {0}")]
    Cores(usize),
    /// More workers than CPUs to pin them to.
    #[error("--pin needs a CPU for each worker: --cores is {cores}, the process may use {cpus}")]
    Pin {
        /// Asked for.
        cores: usize,
        /// In the affinity mask.
        cpus: usize,
    },
    /// Nothing could connect.
    #[error("--max-connections must be at least 1")]
    NoConnections,
    /// The kernel would refuse them.
    #[error(
        "--max-connections {connections} needs more descriptors than the limit of {descriptors}; \
         raise it with ulimit -n"
    )]
    Descriptors {
        /// Asked for.
        connections: usize,
        /// Hard limit.
        descriptors: u64,
    },
    /// Two listeners would need one port.
    #[error("{0} and {1} of --http-bind, --https-bind and --admin-bind need the same port")]
    AddressTwice(Bind, Bind),
    /// A file for lines that are not written.
    #[error("--access-log-file needs --access-log json or nginx")]
    LogFileWithoutLog,
    /// See there.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The empty name.
    #[error("--ingress-class must not be empty")]
    EmptyClass,
}

impl Config {
    /// What `args` mean on `machine`.
    ///
    /// # Errors
    /// The operator is at fault; see [`ConfigError`].
    pub fn new(args: &Args, machine: &Machine) -> Result<Self, ConfigError> {
        check_addresses(args)?;
        if args.ingress_class.is_empty() {
            return Err(ConfigError::EmptyClass);
        }
        if args.access_log_file.is_some() && access_log(args) == AccessLogFormat::Off {
            return Err(ConfigError::LogFileWithoutLog);
        }
        let has_nginx_metrics = args.metrics.nginx_metrics.unwrap_or_else(|| stands_in(args));
        let nginx_metrics = has_nginx_metrics.then_some(args.metrics.nginx()?);
        Ok(Self {
            proxy: proxy(args, machine)?,
            downstream: Downstream {
                series: nginx_metrics.as_ref().map_or_else(SeriesDetail::default, |m| m.detail()),
                ..downstream(args)
            },
            http_bind: args.http_bind.clone(),
            https_bind: args.https_bind.clone(),
            admin_bind: args.admin_bind.clone(),
            control_connections: machine.control_connections(),
            drain_delay: args.drain_delay,
            drain_timeout: args.drain_timeout,
            hsts: hsts(args),
            access_log_file: args.access_log_file.clone(),
            healthz: args.healthz,
            nginx_metrics,
            log_level: args.log_level,
        })
    }
}

fn proxy(args: &Args, machine: &Machine) -> Result<ProxyConfig, ConfigError> {
    let max_connections = connections(args, machine)?;
    let cores = cores(args, machine)?;
    Ok(ProxyConfig {
        cores,
        pin: args.pin,
        driver: args.driver,
        ring_defer_taskrun: args.ring_defer_taskrun,
        tls_handshake_timeout: args.tls_handshake_timeout,
        pool_idle_per_endpoint: args.pool_idle_per_endpoint,
        pool_idle_timeout: args.pool_idle_timeout,
        pool_max_age: args.pool_max_age,
        pool_total: args.pool_total.min(machine.idle_connections(max_connections)),
        pipes: machine.pipes(cores),
        max_connections,
        defaults: defaults(args),
        health_check_path: Arc::clone(&args.health_check_path),
        access_log: access_log(args),
    })
}

/// The `spec.controller` of its IngressClasses.
pub const INGRESS_NGINX: &str = "k8s.io/ingress-nginx";

/// Who brings the ConfigMap of ingress-nginx along, or serves its classes, has its log and its
/// metrics, too.
fn stands_in(args: &Args) -> bool {
    args.named.configmap.is_some() || args.controller_class == INGRESS_NGINX
}

fn access_log(args: &Args) -> AccessLogFormat {
    let nginx = stands_in(args).then_some(AccessLogFormat::Nginx);
    args.access_log.or(nginx).unwrap_or(AccessLogFormat::Off)
}

fn downstream(args: &Args) -> Downstream {
    Downstream {
        proxy_protocol: ProxyProtocol::of(args.proxy_protocol_trusted.iter().map(Cidr::parts)),
        header_timeout: args.client_header_timeout,
        body_timeout: args.client_body_timeout,
        send_timeout: args.client_send_timeout,
        keep_alive_timeout: args.keep_alive_timeout,
        keep_alive_requests: args.keep_alive_requests,
        log: RequestLog { unclaimed: unclaimed(args), ..RequestLog::default() },
        ..Downstream::default()
    }
}

/// The log of ingress-nginx has no requests for hosts that nobody claims.
fn unclaimed(args: &Args) -> AccessLog {
    match access_log(args) {
        AccessLogFormat::Nginx => AccessLog::LeftOut,
        AccessLogFormat::Json | AccessLogFormat::Off => AccessLog::Written,
    }
}

fn defaults(args: &Args) -> Defaults {
    Defaults {
        compression: Arc::default(),
        connect_timeout: args.proxy_connect_timeout,
        send_timeout: args.proxy_send_timeout,
        read_timeout: args.proxy_read_timeout,
        tries: args.proxy_next_upstream_tries,
        tries_time: args.proxy_next_upstream_timeout,
        retry_causes: RetryCauses::DEFAULT,
        body_bytes_max: (args.client_max_body_size > 0).then_some(args.client_max_body_size),
        balance: args.load_balance.into(),
        ..Defaults::default()
    }
}

fn hsts(args: &Args) -> Hsts {
    Hsts {
        is_sent: args.hsts_max_age > 0,
        max_age: args.hsts_max_age,
        includes_subdomains: args.hsts_include_subdomains,
        allows_preload: args.hsts_preload,
    }
}

fn cores(args: &Args, machine: &Machine) -> Result<usize, ConfigError> {
    let cores = args.cores.unwrap_or_else(|| machine.cores().min(CORES_MAX));
    if cores == 0 || cores > CORES_MAX {
        return Err(ConfigError::Cores(cores));
    }
    if args.pin && cores > machine.cpus {
        return Err(ConfigError::Pin { cores, cpus: machine.cpus });
    }
    Ok(cores)
}

fn connections(args: &Args, machine: &Machine) -> Result<usize, ConfigError> {
    let Some(connections) = args.max_connections else { return Ok(machine.connections()) };
    if connections == 0 {
        return Err(ConfigError::NoConnections);
    }
    let needed = (connections as u64).saturating_add(OWN_DESCRIPTORS);
    if needed > machine.descriptors {
        let descriptors = machine.descriptors;
        return Err(ConfigError::Descriptors { connections, descriptors });
    }
    Ok(connections)
}

/// Port 0 takes another free port each time, so it may stand twice.
fn check_addresses(args: &Args) -> Result<(), ConfigError> {
    let all = args.http_bind.iter().chain(&args.https_bind).chain(&args.admin_bind);
    let all: Vec<Bind> = all.copied().collect();
    for (index, bind) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|earlier| earlier.overlaps(*bind));
        if let Some(earlier) = earlier {
            return Err(ConfigError::AddressTwice(*earlier, *bind));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::model::{StatusLabels, UndefinedHosts};

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    const MACHINE: Machine = Machine { cpus: 4, cpu_quota: None, descriptors: 10_000 };

    fn parse(flags: &str) -> Result<Args, clap::Error> {
        let flags = std::iter::once("ringway").chain(flags.split_whitespace());
        Command::try_parse_from(flags).map(|command| command.args)
    }

    /// What `flags` mean on a machine of tests.
    pub(crate) fn config(flags: &str) -> Result<Config, ConfigError> {
        Config::new(&parse(flags).expect("flags that are each right"), &MACHINE)
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let config = config("").expect("usable");
        let proxy = &config.proxy;
        assert_eq!((proxy.cores, proxy.max_connections), (4, 4000));
        assert_eq!(config.http_bind, [Bind::Everywhere(80)]);
        assert_eq!(config.https_bind, [Bind::Everywhere(443)]);
        assert_eq!(config.admin_bind, [Bind::Loopback(9901)]);
        let timeouts = [
            config.downstream.header_timeout,
            config.downstream.body_timeout,
            config.downstream.keep_alive_timeout,
            proxy.defaults.connect_timeout,
            proxy.defaults.send_timeout,
            proxy.defaults.read_timeout,
        ];
        assert_eq!(timeouts.map(|t| t.as_secs()), [60, 60, 75, 5, 60, 60]);
        assert_eq!(proxy.defaults.body_bytes_max, Some(1 << 20));
        assert_eq!(&*proxy.health_check_path, "/healthz");
        let (tries, time) = (proxy.defaults.tries, proxy.defaults.tries_time);
        assert_eq!((tries, time.as_secs()), (3, 0));
        assert_eq!(proxy.defaults, Defaults::default(), "a model without flags");
        assert_eq!(config.downstream, Downstream::default(), "a model without flags");
    }

    #[test]
    fn pools_follow_from_descriptors() {
        // 10,000 less 64 and 240 less two for each client.
        for (flags, expected) in [
            ("", 1696),
            ("--max-connections 100", 4096),
            ("--pool-total 7", 7),
            ("--max-connections 9000", 1250),
        ] {
            assert_eq!(config(flags).expect("usable").proxy.pool_total, expected, "{flags}");
        }
    }

    #[test]
    fn no_number_of_tries_is_the_largest() {
        for (flags, expected) in [("", 3), ("1", 1), ("20", 20), ("0", 20)] {
            let flags = match flags {
                "" => String::new(),
                value => format!("--proxy-next-upstream-tries {value}"),
            };
            let proxy = config(&flags).expect("usable").proxy;
            assert_eq!(proxy.defaults.tries, expected, "{flags}");
        }
    }

    #[test]
    fn hsts_is_one_value() {
        for (flags, expected) in [
            ("", Some("max-age=31536000; includeSubDomains")),
            ("--hsts-max-age 0 --hsts-preload true", None),
            ("--hsts-max-age 60 --hsts-include-subdomains false", Some("max-age=60")),
            ("--hsts-preload true", Some("max-age=31536000; includeSubDomains; preload")),
        ] {
            assert_eq!(config(flags).expect("usable").hsts.value().as_deref(), expected, "{flags}");
        }
    }

    #[test]
    fn log_and_metrics_of_ingress_nginx_come_with_its_configmap_or_class() {
        for (flags, expected) in [
            ("", AccessLogFormat::Off),
            ("--configmap a/b", AccessLogFormat::Nginx),
            ("--controller-class k8s.io/ingress-nginx", AccessLogFormat::Nginx),
            ("--controller-class k8s.io/ingress-nginx-2", AccessLogFormat::Off),
            ("--configmap a/b --access-log json", AccessLogFormat::Json),
            ("--configmap a/b --access-log off", AccessLogFormat::Off),
        ] {
            assert_eq!(config(flags).expect("usable").proxy.access_log, expected, "{flags}");
        }
        for (flags, expected) in [
            ("", SeriesDetail::Backend),
            ("--configmap a/b", SeriesDetail::HostAndPath),
            ("--controller-class k8s.io/ingress-nginx", SeriesDetail::HostAndPath),
            ("--configmap a/b --nginx-metrics false", SeriesDetail::Backend),
            ("--nginx-metrics true --metrics-per-host false", SeriesDetail::Path),
        ] {
            let config = config(flags).expect("usable");
            assert_eq!(config.downstream.series, expected, "{flags}");
            let detail = config.nginx_metrics.map(|metrics| metrics.detail());
            assert_eq!(detail.unwrap_or_default(), expected, "{flags}");
        }
    }

    #[test]
    fn metrics_are_as_flags_say() {
        let flags = "--nginx-metrics true --time-buckets 0.1,2 --length-buckets 7 \
                     --exclude-socket-metrics nginx_ingress_controller_bytes_sent,requests \
                     --report-status-classes true --metrics-per-undefined-host true";
        let metrics = config(flags).expect("usable").nginx_metrics.expect("wanted");
        assert_eq!((&*metrics.times, &*metrics.lengths), (&[0.1, 2.0][..], &[7.0][..]));
        assert_eq!(metrics.sizes, NginxMetrics::default().sizes);
        assert_eq!(*metrics.excluded, ["bytes_sent", "requests"]);
        assert_eq!(metrics.statuses, StatusLabels::Classes);
        assert_eq!(metrics.undefined_hosts, UndefinedHosts::Counted);
    }

    #[test]
    fn unusable_combinations_are_refused() {
        let pin = ConfigError::Pin { cores: 5, cpus: 4 };
        let descriptors = ConfigError::Descriptors { connections: 9_990, descriptors: 10_000 };
        let bind = |text: &str| text.parse::<Bind>().expect("an address");
        let twice = |one, two| ConfigError::AddressTwice(bind(one), bind(two));
        for (flags, expected) in [
            ("--cores 0", ConfigError::Cores(0)),
            ("--cores 5 --pin", pin),
            ("--max-connections 0", ConfigError::NoConnections),
            ("--max-connections 9990", descriptors),
            ("--http-bind 127.0.0.1:9901", twice("127.0.0.1:9901", "localhost:9901")),
            ("--http-bind [::]:443", twice("[::]:443", "*:443")),
            ("--admin-bind [::1]:80,[::1]:81", twice("*:80", "[::1]:80")),
            ("--ingress-class=", ConfigError::EmptyClass),
            ("--access-log-file x", ConfigError::LogFileWithoutLog),
            ("--time-buckets 2,1", MetricsError::Buckets("--time-buckets").into()),
            ("--size-buckets 1,1", MetricsError::Buckets("--size-buckets").into()),
            (
                "--metrics-per-undefined-host true --metrics-per-host false",
                MetricsError::UndefinedHost.into(),
            ),
        ] {
            assert_eq!(config(flags).map(|_| ()), Err(expected), "{flags}");
        }
        for flags in [
            "--http-bind 127.0.0.1:0 --http-bind 127.0.0.1:0",
            "--http-bind 0.0.0.0:80 --http-bind [::]:80",
        ] {
            assert!(config(flags).is_ok(), "{flags}");
        }
    }

    #[test]
    fn wrong_values_are_refused_by_their_flag() {
        for flags in [
            "--proxy-connect-timeout 0",
            "--keep-alive-timeout -1",
            "--proxy-next-upstream-tries 21",
            "--proxy-next-upstream-tries many",
            "--proxy-next-upstream-timeout -1",
            "--driver iouring",
            "--http-bind web:80",
            "--admin-bind 9901",
            "--client-max-body-size 1x",
            "--default-backend-service web",
            "--disable-catch-all maybe",
            "--default-ssl-certificate web",
            "--configmap web",
            "--hsts-max-age -1",
            "--time-buckets 0.1,x",
            "--length-buckets 0",
            "--size-buckets inf",
            "--health-check-path healthz",
            "--health-check-path /a/../healthz",
            "--health-check-path /healthz?full",
            "--unknown",
        ] {
            assert!(parse(flags).is_err_and(|error| error.exit_code() == 2), "{flags}");
        }
    }
}
