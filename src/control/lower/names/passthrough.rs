//! Hosts whose TLS connections go to a backend as they are.

use std::sync::Arc;

use crate::control::lower::claim::Claim;
use crate::control::lower::claims::Claims;
use crate::control::lower::guards;
use crate::control::lower::ingress::annotations::https;
use crate::control::source::report::Finding;
use crate::model::{BackendKey, HostPattern, ObjectRef, Problem, reason};

/// Why an Ingress cannot have the connections of a host passed through.
pub(super) const NOT_FIRST: &str = "an older Ingress claims the host first";
/// The same; what is passed through would pass the guard by.
pub(super) const CLOSED: &str = "an annotation protects the host";

/// Where the host's connections go as they are: its oldest Ingress alone may say so, because it
/// takes the host's whole traffic away from all others.
pub(super) fn passthrough(
    claims: &Claims,
    pattern: &HostPattern,
    problems: &mut Vec<Arc<Problem>>,
) -> Option<(BackendKey, ObjectRef)> {
    let mut found = None;
    let all = || claims.of_host(pattern);
    let is_closed = guards::closing(all().map(|claim| ((), claim.guards()))).is_some();
    for (nth, claim) in all().enumerate() {
        if !claim.settings.passthrough {
            continue;
        }
        let backend = match passed_through(claim, pattern) {
            _ if nth > 0 => Err(NOT_FIRST),
            _ if is_closed => Err(CLOSED),
            backend => backend,
        };
        match backend {
            Ok(backend) => found = Some((backend.clone(), claim.owner.clone())),
            Err(why) => {
                let mut report = claim.report();
                report.error(not_passed_through(pattern, why));
                problems.extend(report.finish());
            }
        }
    }
    found
}

/// Where the Ingress alone would have the host's connections go, or why it cannot.
pub(super) fn passed_through<'a>(
    claim: &'a Claim,
    pattern: &HostPattern,
) -> Result<&'a BackendKey, &'static str> {
    if *pattern == HostPattern::Any {
        return Err("a rule without a host has no server name");
    }
    if claim.guards().is_closed || claim.settings.is_guarded() {
        return Err(CLOSED);
    }
    root_backend(claim, pattern).ok_or("no rule of the Ingress leads path / to a Service")
}

pub(super) fn not_passed_through(pattern: &HostPattern, why: &str) -> Finding {
    Finding {
        reason: reason!("PassthroughNotUsed"),
        field: https::passthrough_field(),
        message: format!("connections for host {pattern} are not passed through: {why}."),
        advice: "Give the host one Ingress with path /.".into(),
    }
}

/// The Service behind the root path of the host.
fn root_backend<'a>(claim: &'a Claim, pattern: &HostPattern) -> Option<&'a BackendKey> {
    let routes = claim.routes.get(pattern)?;
    let root = routes.iter().find(|route| route.path.text() == "/")?;
    root.target.key()
}
