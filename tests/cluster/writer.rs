//! What replicas write to the API server: one of them holds the Lease, and that one writes status
//! and Events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event as CoreEvent, Node, Pod, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use ringway::control::observed::{Address, Observed, Shown};
use ringway::control::outcomes::{Outcome, Outcomes};
use ringway::control::source::reach::Reach;
use ringway::control::write::{
    self, AddressSource, FIELD_MANAGER, NodeAddresses, REPORTING_CONTROLLER, WriterOptions,
    WriterState,
};
use ringway::model::{Kind, ObjectRef, Problem, Reason, Severity};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;

use crate::harness::{ControlPlane, Identity, Options, block_on, wait_until};

crate::cases![
    one_of_two_replicas_writes_the_status_by_server_side_apply,
    a_killed_holder_is_succeeded_and_a_leaving_one_at_once,
    a_holder_without_the_api_server_leads_no_longer,
    a_problem_is_one_event_whoever_tells_it,
    what_is_no_longer_served_loses_our_address_and_keeps_that_of_others,
    addresses_come_from_the_service_as_it_changes,
    addresses_come_from_the_nodes_and_go_with_the_last_replica,
    a_missing_right_is_said_in_words_and_not_for_ever,
    a_lease_that_others_touched_is_given_up_all_the_same,
    an_ingress_made_anew_gets_its_status_anew,
    rights_in_a_namespace_are_enough_without_a_complaint,
];

const ELECTION: &str = "ringway-leader";

/// A namespace with a service account that has the rights of the writer and no others.
struct World {
    control_plane: &'static ControlPlane,
    namespace: String,
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
}

/// One writer, on a thread and a runtime of its own.
struct Replica {
    outcomes: Arc<Outcomes>,
    observed: Arc<Observed>,
    state: Arc<WriterState>,
    leave: Option<oneshot::Sender<()>>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl World {
    fn new(prefix: &str) -> Self {
        let control_plane = ControlPlane::shared();
        let world = Self { control_plane, namespace: control_plane.namespace(prefix) };
        world.create::<ServiceAccount>(json!({ "metadata": { "name": "ringway" } }));
        world
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.control_plane.client(), &self.namespace)
    }

    #[track_caller]
    fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let object = serde_json::from_value(object).expect("an object of this kind");
        block_on(self.api::<K>().create(&PostParams::default(), &object)).expect("created")
    }

    /// The least that the writer needs.
    fn grant(&self) {
        self.create::<Role>(json!({ "metadata": { "name": "ringway" }, "rules": [
            rule("coordination.k8s.io", "leases", &["get", "create", "update"]),
            rule("networking.k8s.io", "ingresses/status", &["patch"]),
            rule("events.k8s.io", "events", &["create", "patch"]),
            rule("", "services", &["list", "watch"]),
            rule("", "pods", &["get", "list"]),
        ]}));
        let group = "rbac.authorization.k8s.io";
        self.create::<RoleBinding>(json!({
            "metadata": { "name": "ringway" },
            "roleRef": { "apiGroup": group, "kind": "Role", "name": "ringway" },
            "subjects": [
                { "kind": "ServiceAccount", "name": "ringway", "namespace": self.namespace }
            ],
        }));
    }

    fn account(&self) -> Client {
        let identity = Identity::ServiceAccount { namespace: &self.namespace, name: "ringway" };
        self.control_plane.client_with(&self.control_plane.kubeconfig_for(identity))
    }

    fn ingress(&self, name: &str) -> ObjectRef {
        let backend = json!({ "service": { "name": "s", "port": { "number": 80 } } });
        self.create::<Ingress>(json!({
            "metadata": { "name": name }, "spec": { "defaultBackend": backend },
        }));
        self.reference(name)
    }

    fn reference(&self, name: &str) -> ObjectRef {
        ObjectRef {
            kind: Kind::Ingress,
            namespace: self.namespace.as_str().into(),
            name: name.into(),
        }
    }

    /// `ip` and `hostname` of each entry.
    fn shown(&self, name: &str) -> Vec<String> {
        let ingress = block_on(self.api::<Ingress>().get(name)).expect("ingress");
        let status = ingress.status.and_then(|status| status.load_balancer);
        let entries = status.and_then(|balancer| balancer.ingress).unwrap_or_default();
        entries.into_iter().filter_map(|entry| entry.ip.or(entry.hostname)).collect()
    }

    fn options(&self, pod: &str, addresses: AddressSource) -> WriterOptions {
        options(&self.namespace, pod, addresses)
    }

    fn replica(&self, pod: &str, addresses: &[&str]) -> Replica {
        let addresses = addresses.iter().map(|&text| text.to_owned()).collect();
        self.replica_with(&self.account(), self.options(pod, AddressSource::Fixed(addresses)))
    }

    fn replica_with(&self, client: &Client, options: WriterOptions) -> Replica {
        start(client, self.control_plane.client(), options)
    }

    fn holder(&self) -> String {
        let lease = block_on(self.api::<Lease>().get_opt(ELECTION)).expect("lease");
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }
}

