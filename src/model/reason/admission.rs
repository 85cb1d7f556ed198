//! Pages of problems: the admission webhook.

use super::page::Example::Elsewhere;
use super::page::{Group, Page, WARNING};

/// One of the table.
pub(super) const GROUP: Group = Group { title: "The admission webhook", pages: PAGES };

const PAGES: &[Page] = &[
    Page {
        code: 1801,
        word: "AdmissionCertificate",
        severities: WARNING,
        title: "The webhook has no certificate that can be used",
        meaning: "Its Secret or files hold none. The webhook does not answer, and objects are let \
            in unlooked at.",
        remedy: "Correct it; a Secret that is deleted is made anew.",
        example: Elsewhere("Files of --admission-certificate that are no PEM."),
    },
    Page {
        code: 1802,
        word: "AdmissionConfiguration",
        severities: WARNING,
        title: "The configuration of the webhook is not for us",
        meaning: "The ValidatingWebhookConfiguration is missing, or none of its webhooks calls our \
            Service.",
        remedy: "Correct its clientConfig.service, or the flags.",
        example: Elsewhere("A configuration that another release of the chart made."),
    },
    Page {
        code: 1803,
        word: "AdmissionApiCall",
        severities: WARNING,
        title: "The webhook's objects cannot be read or written",
        meaning: "It is tried again.",
        remedy: "Grant get, list, watch, create, update and patch on them.",
        example: Elsewhere("A role without the rights of the webhook."),
    },
];
