//! One endpoint of several hangs: it takes connections and requests and says nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate, Proxy, pause};

for_each_driver!(
    a_hung_endpoint_costs_no_request_and_gets_few,
    requests_that_may_not_be_repeated_meet_it_rarely,
    an_endpoint_that_keeps_some_clients_waiting_is_not_left_out,
);

fn hung() -> Backend {
    Backend::scripted(|mut connection| connection.read_to_end().map(drop))
}

/// Sends `count` requests, one every 5 ms, each on a connection of its own; gives how many got 200.
fn load(proxy: &Proxy, method: &str, count: usize) -> usize {
    let good = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..count {
            let good = &good;
            scope.spawn(move || {
                let mut client = proxy.client();
                client.send(format!(
                    "{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok"
                ));
                let is_good = client.try_response().is_ok_and(|response| response.status() == 200);
                good.fetch_add(usize::from(is_good), Ordering::SeqCst);
            });
            pause(Duration::from_millis(5));
        }
    });
    good.into_inner()
}

fn start(driver: Driver, first: &Backend) -> (Proxy, [Backend; 2]) {
    let others = [Backend::echo("b"), Backend::echo("c")];
    let addresses = [first.address(), others[0].address(), others[1].address()];
    let proxy = super::builder(driver, &addresses).flag("--proxy-read-timeout", 1).start();
    (proxy, others)
}

/// In turn it would get a third of them.
fn a_hung_endpoint_costs_no_request_and_gets_few(driver: Driver) {
    const COUNT: usize = 300;
    let hung = hung();
    let (proxy, _others) = start(driver, &hung);
    assert_eq!(load(&proxy, "GET", COUNT), COUNT);
    let asked = hung.connection_count();
    assert!((1..COUNT / 6).contains(&asked), "{asked} of {COUNT} requests went to it");
}

fn requests_that_may_not_be_repeated_meet_it_rarely(driver: Driver) {
    const COUNT: usize = 300;
    let hung = hung();
    let (proxy, _others) = start(driver, &hung);
    let good = load(&proxy, "POST", COUNT);
    assert!(good > COUNT - COUNT / 6, "{good} of {COUNT}");
    assert_eq!(COUNT - good, hung.connection_count(), "each of them once");
}

/// Long polling: who is silent towards one client answers another, and gets requests again.
fn an_endpoint_that_keeps_some_clients_waiting_is_not_left_out(driver: Driver) {
    let gate = Gate::new();
    let polled = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            loop {
                let request = connection.read_request()?;
                if request.target() == "/poll" {
                    gate.wait();
                }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
        }
    });
    let text = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let addresses = [polled.address(), Backend::closed_address()];
    let proxy = super::builder(driver, &addresses).start();
    let mut waiting = proxy.client();
    waiting.send(text("/poll"));
    polled.wait_for_text("GET /poll");
    // Long silent by now; the other one refuses, so that only a preference can be at work.
    pause(Duration::from_millis(300));
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    waiting.assert_quiet();
    gate.open();
    assert_eq!(waiting.response().status(), 200);
}
