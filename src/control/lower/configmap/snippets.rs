//! Configuration text of nginx.

use std::sync::Arc;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::flag;
use crate::control::lower::ingress::annotations::row::Risk;
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Fault, Snippet, Weight};

pub(super) const KEYS: &[Key] = &[
    key("allow-snippet-annotations", "false", Supported)
        .put(allow)
        .grant()
        .doc("Snippets of Ingresses are read."),
    key("annotations-risk-level", "High", Supported)
        .put(risk)
        .grant()
        .doc("Highest risk of an annotation that an Ingress may have."),
    key(HTTP_SNIPPET, "", Partial(CLOSED_SET))
        .put(http)
        .doubts(|text, globals| doubts(text, Place::Http, globals))
        .guard()
        .doc(
            "Text for the http block: what all hosts inherit, and what it defines for their texts.",
        ),
    key("location-snippet", "", Partial(CLOSED_SET))
        .put(location)
        .doubts(|text, globals| doubts(text, Place::Rule, globals))
        .guard()
        .doc("Text for each location."),
    key("main-snippet", "", NoEffect("processes, threads and files are said by flags"))
        .doc("Text for the main block."),
    key("server-snippet", "", Partial(CLOSED_SET))
        .put(server)
        .doubts(|text, globals| doubts(text, Place::Server, globals))
        .guard()
        .doc("Text for each server."),
    key("stream-snippet", "", NoEffect(STREAMS)).doc("Text for the stream block."),
];

pub(super) const HTTP_SNIPPET: &str = "http-snippet";

const STREAMS: &str = "TCP and UDP services are said by --tcp-services-configmap and \
                       --udp-services-configmap";
const CLOSED_SET: &str = "A closed set of directives, see the page on compatibility.";

fn allow(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.allows_snippets = flag(text)?;
    Ok(())
}

fn risk(text: &str, globals: &mut Globals) -> Result<(), String> {
    let risk = Risk::named(text).ok_or("it is none of Low, Medium, High and Critical")?;
    globals.risk_max = risk;
    Ok(())
}

fn http(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.http_snippet = Some(Arc::new(read(text, Place::Http, globals)?.0));
    Ok(())
}

fn location(text: &str, globals: &mut Globals) -> Result<(), String> {
    read(text, Place::Rule, globals)?;
    globals.location_snippet = text.into();
    Ok(())
}

fn server(text: &str, globals: &mut Globals) -> Result<(), String> {
    read(text, Place::Server, globals)?;
    globals.server_snippet = text.into();
    Ok(())
}

/// What keeps clients out and cannot be set up spoils the text: the one that was last good stays.
fn read(text: &str, place: Place, globals: &Globals) -> Result<(Snippet, Vec<Fault>), String> {
    let (snippet, faults) = snippet::read(text, place, &[], globals.names());
    match faults.iter().find(|fault| fault.weight == Weight::Guard) {
        None => Ok((snippet, faults)),
        Some(fault) => Err(said(fault)),
    }
}

/// What of it has no effect.
fn doubts(text: &str, place: Place, globals: &Globals) -> Vec<String> {
    let lost = read(text, place, globals).map(|(_, faults)| faults).unwrap_or_default();
    let lost = lost.iter().filter(|fault| fault.weight == Weight::Lost);
    lost.map(|fault| format!("{}; it has no effect.", said(fault))).collect()
}

fn said(fault: &Fault) -> String {
    let Fault { at, directive, why, .. } = fault;
    match &**directive {
        "" => format!("{at}: {why}"),
        directive => format!("{at} ({directive}): {why}"),
    }
}
