//! Gateways and routes on an API server: who writes their states and how often, and what many cost.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::conformance::install_definitions;
use crate::harness::{
    ControlPlane, DEADLINE, Endpoint, Installation, Network, Objects, Options, TWO_CORES, backend,
    is_full, pause, wait_until,
};
use crate::peers::{Client, Proxy};

crate::cases![
    states_are_written_once_and_by_the_holder_alone,
    services_of_gateways_are_kept_as_they_are_made,
    a_class_that_is_used_goes_behind_its_gateways,
    a_large_gateway_follows_its_routes,
];

const ADDRESSES: &str = "--gateway-addresses=127.83.0.0/16";

/// Of another replica: both are on one machine here.
const OTHER_ADDRESSES: &str = "--gateway-addresses=127.84.0.0/16";

/// Changes in a second.
const RATE: u32 = 50;

#[track_caller]
fn control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start(Options::default());
    install_definitions(&control_plane);
    control_plane
}

/// The class, a Gateway `edge` with one listener, and a Service `web`.
#[track_caller]
fn prepare(objects: &Objects, network: &Network) {
    objects.apply(json!({
        "kind": "GatewayClass",
        "metadata": { "name": "ringway" },
        "spec": { "controllerName": "ringway.dev/gateway" },
    }));
    let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 80 }]);
    objects.apply(json!({
        "kind": "Gateway",
        "metadata": { "name": "edge" },
        "spec": { "gatewayClassName": "ringway", "listeners": listeners },
    }));
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
}

/// The route `name` of the host `NAME.example`; versions differ in a field that backends get.
fn route(name: &str, service: &str, version: usize) -> Value {
    let set = json!([{ "name": "X-Version", "value": version.to_string() }]);
    json!({
        "kind": "HTTPRoute",
        "metadata": { "name": name },
        "spec": {
            "parentRefs": [{ "name": "edge" }],
            "hostnames": [format!("{name}.example")],
            "rules": [{
                "filters": [{
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": { "set": set },
                }],
                "backendRefs": [{ "name": service, "port": 80 }],
            }],
        },
    })
}

/// Conditions of a route or a Gateway, if all are about its present version: name and reason.
#[track_caller]
fn conditions(objects: &Objects, kind: &str, name: &str) -> Option<Vec<(String, String)>> {
    let object = objects.get(kind, name).expect("there");
    let status = &object["status"];
    let all = status["parents"][0]["conditions"].as_array();
    let all = all.or_else(|| status["conditions"].as_array())?;
    let generation = &object["metadata"]["generation"];
    let is_current = all.iter().all(|condition| condition["observedGeneration"] == *generation);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let reasons =
        all.iter().map(|condition| (text(&condition["type"]), text(&condition["reason"])));
    is_current.then(|| reasons.collect())
}

fn writes(proxy: &Proxy) -> f64 {
    proxy.metric("ringway_status_writes_total", &[])
}

/// Seconds from events to the last core, and of how many tables and endpoints.
fn applied(proxy: &Proxy) -> (f64, f64) {
    let of = |what| proxy.metric(&format!("ringway_config_apply_seconds_{what}"), &[]);
    (of("sum"), of("count"))
}

/// Exactly so many: one is counted when the API server has replied, which may be after it shows.
#[track_caller]
fn wait_for_writes(proxy: &Proxy, wanted: f64) {
    wait_until("the writes", || writes(proxy) >= wanted);
    assert_eq!(writes(proxy), wanted);
}

#[track_caller]
fn wait_for_state(objects: &Objects, kind: &str, name: &str, wanted: &[(&str, &str)]) {
    wait_until(&format!("the state of {kind} {name}"), || {
        conditions(objects, kind, name).is_some_and(|found| {
            let shows = |(name, reason): &(&str, &str)| {
                found.iter().any(|found| (&*found.0, &*found.1) == (*name, *reason))
            };
            wanted.iter().all(shows)
        })
    });
}

const GOOD: &[(&str, &str)] = &[("Accepted", "Accepted"), ("ResolvedRefs", "ResolvedRefs")];
const NO_BACKEND: &[(&str, &str)] =
    &[("Accepted", "Accepted"), ("ResolvedRefs", "BackendNotFound")];
