//! Time to seal and to open records of 1 KiB and 16 KiB on an established TLS 1.3 connection. The
//! other side's work is not counted; the copies in and out of our buffers are.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::tls::certificate::Certificate;
use ringway::tls::client::{ClientTls, Verify};
use ringway::tls::client_auth::ClientAuth;
use ringway::tls::server::ServerTls;
use ringway::tls::session::Session;
use ringway::tls::tickets::Tickets;
use rustls::pki_types::ServerName;

const SIZES: [usize; 2] = [1024, 16 * 1024];

/// Server and client, past the handshake.
fn connected() -> (Session, Session) {
    let certificate = Certificate::self_signed().expect("a certificate");
    let tls = ServerTls::new(&certificate, &ClientAuth::none(), &Tickets::new()).expect("a server");
    let upstream = ClientTls::new(Verify::Nothing, None, &[b"http/1.1"]).expect("a client");
    let name = ServerName::try_from("ringway.local").expect("a name");
    let mut server = Session::server(Arc::clone(tls.config())).expect("a session");
    let mut client = Session::client(upstream.config(), name).expect("a session");
    let (mut up, mut down, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 {
        client.feed(&mut down, &mut plain, &mut up).expect("the client's part");
        server.feed(&mut up, &mut plain, &mut down).expect("the server's part");
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    (server, client)
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tls_record");
    for bytes in SIZES {
        let octets = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("seal", bytes), |bencher| {
            let (mut server, _) = connected();
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                server.seal(black_box(&octets), &mut out).expect("sealed");
            });
        });
        group.bench_function(BenchmarkId::new("open", bytes), |bencher| {
            let (mut server, mut client) = connected();
            let (mut cipher, mut plain, mut out) = (Vec::new(), Vec::new(), Vec::new());
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    client.seal(&octets, &mut cipher).expect("sealed");
                    plain.clear();
                    let start = Instant::now();
                    server.feed(&mut cipher, &mut plain, &mut out).expect("opened");
                    spent += start.elapsed();
                    assert_eq!(plain.len(), bytes);
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, records);
criterion_main!(benches);
