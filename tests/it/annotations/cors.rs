//! CORS: who is told what, and before what else preflights are answered.

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Driver, Ingress};

for_each_driver!(origins_are_told_what_they_may);

const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,\
    Cache-Control,Content-Type,Range,Authorization";

fn ingress(name: &str, annotations: &[(&str, &str)]) -> Ingress {
    let ingress = Ingress::new(name).nginx("enable-cors", "true");
    let said =
        annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value));
    said.host(&format!("{name}.example")).path("/", Prefix, "web")
}

/// What a backend says that has a word of its own.
const OWN: &str = "HTTP/1.1 404 No\r\nAccess-Control-Allow-Origin: https://own\r\n\
    access-control-allow-origin: https://twice\r\nAccess-Control-Allow-Methods: OWN\r\n\
    Access-Control-Expose-Headers: X-Own\r\nVary: Accept\r\nContent-Length: 0\r\n\r\n";

fn area(driver: Driver) -> Served {
    let (a, list) = ("https://a.example", "https://a.example, http://*.w.example:81,, null");
    let with = |name: &str, annotations: &[(&str, &str)], backend: &str| {
        ingress(name, annotations).host(&format!("{name}-own.example")).path("/", Prefix, backend)
    };
    let some = "no-scheme.example, https://a.example/x, https://a.example,";
    Area::new(driver)
        .echoes(&["web"])
        .backend("own", Backend::fixed(OWN))
        .certificate("tls", &["tls.example"])
        .ingress(&with("all", &[], "own"))
        .ingress(&with("list", &[("cors-allow-origin", list)], "own"))
        .ingress(&with(
            "details",
            &[
                ("cors-allow-origin", a),
                ("cors-allow-methods", "GET, OPTIONS"),
                ("cors-allow-headers", "X-A, X_B"),
                ("cors-allow-credentials", "false"),
                ("cors-expose-headers", "*, X-C"),
                ("cors-max-age", "600"),
            ],
            "own",
        ))
        .ingress(&ingress("blank", &[("cors-allow-origin", " , ,")]))
        .ingress(&ingress("some", &[("cors-allow-origin", some)]))
        .ingress(&ingress("none", &[("cors-allow-origin", "a.example; *")]))
        .ingress(&ingress("star", &[("cors-allow-origin", "https://a.example, *")]))
        .ingress(&ingress(
            "bad",
            &[
                ("cors-allow-methods", "GET; POST"),
                ("cors-allow-headers", "X-A;X-B"),
                ("cors-allow-credentials", "maybe"),
                ("cors-expose-headers", "X-A; X-B"),
                ("cors-max-age", "1h"),
            ],
        ))
        .ingress(
            &Ingress::new("off")
                .nginx("enable-cors", "false")
                .nginx("cors-allow-origin", a)
                .host("off.example")
                .path("/", Prefix, "web"),
        )
        .ingress(
            &Ingress::new("odd")
                .nginx("enable-cors", "yes")
                .host("odd.example")
                .path("/", Prefix, "web"),
        )
        .ingress(&ingress("tls", &[("cors-allow-origin", a)]).tls(&["tls.example"], "tls"))
        .ingress(&ingress("root", &[("app-root", "/app")]))
        .ingress(&ingress("closed", &[("enable-modsecurity", "true")]))
        .ingress(&ingress("large", &[("proxy-body-size", "4")]))
        .ingress(&ingress("gone", &[]).path("/gone", Prefix, "nobody"))
        .start()
}

fn origins_are_told_what_they_may(driver: Driver) {
    let area = area(driver);
    area.told(&[
        "\"no-scheme.example\" cannot be used: it has no scheme, as in https://a.example; the \
         entry lets no origin in.",
        "\"https://a.example/x\" cannot be used: behind the scheme stands no host, *.host or host \
         with a port; the entry lets no origin in.",
        "\"GET; POST\" cannot be used: it is no list of names.",
        "\"X-A;X-B\" cannot be used: it is no list of names.",
        "\"X-A; X-B\" cannot be used: it is no list of names.",
        "\"maybe\" cannot be used: it is no truth value.",
        "\"1h\" cannot be used: it is no number.",
        "\"yes\" cannot be used: it is no truth value.",
    ]);
    area.check(&everybody());
    area.check(&listed());
    area.check(&neighbours());
}

/// With the fields of the defaults for `origin`; empty: none of them.
fn allows(row: Row, origin: &str) -> Row {
    if origin.is_empty() {
        return row
            .lacks("access-control-allow-origin")
            .lacks("access-control-allow-credentials")
            .lacks("access-control-allow-methods")
            .lacks("access-control-allow-headers")
            .lacks("access-control-expose-headers")
            .lacks("access-control-max-age");
    }
    row.has("access-control-allow-origin", origin)
        .has("access-control-allow-credentials", "true")
        .has("access-control-allow-methods", METHODS)
        .has("access-control-allow-headers", HEADERS)
        .lacks("access-control-expose-headers")
        .has("access-control-max-age", "1728000")
}

