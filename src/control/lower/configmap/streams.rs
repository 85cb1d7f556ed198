//! TCP and UDP services.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("proxy-stream-next-upstream", "true", NotYet)
        .doc("Another endpoint is asked where one cannot be connected to."),
    key("proxy-stream-next-upstream-timeout", "600s", NotYet).doc("Within which time."),
    key("proxy-stream-next-upstream-tries", "3", NotYet).doc("How many are asked."),
    key("proxy-stream-responses", "1", NotYet).doc("Datagrams that a datagram is answered by."),
    key("proxy-stream-timeout", "600s", NotYet).doc("How long either side may be silent."),
];
