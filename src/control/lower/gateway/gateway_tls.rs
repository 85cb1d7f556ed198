//! `spec.tls` of a Gateway: what is demanded of clients, and what backends are shown.
//!
//! A demand that cannot be read closes the listeners that it is about: nobody gets past a check
//! because it cannot be made.
//!
//! Source: Gateway API `GatewayTLSConfig`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::authorities::{self, Closed};
use super::grants::{Grants, Referrer, Unusable};
use super::listeners::{Fault, no_certificate};
use crate::control::gateway_api::gateway::{
    BackendTls, FrontendTls, FrontendTlsConfig, FrontendValidation, GatewayTls as Spec,
};
use crate::control::gateway_api::reference::ObjectReference;
use crate::control::store::Store;
use crate::limits::CLIENT_CA_REFERENCES_MAX;
use crate::model::{DialTls, Kind, ObjectRef};
use crate::tls::client_auth::{ClientAuth, ClientAuthId, ClientAuthMode};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct GatewayTls {
    default: PortTls,
    per_port: BTreeMap<u16, PortTls>,
    /// ConfigMaps that it may use.
    pub maps: BTreeSet<ObjectRef>,
    /// Secret that backends are shown; `Err`: condition ResolvedRefs.
    pub client_certificate: Option<Result<ObjectRef, Fault>>,
    /// Why nobody can be shown it; condition ResolvedRefs.
    pub broken_certificate: Option<Fault>,
    /// Clients come in whatever they show, at some port.
    pub is_insecure: bool,
}

/// What is demanded at a port.
#[derive(Debug, Default)]
pub(super) struct PortTls {
    pub demand: Demand,
    /// Condition ResolvedRefs.
    pub unresolved: Option<Fault>,
}

/// What clients have to show.
#[derive(Debug, Default)]
pub(super) enum Demand {
    #[default]
    Nothing,
    Certificate(Arc<ClientAuth>),
    /// Nobody can say, so that nobody comes in: condition Accepted.
    Unreadable(Fault),
}

impl Demand {
    /// Which policy it is; of what is unreadable, one that no connection has.
    pub(super) fn id(&self) -> ClientAuthId {
        match self {
            Self::Nothing => ClientAuthId::default(),
            Self::Certificate(auth) => auth.id(),
            Self::Unreadable(_) => ClientAuthId(u64::MAX),
        }
    }
}

/// What backends of a Gateway are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Identity {
    #[default]
    Nobody,
    /// The certificate of a Secret, by namespace and name.
    Certificate(Arc<str>, Arc<str>),
    /// Something that cannot be used: by TLS they are not spoken to.
    Unusable,
}

impl Identity {
    /// How a backend is spoken to by TLS, which is to be done so in any case; `None`: nobody says.
    pub(super) fn shown(&self, tls: Option<&Arc<DialTls>>) -> Result<Option<Arc<DialTls>>, Closed> {
        match self {
            Self::Nobody => Ok(tls.cloned()),
            Self::Certificate(namespace, name) => {
                let secret = Some((Arc::clone(namespace), Arc::clone(name)));
                let of_policy = tls.map(|tls| DialTls::clone(tls)).unwrap_or_default();
                Ok(Some(Arc::new(DialTls { secret, ..of_policy })))
            }
            Self::Unusable => Err(Closed),
        }
    }
}

/// What `spec.tls` is read with.
pub(super) struct Reading<'a> {
    pub store: &'a Store,
    pub grants: &'a Grants,
    /// The Gateway.
    pub referrer: Referrer<'a>,
}

impl GatewayTls {
    pub(super) fn read(reading: &Reading<'_>, spec: Option<&Spec>) -> Self {
        let mut tls = Self::default();
        let Some(Spec { backend, frontend }) = spec else { return tls };
        if let Some(FrontendTls { default, per_port }) = frontend {
            tls.default = tls.port(reading, default, "spec.tls.frontend.default");
            for (index, own) in per_port.iter().enumerate() {
                let field = format!("spec.tls.frontend.perPort[{index}].tls");
                let read = tls.port(reading, &own.tls, &field);
                tls.per_port.entry(own.port).or_insert(read);
            }
        }
        let reference = backend
            .as_ref()
            .and_then(|BackendTls { client_certificate_ref }| client_certificate_ref.as_ref());
        tls.client_certificate = reference.map(|reference| {
            let Reading { grants, referrer, .. } = reading;
            grants.resolve(*referrer, reference, Kind::Secret).map_err(|why| match why {
                Unusable::Kind(kind) => {
                    let text = no_certificate(&kind);
                    client_certificate_fault("InvalidClientCertificateRef", text)
                }
                Unusable::NotPermitted(text) => client_certificate_fault("RefNotPermitted", text),
            })
        });
        tls
    }

