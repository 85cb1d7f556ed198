//! Fields that an upstream is sent, as ingress-nginx sends them.

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Proxy, manifest};

for_each_driver!(
    upstream_learns_who_asked_and_how,
    client_cannot_forge_what_we_say,
    request_id_is_kept_or_made,
    names_with_underscore_are_dropped,
);

fn start(driver: Driver) -> (Backend, Proxy) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    (backend, proxy)
}

fn upstream_learns_who_asked_and_how(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let response = proxy.get("a.example:8080", "/");
    let check = |name: &str, value: &str| {
        assert_eq!(response.echoed_field(name).as_deref(), Some(value), "{name}");
    };
    check("host", "a.example:8080");
    check("x-real-ip", "127.0.0.1");
    check("x-forwarded-for", "127.0.0.1");
    check("x-forwarded-host", "a.example:8080");
    check("x-forwarded-port", &proxy.http.port().to_string());
    check("x-forwarded-proto", "http");
    check("x-forwarded-scheme", "http");
    check("x-scheme", "http");
    assert_eq!(response.echoed_field("connection"), None, "an upstream connection is kept");
}

/// One line each, with our value.
fn client_cannot_forge_what_we_say(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a.example\r\nX-Real-IP: 192.0.2.1\r\n\
         X-Forwarded-For: 192.0.2.1\r\n\
         x-forwarded-for: 192.0.2.2\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Scheme: https\r\nX-Scheme: https\r\n\r\n",
    );
    let response = client.response();
    let check = |name: &str, value: &str| {
        assert_eq!(response.echoed_fields(name), [value], "{name}");
    };
    check("x-real-ip", "127.0.0.1");
    check("x-forwarded-for", "127.0.0.1");
    check("x-forwarded-host", "a.example");
    check("x-forwarded-port", &proxy.http.port().to_string());
    check("x-forwarded-proto", "http");
    check("x-forwarded-scheme", "http");
    check("x-scheme", "http");
}

fn request_id_is_kept_or_made(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: mine-1\r\n\r\n");
    assert_eq!(client.response().echoed_fields("x-request-id"), ["mine-1"]);
    let made: Vec<_> = (0..3)
        .map(|_| client.get("a.example", "/").echoed_field("x-request-id").unwrap_or_default())
        .collect();
    for id in &made {
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id:?}");
    }
    assert!(made[0] != made[1] && made[1] != made[2], "{made:?}");
}

/// They collide with `-` in CGI-style backends; nginx drops them, too.
fn names_with_underscore_are_dropped(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nX_Forwarded_For: 192.0.2.1\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status(), 200);
    assert_eq!(response.echoed_fields("x_forwarded_for"), [""; 0]);
}
