//! The chart's values for a Ringway that serves beside an ingress-nginx as that one is set up. What
//! could harm the other while both run (its class, ports, the status of Ingresses) is left to it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::controller::{Controller, Replicas, selects, text};
use super::facts::World;
use super::yaml;
use crate::control::lower::{LowerOptions, is_guard_key};
use crate::control::store::Store;
use crate::explain::is_secret_name;
use crate::model::{ObjectRef, Problem, reason};

/// What the values are made of.
pub(super) struct Made<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a LowerOptions,
    pub(super) controller: Option<&'a Controller>,
    pub(super) world: &'a World,
    /// Flags that have no effect here, or cannot be had.
    pub(super) dropped: &'a [String],
    /// What lowering says.
    pub(super) problems: &'a [Arc<Problem>],
}

impl Made<'_> {
    /// Why a guard or a text of the ConfigMap cannot be kept; `None`: it can. One whose value is
    /// wrong stays: it keeps everybody out until somebody has looked at it.
    fn lost(&self, name: &str) -> Option<String> {
        let is_it = |problem: &&Arc<Problem>| {
            problem.object == self.options.config_map
                && problem.reason == reason!("KeyNotSupported")
                && problem.field.strip_prefix("data.") == Some(name)
        };
        let may_be = is_guard_key(name) || name.ends_with("-snippet");
        let problem = self.problems.iter().filter(|_| may_be).find(is_it)?;
        Some(format!("{name}: {} {}", problem.message, problem.advice))
    }
}

/// Values, and what people have to know of them.
pub(super) struct Values {
    pub(super) values: Value,
    pub(super) notes: Vec<String>,
}

/// Flags that other values say, or that are the other's own.
const SAID_ELSEWHERE: [&str; 23] = [
    "configmap",
    "controller-class",
    "default-backend-service",
    "election-id",
    "enable-metrics",
    "healthz-host",
    "healthz-port",
    "http-port",
    "https-port",
    "ingress-class",
    "ingress-class-by-name",
    "kubeconfig",
    "publish-service",
    "publish-status-address",
    "shutdown-grace-period",
    "tcp-services-configmap",
    "udp-services-configmap",
    "update-status",
    "validating-webhook",
    "validating-webhook-certificate",
    "validating-webhook-key",
    "watch-ingress-without-class",
    "watch-namespace",
];

/// Annotations of a Service by which its load balancer has an address or a name that there is once:
/// that of ingress-nginx.
const OF_ADDRESS: &[&str] = &[
    "io.cilium/lb-ipam-ips",
    "kube-vip.io/loadbalancerIPs",
    "kubernetes.digitalocean.com/load-balancer-id",
    "kubernetes.io/ingress.global-static-ip-name",
    "lbipam.cilium.io/ips",
    "load-balancer.hetzner.cloud/hostname",
    "load-balancer.hetzner.cloud/name",
    "loadbalancer.openstack.org/load-balancer-address",
    "loadbalancer.openstack.org/load-balancer-id",
    "metallb.io/ip-allocated-from-pool",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/ip-allocated-from-pool",
    "metallb.universe.tf/loadBalancerIPs",
    "networking.gke.io/load-balancer-ip-addresses",
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id",
    "service.beta.kubernetes.io/aws-load-balancer-eip-allocations",
    "service.beta.kubernetes.io/aws-load-balancer-ipv6-addresses",
    "service.beta.kubernetes.io/aws-load-balancer-name",
    "service.beta.kubernetes.io/aws-load-balancer-private-ipv4-addresses",
    "service.beta.kubernetes.io/azure-dns-label-name",
    "service.beta.kubernetes.io/azure-load-balancer-ipv4",
    "service.beta.kubernetes.io/azure-load-balancer-ipv6",
    "service.beta.kubernetes.io/azure-pip-name",
    "service.beta.kubernetes.io/azure-pip-name-ipv6",
    "service.beta.kubernetes.io/do-loadbalancer-name",
    "service.beta.kubernetes.io/linode-loadbalancer-nodebalancer-id",
    "service.beta.kubernetes.io/linode-loadbalancer-reserved-ipv4",
    "service.beta.kubernetes.io/scw-loadbalancer-id",
    "service.beta.kubernetes.io/scw-loadbalancer-ip-ids",
    "service.kubernetes.io/tke-existed-lbid",
];

/// What annotations of external-dns begin with: by them names lead to the Service.
const OF_DNS: &str = "external-dns.alpha.kubernetes.io/";

/// Keys of a ConfigMap, and flags, whose values are nobody's to see.
const SECRET_KEYS: [&str; 2] = ["ssl-session-ticket-key", "maxmind-license-key"];

/// Where the pods may run, as far as it names no labels of the other's pods.
const OF_POD: [&str; 4] = ["nodeSelector", "tolerations", "priorityClassName", "dnsPolicy"];

