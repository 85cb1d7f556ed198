//! Redirect to https, passthrough and client certificates, as annotations say it.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use super::{Texts, field, invalid, parse_bool};
use crate::control::source::report::Report;
use crate::model::ObjectRef;
use crate::tls::client_auth::ClientAuthMode;

const SSL_REDIRECT: &str = "ssl-redirect";
const FORCE_SSL_REDIRECT: &str = "force-ssl-redirect";
const SSL_PASSTHROUGH: &str = "ssl-passthrough";
const AUTH_TLS_SECRET: &str = "auth-tls-secret";
const AUTH_TLS_VERIFY: &str = "auth-tls-verify-client";

/// The annotations that are read here, without the prefix of the dialect.
pub(in super::super) const NAMES: [&str; 5] =
    [SSL_REDIRECT, FORCE_SSL_REDIRECT, SSL_PASSTHROUGH, AUTH_TLS_SECRET, AUTH_TLS_VERIFY];

/// What the annotations of one Ingress say.
#[derive(Debug, Clone)]
pub(in super::super) struct Annotations {
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
pub(in super::super) enum AuthTls {
    /// A certificate issued by a CA of the Secret.
    Secret {
        /// With `ca.crt`.
        secret: ObjectRef,
        /// Whether they may do without.
        mode: ClientAuthMode,
    },
    /// The author wanted something that cannot be understood: nobody gets in.
    Invalid,
}

impl AuthTls {
    /// The Secret with the CAs.
    pub(in super::super) fn secret(&self) -> Option<&ObjectRef> {
        match self {
            Self::Secret { secret, .. } => Some(secret),
            Self::Invalid => None,
        }
    }
}

impl Default for Annotations {
    fn default() -> Self {
        Self { ssl_redirect: true, force_ssl_redirect: false, passthrough: false, auth: None }
    }
}

/// The field that names the CA.
pub(in super::super) fn auth_field() -> String {
    field(AUTH_TLS_SECRET)
}

/// The field that asks for passthrough.
pub(in super::super) fn passthrough_field() -> String {
    field(SSL_PASSTHROUGH)
}

/// Reads the annotations of `ingress`. A truth value that cannot be understood has no effect; what
/// cannot be understood of client certificates lets nobody in.
pub(in super::super) fn parse(
    ingress: &ObjectRef,
    annotations: Option<&BTreeMap<String, String>>,
    report: &mut Report<'_>,
) -> Annotations {
    let texts = Texts(annotations);
    let get = |name| texts.get(name);
    let mut flag = |name, default| {
        let Some(text) = get(name) else { return default };
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
    Annotations {
        ssl_redirect: flag(SSL_REDIRECT, true),
        force_ssl_redirect: flag(FORCE_SSL_REDIRECT, false),
        passthrough: flag(SSL_PASSTHROUGH, false),
        auth: auth(ingress, get(AUTH_TLS_SECRET), get(AUTH_TLS_VERIFY), report),
    }
}

fn auth(
    ingress: &ObjectRef,
    secret: Option<&str>,
    verify: Option<&str>,
    report: &mut Report<'_>,
) -> Option<AuthTls> {
    let mode = match verify.unwrap_or("on") {
        "on" => Some(ClientAuthMode::Required),
        "optional" => Some(ClientAuthMode::Optional),
        "off" => return None,
        other => {
            let advice = "Write on, optional or off; until then all requests get status 403.";
            report.error(invalid(AUTH_TLS_VERIFY, other, "it is not supported.", advice));
            None
        }
    };
    // Without a CA nothing was asked for.
    let text = secret?;
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
    let secret = crate::control::lower::secret::secret_ref(&ingress.namespace, name);
    Some(mode.map_or(AuthTls::Invalid, |mode| AuthTls::Secret { secret, mode }))
}
