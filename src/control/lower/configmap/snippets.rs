//! Configuration text of nginx.

use super::globals::Globals;
use super::row::{Key, key};
use super::values::flag;
use crate::control::lower::ingress::annotations::row::Risk;
use crate::control::lower::ingress::annotations::row::State::{NoEffect, Partial, Supported};
use crate::control::lower::snippet::places::Place;
use crate::control::lower::snippet::{self, Fault, Weight};

pub(super) const KEYS: &[Key] = &[
    key("allow-snippet-annotations", "false", Supported)
        .put(allow)
        .grant()
        .doc("Snippets of Ingresses are read."),
    key("annotations-risk-level", "High", Supported)
        .put(risk)
        .grant()
        .doc("Highest risk of an annotation that an Ingress may have."),
    key("http-snippet", "", NoEffect(OTHER_KEYS)).doc("Text for the http block."),
    key("location-snippet", "", Partial(CLOSED_SET))
        .put(location)
        .guard()
        .doc("Text for each location."),
    key("main-snippet", "", NoEffect(OTHER_KEYS)).doc("Text for the main block."),
    key("server-snippet", "", Partial(CLOSED_SET)).put(server).guard().doc("Text for each server."),
    key("stream-snippet", "", NoEffect(OTHER_KEYS)).doc("Text for the stream block."),
];

const OTHER_KEYS: &str = "what it is for has keys and objects of its own";
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

fn location(text: &str, globals: &mut Globals) -> Result<(), String> {
    check(text, Place::Rule)?;
    globals.location_snippet = text.into();
    Ok(())
}

fn server(text: &str, globals: &mut Globals) -> Result<(), String> {
    check(text, Place::Server)?;
    globals.server_snippet = text.into();
    Ok(())
}

/// One directive that is not supported spoils the text: the one that was last good stays.
fn check(text: &str, place: Place) -> Result<(), String> {
    let (_, faults) = snippet::read(text, place, &[]);
    match faults.iter().find(|fault| fault.weight > Weight::Idle) {
        None => Ok(()),
        Some(Fault { at, directive, why, .. }) if directive.is_empty() => {
            Err(format!("{at}: {why}"))
        }
        Some(Fault { at, directive, why, .. }) => Err(format!("{at} ({directive}): {why}")),
    }
}
