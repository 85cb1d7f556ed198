//! The door of the admin listener: accepts whatever comes, and lets in who has sent the head of a
//! request. Who has not keeps nobody else waiting, and is put off when places are short.
//!
//! A thread that does nothing else, at a few system calls for each connection: of two thousand
//! clients that send one octet and come back when they are put off, a probe waits behind as many as
//! came before it, which must take less than the time a probe has.

#![expect(unsafe_code, reason = "poll(2), which std does not offer")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::control::seats::{ControlRoom, PutOff};
use crate::limits::{
    ACCEPT_PAUSE, ADMIN_ACCEPTS_IN_A_ROW, ADMIN_CALLERS_MAX, ADMIN_HEAD_TIMEOUT, ADMIN_POLL_PAUSE,
    ADMIN_REQUEST_BYTES_MAX, ADMIN_WAITING_MAX, ADMIN_WAITING_PER_ADDRESS_MAX,
};

/// Somebody who has sent the head of a request, or more than a head may have.
#[derive(Debug)]
pub(super) struct Caller {
    /// In non-blocking mode.
    pub(super) stream: TcpStream,
    /// What was read of it.
    pub(super) sent: Vec<u8>,
    /// Who it is.
    pub(super) peer: IpAddr,
}

/// Opens the door: callers arrive at the returned end, in a thread's own time.
///
/// Shape: when the end is dropped the door closes; when the thread is gone, nobody arrives.
///
/// # Errors
/// No thread can be started.
pub(super) fn open(
    listeners: Vec<TcpListener>,
    put_off: Arc<PutOff>,
    room: ControlRoom,
) -> io::Result<mpsc::Receiver<Caller>> {
    let (callers, received) = mpsc::channel(room.of(ADMIN_CALLERS_MAX));
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let mut door = Door { listeners, waiting: Waiting::new(room), callers, put_off };
    thread::Builder::new()
        .name("ringway-door".into())
        .spawn(move || while door.turn().is_some() {})?;
    Ok(received)
}

struct Door {
    listeners: Vec<TcpListener>,
    waiting: Waiting,
    callers: mpsc::Sender<Caller>,
    put_off: Arc<PutOff>,
}

/// Nobody receives callers any more.
struct Closed;

impl Door {
    /// `None`: the door is closed.
    fn turn(&mut self) -> Option<()> {
        let now = Instant::now();
        self.waiting.drop_older_than(now);
        let ready = self.poll(now);
        let (of_listeners, of_waiting) = ready.split_at(self.listeners.len().min(ready.len()));
        for caller in self.waiting.heard(of_waiting) {
            self.callers.blocking_send(caller).ok()?;
        }
        for (index, _) in of_listeners.iter().enumerate().filter(|(_, is_ready)| **is_ready) {
            self.accept(index).ok()?;
        }
        Some(())
    }

