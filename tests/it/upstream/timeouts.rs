//! The upstream is slow.

use std::time::{Duration, Instant};

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate};

for_each_driver!(silent_upstream_is_504, timeout_in_the_body_breaks_the_transfer,);

fn silent_upstream_is_504(driver: Driver) {
    let backend = Backend::scripted(|mut connection| connection.read_to_end().map(drop));
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--proxy-read-timeout", 0.3).start();
    let mut client = proxy.client();
    let start = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().status(), 504);
    assert!(start.elapsed() >= Duration::from_millis(280), "{:?}", start.elapsed());
    assert!(proxy.metric("ringway_upstream_timeouts_total", &[]) >= 1.0);
}

/// The head was sent; only breaking off is honest. The time is between reads, not in all.
fn timeout_in_the_body_breaks_the_transfer(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
            gate.wait();
            Ok(())
        }
    });
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--proxy-read-timeout", 0.3).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_head().status(), 200);
    assert_eq!(client.read_until_close(), b"hello");
    gate.open();
}
