//! The control plane of these tests is a real one: it refuses what a cluster refuses, forgets what
//! a cluster forgets, and its controllers do their work.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::harness::{ControlPlane, Identity, Network, Options, block_on, wait_until};

crate::cases![
    it_answers,
    a_service_account_may_do_what_rbac_grants_and_nothing_else,
    a_user_without_grants_may_do_nothing,
    a_stopped_apiserver_comes_back_with_its_data,
    a_watch_from_before_a_compaction_is_told_410,
    an_endpoint_has_an_address_of_the_network_and_none_of_loopback,
    an_address_of_the_network_can_be_bound_and_reached,
    a_deployment_gets_its_replica_set,
    a_deleted_namespace_goes_with_all_it_holds,
    helm_talks_to_it,
];

/// Creates an object that is written as JSON.
#[track_caller]
fn create<K>(api: &Api<K>, object: Value) -> Result<K, Error>
where
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let object = serde_json::from_value(object).expect("an object of this kind");
    block_on(api.create(&PostParams::default(), &object))
}

/// The status code of a refusal; 0 of a success.
fn code_of<T>(result: &Result<T, Error>) -> u16 {
    match result {
        Ok(_) => 0,
        Err(Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

fn it_answers() {
    let control_plane = ControlPlane::shared();
    let version = block_on(control_plane.client().apiserver_version()).unwrap();
    assert_eq!((version.major.as_str(), version.git_version.starts_with("v1.")), ("1", true));
    assert!(control_plane.url().starts_with("https://127.0.0.1:"), "{}", control_plane.url());
    let certificates = std::fs::read_to_string(control_plane.ca()).unwrap();
    assert!(certificates.starts_with("-----BEGIN CERTIFICATE-----"), "{certificates}");
}

fn a_service_account_may_do_what_rbac_grants_and_nothing_else() {
    let control_plane = ControlPlane::shared();
    let namespace = control_plane.namespace("rbac");
    let client = control_plane.client();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    create(&accounts, json!({ "metadata": { "name": "reader" } })).unwrap();
    let roles: Api<Role> = Api::namespaced(client.clone(), &namespace);
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] });
    create(&roles, json!({ "metadata": { "name": "reader" }, "rules": [rule] })).unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(client, &namespace);
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": group, "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": namespace }],
    });
    create(&bindings, binding).unwrap();

    let identity = Identity::ServiceAccount { namespace: &namespace, name: "reader" };
    let reader = control_plane.client_with(&control_plane.kubeconfig_for(identity));
    let maps: Api<ConfigMap> = Api::namespaced(reader.clone(), &namespace);
    let all = ListParams::default();
    // The API server learns of a grant by a watch of its own.
    wait_until("the grant to be known", || block_on(maps.list(&all)).is_ok());
    assert_eq!(code_of(&create(&maps, json!({ "metadata": { "name": "m" } }))), 403);
    let elsewhere: Api<ConfigMap> = Api::namespaced(reader.clone(), "default");
    assert_eq!(code_of(&block_on(elsewhere.list(&all))), 403);
    let secrets: Api<Secret> = Api::namespaced(reader, &namespace);
    assert_eq!(code_of(&block_on(secrets.list(&all))), 403);
}

fn a_user_without_grants_may_do_nothing() {
    let control_plane = ControlPlane::shared();
    let stranger = control_plane.client_with(&control_plane.kubeconfig_for(Identity::Stranger));
    let classes: Api<IngressClass> = Api::all(stranger);
    assert_eq!(code_of(&block_on(classes.list(&ListParams::default()))), 403);
}

fn a_stopped_apiserver_comes_back_with_its_data() {
    let mut control_plane = ControlPlane::start(Options::default());
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(), "default");
    create(&maps, json!({ "metadata": { "name": "kept" }, "data": { "a": "1" } })).unwrap();
    let before = control_plane.url().to_owned();
    control_plane.stop_apiserver();
    block_on(maps.get("kept")).unwrap_err();
    control_plane.start_apiserver();
    assert_eq!(control_plane.url(), before);
    // The client of before, by the certificate and token of before.
    let kept = block_on(maps.get("kept")).unwrap();
    assert_eq!(kept.data.unwrap()["a"], "1");
}

