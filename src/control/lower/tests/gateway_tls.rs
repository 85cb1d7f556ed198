//! `spec.tls` of Gateways: what clients have to show, and what backends are shown.

use super::gateway::{SERVICE, gateway, in_range, reference, route, told};
use super::tls::{pair, secret_of};
use super::*;
use crate::model::{EntryPoint, Kind, Scheme, TlsAction};
use crate::tls::client_auth::ClientAuthId;

const HTTPS: &str = "name: tls, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: own}]}";

/// Objects that Gateways name: the Secrets `own` and `broken`, and the ConfigMaps `ca`, `odd` and
/// `far/ca`.
fn named() -> String {
    let (own, ca) = (pair(&["own"]), serde_json::json!(pair(&["ca"]).chain).to_string());
    let secret = |name: &str, values: &[(&str, &str)]| {
        secret_of(name, values)
            .replace(&format!("name: {name}"), &format!("name: {name}, namespace: shop"))
    };
    let map = |namespace: &str, name: &str, text: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: \
             {namespace}}}\ndata: {{ca.crt: {text}}}\n"
        )
    };
    secret("own", &[("tls.crt", &own.chain), ("tls.key", &own.key)])
        + &secret("broken", &[("tls.crt", "x")])
        + &map("shop", "ca", &ca)
        + &map("shop", "odd", "no PEM")
        + &map("far", "ca", &ca)
}

fn map(name: &str) -> String {
    format!("{{group: '', kind: ConfigMap, name: {name}}}")
}

