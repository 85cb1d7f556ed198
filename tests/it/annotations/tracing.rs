//! Traces: what backends are told of them, and what the OpenTelemetry Collector gets to know.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Area;
use super::area::Served;
use crate::for_each_driver;
use crate::harness::{
    Backend, Collector, Driver, Http2, Ingress, Message, Nginx, Span, frames, manifest, wait_until,
};

for_each_driver!(
    requests_are_traced_as_their_rules_say,
    one_word_says_which_traces_are_recorded,
    collectors_that_do_not_work_harm_nobody,
    spans_go_to_a_collector_over_tls,
);

const FILE: &str = "controller.yaml";
const PARENT: &str = "00f067aa0ba902b7";

/// The controller's ConfigMap: spans go to this address at once, and what else is said.
fn config_map(collector: &str, address: SocketAddr, more: &str) -> String {
    let port = address.port();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: controller}}\ndata:\n  \
         otlp-collector-host: {collector}\n  otlp-collector-port: \"{port}\"\n  \
         otel-service-name: edge\n  otel-schedule-delay-millis: \"20\"\n{more}"
    )
}

/// A trace id that nobody else has.
fn new_trace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("4bf92f3577b34da6a3ce929d{:08x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn start(driver: Driver, collector: &Collector, more: &str) -> Served {
    let traced = |name: &str, service: &str| {
        let host = format!("{name}.example");
        Ingress::simple(name, &host, service).nginx("enable-opentelemetry", "true")
    };
    let echo = Backend::echo("second");
    let flaky = manifest::backend("flaky", &[Backend::closed_address(), echo.address()]);
    let config = config_map("127.0.0.1", collector.grpc, more);
    Area::new(driver)
        .trusted()
        .flag("--configmap", "default/controller")
        .flag("--access-log", "nginx")
        .echoes(&["web", "shadow"])
        .backend("auth", Backend::fixed("HTTP/1.1 204 X\r\nX-User: ann\r\n\r\n"))
        .backend("second", echo)
        .backend("late", Backend::scripted(|mut connection| connection.read_head().map(drop)))
        .object(flaky)
        .object(config + "\n---\n")
        .ingress(&traced("plain", "web"))
        .ingress(&traced("named", "web").nginx(
            "opentelemetry-operation-name",
            "HTTP $request_method $service_name $arg_q $opentelemetry_sampled",
        ))
        .ingress(&traced("odd", "web").nginx("opentelemetry-operation-name", "$nothing"))
        .ingress(&traced("own", "web").nginx("opentelemetry-trust-incoming-span", "false"))
        .ingress(&Ingress::simple("off", "off.example", "web"))
        .ingress(
            &traced("asking", "web").nginx("auth-url", "http://auth.default.svc.cluster.local/who"),
        )
        .ingress(&traced("flaky", "flaky"))
        .ingress(&traced("late", "late").nginx("proxy-next-upstream", "off"))
        .ingress(&traced("gone", "nobody"))
        .ingress(
            &traced("mirrored", "web")
                .nginx("mirror-target", "http://shadow.default.svc.cluster.local$request_uri"),
        )
        .start()
}

/// Asks with these fields.
fn ask(area: &Served, host: &str, target: &str, fields: &[(&str, &str)]) -> Message {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: {host}.example\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    let mut client = area.proxy.client();
    client.send(head + "User-Agent: test/1\r\n\r\n");
    client.response()
}

/// The parts of a field `traceparent`.
fn parts(value: &str) -> Vec<String> {
    value.split('-').map(str::to_owned).collect()
}

fn told(answer: &Message) -> Vec<String> {
    let values = answer.echoed_fields("traceparent");
    let [value] = &values[..] else { panic!("{values:?}") };
    parts(value)
}

#[track_caller]
fn has(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(span.attribute(key), *value, "{key} of {span:?}");
    }
}

