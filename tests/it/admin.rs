//! The admin listener: health, readiness, metrics.

use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, Proxy, manifest, wait_until};

for_each_driver!(
    health_and_readiness_answer,
    requests_are_counted_by_ingress_service_and_status,
    connections_are_counted,
    metrics_are_valid_exposition,
    slow_clients_make_room,
);

fn start(driver: Driver) -> (Backend, Proxy) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    (backend, proxy)
}

fn health_and_readiness_answer(driver: Driver) {
    let (_backend, proxy) = start(driver);
    assert_eq!(proxy.admin_get("/healthz").status(), 200);
    assert_eq!(proxy.admin_get("/readyz").status(), 200);
    assert_eq!(proxy.admin_get("/unknown").status(), 404);
}

fn requests_are_counted_by_ingress_service_and_status(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    for _ in 0..7 {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    let labels = ["ingress=\"web\"", "service=\"web\"", "status=\"200\""];
    wait_until("seven counted requests", || {
        proxy.metric("ringway_requests_total", &labels).total_cmp(&7.0).is_eq()
    });
    let count = proxy.metric("ringway_request_duration_seconds_count", &labels[..1]);
    assert!(count >= 7.0, "histogram: {count}");
    assert!(proxy.metric("ringway_upstream_connects_total", &[]) >= 1.0);
    assert!(proxy.metric("ringway_upstream_reuses_total", &[]) >= 6.0);
}

fn connections_are_counted(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut clients: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    let is = |count: f64| proxy.metric("ringway_connections_open", &[]).total_cmp(&count).is_eq();
    wait_until("three open connections", || is(3.0));
    drop(clients);
    wait_until("no open connection", || is(0.0));
}

/// Every sample belongs to a described metric, and no name is described twice.
fn metrics_are_valid_exposition(driver: Driver) {
    let (_backend, proxy) = start(driver);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    let page = proxy.admin_get("/metrics").text();
    let mut described = std::collections::BTreeSet::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap_or_default();
            assert!(described.insert(name.to_owned()), "{name} twice");
        } else if !line.starts_with('#') && !line.is_empty() {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let is_described = described.iter().any(|metric| name.starts_with(metric.as_str()));
            assert!(is_described, "no TYPE for {line}");
            let value = line.rsplit(' ').next().unwrap_or_default();
            assert!(value.parse::<f64>().is_ok(), "no number in {line}");
        }
    }
    assert!(described.len() > 10, "{described:?}");
}

/// More than there are places; each has sent one octet of a request.
fn slow_clients_make_room(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let _slow: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = Client::connect(proxy.admin);
            client.send("G");
            client
        })
        .collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(proxy.admin_get(path).status(), 200, "{path}");
    }
    let name = "ringway_control_connections_put_off_total";
    assert!(proxy.metric(name, &["listener=\"admin\""]) >= 100.0);
}
