//! What is made of keys, and what is told of them.

use super::globals::NamingScope;
use super::*;
use crate::control::source::manifest;
use crate::model::{Balance, Defaults};

fn options() -> LowerOptions {
    LowerOptions::cluster("c", "example.com/c")
}

/// The globals, and `Reason field` of each problem.
fn read(in_force: &mut InForce, data: &str) -> (Globals, Vec<String>) {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
    let source = manifest::read(&"f".into(), &text).objects.remove(0);
    let Object::ConfigMap(object) = source.object else { panic!("a ConfigMap") };
    let entry = Entry { object, provenance: source.provenance };
    let (globals, problems) = in_force.read(&source.reference, Some(&entry), &options());
    (globals, problems.iter().map(|p| format!("{} {}", p.reason, p.field)).collect())
}

/// The messages and the advice of a first reading.
fn told(data: &str) -> Vec<String> {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
    let source = manifest::read(&"f".into(), &text).objects.remove(0);
    let Object::ConfigMap(object) = source.object else { panic!("a ConfigMap") };
    let entry = Entry { object, provenance: source.provenance };
    let (_, problems) = InForce::default().read(&source.reference, Some(&entry), &options());
    problems.iter().map(|p| format!("{} {}", p.message, p.advice)).collect()
}

#[test]
fn keys_have_one_row_each_and_are_in_order() {
    let mut names: Vec<_> = groups::names().map(|key| key.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn keys_are_read_by_their_rows() {
    let none = Globals { nothing: nothing(), ..Globals::default() };
    let fields = |names: &[&str]| Globals {
        allowed_answer_fields: names.iter().map(|name| (*name).into()).collect(),
        ..none.clone()
    };
    let any = Globals { naming: NamingScope::Any, ..none.clone() };
    let cases: [(&str, Globals, &[&str]); 9] = [
        ("", none.clone(), &[]),
        ("no-such-key: \"1\"", none.clone(), &["KeyNotSupported data.no-such-key"]),
        ("global-allowed-response-headers: \" \"", none.clone(), &[]),
        (
            "global-allowed-response-headers: \"X-A, x-b,,X_C \"",
            fields(&["x-a", "x-b", "x_c"]),
            &[],
        ),
        (
            "global-allowed-response-headers: \"X-A: 1\"",
            none.clone(),
            &["InvalidValue data.global-allowed-response-headers"],
        ),
        ("allow-cross-namespace-resources: \"true\"", any.clone(), &[]),
        ("allow-cross-namespace-resources: \"F\"", none.clone(), &[]),
        (
            "allow-cross-namespace-resources: \"yes\"",
            none,
            &["InvalidValue data.allow-cross-namespace-resources"],
        ),
        (
            "allow-cross-namespace-resources: \" True \", other: \"\"",
            any,
            &["KeyNotSupported data.other"],
        ),
    ];
    for (data, expected, told) in cases {
        let told: Vec<_> = told.iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(read(&mut InForce::default(), data), (expected, told), "{data}");
    }
}

/// What Ingresses without annotations ask for if no key says anything.
fn nothing() -> Arc<crate::control::lower::settings::Settings> {
    Arc::default()
}

#[test]
fn what_is_wrong_is_told_with_what_counts_instead() {
    for (data, expected) in [
        (
            "proxy-read-timeuot: \"1\"",
            "ingress-nginx has no such key; did you mean proxy-read-timeout? Correct the name.",
        ),
        (
            "resolver: \"1\"",
            "ingress-nginx has no such key and has no effect. Correct the name, or remove it.",
        ),
        (
            "load-balance: ip_hash",
            "\"ip_hash\" cannot be used: it is neither round_robin nor ewma. Correct it; until \
             then the default counts, round_robin.",
        ),
        (
            "use-port-in-redirects: \"on\"",
            "\"on\" cannot be used: it is no truth value. Correct it; until then the default \
             counts, false.",
        ),
        (
            "whitelist-source-range: inside",
            "\"inside\" cannot be used: \"inside\" is neither an address nor ADDRESS/PREFIX. \
             Correct it; until then all requests get status 503.",
        ),
        (
            "custom-http-errors: \"200\"",
            "\"200\" cannot be used: \"200\" is no status from 400 to 599. Correct it; until \
             then it is as if the key were not there.",
        ),
        (
            "worker-processes: \"2\"",
            "the key has no effect here: --cores says it, and by default \
             the cgroup's quota. ",
        ),
    ] {
        assert_eq!(told(data), [expected], "{data}");
    }
}

#[test]
fn of_a_key_the_last_good_value_stays_in_force() {
    let mut in_force = InForce::default();
    let mut balance = |data: &str| read(&mut in_force, data).0.defaults.balance;
    assert_eq!(balance("load-balance: ewma"), Balance::PeakEwma);
    assert_eq!(balance("load-balance: best"), Balance::PeakEwma);
    assert_eq!(balance("load-balance: worst"), Balance::PeakEwma);
    assert_eq!(balance("use-port-in-redirects: \"true\""), Balance::RoundRobin);
    assert_eq!(balance("load-balance: best"), Balance::RoundRobin);

    let mut in_force = InForce::default();
    let mut is_closed = |data: &str| read(&mut in_force, data).0.is_closed;
    assert!(is_closed("whitelist-source-range: inside"));
    assert!(!is_closed("whitelist-source-range: 10.0.0.0/8"));
    assert!(!is_closed("whitelist-source-range: inside"));
    assert!(!is_closed(""));
}

#[test]
fn without_the_object_flags_count_and_it_is_told() {
    let reference =
        ObjectRef { kind: crate::model::Kind::ConfigMap, namespace: "a".into(), name: "c".into() };
    let options =
        LowerOptions { defaults: Defaults { tries: 7, ..Defaults::default() }, ..options() };
    let (globals, problems) = InForce::default().read(&reference, None, &options);
    assert_eq!(globals, Globals { defaults: options.defaults, ..Globals::default() });
    let told: Vec<_> = problems.iter().map(|problem| problem.reason).collect();
    assert_eq!(told, ["ConfigMapMissing"]);
}
