//! What is relayed as it is: TCPRoutes, UDPRoutes and TLSRoutes, by shares.

use super::*;
use crate::limits::UDP_FLOW_IDLE;
use crate::model::{StreamService, WeightedBackend};

const DNS: &str = "---\napiVersion: v1\nkind: Service\n\
    metadata: {name: dns, namespace: shop}\nspec: {ports: [{port: 53, protocol: UDP}]}\n";

/// A route of the namespace `shop`, made in this year; `parent`: the rest of its `parentRef`.
fn stream_route(kind: &str, name: &str, year: u16, parent: &str, backends: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
         metadata: {{name: {name}, namespace: shop, \
         creationTimestamp: \"{year}-01-01T00:00:00Z\"}}\n\
         spec: {{parentRefs: [{{name: g{parent}}}], rules: [{{backendRefs: [{backends}]}}]}}\n"
    )
}

fn shares(backends: &[WeightedBackend]) -> String {
    let share = |entry: &WeightedBackend| match entry.target.key() {
        Some(key) => format!("{}*{key}", entry.weight),
        None => format!("{}*nothing", entry.weight),
    };
    backends.iter().map(share).collect::<Vec<_>>().join(" ")
}

/// `scheme:port shares` of each stream service.
fn streams(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let of = |StreamService { entry_points, backends, terms: _ }: &StreamService| {
        let [at] = &entry_points[..] else { panic!("one address") };
        format!("{}:{} {}", at.scheme.as_str(), at.address.port(), shares(backends))
    };
    model.stream_services.iter().map(of).collect()
}

/// What routes are told that get nothing somewhere.
fn overshadowed(lowered: &Lowered) -> Vec<String> {
    let told = lowered.problems.iter().filter(|problem| problem.reason == "Overshadowed");
    told.map(|problem| problem.message.clone()).collect()
}

#[test]
fn streams_go_where_the_oldest_route_says() {
    let text = gateway(&[
        "name: tcp, protocol: TCP, port: 9000",
        "name: more, protocol: TCP, port: 9001, hostname: ignored.example",
        "name: free, protocol: TCP, port: 9002, allowedRoutes: \
         {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}",
        "name: dns, protocol: UDP, port: 9000",
    ]) + &stream_route("TCPRoute", "young", 2026, "", "{name: web, port: 80}")
        + &stream_route(
            "TCPRoute",
            "old",
            2025,
            ", port: 9000",
            "{name: web, port: 80, weight: 3}, {name: gone, port: 80}",
        )
        + &stream_route("UDPRoute", "names", 2026, "", "{name: dns, port: 53}")
        + &stream_route("UDPRoute", "wrong", 2025, ", sectionName: tcp", "{name: dns, port: 53}")
        + SERVICE
        + DNS;
    let mut world = in_range();
    let lowered = world.apply(changes(&text));
    let dns = "udp:9000 1*shop/dns:53";
    assert_eq!(
        streams(&lowered),
        ["tcp:9000 3*shop/web:80 1*nothing", dns, "tcp:9001 1*shop/web:80"]
    );
    let lines = told(&lowered);
    for line in [
        "  tcp 1 2: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
        "  more 1 1: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
        "  free 1 0: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
        "  dns 1 1: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
        "  g: Accepted=Accepted !ResolvedRefs=BackendNotFound",
        "  g: Accepted=Accepted ResolvedRefs=ResolvedRefs",
        "  g: ResolvedRefs=ResolvedRefs !Accepted=NotAllowedByListeners",
    ] {
        assert!(lines.iter().any(|told| told == line), "{line} in {lines:?}");
    }
    let lost = "TCPRoute shop/old is older and has what comes in at port 9000; remove one of both.";
    assert_eq!(overshadowed(&lowered), [lost]);
    let services = &lowered.model.as_ref().expect("a model").stream_services;
    let of_flow = services[1].terms.policy;
    assert_eq!((of_flow.responses, of_flow.idle_timeout), (u32::MAX, UDP_FLOW_IDLE));

    // A place that nobody older has any more is that of the next one, who is told.
    let lowered = world.apply(vec![Change::Delete(reference(Kind::TCPRoute, "shop", "old"))]);
    assert_eq!(streams(&lowered), ["tcp:9000 1*shop/web:80", dns, "tcp:9001 1*shop/web:80"]);
    assert_eq!(overshadowed(&lowered), [""; 0]);
    assert!(told(&lowered).contains(&"young 0:".to_owned()), "{:?}", told(&lowered));

    // Whoever leads nowhere keeps the place all the same.
    let empty = stream_route("TCPRoute", "old", 2025, ", port: 9000", "");
    let lowered = world.apply(changes(&empty));
    assert_eq!(streams(&lowered), [dns, "tcp:9001 1*shop/web:80"]);
    let two = empty.replace("rules: [", "rules: [{backendRefs: []}, ");
    let lowered = world.apply(changes(&two));
    assert_eq!(streams(&lowered)[0], "tcp:9000 1*shop/web:80");
    let lines = told(&lowered);
    let refused = "  g: ResolvedRefs=ResolvedRefs !Accepted=UnsupportedValue";
    assert!(lines.iter().any(|line| line == refused), "{lines:?}");
}

#[test]
fn a_port_without_hosts_is_that_of_one() {
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: tcp, namespace: shop}\n\
               data: {\"9000\": shop/web:80}\n";
    let old = gateway(&[
        "name: flag, protocol: TCP, port: 80",
        "name: service, protocol: TCP, port: 9000",
        "name: datagrams, protocol: UDP, port: 9000",
        "name: own, protocol: TCP, port: 9001",
        "name: hosts, protocol: HTTP, port: 9002",
        "name: hosts-too, protocol: HTTP, port: 9004",
        "name: same, protocol: TCP, port: 9003",
        "name: same-too, protocol: TCP, port: 9003",
    ]);
    let young = gateway(&[
        "name: lost, protocol: TCP, port: 9001",
        "name: kept, protocol: UDP, port: 9001",
        "name: shared, protocol: HTTP, port: 9002",
        "name: other, protocol: TCP, port: 9004",
    ]);
    let young = young.replace("name: g,", "name: h, creationTimestamp: \"2026-01-01T00:00:00Z\",");
    let old = old.replace("name: g,", "name: g, creationTimestamp: \"2025-01-01T00:00:00Z\",");
    let mut world = World::new(LowerOptions {
        entry_points: vec![EntryPoint::clear_text(80)],
        tcp_services: Some(reference(Kind::ConfigMap, "shop", "tcp")),
        ..options()
    });
    let lowered = world.apply(changes(&format!("{old}{young}{map}{SERVICE}")));
    let accepted = |lowered: &Lowered| -> Vec<String> {
        let lines = told(lowered).into_iter().filter(|line| line.starts_with("  "));
        let line = |line: String| {
            let name = line.split_whitespace().next().expect("a name");
            let reason = line.split_once("Accepted=").expect("a condition").1;
            format!("{name} {}", reason.split(' ').next().expect("a reason"))
        };
        lines.map(line).collect()
    };
    assert_eq!(
        accepted(&lowered),
        [
            "flag PortUnavailable",
            "service PortUnavailable",
            "datagrams Accepted",
            "own Accepted",
            "hosts Accepted",
            "hosts-too Accepted",
            "same ProtocolConflict",
            "same-too ProtocolConflict",
            "lost PortUnavailable",
            "kept Accepted",
            "shared Accepted",
            "other PortUnavailable",
        ]
    );
    let lowered = world.apply(changes(&map.replace("9000", "9001")));
    let again = accepted(&lowered);
    assert_eq!(again[1..4], ["service Accepted", "datagrams Accepted", "own PortUnavailable"]);
}

#[test]
fn names_of_tls_lead_to_shares() {
    let text = gateway(&["name: tls, protocol: TLS, port: 443, tls: {mode: Passthrough}"])
        + &stream_route(
            "TLSRoute",
            "r",
            2025,
            "",
            "{name: web, port: 80, weight: 7}, {name: web, port: 81}, {name: web, port: 80}",
        )
        .replace("rules:", "hostnames: [a.example], rules:")
        + &stream_route("TLSRoute", "none", 2025, "", "{name: gone, port: 80}")
            .replace("rules:", "hostnames: [b.example], rules:")
        + &stream_route("TLSRoute", "late", 2026, "", "{name: web, port: 80}")
            .replace("rules:", "hostnames: [b.example], rules:")
        + SERVICE;
    let lowered = in_range().apply(changes(&text));
    let model = lowered.model.as_ref().expect("a model");
    let leads = model.listeners[1].server_names.iter().map(|name| match &name.action {
        TlsAction::Passthrough { backends, .. } => format!("{} {}", name.pattern, shares(backends)),
        other => format!("{} {other:?}", name.pattern),
    });
    let expected =
        ["a.example 7*shop/web:80 1*nothing 1*shop/web:80", "b.example Nobody", "* Nobody"];
    assert_eq!(leads.collect::<Vec<_>>(), expected);
    let lost = "TLSRoute shop/none is older and has what comes in at port 443 for b.example; \
                remove one of both.";
    assert!(overshadowed(&lowered).contains(&lost.to_owned()), "{:?}", overshadowed(&lowered));
}
