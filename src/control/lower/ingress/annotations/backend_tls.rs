//! What is proved to backends and demanded of them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::cipher_list;
use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Invalid::Denied;
use super::row::Risk::{High, Medium};
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, field, row};
use crate::control::lower::settings::Settings;
use crate::model::Kind::Secret;
use crate::model::parse_bool;
use crate::model::{DialAuthorities, DialTls, HostName, TlsVersion};

pub(super) const GROUP: Group =
    Group { title: "TLS towards backends", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(CIPHERS, Location, Partial("suites without forward secrecy or AEAD do not exist"))
        .risk(Medium)
        .doc("Cipher suites of TLS 1.2 that backends are offered, as OpenSSL writes them."),
    row("proxy-ssl-name", Location, Supported)
        .risk(High)
        .doc("Name that the certificate of a backend must have, and that is sent to it."),
    row(PROTOCOLS, Location, Partial("TLSv1.2 and TLSv1.3 where nothing is said"))
        .doc("TLSv1.2, TLSv1.3 or both: versions that backends are offered."),
    row("proxy-ssl-secret", Location, Supported)
        .risk(Medium)
        .invalid(Denied)
        .names(Secret)
        .doc("NAMESPACE/NAME of the Secret with ca.crt, tls.crt and tls.key, or some of them."),
    row("proxy-ssl-server-name", Location, Supported).doc("on: the name is sent to backends."),
    row("proxy-ssl-verify", Location, Supported)
        .invalid(Denied)
        .doc("on: the certificate of a backend must be good."),
    row(DEPTH, Location, Supported).doc("How many intermediate authorities its chain may have."),
];

const SECRET: &str = "proxy-ssl-secret";
const VERIFY: &str = "proxy-ssl-verify";
const NAME: &str = "proxy-ssl-name";
const SERVER_NAME: &str = "proxy-ssl-server-name";
/// What follows where no suite is understood.
const ALL_SUITES: &str = "Write suites with ECDHE and an AEAD, or DEFAULT; until then all that \
                          there are are offered.";
const CIPHERS: &str = "proxy-ssl-ciphers";
const PROTOCOLS: &str = "proxy-ssl-protocols";
const DEPTH: &str = "proxy-ssl-verify-depth";

/// The field that names the Secret.
pub(crate) fn secret_field() -> String {
    field(SECRET)
}

/// The field that asks for verification.
pub(crate) fn verify_field() -> String {
    field(VERIFY)
}

/// Unlike in ingress-nginx each counts without a Secret, too. What cannot be understood never makes
/// a connection less safe: a Secret that cannot be used is one that does not exist, and to verify
/// is the default of what is unreadable.
fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let verify = switch(reader, VERIFY, "until then certificates are verified").unwrap_or(true);
    let sends_server_name = switch(reader, SERVER_NAME, "until then no name is sent");
    let name = reader.text(NAME);
    let server_name = name.and_then(server_name);
    if let (Some(text), None) = (name, &server_name) {
        let advice = "Write a DNS name or an address.";
        reader.invalid(NAME, text, "it is not the name of a server.", advice);
    }
    let named = reader.named(SECRET, NameForm::Qualified, "until then its requests get status 503");
    let namespace = Arc::clone(&reader.owner.namespace);
    // No object has an empty name.
    let secret = named.map(|named| {
        named.map_or_else(|()| (namespace, "".into()), |secret| (secret.namespace, secret.name))
    });
    let depth = reader.verify_depth(DEPTH);
    settings.upstream.tls = DialTls {
        secret,
        verify,
        authorities: DialAuthorities::Secret,
        names: None,
        server_name,
        sends_server_name: sends_server_name.unwrap_or(false),
        depth: verify.then_some(depth),
        version: version(reader),
        suites: cipher_list::read(reader, CIPHERS, ALL_SUITES),
    };
}

/// `None`: any.
fn version(reader: &mut Reader<'_, '_>) -> Option<TlsVersion> {
    let text = reader.text(PROTOCOLS)?;
    parse_versions(text).unwrap_or_else(|| {
        let advice = "Write TLSv1.2, TLSv1.3 or both; until then both are offered.";
        reader.invalid(PROTOCOLS, text, "it has other words than these.", advice);
        None
    })
}

/// The only version that words name, if there is only one; `None`: one of them is none.
pub(crate) fn parse_versions(text: &str) -> Option<Option<TlsVersion>> {
    let words: BTreeSet<_> = text.split_ascii_whitespace().collect();
    match words.into_iter().collect::<Vec<_>>().as_slice() {
        ["TLSv1.2"] => Some(Some(TlsVersion::Tls12)),
        ["TLSv1.3"] => Some(Some(TlsVersion::Tls13)),
        ["TLSv1.2", "TLSv1.3"] => Some(None),
        _ => None,
    }
}

/// `on` or `off`; `None`: it is neither, and `until` says what comes of that.
fn switch(reader: &mut Reader<'_, '_>, name: &str, until: &str) -> Option<bool> {
    match reader.text(name) {
        None | Some("off") => Some(false),
        Some("on") => Some(true),
        // There it is the default, which anything else is taken for.
        Some(text) if parse_bool(text) == Some(false) || text.eq_ignore_ascii_case("off") => {
            reader.taken_for(name, text, "off", "Write on or off.");
            Some(false)
        }
        Some(text) => {
            let advice = format!("Write on or off; {until}.");
            reader.invalid(name, text, "it is neither on nor off.", &advice);
            None
        }
    }
}

fn server_name(text: &str) -> Option<Arc<str>> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(address.to_string().into()),
        Err(_) => Some(HostName::new(text).ok()?.to_string().into()),
    }
}
