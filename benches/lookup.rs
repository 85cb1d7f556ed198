//! How long a lookup takes, by number of routes and by how it ends.
//!
//! `cargo bench --bench lookup`. What must hold: a hit costs about the same in every row.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::model::{
    BackendKey, BackendTarget, Dial, Host, HostName, HostPattern, Kind, Listener, ListenerId,
    Model, ObjectRef, OnMiss, Origin, PathMatch, Policies, PortRef, RequestMatch, Rule,
    WeightedBackend, WildcardDepth,
};
use ringway::table::{Compiler, NoFields, RequestKey, Table};

fn rule(object: &str, path: &str) -> Arc<Rule> {
    let object = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: object.into() };
    let service = BackendKey {
        namespace: "ns".into(),
        service: object.name.clone(),
        port: PortRef::Number(80),
        dial: Dial::default(),
    };
    Arc::new(Rule {
        origin: Origin { object, rule: Some(0), path: Some(0), position: None },
        matches: vec![RequestMatch::path(PathMatch::Prefix(path.into()))],
        filters: Vec::new(),
        backends: vec![WeightedBackend::only(BackendTarget::Service(service))],
        canaries: Vec::new(),
        policies: Policies::default(),
    })
}

fn host(pattern: HostPattern, object: &str, paths: &[String]) -> Arc<Host> {
    let rules = paths.iter().map(|path| rule(object, path)).collect();
    Arc::new(Host { pattern, on_miss: OnMiss::Default, rules, locations: Vec::new() })
}

fn name(text: &str) -> HostName {
    HostName::new(text).expect("a host name")
}

/// `hosts` hosts × `paths` paths, and one wildcard host.
fn table(hosts: usize, paths: usize) -> Arc<Table> {
    let texts: Vec<String> = (0..paths).map(|n| format!("/api/v1/service-{n}")).collect();
    let mut listener = Listener::default();
    for n in 0..hosts {
        let pattern = HostPattern::Exact(name(&format!("shop-{n}.example.com")));
        listener.hosts.push(host(pattern, &format!("shop-{n}"), &texts));
    }
    let wildcard =
        HostPattern::Wildcard { suffix: name("wild.example.com"), depth: WildcardDepth::One };
    listener.hosts.push(host(wildcard, "wild", &texts));
    Compiler::default().compile(&Model { listeners: vec![listener], ..Model::default() }).table
}

fn ask(table: &Table, host: &str, path: &str) -> bool {
    let key = RequestKey {
        host: black_box(host.as_bytes()),
        path: black_box(path.as_bytes()),
        query: None,
        method: b"GET",
        fields: &NoFields,
    };
    black_box(table.lookup(ListenerId::HTTP, &key)).is_some()
}

/// Requests that end alike, many enough that the table's memory is walked and not one line of it.
fn requests(hosts: usize, paths: usize) -> Vec<(String, String)> {
    // Odd steps, so that neighbours in the list are no neighbours in the table.
    let picks = (0..1024_usize).map(|n| n.wrapping_mul(7919));
    picks
        .map(|n| {
            let mut path = String::new();
            write!(path, "/api/v1/service-{}/items/42", n % paths).expect("a string takes all");
            (format!("shop-{}.example.com", n % hosts), path)
        })
        .collect()
}

fn bench_requests(
    criterion: &mut Criterion,
    id: &str,
    table: &Table,
    requests: &[(String, String)],
    is_hit: bool,
) {
    for (host, path) in requests {
        assert_eq!(ask(table, host, path), is_hit, "{host}{path}");
    }
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(requests.len() as u64));
    group.bench_function(id, |bencher| {
        bencher.iter(|| requests.iter().filter(|(host, path)| ask(table, host, path)).count());
    });
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    for (label, hosts, paths) in [
        ("1 route", 1, 1),
        ("1 host x 1k", 1, 1_000),
        ("1k hosts x 5", 1_000, 5),
        ("10k hosts x 5", 10_000, 5),
        ("1 host x 50k", 1, 50_000),
    ] {
        let table = table(hosts, paths);
        let hits = requests(hosts, paths);
        let with_host = |host: &str| -> Vec<(String, String)> {
            hits.iter().map(|(_, path)| (host.to_owned(), path.clone())).collect()
        };
        let no_path: Vec<_> =
            hits.iter().map(|(host, _)| (host.clone(), "/other/path".to_owned())).collect();
        bench_requests(criterion, &format!("{label}/hit"), &table, &hits, true);
        let wild = with_host("any.wild.example.com");
        bench_requests(criterion, &format!("{label}/wildcard"), &table, &wild, true);
        let none = with_host("unknown.example.net");
        bench_requests(criterion, &format!("{label}/miss-host"), &table, &none, false);
        bench_requests(criterion, &format!("{label}/miss-path"), &table, &no_path, false);
    }
}

/// Request paths made to be expensive.
fn bench_hostile(criterion: &mut Criterion) {
    let table = table(1, 1_000);
    for (id, path) in [
        ("hostile/slashes", "/".repeat(8 * 1024)),
        ("hostile/elements", "/a".repeat(4 * 1024)),
        ("hostile/one-element", format!("/api/v1/{}", "x".repeat(8 * 1024))),
    ] {
        let request = [("shop-0.example.com".to_owned(), path)];
        bench_requests(criterion, id, &table, &request, false);
    }
}

/// Where comparing paths one by one stops being cheaper than the tree: the limit is 8.
fn bench_linear_or_tree(criterion: &mut Criterion) {
    for paths in [2, 5, 8, 9, 12] {
        let table = table(1, paths);
        let id = format!("paths of one host/{paths}");
        bench_requests(criterion, &id, &table, &requests(1, paths), true);
    }
}

criterion_group!(benches, bench, bench_hostile, bench_linear_or_tree);
criterion_main!(benches);
