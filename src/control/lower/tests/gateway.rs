//! Gateways and what is attached to them: manifests in; hosts, listeners and states out.

mod streams;
mod told;

use std::fmt::Write as _;

use super::*;
use crate::control::conditions::{
    Carrier, Condition, Content, GatewayAddresses, GatewayService, ListenerStatus, ObjectStatus,
};
use crate::control::lower::options::OwnServices;
use crate::control::outcomes::Outcome;
use crate::model::{OnMiss, Scheme, Severity, TlsAction};

const GATEWAY: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n\
    metadata: {name: edge, generation: 3}\nspec: {controllerName: ringway.dev/gateway}\n\
    ---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
    metadata: {name: g, namespace: shop, generation: 7}\n\
    spec:\n  gatewayClassName: edge\n  listeners:\n";
pub(super) const SERVICE: &str = "---\napiVersion: v1\nkind: Service\n\
    metadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";

pub(super) fn gateway(listeners: &[&str]) -> String {
    let lines = listeners.iter().map(|listener| format!("  - {{{listener}}}\n"));
    format!("{GATEWAY}{}", lines.collect::<String>())
}

/// A route of the namespace `shop` with one rule.
pub(super) fn route(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
         metadata: {{name: {name}, namespace: shop, generation: 2}}\n\
         spec: {{parentRefs: [{{name: g}}], rules: [{{backendRefs: [{{name: web, port: 80}}]}}], \
         {spec}}}\n"
    )
}

pub(super) fn in_range() -> World {
    let gateway_addresses = vec![("127.80.0.0".parse().expect("an address"), 30)];
    World::new(LowerOptions { gateway_addresses, ..options() })
}

pub(super) fn reference(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.into(), name: name.into() }
}

fn conditions(all: &[Condition]) -> String {
    let mut text = String::new();
    for Condition { name, reason, message: _, .. } in all.iter().filter(|c| c.is_true()) {
        write!(text, " {name}={reason}").expect("memory");
    }
    for Condition { name, reason, message, .. } in all.iter().filter(|c| !c.is_true()) {
        write!(text, " !{name}={reason}").expect("memory");
        assert!(!message.is_empty(), "{name}={reason} says nothing");
    }
    text
}

/// A line for each object, and one for each of its listeners or parents.
pub(super) fn told(lowered: &Lowered) -> Vec<String> {
    let mut lines = Vec::new();
    for (reference, outcome) in &lowered.outcomes {
        let Outcome::Status(status) = outcome else {
            lines.push(format!("{} {outcome:?}", reference.name));
            continue;
        };
        let ObjectStatus { generation, content } = &**status;
        let (whole, listeners, parents): (&[_], &[_], &[_]) = match content {
            Content::Class { conditions, features, .. } => {
                assert!(features.is_sorted() && features.contains(&"Gateway"));
                (conditions, &[], &[])
            }
            Content::Gateway { conditions, listeners, .. }
            | Content::ListenerSet { conditions, listeners } => (conditions, listeners, &[]),
            Content::Parents { parents, .. } => (&[], &[], parents),
        };
        lines.push(format!("{} {generation}:{}", reference.name, conditions(whole)));
        for ListenerStatus { name, kinds, attached, conditions: of } in listeners {
            lines.push(format!("  {name} {} {attached}:{}", kinds.len(), conditions(of)));
        }
        for parent in parents {
            lines.push(format!("  {}:{}", parent.parent.name, conditions(&parent.conditions)));
        }
    }
    lines
}

/// `address generation: hosts` of each listener behind that of Ingresses; `*` behind hosts that end
/// there.
fn listeners(lowered: &Lowered) -> Vec<String> {
    let model = lowered.model.as_ref().expect("a model");
    let of = |listener: &Listener| {
        let at: Vec<_> = listener.entry_points.iter().map(ToString::to_string).collect();
        let hosts = listener.hosts.iter().map(|host| {
            let end = if host.on_miss == OnMiss::Default { "|" } else { "" };
            format!("{}{end} {}", host.pattern, host.rules.len())
        });
        let hosts: Vec<_> = hosts.collect();
        format!("{} {}: {}", at.join(" "), listener.generation, hosts.join(", "))
    };
    model.listeners.iter().skip(1).map(of).collect()
}

