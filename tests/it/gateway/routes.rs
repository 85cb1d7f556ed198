//! HTTPRoutes and GRPCRoutes: which rule a request gets, and what is done with it on the way.

use super::{gateway, route};
use crate::annotations::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, row as rows, wait_until};

for_each_driver!(routes_do_what_they_say);

const MATCHES: &str = "  \
  - matches: [{path: {type: Exact, value: /one}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /one}}, {path: {type: RegularExpression, value: '/re[0-9]+'}}]
    backendRefs: [{name: b, port: 80}]
  - matches: [{path: {value: /one/}, method: POST}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /}, headers: [{name: X-Version, value: two}]}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /}, queryParams: [{name: v, type: RegularExpression, value: 'a+'}]}]
    backendRefs: [{name: b, port: 80}]
";

fn matches() -> Vec<Row> {
    let row = |request, status| row("matches.example", request, status);
    vec![
        row("/one", 200).from("a"),
        row("/one/", 200).from("b"),
        row("POST /one/x", 200).from("a"),
        row("/oneself", 404),
        row("/re42", 200).from("b"),
        row("/re42x", 404),
        row("/x", 404),
        row("/x", 200).send("X-Version", "two").from("a"),
        row("/x", 404).send("X-Version", "twofold"),
        row("/x?v=aaa", 200).from("b"),
        row("/x?v=aab", 404),
        // A field counts more than a parameter, a method more than both.
        row("/x?v=a", 200).send("X-Version", "two").from("a"),
    ]
}

const FILTERS: &str = "  \
  - matches: [{path: {value: /fields}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: X-Set, value: set}]
        add: [{name: X-Add, value: added}]
        remove: [X-Gone]
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: X-Answer, value: 'yes'}]}
    backendRefs:
    - name: a
      port: 80
      filters:
      - type: RequestHeaderModifier
        requestHeaderModifier: {set: [{name: X-Backend, value: a}]}
  - matches: [{path: {value: /strip}}]
    filters:
    - type: URLRewrite
      urlRewrite: {hostname: new.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /full}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /away}}]
    filters:
    - type: RequestRedirect
      requestRedirect:
        scheme: https
        hostname: b.example
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /there}
        statusCode: 307
  - matches: [{path: {value: /port}}]
    filters: [{type: RequestRedirect, requestRedirect: {port: 8443}}]
  - matches: [{path: {value: /of-backend}}]
    backendRefs:
    - name: a
      port: 80
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]
  - matches: [{path: {value: /none}}]
  - matches: [{path: {value: /zero}}]
    backendRefs: [{name: a, port: 80, weight: 0}]
  - matches: [{path: {value: /missing}}]
    backendRefs: [{name: missing, port: 80}]
  - matches: [{path: {value: /share}}]
    backendRefs: [{name: a, port: 80, weight: 0}, {name: b, port: 80}]
  - matches: [{path: {value: /bad}}]
    filters: [{type: ExtensionRef, extensionRef: {group: a, kind: B, name: c}}]
    backendRefs: [{name: a, port: 80}]
  - matches: [{path: {value: /copied}}]
    filters:
    - {type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: other, port: 80}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: never, port: 80}, percent: 0}}
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /to}}
    backendRefs: [{name: a, port: 80}]
";

fn filters() -> Vec<Row> {
    let row = |request, status| row("filters.example", request, status);
    vec![
        row("/fields?q=1", 200)
            .send("X-Set", "old")
            .send("X-Gone", "old")
            .from("a")
            .saw("/fields?q=1")
            .saw_field("X-Set", "set")
            .saw_field("X-Add", "added")
            .saw_field("X-Backend", "a")
            .saw_no("X-Gone")
            .has("X-Answer", "yes"),
        row("/strip/x?q=%20", 200).from("a").saw("/x?q=%20").saw_field("Host", "new.example"),
        row("/strip", 200).from("a").saw("/"),
        row("/full/x?q", 200).from("a").saw("/x?q").saw_field("Host", "filters.example"),
        row("/away/x?q", 307).has("Location", "https://b.example/there/x?q"),
        row("/port", 302).has("Location", "http://filters.example:8443/port"),
        row("/of-backend", 301).has("Location", "https://filters.example/of-backend"),
        row("/none", 500),
        row("/zero", 500),
        row("/missing", 500),
        row("/share", 200).from("b"),
        row("/bad", 503),
        row("POST /copied/x?y=1", 200).body("copy").from("a").saw("POST /to/x?y=1"),
        // gRPC has statuses of its own.
        row("POST /none", 200).send("Content-Type", "application/grpc").has("Grpc-Status", "14"),
        row("POST /nowhere", 200).send("Content-Type", "application/grpc").has("Grpc-Status", "12"),
    ]
}

