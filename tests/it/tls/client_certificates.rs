//! Client certificates: required or optional by host, and never carried to another policy.

use super::HTTP1;
use crate::for_each_driver;
use crate::harness::peer::{curl_tls, s_client};
use crate::harness::pki::{Authority, OldAuthority};
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    required_certificate,
    optional_certificate,
    certificate_of_another_authority_is_refused,
    host_of_another_policy_is_421,
    plain_request_gets_no_answer_of_the_host,
    session_of_another_policy_is_not_resumed,
    refusal_ends_the_connection_and_reaches_no_path,
    backend_is_told_who_the_client_is,
    backend_is_told_what_is_wrong_if_the_host_wants_to_know,
    certificates_of_version_1,
    subjects_and_pages_are_those_of_the_host,
);

const SECRET: &str = "nginx.ingress.kubernetes.io/auth-tls-secret";
const PASS: &str = "nginx.ingress.kubernetes.io/auth-tls-pass-certificate-to-upstream";
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
    let manifests = manifest::backend("web", &[backend.address()])
        + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
        + &manifest::secret("ca", "Opaque", &[("ca.crt", &authority.pem)])
        + &asking.yaml()
        + &open("b", "b.example")
        + &open("c", "c.example");
    Builder::new(driver).flag("--log-level", "debug").manifests(manifests).start()
}

/// Who is believed and is not meant gets 403; who is not believed is sent where he is told why.
fn subjects_and_pages_are_those_of_the_host(driver: Driver) {
    const MATCH: &str = "nginx.ingress.kubernetes.io/auth-tls-match-cn";
    const PAGE: &str = "nginx.ingress.kubernetes.io/auth-tls-error-page";
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let hosts =
        ["page", "none", "some", "other", "loose", "late"].map(|name| format!("{name}.example"));
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let leaf = authority.issue(&hosts);
    let ingress = |name: &str, annotations: &[(&str, &str)]| {
        let host = format!("{name}.example");
        let ingress = Ingress::simple(name, &host, "web").tls(&[&host], "all-tls");
        let ingress = ingress.annotation(SECRET, "default/ca");
        annotations.iter().fold(ingress, |ingress, (key, value)| ingress.annotation(key, value))
    };
    let page = (PAGE, "https://help.example/certificates?a=b");
    let late = |subject: &str| ingress("late", &[(MATCH, subject)]).yaml();
    let proxy = Proxy::start(
        driver,
        manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
            + &manifest::secret("ca", "Opaque", &[("ca.crt", &authority.pem)])
            + &ingress("page", &[page]).yaml()
            + &ingress("none", &[(PAGE, "/certificates")]).yaml()
            + &ingress("some", &[page, (MATCH, "CN=(nobody|someone)$")]).yaml()
            + &ingress("other", &[page, (MATCH, "CN=some$")]).yaml()
            + &ingress("loose", &[(VERIFY, "optional_no_ca"), (MATCH, "CN=someone")]).yaml(),
    );
    proxy.wait_for_output("\"/certificates\" cannot be used: it is no URL");
    let good = identity(&authority, &authority);
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    let check = |host: &str, who: &[&str], status: &str| {
        for http in ["--http1.1", "--http2"] {
            let url = format!("https://{host}.example/x");
            let output = curl_tls(proxy.https, &authority, &[who, &[http, "-i", &url]].concat());
            output.assert_success();
            let text = output.text();
            assert!(text.lines().next().is_some_and(|line| line.contains(status)), "{host} {text}");
            let is_sent =
                text.to_lowercase().contains("location: https://help.example/certificates?a=b");
            assert_eq!(is_sent, status == "302", "{host} {text}");
        }
    };
    for (host, without, with) in [
        ("page", "302", "200"),
        ("none", "400", "200"),
        ("some", "302", "200"),
        ("other", "302", "403"),
        ("loose", "403", "200"),
    ] {
        check(host, &[], without);
        check(host, &good, with);
    }
    for (subject, status) in [("CN=other", "403"), ("CN=(some|any)one", "200"), ("CN=(", "403")] {
        proxy.write("late.yaml", &late(subject));
        wait_until(subject, || {
            let args = [&good[..], &["-i", "https://late.example/x"]].concat();
            let output = curl_tls(proxy.https, &authority, &args);
            output.text().lines().next().is_some_and(|line| line.contains(status))
        });
    }
    // Whom nobody believes may call himself what he likes.
    let forged = identity(&authority, &Authority::new());
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    check("page", &forged, "302");
    let (chain, key) = authority.files("old", &OldAuthority::new().issue("/CN=someone"));
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    check("loose", &["--cert", &chain, "--key", &key], "403");
    // Over http there is no certificate; who it would be comes before where else to go.
    assert_eq!(proxy.get("some.example", "/x").status(), 403);
    assert_eq!(proxy.get("page.example", "/x").status(), 308);
    proxy.wait_for_output("\"CN=(\" cannot be used");
}

