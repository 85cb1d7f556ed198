//! Traces: which one a request belongs to, whether it is recorded, and what others are told of it.

mod context;
mod incoming;
mod plan;
mod sampler;
pub(super) mod value;

pub use context::{Sampling, SpanContext, SpanId, TraceId, put_hex};
pub use incoming::Incoming;
pub use plan::{IncomingSpans, TracePlan};
pub use sampler::{ParentWord, Ratio, RootSampler, Sampler};
pub use value::TraceValue;

use std::net::SocketAddr;

use incoming::{B3Forms, ContextField, Said, StateFate};

/// The trace of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// What the request is in it.
    pub context: SpanContext,
    /// The client's part of it; `None`: it began here.
    pub parent: Option<SpanId>,
    /// What is under way towards an endpoint.
    pub call: Option<(Call, SocketAddr)>,
    state: StateFate,
    b3: B3Forms,
}

/// A request of ours to another server, as a part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Which part.
    pub span: SpanId,
    /// Process clock, nanoseconds.
    pub begun: u64,
    /// The same at its end; 0: it is under way.
    pub ended: u64,
}

impl Trace {
    /// The trace of a request that says `incoming` of it; `random` gives 64 random bits each time.
    #[must_use]
    pub fn begin(
        incoming: &Incoming<'_>,
        spans: IncomingSpans,
        sampler: Sampler,
        random: impl Fn() -> u64,
    ) -> Self {
        let said = match spans {
            IncomingSpans::Continued => incoming.said(),
            IncomingSpans::Ignored => Said::default(),
        };
        let new = || TraceId::of_random(random(), random());
        let trace = said.parent.map_or_else(new, |(trace, _)| trace);
        let flags = said.flags.with_sampling(sampler.decide(trace, said.sampling));
        Self {
            context: SpanContext { trace, span: SpanId::of_random(random()), flags },
            parent: said.parent.map(|(_, span)| span),
            call: None,
            state: said.state,
            b3: incoming.b3_forms(),
        }
    }

    /// What goes to the endpoint now that is asked.
    #[must_use]
    pub fn span_of_call(&self) -> SpanId {
        self.call.map_or(self.context.span, |(call, _)| call.span)
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.context.flags.sampling() == Sampling::Recorded
    }

    /// Whether a field of this name from the client ends here: it is one of a context, or could be
    /// taken for one by backends of the CGI kind.
    #[must_use]
    pub fn drops(&self, name: &[u8]) -> bool {
        match ContextField::as_read(name) {
            Some(ContextField::TraceState) => self.state == StateFate::Dropped,
            field => field.is_some(),
        }
    }

    /// Whether a field of this name says what other systems know of the trace, and goes on.
    fn is_state(&self, name: &[u8]) -> bool {
        self.state == StateFate::Kept && ContextField::named(name) == Some(ContextField::TraceState)
    }

    /// Appends what `value` says; `fields` are those of the request.
    pub fn put<'f>(
        &self,
        value: TraceValue,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        out: &mut Vec<u8>,
    ) {
        let context = &self.context;
        match value {
            TraceValue::TraceId => put_hex(out, &context.trace.octets()),
            TraceValue::SpanId => put_hex(out, &context.span.octets()),
            TraceValue::Sampled => out.push(context.flags.sampling().digit()),
            TraceValue::Parent => context.put_parent(out),
            TraceValue::B3 => context.put_b3(out),
            TraceValue::State => {
                let start = out.len();
                for (_, value) in fields.filter(|(name, _)| self.is_state(name)) {
                    if out.len() > start {
                        out.push(b',');
                    }
                    out.extend_from_slice(value);
                }
            }
        }
    }

    /// Appends the lines that tell another server of the trace, for which its request is `span`: in
    /// the form of the W3C, and in those of B3 that the client used.
    pub fn put_fields(&self, span: SpanId, out: &mut Vec<u8>) {
        let context = SpanContext { span, ..self.context };
        out.extend_from_slice(b"traceparent: ");
        context.put_parent(out);
        if self.b3.has_single {
            out.extend_from_slice(b"\r\nb3: ");
            context.put_b3(out);
        }
        if self.b3.has_multiple {
            out.extend_from_slice(b"\r\nX-B3-TraceId: ");
            put_hex(out, &context.trace.octets());
            out.extend_from_slice(b"\r\nX-B3-SpanId: ");
            put_hex(out, &span.octets());
            if span != self.context.span {
                out.extend_from_slice(b"\r\nX-B3-ParentSpanId: ");
                put_hex(out, &self.context.span.octets());
            }
            out.extend_from_slice(b"\r\nX-B3-Sampled: ");
            out.push(context.flags.sampling().digit());
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
