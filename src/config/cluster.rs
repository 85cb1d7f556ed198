//! The flags of cluster mode: where the API server is, what is watched, and who is told what.

use std::path::PathBuf;

use super::bind::Bind;
use super::parse;
use crate::model::ObjectRef;

/// Type of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum ServiceType {
    /// Reached from the outside by a load balancer of the cluster's provider.
    LoadBalancer,
    /// Reached by a port of each node.
    NodePort,
    /// Reached from within the cluster.
    #[value(name = "ClusterIP")]
    ClusterIp,
}

impl ServiceType {
    /// As `spec.type` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoadBalancer => "LoadBalancer",
            Self::NodePort => "NodePort",
            Self::ClusterIp => "ClusterIP",
        }
    }
}

/// Flags that matter where objects come from an API server; names as ingress-nginx has them where
/// it has them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// File that says where the API server is [default: the account of the pod; else KUBECONFIG,
    /// else ~/.kube/config]
    #[arg(long, env = "RINGWAY_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Objects of these namespaces alone are watched; may be repeated [default: all]
    #[arg(
        long, env = "RINGWAY_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',',
        value_parser = parse::namespace, conflicts_with = "watch_namespace_selector"
    )]
    pub watch_namespace: Vec<String>,

    /// Objects of namespaces with these labels alone are used, such as team=web,tier!=test
    #[arg(
        long, env = "RINGWAY_WATCH_NAMESPACE_SELECTOR", value_name = "SELECTOR",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub watch_namespace_selector: Option<String>,

    /// Service whose addresses are written to the status of Ingresses
    #[arg(
        long, env = "RINGWAY_PUBLISH_SERVICE", value_name = "NAMESPACE/NAME",
        value_parser = parse::service
    )]
    pub publish_service: Option<ObjectRef>,

    /// Addresses (IP or name) that are written to the status of Ingresses, whatever the Service
    /// says; may be repeated
    #[arg(
        long,
        env = "RINGWAY_PUBLISH_STATUS_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = parse::status_address
    )]
    pub publish_status_address: Vec<String>,

    /// Make a Service of this type for each Gateway, in its namespace, and show the addresses of
    /// that as those of the Gateway, unless --gateway-addresses says others [default: none is made]
    #[arg(long, env = "RINGWAY_GATEWAY_SERVICES", value_name = "TYPE", ignore_case = true)]
    pub gateway_services: Option<ServiceType>,

    /// Where neither is set: write the internal addresses of the nodes that run us, not the
    /// external ones
    #[arg(long, env = "RINGWAY_REPORT_NODE_INTERNAL_IP_ADDRESS")]
    pub report_node_internal_ip_address: bool,

    /// Write the status of Ingresses; false: run beside another controller without a trace
    #[arg(
        long, env = "RINGWAY_UPDATE_STATUS", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub update_status: bool,

    /// Take the addresses back from the status when the last replica ends
    #[arg(
        long, env = "RINGWAY_UPDATE_STATUS_ON_SHUTDOWN", value_name = "BOOL",
        default_value_t = true, action = clap::ArgAction::Set
    )]
    pub update_status_on_shutdown: bool,

    /// Name of the Lease whose holder writes status and Events
    #[arg(
        long, env = "RINGWAY_ELECTION_ID", value_name = "NAME", default_value = "ringway-leader",
        value_parser = parse::object_name
    )]
    pub election_id: String,

    /// Zone of this process, for endpoints with topology hints
    /// [default: the label topology.kubernetes.io/zone of the node NODE_NAME]
    #[arg(long, env = "RINGWAY_ZONE", value_name = "ZONE")]
    pub zone: Option<String>,

    /// Address of the admission webhook, as --http-bind has it; may be repeated [default: none]
    #[arg(long, env = "RINGWAY_ADMISSION_BIND", value_name = "IP:PORT", value_delimiter = ',')]
    pub admission_bind: Vec<Bind>,

    /// Service by which the API server reaches the admission webhook; its name goes into the
    /// certificate
    #[arg(
        long, env = "RINGWAY_ADMISSION_SERVICE", value_name = "NAMESPACE/NAME",
        value_parser = parse::service, default_value = "ringway/ringway-admission"
    )]
    pub admission_service: ObjectRef,

    /// Secret that keeps the certificate of the admission webhook; made and renewed by us
    #[arg(
        long, env = "RINGWAY_ADMISSION_SECRET", value_name = "NAMESPACE/NAME",
        value_parser = parse::secret, default_value = "ringway/ringway-admission"
    )]
    pub admission_secret: ObjectRef,

    /// ValidatingWebhookConfiguration that is told the CA of that certificate
    #[arg(
        long, env = "RINGWAY_ADMISSION_CONFIGURATION", value_name = "NAME",
        value_parser = parse::object_name, default_value = "ringway-admission"
    )]
    pub admission_configuration: String,

    /// File with the certificate of the admission webhook and its chain, which somebody else makes
    /// and renews: then no Secret is written, and the API server is told no CA
    #[arg(
        long,
        env = "RINGWAY_ADMISSION_CERTIFICATE",
        value_name = "FILE",
        requires = "admission_key"
    )]
    pub admission_certificate: Option<PathBuf>,

    /// File with the key of that certificate
    #[arg(
        long,
        env = "RINGWAY_ADMISSION_KEY",
        value_name = "FILE",
        requires = "admission_certificate"
    )]
    pub admission_key: Option<PathBuf>,

    /// Name of this pod [default: the name of the host]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// Namespace of this pod; its Lease and Secret are there
    /// [default: that of the account or of the kubeconfig]
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", value_parser = parse::namespace)]
    pub pod_namespace: Option<String>,

    /// Node of this pod
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,
}
