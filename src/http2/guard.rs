//! One budget per connection against peers that keep us busy with frames that do no work.
//!
//! The meter follows frame headers only and never looks into a field block. What costs and what
//! gives back is chosen so that every known flood ends while no client that fetches something, in
//! whatever style, gets near:
//!
//! | frame | tokens |
//! | --- | --- |
//! | HEADERS of a new stream, theirs or ours | gives enough for a PING, a WINDOW_UPDATE, a hint |
//! | DATA, theirs and ours | gives one per KiB |
//! | PING, WINDOW_UPDATE | free as often as DATA that we sent explains, else costs |
//! | RST_STREAM | free as often as we answered or opened streams, else costs more than those gave |
//! | SETTINGS, PRIORITY, unknown, empty or mostly padding | cost |
//!
//! A client that opens its window one octet at a time is not caught here: it must be seen in time,
//! as a stream without progress.
//!
//! Source: RFC 9113 section 10.5; CVE-2019-9511 to -9518, CVE-2023-44487, CVE-2024-27316.

use super::PREFACE;
use super::patience::{Place, Progress};
use crate::limits::{
    HTTP2_CONTINUATIONS_MAX, HTTP2_GLITCHES_MAX, HTTP2_GLITCHES_PER_SECOND, HTTP2_PADDED_BYTES_MIN,
    HTTP2_UNASKED_CREDIT_MAX,
};

/// What a connection is closed for (GOAWAY with ENHANCE_YOUR_CALM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glitch {
    /// PING that no DATA explains.
    Ping,
    /// SETTINGS.
    Settings,
    /// PRIORITY.
    Priority,
    /// RST_STREAM.
    Reset,
    /// WINDOW_UPDATE that no DATA explains.
    WindowUpdate,
    /// DATA, HEADERS or CONTINUATION without octets, or with little but padding.
    Empty,
    /// A frame of unknown type, or one that clients do not send.
    Unknown,
    /// More CONTINUATION frames for one field block than the limit.
    Continuation,
    /// The first frame is not SETTINGS, RFC 9113 section 3.4.
    FirstFrame,
}

impl Glitch {
    /// Name for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Settings => "settings",
            Self::Priority => "priority",
            Self::Reset => "reset",
            Self::WindowUpdate => "window_update",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
            Self::Continuation => "continuation",
            Self::FirstFrame => "first_frame",
        }
    }
}

/// What [`FrameMeter::feed`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Go on.
    Fine,
    /// Close the connection; the frame that used up the budget.
    Exhausted(Glitch),
}

/// The type octets of RFC 9113 section 6 that matter here.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const FRAME_HEAD_BYTES: usize = 9;
/// Octets of DATA that give one token.
const OCTETS_PER_TOKEN: u64 = 1024;

/// Tokens that the HEADERS frame of a new stream gives: one PING, WINDOW_UPDATE and PRIORITY.
const STREAM_GIVES: u32 = PING_COSTS + UPDATE_COSTS + PRIORITY_COSTS;
const PING_COSTS: u32 = 4;
const UPDATE_COSTS: u32 = 2;
const PRIORITY_COSTS: u32 = 2;
/// Also for each KiB of it.
const UNKNOWN_COSTS: u32 = 2;
const EMPTY_COSTS: u32 = 8;
/// Each has to be acknowledged and may change every stream.
const SETTINGS_COSTS: u32 = 16;
/// Its own stream and two more of honest work pay for one that is given up.
const RESET_COSTS: u32 = 3 * STREAM_GIVES;

/// Meters the octets of one connection, from its first on.
#[derive(Debug, Clone)]
pub struct FrameMeter {
    tokens: u32,
    refilled_at: u64,
    head: [u8; FRAME_HEAD_BYTES],
    head_len: usize,
    /// Octets of the current payload, or of the preface, to come.
    skip: usize,
    has_settings: bool,
    is_in_block: bool,
    /// The current payload is the last of its field block.
    ends_block: bool,
    /// Frames begun, of a field block the first only.
    units: u32,
    /// Field blocks complete.
    blocks: u32,
    /// RST_STREAM frames begun.
    resets: u32,
    last_stream: u32,
    continuations: u32,
    /// Frames that are free, by type.
    free_resets: u32,
    free_pings: u32,
    free_updates: u32,
    /// DATA octets that did not make up a token yet.
    octets: u64,
    exhausted: Option<Glitch>,
}

