//! Many cores serve one set of listeners.

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Client, Driver, manifest};

for_each_driver!(every_core_serves, several_listeners_serve_the_same_hosts);

fn every_core_serves(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .cores(2)
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let mut clients: Vec<Client> = (0..64).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("a.example", "/").status(), 200);
    }
    // Each core has its own pool: with 64 connections spread by the kernel both opened one.
    assert!(backend.connection_count() >= 2, "only one core served");
}

fn several_listeners_serve_the_same_hosts(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Builder::new(driver)
        .flag("--http-bind", "127.0.0.1:0")
        .manifests(manifest::one_host("a.example", backend.address()))
        .start();
    let line = proxy.output().lines().find(|line| line.contains(" ready: ")).map(str::to_owned);
    let line = line.expect("start line");
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("http="));
    let addresses: Vec<_> = word.unwrap_or_default().split(',').collect();
    assert_eq!(addresses.len(), 2, "{line}");
    for address in addresses {
        let mut client = Client::connect(address.parse().expect("address"));
        assert_eq!(client.get("a.example", "/").status(), 200, "{address}");
    }
}
