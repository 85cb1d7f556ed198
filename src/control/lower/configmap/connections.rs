//! How connections of clients are treated.

use std::time::Duration;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{flag, number, seconds, set};
use crate::control::lower::ingress::annotations::row::State::{self, NoEffect, Partial, Supported};
use crate::limits::HTTP2_STREAMS_MAX;
use crate::model::OddNames;

const OBSOLETE: State = NoEffect("nginx itself has dropped it");
const LISTENERS: State = NoEffect("--http-bind and --https-bind say it");

pub(super) const KEYS: &[Key] = &[
    key("bind-address", "", LISTENERS).doc("Addresses that clients come in by."),
    key("client-body-timeout", "60", Supported)
        .put(|text, globals| set(&mut globals.downstream.body_timeout, positive(text)))
        .doc("Seconds between two reads of a body."),
    key("client-header-buffer-size", "1k", NoEffect("memory grows with the head"))
        .doc("Memory for the head of a request."),
    key("client-header-timeout", "60", Supported)
        .put(|text, globals| set(&mut globals.downstream.header_timeout, positive(text)))
        .doc("Seconds for the head of a request."),
    key("disable-ipv6", "false", LISTENERS).doc("Clients come in by IPv4 alone."),
    key("disable-ipv6-dns", "false", NoEffect("an address that does not answer is passed over"))
        .doc("Names are resolved to addresses of IPv4 alone."),
    key("enable-underscores-in-headers", "false", Partial("but for names that proxies write"))
        .put(underscores)
        .doc("Fields with _ in their names are passed on."),
    key("http2-max-concurrent-streams", "128", Partial("at most 100"))
        .put(streams)
        .doc("Requests of one connection of HTTP/2 at a time."),
    key("http2-max-field-size", "", OBSOLETE).doc("Longest field."),
    key("http2-max-header-size", "", OBSOLETE).doc("Longest head."),
    key("http2-max-requests", "", OBSOLETE).doc("Requests of a connection."),
    key("ignore-invalid-headers", "true", Partial("but for names that proxies write"))
        .put(ignored)
        .doc(
            "Fields with other characters in their names than letters, digits and - are left out.",
        ),
    key("keep-alive", "75", Supported)
        .put(|text, globals| set(&mut globals.downstream.keep_alive_timeout, seconds(text)))
        .doc("Seconds that a connection may be idle; 0: none is kept."),
    key("keep-alive-requests", "1000", Partial("without it --keep-alive-requests counts"))
        .put(requests)
        .doc("Requests of one connection."),
    key(
        "large-client-header-buffers",
        "4 8k",
        NoEffect("a request line has 8 KiB at most (414), a head 32 KiB and 128 fields (431)"),
    )
    .doc("How long heads of requests may be."),
];

fn positive(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time.is_zero() { Err("it is no time".to_owned()) } else { Ok(time) }
}

fn requests(text: &str, globals: &mut Globals) -> Result<(), String> {
    let count = number(text, 0..=u32::MAX)?;
    // nginx closes behind the first one, too.
    globals.downstream.keep_alive_requests = count.max(1).into();
    Ok(())
}

fn streams(text: &str, globals: &mut Globals) -> Result<(), String> {
    let count = number(text, 1..=u32::MAX)?;
    globals.downstream.http2_streams = count.min(HTTP2_STREAMS_MAX);
    Ok(())
}

fn underscores(text: &str, globals: &mut Globals) -> Result<(), String> {
    let names = &mut globals.downstream.odd_names;
    if flag(text)? && *names == OddNames::Dropped {
        *names = OddNames::Underscores;
    }
    Ok(())
}

fn ignored(text: &str, globals: &mut Globals) -> Result<(), String> {
    if !flag(text)? {
        globals.downstream.odd_names = OddNames::Passed;
    }
    Ok(())
}
