//! A connection, sans-IO, towards a client or towards a backend: octets of the peer in, streams and
//! octets for the peer out. No socket, no clock; whoever waits for a stream is woken through
//! [`Connection::wakes`].
//!
//! ```text
//!  octets ─▶ meter ─▶ frames ─┬─ HEADERS ─▶ Decoder ─▶ opened(), take_head() ─▶ task of a stream
//!                             ├─ DATA ────▶ inbox of the stream ─▶ consume(), credit()
//!                             └─ the rest: windows, settings, resets
//!  take_output() ◀─ out ◀─ HEADERS, DATA as windows allow ◀─ respond(), open(), poll_data(), end()
//! ```
//!
//! A stream stays in the table until its task lets go of it, so that one which a client gave up
//! counts until its work upstream is over. What differs between the roles is in `server` and
//! `client`.
//!
//! Source: RFC 9113, RFC 7541, RFC 8441.

mod client;
mod receive;
mod send;
mod server;
mod stream;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use self::stream::{Closer, Receiving, Sending, Stream};
use self::windows::Growth;
pub use self::windows::WindowBudget;
use super::follows::Follows;
use super::frame::{
    ErrorCode, SETTING_BYTES, kind, put_frame_head, put_goaway, put_reset, put_window_update,
    setting,
};
use super::guard::FrameMeter;
use super::hpack::{Decoder, Encoder, FieldList, ListKind};
use crate::limits::{
    HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX,
    HTTP2_LOCAL_RESETS_MAX, HTTP2_RESET_STREAMS_MAX, HTTP2_STREAM_INBOX_KEPT_BYTES,
    HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_KEPT, HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES,
    HTTP2_UPSTREAM_STREAM_WINDOW_BYTES,
};

/// Window of each direction before anything is said about it, RFC 9113 section 6.9.2.
const WINDOW_AT_FIRST: u32 = 65_535;

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The peer is a client.
    Server,
    /// The peer is a backend.
    Client,
}

impl Role {
    /// Octets that the peer may send before any are taken, on one stream at first.
    const fn stream_window(self) -> u32 {
        match self {
            Self::Server => HTTP2_STREAM_WINDOW_BYTES,
            Self::Client => HTTP2_UPSTREAM_STREAM_WINDOW_BYTES,
        }
    }

    /// The same on all streams.
    const fn connection_window(self) -> u32 {
        match self {
            Self::Server => HTTP2_CONNECTION_WINDOW_BYTES,
            Self::Client => HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES,
        }
    }

    const fn list_kind(self) -> ListKind {
        match self {
            Self::Server => ListKind::Request,
            Self::Client => ListKind::Response,
        }
    }
}

/// The stream is over for its task: the peer or the connection ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct Closed;

/// Why a connection ended. GOAWAY is among the octets to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// As GOAWAY says it.
    pub code: ErrorCode,
}

/// A request whose head is here.
#[derive(Debug)]
pub struct Opened {
    /// Its stream.
    pub id: u32,
    /// Its fields, nothing of them checked. To be given back with [`Connection::recycle`].
    pub fields: FieldList,
    /// Behind its head.
    pub follows: Follows,
}

/// What there is to be read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The head of a response, also of an informational one.
    Head,
    /// Octets.
    Data,
    /// Its end.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Octets of a client's preface so far.
    Preface(usize),
    /// SETTINGS must be the first frame.
    Greeted,
    Open,
    /// Nothing is read any more.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    No,
    /// The client was told, but may not know yet.
    Announced,
    /// Streams above this one are not looked at.
    Last(u32),
    /// Towards a backend: no stream is opened any more.
    Leaving,
}

/// A PING of ours, and whether it was answered.
#[derive(Debug)]
enum Probe {
    None,
    Asked(Option<Waker>),
    Answered,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    phase: Phase,
    drain: Drain,
    meter: FrameMeter,
    /// A frame that is not all there.
    partial: Vec<u8>,
    decoder: Decoder,
    encoder: Encoder,
    /// The field block under way.
    block: Option<Block>,
    /// What it decoded to.
    list: FieldList,
    /// Lists to be used again.
    lists: Vec<FieldList>,
    streams: BTreeMap<u32, Stream>,
    opened: VecDeque<Opened>,
    /// Memory of streams that are over.
    spares: Vec<Stream>,
    /// The highest one that was opened.
    last: u32,
    /// Streams that we ended before the peer did; its frames may still be under way.
    forgotten: VecDeque<u32>,
    /// Streams ended for an error of the peer, less those that ended well.
    errors: u32,
    /// Streams that whoever takes requests serves at a time.
    streams_max: u32,
    /// Octets that the peer takes on all streams.
    send_window: i64,
    /// Octets that it takes on a new one.
    stream_window: i64,
    /// Octets that it may send on all streams, and those that it does not know of yet.
    receive_window: u32,
    unannounced: u32,
    growth: Growth,
    /// Asks whether a backend is there.
    probe: Probe,
    /// Streams that wait for room on the connection, the next one first.
    turn: VecDeque<u32>,
    out: Vec<u8>,
    /// Gives it room for so many octets more.
    grow: fn(&mut Vec<u8>, usize),
    wakes: Vec<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    stream: u32,
    follows: Follows,
    purpose: Purpose,
}

