//! The collector as a whole, step by step.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};

use super::collect::{Collector, Setup};
use super::failure::Failure;
use super::item::{Content, Item, Watched};
use super::watch::{Step, Verb};
use super::{Batch, KindState, SourceState, Urgency, extents, versioned};
use crate::control::calls::alive;
use crate::control::endpoint_slice::EndpointSlice;
use crate::control::gateway_api::class::GatewayClass;
use crate::control::kinds::{Need, info};
use crate::control::lower::{Interest, LowerOptions, Lowerer};
use crate::control::observed::{Observed, Shown};
use crate::control::source::interest::{Choice, Interest as _};
use crate::control::source::object::{Change, Object, SourceObject, Stored};
use crate::control::source::reach::Reach;
use crate::control::store::Store;
use crate::limits::{KUBE_REFUSED_RETRY, NAMED_REFRESH, NAMED_RETRY, NAMED_WAIT};
use crate::model::{Kind, ObjectRef, Problem, Severity};

fn options() -> LowerOptions {
    LowerOptions::cluster("ringway", "ringway.dev/ingress")
}

fn reference(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.into(), name: name.into() }
}

fn secret_ref(name: &str) -> ObjectRef {
    reference(Kind::Secret, "a", name)
}

fn item<K: Watched>(value: Value) -> Item {
    serde_json::from_value::<K>(value).unwrap().item().unwrap()
}

fn metadata(namespace: &str, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": namespace,
        "uid": format!("uid-{name}"),
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"kubernetes.io/service-name": "app", "other": "x"},
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "nginx.ingress.kubernetes.io/ssl-redirect": "false",
            "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
        },
        "managedFields": [{"manager": "kubectl", "operation": "Update"}],
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"},
        ],
    })
}

fn ingress_value(namespace: &str, name: &str, host: &str, secret: Option<&str>) -> Value {
    let tls = secret.map(|secret| json!({"hosts": [host], "secretName": secret}));
    let backend = json!({"service": {"name": "app", "port": {"number": 80}}});
    json!({
        "metadata": metadata(namespace, name),
        "spec": {
            "ingressClassName": "ringway",
            "tls": tls.into_iter().collect::<Vec<_>>(),
            "rules": [{"host": host, "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": backend},
            ]}}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    })
}

fn ingress(name: &str, secret: Option<&str>) -> Item {
    item::<Ingress>(ingress_value("a", name, &format!("{name}.test"), secret))
}

fn slice_value(addresses: &[&str], ready: bool) -> Value {
    let endpoint = |address: &&str| {
        json!({
            "addresses": [address],
            "conditions": {"ready": ready, "serving": ready, "terminating": !ready},
            "targetRef": {"kind": "Pod", "name": "p", "namespace": "a"},
            "nodeName": "n",
            "hostname": "h",
            "zone": "z",
        })
    };
    json!({
        "metadata": metadata("a", "app-1"),
        "addressType": "IPv4",
        "endpoints": addresses.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    })
}

fn slice(addresses: &[&str], ready: bool) -> Item {
    item::<EndpointSlice>(slice_value(addresses, ready))
}

fn service_value(namespace: &str) -> Value {
    json!({
        "metadata": metadata(namespace, "app"),
        "spec": {
            "clusterIP": "10.0.0.1",
            "selector": {"app": "app"},
            "ports": [{"port": 80, "targetPort": 8080, "appProtocol": "http"}],
        },
        "status": {"loadBalancer": {}},
    })
}

fn class(controller: &str) -> Item {
    item::<IngressClass>(json!({
        "metadata": {"name": "other"}, "spec": {"controller": controller},
    }))
}

fn seen(name: &str, version: &str) -> Item {
    let metadata = json!({"name": name, "namespace": "a", "resourceVersion": version});
    item::<PartialObjectMeta<Secret>>(json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata,
    }))
}

fn secret(name: &str, version: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.into());
    secret.metadata.resource_version = Some(version.into());
    let value = ByteString(version.as_bytes().to_vec());
    secret.data = Some(BTreeMap::from([("tls.crt".into(), value)]));
    secret
}

/// A collector with the ids of its watches.
struct Bench {
    collector: Collector,
    ids: Vec<(Kind, Option<Arc<str>>)>,
    state: Arc<SourceState>,
    observed: Arc<Observed>,
    now: Instant,
}

impl Bench {
    /// Nothing was said of any kind.
    fn unheard(reach: &Reach) -> Self {
        let extents = extents(reach, &[]);
        let is_selective = matches!(reach, Reach::Selector(_));
        let ids = extents.iter().map(|e| (e.kind, e.namespace.clone())).collect();
        let (state, observed, now) = (Arc::default(), Arc::default(), Instant::now());
        let setup = Setup {
            extents,
            is_selective,
            interest: Box::new(Interest::new(options())),
            named: Vec::new(),
            observed: Arc::clone(&observed),
            state: Arc::clone(&state),
        };
        Self { collector: Collector::new(setup, now), ids, state, observed, now }
    }

