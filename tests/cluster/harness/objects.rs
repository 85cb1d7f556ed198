//! Objects of one namespace, written as a user writes them.

use std::net::IpAddr;

use futures_util::stream::{StreamExt as _, iter};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};

use super::block_on;

/// Kinds that tests write: kind, group and version, plural, whether namespaces hold it.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("Ingress", "networking.k8s.io/v1", "ingresses", true),
    ("IngressClass", "networking.k8s.io/v1", "ingressclasses", false),
    ("Service", "v1", "services", true),
    ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices", true),
    ("Secret", "v1", "secrets", true),
    ("ConfigMap", "v1", "configmaps", true),
    ("Namespace", "v1", "namespaces", false),
    ("Node", "v1", "nodes", false),
    ("Pod", "v1", "pods", true),
    ("Event", "v1", "events", true),
    ("Lease", "coordination.k8s.io/v1", "leases", true),
    ("Deployment", "apps/v1", "deployments", true),
    ("ServiceAccount", "v1", "serviceaccounts", true),
    ("Role", "rbac.authorization.k8s.io/v1", "roles", true),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", true),
    ("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", false),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", false),
    ("GatewayClass", "gateway.networking.k8s.io/v1", "gatewayclasses", false),
    ("Gateway", "gateway.networking.k8s.io/v1", "gateways", true),
    ("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes", true),
    (
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        false,
    ),
];

/// The objects of a namespace, and those of the cluster.
#[derive(Clone)]
pub(crate) struct Objects {
    client: Client,
    pub(crate) namespace: String,
}

impl Objects {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.into() }
    }

    /// A Service `name` with port 80, and its slice with these endpoints.
    #[track_caller]
    pub(crate) fn backend(&self, name: &str, endpoints: &[Endpoint]) {
        self.apply(json!({
            "kind": "Service",
            "metadata": { "name": name },
            "spec": { "ports": [{ "port": 80, "targetPort": 8080 }] },
        }));
        self.slice(name, endpoints);
    }

    /// The only slice of a Service, port 8080.
    #[track_caller]
    pub(crate) fn slice(&self, service: &str, endpoints: &[Endpoint]) {
        self.apply(slice(service, endpoints));
    }

    /// An Ingress of class `class` with one host and the path `/`.
    #[track_caller]
    pub(crate) fn ingress(&self, class: &str, name: &str, host: &str, service: &str) {
        self.apply(ingress(class, name, host, service));
    }

    /// Creates or changes an object; `apiVersion` may be left out. A field that was there and is
    /// not now is removed.
    #[track_caller]
    pub(crate) fn apply(&self, object: Value) -> DynamicObject {
        let name = object["metadata"]["name"].to_string();
        self.try_apply(object).unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    pub(crate) fn try_apply(&self, mut object: Value) -> Result<DynamicObject, Error> {
        let kind = object["kind"].as_str().expect("kind").to_owned();
        let name = object["metadata"]["name"].as_str().expect("name").to_owned();
        object["apiVersion"] = json!(resource(&kind).api_version);
        let parameters = PatchParams::apply("test").force();
        block_on(self.api(&kind).patch(&name, &parameters, &Patch::Apply(object)))
    }

    /// Lets the API server and its webhooks judge an object, and nothing else.
    #[track_caller]
    pub(crate) fn dry_run(&self, mut object: Value) {
        let kind = object["kind"].as_str().expect("kind").to_owned();
        let name = object["metadata"]["name"].as_str().expect("name").to_owned();
        object["apiVersion"] = json!(resource(&kind).api_version);
        let parameters = PatchParams::apply("test").force().dry_run();
        let api = self.api(&kind);
        block_on(api.patch(&name, &parameters, &Patch::Apply(object))).expect("allowed");
    }

    /// Applies many objects of a kind, eight requests in flight.
    #[track_caller]
    pub(crate) fn create_many(&self, kind: &str, all: impl Iterator<Item = Value>) {
        let (api, version) = (self.api(kind), resource(kind).api_version);
        let all = all.map(|mut object| {
            object["apiVersion"] = json!(version);
            let api = api.clone();
            async move {
                let name = object["metadata"]["name"].as_str().expect("name").to_owned();
                let parameters = PatchParams::apply("test").force();
                api.patch(&name, &parameters, &Patch::Apply(object)).await.map(drop)
            }
        });
        let results = block_on(iter(all).buffer_unordered(8).collect::<Vec<_>>());
        results.into_iter().for_each(|result| result.expect("created"));
    }

    /// `None`: there is none.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let object = block_on(self.api(kind).get_opt(name)).expect("an answer");
        object.map(|object| serde_json::to_value(object).expect("JSON"))
    }

    #[track_caller]
    pub(crate) fn delete(&self, kind: &str, name: &str) {
        block_on(self.api(kind).delete(name, &DeleteParams::default())).expect("deleted");
    }

    /// All of a kind whose labels or fields the server filters by `fields`; empty: all.
    #[track_caller]
    pub(crate) fn list(&self, kind: &str, fields: &str) -> Vec<Value> {
        let parameters = ListParams::default().fields(fields);
        let list = block_on(self.api(kind).list(&parameters)).expect("an answer");
        list.items.into_iter().map(|o| serde_json::to_value(o).expect("JSON")).collect()
    }

    /// Changes a part of an object, or of its status.
    #[track_caller]
    pub(crate) fn merge(&self, kind: &str, name: &str, patch: Value) {
        let (api, parameters) = (self.api(kind), PatchParams::default());
        let is_status = patch.get("status").is_some();
        let patch = Patch::Merge(patch);
        let result = if is_status {
            block_on(api.patch_status(name, &parameters, &patch))
        } else {
            block_on(api.patch(name, &parameters, &patch))
        };
        result.expect("patched");
    }

    /// Addresses in the status of an Ingress.
    #[track_caller]
    pub(crate) fn addresses(&self, ingress: &str) -> Vec<String> {
        let api: Api<Ingress> = Api::namespaced(self.client.clone(), &self.namespace);
        let status = block_on(api.get(ingress)).expect("an answer").status.unwrap_or_default();
        let entries = status.load_balancer.and_then(|b| b.ingress).unwrap_or_default();
        entries.into_iter().filter_map(|entry| entry.ip.or(entry.hostname)).collect()
    }

    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let is_namespaced = KINDS.iter().any(|known| known.0 == kind && known.3);
        let resource = resource(kind);
        if is_namespaced {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }
}

