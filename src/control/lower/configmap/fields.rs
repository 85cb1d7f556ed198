//! Fields of requests towards backends, and of responses.

use std::sync::Arc;

use super::globals::Globals;
use super::row::{Key, key};
use super::values::{bounded_words, config_map, flag, set};
use crate::control::lower::ingress::annotations::row::State::{Partial, Supported};
use crate::filter::FieldEdits;
use crate::model::{RequestIds, ServerField};

pub(super) const KEYS: &[Key] = &[
    key("add-headers", "", Supported)
        .put(|text, globals| set(&mut globals.field_maps.answer, config_map(text).map(Some)))
        .doc("NAMESPACE/NAME of a ConfigMap with fields that every response has set."),
    key("allow-backend-server-header", "false", Supported)
        .put(server_of_backend)
        .doc("With server-tokens: Server of backends is passed on."),
    key("generate-request-id", "true", Supported)
        .put(request_ids)
        .doc("Backends get an X-Request-ID, if clients send none."),
    key("hide-headers", "", Supported)
        .put(hidden_fields)
        .doc("Names of fields of backends that clients do not get, with commas between."),
    key("proxy-add-original-uri-header", "false", Supported)
        .put(|text, globals| set(&mut globals.field_maps.original_target, flag(text)))
        .doc("Backends get the target as clients sent it in X-Original-URI."),
    key("proxy-cookie-domain", "off", Partial(LINEAR))
        .of_annotation()
        .doc("off, or FROM TO: what the domain of a backend's cookies is replaced by."),
    key("proxy-cookie-path", "off", Partial(LINEAR))
        .of_annotation()
        .doc("off, or FROM TO: what the beginning of their path is replaced by."),
    key("proxy-redirect-from", "off", Partial(LINEAR))
        .of_annotation()
        .doc("Beginning of Location, and of the URL in Refresh, that is replaced."),
    key("proxy-redirect-to", "off", Partial("nothing else"))
        .of_annotation()
        .doc("What it is replaced by."),
    key("proxy-set-headers", "", Supported)
        .put(|text, globals| set(&mut globals.field_maps.upstream, config_map(text).map(Some)))
        .doc("NAMESPACE/NAME of a ConfigMap with fields that backends get; with variables."),
    key("server-tokens", "false", Partial("the name is ours, and no version is told"))
        .put(server)
        .doc("Responses have Server."),
];

const LINEAR: &str =
    "regular expressions (~) take linear time alone: no look-around, no back-references";

fn hidden_fields(text: &str, globals: &mut Globals) -> Result<(), String> {
    let mut names = bounded_words(text)?;
    names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by_key(|name| name.to_ascii_lowercase());
    let edits = FieldEdits::new([], [], names).map_err(|error| error.to_string())?;
    globals.defaults.hidden_fields = Arc::new(edits);
    Ok(())
}

fn request_ids(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.downstream.request_ids = if flag(text)? { RequestIds::Made } else { RequestIds::Sent };
    Ok(())
}

/// Keys are read by their names: this one after the next.
fn server(text: &str, globals: &mut Globals) -> Result<(), String> {
    let server = &mut globals.defaults.server;
    *server = match (flag(text)?, *server) {
        (false, _) => ServerField::Removed,
        (true, ServerField::OfBackend) => ServerField::OfBackend,
        (true, ServerField::Removed | ServerField::Ours) => ServerField::Ours,
    };
    Ok(())
}

fn server_of_backend(text: &str, globals: &mut Globals) -> Result<(), String> {
    if flag(text)? {
        globals.defaults.server = ServerField::OfBackend;
    }
    Ok(())
}
