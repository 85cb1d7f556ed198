//! Who may come in: as another server says.
//!
//! What ingress-nginx does not understand of it, it often leaves out, and lets everybody in. Here
//! it closes the rules.

use std::sync::Arc;

use super::group::Group;
use super::reader::{NameForm, Reader};
use super::row::Guard::{Snippet, Unless};
use super::row::Invalid::{Denied, Ignored};
use super::row::Off::{False, Never};
use super::row::Risk::{Critical, High, Medium};
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{self, Row, row};
use super::url::{self, Server, check_characters, split_scheme, with_variables};
use crate::control::lower::configmap::globals::{GeneralAuth, SnippetPolicy};
use crate::control::lower::settings::Settings;
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Fault, Names, Weight};
use crate::filter::{
    AuthCachePolicy, AuthDurations, AuthProtocol, ExternalAuth, FieldEdits, SentFields, Statuses,
    Text, Unnamed, is_own_field, merged,
};
use crate::limits::AUTH_NAMES_MAX;
use crate::model::ExternalAuthPolicy;
use crate::model::Kind::ConfigMap;
use crate::model::parse_bool;

pub(super) const GROUP: Group =
    Group { title: "External authentication", rows: ROWS, read: Some(read) };

const KEPT: &str = "Connections to that server are kept and used again whatever it says.";

const ROWS: &[Row] = &[
    row("auth-always-set-cookie", Location, Supported)
        .invalid(Denied)
        .doc("Cookies of that server are set whatever the status."),
    row("auth-cache-duration", Location, Supported)
        .risk(Medium)
        .invalid(Denied)
        .doc("How long its answers are good, by status: 200 202 401 5m."),
    row("auth-cache-key", Location, Supported)
        .risk(Medium)
        .doc("What its answers are kept under, by each core; without it none is kept."),
    row("auth-keepalive", Location, Partial(KEPT)).doc("Connections to that server that are kept."),
    row("auth-keepalive-requests", Location, Partial(KEPT)).doc("Requests over one of them."),
    row("auth-keepalive-share-vars", Location, Partial("It has no meaning here."))
        .doc("Variables of nginx are shared with the request to that server."),
    row("auth-keepalive-timeout", Location, Partial(KEPT)).doc("Seconds that one of them is kept."),
    row("auth-method", Location, Supported)
        .invalid(Denied)
        .doc("Method of the request to that server."),
    row("auth-proxy-set-headers", Location, Supported)
        .risk(Medium)
        .guard(Unless(Never))
        .names(ConfigMap)
        .doc("ConfigMap with fields of the request to that server."),
    row("auth-request-redirect", Location, Supported)
        .risk(Medium)
        .invalid(Denied)
        .doc("Value of X-Auth-Request-Redirect; without it, the target of the request."),
    row("auth-response-headers", Location, Supported).risk(Medium).invalid(Denied).doc(
        "Fields of its response that backends get, and under whose names clients say nothing.",
    ),
    row("auth-signin", Location, Supported)
        .risk(High)
        .doc("Where clients are redirected to that have to sign in."),
    row("auth-signin-redirect-param", Location, Supported)
        .risk(Medium)
        .doc("Parameter of that address with the one that was asked for; rd."),
    row(
        "auth-snippet",
        Location,
        Partial(
            "proxy_set_header, and what has nothing to do here; anything else closes the rules.",
        ),
    )
    .risk(Critical)
    .guard(Snippet)
    .doc("Configuration text of nginx for the request to that server."),
    row(
        "auth-url",
        Location,
        Partial("Of variables the host can be $host, in rules of a host without wildcard."),
    )
    .risk(High)
    .guard(Unless(Never))
    .doc("Server that is asked about every request: 2xx lets it pass."),
    row("enable-global-auth", Location, Supported)
        .guard(Unless(False))
        .invalid(Ignored)
        .doc("false: the server that the ConfigMap names is not asked."),
];

/// The annotation that names the server.
pub(super) const URL: &str = "auth-url";
const METHOD: &str = "auth-method";
const SIGNIN: &str = "auth-signin";
const PARAMETER: &str = "auth-signin-redirect-param";
const NAMES: &str = "auth-response-headers";
const REDIRECT: &str = "auth-request-redirect";
const CACHE_KEY: &str = "auth-cache-key";
const DURATIONS: &str = "auth-cache-duration";
const COOKIES: &str = "auth-always-set-cookie";
const SNIPPET: &str = "auth-snippet";
const ADDED: &str = "auth-proxy-set-headers";

