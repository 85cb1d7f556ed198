//! What is written of requests.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Logs and traces", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("enable-access-log", Location, NotYet).doc("false: requests are not logged."),
    row("enable-opentelemetry", Location, NotYet).doc("Requests are traced."),
    row("enable-rewrite-log", Location, NotYet).doc("nginx logs how paths are rewritten."),
    row("opentelemetry-operation-name", Location, NotYet).doc("Name of the spans."),
    row("opentelemetry-trust-incoming-span", Location, NotYet)
        .doc("Traces of clients are continued."),
];