    /// What is demanded at a port.
    pub(super) fn at(&self, port: u16) -> &PortTls {
        self.per_port.get(&port).unwrap_or(&self.default)
    }

    /// What backends are shown.
    pub(super) fn identity(&self) -> Identity {
        match &self.client_certificate {
            None => Identity::Nobody,
            Some(Ok(secret)) if self.broken_certificate.is_none() => {
                Identity::Certificate(Arc::clone(&secret.namespace), Arc::clone(&secret.name))
            }
            Some(_) => Identity::Unusable,
        }
    }

    /// What is wrong with the Secret that backends are shown.
    pub(super) fn client_certificate_fault(&self) -> Option<&Fault> {
        let found = self.client_certificate.as_ref();
        found.and_then(|found| found.as_ref().err()).or(self.broken_certificate.as_ref())
    }

    /// Whether what it comes to depends on the object.
    pub(super) fn names(&self, object: &ObjectRef) -> bool {
        let secret = self.client_certificate.as_ref().and_then(|found| found.as_ref().ok());
        self.maps.contains(object) || secret == Some(object)
    }

    fn port(&mut self, reading: &Reading<'_>, config: &FrontendTlsConfig, field: &str) -> PortTls {
        let FrontendTlsConfig { validation } = config;
        let Some(FrontendValidation { ca_certificate_refs, mode }) = validation else {
            return PortTls::default();
        };
        let closed = |reason, field: String, text: String| PortTls {
            demand: Demand::Unreadable(Fault::new(reason, field, text)),
            unresolved: None,
        };
        let mode = match mode.as_deref() {
            None | Some("" | "AllowValidOnly") => ClientAuthMode::InHandshake,
            Some("AllowInsecureFallback") => ClientAuthMode::Whatever,
            Some(other) => {
                let text =
                    format!("{other:?} is no mode; write AllowValidOnly or AllowInsecureFallback.");
                return closed("UnsupportedValue", format!("{field}.validation.mode"), text);
            }
        };
        self.is_insecure |= mode == ClientAuthMode::Whatever;
        let field = format!("{field}.validation.caCertificateRefs");
        if ca_certificate_refs.len() > CLIENT_CA_REFERENCES_MAX {
            let text = format!("It has {CLIENT_CA_REFERENCES_MAX} references at most.");
            return closed("UnsupportedValue", field, text);
        }
        let (mut bundle, mut unresolved) = (Vec::new(), None);
        for (index, reference) in ca_certificate_refs.iter().enumerate() {
            match self.authorities(reading, reference, mode) {
                Ok(read) => bundle.extend(read),
                Err((reason, text)) => {
                    let fault = || Fault::new(reason, format!("{field}[{index}]"), text);
                    unresolved.get_or_insert_with(fault);
                }
            }
        }
        let demand = match ClientAuth::from_pem(&bundle, None, mode) {
            Ok(auth) => Demand::Certificate(auth),
            Err(error) if !bundle.is_empty() => Demand::Unreadable(Fault::new(
                "NoValidCACertificate",
                field,
                format!("All: {error}."),
            )),
            Err(_) => {
                let text = "There is no certificate to check those of clients against; name a \
                            ConfigMap with ca.crt.";
                Demand::Unreadable(Fault::new("NoValidCACertificate", field, text))
            }
        };
        PortTls { demand, unresolved }
    }

    /// Certificates of authorities, or why they cannot be used: a reason and a sentence.
    fn authorities(
        &mut self,
        Reading { store, grants, referrer }: &Reading<'_>,
        reference: &ObjectReference,
        mode: ClientAuthMode,
    ) -> Result<Vec<u8>, (&'static str, String)> {
        let map =
            grants.resolve(*referrer, reference, Kind::ConfigMap).map_err(|why| match why {
                Unusable::Kind(kind) => {
                    let text = format!("A {kind} holds no authorities; name a ConfigMap.");
                    ("InvalidCACertificateKind", text)
                }
                Unusable::NotPermitted(text) => ("RefNotPermitted", text),
            })?;
        self.maps.insert(map.clone());
        let check =
            |pem: &[u8]| ClientAuth::from_pem(pem, None, mode).map(|_| [pem, b"\n"].concat());
        authorities::read(store, &map, check).map_err(|text| ("InvalidCACertificateRef", text))
    }
}

/// Of the Secret that backends are shown.
pub(super) fn client_certificate_fault(reason: &'static str, text: impl Into<String>) -> Fault {
    Fault::new(reason, "spec.tls.backend.clientCertificateRef", text)
}
