//! One stream of a connection: windows, what came and was not taken, and who waits for it.

use std::task::Waker;

use crate::limits::{HTTP2_STREAM_INBOX_KEPT_BYTES, HTTP2_STREAM_WINDOW_BYTES};

/// How much of the request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiving {
    Open,
    /// END_STREAM came.
    Done,
}

/// How much of the response was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Head,
    Body,
    /// END_STREAM was sent.
    Done,
}

/// Who ended the stream before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closer {
    Client,
    Us,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    pub(super) closer: Option<Closer>,
    /// Below 0 if the client took its initial window back.
    pub(super) send_window: i64,
    pub(super) receive_window: u32,
    /// Given back, and the client does not know yet.
    pub(super) unannounced: u32,
    /// Octets of flow control that came and were not given back to the connection.
    pub(super) held: u32,
    inbox: Vec<u8>,
    /// Octets of the inbox that were taken.
    taken: usize,
    /// Field lines, if the request ended with any.
    pub(super) trailers: Option<Vec<u8>>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Stream {
    pub(super) const fn new(send_window: i64, receiving: Receiving) -> Self {
        Self {
            receiving,
            sending: Sending::Head,
            closer: None,
            send_window,
            receive_window: HTTP2_STREAM_WINDOW_BYTES,
            unannounced: 0,
            held: 0,
            inbox: Vec::new(),
            taken: 0,
            trailers: None,
            reader: None,
            writer: None,
        }
    }

    /// Whether something may still be sent.
    pub(super) fn is_open(&self) -> bool {
        self.closer.is_none() && self.sending != Sending::Done
    }

    /// Octets of the body that came and were not taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.inbox.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.inbox.extend_from_slice(octets);
    }

    /// Forgets the first octets of [`Self::unread`].
    pub(super) fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.taken < self.inbox.len() {
            return;
        }
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
        self.inbox = Vec::new();
        self.taken = 0;
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
