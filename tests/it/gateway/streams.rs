//! TCPRoutes, UDPRoutes and TLSRoutes: what is relayed as it is, by shares, while routes, listeners
//! and endpoints come and go.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::for_each_driver;
use crate::harness::datagrams::{answerer_at, asked, asker};
use crate::harness::pki::client_hello;
use crate::harness::{Backend, Builder, Driver, manifest, ports, wait_until};

for_each_driver!(routes_lead_streams_to_shares, rollouts_of_streams_cut_nothing);

const API: &str = "apiVersion: gateway.networking.k8s.io/v1\n";

/// A Gateway with these listeners: protocol and port, named by both.
fn gateway(listeners: &[(&str, SocketAddr)]) -> String {
    let lines = listeners.iter().map(|(protocol, at)| listener(protocol, at.port()));
    let lines: String = lines.collect();
    format!(
        "{API}kind: GatewayClass\nmetadata: {{name: ringway}}\n\
         spec: {{controllerName: ringway.dev/gateway}}\n---\n\
         {API}kind: Gateway\nmetadata: {{name: edge, namespace: default}}\n\
         spec:\n  gatewayClassName: ringway\n  allowedListeners: {{namespaces: {{from: Same}}}}\n  \
         listeners:\n{lines}---\n"
    )
}

fn listener(protocol: &str, port: u16) -> String {
    let tls = if protocol == "TLS" { ", tls: {mode: Passthrough}" } else { "" };
    let name = protocol.to_lowercase();
    format!("  - {{name: {name}-{port}, protocol: {protocol}, port: {port}{tls}}}\n")
}

/// A route from a port to `backends`, made in this year.
fn route(kind: &str, name: &str, year: u16, at: SocketAddr, backends: &str) -> String {
    let hostnames = if kind == "TLSRoute" { "hostnames: [p.example], " } else { "" };
    format!(
        "{API}kind: {kind}\n\
         metadata: {{name: {name}, namespace: default, \
         creationTimestamp: \"{year}-01-01T00:00:00Z\"}}\n\
         spec: {{parentRefs: [{{name: edge, port: {}}}], {hostnames}\
         rules: [{{backendRefs: [{backends}]}}]}}\n---\n",
        at.port()
    )
}

/// A Service of UDP with these endpoints.
fn datagrams(name: &str, addresses: &[SocketAddr]) -> String {
    let service = manifest::service(name).replace("port: 80", "protocol: UDP\n      port: 80");
    service + &manifest::endpoints(name, addresses).replace("TCP", "UDP")
}

fn free_datagram_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

/// What is said first to who says `hello`; empty: nothing, and the connection is closed.
fn greeting(at: SocketAddr, hello: &[u8]) -> String {
    let mut said = [0; 2];
    let read = TcpStream::connect(at).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(hello)?;
        stream.read_exact(&mut said)
    });
    read.map_or_else(|_| String::new(), |()| String::from_utf8_lossy(&said).into_owned())
}

/// A connection that somebody has.
fn greeted(at: SocketAddr) -> TcpStream {
    loop {
        let mut stream = TcpStream::connect(at).expect("a port");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        if stream.read_exact(&mut [0; 2]).is_ok() {
            return stream;
        }
    }
}

/// Whether what is sent comes back.
fn repeats(stream: &mut TcpStream) -> bool {
    let mut said = [0; 5];
    let told = stream.write_all(b"still").and_then(|()| stream.read_exact(&mut said));
    told.is_ok() && said == *b"still"
}

/// How often `a!`, `b!`, `c!` and nothing come of so many tries.
fn tally(tries: usize, mut one: impl FnMut() -> String) -> [usize; 4] {
    let mut counts = [0; 4];
    for _ in 0..tries {
        let said = one();
        let which = ["a!", "b!", "c!", ""].iter().position(|name| said.starts_with(name));
        counts[which.unwrap_or_else(|| panic!("{said:?} of nobody"))] += 1;
    }
    counts
}

#[track_caller]
fn assert_shared(counts: [usize; 4], expected: [bool; 4]) {
    assert_eq!(counts.map(|count| count > 0), expected, "{counts:?}");
}

