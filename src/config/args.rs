//! The flags of `serve` and `demo`. Their names, and those of the variables, are interface.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::bind::Bind;
use super::cidr::Cidr;
use super::metrics::MetricsArgs;
use super::parse;
use crate::model::{BackendKey, Balance, ObjectRef};

/// Which I/O driver the cores use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Driver {
    /// io_uring where it is allowed, else epoll with one warning.
    Auto,
    /// io_uring or an error.
    Uring,
    /// epoll.
    Epoll,
}

/// What `/healthz` of the admin listener says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Healthz {
    /// The process is alive.
    Alive,
    /// It is, and traffic may come: for readiness probes that ask for nothing else.
    Ready,
}

/// Form of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AccessLogFormat {
    /// No access log.
    Off,
    /// One JSON object a line.
    Json,
    /// The default format of ingress-nginx.
    Nginx,
}

/// Least severity of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Flags, each with its variable.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Worker threads, each with its own ring, listeners and connections
    /// [default: the CPUs that the process may use, within its cgroup's quota]
    #[arg(long, env = "RINGWAY_CORES", value_name = "N", help_heading = "Cores")]
    pub cores: Option<usize>,

    /// Pin each worker to a CPU of its own
    #[arg(long, env = "RINGWAY_PIN", help_heading = "Cores")]
    pub pin: bool,

    /// How workers do I/O: io_uring, epoll, or io_uring where the kernel allows it
    #[arg(
        long,
        env = "RINGWAY_DRIVER",
        value_enum,
        default_value = "auto",
        help_heading = "Cores"
    )]
    pub driver: Driver,

    /// Run io_uring completions only when a worker asks for them; kernels before 6.1 do without
    #[arg(
        long,
        env = "RINGWAY_RING_DEFER_TASKRUN",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        help_heading = "Cores"
    )]
    pub ring_defer_taskrun: bool,

    /// Address for plain HTTP; may be repeated (in the variable: separated by commas). `*` in place
    /// of the IP is every address of IPv4 and IPv6, `localhost` loopback of both, each as far as
    /// the machine has it; an IP that it does not have is an error, and `[::]` is IPv6 alone. Port
    /// 0 takes a free port
    #[arg(
        long,
        env = "RINGWAY_HTTP_BIND",
        value_name = "IP:PORT",
        value_delimiter = ',',
        default_value = "*:80",
        help_heading = "Listeners"
    )]
    pub http_bind: Vec<Bind>,

    /// Address for HTTPS, in the same form; may be repeated
    #[arg(
        long,
        env = "RINGWAY_HTTPS_BIND",
        value_name = "IP:PORT",
        value_delimiter = ',',
        default_value = "*:443",
        help_heading = "Listeners"
    )]
    pub https_bind: Vec<Bind>,

    /// Addresses (CIDR) of load balancers that put a PROXY protocol header in front of each
    /// connection, version 1 or 2; what they say of the client is believed, and a connection of
    /// theirs without one is closed. Others are served as they come
    #[arg(
        long,
        env = "RINGWAY_PROXY_PROTOCOL_TRUSTED",
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Listeners"
    )]
    pub proxy_protocol_trusted: Vec<Cidr>,

    /// Seconds from the accept of an HTTPS connection to the end of its TLS handshake; then it is
    /// closed
    #[arg(
        long, env = "RINGWAY_TLS_HANDSHAKE_TIMEOUT", value_name = "SECONDS",
        default_value = "10", value_parser = parse::positive_seconds, help_heading = "Listeners"
    )]
    pub tls_handshake_timeout: Duration,

    /// Address for metrics and health, in the same form; may be repeated
    #[arg(
        long,
        env = "RINGWAY_ADMIN_BIND",
        value_name = "IP:PORT",
        value_delimiter = ',',
        default_value = "localhost:9901",
        help_heading = "Listeners"
    )]
    pub admin_bind: Vec<Bind>,

    /// File with a token, at least 16 characters: who asks there for more than health and metrics
    /// has to send it, as `Authorization: Bearer`. Read again for each request
    /// [default: whoever can connect may look]
    #[arg(long, env = "RINGWAY_ADMIN_TOKEN_FILE", value_name = "FILE", help_heading = "Listeners")]
    pub admin_token_file: Option<PathBuf>,

    /// What /healthz says there: the process is alive, or also that traffic may come, as /readyz
    #[arg(
        long,
        env = "RINGWAY_HEALTHZ",
        value_enum,
        default_value = "alive",
        help_heading = "Listeners"
    )]
    pub healthz: Healthz,

    /// Client connections at a time, all workers together; further ones are refused
    /// [default: two fifths of the descriptors that the process may open]
    #[arg(long, env = "RINGWAY_MAX_CONNECTIONS", value_name = "N", help_heading = "Listeners")]
    pub max_connections: Option<usize>,

    /// Seconds from the first byte of a request's head to its last; then status 408
    #[arg(
        long, env = "RINGWAY_CLIENT_HEADER_TIMEOUT", value_name = "SECONDS",
        default_value = "60", value_parser = parse::positive_seconds, help_heading = "Clients"
    )]
    pub client_header_timeout: Duration,

    /// Seconds between two reads of a request's body; then status 408
    #[arg(
        long, env = "RINGWAY_CLIENT_BODY_TIMEOUT", value_name = "SECONDS",
        default_value = "60", value_parser = parse::positive_seconds, help_heading = "Clients"
    )]
    pub client_body_timeout: Duration,

    /// Seconds between two writes to a client; then the connection is closed
    #[arg(
        long, env = "RINGWAY_CLIENT_SEND_TIMEOUT", value_name = "SECONDS",
        default_value = "60", value_parser = parse::positive_seconds, help_heading = "Clients"
    )]
    pub client_send_timeout: Duration,

    /// Longest request body in bytes, with an optional k, m or g, where an Ingress says nothing;
    /// longer: status 413; 0: no limit
    #[arg(
        long, env = "RINGWAY_CLIENT_MAX_BODY_SIZE", value_name = "BYTES",
        default_value = "1m", value_parser = parse::bytes, help_heading = "Clients"
    )]
    pub client_max_body_size: u64,

    /// Seconds that a client connection may be idle between two requests; 0: close after each
    #[arg(
        long, env = "RINGWAY_KEEP_ALIVE_TIMEOUT", value_name = "SECONDS",
        default_value = "75", value_parser = parse::seconds, help_heading = "Clients"
    )]
    pub keep_alive_timeout: Duration,

    /// Requests of one client connection; 0: no limit
    #[arg(
        long,
        env = "RINGWAY_KEEP_ALIVE_REQUESTS",
        value_name = "N",
        default_value_t = 0,
        help_heading = "Clients"
    )]
    pub keep_alive_requests: u64,

    /// Seconds that a request may wait for a connection, TLS handshake and HTTP/2 SETTINGS
    /// included, all endpoints that it tries together; then status 504
    #[arg(
        long, env = "RINGWAY_PROXY_CONNECT_TIMEOUT", value_name = "SECONDS",
        default_value = "5", value_parser = parse::positive_seconds, help_heading = "Upstreams"
    )]
    pub proxy_connect_timeout: Duration,

    /// Seconds between two writes to an endpoint; then status 504
    #[arg(
        long, env = "RINGWAY_PROXY_SEND_TIMEOUT", value_name = "SECONDS",
        default_value = "60", value_parser = parse::positive_seconds, help_heading = "Upstreams"
    )]
    pub proxy_send_timeout: Duration,

    /// Seconds between two reads from an endpoint; then status 504
    #[arg(
        long, env = "RINGWAY_PROXY_READ_TIMEOUT", value_name = "SECONDS",
        default_value = "60", value_parser = parse::positive_seconds, help_heading = "Upstreams"
    )]
    pub proxy_read_timeout: Duration,

    /// Endpoints that a request may try, the first one included, after an error or a timeout; 0: up
    /// to 20
    #[arg(
        long, env = "RINGWAY_PROXY_NEXT_UPSTREAM_TRIES", value_name = "N", default_value_t = 3,
        value_parser = parse::tries, help_heading = "Upstreams"
    )]
    pub proxy_next_upstream_tries: u32,

    /// Seconds after its beginning in which a request may be passed to another endpoint; 0: at any
    /// time
    #[arg(
        long, env = "RINGWAY_PROXY_NEXT_UPSTREAM_TIMEOUT", value_name = "SECONDS",
        default_value = "0", value_parser = parse::seconds, help_heading = "Upstreams"
    )]
    pub proxy_next_upstream_timeout: Duration,

    /// How an endpoint is chosen
    #[arg(
        long,
        env = "RINGWAY_LOAD_BALANCE",
        value_enum,
        default_value = "round_robin",
        help_heading = "Upstreams"
    )]
    pub load_balance: LoadBalance,

    /// Idle connections kept to each endpoint, all workers together; 0: none
    #[arg(
        long,
        env = "RINGWAY_POOL_IDLE_PER_ENDPOINT",
        value_name = "N",
        default_value_t = 1024,
        help_heading = "Upstreams"
    )]
    pub pool_idle_per_endpoint: usize,

    /// Seconds that an idle connection to an endpoint is kept; should be less than the endpoint
    /// keeps it
    #[arg(
        long, env = "RINGWAY_POOL_IDLE_TIMEOUT", value_name = "SECONDS",
        default_value = "55", value_parser = parse::seconds, help_heading = "Upstreams"
    )]
    pub pool_idle_timeout: Duration,

    /// Seconds that a connection to an endpoint may live; it ends between two requests
    #[arg(
        long, env = "RINGWAY_POOL_MAX_AGE", value_name = "SECONDS",
        default_value = "600", value_parser = parse::seconds, help_heading = "Upstreams"
    )]
    pub pool_max_age: Duration,

    /// Idle connections kept to all endpoints, all workers together, as far as client connections
    /// leave descriptors; 0: none
    #[arg(
        long,
        env = "RINGWAY_POOL_TOTAL",
        value_name = "N",
        default_value_t = 4096,
        help_heading = "Upstreams"
    )]
    pub pool_total: usize,

    /// Seconds between the end of readiness and the begin of the drain, for load balancers to
    /// notice
    #[arg(
        long, env = "RINGWAY_DRAIN_DELAY", value_name = "SECONDS",
        default_value = "10", value_parser = parse::seconds, help_heading = "Shutdown"
    )]
    pub drain_delay: Duration,

    /// Seconds that requests under way have to end during the drain
    #[arg(
        long, env = "RINGWAY_DRAIN_TIMEOUT", value_name = "SECONDS",
        default_value = "240", value_parser = parse::seconds, help_heading = "Shutdown"
    )]
    pub drain_timeout: Duration,

    /// Ingresses of this class are served
    #[arg(
        long,
        env = "RINGWAY_INGRESS_CLASS",
        value_name = "NAME",
        default_value = "ringway",
        help_heading = "Routing"
    )]
    pub ingress_class: String,

    /// IngressClasses with this `spec.controller` are ours, whatever their names
    #[arg(
        long,
        env = "RINGWAY_CONTROLLER_CLASS",
        value_name = "VALUE",
        default_value = "ringway.dev/ingress",
        help_heading = "Routing"
    )]
    pub controller_class: String,

    /// GatewayClasses with this `spec.controllerName` are ours
    #[arg(
        long,
        env = "RINGWAY_GATEWAY_CONTROLLER",
        value_name = "VALUE",
        default_value = "ringway.dev/gateway",
        help_heading = "Routing"
    )]
    pub gateway_controller: String,

    /// Addresses (CIDR) of which each Gateway gets one of its own, and which Gateways may name; may
    /// be repeated [default: Gateways are where --http-bind and --https-bind are]
    #[arg(
        long,
        env = "RINGWAY_GATEWAY_ADDRESSES",
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Routing"
    )]
    pub gateway_addresses: Vec<Cidr>,

    /// Serve Ingresses that name no class
    #[arg(long, env = "RINGWAY_WATCH_INGRESS_WITHOUT_CLASS", help_heading = "Routing")]
    pub watch_ingress_without_class: bool,

    /// Ingresses whose class has the name of --ingress-class are ours, whatever its IngressClass
    /// says
    #[arg(long, env = "RINGWAY_INGRESS_CLASS_BY_NAME", help_heading = "Routing")]
    pub ingress_class_by_name: bool,

    /// Leave Ingresses with a default backend alone
    #[arg(long, env = "RINGWAY_DISABLE_CATCH_ALL", help_heading = "Routing")]
    pub disable_catch_all: bool,

    /// Services of type ExternalName have no endpoints
    #[arg(long, env = "RINGWAY_DISABLE_SVC_EXTERNAL_NAME", help_heading = "Routing")]
    pub disable_svc_external_name: bool,

    /// Objects that are named.
    #[command(flatten)]
    pub named: NamedObjects,

    /// Path that is answered with 200 for hosts without rules, so that load balancers can probe the
    /// traffic ports; empty: none
    #[arg(
        long, env = "RINGWAY_HEALTH_CHECK_PATH", value_name = "PATH",
        default_value = "/healthz", value_parser = parse::health_check_path,
        help_heading = "Routing"
    )]
    pub health_check_path: Arc<str>,

    /// Seconds that browsers shall use nothing but https for a host with a TLS entry
    /// (Strict-Transport-Security); 0: the field is not sent
    #[arg(
        long,
        env = "RINGWAY_HSTS_MAX_AGE",
        value_name = "SECONDS",
        default_value_t = 31_536_000,
        help_heading = "TLS"
    )]
    pub hsts_max_age: u32,

    /// The same for all subdomains of the host
    #[arg(
        long,
        env = "RINGWAY_HSTS_INCLUDE_SUBDOMAINS",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        help_heading = "TLS"
    )]
    pub hsts_include_subdomains: bool,

    /// Agree to the host's entry in the list that browsers are shipped with
    #[arg(
        long,
        env = "RINGWAY_HSTS_PRELOAD",
        value_name = "BOOL",
        default_value_t = false,
        action = clap::ArgAction::Set,
        help_heading = "TLS"
    )]
    pub hsts_preload: bool,

    /// Metrics.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Access log: none, one JSON object a line, or the default format of ingress-nginx
    /// [default: off; nginx with --configmap or the controller class of ingress-nginx]
    #[arg(long, env = "RINGWAY_ACCESS_LOG", value_enum, help_heading = "Logs")]
    pub access_log: Option<AccessLogFormat>,

    /// File of the access log; opened again on SIGUSR1 [default: standard output]
    #[arg(long, env = "RINGWAY_ACCESS_LOG_FILE", value_name = "FILE", help_heading = "Logs")]
    pub access_log_file: Option<PathBuf>,

    /// Least severity of the log on standard error
    #[arg(
        long,
        env = "RINGWAY_LOG_LEVEL",
        value_enum,
        default_value = "info",
        help_heading = "Logs"
    )]
    pub log_level: LogLevel,
}

