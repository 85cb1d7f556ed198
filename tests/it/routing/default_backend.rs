//! Ingress API, `spec.defaultBackend`; `--default-backend-service`; the 404 of last resort.

use std::net::SocketAddr;

use super::echoes;
use crate::for_each_driver;
use crate::harness::PathType::{Exact, Prefix};
use crate::harness::peer::curl;
use crate::harness::{Builder, Driver, Ingress, Proxy};

for_each_driver!(
    nothing_matches_is_404,
    default_backend_of_an_ingress_serves_unknown_hosts,
    default_backend_service_serves_what_nothing_matches,
    health_is_told_to_hosts_without_rules,
    health_is_told_at_the_path_of_the_flag,
);

fn nothing_matches_is_404(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::new("web").host("a.example").path("/known", Prefix, "web").yaml();
    let proxy = Proxy::start(driver, text);
    let mut client = proxy.client();
    for (host, path) in [("a.example", "/unknown"), ("b.example", "/known")] {
        assert_eq!(client.get(host, path).status(), 404, "{host}{path}");
    }
    assert_eq!(client.get("a.example", "/known").status(), 200, "404 keeps the connection");
}

fn default_backend_of_an_ingress_serves_unknown_hosts(driver: Driver) {
    let (_backends, mut text) = echoes(&["web", "fallback"]);
    text += &Ingress::new("fallback").default_backend("fallback").yaml();
    text += &Ingress::new("web").host("a.example").path("/known", Prefix, "web").yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/known").backend(), "web");
    assert_eq!(proxy.get("b.example", "/").backend(), "fallback");
}

fn default_backend_service_serves_what_nothing_matches(driver: Driver) {
    let (_backends, mut text) = echoes(&["web", "fallback"]);
    text += &Ingress::new("web").host("a.example").path("/known", Prefix, "web").yaml();
    let proxy = Builder::new(driver)
        .flag("--default-backend-service", "default/fallback:80")
        .manifests(text)
        .start();
    assert_eq!(proxy.get("a.example", "/known").backend(), "web");
    assert_eq!(proxy.get("a.example", "/unknown").backend(), "fallback");
    assert_eq!(proxy.get("b.example", "/").backend(), "fallback");
}

/// What load balancers probe, as the catch-all server of ingress-nginx answers: for any method,
/// over TLS too, even where a default backend or a rule for every host takes the rest.
fn health_is_told_to_hosts_without_rules(driver: Driver) {
    let (_backends, mut text) = echoes(&["web", "fallback"]);
    text += &Ingress::new("web").host("a.example").path("/", Prefix, "web").yaml();
    text += &Ingress::new("bare").host("bare.example").path("/known", Prefix, "web").yaml();
    text += &Ingress::new("star").host("*.star.example").path("/", Prefix, "web").yaml();
    let any = Ingress::new("any").host("").path("/", Prefix, "fallback").yaml();
    let own = Ingress::new("own").host("").path("/healthz", Exact, "fallback").yaml();
    let builder = || Builder::new(driver).flag("--default-backend-service", "default/fallback:80");
    let check = |proxy: &Proxy, host: &str, path: &str, expected: Result<&str, u16>| {
        let response = proxy.get(host, path);
        let is_ours = response.text().is_empty() || response.status() != 200;
        let found = if is_ours { Err(response.status()) } else { Ok(response.backend()) };
        assert_eq!(found, expected.map(str::to_owned), "{host}{path}");
    };
    let health = Err(200);
    for proxy in [
        Proxy::start(driver, &text),
        builder().manifests(&text).start(),
        builder().manifests(text.clone() + &any).start(),
    ] {
        for host in ["b.example", "127.0.0.1", "[::1]:80", "x.y.star.example"] {
            check(&proxy, host, "/healthz", health);
        }
        check(&proxy, "b.example", "/healthz?full=1", health);
        check(&proxy, "a.example", "/healthz", Ok("web"));
        check(&proxy, "x.star.example", "/healthz", Ok("web"));
        let mut client = proxy.client();
        client.send("GET /healthz HTTP/1.0\r\n\r\n");
        assert_eq!(client.response().status(), 200, "without Host");
        let mut client = proxy.client();
        client.send("HEAD /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
        let response = client.response_to("HEAD");
        assert_eq!((response.status(), response.field("content-length")), (200, Some("0")));
        client.send("POST /healthz HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\na");
        assert_eq!(client.response().status(), 200);
        assert_eq!(client.get("b", "/healthz").status(), 200, "the connection goes on");
        let answer = curl_insecure(proxy.https, "/healthz");
        assert!(answer.ends_with(" 200"), "{answer}");
    }
    let proxy = Proxy::start(driver, &text);
    check(&proxy, "bare.example", "/healthz", Err(404));
    check(&proxy, "b.example", "/healthz/", Err(404));
    check(&proxy, "b.example", "/healthzx", Err(404));
    let proxy = Proxy::start(driver, text.clone() + &any + &own);
    check(&proxy, "b.example", "/healthz", Ok("fallback"));
}

fn health_is_told_at_the_path_of_the_flag(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::new("web").host("a.example").path("/", Prefix, "web").yaml();
    let with = |path: &str| Builder::new(driver).flag("--health-check-path", path).manifests(&text);
    let proxy = with("/up").start();
    assert_eq!(proxy.get("b.example", "/up").status(), 200);
    assert_eq!(proxy.get("b.example", "/healthz").status(), 404);
    let proxy = with("").start();
    assert_eq!(proxy.get("b.example", "/healthz").status(), 404);
    assert_eq!(proxy.get("b.example", "/").status(), 404);
}

/// Nobody's certificate, nobody's name: what a load balancer sees.
fn curl_insecure(address: SocketAddr, path: &str) -> String {
    let format = "%{http_code}";
    let url = format!("https://{address}{path}");
    curl(address, &["-k", "-s", "-o", "/dev/null", "-w", &format!(" {format}"), &url]).text()
}
