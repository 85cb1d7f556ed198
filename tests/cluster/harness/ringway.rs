//! Ringway, installed as its user would: by helm, with the rights and the flags that the chart
//! gives; only that the process runs here and not on a node.

use std::process::Command;

use serde_json::{Value, json};

use super::{ControlPlane, Endpoint, Identity, Network, Objects, backend};
use crate::peers::{Backend, Proxy};

/// Where the chart is.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/ringway");

/// The ServiceAccount and the workload of the chart are named so, for every release of these tests.
const NAME: &str = "ringway";

/// For [`Installation::start_unready`].
pub(crate) const TWO_CORES: &str = "--cores=2";

/// A release of the chart in a namespace of its own. Its class is named after the namespace, so
/// that many can share one control plane.
pub(crate) struct Installation<'a> {
    pub(crate) control_plane: &'a ControlPlane,
    /// Objects of the namespace, written by an administrator.
    pub(crate) objects: Objects,
    /// Name of the IngressClass.
    pub(crate) class: String,
    /// Flags of the workload.
    arguments: Vec<String>,
    /// `kubeconfig` of the ServiceAccount.
    kubeconfig: std::path::PathBuf,
}

impl<'a> Installation<'a> {
    /// With the values of the chart.
    #[track_caller]
    pub(crate) fn new(control_plane: &'a ControlPlane) -> Self {
        Self::with(control_plane, &[])
    }

    /// With values as `--set` takes them.
    #[track_caller]
    pub(crate) fn with(control_plane: &'a ControlPlane, values: &[&str]) -> Self {
        let namespace = control_plane.namespace("ringway");
        let class = namespace.clone();
        let mut helm = control_plane.helm();
        helm.args(["install", &namespace, CHART, "--namespace", &namespace]);
        helm.args(["--set", &format!("fullnameOverride={namespace}")]);
        helm.args(["--set", &format!("serviceAccount.name={NAME}")]);
        let resource = "controller.ingressClassResource";
        helm.args(["--set", &format!("{resource}.name={class}")]);
        helm.args(["--set", &format!("{resource}.controllerValue=ringway.test/{class}")]);
        // Replicas here share one host and with it one port.
        helm.args(["--set", "controller.admissionWebhooks.enabled=false"]);
        for value in values {
            helm.args(["--set", value]);
        }
        let output = helm.output().expect("helm");
        assert!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
        let objects = Objects::new(control_plane.client(), &namespace);
        let workloads = objects.list("Deployment", "");
        let workload = workloads.first().expect("the Deployment of the chart");
        let container = &workload["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().expect("args");
        let arguments =
            arguments.iter().map(|argument| argument.as_str().expect("text").to_owned());
        let arguments = arguments.collect();
        let account = Identity::ServiceAccount { namespace: &namespace, name: NAME };
        let kubeconfig = control_plane.kubeconfig_for(account);
        Self { control_plane, objects, class, arguments, kubeconfig }
    }

    /// On the shared control plane, with a Service `web` whose only endpoint answers while the
    /// second value lives.
    #[track_caller]
    pub(crate) fn with_web() -> (Self, Backend) {
        let network = Network::new();
        let installation = Self::new(ControlPlane::shared());
        installation.objects.backend("web", &[Endpoint::ready(network.address(1))]);
        (installation, backend(network.address(1), "web"))
    }

    /// Starts one replica and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self) -> Proxy {
        let replica = self.start_unready("ringway-0", &[]);
        replica.wait_for_readiness();
        replica
    }

    /// The same on two cores, for what has to hold at any time.
    #[track_caller]
    pub(crate) fn start_on_two_cores(&self) -> Proxy {
        let replica = self.start_unready("ringway-0", &[TWO_CORES]);
        replica.wait_for_readiness();
        replica
    }

    /// Starts a replica named `pod` with further flags, ready or not.
    #[track_caller]
    pub(crate) fn start_unready(&self, pod: &str, flags: &[&str]) -> Proxy {
        let folder = tempfile::tempdir().expect("temporary folder");
        Proxy::launch_unready(self.command(pod, flags), folder)
    }

