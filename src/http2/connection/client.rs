//! The client's role: streams are opened towards a backend, which answers them.

use std::task::{Context, Poll};

use super::super::PREFACE;
use super::super::follows::Follows;
use super::super::frame::{self, ErrorCode, flag, put_goaway, put_ping, setting};
use super::super::guard::FrameMeter;
use super::super::hpack::{FieldList, RequestTarget};
use super::send::Lead;
use super::stream::{Closer, Receiving, Sending, store};
use super::{Closed, Connection, Drain, Phase, Probe, Role, WindowBudget, lose};
use crate::limits::{
    HTTP2_RESPONSE_LIST_BYTES_MAX, HTTP2_UPSTREAM_UNSENT_BYTES_MAX, INFORMATIONAL_RESPONSES_MAX,
};

/// What our PING carries.
const PROBE_PING: [u8; 8] = *b"present?";

impl Connection {
    /// A connection to a backend; our preface and SETTINGS are to be sent. Memory for windows that
    /// grow comes from `budget`.
    #[must_use]
    pub fn asking(now_millis: u64, budget: WindowBudget) -> Self {
        let meter = FrameMeter::of_backend(now_millis);
        let mut client = Self::begin(Role::Client, meter, now_millis, budget);
        client.out.extend_from_slice(PREFACE);
        client.greet(&[
            (setting::ENABLE_PUSH, 0),
            (setting::MAX_HEADER_LIST_SIZE, HTTP2_RESPONSE_LIST_BYTES_MAX),
        ]);
        client
    }

    /// Streams that the backend takes at a time from now on; 0 until its SETTINGS came, when it
    /// wants no more, and while it does not read what was sent.
    #[must_use]
    pub fn streams_allowed(&self) -> u32 {
        let is_open = self.phase == Phase::Open && !self.is_spent() && !self.is_unread();
        if is_open { self.streams_max } else { 0 }
    }

    /// Whether the backend wants no more streams, the connection is over, or its numbers are used
    /// up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.phase == Phase::Over || self.drain != Drain::No || self.last >= frame::WINDOW_MAX
    }

    /// Whether no stream is opened any more because one side said so; what was to be sent on one is
    /// no fault of the backend.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.drain, Drain::Leaving)
    }

    /// Whether so much is unsent that the backend cannot be reading.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.out.len() >= HTTP2_UPSTREAM_UNSENT_BYTES_MAX
    }

    /// Opens a stream with the head of a request, which the rest of it `follows`. Gives the stream.
    /// That the backend takes one more is up to the caller.
    ///
    /// # Errors
    /// The backend wants no more, or does not read, or the connection is over; nothing was sent.
    pub fn open<'f>(
        &mut self,
        target: RequestTarget<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        follows: Follows,
    ) -> Result<u32, Closed> {
        if self.is_spent() || self.is_unread() {
            return Err(Closed);
        }
        let id = if self.last == 0 { 1 } else { self.last.saturating_add(2) };
        self.last = id;
        self.meter.asked();
        self.insert(id, Receiving::Head, Sending::Body);
        self.put_block(id, Lead::Target(target), fields, follows.flag(flag::END_STREAM));
        if follows == Follows::Nothing {
            self.complete(id);
        }
        Ok(id)
    }

    /// The next head of a response; to be given back with [`Self::recycle`].
    pub fn take_head(&mut self, id: u32) -> Option<FieldList> {
        self.streams.get_mut(&id)?.heads.pop_front()
    }

    /// What follows of the response behind the heads that are here.
    #[must_use]
    pub fn follows(&self, id: u32) -> Follows {
        match self.is_received(id) && self.unread(id).is_empty() && !self.has_trailers(id) {
            true => Follows::Nothing,
            false => Follows::More,
        }
    }

    /// The list that was decoded is the head of a response.
    pub(super) fn answer(&mut self, id: u32, follows: Follows) -> Result<(), ErrorCode> {
        let is_informational = self.list.pseudo().is_informational;
        let waiting = self.streams.get(&id).map_or(0, |stream| stream.heads.len());
        if is_informational && follows == Follows::Nothing {
            return self.fail(id, ErrorCode::ProtocolError);
        }
        if waiting > INFORMATIONAL_RESPONSES_MAX as usize || waiting > 0 && self.is_crowded(id) {
            return self.fail(id, ErrorCode::EnhanceYourCalm);
        }
        let fields = self.take_list();
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        stream.heads.push_back(fields);
        if !is_informational {
            stream.receiving = Receiving::behind(follows);
        }
        stream.wake_reader(&mut self.wakes);
        Ok(())
    }

    /// Whether the heads that wait and the one that was decoded are more than one may be.
    fn is_crowded(&self, id: u32) -> bool {
        let waiting = self.streams.get(&id).into_iter().flat_map(|stream| &stream.heads);
        let octets: usize = waiting.chain([&self.list]).map(FieldList::size).sum();
        octets > HTTP2_RESPONSE_LIST_BYTES_MAX as usize
    }

    /// Whether the backend said that it did nothing with the request of a stream.
    #[must_use]
    pub fn is_refused(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.closer == Some(Closer::Refusal))
    }

    /// GOAWAY came. RFC 9113 section 6.8: streams above `last` were not looked at, and none is
    /// opened any more.
    pub(super) fn turned_away(&mut self, last: u32) {
        if self.role == Role::Server || self.phase == Phase::Over {
            return;
        }
        self.drain = Drain::Leaving;
        let mut held = 0_u32;
        for (_, stream) in self.streams.range_mut(last.saturating_add(1)..) {
            let octets = lose(stream, Role::Client, Closer::Refusal, &mut self.wakes);
            held = held.saturating_add(octets);
        }
        self.credit_connection(held);
        self.turn.retain(|id| *id <= last);
        self.wake_turn();
        self.settle();
    }

    /// No stream will be opened any more: the connection ends with its last one.
    pub fn retire(&mut self) {
        if self.phase != Phase::Over {
            self.drain = Drain::Leaving;
            self.settle();
        }
    }

    /// Ends a connection that is left, and has no stream any more.
    pub(super) fn settle(&mut self) {
        if self.drain == Drain::Leaving && self.streams.is_empty() && self.phase != Phase::Over {
            put_goaway(&mut self.out, 0, ErrorCode::NoError);
            self.phase = Phase::Over;
        }
    }

    /// Asks the backend whether it is there.
    pub fn probe(&mut self) {
        if self.phase != Phase::Over {
            put_ping(&mut self.out, 0, PROBE_PING);
            self.probe = Probe::Asked(None);
        }
    }

    /// Waits for the answer to the last [`Self::probe`].
    pub fn poll_probe(&mut self, context: &Context<'_>) -> Poll<()> {
        match &mut self.probe {
            Probe::Asked(waker) => {
                store(waker, context.waker());
                Poll::Pending
            }
            Probe::None | Probe::Answered => Poll::Ready(()),
        }
    }

    /// An answer to a PING came.
    pub(super) fn answered(&mut self, octets: [u8; 8]) {
        if octets == PROBE_PING
            && let Probe::Asked(waker) = std::mem::replace(&mut self.probe, Probe::Answered)
        {
            self.wakes.extend(waker);
        }
    }
}
