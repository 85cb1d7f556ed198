//! What a route names: backends, and the objects that they depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::grants::Referrer;
use super::world::World;
use crate::control::gateway_api::reference::BackendReference;
use crate::control::lower::backends::service;
use crate::model::{BackendKey, BackendTarget, Dial, Kind, ObjectRef, PortRef};

/// Why a reference leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReferenceError {
    /// Nothing that requests can go to.
    #[error("{0} is no kind that can be a backend; name a Service")]
    Kind(String),
    /// Another namespace, whose owner does not allow it.
    #[error(
        "{kind} {namespace}/{name} is in another namespace, which does not allow it; create a \
         ReferenceGrant there, from {from} in {from_namespace} to {kind} {name}"
    )]
    NotPermitted {
        /// What is named.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Who names it.
        from: Kind,
        /// Where.
        from_namespace: String,
    },
    /// There is no such object.
    #[error("there is no Service {0}; create it, or correct the name")]
    Missing(String),
    /// It has no such port.
    #[error("{0}")]
    Port(String),
    /// The port speaks what the route cannot.
    #[error("{0}")]
    Protocol(String),
}

impl ReferenceError {
    /// Of the condition ResolvedRefs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Kind(_) => "InvalidKind",
            Self::NotPermitted { .. } => "RefNotPermitted",
            Self::Missing(_) | Self::Port(_) => "BackendNotFound",
            Self::Protocol(_) => "UnsupportedProtocol",
        }
    }
}

/// A reference that leads nowhere, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// Such as `spec.rules[0].backendRefs[1]`.
    pub field: String,
    pub error: ReferenceError,
}

/// What one route names. Collects as its backends are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct References {
    /// Backends that lead somewhere, each with the field that names it first.
    pub uses: BTreeMap<BackendKey, String>,
    /// Objects whose coming, going or changing changes what the route comes to.
    pub reads: BTreeSet<ObjectRef>,
    /// In the order of the route.
    pub unresolved: Vec<Unresolved>,
}

impl References {
    /// Where the requests go for `reference`, which stands at `field` of a route; noted, whatever
    /// it comes to. `dial`: how the route wants it spoken to; its default is as the Service port
    /// says.
    ///
    /// Source: Gateway API `BackendObjectReference`: the kind is judged first, then the grant, then
    /// whether there is such an object.
    pub(super) fn backend(
        &mut self,
        world: &World<'_>,
        referrer: Referrer<'_>,
        reference: &BackendReference,
        field: &str,
        dial: Dial,
    ) -> BackendTarget {
        match self.key(world, referrer, reference, dial) {
            Ok(key) => {
                self.uses.entry(key.clone()).or_insert_with(|| field.to_owned());
                BackendTarget::Service(key)
            }
            Err(error) => {
                self.unresolved.push(Unresolved { field: field.to_owned(), error });
                BackendTarget::Invalid
            }
        }
    }

    fn key(
        &mut self,
        world: &World<'_>,
        referrer: Referrer<'_>,
        reference: &BackendReference,
        dial: Dial,
    ) -> Result<BackendKey, ReferenceError> {
        let BackendReference { group, kind, name, namespace, port } = reference;
        let group = group.as_deref().unwrap_or_default();
        let kind = kind.as_deref().unwrap_or("Service");
        if (group, kind) != ("", "Service") {
            let dot = if group.is_empty() { "" } else { "." };
            return Err(ReferenceError::Kind(format!("{kind}{dot}{group}")));
        }
        let namespace = namespace.as_deref().unwrap_or(referrer.namespace);
        if !world.grants.allow(referrer, ("", "Service"), namespace, name) {
            return Err(ReferenceError::NotPermitted {
                kind: kind.into(),
                namespace: namespace.into(),
                name: name.clone(),
                from: referrer.kind,
                from_namespace: referrer.namespace.into(),
            });
        }
        let namespace: Arc<str> = namespace.into();
        let service = ObjectRef { kind: Kind::Service, namespace, name: name.as_str().into() };
        self.reads.insert(service.clone());
        let full = || format!("{}/{name}", service.namespace);
        let Some(entry) = world.store.services.get(&service) else {
            return Err(ReferenceError::Missing(full()));
        };
        let Some(port) = *port else {
            let text = format!("no port of Service {} is named; write port", full());
            return Err(ReferenceError::Port(text));
        };
        let key = BackendKey {
            namespace: Arc::clone(&service.namespace),
            service: Arc::clone(&service.name),
            port: PortRef::Number(port),
            dial,
        };
        match service::locate(&entry.object, &key) {
            Ok(_) => Ok(key),
            Err(error) => {
                let advice = error.advice().trim_end_matches('.');
                let text = format!("Service {}, port {port}: {error}. {advice}", full());
                Err(ReferenceError::Port(text))
            }
        }
    }
}
