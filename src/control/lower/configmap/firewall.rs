//! The firewall ModSecurity, which is not here.

use super::globals::Globals;
use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{Partial, Refused};

/// As long as nobody says what [`blocks`] looks for, it writes down and lets pass.
const DETECTS: &str = "as there is no ModSecurity; without rules that say so it blocks nothing";

pub(super) const KEYS: &[Key] = &[
    key("enable-modsecurity", "false", Refused(DETECTS)).doc("Requests go through ModSecurity."),
    key("enable-owasp-modsecurity-crs", "false", Refused(DETECTS)).doc("With the Core Rule Set."),
    key("modsecurity-snippet", "", Partial("rules that block close everything: 503"))
        .put(rules)
        .guard()
        .doc("Rules of ModSecurity."),
];

fn rules(text: &str, _: &mut Globals) -> Result<(), String> {
    match text.lines().any(blocks) {
        true => Err("there is no ModSecurity to keep requests out with SecRuleEngine On".into()),
        false => Ok(()),
    }
}

fn blocks(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let [name, value] = [words.next(), words.next()].map(Option::unwrap_or_default);
    name.eq_ignore_ascii_case("SecRuleEngine") && value.trim_matches('"').eq_ignore_ascii_case("on")
}
