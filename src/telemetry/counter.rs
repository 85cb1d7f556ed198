//! The counts and gauges of a core, and what the world calls them.
//!
//! A variant without a row in the tables does not compile or fails a test.

/// Monotonic counts of one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Downstream connections accepted.
    ConnectionsAccepted,
    /// Downstream connections closed.
    ConnectionsClosed,
    /// Downstream connections refused at `--max-connections`.
    ConnectionsRefused,
    /// Accepts that failed for want of a descriptor.
    AcceptsExhausted,
    /// Requests begun (head complete).
    Requests,
    /// Heads refused (400, 414, 431, 501, 505, 417, 405).
    RequestsMalformed,
    /// Clients that did not finish a head or body in time (408 or close).
    ClientTimeouts,
    /// Clients that went away during an exchange (499).
    ClientAborts,
    /// Upstream connections opened.
    UpstreamConnects,
    /// Upstream connections that could not be opened.
    UpstreamConnectFailures,
    /// Exchanges that used a pooled connection.
    UpstreamReuses,
    /// Pooled connections found dead or with unexpected bytes at checkout.
    UpstreamStale,
    /// Connections returned to a pool.
    UpstreamReleases,
    /// Attempts repeated.
    UpstreamRetries,
    /// Endpoints ejected.
    UpstreamEjections,
    /// Upstream responses that broke the protocol (502).
    UpstreamMalformed,
    /// Upstream timeouts (504).
    UpstreamTimeouts,
    /// Connections switched to a tunnel after 101.
    Upgrades,
    /// Connection tasks that panicked.
    Panics,
    /// Requests refused by `413`.
    BodiesTooLarge,
    /// Requests that a server of external authentication did not let pass.
    ExternalAuthDenied,
    /// Requests about which none said anything (500).
    ExternalAuthUndecided,
    /// Requests about which an answer was kept.
    ExternalAuthReuses,
    /// Copies of requests that were let go: too many at a time, or a long body.
    MirrorsDropped,
    /// Copies of requests that nobody answered.
    MirrorsFailed,
    /// Connections closed because a trusted peer sent no valid PROXY protocol header.
    ProxyHeadersInvalid,
    /// TLS handshakes completed with clients.
    TlsHandshakes,
    /// TLS handshakes with clients that failed or took too long.
    TlsHandshakeFailures,
    /// Client connections that speak HTTP/2.
    Http2Connections,
    /// HTTP/2 connections ended because of what the client sent.
    Http2Abuses,
    /// Requests that their connection cannot serve (421): other client certificates are
    /// demanded, or its listener is gone.
    RequestsMisdirected,
    /// Requests refused for want of an acceptable client certificate (400).
    ClientCertificatesRefused,
    /// TLS handshakes with upstreams that failed.
    UpstreamTlsFailures,
    /// Requests that an upstream refused to look at (REFUSED_STREAM, GOAWAY).
    UpstreamRefusals,
    /// Idle upstream connections closed because descriptors were used up.
    UpstreamEvictions,
    /// Requests refused (503) for want of a descriptor, port or stream towards an upstream.
    UpstreamExhausted,
    /// Requests refused (503) because their password could not be checked in time.
    PasswordsUnchecked,
    /// Access-log lines dropped because the writer was behind.
    AccessLogDropped,
    /// Spans that found no room on their way to who sends them.
    SpansDropped,
    /// Requests refused (503) because their client asked too much of late.
    ClientRateExceeded,
    /// Requests refused (503) because too many of their client were under way.
    ClientRoomExceeded,
    /// Clients that were forgotten, although they had asked a while ago or still did, for want of
    /// room to count others.
    ClientLimitEvictions,
    /// Responses whose bodies were compressed.
    ResponsesCompressed,
    /// Responses whose bodies were not, because too many were at a time.
    CompressionsForgone,
    /// Connections of TCP services.
    TcpConnections,
    /// Datagrams of clients of UDP services.
    UdpDatagrams,
    /// Sessions of clients of UDP services.
    UdpSessions,
    /// Datagrams that could not be passed on.
    UdpDropped,
    /// Requests whose method and status the metrics of ingress-nginx do not tell apart any more.
    KindsTogether,
}

/// How many counters there are.
pub const COUNTERS: usize = Counter::KindsTogether as usize + 1;

