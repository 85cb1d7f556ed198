//! Fields of responses.

use std::sync::Arc;

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Invalid::Denied;
use super::row::Scope::Location;
use super::row::State::{Partial, Refused, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::Settings;
use crate::filter::{Replacement, ReturnedPlaces, Text, Variable};
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "Headers", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CUSTOM_HEADERS, Location, Supported)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with fields of all responses, each of which --configmap has to allow."),
    row("http2-push-preload", Location, Refused("nor has it in nginx or in browsers any more"))
        .doc("Link fields are pushed, which browsers no longer take."),
    row(COOKIE_DOMAIN, Location, Partial(NO_EXPRESSIONS))
        .doc("off, or FROM TO: what the domain of a backend's cookies is replaced by."),
    row(COOKIE_PATH, Location, Partial(NO_EXPRESSIONS))
        .doc("off, or FROM TO: what the beginning of their path is replaced by."),
    row(REDIRECT_FROM, Location, Partial(NO_EXPRESSIONS)).doc(
        "Beginning of Location, and of the URL in Refresh, that is replaced; off, default: nothing \
         is.",
    ),
    row(REDIRECT_TO, Location, Supported).doc("What it is replaced by."),
];

const NO_EXPRESSIONS: &str = "regular expressions (~) are not read; nothing is replaced";

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
        cookie_domain: pair(reader, COOKIE_DOMAIN),
        cookie_path: pair(reader, COOKIE_PATH),
        location: location(reader),
    };
    if places != ReturnedPlaces::default() {
        settings.policies.returned_places = Some(Arc::new(places));
    }
}

/// `off`, or two words.
fn pair(reader: &mut Reader<'_, '_>, name: &str) -> Option<Replacement> {
    let text = reader.text(name).filter(|text| *text != OFF)?;
    let words: Vec<_> = text.split_whitespace().collect();
    let found = match words[..] {
        [from, to] => part(from, is_cookie_byte).and_then(|from| {
            let to = part(to, is_cookie_byte)?;
            Ok(Replacement { from, to })
        }),
        _ => Err("it is neither off nor two words".to_owned()),
    };
    found.map_err(|why| refuse(reader, name, text, &why)).ok()
}

/// Nothing, unless both are said.
fn location(reader: &mut Reader<'_, '_>) -> Option<Replacement> {
    let from = reader.text(REDIRECT_FROM).map(|text| (text, part(text, is_url_byte)));
    let to = reader.text(REDIRECT_TO).map(|text| (text, part(text, is_url_byte)));
    for (name, said) in [(REDIRECT_FROM, &from), (REDIRECT_TO, &to)] {
        if let Some((text, Err(why))) = said {
            refuse(reader, name, text, why);
        }
    }
    match (from?, to?) {
        ((OFF | "default", _), _) | (_, (OFF, _)) => None,
        ((_, Ok(from)), (_, Ok(to))) => Some(Replacement { from, to }),
        _ => None,
    }
}

fn refuse(reader: &mut Reader<'_, '_>, name: &str, text: &str, why: &str) {
    let why = format!("{why}; nothing is replaced.");
    reader.doubtful(name, text, &why, "Write off, or the texts, without spaces in them.");
}

/// One word, of which no part is known behind the request alone.
fn part(text: &str, is_known: impl Fn(u8) -> bool) -> Result<Text, String> {
    if text.starts_with('~') {
        return Err("regular expressions are not read".to_owned());
    }
    if !text.bytes().all(is_known) {
        return Err("it has a character that is not possible there".to_owned());
    }
    let text = Text::new(text, |_| false).map_err(|why| why.to_string())?;
    let is_known = text.variables().all(is_of_request);
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
