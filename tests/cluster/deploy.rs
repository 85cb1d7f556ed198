//! What the chart and the manifests install, as an API server judges it: every field, every right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use futures_util::stream::{StreamExt as _, iter};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::api::{Api, DynamicObject, ObjectList, PostParams};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Identity, Installation, Options, block_on, wait_until};

crate::cases![
    an_api_server_accepts_every_rendering,
    nothing_stays_but_what_is_documented,
    the_account_may_do_what_the_chart_says_and_no_more,
    scoped_rights_end_at_their_namespaces,
];

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/ringway");

/// Kinds that no API server has by itself.
const FOREIGN_KINDS: [&str; 2] = ["ServiceMonitor", "PrometheusRule"];

/// One resource or subresource of the API.
struct Resource {
    /// `v1`, `apps/v1`.
    group_version: String,
    kind: String,
    /// `ingresses`, `ingresses/status`.
    name: String,
    is_namespaced: bool,
    is_listed: bool,
}

impl Resource {
    /// Path of the API. Of an object in no namespace, that of all namespaces.
    fn path(&self, namespace: Option<&str>, name: &str) -> String {
        let root = if self.group_version.contains('/') { "apis" } else { "api" };
        let namespace = namespace.filter(|_| self.is_namespaced);
        let namespace = namespace.map_or(String::new(), |name| format!("/namespaces/{name}"));
        let name = if name.is_empty() { String::new() } else { format!("/{name}") };
        format!("/{root}/{}{namespace}/{}{name}", self.group_version, self.name)
    }

    fn group(&self) -> &str {
        self.group_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// All resources, in their preferred versions.
#[track_caller]
fn resources(client: &Client) -> Vec<Resource> {
    let lists: Vec<APIResourceList> = block_on(async {
        let mut lists = vec![client.list_core_api_resources("v1").await.expect("core")];
        for group in client.list_api_groups().await.expect("groups").groups {
            let version = group.preferred_version.expect("a version").group_version;
            lists.push(client.list_api_group_resources(&version).await.expect("a group"));
        }
        lists
    });
    let one = |list: APIResourceList| {
        let group_version = list.group_version;
        list.resources.into_iter().map(move |resource| Resource {
            group_version: group_version.clone(),
            kind: resource.kind,
            name: resource.name,
            is_namespaced: resource.namespaced,
            is_listed: resource.verbs.iter().any(|verb| verb == "list"),
        })
    };
    lists.into_iter().flat_map(one).collect()
}

/// The value of the first line that begins with `key`.
fn field<'a>(document: &'a str, key: &str) -> Option<&'a str> {
    document.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'))
}

/// Documents of rendered YAML.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split("---\n").filter(|document| field(document, "kind: ").is_some())
}

/// Lets the API server check the documents, without a change: unknown and repeated fields, too.
/// Returns their kinds.
#[track_caller]
fn dry_run(control_plane: &ControlPlane, all: &[Resource], text: &str) -> BTreeSet<String> {
    let client = control_plane.client();
    let mut seen = BTreeSet::new();
    for document in documents(text) {
        let kind = field(document, "kind: ").expect("kind");
        if FOREIGN_KINDS.contains(&kind) {
            continue;
        }
        seen.insert(kind.to_owned());
        let version = field(document, "apiVersion: ").expect("version");
        // Subjects of a binding have names and namespaces, too.
        let metadata = document.split_once("\nmetadata:\n").expect("metadata").1;
        let end = metadata.find("\n  labels:").expect("labels");
        let (name, namespace) =
            (field(&metadata[..end], "  name: "), field(&metadata[..end], "  namespace: "));
        let name = name.expect("name");
        if let Some(namespace) = namespace {
            ensure_namespace(&client, namespace);
        }
        let is_it =
            |r: &&Resource| r.kind == kind && r.group_version == version && !r.name.contains('/');
        let resource = all.iter().find(is_it).unwrap_or_else(|| panic!("no {version} {kind}"));
        assert_eq!(namespace.is_some(), resource.is_namespaced, "{document}");
        let path = resource.path(namespace, name);
        let query = "dryRun=All&fieldValidation=Strict&fieldManager=test&force=true";
        let request = http::Request::patch(format!("{path}?{query}"))
            .header("content-type", "application/apply-patch+yaml")
            .body(document.as_bytes().to_vec())
            .expect("a request");
        if let Err(error) = block_on(client.request::<DynamicObject>(request)) {
            panic!("{path}: {error}\n{document}");
        }
    }
    seen
}

