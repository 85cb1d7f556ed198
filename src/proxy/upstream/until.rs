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
    /// From when on no other endpoint may be asked, likewise.
    pub repeats_until: Option<u64>,
}

impl Until {
    /// Bounds the exchange further.
    pub fn end_within(&mut self, time: Duration) {
        let end = process_nanos().saturating_add(nanos(time));
        self.ends_at = Some(self.ends_at.map_or(end, |known| known.min(end)));
    }

    /// Bounds the time for further tries of a request that began at `begun` (process clock).
    pub fn repeat_within(&mut self, time: Duration, begun: u64) {
        self.repeats_until = Some(begun.saturating_add(nanos(time)));
    }

    /// Whether another try may begin.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        !self.left().is_zero() && self.repeats_until.is_none_or(|end| process_nanos() < end)
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