fn options(namespace: &str, pod: &str, addresses: AddressSource) -> WriterOptions {
    WriterOptions {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        election_id: ELECTION.to_owned(),
        addresses,
        update_status: true,
        services: None,
        update_status_on_shutdown: true,
        reach: Reach::All,
    }
}

/// A replica that writes as `client` and sees the Ingresses of its namespace as `watching`.
fn start(client: &Client, watching: Client, options: WriterOptions) -> Replica {
    let outcomes = Arc::new(Outcomes::default());
    let observed = Arc::new(Observed::default());
    let state = Arc::new(WriterState::default());
    let (leave, leaving) = oneshot::channel();
    let (kill, killed) = oneshot::channel();
    let shared = (Arc::clone(&outcomes), Arc::clone(&observed), Arc::clone(&state));
    let client = client.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (outcomes, observed, state) = shared;
        let (seen, namespace) = (Arc::clone(&observed), options.namespace.clone());
        let shutdown = async { leaving.await.unwrap_or_default() };
        runtime.expect("runtime").block_on(async {
            tokio::select! {
                () = write::run(client, options, outcomes, observed, state, shutdown) => {}
                () = watch(watching, &namespace, &seen) => {}
                _ = killed => {}
            }
        });
    });
    let (leave, kill, thread) = (Some(leave), Some(kill), Some(thread));
    Replica { outcomes, observed, state, leave, kill, thread }
}

/// Notes the Ingresses of a namespace, as the source does.
async fn watch(client: Client, namespace: &str, observed: &Observed) {
    let reference = |ingress: &Ingress| ObjectRef {
        kind: Kind::Ingress,
        namespace: ingress.namespace().unwrap_or_default().into(),
        name: ingress.name_any().into(),
    };
    let ingresses: Api<Ingress> = Api::namespaced(client, namespace);
    let mut events = std::pin::pin!(watcher(ingresses, watcher::Config::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(found) | watcher::Event::InitApply(found)) => {
                let balancer = found.status.clone().and_then(|status| status.load_balancer);
                let entries = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
                let shown = Shown::Addresses(entries.iter().map(Address::from).collect());
                observed.put(&reference(&found), found.uid().as_deref(), &shown);
            }
            Ok(watcher::Event::Delete(gone)) => observed.remove(&reference(&gone)),
            _ => {}
        }
    }
}

/// Whether the status of an Ingress is known to show one address.
pub(crate) fn shows_one(observed: &Observed, ingress: &ObjectRef) -> bool {
    matches!(observed.status(ingress), Some(Shown::Addresses(shown)) if shown.len() == 1)
}

impl Replica {
    fn serves(&self, ingress: &ObjectRef, outcome: Outcome) {
        self.outcomes.acknowledged([(ingress.clone(), outcome)]);
    }

    fn is_leader(&self) -> bool {
        self.state.is_leader()
    }

