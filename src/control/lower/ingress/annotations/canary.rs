//! Whether an Ingress is the canary of another one, as an annotation says it.

use super::{Texts, field, invalid, parse_bool};
use crate::control::source::report::{Finding, Report};

const CANARY: &str = "canary";

/// Whether the Ingress stands beside a main one, whose hosts and paths it repeats. Such an Ingress
/// has no hosts and no rules of its own, in ingress-nginx neither; the share of requests that it
/// wants is not supported yet. What is no truth value is false, as in ingress-nginx: then it is an
/// Ingress like any other.
pub(crate) fn parse(texts: Texts<'_>, report: &mut Report<'_>) -> bool {
    let Some(text) = texts.get(CANARY) else { return false };
    match parse_bool(text) {
        Some(false) => false,
        Some(true) => {
            report.warning(Finding {
                reason: "CanaryNotServed",
                field: field(CANARY),
                message: "canary Ingresses are not supported yet: none of its rules is served, \
                          and all requests go to the main Ingress."
                    .into(),
                advice: "Nothing has to be done; to move requests, edit the main Ingress.".into(),
            });
            true
        }
        None => {
            let advice = "Write \"true\" or \"false\"; until then it is an Ingress like any other.";
            report.error(invalid(CANARY, text, "it is no truth value.", advice));
            false
        }
    }
}