/// The field that names the ConfigMap.
pub(crate) fn added_fields_field() -> String {
    row::field(ADDED)
}

/// What holds where nothing is said, as in ingress-nginx.
const DEFAULT_DURATIONS: &str = "200 202 401 5m";
const DEFAULT_PARAMETER: &str = "rd";

/// Methods that may be named. CONNECT asks for a tunnel.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// Fields of every question.
///
/// Source: the location of external authentication in the template of ingress-nginx.
const FIELDS: [(&str, &str); 8] = [
    ("X-Request-ID", "$req_id"),
    ("X-Original-URL", "$scheme://$http_host$request_uri"),
    ("X-Original-Method", "$request_method"),
    ("X-Sent-From", "nginx-ingress-controller"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$remote_addr"),
    // Not the client's.
    ("X-Forwarded-Proto", ""),
    ("X-Auth-Request-Redirect", "$request_uri"),
];
/// Further ones where the method is named.
const FIELDS_OF_METHOD: [(&str, &str); 2] =
    [("X-Original-URI", "$request_uri"), ("X-Scheme", "$scheme")];

/// A value cannot be understood, which was told, and nobody may come in.
struct Closed;

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    for name in ["auth-keepalive", "auth-keepalive-requests", "auth-keepalive-timeout"] {
        if let Some(text) = reader.text(name).filter(|text| text.parse::<i64>().is_err()) {
            reader.doubtful(name, text, "it is no number.", "Write a number, or remove it.");
        }
    }
    reader.flag("auth-keepalive-share-vars");
    let is_general = reader.flag("enable-global-auth").unwrap_or(true);
    match (external_auth(reader, settings), &reader.globals.auth) {
        (Ok(None), GeneralAuth::Asked(policy, of_host)) if is_general => {
            settings.auth_of_host = *of_host;
            settings.policies.external_auth = Some(policy.clone());
        }
        (Err(Closed), _) => settings.guards.close(),
        (Ok(None), GeneralAuth::Closed) if is_general => settings.guards.close(),
        (Ok(policy), _) => settings.policies.external_auth = policy,
    }
}

/// `None`: nobody is asked.
fn external_auth(
    reader: &mut Reader<'_, '_>,
    settings: &mut Settings,
) -> Result<Option<ExternalAuthPolicy>, Closed> {
    let url = url(reader);
    // As in ingress-nginx, all else is nothing without it.
    if matches!(url, Ok(None)) {
        return Ok(None);
    }
    // Each is read even if another is wrong already: all of it is told at once.
    let method = method(reader);
    let response_names = response_names(reader);
    let redirect = redirect(reader);
    let durations = durations(reader);
    let cookies = cookies(reader);
    let added = snippet_fields(reader);
    let (cache_key, signin) = (cache_key(reader), signin(reader));
    let Some((server, host, target)) = url? else { return Ok(None) };
    let until = "until then all requests get status 503";
    match reader.named(ADDED, NameForm::Short, until) {
        Some(Ok(map)) => settings.auth_fields = Some(map),
        Some(Err(())) => return Err(Closed),
        None => {}
    }
    let (method, redirect) = (method?, redirect?);
    let server = match server {
        Server::Named(key) => key,
        Server::OfHost(server) => {
            settings.auth_of_host = Some(server);
            server.at("")
        }
    };
    let question = ExternalAuth {
        protocol: AuthProtocol::Subrequest(method.unwrap_or("GET")),
        target,
        signin,
        response_names: response_names?,
        unnamed: Unnamed::Withheld,
        sent: SentFields::All,
        body_bytes_max: 0,
        remembered: Box::default(),
        fields: fields(&host, method, redirect, added?),
        cookies: cookies?,
        cache: match (cache_key, durations?) {
            (Some(key), durations) => Some(AuthCachePolicy { key, durations }),
            (None, _) => None,
        },
    };
    Ok(Some(ExternalAuthPolicy { question: Arc::new(question), server }))
}

