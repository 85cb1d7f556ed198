//! Ingresses that take a share of the requests of another one.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::Supported;
use super::row::{Row, row};
use crate::control::lower::settings::{Role, Settings};
use crate::model::parse_bool;
use crate::model::{CanaryCriteria, FieldCriterion, FieldMeaning, Pattern, Share};

pub(super) const GROUP: Group = Group { title: "Canaries", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CANARY, Location, Supported).doc(
        "true: the Ingress gets some of the requests of the Ingress with the same host, path and \
         pathType. Of its other annotations those about the choice of endpoints count.",
    ),
    row(COOKIE, Location, Supported).risk(Medium).doc("Cookie that decides: always or never."),
    row(HEADER, Location, Supported).risk(Medium).doc("Field that decides: always or never."),
    row(PATTERN, Location, Supported).risk(Medium).doc(
        "Expression for the value of that field, where there is no canary-by-header-value; \
         requests with the field stay with the main Ingress if it cannot be used.",
    ),
    row(VALUE, Location, Supported)
        .risk(Medium)
        .doc("The one value of that field that decides, in place of always and never."),
    row(WEIGHT, Location, Supported).doc("Share of the remaining requests; 0 by default."),
    row(TOTAL, Location, Supported).doc("What the share is a part of; at least 100."),
];

const CANARY: &str = "canary";
const COOKIE: &str = "canary-by-cookie";
const HEADER: &str = "canary-by-header";
const PATTERN: &str = "canary-by-header-pattern";
const VALUE: &str = "canary-by-header-value";
const WEIGHT: &str = "canary-weight";
const TOTAL: &str = "canary-weight-total";

/// A canary stands beside a main Ingress, whose hosts and paths it repeats. It has no hosts and no
/// rules of its own, in ingress-nginx neither. What is no truth value is false: then it is an
/// Ingress like any other.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let text = reader.text(CANARY);
    match text.map(parse_bool) {
        Some(Some(true)) => settings.role = Role::Canary(Arc::new(criteria(reader))),
        Some(None) => {
            let advice = "Write \"true\" or \"false\"; until then it is an Ingress like any other.";
            reader.invalid(CANARY, text.unwrap_or_default(), "it is no truth value.", advice);
        }
        None | Some(Some(false)) => {
            for name in [COOKIE, HEADER, PATTERN, VALUE, WEIGHT, TOTAL] {
                let Some(text) = reader.text(name) else { continue };
                let why = "the Ingress is no canary, but one like any other.";
                reader.doubtful(name, text, why, "Write canary: \"true\", or remove it.");
            }
        }
    }
}

fn criteria(reader: &mut Reader<'_, '_>) -> CanaryCriteria {
    let name = name(reader, HEADER);
    let meaning = meaning(reader);
    let field = name.map(|name| FieldCriterion {
        // A field that a client sends with `_` is dropped, and nginx has no other name for it.
        name: name.to_ascii_lowercase().replace('_', "-").into(),
        meaning: meaning.unwrap_or(FieldMeaning::Words),
    });
    let (weight, total) = (number(reader, WEIGHT), number(reader, TOTAL));
    CanaryCriteria {
        field,
        cookie: name_of_cookie(reader),
        share: Share {
            weight: weight.unwrap_or(0),
            total: total.unwrap_or(Share::TOTAL).max(Share::TOTAL),
        },
    }
}

fn name_of_cookie(reader: &mut Reader<'_, '_>) -> Option<Arc<str>> {
    name(reader, COOKIE).map(Into::into)
}

/// The name of a field or a cookie.
fn name<'a>(reader: &mut Reader<'a, '_>, name: &str) -> Option<&'a str> {
    let text = reader.text(name)?;
    let is_usable = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    if !text.bytes().all(is_usable) {
        let why = "a name has only letters, digits and -_.~.";
        reader.invalid(name, text, why, "Correct it; until then it decides nothing.");
        return None;
    }
    Some(text)
}

/// What values of the field mean; `None`: `always` and `never`.
fn meaning(reader: &mut Reader<'_, '_>) -> Option<FieldMeaning> {
    let (value, pattern) = (value(reader), reader.text(PATTERN));
    if let (Some(_), Some(pattern)) = (value, pattern) {
        let why = "canary-by-header-value decides alone.";
        reader.doubtful(PATTERN, pattern, why, "Remove one of the two.");
    }
    for (name, text) in [(VALUE, value), (PATTERN, pattern)] {
        if let Some(text) = text
            && reader.text(HEADER).is_none()
        {
            let why = "there is no canary-by-header.";
            reader.doubtful(name, text, why, "Add it, or remove this.");
        }
    }
    let value = value.map(|value| FieldMeaning::Value(value.into()));
    value.or_else(|| {
        let text = pattern?;
        Some(match Pattern::new(text) {
            Ok(pattern) => FieldMeaning::Pattern(pattern),
            Err(why) => {
                let advice = "Write it without look-around and back-references; until then \
                              requests with the field stay with the main Ingress.";
                reader.invalid(PATTERN, text, &format!("{why}."), advice);
                FieldMeaning::Unknown
            }
        })
    })
}

/// What ingress-nginx takes for a value.
fn value<'a>(reader: &mut Reader<'a, '_>) -> Option<&'a str> {
    let text = reader.text(VALUE)?;
    let is_usable = |b: u8| b.is_ascii_alphanumeric() || b"-._~/: ".contains(&b);
    if !text.bytes().all(is_usable) {
        let why = "only letters, digits, blanks and -._~/: are possible.";
        let advice = "Use canary-by-header-pattern; until then always and never decide.";
        reader.invalid(VALUE, text, why, advice);
        return None;
    }
    Some(text)
}

/// A number as Go's `strconv.Atoi` reads it; below 0 it is 0.
fn number(reader: &mut Reader<'_, '_>, name: &str) -> Option<u32> {
    let text = reader.text(name)?;
    let number = text.parse::<i64>().ok();
    if number.is_none() {
        reader.invalid(name, text, "it is no number.", "Write digits; until then it is left out.");
    }
    number.map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}
