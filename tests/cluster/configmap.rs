//! ConfigMaps that Ingresses and the controller name are followed like Secrets.

use serde_json::{Value, json};

use crate::harness::objects::ingress;
use crate::harness::{ControlPlane, Endpoint, Installation, Network, backend, wait_until};

crate::cases![a_config_map_comes_with_its_ingress_and_is_followed];

fn config_map(name: &str, data: &Value) -> Value {
    json!({ "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn a_config_map_comes_with_its_ingress_and_is_followed() {
    let network = Network::new();
    let allowed = "controller.config.global-allowed-response-headers=X-A";
    let installation = Installation::with(ControlPlane::shared(), &[allowed]);
    let (objects, class) = (&installation.objects, &installation.class);
    objects.backend("web", &[Endpoint::ready(network.address(1))]);
    let _web = backend(network.address(1), "web");
    let proxy = installation.start();
    objects.apply(config_map("fields", &json!({ "X-A": "1" })));
    let mut object = ingress(class, "fields", "fields.example", "web");
    object["metadata"]["annotations"] =
        json!({ "nginx.ingress.kubernetes.io/custom-headers": "fields" });
    objects.apply(object);
    let field = || {
        let response = proxy.get("fields.example", "/");
        (response.status(), response.field("x-a").unwrap_or_default().to_owned())
    };
    let is = |status, value: &str| field() == (status, value.to_owned());
    wait_until("the field", || is(200, "1"));
    assert!(!proxy.output().contains("there is no ConfigMap"), "{}", proxy.output());
    objects.apply(config_map("fields", &json!({ "X-A": "2" })));
    wait_until("its next value", || is(200, "2"));
    objects.apply(config_map("fields", &json!({ "X-A": "2", "X-B": "3" })));
    wait_until("that X-B is not allowed", || is(503, ""));
    // What is allowed is changed without a restart.
    let settings = format!("{}-controller", objects.namespace);
    let names = json!({ "data": { "global-allowed-response-headers": "X-A, X-B" } });
    objects.merge("ConfigMap", &settings, names);
    wait_until("that it is", || is(200, "2"));
    objects.delete("ConfigMap", "fields");
    wait_until("that it is closed", || is(503, ""));
    wait_until("the Event", || {
        let events = installation.events("Ingress", "fields");
        events.iter().any(|event| event["reason"] == "ConfigMapMissing")
    });
}