    fn new(reach: &Reach) -> Self {
        let mut bench = Self::unheard(reach);
        let (is_selective, now) = (matches!(reach, Reach::Selector(_)), bench.now);
        // A cluster without any extension, and without ConfigMaps.
        for (id, (kind, _)) in bench.ids.clone().into_iter().enumerate() {
            let steps = match kind {
                Kind::ConfigMap => vec![Step::Begin, Step::Done],
                Kind::Namespace if is_selective => Vec::new(),
                kind if info(kind).need == Need::IfServed => {
                    vec![Step::Failed(Verb::List, Failure::NotServed("no".into()))]
                }
                _ => Vec::new(),
            };
            steps.into_iter().for_each(|step| bench.collector.step(id, step, now));
        }
        bench
    }

    /// All kinds are empty and told.
    fn ready() -> Self {
        let mut bench = Self::new(&Reach::All);
        for kind in
            [Kind::IngressClass, Kind::Ingress, Kind::Service, Kind::EndpointSlice, Kind::Secret]
        {
            bench.list(kind, Vec::new());
        }
        assert_eq!(bench.changes(), Some(Vec::new()));
        bench
    }

    fn of(&self, kind: Kind) -> KindState {
        self.state.snapshot().into_iter().find(|state| state.kind == kind).unwrap()
    }

    fn id(&self, kind: Kind, namespace: Option<&str>) -> usize {
        let matches = |(k, n): &(Kind, Option<Arc<str>>)| *k == kind && n.as_deref() == namespace;
        self.ids.iter().position(matches).unwrap()
    }

    fn step(&mut self, kind: Kind, step: Step) {
        let id = self.id(kind, None);
        self.collector.step(id, step, self.now);
    }

    fn apply(&mut self, item: Item) {
        let kind = item.reference.kind;
        self.step(kind, Step::Apply(item));
    }

    fn list(&mut self, kind: Kind, items: Vec<Item>) {
        for step in [Step::Begin, Step::Page(items), Step::Done] {
            self.step(kind, step);
        }
    }

    fn batch(&mut self) -> Option<(Vec<Change>, Urgency, Instant)> {
        self.collector.pending_since()?;
        match self.collector.take_changes(self.now) {
            Batch::Changes { changes, urgency, since } => Some((changes, urgency, since)),
            Batch::Problems(_) => None,
        }
    }

    /// What is told, as `+` or `-` and the name.
    fn changes(&mut self) -> Option<Vec<String>> {
        let text = |change: &Change| match change {
            Change::Apply(object) => format!("+{}", object.reference.name),
            Change::Delete(object) => format!("-{}", object.name),
            Change::Broken(object) => format!("!{}", object.name),
        };
        Some(self.batch()?.0.iter().map(text).collect())
    }

    fn problems(&mut self) -> Option<Vec<Arc<Problem>>> {
        match self.collector.take_problems()? {
            Batch::Problems(problems) => Some(problems),
            Batch::Changes { .. } => None,
        }
    }

    fn reasons(&mut self) -> Option<Vec<&'static str>> {
        Some(self.problems()?.iter().map(|problem| problem.reason.word()).collect())
    }

    fn read(&mut self, name: &str, result: Result<Option<Secret>, Failure>) {
        assert_eq!(self.collector.next_named(), Some(secret_ref(name)));
        self.answer(&secret_ref(name), result);
    }

    /// An object was read by its name.
    fn answer<K: Stored>(&mut self, object: &ObjectRef, result: Result<Option<K>, Failure>) {
        let result = result.map(|found| found.map(versioned));
        self.collector.read(object, result, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.collector.tick(self.now);
    }
}

fn forbidden() -> Step {
    Step::Failed(Verb::List, Failure::Forbidden("no".into()))
}

fn unreachable(text: &str) -> Step {
    Step::Failed(Verb::Watch, Failure::Unreachable(text.into()))
}

fn strings(all: &[&str]) -> Option<Vec<String>> {
    Some(all.iter().map(|&text| text.to_owned()).collect())
}

#[test]
fn the_first_reading_waits_for_all_kinds_and_referenced_secrets() {
    let mut bench = Bench::new(&Reach::All);
    bench.list(Kind::Ingress, vec![ingress("x", Some("s")), ingress("y", None)]);
    bench.list(Kind::IngressClass, Vec::new());
    bench.list(Kind::Service, vec![item::<Service>(service_value("a"))]);
    bench.list(Kind::EndpointSlice, Vec::new());
    assert_eq!(bench.changes(), None);
    bench.list(Kind::Secret, vec![seen("s", "1"), seen("unused", "1")]);
    assert_eq!(bench.changes(), None);
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.collector.next_named(), None);
    assert_eq!(bench.changes(), strings(&["+x", "+y", "+s", "+app"]));
    assert_eq!(bench.changes(), None);
    let snapshot = bench.state.snapshot();
    let objects: Vec<_> = snapshot.iter().map(|s| (s.kind, s.objects, s.is_synced)).collect();
    let expected = [
        (Kind::ConfigMap, 0, true),
        (Kind::EndpointSlice, 0, true),
        (Kind::Ingress, 2, true),
        (Kind::IngressClass, 0, true),
        (Kind::Secret, 2, true),
        (Kind::Service, 1, true),
    ];
    let (extensions, core): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|(kind, ..)| info(*kind).need == Need::IfServed);
    assert_eq!(core, expected);
    assert!(extensions.iter().all(|(_, objects, is_synced)| *objects == 0 && *is_synced));
    assert_eq!(bench.observed.uid(&reference(Kind::Ingress, "a", "x")).as_deref(), Some("uid-x"));
    let shown = bench.observed.status(&reference(Kind::Ingress, "a", "x"));
    assert!(matches!(shown, Some(Shown::Addresses(addresses)) if addresses.len() == 1));
}

