//! Pages of problems: Gateway API.

use super::page::Example::{Elsewhere, Manifest};
use super::page::{ERROR, ERROR_OR_WARNING, Group, NOTE, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Gateway API", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1601,
        word: "NoMatchingParent",
        severities: ERROR,
        title: "A route names a listener that does not exist",
        meaning: "The Gateway has no listener of that name or port. The route is not served there.",
        remedy: "Name one of those that the message lists.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge, sectionName: web}]
",
        ),
    },
    Page {
        code: 1602,
        word: "NotAllowedByListeners",
        severities: ERROR,
        title: "No listener takes the route",
        meaning: "The listeners take routes of other namespaces or kinds.",
        remedy: "See allowedRoutes and protocol of the listener.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: tls, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
",
        ),
    },
    Page {
        code: 1603,
        word: "NoMatchingListenerHostname",
        severities: ERROR,
        title: "A route has no hostname in common with a listener",
        meaning: "Nothing that the listeners take could be for the route.",
        remedy: "Correct the hostnames of the route, or of the listener.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: docs.example}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  hostnames: [shop.example]
",
        ),
    },
    Page {
        code: 1604,
        word: "HostnameConflict",
        severities: ERROR,
        title: "Two have the same hostname",
        meaning: "Two listeners have one port and hostname, or an HTTPRoute and a GRPCRoute want \
            one host of a listener. The older is served, of listeners of one Gateway none.",
        remedy: "Change one of the two.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: a, port: 80, protocol: HTTP}
    - {name: b, port: 80, protocol: HTTP}
",
        ),
    },
    Page {
        code: 1605,
        word: "ProtocolConflict",
        severities: ERROR,
        title: "Two listeners speak different protocols at one port",
        meaning: "Of two of one Gateway or ListenerSet neither is served; else that of the \
            Gateway, or of the older ListenerSet, is.",
        remedy: "Change the port or the protocol of one of them.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: a, port: 80, protocol: HTTP}
    - {name: b, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
",
        ),
    },
    Page {
        code: 1606,
        word: "PortUnavailable",
        severities: ERROR,
        title: "The port of a listener is that of something else",
        meaning: "Flags, a ConfigMap of services, or an older Gateway have it for another \
            protocol.",
        remedy: "Take another port.",
        example: Elsewhere("A listener with protocol TCP at the port of --http-bind."),
    },
    Page {
        code: 1607,
        word: "Pending",
        severities: ERROR,
        title: "A listener is not open yet",
        meaning: "The system does not let the process listen there. It is tried again.",
        remedy: "See what holds the port, or whether the process may bind it.",
        example: Elsewhere("A listener at a port that another program holds."),
    },
    Page {
        code: 1608,
        word: "TooManyListeners",
        severities: ERROR,
        title: "A Gateway has too many listeners",
        meaning: "The first ones are served, as many as the bound says.",
        remedy: "Remove some, or make another Gateway.",
        example: Elsewhere("A Gateway with a listener for each of some hundred hosts."),
    },
    Page {
        code: 1609,
        word: "UnsupportedProtocol",
        severities: ERROR,
        title: "A protocol is not supported",
        meaning: "A listener speaks HTTP, HTTPS, TLS, TCP or UDP. A backend speaks what \
            appProtocol of its port says, which the route has to be able to.",
        remedy: "Write another protocol, or correct appProtocol.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: a, port: 80, protocol: SMTP}
",
        ),
    },
    Page {
        code: 1610,
        word: "InvalidRouteKinds",
        severities: ERROR,
        title: "A listener wants routes that its protocol does not have",
        meaning: "It takes the other kinds that it names.",
        remedy: "Write kinds that the protocol has.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TLSRoute}]}}
",
        ),
    },
    Page {
        code: 1611,
        word: "InvalidCertificateRef",
        severities: ERROR,
        title: "A listener has no certificate that can be used",
        meaning: "The Secret is missing, holds none, or is no Secret. Handshakes are not answered.",
        remedy: "Name a Secret of type kubernetes.io/tls.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: a, port: 443, protocol: HTTPS}
",
        ),
    },
    Page {
        code: 1612,
        word: "RefNotPermitted",
        severities: ERROR,
        title: "A reference leads into another namespace without its consent",
        meaning: "The other namespace has no ReferenceGrant for it. What is referred to is not \
            used: requests get an error.",
        remedy: "Create a ReferenceGrant there, from the kind and namespace that refer to the kind \
            that is referred to.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: web, namespace: other, port: 80}]}]
",
        ),
    },
    Page {
        code: 1613,
        word: "InvalidClientCertificateRef",
        severities: ERROR,
        title: "A Gateway has no client certificate that can be shown to backends",
        meaning: "The Secret of spec.tls.backend is missing or holds none. Backends are not shown \
            one.",
        remedy: "Name a Secret of type kubernetes.io/tls.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  tls: {backend: {clientCertificateRef: {name: none}}}
  listeners:
    - {name: http, port: 80, protocol: HTTP}
",
        ),
    },
    Page {
        code: 1614,
        word: "InvalidCACertificateRef",
        severities: ERROR,
        title: "The CA of a Gateway or policy cannot be used",
        meaning: "The ConfigMap is missing or has no certificates in ca.crt. What depends on it is \
            closed.",
        remedy: "Store certificates in PEM as ca.crt of a ConfigMap.",
        example: Manifest(
            r#"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  tls:
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: none}]}}
  listeners:
    - {name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
"#,
        ),
    },
    Page {
        code: 1615,
        word: "InvalidCACertificateKind",
        severities: ERROR,
        title: "A CA is to come from an object that holds none",
        meaning: "Only ConfigMaps hold authorities.",
        remedy: "Name a ConfigMap.",
        example: Manifest(
            r#"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  tls:
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: Pod, name: none}]}}
  listeners:
    - {name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
"#,
        ),
    },
    Page {
        code: 1616,
        word: "NoValidCACertificate",
        severities: ERROR,
        title: "There is no CA that can be used",
        meaning: "All references of a validation are unusable. Handshakes or requests that need it \
            are refused.",
        remedy: "Correct the references.",
        example: Manifest(
            r#"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  tls:
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: none}]}}
  listeners:
    - {name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
"#,
        ),
    },
    Page {
        code: 1617,
        word: "InvalidKind",
        severities: ERROR,
        title: "A reference is to a kind that it cannot be to",
        meaning: "Backends are Services; authorities are ConfigMaps. Requests get an error.",
        remedy: "Name an object of such a kind.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{kind: Pod, name: web, port: 80}]}]
",
        ),
    },
    Page {
        code: 1618,
        word: "BackendNotFound",
        severities: ERROR,
        title: "A backend does not exist",
        meaning: "There is no such Service, or it has no such port. Requests get status 500.",
        remedy: "Create it, or correct name and port.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: none, port: 80}]}]
",
        ),
    },
    Page {
        code: 1619,
        word: "UnsupportedValue",
        severities: ERROR_OR_WARNING,
        title: "A value is not supported",
        meaning: "It is malformed, or asks for something that is not done here. A rule that cannot \
            be done as it is written answers its requests with an error, so that no other rule has \
            them.",
        remedy: "Write what the message asks for.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules: [{matches: [{path: {value: shop}}]}]
",
        ),
    },
    Page {
        code: 1620,
        word: "IncompatibleFilters",
        severities: ERROR,
        title: "Filters of a rule exclude each other",
        meaning: "Such as a redirect and a rewrite. Requests of the rule get an error.",
        remedy: "Remove one of them.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
    - filters:
        - {type: RequestRedirect, requestRedirect: {hostname: b.example}}
        - {type: URLRewrite, urlRewrite: {hostname: c.example}}
",
        ),
    },
    Page {
        code: 1621,
        word: "Overshadowed",
        severities: WARNING,
        title: "All of a route is that of another object",
        meaning: "An older route, or an Ingress, has all requests that it is about.",
        remedy: "Name another host or listener in one of both.",
        example: Elsewhere("Two TCPRoutes for one listener."),
    },
    Page {
        code: 1622,
        word: "InvalidParameters",
        severities: ERROR,
        title: "Parameters of a Gateway are not supported",
        meaning: "spec.infrastructure.parametersRef names an object that says nothing here. The \
            Gateway is not served.",
        remedy: "Leave it out.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  infrastructure: {parametersRef: {group: a.example, kind: Settings, name: all}}
  listeners:
    - {name: http, port: 80, protocol: HTTP}
",
        ),
    },
    Page {
        code: 1623,
        word: "NotAllowed",
        severities: ERROR,
        title: "A Gateway does not take a ListenerSet",
        meaning: "allowedListeners of the Gateway does not have its namespace. Its listeners are \
            not served.",
        remedy: "See allowedListeners of the Gateway.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  listeners:
    - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec:
  parentRef: {name: edge}
  listeners: [{name: web, port: 81, protocol: HTTP}]
",
        ),
    },
    Page {
        code: 1624,
        word: "UnsupportedAddress",
        severities: ERROR,
        title: "An address of a Gateway is of another type",
        meaning: "Only addresses of type IPAddress can be asked for.",
        remedy: "Name an IPAddress.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  addresses: [{type: NamedAddress, value: edge}]
  listeners:
    - {name: http, port: 80, protocol: HTTP}
",
        ),
    },
    Page {
        code: 1625,
        word: "AddressNotUsable",
        severities: ERROR,
        title: "An address of a Gateway cannot be used",
        meaning: "It is no IP address, another Gateway has it, or it is not one of \
            --gateway-addresses or of this machine.",
        remedy: "Name another one, or leave it out.",
        example: Manifest(
            r"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: ringway
  addresses: [{value: here}]
  listeners:
    - {name: http, port: 80, protocol: HTTP}
",
        ),
    },
    Page {
        code: 1626,
        word: "AddressNotAssigned",
        severities: ERROR,
        title: "No address is free for a Gateway",
        meaning: "All of --gateway-addresses are in use. The Gateway is not served.",
        remedy: "Add more.",
        example: Elsewhere("A Gateway more than --gateway-addresses has addresses."),
    },
    Page {
        code: 1627,
        word: "TargetNotFound",
        severities: ERROR,
        title: "A policy is for a Service that does not exist",
        meaning: "It has no effect there; on other Services that it names it has.",
        remedy: "Correct targetRefs.",
        example: Elsewhere(
            "A BackendTLSPolicy whose targetRefs name no Service that a route uses.",
        ),
    },
    Page {
        code: 1628,
        word: "Conflicted",
        severities: ERROR,
        title: "An older policy is for the same Service",
        meaning: "The older one counts.",
        remedy: "Remove one of the two.",
        example: Elsewhere("Two BackendTLSPolicies for one port of a Service."),
    },
    Page {
        code: 1629,
        word: "Invalid",
        severities: ERROR,
        title: "An object says what is not possible",
        meaning: "Such as a policy for backends that names no authorities. Requests that it is \
            about get an error.",
        remedy: "Write what the message asks for.",
        example: Elsewhere(
            "A BackendTLSPolicy without caCertificateRefs and \
            wellKnownCACertificates.",
        ),
    },
    Page {
        code: 1630,
        word: "Overshadows",
        severities: NOTE,
        title: "A route gets nothing because of an Ingress",
        meaning: "Both are about all requests for a host at a port, and the Ingress has them.",
        remedy: "Name a host in one of both.",
        example: Elsewhere("An Ingress and an HTTPRoute for one host, at a port of both."),
    },
];
