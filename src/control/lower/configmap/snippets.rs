//! Configuration text of nginx.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("allow-snippet-annotations", "false", NotYet).doc("Snippets of Ingresses are read."),
    key("annotations-risk-level", "High", NotYet)
        .doc("Highest risk of an annotation that an Ingress may have."),
    key("http-snippet", "", NotYet).doc("Text for the http block."),
    key("location-snippet", "", NotYet).doc("Text for each location."),
    key("main-snippet", "", NotYet).doc("Text for the main block."),
    key("server-snippet", "", NotYet).doc("Text for each server."),
    key("stream-snippet", "", NotYet).doc("Text for the stream block."),
];