fn routes_lead_streams_to_shares(driver: Driver) {
    let [tcp, tls, taken, empty, set] = ports();
    let udp = free_datagram_port();
    let [a, b, c] = ["a!", "b!", "c!"].map(|name| Backend::greeting_at("127.0.0.1:0", name));
    let names = ["a!", "b!", "c!"].map(|name| answerer_at("127.0.0.1:0", name));
    let shares = "{name: a, port: 80, weight: 3}, {name: b, port: 80}, \
                  {name: c, port: 80, weight: 0}, {name: gone, port: 80}";
    let of_names = "{name: na, port: 80}, {name: nb, port: 80}, {name: nc, port: 80, weight: 0}";
    let mut builder = Builder::new(driver).cores(2).flag("--http-bind", taken);
    for (name, backend) in [("a", &a), ("b", &b), ("c", &c)] {
        builder = builder.manifests(manifest::backend(name, &[backend.address()]));
    }
    for (name, address) in ["na", "nb", "nc"].into_iter().zip(names) {
        builder = builder.manifests(datagrams(name, &[address]));
    }
    let all = [("TCP", tcp), ("TLS", tls), ("UDP", udp), ("TCP", taken), ("TCP", empty)];
    let proxy = builder.manifests(gateway(&all)).start();
    let old = route("TCPRoute", "old", 2025, tcp, shares)
        + &route("TLSRoute", "old", 2025, tls, shares)
        + &route("UDPRoute", "old", 2025, udp, of_names);
    let young = route("TCPRoute", "young", 2026, tcp, "{name: c, port: 80}")
        + &route("TLSRoute", "young", 2026, tls, "{name: c, port: 80}")
        + &route("UDPRoute", "young", 2026, udp, "{name: nc, port: 80}");
    proxy.write("old.yaml", &old);
    proxy.write("young.yaml", &young);
    for text in [
        &format!("Port {} is that of --http-bind or --https-bind", taken.port())[..],
        "there is no Service default/gone",
        &format!("TCPRoute default/old is older and has what comes in at port {}", tcp.port()),
        &format!("at port {} for p.example; remove one of both", tls.port()),
    ] {
        proxy.wait_for_output(text);
    }

    // Of each route its shares, and what leads nowhere is closed.
    let hello = client_hello("p.example");
    for (at, hello) in [(tcp, &b""[..]), (tls, &hello)] {
        assert_shared(tally(80, || greeting(at, hello)), [true, true, false, true]);
    }
    assert_eq!(greeting(tls, &client_hello("other.example")), "");
    assert_eq!(greeting(empty, b""), "", "no route");
    let ask = || asked(&asker(udp), "x").unwrap_or_default();
    wait_until("datagrams", || !ask().is_empty());
    assert_shared(tally(60, ask), [true, true, false, false]);
    // A client stays where it is, however many answers it had.
    let client = asker(udp);
    let first = asked(&client, "0").expect("an answer");
    for number in 0..20 {
        assert_eq!(asked(&client, "0"), Some(first.clone()), "{number}");
    }

    // A listener comes with its set, and its going cuts nobody else.
    let mut open = greeted(tcp);
    let listener_set = format!(
        "{API}kind: ListenerSet\nmetadata: {{name: more, namespace: default}}\n\
         spec:\n  parentRef: {{name: edge}}\n  listeners:\n{}---\n",
        listener("TCP", set.port())
    ) + &route("TCPRoute", "more", 2025, set, "{name: b, port: 80}")
        .replace("{name: edge", "{kind: ListenerSet, name: more");
    proxy.write("more.yaml", &listener_set);
    wait_until("the set", || greeting(set, b"") == "b!");
    proxy.remove("more.yaml");
    wait_until("the set is closed", || TcpStream::connect(set).is_err());

    // The next one has what the older one leaves; who is there stays, as far as it is TCP.
    proxy.remove("old.yaml");
    for (at, hello) in [(tcp, &b""[..]), (tls, &hello)] {
        wait_until("the younger route", || tally(8, || greeting(at, hello)) == [0, 0, 8, 0]);
    }
    assert!(repeats(&mut open), "the older route had it");
    wait_until("the younger route", || asked(&client, "0").as_deref() == Some("c! 0"));
    proxy.remove("young.yaml");
    wait_until("nobody", || greeting(tcp, b"").is_empty() && asked(&client, "0").is_none());
    names.iter().for_each(|address| drop(asker(*address).send(b"")));
}

/// Connects, is greeted, and gets its own words back.
fn converse(at: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"words")?;
    stream.shutdown(Shutdown::Write)?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    match &said[..] {
        [b'a'..=b'c', b'!', b'w', b'o', b'r', b'd', b's', b'b', b'y', b'e'] => Ok(()),
        other => Err(std::io::Error::other(String::from_utf8_lossy(other).into_owned())),
    }
}

fn rollouts_of_streams_cut_nothing(driver: Driver) {
    let [tcp] = ports();
    let udp = free_datagram_port();
    let [a, b, c] = ["a!", "b!", "c!"].map(|name| Backend::greeting_at("127.0.0.1:0", name));
    let names = ["a!", "b!", "c!"].map(|name| answerer_at("127.0.0.1:0", name));
    let of_tcp = [a.address(), b.address(), c.address()];
    let proxy = Builder::new(driver)
        .cores(2)
        .manifests(gateway(&[("TCP", tcp), ("UDP", udp)]))
        .manifests(route("TCPRoute", "r", 2025, tcp, "{name: lines, port: 80}"))
        .manifests(route("UDPRoute", "r", 2025, udp, "{name: names, port: 80}"))
        .start();
    let step = |nth: usize| {
        let next = |all: [SocketAddr; 3]| [all[nth % 3], all[(nth + 1) % 3]];
        manifest::backend("lines", &next(of_tcp)) + &datagrams("names", &next(names))
    };
    proxy.write("endpoints.yaml", &step(0));
    wait_until("endpoints", || converse(tcp).is_ok() && asked(&asker(udp), "x").is_some());

    let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut open = greeted(tcp);
    let client = asker(udp);
    let ask = || asked(&client, "x").expect("an answer to each");
    let mut heard = std::collections::BTreeSet::from([ask()]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    converse(tcp).expect("nothing fails");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Each step takes an endpoint away that had clients, and waits until they are elsewhere.
        for nth in 1..=9 {
            let before = done.load(Ordering::Relaxed);
            proxy.replace("endpoints.yaml", &step(nth));
            let gone = ["a!", "b!", "c!"][(nth + 2) % 3];
            wait_until("datagrams go elsewhere", || {
                let said = ask();
                heard.insert(said.clone());
                !said.starts_with(gone)
            });
            wait_until("some more", || done.load(Ordering::Relaxed) > before + 9);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(heard.len() > 1, "{heard:?}");
    assert!(repeats(&mut open), "it was there before all of them");
    names.iter().for_each(|address| drop(asker(*address).send(b"")));
}
