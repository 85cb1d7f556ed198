//! Requests spread over the endpoints of a Service.

use std::collections::BTreeMap;

use crate::for_each_driver;
use crate::harness::{Backend, Builder, Driver, Ingress, manifest};

for_each_driver!(requests_spread_evenly, every_algorithm_uses_every_endpoint);

fn spread(driver: Driver, balance: Option<&str>) -> BTreeMap<String, usize> {
    let backends = ["a", "b", "c", "d"].map(Backend::echo);
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    let text =
        manifest::backend("web", &addresses) + &Ingress::simple("web", "a.example", "web").yaml();
    let mut builder = Builder::new(driver).manifests(text);
    if let Some(balance) = balance {
        builder = builder.flag("--load-balance", balance);
    }
    let proxy = builder.start();
    let mut client = proxy.client();
    let mut counts = BTreeMap::new();
    for _ in 0..200 {
        *counts.entry(client.get("a.example", "/").backend()).or_default() += 1;
    }
    counts
}

/// Round robin on one core: to the request.
fn requests_spread_evenly(driver: Driver) {
    let counts = spread(driver, None);
    assert!(counts.len() == 4 && counts.values().all(|&count| count == 50), "{counts:?}");
}

fn every_algorithm_uses_every_endpoint(driver: Driver) {
    for balance in ["least_request", "ewma"] {
        let counts = spread(driver, Some(balance));
        assert_eq!(counts.len(), 4, "{balance}: {counts:?}");
    }
}
