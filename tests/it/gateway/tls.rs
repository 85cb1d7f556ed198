//! TLS of Gateways: which listener a connection and a request belong to, what is decrypted and
//! relayed, what clients have to show and what backends are shown.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::annotations::{Area, Served};
use crate::for_each_driver;
use crate::harness::pki::Authority;
use crate::harness::{Backend, Client, Driver, Http2, frames, manifest, ports};
use crate::tls::tls_server;

for_each_driver!(gateways_speak_tls_as_they_say);

fn gateway(name: &str, tls: &str, listeners: &[String]) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: {name}, namespace: default}}\n\
         spec:\n  gatewayClassName: ringway\n  tls: {tls}\n  listeners:\n{}---\n",
        listeners.concat()
    )
}

fn listener(name: &str, port: u16, rest: &str) -> String {
    format!("  - {{name: {name}, port: {port}, {rest}}}\n")
}

fn https(name: &str, port: u16, hostname: &str) -> String {
    let rest = "protocol: HTTPS, tls: {certificateRefs: [{name: own}]}";
    listener(name, port, &format!("hostname: '{hostname}', {rest}"))
}

/// Of one listener, to port 80 of a Service.
fn route(kind: &str, (gateway, section): (&str, &str), host: &str, service: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
         metadata: {{name: {gateway}-{section}-{}, namespace: default}}\n\
         spec:\n  parentRefs: [{{name: {gateway}, sectionName: {section}}}]\n  \
         hostnames: ['{host}']\n  rules: [{{backendRefs: [{{name: {service}, port: 80}}]}}]\n---\n",
        host.trim_start_matches("*.")
    )
}

fn bundle(name: &str, authority: &Authority) -> String {
    let pem = serde_json::json!(authority.pem);
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\n\
         data: {{ca.crt: {pem}}}\n---\n"
    )
}

const POLICY: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
    metadata: {name: sealed, namespace: default}\nspec:\n  \
    targetRefs:\n  - {group: '', kind: Service, name: missing}\n  \
    - {group: '', kind: Service, name: sealed}\n  \
    validation: {hostname: sealed.example, \
    caCertificateRefs: [{group: '', kind: ConfigMap, name: inner}]}\n---\n";

/// Where the Gateways are.
struct Ports {
    names: u16,
    strict: u16,
    loose: u16,
    closed: u16,
    shows: u16,
}

fn gateways(ports: &Ports) -> String {
    let &Ports { names, strict, loose, closed, shows } = ports;
    let relay = |name: &str, hostname: &str, mode: &str| {
        let tls = format!("tls: {{mode: {mode}, certificateRefs: [{{name: own}}]}}");
        listener(name, names, &format!("protocol: TLS, hostname: {hostname}, {tls}"))
    };
    let missing = "protocol: HTTPS, hostname: shut.example, tls: {certificateRefs: [{name: no}]}";
    let at_names = [
        https("any", names, ""),
        https("second", names, "second.example"),
        https("wild", names, "*.wild.example"),
        https("fourth", names, "fourth.wild.example"),
        relay("relay", "relay.example", "Terminate"),
        relay("again", "again.example", "Terminate"),
        relay("idle", "idle.example", "Terminate"),
        relay("through", "through.example", "Passthrough"),
        relay("lost", "lost.example", "Passthrough"),
        listener("shut", names, missing),
    ];
    let map = |name: &str| format!("{{group: '', kind: ConfigMap, name: {name}}}");
    let asks = |map: &str, mode: &str| {
        format!("{{validation: {{mode: {mode}, caCertificateRefs: [{map}]}}}}")
    };
    let frontend = format!(
        "{{frontend: {{default: {}, perPort: [{{port: {loose}, tls: {}}}, \
         {{port: {closed}, tls: {}}}]}}}}",
        asks(&map("clients"), "AllowValidOnly"),
        asks(&map("clients"), "AllowInsecureFallback"),
        asks(&map("none"), "AllowInsecureFallback"),
    );
    let asking =
        [https("strict", strict, ""), https("loose", loose, ""), https("closed", closed, "")];
    let shown = [listener("http", shows, "protocol: HTTP")];
    gateway("names", "{}", &at_names)
        + &gateway("asks", &frontend, &asking)
        + &gateway("shows", "{backend: {clientCertificateRef: {name: client}}}", &shown)
}

fn routes() -> String {
    let http = |listener: (&str, &str), host: &str, service: &str| {
        route("HTTPRoute", listener, host, service)
    };
    let tls = |name: &str, service: &str| {
        route("TLSRoute", ("names", name), &format!("{name}.example"), service)
    };
    [
        http(("names", "any"), "any.example", "a"),
        http(("names", "any"), "plain.example", "sealed"),
        // Behind a listener that cannot be served it is nobody's.
        http(("names", "any"), "shut.example", "a"),
        http(("names", "second"), "second.example", "b"),
        http(("names", "wild"), "*.wild.example", "a"),
        http(("names", "fourth"), "fourth.wild.example", "b"),
        tls("relay", "raw"),
        tls("again", "sealed"),
        tls("through", "inner"),
        http(("asks", "strict"), "any.example", "a"),
        http(("asks", "loose"), "any.example", "b"),
        http(("asks", "closed"), "any.example", "a"),
        http(("shows", "http"), "shown.example", "sealed"),
    ]
    .concat()
}

