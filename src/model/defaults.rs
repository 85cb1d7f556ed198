//! What holds where a rule says nothing.

use std::time::Duration;

use super::policy::{Balance, RetryCauses};
use crate::limits::INGRESS_BODY_BYTES_MAX;

/// Every value that a rule's [`super::Policies`] may leave open. Said by flags; part of the model,
/// so that another value makes other plans and no request looks anywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// For the connections of one request, all its tries together.
    pub connect_timeout: Duration,
    /// Between two writes to an endpoint.
    pub send_timeout: Duration,
    /// Between two reads from an endpoint.
    pub read_timeout: Duration,
    /// Tries of a request, from 1.
    pub tries: u32,
    /// How long after its beginning a request may be passed on; zero: at any time.
    pub tries_time: Duration,
    /// After which failures it may be.
    pub retry_causes: RetryCauses,
    /// Longest request body; `None`: any.
    pub body_bytes_max: Option<u64>,
    /// Choice of an endpoint.
    pub balance: Balance,
}

impl Default for Defaults {
    /// Those of the flags, which are those of ingress-nginx.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(60),
            read_timeout: Duration::from_secs(60),
            tries: 3,
            tries_time: Duration::ZERO,
            retry_causes: RetryCauses::DEFAULT,
            body_bytes_max: Some(INGRESS_BODY_BYTES_MAX),
            balance: Balance::RoundRobin,
        }
    }
}