/// Creates a map and deletes it, twice; the version of the first change.
fn outdated_version(client: &Client) -> String {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let versions = [(); 2].map(|()| {
        let map = create(&maps, json!({ "metadata": { "name": "short-lived" } })).unwrap();
        block_on(maps.delete("short-lived", &DeleteParams::default())).unwrap();
        map.metadata.resource_version.unwrap()
    });
    versions.into_iter().next().unwrap()
}

/// The first event of a watch that begins at `version`.
fn first_event(client: &Client, version: &str) -> Result<WatchEvent<ConfigMap>, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    block_on(async {
        let mut events = pin!(maps.watch(&WatchParams::default(), version).await?);
        events.next().await.expect("an event")
    })
}

/// Whether a watch that begins at `version` is told 410, as an event or at once.
fn is_gone(client: &Client, version: &str) -> bool {
    match first_event(client, version) {
        Ok(WatchEvent::Error(status)) => status.code == 410,
        Err(Error::Api(status)) => status.code == 410,
        Ok(_) => false,
        Err(error) => panic!("{error}"),
    }
}

fn a_watch_from_before_a_compaction_is_told_410() {
    let mut direct = ControlPlane::start(Options { watch_cache: false, ..Options::default() });
    let client = direct.client();
    let version = outdated_version(&client);
    assert!(!is_gone(&client, &version));
    direct.compact_etcd();
    assert!(is_gone(&client, &version));
    // After a start, the memory of an API server reaches back no further than the store.
    let version = outdated_version(&client);
    direct.stop_apiserver();
    direct.compact_etcd();
    direct.start_apiserver();
    assert!(is_gone(&client, &version));
}

fn slice(name: &str, address: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": "s" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
        "ports": [{ "port": 8080 }],
    })
}

fn an_endpoint_has_an_address_of_the_network_and_none_of_loopback() {
    let control_plane = ControlPlane::shared();
    let namespace = control_plane.namespace("endpoints");
    let slices: Api<EndpointSlice> = Api::namespaced(control_plane.client(), &namespace);
    let address = Network::new().address(1).to_string();
    create(&slices, slice("network", &address)).unwrap();
    let refused = create(&slices, slice("loopback", "127.0.0.1")).unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
    assert_eq!(code_of::<()>(&Err(refused)), 422);
}

fn an_address_of_the_network_can_be_bound_and_reached() {
    let (network, other) = (Network::new(), Network::new());
    assert_ne!(network.address(1), other.address(1));
    let listener = TcpListener::bind((network.address(1), 80)).unwrap();
    TcpListener::bind((network.address(2), 80)).unwrap();
    let mut client = TcpStream::connect((network.address(1), 80)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"x").unwrap();
    let mut received = [0];
    server.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"x");
    TcpStream::connect((network.address(3), 80)).unwrap_err();
}

fn a_deployment_gets_its_replica_set() {
    let control_plane = ControlPlane::shared();
    let namespace = control_plane.namespace("deployment");
    let deployments: Api<Deployment> = Api::namespaced(control_plane.client(), &namespace);
    let labels = json!({ "app": "d" });
    let container = json!({ "name": "c", "image": "registry.invalid/c" });
    let deployment = json!({
        "metadata": { "name": "d" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    });
    create(&deployments, deployment).unwrap();
    let sets: Api<ReplicaSet> = Api::namespaced(control_plane.client(), &namespace);
    let wanted = ListParams::default().labels("app=d");
    wait_until("the replica set", || block_on(sets.list(&wanted)).unwrap().items.len() == 1);
}

fn a_deleted_namespace_goes_with_all_it_holds() {
    let control_plane = ControlPlane::shared();
    let name = control_plane.namespace("deleted");
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(), &name);
    create(&maps, json!({ "metadata": { "name": "m" } })).unwrap();
    let namespaces: Api<Namespace> = Api::all(control_plane.client());
    block_on(namespaces.delete(&name, &DeleteParams::default())).unwrap();
    wait_until("its end", || block_on(namespaces.get_opt(&name)).unwrap().is_none());
    assert!(block_on(maps.get_opt("m")).unwrap().is_none());
}

fn helm_talks_to_it() {
    let control_plane = ControlPlane::shared();
    let output = control_plane.helm().args(["list", "--output", "json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.trim(), "[]");
    assert!(control_plane.admin_kubeconfig().is_file());
}