#[test]
fn routes_are_served_at_the_listeners_that_take_them() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80"])
        + &route("a", "hostnames: [a.example, '*.b.example']")
        + &route("any", "")
        + SERVICE;
    let lowered = in_range().apply(changes(&text));
    assert_eq!(
        told(&lowered),
        [
            "edge 3: Accepted=Accepted",
            "g 7: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
            "  http 2 2: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
            "a 2:",
            "  g: Accepted=Accepted ResolvedRefs=ResolvedRefs",
            "any 2:",
            "  g: Accepted=Accepted ResolvedRefs=ResolvedRefs",
        ]
    );
    let [at] = &listeners(&lowered)[..] else { panic!("one listener") };
    assert!(at.starts_with("http://127.80.0."), "{at}");
    assert!(at.ends_with(":80 0: a.example 1, *.b.example 1, *| 1"), "{at}");
    assert_eq!(lowered.endpoints.len(), 1);
}

/// A request is served by the narrowest listener alone, whatever the routes of wider ones name.
#[test]
fn hosts_belong_to_the_narrowest_listener() {
    let text = gateway(&[
        "name: any, protocol: HTTP, port: 80",
        "name: wild, protocol: HTTP, port: 80, hostname: '*.foo.example'",
        "name: one, protocol: HTTP, port: 80, hostname: a.foo.example",
    ]) + &route("all", "hostnames: [a.foo.example, b.foo.example, '*.example']")
        + SERVICE;
    let lowered = in_range().apply(changes(&text));
    let [at] = &listeners(&lowered)[..] else { panic!("one listener") };
    let hosts = at.split(" 0: ").nth(1).expect("hosts");
    let expected = "a.foo.example| 1, b.foo.example 1, *.example 1, *.foo.example| 1, *| 0";
    assert_eq!(hosts, expected);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_is_said_where_it_is() {
    let ok = "Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs";
    let http = "name: http, protocol: HTTP, port: 80";
    for (text, expected) in [
        (
            gateway(&["name: odd, protocol: ODD, port: 1111"]),
            vec![
                "g 7: ResolvedRefs=ResolvedRefs !Accepted=ListenersNotValid !Programmed=Invalid"
                    .to_owned(),
                "  odd 0 0: ResolvedRefs=ResolvedRefs !Accepted=UnsupportedProtocol \
                 !Programmed=Invalid"
                    .into(),
            ],
        ),
        (
            gateway(&[http, "name: odd, protocol: ODD, port: 1111"]),
            vec![
                "g 7: Accepted=ListenersNotValid Programmed=Programmed ResolvedRefs=ResolvedRefs"
                    .into(),
                format!("  http 2 0: {ok}"),
                "  odd 0 0: ResolvedRefs=ResolvedRefs !Accepted=UnsupportedProtocol \
                 !Programmed=Invalid"
                    .into(),
            ],
        ),
        (
            gateway(&[
                "name: tls, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: no}]}",
            ]),
            vec![
                "g 7: Accepted=Accepted !Programmed=Invalid !ResolvedRefs=ListenersNotResolved"
                    .into(),
                "  tls 2 0: Accepted=Accepted !Programmed=Invalid \
                 !ResolvedRefs=InvalidCertificateRef"
                    .into(),
            ],
        ),
        (
            gateway(&[
                http,
                "name: twin, protocol: HTTPS, port: 80, tls: {certificateRefs: [{name: no}]}",
            ]),
            vec![
                "g 7: !Accepted=ListenersNotValid !Programmed=Invalid \
                 !ResolvedRefs=ListenersNotResolved"
                    .into(),
                "  http 2 0: ResolvedRefs=ResolvedRefs Conflicted=ProtocolConflict \
                 !Accepted=ProtocolConflict !Programmed=ProtocolConflict"
                    .into(),
                "  twin 2 0: Conflicted=ProtocolConflict !Accepted=ProtocolConflict \
                 !Programmed=ProtocolConflict !ResolvedRefs=InvalidCertificateRef"
                    .into(),
            ],
        ),
        (
            gateway(&[http]) + "  infrastructure: {parametersRef: {group: x, kind: X, name: x}}\n",
            vec![
                "g 7: ResolvedRefs=ResolvedRefs !Accepted=InvalidParameters !Programmed=Invalid"
                    .into(),
                "  http 2 0: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=Invalid"
                    .into(),
            ],
        ),
        (
            gateway(&[http]) + "  addresses: [{type: x.example/odd, value: x}]\n",
            vec![
                "g 7: ResolvedRefs=ResolvedRefs !Accepted=UnsupportedAddress !Programmed=Invalid"
                    .into(),
                "  http 2 0: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=Invalid"
                    .into(),
            ],
        ),
        (
            gateway(&[http]) + "  addresses: [{type: IPAddress, value: 192.0.2.1}]\n",
            vec![
                "g 7: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=AddressNotUsable"
                    .into(),
                "  http 2 0: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=Invalid"
                    .into(),
            ],
        ),
    ] {
        let lowered = in_range().apply(changes(&text));
        assert_eq!(told(&lowered)[1..], expected, "{text}");
        assert!(!lowered.problems.is_empty(), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_route_is_its_own_matter() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80, hostname: '*.example'"]);
    let with = |kind: &str, more: &str| {
        let backend = format!("name: web, port: 80, {kind}");
        route("r", more).replace("name: web, port: 80", &backend)
    };
    for (route, expected) in [
        (route("r", ""), "Accepted=Accepted ResolvedRefs=ResolvedRefs"),
        (
            route("r", "hostnames: [a.test]"),
            "ResolvedRefs=ResolvedRefs !Accepted=NoMatchingListenerHostname",
        ),
        (
            route("r", "").replace("name: g}", "name: g, sectionName: x}"),
            "ResolvedRefs=ResolvedRefs !Accepted=NoMatchingParent",
        ),
        (with("kind: Odd", ""), "Accepted=Accepted !ResolvedRefs=InvalidKind"),
        (with("namespace: other", ""), "Accepted=Accepted !ResolvedRefs=RefNotPermitted"),
        (
            route("r", "").replace("name: web", "name: none"),
            "Accepted=Accepted !ResolvedRefs=BackendNotFound",
        ),
        (
            route("r", "").replace("port: 80", "port: 81"),
            "Accepted=Accepted !ResolvedRefs=BackendNotFound",
        ),
    ] {
        let lowered = in_range().apply(changes(&format!("{text}{route}{SERVICE}")));
        let told = told(&lowered);
        assert_eq!(
            told.last().map(|line| line.trim()),
            Some(&*format!("g: {expected}")),
            "{route}"
        );
        let has_error = lowered.problems.iter().any(|p| p.severity == Severity::Error);
        assert_eq!(has_error, expected.contains('!'), "{route}");
    }
}

#[test]
fn what_changes_is_told_and_nothing_else() {
    let http = &["name: http, protocol: HTTP, port: 80"];
    let other = "---\napiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: other}\n\
                 spec: {ports: [{port: 80}]}\n";
    let grant = "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
                 metadata: {name: ok, namespace: other}\nspec:\n  \
                 from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]\n  \
                 to: [{group: '', kind: Service}]\n";
    let far = route("r", "").replace("name: web", "name: far, namespace: other");
    let mut world = in_range();
    world.apply(changes(&format!("{}{far}{other}{grant}", gateway(http))));
    // The same once more, and what has nothing to do with it.
    assert_eq!(told(&world.apply(changes(&far))), Vec::<String>::new());
    assert_eq!(told(&world.apply(changes(SERVICE))), Vec::<String>::new());
    // Another route changes the count alone.
    let lines = told(&world.apply(changes(&route("more", ""))));
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].starts_with("  http 2 2:"), "{lines:?}");
    // What is no longer allowed ends at once.
    let gone = vec![Change::Delete(reference(Kind::ReferenceGrant, "other", "ok"))];
    let lowered = world.apply(gone);
    let expected = ["r 2:", "  g: Accepted=Accepted !ResolvedRefs=RefNotPermitted"];
    assert_eq!(told(&lowered), expected);
    assert!(lowered.model.is_some());
    // A Service that comes, and goes.
    let web = || vec![Change::Delete(reference(Kind::Service, "shop", "web"))];
    assert_eq!(
        told(&world.apply(web()))[1],
        "  g: Accepted=Accepted !ResolvedRefs=BackendNotFound"
    );
    assert_eq!(
        told(&world.apply(changes(SERVICE)))[1],
        "  g: Accepted=Accepted ResolvedRefs=ResolvedRefs"
    );
    // A Gateway that goes takes nothing of its routes but their states.
    let lowered = world.apply(vec![Change::Delete(reference(Kind::Gateway, "shop", "g"))]);
    // The class is used no more.
    assert_eq!(told(&lowered), ["edge 3: Accepted=Accepted", "g Withdrawn", "more 2:", "r 2:"]);
    assert_eq!(listeners(&lowered), [" 1: "]);
    let lowered = world.apply(changes(&gateway(http)));
    assert!(listeners(&lowered)[0].ends_with(" 1: *| 2"), "{:?}", listeners(&lowered));
}

