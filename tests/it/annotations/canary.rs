//! Canaries: which requests they get, and whose rules hold for these.

use std::collections::BTreeSet;

use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::{Exact, Prefix};
use crate::harness::{Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(canaries_get_what_they_ask_for);

fn main(name: &str, host: &str, service: &str) -> Ingress {
    Ingress::simple(name, host, service)
}

/// A canary of the path `/` of a host, with annotations as `name=value`.
fn canary(name: &str, host: &str, service: &str, annotations: &[&str]) -> Ingress {
    let all = annotations.iter().filter_map(|pair| pair.split_once('='));
    all.fold(Ingress::simple(name, host, service).nginx("canary", "true"), |ingress, pair| {
        ingress.nginx(&format!("canary-{}", pair.0), pair.1)
    })
}

fn area(driver: Driver) -> Area {
    let area = Area::new(driver).echoes(&["main", "one", "two"]).flag("--access-log", "nginx");
    let hosts: &[(&str, &[&str])] = &[
        ("words.example", &["by-header=X-Canary", "by-cookie=beta", "weight=100"]),
        ("none.example", &["by-header=X-Canary", "by-cookie=beta"]),
        (
            "value.example",
            &["by-header=X-Region", "by-header-value=eu", "by-cookie=beta", "weight=100"],
        ),
        ("pattern.example", &["by-header=X-User", "by-header-pattern=b+c"]),
        ("broken.example", &["by-header=X-User", "by-header-pattern=(?=a)", "weight=100"]),
        ("half.example", &["weight=50"]),
        ("much.example", &["weight=250"]),
        ("less.example", &["weight=150", "weight-total=50"]),
        ("bad.example", &["weight=half", "weight-total=x", "by-cookie=a;b"]),
    ];
    hosts.iter().fold(area, |area, (host, annotations)| {
        let name = host.split('.').next().unwrap_or_default();
        area.ingress(&canary(&format!("{name}-canary"), host, "one", annotations))
            .ingress(&main(name, host, "main"))
    })
}

/// Several of one path, other paths, missing endpoints, what else a canary says.
fn more(area: Area) -> Area {
    let main_of = |host: &str, service: &str| main(&host.replace('.', "-"), host, service);
    area.object(manifest::service("none"))
        .ingress(&main_of("several.example", "main"))
        .ingress(&canary("several-1", "several.example", "one", &["by-header=X-One", "weight=100"]))
        .ingress(&canary("several-2", "several.example", "two", &["by-header=X-Two", "weight=100"]))
        .ingress(&main_of("gone.example", "main"))
        .ingress(&canary("gone-1", "gone.example", "none", &["by-header=X-Canary", "weight=100"]))
        .ingress(&main_of("dead.example", "none"))
        .ingress(&canary("dead-1", "dead.example", "one", &["by-header=X-Canary"]))
        // The same Service as elsewhere, and no canary.
        .ingress(&main_of("plain.example", "main"))
        .ingress(&Ingress::new("types").host("types.example").path("/x", Prefix, "main"))
        .ingress(
            &Ingress::new("types-canary")
                .nginx("canary", "true")
                .nginx("canary-weight", "100")
                .host("types.example")
                .path("/x", Exact, "one")
                .path("/y", Prefix, "one"),
        )
        .ingress(&main_of("rules.example", "main").nginx("upstream-vhost", "main.inner"))
        .ingress(
            &canary("rules-1", "rules.example", "one", &["by-header=X-Canary"])
                .nginx("upstream-vhost", "canary.inner")
                .nginx("force-ssl-redirect", "true")
                .nginx("auth-url", "http://127.0.0.1:1/"),
        )
        .ingress(&Ingress::simple("alone", "alone.example", "one").nginx("canary", "true"))
        .ingress(&Ingress::new("rest").default_backend("main"))
        .ingress(
            &Ingress::new("rest-1")
                .nginx("canary", "true")
                .nginx("canary-by-header", "X-Canary")
                .default_backend("one"),
        )
}

/// Fields as `Name: value`, and who answers.
fn get(host: &'static str, fields: &[&'static str], backend: &'static str) -> Row {
    let fields = fields.iter().filter_map(|field| field.split_once(": "));
    fields.fold(row(host, "/", 200), |row, (name, value)| row.send(name, value)).from(backend)
}

