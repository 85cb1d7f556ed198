//! Service and the port an Ingress names → where its endpoints are to be found.

use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::limits::PORTS_SHOWN_MAX;
use crate::model::{BackendKey, BackendProtocol, Kind, ObjectRef, PortRef, TransportProtocol};

/// Where the endpoints of a Service port are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// In the EndpointSlices of the Service.
    Slices(SlicePort),
    /// Behind a DNS name.
    External {
        /// `spec.externalName`.
        name: String,
        /// To connect to.
        port: u16,
    },
}

/// Which port of an EndpointSlice is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlicePort {
    /// Name of the Service port, which is that of the slice's port; empty: the Service names none.
    pub name: String,
    /// For slices that leave the number out.
    pub number: Option<u16>,
    /// What it has to be a port of.
    pub transport: TransportProtocol,
}

/// Why a Service port leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServiceError {
    /// No port of this number or name.
    #[error("the Service has no such port; it has {0}")]
    NoSuchPort(String),
    /// Another one, be it SCTP.
    #[error("the port's protocol is {0}, not {wanted}", wanted = .1.as_str())]
    Protocol(String, TransportProtocol),
    /// `type: ExternalName` without a name.
    #[error("the Service is of type ExternalName and has no externalName")]
    NoExternalName,
    /// `--disable-svc-external-name`.
    #[error("the Service is of type ExternalName, which --disable-svc-external-name switches off")]
    ExternalNamesRefused,
    /// Not a port number.
    #[error("{0} is not a port number")]
    PortNumber(i32),
}

impl ServiceError {
    /// What to do, in words for whoever may write both objects.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NoSuchPort(_) => "Name a port that the Service has.",
            Self::Protocol(_, TransportProtocol::Tcp) => {
                "Name a port of the Service whose protocol is TCP."
            }
            Self::Protocol(_, TransportProtocol::Udp) => {
                "Name a port of the Service whose protocol is UDP."
            }
            Self::NoExternalName => "Write spec.externalName in the Service.",
            Self::ExternalNamesRefused => "Use a Service that has endpoints.",
            Self::PortNumber(_) => "Write a number from 1 to 65535 in the Service.",
        }
    }
}

/// The Service of a backend.
pub(crate) fn service_ref(key: &BackendKey) -> ObjectRef {
    ObjectRef {
        kind: Kind::Service,
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(&key.service),
    }
}

/// What the names of Services end in, for resolvers within the cluster.
const NAME_ENDS: [&str; 2] = [".svc.cluster.local", ".svc"];

/// Namespace and name of the Service that a DNS name means, if it has the form of one.
///
/// Source: Kubernetes, "DNS for Services and Pods".
pub(crate) fn of_host_name(host: &str) -> Option<(&str, &str)> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let name = NAME_ENDS.iter().find_map(|end| host.strip_suffix(end))?;
    let (service, namespace) = name.split_once('.')?;
    (!namespace.contains('.')).then_some((namespace, service))
}

/// The DNS names that mean a Service.
pub(crate) fn host_names(namespace: &str, service: &str) -> [Arc<str>; 4] {
    let [long, short] = NAME_ENDS.map(|end| format!("{service}.{namespace}{end}"));
    [format!("{long}.").into(), long.into(), format!("{short}.").into(), short.into()]
}

/// Finds the port that `key` means: by number or name, else (as ingress-nginx does) by target
/// port.
///
/// # Errors
/// The owner of the Ingress or of the Service is at fault; requests get 503.
pub(crate) fn locate(service: &Service, key: &BackendKey) -> Result<Location, ServiceError> {
    let Service { metadata: _, spec, status: _ } = service;
    let empty = ServiceSpec::default();
    // All else in a Service is about addresses and nodes, which slices already reflect.
    let ServiceSpec {
        ports,
        type_,
        external_name,
        cluster_ip: _,
        cluster_ips: _,
        external_ips: _,
        external_traffic_policy: _,
        health_check_node_port: _,
        internal_traffic_policy: _,
        ip_families: _,
        ip_family_policy: _,
        load_balancer_class: _,
        load_balancer_ip: _,
        load_balancer_source_ranges: _,
        allocate_load_balancer_node_ports: _,
        // Slices say ready for the endpoints of such Services.
        publish_not_ready_addresses: _,
        selector: _,
        session_affinity: _,
        session_affinity_config: _,
        traffic_distribution: _,
    } = spec.as_ref().unwrap_or(&empty);
    let ports = ports.as_deref().unwrap_or_default();
    if type_.as_deref() == Some("ExternalName") {
        let name = external_name.as_deref().unwrap_or_default();
        return external(name, ports, key);
    }
    let transport = key.dial.transport;
    match (find(ports, key), &key.port) {
        (Some(port), _) => slices(port, transport),
        // A headless Service may leave its ports out; its slices then say, or the number does.
        (None, PortRef::Number(number)) if ports.is_empty() => Ok(Location::Slices(SlicePort {
            name: String::new(),
            number: Some(*number),
            transport,
        })),
        (None, _) => Err(ServiceError::NoSuchPort(list(ports))),
    }
}

