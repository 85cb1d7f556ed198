//! The API of the admin listener: every view, what is never in it, who is let in, and how much.

mod schema;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::pki::Authority;
use crate::harness::proxy::run;
use crate::harness::{
    Backend, Builder, Client, Driver, Ingress, Message, Proxy, manifest, ports, wait_until,
};
use schema::Description;

for_each_driver!(
    every_view_says_what_is_served_as_it_is_described,
    lists_are_asked_for_in_parts,
    whoever_has_the_token_is_let_in,
    events_come_once_a_second_to_a_bounded_number,
    no_traffic_port_has_anything_of_it,
);

/// What a route asks a field for, and what the key of a Secret begins with.
const SECRETS: [&str; 2] = ["c2VjcmV0LXRva2Vu", "PRIVATE KEY"];

/// One of everything: a certificate, a canary, a Gateway with a route, and an Ingress that is
/// wrong.
pub(crate) fn everything(backend: &Backend, port: u16) -> String {
    let leaf = Authority::new().issue(&["shop.example"]);
    let shop = Ingress::new("shop")
        .host("shop.example")
        .path("/", Prefix, "web")
        .path("/cart", Prefix, "web")
        .tls(&["shop.example"], "shop-tls");
    let canary = Ingress::simple("canary", "shop.example", "next")
        .nginx("canary", "true")
        .nginx("canary-weight", "10");
    let broken = Ingress::simple("broken", "broken.example", "missing");
    let gateway = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n\
         metadata: {{name: ringway}}\nspec: {{controllerName: ringway.dev/gateway}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: edge, namespace: default}}\n\
         spec: {{gatewayClassName: ringway, listeners: [{{name: http, port: {port}, \
         protocol: HTTP}}]}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
         metadata: {{name: api, namespace: default}}\n\
         spec:\n  parentRefs: [{{name: edge}}]\n  hostnames: [api.example]\n  rules:\n  \
         - matches: [{{path: {{value: /v1}}, method: POST, headers: \
         [{{name: Authorization, value: {}}}]}}]\n    \
         backendRefs: [{{name: web, port: 80}}]\n---\n",
        SECRETS[0]
    );
    [
        manifest::backend("web", &[backend.address()]),
        manifest::backend("next", &[backend.address()]),
        manifest::tls_secret("shop-tls", &leaf.chain, &leaf.key),
        shop.yaml(),
        canary.yaml(),
        broken.yaml(),
        gateway,
    ]
    .concat()
}

#[track_caller]
fn view(proxy: &Proxy, path: &str) -> Value {
    let answer = proxy.admin_get(&format!("/api/v1/{path}"));
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"), "{path}");
    answer.json()
}

