//! Services for Gateways: one each, in the namespace of the Gateway, with its `infrastructure`
//! labels and annotations, and what leads to our pods.
//!
//! A Service chooses pods of its own namespace alone; so these have no selector, and EndpointSlices
//! of ours beside them. Both belong to the Gateway (`ownerReferences`) and go with it.

mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{
    Api, DeleteParams, ListParams, ObjectMeta, PartialObjectMeta, Patch, PatchParams, Preconditions,
};
use kube::runtime::{WatchStreamExt as _, watcher};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::addresses::{Addresses, Replicas, of_service, told_watch};
use super::applied::FIELD_MANAGER;
use super::lease::Leadership;
use super::rights::{Deed, Right, Rights};
use crate::control::calls::{CallError, call, jitter};
use crate::control::conditions::{Carrier, GatewayService};
use crate::control::gateway_api::reference::GROUP;
use crate::control::observed::Observed;
use crate::limits::{
    API_CALL_TIMEOUT, GATEWAY_SERVICES_REFRESH, GATEWAY_SERVICES_SETTLE, KUBE_REFUSED_RETRY,
    LEASE_RETRY, SERVICE_NAME_BYTES_MAX,
};
use crate::model::{Kind, ObjectRef};
use memory::{AllApplied, Applied, Present, Seen, Versions, version};

pub(super) use memory::{Wanted, want};

/// How Services of Gateways are made.
#[derive(Debug, Clone)]
pub struct GatewayServices {
    /// `spec.type`.
    pub type_: &'static str,
    /// `--gateway-controller`, which tells ours from those of another installation.
    pub controller: Arc<str>,
}

/// Addresses by Gateway.
pub(super) type Found = BTreeMap<ObjectRef, Addresses>;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTALLATION: &str = "ringway.dev/installation";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// What makes them.
pub(super) struct Maker<'a> {
    pub client: &'a kube::Client,
    pub services: &'a GatewayServices,
    pub replicas: &'a Replicas,
    pub observed: &'a Observed,
    pub rights: &'a Rights,
}

