//! How long a client's HTTP/2 connection is waited for: which deadline holds now, and why.
//!
//! Pure: the frame meter says where the octets end, the driver says what its streams do, both give
//! the time, and the driver arms what [`Patience::wait`] answers. Octets that trickle never move a
//! deadline; only what they complete does.
//!
//! | the connection is | and is waited for |
//! | --- | --- |
//! | before its first complete field block | the head timeout, from accept or the handshake's end |
//! | within a field block, HEADERS to END_HEADERS | the head timeout, from its first octet |
//! | within DATA | the head timeout for each KiB of it, or for the rest |
//! | within any other frame | the head timeout, from its first octet; no longer than if idle |
//! | between frames, with work under way | as long as its streams are, by their deadlines |
//! | between frames, without work | the idle timeout, since work or a field block ended |
//!
//! Work is a stream whose exchange is not over, or octets that the socket has not taken.

use std::time::Duration;

use crate::limits::HTTP2_DATA_PROGRESS_BYTES_MIN;

/// Where the octets received end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Between two frames, and in no field block.
    Between,
    /// Within the preface, the head of a frame, or a frame that is none of those below.
    Frame,
    /// Within a field block: a HEADERS or CONTINUATION frame, or before the next of them.
    Block,
    /// Within the payload of a DATA frame.
    Data {
        /// Octets of it to come.
        left: usize,
    },
}

/// How far the octets received have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Where they end.
    pub place: Place,
    /// Which frame or field block that is: they are counted, modulo 2^32. A field block is one.
    pub unit: u32,
    /// Field blocks complete, modulo 2^32.
    pub blocks: u32,
}

/// What is waited for, and until when (milliseconds of the driver's clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The next request. Then it is over without reproach.
    Idle {
        /// The end.
        until: u64,
    },
    /// The rest of what the client has begun. Then the client is too slow.
    Rest {
        /// The end.
        until: u64,
    },
}

/// The deadlines of one connection.
#[derive(Debug, Clone)]
pub struct Patience {
    head_millis: u64,
    idle_millis: u64,
    /// When the first field block must be complete; `None`: it is.
    first_until: Option<u64>,
    idle_until: u64,
    is_busy: bool,
    is_paused: bool,
    progress: Progress,
    /// When the current frame or field block must be complete.
    unit_until: u64,
    /// Octets of DATA that were to come when `unit_until` was set.
    mark: Option<usize>,
}

impl Patience {
    /// Of a connection without octets whose first field block must be complete at `first_until`.
    #[must_use]
    pub fn new(head: Duration, idle: Duration, first_until: u64) -> Self {
        Self {
            head_millis: millis(head),
            idle_millis: millis(idle),
            first_until: Some(first_until),
            idle_until: first_until,
            is_busy: false,
            is_paused: false,
            progress: Progress { place: Place::Between, unit: 0, blocks: 0 },
            unit_until: first_until,
            mark: None,
        }
    }

    /// Octets came.
    pub fn received(&mut self, progress: Progress, now: u64) {
        let before = std::mem::replace(&mut self.progress, progress);
        if progress.blocks != before.blocks {
            self.first_until = None;
            self.idle_until = now.saturating_add(self.idle_millis);
        }
        if progress.unit != before.unit {
            self.unit_until = now.saturating_add(self.head_millis);
            self.mark = None;
        }
        if let Place::Data { left } = progress.place {
            let mark = *self.mark.get_or_insert(left);
            if mark.saturating_sub(left) >= HTTP2_DATA_PROGRESS_BYTES_MIN {
                self.unit_until = now.saturating_add(self.head_millis);
                self.mark = Some(left);
            }
        }
    }

    /// There is work under way.
    pub const fn begin_work(&mut self) {
        self.is_busy = true;
    }

    /// There is none. May be said again.
    pub fn end_work(&mut self, now: u64) {
        if std::mem::take(&mut self.is_busy) {
            self.idle_until = now.saturating_add(self.idle_millis);
        }
    }

    /// Nothing is read from now on, so that the client cannot end what it began.
    pub const fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Octets are read again.
    pub fn resume(&mut self, now: u64) {
        self.is_paused = false;
        self.unit_until = now.saturating_add(self.head_millis);
        if let Place::Data { left } = self.progress.place {
            self.mark = Some(left);
        }
    }

