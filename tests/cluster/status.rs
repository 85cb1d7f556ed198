//! Status and Events, written by exactly one replica.

use serde_json::json;

use crate::harness::{ControlPlane, Installation, wait_until};

crate::cases![
    one_of_two_replicas_writes_and_the_other_takes_over,
    status_follows_the_published_service_and_goes_with_the_last_replica,
    status_tells_what_is_served_alone,
    problems_become_events_once,
    another_writer_of_status_is_corrected,
];

const ADDRESS: &str = "--publish-status-address=192.0.2.7";

fn one_of_two_replicas_writes_and_the_other_takes_over() {
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.ingress(class, "a", "a.example", "web");
    objects.ingress(class, "broken", "broken.example", "missing");
    let one = installation.start_unready("ringway-one", &[ADDRESS]);
    wait_until("a leader", || installation.leader().starts_with("ringway-one"));
    let two = installation.start_unready("ringway-two", &[ADDRESS]);
    two.wait_for_readiness();
    wait_until("the address", || objects.addresses("a") == ["192.0.2.7"]);
    wait_until("the Event", || !installation.events("Ingress", "broken").is_empty());
    assert_eq!(two.metric("ringway_leader", &[]), 0.0);
    assert_eq!(one.metric("ringway_leader", &[]), 1.0);
    assert_eq!(two.metric("ringway_status_writes_total", &[]), 0.0);
    assert_eq!(two.metric("ringway_events_total", &[]), 0.0);
    let written = objects.get("Ingress", "a").expect("there");
    let version = written["metadata"]["resourceVersion"].clone();

    // kill -9: nobody gives the Lease back.
    drop(one);
    wait_until("the other leader", || installation.leader().starts_with("ringway-two"));
    objects.ingress(class, "b", "b.example", "web");
    wait_until("its address", || objects.addresses("b") == ["192.0.2.7"]);
    // What was right already was not written again.
    let after = objects.get("Ingress", "a").expect("there");
    assert_eq!(after["metadata"]["resourceVersion"], version);
    assert_eq!(installation.events("Ingress", "broken").len(), 1);
}

fn status_follows_the_published_service_and_goes_with_the_last_replica() {
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.ingress(class, "a", "a.example", "web");
    let address = |ip: &str| {
        let name = format!("{}-controller", objects.namespace);
        let addresses = json!({ "ingress": [{ "ip": ip }] });
        objects.merge("Service", &name, json!({ "status": { "loadBalancer": addresses } }));
    };
    address("192.0.2.1");
    let mut proxy = installation.start();
    installation.be_the_only_pod("ringway-0");
    wait_until("the address", || objects.addresses("a") == ["192.0.2.1"]);
    address("192.0.2.2");
    wait_until("the other address", || objects.addresses("a") == ["192.0.2.2"]);
    proxy.signal("TERM");
    let (status, _) = proxy.wait_for_exit();
    assert!(status.success(), "{status}\n{}", proxy.output());
    wait_until("no address", || objects.addresses("a").is_empty());
    assert_eq!(installation.leader(), "");
}

fn status_tells_what_is_served_alone() {
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.ingress(class, "ours", "ours.example", "web");
    objects.ingress("somebody-elses", "theirs", "theirs.example", "web");
    let proxy = installation.start_unready("ringway-0", &[ADDRESS]);
    proxy.wait_for_readiness();
    wait_until("the address", || objects.addresses("ours") == ["192.0.2.7"]);
    assert_eq!(objects.addresses("theirs"), [""; 0]);
    // One that is ours no longer loses what we wrote.
    objects.ingress("somebody-elses", "ours", "ours.example", "web");
    wait_until("no address", || objects.addresses("ours").is_empty());
}

fn problems_become_events_once() {
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    let proxy = installation.start();
    objects.ingress(class, "broken", "broken.example", "missing");
    wait_until("the Event", || !installation.events("Ingress", "broken").is_empty());
    let events = installation.events("Ingress", "broken");
    let uid = objects.get("Ingress", "broken").expect("there")["metadata"]["uid"].clone();
    let event = &events[0];
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(event["reason"], "ServiceMissing");
    assert_eq!(event["type"], "Warning");
    // By this `kubectl describe` finds it.
    assert_eq!(event["involvedObject"]["uid"], uid);
    let message = event["message"].as_str().expect("a message");
    assert!(message.contains("missing") && message.contains("Create it"), "{message}");
    // Another problem of the same object, and the first is not told again.
    let mut object = crate::harness::objects::ingress(class, "broken", "broken.example", "missing");
    object["spec"]["tls"] = json!([{ "hosts": ["broken.example"], "secretName": "nowhere" }]);
    objects.apply(object);
    wait_until("the other Event", || {
        let events = installation.events("Ingress", "broken");
        events.iter().any(|event| event["reason"] == "SecretMissing")
    });
    assert_eq!(installation.events("Ingress", "broken").len(), 2);
    drop(proxy);
}

fn another_writer_of_status_is_corrected() {
    let (installation, _web) = Installation::with_web();
    let (objects, class) = (&installation.objects, &installation.class);
    objects.ingress(class, "a", "a.example", "web");
    let _proxy = installation.start_unready("ringway-0", &[ADDRESS]);
    wait_until("the address", || objects.addresses("a") == ["192.0.2.7"]);
    let theirs = json!({ "ingress": [{ "ip": "192.0.2.99" }] });
    objects.merge("Ingress", "a", json!({ "status": { "loadBalancer": theirs } }));
    wait_until("our address", || objects.addresses("a") == ["192.0.2.7"]);
}
