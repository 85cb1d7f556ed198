//! The official suite of the Gateway API against Ringway, with the rights that the chart grants.
//!
//! What is judged is what the GatewayClass says that it supports: there is no list of tests here.
//! Of the profiles that are supported the core is judged on one driver; all of it, on both, if
//! `RINGWAY_CONFORMANCE` names the folder of the reports (`make conformance`).

mod logs;
mod node;
pub(crate) mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use kube::api::DynamicObject;
use serde_json::json;

use crate::harness::process::Process;
use crate::harness::{ControlPlane, Installation, Options, TWO_CORES, block_on, pause, wait_until};
use crate::harness::{control_plane, network};
use crate::peers::Driver;
use node::Node;

crate::cases![the_official_suite_passes];

/// The GatewayClass; its controller is the default of `--gateway-controller`.
const CLASS: &str = "ringway";

/// Profiles of the suite, and what a GatewayClass supports that can be judged by them.
const PROFILES: [(&str, &str); 5] = [
    ("GATEWAY-HTTP", "HTTPRoute"),
    ("GATEWAY-GRPC", "GRPCRoute"),
    ("GATEWAY-TLS", "TLSRoute"),
    ("GATEWAY-TCP", "TCPRoute"),
    ("GATEWAY-UDP", "UDPRoute"),
];

/// What all profiles have at their core.
const CORE: [&str; 2] = ["Gateway", "ReferenceGrant"];

/// Of which the core asks that they are refused where they are not claimed.
const REFUSED_UNCLAIMED: [&str; 2] = ["TLSRouteModeTerminate", "TLSRouteModeMixed"];

/// A line of every definition.
const DEFINITION: &str = "\nkind: CustomResourceDefinition\n";

/// An address that Gateways may ask for, and one of nobody.
const USABLE: &str = "127.99.0.1";
const UNUSABLE: &str = "192.0.2.1";

fn the_official_suite_passes() {
    let programs = control_plane::suite();
    let reports = env::var_os("RINGWAY_CONFORMANCE").map(PathBuf::from);
    if let Err(error) = network::add_bridge() {
        assert!(reports.is_none(), "pods need a bridge: {error}");
        return eprintln!("NOT TESTED by the official suite: pods need a bridge ({error})");
    }
    // Before a report is written: with it the tree has changes.
    let version = version();
    let drivers = [Driver::Uring, Driver::Epoll];
    let drivers = drivers.into_iter().filter(|driver| driver.is_available());
    let Some(reports) = reports else {
        return drivers.take(1).for_each(|driver| judge(programs, driver, &version, None));
    };
    for driver in drivers {
        judge(programs, driver, &version, Some(&reports));
    }
}

/// Runs the suite against one process on a control plane that nobody else disturbs. `reports`:
/// where the report of everything goes; without, the core is judged.
#[track_caller]
fn judge(programs: &Path, driver: Driver, version: &str, reports: Option<&Path>) {
    let control_plane = ControlPlane::start(Options { controllers: true, ..Options::default() });
    install_definitions(&control_plane);
    let services = ["controller.extraArgs.gateway-services=ClusterIP"];
    let installation = Installation::with(&control_plane, &services);
    // Services are made by who has a pod.
    installation.be_the_only_pod("ringway-0");
    installation.objects.apply(json!({
        "kind": "GatewayClass",
        "metadata": { "name": CLASS },
        "spec": { "controllerName": "ringway.dev/gateway" },
    }));
    let addresses = format!("--gateway-addresses=127.80.0.0/16,{USABLE}");
    let driver_flag = format!("--driver={}", driver.flag());
    let flags = [TWO_CORES, &driver_flag, &addresses];
    let replica = installation.start_unready("ringway-0", &flags);
    replica.wait_for_readiness();
    let _node = Node::start(&control_plane, programs.to_owned());

    let folder = tempfile::tempdir().expect("temporary folder");
    let report = reports.map_or_else(
        || folder.path().join("report.yaml"),
        |reports| reports.join(format!("{}.yaml", driver.flag())),
    );
    let mut suite = Command::new(programs.join("suite"));
    suite.env("KUBECONFIG", control_plane.admin_kubeconfig()).current_dir(folder.path());
    suite.args(["-test.v", "-test.timeout=1h", "-test.run=TestConformance"]);
    suite.args(judged(&installation, reports.is_some()));
    suite.arg(format!("--version={version}"));
    suite.arg(format!("--report-output={}", report.display()));
    let log = env::var_os("RINGWAY_CONFORMANCE_LOG").map_or_else(
        || folder.path().join("suite.log"),
        |folder| Path::new(&folder).join(format!("{}.log", driver.flag())),
    );
    assert!(suite_passes(suite, &log), "see the lines above");
}

