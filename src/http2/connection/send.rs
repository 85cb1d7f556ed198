//! What tasks of streams do: they take what came, and send what there is as the windows allow, one
//! frame a turn where several streams want to.

use std::task::{Context, Poll, Waker};

use super::super::follows::Follows;
use super::super::frame::{FRAME_HEAD_BYTES, flag, kind, put_frame_head};
use super::super::hpack::{RequestTarget, put_field, put_status, put_target};
use super::stream::{Receiving, Sending, Stream, store};
use super::{Arrival, Closed, Connection, Phase, Role, put_window_update};
use crate::limits::{HTTP2_FRAME_BYTES_MAX, HTTP2_OUTBOX_BYTES_MAX};

const FRAME_BYTES: usize = HTTP2_FRAME_BYTES_MAX as usize;
/// Most heads are shorter.
const BLOCK_BYTES_USUAL: usize = 512;

/// What a field block begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lead<'l> {
    Target(RequestTarget<'l>),
    Status(u16),
    /// Nothing: it is one of trailers.
    None,
}

impl Connection {
    pub(super) fn open_stream(&mut self, id: u32) -> Result<&mut Stream, Closed> {
        self.streams.get_mut(&id).filter(|stream| stream.closer.is_none()).ok_or(Closed)
    }

    /// What of the peer's message is here; `waker` is woken when that changes.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn poll_arrival(
        &mut self,
        id: u32,
        waker: Option<&Waker>,
    ) -> Poll<Result<Arrival, Closed>> {
        let stream = match self.open_stream(id) {
            Ok(stream) => stream,
            Err(closed) => return Poll::Ready(Err(closed)),
        };
        if !stream.heads.is_empty() {
            return Poll::Ready(Ok(Arrival::Head));
        }
        if !stream.unread().is_empty() {
            return Poll::Ready(Ok(Arrival::Data));
        }
        if stream.receiving == Receiving::Done {
            return Poll::Ready(Ok(Arrival::End));
        }
        if let Some(waker) = waker {
            store(&mut stream.reader, waker);
        }
        Poll::Pending
    }

    /// Octets of a body that are here.
    #[must_use]
    pub fn unread(&self, id: u32) -> &[u8] {
        self.streams.get(&id).map(Stream::unread).unwrap_or_default()
    }

    /// Whether the message ended; what is unread is the rest of it.
    #[must_use]
    pub fn is_received(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.receiving == Receiving::Done)
    }

    /// Whether a message that ended has trailers.
    #[must_use]
    pub fn has_trailers(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.trailers.is_some())
    }

    /// Takes the first octets of [`Self::unread`] away. The peer may send as much again once they
    /// are given back, see [`Self::credit`].
    pub fn consume(&mut self, id: u32, count: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.consume(count);
        }
    }

    /// The trailer lines of a message that ended; taken once.
    pub fn take_trailers(&mut self, id: u32) -> Option<Vec<u8>> {
        self.streams.get_mut(&id)?.trailers.take()
    }

    /// Gives octets back to the windows of stream and connection: they are through.
    pub fn credit(&mut self, id: u32, octets: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        // What a closed stream held was given back when it closed.
        let octets = octets.min(stream.held);
        stream.held -= octets;
        let mut more = 0;
        if stream.receiving == Receiving::Open {
            stream.unannounced = stream.unannounced.saturating_add(octets);
            if let Some(grown) = self.growth.taken(&mut stream.pace, octets) {
                stream.unannounced = stream.unannounced.saturating_add(grown.stream);
                more = grown.connection;
            }
            if stream.unannounced >= stream.pace.window / 2 {
                let increment = std::mem::take(&mut stream.unannounced);
                stream.receive_window = stream.receive_window.saturating_add(increment);
                put_window_update(&mut self.out, id, increment);
            }
        }
        if more > 0 {
            self.widen_own(more);
        }
        self.credit_connection(octets);
    }

    /// Ends our message, with trailers if there are any.
    ///
    /// # Errors
    /// The stream is closed, or our message was not begun, or is over.
    pub fn end<'f>(
        &mut self,
        id: u32,
        trailers: Option<impl Iterator<Item = (&'f [u8], &'f [u8])>>,
    ) -> Result<(), Closed> {
        if self.open_stream(id)?.sending != Sending::Body {
            return Err(Closed);
        }
        match trailers {
            Some(fields) => self.put_block(id, Lead::None, fields, flag::END_STREAM),
            None => put_frame_head(&mut self.out, 0, kind::DATA, flag::END_STREAM, id),
        }
        self.complete(id);
        Ok(())
    }

    /// Sends as many of `octets` as fit into one frame, the windows and the queue; gives their
    /// count, at least one. `follows`: of our message, when all of them went. The writer is
    /// woken when there is room.
    ///
    /// # Errors
    /// The stream is closed, or our message was not begun, or is over.
    pub fn poll_data(
        &mut self,
        context: &Context<'_>,
        id: u32,
        octets: &[u8],
        follows: Follows,
    ) -> Poll<Result<usize, Closed>> {
        let (send_window, is_full) = (self.send_window, self.out.len() >= HTTP2_OUTBOX_BYTES_MAX);
        let is_turn = self.turn.front().is_none_or(|front| *front == id);
        let stream = match self.open_stream(id) {
            Ok(stream) if stream.sending == Sending::Body => stream,
            _ => return Poll::Ready(Err(Closed)),
        };
        if stream.send_window <= 0 {
            store(&mut stream.writer, context.waker());
            // Others need not wait for a stream that waits for itself.
            self.leave_turn(id);
            return Poll::Pending;
        }
        if !is_turn || is_full || send_window <= 0 {
            store(&mut stream.writer, context.waker());
            if !self.turn.contains(&id) {
                self.turn.push_back(id);
            }
            return Poll::Pending;
        }
        let window = usize::try_from(stream.send_window.min(send_window)).unwrap_or(0);
        let count = octets.len().min(window).min(FRAME_BYTES);
        let rest = if count == octets.len() { Follows::Nothing } else { Follows::More };
        // At most one frame: no overflow.
        stream.send_window -= i64::try_from(count).unwrap_or(0);
        self.send_window -= i64::try_from(count).unwrap_or(0);
        let flags = match rest {
            Follows::Nothing => follows.flag(flag::END_STREAM),
            Follows::More => 0,
        };
        (self.grow)(&mut self.out, FRAME_HEAD_BYTES + count);
        put_frame_head(&mut self.out, count, kind::DATA, flags, id);
        self.out.extend_from_slice(octets.get(..count).unwrap_or_default());
        self.meter.sent(count);
        self.pass_turn(id, rest);
        if flags != 0 {
            self.complete(id);
        }
        Poll::Ready(Ok(count))
    }

    /// Behind a frame of `id`, which `rest` follows of what it has: another one that waits is next.
    fn pass_turn(&mut self, id: u32, rest: Follows) {
        if self.turn.front() == Some(&id) {
            self.turn.pop_front();
            if rest == Follows::More && !self.turn.is_empty() {
                self.turn.push_back(id);
            }
            self.wake_turn();
        }
    }

    pub(super) fn leave_turn(&mut self, id: u32) {
        if let Some(at) = self.turn.iter().position(|waiting| *waiting == id) {
            self.turn.remove(at);
            self.wake_turn();
        }
    }

    /// Wakes the stream whose turn it is, if there is room for it.
    pub(super) fn wake_turn(&mut self) {
        if let Some(front) = self.turn.front()
            && self.send_window > 0
            && self.out.len() < HTTP2_OUTBOX_BYTES_MAX
            && let Some(stream) = self.streams.get_mut(front)
        {
            stream.wake_writer(&mut self.wakes);
        }
    }

    /// Our message is whole.
    pub(super) fn complete(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sending = Sending::Done;
        }
        self.leave_turn(id);
        if self.role == Role::Server {
            self.meter.answered();
        }
    }

    /// Appends a field block in as many frames as it takes.
    pub(super) fn put_block<'f>(
        &mut self,
        id: u32,
        lead: Lead<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        flags: u8,
    ) {
        if self.phase == Phase::Over {
            return;
        }
        (self.grow)(&mut self.out, BLOCK_BYTES_USUAL);
        let out = &mut self.out;
        let start = out.len();
        put_frame_head(out, 0, kind::HEADERS, flags | flag::END_HEADERS, id);
        let block = out.len();
        self.encoder.begin(out);
        match lead {
            Lead::Target(target) => put_target(out, target),
            Lead::Status(status) => put_status(out, status),
            Lead::None => {}
        }
        for (name, value) in fields {
            put_field(out, name, value);
        }
        let len = out.len() - block;
        if len > FRAME_BYTES {
            return split_block(out, start, id, flags);
        }
        let [_, l0, l1, l2] = u32::try_from(len).unwrap_or(0).to_be_bytes();
        if let Some(room) = out.get_mut(start..start + 3) {
            room.copy_from_slice(&[l0, l1, l2]);
        }
    }
}

/// Frames anew the block of a HEADERS frame at `start` that is too large for it.
fn split_block(out: &mut Vec<u8>, start: usize, id: u32, flags: u8) {
    let block = out.split_off(start + FRAME_HEAD_BYTES);
    out.truncate(start);
    let mut pieces = block.chunks(FRAME_BYTES).peekable();
    let mut frame = (kind::HEADERS, flags);
    while let Some(piece) = pieces.next() {
        let (kind, flags) = frame;
        let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        put_frame_head(out, piece.len(), kind, flags | last, id);
        out.extend_from_slice(piece);
        frame = (kind::CONTINUATION, 0);
    }
}