fn ensure_namespace(client: &Client, name: &str) {
    let body = json!({ "metadata": { "name": name } }).to_string().into_bytes();
    let request = http::Request::post("/api/v1/namespaces")
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    match block_on(client.request::<DynamicObject>(request)) {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        result => drop(result.expect("a namespace")),
    }
}

fn an_api_server_accepts_every_rendering() {
    let control_plane = ControlPlane::shared();
    let all = resources(&control_plane.client());
    let version = block_on(control_plane.client().apiserver_version()).expect("a version");
    let kube_version = format!("--kube-version={}", version.git_version);
    let manifests = Path::new(CHART).join("../../manifests/ringway.yaml");
    let mut seen = dry_run(control_plane, &all, &fs::read_to_string(manifests).expect("manifests"));
    let sets = fs::read_dir(Path::new(CHART).join("ci")).expect("values");
    let sets: Vec<_> = sets.map(|entry| entry.expect("readable").path()).collect();
    assert!(sets.len() > 3, "{sets:?}");
    for values in sets {
        let mut helm = control_plane.helm();
        helm.args(["template", "ringway", CHART, "--namespace", "ringway"]);
        let output = helm.arg(&kube_version).arg("--values").arg(&values).output().expect("helm");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        seen.extend(dry_run(control_plane, &all, &text));
    }
    // Names that helm takes for a release and the API server for no Service.
    for release in ["my.release", &format!("{}b", "a.".repeat(26))] {
        let mut helm = control_plane.helm();
        helm.args(["template", release, CHART, "--namespace", "ringway"]);
        let output = helm.arg(&kube_version).output();
        let text = String::from_utf8(output.expect("helm").stdout).expect("text");
        seen.extend(dry_run(control_plane, &all, &text));
    }
    for kind in ["DaemonSet", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget"] {
        assert!(seen.contains(kind), "{seen:?}");
    }
}

/// Paths of all objects, but what the API server itself keeps.
#[track_caller]
fn snapshot(client: &Client, all: &[Resource]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for resource in all.iter().filter(|r| r.is_listed && r.name != "componentstatuses") {
        let request =
            http::Request::get(resource.path(None, "")).body(Vec::new()).expect("request");
        let list: ObjectList<DynamicObject> = block_on(client.request(request)).expect("a list");
        paths.extend(list.items.into_iter().filter_map(|object| {
            let namespace = object.metadata.namespace.as_deref();
            let name = object.metadata.name.as_deref().unwrap_or_default();
            (namespace != Some("kube-system")).then(|| resource.path(namespace, name))
        }));
    }
    paths
}