fn validation(references: &str) -> String {
    format!("{{validation: {{caCertificateRefs: [{references}]}}}}")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn clients_show_what_their_port_demands_and_nobody_comes_in_where_that_is_unreadable() {
    let ok = "Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs";
    let closed = |reason: &str| {
        format!("!Accepted=NoValidCACertificate !Programmed=Invalid !ResolvedRefs={reason}")
    };
    let far = "{group: '', kind: ConfigMap, name: ca, namespace: far}";
    let unsupported = "ResolvedRefs=ResolvedRefs !Accepted=UnsupportedValue !Programmed=Invalid";
    let all = |config: &str| format!("{{default: {config}}}");
    for (frontend, expected, is_asked) in [
        (all("{}"), ok.to_owned(), false),
        (all(&validation(&map("ca"))), ok.into(), true),
        // One of them is enough; the other is told.
        (
            all(&validation(&format!("{}, {}", map("none"), map("ca")))),
            "Accepted=Accepted Programmed=Programmed !ResolvedRefs=InvalidCACertificateRef".into(),
            true,
        ),
        (all(&validation(&map("none"))), closed("InvalidCACertificateRef"), false),
        (all(&validation(&map("odd"))), closed("InvalidCACertificateRef"), false),
        (
            all(&validation("{group: '', kind: Secret, name: ca}")),
            closed("InvalidCACertificateKind"),
            false,
        ),
        (
            all(&validation("{group: x.y, kind: ConfigMap, name: ca}")),
            closed("InvalidCACertificateKind"),
            false,
        ),
        (all(&validation(far)), closed("RefNotPermitted"), false),
        (
            all(&validation("")),
            "ResolvedRefs=ResolvedRefs !Accepted=NoValidCACertificate !Programmed=Invalid".into(),
            false,
        ),
        (all(&validation(&vec![map("ca"); 17].join(", "))), unsupported.into(), false),
        (
            all(&validation(&map("ca")).replace("caCert", "mode: Sometimes, caCert")),
            unsupported.into(),
            false,
        ),
        // A port of its own takes the place of the others.
        (
            format!(
                "{{default: {}, perPort: [{{port: 443, tls: {}}}]}}",
                validation(&map("none")),
                validation(&map("ca"))
            ),
            ok.into(),
            true,
        ),
        (
            format!("{{default: {}, perPort: [{{port: 443, tls: {{}}}}]}}", validation(&map("ca"))),
            ok.into(),
            false,
        ),
        (
            format!(
                "{{default: {}, perPort: [{{port: 80, tls: {{}}}}]}}",
                validation(&map("none"))
            ),
            closed("InvalidCACertificateRef"),
            false,
        ),
    ] {
        let text = gateway(&["name: http, protocol: HTTP, port: 80", HTTPS])
            + &format!("  tls: {{frontend: {frontend}}}\n")
            + &named();
        let lowered = in_range().apply(changes(&text));
        let lines = told(&lowered);
        assert_eq!(lines[2], format!("  http 2 0: {ok}"), "{frontend}");
        assert_eq!(lines[3], format!("  tls 2 0: {expected}"), "{frontend}");
        let of_tls = |problem: &&Arc<Problem>| problem.field.starts_with("spec.tls.frontend.");
        let problems = lowered.problems.iter().filter(of_tls).count();
        let faults = usize::from(expected.contains("!ResolvedRefs"))
            + usize::from(expected.contains("!Accepted"));
        assert_eq!(problems, faults, "{frontend} {:?}", lowered.problems);
        // In clear text there are no names, and nothing is demanded.
        let model = lowered.model.as_ref().expect("a model");
        assert!(model.listeners[1].server_names.is_empty(), "{frontend}");
        let asks = lowered.server_tls.values().any(|tls| tls.client_auth() != ClientAuthId(0));
        assert_eq!(asks, is_asked, "{frontend}");
        assert!(!asks || expected.contains("Programmed=Programmed"));
    }
}

/// A wider listener does not answer for one that cannot, nor are its routes there.
#[test]
fn a_closed_listener_keeps_its_hosts() {
    let text = gateway(&[
        HTTPS,
        "name: one, protocol: HTTPS, port: 443, hostname: one.example, \
         tls: {certificateRefs: [{name: no}]}",
    ]) + &named()
        + &route("r", "hostnames: [one.example]")
        + SERVICE;
    let lowered = in_range().apply(changes(&text));
    let model = lowered.model.as_ref().expect("a model");
    let names: Vec<_> = model.listeners[1].server_names.iter().collect();
    let one = names.iter().find(|name| name.pattern.to_string() == "one.example");
    assert_eq!(one.map(|name| &name.action), Some(&TlsAction::Nobody));
    let hosts = &model.listeners[1].hosts;
    assert!(hosts.iter().all(|host| host.rules.is_empty()), "{hosts:?}");
}

#[test]
fn who_lets_everybody_in_says_so() {
    let insecure = validation(&map("ca")).replace("caCert", "mode: AllowInsecureFallback, caCert");
    let text = |config: &str| {
        gateway(&[HTTPS]) + &format!("  tls: {{frontend: {{default: {config}}}}}\n") + &named()
    };
    let mut world = in_range();
    let lines = told(&world.apply(changes(&text(&insecure))));
    let word = " InsecureFrontendValidationMode=ConfigurationChanged";
    assert!(lines[1].ends_with(word), "{lines:?}");
    let lines = told(&world.apply(changes(&text(&validation(&map("ca"))))));
    assert!(lines[0].starts_with("g 7:") && !lines[0].contains("Insecure"), "{lines:?}");
    // Their authorities come and go.
    let gone = vec![Change::Delete(reference(Kind::ConfigMap, "shop", "ca"))];
    let lines = told(&world.apply(gone));
    assert!(lines[1].contains("!Accepted=NoValidCACertificate"), "{lines:?}");
    let lines = told(&world.apply(changes(&named())));
    assert!(lines[1].ends_with("ResolvedRefs=ResolvedRefs"), "{lines:?}");
}

const POLICY: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
    metadata: {name: p, namespace: shop}\nspec:\n  \
    targetRefs: [{group: '', kind: Service, name: web}]\n  \
    validation: {hostname: web.example, \
    caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}\n";

/// Secrets that backends of the first listener are dialled with; `-`: none.
fn shown(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let rules = model.listeners[1].hosts.iter().flat_map(|host| &host.rules);
    let backends = rules.flat_map(|rule| &rule.backends);
    let of = |target: &BackendTarget| match target.key() {
        None => "invalid".to_owned(),
        Some(key) => match key.dial.tls.as_deref().and_then(|tls| tls.secret.clone()) {
            Some((namespace, name)) => format!("{namespace}/{name}"),
            None => "-".to_owned(),
        },
    };
    backends.map(|backend| of(&backend.target)).collect()
}

#[test]
fn backends_are_shown_the_certificate_of_the_gateway() {
    let http = "name: http, protocol: HTTP, port: 80";
    let https = SERVICE.replace("port: 80", "port: 80, appProtocol: https");
    let (ok, bad) = ("ResolvedRefs=ResolvedRefs", "!ResolvedRefs=InvalidClientCertificateRef");
    for (secret, services, expected, resolved) in [
        ("{name: own}", SERVICE.to_owned() + POLICY, "shop/own", ok),
        ("{name: own}", https.clone(), "shop/own", ok),
        // Nothing is shown in clear text.
        ("{name: own}", SERVICE.into(), "-", ok),
        ("{name: none}", SERVICE.into(), "-", bad),
        ("{name: none}", https, "invalid", bad),
        ("{name: none}", SERVICE.to_owned() + POLICY, "invalid", bad),
        ("{name: broken}", SERVICE.to_owned() + POLICY, "invalid", bad),
        ("{name: own, kind: ConfigMap}", SERVICE.to_owned() + POLICY, "invalid", bad),
        ("{name: own, group: x.y}", SERVICE.to_owned() + POLICY, "invalid", bad),
        (
            "{name: own, namespace: far}",
            SERVICE.to_owned() + POLICY,
            "invalid",
            "!ResolvedRefs=RefNotPermitted",
        ),
    ] {
        let text = gateway(&[http])
            + &format!("  tls: {{backend: {{clientCertificateRef: {secret}}}}}\n")
            + &named()
            + &services
            + &route("r", "");
        let lowered = in_range().apply(changes(&text));
        assert_eq!(shown(&lowered), [expected], "{secret}");
        let lines = told(&lowered);
        assert!(lines[1].starts_with("g 7: Accepted=Accepted Programmed=Programmed"), "{lines:?}");
        assert!(lines[1].ends_with(resolved), "{lines:?}");
        let field = "spec.tls.backend.clientCertificateRef";
        let problems = lowered.problems.iter().filter(|problem| problem.field == field).count();
        assert_eq!(problems, usize::from(resolved != ok), "{secret}");
    }
}

/// The condition holds; what is told has the reason of what is wrong.
#[test]
fn a_wrong_target_of_a_policy_is_told_by_its_own_reason() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80"]) + &named() + SERVICE;
    for (target, expected) in [
        ("{group: '', kind: Service, name: none}", "TargetNotFound"),
        ("{group: '', kind: ConfigMap, name: web}", "Invalid"),
    ] {
        let policy = POLICY.replace("name: web}]", &format!("name: web}}, {target}]"));
        let lowered = in_range().apply(changes(&(text.clone() + &policy + &route("r", ""))));
        let told = lowered.problems.iter().map(|problem| problem.reason);
        let told: Vec<_> = told.filter(|reason| *reason != "NoEndpoints").collect();
        assert_eq!(told, [expected], "{target}");
    }
}

