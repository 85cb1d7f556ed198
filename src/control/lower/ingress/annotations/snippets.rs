//! Directives of nginx, in its words.

use super::group::Group;
use super::row::Guard::Snippet;
use super::row::Scope::{Host, Location};
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group =
    Group { title: "Configuration text of nginx", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("configuration-snippet", Location, NotYet)
        .guard(Snippet)
        .doc("Directives for each location."),
    row("server-snippet", Host, NotYet).guard(Snippet).doc("Directives for the hosts."),
    row("stream-snippet", Location, NotYet).guard(Snippet).doc("Directives for TCP and UDP."),
];
