//! A cluster that ran ingress-nginx goes on with another image: the command line, the rights, the
//! settings and the objects that its chart and its users made for ingress-nginx, and nothing else.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use ringway::control::source::yaml;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Endpoint, Identity, Network, Objects, network, wait_until};
use crate::peers::pki::Authority;
use crate::peers::platform::{self, Behind, Names, TEAMS};
use crate::peers::row::{Way, check};
use crate::peers::{Backend, Client, Proxy, datagrams};

crate::cases![everything_that_ingress_nginx_served_is_served];

/// A platform on the shared control plane.
struct World {
    control_plane: &'static ControlPlane,
    names: Names,
    authority: Authority,
    kubeconfig: PathBuf,
    certificates: tempfile::TempDir,
    /// Addresses of the backends.
    network: Network,
    _behind: Behind,
}

impl World {
    #[track_caller]
    fn new() -> Self {
        let control_plane = ControlPlane::shared();
        let (network, authority) = (Network::new(), Authority::new());
        let home = control_plane.namespace("ingress-nginx");
        let teams = (0..TEAMS).map(|_| control_plane.namespace("team")).collect();
        let (tcp, udp) = (network::free_port(), network::free_port());
        let names = Names { class: home.clone(), home, teams, tcp, udp };
        let mut next = 0;
        let behind = Behind::start(|| {
            next += 1;
            format!("{}:8080", network.address(next))
        });
        install(control_plane, &platform::home(&names));
        install(control_plane, &platform::teams(&names, &behind, &authority));
        let account = Identity::ServiceAccount { namespace: &names.home, name: "ingress-nginx" };
        let kubeconfig = control_plane.kubeconfig_for(account);
        let certificates = tempfile::tempdir().expect("temporary folder");
        let service = format!("ingress-nginx-controller-admission.{}.svc", names.home);
        let leaf = authority.issue(&[&service]);
        std::fs::write(certificates.path().join("cert"), leaf.chain).expect("file");
        std::fs::write(certificates.path().join("key"), leaf.key).expect("file");
        Self { control_plane, names, authority, kubeconfig, certificates, network, _behind: behind }
    }

    fn home(&self) -> Objects {
        Objects::new(self.control_plane.client(), &self.names.home)
    }

    fn team(&self, number: usize) -> Objects {
        Objects::new(self.control_plane.client(), &self.names.teams[number])
    }

    /// Starts a pod: the `args:` of the Deployment, its webhook where this says: pods share a host.
    #[track_caller]
    fn start(&self, pod: &str, webhook: &str, more: &[&str]) -> Proxy {
        let deployment = self.home().get("Deployment", "ingress-nginx-controller").expect("it");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let folder = self.certificates.path().display();
        let arguments = container["args"].as_array().expect("args").iter();
        let arguments = arguments.map(|argument| {
            let argument = argument.as_str().expect("a text");
            let argument = argument.replace("$(POD_NAMESPACE)", &self.names.home);
            let argument = argument.replace("webhook=:8443", &format!("webhook={webhook}"));
            argument.replace("/usr/local/certificates", &folder.to_string())
        });
        let binary = std::env::var_os("RINGWAY_BIN");
        let mut command =
            Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_ringway").into()));
        command.args(arguments).arg("--kubeconfig").arg(&self.kubeconfig).args(more);
        command.args(["--cores=1", "--drain-delay=0", "--drain-timeout=10"]);
        command.env("POD_NAME", pod).env("POD_NAMESPACE", &self.names.home);
        command.env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
        let folder = tempfile::tempdir().expect("temporary folder");
        let proxy = Proxy::launch_unready(command, folder);
        proxy.wait_for_readiness();
        proxy
    }

    /// Asks everything that is answered.
    #[track_caller]
    fn ask(&self, proxy: &Proxy) {
        let trusting = self.authority.trusting(&[]);
        check(&platform::rows(&self.names), |Way { is_tls, name, .. }| match is_tls {
            false => proxy.client(),
            true => Client::connect(proxy.https).handshake(&trusting, name).expect("TLS"),
        });
    }

    /// Where the API server calls the webhook: the address of its Service.
    #[track_caller]
    fn webhook(&self) -> String {
        let service = self.home().get("Service", "ingress-nginx-controller-admission");
        let service = service.expect("the Service of the webhook");
        format!("{}:443", service["spec"]["clusterIP"].as_str().expect("an address"))
    }
}

/// Applies a text of many objects, those of each kind and namespace together.
#[track_caller]
fn install(control_plane: &ControlPlane, text: &str) {
    let documents = yaml::split(text).into_iter();
    let documents = documents.flat_map(|chunk| yaml::parse(chunk).expect("YAML"));
    let mut all: BTreeMap<(bool, String, String), Vec<Value>> = BTreeMap::new();
    for yaml::Document { value, .. } in documents {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace) = (text("/kind").to_owned(), text("/metadata/namespace").to_owned());
        all.entry((kind == "Ingress", namespace, kind)).or_default().push(value);
    }
    for ((_, namespace, kind), objects) in all {
        let place = Objects::new(control_plane.client(), &namespace);
        place.create_many(&kind, objects.into_iter());
    }
}

