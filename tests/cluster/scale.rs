//! What a large cluster costs: time to readiness, memory, and from the API to every core.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::objects::{Endpoint, ingress, slice};
use crate::harness::{
    ControlPlane, Installation, Network, Objects, Options, TWO_CORES, backend, pause, wait_until,
};
use crate::peers::pki::Authority;
use crate::peers::{Client, Message, Proxy};

crate::cases![a_large_cluster_is_ready_soon_and_small, a_new_ingress_reaches_every_core_soon,];

/// Ingresses, certificates, Services, endpoints of each Service.
struct Size {
    ingresses: usize,
    certificates: usize,
    services: usize,
    endpoints: usize,
}

/// What the Ingresses ask for besides routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Nothing.
    Plain,
    /// Eight annotations each, of several groups, with values that differ.
    Annotated,
}

const MIB: f64 = 1024.0 * 1024.0;

/// A third above the goal of 300 MiB at 10,000 Ingresses: the allocator keeps what it likes.
const MEMORY_MAX: f64 = 400.0 * MIB;

fn size() -> Size {
    if crate::harness::is_full() {
        Size { ingresses: 10_000, certificates: 1_000, services: 2_000, endpoints: 50 }
    } else {
        Size { ingresses: 500, certificates: 50, services: 100, endpoints: 50 }
    }
}

fn dialects() -> &'static [Dialect] {
    if crate::harness::is_full() {
        &[Dialect::Plain, Dialect::Annotated]
    } else {
        &[Dialect::Annotated]
    }
}

/// The annotations of Ingress `number`: some values are those of many, some its own.
fn annotations(number: usize) -> Value {
    let few = number % 7;
    let all = json!({
        "proxy-body-size": format!("{}m", 1 + few),
        "proxy-read-timeout": format!("{}", 30 + few),
        "proxy-next-upstream-tries": format!("{}", 1 + few % 3),
        "enable-cors": "true",
        "cors-allow-origin": format!("https://app-{number}.example"),
        "limit-rps": format!("{}", 100 + few),
        "allowlist-source-range": format!("10.{}.0.0/16,127.0.0.0/8,198.18.0.0/15", number % 250),
        "upstream-vhost": format!("inner-{number}.example"),
    });
    let all = all.as_object().expect("an object").iter();
    all.map(|(name, value)| (format!("nginx.ingress.kubernetes.io/{name}"), value.clone()))
        .collect()
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("a byte")
}

/// Values of the chart: the webhook is on, as it is by default.
const WEBHOOK: &[&str] = &["controller.admissionWebhooks.enabled=true"];

/// The API server asks the webhook from some time after the start on.
fn wait_for_webhook(objects: &Objects, class: &str, proxy: &Proxy) {
    wait_until("the webhook to be asked", || {
        let mut probe = ingress(class, "probe", "probe.example", "web");
        probe["apiVersion"] = json!("networking.k8s.io/v1");
        objects.try_apply(probe).is_ok() && reviews_within(proxy, "+Inf") > 0.0
    });
    objects.delete("Ingress", "probe");
}

/// Reviews that took so many seconds at most.
fn reviews_within(proxy: &Proxy, seconds: &str) -> f64 {
    let bound = format!("le=\"{seconds}\"");
    proxy.metric("ringway_admission_review_seconds_bucket", &[&bound])
}

fn resident(proxy: &Proxy) -> f64 {
    proxy.metric("process_resident_memory_bytes", &[])
}

/// Writes what a large cluster holds; every Service has one endpoint that answers.
fn fill(
    objects: &Objects,
    class: &str,
    size: &Size,
    dialect: Dialect,
    authority: &Authority,
    answers: Ipv4Addr,
) {
    let &Size { ingresses, certificates, services, endpoints } = size;
    let secrets = (0..certificates).map(|number| {
        let leaf = authority.issue(&[&format!("host-{number}.example")]);
        json!({
            "kind": "Secret",
            "metadata": { "name": format!("cert-{number}") },
            "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": leaf.chain, "tls.key": leaf.key },
        })
    });
    objects.create_many("Secret", secrets);
    let service = |number: usize| {
        json!({
            "kind": "Service",
            "metadata": { "name": format!("web-{number}") },
            "spec": { "ports": [{ "port": 80, "targetPort": 8080 }] },
        })
    };
    objects.create_many("Service", (0..services).map(service));
    let slices = (0..services).map(|number| {
        let mut addresses: Vec<_> = (1..endpoints)
            .map(|last| Endpoint::ready([10, 77, byte(number % 250), byte(last)]))
            .collect();
        addresses.push(Endpoint::ready(answers));
        slice(&format!("web-{number}"), &addresses)
    });
    objects.create_many("EndpointSlice", slices);
    let all = (0..ingresses).map(|number| {
        let host = format!("host-{number}.example");
        let service = format!("web-{}", number % services);
        let mut object = ingress(class, &format!("ingress-{number}"), &host, &service);
        if dialect == Dialect::Annotated {
            object["metadata"]["annotations"] = annotations(number);
        }
        if number < certificates {
            let secret = format!("cert-{number}");
            object["spec"]["tls"] = json!([{ "hosts": [host], "secretName": secret }]);
        }
        object
    });
    objects.create_many("Ingress", all);
}

fn a_large_cluster_is_ready_soon_and_small() {
    dialects().iter().for_each(|&dialect| check_large_cluster(dialect));
}

