//! `spec.tls`, Secrets and annotations in, server names and policies out.

use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

use super::*;
use crate::model::{ClientIdentityPolicy, Hsts, Kind, ServerTlsId, TlsAction};
use crate::tls::client_auth::ClientAuthId;
use crate::tls::server::ServerTls;

/// A certificate chain and key in PEM.
pub(in crate::control::lower) struct Pair {
    pub chain: String,
    pub key: String,
}

/// Valid between the years, for `names`; the last of them tells it from others.
pub(super) fn pair_of(names: &[&str], years: (i32, i32)) -> Pair {
    let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let chain = params.self_signed(&key).expect("a certificate").pem();
    Pair { chain, key: key.serialize_pem() }
}

pub(in crate::control::lower) fn pair(names: &[&str]) -> Pair {
    pair_of(names, (2000, 2200))
}

pub(super) fn secret_of(name: &str, values: &[(&str, &str)]) -> String {
    let values = values.iter().map(|(key, value)| {
        let octets = ByteString(value.as_bytes().to_vec());
        format!("{key}: {}", serde_json::to_string(&octets).expect("text"))
    });
    let values: Vec<_> = values.collect();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\n\
         data: {{{}}}\n",
        values.join(", ")
    )
}

pub(super) fn secret(name: &str, pair: &Pair) -> String {
    secret_of(name, &[("tls.crt", &pair.chain), ("tls.key", &pair.key)])
}

/// An Ingress with a rule for `host`, unless empty, the flow text of `spec.tls`, and annotations.
pub(super) fn tls_ingress(
    (name, created): (&str, &str),
    host: &str,
    tls: &str,
    annotations: &[(&str, &str)],
) -> String {
    let text = ingress(name, created, host, "/");
    let annotations: Vec<_> = annotations
        .iter()
        .map(|(name, value)| format!("nginx.ingress.kubernetes.io/{name}: \"{value}\""))
        .collect();
    let annotations = format!("annotations: {{{}}}, name: {name}", annotations.join(", "));
    text.replacen(&format!("name: {name}"), &annotations, 1)
        .replace("spec:\n", &format!("spec:\n  tls: {tls}\n"))
}

fn listener(lowered: &Lowered) -> &Listener {
    &lowered.model.as_ref().expect("a model").listeners[0]
}

/// What an id stands for.
fn server_tls(lowered: &Lowered, id: ServerTlsId) -> &Arc<ServerTls> {
    lowered.server_tls.get(&id).expect("settings")
}

/// `pattern -> last name of the certificate [auth]`, or the backend that it is passed to.
fn names(lowered: &Lowered) -> Vec<String> {
    let names = listener(lowered).server_names.iter().map(|name| match &name.action {
        TlsAction::Terminate(id) => {
            let tls = server_tls(lowered, *id);
            let served = tls.certificate().names().last().map_or("", String::as_str);
            let auth = if tls.client_auth() == ClientAuthId(0) { "" } else { " auth" };
            format!("{} -> {served}{auth}", name.pattern)
        }
        TlsAction::Passthrough { backends, .. } => {
            let [backend] = &backends[..] else { unreachable!("an Ingress names one") };
            let backend = backend.target.key().expect("a Service");
            format!("{} => {backend}", name.pattern)
        }
        other => format!("{} => {other:?}", name.pattern),
    });
    names.collect()
}

/// `host path [redirect] [hsts] [refusal]` of each rule.
fn policies(lowered: &Lowered) -> Vec<String> {
    let hosts = &listener(lowered).hosts;
    let rules = hosts.iter().flat_map(|host| host.rules.iter().map(move |rule| (host, rule)));
    let text = rules.map(|(host, rule)| {
        let (PathMatch::Prefix(path) | PathMatch::Exact(path)) = &rule.matches[0].path else {
            unreachable!("no patterns here")
        };
        let mut text = format!("{} {path}", host.pattern);
        let Policies { https_redirect, hsts, refusal, .. } = &rule.policies;
        text += &https_redirect.map(|status| format!(" {status}")).unwrap_or_default();
        text += &refusal.map(|refusal| format!(" {refusal:?}")).unwrap_or_default();
        text + &hsts.as_ref().map(|hsts| format!(" [{hsts}]")).unwrap_or_default()
    });
    text.collect()
}

pub(super) fn delete(kind: Kind, name: &str) -> Vec<Change> {
    let reference = ObjectRef { kind, namespace: "default".into(), name: name.into() };
    vec![Change::Delete(reference)]
}

