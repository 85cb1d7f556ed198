//! Lowering asks for no Secret that [`needs`] does not know of.

use std::path::Path;

use super::*;
use crate::control::source::SourceObject;
use crate::control::source::interest::{Choice, Interest as _};
use crate::control::source::tree::Tree;
use crate::model::Kind;

/// Whatever Ingress in force asks for is known beforehand; every test of lowering proves it for its
/// manifests.
#[track_caller]
pub(super) fn check(world: &World) {
    for (reference, in_force) in &world.lowerer.claims.in_force {
        // An older version is in force than the one that is stored.
        if !in_force.newer.is_empty() {
            continue;
        }
        let known =
            needs(reference, &world.store.ingresses[reference].object, &world.lowerer.globals);
        let claim = &in_force.claim;
        let of_backends = claim.uses.keys().flat_map(backends::dial::objects_of);
        let asked = claim.needs().cloned().chain(of_backends);
        for secret in asked.filter(|secret| manifest::is_dns_subdomain(&secret.name)) {
            assert!(known.contains(&secret), "{reference:?} asks for {secret:?}");
        }
    }
}

#[test]
fn of_all_sample_manifests() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut asked = 0;
    for folder in std::fs::read_dir(cases).expect("the cases are in the repository") {
        let mut world = World::new(LowerOptions { watch_without_class: true, ..options() });
        let folder = folder.expect("an entry").path();
        for file in Tree::walk(&folder).files {
            let text = std::fs::read_to_string(folder.join(file)).expect("a readable file");
            // All classes are ours here.
            let text = text.replace("ingress.class: nginx", "ingress.class: ringway");
            let objects = manifest::read(&"f".into(), &text).objects.into_iter();
            world.apply(objects.map(|object| Change::Apply(Box::new(object))).collect());
        }
        let ingresses = world.store.ingresses.iter();
        asked +=
            ingresses.map(|(r, e)| needs(r, &e.object, &Globals::default()).len()).sum::<usize>();
    }
    assert_eq!(asked, 12);
}

#[test]
fn of_fields_and_annotations() {
    let text = |annotations: &str, tls: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\n\
             metadata: {{name: a, namespace: n, annotations: {{{annotations}}}}}\n\
             spec: {{tls: [{tls}], \
             defaultBackend: {{service: {{name: s, port: {{number: 80}}}}}}}}\n"
        )
    };
    let auth = |secret: &str, rest: &str| {
        format!("nginx.ingress.kubernetes.io/auth-tls-secret: \"{secret}\"{rest}")
    };
    let proxy =
        |secret: &str| format!("nginx.ingress.kubernetes.io/proxy-ssl-secret: \"{secret}\"");
    let off = ", nginx.ingress.kubernetes.io/auth-tls-verify-client: \"off\"";
    let many: String = (0..=crate::limits::TLS_ENTRIES_PER_INGRESS_MAX)
        .map(|n| format!("{{secretName: s{n}}}, "))
        .collect();
    let cases = [
        (text("", "{secretName: t}, {secretName: u}, {secretName: t}, {}"), vec!["t", "u"]),
        (text("", "{secretName: \"\"}, {secretName: ..}, {secretName: a/b}"), vec![]),
        (text(&auth("n/x", ""), ""), vec!["x"]),
        (text(&auth("n/x", off), ""), vec![]),
        (text(&auth("other/x", ""), ""), vec![]),
        (text(&auth("n/..", ""), ""), vec![]),
        (text(&auth("n/x?a=b", ""), ""), vec![]),
        (text(&proxy("n/p"), ""), vec!["p"]),
        (text(&proxy("other/p"), ""), vec![]),
        (text(&proxy("p"), ""), vec![]),
        (
            text(&format!("{}, {}", auth("n/x", ""), proxy("n/p")), "{secretName: t}"),
            vec!["p", "t", "x"],
        ),
    ];
    let references = |text: &str| {
        let mut world = World::new(options());
        world.apply(changes(text));
        let (reference, entry) = world.store.ingresses.first_key_value().expect("an Ingress");
        needs(reference, &entry.object, &Globals::default())
    };
    for (text, expected) in cases {
        let found = references(&text);
        assert!(found.iter().all(|r| r.kind == Kind::Secret && *r.namespace == *"n"), "{text}");
        assert_eq!(found.iter().map(|r| &*r.name).collect::<Vec<_>>(), expected, "{text}");
    }
    let found = references(&text("", &many)).len();
    assert_eq!(found, crate::limits::TLS_ENTRIES_PER_INGRESS_MAX);
}

/// What a source is told: whose an Ingress is, what it brings along, and whether it comes into
/// force.
#[test]
fn of_what_is_ours_alone() {
    let mut interest = Interest::new(LowerOptions::cluster("ringway", "ringway.dev/ingress"));
    let read = |text: &str| manifest::read(&"f".into(), text).objects.remove(0);
    let ingress = |class: &str, path: &str| {
        read(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, namespace: n}}\n\
             spec: {{ingressClassName: {class}, tls: [{{secretName: s}}], \
             rules: [{{http: {{paths: [{{path: {path}, pathType: Prefix, \
             backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}}}]}}\n"
        ))
    };
    let class = read(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: web}\n\
         spec: {controller: ringway.dev/ingress}\n",
    );
    let web = [(&class.reference, &class.object)];
    let needs = |interest: &Interest, class: &str, path: &str| {
        let SourceObject { reference, object, provenance: _ } = ingress(class, path);
        let needs = interest.needs(&reference, &object);
        let names: Vec<_> = needs.iter().map(ToString::to_string).collect();
        (names.join(" "), interest.leaves_last_good(&reference, &object))
    };
    assert_eq!(needs(&interest, "ringway", "/"), ("Secret n/s".into(), false));
    assert_eq!(needs(&interest, "ringway", "/a#b"), ("Secret n/s".into(), true));
    assert_eq!(needs(&interest, "web", "/"), (String::new(), false));
    assert_eq!(interest.choose(&web), Choice::Changed);
    assert_eq!(interest.choose(&web), Choice::Same);
    assert_eq!(needs(&interest, "web", "/"), ("Secret n/s".into(), false));
    assert_eq!(needs(&interest, "web", "/a#b"), ("Secret n/s".into(), true));
    assert_eq!(interest.choose(&[]), Choice::Changed);
    assert_eq!(needs(&interest, "web", "/a#b"), (String::new(), false));
    assert_eq!(interest.needs(&class.reference, &class.object), BTreeSet::new());
}
