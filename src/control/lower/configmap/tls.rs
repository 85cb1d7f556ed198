//! TLS towards clients.

use super::globals::{Globals, UnknownNames};
use super::row::{Key, key};
use super::values::{flag, number, set};
use crate::control::lower::ingress::annotations::cipher_list;
use crate::control::lower::ingress::annotations::row::State::{
    NoEffect, Partial, Refused, Supported,
};
use crate::tls::client::Version;
use crate::tls::server_terms::{Application, GROUPS, Resumption};

pub(super) const KEYS: &[Key] = &[
    key("enable-ocsp", "false", NoEffect("nothing is stapled; clients that care ask themselves"))
        .doc("Responses of OCSP are stapled."),
    key("hsts", "true", Partial("of hosts with a TLS entry"))
        .put(|text, globals| set(&mut globals.hsts.is_sent, flag(text)))
        .doc("Strict-Transport-Security is sent."),
    key("hsts-include-subdomains", "true", Supported)
        .put(|text, globals| set(&mut globals.hsts.includes_subdomains, flag(text)))
        .doc("It is for subdomains, too."),
    key("hsts-max-age", "31536000", Supported)
        .put(|text, globals| set(&mut globals.hsts.max_age, number(text, 0..=u32::MAX)))
        .doc("Seconds that it holds."),
    key("hsts-preload", "false", Supported)
        .put(|text, globals| set(&mut globals.hsts.allows_preload, flag(text)))
        .doc("Browsers may be shipped with it."),
    key("ssl-buffer-size", "4k", NoEffect("records are as long as what is there to be sent"))
        .doc("Longest record."),
    key("ssl-ciphers", "", Partial("those with ECDHE and AEAD; the order is the client's"))
        .put(ciphers)
        .doc("Cipher suites of TLS 1.2, as OpenSSL names them."),
    key("ssl-dh-param", "", NoEffect("there are no cipher suites with DH"))
        .doc("Secret with parameters of DH."),
    key("ssl-early-data", "false", NoEffect("others could repeat requests that come with it"))
        .doc("Requests may come with the handshake."),
    key("ssl-ecdh-curve", "auto", Partial("X25519MLKEM768, X25519, prime256v1, secp384r1"))
        .put(groups)
        .doc("Groups for key exchange."),
    key("ssl-protocols", "TLSv1.2 TLSv1.3", Partial("TLSv1.2 and TLSv1.3"))
        .put(versions)
        .doc("Versions of TLS."),
    key("ssl-reject-handshake", "false", Partial("for hosts without a certificate, too"))
        .put(unknown_names)
        .doc("Clients that ask for an unknown name get no connection."),
    key("ssl-session-cache", "true", NoEffect("clients keep their sessions, in tickets"))
        .doc("Sessions are kept."),
    key("ssl-session-cache-size", "10m", NoEffect("there is no cache")).doc("Memory for them."),
    key("ssl-session-ticket-key", "", Refused("--tls-ticket-keys names a Secret with such keys"))
        .doc("Key of session tickets."),
    key("ssl-session-tickets", "false", Partial("without it true; false: none is resumed"))
        .put(tickets)
        .doc("Clients get session tickets."),
    key("ssl-session-timeout", "10m", NoEffect("keys of tickets change every six hours"))
        .doc("How long sessions can be resumed."),
    key("use-http2", "true", Partial("by prior knowledge they may in any case"))
        .put(http2)
        .doc("Clients may speak HTTP/2."),
];

/// Older versions are not spoken, whatever the list says.
fn versions(text: &str, globals: &mut Globals) -> Result<(), String> {
    const KNOWN: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
    let words = || text.split_whitespace();
    if let Some(word) = words().find(|word| !KNOWN.contains(word)) {
        return Err(format!("{word:?} is no version of TLS"));
    }
    let has = |version| words().any(|word| word == version);
    globals.tls.terms.version = match (has("TLSv1.2"), has("TLSv1.3")) {
        (true, true) => None,
        (true, false) => Some(Version::Tls12),
        (false, true) => Some(Version::Tls13),
        (false, false) => return Err("TLSv1.2 and TLSv1.3 are all that there is".to_owned()),
    };
    Ok(())
}

fn ciphers(text: &str, globals: &mut Globals) -> Result<(), String> {
    let suites = cipher_list::suites(text);
    if suites.is_empty() {
        return Err("it has no cipher suite with ECDHE and AEAD".to_owned());
    }
    globals.tls.terms.suites = Some(suites.into());
    Ok(())
}

fn groups(text: &str, globals: &mut Globals) -> Result<(), String> {
    if text == "auto" {
        globals.tls.groups = None;
        return Ok(());
    }
    let is_meant = |names: &[&str]| text.split(':').any(|word| names.contains(&word));
    let groups: Vec<u16> =
        GROUPS.iter().filter(|(_, names)| is_meant(names)).map(|(number, _)| *number).collect();
    if groups.is_empty() {
        return Err("it has none of the groups that there are".to_owned());
    }
    globals.tls.groups = Some(groups.into());
    Ok(())
}

fn tickets(text: &str, globals: &mut Globals) -> Result<(), String> {
    let is_on = flag(text)?;
    globals.tls.resumption = if is_on { Resumption::Tickets } else { Resumption::Never };
    Ok(())
}

fn unknown_names(text: &str, globals: &mut Globals) -> Result<(), String> {
    let is_on = flag(text)?;
    globals.unknown_names = if is_on { UnknownNames::Rejected } else { UnknownNames::Served };
    Ok(())
}

fn http2(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.tls.application = if flag(text)? { Application::Http } else { Application::Http1 };
    Ok(())
}