/// Suites of TLS 1.2 that clients of each host are offered.
fn suites(lowered: &Lowered) -> Vec<String> {
    let names = listener(lowered).server_names.iter().map(|name| {
        let TlsAction::Terminate(id) = &name.action else { unreachable!("nothing is passed on") };
        let config = server_tls(lowered, *id).config();
        let suites = config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite());
        let suites: Vec<_> = suites.filter(|suite| u16::from(*suite) >= 0x2000).collect();
        format!("{} {suites:?}", name.pattern)
    });
    names.collect()
}

#[test]
fn a_host_has_its_own_cipher_suites() {
    let entry = |host: &str| format!("[{{hosts: [{host}], secretName: s}}]");
    let of = |name, created, host, list| {
        tls_ingress((name, created), host, &entry(host), &[("ssl-ciphers", list)])
    };
    let text = [
        of("a", "2020", "a.example", "ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA"),
        // The older one has said it.
        of("z", "2021", "a.example", "ECDHE-RSA-AES128-GCM-SHA256"),
        of("b", "2020", "b.example", "AES256-SHA"),
        secret("s", &pair(&["a.example", "b.example"])),
    ];
    let lowered = lower(&text.concat());
    let all = suites(&lowered);
    assert_eq!(all[0], "a.example [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]");
    assert!(all[1].contains("AES_128") && all[1].contains("AES_256"), "{all:?}");
    let told = lowered.problems.iter().filter(|problem| problem.field.ends_with("ssl-ciphers"));
    let told: Vec<_> = told.map(|problem| &*problem.message).collect();
    assert_eq!(told, ["\"AES256-SHA\" cannot be used: there is none of these suites."]);
}

#[test]
fn certificate_of_a_host() {
    let secret = secret("s", &pair(&["a.example", "*.w.example", "mine"]));
    let none: &[&str] = &[];
    for (host, tls, expected, problems) in [
        ("a.example", "[{hosts: [a.example], secretName: s}]", &["a.example -> mine"][..], none),
        (
            "a.example",
            "[{hosts: [A.EXAMPLE], secretName: s}]",
            &["a.example -> mine"],
            &["InvalidHost spec.tls[0].hosts[0]"],
        ),
        // Listed nowhere, but covered.
        ("a.example", "[{secretName: s}]", &["a.example -> mine"], none),
        (
            "x.w.example",
            "[{hosts: [a.example], secretName: s}]",
            &["a.example -> mine", "x.w.example -> mine"],
            none,
        ),
        (
            "*.w.example",
            "[{hosts: ['*.w.example'], secretName: s}]",
            &["*.w.example -> mine"],
            none,
        ),
        // Neither: nothing of its own.
        ("b.example", "[{hosts: [a.example], secretName: s}]", &["a.example -> mine"], none),
        // Listed and not covered.
        (
            "b.example",
            "[{hosts: [b.example], secretName: s}]",
            &["b.example -> ringway.local"],
            &["CertificateHost spec.tls[0].hosts[0]"],
        ),
        // The default is asked for.
        ("a.example", "[{hosts: [a.example]}]", &["a.example -> ringway.local"], none),
        (
            "a.example",
            "[{hosts: [a.example], secretName: ''}]",
            &["a.example -> ringway.local"],
            none,
        ),
        // A rule without a host has no name.
        ("", "[{hosts: [a.example], secretName: s}]", &["a.example -> mine"], none),
        (
            "",
            "[{hosts: ['', a_b..c, x.w.example], secretName: s}]",
            &["x.w.example -> mine"],
            &["InvalidHost spec.tls[0].hosts[0]", "InvalidHost spec.tls[0].hosts[1]"],
        ),
    ] {
        let lowered = lower(&format!("{secret}{}", tls_ingress(("i", ""), host, tls, &[])));
        assert_eq!(names(&lowered), expected, "{host} {tls}");
        assert_eq!(reasons(&lowered), problems, "{host} {tls}");
    }
}

#[test]
fn entries_and_hosts_are_bounded() {
    use crate::limits::{TLS_ENTRIES_PER_INGRESS_MAX, TLS_HOSTS_PER_INGRESS_MAX};
    let many = "a.example, ".repeat(TLS_HOSTS_PER_INGRESS_MAX + 3);
    let lowered = lower(&tls_ingress(("i", ""), "h", &format!("[{{hosts: [{many}]}}]"), &[]));
    let last = format!("TooManyTlsHosts spec.tls[0].hosts[{TLS_HOSTS_PER_INGRESS_MAX}]");
    assert_eq!(reasons(&lowered), [last]);
    let many = "{hosts: [a.example]}, ".repeat(TLS_ENTRIES_PER_INGRESS_MAX + 3);
    let lowered = lower(&tls_ingress(("i", ""), "h", &format!("[{many}]"), &[]));
    let last = format!("TooManyTlsEntries spec.tls[{TLS_ENTRIES_PER_INGRESS_MAX}]");
    assert_eq!(reasons(&lowered), [last]);
}