/// The Service's own address with the port that `key` means; `None`: it has none, be it headless
/// or a name elsewhere.
///
/// # Errors
/// As [`locate`].
pub(crate) fn own_address(
    service: &Service,
    key: &BackendKey,
) -> Result<Option<SocketAddr>, ServiceError> {
    let address = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
    // "None" is what headless Services have there.
    let Some(address) = address.and_then(|text| text.parse().ok()) else { return Ok(None) };
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let port = find(ports, key).ok_or_else(|| ServiceError::NoSuchPort(list(ports)))?;
    check_protocol(port, key.dial.transport)?;
    Ok(Some(SocketAddr::new(address, port_number(port.port)?)))
}

/// What the port that `key` means speaks, as its `appProtocol` says: the names of Kubernetes
/// (KEP-3726) and those in use without its prefix. Unknown ones are HTTP, as is silence.
pub(crate) fn protocol(service: &Service, key: &BackendKey) -> BackendProtocol {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    app_protocol(find(ports, key).and_then(|port| port.app_protocol.as_deref()))
}

/// What a port speaks that says this of itself.
pub(crate) fn app_protocol(said: Option<&str>) -> BackendProtocol {
    match said.unwrap_or_default() {
        "kubernetes.io/h2c" | "h2c" | "http2" => BackendProtocol::H2c,
        "grpc" => BackendProtocol::Grpc,
        "grpcs" => BackendProtocol::Grpcs,
        "https" | "kubernetes.io/wss" => BackendProtocol::Https,
        // Among them "http" and "kubernetes.io/ws".
        _ => BackendProtocol::Http,
    }
}

fn find<'a>(ports: &'a [ServicePort], key: &BackendKey) -> Option<&'a ServicePort> {
    let (wanted, transport) = (&key.port, key.dial.transport);
    let by_port = |port: &&ServicePort| match wanted {
        PortRef::Number(number) => port.port == i32::from(*number),
        PortRef::Name(name) => port.name.as_deref() == Some(&**name),
        PortRef::First => true,
    };
    let by_target = |port: &&ServicePort| match (wanted, &port.target_port) {
        (PortRef::Number(number), Some(IntOrString::Int(target))) => *target == i32::from(*number),
        (PortRef::Name(name), Some(IntOrString::String(target))) => *target == **name,
        _ => false,
    };
    // A number may be that of a TCP and of a UDP port (DNS, HTTP/3).
    let mut fit = ports.iter().filter(|port| transport.is_of(port.protocol.as_deref()));
    let fitting = fit.clone().find(by_port).or_else(|| fit.find(by_target));
    fitting.or_else(|| ports.iter().find(by_port)).or_else(|| ports.iter().find(by_target))
}

fn slices(port: &ServicePort, transport: TransportProtocol) -> Result<Location, ServiceError> {
    check_protocol(port, transport)?;
    let ServicePort { name, port, target_port, protocol: _, app_protocol: _, node_port: _ } = port;
    let number = match target_port {
        Some(IntOrString::Int(target)) => Some(port_number(*target)?),
        // Only the slices know what a name means on each pod. A Service that an API server stored
        // has a target port; where there is none nobody said what pods listen on.
        Some(IntOrString::String(_)) | None => None,
    };
    port_number(*port)?;
    Ok(Location::Slices(SlicePort { name: name.clone().unwrap_or_default(), number, transport }))
}

fn external(name: &str, ports: &[ServicePort], key: &BackendKey) -> Result<Location, ServiceError> {
    if name.is_empty() {
        return Err(ServiceError::NoExternalName);
    }
    let port = match (&key.port, find(ports, key)) {
        // Nothing translates ports on the way to a foreign host.
        (PortRef::Number(number), _) => *number,
        (PortRef::Name(_) | PortRef::First, Some(port)) => {
            check_protocol(port, key.dial.transport)?;
            port_number(port.port)?
        }
        (PortRef::Name(_) | PortRef::First, None) => {
            return Err(ServiceError::NoSuchPort(list(ports)));
        }
    };
    Ok(Location::External { name: name.to_owned(), port })
}

fn check_protocol(port: &ServicePort, transport: TransportProtocol) -> Result<(), ServiceError> {
    let protocol = port.protocol.as_deref();
    if transport.is_of(protocol) {
        return Ok(());
    }
    Err(ServiceError::Protocol(protocol.unwrap_or("TCP").to_owned(), transport))
}

fn port_number(number: i32) -> Result<u16, ServiceError> {
    u16::try_from(number).ok().filter(|n| *n != 0).ok_or(ServiceError::PortNumber(number))
}

/// For the problem's text: enough ports to see the slip.
fn list(ports: &[ServicePort]) -> String {
    let shown: Vec<_> = ports
        .iter()
        .take(PORTS_SHOWN_MAX)
        .map(|p| match &p.name {
            Some(name) => format!("{} ({name})", p.port),
            None => p.port.to_string(),
        })
        .collect();
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}