fn everything_that_ingress_nginx_served_is_served() {
    let world = World::new();
    let home = world.home();
    let balancer = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.80" }] } });
    home.merge("Service", "ingress-nginx-controller", json!({ "status": balancer }));
    // The last pod of ingress-nginx is still there.
    home.apply(json!({
        "kind": "Lease",
        "metadata": { "name": "ingress-nginx-leader" },
        "spec": { "holderIdentity": "ingress-nginx-controller-old", "leaseDurationSeconds": 3600 },
    }));
    let proxy =
        world.start("ingress-nginx-controller-new", &world.webhook(), &["--healthz-port=10254"]);
    world.ask(&proxy);
    let health = SocketAddr::from(([127, 0, 0, 1], 10254));
    assert_eq!(Client::connect(health).get("health", "/healthz").status(), 200);
    let output = proxy.output();
    for right in ["Secret", "ConfigMap", "ingresses", "events", "leases", "services", "nodes"] {
        let is_missing = |line: &&str| line.contains("we may not") && line.contains(right);
        assert_eq!(output.lines().find(is_missing), None);
    }
    check_services(&world, &proxy);
    check_changes(&world, &proxy);

    // It ends, and gives its Lease back.
    assert_eq!(world.team(0).addresses("shop"), [""; 0]);
    home.merge("Lease", "ingress-nginx-leader", json!({ "spec": { "holderIdentity": "" } }));
    let shop = |number: usize| world.team(number).addresses("shop");
    wait_until("the addresses", || (0..TEAMS).all(|number| shop(number) == ["192.0.2.80"]));
    let fields = "involvedObject.kind=Ingress,involvedObject.name=broken";
    wait_until("the Event", || {
        let events = world.team(3).list("Event", fields);
        events.iter().any(|event| event["reason"] == "ServiceMissing")
    });

    check_webhook(&world);

    // Another pod takes over: nothing is written again, and everything is served from its start.
    let before = world.team(0).get("Ingress", "shop").expect("it");
    let next = world.start("ingress-nginx-controller-next", "", &[]);
    world.ask(&next);
    proxy.signal("TERM");
    wait_until("the next leader", || {
        let lease = home.get("Lease", "ingress-nginx-leader").expect("it");
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        holder.starts_with("ingress-nginx-controller-next")
    });
    let after = world.team(0).get("Ingress", "shop").expect("it");
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
    // What another class takes loses our address.
    world.team(0).merge("Ingress", "shop", json!({ "spec": { "ingressClassName": "another" } }));
    wait_until("no address", || shop(0).is_empty());
}

/// What is said of an Ingress by annotations, texts of nginx and the ConfigMap is followed.
#[track_caller]
fn check_changes(world: &World, proxy: &Proxy) {
    let (home, team) = (world.home(), world.team(2));
    let stranger = format!("http://stranger.{}.svc.cluster.local/", team.namespace);
    team.ingress(&world.names.class, "live", "live.example", "web");
    let is = |what: &str, status: u16, backend: &str| {
        wait_until(what, || {
            let answer = proxy.get("live.example", "/");
            answer.status() == status && (backend.is_empty() || answer.json()["backend"] == backend)
        });
    };
    is("it", 200, "web");
    let said = |ingress: &str, annotations: &[(&str, Option<&str>)]| {
        let name = |key: &str| format!("nginx.ingress.kubernetes.io/{key}");
        let all = annotations.iter().map(|(key, value)| (name(key), json!(value)));
        let all: serde_json::Map<String, Value> = all.collect();
        team.merge("Ingress", ingress, json!({ "metadata": { "annotations": all } }));
    };
    for (annotations, status) in [
        (&[("configuration-snippet", Some("if ($arg_x = '') { return 410; }"))][..], 410),
        (&[("configuration-snippet", Some("limit_req zone=none;"))], 503),
        (
            &[
                ("configuration-snippet", None),
                ("auth-type", Some("basic")),
                ("auth-secret", Some("ops-users")),
            ],
            401,
        ),
        (
            &[
                ("auth-type", None),
                ("auth-secret", None),
                ("whitelist-source-range", Some("203.0.113.0/24")),
            ],
            403,
        ),
        (&[("whitelist-source-range", None), ("auth-url", Some(&stranger))], 401),
        (&[("server-snippet", Some("return 418;"))], 418),
        (&[("server-snippet", None), ("auth-url", None)], 200),
    ] {
        said("live", annotations);
        is(&format!("{annotations:?}"), status, "");
    }
    team.ingress(&world.names.class, "live-next", "live.example", "next");
    said("live-next", &[("canary", Some("true")), ("canary-weight", Some("100"))]);
    is("the canary", 200, "next");
    said("live-next", &[("canary-weight", Some("0"))]);
    is("the main one", 200, "web");
    let setting = |key: &str, value: Option<&str>| {
        home.merge("ConfigMap", "ingress-nginx-controller", json!({ "data": { key: value } }));
    };
    setting("force-ssl-redirect", Some("true"));
    is("the redirect", 308, "");
    setting("force-ssl-redirect", None);
    is("none", 200, "web");
    for name in ["live", "live-next"] {
        team.delete("Ingress", name);
    }
}

