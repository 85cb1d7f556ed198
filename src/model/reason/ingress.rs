//! Pages of problems: ingresses and their classes.

use super::page::Example::{Annotations, Elsewhere, Manifest, Spec};
use super::page::{ERROR, ERROR_OR_WARNING, Group, NOTE, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Ingresses and their classes", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1101,
        word: "OtherClass",
        severities: NOTE,
        title: "Ingresses of another class were not checked",
        meaning: "Another controller serves them, as far as the flags say.",
        remedy: "Say --ingress-class with that name, or --ingress-class all.",
        example: Spec(
            r"ingressClassName: other
defaultBackend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1102,
        word: "ClassConflict",
        severities: ERROR_OR_WARNING,
        title: "Two classes are named",
        meaning: "The annotation kubernetes.io/ingress.class and spec.ingressClassName differ. The \
            field counts. An API server refuses a new object that is so.",
        remedy: "Remove the annotation.",
        example: Annotations("kubernetes.io/ingress.class: nginx\n"),
    },
    Page {
        code: 1103,
        word: "ControllerMismatch",
        severities: WARNING,
        title: "The class is that of another controller",
        meaning: "There is an IngressClass of the name that --ingress-class says, and its \
            controller is not ours. Ingresses that name it are not served.",
        remedy: "Make a class with our controller, or start Ringway with --controller-class and \
            the value that stands there.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ringway}
spec: {controller: example.com/other}
",
        ),
    },
    Page {
        code: 1104,
        word: "SeveralDefaultClasses",
        severities: WARNING,
        title: "Several classes are the default",
        meaning: "An Ingress without a class may be served by several controllers.",
        remedy: "Leave the mark on one of them.",
        example: Manifest(
            r#"apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: ringway
  annotations: {ingressclass.kubernetes.io/is-default-class: "true"}
spec: {controller: ringway.dev/ingress}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: other
  annotations: {ingressclass.kubernetes.io/is-default-class: "true"}
spec: {controller: example.com/other}
"#,
        ),
    },
    Page {
        code: 1105,
        word: "ParametersNotSupported",
        severities: WARNING,
        title: "Parameters of a class have no effect",
        meaning: "There is nothing that they could say here.",
        remedy: "Remove them; use flags.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ringway}
spec:
  controller: ringway.dev/ingress
  parameters: {apiGroup: example.com, kind: Settings, name: all}
",
        ),
    },
    Page {
        code: 1106,
        word: "NoSpec",
        severities: ERROR,
        title: "An Ingress has no spec",
        meaning: "It serves nothing.",
        remedy: "Add one.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: ringway}}
",
        ),
    },
    Page {
        code: 1107,
        word: "NoRules",
        severities: ERROR,
        title: "An Ingress has neither rules nor a default backend",
        meaning: "It serves nothing.",
        remedy: "Add one of them.",
        example: Spec("ingressClassName: ringway\n"),
    },
    Page {
        code: 1108,
        word: "NoPaths",
        severities: ERROR,
        title: "A rule has no path",
        meaning: "Its http is there, and is empty. The rule serves nothing.",
        remedy: "Add a path, or leave http out.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - host: shop.example
    http: {paths: []}
",
        ),
    },
    Page {
        code: 1109,
        word: "InvalidHost",
        severities: ERROR,
        title: "A host cannot be used",
        meaning: "It is no DNS name, is an address, or has an asterisk where none may be; or an \
            API server would refuse it for its upper case.",
        remedy: "Write a DNS name in lower case, or `*.name` for one label more.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - host: shop_*.example
",
        ),
    },
    Page {
        code: 1110,
        word: "InvalidPathType",
        severities: ERROR,
        title: "A pathType is missing, or there is none of that name",
        meaning: "The path serves nothing.",
        remedy: "Write Exact, Prefix or ImplementationSpecific.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - http:
      paths:
        - path: /
          pathType: Regex
          backend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1111,
        word: "InvalidPath",
        severities: ERROR,
        title: "A path cannot be used",
        meaning: "It does not begin with a slash, or has octets or elements that no request has; \
            or an API server would refuse it.",
        remedy: "Write the path as requests have it, or pathType ImplementationSpecific for what \
            is no plain path.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - http:
      paths:
        - path: shop
          pathType: Prefix
          backend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1112,
        word: "EmptyPathElement",
        severities: WARNING,
        title: "A path has repeated slashes",
        meaning: "Those of requests are merged before they are matched, so that none has this \
            path.",
        remedy: "Write single slashes.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - http:
      paths:
        - path: /shop//cart
          pathType: ImplementationSpecific
          backend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1113,
        word: "RegexPath",
        severities: ERROR_OR_WARNING,
        title: "A path looks like a regular expression",
        meaning: "A warning: nobody asked for expressions at this host, so that only requests for \
            this very text match. An error: it is to be one and cannot be used as one; what it may \
            mean gets status 503.",
        remedy: "Write a plain path, or use-regex: \"true\" if it is an expression. The paths of a \
            host are all expressions if one Ingress of it asks for that.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - http:
      paths:
        - path: /shop/.*
          pathType: ImplementationSpecific
          backend: {service: {name: web, port: {number: 80}}}
",
        ),
    },
    Page {
        code: 1114,
        word: "InvalidBackend",
        severities: ERROR,
        title: "A backend names no Service",
        meaning: "The name or the port of a Service is missing or not possible, or a Service and a \
            resource stand beside each other.",
        remedy: "Write the name of a Service and the number or name of one of its ports.",
        example: Spec(
            r"ingressClassName: ringway
defaultBackend: {service: {name: web}}
",
        ),
    },
    Page {
        code: 1115,
        word: "ResourceBackend",
        severities: ERROR,
        title: "A backend is a resource",
        meaning: "Only Services can be backends. Requests for the path get status 503, so that no \
            other backend gets them.",
        remedy: "Name a Service.",
        example: Spec(
            r"ingressClassName: ringway
defaultBackend: {resource: {kind: Bucket, name: files}}
",
        ),
    },
    Page {
        code: 1116,
        word: "TooManyPaths",
        severities: ERROR,
        title: "An Ingress has too many paths",
        meaning: "The first ones are used, as many as the bound says.",
        remedy: "Split the Ingress.",
        example: Elsewhere("An Ingress that a program made of a list of addresses."),
    },
    Page {
        code: 1117,
        word: "TooManyTlsEntries",
        severities: ERROR,
        title: "An Ingress has too many elements of spec.tls",
        meaning: "The first ones are used, as many as the bound says.",
        remedy: "Split the Ingress.",
        example: Elsewhere("An Ingress with a certificate for each of some thousand customers."),
    },
    Page {
        code: 1118,
        word: "TooManyTlsHosts",
        severities: ERROR,
        title: "An Ingress has too many hosts in spec.tls",
        meaning: "The first ones are used, as many as the bound says.",
        remedy: "Split the Ingress.",
        example: Elsewhere("An Ingress with some thousand hosts in one element of spec.tls."),
    },
    Page {
        code: 1119,
        word: "PathConflict",
        severities: ERROR,
        title: "A path is taken already",
        meaning: "Another Ingress, or an earlier rule of this one, has the same host and path. The \
            older one is served; of two of one age the first by name.",
        remedy: "Remove one of the two.",
        example: Spec(
            r"ingressClassName: ringway
rules:
  - host: shop.example
    http:
      paths:
        - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
        - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
",
        ),
    },
    Page {
        code: 1120,
        word: "DefaultBackendNotUsed",
        severities: WARNING,
        title: "A default backend is not used for a host",
        meaning: "An older Ingress claims the host first, and what no rule of the host matches \
            goes where that one says.",
        remedy: "Write a rule with path / instead.",
        example: Manifest(
            r"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: first}
spec:
  ingressClassName: ringway
  rules:
    - host: shop.example
      http:
        paths:
          - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: second}
spec:
  ingressClassName: ringway
  defaultBackend: {service: {name: web, port: {number: 80}}}
  rules:
    - host: shop.example
      http:
        paths:
          - {path: /b, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
",
        ),
    },
    Page {
        code: 1121,
        word: "HostClosed",
        severities: ERROR,
        title: "A host is closed by another Ingress",
        meaning: "An annotation of another Ingress protects the whole host and is not supported. \
            All requests to the host get status 503, so that nothing is open that was to be \
            protected.",
        remedy: "Remove that annotation, or use another host.",
        example: Elsewhere(
            "Two Ingresses of one host, the older of which has an annotation for \
            the whole host that is not supported.",
        ),
    },
    Page {
        code: 1122,
        word: "HostNotNamed",
        severities: ERROR,
        title: "A host has no name of its own",
        meaning: "auth-url takes the server from the host of the request, and the rule is for any \
            host, or for a wildcard: clients would choose the server that is asked about them. The \
            requests get status 503.",
        remedy: "Name the server, or the host.",
        example: Elsewhere("auth-url: http://$host/auth on an Ingress without a host."),
    },
    Page {
        code: 1123,
        word: "LastGoodVersion",
        severities: WARNING,
        title: "An older version of an Ingress is in force",
        meaning: "Nothing of the new version can be used. The last good one is served, or status \
            503 where the new one is to be protected.",
        remedy: "Correct the errors.",
        example: Elsewhere("A change of a running Ingress that leaves it without a usable path."),
    },
    Page {
        code: 1124,
        word: "RedirectNotUsed",
        severities: WARNING,
        title: "A redirect has no effect",
        meaning: "An Ingress without rules redirects nobody: the requests of all hosts without \
            rules would be redirected. They are served.",
        remedy: "Write a rule with path / instead of a default backend.",
        example: Manifest(
            r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/permanent-redirect: "https://shop.example"}
spec:
  ingressClassName: ringway
  defaultBackend: {service: {name: web, port: {number: 80}}}
"#,
        ),
    },
    Page {
        code: 1125,
        word: "CanaryWithoutMain",
        severities: WARNING,
        title: "A canary has no main Ingress",
        meaning: "No Ingress that is no canary has the same host, path and pathType with a Service \
            behind it. The canary gets no request.",
        remedy: "Write the path as the main Ingress has it, or remove canary.",
        example: Annotations(
            r#"nginx.ingress.kubernetes.io/canary: "true"
nginx.ingress.kubernetes.io/canary-weight: "10"
"#,
        ),
    },
    Page {
        code: 1126,
        word: "CanaryNotServed",
        severities: WARNING,
        title: "A canary has the backend of its main Ingress",
        meaning: "It would change nothing, and gets no request.",
        remedy: "Name another Service.",
        example: Elsewhere("A canary and its main Ingress with the same Service and port."),
    },
    Page {
        code: 1127,
        word: "TooManyCanaries",
        severities: WARNING,
        title: "A path has too many canaries",
        meaning: "The older ones are served, as many as the bound says.",
        remedy: "Remove some of them.",
        example: Elsewhere("A deployment that never removes the canaries of its releases."),
    },
    Page {
        code: 1128,
        word: "AliasNotServed",
        severities: WARNING,
        title: "An alias of a host is not served",
        meaning: "An Ingress has rules for that name, it stands for another host already, or an \
            older Ingress says which aliases the host has.",
        remedy: "Remove one of the two.",
        example: Elsewhere("server-alias with a name that has an Ingress of its own."),
    },
    Page {
        code: 1129,
        word: "TwinNotServed",
        severities: WARNING,
        title: "The twin of a host is not served",
        meaning: "from-to-www-redirect makes a host with, or without, `www.` that is redirected; \
            that name has rules of its own, or stands for another host.",
        remedy: "Remove one of the two.",
        example: Elsewhere(
            "from-to-www-redirect on shop.example, and an Ingress for \
            www.shop.example.",
        ),
    },
    Page {
        code: 1130,
        word: "PassthroughNotUsed",
        severities: ERROR,
        title: "TLS is not passed through",
        meaning: "ssl-passthrough counts for the oldest Ingress of a host with path / and a \
            Service behind it, and not where an annotation protects the host.",
        remedy: "Give the host one Ingress with path /.",
        example: Manifest(
            r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/ssl-passthrough: "true"}
spec:
  ingressClassName: ringway
  rules:
    - host: shop.example
      http:
        paths:
          - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
"#,
        ),
    },
    Page {
        code: 1131,
        word: "PathNeverReached",
        severities: WARNING,
        title: "No request comes to a path",
        meaning: "Paths of the host are regular expressions, which are tried by their length, \
            the longest first. A longer one matches all that this one could be for, \
            as in ingress-nginx. `check` alone tells it.",
        remedy: "Make the longer one match less, or this one longer, such as PATH(/|$)(.*).",
        example: Manifest(
            r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/use-regex: "true"}
spec:
  ingressClassName: ringway
  rules:
    - host: shop.example
      http:
        paths:
          - path: /(.*)
            pathType: ImplementationSpecific
            backend: {service: {name: web, port: {number: 80}}}
          - path: /api
            pathType: ImplementationSpecific
            backend: {service: {name: web, port: {number: 80}}}
"#,
        ),
    },
    Page {
        code: 1132,
        word: "HostShared",
        severities: WARNING,
        title: "A host is claimed in several namespaces",
        meaning: "Whoever may write Ingresses in one of them can take paths of the \
            others. `check` alone tells it.",
        remedy: "Leave the host to one namespace, unless all who write there are to share it.",
        example: Manifest(
            r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: one
spec:
  ingressClassName: ringway
  rules:
    - host: shop.example
      http:
        paths:
          - path: /a
            pathType: ImplementationSpecific
            backend: {service: {name: web, port: {number: 80}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: two
  namespace: other
spec:
  ingressClassName: ringway
  rules:
    - host: shop.example
      http:
        paths:
          - path: /b
            pathType: ImplementationSpecific
            backend: {service: {name: web, port: {number: 80}}}
"#,
        ),
    },
];
