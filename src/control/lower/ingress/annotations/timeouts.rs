//! How long backends may take, and who is asked next.

use super::group::Group;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Timeouts and retries", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("proxy-connect-timeout", Location, NotYet).doc("Seconds for a connection to a backend."),
    row("proxy-next-upstream", Location, NotYet)
        .doc("Failures after which another endpoint is asked."),
    row("proxy-next-upstream-timeout", Location, NotYet).doc("Seconds within which it is."),
    row("proxy-next-upstream-tries", Location, NotYet)
        .doc("How many are asked, the first among them."),
    row("proxy-read-timeout", Location, NotYet).doc("Seconds between two reads from a backend."),
    row("proxy-send-timeout", Location, NotYet).doc("Seconds between two writes to a backend."),
];
