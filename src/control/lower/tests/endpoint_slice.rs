use super::*;

const FRONT: &str = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\n\
    spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}\n---\n\
    apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, \
     targetPort: t}]}\n";

fn slice(name: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}, labels: {{kubernetes.io/service-name: s}}}}\n{rest}\n"
    )
}

#[track_caller]
fn check(slices: &[&str], expected: &str, problems: &[&str]) {
    let slices: String =
        slices.iter().enumerate().map(|(n, rest)| slice(&format!("s-{n}"), rest)).collect();
    let lowered = lower(&format!("{FRONT}{slices}"));
    assert_eq!(endpoints(&lowered), [format!("default/s:80 = {expected}")], "{slices}");
    assert_eq!(reasons(&lowered), problems, "{slices}");
}

#[test]
fn ready_endpoints_of_all_slices_count_once() {
    check(
        &[
            "addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.0.0.2]}, \
             {addresses: [10.0.0.1], conditions: {ready: true}}, \
             {addresses: [10.0.0.9], conditions: {ready: false}}]",
            "addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.0.0.1]}]",
            "addressType: IPv6\nports: [{port: 1}]\nendpoints: [{addresses: [\"fd00::1\"]}]",
        ],
        "10.0.0.1:1 10.0.0.2:1 [fd00::1]:1",
        &[],
    );
}

#[test]
fn named_target_ports_differ_per_slice() {
    check(
        &[
            "addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.0.0.1]}]",
            "addressType: IPv4\nports: [{name: t, port: 2}]\nendpoints: [{addresses: [10.0.0.2]}]",
        ],
        "10.0.0.1:1 10.0.0.2:2",
        &[],
    );
}

#[test]
fn terminating_endpoints_serve_only_when_no_other_is_left() {
    let terminating = "{addresses: [10.0.0.1], \
                       conditions: {ready: false, serving: true, terminating: true}}";
    let gone = "{addresses: [10.0.0.2], \
                conditions: {ready: false, serving: false, terminating: true}}";
    let unready = "{addresses: [10.0.0.3], conditions: {ready: false, serving: true}}";
    let slice =
        |list: &str| format!("addressType: IPv4\nports: [{{port: 1}}]\nendpoints: [{list}]");
    let all = slice(&format!("{terminating}, {gone}, {unready}"));
    check(&[&all], "10.0.0.1:1", &[]);
    let ready = slice("{addresses: [10.0.0.4]}");
    check(&[&all, &ready], "10.0.0.4:1", &[]);
    let none = slice(&format!("{gone}, {unready}"));
    check(&[&none], "", &["NoEndpoints spec.defaultBackend"]);
    check(&[], "", &["NoEndpoints spec.defaultBackend"]);
}

#[test]
fn unusable_addresses_are_said_and_left_out() {
    check(
        &["addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [10.0.0.1, \
             127.0.0.1]}, \
           {addresses: [x, 169.254.169.254, 0.0.0.0]}]"],
        "10.0.0.1:1",
        &[
            "AddressRefused endpoints[0].addresses[1]",
            "AddressRefused endpoints[1].addresses[0]",
            "AddressRefused endpoints[1].addresses[1]",
            "AddressRefused endpoints[1].addresses[2]",
        ],
    );
    check(
        &["addressType: FQDN\nports: [{port: 1}]\nendpoints: [{addresses: [x.example]}]"],
        "",
        &["AddressTypeNotSupported addressType", "NoEndpoints spec.defaultBackend"],
    );
}

#[test]
fn loopback_is_allowed_where_the_option_says_so() {
    let mut world = World::new(LowerOptions { allow_local_addresses: true, ..options() });
    let slice = slice(
        "s-1",
        "addressType: IPv4\nports: [{port: 1}]\nendpoints: [{addresses: [127.0.0.1]}]",
    );
    let lowered = world.apply(changes(&format!("{FRONT}{slice}")));
    assert_eq!(endpoints(&lowered), ["default/s:80 = 127.0.0.1:1"]);
}

#[test]
fn a_slice_without_a_service_is_said() {
    let text = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n\
                addressType: IPv4\nendpoints: []\n";
    assert_eq!(reasons(&lower(text)), ["NoService metadata.labels"]);
}
