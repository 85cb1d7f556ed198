//! What is made of keys, and what is told of them.

use std::time::Duration;

use super::globals::NamingScope;
use super::*;
use crate::control::source::manifest;
use crate::filter::{AddressRanges, Believed, ForwardedList, ParentWord, Ratio, RootSampler};
use crate::limits::HTTP2_STREAMS_MAX;
use crate::model::{
    Balance, Collector, CollectorChannel, CollectorProtocol, Defaults, Downstream, OddNames,
};
use crate::model::{ProxyProtocol, Traces};
use crate::tls::client::Version;
use crate::tls::server_terms::{Application, Resumption, ServerTerms};

fn options() -> LowerOptions {
    LowerOptions::cluster("c", "example.com/c")
}

fn object_ref(name: &str) -> ObjectRef {
    ObjectRef { kind: crate::model::Kind::ConfigMap, namespace: "a".into(), name: name.into() }
}

/// The globals, and `Reason field` of each problem.
fn read(in_force: &mut InForce, data: &str) -> (Globals, Vec<String>) {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
    let source = manifest::read(&"f".into(), &text).objects.remove(0);
    let Object::ConfigMap(object) = source.object else { panic!("a ConfigMap") };
    let entry = Entry { object, provenance: source.provenance };
    let (globals, problems) = in_force.read(&source.reference, Found::Object(&entry), &options());
    (globals, problems.iter().map(|p| format!("{} {}", p.reason, p.field)).collect())
}

/// The messages and the advice of a first reading.
fn told(data: &str) -> Vec<String> {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
    let source = manifest::read(&"f".into(), &text).objects.remove(0);
    let Object::ConfigMap(object) = source.object else { panic!("a ConfigMap") };
    let entry = Entry { object, provenance: source.provenance };
    let (_, problems) =
        InForce::default().read(&source.reference, Found::Object(&entry), &options());
    problems.iter().map(|p| format!("{} {}", p.message, p.advice)).collect()
}

