//! Paths that are regular expressions, as ingress-nginx has them: which look so, and what they
//! match.

use crate::filter::pcre::{PcreError, translate};
use crate::model::{PathPattern, PathPatternError, Pattern, PatternError};

/// What a path has that no engine of linear time can do, or that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpressionError {
    /// Something that only PCRE has.
    #[error(transparent)]
    Foreign(#[from] PcreError),
    /// What the engine says of it.
    #[error("it is no usable expression: {0}")]
    Unusable(#[from] PathPatternError),
    /// The same, of one that captures nothing.
    #[error(transparent)]
    UnusablePattern(#[from] PatternError),
}

/// What ends the plain text that an expression begins with.
pub const SPECIAL: [char; 11] = ['(', '[', '{', '|', '^', '\\', '*', '?', '+', '.', '$'];

/// Whether a path has what only expressions have a use for. A dot is none: `/v1.2` and
/// `/.well-known` are paths.
pub(crate) fn looks_like_one(path: &str) -> bool {
    let special = ['(', ')', '[', ']', '{', '}', '|', '^', '\\', '*', '?'];
    path.contains(special) || path.contains(".+") || path.ends_with('$')
}

/// The requests that ingress-nginx would send to an expression: it begins where the path does, ends
/// anywhere, and case is no difference.
///
/// Shape: `text` orders it among others; `path` is what is matched.
///
/// # Errors
/// The author of the path is at fault; see [`ExpressionError`].
pub(crate) fn pattern(text: &str, path: &str) -> Result<PathPattern, ExpressionError> {
    Ok(PathPattern::new(text, &format!("(?i)^{}", translate(path)?))?)
}

/// Whether case is a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Counts,
    Ignored,
}

/// An expression of nginx that matches somewhere.
///
/// # Errors
/// The same.
pub(crate) fn expression(text: &str, case: Case) -> Result<PathPattern, ExpressionError> {
    let flags = if case == Case::Ignored { "(?i)" } else { "" };
    Ok(PathPattern::new(text, &format!("{flags}{}", translate(text)?))?)
}

/// The same, of values in which nothing is captured.
///
/// # Errors
/// The same.
pub(crate) fn somewhere(text: &str, case: Case) -> Result<Pattern, ExpressionError> {
    let flags = if case == Case::Ignored { "(?i)" } else { "" };
    Ok(Pattern::new(&format!("{flags}{}", translate(text)?))?)
}

/// All requests that an expression of which nothing more is known may mean: those that begin with
/// the plain text before its first special character.
pub(crate) fn widest(text: &str, path: &str) -> Option<PathPattern> {
    let end = path.find(SPECIAL).unwrap_or(path.len());
    let (plain, rest) = path.split_at_checked(end)?;
    // What may be missing is the last character, and of alternatives everything.
    let may_lack = rest.starts_with(['{', '*', '?', '+']);
    let last = plain.chars().next_back().filter(|_| may_lack).map_or(0, char::len_utf8);
    let plain = plain.get(..plain.len().checked_sub(last)?).filter(|_| !path.contains('|'));
    let source = format!("(?i)^{}", Pattern::escape(plain.unwrap_or_default()));
    PathPattern::new(text, &source).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, request: &str, is_match: bool) {
        let pattern = pattern(path, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(pattern.is_match(request.as_bytes()), is_match, "{path} {request}");
    }

    #[test]
    fn expressions_mean_what_they_mean_in_pcre() {
        for (path, request, is_match) in [
            ("/api", "/API/x", true),
            ("/api", "/x/api", false),
            ("/v1.2", "/v1x2", true),
            ("/item/[0-9]+$", "/item/12", true),
            ("/item/[0-9]+$", "/item/12a", false),
            ("/a/b/[a-z]{3}", "/A/B/xyz/w", true),
            ("/a{b}", "/a{b}", true),
            ("/a{,2}", "/a{,2}", true),
            ("/a{2,3}$", "/aaaa", false),
            ("/[]x]", "/]", true),
            ("/[^]x]", "/]", false),
            ("/[a[b]", "/[", true),
            ("/[a&&b]", "/&", true),
            ("/[a~~b]", "/~", true),
            ("/[[:alpha:]]+$", "/ab", true),
            ("/[\\w-]+/\\d", "/a-b/1", true),
            ("/\\/x", "//x", true),
            ("/\\<a\\>", "/<a>", true),
            ("/a\\Z", "/a", true),
            ("/(?'n'[a-z])$", "/x", true),
            ("/(?<n>[a-z])$", "/x", true),
            ("/(?P<n>[a-z])$", "/x", true),
            ("/(?-i)A", "/a", false),
            ("/(?:a|b)c*?", "/b", true),
            ("/a|/b", "/x/b", true),
            ("/\u{fc}", "/\u{fc}", true),
            ("/.$", "/\u{fc}", false),
        ] {
            check(path, request, is_match);
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (path, part) in [
            ("/a(?!b)", "\"(?!\" is a look-ahead"),
            ("/a(?=b)", "\"(?=\" is a look-ahead"),
            ("/a(?<!b)", "\"(?<!\" is a look-behind"),
            ("/a(?<=b)", "\"(?<=\" is a look-behind"),
            ("/(a)\\1", "\"\\\\1\" is a back-reference"),
            ("/(?<n>a)\\k<n>", "\"\\\\k\" is a back-reference"),
            ("/(?P<n>a)(?P=n)", "\"(?P=\" is a back-reference"),
            ("/(?>a+)b", "\"(?>\" is an atomic group"),
            ("/a++b", "\"++\" is a possessive repetition"),
            ("/a{1,2}+b", "\"{1,2}+\" is a possessive repetition"),
            ("/(a(?1)?)", "\"(?1\" is a recursion"),
            ("/(?R)", "\"(?R\" is a recursion"),
            ("/(?(1)a|b)", "\"(?(\" is a condition"),
            ("/(*UTF8)a", "\"(*\" is a verb of PCRE"),
            ("/\\Qa\\E", "\"\\\\Q\" is quoted text"),
            ("/a\\", "\\ is an escape of nothing"),
            ("/\\07", "\"\\\\0\" is an octal number"),
            ("/\\p{L}", "\"\\\\p\" is a Unicode property"),
            ("/(", "unclosed group"),
            ("/*a**", "repetition"),
            ("/[z-a]", "range"),
            ("/(?:a{1000}){1000}", "too large"),
        ] {
            match pattern(path, path) {
                Ok(_) => assert_eq!(path, "/*a**", "{path}"),
                Err(error) => assert!(error.to_string().contains(part), "{path}: {error}"),
            }
        }
    }

    #[test]
    fn the_widest_meaning_has_all_requests() {
        for (path, request, is_match) in [
            ("/a/b(?!c)", "/A/bx", true),
            ("/a/b(?!c)", "/A/x", false),
            ("/a/b?(?!c)", "/a/", true),
            ("/a/b(", "/b", false),
            ("/(?=x)", "/anything", true),
            ("/a/(?!x)|/b", "/b", true),
            ("/a/b{", "/a/z", true),
        ] {
            let widest = widest(path, path).expect("a pattern");
            assert_eq!(widest.is_match(request.as_bytes()), is_match, "{path} {request}");
        }
    }
}
