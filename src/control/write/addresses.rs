//! Where clients reach us, for the status of Ingresses: said by the operator, by a Service, or by
//! the nodes that run us.
//!
//! No address known is no news: what a status shows stays, so that a Service made anew or a load
//! balancer not there yet takes no name out of the DNS.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::time::sleep;

use super::lease::Leadership;
use super::rights::{Right, Rights};
use crate::control::calls::{CallError, call, jitter};
use crate::control::observed::Address;
use crate::limits::{
    API_CALL_TIMEOUT, HOST_BYTES_MAX, KUBE_REFUSED_RETRY, LEASE_RETRY, NODE_ADDRESSES_REFRESH,
    REPLICAS_MAX, STATUS_ADDRESSES_MAX,
};
use crate::model::ObjectRef;

/// Labels that all pods of one installation share; a pod template's hash is none of them.
const INSTALLATION_LABELS: [&str; 3] =
    ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"];

/// Who says the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressSource {
    /// `--publish-status-address`: IP addresses and names.
    Fixed(Vec<String>),
    /// `--publish-service`.
    Service(ObjectRef),
    /// The nodes that run pods of ours.
    Nodes(NodeAddresses),
}

/// Which addresses of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeAddresses {
    /// External ones, where it has any.
    ExternalFirst,
    /// Internal ones alone.
    Internal,
}

/// Addresses as they are written: sorted, each once.
pub(super) type Addresses = Arc<[Address]>;

fn tidy(addresses: impl IntoIterator<Item = Address>) -> Addresses {
    let mut addresses: Vec<Address> = addresses.into_iter().collect();
    addresses.sort();
    addresses.dedup();
    addresses.truncate(STATUS_ADDRESSES_MAX);
    addresses.into()
}

/// `None`: the API server would not take it into a status, and with it nothing else.
fn parse(text: &str) -> Option<Address> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Address::Ip(ip.to_canonical()));
    }
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|&byte| is_inner(byte) || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    // As the API server and every resolver take "010.0.0.1": an address, in some notation.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = name.rsplit('.').next().is_some_and(is_number);
    (name.len() <= HOST_BYTES_MAX && !is_address && name.split('.').all(is_label))
        .then(|| Address::Name(name.into()))
}

pub(super) fn of_service(service: &Service) -> Addresses {
    let Some(spec) = &service.spec else { return tidy([]) };
    let external = spec.external_ips.iter().flatten().map(String::as_str);
    let cluster = spec.cluster_ips.iter().flatten().map(String::as_str);
    match spec.type_.as_deref().unwrap_or("ClusterIP") {
        "LoadBalancer" => {
            let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            let entries = status.into_iter().flat_map(|status| status.ingress.iter().flatten());
            let balancer = entries.flat_map(|entry| [&entry.ip, &entry.hostname]).flatten();
            tidy(balancer.map(String::as_str).chain(external).filter_map(parse))
        }
        "ExternalName" => tidy(spec.external_name.as_deref().and_then(parse)),
        "NodePort" if spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()) => {
            tidy(external.filter_map(parse))
        }
        // A headless Service has the word "None" here.
        _ => tidy(cluster.filter(|ip| *ip != "None").filter_map(parse)),
    }
}

fn of_nodes<'n>(nodes: impl IntoIterator<Item = &'n Node>, which: NodeAddresses) -> Addresses {
    let of_node = |node: &'n Node| {
        let all = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
        let of_type = |type_: &str| -> Vec<Address> {
            all.clone().filter(|a| a.type_ == type_).filter_map(|a| parse(&a.address)).collect()
        };
        let external = match which {
            NodeAddresses::ExternalFirst => of_type("ExternalIP"),
            NodeAddresses::Internal => Vec::new(),
        };
        if external.is_empty() { of_type("InternalIP") } else { external }
    };
    tidy(nodes.into_iter().flat_map(of_node))
}

