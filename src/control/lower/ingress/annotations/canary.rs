//! Ingresses that take a share of the requests of another one.

use super::group::Group;
use super::reader::Reader;
use super::row::Scope::Upstream;
use super::row::State::{NotYet, Partial};
use super::row::{Row, field, parse_bool, row};
use crate::control::lower::settings::{Role, Settings};
use crate::control::source::report::Finding;

pub(super) const GROUP: Group = Group { title: "Canaries", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(
        "canary",
        Upstream,
        Partial("none of its rules is served; all requests go to the main Ingress"),
    )
    .doc("The Ingress takes a share of the requests of the Ingress with the same hosts and paths."),
    row("canary-by-cookie", Upstream, NotYet).doc("Cookie that decides: always or never."),
    row("canary-by-header", Upstream, NotYet).doc("Field that decides: always or never."),
    row("canary-by-header-pattern", Upstream, NotYet)
        .doc("Expression for the value of that field."),
    row("canary-by-header-value", Upstream, NotYet).doc("Value of that field."),
    row("canary-weight", Upstream, NotYet).doc("Share of the remaining requests."),
    row("canary-weight-total", Upstream, NotYet).doc("What the shares are parts of."),
];

const CANARY: &str = "canary";

/// A canary stands beside a main Ingress, whose hosts and paths it repeats. It has no hosts and no
/// rules of its own, in ingress-nginx neither; the share of requests that it wants is not supported
/// yet. What is no truth value is false, as in ingress-nginx: then it is an Ingress like any other.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(CANARY) else { return };
    match parse_bool(text) {
        Some(false) => {}
        Some(true) => {
            reader.report.warning(Finding {
                reason: "CanaryNotServed",
                field: field(CANARY),
                message: "canary Ingresses are not supported yet: none of its rules is served, \
                          and all requests go to the main Ingress."
                    .into(),
                advice: "Nothing has to be done; to move requests, edit the main Ingress.".into(),
            });
            settings.role = Role::Canary;
        }
        None => {
            let advice = "Write \"true\" or \"false\"; until then it is an Ingress like any other.";
            reader.invalid(CANARY, text, "it is no truth value.", advice);
        }
    }
}
