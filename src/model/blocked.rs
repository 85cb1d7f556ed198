//! Of whom no request is served, whatever it asks for.

use std::net::IpAddr;

use super::matches::{Pattern, PatternError};
use crate::filter::AddressRanges;

/// Of whom no request is served.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocked {
    /// By address.
    pub addresses: AddressRanges,
    /// By the value of User-Agent.
    pub user_agents: Vec<BlockedText>,
    /// By the value of Referer.
    pub referers: Vec<BlockedText>,
}

/// Values of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockedText {
    /// This one, whatever the case of its letters.
    Whole(Box<str>),
    /// Those that an expression matches somewhere.
    Matching(Pattern),
}

impl Blocked {
    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one of them asks. Of a field that is not there the value is empty.
    #[must_use]
    pub fn has(&self, client: IpAddr, user_agent: &[u8], referer: &[u8]) -> bool {
        let any = |texts: &[BlockedText], value| texts.iter().any(|text| text.is_match(value));
        self.addresses.contains(client)
            || any(&self.user_agents, user_agent)
            || any(&self.referers, referer)
    }
}

impl BlockedText {
    /// Reads an entry as the `map` of nginx has it: a text, which may be quoted; or an expression
    /// behind `~`, or `~*` if the case of letters is no difference.
    ///
    /// # Errors
    /// The expression cannot be used.
    pub fn new(entry: &str) -> Result<Self, PatternError> {
        let quoted = |quote: char| entry.strip_prefix(quote)?.strip_suffix(quote);
        let entry = quoted('"').or_else(|| quoted('\'')).unwrap_or(entry);
        let Some(expression) = entry.strip_prefix('~') else {
            let text = entry.strip_prefix("\\~").map(|text| format!("~{text}"));
            return Ok(Self::Whole(text.as_deref().unwrap_or(entry).into()));
        };
        let pattern = match expression.strip_prefix('*') {
            Some(expression) => format!("(?i){expression}"),
            None => expression.to_owned(),
        };
        Pattern::new(&pattern).map(Self::Matching)
    }

    fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Whole(text) => text.as_bytes().eq_ignore_ascii_case(value),
            Self::Matching(pattern) => pattern.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_texts_and_expressions() {
        for (entry, blocked, served) in [
            ("curl/8.0", &["curl/8.0", "CURL/8.0"][..], &["curl/8.0.1", "", "xcurl/8.0"][..]),
            ("~curl", &["curl/8.0", "libcurl"], &["Curl/8.0", ""]),
            ("~*curl", &["curl/8.0", "libCURL"], &["wget"]),
            ("~*^$", &[""], &["a"]),
            ("\"~*Mozilla/5\\.0 \\(a\"", &["mozilla/5.0 (a)"], &["mozilla/510 (a)"]),
            ("'a b'", &["a b"], &["'a b'"]),
            ("\\~a", &["~a"], &["a"]),
        ] {
            let text = BlockedText::new(entry).expect(entry);
            for (values, expected) in [(blocked, true), (served, false)] {
                for value in values {
                    assert_eq!(text.is_match(value.as_bytes()), expected, "{entry}: {value}");
                }
            }
        }
        for entry in ["~(", "~*[a", "~(?=a)", "~*(?:a{1000}){1000}"] {
            assert!(BlockedText::new(entry).is_err(), "{entry}");
        }
    }
}