#[test]
fn a_list_read_anew_comes_to_what_differs() {
    let mut bench = Bench::ready();
    bench.list(Kind::Ingress, vec![ingress("x", None), ingress("y", None)]);
    assert_eq!(bench.changes(), strings(&["+x", "+y"]));
    bench.step(Kind::Ingress, Step::Begin);
    bench.step(Kind::Ingress, Step::Page(vec![ingress("x", None), ingress("z", None)]));
    assert_eq!(bench.changes(), strings(&["+z"]));
    bench.step(Kind::Ingress, Step::Done);
    assert_eq!(bench.changes(), strings(&["-y"]));
    // A list that breaks off and begins again deletes nothing.
    bench.step(Kind::Ingress, Step::Begin);
    bench.step(Kind::Ingress, unreachable("gone"));
    bench.list(Kind::Ingress, vec![ingress("x", None), ingress("z", None)]);
    assert_eq!(bench.changes(), None);
    // What came and went, or went and came, before it was told is nothing, or one change.
    bench.apply(ingress("w", None));
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "w")));
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "x")));
    bench.apply(ingress("x", None));
    assert_eq!(bench.changes(), strings(&["+x"]));
    assert_eq!(bench.of(Kind::Ingress).objects, 2);
}

#[test]
fn a_status_is_for_the_writer_alone() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", None));
    assert_eq!(bench.changes(), strings(&["+x"]));
    let mut value = ingress_value("a", "x", "x.test", None);
    value["status"] = json!({});
    value["metadata"]["resourceVersion"] = "8".into();
    bench.apply(item::<Ingress>(value));
    assert_eq!(bench.changes(), None);
    let shown = bench.observed.status(&reference(Kind::Ingress, "a", "x"));
    assert!(matches!(shown, Some(Shown::Addresses(addresses)) if addresses.is_empty()));
}

#[test]
fn endpoints_that_go_cannot_wait() {
    let mut bench = Bench::ready();
    let mut urgency = |item| {
        bench.apply(item);
        bench.batch().map(|(_, urgency, _)| urgency)
    };
    assert_eq!(urgency(slice(&["10.0.0.1"], true)), Some(Urgency::Endpoints));
    assert_eq!(urgency(slice(&["10.0.0.1", "10.0.0.2"], true)), Some(Urgency::Endpoints));
    assert_eq!(urgency(slice(&["10.0.0.2"], true)), Some(Urgency::Now));
    assert_eq!(urgency(slice(&["10.0.0.2"], true)), None);
    assert_eq!(urgency(slice(&["10.0.0.2"], false)), Some(Urgency::Now));
    assert_eq!(urgency(ingress("x", None)), Some(Urgency::Routes));
    bench.apply(slice(&["10.0.0.3"], true));
    bench.apply(ingress("y", None));
    assert_eq!(bench.batch().map(|(_, urgency, _)| urgency), Some(Urgency::Routes));
    bench.step(Kind::EndpointSlice, Step::Delete(reference(Kind::EndpointSlice, "a", "app-1")));
    assert_eq!(bench.batch().map(|(_, urgency, _)| urgency), Some(Urgency::Now));
}

#[test]
fn an_ingress_waits_for_its_secret_a_while() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", Some("s")));
    bench.apply(ingress("y", None));
    assert_eq!(bench.changes(), strings(&["+y"]));
    assert_eq!(bench.changes(), None);
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    // It is known: nothing waits for a new version.
    bench.apply(seen("s", "1"));
    assert_eq!(bench.collector.next_named(), None);
    bench.apply(seen("s", "2"));
    bench.apply(ingress("x2", Some("s")));
    assert_eq!(bench.changes(), strings(&["+x2"]));
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.changes(), strings(&["+s"]));
    // The server is slow.
    let began = bench.now;
    bench.apply(ingress("z", Some("slow")));
    bench.pass(NAMED_WAIT / 2);
    assert_eq!(bench.changes(), None);
    bench.apply(ingress("z", Some("slow")));
    bench.pass(NAMED_WAIT / 2);
    assert_eq!(bench.batch().map(|(changes, _, since)| (changes.len(), since)), Some((1, began)));
    // No such Secret: that is known as well.
    bench.read("slow", Ok(None));
    bench.apply(ingress("w", Some("none")));
    bench.read("none", Ok(None));
    assert_eq!(bench.changes(), strings(&["+w"]));
    bench.apply(seen("none", "3"));
    bench.read("none", Ok(Some(secret("none", "3"))));
    assert_eq!(bench.changes(), strings(&["+none"]));
}

#[test]
fn a_class_that_becomes_ours_waits_for_all_their_secrets() {
    let mut bench = Bench::ready();
    let mut value = ingress_value("a", "x", "x.test", Some("s"));
    value["spec"]["ingressClassName"] = "other".into();
    bench.apply(item::<Ingress>(value));
    bench.apply(class("somebody.else"));
    assert_eq!(bench.changes(), strings(&["+x", "+other"]));
    assert_eq!(bench.collector.next_named(), None);
    bench.apply(class("ringway.dev/ingress"));
    assert_eq!(bench.changes(), None);
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+other", "+s"]));
    bench.apply(class("somebody.else"));
    assert_eq!(bench.changes(), strings(&["+other", "-s"]));
}

