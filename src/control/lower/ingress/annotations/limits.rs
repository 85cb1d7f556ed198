//! How much a client may ask for.

use super::group::Group;
use super::row::Guard::Unless;
use super::row::Off::Zero;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Limits", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    // Removed in 1.12: whoever comes from an older release was protected by it.
    row("global-rate-limit", Location, NotYet)
        .guard(Unless(Zero))
        .doc("Requests in a window over all replicas; gone from ingress-nginx with release 1.12."),
    row("limit-allowlist", Location, NotYet).doc("Addresses that are not limited."),
    row("limit-burst-multiplier", Location, NotYet)
        .doc("How many times the limit may come at once."),
    row("limit-connections", Location, NotYet)
        .guard(Unless(Zero))
        .doc("Requests of one client at a time."),
    row("limit-rate", Location, NotYet)
        .guard(Unless(Zero))
        .doc("Kilobytes of a response in a second."),
    row("limit-rate-after", Location, NotYet).doc("Kilobytes of a response before that."),
    row("limit-rpm", Location, NotYet)
        .guard(Unless(Zero))
        .doc("Requests of one client in a minute."),
    row("limit-rps", Location, NotYet)
        .guard(Unless(Zero))
        .doc("Requests of one client in a second."),
    row("limit-whitelist", Location, NotYet).doc("The same as limit-allowlist, which comes first."),
];