/// What is done with a field block once it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Request,
    Response,
    Trailers,
    /// One stream more than allowed.
    Refuse,
    /// The stream ends with this code.
    Fail(ErrorCode),
    /// Only the table of the decoder follows.
    Ignore,
}

impl Connection {
    fn begin(role: Role, meter: FrameMeter, now_millis: u64, budget: WindowBudget) -> Self {
        Self {
            role,
            phase: Phase::Greeted,
            drain: Drain::No,
            meter,
            partial: Vec::new(),
            decoder: Decoder::new(),
            encoder: Encoder::new(),
            block: None,
            list: FieldList::of(role.list_kind()),
            lists: Vec::new(),
            streams: BTreeMap::new(),
            opened: VecDeque::new(),
            spares: Vec::new(),
            last: 0,
            forgotten: VecDeque::new(),
            errors: 0,
            streams_max: u32::MAX,
            send_window: i64::from(WINDOW_AT_FIRST),
            stream_window: i64::from(WINDOW_AT_FIRST),
            receive_window: role.connection_window(),
            unannounced: 0,
            growth: Growth::new(budget, now_millis),
            probe: Probe::None,
            turn: VecDeque::new(),
            out: Vec::new(),
            grow: Vec::reserve,
            wakes: Vec::new(),
        }
    }

    /// Our SETTINGS (RFC 9113 section 3.4), with what is `own` to the role, and the rest of the
    /// connection's window.
    fn greet(&mut self, own: &[(u16, u32)]) {
        let common = [
            (setting::HEADER_TABLE_SIZE, HTTP2_HEADER_TABLE_BYTES_MAX),
            (setting::INITIAL_WINDOW_SIZE, self.role.stream_window()),
            (setting::MAX_FRAME_SIZE, HTTP2_FRAME_BYTES_MAX),
        ];
        let octets = (common.len() + own.len()) * SETTING_BYTES;
        put_frame_head(&mut self.out, octets, kind::SETTINGS, 0, 0);
        for (identifier, value) in common.iter().chain(own) {
            self.out.extend_from_slice(&identifier.to_be_bytes());
            self.out.extend_from_slice(&value.to_be_bytes());
        }
        put_window_update(&mut self.out, 0, self.role.connection_window() - WINDOW_AT_FIRST);
    }

    /// Takes the memory of fields back.
    pub fn recycle(&mut self, mut fields: FieldList) {
        let is_small = fields.size() <= HTTP2_STREAM_INBOX_KEPT_BYTES;
        if is_small && self.lists.len() < HTTP2_STREAMS_KEPT {
            fields.clear();
            self.lists.push(fields);
        }
    }

    /// Whoever is to be woken; to be done when nothing of the connection is borrowed.
    pub const fn wakes(&mut self) -> &mut Vec<Waker> {
        &mut self.wakes
    }

