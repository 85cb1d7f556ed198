//! Examples of pages have the problem that they are for.

use super::*;
use crate::model::Reason;
use crate::model::reason::page::Example;

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                       spec: {ports: [{port: 80}]}\n";

/// An object, with `lines` below `head`.
fn object(kind: &str, name: &str, head: &str, lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("{kind}\nmetadata:\n  name: {name}\n{head}\n{lines}")
}

/// Manifests that have the example; `None`: none have.
fn manifests(example: &Example) -> Option<String> {
    const INGRESS: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress";
    const RULE: &str = "spec: {ingressClassName: ringway, rules: [{host: shop.example, http: \
                        {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, \
                        port: {number: 80}}}}]}}]}\n";
    let text = match example {
        Example::Manifest(text) => (*text).to_owned(),
        Example::Annotations(lines) => object(INGRESS, "shop", "  annotations:", lines) + RULE,
        Example::Spec(lines) => object(INGRESS, "shop", "spec:", lines),
        Example::Keys(lines) => object(
            "apiVersion: v1\nkind: ConfigMap",
            "settings\n  namespace: ringway",
            "data:",
            lines,
        ),
        Example::Elsewhere(_) => return None,
    };
    Some(text)
}

/// What is found in `text`, as a file, and in a Service beside it.
fn found(text: &str) -> Vec<Arc<Problem>> {
    let mut reading = Reading::default();
    reading.put("example.yaml".into(), text);
    reading.put("service.yaml".into(), SERVICE);
    let (namespace, name) = ("ringway".into(), "settings".into());
    let settings = ObjectRef { kind: Kind::ConfigMap, namespace, name };
    let options = LowerOptions {
        is_offline: true,
        config_map: Some(settings).filter(|_| text.contains("namespace: ringway")),
        ..LowerOptions::directory("", "ringway.dev/ingress")
    };
    judge(reading.finish(), &options, &ClassChoice::Named(vec!["ringway".into()])).problems
}

#[test]
fn every_example_has_its_problem() {
    let mut wrong = Vec::new();
    for reason in Reason::all() {
        let Some(text) = manifests(&reason.page().example) else { continue };
        let problems = found(&text);
        if !problems.iter().any(|problem| problem.reason == reason) {
            let told: Vec<_> = problems.iter().map(|p| format!("{} {p}", p.reason)).collect();
            wrong.push(format!("{reason}: {told:#?}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
