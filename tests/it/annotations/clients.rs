//! Keys of the controller's ConfigMap about clients: whom to believe about them, what their heads
//! may have, how long they may take, and what is logged. Each table is of one ConfigMap, which is
//! changed while the proxy runs.

use std::fs;

use super::area::Served;
use super::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Client, Driver, Ingress, fields_named, wait_until};

for_each_driver!(
    proxies_in_front_are_believed_as_far_as_they_are_trusted,
    load_balancers_introduce_clients,
    connections_follow_the_keys,
    handshakes_follow_the_keys,
    lines_of_the_log_follow_the_keys,
);

/// Puts a ConfigMap in force, which the host of `step` shows.
fn apply(area: &Served, step: &str, data: &str) {
    let host = format!("{step}.example");
    let marker = Ingress::simple(step, &host, "web").yaml();
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: default, name: controller}}\n\
         data: {{{data}}}\n---\n{marker}"
    );
    area.proxy.write("controller.yaml", &map);
    if !data.contains("use-proxy-protocol") {
        area.proxy.wait_for_status(&host, "/", 200);
    }
}

fn area(driver: Driver) -> Area {
    let twin = Ingress::new("twin").nginx("from-to-www-redirect", "true");
    Area::new(driver)
        .flag("--configmap", "default/controller")
        .echoes(&["web"])
        .certificate("tls", &["tls.example"])
        .ingress(&Ingress::simple("a", "a.example", "web"))
        .ingress(&Ingress::simple("tls", "tls.example", "web").tls(&["tls.example"], "tls"))
        .ingress(
            &Ingress::new("list")
                .nginx("whitelist-source-range", "203.0.113.7")
                .host("list.example")
                .path("/", Prefix, "web"),
        )
        .ingress(&twin.host("twin.example").path("/", Prefix, "web"))
}

/// What a proxy in front says.
fn said(row: Row) -> Row {
    row.send("X-Forwarded-For", "198.51.100.9, 203.0.113.7")
        .send("X-Forwarded-Proto", "https")
        .send("X-Forwarded-Host", "B.example:81, c.example")
        .send("X-Forwarded-Port", "444")
}

/// What a backend is told of the client, and of the way it came.
fn told(row: Row, client: &str, scheme: &str, host: &str) -> Row {
    let row = row.saw_field("x-real-ip", client).saw_field("x-forwarded-proto", scheme);
    let row = row.saw_field("x-scheme", scheme).saw_field("x-forwarded-scheme", scheme);
    row.saw_field("x-forwarded-host", host).saw_field("host", host)
}

fn proxies_in_front_are_believed_as_far_as_they_are_trusted(driver: Driver) {
    let area = area(driver).start();
    let get = || said(row("a.example", "/", 200));
    let unbelieved = [
        told(get(), "127.0.0.1", "http", "a.example")
            .saw_field("x-forwarded-for", "127.0.0.1")
            .saw_field("x-original-forwarded-for", "198.51.100.9, 203.0.113.7")
            .saw_field("x-original-forwarded-host", "B.example:81, c.example"),
        said(row("tls.example", "/x", 308)).has("location", "https://tls.example/x"),
        said(row("list.example", "/", 403)),
    ];
    area.check(&unbelieved);
    apply(&area, "strangers", "use-forwarded-headers: \"true\", proxy-real-ip-cidr: 192.0.2.0/24");
    area.check(&unbelieved);

    apply(&area, "address", "enable-real-ip: \"true\", proxy-real-ip-cidr: 127.0.0.0/8");
    area.check(&[
        told(get(), "203.0.113.7", "http", "a.example").saw_field("x-forwarded-for", "203.0.113.7"),
        said(row("tls.example", "/x", 308)).has("location", "https://tls.example/x"),
        said(row("list.example", "/", 200)).from("web"),
        row("list.example", "/", 403),
        // What is no address ends the list.
        row("a.example", "/", 200)
            .send("X-Forwarded-For", "203.0.113.7, unknown")
            .saw_field("x-real-ip", "127.0.0.1"),
    ]);

    apply(&area, "everybody", "use-forwarded-headers: \"true\"");
    area.check(&[
        told(get(), "198.51.100.9", "https", "B.example:81")
            .saw_field("x-forwarded-for", "198.51.100.9")
            .saw_field("x-forwarded-port", "444"),
        told(row("a.example", "/", 200), "127.0.0.1", "http", "a.example"),
        // TLS ended in front; no redirect follows, and no field that is for TLS alone.
        said(row("tls.example", "/x", 200)).from("web").lacks("strict-transport-security"),
        row("tls.example", "/x", 308)
            .send("X-Forwarded-Proto", "http")
            .send("X-Forwarded-Host", "b.example:81")
            .has("location", "https://b.example/x"),
        row("tls.example", "/x", 200).send("X-Forwarded-Proto", "own").saw_field("x-scheme", "own"),
        row("www.twin.example", "/x", 308)
            .send("X-Forwarded-Proto", "https")
            .send("X-Forwarded-Port", "443")
            .has("location", "https://twin.example:443/x"),
    ]);

    apply(&area, "blocked", "use-forwarded-headers: \"true\", block-cidrs: 198.51.100.0/24");
    area.check(&[said(row("a.example", "/", 403)), row("a.example", "/", 200)]);

    apply(
        &area,
        "whole",
        "use-forwarded-headers: \"true\", compute-full-forwarded-for: \"true\", \
         proxy-real-ip-cidr: \"127.0.0.0/8, 10.0.0.0/8\"",
    );
    area.check(&[
        get().saw_field("x-forwarded-for", "198.51.100.9, 203.0.113.7, 127.0.0.1"),
        row("a.example", "/", 200)
            .send("X-Forwarded-For", "203.0.113.7, 10.1.1.1")
            .saw_field("x-real-ip", "203.0.113.7"),
    ]);

    apply(
        &area,
        "elsewhere",
        "use-forwarded-headers: \"true\", forwarded-for-header: CF-Connecting-IP",
    );
    area.check(&[get()
        .send("CF-Connecting-IP", "203.0.113.7")
        .saw_field("x-real-ip", "203.0.113.7")
        .saw_field("x-original-forwarded-for", "203.0.113.7")]);
    // A list of ranges that was never understood closes everything.
    area.proxy.remove("controller.yaml");
    area.proxy.wait_for_status("elsewhere.example", "/", 404);
    apply_closed(&area);
}

