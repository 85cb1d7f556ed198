//! The HTTPS port beside the HTTP port: redirect and Strict-Transport-Security.

use super::{builder, start};
use crate::for_each_driver;
use crate::harness::peer::curl_tls;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Driver, Ingress, Proxy, manifest};

for_each_driver!(
    http_is_redirected_where_there_is_tls,
    redirect_can_be_switched_off,
    strict_transport_security_on_https_alone,
);

/// 308 keeps the method; host and target stay, and a host without `spec.tls` is served.
fn http_is_redirected_where_there_is_tls(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = builder(driver, &authority, &backend)
        .manifests(Ingress::simple("plain", "plain.example", "web").yaml())
        .start();
    let response = proxy.get("a.example", "/x/y?q=1");
    assert_eq!(response.status(), 308);
    assert_eq!(response.field("location"), Some("https://a.example/x/y?q=1"));
    let response = proxy.get("a.example:8080", "/x");
    assert_eq!(response.field("location"), Some("https://a.example/x"), "without the port");
    for (sent, location) in [
        ("/foo/%25%32%46/../%2fx?a[]=|&b=%zz", None),
        ("//x/./;y?", None),
        ("http://a.example/%41?", Some("/%41?")),
        ("http://a.example?b", Some("/?b")),
        ("/\u{e4}\\?\u{e4}", Some("/%C3%A4%5C?%C3%A4")),
    ] {
        let expected = format!("https://a.example{}", location.unwrap_or(sent));
        let response = proxy.get("a.example", sent);
        assert_eq!(response.field("location"), Some(&*expected), "as it came: {sent}");
    }
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response().status(), 308);
    assert_eq!(client.get("plain.example", "/").status(), 200);
    assert_eq!(backend.request_count(), 1);
    let answer = crate::harness::Http2::connect(proxy.http).get(1, "/x");
    assert_eq!(answer.status, 308, "also over HTTP/2");
}

fn redirect_can_be_switched_off(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let leaf = authority.issue(&["a.example"]);
    let ingress = Ingress::simple("web", "a.example", "web")
        .annotation("nginx.ingress.kubernetes.io/ssl-redirect", "false")
        .tls(&["a.example"], "a-tls");
    let proxy = Proxy::start(
        driver,
        manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("a-tls", &leaf.chain, &leaf.key)
            + &ingress.yaml(),
    );
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    curl_tls(proxy.https, &authority, &["https://a.example/"]).assert_success();
}

/// RFC 6797 section 7.2: never over plain HTTP. One line, also where the upstream sent one.
fn strict_transport_security_on_https_alone(driver: Driver) {
    let backend = Backend::fixed(
        "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 2\r\n\r\nok",
    );
    let authority = Authority::new();
    let proxy = start(driver, &authority, &backend);
    for version in ["--http1.1", "--http2"] {
        for (path, status) in [("a.example/", " 200"), ("a.example/", " 200")] {
            let url = format!("https://{path}");
            let text = curl_tls(proxy.https, &authority, &[version, "-i", &url]).text();
            assert!(text.lines().next().is_some_and(|line| line.contains(status)), "{text}");
            let lower = text.to_ascii_lowercase();
            let lines: Vec<&str> = lines_named(&lower, "strict-transport-security").collect();
            assert_eq!(lines.len(), 1, "{version}: {text}");
            assert!(lines[0].contains("max-age=31536000"), "{lines:?}");
        }
    }
    let response = proxy.get("a.example", "/");
    assert_eq!(response.status(), 308);
    assert_eq!(response.field("strict-transport-security"), None);
}

fn lines_named<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter(move |line| line.starts_with(name))
}
