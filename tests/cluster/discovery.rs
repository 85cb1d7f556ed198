//! Each kind of object is found as it is created, changed and deleted, and routes follow.

use serde_json::json;

use crate::harness::objects::{ingress, rule};
use crate::harness::{ControlPlane, Endpoint, Installation, Network, backend, wait_until};
use crate::peers::Proxy;

crate::cases![
    an_ingress_is_served_changed_and_deleted,
    endpoints_follow_their_slices,
    a_service_that_comes_late_is_found_and_one_that_goes_is_503,
    a_default_backend_serves_what_nothing_matches,
    the_older_of_two_claims_wins_and_the_other_is_told,
];

/// Name of the backend that answered, as [`backend`] tells it.
#[track_caller]
fn served_by(proxy: &Proxy, host: &str, path: &str) -> String {
    let message = proxy.get(host, path);
    match message.status() {
        200 => message.json()["backend"].as_str().unwrap_or_default().to_owned(),
        status => status.to_string(),
    }
}

fn an_ingress_is_served_changed_and_deleted() {
    let network = Network::new();
    let one = backend(network.address(1), "one");
    let two = backend(network.address(2), "two");
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("one", &[Endpoint::ready(network.address(1))]);
    objects.backend("two", &[Endpoint::ready(network.address(2))]);
    objects.ingress(class, "before", "before.example", "one");
    let proxy = installation.start();
    // What was there at start is served with readiness, not some time after.
    assert_eq!(served_by(&proxy, "before.example", "/"), "one");
    assert_eq!(served_by(&proxy, "a.example", "/"), "404");

    objects.ingress(class, "a", "a.example", "one");
    wait_until("the route", || served_by(&proxy, "a.example", "/") == "one");
    objects.ingress(class, "a", "a.example", "two");
    wait_until("the other backend", || served_by(&proxy, "a.example", "/") == "two");
    objects.ingress(class, "a", "b.example", "two");
    wait_until("the other host", || served_by(&proxy, "b.example", "/") == "two");
    assert_eq!(served_by(&proxy, "a.example", "/"), "404");
    objects.delete("Ingress", "a");
    wait_until("no route", || served_by(&proxy, "b.example", "/") == "404");
    assert_eq!(served_by(&proxy, "before.example", "/"), "one");
    drop((one, two));
}

fn endpoints_follow_their_slices() {
    let network = Network::new();
    let backends: Vec<_> = (1..=3).map(|n| backend(network.address(n), &format!("b{n}"))).collect();
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    let ready = |numbers: &[u8]| -> Vec<Endpoint> {
        numbers.iter().map(|n| Endpoint::ready(network.address(*n))).collect()
    };
    objects.backend("web", &ready(&[1]));
    objects.ingress(class, "web", "web.example", "web");
    let proxy = installation.start();
    let serving = || -> Vec<String> {
        let mut names: Vec<_> = (0..12).map(|_| served_by(&proxy, "web.example", "/")).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(serving(), ["b1"]);
    objects.slice("web", &ready(&[1, 2, 3]));
    wait_until("scale up", || serving() == ["b1", "b2", "b3"]);
    objects.slice("web", &ready(&[3]));
    wait_until("scale down", || serving() == ["b3"]);
    let mut endpoints = ready(&[1]);
    endpoints.push(Endpoint::unready(network.address(2)));
    endpoints.push(Endpoint::terminating(network.address(3)));
    objects.slice("web", &endpoints);
    wait_until("ready ones alone", || serving() == ["b1"]);
    objects.slice(
        "web",
        &[Endpoint::unready(network.address(2)), Endpoint::terminating(network.address(3))],
    );
    wait_until("the last ones that serve", || serving() == ["b3"]);
    objects.slice("web", &[]);
    wait_until("none", || serving() == ["503"]);
    drop(backends);
}

fn a_service_that_comes_late_is_found_and_one_that_goes_is_503() {
    let network = Network::new();
    let _backend = backend(network.address(1), "late");
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.ingress(class, "late", "late.example", "late");
    let proxy = installation.start();
    assert_eq!(served_by(&proxy, "late.example", "/"), "503");
    objects.backend("late", &[Endpoint::ready(network.address(1))]);
    wait_until("the Service", || served_by(&proxy, "late.example", "/") == "late");
    objects.delete("Service", "late");
    wait_until("no Service", || served_by(&proxy, "late.example", "/") == "503");
}

fn a_default_backend_serves_what_nothing_matches() {
    let network = Network::new();
    let _backend = backend(network.address(1), "fallback");
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("fallback", &[Endpoint::ready(network.address(1))]);
    let proxy = installation.start();
    assert_eq!(served_by(&proxy, "any.example", "/x"), "404");
    objects.apply(json!({
        "kind": "Ingress",
        "metadata": { "name": "all" },
        "spec": {
            "ingressClassName": class,
            "defaultBackend": { "service": { "name": "fallback", "port": { "number": 80 } } },
        },
    }));
    wait_until("the default backend", || served_by(&proxy, "any.example", "/x") == "fallback");

    let of_flag = format!("--default-backend-service={}/fallback:80", objects.namespace);
    let other = installation.start_unready("ringway-1", &[&of_flag, "--ingress-class=none"]);
    other.wait_for_readiness();
    assert_eq!(served_by(&other, "any.example", "/x"), "fallback");
}

fn the_older_of_two_claims_wins_and_the_other_is_told() {
    let network = Network::new();
    let _backends = [backend(network.address(1), "old"), backend(network.address(2), "new")];
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("old", &[Endpoint::ready(network.address(1))]);
    objects.backend("new", &[Endpoint::ready(network.address(2))]);
    objects.ingress(class, "z-old", "c.example", "old");
    let proxy = installation.start();
    // `creationTimestamp` has whole seconds; equal ones are ordered by name.
    let created =
        objects.get("Ingress", "z-old").expect("there")["metadata"]["creationTimestamp"].clone();
    wait_until("another second", || {
        objects.apply(json!({ "kind": "ConfigMap", "metadata": { "name": "clock" } }));
        let now =
            objects.get("ConfigMap", "clock").expect("there")["metadata"]["creationTimestamp"]
                .clone();
        objects.delete("ConfigMap", "clock");
        now != created
    });
    let mut newer = ingress(class, "a-new", "c.example", "new");
    newer["spec"]["rules"] = json!([rule("c.example", "/", "new"), rule("d.example", "/", "new")]);
    objects.apply(newer);
    wait_until("what is not contested", || served_by(&proxy, "d.example", "/") == "new");
    assert_eq!(served_by(&proxy, "c.example", "/"), "old");
    wait_until("the Event", || {
        let events = installation.events("Ingress", "a-new");
        events.iter().any(|event| event["message"].as_str().is_some_and(|m| m.contains("z-old")))
    });
    objects.delete("Ingress", "z-old");
    wait_until("the heir", || served_by(&proxy, "c.example", "/") == "new");
}
