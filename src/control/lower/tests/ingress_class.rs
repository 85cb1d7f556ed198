//! Which Ingresses are ours.

use super::*;
use crate::model::Kind;

const OURS: &str = "ringway.dev/ingress";
const THEIRS: &str = "example.com/any";
const DEFAULT_FIELD: &str = "metadata.annotations.ingressclass.kubernetes.io/is-default-class";

/// `controller`: empty for a class without one.
fn class(name: &str, controller: &str, default: &str) -> String {
    let annotations = match default {
        "" => String::new(),
        value => {
            format!(", annotations: {{ingressclass.kubernetes.io/is-default-class: \"{value}\"}}")
        }
    };
    let spec = match controller {
        "" => String::new(),
        controller => format!("spec: {{controller: {controller}}}\n"),
    };
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\n\
         metadata: {{name: {name}{annotations}}}\n{spec}"
    )
}

fn ingress_of(class: Option<&str>, annotation: Option<&str>) -> String {
    let field = class.map(|c| format!("ingressClassName: {c}, ")).unwrap_or_default();
    let annotation = annotation
        .map(|a| format!(", annotations: {{kubernetes.io/ingress.class: \"{a}\"}}"))
        .unwrap_or_default();
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a{annotation}}}\n\
         spec: {{{field}defaultBackend: {{service: {{name: s, port: {{number: 80}}}}}}}}\n"
    )
}

/// Options, classes, `spec.ingressClassName`, annotation, whether such an Ingress is ours.
type Case<'a> = (&'a LowerOptions, String, Option<&'a str>, Option<&'a str>, bool);

#[test]
fn the_class_decides_which_ingresses_are_ours() {
    let directory = &options();
    let cluster = &LowerOptions { adopt_classless: false, ..options() };
    let classless = &LowerOptions { watch_without_class: true, ..cluster.clone() };
    let none = String::new;
    let by_name = &LowerOptions { class_by_name: true, ..cluster.clone() };
    let no_catch_all = &LowerOptions { catch_all: CatchAll::Ignored, ..cluster.clone() };
    let cases: [Case<'_>; 38] = [
        // Of a class that is not known the name counts, so also where classes cannot be read.
        (cluster, none(), Some("ringway"), None, true),
        (cluster, none(), Some("nginx"), None, false),
        (cluster, class("other", OURS, ""), Some("ringway"), None, true),
        (cluster, class("other", OURS, ""), Some("nginx"), None, false),
        // Of a known one its controller.
        (cluster, class("ringway", OURS, ""), Some("ringway"), None, true),
        (cluster, class("public", OURS, ""), Some("public"), None, true),
        (cluster, class("public", THEIRS, ""), Some("public"), None, false),
        (cluster, class("ringway", THEIRS, ""), Some("ringway"), None, false),
        (cluster, class("ringway", "", ""), Some("ringway"), None, false),
        // A class without a controller is one that no API server has seen.
        (directory, class("ringway", "", ""), Some("ringway"), None, true),
        (directory, class("other", "", ""), Some("other"), None, false),
        (directory, class("ringway", THEIRS, ""), Some("ringway"), None, false),
        // The annotation counts after the field, and by its name first.
        (cluster, none(), Some("ringway"), Some("nginx"), true),
        (cluster, none(), Some("nginx"), Some("ringway"), false),
        (cluster, class("ringway", THEIRS, ""), Some("ringway"), Some("ringway"), false),
        (cluster, none(), None, Some("ringway"), true),
        (cluster, none(), None, Some("nginx"), false),
        (cluster, class("ringway", THEIRS, ""), None, Some("ringway"), true),
        (cluster, class("public", OURS, ""), None, Some("public"), true),
        (cluster, class("public", THEIRS, ""), None, Some("public"), false),
        (classless, none(), None, Some("nginx"), false),
        // Without both the default class, if it is ours.
        (cluster, none(), None, None, false),
        (cluster, none(), None, Some(""), false),
        (cluster, class("ringway", OURS, ""), None, None, false),
        (cluster, class("ringway", OURS, "false"), None, None, false),
        (cluster, class("ringway", OURS, "true"), None, None, true),
        (cluster, class("public", OURS, "true"), None, Some(""), true),
        (cluster, class("public", THEIRS, "true"), None, None, false),
        (cluster, class("ringway", THEIRS, "true"), None, None, false),
        // Or who asks for such Ingresses.
        (classless, class("public", THEIRS, "true"), None, None, true),
        (classless, none(), Some("nginx"), None, false),
        (directory, none(), None, None, true),
        (directory, none(), None, Some(""), true),
        (directory, class("ringway", OURS, ""), None, None, false),
        (directory, class("ringway", "", "true"), None, None, true),
        // The name alone, where the operator says so.
        (by_name, class("ringway", THEIRS, ""), Some("ringway"), None, true),
        (by_name, class("public", THEIRS, ""), Some("public"), None, false),
        // It has a default backend.
        (no_catch_all, none(), Some("ringway"), None, false),
    ];
    for (options, classes, name, annotation, is_ours) in cases {
        let text = format!("{classes}{}", ingress_of(name, annotation));
        let lowered = World::new(options.clone()).apply(changes(&text));
        let routes = routes(lowered.model.as_ref().expect("a model"));
        assert_eq!(!routes.is_empty(), is_ours, "{text}");
    }
}

