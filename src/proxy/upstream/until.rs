//! How long one request may take of an endpoint, and what is left of that.

use std::time::Duration;

use crate::publish::process_nanos;

/// Bounds of one request towards an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    /// Between two writes.
    pub send: Duration,
    /// Between two reads.
    pub read: Duration,
    /// Nanoseconds of the process clock at which the exchange must be over.
    pub ends_at: Option<u64>,
}

impl Until {
    /// Bounds the exchange further.
    pub fn end_within(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let end = process_nanos().saturating_add(nanos);
        self.ends_at = Some(self.ends_at.map_or(end, |known| known.min(end)));
    }

    /// Time to wait for the upstream now: the read timeout, or what is left of the whole.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.read.min(self.left())
    }

    /// What is left of the whole.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.ends_at
            .map_or(Duration::MAX, |end| Duration::from_nanos(end.saturating_sub(process_nanos())))
    }
}
