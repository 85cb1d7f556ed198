//! Which Ingresses came into force and which are no longer.

use super::*;
use crate::model::Kind;

fn served(lowered: &Lowered) -> Vec<(&str, bool)> {
    lowered.served.iter().map(|(reference, is_served)| (&*reference.name, *is_served)).collect()
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef { kind: Kind::Ingress, namespace: "default".into(), name: name.into() }
}

#[test]
fn an_ingress_is_served_from_its_first_usable_version_until_it_is_gone() {
    let mut world = World::new(options());
    let two = ingress("a", "", "a.example", "/") + &ingress("b", "", "b.example", "bad");
    assert_eq!(served(&world.apply(changes(&two))), [("a", true)]);
    // Still, with another route, and with its last good version.
    assert!(world.apply(changes(&ingress("a", "", "a.example", "/x"))).served.is_empty());
    assert!(world.apply(changes(&ingress("a", "", "a.example", "bad"))).served.is_empty());
    assert!(world.apply(changes(&ingress("b", "", "b.example", "worse"))).served.is_empty());
    assert_eq!(served(&world.apply(changes(&ingress("b", "", "b.example", "/")))), [("b", true)]);
    let gone = vec![Change::Delete(reference("a")), Change::Delete(reference("c"))];
    assert_eq!(served(&world.apply(gone)), [("a", false)]);
    assert!(world.apply(vec![Change::Delete(reference("a"))]).served.is_empty());
}

#[test]
fn an_unusable_ingress_goes_unnoticed() {
    let mut world = World::new(options());
    assert!(world.apply(changes(&ingress("a", "", "h", "bad"))).served.is_empty());
    assert!(world.apply(vec![Change::Delete(reference("a"))]).served.is_empty());
}

#[test]
fn a_change_of_class_is_told() {
    let mut world = World::new(options());
    world.apply(changes(&ingress("a", "", "h", "/")));
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: x}\n\
                 spec: {controller: example.com/any}\n";
    assert_eq!(served(&world.apply(changes(class))), [("a", false)]);
    let x = ObjectRef { kind: Kind::IngressClass, namespace: "".into(), name: "x".into() };
    assert_eq!(served(&world.apply(vec![Change::Delete(x)])), [("a", true)]);
}
