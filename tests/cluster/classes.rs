//! Which Ingresses are ours, and which belong to somebody else.

use serde_json::{Value, json};

use crate::harness::objects::ingress;
use crate::harness::{ControlPlane, Endpoint, Installation, Network, backend, wait_until};

crate::cases![
    only_ours_are_served_whatever_says_so,
    the_class_of_ingress_nginx_can_be_taken_over,
    a_class_that_changes_hands_takes_its_ingresses_along,
    without_class_only_where_wanted,
];

fn class(name: &str, controller: &str) -> Value {
    json!({
        "kind": "IngressClass",
        "metadata": { "name": name },
        "spec": { "controller": controller },
    })
}

fn annotated(name: &str, host: &str, class: &str) -> Value {
    let mut object = ingress("", name, host, "web");
    object["spec"].as_object_mut().expect("spec").remove("ingressClassName");
    object["metadata"]["annotations"] = json!({ "kubernetes.io/ingress.class": class });
    object
}

fn only_ours_are_served_whatever_says_so() {
    let (installation, _web) = Installation::with_web();
    let (objects, ours) = (&installation.objects, &installation.class);
    let also_ours = format!("{ours}-also");
    objects.apply(class(&also_ours, &format!("ringway.test/{ours}")));
    let foreign = format!("{ours}-foreign");
    objects.apply(class(&foreign, "example.com/other"));
    objects.ingress(ours, "field", "field.example", "web");
    objects.ingress(&also_ours, "also", "also.example", "web");
    objects.ingress(&foreign, "foreign", "foreign.example", "web");
    objects.apply(annotated("older", "older.example", ours));
    objects.apply(annotated("older-foreign", "older-foreign.example", &foreign));
    let proxy = installation.start();
    for (host, status) in [
        ("field.example", 200),
        ("also.example", 200),
        ("foreign.example", 404),
        ("older.example", 200),
        ("older-foreign.example", 404),
    ] {
        assert_eq!(proxy.get(host, "/").status(), status, "{host}");
    }
    objects.delete("IngressClass", &also_ours);
    objects.delete("IngressClass", &foreign);
}

fn the_class_of_ingress_nginx_can_be_taken_over() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = ControlPlane::shared();
    let installation = Installation::new(control_plane);
    let objects = &installation.objects;
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    // As the chart of ingress-nginx makes it; another installation owns it.
    objects.apply(class("nginx", "k8s.io/ingress-nginx"));
    objects.ingress("nginx", "theirs", "theirs.example", "web");
    let flags = [
        "--ingress-class=nginx",
        "--controller-class=k8s.io/ingress-nginx",
        "--update-status=false",
    ];
    let proxy = installation.start_unready("ringway-0", &flags);
    proxy.wait_for_readiness();
    assert_eq!(proxy.get("theirs.example", "/").status(), 200);
    objects.ingress("nginx", "second", "second.example", "web");
    proxy.wait_for_status("second.example", "/", 200);
    // No trace: what was served long enough to be told was not.
    wait_until("the Lease", || !installation.leader().is_empty());
    assert_eq!(objects.addresses("theirs"), [""; 0]);
    objects.delete("IngressClass", "nginx");
}

fn a_class_that_changes_hands_takes_its_ingresses_along() {
    let (installation, _web) = Installation::with_web();
    let (objects, ours) = (&installation.objects, &installation.class);
    let moving = format!("{ours}-moving");
    objects.apply(class(&moving, "example.com/other"));
    objects.ingress(&moving, "a", "moving.example", "web");
    let proxy = installation.start();
    assert_eq!(proxy.get("moving.example", "/").status(), 404);
    // The controller of a class cannot be changed; classes are made again.
    objects.delete("IngressClass", &moving);
    objects.apply(class(&moving, &format!("ringway.test/{ours}")));
    proxy.wait_for_status("moving.example", "/", 200);
    objects.delete("IngressClass", &moving);
    proxy.wait_for_status("moving.example", "/", 404);
}

fn without_class_only_where_wanted() {
    let (installation, _web) = Installation::with_web();
    let objects = &installation.objects;
    let mut classless = ingress("", "none", "none.example", "web");
    classless["spec"].as_object_mut().expect("spec").remove("ingressClassName");
    objects.apply(classless);
    let strict = installation.start();
    assert_eq!(strict.get("none.example", "/").status(), 404);
    let generous = installation.start_unready("ringway-1", &["--watch-ingress-without-class"]);
    generous.wait_for_readiness();
    assert_eq!(generous.get("none.example", "/").status(), 200);
}