const VERSION: &[(&str, &str)] = &[("SupportedVersion", "SupportedVersion")];
const SERVED: &[(&str, &str)] = &[("Accepted", "Accepted"), ("Programmed", "Programmed")];

fn states_are_written_once_and_by_the_holder_alone() {
    let network = Network::new();
    let control_plane = control_plane();
    let installation = Installation::new(&control_plane);
    let objects = &installation.objects;
    let _web = backend(network.address(1), "web");
    prepare(objects, &network);
    objects.apply(route("a", "web", 0));
    objects.apply(route("b", "missing", 0));
    let one = installation.start_unready("ringway-one", &[ADDRESSES]);
    wait_until("a leader", || installation.leader().starts_with("ringway-one"));
    let two = installation.start_unready("ringway-two", &[OTHER_ADDRESSES]);
    two.wait_for_readiness();
    wait_for_state(objects, "HTTPRoute", "a", GOOD);
    wait_for_state(objects, "HTTPRoute", "b", NO_BACKEND);
    wait_for_state(objects, "Gateway", "edge", SERVED);
    wait_for_state(objects, "GatewayClass", "ringway", VERSION);
    let shown = objects.get("Gateway", "edge").expect("there");
    assert_eq!(shown["status"]["listeners"][0]["attachedRoutes"], 2);
    // The class, the Gateway, two routes.
    wait_for_writes(&one, 4.0);

    // Of a change its object is written, and once.
    for version in 1..=5 {
        objects.apply(route("a", "web", version));
        wait_for_state(objects, "HTTPRoute", "a", GOOD);
    }
    wait_for_writes(&one, 9.0);

    // A label is no new version: what comes after it is told, and it is not.
    let mut labelled = route("a", "web", 5);
    labelled["metadata"]["labels"] = json!({ "team": "blue" });
    objects.apply(labelled);
    objects.apply(route("b", "web", 0));
    wait_for_state(objects, "HTTPRoute", "b", GOOD);
    wait_for_writes(&one, 10.0);
    assert_eq!(writes(&two), 0.0);

    // kill -9: the other one writes what is new, its address among it, and not what is right.
    let version = || objects.get("HTTPRoute", "a").expect("there")["metadata"].clone();
    let shown = version();
    drop(one);
    wait_until("the other leader", || installation.leader().starts_with("ringway-two"));
    objects.apply(route("b", "missing", 0));
    wait_for_state(objects, "HTTPRoute", "b", NO_BACKEND);
    wait_until("the other address", || {
        let gateway = objects.get("Gateway", "edge").expect("there");
        let address = gateway["status"]["addresses"][0]["value"].as_str();
        address.is_some_and(|address| address.starts_with("127.84."))
    });
    assert_eq!(version(), shown);
    wait_for_writes(&two, 2.0);
}