/// The fields of the row that has this value in the field `key`.
#[track_caller]
fn check_row(list: &Value, key: &str, value: &str, expected: &Value) {
    let rows = list["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row[key] == value);
    let row = row.unwrap_or_else(|| panic!("no {value} in {list:#}"));
    for (name, expected) in expected.as_object().expect("fields") {
        assert_eq!(&row[name], expected, "{name} of {row:#}");
    }
}

fn every_view_says_what_is_served_as_it_is_described(driver: Driver) {
    let (backend, [port]) = (Backend::echo("a"), ports::<1>());
    let proxy = Builder::new(driver).cores(2).manifests(everything(&backend, port.port())).start();
    assert_eq!(proxy.get("shop.example", "/nothing").status(), 308);
    let description = Description::of(&proxy);
    let listed: BTreeSet<_> = description.paths().into_iter().collect();
    let name = "default/web:80";
    let views = [
        ("overview", String::new()),
        ("hosts", String::new()),
        ("routes", String::new()),
        ("endpoints", format!("?backend={name}&core=1")),
        ("certificates", String::new()),
        ("problems", String::new()),
        ("objects", String::new()),
        ("explain", "?url=http://shop.example/&header=Authorization:%20c2VjcmV0LXRva2Vu".into()),
    ];
    let undescribed = ["events", "openapi.json"].map(|path| format!("/api/v1/{path}"));
    let known = views.iter().map(|(path, _)| format!("/api/v1/{path}")).chain(undescribed);
    assert_eq!(known.collect::<BTreeSet<_>>(), listed.iter().map(ToString::to_string).collect());
    for (path, query) in &views {
        let answer = view(&proxy, &format!("{path}{query}"));
        description.check(&format!("/api/v1/{path}"), &answer);
        let text = answer.to_string();
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{path}: {text}");
    }
    check_what_is_served(&proxy, port.port());
    wait_until("the request to be counted", || {
        let overview = view(&proxy, "overview");
        let cores = overview["cores"].as_array().expect("cores").clone();
        let sum = |name: &str| cores.iter().filter_map(|core| core[name].as_u64()).sum::<u64>();
        let ended = |core: &Value| core["answered"]["3xx"].as_u64();
        sum("requests") == 1 && cores.iter().filter_map(ended).sum::<u64>() == 1
    });
}

#[track_caller]
fn check_what_is_served(proxy: &Proxy, port: u16) {
    let overview = view(proxy, "overview");
    assert_eq!((&overview["hosts"], &overview["routes"]), (&json!(3), &json!(4)), "{overview:#}");
    assert_eq!(overview["cores"].as_array().map(Vec::len), Some(2));
    let hosts = view(proxy, "hosts");
    let secret = json!("Secret default/shop-tls");
    check_row(&hosts, "host", "shop.example", &json!({"routes": 2, "certificate": secret}));
    let entry_points = json!([format!("http://127.0.0.1:{port}")]);
    let routes = view(proxy, "routes?host=api.example");
    check_row(
        &routes,
        "path",
        "/v1",
        &json!({
            "kind": "prefix",
            "conditions": ["method POST", "field authorization is (not shown)"],
            "entry_points": entry_points,
        }),
    );
    let routes = view(proxy, "routes?filter=SHOP.example/cart");
    assert_eq!(routes["matching"], 1);
    let own = |name: &str, weight: u32, is_canary: bool| -> Value {
        json!({"name": name, "weight": weight, "is_canary": is_canary, "endpoints": 1})
    };
    check_row(&routes, "path", "/cart", &json!({"backends": [own("default/web:80", 1, false)]}));
    let routes = view(proxy, "routes?host=shop.example");
    let both = json!([own("default/web:80", 1, false), own("default/next:80", 0, true)]);
    check_row(&routes, "path", "/", &json!({"backends": both}));
    let endpoints = view(proxy, "endpoints?backend=default/web:80");
    assert_eq!(endpoints["rows"][0]["endpoints"][0]["health"], "ready", "{endpoints:#}");
    let certificates = view(proxy, "certificates?filter=shop");
    check_row(
        &certificates,
        "host",
        "shop.example",
        &json!({"secret": secret, "names": ["shop.example"], "covers_host": true}),
    );
    let problems = view(proxy, "problems?filter=broken");
    let broken = json!({"reason": "ServiceMissing", "object": "Ingress default/broken"});
    check_row(&problems, "object", "Ingress default/broken", &broken);
    let objects = view(proxy, "objects?kind=Gateway");
    check_row(&objects, "object", "Gateway default/edge", &json!({"is_fine": true}));
    assert_eq!(objects["rows"][0]["parts"][0]["attached_routes"], 1, "{objects:#}");
    let routes = view(proxy, "objects?kind=HTTPRoute");
    assert_eq!(routes["rows"][0]["parts"][0]["name"], "Gateway edge", "{routes:#}");
}

fn lists_are_asked_for_in_parts(driver: Driver) {
    let hosts = (0..1_200).map(|host| {
        Ingress::simple(&format!("i{host}"), &format!("h{host:04}.example"), "web").yaml()
    });
    let text = manifest::service("web") + &hosts.collect::<String>();
    let proxy = Proxy::start(driver, text);
    for (query, expected) in [
        ("hosts", (1_200, 0, 100, "h0000.example")),
        ("hosts?offset=1150&limit=100", (1_200, 1_150, 50, "h1150.example")),
        ("hosts?limit=99999", (1_200, 0, 500, "h0000.example")),
        ("hosts?filter=H110", (10, 0, 10, "h1100.example")),
        ("hosts?filter=nobody", (0, 0, 0, "")),
        ("routes?filter=i1199", (1, 0, 1, "h1199.example")),
        ("routes?host=h0007.example", (1, 0, 1, "h0007.example")),
    ] {
        let list = view(&proxy, query);
        let rows = list["rows"].as_array().expect("rows");
        let first = rows.first().map_or("", |row| row["host"].as_str().unwrap_or_default());
        let got = (list["matching"].as_u64(), list["offset"].as_u64(), rows.len(), first);
        let (matching, offset, count, host) = expected;
        assert_eq!(got, (Some(matching), Some(offset), count, host), "{query}");
    }
    for (query, status) in [
        ("hosts?limit=x", 400),
        ("hosts?host=a", 400),
        ("endpoints", 400),
        ("endpoints?backend=default/web:80&core=x", 400),
        ("endpoints?backend=default/web:80&core=7", 404),
        ("endpoints?backend=default/other:80", 404),
        ("secrets", 404),
        ("", 404),
    ] {
        let answer = proxy.admin_get(&format!("/api/v1/{query}"));
        assert_eq!(answer.status(), status, "{query}: {}", answer.text());
    }
}

#[track_caller]
fn get_with(proxy: &Proxy, path: &str, field: &str) -> Message {
    let mut client = Client::connect(proxy.admin);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: admin\r\n{field}\r\n"));
    client.response()
}

fn whoever_has_the_token_is_let_in(driver: Driver) {
    const TOKEN: &str = "0123456789abcdef-token";
    let backend = Backend::echo("a");
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("file");
    let proxy = Builder::new(driver)
        .flag("--admin-token-file", file.display())
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    for path in ["/healthz", "/readyz", "/metrics", "/nginx_status", "/", "/page.js"] {
        assert_eq!(proxy.admin_get(path).status(), 200, "{path}");
    }
    let field = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in ["/api/v1/overview", "/api/v1/openapi.json", "/explain?url=http://a.example/"] {
        let refused = proxy.admin_get(path);
        assert_eq!((refused.status(), refused.field("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(get_with(&proxy, path, "Authorization: Bearer no\r\n").status(), 401, "{path}");
        assert_eq!(get_with(&proxy, path, &field).status(), 200, "{path}");
    }
    assert_eq!(proxy.admin_get("/api/v1/events").status(), 401);
    let (admin, path) = (proxy.admin.to_string(), file.display().to_string());
    let explain = ["explain", "--admin", &admin, "http://a.example/"];
    let (code, output) = run(&[&explain[..], &["--admin-token-file", &path]].concat());
    assert!(code == 0 && output.contains("default/web:80"), "{output}");
    let (code, output) = run(&explain);
    assert!(code != 0 && output.contains("--admin-token-file FILE"), "{output}");
    assert!(!proxy.output().contains(TOKEN));
    std::fs::remove_file(&file).expect("file");
    assert_eq!(get_with(&proxy, "/api/v1/overview", &field).status(), 503);
    let (code, output) = run(&[&explain[..], &["--admin-token-file", &path]].concat());
    assert!(code != 0 && output.contains("cannot be read"), "{output}");
}

/// Reads through the next event; its data.
#[track_caller]
fn event(client: &mut Client) -> Value {
    let mut text = String::new();
    loop {
        text.push(char::from(client.take(1)[0]));
        if text.ends_with("\n\n")
            && let Some((_, data)) = text.split_once("event: overview\ndata: ")
        {
            return serde_json::from_str(data.trim_end()).expect("JSON");
        }
    }
}

fn events_come_once_a_second_to_a_bounded_number(driver: Driver) {
    const STREAMS: usize = 8;
    let backend = Backend::echo("a");
    let mut proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let description = Description::of(&proxy);
    let open = || {
        let mut client = Client::connect(proxy.admin);
        client.send("GET /api/v1/events HTTP/1.1\r\nHost: admin\r\n\r\n");
        client
    };
    let mut streams: Vec<Client> = (0..STREAMS).map(|_| open()).collect();
    for stream in &mut streams {
        let head = stream.response_head();
        assert_eq!(head.status(), 200);
        assert_eq!(head.field("content-type"), Some("text/event-stream"));
    }
    assert_eq!(open().response().status(), 503, "one too many");
    for path in ["/healthz", "/metrics", "/api/v1/hosts"] {
        assert_eq!(proxy.admin_get(path).status(), 200, "{path}");
    }
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    for stream in &mut streams {
        description.check_event(&event(stream));
    }
    let mut requests = Value::Null;
    wait_until("the request in an event", || {
        requests = event(&mut streams[0])["cores"][0]["requests"].clone();
        requests == json!(1)
    });
    // A place is free as soon as its page is closed.
    drop(streams.pop());
    wait_until("a free place", || open().response_head().status() == 200);
    proxy.signal("TERM");
    assert!(proxy.wait_for_exit().0.success());
    streams.iter_mut().for_each(|stream| drop(stream.read_until_close()));
}

fn no_traffic_port_has_anything_of_it(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let description = Description::of(&proxy);
    let others = ["/explain?url=http://a.example/", "/", "/page.js", "/page.css"];
    for path in description.paths().into_iter().chain(others) {
        // A host that somebody serves gets its own answer, one that nobody does gets none.
        let answer = proxy.get("a.example", path);
        assert_eq!((answer.status(), answer.backend()), (200, "a".to_owned()), "{path}");
        for host in ["admin", "localhost", "127.0.0.1"] {
            assert_eq!(proxy.get(host, path).status(), 404, "{host} {path}");
        }
    }
}
