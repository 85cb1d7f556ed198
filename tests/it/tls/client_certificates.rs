//! Client certificates: required or optional by host, and never carried to another policy.

use super::HTTP1;
use crate::for_each_driver;
use crate::harness::peer::{curl_tls, s_client};
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Ingress, Proxy, manifest};

for_each_driver!(
    required_certificate,
    optional_certificate,
    certificate_of_another_authority_is_refused,
    host_of_another_policy_is_421,
    plain_request_gets_no_answer_of_the_host,
    session_of_another_policy_is_not_resumed,
);

const SECRET: &str = "nginx.ingress.kubernetes.io/auth-tls-secret";
const VERIFY: &str = "nginx.ingress.kubernetes.io/auth-tls-verify-client";

/// `a.example` asks as `verify` says, `b.example` and `c.example` do not; one certificate for all.
fn start(driver: Driver, authority: &Authority, backend: &Backend, verify: &str) -> Proxy {
    let leaf = authority.issue(&["a.example", "b.example", "c.example"]);
    let open =
        |name: &str, host: &str| Ingress::simple(name, host, "web").tls(&[host], "all-tls").yaml();
    let asking = Ingress::simple("a", "a.example", "web")
        .annotation(SECRET, "default/ca")
        .annotation(VERIFY, verify)
        .tls(&["a.example"], "all-tls");
    Proxy::start(
        driver,
        manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
            + &manifest::secret("ca", "Opaque", &[("ca.crt", &authority.pem)])
            + &asking.yaml()
            + &open("b", "b.example")
            + &open("c", "c.example"),
    )
}

/// curl's arguments for a certificate of its own.
fn identity(authority: &Authority, issuer: &Authority) -> [String; 4] {
    let (chain, key) = authority.files("client", &issuer.issue_client("someone"));
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    ["--cert".to_owned(), chain, "--key".to_owned(), key]
}

/// Neither served nor known to the backend: the handshake fails, or 400 or 403 comes.
#[track_caller]
fn assert_refused(proxy: &Proxy, authority: &Authority, more: &[&str]) {
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let args = [version, more, &["-i", "https://a.example/refused"]].concat();
        let output = curl_tls(proxy.https, authority, &args);
        let text = output.text();
        assert!(output.code != 0 || text.contains(" 400") || text.contains(" 403"), "{text}");
    }
}

fn required_certificate(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "on");
    assert_refused(&proxy, &authority, &[]);
    assert!(!backend.received_text().contains("/refused"));
    let identity = identity(&authority, &authority);
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        for http in ["--http1.1", "--http2"] {
            let args = [version, &identity, &[http, "https://a.example/"]].concat();
            let output = curl_tls(proxy.https, &authority, &args);
            output.assert_success();
            output.assert_says("\"backend\":\"a\"");
        }
    }
    curl_tls(proxy.https, &authority, &["https://b.example/"]).assert_success();
}

fn optional_certificate(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "optional");
    let url = "https://a.example/";
    curl_tls(proxy.https, &authority, &[url]).assert_success();
    let identity = identity(&authority, &authority);
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    curl_tls(proxy.https, &authority, &[&identity[..], &[url]].concat()).assert_success();
    let args = ["-servername", "a.example"];
    s_client(proxy.https, &authority, &args, "").assert_says("Test Authority");
}

fn certificate_of_another_authority_is_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    for verify in ["on", "optional"] {
        let proxy = start(driver, &authority, &backend, verify);
        let identity = identity(&authority, &Authority::new());
        let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        assert_refused(&proxy, &authority, &identity);
    }
    assert!(!backend.received_text().contains("/refused"));
}

/// RFC 9110 section 15.5.20; a host of the same policy is served.
fn host_of_another_policy_is_421(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "on");
    let mut client = Client::tls(proxy.https, &authority.trusting(HTTP1), "b.example");
    assert_eq!(client.get("b.example", "/").status(), 200);
    assert_eq!(client.get("c.example", "/").status(), 200);
    assert_eq!(client.get("a.example", "/refused").status(), 421);
    let args = ["--http2", "-H", "Host: a.example", "-i", "https://b.example/refused"];
    curl_tls(proxy.https, &authority, &args).assert_says("HTTP/2 421");
    assert!(!backend.received_text().contains("/refused"));
}

/// Where the redirect is off, a request that no handshake came before proves nothing.
fn plain_request_gets_no_answer_of_the_host(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let leaf = authority.issue(&["a.example"]);
    for verify in ["on", "optional"] {
        let ingress = Ingress::simple("a", "a.example", "web")
            .annotation(SECRET, "default/ca")
            .annotation(VERIFY, verify)
            .annotation("nginx.ingress.kubernetes.io/ssl-redirect", "false")
            .tls(&["a.example"], "all-tls");
        let proxy = Proxy::start(
            driver,
            manifest::backend("web", &[backend.address()])
                + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
                + &manifest::secret("ca", "Opaque", &[("ca.crt", &authority.pem)])
                + &ingress.yaml()
                + &Ingress::simple("b", "b.example", "web").yaml(),
        );
        let mut client = proxy.client();
        for host in ["a.example", "a.example:443", "A.EXAMPLE"] {
            assert_eq!(client.get(host, "/refused").status(), 403, "{verify} {host}");
        }
        assert_eq!(client.get("b.example", "/").status(), 200);
        let answer = crate::harness::Http2::connect(proxy.http).get(1, "/refused");
        assert_eq!(answer.status, 403, "{verify}: also over HTTP/2");
    }
    assert!(!backend.received_text().contains("/refused"));
}

/// CVE-2025-23419: a ticket of `b.example` says nothing about `a.example`.
fn session_of_another_policy_is_not_resumed(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "on");
    for version in ["-tls1_2", "-tls1_3"] {
        let file = authority.folder().join("session").display().to_string();
        let ask = |host: &str, option: &str| {
            let args = [version, "-servername", host, "-ign_eof", option, &file];
            let request =
                format!("GET /of-{host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            s_client(proxy.https, &authority, &args, &request)
        };
        ask("b.example", "-sess_out").assert_says("HTTP/1.1 200");
        let output = ask("a.example", "-sess_in");
        assert!(!output.text().contains("Reused, "), "{version}: {}", output.text());
        assert!(!output.text().contains("HTTP/1.1 200"), "{version}: {}", output.text());
    }
    assert!(!backend.received_text().contains("/of-a.example"));
}