/// Whatever somebody does with them; what is not ours stays theirs.
fn services_of_gateways_are_kept_as_they_are_made() {
    const SERVICE: &str = "edge-ringway";
    const SLICE: &str = "edge-ringway-ipv4";
    let network = Network::new();
    let control_plane = control_plane();
    let values = ["controller.extraArgs.gateway-services=ClusterIP"];
    let installation = Installation::with(&control_plane, &values);
    let objects = &installation.objects;
    prepare(objects, &network);
    let theirs = json!({ "name": "other", "port": 81 });
    objects.apply(json!({
        "kind": "Service",
        "metadata": { "name": "taken-ringway" },
        "spec": { "ports": [theirs] },
    }));
    let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 8080 }]);
    objects.apply(json!({
        "kind": "Gateway",
        "metadata": { "name": "taken" },
        "spec": { "gatewayClassName": "ringway", "listeners": listeners },
    }));
    installation.be_the_only_pod("ringway-0");
    let proxy = installation.start_unready("ringway-0", &[]);
    proxy.wait_for_readiness();
    let shows = |kind: &str, name: &str, place: &str, wanted: &Value| {
        let object = objects.get(kind, name);
        object.is_some_and(|object| object.pointer(place) == Some(wanted))
    };
    let (port, our_label) = (json!(80), json!("ringway"));
    let label = "/metadata/labels/app.kubernetes.io~1managed-by";
    let made = || {
        shows("Service", SERVICE, "/spec/ports/0/targetPort", &port)
            && shows("Service", SERVICE, label, &our_label)
            && shows("EndpointSlice", SLICE, "/ports/0/port", &port)
            && shows("EndpointSlice", SLICE, label, &our_label)
    };
    wait_until("the Service", made);
    let edited = json!({ "name": "tcp-80", "port": 80, "targetPort": 81, "protocol": "TCP" });
    objects.merge("Service", SERVICE, json!({ "spec": { "ports": [edited] } }));
    wait_until("the port", made);
    // Without our label it is none of those that are watched.
    let none = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } });
    objects.merge("Service", SERVICE, none);
    wait_until("the label", made);
    objects.merge("EndpointSlice", SLICE, json!({ "ports": [] }));
    wait_until("the ports of the slice", made);
    objects.delete("EndpointSlice", SLICE);
    wait_until("the slice", made);
    objects.delete("Service", SERVICE);
    wait_until("the Service again", made);
    let theirs = json!(81);
    assert!(shows("Service", "taken-ringway", "/spec/ports/0/port", &theirs));
    // A field that we do not write is somebody's own, and a write that changes nothing is none.
    let note = json!({ "metadata": { "annotations": { "example.com/note": "kept" } } });
    objects.merge("Service", SERVICE, note);
    pause(Duration::from_secs(26));
    let note = json!("kept");
    assert!(shows("Service", SERVICE, "/metadata/annotations/example.com~1note", &note));
    assert!(made());
}

fn a_class_that_is_used_goes_behind_its_gateways() {
    let network = Network::new();
    let control_plane = control_plane();
    let installation = Installation::new(&control_plane);
    let objects = &installation.objects;
    prepare(objects, &network);
    installation.be_the_only_pod("ringway-0");
    let mut proxy = installation.start_unready("ringway-0", &[]);
    proxy.wait_for_readiness();
    let class = || objects.get("GatewayClass", "ringway");
    let finalizers = || class().map(|class| class["metadata"]["finalizers"].clone());
    let ours = json!(["gateway-exists-finalizer.gateway.networking.k8s.io"]);
    wait_until("the finalizer", || finalizers().as_ref() == Some(&ours));
    objects.delete("GatewayClass", "ringway");
    assert!(class().is_some_and(|class| class["metadata"]["deletionTimestamp"].is_string()));
    objects.delete("Gateway", "edge");
    wait_until("its end", || class().is_none());
    prepare(objects, &network);
    wait_until("the finalizer again", || finalizers().as_ref() == Some(&ours));
    proxy.signal("TERM");
    proxy.wait_for_exit();
    assert_eq!(finalizers(), Some(Value::Null));
}

/// What goes on while new routes are made.
#[derive(Default)]
struct Progress {
    is_over: AtomicBool,
    changes: AtomicUsize,
    answered: AtomicUsize,
    failed: AtomicUsize,
}

