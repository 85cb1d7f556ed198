//! Paths that are regular expressions, as ingress-nginx has them: which look so, and what they are
//! in an engine that takes linear time.

use crate::model::{PathPattern, PathPatternError, Pattern, PatternError};

/// What a path has that no engine of linear time can do, or that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpressionError {
    /// By its part and what that is.
    #[error("{part} is {what}, which takes more than linear time and is not supported")]
    NotLinear { part: String, what: &'static str },
    /// The same, of what is not worth it.
    #[error("{part} is {what}, which is not supported")]
    NotSupported { part: String, what: &'static str },
    /// What the engine says of it.
    #[error("it is no usable expression: {0}")]
    Unusable(#[from] PathPatternError),
    /// The same, of one that captures nothing.
    #[error(transparent)]
    UnusablePattern(#[from] PatternError),
}

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
    let special = ['(', '[', '{', '|', '^', '\\', '*', '?', '+', '.', '$'];
    let end = path.find(special).unwrap_or(path.len());
    let (plain, rest) = path.split_at_checked(end)?;
    // What may be missing is the last character, and of alternatives everything.
    let may_lack = rest.starts_with(['{', '*', '?', '+']);
    let last = plain.chars().next_back().filter(|_| may_lack).map_or(0, char::len_utf8);
    let plain = plain.get(..plain.len().checked_sub(last)?).filter(|_| !path.contains('|'));
    let source = format!("(?i)^{}", Pattern::escape(plain.unwrap_or_default()));
    PathPattern::new(text, &source).ok()
}

/// What a part of an expression would cost if it was supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Linear,
    NotLinear,
}

use Cost::{Linear, NotLinear};

/// What stands behind `(`, what it is, and what it would cost.
const GROUPS: &[(&str, &str, Cost)] = &[
    ("(?=", "a look-ahead", NotLinear),
    ("(?!", "a look-ahead", NotLinear),
    ("(?<=", "a look-behind", NotLinear),
    ("(?<!", "a look-behind", NotLinear),
    ("(?>", "an atomic group", NotLinear),
    ("(?(", "a condition", NotLinear),
    ("(?P=", "a back-reference", NotLinear),
    ("(?P>", "a recursion", NotLinear),
    ("(?&", "a recursion", NotLinear),
    ("(?R", "a recursion", NotLinear),
    ("(?0", "a recursion", NotLinear),
    ("(?|", "a branch reset", Linear),
    ("(?#", "a comment", Linear),
    ("(?C", "a callout", Linear),
    ("(*", "a verb of PCRE", Linear),
];

/// Likewise behind `\`.
const ESCAPES: &[(char, &str, Cost)] = &[
    ('k', "a back-reference", NotLinear),
    ('g', "a back-reference", NotLinear),
    ('G', "an anchor at the last match", Linear),
    ('K', "a new start of the match", Linear),
    ('R', "a line end of any kind", Linear),
    ('X', "a grapheme", Linear),
    ('C', "a single octet", Linear),
    ('N', "all but a line end", Linear),
    ('Q', "quoted text", Linear),
    ('h', "horizontal space", Linear),
    ('H', "all but horizontal space", Linear),
    ('v', "vertical space", Linear),
    ('V', "all but vertical space", Linear),
    ('p', "a Unicode property", Linear),
    ('P', "a Unicode property", Linear),
];

/// An expression of PCRE in the words of the engine, where both mean the same by other words.
fn translate(path: &str) -> Result<String, ExpressionError> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(letter) = rest.chars().next() {
        rest = match letter {
            '\\' => escape(rest, &mut out, Place::Outside)?,
            '[' => class(rest, &mut out)?,
            '(' => group(rest, &mut out)?,
            '{' if quantifier(rest).is_none() => literal(rest, &mut out),
            '{' | '*' | '+' | '?' => repetition(rest, &mut out)?,
            _ => copy(rest, letter.len_utf8(), &mut out),
        };
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Class,
    Outside,
}

/// Takes so many octets as they are.
fn copy<'t>(text: &'t str, octets: usize, out: &mut String) -> &'t str {
    let (taken, rest) = text.split_at_checked(octets).unwrap_or((text, ""));
    out.push_str(taken);
    rest
}

