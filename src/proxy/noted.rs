//! What is kept of the heads of answers, and of when they came, until the access log has its line.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::filter::LogForm;

/// What is kept of the heads of one request's answers.
#[derive(Default)]
pub struct Noted {
    /// Octets of heads and whole answers of ours that the client got.
    pub head_bytes: Cell<u64>,
    keeps_sent: Cell<bool>,
    keeps_upstream: Cell<bool>,
    keeps_times: Cell<bool>,
    /// Process clock when the connection of a try was there; 0: there is none, or nobody wants to
    /// know.
    connected: Cell<u64>,
    /// The same of the head of its answer.
    answered: Cell<u64>,
    /// The final head that the client got; empty: nobody wants it.
    pub sent: RefCell<Vec<u8>>,
    /// That of the endpoint that answered last; empty: nobody wants it.
    pub upstream: RefCell<Vec<u8>>,
}

impl Noted {
    /// Forgets the last request; a line in `form` follows, if there is one.
    pub fn begin(&mut self, form: Option<&LogForm>) {
        self.head_bytes.set(0);
        self.keeps_sent.set(form.is_some_and(|form| form.reads_answer));
        self.keeps_upstream.set(form.is_some_and(|form| form.reads_upstream));
        self.keeps_times.set(form.is_some_and(|form| form.reads_times));
        self.forget_times();
        self.sent.get_mut().clear();
        self.upstream.get_mut().clear();
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

    /// A try has its connection. `now`: the process clock, for which nobody may want to know.
    pub fn connects(&self, now: impl FnOnce() -> u64) {
        if self.keeps_times.get() {
            self.connected.set(now());
        }
    }

    /// An endpoint sent a head; `now` as above.
    pub fn hears(&self, head: &[u8], now: impl FnOnce() -> u64) {
        if self.keeps_upstream.get() {
            keep(&self.upstream, head);
        }
        if self.keeps_times.get() {
            self.answered.set(now());
        }
    }

    /// How long a try that began then took to its connection, and to the head of its answer.
    /// Another try may follow.
    pub fn times(&self, started: u64) -> [Option<Duration>; 2] {
        let times = [&self.connected, &self.answered].map(|at| {
            let at = Some(at.get()).filter(|at| *at != 0)?;
            Some(Duration::from_nanos(at.saturating_sub(started)))
        });
        self.forget_times();
        times
    }

    fn forget_times(&self) {
        self.connected.set(0);
        self.answered.set(0);
    }
}

fn keep(place: &RefCell<Vec<u8>>, head: &[u8]) {
    let mut place = place.borrow_mut();
    place.clear();
    place.extend_from_slice(head);
}
