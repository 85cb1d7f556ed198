//! How backends of routes are spoken to.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ServicePort;

use super::authorities::Closed;
use super::meaning::Lowering;
use super::references::{ReferenceError, References, Unresolved};
use crate::control::gateway_api::reference::BackendReference;
use crate::control::lower::backends::service;
use crate::model::{BackendProtocol, BackendTarget, Dial, Kind, ObjectRef};

/// A route that is lowered, and what its backends have to speak.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub lowering: Lowering<'a>,
    pub speech: Speech,
}

/// What a route has its backends spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP of any version, as the Service port says.
    Http,
    /// gRPC, which is HTTP/2.
    Grpc,
    /// Whatever clients speak: it is relayed as it is.
    Octets,
}

impl Speaker<'_> {
    /// Where the requests go for `reference`, which stands at `field`.
    pub(super) fn backend(
        &self,
        references: &mut References,
        reference: &BackendReference,
        field: &str,
    ) -> BackendTarget {
        let world = self.lowering.world;
        let (service, port) = self.port(reference);
        let said = port.and_then(|port| port.app_protocol.as_deref());
        let dial = self.speech.dial(said);
        let protocol = dial.as_ref().ok().copied().flatten();
        let policy = world.policies.dial(&service, port);
        let spoken = protocol.unwrap_or_else(|| service::app_protocol(said));
        let (protocol, tls) = match &policy {
            Some(Ok(tls)) => (Some(self.speech.over_tls(said)), Some(tls)),
            Some(Err(Closed)) | None => (protocol, None),
        };
        let tls = match tls.is_some() || spoken.is_tls() {
            true => self.lowering.identity.shown(tls),
            false => Ok(None),
        };
        let is_closed = tls.is_err() || matches!(policy, Some(Err(Closed)));
        let dial_as = Dial { protocol, tls: tls.unwrap_or_default(), ..Dial::default() };
        let target = references.backend(world, self.lowering.referrer(), reference, field, dial_as);
        match (dial, target) {
            (Err(error), BackendTarget::Service(_)) => {
                references.unresolved.push(Unresolved { field: field.to_owned(), error });
                BackendTarget::Invalid
            }
            // Its policy says why, or the Gateway.
            (Ok(_), BackendTarget::Service(_)) if is_closed => BackendTarget::Invalid,
            (_, target) => target,
        }
    }

    /// The Service that is named, and the port of it.
    fn port(&self, reference: &BackendReference) -> (ObjectRef, Option<&ServicePort>) {
        let namespace = match &reference.namespace {
            Some(namespace) => namespace.as_str().into(),
            None => Arc::clone(&self.lowering.reference.namespace),
        };
        let name = reference.name.as_str().into();
        let service = ObjectRef { kind: Kind::Service, namespace, name };
        let entry = self.lowering.world.store.services.get(&service);
        let ports = entry.and_then(|entry| entry.object.spec.as_ref()?.ports.as_ref());
        let is_it = |port: &&ServicePort| reference.port.map(i32::from) == Some(port.port);
        (service, ports.and_then(|ports| ports.iter().find(is_it)))
    }
}

impl Speech {
    /// What a port is spoken to in over TLS that says this of itself.
    fn over_tls(self, said: Option<&str>) -> BackendProtocol {
        match (self, said) {
            (Self::Grpc, _)
            | (Self::Http, Some("kubernetes.io/h2c" | "h2c" | "http2" | "grpc" | "grpcs")) => {
                BackendProtocol::Grpcs
            }
            (Self::Http, _) => BackendProtocol::Https,
            (Self::Octets, _) => BackendProtocol::Tls,
        }
    }

    /// What a port is spoken to in that says this of itself; `None`: as it says.
    ///
    /// Source: Gateway API `BackendRef`, KEP-3726; GRPCRoute needs no word of the port.
    fn dial(self, said: Option<&str>) -> Result<Option<BackendProtocol>, ReferenceError> {
        let said = said.unwrap_or_default();
        match (self, said) {
            (Self::Http, _) => Ok(None),
            (Self::Octets, said) => {
                let is_tls = service::app_protocol(Some(said)).is_tls();
                Ok(is_tls.then_some(BackendProtocol::Tls))
            }
            (Self::Grpc, "" | "kubernetes.io/h2c" | "h2c" | "http2" | "grpc") => {
                Ok(Some(BackendProtocol::Grpc))
            }
            (Self::Grpc, "https" | "grpcs") => Ok(Some(BackendProtocol::Grpcs)),
            (Self::Grpc, other) => Err(ReferenceError::Protocol(format!(
                "its appProtocol is {other}, which carries no gRPC; write kubernetes.io/h2c in \
                 the Service"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_where_http2_is_spoken() {
        for (said, http, grpc) in [
            (None, Ok(None), Some(BackendProtocol::Grpc)),
            (Some("kubernetes.io/h2c"), Ok(None), Some(BackendProtocol::Grpc)),
            (Some("grpcs"), Ok(None), Some(BackendProtocol::Grpcs)),
            (Some("kubernetes.io/ws"), Ok(None), None),
            (Some("redis"), Ok(None), None),
        ] {
            assert_eq!(Speech::Http.dial(said), http, "{said:?}");
            assert_eq!(Speech::Grpc.dial(said).ok().flatten(), grpc, "{said:?}");
            let is_http2 = said == Some("kubernetes.io/h2c") || said == Some("grpcs");
            assert_eq!(Speech::Http.over_tls(said).is_http2(), is_http2, "{said:?}");
            assert_eq!(Speech::Grpc.over_tls(said), BackendProtocol::Grpcs, "{said:?}");
            let is_tls = said == Some("grpcs");
            let octets = is_tls.then_some(BackendProtocol::Tls);
            assert_eq!(Speech::Octets.dial(said), Ok(octets), "{said:?}");
        }
        let error = Speech::Grpc.dial(Some("kubernetes.io/ws")).expect_err("no gRPC");
        assert_eq!(error.reason(), "UnsupportedProtocol");
    }
}
