//! Which certificate is shown: by server name, after changes, and when a Secret is broken.

use std::net::SocketAddr;

use super::HTTP1;
use crate::for_each_driver;
use crate::harness::peer::{curl_tls, run, s_client};
use crate::harness::pki::{Authority, Leaf, OldAuthority};
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Proxy, manifest, wait_until};

for_each_driver!(
    server_name_chooses,
    no_or_unknown_server_name_gets_the_default,
    default_certificate_can_be_named,
    kinds_of_keys,
    replaced_secret_serves_new_handshakes_and_old_connections_live,
    every_core_shows_the_new_certificate,
    malformed_secret_keeps_the_last_good_one,
    secret_that_comes_later,
    host_without_secret_gets_the_default,
    certificate_of_version_1_is_served,
    server_name_that_is_none_gets_the_default,
);

/// The subject that `openssl` sees for a server name; empty: none is sent.
#[track_caller]
fn subject(address: SocketAddr, authority: &Authority, name: &str) -> String {
    let choice = if name.is_empty() { vec!["-noservername"] } else { vec!["-servername", name] };
    let text = s_client(address, authority, &choice, "").text();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("subject="));
    line.unwrap_or_else(|| panic!("no subject: {text}")).replace(' ', "")
}

fn secret(name: &str, leaf: &Leaf) -> String {
    manifest::tls_secret(name, &leaf.chain, &leaf.key)
}

/// Three hosts: exact, wildcard, and an exact one below the wildcard.
fn hosts(authority: &Authority, backend: &Backend) -> String {
    manifest::backend("web", &[backend.address()])
        + &secret("a-tls", &authority.issue(&["a.example"]))
        + &secret("wild-tls", &authority.issue(&["*.w.example"]))
        + &secret("x-tls", &authority.issue(&["x.w.example"]))
        + &Ingress::simple("a", "a.example", "web").tls(&["a.example"], "a-tls").yaml()
        + &Ingress::simple("w", "*.w.example", "web").tls(&["*.w.example"], "wild-tls").yaml()
        + &Ingress::simple("x", "x.w.example", "web").tls(&["x.w.example"], "x-tls").yaml()
}

fn server_name_chooses(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Proxy::start(driver, hosts(&authority, &backend));
    for (name, expected) in [
        ("a.example", "CN=a.example"),
        ("A.Example", "CN=a.example"),
        ("y.w.example", "CN=*.w.example"),
        ("x.w.example", "CN=x.w.example"),
    ] {
        assert_eq!(subject(proxy.https, &authority, name), expected, "{name}");
    }
    for host in ["a.example", "y.w.example", "x.w.example"] {
        let output = curl_tls(proxy.https, &authority, &[&format!("https://{host}/")]);
        output.assert_success();
        output.assert_says("\"backend\":\"a\"");
    }
    // A wildcard stands for one label.
    let output = curl_tls(proxy.https, &authority, &["https://y.z.w.example/"]);
    assert_eq!(output.code, 60, "{}", output.text());
}

/// It names the product and is nobody's; routing goes by Host all the same.
fn no_or_unknown_server_name_gets_the_default(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Proxy::start(driver, hosts(&authority, &backend));
    for name in ["", "unknown.example", "w.example", "y.z.w.example"] {
        let subject = subject(proxy.https, &authority, name).to_ascii_lowercase();
        assert!(subject.contains("ringway"), "{name:?}: {subject}");
    }
    let args = ["-k", "-H", "Host: a.example", "https://unknown.example/"];
    let output = curl_tls(proxy.https, &authority, &args);
    output.assert_success();
    output.assert_says("\"backend\":\"a\"");
}

fn default_certificate_can_be_named(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Builder::new(driver)
        .flag("--default-ssl-certificate", "default/fallback")
        .manifests(hosts(&authority, &backend))
        .manifests(secret("fallback", &authority.issue(&["fallback.example"])))
        .start();
    assert_eq!(subject(proxy.https, &authority, "unknown.example"), "CN=fallback.example");
    assert_eq!(subject(proxy.https, &authority, ""), "CN=fallback.example");
    assert_eq!(subject(proxy.https, &authority, "a.example"), "CN=a.example");
}

