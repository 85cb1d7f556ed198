//! Endpoints that no connection can be had to: what that costs in time.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Ingress, manifest, pause};

for_each_driver!(
    connections_cost_their_timeout_once_for_all_tries,
    an_endpoint_that_cannot_be_reached_costs_no_answer,
);

/// A listener whose queue is full, so that the kernel drops every SYN. The streams keep it so.
fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind");
    socket.listen(0).expect("listen");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("address");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let fillers = std::iter::from_fn(connect).collect();
    (address, listener, fillers)
}

fn silent() -> Backend {
    Backend::scripted(|mut connection| connection.read_to_end().map(drop))
}

/// Begins a record and sends the rest octet by octet.
fn trickling() -> Backend {
    Backend::scripted(|mut connection| {
        connection.send(b"\x16\x03\x03\x3f\xff\x02")?;
        loop {
            pause(Duration::from_millis(50));
            connection.write_all(b"\0")?;
        }
    })
}

/// A Service whose port speaks `protocol`, with two endpoints.
fn manifests(name: &str, protocol: &str, addresses: &[SocketAddr]) -> String {
    let port = format!("port: 80\n      appProtocol: {protocol}");
    manifest::service(name).replace("port: 80", &port)
        + &manifest::endpoints(name, addresses)
        + &Ingress::simple(name, &format!("{name}.example"), name).yaml()
}

/// `--proxy-connect-timeout` bounds TCP, TLS and the first SETTINGS of all tries together.
fn connections_cost_their_timeout_once_for_all_tries(driver: Driver) {
    const TIME: Duration = Duration::from_secs(2);
    let backends = [silent(), silent(), trickling(), trickling(), silent(), silent()];
    let holes = [black_hole(), black_hole()];
    let pair = |at: usize| [backends[at].address(), backends[at + 1].address()];
    let kinds = [
        ("tls", "https", pair(0)),
        ("trickle", "https", pair(2)),
        ("http2", "kubernetes.io/h2c", pair(4)),
        ("grpcs", "grpcs", pair(4)),
        ("tcp", "http", [holes[0].0, holes[1].0]),
    ];
    let text: String = kinds.iter().map(|(name, wire, both)| manifests(name, wire, both)).collect();
    let one = manifests("one", "https", &pair(0)[..1]);
    let proxy = Builder::new(driver)
        .flag("--proxy-connect-timeout", TIME.as_secs())
        .manifests(text + &one)
        .start();
    std::thread::scope(|scope| {
        for name in kinds.iter().map(|(name, ..)| *name).chain(["one"]) {
            let mut client = proxy.client();
            scope.spawn(move || {
                let start = Instant::now();
                let status = client.get(&format!("{name}.example"), "/").status();
                let elapsed = start.elapsed();
                assert_eq!(status, 504, "{name}");
                assert!(elapsed >= TIME.mul_f32(0.9), "{name}: {elapsed:?}");
                // Each try on its own would take it twice at least.
                assert!(elapsed < TIME.mul_f32(1.8), "{name}: {elapsed:?}");
            });
        }
    });
}

/// Whatever the method: nothing was sent to it.
fn an_endpoint_that_cannot_be_reached_costs_no_answer(driver: Driver) {
    let (hole, _listener, _fillers) = black_hole();
    let good = Backend::echo("good");
    let proxy =
        super::builder(driver, &[hole, good.address()]).flag("--proxy-connect-timeout", 1).start();
    let mut client = proxy.client();
    for round in 0..6 {
        client.send(format!(
            "POST /{round} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
        ));
        assert_eq!(client.response().status(), 200, "round {round}");
    }
    assert!(proxy.metric("ringway_upstream_connect_failures_total", &[]) >= 1.0);
}
