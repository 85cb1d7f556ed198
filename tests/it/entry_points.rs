//! Entry points that come and go while others are served: cores in this process, told by what in
//! the control plane decides which sockets there are.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser as _;
use ringway::config::{AccessLogFormat, Args, Config, Machine};
use ringway::control::openings::Openings;
use ringway::model::{
    BackendKey, BackendTarget, Dial, EntryPoint, Host, HostPattern, Kind, Listener, Model,
    ObjectRef, OnMiss, Origin, PathMatch, Policies, PortRef, RequestMatch, Rule, Scheme,
    WeightedBackend,
};
use ringway::publish::{Drain, Publisher, channel};
use ringway::table::{Compiler, EndpointSet};
use ringway::telemetry::Outlets;
use ringway::telemetry::access_log::{Sink, access_log};
use ringway::{proxy, telemetry};

use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, wait_until};

for_each_driver!(
    a_second_one_comes_and_goes_without_a_failure_elsewhere,
    an_address_may_pass_to_another_listener,
    a_connection_never_gets_to_the_listener_in_the_place_of_its_own,
    an_address_may_come_to_speak_another_scheme,
);

const CORES: usize = 2;

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    args: Args,
}

/// A data plane, and what tells it.
struct Plane {
    compiler: Compiler,
    publisher: Publisher,
    openings: Openings,
    backends: [Backend; 2],
}

impl Plane {
    fn start(driver: Driver) -> Self {
        let cores = CORES.to_string();
        let flags = Flags::parse_from(["ringway", "--cores", &cores, "--driver", driver.flag()]);
        let config = Config::new(&flags.args, &Machine::look().unwrap()).unwrap();
        let (publisher, subscribers) = channel(CORES).unwrap();
        let (shards, _scrape) = telemetry::telemetry(CORES, telemetry::Bounds::default());
        let (logs, _) = access_log(AccessLogFormat::Off, CORES, Sink::output()).unwrap();
        let (outlets, _spans) = Outlets::of(logs);
        proxy::start(&config.proxy, subscribers, shards, outlets).unwrap();
        let backends = ["a", "b"].map(Backend::echo);
        let (compiler, openings) = (Compiler::default(), Openings::default());
        Self { compiler, publisher, openings, backends }
    }

    /// Puts `listeners` in force: their sockets are open, those of others close.
    fn publish(&mut self, listeners: Vec<Listener>) {
        let compiled = self.compiler.compile(&Model { listeners, ..Model::default() });
        for added in &compiled.added {
            let backend = usize::from(&*added.key.service == "b");
            let addresses = vec![self.backends[backend].address()];
            let set = Arc::new(EndpointSet { addresses, ..EndpointSet::default() });
            self.publisher.publish_endpoints(added.id, &added.key, &set);
        }
        self.publisher.publish_table(&compiled.table);
        let named = compiled.table.entry_points().iter().map(|(entry_point, _)| *entry_point);
        self.openings.follow(named, &mut self.publisher, Instant::now());
        wait_until("every entry point to have its sockets", || {
            self.openings.retry(&mut self.publisher, Instant::now());
            self.openings.due().is_none()
        });
        let mark = self.publisher.mark();
        wait_until("every core to follow", || {
            self.publisher.pump();
            self.publisher.all_applied(mark)
        });
    }

    /// Nothing is left open: neither what is served nor what was closed before.
    fn end(mut self) {
        self.openings.end();
        self.publisher.drain(Drain { timeout: Duration::from_secs(20) });
        wait_until("the drain", || {
            self.publisher.pump();
            self.publisher.all_drained()
        });
    }
}

/// All requests of its clients go to one backend.
fn listener(service: &str, generation: u32, entry_points: &[EntryPoint]) -> Listener {
    let key = BackendKey {
        namespace: "default".into(),
        service: service.into(),
        port: PortRef::Number(80),
        dial: Dial::default(),
    };
    let object = ObjectRef { kind: Kind::Ingress, namespace: "default".into(), name: "x".into() };
    let rule = Rule {
        origin: Origin { object, rule: Some(0), path: Some(0), position: None },
        matches: vec![RequestMatch::path(PathMatch::Prefix("/".into()))],
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(key))],
        canaries: Vec::new(),
        policies: Policies::default(),
    };
    let rules = vec![Arc::new(rule)];
    let host =
        Host { pattern: HostPattern::Any, on_miss: OnMiss::Default, rules, locations: Vec::new() };
    let (entry_points, hosts) = (entry_points.to_vec(), vec![Arc::new(host)]);
    Listener { generation, entry_points, hosts, ..Listener::default() }
}

