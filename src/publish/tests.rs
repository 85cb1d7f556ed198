//! What is published arrives in order, merged when channels are full, and is acknowledged.

use std::io::Read;
use std::thread;

use super::*;
use crate::model::{PortRef, Scheme};

thread_local! {
    /// The process clock of this thread where a test moves it by hand.
    pub(crate) static SIMULATED_NANOS: std::cell::Cell<Option<u64>> =
        const { std::cell::Cell::new(None) };
}

fn table(version: u64) -> Arc<Table> {
    let mut table = Arc::new(Table::default());
    Arc::get_mut(&mut table).expect("not shared yet").version = TableVersion(version);
    table
}

fn backend(slot: u32) -> BackendId {
    BackendId { slot, generation: 0 }
}

fn key() -> Arc<BackendKey> {
    let port = PortRef::Number(80);
    Arc::new(BackendKey {
        namespace: "ns".into(),
        service: "svc".into(),
        port,
        dial: crate::model::Dial::default(),
    })
}

fn endpoints(ports: std::ops::Range<u16>) -> Arc<EndpointSet> {
    let addresses = ports.map(|port| ([127, 0, 0, 1], port).into()).collect();
    Arc::new(EndpointSet { addresses, ..EndpointSet::default() })
}

/// `T3` table, `E1:2` two endpoints of backend 1, `R1` removal, `M4` mark, `O1` opening, `C1` its
/// closing, `D` drain.
fn describe(update: &Update) -> String {
    match update {
        Update::Table(table) => format!("T{}", table.version.0),
        Update::Endpoints { backend, set, .. } => {
            format!("E{}:{}", backend.slot, set.addresses.len())
        }
        Update::RemoveBackend(backend) => format!("R{}", backend.slot),
        Update::Mark(sequence) => format!("M{}", sequence.0),
        Update::Open(opening) => format!("O{}", opening.id.0),
        Update::Close(opening) => format!("C{}", opening.0),
        Update::Drain(_) => "D".into(),
    }
}

fn drained(subscriber: &Subscriber) -> Vec<String> {
    subscriber.drain_updates().map(|update| describe(&update)).collect()
}

/// Fills the channel of the only core with removals of backends that do not exist.
fn full() -> (Publisher, Subscriber) {
    let (mut publisher, mut subscribers) = channel(1).expect("channel");
    for slot in 0..UPDATES_IN_FLIGHT_MAX {
        publisher.remove_backend(backend(1_000 + u32::try_from(slot).expect("small")));
    }
    (publisher, subscribers.pop().expect("one core"))
}

#[test]
fn updates_reach_every_core_in_the_order_they_were_published() {
    let (mut publisher, subscribers) = channel(3).expect("channel");
    publisher.publish_endpoints(backend(1), &key(), &endpoints(1..3));
    publisher.publish_table(&table(1));
    publisher.remove_backend(backend(1));
    publisher.drain(Drain { timeout: Duration::from_secs(1) });
    for subscriber in &subscribers {
        assert_eq!(drained(subscriber), ["E1:2", "T1", "R1", "D"]);
    }
}

#[track_caller]
fn check(publish: impl FnOnce(&mut Publisher), expected: &[&str]) {
    let (mut publisher, subscriber) = full();
    publish(&mut publisher);
    assert!(publisher.has_pending());
    assert_eq!(drained(&subscriber).len(), UPDATES_IN_FLIGHT_MAX);
    publisher.pump();
    assert_eq!(drained(&subscriber), expected);
    assert!(!publisher.has_pending());
}

#[test]
fn a_full_channel_keeps_the_latest_word_and_the_order() {
    check(
        |publisher| {
            publisher.publish_endpoints(backend(2), &key(), &endpoints(1..9));
            publisher.publish_table(&table(1));
            publisher.publish_endpoints(backend(2), &key(), &endpoints(1..4));
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
            publisher.publish_table(&table(2));
        },
        &["E1:1", "E2:3", "T2"],
    );
    check(
        |publisher| {
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
            publisher.publish_table(&table(1));
            publisher.remove_backend(backend(1));
        },
        &["T1", "R1"],
    );
    check(
        |publisher| {
            publisher.remove_backend(backend(1));
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
        },
        &["E1:1"],
    );
    check(
        |publisher| {
            publisher.publish_table(&table(1));
            publisher.drain(Drain { timeout: Duration::from_secs(1) });
        },
        &["D", "T1"],
    );
}

