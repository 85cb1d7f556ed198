//! What the admin listener answers: health, readiness, metrics; and what it refuses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::reading::Reading;
use super::*;
use crate::control::cluster::ClusterState;
use crate::control::seats::ControlRoom;
use crate::control::state::ControlState;
use crate::control::store::Store;
use crate::limits::{
    ADMIN_CONNECTIONS_PER_ADDRESS_MAX, ADMIN_HEAD_TIMEOUT, ADMIN_REQUEST_BYTES_MAX,
    ADMIN_SCRAPES_MAX, ADMIN_VIEWS_MAX, ADMIN_WAITING_PER_ADDRESS_MAX,
};
use crate::model::{
    HostLabel, Kind, NginxMetrics, ObjectRef, Problem, Severity, StatusLabels, UndefinedHosts,
    reason,
};
use crate::page::assert_current;
use crate::publish::{CoreState, channel};
use crate::table::TableVersion;
use crate::table::compile::SeriesLabels;
use crate::telemetry::samples::{attempt, labels, record, series};
use crate::telemetry::{Bounds, CoreTelemetry, Counter, ExchangeRecord, telemetry};

const NOW: u64 = 100_000_000_000;

/// Two cores at 100 s of the process clock, both at table 3 since 1 s, last turn 50 ms ago.
fn state() -> (AdminState, Vec<CoreTelemetry>) {
    let (shards, scrape) = telemetry(2, Bounds::default());
    let core = || {
        let core = CoreState::default();
        core.acknowledged.store(3, Relaxed);
        core.acknowledged_at.store(NOW - 1_000_000_000, Relaxed);
        core.heartbeat.store(NOW - 50_000_000, Relaxed);
        Arc::new(core)
    };
    let state = AdminState {
        cores: vec![core(), core()],
        scrape: Arc::new(Mutex::new(scrape)),
        control: control(),
        cluster: Some(ClusterState::default()),
        health_check_path: "/alive".into(),
        log_writer: Some(Arc::default()),
        nginx: None,
        health: HealthMeaning::Alive,
        spans: Arc::default(),
        now_nanos: || NOW,
        put_off: Arc::default(),
        room: ControlRoom::default(),
        explainers: channel(0).unwrap().0.explainers(),
        token: None,
        objects: tokio::sync::mpsc::channel(1).0,
    };
    (state, shards)
}

/// A table was published; two warnings and one error.
fn control() -> Arc<ControlState> {
    let problem = |severity| {
        Arc::new(Problem {
            object: None,
            position: None,
            field: String::new(),
            severity,
            reason: reason!("MoreProblems"),
            message: "something".into(),
            advice: String::new(),
        })
    };
    let control = Arc::new(ControlState::default());
    let problems = [Severity::Warning, Severity::Warning, Severity::Error].map(problem);
    control.update(problems.to_vec(), Vec::new(), Store::default().counts());
    control.published(TableVersion(3));
    control.beat(NOW - 500_000_000);
    control
}

#[track_caller]
fn check_reason(change: impl FnOnce(&mut AdminState), alive: Option<&str>, ready: Option<&str>) {
    let (mut state, _) = state();
    change(&mut state);
    assert_eq!(state.alive().err().as_deref(), alive);
    assert_eq!(state.ready().err().as_deref(), ready);
}

#[test]
fn health_and_readiness_say_what_is_wrong() {
    check_reason(|_| {}, None, None);
    check_reason(|state| state.control.begin_drain(), None, Some("draining"));
    check_reason(
        |state| {
            state.control = Arc::default();
            state.control.beat(NOW - 59_900_000_000);
        },
        None,
        Some("no complete table yet"),
    );
    check_reason(
        |state| state.control.beat(NOW - 60_100_000_000),
        Some("the control thread has not turned for 60.1 s"),
        None,
    );
    check_reason(
        |state| state.cores[1].acknowledged.store(0, Relaxed),
        None,
        Some("core 1 has no table yet"),
    );
    check_reason(
        |state| state.cores[1].heartbeat.store(NOW - 10_100_000_000, Relaxed),
        Some("core 1 has not turned for 10.1 s"),
        None,
    );
    check_reason(
        |state| {
            for core in &state.cores {
                core.heartbeat.store(0, Relaxed);
            }
        },
        Some("core 0 has not turned for 100.0 s; core 1 has not turned for 100.0 s"),
        None,
    );
    check_reason(|state| state.cores[0].heartbeat.store(NOW + 1, Relaxed), None, None);
}

