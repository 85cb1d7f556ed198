//! What paths mean and what backends get for them.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Invalid::Refused;
use super::row::Risk::Medium;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use crate::control::lower::settings::{PathStyle, Settings};
use crate::filter::{GoesTo, PathReplacement, Text, Variable};

pub(super) const GROUP: Group =
    Group { title: "Paths and rewriting", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("rewrite-target", Location, Partial("expressions as with use-regex"))
        .risk(Medium)
        .doc("Path that backends get, with what the expression of the path captured."),
    row("use-regex", Location, Partial(LINEAR))
        .doc("The paths of the host are regular expressions."),
    row("x-forwarded-prefix", Location, Supported)
        .risk(Medium)
        .invalid(Refused)
        .doc("Value of X-Forwarded-Prefix with a rewrite; a bad one refuses the Ingress."),
];

const LINEAR: &str = "nothing that takes more than linear time: look-around, back-references";

const TARGET: &str = "rewrite-target";
const PREFIX: &str = "x-forwarded-prefix";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    if reader.flag("use-regex").unwrap_or(false) {
        settings.paths = PathStyle::Expressions;
    }
    let forwarded_prefix = text(reader, PREFIX);
    let forwarded_prefix = match forwarded_prefix.transpose() {
        Ok(prefix) => prefix,
        Err(why) => {
            reader.refuse(PREFIX, &why);
            None
        }
    };
    let target = text(reader, TARGET).transpose().unwrap_or_else(|why| {
        let value = reader.text(TARGET).unwrap_or_default();
        let advice = "Write a path, such as /$1; until then paths are not rewritten.";
        reader.invalid(TARGET, value, &why, advice);
        None
    });
    let Some(target) = target else {
        if let (Some(value), None) = (reader.text(PREFIX), reader.text(TARGET)) {
            let advice = "Remove it, or add rewrite-target.";
            reader.doubtful(PREFIX, value, "without rewrite-target it has no effect.", advice);
        }
        return;
    };
    let written = reader.text(TARGET).unwrap_or_default();
    let goes_to = GoesTo::of(written);
    settings.rewrite_target = Some(written.into());
    settings.policies.replacement =
        Some(Arc::new(PathReplacement { target, forwarded_prefix, goes_to }));
}

/// What ingress-nginx takes for a path with groups. A name that stands for nothing else is that of
/// a group, which its path must have.
fn text(reader: &Reader<'_, '_>, name: &str) -> Option<Result<Text, String>> {
    let value = reader.text(name)?;
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-._~:$".contains(&octet);
    let is_group = |name: &str| {
        Variable::named(name).is_none() && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    Some(match value.bytes().all(is_plain) {
        true => Text::new(value, is_group).map_err(|error| format!("{error}.")),
        false => Err("only letters, digits and /-._~:$ are possible.".to_owned()),
    })
}
