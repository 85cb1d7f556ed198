//! Where it listens: both families, nobody else's port, and the port of one that was just killed.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use crate::for_each_driver;
use crate::harness::proxy::run;
use crate::harness::{Backend, Builder, Client, Driver, Proxy, manifest};

for_each_driver!(
    both_families_are_served_and_told_apart,
    an_address_that_is_not_here_is_an_error,
    a_second_start_is_told_who_was_first,
    a_killed_one_is_followed_at_once,
);

/// Addresses of a word of the start line.
fn told(proxy: &Proxy, word: &str) -> Vec<SocketAddr> {
    let output = proxy.output();
    let line = output.lines().find(|line| line.contains(" ready: ")).expect("a start line");
    let list = line.split(' ').find_map(|part| part.strip_prefix(word)).expect("the word");
    list.split(',').map(|address| address.parse().expect("an address")).collect()
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// The last listener is the one that every test adds.
fn both_families_are_served_and_told_apart(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .cores(2)
        .flag("--http-bind", "*:0")
        .flag("--admin-bind", "localhost:0")
        .flag("--access-log", "nginx")
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let (http, admin) = (told(&proxy, "http="), told(&proxy, "admin="));
    let port = http[0].port();
    assert_eq!(
        (http[0].ip().to_string().as_str(), admin[0].ip().to_string().as_str()),
        ("0.0.0.0", "127.0.0.1")
    );
    let mut clients = vec![("127.0.0.1", SocketAddr::from(([127, 0, 0, 1], port)))];
    if has_ipv6() {
        assert_eq!(http[1].to_string(), format!("[::]:{port}"));
        assert_eq!(admin[1].to_string(), format!("[::1]:{}", admin[0].port()));
        clients.push(("::1", SocketAddr::from((Ipv6Addr::LOCALHOST, port))));
    }
    for (client, address) in clients {
        let response = Client::connect(address).get("a.example", "/");
        assert_eq!(response.status(), 200);
        assert_eq!(response.echoed_field("x-forwarded-for").as_deref(), Some(client));
        assert_eq!(response.echoed_field("x-real-ip").as_deref(), Some(client));
        proxy.wait_for_output(&format!("\n{client} - - ["));
    }
    for address in &admin {
        let mut client = Client::connect(*address);
        client.send("GET /healthz HTTP/1.1\r\nHost: admin\r\n\r\n");
        assert_eq!(client.response().status(), 200, "{address}");
    }
}

/// 192.0.2.0/24 and 2001:db8::/32 are for documents alone.
fn an_address_that_is_not_here_is_an_error(driver: Driver) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("text");
    let free = ["--http-bind=127.0.0.1:0", "--https-bind=127.0.0.1:0", "--admin-bind=127.0.0.1:0"];
    for flag in ["--http-bind", "--https-bind", "--admin-bind"] {
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let asked = format!("{flag}={address}");
            let mut arguments = vec!["serve", "--manifests", folder, "--driver", driver.flag()];
            arguments.extend(free.iter().filter(|other| !other.starts_with(flag)));
            arguments.push(&asked);
            let (code, output) = run(&arguments);
            assert_eq!(code, 1, "{output}");
            let sentence = format!("cannot listen on {address} ({flag})");
            assert!(output.contains(&sentence), "{output}");
        }
    }
}

fn a_second_start_is_told_who_was_first(driver: Driver) {
    let first = Builder::new(driver).cores(2).start();
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("text");
    let address = first.http.to_string();
    let (code, output) = run(&[
        "serve",
        "--manifests",
        folder,
        "--cores",
        "2",
        "--driver",
        driver.flag(),
        "--http-bind",
        &address,
        "--https-bind",
        "127.0.0.1:0",
        "--admin-bind",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, 1, "{output}");
    let sentence = format!("cannot listen on {address} (--http-bind): ringway (pid ");
    assert!(output.contains(&sentence), "{output}");
}

/// The kernel closes the sockets of a ring some tens of milliseconds after its process.
fn a_killed_one_is_followed_at_once(driver: Driver) {
    let backend = Backend::echo("a");
    let manifests = manifest::one_host("a.example", backend.address());
    let start = |http: SocketAddr, https: SocketAddr, admin: SocketAddr| {
        Builder::new(driver)
            .cores(2)
            .flag("--http-bind", http)
            .flag("--https-bind", https)
            .flag("--admin-bind", admin)
            .manifests(&manifests)
            .start()
    };
    let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let mut proxy = start(free, free, free);
    for round in 0..4 {
        let mut clients: Vec<Client> = (0..100).map(|_| proxy.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("a.example", "/").status(), 200, "round {round}");
        }
        for client in &mut clients {
            client.send("GET /again HTTP/1.1\r\nHost: a.example\r\n\r\n");
        }
        proxy.signal("KILL");
        let next = start(proxy.http, proxy.https, proxy.admin);
        assert_eq!((next.http, next.admin), (proxy.http, proxy.admin));
        assert_eq!(next.get("a.example", "/").status(), 200, "round {round}");
        proxy = next;
    }
}