fn check_large_cluster(dialect: Dialect) {
    let size = size();
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = ControlPlane::start(Options::default());
    let installation = Installation::with(&control_plane, WEBHOOK);
    let (objects, class) = (&installation.objects, &installation.class);
    let authority = Authority::new();
    fill(objects, class, &size, dialect, &authority, network.address(1));

    let start = Instant::now();
    let flags = ["--update-status=false", TWO_CORES, &installation.webhook_flag()];
    let proxy = installation.start_unready("ringway-0", &flags);
    let started = start.elapsed();
    proxy.wait_for_readiness();
    let ready = start.elapsed();
    let memory = resident(&proxy);
    let Size { ingresses, certificates, services, endpoints } = size;
    let last = format!("host-{}.example", ingresses - 1);
    assert!(matches!(proxy.get(&last, "/").status(), 200 | 502 | 504));
    let name = format!("host-{}.example", certificates - 1);
    let client = Client::connect(proxy.https).handshake(&authority.trusting(&[]), &name);
    client.expect("the certificate of the last host that has one");
    // Figures for people: what is slow on a busy machine is no defect.
    eprintln!(
        "{ingresses} Ingresses ({dialect:?}), {certificates} certificates, {services} Services, \
         {} endpoints: \
         start line {started:.2?}, ready {ready:.2?}, resident {:.1} MiB",
        services * endpoints,
        memory / MIB,
    );
    change_one(objects, class, &proxy);
    ask_webhook(objects, class, &proxy);
    assert!(memory < MEMORY_MAX, "{:.1} MiB", memory / MIB);
}

/// From a change of one annotation, among all others, to its being in force on every core.
fn change_one(objects: &Objects, class: &str, proxy: &Proxy) {
    let mut object = ingress(class, "changing", "changing.example", "web-0");
    let mut took: Vec<Duration> = (0..20)
        .map(|number| {
            let root = format!("/{number}");
            object["metadata"]["annotations"] =
                json!({ "nginx.ingress.kubernetes.io/app-root": root });
            let start = Instant::now();
            objects.apply(object.clone());
            wait_for_every_core(proxy, "changing.example", |answer| {
                answer.field("location").is_some_and(|location| location.ends_with(&root))
            });
            start.elapsed()
        })
        .collect();
    took.sort();
    eprintln!("20 changes, API to every core: p50 {:.1?}, max {:.1?}", took[10], took[19]);
    objects.delete("Ingress", "changing");
}

/// 200 questions of the API server.
fn ask_webhook(objects: &Objects, class: &str, proxy: &Proxy) {
    wait_for_webhook(objects, class, proxy);
    let [reviews, quick] = ["+Inf", "0.02"].map(|bound| reviews_within(proxy, bound));
    for number in 0..200 {
        let (name, host) = (format!("asked-{number}"), format!("asked-{number}.example"));
        objects.dry_run(ingress(class, &name, &host, "web-0"));
    }
    let reviews = reviews_within(proxy, "+Inf") - reviews;
    let quick = reviews_within(proxy, "0.02") - quick;
    let mean = proxy.metric("ringway_admission_review_seconds_sum", &[])
        / proxy.metric("ringway_admission_review_seconds_count", &[]);
    eprintln!("{reviews} reviews, {quick} within 20 ms, mean {:.2} ms", mean * 1000.0);
    assert!(reviews >= 200.0);
}

/// From the request that creates an Ingress to the first 200 on every core, at `existing` routes.
fn latencies(installation: &Installation<'_>, proxy: &Proxy, count: usize) -> Vec<Duration> {
    let objects = &installation.objects;
    let mut found: Vec<Duration> = (0..count)
        .map(|number| {
            let (name, host) = (format!("new-{number}"), format!("new-{number}.example"));
            let start = Instant::now();
            objects.ingress(&installation.class, &name, &host, "web");
            wait_for_every_core(proxy, &host, |answer| answer.status() == 200);
            let took = start.elapsed();
            objects.delete("Ingress", &name);
            took
        })
        .collect();
    found.sort();
    found
}

/// The kernel spreads connections over the cores, so that one connection says little: asks on so
/// many at once that a core left out is as good as impossible, until all of a round agree.
fn wait_for_every_core(proxy: &Proxy, host: &str, is_it: impl Fn(&Message) -> bool) {
    const CONNECTIONS: usize = 12;
    let deadline = Instant::now() + crate::harness::DEADLINE;
    loop {
        let all = (0..CONNECTIONS).all(|_| is_it(&proxy.get(host, "/")));
        if all {
            return;
        }
        assert!(Instant::now() < deadline, "{host} is not served by every core");
        pause(Duration::from_micros(500));
    }
}

fn a_new_ingress_reaches_every_core_soon() {
    let (count, existing) = if crate::harness::is_full() { (200, 5_000) } else { (10, 200) };
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = ControlPlane::start(Options::default());
    let installation = Installation::with(&control_plane, WEBHOOK);
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    let flags = ["--update-status=false", TWO_CORES, &installation.webhook_flag()];
    let proxy = installation.start_unready("ringway-0", &flags);
    proxy.wait_for_readiness();
    wait_for_webhook(objects, class, &proxy);
    let report = |routes: usize, found: &[Duration]| {
        let at = |share: usize| found[(found.len() * share / 100).min(found.len() - 1)];
        eprintln!(
            "{count} creations at {routes} routes, API to every core: p50 {:.1?}, p99 {:.1?}, \
             max {:.1?}",
            at(50),
            at(99),
            at(100),
        );
    };
    report(0, &latencies(&installation, &proxy, count));
    let all = (0..existing).map(|number| {
        ingress(class, &format!("many-{number}"), &format!("many-{number}.example"), "web")
    });
    objects.create_many("Ingress", all);
    let last = format!("many-{}.example", existing - 1);
    wait_until("the last route", || proxy.get(&last, "/").status() == 200);
    report(existing, &latencies(&installation, &proxy, count));
}
