//! curl, nghttp and h2load by prior knowledge.

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Message, Proxy, manifest, peer};

for_each_driver!(curl_gets_and_posts, nghttp_asks, h2load_loads);

fn start(driver: Driver, backend: &Backend) -> Proxy {
    Proxy::start(driver, manifest::one_host("a.example", backend.address()))
}

fn curl_gets_and_posts(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = start(driver, &backend);
    let curl = |more: &[&str]| {
        let all = [&["--http2-prior-knowledge", "-i"], more, &["http://a.example/x?y"]].concat();
        let output = peer::curl(proxy.http, &all);
        output.assert_success();
        output.assert_says("HTTP/2 200");
        let text = output.text();
        let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        Message { body: body.into(), ..Message::default() }
    };
    let got = curl(&[]);
    assert_eq!(got.json()["target"], "/x?y");
    assert_eq!(got.echoed_field("host").as_deref(), Some("a.example"));
    assert_eq!(curl(&["-d", "hello"]).json()["body"], "hello");
    assert_eq!(curl(&["-X", "PUT", "-d", "hello"]).json()["method"], "PUT");
    assert_eq!(curl(&["-b", "a=1; b=2"]).echoed_field("cookie").as_deref(), Some("a=1; b=2"));
}

/// nghttp is strict about what nghttp2 checks, and sends PRIORITY.
fn nghttp_asks(driver: Driver) {
    let backend = Backend::scripted(|mut connection| {
        loop {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n")?;
            connection.send("5\r\nhello\r\n0\r\nX-Trailer: end\r\n\r\n")?;
        }
    });
    let proxy = start(driver, &backend);
    let url = |path: &str| format!("http://{}/{path}", proxy.http);
    let urls = [url("1"), url("2")];
    let fields = ["-H", ":authority: a.example", "-H", "te: trailers"];
    let args = [&["-v"], &fields[..], &[&urls[0], &urls[1]]].concat();
    let output = peer::run("nghttp", args, "");
    output.assert_success();
    let text = output.text();
    assert_eq!(text.matches(":status: 200").count(), 2, "{text}");
    assert_eq!(text.matches("x-trailer: end").count(), 2, "{text}");
    assert!(text.contains("hello") && text.contains("x-a: b"), "{text}");
    assert!(!text.contains("error_code=PROTOCOL_ERROR"), "{text}");
}

fn h2load_loads(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let url = format!("http://{}/", proxy.http);
    let more = ["-H", ":authority: a.example", &url];
    let output =
        peer::run("h2load", [&["-n", "2000", "-c", "8", "-m", "16"], &more[..]].concat(), "");
    output.assert_success();
    output.assert_says("2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored");
    assert_eq!(backend.request_count(), 2000);
}
