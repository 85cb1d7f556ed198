//! Who may come in.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{NotYet, Supported};

pub(super) const KEYS: &[Key] = &[
    key("block-cidrs", "", NotYet)
        .guard()
        .doc("Addresses and ranges, with commas between, of which no request is served (403)."),
    key("block-referers", "", NotYet)
        .guard()
        .doc("The same by Referer: a text, or `~` (`~*`: whatever the case) and an expression."),
    key("block-user-agents", "", NotYet).guard().doc("The same by User-Agent."),
    key("denylist-source-range", "", Supported)
        .of_annotation()
        .guard()
        .doc("Addresses and ranges that may not come in; the annotation replaces it."),
    key("whitelist-source-range", "", Supported).of_annotation().guard().doc(
        "Addresses and ranges that may come in, all others may not; the annotation replaces it.",
    ),
];