fn resource(kind: &str) -> ApiResource {
    let known = KINDS.iter().find(|known| known.0 == kind);
    let (_, version, plural, _) = known.unwrap_or_else(|| panic!("{kind} is not in KINDS"));
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// One entry of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: String,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
    /// Zones of the hint.
    pub(crate) zones: Vec<&'static str>,
}

impl Endpoint {
    pub(crate) fn ready(address: impl Into<IpAddr>) -> Self {
        Self {
            address: address.into().to_string(),
            ready: true,
            serving: true,
            terminating: false,
            zones: Vec::new(),
        }
    }

    pub(crate) fn terminating(address: impl Into<IpAddr>) -> Self {
        Self { ready: false, terminating: true, ..Self::ready(address) }
    }

    pub(crate) fn unready(address: impl Into<IpAddr>) -> Self {
        Self { ready: false, serving: false, ..Self::ready(address) }
    }

    pub(crate) fn hinted(address: impl Into<IpAddr>, zones: &[&'static str]) -> Self {
        Self { zones: zones.to_vec(), ..Self::ready(address) }
    }
}

pub(crate) fn slice(service: &str, endpoints: &[Endpoint]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| {
            let mut value = json!({
                "addresses": [endpoint.address],
                "conditions": {
                    "ready": endpoint.ready,
                    "serving": endpoint.serving,
                    "terminating": endpoint.terminating,
                },
            });
            if !endpoint.zones.is_empty() {
                let zones: Vec<_> =
                    endpoint.zones.iter().map(|zone| json!({ "name": zone })).collect();
                value["hints"] = json!({ "forZones": zones });
            }
            value
        })
        .collect();
    json!({
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"),
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "", "port": 8080, "protocol": "TCP" }],
        "endpoints": endpoints,
    })
}

pub(crate) fn ingress(class: &str, name: &str, host: &str, service: &str) -> Value {
    json!({
        "kind": "Ingress",
        "metadata": { "name": name },
        "spec": { "ingressClassName": class, "rules": [rule(host, "/", service)] },
    })
}

/// One rule with one path, to port 80 of a Service.
pub(crate) fn rule(host: &str, path: &str, service: &str) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    let path = json!({ "path": path, "pathType": "Prefix", "backend": backend });
    json!({ "host": host, "http": { "paths": [path] } })
}
