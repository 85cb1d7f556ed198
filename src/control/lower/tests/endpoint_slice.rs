//! Which endpoints are used.

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

/// Slices with one port, of the endpoints that `list` says.
fn of_port(list: &str) -> String {
    format!("addressType: IPv4\nports: [{{port: 1}}]\nendpoints: [{list}]")
}

/// `zones` and `nodes` are lists of hints; empty: none.
fn endpoint(address: &str, zones: &str, nodes: &str) -> String {
    let names = |list: &str| {
        list.split_whitespace().map(|name| format!("{{name: {name}}}, ")).collect::<String>()
    };
    format!(
        "{{addresses: [{address}], hints: {{forZones: [{}], forNodes: [{}]}}}}, ",
        names(zones),
        names(nodes)
    )
}

#[track_caller]
fn check_hints(zone: Option<&str>, node: Option<&str>, slices: &[String], expected: &str) {
    let options =
        LowerOptions { zone: zone.map(Into::into), node: node.map(Into::into), ..options() };
    let slices: String =
        slices.iter().enumerate().map(|(n, rest)| slice(&format!("s-{n}"), rest)).collect();
    let lowered = World::new(options).apply(changes(&format!("{FRONT}{slices}")));
    let expected = format!("default/s:80 = {expected}");
    assert_eq!(endpoints(&lowered), [expected], "{zone:?} {node:?} {slices}");
}

#[test]
fn hints_keep_requests_near_but_never_without_endpoints() {
    let (one, two) = (endpoint("10.0.0.1", "a", "n"), endpoint("10.0.0.2", "b c", "m n"));
    let three = endpoint("10.0.0.3", "b", "m");
    let bare = "{addresses: [10.0.0.4]}, ";
    let unready = "{addresses: [10.0.0.5], conditions: {ready: false}}, ";
    let terminating = "{addresses: [10.0.0.6], hints: {forZones: [{name: b}]}, \
                       conditions: {ready: false, serving: true, terminating: true}}, ";
    let both = [of_port(&format!("{one}{two}{unready}")), of_port(&three)];
    let all = "10.0.0.1:1 10.0.0.2:1 10.0.0.3:1";
    for (zone, node, expected) in [
        (None, None, all),
        (Some("a"), None, "10.0.0.1:1"),
        (Some("b"), None, "10.0.0.2:1 10.0.0.3:1"),
        (Some("c"), None, "10.0.0.2:1"),
        (Some("d"), None, all),
        // The node before the zone.
        (None, Some("n"), "10.0.0.1:1 10.0.0.2:1"),
        (Some("b"), Some("n"), "10.0.0.1:1 10.0.0.2:1"),
        (Some("b"), Some("x"), "10.0.0.2:1 10.0.0.3:1"),
        (Some("d"), Some("x"), all),
    ] {
        check_hints(zone, node, &both, expected);
    }
    // One without a hint, be it in another slice.
    let some = [of_port(&format!("{one}{two}")), of_port(bare)];
    check_hints(Some("a"), None, &some, "10.0.0.1:1 10.0.0.2:1 10.0.0.4:1");
    let no_node = [of_port(&format!("{one}{}", endpoint("10.0.0.7", "b", "")))];
    check_hints(Some("b"), Some("n"), &no_node, "10.0.0.7:1");
    // Terminating ones are no place of ours while others are ready, and have no hints after.
    check_hints(Some("b"), None, &[of_port(&format!("{one}{terminating}"))], "10.0.0.1:1");
    check_hints(Some("a"), None, &[of_port(terminating)], "10.0.0.6:1");
}

