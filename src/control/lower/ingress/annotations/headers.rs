//! Fields of responses.

use super::group::Group;
use super::row::Invalid::Denied;
use super::row::Scope::Location;
use super::row::State::NotYet;
use super::row::{Row, row};
use crate::model::Kind::ConfigMap;

pub(super) const GROUP: Group = Group { title: "Headers", rows: ROWS, read: None };

const ROWS: &[Row] = &[
    row("custom-headers", Location, NotYet)
        .invalid(Denied)
        .names(ConfigMap)
        .doc("ConfigMap with fields of all responses."),
    row("http2-push-preload", Location, NotYet)
        .doc("Link fields are pushed, which browsers no longer take."),
    row("proxy-cookie-domain", Location, NotYet).doc("What the domain of cookies is replaced by."),
    row("proxy-cookie-path", Location, NotYet).doc("What the path of cookies is replaced by."),
    row("proxy-redirect-from", Location, NotYet).doc("Text in Location that is replaced."),
    row("proxy-redirect-to", Location, NotYet).doc("What it is replaced by."),
];
