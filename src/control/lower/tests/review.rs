//! A review says what applying says, and changes nothing.

use k8s_openapi::api::networking::v1::Ingress;
use proptest::prelude::*;

use super::tls::{pair, secret, secret_of, tls_ingress};
use super::*;
use crate::control::source::Object;
use crate::model::Severity;

/// Without places in a file, as an API server has none.
fn objects(text: &str) -> Vec<Change> {
    let changes = changes(text).into_iter().map(|change| match change {
        Change::Apply(mut object) => {
            object.provenance = None;
            Change::Apply(object)
        }
        other @ (Change::Delete(_) | Change::Broken(_)) => other,
    });
    changes.collect()
}

fn the_ingress(change: &Change) -> (ObjectRef, Arc<Ingress>) {
    match change {
        Change::Apply(object) => match &object.object {
            Object::Ingress(ingress) => (object.reference.clone(), Arc::clone(ingress)),
            other => panic!("{other:?}"),
        },
        Change::Delete(reference) | Change::Broken(reference) => panic!("{reference}"),
    }
}

impl World {
    fn with(text: &str) -> Self {
        let mut world = permitting();
        world.apply(objects(&format!("{text}{PERMISSION}")));
        world
    }

    fn review(&self, change: &Change) -> Vec<Arc<Problem>> {
        let (reference, ingress) = the_ingress(change);
        self.lowerer.review(&self.store, &reference, ingress, SystemTime::now())
    }
}

/// `severity Reason: field`.
fn said(problems: &[Arc<Problem>]) -> Vec<String> {
    let said = problems.iter().map(|p| format!("{} {}: {}", p.severity, p.reason, p.field));
    said.collect()
}

#[track_caller]
fn check(world: &str, object: &str, expected: &[&str]) {
    let object = objects(object).remove(0);
    assert_eq!(said(&World::with(world).review(&object)), expected);
}

const SERVICE: &str =
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";

#[test]
fn what_others_have_to_do_with_is_a_warning() {
    let path = "spec.rules[0].http.paths[0]";
    let old = format!("{SERVICE}{}", ingress("old", "2024", "h", "/x"));
    let conflict = format!("warning PathConflict: {path}");
    check(&old, &ingress("young", "2025", "h", "/x"), &[&conflict]);
    // No age yet.
    check(&old, &ingress("a", "", "h", "/x"), &[&conflict]);
    // The path was another's, and is this one's once it is applied.
    check(&old, &ingress("older", "2023", "h", "/x"), &[]);
    check(&old, &ingress("young", "2025", "h", "/y"), &[]);
    // Itself in an older version, and the paths it had.
    check(&old, &ingress("old", "2024", "h", "/x"), &[]);
    check(
        "",
        &ingress("a", "2024", "h", "/x"),
        &[&format!("warning ServiceMissing: {path}.backend")],
    );
    let other_port = ingress("a", "2024", "h", "/x").replace("number: 80", "number: 81");
    check(SERVICE, &other_port, &[&format!("warning ServicePort: {path}.backend")]);
}

#[test]
fn what_the_object_is_at_fault_for_is_an_error() {
    let text = ingress("a", "2025", "h", "/x");
    let again = format!("{text}{}\n", text.lines().last().unwrap_or_default());
    check(SERVICE, &again, &["error PathConflict: spec.rules[0].http.paths[1]"]);
    check(SERVICE, &ingress("a", "2025", "h h", "/x"), &["error InvalidHost: spec.rules[0].host"]);
    let passthrough = tls_ingress(("a", "2025"), "", "", &[("ssl-passthrough", "true")]);
    let field = "metadata.annotations.nginx.ingress.kubernetes.io";
    check(SERVICE, &passthrough, &[&format!("error PassthroughNotUsed: {field}/ssl-passthrough")]);
    let unsupported = tls_ingress(("a", "2025"), "h", "", &[("no-such", "x")]);
    check(SERVICE, &unsupported, &[&format!("warning AnnotationNotSupported: {field}/no-such")]);
    let https = [("backend-protocol", "HTTPS"), ("proxy-ssl-verify", "on")];
    let no_ca = tls_ingress(("a", "2025"), "h", "", &https);
    check(SERVICE, &no_ca, &[&format!("error BackendCaMissing: {field}/proxy-ssl-verify")]);
}

#[test]
fn secrets_that_nothing_uses_yet_may_exist() {
    let tls = "[{hosts: [h], secretName: s}]";
    let object = tls_ingress(("b", "2025"), "h", tls, &[]);
    check(SERVICE, &object, &[]);
    let user = tls_ingress(("a", "2024"), "g", "[{hosts: [g], secretName: s}]", &[]);
    let used = format!("{SERVICE}{user}");
    check(&used, &object, &["warning SecretMissing: spec.tls[0].secretName"]);
    let stored = format!("{used}{}", secret("s", &pair(&["g"])));
    check(&stored, &object, &["warning CertificateHost: spec.tls[0].hosts[0]"]);
    let bad = format!("{used}{}", secret_of("s", &[("tls.crt", "x"), ("tls.key", "x")]));
    check(&bad, &object, &["warning CertificateInvalid: spec.tls[0].secretName"]);
}

