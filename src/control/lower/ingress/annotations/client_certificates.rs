//! Certificates that clients have to show.

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Guard::Unless;
use super::row::Invalid::Ignored;
use super::row::Off::{Never, Words, Zero};
use super::row::Scope::Host;
use super::row::State::{NotYet, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::{ClientCertificates, Settings};
use crate::model::Kind::Secret;
use crate::tls::client_auth::{ClientAuthMode, ClientDemand};

pub(super) const GROUP: Group =
    Group { title: "Client certificates", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    // Without it the answer is 400 instead of a redirect: nobody gets in who would not.
    row("auth-tls-error-page", Host, NotYet)
        .doc("Where clients without a good certificate are redirected to."),
    row("auth-tls-match-cn", Host, NotYet)
        .guard(Unless(Never))
        .doc("Expression for the common name of the certificate."),
    row("auth-tls-pass-certificate-to-upstream", Host, Supported)
        .doc("Backends get the certificate itself in ssl-client-cert."),
    row("auth-tls-secret", Host, Supported).guard(Unless(Never)).names(Secret).doc(
        "NAMESPACE/NAME of the Secret with ca.crt, and perhaps ca.crl: clients need a certificate.",
    ),
    row("auth-tls-verify-client", Host, Supported)
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
const PASS: &str = "auth-tls-pass-certificate-to-upstream";

/// The field that names the CA.
pub(crate) fn secret_field() -> String {
    field(SECRET)
}

/// What cannot be understood lets nobody in.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let passes_certificate = reader.flag(PASS, false);
    settings.client_auth = client_auth(reader, passes_certificate);
}

fn client_auth(
    reader: &mut Reader<'_, '_>,
    passes_certificate: bool,
) -> Option<ClientCertificates> {
    if reader.text(SECRET).is_none() {
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
        "off" => return Some(ClientCertificates::Off),
        other => {
            reader.taken_for(VERIFY, other, "on", "Write on, optional, optional_no_ca or off.");
            ClientAuthMode::Required
        }
    };
    let named =
        reader.named(SECRET, NameForm::Qualified, "until then all requests get status 403")?;
    let Ok(secret) = named else { return Some(ClientCertificates::Invalid) };
    let demand = ClientDemand { mode, depth: reader.verify_depth(DEPTH) };
    Some(ClientCertificates::Demanded { secret, demand, passes_certificate })
}