    /// As SIGTERM.
    fn leave(mut self) {
        self.leave.take();
        self.thread.take().unwrap().join().unwrap();
    }

    /// As SIGKILL: nothing more is written.
    fn kill(self) {}
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[track_caller]
fn wait_for_leader(replicas: &[&Replica]) {
    wait_until("a leader", || replicas.iter().any(|replica| replica.is_leader()));
}

/// Leader first.
fn in_order(a: Replica, b: Replica) -> (Replica, Replica) {
    wait_for_leader(&[&a, &b]);
    if a.is_leader() { (a, b) } else { (b, a) }
}

fn overwrite(world: &World, name: &str, ip: &str) {
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": ip }] } } });
    let patch = Patch::Merge(status);
    let params = PatchParams { field_manager: Some("other".to_owned()), ..Default::default() };
    block_on(world.api::<Ingress>().patch_status(name, &params, &patch)).unwrap();
}

fn one_of_two_replicas_writes_the_status_by_server_side_apply() {
    let world = World::new("status");
    world.grant();
    let x = world.ingress("x");
    let addresses = ["lb.test", "192.0.2.1", "2001:db8::1"];
    let (leader, other) =
        in_order(world.replica("p-1", &addresses), world.replica("p-2", &addresses));
    leader.serves(&x, Outcome::Served);
    other.serves(&x, Outcome::Served);
    wait_until("the status", || world.shown("x") == ["192.0.2.1", "2001:db8::1", "lb.test"]);
    let written = block_on(world.api::<Ingress>().get("x")).unwrap();
    let ours: Vec<_> = written
        .metadata
        .managed_fields
        .into_iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0].operation.as_deref(), Some("Apply"));
    assert_eq!(ours[0].subresource.as_deref(), Some("status"));
    let owned = serde_json::to_value(&ours[0].fields_v1).unwrap();
    assert_eq!(owned, json!({ "f:status": { "f:loadBalancer": { "f:ingress": {} } } }));

    // Somebody else's word does not stand.
    overwrite(&world, "x", "198.51.100.1");
    wait_until("the status again", || world.shown("x")[0] == "192.0.2.1");
    wait_until("the count", || leader.state.counts().status_written == 2);
    assert_eq!(other.state.counts(), Default::default());
    assert!(leader.state.problems().is_empty(), "{:?}", leader.state.problems());
}

fn a_killed_holder_is_succeeded_and_a_leaving_one_at_once() {
    let world = World::new("lease");
    world.grant();
    let x = world.ingress("x");
    let (leader, other) =
        in_order(world.replica("p-1", &["192.0.2.1"]), world.replica("p-2", &["192.0.2.2"]));
    leader.serves(&x, Outcome::Served);
    other.serves(&x, Outcome::Served);
    wait_until("the status", || !world.shown("x").is_empty());
    let before = (world.shown("x"), world.holder());
    leader.kill();
    let killed = Instant::now();
    wait_until("the successor", || other.is_leader());
    let gap = killed.elapsed();
    assert!(gap > Duration::from_secs(8) && gap < Duration::from_secs(20), "{gap:?}");
    // A new holder writes what the old one left.
    wait_until("the status of the successor", || world.shown("x") != before.0);
    assert_ne!(world.holder(), before.1);

    let third = world.replica("p-1", &["192.0.2.1"]);
    third.serves(&x, Outcome::Served);
    // It has looked at the Lease once it could have taken it.
    wait_until("a standing status", || third.observed.status(&x).is_some());
    assert!(!third.is_leader());
    let left = Instant::now();
    other.leave();
    wait_until("the next", || third.is_leader());
    assert!(left.elapsed() < Duration::from_secs(8), "{:?}", left.elapsed());
    let lease = block_on(world.api::<Lease>().get(ELECTION)).unwrap().spec.unwrap();
    assert_eq!(lease.lease_transitions, Some(2));
    third.leave();
    assert_eq!(world.holder(), "");
}

