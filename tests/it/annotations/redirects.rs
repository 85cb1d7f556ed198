//! Redirects to other places, to https and to other names, and aliases.

use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::{Exact, Prefix};
use crate::harness::{Driver, Ingress};

for_each_driver!(requests_are_sent_where_annotations_say);

/// A host of its own with the path `/` and annotations (name, value).
fn host(host: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::simple(&host.replace(['.', '*'], "-"), host, "web");
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value))
}

fn area(driver: Driver) -> Area {
    let hosts: &[(&str, &[(&str, &str)])] = &[
        ("perm.example", &[("permanent-redirect", "https://n.example/x?y=1&z")]),
        ("code.example", &[("permanent-redirect", "/y"), ("permanent-redirect-code", "308")]),
        ("odd.example", &[("permanent-redirect", "/y"), ("permanent-redirect-code", "404")]),
        ("port.example", &[("permanent-redirect", "/y"), ("use-port-in-redirects", "true")]),
        ("rel.example", &[("permanent-redirect", "/y"), ("relative-redirects", "true")]),
        (
            "temp.example",
            &[("temporal-redirect", "http://t.example"), ("temporal-redirect-code", "307")],
        ),
        (
            "both.example",
            &[("temporal-redirect", "http://t.example"), ("permanent-redirect", "/y")],
        ),
        ("closed.example", &[("temporal-redirect", "/y")]),
        ("refused.example", &[("permanent-redirect", "https://x$request_uri")]),
        ("cut.example", &[("force-ssl-redirect", "true")]),
        ("kept.example", &[("force-ssl-redirect", "true"), ("preserve-trailing-slash", "true")]),
        ("at443.example", &[("force-ssl-redirect", "true"), ("use-port-in-redirects", "true")]),
        ("bare.example", &[("from-to-www-redirect", "true")]),
        ("www.other.example", &[("from-to-www-redirect", "true")]),
        ("twin.example", &[("from-to-www-redirect", "true")]),
        ("www.twin.example", &[]),
        ("first.example", &[("server-alias", "shared.example, *.deep.example, twin.example")]),
        ("second.example", &[("server-alias", "shared.example,~^regex.*$")]),
    ];
    let area = Area::new(driver)
        .echoes(&["web", "admin"])
        .certificate("tls", &["tls.example", "al.example"]);
    hosts.iter().fold(area, |area, (name, annotations)| area.ingress(&host(name, annotations)))
}

fn more(area: Area) -> Area {
    area.ingress(
        &Ingress::new("tls")
            .nginx("server-alias", "al.example,bare-al.example")
            .nginx("from-to-www-redirect", "true")
            .tls(&["tls.example"], "tls")
            .host("tls.example")
            .path("/x", Prefix, "web")
            .path("/.well-known/acme-challenge/t", Exact, "web"),
    )
    .ingress(
        &Ingress::new("open")
            .nginx("ssl-redirect", "false")
            .host("tls.example")
            .path("/open", Prefix, "admin"),
    )
    .ingress(
        &Ingress::new("missing")
            .tls(&["missing.example"], "absent")
            .host("missing.example")
            .path("/", Prefix, "web"),
    )
    .ingress(&slashed("port", "use-port-in-redirects"))
    .ingress(&slashed("rel", "relative-redirects"))
    // What the server answers has no longest body.
    .ingress(
        &Ingress::simple("root", "root.example", "web")
            .nginx("app-root", "/app")
            .nginx("proxy-body-size", "1"),
    )
    .ingress(
        &Ingress::new("early")
            .nginx("permanent-redirect", "https://n.example/")
            .tls(&["tls.example"], "tls")
            .host("early.example")
            .path("/", Prefix, "web"),
    )
}

/// A host whose path `/dir/` is redirected to with the slash, and an annotation.
fn slashed(name: &str, annotation: &str) -> Ingress {
    let ingress = Ingress::new(&format!("slash-{name}")).nginx(annotation, "true");
    ingress.host(&format!("{name}-slash.example")).path("/dir/", Prefix, "web")
}

fn to(host: &'static str, request: &str, status: u16, location: &str) -> Row {
    row(host, request, status).has("location", location)
}

fn requests_are_sent_where_annotations_say(driver: Driver) {
    let area = more(area(driver)).start();
    area.told(&[
        "\"404\" cannot be used: only 301, 302, 303, 307 and 308 are possible.",
        "temporal-redirect comes first.",
        "\"/y\" cannot be used: it begins neither with http:// nor with https://.",
        "\"https://x$request_uri\" cannot be used",
        "requests for www.twin.example do not go to the host of the Ingress",
        "requests for twin.example do not go to the host of the Ingress",
        "\"~^regex.*$\" cannot be used",
    ]);
    let port = area.proxy.http.port();
    area.check(&[
        to("perm.example", "/a?b=c", 301, "https://n.example/x?y=1&z"),
        to("perm.example", "POST /a", 301, "https://n.example/x?y=1&z").body("x"),
        to("code.example", "/a", 308, "http://code.example/y"),
        to("code.example:8080", "/a", 308, "http://code.example/y"),
        to("odd.example", "/", 301, "http://odd.example/y"),
        to("port.example", "/", 301, &format!("http://port.example:{port}/y")),
        to("rel.example", "/", 301, "/y"),
        to("port-slash.example", "/dir", 301, &format!("http://port-slash.example:{port}/dir/")),
        to("rel-slash.example", "/dir?a", 301, "/dir/?a"),
        to("root.example", "POST /", 302, "http://root.example/app").body("12"),
        row("root.example", "POST /x", 413).body("12"),
        to("temp.example", "/", 307, "http://t.example"),
        to("both.example", "/", 302, "http://t.example"),
        row("closed.example", "/", 503),
        row("refused.example", "/", 404),
        to("cut.example", "/", 308, "https://cut.example"),
        to("cut.example", "/a/?b=/", 308, "https://cut.example/a/?b="),
        to("kept.example", "/", 308, "https://kept.example/"),
        to("kept.example", "/a/", 308, "https://kept.example/a/"),
        to("at443.example", "/a/", 308, "https://at443.example:443/a"),
        row("bare.example", "/", 200).from("web"),
        to("www.bare.example", "/foo/?x=1", 308, &format!("http://bare.example:{port}/foo/?x=1")),
        to("www.bare.example", "POST /", 308, &format!("http://bare.example:{port}")).body("x"),
        row("www.other.example", "/", 200).from("web"),
        to("other.example", "/foo/", 308, &format!("http://www.other.example:{port}/foo")),
        row("www.twin.example", "/", 200).from("web"),
        row("shared.example", "/", 200).from("web").saw_field("host", "shared.example"),
        row("a.b.deep.example", "/", 200).from("web"),
        row("regexx.example", "/", 404),
        // The host has a certificate; so has the alias that it covers.
        to("tls.example", "/x?a/", 308, "https://tls.example/x?a"),
        to("tls.example:8080", "/x", 308, "https://tls.example/x"),
        row("tls.example", "/.well-known/acme-challenge/t", 200).from("web"),
        row("tls.example", "/open", 200).from("admin"),
        row("tls.example", "/x", 200).tls().from("web"),
        to("al.example", "/x", 308, "https://al.example/x"),
        row("al.example", "/x", 200).tls().from("web"),
        row("bare-al.example", "/x", 200).from("web"),
        to("www.tls.example", "/x", 308, &format!("http://tls.example:{port}/x")),
        to("missing.example", "/x", 308, "https://missing.example/x"),
        to("early.example", "/x", 301, "https://n.example/"),
    ]);
}