    /// A drain is under way: from now on nobody is idle for longer than `grace`. May be said again.
    pub fn drain(&mut self, grace: Duration, now: u64) {
        let end = now.saturating_add(millis(grace));
        self.idle_millis = self.idle_millis.min(millis(grace));
        self.idle_until = self.idle_until.min(end);
        if self.progress.place != Place::Block {
            self.first_until = self.first_until.map(|until| until.min(end));
        }
    }

    /// The deadline that holds now.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        let place = self.progress.place;
        if let Some(until) = self.first_until {
            let is_idle = place == Place::Between;
            return Some(if is_idle { Wait::Idle { until } } else { Wait::Rest { until } });
        }
        let is_within = place != Place::Between && !self.is_paused;
        let rest = is_within.then_some(self.unit_until);
        let idle = (!self.is_busy).then_some(self.idle_until);
        match (rest, idle) {
            // A request has begun in time, so it has the time of a head.
            (Some(until), _) if place == Place::Block => Some(Wait::Rest { until }),
            (Some(until), Some(idle)) if idle < until => Some(Wait::Idle { until: idle }),
            (Some(until), _) => Some(Wait::Rest { until }),
            (None, idle) => idle.map(|until| Wait::Idle { until }),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::PREFACE;
    use crate::http2::guard::{FrameMeter, Verdict};

    const HEAD: u64 = 10_000;
    const IDLE: u64 = 30_000;

    /// A connection accepted at 0, as its driver sees it.
    struct Seen {
        meter: FrameMeter,
        patience: Patience,
    }

    impl Seen {
        fn new() -> Self {
            let [head, idle] = [HEAD, IDLE].map(Duration::from_millis);
            Self { meter: FrameMeter::new(0), patience: Patience::new(head, idle, HEAD) }
        }

        /// One whose first request was complete at 1,000 and answered at 2,000.
        fn served() -> Self {
            let mut seen = Self::new();
            seen.feed(PREFACE, 500).feed(&frame(SETTINGS, 0, 0), 500);
            seen.feed(&frame(HEADERS, END_HEADERS | END_STREAM, 5), 1000);
            seen.patience.begin_work();
            seen.patience.end_work(2000);
            seen
        }

        fn feed(&mut self, octets: &[u8], now: u64) -> &mut Self {
            assert_eq!(self.meter.feed(octets, now), Verdict::Fine);
            self.patience.received(self.meter.progress(), now);
            self
        }

        fn busy(&mut self) -> &mut Self {
            self.patience.begin_work();
            self
        }

        #[track_caller]
        fn idle(&mut self, until: u64) -> &mut Self {
            assert_eq!(self.patience.wait(), Some(Wait::Idle { until }));
            self
        }

        #[track_caller]
        fn rest(&mut self, until: u64) -> &mut Self {
            assert_eq!(self.patience.wait(), Some(Wait::Rest { until }));
            self
        }
    }

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let octets = u32::try_from(length).unwrap().to_be_bytes();
        let stream = u8::from(kind != SETTINGS && kind != PING);
        let mut frame = octets[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, stream]);
        frame.resize(9 + length, b'x');
        frame
    }

    #[test]
    fn nothing_but_the_first_field_block_ends_the_first_wait() {
        let mut seen = Seen::new();
        seen.idle(HEAD).feed(&PREFACE[..10], 1000).rest(HEAD).feed(&PREFACE[10..], 2000).idle(HEAD);
        let settings = frame(SETTINGS, 0, 12);
        seen.feed(&settings[..15], 3000).rest(HEAD).feed(&settings[15..], 4000).idle(HEAD);
        seen.feed(&frame(PING, 0, 8), 5000).idle(HEAD).busy().idle(HEAD);
        let head = frame(HEADERS, END_STREAM, 10);
        for octet in &head {
            seen.feed(&[*octet], 6000).rest(HEAD);
        }
        let last = frame(CONTINUATION, END_HEADERS, 3);
        seen.feed(&last[..11], 7000).rest(HEAD).feed(&last[11..], 8000);
        assert_eq!(seen.patience.wait(), None, "the work decides");
        seen.patience.end_work(9000);
        seen.idle(9000 + IDLE);
    }

    #[test]
    fn a_frame_has_its_time_from_its_first_octet() {
        for (kind, length) in [(SETTINGS, 12), (PING, 8), (3, 4), (8, 4), (0xb0, 400), (2, 5)] {
            let octets = frame(kind, 0, length);
            let mut seen = Seen::served();
            seen.busy();
            for (at, octet) in octets[..octets.len() - 1].iter().enumerate() {
                seen.feed(&[*octet], 4000 + at as u64).rest(4000 + HEAD);
            }
            // Its last octet, and the first of the next.
            seen.feed(&[octets[octets.len() - 1], 0], 9000).rest(9000 + HEAD);
            seen.feed(&octets[1..], 9500);
            assert_eq!(seen.patience.wait(), None);
        }
    }

    #[test]
    fn a_field_block_is_one_whatever_its_frames() {
        let mut seen = Seen::served();
        seen.feed(&frame(HEADERS, END_STREAM, 3), 31_900).rest(31_900 + HEAD);
        seen.feed(&frame(CONTINUATION, 0, 3)[..4], 33_000).rest(31_900 + HEAD);
        seen.feed(&frame(CONTINUATION, 0, 3)[4..], 34_000).rest(31_900 + HEAD);
        // The next one begins with the octets that end this one.
        let next = [frame(CONTINUATION, END_HEADERS, 3), frame(HEADERS, 0, 3)].concat();
        seen.feed(&next, 35_000).rest(35_000 + HEAD);
        seen.feed(&frame(CONTINUATION, END_HEADERS, 0), 36_000).idle(36_000 + IDLE);
    }

    #[test]
    fn pieces_of_frames_do_not_put_off_the_idle_end() {
        let mut seen = Seen::served();
        seen.idle(2000 + IDLE);
        let ping = frame(PING, 0, 8);
        seen.feed(&ping[..1], 10_000).rest(10_000 + HEAD);
        for now in (15_000..32_000).step_by(1000) {
            // In a frame at each moment, and none takes long.
            seen.feed(&[&ping[1..], &ping[..1]].concat(), now);
            if now + HEAD > 2000 + IDLE {
                seen.idle(2000 + IDLE);
            } else {
                seen.rest(now + HEAD);
            }
        }
        seen.feed(&ping[1..], 31_999).idle(2000 + IDLE);
    }

    #[test]
    fn content_must_move() {
        let mut seen = Seen::served();
        let octets = frame(DATA, 0, 16_384);
        seen.busy().feed(&octets[..5], 4000).rest(4000 + HEAD);
        seen.feed(&octets[5..9], 5000).rest(4000 + HEAD);
        seen.feed(&octets[9..1032], 6000).rest(4000 + HEAD);
        seen.feed(&octets[1032..1033], 7000).rest(7000 + HEAD);
        seen.feed(&octets[1033..9000], 8000).rest(8000 + HEAD);
        seen.feed(&octets[9000..9100], 9000).rest(8000 + HEAD);
        seen.feed(&octets[9100..], 10_000);
        assert_eq!(seen.patience.wait(), None);
        // Short ones are complete before they count.
        for now in 11_000..12_000 {
            seen.feed(&frame(DATA, 0, 3), now);
            assert_eq!(seen.patience.wait(), None);
        }
    }

    #[test]
    fn time_in_which_nothing_is_read_is_not_the_clients() {
        for octets in [&frame(DATA, 0, 5000)[..3000], &frame(HEADERS, 0, 9)] {
            let mut seen = Seen::served();
            seen.busy().feed(octets, 4000).rest(4000 + HEAD);
            seen.patience.pause();
            assert_eq!(seen.patience.wait(), None);
            seen.patience.resume(60_000);
            seen.rest(60_000 + HEAD);
        }
    }

    #[test]
    fn a_drain_shortens_what_is_idle() {
        let grace = Duration::from_millis(1000);
        let mut seen = Seen::served();
        seen.patience.drain(grace, 5000);
        seen.idle(6000);
        seen.patience.drain(grace, 5500);
        seen.idle(6000).busy();
        seen.patience.end_work(9000);
        seen.idle(10_000);
        let mut unused = Seen::new();
        unused.patience.drain(grace, 5000);
        unused.idle(6000);
        // Half of what is no request either.
        let mut greeting = Seen::new();
        greeting.feed(&PREFACE[..9], 0).patience.drain(grace, 5000);
        greeting.rest(6000);
        let mut begun = Seen::new();
        begun.feed(PREFACE, 0).feed(&frame(SETTINGS, 0, 0), 0).feed(&frame(HEADERS, 0, 3), 1000);
        begun.patience.drain(grace, 5000);
        begun.rest(HEAD);
    }
}
