//! Bodies are compressed as the controller's ConfigMap says and as clients take them, and what is
//! compressed and how that is said is what nginx does.

use std::io::Read;

use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::peer::{curl, run};
use crate::harness::{
    Backend, Builder, Client, Driver, Gate, Ingress, Message, Nginx, Proxy, fields_named, manifest,
};

for_each_driver!(
    what_is_compressed_is_what_nginx_compresses,
    every_coding_comes_out_whole,
    events_do_not_wait_for_more,
);

/// The controller's ConfigMap.
fn keys(data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: default, name: controller}}\n\
         data: {{{data}}}\n"
    )
}

const GZIP: &str =
    "use-gzip: \"true\", gzip-min-length: \"100\", gzip-disable: \"(old|broken)-agent\"";

/// Text that is worth compressing, a little below 100 KiB.
fn text() -> String {
    (0..4000).map(|number| format!("{{\"id\": {number}, \"name\": \"n\"}}\n")).collect()
}

/// A response of HTTP/1.1 with these lines and the body, framed by its length or by chunks.
fn response(status: &str, lines: &str, body: &str, is_chunked: bool) -> String {
    let framed = match is_chunked {
        true => {
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        }
        false => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
    };
    format!("HTTP/1.1 {status}\r\n{lines}{framed}")
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Hosts and what their backends say.
fn backends() -> Vec<(&'static str, Backend)> {
    let text = text();
    let short = &text[..99];
    let tagged = "Content-Type: text/html; charset=utf-8\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n\
        Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nVary: Origin\r\n";
    let weak = format!("{JSON}ETag: W/\"a\"\r\n");
    let coded = format!("{JSON}Content-Encoding: x\r\nETag: \"a\"\r\n");
    let part = format!("{JSON}Content-Range: bytes 0-{}/200000\r\n", text.len() - 1);
    let answers = [
        ("json", response("200 OK", JSON, &text, false)),
        ("chunks", response("200 OK", JSON, &text, true)),
        ("tagged", response("200 OK", tagged, &text, false)),
        ("weak", response("200 OK", &weak, &text, false)),
        ("short", response("200 OK", JSON, short, false)),
        ("short-chunks", response("200 OK", JSON, short, true)),
        ("enough", response("200 OK", JSON, &text[..100], false)),
        ("image", response("200 OK", "Content-Type: image/png\r\n", &text, false)),
        ("untyped", response("200 OK", "ETag: \"a\"\r\n", &text, false)),
        ("coded", response("200 OK", &coded, &text, false)),
        ("part", response("206 Partial Content", &part, &text, false)),
        ("created", response("201 Created", JSON, &text, false)),
        ("forbidden", response("403 Forbidden", JSON, &text, false)),
        ("missing", response("404 Not Found", JSON, &text, false)),
        ("broken", response("500 Internal Server Error", JSON, &text, false)),
        ("nothing", "HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n".into()),
        ("head", format!("HTTP/1.1 200 OK\r\n{JSON}ETag: \"a\"\r\nContent-Length: 5000\r\n\r\n")),
    ];
    answers.into_iter().map(|(name, answer)| (name, Backend::fixed(answer))).collect()
}

fn start(driver: Driver, backends: &[(&str, Backend)], data: &str) -> Proxy {
    let mut builder = Builder::new(driver).flag("--configmap", "default/controller");
    for (name, backend) in backends {
        let ingress = Ingress::new(name).host(&format!("{name}.example")).path("/", Prefix, name);
        builder = builder.manifests(manifest::backend(name, &[backend.address()]));
        builder = builder.manifests(ingress.yaml());
    }
    let proxy = builder.manifests(keys("") + "---\n").start();
    proxy.write("keys.yaml", &keys(data));
    proxy
}

fn ask(client: &mut Client, host: &str, version: &str, lines: &str) -> Message {
    let method = if host == "head" { "HEAD" } else { "GET" };
    client.send(format!("{method} / HTTP/{version}\r\nHost: {host}.example\r\n{lines}\r\n"));
    client.response_to(method)
}

/// The body without its coding; nothing, where HEAD asked about one.
fn decoded(response: &Message) -> Vec<u8> {
    if response.body.is_empty() {
        return Vec::new();
    }
    let body = &*response.body;
    let mut out = Vec::new();
    let mut reader: Box<dyn Read> = match response.field("content-encoding") {
        Some("gzip") => Box::new(flate2::read::GzDecoder::new(body)),
        Some("br") => Box::new(brotli::Decompressor::new(body, 4096)),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::new(body).expect("a decoder")),
        _ => Box::new(body),
    };
    reader.read_to_end(&mut out).expect("a whole body");
    out
}