impl FrameMeter {
    /// A full budget. `now_millis` is of any monotonic clock.
    ///
    /// Shape: the first octets it will be fed are the preface, which is checked elsewhere.
    #[must_use]
    pub fn new(now_millis: u64) -> Self {
        Self {
            tokens: HTTP2_GLITCHES_MAX,
            refilled_at: now_millis,
            head: [0; FRAME_HEAD_BYTES],
            head_len: 0,
            skip: PREFACE.len(),
            has_settings: false,
            is_in_block: false,
            ends_block: false,
            units: 0,
            blocks: 0,
            resets: 0,
            last_stream: 0,
            continuations: 0,
            free_resets: 0,
            free_pings: 0,
            free_updates: 0,
            octets: 0,
            exhausted: None,
        }
    }

    /// The same for a peer that sends no preface, and opens no streams.
    #[must_use]
    pub fn of_backend(now_millis: u64) -> Self {
        Self { skip: 0, last_stream: u32::MAX, ..Self::new(now_millis) }
    }

    /// Follows `octets` as they came, split anywhere. Once exhausted, always exhausted.
    pub fn feed(&mut self, mut octets: &[u8], now_millis: u64) -> Verdict {
        self.refill(now_millis);
        while self.exhausted.is_none() && !octets.is_empty() {
            let skipped = self.skip.min(octets.len());
            self.skip -= skipped;
            self.end_payload();
            octets = octets.get(skipped..).unwrap_or_default();
            let missing = (FRAME_HEAD_BYTES - self.head_len).min(octets.len());
            if self.head_len == 0 && missing > 0 && !self.is_in_block {
                self.units = self.units.wrapping_add(1);
            }
            let (part, rest) = octets.split_at(missing);
            if let Some(room) = self.head.get_mut(self.head_len..self.head_len + missing) {
                room.copy_from_slice(part);
            }
            self.head_len += missing;
            octets = rest;
            if self.head_len == FRAME_HEAD_BYTES {
                self.head_len = 0;
                self.exhausted = self.frame().err();
                self.end_payload();
            }
        }
        self.exhausted.map_or(Verdict::Fine, Verdict::Exhausted)
    }

    /// Counts one DATA frame of ours with `octets`: it explains two WINDOW_UPDATE frames (stream
    /// and connection) and a PING that measures the path.
    pub fn sent(&mut self, octets: usize) {
        self.free_updates = (self.free_updates + 2).min(HTTP2_UNASKED_CREDIT_MAX);
        self.free_pings = (self.free_pings + 1).min(HTTP2_UNASKED_CREDIT_MAX);
        self.count_data(octets as u64);
    }

    /// Counts a stream of ours. It is work as one of theirs is, and explains one RST_STREAM.
    pub fn asked(&mut self) {
        self.give(STREAM_GIVES);
        self.free_resets = (self.free_resets + 1).min(HTTP2_UNASKED_CREDIT_MAX);
    }

    /// Counts a response of ours that ended. It explains one RST_STREAM: of a client that was still
    /// sending, and is told that nobody listens any more.
    pub fn answered(&mut self) {
        self.free_resets = (self.free_resets + 1).min(HTTP2_UNASKED_CREDIT_MAX);
    }

