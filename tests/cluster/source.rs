//! What the source makes of a real API server: objects, rights, outages, and versions that the
//! server forgot.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use ringway::control::lower::{Interest, LowerOptions};
use ringway::control::observed::Observed;
use ringway::control::source::kubernetes::{Batch, KubernetesOptions, SourceState, Urgency, run};
use ringway::control::source::reach::Reach;
use ringway::control::source::{Change, Object};
use ringway::model::{Kind, ObjectRef, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{ControlPlane, DEADLINE, Identity, Options, block_on, wait_until};
use crate::writer::shows_one;

crate::cases![
    objects_are_found_and_followed,
    an_outage_clears_nothing_and_is_caught_up,
    a_forgotten_version_is_listed_anew,
    a_missing_right_is_said_until_it_is_granted,
    a_selector_follows_the_labels_of_namespaces,
    a_wrong_selector_is_said_in_the_words_of_the_server,
];

/// A source that runs, and what it said so far.
struct Running {
    batches: mpsc::Receiver<Batch>,
    objects: BTreeMap<ObjectRef, Object>,
    deleted: Vec<ObjectRef>,
    problems: Vec<Arc<Problem>>,
    has_begun: bool,
    urgency: Option<Urgency>,
    state: Arc<SourceState>,
    observed: Arc<Observed>,
}

impl Running {
    fn start(client: Client, reach: Reach) -> Self {
        let options = LowerOptions::cluster("ringway", "ringway.dev/ingress");
        let interest = Box::new(Interest::new(options));
        let (state, observed) = (Arc::<SourceState>::default(), Arc::<Observed>::default());
        let named = Vec::new();
        let options = KubernetesOptions { reach, interest, named, state: Arc::clone(&state) };
        let (sink, batches) = mpsc::channel(64);
        let source = run(client, options, Arc::clone(&observed), sink);
        block_on(async { drop(tokio::spawn(source)) });
        Self {
            batches,
            objects: BTreeMap::new(),
            deleted: Vec::new(),
            problems: Vec::new(),
            has_begun: false,
            urgency: None,
            state,
            observed,
        }
    }

    /// Takes batches until `is_true`.
    #[track_caller]
    fn until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) {
        while !is_true(self) {
            let batch = block_on(async { timeout(DEADLINE, self.batches.recv()).await });
            let Ok(batch) = batch else {
                panic!("in vain for {what}: {:?} {:?}", self.objects.keys(), self.problems)
            };
            self.take(batch.expect("the source runs"));
        }
    }

    fn take(&mut self, batch: Batch) {
        match batch {
            Batch::Problems(problems) => self.problems = problems,
            Batch::Changes { changes, urgency, .. } => {
                self.has_begun = true;
                self.urgency = Some(urgency);
                for change in changes {
                    match change {
                        Change::Apply(object) => {
                            self.objects.insert(object.reference, object.object);
                        }
                        Change::Delete(object) => {
                            self.objects.remove(&object).expect("it was told");
                            self.deleted.push(object);
                        }
                        Change::Broken(object) => panic!("of a manifest only: {object}"),
                    }
                }
            }
        }
    }

    /// What was said by now.
    fn drain(&mut self) {
        while let Ok(batch) = self.batches.try_recv() {
            self.take(batch);
        }
    }

    /// Without classes, which belong to no namespace: those of other tests are seen.
    fn names(&self) -> Vec<String> {
        let of_cluster = [Kind::IngressClass, Kind::Namespace];
        let objects = self.objects.keys().filter(|object| !of_cluster.contains(&object.kind));
        objects.map(|object| format!("{} {}", object.kind, object.name)).collect()
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.objects.keys().any(|object| object.kind == kind && *object.name == *name)
    }

    fn has_problem(&self, reason: &str) -> bool {
        self.problems.iter().any(|problem| problem.reason == reason)
    }

    fn lists(&self, kind: Kind) -> u64 {
        self.state.snapshot().iter().find(|state| state.kind == kind).map_or(0, |s| s.lists)
    }
}

#[track_caller]
fn create<K>(api: &Api<K>, object: Value) -> K
where
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let object = serde_json::from_value(object).expect("an object of this kind");
    block_on(api.create(&PostParams::default(), &object)).unwrap()
}

#[track_caller]
fn merge<K>(api: &Api<K>, name: &str, patch: Value)
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    block_on(api.patch(name, &PatchParams::default(), &Patch::Merge(patch))).unwrap();
}

fn ingress(name: &str, secret: Option<&str>) -> Value {
    let tls = secret.map(|secret| json!({ "hosts": ["a.test"], "secretName": secret }));
    let backend = json!({ "service": { "name": "s", "port": { "number": 80 } } });
    json!({
        "metadata": { "name": name },
        "spec": {
            "ingressClassName": "ringway",
            "tls": tls.into_iter().collect::<Vec<_>>(),
            "defaultBackend": backend,
        },
    })
}