#[track_caller]
fn helm(installation: &Installation<'_>, arguments: &[&str]) -> String {
    let mut helm = installation.control_plane.helm();
    let namespace = &installation.objects.namespace;
    let output = helm.args(arguments).args(["--namespace", namespace]).output().expect("helm");
    assert!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn ca_bundle(installation: &Installation<'_>) -> Value {
    let name = format!("{}-admission", installation.objects.namespace);
    let webhook = installation.objects.get("ValidatingWebhookConfiguration", &name);
    webhook.expect("the webhook of the chart")["webhooks"][0]["clientConfig"]["caBundle"].clone()
}

fn nothing_stays_but_what_is_documented() {
    let control_plane = ControlPlane::start(Options::default());
    let client = control_plane.client();
    let all = resources(&client);
    let before = snapshot(&client, &all);
    let installation =
        Installation::with(&control_plane, &["controller.admissionWebhooks.enabled=true"]);
    let namespace = installation.objects.namespace.clone();
    let mut proxy = installation.start_unready("ringway-0", &["--admission-bind=127.0.0.1:0"]);
    proxy.wait_for_readiness();
    wait_until("a leader", || !installation.leader().is_empty());
    wait_until("the CA of the webhook", || ca_bundle(&installation).is_string());
    proxy.signal("TERM");
    assert!(proxy.wait_for_exit().0.success());

    // Nobody is there who could write it again.
    let bundle = ca_bundle(&installation);
    let set = "controller.networkPolicy.enabled=true,controller.autoscaling.enabled=true,\
               controller.metrics.enabled=true,controller.admissionWebhooks.timeoutSeconds=3";
    let upgrade = ["upgrade", &namespace, CHART, "--reuse-values", "--set", set];
    helm(&installation, &upgrade);
    assert_eq!(ca_bundle(&installation), bundle);
    // The same by kubectl apply --server-side.
    let rendered = helm(&installation, &["get", "manifest", &namespace]);
    let kind = "ValidatingWebhookConfiguration";
    let is_webhook = |document: &&str| field(document, "kind: ") == Some(kind);
    let document = documents(&rendered).find(is_webhook).expect("the webhook");
    let webhook = all.iter().find(|resource| resource.kind == kind).expect("a resource");
    let path = webhook.path(None, &format!("{namespace}-admission"));
    let request = http::Request::patch(format!("{path}?fieldManager=kubectl&force=true"))
        .header("content-type", "application/apply-patch+yaml")
        .body(document.as_bytes().to_vec())
        .expect("a request");
    block_on(client.request::<DynamicObject>(request)).expect("applied");
    assert_eq!(ca_bundle(&installation), bundle);

    helm(&installation, &["uninstall", &namespace]);
    let after = snapshot(&client, &all);
    // Controllers of the cluster write Events while all is taken down; the server forgets them.
    let left = after.difference(&before).filter(|path| !path.contains("/events/"));
    let left: Vec<&String> = left.collect();
    // Helm leaves the namespace; what the controller made is in it. See the README of the chart.
    let expected = [
        format!("/api/v1/namespaces/{namespace}"),
        format!("/api/v1/namespaces/{namespace}/secrets/{namespace}-admission"),
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{namespace}-leader"),
    ];
    assert_eq!(left, expected.iter().collect::<Vec<_>>());
    assert_eq!(before.difference(&after).count(), 0);
}

/// `VERB RESOURCE.GROUP`, or with the name of an object after it.
type Rights = BTreeSet<String>;

/// Whether the user of `client` has each right in `namespace`; empty: in all of them.
#[track_caller]
fn allowed(client: &Client, namespace: &str, rights: impl IntoIterator<Item = String>) -> Rights {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let ask = |right: String| {
        let api = api.clone();
        async move {
            let words: Vec<&str> = right.split(' ').collect();
            let (resource, group) = words[1].split_once('.').unwrap_or((words[1], ""));
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let review = json!({ "spec": { "resourceAttributes": {
                "verb": words[0],
                "group": group,
                "resource": resource,
                "subresource": subresource,
                "namespace": namespace,
                "name": words.get(2).copied().unwrap_or_default(),
            } } });
            let review = serde_json::from_value(review).expect("a review");
            let answer = api.create(&PostParams::default(), &review).await.expect("an answer");
            let is_allowed = answer.status.expect("an answer").allowed;
            is_allowed.then_some(right)
        }
    };
    let answers = iter(rights.into_iter().map(ask)).buffer_unordered(8);
    block_on(answers.collect::<Vec<_>>()).into_iter().flatten().collect()
}

/// Every verb on every resource that the API server has, and on those it has only for RBAC.
fn everything(all: &[Resource]) -> impl Iterator<Item = String> {
    const VERBS: [&str; 8] =
        ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    const OTHER: [&str; 8] = [
        "impersonate users",
        "impersonate groups",
        "impersonate serviceaccounts",
        "impersonate userextras/scopes.authentication.k8s.io",
        "escalate clusterroles.rbac.authorization.k8s.io",
        "bind clusterroles.rbac.authorization.k8s.io",
        "approve signers.certificates.k8s.io",
        "use podsecuritypolicies.policy",
    ];
    let names: BTreeSet<String> = all
        .iter()
        .map(|resource| {
            let dot = if resource.group().is_empty() { "" } else { "." };
            format!("{}{dot}{}", resource.name, resource.group())
        })
        .collect();
    let verbs = |name: String| VERBS.map(|verb| format!("{verb} {name}"));
    names.into_iter().flat_map(verbs).chain(OTHER.map(str::to_owned))
}

/// What the account may do in `namespace` beyond what every user may; the Gateway API, which other
/// cases may install meanwhile, left out.
#[track_caller]
fn rights_in(installation: &Installation<'_>, namespace: &str) -> Rights {
    let control_plane = installation.control_plane;
    let all = resources(&control_plane.client());
    let stranger = control_plane.client_with(&control_plane.kubeconfig_for(Identity::Stranger));
    let is_core = |right: &String| !right.ends_with(".gateway.networking.k8s.io");
    let asked = everything(&all).filter(is_core);
    let ours = allowed(&account(installation), namespace, asked);
    let common = allowed(&stranger, namespace, ours.iter().cloned());
    ours.difference(&common).cloned().collect()
}

#[track_caller]
fn account(installation: &Installation<'_>) -> Client {
    let namespace = &installation.objects.namespace;
    let identity = Identity::ServiceAccount { namespace, name: "ringway" };
    let control_plane = installation.control_plane;
    control_plane.client_with(&control_plane.kubeconfig_for(identity))
}

fn set<const N: usize>(rights: [&str; N]) -> Rights {
    rights.into_iter().flat_map(expand).collect()
}

/// `list,watch services` → each verb by itself.
fn expand(right: &str) -> Vec<String> {
    let (verbs, rest) = right.split_once(' ').expect("verbs and a resource");
    verbs.split(',').map(|verb| format!("{verb} {rest}")).collect()
}

/// Of the whole cluster, whatever is watched.
const OF_THE_CLUSTER: [&str; 4] = [
    "list,watch customresourcedefinitions.apiextensions.k8s.io",
    "list,watch ingressclasses.networking.k8s.io",
    "list,watch namespaces",
    "get nodes",
];

/// The same of the Gateway API, whose kinds an API server has only where they are installed.
const OF_EXTENSIONS: [&str; 2] = [
    "list,watch,patch gatewayclasses.gateway.networking.k8s.io",
    "patch gatewayclasses/status.gateway.networking.k8s.io",
];

/// Where its objects are watched.
const OF_GATEWAYS: [&str; 6] = [
    "list,watch gateways.gateway.networking.k8s.io",
    "patch gateways/status.gateway.networking.k8s.io",
    "list,watch httproutes.gateway.networking.k8s.io",
    "patch httproutes/status.gateway.networking.k8s.io",
    "patch listenersets/status.gateway.networking.k8s.io",
    "list,watch referencegrants.gateway.networking.k8s.io",
];

/// Where Ingresses are watched. There is no right to the metadata of Secrets alone, so that what
/// is listed for its metadata could be read, and RBAC cannot exclude kube-system either.
const WHERE_WATCHED: [&str; 7] = [
    "list,watch ingresses.networking.k8s.io",
    "patch ingresses/status.networking.k8s.io",
    "list,watch services",
    "list,watch endpointslices.discovery.k8s.io",
    "get,list,watch secrets",
    "get,list,watch configmaps",
    "create,patch events.events.k8s.io",
];

/// In our own namespace, to any name.
const AT_HOME: [&str; 2] = ["create leases.coordination.k8s.io", "get,list pods"];

/// Rights on single objects: `(in our namespace, right, whether it is given)`.
#[track_caller]
fn check_named(installation: &Installation<'_>, table: &[(&str, &str, bool)]) {
    let client = account(installation);
    let mut by_place: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
    for (place, right, is_given) in table {
        let rights = expand(right).into_iter().map(|right| (right, *is_given));
        by_place.entry(place).or_default().extend(rights);
    }
    for (place, rights) in by_place {
        let given = allowed(&client, place, rights.iter().map(|(right, _)| right.clone()));
        for (right, is_given) in rights {
            assert_eq!(given.contains(&right), is_given, "{right} in {place:?}");
        }
    }
}

fn the_account_may_do_what_the_chart_says_and_no_more() {
    let control_plane = ControlPlane::shared();
    // The webhook is called for no namespace: other cases write Ingresses meanwhile.
    let installation = Installation::with(
        control_plane,
        &[
            "controller.admissionWebhooks.enabled=true",
            "controller.admissionWebhooks.namespaceSelector.matchLabels.ringway=nobody",
        ],
    );
    let everywhere = &set(WHERE_WATCHED) | &set(OF_THE_CLUSTER);
    for place in ["", "kube-system"] {
        assert_eq!(rights_in(&installation, place), everywhere, "in {place:?}");
    }
    let of_gateways = OF_GATEWAYS.map(|right| ("kube-system", right, true));
    check_named(&installation, &of_gateways);
    let home = &*installation.objects.namespace;
    let at_home = &(&everywhere | &set(AT_HOME)) | &set(["create secrets"]);
    assert_eq!(rights_in(&installation, home), at_home);

    let (admission, leader) = (format!("{home}-admission"), format!("{home}-leader"));
    let webhooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    let leases = "leases.coordination.k8s.io";
    check_named(
        &installation,
        &[
            (home, &format!("get,update {leases} {leader}"), true),
            (home, &format!("delete,patch,watch,list {leases} {leader}"), false),
            (home, &format!("get,update {leases} other"), false),
            ("default", &format!("get,update {leases} {leader}"), false),
            (home, &format!("update secrets {admission}"), true),
            (home, &format!("delete,patch secrets {admission}"), false),
            (home, "update secrets other", false),
            ("default", &format!("update secrets {admission}"), false),
            ("", &format!("get,list,watch,patch {webhooks} {admission}"), true),
            ("", &format!("create,update,delete {webhooks} {admission}"), false),
            ("", &format!("get,patch {webhooks} other"), false),
            ("", OF_EXTENSIONS[0], true),
            ("", OF_EXTENSIONS[1], true),
            ("", "get,update,delete gatewayclasses.gateway.networking.k8s.io", false),
            ("", "get,patch,update gateways.gateway.networking.k8s.io", false),
        ],
    );
}

fn scoped_rights_end_at_their_namespaces() {
    let control_plane = ControlPlane::shared();
    let watched = control_plane.namespace("watched");
    let scope = format!("controller.scope.namespace={watched}");
    let values = ["rbac.scope=true", "controller.scope.enabled=true", &scope];
    let installation = Installation::with(control_plane, &values);
    let home = &*installation.objects.namespace;
    for place in ["", "kube-system"] {
        assert_eq!(rights_in(&installation, place), set(OF_THE_CLUSTER), "in {place:?}");
    }
    let inside = &set(WHERE_WATCHED) | &set(OF_THE_CLUSTER);
    assert_eq!(rights_in(&installation, &watched), inside);
    assert_eq!(rights_in(&installation, home), &set(AT_HOME) | &set(OF_THE_CLUSTER));
    check_named(
        &installation,
        &[
            (home, &format!("get,list,watch services {home}-controller"), true),
            (home, "get services other", false),
            (home, "get secrets other", false),
            ("default", &format!("get services {home}-controller"), false),
            ("", OF_EXTENSIONS[0], true),
            ("", OF_GATEWAYS[0], false),
        ],
    );

    // Without the class nothing of the cluster is left.
    let upgrade = ["upgrade", home, CHART, "--reuse-values", "--set"];
    let disabled = "controller.ingressClassResource.enabled=false";
    helm(&installation, &[&upgrade[..], &[disabled]].concat());
    wait_until("the rights to be gone", || rights_in(&installation, "default").is_empty());
    assert_eq!(rights_in(&installation, &watched), set(WHERE_WATCHED));
}
