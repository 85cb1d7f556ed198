//! Places for the connections of a listener of the control plane. Every connection is accepted;
//! where there is no place left, whoever has done least for the longest time is put off.
//!
//! So nobody who opens connections and says nothing keeps a probe from being answered: a
//! connection whose request comes at once is never the oldest that has sent none.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, spawn_local, yield_now};

use crate::limits::{ACCEPT_PAUSE, CONTROL_CONNECTIONS_MAX, SEATS_ACCEPTS_IN_A_ROW};

/// How many of [`CONTROL_CONNECTIONS_MAX`] there are descriptors for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRoom(usize);

impl ControlRoom {
    /// For so many connections.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self(connections.min(CONTROL_CONNECTIONS_MAX))
    }

    /// What is left of a bound that is a part of the whole; never nothing.
    #[must_use]
    pub fn of(self, most: usize) -> usize {
        (most.saturating_mul(self.0) / CONTROL_CONNECTIONS_MAX).max(1)
    }
}

impl Default for ControlRoom {
    /// For all of them.
    fn default() -> Self {
        Self(CONTROL_CONNECTIONS_MAX)
    }
}

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// In all.
    pub(super) seats: usize,
    /// For one address.
    pub(super) of_one_address: usize,
    /// How long an answer may be under way before it counts as one that is not being read.
    pub(super) answer: Duration,
}

/// Connections put off or turned away for want of a place.
#[derive(Debug, Default)]
pub struct PutOff(AtomicU64);

impl PutOff {
    /// So many more.
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a connection does; those named first are put off first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It gets events, which it can ask for again.
    Streaming,
    /// It has not sent a whole request yet.
    Waiting,
    /// It had an answer and may ask again.
    Idle,
    /// The head of a request came; the rest, or its turn, is waited for.
    Asking,
    /// Its answer is made or sent since then.
    Answering(Instant),
}

struct Taken {
    peer: IpAddr,
    stage: Stage,
    task: Option<AbortHandle>,
}

/// Who sits where, in the order of arrival. Decides, waits for nothing.
struct Book {
    room: Room,
    taken: BTreeMap<u64, Taken>,
    next: u64,
}

impl Book {
    /// A place for `peer`, and whom it is taken from; `None`: nobody can be put off.
    fn admit(&mut self, peer: IpAddr, now: Instant) -> Option<(u64, Option<Taken>)> {
        let of_peer = self.taken.values().filter(|taken| taken.peer == peer).count();
        let victim = if of_peer >= self.room.of_one_address {
            Some(self.victim(Some(peer), now)?)
        } else if self.taken.len() >= self.room.seats {
            Some(self.victim(None, now)?)
        } else {
            None
        };
        let put_off = victim.and_then(|id| self.taken.remove(&id));
        let id = self.next;
        self.next += 1;
        self.taken.insert(id, Taken { peer, stage: Stage::Waiting, task: None });
        Some((id, put_off))
    }

    /// The oldest of the least stage, among those of `peer` if it is given.
    fn victim(&self, peer: Option<IpAddr>, now: Instant) -> Option<u64> {
        let is_candidate = |taken: &Taken| match taken.stage {
            Stage::Streaming | Stage::Waiting | Stage::Idle | Stage::Asking => true,
            Stage::Answering(since) => now.saturating_duration_since(since) >= self.room.answer,
        };
        let all = self
            .taken
            .iter()
            .filter(|(_, taken)| peer.is_none_or(|peer| taken.peer == peer) && is_candidate(taken));
        all.min_by_key(|(id, taken)| (taken.stage, **id)).map(|(id, _)| *id)
    }

    /// The one whose answer is under way for the longest time, if it is longer than it may be.
    fn slowest(&mut self, now: Instant) -> Option<Taken> {
        let since = |taken: &Taken| match taken.stage {
            Stage::Answering(since) => Some(since),
            Stage::Streaming | Stage::Waiting | Stage::Idle | Stage::Asking => None,
        };
        let all = self.taken.iter().filter_map(|(id, taken)| Some((since(taken)?, *id)));
        let (since, id) = all.min()?;
        let is_slow = now.saturating_duration_since(since) >= self.room.answer;
        if is_slow { self.taken.remove(&id) } else { None }
    }
}