#[test]
fn health_may_mean_readiness() {
    let (mut state, _) = state();
    assert!(state.healthy().is_ok());
    state.control.begin_drain();
    assert!(state.healthy().is_ok());
    state.health = HealthMeaning::Ready;
    assert_eq!(state.healthy(), Err("draining".to_owned()));
}

#[test]
fn a_known_state_gives_exactly_this_text() {
    let (state, shards) = state();
    state.scrape.lock().unwrap().series_added(series(0, 0), &labels("front", "cart"));
    let attempts = [attempt(8080, Some(200), 19, 3)];
    let routed =
        ExchangeRecord { series: Some(series(0, 0)), status: 200, attempts: &attempts, ..record() };
    shards[0].record(&routed);
    shards[1].record(&routed);
    shards[1].record(&record());
    shards[0].count(Counter::UpstreamConnects);
    shards[1].set_open_connections(5);
    state.control.apply_times.record(Duration::from_millis(4));
    let cluster = state.cluster.as_ref().expect("a cluster");
    cluster.source.update(Kind::Ingress, |kind| (kind.is_synced, kind.objects) = (true, 3));
    let text = Reading::take(&state).encode_text(None).expect("text");

    let expected = include_str!("known_state.openmetrics");
    let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for (number, (got, want)) in (1..).zip(text.lines().zip(expected.lines())) {
        assert_eq!(got, want, "line {number} of known_state.openmetrics");
    }
    assert_eq!(text.len(), expected.len());
}

/// Runs the real server on a free port while `client` talks to it; ends the server afterwards.
fn with_server(
    setup: impl FnOnce(&mut AdminState, &[CoreTelemetry]) + Send,
    client: impl FnOnce(SocketAddr),
) {
    let (bound, address) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
                let (mut state, shards) = state();
                setup(&mut state, &shards);
                bound.send(listener.local_addr().expect("address")).expect("test waits");
                let local = tokio::task::LocalSet::new();
                let callers = door::open(vec![listener], Arc::clone(&state.put_off), state.room);
                local.spawn_local(serve(callers.expect("a thread"), Arc::new(state)));
                drop(local.run_until(stopped).await);
            });
        });
        client(address.recv().expect("server"));
        drop(stop);
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    stream
}

/// Head and body; errors after the first byte count as the end, since the server may close early.
fn exchange(address: SocketAddr, request: &[u8]) -> (String, String) {
    let mut stream = connect(address);
    drop(stream.write_all(request));
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_ascii_lowercase(), body.to_owned())
}

#[track_caller]
fn check_page(address: SocketAddr, line: &str, status: &str, body_start: &str) {
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, body) = exchange(address, request.as_bytes());
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{line}: {head}");
    assert!(body.starts_with(body_start), "{line}: {body}");
    assert!(head.contains("connection: close"), "{line}: {head}");
}

#[test]
fn the_pages_are_there() {
    with_server(
        |_, _| {},
        |address| {
            check_page(address, "GET /", "200", "Ringway admin\n/  ");
            check_page(address, "GET /page.js", "200", "// The page");
            check_page(address, "GET /page.css", "200", ":root");
            check_page(address, "GET /page.svg", "200", "<svg");
            check_page(address, "GET /healthz", "200", "ok\n");
            check_page(address, "GET /alive", "200", "ok\n");
            check_page(address, "GET /readyz?verbose", "200", "ok\n");
            check_page(address, "GET /metrics", "200", "# HELP ringway_requests ");
            check_page(address, "GET /nothing", "404", "no such page");
            check_page(address, "GET /../etc/passwd", "404", "no such page");
            check_page(address, "POST /healthz", "405", "GET and HEAD only\n");
            check_page(address, "DELETE /metrics", "405", "GET and HEAD only\n");
        },
    );
}

#[test]
fn browsers_get_the_page_and_may_not_ask_other_hosts() {
    with_server(
        |_, _| {},
        |address| {
            let ask = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*;q=0.8\r\n\r\n";
            let (head, body) = exchange(address, ask);
            assert!(body.starts_with("<!doctype html>"), "{body}");
            assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
            let policy = "content-security-policy: default-src 'none'; script-src 'self'; ";
            assert!(head.contains(policy) && head.contains("vary: accept"), "{head}");
            // Nothing that the policy would forbid, and nothing of others.
            for forbidden in ["<style", "style=", " onclick", "<script>", "http://", "https://"] {
                assert!(!body.contains(forbidden), "{forbidden}: {body}");
            }
        },
    );
}

