//! TCP and UDP services: ports that ConfigMaps relay to Services, live, with and without PROXY
//! headers.

use std::io::Read;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use crate::for_each_driver;
use crate::harness::datagrams::{answerer_at, asked, asker};
use crate::harness::{Backend, Builder, Client, Driver, manifest, ports, wait_until};

for_each_driver!(
    connections_are_relayed_as_the_config_map_says,
    endpoints_come_and_go_without_cutting_the_others,
    datagrams_are_relayed_by_sessions,
);

/// Greets, and repeats what comes.
fn echo(greeting: &'static str) -> Backend {
    Backend::greeting_at("127.0.0.1:0", greeting)
}

/// Repeats the first line that it gets.
fn line() -> Backend {
    Backend::scripted(|mut connection| {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(connection.read_exact(1)?);
        }
        connection.send(line)
    })
}

/// A ConfigMap of this name with these lines, and one that is none.
fn services(name: &str, lines: &[(SocketAddr, &str)]) -> String {
    let lines = lines.iter().map(|(at, service)| format!("  \"{}\": {service}\n", at.port()));
    let lines: String = lines.collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: default, name: {name}}}\n\
         data:\n{lines}  bad: default/echo:80\n"
    )
}

/// Connects, once somebody listens.
fn connect(at: SocketAddr) -> Client {
    wait_until("the port", || TcpStream::connect(at).is_ok());
    Client::connect(at)
}

/// What the server says first; empty: nothing.
fn greeting(at: SocketAddr) -> String {
    let mut said = String::new();
    let read = TcpStream::connect(at).and_then(|stream| stream.take(5).read_to_string(&mut said));
    drop(read);
    said
}

fn connections_are_relayed_as_the_config_map_says(driver: Driver) {
    let (echo, line) = (echo("echo\n"), line());
    let [plain, told, said, both, nobody, late] = ports();
    let lines = [
        (plain, "default/echo:80"),
        (told, "default/line:80::PROXY"),
        (said, "default/line:80:PROXY"),
        (both, "default/line:80:PROXY:PROXY"),
        (nobody, "default/nobody:80"),
    ];
    let proxy = Builder::new(driver)
        .flag("--tcp-services-configmap", "default/tcp")
        .manifests(manifest::backend("echo", &[echo.address()]))
        .manifests(manifest::backend("line", &[line.address()]))
        .start();
    proxy.wait_for_output("there is no ConfigMap default/tcp, which --tcp-services-configmap");
    proxy.write("tcp.yaml", &services("tcp", &lines));

    // The server speaks first, and each side ends by itself.
    let mut open = connect(plain);
    assert_eq!(open.take(5), b"echo\n");
    let mut client = connect(plain);
    client.send("abc");
    assert_eq!(client.take(8), b"echo\nabc");
    client.finish_sending();
    assert_eq!(client.read_until_close(), b"bye");

    let from = |client: &str, server: &str| format!("PROXY TCP4 {client} {server}");
    let mut client = connect(told);
    client.send("x\n");
    let header = String::from_utf8(client.read_until_close()).expect("a line");
    assert!(header.starts_with(&from("127.0.0.1", "127.0.0.1 ")), "{header}");
    assert!(header.ends_with(&format!(" {}\r\n", told.port())), "{header}");

    let header = from("192.0.2.7", "198.51.100.1 1000 2000\r\n");
    let mut client = connect(said);
    client.send(format!("{header}hello\n"));
    assert_eq!(client.read_until_close(), b"hello\n");
    let mut client = connect(both);
    client.send(format!("{header}hello\n"));
    let told_on = String::from_utf8(client.read_until_close()).expect("a line");
    assert!(told_on.starts_with(&from("192.0.2.7", "127.0.0.1 1000 ")), "{told_on}");
    // Nobody says who it is.
    let mut client = connect(both);
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.read_until_close(), b"");

    // There is nobody to relay to.
    let nobody_line = format!("ConfigMap default/tcp: data.{}: there is no Service", nobody.port());
    proxy.wait_for_output(&nobody_line);
    assert_eq!(connect(nobody).read_until_close(), b"");
    proxy.wait_for_output("nothing listens on port \"bad\" for \"default/echo:80\"");

    // Live: a port comes, another goes, and who is there stays.
    proxy.replace("tcp.yaml", &services("tcp", &[(late, "default/echo:80")]));
    let mut client = connect(late);
    assert_eq!(client.take(5), b"echo\n");
    wait_until("the port is closed", || TcpStream::connect(plain).is_err());
    open.send("still");
    assert_eq!(open.take(5), b"still");
    let relayed = proxy.metric("ringway_tcp_connections_total", &[]);
    assert!(relayed >= 7.0, "{relayed}");
}