/// Each Gateway shows its own, whatever routes they share.
#[test]
fn a_route_of_two_gateways_shows_two_certificates() {
    let http = gateway(&["name: http, protocol: HTTP, port: 80"]);
    let other = http.split("---\n").nth(2).expect("a Gateway").replace("name: g,", "name: h,");
    let shows = "  tls: {backend: {clientCertificateRef: {name: own}}}\n";
    let both = route("r", "").replace("{name: g}", "{name: g}, {name: h}");
    let rest = named() + SERVICE + POLICY + &both;
    let mut world = in_range();
    let lowered = world.apply(changes(&format!("{http}{shows}---\n{other}{rest}")));
    let of = |lowered: &Lowered| {
        let model = lowered.model.as_ref().expect("a model");
        let keys = model.listeners.iter().skip(1).map(|listener| {
            let key = listener.hosts[0].rules[0].backends[0].target.key().expect("a backend");
            key.dial.tls.as_ref().expect("TLS").secret.is_some()
        });
        keys.collect::<Vec<_>>()
    };
    let mut found = of(&lowered);
    found.sort_unstable();
    assert_eq!(found, [false, true]);
    assert_eq!(lowered.endpoints.len(), 2);
    // One that shows nothing any more.
    let lowered = world.apply(changes(&http));
    assert_eq!(of(&lowered), [false, false]);
}

/// By one port: into a backend decrypted, or encrypted once more, through as it is, and as HTTP.
#[test]
fn names_say_where_the_tls_of_clients_ends() {
    let own = "tls: {certificateRefs: [{name: own}]}";
    let listeners = [
        format!("name: end, protocol: TLS, port: 443, hostname: end.example, {own}"),
        format!("name: idle, protocol: TLS, port: 443, hostname: idle.example, {own}"),
        "name: pass, protocol: TLS, port: 443, hostname: '*.example', tls: {mode: Passthrough}"
            .into(),
        format!("name: web, protocol: HTTPS, port: 443, {own}"),
    ];
    let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
    let to = route("r", "hostnames: [end.example, a.example]").replace("HTTPRoute", "TLSRoute");
    for (more, dialled) in [(SERVICE.to_owned(), false), (SERVICE.to_owned() + POLICY, true)] {
        let lowered = in_range().apply(changes(&(gateway(&listeners) + &named() + &more + &to)));
        let model = lowered.model.as_ref().expect("a model");
        let of = |backends: &[crate::model::WeightedBackend]| {
            let key = backends[0].target.key().expect("a Service");
            format!("{key}, tls {}", key.dial.tls.is_some())
        };
        let names = model.listeners[1].server_names.iter().map(|name| {
            let action = match &name.action {
                TlsAction::Terminate(_) => "ends".to_owned(),
                TlsAction::Nobody => "nobody".to_owned(),
                TlsAction::Passthrough { backends, .. } => format!("passes to {}", of(backends)),
                TlsAction::Relay { backends, .. } => format!("ends before {}", of(backends)),
            };
            let section = name.section.as_ref().expect("a listener");
            format!("{} of {section} {action}", name.pattern)
        });
        let names: Vec<_> = names.collect();
        let expected = [
            "a.example of *.example passes to shop/web:80, tls false".to_owned(),
            format!("end.example of end.example ends before shop/web:80, tls {dialled}"),
            "idle.example of idle.example nobody".into(),
            "*.example of *.example nobody".into(),
            "* of * ends".into(),
        ];
        assert_eq!(names, expected);
        // Both ways are known to those who look for endpoints.
        assert_eq!(lowered.endpoints.len(), 1 + usize::from(dialled));
        let lines = told(&lowered);
        let ok = "Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs";
        for line in [format!("  end 1 1: {ok}"), format!("  pass 1 1: {ok}")] {
            assert!(lines.contains(&line), "{line} in {lines:?}");
        }
    }
}