/// The middle of a year.
fn year(year: i32) -> SystemTime {
    date_time_ymd(year, 7, 1).into()
}

#[test]
fn time_alone_changes_what_serves() {
    let reference = ObjectRef { kind: Kind::Secret, namespace: "default".into(), name: "s".into() };
    let (mut store, mut secrets) = (Store::default(), secrets::Secrets::default());
    let mut look = |store: &Store, at| {
        let due = secrets.due(year(at)).len();
        let found = secrets.certificate(&store.secrets, &reference, year(at));
        let served = found.certificate.and_then(|c| c.names().last().cloned());
        (due, served.unwrap_or_default(), found.defect.map(|defect| defect.to_string()))
    };
    let over = Some("the certificate of the Secret default/s has expired".to_owned());
    let early = Some("the certificate of the Secret default/s is not valid yet".to_owned());
    store.apply(changes(&secret("s", &pair_of(&["a"], (2000, 2010)))));
    assert_eq!(look(&store, 2005), (0, "a".into(), None));
    store.apply(changes(&secret("s", &pair_of(&["b"], (2020, 2030)))));
    assert_eq!(look(&store, 2006), (0, "a".into(), early.clone()));
    // The last good one is over, too: one that is yet to come is no worse.
    assert_eq!(look(&store, 2011), (1, "b".into(), early));
    assert_eq!(look(&store, 2021), (1, "b".into(), None));
    assert_eq!(look(&store, 2031), (1, "b".into(), over.clone()));
    assert_eq!(look(&store, 2032), (0, "b".into(), over));
}

#[test]
fn the_oldest_ingress_that_yields_a_certificate_decides() {
    let secrets = secret("s", &pair(&["h", "first"])) + &secret("t", &pair(&["h", "second"]));
    let entry = |secret: &str| format!("[{{hosts: [h], secretName: {secret}}}]");
    for (old, young, expected) in
        [("s", "t", "first"), ("t", "s", "second"), ("none", "t", "second")]
    {
        let old = tls_ingress(("z", "2020"), "h", &entry(old), &[]);
        let young = tls_ingress(("a", "2021"), "h", &entry(young), &[]);
        let lowered = lower(&format!("{secrets}{young}{old}"));
        assert_eq!(names(&lowered), [format!("h -> {expected}")]);
    }
}

#[test]
fn several_entries_list_a_host() {
    let secrets = secret("s", &pair(&["other", "first"])) + &secret("t", &pair(&["h", "second"]));
    let tls = "[{hosts: [h], secretName: s}, {hosts: [h], secretName: t}]";
    let lowered = lower(&format!("{secrets}{}", tls_ingress(("i", ""), "h", tls, &[])));
    assert_eq!(names(&lowered), ["h -> second"]);
    assert_eq!(reasons(&lowered), ["CertificateHost spec.tls[0].hosts[0]"]);
}

/// Versions of a Secret that cannot serve as meant, with their reason.
fn bad_versions() -> Vec<(String, &'static str)> {
    let (good, other) = (pair(&["h", "good"]), pair(&["h", "other"]));
    vec![
        (secret_of("s", &[("tls.crt", &good.chain)]), "SecretInvalid"),
        (secret_of("s", &[("tls.crt", ""), ("tls.key", &good.key)]), "SecretInvalid"),
        (secret_of("s", &[("tls.crt", "-"), ("tls.key", &good.key)]), "CertificateInvalid"),
        (secret_of("s", &[("tls.crt", &good.chain), ("tls.key", "-")]), "CertificateInvalid"),
        (
            secret_of("s", &[("tls.crt", &good.chain), ("tls.key", &other.key)]),
            "CertificateKeyMismatch",
        ),
        (secret("s", &pair_of(&["h", "over"], (2000, 2001))), "CertificateExpired"),
        (secret("s", &pair_of(&["h", "soon"], (2190, 2200))), "CertificateNotYetValid"),
    ]
}

#[test]
fn what_is_wrong_with_a_secret_is_told_to_its_users() {
    let ingress = tls_ingress(("i", ""), "h", "[{hosts: [h], secretName: s}]", &[]);
    let missing = (String::new(), "SecretMissing");
    for (secret, reason) in bad_versions().into_iter().chain([missing]) {
        let lowered = lower(&format!("{secret}{ingress}"));
        let served = match reason {
            "CertificateExpired" => "over",
            "CertificateNotYetValid" => "soon",
            _ => "ringway.local",
        };
        assert_eq!(names(&lowered), [format!("h -> {served}")], "{reason}");
        assert_eq!(reasons(&lowered), [format!("{reason} spec.tls[0].secretName")]);
        let problem = lowered.problems.iter().find(|p| p.reason == reason).expect("it");
        assert_eq!(problem.object.as_ref().map(|o| &*o.name), Some("i"));
        assert!(problem.position.is_some() && problem.message.contains("default/s"), "{problem}");
    }
}

