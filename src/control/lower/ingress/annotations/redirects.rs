//! Requests that are sent elsewhere, and other names of a host.

use super::group::Group;
use super::row::Scope::{Host, Location};
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Redirects and names", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("app-root", Host, NotYet).doc("Where requests for / are redirected to."),
    row("from-to-www-redirect", Host, NotYet)
        .doc("The host without www. is redirected to the one with it, or the other way round."),
    row("permanent-redirect", Location, NotYet)
        .doc("Where all requests are redirected to, for good."),
    row("permanent-redirect-code", Location, NotYet).doc("Its status."),
    row("relative-redirects", Location, NotYet).doc("Redirects name no host."),
    row("server-alias", Host, NotYet).doc("More names of the hosts."),
    row("temporal-redirect", Location, NotYet)
        .doc("Where all requests are redirected to, for now."),
    row("temporal-redirect-code", Location, NotYet).doc("Its status."),
    row("use-port-in-redirects", Location, NotYet).doc("Redirects name the port."),
];
