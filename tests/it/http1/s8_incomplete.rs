//! RFC 9112 section 8: incomplete messages end as incomplete messages.

use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, Gate, Proxy, manifest};

for_each_driver!(
    incomplete_request_content_is_never_completed_upstream,
    short_response_breaks_the_client_connection,
    client_that_leaves_frees_the_upstream,
);

/// A client that goes away in the middle of its content: the upstream must see that, too.
fn incomplete_request_content_is_never_completed_upstream(driver: Driver) {
    for (framing, part) in [
        ("Content-Length: 100", "half".to_owned()),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n".to_owned()),
    ] {
        let backend = Backend::scripted(|mut connection| connection.read_to_end().map(drop));
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\n{framing}\r\n\r\n{part}"));
        backend.wait_for_text("half");
        client.reset();
        backend.wait_for_ends(1);
        let received = backend.received_text();
        assert!(!received.contains("\r\n0\r\n"), "ended cleanly: {received:?}");
    }
}

/// Whatever the framing, a client can tell that the response is not whole.
fn short_response_breaks_the_client_connection(driver: Driver) {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let part = if head.starts_with('C') { "hello" } else { "5\r\nhello\r\n" };
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{part}");
        let backend = Backend::scripted(move |mut connection| {
            connection.read_request()?;
            connection.send(&bytes)
        });
        let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let whole = client.try_response();
        let is_502 = whole.as_ref().is_ok_and(|response| response.status() == 502);
        assert!(whole.is_err() || is_502, "{head}: looked whole: {whole:?}");
    }
}

/// A waiting exchange ends when its client does.
fn client_that_leaves_frees_the_upstream(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            let rest = connection.read_to_end();
            gate.open();
            rest.map(drop)
        }
    });
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client: Client = proxy.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    backend.wait_for_text("/slow");
    client.reset();
    gate.wait();
    backend.wait_for_ends(1);
}
