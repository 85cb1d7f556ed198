//! Which Ingresses came into force and which are no longer.

use super::*;
use crate::control::outcomes::Outcome::{self, Served, Withdrawn};
use crate::model::Kind;

fn outcomes(lowered: &Lowered) -> Vec<(&str, Outcome)> {
    lowered
        .outcomes
        .iter()
        .map(|(reference, outcome)| (&*reference.name, outcome.clone()))
        .collect()
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef { kind: Kind::Ingress, namespace: "default".into(), name: name.into() }
}

#[test]
fn an_ingress_is_served_from_its_first_usable_version_until_it_is_gone() {
    let mut world = World::new(options());
    let two = ingress("a", "", "a.example", "/") + &ingress("b", "", "b.example", "bad");
    assert_eq!(outcomes(&world.apply(changes(&two))), [("a", Served)]);
    // Still, with another route, and with its last good version.
    assert!(world.apply(changes(&ingress("a", "", "a.example", "/x"))).outcomes.is_empty());
    assert!(world.apply(changes(&ingress("a", "", "a.example", "bad"))).outcomes.is_empty());
    assert!(world.apply(changes(&ingress("b", "", "b.example", "worse"))).outcomes.is_empty());
    assert_eq!(
        outcomes(&world.apply(changes(&ingress("b", "", "b.example", "/")))),
        [("b", Served)]
    );
    let gone = vec![Change::Delete(reference("a")), Change::Delete(reference("c"))];
    assert_eq!(outcomes(&world.apply(gone)), [("a", Withdrawn)]);
    assert!(world.apply(vec![Change::Delete(reference("a"))]).outcomes.is_empty());
}

#[test]
fn an_unusable_ingress_goes_unnoticed() {
    let mut world = World::new(options());
    assert!(world.apply(changes(&ingress("a", "", "h", "bad"))).outcomes.is_empty());
    assert!(world.apply(vec![Change::Delete(reference("a"))]).outcomes.is_empty());
}

#[test]
fn a_change_of_class_is_told() {
    let mut world = World::new(options());
    world.apply(changes(&ingress("a", "", "h", "/")));
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: x}\n\
                 spec: {controller: example.com/any}\n";
    assert_eq!(outcomes(&world.apply(changes(class))), [("a", Withdrawn)]);
    let x = ObjectRef { kind: Kind::IngressClass, namespace: "".into(), name: "x".into() };
    assert_eq!(outcomes(&world.apply(vec![Change::Delete(x)])), [("a", Served)]);
}