impl Maker<'_> {
    /// Has the Services be what is wanted while we are `leading`, and tells their addresses.
    pub(super) async fn follow(
        &self,
        mut wanted: watch::Receiver<Wanted>,
        mut leading: watch::Receiver<Leadership>,
        found: &watch::Sender<Found>,
    ) -> Infallible {
        let all: Api<Service> = Api::all(self.client.clone());
        let labels = self.labels();
        let mut applied = AllApplied::new();
        loop {
            let config = watcher::Config::default().labels(&labels);
            let mut events = pin!(watcher(all.clone(), config).default_backoff());
            let (mut seen, mut next) = (Seen::default(), tokio::time::Instant::now());
            loop {
                let is_due = tokio::select! {
                    event = events.next() => {
                        let Some(event) = event else { break };
                        let right = Right::GatewayServices(Deed::Watch);
                        let event = told_watch(self.rights, right, "", event);
                        let is_due = seen.take(event, &mut applied);
                        // Those who change Services often have them looked after together.
                        if is_due {
                            let settled = tokio::time::Instant::now() + GATEWAY_SERVICES_SETTLE;
                            next = next.min(settled);
                        }
                        false
                    }
                    Ok(()) = wanted.changed() => true,
                    Ok(()) = leading.changed() => true,
                    () = sleep_until(next), if seen.is_listed => true,
                };
                if !seen.is_listed {
                    continue;
                }
                tell(&seen.there, found);
                if !is_due {
                    continue;
                }
                // Nothing that others wait for is held while we wait.
                let now = wanted.borrow_and_update().clone();
                let leadership = *leading.borrow_and_update();
                let pause = match leadership {
                    Leadership::Held => self.round(&now, &seen.there, &mut applied, &leading).await,
                    Leadership::NotHeld => {
                        applied.clear();
                        GATEWAY_SERVICES_REFRESH
                    }
                };
                next = tokio::time::Instant::now() + jitter(pause);
            }
            sleep(jitter(LEASE_RETRY)).await;
        }
    }

    fn installation(&self) -> String {
        digest(&self.services.controller)
    }

    /// Of what we made.
    fn labels(&self) -> String {
        format!("{MANAGED_BY}={FIELD_MANAGER},{INSTALLATION}={}", self.installation())
    }

    /// Looks slices up, which are not watched.
    async fn present(&self, there: &BTreeMap<ObjectRef, Service>) -> Present {
        let all: Api<PartialObjectMeta<EndpointSlice>> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&self.labels());
        let listed: Result<_, CallError> = call(API_CALL_TIMEOUT, all.list(&ours)).await;
        let right = Right::GatewayServices(Deed::List);
        let listed = self.rights.noted(right, "", listed).ok();
        let has_slices = listed.is_some();
        let services = there.values().map(|service| version(Kind::Service, &service.metadata));
        let slices = listed.iter().flat_map(|list| &list.items);
        let slices = slices.map(|slice| version(Kind::EndpointSlice, &slice.metadata));
        Present { versions: services.chain(slices).collect(), has_slices }
    }

    /// Makes, changes and deletes what is due. How long to wait for the next one.
    async fn round(
        &self,
        wanted: &Wanted,
        there: &BTreeMap<ObjectRef, Service>,
        applied: &mut AllApplied,
        leading: &watch::Receiver<Leadership>,
    ) -> std::time::Duration {
        let pods = match wanted.values().any(Option::is_some) {
            false => BTreeSet::new(),
            true => match self.replicas.pod_addresses(self.rights).await {
                Ok(pods) => pods,
                // What slices say stays: not to know is no reason to lead nowhere.
                Err(CallError::Refused(_)) => return KUBE_REFUSED_RETRY,
                Err(error) => {
                    tracing::warn!(%error, "our pods cannot be seen: Services of Gateways stay");
                    return GATEWAY_SERVICES_REFRESH;
                }
            },
        };
        let present = match applied.values().all(Applied::is_recent) {
            true => Present { versions: Versions::new(), has_slices: false },
            false => self.present(there).await,
        };
        let mut pause = GATEWAY_SERVICES_REFRESH;
        let mut kept = BTreeSet::new();
        for (gateway, service) in wanted {
            let Some(service) = service else { continue };
            if *leading.borrow() == Leadership::NotHeld {
                return pause;
            }
            let name = service_ref(gateway, service);
            kept.insert(name.clone());
            let Some(uid) = self.observed.uid(gateway) else { continue };
            let made = Made { gateway, service, uid: &uid, pods: &pods };
            let objects = made.objects(self.services.type_, &self.installation());
            let ours = there.get(&name);
            let stands = |made: &Applied| made.stands(&objects, ours, &present);
            if applied.get(gateway).is_some_and(stands) {
                continue;
            }
            let new = self.apply(&name, &objects, ours, &uid).await;
            let right = Right::GatewayServices(Deed::Apply);
            let new = self.rights.noted(right, &name.namespace, new);
            match &new {
                Ok(_) => {}
                Err(CallError::Refused(_)) => pause = KUBE_REFUSED_RETRY,
                Err(error) => {
                    tracing::warn!(%gateway, service = %name, %error, "its Service is not made");
                }
            }
            let at = Instant::now();
            let made = Applied { service: name, objects, versions: new.ok(), at };
            applied.insert(gateway.clone(), made);
        }
        applied.retain(|gateway, _| wanted.get(gateway).is_some_and(Option::is_some));
        let others = there.iter().filter(|(service, _)| !kept.contains(*service));
        self.delete(others, wanted, leading).await;
        pause
    }

    /// Deletes those that no Gateway needs.
    async fn delete(
        &self,
        services: impl Iterator<Item = (&ObjectRef, &Service)>,
        wanted: &Wanted,
        leading: &watch::Receiver<Leadership>,
    ) {
        for (service, object) in services {
            if *leading.borrow() == Leadership::NotHeld {
                return;
            }
            // Not of a Gateway that nobody has decided on; one that is gone takes its own along.
            let is_decided = owner(object).is_some_and(|gateway| wanted.contains_key(&gateway));
            if !is_decided || object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let all: Api<Service> = Api::namespaced(self.client.clone(), &service.namespace);
            let ObjectMeta { uid, resource_version, .. } = object.metadata.clone();
            let preconditions = Some(Preconditions { uid, resource_version });
            let how = DeleteParams { preconditions, ..DeleteParams::default() };
            let deleted = call(API_CALL_TIMEOUT, all.delete(&service.name, &how)).await;
            let right = Right::GatewayServices(Deed::Delete);
            let deleted = self.rights.noted(right, &service.namespace, deleted);
            if let Err(error @ (CallError::Failed(_) | CallError::Slow(_))) = deleted {
                tracing::warn!(%service, %error, "a Service that no Gateway needs is not deleted");
            }
        }
    }

    /// Applies a Service, `ours` if one with our labels is there, and its slices; which they are
    /// then. Whatever else has its name stays as it is. `uid`: of the Gateway.
    async fn apply(
        &self,
        name: &ObjectRef,
        objects: &[Value],
        ours: Option<&Service>,
        uid: &str,
    ) -> Result<Versions, CallError> {
        let namespace = &name.namespace;
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        let mut params = PatchParams::apply(FIELD_MANAGER).force();
        if ours.is_none() {
            let found: Result<_, CallError> =
                call(API_CALL_TIMEOUT, services.get_opt(&name.name)).await;
            match found? {
                Some(service) if is_made_for(&service.metadata, uid) => {}
                Some(_) => {
                    let text = "a Service of another owner has its name";
                    return Err(CallError::Conflict(text.into()));
                }
                // Who makes one meanwhile keeps it.
                None => params.force = false,
            }
        }
        let mut versions = Versions::new();
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let patch = Patch::Apply(object);
            let applied = async {
                Ok(match object["kind"].as_str() {
                    Some("Service") => {
                        let applied = services.patch(name, &params, &patch).await?;
                        version(Kind::Service, &applied.metadata)
                    }
                    _ => {
                        let applied = slices.patch(name, &params, &patch).await?;
                        version(Kind::EndpointSlice, &applied.metadata)
                    }
                })
            };
            let applied: Result<_, CallError> = call(API_CALL_TIMEOUT, applied).await;
            versions.extend([applied?]);
        }
        Ok(versions)
    }
}

