//! Directives about where the requests of a location go.
//!
//! Source: nginx, modules `ngx_http_upstream_module` and `ngx_http_proxy_module`.

use super::meaning::Pass;
use super::reading::{Call, Reading};
use crate::control::lower::ingress::annotations::url::{self, Server};
use crate::directives::{Block, Directive};
use crate::limits::SCRIPT_SERVERS_MAX;
use crate::model::BackendKey;

/// What is said of servers whose health and connections are the proxy's own business.
const IDLE: [&str; 6] =
    ["fail_timeout", "max_conns", "max_fails", "resolve", "route", "slow_start"];

pub(super) fn upstream(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let name = call.word()?.to_owned();
    // Until it is read to its end: its name is no host's, whatever is wrong with it.
    reading.snippet.names.upstreams.insert(name.as_str().into(), Vec::new());
    let mut servers = Vec::new();
    let mut standing_by = Vec::new();
    for Directive { name, arguments, block } in call.inner.unwrap_or_default() {
        let words: Vec<_> = arguments.iter().map(|word| &*word.text).collect();
        match (&*name.text, &words[..], block) {
            ("server", [address, parameters @ ..], Block::Absent) => match role(parameters)? {
                Role::Asked(weight) => servers.push((with_port(address), weight)),
                Role::StandingBy => standing_by.push((with_port(address), 1)),
                Role::Down => {}
            },
            ("keepalive" | "keepalive_requests" | "keepalive_timeout" | "zone", ..)
            | ("keepalive_time" | "least_conn" | "random", ..) => {}
            (other, ..) => return Err(format!("{other} is not supported in it")),
        }
    }
    let servers = if servers.is_empty() { standing_by } else { servers };
    if servers.is_empty() || servers.len() > SCRIPT_SERVERS_MAX {
        return Err(format!("it has no server, or more than {SCRIPT_SERVERS_MAX}"));
    }
    for (address, _) in &servers {
        server(&format!("http://{address}"))?;
    }
    reading.snippet.names.upstreams.insert(name.into(), servers);
    Ok(())
}

/// Without a port it is 80, whatever is spoken there.
fn with_port(address: &str) -> Box<str> {
    if address.contains(':') { address.into() } else { format!("{address}:80").into() }
}

/// What becomes of a server.
enum Role {
    /// It has a share of the requests.
    Asked(u32),
    /// It is asked where there is no other one.
    StandingBy,
    Down,
}

fn role(parameters: &[&str]) -> Result<Role, String> {
    let mut role = Role::Asked(1);
    for parameter in parameters {
        match parameter.split_once('=') {
            None if *parameter == "down" => role = Role::Down,
            None if *parameter == "backup" => {
                if !matches!(role, Role::Down) {
                    role = Role::StandingBy;
                }
            }
            Some(("weight", weight)) => {
                let weight = weight.parse().ok().filter(|weight| (1..=1000).contains(weight));
                let weight = weight.ok_or("a weight is no number from 1 to 1000")?;
                if matches!(role, Role::Asked(_)) {
                    role = Role::Asked(weight);
                }
            }
            Some((name, _)) if IDLE.contains(&name) => {}
            None if IDLE.contains(parameter) => {}
            _ => return Err(format!("{parameter:?} is not supported")),
        }
    }
    Ok(role)
}

pub(super) fn proxy_pass(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let word = call.word()?;
    let (scheme, rest) = word.split_once("://").unwrap_or_default();
    let name = rest.split(['/', '?', '$']).next().unwrap_or_default();
    let (servers, authority, target) = match reading.defined(|names| names.upstreams.get(name)) {
        Some(all) if all.is_empty() => return Err(format!("the upstream {name} cannot be used")),
        Some(all) => {
            let all = all
                .iter()
                .map(|(address, weight)| Ok((server(&format!("{scheme}://{address}"))?, *weight)));
            let target = rest.strip_prefix(name).unwrap_or_default();
            (all.collect::<Result<_, String>>()?, name.into(), target)
        }
        None => {
            let url = url::parse(word)?;
            let Server::Named(server) = url.server else {
                return Err("the host is not that of the request".into());
            };
            let port = match server.as_host() {
                Some((_, 80 | 443)) | None => String::new(),
                Some((_, port)) => format!(":{port}"),
            };
            (vec![(server, 1)], format!("{}{port}", url.host).into(), url.target)
        }
    };
    if target.contains(['$', '?']) {
        return Err("variables and queries are not supported there".into());
    }
    let uri = (!target.is_empty()).then(|| target.into());
    reading.snippet.pass = Some(Pass { servers, is_tls: scheme == "https", authority, uri });
    Ok(())
}

fn server(address: &str) -> Result<BackendKey, String> {
    let url = url::parse(address)?;
    match url.server {
        Server::Named(server) if url.target.is_empty() => Ok(server),
        _ => Err(format!("{address:?} is no server")),
    }
}
