//! Who may come in: as another server says.

use super::group::Group;
use super::row::Guard::{Snippet, Unless};
use super::row::Invalid::Denied;
use super::row::Off::{False, Never};
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "External authentication", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("auth-always-set-cookie", Location, NotYet)
        .invalid(Denied)
        .doc("Cookies of that server are set whatever the status."),
    row("auth-cache-duration", Location, NotYet)
        .invalid(Denied)
        .doc("How long its answers are good, by status."),
    row("auth-cache-key", Location, NotYet).doc("What its answers are kept under."),
    row("auth-keepalive", Location, NotYet).doc("Connections to that server that are kept."),
    row("auth-keepalive-requests", Location, NotYet).doc("Requests over one of them."),
    row("auth-keepalive-share-vars", Location, NotYet)
        .doc("Variables of nginx are shared with the request to that server."),
    row("auth-keepalive-timeout", Location, NotYet).doc("Seconds that one of them is kept."),
    row("auth-method", Location, NotYet)
        .invalid(Denied)
        .doc("Method of the request to that server."),
    row("auth-proxy-set-headers", Location, NotYet)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with fields of the request to that server."),
    row("auth-request-redirect", Location, NotYet)
        .invalid(Denied)
        .doc("Value of X-Auth-Request-Redirect."),
    row("auth-response-headers", Location, NotYet).doc("Fields of its response that backends get."),
    row("auth-signin", Location, NotYet)
        .doc("Where clients are redirected to that have to sign in."),
    row("auth-signin-redirect-param", Location, NotYet)
        .doc("Parameter of that address with the one that was asked for."),
    row("auth-snippet", Location, NotYet)
        .guard(Snippet)
        .doc("Configuration text of nginx for the request to that server."),
    row("auth-url", Location, NotYet)
        .guard(Unless(Never))
        .doc("Server that is asked about every request."),
    row("enable-global-auth", Location, NotYet)
        .guard(Unless(False))
        .doc("false: the server that the ConfigMap names is not asked."),
];
