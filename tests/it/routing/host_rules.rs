//! Ingress API, `spec.rules[].host`.

use super::echoes;
use crate::for_each_driver;
use crate::harness::{Driver, Ingress, Proxy};

for_each_driver!(exact_before_wildcard_before_any, hosts_are_shared_by_ingresses);

fn exact_before_wildcard_before_any(driver: Driver) {
    let (_backends, mut text) = echoes(&["exact", "wild", "any"]);
    text += &Ingress::simple("exact", "foo.example", "exact").yaml();
    text += &Ingress::simple("wild", "*.foo.example", "wild").yaml();
    text += &Ingress::simple("any", "", "any").yaml();
    let proxy = Proxy::start(driver, text);
    let check = |host: &str, backend: &str| {
        assert_eq!(proxy.get(host, "/").backend(), backend, "{host}");
    };
    check("foo.example", "exact");
    check("FOO.Example", "exact");
    check("foo.example.", "exact");
    check("foo.example:8080", "exact");
    check("a.foo.example", "wild");
    check("A.FOO.example:1", "wild");
    // A wildcard covers one label, and one label only.
    check("a.b.foo.example", "any");
    check("xfoo.example", "any");
    check("other.example", "any");
    check("192.0.2.1", "any");
    check("[2001:db8::1]:80", "any");
}

/// Two objects may each bring paths to one host.
fn hosts_are_shared_by_ingresses(driver: Driver) {
    use crate::harness::PathType::Prefix;
    let (_backends, mut text) = echoes(&["one", "two"]);
    text += &Ingress::new("one").host("a.example").path("/one", Prefix, "one").yaml();
    text += &Ingress::new("two").host("A.example").path("/two", Prefix, "two").yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/one").backend(), "one");
    assert_eq!(proxy.get("a.example", "/two").backend(), "two");
    assert_eq!(proxy.get("a.example", "/three").status(), 404);
}
