//! Rows keep their word.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use super::groups::GROUPS;
use super::row::{Guard, Invalid};
use crate::control::lower::Lowered;
use crate::control::lower::tests::{lower_permitted, routes};
use crate::filter::{
    AddressRanges, ClientLimits, Filter, LimitKey, Pace, PathEdit, Rate, Redirect, Zone,
};
use crate::filter::{IncomingSpans, Text, TracePlan};
use crate::limits::{FLAG_SECONDS_MAX, TRIES_MAX};
use crate::model::{
    Kind, PathMatch, Policies, Refusal, RequestMatch, RetryCause, RetryCauses, RetryPolicy,
    Severity, Timeouts,
};

/// No annotation has this value, in whatever way it is read.
const GARBAGE: &str = "%,?;{";

/// An Ingress with these annotations whose backend has an endpoint and speaks TLS.
fn lowered(annotations: &str) -> Lowered {
    lower_permitted(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\n\
         spec: {{ports: [{{port: 80, targetPort: 80, appProtocol: https}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}\n\
         addressType: IPv4\nendpoints: [{{addresses: [10.0.0.1]}}]\nports: [{{port: 80}}]\n\
         ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
         metadata: {{name: a, annotations: {{{annotations}}}}}\n\
         spec: {{rules: [{{host: a.example, http: {{paths: [{{path: /, pathType: Prefix, \
         backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}\n"
    ))
}

/// Whether a request would reach the backend.
fn is_served(lowered: &Lowered) -> bool {
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let rules: Vec<_> = hosts.flat_map(|host| &host.rules).collect();
    assert_eq!(rules.len(), 1);
    let has_endpoints = lowered.endpoints.iter().any(|(_, set)| !set.addresses.is_empty());
    has_endpoints && rules.iter().all(|rule| rule.policies.refusal.is_none())
}

#[test]
fn an_invalid_value_does_what_its_row_says_and_is_told() {
    assert!(is_served(&lowered("")));
    for row in GROUPS.iter().flat_map(|group| group.rows) {
        let is_guard = !matches!(row.guard, Guard::No);
        // What such a value will do once it is read.
        if !row.is_read() && !is_guard {
            continue;
        }
        let name = row.name;
        // What belongs to a server of external authentication is looked at where there is one.
        let belongs = name.starts_with("auth-") && name != "auth-url";
        let server = "nginx.ingress.kubernetes.io/auth-url: http://auth.example, ";
        let before = if belongs { server } else { "" };
        let lowered =
            lowered(&format!("{before}nginx.ingress.kubernetes.io/{name}: \"{GARBAGE}\""));
        let is_there = !routes(lowered.model.as_ref().expect("a model")).is_empty();
        assert_eq!(is_there, row.invalid != Invalid::Refused, "{name}");
        let is_served = is_there && is_served(&lowered);
        assert_eq!(is_served, row.invalid == Invalid::Ignored, "{name}");
        let told = lowered.problems.iter().filter(|p| p.field.ends_with(name));
        // It is not looked at where no certificate is demanded.
        let is_told = told.clone().any(|p| p.severity > Severity::Note);
        assert!(is_told || name == "auth-tls-verify-depth", "{name} is not told");
        if row.names == Some(Kind::Secret) && row.is_read() {
            let why = "it names no Secret in the namespace of the Ingress";
            assert!(told.clone().any(|p| p.message.contains(why)), "{name}");
        }
    }
}

#[test]
fn what_is_not_supported_is_told_and_changes_nothing() {
    for row in GROUPS.iter().flat_map(|group| group.rows).filter(|row| !row.is_read()) {
        if matches!(row.guard, Guard::No) {
            let name = row.name;
            let lowered = lowered(&format!("nginx.ingress.kubernetes.io/{name}: \"1\""));
            assert!(is_served(&lowered), "{name}");
            let told = lowered.problems.iter().find(|p| p.field.ends_with(name));
            assert_eq!(told.map(|p| p.reason.word()), Some("AnnotationNotSupported"), "{name}");
        }
    }
}

#[test]
fn traces_become_a_policy() {
    let traced = |incoming, name: Option<&str>| {
        let name = name.map(|name| Text::new(name, |_| false).expect("a text"));
        changed(|p| p.trace = Some(Arc::new(TracePlan { incoming, name })))
    };
    let (default, on) = (changed(|_| {}), "enable-opentelemetry: \"true\"");
    let (continued, ignored) = (IncomingSpans::Continued, IncomingSpans::Ignored);
    let with = |more: &str| format!("{on}, {more}");
    check_policies(&[
        (on, traced(continued, None), Told::No),
        ("enable-opentelemetry: \"false\"", default.clone(), Told::No),
        ("enable-opentelemetry: \"on\"", default.clone(), Told::Yes),
        ("opentelemetry-operation-name: a", default, Told::No),
        (&with("opentelemetry-trust-incoming-span: \"false\""), traced(ignored, None), Told::No),
        (&with("opentelemetry-trust-incoming-span: \"-\""), traced(continued, None), Told::Yes),
        (
            &with("opentelemetry-operation-name: GET $host"),
            traced(continued, Some("GET $host")),
            Told::No,
        ),
        (&with("opentelemetry-operation-name: \"$1\""), traced(continued, None), Told::Yes),
        (&with("opentelemetry-operation-name: a;b"), traced(continued, None), Told::Yes),
    ]);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Yes,
    No,
}

/// What the rule of such an Ingress asks for, and whether anything was told.
fn policies(annotations: &str) -> (Policies, Told) {
    let prefixed = annotations.split(", ").filter(|one| !one.is_empty());
    let prefixed = prefixed.map(|one| format!("nginx.ingress.kubernetes.io/{one}"));
    let lowered = lowered(&prefixed.collect::<Vec<_>>().join(", "));
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let rule = hosts.flat_map(|host| &host.rules).next().expect("a rule");
    let is_told = lowered.problems.iter().any(|p| p.severity > Severity::Note);
    (rule.policies.clone(), if is_told { Told::Yes } else { Told::No })
}

#[track_caller]
fn check_policies(rows: &[(&str, Policies, Told)]) {
    for (text, expected, is_told) in rows {
        // A comma in a value is none between annotations.
        let text = text.replace("\"error, ", "\"error,").replace("\"off, ", "\"off,");
        assert_eq!(policies(&text), (expected.clone(), *is_told), "{text}");
    }
}

/// Those of an Ingress that says nothing, changed.
fn changed(change: impl FnOnce(&mut Policies)) -> Policies {
    let mut policies = policies("").0;
    change(&mut policies);
    policies
}

#[test]
fn sizes_and_times_become_policies() {
    let seconds = Duration::from_secs;
    let default = changed(|_| {});
    check_policies(&[
        ("", default.clone(), Told::No),
        ("proxy-body-size: 8m", changed(|p| p.body_bytes_max = Some(8 << 20)), Told::No),
        ("proxy-body-size: \"0\"", changed(|p| p.body_bytes_max = Some(0)), Told::No),
        ("proxy-body-size: 8b", default.clone(), Told::Yes),
        ("proxy-body-size: \"\"", default.clone(), Told::No),
        ("client-body-buffer-size: 1M", default.clone(), Told::No),
        ("client-body-buffer-size: 1g", default.clone(), Told::Yes),
        ("client-body-buffer-size: 1b", default.clone(), Told::Yes),
        ("proxy-buffering: \"on\", proxy-request-buffering: \"off\"", default.clone(), Told::No),
        ("proxy-buffering: \"yes\"", default.clone(), Told::Yes),
        ("proxy-buffer-size: 8k, proxy-buffers-number: \"8\"", default.clone(), Told::No),
        ("proxy-busy-buffers-size: 1G, proxy-max-temp-file-size: \"0\"", default.clone(), Told::No),
        ("proxy-buffers-number: 8k", default.clone(), Told::Yes),
        (
            "proxy-connect-timeout: \"7\", proxy-send-timeout: \"8\", proxy-read-timeout: \"9\"",
            Policies {
                timeouts: Timeouts {
                    connect: Some(seconds(7)),
                    send: Some(seconds(8)),
                    read: Some(seconds(9)),
                    ..Timeouts::default()
                },
                ..default.clone()
            },
            Told::No,
        ),
        ("proxy-read-timeout: 9s", default.clone(), Told::Yes),
        ("proxy-read-timeout: \"0\"", default.clone(), Told::Yes),
        ("proxy-read-timeout: \"-1\"", default, Told::Yes),
        (
            "proxy-read-timeout: \"4294967295\"",
            changed(|p| p.timeouts.read = Some(Duration::from_secs(FLAG_SECONDS_MAX.into()))),
            Told::No,
        ),
    ]);
}

#[test]
fn what_is_tried_again_becomes_a_policy() {
    let default = changed(|_| {});
    let retried = |causes: &[RetryCause], statuses: &[u16]| {
        let causes = causes.iter().fold(RetryCauses::default(), |all, cause| all.with(*cause));
        let statuses = statuses.into();
        changed(|p| p.retry = RetryPolicy { causes: Some(causes), statuses, ..p.retry.clone() })
    };
    let (error, timeout) = (RetryCause::Error, RetryCause::Timeout);
    check_policies(&[
        (
            "proxy-next-upstream-tries: \"0\"",
            changed(|p| p.retry.tries = Some(TRIES_MAX)),
            Told::No,
        ),
        ("proxy-next-upstream-tries: \"5\"", changed(|p| p.retry.tries = Some(5)), Told::No),
        ("proxy-next-upstream-tries: x", default.clone(), Told::Yes),
        (
            "proxy-next-upstream-timeout: \"0\"",
            changed(|p| p.retry.time = Some(Duration::ZERO)),
            Told::No,
        ),
        ("proxy-next-upstream: error timeout", retried(&[error, timeout], &[]), Told::No),
        (
            "proxy-next-upstream: \"http_503  http_404 invalid_header non_idempotent\"",
            retried(&[RetryCause::InvalidHead, RetryCause::NonIdempotent], &[503, 404]),
            Told::No,
        ),
        ("proxy-next-upstream: \"off\"", retried(&[], &[]), Told::No),
        ("proxy-next-upstream: error off http_500", retried(&[], &[]), Told::No),
        ("proxy-next-upstream: \"error, http_503\"", default.clone(), Told::Yes),
        ("proxy-next-upstream: error http_501", default.clone(), Told::Yes),
        ("proxy-next-upstream: \"off, error\"", default, Told::Yes),
    ]);
}

/// Those with limits.
fn limited(change: impl FnOnce(&mut ClientLimits)) -> Policies {
    let zone = Zone::of("default", "a", None);
    let (open, exempt) = (None, AddressRanges::default());
    let key = LimitKey::Address;
    let mut limits = ClientLimits { zone, key, per_second: None, per_minute: None, open, exempt };
    change(&mut limits);
    changed(|p| p.limits = Some(Arc::new(limits)))
}

#[test]
fn limits_become_a_policy() {
    let (default, two) = (changed(|_| {}), NonZeroU32::new(2).expect("two"));
    let closed = changed(|p| p.refusal = Some(Refusal::Guard));
    let rps = |burst| limited(|limits| limits.per_second = Some(Rate::per_second(two, burst)));
    let rpm = |burst| limited(|limits| limits.per_minute = Some(Rate::per_minute(two, burst)));
    let exempt = |text| {
        let exempt = AddressRanges::parse(text).expect("ranges");
        let open = Some(two);
        limited(|limits| *limits = ClientLimits { open, exempt, ..limits.clone() })
    };
    let pace = |bytes_per_second, after_bytes| {
        let bytes_per_second = NonZeroU64::new(bytes_per_second).expect("some");
        changed(|p| p.pace = Some(Pace { bytes_per_second, after_bytes }))
    };
    check_policies(&[
        ("limit-rps: \"2\"", rps(10), Told::No),
        ("limit-rps: \"2\", limit-burst-multiplier: \"3\"", rps(6), Told::No),
        ("limit-rps: \"2\", limit-burst-multiplier: \"0\"", rps(0), Told::No),
        ("limit-rps: \"2\", limit-burst-multiplier: x", rps(10), Told::Yes),
        ("limit-rps: \"2\", limit-burst-multiplier: \"4294967295\"", rps(200_000), Told::No),
        ("limit-rpm: \"2\"", rpm(10), Told::No),
        ("limit-rps: \"0\"", default.clone(), Told::No),
        // It limits nobody, which its author may not know.
        ("limit-rps: \"\"", default.clone(), Told::Yes),
        ("limit-burst-multiplier: \"3\", limit-allowlist: \"::1\"", default.clone(), Told::No),
        ("limit-rps: two", closed.clone(), Told::Yes),
        ("limit-rps: \"-2\"", closed.clone(), Told::Yes),
        ("limit-rpm: \"2.5\"", closed.clone(), Told::Yes),
        ("limit-connections: \"1000001\"", closed, Told::Yes),
        ("limit-connections: \"2\", limit-allowlist: \"::1\"", exempt("::1"), Told::No),
        ("limit-connections: \"2\", limit-whitelist: \"::1\"", exempt("::1"), Told::No),
        (
            "limit-connections: \"2\", limit-allowlist: \"::1\", limit-whitelist: \"::2\"",
            exempt("::1"),
            Told::No,
        ),
        // Nobody is exempt by a list that cannot be read.
        (
            "limit-connections: \"2\", limit-allowlist: \"::1;::2\"",
            limited(|limits| limits.open = Some(two)),
            Told::Yes,
        ),
        ("limit-rate: \"4\"", pace(4096, 0), Told::No),
        ("limit-rate: \"4\", limit-rate-after: \"1\"", pace(4096, 1024), Told::No),
        ("limit-rate: \"0\", limit-rate-after: \"1\"", default.clone(), Told::No),
        ("limit-rate: 4k", default.clone(), Told::Yes),
        ("limit-rate-after: \"1\"", default, Told::No),
    ]);
}

/// `host path -> location` of the rules that redirect.
fn redirects(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let hosts = model.listeners.iter().flat_map(|listener| &listener.hosts);
    let rules = hosts.flat_map(|host| host.rules.iter().map(move |rule| (host, rule)));
    let found = rules.filter_map(|(host, rule)| {
        let [Filter::Redirect(Redirect { path: Some(PathEdit::Full(to)), status, .. })] =
            &*rule.filters
        else {
            return None;
        };
        let [RequestMatch { path: PathMatch::Exact(path), .. }] = &*rule.matches else {
            return None;
        };
        let of = &rule.origin.object.name;
        Some(format!("{} {path} -> {status} {to} ({of})", host.pattern))
    });
    found.collect()
}

#[test]
fn app_root_answers_for_the_root_of_each_host() {
    let text = |name: &str, year: &str, annotation: &str, paths: &[&str]| {
        let backend = "backend: {service: {name: web, port: {number: 80}}}";
        let paths = paths.iter().map(|path| format!("{{path: /, pathType: {path}, {backend}}}"));
        let paths = paths.collect::<Vec<_>>().join(", ");
        let rules = ["a", "b"].map(|host| format!("{{host: {host}, http: {{paths: [{paths}]}}}}"));
        let annotations = match annotation {
            "" => String::new(),
            to => format!(", annotations: {{nginx.ingress.kubernetes.io/app-root: \"{to}\"}}"),
        };
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, \
             creationTimestamp: \"{year}-01-01T00:00:00Z\"{annotations}}}\n\
             spec: {{rules: [{}]}}\n",
            rules.join(", ")
        )
    };
    let first = ["a / -> 302 /x (i)", "b / -> 302 /x (i)"];
    let conflict = |field: &str| format!("PathConflict {field}");
    let taken = [0, 1].map(|rule| conflict(&format!("spec.rules[{rule}].http.paths[0]")));
    let field = "metadata.annotations.nginx.ingress.kubernetes.io/app-root";
    for (text, expected, told) in [
        (text("i", "2021", "/x", &["Prefix"]), &first[..], vec![]),
        // Requests for the root get nowhere else, whoever is older.
        (text("i", "2021", "/x", &["Exact", "Prefix"]), &first[..], taken.to_vec()),
        (
            text("i", "2021", "/x", &["Prefix"]) + &text("o", "2020", "", &["Exact"]),
            &first[..],
            taken.to_vec(),
        ),
        // Of two the older one's counts.
        (
            text("i", "2021", "/x", &["Prefix"]) + &text("y", "2022", "/y", &["Exact"]),
            &first[..],
            [field, "spec.rules[0].http.paths[0]", field, "spec.rules[1].http.paths[0]"]
                .map(conflict)
                .to_vec(),
        ),
        (text("i", "2021", "", &["Prefix"]), &[][..], vec![]),
    ] {
        let lowered = lower_permitted(&text);
        assert_eq!(redirects(&lowered), expected, "{text}");
        let reasons = lowered.problems.iter().filter(|p| p.reason == "PathConflict");
        let reasons: Vec<_> = reasons.map(|p| conflict(&p.field)).collect();
        assert_eq!(reasons, told, "{text}");
    }
    for value in ["/", "x", "//x.example", "http://x.example/", "/$host", "/a b", "/a?b", "/a#b"] {
        let lowered = lower_permitted(&text("i", "2021", value, &["Prefix"]));
        assert_eq!(redirects(&lowered), [""; 0], "{value}");
        let invalid = lowered.problems.iter().filter(|p| p.reason == "InvalidAnnotation");
        assert_eq!(invalid.map(|p| &*p.field).collect::<Vec<_>>(), [field], "{value}");
    }
}
