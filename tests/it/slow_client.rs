//! Clients that do not read: what their time is, and how a response to them ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::for_each_driver;
use crate::harness::backend::Connection;
use crate::harness::{Backend, Builder, Driver, holds_within, manifest, wait_until};

for_each_driver!(
    sending_does_not_put_off_the_end_of_a_client_that_does_not_read,
    response_given_up_has_no_clean_end,
);

const PIECE: usize = 64 * 1024;

fn builder(driver: Driver, backend: &Backend) -> Builder {
    Builder::new(driver).manifests(manifest::one_host("a.example", backend.address()))
}

/// Chunks until the connection breaks; `sent` counts them.
fn send_without_end(mut connection: Connection, sent: &AtomicUsize) -> io::Result<()> {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let chunk = format!("{PIECE:x}\r\n{}\r\n", "x".repeat(PIECE));
    loop {
        connection.send(&chunk)?;
        sent.fetch_add(1, Ordering::SeqCst);
    }
}

/// `--client-send-timeout` goes on while octets of the request still arrive.
fn sending_does_not_put_off_the_end_of_a_client_that_does_not_read(driver: Driver) {
    let sent = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted({
        let sent = Arc::clone(&sent);
        move |mut connection| {
            connection.read_head()?;
            send_without_end(connection, &sent)
        }
    });
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nab");
    let mut last = 0;
    wait_until("the upstream to be held back", || {
        let now = sent.load(Ordering::SeqCst);
        now > 0
            && now == std::mem::replace(&mut last, now)
            && !holds_within(Duration::from_millis(200), || sent.load(Ordering::SeqCst) != now)
    });
    client.send("cdefghij");
    let start = Instant::now();
    backend.wait_for_ends(1);
    assert!(start.elapsed() < Duration::from_secs(8), "took {:?}", start.elapsed());
}

/// To HTTP/1.0 the close is the end of the content: one that came too early must be a reset.
fn response_given_up_has_no_clean_end(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        send_without_end(connection, &AtomicUsize::new(0))
    });
    let proxy = builder(driver, &backend).flag("--client-send-timeout", 1).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    backend.wait_for_ends(1);
    let end = client.try_response().map(|response| response.body.len());
    let error = end.expect_err("octets that looked like the whole");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}