fn a_holder_without_the_api_server_leads_no_longer() {
    let mut control_plane = ControlPlane::start(Options::default());
    let (client, watching) = (control_plane.client(), control_plane.client());
    let options = options("default", "p-1", AddressSource::Fixed(Vec::new()));
    let replica = start(&client, watching, options);
    wait_for_leader(&[&replica]);
    control_plane.stop_apiserver();
    let stopped = Instant::now();
    wait_until("its end as a leader", || !replica.is_leader());
    let gap = stopped.elapsed();
    assert!(gap > Duration::from_secs(3) && gap < Duration::from_secs(13), "{gap:?}");
    control_plane.start_apiserver();
    wait_for_leader(&[&replica]);
    let leases: Api<Lease> = Api::namespaced(client, "default");
    let spec = block_on(leases.get(ELECTION)).unwrap().spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(0));
}

fn problem(object: &ObjectRef) -> Arc<Problem> {
    Arc::new(Problem {
        object: Some(object.clone()),
        position: None,
        field: "spec.defaultBackend.service.name".to_owned(),
        severity: Severity::Error,
        reason: Reason::of("NoService"),
        message: "There is no Service s.".to_owned(),
        advice: "Create it.".to_owned(),
    })
}

fn a_problem_is_one_event_whoever_tells_it() {
    let world = World::new("events");
    world.grant();
    let x = world.ingress("x");
    let uid = block_on(world.api::<Ingress>().get("x")).unwrap().uid().unwrap();
    // Events are told where no status is written.
    let account = world.account();
    let [a, b] = ["p-1", "p-2"].map(|pod| {
        let fixed = AddressSource::Fixed(vec!["192.0.2.1".to_owned()]);
        let options = WriterOptions { update_status: false, ..world.options(pod, fixed) };
        world.replica_with(&account, options)
    });
    let (leader, other) = in_order(a, b);
    for replica in [&leader, &other] {
        replica.serves(&x, Outcome::Served);
        replica.outcomes.problems(vec![problem(&x), problem(&x)]);
    }
    // As kubectl describe looks for them.
    let selector = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let described = || block_on(world.api::<CoreEvent>().list(&selector)).unwrap().items;
    wait_until("the event", || !described().is_empty());
    let told = block_on(world.api::<Event>().list(&ListParams::default())).unwrap().items;
    assert_eq!(told.len(), 1, "{told:?}");
    let event = &told[0];
    let note = "spec.defaultBackend.service.name: There is no Service s. Create it.";
    assert_eq!(event.note.as_deref(), Some(note));
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(event.reporting_controller.as_deref(), Some(REPORTING_CONTROLLER));
    let regarding = event.regarding.as_ref().unwrap();
    assert_eq!(regarding.api_version.as_deref(), Some("networking.k8s.io/v1"));
    assert_eq!(regarding.kind.as_deref(), Some("Ingress"));
    assert_eq!(regarding.name.as_deref(), Some("x"));

    // The next leader tells it again: the same Event, twice.
    leader.leave();
    let count = || described()[0].series.as_ref().and_then(|series| series.count);
    wait_until("the series", || count() == Some(2));
    assert_eq!(described().len(), 1);
    // Patched, though perhaps not counted yet.
    wait_until("the count", || other.state.counts().events_written == 1);
    assert_eq!(other.state.counts().status_written, 0);
    assert!(world.shown("x").is_empty());
    assert!(other.state.problems().is_empty(), "{:?}", other.state.problems());
}

fn what_is_no_longer_served_loses_our_address_and_keeps_that_of_others() {
    let world = World::new("withdrawn");
    world.grant();
    let (x, y) = (world.ingress("x"), world.ingress("y"));
    let replica = world.replica("p-1", &["192.0.2.1"]);
    replica.serves(&x, Outcome::Served);
    replica.serves(&y, Outcome::Served);
    wait_until("both", || world.shown("x") == ["192.0.2.1"] && world.shown("y") == ["192.0.2.1"]);
    replica.serves(&x, Outcome::Withdrawn);
    replica.serves(&y, Outcome::Withdrawn);
    // Before ours is taken back: what counts is who wrote it last, not who was first to see it.
    overwrite(&world, "y", "198.51.100.1");
    wait_until("its removal", || world.shown("x").is_empty());
    wait_until("the write of both", || replica.state.counts().status_written >= 3);
    wait_until("that of the other", || world.shown("y") == ["198.51.100.1"]);
}