#[test]
fn a_gateway_of_another_class_is_not_ours() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80"])
        .replace("ringway.dev/gateway", "example.com/other");
    let lowered = in_range().apply(changes(&format!("{text}{}", route("r", ""))));
    assert_eq!(told(&lowered), Vec::<String>::new());
    assert!(listeners(&lowered).is_empty());
}

#[test]
fn what_is_not_open_is_not_programmed() {
    let text = gateway(&["name: http, protocol: HTTP, port: 80"]);
    let mut world = in_range();
    let model = world.apply(changes(&text)).model.expect("a model");
    let at = model.listeners[1].entry_points[0];
    let refused = [(at, ("AddressNotUsable", "no".to_owned()))].into();
    let outcomes = world.lowerer.set_refused(&world.store, refused);
    let lowered = Lowered { outcomes, ..world.apply(Vec::new()) };
    assert_eq!(
        told(&lowered),
        [
            "g 7: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=AddressNotUsable",
            "  http 2 0: Accepted=Accepted ResolvedRefs=ResolvedRefs !Programmed=Pending",
        ]
    );
    assert_eq!(reasons(&lowered), ["AddressNotUsable spec.listeners[0].port"]);
    let outcomes = world.lowerer.set_refused(&world.store, BTreeMap::new());
    assert_eq!(outcomes.len(), 1);
}

