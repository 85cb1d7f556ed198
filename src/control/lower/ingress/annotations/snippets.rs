//! Directives of nginx, in its words.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Guard::Snippet as Text;
use super::row::Risk::Critical;
use super::row::Scope::{Host, Location};
use super::row::State::{Partial, Refused};
use super::row::{Row, field, row};
use crate::control::lower::configmap::globals::SnippetPolicy;
use crate::control::lower::settings::Settings;
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Fault, Names, Snippet, Weight};
use crate::control::source::report::Finding;
use crate::model::reason;

pub(super) const GROUP: Group =
    Group { title: "Configuration text of nginx", rows: ROWS, read: Some(read) };

const ROWS: &[Row] = &[
    row(RULE, Location, Partial(CLOSED_SET))
        .risk(Critical)
        .guard(Text)
        .doc("Directives for each location, where the ConfigMap lets Ingresses have some."),
    row(HOST, Host, Partial(CLOSED_SET))
        .risk(Critical)
        .guard(Text)
        .doc("Directives for the hosts, where the ConfigMap lets Ingresses have some."),
    row("stream-snippet", Location, Refused(STREAMS))
        .risk(Critical)
        .guard(Text)
        .doc("Directives for TCP and UDP."),
];

const STREAMS: &str = "TCP and UDP services are said by --tcp-services-configmap and \
                       --udp-services-configmap";
const CLOSED_SET: &str = "A closed set of directives, see the page on compatibility.";

const RULE: &str = "configuration-snippet";
const HOST: &str = "server-snippet";
/// Read where external authentication is.
const AUTH: &str = "auth-snippet";

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let globals = reader.globals;
    let mut texts = [RULE, HOST, AUTH].map(|name| reader.unread(name).map(|text| (name, text)));
    let not_read = texts.iter().flatten().copied();
    for (name, text) in not_read.filter(|_| globals.snippets() != SnippetPolicy::Read) {
        // What it keeps out, a version before it must not let in.
        if snippet::judge(text) != snippet::Verdict::Open {
            close(settings, name);
        }
        if globals.snippets() == SnippetPolicy::Refused {
            settings.is_refused = true;
            reader.report.error(refused(name, text, globals.names()));
        } else {
            reader.report.error(dropped(name, text, globals.names()));
        }
    }
    if globals.snippets() != SnippetPolicy::Read {
        texts = [None; 3];
    }
    let [rule, host, _] = texts.map(|said| said.map(|(_, text)| text));
    let all = [&*globals.location_snippet, &*globals.server_snippet];
    let known: Vec<&str> = [rule, host].into_iter().flatten().chain(all).collect();
    let mut read = |name, place, all: &str, own: Option<&str>| {
        if all.is_empty() && own.is_none() {
            return None;
        }
        let text = [all, own.unwrap_or_default()].join("\n");
        let (snippet, mut faults) = snippet::read(&text, place, &known, globals.names());
        // What is wrong with the text for all was told where it stands.
        let above = all.lines().count().max(1);
        faults.retain(|fault| own.is_some() && fault.at.line > above);
        faults.iter_mut().for_each(|fault| fault.at.line = fault.at.line.saturating_sub(above));
        tell(reader, settings, name, &faults);
        Some(Arc::new(snippet))
    };
    let rule = read(RULE, Place::Rule, all[0], rule);
    let host = read(HOST, Place::Server, all[1], host);
    if let Some(own) = rule {
        snippet::apply(&own, settings);
        settings.snippet = Some(own);
    }
    let host = match (&globals.http_snippet, host) {
        (None, own) => own,
        (Some(http), None) => Some(Arc::clone(http)),
        (Some(http), Some(own)) => Some(Arc::new(snippet::inherit(http, Snippet::clone(&own)))),
    };
    if let Some(of_host) = host {
        snippet::apply_tls(&of_host, &mut settings.upstream);
        settings.host_snippet = Some(of_host);
    }
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
            reason: reason!("DirectiveNotSupported"),
            field: field(name),
            message: format!("{at}{what}: {why}; {effect}."),
            advice: advice.into(),
        };
        match weight {
            Weight::Idle => reader.report.note(finding),
            Weight::Lost => reader.report.warning(finding),
            Weight::Guard => {
                reader.report.error(Finding { reason: reason!("GuardNotSupported"), ..finding });
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
fn refused(name: &str, text: &str, names: &Names) -> Finding {
    Finding {
        reason: reason!("SnippetNotAllowed"),
        field: field(name),
        message: format!(
            "annotation group {} contains risky annotation based on ingress configuration; nothing \
             of this version of the Ingress is served.",
            group(name)
        ),
        advice: format!("{ALLOW} {}", if_read(name, text, names)),
    }
}

fn dropped(name: &str, text: &str, names: &Names) -> Finding {
    Finding {
        reason: reason!("SnippetNotAllowed"),
        field: field(name),
        message: format!(
            "{name} annotation cannot be used. Snippet directives are disabled by the Ingress \
             administrator; where they may keep clients out, all requests get status 503."
        ),
        advice: format!("{ALLOW} {}", if_read(name, text, names)),
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
fn if_read(name: &str, text: &str, names: &Names) -> String {
    let place = match name {
        HOST => Place::Server,
        AUTH => Place::Auth,
        _ => Place::Rule,
    };
    let (_, faults) = snippet::read(text, place, &[text], names);
    match faults.iter().find(|fault| fault.weight > Weight::Idle) {
        None => "All of its directives would be supported.".to_owned(),
        Some(Fault { at, directive, why, .. }) => {
            format!("Of its directives {directive:?} ({at}) would not be supported: {why}.")
        }
    }
}
