//! One stream of a connection: windows, what came and was not taken, and who waits for it.

use std::collections::VecDeque;
use std::task::Waker;

use super::super::follows::Follows;
use super::super::hpack::FieldList;
use super::windows::Pace;
use crate::limits::HTTP2_STREAM_INBOX_KEPT_BYTES;

/// How much of the peer's message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiving {
    /// Its head is to come: of a response only.
    Head,
    Open,
    /// END_STREAM came.
    Done,
}

impl Receiving {
    /// Behind a head.
    pub(super) const fn behind(follows: Follows) -> Self {
        match follows {
            Follows::More => Self::Open,
            Follows::Nothing => Self::Done,
        }
    }
}

/// How much of our message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// Its head is to come: of a response only.
    Head,
    Body,
    /// END_STREAM was sent, or nobody takes the rest.
    Done,
}

/// Who ended the stream before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closer {
    Peer,
    /// The peer, and it did nothing with the request: RFC 9113 sections 6.8 and 8.7.
    Refusal,
    Us,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    pub(super) closer: Option<Closer>,
    /// Below 0 if the peer took its initial window back.
    pub(super) send_window: i64,
    pub(super) receive_window: u32,
    /// Given back, and the peer does not know yet.
    pub(super) unannounced: u32,
    /// Octets of flow control that came and were not given back to the connection.
    pub(super) held: u32,
    pub(super) pace: Pace,
    /// Heads of a response, informational ones first.
    pub(super) heads: VecDeque<FieldList>,
    inbox: Vec<u8>,
    /// Octets of the inbox that were taken.
    taken: usize,
    /// Field lines, if the message ended with any.
    pub(super) trailers: Option<Vec<u8>>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Stream {
    pub(super) fn new(
        receiving: Receiving,
        sending: Sending,
        send_window: i64,
        pace: Pace,
    ) -> Self {
        Self {
            receiving,
            sending,
            closer: None,
            send_window,
            receive_window: pace.window,
            unannounced: 0,
            held: 0,
            pace,
            heads: VecDeque::new(),
            inbox: Vec::new(),
            taken: 0,
            trailers: None,
            reader: None,
            writer: None,
        }
    }

    /// Another stream in the memory of one that is over.
    pub(super) fn renewed(
        self,
        receiving: Receiving,
        sending: Sending,
        send_window: i64,
        pace: Pace,
    ) -> Self {
        let Self { mut heads, mut inbox, .. } = self;
        heads.clear();
        inbox.clear();
        Self { heads, inbox, ..Self::new(receiving, sending, send_window, pace) }
    }

    /// Octets of the body that came and were not taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.inbox.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        // Where the peer is always ahead it never gets empty. At most as many octets are moved as
        // were taken.
        if self.taken > 0 && self.taken >= self.unread().len() {
            self.inbox.drain(..std::mem::take(&mut self.taken));
        }
        self.inbox.extend_from_slice(octets);
    }

    /// Forgets the first octets of [`Self::unread`].
    pub(super) fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.inbox.len() {
            self.empty_inbox();
        }
    }

    fn empty_inbox(&mut self) {
        self.taken = 0;
        if self.inbox.capacity() > HTTP2_STREAM_INBOX_KEPT_BYTES {
            self.inbox = Vec::new();
        } else {
            self.inbox.clear();
        }
    }

    /// Ends it in both directions; gives the octets that the connection's window gets back.
    pub(super) fn close(&mut self, closer: Closer, wakes: &mut Vec<Waker>) -> u32 {
        self.closer.get_or_insert(closer);
        self.empty_inbox();
        self.heads.clear();
        self.trailers = None;
        self.wake_reader(wakes);
        self.wake_writer(wakes);
        std::mem::take(&mut self.held)
    }

    pub(super) fn wake_reader(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.reader.take());
    }

    pub(super) fn wake_writer(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.writer.take());
    }
}

/// Keeps the waker of the newest poll, and its allocation if it is the same.
pub(super) fn store(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::{Growth, WindowBudget};
    use super::*;

    #[test]
    fn an_inbox_that_never_gets_empty_does_not_grow() {
        let pace = Growth::new(WindowBudget::default(), 0).pace(64 * 1024);
        let mut stream = Stream::new(Receiving::Open, Sending::Done, 0, pace);
        stream.push(&[0; 16 * 1024]);
        for turn in 1..=255_u8 {
            stream.push(&[turn; 16 * 1024]);
            assert_eq!(stream.unread().first(), Some(&(turn - 1)));
            stream.consume(16 * 1024);
            assert!(stream.inbox.len() <= 48 * 1024);
        }
    }
}
