//! The server's side of a connection, sans-IO: octets of the client in, requests and octets for the
//! client out. No socket, no clock; whoever waits for a stream is woken through [`Server::wakes`].
//!
//! ```text
//!  octets ─▶ meter ─▶ frames ─┬─ HEADERS ─▶ Decoder ─▶ opened()   ─▶ the task of a stream
//!                             ├─ DATA ────▶ inbox of the stream ─▶ take(), credit()
//!                             └─ the rest: windows, settings, resets
//!  take_output() ◀─ out ◀─ HEADERS, DATA as windows allow ◀─ respond(), poll_data(), end()
//! ```
//!
//! A stream stays in the table until its task lets go of it, so that one which the client gave up
//! counts until its work upstream is over.
//!
//! Source: RFC 9113, RFC 7541, RFC 8441.

mod receive;
mod send;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use self::stream::{Closer, Receiving, Sending, Stream};
use super::frame::{
    self, ErrorCode, put_frame_head, put_goaway, put_ping, put_reset, put_window_update, setting,
};
use super::guard::FrameMeter;
use super::hpack::{Decoder, Encoder, FieldList};
use crate::limits::{
    HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_LIST_BYTES_MAX,
    HTTP2_HEADER_TABLE_BYTES_MAX, HTTP2_LOCAL_RESETS_MAX, HTTP2_RESET_STREAMS_MAX,
    HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX,
};

/// Window of each direction before anything is said about it, RFC 9113 section 6.9.2.
const WINDOW_AT_FIRST: u32 = 65_535;

/// What the PING behind the first GOAWAY of a drain carries.
const DRAIN_PING: [u8; 8] = *b"drained?";

/// The stream is over for its task: the client or the connection ended it.
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
    /// Its fields, nothing of them checked. To be given back with [`Server::recycle`].
    pub fields: FieldList,
    /// Nothing follows its head.
    pub is_end: bool,
}

/// What there is to be read of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Octets.
    Data,
    /// Its end.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Octets of the client's preface so far.
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
}

/// A connection.
#[derive(Debug)]
pub struct Server {
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
    /// The highest one that the client opened.
    last: u32,
    /// Streams that we ended before the client did; its frames may still be under way.
    forgotten: VecDeque<u32>,
    /// Streams ended for an error of the client, less those that ended well.
    errors: u32,
    /// Requests that are served at a time.
    streams_max: u32,
    /// Octets that the client takes on all streams.
    send_window: i64,
    /// Octets that it takes on a new one.
    stream_window: i64,
    /// Octets that it may send on all streams, and those that it does not know of yet.
    receive_window: u32,
    unannounced: u32,
    /// Streams that wait for room on the connection, the next one first.
    turn: VecDeque<u32>,
    out: Vec<u8>,
    wakes: Vec<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    stream: u32,
    is_end: bool,
    purpose: Purpose,
}

/// What is done with a field block once it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Request,
    Trailers,
    /// One stream more than allowed.
    Refuse,
    /// The stream ends with this code.
    Fail(ErrorCode),
    /// Only the table of the decoder follows.
    Ignore,
}

impl Server {
    /// A connection of which no octet was read; our SETTINGS are to be sent.
    #[must_use]
    pub fn new(now_millis: u64) -> Self {
        Self::serving(now_millis, HTTP2_STREAMS_MAX)
    }

    /// The same, of which so many requests are served at a time, at most [`HTTP2_STREAMS_MAX`].
    #[must_use]
    pub fn serving(now_millis: u64, streams_max: u32) -> Self {
        let mut server = Self {
            streams_max: streams_max.min(HTTP2_STREAMS_MAX),
            phase: Phase::Preface(0),
            drain: Drain::No,
            meter: FrameMeter::new(now_millis),
            partial: Vec::new(),
            decoder: Decoder::new(),
            encoder: Encoder::new(),
            block: None,
            list: FieldList::default(),
            lists: Vec::new(),
            streams: BTreeMap::new(),
            opened: VecDeque::new(),
            last: 0,
            forgotten: VecDeque::new(),
            errors: 0,
            send_window: i64::from(WINDOW_AT_FIRST),
            stream_window: i64::from(WINDOW_AT_FIRST),
            receive_window: HTTP2_CONNECTION_WINDOW_BYTES,
            unannounced: 0,
            turn: VecDeque::new(),
            out: Vec::new(),
            wakes: Vec::new(),
        };
        server.greet();
        server
    }

