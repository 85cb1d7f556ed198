//! What is installed fits the binary: the chart, the manifests rendered from it, dashboard, rules.
//!
//! No cluster. Helm is the one that `deploy/render` finds or has built.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "deploy/ingress_nginx.rs"]
mod ingress_nginx;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const CHART: &str = "deploy/chart/ringway";

/// What `/metrics` says of the process; the other names are in the list of `admin`.
const PROCESS_METRICS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> Output {
    command.current_dir(root()).output().expect("the program starts")
}

#[track_caller]
fn stdout_of(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn render_script() -> Command {
    Command::new("deploy/render")
}

fn helm() -> Command {
    static HELM: OnceLock<String> = OnceLock::new();
    Command::new(HELM.get_or_init(|| stdout_of(render_script().arg("--helm")).trim().to_owned()))
}

/// The sets of values that the chart is tried with; the first is none.
fn value_sets() -> Vec<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(CHART).join("ci"))
        .expect("a folder of values")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    assert!(files.len() > 3, "{files:?}");
    std::iter::once(Vec::new()).chain(files.into_iter().map(|file| vec![file])).collect()
}

fn template(arguments: &[&str]) -> Command {
    let mut command = helm();
    command.args(["template", "ringway", CHART, "--namespace", "ringway"]).args(arguments);
    command
}

#[track_caller]
fn rendered(arguments: &[&str]) -> String {
    stdout_of(&mut template(arguments))
}

#[track_caller]
fn refuse(arguments: &[&str], reason: &str) {
    let output = run(&mut template(arguments));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} was rendered");
    assert!(told.contains(reason), "{arguments:?}: {told}");
}

/// Arguments of the container that begin with `--`, without the value.
fn flags(manifests: &str) -> BTreeSet<&str> {
    manifests
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .map(|item| item.trim_matches('"'))
        .filter(|item| item.starts_with("--"))
        .map(|item| item.split('=').next().expect("one part"))
        .collect()
}

/// Words of `text` that begin like a metric of ours or of the process.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("ringway_") || word.starts_with("process_"))
        .collect()
}

fn known_metrics() -> BTreeSet<String> {
    let known = read("src/control/admin/known_state.openmetrics");
    // By type: a family may have no row in that state.
    let families = known.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = families.flat_map(|(name, kind)| {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        endings.iter().map(move |ending| format!("{name}{ending}"))
    });
    names.chain(PROCESS_METRICS.iter().copied().map(str::to_owned)).collect()
}

#[track_caller]
fn assert_known(text: &str, at_least: usize) {
    let known = known_metrics();
    let named = metrics(text);
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "there is no metric {unknown:?}");
    assert!(named.len() >= at_least, "only {named:?}");
}

