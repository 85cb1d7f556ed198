//! What is kept of the heads of answers until the access log has its line.

use std::cell::{Cell, RefCell};

use crate::filter::LogForm;

/// What is kept of the heads of one request's answers.
#[derive(Default)]
pub struct Noted {
    /// Octets of heads and whole answers of ours that the client got.
    pub head_bytes: Cell<u64>,
    keeps_sent: Cell<bool>,
    keeps_upstream: Cell<bool>,
    /// The final head that the client got; empty: nobody wants it.
    pub sent: RefCell<Vec<u8>>,
    /// That of the endpoint that answered last; empty: nobody wants it.
    pub upstream: RefCell<Vec<u8>>,
}

impl Noted {
    /// Forgets the last request; a line in `form` follows, if there is one.
    pub fn begin(&mut self, form: Option<&LogForm>) {
        self.head_bytes.set(0);
        self.follow(form);
        self.sent.get_mut().clear();
        self.upstream.get_mut().clear();
    }

    /// The line will be in `form`, if there is one.
    pub fn follow(&self, form: Option<&LogForm>) {
        self.keeps_sent.set(form.is_some_and(|form| form.reads_answer));
        self.keeps_upstream.set(form.is_some_and(|form| form.reads_upstream));
    }

    /// The client gets a head and its body.
    pub fn sends_whole(&self, text: &[u8]) {
        let end = text.windows(4).position(|end| end == b"\r\n\r\n");
        let head = end.and_then(|end| text.get(..end.saturating_add(4)));
        self.sends(head.unwrap_or(text));
    }

    /// The client gets a head.
    pub fn sends(&self, head: &[u8]) {
        self.head_bytes.set(self.head_bytes.get().saturating_add(head.len() as u64));
        if self.keeps_sent.get() {
            keep(&self.sent, head);
        }
    }

    /// An endpoint sent a head.
    pub fn hears(&self, head: &[u8]) {
        if self.keeps_upstream.get() {
            keep(&self.upstream, head);
        }
    }
}

fn keep(place: &RefCell<Vec<u8>>, head: &[u8]) {
    let mut place = place.borrow_mut();
    place.clear();
    place.extend_from_slice(head);
}
