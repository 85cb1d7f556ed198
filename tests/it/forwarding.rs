//! Fields that an upstream is sent, as ingress-nginx sends them.

use crate::for_each_driver;
use crate::harness::frames::{self, END_STREAM};
use crate::harness::{Backend, Driver, Http2, Ingress, Proxy, manifest};

for_each_driver!(
    upstream_learns_who_asked_and_how,
    client_cannot_forge_what_we_say,
    request_id_is_kept_or_made,
    claims_are_passed_on_as_claims,
    names_that_backends_cannot_tell_apart_are_dropped,
    nobody_says_who_the_client_is_but_us,
    a_backend_may_be_asked_by_another_name,
);

const VHOST: &str = "nginx.ingress.kubernetes.io/upstream-vhost";

/// What the client asked for is said apart.
fn a_backend_may_be_asked_by_another_name(driver: Driver) {
    for (value, expected) in [
        ("inner.example:81", "inner.example:81"),
        ("", "a.example"),
        // A value that the request does not have.
        ("$http_x", ""),
    ] {
        let backend = Backend::echo("a");
        let ingress = Ingress::simple("web", "a.example", "web").annotation(VHOST, value).yaml();
        let manifests = manifest::backend("web", &[backend.address()]) + &ingress;
        let proxy = Proxy::start(driver, manifests);
        let response = proxy.get("a.example", "/");
        assert_eq!(response.echoed_fields("host"), [expected], "{value}");
        assert_eq!(response.echoed_fields("x-forwarded-host"), ["a.example"], "{value}");
    }
}

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

/// As ingress-nginx does, so that a backend can see them and not mistake them.
fn claims_are_passed_on_as_claims(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 192.0.2.1\r\n\
         X-Forwarded-Host: evil.example\r\nX-Original-Forwarded-For: 192.0.2.9\r\n\
         X-Original-Forwarded-Host: worse.example\r\nForwarded: for=192.0.2.1\r\n\
         X-Original-URI: /x\r\n\r\n",
    );
    let response = client.response();
    let check = |name: &str, value: &str| {
        assert_eq!(response.echoed_fields(name), [value], "{name}");
    };
    check("x-original-forwarded-for", "192.0.2.1");
    check("x-original-forwarded-host", "evil.example");
    check("forwarded", "for=192.0.2.1");
    check("x-original-uri", "/x");
}

/// They collide with `-` in CGI-style backends; nginx drops them, too.
fn names_that_backends_cannot_tell_apart_are_dropped(driver: Driver) {
    let (_backend, proxy) = start(driver);
    let mut client = proxy.client();
    for name in ["X_Forwarded_For", "X.Forwarded.For", "X-Real_IP", "ssl_client_verify", "a!b"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{name}: 192.0.2.1\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.echoed_fields(name), [""; 0], "{name}");
    }
}

const IDENTITY: [&str; 4] =
    ["ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert"];

/// A host that asks for no client certificates, so that nothing takes the place of a forgery.
fn nobody_says_who_the_client_is_but_us(driver: Driver) {
    let (backend, proxy) = start(driver);
    let mut client = proxy.client();
    for name in IDENTITY {
        let spellings = [name.to_owned(), name.to_uppercase(), name.replace('-', "_")];
        for spelling in spellings {
            let lines = format!("{spelling}: forged\r\nX: y\r\n{spelling}: forged\r\n");
            let head = format!("Host: a.example\r\n{lines}");
            client.send(format!("GET / HTTP/1.1\r\n{head}\r\n"));
            assert_eq!(client.response().status(), 200, "{spelling}");
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nok\r\n0\r\n{lines}\r\n"
            ));
            assert_eq!(client.response().status(), 200, "{spelling} behind the body");
            let mut upgrading = proxy.client();
            upgrading.send(format!(
                "GET / HTTP/1.1\r\n{head}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            ));
            assert_eq!(upgrading.response().status(), 200, "{spelling} of an upgrade");
        }
        let mut nominating = proxy.client();
        nominating.send(format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: {name}\r\n{name}: forged\r\n\r\n"
        ));
        assert_eq!(nominating.response().status(), 400, "{name} nominated");
        let mut http2 = Http2::connect(proxy.http);
        let (head, forged) = (frames::request("GET", "/"), [(name, "forged"), (name, "forged")]);
        let fields = [&head[..], &forged].concat();
        http2.send(frames::headers(1, &fields, END_STREAM));
        assert_eq!(http2.answer(1).status, 200, "{name} over HTTP/2");
    }
    assert!(!backend.received_text().contains("forged"), "{}", backend.received_text());
}