fn slice(ready: &[&str]) -> Value {
    let endpoint = |address: &&str| json!({ "addresses": [address] });
    json!({
        "metadata": { "name": "s-1", "labels": { "kubernetes.io/service-name": "s" } },
        "addressType": "IPv4",
        "endpoints": ready.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": [{ "port": 8080 }],
    })
}

fn objects_are_found_and_followed() {
    let control_plane = ControlPlane::shared();
    let (client, namespace) = (control_plane.client(), control_plane.namespace("source"));
    let ingresses: Api<Ingress> = Api::namespaced(client.clone(), &namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let secret = |name: &str| json!({ "metadata": { "name": name }, "stringData": { "a": "b" } });
    create(&secrets, secret("named"));
    create(&secrets, secret("unused"));
    create(&ingresses, ingress("x", Some("named")));
    let ports = json!([{ "port": 80 }]);
    create(&services, json!({ "metadata": { "name": "s" }, "spec": { "ports": ports } }));
    create(&slices, slice(&["10.1.0.1", "10.1.0.2"]));

    let mut source = Running::start(client, Reach::Namespaces(vec![namespace.clone()]));
    source.until("the first reading", |source| source.has_begun);
    let expected = ["EndpointSlice s-1", "Ingress x", "Secret named", "Service s"];
    assert_eq!(source.names(), expected);

    merge(&slices, "s-1", json!({ "endpoints": slice(&["10.1.0.2"])["endpoints"] }));
    source.until("the endpoint to go", |source| source.urgency == Some(Urgency::Now));
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } });
    let patch = Patch::Merge(status);
    block_on(ingresses.patch_status("x", &PatchParams::default(), &patch)).unwrap();
    let x = ObjectRef { kind: Kind::Ingress, namespace: (*namespace).into(), name: "x".into() };
    let shown = || shows_one(&source.observed, &x);
    wait_until("the status to be seen", shown);

    // In this order, so that the Ingress comes first.
    create(&ingresses, ingress("y", Some("unused")));
    source.until("y", |source| source.has(Kind::Ingress, "y"));
    assert!(source.has(Kind::Secret, "unused"));
    merge(&secrets, "named", json!({ "stringData": { "a": "c" } }));
    source.until("the new version", |source| {
        source.objects.values().any(|object| match object {
            Object::Secret(secret) => secret.data.as_ref().is_some_and(|d| d["a"].0 == b"c"),
            _ => false,
        })
    });
    block_on(secrets.delete("named", &DeleteParams::default())).unwrap();
    source.until("the Secret to go", |source| !source.has(Kind::Secret, "named"));
    block_on(ingresses.delete("y", &DeleteParams::default())).unwrap();
    source.until("its Secret to go", |source| !source.has(Kind::Secret, "unused"));
    block_on(services.delete("s", &DeleteParams::default())).unwrap();
    block_on(slices.delete("s-1", &DeleteParams::default())).unwrap();
    source.until("all to go", |source| source.names() == ["Ingress x"]);
    assert_eq!(source.problems, []);
}

fn an_outage_clears_nothing_and_is_caught_up() {
    let mut control_plane = ControlPlane::start(Options::default());
    let client = control_plane.client();
    let ingresses: Api<Ingress> = Api::namespaced(client.clone(), "default");
    create(&ingresses, ingress("x", None));
    let mut source = Running::start(client, Reach::All);
    source.until("the first reading", |source| source.has_begun);
    let before = source.names();
    control_plane.stop_apiserver();
    source.until("the outage", |source| source.has_problem("ApiServerUnreachable"));
    assert_eq!(source.problems.len(), 1, "{:?}", source.problems);
    control_plane.start_apiserver();
    source.until("its end", |source| source.problems.is_empty());
    create(&ingresses, ingress("y", None));
    source.until("y", |source| source.has(Kind::Ingress, "y"));
    assert_eq!(source.deleted, []);
    assert!(before.iter().all(|name| source.names().contains(name)));
}

