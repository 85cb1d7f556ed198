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

#[test]
fn what_is_probably_not_meant_is_told_once() {
    const HEAD: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop, \
                        annotations: {";
    const NGINX: &str = "nginx.ingress.kubernetes.io";
    let paths = |annotations: &str, paths: &[&str]| {
        let path = |path: &&str| {
            format!(
                "{{path: '{path}', pathType: ImplementationSpecific, backend: {{service: {{name: \
                 web, port: {{number: 80}}}}}}}}"
            )
        };
        let paths: Vec<_> = paths.iter().map(path).collect();
        let paths = paths.join(", ");
        format!(
            "{HEAD}{annotations}}}}}\nspec: {{ingressClassName: ringway, rules: [{{host: \
             shop.example, http: {{paths: [{paths}]}}}}]}}\n"
        )
    };
    let regex = format!("{NGINX}/use-regex: 'true'");
    for (text, told) in [
        (paths("", &["/", "/api"]), &[][..]),
        (paths(&regex, &["/(.*)", "/api"]), &["PathNeverReached spec.rules[0].http.paths[1].path"]),
        (paths(&regex, &["/(.*)", "/api/v1"]), &[]),
        (
            paths(&regex, &["/api(/|$)(.*)", "/api/v1", "/apis"]),
            &["PathNeverReached spec.rules[0].http.paths[1].path"],
        ),
        (
            paths(&regex, &["/api/(v1|v2)/longer", "/api/?(.*)", "/api(a|b)"]),
            &["PathNeverReached spec.rules[0].http.paths[2].path"],
        ),
        (
            paths(&format!("{regex}, {NGINX}/server-alias: a.example"), &["/(.*)", "/api"]),
            &["PathNeverReached spec.rules[0].http.paths[1].path"],
        ),
        (
            paths(&format!("{NGINX}/session-cookie-name: a"), &["/"]),
            &["AnnotationWithoutEffect \
                    metadata.annotations.nginx.ingress.kubernetes.io/session-cookie-name"],
        ),
        (paths(&format!("{NGINX}/session-cookie-name: a, {NGINX}/affinity: cookie"), &["/"]), &[]),
        (
            paths(&format!("{NGINX}/limit-burst-multiplier: '2', {NGINX}/limit-rpm: '9'"), &["/"]),
            &[],
        ),
    ] {
        let found: Vec<_> =
            found(&text).iter().map(|p| format!("{} {}", p.reason, p.field)).collect();
        assert_eq!(found, told, "{text}");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_told_at_its_secret() {
    for (days, expected) in
        [(3, &["CertificateEndsSoon"][..]), (13, &["CertificateEndsSoon"]), (20, &[])]
    {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params =
            rcgen::CertificateParams::new(vec!["shop.example".to_owned()]).expect("a name");
        let now = SystemTime::now();
        let day = std::time::Duration::from_secs(86_400);
        params.not_before = (now - day).into();
        params.not_after = (now + day * days).into();
        let pem = |text: &str| text.replace('\n', "\n    ");
        let cert = params.self_signed(&key).expect("a certificate").pem();
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: cert}}\nstringData:\n  \
             tls.crt: |\n    \
             {}\n  tls.key: |\n    {}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
             metadata: {{name: shop}}\nspec:\n  ingressClassName: ringway\n  tls: [{{hosts: \
             [shop.example], secretName: cert}}]\n  defaultBackend: {{service: {{name: web, port: \
             {{number: 80}}}}}}\n  rules: [{{host: shop.example}}]\n",
            pem(&cert),
            pem(&key.serialize_pem())
        );
        let found: Vec<_> = found(&text).iter().map(|problem| problem.reason).collect();
        assert_eq!(found, expected, "{days}");
    }
}
