//! How long a review takes with 10,000 Ingresses in force.
//!
//! `cargo bench --bench admission`. What must hold: it does not depend on their number, nor on how
//! many paths others have on the same host.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use criterion::{Criterion, criterion_group, criterion_main};
use k8s_openapi::api::networking::v1::Ingress;
use ringway::control::lower::{LowerOptions, Lowerer};
use ringway::control::source::{Change, Object, SourceObject};
use ringway::control::store::Store;
use ringway::model::{Kind, ObjectRef};
use serde_json::json;

/// Paths of each Ingress.
const PATHS: usize = 5;

/// Ingress `n`, with `host`, and paths that no other has.
fn ingress(n: usize, host: &str) -> (ObjectRef, Arc<Ingress>) {
    let paths: Vec<_> = (0..PATHS)
        .map(|path| {
            json!({
                "path": format!("/shop-{n}/service-{path}"),
                "pathType": "Prefix",
                "backend": { "service": { "name": "web", "port": { "number": 80 } } },
            })
        })
        .collect();
    let name = format!("shop-{n}");
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": { "name": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": {
            "ingressClassName": "ringway",
            "rules": [{ "host": host, "http": { "paths": paths } }],
        },
    });
    let reference =
        ObjectRef { kind: Kind::Ingress, namespace: "default".into(), name: name.as_str().into() };
    (reference, Arc::new(serde_json::from_value(ingress).expect("an Ingress")))
}

/// `own`: each has a host of its own; else all have one.
fn world(ingresses: usize, own: bool) -> (Store, Lowerer) {
    let changes = (0..ingresses).map(|n| {
        let host = if own { format!("shop-{n}.example") } else { "shop.example".into() };
        let (reference, ingress) = ingress(n, &host);
        let object = Object::Ingress(ingress);
        Change::Apply(Box::new(SourceObject { reference, object, provenance: None }))
    });
    let mut lowerer = Lowerer::new(LowerOptions {
        adopt_classless: true,
        ..LowerOptions::cluster("ringway", "ringway.dev/ingress")
    });
    let mut store = Store::default();
    let dirty = store.apply(changes);
    lowerer.apply(&store, &dirty, SystemTime::now());
    (store, lowerer)
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admission");
    for (kind, own) in [("a host each", true), ("one host for all", false)] {
        for ingresses in [10, 10_000] {
            let (store, lowerer) = world(ingresses, own);
            let host = if own { "shop-7.example" } else { "shop.example" };
            let (mut reference, ingress) = ingress(7, host);
            // Another name: all its paths are taken.
            reference.name = "z".into();
            group.bench_function(format!("{kind}/{ingresses}"), |bencher| {
                bencher.iter(|| {
                    let ingress = Arc::clone(black_box(&ingress));
                    let problems = lowerer.review(&store, &reference, ingress, SystemTime::now());
                    assert_eq!(problems.len(), PATHS + 1);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