/// Selector of the pods of our installation; `None`: the pod does not say what it belongs to.
fn selector(pod: &Pod) -> Option<String> {
    let labels = pod.metadata.labels.as_ref()?;
    let terms: Vec<String> = INSTALLATION_LABELS
        .iter()
        .filter_map(|key| labels.get(*key).map(|value| format!("{key}={value}")))
        .collect();
    (!terms.is_empty()).then(|| terms.join(","))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Whether a pod runs or will, as far as anybody can say.
fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// What is known of the pods of our installation.
enum Found {
    All(Vec<Pod>),
    /// Ours alone: it does not say what it belongs to.
    Own(Box<Pod>),
}

impl Found {
    fn pods(&self) -> &[Pod] {
        match self {
            Self::All(pods) => pods,
            Self::Own(pod) => std::slice::from_ref(pod),
        }
    }
}

/// The pods of our installation.
pub(super) struct Replicas {
    pods: Api<Pod>,
    nodes: Api<Node>,
    namespace: String,
    pod: String,
}

impl Replicas {
    pub(super) fn new(client: &kube::Client, namespace: &str, pod: &str) -> Self {
        Self {
            pods: Api::namespaced(client.clone(), namespace),
            nodes: Api::all(client.clone()),
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
        }
    }

    /// Whether this is the only one; `false` where that cannot be said.
    pub(super) async fn is_last(&self, rights: &Rights) -> bool {
        match self.list(rights).await {
            Ok(Found::Own(_)) => false,
            Ok(Found::All(pods)) => {
                let name = Some(&self.pod);
                !pods.iter().any(|pod| pod.metadata.name.as_ref() != name && is_alive(pod))
            }
            Err(error) => {
                tracing::warn!(%error, "other replicas cannot be seen: the status stays");
                false
            }
        }
    }

    async fn list(&self, rights: &Rights) -> Result<Found, CallError> {
        let listed = call(API_CALL_TIMEOUT, async {
            let own = self.pods.get(&self.pod).await?;
            let Some(selector) = selector(&own) else { return Ok(Found::Own(Box::new(own))) };
            let listed = ListParams::default().labels(&selector).limit(REPLICAS_MAX);
            Ok(Found::All(self.pods.list(&listed).await?.items))
        });
        rights.noted(Right::Pods, &self.namespace, listed.await)
    }

    /// Where the pods are that are ready.
    pub(super) async fn pod_addresses(
        &self,
        rights: &Rights,
    ) -> Result<BTreeSet<IpAddr>, CallError> {
        let found = self.list(rights).await?;
        let ready = found.pods().iter().filter(|pod| is_ready(pod));
        let of_pod = |pod: &Pod| {
            let ips = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
            ips.filter_map(|ip| ip.ip.parse().ok()).collect::<Vec<_>>()
        };
        Ok(ready.flat_map(of_pod).collect())
    }

    async fn addresses(
        &self,
        which: NodeAddresses,
        rights: &Rights,
    ) -> Result<Addresses, CallError> {
        let found = self.list(rights).await?;
        let names = found.pods().iter().filter(|pod| is_ready(pod));
        let mut names: Vec<&str> =
            names.filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(STATUS_ADDRESSES_MAX);
        let mut nodes = Vec::with_capacity(names.len());
        for name in names {
            let node = call(API_CALL_TIMEOUT, self.nodes.get_opt(name)).await;
            nodes.extend(rights.noted(Right::Nodes, "", node)?);
        }
        Ok(of_nodes(&nodes, which))
    }
}

/// Tells the addresses whenever they change; those of nodes only while somebody writes them.
pub(super) async fn follow(
    source: &AddressSource,
    client: &kube::Client,
    replicas: &Replicas,
    mut leading: watch::Receiver<Leadership>,
    addresses: &watch::Sender<Addresses>,
    rights: &Rights,
) -> Infallible {
    let tell = |new: Addresses| {
        addresses.send_if_modified(|now| {
            let is_news = !new.is_empty() && **now != *new;
            if is_news {
                tracing::info!(addresses = ?new, "addresses for the status of Ingresses");
                *now = new;
            }
            is_news
        });
    };
    match source {
        AddressSource::Fixed(texts) => {
            for text in texts.iter().filter(|text| parse(text).is_none()) {
                tracing::warn!(%text, "not an IP address nor a name: not written to any status");
            }
            tell(tidy(texts.iter().filter_map(|text| parse(text))));
            std::future::pending().await
        }
        AddressSource::Service(service) => follow_service(service, client, &tell, rights).await,
        AddressSource::Nodes(which) => {
            let mut is_failing = false;
            loop {
                if leading.wait_for(|now| *now == Leadership::Held).await.is_err() {
                    // The election has ended, and with it this future.
                    std::future::pending::<()>().await;
                }
                let pause = match replicas.addresses(*which, rights).await {
                    Ok(found) => {
                        tell(found);
                        is_failing = false;
                        NODE_ADDRESSES_REFRESH
                    }
                    Err(CallError::Refused(_)) => KUBE_REFUSED_RETRY,
                    Err(error) => {
                        if !std::mem::replace(&mut is_failing, true) {
                            tracing::warn!(
                                %error,
                                "the nodes that run us cannot be found; set \
                                 --publish-service, --publish-status-address or \
                                 --update-status=false"
                            );
                        }
                        NODE_ADDRESSES_REFRESH
                    }
                };
                sleep(jitter(pause)).await;
            }
        }
    }
}

/// Tells the addresses of the Service whenever it changes.
async fn follow_service(
    service: &ObjectRef,
    client: &kube::Client,
    tell: &dyn Fn(Addresses),
    rights: &Rights,
) -> Infallible {
    loop {
        let api: Api<Service> = Api::namespaced(client.clone(), &service.namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", service.name));
        let mut events = std::pin::pin!(watcher(api, config).default_backoff());
        let mut is_there = false;
        while let Some(event) = events.next().await {
            match told_watch(rights, Right::Service, &service.namespace, event) {
                Some(watcher::Event::InitApply(found) | watcher::Event::Apply(found)) => {
                    is_there = true;
                    tell(of_service(&found));
                }
                Some(watcher::Event::InitDone) if !is_there => {
                    tracing::warn!(
                        %service,
                        "there is no such Service, and no address until there is; correct \
                         --publish-service"
                    );
                }
                Some(watcher::Event::Delete(_)) => {
                    tracing::warn!(%service, "the Service is gone; addresses stay");
                }
                _ => {}
            }
        }
        sleep(jitter(LEASE_RETRY)).await;
    }
}

/// The event of a watch; an error is retried by the watch itself.
pub(super) fn told_watch<K>(
    rights: &Rights,
    right: Right,
    namespace: &str,
    event: Result<watcher::Event<K>, watcher::Error>,
) -> Option<watcher::Event<K>> {
    rights
        .noted(right, namespace, event.map_err(CallError::from))
        .inspect_err(|error| tracing::debug!(%error, "watch of the Service"))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1::{
        LoadBalancerIngress, LoadBalancerStatus, NodeAddress, NodeStatus, PodCondition, PodStatus,
        ServiceSpec, ServiceStatus,
    };
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn addresses(texts: &[&str]) -> Addresses {
        tidy(texts.iter().filter_map(|text| parse(text)))
    }

    #[test]
    fn addresses_are_sorted_once_each_and_bounded() {
        let all = addresses(&["lb.test.", "192.0.2.9", "::ffff:192.0.2.9", "LB.test", "192.0.2.1"]);
        let expected =
            [Address::Ip("192.0.2.1".parse().unwrap()), Address::Ip("192.0.2.9".parse().unwrap())];
        assert_eq!(all[..2], expected);
        assert_eq!(all[2..], [Address::Name("lb.test".into())]);
        let long = "a".repeat(64);
        for text in ["", "a b", "-a.test", "a..b", "*.test", "a_b", "010.0.0.1", "300.1", &long] {
            assert_eq!(parse(text), None, "{text}");
        }
        let many: Vec<String> = (0..1000).map(|n| format!("host{n}.test")).collect();
        assert_eq!(tidy(many.iter().filter_map(|text| parse(text))).len(), STATUS_ADDRESSES_MAX);
    }

    #[test]
    fn a_service_of_each_type() {
        let some = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
        let of = |type_: &str, external: &[&str], cluster: &str| {
            let entry = |ip: Option<&str>, hostname: Option<&str>| LoadBalancerIngress {
                ip: ip.map(str::to_owned),
                hostname: hostname.map(str::to_owned),
                ..Default::default()
            };
            let ingress = vec![entry(Some("198.51.100.7"), None), entry(None, Some("lb.test"))];
            let load_balancer = Some(LoadBalancerStatus { ingress: Some(ingress) });
            of_service(&Service {
                spec: Some(ServiceSpec {
                    type_: Some(type_.to_owned()),
                    external_ips: some(external),
                    cluster_ips: some(&[cluster]),
                    external_name: Some("elsewhere.test".to_owned()),
                    ..Default::default()
                }),
                status: Some(ServiceStatus { load_balancer, ..Default::default() }),
                ..Default::default()
            })
        };
        assert_eq!(
            of("LoadBalancer", &["192.0.2.1"], "10.96.0.1"),
            addresses(&["192.0.2.1", "198.51.100.7", "lb.test"])
        );
        assert_eq!(of("ClusterIP", &["192.0.2.1"], "10.96.0.1"), addresses(&["10.96.0.1"]));
        assert_eq!(of("NodePort", &["192.0.2.1"], "10.96.0.1"), addresses(&["192.0.2.1"]));
        assert_eq!(of("NodePort", &[], "10.96.0.1"), addresses(&["10.96.0.1"]));
        assert_eq!(of("ExternalName", &[], ""), addresses(&["elsewhere.test"]));
        assert!(of("ClusterIP", &[], "None").is_empty());
        assert!(of_service(&Service::default()).is_empty());
    }

    #[test]
    fn nodes_give_their_external_address_where_they_have_one() {
        let node = |entries: &[(&str, &str)]| Node {
            status: Some(NodeStatus {
                addresses: Some(
                    entries
                        .iter()
                        .map(|(type_, address)| NodeAddress {
                            type_: (*type_).to_owned(),
                            address: (*address).to_owned(),
                        })
                        .collect(),
                ),
                ..Default::default()
            }),
            ..Default::default()
        };
        let nodes = [
            node(&[("Hostname", "n1"), ("InternalIP", "10.0.0.1"), ("ExternalIP", "192.0.2.1")]),
            node(&[("InternalIP", "10.0.0.2")]),
            node(&[]),
        ];
        assert_eq!(
            of_nodes(&nodes, NodeAddresses::ExternalFirst),
            addresses(&["192.0.2.1", "10.0.0.2"])
        );
        assert_eq!(of_nodes(&nodes, NodeAddresses::Internal), addresses(&["10.0.0.1", "10.0.0.2"]));
    }

    #[test]
    fn pods_of_one_installation() {
        let mut pod = Pod::default();
        assert_eq!(selector(&pod), None);
        pod.metadata.labels = Some(BTreeMap::from([
            ("app.kubernetes.io/name".to_owned(), "ringway".to_owned()),
            ("app.kubernetes.io/instance".to_owned(), "edge".to_owned()),
            ("pod-template-hash".to_owned(), "1234".to_owned()),
        ]));
        assert_eq!(
            selector(&pod).as_deref(),
            Some("app.kubernetes.io/name=ringway,app.kubernetes.io/instance=edge")
        );
        assert!(is_alive(&pod) && !is_ready(&pod));
        let ready =
            PodCondition { type_: "Ready".into(), status: "True".into(), ..Default::default() };
        pod.status = Some(PodStatus { conditions: Some(vec![ready]), ..Default::default() });
        assert!(is_alive(&pod) && is_ready(&pod));
        pod.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(!is_alive(&pod) && !is_ready(&pod));
    }
}
