//! Directives of nginx, in its words.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Guard::Snippet as Text;
use super::row::Scope::{Host, Location};
use super::row::State::{NotYet, Partial};
use super::row::{Row, field, row};
use crate::control::lower::configmap::globals::SnippetPolicy;
use crate::control::lower::settings::Settings;
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Fault, Snippet, Weight};
use crate::control::source::report::Finding;

pub(super) const GROUP: Group =
    Group { title: "Configuration text of nginx", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(RULE, Location, Partial(CLOSED_SET))
        .guard(Text)
        .doc("Directives for each location, where the ConfigMap lets Ingresses have some."),
    row(HOST, Host, Partial(CLOSED_SET))
        .guard(Text)
        .doc("Directives for the hosts, where the ConfigMap lets Ingresses have some."),
    row("stream-snippet", Location, NotYet).guard(Text).doc("Directives for TCP and UDP."),
];

const CLOSED_SET: &str = "A closed set of directives, see the page on compatibility.";

const RULE: &str = "configuration-snippet";
const HOST: &str = "server-snippet";
/// Read where external authentication is.
const AUTH: &str = "auth-snippet";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let globals = reader.globals;
    let mut texts = [RULE, HOST, AUTH].map(|name| reader.unread(name).map(|text| (name, text)));
    for (name, text) in texts.iter().flatten().copied() {
        if globals.snippets == SnippetPolicy::Read {
            continue;
        }
        // What it keeps out, a version before it must not let in.
        if snippet::judge(text) != snippet::Verdict::Open {
            close(settings, name);
        }
        match globals.snippets {
            SnippetPolicy::Read => {}
            SnippetPolicy::Refused => {
                settings.is_refused = true;
                reader.report.error(refused(name, text));
            }
            SnippetPolicy::Dropped => reader.report.error(dropped(name, text)),
        }
    }
    if globals.snippets != SnippetPolicy::Read {
        texts = [None; 3];
    }
    let [rule, host, _] = texts.map(|said| said.map(|(_, text)| text));
    let others: Vec<&str> = [rule, host].into_iter().flatten().collect();
    for (name, text, place) in [(RULE, rule, Place::Rule), (HOST, host, Place::Server)] {
        if let Some(text) = text {
            tell(reader, settings, name, &snippet::read(text, place, &others).1);
        }
    }
    if let Some(own) = merged(&globals.location_snippet, rule, Place::Rule, &others) {
        snippet::apply(&own, settings);
        settings.snippet = Some(own);
    }
    if let Some(of_host) = merged(&globals.server_snippet, host, Place::Server, &others) {
        snippet::apply_tls(&of_host, &mut settings.upstream);
        settings.host_snippet = Some(of_host);
    }
}

/// What the text for all objects and that of one come to together.
fn merged(all: &str, own: Option<&str>, place: Place, others: &[&str]) -> Option<Arc<Snippet>> {
    let text = match (all, own) {
        ("", None) => return None,
        ("", Some(own)) => own.to_owned(),
        (all, None) => all.to_owned(),
        (all, Some(own)) => format!("{all}\n{own}"),
    };
    let known: Vec<&str> = others.iter().copied().chain([all]).collect();
    let (snippet, faults) = snippet::read(&text, place, &known);
    let is_readable = !faults.iter().any(|fault| fault.directive.is_empty());
    // What is not readable was told, and is a guard.
    is_readable.then(|| Arc::new(snippet))
}

fn tell(reader: &mut Reader<'_, '_>, settings: &mut Settings, name: &str, faults: &[Fault]) {
    for fault in faults {
        let Fault { at, directive, why, weight } = fault;
        let what = if directive.is_empty() { "" } else { &format!(" ({directive})") };
        let (effect, advice) = match weight {
            Weight::Idle => ("it has no effect", "Remove it."),
            Weight::Lost => {
                ("it has no effect", "See whether all is right without it, or say it otherwise.")
            }
            Weight::Guard => (
                "it may keep clients out, so that all requests that it is about get status 503",
                "Say it otherwise, or remove it if everybody may come in.",
            ),
        };
        let finding = Finding {
            reason: "DirectiveNotSupported",
            field: field(name),
            message: format!("{at}{what}: {why}; {effect}."),
            advice: advice.into(),
        };
        match weight {
            Weight::Idle => reader.report.note(finding),
            Weight::Lost => reader.report.warning(finding),
            Weight::Guard => {
                reader.report.error(Finding { reason: "GuardNotSupported", ..finding });
                close(settings, name);
            }
        }
    }
}

fn close(settings: &mut Settings, name: &str) {
    match name {
        HOST => settings.guards.close_hosts(HOST, &field(HOST)),
        _ => settings.guards.close(),
    }
}

/// In the words by which administrators know it.
fn refused(name: &str, text: &str) -> Finding {
    Finding {
        reason: "SnippetNotAllowed",
        field: field(name),
        message: format!(
            "annotation group {} contains risky annotation based on ingress configuration; nothing \
             of this version of the Ingress is served.",
            group(name)
        ),
        advice: format!("{ALLOW} {}", if_read(name, text)),
    }
}

fn dropped(name: &str, text: &str) -> Finding {
    Finding {
        reason: "SnippetNotAllowed",
        field: field(name),
        message: format!(
            "{name} annotation cannot be used. Snippet directives are disabled by the Ingress \
             administrator; where they may keep clients out, all requests get status 503."
        ),
        advice: format!("{ALLOW} {}", if_read(name, text)),
    }
}

const ALLOW: &str = "Set allow-snippet-annotations: \"true\" and annotations-risk-level: Critical \
                     in the ConfigMap, if whoever writes Ingresses may do as much.";

fn group(name: &str) -> &'static str {
    match name {
        HOST => "ServerSnippet",
        AUTH => "ExternalAuth",
        _ => "ConfigurationSnippet",
    }
}

/// What would change.
fn if_read(name: &str, text: &str) -> String {
    let place = match name {
        HOST => Place::Server,
        AUTH => Place::Auth,
        _ => Place::Rule,
    };
    let (_, faults) = snippet::read(text, place, &[text]);
    match faults.iter().find(|fault| fault.weight > Weight::Idle) {
        None => "All of its directives would be supported.".to_owned(),
        Some(Fault { at, directive, why, .. }) => {
            format!("Of its directives {directive:?} ({at}) would not be supported: {why}.")
        }
    }
}