/// Without addresses of their own Gateways are where Ingresses are; theirs come first.
#[test]
fn a_shared_port_serves_ingresses_and_gateways() {
    let flag = EntryPoint { address: ([127, 0, 0, 1], 80).into(), scheme: Scheme::Http };
    let mut world = World::new(LowerOptions { entry_points: vec![flag], ..options() });
    let text = gateway(&[
        "name: http, protocol: HTTP, port: 80",
        "name: more, protocol: HTTP, port: 8080",
        "name: tls, protocol: HTTPS, port: 80, hostname: x, tls: {certificateRefs: [{name: no}]}",
    ]);
    let text = text
        .replace("name: tls, protocol: HTTPS, port: 80", "name: tls, protocol: ODD, port: 80")
        + &route("r", "hostnames: [both.example, r.example]")
        + &ingress("i", "", "both.example", "/x")
        + SERVICE;
    let lowered = world.apply(changes(&text));
    let model = lowered.model.as_ref().expect("a model");
    assert!(model.listeners[0].entry_points.is_empty());
    assert_eq!(
        listeners(&lowered),
        [
            "http://127.0.0.1:80 0: r.example 1, *| 0, both.example| 1",
            "http://127.0.0.1:8080 0: both.example 1, r.example 1, *| 0",
        ]
    );
}

#[test]
fn listeners_of_a_set_are_those_of_its_gateway() {
    let set = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n\
               metadata: {name: more, namespace: shop, generation: 4}\n\
               spec:\n  parentRef: {name: g}\n  listeners:\n  \
               - {name: extra, protocol: HTTP, port: 80, hostname: extra.example}\n";
    let to_set = route("r", "").replace("{name: g}", "{kind: ListenerSet, name: more}");
    let text = gateway(&["name: http, protocol: HTTP, port: 80"]);
    let lowered = in_range().apply(changes(&format!("{text}{set}{to_set}{SERVICE}")));
    let lines = told(&lowered);
    let not_allowed = "more 4: !Accepted=NotAllowed !Programmed=NotAllowed".to_owned();
    assert!(lines.contains(&not_allowed), "{lines:?}");
    let text = text + "  allowedListeners: {namespaces: {from: Same}}\n";
    let lowered = in_range().apply(changes(&format!("{text}{set}{to_set}{SERVICE}")));
    let lines = told(&lowered);
    for line in [
        "more 4: Accepted=Accepted Programmed=Programmed",
        "  extra 2 1: Accepted=Accepted Programmed=Programmed ResolvedRefs=ResolvedRefs",
        "  more: Accepted=Accepted ResolvedRefs=ResolvedRefs",
    ] {
        assert!(lines.iter().any(|told| told == line), "{line} in {lines:?}");
    }
    assert!(listeners(&lowered)[0].ends_with(": extra.example| 1, *| 0"));
}

