//! Fields of responses.

use std::sync::Arc;

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Invalid::Denied;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Refused, Supported};
use super::row::{Row, field, row};
use crate::control::lower::regex_path::{self, Case};
use crate::control::lower::settings::Settings;
use crate::filter::{PathPattern, Replaced, Replacement, ReturnedPlaces, Text, Variable};
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "Headers", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CUSTOM_HEADERS, Location, Supported)
        .risk(Medium)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with fields of all responses, each of which --configmap has to allow."),
    row("http2-push-preload", Location, Refused("nor has it in nginx or in browsers any more"))
        .doc("Link fields are pushed, which browsers no longer take."),
    row(COOKIE_DOMAIN, Location, Supported).risk(Medium).doc(
        "off, or FROM TO: what the domain of a backend's cookies is replaced by; FROM may be \
             `~` and an expression.",
    ),
    row(COOKIE_PATH, Location, Supported).risk(Medium).doc(
        "off, or FROM TO: what the beginning of their path is replaced by, or all of it \
             where FROM is `~` and an expression.",
    ),
    row(REDIRECT_FROM, Location, Supported).risk(Medium).doc(
        "Beginning of Location, and of the URL in Refresh, that is replaced, or `~` and an \
         expression, of all of them; off, default: nothing is.",
    ),
    row(REDIRECT_TO, Location, Supported).risk(Medium).doc("What it is replaced by."),
];

const CUSTOM_HEADERS: &str = "custom-headers";
const COOKIE_DOMAIN: &str = "proxy-cookie-domain";
const COOKIE_PATH: &str = "proxy-cookie-path";
const REDIRECT_FROM: &str = "proxy-redirect-from";
const REDIRECT_TO: &str = "proxy-redirect-to";
const OFF: &str = "off";

/// The field that names the ConfigMap.
pub(crate) fn custom_headers_field() -> String {
    field(CUSTOM_HEADERS)
}

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let until = "until then all requests get status 503";
    match reader.named(CUSTOM_HEADERS, NameForm::Short, until) {
        Some(Ok(map)) => settings.answer_fields = Some(map),
        Some(Err(())) => settings.guards.close(),
        None => {}
    }
    let places = ReturnedPlaces {
        cookie_domain: pair(reader, COOKIE_DOMAIN, Case::Ignored),
        cookie_path: pair(reader, COOKIE_PATH, Case::Counts),
        location: location(reader),
        cookie_flags: Box::default(),
    };
    if places != ReturnedPlaces::default() {
        settings.policies.returned_places = Some(Arc::new(places));
    }
}

/// `off`, or two words.
fn pair(reader: &mut Reader<'_, '_>, name: &str, case: Case) -> Box<[Replacement]> {
    let Some(text) = reader.text(name).filter(|text| *text != OFF) else { return Box::default() };
    let words: Vec<_> = text.split_whitespace().collect();
    let found = match words[..] {
        [from, to] => [from, to]
            .iter()
            .try_for_each(|text| checked(text, is_cookie_byte))
            .and_then(|()| replacement(from, to, case)),
        _ => Err("it is neither off nor two words".to_owned()),
    };
    found.map_err(|why| refuse(reader, name, text, &why)).into_iter().collect()
}

/// Nothing, unless both are said.
fn location(reader: &mut Reader<'_, '_>) -> Box<[Replacement]> {
    let from = reader.text(REDIRECT_FROM).filter(|text| !matches!(*text, OFF | "default"));
    let to = reader.text(REDIRECT_TO).filter(|text| *text != OFF);
    for (name, text) in [(REDIRECT_FROM, from), (REDIRECT_TO, to)] {
        if let Some((text, Err(why))) = text.map(|text| (text, checked(text, is_url_byte))) {
            refuse(reader, name, text, &why);
            return Box::default();
        }
    }
    let (Some(from), Some(to)) = (from, to) else { return Box::default() };
    let found = replacement(from, to, Case::Counts);
    found.map_err(|why| refuse(reader, REDIRECT_FROM, from, &why)).into_iter().collect()
}

fn refuse(reader: &mut Reader<'_, '_>, name: &str, text: &str, why: &str) {
    let why = format!("{why}; nothing is replaced.");
    reader.doubtful(name, text, &why, "Write off, or the texts, without spaces in them.");
}

/// Whether a text has what ingress-nginx takes alone. Of an expression all is possible.
fn checked(text: &str, is_known: impl Fn(u8) -> bool) -> Result<(), String> {
    match text.starts_with('~') || text.bytes().all(is_known) {
        true => Ok(()),
        false => Err("it has a character that is not possible there".to_owned()),
    }
}

/// What is replaced, and by what. `from` may be an expression behind `~`, or `~*` if case is no
/// difference; `case`: whether it is without the star.
///
/// Source: nginx, `proxy_redirect`, `proxy_cookie_path`, `proxy_cookie_domain`.
pub(crate) fn replacement(from: &str, to: &str, case: Case) -> Result<Replacement, String> {
    let from = replaced(from, case)?;
    let to = match &from {
        Replaced::Text(_) => part(to, None)?,
        Replaced::Matching(pattern) => part(to, Some(pattern))?,
    };
    Ok(Replacement { from, to })
}

/// The same of what is replaced alone.
pub(crate) fn replaced(from: &str, case: Case) -> Result<Replaced, String> {
    let Some(expression) = from.strip_prefix('~') else {
        return part(from, None).map(Replaced::Text);
    };
    let (expression, case) = match expression.strip_prefix('*') {
        Some(expression) => (expression, Case::Ignored),
        None => (expression, case),
    };
    let pattern = regex_path::expression(expression, case).map_err(|why| why.to_string())?;
    Ok(Replaced::Matching(pattern))
}

/// A text of which no part is known behind the request alone, but for what `pattern` captured.
fn part(text: &str, pattern: Option<&PathPattern>) -> Result<Text, String> {
    let is_group = |name: &str| pattern.is_some_and(|pattern| pattern.group(name).is_some());
    let text = Text::new(text, is_group).map_err(|why| why.to_string())?;
    let is_known = |variable: &Variable| match variable {
        Variable::Capture(_) | Variable::NamedCapture(_) => pattern.is_some(),
        other => is_of_request(other),
    };
    let is_known = text.variables().all(is_known);
    if is_known { Ok(text) } else { Err("it has a variable that is not known there".to_owned()) }
}

fn is_of_request(variable: &Variable) -> bool {
    matches!(
        variable,
        Variable::Host
            | Variable::Authority
            | Variable::ToldAuthority
            | Variable::RequestUri
            | Variable::Path
            | Variable::Query
            | Variable::QuestionMark
            | Variable::Scheme
            | Variable::ToldScheme
            | Variable::Method
            | Variable::ServerPort
            | Variable::ToldPort
            | Variable::ClientAddress
            | Variable::PeerAddress
            | Variable::Field(_)
            | Variable::Cookie(_)
            | Variable::Parameter(_)
    )
}

/// What ingress-nginx takes, and variables.
fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/:?&=${}".contains(&byte)
}

fn is_url_byte(byte: u8) -> bool {
    is_cookie_byte(byte) || b",+%@[]".contains(&byte)
}
