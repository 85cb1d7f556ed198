//! Checks on the path of an Ingress rule.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cmp::Ordering;
use std::sync::Arc;

use crate::limits::PATH_BYTES_MAX;
use crate::model::PathMatch;

/// How a path is compared. ImplementationSpecific is Prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum PathKind {
    /// Byte for byte.
    Exact,
    /// By path element.
    Prefix,
}

/// A path with what makes it equal to another one: two equal ones contend for the same requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RoutePath {
    /// How it is compared.
    pub kind: PathKind,
    /// Of a prefix: without its trailing slash, which makes no difference to what it matches.
    canonical: Arc<str>,
}

impl RoutePath {
    pub(super) fn new(kind: PathKind, path: &str) -> Self {
        let canonical = match (kind, path.strip_suffix('/')) {
            (PathKind::Prefix, Some(stem)) if !stem.is_empty() => stem,
            _ => path,
        };
        Self { kind, canonical: canonical.into() }
    }

    pub(super) fn root() -> Self {
        Self::new(PathKind::Prefix, "/")
    }

    pub(super) fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Orders a path before or after that of a rule.
    pub(super) fn compare_to(&self, other: &PathMatch) -> Ordering {
        let (kind, text) = match other {
            PathMatch::Exact(path) => (PathKind::Exact, &**path),
            PathMatch::Prefix(path) => (PathKind::Prefix, &**path),
            PathMatch::Regex(_) => return Ordering::Less,
        };
        self.kind.cmp(&kind).then_with(|| (*self.canonical).cmp(text))
    }

    pub(super) fn to_match(&self) -> PathMatch {
        let path = Arc::clone(&self.canonical);
        match self.kind {
            PathKind::Exact => PathMatch::Exact(path),
            PathKind::Prefix => PathMatch::Prefix(path),
        }
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
    /// Control characters, blanks, non-ASCII, `#`, `?`.
    #[error("no request path contains {0:?}")]
    Character(char),
    /// `.` or `..` as an element, also percent-encoded.
    #[error("the elements '.' and '..' are resolved before a request is matched")]
    DotSegment,
}

/// Checks the text of `path`.
///
/// # Errors
/// The author of the Ingress is at fault; the path has no effect.
///
/// Source: Ingress API `spec.rules[].http.paths[].path`; RFC 3986 sections 3.3 and 5.2.4.
pub(super) fn check(path: &str) -> Result<(), PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '?')) {
        return Err(PathError::Character(bad));
    }
    if path.split('/').any(is_dot_segment) {
        return Err(PathError::DotSegment);
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
            ("", Err(PathError::NotAbsolute)),
            ("a/", Err(PathError::NotAbsolute)),
            ("/a b", Err(PathError::Character(' '))),
            ("/a?b", Err(PathError::Character('?'))),
            ("/a#b", Err(PathError::Character('#'))),
            ("/\u{7f}", Err(PathError::Character('\u{7f}'))),
            ("/ü", Err(PathError::Character('ü'))),
            ("/a/../b", Err(PathError::DotSegment)),
            ("/a/.", Err(PathError::DotSegment)),
            ("/%2E%2e", Err(PathError::DotSegment)),
        ] {
            assert_eq!(check(path), expected, "{path:?}");
        }
        let long = format!("/{}", "a".repeat(PATH_BYTES_MAX));
        assert_eq!(check(&long), Err(PathError::TooLong));
    }

    #[test]
    fn a_trailing_slash_makes_no_other_prefix() {
        let prefix = |path| RoutePath::new(PathKind::Prefix, path);
        assert_eq!(prefix("/a/"), prefix("/a"));
        assert_eq!(prefix("/"), RoutePath::root());
        let exact = |path| RoutePath::new(PathKind::Exact, path);
        assert_ne!(exact("/a/"), exact("/a"));
        assert_ne!(exact("/a"), prefix("/a"));
    }
}
