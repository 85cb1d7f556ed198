//! Spans of requests that are traced: written on the core as octets of OTLP, and handed to whoever
//! sends them.
//!
//! A core never waits for that: spans that find no room are dropped and counted.

mod attributes;
mod request;

use tokio::sync::mpsc::{Receiver, Sender, channel};

pub use attributes::put_attribute;
pub use request::{Question, RequestSpans};

use super::counter::Counter;
use super::shard::CoreTelemetry;
use crate::limits::{SPAN_BATCHES_MAX, SPAN_BUFFER_BYTES};

/// Spans, one behind the other, each as a field `spans` of `ScopeSpans`.
#[derive(Debug, Default)]
pub struct SpanBatch {
    /// What is sent.
    pub octets: Vec<u8>,
    /// How many they are.
    pub spans: usize,
}

/// A core's end of the channel.
pub struct CoreSpans {
    batch: SpanBatch,
    full: Sender<SpanBatch>,
}

/// The end of each core, in core order, and that of who sends spans.
#[must_use]
pub fn spans(cores: usize) -> (Vec<CoreSpans>, Receiver<SpanBatch>) {
    let (full, batches) = channel(SPAN_BATCHES_MAX);
    let ends = (0..cores).map(|_| CoreSpans { batch: SpanBatch::default(), full: full.clone() });
    (ends.collect(), batches)
}

impl CoreSpans {
    /// Adds those of a request.
    pub fn write(&mut self, request: &RequestSpans<'_>, telemetry: &CoreTelemetry) {
        if self.batch.octets.capacity() == 0 {
            self.batch.octets.reserve(SPAN_BUFFER_BYTES);
        }
        self.batch.spans += request.put(&mut self.batch.octets);
        if self.batch.octets.len() >= SPAN_BUFFER_BYTES / 2 {
            self.flush(telemetry);
        }
    }

    /// Hands over what there is; for the core's ticker, so that spans do not age in a buffer.
    pub fn flush(&mut self, telemetry: &CoreTelemetry) {
        if self.batch.spans == 0 {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        if let Err(refused) = self.full.try_send(batch) {
            let mut batch = refused.into_inner();
            telemetry.add(Counter::SpansDropped, batch.spans as u64);
            batch.octets.clear();
            // Its memory serves again.
            self.batch = SpanBatch { octets: batch.octets, spans: 0 };
        }
    }
}

#[cfg(test)]
mod tests;
