//! What is served as it is written and probably not meant: paths that come too late, hosts of
//! several namespaces, certificates that end soon, annotations that have nothing to act on.
//!
//! Never looks at a pair of objects twice: its time grows with the number of objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::control::host_certificate::HostCertificate;
use crate::control::lower::SPECIAL;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Store;
use crate::limits::CERTIFICATE_ENDS_SOON;
use crate::model::{
    Host, HostPattern, Kind, Model, ObjectRef, Origin, PathMatch, PathPattern, Problem, Rule,
    Severity, reason,
};

/// Prefix of the annotations.
const DIALECT: &str = "nginx.ingress.kubernetes.io/";

/// Annotations that say something of what another one asks for, and those, of which one is enough.
/// A name that ends in `-` stands for all that begin so.
const NEEDS: &[(&str, &[&str])] = &[
    ("affinity-canary-behavior", &["affinity"]),
    ("affinity-mode", &["affinity"]),
    ("auth-cache-duration", &["auth-url"]),
    ("auth-cache-key", &["auth-url"]),
    ("auth-method", &["auth-url"]),
    ("auth-proxy-set-headers", &["auth-url"]),
    ("auth-realm", &["auth-type"]),
    ("auth-request-redirect", &["auth-url"]),
    ("auth-response-headers", &["auth-url"]),
    ("auth-secret", &["auth-type"]),
    ("auth-secret-type", &["auth-type"]),
    ("auth-signin", &["auth-url"]),
    ("auth-signin-redirect-param", &["auth-url"]),
    ("auth-snippet", &["auth-url"]),
    ("auth-tls-error-page", &["auth-tls-secret"]),
    ("auth-tls-match-cn", &["auth-tls-secret"]),
    ("auth-tls-pass-certificate-to-upstream", &["auth-tls-secret"]),
    ("auth-tls-verify-client", &["auth-tls-secret"]),
    ("auth-tls-verify-depth", &["auth-tls-secret"]),
    ("canary-by-cookie", &["canary"]),
    ("canary-by-header", &["canary"]),
    ("canary-by-header-pattern", &["canary-by-header"]),
    ("canary-by-header-value", &["canary-by-header"]),
    ("canary-weight", &["canary"]),
    ("canary-weight-total", &["canary-weight"]),
    ("cors-", &["enable-cors"]),
    ("limit-burst-multiplier", &["limit-rps", "limit-rpm"]),
    ("mirror-host", &["mirror-target"]),
    ("mirror-request-body", &["mirror-target"]),
    ("permanent-redirect-code", &["permanent-redirect"]),
    ("session-cookie-", &["affinity"]),
    ("temporal-redirect-code", &["temporal-redirect"]),
];

/// Ends of expressions behind a plain text that take all that begins with it, and what they add to
/// the text.
const REST: [(&str, &str); 6] =
    [("(/|$)(.*)", "/"), ("(/|$).*", "/"), ("/?(.*)", ""), ("/?.*", ""), ("(.*)", ""), (".*", "")];

/// What the routes and certificates of one class come to.
pub(super) fn of_routes(
    model: &Model,
    certificates: &[HostCertificate],
    store: &Store,
    now: SystemTime,
) -> Vec<Arc<Problem>> {
    // Other names of a host have its rules, and what is late there; who shares them may differ.
    let mut seen = BTreeSet::new();
    let mut is_new = |it: &Problem| seen.insert((it.object.clone(), it.field.clone()));
    let mut problems = Vec::new();
    for host in model.listeners.iter().flat_map(|listener| &listener.hosts) {
        problems.extend(late_paths(host).into_iter().filter(&mut is_new).map(Arc::new));
        problems.extend(shared(host).map(Arc::new));
    }
    problems.extend(ending(certificates, store, now));
    problems
}

/// Paths of which a longer expression takes all requests: the longest text is tried first.
fn late_paths(host: &Host) -> Vec<Problem> {
    let pattern_of = |rule: &Arc<Rule>| match rule.matches.first().map(|m| &m.path) {
        Some(PathMatch::Regex(pattern)) if rule.origin.path.is_some() => Some(pattern.clone()),
        _ => None,
    };
    let mut expressions: Vec<(PathPattern, &Origin)> =
        host.rules.iter().filter_map(|rule| Some((pattern_of(rule)?, &rule.origin))).collect();
    expressions.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
    let mut takers: BTreeMap<Vec<u8>, (&PathPattern, &Origin)> = BTreeMap::new();
    let mut late = Vec::new();
    for (pattern, origin) in &expressions {
        let head = pattern.head();
        let mut beginnings = (1..=head.len()).filter_map(|end| head.get(..end));
        let taker = beginnings.find_map(|beginning| takers.get(beginning));
        match taker.filter(|(first, _)| first.weight() > pattern.weight()) {
            Some((first, owner)) => late.push(late_path(host, pattern, origin, first, owner)),
            None => {
                if let Some(all) = takes_all(&pattern.text().to_ascii_lowercase()) {
                    takers.entry(all.into_bytes()).or_insert((pattern, *origin));
                }
            }
        }
    }
    late
}

