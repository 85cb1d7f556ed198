//! Certificates that clients have to show.

use std::sync::Arc;

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Guard::Unless;
use super::row::Invalid::Ignored;
use super::row::Off::{Never, Words, Zero};
use super::row::Risk::{High, Medium};
use super::row::Scope::Host;
use super::row::State::{Partial, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::{ClientCertificates, Settings};
use crate::limits::PATH_BYTES_MAX;
use crate::model::Kind::Secret;
use crate::model::{CertificatePolicy, Pattern};
use crate::tls::client_auth::{ClientAuthMode, ClientDemand};

pub(super) const GROUP: Group =
    Group { title: "Client certificates", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    // Without it the answer is 400 instead of a redirect: nobody gets in who would not.
    row(PAGE, Host, Partial("a path is no URL: clients without a certificate have nothing there."))
        .risk(High)
        .doc("URL that clients without a good certificate are redirected to (302), not told 400."),
    row(MATCH, Host, Supported)
        .risk(High)
        .guard(Unless(Never))
        .doc("Expression, CN=…, that the subject of the certificate matches somewhere (else 403)."),
    row("auth-tls-pass-certificate-to-upstream", Host, Supported)
        .doc("Backends get the certificate itself in ssl-client-cert."),
    row("auth-tls-secret", Host, Supported).risk(Medium).guard(Unless(Never)).names(Secret).doc(
        "NAMESPACE/NAME of the Secret with ca.crt, and perhaps ca.crl: clients need a certificate.",
    ),
    row("auth-tls-verify-client", Host, Supported)
        .risk(Medium)
        .guard(Unless(Words(&["off"])))
        .invalid(Ignored)
        .doc("on, optional, optional_no_ca or off."),
    row("auth-tls-verify-depth", Host, Supported)
        .guard(Unless(Zero))
        .invalid(Ignored)
        .doc("How many intermediate authorities a chain may have."),
];

const SECRET: &str = "auth-tls-secret";
const VERIFY: &str = "auth-tls-verify-client";
const DEPTH: &str = "auth-tls-verify-depth";
const PAGE: &str = "auth-tls-error-page";
const MATCH: &str = "auth-tls-match-cn";
const PASS: &str = "auth-tls-pass-certificate-to-upstream";

const UNTIL: &str = "until then all requests get status 403";

/// The field that names the CA.
pub(crate) fn secret_field() -> String {
    field(SECRET)
}

/// What cannot be understood lets nobody in.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    settings.client_auth = client_auth(reader);
}

fn client_auth(reader: &mut Reader<'_, '_>) -> Option<ClientCertificates> {
    let passes_certificate = reader.flag(PASS).unwrap_or(false);
    let subject = subject(reader);
    let page = page(reader);
    if reader.text(SECRET).is_none() {
        if let Some(text) = reader.text(MATCH) {
            let why = "without auth-tls-secret no certificate is believed.";
            let advice = format!("Name a Secret with ca.crt; {UNTIL}.");
            reader.invalid(MATCH, text, why, &advice);
            return Some(ClientCertificates::Invalid);
        }
        // Without a CA nothing was asked for.
        if let Some(mode) = reader.text(VERIFY).filter(|mode| *mode != "off") {
            let why = "without auth-tls-secret no client is asked for a certificate, as in \
                       ingress-nginx.";
            reader.doubtful(VERIFY, mode, why, "Name a Secret with ca.crt.");
        }
        return None;
    }
    let mode = match reader.text(VERIFY).unwrap_or("on") {
        "on" => ClientAuthMode::Required,
        "optional" => ClientAuthMode::Optional,
        "optional_no_ca" => ClientAuthMode::OptionalNoCa,
        "off" if subject != Ok(None) => return Some(ClientCertificates::Invalid),
        "off" => return Some(ClientCertificates::Off),
        other => {
            reader.taken_for(VERIFY, other, "on", "Write on, optional, optional_no_ca or off.");
            ClientAuthMode::Required
        }
    };
    let named = reader.named(SECRET, NameForm::Qualified, UNTIL)?;
    let Ok(secret) = named else { return Some(ClientCertificates::Invalid) };
    let Ok(subject) = subject else { return Some(ClientCertificates::Invalid) };
    let demand = ClientDemand { mode, depth: reader.verify_depth(DEPTH) };
    let asks = page.is_some() || subject.is_some();
    let policy = asks.then(|| Arc::new(CertificatePolicy { page, subject }));
    Some(ClientCertificates::Demanded { secret, demand, passes_certificate, policy })
}

/// One that cannot be understood lets nobody in.
fn subject(reader: &mut Reader<'_, '_>) -> Result<Option<Pattern>, ()> {
    let Some(text) = reader.text(MATCH) else { return Ok(None) };
    let pattern = match text.starts_with("CN=") {
        true => Pattern::new(text).map_err(|error| format!("{error}.")),
        false => Err("it does not begin with CN=.".to_owned()),
    };
    pattern.map(Some).map_err(|why| {
        let advice = format!("Write CN= and an expression for the name; {UNTIL}.");
        reader.invalid(MATCH, text, &why, &advice);
    })
}

/// A path is none: it would have to be served to clients without a certificate.
fn page(reader: &mut Reader<'_, '_>) -> Option<Arc<str>> {
    let text = reader.text(PAGE)?;
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let is_of_uri =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!&'()*+,;=%$".contains(&byte);
    let is_url = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && rest.bytes().all(is_of_uri) && text.len() <= PATH_BYTES_MAX
    };
    if rest.is_some_and(is_url) {
        return Some(text.into());
    }
    let why = "it is no URL, and clients without a certificate get status 400.";
    reader.invalid(PAGE, text, why, "Write https:// or http://, a host, and perhaps a path.");
    None
}
