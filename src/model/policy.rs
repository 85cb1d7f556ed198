//! How requests of a rule are treated on their way. `None`: what [`super::Defaults`] say holds.

use std::sync::Arc;
use std::time::Duration;

use crate::filter::Refusal;

/// Treatment of one rule's requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Repetition of failed attempts.
    pub retry: RetryPolicy,
    /// Choice of an endpoint.
    pub balance: Option<Balance>,
    /// Longest request body, 0: any; longer: 413.
    pub body_bytes_max: Option<u64>,
    /// Status of the redirect to https that a request over http gets; `None`: it is served.
    pub https_redirect: Option<u16>,
    /// Value of Strict-Transport-Security (RFC 6797 section 6.1), on answers over https alone.
    pub hsts: Option<Arc<str>>,
    /// Value of Host towards the backend; `None`: the client's.
    pub upstream_host: Option<Arc<str>>,
    /// What the backend is told of the client's certificate.
    pub client_identity: ClientIdentityPolicy,
    /// No request is served, over http and https alike, and none is redirected.
    pub refusal: Option<Refusal>,
}

/// What a backend is told of the client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ClientIdentityPolicy {
    /// Nothing: the host checks none.
    #[default]
    Untold,
    /// Whether it is good, its subject and its issuer.
    Told,
    /// The same, and the certificate itself.
    WithCertificate,
}

/// Deadlines of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Whole exchange, retries included (Gateway API `timeouts.request`); then 504.
    pub request: Option<Duration>,
    /// One attempt (Gateway API `timeouts.backendRequest`).
    pub backend_request: Option<Duration>,
    /// Connection to an endpoint.
    pub connect: Option<Duration>,
    /// Between two writes to the endpoint.
    pub send: Option<Duration>,
    /// Between two reads from the endpoint.
    pub read: Option<Duration>,
}

/// When an attempt is repeated on another endpoint, beyond failures and timeouts before a response
/// of requests that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryPolicy {
    /// Tries in all, at most [`crate::limits::TRIES_MAX`].
    pub tries: Option<u32>,
    /// How long after the first try begun another one may begin; zero: at any time.
    pub time: Option<Duration>,
    /// Response status codes that count as a failed attempt.
    pub statuses: Vec<u16>,
    /// Least pause before a repetition.
    pub backoff: Option<Duration>,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Balance {
    /// In turn, from a random start per core.
    #[default]
    RoundRobin,
    /// The less busy of two random ones.
    LeastRequest,
    /// The one of two random ones with the lower peak EWMA of response time × requests in flight.
    PeakEwma,
}
