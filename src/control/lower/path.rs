//! The path of a rule: as it is written, what it means, and what is wrong with it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::regex_path::{self, ExpressionError};
use crate::limits::PATH_BYTES_MAX;
use crate::model::{PathMatch, PathPattern};

/// A path as it is written. What it means is known with its host.
#[derive(Debug)]
pub(super) struct RawPath {
    text: Arc<str>,
    kind: PathType,
    /// What it means as an expression, once somebody asked.
    expression: OnceLock<Box<Result<PathPattern, ExpressionError>>>,
}

/// `pathType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathType {
    /// Byte for byte.
    Exact,
    /// By path element.
    Prefix,
    /// As Prefix, and what an API server asks of one is not asked.
    ImplementationSpecific,
}

impl RawPath {
    pub(super) fn new(text: &str, kind: PathType) -> Self {
        Self { text: text.into(), kind, expression: OnceLock::new() }
    }

    pub(super) fn root() -> Self {
        Self::new("/", PathType::Prefix)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn kind(&self) -> PathType {
        self.kind
    }

    /// What ingress-nginx tells paths apart by.
    pub(super) fn written(&self) -> (&str, PathType) {
        let kind = match self.kind {
            PathType::ImplementationSpecific => PathType::Prefix,
            kind => kind,
        };
        (&self.text, kind)
    }

    /// What it means as plain text.
    pub(super) fn plain(&self) -> RoutePath {
        let kind = match self.kind {
            PathType::Exact => PathKind::Exact,
            PathType::Prefix | PathType::ImplementationSpecific => PathKind::Prefix,
        };
        RoutePath { kind, text: decoded(&self.text) }
    }

    /// What it means as a regular expression.
    pub(super) fn expression(&self) -> &Result<PathPattern, ExpressionError> {
        let compile = || Box::new(regex_path::pattern(&self.text, &self.text));
        self.expression.get_or_init(compile)
    }
}

/// A path as it contends with others of its host: two equal ones want the same requests. As plain
/// text it is what it means, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RoutePath {
    kind: PathKind,
    text: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathKind {
    Exact,
    Prefix,
}

impl RoutePath {
    /// The path that requests have as it is, of text in the form in which they are matched.
    pub(super) fn exact(text: &str) -> Self {
        Self { kind: PathKind::Exact, text: text.into() }
    }

