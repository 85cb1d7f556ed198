//! The server's role: a client opens streams, which are answered.

use super::super::PREFACE;
use super::super::follows::Follows;
use super::super::frame::{
    self, ErrorCode, Parent, flag, put_goaway, put_ping, put_reset, setting,
};
use super::super::guard::FrameMeter;
use super::send::Lead;
use super::stream::{Receiving, Sending};
use super::{Closed, Connection, Drain, Opened, Phase, Purpose, Role, WindowBudget};
use crate::limits::{HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_STREAMS_MAX};

/// What the PING behind the first GOAWAY of a drain carries.
pub(super) const DRAIN_PING: [u8; 8] = *b"drained?";

impl Connection {
    /// A connection of which no octet was read; our SETTINGS are to be sent. So many requests are
    /// served at a time, at most [`HTTP2_STREAMS_MAX`].
    #[must_use]
    pub fn serving(now_millis: u64, streams_max: u32, budget: WindowBudget) -> Self {
        let meter = FrameMeter::new(now_millis);
        let mut server = Self::begin(Role::Server, meter, now_millis, budget);
        server.phase = Phase::Preface(0);
        server.streams_max = streams_max.min(HTTP2_STREAMS_MAX);
        server.greet(&[
            (setting::MAX_CONCURRENT_STREAMS, server.streams_max),
            (setting::MAX_HEADER_LIST_SIZE, HTTP2_HEADER_LIST_BYTES_MAX),
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
        ]);
        server
    }

    /// The next request; asked for until there is none, behind each call of [`Self::receive`].
    pub fn opened(&mut self) -> Option<Opened> {
        self.opened.pop_front()
    }

    /// Whether the client's preface is here.
    #[must_use]
    pub const fn is_greeted(&self) -> bool {
        matches!(self.phase, Phase::Greeted | Phase::Open)
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

    pub(super) fn read_preface<'o>(&mut self, octets: &'o [u8]) -> Result<&'o [u8], ErrorCode> {
        let Phase::Preface(read) = self.phase else { return Ok(octets) };
        let wanted = PREFACE.get(read..).unwrap_or_default();
        let (part, rest) = octets.split_at(wanted.len().min(octets.len()));
        if !wanted.starts_with(part) {
            return Err(ErrorCode::ProtocolError);
        }
        let read = read + part.len();
        self.phase = if read == PREFACE.len() { Phase::Greeted } else { Phase::Preface(read) };
        Ok(rest)
    }

    /// What the field block of a new stream is for.
    pub(super) fn begin_request(&mut self, id: u32, parent: Parent) -> Purpose {
        self.last = id;
        match self.drain {
            Drain::Last(last) if id > last => Purpose::Ignore,
            _ if parent == Parent::Itself => Purpose::Fail(ErrorCode::ProtocolError),
            _ if self.streams.len() >= self.streams_max as usize => Purpose::Refuse,
            _ => Purpose::Request,
        }
    }

    /// The list that was decoded is a request.
    pub(super) fn accept(&mut self, id: u32, follows: Follows) {
        let fields = self.take_list();
        self.insert(id, Receiving::behind(follows), Sending::Head);
        self.opened.push_back(Opened { id, fields, follows });
    }

    /// Ends a stream whose request turned out to be malformed: by 400 if nothing else was said, so
    /// that its sender can tell, else by a reset (RFC 9113 section 8.1.1).
    pub fn refuse(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.closer.is_none()) else {
            return;
        };
        let is_unread = stream.receiving != Receiving::Done;
        let is_told = stream.sending == Sending::Head
            && self.respond(id, 400, std::iter::empty(), Follows::Nothing).is_ok();
        if !is_told {
            put_reset(&mut self.out, id, ErrorCode::ProtocolError);
        } else if is_unread {
            put_reset(&mut self.out, id, ErrorCode::NoError);
        }
        self.close_by_us(id);
    }

    /// The client has read our first GOAWAY.
    pub(super) fn drained(&mut self) {
        if self.drain == Drain::Announced {
            self.drain = Drain::Last(self.last);
            put_goaway(&mut self.out, self.last, ErrorCode::NoError);
        }
    }

    /// Sends an informational response.
    ///
    /// # Errors
    /// The stream is closed, or the response was begun.
    pub fn inform<'f>(
        &mut self,
        id: u32,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), Closed> {
        if self.open_stream(id)?.sending != Sending::Head {
            return Err(Closed);
        }
        self.put_block(id, Lead::Status(status), fields, 0);
        Ok(())
    }

    /// Sends the head of the response, which the rest of it `follows`.
    ///
    /// # Errors
    /// The stream is closed, or the response was begun before.
    pub fn respond<'f>(
        &mut self,
        id: u32,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        follows: Follows,
    ) -> Result<(), Closed> {
        let stream = self.open_stream(id)?;
        if stream.sending != Sending::Head {
            return Err(Closed);
        }
        stream.sending = Sending::Body;
        self.put_block(id, Lead::Status(status), fields, follows.flag(flag::END_STREAM));
        if follows == Follows::Nothing {
            self.complete(id);
        }
        Ok(())
    }
}