fn endpoints_come_and_go_without_cutting_the_others(driver: Driver) {
    let (old, new) = (echo("old!\n"), echo("new!\n"));
    let [at] = ports();
    let endpoints = |addresses: &[SocketAddr]| manifest::backend("echo", addresses);
    let proxy = Builder::new(driver)
        .flag("--tcp-services-configmap", "default/tcp")
        .manifests(services("tcp", &[(at, "default/echo:80")]) + "---\n")
        .start();
    proxy.write("echo.yaml", &endpoints(&[old.address(), Backend::closed_address()]));
    wait_until("endpoints", || greeting(at) == "old!\n");
    // Of two endpoints one refuses: everybody gets to the other one.
    let mut open = connect(at);
    assert_eq!(open.take(5), b"old!\n");
    for _ in 0..6 {
        assert_eq!(greeting(at), "old!\n");
    }
    proxy.replace("echo.yaml", &endpoints(&[new.address()]));
    wait_until("the new endpoint", || greeting(at) == "new!\n");
    open.send("here");
    assert_eq!(open.take(4), b"here");
}

fn datagrams_are_relayed_by_sessions(driver: Driver) {
    let [old, new] = ["old", "new"].map(|name| answerer_at("127.0.0.1:0", name));
    let at = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let map = |lines: &[(SocketAddr, &str)]| services("udp", lines);
    let proxy = Builder::new(driver)
        .cores(2)
        .flag("--udp-services-configmap", "default/udp")
        .manifests(map(&[(at, "default/names:80")]) + "---\n")
        .start();
    let names = |address| {
        let service =
            manifest::service("names").replace("port: 80", "protocol: UDP\n      port: 80");
        service + &manifest::endpoints("names", &[address]).replace("TCP", "UDP")
    };
    proxy.write("names.yaml", &names(old));
    wait_until("the endpoint", || asked(&asker(at), "x").as_deref() == Some("old x"));
    proxy.wait_for_output("nothing listens on port \"bad\" for \"default/echo:80\"");

    // Each client gets its own answers, and all of them.
    let clients: Vec<UdpSocket> = (0..40).map(|_| asker(at)).collect();
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            client.send(format!("{number}/{round}").as_bytes()).expect("sent");
        }
        for (number, client) in clients.iter().enumerate() {
            let mut answer = [0; 64];
            let octets = client.recv(&mut answer).expect("an answer");
            assert_eq!(answer[..octets], *format!("old {number}/{round}").as_bytes());
        }
    }
    assert!(proxy.metric("ringway_udp_sessions_total", &[]) >= 41.0);
    assert!(proxy.metric("ringway_udp_datagrams_total", &[]) >= 121.0);

    // A session is over with its answer, so that the next datagram finds the new endpoint.
    proxy.replace("names.yaml", &names(new));
    wait_until("the new endpoint", || asked(&clients[0], "x").as_deref() == Some("new x"));

    // Live: the port goes, and comes back.
    proxy.replace("main.yaml", &map(&[]));
    wait_until("the port is closed", || asked(&asker(at), "x").is_none());
    proxy.replace("main.yaml", &map(&[(at, "default/names:80")]));
    wait_until("the port is open", || asked(&asker(at), "x").as_deref() == Some("new x"));
    for address in [old, new] {
        drop(asker(address).send(b""));
    }
}