/// Values of `--load-balance`, spelled as ingress-nginx spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LoadBalance {
    /// In turn, from a random start per worker.
    RoundRobin,
    /// The less busy of two random ones.
    LeastRequest,
    /// The one of two random ones that answers sooner.
    Ewma,
}

impl From<LoadBalance> for Balance {
    fn from(value: LoadBalance) -> Self {
        match value {
            LoadBalance::RoundRobin => Self::RoundRobin,
            LoadBalance::LeastRequest => Self::LeastRequest,
            LoadBalance::Ewma => Self::PeakEwma,
        }
    }
}

/// Objects that flags name, of whatever reads them.
#[derive(Debug, Clone, clap::Args)]
pub struct NamedObjects {
    /// Service that answers what no rule matches, instead of status 404
    #[arg(
        long, env = "RINGWAY_DEFAULT_BACKEND_SERVICE", value_name = "NAMESPACE/NAME[:PORT]",
        value_parser = parse::backend, help_heading = "Routing"
    )]
    pub default_backend_service: Option<BackendKey>,

    /// ConfigMap with settings that hold for all Ingresses
    #[arg(
        long, env = "RINGWAY_CONFIGMAP", value_name = "NAMESPACE/NAME",
        value_parser = parse::config_map, help_heading = "Routing"
    )]
    pub configmap: Option<ObjectRef>,

    /// ConfigMap of TCP services: PORT: NAMESPACE/SERVICE:PORT, then :PROXY once or twice
    #[arg(
        long, env = "RINGWAY_TCP_SERVICES_CONFIGMAP", value_name = "NAMESPACE/NAME",
        value_parser = parse::config_map, help_heading = "Routing"
    )]
    pub tcp_services_configmap: Option<ObjectRef>,

    /// ConfigMap of UDP services: PORT: NAMESPACE/SERVICE:PORT
    #[arg(
        long, env = "RINGWAY_UDP_SERVICES_CONFIGMAP", value_name = "NAMESPACE/NAME",
        value_parser = parse::config_map, help_heading = "Routing"
    )]
    pub udp_services_configmap: Option<ObjectRef>,

    /// Secret with the certificate for hosts that have none and for clients that name no host
    /// [default: a self-signed certificate, made at each start]
    #[arg(
        long, env = "RINGWAY_DEFAULT_SSL_CERTIFICATE", value_name = "NAMESPACE/NAME",
        value_parser = parse::secret, help_heading = "TLS"
    )]
    pub default_ssl_certificate: Option<ObjectRef>,

    /// Secret whose entry `keys` has the keys of session tickets, 80 bytes each, one after the
    /// other: the first makes tickets, all open them. Replicas that share it resume each other's
    /// sessions [default: random keys of this process, renewed every six hours]
    #[arg(
        long, env = "RINGWAY_TLS_TICKET_KEYS", value_name = "NAMESPACE/NAME",
        value_parser = parse::secret, help_heading = "TLS"
    )]
    pub tls_ticket_keys: Option<ObjectRef>,
}