/// Every `"expr": "…"` of the dashboard, and the queries of its variables.
fn queries(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    serde_json::Value::String(text) if name == "expr" || name == "definition" => {
                        found.push(text.clone());
                    }
                    _ => queries(field, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn the_manifests_are_what_the_chart_renders() {
    stdout_of(render_script().arg("--check"));
}

/// Without one of them cargo does not so much as read Cargo.toml.
#[test]
fn the_image_is_built_from_every_target_that_is_named() {
    let (dockerfile, ignored, manifest) =
        (read("Dockerfile"), read(".dockerignore"), read("Cargo.toml"));
    let copied = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    let copied: Vec<&str> =
        copied.filter(|line| !line.starts_with("--")).flat_map(str::split_whitespace).collect();
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut named = 0;
    for (table, folder) in [("[[test]]\nname = \"", "tests"), ("[[bench]]\nname = \"", "benches")] {
        for target in manifest.split(table).skip(1) {
            let name = target.split('"').next().expect("a name");
            let files = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/main.rs")];
            let file = files.iter().find(|file| root().join(file).exists()).expect("a file");
            let is_in = |all: &[&str]| all.iter().any(|path| Path::new(file).starts_with(path));
            assert!(is_in(&copied) && is_in(&sent), "{file} is not in the build of the image");
            named += 1;
        }
    }
    assert!(named > 1, "{named} targets");
}

#[test]
fn the_chart_passes_lint_with_every_set_of_values() {
    for files in value_sets() {
        let mut command = helm();
        command.args(["lint", "--strict", CHART]);
        for file in &files {
            command.arg("--values").arg(file);
        }
        stdout_of(&mut command);
    }
}

#[test]
fn every_flag_of_every_rendering_is_one_of_serve() {
    let help = stdout_of(Command::new(env!("CARGO_BIN_EXE_ringway")).args(["serve", "--help"]));
    let own = help.split_whitespace().filter(|word| word.starts_with("--"));
    let own = own.map(|word| word.trim_end_matches([',', '.', ';', ':', ')']));
    // Those of ingress-nginx are taken, too.
    let page = read("docs/flags.md");
    let taken = page.lines().filter(|row| !row.contains("| refused"));
    let taken = taken.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    let known: BTreeSet<&str> = own.chain(taken).collect();
    for files in value_sets() {
        let mut command = template(&[]);
        for file in &files {
            command.arg("--values").arg(file);
        }
        let manifests = stdout_of(&mut command);
        let named = flags(&manifests);
        assert!(named.len() > 8, "{files:?}: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{files:?}: serve has no {unknown:?}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard = read("deploy/dashboard/ringway.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() > 40, "{}", found.len());
    assert_known(&found.join("\n"), 40);
}

#[test]
fn the_rules_ask_for_metrics_that_exist() {
    let everything = format!("{CHART}/ci/everything-values.yaml");
    let manifests = rendered(&["--values", &everything]);
    let rules = manifests
        .split("\n---\n")
        .find(|document| document.contains("\nkind: PrometheusRule\n"))
        .expect("a PrometheusRule");
    assert_known(rules, 8);
}

/// As numbers, truth values and texts, all of which a ConfigMap holds as texts.
#[test]
fn settings_for_all_ingresses_are_a_config_map_that_is_named() {
    let settings = "controller.config.proxy-body-size=8m,controller.config.keep-alive=75,\
                    controller.config.use-gzip=true,controller.config.add-headers=web/fields";
    let manifests = rendered(&["--set", settings]);
    let found = |document: &&str| document.contains("\nkind: ConfigMap\n");
    let map = manifests.split("\n---\n").find(found).expect("a ConfigMap");
    for line in [
        "proxy-body-size: \"8m\"",
        "keep-alive: \"75\"",
        "use-gzip: \"true\"",
        "namespace: ringway",
    ] {
        assert!(map.contains(line), "{line}: {map}");
    }
    assert!(manifests.contains("- --configmap=ringway/ringway-controller\n"), "{manifests}");
    assert!(!rendered(&[]).contains("--configmap"));
}

#[test]
fn names_and_values_that_have_no_meaning_are_refused() {
    for (setting, reason) in [
        ("controller.configs.use-gzip=true", "'configs' not allowed"),
        ("controller.replicas=3", "'replicas' not allowed"),
        ("controller.service.externaltrafficpolicy=Local", "'externaltrafficpolicy' not allowed"),
        ("controller.metrics.enable=true", "'enable' not allowed"),
        ("tcps.9000=default/db:5432", "'tcps' not allowed"),
        ("tcp.9000=db:5432", "/tcp/9000"),
        ("tcp.9000=default/db:5432:TLS", "/tcp/9000"),
        ("tcp.postgres=default/db:5432", "'postgres' not allowed"),
        ("udp.53=default/dns:53:PROXY", "/udp/53"),
        ("controller.kind=StatefulSet", "/controller/kind"),
        ("controller.accessLog=combined", "/controller/accessLog"),
        ("controller.defaultBackendService=web", "/controller/defaultBackendService"),
        ("controller.image.runAsUser=0", "/controller/image/runAsUser"),
        ("controller.admissionWebhooks.timeoutSeconds=60", "timeoutSeconds"),
        ("controller.extraArgs.--pin=x", "'--pin' not allowed"),
    ] {
        refuse(&["--set", setting], reason);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (settings, reason) in [
        ("controller.drainTimeout=290", "must be more than drainDelay + drainTimeout"),
        ("controller.extraArgs.ingress-class=web", "the chart has a value of its own"),
        ("controller.extraArgs.drain-delay=1", "the chart has a value of its own"),
        ("controller.extraArgs.manifests=/etc/ringway", "reads the API server"),
        (
            "controller.kind=DaemonSet,controller.autoscaling.enabled=true",
            "a DaemonSet has one pod per node",
        ),
        (
            "controller.autoscaling.enabled=true,controller.autoscaling.minReplicas=20",
            "minReplicas is more than maxReplicas",
        ),
        (
            "controller.scope.enabled=true,controller.scope.namespace=a,\
             controller.scope.namespaceSelector=b=c",
            "set namespace or namespaceSelector, not both",
        ),
        ("controller.admissionWebhooks.port=9901", "is taken by another listener"),
        (
            "controller.service.enableHttp=false,controller.service.enableHttps=false",
            "enableHttp and enableHttps are both false",
        ),
        ("rbac.scope=true", "rbac.scope needs controller.scope.enabled"),
        (
            "rbac.scope=true,controller.scope.enabled=true",
            "the admission webhook is an object of the whole cluster",
        ),
    ] {
        refuse(&["--set", &settings.replace(' ', "")], reason);
    }
}

/// The part of a rendering that stands in the document of this kind and name.
fn document<'a>(manifests: &'a str, kind: &str, name: &str) -> Option<&'a str> {
    let (kind, name) = (format!("kind: {kind}\n"), format!("\n  name: {name}\n"));
    manifests.split("\n---\n").find(|text| text.contains(&kind) && text.contains(&name))
}

#[test]
fn scoped_rights_need_nothing_of_the_cluster() {
    let scoped = format!("{CHART}/ci/scoped-rbac-values.yaml");
    let manifests = rendered(&["--values", &scoped]);
    assert!(!manifests.contains("kind: Cluster"), "{manifests}");
    let bound = |namespace: &str, name: &str| {
        ["Role", "RoleBinding"].iter().all(|kind| {
            let place =
                format!("kind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n");
            manifests.contains(&place)
        })
    };
    assert!(bound("team-a", "ringway-watched") && bound("team-b", "ringway-watched"));
    assert!(bound("ringway", "ringway-services-ringway-controller"));
    assert!(bound("certificates", "ringway-secrets-wildcard"));
    assert!(!manifests.contains("ringway-secrets-tickets"), "watched with its namespace");
    // Fields of chart values lie in a ConfigMap of their own, which the controller's names.
    let fields = rendered(&["--values", &scoped, "--set", "controller.addHeaders.X-A=b"]);
    assert!(fields.contains("ringway-configmaps-ringway-custom-add-headers"), "{fields}");
    let mixed =
        rendered(&["--values", &scoped, "--set", "controller.ingressClassResource.enabled=true"]);
    let role = document(&mixed, "ClusterRole", "ringway").expect("for IngressClasses");
    assert!(role.contains("ingressclasses") && !role.contains("secrets"), "{role}");
}

#[test]
fn no_right_is_a_wildcard() {
    for files in value_sets() {
        let mut command = template(&[]);
        for file in &files {
            command.arg("--values").arg(file);
        }
        let manifests = stdout_of(&mut command);
        for document in manifests.split("\n---\n").filter(|text| text.contains("\nrules:\n")) {
            assert!(!document.contains('*'), "{document}");
        }
    }
}

#[test]
fn rights_come_and_go_with_their_feature() {
    let all = rendered(&[]);
    let without = |setting: &str| rendered(&["--set", setting]);
    let admission = ["validatingwebhookconfigurations", "resourceNames: [ringway-admission]"];
    let no_webhook = without("controller.admissionWebhooks.enabled=false");
    for right in admission {
        assert!(all.contains(right) && !no_webhook.contains(right), "{right}");
    }
    let no_status = without("controller.extraArgs.update-status=false");
    for right in ["ingresses/status", "resources: [pods]"] {
        assert!(all.contains(right) && !no_status.contains(right), "{right}");
    }
    // Listeners of Gateways choose routes by the labels of their namespaces, flags by selectors.
    assert!(all.contains("[namespaces]"));
    assert!(!without("rbac.create=false").contains("Role"));
}

#[test]
fn the_drain_ends_before_the_pod_is_killed_and_the_webhook_stops_nobody() {
    let all = rendered(&[]);
    for line in [
        "terminationGracePeriodSeconds: 300",
        "--drain-delay=10",
        "--drain-timeout=240",
        "failurePolicy: Ignore",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "runAsNonRoot: true",
        "add: [NET_BIND_SERVICE]",
    ] {
        assert!(all.contains(line), "{line}");
    }
    assert!(
        !all.contains("\n    caBundle") && !all.contains("\n      caBundle"),
        "an upgrade would take it away"
    );
}

/// A pod need not have both; the kubelet calls the address of the pod, of whichever family.
#[test]
fn listeners_are_of_both_families_unless_told_otherwise() {
    for (settings, expected) in [
        (
            "controller.name=controller",
            ["--http-bind=*:10080", "--admin-bind=*:9901", "--admission-bind=*:8443"],
        ),
        (
            "controller.hostNetwork=true",
            ["--http-bind=*:80", "--admin-bind=[$(POD_IP)]:9901", "--admission-bind=*:8443"],
        ),
        (
            "controller.bindAddresses={[::],10.0.0.1}",
            [
                "--http-bind=[::]:10080,10.0.0.1:10080",
                "--admin-bind=[::]:9901,10.0.0.1:9901",
                "--admission-bind=[::]:8443,10.0.0.1:8443",
            ],
        ),
    ] {
        let manifests = rendered(&["--set", settings]);
        for flag in expected {
            let line = format!("- {flag}\n");
            assert!(manifests.contains(&line), "{settings}: {flag}");
        }
    }
}