fn requests_are_traced_as_their_rules_say(driver: Driver) {
    let collector = Collector::start();
    let form = "  log-format-upstream: \"trace=$opentelemetry_trace_id \
        span=$opentelemetry_span_id $opentelemetry_sampled \
        $opentelemetry_context_traceparent state=$opentelemetry_context_tracestate\"\n";
    let area = start(driver, &collector, form);
    area.told(&["\"$nothing\" cannot be used: the variable $nothing is not known."]);
    a_trace_goes_on(&area, &collector);
    forms_of_b3_are_answered_in_kind(&area);
    names_and_trust_are_the_owners(&area, &collector);
    others_that_are_asked_have_spans(&area, &collector);
    streams_of_http2_are_traced(&area, &collector);
    let count = |name: &str| area.proxy.metric(name, &[]);
    wait_until("every span is counted", || count("ringway_spans_exported_total") >= 14.0);
    for name in ["ringway_spans_dropped_total", "ringway_spans_lost_total"] {
        assert!(count(name) < 1.0, "{name}");
    }
}

fn a_trace_goes_on(area: &Served, collector: &Collector) {
    let trace = new_trace();
    let parent = format!("00-{trace}-{PARENT}-01");
    let fields = [("traceparent", &*parent), ("tracestate", "a=b"), ("tracestate", "c=d")];
    let answer = ask(area, "plain", "/a%20b?q=1", &fields);
    let told = told(&answer);
    assert_eq!((&*told[0], &*told[1], &*told[3]), ("00", &*trace, "01"));
    assert_eq!(answer.echoed_fields("tracestate"), ["a=b", "c=d"]);
    let [server, client] = &collector.wait_for(&trace, 2)[..] else { unreachable!("two") };
    assert_eq!((server.text("kind"), server.text("parentSpanId")), ("2".into(), PARENT.into()));
    assert_eq!((server.text("name"), server.text("traceState")), ("/".into(), "a=b,c=d".into()));
    has(
        server,
        &[
            ("http.request.method", "GET"),
            ("url.path", "/a%20b"),
            ("url.query", "q=1"),
            ("url.scheme", "http"),
            ("http.route", "/"),
            ("http.response.status_code", "200"),
            ("client.address", "127.0.0.1"),
            ("server.address", "plain.example"),
            ("network.protocol.version", "1.1"),
            ("user_agent.original", "test/1"),
            ("http.target", "/a%20b?q=1"),
            ("http.status_code", "200"),
            ("ingress.namespace", "default"),
            ("ingress.name", "plain"),
            ("ingress.service_name", "web"),
        ],
    );
    assert_eq!(server.resource("service.name"), "edge");
    assert!(!server.resource("service.instance.id").is_empty());
    assert_eq!(
        (client.text("kind"), client.text("parentSpanId")),
        ("3".into(), server.text("spanId"))
    );
    assert_eq!((client.text("name"), client.text("spanId")), ("GET".into(), told[2].clone()));
    let port = area.backend("web").address().port().to_string();
    has(
        client,
        &[("server.port", &port), ("http.response.status_code", "200"), ("error.type", "")],
    );
    let (begun, ended) = (client.text("startTimeUnixNano"), client.text("endTimeUnixNano"));
    assert!(server.text("startTimeUnixNano") <= begun && begun <= ended, "{client:?}");
    assert!(ended <= server.text("endTimeUnixNano"), "{client:?} {server:?}");
    let id = server.text("spanId");
    area.proxy
        .wait_for_output(&format!("trace={trace} span={id} 1 00-{trace}-{id}-01 state=a=b,c=d"));
}

