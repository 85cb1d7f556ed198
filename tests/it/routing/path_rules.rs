//! Ingress API, `spec.rules[].http.paths[]`: the table of examples of the documentation and more.

use super::echoes;
use crate::for_each_driver;
use crate::harness::PathType::{Exact, ImplementationSpecific, Prefix};
use crate::harness::{Driver, Ingress, PathType, Proxy};

for_each_driver!(
    examples_of_the_ingress_documentation,
    longest_path_wins_and_exact_before_prefix,
    prefixes_that_differ_by_a_slash_are_two,
    named_and_numeric_ports_reach_the_same_service,
    oldest_ingress_wins_a_path,
);

/// One rule; the path of the request either matches it or gets 404. As in ingress-nginx one that
/// lacks but the slash at the end of the rule's is redirected there.
fn examples_of_the_ingress_documentation(driver: Driver) {
    let rows: &[(PathType, &str, &str, u16)] = &[
        (Prefix, "/", "/any/path", 200),
        (Exact, "/foo", "/foo", 200),
        (Exact, "/foo", "/bar", 404),
        (Exact, "/foo", "/foo/", 404),
        (Exact, "/foo/", "/foo", 301),
        (Exact, "/foo", "/FOO", 404),
        (Prefix, "/foo", "/foo", 200),
        (Prefix, "/foo", "/foo/", 200),
        (Prefix, "/foo/", "/foo", 301),
        (Prefix, "/foo/", "/foo/", 200),
        (Prefix, "/aaa/bb", "/aaa/bbb", 404),
        (Prefix, "/aaa/bbb", "/aaa/bbb", 200),
        (Prefix, "/aaa/bbb/", "/aaa/bbb", 301),
        (Prefix, "/aaa/bbb", "/aaa/bbb/", 200),
        (Prefix, "/aaa/bbb", "/aaa/bbb/ccc", 200),
        (Prefix, "/aaa/bbb", "/aaa/bbbxyz", 404),
        (Prefix, "/foo", "/FOO", 404),
        (Prefix, "/foo", "/foo?bar=/x", 200),
        (Prefix, "/foo", "/?x=/foo", 404),
        (Prefix, "/ü", "/%c3%bc/x", 200),
        (Exact, "/ü", "/ü", 200),
        (Exact, "/%C3%BC", "/ü", 200),
        (ImplementationSpecific, "/foo", "/foo/bar", 200),
        (ImplementationSpecific, "/foo", "/foobar", 404),
    ];
    let (_backends, mut text) = echoes(&["web"]);
    let mut ingress = Ingress::new("web");
    for (index, (path_type, path, _, _)) in rows.iter().enumerate() {
        ingress = ingress.host(&format!("h{index}.example")).path(path, *path_type, "web");
    }
    text += &ingress.yaml();
    let proxy = Proxy::start(driver, text);
    for (index, (path_type, path, request, expected)) in rows.iter().enumerate() {
        let status = proxy.get(&format!("h{index}.example"), request).status();
        assert_eq!(status, *expected, "{path_type:?} {path} against {request}");
    }
}

/// Of one Ingress or of two; a table of few paths and one of many.
fn prefixes_that_differ_by_a_slash_are_two(driver: Driver) {
    let (_backends, mut text) = echoes(&["foo", "below", "root"]);
    text += &Ingress::new("one")
        .host("a.example")
        .path("/", Prefix, "root")
        .path("/foo", Prefix, "foo")
        .path("/foo/", Prefix, "below")
        .yaml();
    let mut many = Ingress::new("many").host("b.example").path("/foo/", Prefix, "below");
    for n in 0..20 {
        many = many.path(&format!("/{n}/{n}"), Prefix, "root");
    }
    text += &many.yaml();
    text += &Ingress::new("other")
        .host("b.example")
        .path("/foo", ImplementationSpecific, "foo")
        .path("/", Prefix, "root")
        .yaml();
    let proxy = Proxy::start(driver, text);
    for host in ["a.example", "b.example"] {
        for (path, backend) in [
            ("/foo", "foo"),
            ("/foo?x=/", "foo"),
            ("/foo/", "below"),
            ("/foo/x", "below"),
            ("/foo/x/y", "below"),
            ("/foobar", "root"),
        ] {
            assert_eq!(proxy.get(host, path).backend(), backend, "{host}{path}");
        }
    }
}

fn longest_path_wins_and_exact_before_prefix(driver: Driver) {
    let (_backends, mut text) = echoes(&["root", "foo", "exact", "foobar"]);
    text += &Ingress::new("web")
        .host("a.example")
        .path("/", Prefix, "root")
        .path("/foo", Prefix, "foo")
        .path("/foo", Exact, "exact")
        .path("/foo/bar", Prefix, "foobar")
        .yaml();
    let proxy = Proxy::start(driver, text);
    let check = |path: &str, backend: &str| {
        assert_eq!(proxy.get("a.example", path).backend(), backend, "{path}");
    };
    check("/", "root");
    check("/fo", "root");
    check("/foo", "exact");
    check("/foo/", "foo");
    check("/foo/ba", "foo");
    check("/foo/bar", "foobar");
    check("/foo/bar/baz?x", "foobar");
    check("/foo/barbaz", "foo");
}

fn named_and_numeric_ports_reach_the_same_service(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::new("web")
        .host("a.example")
        .path_to_port("/number", Prefix, "web", "number: 80")
        .path_to_port("/name", Prefix, "web", "name: http")
        .path_to_port("/wrong-number", Prefix, "web", "number: 81")
        .path_to_port("/wrong-name", Prefix, "web", "name: grpc")
        .yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/number").status(), 200);
    assert_eq!(proxy.get("a.example", "/name").status(), 200);
    assert_eq!(proxy.get("a.example", "/wrong-number").status(), 503);
    assert_eq!(proxy.get("a.example", "/wrong-name").status(), 503);
}

/// creationTimestamp first, then namespace/name; the loser keeps its other paths.
fn oldest_ingress_wins_a_path(driver: Driver) {
    let (_backends, mut text) = echoes(&["young", "old"]);
    text += &Ingress::new("a-young")
        .created("2026-02-02T00:00:00Z")
        .host("a.example")
        .path("/shared", Prefix, "young")
        .path("/own", Prefix, "young")
        .yaml();
    text += &Ingress::new("b-old")
        .created("2026-01-01T00:00:00Z")
        .host("a.example")
        .path("/shared", Prefix, "old")
        .yaml();
    text += &Ingress::new("x1").host("b.example").path("/", Prefix, "old").yaml();
    text += &Ingress::new("x2").host("b.example").path("/", Prefix, "young").yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("a.example", "/shared").backend(), "old");
    assert_eq!(proxy.get("a.example", "/own").backend(), "young");
    assert_eq!(proxy.get("b.example", "/").backend(), "old", "x1 comes before x2");
    proxy.wait_for_output("b-old");
}
