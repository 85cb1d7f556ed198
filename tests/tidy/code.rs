//! Rust text as far as the lints must understand it: what is code, what is a word, what is a test.

use std::ops::Range;

/// Replaces comments and literals by blanks, keeping line breaks, so that only code is left.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_or_comment_end(bytes, at);
        if end > at {
            code.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            code.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// End of the comment or literal that begins at `at`; `at` itself when none does.
fn literal_or_comment_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let is_after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        let end = rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |p| p + 2);
        return at + end;
    }
    if !is_after_word && (rest.starts_with(b"r\"") || rest.starts_with(b"r#")) {
        return raw_string_end(bytes, at);
    }
    if !is_after_word && (rest.starts_with(b"br\"") || rest.starts_with(b"br#")) {
        return raw_string_end(bytes, at + 1);
    }
    match rest[0] {
        b'"' => quoted_end(bytes, at, b'"'),
        b'\'' if is_char_literal(rest) => quoted_end(bytes, at, b'\''),
        _ => at,
    }
}

/// Not a lifetime: escaped, or closed behind one character.
fn is_char_literal(rest: &[u8]) -> bool {
    let width = match rest.get(1) {
        Some(b'\\') => return true,
        Some(&first) if first.is_ascii() => 1,
        _ => rest[1..].iter().take_while(|byte| !byte.is_ascii()).count(),
    };
    rest.get(1 + width) == Some(&b'\'')
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// `at` is the `r`; a raw identifier (`r#type`) is left alone.
fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = at + 2 + hashes;
    bytes[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |found| body + found + close.len())
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(crate) fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    let end = rest.bytes().position(|b| !is_word(b)).unwrap_or(rest.len());
    &rest[..end]
}

/// Every word and its offset.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = code.as_bytes();
    (0..bytes.len()).filter_map(move |at| {
        let is_start = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        // Only a start is a safe place to cut: code may hold non-ASCII text.
        is_start.then(|| (at, word_at(code, at)))
    })
}

/// The words that begin a path that names something: not numbers, not behind `::` or `$`, not the
/// extent of a visibility (`pub(in crate::x)`).
pub(crate) fn path_starts(code: &str) -> impl Iterator<Item = (usize, &str)> {
    words(code).filter(|(at, word)| {
        let before = &code[..*at];
        !word.starts_with(|first: char| first.is_ascii_digit())
            && !before.ends_with('$')
            && !before.trim_end().ends_with("::")
            && !before.ends_with("(in ")
    })
}

pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where code is that only tests have: every item behind `#[cfg(test)]`, as ranges of offsets.
pub(crate) fn test_ranges(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in code.match_indices(MARK) {
        if ranges.last().is_none_or(|last| last.end <= at) {
            ranges.push(at..item_end(code, at + MARK.len()));
        }
    }
    ranges
}

/// Behind the item that begins at `at`, attributes first: its `;`, or the brace that closes it.
fn item_end(code: &str, at: usize) -> usize {
    let start = code.len() - code[at..].trim_start().len();
    if code[start..].starts_with("#[") {
        return item_end(code, closing(code, start + 1) + 1);
    }
    let mut at = start;
    while let Some(offset) = code[at..].find([';', '{', '(', '[']) {
        at += offset;
        match code.as_bytes()[at] {
            b';' => return at + 1,
            b'{' => return closing(code, at) + 1,
            _ => at = closing(code, at) + 1,
        }
    }
    code.len()
}

/// Where the bracket that opens at `at` is closed; the last octet if it is not.
pub(crate) fn closing(code: &str, at: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + offset;
        }
    }
    code.len() - 1
}
