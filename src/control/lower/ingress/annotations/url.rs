//! URLs of other servers, as annotations name them.

use crate::control::lower::settings::ServerOfHost;
use crate::filter::{Scheme, Text};
use crate::model::BackendKey;

/// A server, and what is asked of it.
pub(crate) struct Url<'a> {
    pub server: Server,
    /// As it is written, without port.
    pub host: &'a str,
    /// Path and query; empty: there is neither.
    pub target: &'a str,
}

/// Which server.
pub(crate) enum Server {
    Named(BackendKey),
    /// The one that has the name of the host that is asked for.
    OfHost(ServerOfHost),
}

/// Variables that are the host which is asked for, where no text surrounds them.
const HOSTS: [&str; 4] = ["$host", "$http_host", "$best_http_host", "$server_name"];

/// Variables whose values begin with a slash, so that a target may begin with them.
const PATHS: [&str; 3] = ["$request_uri", "$uri", "$document_uri"];

/// Reads a URL whose target may have variables.
///
/// # Errors
/// Its author is at fault, in words.
pub(crate) fn parse(text: &str) -> Result<Url<'_>, String> {
    check_characters(text)?;
    let (scheme, rest) = split_scheme(text).ok_or("it does not begin with http:// or https://.")?;
    let is_tls = scheme == Scheme::Https;
    let of_host = HOSTS.iter().find(|name| {
        let behind = rest.strip_prefix(**name);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '?', ':', '$']))
    });
    let behind = of_host.map_or(rest, |name| rest.strip_prefix(*name).unwrap_or(rest));
    let target = behind.find(['/', '?', '$']).and_then(|at| behind.get(at..)).unwrap_or_default();
    let authority = rest.strip_suffix(target).unwrap_or(rest);
    if target.starts_with('$') && !PATHS.iter().any(|variable| target.starts_with(variable)) {
        return Err("of variables the host can be $host alone.".into());
    }
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_host = of_host == Some(&host) || host.chars().all(is_name);
    if host.is_empty() || !is_host || host.contains("..") {
        return Err("it names no host.".into());
    }
    let port = match (port, is_tls) {
        ("", true) => 443,
        ("", false) => 80,
        (port, _) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is none.")?,
    };
    let server = ServerOfHost { port, is_tls };
    let server = match of_host {
        Some(_) => Server::OfHost(server),
        None => Server::Named(server.at(&host.to_ascii_lowercase())),
    };
    Ok(Url { server, host, target })
}

/// The characters of ingress-nginx, which are also all that a target can hold as they are.
pub(super) fn check_characters(text: &str) -> Result<(), String> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-._~/:,?&=$".contains(c);
    match text.chars().find(|c| !is_known(*c)) {
        Some(other) => Err(format!("it may not have {other:?}.")),
        None => Ok(()),
    }
}

/// The scheme, and what stands behind it.
pub(super) fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some((Scheme::Http, rest)),
        "https" => Some((Scheme::Https, rest)),
        _ => None,
    }
}

/// A text with variables of the request.
pub(super) fn with_variables(text: &str) -> Result<Text, String> {
    Text::new(text, |_| false).map_err(|error| format!("{error}."))
}