#[test]
fn a_secret_goes_with_its_last_user_or_its_owner() {
    let mut bench = Bench::ready();
    bench.apply(seen("s", "1"));
    assert_eq!(bench.collector.next_named(), None);
    bench.apply(ingress("x", Some("s")));
    bench.apply(ingress("y", Some("s")));
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+y", "+s"]));
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "x")));
    assert_eq!(bench.changes(), strings(&["-x"]));
    bench.step(Kind::Secret, Step::Delete(secret_ref("s")));
    assert_eq!(bench.changes(), strings(&["-s"]));
    bench.list(Kind::Secret, vec![seen("s", "5")]);
    bench.read("s", Ok(Some(secret("s", "5"))));
    assert_eq!(bench.changes(), strings(&["+s"]));
    bench.list(Kind::Secret, Vec::new());
    assert_eq!(bench.changes(), strings(&["-s"]));
    bench.apply(seen("s", "6"));
    bench.read("s", Ok(Some(secret("s", "6"))));
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "y")));
    assert_eq!(bench.changes(), strings(&["-y"]));
    assert_eq!(bench.observed.uid(&secret_ref("s")), None);
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    let mut bench = Bench::ready();
    bench.apply(seen("s", "1"));
    bench.apply(ingress("x", Some("s")));
    assert_eq!(bench.collector.next_named(), Some(secret_ref("s")));
    bench.apply(seen("s", "2"));
    bench.answer(&secret_ref("s"), Ok(Some(secret("s", "1"))));
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.collector.next_named(), None);
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    // Deleted while an older answer is under way.
    bench.apply(seen("s", "3"));
    assert_eq!(bench.collector.next_named(), Some(secret_ref("s")));
    bench.step(Kind::Secret, Step::Delete(secret_ref("s")));
    bench.answer(&secret_ref("s"), Ok(Some(secret("s", "3"))));
    bench.read("s", Ok(None));
    assert_eq!(bench.changes(), strings(&["-s"]));
}

#[test]
fn a_secret_that_cannot_be_read_stays_and_is_tried_again() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", Some("s")));
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    bench.apply(seen("s", "2"));
    bench.read("s", Err(Failure::Forbidden("no".into())));
    assert_eq!(bench.reasons(), Some(vec!["Forbidden"]));
    assert_eq!(bench.changes(), None);
    assert_eq!(bench.collector.next_named(), None);
    bench.pass(NAMED_RETRY);
    assert_eq!(bench.collector.next_named(), None);
    bench.pass(KUBE_REFUSED_RETRY - NAMED_RETRY);
    bench.read("s", Err(Failure::Unreadable("what".into())));
    assert_eq!(bench.reasons(), Some(vec!["UnreadableAnswer"]));
    bench.pass(NAMED_RETRY);
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.changes(), strings(&["+s"]));
    assert_eq!(bench.problems(), Some(Vec::new()));
}

#[test]
fn a_server_that_does_not_answer_is_waited_for() {
    let mut bench = Bench::new(&Reach::All);
    bench.list(Kind::Ingress, vec![ingress("x", Some("s"))]);
    for kind in [Kind::IngressClass, Kind::Service, Kind::EndpointSlice, Kind::Secret] {
        bench.list(kind, Vec::new());
    }
    bench.read("s", Err(Failure::Unreachable("gone".into())));
    assert_eq!(bench.changes(), None);
    bench.pass(NAMED_RETRY);
    bench.read("s", Err(Failure::Busy("429 too many requests".into(), Duration::ZERO)));
    assert_eq!(bench.changes(), None);
    bench.pass(NAMED_RETRY);
    bench.read("s", Err(Failure::Refused("500 cannot decrypt".into(), Duration::ZERO)));
    assert_eq!(bench.reasons(), Some(vec!["ApiServerError"]));
    assert_eq!(bench.changes(), strings(&["+x"]));
}

#[test]
fn no_secret_is_shown() {
    let shown = format!("{:?}", Object::Secret(Arc::new(secret("s", "private"))));
    assert_eq!(shown, "Secret(Some(\"s\"))");
}

/// Whoever installs the Gateway API later needs no restart; whoever takes the right away is told.
#[test]
fn a_kind_that_the_cluster_does_not_have_is_no_fault() {
    let mut bench = Bench::ready();
    assert_eq!(bench.problems(), None);
    let state = bench.of(Kind::GatewayClass);
    assert_eq!((state.is_synced, state.objects, state.errors), (true, 0, 0));
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": metadata("", "edge"),
        "spec": {"controllerName": "example.com/edge", "description": "d"},
        "status": {"conditions": []},
    });
    bench.list(Kind::GatewayClass, vec![item::<GatewayClass>(class)]);
    assert_eq!(bench.changes(), strings(&["+edge"]));
    // A server that starts may not know its extensions yet: nothing is taken away.
    bench.step(Kind::GatewayClass, Step::Failed(Verb::List, Failure::NotServed("no".into())));
    assert_eq!((bench.changes(), bench.problems()), (None, None));
    bench.step(Kind::GatewayClass, forbidden());
    let problems = bench.problems().unwrap();
    assert_eq!((problems[0].reason.word(), problems[0].severity), ("Forbidden", Severity::Note));
    assert!(problems[0].message.contains("gatewayclasses.gateway.networking.k8s.io"));
}

