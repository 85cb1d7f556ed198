//! Values that several keys have.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::globals::Paths;
use crate::control::lower::regex_path::{self, Case};
use crate::control::source::manifest::{is_dns_label, is_dns_subdomain};
use crate::filter::nginx_time;
use crate::limits::{FLAG_SECONDS_MAX, GENERAL_WORDS_MAX};
use crate::model::{Kind, ObjectRef, TextMatch, parse_bool};

/// Puts what a text came to in its place.
pub(super) fn set<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

/// A truth value, as Go's `strconv.ParseBool` has it.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    parse_bool(text).ok_or_else(|| "it is no truth value".to_owned())
}

/// Words with commas between; blanks and empty ones are left out.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The same, as far as there may be.
pub(super) fn bounded_words(text: &str) -> Result<Vec<&str>, String> {
    let words: Vec<_> = words(text).collect();
    match words.len() > GENERAL_WORDS_MAX {
        true => Err(format!("it has more than {GENERAL_WORDS_MAX} entries")),
        false => Ok(words),
    }
}

/// Beginnings of paths.
pub(super) fn paths(text: &str) -> Result<Paths, String> {
    let words = bounded_words(text)?;
    match words.iter().find(|word| !word.starts_with('/')) {
        Some(other) => Err(format!("{other:?} is no beginning of a path")),
        None => Ok(words.into_iter().map(Box::from).collect()),
    }
}

/// NAMESPACE/NAME of a ConfigMap.
pub(super) fn config_map(text: &str) -> Result<ObjectRef, String> {
    let named = text
        .split_once('/')
        .filter(|(namespace, name)| is_dns_label(namespace) && is_dns_subdomain(name));
    let (namespace, name) = named.ok_or("it is no NAMESPACE/NAME of a ConfigMap")?;
    Ok(ObjectRef { kind: Kind::ConfigMap, namespace: Arc::from(namespace), name: name.into() })
}

/// A status of an error.
pub(super) fn error_status(text: &str) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| (400..600).contains(status));
    status.ok_or_else(|| "it is no status from 400 to 599".to_owned())
}

/// A number within `range`, as Go's `strconv.Atoi` reads it.
pub(super) fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it is no number from {} to {}", range.start(), range.end()))
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text, 0..=FLAG_SECONDS_MAX)?;
    Ok(Duration::from_secs(seconds.into()))
}

/// A time as nginx has it, such as `90`, `10m` or `1h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    nginx_time(text).ok().ok_or_else(|| "it is no time such as 90s, 10m or 1h".to_owned())
}

/// An entry as the `map` of nginx has it: a text, which may be quoted; or an expression behind `~`,
/// or `~*` if the case of letters is no difference.
pub(super) fn text_match(entry: &str) -> Result<TextMatch, String> {
    let quoted = |quote: char| entry.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('"').or_else(|| quoted('\'')).unwrap_or(entry);
    let Some(expression) = text.strip_prefix('~') else {
        let text = if text.starts_with("\\~") { text.trim_start_matches('\\') } else { text };
        return Ok(TextMatch::Whole(text.into()));
    };
    let (expression, case) = match expression.strip_prefix('*') {
        Some(expression) => (expression, Case::Ignored),
        None => (expression, Case::Counts),
    };
    let pattern = regex_path::somewhere(expression, case);
    pattern.map(TextMatch::Matching).map_err(|why| format!("{entry:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_texts_and_expressions() {
        for (entry, matching, other) in [
            ("curl/8.0", &["curl/8.0", "CURL/8.0"][..], &["curl/8.0.1", "", "xcurl/8.0"][..]),
            ("~curl", &["curl/8.0", "libcurl"], &["Curl/8.0", ""]),
            ("~*curl", &["curl/8.0", "libCURL"], &["wget"]),
            ("~*^$", &[""], &["a"]),
            ("\"~*Mozilla/5\\.0 \\(a\"", &["mozilla/5.0 (a)"], &["mozilla/510 (a)"]),
            ("'a b'", &["a b"], &["'a b'"]),
            ("\\~a", &["~a"], &["a"]),
            ("~^/(healthz|ready)$", &["/healthz", "/ready"], &["/healthz/x", "/Ready"]),
        ] {
            let text = text_match(entry).expect(entry);
            for (values, expected) in [(matching, true), (other, false)] {
                for value in values {
                    assert_eq!(text.is_match(value.as_bytes()), expected, "{entry}: {value}");
                }
            }
        }
        for (entry, expected) in [
            ("~(", "not a usable regular expression: unclosed group"),
            ("~*[a", "not a usable regular expression: unclosed character class"),
            ("~(?=a)", "a look-ahead"),
            ("~*(?:a{1000}){1000}", "not a usable regular expression"),
        ] {
            let why = text_match(entry).expect_err(entry);
            assert!(why.contains(expected) && why.lines().count() == 1, "{why}");
        }
    }
}