fn a_large_gateway_follows_its_routes() {
    let (existing, samples) = if is_full() { (5_000, 300) } else { (200, 20) };
    let network = Network::new();
    let control_plane = control_plane();
    let installation = Installation::new(&control_plane);
    let objects = &installation.objects;
    let _web = backend(network.address(1), "web");
    prepare(objects, &network);
    let name = |number: usize| format!("many-{number}");
    objects.create_many("HTTPRoute", (0..existing).map(|number| route(&name(number), "web", 0)));
    drop(started(&installation, "first start"));
    let (proxy, address) = started(&installation, "restart");
    // So many take longer than a wait may: writes have a rate.
    let mut missing = existing;
    while missing > 0 {
        let before = missing;
        wait_until("more states", || {
            pause(Duration::from_secs(1));
            let all = objects.list("HTTPRoute", "");
            let is_missing = |route: &&Value| route["status"]["parents"][0]["conditions"].is_null();
            missing = all.iter().filter(is_missing).count();
            missing < before
        });
    }

    let progress = Progress::default();
    let (before, applied_before) = (writes(&proxy), applied(&proxy));
    let began = Instant::now();
    let mut found = std::thread::scope(|scope| {
        scope.spawn(|| change(objects, existing, &progress));
        scope.spawn(|| ask(address, existing, &progress));
        let found: Vec<_> = (0..samples).map(|number| create(objects, address, number)).collect();
        progress.is_over.store(true, Ordering::Relaxed);
        found
    });
    let took = began.elapsed();
    let applied = applied(&proxy);
    let mean = (applied.0 - applied_before.0) / (applied.1 - applied_before.1);
    let Progress { changes, answered, failed, .. } = progress;
    let [changes, answered, failed] = [changes, answered, failed].map(AtomicUsize::into_inner);
    wait_until("the last state", || {
        conditions(objects, "HTTPRoute", &format!("new-{}", samples - 1)).is_some()
    });
    let written = writes(&proxy) - before;
    found.sort();
    let at = |share: usize| found[(found.len() * share / 100).min(found.len() - 1)];
    eprintln!(
        "{existing} HTTPRoutes, {changes} changes in {took:.1?}, {samples} new: from the API \
         server's reply to the answer p50 {:.1?}, p99 {:.1?}, max {:.1?} (from the event to the \
         last core {:.1} ms on average); {answered} requests, {failed} failed; {written} status \
         writes; resident {:.1} MiB",
        at(50),
        at(99),
        at(100),
        mean * 1000.0,
        proxy.metric("process_resident_memory_bytes", &[]) / (1024.0 * 1024.0),
    );
    assert!(answered > 0 && failed == 0, "{answered} requests, {failed} failed");
    // Each new route is two changed objects: the Gateway counts it.
    let changed = u32::try_from(changes + 2 * samples).expect("few");
    assert!(written <= f64::from(changed), "{written} writes for {changed} changed objects");
}

/// A replica that is ready, and the address of the Gateway.
#[track_caller]
fn started(installation: &Installation<'_>, what: &str) -> (Proxy, SocketAddr) {
    let start = Instant::now();
    let proxy = installation.start_unready("ringway-0", &[ADDRESSES, TWO_CORES]);
    proxy.wait_for_readiness();
    eprintln!("{what}: ready after {:.2?}", start.elapsed());
    let mut address = None;
    wait_until("the address of the Gateway", || {
        let gateway = installation.objects.get("Gateway", "edge").expect("there");
        let value = gateway["status"]["addresses"][0]["value"].as_str();
        address = value.and_then(|value| value.parse::<IpAddr>().ok());
        address.is_some()
    });
    (proxy, SocketAddr::new(address.expect("an address"), 80))
}

/// Changes one route after the other, at [`RATE`], until it is over.
fn change(objects: &Objects, existing: usize, progress: &Progress) {
    let began = Instant::now();
    for number in 0.. {
        if progress.is_over.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("many-{}", number % existing);
        objects.apply(route(&name, "web", 1 + number / existing));
        progress.changes.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_secs(1) / RATE * u32::try_from(number + 1).expect("few");
        pause(due.saturating_sub(began.elapsed()));
    }
}

/// Asks for the routes that change, one after the other on one connection, until it is over. Not as
/// fast as it can: everything runs on the cores that are measured.
fn ask(address: SocketAddr, existing: usize, progress: &Progress) {
    let mut client = Client::connect(address);
    for number in 0.. {
        if progress.is_over.load(Ordering::Relaxed) {
            return;
        }
        let host = format!("many-{}.example", number % existing);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = client.send_if_open(request).and_then(|()| client.try_response());
        let counter = match answer {
            Ok(answer) if answer.status() == 200 => &progress.answered,
            _ => {
                client = Client::connect(address);
                &progress.failed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        pause(Duration::from_millis(2));
    }
}

/// Creates a route. The time from the API server's reply to the first answer on every core.
#[track_caller]
fn create(objects: &Objects, address: SocketAddr, number: usize) -> Duration {
    /// The kernel spreads connections over the cores: none is left out by so many.
    const CONNECTIONS: usize = 12;
    let name = format!("new-{number}");
    objects.apply(route(&name, "web", 0));
    let replied = Instant::now();
    let host = format!("{name}.example");
    let answers = || Client::connect(address).get(&host, "/").status() == 200;
    while !(0..CONNECTIONS).all(|_| answers()) {
        assert!(replied.elapsed() < DEADLINE, "{name} is not served by every core");
        pause(Duration::from_micros(500));
    }
    replied.elapsed()
}
