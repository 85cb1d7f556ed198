//! Directives that say what an annotation could say, and those that have nothing to say here.

use std::time::Duration;

use super::meaning::{Access, Change, LocationText};
use super::places::Place;
use super::reading::{Call, OF_RULES, Reading};
use crate::control::lower::ingress::annotations::headers::replacement;
use crate::control::lower::ingress::annotations::timeouts::parse_conditions;
use crate::control::lower::regex_path::Case;
use crate::filter::script::{Intercepts, KeepsQuery, Returned, Rewrite, Step, Then};
use crate::filter::{AddressRanges, PathPattern, Satisfy, Text, Variable, nginx_size, nginx_time};
use crate::limits::SCRIPT_LOCATIONS_MAX;
use crate::model::{LocationMatch, Pattern, UpstreamVersion};

/// Takes what is about nginx' own buffers, logs and files.
pub(super) fn idle(_: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if call.words.is_empty() { Err("it takes a word".into()) } else { Ok(()) }
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
    let intercepts = if switch(call)? { Intercepts::All } else { Intercepts::Ours };
    reading.snippet.intercepts = Some(intercepts);
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

/// Takes what every rule of ingress-nginx says itself, so that a host says it for its locations
/// alone.
fn of_rule(reading: &mut Reading<'_>, call: &Call<'_>, change: Change) -> Result<(), String> {
    if call.place.is_around_rules() {
        reading.idle(call, OF_RULES);
    }
    reading.snippet.changes.push(change);
    Ok(())
}

/// `on` or `off`.
pub(super) fn switch(call: &Call<'_>) -> Result<bool, String> {
    match call.word()? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is neither on nor off".into()),
    }
}

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
    let size = size(call.word()?)?;
    of_rule(reading, call, Change::BodyBytesMax(size))
}

/// Octets as nginx writes them.
pub(super) fn size(text: &str) -> Result<u64, String> {
    nginx_size(text, "kmg").ok_or_else(|| "it is no size".into())
}

pub(super) fn rate(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let size = size(call.word()?)?;
    reading.snippet.changes.push(match call.name {
        "limit_rate" => Change::Rate(size),
        _ => Change::RateAfter(size),
    });
    Ok(())
}

pub(super) fn limit_status(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let status = call.word()?.parse().ok().filter(|status| (400..600).contains(status));
    let status = status.ok_or("it is no status from 400 to 599")?;
    reading.snippet.changes.push(match call.name {
        "limit_req_status" => Change::RateStatus(status),
        _ => Change::OpenStatus(status),
    });
    Ok(())
}

pub(super) fn next_upstream(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let text = call.words.join(" ");
    let conditions = parse_conditions(&text);
    let (causes, statuses) = conditions.map_err(|word| format!("{word:?} is no condition"))?;
    of_rule(reading, call, Change::Causes(causes, statuses))
}

pub(super) fn method(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let method = call.word()?;
    let is_known = method.bytes().all(|byte| byte.is_ascii_uppercase());
    if method.is_empty() || !is_known || matches!(method, "HEAD" | "CONNECT") {
        return Err(
            "it takes a method other than HEAD and CONNECT; variables are not supported".into()
        );
    }
    reading.snippet.changes.push(Change::Method(method.into()));
    Ok(())
}

/// Takes what stands in for what the proxy does not do, and says so.
pub(super) fn uncached(_: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    match call.words[..] {
        [] => Err("it takes a word".into()),
        ["off"] => Ok(()),
        _ if call.name == "proxy_cache" => Err("nothing is cached".into()),
        _ => Ok(()),
    }
}

pub(super) fn version(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let version = match call.word()? {
        "1.0" => UpstreamVersion::Http10,
        "1.1" => UpstreamVersion::Http11,
        _ => return Err("it is neither 1.0 nor 1.1".into()),
    };
    of_rule(reading, call, Change::Version(version))
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
    let is_named = modifier.is_empty() && path.starts_with('@');
    if !modifier.starts_with('~') && !is_named && !path.starts_with('/') {
        return Err(format!("{path:?} is no path; it begins with no slash"));
    }
    let requests = match modifier {
        // Paths begin with a slash, so that no client gets there.
        "" if is_named => LocationMatch::Exact(path.into()),
        "=" => LocationMatch::Exact(path.into()),
        "" => LocationMatch::Beginning(path.into()),
        "^~" => LocationMatch::Settled(path.into()),
        "~" => LocationMatch::Matching(reading.pattern(path, Case::Counts)?),
        "~*" => LocationMatch::Matching(reading.pattern(path, Case::Ignored)?),
        other => return Err(format!("{other:?} is no modifier")),
    };
    let faults = reading.faults.len();
    let mut snippet = reading.apart(call.inner.unwrap_or_default(), Place::Location);
    // Nginx asks for addresses first, and steps come before addresses here.
    let tries = snippet.tried.is_some() || snippet.falls_to.is_some();
    if tries && !snippet.access.is_empty() {
        return Err("try_files beside allow and deny is not supported".into());
    }
    let tried = snippet.tried.take();
    snippet.steps.extend(tried);
    if let Some(pass) = &snippet.pass {
        let has_no_path = is_named || matches!(requests, LocationMatch::Matching(_));
        match &pass.uri {
            Some(_) if has_no_path => {
                return Err("proxy_pass has no path where the location has none of its own".into());
            }
            Some(uri) => {
                let step = replaced(path, uri)?;
                snippet.steps.push(step);
            }
            None => {}
        }
        if snippet.returned.location.is_none() && !has_no_path {
            let to = if pass.uri.is_some() { path } else { "/" };
            let from = format!("{}{}", pass.origin(), pass.uri.as_deref().unwrap_or("/"));
            snippet.returned.location = Some(vec![replacement(&from, to, Case::Counts)?]);
        }
    }
    let is_empty = snippet.pass.is_none() && snippet.falls_to.is_none();
    let is_empty = is_empty && faults < reading.faults.len();
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

/// Clients do not get there, but who is led there by a rewrite or an error.
pub(super) fn internal(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    if !call.words.is_empty() {
        return Err("it takes no words".into());
    }
    reading.snippet.steps.insert(0, Step::Internal);
    Ok(())
}

/// There are no files, so that the last word counts.
pub(super) fn try_files(reading: &mut Reading<'_>, call: &Call<'_>) -> Result<(), String> {
    let [_, .., last] = call.words[..] else {
        return Err("it takes a file and what is otherwise".into());
    };
    if let Some(status) = last.strip_prefix('=') {
        let status = status.parse().ok().filter(|status| (200..600).contains(status));
        let status = status.ok_or_else(|| format!("{last:?} is no status"))?;
        reading.snippet.tried = Some(Step::Return(status, Returned::Nothing));
    } else if last.starts_with('@') {
        if !reading.has_location(last) {
            return Err(format!("there is no location {last}"));
        }
        reading.snippet.falls_to = Some(last.into());
    } else {
        let pattern = PathPattern::new("", "(?s)^").map_err(|e| e.to_string())?;
        let (path, query) = match last.split_once('?') {
            Some((path, query)) => (path, Some(reading.text(query)?)),
            None => (last, None),
        };
        let (keeps_query, then) = (KeepsQuery::No, Then::LookUp);
        let path = reading.text(path)?;
        let rewrite = Rewrite { pattern, path, query, keeps_query, then };
        reading.snippet.tried = Some(Step::Rewrite(Box::new(rewrite)));
    }
    Ok(())
}