/// What definitions say is told and routes nothing: no answer about them keeps routes back.
#[test]
fn no_definition_is_waited_for() {
    for failure in [
        Failure::Refused("500 no".into(), Duration::ZERO),
        Failure::Busy("429 no".into(), Duration::ZERO),
        Failure::Unreadable("no".into()),
    ] {
        for (kind, is_told) in [(Kind::CustomResourceDefinition, true), (Kind::Gateway, false)] {
            let mut bench = Bench::unheard(&Reach::All);
            for (other, _) in bench.ids.clone() {
                if other != kind {
                    bench.list(other, Vec::new());
                }
            }
            assert_eq!(bench.changes(), None, "{kind}");
            bench.step(kind, Step::Failed(Verb::List, failure.clone()));
            assert_eq!(bench.changes().is_some(), is_told, "{kind} {failure:?}");
        }
    }
}

#[test]
fn a_kind_that_is_not_needed_may_be_forbidden() {
    let mut bench = Bench::new(&Reach::All);
    for kind in [Kind::Service, Kind::EndpointSlice] {
        bench.list(kind, Vec::new());
    }
    bench.list(Kind::Ingress, vec![ingress("x", Some("s"))]);
    bench.step(Kind::IngressClass, forbidden());
    bench.step(Kind::Secret, forbidden());
    let problems = bench.problems().unwrap();
    assert!(problems.iter().all(|problem| problem.reason == "Forbidden"));
    assert!(problems[1].message.contains("every 60 s"), "{}", problems[1].message);
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    // Nothing tells of its changes.
    bench.pass(NAMED_REFRESH);
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.changes(), strings(&["+s"]));
    bench.step(Kind::Secret, forbidden());
    assert_eq!(bench.problems(), None);
    bench.list(Kind::Secret, vec![seen("s", "2")]);
    assert_eq!(bench.reasons(), Some(vec!["Forbidden"]));
    bench.pass(NAMED_REFRESH);
    assert_eq!(bench.collector.next_named(), None);
}

#[test]
fn a_kind_that_is_needed_holds_up_the_first_reading() {
    let namespaces = Reach::Namespaces(vec!["a".into(), "b".into(), "a".into()]);
    let mut bench = Bench::new(&namespaces);
    bench.step(Kind::IngressClass, forbidden());
    for (kind, namespace) in bench.ids.clone() {
        let id = bench.id(kind, namespace.as_deref());
        if kind == Kind::Ingress || kind == Kind::Service && namespace.as_deref() == Some("b") {
            bench.collector.step(id, forbidden(), bench.now);
        } else if kind != Kind::IngressClass {
            bench.collector.step(id, Step::Done, bench.now);
        }
    }
    assert_eq!(bench.changes(), None);
    let problems = bench.problems().unwrap();
    let message = "we may not list ingresses.networking.k8s.io in the namespaces a, b: no. Their \
                   changes are not seen.";
    assert_eq!(problems[0].message, message);
    assert_eq!(problems.len(), 3);
    let id = bench.id(Kind::Ingress, Some("b"));
    bench.collector.step(id, Step::Done, bench.now);
    assert_eq!(bench.changes(), Some(Vec::new()));
}

#[test]
fn an_outage_is_said_once_and_clears_nothing() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", None));
    assert_eq!(bench.changes(), strings(&["+x"]));
    bench.step(Kind::Ingress, Step::Broken);
    assert_eq!(bench.problems(), None);
    bench.step(Kind::Ingress, unreachable("Connection refused"));
    assert_eq!(bench.reasons(), Some(vec!["ApiServerUnreachable"]));
    bench.step(Kind::Service, unreachable("no answer within 30 s"));
    bench.step(Kind::Ingress, Step::Watching);
    assert_eq!(bench.problems(), None);
    bench.step(Kind::Service, Step::Watching);
    assert_eq!(bench.problems(), Some(Vec::new()));
    assert_eq!(bench.changes(), None);
    let step = |failure| Step::Failed(Verb::List, failure);
    bench.step(Kind::Service, step(Failure::Unauthorized("who".into())));
    bench.step(Kind::Ingress, step(Failure::Refused("500 no".into(), Duration::ZERO)));
    bench.step(Kind::Secret, step(Failure::NotServed("no".into())));
    bench.step(Kind::EndpointSlice, step(Failure::Invalid("no".into())));
    bench.step(Kind::IngressClass, Step::Unreadable(Failure::Unreadable("what".into())));
    let mut expected = vec!["Unauthorized", "ApiServerError", "InvalidSelector"];
    expected.extend(["UnreadableAnswer", "NotServed"]);
    assert_eq!(bench.reasons(), Some(expected));
    assert_eq!(bench.of(Kind::Ingress).errors, 3);
}

