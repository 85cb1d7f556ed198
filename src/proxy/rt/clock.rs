//! Time of a core: a coarse clock and the deadlines of its connections.
//!
//! A deadline does not cancel an operation; it shuts the connection down, and whatever waits on it
//! ends by itself and finds [`Deadline::is_expired`]. So the request path sets a number where other
//! designs insert and remove a timer, and no operation is ever abandoned.
//!
//! ```text
//! arm: due ← now + d; linked at or before due already? done : link into slot(due)
//! tick: each entry of the slots gone by: due later? link again : expire
//! ```
//!
//! A connection that is armed again and again is moved once per shortest timeout, not once per
//! request.

use std::cell::{Cell, RefCell};
use std::net::Shutdown;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use crate::limits::{CLIENT_CHECK_INTERVAL, TICK};
use crate::proxy::rt::socket::{self, Peek};
use crate::proxy::rt::time::coarse_millis;

/// Slots of the wheel: 4096 × 20 ms = 82 s; what is due later is linked at the horizon and again
/// from there.
const SLOTS: usize = 4096;
const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// What happens when a deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Reading ends, so that an answer can still be written.
    CloseRead,
    /// The same, on a connection between two requests.
    CloseIdle,
    /// Both directions end.
    CloseBoth,
    /// If the peer is gone, the other connection is shut down; else looked at again later.
    CheckPeer {
        /// Index of the other connection's deadline.
        other: u32,
        /// Its occupant.
        generation: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Expired,
    PeerGone,
}

/// What a deadline ends when it passes.
#[derive(Clone)]
pub enum Target {
    /// A socket whose peer is gone when it failed, or nothing but its end is left to read.
    Socket(RawFd),
    /// A socket whose peer says goodbye before it closes, so that its end is asked for apart.
    TlsSocket(RawFd),
    /// A stream of a connection that others share.
    Stream(Rc<dyn SharedStream>),
}

/// A stream without a socket of its own.
pub trait SharedStream {
    /// These directions end; whatever waits on them ends.
    fn shutdown(&self, how: Shutdown);
    /// Whether the peer gave the stream up.
    fn is_peer_gone(&self) -> bool;
}

impl Target {
    fn shutdown(&self, how: Shutdown) {
        match self {
            Self::Socket(descriptor) | Self::TlsSocket(descriptor) => {
                socket::shutdown(*descriptor, how);
            }
            Self::Stream(stream) => stream.shutdown(how),
        }
    }

    fn is_peer_gone(&self) -> bool {
        match self {
            Self::Socket(descriptor) => match socket::peek(*descriptor) {
                Peek::Closed => true,
                Peek::Silent => false,
                // What came before a reset stays readable.
                Peek::Data => socket::is_failed(*descriptor),
            },
            Self::TlsSocket(descriptor) => socket::is_half_closed(*descriptor),
            Self::Stream(stream) => stream.is_peer_gone(),
        }
    }
}

struct Entry {
    generation: u32,
    target: Target,
    previous: u32,
    next: u32,
    /// Tick at which it is linked; `NEVER`: not linked.
    linked: u64,
    due: u64,
    expiry: Expiry,
    state: State,
}

struct Wheel {
    entries: Vec<Entry>,
    free: Vec<u32>,
    slots: Box<[u32; SLOTS]>,
    tick: u64,
}

/// The deadlines of one core.
pub struct Deadlines {
    wheel: RefCell<Wheel>,
    expired: Cell<u64>,
}

/// One connection's deadline; unarmed at first.
pub struct Deadline {
    deadlines: Rc<Deadlines>,
    index: u32,
}

thread_local! {
    static RECENT: Cell<u64> = const { Cell::new(0) };
}

/// The coarse clock as it was lately: at most one [`TICK`] ago, more only while the loop was held
/// up.
///
/// PERF: a request asks for the time ten times to arm deadlines and to age connections; asking the
/// kernel's clock each time was 2 % of it.
#[must_use]
pub fn recent_millis() -> u64 {
    match RECENT.get() {
        0 => refresh(),
        known => known,
    }
}

/// Looks at the clock for [`recent_millis`].
pub fn refresh() -> u64 {
    let now = coarse_millis();
    RECENT.set(now);
    now
}

const TICK_MILLIS: u64 = 20;
const _: () = assert!(TICK.as_millis() == TICK_MILLIS as u128);

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER).div_ceil(TICK_MILLIS).max(1)
}

impl Wheel {
    fn entry(&mut self, index: u32) -> &mut Entry {
        &mut self.entries[index as usize]
    }

