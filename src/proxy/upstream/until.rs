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
    /// At which this try must be, likewise.
    pub try_ends_at: Option<u64>,
    /// From when on no other endpoint may be asked, likewise.
    pub repeats_until: Option<u64>,
}

impl Until {
    /// Bounds the exchange further.
    pub fn end_within(&mut self, time: Duration) {
        let end = process_nanos().saturating_add(nanos(time));
        self.ends_at = Some(self.ends_at.map_or(end, |known| known.min(end)));
    }

    /// The same for a try that begins now and may take `time`; `None`: any.
    #[must_use]
    pub fn of_try(&self, time: Option<Duration>) -> Self {
        let try_ends_at = time.map(|time| process_nanos().saturating_add(nanos(time)));
        Self { try_ends_at, ..*self }
    }

    /// Bounds the time for further tries of a request that began at `begun` (process clock).
    pub fn repeat_within(&mut self, time: Duration, begun: u64) {
        self.repeats_until = Some(begun.saturating_add(nanos(time)));
    }

    /// Whether another try may begin after a pause.
    #[must_use]
    pub fn may_repeat(&self, pause: Duration) -> bool {
        let begin = process_nanos().saturating_add(nanos(pause));
        !left(self.ends_at).is_zero() && self.repeats_until.is_none_or(|end| begin < end)
    }

    /// Time to wait for the upstream now: the read timeout, or what is left of the try.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.read.min(self.left())
    }

    /// What is left of the try, and of the whole.
    #[must_use]
    pub fn left(&self) -> Duration {
        left(self.try_ends_at).min(left(self.ends_at))
    }

    /// How long to pause before another try: `time`, or what is left of the whole.
    #[must_use]
    pub fn pause(&self, time: Duration) -> Duration {
        time.min(left(self.ends_at))
    }
}

fn left(end: Option<u64>) -> Duration {
    end.map_or(Duration::MAX, |end| Duration::from_nanos(end.saturating_sub(process_nanos())))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