#[test]
fn objects_of_a_namespace_come_and_go_with_its_labels() {
    let mut bench = Bench::new(&Reach::Selector("team=web".into()));
    for kind in [Kind::IngressClass, Kind::EndpointSlice, Kind::Secret] {
        bench.list(kind, Vec::new());
    }
    bench.list(Kind::Ingress, vec![ingress("x", Some("s"))]);
    bench.list(Kind::Service, vec![item::<Service>(service_value("b"))]);
    let failure = Failure::Invalid("unable to parse requirement".into());
    bench.step(Kind::Namespace, Step::Failed(Verb::List, failure));
    let problems = bench.problems().unwrap();
    assert!(problems[0].message.contains("unable to parse requirement"));
    bench.step(Kind::Namespace, forbidden());
    assert_eq!(bench.changes(), None);
    let namespace = |name| item::<Namespace>(json!({"metadata": {"name": name}}));
    bench.list(Kind::Namespace, vec![namespace("b")]);
    assert_eq!(bench.changes(), strings(&["+b", "+app"]));
    assert_eq!(bench.collector.next_named(), None);
    assert_eq!(bench.observed.uid(&reference(Kind::Ingress, "a", "x")), None);
    bench.apply(namespace("a"));
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+a", "+s"]));
    assert!(bench.observed.uid(&reference(Kind::Ingress, "a", "x")).is_some());
    bench.step(Kind::Namespace, Step::Delete(reference(Kind::Namespace, "", "a")));
    bench.list(Kind::Namespace, Vec::new());
    assert_eq!(bench.changes(), strings(&["-x", "-a", "-b", "-s", "-app"]));
    assert_eq!(bench.observed.uid(&reference(Kind::Ingress, "a", "x")), None);
    // It is kept, and follows what happens meanwhile.
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "x")));
    assert_eq!(bench.changes(), None);
    bench.list(Kind::Namespace, vec![namespace("a"), namespace("b")]);
    assert_eq!(bench.changes(), strings(&["+a", "+b", "+app"]));
}

#[test]
fn what_flags_name_is_read_wherever_it_is() {
    let reach = Reach::Namespaces(vec!["b".into()]);
    let map = reference(Kind::ConfigMap, "a", "m");
    let near = reference(Kind::Secret, "b", "s");
    let all = extents(&reach, &[secret_ref("s"), near, map, secret_ref("s")]);
    let names = all.iter().filter_map(|e| Some((e.kind, e.name.as_deref()?)));
    assert_eq!(names.collect::<Vec<_>>(), [(Kind::ConfigMap, "m"), (Kind::Secret, "s")]);
    let setup = Setup {
        extents: all,
        is_selective: false,
        interest: Box::new(Interest::new(options())),
        named: vec![secret_ref("s")],
        observed: Arc::default(),
        state: Arc::default(),
    };
    let mut collector = Collector::new(setup, Instant::now());
    assert_eq!(collector.next_named(), Some(secret_ref("s")));
}

fn map(name: &str, version: &str, data: &Value) -> ConfigMap {
    let metadata = json!({"name": name, "namespace": "a", "resourceVersion": version});
    serde_json::from_value(json!({"metadata": metadata, "data": data})).unwrap()
}

#[test]
fn config_maps_are_read_by_name_like_secrets() {
    let mut bench = Bench::ready();
    let mut value = ingress_value("a", "x", "x.test", None);
    let annotation = "nginx.ingress.kubernetes.io/custom-headers";
    value["metadata"]["annotations"] = json!({annotation: "m"});
    bench.apply(item::<Ingress>(value));
    // It waits for what it names.
    assert_eq!(bench.changes(), None);
    let of_map = reference(Kind::ConfigMap, "a", "m");
    assert_eq!(bench.collector.next_named(), Some(of_map.clone()));
    bench.answer(&of_map, Ok(Some(map("m", "1", &json!({"x": "1"})))));
    assert_eq!(bench.changes(), strings(&["+m", "+x"]));
    let metadata = |name: &str, version: &str| {
        let metadata = json!({"name": name, "namespace": "a", "resourceVersion": version});
        item::<PartialObjectMeta<ConfigMap>>(json!({"metadata": metadata}))
    };
    for (name, version) in [("m", "1"), ("other", "5")] {
        bench.apply(metadata(name, version));
        assert_eq!(bench.collector.next_named(), None, "{name}");
    }
    assert_eq!((bench.of(Kind::ConfigMap).objects, bench.of(Kind::Secret).objects), (2, 0));
    bench.apply(metadata("m", "2"));
    assert_eq!(bench.collector.next_named(), Some(of_map.clone()));
    bench.answer(&of_map, Ok(Some(map("m", "2", &json!({"x": "2"})))));
    assert_eq!(bench.changes(), strings(&["+m"]));
    bench.step(Kind::ConfigMap, Step::Delete(of_map));
    assert_eq!(bench.changes(), strings(&["-m"]));
    assert_eq!(bench.of(Kind::ConfigMap).objects, 1);
}

#[test]
fn without_the_right_to_config_maps_all_else_is_served() {
    let mut bench = Bench::ready();
    bench.step(Kind::ConfigMap, forbidden());
    let told: Vec<_> = bench.problems().unwrap();
    let [problem] = &*told else { panic!("{told:?}") };
    assert!(problem.message.starts_with("we may not list configmaps: no."), "{problem}");
    assert_eq!(problem.severity, Severity::Warning);
    let mut value = ingress_value("a", "x", "x.test", None);
    value["metadata"]["annotations"] = json!({"nginx.ingress.kubernetes.io/custom-headers": "a/m"});
    bench.apply(item::<Ingress>(value));
    let of_map = bench.collector.next_named().unwrap();
    bench.answer::<ConfigMap>(&of_map, Err(Failure::Forbidden("no".into())));
    assert_eq!(bench.changes(), strings(&["+x"]));
    let told: Vec<_> = bench.problems().unwrap();
    let text =
        "we may not get configmaps in the namespace a: no. Rules of Ingresses that name them";
    assert!(told.iter().any(|problem| problem.message.starts_with(text)), "{told:?}");
}

