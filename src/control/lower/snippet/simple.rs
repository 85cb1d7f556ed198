//! Directives that say what an annotation could say, and those that have nothing to say here.

use std::time::Duration;

use super::meaning::{Access, Change, LocationText, Pass};
use super::places::Place;
use super::reading::{Call, Reading};
use crate::control::lower::ingress::annotations::url::{self, Server};
use crate::control::lower::regex_path::Case;
use crate::filter::script::{Intercepts, KeepsQuery, Rewrite, Step, Then};
use crate::filter::{AddressRanges, PathPattern, Satisfy, Text, Variable, nginx_size, nginx_time};
use crate::limits::SCRIPT_LOCATIONS_MAX;
use crate::model::{LocationMatch, Pattern, UpstreamVersion};

/// Takes what is about nginx' own buffers, logs and files.
pub(super) fn idle(_: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if call.words.is_empty() { Err("it takes a word".into()) } else { Ok(()) }
}

pub(super) fn access_log(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.words[..] {
        ["off"] if call.place == Place::RuleIf => {
            Err("only off for all requests is possible".into())
        }
        ["off"] => {
            reading.snippet.changes.push(Change::NoAccessLog);
            Ok(())
        }
        _ => Err("where the log goes and what is in it is said by the ConfigMap".into()),
    }
}

pub(super) fn access(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let word = call.word()?;
    let access = if call.name == "allow" { Access::Allow } else { Access::Deny };
    if word != "all" {
        AddressRanges::parse(word).map_err(|error| error.to_string())?;
    }
    reading.snippet.access.push((access, word.into()));
    Ok(())
}

pub(super) fn satisfy(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    reading.snippet.satisfy = Some(match call.word()? {
        "any" => Satisfy::Any,
        "all" => Satisfy::All,
        _ => return Err("it is neither any nor all".into()),
    });
    Ok(())
}

pub(super) fn intercept(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    reading.snippet.intercepts = Some(match call.word()? {
        "on" => Intercepts::All,
        "off" => Intercepts::Ours,
        _ => return Err("it is neither on nor off".into()),
    });
    Ok(())
}

pub(super) fn no_password(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    off(reading, call, Change::NoPassword, "users are named by auth-secret")
}

pub(super) fn no_auth(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    off(reading, call, Change::NoExternalAuth, "the server is named by auth-url")
}

fn off(
    reading: &mut Reading<'_>,
    call: &Call<'_>,
    change: Change,
    otherwise: &str,
) -> Result<(), String> {
    match call.words[..] {
        ["off"] => {
            reading.snippet.changes.push(change);
            Ok(())
        }
        _ => Err(otherwise.into()),
    }
}

pub(super) fn media_type(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let word = call.word()?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-+./_".contains(&byte);
    if word.is_empty() || !word.bytes().all(is_known) {
        return Err(format!("{word:?} is no media type"));
    }
    reading.snippet.media_type = Some(word.into());
    Ok(())
}

/// Takes what every rule of ingress-nginx says itself, so that a host says it in vain.
fn of_rule(reading: &mut Reading<'_>, call: &Call<'_>, change: Change) -> Result<(), String> {
    match call.place {
        Place::Server => reading.idle(call, OF_RULES),
        _ => reading.snippet.changes.push(change),
    }
    Ok(())
}

const OF_RULES: &str =
    "every rule says it itself, so that for a host it has no effect in ingress-nginx either";

pub(super) fn connect_timeout(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let time = time(call.word()?)?;
    of_rule(reading, call, Change::ConnectTimeout(time))
}

pub(super) fn send_timeout(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let time = time(call.word()?)?;
    of_rule(reading, call, Change::SendTimeout(time))
}

pub(super) fn read_timeout(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let time = time(call.word()?)?;
    of_rule(reading, call, Change::ReadTimeout(time))
}

pub(super) fn tries_time(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let time = time(call.word()?)?;
    of_rule(reading, call, Change::TriesTime(time))
}

pub(super) fn tries(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let tries = call.word()?.parse().ok().ok_or("it is no number")?;
    of_rule(reading, call, Change::Tries(tries))
}

pub(super) fn body_size(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let size = nginx_size(call.word()?, "kmg");
    of_rule(reading, call, Change::BodyBytesMax(size.ok_or("it is no size")?))
}

