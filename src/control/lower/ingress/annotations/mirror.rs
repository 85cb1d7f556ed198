//! Copies of requests.

use std::sync::Arc;

use super::group::Group;
use super::reader::Reader;
use super::row::Risk::High;
use super::row::Scope::Location;
use super::row::State::{Partial, Supported};
use super::row::{Row, row};
use super::url::{self, Server};
use crate::control::lower::settings::Settings;
use crate::filter::{Mirror, MirrorBody, MirrorTarget, Text};
use crate::model::{MirrorPolicy, Share};

pub(super) const GROUP: Group = Group { title: "Mirrors", rows: ROWS, read: Some(read) };

const TARGET: &str = "mirror-target";
const HOST: &str = "mirror-host";
const BODY: &str = "mirror-request-body";

const ROWS: &[Row] = &[
    row(HOST, Location, Supported)
        .risk(High)
        .doc("Value of Host of a copy; else the host of the target."),
    row(BODY, Location, Supported).doc("off: a copy has no body."),
    row(
        TARGET,
        Location,
        Partial(
            "the host has no variables; a copy is let go and counted where a core has too many \
             under way or the body is longer than 128 KiB; nothing waits for one",
        ),
    )
    .risk(High)
    .doc("URL where a copy of each request goes that reaches its backend; the answer is ignored."),
];

fn read(reader: &mut Reader<'_, '_>, settings: &mut Settings) {
    let body = body(reader);
    let host = host(reader);
    let Some(text) = reader.text(TARGET) else { return };
    let read = url::parse(text).and_then(|url| {
        let Server::Named(server) = url.server else {
            return Err("a variable in the host is not supported.".into());
        };
        let target = match url.target {
            // As if the request's own stood there: a copy of a request is one of its target, too.
            "" => MirrorTarget::Sent,
            target => {
                let slash = if target.starts_with('?') { "/" } else { "" };
                MirrorTarget::Text(url::with_variables(&format!("{slash}{target}"))?)
            }
        };
        let host = Some(host.map_or_else(|| url::with_variables(url.host), Ok)?);
        let copy = Arc::new(Mirror { target, host, body });
        Ok(MirrorPolicy { copy, server, share: Share::ALL })
    });
    match read {
        Ok(mirror) => settings.policies.mirrors = Arc::new([mirror]),
        Err(why) => {
            let advice = "Write a URL, such as http://shadow.example$request_uri; until then there \
                          are no copies.";
            reader.invalid(TARGET, text, &why, advice);
        }
    }
}

fn body(reader: &mut Reader<'_, '_>) -> MirrorBody {
    match reader.text(BODY) {
        None | Some("on") => MirrorBody::Copied,
        Some("off") => MirrorBody::LeftOut,
        Some(text) => {
            let advice = "Write \"on\" or \"off\"; until then a copy has the body.";
            reader.invalid(BODY, text, "it is neither on nor off.", advice);
            MirrorBody::Copied
        }
    }
}

/// `None`: that of the target.
fn host(reader: &mut Reader<'_, '_>) -> Option<Text> {
    let text = reader.text(HOST)?;
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-._:[]$".contains(c);
    let checked = match text.chars().find(|c| !is_known(*c)) {
        Some(other) => Err(format!("it may not have {other:?}.")),
        None => url::with_variables(text),
    };
    let told = |why: String| {
        let advice = "Write a name, perhaps with a port; until then it is the host of the target.";
        reader.invalid(HOST, text, &why, advice);
    };
    checked.map_err(told).ok()
}