fn late_path(
    host: &Host,
    pattern: &PathPattern,
    origin: &Origin,
    first: &PathPattern,
    owner: &Origin,
) -> Problem {
    let at = owner.position.as_ref().map(|p| format!(" at {p}")).unwrap_or_default();
    Problem {
        object: Some(origin.object.clone()),
        position: origin.position.clone(),
        field: format!("{}.path", origin.field()),
        severity: Severity::Warning,
        reason: reason!("PathNeverReached"),
        message: format!(
            "no request to host {} comes to {:?}: {:?} of {}{at} matches all of them, and is tried \
             first, because its text is longer.",
            host.pattern,
            pattern.text(),
            first.text(),
            owner.object,
        ),
        advice: "Make the other one match less, or this one longer, such as PATH(/|$)(.*).".into(),
    }
}

/// The plain text that everything begins with that an expression takes, if it takes all of that.
fn takes_all(text: &str) -> Option<String> {
    let text = text.trim_end_matches('$');
    REST.iter().find_map(|(tail, added)| {
        let plain = text.strip_suffix(tail)?;
        let all = (!plain.contains(SPECIAL)).then(|| format!("{plain}{added}"));
        all.filter(|all| !all.is_empty())
    })
}

/// A host of Ingresses of several namespaces.
fn shared(host: &Host) -> Option<Problem> {
    if host.pattern == HostPattern::Any {
        return None;
    }
    let of_ingress = |origin: &&Origin| origin.object.kind == Kind::Ingress;
    let mut origins = host.rules.iter().map(|rule| &rule.origin).filter(of_ingress);
    let first = origins.next()?;
    let other = origins.find(|origin| origin.object.namespace != first.object.namespace)?;
    Some(Problem {
        object: Some(other.object.clone()),
        position: other.position.clone(),
        field: other.rule.map(|rule| format!("spec.rules[{rule}].host")).unwrap_or_default(),
        severity: Severity::Warning,
        reason: reason!("HostShared"),
        message: format!(
            "host {} is claimed in another namespace, too, by {}: each can take paths of it.",
            host.pattern, first.object
        ),
        advice: "Leave the host to one namespace, unless all who write there are to share it."
            .into(),
    })
}

/// Certificates that are valid, and not for long; each Secret once.
fn ending(
    certificates: &[HostCertificate],
    store: &Store,
    now: SystemTime,
) -> impl Iterator<Item = Arc<Problem>> {
    let mut soon: BTreeMap<&ObjectRef, u64> = BTreeMap::new();
    for HostCertificate { secret, certificate, .. } in certificates {
        let left = certificate.not_after().duration_since(now).ok();
        if let (Some(secret), Some(left)) =
            (secret, left.filter(|left| *left < CERTIFICATE_ENDS_SOON))
        {
            soon.insert(secret, left.as_secs() / 86_400);
        }
    }
    soon.into_iter().flat_map(|(secret, days)| {
        let entry = store.secrets.get(secret);
        let mut report = Report::new(secret, entry.and_then(|entry| entry.provenance.as_ref()));
        report.warning(Finding {
            reason: reason!("CertificateEndsSoon"),
            field: String::new(),
            message: format!("its certificate ends in {days} days."),
            advice: "Renew it, or see why nobody has.".into(),
        });
        report.finish()
    })
}

/// Annotations of `ingresses` that say something of what no annotation asks for. What is `told` of
/// an annotation already is enough.
pub(super) fn of_annotations(
    store: &Store,
    ingresses: &BTreeSet<ObjectRef>,
    told: &[Arc<Problem>],
) -> Vec<Arc<Problem>> {
    let told: BTreeSet<_> = told.iter().map(|p| (p.object.as_ref(), &*p.field)).collect();
    let mut problems = Vec::new();
    for reference in ingresses {
        let Some(entry) = store.ingresses.get(reference) else { continue };
        let all = entry.object.metadata.annotations.as_ref();
        let is_there = |name: &&&str| {
            let value = all.and_then(|all| all.get(&format!("{DIALECT}{name}")));
            value.is_some_and(|value| !value.is_empty())
        };
        let mut report = Report::new(reference, entry.provenance.as_ref());
        for (key, value) in all.into_iter().flatten() {
            let Some(name) = key.strip_prefix(DIALECT) else { continue };
            let field = format!("metadata.annotations.{key}");
            let row = NEEDS.iter().find(|(row, _)| match row.ends_with('-') {
                true => name.starts_with(row),
                false => name == *row,
            });
            let Some((_, needed)) = row else { continue };
            let is_told = told.contains(&(Some(reference), &*field));
            if value.is_empty() || is_told || needed.iter().any(|name| is_there(&name)) {
                continue;
            }
            report.warning(Finding {
                reason: reason!("AnnotationWithoutEffect"),
                field,
                message: format!("{name} has no effect without {}.", needed.join(" or ")),
                advice: format!("Write {}, too, or remove it.", needed.join(" or ")),
            });
        }
        problems.extend(report.finish());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_takes() {
        for (text, all) in [
            ("/", None),
            ("/api", None),
            ("/(.*)", Some("/")),
            ("/.*", Some("/")),
            ("/api/?(.*)", Some("/api")),
            ("/api(/|$)(.*)", Some("/api/")),
            ("/api(/|$)(.*)$", Some("/api/")),
            ("/api/(v1|v2)", None),
            ("/a|/b", None),
            ("/a|/b(.*)", None),
            ("/colou?r", None),
            ("/v[0-9]+/(.*)", None),
            ("/v1.2(.*)", None),
            ("/api/(.+)", None),
        ] {
            assert_eq!(takes_all(text).as_deref(), all, "{text}");
        }
    }
}
