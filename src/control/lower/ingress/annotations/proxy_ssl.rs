//! TLS towards backends, as annotations say it.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Texts, field, invalid, parse_bool, taken_for};
use crate::control::source::report::Report;
use crate::model::{DialTls, HostName};

const SECRET: &str = "proxy-ssl-secret";
const VERIFY: &str = "proxy-ssl-verify";
const NAME: &str = "proxy-ssl-name";
const SERVER_NAME: &str = "proxy-ssl-server-name";

/// The field that names the Secret.
pub(crate) fn secret_field() -> String {
    field(SECRET)
}

/// The field that asks for verification.
pub(crate) fn verify_field() -> String {
    field(VERIFY)
}

/// Reads the annotations of an Ingress in `namespace`. Unlike in ingress-nginx each counts without
/// a Secret, too. What cannot be understood never makes a connection less safe: a Secret that
/// cannot be used is one that does not exist, and to verify is the default of what is unreadable.
pub(crate) fn parse(namespace: &Arc<str>, texts: Texts<'_>, report: &mut Report<'_>) -> DialTls {
    let mut flag = |name, if_invalid, until| match texts.get(name) {
        None | Some("off") => false,
        Some("on") => true,
        // There it is the default, which anything else is taken for.
        Some(text) if parse_bool(text) == Some(false) || text.eq_ignore_ascii_case("off") => {
            report.warning(taken_for(name, text, "off", "Write on or off."));
            false
        }
        Some(text) => {
            let advice = format!("Write on or off; {until}.");
            report.error(invalid(name, text, "it is neither on nor off.", &advice));
            if_invalid
        }
    };
    let verify = flag(VERIFY, true, "until then certificates are verified");
    let sends_server_name = flag(SERVER_NAME, false, "until then no name is sent");
    let server_name = texts.get(NAME).and_then(|text| match server_name(text) {
        None => {
            let advice = "Write a DNS name or an address.";
            report.error(invalid(NAME, text, "it is not the name of a server.", advice));
            None
        }
        name => name,
    });
    let secret = texts.get(SECRET).map(|text| {
        let name = text
            .split_once('/')
            .filter(|(of, name)| **of == **namespace && !name.is_empty() && !name.contains('/'));
        let name = name.map(|(_, name)| name).unwrap_or_else(|| {
            let advice = "Write NAMESPACE/NAME of a Secret in the namespace of the Ingress; until \
                          then its requests get status 503.";
            let why = "it names no Secret in the namespace of the Ingress.";
            report.error(invalid(SECRET, text, why, advice));
            // No object has an empty name.
            ""
        });
        (Arc::clone(namespace), name.into())
    });
    DialTls { secret, verify, server_name, sends_server_name }
}

fn server_name(text: &str) -> Option<Arc<str>> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_string().into()),
        Err(_) => Some(HostName::new(text).ok()?.to_string().into()),
    }
}