pub(super) fn version(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let version = match call.word()? {
        "1.0" => UpstreamVersion::Http10,
        "1.1" => UpstreamVersion::Http11,
        _ => return Err("it is neither 1.0 nor 1.1".into()),
    };
    of_rule(reading, call, Change::Version(version))
}

pub(super) fn tls_name(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let name = call.word()?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_known) {
        return Err("it is no name of a host; variables are not supported there".into());
    }
    reading.snippet.changes.push(Change::TlsName(name.into()));
    Ok(())
}

pub(super) fn sends_tls_name(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    reading.snippet.changes.push(Change::SendsTlsName(match call.word()? {
        "on" => true,
        "off" => false,
        _ => return Err("it is neither on nor off".into()),
    }));
    Ok(())
}

pub(super) fn tls_verify(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.word()? {
        "off" => {
            reading.snippet.changes.push(Change::VerifiesNothing);
            Ok(())
        }
        _ => Err("whom to believe is said by proxy-ssl-secret and proxy-ssl-verify".into()),
    }
}

/// A time as nginx writes it.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    nginx_time(text).ok().ok_or_else(|| format!("{text:?} is no time"))
}

pub(super) fn location(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if reading.snippet.locations.len() >= SCRIPT_LOCATIONS_MAX {
        return Err(format!("there are more than {SCRIPT_LOCATIONS_MAX} locations"));
    }
    let (modifier, path) = match call.words[..] {
        [path] => {
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|m| path.starts_with(m));
            let modifier = modifier.unwrap_or_default();
            (modifier, path.get(modifier.len()..).unwrap_or_default())
        }
        [modifier, path] => (modifier, path),
        _ => return Err("it takes a modifier and a path".into()),
    };
    if !modifier.starts_with('~') && !path.starts_with('/') {
        return Err(format!("{path:?} is no path; it begins with no slash"));
    }
    let requests = match modifier {
        "=" => LocationMatch::Exact(path.into()),
        "" => LocationMatch::Beginning(path.into()),
        "^~" => LocationMatch::Settled(path.into()),
        "~" => LocationMatch::Matching(reading.pattern(path, Case::Counts)?),
        "~*" => LocationMatch::Matching(reading.pattern(path, Case::Ignored)?),
        other => return Err(format!("{other:?} is no modifier")),
    };
    let faults = reading.faults.len();
    let mut snippet = reading.apart(call.inner.unwrap_or_default(), Place::Location);
    if let Some(uri) = snippet.pass.as_ref().and_then(|pass| pass.uri.as_deref()) {
        if let LocationMatch::Matching(_) = requests {
            return Err("proxy_pass has no path where the location is an expression".into());
        }
        let step = replaced(path, uri)?;
        snippet.steps.push(step);
    }
    let is_empty = snippet.pass.is_none() && faults < reading.faults.len();
    if is_empty && snippet.steps.is_empty() && snippet.access.is_empty() {
        return Err("nothing that it does is supported".into());
    }
    reading.snippet.locations.push(LocationText { requests, snippet, at: call.at });
    Ok(())
}

/// What `proxy_pass` with a path does: that path stands for the location's.
fn replaced(path: &str, uri: &str) -> Result<Step, String> {
    let source = format!("(?s)^{}(.*)$", Pattern::escape(path));
    let pattern = PathPattern::new(path, &source).map_err(|e| e.to_string())?;
    let target = Text::read(&format!("{}$1", uri), Variable::named);
    let path = target.map_err(|error| error.to_string())?;
    let (query, keeps_query, then) = (None, KeepsQuery::Yes, Then::Serve);
    Ok(Step::Rewrite(Box::new(Rewrite { pattern, path, query, keeps_query, then })))
}

pub(super) fn proxy_pass(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let url = url::parse(call.word()?)?;
    if url.target.contains(['$', '?']) {
        return Err("variables and queries are not supported there".into());
    }
    let uri = (!url.target.is_empty()).then(|| url.target.into());
    let Server::Named(server) = url.server else {
        return Err("the host is not that of the request".into());
    };
    let port = match server.as_host() {
        Some((_, 80 | 443)) | None => String::new(),
        Some((_, port)) => format!(":{port}"),
    };
    let authority = format!("{}{port}", url.host).into();
    reading.snippet.pass = Some(Pass { server, authority, uri });
    Ok(())
}
