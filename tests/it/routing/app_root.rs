//! `app-root`: what is asked for the root of a host, and nothing else, is redirected.

use super::echoes;
use crate::for_each_driver;
use crate::harness::PathType::{Exact, Prefix};
use crate::harness::{Driver, Ingress, Proxy};

const APP_ROOT: &str = "nginx.ingress.kubernetes.io/app-root";

for_each_driver!(the_root_is_redirected_and_nothing_else, a_closed_host_redirects_nobody,);

fn the_root_is_redirected_and_nothing_else(driver: Driver) {
    let (_backends, mut text) = echoes(&["web", "exact"]);
    text += &Ingress::new("web")
        .host("a.example")
        .path("/", Prefix, "web")
        .annotation(APP_ROOT, "/app/~x")
        .yaml();
    // Who else has rules for the host has its root no more either.
    text += &Ingress::new("x").host("a.example").path("/", Exact, "exact").yaml();
    text += &Ingress::new("other").host("b.example").path("/", Prefix, "web").yaml();
    let proxy = Proxy::start(driver, text);
    let mut client = proxy.client();
    for method in ["GET", "POST"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status(), 302, "{method}");
        assert_eq!(response.field("location"), Some("http://a.example/app/~x"), "{method}");
    }
    for (host, path) in [("a.example", "/app/~x"), ("a.example", "/x"), ("b.example", "/")] {
        let response = client.get(host, path);
        assert_eq!(response.backend(), "web", "{host}{path}");
    }
}

/// Whatever protects the host protects its root, too.
fn a_closed_host_redirects_nobody(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::new("web")
        .host("a.example")
        .path("/", Prefix, "web")
        .annotation(APP_ROOT, "/app")
        .annotation("nginx.ingress.kubernetes.io/enable-modsecurity", "true")
        .yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/").status(), 503);
    assert_eq!(proxy.get("a.example", "/app").status(), 503);
}
