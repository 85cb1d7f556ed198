//! Fields of requests towards backends, and of responses.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{NotYet, Partial};

pub(super) const KEYS: &[Key] = &[
    key("add-headers", "", NotYet)
        .doc("NAMESPACE/NAME of a ConfigMap with fields that every response has set."),
    key("allow-backend-server-header", "false", NotYet).doc("Server of backends is passed on."),
    key("generate-request-id", "true", NotYet)
        .doc("Backends get an X-Request-ID, if clients send none."),
    key("hide-headers", "", NotYet)
        .doc("Names of fields of backends that clients do not get, with commas between."),
    key("proxy-add-original-uri-header", "false", NotYet)
        .doc("Backends get the target as clients sent it in X-Original-URI."),
    key("proxy-cookie-domain", "off", Partial(NO_EXPRESSIONS))
        .of_annotation()
        .doc("off, or FROM TO: what the domain of a backend's cookies is replaced by."),
    key("proxy-cookie-path", "off", Partial(NO_EXPRESSIONS))
        .of_annotation()
        .doc("off, or FROM TO: what the beginning of their path is replaced by."),
    key("proxy-redirect-from", "off", Partial(NO_EXPRESSIONS))
        .of_annotation()
        .doc("Beginning of Location, and of the URL in Refresh, that is replaced."),
    key("proxy-redirect-to", "off", Partial("nothing else"))
        .of_annotation()
        .doc("What it is replaced by."),
    key("proxy-set-headers", "", NotYet)
        .doc("NAMESPACE/NAME of a ConfigMap with fields that backends get; with variables."),
    key("server-tokens", "false", NotYet).doc("Responses name the server."),
];

const NO_EXPRESSIONS: &str = "regular expressions (~) are not read; nothing is replaced";
