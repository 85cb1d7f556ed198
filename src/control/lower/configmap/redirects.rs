//! Redirects to https and elsewhere.

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{paths, set};
use crate::control::lower::ingress::annotations::row::State::Supported;

pub(super) const KEYS: &[Key] = &[
    key("force-ssl-redirect", "false", Supported).of_annotation().doc(
        "Requests over http are redirected to https, whether or not the host has a certificate.",
    ),
    key("http-redirect-code", "308", Supported)
        .put(status)
        .doc("Status of these redirects: 301, 302, 307 or 308."),
    key("no-tls-redirect-locations", "/.well-known/acme-challenge", Supported)
        .put(|text, globals| set(&mut globals.no_tls_redirect, paths(text).map(Some)))
        .may_be_empty()
        .doc("Beginnings of paths of Ingresses that are served over http."),
    key("preserve-trailing-slash", "false", Supported)
        .of_annotation()
        .doc("The redirect to https keeps a slash at the end."),
    key("relative-redirects", "false", Supported)
        .of_annotation()
        .doc("A redirect to a path names no host."),
    key("ssl-redirect", "true", Supported)
        .of_annotation()
        .doc("Requests over http are redirected to https where the host has a certificate."),
    key("use-port-in-redirects", "false", Supported)
        .of_annotation()
        .doc("The redirect to https names the port 443, one to a path that of the listener."),
];

fn status(text: &str, globals: &mut Globals) -> Result<(), String> {
    let status = text.parse().ok().filter(|status| matches!(status, 301 | 302 | 307 | 308));
    globals.redirect_status = Some(status.ok_or("only 301, 302, 307 and 308 are possible")?);
    Ok(())
}
