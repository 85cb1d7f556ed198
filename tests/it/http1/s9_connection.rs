//! RFC 9112 section 9: keep-alive, pipelining, close.

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Gate, Proxy, QUIET, manifest, pause};

for_each_driver!(
    connection_is_kept_and_upstream_reused,
    pipelined_requests_are_answered_in_order,
    pipelined_request_behind_content_is_cut_rightly,
    close_is_honoured_from_both_sides,
    request_behind_close_does_not_destroy_the_response,
    http_1_0_keep_alive_is_by_request_only,
    hop_by_hop_fields_stay_on_their_hop,
    continue_is_asked_for_and_relayed,
    continue_is_not_waited_for_for_ever,
    informational_responses_are_relayed_and_bounded,
    keep_alive_requests_bounds_a_connection,
    idle_connection_is_closed_silently,
);

fn start(driver: Driver, backend: &Backend) -> Proxy {
    Proxy::start(driver, manifest::one_host("a.example", backend.address()))
}

fn connection_is_kept_and_upstream_reused(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    for round in 0..50 {
        assert_eq!(client.get("a.example", &format!("/{round}")).status(), 200);
    }
    assert_eq!(backend.connection_count(), 1, "one keep-alive upstream connection is enough");
}

/// RFC 9112 9.3.2.
fn pipelined_requests_are_answered_in_order(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    let paths: Vec<String> = (0..200).map(|n| format!("/{n}")).collect();
    let requests = paths.iter().map(|p| format!("GET {p} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    client.send(requests.collect::<String>());
    for path in &paths {
        assert_eq!(client.response().json()["target"], path.as_str());
    }
    client.assert_quiet();
}

fn pipelined_request_behind_content_is_cut_rightly(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(
        "POST /1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello\
         POST /2 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    );
    for (target, body) in [("/1", "hello"), ("/2", "abc"), ("/3", "")] {
        let json = client.response().json();
        assert_eq!((&json["target"], &json["body"]), (&target.into(), &body.into()));
    }
}

/// RFC 9112 9.6.
fn close_is_honoured_from_both_sides(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    for value in ["close", "Close", "keep-alive, close"] {
        let mut client = proxy.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: {value}\r\n\r\n\
             GET /behind HTTP/1.1\r\nHost: a.example\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!(response.status(), 200, "{value}");
        assert_eq!(response.field("connection"), Some("close"), "{value}");
        client.assert_closed();
    }
    assert!(!backend.received_text().contains("/behind"));
    // An upstream that closes costs its own connection, not the client's.
    let mut client = proxy.client();
    assert_eq!(client.get("a.example", "/close").status(), 200);
    assert_eq!(client.get("a.example", "/next").status(), 200);
}

/// RFC 9112 9.6: a close over unread octets is a reset, and a reset overtakes what is on its way.
fn request_behind_close_does_not_destroy_the_response(driver: Driver) {
    const LENGTH: usize = 200_000;
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            connection.send(head + &"x".repeat(LENGTH))
        }
    });
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    backend.wait_for_text("/1");
    client.send("GET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    gate.open();
    backend.wait_for_ends(1);
    // The kernel has room for a part of the response only, so the rest meets the close.
    pause(QUIET);
    let response = client.response();
    assert_eq!((response.status(), response.body.len()), (200, LENGTH));
    client.assert_closed();
    assert!(!backend.received_text().contains("/2"));
}

fn http_1_0_keep_alive_is_by_request_only(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    let request = "GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n";
    client.send(request);
    let response = client.response();
    assert_eq!(response.status(), 200);
    if response.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("keep-alive")) {
        client.send(request);
        assert_eq!(client.response().status(), 200);
    } else {
        client.assert_closed();
    }
}

/// RFC 9110 7.6.1.
fn hop_by_hop_fields_stay_on_their_hop(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, X-Nominated\r\n\
         X-Nominated: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
         TE: trailers\r\n\
         Proxy: http://evil.example\r\nX-End-To-End: 1\r\n\r\n",
    );
    let response = client.response();
    assert_eq!(response.status(), 200);
    for name in ["x-nominated", "keep-alive", "proxy-connection", "proxy", "upgrade"] {
        assert_eq!(response.echoed_field(name), None, "{name} went on");
    }
    assert_eq!(response.echoed_field("x-end-to-end").as_deref(), Some("1"));

    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n\
         Content-Length: 0\r\nX-Kept: 1\r\n\r\n",
    );
    let proxy = start(driver, &backend);
    let response = proxy.get("a.example", "/");
    assert_eq!(response.field("x-mine"), None);
    assert_eq!(response.field("keep-alive"), None);
    assert_eq!(response.field("x-kept"), Some("1"));
}

/// RFC 9110 10.1.1.
fn continue_is_asked_for_and_relayed(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.response().status(), 100);
    client.send("hello");
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json()["body"], "hello");
    assert_eq!(client.get("a.example", "/next").status(), 200);
}

/// An upstream that knows no 100 gets the content all the same.
fn continue_is_not_waited_for_for_ever(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n\
         hello",
    );
    let mut response = client.response();
    if response.status() == 100 {
        response = client.response();
    }
    assert_eq!(response.status(), 200);
}

/// RFC 9110 15.2: relayed to HTTP/1.1, not to HTTP/1.0, never without end.
fn informational_responses_are_relayed_and_bounded(driver: Driver) {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let backend = Backend::fixed(format!("{early}{last}"));
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    let hints = client.get("a.example", "/");
    assert_eq!((hints.status(), hints.field("link")), (103, Some("</x>")));
    assert_eq!(client.response().text(), "ok");

    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().status(), 200, "1xx to HTTP/1.0");

    let backend = Backend::fixed(early.repeat(100) + last);
    let proxy = start(driver, &backend);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut count = 0;
    let end = loop {
        match client.try_response() {
            Ok(response) if response.status() == 103 => count += 1,
            Ok(response) => break Some(response.status()),
            Err(_) => break None,
        }
    };
    assert!(count <= 16, "{count} informational responses relayed");
    assert!(matches!(end, Some(502) | None), "ended with {end:?}");
}

fn keep_alive_requests_bounds_a_connection(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--keep-alive-requests", 3)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut client = proxy.client();
    for round in 1..=3 {
        let response = client.get("a.example", "/");
        let expected = (round == 3).then_some("close");
        assert_eq!(response.field("connection"), expected, "request {round}");
    }
    client.assert_closed();
}

/// No 408 to a client that sent nothing.
fn idle_connection_is_closed_silently(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--keep-alive-timeout", 0.3)
        .flag("--client-header-timeout", 0.3)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut used = proxy.client();
    assert_eq!(used.get("a.example", "/").status(), 200);
    used.assert_closed();
    let mut fresh = proxy.client();
    fresh.assert_closed();
}