/// A site that has its name resolve to our address, seen by a browser within.
#[test]
fn a_public_name_is_shown_nothing_that_a_token_would_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    let token = TokenFile::new(path).unwrap();
    for (path, without_token, with_token) in [
        ("/healthz", 200, 200),
        ("/alive", 200, 200),
        ("/readyz", 200, 200),
        ("/metrics", 200, 200),
        ("/nginx_status", 200, 200),
        ("/page.js", 403, 200),
        ("/api/v1/overview", 403, 401),
        ("/api/v1/openapi.json", 403, 401),
        ("/api/v1/events", 403, 401),
        ("/api/v1/nothing", 403, 401),
        ("/explain?url=http://a.example/", 403, 401),
    ] {
        let ask = |token, host: &str| {
            let mut head = String::new();
            with_server(
                |state, _| state.token = token,
                |address| {
                    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                    head = exchange(address, request.as_bytes()).0;
                },
            );
            head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0)
        };
        assert_eq!(ask(None, "evil.example"), without_token, "{path}");
        assert_eq!(ask(Some(token.clone()), "evil.example"), with_token, "{path}");
    }
    with_server(
        |_, _| {},
        |address| {
            for host in ["127.0.0.1:9901", "localhost:9901", "admin.ringway.svc.cluster.local"] {
                let request = format!("GET /api/v1/overview HTTP/1.1\r\nHost: {host}\r\n\r\n");
                let (head, _) = exchange(address, request.as_bytes());
                assert!(head.starts_with("http/1.1 200 "), "{host}: {head}");
            }
        },
    );
}

#[test]
fn metrics_have_their_content_type_the_process_and_an_end() {
    with_server(
        |_, _| {},
        |address| {
            let (head, body) = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
            let field = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
            assert!(head.contains(field), "{head}");
            for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time"] {
                assert!(body.contains(&format!("\nprocess_{name}")), "{name}: {body}");
            }
            assert!(body.ends_with("# EOF\n"), "{body}");
        },
    );
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    with_server(
        |_, _| {},
        |address| {
            let (head, body) = exchange(address, b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(head.starts_with("http/1.1 200 "), "{head}");
            assert!(head.contains("content-length: 3"), "{head}");
            assert_eq!(body, "");
        },
    );
}

#[test]
fn an_unready_or_stuck_process_answers_503_in_words() {
    with_server(
        |state, _| {
            state.control.begin_drain();
            state.cores[0].heartbeat.store(0, Relaxed);
        },
        |address| {
            check_page(address, "GET /readyz", "503", "draining\n");
            check_page(address, "GET /healthz", "503", "core 0 has not turned for 100.0 s\n");
            check_page(address, "GET /metrics", "200", "# HELP");
        },
    );
}

#[test]
fn oversized_and_broken_requests_are_refused() {
    with_server(
        |_, _| {},
        |address| {
            let long = "a".repeat(2 * ADMIN_REQUEST_BYTES_MAX);
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n");
            let (head, _) = exchange(address, request.as_bytes());
            assert!(head.is_empty() || head.starts_with("http/1.1 431 "), "{head}");
            let many = "X: y\r\n".repeat(200);
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
            let (head, _) = exchange(address, request.as_bytes());
            assert!(head.is_empty() || head.starts_with("http/1.1 431 "), "{head}");
            let (head, _) = exchange(address, b"\x00\x01\x02\r\n\r\n");
            assert!(head.is_empty() || head.starts_with("http/1.1 400 "), "{head}");
            check_page(address, "GET /healthz", "200", "ok\n");
        },
    );
}

fn put_off(address: SocketAddr) -> f64 {
    let (_, page) = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let name = "ringway_control_connections_put_off_total{listener=\"admin\"} ";
    page.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).expect("the metric")
}

/// Each has sent something that is no whole head; none of them ends by itself for seconds.
#[test]
fn connections_that_ask_for_nothing_make_room() {
    with_server(
        |_, _| {},
        |address| {
            let begun = Instant::now();
            let mut silent = Vec::new();
            for round in 0..10 {
                for start in ["G", "GET /healthz HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n"] {
                    for _ in 0..14 {
                        let mut stream = connect(address);
                        stream.write_all(start.as_bytes()).expect("room");
                        silent.push(stream);
                    }
                }
                check_page(address, "GET /healthz", "200", "ok\n");
                assert!(round == 9 || begun.elapsed() < ADMIN_HEAD_TIMEOUT, "round {round}");
            }
            let least = 400 - ADMIN_WAITING_PER_ADDRESS_MAX;
            assert!(put_off(address) >= least as f64, "{}", put_off(address));
            // The oldest were closed; the youngest are as welcome as ever.
            assert_eq!(silent[0].read(&mut [0; 1]).unwrap_or_default(), 0);
            let mut last = silent.pop().expect("one");
            last.write_all(b"\r\n").expect("open");
            let mut bytes = Vec::new();
            drop(last.read_to_end(&mut bytes));
            assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
        },
    );
}

