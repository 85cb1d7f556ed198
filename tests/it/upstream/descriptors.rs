//! File descriptors are few: idle upstream connections give way, and what is refused is counted.

use std::process::Command;

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    as_many_clients_as_are_admitted_are_served,
    idle_connections_give_way_to_new_ones,
    requests_that_find_none_wait_and_are_refused_as_such,
);

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// The binary with so many descriptors to open.
fn limited(descriptors: u32) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_ringway")]);
    command
}

/// Endpoints enough that each client leaves idle connections behind wherever it was.
fn as_many_clients_as_are_admitted_are_served(driver: Driver) {
    for (descriptors, clients) in [(64, 12), (256, 90), (400, 150)] {
        let backends = [Backend::echo("a"), Backend::echo("b"), Backend::echo("c")];
        let addresses = backends.each_ref().map(Backend::address);
        let proxy = super::builder(driver, &addresses).start_by(limited(descriptors));
        let mut clients: Vec<Client> = (0..clients).map(|_| proxy.client()).collect();
        for round in 0..4 {
            for client in &mut clients {
                client.send(GET);
            }
            for client in &mut clients {
                assert_eq!(client.response().status(), 200, "{descriptors}, round {round}");
            }
        }
        drop(clients);
        wait_until("the clients to be gone", || {
            proxy.metric("ringway_connections_open", &[]).total_cmp(&0.0).is_eq()
        });
        assert_eq!(proxy.metric("ringway_upstream_exhausted_total", &[]), 0.0, "{descriptors}");
    }
}

fn two_hosts(idle: &Backend, wanted: &Backend) -> String {
    let host = |name: &str| Ingress::simple(name, &format!("{name}.example"), name).yaml();
    manifest::backend("a", &[idle.address()])
        + &host("a")
        + &manifest::backend("b", &[wanted.address()])
        + &host("b")
}

/// Sends one request to `host` on each of `count` connections at a time.
#[track_caller]
fn ask(proxy: &Proxy, host: &str, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    clients
}

fn idle_connections_give_way_to_new_ones(driver: Driver) {
    let (idle, wanted) = (Backend::echo("a"), Backend::echo("b"));
    let proxy = Proxy::start(driver, two_hosts(&idle, &wanted));
    let mut clients = ask(&proxy, "a.example", 8);
    let _fillers = proxy.fill_descriptors();
    proxy.spare_descriptors(Some(0));
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: b.example\r\nContent-Length: 2\r\n\r\nok");
    }
    for client in &mut clients {
        assert_eq!(client.response().backend(), "b");
    }
    proxy.spare_descriptors(None);
    assert!(proxy.metric("ringway_upstream_evictions_total", &[]) >= 1.0);
    assert_eq!(proxy.metric("ringway_upstream_exhausted_total", &[]), 0.0);
}

fn requests_that_find_none_wait_and_are_refused_as_such(driver: Driver) {
    let (idle, wanted) = (Backend::echo("a"), Backend::echo("b"));
    let proxy =
        Builder::new(driver).flag("--pool-total", 0).manifests(two_hosts(&idle, &wanted)).start();
    let mut clients = ask(&proxy, "a.example", 2);
    idle.wait_for_ends(2);
    proxy.spare_descriptors(Some(0));
    clients[0].send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    let refused = clients[0].response();
    assert_eq!((refused.status(), refused.field("retry-after")), (503, Some("1")));
    clients[1].send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    proxy.spare_descriptors(None);
    assert_eq!(clients[1].response().status(), 200, "it waited");
    assert_eq!(proxy.metric("ringway_upstream_exhausted_total", &[]), 1.0);
    assert_eq!(clients[0].get("b.example", "/").status(), 200);
}
