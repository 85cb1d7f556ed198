//! The upstream breaks off in the middle of its response.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate};

for_each_driver!(
    client_sees_a_broken_transfer,
    reset_is_not_the_end_of_content_without_length,
    reset_before_any_byte_is_502,
);

/// No retry, no clean end, and the next request works.
fn client_sees_a_broken_transfer(driver: Driver) {
    for head in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let part = if head.starts_with('C') {
            "x".repeat(100_000)
        } else {
            format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000))
        };
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{part}");
        let backend = Backend::scripted(move |mut connection| {
            let request = connection.read_request()?;
            if request.target() == "/whole" {
                return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
            connection.send(&bytes)?;
            connection.reset()
        });
        let proxy = super::start(driver, &[&backend]);
        let mut client = proxy.client();
        client.send("GET /broken HTTP/1.1\r\nHost: a.example\r\n\r\n");
        // A reset may overtake the head itself; then the answer is a whole 502.
        let result = client.try_response();
        let is_honest = result.as_ref().map_or(true, |response| response.status() == 502);
        assert!(is_honest, "{head}: looked whole");
        let asked = backend.received_text().matches("GET /broken").count();
        assert_eq!(asked, 1, "{head}: a response that had begun was asked for again");
        assert_eq!(proxy.get("a.example", "/whole").status(), 200);
    }
}

/// RFC 9112 8: content that ends by the close has ended only if the connection was closed.
fn reset_is_not_the_end_of_content_without_length(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\n\r\nhello")?;
            gate.wait();
            connection.reset()
        }
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_head().field("transfer-encoding"), Some("chunked"));
    assert_eq!(client.take(10), b"5\r\nhello\r\n");
    gate.open();
    client.assert_closed();
}

/// On a fresh connection the request may have been processed: POST is not repeated.
fn reset_before_any_byte_is_502(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.reset()
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().status(), 502);
    assert_eq!(backend.received_text().matches("POST /").count(), 1, "POST was repeated");
}
