//! Rows keep their word.

use super::groups::GROUPS;
use super::row::{Guard, Invalid};
use crate::control::lower::Lowered;
use crate::control::lower::tests::lower;
use crate::model::{Kind, Severity};

/// No annotation has this value, in whatever way it is read.
const GARBAGE: &str = "%,?;{";

/// An Ingress with these annotations whose backend has an endpoint and speaks TLS.
fn lowered(annotations: &str) -> Lowered {
    lower(&format!(
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
        let lowered = lowered(&format!("nginx.ingress.kubernetes.io/{name}: \"{GARBAGE}\""));
        assert_eq!(is_served(&lowered), row.invalid == Invalid::Ignored, "{name}");
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
            assert_eq!(told.map(|p| p.reason), Some("AnnotationNotSupported"), "{name}");
        }
    }
}
