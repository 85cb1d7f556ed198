//! Directives about the access log.
//!
//! Source: nginx, module `ngx_http_log_module`.

use std::sync::Arc;

use super::meaning::Change;
use super::places::Place;
use super::reading::{Call, Reading};
use crate::filter::script::Logged;
use crate::filter::{Escaping, LogForm};

/// The form that ingress-nginx gives the one of the ConfigMap.
const OF_CONTROLLER: &str = "upstreaminfo";

/// Files that are standard output in the image of ingress-nginx. No other one is written: whoever
/// writes directives does not write files.
const OUTPUT: [&str; 2] = ["/dev/stdout", "/var/log/nginx/access.log"];

pub(super) fn access_log(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.words[..] {
        ["off"] if call.place == Place::RuleIf => {
            reading.fields.log = Logged::Never;
            Ok(())
        }
        ["off"] => {
            reading.snippet.changes.push(Change::NoAccessLog);
            Ok(())
        }
        [place, ..] if !OUTPUT.contains(&place) => {
            Err("where the log goes is said by access-log-path of the ConfigMap".into())
        }
        _ if call.place == Place::RuleIf => Err("only off is possible in an if".into()),
        [_, OF_CONTROLLER] => Ok(()),
        [_, form] => {
            let known = reading.defined(|names| names.log_forms.get(form)).map(Arc::clone);
            let known = known.ok_or_else(|| format!("there is no log_format {form}"))?;
            reading.snippet.changes.push(Change::LogForm(known));
            Ok(())
        }
        _ => Err("it takes off, or a file and a form; parameters are not supported".into()),
    }
}

pub(super) fn log_format(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let (name, rest) = call.words.split_first().ok_or("it takes a name and a form")?;
    let (escaping, rest) = match rest.split_first() {
        Some((&"escape=default", rest)) => (Escaping::Hex, rest),
        Some((&"escape=json", rest)) => (Escaping::Json, rest),
        Some((&"escape=none", rest)) => (Escaping::Bare, rest),
        _ => (Escaping::Hex, rest),
    };
    if rest.is_empty() {
        return Err("it takes a name and a form".into());
    }
    // What a backslash means was seen by who read the directive.
    let text = rest.concat().replace('\\', "\\\\");
    let form = LogForm::new(&text, escaping).map_err(|error| error.to_string())?;
    reading.snippet.names.log_forms.insert((*name).into(), Arc::new(form));
    Ok(())
}