/// A socket for each of `cores`, on an address of their own.
fn sockets(cores: usize) -> Vec<TcpListener> {
    (0..cores).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect()
}

fn entry_point() -> EntryPoint {
    EntryPoint { address: ([127, 0, 0, 1], 80).into(), scheme: Scheme::Http }
}

#[test]
fn a_socket_follows_its_table_and_is_withdrawn_while_it_waits() {
    check(
        |publisher| {
            let first = publisher.open(entry_point(), sockets(1));
            publisher.publish_table(&table(1));
            publisher.remove_backend(backend(1));
            assert_eq!(publisher.open(entry_point(), sockets(1)), OpeningId(2));
            publisher.close(first);
            publisher.mark();
        },
        &["T1", "O2", "R1", "M1"],
    );
    check(
        |publisher| {
            publisher.close(OpeningId(7));
            publisher.open(entry_point(), sockets(1));
            publisher.publish_table(&table(1));
        },
        &["T1", "O1", "C7"],
    );
}

#[test]
fn each_core_gets_its_own_socket() {
    let (mut publisher, subscribers) = channel(2).expect("channel");
    let sockets = sockets(2);
    let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    publisher.open(entry_point(), sockets);
    let got = subscribers.iter().flat_map(Subscriber::drain_updates).map(|update| match update {
        Update::Open(opening) => opening.socket.local_addr().unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(got.collect::<Vec<_>>(), addresses);
}

#[test]
fn a_mark_comes_after_everything_it_speaks_of_and_the_latest_speaks_for_all() {
    check(
        |publisher| {
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
            assert_eq!(publisher.mark(), Sequence(1));
            publisher.publish_table(&table(1));
            publisher.remove_backend(backend(2));
            assert_eq!(publisher.mark(), Sequence(2));
        },
        &["E1:1", "T1", "R2", "M2"],
    );
    // Not sealed yet: the first mark waits for it rather than overtake what merged into it.
    check(
        |publisher| {
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
            publisher.mark();
            publisher.publish_endpoints(backend(1), &key(), &endpoints(1..4));
        },
        &["E1:3", "M1"],
    );
}

#[test]
fn a_publication_is_applied_when_every_core_passed_its_mark() {
    let (mut publisher, subscribers) = channel(2).expect("channel");
    assert!(publisher.all_applied(Sequence::default()));
    let first = publisher.mark();
    let second = publisher.mark();
    subscribers[0].applied(second);
    assert!(!publisher.all_applied(first));
    subscribers[1].applied(first);
    assert!(publisher.all_applied(first));
    assert!(!publisher.all_applied(second));
}

#[test]
fn more_pending_updates_than_a_channel_holds_arrive_in_rounds() {
    let (mut publisher, subscriber) = full();
    let backends = u32::try_from(3 * UPDATES_IN_FLIGHT_MAX).expect("small");
    for slot in 0..backends {
        publisher.publish_endpoints(backend(slot), &key(), &endpoints(1..2));
    }
    publisher.publish_table(&table(1));
    drained(&subscriber);
    let mut seen = Vec::new();
    while publisher.has_pending() {
        publisher.pump();
        seen.extend(drained(&subscriber));
    }
    assert_eq!(seen.len(), 3 * UPDATES_IN_FLIGHT_MAX + 1);
    assert_eq!(seen.last().map(String::as_str), Some("T1"));
}

#[test]
fn acknowledgements_count_only_when_every_core_gave_them() {
    let (mut publisher, subscribers) = channel(2).expect("channel");
    publisher.publish_table(&table(3));
    assert_eq!(publisher.published(), TableVersion(3));
    subscribers[0].acknowledge(TableVersion(3));
    assert!(!publisher.all_acknowledged(TableVersion(3)));
    subscribers[1].acknowledge(TableVersion(4));
    assert!(publisher.all_acknowledged(TableVersion(3)));
    assert!(!publisher.all_acknowledged(TableVersion(4)));
    let versions: Vec<_> = publisher.versions().map(|version| version.0).collect();
    assert_eq!(versions, [3, 4]);
}

/// Until a new reading differs from the last one.
fn let_the_clock_move() {
    let before = process_nanos();
    while process_nanos() == before {
        std::hint::spin_loop();
    }
}

#[test]
fn an_acknowledgement_of_the_same_version_keeps_its_time() {
    let (publisher, subscribers) = channel(1).expect("channel");
    subscribers[0].acknowledge(TableVersion(1));
    let at = publisher.states()[0].acknowledged_at.load(Relaxed);
    let_the_clock_move();
    subscribers[0].acknowledge(TableVersion(1));
    assert_eq!(publisher.states()[0].acknowledged_at.load(Relaxed), at);
    subscribers[0].acknowledge(TableVersion(2));
    assert!(publisher.states()[0].acknowledged_at.load(Relaxed) > at);
}

#[test]
fn retired_memory_is_freed_by_the_control_thread_and_bounded() {
    let (mut publisher, subscribers) = channel(1).expect("channel");
    let old = table(1);
    for _ in 0..RETIRED_PER_CORE_MAX {
        subscribers[0].retire(Retired::Table(Arc::clone(&old)));
    }
    assert_eq!(Arc::strong_count(&old), 1 + RETIRED_PER_CORE_MAX);
    subscribers[0].retire(Retired::Endpoints(endpoints(1..2)));
    subscribers[0].retire(Retired::Table(Arc::clone(&old)));
    assert_eq!(Arc::strong_count(&old), 1 + RETIRED_PER_CORE_MAX, "freed in place when full");
    assert_eq!(publisher.collect_retired(), RETIRED_PER_CORE_MAX);
    assert_eq!(Arc::strong_count(&old), 1);
}

#[test]
fn the_drain_is_over_when_every_core_says_so() {
    let (publisher, subscribers) = channel(2).expect("channel");
    subscribers[0].finish_drain();
    assert!(!publisher.all_drained());
    subscribers[1].finish_drain();
    assert!(publisher.all_drained());
}

#[test]
fn a_core_that_ended_costs_no_memory_and_no_panic() {
    let (mut publisher, mut subscribers) = channel(2).expect("channel");
    drop(subscribers.pop());
    for version in 1..=1_000 {
        publisher.publish_table(&table(version));
        drained(&subscribers[0]);
    }
    assert!(!publisher.has_pending());
}

#[test]
fn the_heartbeat_moves_forward() {
    let (publisher, subscribers) = channel(1).expect("channel");
    subscribers[0].beat();
    let first = publisher.states()[0].heartbeat.load(Relaxed);
    let_the_clock_move();
    subscribers[0].beat();
    assert!(publisher.states()[0].heartbeat.load(Relaxed) > first);
}

/// What a core does, with blocking reads; ends at the table `last`.
fn serve_until(subscriber: &Subscriber, last: u64) -> u64 {
    let mut reader = subscriber.doorbell_reader().expect("reader");
    reader.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let mut in_force = table(0);
    let mut tables = 0;
    while in_force.version.0 < last {
        let bytes = reader.read(&mut [0; 16]).expect("a lost wake-up shows as a timeout");
        assert!(bytes > 0, "the control half is open");
        for update in subscriber.drain_updates() {
            if let Update::Table(next) = update {
                assert!(next.version > in_force.version, "tables never go back");
                subscriber.retire(Retired::Table(std::mem::replace(&mut in_force, next)));
                tables += 1;
            }
        }
        subscriber.acknowledge(in_force.version);
    }
    tables
}

#[test]
fn no_update_is_lost_between_threads_and_no_bell_is_missed() {
    const LAST: u64 = 20_000;
    let (mut publisher, subscribers) = channel(2).expect("channel");
    let cores: Vec<_> = subscribers
        .into_iter()
        .map(|subscriber| thread::spawn(move || serve_until(&subscriber, LAST)))
        .collect();
    for version in 1..=LAST {
        publisher.publish_endpoints(backend(1), &key(), &endpoints(1..2));
        publisher.publish_table(&table(version));
        // Lets the cores go to sleep now and then, where a missed bell would show.
        if version % 64 == 0 {
            thread::yield_now();
        }
    }
    while !publisher.all_acknowledged(TableVersion(LAST)) {
        publisher.pump();
        thread::yield_now();
    }
    for core in cores {
        let tables = core.join().expect("core");
        assert!((1..=LAST).contains(&tables));
    }
}

/// Backends whose endpoints change in turn.
const BACKENDS: usize = 8;
/// One publication in so many has a table.
const TABLE_EVERY: u64 = 3;

/// The backend that publication `n` changes.
fn slot(n: u64) -> u32 {
    u32::try_from(n % BACKENDS as u64).expect("small")
}

/// Publication `n`: the only endpoint of backend `slot(n)` gets port `n`, and the table, if
/// any, version `n`.
#[derive(Default)]
struct Applied {
    ports: [u64; BACKENDS],
    table: u64,
}

impl Applied {
    /// Everything up to publication `sequence` is in force.
    fn holds(&self, sequence: u64) -> bool {
        let first = sequence.saturating_sub(BACKENDS as u64 - 1).max(1);
        let mut recent = first..=sequence;
        let is_known = |n: u64| self.ports[slot(n) as usize] >= n;
        recent.all(is_known) && self.table >= sequence / TABLE_EVERY * TABLE_EVERY
    }

    fn apply(&mut self, update: Update, subscriber: &Subscriber) {
        match update {
            Update::Table(table) => self.table = table.version.0,
            Update::Endpoints { backend, set, .. } => {
                self.ports[backend.slot as usize] = u64::from(set.addresses[0].port());
            }
            Update::Mark(Sequence(sequence)) => {
                assert!(self.holds(sequence), "a mark overtook what it speaks of");
                subscriber.applied(Sequence(sequence));
            }
            Update::Open(_) | Update::Close(_) => {}
            Update::RemoveBackend(_) | Update::Drain(_) => {}
        }
    }
}

/// Applies until the mark `last`; gives the number of marks that were read.
fn apply_until(subscriber: &Subscriber, last: u64) -> u64 {
    let mut reader = subscriber.doorbell_reader().expect("reader");
    reader.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let (mut applied, mut marks) = (Applied::default(), 0);
    while subscriber.state.applied.load(Relaxed) < last {
        let bytes = reader.read(&mut [0; 16]).expect("a lost wake-up shows as a timeout");
        assert!(bytes > 0, "the control half is open");
        for update in subscriber.drain_updates() {
            marks += u64::from(matches!(update, Update::Mark(_)));
            applied.apply(update, subscriber);
        }
        subscriber.acknowledge(TableVersion(applied.table));
    }
    assert_eq!(applied.table, last / TABLE_EVERY * TABLE_EVERY);
    marks
}

#[test]
fn a_mark_never_overtakes_its_publication_while_full_channels_merge() {
    const LAST: u64 = 20_000;
    let (mut publisher, subscribers) = channel(2).expect("channel");
    let cores: Vec<_> = subscribers
        .into_iter()
        .map(|subscriber| thread::spawn(move || apply_until(&subscriber, LAST)))
        .collect();
    let mut merged = 0_u64;
    for n in 1..=LAST {
        let port = u16::try_from(n).expect("small");
        publisher.publish_endpoints(backend(slot(n)), &key(), &endpoints(port..port + 1));
        if n.is_multiple_of(TABLE_EVERY) {
            publisher.publish_table(&table(n));
        }
        assert_eq!(publisher.mark(), Sequence(n));
        merged += u64::from(publisher.has_pending());
        if n % 64 == 0 {
            thread::yield_now();
        }
    }
    while !publisher.all_applied(Sequence(LAST)) {
        publisher.pump();
        thread::yield_now();
    }
    assert!(merged > 0, "the channels were never full: the test shows nothing");
    for core in cores {
        assert!((1..=LAST).contains(&core.join().expect("core")));
    }
}
