//! `explain` against what the running proxy then does: the same request, said and sent.
//!
//! Requests are drawn from lists of methods, paths and fields, over hosts that have the annotations
//! of the dialect; what is said of status, place, backend, request line and fields has to be what
//! is seen. The drawing is the same in every run.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::for_each_driver;
use crate::harness::PathType::{Exact, ImplementationSpecific, Prefix};
use crate::harness::{Backend, Builder, Client, Driver, Ingress, Message, Proxy, manifest};

for_each_driver!(
    what_is_said_is_what_is_done,
    files_say_the_same_as_the_process,
    nobody_is_asked_and_nothing_is_counted,
    mistakes_are_told,
);

/// Hosts by what their Ingresses have besides; `|`: in the same one.
const HOSTS: &[(&str, &str)] = &[
    ("plain", ""),
    ("rewrite", "use-regex=true|rewrite-target=/to/$2"),
    ("prefix", "rewrite-target=/all|x-forwarded-prefix=/old"),
    ("host", "upstream-vhost=up.example"),
    ("goto", "permanent-redirect=https://elsewhere.example/x|permanent-redirect-code=308"),
    ("moved", "temporal-redirect=https://elsewhere.example"),
    ("root", "app-root=/start"),
    ("https", "force-ssl-redirect=true"),
    ("slash", "ssl-redirect=false|preserve-trailing-slash=true"),
    ("allowed", "whitelist-source-range=127.0.0.0/8"),
    ("denied", "whitelist-source-range=192.0.2.0/24"),
    ("deny", "denylist-source-range=127.0.0.1/32"),
    ("password", "auth-type=basic|auth-secret=users"),
    ("any", "auth-type=basic|auth-secret=users|satisfy=any|whitelist-source-range=127.0.0.1"),
    ("nosecret", "auth-type=basic|auth-secret=missing"),
    ("cors", "enable-cors=true|cors-allow-origin=https://a.example, https://*.b.example"),
    ("open-cors", "enable-cors=true|cors-allow-methods=GET, PUT"),
    ("body", "proxy-body-size=2"),
    ("limits", "limit-rps=1000|limit-connections=100"),
    ("tries", "proxy-next-upstream-tries=2|proxy-next-upstream=error http_503"),
    ("times", "proxy-connect-timeout=7|proxy-read-timeout=8|proxy-send-timeout=9"),
    ("method", "proxy-http-version=1.0"),
    ("hash", "upstream-hash-by=$request_uri"),
    ("cookie", "affinity=cookie|session-cookie-name=route"),
    ("headers", "custom-headers=default/fields"),
    (
        "snippet",
        "configuration-snippet=more_set_input_headers \"X-In: $host\"; \
                 proxy_set_header X-Own \"$request_method $http_x_one\";",
    ),
    ("return", "configuration-snippet=if ($http_x_one = \"b\") { return 418; }"),
    ("server", "server-snippet=location /loc { return 299 \"own\"; }"),
    ("errors", "custom-http-errors=404,503|default-backend=pages"),
    ("gone", "default-backend=pages"),
    ("compress", "connection-proxy-header=keep-alive"),
    ("trace", "enable-opentelemetry=false|enable-access-log=false"),
    ("www", "from-to-www-redirect=true"),
    ("alias", "server-alias=other.example"),
    ("nomirror", "proxy-buffering=on|client-body-buffer-size=1k"),
];

const METHODS: &[&str] = &["GET", "GET", "POST", "OPTIONS", "DELETE", "PUT"];

const PATHS: &[&str] = &[
    "/",
    "/api",
    "/api/",
    "/api/x",
    "/api/x?q=1&r=%20",
    "/apix",
    "/exact",
    "/exact/y",
    "/%61pi/z",
    "//api//x",
    "/api/../exact",
    "/nobody/x",
    "/healthz",
    "/loc/a",
    "/x/..%2fapi",
    "/a%0ab",
    "/é",
];

const FIELDS: &[&str] = &[
    "X-One: a",
    "X-One: b",
    "X-Canary: always",
    "X-Canary: never",
    "Cookie: canary=always; k=vvvv",
    "Origin: https://a.example",
    "Origin: https://x.b.example",
    "X-Forwarded-For: 192.0.2.9",
    "X-Forwarded-Proto: https",
    "Authorization: Basic bWU6c2VjcmV0",
    "X-Request-ID: mine",
    "Connection: close, X-One",
    "TE: trailers",
    "Accept-Encoding: gzip",
    "Via: 1.1 x",
    "X_Under: score",
    "Access-Control-Request-Method: PUT",
    "Content-Type: application/grpc",
    "X-Real-IP: 192.0.2.3",
    "Content-Length: 3",
    "User-Agent: test",
    "Forwarded: for=x",
];

