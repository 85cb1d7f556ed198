//! Redirect to https and passthrough of TLS.

use super::cipher_list;
use super::group::Group;
use super::reader::Reader;
use super::row::Risk::Medium;
use super::row::Scope::{Host, Location};
use super::row::State::{Partial, Refused, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::{HttpsRedirect, Settings};
use crate::filter::LastSlash;

pub(super) const GROUP: Group = Group { title: "HTTPS", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row("force-ssl-redirect", Location, Supported).risk(Medium).doc(
        "Requests over http are redirected to https, whether or not the host has a certificate.",
    ),
    row("preserve-trailing-slash", Location, Supported)
        .risk(Medium)
        .doc("The redirect to https keeps a slash at the end."),
    row(
        SSL_CIPHERS,
        Host,
        Partial(
            "those with ECDHE and AEAD; hosts without a certificate of \
                                    their own have those of the default one",
        ),
    )
    .doc("Cipher suites of TLS 1.2 that clients are offered, as OpenSSL names them."),
    row("ssl-passthrough", Host, Supported)
        .doc("TLS connections to the host go to the backend of path / as they are."),
    row("ssl-prefer-server-ciphers", Host, Refused("as all suites are good: clients choose"))
        .doc("The order of the server decides between cipher suites."),
    row("ssl-redirect", Location, Supported).doc(
        "Requests over http are redirected to https where the host has a certificate; the default.",
    ),
];

const SSL_PASSTHROUGH: &str = "ssl-passthrough";
const SSL_CIPHERS: &str = "ssl-ciphers";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let is_wanted = reader.flag("ssl-redirect").unwrap_or(true);
    let is_forced = reader.flag("force-ssl-redirect").unwrap_or(false);
    settings.https_redirect = match (is_forced, is_wanted) {
        (true, _) => HttpsRedirect::Always,
        (false, true) => HttpsRedirect::WithCertificate,
        (false, false) => HttpsRedirect::Never,
    };
    if reader.flag("preserve-trailing-slash").unwrap_or(false) {
        settings.policies.https_form.last_slash = LastSlash::Kept;
    }
    settings.passthrough = reader.flag(SSL_PASSTHROUGH).unwrap_or(false);
    let advice = "Write suites with ECDHE and an AEAD; until then those of all hosts are offered.";
    settings.suites = cipher_list::read(reader, SSL_CIPHERS, advice);
}

/// The field that asks for passthrough.
pub(crate) fn passthrough_field() -> String {
    field(SSL_PASSTHROUGH)
}
