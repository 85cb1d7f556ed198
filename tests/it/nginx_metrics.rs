//! Metrics by the names of ingress-nginx: what its dashboards and alerts ask for, after requests of
//! all kinds.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::annotations::{Area, Served};
use crate::for_each_driver;
use crate::harness::{Driver, Ingress, PathType, built, wait_until};

for_each_driver!(
    queries_of_dashboards_have_answers,
    pages_of_ingress_nginx_are_there,
    prometheus_reads_all_of_them,
);

fn served(driver: Driver) -> Served {
    let path = |name: &str, host: &str, path: &str| {
        Ingress::new(name).class(Some("nginx")).host(host).path(path, PathType::Prefix, "app")
    };
    let gone = path("gone", "gone.example", "/").nginx("permanent-redirect", "https://n.example");
    let canary = Ingress::new("canary")
        .class(Some("nginx"))
        .nginx("canary", "true")
        .nginx("canary-by-header", "x-new")
        .host("m.example")
        .path("/a", PathType::Prefix, "new");
    Area::new(driver)
        .echoes(&["app", "new"])
        .certificate("m-tls", &["m.example"])
        .ingress(
            &path("ing", "m.example", "/a")
                .tls(&["m.example"], "m-tls")
                .nginx("ssl-redirect", "false"),
        )
        .ingress(&canary)
        .ingress(&gone)
        .ingress(&path("wild", "*.w.example", "/"))
        .ingress(&Ingress::new("lost").class(Some("nginx")).host("lost.example").path(
            "/",
            PathType::Prefix,
            "nobody",
        ))
        .flag("--ingress-class", "nginx")
        .flag("--controller-class", "k8s.io/ingress-nginx")
        .flag("--election-id", "ingress-controller-leader")
        .start()
}

fn send(served: &Served) {
    let mut client = served.proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("m.example", "/a/b?c").status(), 200);
    }
    client.send("POST /a HTTP/1.1\r\nHost: m.example\r\nContent-Length: 200\r\n\r\n");
    client.send("x".repeat(200));
    assert_eq!(client.response().status(), 200);
    client.send("GET /a HTTP/1.1\r\nHost: m.example\r\nX-New: always\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    client.send("BREW /a HTTP/1.1\r\nHost: m.example\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    for (host, status) in
        [("gone.example", 301), ("x.w.example", 200), ("lost.example", 503), ("no.example", 404)]
    {
        assert_eq!(served.proxy.get(host, "/").status(), status, "{host}");
    }
}