#[test]
fn the_controllers_config_map_says_what_may_be_named() {
    let flag = reference(Kind::ConfigMap, "a", "c");
    let mut interest = Interest::new(LowerOptions { config_map: Some(flag.clone()), ..options() });
    let mut value = ingress_value("a", "x", "x.test", None);
    value["metadata"]["annotations"] = json!({"nginx.ingress.kubernetes.io/custom-headers": "b/m"});
    let ingress: Ingress = serde_json::from_value(value).unwrap();
    let (reference, ingress) =
        (reference(Kind::Ingress, "a", "x"), Object::Ingress(ingress.into()));
    assert!(interest.needs(&reference, &ingress).is_empty());
    let data = json!({"allow-cross-namespace-resources": "true"});
    let config = Object::ConfigMap(Arc::new(map("c", "1", &data)));
    assert_eq!(interest.choose(&[(&flag, &config)]), Choice::Changed);
    assert_eq!(interest.choose(&[(&flag, &config)]), Choice::Same);
    let needs: Vec<_> = interest.needs(&reference, &ingress).into_iter().collect();
    assert_eq!(needs, [super::tests::reference(Kind::ConfigMap, "b", "m")]);
}

#[test]
fn what_is_trimmed_is_not_read() {
    let lower = |objects: Vec<SourceObject>| {
        let mut store = Store::default();
        let apply = |object| Change::Apply(Box::new(object));
        let dirty = store.apply(objects.into_iter().map(apply));
        let lowered = Lowerer::new(options()).apply(&store, &dirty, SystemTime::now());
        format!("{:?} {:?} {:?}", lowered.model, lowered.endpoints, lowered.problems)
    };
    fn whole<K: Watched>(value: &Value, object: fn(Arc<K>) -> Object) -> SourceObject {
        let decoded: K = serde_json::from_value(value.clone()).unwrap();
        let reference = decoded.reference().unwrap();
        SourceObject { reference, object: object(Arc::new(decoded)), provenance: None }
    }
    fn trimmed<K: Watched>(value: &Value) -> SourceObject {
        let Item { reference, content } = item::<K>(value.clone());
        let Content::Object(object, _) = content else { unreachable!() };
        SourceObject { reference, object, provenance: None }
    }
    let ingress = ingress_value("a", "x", "x.test", Some("s"));
    let service = service_value("a");
    let slice = slice_value(&["10.0.0.1", "10.0.0.2"], true);
    let class = json!({
        "metadata": metadata("", "ringway"), "spec": {"controller": "ringway.dev/ingress"},
    });
    let all = vec![
        whole::<Ingress>(&ingress, Object::Ingress),
        whole::<Service>(&service, Object::Service),
        whole::<EndpointSlice>(&slice, Object::EndpointSlice),
        whole::<IngressClass>(&class, Object::IngressClass),
    ];
    let kept = vec![
        trimmed::<Ingress>(&ingress),
        trimmed::<Service>(&service),
        trimmed::<EndpointSlice>(&slice),
        trimmed::<IngressClass>(&class),
    ];
    let result = lower(kept.clone());
    assert!(result.contains("10.0.0.2:8080") && result.contains("x.test"), "{result}");
    assert_eq!(result, lower(all));
    // What conditions in a status are about; of slices and Services it would change for nothing.
    let generations = kept.iter().map(|source| source.object.metadata().generation);
    assert_eq!(generations.collect::<Vec<_>>(), [Some(3), None, None, Some(3)]);
    let kept = format!("{kept:?}");
    assert_eq!(kept.matches("trigger-time").count(), 2);
    for gone in ["kubectl", "\"other\"", "Pod", "node_name: Some", "cluster_ips: Some"] {
        assert!(!kept.contains(gone), "{gone} in {kept}");
    }
}

/// An Ingress none of which can be used, whatever else it says.
fn unusable(name: &str, secret: Option<&str>) -> Item {
    let mut value = ingress_value("a", name, &format!("{name}.test"), secret);
    value["spec"]["rules"][0]["http"]["paths"][0]["path"] = "no path".into();
    item::<Ingress>(value)
}

