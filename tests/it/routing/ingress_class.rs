//! Ingress API, `spec.ingressClassName`, default class, legacy annotation.

use super::echoes;
use crate::for_each_driver;
use crate::harness::{Driver, Ingress, Proxy};

for_each_driver!(
    only_our_class_is_served,
    default_class_serves_ingresses_without_class,
    directory_without_classes_adopts_ingresses_without_class,
);

const ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The IngressClass object of our class.
fn class(is_default: bool) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata:\n  name: ringway\n  \
         annotations:\n    ingressclass.kubernetes.io/is-default-class: \"{is_default}\"\nspec:\n  \
         controller: ringway.dev/ingress\n---\n"
    )
}

fn only_our_class_is_served(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &class(false);
    let rows = [
        ("ours", Some("ringway"), None, 200),
        ("theirs", Some("other"), None, 404),
        ("none", None, None, 404),
        ("legacy", None, Some("ringway"), 200),
        ("legacy-theirs", None, Some("other"), 404),
    ];
    for (name, class, annotation, _) in rows {
        let mut ingress = Ingress::simple(name, &format!("{name}.example"), "web").class(class);
        if let Some(annotation) = annotation {
            ingress = ingress.annotation(ANNOTATION, annotation);
        }
        text += &ingress.yaml();
    }
    let proxy = Proxy::start(driver, text);
    for (name, _, _, status) in rows {
        assert_eq!(proxy.get(&format!("{name}.example"), "/").status(), status, "{name}");
    }
}

fn default_class_serves_ingresses_without_class(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &class(true);
    text += &Ingress::simple("none", "none.example", "web").class(None).yaml();
    text += &Ingress::simple("theirs", "theirs.example", "web").class(Some("other")).yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("none.example", "/").status(), 200);
    assert_eq!(proxy.get("theirs.example", "/").status(), 404);
}

/// A directory seldom holds an IngressClass; where there is none at all, no class is ours, too.
fn directory_without_classes_adopts_ingresses_without_class(driver: Driver) {
    let (_backends, mut text) = echoes(&["web"]);
    text += &Ingress::simple("none", "none.example", "web").class(None).yaml();
    text += &Ingress::simple("theirs", "theirs.example", "web").class(Some("other")).yaml();
    let proxy = Proxy::start(driver, text);
    assert_eq!(proxy.get("none.example", "/").status(), 200);
    assert_eq!(proxy.get("theirs.example", "/").status(), 404);
}