/// A thousand clients that send one octet and come back as soon as they are put off.
#[test]
fn a_crowd_that_comes_back_keeps_no_probe_from_its_answer() {
    use std::sync::atomic::AtomicBool;
    with_server(
        |_, _| {},
        |address| {
            let is_over = AtomicBool::new(false);
            let crowd = || {
                let mut streams: std::collections::VecDeque<TcpStream> = Default::default();
                while !is_over.load(Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    drop(stream.write_all(b"G"));
                    streams.push_back(stream);
                    if streams.len() > 250 {
                        streams.pop_front();
                    }
                }
            };
            std::thread::scope(|scope| {
                let crowds: Vec<_> = (0..4).map(|_| scope.spawn(crowd)).collect();
                let mut times = Vec::new();
                for _ in 0..50 {
                    let begun = Instant::now();
                    check_page(address, "GET /healthz", "200", "ok\n");
                    times.push(begun.elapsed());
                }
                is_over.store(true, Relaxed);
                drop(crowds);
                times.sort();
                // 100 ms where the machine is not busy with other tests.
                assert!(times[25] < Duration::from_secs(2), "{times:?}");
            });
        },
    );
}

/// Many more at a time than there are places.
#[test]
fn every_request_of_a_crowd_is_answered() {
    with_server(
        |_, _| {},
        |address| {
            let mut crowd: Vec<_> = (0..20 * ADMIN_CONNECTIONS_PER_ADDRESS_MAX)
                .map(|_| {
                    let mut stream = connect(address);
                    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("room");
                    stream
                })
                .collect();
            for (number, stream) in crowd.iter_mut().enumerate() {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{number}: {answer:?}");
            }
            assert!(put_off(address) < 1.0, "nobody had to go");
        },
    );
}

fn nginx_names(metrics: NginxMetrics) -> NginxNames {
    NginxNames {
        metrics,
        class: "k8s.io/ingress-nginx".into(),
        namespace: "ingress".into(),
        pod: "pod-1".into(),
        lease: "leader".into(),
    }
}

