//! The upstream is slow.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Gate, Ingress, manifest, pause};

for_each_driver!(
    silent_upstream_is_504,
    timeout_in_the_body_breaks_the_transfer,
    slow_upstream_does_not_use_up_the_time_of_the_client,
    waits_for_a_head_end_with_the_head,
);

fn silent_upstream_is_504(driver: Driver) {
    let backend = Backend::scripted(|mut connection| connection.read_to_end().map(drop));
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--proxy-read-timeout", 0.3).start();
    let mut client = proxy.client();
    let start = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().status(), 504);
    assert!(start.elapsed() >= Duration::from_millis(280), "{:?}", start.elapsed());
    assert!(proxy.metric("ringway_upstream_timeouts_total", &[]) >= 1.0);
}

/// The head was sent; only breaking off is honest. The time is between reads, not in all.
fn timeout_in_the_body_breaks_the_transfer(driver: Driver) {
    let gate = Gate::new();
    let backend = Backend::scripted({
        let gate = gate.clone();
        move |mut connection| {
            connection.read_request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
            gate.wait();
            Ok(())
        }
    });
    let proxy =
        super::builder(driver, &[backend.address()]).flag("--proxy-read-timeout", 0.3).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response_head().status(), 200);
    assert_eq!(client.read_until_close(), b"hello");
    gate.open();
}

/// `--client-body-timeout` is for the client to send, not for the upstream to take.
fn slow_upstream_does_not_use_up_the_time_of_the_client(driver: Driver) {
    const BEFORE: usize = 1024 * 1024;
    const BEHIND: usize = 47 * 1024 * 1024;
    let backend = Backend::scripted(|mut connection| {
        connection.read_head()?;
        connection.read_exact(BEFORE)?;
        pause(Duration::from_secs(2));
        connection.read_exact(BEHIND)?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = super::builder(driver, &[backend.address()])
        .flag("--client-body-timeout", 1)
        .flag("--client-max-body-size", 0)
        .start();
    let mut client = proxy.client();
    let length = BEFORE + BEHIND;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n"));
    client.send("x".repeat(length));
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
}

/// A listener whose queue is full: the kernel drops a SYN and takes the one repeated after 1 s.
/// Once the gate is open it answers one request.
fn busy_endpoint(gate: &Gate) -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind");
    socket.listen(0).expect("listen");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("address");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let fillers: Vec<_> = std::iter::from_fn(connect).collect();
    let gate = gate.clone();
    std::thread::spawn(move || {
        gate.wait();
        drop(fillers);
        for stream in listener.incoming() {
            let mut stream = stream?;
            if stream.read(&mut [0; 4096])? > 0 {
                return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
            }
        }
        Ok(())
    });
    address
}

/// `--client-header-timeout` and `--keep-alive-timeout` are over once the head is here, also while
/// nothing else is waited for on the client's connection.
fn waits_for_a_head_end_with_the_head(driver: Driver) {
    let names = ["first", "second"];
    let gates = names.map(|_| Gate::new());
    let manifests = [0, 1].map(|index| {
        let name = names[index];
        let ingress = Ingress::simple(name, &format!("{name}.example"), name).yaml();
        manifest::backend(name, &[busy_endpoint(&gates[index])]) + &ingress
    });
    let proxy = Builder::new(driver)
        .flag("--client-header-timeout", 0.3)
        .flag("--keep-alive-timeout", 0.3)
        .manifests(manifests.concat())
        .start();
    let mut client = proxy.client();
    for (name, gate) in names.iter().zip(&gates) {
        client.send(format!("GET / HTTP/1.1\r\nHost: {name}.example\r\n\r\n"));
        pause(Duration::from_millis(600));
        gate.open();
        assert_eq!(client.response().text(), "late");
    }
}