    /// Octets to be sent.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.out.len()
    }

    /// Takes what is to be sent; makes room for more.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        let out = std::mem::take(&mut self.out);
        self.wake_turn();
        out
    }

    /// What is to be sent is put into memory that `grow` finds, with room for so many octets more.
    #[must_use]
    pub fn growing(mut self, grow: fn(&mut Vec<u8>, usize)) -> Self {
        self.grow = grow;
        self
    }

    /// Whether nothing will be read or written any more, apart from what is to be sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over || matches!(self.drain, Drain::Last(_)) && self.streams.is_empty()
    }

    /// Streams that were opened and not let go of.
    #[must_use]
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// What the peer did so far.
    #[must_use]
    pub const fn meter(&self) -> &FrameMeter {
        &self.meter
    }

    /// Ends the connection now: GOAWAY, and no more. Streams that are open fail.
    pub fn abort(&mut self, code: ErrorCode) -> Ended {
        if self.phase != Phase::Over {
            let last = match (self.role, self.drain) {
                (Role::Client, _) => 0,
                (Role::Server, Drain::Last(last)) => last,
                (Role::Server, _) => self.last,
            };
            put_goaway(&mut self.out, last, code);
            self.disconnect();
        }
        Ended { code }
    }

    /// The peer is gone: streams that are open fail.
    pub fn disconnect(&mut self) {
        self.phase = Phase::Over;
        self.partial = Vec::new();
        self.turn.clear();
        for stream in self.streams.values_mut() {
            lose(stream, self.role, Closer::Us, &mut self.wakes);
        }
    }

    /// Gives octets of the connection's window back.
    fn credit_connection(&mut self, octets: u32) {
        let octets = self.growth.returned(octets);
        self.unannounced = self.unannounced.saturating_add(octets);
        if self.unannounced >= self.role.connection_window() / 2 && self.phase != Phase::Over {
            let increment = std::mem::take(&mut self.unannounced);
            self.widen_own(increment);
        }
    }

    /// The peer may send more on all streams together.
    fn widen_own(&mut self, increment: u32) {
        self.receive_window = self.receive_window.saturating_add(increment);
        put_window_update(&mut self.out, 0, increment);
    }

    /// The list that was decoded; its place is taken by memory that is used again.
    fn take_list(&mut self) -> FieldList {
        let next = self.lists.pop().unwrap_or_else(|| FieldList::of(self.role.list_kind()));
        std::mem::replace(&mut self.list, next)
    }

    /// Puts a stream into the table.
    fn insert(&mut self, id: u32, receiving: Receiving, sending: Sending) {
        let pace = self.growth.pace(self.role.stream_window());
        let stream = match self.spares.pop() {
            Some(spare) => spare.renewed(receiving, sending, self.stream_window, pace),
            None => Stream::new(receiving, sending, self.stream_window, pace),
        };
        self.streams.insert(id, stream);
    }

    /// Ends a stream for an error of the peer.
    fn fail(&mut self, id: u32, code: ErrorCode) -> Result<(), ErrorCode> {
        self.count_error()?;
        put_reset(&mut self.out, id, code);
        self.close_by_us(id);
        Ok(())
    }

    /// CVE-2025-8671: a peer that makes us reset streams does so a few times only.
    fn count_error(&mut self) -> Result<(), ErrorCode> {
        self.errors = self.errors.saturating_add(1);
        if self.errors as usize > HTTP2_LOCAL_RESETS_MAX {
            return Err(ErrorCode::EnhanceYourCalm);
        }
        Ok(())
    }

    fn close_by_us(&mut self, id: u32) {
        match self.streams.get_mut(&id) {
            Some(stream) => {
                let held = stream.close(Closer::Us, &mut self.wakes);
                self.leave_turn(id);
                self.credit_connection(held);
            }
            None => self.remember(id),
        }
    }

    /// Frames of this stream may still be under way.
    fn remember(&mut self, id: u32) {
        if self.forgotten.len() >= HTTP2_RESET_STREAMS_MAX {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(id);
    }

    /// Whether frames of a stream that is not in the table any more may have been under way when we
    /// ended it.
    fn is_forgotten(&self, id: u32) -> bool {
        if self.forgotten.contains(&id) {
            return true;
        }
        match self.role {
            Role::Server => matches!(self.drain, Drain::Last(last) if id > last),
            // We gave up so many that not all are remembered.
            Role::Client => self.forgotten.len() >= HTTP2_RESET_STREAMS_MAX,
        }
    }

    /// The task of a stream ends. What was not complete by then is reset.
    pub fn release(&mut self, id: u32) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        self.leave_turn(id);
        let is_complete = stream.sending == Sending::Done;
        let is_received = stream.receiving == Receiving::Done;
        let closer = stream.closer;
        let held = stream.close(Closer::Us, &mut self.wakes);
        self.growth.ended(stream.pace);
        self.credit_connection(held);
        if self.spares.len() < HTTP2_STREAMS_KEPT {
            self.spares.push(stream);
        }
        let is_peers = matches!(closer, Some(Closer::Peer | Closer::Refusal));
        if is_peers || self.phase == Phase::Over {
            return self.settle();
        }
        if closer.is_none() && is_complete && is_received {
            self.errors = self.errors.saturating_sub(1);
            return self.settle();
        }
        if closer.is_none() {
            let code = match self.role {
                Role::Client => ErrorCode::Cancel,
                // RFC 9113 section 8.1: the response is whole, the rest of the request not wanted.
                Role::Server if is_complete => ErrorCode::NoError,
                Role::Server => ErrorCode::InternalError,
            };
            put_reset(&mut self.out, id, code);
        }
        self.remember(id);
        self.settle();
    }

    /// Ends a stream whose message cannot be completed, or is not wanted.
    pub fn reset(&mut self, id: u32, code: ErrorCode) {
        let is_ended = |stream: &Stream| {
            stream.sending == Sending::Done
                && (self.role == Role::Server || stream.receiving == Receiving::Done)
        };
        let stream = self.streams.get(&id).filter(|stream| stream.closer.is_none());
        if stream.is_some_and(|stream| !is_ended(stream)) {
            put_reset(&mut self.out, id, code);
            self.close_by_us(id);
        }
    }

    /// Wakes whoever waits for a stream.
    pub fn wake(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.wake_reader(&mut self.wakes);
            stream.wake_writer(&mut self.wakes);
        }
    }

    /// Whether the peer, or the connection, gave the stream up.
    #[must_use]
    pub fn is_closed(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.closer.is_some())
    }
}

/// Ends a stream that the peer gave up, or lost; gives the octets that the connection's window gets
/// back. A response that is here as a whole stays: only the rest of its request is not wanted (RFC
/// 9113 section 8.1).
fn lose(stream: &mut Stream, role: Role, closer: Closer, wakes: &mut Vec<Waker>) -> u32 {
    if role == Role::Client && stream.closer.is_none() && stream.receiving == Receiving::Done {
        stream.sending = Sending::Done;
        stream.wake_writer(wakes);
        return 0;
    }
    stream.close(closer, wakes)
}
