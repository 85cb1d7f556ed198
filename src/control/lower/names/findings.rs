//! What owners are told about the certificates of their hosts.

use crate::control::lower::claim::CertificateEntry;
use crate::control::lower::ingress::annotations::client_certificates;
use crate::control::lower::secrets::{Found, SecretDefect};
use crate::control::source::report::{Finding, Report};
use crate::model::{HostPattern, ObjectRef, reason};

/// What follows from CAs that cannot be used.
pub(super) const DENIED: &str = "all requests to the hosts of the Ingress get status 403";

/// Of two demands for one host.
pub(super) fn auth_conflict(pattern: &HostPattern, winner: &ObjectRef) -> Finding {
    Finding {
        reason: reason!("ClientAuthConflict"),
        field: client_certificates::secret_field(),
        message: format!("for host {pattern} that of {winner} counts, which is older."),
        advice: "Demand the same in both.".into(),
    }
}

/// Of a demand for no host.
pub(super) fn auth_without_host() -> Finding {
    Finding {
        reason: reason!("ClientAuthWithoutHost"),
        field: client_certificates::secret_field(),
        message: "a rule without a host has no handshake of its own; its requests get status 403."
            .into(),
        advice: "Write the host.".into(),
    }
}

/// Tells what is wrong with the certificate of one element of `spec.tls`.
pub(super) fn tell_found(
    report: &mut Report<'_>,
    index: usize,
    entry: &CertificateEntry,
    secret: &ObjectRef,
    found: &Found,
) {
    if let Some(defect) = &found.defect {
        let field = format!("spec.tls[{index}].secretName");
        found_defect(report, field, defect, found, "the default certificate is served");
    }
    let Some(certificate) = &found.certificate else { return };
    for (nth, host) in &entry.hosts {
        if !certificate.covers(&host.to_string()) {
            report.error(not_covered(index, *nth, host, secret));
        }
    }
}

fn not_covered(index: usize, nth: usize, host: &HostPattern, secret: &ObjectRef) -> Finding {
    Finding {
        reason: reason!("CertificateHost"),
        field: format!("spec.tls[{index}].hosts[{nth}]"),
        message: format!(
            "the certificate of the Secret {}/{} is not for {host}; another one is served.",
            secret.namespace, secret.name
        ),
        advice: "Store a certificate that names the host.".into(),
    }
}

/// Says a defect of a certificate and what follows from it; `instead`: if nothing serves.
pub(super) fn found_defect(
    report: &mut Report<'_>,
    field: String,
    defect: &SecretDefect,
    found: &Found,
    instead: &str,
) {
    match (&found.certificate, found.is_last_good) {
        (_, true) => report.error(defect.finding(field, "the last good one stays in force")),
        (Some(_), false) => report.warning(defect.finding(field, "it is served all the same")),
        (None, false) => report.error(defect.finding(field, instead)),
    }
}