    /// The command of the chart; listeners are on loopback instead, and a drain waits for nobody.
    /// On one core unless `flags` say otherwise: each core takes up a table when it comes to it, so
    /// that of several what one connection showed the next one need not show yet.
    pub(crate) fn command(&self, pod: &str, flags: &[&str]) -> Command {
        let binary = std::env::var_os("RINGWAY_BIN");
        let mut command =
            Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_ringway").into()));
        let own = [
            "--http-bind",
            "--https-bind",
            "--admin-bind",
            "--drain-delay",
            "--drain-timeout",
            "--cores",
            "--access-log",
        ];
        let is_replaced = |argument: &str| {
            let name = argument.split('=').next().unwrap_or_default();
            own.contains(&name) || flags.iter().any(|flag| flag.split('=').next() == Some(name))
        };
        command.args(self.arguments.iter().filter(|argument| !is_replaced(argument)));
        command.args(["--drain-delay=0", "--drain-timeout=10", "--access-log=off"]);
        if !flags.iter().any(|flag| flag.starts_with("--cores")) {
            command.arg("--cores=1");
        }
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(flags);
        command.env("POD_NAME", pod).env("POD_NAMESPACE", &self.objects.namespace);
        command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    /// `ringway doctor` with the flags of the chart, run to its end: exit code and output.
    #[track_caller]
    pub(crate) fn doctor(&self, pod: &str, flags: &[&str]) -> (i32, String) {
        let output = self.doctor_command(pod, flags).output().expect("the binary");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    }

    /// The command of [`Installation::doctor`].
    pub(crate) fn doctor_command(&self, pod: &str, flags: &[&str]) -> Command {
        let serve = self.command(pod, flags);
        let mut arguments = serve.get_args();
        assert_eq!(arguments.next(), Some("serve".as_ref()), "the command of the chart");
        let mut doctor = Command::new(serve.get_program());
        doctor.arg("doctor").args(arguments).args(["--http-bind=127.0.0.1:0"]);
        doctor.args(["--https-bind=127.0.0.1:0", "--admin-bind=127.0.0.1:0"]);
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => doctor.env(name, value),
                None => doctor.env_remove(name),
            };
        }
        doctor
    }

    /// The flag by which the one replica answers at the address of the webhook's Service.
    #[track_caller]
    pub(crate) fn webhook_flag(&self) -> String {
        let name = format!("{}-admission", self.class);
        let service = self.objects.get("Service", &name).expect("the Service of the webhook");
        let address = service["spec"]["clusterIP"].as_str().expect("an address");
        format!("--admission-bind={address}:443")
    }

    /// Makes `pod` the only pod of the workload, as the API server sees it. No kubelet runs here,
    /// so the pods of the Deployment never start; one is taken for the process of the test.
    #[track_caller]
    pub(crate) fn be_the_only_pod(&self, pod: &str) {
        let workloads = self.objects.list("Deployment", "");
        let (name, template) =
            (&workloads[0]["metadata"]["name"], &workloads[0]["spec"]["template"]);
        let name = name.as_str().expect("name");
        self.objects.merge("Deployment", name, json!({ "spec": { "replicas": 0 } }));
        super::wait_until("no pods", || self.objects.list("Pod", "").is_empty());
        self.objects.apply(json!({
            "kind": "Pod",
            "metadata": { "name": pod, "labels": template["metadata"]["labels"] },
            "spec": template["spec"],
        }));
    }

    /// Messages of the Events on an object of the namespace.
    #[track_caller]
    pub(crate) fn events(&self, kind: &str, name: &str) -> Vec<Value> {
        let fields = format!("involvedObject.kind={kind},involvedObject.name={name}");
        self.objects.list("Event", &fields)
    }

    /// Who holds the Lease; empty: nobody.
    #[track_caller]
    pub(crate) fn leader(&self) -> String {
        let leases = self.objects.list("Lease", "");
        let holder = leases.first().and_then(|l| l["spec"]["holderIdentity"].as_str());
        holder.unwrap_or_default().to_owned()
    }
}
