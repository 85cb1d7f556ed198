//! What another version of the controller's ConfigMap has lowered again.

use super::*;
use crate::limits::GENERAL_WORDS_MAX;
use crate::model::Kind;

const INGRESS: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\n\
    spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, \
    backend: {service: {name: s, port: {number: 80}}}}]}}]}\n---\n";

fn config_map(name: &str, data: &str) -> Vec<Change> {
    changes(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{data}}}\n"
    ))
}

fn world() -> World {
    let (namespace, name) = ("default".into(), "c".into());
    let flag = ObjectRef { kind: Kind::ConfigMap, namespace, name };
    World::new(LowerOptions { config_map: Some(flag), ..options() })
}

#[test]
fn only_what_a_key_concerns_is_lowered_again() {
    let mut world = world();
    let hosts_of = |model: Model| -> Vec<_> {
        model.listeners.into_iter().flat_map(|listener| listener.hosts).collect()
    };
    let mut hosts = hosts_of(world.apply(changes(INGRESS)).model.expect("a model"));
    for (data, is_model_new, are_hosts_new) in [
        ("", false, false),
        ("limit-req-status-code: \"429\"", true, false),
        ("limit-req-status-code: \"429\", worker-processes: \"2\"", false, false),
        ("limit-req-status-code: \"no\"", false, false),
        ("block-cidrs: 10.0.0.0/8", true, false),
        ("upstream-keepalive-time: 1h, add-headers: default/f", true, false),
        ("proxy-body-size: 5m", true, true),
        ("proxy-body-size: 5m, http-redirect-code: \"301\"", true, true),
    ] {
        let lowered = world.apply(config_map("c", data));
        assert_eq!(lowered.model.is_some(), is_model_new, "{data}");
        let Some(model) = lowered.model else { continue };
        let new = hosts_of(model);
        let is_same = new.len() == hosts.len()
            && new.iter().zip(&hosts).all(|(new, old)| Arc::ptr_eq(new, old));
        assert_eq!(!is_same, are_hosts_new, "{data}");
        hosts = new;
    }
}

#[test]
fn lists_are_bounded() {
    let mut world = world();
    for (count, expected) in [
        (GENERAL_WORDS_MAX, &[][..]),
        (GENERAL_WORDS_MAX + 1, &["InvalidValue data.block-user-agents"]),
    ] {
        let all: Vec<_> = (0..count).map(|n| format!("bot{n}")).collect();
        let data = format!("block-user-agents: \"{}\"", all.join(","));
        assert_eq!(reasons(&world.apply(config_map("c", &data))), expected, "{count}");
    }
}

#[test]
fn fields_follow_the_config_maps_that_are_named() {
    let mut world = world();
    let fields = |lowered: Lowered| {
        let model = lowered.model.expect("a model");
        let all = model.defaults.answer_fields.appended().map(|(n, v)| format!("{n}: {v}"));
        all.collect::<Vec<_>>().join(", ")
    };
    let missing = world.apply(config_map("c", "add-headers: default/f"));
    assert_eq!(reasons(&missing), ["ConfigMapMissing data.add-headers"]);
    let lowered = world.apply(config_map("f", "X-A: \"1\", x-a: \"2\", X-B: \" 3 \", \"X C\": v"));
    assert_eq!(reasons(&lowered), ["ConfigMapInvalid data.add-headers"]);
    assert_eq!(fields(lowered), "X-B: 3, x-a: 2");
    assert_eq!(fields(world.apply(config_map("f", "X-A: \"4\", X-B: \"\""))), "X-A: 4");
    let many: Vec<_> = (0..=GENERAL_WORDS_MAX).map(|n| format!("X-{n}: v")).collect();
    let lowered = world.apply(config_map("f", &many.join(", ")));
    assert_eq!(reasons(&lowered), ["ConfigMapInvalid data.add-headers"]);
    assert_eq!(fields(lowered).split(", ").count(), GENERAL_WORDS_MAX);
    world.apply(config_map("f", "X-A: \"4\""));
    assert_eq!(fields(world.apply(config_map("c", ""))), "");
    assert!(world.apply(config_map("f", "X-A: \"5\"")).model.is_none());
}