fn addresses_come_from_the_service_as_it_changes() {
    let world = World::new("publish");
    world.grant();
    let x = world.ingress("x");
    let port = json!([{ "port": 80 }]);
    let spec = json!({ "type": "LoadBalancer", "ports": port });
    world.create::<Service>(json!({ "metadata": { "name": "edge" }, "spec": spec }));
    let edge = ObjectRef { kind: Kind::Service, name: "edge".into(), ..x.clone() };
    let options = world.options("p-1", AddressSource::Service(edge));
    let replica = world.replica_with(&world.account(), options);
    replica.serves(&x, Outcome::Served);
    wait_for_leader(&[&replica]);
    assert!(world.shown("x").is_empty());
    let services = world.api::<Service>();
    for ip in ["192.0.2.7", "192.0.2.8"] {
        let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": ip }] } } });
        let patch = Patch::Merge(status);
        block_on(services.patch_status("edge", &PatchParams::default(), &patch)).unwrap();
        wait_until("the address", || world.shown("x") == [ip]);
    }
    // Not a word about its end.
    block_on(services.delete("edge", &DeleteParams::default())).unwrap();
    wait_until("its end", || block_on(services.get_opt("edge")).unwrap().is_none());
    assert_eq!(world.shown("x"), ["192.0.2.8"]);
}

fn addresses_come_from_the_nodes_and_go_with_the_last_replica() {
    let world = World::new("nodes");
    world.grant();
    let x = world.ingress("x");
    let nodes: Api<Node> = Api::all(world.control_plane.client());
    for (pod, ip) in [("p-1", "192.0.2.1"), ("p-2", "192.0.2.2")] {
        let node = format!("{}-{pod}", world.namespace);
        let object = serde_json::from_value(json!({ "metadata": { "name": node } })).unwrap();
        block_on(nodes.create(&PostParams::default(), &object)).unwrap();
        let addresses = json!([
            { "type": "InternalIP", "address": "10.0.0.1" },
            { "type": "ExternalIP", "address": ip },
        ]);
        let patch = Patch::Merge(json!({ "status": { "addresses": addresses } }));
        block_on(nodes.patch_status(&node, &PatchParams::default(), &patch)).unwrap();
        let labels = json!({ "app.kubernetes.io/name": "ringway" });
        let containers = json!([{ "name": "c", "image": "registry.invalid/c" }]);
        world.create::<Pod>(json!({
            "metadata": { "name": pod, "labels": labels },
            "spec": { "nodeName": node, "containers": containers },
        }));
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let patch = Patch::Merge(json!({ "status": { "phase": "Running", "conditions": ready } }));
        let pods = world.api::<Pod>();
        block_on(pods.patch_status(pod, &PatchParams::default(), &patch)).unwrap();
    }
    let source = AddressSource::Nodes(NodeAddresses::ExternalFirst);
    // Nodes belong to no namespace, so that a Role cannot grant them.
    let admin = world.control_plane.client();
    let replica = world.replica_with(&admin, world.options("p-1", source.clone()));
    replica.serves(&x, Outcome::Served);
    wait_until("both nodes", || world.shown("x") == ["192.0.2.1", "192.0.2.2"]);
    replica.leave();
    assert_eq!(world.shown("x"), ["192.0.2.1", "192.0.2.2"], "another replica runs");

    let now = DeleteParams::default().grace_period(0);
    block_on(world.api::<Pod>().delete("p-2", &now)).unwrap();
    let replica = world.replica_with(&admin, world.options("p-1", source));
    replica.serves(&x, Outcome::Served);
    wait_until("one node", || world.shown("x") == ["192.0.2.1"]);
    wait_until("the news of it", || shows_one(&replica.observed, &x));
    replica.leave();
    assert!(world.shown("x").is_empty(), "{:?}", world.shown("x"));
    for pod in ["p-1", "p-2"] {
        let node = format!("{}-{pod}", world.namespace);
        block_on(nodes.delete(&node, &DeleteParams::default())).unwrap();
    }
}

