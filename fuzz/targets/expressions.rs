//! Expressions of PCRE, translated for the engine that takes linear time.

#![allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "part of the fuzz crate and of tests; a target that cannot go on has found something"
)]

use ringway::filter::PathPattern;
use ringway::filter::pcre::translate;
use ringway::limits::PATH_GROUPS_MAX;

/// An expression on the first line, and what is searched behind it: it is refused, or compiled and
/// matched without a panic; captures lie in what was searched; plain text means itself.
pub fn expressions(data: &[u8]) {
    let end = data.iter().position(|octet| *octet == b'\n').unwrap_or(data.len());
    let (text, subject) = data.split_at(end);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(source) = translate(text) else { return };
    for flags in ["", "(?i)^"] {
        let Ok(pattern) = PathPattern::new(text, &format!("{flags}{source}")) else { continue };
        let captures = pattern.captures(subject);
        assert_eq!(captures.is_some(), pattern.is_match(subject), "{text:?}");
        for number in 0..=PATH_GROUPS_MAX {
            let group = captures.as_ref().and_then(|captures| captures.get(number));
            assert!(group.is_none_or(|range| subject.get(range).is_some()), "{text:?} {number}");
        }
    }
    if text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"/_-".contains(&octet)) {
        let itself = PathPattern::new(text, &format!("^{source}$")).expect("plain text");
        assert!(itself.is_match(text.as_bytes()), "{text:?}");
    }
}
