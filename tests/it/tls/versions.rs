//! Versions and ALPN, as curl and openssl see them.

use super::{GET_AND_CLOSE, start};
use crate::for_each_driver;
use crate::harness::peer::{curl_tls, run, s_client};
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Http2};

for_each_driver!(
    curl_in_every_version,
    curl_reuses_a_connection,
    old_versions_are_refused,
    alpn_chooses,
    alpn_without_overlap_is_refused,
    http2_over_tls,
    scheme_of_another_listener_is_refused,
    h2load_over_tls,
);

fn curl_in_every_version(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let versions: [&[&str]; 2] = [&["--tls-max", "1.2"], &["--tlsv1.3"]];
    for tls in versions {
        for (http, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
            let show = ["-v", "-w", "%{http_version} %{http_code} %{ssl_verify_result}"];
            let all = [tls, &[http], &show, &["-d", "hello", "https://a.example/x"]].concat();
            let output = curl_tls(proxy.https, &authority, &all);
            output.assert_success();
            output.assert_says(&format!("{version} 200 0"));
            output.assert_says("\"body\":\"hello\"");
            output.assert_says("\"X-Forwarded-Proto\",\"https\"");
            let tls = if tls.len() == 2 { "TLSv1.2" } else { "TLSv1.3" };
            output.assert_says(&format!("SSL connection using {tls}"));
        }
    }
}

/// Not by prior knowledge: there curl 7.88 fails at its second transfer, with any server.
fn curl_reuses_a_connection(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for http in ["--http1.1", "--http2"] {
        let show = ["-w", "%{num_connects} %{http_code}\n", "-o", "/dev/null", "-o", "/dev/null"];
        let urls = [http, "https://a.example/1", "https://a.example/2"];
        let output = curl_tls(proxy.https, &authority, &[&show[..], &urls].concat());
        output.assert_success();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text, "1 200\n0 200\n", "{http}: {}", output.stderr);
    }
}

fn old_versions_are_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for version in ["-tls1", "-tls1_1"] {
        let args = [version, "-cipher", "DEFAULT:@SECLEVEL=0", "-servername", "a.example"];
        let output = s_client(proxy.https, &authority, &args, GET_AND_CLOSE);
        assert_ne!(output.code, 0, "{version}: {}", output.text());
        // Which alert depends on what of a modern hello is missed first.
        let text = output.text();
        let is_told = ["protocol version", "decode error", "handshake failure"];
        let is_told = is_told.iter().any(|name| text.contains(&format!("alert {name}")));
        assert!(is_told, "{version}: {text}");
    }
}

fn alpn_chooses(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for (offer, chosen) in [
        ("h2,http/1.1", "ALPN protocol: h2"),
        ("http/1.1,h2", "ALPN protocol: h2"),
        ("http/1.1", "ALPN protocol: http/1.1"),
        ("spdy/3,http/1.1", "ALPN protocol: http/1.1"),
    ] {
        let args = ["-alpn", offer, "-servername", "a.example"];
        s_client(proxy.https, &authority, &args, "").assert_says(chosen);
    }
    let args = ["-servername", "a.example", "-ign_eof"];
    let output = s_client(proxy.https, &authority, &args, GET_AND_CLOSE);
    output.assert_says("No ALPN negotiated");
    output.assert_says("HTTP/1.1 200");
    output.assert_says("Verify return code: 0 (ok)");
}

/// RFC 7301 section 3.2.
fn alpn_without_overlap_is_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [version, "-alpn", "ftp", "-servername", "a.example"];
        let output = s_client(proxy.https, &authority, &args, "");
        output.assert_says("alert no application protocol");
    }
}

/// Raw frames behind ALPN; without the preface the connection ends.
fn http2_over_tls(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let config = authority.trusting(super::HTTP2);
    let mut http2 = Http2::over(Client::tls(proxy.https, &config, "a.example"));
    http2.start(&[]);
    assert_eq!(http2.client().session().alpn_protocol(), Some(&b"h2"[..]));
    let fields =
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.example")];
    http2.send(crate::harness::frames::headers(1, &fields, 1));
    let answer = http2.answer(1);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.echoed_fields("x-forwarded-proto"), ["https"]);
    let mut client = Client::tls(proxy.https, &config, "a.example");
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let text = String::from_utf8_lossy(&client.read_until_close()).into_owned();
    assert!(!text.contains(" 200 "), "{text}");
}

/// Reference 4.3: `:scheme` is that of the listener.
fn scheme_of_another_listener_is_refused(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = start(driver, &authority, &backend);
    let config = authority.trusting(super::HTTP2);
    let mut http2 = Http2::over(Client::tls(proxy.https, &config, "a.example"));
    http2.start(&[]);
    http2.send(crate::harness::frames::get(1, "/"));
    assert_ne!(http2.answer(1).status, 200);
    assert_eq!(backend.request_count(), 0);
}

fn h2load_over_tls(driver: Driver) {
    let (authority, backend) = (Authority::new(), Backend::echo("a"));
    let proxy = super::builder(driver, &authority, &backend).cores(2).start();
    let to = format!("--connect-to={}", proxy.https);
    for (protocol, streams) in [("h2", "16"), ("http/1.1", "1")] {
        let list = format!("--npn-list={protocol}");
        let args = ["-n", "500", "-c", "8", "-m", streams, &to, &list, "https://a.example/"];
        let output = run("h2load", args, "");
        output.assert_success();
        output.assert_says("500 succeeded, 0 failed, 0 errored");
    }
}
