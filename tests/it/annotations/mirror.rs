//! `mirror-target`, `mirror-host`, `mirror-request-body`.

use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Driver, Ingress, wait_until};

for_each_driver!(copies_go_where_they_are_to_and_nobody_waits_for_them);

/// An Ingress of the host `NAME.example` with these annotations.
fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).host(&format!("{name}.example")).path("/", Prefix, "web");
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value))
}

fn copies_go_where_they_are_to_and_nobody_waits_for_them(driver: Driver) {
    let shadow = Backend::echo("shadow");
    let hangs = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.read_to_end().map(drop)
    });
    let to = |address, rest: &str| format!("http://{address}{rest}");
    let all = to(shadow.address(), "$request_uri");
    let area = Area::new(driver).echoes(&["web"]);
    let area = [
        ingress("all", &[("mirror-target", &all)]).nginx("proxy-body-size", "300k"),
        ingress("own", &[("mirror-target", &to(shadow.address(), ""))])
            .nginx("mirror-host", "copy.example:8080"),
        ingress("text", &[("mirror-target", &to(shadow.address(), "/log?of=$host"))])
            .nginx("mirror-host", "$host"),
        ingress("off", &[("mirror-target", &all), ("mirror-request-body", "off")]),
        ingress("hangs", &[("mirror-target", &to(hangs.address(), "/"))]),
        ingress("dead", &[("mirror-target", &to(Backend::closed_address(), "/"))]),
        ingress("bad", &[("mirror-target", "http://$host/"), ("mirror-request-body", "no")])
            .nginx("mirror-host", "a b"),
        ingress("evil", &[("mirror-target", "http://a/;}")]),
    ]
    .iter()
    .fold(area, Area::ingress)
    .start();
    area.told(&[
        "\"http://$host/\" cannot be used: a variable in the host is not supported.",
        "\"http://a/;}\" cannot be used: it may not have ';'.",
        "\"no\" cannot be used: it is neither on nor off.",
        "\"a b\" cannot be used: it may not have ' '.",
    ]);
    let long = "x".repeat(200_000);
    area.check(&[
        row("all.example", "/a/x?y=1", 200).from("web").saw("/a/x?y=1"),
        row("all.example", "POST /p", 200).body("small").from("web").saw_body("small"),
        row("all.example", "POST /long", 200).body(&*long).from("web"),
        row("all.example", "POST /denied", 413).body("x".repeat(400_000)),
        row("own.example", "/own?z=2", 200).from("web"),
        row("text.example", "/text", 200).from("web"),
        row("off.example", "POST /off", 200).body("left out").from("web").saw_body("left out"),
        row("hangs.example", "/1", 200).from("web"),
        row("hangs.example", "/2", 200).from("web"),
        row("dead.example", "/", 200).from("web"),
        row("bad.example", "/", 200).from("web"),
        row("evil.example", "/", 200).from("web"),
    ]);
    let host = format!("Host: {}\r\n", shadow.address().ip());
    for text in [
        &format!("GET /a/x?y=1 HTTP/1.1\r\n{host}"),
        &format!("POST /p HTTP/1.1\r\n{host}"),
        "small",
        "GET /own?z=2 HTTP/1.1\r\nHost: copy.example:8080\r\n",
        "GET /log?of=text.example HTTP/1.1\r\nHost: text.example\r\n",
        "POST /off HTTP/1.1\r\n",
    ] {
        shadow.wait_for_text(text);
    }
    wait_until("a copy that nobody took is counted", || {
        area.proxy.metric("ringway_mirrors_failed_total", &[]) == 1.0
    });
    assert_eq!(area.proxy.metric("ringway_mirrors_dropped_total", &[]), 1.0, "the long one");
    let seen = shadow.received_text();
    for text in ["/denied", "/long", "left out"] {
        assert!(!seen.contains(text), "{text}: {seen}");
    }
}
