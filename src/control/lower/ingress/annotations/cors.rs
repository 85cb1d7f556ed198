//! What scripts of other origins may ask for.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::Settings;
use crate::filter::{Cors, FieldEditError, FieldEdits, OriginPattern};
use crate::limits::CORS_ORIGINS_MAX;

pub(super) const GROUP: Group = Group { title: "CORS", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CREDENTIALS, Location, Supported).doc("Scripts may send cookies; the default."),
    row(HEADERS, Location, Supported).risk(Medium).doc("Fields that they may send."),
    row(METHODS, Location, Supported).risk(Medium).doc("Methods that they may use."),
    row(
        ORIGIN,
        Location,
        Partial("compared as a whole; if no entry can be used, no origin may ask"),
    )
    .risk(Medium)
    .doc(
        "Origins that may ask: scheme and host, perhaps with a port; *. stands for one label, * \
         for all origins, the default.",
    ),
    row(EXPOSE, Location, Supported).risk(Medium).doc("Fields of responses that they may read."),
    row(MAX_AGE, Location, Supported).doc("Seconds that browsers remember it: 1728000."),
    row(
        ENABLE,
        Location,
        Partial("where the answer depends on the origin it has Vary: Origin; 204 has no length"),
    )
    .doc("Origins are told what they may; OPTIONS is answered with 204 before all else."),
];

const ENABLE: &str = "enable-cors";
const ORIGIN: &str = "cors-allow-origin";
const METHODS: &str = "cors-allow-methods";
const HEADERS: &str = "cors-allow-headers";
const CREDENTIALS: &str = "cors-allow-credentials";
const EXPOSE: &str = "cors-expose-headers";
const MAX_AGE: &str = "cors-max-age";

const DEFAULT_METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const DEFAULT_HEADERS: &str = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,\
    Cache-Control,Content-Type,Range,Authorization";
/// Seconds; twenty days.
const DEFAULT_MAX_AGE: i64 = 1_728_000;

/// Each that cannot be used is its default, as in ingress-nginx, but origins.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let is_enabled = reader.flag(ENABLE).unwrap_or(false);
    let origins = origins(reader);
    let methods = list(reader, METHODS, is_method).unwrap_or(DEFAULT_METHODS);
    let headers = list(reader, HEADERS, is_name).unwrap_or(DEFAULT_HEADERS);
    let exposed = list(reader, EXPOSE, |byte| is_name(byte) || byte == b'*');
    let has_credentials = reader.flag(CREDENTIALS).unwrap_or(true);
    let max_age = max_age(reader).to_string();
    if !is_enabled {
        return;
    }
    let set = [
        origins.is_none().then_some(("Access-Control-Allow-Origin", "*")),
        has_credentials.then_some(("Access-Control-Allow-Credentials", "true")),
        Some(("Access-Control-Allow-Methods", methods)),
        Some(("Access-Control-Allow-Headers", headers)),
        exposed.map(|names| ("Access-Control-Expose-Headers", names)),
        Some(("Access-Control-Max-Age", &*max_age)),
    ];
    let fields: Result<_, FieldEditError> = FieldEdits::new(set.into_iter().flatten(), [], []);
    // Names and characters are checked, so that nothing is refused.
    let fields = fields.unwrap_or_default();
    settings.policies.cors = Some(Arc::new(match origins {
        None => Cors::Any(fields),
        Some(origins) => Cors::Listed { origins, fields },
    }));
}

/// `None`: all. Entries that are no origins are left out.
fn origins(reader: &mut Reader<'_, '_>) -> Option<Box<[OriginPattern]>> {
    let text = reader.text(ORIGIN)?;
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() || entries.contains(&"*") {
        return None;
    }
    let mut origins = Vec::new();
    for entry in &entries {
        match OriginPattern::parse(entry) {
            Ok(_) if origins.len() >= CORS_ORIGINS_MAX => {
                let why = format!("only the first {CORS_ORIGINS_MAX} origins are used.");
                reader.doubtful(ORIGIN, entry, &why, "Use wildcards, such as https://*.a.example.");
                break;
            }
            Ok(origin) => origins.push(origin),
            Err(why) => {
                let why = format!("{why}; the entry lets no origin in.");
                let advice = "Write https://a.example, https://*.a.example:8443, null or *.";
                reader.doubtful(ORIGIN, entry, &why, advice);
            }
        }
    }
    Some(origins.into())
}

/// A list of words with commas or spaces between, which is sent as it is written.
fn list<'a>(
    reader: &mut Reader<'a, '_>,
    name: &str,
    is_word: impl Fn(u8) -> bool,
) -> Option<&'a str> {
    let text = reader.text(name)?;
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    if words.clone().next().is_some() && words.flat_map(str::bytes).all(is_word) {
        return Some(text);
    }
    let advice = "Write them with commas between; until then the default is sent.";
    reader.doubtful(name, text, "it is no list of names.", advice);
    None
}

fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

fn max_age(reader: &mut Reader<'_, '_>) -> i64 {
    let Some(text) = reader.text(MAX_AGE) else { return DEFAULT_MAX_AGE };
    text.parse().unwrap_or_else(|_| {
        let advice = "Write seconds, such as 600; until then 1728000 is sent.";
        reader.doubtful(MAX_AGE, text, "it is no number.", advice);
        DEFAULT_MAX_AGE
    })
}
