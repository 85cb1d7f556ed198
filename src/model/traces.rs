//! Which requests are traced, and where their spans go.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::filter::{Sampler, TracePlan};

/// Of all requests. What each rule wants is in its policies.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Of requests that no rule matches; `None`: they are not traced.
    pub unmatched: Option<Arc<TracePlan>>,
    /// Who gets the spans; `None`: nobody, and none are made.
    pub collector: Option<Collector>,
    /// Our name in traces.
    pub service: Box<str>,
    /// How spans are sent.
    pub batches: SpanBatches,
}

/// A collector of OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// What it speaks.
    pub protocol: CollectorProtocol,
    /// Over what.
    pub channel: CollectorChannel,
    /// Name or address, without brackets.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
}

/// What octets for a collector are sent over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectorChannel {
    /// TCP.
    ClearText,
    /// TLS; its certificate is for its name and from an authority that the system trusts.
    Tls,
}

/// What carries messages of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectorProtocol {
    /// gRPC.
    Grpc,
    /// HTTP/1.1, with messages in octets.
    Http,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanBatches {
    /// How many may wait; the surplus is lost.
    pub queue_spans: usize,
    /// How many are sent at a time.
    pub batch_spans: usize,
    /// How long they wait for others.
    pub delay: Duration,
}

impl CollectorChannel {
    /// What URIs of it begin with.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::ClearText => "http",
            Self::Tls => "https",
        }
    }
}

impl Collector {
    /// Its port, if none is said.
    pub const PORT: u16 = 4317;

    /// Host and port as in a URI.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

impl Default for Traces {
    /// That of ingress-nginx.
    fn default() -> Self {
        Self {
            sampler: Sampler::default(),
            unmatched: None,
            collector: None,
            service: "nginx".into(),
            batches: SpanBatches {
                queue_spans: 2048,
                batch_spans: 512,
                delay: Duration::from_secs(5),
            },
        }
    }
}