    fn unlink(&mut self, index: u32) {
        let (previous, next, linked) = {
            let entry = self.entry(index);
            let was = (entry.previous, entry.next, entry.linked);
            entry.previous = NONE;
            entry.next = NONE;
            entry.linked = NEVER;
            was
        };
        if linked == NEVER {
            return;
        }
        if previous == NONE {
            self.slots[slot(linked)] = next;
        } else {
            self.entry(previous).next = next;
        }
        if next != NONE {
            self.entry(next).previous = previous;
        }
    }

    fn link(&mut self, index: u32, due: u64) {
        let horizon = self.tick.saturating_add(SLOTS as u64 - 1);
        let at = due.clamp(self.tick.saturating_add(1), horizon);
        let head = self.slots[slot(at)];
        {
            let entry = self.entry(index);
            entry.linked = at;
            entry.previous = NONE;
            entry.next = head;
        }
        if head != NONE {
            self.entry(head).previous = index;
        }
        self.slots[slot(at)] = index;
    }

    fn arm(&mut self, index: u32, due: u64, expiry: Expiry) {
        let entry = self.entry(index);
        entry.due = due;
        entry.expiry = expiry;
        entry.state = State::Waiting;
        if entry.linked > due {
            self.unlink(index);
            self.link(index, due);
        }
    }

    /// Handles one entry of a slot gone by; true when a deadline passed.
    fn pass(&mut self, index: u32) -> bool {
        self.unlink(index);
        let tick = self.tick;
        let entry = self.entry(index);
        let (due, expiry) = (entry.due, entry.expiry);
        if due == NEVER {
            return false;
        }
        if due > tick {
            self.link(index, due);
            return false;
        }
        match expiry {
            Expiry::CloseRead | Expiry::CloseIdle => entry.target.shutdown(Shutdown::Read),
            Expiry::CloseBoth => entry.target.shutdown(Shutdown::Both),
            Expiry::CheckPeer { other, generation } => {
                if !entry.target.is_peer_gone() {
                    let due = tick.saturating_add(ticks(CLIENT_CHECK_INTERVAL));
                    self.arm(index, due, expiry);
                    return false;
                }
                self.entry(index).state = State::PeerGone;
                let other = self.entry(other);
                if other.generation == generation {
                    other.target.shutdown(Shutdown::Both);
                }
                self.entry(index).due = NEVER;
                return false;
            }
        }
        let entry = self.entry(index);
        entry.state = State::Expired;
        entry.due = NEVER;
        true
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

impl Deadlines {
    /// An empty wheel at the present time.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            wheel: RefCell::new(Wheel {
                entries: Vec::new(),
                free: Vec::new(),
                slots: Box::new([NONE; SLOTS]),
                tick: coarse_millis() / TICK_MILLIS,
            }),
            expired: Cell::new(0),
        })
    }

    /// Moves on to the present; to be called every [`TICK`].
    pub fn advance(&self) {
        self.advance_to(refresh() / TICK_MILLIS);
    }

    fn advance_to(&self, now: u64) {
        let mut wheel = self.wheel.borrow_mut();
        // After a pause longer than the wheel every slot is looked at once.
        let first = now.saturating_sub(SLOTS as u64 - 1).max(wheel.tick.saturating_add(1));
        for tick in first..=now {
            wheel.tick = tick;
            let mut index = wheel.slots[slot(tick)];
            while index != NONE {
                let next = wheel.entry(index).next;
                if wheel.entry(index).linked <= tick && wheel.pass(index) {
                    self.expired.set(self.expired.get().saturating_add(1));
                }
                index = next;
            }
        }
    }

    /// Shortens the wait of every connection that is between two requests to `wait`.
    pub fn hurry_idle(&self, wait: Duration) {
        let mut wheel = self.wheel.borrow_mut();
        let due = wheel.tick.saturating_add(ticks(wait));
        for index in 0..wheel.entries.len() {
            let entry = &wheel.entries[index];
            if entry.expiry == Expiry::CloseIdle && entry.due != NEVER && entry.due > due {
                wheel.arm(u32::try_from(index).unwrap_or(NONE), due, Expiry::CloseIdle);
            }
        }
    }

    #[cfg(test)]
    fn expired(&self) -> u64 {
        self.expired.get()
    }
}

impl Deadline {
    /// Registers a target. A descriptor must stay open as long as the value lives.
    #[must_use]
    pub fn new(deadlines: &Rc<Deadlines>, target: Target) -> Self {
        let mut wheel = deadlines.wheel.borrow_mut();
        let entry = Entry {
            generation: 0,
            target,
            previous: NONE,
            next: NONE,
            linked: NEVER,
            due: NEVER,
            expiry: Expiry::CloseBoth,
            state: State::Waiting,
        };
        let index = if let Some(index) = wheel.free.pop() {
            let place = wheel.entry(index);
            *place = Entry { generation: place.generation, ..entry };
            index
        } else {
            wheel.entries.push(entry);
            u32::try_from(wheel.entries.len() - 1).unwrap_or(NONE)
        };
        drop(wheel);
        Self { deadlines: Rc::clone(deadlines), index }
    }

