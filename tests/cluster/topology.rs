//! Endpoints of our zone first, where the API's safeguards hold.

use serde_json::json;

use crate::harness::{ControlPlane, Endpoint, Installation, Network, backend, wait_until};
use crate::peers::Proxy;

crate::cases![hints_for_our_zone_count_and_their_safeguards_hold];

fn serving(proxy: &Proxy) -> Vec<String> {
    let mut names: Vec<_> = (0..12).map(|_| proxy.get("web.example", "/").backend()).collect();
    names.sort();
    names.dedup();
    names
}

fn hints_for_our_zone_count_and_their_safeguards_hold() {
    let network = Network::new();
    let _backends = [backend(network.address(1), "near"), backend(network.address(2), "far")];
    let installation = Installation::new(ControlPlane::shared());
    let (objects, class) = (&installation.objects, &installation.class);
    let node = format!("{}-node", objects.namespace);
    objects.apply(json!({
        "kind": "Node",
        "metadata": { "name": node, "labels": { "topology.kubernetes.io/zone": "a" } },
    }));
    let hinted = |near: &[&'static str], far: &[&'static str]| {
        vec![Endpoint::hinted(network.address(1), near), Endpoint::hinted(network.address(2), far)]
    };
    objects.backend("web", &hinted(&["a"], &["b"]));
    objects.ingress(class, "web", "web.example", "web");
    let proxy = installation.start_unready("ringway-0", &[&format!("--node-name={node}")]);
    proxy.wait_for_readiness();
    wait_until("our zone", || serving(&proxy) == ["near"]);
    // One endpoint without a hint: nobody's hints count.
    objects.slice("web", &hinted(&["a"], &[]));
    wait_until("all", || serving(&proxy) == ["far", "near"]);
    // None for our zone: the same.
    objects.slice("web", &hinted(&["a"], &["b"]));
    wait_until("our zone again", || serving(&proxy) == ["near"]);
    objects.slice("web", &hinted(&["b"], &["b"]));
    wait_until("all again", || serving(&proxy) == ["far", "near"]);
    objects.delete("Node", &node);
}
