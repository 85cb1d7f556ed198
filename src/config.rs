//! What the operator typed ([`Args`]), and what it means ([`Config`]).

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{BackendKey, Balance};

/// Which I/O driver the cores use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// io_uring where it is allowed, else epoll with one warning.
    Auto,
    /// io_uring or an error.
    Uring,
    /// epoll.
    Epoll,
}

/// Form of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// No access log.
    Off,
    /// One JSON object a line.
    Json,
    /// The default format of ingress-nginx.
    Nginx,
}

/// Everything the data plane is told by flags.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Worker threads.
    pub cores: usize,
    /// Pin worker `i` to the `i`-th CPU of the process's affinity mask.
    pub pin: bool,
    /// I/O driver.
    pub driver: Driver,
    /// Ring with `DEFER_TASKRUN` (experimental).
    pub ring_defer_taskrun: bool,
    /// Plain HTTP listeners; port 0 takes a free port.
    pub http_bind: Vec<SocketAddr>,
    /// Idle connections kept per endpoint, all cores together.
    pub pool_idle_per_endpoint: usize,
    /// How long an idle upstream connection is kept.
    pub pool_idle_timeout: Duration,
    /// How old an upstream connection may become; checked when it goes idle.
    pub pool_max_age: Duration,
    /// Idle upstream connections in all, all cores together.
    pub pool_total: usize,
    /// Downstream connections, all cores together.
    pub max_connections: usize,
    /// First byte of a head to its last; then 408.
    pub client_header_timeout: Duration,
    /// Between two reads of a request body; then 408.
    pub client_body_timeout: Duration,
    /// Between two writes to a client.
    pub client_send_timeout: Duration,
    /// Longest request body; 0: no limit.
    pub client_max_body_size: u64,
    /// Idle time between two requests.
    pub keep_alive_timeout: Duration,
    /// Requests of one connection; 0: no limit.
    pub keep_alive_requests: u64,
    /// Connection to an endpoint.
    pub proxy_connect_timeout: Duration,
    /// Between two writes to an endpoint.
    pub proxy_send_timeout: Duration,
    /// Between two reads from an endpoint.
    pub proxy_read_timeout: Duration,
    /// Choice of an endpoint where the rule does not say.
    pub balance: Balance,
    /// Access log.
    pub access_log: AccessLogFormat,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the data plane.
    pub proxy: ProxyConfig,
    /// Admin listener.
    pub admin_bind: SocketAddr,
    /// Readiness is off this long before the drain begins.
    pub drain_delay: Duration,
    /// In-flight exchanges have this long.
    pub drain_timeout: Duration,
    /// Our Ingress class.
    pub ingress_class: String,
    /// Serves what nothing matches.
    pub default_backend: Option<BackendKey>,
}
