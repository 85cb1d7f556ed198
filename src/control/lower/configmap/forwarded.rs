//! Who the client is, where somebody stands in between.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("compute-full-forwarded-for", "false", NotYet)
        .doc("X-Forwarded-For is appended to, not replaced."),
    key("enable-real-ip", "false", NotYet)
        .doc("The client's address is that of `forwarded-for-header`."),
    key("forwarded-for-header", "X-Forwarded-For", NotYet)
        .doc("Field with the addresses of the client and of proxies."),
    key("proxy-protocol-header-timeout", "5s", NotYet).doc("Time for a PROXY header."),
    key("proxy-real-ip-cidr", "0.0.0.0/0", NotYet).doc("Whose words on the client are believed."),
    key("use-forwarded-headers", "false", NotYet)
        .doc("X-Forwarded-* of who stands in between are believed."),
    key("use-proxy-protocol", "false", NotYet).doc("Connections begin with a PROXY header."),
];
