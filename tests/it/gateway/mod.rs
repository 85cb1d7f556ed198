//! Gateways and their routes, seen from outside, as files of a directory.

mod external_auth;
mod mistakes;
mod routes;
mod streams;
mod tls;

/// An HTTPRoute of the host `NAME.example` with these rules, in YAML.
fn route(name: &str, rules: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
         metadata: {{name: {name}, namespace: default}}\n\
         spec:\n  parentRefs: [{{name: edge}}]\n  hostnames: [{name}.example]\n  rules:\n\
         {rules}---\n"
    )
}

fn gateway(port: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n\
         metadata: {{name: ringway}}\nspec: {{controllerName: ringway.dev/gateway}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: edge, namespace: default}}\n\
         spec: {{gatewayClassName: ringway, listeners: [{{name: http, port: {port}, \
         protocol: HTTP}}]}}\n---\n"
    )
}