    /// RFC 9113 section 3.4.
    fn greet(&mut self) {
        let values = [
            (setting::HEADER_TABLE_SIZE, HTTP2_HEADER_TABLE_BYTES_MAX),
            (setting::MAX_CONCURRENT_STREAMS, self.streams_max),
            (setting::INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES),
            (setting::MAX_FRAME_SIZE, HTTP2_FRAME_BYTES_MAX),
            (setting::MAX_HEADER_LIST_SIZE, HTTP2_HEADER_LIST_BYTES_MAX),
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
        ];
        put_frame_head(&mut self.out, values.len() * 6, frame::kind::SETTINGS, 0, 0);
        for (identifier, value) in values {
            self.out.extend_from_slice(&identifier.to_be_bytes());
            self.out.extend_from_slice(&value.to_be_bytes());
        }
        put_window_update(&mut self.out, 0, HTTP2_CONNECTION_WINDOW_BYTES - WINDOW_AT_FIRST);
    }

    /// The next request; asked for until there is none, behind each call of [`Self::receive`].
    pub fn opened(&mut self) -> Option<Opened> {
        self.opened.pop_front()
    }

    /// Takes the memory of a request's fields back.
    pub fn recycle(&mut self, mut fields: FieldList) {
        if self.lists.is_empty() {
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

    /// Whether nothing will be read or written any more, apart from what is to be sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over || matches!(self.drain, Drain::Last(_)) && self.streams.is_empty()
    }

    /// Whether the client's preface is here.
    #[must_use]
    pub const fn is_greeted(&self) -> bool {
        matches!(self.phase, Phase::Greeted | Phase::Open)
    }

    /// Streams that were opened and not let go of.
    #[must_use]
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// What the client did so far.
    #[must_use]
    pub const fn meter(&self) -> &FrameMeter {
        &self.meter
    }

    /// Tells the client that no more streams are wanted. Those that it opened before it knows are
    /// served; GOAWAY names the last of them when it has answered a PING (RFC 9113 section 6.8).
    pub fn begin_drain(&mut self) {
        if self.drain == Drain::No && self.phase != Phase::Over {
            self.drain = Drain::Announced;
            put_goaway(&mut self.out, frame::WINDOW_MAX, ErrorCode::NoError);
            put_ping(&mut self.out, 0, DRAIN_PING);
        }
    }

    /// Ends the connection now: GOAWAY, and no more. Streams that are open fail.
    pub fn abort(&mut self, code: ErrorCode) -> Ended {
        if self.phase != Phase::Over {
            let last = if let Drain::Last(last) = self.drain { last } else { self.last };
            put_goaway(&mut self.out, last, code);
            self.disconnect();
        }
        Ended { code }
    }

    /// The client is gone: streams that are open fail.
    pub fn disconnect(&mut self) {
        self.phase = Phase::Over;
        self.partial = Vec::new();
        self.turn.clear();
        for stream in self.streams.values_mut() {
            stream.close(Closer::Us, &mut self.wakes);
        }
    }

    /// Gives octets of the connection's window back.
    fn credit_connection(&mut self, octets: u32) {
        self.unannounced = self.unannounced.saturating_add(octets);
        if self.unannounced >= HTTP2_CONNECTION_WINDOW_BYTES / 2 && self.phase != Phase::Over {
            let increment = std::mem::take(&mut self.unannounced);
            self.receive_window = self.receive_window.saturating_add(increment);
            put_window_update(&mut self.out, 0, increment);
        }
    }

    /// Ends a stream for an error of the client.
    fn fail(&mut self, id: u32, code: ErrorCode) -> Result<(), ErrorCode> {
        self.count_error()?;
        put_reset(&mut self.out, id, code);
        self.close_by_us(id);
        Ok(())
    }

    /// CVE-2025-8671: a client that makes us reset streams does so a few times only.
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

    /// The task of a stream ends. What was not complete by then is reset.
    pub fn release(&mut self, id: u32) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        self.leave_turn(id);
        let is_complete = stream.sending == Sending::Done;
        let is_received = stream.receiving == Receiving::Done;
        let closer = stream.closer;
        let held = stream.close(Closer::Us, &mut self.wakes);
        self.credit_connection(held);
        if closer == Some(Closer::Client) || self.phase == Phase::Over {
            return;
        }
        if closer.is_none() {
            if is_complete && is_received {
                self.errors = self.errors.saturating_sub(1);
                return;
            }
            // RFC 9113 section 8.1: the response is whole, the rest of the request not wanted.
            let code = if is_complete { ErrorCode::NoError } else { ErrorCode::InternalError };
            put_reset(&mut self.out, id, code);
        }
        self.remember(id);
    }

    /// Ends a stream whose response cannot be completed.
    pub fn reset(&mut self, id: u32, code: ErrorCode) {
        if self.streams.get(&id).is_some_and(Stream::is_open) {
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

    /// Whether the client, or the connection, gave the stream up.
    #[must_use]
    pub fn is_closed(&self, id: u32) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.closer.is_some())
    }
}
