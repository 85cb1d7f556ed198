//! What is written of requests.

use super::group::Group;
use super::reader::Reader;
use super::row::Scope::Location;
use super::row::State::{NotYet, Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;
use crate::model::AccessLog;

pub(super) const GROUP: Group = Group { title: "Logs and traces", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(ACCESS_LOG, Location, Supported).doc("false: requests are not logged."),
    row("enable-opentelemetry", Location, NotYet).doc("Requests are traced."),
    row(REWRITE_LOG, Location, Partial("there is no such log; accepted, and nothing is done"))
        .doc("nginx logs how paths are rewritten."),
    row("opentelemetry-operation-name", Location, NotYet).doc("Name of the spans."),
    row("opentelemetry-trust-incoming-span", Location, NotYet)
        .doc("Traces of clients are continued."),
];

const ACCESS_LOG: &str = "enable-access-log";
const REWRITE_LOG: &str = "enable-rewrite-log";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    if !reader.flag(ACCESS_LOG, true) {
        settings.policies.access_log = AccessLog::LeftOut;
    }
    reader.flag(REWRITE_LOG, false);
}
