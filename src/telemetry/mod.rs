//! Counters, histograms and access log of a core; no sockets, no locks on the request path.
//!
//! Each core owns one [`CoreTelemetry`]. Its atomics have a single writer (plain load + store) and
//! are summed by the control thread at scrape.

use std::sync::Arc;

pub mod access_log;
pub mod blame;
pub mod counter;
pub mod date;
pub mod histogram;
pub mod measures;
pub mod record;
#[cfg(test)]
pub(crate) mod samples;
pub mod scrape;
pub mod series;
pub mod shard;
pub mod spans;
pub mod status;

use tokio::sync::mpsc::Receiver;

use self::spans::SpanBatch;

pub use access_log::{CoreLog, LogWriter, access_log};
pub use counter::{Counter, Gauge};
pub use histogram::SharedHistogram;
pub use measures::Bounds;
pub use record::{Attempt, ExchangeRecord};
pub use scrape::{CoreTotals, Scrape, Snapshot};
pub use shard::CoreTelemetry;

/// What a core says of single requests.
pub struct Outlets {
    /// Lines of the access log.
    pub log: CoreLog,
    /// Spans of those that are traced.
    pub spans: spans::CoreSpans,
}

impl Outlets {
    /// Those of each core, by their logs, and the end of who sends spans.
    #[must_use]
    pub fn of(logs: Vec<CoreLog>) -> (Vec<Self>, Receiver<SpanBatch>) {
        let (ends, batches) = spans::spans(logs.len());
        let outlets = logs.into_iter().zip(ends);
        (outlets.map(|(log, spans)| Self { log, spans }).collect(), batches)
    }
}

/// Makes the shard of each core, in core order, and the end that sums them. All count by `bounds`.
#[must_use]
pub fn telemetry(cores: usize, bounds: Bounds) -> (Vec<CoreTelemetry>, Scrape) {
    let (announce, announced) = crossbeam_channel::bounded(crate::limits::SERIES_MAX);
    let bounds = Arc::new(bounds);
    let shard = |core| CoreTelemetry::new(core, announce.clone(), Arc::clone(&bounds));
    let shards: Vec<_> = (0..cores).map(shard).collect();
    let counters = shards.iter().map(CoreTelemetry::counters).collect();
    let scrape = Scrape::new(counters, announced, Arc::clone(&bounds));
    (shards, scrape)
}
