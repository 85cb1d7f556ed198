//! Who may come in.

use std::sync::Arc;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{bounded_words, text_match, words};
use crate::control::lower::ingress::annotations::row::State::{Partial, Supported};
use crate::filter::AddressRanges;
use crate::model::{Blocked, TextMatch};

const FIRST: &str = "before all else, and whatever an Ingress says; expressions in linear time";

pub(super) const KEYS: &[Key] = &[
    key("block-cidrs", "", Partial(FIRST))
        .put(block_addresses)
        .guard()
        .doc("Addresses and ranges, with commas between, of which no request is served (403)."),
    key("block-referers", "", Partial(FIRST))
        .put(block_referers)
        .guard()
        .doc("The same by Referer: a text, or `~` (`~*`: whatever the case) and an expression."),
    key("block-user-agents", "", Partial(FIRST))
        .put(block_user_agents)
        .guard()
        .doc("The same by User-Agent."),
    key("denylist-source-range", "", Supported)
        .of_annotation()
        .guard()
        .doc("Addresses and ranges that may not come in; the annotation replaces it."),
    key("whitelist-source-range", "", Supported).of_annotation().guard().doc(
        "Addresses and ranges that may come in, all others may not; the annotation replaces it.",
    ),
];

fn block_addresses(text: &str, globals: &mut Globals) -> Result<(), String> {
    let list = words(text).collect::<Vec<_>>().join(",");
    let addresses = AddressRanges::parse(&list).map_err(|error| error.to_string())?;
    block(globals, |blocked| blocked.addresses = addresses);
    Ok(())
}

fn block_user_agents(text: &str, globals: &mut Globals) -> Result<(), String> {
    let user_agents = texts(text)?;
    block(globals, |blocked| blocked.user_agents = user_agents);
    Ok(())
}

fn block_referers(text: &str, globals: &mut Globals) -> Result<(), String> {
    let referers = texts(text)?;
    block(globals, |blocked| blocked.referers = referers);
    Ok(())
}

fn texts(text: &str) -> Result<Vec<TextMatch>, String> {
    bounded_words(text)?.into_iter().map(text_match).collect()
}

fn block(globals: &mut Globals, add: impl FnOnce(&mut Blocked)) {
    let mut blocked = globals.downstream.blocked.as_deref().cloned().unwrap_or_default();
    add(&mut blocked);
    globals.downstream.blocked = (!blocked.is_empty()).then(|| Arc::new(blocked));
}