#[test]
fn ingresses_follow_their_class_as_it_comes_and_goes() {
    let mut world = World::new(options());
    let mut apply = |text: &str| world.apply(changes(text)).model.map(|model| routes(&model).len());
    assert_eq!(apply(&ingress_of(None, None)), Some(1));
    assert_eq!(apply(&class("other", THEIRS, "true")), Some(0));
    assert_eq!(apply(&class("ringway", OURS, "true")), Some(1));
    assert_eq!(apply(&class("ringway", OURS, "false")), Some(0));
    assert_eq!(apply(&ingress_of(Some("other"), None)), None);
    assert_eq!(apply(&class("other", OURS, "")), Some(1));
    let other = ObjectRef { kind: Kind::IngressClass, namespace: "".into(), name: "other".into() };
    let lowered = world.apply(vec![Change::Delete(other)]);
    assert_eq!(routes(lowered.model.as_ref().expect("a model")).len(), 0);
}

#[test]
fn a_class_that_means_the_same_rebuilds_nothing() {
    let mut world = World::new(options());
    world.apply(changes(&format!("{}{}", class("ringway", OURS, ""), ingress_of(None, None))));
    assert!(world.apply(changes(&class("ringway", OURS, "false"))).model.is_none());
    assert!(world.apply(changes(&class("other", THEIRS, "true"))).model.is_none());
}

/// `class: Reason field` of each problem of an IngressClass.
fn told(options: LowerOptions, text: &str) -> Vec<String> {
    let lowered = World::new(options).apply(changes(text));
    let told = lowered.problems.iter().map(|problem| {
        let object = problem.object.as_ref().expect("an object");
        format!("{}: {} {}", object.name, problem.reason, problem.field)
    });
    told.collect()
}

#[test]
fn odd_classes_are_said() {
    let parameters =
        |class: String| class.replace("spec: {", "spec: {parameters: {kind: K, name: n}, ");
    let cluster = LowerOptions { adopt_classless: false, ..options() };
    let several = |names: [&str; 2]| {
        names.map(|name| format!("{name}: SeveralDefaultClasses {DEFAULT_FIELD}")).to_vec()
    };
    let cases = [
        (class("a", OURS, "yes"), vec![format!("a: InvalidAnnotation {DEFAULT_FIELD}")]),
        (
            parameters(class("a", OURS, "")),
            vec!["a: ParametersNotSupported spec.parameters".into()],
        ),
        (class("ringway", THEIRS, ""), vec!["ringway: ControllerMismatch spec.controller".into()]),
        (class("ringway", "", ""), vec!["ringway: ControllerMismatch spec.controller".into()]),
        (class("a", OURS, "true") + &class("b", OURS, "true"), several(["a", "b"])),
        (class("a", OURS, "true") + &class("b", THEIRS, "true"), several(["a", "b"])),
        (class("a", OURS, "true") + &class("b", THEIRS, ""), vec![]),
        // What is wrong with the classes of others is for their controllers to say.
        (class("a", THEIRS, "true") + &class("b", THEIRS, "true"), vec![]),
        (parameters(class("a", THEIRS, "yes")), vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(told(cluster.clone(), &text), expected, "{text}");
    }
    assert!(told(options(), &class("ringway", "", "")).is_empty());
}

#[test]
fn problems_of_a_class_end_with_their_cause() {
    let mut world = World::new(options());
    let two = class("a", OURS, "true") + &class("b", OURS, "true");
    assert_eq!(world.apply(changes(&two)).problems.len(), 2);
    let b = ObjectRef { kind: Kind::IngressClass, namespace: "".into(), name: "b".into() };
    assert!(world.apply(vec![Change::Delete(b)]).problems.is_empty());
}
