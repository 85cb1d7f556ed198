//! The path of a rule: as it is written, what it means, and what is wrong with it.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use super::regex_path;
use crate::limits::PATH_BYTES_MAX;
use crate::model::{PathMatch, Pattern};

/// A path as it is written. What it means is known with its host.
#[derive(Debug)]
pub(super) struct RawPath {
    text: Arc<str>,
    kind: PathType,
    /// What it means as an expression, once somebody asked.
    expression: OnceLock<Option<Box<Pattern>>>,
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
        let text = coded(&self.text);
        RoutePath(match self.kind {
            PathType::Exact => PathMatch::Exact(text),
            PathType::Prefix | PathType::ImplementationSpecific => PathMatch::Prefix(text),
        })
    }

    /// What it means as a regular expression; `None`: nothing.
    pub(super) fn expression(&self) -> Option<RoutePath> {
        let pattern = || regex_path::pattern(&self.text).map(Box::new);
        let known = self.expression.get_or_init(pattern);
        known.as_ref().map(|pattern| RoutePath(PathMatch::Regex(Pattern::clone(pattern))))
    }
}

/// What a path means: two equal ones contend for the same requests.
#[derive(Debug, Clone)]
pub(super) struct RoutePath(PathMatch);

impl RoutePath {
    pub(super) fn as_match(&self) -> &PathMatch {
        &self.0
    }

    /// Orders a path before or after that of a rule.
    pub(super) fn compare_to(&self, other: &PathMatch) -> Ordering {
        key(&self.0).cmp(&key(other))
    }
}

/// How a path is compared, and what.
fn key(path: &PathMatch) -> (PathKind, &str) {
    match path {
        PathMatch::Exact(path) => (PathKind::Exact, path),
        PathMatch::Prefix(path) => (PathKind::Prefix, path),
        PathMatch::Regex(pattern) => (PathKind::Pattern, pattern.as_str()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PathKind {
    Exact,
    Prefix,
    Pattern,
}

/// Letters beyond ASCII in the form in which requests are matched, whichever way they are sent.
fn coded(path: &Arc<str>) -> Arc<str> {
    if path.is_ascii() {
        return Arc::clone(path);
    }
    let mut text = String::with_capacity(path.len().saturating_mul(3));
    for character in path.chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            text += &format!("%{byte:02X}");
        }
    }
    text.into()
}

impl PartialEq for RoutePath {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RoutePath {}

impl PartialOrd for RoutePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RoutePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare_to(&other.0)
    }
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
    check_size(path)?;
    if let Some(bad) =
        path.chars().find(|c| c.is_control() || c.is_whitespace() || matches!(c, '#' | '?'))
    {
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
pub(super) fn check_size(path: &str) -> Result<(), PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    Ok(())
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
        assert_eq!(RawPath::new("/ü", PathType::Exact).text(), "/ü");
        let pattern = || RawPath::new("/a", PathType::Exact).expression().expect("valid");
        assert_eq!(pattern(), pattern());
        assert_ne!(pattern(), prefix("/a"));
        assert!(pattern().compare_to(pattern().as_match()).is_eq());
    }
}
