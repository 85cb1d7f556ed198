//! How connections of clients are treated.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("bind-address", "", NotYet).doc("Addresses that clients come in by."),
    key("client-body-timeout", "60", NotYet).doc("Seconds between two reads of a body."),
    key("client-header-buffer-size", "1k", NotYet).doc("Memory for the head of a request."),
    key("client-header-timeout", "60", NotYet).doc("Seconds for the head of a request."),
    key("disable-ipv6", "false", NotYet).doc("Clients come in by IPv4 alone."),
    key("disable-ipv6-dns", "false", NotYet).doc("Names are resolved to addresses of IPv4 alone."),
    key("enable-underscores-in-headers", "false", NotYet)
        .doc("Fields with _ in their names are passed on."),
    key("http2-max-concurrent-streams", "128", NotYet)
        .doc("Requests of one connection of HTTP/2 at a time."),
    key("http2-max-field-size", "", NotYet).doc("Longest field."),
    key("http2-max-header-size", "", NotYet).doc("Longest head."),
    key("http2-max-requests", "", NotYet).doc("Requests of a connection."),
    key("ignore-invalid-headers", "true", NotYet)
        .doc("Fields with other names than HTTP has are left out."),
    key("keep-alive", "75", NotYet).doc("Seconds that a connection may be idle; 0: none is kept."),
    key("keep-alive-requests", "1000", NotYet).doc("Requests of one connection."),
    key("large-client-header-buffers", "4 8k", NotYet).doc("How long heads of requests may be."),
    key("use-http2", "true", NotYet).doc("Clients may speak HTTP/2."),
];
