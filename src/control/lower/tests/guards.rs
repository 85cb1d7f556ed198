//! A guard that is not supported closes its rules, and says so; what is off closes nothing.

use super::*;
use crate::model::{Refusal, Severity};

const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// An Ingress whose annotations are given by their whole names.
pub(super) fn guarded(
    name: &str,
    created: &str,
    host: &str,
    annotations: &[(&str, &str)],
) -> String {
    let annotations: Vec<_> =
        annotations.iter().map(|(key, value)| format!("{key:?}: {value:?}")).collect();
    let annotations = format!("annotations: {{{}}}, name: {name}", annotations.join(", "));
    ingress(name, created, host, "/").replace(&format!("name: {name}"), &annotations)
}

/// `host path refusal` of each rule.
fn refusals(lowered: &Lowered) -> Vec<String> {
    let hosts = lowered.model.iter().flat_map(|model| &model.listeners[0].hosts);
    let rules = hosts.flat_map(|host| host.rules.iter().map(move |rule| (host, rule)));
    let text = rules.map(|(host, rule)| {
        let path = match &rule.matches[0].path {
            PathMatch::Exact(path) | PathMatch::Prefix(path) => path.to_string(),
            PathMatch::Regex(pattern) => format!("~{}", pattern.source()),
        };
        format!("{} {path} {:?}", host.pattern, rule.policies.refusal)
    });
    text.collect()
}

#[track_caller]
fn check(key: &str, value: &str, is_closed: bool, reasons: &[&str]) {
    let lowered = lower_permitted(&guarded("a", "", "h", &[(key, value)]));
    let refusal = is_closed.then_some(Refusal::Guard);
    assert_eq!(refusals(&lowered), [format!("h / {refusal:?}")], "{key}: {value}");
    let about = lowered.problems.iter().filter(|p| p.reason != "ServiceMissing");
    let about: Vec<_> = about.collect();
    let found: Vec<_> = about.iter().map(|p| p.reason.word()).collect();
    assert_eq!(found, reasons, "{key}: {value}");
    for problem in about {
        assert_eq!(problem.field, format!("metadata.annotations.{key}"));
        assert_eq!(problem.severity == Severity::Error, is_closed, "{problem}");
        assert_eq!(problem.message.contains("503"), is_closed, "{problem}");
    }
}

/// Each guard of ingress-nginx that is not supported, with values that close and values that do
/// not. A row goes when its annotation is supported.
#[test]
fn guards_close_their_rules_unless_they_are_off() {
    for (name, on, off) in [
        ("global-rate-limit", &["100", "x", "-1"][..], &["0"][..]),
        ("enable-modsecurity", &["true", "on", "yes"], &["false", "f"]),
        ("enable-owasp-core-rules", &["true"], &["false"]),
        ("modsecurity-snippet", &["SecRuleEngine On"], &[]),
        // Unknown, but what they are named after keeps clients out.
        ("limit-whatever", &["1"], &[]),
        ("auth-tls-crl", &["ns/x"], &[]),
        ("auth-jwt", &["realm"], &[]),
    ] {
        let key = format!("{PREFIX}{name}");
        for value in on {
            check(&key, value, true, &["GuardNotSupported"]);
        }
        for value in off {
            check(&key, value, false, &[]);
        }
        // As in ingress-nginx, which takes it for none.
        for value in ["", "  ", "\n"] {
            check(&key, value, false, &["AnnotationNotSupported"]);
        }
    }
}

#[test]
fn what_belongs_to_a_guard_and_is_none_closes_nothing() {
    for name in ["http2-push-preload", "lua-resty-waf", "no-such"] {
        check(&format!("{PREFIX}{name}"), "1", false, &["AnnotationNotSupported"]);
    }
    check("ingress.kubernetes.io/auth-url", "x", false, &["ForeignAnnotation"]);
    for key in ["example.com/auth-url", "auth-url"] {
        check(key, "x", false, &[]);
    }
}

