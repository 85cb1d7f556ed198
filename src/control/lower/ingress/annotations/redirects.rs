//! Requests that are sent elsewhere, and other names of a host.

use super::group::Group;
use super::reader::Reader;
use super::row::Invalid::Refused;
use super::row::Risk::{High, Medium};
use super::row::Scope::{Host, Location};
use super::row::State::{Partial, Supported};
use super::row::{Row, field, row};
use crate::control::lower::path::{PathType, RawPath};
use crate::control::lower::settings::{HostAnswer, Settings};
use crate::filter::{
    Destination, Goto, NamedPort, PathEdit, Redirect, RedirectPort, RedirectQuery,
};
use crate::limits::ALIASES_PER_INGRESS_MAX;
use crate::model::parse_bool;
use crate::model::{HostName, HostPattern, Refusal, WildcardDepth};

pub(super) const GROUP: Group =
    Group { title: "Redirects and names", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("app-root", Host, Partial("without variables"))
        .risk(Medium)
        .doc("Where requests for / are redirected to."),
    row(TWIN, Host, Supported).invalid(Refused).doc(
        "true: www. and the name of the host, or the name without it, is redirected to the host, \
         unless an Ingress has it.",
    ),
    row(PERMANENT, Location, Supported)
        .risk(Medium)
        .invalid(Refused)
        .doc("Where all requests are redirected to, as it is written; a path is one of the host."),
    row(PERMANENT_CODE, Location, Supported)
        .invalid(Refused)
        .doc("Its status: 301, 302, 303, 307 or 308; 301 by default."),
    row(RELATIVE, Location, Supported)
        .invalid(Refused)
        .doc("true: a redirect to a path names no host."),
    row(
        ALIAS,
        Host,
        Partial("names and *.names of any depth; expressions and names that end in * are told"),
    )
    .risk(High)
    .invalid(Refused)
    .doc("More names of the hosts, with commas between; those that have an Ingress stay its own."),
    row(TEMPORAL, Location, Supported)
        .risk(Medium)
        .invalid(Refused)
        .doc("The same for now; comes first. What is no http or https address denies."),
    row(TEMPORAL_CODE, Location, Supported)
        .invalid(Refused)
        .doc("Its status: 301, 302, 303 or 307; 302 by default."),
    row(USE_PORT, Location, Supported)
        .doc("The redirect to https names the port 443, one to a path that of the listener."),
];

const APP_ROOT: &str = "app-root";
const TWIN: &str = "from-to-www-redirect";
const PERMANENT: &str = "permanent-redirect";
const PERMANENT_CODE: &str = "permanent-redirect-code";
const RELATIVE: &str = "relative-redirects";
const ALIAS: &str = "server-alias";
const TEMPORAL: &str = "temporal-redirect";
const TEMPORAL_CODE: &str = "temporal-redirect-code";
const USE_PORT: &str = "use-port-in-redirects";

/// The field that asks for aliases.
pub(crate) fn alias_field() -> String {
    field(ALIAS)
}

/// The field that asks for the other name.
pub(crate) fn twin_field() -> String {
    field(TWIN)
}

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    app_root(reader, settings);
    let port = match reader.flag(USE_PORT).unwrap_or(false) {
        true => RedirectPort::Written,
        false => RedirectPort::Omitted,
    };
    settings.policies.https_form.port = port;
    settings.has_twins = strict_flag(reader, TWIN);
    aliases(reader, settings);
    let is_relative = strict_flag(reader, RELATIVE);
    settings.slash_port = match (is_relative, port) {
        (true, _) => NamedPort::Relative,
        (false, RedirectPort::Written) => NamedPort::Listener,
        (false, RedirectPort::Omitted) => NamedPort::Unsaid,
    };
    let permanent = code(reader, PERMANENT_CODE, 301);
    let temporal = code(reader, TEMPORAL_CODE, 302);
    let (name, status) = match (reader.text(TEMPORAL), reader.text(PERMANENT)) {
        (Some(_), Some(other)) => {
            let why = "temporal-redirect comes first.";
            reader.doubtful(PERMANENT, other, why, "Remove one of the two.");
            (TEMPORAL, temporal)
        }
        (Some(_), None) => (TEMPORAL, temporal),
        (None, _) => (PERMANENT, permanent),
    };
    if let Some(text) = target(reader, settings, name) {
        let to = match text.starts_with('/') && !is_relative {
            true => Destination::Path(text.into(), port),
            false => Destination::Fixed(text.into()),
        };
        settings.policies.goto = Some(Goto { to, status });
    }
}

