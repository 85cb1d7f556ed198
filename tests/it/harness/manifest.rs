//! Kubernetes manifests as text: just the kinds and fields that the tests need.

use std::net::SocketAddr;

/// The class that [`super::Proxy`] is started with.
pub(crate) const CLASS: &str = "ringway";

/// `pathType` of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathType {
    Exact,
    Prefix,
    ImplementationSpecific,
}

/// An Ingress under construction.
#[derive(Debug, Clone)]
pub(crate) struct Ingress {
    name: String,
    metadata: String,
    spec: String,
    annotations: String,
    tls: String,
    rules: Vec<(Option<String>, Vec<String>)>,
}

impl Ingress {
    /// In namespace `default`, of class [`CLASS`], without rules.
    pub(crate) fn new(name: &str) -> Self {
        let spec = format!("  ingressClassName: {CLASS}\n");
        Self {
            name: name.to_owned(),
            metadata: String::new(),
            spec,
            annotations: String::new(),
            tls: String::new(),
            rules: Vec::new(),
        }
    }

    /// One host, one path `/`, one Service on port 80.
    pub(crate) fn simple(name: &str, host: &str, service: &str) -> Self {
        Self::new(name).host(host).path("/", PathType::Prefix, service)
    }

    /// Replaces the class; `None`: no class at all.
    pub(crate) fn class(mut self, class: Option<&str>) -> Self {
        self.spec = class.map(|class| format!("  ingressClassName: {class}\n")).unwrap_or_default();
        self
    }

    pub(crate) fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations += &format!("    {key}: \"{value}\"\n");
        self
    }

    /// An annotation of the ingress-nginx dialect, whatever its value holds.
    pub(crate) fn nginx(mut self, name: &str, value: &str) -> Self {
        let value = serde_json::to_string(value).expect("a text");
        self.annotations += &format!("    nginx.ingress.kubernetes.io/{name}: {value}\n");
        self
    }

    /// `metadata.creationTimestamp`.
    pub(crate) fn created(mut self, timestamp: &str) -> Self {
        self.metadata += &format!("  creationTimestamp: \"{timestamp}\"\n");
        self
    }

    /// Adds an entry of `spec.tls`; an empty `secret` means none named.
    pub(crate) fn tls(mut self, hosts: &[&str], secret: &str) -> Self {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
        self.tls += &format!("    - hosts: [{}]\n", hosts.join(", "));
        if !secret.is_empty() {
            self.tls += &format!("      secretName: {secret}\n");
        }
        self
    }

    pub(crate) fn default_backend(mut self, service: &str) -> Self {
        let backend = service_backend("    ", service, "number: 80");
        self.spec += &format!("  defaultBackend:\n{backend}");
        self
    }

    /// Opens a rule; an empty host means a rule without host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.rules.push(((!host.is_empty()).then(|| host.to_owned()), Vec::new()));
        self
    }

    /// Adds a path to the last rule, to port 80 of `service`.
    pub(crate) fn path(self, path: &str, path_type: PathType, service: &str) -> Self {
        self.path_to_port(path, path_type, service, "number: 80")
    }

    /// Adds a path with a port as written: `number: 80` or `name: http`.
    pub(crate) fn path_to_port(
        mut self,
        path: &str,
        path_type: PathType,
        service: &str,
        port: &str,
    ) -> Self {
        let backend = service_backend("            ", service, port);
        let text = format!(
            "          - path: \"{path}\"\n            pathType: {path_type:?}\n            \
             backend:\n  {}",
            backend.trim_end_matches('\n').replace('\n', "\n  ")
        );
        self.rules.last_mut().expect("host() comes first").1.push(text + "\n");
        self
    }

    pub(crate) fn yaml(&self) -> String {
        let annotations = match self.annotations.as_str() {
            "" => String::new(),
            lines => format!("  annotations:\n{lines}"),
        };
        let mut yaml = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {}\n  namespace: \
             default\n{}{annotations}spec:\n{}",
            self.name, self.metadata, self.spec
        );
        if !self.tls.is_empty() {
            yaml += &format!("  tls:\n{}", self.tls);
        }
        if !self.rules.is_empty() {
            yaml.push_str("  rules:\n");
        }
        for (host, paths) in &self.rules {
            let host = host.as_ref().map(|host| format!("host: \"{host}\"\n      "));
            yaml += &format!("    - {}http:\n        paths:\n", host.unwrap_or_default());
            yaml.extend(paths.iter().map(String::as_str));
        }
        yaml + "---\n"
    }
}

fn service_backend(indent: &str, service: &str, port: &str) -> String {
    format!("{indent}service:\n{indent}  name: {service}\n{indent}  port:\n{indent}    {port}\n")
}

/// A Service with one port 80 named `http`.
pub(crate) fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: default\nspec:\n  \
         ports:\n    - name: http\n      port: 80\n      targetPort: 8080\n---\n"
    )
}

/// One EndpointSlice with one endpoint; `conditions` as YAML flow mapping, such as
/// `{ready: false}`.
pub(crate) fn slice(service: &str, suffix: &str, address: SocketAddr, conditions: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: \
         {service}-{suffix}\n  namespace: default\n  labels:\n    kubernetes.io/service-name: \
         {service}\naddressType: IPv4\nports:\n  - name: http\n    port: {}\n    protocol: \
         TCP\nendpoints:\n  - addresses: [\"{}\"]\n    conditions: {conditions}\n---\n",
        address.port(),
        address.ip()
    )
}

/// The EndpointSlices of a Service: one per address, because each has its own port.
pub(crate) fn endpoints(service: &str, addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .enumerate()
        .map(|(index, address)| slice(service, &index.to_string(), *address, "{ready: true}"))
        .collect()
}

/// A Service and its endpoints.
pub(crate) fn backend(name: &str, addresses: &[SocketAddr]) -> String {
    service(name) + &endpoints(name, addresses)
}

/// Everything for one host that goes to one upstream.
pub(crate) fn one_host(host: &str, address: SocketAddr) -> String {
    backend("web", &[address]) + &Ingress::simple("web", host, "web").yaml()
}

/// A Secret of type `kubernetes.io/tls`.
pub(crate) fn tls_secret(name: &str, chain: &str, key: &str) -> String {
    secret(name, "kubernetes.io/tls", &[("tls.crt", chain), ("tls.key", key)])
}

/// A Secret with these entries.
pub(crate) fn secret(name: &str, kind: &str, data: &[(&str, &str)]) -> String {
    let head = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: default\ntype: \
         {kind}\ndata:\n"
    );
    let lines = data.iter().map(|(key, value)| format!("  {key}: {}\n", base64(value.as_bytes())));
    head + &lines.collect::<String>() + "---\n"
}

/// RFC 4648 section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit > group.len() { '=' } else { char::from(DIGITS[value]) });
        }
    }
    text
}
