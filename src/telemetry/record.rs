//! What is known of a finished exchange: what metrics and access log are made from.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::filter::Call;
use crate::model::{BackendKey, Origin};
use crate::table::SeriesId;

/// One finished exchange, as metrics and access log see it.
pub struct ExchangeRecord<'a> {
    /// Labels of the series; `None`: nothing matched.
    pub series: Option<SeriesId>,
    /// Where the rule comes from; `None`: nothing matched.
    pub origin: Option<&'a Origin>,
    /// The chosen backend of the rule.
    pub backend: Option<&'a BackendKey>,
    /// The one that the rule names, of a request that came to none.
    pub named: Option<&'a BackendKey>,
    /// The canary that was asked in its place.
    pub canary: Option<&'a BackendKey>,
    /// Status sent; 499: the client went away first; 0: connection broken before any status.
    pub status: u16,
    /// Wall clock at its start.
    pub started_at: SystemTime,
    /// First byte of the request head to last byte of the response.
    pub duration: Duration,
    /// Client.
    pub client: SocketAddr,
    /// As sent.
    pub method: &'a [u8],
    /// As sent.
    pub target: &'a [u8],
    /// `HTTP/1.1`, …
    pub protocol: &'static str,
    /// Host as sent.
    pub host: &'a [u8],
    /// Field value, empty: none.
    pub referer: &'a [u8],
    /// Field value, empty: none.
    pub user_agent: &'a [u8],
    /// As sent upstream.
    pub request_id: &'a [u8],
    /// Head and body bytes received.
    pub request_bytes: u64,
    /// Body bytes sent to the client.
    pub response_body_bytes: u64,
    /// Bytes sent to the client.
    pub response_bytes: u64,
    /// Head of the answer, where the form of the access log has a field of it.
    pub sent_head: &'a [u8],
    /// The same of what the last endpoint answered.
    pub upstream_head: &'a [u8],
    /// In order; empty: no upstream was asked.
    pub attempts: &'a [Attempt],
}

impl ExchangeRecord<'_> {
    /// Wall clock at its end.
    #[must_use]
    pub fn ended_at(&self) -> SystemTime {
        self.started_at.checked_add(self.duration).unwrap_or(self.started_at)
    }
}

/// One try at an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The endpoint.
    pub address: SocketAddr,
    /// Its answer; `None`: none came.
    pub status: Option<u16>,
    /// Why there is none, or only a part of one.
    pub reason: Option<&'static str>,
    /// Body bytes received.
    pub response_bytes: u64,
    /// Connect and response.
    pub duration: Duration,
    /// Until there was a connection, zero for one that was there before; `None`: there was none.
    pub connect_time: Option<Duration>,
    /// Until the head of the answer was here; `None`: none came.
    pub header_time: Option<Duration>,
    /// What it is in the request's trace; `None`: that is not recorded.
    pub call: Option<Call>,
}
