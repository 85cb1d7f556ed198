//! `rewrite-target`, `use-regex`, `x-forwarded-prefix`, `app-root`, and what paths mean.

use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::{Exact, ImplementationSpecific as Specific, Prefix};
use crate::harness::{Driver, Ingress};

for_each_driver!(paths_lead_where_they_say);

fn paths_lead_where_they_say(driver: Driver) {
    let area =
        Area::new(driver).echoes(&["web", "other", "rest"]).certificate("tls", &["r.example"]);
    let area = [rewritten, expressions, plain, roots].iter().fold(area, |area, add| add(area));
    let area = area.start();
    area.told(&[
        "\"no\\npath\" cannot be used: it does not begin with /.",
        "\"(?!\" is a look-ahead, which takes more than linear time",
        "unclosed group",
        "\"/x?y={z}\" cannot be used: only letters, digits and /-._~:$ are possible",
        "\"maybe\" cannot be used: it is no truth value",
        "without rewrite-target it has no effect",
        "it has no group $nothing",
    ]);
    let rows = [rewritten_rows(), redirected_rows(), expression_rows(), plain_rows(), root_rows()];
    area.check(&rows.concat());
    let served = rows.concat().iter().filter(|row| row.backend() == Some("other")).count();
    assert_eq!(area.backend("other").request_count(), served);
}

fn rewritten(area: Area) -> Area {
    let of = |name: &str, target: &str| Ingress::new(name).nginx("rewrite-target", target);
    area.ingress(
        &of("api", "/v/$2").nginx("x-forwarded-prefix", "/api/$1x").host("api.example").path(
            "/api(/|$)(.*)",
            Specific,
            "web",
        ),
    )
    .ingress(&of("named", "/$rest/$first/$9").host("named.example").path(
        "/(?<first>[a-z]+)/(?P<rest>.*)",
        Specific,
        "web",
    ))
    .ingress(&of("all", "/fixed").host("all.example").path("/api", Prefix, "web"))
    .ingress(&of("bare", "$1").host("bare.example").path("/(.*)", Specific, "web"))
    .ingress(&of("host", "/$host/$1").host("host.example").path("/(.*)", Specific, "web"))
    .ingress(&of("bomb", "/$1$1$1$1$1$1$1$1").host("bomb.example").path("/(.*)", Specific, "web"))
    .ingress(&of("gone", "/$nothing").host("gone.example").path("/(.*)", Specific, "web"))
    .ingress(&of("same", "/same").host("same.example").path("/same", Exact, "web"))
    .ingress(&Ingress::new("same-rest").host("same.example").path("/", Prefix, "rest"))
    .ingress(&of("bad", "/x?y={z}").host("bad.example").path("/api", Prefix, "web"))
    .ingress(
        &Ingress::new("lonely")
            .nginx("x-forwarded-prefix", "/p")
            .host("lonely.example")
            .path("/", Prefix, "web"),
    )
    .ingress(
        &of("to", "https://new.example/$1").host("to.example").path("/o/(.*)", Specific, "web"),
    )
    .ingress(
        &of("secure", "$scheme://$host/n/$1")
            .nginx("force-ssl-redirect", "true")
            .host("secure.example")
            .path("/o/(.*)", Specific, "web"),
    )
}

