//! ModSecurity.

use super::group::Group;
use super::row::Guard::Unless;
use super::row::Off::{False, Never};
use super::row::Risk::{Critical, High};
use super::row::Scope::Location;
use super::row::State::Refused;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Web application firewall", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("enable-modsecurity", Location, Refused(NO_FIREWALL))
        .guard(Unless(False))
        .doc("Requests are examined."),
    row("enable-owasp-core-rules", Location, Refused(NO_FIREWALL))
        .guard(Unless(False))
        .doc("By the Core Rule Set."),
    row("modsecurity-snippet", Location, Refused(NO_FIREWALL))
        .risk(Critical)
        .guard(Unless(Never))
        .doc("By rules of the Ingress."),
    row("modsecurity-transaction-id", Location, Refused("for there is no such firewall"))
        .risk(High)
        .doc("Name of a request in its log."),
];

/// Rules of ModSecurity are a language of their own, and a part of them protects nobody.
const NO_FIREWALL: &str = "and what it protects gets status 503: rules of ModSecurity are not run";
