//! `custom-http-errors`, `default-backend`, `disable-proxy-intercept-errors`.

use super::area::Served;
use super::{Area, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Driver, Http2, Ingress, frames, manifest};

for_each_driver!(another_backend_answers_where_it_is_to);

const STRANGER: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"r\"\r\n\
                        Content-Length: 0\r\n\r\n";

const ILL: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nsecret";

/// An Ingress of the host `NAME.example` with these annotations.
fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).host(&format!("{name}.example"));
    let ingress = ingress.path("/", Prefix, "ill").path("/gone", Prefix, "gone");
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value))
}

fn area(driver: Driver) -> Area {
    let pages = |statuses| [("custom-http-errors", statuses), ("default-backend", "errors")];
    let area = Area::new(driver)
        .flag("--default-backend-service", "default/rest:80")
        .echoes(&["errors", "rest"])
        .backend("ill", Backend::fixed(ILL))
        .backend("stranger", Backend::fixed(STRANGER))
        .object(manifest::backend("gone", &[]));
    [
        ingress("listed", &pages("404, 500,,503,413")).nginx("proxy-body-size", "1"),
        ingress("others", &pages("404")),
        ingress("off", &pages("500,503")).nginx("disable-proxy-intercept-errors", "true"),
        ingress("global", &[("custom-http-errors", "500,503")]),
        ingress("alone", &[("default-backend", "errors")]),
        ingress("unknown", &[("custom-http-errors", "500"), ("default-backend", "absent")]),
        ingress("itself", &[("custom-http-errors", "500,503"), ("default-backend", "ill")])
            .nginx("auth-type", "digest"),
        ingress("asks", &pages("401")).path("/in", Prefix, "stranger"),
        ingress("gate", &pages("401"))
            .nginx("auth-url", "http://stranger.default.svc.cluster.local/"),
        ingress("bad", &[("custom-http-errors", "500,200"), ("default-backend", "no/such")]),
    ]
    .iter()
    .fold(area, Area::ingress)
}

fn another_backend_answers_where_it_is_to(driver: Driver) {
    let area = area(driver).start();
    area.told(&[
        "there is no Service default/absent; it answers no request.",
        "\"500,200\" cannot be used: \"200\" is no status from 400 to 599.",
        "\"no/such\" cannot be used: it is no name of a Service.",
    ]);
    area.check(&[
        // All that the page is told, whatever the client says.
        row("listed.example", "PUT /x?y=1", 200)
            .send("X-Request-ID", "id-1")
            .send("Accept", "text/html")
            .send("X-Code", "200")
            .send("x_original_uri", "/forged")
            .send("X-Original-URI", "/forged")
            .send("X-Forwarded-For", "192.0.2.1")
            .from("errors")
            .saw("PUT /?y=1")
            .saw_field("host", "listed.example")
            .saw_field("x-code", "500")
            .saw_field("x-format", "text/html")
            .saw_field("x-original-uri", "/x?y=1")
            .saw_field("x-namespace", "default")
            .saw_field("x-ingress-name", "listed")
            .saw_field("x-service-name", "ill")
            .saw_field("x-service-port", "80")
            .saw_field("x-request-id", "id-1")
            .saw_field("x-forwarded-for", "127.0.0.1"),
        row("listed.example", "/x", 200).send("X-Format", "x").from("errors").saw_no("x-format"),
        row("listed.example", "HEAD /x", 200),
        row("listed.example", "POST /x", 200)
            .body("too long")
            .from("errors")
            .saw_field("x-code", "413")
            .saw_no("content-length"),
        // What stands in is asked what the backend would have been; its answer is no error.
        row("listed.example", "/gone/x?y=1", 200)
            .from("errors")
            .saw("/gone/x?y=1")
            .saw_field("x-code", "503")
            .saw_field("x-service-name", "gone")
            .saw_no("x-original-uri"),
        // A page is no answer to a call.
        row("listed.example", "POST /x", 500)
            .send("Content-Type", "application/grpc")
            .says("secret"),
        row("others.example", "/x", 500).says("secret"),
        row("off.example", "/x", 500).says("secret"),
        row("global.example", "/x", 200).from("rest").saw("/").saw_field("x-code", "500"),
        row("global.example", "/gone", 200)
            .from("rest")
            .saw("/")
            .saw_field("x-code", "503")
            .saw_field("x-original-uri", "/gone"),
        row("alone.example", "/x", 500).says("secret"),
        row("alone.example", "/gone", 200).from("errors").saw("/gone").saw_field("x-code", "503"),
        // Nobody has a page: the status stays, and nothing of the backend is told.
        row("unknown.example", "/x", 500).says("Internal Server Error\n"),
        row("unknown.example", "/gone", 503),
        // Whom a guard keeps out gets nothing of the Service behind it.
        row("itself.example", "/", 503),
        row("bad.example", "/x", 200).from("rest"),
    ]);
    challenges_are_kept(&area);
    pages_come_over_http2(&area);
}

/// Who is asked to say who it is learns how, whoever words the page.
fn challenges_are_kept(area: &Served) {
    area.check(&[
        row("asks.example", "/in", 200)
            .from("errors")
            .saw_field("x-code", "401")
            .has("www-authenticate", "Bearer realm=\"r\""),
        row("asks.example", "/", 500).lacks("www-authenticate"),
        row("gate.example", "/", 200)
            .from("errors")
            .saw_field("x-code", "401")
            .has("www-authenticate", "Bearer realm=\"r\""),
    ]);
}

fn pages_come_over_http2(area: &Served) {
    let mut http2 = Http2::connect(area.proxy.http);
    let request = [
        (":method", "GET"),
        (":path", "/x?y"),
        (":scheme", "http"),
        (":authority", "listed.example"),
    ];
    http2.send(frames::headers(1, &request, frames::END_STREAM));
    let page = http2.answer(1);
    assert_eq!((page.status, page.json()["backend"].as_str()), (200, Some("errors")));
    assert_eq!(page.echoed_fields("x-code"), ["500"]);
    assert_eq!(page.echoed_fields("x-original-uri"), ["/x?y"]);
}
