use super::*;

fn class(name: &str, default: &str) -> String {
    let annotations = match default {
        "" => String::new(),
        value => {
            format!(", annotations: {{ingressclass.kubernetes.io/is-default-class: \"{value}\"}}")
        }
    };
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\n\
         metadata: {{name: {name}{annotations}}}\nspec: {{controller: example.com/any}}\n"
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

#[test]
fn the_class_decides_which_ingresses_are_ours() {
    for (classes, name, annotation, is_ours) in [
        // Without any IngressClass object.
        ("", Some("ringway"), None, true),
        ("", Some("nginx"), None, false),
        ("", None, Some("ringway"), true),
        ("", None, Some("nginx"), false),
        ("", None, Some(""), true),
        ("", None, None, true),
        // The field counts before the annotation.
        ("", Some("ringway"), Some("nginx"), true),
        ("", Some("nginx"), Some("ringway"), false),
        // With objects, the default one counts.
        (&*class("ringway", ""), None, None, false),
        (&*class("ringway", "false"), None, None, false),
        (&*class("ringway", "true"), None, None, true),
        (&*class("other", "true"), None, None, false),
        (&*class("other", "true"), Some("ringway"), None, true),
    ] {
        let lowered = lower(&format!("{classes}{}", ingress_of(name, annotation)));
        let routes = routes(lowered.model.as_ref().expect("a model"));
        assert_eq!(!routes.is_empty(), is_ours, "{classes} {name:?} {annotation:?}");
    }
}

#[test]
fn classless_ingresses_follow_the_default_class_as_it_comes_and_goes() {
    let mut world = World::new(options());
    let mut apply = |text: &str| world.apply(changes(text)).model.map(|model| routes(&model).len());
    assert_eq!(apply(&ingress_of(None, None)), Some(1));
    assert_eq!(apply(&class("other", "true")), Some(0));
    assert_eq!(apply(&class("ringway", "true")), Some(1));
    assert_eq!(apply(&class("ringway", "false")), Some(0));
}

#[test]
fn a_cluster_does_not_adopt_ingresses_without_a_class() {
    let mut world = World::new(LowerOptions { adopt_classless: false, ..options() });
    let model = world.apply(changes(&ingress_of(None, None))).model.expect("a model");
    assert!(routes(&model).is_empty());
}

#[test]
fn odd_classes_are_said() {
    let text = class("ringway", "yes");
    let field = "metadata.annotations.ingressclass.kubernetes.io/is-default-class";
    assert_eq!(reasons(&lower(&text)), [format!("InvalidAnnotation {field}")]);
    let parameters = class("ringway", "").replace("any}", "any, parameters: {kind: K, name: n}}");
    assert_eq!(reasons(&lower(&parameters)), ["ParametersNotSupported spec.parameters"]);
}