fn what_is_compressed_is_what_nginx_compresses(driver: Driver) {
    let backends = backends();
    let servers: String = backends
        .iter()
        .map(|(name, backend)| {
            format!(
                "server {{ listen LISTEN; server_name {name}.example; location / {{ gzip on; \
                 gzip_min_length 100; gzip_proxied any; gzip_vary on; gzip_types application/json \
                 text/css; gzip_disable \"(old|broken)-agent\"; proxy_http_version 1.1; \
                 proxy_set_header Connection \"\"; proxy_pass http://{}; }} }}\n",
                backend.address()
            )
        })
        .collect();
    let Some(nginx) = Nginx::start(&servers) else { return };
    let unmodified = "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n";
    let unmodified = [("unmodified", Backend::fixed(unmodified))];
    let all: Vec<_> = backends.into_iter().chain(unmodified).collect();
    let (backends, _) = all.split_at(all.len() - 1);
    let proxy = start(driver, &all, GZIP);
    wait_for_coding(&proxy, "gzip", Some("gzip"));
    let requests = [
        "",
        "Accept-Encoding: gzip\r\n",
        "Accept-Encoding: GZip, deflate, br\r\n",
        "Accept-Encoding: br;q=1.0, gzip;q=0.001\r\n",
        "Accept-Encoding: gzip;q=0\r\n",
        "Accept-Encoding: gzip;q=x\r\n",
        "Accept-Encoding: x-gzip, identity\r\n",
        "Accept-Encoding: gzip\r\nVia: 1.1 a\r\n",
        "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n",
        "Accept-Encoding: gzip\r\nUser-Agent: An Old-Agent/1\r\n",
    ];
    for (name, _) in backends {
        let (mut ours, mut theirs) = (proxy.client(), Client::connect(nginx.address));
        for request in requests {
            let of = |response: &Message| {
                let names = ["content-encoding", "vary", "etag", "last-modified", "content-length"];
                let fields = names.map(|name| {
                    let mut values = fields_named(&response.fields, name);
                    values.sort_unstable();
                    values.join(" | ")
                });
                (response.status(), fields, decoded(response) == response_body(name))
            };
            let (ours, theirs) = (
                of(&ask(&mut ours, name, "1.1", request)),
                of(&ask(&mut theirs, name, "1.1", request)),
            );
            assert_eq!(ours, theirs, "{name} {request}");
        }
        let old = "Accept-Encoding: gzip\r\nConnection: close\r\n";
        let response = ask(&mut proxy.client(), name, "1.0", old);
        assert_ne!(response.field("content-encoding"), Some("gzip"), "{name}: HTTP/1.0");
    }
    // It says what a 200 would, which nginx does not.
    for (lines, etag) in [
        ("", "\"a\""),
        ("Accept-Encoding: gzip\r\n", "W/\"a\""),
        ("Accept-Encoding: br\r\n", "\"a\""),
    ] {
        let response = ask(&mut proxy.client(), "unmodified", "1.1", lines);
        assert_eq!(response.status(), 304);
        assert_eq!(response.field("etag"), Some(etag), "{lines}");
        assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{lines}");
    }
}

fn response_body(name: &str) -> Vec<u8> {
    let text = text().into_bytes();
    match name {
        "short" | "short-chunks" => text[..99].to_vec(),
        "enough" => text[..100].to_vec(),
        "nothing" | "head" => Vec::new(),
        _ => text,
    }
}

/// Waits until what the ConfigMap says holds: clients that take this coding get `expected`.
fn wait_for_coding(proxy: &Proxy, accepted: &str, expected: Option<&str>) {
    crate::harness::wait_until("the ConfigMap", || {
        let lines = format!("Accept-Encoding: {accepted}\r\n");
        ask(&mut proxy.client(), "json", "1.1", &lines).field("content-encoding") == expected
    });
}

