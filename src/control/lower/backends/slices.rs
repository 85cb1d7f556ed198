//! EndpointSlices of a Service → the addresses that may get requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{EndpointConditions, EndpointHints, EndpointPort};

use super::service::SlicePort;
use crate::control::endpoint_slice::{Endpoint, EndpointSlice};
use crate::control::lower::options::LowerOptions;
use crate::control::source::report::{Finding, Report};
use crate::control::store::Entry;
use crate::model::{BackendKey, ObjectRef, Problem, reason};
use crate::table::EndpointSet;

/// Names the Service that a slice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Namespace and name of a Service.
type ServiceName = (Arc<str>, Arc<str>);

/// Which slices belong to which Service.
#[derive(Debug, Default)]
pub(crate) struct SliceIndex {
    slices: BTreeMap<ServiceName, BTreeSet<ObjectRef>>,
    services: BTreeMap<ObjectRef, ServiceName>,
}

impl SliceIndex {
    /// Takes a new version of a slice, or that it is gone. The Services that this is about: that
    /// of the old version and that of the new one.
    pub(super) fn take(
        &mut self,
        slice: &ObjectRef,
        new: Option<&EndpointSlice>,
    ) -> impl Iterator<Item = ServiceName> + use<> {
        let old = self.services.remove(slice);
        if let Some(service) = &old
            && let Some(slices) = self.slices.get_mut(service)
        {
            slices.remove(slice);
            if slices.is_empty() {
                self.slices.remove(service);
            }
        }
        let new = new.and_then(service_name);
        let new = new.map(|name| (Arc::clone(&slice.namespace), Arc::from(name)));
        if let Some(service) = &new {
            self.slices.entry(service.clone()).or_default().insert(slice.clone());
            self.services.insert(slice.clone(), service.clone());
        }
        old.into_iter().chain(new)
    }

    /// The slices of the Service of a backend.
    pub(super) fn of(&self, key: &BackendKey) -> impl Iterator<Item = &ObjectRef> {
        let service = (Arc::clone(&key.namespace), Arc::clone(&key.service));
        self.slices.get(&service).into_iter().flatten()
    }
}

/// What was found in all slices of a Service.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Usable addresses.
    pub set: EndpointSet,
    /// No slice has a port of this name.
    pub lacks_port: bool,
    /// Endpoints that exist and are not usable now.
    pub not_ready: usize,
}

/// Name of the Service that a slice belongs to.
pub(crate) fn service_name(slice: &EndpointSlice) -> Option<&str> {
    slice.metadata.labels.as_ref()?.get(SERVICE_LABEL).map(String::as_str)
}