/// Runs it to its end, and prints what did not pass, or how much did.
#[track_caller]
fn suite_passes(suite: Command, log: &Path) -> bool {
    // Of an earlier run; there need not be one.
    drop(fs::remove_file(log));
    let process = Process::spawn("suite", suite, log.to_owned());
    let status = loop {
        match process.exit_status() {
            Some(status) => break status,
            None => pause(Duration::from_millis(200)),
        }
    };
    let log = fs::read_to_string(log).expect("the log of the suite");
    // What a test's parts came to is indented further.
    let count = |verdict: &str| log.matches(&format!("\n    --- {verdict}: ")).count();
    let [passed, failed, skipped] = ["PASS", "FAIL", "SKIP"].map(count);
    eprintln!("conformance: {passed} passed, {failed} failed, {skipped} skipped");
    log.lines().filter(|line| line.contains("--- FAIL")).for_each(|line| eprintln!("{line}"));
    if failed == 0 && !status.success() {
        eprint!("{}", process.log_tail());
    }
    status.success() && failed == 0 && passed > 0
}

/// The definitions of the experimental channel.
#[track_caller]
pub(crate) fn install_definitions(control_plane: &ControlPlane) {
    let client = control_plane.client();
    let folder = control_plane::suite().join("crds");
    for file in fs::read_dir(folder).expect("definitions") {
        let path = file.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a definition");
        // `GROUP_PLURAL.yaml`; the rest is no definition.
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let Some((group, plural)) = name.split_once('_').filter(|_| text.contains(DEFINITION))
        else {
            continue;
        };
        let definition = format!(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/\
            {plural}.{group}"
        );
        let request = http::Request::patch(format!("{definition}?fieldManager=test&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(text.into_bytes())
            .expect("a request");
        block_on(client.request::<DynamicObject>(request)).expect("a definition");
        wait_until("the definition to be established", || {
            let request = http::Request::get(&definition).body(Vec::new()).expect("a request");
            let there: DynamicObject = block_on(client.request(request)).expect("an answer");
            let conditions = there.data["status"]["conditions"].as_array().cloned();
            conditions.into_iter().flatten().any(|condition| {
                condition["type"] == "Established" && condition["status"] == "True"
            })
        });
    }
}

/// Flags of the suite: who is judged, and by what.
#[track_caller]
fn judged(installation: &Installation<'_>, is_whole: bool) -> Vec<String> {
    let mut supported = BTreeSet::<String>::new();
    wait_until("the features of the GatewayClass", || {
        let class = installation.objects.get("GatewayClass", CLASS).expect("a GatewayClass");
        let features = class["status"]["supportedFeatures"].as_array().into_iter().flatten();
        let names = features.filter_map(|feature| feature["name"].as_str());
        supported = names.map(str::to_owned).collect();
        !supported.is_empty()
    });
    let profiles = PROFILES.iter().filter(|(_, feature)| supported.contains(*feature));
    let (names, features): (Vec<&str>, Vec<&str>) = profiles.copied().unzip();
    let mut flags = vec![
        format!("--gateway-class={CLASS}"),
        format!("--conformance-profiles={}", names.join(",")),
        format!("--usable-address={USABLE}"),
        format!("--unusable-address={UNUSABLE}"),
        "--organization=ringway".to_owned(),
        "--project=ringway".to_owned(),
        "--url=https://ringway.dev".to_owned(),
        "--contact=https://ringway.dev".to_owned(),
    ];
    if !is_whole {
        let claimed = REFUSED_UNCLAIMED.into_iter().filter(|name| supported.contains(*name));
        let core = features.into_iter().chain(CORE).chain(claimed);
        let core = core.collect::<Vec<_>>().join(",");
        flags.push(format!("--supported-features={core}"));
    }
    flags
}

/// Release and commit of the tree; `-dirty`: it has changes.
fn version() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let commit = git.ok().filter(|output| output.status.success()).map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!("v{}-{commit}", env!("CARGO_PKG_VERSION"))
}