/// Tells the addresses of the Gateways whose Services are there.
fn tell(there: &BTreeMap<ObjectRef, Service>, found: &watch::Sender<Found>) {
    let new: Found = there
        .values()
        .filter_map(|service| Some((owner(service)?, of_service(service))))
        .filter(|(_, addresses)| !addresses.is_empty())
        .collect();
    found.send_if_modified(|now| {
        let is_news = *now != new;
        *now = new;
        is_news
    });
}

/// Whether we made it for the Gateway of this `uid`, whatever somebody did with its labels.
fn is_made_for(metadata: &ObjectMeta, uid: &str) -> bool {
    let is_its = metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid);
    let mut managers = metadata.managed_fields.iter().flatten();
    is_its && managers.any(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
}

/// The Gateway that a Service belongs to.
fn owner(service: &Service) -> Option<ObjectRef> {
    let mut owners = service.metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.kind == Kind::Gateway.name())?;
    let namespace = service.metadata.namespace.as_deref()?.into();
    Some(ObjectRef { kind: Kind::Gateway, namespace, name: owner.name.as_str().into() })
}

/// What is made for one Gateway.
struct Made<'a> {
    gateway: &'a ObjectRef,
    service: &'a GatewayService,
    uid: &'a str,
    /// Where our pods are.
    pods: &'a BTreeSet<IpAddr>,
}

