//! How long backends may take, and what another try makes good.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate, Ingress};

for_each_driver!(
    backends_get_the_time_and_the_tries_that_are_said,
    backends_are_asked_in_the_version_that_is_said,
);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Name and host, what the backend answers at first, annotations.
type Once = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Answers with this on its first connection, then ends that; well on all others.
fn first(answer: &'static str) -> Backend {
    Backend::scripted(move |mut connection| {
        loop {
            connection.read_request()?;
            if connection.index == 0 {
                return connection.send(answer);
            }
            connection.send(OK)?;
        }
    })
}

fn backends_get_the_time_and_the_tries_that_are_said(driver: Driver) {
    let gate = Gate::new();
    let silent = {
        let gate = gate.clone();
        Backend::scripted(move |mut connection| {
            connection.read_request()?;
            gate.wait();
            Ok(())
        })
    };
    let mut area = Area::new(driver).echoes(&["web"]).backend("silent", silent);
    area = area.ingress(
        &Ingress::simple("read", "read.example", "silent")
            .nginx("proxy-read-timeout", "1")
            .nginx("proxy-next-upstream-tries", "1"),
    );
    let once: [Once; 12] = [
        ("default", "", &[]),
        ("post", "", &[]),
        ("off", "", &[("proxy-next-upstream", "off")]),
        ("one", "", &[("proxy-next-upstream-tries", "1")]),
        ("timeout", "", &[("proxy-next-upstream", "timeout")]),
        ("careless", "", &[("proxy-next-upstream", "error non_idempotent")]),
        ("bad", "", &[("proxy-next-upstream", "error, http_503")]),
        ("busy", BUSY, &[("proxy-next-upstream", "http_503")]),
        ("busy-post", BUSY, &[("proxy-next-upstream", "error http_503")]),
        ("busy-default", BUSY, &[]),
        ("babble", "What?\r\n\r\n", &[("proxy-next-upstream", "invalid_header")]),
        ("babble-default", "What?\r\n\r\n", &[]),
    ];
    for (name, answer, annotations) in once {
        let host = format!("{name}.example");
        let ingress = Ingress::simple(name, &host, name);
        let say = |ingress: Ingress, (name, value): &(&str, &str)| ingress.nginx(name, value);
        let ingress = annotations.iter().fold(ingress, say);
        area = area.backend(name, first(answer)).ingress(&ingress);
    }
    let wrong = Ingress::simple("wrong", "wrong.example", "web").nginx("proxy-read-timeout", "0");
    let area = area.ingress(&wrong.nginx("proxy-connect-timeout", "5s")).start();
    area.told(&[
        "proxy-next-upstream: \"error, http_503\" cannot be used: \"error,\" is no condition",
        "proxy-read-timeout: \"0\" cannot be used: every request would fail by it.",
        "proxy-connect-timeout: \"5s\" cannot be used: it is no number",
    ]);
    area.check(&[
        row("read.example", "/", 504),
        row("read.example", "POST /", 504).body("text"),
        row("default.example", "/", 200),
        // The backend may have done it.
        row("post.example", "POST /", 502).body("text"),
        row("off.example", "/", 502),
        row("one.example", "/", 502),
        row("timeout.example", "/", 502),
        row("careless.example", "POST /", 200).body("text"),
        row("bad.example", "/", 200),
        row("busy.example", "/", 200),
        row("busy-post.example", "POST /", 503).body("text"),
        row("busy-default.example", "/", 503),
        row("babble.example", "/", 200),
        row("babble-default.example", "/", 502),
        row("wrong.example", "/", 200),
    ]);
    gate.open();
    for (name, asked) in [("default", 2), ("off", 1), ("one", 1), ("busy-post", 1)] {
        let seen = area.backend(name).received_text();
        assert_eq!(seen.matches(" HTTP/1.1\r\n").count(), asked, "{name}");
    }
}

fn backends_are_asked_in_the_version_that_is_said(driver: Driver) {
    let version = |name: &str, value: &str| {
        let host = format!("{name}.example");
        Ingress::simple(name, &host, "web").nginx("proxy-http-version", value)
    };
    let area = Area::new(driver)
        .echoes(&["web"])
        .ingress(&version("old", "1.0"))
        .ingress(&version("small", "1.0").nginx("proxy-body-size", "8"))
        .ingress(&version("new", "1.1"))
        .ingress(&version("bad", "2"))
        .start();
    area.told(&["proxy-http-version: \"2\" cannot be used: HTTP/1 has no such version."]);
    let old = |request: &str| row("old.example", request, 200).saw_field("connection", "close");
    area.check(&[
        old("/a?b=c").says("GET /a?b=c HTTP/1.0"),
        old("POST /").says("POST / HTTP/1.0").body("text").saw_body("text"),
        // What HTTP/1.0 has no place for.
        old("/").send("Connection", "upgrade").send("Upgrade", "websocket").saw_no("upgrade"),
        old("/").send("TE", "trailers").saw_no("te"),
        row("new.example", "/", 200).saw("/").saw_no("connection"),
        row("bad.example", "/", 200).saw("/"),
    ]);
    let post = |host: &str, pieces: &[&str]| {
        let mut client = area.proxy.client();
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(head);
        for piece in pieces {
            drop(client.send_if_open(format!("{:x}\r\n{piece}\r\n", piece.len())));
        }
        drop(client.send_if_open("0\r\n\r\n"));
        let response = client.response();
        // What was read as a whole ends nothing.
        if response.status() != 200 {
            client.assert_closed();
        }
        response
    };
    // Its length is told as soon as it is known.
    let response = post("old.example", &["text", " and more"]);
    assert_eq!(response.status(), 200);
    assert_eq!(response.json()["body"], "text and more");
    assert_eq!(response.echoed_fields("content-length"), ["13"]);
    assert!(response.echoed_fields("transfer-encoding").is_empty());
    let long = "x".repeat(30_000);
    assert_eq!(post("old.example", &[&long, &long]).status(), 200);
    assert_eq!(post("old.example", &[&long, &long, &long]).status(), 411);
    assert_eq!(post("small.example", &["123456789"]).status(), 413);
}