/// What is no context, or stands twice, begins a trace; what is not traced passes as it came.
fn forms_of_b3_are_answered_in_kind(area: &Served) {
    let trace = new_trace();
    let b3 = format!("{trace}-{PARENT}-0");
    let answer = ask(area, "plain", "/", &[("b3", &b3)]);
    let of_w3c = told(&answer);
    assert_eq!((&*of_w3c[1], &*of_w3c[3]), (&*trace, "00"));
    assert_eq!(answer.echoed_fields("b3"), [format!("{trace}-{}-0", of_w3c[2])]);
    let several = [
        ("X-B3-TraceId", &*trace),
        ("X-B3-SpanId", PARENT),
        ("X-B3-ParentSpanId", PARENT),
        ("X-B3-Sampled", "0"),
        ("X_B3_Flags", "1"),
    ];
    let answer = ask(area, "plain", "/", &several);
    let field = |name: &str| answer.echoed_fields(name).join("+");
    assert_eq!((field("x-b3-traceid"), field("x-b3-sampled")), (trace.clone(), "0".into()));
    assert_eq!(field("x-b3-spanid"), told(&answer)[2]);
    assert!(field("x-b3-parentspanid") != PARENT && !field("x-b3-parentspanid").is_empty());
    assert_eq!((field("b3"), field("x-b3-flags")), (String::new(), String::new()));
    let parent = format!("00-{trace}-{PARENT}-00");
    let line = ("traceparent", &*parent);
    for fields in [&[line, line, ("tracestate", "a=b")][..], &[("traceparent", "00-x")], &[]] {
        let answer = ask(area, "plain", "/", fields);
        assert_ne!(told(&answer)[1], trace, "{fields:?}");
        assert_eq!(answer.echoed_field("tracestate"), None, "{fields:?}");
    }
    let long = format!("a={}", "b".repeat(600));
    let answer = ask(area, "plain", "/", &[line, ("tracestate", &long)]);
    assert_eq!((told(&answer)[1].clone(), answer.echoed_field("tracestate")), (trace, None));
    let answer = ask(area, "off", "/", &[line, line, ("tracestate", &long), ("b3", "x")]);
    assert_eq!(answer.echoed_fields("traceparent"), [&*parent, &*parent]);
    assert_eq!(answer.echoed_fields("b3"), ["x"]);
}

fn names_and_trust_are_the_owners(area: &Served, collector: &Collector) {
    let trace = new_trace();
    let parent = format!("00-{trace}-{PARENT}-01");
    ask(area, "named", "/?q=%41", &[("traceparent", &parent)]);
    assert_eq!(collector.wait_for(&trace, 2)[0].text("name"), "HTTP GET web %41 1");
    let trace = new_trace();
    let parent = format!("00-{trace}-{PARENT}-01");
    ask(area, "odd", "/", &[("traceparent", &parent)]);
    assert_eq!(collector.wait_for(&trace, 2)[0].text("name"), "/");
    let own = told(&ask(area, "own", "/", &[("traceparent", &parent), ("tracestate", "a=b")]));
    assert_ne!(own[1], trace);
    let spans = collector.wait_for(&own[1], 2);
    assert_eq!((spans[0].text("parentSpanId"), spans[0].text("traceState")), Default::default());
}

fn others_that_are_asked_have_spans(area: &Served, collector: &Collector) {
    let asked = |host: &str, count| {
        let trace = new_trace();
        let answer = ask(area, host, "/", &[("traceparent", &format!("00-{trace}-{PARENT}-01"))]);
        (answer, collector.wait_for(&trace, count))
    };
    let (answer, spans) = asked("asking", 3);
    assert_eq!((answer.status(), spans[1].text("name")), (200, "external-auth".into()));
    has(
        &spans[1],
        &[
            ("server.address", "auth.default.svc.cluster.local"),
            ("http.response.status_code", "204"),
        ],
    );
    let line =
        format!("traceparent: 00-{}-{}-01", spans[0].text("traceId"), spans[1].text("spanId"));
    area.backend("auth").wait_for_text(&line);
    assert!(spans[1..].iter().all(|span| span.text("parentSpanId") == spans[0].text("spanId")));
    // Until the one that nobody listens at comes first.
    let mut seen = Vec::new();
    wait_until("a request is repeated", || {
        let trace = new_trace();
        let answer =
            ask(area, "flaky", "/", &[("traceparent", &format!("00-{trace}-{PARENT}-01"))]);
        assert_eq!(answer.status(), 200);
        wait_until("its spans", || collector.spans(&trace).len() >= 2);
        seen = collector.spans(&trace);
        seen.len() == 3
    });
    let failed = seen.iter().find(|span| span.is_error()).expect("one failed");
    has(failed, &[("http.response.status_code", ""), ("http.request.resend_count", "")]);
    assert!(!failed.attribute("error.type").is_empty());
    let second = seen.iter().find(|span| span.attribute("http.request.resend_count") == "1");
    has(second.expect("a second try"), &[("http.response.status_code", "200"), ("error.type", "")]);
    let (answer, spans) = asked("late", 2);
    assert_eq!(answer.status(), 502);
    assert!(spans.iter().all(Span::is_error), "{spans:?}");
    has(&spans[0], &[("error.type", "502")]);
    let (answer, spans) = asked("gone", 1);
    assert_eq!((answer.status(), spans[0].attribute("error.type")), (503, "503".into()));
    let (_, spans) = asked("mirrored", 2);
    let line =
        format!("traceparent: 00-{}-{}-01", spans[0].text("traceId"), spans[0].text("spanId"));
    area.backend("shadow").wait_for_text(&line);
}

