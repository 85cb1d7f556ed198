//! Ingress API, `spec.defaultBackend`; `--default-backend-service`; the 404 of last resort.

use super::echoes;
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Builder, Driver, Ingress, Proxy};

for_each_driver!(
    nothing_matches_is_404,
    default_backend_of_an_ingress_serves_unknown_hosts,
    default_backend_service_serves_what_nothing_matches,
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