    /// Sets the deadline; an earlier one is forgotten.
    pub fn arm(&self, after: Duration, expiry: Expiry) {
        let due = (recent_millis() / TICK_MILLIS).saturating_add(ticks(after)).saturating_add(1);
        self.deadlines.wheel.borrow_mut().arm(self.index, due, expiry);
    }

    /// Sets the deadline to a time of [`recent_millis`]; an earlier one is forgotten.
    pub fn arm_at(&self, millis: u64, expiry: Expiry) {
        let due = millis.div_ceil(TICK_MILLIS).saturating_add(1);
        self.deadlines.wheel.borrow_mut().arm(self.index, due, expiry);
    }

    /// Changes what happens when the deadline that is set passes, not when; sets one if there is
    /// none.
    pub fn keep_or_arm(&self, after: Duration, expiry: Expiry) {
        let mut wheel = self.deadlines.wheel.borrow_mut();
        let entry = wheel.entry(self.index);
        if entry.due != NEVER {
            entry.expiry = expiry;
            return;
        }
        drop(wheel);
        self.arm(after, expiry);
    }

    /// When the deadline that is set passes, in milliseconds of [`recent_millis`].
    #[must_use]
    pub fn due_millis(&self) -> Option<u64> {
        let due = self.deadlines.wheel.borrow_mut().entry(self.index).due;
        (due != NEVER).then(|| due.saturating_mul(TICK_MILLIS))
    }

    /// Looks at the next tick whether the peer is still there, if that is looked at.
    pub fn hurry_check(&self) {
        let mut wheel = self.deadlines.wheel.borrow_mut();
        let next = wheel.tick.saturating_add(1);
        let entry = wheel.entry(self.index);
        let (expiry, due) = (entry.expiry, entry.due);
        if matches!(expiry, Expiry::CheckPeer { .. }) && due != NEVER && due > next {
            wheel.arm(self.index, next, expiry);
        }
    }

    /// Looks now and then whether this connection's peer is still there while `other` is waited
    /// for.
    pub fn watch_peer_for(&self, other: &Self) {
        let generation = self.deadlines.wheel.borrow_mut().entry(other.index).generation;
        self.arm(CLIENT_CHECK_INTERVAL, Expiry::CheckPeer { other: other.index, generation });
    }

    /// The socket turns out to carry TLS; see [`Target::TlsSocket`].
    pub fn watch_half_close(&self) {
        let mut wheel = self.deadlines.wheel.borrow_mut();
        let entry = wheel.entry(self.index);
        if let Target::Socket(descriptor) = entry.target {
            entry.target = Target::TlsSocket(descriptor);
        }
    }

    /// Forgets the deadline.
    pub fn disarm(&self) {
        self.deadlines.wheel.borrow_mut().entry(self.index).due = NEVER;
    }

