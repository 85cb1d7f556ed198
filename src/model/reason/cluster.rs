//! Pages of problems: the API server and the machine.

use super::page::Example::Elsewhere;
use super::page::{ANY, ERROR, Group, Page};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "The API server and the machine", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1701,
        word: "ApiServerUnreachable",
        severities: ERROR,
        title: "The API server cannot be reached",
        meaning: "What is served stays as it was.",
        remedy: "See whether it runs and whether the network and its policies let us reach it.",
        example: Elsewhere("A cluster whose control plane is down."),
    },
    Page {
        code: 1702,
        word: "Unauthorized",
        severities: ERROR,
        title: "The API server does not know who we are",
        meaning: "What is served stays as it was.",
        remedy: "See whether the token of the service account, or the kubeconfig, is still valid.",
        example: Elsewhere("A token that has expired."),
    },
    Page {
        code: 1703,
        word: "ApiServerError",
        severities: ERROR,
        title: "The API server cannot answer",
        meaning: "It refuses or is busy. What is served stays as it was.",
        remedy: "See its log.",
        example: Elsewhere("An API server that has lost its etcd."),
    },
    Page {
        code: 1704,
        word: "Forbidden",
        severities: ANY,
        title: "A kind of objects may not be read",
        meaning: "The role of the service account lacks a right. What follows is in the message.",
        remedy: "Bind a role with the verbs get, list and watch; the chart has one.",
        example: Elsewhere("A role that was written before a new kind was read."),
    },
    Page {
        code: 1705,
        word: "NotServed",
        severities: ANY,
        title: "The API server does not serve a kind",
        meaning: "It is too old, or the custom resources are not installed.",
        remedy: "Run a Kubernetes that has it, or install the resources.",
        example: Elsewhere("A cluster without the resources of the Gateway API."),
    },
    Page {
        code: 1706,
        word: "InvalidSelector",
        severities: ANY,
        title: "A selector is not understood",
        meaning: "The API server refuses what --watch-namespace-selector says. No namespace is \
            selected.",
        remedy: "Write it as kubectl's --selector takes it.",
        example: Elsewhere("--watch-namespace-selector with a slip."),
    },
    Page {
        code: 1707,
        word: "UnreadableAnswer",
        severities: ANY,
        title: "An answer of the API server cannot be read",
        meaning: "What was read before stays in force.",
        remedy: "See whether something between us and the API server changes answers.",
        example: Elsewhere("A proxy that answers in the API server's place."),
    },
    Page {
        code: 1708,
        word: "MissingPermission",
        severities: ERROR,
        title: "A right to write is missing",
        meaning: "States of objects, Events or Services are not written.",
        remedy: "Bind a role that has it; the chart has one.",
        example: Elsewhere("A role without the right to patch the status of Ingresses."),
    },
    Page {
        code: 1709,
        word: "NotListening",
        severities: ERROR,
        title: "An entry point is not open",
        meaning: "The system does not let the process listen there. It is tried again.",
        remedy: "See what holds the port, or whether the process may bind it.",
        example: Elsewhere("A port that another program holds."),
    },
];
