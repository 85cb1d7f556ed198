//! What Ingresses may name and say.

use super::globals::{Globals, NamingScope, PathCheck};
use super::row::{Key, key};
use super::values::{bounded_words, flag, words};
use crate::control::lower::ingress::annotations::row::State::{Partial, Supported};

const AT_ADMISSION: &str = "the admission webhook alone checks it, as in ingress-nginx";

pub(super) const KEYS: &[Key] = &[
    key("allow-cross-namespace-resources", "false", Supported)
        .put(naming)
        .grant()
        .doc("Annotations may name Secrets and ConfigMaps of other namespaces."),
    key("annotation-value-word-blocklist", "", Supported).put(forbidden_words).guard().doc(
        "Words, with commas between; an Ingress with one of them in an annotation is refused.",
    ),
    key("global-allowed-response-headers", "", Supported)
        .put(allowed_answer_fields)
        .doc("Names of the fields that `custom-headers` may set, with commas between."),
    key("strict-validate-path-type", "true", Partial(AT_ADMISSION))
        .put(path_check)
        .doc("Paths that are Exact or Prefix have letters, digits and `-._/` alone."),
];

fn naming(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.naming = if flag(text)? { NamingScope::Any } else { NamingScope::Own };
    Ok(())
}

fn allowed_answer_fields(text: &str, globals: &mut Globals) -> Result<(), String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !words(text).flat_map(str::bytes).all(is_name) {
        return Err("it is no list of names of fields with commas between".into());
    }
    let names = words(text).map(|name| name.to_ascii_lowercase().into());
    globals.allowed_answer_fields = names.collect();
    Ok(())
}

fn forbidden_words(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.forbidden_words = bounded_words(text)?.into_iter().map(Box::from).collect();
    Ok(())
}

fn path_check(text: &str, globals: &mut Globals) -> Result<(), String> {
    globals.path_check = if flag(text)? { PathCheck::Strict } else { PathCheck::Lenient };
    Ok(())
}
