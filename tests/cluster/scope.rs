//! What is watched: all namespaces, some, or those with a label; and what a missing right costs.

use serde_json::json;

use crate::harness::{ControlPlane, Endpoint, Installation, Network, Objects, backend, wait_until};

crate::cases![
    one_namespace_with_a_namespaced_role,
    namespaces_by_label_come_and_go,
    a_missing_right_is_told_and_stops_nothing_else,
    without_ingresses_it_is_not_ready_and_says_why,
];

/// A namespace with a backend and an Ingress for `host`.
fn site(installation: &Installation<'_>, network: &Network, host: &str) -> Objects {
    let control_plane = installation.control_plane;
    let namespace = control_plane.namespace("site");
    let objects = Objects::new(control_plane.client(), &namespace);
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    objects.ingress(&installation.class, "web", host, "web");
    objects
}

fn one_namespace_with_a_namespaced_role() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = ControlPlane::shared();
    let watched = control_plane.namespace("watched");
    let installation = Installation::with(
        control_plane,
        &["rbac.scope=true", "controller.scope.enabled=true", &scope(&watched)],
    );
    let inside = Objects::new(control_plane.client(), &watched);
    inside.backend("web", &[Endpoint::ready(network.address(1))]);
    inside.ingress(&installation.class, "web", "inside.example", "web");
    let _outside = site(&installation, &network, "outside.example");
    let proxy = installation.start();
    assert_eq!(proxy.get("inside.example", "/").status(), 200);
    assert_eq!(proxy.get("outside.example", "/").status(), 404);
    inside.ingress(&installation.class, "more", "more.example", "web");
    proxy.wait_for_status("more.example", "/", 200);
}

fn scope(namespace: &str) -> String {
    format!("controller.scope.namespace={namespace}")
}

fn namespaces_by_label_come_and_go() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let control_plane = ControlPlane::shared();
    let selector = "controller.scope.namespaceSelector=team=web";
    let installation =
        Installation::with(control_plane, &["controller.scope.enabled=true", selector]);
    let labelled = site(&installation, &network, "labelled.example");
    let label = |value: Option<&str>| {
        labelled.apply(json!({
            "kind": "Namespace",
            "metadata": { "name": labelled.namespace, "labels": { "team": value } },
        }));
    };
    label(Some("web"));
    let _other = site(&installation, &network, "other.example");
    let proxy = installation.start();
    assert_eq!(proxy.get("labelled.example", "/").status(), 200);
    assert_eq!(proxy.get("other.example", "/").status(), 404);
    label(Some("db"));
    proxy.wait_for_status("labelled.example", "/", 404);
    label(Some("web"));
    proxy.wait_for_status("labelled.example", "/", 200);
}

/// Takes a resource out of the rules of the chart's ClusterRole.
pub(crate) fn revoke(installation: &Installation<'_>, resource: &str) -> serde_json::Value {
    let objects = &installation.objects;
    let name = &objects.namespace;
    let before = objects.get("ClusterRole", name).expect("the ClusterRole of the chart");
    let mut role = before.clone();
    let rules = role["rules"].as_array_mut().expect("rules");
    for rule in rules.iter_mut() {
        let resources = rule["resources"].as_array_mut().expect("resources");
        resources.retain(|named| named != resource);
    }
    rules.retain(|rule| rule["resources"].as_array().is_some_and(|list| !list.is_empty()));
    replace(objects, &role);
    before
}

/// Puts the rules of a ClusterRole in the place of its present ones.
pub(crate) fn replace(objects: &Objects, role: &serde_json::Value) {
    let name = role["metadata"]["name"].as_str().expect("name");
    objects.merge("ClusterRole", name, json!({ "rules": role["rules"] }));
}

fn a_missing_right_is_told_and_stops_nothing_else() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let installation = Installation::new(ControlPlane::shared());
    let before = revoke(&installation, "secrets");
    let site = site(&installation, &network, "a.example");
    let proxy = installation.start();
    assert_eq!(proxy.get("a.example", "/").status(), 200);
    let detail = proxy.admin_get("/readyz").text();
    assert!(detail.starts_with("ok\n") && detail.contains("secrets"), "{detail}");
    assert!(proxy.metric("ringway_problems", &[]) >= 1.0);
    let told = proxy.output().matches("secrets").count();
    // Other kinds are followed all the same.
    site.ingress(&installation.class, "b", "b.example", "web");
    proxy.wait_for_status("b.example", "/", 200);
    assert_eq!(proxy.output().matches("secrets").count(), told, "{}", proxy.output());
    replace(&installation.objects, &before);
    wait_until("the right to be noticed", || proxy.admin_get("/readyz").text() == "ok\n");
}

fn without_ingresses_it_is_not_ready_and_says_why() {
    let installation = Installation::new(ControlPlane::shared());
    let before = revoke(&installation, "ingresses");
    let proxy = installation.start_unready("ringway-0", &[]);
    wait_until("the reason", || {
        let answer = proxy.admin_get("/readyz");
        answer.status() == 503 && answer.text().contains("ingresses")
    });
    replace(&installation.objects, &before);
    proxy.wait_for_readiness();
}
