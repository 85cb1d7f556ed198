//! The firewall ModSecurity.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("enable-modsecurity", "false", NotYet).doc("Requests go through ModSecurity."),
    key("enable-owasp-modsecurity-crs", "false", NotYet).doc("With the Core Rule Set."),
    key("modsecurity-snippet", "", NotYet).doc("Rules of ModSecurity."),
];