/// What is said by the names of ingress-nginx of two requests for an Ingress, and one for nobody's
/// host.
fn nginx_text(metrics: &NginxMetrics) -> String {
    let (mut state, _) = state();
    let (shards, scrape) = telemetry(1, Bounds::new(Some(metrics)));
    state.scrape = Arc::new(Mutex::new(scrape));
    let series_labels = SeriesLabels {
        host: "shop.example".into(),
        path: "/cart\"".into(),
        ..labels("front", "cart")
    };
    state.scrape.lock().unwrap().series_added(series(0, 0), &series_labels);
    let attempts = [attempt(8080, Some(200), 19, 8)];
    let routed =
        ExchangeRecord { series: Some(series(0, 0)), status: 200, attempts: &attempts, ..record() };
    shards[0].record(&routed);
    shards[0].record(&ExchangeRecord { method: b"POST", status: 503, attempts: &[], ..routed });
    shards[0].record(&record());
    shards[0].count(Counter::ConnectionsAccepted);
    shards[0].set_open_connections(1);
    let problem = |reason, name: &str| {
        let object = ObjectRef { kind: Kind::Ingress, namespace: "n".into(), name: name.into() };
        let (object, severity) = (Some(object), Severity::Warning);
        let (field, message, advice) = Default::default();
        Arc::new(Problem { object, position: None, field, severity, reason, message, advice })
    };
    let problems = vec![
        problem(reason!("ServiceMissing"), "b"),
        problem(reason!("ServiceMissing"), "b"),
        problem(reason!("NoEndpoints"), "a"),
        problem(reason!("PathConflict"), "c"),
    ];
    state.control.update(problems, Vec::new(), Store::default().counts());
    state.nginx = Some(nginx_names(metrics.clone()));
    let text = Reading::take(&state).encode_text(state.nginx.as_ref()).expect("text");
    assert!(text.contains("# TYPE ringway_requests_total counter\n"), "{text}");
    let lines = text.lines().filter(|line| line.contains("nginx_ingress_controller_"));
    let told = lines.fold(String::new(), |text, line| text + line + "\n");
    told.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_known_state_gives_exactly_this_text_by_the_names_of_ingress_nginx() {
    let text = nginx_text(&NginxMetrics::default());
    assert_current("src/control/admin/known_state_nginx.prom", &text);
}

#[test]
fn flags_say_what_is_told_by_the_names_of_ingress_nginx() {
    let metrics = NginxMetrics {
        host_label: HostLabel::LeftOut,
        undefined_hosts: UndefinedHosts::Counted,
        statuses: StatusLabels::Classes,
        times: [0.008, 20.0].into(),
        excluded: ["bytes_sent".to_owned(), "request_size".to_owned()].into(),
        ..NginxMetrics::default()
    };
    let text = nginx_text(&metrics);
    let row = |line: &str| text.lines().any(|found| found == line);
    let controller = "controller_class=\"k8s.io/ingress-nginx\",controller_namespace=\"ingress\",\
                      controller_pod=\"pod-1\"";
    let of = "canary=\"\",ingress=\"front\",method=\"GET\",namespace=\"shop\",\
              path=\"/cart\\\"\",service=\"cart\",status=\"2xx\"";
    assert!(row(&format!("nginx_ingress_controller_requests{{{of},{controller}}} 1")), "{text}");
    let duration = "nginx_ingress_controller_response_duration_seconds";
    for (le, count) in [("0.008", 1), ("20", 1), ("+Inf", 1)] {
        let line = format!("{duration}_bucket{{{of},{controller},le=\"{le}\"}} {count}");
        assert!(row(&line), "{text}");
    }
    let undefined = "canary=\"\",ingress=\"\",method=\"GET\",namespace=\"\",path=\"/\",\
                     service=\"\",status=\"4xx\"";
    assert!(row(&format!("nginx_ingress_controller_requests{{{undefined},{controller}}} 1")));
    for left_out in ["bytes_sent", "request_size", "host="] {
        assert!(!text.contains(left_out), "{left_out}: {text}");
    }
}

/// More rows, and a problem that is longer, than the buffers of a connection hold.
fn fill(state: &mut AdminState, shards: &[CoreTelemetry]) {
    let mut problem = (*state.control.snapshot().problems[0]).clone();
    problem.message = "x".repeat(16 << 20);
    state.control.update(vec![Arc::new(problem)], Vec::new(), Store::default().counts());
    let mut scrape = state.scrape.lock().unwrap();
    for number in 0..3_000 {
        let id = series(number, 0);
        scrape.series_added(id, &labels(&format!("ingress-{number}"), "service"));
        shards[0].record(&ExchangeRecord { series: Some(id), status: 200, ..record() });
    }
}

/// Begins to ask and reads no more than the first octet.
fn stuck(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("room");
    stream.read_exact(&mut [0; 1]).expect("an answer begins");
    stream
}

/// Readers that stop hold every place for a scrape or a list; one that wants one gets it.
#[test]
fn a_scrape_that_nobody_reads_makes_room_for_another() {
    for (path, most, end) in
        [("/metrics", ADMIN_SCRAPES_MAX, "# EOF\n"), ("/api/v1/problems", ADMIN_VIEWS_MAX, "}]}")]
    {
        with_server(fill, |address| {
            let mut stuck: Vec<_> = (0..=most).map(|_| stuck(address, path)).collect();
            check_page(address, "GET /healthz", "200", "ok\n");
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (head, body) = exchange(address, request.as_bytes());
            assert!(head.starts_with("http/1.1 200 ") && body.ends_with(end), "{path}: {head}");
            let mut cut = Vec::new();
            drop(stuck[0].read_to_end(&mut cut));
            assert!(!cut.ends_with(end.as_bytes()), "{path}: {} bytes", cut.len());
        });
    }
}

/// Two places for an address, one of them a reader that has stopped for longer.
#[test]
fn a_stream_of_events_makes_room_before_anybody_else() {
    let setup = |state: &mut AdminState, shards: &[CoreTelemetry]| {
        fill(state, shards);
        state.room = ControlRoom::new(32);
    };
    with_server(setup, |address| {
        let mut reader = stuck(address, "/metrics");
        let mut events = stuck(address, "/api/v1/events");
        // It is a stream as soon as something of its body came.
        let mut octets = [0; 512];
        let mut text = Vec::new();
        while !text.ends_with(b"retry: 1000\n\n\r\n") {
            let count = events.read(&mut octets[..1]).expect("the start of the stream");
            text.extend_from_slice(&octets[..count]);
        }
        check_page(address, "GET /healthz", "200", "ok\n");
        let mut rest = Vec::new();
        drop(events.read_to_end(&mut rest));
        let begun = String::from_utf8_lossy(&rest).matches("event: ").count();
        assert!(begun <= 2, "{begun} events: it was not put off");
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).expect("the rest");
        assert!(whole.ends_with(b"# EOF\n"), "{} bytes", whole.len());
    });
}
