//! Canaries: beside which rules they stand, and what they leave to the main Ingress.

use super::*;
use crate::limits::CANARIES_PER_RULE_MAX;
use crate::model::{BackendProtocol, FieldMeaning, Share};

const DIALECT: &str = "nginx.ingress.kubernetes.io";

/// An Ingress with annotations for one path, with `service` behind it.
fn of(name: &str, annotations: &str, host: &str, path: &str, service: &str) -> String {
    let keys = annotations.split_whitespace().filter_map(|pair| pair.split_once('='));
    let keys: Vec<_> = keys.map(|(key, value)| format!("{DIALECT}/{key}: \"{value}\"")).collect();
    let head = format!("name: {name}, annotations: {{{}}}", keys.join(", "));
    let one = ingress(name, "", host, path).replace(&format!("name: {name}"), &head);
    one.replace("name: web", &format!("name: {service}"))
}

fn canary(name: &str, service: &str) -> String {
    of(name, "canary=true canary-weight=10", "h", "/", service)
}

/// `path <- canaries` of each rule.
fn beside(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let rules = model.listeners[0].hosts.iter().flat_map(|host| &host.rules);
    let text = rules.map(|rule| {
        let backends: Vec<_> = rule.canaries.iter().map(|c| c.backend.to_string()).collect();
        format!("{} <- {}", rule.origin.object.name, backends.join(" "))
    });
    text.collect()
}

#[test]
fn a_canary_stands_beside_the_rule_with_its_host_path_and_type() {
    let main = ingress("main", "", "h", "/");
    let exact = |text: String| text.replace("pathType: Prefix", "pathType: Exact");
    let alone = "CanaryWithoutMain spec.rules[0].http.paths[0]";
    for (canary, expected, told) in [
        (canary("c", "new"), "main <- default/new:80", None),
        (
            canary("c", "new").replace("pathType: Prefix", "pathType: ImplementationSpecific"),
            "main <- default/new:80",
            None,
        ),
        (
            canary("c", "new").replace("name: c,", "name: c, namespace: other,"),
            "main <- other/new:80",
            None,
        ),
        (of("c", "canary=true", "h", "/x", "new"), "main <- ", Some(alone)),
        (of("c", "canary=true", "other", "/", "new"), "main <- ", Some(alone)),
        (exact(canary("c", "new")), "main <- ", Some(alone)),
        (canary("c", "web"), "main <- ", Some("CanaryNotServed spec.rules[0].http.paths[0]")),
    ] {
        for text in [format!("{main}{canary}"), format!("{canary}{main}")] {
            let lowered = lower(&text);
            assert_eq!(beside(&lowered), [expected], "{canary}");
            assert_eq!(reasons(&lowered), told.as_slice(), "{canary}");
        }
    }
}

/// It has no host, no certificate and no annotation of its own but those about endpoints.
#[test]
fn all_else_is_that_of_the_main_ingress() {
    let main = of("main", "backend-protocol=HTTPS", "h", "/", "web");
    let annotations = "canary=true auth-url=http://a auth-tls-secret=default/s \
                       backend-protocol=GRPC ssl-passthrough=true \
                       whitelist-source-range=10.0.0.0/8 app-root=/x";
    let canary = of("c", annotations, "h", "/", "new").replace("spec:\n", "spec:\n  tls: [{}]\n");
    let lowered = lower(&format!("{main}{canary}"));
    assert_eq!(beside(&lowered), ["main <- default/new:80"]);
    assert_eq!(reasons(&lowered), [""; 0]);
    let model = lowered.model.as_ref().expect("a model");
    let rule = &model.listeners[0].hosts[0].rules[0];
    let [canary] = &*rule.canaries else { panic!("{rule:?}") };
    assert_eq!(canary.policies, rule.policies);
    assert_eq!(canary.backend.dial.protocol, Some(BackendProtocol::Https));
    assert!(endpoints(&lowered).iter().any(|set| set.starts_with("default/new:80 =")));
    // Alone it is no host at all, and nobody asks for its endpoints.
    let lowered = lower(&of("c", annotations, "h", "/", "new"));
    assert!(lowered.model.as_ref().expect("a model").listeners[0].hosts.is_empty());
    assert_eq!(endpoints(&lowered), [""; 0]);
}

#[test]
fn what_is_no_canary_is_an_ingress_like_any_other() {
    let main = ingress("main", "2024", "h", "/");
    let invalid = format!("InvalidAnnotation metadata.annotations.{DIALECT}/canary");
    let weight = format!("{invalid}-weight");
    for (annotations, told) in [
        ("canary=false", None),
        ("canary=yes", Some(&invalid)),
        ("canary=false canary-weight=100", Some(&weight)),
        ("canary-weight=100", Some(&weight)),
    ] {
        let other = of("other", annotations, "h", "/", "new");
        let other = other
            .replace("name: other,", "name: other, creationTimestamp: \"2025-01-01T00:00:00Z\",");
        let lowered = lower(&format!("{main}{other}"));
        assert_eq!(beside(&lowered), ["main <- "], "{annotations}");
        let mut expected: Vec<_> = told.cloned().into_iter().collect();
        expected.push("PathConflict spec.rules[0].http.paths[0]".into());
        let mut reasons = reasons(&lowered);
        reasons.sort();
        expected.sort();
        assert_eq!(reasons, expected, "{annotations}");
    }
}

