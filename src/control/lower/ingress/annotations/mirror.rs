//! Copies of requests.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Mirrors", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("mirror-host", Location, NotYet).doc("Value of Host of a copy."),
    row("mirror-request-body", Location, NotYet).doc("off: a copy has no body."),
    row("mirror-target", Location, NotYet).doc("Where a copy of each request goes."),
];
