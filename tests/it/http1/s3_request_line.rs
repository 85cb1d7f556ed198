//! RFC 9112 section 3: request line, request target, Host.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Ingress, PathType, Proxy, cases, manifest};

for_each_driver!(
    table,
    target_reaches_the_upstream_as_one_form,
    options_asterisk_is_served,
    http_1_0_is_forwarded_as_our_own_version,
    what_is_matched_is_what_is_forwarded,
);

fn table(driver: Driver) {
    cases::run(driver, include_str!("../cases/s3_request_line.txt"));
}

/// RFC 9112 3.2.2: absolute-form becomes origin-form, its authority becomes Host.
fn target_reaches_the_upstream_as_one_form(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    let mut check = |target: &str, host: &str, expected_target: &str, expected_host: &str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status(), 200, "{target}");
        assert_eq!(response.json()["target"], expected_target, "{target}");
        assert_eq!(response.echoed_field("host").as_deref(), Some(expected_host), "{target}");
    };
    check("/a?b=c", "a.example", "/a?b=c", "a.example");
    check("http://a.example/a?b", "elsewhere.example", "/a?b", "a.example");
    check("HTTP://A.EXAMPLE:80/", "elsewhere.example", "/", "A.EXAMPLE:80");
    check("http://a.example", "a.example", "/", "a.example");
    check("http://a.example?b", "a.example", "/?b", "a.example");
    check("/a%2Fb%5Cc", "a.example", "/a%2Fb%5Cc", "a.example");
    check("/?q=/../x", "a.example", "/?q=/../x", "a.example");
}

/// RFC 9112 3.2.4.
fn options_asterisk_is_served(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json()["target"], "*");
    assert_eq!(client.get("a.example", "/next").status(), 200);
}

/// RFC 9112 2.3: the forwarded version is our own.
fn http_1_0_is_forwarded_as_our_own_version(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    let response = client.response();
    assert!(response.start_line.starts_with("HTTP/1.1 200"), "{}", response.start_line);
    assert_eq!(response.json()["start_line"], "GET / HTTP/1.1");
    client.assert_closed();
}

/// RFC 3986 6.2.2: a policy on a path cannot be passed by spelling the path differently.
fn what_is_matched_is_what_is_forwarded(driver: Driver) {
    let (open, secret) = (Backend::echo("open"), Backend::echo("secret"));
    let ingress = Ingress::new("web").host("a.example").path("/", PathType::Prefix, "open").path(
        "/secret",
        PathType::Prefix,
        "secret",
    );
    let manifests = manifest::backend("open", &[open.address()])
        + &manifest::backend("secret", &[secret.address()])
        + &ingress.yaml();
    let proxy = Proxy::start(driver, manifests);
    let check = |target: &str, backend: &str| {
        let response = proxy.get("a.example", target);
        if response.status() == 200 {
            assert_eq!(response.backend(), backend, "{target}");
            let forwarded = response.json()["target"].as_str().unwrap_or_default().to_owned();
            assert!(!forwarded.contains("/../"), "{target} went on as {forwarded}");
        } else {
            assert_eq!(response.status(), 400, "{target}");
        }
    };
    check("/secret/x", "secret");
    check("/open/../secret/x", "secret");
    check("/open/%2e%2e/secret/x", "secret");
    check("/open/.%2E/secret/x", "secret");
    check("/./secret/x", "secret");
    check("/%73ecret/x", "secret");
    check("/secret/../open", "open");
    check("/secret%2F..%2Fopen", "open");
}