/// The places of all listeners that share them.
pub(super) struct Seats {
    book: RefCell<Book>,
    put_off: Arc<PutOff>,
}

impl Seats {
    pub(super) fn new(room: Room, put_off: Arc<PutOff>) -> Rc<Self> {
        let book = Book { room, taken: BTreeMap::new(), next: 0 };
        Rc::new(Self { book: RefCell::new(book), put_off })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.book.borrow().taken.len()
    }

    /// Accepts for as long as it is awaited and runs `converse` for each connection, as a task of
    /// its own that is dropped when another one needs its place.
    pub(super) async fn fill<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        listener: TcpListener,
        converse: impl Fn(TcpStream, Seat) -> F,
    ) {
        let mut in_a_row = 0_u32;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match self.admit(peer.ip().to_canonical()) {
                    Some(seat) => self.start(seat, |seat| converse(stream, seat)),
                    None => self.put_off.add(1),
                },
                // No descriptor, or the client went away; neither is worth more than a pause.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            // Those that came are heard before others take their places.
            in_a_row = (in_a_row + 1) % SEATS_ACCEPTS_IN_A_ROW;
            if in_a_row == 0 {
                yield_now().await;
            }
        }
    }

    /// Runs `converse` as a task of its own, which is dropped when another one needs its place.
    pub(super) fn start<F: Future<Output = ()> + 'static>(
        &self,
        seat: Seat,
        converse: impl FnOnce(Seat) -> F,
    ) {
        let id = seat.id;
        let task = spawn_local(converse(seat)).abort_handle();
        if let Some(taken) = self.book.borrow_mut().taken.get_mut(&id) {
            taken.task = Some(task);
        }
    }

    /// A place; `None`: nobody can be put off for it.
    pub(super) fn admit(self: &Rc<Self>, peer: IpAddr) -> Option<Seat> {
        let (id, put_off) = self.book.borrow_mut().admit(peer, Instant::now())?;
        self.end(put_off);
        Some(Seat { seats: Rc::clone(self), id })
    }

    /// Puts off whoever takes too long to read an answer. False: nobody does.
    pub(super) fn put_off_slowest(&self) -> bool {
        let slowest = self.book.borrow_mut().slowest(Instant::now());
        let is_one = slowest.is_some();
        self.end(slowest);
        is_one
    }

    fn end(&self, put_off: Option<Taken>) {
        if let Some(taken) = put_off {
            self.put_off.add(1);
            if let Some(task) = taken.task {
                task.abort();
            }
        }
    }
}

/// A place, until it is dropped or somebody else gets it.
pub(super) struct Seat {
    seats: Rc<Seats>,
    id: u64,
}

impl Seat {
    /// The head of a request is there.
    pub(super) fn asks(&self) {
        self.set(Stage::Asking);
    }

    /// Nothing is waited for any more.
    pub(super) fn answers(&self) {
        self.set(Stage::Answering(Instant::now()));
    }

    /// Another request may follow.
    pub(super) fn rests(&self) {
        self.set(Stage::Idle);
    }

    /// Its answer has no end that somebody waits for.
    pub(super) fn streams(&self) {
        self.set(Stage::Streaming);
    }

