//! `ringway migrate` where it asks a cluster.

use serde_json::{Value, json};

use crate::harness::{ControlPlane, Endpoint, Identity, Network, Objects};
use crate::peers::proxy::run;

crate::cases![a_cluster_is_judged_by_what_runs_there, what_may_not_be_read_is_told,];

/// An ingress-nginx of a class of its own, whose pods nobody starts, and what it serves.
fn controller(objects: &Objects, class: &str) {
    let namespace = &objects.namespace;
    let map = |name: &str, data: Value| {
        objects.apply(json!({ "kind": "ConfigMap", "metadata": { "name": name }, "data": data }));
    };
    map("settings", json!({ "use-gzip": "true", "add-headers": format!("{namespace}/fields") }));
    map("fields", json!({ "X-Frame-Options": "DENY" }));
    map("tcp", json!({ "5432": format!("{namespace}/web:80") }));
    let labels = json!({ "app": "nginx" });
    let args = [
        "/nginx-ingress-controller".to_owned(),
        format!("--ingress-class={class}"),
        format!("--controller-class=example.com/{class}"),
        "--configmap=$(POD_NAMESPACE)/settings".to_owned(),
        format!("--tcp-services-configmap={namespace}/tcp"),
    ];
    let space = json!({ "fieldRef": { "fieldPath": "metadata.namespace" } });
    let container = json!({
        "name": "controller", "image": "registry.k8s.io/ingress-nginx/controller:v1.15.1",
        "args": args, "env": [{ "name": "POD_NAMESPACE", "valueFrom": space }],
    });
    objects.apply(json!({
        "kind": "Deployment",
        "metadata": { "name": "nginx" },
        "spec": {
            "replicas": 3, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    }));
    objects.apply(json!({
        "kind": "Service",
        "metadata": { "name": "nginx", "annotations": { "example.com/lb": "nlb" } },
        "spec": { "selector": labels, "ports": [{ "name": "http", "port": 80 }] },
    }));
    objects.apply(json!({
        "kind": "IngressClass",
        "metadata": { "name": class },
        "spec": { "controller": format!("example.com/{class}") },
    }));
    objects.backend("web", &[Endpoint::ready(Network::new().address(1))]);
    objects.ingress(class, "good", &format!("{class}.example"), "web");
    objects.ingress(class, "slip", &format!("slip.{class}.example"), "web");
    let annotations = json!({ "nginx.ingress.kubernetes.io/proxy-body-size": "8 MB" });
    objects.merge("Ingress", "slip", json!({ "metadata": { "annotations": annotations } }));
}

fn a_cluster_is_judged_by_what_runs_there() {
    let control_plane = ControlPlane::shared();
    let namespace = control_plane.namespace("migrate");
    let objects = Objects::new(control_plane.client(), &namespace);
    controller(&objects, &namespace);
    let kubeconfig = control_plane.admin_kubeconfig().to_str().expect("text");
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = folder.path().join("moving");
    let (code, text) = run(&[
        "migrate",
        "--kubeconfig",
        kubeconfig,
        "--controller",
        &format!("{namespace}/nginx"),
        "--output",
        output.to_str().expect("text"),
    ]);
    assert_eq!(code, 1, "{text}");
    for words in [
        &format!("- Controller: Deployment {namespace}/nginx, 3 pods."),
        &format!("- Read from {}", control_plane.url()),
        &format!("### Ingress {namespace}/good\n"),
        "proxy-body-size: \"8m\"",
        "| works as it is | 1 |",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let values = std::fs::read_to_string(output.join("values.yaml")).expect("values");
    for words in [
        format!("    controllerValue: example.com/{namespace}\n"),
        "    use-gzip: \"true\"\n".to_owned(),
        "    X-Frame-Options: DENY\n".to_owned(),
        format!("tcp:\n  \"5432\": \"{namespace}/web:80\"\n"),
        "      example.com/lb: nlb\n".to_owned(),
        "  replicaCount: 3\n".to_owned(),
    ] {
        assert!(values.contains(&words), "{words}: {values}");
    }
}

fn what_may_not_be_read_is_told() {
    let control_plane = ControlPlane::shared();
    let stranger = control_plane.kubeconfig_for(Identity::Stranger);
    let stranger = stranger.to_str().expect("text");
    for (flags, told) in [
        (&["--kubeconfig", stranger][..], "ingressclasses of the cluster cannot be read: "),
        (&["--kubeconfig", "/nowhere"], "no cluster can be asked: "),
        (&["--kubeconfig", stranger, "--context", "none"], "no cluster can be asked: "),
    ] {
        let (code, text) = run(&[&["migrate"], flags].concat());
        assert!(code == 2 && text.contains(told), "{flags:?}: {code} {text}");
    }
}