#[test]
fn snippets_close_if_they_may_turn_clients_away() {
    let key = format!("{PREFIX}stream-snippet");
    for text in ["deny all;", "if ($x) {\n return 403;\n}", "set $x 'y;", "include x;"] {
        check(&key, text, true, &["GuardNotSupported"]);
    }
    for text in ["more_set_headers \"X: deny\";", "# deny all;", ""] {
        check(&key, text, false, &["AnnotationNotSupported"]);
    }
}

#[test]
fn a_snippet_is_told_with_line_and_directive() {
    let key = format!("{PREFIX}stream-snippet");
    let text = "set $x y;\nauth_request /x;";
    let lowered = lower_permitted(&guarded("a", "", "h", &[(&key, text)]));
    let message = &lowered.problems[0].message;
    assert!(message.contains("its line 2, column 1 (auth_request)"), "{message}");
}

#[test]
fn slips_of_a_guards_name_close_too() {
    for (key, value, meant) in [
        ("nginx.ingress.kubernetes.io/auth-ulr", "http://x", "auth-url"),
        ("nginx.ingress.kubernetes.io/Auth-Url", "http://x", "auth-url"),
        ("nginx.ingress.kubernetes.io/auth_url", "http://x", "auth-url"),
        ("nginx.ingress.kubernetes.io/whitelist-source-ranges", "10.0.0.0/8", "whitelist-source"),
        ("nginx.ingress.kubernetes.io/enable-modsecurty", "true", "enable-modsecurity"),
        ("nginx.ingress.kubernetes.io/auth-tls-secert", "default/s", "auth-tls-secret"),
        ("nginx.ingress.kubernetes.io/server-snippets", "deny all;", "server-snippet"),
        ("nginx.ingres.kubernetes.io/auth-type", "basic", "auth-type"),
    ] {
        check(key, value, true, &["GuardNotSupported"]);
        let lowered = lower(&guarded("a", "", "h", &[(key, value)]));
        let message = &lowered.problems[0].message;
        assert!(message.contains(&format!("did you mean {meant}")), "{message}");
    }
    for (key, value) in [
        ("nginx.ingress.kubernetes.io/enable-modsecurty", "false"),
        ("nginx.ingress.kubernetes.io/server-snippets", "add_header X y;"),
        ("nginx.ingress.kubernetes.io/whitelist-source-ranges", ""),
    ] {
        check(key, value, false, &["AnnotationNotSupported"]);
    }
}

#[test]
fn every_rule_of_the_ingress_is_closed() {
    let key = format!("{PREFIX}auth-url");
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, annotations: \
         {{{key}: x, nginx.ingress.kubernetes.io/ssl-redirect: \"true\"}}}}\nspec:\n  \
         defaultBackend: {{service: {{name: d, port: {{number: 80}}}}}}\n  \
         tls: [{{hosts: [h]}}]\n  \
         rules:\n  - {{host: h, http: {{paths: [\
         {{path: /p, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}, \
         {{path: /e, pathType: Exact, backend: {{resource: {{kind: K, name: n}}}}}}]}}}}\n  \
         - {{host: \"*.w\", http: {{paths: [\
         {{pathType: ImplementationSpecific, \
         backend: {{service: {{name: s, port: {{number: 80}}}}}}}}\
         ]}}}}\n"
    );
    let mut found = refusals(&lower(&text));
    found.sort();
    let expected = ["*.w / ", "h / ", "h /e ", "h /p "].map(|rule| format!("{rule}Some(Guard)"));
    assert_eq!(found, expected);
    let only = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, annotations: \
         {{{key}: x}}}}\nspec: {{defaultBackend: {{service: {{name: d, port: {{number: 80}}}}}}}}\n"
    );
    assert_eq!(refusals(&lower(&only)), ["* / Some(Guard)"]);
}