    /// How far what was fed has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let [_, _, _, kind, ..] = self.head;
        let place = match (self.skip, self.head_len) {
            _ if self.is_in_block || self.ends_block => Place::Block,
            (0, 0) => Place::Between,
            (left, 0) if self.has_settings && kind == kind::DATA => Place::Data { left },
            _ => Place::Frame,
        };
        Progress { place, unit: self.units, blocks: self.blocks }
    }

    /// RST_STREAM frames so far, modulo 2^32.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Notes the end of a field block, once nothing is left of its last payload.
    fn end_payload(&mut self) {
        if self.skip == 0 && std::mem::take(&mut self.ends_block) {
            self.blocks = self.blocks.wrapping_add(1);
        }
    }

    /// Tokens left, of [`HTTP2_GLITCHES_MAX`]; below a quarter the driver may begin a graceful end.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    fn refill(&mut self, now_millis: u64) {
        let passed = now_millis.saturating_sub(self.refilled_at);
        let tokens = passed.saturating_mul(u64::from(HTTP2_GLITCHES_PER_SECOND)) / 1000;
        // A fraction of a token stays in the time that is not yet accounted for.
        self.refilled_at += tokens.saturating_mul(1000) / u64::from(HTTP2_GLITCHES_PER_SECOND);
        self.give(u32::try_from(tokens).unwrap_or(u32::MAX));
    }

    fn give(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(HTTP2_GLITCHES_MAX);
    }

    fn count_data(&mut self, octets: u64) {
        let sum = self.octets + octets;
        self.octets = sum % OCTETS_PER_TOKEN;
        self.give(u32::try_from(sum / OCTETS_PER_TOKEN).unwrap_or(u32::MAX));
    }

    fn spend(&mut self, tokens: u32, glitch: Glitch) -> Result<(), Glitch> {
        match self.tokens.checked_sub(tokens) {
            Some(rest) => {
                self.tokens = rest;
                Ok(())
            }
            None => {
                self.tokens = 0;
                Err(glitch)
            }
        }
    }

    /// Judges the frame whose head was read.
    fn frame(&mut self) -> Result<(), Glitch> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.head;
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        self.skip = len as usize;
        if kind != kind::CONTINUATION {
            self.continuations = 0;
        }
        if matches!(kind, kind::HEADERS | kind::CONTINUATION) {
            self.is_in_block = flags & END_HEADERS == 0;
            self.ends_block = !self.is_in_block;
        }
        if !std::mem::replace(&mut self.has_settings, true) && kind != kind::SETTINGS {
            return Err(Glitch::FirstFrame);
        }
        if kind == kind::RST_STREAM {
            self.resets = self.resets.wrapping_add(1);
        }
        match kind {
            kind::DATA => self.data(len, flags),
            kind::HEADERS if len == 0 => self.spend(EMPTY_COSTS, Glitch::Empty),
            kind::HEADERS => {
                if stream > self.last_stream {
                    self.last_stream = stream;
                    self.give(STREAM_GIVES);
                }
                Ok(())
            }
            kind::CONTINUATION => self.continuation(len),
            kind::PRIORITY => self.spend(PRIORITY_COSTS, Glitch::Priority),
            kind::RST_STREAM if take(&mut self.free_resets) => Ok(()),
            kind::PING if take(&mut self.free_pings) => Ok(()),
            kind::WINDOW_UPDATE if take(&mut self.free_updates) => Ok(()),
            kind::RST_STREAM => self.spend(RESET_COSTS, Glitch::Reset),
            kind::PING => self.spend(PING_COSTS, Glitch::Ping),
            kind::WINDOW_UPDATE => self.spend(UPDATE_COSTS, Glitch::WindowUpdate),
            kind::SETTINGS => self.spend(SETTINGS_COSTS, Glitch::Settings),
            _ => self.spend(UNKNOWN_COSTS * (1 + len / 1024), Glitch::Unknown),
        }
    }

    fn data(&mut self, len: u32, flags: u8) -> Result<(), Glitch> {
        let is_end = flags & END_STREAM != 0;
        let is_padding = flags & PADDED != 0 && len < HTTP2_PADDED_BYTES_MIN;
        if (len == 0 || is_padding) && !is_end {
            return self.spend(EMPTY_COSTS, Glitch::Empty);
        }
        self.count_data(u64::from(len));
        Ok(())
    }

    fn continuation(&mut self, len: u32) -> Result<(), Glitch> {
        self.continuations += 1;
        if self.continuations > HTTP2_CONTINUATIONS_MAX {
            return Err(Glitch::Continuation);
        }
        if len == 0 { self.spend(EMPTY_COSTS, Glitch::Empty) } else { Ok(()) }
    }
}

/// Takes one, if there is one.
fn take(credit: &mut u32) -> bool {
    let is_free = *credit > 0;
    *credit = credit.saturating_sub(1);
    is_free
}
