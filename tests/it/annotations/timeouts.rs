//! How long backends may take, and what another try makes good.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::{Backend, Driver, Gate, Ingress};

for_each_driver!(backends_get_the_time_and_the_tries_that_are_said);

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