const CORS: &str = "  \
  - matches: [{path: {value: /}}]
    filters:
    - type: CORS
      cors:
        allowOrigins: ['https://*.a.example', 'http://b.example:8080']
        allowMethods: [GET, PUT]
        allowHeaders: [X-A]
        exposeHeaders: [X-B]
        allowCredentials: true
        maxAge: 3600
    backendRefs: [{name: own, port: 80}]
";

/// What a backend says that has a word of its own.
const OWN: &str = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://own\r\n\
    Access-Control-Max-Age: 1\r\nContent-Length: 0\r\n\r\n";

fn cors() -> Vec<Row> {
    let (origin, methods) = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods");
    let row = |request, status| row("cors.example", request, status);
    let preflight = |from: &str| {
        row("OPTIONS /", 204).send("Origin", from).send("Access-Control-Request-Method", "PUT")
    };
    vec![
        preflight("https://x.y.a.example")
            .has(origin, "https://x.y.a.example")
            .has(methods, "GET, PUT")
            .has("Access-Control-Allow-Headers", "X-A")
            .has("Access-Control-Allow-Credentials", "true")
            .has("Access-Control-Max-Age", "3600"),
        preflight("https://c.example").lacks(origin).lacks(methods),
        row("/", 200)
            .send("Origin", "http://b.example:8080")
            .has(origin, "http://b.example:8080")
            .has("Access-Control-Expose-Headers", "X-B")
            .lacks("Access-Control-Max-Age"),
        row("/", 200).send("Origin", "https://c.example").lacks(origin),
        row("/", 200).lacks(origin),
        // No preflight: the backend's to answer.
        row("OPTIONS /", 200).send("Origin", "http://b.example:8080"),
    ]
}

const PATIENCE: &str = "  \
  - matches: [{path: {value: /slow}}]
    timeouts: {request: 300ms}
    backendRefs: [{name: slow, port: 80}]
  - matches: [{path: {value: /busy}}]
    retry: {codes: [503], attempts: 2, backoff: 10ms}
    backendRefs: [{name: busy, port: 80}]
  - matches: [{path: {value: /busy-once}}]
    backendRefs: [{name: busy, port: 80}]
";

const CLOSED: &str = "  \
  - matches: [{path: {type: RegularExpression, value: '/admin/('}}]
    backendRefs: [{name: a, port: 80}]
  - backendRefs: [{name: b, port: 80}]
";

const ESCAPING: &str = "  \
  - matches: [{path: {type: RegularExpression, value: '/a)|(?:/b'}}]
    backendRefs: [{name: a, port: 80}]
";

/// What cannot be read leaves nothing that it may be about to others.
fn closed() -> Vec<Row> {
    vec![
        row("closed.example", "/admin/x", 503),
        row("closed.example", "/admin", 200).from("b"),
        row("escaping.example", "/x/b", 503),
        row("escaping.example", "/a", 503),
    ]
}

/// Files have no age: the name that comes first counts as the older one.
const CALLS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: a-calls, namespace: default}
spec:
  parentRefs: [{name: edge}]
  hostnames: [calls.example]
  rules: [{backendRefs: [{name: a, port: 80}]}]
---
";

fn routes_do_what_they_say(driver: Driver) {
    let port = Backend::closed_address().port();
    let slow = Backend::scripted(|mut connection| {
        connection.read_request()?;
        connection.read_to_end().map(drop)
    });
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let served = Area::new(driver)
        .echoes(&["a", "b", "shadow", "other", "never"])
        .backend("own", Backend::fixed(OWN))
        .backend("slow", slow)
        .backend("busy", Backend::fixed(busy))
        .object(gateway(port))
        .object(route("matches", MATCHES))
        .object(route("filters", FILTERS))
        .object(route("cors", CORS))
        .object(route("patience", PATIENCE))
        .object(route("closed", CLOSED))
        .object(route("escaping", ESCAPING))
        .object(CALLS)
        .object(route("calls", "  - backendRefs: [{name: b, port: 80}]\n"))
        .start();
    let address = (served.proxy.http.ip(), port).into();
    let check = |table: &[Row]| rows::check(table, |_| Client::connect(address));
    check(&matches());
    check(&filters());
    check(&cors());
    check(&closed());
    check(&[
        row("patience.example", "/slow", 504),
        row("patience.example", "/busy", 503),
        row("patience.example", "/busy-once", 503),
    ]);
    served.told(&["ExtensionRef is not supported"]);
    served.told(&["GRPCRoute default/a-calls is older"]);
    for name in ["shadow", "other"] {
        served.backend(name).wait_for_text("POST /to/x?y=1 HTTP/1.1\r\nHost: filters.example\r\n");
        served.backend(name).wait_for_text("copy");
    }
    assert_eq!(served.backend("never").received_text(), "");
    wait_until("tries are counted", || {
        served.proxy.metric("ringway_upstream_retries_total", &[]) == 2.0
    });
}
