//! What is logged.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::NotYet;

pub(super) const KEYS: &[Key] = &[
    key("access-log-params", "", NotYet).doc("Parameters of access_log."),
    key("access-log-path", "/var/log/nginx/access.log", NotYet).doc("File of the access log."),
    key("disable-access-log", "false", NotYet).doc("There is no access log."),
    key("disable-http-access-log", "false", NotYet).doc("There is none of requests."),
    key("disable-stream-access-log", "false", NotYet).doc("There is none of TCP and UDP."),
    key("enable-access-log-for-default-backend", "false", NotYet)
        .doc("Requests that no Ingress claims are logged, too."),
    key("enable-auth-access-log", "false", NotYet)
        .doc("Questions to servers of external authentication are logged, too."),
    key("enable-syslog", "false", NotYet).doc("The logs go to a syslog server."),
    key("error-log-level", "notice", NotYet).doc("Least severity of the error log."),
    key("error-log-path", "/var/log/nginx/error.log", NotYet).doc("File of the error log."),
    key("http-access-log-path", "", NotYet).doc("File of the access log of requests."),
    key("log-format-escape-json", "false", NotYet).doc("Variables are escaped as in JSON."),
    key("log-format-escape-none", "false", NotYet).doc("Variables are not escaped."),
    key("log-format-stream", "", NotYet).doc("Form of a line for TCP and UDP."),
    key("log-format-upstream", "", NotYet).doc("Form of a line."),
    key("skip-access-log-urls", "", NotYet).doc("Targets that are not logged."),
    key("stream-access-log-path", "", NotYet).doc("File of the access log of TCP and UDP."),
    key("syslog-host", "", NotYet).doc("The syslog server."),
    key("syslog-port", "514", NotYet).doc("Its port."),
];