fn rewritten_rows() -> Vec<Row> {
    let api = |target: &str, saw: &str| row("api.example", target, 200).from("web").saw(saw);
    vec![
        api("/api/x/y", "/v/x/y").saw_field("x-forwarded-prefix", "/api//x"),
        api("/API/x?a=/api/b", "/v/x?a=/api/b"),
        api("/api", "/v/").saw_field("x-forwarded-prefix", "/api/x"),
        api("/api?", "/v/?"),
        // Read percent-decoded, with slashes merged, and encoded again.
        api("/api/a%20b", "/v/a%20b"),
        api("/api/a%2fb//c/./d/../e", "/v/a/b/c/e"),
        api("/api/%c3%bc%25%3f%23", "/v/%C3%BC%25%3F%23"),
        api("/%61pi/%41", "/v/A"),
        // A dot is no line feed, as in PCRE.
        api("/api/x%0d%0aX-Injected:%201", "/v/x%0D").saw_no("x-injected"),
        api("/api/(a)[b]|{c}", "/v/(a)[b]%7C%7Bc%7D"),
        api("/api/x", "/v/x")
            .send("X-Forwarded-Prefix", "/claim")
            .saw_field("x-forwarded-prefix", "/api//x"),
        row("api.example", "POST /api/form", 200)
            .send("X-Custom", "kept")
            .body("name=value")
            .saw("POST /v/form")
            .saw_field("x-custom", "kept")
            .saw_body("name=value"),
        row("api.example", "/apis", 404),
        row("api.example", "/", 404),
        row("named.example", "/abc/d/e", 200).saw("/d/e/abc/"),
        row("all.example", "/api/v1/x?q", 200).saw("/fixed?q"),
        row("bare.example", "/x", 200).saw("/x"),
        row("bare.example", "/", 200).saw("/"),
        row("host.example", "/x", 200).saw("/host.example/x"),
        row("bomb.example", "/x", 200).saw("/xxxxxxxx"),
        row("bomb.example", &format!("/{}", "x".repeat(2000)), 414),
        row("gone.example", "/x", 503),
        // To its own path nothing is rewritten, and no path becomes an expression.
        row("same.example", "/same", 200).from("web").saw("/same"),
        row("same.example", "/%73ame", 200).from("web").saw("/%73ame"),
        row("same.example", "/same/x", 200).from("rest"),
        row("same.example", "/SAME", 200).from("rest"),
        row("bad.example", "/api/v1", 200).saw("/api/v1"),
        row("bad.example", "/API/v1", 404),
        row("lonely.example", "/x", 200).saw("/x").saw_no("x-forwarded-prefix"),
        row("lonely.example", "/x", 200)
            .send("X-Forwarded-Prefix", "/own")
            .saw_field("x-forwarded-prefix", "/own"),
    ]
}

fn redirected_rows() -> Vec<Row> {
    vec![
        row("to.example", "/o/a/b", 302).has("location", "https://new.example/a/b"),
        row("to.example", "/o/a%20b%0d?x=1&y", 302)
            .has("location", "https://new.example/a%20b%0D?x=1&y"),
        // What nobody claims is the oldest one's, and captures nothing.
        row("to.example", "/else", 302).has("location", "https://new.example/"),
        // Before the redirect to https.
        row("secure.example", "/o/x", 302).has("location", "http://secure.example/n/x"),
    ]
}

fn expressions(area: Area) -> Area {
    let regex = |name: &str| Ingress::new(name).nginx("use-regex", "true");
    area.ingress(&regex("shop").host("rx.example").path("/item/[0-9]+$", Specific, "web").path(
        "/foo/bar/[a-z]{3}",
        Specific,
        "other",
    ))
    .ingress(
        &Ingress::new("shop-too")
            .host("rx.example")
            .path("/foo/bar/bar", Prefix, "rest")
            .path("/exact", Exact, "rest")
            .path("/v1.2", Prefix, "rest")
            .path("/dir/", Prefix, "rest"),
    )
    .ingress(
        &regex("odd")
            .host("odd.example")
            .path("/a/(?!b).*", Specific, "web")
            .path("/(", Specific, "web")
            .path("/ok", Prefix, "rest"),
    )
    .ingress(
        &Ingress::new("off")
            .nginx("use-regex", "false")
            .host("off.example")
            .path("/a.b", Prefix, "web"),
    )
    .ingress(
        &Ingress::new("maybe")
            .nginx("use-regex", "maybe")
            .host("maybe.example")
            .path("/a.b", Prefix, "web"),
    )
}

