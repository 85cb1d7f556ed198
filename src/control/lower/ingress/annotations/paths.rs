//! What paths mean and what backends get for them.

use super::group::Group;
use super::reader::Reader;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, parse_bool, row};
use crate::control::lower::settings::{PathStyle, Settings};

pub(super) const GROUP: Group =
    Group { title: "Paths and rewriting", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("rewrite-target", Location, NotYet)
        .doc("Path that backends get, with what the expression of the path captured."),
    row("use-regex", Location, NotYet).doc("The paths of the host are regular expressions."),
    row("x-forwarded-prefix", Location, NotYet)
        .doc("Value of X-Forwarded-Prefix where a path is rewritten."),
];

/// Of expressions it is only known which requests they mean, so that these are not served
/// otherwise. Either makes every path of its Ingress one.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let is_wanted = reader.unread("use-regex").and_then(parse_bool) == Some(true);
    if is_wanted || reader.unread("rewrite-target").is_some() {
        settings.paths = PathStyle::Expressions;
    }
}
