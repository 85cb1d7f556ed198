//! SIGTERM and its like: nothing that was accepted is lost. Other signals: nothing ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
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
    every_signal_that_ends_drains,
    signals_that_end_nothing_end_nothing,
    connections_that_were_made_are_served,
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
    wait_until("the listener to close", || TcpStream::connect(proxy.http).is_err());
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
    wait_until("the listener to close", || TcpStream::connect(proxy.http).is_err());
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
    wait_until("the listener to close", || TcpStream::connect(proxy.http).is_err());
    assert!(proxy.is_running(), "the exchange is not finished");
    proxy.signal("TERM");
    let (_, took) = proxy.wait_for_exit();
    assert!(took < Duration::from_secs(5), "took {took:?}");
    gate.open();
}

fn every_signal_that_ends_drains(driver: Driver) {
    for (first, second) in [("TERM", "QUIT"), ("INT", "TERM"), ("QUIT", "INT")] {
        let gate = Gate::new();
        let backend = gated_backend(&gate);
        let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let mut client = ask(&proxy, &backend);
        proxy.signal(first);
        wait_until("readiness off", || proxy.admin_get("/readyz").status() == 503);
        // None of these is a second signal that would end it.
        for harmless in ["HUP", "USR1", "USR2", "PIPE", "WINCH"] {
            proxy.signal(harmless);
        }
        proxy.wait_for_output("SIGHUP: ignored");
        gate.open();
        assert_eq!(client.response().text(), "late", "{first}");
        client.assert_closed();
        assert_eq!(proxy.wait_for_exit().0.code(), Some(0), "{first}");

        let gate = Gate::new();
        let backend = gated_backend(&gate);
        let mut proxy = Builder::new(driver)
            .flag("--drain-timeout", 60)
            .manifests(manifest::one_host("a.example", backend.address()))
            .start();
        let _client = ask(&proxy, &backend);
        proxy.signal(first);
        proxy.wait_for_output("draining");
        proxy.signal(second);
        let (_, took) = proxy.wait_for_exit();
        assert!(took < Duration::from_secs(10), "{first} {second}: took {took:?}");
        gate.open();
    }
}

fn signals_that_end_nothing_end_nothing(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = proxy.client();
    for _ in 0..20 {
        for name in ["HUP", "USR1", "USR2", "PIPE", "WINCH"] {
            proxy.signal(name);
            assert_eq!(client.get("a.example", "/").status(), 200, "{name}");
        }
    }
    proxy.wait_for_output("SIGHUP: all manifests are read again");
    proxy.wait_for_output("SIGUSR1: there is no access log");
    proxy.wait_for_output("SIGUSR2: ignored");
    assert_eq!(client.get("a.example", "/").status(), 200);
    assert!(proxy.is_running());
}

const CLOSING: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// Connects, asks and reads to the end until nobody takes connections any more. Counts answers, and
/// connections that were made and got none.
fn knock(address: SocketAddr, answered: &AtomicUsize, lost: &AtomicUsize) {
    loop {
        let mut streams = Vec::new();
        let mut is_refused = false;
        for _ in 0..16 {
            match TcpStream::connect(address) {
                Ok(mut stream) => {
                    let sent = stream.write_all(CLOSING);
                    streams.push((stream, sent.is_ok()));
                }
                Err(error) => {
                    is_refused = error.kind() == ErrorKind::ConnectionRefused;
                    break;
                }
            }
        }
        for (stream, is_sent) in streams {
            let mut stream = stream;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            let is_whole = is_sent && read.is_ok() && answer.starts_with(b"HTTP/1.1 200");
            (if is_whole { answered } else { lost }).fetch_add(1, Relaxed);
        }
        if is_refused {
            return;
        }
    }
}

/// Thousands a second, so that some wait to be accepted at any moment.
fn connections_that_were_made_are_served(driver: Driver) {
    for _ in 0..3 {
        let backend = Backend::fixed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let mut proxy = Builder::new(driver)
            .cores(2)
            .manifests(manifest::one_host("a.example", backend.address()))
            .start();
        let (answered, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| knock(proxy.http, &answered, &lost));
            }
            wait_until("a crowd", || answered.load(Relaxed) > 2_000);
            proxy.signal("TERM");
        });
        assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
        let (answered, lost) = (answered.into_inner(), lost.into_inner());
        assert_eq!(lost, 0, "beside {answered} that were answered");
    }
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
    assert!(took < Duration::from_secs(3), "took {took:?} with nothing to finish");
}