fn a_forgotten_version_is_listed_anew() {
    let mut control_plane =
        ControlPlane::start(Options { watch_cache: false, ..Options::default() });
    let client = control_plane.client();
    let ingresses: Api<Ingress> = Api::namespaced(client.clone(), "default");
    create(&ingresses, ingress("x", None));
    let mut source = Running::start(client.clone(), Reach::All);
    source.until("the first reading", |source| source.has_begun);
    assert_eq!(source.lists(Kind::Ingress), 1);
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    create(&maps, json!({ "metadata": { "name": "later" } }));
    merge(&maps, "later", json!({ "data": { "a": "b" } }));
    control_plane.stop_apiserver();
    control_plane.compact_etcd();
    control_plane.start_apiserver();
    wait_until("another list", || source.lists(Kind::Ingress) > 1);
    create(&ingresses, ingress("y", None));
    source.until("y", |source| source.has(Kind::Ingress, "y"));
    source.until("no problem", |source| source.problems.is_empty());
    assert_eq!(source.deleted, []);
    assert!(source.has(Kind::Ingress, "x"));
}

fn a_missing_right_is_said_until_it_is_granted() {
    let control_plane = ControlPlane::shared();
    let (client, namespace) = (control_plane.client(), control_plane.namespace("rights"));
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    create(&accounts, json!({ "metadata": { "name": "ringway" } }));
    let roles: Api<Role> = Api::namespaced(client.clone(), &namespace);
    let rule = |group: &str, resource: &str, verbs: &[&str]| {
        let (groups, resources) = ([group], [resource]);
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
    };
    let all = ["get", "list", "watch"];
    let mut rules = vec![
        rule("networking.k8s.io", "ingresses", &all),
        rule("", "services", &all),
        rule("", "secrets", &["get"]),
    ];
    create(&roles, json!({ "metadata": { "name": "ringway" }, "rules": rules }));
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), &namespace);
    let group = "rbac.authorization.k8s.io";
    create(
        &bindings,
        json!({
            "metadata": { "name": "ringway" },
            "roleRef": { "apiGroup": group, "kind": "Role", "name": "ringway" },
            "subjects": [{ "kind": "ServiceAccount", "name": "ringway", "namespace": namespace }],
        }),
    );
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    create(&secrets, json!({ "metadata": { "name": "named" } }));
    let ingresses: Api<Ingress> = Api::namespaced(client, &namespace);
    create(&ingresses, ingress("x", Some("named")));

    let identity = Identity::ServiceAccount { namespace: &namespace, name: "ringway" };
    let restricted = control_plane.client_with(&control_plane.kubeconfig_for(identity));
    let mut source = Running::start(restricted, Reach::Namespaces(vec![namespace.clone()]));
    let says = |source: &Running, what: &str| {
        source.problems.iter().any(|problem| problem.message.contains(what))
    };
    let kinds = [
        "list ingressclasses.networking.k8s.io:",
        "endpointslices.discovery.k8s.io in",
        "list gatewayclasses.gateway.networking.k8s.io:",
        "list configmaps in the namespace",
    ];
    source.until("what is missing", |source| kinds.iter().all(|kind| says(source, kind)));
    assert!(says(&source, "every 60 s"), "{:?}", source.problems);
    assert!(!source.has_begun);
    rules.push(rule("discovery.k8s.io", "endpointslices", &all));
    merge(&roles, "ringway", json!({ "rules": rules }));
    source.until("the first reading", |source| source.has_begun);
    assert_eq!(source.names(), ["Ingress x", "Secret named"]);
    source.until("the news", |source| !says(source, "endpointslices"));
    assert!(source.problems.iter().all(|problem| problem.reason == "Forbidden"));
}

fn a_selector_follows_the_labels_of_namespaces() {
    let control_plane = ControlPlane::shared();
    let (client, name) = (control_plane.client(), control_plane.namespace("labels"));
    let ingresses: Api<Ingress> = Api::namespaced(client.clone(), &name);
    create(&ingresses, ingress("labelled", None));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let selector = Reach::Selector(format!("ringway-test={name}"));
    let mut source = Running::start(client, selector);
    source.until("the first reading", |source| source.has_begun);
    assert!(!source.has(Kind::Ingress, "labelled"));
    merge(&namespaces, &name, json!({ "metadata": { "labels": { "ringway-test": name } } }));
    source.until("the Ingress", |source| source.has(Kind::Ingress, "labelled"));
    merge(&namespaces, &name, json!({ "metadata": { "labels": { "ringway-test": "no" } } }));
    source.until("the Ingress to go", |source| !source.has(Kind::Ingress, "labelled"));
}

fn a_wrong_selector_is_said_in_the_words_of_the_server() {
    let client = ControlPlane::shared().client();
    let mut source = Running::start(client, Reach::Selector("a in".into()));
    source.until("the problem", |source| source.has_problem("InvalidSelector"));
    let problem = &source.problems[0];
    assert!(problem.message.contains("unable to parse requirement"), "{problem}");
    wait_until("every list", || {
        [Kind::Ingress, Kind::Service, Kind::EndpointSlice]
            .iter()
            .all(|&kind| source.lists(kind) == 1)
    });
    source.drain();
    assert!(!source.has_begun);
}
