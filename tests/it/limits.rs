//! Slow and greedy clients. Bounds of a head are in `cases/s3_request_line.txt` and
//! `cases/s5_fields.txt`.

use std::time::Duration;

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Client, Driver, Proxy, holds_within, manifest, wait_until};

for_each_driver!(
    slow_head_is_408_whatever_trickles,
    slow_content_is_408,
    content_above_the_limit_is_413,
    chunked_content_above_the_limit_is_413,
    slow_reader_holds_back_the_upstream,
    connections_above_the_limit_are_turned_away,
    lack_of_descriptors_is_survived,
    slow_heads_cost_little_memory_and_give_it_back,
    what_a_burst_took_goes_back_to_the_system,
);

fn builder(driver: Driver, backend: &Backend) -> Builder {
    Builder::new(driver).manifests(manifest::one_host("a.example", backend.address()))
}

/// One deadline from the first byte of a head to its last; trickling does not move it.
fn slow_head_is_408_whatever_trickles(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-header-timeout", 0.5).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nX: ");
    let is_refused = holds_within(Duration::from_secs(10), || {
        client.send_if_open("a").is_err() || matches!(peek(&mut client), Some(408))
    });
    assert!(is_refused, "a trickling head was never refused");
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    assert!(proxy.metric("ringway_client_timeouts_total", &[]) >= 1.0);
}

/// Status of a response that has arrived already.
fn peek(client: &mut Client) -> Option<u16> {
    use std::io::Read as _;
    let mut socket = client.sender();
    socket.set_nonblocking(true).expect("nonblocking");
    let mut bytes = [0; 4096];
    let result = socket.read(&mut bytes);
    socket.set_nonblocking(false).expect("blocking");
    let text = String::from_utf8_lossy(&bytes[..result.ok()?]).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}

fn slow_content_is_408(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-body-timeout", 0.3).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.response().status(), 408);
    client.assert_closed();
    assert_eq!(backend.request_count(), 0);
}

fn content_above_the_limit_is_413(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-max-body-size", 1000).start();
    let mut client = proxy.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\n{}",
        "x".repeat(1000)
    ));
    assert_eq!(client.response().status(), 200);
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1001\r\n\r\n");
    assert_eq!(client.response().status(), 413);
    client.assert_closed();
    assert_eq!(backend.request_count(), 1, "refused before a byte went upstream");
}

fn chunked_content_above_the_limit_is_413(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--client-max-body-size", 1000).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 {
        drop(client.send_if_open(format!("190\r\n{}\r\n", "x".repeat(400))));
    }
    assert_eq!(client.response().status(), 413);
    client.assert_closed();
    assert_eq!(backend.request_count(), 0, "never a whole request upstream");
}