fn service_ref(gateway: &ObjectRef, service: &GatewayService) -> ObjectRef {
    let name = service_name(&gateway.name, &service.class);
    let namespace = Arc::clone(&gateway.namespace);
    ObjectRef { kind: Kind::Service, namespace, name: name.into() }
}

impl Made<'_> {
    /// The Service, and a slice for each family of addresses.
    fn objects(&self, type_: &str, installation: &str) -> Vec<Value> {
        let name = service_ref(self.gateway, self.service).name;
        let ports: Vec<_> = self.service.ports.iter().map(|port| port_of(*port)).collect();
        let service_ports: Vec<_> = ports
            .iter()
            .map(|port| {
                let mut port = port.clone();
                port["targetPort"] = port["port"].clone();
                port
            })
            .collect();
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&name, installation, &[]),
            "spec": { "type": type_, "ports": service_ports },
        });
        let slice = |family: &str, addresses: Vec<&IpAddr>| {
            let more = [(SERVICE_NAME, &*name), (SLICE_MANAGED_BY, "ringway.dev")];
            let endpoint =
                |address| json!({ "addresses": [address], "conditions": { "ready": true } });
            let endpoints: Vec<_> = addresses.into_iter().map(endpoint).collect();
            let slice_name = format!("{name}-{}", family.to_ascii_lowercase());
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": self.metadata(&slice_name, installation, &more),
                "addressType": family,
                "endpoints": endpoints,
                "ports": ports,
            })
        };
        let (v4, v6): (Vec<_>, Vec<_>) = self.pods.iter().partition(|address| address.is_ipv4());
        vec![service, slice("IPv4", v4), slice("IPv6", v6)]
    }

    fn metadata(&self, name: &str, installation: &str, more: &[(&str, &str)]) -> Value {
        let GatewayService { class, labels, annotations, ports: _ } = self.service;
        // Ours count, whatever the Gateway says.
        let mut labels = labels.clone();
        let gateway = short(&self.gateway.name);
        let own = [
            (MANAGED_BY, FIELD_MANAGER),
            (INSTALLATION, installation),
            (&*format!("{GROUP}/gateway-name"), &*gateway),
            (&*format!("{GROUP}/gateway-class-name"), &*short(class)),
        ];
        for (name, value) in own.iter().chain(more) {
            labels.insert((*name).to_owned(), (*value).to_owned());
        }
        json!({
            "name": name,
            "namespace": *self.gateway.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/v1"),
                "kind": Kind::Gateway.name(),
                "name": *self.gateway.name,
                "uid": self.uid,
            }],
        })
    }
}

fn port_of((port, carrier): (u16, Carrier)) -> Value {
    let protocol = match carrier {
        Carrier::Tcp => "TCP",
        Carrier::Udp => "UDP",
    };
    let name = format!("{}-{port}", protocol.to_ascii_lowercase());
    json!({ "name": name, "port": port, "protocol": protocol })
}

/// `GATEWAY-CLASS`, as far as that is the name of a Service (RFC 1035); else with a digest of both.
fn service_name(gateway: &str, class: &str) -> String {
    let whole = format!("{gateway}-{class}");
    let is_name = whole.len() <= SERVICE_NAME_BYTES_MAX - SUFFIX_BYTES
        && whole.starts_with(|first: char| first.is_ascii_lowercase())
        && !whole.contains('.');
    if is_name {
        return whole;
    }
    let plain = whole.replace('.', "-");
    let plain = if plain.starts_with(|c: char| c.is_ascii_lowercase()) {
        plain
    } else {
        format!("g-{plain}")
    };
    shortened(&plain, &whole, SERVICE_NAME_BYTES_MAX - SUFFIX_BYTES)
}

/// Of a slice, which stands behind the name of its Service.
const SUFFIX_BYTES: usize = "-ipv4".len();

/// A value of a label.
fn short(text: &str) -> String {
    match text.len() <= SERVICE_NAME_BYTES_MAX {
        true => text.to_owned(),
        false => shortened(text, text, SERVICE_NAME_BYTES_MAX),
    }
}