/// An entry point that nobody has.
fn free() -> EntryPoint {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    EntryPoint { address: socket.local_addr().unwrap(), scheme: Scheme::Http }
}

/// Which backend answers.
#[track_caller]
fn check(client: &mut Client, backend: &str) {
    let response = client.get("h.example", "/");
    assert_eq!((response.status(), response.backend().as_str()), (200, backend));
}

/// Requests without a pause, on one connection and on a new one each, until it is ended.
struct Traffic {
    is_ended: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Traffic {
    fn start(address: SocketAddr, backend: &'static str) -> Self {
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        let thread = std::thread::spawn(move || {
            let (mut kept, mut rounds) = (Client::connect(address), 0);
            while !ended.load(Relaxed) {
                check(&mut kept, backend);
                check(&mut Client::connect(address), backend);
                rounds += 1;
            }
            rounds
        });
        Self { is_ended, thread }
    }

    /// Nothing failed.
    fn end(self) {
        self.is_ended.store(true, Relaxed);
        assert!(self.thread.join().expect("every request was answered") > 0);
    }
}

fn a_second_one_comes_and_goes_without_a_failure_elsewhere(driver: Driver) {
    let mut plane = Plane::start(driver);
    let (first, second) = (free(), free());
    plane.publish(vec![listener("a", 0, &[first])]);
    let traffic = Traffic::start(first.address, "a");
    let mut kept = Vec::new();
    for _ in 0..2 {
        plane.publish(vec![listener("a", 0, &[first]), listener("b", 0, &[second])]);
        kept.push(Client::connect(second.address));
        let connected: Vec<_> = (0..20).map(|_| Client::connect(second.address)).collect();
        kept.iter_mut().for_each(|client| check(client, "b"));
        plane.publish(vec![listener("a", 0, &[first]), listener("b", 0, &[])]);
        // Who was told to be connected is served, whether accepted or not.
        connected.into_iter().for_each(|mut client| check(&mut client, "b"));
        wait_until("the socket to close", || TcpStream::connect(second.address).is_err());
        kept.iter_mut().for_each(|client| check(client, "b"));
    }
    traffic.end();
    drop(kept);
    plane.end();
}

fn an_address_may_pass_to_another_listener(driver: Driver) {
    let mut plane = Plane::start(driver);
    let (first, second) = (free(), free());
    plane.publish(vec![listener("a", 0, &[first]), listener("b", 0, &[second])]);
    let mut kept = Client::connect(second.address);
    check(&mut kept, "b");
    let traffic = Traffic::start(first.address, "a");
    plane.publish(vec![listener("a", 0, &[first, second]), listener("b", 0, &[])]);
    check(&mut Client::connect(second.address), "a");
    check(&mut kept, "b");
    traffic.end();
    drop(kept);
    plane.end();
}

/// Another tenant may have the place by now.
fn a_connection_never_gets_to_the_listener_in_the_place_of_its_own(driver: Driver) {
    let mut plane = Plane::start(driver);
    let (first, second) = (free(), free());
    for (generation, path) in [(0, "/"), (2, "/healthz")] {
        plane.publish(vec![listener("a", 0, &[first]), listener("b", generation, &[second])]);
        let mut kept = Client::connect(second.address);
        check(&mut kept, "b");
        plane.publish(vec![listener("a", 0, &[first]), listener("a", generation + 1, &[second])]);
        let response = kept.get("h.example", path);
        assert_eq!((response.status(), response.field("connection")), (421, Some("close")));
        kept.assert_closed();
        check(&mut Client::connect(second.address), "a");
    }
    plane.end();
}

fn an_address_may_come_to_speak_another_scheme(driver: Driver) {
    let mut plane = Plane::start(driver);
    let clear = free();
    let secure = EntryPoint { scheme: Scheme::Https, ..clear };
    plane.publish(vec![listener("a", 0, &[clear])]);
    check(&mut Client::connect(clear.address), "a");
    plane.publish(vec![listener("a", 0, &[secure])]);
    let mut client = Client::connect(secure.address);
    client.send("GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
    let answer = client.read_until_close();
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    plane.publish(vec![listener("a", 0, &[clear])]);
    check(&mut Client::connect(clear.address), "a");
    plane.end();
}