/// Name, labels that a query picks, and what comes of it.
type Query = (&'static str, &'static [&'static str], f64);

const REQUESTS: &str = "nginx_ingress_controller_requests";

/// As they stand in the dashboards (`nginx.json`, `request-handling-performance.json`), in alerts
/// and in the analyses of Flagger and Argo Rollouts; rates are told by their counters.
const QUERIES: [Query; 19] = [
    (REQUESTS, &[], 9.0),
    (REQUESTS, &["controller_class=\"k8s.io/ingress-nginx\"", "controller_namespace="], 9.0),
    (REQUESTS, &["ingress=\"ing\"", "host=\"m.example\"", "path=\"/a\""], 6.0),
    (REQUESTS, &["ingress=\"ing\"", "status=\"200\"", "method=\"GET\"", "canary=\"\""], 3.0),
    (REQUESTS, &["method=\"POST\"", "service=\"app\"", "namespace=\"default\""], 1.0),
    (REQUESTS, &["method=\"other\""], 1.0),
    (REQUESTS, &["ingress=\"ing\"", "canary=\"default-new-80\""], 1.0),
    (REQUESTS, &["ingress=\"gone\"", "status=\"301\""], 1.0),
    (REQUESTS, &["ingress=\"wild\"", "host=\"*.w.example\""], 1.0),
    (REQUESTS, &["ingress=\"lost\"", "status=\"503\""], 1.0),
    ("nginx_ingress_controller_request_duration_seconds_count", &["ingress=\"ing\""], 6.0),
    ("nginx_ingress_controller_request_duration_seconds_bucket", &["le=\"+Inf\""], 9.0),
    ("nginx_ingress_controller_response_duration_seconds_count", &["status=\"200\""], 7.0),
    ("nginx_ingress_controller_connect_duration_seconds_count", &["status=\"200\""], 7.0),
    ("nginx_ingress_controller_header_duration_seconds_count", &["status=\"200\""], 7.0),
    ("nginx_ingress_controller_request_size_count", &["ingress=\"ing\""], 6.0),
    ("nginx_ingress_controller_response_size_bucket", &["le=\"100\"", "ingress=\"ing\""], 0.0),
    ("nginx_ingress_controller_bytes_sent_bucket", &["le=\"1e+06\"", "ingress=\"ing\""], 6.0),
    ("nginx_ingress_controller_config_last_reload_successful", &["controller_pod="], 1.0),
];

fn queries_of_dashboards_have_answers(driver: Driver) {
    let served = served(driver);
    send(&served);
    let proxy = &served.proxy;
    let is = |(name, labels, count): &Query| proxy.metric(name, labels).total_cmp(count).is_eq();
    wait_until("nine counted requests", || is(&QUERIES[0]));
    for query in &QUERIES {
        let (name, labels, count) = query;
        assert!(is(query), "{name} {labels:?}: {}, not {count}", proxy.metric(name, labels));
    }
    let sent = proxy.metric("nginx_ingress_controller_request_size_sum", &["method=\"POST\""]);
    assert!(sent > 250.0, "{sent}");
    let success = proxy.metric("nginx_ingress_controller_success", &[]);
    assert!(success >= 1.0, "{success}");
    let lost = ["ingress=\"lost\"", "type=\"no-service\""];
    assert!(proxy.metric("nginx_ingress_controller_orphan_ingress", &lost) >= 1.0);
    // A day from now.
    let soon = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
    let of_host = ["host=\"m.example\"", "secret_name=\"m-tls\""];
    let end = proxy.metric("nginx_ingress_controller_ssl_expire_time_seconds", &of_host);
    assert!(end > soon, "{end}");
    let info = ["host=\"m.example\"", "namespace=\"default\"", "public_key_algorithm=\"ECDSA\""];
    let info = proxy.metric("nginx_ingress_controller_ssl_certificate_info", &info);
    assert!(info.total_cmp(&1.0).is_eq(), "{info}");
    let accepted = ["state=\"accepted\""];
    let name = "nginx_ingress_controller_nginx_process_connections_total";
    assert!(proxy.metric(name, &accepted) >= 5.0);
    assert!(proxy.metric("nginx_ingress_controller_nginx_process_requests_total", &[]) >= 10.0);
    assert!(proxy.metric("ringway_requests_total", &["ingress=\"ing\""]).total_cmp(&6.0).is_eq());
    let page = proxy.admin_get("/metrics");
    assert_eq!(page.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let bounds = page.text();
    let bounds = bounds.lines().filter(|line| {
        line.starts_with("nginx_ingress_controller_request_duration_seconds_bucket")
            && line.contains("ingress=\"gone\"")
    });
    let bounds: Vec<&str> = bounds.filter_map(|line| line.split("le=\"").nth(1)).collect();
    let bounds: Vec<&str> = bounds.iter().filter_map(|rest| rest.split('"').next()).collect();
    let of_prometheus =
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
    assert_eq!(bounds, of_prometheus);
}

fn pages_of_ingress_nginx_are_there(driver: Driver) {
    let served = served(driver);
    assert_eq!(served.proxy.admin_get("/healthz").status(), 200);
    assert_eq!(served.proxy.admin_get("/is-dynamic-lb-initialized").status(), 200);
    let page = served.proxy.admin_get("/nginx_status");
    assert!(page.text().starts_with("Active connections: "), "{}", page.text());
}

/// What `promtool check metrics` finds: nothing in our names; those of ingress-nginx are as it has
/// them.
fn prometheus_reads_all_of_them(driver: Driver) {
    let served = served(driver);
    send(&served);
    let page = served.proxy.admin_get("/metrics");
    let mut command = Command::new(built("promlint"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promlint");
    child.stdin.take().expect("its input").write_all(page.text().as_bytes()).expect("written");
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).expect("text");
    let ours = found.lines().filter(|line| !line.starts_with("nginx_ingress_controller_"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
}