fn a_missing_right_is_said_in_words_and_not_for_ever() {
    let world = World::new("rights");
    let x = world.ingress("x");
    let replica = world.replica("p-1", &["192.0.2.1"]);
    replica.serves(&x, Outcome::Served);
    wait_until("the problem", || !replica.state.problems().is_empty());
    let text = replica.state.problems()[0].to_string();
    assert!(text.contains("leases (coordination.k8s.io)"), "{text}");
    assert!(text.contains(&world.namespace) && text.contains("cannot get"), "{text}");
    drop(replica);

    world.grant();
    let rules: BTreeMap<&str, Value> = BTreeMap::from([(
        "rules",
        json!([rule("coordination.k8s.io", "leases", &["get", "create", "update"])]),
    )]);
    let patch = Patch::Merge(rules);
    block_on(world.api::<Role>().patch("ringway", &PatchParams::default(), &patch)).unwrap();
    // Who leads still cannot write what it leads for.
    let leases: Api<Lease> = Api::namespaced(world.account(), &world.namespace);
    wait_until("the grant to be known", || block_on(leases.get_opt(ELECTION)).is_ok());
    let replica = world.replica("p-1", &["192.0.2.1"]);
    replica.serves(&x, Outcome::Served);
    replica.outcomes.problems(vec![problem(&x)]);
    wait_until("both problems", || replica.state.problems().len() == 2);
    let texts: Vec<String> = replica.state.problems().iter().map(|p| p.to_string()).collect();
    assert!(texts[0].contains("update ingresses/status (networking.k8s.io)"), "{texts:?}");
    assert!(texts[1].contains("events (events.k8s.io)"), "{texts:?}");
    let counts = replica.state.counts();
    assert_eq!((counts.status_written, counts.events_written), (0, 0));
}

fn a_lease_that_others_touched_is_given_up_all_the_same() {
    let world = World::new("touched");
    world.grant();
    let leader = world.replica("p-1", &["192.0.2.1"]);
    wait_for_leader(&[&leader]);
    let patch = json!({ "metadata": { "labels": { "touched": "yes" } } });
    let leases = world.api::<Lease>();
    block_on(leases.patch(ELECTION, &PatchParams::default(), &Patch::Merge(patch))).unwrap();
    leader.leave();
    assert_eq!(world.holder(), "");
}

fn an_ingress_made_anew_gets_its_status_anew() {
    let world = World::new("anew");
    world.grant();
    let x = world.ingress("x");
    let leader = world.replica("p-1", &["192.0.2.1"]);
    leader.serves(&x, Outcome::Served);
    wait_until("the status", || world.shown("x") == ["192.0.2.1"]);
    for _ in 0..3 {
        block_on(world.api::<Ingress>().delete("x", &DeleteParams::default())).unwrap();
        // As fast as a pipeline does it; what is served never changes.
        world.ingress("x");
        wait_until("the status of the new one", || world.shown("x") == ["192.0.2.1"]);
    }
}

fn rights_in_a_namespace_are_enough_without_a_complaint() {
    let world = World::new("narrow");
    world.grant();
    let class = ObjectRef { kind: Kind::IngressClass, namespace: "".into(), name: "narrow".into() };
    let leader = world.replica("p-1", &["192.0.2.1"]);
    wait_for_leader(&[&leader]);
    leader.observed.put(&class, Some("u"), &Shown::Nothing);
    // Its Event would be in the namespace "default".
    leader.outcomes.problems(vec![problem(&class)]);
    wait_until("a refusal", || leader.state.counts().events_failed > 0);
    assert!(leader.state.problems().is_empty(), "{:?}", leader.state.problems());
}
