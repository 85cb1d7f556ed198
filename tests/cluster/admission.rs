//! The admission webhook as the API server calls it: what it refuses and warns about, and that its
//! certificate and its CA are where they must be, whatever becomes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use kube::client::Body;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::harness::objects::{ingress, rule};
use crate::harness::{ControlPlane, Installation, block_on, wait_until};
use crate::peers::proxy::run;
use crate::peers::{Client, Proxy};

crate::cases![
    what_is_wrong_is_refused_in_the_words_of_check,
    what_may_be_meant_is_stored_with_a_warning,
    the_ca_is_told_again_and_the_certificate_made_again,
    without_rights_the_webhook_says_what_it_lacks,
    an_ingress_outside_the_watched_namespaces_is_let_in_without_a_word,
    two_replicas_at_their_first_start_agree_on_one_certificate,
    who_takes_the_ca_away_is_answered_ever_more_slowly,
    a_huge_ingress_is_judged_in_time_and_holds_nobody_up,
];

const ANNOTATION: &str = "nginx.ingress.kubernetes.io";

/// An installation whose webhook is asked about its own namespace alone, and must answer.
struct World {
    installation: Installation<'static>,
    /// Of webhook, Service and Secret.
    name: String,
    flag: String,
}

impl World {
    #[track_caller]
    fn new() -> Self {
        let installation = Installation::with(
            ControlPlane::shared(),
            &[
                "controller.admissionWebhooks.enabled=true",
                "controller.admissionWebhooks.failurePolicy=Fail",
                "controller.scope.enabled=true",
            ],
        );
        let name = format!("{}-admission", installation.class);
        let flag = installation.webhook_flag();
        Self { installation, name, flag }
    }

    /// Starts, and waits until the API server believes the webhook.
    #[track_caller]
    fn start(&self) -> Proxy {
        let proxy = self.installation.start_unready("ringway-0", &[&self.flag]);
        proxy.wait_for_readiness();
        wait_until("the webhook to be believed", || self.ask(&self.ingress("probe")).is_ok());
        proxy
    }

    fn ingress(&self, name: &str) -> Value {
        ingress(&self.installation.class, name, &format!("{name}.example"), "web")
    }

    /// Asks the API server to create an object, without doing it: warnings, or its refusal.
    fn ask(&self, object: &Value) -> Result<Vec<String>, String> {
        let mut object = object.clone();
        object["apiVersion"] = json!("networking.k8s.io/v1");
        let namespace = &self.installation.objects.namespace;
        let path =
            format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses?dryRun=All");
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(Body::from(object.to_string().into_bytes()))
            .expect("a request");
        let client = self.installation.control_plane.client();
        block_on(async {
            let response = client.send(request).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = body.collect_bytes().await.expect("a body");
            if !head.status.is_success() {
                let status: Value = serde_json::from_slice(&body).expect("JSON");
                return Err(status["message"].as_str().unwrap_or_default().to_owned());
            }
            let warnings = head.headers.get_all("warning").iter();
            Ok(warnings.map(|text| String::from_utf8_lossy(text.as_bytes()).into()).collect())
        })
    }

    fn bundle(&self) -> Value {
        let kind = "ValidatingWebhookConfiguration";
        let configuration = self.installation.objects.get(kind, &self.name).expect("it is there");
        configuration["webhooks"][0]["clientConfig"]["caBundle"].clone()
    }

    fn secret(&self) -> Option<Value> {
        self.installation.objects.get("Secret", &self.name)
    }

    /// The API server was told what the Secret holds.
    fn is_told(&self) -> bool {
        self.secret()
            .is_some_and(|s| !s["data"]["ca.crt"].is_null() && s["data"]["ca.crt"] == self.bundle())
    }
}

/// What `ringway check` says of an object, after file, severity and object.
#[track_caller]
fn checked(world: &World, object: &Value) -> Vec<String> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("object.json");
    let mut object = object.clone();
    object["apiVersion"] = json!("networking.k8s.io/v1");
    object["metadata"]["namespace"] = json!(world.installation.objects.namespace);
    std::fs::write(&file, object.to_string()).expect("file");
    let class = format!("--ingress-class={}", world.installation.class);
    let (_, output) = run(&["check", &class, file.to_str().expect("a path")]);
    let of_object = format!(
        "Ingress {}/{}: ",
        world.installation.objects.namespace,
        object["metadata"]["name"].as_str().expect("name")
    );
    let texts = output.lines().filter_map(|line| line.split_once(&of_object));
    // Whoever is refused gets the words without their code.
    let words = |text: &str| text.rsplit_once(" [RW").map_or(text, |(words, _)| words).to_owned();
    texts.map(|(_, text)| words(text)).collect()
}

