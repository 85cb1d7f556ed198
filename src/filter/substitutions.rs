//! Texts in bodies of responses that are replaced by others.
//!
//! Source: nginx, `ngx_http_sub_module`.

use super::compression::MediaTypes;
use super::text::Text;
use crate::limits::{SUBSTITUTED_BYTES_MAX, SUBSTITUTIONS_MAX};

/// Texts that are replaced in the bodies of a rule's responses. At each place the first of them
/// that stands there counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Substitutions {
    pairs: Box<[Substitution]>,
    /// In responses of these types.
    pub types: MediaTypes,
    /// How often each of them.
    pub times: Times,
    /// Whether Last-Modified and, weakened, ETag stay.
    pub keeps_validators: bool,
}

/// One text and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Substitution {
    /// In lower case: that of letters of ASCII does not count. Never empty.
    find: Box<[u8]>,
    /// Made once a response.
    put: Text,
}

/// How often a text is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Times {
    /// Where it stands first.
    Once,
    /// Everywhere.
    All,
}

/// Why texts cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstitutionError {
    /// Nothing is to be found.
    #[error("there is no text to look for")]
    Empty,
    /// Longer than [`SUBSTITUTED_BYTES_MAX`].
    #[error("a text to look for has more than {SUBSTITUTED_BYTES_MAX} octets")]
    TooLong,
    /// More than [`SUBSTITUTIONS_MAX`].
    #[error("there are more than {SUBSTITUTIONS_MAX} texts to look for")]
    TooMany,
}

impl Substitution {
    /// `put` instead of `find`.
    ///
    /// # Errors
    /// The owner of the text is at fault; see [`SubstitutionError`].
    pub fn new(find: &str, put: Text) -> Result<Self, SubstitutionError> {
        match find.len() {
            0 => Err(SubstitutionError::Empty),
            SUBSTITUTED_BYTES_MAX.. if find.len() > SUBSTITUTED_BYTES_MAX => {
                Err(SubstitutionError::TooLong)
            }
            _ => Ok(Self { find: find.to_ascii_lowercase().into_bytes().into(), put }),
        }
    }

    /// What is looked for, in lower case.
    #[must_use]
    pub fn find(&self) -> &[u8] {
        &self.find
    }

    /// What stands in its place.
    #[must_use]
    pub const fn put(&self) -> &Text {
        &self.put
    }
}

impl Substitutions {
    /// These, everywhere in responses of type text/html once each, as nginx has it by default.
    ///
    /// # Errors
    /// See [`SubstitutionError`].
    pub fn new(pairs: impl IntoIterator<Item = Substitution>) -> Result<Self, SubstitutionError> {
        let pairs: Box<[_]> = pairs.into_iter().take(SUBSTITUTIONS_MAX + 1).collect();
        if pairs.len() > SUBSTITUTIONS_MAX {
            return Err(SubstitutionError::TooMany);
        }
        let types = MediaTypes::new([]);
        Ok(Self { pairs, types, times: Times::Once, keeps_validators: false })
    }

    /// In the order in which they are tried.
    #[must_use]
    pub const fn pairs(&self) -> &[Substitution] {
        &self.pairs
    }

    /// Whether a body is looked at. What is coded cannot be, and of a part nobody knows what stands
    /// before it.
    #[must_use]
    pub fn apply_to(
        &self,
        status: u16,
        content_type: Option<&[u8]>,
        coding: Option<&[u8]>,
    ) -> bool {
        coding.is_none() && status != 206 && !self.pairs.is_empty() && self.types.has(content_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_bounded() {
        let pair = |find: &str| Substitution::new(find, Text::literal("x"));
        assert_eq!(pair("Ab\u{c4}").map(|pair| pair.find.to_vec()), Ok("ab\u{c4}".into()));
        assert_eq!(pair(""), Err(SubstitutionError::Empty));
        assert!(pair(&"a".repeat(SUBSTITUTED_BYTES_MAX)).is_ok());
        assert_eq!(pair(&"a".repeat(SUBSTITUTED_BYTES_MAX + 1)), Err(SubstitutionError::TooLong));
        let pairs = |count| Substitutions::new((0..count).filter_map(|_| pair("a").ok()));
        assert!(pairs(SUBSTITUTIONS_MAX).is_ok());
        assert_eq!(pairs(SUBSTITUTIONS_MAX + 1), Err(SubstitutionError::TooMany));
    }

    #[test]
    fn bodies_are_looked_at_by_type() {
        let pair = Substitution::new("a", Text::literal("x")).expect("a text");
        let all = Substitutions::new([pair]).expect("one");
        let none = Substitutions::new([]).expect("none");
        let html = Some(&b"text/html; charset=utf-8"[..]);
        for (status, content_type, coding, expected) in [
            (200, html, None, true),
            (500, html, None, true),
            (206, html, None, false),
            (200, html, Some(&b"gzip"[..]), false),
            (200, Some(&b"text/plain"[..]), None, false),
            (200, None, None, false),
        ] {
            assert_eq!(all.apply_to(status, content_type, coding), expected, "{status}");
            assert!(!none.apply_to(status, content_type, coding));
        }
    }
}
