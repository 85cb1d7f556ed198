//! What is written of requests.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::settings::Settings;
use crate::filter::{IncomingSpans, Text, TracePlan, Variable};
use crate::model::{AccessLog, parse_bool};

pub(super) const GROUP: Group = Group { title: "Logs and traces", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(ACCESS_LOG, Location, Supported).doc("false: requests are not logged."),
    row(TRACED, Location, Supported).doc("Requests are traced; --configmap says who gets spans."),
    row(REWRITE_LOG, Location, Partial("there is no such log; accepted, and nothing is done"))
        .doc("nginx logs how paths are rewritten."),
    row(SPAN_NAME, Location, Supported)
        .risk(Medium)
        .doc("Name of the spans, with variables; by default the path of the rule."),
    row(INCOMING, Location, Supported)
        .doc("true, the default: traces of clients are continued; false: each request begins one."),
];

const ACCESS_LOG: &str = "enable-access-log";
const REWRITE_LOG: &str = "enable-rewrite-log";
const TRACED: &str = "enable-opentelemetry";
const SPAN_NAME: &str = "opentelemetry-operation-name";
const INCOMING: &str = "opentelemetry-trust-incoming-span";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    if !reader.flag(ACCESS_LOG).unwrap_or(true) {
        settings.policies.access_log = AccessLog::LeftOut;
    }
    reader.flag(REWRITE_LOG);
    let is_traced = reader.flag(TRACED).unwrap_or(false);
    let is_continued = reader.flag(INCOMING).unwrap_or(true);
    let incoming = if is_continued { IncomingSpans::Continued } else { IncomingSpans::Ignored };
    let name = span_name(reader);
    settings.policies.trace = is_traced.then(|| Arc::new(TracePlan { incoming, name }));
}

/// How requests are traced where the ConfigMap says how, and not that they are.
pub(crate) fn general(globals: &Globals) -> TracePlan {
    let said = |name| globals.annotations.get(name).map(|text| &**text);
    let incoming = match said(INCOMING).and_then(parse_bool) {
        Some(false) => IncomingSpans::Ignored,
        _ => IncomingSpans::Continued,
    };
    TracePlan { incoming, name: said(SPAN_NAME).and_then(|text| read_name(text).ok()) }
}

fn span_name(reader: &mut Reader<'_, '_>) -> Option<Text> {
    let text = reader.text(SPAN_NAME)?;
    let name = read_name(text).map_err(|why| {
        let advice = "Write a text with variables of nginx; until then the default counts.";
        reader.invalid(SPAN_NAME, text, &why, advice);
    });
    name.ok().or_else(|| read_name(reader.general(SPAN_NAME)?).ok())
}

/// What an expression of the path captured is not known to it.
pub(crate) fn read_name(text: &str) -> Result<Text, String> {
    let is_usable = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./:${}".contains(&byte);
    if !text.bytes().all(is_usable) {
        return Err("it has a character that is not possible there.".into());
    }
    let name = Text::new(text, |_| false).map_err(|why| format!("{why}."))?;
    let is_capture = |variable: &Variable| matches!(variable, Variable::Capture(_));
    let has_capture = name.variables().any(is_capture);
    if has_capture { Err("it has a variable that is not known there.".into()) } else { Ok(name) }
}
