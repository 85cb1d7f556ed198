//! How backends are spoken to: annotations, `appProtocol` and Secrets in, dials and wires out.

use super::tls::{Pair, delete, pair, pair_of, secret, secret_of, tls_ingress};
use super::*;
use crate::model::{BackendProtocol, Kind, TlsVersion};
use crate::table::Wire;

/// The Service `web` with a port of that `appProtocol`, and its slice.
fn service(app_protocol: &str) -> String {
    let app_protocol = match app_protocol {
        "" => String::new(),
        name => format!(", appProtocol: {name}"),
    };
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\n\
         spec: {{ports: [{{name: p, port: 80, targetPort: 8080{app_protocol}}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}\n\
         addressType: IPv4\nports: [{{name: p, port: 8080}}]\n\
         endpoints: [{{addresses: [10.0.0.1]}}]\n"
    )
}

fn with(name: &str, annotations: &[(&str, &str)]) -> String {
    tls_ingress((name, ""), &format!("{name}.example"), "[]", annotations)
}

/// What one Ingress with these annotations and one Service come to.
fn world(annotations: &[(&str, &str)], app_protocol: &str, secrets: &str) -> (World, Lowered) {
    let mut world = World::new(options());
    let text = format!("{}{}{secrets}", with("i", annotations), service(app_protocol));
    let lowered = world.apply(changes(&text));
    (world, lowered)
}

#[track_caller]
fn only(lowered: &Lowered) -> (&BackendKey, &EndpointSet) {
    assert_eq!(lowered.endpoints.len(), 1, "{:?}", lowered.endpoints);
    (&lowered.endpoints[0].0, &lowered.endpoints[0].1)
}

/// `http1` or `h2`, over TLS or not; `closed` for no endpoint.
fn wire(set: &EndpointSet) -> &'static str {
    let Wire { is_http2, tls } = &set.wire;
    match (set.addresses.is_empty(), tls, is_http2) {
        (true, ..) => "closed",
        (_, None, false) => "http1",
        (_, None, true) => "h2",
        (_, Some(_), false) => "http1 tls",
        (_, Some(_), true) => "h2 tls",
    }
}

/// Protocols that the settings of a set offer by ALPN.
fn alpn(set: &EndpointSet) -> Vec<Vec<u8>> {
    set.wire.tls.as_ref().map(|tls| tls.config().alpn_protocols.clone()).unwrap_or_default()
}

fn field(name: &str) -> String {
    format!("metadata.annotations.nginx.ingress.kubernetes.io/{name}")
}

/// A chain, a key and itself as the CA.
fn with_ca(name: &str, pair: &Pair) -> String {
    secret_of(name, &[("tls.crt", &pair.chain), ("tls.key", &pair.key), ("ca.crt", &pair.chain)])
}

#[test]
fn app_protocol_says_what_a_port_speaks() {
    for (name, expected) in [
        ("", "http1"),
        ("http", "http1"),
        ("kubernetes.io/ws", "http1"),
        ("example.com/own", "http1"),
        ("kubernetes.io/h2c", "h2"),
        ("h2c", "h2"),
        ("http2", "h2"),
        ("grpc", "h2"),
        ("https", "http1 tls"),
        ("kubernetes.io/wss", "http1 tls"),
        ("grpcs", "h2 tls"),
    ] {
        let (_, lowered) = world(&[], name, "");
        let (key, set) = only(&lowered);
        assert_eq!((wire(set), &key.dial), (expected, &Dial::default()), "{name}");
        assert!(lowered.problems.is_empty(), "{name}: {:?}", lowered.problems);
    }
}

#[test]
fn backend_protocol_overrides_app_protocol() {
    for (text, protocol, expected) in [
        ("HTTP", BackendProtocol::Http, "http1"),
        ("https", BackendProtocol::Https, "http1 tls"),
        ("Grpc", BackendProtocol::Grpc, "h2"),
        (" GRPCS ", BackendProtocol::Grpcs, "h2 tls"),
    ] {
        for app_protocol in ["", "grpcs", "http"] {
            let (_, lowered) = world(&[("backend-protocol", text)], app_protocol, "");
            let (key, set) = only(&lowered);
            assert_eq!((wire(set), key.dial.protocol), (expected, Some(protocol)), "{text}");
            assert_eq!(key.dial.tls, None);
            assert!(reasons(&lowered).is_empty(), "{text}");
        }
    }
    let (_, lowered) = world(&[("backend-protocol", "")], "h2c", "");
    assert_eq!(wire(only(&lowered).1), "h2");
}

#[test]
fn other_protocols_are_http_and_a_problem() {
    for text in ["h2c", "AJP"] {
        let (_, lowered) = world(&[("backend-protocol", text)], "https", "");
        assert_eq!(wire(only(&lowered).1), "http1");
        assert_eq!(reasons(&lowered), [format!("InvalidAnnotation {}", field("backend-protocol"))]);
    }
}

#[test]
fn backends_are_spoken_to_as_their_clients_speak() {
    for text in ["AUTO_HTTP", "auto_http"] {
        let more = [("proxy-ssl-name", "a.b"), ("proxy-ssl-server-name", "on")];
        let annotations = [&[("backend-protocol", text)], &more[..]].concat();
        let (_, lowered) = world(&annotations, "grpcs", "");
        let ways: Vec<_> = lowered.endpoints.iter().map(|(key, set)| (wire(set), key)).collect();
        let [("http1", clear), ("http1 tls", over_tls)] = &*ways else { panic!("{ways:?}") };
        assert_eq!((clear.dial.protocol, &clear.dial.tls), (Some(BackendProtocol::Http), &None));
        let name = over_tls.dial.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        assert_eq!(name, Some("a.b"));
        let model = lowered.model.as_ref().expect("a model");
        let target = &model.listeners[0].hosts[0].rules[0].backends[0].target;
        assert_eq!((target.key(), target.key_over_tls()), (Some(*clear), Some(*over_tls)));
        assert!(reasons(&lowered).is_empty(), "{text}");
    }
}

#[test]
fn fast_cgi_is_not_spoken() {
    let (_, lowered) = world(&[("backend-protocol", "fcgi")], "", "");
    let model = lowered.model.as_ref().expect("a model");
    let policies = &model.listeners[0].hosts[0].rules[0].policies;
    assert_eq!(policies.refusal, Some(crate::model::Refusal::NotSupported));
    assert_eq!(reasons(&lowered), [format!("InvalidAnnotation {}", field("backend-protocol"))]);
}

#[test]
fn offers_are_what_annotations_say() {
    let dial = |annotations: &[(&str, &str)]| {
        let all = [&[("backend-protocol", "HTTPS")], annotations].concat();
        let (_, lowered) = world(&all, "", "");
        let tls = only(&lowered).0.dial.tls.clone();
        (tls.map(|tls| (tls.version, tls.suites.clone(), tls.depth)), reasons(&lowered).len())
    };
    let (tls12, tls13) = (Some(TlsVersion::Tls12), Some(TlsVersion::Tls13));
    let rsa: Arc<[u16]> = [0xc02f].into();
    for (annotations, expected) in [
        (&[][..], (None, 0)),
        (&[("proxy-ssl-protocols", "TLSv1.2")], (Some((tls12, None, None)), 0)),
        (&[("proxy-ssl-protocols", " TLSv1.3  TLSv1.3 ")], (Some((tls13, None, None)), 0)),
        (&[("proxy-ssl-protocols", "TLSv1.3 TLSv1.2")], (None, 0)),
        (&[("proxy-ssl-protocols", "TLSv1.1 TLSv1.2")], (None, 1)),
        (&[("proxy-ssl-protocols", "SSLv3")], (None, 1)),
        (
            &[("proxy-ssl-ciphers", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA")],
            (Some((None, Some(rsa), None)), 0),
        ),
        (&[("proxy-ssl-ciphers", "AES128-SHA")], (None, 1)),
        // Without verification there is nothing that may be too long.
        (&[("proxy-ssl-verify-depth", "2")], (None, 0)),
        (&[("proxy-ssl-verify-depth", "x")], (None, 1)),
    ] {
        assert_eq!(dial(annotations), expected, "{annotations:?}");
    }
    for (depth, expected) in [("", 1), ("0", 1), ("1", 1), ("3", 3), ("256", 1)] {
        let verify = ("proxy-ssl-verify", "on");
        let (_, lowered) = world(
            &[("backend-protocol", "HTTPS"), verify, ("proxy-ssl-verify-depth", depth)],
            "",
            "",
        );
        let tls = only(&lowered).0.dial.tls.clone();
        assert_eq!(tls.and_then(|tls| tls.depth), Some(expected), "{depth}");
    }
}

#[test]
fn alpn_offers_what_is_spoken_and_nothing_else() {
    for (protocol, expected) in [("https", &b"http/1.1"[..]), ("grpcs", b"h2")] {
        let (_, lowered) = world(&[], protocol, "");
        assert_eq!(alpn(only(&lowered).1), [expected]);
    }
}

#[test]
fn two_ways_to_one_service_are_two_backends() {
    let mut world = World::new(options());
    let (a, b) = (with("a", &[]), with("b", &[("backend-protocol", "GRPC")]));
    let lowered = world.apply(changes(&format!("{a}{b}{}", service(""))));
    let wires: Vec<_> = lowered.endpoints.iter().map(|(_, set)| wire(set)).collect();
    assert_eq!(wires, ["http1", "h2"]);
    // Both follow their Service.
    let slices = service("").replace("10.0.0.1", "10.0.0.2");
    assert_eq!(world.apply(changes(&slices)).endpoints.len(), 2);
}

#[test]
fn server_names() {
    let name = |annotations: &[(&str, &str)]| {
        let (_, lowered) = world(annotations, "https", &with_ca("s", &pair(&["x"])));
        let tls = only(&lowered).0.dial.tls.clone();
        (tls.map(|tls| (tls.server_name.clone(), tls.sends_server_name)), reasons(&lowered))
    };
    let known = |name: &str, sends| (Some((Some(name.into()), sends)), Vec::new());
    let sends = ("proxy-ssl-server-name", "on");
    assert_eq!(name(&[("proxy-ssl-name", "A.Example"), sends]), known("a.example", true));
    assert_eq!(name(&[("proxy-ssl-name", "2001:DB8::1"), sends]), known("2001:db8::1", true));
    // The Service's own where none is given.
    assert_eq!(name(&[sends]), known("web.default.svc", true));
    let verify = [("proxy-ssl-secret", "default/s"), ("proxy-ssl-verify", "on")];
    assert_eq!(name(&verify), known("web.default.svc", false));
    // Of no use to anyone: the same as nothing, and so in the same pool.
    let useless = [("proxy-ssl-name", "a.example"), ("proxy-ssl-server-name", "off")];
    assert_eq!(name(&useless), (None, Vec::new()));
    // In clear text as well.
    assert_eq!(name(&[("backend-protocol", "GRPC"), sends]), (None, Vec::new()));
    let (tls, problems) = name(&[("proxy-ssl-name", "$host"), sends]);
    assert_eq!(tls, known("web.default.svc", true).0);
    assert_eq!(problems, [format!("InvalidAnnotation {}", field("proxy-ssl-name"))]);
    let (tls, problems) = name(&[("proxy-ssl-server-name", "true")]);
    assert_eq!(tls, None);
    assert_eq!(problems, [format!("InvalidAnnotation {}", field("proxy-ssl-server-name"))]);
}

#[test]
fn secrets_give_client_certificate_and_ca() {
    let mine = pair(&["x"]);
    let ca_alone = secret_of("s", &[("ca.crt", &mine.chain)]);
    let own = ("proxy-ssl-secret", "default/s");
    let on = ("proxy-ssl-verify", "on");
    for (annotations, secrets, shows_certificate) in [
        (&[own][..], secret("s", &mine), true),
        (&[own], with_ca("s", &mine), true),
        (&[own, on], with_ca("s", &mine), true),
        (&[own, on], ca_alone.clone(), false),
        (&[own], ca_alone, false),
    ] {
        let (_, lowered) = world(annotations, "https", &secrets);
        let (key, set) = only(&lowered);
        assert_eq!(wire(set), "http1 tls", "{annotations:?} {:?}", lowered.problems);
        assert!(lowered.problems.is_empty());
        let tls = key.dial.tls.as_ref().expect("what the annotations say");
        assert_eq!(tls.secret, Some(("default".into(), "s".into())));
        assert_eq!(tls.verify, annotations.contains(&on));
        let config = set.wire.tls.as_ref().expect("TLS").config();
        assert_eq!(config.client_auth_cert_resolver.has_certs(), shows_certificate);
    }
}

#[test]
fn what_cannot_be_as_safe_as_wanted_is_closed() {
    let mine = pair(&["x"]);
    let own = ("proxy-ssl-secret", "default/s");
    let on = ("proxy-ssl-verify", "on");
    let with_key_of_other =
        secret_of("s", &[("tls.crt", &mine.chain), ("tls.key", &pair(&["y"]).key)]);
    let bad_ca = secret_of("s", &[("ca.crt", "none")]);
    let half_ca = "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n";
    let half_ca = secret_of("s", &[("ca.crt", &half_ca.replace("\\n", "\n"))]);
    for (annotations, secrets, reason, at) in [
        (&[on][..], String::new(), "BackendCaMissing", "proxy-ssl-verify"),
        (&[own], String::new(), "SecretMissing", "proxy-ssl-secret"),
        (&[own, on], secret("s", &mine), "SecretInvalid", "proxy-ssl-secret"),
        (&[own], secret_of("s", &[("other", "x")]), "SecretInvalid", "proxy-ssl-secret"),
        (&[own], with_key_of_other, "CertificateKeyMismatch", "proxy-ssl-secret"),
        (&[own, on], bad_ca, "BackendCaInvalid", "proxy-ssl-secret"),
        (&[own, on], half_ca, "BackendCaInvalid", "proxy-ssl-secret"),
    ] {
        let (_, lowered) = world(annotations, "https", &secrets);
        assert_eq!(wire(only(&lowered).1), "closed", "{reason}");
        assert_eq!(reasons(&lowered), [format!("{reason} {}", field(at))]);
        let problem = &lowered.problems[0];
        assert_eq!(problem.severity, crate::model::Severity::Error);
        assert!(problem.message.ends_with("; its requests get status 503."), "{problem}");
    }
    // In clear text there is nothing to verify.
    let (_, lowered) = world(&[on], "http", "");
    assert_eq!(wire(only(&lowered).1), "http1");
}

#[test]
fn a_refused_secret_is_not_missing_and_closes_as_well() {
    let own = [("proxy-ssl-secret", "default/s")];
    let (mut world, lowered) = world(&own, "https", "");
    assert_eq!(reasons(&lowered), [format!("SecretMissing {}", field("proxy-ssl-secret"))]);
    let secret = ObjectRef { kind: Kind::Secret, namespace: "default".into(), name: "s".into() };
    let refused = world.apply(vec![Change::Broken(secret)]);
    assert!(reasons(&refused).is_empty(), "its owner knows: {:?}", refused.problems);
    assert!(refused.model.is_none(), "it is as closed as it was");
}

#[test]
fn unreadable_demands_are_strict_ones() {
    let mine = with_ca("s", &pair(&["x"]));
    for text in ["s", "other/s", "default/", "default/s/t", "/s"] {
        let (_, lowered) = world(&[("proxy-ssl-secret", text)], "https", &mine);
        assert_eq!(wire(only(&lowered).1), "closed", "{text}");
        let expected = ["InvalidAnnotation", "SecretMissing"];
        let expected = expected.map(|reason| format!("{reason} {}", field("proxy-ssl-secret")));
        assert_eq!(reasons(&lowered), expected, "{text}");
    }
    let (_, lowered) = world(&[("proxy-ssl-verify", "true")], "https", "");
    assert_eq!(wire(only(&lowered).1), "closed");
    let expected = ["InvalidAnnotation", "BackendCaMissing"];
    let expected = expected.map(|reason| format!("{reason} {}", field("proxy-ssl-verify")));
    assert_eq!(reasons(&lowered), expected);
}

#[test]
fn a_changed_secret_reaches_exactly_the_backends_that_use_it() {
    let mut world = World::new(options());
    let ingress = |name: &str, secret: &str| {
        with(name, &[("backend-protocol", "HTTPS"), ("proxy-ssl-secret", secret)])
    };
    let (s, t) = (secret("s", &pair(&["s"])), secret("t", &pair(&["t"])));
    let (a, b, c) = (ingress("a", "default/s"), ingress("b", "default/t"), with("c", &[]));
    let before = world.apply(changes(&format!("{a}{b}{c}{s}{t}{}", service(""))));
    assert_eq!(before.endpoints.len(), 3);
    let after = world.apply(changes(&secret("s", &pair(&["new"]))));
    assert!(after.model.is_none());
    let (key, set) = only(&after);
    let tls = key.dial.tls.as_ref().expect("what the annotations say");
    assert_eq!(tls.secret, Some(("default".into(), "s".into())));
    let old = before.endpoints.iter().find(|(k, _)| k == key).expect("it was there");
    assert_ne!(old.1.wire, set.wire);
    // Deleted: closed. Back: open.
    assert_eq!(wire(only(&world.apply(delete(Kind::Secret, "s"))).1), "closed");
    assert_eq!(wire(only(&world.apply(changes(&s))).1), "http1 tls");
    // Nobody uses it any more.
    world.apply(delete(Kind::Ingress, "a"));
    assert!(world.apply(delete(Kind::Secret, "s")).endpoints.is_empty());
    assert_eq!(wire(only(&world.apply(delete(Kind::Secret, "t"))).1), "closed");
}

#[test]
fn settings_outlive_what_does_not_concern_them() {
    let own = [("proxy-ssl-secret", "default/s")];
    let (mut world, before) = world(&own, "https", &secret("s", &pair(&["x"])));
    let more = service("https").replace("[10.0.0.1]", "[10.0.0.2]");
    let after = world.apply(changes(&more));
    assert_eq!(only(&before).1.wire, only(&after).1.wire);
}

#[test]
fn one_object_serves_all_that_want_the_same() {
    let mut world = World::new(options());
    let https = ("backend-protocol", "HTTPS");
    let sends = |name| [https, ("proxy-ssl-server-name", "on"), ("proxy-ssl-name", name)];
    let (a, b) = (with("a", &sends("a.example")), with("b", &sends("b.example")));
    let lowered = world.apply(changes(&format!("{a}{b}{}", service(""))));
    let [(_, one), (_, two)] = &lowered.endpoints[..] else { panic!("two backends") };
    assert_eq!(one.wire, two.wire);
}

#[test]
fn a_broken_client_certificate_leaves_the_last_good_one() {
    let own = [("proxy-ssl-secret", "default/s")];
    let (mut world, before) = world(&own, "https", &secret("s", &pair(&["x"])));
    let reason = |reason| [format!("{reason} {}", field("proxy-ssl-secret"))];
    let broken = Pair { chain: "none".into(), key: "none".into() };
    let after = world.apply(changes(&secret("s", &broken)));
    assert!(after.endpoints.is_empty(), "the pool stays");
    assert_eq!(reasons(&after), reason("CertificateInvalid"));
    let after = world.apply(changes(&secret("s", &pair_of(&["x"], (2000, 2001)))));
    assert!(after.endpoints.is_empty());
    assert_eq!(reasons(&after), reason("CertificateExpired"));
    // Gone is gone.
    world.apply(delete(Kind::Secret, "s"));
    let after = world.apply(changes(&secret("s", &broken)));
    assert_eq!(reasons(&after), reason("CertificateInvalid"));
    assert_eq!(wire(&world.lowerer.endpoints(only(&before).0)), "closed");
}

#[test]
fn a_closed_external_name_is_still_resolved() {
    let mut world = World::new(options());
    let external = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                    spec: {type: ExternalName, externalName: x.example}\n";
    let protocol = ("backend-protocol", "HTTPS");
    let closed = with("i", &[protocol, ("proxy-ssl-verify", "on")]);
    world.apply(changes(&format!("{closed}{external}")));
    assert_eq!(world.lowerer.external_names().len(), 1);
    let result = Ok(vec!["192.0.2.1".parse().expect("an address")]);
    let answer = Answer { name: "x.example".into(), result };
    assert!(
        world.lowerer.apply_answer(&world.store, answer, SystemTime::now()).endpoints.is_empty()
    );
    let lowered = world.apply(changes(&with("i", &[protocol])));
    let (_, set) = only(&lowered);
    assert_eq!((wire(set), set.addresses.len()), ("http1 tls", 1));
}