fn expression_rows() -> Vec<Row> {
    let rx = |target: &str, backend| row("rx.example", target, 200).from(backend).saw(target);
    vec![
        rx("/item/12", "web"),
        rx("/ITEM/12?x=a", "web"),
        rx("/%69tem/12", "web"),
        row("rx.example", "/item/12a", 404),
        row("rx.example", "/x/item/12", 404),
        // The longer text, not the longer match; and all paths of the host are expressions.
        rx("/foo/bar/bar", "other"),
        row("rx.example", "/foo/bar/1", 404),
        rx("/Exactly/x", "rest"),
        rx("/v1x2", "rest"),
        rx("/dir/x", "rest"),
        row("rx.example", "/dir", 404).lacks("location"),
        row("odd.example", "/a/x", 503),
        row("odd.example", "/ok", 200).from("rest"),
        row("off.example", "/a.b/c", 200),
        row("off.example", "/axb", 404),
        row("off.example", "/A.B", 404),
        row("maybe.example", "/axb", 404),
    ]
}

fn plain(area: Area) -> Area {
    area.ingress(
        &Ingress::new("plain")
            .host("plain.example")
            .path("/foo", Prefix, "web")
            .path("/dir/", Prefix, "other")
            .path("/one/", Exact, "other")
            .path("/both/", Prefix, "other")
            .path("/both", Exact, "web")
            .path("/a/b", Exact, "web")
            .path("/b\u{fc}cher", Prefix, "web"),
    )
    .ingress(
        &Ingress::new("vhost")
            .nginx("upstream-vhost", "inner")
            .nginx("force-ssl-redirect", "true")
            .host("unclaimed.example")
            .path("/x", Prefix, "web"),
    )
}

fn plain_rows() -> Vec<Row> {
    let plain = |target: &str, backend| row("plain.example", target, 200).from(backend).saw(target);
    let slash = |target: &str, to: &str| {
        row("plain.example", target, 301).has("location", format!("http://plain.example{to}"))
    };
    vec![
        plain("/foo", "web"),
        plain("/foo/x", "web"),
        row("plain.example", "/foobar", 404),
        row("plain.example", "/FOO", 404),
        slash("/dir", "/dir/"),
        slash("/dir?a=b", "/dir/?a=b"),
        slash("POST /one", "/one/"),
        plain("/dir/", "other"),
        plain("/both", "web"),
        row("plain.example", "/one/x", 404),
        // What is matched is read as nginx reads it; what is sent is what came.
        plain("//a//b", "web"),
        plain("/a%2Fb", "web"),
        plain("/x/../a/%62", "web"),
        plain("/foo%2Fx%20y", "web"),
        plain("/b%c3%bccher", "web"),
        row("plain.example", "/..%2fa", 400),
        row("plain.example", "/%zz", 400),
        // What nobody claims is the oldest one's.
        row("unclaimed.example", "/else", 308).has("location", "https://unclaimed.example/else"),
    ]
}

fn roots(area: Area) -> Area {
    area.ingress(
        &Ingress::new("root")
            .nginx("app-root", "/app")
            .tls(&["r.example"], "tls")
            .host("r.example")
            .path("/", Prefix, "web"),
    )
    .ingress(
        &Ingress::new("bad-root")
            .nginx("app-root", "no\npath")
            .host("bad-root.example")
            .path("/x", Prefix, "web"),
    )
}

fn root_rows() -> Vec<Row> {
    vec![
        row("r.example", "/", 302).has("location", "http://r.example/app"),
        row("r.example:8080", "/?a=b", 302).has("location", "http://r.example:8080/app"),
        row("r.example", "/", 302).tls().has("location", "https://r.example/app"),
        row("r.example", "/x", 308).has("location", "https://r.example/x"),
        row("r.example", "POST /x", 200)
            .tls()
            .send("X-A", "1")
            .body("text")
            .from("web")
            .saw("POST /x")
            .saw_field("x-a", "1")
            .saw_field("x-forwarded-proto", "https")
            .saw_no("x-b")
            .saw_body("text"),
        row("bad-root.example", "/", 404).lacks("location"),
        row("nobody.example", "/", 404).says("404"),
    ]
}
