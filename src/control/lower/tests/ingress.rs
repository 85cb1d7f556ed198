//! Hosts, paths and backends of one Ingress.

use super::*;
use crate::model::Refusal;

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
        // What lacks but the slash is redirected.
        ("path: /a/,", "pathType: Exact,", &["h =/a/ -> default/s:80 (a)", "h =/a ->  (a)"], &[]),
        ("path: /a/,", "pathType: Prefix,", &["h /a/ -> default/s:80 (a)", "h =/a ->  (a)"], &[]),
        ("path: /a,", "pathType: ImplementationSpecific,", &["h /a -> default/s:80 (a)"], &[]),
        ("", "pathType: ImplementationSpecific,", &["h / -> default/s:80 (a)"], &[]),
        ("", "pathType: Prefix,", &[], invalid_path),
        ("path: a,", "pathType: Prefix,", &[], invalid_path),
        ("path: /a/../b,", "pathType: Prefix,", &[], invalid_path),
        // Served, for it has but one meaning, and told.
        ("path: /a/%2f,", "pathType: Prefix,", &["h /a/%2f -> default/s:80 (a)"], invalid_path),
        ("path: /a%2Fb,", "pathType: Exact,", &["h =/a%2Fb -> default/s:80 (a)"], invalid_path),
        ("path: /a//b,", "pathType: Exact,", &["h =/a//b -> default/s:80 (a)"], invalid_path),
        ("path: /a/./b,", "pathType: Exact,", &[], invalid_path),
        ("path: /a/..,", "pathType: Prefix,", &[], invalid_path),
        ("path: a,", "pathType: ImplementationSpecific,", &[], invalid_path),
        ("path: /%2F,", "pathType: ImplementationSpecific,", &["h /%2F -> default/s:80 (a)"], &[]),
        ("path: /a,", "", &[], invalid_type),
        ("path: /a,", "pathType: prefix,", &[], invalid_type),
    ] {
        check(&path(text, kind), expected, problems);
    }
    let empty: &[&str] = &[&format!("EmptyPathElement {PATH}")];
    let specific = path("path: /a//b,", "pathType: ImplementationSpecific,");
    check(&specific, &["h /a//b -> default/s:80 (a)"], empty);
}

/// As text where nothing says otherwise, as in ingress-nginx, but never without a word.
#[test]
fn what_looks_like_an_expression_is_said() {
    let told: &[&str] = &["RegexPath spec.rules[0].http.paths[0].path"];
    for text in ["/x(/|$)(.*)", "/*", "/foo/*", "/[a-z]", "/a{2}", "/users/{id}", "/a.+", "/a$"] {
        let spec = path(&format!("path: {text:?},"), "pathType: ImplementationSpecific,");
        check(&spec, &[&format!("h {text} -> default/s:80 (a)")], told);
    }
    for text in ["/v1.2", "/.well-known", "/a+b", "/a$b", "/~me", "/a;b=c,d@e:f!"] {
        let spec = path(&format!("path: {text:?},"), "pathType: Prefix,");
        check(&spec, &[&format!("h {text} -> default/s:80 (a)")], &[]);
    }
    let spec = path("path: \"/app/?(.*)\",", "pathType: ImplementationSpecific,");
    check(&spec, &[], &["InvalidPath spec.rules[0].http.paths[0].path"]);
    let lowered = lower(&format!("{HEAD}{spec}"));
    assert!(lowered.problems[0].advice.contains("use-regex"), "{}", lowered.problems[0]);
}

#[test]
fn hosts_are_exact_wildcard_or_any() {
    let spec = |host: &str| path("path: /,", "pathType: Prefix,").replace("host: h", host);
    for (host, expected) in [
        ("host: a.example", "a.example"),
        ("host: \"*.x.example\"", "*.x.example"),
        ("host: \"\"", "*"),
    ] {
        check(&spec(host), &[&format!("{expected} / -> default/s:80 (a)")], &[]);
    }
    for host in [
        "host: \"*\"",
        "host: \"a.*.b\"",
        "host: \"*a.example\"",
        "host: \"*.*.example\"",
        "host: \"*.\"",
        "host: a..b",
        "host: 10.0.0.1",
        "host: \"a:80\"",
        "host: \"[::1]\"",
        "host: a.example.",
    ] {
        check(&spec(host), &[], &["InvalidHost spec.rules[0].host"]);
    }
    // An API server stores none of these; requests can ask for them.
    for (host, expected) in [
        ("host: A.Example", "a.example"),
        ("host: my_shop.example", "my_shop.example"),
        ("host: \"*.My.example\"", "*.my.example"),
        ("host: -a.example", "-a.example"),
        ("host: 010.0.0.1", "010.0.0.1"),
    ] {
        let routes = [&*format!("{expected} / -> default/s:80 (a)")];
        check(&spec(host), &routes, &["InvalidHost spec.rules[0].host"]);
    }
    let tls = "  tls: [{hosts: [a_b, A.example, h]}]\n";
    let told = ["InvalidHost spec.tls[0].hosts[0]", "InvalidHost spec.tls[0].hosts[1]"];
    let rule = path("path: /,", "pathType: Prefix,");
    check(&format!("{tls}{rule}"), &["h / -> default/s:80 (a)"], &told);
}