fn canaries_get_what_they_ask_for(driver: Driver) {
    let area = more(area(driver)).start();
    area.told(&[
        "\"(?=a)\" cannot be used",
        "\"half\" cannot be used: it is no number.",
        "\"a;b\" cannot be used: a name has only letters",
        "it gets no request to host alone.example",
        "it gets no request to host types.example",
    ]);
    area.check(&[
        get("words.example", &["X-Canary: never", "Cookie: beta=always"], "main"),
        get("words.example", &["X-Canary: other", "Cookie: a=b; beta=never"], "main"),
        get("words.example", &["Cookie: a=b", "Cookie: Beta=never"], "main"),
        get("words.example", &["X-Canary: other", "Cookie: beta=other"], "one"),
        get("words.example", &["X-Canary: never", "X-Canary: never"], "one"),
        get("words.example", &["X_Canary: never"], "one"),
        get("words.example", &[], "one"),
        get("none.example", &[], "main"),
        get("none.example", &["x-canary: always", "Cookie: beta=never"], "one"),
        get("none.example", &["X-Canary: Always"], "main"),
        get("none.example", &["Cookie: beta=always"], "one"),
        get("value.example", &["X-Region: eu", "Cookie: beta=never"], "one"),
        get("value.example", &["X-Region: us"], "one"),
        get("value.example", &["X-Region: us", "Cookie: beta=never"], "main"),
        get("value.example", &["X-Region: never"], "one"),
        get("pattern.example", &["X-User: aaabbbccc"], "one"),
        get("pattern.example", &["X-User: aaBBcc"], "main"),
        get("pattern.example", &["X-User: always"], "main"),
        get("broken.example", &["X-User: a"], "main"),
        get("broken.example", &[], "one"),
        get("much.example", &[], "one"),
        get("less.example", &[], "one"),
        get("bad.example", &["Cookie: a;b=always"], "main"),
        get("several.example", &["X-One: always"], "one"),
        get("several.example", &["X-Two: always"], "two"),
        get("several.example", &["X-Two: always", "X-One: never"], "two"),
        get("several.example", &["X-Two: never"], "one"),
        get("several.example", &["X-One: never"], "main"),
        get("gone.example", &["X-Canary: always"], "main"),
        get("gone.example", &[], "main"),
        row("dead.example", "/", 503).send("X-Canary", "always"),
        get("plain.example", &["X-Canary: always", "X-One: always"], "main"),
        row("types.example", "/x", 200).from("main"),
        row("types.example", "/x/y", 200).from("main"),
        row("types.example", "/y", 404),
        get("rules.example", &["X-Canary: always"], "one").saw_field("host", "main.inner"),
        get("alone.example", &[], "main"),
        get("anybody.example", &["X-Canary: always"], "one"),
    ]);
    shares(&area.proxy);
}

/// Each try is by chance, so that what must come comes, sooner or later; log and metrics tell.
fn shares(proxy: &Proxy) {
    let mut seen = BTreeSet::new();
    let mut client = proxy.client();
    wait_until("both answer", || {
        seen.insert(client.get("half.example", "/").backend());
        seen.len() == 2
    });
    proxy.wait_for_output("[default-main-80] [default-one-80]");
    let labels = ["ingress=\"half\"", "service=\"main\"", "canary=\"default-one-80\""];
    wait_until("the canary's requests are counted as its own", || {
        proxy.metric("ringway_requests_total", &labels) >= 1.0
    });
}