    fn set(&self, stage: Stage) {
        if let Some(taken) = self.seats.book.borrow_mut().taken.get_mut(&self.id) {
            taken.stage = stage;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.book.borrow_mut().taken.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_WAITING_MAX};

    const ROOM: Room = Room { seats: 4, of_one_address: 2, answer: Duration::from_secs(1) };

    #[test]
    fn bounds_shrink_with_the_room_and_never_to_nothing() {
        for (connections, waiting, answered) in [
            (usize::MAX, 128, 32),
            (240, 128, 32),
            (128, 68, 17),
            (32, 17, 4),
            (8, 4, 1),
            (0, 1, 1),
        ] {
            let room = ControlRoom::new(connections);
            let got = (room.of(ADMIN_WAITING_MAX), room.of(ADMIN_CONNECTIONS_MAX));
            assert_eq!(got, (waiting, answered), "{connections}");
        }
    }

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    /// Arrivals and stages in order, and who is put off by the next arrival of `newcomer`.
    #[track_caller]
    fn check(sitting: &[(u8, Option<Stage>)], newcomer: u8, expected: Result<Option<u64>, ()>) {
        let now = Instant::now() + Duration::from_secs(60);
        let mut book = Book { room: ROOM, taken: BTreeMap::new(), next: 0 };
        for (number, stage) in sitting {
            let (id, put_off) = book.admit(peer(*number), now).expect("a place");
            assert!(put_off.is_none());
            book.taken.get_mut(&id).unwrap().stage = stage.unwrap_or(Stage::Waiting);
        }
        let before: Vec<u64> = book.taken.keys().copied().collect();
        let found = book
            .admit(peer(newcomer), now)
            .map(|_| before.iter().find(|id| !book.taken.contains_key(*id)).copied());
        assert_eq!(found.ok_or(()), expected, "{sitting:?}");
        assert!(book.taken.len() <= ROOM.seats);
    }

    #[test]
    fn the_oldest_of_those_that_do_least_is_put_off() {
        let now = Instant::now() + Duration::from_secs(60);
        let fresh = Some(Stage::Answering(now));
        let slow = Some(Stage::Answering(now - Duration::from_secs(1)));
        let idle = Some(Stage::Idle);
        let streaming = Some(Stage::Streaming);
        check(&[], 1, Ok(None));
        check(&[(1, None)], 1, Ok(None));
        // One address has two places.
        check(&[(1, None), (1, None)], 1, Ok(Some(0)));
        check(&[(2, None), (1, fresh), (1, None)], 1, Ok(Some(2)));
        check(&[(1, idle), (1, None)], 1, Ok(Some(1)));
        check(&[(1, fresh), (1, fresh)], 1, Err(()));
        check(&[(1, Some(Stage::Asking)), (1, idle)], 1, Ok(Some(1)));
        check(&[(1, slow), (1, Some(Stage::Asking))], 1, Ok(Some(1)));
        check(&[(1, fresh), (1, slow)], 1, Ok(Some(1)));
        check(&[(1, slow), (1, idle)], 1, Ok(Some(1)));
        check(&[(1, None), (1, streaming)], 1, Ok(Some(1)));
        check(&[(2, streaming), (1, fresh), (1, idle)], 1, Ok(Some(2)));
        // All of them have four.
        check(&[(1, idle), (2, fresh), (3, None), (4, None)], 5, Ok(Some(2)));
        check(&[(1, fresh), (2, fresh), (3, fresh), (4, fresh)], 5, Err(()));
        check(&[(1, fresh), (2, fresh), (3, slow), (4, idle)], 5, Ok(Some(3)));
        check(&[(1, None), (2, fresh), (3, streaming), (4, streaming)], 5, Ok(Some(2)));
    }

    #[test]
    fn only_a_slow_answer_is_cut_off_for_another() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut book = Book { room: ROOM, taken: BTreeMap::new(), next: 0 };
        for seconds in [0.0, 0.9, 1.5, 1.2] {
            let (id, _) = book.admit(peer(id_of(seconds)), now).expect("a place");
            let since = now - Duration::from_secs_f64(seconds);
            book.taken.get_mut(&id).unwrap().stage = Stage::Answering(since);
        }
        assert!(book.slowest(now).is_some() && !book.taken.contains_key(&2));
        assert!(book.slowest(now).is_some() && !book.taken.contains_key(&3));
        assert!(book.slowest(now).is_none());
    }

    fn id_of(seconds: f64) -> u8 {
        if seconds < 1.0 { 1 } else { 2 }
    }
}
