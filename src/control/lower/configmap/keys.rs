//! What each key of the controller's ConfigMap means.

use super::globals::{Globals, NamingScope};
use crate::control::lower::ingress::annotations::row::parse_bool;

/// One key.
pub(super) struct Key {
    pub name: &'static str,
    /// Puts its value, which is trimmed, where it belongs; or says why it cannot be used.
    pub read: fn(&str, &mut Globals) -> Result<(), &'static str>,
}

/// By name.
pub(super) const KEYS: &[Key] = &[
    Key { name: "allow-cross-namespace-resources", read: naming },
    Key { name: "global-allowed-response-headers", read: allowed_answer_fields },
];

fn naming(text: &str, globals: &mut Globals) -> Result<(), &'static str> {
    let is_any = parse_bool(text).ok_or("it is no truth value")?;
    globals.naming = if is_any { NamingScope::Any } else { NamingScope::Own };
    Ok(())
}

fn allowed_answer_fields(text: &str, globals: &mut Globals) -> Result<(), &'static str> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !names.clone().flat_map(str::bytes).all(is_name) {
        return Err("it is no list of names of fields with commas between");
    }
    globals.allowed_answer_fields = names.map(|name| name.to_ascii_lowercase().into()).collect();
    Ok(())
}