#[test]
fn what_speaks_for_a_host_closes_it_for_all() {
    let snippet = format!("{PREFIX}server-snippet");
    let open = guarded("open", "2024", "h", &[]).replace("path: /,", "path: /open,");
    let deny = guarded("deny", "2025", "h", &[(&snippet, "include x;")]);
    let lowered = lower_permitted(&format!("{open}{deny}"));
    assert_eq!(refusals(&lowered), ["h /open Some(Guard)", "h / Some(Guard)"]);
    let told: Vec<_> = lowered.problems.iter().filter(|p| p.reason == "HostClosed").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].message.contains("Ingress default/deny"), "{}", told[0]);
    assert_eq!(told[0].object.as_ref().map(|object| &*object.name), Some("open"));
    // The oldest that sets it decides; its own rules are closed in any case.
    let harmless = guarded("open", "2024", "h", &[(&snippet, "gzip on;")]);
    let harmless = harmless.replace("path: /,", "path: /open,");
    let lowered = lower_permitted(&format!("{harmless}{deny}"));
    assert_eq!(refusals(&lowered), ["h /open None", "h / Some(Guard)"]);
    // And no other host.
    let other = guarded("open", "2024", "g", &[]);
    let lowered = lower_permitted(&format!("{other}{deny}"));
    assert_eq!(refusals(&lowered), ["g / None", "h / Some(Guard)"]);
    // Comes and goes.
    let mut world = permitting();
    world.apply(changes(&format!("{PERMISSION}{open}")));
    let lowered = world.apply(changes(&deny));
    assert_eq!(refusals(&lowered), ["h /open Some(Guard)", "h / Some(Guard)"]);
    let gone = guarded("deny", "2025", "h", &[]);
    assert_eq!(refusals(&world.apply(changes(&gone))), ["h /open None", "h / None"]);
}

fn path_of(path: &str) -> String {
    format!("h {path} Some(Guard)")
}

/// The requests of an expression are closed, too.
#[test]
fn expressions_of_a_guarded_ingress_are_closed_as_expressions() {
    let annotations =
        [(&*format!("{PREFIX}auth-url"), "x"), (&*format!("{PREFIX}rewrite-target"), "/$2")];
    let of_path = |path: &str, annotations: &[(&str, &str)]| {
        let text = guarded("a", "", "h", annotations).replace("Prefix", "ImplementationSpecific");
        text.replace("path: /,", &format!("path: {path:?},"))
    };
    for (path, expected) in [
        ("/x(/|$)(.*)", "~(?i)^/x(/|$)(.*)"),
        ("/app/?(.*)", "~(?i)^/app/?(.*)"),
        ("/plain", "~(?i)^/plain"),
        // Look-around and a group that never ends: all that begins with the plain text.
        ("/a/b(?!c)", "~(?i)^/a/b"),
        ("/a/b?(?!c)", "~(?i)^/a/"),
        ("/a/b(", "~(?i)^/a/b"),
        ("/(?=x)", "~(?i)^/"),
        ("/(?=x)|/y", "~(?i)^"),
    ] {
        let lowered = lower(&of_path(path, &annotations));
        // Nor does what nobody claims lead around it.
        let expected = [path_of(expected), path_of("~(?i)^/")];
        assert_eq!(refusals(&lowered), expected, "{path}");
    }
    // Without the annotation it is text here and there.
    let closed = lower(&of_path("/x(/|$)(.*)", &annotations[..1]));
    assert_eq!(refusals(&closed), [path_of("/x(/|$)(.*)"), path_of("/")]);
}