fn what_is_wrong_is_refused_in_the_words_of_check() {
    let world = World::new();
    let proxy = world.start();
    let mut object = world.ingress("wrong");
    // The API server lets both pass.
    object["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/a/%2e%2e/b");
    object["metadata"]["annotations"] = json!({ format!("{ANNOTATION}/ssl-redirect"): "perhaps" });
    let refusal = world.ask(&object).expect_err("refused");
    let said = checked(&world, &object);
    let errors: Vec<_> = said.iter().filter(|text| !text.contains("Service")).collect();
    assert!(!errors.is_empty(), "{said:?}");
    let refused = refusal.split_once("denied the request: ").expect("a denial").1;
    let expected = said.iter().find(|text| text.contains(".path: ")).expect("a wrong path");
    assert!(refused.lines().any(|line| line == expected), "{refused} lacks {expected}");
    let error = world.installation.objects.try_apply(object).expect_err("refused");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(proxy.metric("ringway_admission_reviews_total", &["result=\"denied\""]) >= 2.0);
    // Another's is not looked at.
    let mut foreign = world.ingress("foreign");
    foreign["spec"]["ingressClassName"] = json!("somebody-else");
    foreign["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/a/%2e%2e/b");
    assert_eq!(world.ask(&foreign), Ok(Vec::new()));
}

fn what_may_be_meant_is_stored_with_a_warning() {
    let world = World::new();
    let proxy = world.start();
    let objects = &world.installation.objects;
    let mut object = world.ingress("odd");
    object["metadata"]["annotations"] = json!({ format!("{ANNOTATION}/no-such"): "x" });
    let warnings = world.ask(&object).expect("stored");
    let said = checked(&world, &object);
    let unsupported = said.iter().find(|text| text.contains("no-such")).expect("said");
    assert!(warnings.iter().any(|w| w.contains(unsupported.as_str())), "{warnings:?}");
    objects.apply(world.ingress("first"));
    proxy.wait_for_status("first.example", "/", 503);
    let mut second = world.ingress("second");
    second["spec"]["rules"] = json!([rule("first.example", "/", "web")]);
    let warnings = world.ask(&second).expect("stored");
    let expected = format!("already taken by Ingress {}/first", objects.namespace);
    assert!(warnings.iter().any(|w| w.contains(&expected)), "{warnings:?}");
    // With itself it does not contend; that the Service is missing is known by now.
    let again = objects.try_apply(world.ingress("first"));
    assert!(again.is_ok(), "{again:?}");
}

fn the_ca_is_told_again_and_the_certificate_made_again() {
    let world = World::new();
    let _proxy = world.start();
    let objects = &world.installation.objects;
    assert!(world.is_told());
    // What helm does to it at an upgrade.
    let kind = "ValidatingWebhookConfiguration";
    let webhook = objects.get(kind, &world.name).expect("it")["webhooks"][0]["name"].clone();
    let patch = json!({ "webhooks": [{ "name": webhook, "clientConfig": { "caBundle": null } }] });
    let patch = kube::api::Patch::Strategic(patch);
    let api = objects.api(kind);
    block_on(api.patch(&world.name, &kube::api::PatchParams::default(), &patch)).expect("reset");
    wait_until("the CA to be told again", || world.is_told());
    let before = world.secret().expect("the Secret")["data"].clone();
    objects.delete("Secret", &world.name);
    // Replicas go over to the new certificate one by one; no call may fail meanwhile.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let answer = world.ask(&world.ingress("probe"));
        assert!(answer.is_ok(), "{answer:?} after {:?}", began.elapsed());
    }
    let after = world.secret().expect("a new Secret")["data"].clone();
    assert_ne!(before["tls.crt"], after["tls.crt"]);
    assert_eq!(world.bundle(), after["ca.crt"]);
    // Not a certificate: what is served stays until a new one can be believed.
    let secret = json!({ "data": { "tls.crt": "eA==" } });
    let patch = kube::api::Patch::Merge(secret);
    let api = objects.api("Secret");
    block_on(api.patch(&world.name, &kube::api::PatchParams::default(), &patch)).expect("broken");
    wait_until("a broken certificate to be replaced", || {
        world.secret().is_some_and(|s| s["data"]["tls.crt"] != "eA==") && world.is_told()
    });
    assert!(world.ask(&world.ingress("probe")).is_ok());
}

fn without_rights_the_webhook_says_what_it_lacks() {
    let world = World::new();
    let objects = &world.installation.objects;
    let roles = objects.list("Role", "");
    for role in &roles {
        objects.delete("Role", role["metadata"]["name"].as_str().expect("name"));
    }
    let proxy = world.installation.start_unready("ringway-0", &[&world.flag]);
    let said = format!("Secret {}/{}: it cannot be written: ", objects.namespace, world.name);
    proxy.wait_for_output(&said);
    proxy.wait_for_output("Grant get, list, watch, create, update and patch on it.");
    // The rest goes on without it.
    proxy.wait_for_readiness();
}