/// Takes one character for itself.
fn literal<'t>(text: &'t str, out: &mut String) -> &'t str {
    out.push('\\');
    copy(text, text.chars().next().map_or(0, char::len_utf8), out)
}

fn refused(part: &str, what: &'static str, cost: Cost) -> ExpressionError {
    let part = format!("{part:?}");
    match cost {
        NotLinear => ExpressionError::NotLinear { part, what },
        Linear => ExpressionError::NotSupported { part, what },
    }
}

fn escape<'t>(text: &'t str, out: &mut String, place: Place) -> Result<&'t str, ExpressionError> {
    let Some(letter) = text.chars().nth(1) else {
        let part = "\\".to_owned();
        return Err(ExpressionError::NotSupported { part, what: "an escape of nothing" });
    };
    let part = text.get(..letter.len_utf8().saturating_add(1)).unwrap_or_default();
    if let Some((_, what, cost)) = ESCAPES.iter().find(|(other, ..)| *other == letter) {
        return Err(refused(part, what, *cost));
    }
    Ok(match letter {
        '1'..='9' if place == Place::Outside => {
            return Err(refused(part, "a back-reference", NotLinear));
        }
        '0'..='9' => return Err(refused(part, "an octal number", Linear)),
        // The end, also before a line feed there, which no path has.
        'Z' => {
            out.push_str("\\z");
            text.get(part.len()..).unwrap_or_default()
        }
        // Words begin and end there in the engine; here the sign is meant.
        '<' | '>' => copy(text.get(1..).unwrap_or_default(), 1, out),
        _ if letter.is_ascii() => copy(text, part.len(), out),
        _ => copy(text.get(1..).unwrap_or_default(), letter.len_utf8(), out),
    })
}

/// A class. The engine has operations on sets in it; here they are characters.
fn class<'t>(text: &'t str, out: &mut String) -> Result<&'t str, ExpressionError> {
    let mut rest = copy(text, 1, out);
    if rest.starts_with('^') {
        rest = copy(rest, 1, out);
    }
    if rest.starts_with(']') {
        rest = literal(rest, out);
    }
    while let Some(letter) = rest.chars().next() {
        rest = match letter {
            ']' => return Ok(copy(rest, 1, out)),
            '\\' => escape(rest, out, Place::Class)?,
            '[' if rest.starts_with("[:") => match rest.find(":]") {
                Some(end) => copy(rest, end.saturating_add(2), out),
                None => literal(rest, out),
            },
            '[' | '&' | '~' => literal(rest, out),
            _ => copy(rest, letter.len_utf8(), out),
        };
    }
    Ok(rest)
}

fn group<'t>(text: &'t str, out: &mut String) -> Result<&'t str, ExpressionError> {
    if let Some((part, what, cost)) = GROUPS.iter().find(|(begin, ..)| text.starts_with(begin)) {
        return Err(refused(part, what, *cost));
    }
    if let Some(name) = text.strip_prefix("(?'")
        && let Some((name, rest)) = name.split_once('\'')
    {
        out.push_str(&format!("(?P<{name}>"));
        return Ok(rest);
    }
    if let Some(rest) = text.strip_prefix("(?")
        && rest.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(refused(text.get(..3).unwrap_or(text), "a recursion", NotLinear));
    }
    // What follows the sign belongs to it, and repeats nothing.
    let octets = if text.starts_with("(?") { 2 } else { 1 };
    Ok(copy(text, octets, out))
}

/// Octets of `{n}`, `{n,}` or `{n,m}`, with which `text` begins.
fn quantifier(text: &str) -> Option<usize> {
    let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = !least.is_empty() && is_number(least) && is_number(most);
    is_one.then(|| inside.len().saturating_add(2))
}

fn repetition<'t>(text: &'t str, out: &mut String) -> Result<&'t str, ExpressionError> {
    let octets = quantifier(text).unwrap_or(1);
    let rest = copy(text, octets, out);
    match rest.chars().next() {
        Some('?') => Ok(copy(rest, 1, out)),
        Some('+') => {
            let part = text.get(..octets.saturating_add(1)).unwrap_or_default();
            Err(refused(part, "a possessive repetition", NotLinear))
        }
        _ => Ok(rest),
    }
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
