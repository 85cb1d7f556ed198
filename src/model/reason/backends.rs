//! Pages of problems: services and endpoints.

use super::page::Example::{Annotations, Elsewhere, Manifest, Spec};
use super::page::{ERROR, ERROR_OR_WARNING, Group, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Services and endpoints", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1301,
        word: "ServiceMissing",
        severities: WARNING,
        title: "A Service does not exist",
        meaning: "Requests that go there get status 503.",
        remedy: "Create it, or correct the name.",
        example: Spec(
            r"ingressClassName: ringway
defaultBackend: {service: {name: wbe, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1302,
        word: "ServicePort",
        severities: WARNING,
        title: "A Service has no such port",
        meaning: "No port of the Service has the name or number that is named, or its endpoints \
            lack it. Requests get status 503.",
        remedy: "Name a port that the Service has.",
        example: Spec(
            r"ingressClassName: ringway
defaultBackend: {service: {name: web, port: {number: 81}}}
",
        ),
    },
    Page {
        code: 1303,
        word: "NoEndpoints",
        severities: WARNING,
        title: "A Service has no endpoint that could serve",
        meaning: "None of its pods is ready. Requests get status 503 until one is.",
        remedy: "See why its pods are not ready.",
        example: Elsewhere("A deployment that is scaled to zero, in a cluster."),
    },
    Page {
        code: 1304,
        word: "NameNotResolved",
        severities: WARNING,
        title: "The name of a Service of type ExternalName has no address",
        meaning: "DNS knows no address of spec.externalName. Requests get status 503, or go to the \
            last known addresses.",
        remedy: "Correct spec.externalName.",
        example: Elsewhere("An externalName with a slip in it."),
    },
    Page {
        code: 1305,
        word: "AddressRefused",
        severities: ERROR_OR_WARNING,
        title: "An address is not used",
        meaning: "Endpoints may not be loopback, link-local or otherwise local addresses: through \
            them an object of the cluster could reach the host that Ringway runs on.",
        remedy: "Write the address of a pod, or another name.",
        example: Manifest(
            r"apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [here]}]
",
        ),
    },
    Page {
        code: 1306,
        word: "AddressTypeNotSupported",
        severities: ERROR,
        title: "Addresses of a slice are of another type",
        meaning: "Only IPv4 and IPv6 are used.",
        remedy: "Write IPv4 or IPv6; for names use a Service of type ExternalName.",
        example: Manifest(
            r"apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, labels: {kubernetes.io/service-name: web}}
addressType: FQDN
endpoints: [{addresses: [web.example]}]
",
        ),
    },
    Page {
        code: 1307,
        word: "NoService",
        severities: ERROR_OR_WARNING,
        title: "A slice belongs to no Service",
        meaning: "It is not used.",
        remedy: "Add the label kubernetes.io/service-name.",
        example: Manifest(
            r"apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web}
addressType: IPv4
endpoints: []
",
        ),
    },
    Page {
        code: 1308,
        word: "BackendCaMissing",
        severities: ERROR_OR_WARNING,
        title: "A backend is to be verified, and there is no CA",
        meaning: "proxy-ssl-verify is on and no certificate of an authority is named, or the \
            ConfigMap that is named has none. No backend would pass, so that requests get status \
            503.",
        remedy: "Name a Secret with ca.crt in proxy-ssl-secret.",
        example: Annotations(
            r#"nginx.ingress.kubernetes.io/backend-protocol: HTTPS
nginx.ingress.kubernetes.io/proxy-ssl-verify: "on"
"#,
        ),
    },
    Page {
        code: 1309,
        word: "BackendCaInvalid",
        severities: ERROR_OR_WARNING,
        title: "The CA of a backend cannot be used",
        meaning: "What stands in ca.crt are no certificates. Requests get status 503.",
        remedy: "Store certificates in PEM.",
        example: Elsewhere("A Secret for proxy-ssl-secret whose ca.crt is no PEM."),
    },
];