/// Tells that nobody may come in because of a value.
fn close(reader: &mut Reader<'_, '_>, name: &str, text: &str, why: &str, advice: &str) -> Closed {
    let advice = format!("{advice} Until then all requests get status 503.");
    reader.invalid(name, text, why, &advice);
    Closed
}

/// Server, host as it is written, path and query.
fn url(reader: &mut Reader<'_, '_>) -> Result<Option<(Server, String, Text)>, Closed> {
    let Some(text) = reader.text(URL) else { return Ok(None) };
    let parsed = url::parse(text).and_then(|url| {
        let slash = if url.target.starts_with(['/', '$']) { "" } else { "/" };
        let target = with_variables(&format!("{slash}{}", url.target))?;
        Ok((url.server, url.host.to_owned(), target))
    });
    parsed.map(Some).map_err(|why| {
        close(reader, URL, text, &why, "Write a URL such as http://auth.example.com/check.")
    })
}

fn method(reader: &mut Reader<'_, '_>) -> Result<Option<&'static str>, Closed> {
    let Some(text) = reader.text(METHOD) else { return Ok(None) };
    let known = METHODS.into_iter().find(|method| *method == text);
    let why = "it is no method of HTTP that can be asked with.";
    known.map(Some).ok_or_else(|| close(reader, METHOD, text, why, "Write GET, or POST."))
}

fn response_names(reader: &mut Reader<'_, '_>) -> Result<Box<[Box<str>]>, Closed> {
    let Some(text) = reader.text(NAMES) else { return Ok([].into()) };
    let names = || text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let advice = "Write names of fields with commas between.";
    if let Some(other) = names().find(|name| !is_name(name)) {
        let why = format!("{other:?} is no name of a field.");
        return Err(close(reader, NAMES, text, &why, advice));
    }
    if names().count() > AUTH_NAMES_MAX {
        let why = format!("it has more than {AUTH_NAMES_MAX} names.");
        return Err(close(reader, NAMES, text, &why, advice));
    }
    let (own, others): (Vec<_>, Vec<_>) = names().partition(|name| is_own_field(name));
    for name in own {
        let why = format!("the proxy says {name} itself; the server has no say in it.");
        reader.doubtful(NAMES, text, &why, "Remove the name.");
    }
    Ok(others.into_iter().map(Box::from).collect())
}

fn redirect<'a>(reader: &mut Reader<'a, '_>) -> Result<Option<&'a str>, Closed> {
    let Some(text) = reader.text(REDIRECT) else { return Ok(None) };
    let checked = match text.contains('$') {
        // There it switches the whole check off.
        true => Err("variables are not allowed here.".to_owned()),
        false => check_characters(text),
    };
    let advice = "Write an address without variables.";
    checked.map(|()| Some(text)).map_err(|why| close(reader, REDIRECT, text, &why, advice))
}

fn durations(reader: &mut Reader<'_, '_>) -> Result<AuthDurations, Closed> {
    let text = reader.text(DURATIONS).unwrap_or(DEFAULT_DURATIONS);
    let advice = "Write statuses and a time, such as 200 202 401 5m.";
    AuthDurations::new(text)
        .map_err(|error| close(reader, DURATIONS, text, &format!("{error}."), advice))
}

fn cookies(reader: &mut Reader<'_, '_>) -> Result<Statuses, Closed> {
    let Some(text) = reader.text(COOKIES) else { return Ok(Statuses::Successes) };
    match parse_bool(text) {
        Some(true) => Ok(Statuses::Any),
        Some(false) => Ok(Statuses::Successes),
        None => {
            let advice = "Write \"true\" or \"false\".";
            Err(close(reader, COOKIES, text, "it is no truth value.", advice))
        }
    }
}

/// Without one that is understood nothing is kept: two clients must not share an answer by mistake.
fn cache_key(reader: &mut Reader<'_, '_>) -> Option<Text> {
    let text = reader.text(CACHE_KEY)?;
    let key = check_characters(text).and_then(|()| with_variables(text));
    let advice = "Write variables that tell clients from each other, such as $cookie_session.";
    key.map_err(|why| {
        reader.doubtful(CACHE_KEY, text, &format!("{why} No answer is kept"), advice);
    })
    .ok()
}

