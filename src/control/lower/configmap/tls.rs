//! TLS towards clients.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("enable-ocsp", "false", NotYet).doc("Responses of OCSP are stapled."),
    key("hsts", "true", NotYet).doc("Strict-Transport-Security is sent."),
    key("hsts-include-subdomains", "true", NotYet).doc("It is for subdomains, too."),
    key("hsts-max-age", "31536000", NotYet).doc("Seconds that it holds."),
    key("hsts-preload", "false", NotYet).doc("Browsers may be shipped with it."),
    key("ssl-buffer-size", "4k", NotYet).doc("Longest record."),
    key("ssl-ciphers", "", NotYet).doc("Cipher suites of TLS 1.2."),
    key("ssl-dh-param", "", NotYet).doc("Secret with parameters of DH."),
    key("ssl-early-data", "false", NotYet).doc("Requests may come with the handshake."),
    key("ssl-ecdh-curve", "auto", NotYet).doc("Groups for key exchange."),
    key("ssl-protocols", "TLSv1.2 TLSv1.3", NotYet).doc("Versions of TLS."),
    key("ssl-reject-handshake", "false", NotYet)
        .doc("Clients that ask for an unknown name get no connection."),
    key("ssl-session-cache", "true", NotYet).doc("Sessions are kept."),
    key("ssl-session-cache-size", "10m", NotYet).doc("Memory for them."),
    key("ssl-session-ticket-key", "", NotYet).doc("Key of session tickets."),
    key("ssl-session-tickets", "false", NotYet).doc("Clients get session tickets."),
    key("ssl-session-timeout", "10m", NotYet).doc("How long sessions can be resumed."),
];