/// One that cannot be used takes nothing from others, unless it is guarded.
#[test]
fn an_unusable_expression_comes_last_unless_it_is_guarded() {
    let texts = |annotations: &[(&str, &str)]| {
        let text = guarded("a", "", "h", annotations).replace("Prefix", "ImplementationSpecific");
        let lowered = lower(&text.replace("path: /,", "path: \"/b/(?!c)\","));
        let rules = &lowered.model.as_ref().expect("a model").listeners[0].hosts[0].rules;
        let PathMatch::Regex(pattern) = &rules[0].matches[0].path else { panic!("plain") };
        (pattern.text().to_owned(), rules[0].policies.refusal)
    };
    let (regex, guard) = (format!("{PREFIX}use-regex"), format!("{PREFIX}auth-url"));
    let open = texts(&[(&regex, "true")]);
    assert_eq!(open, (String::new(), Some(Refusal::NotSupported)));
    let closed = texts(&[(&regex, "true"), (&guard, "x")]);
    assert_eq!(closed, ("/b/(?!c)".to_owned(), Some(Refusal::Guard)));
}

#[test]
fn a_version_that_adds_a_guard_and_is_unusable_closes_the_last_good_one() {
    let guard = format!("{PREFIX}auth-url");
    let (tls, snippet) = (format!("{PREFIX}auth-tls-secret"), format!("{PREFIX}server-snippet"));
    let unusable = |annotations: &[(&str, &str)]| {
        guarded("a", "", "h", annotations).replace("path: /,", "path: bad,")
    };
    let other = guarded("b", "2024", "h", &[]).replace("path: /,", "path: /b,");
    for (annotations, expected) in [
        (&[(&*guard, "x")][..], ["h / Some(Guard)", "h /b None"]),
        (&[(&*guard, "http://auth.example")], ["h / Some(Guard)", "h /b None"]),
        (&[(&*tls, "default/s")], ["h / Some(Guard)", "h /b None"]),
        (&[(&*snippet, "deny all;")], ["h / Some(Guard)", "h /b Some(Guard)"]),
    ] {
        let mut world = World::new(options());
        let good = guarded("a", "", "h", &[]);
        let lowered = world.apply(changes(&format!("{good}{other}")));
        assert_eq!(refusals(&lowered), ["h / None", "h /b None"]);
        let lowered = world.apply(changes(&unusable(annotations)));
        assert_eq!(refusals(&lowered), expected, "{annotations:?}");
        let kept = lowered.problems.iter().find(|p| p.reason == "LastGoodVersion");
        assert!(kept.is_some_and(|p| p.message.contains("503")), "{annotations:?}");
        // A newest version that asks for nothing leaves the last good one as it was.
        let lowered = world.apply(changes(&unusable(&[])));
        assert_eq!(refusals(&lowered), ["h / None", "h /b None"]);
        world.apply(changes(&unusable(annotations)));
        let lowered = world.apply(changes(&good));
        assert_eq!(refusals(&lowered), ["h / None", "h /b None"]);
    }
}

#[test]
fn nothing_is_passed_through_past_a_guard() {
    let passthrough = format!("{PREFIX}ssl-passthrough");
    let guard = format!("{PREFIX}whitelist-source-range");
    let snippet = format!("{PREFIX}server-snippet");
    let open = guarded("a", "2024", "h", &[(&passthrough, "true")]);
    let passes = |lowered: &Lowered| {
        let model = lowered.model.as_ref().expect("a model");
        model.listeners[0].server_names.len()
    };
    assert_eq!(passes(&lower(&open)), 1);
    let both = [(&*passthrough, "true"), (&*guard, "10.0.0.0/8")];
    let lowered = lower(&guarded("a", "2024", "h", &both));
    assert_eq!(passes(&lowered), 0);
    assert!(reasons(&lowered).iter().any(|r| r.starts_with("PassthroughNotUsed ")));
    let deny = guarded("b", "2025", "h", &[(&snippet, "include x;")]);
    let deny = deny.replace("path: /,", "path: /b,");
    assert_eq!(passes(&lower_permitted(&format!("{open}{deny}"))), 0);
    let mut world = permitting();
    world.apply(changes(&format!("{PERMISSION}{open}")));
    assert_eq!(passes(&world.apply(changes(&deny))), 0);
}