/// As `openssl` makes them: RSA in PKCS#8 and PKCS#1, ECDSA in SEC1, Ed25519.
fn kinds_of_keys(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let path = |name: &str| authority.folder().join(name).display().to_string();
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("file");
    let mut manifests = manifest::backend("web", &[backend.address()]);
    let kinds: [(&str, &[&str], &[&str]); 4] = [
        ("rsa", &["-newkey", "rsa:2048"], &[]),
        ("pkcs1", &["-newkey", "rsa:2048"], &["rsa", "-traditional"]),
        ("sec1", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], &["ec"]),
        ("ed25519", &["-newkey", "ed25519"], &[]),
    ];
    for (kind, new, convert) in kinds {
        let host = format!("{kind}.example");
        let (key, chain) = (path(&format!("{kind}.key")), path(&format!("{kind}.crt")));
        let (name, san) = (format!("/CN={host}"), format!("subjectAltName=DNS:{host}"));
        let more = ["-nodes", "-keyout", &key, "-out", &chain, "-subj", &name, "-addext", &san];
        run("openssl", [&["req", "-x509", "-days", "2"], new, &more].concat(), "").assert_success();
        if let [command, options @ ..] = convert {
            let more = ["-in", &key, "-out", &key];
            run("openssl", [&[*command], options, &more].concat(), "").assert_success();
        }
        manifests += &manifest::tls_secret(
            kind,
            &read(&format!("{kind}.crt")),
            &read(&format!("{kind}.key")),
        );
        manifests += &Ingress::simple(kind, &host, "web").tls(&[&host], kind).yaml();
    }
    assert!(read("pkcs1.key").contains("BEGIN RSA") && read("sec1.key").contains("BEGIN EC"));
    let proxy = Proxy::start(driver, manifests);
    for (kind, ..) in kinds {
        let (host, file) = (format!("{kind}.example"), path(&format!("{kind}.crt")));
        let url = format!("https://{host}/");
        let output = curl_tls(proxy.https, &authority, &["--cacert", &file, &url]);
        assert_eq!(output.code, 0, "{kind}: {}", output.text());
    }
}

fn replaced_secret_serves_new_handshakes_and_old_connections_live(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let base = manifest::backend("web", &[backend.address()])
        + &Ingress::simple("web", "a.example", "web").tls(&["a.example"], "a-tls").yaml();
    let proxy = Builder::new(driver)
        .manifests(base + &secret("a-tls", &authority.issue(&["a.example", "old.example"])))
        .start();
    let (old_config, mut clients) = (authority.trusting(HTTP1), Vec::new());
    for _ in 0..4 {
        let mut client = Client::tls(proxy.https, &old_config, "a.example");
        assert_eq!(client.get("a.example", "/").status(), 200);
        clients.push(client);
    }
    let next = Authority::new();
    let main = proxy.folder().join(crate::harness::proxy::MAIN_FILE);
    let text = std::fs::read_to_string(main).expect("manifest");
    let at = text.find("apiVersion: v1\nkind: Secret").expect("the Secret");
    let text = text[..at].to_owned() + &secret("a-tls", &next.issue(&["a.example"]));
    proxy.replace(crate::harness::proxy::MAIN_FILE, &text);
    wait_until("the new certificate", || {
        curl_tls(proxy.https, &next, &["https://a.example/"]).code == 0
    });
    let config = next.trusting(HTTP1);
    assert_eq!(Client::tls(proxy.https, &config, "a.example").get("a.example", "/").status(), 200);
    let old = Client::connect(proxy.https).handshake(&authority.trusting(HTTP1), "a.example");
    assert!(old.is_err(), "the old certificate is gone");
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200, "open connections live on");
    }
}

