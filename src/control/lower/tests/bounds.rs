//! What objects may ask for at most: so much is taken, and one more is told.

use super::gateway::{SERVICE, gateway};
use super::guards::guarded;
use super::*;
use crate::limits::{
    CLIENT_RATE_MAX, CORS_ORIGINS_MAX, GATEWAY_LISTENERS_MAX, HASH_GROUP_MAX,
    LOG_TARGETS_LEFT_OUT_MAX, POLICY_NAMES_MAX, ROUTE_MATCHES_MAX, ROUTE_PARTS_MAX,
    ROUTE_RULES_MAX, SCRIPT_MAP_EXPRESSIONS_MAX, SCRIPT_REPLACEMENTS_MAX, SPAN_SERVICE_BYTES_MAX,
    SPANS_DELAY_MILLIS_MAX,
};

/// So many of something, separated.
fn many(count: usize, between: &str, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(between)
}

/// An Ingress that may have directives.
fn annotated(annotations: &[(&str, &str)]) -> String {
    let prefixed: Vec<_> = annotations
        .iter()
        .map(|(name, value)| (format!("nginx.ingress.kubernetes.io/{name}"), *value))
        .collect();
    let annotations: Vec<_> = prefixed.iter().map(|(name, value)| (&**name, *value)).collect();
    guarded("a", "", "h", &annotations) + PERMISSION
}

fn directives(count: usize, one: &str) -> String {
    let text = many(count, "\n", |n| one.replace('N', &n.to_string()));
    annotated(&[("configuration-snippet", &text)])
}

/// The controller's ConfigMap.
fn said(key: &str, value: &str) -> String {
    PERMISSION.replace("Critical}", &format!("Critical, {key}: {value:?}}}"))
}

/// A Gateway with a route of these rules.
fn routed(rules: &str) -> String {
    let gateway = gateway(&["name: http, protocol: HTTP, port: 80"]);
    format!(
        "{gateway}{SERVICE}---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
         metadata: {{name: r, namespace: shop, generation: 1}}\n\
         spec: {{parentRefs: [{{name: g}}], rules: [{rules}]}}\n"
    )
}

const BACKEND: &str = "{name: web, port: 80}";

fn policy(names: usize) -> String {
    let names = many(names, ", ", |n| format!("{{type: Hostname, hostname: h{n}.example}}"));
    format!(
        "{}---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
         metadata: {{name: p, namespace: shop, generation: 1}}\n\
         spec: {{targetRefs: [{{group: '', kind: Service, name: web}}], validation: {{hostname: \
         h.example, wellKnownCACertificates: System, subjectAltNames: [{names}]}}}}\n",
        routed(&format!("{{backendRefs: [{BACKEND}]}}")),
    )
}

/// How many there may be, what is told of one more, and the objects with so many.
type Row = (usize, &'static str, fn(usize) -> String);

const ROWS: &[Row] = &[
    (CORS_ORIGINS_MAX, "only the first 256 origins", |count| {
        let origins = many(count, ",", |n| format!("https://h{n}.example"));
        annotated(&[("enable-cors", "true"), ("cors-allow-origin", &origins)])
    }),
    (HASH_GROUP_MAX, "upstream-hash-by-subset-size", |count| {
        let size = ("upstream-hash-by-subset-size", &*count.to_string());
        annotated(&[("upstream-hash-by", "$uri"), ("upstream-hash-by-subset", "true"), size])
    }),
    (CLIENT_RATE_MAX as usize, "it is no number from 0 to", |count| {
        annotated(&[("limit-rps", &count.to_string())])
    }),
    (SCRIPT_REPLACEMENTS_MAX, "there are more than", |count| {
        directives(count, "proxy_redirect http://hN/ /;")
    }),
    (SCRIPT_REPLACEMENTS_MAX, "there are at most", |count| {
        directives(count, "proxy_cookie_flags cN secure;")
    }),
    (SCRIPT_MAP_EXPRESSIONS_MAX, "expressions", |count| {
        let entries = many(count, " ", |n| format!("~a{n} b;"));
        said("http-snippet", &format!("map $uri $x {{ {entries} }}"))
    }),
    (LOG_TARGETS_LEFT_OUT_MAX, "more than 64 targets", |count| {
        said("skip-access-log-urls", &many(count, ",", |n| format!("/{n}")))
    }),
    (SPAN_SERVICE_BYTES_MAX, "at most 255 bytes", |count| {
        said("otel-service-name", &"a".repeat(count))
    }),
    (SPANS_DELAY_MILLIS_MAX as usize, "data.otel-schedule-delay-millis", |count| {
        said("otel-schedule-delay-millis", &count.to_string())
    }),
    (ROUTE_RULES_MAX, "rules at most", |count| {
        routed(&many(count, ", ", |_| format!("{{backendRefs: [{BACKEND}]}}")))
    }),
    (ROUTE_MATCHES_MAX, "matches at most", |count| {
        let matches = many(count, ", ", |n| format!("{{path: {{value: /{n}}}}}"));
        routed(&format!("{{matches: [{matches}], backendRefs: [{BACKEND}]}}"))
    }),
    (ROUTE_PARTS_MAX, "elements at most", |count| {
        routed(&format!("{{backendRefs: [{}]}}", many(count, ", ", |_| BACKEND.to_owned())))
    }),
    (GATEWAY_LISTENERS_MAX, "TooManyListeners", |count| {
        let one = |n: usize| format!("name: l{n}, protocol: HTTP, port: {}", 1_000 + n);
        let listeners: Vec<_> = (0..count).map(one).collect();
        gateway(&listeners.iter().map(|listener| &**listener).collect::<Vec<_>>())
    }),
    (POLICY_NAMES_MAX, "subjectAltNames at most", policy),
];

#[test]
fn so_much_is_taken_and_one_more_is_told() {
    for (most, words, objects) in ROWS {
        let is_told = |count: usize| {
            let Lowered { problems, outcomes, .. } = permitting().apply(changes(&objects(count)));
            format!("{problems:?} {outcomes:?}").contains(words)
        };
        assert!(!is_told(*most), "{words}: {most} are too many");
        assert!(is_told(*most + 1), "{words}: one more is not told");
    }
}