    fn accept(&mut self, index: usize) -> Result<(), Closed> {
        for _ in 0..ADMIN_ACCEPTS_IN_A_ROW.min(self.waiting.of_one_address) {
            let Some(listener) = self.listeners.get(index) else { return Ok(()) };
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_err() {
                        continue;
                    }
                    let peer = peer.ip().to_canonical();
                    let arrived = Silent { stream, peer, sent: Vec::new(), since: Instant::now() };
                    match arrived.listen() {
                        Heard::Head(caller) => {
                            self.callers.blocking_send(caller).map_err(|_gone| Closed)?;
                        }
                        Heard::Part(silent) => self.put_off.add(self.waiting.seat(silent)),
                        Heard::End => {}
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_no_descriptor) => {
                    pause(ACCEPT_PAUSE);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits until something can be done: readiness of each listener, then of each that waits.
    fn poll(&self, now: Instant) -> Vec<bool> {
        let listening = self.listeners.iter().map(|listener| listener.as_raw_fd());
        let waiting = self.waiting.all.iter().map(|silent| silent.stream.as_raw_fd());
        let mut entries: Vec<libc::pollfd> = listening.chain(waiting).map(entry).collect();
        let wait = self.waiting.time_left(now).map_or(-1, |left| {
            // Not a moment too early, which would be a turn for nothing.
            i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX)
        });
        let count = entries.len() as libc::nfds_t;
        // SAFETY: the kernel writes the answers of `count` entries, which `entries` has.
        let answered = unsafe { libc::poll(entries.as_mut_ptr(), count, wait) };
        if answered < 0 {
            // Interrupted. Anything else would come again at once; rather slowly then.
            pause(ADMIN_POLL_PAUSE);
            return vec![false; entries.len()];
        }
        entries.iter().map(|entry| entry.revents != 0).collect()
    }
}

fn entry(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own")]
fn pause(time: Duration) {
    thread::sleep(time);
}

/// A connection without the head of a request.
struct Silent {
    stream: TcpStream,
    peer: IpAddr,
    sent: Vec<u8>,
    since: Instant,
}

/// What came of listening to it.
enum Heard {
    Head(Caller),
    Part(Silent),
    End,
}

impl Silent {
    fn listen(mut self) -> Heard {
        let mut octets = [0; 1024];
        loop {
            match self.stream.read(&mut octets) {
                Ok(0) => return Heard::End,
                Ok(count) => {
                    let looked_at = self.sent.len().saturating_sub(3);
                    self.sent.extend_from_slice(octets.get(..count).unwrap_or_default());
                    let fresh = self.sent.get(looked_at..).unwrap_or_default();
                    // Too long: the server says so.
                    if has_end(fresh) || self.sent.len() > ADMIN_REQUEST_BYTES_MAX {
                        let Self { stream, peer, sent, .. } = self;
                        return Heard::Head(Caller { stream, sent, peer });
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Part(self),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Heard::End,
            }
        }
    }
}

/// An empty line behind another one; as the server, a line feed alone will do.
fn has_end(octets: &[u8]) -> bool {
    octets.windows(2).any(|pair| pair == b"\n\n")
        || octets.windows(3).any(|three| three == b"\n\r\n")
}

/// Those that wait, in the order of arrival.
struct Waiting {
    all: VecDeque<Silent>,
    most: usize,
    of_one_address: usize,
}

impl Waiting {
    fn new(room: ControlRoom) -> Self {
        Self {
            all: VecDeque::new(),
            most: room.of(ADMIN_WAITING_MAX),
            of_one_address: room.of(ADMIN_WAITING_PER_ADDRESS_MAX),
        }
    }

    /// Returns how many had to go for it.
    fn seat(&mut self, silent: Silent) -> u64 {
        let is_of_peer = |other: &Silent| other.peer == silent.peer;
        let of_peer = self.all.iter().filter(|other| is_of_peer(other)).count();
        let gone = if of_peer >= self.of_one_address {
            self.least(is_of_peer)
        } else if self.all.len() >= self.most {
            self.least(|_| true)
        } else {
            None
        };
        let gone = gone.and_then(|index| self.all.remove(index));
        self.all.push_back(silent);
        u64::from(gone.is_some())
    }

    /// The oldest that has begun a head and not ended it, which no probe does; else the oldest.
    fn least(&self, is_candidate: impl Fn(&Silent) -> bool) -> Option<usize> {
        let has_begun = |other: &Silent| is_candidate(other) && !other.sent.is_empty();
        let begun = self.all.iter().position(has_begun);
        begun.or_else(|| self.all.iter().position(is_candidate))
    }

    /// Listens to those that are ready, by their index; callers leave.
    fn heard(&mut self, ready: &[bool]) -> Vec<Caller> {
        let mut callers = Vec::new();
        if !ready.contains(&true) {
            return callers;
        }
        for (index, silent) in std::mem::take(&mut self.all).into_iter().enumerate() {
            if !ready.get(index).copied().unwrap_or(false) {
                self.all.push_back(silent);
                continue;
            }
            match silent.listen() {
                Heard::Head(caller) => callers.push(caller),
                Heard::Part(silent) => self.all.push_back(silent),
                Heard::End => {}
            }
        }
        callers
    }

    fn drop_older_than(&mut self, now: Instant) {
        while self.time_left(now).is_some_and(|left| left.is_zero()) {
            self.all.pop_front();
        }
    }

    /// Until the oldest has waited long enough; `None`: nobody waits.
    fn time_left(&self, now: Instant) -> Option<Duration> {
        let oldest = self.all.front()?;
        Some((oldest.since + ADMIN_HEAD_TIMEOUT).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn an_empty_line_ends_a_head() {
        for (octets, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\nA: b\n\n", true),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r", false),
            (b"GET / HTTP/1.1\r\n", false),
            (b"\n\r\n", true),
            (b"\r\n", false),
            (b"", false),
        ] {
            assert_eq!(has_end(octets), expected, "{}", octets.escape_ascii());
        }
    }

    /// The ends of a connection whose peer is `peer`, as far as the door can tell.
    fn silent(peer: [u8; 4], since: Instant) -> (Silent, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (Silent { stream, peer: peer.into(), sent: Vec::new(), since }, client)
    }

    #[test]
    fn the_oldest_of_a_crowded_address_makes_room_and_else_the_oldest() {
        let now = Instant::now();
        let mut waiting = Waiting::new(ControlRoom::default());
        let mut clients = Vec::new();
        let mut seat = |waiting: &mut Waiting, peer| {
            let (silent, client) = silent(peer, now);
            clients.push(client);
            waiting.seat(silent)
        };
        assert_eq!(seat(&mut waiting, [10, 0, 0, 9]), 0);
        for _ in 0..ADMIN_WAITING_PER_ADDRESS_MAX {
            assert_eq!(seat(&mut waiting, [10, 0, 0, 1]), 0);
        }
        assert_eq!(seat(&mut waiting, [10, 0, 0, 1]), 1, "its own oldest");
        assert_eq!(waiting.all[0].peer, IpAddr::from([10, 0, 0, 9]));
        while waiting.all.len() < ADMIN_WAITING_MAX {
            assert_eq!(seat(&mut waiting, [10, 0, 0, 2]), 0);
        }
        assert_eq!(seat(&mut waiting, [10, 0, 0, 3]), 1, "the oldest of all");
        assert_eq!(waiting.all[0].peer, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(waiting.all.len(), ADMIN_WAITING_MAX);
        waiting.all[5].sent.push(b'G');
        assert_eq!(seat(&mut waiting, [10, 0, 0, 3]), 1, "who has begun and not gone on");
        assert!(waiting.all.iter().all(|silent| silent.sent.is_empty()));
    }

    #[test]
    fn a_head_is_waited_for_no_longer_than_it_may_take() {
        let now = Instant::now();
        let mut waiting = Waiting::new(ControlRoom::default());
        let (old, _one) = silent([10, 0, 0, 1], now);
        let (young, _two) = silent([10, 0, 0, 1], now + Duration::from_secs(1));
        waiting.seat(old);
        waiting.seat(young);
        assert_eq!(waiting.time_left(now), Some(ADMIN_HEAD_TIMEOUT));
        waiting.drop_older_than(now + ADMIN_HEAD_TIMEOUT);
        assert_eq!(waiting.all.len(), 1);
        waiting.drop_older_than(now + ADMIN_HEAD_TIMEOUT + Duration::from_secs(1));
        assert_eq!(waiting.time_left(now), None);
    }

    /// Octet by octet, all at once, too long, and gone in the middle.
    #[test]
    fn callers_are_those_that_sent_a_head() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut callers = open(vec![listener], Arc::default(), ControlRoom::default()).unwrap();
        let connect = || TcpStream::connect(address).unwrap();
        let (mut slow, mut gone) = (connect(), connect());
        gone.write_all(b"GET ").unwrap();
        drop(gone);
        for octet in b"GET /slow HTTP/1.1\r\n\r" {
            slow.write_all(&[*octet]).unwrap();
        }
        for head in [b"GET / HTTP/1.1\r\n\r\nmore".to_vec(), vec![b'x'; 9000]] {
            connect().write_all(&head).unwrap();
            let caller = callers.blocking_recv().unwrap();
            assert!(head.starts_with(&caller.sent) && caller.peer.is_loopback());
        }
        slow.write_all(b"\n").unwrap();
        let sent = callers.blocking_recv().unwrap().sent;
        assert_eq!(sent, b"GET /slow HTTP/1.1\r\n\r\n");
    }
}