/// curl's arguments for a certificate of its own.
fn identity(authority: &Authority, issuer: &Authority) -> [String; 4] {
    let (chain, key) = authority.files("client", &issuer.issue_client("someone"));
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    ["--cert".to_owned(), chain, "--key".to_owned(), key]
}

/// Neither served nor known to the backend: 400 says why, as from nginx.
#[track_caller]
fn assert_refused(proxy: &Proxy, authority: &Authority, more: &[&str], why: &str) {
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        for http in ["--http1.1", "--http2"] {
            let args = [version, more, &[http, "-i", "https://a.example/refused"]].concat();
            let output = curl_tls(proxy.https, authority, &args);
            output.assert_success();
            assert!(output.text().contains(" 400"), "{}", output.text());
            output.assert_says(why);
        }
    }
    assert!(proxy.metric("ringway_client_certificates_refused_total", &[]) >= 4.0);
    let why = if why == MISSING { "none was sent" } else { why };
    let told = format!("error={why}");
    let output = proxy.output();
    let mut lines =
        output.lines().filter(|line| line.contains("a client's certificate is refused"));
    assert!(lines.any(|line| line.contains(&told)), "{told}: {output}");
}

const MISSING: &str = "no required SSL certificate was sent";
const UNKNOWN: &str = "unable to verify the first certificate";
/// The authority bears the name of ours.
const FORGED: &str = "certificate signature failure";

fn required_certificate(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "on");
    assert_refused(&proxy, &authority, &[], MISSING);
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
        assert_refused(&proxy, &authority, &identity, FORGED);
        let (chain, key) = authority.files("old", &OldAuthority::new().issue("/CN=someone"));
        let (chain, key) = (chain.display().to_string(), key.display().to_string());
        assert_refused(&proxy, &authority, &["--cert", &chain, "--key", &key], UNKNOWN);
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