#[test]
fn criteria_are_read_strictly() {
    let text = |annotations: &str| {
        let main = ingress("main", "", "h", "/");
        let lowered = lower(&format!("{main}{}", of("c", annotations, "h", "/", "new")));
        let model = lowered.model.as_ref().expect("a model");
        let [canary] = &*model.listeners[0].hosts[0].rules[0].canaries else { panic!() };
        let of = &canary.criteria;
        let field = of.field.as_ref().map(|field| {
            let meaning = match &field.meaning {
                FieldMeaning::Words => "words".to_owned(),
                FieldMeaning::Value(value) => format!("={value}"),
                FieldMeaning::Pattern(pattern) => format!("~{}", pattern.as_str()),
                FieldMeaning::Unknown => "unknown".to_owned(),
            };
            format!("{} {meaning}", field.name)
        });
        let Share { weight, total } = of.share;
        let cookie = of.cookie.as_deref().unwrap_or_default();
        let names = reasons(&lowered);
        let names = names.iter().filter_map(|reason| reason.rsplit_once('/'));
        let told: Vec<_> = names.map(|(_, name)| name.to_owned()).collect();
        format!("{}; {cookie}; {weight}/{total}; {}", field.unwrap_or_default(), told.join(" "))
    };
    for (annotations, expected) in [
        ("", "; ; 0/100; "),
        ("canary-by-header=X-Canary", "x-canary words; ; 0/100; "),
        ("canary-by-header=x_canary", "x-canary words; ; 0/100; "),
        ("canary-by-header=x canary-by-header-value=eu", "x =eu; ; 0/100; "),
        ("canary-by-header=x canary-by-header-pattern=b+c", "x ~b+c; ; 0/100; "),
        (
            "canary-by-header=x canary-by-header-value=v canary-by-header-pattern=.*",
            "x =v; ; 0/100; canary-by-header-pattern",
        ),
        (
            "canary-by-header=x canary-by-header-value=a;b",
            "x words; ; 0/100; canary-by-header-value",
        ),
        (
            "canary-by-header=x canary-by-header-pattern=[[ canary-weight=100",
            "x unknown; ; 100/100; canary-by-header-pattern",
        ),
        (
            "canary-by-header=x canary-by-header-pattern=(?!a)",
            "x unknown; ; 0/100; canary-by-header-pattern",
        ),
        ("canary-by-header=x:y", "; ; 0/100; canary-by-header"),
        ("canary-by-header-value=eu", "; ; 0/100; canary-by-header-value"),
        ("canary-by-cookie=beta", "; beta; 0/100; "),
        ("canary-by-cookie=be;ta", "; ; 0/100; canary-by-cookie"),
        ("canary-weight=30 canary-weight-total=1000", "; ; 30/1000; "),
        ("canary-weight=30 canary-weight-total=50", "; ; 30/100; "),
        ("canary-weight=half", "; ; 0/100; canary-weight"),
        ("canary-weight=50%", "; ; 0/100; canary-weight"),
        ("canary-weight=-5", "; ; 0/100; "),
        ("canary-weight=9999999999999", "; ; 4294967295/100; "),
        ("canary-weight=5 canary-weight-total=x", "; ; 5/100; canary-weight-total"),
    ] {
        let annotations = format!("canary=true {annotations}");
        assert_eq!(text(&annotations), expected, "{annotations}");
    }
}

#[test]
fn canaries_come_and_go_with_their_endpoints() {
    let mut world = World::new(options());
    let main = ingress("main", "", "h", "/");
    let first = world.apply(changes(&main));
    assert_eq!(beside(&first), ["main <- "]);
    let (one, two) = (canary("one", "new"), canary("two", "newer"));
    let both = world.apply(changes(&format!("{one}{two}")));
    assert_eq!(beside(&both), ["main <- default/new:80 default/newer:80"]);
    assert_eq!(endpoints(&both), ["default/new:80 = ", "default/newer:80 = "]);
    // The main Ingress goes and comes back.
    let (kind, namespace) = (Kind::Ingress, "default".into());
    let gone = ObjectRef { kind, namespace, name: "main".into() };
    let alone = world.apply(vec![Change::Delete(gone)]);
    assert_eq!(beside(&alone), [""; 0]);
    assert_eq!(reasons(&alone), ["CanaryWithoutMain spec.rules[0].http.paths[0]"; 2]);
    let back = world.apply(changes(&main));
    assert_eq!(beside(&back), ["main <- default/new:80 default/newer:80"]);
    assert_eq!(endpoints(&back).len(), 3);
    // One becomes an Ingress of its own.
    let own = world.apply(changes(&of("one", "canary=false", "other", "/", "new")));
    assert_eq!(beside(&own), ["main <- default/newer:80", "one <- "]);
    // It uses them as before.
    assert_eq!(endpoints(&own), [""; 0]);
}

#[test]
fn canaries_beyond_the_bound_are_told() {
    let many: String = (0..=CANARIES_PER_RULE_MAX)
        .map(|n| canary(&format!("c{n:03}"), &format!("s{n}")))
        .collect();
    let lowered = lower(&format!("{}{many}", ingress("main", "", "h", "/")));
    let model = lowered.model.as_ref().expect("a model");
    let canaries = &model.listeners[0].hosts[0].rules[0].canaries;
    assert_eq!(canaries.len(), CANARIES_PER_RULE_MAX);
    assert_eq!(reasons(&lowered), ["TooManyCanaries spec.rules[0].http.paths[0]"]);
}
