//! What TLS means for the rules of a host.

use std::sync::Arc;

use crate::control::lower::configmap::globals::Globals;
use crate::control::lower::settings::{HttpsRedirect, Settings};
use crate::model::{CertificatePolicy, ClientIdentityPolicy, Policies, Refusal};

/// Permanent, and the method stays (RFC 9110 section 15.4.9), as ingress-nginx answers.
const REDIRECT_STATUS: u16 = 308;
/// Solvers of HTTP-01 challenges are asked over plain HTTP (RFC 8555 section 8.3), by nobody who
/// has a password.
const ACME_CHALLENGES: &str = "/.well-known/acme-challenge";

/// What TLS means for the rules of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HostTls {
    /// It has a TLS entry, be it one whose Secret is missing, or its one-label wildcard has.
    pub has_entry: bool,
    /// Clients should prove who they are and cannot.
    pub is_denied: bool,
    /// What backends are told of them.
    pub identity: ClientIdentityPolicy,
    /// What is asked of their certificates besides.
    pub certificate: Option<Arc<CertificatePolicy>>,
}

impl HostTls {
    /// The policies of a rule of the host: those of its settings, and what TLS adds.
    pub(crate) fn policies(
        &self,
        path: &str,
        settings: &Settings,
        hsts: Option<&Arc<str>>,
        globals: &Globals,
    ) -> Policies {
        let is_wanted = match settings.https_redirect {
            HttpsRedirect::Never => false,
            HttpsRedirect::WithCertificate => self.has_entry,
            HttpsRedirect::Always => true,
        };
        let denied = self.is_denied.then_some(Refusal::ClientCertificates);
        let is_redirected = is_wanted && !begins_with(path, globals.no_tls_redirect.as_deref());
        let is_exempt = begins_with(path, globals.no_auth.as_deref());
        Policies {
            https_redirect: is_redirected.then_some(redirect_status(globals)),
            hsts: hsts.filter(|_| self.has_entry).cloned(),
            client_identity: self.identity,
            certificate: self.certificate.clone(),
            refusal: denied.or(settings.policies.refusal),
            external_auth: settings.policies.external_auth.clone().filter(|_| !is_exempt),
            ..settings.policies.clone()
        }
    }
}

/// Whether a path of an Ingress begins with one of `all`; `None`: those of ACME.
pub(crate) fn begins_with(path: &str, all: Option<&[Box<str>]>) -> bool {
    match all {
        None => path.starts_with(ACME_CHALLENGES),
        Some(all) => all.iter().any(|beginning| path.starts_with(&**beginning)),
    }
}

/// The status of redirects to where a host is to be asked.
pub(crate) fn redirect_status(globals: &Globals) -> u16 {
    globals.redirect_status.unwrap_or(REDIRECT_STATUS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Timeouts;

    /// Each says its part, and neither takes the other's away.
    #[test]
    fn settings_and_tls_make_the_policies_of_a_rule() {
        let timeouts = Timeouts { read: Some(Duration::from_secs(7)), ..Timeouts::default() };
        let own = Policies { timeouts, body_bytes_max: Some(9), ..Policies::default() };
        let refused = Policies { refusal: Some(Refusal::NotSupported), ..own.clone() };
        let told = ClientIdentityPolicy::Told;
        let (hsts, globals): (Arc<str>, _) = ("max-age=1".into(), Globals::default());
        let page = Some("https://x.example/".into());
        let certificate = Some(Arc::new(CertificatePolicy { page, subject: None }));
        let open = HostTls {
            has_entry: true,
            is_denied: false,
            identity: told,
            certificate: certificate.clone(),
        };
        let closed = HostTls { is_denied: true, ..open.clone() };
        let of_tls = |own: &Policies, refusal| Policies {
            https_redirect: Some(REDIRECT_STATUS),
            hsts: Some(Arc::clone(&hsts)),
            client_identity: told,
            certificate: certificate.clone(),
            refusal,
            ..own.clone()
        };
        for (tls, own, expected) in [
            (&HostTls::default(), &own, own.clone()),
            (&HostTls::default(), &refused, refused.clone()),
            (&open, &own, of_tls(&own, None)),
            (&open, &refused, of_tls(&own, Some(Refusal::NotSupported))),
            (&closed, &own, of_tls(&own, Some(Refusal::ClientCertificates))),
            (&closed, &refused, of_tls(&own, Some(Refusal::ClientCertificates))),
        ] {
            let settings = Settings { policies: own.clone(), ..Settings::default() };
            assert_eq!(tls.policies("/", &settings, Some(&hsts), &globals), expected);
        }
    }
}
