//! Real sockets on loopback, and cores that only listen to what they are told.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::model::Scheme;
use crate::publish::{EntrySocket, Subscriber, Update, channel};

const CORES: usize = 2;

fn at(address: SocketAddr) -> EntryPoint {
    EntryPoint { address, scheme: Scheme::Http }
}

fn loopback(port: u16) -> EntryPoint {
    at(([127, 0, 0, 1], port).into())
}

/// What is named, who publishes, and who hears it.
struct World {
    openings: Openings,
    publisher: Publisher,
    cores: Vec<Subscriber>,
    /// Sockets that cores have.
    held: Vec<(OpeningId, EntrySocket)>,
    now: Instant,
}

impl World {
    fn new(openings: Openings) -> Self {
        let (publisher, cores) = channel(CORES).expect("a channel");
        Self { openings, publisher, cores, held: Vec::new(), now: Instant::now() }
    }

    fn follow(&mut self, named: &[EntryPoint]) {
        self.openings.follow(named.iter().copied(), &mut self.publisher, self.now);
        self.hear();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.openings.retry(&mut self.publisher, self.now);
        self.hear();
    }

    fn hear(&mut self) {
        for update in self.cores.iter().flat_map(Subscriber::drain_updates) {
            match update {
                Update::Open(opening) => self.held.push((opening.id, opening.socket)),
                Update::Close(id) => self.held.retain(|(held, _)| *held != id),
                other => panic!("{other:?}"),
            }
        }
        self.publisher.pump();
    }

    /// Ports that cores listen on, sorted.
    fn ports(&self) -> Vec<u16> {
        let port = |(_, socket): &(_, EntrySocket)| socket.local_addr().unwrap().port();
        let mut ports: Vec<u16> = self.held.iter().map(port).collect();
        ports.sort_unstable();
        ports
    }

    fn told(&self) -> Vec<String> {
        self.openings.problems().iter().map(ToString::to_string).collect()
    }
}

/// A socket of a stranger, and its entry point.
fn stranger() -> (TcpListener, EntryPoint) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let entry_point = at(socket.local_addr().unwrap());
    (socket, entry_point)
}

#[test]
fn the_difference_opens_what_is_new_and_closes_what_is_gone() {
    let secure = |port| EntryPoint { scheme: Scheme::Https, ..loopback(port) };
    let set = |all: &[EntryPoint]| all.iter().copied().collect::<BTreeSet<_>>();
    let (a, b, c) = (loopback(1), loopback(2), secure(1));
    for (known, named, open, close) in [
        (&[][..], &[][..], &[][..], &[][..]),
        (&[], &[b, a], &[a, b], &[]),
        (&[a, b], &[b, a], &[], &[]),
        (&[a, b], &[], &[], &[a, b]),
        (&[a, b], &[b], &[], &[a]),
        // Another scheme on the same address is another one.
        (&[a], &[c], &[c], &[a]),
    ] {
        let expected = Difference { open: open.to_vec(), close: close.to_vec() };
        assert_eq!(difference(&set(known), &set(named)), expected, "{known:?} {named:?}");
    }
}

#[test]
fn each_core_gets_a_socket_of_what_is_named_until_it_is_not() {
    let mut world = World::new(Openings::default());
    let bound = listen::try_listen(loopback(0).address, CORES).unwrap();
    let flags = at(bound[0].local_addr().unwrap());
    world.openings.adopt(vec![(flags, bound)]);
    let (theirs, more) = stranger();
    drop(theirs);
    let (first, second) = (flags.address.port(), more.address.port());
    let mut both = [first, first, second, second];
    both.sort_unstable();
    for (named, ports) in [
        (&[flags][..], &[first, first][..]),
        (&[flags, more], &both),
        (&[more, flags], &both),
        (&[flags], &[first, first]),
        (&[flags, more], &both),
        (&[], &[]),
    ] {
        world.follow(named);
        assert_eq!(world.ports(), ports);
        assert_eq!((world.openings.due(), world.told()), (None, Vec::new()));
    }
}

#[test]
fn a_port_in_use_is_waited_for_then_told_and_taken_once_it_is_free() {
    let mut world = World::new(Openings::default());
    let (theirs, taken) = stranger();
    let (free, other) = stranger();
    drop(free);
    world.follow(&[taken, other]);
    assert_eq!(world.ports(), [other.address.port(); CORES], "the other one is open");
    assert_eq!(world.openings.due(), Some(world.now + BIND_PAUSE));
    world.wait(BIND_PATIENCE / 2);
    assert_eq!(world.told(), Vec::<String>::new());
    world.wait(BIND_PATIENCE / 2);
    let port = taken.address.port();
    let expected = format!(
        "error: {taken} is not open: cannot listen on {0}: {1} (pid {2}) listens on {0}. It is \
         tried again every 5 s.",
        taken.address,
        std::fs::read_to_string("/proc/self/comm").unwrap().trim_end(),
        std::process::id(),
    );
    assert_eq!(world.told(), [expected]);
    assert_eq!(world.openings.due(), Some(world.now + BIND_RETRY));
    let before = world.openings.problems();
    world.wait(BIND_RETRY);
    assert!(Arc::ptr_eq(&before, &world.openings.problems()), "told once");
    drop(theirs);
    world.wait(BIND_RETRY);
    assert_eq!((world.openings.due(), world.told()), (None, Vec::new()));
    assert_eq!(world.ports().iter().filter(|open| **open == port).count(), CORES);
}

/// 192.0.2.0/24 is for documents alone.
#[test]
fn what_no_patience_helps_is_told_at_once_and_forgotten_with_its_name() {
    let mut world = World::new(Openings::at_most(1));
    let nowhere = at("192.0.2.1:80".parse().unwrap());
    let (free, one) = stranger();
    drop(free);
    let two = loopback(1);
    for (named, told) in [
        (&[nowhere][..], &["Cannot assign requested address"][..]),
        (&[one], &[]),
        (&[one, two], &["clients come in at 1 addresses already"]),
        (&[one], &[]),
    ] {
        world.follow(named);
        let texts = world.told();
        assert_eq!(texts.len(), told.len(), "{texts:?}");
        assert!(texts.iter().zip(told).all(|(text, told)| text.contains(told)), "{texts:?}");
        assert_eq!(world.openings.due(), told.first().map(|_| world.now + BIND_RETRY));
    }
    assert_eq!(world.ports(), [one.address.port(); CORES]);
}

#[test]
fn nothing_is_opened_once_the_process_is_about_to_end() {
    let mut world = World::new(Openings::default());
    let (_theirs, taken) = stranger();
    let (free, other) = stranger();
    drop(free);
    world.follow(&[taken]);
    world.openings.end();
    assert_eq!(world.openings.due(), None);
    world.follow(&[taken, other]);
    world.wait(BIND_RETRY);
    assert_eq!(world.ports(), Vec::<u16>::new());
}