/// A truth value; without one the object is not served.
fn strict_flag(reader: &mut Reader<'_, '_>, name: &str) -> bool {
    let Some(text) = reader.text(name) else { return false };
    parse_bool(text).unwrap_or_else(|| {
        reader.refuse(name, "it is no truth value.");
        false
    })
}

/// A status with which nginx sends a Location.
fn code(reader: &mut Reader<'_, '_>, name: &str, default: u16) -> u16 {
    let Some(text) = reader.text(name) else { return default };
    let Ok(code) = text.parse::<i64>() else {
        reader.refuse(name, "it is no number.");
        return default;
    };
    let is_temporal = name == TEMPORAL_CODE;
    match u16::try_from(code) {
        Ok(code @ (301..=303 | 307)) => code,
        Ok(308) if !is_temporal => 308,
        _ => {
            let why = match is_temporal {
                true => "only 301, 302, 303 and 307 are possible.",
                false => "only 301, 302, 303, 307 and 308 are possible.",
            };
            reader.invalid(name, text, why, &format!("Correct it; until then it is {default}."));
            default
        }
    }
}

/// Where all requests go.
fn target<'a>(
    reader: &mut Reader<'a, '_>,
    settings: &mut Settings,
    name: &'static str,
) -> Option<&'a str> {
    let text = reader.text(name)?;
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:,?&=".contains(&b)) {
        reader.refuse(name, "only letters, digits and -._~/:,?&= are possible.");
        return None;
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if name == TEMPORAL && !matches!(scheme.as_deref(), Some("http" | "https")) {
        let advice = "Correct it; until then all requests to the Ingress get status 503.";
        reader.invalid(name, text, "it begins neither with http:// nor with https://.", advice);
        settings.policies.refusal = Some(Refusal::NotSupported);
        return None;
    }
    Some(text)
}

/// More names of the hosts.
fn aliases(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(ALIAS) else { return };
    let of_expressions = b"-._~/:^$[](){}*+?|&=\\, ";
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || of_expressions.contains(&b)) {
        return reader.refuse(ALIAS, "no name has such characters.");
    }
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    for (nth, name) in names.enumerate() {
        if nth >= ALIASES_PER_INGRESS_MAX {
            let why = format!("only the first {ALIASES_PER_INGRESS_MAX} names are used.");
            return reader.invalid(ALIAS, text, &why, "Split the Ingress.");
        }
        match alias(name) {
            Some(patterns) => settings.aliases.extend(patterns),
            None => {
                let advice = "Write a DNS name, or *.name; this one leads nowhere.";
                reader.invalid(ALIAS, name, "it is neither a name nor a wildcard.", advice);
            }
        }
    }
}

/// What nginx takes a server name for: `*.x` is any number of labels, `.x` the same and `x`.
fn alias(text: &str) -> Option<Vec<HostPattern>> {
    let wildcard = |suffix| HostPattern::Wildcard { suffix, depth: WildcardDepth::Any };
    let (stars, name) = match (text.strip_prefix("*."), text.strip_prefix('.')) {
        (Some(suffix), _) => return Some(vec![wildcard(HostName::new(suffix).ok()?)]),
        (None, Some(name)) => (Some(HostName::new(name).ok()?), name),
        (None, None) => (None, text),
    };
    let exact = HostPattern::Exact(HostName::new(name).ok()?);
    Some(stars.map(wildcard).into_iter().chain([exact]).collect())
}

/// Before all that rules ask for, as in ingress-nginx, where the server answers it.
fn app_root(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let Some(text) = reader.text(APP_ROOT) else { return };
    if let Err(why) = check_path(text) {
        let advice = "Write a path, such as /app; until then requests for / go to their backend.";
        reader.invalid(APP_ROOT, text, why, advice);
        return;
    }
    settings.answers.push(HostAnswer {
        path: RawPath::new("/", PathType::Exact).plain(),
        redirect: Redirect {
            scheme: None,
            hostname: None,
            port: NamedPort::Sent,
            query: RedirectQuery::Dropped,
            path: Some(PathEdit::Full(text.into())),
            status: 302,
        },
        field: field(APP_ROOT),
    });
}

/// What ingress-nginx takes for a path, but for its variables.
fn check_path(text: &str) -> Result<(), &'static str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~:".contains(&b);
    if text == "/" {
        Err("it would be redirected to itself.")
    } else if !text.starts_with('/') {
        Err("it does not begin with /.")
    } else if text.starts_with("//") {
        Err("it would lead to another host.")
    } else if !text.bytes().all(is_plain) {
        Err("only letters, digits and /-._~: are possible.")
    } else {
        Ok(())
    }
}
