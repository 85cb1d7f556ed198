//! Redirect to https, passthrough and client certificates, as annotations say it.

use std::collections::BTreeMap;

use super::{Texts, field, invalid, parse_bool, taken_for};
use crate::control::source::report::Report;
use crate::limits::TLS_VERIFY_DEPTH;
use crate::model::ObjectRef;
use crate::tls::client_auth::{ClientAuthMode, ClientDemand};

const SSL_REDIRECT: &str = "ssl-redirect";
const FORCE_SSL_REDIRECT: &str = "force-ssl-redirect";
const SSL_PASSTHROUGH: &str = "ssl-passthrough";
const AUTH_TLS_SECRET: &str = "auth-tls-secret";
const AUTH_TLS_VERIFY: &str = "auth-tls-verify-client";
const AUTH_TLS_DEPTH: &str = "auth-tls-verify-depth";
const AUTH_TLS_PASS: &str = "auth-tls-pass-certificate-to-upstream";

/// What the annotations of one Ingress say.
#[derive(Debug, Clone)]
pub(crate) struct Annotations {
    /// Redirect where there is a certificate.
    pub ssl_redirect: bool,
    /// Redirect in any case.
    pub force_ssl_redirect: bool,
    /// The host's connections go to the backend of its root path as they are.
    pub passthrough: bool,
    /// `None`: no client certificate is asked for.
    pub auth: Option<AuthTls>,
}

/// What clients must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthTls {
    /// A certificate issued by a CA of the Secret.
    Secret {
        /// With `ca.crt`.
        secret: ObjectRef,
        /// Whether they may do without, and how long their chains may be.
        demand: ClientDemand,
        /// The backend gets the certificate itself.
        passes_certificate: bool,
    },
    /// Nothing, in so many words.
    Off,
    /// The author wanted something that cannot be understood: nobody gets in.
    Invalid,
}

impl AuthTls {
    /// The Secret with the CAs.
    pub(crate) fn secret(&self) -> Option<&ObjectRef> {
        match self {
            Self::Secret { secret, .. } => Some(secret),
            Self::Off | Self::Invalid => None,
        }
    }
}

impl Default for Annotations {
    fn default() -> Self {
        Self { ssl_redirect: true, force_ssl_redirect: false, passthrough: false, auth: None }
    }
}

/// The field that names the CA.
pub(crate) fn auth_field() -> String {
    field(AUTH_TLS_SECRET)
}

/// The field that asks for passthrough.
pub(crate) fn passthrough_field() -> String {
    field(SSL_PASSTHROUGH)
}

/// Reads the annotations of `ingress`. A truth value that cannot be understood has no effect; what
/// cannot be understood of client certificates lets nobody in.
pub(crate) fn parse(
    ingress: &ObjectRef,
    annotations: Option<&BTreeMap<String, String>>,
    report: &mut Report<'_>,
) -> Annotations {
    let texts = Texts(annotations);
    let mut flag = |name, default| {
        let Some(text) = texts.get(name) else { return default };
        parse_bool(text).unwrap_or_else(|| {
            report.error(invalid(
                name,
                text,
                "it is no truth value.",
                "Write \"true\" or \"false\".",
            ));
            default
        })
    };
    let annotations = Annotations {
        ssl_redirect: flag(SSL_REDIRECT, true),
        force_ssl_redirect: flag(FORCE_SSL_REDIRECT, false),
        passthrough: flag(SSL_PASSTHROUGH, false),
        auth: None,
    };
    let passes_certificate = flag(AUTH_TLS_PASS, false);
    Annotations { auth: auth(ingress, texts, passes_certificate, report), ..annotations }
}

fn auth(
    ingress: &ObjectRef,
    texts: Texts<'_>,
    passes_certificate: bool,
    report: &mut Report<'_>,
) -> Option<AuthTls> {
    let Some(text) = texts.get(AUTH_TLS_SECRET) else {
        // Without a CA nothing was asked for.
        if let Some(mode) = texts.get(AUTH_TLS_VERIFY).filter(|mode| *mode != "off") {
            let why = "without auth-tls-secret no client is asked for a certificate, as in \
                       ingress-nginx.";
            report.warning(invalid(AUTH_TLS_VERIFY, mode, why, "Name a Secret with ca.crt."));
        }
        return None;
    };
    let mode = match texts.get(AUTH_TLS_VERIFY).unwrap_or("on") {
        "on" => ClientAuthMode::Required,
        "optional" => ClientAuthMode::Optional,
        "optional_no_ca" => ClientAuthMode::OptionalNoCa,
        "off" => return Some(AuthTls::Off),
        other => {
            let advice = "Write on, optional, optional_no_ca or off.";
            report.warning(taken_for(AUTH_TLS_VERIFY, other, "on", advice));
            ClientAuthMode::Required
        }
    };
    let name = text.split_once('/').filter(|(namespace, name)| {
        **namespace == *ingress.namespace && !name.is_empty() && !name.contains('/')
    });
    let Some((_, name)) = name else {
        let advice = "Write NAMESPACE/NAME of a Secret in the namespace of the Ingress; until then \
                      all requests get status 403.";
        let why = "it names no Secret in the namespace of the Ingress.";
        report.error(invalid(AUTH_TLS_SECRET, text, why, advice));
        return Some(AuthTls::Invalid);
    };
    let secret = crate::control::lower::secrets::secret_ref(&ingress.namespace, name);
    let demand = ClientDemand { mode, depth: depth(texts, report) };
    Some(AuthTls::Secret { secret, demand, passes_certificate })
}

/// Zero is the default, as in ingress-nginx.
fn depth(texts: Texts<'_>, report: &mut Report<'_>) -> u8 {
    let Some(text) = texts.get(AUTH_TLS_DEPTH) else { return TLS_VERIFY_DEPTH };
    match text.parse() {
        Ok(0) => TLS_VERIFY_DEPTH,
        Ok(depth) => depth,
        Err(_) => {
            let why = format!("it is no number up to 255, and {TLS_VERIFY_DEPTH} counts.");
            let advice = "Write how many intermediate authorities a chain may have.";
            report.error(invalid(AUTH_TLS_DEPTH, text, &why, advice));
            TLS_VERIFY_DEPTH
        }
    }
}
