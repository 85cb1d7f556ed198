//! ModSecurity.

use super::group::Group;
use super::row::Guard::Unless;
use super::row::Off::{False, Never};
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Web application firewall", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("enable-modsecurity", Location, NotYet).guard(Unless(False)).doc("Requests are examined."),
    row("enable-owasp-core-rules", Location, NotYet)
        .guard(Unless(False))
        .doc("By the Core Rule Set."),
    row("modsecurity-snippet", Location, NotYet)
        .guard(Unless(Never))
        .doc("By rules of the Ingress."),
    row("modsecurity-transaction-id", Location, NotYet).doc("Name of a request in its log."),
];