#[test]
fn what_is_not_ours_is_not_judged() {
    let other =
        ingress("a", "2025", "h h", "x").replace("spec:\n", "spec:\n  ingressClassName: x\n");
    check("", &other, &[]);
}

/// Ten Ingresses that contend for hosts, paths, certificates and handshakes.
fn contenders() -> String {
    let contender = |n: usize| {
        let year = ["2023", "2024", "2025"][n % 3];
        let host = ["h", "*.h", ""][n / 2 % 3];
        let tls = match host {
            "" => String::new(),
            host => format!("[{{hosts: [\"{host}\"], secretName: {}}}]", ["s", "none"][n / 3 % 2]),
        };
        let tls = if n.is_multiple_of(4) { "" } else { &tls };
        let annotations: &[(&str, &str)] = match n % 5 {
            0 => &[("auth-tls-secret", "default/s")],
            1 => &[("ssl-passthrough", "true")],
            2 if n == 2 => &[("server-snippet", "include x;"), ("ssl-passthrough", "true")],
            2 => &[("auth-tls-secret", "default/none"), ("server-snippet", "gzip on;")],
            3 if n == 3 => &[("auth-url", "x"), ("ssl-passthrough", "true")],
            3 => &[("backend-protocol", "HTTPS"), ("proxy-ssl-verify", "on")],
            _ => &[("no-such", "x")],
        };
        let text = tls_ingress((&format!("i{n}"), year), host, tls, annotations);
        let text = text.replace("path: /,", ["path: /,", "path: /x,"][n / 4 % 2]);
        match n % 2 {
            0 => text,
            _ => text.replace(
                "spec:\n",
                "spec:\n  defaultBackend: {service: {name: none, port: {number: 80}}}\n",
            ),
        }
    };
    (0..10).map(contender).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_review_says_what_applying_says(
        mut ingresses in Just(objects(&contenders())).prop_shuffle(),
        count in 2_usize..=10,
        has_service: bool,
        is_updated: bool,
    ) {
        ingresses.truncate(count);
        // Keeps the Secrets in use, so that it is known of each whether it exists.
        let user = "[{hosts: [u], secretName: s}, {hosts: [w], secretName: none}]";
        let user = tls_ingress(("user", "2020"), "u", user, &[]);
        let pair = pair(&["h", "*.h"]);
        let values = [("tls.crt", &*pair.chain), ("tls.key", &pair.key), ("ca.crt", &pair.chain)];
        let service = if has_service { SERVICE } else { "" };
        let mut world = World::with(&format!("{service}{user}{}", secret_of("s", &values)));
        let object = ingresses.pop().expect("two at least");
        if is_updated {
            let (reference, new) = the_ingress(&object);
            let mut old = objects(&ingress(&reference.name, "", "h", "/"));
            if let [Change::Apply(old)] = &mut *old
                && let Object::Ingress(old) = &mut old.object
            {
                let created = &new.metadata.creation_timestamp;
                Arc::make_mut(old).metadata.creation_timestamp.clone_from(created);
            }
            world.apply(old);
        }
        world.apply(ingresses);
        let before = format!("{:?}", world.lowerer);
        let reviewed = world.review(&object);
        prop_assert_eq!(before, format!("{:?}", world.lowerer));
        let lowered = world.apply(vec![object.clone()]);
        let own = the_ingress(&object).0;
        let applied = lowered.problems.iter().filter(|p| p.object.as_ref() == Some(&own));
        // Of pods a review says nothing.
        let mut applied: Vec<_> = applied.filter(|p| p.reason != "NoEndpoints").collect();
        let mut reviewed: Vec<_> = reviewed.iter().collect();
        let text = |p: &Problem| (p.field.clone(), p.message.clone(), p.advice.clone());
        applied.sort_by_key(|p| text(p));
        reviewed.sort_by_key(|p| text(p));
        let texts = |all: &[&Arc<Problem>]| all.iter().map(|p| text(p)).collect::<Vec<_>>();
        prop_assert_eq!(texts(&applied), texts(&reviewed));
        for (applied, reviewed) in applied.iter().zip(&reviewed) {
            prop_assert!(reviewed.severity <= applied.severity);
        }
        // The same again is no conflict with itself.
        let again: Vec<_> = world.review(&object);
        let mut again: Vec<_> = again.iter().collect();
        again.sort_by_key(|p| text(p));
        prop_assert_eq!(texts(&reviewed), texts(&again));
        let is_own_conflict =
            |p: &&Arc<Problem>| p.severity == Severity::Error && p.reason == "PathConflict";
        prop_assert!(!again.iter().any(is_own_conflict));
    }
}