/// The beginning of `text`, and a digest of `whole`.
fn shortened(text: &str, whole: &str, bytes_max: usize) -> String {
    let digest = digest(whole);
    let front = text.get(..bytes_max.saturating_sub(digest.len() + 1)).unwrap_or(text);
    format!("{}-{digest}", front.trim_end_matches(['-', '.']))
}

fn digest(text: &str) -> String {
    let digest = Md5::digest(text);
    digest.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::memory::reference;
    use super::*;

    #[test]
    fn names_are_those_of_services() {
        let long = "a".repeat(253);
        for (gateway, class, expected) in [
            ("edge", "ringway", "edge-ringway".to_owned()),
            ("a.b", "c", format!("a-b-c-{}", digest("a.b-c"))),
            ("1a", "c", format!("g-1a-c-{}", digest("1a-c"))),
            (&long, "c", format!("{}-{}", "a".repeat(49), digest(&format!("{long}-c")))),
        ] {
            let name = service_name(gateway, class);
            assert_eq!(name, expected);
            assert!(name.len() <= SERVICE_NAME_BYTES_MAX - SUFFIX_BYTES);
        }
        assert_eq!(short("edge"), "edge");
        assert_eq!(short(&long).len(), SERVICE_NAME_BYTES_MAX);
    }

    #[test]
    fn a_service_has_what_the_gateway_says_and_leads_to_our_pods() {
        let gateway =
            ObjectRef { kind: Kind::Gateway, namespace: "ns".into(), name: "edge".into() };
        let text = |pairs: [(&str, &str); 2]| {
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        let service = GatewayService {
            class: "ringway".into(),
            labels: text([("key2", "value2"), (MANAGED_BY, "somebody")]),
            annotations: text([("key1", "value1"), ("a", "b")]),
            ports: [(80, Carrier::Tcp), (53, Carrier::Udp)].into(),
        };
        let pods = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()].into();
        let made = Made { gateway: &gateway, service: &service, uid: "u1", pods: &pods };
        let objects = made.objects("LoadBalancer", "abc");
        for (place, expected) in [
            ("/0/kind", json!("Service")),
            ("/0/metadata/name", json!("edge-ringway")),
            ("/0/metadata/namespace", json!("ns")),
            ("/0/metadata/labels/key2", json!("value2")),
            ("/0/metadata/labels/app.kubernetes.io~1managed-by", json!("ringway")),
            ("/0/metadata/labels/gateway.networking.k8s.io~1gateway-name", json!("edge")),
            ("/0/metadata/annotations/key1", json!("value1")),
            ("/0/metadata/ownerReferences/0/uid", json!("u1")),
            ("/0/spec/type", json!("LoadBalancer")),
            ("/0/spec/selector", Value::Null),
            (
                "/0/spec/ports",
                json!([
                    {"name": "udp-53", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "tcp-80", "port": 80, "protocol": "TCP", "targetPort": 80},
                ]),
            ),
            ("/1/metadata/name", json!("edge-ringway-ipv4")),
            ("/1/metadata/labels/kubernetes.io~1service-name", json!("edge-ringway")),
            ("/1/metadata/labels/key2", json!("value2")),
            ("/1/endpoints/0/addresses", json!(["192.0.2.1"])),
            ("/1/ports/1/port", json!(80)),
            ("/2/addressType", json!("IPv6")),
            ("/2/endpoints/0/addresses", json!(["2001:db8::1"])),
        ] {
            let objects = json!(objects);
            let found = objects.pointer(place).cloned().unwrap_or_default();
            assert_eq!(found, expected, "{place}");
        }
        let applied: Service = serde_json::from_value(objects[0].clone()).expect("a Service");
        assert_eq!(owner(&applied), Some(gateway.clone()));
        assert_eq!(reference(&applied), service_ref(&gateway, &service));
    }
}