fn gateways_speak_tls_as_they_say(driver: Driver) {
    let (clients, inner) = (Authority::new(), Authority::new());
    let [names, strict, loose, closed, shows] = ports().map(|address| address.port());
    let ports = Ports { names, strict, loose, closed, shows };
    let raw = Backend::scripted(|mut connection| {
        let octets = connection.read_exact(5)?;
        connection.send(octets.to_ascii_uppercase())?;
        connection.read_to_end().map(drop)
    });
    let leaf = inner.issue(&["sealed.example", "through.example"]);
    let shown = clients.issue_client("gateway");
    let names = ["any.example", "second.example", "*.wild.example", "relay.example"];
    let names = [&names[..], &["again.example", "plain.example", "idle.example"]].concat();
    let served = Area::new(driver)
        .echoes(&["a", "b"])
        .backend("raw", raw)
        .backend("sealed", tls_server("sealed", &leaf, Some(&clients)))
        .backend("inner", tls_server("inner", &leaf, None))
        .certificate("own", &names)
        .object(manifest::tls_secret("client", &shown.chain, &shown.key))
        .object(bundle("clients", &clients))
        .object(bundle("inner", &inner))
        .object(POLICY)
        .object(gateways(&ports))
        .object(routes())
        .start();
    let at = |port: u16| (served.proxy.http.ip(), port).into();
    served
        .told(&["There is no ConfigMap default/none; create it.", "There is no Secret default/no"]);
    requests_come_by_their_listener(&served, at(ports.names));
    connections_go_where_their_name_leads(&served, &inner, at(ports.names));
    clients_show_what_their_port_demands(&served, &clients, at(ports.strict), at(ports.loose));
    assert!(TcpStream::connect(at(ports.closed)).is_err(), "nobody can come in");
    // What the Gateway shows is what its backends see, and no others'.
    let mut client = Client::connect(at(ports.shows));
    assert_eq!(client.get("shown.example", "/").text(), "sealed, shown 1");
    let mut client = Client::tls(at(ports.names), &served.trusting(&[]), "plain.example");
    assert_eq!(client.get("plain.example", "/").text(), "sealed, shown 0");
}

/// Server name, host, and what is answered to a request for it.
const MISDIRECTED: &[(&str, &str, u16)] = &[
    ("any.example", "any.example", 200),
    ("any.example", "second.example", 421),
    ("any.example", "unknown.example", 404),
    ("any.example", "relay.example", 421),
    ("any.example", "through.example", 421),
    ("any.example", "shut.example", 421),
    ("second.example", "second.example", 200),
    ("second.example", "any.example", 421),
    ("second.example", "unknown.example", 421),
    ("x.wild.example", "x.wild.example", 200),
    ("x.wild.example", "y.wild.example", 200),
    ("x.wild.example", "fourth.wild.example", 421),
    ("x.wild.example", "second.example", 421),
    ("fourth.wild.example", "fourth.wild.example", 200),
    ("fourth.wild.example", "y.wild.example", 421),
];

fn requests_come_by_their_listener(served: &Served, address: SocketAddr) {
    for (name, host, status) in MISDIRECTED {
        let mut client = Client::tls(address, &served.trusting(&[]), name);
        assert_eq!(client.get(host, "/").status(), *status, "{host} by {name}");
        if *status == 421 {
            // The connection is good for what it was made for.
            assert_ne!(client.get(name, "/").status(), 421, "{name} behind {host}");
        }
    }
    // Streams of HTTP/2 that share a connection.
    let client = Client::tls(address, &served.trusting(&["h2"]), "any.example");
    let mut http2 = Http2::over(client);
    http2.start(&[]);
    for (stream, host, status) in
        [(1, "any.example", 200), (3, "second.example", 421), (5, "any.example", 200)]
    {
        let fields =
            [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", host)];
        http2.send(frames::headers(stream, &fields, frames::END_STREAM));
        assert_eq!(http2.answer(stream).status, status, "{host}");
    }
}

fn connections_go_where_their_name_leads(served: &Served, inner: &Authority, address: SocketAddr) {
    let raw = served.backend("raw");
    // Whatever is spoken inside, nobody chooses it.
    for alpn in [&[][..], &["h2", "http/1.1"], &["mqtt"]] {
        let mut client = Client::tls(address, &served.trusting(alpn), "relay.example");
        assert_eq!(client.session().alpn_protocol(), None);
        client.send("hello");
        assert_eq!(client.take(5), b"HELLO");
        client.finish_with_close_notify();
        client.assert_closed();
    }
    raw.wait_for_ends(3);
    assert!(raw.received().iter().all(|octets| octets == b"hello"));
    // Towards who wants TLS it is encrypted once more.
    let mut client = Client::tls(address, &served.trusting(&[]), "again.example");
    assert_eq!(client.get("x.example", "/").text(), "sealed, shown 0");
    let mut client = Client::tls(address, &inner.trusting(&[]), "through.example");
    assert_eq!(client.get("x.example", "/").text(), "inner");
    // No wider listener has what these have not.
    for name in ["idle.example", "lost.example", "shut.example"] {
        let made = Client::connect(address).handshake(&served.trusting(&[]), name);
        assert!(made.is_err(), "{name}");
    }
}

fn clients_show_what_their_port_demands(
    served: &Served,
    clients: &Authority,
    strict: SocketAddr,
    loose: SocketAddr,
) {
    let (own, strange) = (clients.issue_client("own"), Authority::new().issue_client("strange"));
    let backend = |address, config: Arc<ClientConfig>| {
        let mut client = Client::connect(address).handshake(&config, "any.example").ok()?;
        client.send_if_open("GET / HTTP/1.1\r\nHost: any.example\r\n\r\n").ok()?;
        client.try_response().ok().map(|response| response.backend())
    };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (who, is_let_in) in [(Some(&own), true), (None, false), (Some(&strange), false)] {
            let config = || Arc::new(served.authority().config(&[], &[version], who));
            let expected = is_let_in.then(|| "a".to_owned());
            assert_eq!(backend(strict, config()), expected, "{version:?}");
            assert_eq!(backend(loose, config()), Some("b".to_owned()), "{version:?}");
        }
    }
}
