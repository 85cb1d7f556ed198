//! When a request may be sent a second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::for_each_driver;
use crate::harness::{Backend, Driver};

for_each_driver!(post_on_a_reused_connection_is_not_repeated, tries_are_bounded);

/// Its bytes may have been processed; the client is told the truth.
fn post_on_a_reused_connection_is_not_repeated(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        connection.read_request().map(drop)
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/").status(), 200);
    client.send("POST /once HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().status(), 502);
    assert_eq!(backend.received_text().matches("POST /once").count(), 1);
}

/// Three tries in all, however many endpoints there are.
fn tries_are_bounded(driver: Driver) {
    let asked = Arc::new(AtomicUsize::new(0));
    let backends: Vec<_> = (0..6)
        .map(|_| {
            let asked = Arc::clone(&asked);
            Backend::scripted(move |mut connection| {
                connection.read_request()?;
                asked.fetch_add(1, Ordering::SeqCst);
                connection.reset()
            })
        })
        .collect();
    let proxy = super::start(driver, &backends.iter().collect::<Vec<_>>());
    assert_eq!(proxy.get("a.example", "/").status(), 502);
    let asked = asked.load(Ordering::SeqCst);
    assert!((1..=3).contains(&asked), "{asked} tries");
}
