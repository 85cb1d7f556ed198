//! How long it takes to find what a TLS server name leads to, by number of names.
//!
//! `cargo bench --bench sni`. What must hold: a hit costs about the same at 10 and at 10,000 names.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::model::{
    HostName, HostPattern, Kind, Listener, ListenerId, Model, ObjectRef, ServerName, ServerTlsId,
    TlsAction, WildcardDepth,
};
use ringway::table::{Compiler, Table};
use ringway::tls::certificate::Certificate;
use ringway::tls::client_auth::ClientAuth;
use ringway::tls::server::ServerTls;
use ringway::tls::tickets::Tickets;

const ID: ServerTlsId = ServerTlsId(0);

/// Lookups of one iteration, so that the table's memory is walked and not one line of it.
const ASKED: usize = 1024;

fn settings() -> Arc<ServerTls> {
    let certificate = Certificate::self_signed().expect("a certificate");
    ServerTls::new(&certificate, &ClientAuth::none(), &Tickets::new()).expect("settings")
}

fn table(names: usize, tls: &Arc<ServerTls>) -> Arc<Table> {
    let origin = ObjectRef { kind: Kind::Ingress, namespace: "ns".into(), name: "i".into() };
    let entry = |pattern| {
        let action = TlsAction::Terminate(ID);
        Arc::new(ServerName { pattern, action, section: None, origin: origin.clone() })
    };
    let name = |text: &str| HostName::new(text).expect("a host name");
    let mut server_names: Vec<_> = (0..names)
        .map(|n| entry(HostPattern::Exact(name(&format!("shop-{n}.example.com")))))
        .collect();
    let suffix = name("wild.example.com");
    server_names.push(entry(HostPattern::Wildcard { suffix, depth: WildcardDepth::One }));
    let default_tls = Some(ID);
    let listener = Listener { server_names, default_tls, ..Listener::default() };
    let mut compiler = Compiler::default();
    compiler.set_server_tls(Arc::new([(ID, Arc::clone(tls))].into()));
    compiler.compile(&Model { listeners: vec![listener], ..Model::default() }).table
}

fn bench(criterion: &mut Criterion) {
    let tls = settings();
    let mut group = criterion.benchmark_group("sni");
    group.throughput(Throughput::Elements(ASKED as u64));
    for names in [10, 10_000] {
        let table = table(names, &tls);
        for (kind, host) in [
            // Odd steps, so that neighbours in the list are no neighbours in the table.
            (
                "exact",
                (|n, names| format!("shop-{}.example.com", n * 7919 % names)) as fn(_, _) -> _,
            ),
            ("wildcard", |n: usize, _: usize| format!("s{n}.wild.example.com")),
            ("unknown", |n: usize, _: usize| format!("s{n}.unknown.example.org")),
        ] {
            let asked: Vec<String> = (0..ASKED).map(|n| host(n, names)).collect();
            group.bench_function(format!("{kind}/{names}"), |bencher| {
                bencher.iter(|| {
                    for sni in &asked {
                        let sni = Some(black_box(sni.as_bytes()));
                        black_box(table.server_name(ListenerId::HTTP, sni));
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