    /// Whether the last deadline set has passed; what was waited for ended because of it.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.deadlines.wheel.borrow_mut().entry(self.index).state == State::Expired
    }

    /// Whether the peer was found gone.
    #[must_use]
    pub fn is_peer_gone(&self) -> bool {
        self.deadlines.wheel.borrow_mut().entry(self.index).state == State::PeerGone
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut wheel = self.deadlines.wheel.borrow_mut();
        wheel.unlink(self.index);
        let entry = wheel.entry(self.index);
        entry.generation = entry.generation.wrapping_add(1);
        entry.due = NEVER;
        // A stream is let go of now, not when its place is needed: its drop tells the client so.
        let target = std::mem::replace(&mut entry.target, Target::Socket(-1));
        wheel.free.push(self.index);
        drop(wheel);
        drop(target);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    #[test]
    fn deadline_shuts_its_connection_down_once_due() {
        let (ours, _theirs) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let deadline = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        deadline.arm(Duration::from_millis(100), Expiry::CloseBoth);
        deadlines.advance_to(start + 3);
        assert!(!deadline.is_expired());
        assert_eq!(socket::peek(ours.as_raw_fd()), Peek::Silent);
        deadlines.advance_to(start + 10);
        assert!(deadline.is_expired());
        assert_eq!(socket::peek(ours.as_raw_fd()), Peek::Closed);
        assert_eq!(deadlines.expired(), 1);
    }

    #[test]
    fn arming_again_puts_it_off_and_a_shorter_one_comes_first() {
        let (ours, _theirs) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let deadline = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        deadline.arm(Duration::from_secs(1), Expiry::CloseBoth);
        deadline.arm(Duration::from_secs(4), Expiry::CloseBoth);
        deadlines.advance_to(start + 120);
        assert!(!deadline.is_expired());
        deadline.arm(Duration::from_millis(20), Expiry::CloseBoth);
        deadlines.advance_to(start + 125);
        assert!(deadline.is_expired());
    }

    #[test]
    fn deadline_beyond_the_horizon_is_kept() {
        let (ours, _theirs) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let deadline = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        deadline.arm(Duration::from_secs(200), Expiry::CloseBoth);
        for step in 1..=9_990 {
            deadlines.advance_to(start + step);
        }
        assert!(!deadline.is_expired());
        deadlines.advance_to(start + 10_010);
        assert!(deadline.is_expired());
    }

    #[test]
    fn disarmed_or_dropped_deadlines_do_nothing() {
        let (ours, _theirs) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let first = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        first.arm(Duration::from_millis(40), Expiry::CloseBoth);
        let second = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        second.arm(Duration::from_millis(40), Expiry::CloseBoth);
        second.disarm();
        drop(first);
        deadlines.advance_to(start + 100);
        assert_eq!(deadlines.expired(), 0);
        assert_eq!(socket::peek(ours.as_raw_fd()), Peek::Silent);
    }

    #[test]
    fn a_client_that_left_ends_its_upstream() {
        let (client, theirs) = pair();
        let (upstream, _backend) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let downstream = Deadline::new(&deadlines, Target::Socket(client.as_raw_fd()));
        let waiting = Deadline::new(&deadlines, Target::Socket(upstream.as_raw_fd()));
        downstream.watch_peer_for(&waiting);
        deadlines.advance_to(start + 200);
        assert_eq!(socket::peek(upstream.as_raw_fd()), Peek::Silent);
        drop(theirs);
        deadlines.advance_to(start + 400);
        assert!(downstream.is_peer_gone());
        assert_eq!(socket::peek(upstream.as_raw_fd()), Peek::Closed);
    }

    #[test]
    fn a_peer_can_be_looked_for_at_once() {
        let (client, theirs) = pair();
        let (upstream, _backend) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let downstream = Deadline::new(&deadlines, Target::Socket(client.as_raw_fd()));
        let waiting = Deadline::new(&deadlines, Target::Socket(upstream.as_raw_fd()));
        // Nothing is looked at: nothing to hurry.
        downstream.hurry_check();
        downstream.watch_peer_for(&waiting);
        drop(theirs);
        deadlines.advance_to(start + 3);
        assert!(!downstream.is_peer_gone());
        downstream.hurry_check();
        deadlines.advance_to(start + 4);
        assert!(downstream.is_peer_gone());
        assert_eq!(socket::peek(upstream.as_raw_fd()), Peek::Closed);
    }

    #[test]
    fn a_deadline_is_kept_while_its_meaning_changes() {
        let (ours, mut theirs) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let deadline = Deadline::new(&deadlines, Target::Socket(ours.as_raw_fd()));
        assert_eq!(deadline.due_millis(), None);
        deadline.keep_or_arm(Duration::from_millis(200), Expiry::CloseBoth);
        let due = deadline.due_millis();
        deadline.keep_or_arm(Duration::from_secs(9), Expiry::CloseRead);
        assert_eq!(deadline.due_millis(), due);
        deadlines.advance_to(start + 20);
        assert!(deadline.is_expired());
        assert_eq!(deadline.due_millis(), None);
        // Only reading ended.
        std::io::Write::write_all(&mut &ours, b"x").unwrap();
        std::io::Read::read_exact(&mut theirs, &mut [0]).unwrap();
        let at = recent_millis() + 100;
        deadline.arm_at(at, Expiry::CloseBoth);
        assert!(deadline.due_millis().is_some_and(|due| (at..at + 60).contains(&due)));
    }

    struct Still;

    impl SharedStream for Still {
        fn shutdown(&self, _: Shutdown) {}

        fn is_peer_gone(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_dropped_deadline_lets_its_stream_go() {
        let deadlines = Deadlines::new();
        let stream = Rc::new(Still);
        drop(Deadline::new(&deadlines, Target::Stream(Rc::clone(&stream) as Rc<_>)));
        assert_eq!(Rc::strong_count(&stream), 1);
    }

    #[test]
    fn idle_connections_can_be_hurried() {
        let (idle, _a) = pair();
        let (busy, _b) = pair();
        let deadlines = Deadlines::new();
        let start = deadlines.wheel.borrow().tick;
        let first = Deadline::new(&deadlines, Target::Socket(idle.as_raw_fd()));
        let second = Deadline::new(&deadlines, Target::Socket(busy.as_raw_fd()));
        first.arm(Duration::from_secs(60), Expiry::CloseIdle);
        second.arm(Duration::from_secs(60), Expiry::CloseRead);
        deadlines.hurry_idle(Duration::from_millis(100));
        deadlines.advance_to(start + 20);
        assert!(first.is_expired());
        assert!(!second.is_expired());
    }
}
