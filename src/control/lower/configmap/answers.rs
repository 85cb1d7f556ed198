//! Errors, and how much a client may ask for.

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{error_status, set};
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};

pub(super) const KEYS: &[Key] = &[
    key(
        "custom-http-errors",
        "",
        Partial(
            "gRPC calls get no pages; a body goes along only if it came with the head as a whole; \
             without a default backend, or if it fails, the answer is ours and has the status",
        ),
    )
    .of_annotation()
    .doc("Statuses that the default backend answers instead; the annotation replaces them."),
    key("default-type", "text/html", NoEffect("no files are served"))
        .doc("Content-Type of files that nginx serves."),
    key("disable-proxy-intercept-errors", "false", Supported)
        .of_annotation()
        .doc("Errors of backends are passed on as they are."),
    key("limit-conn-status-code", "503", Supported)
        .put(|text, globals| set(&mut globals.defaults.limit_statuses.open, error_status(text)))
        .doc("Status where a client has too many requests under way."),
    key("limit-conn-zone-variable", "$binary_remote_addr", Partial("their address alone"))
        .put(client_variable)
        .doc("What clients are told from each other by, for all limits."),
    key("limit-rate", "0", Partial("with and without proxy-buffering"))
        .of_annotation()
        .doc("Kilobytes of a response in a second."),
    key("limit-rate-after", "0", Supported)
        .of_annotation()
        .doc("Kilobytes of a response before that."),
    key("limit-req-status-code", "503", Supported)
        .put(|text, globals| set(&mut globals.defaults.limit_statuses.rate, error_status(text)))
        .doc("Status where a client asked too often."),
];

fn client_variable(text: &str, _: &mut Globals) -> Result<(), String> {
    match text {
        "$binary_remote_addr" | "$remote_addr" | "$the_real_ip" => Ok(()),
        _ => Err("clients are told from each other by $binary_remote_addr alone".into()),
    }
}
