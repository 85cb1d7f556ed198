//! A guard that is not supported answers 503 to everybody, by every way in; what has nothing to do
//! with it is served.

use super::echoes;
use crate::for_each_driver;
use crate::harness::PathType::{Exact, ImplementationSpecific, Prefix};
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Http2, Ingress, Proxy, manifest};

for_each_driver!(
    guards_that_are_not_supported_are_503,
    every_way_in_is_closed,
    a_guard_that_comes_closes_and_one_that_goes_opens,
    the_last_good_version_is_no_way_around_a_guard,
    an_expression_of_a_guarded_ingress_is_no_way_around_it,
    a_resource_backend_is_503,
);

const DIALECT: &str = "nginx.ingress.kubernetes.io";

/// Name, value, status; a row changes when its annotation is supported.
const GUARDS: &[(&str, &str, u16)] = &[
    ("auth-url", "x", 503),
    ("enable-global-auth", "true", 200),
    ("limit-rps", "x", 503),
    ("enable-modsecurity", "true", 503),
    ("enable-owasp-core-rules", "true", 503),
    // Nothing of such an Ingress is served, unless the ConfigMap lets it have directives.
    ("configuration-snippet", "deny all;", 404),
    ("server-snippet", "# x\\nif ($http_x) {\\n return 403;\\n}", 404),
    ("auth-ulr", "http://127.0.0.1:1/", 503),
    ("Auth-Url", "http://127.0.0.1:1/", 503),
    ("auth-url", "", 200),
    ("enable-modsecurity", "false", 200),
    ("limit-rps", "0", 200),
    ("configuration-snippet", "more_set_headers 'X: deny';", 404),
];

fn key(name: &str) -> String {
    format!("{DIALECT}/{name}")
}

fn guards_that_are_not_supported_are_503(driver: Driver) {
    let (backends, mut text) = echoes(&["web"]);
    for (index, (name, value, _)) in GUARDS.iter().enumerate() {
        let ingress = Ingress::simple(&format!("i{index}"), &format!("h{index}.example"), "web");
        text += &ingress.annotation(&key(name), value).yaml();
    }
    let proxy = Proxy::start(driver, text);
    let mut client = proxy.client();
    for (index, (name, value, status)) in GUARDS.iter().enumerate() {
        let answer = client.get(&format!("h{index}.example"), "/x");
        assert_eq!(answer.status(), *status, "{name}: {value}");
    }
    let served = GUARDS.iter().filter(|(_, _, status)| *status == 200).count();
    assert_eq!(backends[0].request_count(), served);
    proxy.wait_for_output("did you mean auth-url");
}

/// Methods, path types, protocols, TLS, rules without host, default backends; no redirect.
fn every_way_in_is_closed(driver: Driver) {
    let (backends, mut text) = echoes(&["web", "open"]);
    let authority = Authority::new();
    let leaf = authority.issue(&["a.example"]);
    text += &manifest::tls_secret("a", &leaf.chain, &leaf.key);
    let guarded = Ingress::new("guarded").annotation(&key("enable-modsecurity"), "true");
    let guarded = guarded.tls(&["a.example"], "a").default_backend("web");
    text += &guarded
        .host("a.example")
        .path("/prefix", Prefix, "web")
        .path("/exact", Exact, "web")
        .path("/specific", ImplementationSpecific, "web")
        .host("*.w.example")
        .path("/", Prefix, "web")
        .host("")
        .path("/any", Prefix, "web")
        .yaml();
    text += &Ingress::new("open").host("a.example").path("/open", Prefix, "open").yaml();
    let proxy = Proxy::start(driver, text);
    let places = [
        ("a.example", "/prefix/x"),
        ("a.example", "/exact"),
        ("a.example", "/specific"),
        ("a.example", "/.well-known/acme-challenge/x"),
        ("x.w.example", "/"),
        ("unknown.example", "/any"),
        ("unknown.example", "/"),
    ];
    for (host, path) in places {
        for method in ["GET", "POST", "OPTIONS", "PUT", "HEAD"] {
            let mut client = proxy.client();
            let fields = format!("Host: {host}\r\nContent-Length: 0");
            client.send(format!("{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n"));
            assert_eq!(client.response_to(method).status(), 503, "{method} {host}{path}");
        }
    }
    let mut https = Client::tls(proxy.https, &authority.trusting(&[]), "a.example");
    assert_eq!(https.get("a.example", "/prefix").status(), 503);
    assert_eq!(https.get("a.example", "/open").backend(), "open");
    let mut http2 = Http2::connect(proxy.http);
    assert_eq!(http2.get(1, "/any").status, 503);
    assert_eq!(backends[0].request_count(), 0);
}

fn a_guard_that_comes_closes_and_one_that_goes_opens(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::backend("web", &[backend.address()]));
    let open = Ingress::simple("web", "a.example", "web");
    proxy.write("web.yaml", &open.yaml());
    proxy.wait_for_status("a.example", "/", 200);
    let guard = key("enable-modsecurity");
    proxy.write("web.yaml", &open.clone().annotation(&guard, "true").yaml());
    proxy.wait_for_status("a.example", "/", 503);
    proxy.write("web.yaml", &open.yaml());
    proxy.wait_for_status("a.example", "/", 200);
}

fn the_last_good_version_is_no_way_around_a_guard(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::backend("web", &[backend.address()]));
    let good = Ingress::simple("web", "a.example", "web");
    proxy.write("web.yaml", &good.yaml());
    proxy.wait_for_status("a.example", "/", 200);
    let bad = Ingress::new("web").host("a.example").path("no-slash", Prefix, "web");
    proxy.write("web.yaml", &bad.clone().annotation(&key("auth-type"), "basic").yaml());
    proxy.wait_for_status("a.example", "/", 503);
    proxy.write("web.yaml", &bad.yaml());
    proxy.wait_for_status("a.example", "/", 200);
}

/// A younger Ingress protects a part of the host by an expression; the rest stays open.
fn an_expression_of_a_guarded_ingress_is_no_way_around_it(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::simple("web", "a.example", "web").created("2024-01-01T00:00:00Z").yaml();
    text += &Ingress::new("admin")
        .created("2025-01-01T00:00:00Z")
        .annotation(&key("enable-modsecurity"), "true")
        .annotation(&key("rewrite-target"), "/$2")
        .host("a.example")
        .path("/admin(/|$)(.*)", ImplementationSpecific, "web")
        .yaml();
    let proxy = Proxy::start(driver, text);
    for (path, status) in
        [("/", 200), ("/x", 200), ("/administer", 200), ("/admin", 503), ("/Admin/x", 503)]
    {
        assert_eq!(proxy.get("a.example", path).status(), status, "{path}");
    }
}

fn a_resource_backend_is_503(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    let of_path = |path: &str| Ingress::new("resource").host("a.example").path(path, Prefix, "web");
    let indent = " ".repeat(14);
    let service =
        format!("{indent}service:\n{indent}  name: web\n{indent}  port:\n{indent}    number: 80\n");
    let yaml = of_path("/r").yaml();
    assert!(yaml.contains(&service), "{yaml}");
    text += &yaml.replace(&service, &format!("{indent}resource: {{kind: Bucket, name: b}}\n"));
    text += &Ingress::simple("web", "a.example", "web").yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/r").status(), 503);
    assert_eq!(proxy.get("a.example", "/").backend(), "web");
    proxy.wait_for_output("resource backends are not supported");
}