/// Back-pressure: what the client does not read, the upstream cannot send.
fn slow_reader_holds_back_the_upstream(driver: Driver) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    const TOTAL: usize = 256 * 1024 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted({
        let sent = Arc::clone(&sent);
        move |mut connection| {
            connection.read_request()?;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"))?;
            let piece = vec![b'x'; 64 * 1024];
            for _ in 0..TOTAL / piece.len() {
                connection.send(&piece)?;
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let proxy = builder(driver, &backend).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_head().status(), 200);
    let mut last = 0;
    wait_until("the upstream to be held back", || {
        let now = sent.load(Ordering::SeqCst);
        now > 0
            && now == std::mem::replace(&mut last, now)
            && !holds_within(Duration::from_millis(500), || sent.load(Ordering::SeqCst) != now)
    });
    assert!(last < TOTAL / 2, "{last} bytes taken for a client that reads nothing");
    client.take(last + 1024 * 1024);
}

fn connections_above_the_limit_are_turned_away(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--max-connections", 8).start();
    let mut clients: Vec<Client> = (0..8).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    let mut ninth = proxy.client();
    drop(ninth.send_if_open("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    let refusal = ninth.try_response();
    let is_refused = refusal.as_ref().map_or(true, |response| response.status() == 503);
    assert!(is_refused, "{refusal:?}");
    assert!(proxy.metric("ringway_connections_refused_total", &[]) >= 1.0);
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200, "the others live on");
    }
    drop(clients);
    wait_until("room for a new connection", || is_served(&proxy));
}

/// EMFILE: who is connected is served, who comes waits in the kernel's queue.
fn lack_of_descriptors_is_survived(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).start();
    let mut before = proxy.client();
    assert_eq!(before.get("a.example", "/").status(), 200);
    proxy.spare_descriptors(Some(4));
    let mut clients: Vec<Client> = (0..32).map(|_| proxy.client()).collect();
    let last = clients.last_mut().expect("a client");
    last.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    last.assert_quiet();
    assert_eq!(before.get("a.example", "/").status(), 200);
    proxy.spare_descriptors(None);
    assert_eq!(last.response().status(), 200, "whoever waited is served");
    assert!(proxy.metric("ringway_accepts_exhausted_total", &[]) >= 1.0);
    drop(clients);
    assert_eq!(proxy.get("a.example", "/").status(), 200);
}

fn is_served(proxy: &Proxy) -> bool {
    let mut client = proxy.client();
    drop(client.send_if_open("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    client.try_response().is_ok_and(|response| response.status() == 200)
}

const SLOW_HEAD: &str = "GET /slow HTTP/1.1\r\nHost: a.example\r\nUser-Agent: slow";

/// Resident memory once it stopped moving.
fn settled(proxy: &Proxy) -> usize {
    let mut last = 0;
    holds_within(Duration::from_secs(5), || {
        let now = proxy.resident_bytes();
        let is_settled = std::mem::replace(&mut last, now) == now;
        is_settled && !holds_within(Duration::from_millis(300), || proxy.resident_bytes() != now)
    });
    last
}

fn wait_for_connections(proxy: &Proxy, count: usize) {
    let count = f64::from(u32::try_from(count).expect("few"));
    wait_until("the connections", || {
        proxy.metric("ringway_connections_open", &[]).total_cmp(&count).is_eq()
    });
}

/// A connection whose head is under way holds what came of it, and neither a buffer nor a request.
fn slow_heads_cost_little_memory_and_give_it_back(driver: Driver) {
    const COUNT: usize = 2_000;
    let backend = Backend::echo("a");
    let proxy = builder(driver, &backend).flag("--max-connections", COUNT + 200).start();
    drop((0..100).map(|_| proxy.client()).collect::<Vec<_>>());
    wait_for_connections(&proxy, 0);
    let before = settled(&proxy);
    let mut clients: Vec<Client> = (0..COUNT).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(SLOW_HEAD);
    }
    wait_for_connections(&proxy, COUNT);
    let each = settled(&proxy).saturating_sub(before) / COUNT;
    assert!(each < 6_000, "{each} bytes each");
    for client in clients.iter_mut().take(10) {
        client.send("\r\n\r\n");
        assert_eq!(client.response().json()["target"], "/slow");
    }
    drop(clients);
    wait_for_connections(&proxy, 0);
    let is_back = || proxy.resident_bytes() < before + COUNT * 1_000;
    let came_back = holds_within(Duration::from_secs(60), is_back);
    assert!(came_back, "{before} before, {} after", proxy.resident_bytes());
}

/// Buffers, places and scratches of many requests at a time.
fn what_a_burst_took_goes_back_to_the_system(driver: Driver) {
    const COUNT: usize = 600;
    let gate = crate::harness::Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        }
    });
    let proxy = builder(driver, &backend).flag("--max-connections", 2 * COUNT).start();
    let before = settled(&proxy);
    let mut clients: Vec<Client> = (0..COUNT).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    }
    wait_until("all requests", || backend.connection_count() == COUNT);
    let busy = settled(&proxy);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    drop(clients);
    assert!(busy > before + COUNT * 8 * 1024, "{before}, {busy}: nothing to give back");
    let is_back = || proxy.resident_bytes() < before + (busy - before) / 3;
    let came_back = holds_within(Duration::from_secs(60), is_back);
    assert!(came_back, "{before} before, {busy} busy, {} after", proxy.resident_bytes());
}