#[test]
fn keys_have_one_row_each_and_are_in_order() {
    let mut names: Vec<_> = groups::names().map(|key| key.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn keys_are_read_by_their_rows() {
    let none = Globals { nothing: nothing(), ..Globals::default() };
    let fields = |names: &[&str]| Globals {
        allowed_answer_fields: names.iter().map(|name| (*name).into()).collect(),
        ..none.clone()
    };
    let any = Globals { naming: NamingScope::Any, ..none.clone() };
    let cases: [(&str, Globals, &[&str]); 9] = [
        ("", none.clone(), &[]),
        ("no-such-key: \"1\"", none.clone(), &["KeyNotSupported data.no-such-key"]),
        ("global-allowed-response-headers: \" \"", none.clone(), &[]),
        (
            "global-allowed-response-headers: \"X-A, x-b,,X_C \"",
            fields(&["x-a", "x-b", "x_c"]),
            &[],
        ),
        (
            "global-allowed-response-headers: \"X-A: 1\"",
            none.clone(),
            &["InvalidValue data.global-allowed-response-headers"],
        ),
        ("allow-cross-namespace-resources: \"true\"", any.clone(), &[]),
        ("allow-cross-namespace-resources: \"F\"", none.clone(), &[]),
        (
            "allow-cross-namespace-resources: \"yes\"",
            none,
            &["InvalidValue data.allow-cross-namespace-resources"],
        ),
        (
            "allow-cross-namespace-resources: \" True \", other: \"\"",
            any,
            &["KeyNotSupported data.other"],
        ),
    ];
    for (data, expected, told) in cases {
        let told: Vec<_> = told.iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(read(&mut InForce::default(), data), (expected, told), "{data}");
    }
}

/// What Ingresses without annotations ask for if no key says anything.
fn nothing() -> Arc<crate::control::lower::settings::Settings> {
    Arc::default()
}

#[test]
fn what_is_wrong_is_told_with_what_counts_instead() {
    for (data, expected) in [
        (
            "proxy-read-timeuot: \"1\"",
            "ingress-nginx has no such key; did you mean proxy-read-timeout? Correct the name.",
        ),
        (
            "resolver: \"1\"",
            "ingress-nginx has no such key and has no effect. Correct the name, or remove it.",
        ),
        (
            "load-balance: ip_hash",
            "\"ip_hash\" cannot be used: it is neither round_robin nor ewma. Correct it; until \
             then it is as if the key were not there.",
        ),
        (
            "use-port-in-redirects: \"on\"",
            "\"on\" cannot be used: it is no truth value. Correct it; until then it is \
             as if the key were not there.",
        ),
        (
            "whitelist-source-range: inside",
            "\"inside\" cannot be used: \"inside\" is neither an address nor ADDRESS/PREFIX. \
             Correct it; until then all requests get status 503.",
        ),
        (
            "custom-http-errors: \"200\"",
            "\"200\" cannot be used: \"200\" is no status from 400 to 599. Correct it; until \
             then it is as if the key were not there.",
        ),
        (
            "worker-processes: \"2\"",
            "the key has no effect here: --cores says it, and by default \
             the cgroup's quota. ",
        ),
    ] {
        assert_eq!(told(data), [expected], "{data}");
    }
}

#[test]
fn of_a_key_the_last_good_value_stays_in_force() {
    let mut in_force = InForce::default();
    let mut balance = |data: &str| read(&mut in_force, data).0.defaults.balance;
    assert_eq!(balance("load-balance: ewma"), Balance::PeakEwma);
    assert_eq!(balance("load-balance: best"), Balance::PeakEwma);
    assert_eq!(balance("load-balance: worst"), Balance::PeakEwma);
    assert_eq!(balance("use-port-in-redirects: \"true\""), Balance::RoundRobin);
    assert_eq!(balance("load-balance: best"), Balance::RoundRobin);

    let mut in_force = InForce::default();
    let mut is_closed = |data: &str| read(&mut in_force, data).0.is_closed;
    assert!(is_closed("whitelist-source-range: inside"));
    assert!(!is_closed("whitelist-source-range: 10.0.0.0/8"));
    assert!(!is_closed("whitelist-source-range: inside"));
    assert!(!is_closed(""));

    // What permits more is in force as long as it is said.
    let mut in_force = InForce::default();
    let mut naming = |data: &str| read(&mut in_force, data).0.naming;
    assert_eq!(naming("allow-cross-namespace-resources: \"true\""), NamingScope::Any);
    assert_eq!(naming("allow-cross-namespace-resources: \"no\""), NamingScope::Own);

    // An empty list exempts nothing.
    let mut in_force = InForce::default();
    let mut exempt = |data: &str| read(&mut in_force, data).0.no_auth;
    assert_eq!(exempt("no-auth-locations: \"\""), Some([].into()));
    assert_eq!(exempt("load-balance: \"\""), None);
}

#[test]
fn a_configmap_that_goes_leaves_what_it_said() {
    let reference = object_ref("c");
    let options = options();
    let mut in_force = InForce::default();
    let mut gone = |found| in_force.read(&reference, found, &options);
    assert!(gone(Found::Unreadable).0.is_closed, "nobody knows what it guards");
    assert!(!gone(Found::Nothing).0.is_closed);

    let mut in_force = InForce::default();
    let said = read(&mut in_force, "whitelist-source-range: 10.0.0.0/8").0;
    for found in [Found::Nothing, Found::Unreadable] {
        let (globals, problems) = in_force.read(&reference, found, &options);
        assert_eq!(globals, said);
        let is_told = matches!(found, Found::Nothing);
        assert_eq!(problems.iter().any(|p| p.message.contains("stays in force")), is_told);
    }
}

#[test]
fn without_the_object_flags_count_and_it_is_told() {
    let reference = object_ref("c");
    let options =
        LowerOptions { defaults: Defaults { tries: 7, ..Defaults::default() }, ..options() };
    let (globals, problems) = InForce::default().read(&reference, Found::Nothing, &options);
    assert_eq!(globals, Globals { defaults: options.defaults, ..Globals::default() });
    let told: Vec<_> = problems.iter().map(|problem| problem.reason).collect();
    assert_eq!(told, ["ConfigMapMissing"]);
}

/// What a key makes of how clients are treated.
type Change = fn(&mut Downstream);

#[test]
fn keys_say_how_clients_are_treated() {
    let rows: &[(&str, Change)] = &[
        ("use-forwarded-headers: \"true\"", |it| it.forwarded.believed = Believed::Everything),
        ("use-forwarded-headers: \"false\"", |_| {}),
        ("enable-real-ip: \"true\"", |it| it.forwarded.believed = Believed::Address),
        ("enable-real-ip: \"true\", use-forwarded-headers: \"true\"", |it| {
            it.forwarded.believed = Believed::Everything;
        }),
        ("enable-real-ip: \"true\", use-forwarded-headers: \"false\"", |it| {
            it.forwarded.believed = Believed::Address;
        }),
        ("compute-full-forwarded-for: \"true\"", |it| it.forwarded.list = ForwardedList::Whole),
        ("forwarded-for-header: CF-Connecting-IP", |it| {
            it.forwarded.field = "cf-connecting-ip".into();
        }),
        ("forwarded-for-header: proxy_protocol", |it| it.forwarded.field = "".into()),
        ("proxy-real-ip-cidr: \"10.0.0.0/8, fd00::/8,\"", |it| {
            it.forwarded.trusted = ranges("10.0.0.0/8,fd00::/8");
        }),
        ("use-proxy-protocol: \"true\"", |it| {
            let all = AddressRanges::everybody();
            it.proxy_protocol = ProxyProtocol { introducing: all.clone(), believed: all };
        }),
        ("use-proxy-protocol: \"true\", proxy-real-ip-cidr: 10.0.0.0/8", |it| {
            it.forwarded.trusted = ranges("10.0.0.0/8");
            it.proxy_protocol = ProxyProtocol {
                introducing: AddressRanges::everybody(),
                believed: ranges("10.0.0.0/8"),
            };
        }),
        ("use-proxy-protocol: \"false\"", |_| {}),
        ("client-header-timeout: \"7\"", |it| it.header_timeout = Duration::from_secs(7)),
        ("client-body-timeout: \"7\"", |it| it.body_timeout = Duration::from_secs(7)),
        ("keep-alive: \"0\"", |it| it.keep_alive_timeout = Duration::ZERO),
        ("keep-alive-requests: \"5\"", |it| it.keep_alive_requests = 5),
        ("keep-alive-requests: \"0\"", |it| it.keep_alive_requests = 1),
        ("http2-max-concurrent-streams: \"5\"", |it| it.http2_streams = 5),
        ("http2-max-concurrent-streams: \"500\"", |it| it.http2_streams = HTTP2_STREAMS_MAX),
        ("enable-underscores-in-headers: \"true\"", |it| it.odd_names = OddNames::Underscores),
        ("ignore-invalid-headers: \"false\"", |it| it.odd_names = OddNames::Passed),
        ("enable-underscores-in-headers: \"true\", ignore-invalid-headers: \"false\"", |it| {
            it.odd_names = OddNames::Passed;
        }),
    ];
    for (data, change) in rows {
        let mut expected = Downstream::default();
        change(&mut expected);
        let (globals, told) = read(&mut InForce::default(), data);
        assert_eq!((globals.downstream, told), (expected, Vec::new()), "{data}");
    }
}

fn ranges(text: &str) -> AddressRanges {
    AddressRanges::parse(text).expect("ranges")
}

#[test]
fn load_balancers_that_flags_name_are_those_of_the_key() {
    let of_flags = ProxyProtocol::of([([10, 0, 0, 1].into(), 32)].into_iter());
    let downstream = Downstream { proxy_protocol: of_flags.clone(), ..Downstream::default() };
    let options = LowerOptions { downstream, ..options() };
    for value in ["true", "false"] {
        let mut globals = Globals::of_flags(&options);
        let key = groups::find("use-proxy-protocol").expect("a key");
        assert_eq!(key.put_into(value, &mut globals), Ok(()));
        assert_eq!(globals.downstream.proxy_protocol, of_flags, "{value}");
    }
}

#[test]
fn keys_say_what_is_traced_and_who_gets_spans() {
    type Change = fn(&mut Traces);
    let told: [&str; 1] = ["InvalidValue"];
    let rows: &[(&str, Change, &[&str])] = &[
        ("otlp-collector-port: \"4318\"", |_| {}, &[]),
        ("otlp-collector-host: otel.ns.svc", |it| it.collector = grpc("otel.ns.svc", 4317), &[]),
        (
            "otlp-collector-host: \"[::1]\", otlp-collector-port: \"1\"",
            |it| it.collector = grpc("::1", 1),
            &[],
        ),
        (
            "otlp-collector-host: http://otel/, otlp-collector-port: \"4318\"",
            |it| it.collector = at(CollectorProtocol::Http, CollectorChannel::ClearText, 4318),
            &[],
        ),
        (
            "otlp-collector-host: https://otel",
            |it| it.collector = at(CollectorProtocol::Http, CollectorChannel::Tls, 4317),
            &[],
        ),
        (
            "otlp-collector-host: grpcs://otel",
            |it| it.collector = at(CollectorProtocol::Grpc, CollectorChannel::Tls, 4317),
            &[],
        ),
        ("otlp-collector-host: ftp://otel", |_| {}, &told),
        ("otlp-collector-host: \"a b\"", |_| {}, &told),
        ("otlp-collector-host: \"otel:4317\"", |_| {}, &told),
        ("otlp-collector-port: \"0\"", |_| {}, &told),
        ("otel-service-name: edge", |it| it.service = "edge".into(), &[]),
        ("otel-sampler: AlwaysOff", |it| it.sampler.root = RootSampler::Never, &[]),
        ("otel-sampler-ratio: \"0.5\"", |_| {}, &[]),
        (
            "otel-sampler: TraceIdRatioBased",
            |it| it.sampler.root = RootSampler::Share(Ratio::new(0.01).expect("a share")),
            &[],
        ),
        (
            "otel-sampler: TraceIdRatioBased, otel-sampler-ratio: \"1\"",
            |it| it.sampler.root = RootSampler::Share(Ratio::new(1.0).expect("a share")),
            &[],
        ),
        ("otel-sampler-ratio: \"1.5\"", |_| {}, &told),
        (
            "otel-sampler-parent-based: \"false\"",
            |it| it.sampler.parents = ParentWord::Ignored,
            &[],
        ),
        ("otel-max-queuesize: \"9\"", |it| it.batches.queue_spans = 9, &[]),
        ("otel-max-queuesize: \"65537\"", |_| {}, &told),
        ("otel-max-export-batch-size: \"3\"", |it| it.batches.batch_spans = 3, &[]),
        ("otel-max-export-batch-size: \"0\"", |_| {}, &told),
        (
            "otel-schedule-delay-millis: \"1500\"",
            |it| it.batches.delay = Duration::from_millis(1500),
            &[],
        ),
        ("otel-schedule-delay-millis: 5s", |_| {}, &told),
    ];
    for (data, change, told) in rows {
        let mut expected = Traces::default();
        change(&mut expected);
        let (globals, found) = read(&mut InForce::default(), data);
        let found: Vec<_> = found.iter().map(|f| f.split(' ').next().expect("a word")).collect();
        assert_eq!((&*globals.downstream.traces, &*found), (&expected, *told), "{data}");
    }
    let (globals, _) = read(&mut InForce::default(), "enable-opentelemetry: \"true\"");
    let of_all = globals.nothing.policies.trace.clone().expect("a plan");
    assert_eq!(globals.downstream.traces.unmatched, Some(of_all));
}

fn at(protocol: CollectorProtocol, channel: CollectorChannel, port: u16) -> Option<Collector> {
    Some(Collector { protocol, channel, host: "otel".into(), port })
}

fn grpc(host: &str, port: u16) -> Option<Collector> {
    let (protocol, channel) = (CollectorProtocol::Grpc, CollectorChannel::ClearText);
    Some(Collector { protocol, channel, host: host.into(), port })
}

#[test]
fn what_cannot_be_a_treatment_of_clients_is_told() {
    for (data, expected) in [
        ("proxy-real-ip-cidr: 10.0.0.0/33", "all requests get status 503."),
        ("use-forwarded-headers: \"on\"", "it is as if the key were not there."),
        ("forwarded-for-header: \"a b\"", "it is as if the key were not there."),
        ("keep-alive: \"-\"", "it is as if the key were not there."),
        ("client-body-timeout: \"0\"", "it is as if the key were not there."),
        ("client-header-timeout: 60s", "it is as if the key were not there."),
        ("keep-alive-requests: many", "it is as if the key were not there."),
        ("http2-max-concurrent-streams: \"0\"", "it is as if the key were not there."),
        ("hsts-max-age: \"-1\"", "it is as if the key were not there."),
    ] {
        let told = told(data);
        let [only] = &*told else { panic!("{told:?}") };
        assert!(only.ends_with(expected), "{only}");
    }
}

#[test]
fn keys_say_what_hosts_say_of_tls() {
    for (data, expected) in [
        ("", None),
        ("hsts: \"true\"", Some("max-age=31536000; includeSubDomains")),
        ("hsts: \"true\", hsts-max-age: \"0\"", Some("max-age=0; includeSubDomains")),
        (
            "hsts: \"true\", hsts-preload: \"true\"",
            Some("max-age=31536000; includeSubDomains; preload"),
        ),
        ("hsts: \"true\", hsts-include-subdomains: \"false\"", Some("max-age=31536000")),
        ("hsts: \"false\", hsts-max-age: \"5\"", None),
    ] {
        let (globals, told) = read(&mut InForce::default(), data);
        assert_eq!((globals.hsts.value().as_deref(), told), (expected, Vec::new()), "{data}");
    }
}

#[test]
fn keys_say_what_clients_are_offered_of_tls() {
    type Change = fn(&mut ServerTerms);
    let rows: &[(&str, Change)] = &[
        ("ssl-protocols: TLSv1.2 TLSv1.3", |_| {}),
        ("ssl-protocols: TLSv1 TLSv1.1 TLSv1.2", |it| it.terms.version = Some(Version::Tls12)),
        ("ssl-protocols: TLSv1.3", |it| it.terms.version = Some(Version::Tls13)),
        ("ssl-ciphers: \"ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA\"", |it| {
            it.terms.suites = Some([0xc030].into());
        }),
        ("ssl-ecdh-curve: auto", |_| {}),
        ("ssl-ecdh-curve: \"secp521r1:prime256v1:X25519\"", |it| {
            it.groups = Some([0x1d, 0x17].into());
        }),
        ("ssl-session-tickets: \"false\"", |it| it.resumption = Resumption::Never),
        ("ssl-session-tickets: \"true\"", |_| {}),
        ("use-http2: \"false\"", |it| it.application = Application::Http1),
    ];
    for (data, change) in rows {
        let mut expected = ServerTerms::default();
        change(&mut expected);
        let (globals, told) = read(&mut InForce::default(), data);
        assert_eq!((globals.tls, told), (expected, Vec::new()), "{data}");
    }
    for (data, expected) in [
        ("ssl-protocols: TLSv1.1", "TLSv1.2 and TLSv1.3 are all that there is"),
        ("ssl-protocols: \"TLSv1.2,TLSv1.3\"", "is no version of TLS"),
        ("ssl-ciphers: DHE-RSA-AES256-SHA", "it has no cipher suite with ECDHE and AEAD"),
        ("ssl-ecdh-curve: secp521r1", "it has none of the groups that there are"),
    ] {
        let told = told(data);
        let [only] = &*told else { panic!("{told:?}") };
        assert!(only.contains(expected), "{only}");
    }
}