fn streams_of_http2_are_traced(area: &Served, collector: &Collector) {
    let mut client = Http2::connect(area.proxy.http);
    let traces = [new_trace(), new_trace()];
    for (stream, trace) in [1, 3].into_iter().zip(&traces) {
        let parent = format!("00-{trace}-{PARENT}-01");
        let mut fields = frames::request("GET", "/two");
        fields.retain(|(name, _)| *name != ":authority");
        fields.insert(3, (":authority", "plain.example"));
        fields.push(("traceparent", &parent));
        client.send(frames::headers(stream, &fields, frames::END_STREAM));
    }
    for (stream, trace) in [1, 3].into_iter().zip(&traces) {
        let told = parts(&client.answer(stream).echoed_fields("traceparent").join("+"));
        let spans = collector.wait_for(trace, 2);
        has(&spans[0], &[("network.protocol.version", "2"), ("http.flavor", "2.0")]);
        assert_eq!((&told[1], &told[2]), (trace, &spans[1].text("spanId")));
    }
}

/// Writes a ConfigMap and waits until a new request is told these flags.
fn change(area: &Served, config: &str, flags: &str) {
    area.proxy.write(FILE, config);
    wait_until("the change is in force", || told(&ask(area, "plain", "/", &[]))[3] == flags);
}

fn one_word_says_which_traces_are_recorded(driver: Driver) {
    let collector = Collector::start();
    let area = start(driver, &collector, "");
    let sampled = |flags: &str| {
        let trace = new_trace();
        let parent = format!("00-{trace}-{PARENT}-{flags}");
        (told(&ask(&area, "plain", "/", &[("traceparent", &parent)]))[3].clone(), trace)
    };
    assert_eq!(sampled("00").0, "00");
    let config = |more: &str| config_map("127.0.0.1", collector.grpc, more);
    change(&area, &config("  otel-sampler: AlwaysOff\n"), "00");
    // The client has decided.
    let (flags, recorded) = sampled("01");
    assert_eq!(flags, "01");
    let dropped = told(&ask(&area, "plain", "/", &[]))[1].clone();
    let own = "  otel-sampler: AlwaysOff\n  otel-sampler-parent-based: \"false\"\n";
    area.proxy.write(FILE, &config(own));
    wait_until("no client decides", || sampled("01").0 == "00");
    let share = "  otel-sampler: TraceIdRatioBased\n  otel-sampler-ratio: \"1\"\n  \
        otel-sampler-parent-based: \"false\"\n";
    change(&area, &config(share), "01");
    assert_eq!(sampled("00").0, "01");
    let last = told(&ask(&area, "plain", "/", &[]))[1].clone();
    collector.wait_for(&last, 2);
    collector.wait_for(&recorded, 2);
    assert!(collector.spans(&dropped).is_empty());
    // Of all Ingresses, and of what none has.
    let all = format!(
        "{share}  enable-opentelemetry: \"true\"\n  opentelemetry-operation-name: all $host\n"
    );
    let http = |more: &str| config_map("http://127.0.0.1", collector.http, more);
    area.proxy.write(FILE, &http(&all));
    wait_until("all are traced", || {
        ask(&area, "off", "/", &[]).echoed_field("traceparent").is_some()
    });
    let (_, trace) = sampled("01");
    assert_eq!(collector.wait_for(&trace, 2)[0].text("name"), "all plain.example");
    let trace = new_trace();
    let parent = format!("00-{trace}-{PARENT}-01");
    assert_eq!(ask(&area, "nobody", "/x", &[("traceparent", &parent)]).status(), 404);
    let spans = collector.wait_for(&trace, 1);
    assert_eq!(spans[0].attribute("http.status_code"), "404");
    area.proxy.write(FILE, &http("  otel-sampler: Sometimes\n  otel-sampler-ratio: \"2\"\n"));
    area.told(&[
        "it is none of AlwaysOn, AlwaysOff and TraceIdRatioBased. Correct it; until then the \
         last good value, \"TraceIdRatioBased\", stays in force",
        "it is no number from 0 to 1. Correct it; until then the last good value, \"1\"",
    ]);
    // What waits for others is sent when the process ends.
    let patient = http("  otel-sampler: AlwaysOff\n").replace("\"20\"", "\"60000\"");
    change(&area, &patient, "00");
    let (_, last) = sampled("01");
    area.proxy.signal("TERM");
    collector.wait_for(&last, 2);
}