/// Name (without prefix and `_total`) and help of every counter, in the order of the enum.
const COUNTER_TEXTS: [(Counter, &str, &str); COUNTERS] = [
    (Counter::ConnectionsAccepted, "connections_accepted", "Client connections accepted."),
    (Counter::ConnectionsClosed, "connections_closed", "Client connections closed."),
    (
        Counter::ConnectionsRefused,
        "connections_refused",
        "Client connections refused at the connection limit.",
    ),
    (
        Counter::AcceptsExhausted,
        "accepts_exhausted",
        "Accepts that failed for want of a file descriptor.",
    ),
    (Counter::Requests, "requests_begun", "Request heads received completely."),
    (
        Counter::RequestsMalformed,
        "requests_malformed",
        "Request heads refused because of their form or size.",
    ),
    (
        Counter::ClientTimeouts,
        "client_timeouts",
        "Clients that did not finish a head or a body in time.",
    ),
    (Counter::ClientAborts, "client_aborts", "Clients that went away during an exchange."),
    (Counter::UpstreamConnects, "upstream_connects", "Upstream connections opened."),
    (
        Counter::UpstreamConnectFailures,
        "upstream_connect_failures",
        "Upstream connections that could not be opened.",
    ),
    (Counter::UpstreamReuses, "upstream_reuses", "Exchanges that used a pooled connection."),
    (
        Counter::UpstreamStale,
        "upstream_stale",
        "Pooled connections found dead or with unexpected bytes.",
    ),
    (Counter::UpstreamReleases, "upstream_releases", "Upstream connections returned to a pool."),
    (Counter::UpstreamRetries, "upstream_retries", "Attempts repeated."),
    (Counter::UpstreamEjections, "upstream_ejections", "Endpoints ejected after failures."),
    (
        Counter::UpstreamMalformed,
        "upstream_malformed",
        "Upstream responses that broke the protocol.",
    ),
    (Counter::UpstreamTimeouts, "upstream_timeouts", "Upstreams that did not answer in time."),
    (Counter::Upgrades, "upgrades", "Connections switched to a tunnel."),
    (Counter::Panics, "panics", "Connection tasks that panicked."),
    (Counter::BodiesTooLarge, "bodies_too_large", "Requests refused because of their body size."),
    (
        Counter::ExternalAuthDenied,
        "external_auth_denied",
        "Requests that a server of external authentication did not let pass.",
    ),
    (
        Counter::ExternalAuthUndecided,
        "external_auth_undecided",
        "Requests refused for want of an answer of a server of external authentication.",
    ),
    (
        Counter::ExternalAuthReuses,
        "external_auth_reuses",
        "Requests decided by a kept answer of a server of external authentication.",
    ),
    (
        Counter::MirrorsDropped,
        "mirrors_dropped",
        "Copies of requests that were let go: too many at a time, or a long body.",
    ),
    (Counter::MirrorsFailed, "mirrors_failed", "Copies of requests that nobody answered."),
    (
        Counter::ProxyHeadersInvalid,
        "proxy_headers_invalid",
        "Connections closed because a trusted peer sent no valid PROXY protocol header.",
    ),
    (Counter::TlsHandshakes, "tls_handshakes", "TLS handshakes completed with clients."),
    (
        Counter::TlsHandshakeFailures,
        "tls_handshake_failures",
        "TLS handshakes with clients that failed or took too long.",
    ),
    (Counter::Http2Connections, "http2_connections", "Client connections that speak HTTP/2."),
    (
        Counter::Http2Abuses,
        "http2_abuses",
        "HTTP/2 connections ended because of what the client sent.",
    ),
    (
        Counter::RequestsMisdirected,
        "requests_misdirected",
        "Requests that their connection cannot serve (421): other client certificates are \
         demanded, or its listener is gone.",
    ),
    (
        Counter::ClientCertificatesRefused,
        "client_certificates_refused",
        "Requests refused for want of an acceptable client certificate (400).",
    ),
    (
        Counter::UpstreamTlsFailures,
        "upstream_tls_failures",
        "TLS handshakes with upstreams that failed.",
    ),
    (
        Counter::UpstreamRefusals,
        "upstream_refusals",
        "Requests that an upstream refused to look at (HTTP/2).",
    ),
    (
        Counter::UpstreamEvictions,
        "upstream_evictions",
        "Idle upstream connections closed because file descriptors were used up.",
    ),
    (
        Counter::UpstreamExhausted,
        "upstream_exhausted",
        "Requests refused for want of a file descriptor, port or stream towards an upstream.",
    ),
    (
        Counter::PasswordsUnchecked,
        "passwords_unchecked",
        "Requests refused because there was no time to check their password.",
    ),
    (
        Counter::AccessLogDropped,
        "access_log_dropped",
        "Access-log lines dropped because the writer was behind.",
    ),
    (
        Counter::SpansDropped,
        "spans_dropped",
        "Spans dropped because too many were under way to the thread that sends them.",
    ),
    (
        Counter::ClientRateExceeded,
        "client_rate_exceeded",
        "Requests refused because of limit-rps, limit-rpm or limit_req.",
    ),
    (
        Counter::ClientRoomExceeded,
        "client_room_exceeded",
        "Requests refused because of limit-connections or limit_conn.",
    ),
    (
        Counter::ClientLimitEvictions,
        "client_limit_evictions",
        "Clients whose requests were forgotten for want of room to count others.",
    ),
    (
        Counter::ResponsesCompressed,
        "responses_compressed",
        "Responses whose bodies were compressed.",
    ),
    (
        Counter::CompressionsForgone,
        "compressions_forgone",
        "Responses that were not compressed because too many were at a time.",
    ),
    (Counter::TcpConnections, "tcp_connections", "Connections of TCP services."),
    (Counter::UdpDatagrams, "udp_datagrams", "Datagrams of clients of UDP services."),
    (Counter::UdpSessions, "udp_sessions", "Sessions of clients of UDP services."),
    (
        Counter::UdpDropped,
        "udp_datagrams_dropped",
        "Datagrams of UDP services that could not be passed on.",
    ),
    (
        Counter::KindsTogether,
        "requests_together",
        "Requests that metrics of ingress-nginx do not tell apart by method and status: too many.",
    ),
];

