//! A core with one rule, `*/`, and the endpoints 10.0.0.1, 10.0.0.2, … of its backend; those that
//! follow are of another one.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::tests::config;
use crate::model::{
    BackendKey, BackendTarget, Defaults, Dial, Downstream, EntryPoint, Host, HostPattern, Kind,
    Listener, Model, ObjectRef, OnMiss, Origin, PathMatch, Policies, PortRef, RequestMatch, Rule,
    Scheme, WeightedBackend,
};
use crate::proxy::client::accept::{Listeners, Socket};
use crate::proxy::client::head::serve_one;
use crate::proxy::core::Core;
use crate::proxy::rt::DriverChoice;
use crate::proxy::rt::random::Random;
use crate::proxy::rt::simulated::link::Peer;
use crate::proxy::rt::simulated::network::{self, Knock};
use crate::proxy::rt::simulated::{task, time};
use crate::proxy::worker;
use crate::publish::tests::SIMULATED_NANOS;
use crate::publish::{self, Drain, OpeningId, Publisher, Update};
use crate::table::{Compiler, EndpointSet};
use crate::telemetry::access_log::tests::collected;
use crate::telemetry::spans::spans;
use crate::telemetry::{Bounds, Outlets, telemetry};

/// Applies an update as a worker does.
type Apply = Box<dyn FnMut(Update)>;

/// One core.
pub(super) struct World {
    pub(super) core: Rc<Core>,
    socket: Rc<Socket>,
    lines: Box<dyn Fn() -> Vec<String>>,
    /// Its other end of the channel.
    _publisher: Publisher,
    apply: Rc<RefCell<Apply>>,
    started: u64,
}

impl World {
    /// A core with `flags` and with `policies` of its only rule. The first request goes to the
    /// first endpoint, the others follow in turn.
    pub(super) fn new(flags: &str, policies: Policies, endpoints: u8, others: u8) -> Self {
        task::clear();
        SIMULATED_NANOS.set(Some(time::nanos()));
        let Config { proxy: config, downstream, .. } = config(flags).expect("usable flags");
        let (publisher, mut subscribers) = publish::channel(1).expect("a channel");
        let (log, lines) = collected();
        let counters = telemetry(1, Bounds::default()).0.remove(0);
        let outlets = Outlets { log, spans: spans(1).0.remove(0) };
        let defaults = config.defaults.clone();
        let downstream = Arc::new(downstream);
        let subscriber = subscribers.remove(0);
        let core = Core::new(config, subscriber, counters, outlets, Arc::default(), Arc::default());
        core.refresh_date();
        let ticking = Rc::clone(&core);
        core.tasks.start(async move { worker::tick(&ticking).await });
        let mut listeners = Listeners::new(&core, DriverChoice::Epoll, serve_one);
        let address = ([192, 0, 2, 80], 80).into();
        let entry_point = EntryPoint { address, scheme: Scheme::Http };
        let socket = Rc::new(Socket::simulated(entry_point));
        listeners.accept_from(OpeningId(1), Rc::clone(&socket));
        let applying = Rc::clone(&core);
        let apply: Apply = Box::new(move |update| worker::apply(&applying, update, &mut listeners));
        let world = Self {
            core,
            socket,
            lines: Box::new(lines),
            _publisher: publisher,
            apply: Rc::new(RefCell::new(apply)),
            started: time::nanos(),
        };
        world.serve(policies, (defaults, downstream), [endpoints, others]);
        world
    }

    fn serve(
        &self,
        policies: Policies,
        (defaults, downstream): (Defaults, Arc<Downstream>),
        counts: [u8; 2],
    ) {
        let object = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: "web".into() };
        let rule = Rule {
            origin: Origin { object, rule: Some(0), path: None, position: None },
            matches: vec![RequestMatch::path(PathMatch::Prefix("/".into()))],
            filters: Vec::new(),
            backends: vec![WeightedBackend::only(BackendTarget::Service(key("web")))],
            canaries: Vec::new(),
            policies,
        };
        let (pattern, on_miss) = (HostPattern::Any, OnMiss::Default);
        let hosts = vec![Arc::new(Host {
            pattern,
            on_miss,
            rules: vec![Arc::new(rule)],
            locations: Vec::new(),
        })];
        let listeners = vec![Listener { hosts, ..Listener::default() }];
        let compiled = Compiler::default().compile(&Model {
            listeners,
            defaults,
            downstream,
            ..Model::default()
        });
        let [endpoints, others] = counts;
        for backend in &compiled.added {
            let (first, count) = match &*backend.key.service {
                "web" => (1, endpoints),
                _ => (endpoints + 1, others),
            };
            let addresses = (first..first + count).map(address).collect();
            let set = Arc::new(EndpointSet { addresses, ..EndpointSet::default() });
            let turn = |seed: &u64| Random::seeded(*seed).below(count.max(1).into()) == 0;
            let random = Random::seeded((1..).find(turn).expect("some seed"));
            self.core.upstreams.apply(backend.id, Arc::clone(&backend.key), set, &random);
        }
        self.apply(Update::Table(compiled.table));
    }

    fn apply(&self, update: Update) {
        (self.apply.borrow_mut())(update);
    }

    /// What begins a drain.
    pub(super) fn drain(&self) -> impl Fn() + 'static {
        let apply = Rc::clone(&self.apply);
        let drain = Drain { timeout: Duration::from_secs(60) };
        move || (apply.borrow_mut())(Update::Drain(drain))
    }

    /// Who asks for connections to endpoint `n`, from 0, is told to `knocked`.
    pub(super) fn route(&self, knocked: impl Fn(usize, Knock) + 'static) {
        let number = |at: SocketAddr| (1_u8..).position(|n| address(n) == at);
        let router = move |at, knock| knocked(number(at).expect("an endpoint"), knock);
        network::route(Some(Rc::new(router)));
    }

    /// A client that comes.
    pub(super) fn connect(&self) -> Peer {
        self.socket.come(([192, 0, 2, 1], 4000).into()).expect("an open socket")
    }

    /// Starts a task of the other side.
    pub(super) fn play(&self, script: impl Future<Output = ()> + 'static) {
        task::spawn(script, |_| {});
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        task::drive(time, |nanos| SIMULATED_NANOS.set(Some(nanos)), || false);
    }

    /// Milliseconds since the beginning.
    pub(super) fn millis_of(&self, nanos: u64) -> u64 {
        nanos.saturating_sub(self.started) / 1_000_000
    }

    /// The lines of the access log.
    pub(super) fn log(&self) -> Vec<serde_json::Value> {
        self.core.flush_log();
        let lines = (self.lines)();
        lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        network::route(None);
        task::clear();
        SIMULATED_NANOS.set(None);
    }
}

/// The port 80 of `ns/service`.
pub(super) fn key(service: &str) -> BackendKey {
    BackendKey {
        namespace: "ns".into(),
        service: service.into(),
        port: PortRef::Number(80),
        dial: Dial::default(),
    }
}

fn address(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 80).into()
}
