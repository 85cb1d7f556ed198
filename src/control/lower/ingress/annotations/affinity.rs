//! Clients that come back to the endpoint they had.

use super::group::Group;
use super::row::Scope::Upstream;
use super::row::State::NotYet;
use super::row::{Row, row};

pub(super) const GROUP: Group = Group { title: "Affinity", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("affinity", Upstream, NotYet).doc("cookie: a client keeps its endpoint."),
    row("affinity-canary-behavior", Upstream, NotYet)
        .doc("sticky or legacy: whether it keeps its canary, too."),
    row("affinity-mode", Upstream, NotYet)
        .doc("balanced or persistent: whether it moves when endpoints come."),
    row("session-cookie-change-on-failure", Upstream, NotYet)
        .doc("A client whose endpoint failed gets another one for good."),
    row("session-cookie-conditional-samesite-none", Upstream, NotYet)
        .doc("Browsers that know no SameSite=None are not sent it."),
    row("session-cookie-domain", Upstream, NotYet).doc("Domain of the cookie."),
    row("session-cookie-expires", Upstream, NotYet).doc("Seconds until it expires, as a date."),
    row("session-cookie-max-age", Upstream, NotYet).doc("Seconds until it expires."),
    row("session-cookie-name", Upstream, NotYet).doc("Name of the cookie."),
    row("session-cookie-path", Upstream, NotYet).doc("Path of the cookie."),
    row("session-cookie-samesite", Upstream, NotYet).doc("None, Lax or Strict."),
    row("session-cookie-secure", Upstream, NotYet).doc("The cookie is for https alone."),
];
