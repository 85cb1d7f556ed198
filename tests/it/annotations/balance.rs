//! Which endpoint a request gets: `upstream-hash-by`, `load-balance`, `service-upstream`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::for_each_driver;
use crate::harness::PathType::Prefix;
use crate::harness::{Backend, Builder, Driver, Ingress, Proxy, manifest};

for_each_driver!(requests_go_where_annotations_send_them);

/// Several proxies with several cores give the same answers: what is hashed is the same for all.
fn requests_go_where_annotations_send_them(driver: Driver) {
    let backends: Vec<_> = (0..4).map(|n| Backend::echo(&format!("b{n}"))).collect();
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    let own = Backend::echo_at("127.0.0.79:0", "own");
    let port = own.address().port();
    let text = objects(&addresses, port);
    let start = || Builder::new(driver).cores(2).manifests(&text).start();
    let proxies = [start(), start()];
    for (host, request, spread) in [
        ("uri", "GET /same", 1..=1),
        ("uri", "POST /same", 1..=1),
        ("uri", "GET /@", 2..=4),
        ("uri", "GET /?q=@", 2..=4),
        ("field", "GET /@\r\nX-User: ann", 1..=1),
        ("field", "GET /\r\nX-User: u@", 2..=4),
        ("cookie", "GET /@\r\nCookie: a=1; sid=s", 1..=1),
        ("cookie", "GET /\r\nCookie: sid=s@; a=1", 2..=4),
        ("parameter", "GET /@?user=ann&team=red", 1..=1),
        ("parameter", "GET /?user=u@&team=red", 2..=4),
        ("address", "GET /@", 1..=1),
        ("constant", "GET /@", 1..=1),
        ("subset", "GET /same", 2..=2),
        ("turn", "GET /same", 4..=4),
        ("other", "GET /same", 4..=4),
        ("ewma", "GET /same", 1..=4),
    ] {
        let [ours, theirs] = proxies.each_ref().map(|proxy| answers(proxy, host, request));
        let all: BTreeSet<_> = ours.values().chain(theirs.values()).flatten().collect();
        assert!(spread.contains(&all.len()), "{host} {request}: {all:?}");
        if spread != (4..=4) && host != "subset" && host != "ewma" {
            assert_eq!(ours, theirs, "{host} {request}");
            assert!(ours.values().all(|names| names.len() == 1), "{host} {request}: {ours:?}");
        }
    }
    let [proxy, _] = &proxies;
    for (host, expected) in [("clustered", 1), ("headless", 4), ("plain", 4)] {
        let all: BTreeSet<_> = answers(proxy, host, "GET /@").into_values().flatten().collect();
        assert_eq!(all.len(), expected, "{host}");
        assert_eq!(all.contains("own"), host == "clustered", "{host}");
    }
    for words in ["$nothing is not known", "is taken for round_robin"] {
        proxy.wait_for_output(words);
    }
    let mut client = proxy.client();
    let turns = (0..40).map(|_| client.get("turn.example", "/").backend());
    let shares = turns.fold(BTreeMap::new(), |mut shares, name| {
        *shares.entry(name).or_insert(0) += 1;
        shares
    });
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [10; 4]);
}

/// Ingresses that choose endpoints in all ways there are.
fn objects(addresses: &[SocketAddr], port: u16) -> String {
    [
        manifest::backend("web", addresses),
        service_at("clustered", "127.0.0.79", port, addresses),
        service_at("headless", "None", port, addresses),
        hashed("uri", &[("upstream-hash-by", "$request_uri")]),
        hashed("field", &[("upstream-hash-by", "$http_x_user")]),
        hashed("cookie", &[("upstream-hash-by", "$cookie_sid")]),
        hashed("parameter", &[("upstream-hash-by", "${arg_user}-text-$arg_team")]),
        hashed("address", &[("upstream-hash-by", "$remote_addr")]),
        hashed("constant", &[("upstream-hash-by", "constant")]),
        hashed("refused", &[("upstream-hash-by", "$nothing")]),
        hashed(
            "subset",
            &[
                ("upstream-hash-by", "$request_uri"),
                ("upstream-hash-by-subset", "true"),
                ("upstream-hash-by-subset-size", "2"),
            ],
        ),
        hashed("turn", &[("load-balance", "round_robin")]),
        hashed("ewma", &[("load-balance", "ewma")]),
        hashed("other", &[("load-balance", "chash")]),
        to_port("clustered", "true", port),
        to_port("headless", "true", port),
        to_port("plain", "false", port),
    ]
    .concat()
}

fn hashed(name: &str, annotations: &[(&str, &str)]) -> String {
    let ingress = Ingress::simple(name, &format!("{name}.example"), "web");
    annotations.iter().fold(ingress, |ingress, (name, value)| ingress.nginx(name, value)).yaml()
}

fn to_port(name: &str, is_wanted: &str, port: u16) -> String {
    let service = if name == "plain" { "clustered" } else { name };
    Ingress::new(name)
        .nginx("service-upstream", is_wanted)
        .host(&format!("{name}.example"))
        .path_to_port("/", Prefix, service, &format!("number: {port}"))
        .yaml()
}

/// A Service with a port of that number, and its endpoints.
fn service_at(name: &str, address: &str, port: u16, endpoints: &[SocketAddr]) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{clusterIP: \"{address}\", \
         ports: [{{name: http, port: {port}, targetPort: 8080}}]}}\n---\n"
    ) + &manifest::endpoints(name, endpoints)
}

/// For each of 20 requests, whose `@` is a number, the names of the backends that answered it in
/// two rounds. Each goes over a connection of its own, so that cores share them.
#[track_caller]
fn answers(proxy: &Proxy, host: &str, request: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut answers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for number in (0..20).chain(0..20) {
        let request = request.replace('@', &number.to_string());
        let (line, fields) = request.split_once("\r\n").unwrap_or((&request, "X-A: b"));
        let mut client = proxy.client();
        client.send(format!(
            "{line} HTTP/1.1\r\nHost: {host}.example\r\nContent-Length: 0\r\n{fields}\r\n\r\n"
        ));
        let answer = client.response();
        assert_eq!(answer.status(), 200, "{host} {request}");
        answers.entry(request).or_default().insert(answer.backend());
    }
    answers
}
