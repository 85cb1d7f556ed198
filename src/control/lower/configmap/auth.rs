//! Another server says who may come in, of all Ingresses that name none themselves.

use super::row::{Key, key};
use super::values::{paths, set};
use crate::control::lower::ingress::annotations::row::State::{Partial, Supported};

pub(super) const KEYS: &[Key] = &[
    key("global-auth-always-set-cookie", "false", Supported)
        .auth("auth-always-set-cookie")
        .doc("As `auth-always-set-cookie`."),
    key("global-auth-cache-duration", "200 202 401 5m", Supported)
        .auth("auth-cache-duration")
        .doc("As `auth-cache-duration`."),
    key("global-auth-cache-key", "", Supported).auth("auth-cache-key").doc("As `auth-cache-key`."),
    key("global-auth-method", "", Supported).auth("auth-method").doc("As `auth-method`."),
    key("global-auth-request-redirect", "", Supported)
        .auth("auth-request-redirect")
        .doc("As `auth-request-redirect`."),
    key("global-auth-response-headers", "", Supported)
        .auth("auth-response-headers")
        .doc("As `auth-response-headers`."),
    key("global-auth-signin", "", Supported).auth("auth-signin").doc("As `auth-signin`."),
    key("global-auth-signin-redirect-param", "rd", Supported)
        .auth("auth-signin-redirect-param")
        .doc("As `auth-signin-redirect-param`."),
    key(
        "global-auth-snippet",
        "",
        Partial(
            "proxy_set_header, and what has nothing to do here; anything else closes the rules",
        ),
    )
    .auth("auth-snippet")
    .doc("As `auth-snippet`."),
    key("global-auth-url", "", Partial("a variable in the host other than $host closes the rules"))
        .auth("auth-url")
        .doc(
            "As `auth-url`, for all Ingresses but those with one of their own and those that say \
             `enable-global-auth: \"false\"`.",
        ),
    key("no-auth-locations", "/.well-known/acme-challenge", Supported)
        .put(|text, globals| set(&mut globals.no_auth, paths(text).map(Some)))
        .may_be_empty()
        .doc("Beginnings of paths of Ingresses that need neither a password nor such a word."),
];
