//! SIGTERM and keep-alive bounds: GOAWAY first, and no request that was taken in is lost.

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Builder, Driver, Gate, Http2, Proxy, manifest, peer, wait_until};

for_each_driver!(
    running_streams_are_finished_behind_goaway,
    idle_connection_is_told_and_closed,
    no_request_of_h2load_fails,
    idle_connection_ends_at_the_keep_alive_timeout,
);

fn running_streams_are_finished_behind_goaway(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            gate.wait();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        }
    });
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    http2.send([get(1, "/one"), get(3, "/two")].concat());
    backend.wait_for_text("/one");
    backend.wait_for_text("/two");
    proxy.signal("TERM");
    http2.read_until(|http2| http2.goaway.is_some());
    let (code, last) = http2.goaway.expect("GOAWAY");
    assert_eq!(code, NO_ERROR);
    assert!(last >= 3, "{last}");
    wait_until("the listener to close", || std::net::TcpStream::connect(proxy.http).is_err());
    gate.open();
    for stream in [1, 3] {
        let answer = http2.answer(stream);
        assert_eq!((answer.status, &answer.body[..]), (200, &b"late"[..]));
    }
    assert_eq!(http2.end(), Some(NO_ERROR));
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
}

fn idle_connection_is_told_and_closed(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut used = Http2::connect(proxy.http);
    assert_eq!(used.get(1, "/").status, 200);
    let mut unused = Http2::connect(proxy.http);
    proxy.signal("TERM");
    assert_eq!(used.end(), Some(NO_ERROR));
    assert_eq!(unused.end(), Some(NO_ERROR));
    let (status, took) = proxy.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    assert!(took.as_secs() < 5, "took {took:?} with nothing to finish");
}

/// Requests that were answered are whole; those that came too late are told so by GOAWAY.
fn no_request_of_h2load_fails(driver: Driver) {
    let backend = Backend::echo("a");
    let mut proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let url = format!("http://{}/", proxy.http);
    let load = peer::start(
        "h2load",
        ["-n", "200000", "-c", "4", "-m", "8", "-T", "10", "-H", ":authority: a.example", &url],
        "",
    );
    wait_until("requests", || backend.request_count() > 200);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().0.code(), Some(0));
    let output = load.output();
    let line =
        output.text().lines().find(|line| line.starts_with("status codes:")).map(String::from);
    let line = line.unwrap_or_else(|| panic!("{}", output.text()));
    assert!(line.contains("0 3xx, 0 4xx, 0 5xx"), "{line}");
    let succeeded: usize = line.split(' ').nth(2).unwrap_or_default().parse().expect("a number");
    // Each request that reached the backend was answered to the client.
    assert_eq!(succeeded, backend.request_count(), "{}", output.text());
}

fn idle_connection_ends_at_the_keep_alive_timeout(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--keep-alive-timeout", 0.5)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut http2 = Http2::connect(proxy.http);
    assert_eq!(http2.get(1, "/").status, 200);
    // PING is no work: it does not put off the end.
    http2.sync();
    assert_eq!(http2.end(), Some(NO_ERROR));
}