fn an_ingress_outside_the_watched_namespaces_is_let_in_without_a_word() {
    let installation = Installation::with(
        ControlPlane::shared(),
        &[
            "controller.admissionWebhooks.enabled=true",
            "controller.admissionWebhooks.failurePolicy=Fail",
            "controller.admissionWebhooks.namespaceSelector.matchLabels.asked=yes",
            "controller.scope.enabled=true",
            "controller.scope.namespaceSelector=team=web",
        ],
    );
    let name = format!("{}-admission", installation.class);
    let flag = installation.webhook_flag();
    let world = World { installation, name, flag };
    let label = |labels: Value| {
        let namespace = &world.installation.objects.namespace;
        world.installation.objects.merge(
            "Namespace",
            namespace,
            json!({ "metadata": { "labels": labels } }),
        );
    };
    label(json!({ "asked": "yes" }));
    let proxy = world.start();
    let mut object = world.ingress("wrong");
    object["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/a/%2e%2e/b");
    let before = proxy.metric("ringway_admission_reviews_total", &["result=\"allowed\""]);
    assert_eq!(world.ask(&object), Ok(Vec::new()));
    let after = proxy.metric("ringway_admission_reviews_total", &["result=\"allowed\""]);
    assert!(after > before, "it was not asked");
    label(json!({ "team": "web" }));
    wait_until("the namespace to count", || world.ask(&object).is_err());
    label(json!({ "team": null }));
    wait_until("the namespace to count no more", || world.ask(&object).is_ok());
}

/// The leaf that a client is shown which trusts these.
fn presented(address: &str, name: &str, roots: &[u8]) -> Option<CertificateDer<'static>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add(root.expect("PEM")).expect("a CA");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions")
        .with_root_certificates(store)
        .with_no_client_auth();
    let client = Client::connect(address.parse().expect("an address"));
    let mut client = client.handshake(&Arc::new(config), name).ok()?;
    Some(client.session().peer_certificates()?.first()?.clone().into_owned())
}

/// Both answer at the address of the Service, one after the other, and are believed.
fn two_replicas_at_their_first_start_agree_on_one_certificate() {
    let world = World::new();
    let address = world.flag.split_once('=').expect("a value").1.to_owned();
    let other = world.installation.objects.apply(json!({
        "kind": "Service",
        "metadata": { "name": "second" },
        "spec": { "ports": [{ "port": 443 }] },
    }));
    let other = format!("{}:443", other.data["spec"]["clusterIP"].as_str().expect("an address"));
    let flag = format!("--admission-bind={other}");
    let first = world.installation.start_unready("ringway-0", &[&world.flag]);
    let second = world.installation.start_unready("ringway-1", &[&flag]);
    first.wait_for_readiness();
    second.wait_for_readiness();
    wait_until("the CA to be told", || world.is_told());
    let roots = world.secret().expect("the Secret")["data"]["ca.crt"].clone();
    let roots = ByteString::deserialize(&roots).expect("Base64").0;
    let name = format!("{}.{}.svc", world.name, world.installation.objects.namespace);
    let served = |address: &str| presented(address, &name, &roots);
    wait_until("both to serve one certificate", || {
        let leaves = (served(&address), served(&other));
        leaves.0.is_some() && leaves.0 == leaves.1
    });
    // It stays: none undoes what the other did.
    let before = (world.secret(), world.bundle());
    crate::harness::pause(Duration::from_secs(8));
    assert_eq!((world.secret(), world.bundle()), before);
    assert!(world.ask(&world.ingress("probe")).is_ok());
}

fn who_takes_the_ca_away_is_answered_ever_more_slowly() {
    let world = World::new();
    let _proxy = world.start();
    let objects = &world.installation.objects;
    let kind = "ValidatingWebhookConfiguration";
    let webhook = objects.get(kind, &world.name).expect("it")["webhooks"][0]["name"].clone();
    let patch = json!({ "webhooks": [{ "name": webhook, "clientConfig": { "caBundle": null } }] });
    let patch = kube::api::Patch::Strategic(patch);
    let api = objects.api(kind);
    let began = Instant::now();
    let mut told = 0;
    while began.elapsed() < Duration::from_secs(20) {
        if !world.bundle().is_null() {
            told += 1;
            block_on(api.patch(&world.name, &kube::api::PatchParams::default(), &patch))
                .expect("reset");
        }
        crate::harness::pause(Duration::from_millis(50));
    }
    assert!((2..=7).contains(&told), "told {told} times in 20 s");
    // And not given up.
    wait_until("the CA to be told again", || world.is_told());
}

/// 10,000 paths: about the largest object that the API server stores.
fn a_huge_ingress_is_judged_in_time_and_holds_nobody_up() {
    let world = World::new();
    let proxy = world.start();
    let mut object = world.ingress("huge");
    let mut rule = object["spec"]["rules"][0].clone();
    let path = rule["http"]["paths"][0].clone();
    let paths = (0..10_000).map(|n| {
        let mut path = path.clone();
        path["path"] = json!(format!("/{n}"));
        path
    });
    rule["http"]["paths"] = paths.collect();
    object["spec"]["rules"] = json!([rule]);
    let before = proxy.metric("ringway_admission_reviews_total", &["result=\"unjudged\""]);
    for _ in 0..3 {
        let began = Instant::now();
        let warnings = world.ask(&object).expect("stored");
        eprintln!("10,000 paths: {:?}", began.elapsed());
        assert!(warnings.iter().all(|w| !w.contains("not judged")), "{warnings:?}");
    }
    let after = proxy.metric("ringway_admission_reviews_total", &["result=\"unjudged\""]);
    assert_eq!(after, before);
}