/// Collects the usable endpoints of `port` from all slices of a Service.
///
/// Ready ones (`ready` left out means ready), of them those that hints mean for us; if there are
/// none, those that still serve while they terminate, so that the last pods of a Service finish
/// what they can.
///
/// A pod of a dual-stack Service stands in a slice of each family, and both of its addresses are
/// used, as in ingress-nginx: a cluster whose nodes reach one family only has Services of one.
pub(crate) fn collect<'a>(
    slices: impl Iterator<Item = &'a EndpointSlice>,
    port: &SlicePort,
    options: &LowerOptions,
) -> Found {
    let (mut ready, mut terminating) = (Vec::new(), Vec::new());
    let mut lacks_port = true;
    // By family, for a pod counts once.
    let mut not_ready: BTreeMap<&str, usize> = BTreeMap::new();
    for slice in slices {
        let EndpointSlice { address_type, endpoints, ports, metadata: _ } = slice;
        let Some(number) = port_number(ports.as_deref().unwrap_or_default(), port) else {
            continue;
        };
        lacks_port = false;
        for endpoint in &**endpoints {
            let addresses = addresses(endpoint)
                .filter(|address| refusal(address, options).is_none())
                .map(|address| SocketAddr::new(address, number));
            match readiness(endpoint.conditions.as_ref()) {
                Readiness::Ready => {
                    ready.extend(addresses.map(|address| (address, endpoint.hints.as_deref())));
                }
                Readiness::ServingWhileTerminating => terminating.extend(addresses),
                Readiness::No => {
                    let count = not_ready.entry(address_type).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
    }
    let near = near(&ready, options);
    let mut addresses = if near.is_empty() { terminating } else { near };
    addresses.sort_unstable();
    addresses.dedup();
    let not_ready = not_ready.into_values().max().unwrap_or_default();
    Found { set: EndpointSet { addresses, ..EndpointSet::default() }, lacks_port, not_ready }
}

/// Those of the ready endpoints that hints (KEP-2433; for nodes KEP-3015) mean for us: for our
/// node, else for our zone. As in kube-proxy a hint counts only where every endpoint has one, which
/// is not so while hints come or go, and where one is meant for us.
fn near(ready: &[(SocketAddr, Option<&EndpointHints>)], options: &LowerOptions) -> Vec<SocketAddr> {
    let meant = |own: &Option<Arc<str>>, names: fn(&EndpointHints) -> Vec<&str>| {
        let own = own.as_deref()?;
        let mut meant = Vec::new();
        for (address, hints) in ready {
            let names = hints.map(names).unwrap_or_default();
            if names.is_empty() {
                return None;
            }
            if names.contains(&own) {
                meant.push(*address);
            }
        }
        Some(meant).filter(|meant| !meant.is_empty())
    };
    meant(&options.node, nodes)
        .or_else(|| meant(&options.zone, zones))
        .unwrap_or_else(|| ready.iter().map(|(address, _)| *address).collect())
}

fn nodes(hints: &EndpointHints) -> Vec<&str> {
    hints.for_nodes.iter().flatten().map(|node| &*node.name).collect()
}

fn zones(hints: &EndpointHints) -> Vec<&str> {
    hints.for_zones.iter().flatten().map(|zone| &*zone.name).collect()
}

/// Whether requests must be kept from an address that they may reach by `old`, so that `new`
/// cannot wait: an endpoint is gone, or no longer ready, or no longer serves.
pub(crate) fn removes_endpoints(old: Option<&EndpointSlice>, new: Option<&EndpointSlice>) -> bool {
    let Some(old) = old else { return false };
    let before = usable(old);
    let Some(new) = new else { return !before.is_empty() };
    if service_name(old) != service_name(new) || old.ports != new.ports {
        return !before.is_empty();
    }
    let after = usable(new);
    before.iter().any(|(address, readiness)| after.get(address) < Some(readiness))
}

/// The usable addresses of a slice.
fn usable(slice: &EndpointSlice) -> BTreeMap<IpAddr, Readiness> {
    let mut usable = BTreeMap::new();
    for endpoint in &slice.endpoints {
        let readiness = readiness(endpoint.conditions.as_ref());
        for address in addresses(endpoint).filter(|_| readiness > Readiness::No) {
            let known = usable.entry(address).or_insert(readiness);
            *known = readiness.max(*known);
        }
    }
    usable
}

/// The more usable, the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    No,
    ServingWhileTerminating,
    Ready,
}

fn readiness(conditions: Option<&EndpointConditions>) -> Readiness {
    let Some(EndpointConditions { ready, serving, terminating }) = conditions else {
        return Readiness::Ready;
    };
    if ready.unwrap_or(true) {
        Readiness::Ready
    } else if serving.unwrap_or(false) && terminating.unwrap_or(false) {
        Readiness::ServingWhileTerminating
    } else {
        Readiness::No
    }
}

/// The port of one slice. A slice without ports, or with one that has no number, leaves it to the
/// Service. The only port of a slice is meant by an unnamed Service port, whatever its name:
/// hand-written slices often differ there.
fn port_number(ports: &[EndpointPort], wanted: &SlicePort) -> Option<u16> {
    let transport = wanted.transport;
    let mut fit = ports.iter().filter(|port| transport.is_of(port.protocol.as_deref()));
    if ports.is_empty() {
        return wanted.number;
    }
    let name = |port: &EndpointPort| port.name.as_deref().unwrap_or_default() == wanted.name;
    let by_name = fit.clone().find(|port| name(port));
    let chosen = by_name.or_else(|| match (fit.next(), fit.next()) {
        (Some(only), None) if wanted.name.is_empty() || only.name.is_none() => Some(only),
        _ => None,
    })?;
    let EndpointPort { port, name: _, protocol: _, app_protocol: _ } = chosen;
    match port {
        Some(number) => u16::try_from(*number).ok().filter(|n| *n != 0),
        None => wanted.number,
    }
}

fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> {
    endpoint.addresses.iter().filter_map(|text| text.parse().ok())
}

/// Why no request may be sent to an address. Addresses of the host itself would let the author of
/// an object reach what the host keeps to itself; in a directory they are what a developer runs.
pub(crate) fn refusal(address: &IpAddr, options: &LowerOptions) -> Option<&'static str> {
    let address = &address.to_canonical();
    if address.is_unspecified() || address.is_multicast() {
        return Some("it is not the address of a host");
    }
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_local = address.is_loopback() || is_link_local;
    (is_local && !options.allow_local_addresses)
        .then_some("loopback and link-local addresses are refused")
}

/// What is wrong with a slice.
pub(crate) fn check(
    reference: &ObjectRef,
    entry: &Entry<EndpointSlice>,
    options: &LowerOptions,
) -> Vec<Arc<Problem>> {
    let mut report = Report::new(reference, entry.provenance.as_ref());
    let slice = &*entry.object;
    if service_name(slice).is_none() {
        report.warning(Finding {
            reason: reason!("NoService"),
            field: "metadata.labels".into(),
            message: "the slice belongs to no Service and is not used.".into(),
            advice: format!("Add the label {SERVICE_LABEL}: NAME."),
        });
    }
    match slice.address_type.as_str() {
        "IPv4" | "IPv6" => check_addresses(slice, options, &mut report),
        other => report.error(Finding {
            reason: reason!("AddressTypeNotSupported"),
            field: "addressType".into(),
            message: format!("addresses of type {other:?} are not used."),
            advice: "Write IPv4 or IPv6; for names use a Service of type ExternalName.".into(),
        }),
    }
    report.finish()
}

fn check_addresses(slice: &EndpointSlice, options: &LowerOptions, report: &mut Report<'_>) {
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        for (nth, text) in endpoint.addresses.iter().enumerate() {
            let why = match text.parse::<IpAddr>() {
                Ok(address) => refusal(&address, options),
                Err(_not_an_address) => Some("it is not an IP address"),
            };
            if let Some(why) = why {
                report.error(Finding {
                    reason: reason!("AddressRefused"),
                    field: format!("endpoints[{index}].addresses[{nth}]"),
                    message: format!("{text:?} is not used: {why}."),
                    advice: "Write the address of a pod.".into(),
                });
            }
        }
    }
}
