//! Hosts, paths and backends of one Ingress.

use super::*;

const HEAD: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n";

#[track_caller]
fn check(spec: &str, expected: &[&str], problems: &[&str]) {
    let lowered = lower(&format!("{HEAD}{spec}"));
    assert_eq!(routes(lowered.model.as_ref().expect("a model")), expected, "{spec}");
    assert_eq!(reasons(&lowered), problems, "{spec}");
}

/// One rule with one path.
fn path(path: &str, path_type: &str) -> String {
    format!(
        "  rules: [{{host: h, http: {{paths: [{{{path} {path_type} \
         backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}}}]\n"
    )
}

#[test]
fn path_types_and_paths() {
    const PATH: &str = "spec.rules[0].http.paths[0].path";
    let invalid_path: &[&str] = &[&format!("InvalidPath {PATH}")];
    let invalid_type: &[&str] = &[&format!("InvalidPathType {PATH}Type")];
    for (text, kind, expected, problems) in [
        ("path: /a,", "pathType: Exact,", &["h =/a -> default/s:80 (a)"][..], &[][..]),
        ("path: /a/,", "pathType: Exact,", &["h =/a/ -> default/s:80 (a)"], &[]),
        ("path: /a/,", "pathType: Prefix,", &["h /a -> default/s:80 (a)"], &[]),
        ("path: /a,", "pathType: ImplementationSpecific,", &["h /a -> default/s:80 (a)"], &[]),
        ("", "pathType: ImplementationSpecific,", &["h / -> default/s:80 (a)"], &[]),
        ("", "pathType: Prefix,", &[], invalid_path),
        ("path: a,", "pathType: Prefix,", &[], invalid_path),
        ("path: /a/../b,", "pathType: Prefix,", &[], invalid_path),
        ("path: /a,", "", &[], invalid_type),
        ("path: /a,", "pathType: prefix,", &[], invalid_type),
    ] {
        check(&path(text, kind), expected, problems);
    }
    let empty: &[&str] = &[&format!("EmptyPathElement {PATH}")];
    check(&path("path: /a//b,", "pathType: Exact,"), &["h =/a//b -> default/s:80 (a)"], empty);
}

#[test]
fn hosts_are_exact_wildcard_or_any() {
    let spec = |host: &str| path("path: /,", "pathType: Prefix,").replace("host: h", host);
    for (host, expected) in [
        ("host: A.Example", "a.example"),
        ("host: \"*.x.example\"", "*.x.example"),
        ("host: \"\"", "*"),
    ] {
        check(&spec(host), &[&format!("{expected} / -> default/s:80 (a)")], &[]);
    }
    for host in ["host: \"*\"", "host: \"a.*.b\"", "host: a..b", "host: 10.0.0.1", "host: \"a:80\""]
    {
        check(&spec(host), &[], &["InvalidHost spec.rules[0].host"]);
    }
}

#[test]
fn backends_that_an_api_server_refuses_have_no_route() {
    const BACKEND: &str = "spec.rules[0].http.paths[0].backend";
    let spec = |backend: &str| {
        format!(
            "  rules: [{{http: {{paths: [{{path: /, pathType: Prefix, backend: {backend}}}]}}}}]\n"
        )
    };
    for (backend, field) in [
        ("{}", ""),
        ("{service: {name: \"\", port: {number: 1}}}", ".service.name"),
        ("{service: {name: s}}", ".service.port"),
        ("{service: {name: s, port: {}}}", ".service.port"),
        ("{service: {name: s, port: {number: 0}}}", ".service.port"),
        ("{service: {name: s, port: {number: 65536}}}", ".service.port"),
        ("{service: {name: s, port: {number: 80, name: http}}}", ".service.port"),
        ("{service: {name: s, port: {number: 80}}, resource: {kind: K, name: n}}", ""),
    ] {
        check(&spec(backend), &[], &[&format!("InvalidBackend {BACKEND}{field}")]);
    }
    let named = "{service: {name: s, port: {name: http}}}";
    check(&spec(named), &["* / -> default/s:http (a)"], &[]);
}

#[test]
fn a_resource_backend_keeps_its_path_from_others() {
    check(
        "  rules: [{http: {paths: [{path: /, pathType: Prefix, \
         backend: {resource: {kind: Bucket, name: b}}}]}}]\n",
        &["* / -> invalid (a)"],
        &["ResourceBackend spec.rules[0].http.paths[0].backend.resource"],
    );
}

#[test]
fn default_backend_without_rules_serves_every_host() {
    let backend = "  defaultBackend: {service: {name: d, port: {number: 80}}}\n";
    check(backend, &["* / -> default/d:80 (a)"], &[]);
    check("  rules: []\n", &[], &["NoRules spec"]);
}

#[test]
fn default_backend_with_rules_serves_the_other_paths_of_their_hosts() {
    let backend = "  defaultBackend: {service: {name: d, port: {number: 80}}}\n";
    let rules = path("path: /a,", "pathType: Prefix,");
    let both = ["h /a -> default/s:80 (a)", "h / -> default/d:80 (a)"];
    check(&format!("{backend}{rules}"), &both, &[]);
    let root = path("path: /,", "pathType: Prefix,");
    check(&format!("{backend}{root}"), &["h / -> default/s:80 (a)"], &[]);
    let exact = path("path: /,", "pathType: Exact,");
    let both = ["h =/ -> default/s:80 (a)", "h / -> default/d:80 (a)"];
    check(&format!("{backend}{exact}"), &both, &[]);
    check(&format!("{backend}  rules: [{{host: h}}]\n"), &["h / -> default/d:80 (a)"], &[]);
}

#[test]
fn what_is_not_supported_is_said() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  \
                annotations:\n    nginx.ingress.kubernetes.io/rewrite-target: /\n    \
                example.com/owner: me\nspec:\n  tls: [{hosts: [h]}]\n  \
                defaultBackend: {service: {name: d, port: {number: 80}}}\n";
    let lowered = lower(text);
    assert_eq!(
        reasons(&lowered),
        ["AnnotationNotSupported \
             metadata.annotations.nginx.ingress.kubernetes.io/rewrite-target",]
    );
    let lines: Vec<_> = lowered.problems.iter().filter_map(|p| p.position.as_ref()).collect();
    assert_eq!(lines.iter().map(|p| p.line).collect::<Vec<_>>(), [6, 10]);
}

#[test]
fn paths_beyond_the_bound_are_one_problem_not_none() {
    let one = "{path: /p, pathType: Exact, backend: {service: {name: s, port: {number: 80}}}}, ";
    let many = one.repeat(crate::limits::PATHS_PER_INGRESS_MAX + 3);
    let lowered = lower(&format!("{HEAD}  rules: [{{http: {{paths: [{many}]}}}}]\n"));
    assert!(reasons(&lowered).iter().any(|r| r.starts_with("TooManyPaths ")));
}

#[test]
fn origins_carry_rule_path_and_line() {
    let text = ingress("a", "", "h", "/x");
    let model = lower(&text).model.expect("a model");
    let origin = &model.listeners[0].hosts[0].rules[0].origin;
    assert_eq!((origin.rule, origin.path), (Some(0), Some(0)));
    let line = origin.position.as_ref().map(|p| p.line);
    let expected =
        text.lines().position(|l| l.contains("- {path")).and_then(|l| u32::try_from(l + 1).ok());
    assert_eq!(line, expected);
}