fn refusal_ends_the_connection_and_reaches_no_path(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "on");
    for method in ["GET", "POST", "HEAD"] {
        let mut client = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
        client.send(format!(
            "{method} /refused HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = client.response_to(method);
        assert_eq!((answer.status(), answer.field("connection")), (400, Some("close")), "{method}");
        client.assert_closed();
    }
    // Another host is another matter.
    let mut client = Client::tls(proxy.https, &authority.trusting(HTTP1), "a.example");
    assert_eq!(client.get("b.example", "/refused").status(), 421);
    assert!(!backend.received_text().contains("/refused"));
}

/// Fields that the client sends besides are never among them.
fn backend_is_told_who_the_client_is(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let leaf = authority.issue(&["a.example", "p.example", "b.example", "o.example"]);
    let host = |name: &str, annotations: &[(&str, &str)]| {
        let host = format!("{name}.example");
        let ingress = Ingress::simple(name, &host, "web").tls(&[&host], "all-tls");
        let with = |ingress: Ingress, (key, value): &(&str, &str)| ingress.annotation(key, value);
        annotations.iter().fold(ingress, with).yaml()
    };
    let optional = [(SECRET, "default/ca"), (VERIFY, "optional")];
    let proxy = Proxy::start(
        driver,
        manifest::backend("web", &[backend.address()])
            + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
            + &manifest::secret("ca", "Opaque", &[("ca.crt", &authority.pem)])
            + &host("a", &optional)
            + &host("p", &[&optional[..], &[(PASS, "true")]].concat())
            + &host("b", &[])
            + &host("o", &[(SECRET, "default/ca"), (VERIFY, "off")]),
    );
    let client = authority.issue_client("some one");
    let versions = [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]];
    for (host, leaf, verify, has_certificate) in [
        ("a.example", Some(&client), &["SUCCESS"][..], false),
        ("a.example", None, &["NONE"], false),
        ("p.example", Some(&client), &["SUCCESS"], true),
        ("p.example", None, &["NONE"], false),
        ("b.example", Some(&client), &[], false),
        ("o.example", Some(&client), &["NONE"], false),
    ] {
        for versions in versions {
            let config = std::sync::Arc::new(authority.config(HTTP1, versions, leaf));
            // The second connection resumes the first one's session.
            for round in 0..2 {
                let mut connection = Client::tls(proxy.https, &config, host);
                connection.send(format!(
                    "GET / HTTP/1.1\r\nHost: {host}\r\nssl-client-verify: SUCCESS\r\n\
                     SSL-Client-Subject-DN: CN=admin\r\nssl-client-issuer-dn: CN=forged\r\n\
                     ssl_client_verify: SUCCESS\r\nssl-client-cert: forged\r\n\r\n"
                ));
                let answer = connection.response();
                let told = |name: &str| answer.echoed_fields(name);
                let what = format!("{host} {verify:?} {round}");
                assert_eq!(told("ssl-client-verify"), verify, "{what}");
                let is_known = *verify == ["SUCCESS"];
                let subject = if is_known { &["CN=some one"][..] } else { &[] };
                let issuer = if is_known { &["CN=Test Authority"][..] } else { &[] };
                assert_eq!(told("ssl-client-subject-dn"), subject, "{what}");
                assert_eq!(told("ssl-client-issuer-dn"), issuer, "{what}");
                let escaped = client.chain.replace(' ', "%20").replace(['\r'], "");
                let escaped = escaped.replace('\n', "%0A").replace('+', "%2B");
                let escaped = escaped.replace('/', "%2F").replace('=', "%3D");
                let certificate = if has_certificate { vec![escaped] } else { vec![] };
                assert_eq!(told("ssl-client-cert"), certificate, "{what}");
            }
        }
    }
    assert!(!backend.received_text().contains("forged"));
    assert!(!backend.received_text().contains("admin"));
}

fn backend_is_told_what_is_wrong_if_the_host_wants_to_know(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend, "optional_no_ca");
    let (chain, key) = authority.files("old", &OldAuthority::new().issue("/CN=someone"));
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    let strange = ["--cert", &chain, "--key", &key];
    let forged = identity(&authority, &Authority::new());
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    assert_refused(&proxy, &authority, &forged, FORGED);
    for http in ["--http1.1", "--http2"] {
        let args = [&strange[..], &[http, "https://a.example/"]].concat();
        let output = curl_tls(proxy.https, &authority, &args);
        output.assert_success();
        output.assert_says(&format!("FAILED:{UNKNOWN}"));
        output.assert_says("CN=someone");
    }
}

/// As ingress-nginx's own guide makes them.
fn certificates_of_version_1(driver: Driver) {
    let (authority, old, backend) = (Authority::new(), OldAuthority::new(), Backend::echo("a"));
    let leaf = authority.issue(&["a.example"]);
    let ingress = Ingress::simple("a", "a.example", "web")
        .annotation(SECRET, "default/ca")
        .tls(&["a.example"], "all-tls");
    let manifests = manifest::backend("web", &[backend.address()])
        + &manifest::tls_secret("all-tls", &leaf.chain, &leaf.key)
        + &manifest::secret("ca", "Opaque", &[("ca.crt", &old.pem)])
        + &ingress.yaml();
    let proxy = Builder::new(driver).flag("--log-level", "debug").manifests(manifests).start();
    let (chain, key) = authority.files("old", &old.issue("/CN=Ringway, Inc./C=DE"));
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let args = [version, &["--cert", &chain, "--key", &key, "https://a.example/"]].concat();
        let output = curl_tls(proxy.https, &authority, &args);
        output.assert_success();
        output.assert_says("C=DE,CN=Ringway\\\\, Inc.");
    }
    assert_refused(&proxy, &authority, &[], MISSING);
}
