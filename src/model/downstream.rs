//! How the connections of clients are treated, whatever they ask for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blocked::Blocked;
use super::metrics::SeriesDetail;
use super::request_log::RequestLog;
use super::traces::Traces;
use crate::filter::{AddressRanges, ForwardedPolicy};
use crate::limits::HTTP2_STREAMS_MAX;

/// What holds for all connections of clients. Said by flags, then by the controller's ConfigMap;
/// published with the table, so that a change cuts no connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Downstream {
    /// Of whom no request is served; `None`: of everybody.
    pub blocked: Option<Arc<Blocked>>,
    /// Where ids of requests come from.
    pub request_ids: RequestIds,
    /// Who begins with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// What is believed of proxies in front.
    pub forwarded: ForwardedPolicy,
    /// First octet of a head to its last; then 408.
    pub header_timeout: Duration,
    /// Between two reads of a request body; then 408.
    pub body_timeout: Duration,
    /// Between two writes to a client.
    pub send_timeout: Duration,
    /// Idle time between two requests; zero: a connection ends with its first request.
    pub keep_alive_timeout: Duration,
    /// Requests of one connection; 0: no limit.
    pub keep_alive_requests: u64,
    /// Requests of one connection of HTTP/2 at a time.
    pub http2_streams: u32,
    /// What becomes of fields with odd names.
    pub odd_names: OddNames,
    /// Which of their requests are logged, and how.
    pub log: RequestLog,
    /// Which of their requests metrics tell apart; said by flags alone.
    pub series: SeriesDetail,
    /// Which are traced, and who is told.
    pub traces: Arc<Traces>,
}

/// Who begins with a PROXY header, and is closed without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyProtocol {
    /// Peers that do.
    pub introducing: AddressRanges,
    /// Those of them that are believed; of others the header is read and means nothing.
    pub believed: AddressRanges,
}

/// What becomes of request fields with other characters in their names than letters, digits and
/// `-`, which backends of the CGI kind cannot tell from names with `-`. Those that could be taken
/// for fields of ours are left out in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OddNames {
    /// They are left out.
    #[default]
    Dropped,
    /// Those with `_` are passed on.
    Underscores,
    /// All are.
    Passed,
}

impl OddNames {
    /// Whether a field of such a name is passed on.
    #[must_use]
    pub fn pass(self, name: &[u8]) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        match self {
            Self::Dropped => false,
            Self::Underscores => name.iter().all(is_plain),
            Self::Passed => true,
        }
    }
}

impl ProxyProtocol {
    /// These addresses, each with the number of its bits that count, introduce their clients and
    /// are believed.
    #[must_use]
    pub fn of(ranges: impl Iterator<Item = (IpAddr, u32)>) -> Self {
        let introducing: AddressRanges = ranges.collect();
        Self { believed: introducing.clone(), introducing }
    }
}

impl Downstream {
    /// Whether a connection carries several requests.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.keep_alive_timeout.is_zero()
    }
}

impl Default for Downstream {
    /// That of the flags.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            blocked: None,
            request_ids: RequestIds::Made,
            proxy_protocol: ProxyProtocol::default(),
            forwarded: ForwardedPolicy::default(),
            header_timeout: minute,
            body_timeout: minute,
            send_timeout: minute,
            keep_alive_timeout: Duration::from_secs(75),
            keep_alive_requests: 0,
            http2_streams: HTTP2_STREAMS_MAX,
            odd_names: OddNames::default(),
            log: RequestLog::default(),
            series: SeriesDetail::default(),
            traces: Arc::default(),
        }
    }
}

/// Where the id of a request comes from, which its backend gets in X-Request-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestIds {
    /// From the client, or made if it sends none.
    #[default]
    Made,
    /// From the client alone.
    Sent,
}
