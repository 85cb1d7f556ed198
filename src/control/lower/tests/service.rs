//! Ports and external names of a Service.

use super::*;
use crate::control::resolve::Answer;

const SLICE: &str = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
    metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\n\
    ports: [{name: web, port: 8080}, {name: admin, port: 9090}]\n\
    endpoints: [{addresses: [10.0.0.1]}]\n";

/// An Ingress to port `port` of Service `s`, the Service, its slice.
fn world(port: &str, service_spec: &str) -> Lowered {
    lower(&format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
         spec: {{defaultBackend: {{service: {{name: s, port: {{{port}}}}}}}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{{service_spec}}}\n{SLICE}"
    ))
}

#[track_caller]
fn check(port: &str, service_spec: &str, expected: &str, problem: &str) {
    let lowered = world(port, service_spec);
    assert_eq!(endpoints(&lowered), [expected], "{port} {service_spec}");
    let problems: Vec<_> = lowered.problems.iter().map(|p| p.message.clone()).collect();
    let expected: &[&str] = if problem.is_empty() { &[] } else { &[problem] };
    assert_eq!(problems, expected, "{port} {service_spec}");
}

#[test]
fn ports_are_found_by_number_name_and_target_port() {
    let spec = "ports: [{name: web, port: 80, targetPort: http}, \
                {name: admin, port: 81, targetPort: 9090}]";
    for (port, name, number) in [
        ("number: 80", "80", 8080),
        ("name: web", "web", 8080),
        ("name: http", "http", 8080),
        ("number: 81", "81", 9090),
        ("number: 9090", "9090", 9090),
    ] {
        check(port, spec, &format!("default/s:{name} = 10.0.0.1:{number}"), "");
    }
}

/// And nobody is told that requests get 503 because of it.
#[test]
fn default_backend_means_the_first_tcp_port() {
    let web = "{name: web, port: 80, targetPort: http}";
    let admin = "{name: admin, port: 81, targetPort: 9090}";
    let udp = "{name: quic, port: 79, protocol: UDP}";
    for (spec, expected, problem) in [
        (format!("ports: [{web}, {admin}]"), "default/s:first = 10.0.0.1:8080", ""),
        (format!("ports: [{udp}, {admin}, {web}]"), "default/s:first = 10.0.0.1:9090", ""),
        (
            "type: ExternalName, externalName: x.example".to_owned(),
            "",
            "the Service has no such port; it has none; it answers no request.",
        ),
    ] {
        let lowered = lower(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, annotations: \
             {{nginx.ingress.kubernetes.io/default-backend: s}}}}\n\
             spec: {{defaultBackend: {{service: {{name: gone, port: {{number: 80}}}}}}}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{{spec}}}\n{SLICE}"
        ));
        assert!(endpoints(&lowered).iter().any(|set| set.starts_with(expected)), "{spec}");
        let field = "metadata.annotations.nginx.ingress.kubernetes.io/default-backend";
        let told = lowered.problems.iter().filter(|p| p.field == field);
        let told: Vec<_> = told.map(|p| &*p.message).collect();
        let wanted: &[&str] = if problem.is_empty() { &[] } else { &[problem] };
        assert_eq!(told, wanted, "{spec}");
    }
}

#[test]
fn of_a_number_with_several_protocols_the_tcp_port_is_meant() {
    let web = "{name: web, port: 80, targetPort: 9090}";
    let udp = "{name: quic, port: 80, targetPort: 1, protocol: UDP}";
    let sctp = "{name: sig, port: 80, targetPort: 2, protocol: SCTP}";
    // What a number or name means as a target port comes after what it means as a port.
    let by_target = "{name: other, port: 8, targetPort: 80, protocol: TCP}";
    for ports in [
        format!("{udp}, {web}"),
        format!("{web}, {udp}"),
        format!("{sctp}, {udp}, {web}"),
        format!("{udp}, {by_target}, {web}"),
    ] {
        check("number: 80", &format!("ports: [{ports}]"), "default/s:80 = 10.0.0.1:8080", "");
    }
    let named = "ports: [{name: u, port: 1, targetPort: web, protocol: UDP}, \
                 {name: web, port: 2, targetPort: web}]";
    check("name: web", named, "default/s:web = 10.0.0.1:8080", "");
}

#[test]
fn a_port_that_leads_nowhere_gives_503_and_says_why() {
    let suffix = "; its requests get status 503.";
    for (port, name, spec, why) in [
        (
            "number: 82",
            "82",
            "ports: [{name: web, port: 80}, {port: 81}]",
            "the Service has no such port; it has 80 (web), 81",
        ),
        ("name: x", "x", "", "the Service has no such port; it has none"),
        (
            "number: 53",
            "53",
            "ports: [{port: 53, protocol: UDP}]",
            "the port's protocol is UDP, not TCP",
        ),
        ("number: 80", "80", "ports: [{port: 80, targetPort: 0}]", "0 is not a port number"),
        (
            "number: 80",
            "80",
            "ports: [{name: other, port: 80}]",
            "no EndpointSlice of the Service has this port",
        ),
        (
            "number: 80",
            "80",
            "type: ExternalName",
            "the Service is of type ExternalName and has no externalName",
        ),
    ] {
        check(port, spec, &format!("default/s:{name} = "), &format!("{why}{suffix}"));
    }
}

