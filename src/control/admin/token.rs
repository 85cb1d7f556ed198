//! Who may look at more than health and metrics: whoever has the token, where there is one.
//!
//! Its file is read again for each request, so that a Secret that changes is in force. One that
//! cannot be read lets nobody in.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::limits::{ADMIN_TOKEN_BYTES_MAX, ADMIN_TOKEN_BYTES_MIN};

/// The file of a token.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

/// Why a file has no usable token; the operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the token of the admin listener cannot be read from {0}: {1}")]
    File(PathBuf, io::Error),
    /// Too short, too long, or more than one word.
    #[error(
        "{0} must hold one word of {ADMIN_TOKEN_BYTES_MIN} to {ADMIN_TOKEN_BYTES_MAX} \
         characters of ASCII"
    )]
    Word(PathBuf),
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// No token, or another one.
    Stranger,
    /// Nobody can be let in.
    NoToken,
    /// Nobody is asked for a token, and a page of somebody else may be who asks.
    OtherSite,
}

impl TokenFile {
    /// A file that holds a token now.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn new(path: PathBuf) -> Result<Self, TokenError> {
        read(&path)?;
        Ok(Self(path))
    }

    /// The token as it is now. Blocks for a file.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn token(&self) -> Result<String, TokenError> {
        read(&self.0)
    }

    /// Whether who sends this value of `Authorization` is let in. Takes as long whatever of it is
    /// right.
    pub(super) fn admits(&self, authorization: Option<&[u8]>) -> Result<(), Kept> {
        let token = self.token().map_err(|_told_at_start| Kept::NoToken)?;
        let (scheme, sent) =
            authorization.and_then(|value| value.split_at_checked(7)).unwrap_or_default();
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
        match verify_slices_are_equal(sent.trim_ascii(), token.as_bytes()) {
            Ok(()) if is_bearer => Ok(()),
            _ => Err(Kept::Stranger),
        }
    }
}

fn read(path: &Path) -> Result<String, TokenError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| TokenError::File(path.to_owned(), error))?;
    // One more than it may be, and a line feed.
    file.take(ADMIN_TOKEN_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text)
        .map_err(|error| TokenError::File(path.to_owned(), error))?;
    let token = text.trim_ascii();
    let is_token = token.bytes().all(|octet| octet.is_ascii_graphic())
        && (ADMIN_TOKEN_BYTES_MIN..=ADMIN_TOKEN_BYTES_MAX).contains(&token.len());
    if is_token { Ok(token.to_owned()) } else { Err(TokenError::Word(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_lets_in_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let longest = "x".repeat(ADMIN_TOKEN_BYTES_MAX);
        for (text, is_token) in [
            ("0123456789abcdef\n", true),
            (&*longest, true),
            (&format!("{longest}x"), false),
            ("0123456789abcde", false),
            ("0123456789 abcdef", false),
            ("0123456789abcdé", false),
            ("", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(TokenFile::new(path.clone()).is_ok(), is_token, "{text}");
        }
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let file = TokenFile::new(path.clone()).unwrap();
        for (sent, expected) in [
            (Some("Bearer 0123456789abcdef"), Ok(())),
            (Some("bearer  0123456789abcdef "), Ok(())),
            (Some("Bearer 0123456789abcdeg"), Err(Kept::Stranger)),
            (Some("Bearer 0123456789abcdef0"), Err(Kept::Stranger)),
            (Some("Basic: 0123456789abcdef"), Err(Kept::Stranger)),
            (Some("0123456789abcdef"), Err(Kept::Stranger)),
            (Some("Bearer "), Err(Kept::Stranger)),
            (Some(""), Err(Kept::Stranger)),
            (None, Err(Kept::Stranger)),
        ] {
            assert_eq!(file.admits(sent.map(str::as_bytes)), expected, "{sent:?}");
        }
        std::fs::write(&path, "fedcba9876543210").unwrap();
        assert_eq!(file.admits(Some(b"Bearer fedcba9876543210")), Ok(()), "it is read again");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.admits(Some(b"Bearer fedcba9876543210")), Err(Kept::NoToken));
        assert!(matches!(TokenFile::new(path), Err(TokenError::File(..))));
    }
}
