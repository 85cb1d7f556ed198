//! EndpointSlice API: conditions, several slices, none at all; ExternalName.

use std::collections::BTreeSet;

use crate::for_each_driver;
use crate::harness::{Backend, Driver, Ingress, Proxy, manifest};

for_each_driver!(
    conditions_decide_who_gets_requests,
    service_without_endpoints_is_503,
    external_name_is_resolved,
);

fn conditions_decide_who_gets_requests(driver: Driver) {
    let rows = [
        ("ready", "{ready: true}", true),
        ("unset", "{}", true),
        ("unready", "{ready: false}", false),
        ("ending", "{ready: false, serving: true, terminating: true}", false),
        ("duplicate", "{ready: true, serving: true, terminating: false}", true),
    ];
    let backends = rows.map(|(name, _, _)| Backend::echo(name));
    let mut text = manifest::service("web") + &Ingress::simple("web", "a.example", "web").yaml();
    for ((name, conditions, _), backend) in rows.iter().zip(&backends) {
        text += &manifest::slice("web", name, backend.address(), conditions);
    }
    text += &manifest::slice("web", "again", backends[4].address(), "{ready: true}");
    let proxy = Proxy::start(driver, text);
    let mut client = proxy.client();
    let seen: BTreeSet<_> = (0..40).map(|_| client.get("a.example", "/").backend()).collect();
    let expected = rows.iter().filter(|row| row.2).map(|row| row.0.to_owned()).collect();
    assert_eq!(seen, expected);
}

fn service_without_endpoints_is_503(driver: Driver) {
    let text = manifest::service("empty")
        + &Ingress::simple("empty", "empty.example", "empty").yaml()
        + &Ingress::simple("missing", "missing.example", "missing").yaml();
    let proxy = Proxy::start(driver, text);
    let mut client = proxy.client();
    assert_eq!(client.get("empty.example", "/").status(), 503);
    assert_eq!(client.get("missing.example", "/").status(), 503, "and the connection lives on");
    let backend = Backend::echo("late");
    proxy.write("late.yaml", &manifest::endpoints("empty", &[backend.address()]));
    proxy.wait_for_status("empty.example", "/", 200);
}

/// The port of an ExternalName Service is the one of the rule.
fn external_name_is_resolved(driver: Driver) {
    let backend = Backend::echo("external");
    let port = backend.address().port();
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: ext\n  namespace: default\nspec:\n  \
         type: ExternalName\n  externalName: localhost\n  ports:\n    - name: http\n      port: \
         {port}\n---\n"
    );
    let ingress = Ingress::new("ext").host("ext.example").path_to_port(
        "/",
        manifest::PathType::Prefix,
        "ext",
        &format!("number: {port}"),
    );
    let proxy = Proxy::start(driver, text + &ingress.yaml());
    proxy.wait_for_status("ext.example", "/", 200);
}