#[test]
fn tls_goes_to_backends_of_routes_by_name() {
    let text = gateway(&[
        "name: tls, protocol: TLS, port: 443, hostname: '*.example', tls: {mode: Passthrough}",
        "name: end, protocol: TLS, port: 8443, tls: {mode: Terminate}",
    ]) + &route("r", "hostnames: [a.example, b.test]").replace("HTTPRoute", "TLSRoute")
        + SERVICE;
    let lowered = in_range().apply(changes(&text));
    let model = lowered.model.as_ref().expect("a model");
    let [name, rest] = &model.listeners[1].server_names[..] else { panic!("two names") };
    assert_eq!(name.pattern.to_string(), "a.example");
    // What no route has does not fall to another listener.
    assert_eq!((&*rest.pattern.to_string(), &rest.action), ("*.example", &TlsAction::Nobody));
    assert!(matches!(&name.action, TlsAction::Passthrough { backends, .. }
        if backends[0].target.key().is_some_and(|key| key.to_string() == "shop/web:80")));
    let lines = told(&lowered);
    let refused = "  end 1 1: Accepted=Accepted !Programmed=Invalid \
                   !ResolvedRefs=InvalidCertificateRef";
    assert!(lines.iter().any(|line| line == refused), "{lines:?}");
    assert!(listeners(&lowered)[0].ends_with(":443 0: "), "{:?}", listeners(&lowered));
}

#[test]
fn of_routes_of_two_kinds_the_older_has_the_hosts() {
    let calls = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\n\
        metadata: {name: calls, namespace: shop, generation: 1, \
        creationTimestamp: '2026-01-01T00:00:00Z'}\n\
        spec: {parentRefs: [{name: g}], hostnames: ['*.example'], \
        rules: [{backendRefs: [{name: web, port: 80}]}]}\n";
    let text = gateway(&["name: http, protocol: HTTP, port: 80"])
        + &route("a", "hostnames: [a.example]")
        + calls
        + SERVICE;
    let mut world = in_range();
    let lowered = world.apply(changes(&text));
    let told_of = |lowered: &Lowered, name: &str| {
        let told = told(lowered);
        let at = told.iter().position(|line| line.starts_with(name)).expect("a state");
        told[at + 1].trim().to_owned()
    };
    let accepted = "g: Accepted=Accepted ResolvedRefs=ResolvedRefs";
    assert_eq!(told_of(&lowered, "a 2"), accepted);
    assert_eq!(
        told_of(&lowered, "calls 1"),
        "g: ResolvedRefs=ResolvedRefs !Accepted=HostnameConflict"
    );
    assert!(told(&lowered).iter().any(|line| line.starts_with("  http 2 1:")));
    assert!(listeners(&lowered)[0].ends_with(": a.example 1, *| 0"));
    // What is free is given to who waits for it.
    let lowered = world.apply(vec![Change::Delete(reference(Kind::HTTPRoute, "shop", "a"))]);
    assert_eq!(told_of(&lowered, "calls 1"), accepted);
    assert!(listeners(&lowered)[0].ends_with(": *.example 1, *| 0"), "{:?}", listeners(&lowered));
}

#[test]
fn a_gateway_that_listens_has_a_service() {
    let set = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n\
        metadata: {name: more, namespace: shop}\n\
        spec:\n  parentRef: {name: g}\n  listeners: [{name: x, protocol: HTTP, port: 81}]\n";
    let text =
        gateway(&["name: http, protocol: HTTP, port: 80", "name: odd, protocol: X, port: 9"])
            .replace(
                "  gatewayClassName: edge\n",
                "  gatewayClassName: edge\n  allowedListeners: {namespaces: {from: Same}}\n  \
             infrastructure: {labels: {a: b}, annotations: {c: d}}\n",
            );
    for (services, expected) in [(OwnServices::Made, true), (OwnServices::LeftOut, false)] {
        let options = LowerOptions { gateway_services: services, ..options() };
        let lowered = World::new(options).apply(changes(&format!("{text}{set}")));
        let status = |object: &ObjectRef| {
            let (_, outcome) = lowered.outcomes.iter().find(|(told, _)| told == object)?;
            match outcome {
                Outcome::Status(status) => Some(status.content.clone()),
                _ => None,
            }
        };
        let class = reference(Kind::GatewayClass, "", "edge");
        let Some(Content::Class { features, .. }) = status(&class) else { panic!("a class") };
        assert_eq!(features.contains(&"GatewayInfrastructurePropagation"), expected);
        let Some(Content::Gateway { service, addresses, .. }) =
            status(&reference(Kind::Gateway, "shop", "g"))
        else {
            panic!("a Gateway")
        };
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let wanted = GatewayService {
            class: "edge".into(),
            labels: pair("a", "b"),
            annotations: pair("c", "d"),
            ports: [(80, Carrier::Tcp), (81, Carrier::Tcp)].into(),
        };
        assert_eq!(service.as_deref(), expected.then_some(&wanted));
        assert_eq!(addresses == GatewayAddresses::OfService, expected);
    }
}