fn every_coding_comes_out_whole(driver: Driver) {
    let untouchable = format!("{JSON}Cache-Control: private, No-Transform\r\nETag: \"a\"\r\n");
    let mut backends = backends();
    let answer = response("200 OK", &untouchable, &text(), false);
    backends.push(("untouchable", Backend::fixed(answer)));
    let all = "use-gzip: \"true\", enable-brotli: \"true\", enable-zstd: \"true\", \
        zstd-types: \"text/html\", zstd-min-length: \"100000\"";
    let proxy = start(driver, &backends, "");
    // Nothing is on.
    let plain = ask(&mut proxy.client(), "json", "1.1", "Accept-Encoding: gzip, br, zstd\r\n");
    assert_eq!((plain.field("content-encoding"), plain.field("vary")), (None, None));
    proxy.replace("keys.yaml", &keys(all));
    wait_for_coding(&proxy, "br", Some("br"));
    let (br, zstd, gzip) = (Some("br"), Some("zstd"), Some("gzip"));
    let mut client = proxy.client();
    for (host, accepted, expected) in [
        ("json", "gzip, deflate, br, zstd", br),
        ("json", "zstd", None),
        ("json", "gzip, zstd;q=0.5", gzip),
        ("tagged", "zstd", zstd),
        ("chunks", "*", br),
        ("missing", "gzip", gzip),
        ("enough", "gzip", None),
        ("enough", "br", br),
        ("coded", "br", None),
        ("part", "br", None),
        ("untouchable", "br", None),
        ("image", "br", None),
    ] {
        let lines = format!("Accept-Encoding: {accepted}\r\n");
        let response = ask(&mut client, host, "1.1", &lines);
        let coding = response.field("content-encoding").filter(|coding| *coding != "x");
        assert_eq!(coding, expected, "{host} {accepted}");
        assert_eq!(decoded(&response), response_body(host), "{host} {accepted}");
        let varies = fields_named(&response.fields, "vary").contains(&"Accept-Encoding");
        let is_fixed = ["coded", "part", "untouchable", "image"].contains(&host);
        assert_eq!(varies, !is_fixed, "{host} {accepted}");
        if expected.is_some() {
            assert_eq!(response.field("transfer-encoding"), Some("chunked"), "{host}");
            assert_eq!(response.field("accept-ranges"), None, "{host}");
        }
    }
    let compressed = proxy.metric("ringway_responses_compressed_total", &[]);
    assert!(compressed >= 6.0, "{compressed}");
    // Over HTTP/2, by somebody else's decoders.
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let said = curl(
            proxy.http,
            &[version, "--compressed", "-w", "%{size_download}", "http://json.example/"],
        );
        said.assert_success();
        let (body, size) = said.stdout.split_at(text().len());
        assert!(body == text().as_bytes(), "{version}");
        let size: usize = String::from_utf8_lossy(size).parse().expect("a number");
        assert!(size < text().len() / 4, "{version}: {size}");
    }
    let check = "import sys, gzip; d = gzip.decompress(sys.stdin.buffer.read()); print(len(d))";
    let script = format!(
        "curl -sS --noproxy '*' -H 'Accept-Encoding: gzip' -H 'Host: json.example' http://{}/ \
         | python3 -c '{check}'",
        proxy.http
    );
    let said = run("sh", ["-c", &script], "");
    said.assert_success();
    assert_eq!(said.text().trim(), text().len().to_string());
    proxy.replace("keys.yaml", &keys(""));
    wait_for_coding(&proxy, "gzip", None);
}

/// An event, and the next one only when the client had it.
fn events_do_not_wait_for_more(driver: Driver) {
    let gate = Gate::new();
    let events = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                 Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
            )?;
            gate.wait();
            connection.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        }
    });
    let json = Backend::fixed(response("200 OK", JSON, &text(), false));
    let types = "use-gzip: \"true\", gzip-types: \"text/event-stream application/json\"";
    let backends = [("json", json), ("events", events)];
    let proxy = start(driver, &backends, types);
    wait_for_coding(&proxy, "gzip", Some("gzip"));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: events.example\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = client.response_head();
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    let chunk = |client: &mut Client| {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(client.take(1));
        }
        let size = String::from_utf8(size).expect("a size");
        let octets = usize::from_str_radix(size.trim(), 16).expect("a size");
        let chunk = client.take(octets);
        client.take(2);
        chunk
    };
    let mut octets = Vec::new();
    let so_far = |octets: &[u8]| {
        let (mut out, mut piece) = (Vec::new(), [0; 64]);
        let mut decoder = flate2::read::GzDecoder::new(octets);
        while let Ok(count @ 1..) = decoder.read(&mut piece) {
            out.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(out).expect("text")
    };
    while so_far(&octets) != "data: 1\n\n" {
        octets.extend(chunk(&mut client));
    }
    gate.open();
    loop {
        let more = chunk(&mut client);
        if more.is_empty() {
            break;
        }
        octets.extend(more);
    }
    assert_eq!(so_far(&octets), "data: 1\n\ndata: 2\n\n");
}