fn served(driver: Driver) -> (Proxy, Vec<Backend>) {
    let names = ["a", "b", "c", "pages"];
    let backends: Vec<Backend> = names.iter().map(|name| Backend::echo(name)).collect();
    let mut builder = Builder::new(driver);
    for (name, backend) in names.iter().zip(&backends) {
        builder = builder.manifests(manifest::backend(name, &[backend.address()]));
    }
    builder = builder
        .manifests(manifest::backend("nobody", &[]))
        .manifests(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\n\
             stringData: {auth: \"me:{PLAIN}secret\"}\n---\n",
        )
        .manifests(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fields}\n\
             data: {X-Answer: \"1\"}\n---\n",
        );
    for (host, annotations) in HOSTS {
        let mut ingress = Ingress::new(host);
        for pair in annotations.split('|').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').expect("name=value");
            ingress = ingress.nginx(name, value);
        }
        let ingress = ingress.host(&format!("{host}.example"));
        let ingress = match annotations.contains("use-regex") {
            true => ingress.path("/()(api.*)", ImplementationSpecific, "b").path(
                "/",
                ImplementationSpecific,
                "a",
            ),
            false => ingress
                .path("/", Prefix, "a")
                .path("/api", Prefix, "b")
                .path("/exact", Exact, "c")
                .path("/nobody", Prefix, "nobody"),
        };
        builder = builder.manifests(ingress.yaml());
    }
    let canary = Ingress::new("canary").nginx("canary", "true");
    let canary = canary.nginx("canary-by-header", "X-Canary").nginx("canary-by-cookie", "canary");
    let canary = canary.host("plain.example").path("/api", Prefix, "c");
    let flags = builder.manifests(canary.yaml());
    let flags = flags.flag("--configmap", "default/own").manifests(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n\
         data: {allow-snippet-annotations: \"true\", annotations-risk-level: Critical, \
         global-allowed-response-headers: X-Answer}\n---\n",
    );
    (flags.start(), backends)
}

/// A sequence that is the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % count
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }
}

#[derive(Debug, Clone)]
struct Request {
    host: String,
    method: &'static str,
    path: &'static str,
    fields: Vec<&'static str>,
}

impl Request {
    fn draw(draw: &mut Draw) -> Self {
        let (host, _) = HOSTS[draw.below(HOSTS.len())];
        let mut fields: Vec<&str> = Vec::new();
        for _ in 0..draw.below(4) {
            let field = draw.of(FIELDS);
            let name = field.split(':').next();
            if !fields.iter().any(|known| known.split(':').next() == name) {
                fields.push(field);
            }
        }
        // Nobody has more than a path, which is not ASCII.
        let path = draw.of(&PATHS[..PATHS.len() - 1]);
        Self { host: format!("{host}.example"), method: draw.of(METHODS), path, fields }
    }

    fn send(&self, proxy: &Proxy) -> Message {
        let Self { host, method, path, fields } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for field in fields {
            text += &format!("{field}\r\n");
        }
        text += "\r\n";
        if fields.iter().any(|field| field.starts_with("Content-Length")) {
            text += "abc";
        }
        let mut client = Client::connect(proxy.http);
        client.send(text);
        client.response_to(method)
    }

