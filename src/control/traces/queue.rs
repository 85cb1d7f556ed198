//! Spans that wait for the collector.

use std::collections::VecDeque;

use crate::protobuf::{Value, fields, put_octets};
use crate::telemetry::spans::SpanBatch;

/// Batches in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    batches: VecDeque<SpanBatch>,
    spans: usize,
}

impl Queue {
    /// How many wait.
    pub(super) fn spans(&self) -> usize {
        self.spans
    }

    /// Puts a batch behind the others, as far as `most` spans may wait. Gives how many found no
    /// room.
    pub(super) fn push(&mut self, batch: SpanBatch, most: usize) -> usize {
        let (mut kept, rest) = split(batch, most.saturating_sub(self.spans));
        if kept.spans > 0 {
            // Made with room for many more.
            kept.octets.shrink_to_fit();
            self.spans += kept.spans;
            self.batches.push_back(kept);
        }
        rest.spans
    }

    /// The first spans, at most `most`.
    pub(super) fn take(&mut self, most: usize) -> SpanBatch {
        let mut taken = SpanBatch::default();
        while taken.spans < most
            && let Some(batch) = self.batches.pop_front()
        {
            let (first, rest) = split(batch, most - taken.spans);
            taken.spans += first.spans;
            taken.octets.extend_from_slice(&first.octets);
            if rest.spans > 0 {
                self.batches.push_front(rest);
            }
        }
        self.spans = self.spans.saturating_sub(taken.spans);
        taken
    }
}

/// The first `count` spans of a batch, and the others.
fn split(batch: SpanBatch, count: usize) -> (SpanBatch, SpanBatch) {
    if batch.spans <= count {
        return (batch, SpanBatch::default());
    }
    let mut parts = (SpanBatch::default(), SpanBatch::default());
    for (field, value) in fields(&batch.octets) {
        let Value::Octets(span) = value else { continue };
        let part = if parts.0.spans < count { &mut parts.0 } else { &mut parts.1 };
        put_octets(&mut part.octets, u32::try_from(field).unwrap_or(0), span);
        part.spans += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans whose octets are these.
    fn batch(spans: &[&str]) -> SpanBatch {
        let mut octets = Vec::new();
        spans.iter().for_each(|span| put_octets(&mut octets, 2, span.as_bytes()));
        SpanBatch { octets, spans: spans.len() }
    }

    fn names(batch: &SpanBatch) -> Vec<&str> {
        let names: Vec<_> = fields(&batch.octets)
            .map(|(_, value)| match value {
                Value::Octets(octets) => str::from_utf8(octets).unwrap(),
                _ => "?",
            })
            .collect();
        assert_eq!(names.len(), batch.spans);
        names
    }

    #[test]
    fn spans_leave_in_order_and_in_bounds() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(batch(&["a", "b", "c"]), 5), 0);
        assert_eq!(queue.push(batch(&["d", "e", "f"]), 5), 1);
        assert_eq!(queue.push(batch(&["g"]), 5), 1);
        assert_eq!(queue.spans(), 5);
        assert_eq!(names(&queue.take(2)), ["a", "b"]);
        assert_eq!(queue.push(batch(&["h"]), 5), 0);
        assert_eq!(names(&queue.take(3)), ["c", "d", "e"]);
        assert_eq!(names(&queue.take(9)), ["h"]);
        assert_eq!(queue.spans(), 0);
        assert!(queue.take(1).octets.is_empty());
    }
}
