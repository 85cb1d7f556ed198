//! Pages of problems: certificates and Secrets.

use super::page::Example::{Elsewhere, Manifest, Spec};
use super::page::{ERROR_OR_WARNING, Group, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "Certificates and Secrets", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1401,
        word: "SecretMissing",
        severities: ERROR_OR_WARNING,
        title: "A Secret does not exist",
        meaning: "What it should hold is not there: the default certificate is served, or what it \
            protects is closed.",
        remedy: "Create it, or correct the name.",
        example: Spec(
            r"ingressClassName: ringway
tls: [{hosts: [shop.example], secretName: none}]
rules: [{host: shop.example}]
",
        ),
    },
    Page {
        code: 1402,
        word: "SecretInvalid",
        severities: ERROR_OR_WARNING,
        title: "A Secret lacks what is wanted of it",
        meaning: "The key that is read (tls.crt, tls.key, ca.crt, auth) is not in it.",
        remedy: "Name a Secret that has it.",
        example: Manifest(
            r"apiVersion: v1
kind: Secret
metadata: {name: cert}
stringData: {other: text}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: ringway
  tls: [{hosts: [shop.example], secretName: cert}]
  rules: [{host: shop.example}]
",
        ),
    },
    Page {
        code: 1403,
        word: "CertificateInvalid",
        severities: ERROR_OR_WARNING,
        title: "A certificate or its key cannot be read",
        meaning: "It is no PEM, no certificate, or the key is encrypted or of a kind that is not \
            supported. The default certificate is served, or the last good one.",
        remedy: "Store a certificate chain in PEM, leaf first, and its key.",
        example: Manifest(
            r"apiVersion: v1
kind: Secret
metadata: {name: cert}
stringData: {tls.crt: text, tls.key: text}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: ringway
  tls: [{hosts: [shop.example], secretName: cert}]
  rules: [{host: shop.example}]
",
        ),
    },
    Page {
        code: 1404,
        word: "CertificateKeyMismatch",
        severities: ERROR_OR_WARNING,
        title: "A key is not that of the certificate",
        meaning: "No handshake would succeed. The default certificate is served, or the last good \
            one.",
        remedy: "Store the key that the certificate was issued for.",
        example: Elsewhere("tls.crt of one certificate and tls.key of another in one Secret."),
    },
    Page {
        code: 1405,
        word: "CertificateExpired",
        severities: ERROR_OR_WARNING,
        title: "A certificate has expired",
        meaning: "The last good one stays in force, and that is an error. Where there is none it \
            is served all the same, and clients refuse it.",
        remedy: "Renew it.",
        example: Elsewhere("A certificate whose notAfter has passed."),
    },
    Page {
        code: 1406,
        word: "CertificateNotYetValid",
        severities: ERROR_OR_WARNING,
        title: "A certificate is not valid yet",
        meaning: "The last good one stays in force, and that is an error. Where there is none it \
            is served all the same, and clients refuse it.",
        remedy: "See whether the clock is right.",
        example: Elsewhere("A certificate whose notBefore is to come."),
    },
    Page {
        code: 1407,
        word: "CertificateHost",
        severities: ERROR_OR_WARNING,
        title: "A certificate is not for its host",
        meaning: "spec.tls names a host that the certificate of the Secret does not cover. Another \
            one is served for the host.",
        remedy: "Store a certificate that names the host.",
        example: Elsewhere("A certificate for shop.example, and spec.tls with www.shop.example."),
    },
    Page {
        code: 1408,
        word: "ClientCaInvalid",
        severities: ERROR_OR_WARNING,
        title: "The CA for certificates of clients cannot be used",
        meaning: "ca.crt of the Secret are no certificates. All requests to the hosts get status \
            403.",
        remedy: "Store certificates in PEM.",
        example: Elsewhere("A Secret for auth-tls-secret whose ca.crt is no PEM."),
    },
    Page {
        code: 1409,
        word: "ClientAuthConflict",
        severities: ERROR_OR_WARNING,
        title: "A host has two demands of client certificates",
        meaning: "Two Ingresses of one host demand different things of clients. That of the older \
            counts for both.",
        remedy: "Demand the same in both.",
        example: Elsewhere(
            "auth-tls-secret in two Ingresses of one host, each with another \
            Secret.",
        ),
    },
    Page {
        code: 1410,
        word: "ClientAuthWithoutHost",
        severities: ERROR_OR_WARNING,
        title: "A demand of client certificates has no host",
        meaning: "A rule without a host has no handshake of its own. Its requests get status 403.",
        remedy: "Write the host.",
        example: Elsewhere("auth-tls-secret on an Ingress without a host."),
    },
    Page {
        code: 1411,
        word: "TicketKeysInvalid",
        severities: ERROR_OR_WARNING,
        title: "Keys of session tickets cannot be used",
        meaning: "The Secret of --tls-ticket-keys holds no such keys. Tickets are made with keys \
            of this process.",
        remedy: "Store what `openssl rand 80` makes, once for each key.",
        example: Elsewhere("--tls-ticket-keys with a Secret of another form."),
    },
    Page {
        code: 1412,
        word: "CertificateEndsSoon",
        severities: WARNING,
        title: "A certificate ends soon",
        meaning: "It is of an Ingress, and valid for less than two weeks; whoever renews \
            certificates does so a month before. `check` alone tells it.",
        remedy: "Renew it, or see why nobody has.",
        example: Elsewhere("A certificate that cert-manager was to renew, and could not."),
    },
];
