//! Conditions on one request. All conditions of a match hold together; matches of a rule are
//! alternatives.

use std::sync::Arc;

use crate::filter::PathPattern;
use crate::limits::REGEX_BYTES_MAX;

/// Conditions that hold together.
#[derive(Debug, Clone)]
pub struct RequestMatch {
    /// Condition on the normalised path.
    pub path: PathMatch,
    /// Exact method, upper case as sent; `None`: any.
    pub method: Option<Arc<str>>,
    /// All of them.
    pub fields: Vec<FieldMatch>,
    /// All of them.
    pub query: Vec<QueryMatch>,
}

impl RequestMatch {
    /// A condition on the path alone, as Ingress has it.
    #[must_use]
    pub fn path(path: PathMatch) -> Self {
        Self { path, method: None, fields: Vec::new(), query: Vec::new() }
    }
}

/// Condition on the path. Paths begin with `/`; case counts.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The path and nothing else, byte for byte.
    Exact(Arc<str>),
    /// Path elements from the start: `/v2` and `/v2/` match `/v2`, `/v2/` and `/v2/x`, not `/v2x`.
    /// Where both stand, `/v2` gets the path that is written so, and `/v2/` what is below.
    Prefix(Arc<str>),
    /// A pattern that matches somewhere in the path; anchors are the author's. Tried when no exact
    /// path matches and before prefixes, the heaviest first, which are the longest texts.
    Regex(PathPattern),
}

impl PathMatch {
    /// As its author wrote it.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        match self {
            Self::Exact(text) | Self::Prefix(text) => Arc::clone(text),
            Self::Regex(pattern) => pattern.text().into(),
        }
    }
}

/// Condition on a field (header).
#[derive(Debug, Clone)]
pub struct FieldMatch {
    /// Lower case.
    pub name: Arc<str>,
    /// Condition on the value of its first line.
    pub value: ValueMatch,
}

/// Condition on a query parameter; the first of a name counts.
#[derive(Debug, Clone)]
pub struct QueryMatch {
    /// Case counts; compared as sent, without percent-decoding.
    pub name: Arc<str>,
    /// Condition on its value.
    pub value: ValueMatch,
}

/// Condition on a value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// The whole value.
    Exact(Arc<str>),
    /// A pattern that matches somewhere in it.
    Regex(Pattern),
}

/// What a value is compared with as the `map` of nginx does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// This text, whatever the case of its letters.
    Whole(Box<str>),
    /// Those that an expression matches somewhere.
    Matching(Pattern),
}

impl TextMatch {
    /// Whether `value` is one.
    #[must_use]
    pub fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Whole(text) => text.as_bytes().eq_ignore_ascii_case(value),
            Self::Matching(pattern) => pattern.is_match(value),
        }
    }
}

/// A regular expression, compiled once with a size bound, linear in time.
#[derive(Debug, Clone)]
pub struct Pattern(regex::bytes::Regex);

/// Why a text is not a usable pattern: syntax, or a compiled form above [`REGEX_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable regular expression: {0}")]
pub struct PatternError(String);

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// The object's author is at fault; see [`PatternError`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        regex::bytes::RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
            .map(Self)
            .map_err(|error| PatternError(reason(&error)))
    }

    /// `text` as a pattern that matches it and nothing else.
    #[must_use]
    pub fn escape(text: &str) -> String {
        regex::escape(text)
    }

    /// Whether the pattern matches somewhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Why the engine refuses a text, in one line: above it, it draws where.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl std::hash::Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl ValueMatch {
    /// Whether `value` fulfils the condition.
    #[must_use]
    pub fn is_match(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => value == wanted.as_bytes(),
            Self::Regex(pattern) => pattern.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_bounded() {
        assert!(Pattern::new("^/v[0-9]+/").is_ok_and(|p| p.is_match(b"/v12/x")));
        assert!(Pattern::new("(").is_err());
        assert!(Pattern::new("(?:a{1000}){1000}").is_err());
    }
}
