//! Pages of problems: annotations and snippets.

use super::page::Example::{Annotations, Elsewhere, Manifest};
use super::page::{ERROR, ERROR_OR_WARNING, Group, NOTE, Page, WARNING, WARNING_OR_NOTE};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Annotations and snippets", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1201,
        word: "InvalidAnnotation",
        severities: ERROR_OR_WARNING,
        title: "The value of an annotation cannot be used",
        meaning: "It is malformed, out of bounds, or has a word that the operator forbids. What \
            follows is in the message: a setting counts as if it were not there, a guard that \
            cannot be read closes its paths (status 503).",
        remedy: "Write what the message asks for. docs/annotations.md has the form of each value.",
        example: Annotations("nginx.ingress.kubernetes.io/proxy-body-size: 8 megs\n"),
    },
    Page {
        code: 1202,
        word: "AnnotationNotSupported",
        severities: WARNING_OR_NOTE,
        title: "An annotation has no effect",
        meaning: "ingress-nginx has no annotation of that name, or it has one that does nothing \
            here. Nobody is kept out by it, or let in.",
        remedy: "Correct its name, or see whether all is right without it. docs/annotations.md \
            lists all.",
        example: Annotations("nginx.ingress.kubernetes.io/proxy-bodysize: 8m\n"),
    },
    Page {
        code: 1203,
        word: "GuardNotSupported",
        severities: ERROR,
        title: "An annotation may keep clients out, and is not understood",
        meaning: "It is not supported, misspelt, or has directives that are not understood, and by \
            its meaning or name it protects. All requests that it may be about get status 503, so \
            that nothing is open that was to be protected.",
        remedy: "Correct its name or value; remove it if everybody may come in.",
        example: Annotations("nginx.ingress.kubernetes.io/auth-tpye: basic\n"),
    },
    Page {
        code: 1204,
        word: "AnnotationTooRisky",
        severities: ERROR,
        title: "An annotation has a higher risk than the operator permits",
        meaning: "annotations-risk-level of the ConfigMap is below the risk of the annotation. \
            Nothing of this version of the Ingress is served.",
        remedy: "Remove it, or let the operator permit such annotations.",
        example: Elsewhere("An annotation of risk Critical, where annotations-risk-level is High."),
    },
    Page {
        code: 1205,
        word: "SnippetNotAllowed",
        severities: ERROR,
        title: "Snippets are not allowed",
        meaning: "allow-snippet-annotations of the ConfigMap is not \"true\". Depending on the \
            kind of snippet nothing of this version of the Ingress is served, or the snippet is \
            left out.",
        remedy: "Say it by other annotations, or let the operator allow snippets.",
        example: Annotations("nginx.ingress.kubernetes.io/configuration-snippet: return 403;\n"),
    },
    Page {
        code: 1206,
        word: "DirectiveNotSupported",
        severities: WARNING_OR_NOTE,
        title: "A directive of a snippet has no effect",
        meaning: "It has a meaning in nginx, and none here; or it does nothing where it stands.",
        remedy: "See whether all is right without it, or say it otherwise.",
        example: Elsewhere(
            "A directive of nginx that there is nothing to do for, such as \
            `gzip_static on;`.",
        ),
    },
    Page {
        code: 1207,
        word: "DirectivesNotUsed",
        severities: WARNING,
        title: "Directives for a host are not used",
        meaning: "Two Ingresses have server-snippet for one host. That of the older counts.",
        remedy: "Write the directives of a host in one Ingress.",
        example: Elsewhere("Two Ingresses of one host, each with a server-snippet."),
    },
    Page {
        code: 1208,
        word: "ForeignAnnotation",
        severities: NOTE,
        title: "Annotations of other controllers are there",
        meaning: "They mean something to another ingress controller, and nothing here.",
        remedy: "See whether the Ingress is right without them.",
        example: Annotations("traefik.ingress.kubernetes.io/router.entrypoints: web\n"),
    },
    Page {
        code: 1209,
        word: "FieldNotAllowed",
        severities: ERROR,
        title: "A ConfigMap sets a field that is not allowed",
        meaning: "custom-headers may set only fields that global-allowed-response-headers of the \
            controller's ConfigMap lists.",
        remedy: "Remove the field, or let the operator allow it.",
        example: Manifest(
            r#"apiVersion: v1
kind: ConfigMap
metadata: {name: fields}
data: {X-Shop: "1"}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations: {nginx.ingress.kubernetes.io/custom-headers: default/fields}
spec:
  ingressClassName: ringway
  defaultBackend: {service: {name: web, port: {number: 80}}}
"#,
        ),
    },
    Page {
        code: 1210,
        word: "PasswordInvalid",
        severities: ERROR_OR_WARNING,
        title: "A line of a password file cannot be used",
        meaning: "The line is no NAME:HASH, or the hash is of no known kind. Who is named there is \
            not let in.",
        remedy: "Write NAME:HASH lines as htpasswd makes them.",
        example: Manifest(
            r#"apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {auth: "alice"}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations:
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: users
spec:
  ingressClassName: ringway
  defaultBackend: {service: {name: web, port: {number: 80}}}
"#,
        ),
    },
    Page {
        code: 1211,
        word: "AnnotationWithoutEffect",
        severities: WARNING,
        title: "An annotation has nothing to act on",
        meaning: "It says something of what another annotation asks for, and that one is not \
            there. `check` alone tells it.",
        remedy: "Write the other one, too, or remove this one.",
        example: Annotations(
            "nginx.ingress.kubernetes.io/cors-allow-origin: https://shop.example\n",
        ),
    },
];