    /// The same as a prefix.
    pub(super) fn prefix(text: &str) -> Self {
        Self { kind: PathKind::Prefix, text: text.into() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn as_match(&self) -> PathMatch {
        let text = Arc::clone(&self.text);
        match self.kind {
            PathKind::Exact => PathMatch::Exact(text),
            PathKind::Prefix => PathMatch::Prefix(text),
        }
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.text, self.kind)
    }
}

/// Percent-encodings as what they stand for: in that form requests are matched, whichever way they
/// are sent.
fn decoded(path: &Arc<str>) -> Arc<str> {
    if !path.contains('%') {
        return Arc::clone(path);
    }
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [octet, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let coded = match (octet, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        // A coded slash is none here, and no path of a request has one; nor is a control character
        // welcome in messages of ours.
        let coded = coded.filter(|octet| *octet != b'/' && !octet.is_ascii_control());
        octets.push(coded.unwrap_or(*octet));
        rest = if coded.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    // What is no text no path of an object stands for.
    String::from_utf8(octets).map_or_else(|_| Arc::clone(path), Into::into)
}

/// Why a path cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    /// Also the empty one.
    #[error("a path begins with '/'")]
    NotAbsolute,
    /// More than [`PATH_BYTES_MAX`].
    #[error("a path has at most {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// Control characters, blanks, `#`, `?`.
    #[error("no request path contains {0:?}")]
    Character(char),
    /// `.` or `..` as an element, also percent-encoded.
    #[error("the elements '.' and '..' are resolved before a request is matched")]
    DotSegment,
}

/// Why an API server refuses a path that requests can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathRefusal {
    /// `//`.
    #[error("it has two slashes in a row")]
    EmptyElement,
    /// `%2f`.
    #[error("it has a coded slash (%2f)")]
    CodedSlash,
}

/// Checks the text of `path`.
///
/// # Errors
/// The author of the Ingress is at fault; the path has no effect.
///
/// Source: Ingress API `spec.rules[].http.paths[].path`; RFC 3986 sections 3.3 and 5.2.4.
pub(super) fn check(path: &str) -> Result<(), PathError> {
    check_octets(path)?;
    if let Some(bad) = path.chars().find(|c| c.is_whitespace() || matches!(c, '#' | '?')) {
        return Err(PathError::Character(bad));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

/// What else an API server has against an Exact or a Prefix path.
///
/// Source: Kubernetes `validateHTTPIngressPath`.
pub(super) fn refusal(path: &str) -> Option<PathRefusal> {
    if has_empty_element(path) {
        Some(PathRefusal::EmptyElement)
    } else {
        let has_coded = path.contains("%2f") || path.contains("%2F");
        has_coded.then_some(PathRefusal::CodedSlash)
    }
}

/// What holds for a regular expression, too.
///
/// # Errors
/// As [`check`].
pub(super) fn check_octets(path: &str) -> Result<(), PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    path.chars().find(|c| c.is_control()).map_or(Ok(()), |bad| Err(PathError::Character(bad)))
}

/// Whether requests can never match it as written because repeated slashes are merged.
pub(super) fn has_empty_element(path: &str) -> bool {
    path.contains("//")
}

fn is_dot_segment(element: &str) -> bool {
    // Nothing longer than two encoded dots can be one.
    element.len() <= 6 && {
        let decoded = element.to_ascii_lowercase().replace("%2e", ".");
        decoded == "." || decoded == ".."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_no_request_can_have_are_refused() {
        for (path, expected) in [
            ("/", Ok(())),
            ("/a/b.c/..d/%2F", Ok(())),
            ("/a//b", Ok(())),
            ("", Err(PathError::NotAbsolute)),
            ("a/", Err(PathError::NotAbsolute)),
            ("/a b", Err(PathError::Character(' '))),
            ("/a?b", Err(PathError::Character('?'))),
            ("/a#b", Err(PathError::Character('#'))),
            ("/\u{7f}", Err(PathError::Character('\u{7f}'))),
            ("/\u{85}", Err(PathError::Character('\u{85}'))),
            ("/ü", Ok(())),
            ("/a/../b", Err(PathError::DotSegment)),
            ("/a/./b", Err(PathError::DotSegment)),
            ("/a/.", Err(PathError::DotSegment)),
            ("/a/..", Err(PathError::DotSegment)),
            ("/%2E%2e", Err(PathError::DotSegment)),
        ] {
            assert_eq!(check(path), expected, "{path:?}");
        }
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        assert_eq!(check(&long), Err(PathError::TooLong));
        for (path, expected) in [
            ("/a//b", Some(PathRefusal::EmptyElement)),
            ("//", Some(PathRefusal::EmptyElement)),
            ("/a/%2F", Some(PathRefusal::CodedSlash)),
            ("/a%2fb", Some(PathRefusal::CodedSlash)),
            ("/a/b%2E", None),
        ] {
            assert_eq!(refusal(path), expected, "{path:?}");
        }
    }

    #[test]
    fn paths_contend_if_they_are_written_alike() {
        let exact = |path| RawPath::new(path, PathType::Exact).plain();
        let prefix = |path| RawPath::new(path, PathType::Prefix).plain();
        assert_eq!(prefix("/"), RawPath::root().plain());
        assert_eq!(prefix("/a"), RawPath::new("/a", PathType::ImplementationSpecific).plain());
        // As in ingress-nginx, where each is a location of its own.
        assert_ne!(prefix("/a/"), prefix("/a"));
        assert_ne!(exact("/a/"), exact("/a"));
        assert_ne!(exact("/a"), prefix("/a"));
        // A request can be written in either way, and has one form when it is matched.
        assert_eq!(prefix("/ü/x"), prefix("/%C3%BC/x"));
        assert_eq!(prefix("/a b%"), prefix("/a%20b%"));
        assert_eq!(prefix("/%FF%2").text(), "/%FF%2");
        assert_eq!(RawPath::new("/ü", PathType::Exact).text(), "/ü");
    }
}