#[test]
fn what_is_served_keeps_its_secret_until_the_next_version_is_told() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", Some("old")));
    bench.read("old", Ok(Some(secret("old", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+old"]));
    // The next certificate is not known yet; what is told meanwhile takes nothing away.
    bench.apply(ingress("x", Some("new")));
    assert_eq!(bench.changes(), None);
    bench.apply(seen("old", "2"));
    bench.apply(class("somebody.else"));
    bench.pass(NAMED_WAIT / 2);
    assert_eq!(bench.collector.next_named(), Some(secret_ref("new")));
    bench.read("old", Ok(Some(secret("old", "2"))));
    assert_eq!(bench.changes(), strings(&["+old"]));
    bench.answer(&secret_ref("new"), Ok(Some(secret("new", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+other", "+new", "-old"]));
    // Back before it is told: nothing is read again.
    bench.apply(ingress("x", None));
    bench.apply(ingress("x", Some("new")));
    assert_eq!(bench.collector.next_named(), None);
    assert_eq!(bench.changes(), strings(&["+x"]));
}

#[test]
fn a_version_that_cannot_be_used_leaves_the_secret_of_the_last_good_one() {
    let mut bench = Bench::ready();
    bench.apply(ingress("x", Some("s")));
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    bench.apply(unusable("x", None));
    assert_eq!(bench.changes(), strings(&["+x"]));
    bench.apply(seen("s", "2"));
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.changes(), strings(&["+s"]));
    bench.apply(unusable("x", Some("t")));
    bench.read("t", Ok(Some(secret("t", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+t"]));
    bench.apply(ingress("x", Some("t")));
    assert_eq!(bench.changes(), strings(&["+x", "-s"]));
    // It goes with its Ingress, or when that is ours no more.
    bench.apply(unusable("x", None));
    assert_eq!(bench.changes(), strings(&["+x"]));
    let mut value = ingress_value("a", "x", "x.test", None);
    value["spec"]["ingressClassName"] = "other".into();
    bench.apply(item::<Ingress>(value));
    assert_eq!(bench.changes(), strings(&["+x", "-t"]));
    bench.apply(ingress("x", Some("s")));
    bench.read("s", Ok(Some(secret("s", "2"))));
    bench.apply(unusable("x", None));
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "x")));
    assert_eq!(bench.changes(), strings(&["-x"]));
    assert_eq!(bench.observed.uid(&secret_ref("s")), None);
}

#[test]
fn an_answer_that_was_overtaken_is_not_the_last() {
    let mut bench = Bench::ready();
    bench.apply(seen("s", "1"));
    bench.apply(ingress("x", Some("s")));
    assert_eq!(bench.collector.next_named(), Some(secret_ref("s")));
    // Let go of and wanted again while it is being read: not read twice at a time.
    bench.step(Kind::Ingress, Step::Delete(reference(Kind::Ingress, "a", "x")));
    bench.apply(seen("s", "2"));
    bench.apply(ingress("x", Some("s")));
    assert_eq!(bench.collector.next_named(), None);
    bench.answer(&secret_ref("s"), Ok(Some(secret("s", "1"))));
    bench.read("s", Ok(Some(secret("s", "2"))));
    assert_eq!(bench.collector.next_named(), None);
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
}

#[test]
fn a_secret_that_went_unseen_is_asked_for_again() {
    let mut bench = Bench::new(&Reach::All);
    bench.list(Kind::Ingress, vec![ingress("x", Some("s"))]);
    for kind in [Kind::IngressClass, Kind::Service, Kind::EndpointSlice] {
        bench.list(kind, Vec::new());
    }
    bench.step(Kind::Secret, forbidden());
    bench.read("s", Ok(Some(secret("s", "1"))));
    assert_eq!(bench.changes(), strings(&["+x", "+s"]));
    // Deleted since; the role came later.
    bench.list(Kind::Secret, Vec::new());
    bench.read("s", Ok(None));
    assert_eq!(bench.changes(), strings(&["-s"]));
}

/// The thread would go on without the watch, and what is served would be old for ever.
#[tokio::test]
async fn a_panic_of_a_watch_is_one_of_the_thread() {
    let ended =
        tokio::spawn(async { assert!(options().zone.is_some(), "as a defect would") }).await;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| alive(ended)));
    assert!(caught.is_err());
}

/// What one Secret costs does not grow with how many there are.
#[test]
fn the_cost_of_a_secret_does_not_grow_with_their_number() {
    let [few, many] = [500, 10_000].map(time_to_read);
    // Twenty times as many; it would be four hundred times as much.
    assert!(many < few * 120, "{many:?} for 10,000, {few:?} for 500");
}

fn time_to_read(count: usize) -> Duration {
    let mut bench = Bench::new(&Reach::All);
    let base = ingress("x", Some("s"));
    let Content::Object(Object::Ingress(base), _) = base.content else { unreachable!() };
    let named = |i: usize| {
        let mut object = (*base).clone();
        object.metadata.name = Some(format!("x{i}"));
        let entries = object.spec.as_mut().unwrap().tls.as_mut().unwrap();
        entries[0].secret_name = Some(format!("s{i}"));
        let reference = reference(Kind::Ingress, "a", &format!("x{i}"));
        let content = Content::Object(Object::Ingress(Arc::new(object)), Shown::Nothing);
        Item { reference, content }
    };
    let all: Vec<_> = (0..count).map(named).collect();
    let began = Instant::now();
    bench.list(Kind::Ingress, all);
    for kind in [Kind::IngressClass, Kind::Service, Kind::EndpointSlice, Kind::Secret] {
        bench.list(kind, Vec::new());
    }
    while let Some(reference) = bench.collector.next_named() {
        assert_eq!(bench.collector.pending_since(), None);
        let read = Ok(Some(secret(&reference.name, "1")));
        bench.answer(&reference, read);
        drop(bench.collector.take_problems());
        assert!(bench.collector.deadline() > bench.now);
    }
    assert_eq!(bench.batch().map(|(changes, ..)| changes.len()), Some(2 * count));
    began.elapsed()
}