const HEAD: &str = "\
# Values of the chart deploy/chart/ringway, for a Ringway beside the ingress-nginx that was read:
# helm install ringway deploy/chart/ringway --namespace ringway --create-namespace --values THIS
# Say where your image is: controller.image.registry.
";

impl Values {
    pub(super) fn of(made: &Made<'_>) -> Self {
        let mut values = Self { values: json!({}), notes: Vec::new() };
        values.class(made);
        values.flags(made);
        values.config(made);
        values.streams(made);
        if let Some(controller) = made.controller {
            values.pods(controller, made.world.new_replicas);
            values.service(controller, made);
        }
        values
    }

    /// As a file.
    pub(super) fn text(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("# {}\n", yaml::one_line(note)));
        HEAD.to_owned() + &notes.collect::<String>() + &yaml::document(&self.values)
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Sets what stands at a path of names.
    fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let mut at = &mut self.values;
        for name in path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Some(fields) = at.as_object_mut() else { return };
            at = fields.entry(*name).or_insert(Value::Null);
        }
        *at = value.into();
    }

    fn class(&mut self, made: &Made<'_>) {
        let LowerOptions { ingress_class, controller_class, .. } = made.options;
        let resource = ["controller", "ingressClassResource"];
        self.set(&[resource[0], resource[1], "name"], ingress_class.as_str());
        self.set(&[resource[0], resource[1], "controllerValue"], controller_class.as_str());
        self.set(&[resource[0], resource[1], "enabled"], false);
        self.note(
            "ingressClassResource.enabled: the IngressClass is of the release of ingress-nginx; \
             true once that is gone.",
        );
        if made.options.watch_without_class {
            self.set(&["controller", "watchIngressWithoutClass"], true);
        }
        if made.options.class_by_name {
            self.set(&["controller", "ingressClassByName"], true);
        }
        self.set(&["controller", "extraArgs", "update-status"], "false");
        self.note(
            "update-status: two controllers that write one status would take turns for ever.",
        );
    }

    fn flags(&mut self, made: &Made<'_>) {
        let world = made.world;
        for (name, value) in &world.flags {
            let is_said = SAID_ELSEWHERE.contains(&name.as_str());
            let is_dropped = is_said || made.dropped.iter().any(|dropped| dropped == name);
            if SECRET_KEYS.contains(&name.as_str()) {
                self.note(format!("extraArgs.{name} is left out: its value is a secret."));
            } else if !is_dropped {
                self.set(&["controller", "extraArgs", name], value.as_str());
            }
        }
        if let Some(backend) = world.flags.get("default-backend-service") {
            let port = made.options.default_backend.as_ref().map(|key| key.port.to_string());
            let backend = match (backend.contains(':'), port) {
                (false, Some(port)) => format!("{backend}:{port}"),
                _ => backend.clone(),
            };
            self.set(&["controller", "defaultBackendService"], backend);
        }
        if world.has_flag("enable-metrics") {
            self.set(&["controller", "metrics", "enabled"], true);
        }
        if let Some(namespace) = world.flags.get("watch-namespace").filter(|it| !it.is_empty()) {
            self.set(&["controller", "scope", "enabled"], true);
            self.set(&["controller", "scope", "namespace"], namespace.as_str());
        }
        let has_webhook = world.flags.get("validating-webhook").is_some_and(|at| !at.is_empty());
        self.set(&["controller", "admissionWebhooks", "enabled"], has_webhook);
    }

    fn config(&mut self, made: &Made<'_>) {
        for (name, value) in &made.world.keys {
            let fields = match name.as_str() {
                "add-headers" => Some("addHeaders"),
                "proxy-set-headers" => Some("proxySetHeaders"),
                _ => None,
            };
            if SECRET_KEYS.contains(&name.as_str()) {
                self.note(format!("config.{name} is left out: its value is a secret."));
            } else if let Some(lost) = made.lost(name) {
                self.note(lost);
            } else if let Some(place) = fields
                && let Some(fields) = self.fields(made.store, value)
            {
                self.set(&["controller", place], fields);
            } else {
                self.set(&["controller", "config", name], value.as_str());
            }
        }
        if made.world.keys.contains_key("allow-snippet-annotations") {
            let allows = made.world.is_on("allow-snippet-annotations");
            self.set(&["controller", "allowSnippetAnnotations"], allows);
        }
    }

    /// What a ConfigMap with fields says, if it was read and none of them is a secret.
    fn fields(&mut self, store: &Store, named: &str) -> Option<Value> {
        let (namespace, name) = named.split_once('/')?;
        let is_it = |map: &&ObjectRef| *map.namespace == *namespace && *map.name == *name;
        let map = store.config_maps.keys().find(is_it)?;
        let fields = store.config_maps.get(map)?.object.data.as_ref()?;
        if fields.keys().any(|name| is_secret_name(name)) {
            self.note(format!(
                "ConfigMap {named} stays where it is, as one of its fields is a secret; keep it \
                 when ingress-nginx goes."
            ));
            return None;
        }
        Some(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect(),
        )
    }

    fn streams(&mut self, made: &Made<'_>) {
        let maps = [("tcp", &made.options.tcp_services), ("udp", &made.options.udp_services)];
        for (place, map) in maps {
            let entry = map.as_ref().and_then(|map| made.store.config_maps.get(map));
            for (port, line) in entry.iter().flat_map(|entry| entry.object.data.iter().flatten()) {
                self.set(&[place, port], line.as_str());
            }
        }
    }

    fn pods(&mut self, controller: &Controller, replicas: Replicas) {
        self.set(&["controller", "kind"], controller.kind);
        match replicas {
            Replicas::Fixed(number) => self.set(&["controller", "replicaCount"], number),
            Replicas::Scaled(least, most) => {
                self.set(&["controller", "autoscaling", "enabled"], true);
                self.set(&["controller", "autoscaling", "minReplicas"], least);
                self.set(&["controller", "autoscaling", "maxReplicas"], most);
            }
            Replicas::Unknown | Replicas::PerNode => {}
        }
        if let Some(least) = &controller.min_available {
            self.set(&["controller", "minAvailable"], least.clone());
        }
        let spec = controller.template.pointer("/spec");
        for name in OF_POD {
            if let Some(value) = spec.and_then(|spec| spec.get(name)) {
                self.set(&["controller", name], value.clone());
            }
        }
        if let Some(resources) = controller.container.get("resources") {
            self.set(&["controller", "resources"], resources.clone());
        }
        if spec.and_then(|spec| spec.get("hostNetwork")) == Some(&Value::Bool(true)) {
            self.set(&["controller", "hostNetwork"], true);
            self.note(
                "hostNetwork: both want ports 80 and 443 of a node; give Ringway nodes of its own \
                 by nodeSelector until ingress-nginx is gone.",
            );
        }
        for name in ["affinity", "topologySpreadConstraints"] {
            if spec.and_then(|spec| spec.get(name)).is_some() {
                self.note(format!(
                    "{name} is left out: see whether its labels are those of ingress-nginx' pods."
                ));
            }
        }
    }

    fn service(&mut self, controller: &Controller, made: &Made<'_>) {
        let named = made.world.flags.get("publish-service").map(String::as_str).unwrap_or_default();
        let is_its = |(service, entry): &(&ObjectRef, &crate::control::store::Entry<_>)| {
            is_service(service, &entry.object, controller, named)
        };
        let Some((_, entry)) = made.store.services.iter().find(is_its) else { return };
        let Ok(object) = serde_json::to_value(&*entry.object) else { return };
        let spec = object.get("spec").cloned().unwrap_or_default();
        for name in
            ["type", "externalTrafficPolicy", "loadBalancerClass", "loadBalancerSourceRanges"]
        {
            if let Some(value) = spec.get(name).filter(|value| !value.is_null()) {
                self.set(&["controller", "service", name], value.clone());
            }
        }
        let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
        for (name, value) in annotations.into_iter().flatten() {
            if OF_ADDRESS.contains(&name.as_str()) || name.starts_with(OF_DNS) {
                self.note(format!(
                    "service.annotations.{name} is left out: ingress-nginx has that address or \
                     name."
                ));
            } else if !name.contains("kubectl.kubernetes.io/") && !name.starts_with("meta.helm.sh/")
            {
                self.set(&["controller", "service", "annotations", name], value.clone());
            }
        }
        for name in ["loadBalancerIP", "externalIPs"] {
            if spec.get(name).is_some_and(|value| !value.is_null()) {
                self.note(format!("service.{name} is left out: ingress-nginx has that address."));
            }
        }
        for port in spec.get("ports").and_then(Value::as_array).into_iter().flatten() {
            let name = text(port, "/name");
            let target = text(port, "/targetPort");
            if name == "https" && target == "http" {
                self.set(&["controller", "service", "targetPorts", "https"], "http");
            }
        }
    }
}

/// Whether a Service is where clients of the controller come in.
fn is_service(
    reference: &ObjectRef,
    service: &k8s_openapi::api::core::v1::Service,
    controller: &Controller,
    named: &str,
) -> bool {
    if !named.is_empty() {
        return format!("{}/{}", reference.namespace, reference.name) == named;
    }
    let spec = service.spec.as_ref();
    let selector = spec.and_then(|spec| spec.selector.as_ref());
    let selector = selector.and_then(|selector| serde_json::to_value(selector).ok());
    let mut ports = spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
    *reference.namespace == controller.namespace
        && selects(selector.as_ref(), &controller.template)
        && ports.any(|port| matches!(port.name.as_deref(), Some("http" | "https")))
}