#[test]
fn a_dual_stack_service_uses_both_families() {
    let of = |family: &str, address: &str, conditions: &str| {
        format!(
            "addressType: {family}\nports: [{{port: 1}}]\n\
                 endpoints: [{{addresses: [\"{address}\"]{conditions}}}]"
        )
    };
    let four = |conditions: &str| of("IPv4", "10.0.0.1", conditions);
    let six = |conditions: &str| of("IPv6", "fd00::1", conditions);
    let ready = "";
    let unready = ", conditions: {ready: false}";
    let ending = ", conditions: {ready: false, serving: true, terminating: true}";
    let both = "10.0.0.1:1 [fd00::1]:1";
    for (families, slices, expected) in [
        ("IPv4, IPv6", vec![four(ready), six(ready)], both),
        ("IPv6, IPv4", vec![four(ready), six(ready)], both),
        ("IPv6", vec![four(ready), six(ready)], both),
        ("", vec![four(ready), six(ready)], both),
        ("IPv4, IPv6", vec![six(ready)], "[fd00::1]:1"),
        ("IPv4, IPv6", vec![four(unready), six(ready)], "[fd00::1]:1"),
        ("IPv4, IPv6", vec![four(ending), six(ready)], "[fd00::1]:1"),
        ("IPv6, IPv4", vec![four(ending), six(ending)], both),
        ("IPv6, IPv4", vec![four(ending), six(unready)], "10.0.0.1:1"),
    ] {
        let front = FRONT.replace("{ports:", &format!("{{ipFamilies: [{families}], ports:"));
        let slices: String =
            slices.iter().enumerate().map(|(n, rest)| slice(&format!("s-{n}"), rest)).collect();
        let lowered = lower(&format!("{front}{slices}"));
        let expected = format!("default/s:80 = {expected}");
        assert_eq!(endpoints(&lowered), [expected], "{families}: {slices}");
    }
}

#[test]
fn endpoints_of_both_families_that_are_not_ready_count_once() {
    let unready = |family: &str, address: &str| {
        format!(
            "addressType: {family}\nports: [{{port: 1}}]\nendpoints: \
                 [{{addresses: [\"{address}\"], conditions: {{ready: false}}}}]"
        )
    };
    let front = FRONT.replace("{ports:", "{ipFamilies: [IPv4, IPv6], ports:");
    let slices = slice("a", &unready("IPv4", "10.0.0.1")) + &slice("b", &unready("IPv6", "fd::1"));
    let lowered = lower(&format!("{front}{slices}"));
    assert!(lowered.problems[0].message.contains("(1 are not ready)"), "{:?}", lowered.problems);
}

#[test]
fn a_change_is_urgent_if_it_takes_an_endpoint_away() {
    let read = |text: &str| {
        let mut world = World::new(options());
        world.apply(changes(text));
        let entry = world.store.endpoint_slices.pop_first();
        entry.map(|(_, entry)| (*entry.object).clone())
    };
    let of = |list: &str| read(&slice("s", &of_port(list)));
    let ready = "{addresses: [10.0.0.1]}, ";
    let other = "{addresses: [10.0.0.2], conditions: {ready: true}}, ";
    let ending = "{addresses: [10.0.0.1], \
                  conditions: {ready: false, serving: true, terminating: true}}, ";
    let ended = "{addresses: [10.0.0.1], \
                 conditions: {ready: false, serving: false, terminating: true}}, ";
    let unready = "{addresses: [10.0.0.1], conditions: {ready: false, serving: true}}, ";
    let both = &format!("{ready}{other}");
    let hinted = "{addresses: [10.0.0.1], hints: {forZones: [{name: a}]}}";
    let port_2 = slice("s", &of_port(ready).replace("port: 1", "port: 2"));
    let elsewhere = slice("s", &of_port(ready)).replace("service-name: s", "service-name: t");
    for (old, new, expected) in [
        (None, None, false),
        (None, of(ready), false),
        (of(ready), None, true),
        (of(ended), None, false),
        (of(""), None, false),
        (of(ready), of(ready), false),
        (of(ready), of(both), false),
        (of(both), of(ready), true),
        (of(ready), of(other), true),
        (of(ready), of(""), true),
        (of(ready), of(ending), true),
        (of(ready), of(unready), true),
        (of(ending), of(ended), true),
        (of(ending), of(unready), true),
        (of(ending), of(ready), false),
        (of(unready), of(ready), false),
        (of(unready), of(ended), false),
        (of(ended), of(""), false),
        // Twice in a slice: the better one counts.
        (of(&format!("{ended}{ready}")), of(ready), false),
        (of(&format!("{ready}{ended}")), of(ended), true),
        (of(ready), of(hinted), false),
        (of(ready), read(&port_2), true),
        (of(unready), read(&port_2), false),
        (of(ready), read(&elsewhere), true),
    ] {
        let is_urgent = slices::removes_endpoints(old.as_ref(), new.as_ref());
        assert_eq!(is_urgent, expected, "{old:?} {new:?}");
    }
}
