//! SIGTERM: nothing that was accepted is lost.

use std::time::{Duration, Instant};

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Client, Driver, Gate, Proxy, manifest, wait_until};

for_each_driver!(
    running_exchange_is_finished,
    idle_connections_are_closed_and_the_process_ends_with_0,
    connection_that_goes_idle_later_is_not_waited_for,
    readiness_goes_off_before_anything_is_refused,
    deadline_ends_what_does_not_finish,
    second_signal_ends_at_once,
    access_log_is_whole_and_holds_nothing_up,
);

fn gated_backend(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::scripted(move |mut connection| {
        connection.read_request()?;
        gate.wait();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
    })
}

fn ask(proxy: &Proxy, backend: &Backend) -> Client {
    let mut client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    backend.wait_for_text("/slow");
    client
}

fn running_exchange_is_finished(driver: Driver) {
    let gate = Gate::new();
    let backend = gated_backend(&gate);
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = ask(&proxy, &backend);
    proxy.signal("TERM");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.http).is_err());
    gate.open();
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (200, "late"));
    assert_eq!(response.field("connection"), Some("close"));
    client.assert_closed();
    let (status, _) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
}

fn idle_connections_are_closed_and_the_process_ends_with_0(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    proxy.signal("TERM");
    for client in &mut clients {
        client.assert_closed();
    }
    let (status, took) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "took {took:?} with nothing to finish");
}

/// The head went out before the signal and promised to keep the connection; nothing follows it.
fn connection_that_goes_idle_later_is_not_waited_for(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
            gate.wait();
            connection.send("after")
        }
    });
    let mut proxy = Builder::new(driver)
        .flag("--drain-timeout", 20)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = ask(&proxy, &backend);
    assert_eq!(client.response_head().field("connection"), None);
    assert_eq!(client.take(5), b"hello");
    proxy.signal("TERM");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.http).is_err());
    gate.open();
    let start = Instant::now();
    assert_eq!(client.take(5), b"after");
    let (status, _) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    client.assert_closed();
}

/// `--drain-delay`: load balancers see the readiness first; requests are still served.
fn readiness_goes_off_before_anything_is_refused(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Builder::new(driver)
        .flag("--drain-delay", 1.5)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    proxy.signal("TERM");
    wait_until("readiness off", || proxy.admin_get("/readyz").status() == 503);
    assert_eq!(proxy.get("a.example", "/").status(), 200, "new connections in the delay");
    let (status, _) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
}

fn deadline_ends_what_does_not_finish(driver: Driver) {
    let gate = Gate::new();
    let backend = gated_backend(&gate);
    let mut proxy = Builder::new(driver)
        .flag("--drain-timeout", 0.5)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = ask(&proxy, &backend);
    proxy.signal("TERM");
    let (_, took) = proxy.wait_for_exit();
    assert!(took < Duration::from_secs(5), "took {took:?}");
    assert!(client.try_response().is_err());
    gate.open();
}

fn second_signal_ends_at_once(driver: Driver) {
    let gate = Gate::new();
    let backend = gated_backend(&gate);
    let mut proxy = Builder::new(driver)
        .flag("--drain-timeout", 60)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let _client = ask(&proxy, &backend);
    proxy.signal("TERM");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.http).is_err());
    assert!(proxy.is_running(), "the exchange is not finished");
    proxy.signal("TERM");
    let (_, took) = proxy.wait_for_exit();
    assert!(took < Duration::from_secs(5), "took {took:?}");
    gate.open();
}

/// The writer ends with the last core; nobody waits for it in vain.
fn access_log_is_whole_and_holds_nothing_up(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Builder::new(driver)
        .cores(2)
        .flag("--access-log", "json")
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = proxy.client();
    client.send("GET /last-line HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    client.assert_closed();
    proxy.signal("TERM");
    let (status, took) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    proxy.wait_for_output("/last-line");
    let output = proxy.output();
    assert!(!output.contains("access log"), "{output}");
    assert!(took < Duration::from_secs(1), "took {took:?} with nothing to finish");
}
