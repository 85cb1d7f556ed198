//! The request line by itself: for a line whose head is not complete, for targets that are not
//! UTF-8, and to say what is wrong with one. The fast path of whole heads is the parser's.

use super::parts::Version;
use crate::http1::error::{HeadError, RequestError};
use crate::http1::fields::is_token;
use crate::http1::target::is_target_byte;

/// The three words of a request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// A token.
    pub(super) method: &'a [u8],
    /// Not empty, nothing but [`is_target_byte`].
    pub(super) target: &'a [u8],
    /// 1.0 or 1.1.
    pub(super) version: Version,
}

impl<'a> RequestLine<'a> {
    /// Reads `line`, which goes up to its LF, that one excluded.
    ///
    /// # Errors
    /// The client's fault.
    ///
    /// Source: RFC 9112 section 3.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, RequestError> {
        let line = line.strip_suffix(b"\r").ok_or(HeadError::LineEnd)?;
        let mut words = line.split(|byte| *byte == b' ');
        let [method, target, version] = [(); 3].map(|()| words.next().unwrap_or_default());
        if !is_token(method) {
            return Err(RequestError::Method);
        }
        if !target.iter().all(|byte| is_target_byte(*byte)) {
            return Err(RequestError::TargetCharacter);
        }
        // HTTP/0.9 has no version, and no client any more.
        if target.is_empty() || words.next().is_some() {
            return Err(RequestError::RequestLine);
        }
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            other if is_other_version(other) => return Err(RequestError::Version),
            _ => return Err(RequestError::RequestLine),
        };
        Ok(Self { method, target, version })
    }
}

/// Whether this is the version of some HTTP, and not of anything else.
fn is_other_version(version: &[u8]) -> bool {
    matches!(version.strip_prefix(b"HTTP/"), Some([b'0'..=b'9', ..]))
}
