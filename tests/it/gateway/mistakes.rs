//! Mistakes that people make in objects of the Gateway API: each harms only itself, and its owner
//! is told what to write. The table is a page, too: `docs/gateway-mistakes.md`.
//!
//! `RINGWAY_WRITE_DOCS=1` writes the page.

use std::fmt::Write as _;
use std::path::Path;

use crate::annotations::{Area, Row, row};
use crate::for_each_driver;
use crate::harness::{Backend, Client, Driver, row as rows};

for_each_driver!(a_mistake_harms_itself_and_is_told);

const PAGE: &str = "docs/gateway-mistakes.md";

/// The port of the page; tests have another one.
const PORT: &str = "8080";

/// A route with the mistake in one of its rules, or in how it names its parent.
const ROUTE: &str = "HTTPRoute";

/// One mistake.
struct Mistake {
    what: &'static str,
    wrong: Wrong,
    /// What the owner is told, from the field on.
    told: &'static str,
    /// What these tell, as their sources have it. Empty: not known, or refused by the API server.
    contour: &'static str,
    envoy_gateway: &'static str,
}

/// Where it is. YAML.
enum Wrong {
    /// A rule of a route; its requests get this status, and those of the next rule are served.
    Rule(&'static str, u16),
    /// How a route names its parent.
    Parent(&'static str),
    /// The second listener of a Gateway; the first one is served.
    Listener(&'static str),
    /// Other objects, which are told of by this name; a rule of a route leads there.
    Object(&'static str, &'static str, &'static str),
}

/// The same by both.
const NO_LISTENER: &str = "No listeners match this parent ref";
const NOT_ALLOWED: &str = "No listeners included by this parent ref allowed this attachment.";

const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "A port that the Service does not have",
        wrong: Wrong::Rule("backendRefs: [{name: front, port: 8081}]", 500),
        told: "spec.rules[0].backendRefs[0]: Service default/front, port 8081: the Service has no \
               such port; it has 80 (http). Name a port that the Service has.",
        contour: "service \"front\" is invalid: port \"8081\" on service \"default/front\" not \
                  matched",
        envoy_gateway: "TCP Port 8081 not found on service default/front",
    },
    Mistake {
        what: "No port",
        wrong: Wrong::Rule("backendRefs: [{name: front}]", 500),
        told: "spec.rules[0].backendRefs[0]: no port of Service default/front is named; write \
               port.",
        contour: "Spec.Rules.BackendRef.Port must be specified",
        envoy_gateway: "A valid port number corresponding to a port on the Service must be \
                        specified",
    },
    Mistake {
        what: "A Service that does not exist",
        wrong: Wrong::Rule("backendRefs: [{name: frnt, port: 80}]", 500),
        told: "spec.rules[0].backendRefs[0]: there is no Service default/frnt; create it, or \
               correct the name.",
        contour: "service \"frnt\" is invalid: service \"default/frnt\" not found",
        envoy_gateway: "Service default/frnt not found",
    },
    Mistake {
        what: "A backend that is no Service",
        wrong: Wrong::Rule("backendRefs: [{kind: ConfigMap, name: front, port: 80}]", 500),
        told: "spec.rules[0].backendRefs[0]: ConfigMap is no kind that can be a backend; name a \
               Service.",
        contour: "Spec.Rules.BackendRef.Kind must be 'Service'",
        envoy_gateway: "Kind is invalid, only Service and MCS ServiceImport are supported",
    },
    Mistake {
        what: "A Service of another namespace without a ReferenceGrant",
        wrong: Wrong::Rule("backendRefs: [{name: stock, namespace: store, port: 80}]", 500),
        told: "spec.rules[0].backendRefs[0]: Service store/stock is in another namespace, which \
               does not allow it; create a ReferenceGrant there, from HTTPRoute in default to \
               Service stock.",
        contour: "Spec.Rules.BackendRef.Namespace must match the route's namespace or be covered \
                  by a ReferenceGrant",
        envoy_gateway: "Backend ref to Service store/stock not permitted by any ReferenceGrant.",
    },
    Mistake {
        what: "A path that does not begin with a slash",
        wrong: Wrong::Rule(
            "matches: [{path: {value: wrong}}], backendRefs: [{name: front, port: 80}]",
            503,
        ),
        told: "spec.rules[0].matches[0].path.value: It has to begin with a slash.",
        contour: "Match.Path.Value must start with '/'.",
        envoy_gateway: "",
    },
    Mistake {
        what: "An expression that is none",
        wrong: Wrong::Rule(
            "matches: [{path: {type: RegularExpression, value: '/wrong('}}], \
             backendRefs: [{name: front, port: 80}]",
            503,
        ),
        told: "spec.rules[0].matches[0].path.value: \"/wrong(\": unclosed group; correct the \
               expression (RE2 syntax).",
        contour: "Match.Path.Value is invalid for RegularExpression match type.",
        envoy_gateway: "",
    },
    Mistake {
        what: "A prefix that is replaced where none is matched",
        wrong: Wrong::Rule(
            "matches: [{path: {type: Exact, value: /wrong}}], filters: [{type: URLRewrite, \
             urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}], \
             backendRefs: [{name: front, port: 80}]",
            503,
        ),
        told: "spec.rules[0].filters[0].urlRewrite.path: ReplacePrefixMatch needs a match of type \
               PathPrefix, and no other.",
        contour: "",
        envoy_gateway: "",
    },
    Mistake {
        what: "A time without a unit",
        wrong: Wrong::Rule(
            "matches: [{path: {value: /wrong}}], timeouts: {request: '10'}, \
             backendRefs: [{name: front, port: 80}]",
            503,
        ),
        told: "spec.rules[0].timeouts.request: \"10\" is no duration; write one such as 10s.",
        contour: "",
        envoy_gateway: "",
    },
    Mistake {
        what: "A filter of another controller",
        wrong: Wrong::Rule(
            "matches: [{path: {value: /wrong}}], filters: [{type: ExtensionRef, extensionRef: \
             {group: traefik.io, kind: Middleware, name: x}}], \
             backendRefs: [{name: front, port: 80}]",
            503,
        ),
        told: "spec.rules[0].filters[0].type: The filter ExtensionRef is not supported; remove it.",
        contour: "HTTPRoute.Spec.Rules.Filters: invalid type \"ExtensionRef\": only \
                  RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, RequestMirror \
                  and URLRewrite are supported.",
        envoy_gateway: "",
    },
    Mistake {
        what: "A host that the listener does not have",
        wrong: Wrong::Parent("name: edge, sectionName: docs"),
        told: "spec.parentRefs: Gateway edge: No listener has a hostname in common with \
               NAME.example; theirs are *.docs.example.",
        contour: "No intersecting hostnames were found between the listener and the route.",
        envoy_gateway: "There were no hostname intersections between the HTTPRoute and this parent \
                        ref's Listener(s).",
    },
    Mistake {
        what: "A listener that does not exist",
        wrong: Wrong::Parent("name: edge, sectionName: web"),
        told: "spec.parentRefs: Gateway edge: There is no listener named web; there are http at \
               8080, docs at 8080.",
        contour: NO_LISTENER,
        envoy_gateway: NO_LISTENER,
    },
    Mistake {
        what: "A port that no listener has",
        wrong: Wrong::Parent("name: edge, port: 81"),
        told: "spec.parentRefs: Gateway edge: There is no listener at port 81; there are http at \
               8080, docs at 8080.",
        contour: NO_LISTENER,
        envoy_gateway: NO_LISTENER,
    },
    Mistake {
        what: "A route in a namespace that the Gateway does not take",
        wrong: Wrong::Parent("name: far, namespace: store"),
        told: "spec.parentRefs: Gateway far: No listener takes routes from the namespace default; \
               see allowedRoutes.namespaces.",
        contour: NOT_ALLOWED,
        envoy_gateway: NOT_ALLOWED,
    },
    Mistake {
        what: "A listener for other kinds of routes",
        wrong: Wrong::Parent("name: calls"),
        told: "spec.parentRefs: Gateway calls: No listener takes routes of kind HTTPRoute; see its \
               protocol.",
        contour: NOT_ALLOWED,
        envoy_gateway: NOT_ALLOWED,
    },
    Mistake {
        what: "A listener for https without a certificate",
        wrong: Wrong::Listener("protocol: HTTPS, port: 8443"),
        told: "spec.listeners[1].tls.certificateRefs: It needs a certificate; name a Secret of \
               type kubernetes.io/tls.",
        contour: "Listener.TLS is required when protocol is \"HTTPS\".",
        envoy_gateway: "Listener must have TLS set when protocol is HTTPS.",
    },
    Mistake {
        what: "A Secret that does not exist",
        wrong: Wrong::Listener(
            "protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: gone}]}",
        ),
        told: "spec.listeners[1].tls.certificateRefs[0]: There is no Secret default/gone; correct \
               it, or name another one.",
        contour: "Spec.VirtualHost.TLS.CertificateRefs \"gone\" referent is invalid: Secret not \
                  found",
        envoy_gateway: "Secret default/gone does not exist.",
    },
    Mistake {
        what: "A Secret of another type",
        wrong: Wrong::Listener(
            "protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: password}]}",
        ),
        told: "spec.listeners[1].tls.certificateRefs[0]: The Secret default/password has no \
               tls.crt; correct it, or name another one.",
        contour: "",
        envoy_gateway: "Secret default/password must be of type kubernetes.io/tls.",
    },
    Mistake {
        what: "A Secret whose certificate is none",
        wrong: Wrong::Listener(
            "protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: broken}]}",
        ),
        told: "spec.listeners[1].tls.certificateRefs[0]: The certificate of the Secret \
               default/broken cannot be used: no unencrypted PKCS#8, PKCS#1 or SEC1 private key \
               was found; correct it, or name another one.",
        contour: "",
        envoy_gateway: "",
    },
    Mistake {
        what: "A Secret of another namespace without a ReferenceGrant",
        wrong: Wrong::Listener(
            "protocol: HTTPS, port: 8443, \
             tls: {certificateRefs: [{name: far, namespace: store}]}",
        ),
        told: "spec.listeners[1].tls.certificateRefs[0]: The Secret store/far is in another \
               namespace, which does not allow it; create a ReferenceGrant there, from Gateway in \
               default to Secret far.",
        contour: "Spec.VirtualHost.TLS.CertificateRefs \"far\" namespace must match the Gateway's \
                  namespace or be covered by a ReferenceGrant",
        envoy_gateway: "Certificate ref to secret store/far not permitted by any ReferenceGrant.",
    },
    Mistake {
        what: "A certificate in a ConfigMap",
        wrong: Wrong::Listener(
            "protocol: HTTPS, port: 8443, \
             tls: {certificateRefs: [{kind: ConfigMap, name: cert}]}",
        ),
        told: "spec.listeners[1].tls.certificateRefs[0]: A ConfigMap is no certificate; name a \
               Secret.",
        contour: "Spec.VirtualHost.TLS.CertificateRefs \"cert\" must contain a reference to a \
                  core.Secret",
        envoy_gateway: "Listener's TLS certificate ref kind must be Secret.",
    },
    Mistake {
        what: "https that is passed through",
        wrong: Wrong::Listener("protocol: HTTPS, port: 8443, tls: {mode: Passthrough}"),
        told: "spec.listeners[1].tls.mode: HTTPS with mode Passthrough is not possible; write \
               mode: Terminate.",
        contour: "Listener.TLS.Mode must be \"Terminate\" when protocol is \"HTTPS\".",
        envoy_gateway: "TLS Passthrough mode is not supported, TLS mode must be Terminate.",
    },
    Mistake {
        what: "Kinds of routes that the protocol does not have",
        wrong: Wrong::Listener(
            "protocol: HTTP, port: 8081, allowedRoutes: {kinds: [{kind: TLSRoute}]}",
        ),
        told: "spec.listeners[1].allowedRoutes.kinds[0]: It takes no routes of kind TLSRoute; \
               write HTTPRoute or GRPCRoute.",
        contour: "TLSRoutes are incompatible with listener protocol \"HTTP\"",
        envoy_gateway: "TLSRoute is not supported, kind must be one of [HTTPRoute GRPCRoute]",
    },
    Mistake {
        what: "Namespaces by a selector that is not there",
        wrong: Wrong::Listener(
            "protocol: HTTP, port: 8081, allowedRoutes: {namespaces: {from: Selector}}",
        ),
        told: "spec.listeners[1].allowedRoutes.namespaces.selector: Namespaces are chosen by their \
               labels; write matchLabels.",
        contour: "Listener.AllowedRoutes.Namespaces.Selector is required when \
                  Listener.AllowedRoutes.Namespaces.From is set to \"Selector\".",
        envoy_gateway: "The allowedRoutes.namespaces.selector field must be specified when \
                        allowedRoutes.namespaces.from is set to \"Selector\".",
    },
    Mistake {
        what: "A hostname that is an address of a page",
        wrong: Wrong::Listener("protocol: HTTP, port: 8081, hostname: 'https://a.example'"),
        told: "spec.listeners[1].hostname: It is no name of a host; write one such as shop.example \
               or *.example.",
        contour: "",
        envoy_gateway: "",
    },
    Mistake {
        what: "Two listeners with one port and hostname",
        wrong: Wrong::Object(
            "Gateway",
            "twice",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
             metadata: {name: twice, namespace: default}\n\
             spec: {gatewayClassName: ringway, listeners: [\
             {name: one, protocol: HTTP, port: 8081, hostname: a.example}, \
             {name: two, protocol: HTTP, port: 8081, hostname: a.example}]}\n---\n",
        ),
        told: "spec.listeners[1].hostname: Another listener has the same port and hostname; \
               change one of them.",
        contour: "All Listener hostnames for a given port must be unique",
        envoy_gateway: "All listeners for a given port must use a unique hostname",
    },
    Mistake {
        what: "Two protocols at one port",
        wrong: Wrong::Object(
            "Gateway",
            "mixed",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
             metadata: {name: mixed, namespace: default}\n\
             spec: {gatewayClassName: ringway, listeners: [\
             {name: one, protocol: HTTP, port: 8082}, \
             {name: two, protocol: HTTPS, port: 8082, hostname: a.example, \
             tls: {certificateRefs: [{name: broken}]}}]}\n---\n",
        ),
        told: "spec.listeners[1].protocol: Another listener of another protocol has the same port; \
               change one of them.",
        contour: "All Listener protocols for a given port must be compatible",
        envoy_gateway: "All listeners for a given port must use a compatible protocol",
    },
    Mistake {
        what: "A policy for a port by a name that the Service does not have",
        wrong: Wrong::Object(
            "BackendTLSPolicy",
            "named",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
             metadata: {name: named, namespace: default}\n\
             spec: {targetRefs: [{group: '', kind: Service, name: front, sectionName: https}], \
             validation: {hostname: a.example, wellKnownCACertificates: System}}\n---\n",
        ),
        told: "spec: Service default/front has no port of that name; correct sectionName.",
        contour: "",
        envoy_gateway: "",
    },
];

/// The class, the Gateway of the routes, and what mistakes lead to.
const AROUND: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ringway}
spec: {controllerName: ringway.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: ringway
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
  - {name: docs, protocol: HTTP, port: 8080, hostname: '*.docs.example'}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: far, namespace: store}
spec: {gatewayClassName: ringway, listeners: [{name: http, protocol: HTTP, port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: calls, namespace: default}
spec:
  gatewayClassName: ringway
  listeners:
  - {name: http, protocol: HTTP, port: 8080, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: store}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: default}
type: kubernetes.io/basic-auth
stringData: {username: a, password: b}
---
apiVersion: v1
kind: Secret
metadata: {name: broken, namespace: default}
type: kubernetes.io/tls
stringData: {tls.crt: a, tls.key: b}
---
";

impl Mistake {
    /// The mistake, and beside it what is right, for the host `NAME.example`.
    fn yaml(&self, name: &str) -> String {
        let parent = match self.wrong {
            Wrong::Parent(parent) => parent,
            Wrong::Listener(_) => name,
            Wrong::Rule(..) | Wrong::Object(..) => "edge",
        };
        let parent = parent.strip_prefix("name: ").unwrap_or(parent);
        let first = match self.wrong {
            Wrong::Rule(rule, _) => format!("  - {{{rule}}}\n"),
            _ => String::new(),
        };
        let others = match self.wrong {
            Wrong::Listener(listener) => format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
                 metadata: {{name: {name}, namespace: default}}\n\
                 spec: {{gatewayClassName: ringway, listeners: [\
                 {{name: right, protocol: HTTP, port: {PORT}, hostname: {name}.example}}, \
                 {{name: wrong, {listener}}}]}}\n---\n"
            ),
            Wrong::Object(_, _, yaml) => yaml.to_owned(),
            Wrong::Rule(..) | Wrong::Parent(_) => String::new(),
        };
        format!(
            "{others}apiVersion: gateway.networking.k8s.io/v1\nkind: {ROUTE}\n\
             metadata: {{name: {name}, namespace: default}}\n\
             spec:\n  parentRefs: [{{name: {parent}}}]\n  hostnames: [{name}.example]\n  rules:\n\
             {first}  - {{matches: [{{path: {{value: /right}}}}], \
             backendRefs: [{{name: front, port: 80}}]}}\n---\n"
        )
    }

    /// What becomes of requests to `NAME.example`.
    fn rows(&self, name: &str) -> Vec<Row> {
        let row = |path, status| row(format!("{name}.example"), path, status);
        let right = || row("/right", 200).from("front");
        match self.wrong {
            Wrong::Rule(_, status) => vec![row("/wrong", status), right()],
            Wrong::Parent(_) => vec![row("/right", 404)],
            Wrong::Listener(_) | Wrong::Object(..) => vec![right()],
        }
    }

    /// What is said, and of what.
    fn said(&self, name: &str) -> String {
        let (kind, name_told) = match self.wrong {
            Wrong::Rule(..) | Wrong::Parent(_) => (ROUTE, name),
            Wrong::Listener(_) => ("Gateway", name),
            Wrong::Object(kind, name, _) => (kind, name),
        };
        format!("{kind} default/{name_told}: {}", self.told.replace("NAME", name))
    }
}

fn a_mistake_harms_itself_and_is_told(driver: Driver) {
    assert!(MISTAKES.len() >= 20);
    let port = Backend::closed_address().port();
    let name = |index: usize| format!("m{index}");
    let objects = MISTAKES.iter().enumerate().map(|(index, mistake)| mistake.yaml(&name(index)));
    let objects = AROUND.to_owned() + &objects.collect::<String>();
    let own = |text: &str| text.replace(PORT, &port.to_string());
    let served = Area::new(driver).echoes(&["front"]).object(own(&objects)).start();
    let address = (served.proxy.http.ip(), port).into();
    let all = MISTAKES.iter().enumerate();
    let said: Vec<String> =
        all.clone().map(|(index, mistake)| own(&mistake.said(&name(index)))).collect();
    served.told(&said.iter().map(String::as_str).collect::<Vec<_>>());
    let table: Vec<Row> = all.flat_map(|(index, mistake)| mistake.rows(&name(index))).collect();
    rows::check(&table, |_| Client::connect(address));
}

const HEAD: &str = "\
# Mistakes in objects of the Gateway API

What their owners are told: by a condition of the object and an Event, by `ringway check` and, in
directory mode, by the log. A mistake harms what it is in and nothing else: the other rules of a
route, the other listeners of a Gateway and all other objects are served.

Beside it what two other controllers tell, as their sources have it (Contour: `internal/dag` and
`internal/gatewayapi` at 000ca7cb15f6; Envoy Gateway: `internal/gatewayapi` at 01ce93df9d90). An
empty cell: not looked up, or not reached, because an API server refuses the object first.

This page is made from the table that a test goes by, which holds it current.

| Mistake | Ringway | Contour | Envoy Gateway |
|---|---|---|---|
";

#[test]
fn the_page_of_mistakes_is_current() {
    let mut page = HEAD.to_owned();
    for Mistake { what, told, contour, envoy_gateway, .. } in MISTAKES {
        let told = told.replace("NAME", "shop");
        writeln!(page, "| {what} | {told} | {contour} | {envoy_gateway} |").expect("a text");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("RINGWAY_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let stored = std::fs::read_to_string(&path).expect("the page is in the repository");
    assert_eq!(stored, page, "run this test with RINGWAY_WRITE_DOCS=1");
}
