//! The upstream answers before it has read the request.

use crate::for_each_driver;
use crate::harness::{Backend, Driver};

for_each_driver!(
    early_response_is_delivered,
    half_closed_upstream_still_answers,
    connection_with_unread_content_is_not_reused,
    response_begun_within_content_is_relayed_to_its_end,
);

/// Delivered whole although most of the content was never taken.
fn early_response_is_delivered(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope";
        connection.send(answer)?;
        connection.finish_sending()
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 900000\r\n\r\nbegin");
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (403, "nope"));
    // Its content was never sent, so nothing behind it can be told apart: the connection ends.
    client.assert_closed();
}

fn half_closed_upstream_still_answers(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.0 200 OK\r\n\r\nto the end")?;
        connection.finish_sending()?;
        connection.read_to_end().map(drop)
    });
    let proxy = super::start(driver, &[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/").text(), "to the end");
    assert_eq!(client.get("a.example", "/").text(), "to the end");
}

/// Neither side of an exchange whose content was cut serves another one.
fn connection_with_unread_content_is_not_reused(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")?;
        connection.read_to_end().map(drop)
    });
    let proxy = super::start(driver, &[&backend]);
    for round in 1..=3 {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 900000\r\n\r\nbegin");
        assert_eq!(client.response().status(), 401);
        drop(client);
        backend.wait_for_ends(round);
    }
    assert_eq!(backend.connection_count(), 3);
}

/// RFC 9110 10.1.1: the upstream knows no `Expect`, so the 100 is ours; the client was told to send
/// and the response that comes in between ends neither direction.
fn response_begun_within_content_is_relayed_to_its_end(driver: Driver) {
    const HALF: usize = 100_000;
    let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let backend = Backend::scripted(move |mut connection| {
        loop {
            connection.read_head()?;
            connection.read_exact(HALF)?;
            connection.send(begin)?;
            connection.read_exact(HALF)?;
            connection.send("6\r\n world\r\n0\r\n\r\n")?;
        }
    });
    let proxy = super::start(driver, &[&backend]);
    let half = "x".repeat(HALF);
    for is_in_halves in [false, true] {
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n",
            2 * HALF
        ));
        assert_eq!(client.response().status(), 100);
        client.send(&half);
        if is_in_halves {
            assert_eq!(client.response_head().status(), 200);
            assert_eq!(client.take(10), b"5\r\nhello\r\n");
            client.send(&half);
            assert_eq!(client.take(16), b"6\r\n world\r\n0\r\n\r\n");
        } else {
            client.send(&half);
            let response = client.response();
            assert_eq!((response.status(), response.text().as_str()), (200, "hello world"));
        }
        client.assert_closed();
    }
}
