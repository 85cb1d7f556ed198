//! URLs of other servers, as annotations name them.

use std::net::IpAddr;
use std::sync::Arc;

use crate::filter::Text;
use crate::model::{BackendKey, BackendProtocol, Dial, DialTls};

/// A server, and what is asked of it.
pub(super) struct Url<'a> {
    pub server: BackendKey,
    /// As it is written, without port.
    pub host: &'a str,
    /// Path and query; empty: there is neither.
    pub target: &'a str,
}

/// Variables whose values begin with a slash, so that a target may begin with them.
const PATHS: [&str; 3] = ["$request_uri", "$uri", "$document_uri"];

/// Reads a URL whose target may have variables.
///
/// # Errors
/// Its author is at fault, in words.
pub(super) fn parse(text: &str) -> Result<Url<'_>, String> {
    check_characters(text)?;
    let (is_tls, rest) = after_scheme(text).ok_or("it does not begin with http:// or https://.")?;
    let end = rest.find(['/', '?', '$']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if target.starts_with('$') && !PATHS.iter().any(|variable| target.starts_with(variable)) {
        return Err("a variable in the host is not supported.".into());
    }
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || !host.chars().all(is_name) || host.contains("..") {
        return Err("it names no host.".into());
    }
    let port = match (port, is_tls) {
        ("", true) => 443,
        ("", false) => 80,
        (port, _) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is none.")?,
    };
    Ok(Url { server: server(&host.to_ascii_lowercase(), port, is_tls), host, target })
}

/// The characters of ingress-nginx, which are also all that a target can hold as they are.
pub(super) fn check_characters(text: &str) -> Result<(), String> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-._~/:,?&=$".contains(c);
    match text.chars().find(|c| !is_known(*c)) {
        Some(other) => Err(format!("it may not have {other:?}.")),
        None => Ok(()),
    }
}

/// Whether it is https, and what stands behind the scheme.
pub(super) fn after_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some((false, rest)),
        "https" => Some((true, rest)),
        _ => None,
    }
}

/// A text with variables of the request.
pub(super) fn with_variables(text: &str) -> Result<Text, String> {
    Text::new(text, |_| false).map_err(|error| format!("{error}."))
}

/// As nginx speaks to it: TLS with the name of the server, and nothing verified. A Service says by
/// itself whether it speaks HTTP/2.
fn server(host: &str, port: u16, is_tls: bool) -> BackendKey {
    let is_address = host.parse::<IpAddr>().is_ok();
    let named =
        DialTls { server_name: Some(host.into()), sends_server_name: true, ..DialTls::default() };
    let dial = Dial {
        protocol: is_tls.then_some(BackendProtocol::Https),
        tls: (is_tls && !is_address).then(|| Arc::new(named)),
        ..Dial::default()
    };
    BackendKey::host(host, port, dial)
}
