//! Another server says who may come in, of all Ingresses that name none themselves.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("global-auth-always-set-cookie", "false", NotYet).doc("As `auth-always-set-cookie`."),
    key("global-auth-cache-duration", "200 202 401 5m", NotYet).doc("As `auth-cache-duration`."),
    key("global-auth-cache-key", "", NotYet).doc("As `auth-cache-key`."),
    key("global-auth-method", "", NotYet).doc("As `auth-method`."),
    key("global-auth-request-redirect", "", NotYet).doc("As `auth-request-redirect`."),
    key("global-auth-response-headers", "", NotYet).doc("As `auth-response-headers`."),
    key("global-auth-signin", "", NotYet).doc("As `auth-signin`."),
    key("global-auth-signin-redirect-param", "rd", NotYet).doc("As `auth-signin-redirect-param`."),
    key("global-auth-snippet", "", NotYet).doc("As `auth-snippet`."),
    key("global-auth-url", "", NotYet).doc(
        "As `auth-url`, for all Ingresses but those with one of their own and those that say \
             `enable-global-auth: \"false\"`.",
    ),
    key("no-auth-locations", "/.well-known/acme-challenge", NotYet)
        .doc("Beginnings of paths of Ingresses that need neither a password nor such a word."),
];
