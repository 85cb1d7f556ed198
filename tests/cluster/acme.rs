//! HTTP-01 as cert-manager solves it: an Ingress and a Pod that come for one challenge and go,
//! checked by a real ACME server (pebble, with its own DNS).

use std::fs;
use std::process::Command;
use std::sync::Arc;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::harness::network::free_port;
use crate::harness::objects::ingress;
use crate::harness::pod::PORT;
use crate::harness::process::Process;
use crate::harness::{
    ControlPlane, Endpoint, Installation, Network, backend, block_on, wait_until,
};
use crate::peers::pki::Authority;
use crate::peers::{Backend, Client, Proxy};

crate::cases![http01_is_solved_behind_a_redirect_and_again_at_renewal];

const HOST: &str = "acme.example";

/// A running ACME server that validates at `http_port` of 127.0.0.1, whatever the name.
struct Pebble {
    directory: String,
    authority: Authority,
    _processes: [Process; 2],
}

impl Pebble {
    #[track_caller]
    fn start(http_port: u16) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.files("pebble", &authority.issue(&["localhost"]));
        let [acme, management, dns, dns_management] = [(); 4].map(|()| free_port());
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{acme}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificate,
            "privateKey": key,
            "httpPort": http_port,
            "tlsPort": free_port(),
        }});
        let folder = authority.folder().to_owned();
        fs::write(folder.join("pebble.json"), config.to_string()).expect("configuration");
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        names.args(["-dns01", &format!("127.0.0.1:{dns}")]);
        names.args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let names = Process::spawn("pebble-challtestsrv", names, folder.join("names.log"));
        let mut server = Command::new("pebble");
        server.arg("-config").arg(folder.join("pebble.json"));
        server.args(["-dnsserver", &format!("127.0.0.1:{dns}"), "-strict"]);
        // No random waits and no random refusals; what it checks stays as strict.
        server.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let server = Process::spawn("pebble", server, folder.join("pebble.log"));
        wait_until("pebble", || std::net::TcpStream::connect(("127.0.0.1", acme)).is_ok());
        let directory = format!("https://localhost:{acme}/dir");
        Self { directory, authority, _processes: [server, names] }
    }

    #[track_caller]
    fn account(&self) -> Account {
        let wanted =
            NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_root(self.authority.file()).expect("client");
        let created = block_on(builder.create(&wanted, self.directory.clone(), None));
        created.expect("account").0
    }
}

/// The Ingress that cert-manager makes for a challenge.
fn solver(class: &str, token: &str) -> Value {
    let mut object = ingress(class, "cm-acme-http-solver-x7f2p", HOST, "cm-acme-http-solver-k2b9d");
    object["metadata"]["annotations"] =
        json!({ "nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0,::/0" });
    object["metadata"]["labels"] = json!({ "acme.cert-manager.io/http01-solver": "true" });
    let path = &mut object["spec"]["rules"][0]["http"]["paths"][0];
    path["path"] = json!(format!("/.well-known/acme-challenge/{token}"));
    path["pathType"] = json!("ImplementationSpecific");
    object
}

/// Orders a certificate and solves what is asked, as cert-manager does it; chain and key in PEM.
#[track_caller]
fn issue(
    account: &Account,
    installation: &Installation<'_>,
    network: &Network,
    proxy: &Proxy,
) -> (String, String) {
    let objects = &installation.objects;
    let identifiers = [Identifier::Dns(HOST.into())];
    let mut order = block_on(account.new_order(&NewOrder::new(&identifiers))).expect("order");
    let mut authorizations = order.authorizations();
    let mut solving = Vec::new();
    while let Some(authorization) = block_on(authorizations.next()) {
        let mut authorization = authorization.expect("authorization");
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(ChallengeType::Http01).expect("HTTP-01");
        let key = challenge.key_authorization();
        let key = key.as_str();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{key}", key.len());
        let address = network.address(9);
        let pod = Backend::fixed_at(&format!("{address}:{PORT}"), response);
        let token = challenge.token.clone();
        objects.backend("cm-acme-http-solver-k2b9d", &[Endpoint::ready(address)]);
        objects.apply(solver(&installation.class, &token));
        // The self-check of cert-manager, in clear text and without following a redirect.
        let path = format!("/.well-known/acme-challenge/{token}");
        wait_until("the challenge", || proxy.get(HOST, &path).text() == key);
        // What the challenge does not need is redirected all the same.
        assert_eq!(proxy.get(HOST, "/").status(), 308);
        block_on(challenge.set_ready()).expect("asked to validate");
        solving.push((pod, path));
    }
    let retries = RetryPolicy::default();
    let status = block_on(order.poll_ready(&retries)).expect("an order");
    assert_eq!(status, OrderStatus::Ready);
    for (pod, path) in solving {
        objects.delete("Ingress", "cm-acme-http-solver-x7f2p");
        objects.delete("Service", "cm-acme-http-solver-k2b9d");
        drop(pod);
        wait_until("its end", || proxy.get(HOST, &path).status() == 308);
    }
    let key = block_on(order.finalize()).expect("finalized");
    let chain = block_on(order.poll_certificate(&retries)).expect("certificate");
    (chain, key)
}

/// The leaf that a client is shown which trusts `issuer`.
fn presented(proxy: &Proxy, issuer: &CertificateDer<'_>) -> Option<CertificateDer<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.clone().into_owned()).expect("an issuer");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = Client::connect(proxy.https).handshake(&Arc::new(config), HOST).ok()?;
    Some(client.session().peer_certificates()?.first()?.clone().into_owned())
}

fn http01_is_solved_behind_a_redirect_and_again_at_renewal() {
    let network = Network::new();
    let _backend = backend(network.address(1), "web");
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    let mut site = ingress(class, "site", HOST, "web");
    site["spec"]["tls"] = json!([{ "hosts": [HOST], "secretName": "site-tls" }]);
    objects.apply(site);
    let proxy = installation.start();
    let pebble = Pebble::start(proxy.http.port());
    let account = pebble.account();
    let mut shown = Vec::new();
    for _ in 0..2 {
        let (chain, key) = issue(&account, &installation, &network, &proxy);
        objects.apply(json!({
            "kind": "Secret",
            "metadata": { "name": "site-tls" },
            "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": chain, "tls.key": key },
        }));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .map(|certificate| certificate.expect("certificate"))
            .collect();
        wait_until("the certificate", || presented(&proxy, &chain[1]).as_ref() == Some(&chain[0]));
        shown.push(chain[0].clone());
    }
    assert_ne!(shown[0], shown[1]);
}
