//! What scripts of other origins may ask for.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "CORS", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("cors-allow-credentials", Location, NotYet).doc("Scripts may send cookies."),
    row("cors-allow-headers", Location, NotYet).doc("Fields that they may send."),
    row("cors-allow-methods", Location, NotYet).doc("Methods that they may use."),
    row("cors-allow-origin", Location, NotYet).doc("Origins that may ask."),
    row("cors-expose-headers", Location, NotYet).doc("Fields of responses that they may read."),
    row("cors-max-age", Location, NotYet).doc("Seconds that browsers remember it."),
    row("enable-cors", Location, NotYet).doc("Origins are told what they may."),
];