/// TCP and UDP services follow their ConfigMaps and their endpoints.
#[track_caller]
fn check_services(world: &World, proxy: &Proxy) {
    let (home, team) = (world.home(), world.team(0));
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let greeting = |port: u16| match TcpStream::connect(at(port)) {
        Ok(stream) => {
            let mut said = String::new();
            // A reset is as good as an end: nobody is behind it.
            drop(stream.take(6).read_to_string(&mut said));
            said
        }
        Err(_) => "closed".to_owned(),
    };
    let (tcp, udp) = (world.names.tcp, world.names.udp);
    let is = |port: u16, wanted: &str| wait_until(wanted, || greeting(port) == wanted);
    is(tcp, "queue\n");
    let asked = |port: u16| datagrams::asked(&datagrams::asker(at(port)), "x");
    wait_until("an answer", || asked(udp).as_deref() == Some("names x"));
    let mut open = Client::connect(at(tcp));
    assert_eq!(open.take(6), b"queue\n");

    // Endpoints go, which is told at the line, and others come; who is there stays.
    let slice = |endpoints: &[Endpoint]| {
        let mut slice = crate::harness::objects::slice("queue", endpoints);
        slice["metadata"]["name"] = json!("queue-0");
        slice["ports"][0]["name"] = json!("http");
        team.apply(slice);
    };
    slice(&[]);
    is(tcp, "");
    proxy.wait_for_output(&format!("ConfigMap {}/ingress-nginx-tcp: data.{tcp}", world.names.home));
    let address = world.network.address(200);
    let _other = Backend::greeting_at(&format!("{address}:8080"), "other\n");
    slice(&[Endpoint::ready(address)]);
    is(tcp, "other\n");
    open.send("still");
    assert_eq!(open.take(5), b"still");

    // Lines change, and the ConfigMap goes and comes back.
    let map = |name: &str, port: u16, value: &str| {
        home.apply(json!({
            "kind": "ConfigMap",
            "metadata": { "name": name },
            "data": { port.to_string(): value },
        }));
    };
    let (later, namespace) = (network::free_port(), &world.names.teams[0]);
    map("ingress-nginx-tcp", later, &format!("{namespace}/queue:http"));
    is(later, "other\n");
    is(tcp, "closed");
    home.delete("ConfigMap", "ingress-nginx-tcp");
    is(later, "closed");
    home.delete("ConfigMap", "ingress-nginx-udp");
    wait_until("no answer", || asked(udp).is_none());
    map("ingress-nginx-udp", udp, &format!("{namespace}/names:53"));
    wait_until("an answer again", || asked(udp).as_deref() == Some("names x"));
    open.send("still");
    assert_eq!(open.take(5), b"still");
}

/// The webhook answers with the certificate that the chart's job made.
#[track_caller]
fn check_webhook(world: &World) {
    let (home, names) = (world.home(), &world.names);
    let service = json!({
        "name": "ingress-nginx-controller-admission",
        "namespace": names.home,
        "path": "/networking/v1/ingresses",
    });
    let label = json!({ "kubernetes.io/metadata.name": names.teams[1] });
    let bundle = crate::peers::manifest::base64(world.authority.pem.as_bytes());
    let configuration = format!("{}-admission", names.home);
    home.apply(json!({
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": configuration },
        "webhooks": [{
            "name": "validate.nginx.ingress.kubernetes.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "service": service, "caBundle": bundle },
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "namespaceSelector": { "matchLabels": label },
            "rules": [{
                "apiGroups": ["networking.k8s.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["ingresses"],
            }],
        }],
    }));
    let team = world.team(1);
    let asked = |path: &str| {
        let mut object =
            crate::harness::objects::ingress(&names.class, "asked", "asked.example", "web");
        object["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!(path);
        team.try_apply(object).map_err(|error| error.to_string())
    };
    wait_until("the webhook to refuse", || {
        asked("/a/%2e%2e/b").is_err_and(|said| said.contains("validate.nginx.ingress"))
    });
    let said = asked("/a/%2e%2e/b").expect_err("refused");
    assert!(said.contains("denied the request"), "{said}");
    asked("/a").expect("allowed");
    home.delete("ValidatingWebhookConfiguration", &configuration);
}
