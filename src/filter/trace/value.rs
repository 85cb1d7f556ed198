//! What texts may say of traces, by the names of nginx' module.

/// What texts may say of the trace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TraceValue {
    /// `$opentelemetry_trace_id`.
    TraceId,
    /// `$opentelemetry_span_id`.
    SpanId,
    /// `$opentelemetry_sampled`: `1` or `0`.
    Sampled,
    /// `$opentelemetry_context_traceparent`.
    Parent,
    /// `$opentelemetry_context_tracestate`.
    State,
    /// `$opentelemetry_context_b3`.
    B3,
}

impl TraceValue {
    /// That of a variable's name, without `$`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("opentelemetry_")? {
            "trace_id" => Some(Self::TraceId),
            "span_id" => Some(Self::SpanId),
            "sampled" => Some(Self::Sampled),
            "context_traceparent" => Some(Self::Parent),
            "context_tracestate" => Some(Self::State),
            "context_b3" => Some(Self::B3),
            _ => None,
        }
    }
}
