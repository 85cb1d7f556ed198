//! What holds where a rule says nothing, and what holds for all of them.

use std::sync::Arc;
use std::time::Duration;

use super::compression::CompressionPolicy;
use super::policy::{Balance, RetryCauses, ServerField};
use crate::filter::{FieldEdits, LimitStatuses, Text};
use crate::limits::INGRESS_BODY_BYTES_MAX;

/// Every value that a rule's [`super::Policies`] may leave open, and what all rules have. Said by
/// flags and by the ConfigMap of the controller; part of the model, so that another value makes
/// other plans and no request looks anywhere else.
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
    /// What every answer has set, whoever makes it, a rule or none.
    pub answer_fields: Arc<FieldEdits>,
    /// Fields of backends that clients do not get.
    pub hidden_fields: Arc<FieldEdits>,
    /// Lines that backends get in place of the client's of the same names.
    pub upstream_set: Arc<FieldEdits>,
    /// The same whose values depend on the request; an empty one is no line.
    pub upstream_fields: Arc<[(Box<str>, Text)]>,
    /// What becomes of Server.
    pub server: ServerField,
    /// How clients are answered that ask too much.
    pub limit_statuses: LimitStatuses,
    /// Which bodies are compressed.
    pub compression: Arc<CompressionPolicy>,
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
            answer_fields: Arc::default(),
            hidden_fields: Arc::default(),
            upstream_set: Arc::default(),
            upstream_fields: Arc::default(),
            server: ServerField::Removed,
            limit_statuses: LimitStatuses::default(),
            compression: Arc::default(),
        }
    }
}
