//! Expressions of PCRE in the words of an engine that takes linear time, as far as both mean the
//! same.

use Cost::{Linear, NotLinear};

/// What an expression has that no engine of linear time can do, or that is not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PcreError {
    /// By its part and what that is.
    #[error("{part} is {what}, which takes more than linear time and is not supported")]
    NotLinear {
        /// As it stands there.
        part: String,
        /// In words.
        what: &'static str,
    },
    /// The same, of what is not worth it.
    #[error("{part} is {what}, which is not supported")]
    NotSupported {
        /// As it stands there.
        part: String,
        /// In words.
        what: &'static str,
    },
}

/// What a part of an expression would cost if it was supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Linear,
    NotLinear,
}

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
///
/// # Errors
/// The author of the expression is at fault; see [`PcreError`].
pub fn translate(path: &str) -> Result<String, PcreError> {
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

fn refused(part: &str, what: &'static str, cost: Cost) -> PcreError {
    let part = format!("{part:?}");
    match cost {
        NotLinear => PcreError::NotLinear { part, what },
        Linear => PcreError::NotSupported { part, what },
    }
}

fn escape<'t>(text: &'t str, out: &mut String, place: Place) -> Result<&'t str, PcreError> {
    let Some(letter) = text.chars().nth(1) else {
        let part = "\\".to_owned();
        return Err(PcreError::NotSupported { part, what: "an escape of nothing" });
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
fn class<'t>(text: &'t str, out: &mut String) -> Result<&'t str, PcreError> {
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

fn group<'t>(text: &'t str, out: &mut String) -> Result<&'t str, PcreError> {
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

fn repetition<'t>(text: &'t str, out: &mut String) -> Result<&'t str, PcreError> {
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
