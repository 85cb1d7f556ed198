//! Requests that two servers may cut differently. The page of defences is in SECURITY.md.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, cases, manifest};

for_each_driver!(table, surplus_response_bytes_reach_nobody, unasked_bytes_end_a_pooled_connection);

fn table(driver: Driver) {
    cases::run(driver, include_str!("cases/smuggling.txt"));
}

/// RFC 9112 9.2: bytes behind a response are not the answer to the next request.
fn surplus_response_bytes_reach_nobody(driver: Driver) {
    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
         HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    );
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("a.example", "/").text(), "ok");
    }
    assert_eq!(backend.connection_count(), 5, "a poisoned connection was used again");
}

/// The same when they come later, while the connection is idle in the pool.
fn unasked_bytes_end_a_pooled_connection(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")?;
        connection.read_to_end().map(drop)
    });
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("a.example", "/").text(), "ok");
        client.assert_quiet();
    }
}
