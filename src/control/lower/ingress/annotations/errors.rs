//! Who answers when a backend cannot.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};
use crate::model::Kind::Service;

pub(super) const GROUP: Group = Group { title: "Errors", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("custom-http-errors", Location, NotYet)
        .doc("Statuses that the default backend answers instead."),
    row("default-backend", Location, NotYet)
        .names(Service)
        .doc("Service that answers when the backend has no endpoint."),
    row("disable-proxy-intercept-errors", Location, NotYet)
        .doc("Errors of backends are passed on as they are."),
];
