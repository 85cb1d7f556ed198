//! Compression of responses.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("brotli-level", "4", NotYet).doc("How much brotli tries."),
    key("brotli-min-length", "20", NotYet).doc("Shortest response that it compresses."),
    key("brotli-types", "", NotYet).doc("Media types that it compresses."),
    key("enable-brotli", "false", NotYet).doc("Responses are compressed by brotli."),
    key("gzip-disable", "", NotYet).doc("User-Agents that get nothing compressed."),
    key("gzip-level", "1", NotYet).doc("How much gzip tries."),
    key("gzip-min-length", "256", NotYet).doc("Shortest response that it compresses."),
    key("gzip-types", "", NotYet).doc("Media types that it compresses."),
    key("use-gzip", "false", NotYet).doc("Responses are compressed by gzip."),
];