#[test]
fn the_last_good_certificate_stays_in_force() {
    let ingress = tls_ingress(("i", ""), "h", "[{hosts: [h], secretName: s}]", &[]);
    let good = secret("s", &pair(&["h", "good"]));
    for (bad, reason) in bad_versions() {
        let mut world = World::new(options());
        world.apply(changes(&format!("{good}{ingress}")));
        let lowered = world.apply(changes(&bad));
        assert!(lowered.model.is_none(), "{reason}");
        assert_eq!(reasons(&lowered), [format!("{reason} spec.tls[0].secretName")]);
        assert!(lowered.problems.iter().any(|p| p.message.contains("last good")), "{reason}");
        let lowered = world.apply(changes(&secret("s", &pair(&["h", "better"]))));
        assert_eq!(names(&lowered), ["h -> better"]);
        assert!(reasons(&lowered).is_empty());
        // Deleted on purpose: nothing of it is left, not even when a bad one comes back.
        let lowered = world.apply(delete(Kind::Secret, "s"));
        assert_eq!(names(&lowered), ["h -> ringway.local"]);
        assert_eq!(reasons(&lowered), ["SecretMissing spec.tls[0].secretName"]);
    }
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let ingress = tls_ingress(("i", ""), "h", "[{hosts: [h], secretName: s}]", &[]);
    let mut world = World::new(options());
    world.apply(changes(&format!("{}{ingress}", secret("s", &pair(&["h", "good"])))));
    assert!(names(&world.apply(delete(Kind::Ingress, "i"))).is_empty());
    world.apply(changes(&bad_versions().remove(0).0));
    assert_eq!(names(&world.apply(changes(&ingress))), ["h -> ringway.local"]);
}

#[test]
fn a_changed_secret_touches_its_users_alone_and_no_route() {
    let mut world = World::new(options());
    let one = tls_ingress(("a", ""), "a.example", "[{secretName: s}]", &[]);
    let two = tls_ingress(("b", ""), "b.example", "[{secretName: t}]", &[]);
    let secret_of_b = secret("t", &pair(&["b.example", "b"]));
    let before = world.apply(changes(&format!("{one}{two}{secret_of_b}")));
    assert_eq!(names(&before), ["b.example -> b"]);
    let after = world.apply(changes(&secret("s", &pair(&["a.example", "a"]))));
    assert_eq!(names(&after), ["a.example -> a", "b.example -> b"]);
    let [before, after] = [&before, &after].map(listener);
    assert!(Arc::ptr_eq(&before.server_names[0], &after.server_names[1]));
    assert!(before.hosts.iter().zip(&after.hosts).all(|(a, b)| Arc::ptr_eq(a, b)));
    let unused = secret("u", &pair(&["u.example"]));
    assert!(world.apply(changes(&unused)).model.is_none());
}