impl Counter {
    /// Every counter with its name (without prefix and `_total`) and help.
    pub fn all() -> impl Iterator<Item = (Self, &'static str, &'static str)> {
        COUNTER_TEXTS.into_iter()
    }
}

/// Present amounts of one core; summed over the cores when exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Gauge {
    /// Client connections open.
    ConnectionsOpen,
    /// Exchanges under way.
    ExchangesActive,
    /// Upstream connections open, in use or idle.
    UpstreamConnectionsOpen,
    /// Upstream connections in a pool.
    UpstreamConnectionsIdle,
}

/// How many gauges there are.
pub const GAUGES: usize = Gauge::UpstreamConnectionsIdle as usize + 1;

/// Name (without prefix) and help of every gauge, in the order of the enum.
const GAUGE_TEXTS: [(Gauge, &str, &str); GAUGES] = [
    (Gauge::ConnectionsOpen, "connections_open", "Client connections open."),
    (Gauge::ExchangesActive, "exchanges_active", "Exchanges under way."),
    (
        Gauge::UpstreamConnectionsOpen,
        "upstream_connections_open",
        "Upstream connections open, in use or idle.",
    ),
    (
        Gauge::UpstreamConnectionsIdle,
        "upstream_connections_idle",
        "Upstream connections idle in a pool.",
    ),
];

impl Gauge {
    /// Every gauge with its name (without prefix) and help.
    pub fn all() -> impl Iterator<Item = (Self, &'static str, &'static str)> {
        GAUGE_TEXTS.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_counter_and_gauge_has_a_name_and_a_help_of_its_own() {
        let mut names = HashSet::new();
        let mut helps = HashSet::new();
        let counters = Counter::all().map(|(c, name, help)| (c as usize, name, help));
        let gauges = Gauge::all().map(|(g, name, help)| (g as usize, name, help));
        let places = (0..COUNTERS).chain(0..GAUGES);
        for (place, (index, name, help)) in places.zip(counters.chain(gauges)) {
            assert_eq!(index, place, "{name} stands at the place of another");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert!(!name.ends_with("_total"), "the encoder appends it: {name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{help}");
            assert!(names.insert(name), "{name}");
            assert!(index >= GAUGES || helps.insert(help) || help.contains("open"), "{help}");
        }
        assert_eq!(names.len(), COUNTERS + GAUGES);
    }
}
