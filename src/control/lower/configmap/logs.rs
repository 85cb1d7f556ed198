//! What is logged.

use std::path::Path;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, text_match, words};
use crate::control::lower::ingress::annotations::row::State::{self, NoEffect, Partial, Supported};
use crate::filter::{DEFAULT_LOG_FORM, Escaping, LogForm};
use crate::limits::LOG_TARGETS_LEFT_OUT_MAX;
use crate::model::{AccessLog, LogPlace, LogSeverity};

const SYSLOG: State = NoEffect("standard output is what collectors of logs read");

const STREAMS: State = NoEffect("TCP and UDP sessions are counted, not logged");

pub(super) const KEYS: &[Key] = &[
    key("access-log-params", "", NoEffect("lines are written in pieces of 64 KiB"))
        .doc("Parameters of access_log."),
    key("access-log-path", "/var/log/nginx/access.log", Partial(PLACE))
        .put(place)
        .doc("File of the access log."),
    key("disable-access-log", "false", Supported).put(disabled).doc("There is no access log."),
    key("disable-http-access-log", "false", Supported)
        .put(disabled)
        .doc("There is none of requests."),
    key("disable-stream-access-log", "false", STREAMS).doc("There is none of TCP and UDP."),
    key("enable-access-log-for-default-backend", "false", Partial("true with --access-log json"))
        .put(unclaimed)
        .doc("Requests for hosts that no Ingress claims are logged, too."),
    key("enable-auth-access-log", "false", NoEffect("metrics count them"))
        .doc("Questions to servers of external authentication are logged, too."),
    key("enable-syslog", "false", SYSLOG).doc("The logs go to a syslog server."),
    key("error-log-level", "notice", Partial("without it --log-level counts"))
        .put(severity)
        .doc("Least severity of the error log."),
    key("error-log-path", "/var/log/nginx/error.log", NoEffect("it goes to standard error"))
        .doc("File of the error log."),
    key("http-access-log-path", "", Partial(PLACE))
        .put(place)
        .doc("File of the access log of requests."),
    key("log-format-escape-json", "false", Supported)
        .put(json)
        .doc("Variables are escaped as in JSON."),
    key("log-format-escape-none", "false", Partial("but for control characters"))
        .put(bare)
        .doc("Variables are not escaped."),
    key("log-format-stream", "", STREAMS).doc("Form of a line for TCP and UDP."),
    key("log-format-upstream", "", Partial(FORM)).put(form).doc("Form of a line."),
    key("skip-access-log-urls", "", Supported)
        .put(left_out)
        .doc("Targets that are not logged, with commas between: texts, or `~` and expressions."),
    key("stream-access-log-path", "", STREAMS).doc("File of the access log of TCP and UDP."),
    key("syslog-host", "", SYSLOG).doc("The syslog server."),
    key("syslog-port", "514", SYSLOG).doc("Its port."),
];

const PLACE: &str = "the default is standard output";
const FORM: &str = "without it --access-log counts; control characters are blanks";

fn place(text: &str, globals: &mut Globals) -> Result<(), String> {
    let place = match text {
        // What the image of ingress-nginx links there.
        "/dev/stdout" | "/var/log/nginx/access.log" => LogPlace::Output,
        "/dev/stderr" | "/var/log/nginx/error.log" => LogPlace::Error,
        _ if !text.starts_with('/') => return Err("it is no absolute path".to_owned()),
        _ if text.contains(char::is_control) => return Err("it has a control character".to_owned()),
        path => LogPlace::File(Path::new(path).into()),
    };
    globals.downstream.log.place = Some(place);
    Ok(())
}

fn disabled(text: &str, globals: &mut Globals) -> Result<(), String> {
    if flag(text)? {
        globals.downstream.log.requests = AccessLog::LeftOut;
    }
    Ok(())
}

fn unclaimed(text: &str, globals: &mut Globals) -> Result<(), String> {
    let log = if flag(text)? { AccessLog::Written } else { AccessLog::LeftOut };
    globals.downstream.log.unclaimed = log;
    Ok(())
}

/// Source: nginx, directive `error_log`.
fn severity(text: &str, globals: &mut Globals) -> Result<(), String> {
    let severity = match text {
        "debug" => LogSeverity::Debug,
        "info" | "notice" => LogSeverity::Info,
        "warn" => LogSeverity::Warn,
        "error" | "crit" | "alert" | "emerg" => LogSeverity::Error,
        _ => return Err("it is no severity".to_owned()),
    };
    globals.downstream.log.severity = Some(severity);
    Ok(())
}

fn json(text: &str, globals: &mut Globals) -> Result<(), String> {
    if flag(text)? { escaped(globals, Escaping::Json) } else { Ok(()) }
}

/// Counts before JSON, as in ingress-nginx.
fn bare(text: &str, globals: &mut Globals) -> Result<(), String> {
    if flag(text)? { escaped(globals, Escaping::Bare) } else { Ok(()) }
}

/// The default form, until the key of the form is read, which comes behind these.
fn escaped(globals: &mut Globals, escaping: Escaping) -> Result<(), String> {
    let form = LogForm::new(DEFAULT_LOG_FORM, escaping).map_err(|why| why.to_string())?;
    globals.downstream.log.form = Some(form);
    Ok(())
}

fn form(text: &str, globals: &mut Globals) -> Result<(), String> {
    let form = &mut globals.downstream.log.form;
    let escaping = form.as_ref().map(|form| form.escaping).unwrap_or_default();
    *form = Some(LogForm::new(text, escaping).map_err(|why| why.to_string())?);
    Ok(())
}

fn left_out(text: &str, globals: &mut Globals) -> Result<(), String> {
    if words(text).count() > LOG_TARGETS_LEFT_OUT_MAX {
        return Err(format!("it has more than {LOG_TARGETS_LEFT_OUT_MAX} targets"));
    }
    globals.downstream.log.left_out = words(text).map(text_match).collect::<Result<_, _>>()?;
    Ok(())
}