fn everybody() -> Vec<Row> {
    let mut rows = Vec::new();
    for host in ["all.example", "blank.example", "star.example", "bad.example"] {
        let row = |request, status| allows(row(host, request, status), "*").lacks("vary");
        rows.extend([
            row("/", 200).from("web"),
            row("/", 200).send("Origin", "https://q.example").from("web"),
            // Without Origin, too, and whatever a preflight has.
            row("OPTIONS /x", 204)
                .lacks("content-length")
                .has("content-type", "text/plain charset=UTF-8"),
            row("OPTIONS /", 204)
                .send("Origin", "https://q.example")
                .send("Access-Control-Request-Method", "DELETE"),
        ]);
    }
    for (host, from) in [("off.example", "web"), ("odd.example", "web")] {
        rows.extend([
            allows(row(host, "/", 200), "").send("Origin", "https://a.example").from(from),
            allows(row(host, "OPTIONS /", 200), "")
                .send("Origin", "https://a.example")
                .saw("OPTIONS /"),
        ]);
    }
    // What is not set stays the backend's own.
    rows.push(
        row("all-own.example", "/", 404)
            .has("access-control-allow-origin", "*")
            .has("access-control-allow-methods", METHODS)
            .has("access-control-expose-headers", "X-Own")
            .has("vary", "Accept"),
    );
    rows
}

fn listed() -> Vec<Row> {
    let mut rows = Vec::new();
    for (origin, is_allowed) in [
        ("https://a.example", true),
        ("HTTPS://A.example", true),
        ("http://x-1.w.example:81", true),
        ("null", true),
        ("https://a.example:443", false),
        ("http://a.example", false),
        ("https://b.a.example", false),
        ("https://a.example.evil", false),
        ("evilhttps://a.example", false),
        ("http://w.example:81", false),
        ("http://x.y.w.example:81", false),
        ("http://x.w.example", false),
        ("https://a.example, https://a.example", false),
    ] {
        let told = if is_allowed { origin } else { "" };
        let options = if is_allowed { 204 } else { 200 };
        rows.extend([
            allows(row("list.example", "/", 200), told)
                .send("Origin", origin)
                .has("vary", "Origin"),
            allows(row("list.example", "OPTIONS /", options), told)
                .send("Origin", origin)
                .has("vary", "Origin"),
        ]);
    }
    let own =
        |request, status| row("list-own.example", request, status).has("vary", "Accept | Origin");
    rows.extend([
        allows(row("list.example", "/", 200), "").has("vary", "Origin").from("web"),
        allows(row("list.example", "OPTIONS /", 200), "").saw("OPTIONS /"),
        // Nobody's word replaces the backend's for other origins.
        own("/", 404)
            .send("Origin", "https://q.example")
            .has("access-control-allow-methods", "OWN"),
        own("/", 404).send("Origin", "null").has("access-control-allow-origin", "null"),
        row("details.example", "/", 200)
            .send("Origin", "https://a.example")
            .has("access-control-allow-origin", "https://a.example")
            .lacks("access-control-allow-credentials")
            .has("access-control-allow-methods", "GET, OPTIONS")
            .has("access-control-allow-headers", "X-A, X_B")
            .has("access-control-expose-headers", "*, X-C")
            .has("access-control-max-age", "600"),
        row("details-own.example", "/", 404)
            .send("Origin", "https://a.example")
            .has("access-control-expose-headers", "*, X-C"),
        allows(row("some.example", "/", 200), "https://a.example")
            .send("Origin", "https://a.example"),
        allows(row("some.example", "/", 200), "").send("Origin", "no-scheme.example"),
        // No entry that can be used lets nobody in.
        allows(row("none.example", "/", 200), "").send("Origin", "https://a.example"),
        allows(row("none.example", "OPTIONS /", 200), "")
            .send("Origin", "https://a.example")
            .from("web"),
    ]);
    rows
}

/// Gates before and behind preflights, and answers that no backend makes.
fn neighbours() -> Vec<Row> {
    let origin = |row: Row| row.send("Origin", "https://a.example");
    vec![
        origin(row("closed.example", "OPTIONS /", 503)),
        origin(row("large.example", "OPTIONS /", 413)).body("12345"),
        allows(origin(row("tls.example", "OPTIONS /x", 204)), "https://a.example"),
        allows(origin(row("tls.example", "/x", 308)), "https://a.example")
            .has("location", "https://tls.example/x"),
        origin(row("tls.example", "/x", 200))
            .tls()
            .has("strict-transport-security", "max-age=31536000; includeSubDomains"),
        allows(origin(row("tls.example", "OPTIONS /x", 204)).tls(), "https://a.example")
            .has("strict-transport-security", "max-age=31536000; includeSubDomains"),
        // The host answers by itself.
        allows(origin(row("root.example", "/", 302)), ""),
        allows(origin(row("root.example", "OPTIONS /", 302)), ""),
        allows(origin(row("root.example", "/x", 200)), "*"),
        allows(origin(row("gone.example", "/gone", 503)), "*"),
        allows(origin(row("gone.example", "OPTIONS /gone", 204)), "*"),
        // A call is answered with fields for scripts, too.
        allows(origin(row("gone.example", "POST /gone", 200)), "*")
            .send("Content-Type", "application/grpc")
            .has("grpc-status", "14"),
    ]
}
