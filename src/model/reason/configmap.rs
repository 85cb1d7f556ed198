//! Pages of problems: ConfigMaps.

use super::page::Example::{Elsewhere, Keys};
use super::page::{ERROR, ERROR_OR_WARNING, Group, Page, WARNING_OR_NOTE};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "ConfigMaps", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1501,
        word: "ConfigMapMissing",
        severities: ERROR_OR_WARNING,
        title: "A ConfigMap does not exist",
        meaning: "A flag, a key or an annotation names it. What it should say is not said; a guard \
            is closed.",
        remedy: "Create it, or leave out what names it.",
        example: Keys("add-headers: default/none\n"),
    },
    Page {
        code: 1502,
        word: "ConfigMapInvalid",
        severities: ERROR_OR_WARNING,
        title: "Not all of a ConfigMap can be used",
        meaning: "Names of fields, or their values, are not possible. The rest counts; where an \
            annotation asks for it, all requests get status 503 until it is right.",
        remedy: "Name fields and their values, one line each.",
        example: Elsewhere("A ConfigMap of add-headers with a name of a field that has a space."),
    },
    Page {
        code: 1503,
        word: "KeyNotSupported",
        severities: WARNING_OR_NOTE,
        title: "A key has no effect",
        meaning: "ingress-nginx has no key of that name, or it has one that does nothing here. \
            docs/configmap.md lists all.",
        remedy: "Correct its name, or see whether all is right without it.",
        example: Keys("proxy-bodysize: 8m\n"),
    },
    Page {
        code: 1504,
        word: "InvalidValue",
        severities: ERROR_OR_WARNING,
        title: "The value of a key cannot be used",
        meaning: "It is malformed or out of bounds. The last good value stays in force; a guard \
            without one closes all (status 503), and is an error.",
        remedy: "Write what the message asks for. docs/configmap.md has the form of each value.",
        example: Keys("proxy-body-size: 8 megs\n"),
    },
    Page {
        code: 1505,
        word: "InvalidService",
        severities: ERROR,
        title: "A line of TCP or UDP services cannot be read",
        meaning: "Nothing listens on the port.",
        remedy: "Write PORT: NAMESPACE/SERVICE:PORT, and behind that :PROXY if clients say who \
            they are, and another :PROXY if the Service is to be told.",
        example: Elsewhere("`9000: postgres:5432` in the ConfigMap of --tcp-services-configmap."),
    },
    Page {
        code: 1506,
        word: "PortTaken",
        severities: ERROR,
        title: "A port is that of something else",
        meaning: "Clients of Ingresses come in at the port, or another service has it. Nothing \
            more listens there.",
        remedy: "Take another port.",
        example: Elsewhere("`443: default/web:443` in the ConfigMap of --tcp-services-configmap."),
    },
];