fn collectors_that_do_not_work_harm_nobody(driver: Driver) {
    let collector = Collector::start();
    let area = start(driver, &collector, "");
    let nonsense = Backend::fixed("HTTP/1.1 418 No\r\nContent-Length: 4\r\n\r\n\0\0\0\0");
    let silent = Backend::scripted(|mut connection| connection.read_to_end().map(drop));
    let closed = Backend::closed_address();
    let failures = || area.proxy.metric("ringway_span_exports_failed_total", &[]);
    let refused = || area.proxy.metric("ringway_spans_lost_total", &[]);
    for (host, address) in [
        ("http://127.0.0.1", nonsense.address()),
        ("127.0.0.1", nonsense.address()),
        ("127.0.0.1", closed),
    ] {
        let before = failures();
        area.proxy.write(FILE, &config_map(host, address, "  otel-max-queuesize: \"4\"\n"));
        wait_until("a failure", || {
            assert_eq!(ask(&area, "plain", "/", &[]).status(), 200);
            failures() > before
        });
    }
    // What waits is bounded, whoever does not answer.
    area.proxy
        .write(FILE, &config_map("127.0.0.1", silent.address(), "  otel-max-queuesize: \"4\"\n"));
    wait_until("it is asked", || {
        assert_eq!(ask(&area, "plain", "/", &[]).status(), 200);
        silent.connection_count() > 0
    });
    let before = refused();
    wait_until("spans are lost", || {
        assert_eq!(ask(&area, "plain", "/", &[]).status(), 200);
        refused() > before + 4.0
    });
    drop(silent);
    area.proxy.write(FILE, &config_map("127.0.0.1", collector.grpc, ""));
    let mut traces = Vec::new();
    wait_until("spans arrive again", || {
        traces.push(told(&ask(&area, "plain", "/", &[]))[1].clone());
        traces.iter().any(|trace| !collector.spans(trace).is_empty())
    });
    area.told(&["spans cannot be sent to the collector", "the collector takes spans again"]);
}

fn spans_go_to_a_collector_over_tls(driver: Driver) {
    let collector = Collector::start();
    let area = start(driver, &collector, "");
    let leaf = area.authority().issue(&["localhost"]);
    let (chain, key) = area.authority().files("collector", &leaf);
    let (grpc, http) = (collector.grpc, collector.http);
    let Some(nginx) = Nginx::start(&format!(
        "server {{ listen LISTEN ssl http2; ssl_certificate {}; ssl_certificate_key {};\n\
         location / {{ grpc_pass grpc://{grpc}; }}\n\
         location /v1/ {{ proxy_pass http://{http}; }} }}\n",
        chain.display(),
        key.display()
    )) else {
        return;
    };
    let failures = || area.proxy.metric("ringway_span_exports_failed_total", &[]);
    for scheme in ["https", "grpcs"] {
        area.proxy.write(FILE, &config_map(&format!("{scheme}://localhost"), nginx.address, ""));
        let mut traces = Vec::new();
        wait_until(scheme, || {
            traces.push(told(&ask(&area, "plain", "/", &[]))[1].clone());
            traces.iter().any(|trace| !collector.spans(trace).is_empty())
        });
        // One whose certificate is for another name gets none.
        let before = failures();
        area.proxy.write(FILE, &config_map(&format!("{scheme}://127.0.0.1"), nginx.address, ""));
        wait_until("a failure", || {
            assert_eq!(ask(&area, "plain", "/", &[]).status(), 200);
            failures() > before
        });
    }
}
