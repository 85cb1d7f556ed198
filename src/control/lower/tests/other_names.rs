//! Aliases and twins of hosts, and Ingresses that are refused as a whole.

use super::*;
use crate::filter::Destination;

const DIALECT: &str = "nginx.ingress.kubernetes.io";

/// An Ingress of that year with annotations (`name=value`), with the path `/`.
fn of(name: &str, year: &str, annotations: &str, host: &str) -> String {
    let keys = annotations.split_whitespace().filter_map(|pair| pair.split_once('='));
    let keys: Vec<_> = keys.map(|(key, value)| format!("{DIALECT}/{key}: \"{value}\"")).collect();
    let head = format!("name: {name}, annotations: {{{}}}", keys.join(", "));
    ingress(name, year, host, "/").replace(&format!("name: {name}"), &head)
}

/// The hosts, each with the Ingress behind it or the host that it redirects to.
fn hosts(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners[0].hosts.iter().map(|host| {
        let rule = &host.rules[0];
        match &rule.policies.goto {
            Some(goto) => match &goto.to {
                Destination::Host(to) => format!("{} > {to}", host.pattern),
                other => panic!("{other:?}"),
            },
            None => format!("{} {}", host.pattern, rule.origin.object.name),
        }
    });
    hosts.collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str], told: &[&str]) {
    let lowered = lower(text);
    assert_eq!(hosts(&lowered), expected);
    let reasons = reasons(&lowered);
    let reasons: Vec<_> = reasons.iter().filter_map(|reason| reason.split(' ').next()).collect();
    assert_eq!(reasons, told);
}

#[test]
fn aliases_are_more_names_of_a_host() {
    check(
        &of("a", "2024", "server-alias=x.example,y.example", "h"),
        &["h a", "x.example a", "y.example a"],
        &[],
    );
    check(&of("a", "2024", "server-alias=*.x.example", "h"), &["h a", "*.x.example a"], &[]);
    check(
        &of("a", "2024", "server-alias=.x.example", "h"),
        &["h a", "x.example a", "*.x.example a"],
        &[],
    );
    let bad = of("a", "2024", "server-alias=~^x$,mail.*,x.example", "h");
    check(&bad, &["h a", "x.example a"], &["InvalidAnnotation"; 2]);
}

#[test]
fn a_name_with_rules_is_nobodys_alias() {
    let a = of("a", "2024", "server-alias=b", "h");
    let b = of("b", "2025", "", "b");
    check(&format!("{a}{b}"), &["b b", "h a"], &["AliasNotServed"]);
    let wild = of("a", "2024", "server-alias=*.x", "h");
    let real = of("b", "2025", "", "*.x");
    check(&format!("{wild}{real}"), &["h a", "*.x b"], &["AliasNotServed"]);
    // The oldest claimant has it, and of one host the oldest Ingress with any says which.
    let two = of("b", "2025", "server-alias=x", "g");
    let a = of("a", "2024", "server-alias=x", "h");
    check(&format!("{a}{two}"), &["g b", "h a", "x a"], &["AliasNotServed"]);
    let younger = of("b", "2025", "server-alias=y", "h").replace("path: /,", "path: /b,");
    check(&format!("{a}{younger}"), &["h a", "x a"], &["AliasNotServed"]);
}

#[test]
fn twins_lead_to_their_host() {
    let twins = |host| of("a", "2024", "from-to-www-redirect=true", host);
    check(&twins("x.example"), &["www.x.example > x.example", "x.example a"], &[]);
    check(&twins("www.x.example"), &["www.x.example a", "x.example > www.x.example"], &[]);
    check(&twins("*.x.example"), &["*.x.example a"], &[]);
    let own = of("b", "2025", "", "www.x.example");
    let both = format!("{}{own}", twins("x.example"));
    check(&both, &["www.x.example b", "x.example a"], &["TwinNotServed"]);
    check(&of("a", "2024", "from-to-www-redirect=false", "x.example"), &["x.example a"], &[]);
}