/// Where clients are sent, with the parameter that says where they wanted to go.
fn signin(reader: &mut Reader<'_, '_>) -> Option<Text> {
    let parameter = parameter(reader);
    let text = reader.text(SIGNIN)?;
    let checked = check_characters(text).and_then(|()| match split_scheme(text) {
        Some((_, rest)) if !rest.is_empty() && !rest.starts_with('/') => {
            with_variables(&with_parameter(text, parameter))
        }
        _ => Err("it does not begin with http:// or https:// and a host.".into()),
    });
    checked
        .map_err(|why| {
            let why = format!("{why} Clients get status 401");
            reader.doubtful(SIGNIN, text, &why, "Write a URL such as https://$host/sign-in.");
        })
        .ok()
}

fn parameter<'a>(reader: &mut Reader<'a, '_>) -> &'a str {
    let Some(text) = reader.text(PARAMETER) else { return DEFAULT_PARAMETER };
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if !text.chars().all(is_known) {
        let why = format!("it is no name of a parameter, and {DEFAULT_PARAMETER} counts.");
        reader.doubtful(PARAMETER, text, &why, "Write letters and digits.");
        return DEFAULT_PARAMETER;
    }
    text
}

fn with_parameter(url: &str, parameter: &str) -> String {
    let asked = "$pass_access_scheme://$http_host$escaped_request_uri";
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let has_value = query.split('&').any(|pair| {
        pair.split_once('=').is_some_and(|(name, value)| name == parameter && !value.is_empty())
    });
    match query {
        _ if has_value => url.to_owned(),
        "" => format!("{}?{parameter}={asked}", url.trim_end_matches('?')),
        _ => format!("{url}&{parameter}={asked}"),
    }
}

/// Those that `proxy_set_header` in the snippet sets.
fn snippet_fields(reader: &mut Reader<'_, '_>) -> Result<Vec<(Box<str>, Text)>, Closed> {
    let own = reader.unread(SNIPPET);
    // What becomes of one that is not to be read is said where the others are.
    let is_kept = own.is_none() || reader.globals.snippets() == SnippetPolicy::Read;
    let Some(text) = reader.text(SNIPPET).filter(|_| is_kept) else { return Ok(Vec::new()) };
    let advice = "Keep proxy_set_header alone; say the rest in other annotations.";
    let fields = parse_snippet(text, reader.globals.names());
    fields.map_err(|why| close(reader, SNIPPET, "the text", &why, advice))
}

fn parse_snippet(text: &str, names: &Names) -> Result<Vec<(Box<str>, Text)>, String> {
    let (read, faults) = snippet::read(text, Place::Auth, &[], names);
    if let Some(fault) = faults.iter().find(|fault| fault.weight > Weight::Idle) {
        let Fault { at, directive, why, .. } = fault;
        return Err(format!("line {} ({directive}): {why}.", at.line));
    }
    let sent = read.blocks.into_iter().flat_map(|block| block.sent);
    let host = read.host.map(|host| ("Host".into(), host));
    let fields: Vec<_> = host.into_iter().chain(sent).collect();
    if fields.len() > AUTH_NAMES_MAX {
        return Err(format!("it sets more than {AUTH_NAMES_MAX} fields."));
    }
    Ok(fields)
}

/// A field of the question, as nginx' `proxy_set_header` has it.
pub(crate) fn field(name: &str, value: &str) -> Result<(Box<str>, Text), String> {
    // Where the question goes is said by its URL, but whom it is meant for may be said otherwise.
    if !name.eq_ignore_ascii_case("host") {
        FieldEdits::new([], [], [name]).map_err(|error| format!("{error}."))?;
    }
    Ok((name.into(), with_variables(value)?))
}

/// All fields of the question. Of two of one name the later counts.
fn fields(
    host: &str,
    method: Option<&str>,
    redirect: Option<&str>,
    added: Vec<(Box<str>, Text)>,
) -> Box<[(Box<str>, Text)]> {
    let of_method = FIELDS_OF_METHOD.iter().filter(|_| method.is_some());
    let ours = [("Host", host)].into_iter().chain(FIELDS).chain(of_method.copied());
    let ours = ours.chain(redirect.map(|redirect| ("X-Auth-Request-Redirect", redirect)));
    let ours = ours.filter_map(|(name, text)| Some((name.into(), with_variables(text).ok()?)));
    merged(ours.chain(added))
}
