//! The trace of a request: begun once, told to whoever is asked, recorded at the end.

use crate::filter::{Call, Incoming, SpanId, Trace, TraceValue};
use crate::proxy::exchange::state::Exchange;
use crate::proxy::exchange::variables::Known;
use crate::proxy::upstream::endpoint::Lease;
use crate::table::{Match, TableRule};
use crate::telemetry::ExchangeRecord;
use crate::telemetry::spans::RequestSpans;

impl Exchange<'_> {
    /// Begins the trace, if the rule has its requests traced and none has begun: a request that
    /// moves to another rule stays in its trace.
    pub(super) fn begin_trace(&mut self, matched: Option<&Match<'_>>) {
        let traces = &self.policy.traces;
        let plan = match matched {
            Some(found) => found.rule.plan.trace.as_deref(),
            None => traces.unmatched.as_deref(),
        };
        let Some(plan) = plan.filter(|_| self.scratch.trace.is_none()) else { return };
        let incoming = Incoming::of(self.request().named_fields());
        let random = || self.core.random.next();
        self.scratch.trace = Some(Trace::begin(&incoming, plan.incoming, traces.sampler, random));
    }

    /// A request of ours that begins; `None`: it belongs to no trace.
    pub(super) fn new_call(&self, clock: fn() -> u64) -> Option<Call> {
        let span = || SpanId::of_random(self.core.random.next());
        self.scratch.trace.as_ref().map(|_| Call { span: span(), begun: clock(), ended: 0 })
    }

    /// An endpoint is to be asked.
    pub(super) fn begin_call(&mut self, lease: &Lease, clock: fn() -> u64) {
        let call = self.new_call(clock);
        if let Some(trace) = &mut self.scratch.trace {
            trace.call = call.map(|call| (call, lease.endpoint.address));
        }
    }

    /// It was, to the end.
    pub(super) fn end_call(&mut self, ended: u64) -> Option<Call> {
        let (call, _) = self.scratch.trace.as_mut()?.call.take()?;
        Some(Call { ended, ..call })
    }

    /// The trace, if somebody gets its spans.
    pub(super) fn recorded_trace(&self) -> Option<&Trace> {
        let has_collector = || self.policy.traces.collector.is_some() && !self.tally.is_probe;
        self.scratch.trace.as_ref().filter(|trace| trace.is_sampled() && has_collector())
    }

    /// Hands over the spans of a request that is over.
    pub(super) fn record_trace(
        &self,
        trace: &Trace,
        exchange: &ExchangeRecord<'_>,
        known: &Known<'_>,
        rule: Option<&TableRule>,
        began: u64,
    ) {
        let plan = match rule {
            Some(rule) => rule.plan.trace.as_deref(),
            None => self.policy.traces.unmatched.as_deref(),
        };
        let (mut name, mut state) = (Vec::new(), Vec::new());
        let route = rule.and_then(|rule| rule.path.as_deref()).unwrap_or_default();
        match plan.and_then(|plan| plan.name.as_ref()) {
            Some(text) => text.put(known, &mut name),
            None => name.extend_from_slice(if route.is_empty() { "/" } else { route }.as_bytes()),
        }
        trace.put(TraceValue::State, known.request.named_fields(), &mut state);
        let server = rule.and_then(|rule| self.core.upstreams.backend(rule.auth_server?));
        let question = self.scratch.question.zip(server.as_ref().map(|server| &*server.key));
        let listener = &self.downstream.listener;
        self.core.record_spans(&RequestSpans {
            trace,
            state: &state,
            name: &name,
            route,
            exchange,
            began,
            scheme: listener.told_scheme.as_str(),
            host: &self.head().host,
            port: listener.told_port,
            peer: self.downstream.peer,
            question,
        });
    }
}