#[test]
fn names_come_and_go_with_their_hosts() {
    let mut world = permitting();
    let both = "server-alias=b from-to-www-redirect=true";
    let first = of("a", "2024", both, "h");
    let first = world.apply(changes(&format!("{PERMISSION}{first}")));
    assert_eq!(hosts(&first), ["b a", "h a", "www.h > h"]);
    let b = world.apply(changes(&of("b", "2025", "", "b")));
    assert_eq!(hosts(&b), ["b b", "h a", "www.h > h"]);
    let (kind, namespace) = (Kind::Ingress, "default".into());
    let gone = ObjectRef { kind, namespace, name: "b".into() };
    let again = world.apply(vec![Change::Delete(gone)]);
    assert_eq!(hosts(&again), ["b a", "h a", "www.h > h"]);
    // What else holds for the host holds for its alias.
    let closed = world.apply(changes(&of("c", "2023", "server-snippet=include\\x20x;", "h")));
    let model = closed.model.as_ref().expect("a model");
    let refused = model.listeners[0].hosts.iter().map(|h| h.rules[0].policies.refusal.is_some());
    assert_eq!(refused.collect::<Vec<_>>(), [true, true, false]);
    let none = world.apply(changes(&of("a", "2024", "", "h")));
    assert_eq!(hosts(&none), ["h c"]);
}

#[test]
fn what_ingress_nginx_refuses_is_refused_as_a_whole() {
    for annotation in [
        "permanent-redirect=https://x$request_uri",
        "permanent-redirect=/\\r\\nX:1",
        "permanent-redirect-code=many",
        "temporal-redirect=https://x/#y",
        "temporal-redirect-code=302x",
        "relative-redirects=yes",
        "from-to-www-redirect=yes",
        "server-alias=a;b",
    ] {
        let mut world = World::new(options());
        let bad = of("a", "2024", annotation, "h");
        let lowered = world.apply(changes(&bad));
        assert_eq!(hosts(&lowered), [""; 0], "{annotation}");
        assert_eq!(reasons(&lowered).len(), 1, "{annotation}");
        // An object that was good before stays as it was.
        world.apply(changes(&of("a", "2024", "", "h")));
        let lowered = world.apply(changes(&bad));
        assert!(lowered.model.is_none(), "{annotation}");
        let told = reasons(&lowered);
        assert!(told.iter().any(|told| told.starts_with("LastGoodVersion")), "{annotation}");
    }
}

#[test]
fn other_values_have_a_default_or_close() {
    for (annotations, expected) in [
        ("permanent-redirect=/x", "301 /x"),
        ("permanent-redirect=/x permanent-redirect-code=308", "308 /x"),
        ("permanent-redirect=/x permanent-redirect-code=400", "301 /x !"),
        ("permanent-redirect=/x permanent-redirect-code=300", "301 /x !"),
        ("permanent-redirect=/x temporal-redirect=http://y", "302 http://y !"),
        ("temporal-redirect=HTTPS://y temporal-redirect-code=307", "307 HTTPS://y"),
        ("temporal-redirect=http://y temporal-redirect-code=308", "302 http://y !"),
        ("temporal-redirect=/x", "none closed !"),
        ("temporal-redirect=ftp://y", "none closed !"),
    ] {
        let lowered = lower(&of("a", "2024", annotations, "h"));
        let model = lowered.model.as_ref().expect("a model");
        let policies = &model.listeners[0].hosts[0].rules[0].policies;
        let mut text = policies.goto.as_ref().map_or_else(
            || "none".into(),
            |goto| {
                let (Destination::Fixed(to) | Destination::Path(to, _) | Destination::Host(to)) =
                    &goto.to;
                format!("{} {to}", goto.status)
            },
        );
        text += if policies.refusal.is_some() { " closed" } else { "" };
        text += if reasons(&lowered).is_empty() { "" } else { " !" };
        assert_eq!(text, expected, "{annotations}");
    }
}

#[test]
fn an_ingress_without_rules_redirects_nobody() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  \
                annotations: {nginx.ingress.kubernetes.io/permanent-redirect: \"https://x\"}\n\
                spec:\n  defaultBackend: {service: {name: d, port: {number: 80}}}\n";
    check(text, &["* a"], &["RedirectNotUsed"]);
}

#[test]
fn aliases_beyond_the_bound_are_told() {
    let most = crate::limits::ALIASES_PER_INGRESS_MAX;
    let names: Vec<_> = (0..=most).map(|n| format!("n{n}.example")).collect();
    let lowered = lower(&of("a", "2024", &format!("server-alias={}", names.join(",")), "h"));
    assert_eq!(hosts(&lowered).len(), most + 1);
    assert_eq!(reasons(&lowered).len(), 1);
}