fn every_core_shows_the_new_certificate(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Builder::new(driver)
        .cores(2)
        .manifests(super::one_host(&authority, backend.address()))
        .start();
    let next = Authority::new();
    let manifests = super::one_host(&next, backend.address());
    proxy.replace(crate::harness::proxy::MAIN_FILE, &manifests);
    wait_until("the same version on both cores", || {
        let core = |core: &str| proxy.metric("ringway_table_version", &[core]);
        core("core=\"0\"") >= 2.0 && core("core=\"0\"").total_cmp(&core("core=\"1\"")).is_eq()
    });
    for _ in 0..32 {
        // A config of its own each time: nothing to resume.
        let mut client = Client::tls(proxy.https, &next.trusting(HTTP1), "a.example");
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
}

fn malformed_secret_keeps_the_last_good_one(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let leaf = authority.issue(&["a.example"]);
    let base = manifest::backend("web", &[backend.address()])
        + &Ingress::simple("web", "a.example", "web").tls(&["a.example"], "a-tls").yaml()
        + &Ingress::simple("b", "b.example", "web").tls(&["b.example"], "b-tls").yaml();
    let proxy = Proxy::start(driver, base);
    proxy.write("secret.yaml", &secret("a-tls", &leaf));
    wait_until("the certificate", || {
        curl_tls(proxy.https, &authority, &["https://a.example/"]).code == 0
    });
    let other = authority.issue(&["a.example"]);
    let broken = [
        manifest::tls_secret("a-tls", &leaf.chain, &other.key),
        manifest::tls_secret("a-tls", "no certificate", &leaf.key),
        manifest::tls_secret("a-tls", &leaf.chain, "no key"),
        manifest::tls_secret("a-tls", "", ""),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a-tls\n  namespace: default\ntype: \
         kubernetes.io/tls\ndata:\n  tls.crt: \"%%%\"\n  tls.key: AA==\n---\n"
            .to_owned(),
    ];
    for (round, text) in broken.iter().enumerate() {
        // The Secret of another host tells when the change is in force.
        let b = Authority::new();
        proxy.write("secret.yaml", &(text.clone() + &secret("b-tls", &b.issue(&["b.example"]))));
        wait_until("the certificate of the other host", || {
            curl_tls(proxy.https, &b, &["https://b.example/"]).code == 0
        });
        let output = curl_tls(proxy.https, &authority, &["https://a.example/"]);
        assert_eq!(output.code, 0, "broken Secret {round}: {}", output.text());
    }
    assert!(proxy.output().contains("a-tls"), "the Problem names the Secret");
    let next = Authority::new();
    proxy.write("secret.yaml", &secret("a-tls", &next.issue(&["a.example"])));
    wait_until("the repaired certificate", || {
        curl_tls(proxy.https, &next, &["https://a.example/"]).code == 0
    });
}

fn secret_that_comes_later(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Proxy::start(
        driver,
        manifest::backend("web", &[backend.address()])
            + &Ingress::simple("web", "a.example", "web").tls(&["a.example"], "a-tls").yaml(),
    );
    let name = subject(proxy.https, &authority, "a.example").to_ascii_lowercase();
    assert!(name.contains("ringway"), "{name}");
    proxy.write("secret.yaml", &secret("a-tls", &authority.issue(&["a.example"])));
    wait_until("the certificate", || {
        curl_tls(proxy.https, &authority, &["https://a.example/"]).code == 0
    });
}

/// An entry of `spec.tls` without `secretName`, and one whose certificate does not cover the host.
fn host_without_secret_gets_the_default(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let manifests = manifest::backend("web", &[backend.address()])
        + &secret("c-tls", &authority.issue(&["c.example"]))
        + &Ingress::simple("b", "b.example", "web").tls(&["b.example"], "").yaml()
        + &Ingress::simple("d", "d.example", "web").tls(&["d.example"], "c-tls").yaml();
    let proxy = Proxy::start(driver, manifests);
    for host in ["b.example", "d.example"] {
        let subject = subject(proxy.https, &authority, host).to_ascii_lowercase();
        assert!(subject.contains("ringway"), "{host}: {subject}");
        curl_tls(proxy.https, &authority, &["-k", &format!("https://{host}/")]).assert_success();
    }
}

fn certificate_of_version_1_is_served(driver: Driver) {
    let (authority, old, backend) = (Authority::new(), OldAuthority::new(), Backend::echo("a"));
    let text = manifest::backend("web", &[backend.address()])
        + &secret("a-tls", &old.issue("/CN=a.example"))
        + &Ingress::simple("a", "a.example", "web").tls(&["a.example"], "a-tls").yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(subject(proxy.https, &authority, "a.example"), "CN=a.example");
    let url = ["-k", "https://a.example/"];
    curl_tls(proxy.https, &authority, &url).assert_says("\"backend\":\"a\"");
}

/// As from nginx: RFC 6066 section 3 knows no such names, and clients send them.
fn server_name_that_is_none_gets_the_default(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = Proxy::start(driver, hosts(&authority, &backend));
    let request = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let longest = "x".repeat(255);
    for name in [
        "[a.example]",
        "a.example:443",
        "10",
        "bücher.example",
        "a b",
        "-a.example",
        "a..example",
        ".",
        "*.w.example",
        "192.0.2.1",
        "2001:db8::1",
        "[2001:db8::1]",
        &longest,
    ] {
        // The third has to send its ClientHello twice: HelloRetryRequest.
        for more in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_3", "-groups", "P-521:P-256"]] {
            let file = authority.folder().join("session").display().to_string();
            let ask = |option: &str| {
                let first = ["-servername", name, "-ign_eof", option, &file];
                s_client(proxy.https, &authority, &[more, &first].concat(), request)
            };
            let output = ask("-sess_out");
            output.assert_says("Ringway default certificate");
            output.assert_says("HTTP/1.1 200");
            let again = ask("-sess_in");
            again.assert_says("HTTP/1.1 200");
            again.assert_says("Reused, TLSv1.");
        }
    }
    let failures = proxy.metric("ringway_tls_handshake_failures_total", &[]);
    assert!(failures.total_cmp(&0.0).is_eq(), "{failures}");
    assert_eq!(subject(proxy.https, &authority, "a_b.w.example"), "CN=*.w.example");
    assert_eq!(subject(proxy.https, &authority, "a.example."), "CN=a.example");
}