/// Nobody says what the pods listen on: to guess would be a connection refused, and 502.
#[test]
fn a_port_without_a_number_anywhere_gives_503() {
    let missing = "no EndpointSlice of the Service has this port; its requests get status 503.";
    for (service, slice, expected) in [
        ("{port: 80}", "[{}]", ""),
        ("{name: web, port: 80}", "[{name: web}]", ""),
        ("{port: 80}", "[]", ""),
        ("{port: 80, targetPort: http}", "[{}]", ""),
        ("{port: 80, targetPort: 8080}", "[{}]", "10.0.0.1:8080"),
        ("{port: 80}", "[{port: 8080}]", "10.0.0.1:8080"),
        ("{name: web, port: 80}", "[{name: web, port: 8080}]", "10.0.0.1:8080"),
    ] {
        let slices = SLICE.replace("[{name: web, port: 8080}, {name: admin, port: 9090}]", slice);
        let lowered = lower(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
             spec: {{defaultBackend: {{service: {{name: s, port: {{number: 80}}}}}}}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\n\
             spec: {{ports: [{service}]}}\n{slices}"
        ));
        assert_eq!(
            endpoints(&lowered),
            [format!("default/s:80 = {expected}")],
            "{service} {slice}"
        );
        let messages: Vec<_> = lowered.problems.iter().map(|p| &*p.message).collect();
        assert_eq!(messages, vec![missing; usize::from(expected.is_empty())], "{service} {slice}");
    }
}

#[test]
fn a_missing_service_is_a_warning_at_the_rule() {
    let lowered = lower(&ingress("a", "", "h", "/"));
    let problem = &lowered.problems[0];
    assert_eq!(
        problem.to_string(),
        "f:10: warning: Ingress default/a: spec.rules[0].http.paths[0].backend: there is no \
         Service \
         default/web; its requests get status 503. Create it, or correct the name."
    );
    assert_eq!(endpoints(&lowered), ["default/web:80 = "]);
}

#[test]
fn headless_services_may_leave_ports_out() {
    let text = SLICE.replace("[{name: web, port: 8080}, {name: admin, port: 9090}]", "[]");
    let lowered = lower(&format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
         spec: {{defaultBackend: {{service: {{name: s, port: {{number: 7000}}}}}}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{clusterIP: None}}\n{text}"
    ));
    assert_eq!(endpoints(&lowered), ["default/s:7000 = 10.0.0.1:7000"]);
}

fn external(options: LowerOptions, port: &str, spec: &str) -> World {
    let mut world = World::new(options);
    world.apply(changes(&format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\n\
         spec: {{defaultBackend: {{service: {{name: s, port: {{{port}}}}}}}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\n\
         spec: {{type: ExternalName, externalName: x.example, {spec}}}\n"
    )));
    world
}

fn answer(world: &mut World, result: Result<&[&str], &str>) -> Lowered {
    let result = result
        .map(|list| list.iter().map(|a| a.parse().expect("an address")).collect())
        .map_err(ToOwned::to_owned);
    world.lowerer.apply_answer(
        &world.store,
        Answer { name: "x.example".into(), result },
        SystemTime::now(),
    )
}

#[test]
fn external_names_get_their_addresses_from_dns_and_keep_them() {
    let mut world = external(options(), "number: 443", "");
    assert_eq!(world.lowerer.external_names(), BTreeSet::from(["x.example".into()]));
    let lowered = answer(&mut world, Ok(&["10.0.0.2", "10.0.0.1"]));
    assert_eq!(endpoints(&lowered), ["default/s:443 = 10.0.0.1:443 10.0.0.2:443"]);
    assert!(lowered.model.is_none());
    let lowered = answer(&mut world, Err("no answer"));
    assert!(lowered.endpoints.is_empty() && lowered.problems.is_empty());

    let mut world = external(options(), "name: web", "ports: [{name: web, port: 8443}]");
    let lowered = answer(&mut world, Ok(&["fd00::1"]));
    assert_eq!(endpoints(&lowered), ["default/s:web = [fd00::1]:8443"]);
}

#[test]
fn external_names_that_lead_nowhere_or_home_are_said() {
    let mut world = external(options(), "number: 80", "");
    assert_eq!(
        reasons(&answer(&mut world, Err("no answer"))),
        ["NameNotResolved spec.defaultBackend"]
    );
    let home = answer(&mut world, Ok(&["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254"]));
    assert_eq!(reasons(&home), ["AddressRefused spec.defaultBackend"]);
    assert!(home.endpoints.is_empty());
    let refused = LowerOptions { external_names: ExternalNames::Refused, ..options() };
    let mut world = external(refused, "number: 80", "");
    assert!(world.lowerer.external_names().is_empty());
    assert!(answer(&mut world, Ok(&["10.0.0.1"])).endpoints.is_empty());
    let local = LowerOptions { allow_local_addresses: true, ..options() };
    let mut world = external(local, "number: 80", "");
    let lowered = answer(&mut world, Ok(&["127.0.0.1"]));
    assert_eq!(endpoints(&lowered), ["default/s:80 = 127.0.0.1:80"]);
}