/// At shared addresses the oldest Gateway's handshake is that of a hostname: what a younger one
/// demands of clients would be for nothing.
#[test]
fn who_demands_something_else_than_an_older_gateway_is_refused() {
    let demanding = gateway(&[HTTPS])
        + &format!("  tls: {{frontend: {{default: {}}}}}\n", validation(&map("ca")));
    let plain = gateway(&[HTTPS]).replace("name: g,", "name: a,");
    for (other, is_refused) in [(plain, true), (demanding.replace("name: g,", "name: a,"), false)] {
        let lowered = World::new(options()).apply(changes(&(other + &demanding + &named())));
        let lines = told(&lowered);
        let at = lines.iter().position(|line| line.starts_with("g ")).expect("the Gateway");
        let refused = lines[at + 1].contains("!Accepted=HostnameConflict")
            || lines[at + 1].contains("Conflicted=HostnameConflict");
        assert_eq!(refused, is_refused, "{lines:?}");
    }
}

/// What names an Ingress brings along for hosts of a Gateway leads nobody past its handshake.
#[test]
fn names_of_ingresses_are_no_way_round_a_gateway() {
    let demanding = gateway(&[HTTPS])
        + &format!("  tls: {{frontend: {{default: {}}}}}\n", validation(&map("ca")));
    let at = EntryPoint { scheme: Scheme::Https, ..EntryPoint::clear_text(443) };
    let options = LowerOptions { entry_points: vec![at], ..options() };
    let secret = route("r", "hostnames: [secret.x.example, '*.deep.example']");
    // Whether the host of the Ingress has a certificate of the Ingress.
    let rows = [
        ("secret.x.example", "other.example", false),
        ("'*.x.example'", "other.example", false),
        ("'*.x.example'", "other.x.example", true),
        ("'*.x.example'", "'*.x.example'", true),
        ("'*.deep.example'", "other.example", false),
        ("'*.deep.example'", "a.deep.example", true),
    ];
    for (name, host, is_kept) in rows {
        let ingress = format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
             metadata: {{name: i, namespace: shop}}\n\
             spec:\n  tls: [{{hosts: [{name}], secretName: own}}]\n  \
             rules: [{{host: {host}, http: {{paths: [{{path: /, pathType: Prefix, \
             backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]\n"
        );
        let text = demanding.clone() + &named() + SERVICE + &secret + &ingress;
        let lowered = World::new(options.clone()).apply(changes(&text));
        let model = lowered.model.as_ref().expect("a model");
        let listener = model.listeners.iter().find(|listener| {
            listener.hosts.iter().any(|host| host.pattern.to_string() == "secret.x.example")
                && !listener.server_names.is_empty()
        });
        let listener = listener.expect("the one of both");
        for host in ["secret.x.example", "*.deep.example"] {
            let of_host = listener.server_names.iter().find(|n| n.pattern.to_string() == host);
            let of_host = of_host.map(|name| name.section.is_some());
            assert!(of_host != Some(false), "{name}: {host} ends at the Ingress");
        }
        let exact = listener.server_names.iter();
        let exact = exact.filter(|n| n.pattern.to_string() == "secret.x.example").count();
        // What else is below a name that is the Gateway's keeps its certificate.
        let own = host.trim_matches('\'');
        let own = listener.server_names.iter().find(|n| n.pattern.to_string() == own);
        assert_eq!(own.is_some_and(|name| name.section.is_none()), is_kept, "{name} {host}");
        // Of its own only where a wildcard is rightly that of the Ingress.
        assert_eq!(exact, usize::from(name == host), "{name} {host}");
    }
}