#[test]
fn hosts_with_the_same_certificate_share_settings() {
    let tls = "[{hosts: [a.w, b.w, c.w], secretName: s}]";
    let secret = secret("s", &pair(&["*.w"]));
    let lowered = lower(&format!("{secret}{}", tls_ingress(("i", ""), "a.w", tls, &[])));
    let settings = listener(&lowered).server_names.iter().filter_map(|name| match &name.action {
        TlsAction::Terminate(id) => Some(*id),
        _ => None,
    });
    let settings: Vec<_> = settings.collect();
    assert!(settings.len() == 3 && settings.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn default_certificate_is_that_of_the_flag_or_self_signed() {
    let reference = ObjectRef { kind: Kind::Secret, namespace: "default".into(), name: "d".into() };
    let options = LowerOptions { default_certificate: Some(reference.clone()), ..options() };
    let mut world = World::new(options);
    let served = |lowered: &Lowered| {
        let tls = listener(lowered).default_tls.expect("a default");
        server_tls(lowered, tls).certificate().names().last().cloned()
    };
    let lowered = world.apply(changes(&tls_ingress(("i", ""), "h", "[{hosts: [h]}]", &[])));
    assert_eq!(served(&lowered).as_deref(), Some("ringway.local"));
    assert_eq!(reasons(&lowered), ["SecretMissing "]);
    assert_eq!(lowered.problems[0].object, Some(reference));
    let lowered = world.apply(changes(&secret("d", &pair(&["d.example", "default"]))));
    assert_eq!(served(&lowered).as_deref(), Some("default"));
    assert_eq!(names(&lowered), ["h -> default"]);
    assert!(reasons(&lowered).is_empty());
}

#[test]
fn ticket_keys_are_those_of_the_flag_or_random() {
    const INVALID: &[&str] = &["TicketKeysInvalid "];
    let reference = ObjectRef { kind: Kind::Secret, namespace: "default".into(), name: "t".into() };
    let options = LowerOptions { ticket_keys: Some(reference.clone()), ..options() };
    let mut world = World::new(options);
    let one = "1".repeat(80);
    let two = format!("{}{one}", "2".repeat(80));
    let many = one.repeat(crate::limits::TLS_TICKET_KEYS_MAX + 1);
    let host = tls_ingress(("i", ""), "h", "[{hosts: [h]}]", &[]);
    let lowered = world.apply(changes(&host));
    assert_eq!(reasons(&lowered), ["SecretMissing "]);
    assert_eq!(lowered.problems[0].object.as_ref(), Some(&reference));
    // A ticket of `from` opens with the settings of `to`.
    let opens = |from: &Arc<ServerTls>, to: &Arc<ServerTls>| {
        let ticket = from.config().ticketer.encrypt(b"state").expect("a ticket");
        to.config().ticketer.decrypt(&ticket).is_some()
    };
    let of = |lowered: &Lowered| {
        let id = listener(lowered).default_tls.expect("a default");
        Arc::clone(server_tls(lowered, id))
    };
    let random = of(&lowered);
    let first = world.apply(changes(&secret_of("t", &[("keys", &one)])));
    assert!(reasons(&first).is_empty());
    let TlsAction::Terminate(of_host) = &listener(&first).server_names[0].action else {
        panic!("passed through")
    };
    assert_eq!(Some(*of_host), listener(&first).default_tls, "every name has them");
    assert!(!opens(&random, &of(&first)));
    // Another entry makes them no others.
    let same = world.apply(changes(&secret_of("t", &[("keys", &one), ("more", "x")])));
    assert!(same.model.is_none());
    let second = world.apply(changes(&secret_of("t", &[("keys", &two)])));
    assert!(opens(&of(&first), &of(&second)) && !opens(&of(&second), &of(&first)));
    let mut before = of(&second);
    for (values, expected) in [
        (&[("keys", "short")][..], INVALID),
        (&[("keys", many.as_str())], INVALID),
        (&[("other", one.as_str())], &["SecretInvalid "]),
    ] {
        let broken = world.apply(changes(&secret_of("t", values)));
        assert_eq!(reasons(&broken), expected);
        if broken.model.is_some() {
            let now = of(&broken);
            assert!(!opens(&before, &now));
            before = now;
        }
    }
    let again = world.apply(changes(&secret_of("t", &[("keys", &one)])));
    assert!(reasons(&again).is_empty() && opens(&of(&first), &of(&again)));
    let gone = world.apply(delete(Kind::Secret, "t"));
    assert_eq!(reasons(&gone), ["SecretMissing "]);
    assert!(!opens(&of(&again), &of(&gone)));
    // What was refused is not missing: its owner knows.
    let refused = world.apply(vec![Change::Broken(reference)]);
    assert!(reasons(&refused).is_empty());
}

#[test]
fn redirect_to_https() {
    let entry = "[{hosts: [h], secretName: missing}]";
    for (host, tls, annotations, expected) in [
        ("h", entry, &[][..], "h / 308"),
        // Any entry counts for all hosts of the Ingress.
        ("x", entry, &[], "x / 308"),
        ("", entry, &[], "* / 308"),
        ("h", "[]", &[], "h /"),
        ("h", entry, &[("ssl-redirect", "false")], "h /"),
        ("h", entry, &[("ssl-redirect", "")], "h / 308"),
        ("h", "[]", &[("ssl-redirect", "true")], "h /"),
        ("h", "[]", &[("force-ssl-redirect", "true")], "h / 308"),
        ("h", entry, &[("ssl-redirect", "false"), ("force-ssl-redirect", "True")], "h / 308"),
        ("h", entry, &[("force-ssl-redirect", "false")], "h / 308"),
    ] {
        let text = tls_ingress(("i", ""), host, tls, annotations);
        let lowered = lower(&text);
        assert_eq!(policies(&lowered), [expected], "{host:?} {tls} {annotations:?}");
        let acme = text.replace("path: /", "path: /.well-known/acme-challenge/x");
        let policies = policies(&lower(&acme));
        assert!(policies[0].contains("acme") && !policies[0].contains("308"), "{policies:?}");
    }
}

#[test]
fn a_host_takes_the_entries_of_others_but_its_own_annotations() {
    let mut world = World::new(options());
    let plain = ingress("p", "", "a.w", "/p");
    assert_eq!(policies(&world.apply(changes(&plain))), ["a.w /p"]);
    // Another Ingress lists the host without a rule for it.
    let listing = tls_ingress(("l", ""), "x", "[{hosts: [a.w]}]", &[("ssl-redirect", "false")]);
    let lowered = world.apply(changes(&listing));
    assert_eq!(policies(&lowered), ["a.w /p 308", "a.w / 308", "x /"]);
    assert_eq!(policies(&world.apply(delete(Kind::Ingress, "l"))), ["a.w /p"]);
    // Its one-label wildcard has an entry.
    let wildcard = tls_ingress(("w", ""), "*.w", "[{hosts: ['*.w']}]", &[]);
    assert_eq!(
        policies(&world.apply(changes(&wildcard))),
        ["a.w /p 308", "a.w / 308", "*.w / 308"]
    );
    let plain_wildcard = tls_ingress(("w", ""), "*.w", "[]", &[]);
    assert_eq!(policies(&world.apply(changes(&plain_wildcard))), ["a.w /p", "*.w /"]);
}

#[test]
fn hsts_is_for_hosts_with_an_entry() {
    let hsts = Hsts { is_sent: true, max_age: 1, includes_subdomains: false, ..Hsts::default() };
    let mut world = World::new(LowerOptions { hsts, ..options() });
    let with = tls_ingress(("w", ""), "w", "[{hosts: [w]}]", &[("ssl-redirect", "false")]);
    let without = tls_ingress(("x", ""), "x", "[]", &[("force-ssl-redirect", "true")]);
    let lowered = world.apply(changes(&format!("{with}{without}")));
    assert_eq!(policies(&lowered), ["w / [max-age=1]", "x / 308"]);
}

#[test]
fn values_that_no_annotation_has_are_said() {
    let annotations =
        [("ssl-redirect", "no"), ("force-ssl-redirect", "2"), ("ssl-passthrough", "y")];
    let lowered = lower(&tls_ingress(("i", ""), "h", "[{hosts: [h]}]", &annotations));
    let expected = annotations.map(|(name, _)| {
        format!("InvalidAnnotation metadata.annotations.nginx.ingress.kubernetes.io/{name}")
    });
    assert_eq!(reasons(&lowered), expected);
    assert_eq!(policies(&lowered), ["h / 308"]);
    assert_eq!(names(&lowered), ["h -> ringway.local"]);
}

#[test]
fn passthrough_is_for_the_oldest_ingress_of_a_host() {
    const FIELD: &str = "metadata.annotations.nginx.ingress.kubernetes.io/ssl-passthrough";
    let on = &[("ssl-passthrough", "true")][..];
    let unused = format!("PassthroughNotUsed {FIELD}");
    let unused = &[unused.as_str()][..];
    let secret = secret("s", &pair(&["h", "mine"]));
    let tls = "[{hosts: [h], secretName: s}]";
    let through = &["h => default/web:80"][..];
    for (old, young, expected, problems) in [
        (tls_ingress(("o", "2020"), "h", "[]", on), String::new(), through, &[][..]),
        // The certificate is of no use then.
        (tls_ingress(("o", "2020"), "h", tls, on), String::new(), through, &[]),
        (
            tls_ingress(("o", "2020"), "h", "[]", on),
            tls_ingress(("y", "2021"), "h", tls, &[]),
            through,
            &[],
        ),
        (
            tls_ingress(("o", "2020"), "h", tls, &[]),
            tls_ingress(("y", "2021"), "h", "[]", on),
            &["h -> mine"],
            unused,
        ),
        (
            tls_ingress(("o", "2020"), "h", tls, on).replace("path: /", "path: /x"),
            String::new(),
            &["h -> mine"],
            unused,
        ),
        (tls_ingress(("o", "2020"), "", "[]", on), String::new(), &[], unused),
    ] {
        let lowered = lower(&format!("{secret}{old}{young}"));
        assert_eq!(names(&lowered), expected, "{old}{young}");
        let mut found = reasons(&lowered);
        found.retain(|reason| !reason.starts_with("PathConflict"));
        assert_eq!(found, problems, "{old}{young}");
    }
}

/// The id of what the host demands.
fn demand(lowered: &Lowered, host: &str) -> Option<ClientAuthId> {
    let mut names = listener(lowered).server_names.iter();
    let name = names.find(|name| name.pattern.to_string() == host)?;
    match &name.action {
        TlsAction::Terminate(id) => Some(server_tls(lowered, *id).client_auth()),
        _ => None,
    }
}

#[test]
fn client_certificates_are_demanded_per_host() {
    let ca = secret_of("ca", &[("ca.crt", &pair(&["ca"]).chain)]);
    let secrets = secret("s", &pair(&["h", "mine"])) + &ca;
    let tls = "[{hosts: [h], secretName: s}]";
    let auth = |verify: &[(&'static str, &'static str)]| {
        let annotations = [&[("auth-tls-secret", "default/ca")], verify].concat();
        lower(&format!("{secrets}{}", tls_ingress(("i", ""), "h", tls, &annotations)))
    };
    let on = auth(&[]);
    assert_eq!((names(&on), reasons(&on)), (vec!["h -> mine auth".into()], vec![]));
    assert_eq!(policies(&on), ["h / 308"]);
    let explicit = auth(&[("auth-tls-verify-client", "on")]);
    assert_eq!(demand(&on, "h"), demand(&explicit, "h"));
    let optional = auth(&[("auth-tls-verify-client", "optional")]);
    assert_eq!(names(&optional), ["h -> mine auth"]);
    assert_ne!(demand(&on, "h"), demand(&optional, "h"));
    let no_ca = auth(&[("auth-tls-verify-client", "optional_no_ca")]);
    assert_ne!(demand(&optional, "h"), demand(&no_ca, "h"));
    let deep = auth(&[("auth-tls-verify-depth", "2")]);
    assert_ne!(demand(&on, "h"), demand(&deep, "h"));
    for depth in ["0", "1"] {
        let shallow = auth(&[("auth-tls-verify-depth", depth)]);
        assert_eq!((demand(&shallow, "h"), reasons(&shallow)), (demand(&on, "h"), vec![]));
    }
    // As ingress-nginx takes them, and with a word.
    for (name, value) in [
        ("auth-tls-verify-client", "true"),
        ("auth-tls-verify-depth", "deep"),
        ("auth-tls-verify-depth", "256"),
    ] {
        let odd = auth(&[(name, value)]);
        assert_eq!(demand(&odd, "h"), demand(&on, "h"), "{value}");
        let field = format!("metadata.annotations.nginx.ingress.kubernetes.io/{name}");
        assert_eq!(reasons(&odd), [format!("InvalidAnnotation {field}")]);
    }
    let told = |lowered: &Lowered| listener(lowered).hosts[0].rules[0].policies.client_identity;
    assert_eq!(told(&on), ClientIdentityPolicy::Told);
    let passing = auth(&[("auth-tls-pass-certificate-to-upstream", "true")]);
    assert_eq!(told(&passing), ClientIdentityPolicy::WithCertificate);
    assert_eq!(demand(&passing, "h"), demand(&on, "h"), "connections may be shared");
    let off = auth(&[("auth-tls-verify-client", "off")]);
    assert_eq!((names(&off), told(&off)), (vec!["h -> mine".into()], ClientIdentityPolicy::Told));
    assert_eq!(told(&lower(&tls_ingress(("i", ""), "h", "[]", &[]))), ClientIdentityPolicy::Untold);
    // Nothing says whose certificates are meant: as in ingress-nginx, but not without a word.
    for (mode, expected) in [("on", 1), ("optional", 1), ("off", 0)] {
        let alone = [("auth-tls-verify-client", mode)];
        let lowered = lower(&tls_ingress(("i", ""), "h", "[]", &alone));
        assert_eq!(told(&lowered), ClientIdentityPolicy::Untold);
        let field = "metadata.annotations.nginx.ingress.kubernetes.io/auth-tls-verify-client";
        assert_eq!(reasons(&lowered), vec![format!("InvalidAnnotation {field}"); expected]);
    }
    // Without a certificate of its own the host demands it all the same.
    let annotations = [("auth-tls-secret", "default/ca")];
    let lowered = lower(&format!("{ca}{}", tls_ingress(("i", ""), "h", "[]", &annotations)));
    assert_eq!(names(&lowered), ["h -> ringway.local auth"]);
}

#[test]
fn a_host_whose_clients_cannot_be_checked_is_closed() {
    const FIELD: &str = "metadata.annotations.nginx.ingress.kubernetes.io/auth-tls";
    let ca = secret_of("ca", &[("ca.crt", &pair(&["ca"]).chain)]);
    for (host, secret, ca, verify, problem) in [
        ("h", "default/ca", String::new(), "on", "SecretMissing"),
        ("h", "default/ca", secret_of("ca", &[("tls.crt", "x")]), "on", "SecretInvalid"),
        ("h", "default/ca", secret_of("ca", &[("ca.crt", "x")]), "on", "ClientCaInvalid"),
        ("h", "other/ca", ca.clone(), "on", "InvalidAnnotation"),
        ("h", "ca", ca.clone(), "on", "InvalidAnnotation"),
        ("h", "default/ca/x", ca.clone(), "on", "InvalidAnnotation"),
        ("", "default/ca", ca, "on", "ClientAuthWithoutHost"),
    ] {
        let annotations = [("auth-tls-secret", secret), ("auth-tls-verify-client", verify)];
        let text = tls_ingress(("i", ""), host, "[]", &annotations);
        let lowered = lower(&format!("{ca}{text}"));
        assert_eq!(reasons(&lowered), [format!("{problem} {FIELD}-secret")], "{secret} {verify}");
        let policies = policies(&lowered);
        assert!(
            policies.iter().all(|text| text.ends_with(" / ClientCertificates")),
            "{policies:?}"
        );
    }
}

#[test]
fn a_host_opens_when_its_ca_comes_and_closes_when_it_goes() {
    let mut world = World::new(options());
    let annotations = [("auth-tls-secret", "default/ca")];
    let text = tls_ingress(("i", ""), "h", "[]", &annotations);
    assert_eq!(policies(&world.apply(changes(&text))), ["h / ClientCertificates"]);
    let ca = secret_of("ca", &[("ca.crt", &pair(&["ca"]).chain)]);
    let lowered = world.apply(changes(&ca));
    assert_eq!(
        (policies(&lowered), names(&lowered)),
        (vec!["h /".into()], vec!["h -> ringway.local auth".into()])
    );
    // No older version stands in.
    let lowered = world.apply(changes(&secret_of("ca", &[("ca.crt", "x")])));
    assert_eq!(policies(&lowered), ["h / ClientCertificates"]);
}

#[test]
fn the_oldest_demand_counts() {
    let ca = secret_of("ca", &[("ca.crt", &pair(&["ca"]).chain)]);
    let auth = |verify| [("auth-tls-secret", "default/ca"), ("auth-tls-verify-client", verify)];
    let old = tls_ingress(("o", "2020"), "h", "[]", &auth("optional"));
    let young = tls_ingress(("y", "2021"), "h", "[]", &auth("on")).replace("path: /", "path: /y");
    let both = lower(&format!("{ca}{young}{old}"));
    assert_eq!(demand(&both, "h"), demand(&lower(&format!("{ca}{old}")), "h"));
    assert_eq!(
        reasons(&both),
        ["ClientAuthConflict metadata.annotations.nginx.ingress.kubernetes.io/auth-tls-secret"]
    );
}

#[test]
fn secrets_of_one_name_in_two_namespaces_are_two() {
    let owned = |namespace: &str, host: &str| {
        let secret = secret_of("ca", &[("ca.crt", &pair(&[namespace]).chain)]);
        let named = format!("{namespace}/ca");
        let ingress = tls_ingress((namespace, ""), host, "[]", &[("auth-tls-secret", &named)]);
        let within = |text: String, name: &str| {
            text.replacen(name, &format!("{name}, namespace: {namespace}"), 1)
        };
        within(secret, "name: ca") + &within(ingress, &format!("name: {namespace}"))
    };
    let (one, two) = (owned("a", "h"), owned("b", "i"));
    let (alone, both) = (lower(&one), lower(&format!("{one}{two}")));
    assert_eq!(reasons(&both), [""; 0]);
    assert!(demand(&both, "h").is_some() && demand(&both, "i").is_some());
    assert_ne!(demand(&both, "h"), demand(&both, "i"));
    assert_eq!(demand(&both, "h"), demand(&alone, "h"));
    // To one host they are as any two demands: the older counts, and the other is told.
    let rival = lower(&format!("{one}{}", owned("b", "h").replace("path: /", "path: /b")));
    assert_eq!(demand(&rival, "h"), demand(&alone, "h"));
    let told = reasons(&rival);
    assert!(matches!(&told[..], [told] if told.starts_with("ClientAuthConflict ")), "{told:?}");
}

#[test]
fn hosts_below_a_demanding_wildcard_do_not_inherit_the_demand() {
    let ca = secret_of("ca", &[("ca.crt", &pair(&["ca"]).chain)]);
    let secrets = secret("s", &pair(&["*.w", "wild"])) + &ca;
    let annotations = [("auth-tls-secret", "default/ca")];
    let wildcard = |annotations| {
        tls_ingress(("w", ""), "*.w", "[{hosts: ['*.w'], secretName: s}]", annotations)
    };
    let mut world = World::new(options());
    let plain = ingress("p", "", "a.w", "/");
    let lowered = world.apply(changes(&format!("{secrets}{plain}{}", wildcard(&annotations[..]))));
    assert_eq!(names(&lowered), ["a.w -> wild", "*.w -> wild auth"]);
    let lowered = world.apply(changes(&secret("s", &pair(&["*.w", "newer"]))));
    assert_eq!(names(&lowered), ["a.w -> newer", "*.w -> newer auth"]);
    let lowered = world.apply(changes(&wildcard(&[])));
    assert_eq!(names(&lowered), ["*.w -> newer"]);
    let through = world.apply(changes(&wildcard(&[("ssl-passthrough", "true")])));
    assert_eq!(names(&through), ["a.w -> ringway.local", "*.w => default/web:80"]);
}