    fn query(&self) -> String {
        let Self { host, method, path, fields } = self;
        let mut query = format!("url={}&method={method}", encoded(&format!("http://{host}{path}")));
        for field in fields {
            query += &format!("&header={}", encoded(field));
        }
        query
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

#[track_caller]
fn explained(proxy: &Proxy, query: &str) -> Value {
    let answer = proxy.admin_get(&format!("/explain?{query}"));
    assert_eq!(answer.status(), 200, "{query}: {}", answer.text());
    answer.json()
}

/// What is said and is not so; nothing: all is.
fn difference(told: &Value, seen: &Message) -> Option<String> {
    let status = told["answer"]["status"].as_u64();
    let location = told["answer"]["location"].as_str();
    if let Some(status) = status.filter(|status| *status != u64::from(seen.status())) {
        return Some(format!("status {status}, and it is {}", seen.status()));
    }
    if location.is_some() && location != seen.field("location") {
        return Some(format!("location {location:?}, and it is {:?}", seen.field("location")));
    }
    if status.is_some() {
        return None;
    }
    let echo = serde_json::from_slice::<Value>(&seen.body).ok();
    let Some(echo) = echo else {
        return Some(format!("a backend answers, and it is {}", seen.status()));
    };
    let backend = format!("default/{}:", echo["backend"].as_str().unwrap_or_default());
    let said = told["upstream"]["backend"].as_str().unwrap_or_default();
    if !said.starts_with(&backend) {
        return Some(format!("backend {said}, and it is {backend}"));
    }
    if told["upstream"]["request_line"] != echo["start_line"] {
        let told = &told["upstream"]["request_line"];
        return Some(format!("line {told}, and it is {}", echo["start_line"]));
    }
    let said = lines(
        told["upstream"]["fields"]
            .as_array()?
            .iter()
            .filter_map(|field| Some((field["name"].as_str()?, field["after"].as_str()?))),
    );
    let got = lines(
        echo["fields"]
            .as_array()?
            .iter()
            .filter_map(|field| Some((field[0].as_str()?, field[1].as_str()?))),
    );
    let names: Vec<_> = got.keys().chain(said.keys()).collect();
    names.into_iter().find_map(|name| {
        let (said, got) = (said.get(name), got.get(name));
        let is_hidden = said.is_some_and(|said| said.contains("(not shown)"));
        let is_made = said.is_some_and(|said| said.contains("{request-id}"));
        let is_same = said == got || got.is_some() && (is_hidden || is_made);
        (!is_same).then(|| format!("field {name}: {said:?}, and it is {got:?}"))
    })
}

/// Values of each name, in their order.
fn lines<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in all {
        let values = lines.entry(name.to_ascii_lowercase()).or_default();
        *values += &format!("{value}\n");
    }
    lines
}

fn what_is_said_is_what_is_done(driver: Driver) {
    let (proxy, _backends) = served(driver);
    let mut draw = Draw(7);
    let mut failures = Vec::new();
    for _ in 0..300 {
        let request = Request::draw(&mut draw);
        let told = explained(&proxy, &request.query());
        let seen = request.send(&proxy);
        assert!(!told.to_string().contains("bWU6c2VjcmV0"), "{told}");
        if let Some(difference) = difference(&told, &seen) {
            failures.push(format!("{request:?}: {difference}"));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn nobody_is_asked_and_nothing_is_counted(driver: Driver) {
    let (proxy, backends) = served(driver);
    let requests = || {
        let metrics = proxy.admin_get("/metrics").text();
        let lines = metrics.lines().filter(|line| line.starts_with("ringway_requests"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = requests();
    for host in ["plain", "limits", "password", "errors"] {
        let told = explained(&proxy, &format!("url=http://{host}.example/nobody"));
        assert_eq!(told["rule"]["object"], format!("Ingress default/{host}"));
    }
    assert_eq!(requests(), before);
    assert!(backends.iter().all(|backend| backend.connection_count() == 0));
    // Values are told with who set them.
    let told = explained(&proxy, "url=http://times.example/");
    let plan = told["plan"].as_array().expect("a list").iter();
    let plan: BTreeMap<_, _> = plan
        .filter_map(|value| Some((value["name"].as_str()?, value["origin"].as_str()?)))
        .collect();
    assert!(plan["read timeout"].starts_with("nginx.ingress.kubernetes.io/proxy-read-timeout, "));
    assert_eq!((plan["tries"], plan["balance"]), ("default", "default"));
}

/// What the command says of the files that the proxy serves; no table version, no core.
fn of_files(proxy: &Proxy, request: &Request) -> String {
    let Request { host, method, path, fields } = request;
    let (folder, url) = (proxy.folder(), format!("http://{host}{path}"));
    let (http, https) = (proxy.http.to_string(), proxy.https.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
    command.args(["explain", "--json", "--ingress-class", manifest::CLASS, "--method", method]);
    command.args(["--configmap", "default/own", "--http-bind", &http, "--https-bind", &https]);
    command.arg("--manifests").arg(folder);
    for field in fields {
        command.args(["--header", field]);
    }
    let output = command.arg(url).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    without_table(proxy, &told)
}

/// What differs between the two forms by right: whose table it is, and how a file is named.
fn without_table(proxy: &Proxy, told: &str) -> String {
    let mut told: Value = serde_json::from_str(told).expect("JSON");
    for name in ["table_version", "core"] {
        told[name].take();
    }
    let folder = format!("{}/", proxy.folder().display());
    told.to_string().replace(&folder, "")
}

fn files_say_the_same_as_the_process(driver: Driver) {
    let (proxy, _backends) = served(driver);
    let mut draw = Draw(11);
    for _ in 0..8 {
        let request = Request::draw(&mut draw);
        let live = explained(&proxy, &request.query()).to_string();
        let live = without_table(&proxy, &live);
        assert_eq!(of_files(&proxy, &request), live, "{request:?}");
    }
}

fn mistakes_are_told(driver: Driver) {
    let (proxy, _backends) = served(driver);
    for (query, told) in [
        ("", "say which request: a URL, or curl and its words"),
        ("url=ftp://a", "ftp: only http and https can be explained"),
        ("url=a&x=y", "the parameter x is not one, or its value is none"),
        ("url=a&client=b", "the parameter client is not one, or its value is none"),
    ] {
        let answer = proxy.admin_get(&format!("/explain?{query}"));
        assert_eq!((answer.status(), answer.text().trim_end()), (400, told), "{query}");
    }
    let answer = Client::connect(proxy.http).get("plain.example", "/explain?url=a");
    assert_eq!(answer.backend(), "a", "traffic ports explain nothing");
}
