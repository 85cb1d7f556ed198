//! Values that several keys have.

use crate::control::lower::ingress::annotations::row::parse_bool;

/// A truth value, as Go's `strconv.ParseBool` has it.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    parse_bool(text).ok_or_else(|| "it is no truth value".to_owned())
}

/// Words with commas between; blanks and empty ones are left out.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