#[test]
fn rules_without_paths_and_two_classes_are_what_an_api_server_refuses() {
    let paths: &[&str] = &["NoPaths spec.rules[0].http.paths"];
    check("  rules: [{host: h, http: {}}]\n", &[], paths);
    check("  rules: [{host: h, http: {paths: []}}]\n", &[], paths);
    check("  rules: [{host: h}]\n", &[], &[]);
    let text = |annotation: &str| {
        let head = HEAD.replace(
            "name: a",
            &format!("name: a, annotations: {{kubernetes.io/ingress.class: {annotation}}}"),
        );
        format!(
            "{head}  ingressClassName: ringway\n{}---\napiVersion: networking.k8s.io/v1\n\
             kind: IngressClass\nmetadata: {{name: ringway}}\n\
             spec: {{controller: ringway.dev/ingress}}\n",
            path("path: /,", "pathType: Prefix,")
        )
    };
    let lowered = lower(&text("nginx"));
    let field = "metadata.annotations.kubernetes.io/ingress.class";
    assert_eq!(reasons(&lowered), [format!("ClassConflict {field}")]);
    assert_eq!(lowered.problems[0].severity, crate::model::Severity::Error);
    assert_eq!(routes(&lowered.model.expect("a model")), ["h / -> default/s:80 (a)"]);
    assert!(reasons(&lower(&text("ringway"))).is_empty());
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
        ("{service: {name: My_Service, port: {number: 1}}}", ".service.name"),
        ("{service: {name: a.b, port: {number: 1}}}", ".service.name"),
        ("{service: {name: s, port: {number: -1}}}", ".service.port"),
        ("{service: {name: s, port: {name: HTTP}}}", ".service.port"),
        ("{service: {name: s, port: {name: \"0\"}}}", ".service.port"),
        ("{service: {name: s, port: {name: \"65536\"}}}", ".service.port"),
        ("{service: {name: s, port: {name: \"+80\"}}}", ".service.port"),
        ("{service: {name: s, port: {name: a--b}}}", ".service.port"),
        ("{service: {name: s, port: {name: sixteen-letters1}}}", ".service.port"),
        ("{resource: {kind: \"\", name: n}}", ".resource"),
        ("{resource: {kind: K, name: \"\"}}", ".resource"),
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
    let zero = "{service: {name: s, port: {name: http, number: 0}}}";
    check(&spec(zero), &["* / -> default/s:http (a)"], &[]);
    // Accepted all the same, for ingress-nginx looks for the number.
    let digits = "{service: {name: s, port: {name: \"80\"}}}";
    check(&spec(digits), &["* / -> default/s:80 (a)"], &[]);
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

/// Whatever it is, no other rule gets its requests, and no redirect sends them around.
#[test]
fn resource_backends_get_503_and_a_message() {
    let resource = "{resource: {kind: Bucket, name: b}}";
    let rule = format!(
        "  rules: [{{host: h, http: {{paths: [{{path: /, pathType: Prefix, \
         backend: {resource}}}]}}}}]\n"
    );
    for spec in [
        rule.clone(),
        format!("  defaultBackend: {resource}\n"),
        format!("  defaultBackend: {resource}\n  rules: [{{host: h}}]\n"),
        format!("  tls: [{{hosts: [h]}}]\n{rule}"),
    ] {
        let lowered = lower(&format!("{HEAD}{spec}"));
        let model = lowered.model.as_ref().expect("a model");
        let refusals: Vec<_> = model.listeners[0].hosts[0].rules.iter().collect();
        assert_eq!(refusals.len(), 1, "{spec}");
        assert_eq!(refusals[0].policies.refusal, Some(Refusal::NotSupported), "{spec}");
        let told = lowered.problems.iter().find(|p| p.reason == "ResourceBackend");
        assert!(told.is_some_and(|p| p.message.contains("503")), "{spec}");
    }
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
                annotations:\n    nginx.ingress.kubernetes.io/http2-push-preload: x\n    \
                example.com/owner: me\nspec:\n  tls: [{hosts: [h]}]\n  \
                defaultBackend: {service: {name: d, port: {number: 80}}}\n";
    let lowered = lower(text);
    assert_eq!(
        reasons(&lowered),
        ["AnnotationNotSupported \
             metadata.annotations.nginx.ingress.kubernetes.io/http2-push-preload",]
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