fn apply_closed(area: &Served) {
    area.proxy.write(
        "controller.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: default, name: controller}\n\
         data: {proxy-real-ip-cidr: inside}\n---\n",
    );
    area.proxy.wait_for_status("a.example", "/", 503);
}

fn load_balancers_introduce_clients(driver: Driver) {
    let area = area(driver).start();
    apply(&area, "lb", "use-proxy-protocol: \"true\", use-forwarded-headers: \"true\"");
    let is_closed = || {
        let mut client = area.proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client.try_response().is_err()
    };
    wait_until("a connection without a header is closed", is_closed);
    let ask = |area: &Served, head: &str, host: &str, fields: &str| {
        let mut client = area.proxy.client();
        client.send(format!("{head}GET /x HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        client.response()
    };
    let head = |port: u16| format!("PROXY TCP4 203.0.113.7 198.51.100.1 4000 {port}\r\n");
    let answer = ask(&area, &head(443), "tls.example", "");
    assert_eq!(answer.status(), 200, "443 is of https");
    assert_eq!(answer.echoed_fields("x-forwarded-proto"), ["https"]);
    assert_eq!(ask(&area, &head(80), "tls.example", "").status(), 308);
    let answer = ask(&area, &head(80), "list.example", "");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.echoed_fields("x-real-ip"), ["203.0.113.7"]);
    // The client that is introduced is a proxy in turn.
    let answer = ask(&area, &head(80), "a.example", "X-Forwarded-For: 192.0.2.9\r\n");
    assert_eq!(answer.echoed_fields("x-real-ip"), ["192.0.2.9"]);
    assert_eq!(
        ask(&area, &head(80), "list.example", "X-Forwarded-For: 192.0.2.9\r\n").status(),
        403
    );
}

fn connections_follow_the_keys(driver: Driver) {
    let area = area(driver).start();
    apply(&area, "first", "keep-alive-requests: \"2\", enable-underscores-in-headers: \"true\"");
    area.check(&[
        row("a.example", "/", 200).send("user_name", "ann").saw_field("user_name", "ann"),
        row("a.example", "/", 200).send("user.name", "ann").saw_no("user.name"),
        row("a.example", "/", 200)
            .send("X_Forwarded_For", "192.0.2.9")
            .saw_no("x_forwarded_for")
            .saw_field("x-forwarded-for", "127.0.0.1"),
    ]);
    let connection_of = |client: &mut Client| {
        let answer = client.get("a.example", "/");
        fields_named(&answer.fields, "connection").join("")
    };
    let mut client = area.proxy.client();
    assert_eq!(connection_of(&mut client), "");
    assert_eq!(connection_of(&mut client), "close");
    client.assert_closed();

    // What is open when the keys change goes on.
    let mut old = area.proxy.client();
    assert_eq!(connection_of(&mut old), "");
    apply(
        &area,
        "second",
        "keep-alive: \"0\", ignore-invalid-headers: \"false\", hsts-max-age: \"7\", \
        hsts-include-subdomains: \"false\"",
    );
    assert_eq!(connection_of(&mut old), "close");
    assert_eq!(connection_of(&mut area.proxy.client()), "close");
    area.check(&[
        row("a.example", "/", 200).send("user.name", "ann").saw_field("user.name", "ann"),
        row("tls.example", "/", 200).tls().has("strict-transport-security", "max-age=7"),
    ]);
    apply(&area, "third", "hsts: \"false\", client-header-timeout: \"1\"");
    area.check(&[row("tls.example", "/", 200).tls().lacks("strict-transport-security")]);
    let mut slow = area.proxy.client();
    slow.send("GET / HTTP/1.1\r\n");
    assert_eq!(slow.response().status(), 408);
}

fn handshakes_follow_the_keys(driver: Driver) {
    let area = area(driver).start();
    let version = || {
        let mut client = area.tls_client("tls.example");
        assert_eq!(client.get("tls.example", "/").status(), 200);
        let session = client.session();
        let (version, suite) = (session.protocol_version(), session.negotiated_cipher_suite());
        format!("{:?} {:?}", version.expect("a version"), suite.expect("a suite").suite())
    };
    assert!(version().starts_with("TLSv1_3 "), "{}", version());
    apply(
        &area,
        "old",
        "ssl-protocols: TLSv1.1 TLSv1.2, ssl-ciphers: \"ECDHE-ECDSA-AES128-GCM-SHA256:\
         ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA\", ssl-session-tickets: \"false\"",
    );
    assert!(version().starts_with("TLSv1_2 ") && version().contains("AES_128"), "{}", version());
    apply(&area, "new", "ssl-protocols: TLSv1.3, ssl-reject-handshake: \"true\"");
    assert!(version().starts_with("TLSv1_3 "), "{}", version());
    let unknown = Client::connect(area.proxy.https);
    assert!(unknown.handshake(&area.trusting(&[]), "unknown.example").is_err());
    apply(&area, "bad", "ssl-protocols: TLSv1.0, ssl-ciphers: RC4-MD5");
    area.told(&["\"TLSv1.0\" is no version of TLS", "it has no cipher suite with ECDHE and AEAD"]);
    let alpn = |protocols: &[&str]| {
        let client = Client::connect(area.proxy.https);
        let mut client =
            client.handshake(&area.trusting(protocols), "tls.example").expect("a handshake");
        String::from_utf8_lossy(client.session().alpn_protocol().unwrap_or_default()).into_owned()
    };
    assert_eq!(alpn(&["h2", "http/1.1"]), "h2");
    apply(&area, "one", "use-http2: \"false\"");
    assert_eq!(alpn(&["h2", "http/1.1"]), "http/1.1");
}

fn lines_of_the_log_follow_the_keys(driver: Driver) {
    let area = area(driver).flag("--access-log", "nginx").start();
    let has_line = |text: &str| area.proxy.output().lines().any(|line| line.contains(text));
    let wait = |text: &str| wait_until(text, || has_line(text));
    let get = |target: &str, fields: &str| {
        let mut client = area.proxy.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n"));
        assert_eq!(client.response().status(), 200);
    };
    // That of ingress-nginx comes with its ConfigMap, and with it who the client says it is.
    get("/default?1", "Authorization: Basic YW5uOnNlY3JldA==\r\nReferer: \"r\r\n");
    wait(" - ann [");
    wait("\"GET /default?1 HTTP/1.1\" 200 ");
    wait("\"\\x22r\" \"-\" ");
    wait("[default-web-80] [] 127.0.0.1:");

    apply(
        &area,
        "own",
        "log-format-upstream: 'own $remote_addr \"$request_method $host $uri\" $status \
         $http_x_kind $ingress_name/$service_name $sent_http_content_type \
         $upstream_http_server $req_id end', \
         skip-access-log-urls: \"/skipped,~^/(live|ready)z$\"",
    );
    get("/skipped", "");
    get("/livez", "");
    get("/own?q", "X-Kind: a\"b\r\nX-Request-ID: id-7\r\n");
    wait("own 127.0.0.1 \"GET a.example /own\" 200 a\\x22b a/web ");
    wait(" id-7 end");
    assert!(!has_line("/skipped") && !has_line("/livez"), "{}", area.proxy.output());

    let file = area.proxy.folder().join("access.txt");
    apply(
        &area,
        "json",
        &format!(
            "log-format-escape-json: \"true\", access-log-path: {}, \
             log-format-upstream: '{{\"uri\": \"$request_uri\", \"kind\": \"$http_x_kind\", \
             \"none\": \"$http_none\", \"bytes\": $bytes_sent}}'",
            file.display()
        ),
    );
    get("/json", "X-Kind: a\"\\b\r\n");
    let lines = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("a line in the file", || lines().contains("/json"));
    let line = lines().lines().find(|line| line.contains("/json")).map(str::to_owned);
    let line: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
    assert_eq!(line["kind"], "a\"\\b");
    assert_eq!(line["none"], "");
    assert!(line["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{line}");

    apply(&area, "off", "disable-access-log: \"true\"");
    get("/off", "");
    apply(&area, "on", "error-log-level: debug");
    get("/on", "");
    wait("\"GET /on HTTP/1.1\" 200 ");
    assert!(!has_line("/off") && !lines().contains("/off"));
    // One that is none leaves the last good one in force.
    apply(&area, "bad", "log-format-upstream: \"$nothing\"");
    area.told(&["the variable $nothing is not known"]);
    get("/bad", "");
    wait("\"GET /bad HTTP/1.1\" 200 ");
}
