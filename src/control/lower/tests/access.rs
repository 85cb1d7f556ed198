//! Addresses and passwords: what an Ingress and the Secret that it names come to.

use super::tls::{secret_of, tls_ingress};
use super::*;
use crate::filter::Satisfy;
use crate::model::Refusal;

const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

fn guarded(annotations: &[(&str, &str)]) -> String {
    tls_ingress(("a", "2024"), "h", "", annotations)
}

/// What keeps clients out of the only rule: `closed`, or its gates.
fn gates(lowered: &Lowered) -> String {
    let model = lowered.model.as_ref().expect("a model");
    let rule = &model.listeners[0].hosts[0].rules[0];
    let Policies { addresses, password, satisfy, refusal, .. } = &rule.policies;
    match refusal {
        Some(Refusal::Guard) => return "closed".into(),
        refusal => assert_eq!(*refusal, None),
    }
    let password = password.as_ref().map(|demand| demand.challenge.value());
    let parts = [
        addresses.as_ref().map(|_| "addresses"),
        password,
        (*satisfy == Satisfy::Any).then_some("any"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `Reason annotation`.
fn told(lowered: &Lowered) -> Vec<String> {
    let told = reasons(lowered).into_iter();
    told.map(|text| text.replace("metadata.annotations.nginx.ingress.kubernetes.io/", "")).collect()
}

#[test]
fn what_keeps_clients_out_is_understood_or_closes() {
    let users = secret_of("users", &[("auth", &format!("ann:{SHA}"))]);
    let map = secret_of("map", &[("ann", SHA), ("ben", "garbage")]);
    let other = secret_of("other", &[("password", "x")]);
    let garbage = secret_of("garbage", &[("auth", "what is this\neve:none")]);
    let secrets = [users, map, other, garbage].concat();
    let basic = ("auth-type", "basic");
    let (none, closed) = ("", "closed");
    let invalid = |name: &str| format!("InvalidAnnotation {name}");
    let about = |reason: &str| format!("{reason} auth-secret");
    let question = "Basic realm=\"\"";
    for (annotations, wanted, told_of) in [
        (&[("whitelist-source-range", "10.0.0.0/8")][..], "addresses", vec![]),
        (&[("allowlist-source-range", "x")], closed, vec![invalid("allowlist-source-range")]),
        (
            &[("denylist-source-range", "::/129"), ("whitelist-source-range", "10.0.0.0/8,")],
            closed,
            vec![invalid("whitelist-source-range"), invalid("denylist-source-range")],
        ),
        // The alias is not looked at where the name itself says something.
        (
            &[("allowlist-source-range", "::1"), ("whitelist-source-range", "x")],
            "addresses",
            vec![],
        ),
        (&[("satisfy", "any")], "any", vec![]),
        (&[("satisfy", "ANY")], none, vec![invalid("satisfy")]),
        (&[basic, ("auth-secret", "users")], question, vec![]),
        (&[basic, ("auth-secret", "default/users")], question, vec![]),
        (&[basic, ("auth-secret", "users"), ("auth-realm", "ops")], "Basic realm=\"ops\"", vec![]),
        // What switches it off in nginx is a realm like any other.
        (&[basic, ("auth-secret", "users"), ("auth-realm", "off")], "Basic realm=\"off\"", vec![]),
        (
            &[basic, ("auth-secret", "users"), ("auth-realm", "a\\r\\nb")],
            question,
            vec![invalid("auth-realm")],
        ),
        (
            &[basic, ("auth-secret", "map"), ("auth-secret-type", "auth-map")],
            question,
            vec![about("PasswordInvalid")],
        ),
        (&[basic, ("auth-secret", "map")], closed, vec![about("SecretInvalid")]),
        (&[basic, ("auth-secret", "other")], closed, vec![about("SecretInvalid")]),
        (&[basic, ("auth-secret", "absent")], closed, vec![about("SecretMissing")]),
        (&[basic, ("auth-secret", "else/users")], closed, vec![invalid("auth-secret")]),
        (&[basic, ("auth-secret", "a/b/c")], closed, vec![invalid("auth-secret")]),
        (
            &[basic, ("auth-secret", "garbage")],
            question,
            vec![about("PasswordInvalid"), about("PasswordInvalid")],
        ),
        (&[basic], closed, vec![invalid("auth-type")]),
        (
            &[basic, ("auth-secret", "")],
            closed,
            vec![invalid("auth-type"), "AnnotationNotSupported auth-secret".into()],
        ),
        (
            &[basic, ("auth-secret", "users"), ("auth-secret-type", "x")],
            closed,
            vec![invalid("auth-secret-type")],
        ),
        (&[("auth-type", "digest"), ("auth-secret", "users")], closed, vec![invalid("auth-type")]),
        (&[("auth-type", "Basic"), ("auth-secret", "users")], closed, vec![invalid("auth-type")]),
        (&[("auth-secret", "users")], closed, vec![invalid("auth-secret")]),
        (&[("auth-secret-type", "auth-map")], none, vec![invalid("auth-secret-type")]),
        (&[("auth-realm", "ops")], none, vec![invalid("auth-realm")]),
    ] {
        let lowered = lower(&format!("{secrets}{}", guarded(annotations)));
        assert_eq!(gates(&lowered), wanted, "{annotations:?}");
        assert_eq!(told(&lowered), told_of, "{annotations:?}");
    }
}

#[test]
fn a_secret_that_changes_changes_the_rules_that_name_it() {
    let annotations = [("auth-type", "basic"), ("auth-secret", "users")];
    let mut world = World::new(options());
    let lowered = world.apply(changes(&guarded(&annotations)));
    assert_eq!(
        (&*gates(&lowered), &told(&lowered)[..]),
        ("closed", &["SecretMissing auth-secret".to_owned()][..])
    );
    let users = |lowered: &Lowered| {
        let model = lowered.model.as_ref().expect("a model");
        let policies = &model.listeners[0].hosts[0].rules[0].policies;
        Arc::clone(&policies.password.as_ref().expect("a password").users)
    };
    let of = |text: &str| secret_of("users", &[("auth", text)]);
    let first = users(&world.apply(changes(&of("ann:{PLAIN}1"))));
    // The same users in another version are the same rule.
    assert!(world.apply(changes(&of("ann:{PLAIN}1\n"))).model.is_none());
    let second = users(&world.apply(changes(&of("ann:{PLAIN}2"))));
    assert!(first != second);
    // Of two that name it, both have what was read once.
    let other =
        guarded(&annotations).replace("name: a,", "name: b,").replace("path: /,", "path: /b,");
    let lowered = world.apply(changes(&other));
    let model = lowered.model.as_ref().expect("a model");
    let rules = &model.listeners[0].hosts[0].rules;
    let users: Vec<_> =
        rules.iter().filter_map(|rule| rule.policies.password.as_ref()).map(|p| &p.users).collect();
    assert!(users.len() == 2 && Arc::ptr_eq(users[0], users[1]));
    let gone = ObjectRef { kind: Kind::Secret, namespace: "default".into(), name: "users".into() };
    let lowered = world.apply(vec![Change::Delete(gone)]);
    assert_eq!(gates(&lowered), "closed");
}

#[test]
fn who_asks_for_more_in_a_version_that_is_unusable_closes_the_last_good_one() {
    let password = [("auth-type", "basic"), ("auth-secret", "users")];
    for annotations in [&password[..], &[("whitelist-source-range", "10.0.0.0/8")]] {
        let mut world = World::new(options());
        world.apply(changes(&secret_of("users", &[("auth", "ann:{PLAIN}1")])));
        assert_eq!(gates(&world.apply(changes(&guarded(&[])))), "");
        let unusable = guarded(annotations).replace("path: /,", "path: bad,");
        assert_eq!(gates(&world.apply(changes(&unusable))), "closed");
        let lowered = world.apply(changes(&guarded(annotations)));
        assert_ne!(gates(&lowered), "closed");
    }
}

#[test]
fn solvers_of_challenges_need_no_password_and_a_good_address() {
    let annotations = [
        ("auth-type", "basic"),
        ("auth-secret", "users"),
        ("whitelist-source-range", "10.0.0.0/8"),
    ];
    let users = secret_of("users", &[("auth", "ann:{PLAIN}1")]);
    for (path, wanted) in [
        ("/.well-known/acme-challenge", "addresses"),
        ("/.well-known/acme-challenge/x", "addresses"),
        ("/.well-known/acme", "addresses Basic realm=\"\""),
        ("/x/.well-known/acme-challenge", "addresses Basic realm=\"\""),
    ] {
        let ingress = guarded(&annotations).replace("path: /,", &format!("path: {path},"));
        assert_eq!(gates(&lower(&format!("{users}{ingress}"))), wanted, "{path}");
    }
}
