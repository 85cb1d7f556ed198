//! How long compiling takes: everything at once, and one change in it.
//!
//! `cargo bench --bench compile`. What must hold: 10,000 Ingresses with 5 paths each in less than
//! 100 ms, one change in them in less than 1 ms.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringway::model::{
    BackendKey, BackendTarget, Dial, Host, HostName, HostPattern, Kind, Listener, Model, ObjectRef,
    OnMiss, Origin, PathMatch, Policies, PortRef, RequestMatch, Rule, WeightedBackend,
};
use ringway::table::Compiler;

const INGRESSES: usize = 10_000;
const PATHS: usize = 5;

/// The host of Ingress `n`, with a Service for each path; `edition` tells versions apart.
fn host(n: usize, edition: usize) -> Arc<Host> {
    let namespace: Arc<str> = format!("team-{}", n % 100).into();
    let name = format!("shop-{n}").into();
    let object = ObjectRef { kind: Kind::Ingress, namespace: Arc::clone(&namespace), name };
    let rules = (0..PATHS).map(|path| {
        let service = BackendKey {
            namespace: Arc::clone(&namespace),
            service: format!("service-{n}-{path}-{edition}").into(),
            port: PortRef::Number(80),
            dial: Dial::default(),
        };
        let from = PathMatch::Prefix(format!("/api/v1/service-{path}").into());
        let position = None;
        Arc::new(Rule {
            origin: Origin {
                object: object.clone(),
                rule: Some(0),
                path: u32::try_from(path).ok(),
                position,
            },
            matches: vec![RequestMatch::path(from)],
            filters: Vec::new(),
            backends: vec![WeightedBackend::only(BackendTarget::Service(service))],
            canaries: Vec::new(),
            policies: Policies::default(),
        })
    });
    let name = HostName::new(&format!("shop-{n}.example.com")).expect("a host name");
    let rules = rules.collect();
    Arc::new(Host {
        pattern: HostPattern::Exact(name),
        on_miss: OnMiss::Default,
        rules,
        locations: Vec::new(),
    })
}

fn model() -> Model {
    let hosts = (0..INGRESSES).map(|n| host(n, 0)).collect();
    Model {
        listeners: vec![Listener { hosts, default_rule: None, ..Listener::default() }],
        ..Model::default()
    }
}

fn bench_full(criterion: &mut Criterion) {
    let model = model();
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("10k ingresses x 5 paths", |bencher| {
        // The compiler is returned, so that freeing it is not counted.
        bencher.iter_with_large_drop(|| {
            let mut compiler = Compiler::default();
            (compiler.compile(&model), compiler)
        });
    });
    group.finish();
}

fn bench_one_change(criterion: &mut Criterion) {
    let mut model = model();
    let mut compiler = Compiler::default();
    let mut current = compiler.compile(&model);
    let mut edition = 0;
    let mut group = criterion.benchmark_group("compile");
    group.bench_function("one change in 10k ingresses", |bencher| {
        bencher.iter_batched(
            || {
                edition += 1;
                let place = edition * 7919 % INGRESSES;
                (place, host(place, edition))
            },
            |(place, host)| {
                model.listeners[0].hosts[place] = host;
                // The table before is freed here too, as the control thread does.
                current = compiler.compile(&model);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("one host more, then less, in 10k ingresses", |bencher| {
        bencher.iter_batched(
            || host(INGRESSES, 0),
            |host| {
                let at = INGRESSES / 2;
                model.listeners[0].hosts.insert(at, host);
                current = compiler.compile(&model);
                model.listeners[0].hosts.remove(at);
                current = compiler.compile(&model);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("no change in 10k ingresses", |bencher| {
        bencher.iter(|| current = compiler.compile(&model));
    });
    group.finish();
}

criterion_group!(benches, bench_full, bench_one_change);
criterion_main!(benches);
