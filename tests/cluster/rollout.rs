//! A rolling update of ten endpoints under traffic: not one request fails.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::harness::load::Load;
use crate::harness::pod::PORT;
use crate::harness::{
    ControlPlane, Endpoint, Installation, Network, Pod, backend, pause, wait_until,
};

crate::cases![a_rolling_update_costs_no_request, readiness_of_a_pod_that_cannot_serve_yet];

/// Endpoints of the set.
const SIZE: usize = 10;

/// Rollouts; ten with `RINGWAY_CLUSTER_FULL`.
fn rounds() -> usize {
    if crate::harness::is_full() { 10 } else { 1 }
}

/// From the first mark in the slice to the end of the process, as `terminationGracePeriodSeconds`
/// would be for a process that does nothing about SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

struct Running {
    address: Ipv4Addr,
    pod: Pod,
}

fn start(address: Ipv4Addr) -> Running {
    let pod = Pod::start(address);
    wait_until("the pod to listen", || std::net::TcpStream::connect((address, PORT)).is_ok());
    Running { address, pod }
}

fn a_rolling_update_costs_no_request() {
    let network = Network::new();
    let mut next = 1;
    let mut fresh = || {
        next += 1;
        network.address(next)
    };
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    let mut running: Vec<Running> = (0..SIZE).map(|_| start(fresh())).collect();
    let ready = |running: &[Running]| -> Vec<Endpoint> {
        running.iter().map(|one| Endpoint::ready(one.address)).collect()
    };
    objects.backend("web", &ready(&running));
    objects.ingress(class, "web", "web.example", "web");
    let proxy = installation.start_on_two_cores();
    let load = Load::start(proxy.http, "web.example");
    for _ in 0..rounds() {
        for index in 0..SIZE {
            // As a Deployment with maxSurge 1 and maxUnavailable 0 does it.
            let address = fresh();
            let mut endpoints = ready(&running);
            endpoints.push(Endpoint::unready(address));
            objects.slice("web", &endpoints);
            let replacement = start(address);
            endpoints.pop();
            endpoints.push(Endpoint::ready(address));
            objects.slice("web", &endpoints);
            endpoints[index] = Endpoint::terminating(running[index].address);
            objects.slice("web", &endpoints);
            pause(GRACE);
            running[index].pod.kill();
            running[index] = replacement;
            objects.slice("web", &ready(&running));
        }
    }
    let result = load.finish();
    assert_eq!(result.failed, 0, "{result:?}");
    assert!(result.answered > 1000, "{result:?}");
}

fn readiness_of_a_pod_that_cannot_serve_yet() {
    let network = Network::new();
    let _backend = backend(network.address(1), "old");
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    objects.ingress(class, "web", "web.example", "web");
    let proxy = installation.start_on_two_cores();
    let load = Load::start(proxy.http, "web.example");
    // Said to be ready a moment before it listens: its first requests go elsewhere.
    for number in 2..8 {
        let address = network.address(number);
        objects.slice("web", &[Endpoint::ready(network.address(1)), Endpoint::ready(address)]);
        pause(Duration::from_millis(200));
        let _late = start(address);
        objects.slice("web", &[Endpoint::ready(network.address(1))]);
        wait_until("its end to be known", || {
            (0..8).all(|_| proxy.get("web.example", "/").backend() == "old")
        });
    }
    let result = load.finish();
    assert_eq!(result.failed, 0, "{result:?}");
}
