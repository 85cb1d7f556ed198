//! What lowering is told besides objects.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{BackendKey, Defaults, Downstream, EntryPoint, Hsts, ObjectRef};

/// Name of ours among controllers of Gateways, where no flag says another one.
pub const GATEWAY_CONTROLLER: &str = "ringway.dev/gateway";

/// What lowering is told by flags and by the kind of source.
#[derive(Debug, Clone)]
pub struct LowerOptions {
    /// Where clients come in by the flags `--http-bind` and `--https-bind`, as bound.
    pub entry_points: Vec<EntryPoint>,
    /// `--ingress-class`.
    pub ingress_class: String,
    /// `--controller-class`: IngressClasses with this `spec.controller` are ours.
    pub controller_class: String,
    /// `--watch-ingress-without-class`: Ingresses that name no class are ours in any case.
    pub watch_without_class: bool,
    /// `--ingress-class-by-name`: a class of the name [`Self::ingress_class`] is ours in any case.
    pub class_by_name: bool,
    /// `--disable-catch-all`.
    pub catch_all: CatchAll,
    /// `--disable-svc-external-name`.
    pub external_names: ExternalNames,
    /// `--default-backend-service`.
    pub default_backend: Option<BackendKey>,
    /// `--default-ssl-certificate`; `None`: a self-signed one.
    pub default_certificate: Option<ObjectRef>,
    /// `--tls-ticket-keys`; `None`: keys of this process alone.
    pub ticket_keys: Option<ObjectRef>,
    /// `--configmap`; `None`: flags alone count.
    pub config_map: Option<ObjectRef>,
    /// `--tcp-services-configmap`; `None`: there are no TCP services.
    pub tcp_services: Option<ObjectRef>,
    /// `--udp-services-configmap`, likewise.
    pub udp_services: Option<ObjectRef>,
    /// `--gateway-controller`: GatewayClasses with this `spec.controllerName` are ours.
    pub gateway_controller: Arc<str>,
    /// `--gateway-addresses`: ranges of which each Gateway gets an address of its own, as first
    /// address and common bits; none: Gateways are where Ingresses are.
    pub gateway_addresses: Vec<(IpAddr, u32)>,
    /// `--gateway-services`.
    pub gateway_services: OwnServices,
    /// What hosts with a TLS entry say.
    pub hsts: Hsts,
    /// What rules leave open.
    pub defaults: Defaults,
    /// How clients are treated before it is known what they ask for.
    pub downstream: Downstream,
    /// Endpoints and external names may lead to loopback and link-local addresses: true for a
    /// directory, whose author owns the host anyway; false for a cluster.
    pub allow_local_addresses: bool,
    /// Ingresses without a class are ours where no IngressClass object exists at all, and an
    /// IngressClass without a controller counts by its name: true for a directory.
    pub adopt_classless: bool,
    /// What controllers write (EndpointSlices) need not be there: true for manifests that are
    /// checked before a cluster has them.
    pub is_offline: bool,
    /// `topology.kubernetes.io/zone` of our node, for endpoints with hints; `None`: hints for
    /// zones have no effect.
    pub zone: Option<Arc<str>>,
    /// Our node, likewise.
    pub node: Option<Arc<str>>,
}

/// What becomes of Ingresses with a default backend, which serves hosts that others claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchAll {
    /// They are served.
    Served,
    /// They are left alone, as if they were of another class.
    Ignored,
}

/// Whether Gateways have Services of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnServices {
    /// One is made for each.
    Made,
    /// They have none.
    LeftOut,
}

/// What becomes of Services of type ExternalName.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalNames {
    /// Requests go where their names lead.
    Resolved,
    /// They have no endpoints.
    Refused,
}

impl LowerOptions {
    /// Objects of a cluster, everything else left out.
    #[must_use]
    pub fn cluster(ingress_class: impl Into<String>, controller_class: impl Into<String>) -> Self {
        Self {
            entry_points: Vec::new(),
            ingress_class: ingress_class.into(),
            controller_class: controller_class.into(),
            watch_without_class: false,
            class_by_name: false,
            catch_all: CatchAll::Served,
            external_names: ExternalNames::Resolved,
            default_backend: None,
            default_certificate: None,
            ticket_keys: None,
            config_map: None,
            tcp_services: None,
            udp_services: None,
            gateway_controller: GATEWAY_CONTROLLER.into(),
            gateway_addresses: Vec::new(),
            gateway_services: OwnServices::LeftOut,
            hsts: Hsts::default(),
            defaults: Defaults::default(),
            downstream: Downstream::default(),
            allow_local_addresses: false,
            adopt_classless: false,
            is_offline: false,
            zone: None,
            node: None,
        }
    }

    /// Objects that flags name, of kinds of which only those are read that something names.
    pub fn named(&self) -> impl Iterator<Item = &ObjectRef> {
        let maps = [&self.config_map, &self.tcp_services, &self.udp_services];
        [&self.default_certificate, &self.ticket_keys].into_iter().chain(maps).flatten()
    }

    /// Objects of a directory: it belongs to whoever runs the process, so that local addresses are
    /// theirs to name, and Ingresses seldom name a class there.
    #[must_use]
    pub fn directory(
        ingress_class: impl Into<String>,
        controller_class: impl Into<String>,
    ) -> Self {
        let cluster = Self::cluster(ingress_class, controller_class);
        Self { allow_local_addresses: true, adopt_classless: true, ..cluster }
    }
}
