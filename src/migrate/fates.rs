//! What a problem of an object means for its migration: a row a reason.

use super::report::Verdict;
use crate::control::store::Store;
use crate::model::{ObjectRef, Problem, Severity};

use Fate::{Same, To, Unseen};
use Verdict::{CannotWork, Differs, NeedsChange};

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// ingress-nginx makes no more of it.
    Same,
    /// The object comes to this.
    To(Verdict),
    /// It is about an object that was not among what was read.
    Unseen,
}

struct Row {
    reason: &'static str,
    /// End of the field; empty: any.
    field: &'static str,
    fate: Fate,
}

const fn row(reason: &'static str, field: &'static str, fate: Fate) -> Row {
    Row { reason, field, fate }
}

/// The first row that fits counts. Without one an error asks for a change, and the rest is the same
/// in both.
const ROWS: &[Row] = &[
    row("AddressRefused", "", To(Differs)),
    row("AnnotationNotSupported", "/fastcgi-index", To(CannotWork)),
    row("AnnotationNotSupported", "/fastcgi-params-configmap", To(CannotWork)),
    row("AnnotationNotSupported", "/stream-snippet", To(CannotWork)),
    // Refused by ingress-nginx by the same ConfigMap.
    row("AnnotationTooRisky", "", Same),
    row("CanaryWithoutMain", "", Same),
    row("CertificateHost", "", Same),
    row("CertificateInvalid", "", Same),
    row("CertificateKeyMismatch", "", Same),
    row("ClientAuthConflict", "", Same),
    row("ClientAuthWithoutHost", "", To(Differs)),
    row("ConfigMapInvalid", "", Same),
    row("ConfigMapMissing", "", Same),
    row("ControllerMismatch", "", Same),
    row("DefaultBackendNotUsed", "", Same),
    row("DirectiveNotSupported", "", To(NeedsChange)),
    row("DirectivesNotUsed", "", Same),
    // Gone from ingress-nginx: nobody is kept out by it there.
    row("GuardNotSupported", "/global-rate-limit", To(NeedsChange)),
    row("GuardNotSupported", "", To(CannotWork)),
    row("HostClosed", "", To(CannotWork)),
    row("InvalidValue", "", To(NeedsChange)),
    row("KeyNotSupported", "enable-modsecurity", To(CannotWork)),
    row("KeyNotSupported", "enable-owasp-modsecurity-crs", To(CannotWork)),
    row("KeyNotSupported", "main-snippet", To(Differs)),
    row("KeyNotSupported", "stream-snippet", To(Differs)),
    row("KeyNotSupported", "ssl-session-ticket-key", To(NeedsChange)),
    row("KeyNotSupported", "enable-ocsp", To(Differs)),
    row("KeyNotSupported", "ssl-early-data", To(Differs)),
    row("KeyNotSupported", "enable-syslog", To(Differs)),
    row("NameNotResolved", "", Same),
    row("NoEndpoints", "", Same),
    row("PassthroughNotUsed", "", To(NeedsChange)),
    row("PathConflict", "", Same),
    row("SecretInvalid", "", Same),
    row("SecretMissing", "", Same),
    row("ServiceMissing", "", Same),
    row("ServicePort", "", Same),
    row("SnippetNotAllowed", "", Same),
];

/// Whether it is about a guard that ingress-nginx has no more, so that it guards nothing there.
pub(super) fn is_gone(problem: &Problem) -> bool {
    let row = ROWS.iter().find(|row| row.reason == "GuardNotSupported");
    row.is_some_and(|row| problem.reason == row.reason && problem.field.ends_with(row.field))
}

/// What `problem` means where `store` is all that was read.
pub(super) fn of(problem: &Problem, store: &Store) -> Fate {
    let namespace = problem.object.as_ref().map(|object| &object.namespace);
    let is_near = |known: &ObjectRef| Some(&known.namespace) == namespace;
    let is_seen = match problem.reason.word() {
        "SecretMissing" => !store.secrets.is_empty(),
        "ServiceMissing" => store.services.keys().any(is_near),
        "ConfigMapMissing" => store.config_maps.keys().any(is_near),
        _ => true,
    };
    let fits = |row: &&Row| row.reason == problem.reason && problem.field.ends_with(row.field);
    match ROWS.iter().find(fits) {
        _ if !is_seen => Unseen,
        Some(row) => row.fate,
        None if problem.severity == Severity::Error => To(NeedsChange),
        None => Same,
    }
}
