//! Request targets: their parts, the host they name, and the one normal form of a path.
//!
//! The normal form is what rules match and what is forwarded, so that no backend sees a path that
//! the rules did not. It never decodes `%2F`, `%5C` or `%00`, and never decodes twice.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::error::RequestError;
use super::head::TargetForm;
use crate::limits::HOST_BYTES_MAX;

/// The parts of a target, in bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetParts {
    pub(super) form: TargetForm,
    /// Absolute form only.
    pub(super) authority: Option<Range<usize>>,
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
}

/// Splits a target.
///
/// Shape: `target` has no blanks or control characters; the head parser saw to that.
///
/// Source: RFC 9112 section 3.2; a fragment or an octet that is not ASCII is refused.
pub(super) fn split(target: &[u8], is_options: bool) -> Result<TargetParts, RequestError> {
    // Without an early exit the loop becomes vector code.
    if target.iter().fold(false, |is_bad, byte| is_bad | !byte.is_ascii() | (*byte == b'#')) {
        return Err(RequestError::TargetCharacter);
    }
    if target == b"*" && is_options {
        let form = TargetForm::Asterisk;
        return Ok(TargetParts { form, authority: None, path: 0..1, query: None });
    }
    if target.first() == Some(&b'/') {
        let (path, query) = split_query(target, 0);
        return Ok(TargetParts { form: TargetForm::Origin, authority: None, path, query });
    }
    split_absolute(target, is_options)
}

fn split_absolute(target: &[u8], is_options: bool) -> Result<TargetParts, RequestError> {
    let start = scheme_len(target).ok_or(RequestError::TargetForm)?;
    let rest = target.get(start..).unwrap_or_default();
    let end = start + memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let authority = start..end;
    let (path, query) = split_query(target, end);
    // RFC 9112 section 3.2.4: this is what `OPTIONS *` becomes on its way through a proxy.
    let is_asterisk = is_options && path.is_empty() && query.is_none();
    let form = if is_asterisk { TargetForm::Asterisk } else { TargetForm::Absolute };
    Ok(TargetParts { form, authority: Some(authority), path, query })
}

/// Bytes of `http://` or `https://`.
fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
        .map(<[u8]>::len)
}

fn split_query(target: &[u8], from: usize) -> (Range<usize>, Option<Range<usize>>) {
    let rest = target.get(from..).unwrap_or_default();
    match memchr::memchr(b'?', rest) {
        Some(at) => (from..from + at, Some(from + at + 1..target.len())),
        None => (from..target.len(), None),
    }
}

/// Checks `host[:port]` and writes the host into `host`: lower case, without one trailing dot.
///
/// Narrower than RFC 3986 section 3.2.2 on purpose: names have letters, digits, `-`, `_` and `.`,
/// no empty labels; addresses in brackets are IPv6. Nothing else can be routed by.
pub(super) fn read_authority(authority: &[u8], host: &mut Vec<u8>) -> Result<(), RequestError> {
    host.clear();
    if authority.contains(&b'@') {
        return Err(RequestError::UserInfo);
    }
    let host_end = match authority {
        [b'[', ..] => memchr::memchr(b']', authority).map(|at| at + 1),
        _ => memchr::memchr(b':', authority),
    };
    let (name, port) = authority.split_at(host_end.unwrap_or(authority.len()));
    if !is_port(port) {
        return Err(RequestError::HostInvalid);
    }
    if name.first() == Some(&b'[') {
        check_ipv6(name)?;
        host.extend(name.iter().map(u8::to_ascii_lowercase));
        return Ok(());
    }
    read_name(name.strip_suffix(b".").unwrap_or(name), host)
}

/// Empty, or `:` and a number of 16 bits; `:` alone is allowed by RFC 3986 section 3.2.3.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0'))
                    <= u32::from(u16::MAX)
        }
        _ => false,
    }
}

fn check_ipv6(literal: &[u8]) -> Result<(), RequestError> {
    let inner = literal.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let text = inner.and_then(|inner| str::from_utf8(inner).ok());
    match text.map(str::parse::<Ipv6Addr>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(RequestError::HostInvalid),
    }
}

fn read_name(name: &[u8], host: &mut Vec<u8>) -> Result<(), RequestError> {
    if name.len() > HOST_BYTES_MAX {
        return Err(RequestError::HostInvalid);
    }
    let mut before = b'.';
    for byte in name {
        let is_label = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !is_label && (*byte != b'.' || before == b'.') {
            return Err(RequestError::HostInvalid);
        }
        before = *byte;
        host.push(byte.to_ascii_lowercase());
    }
    // Also refuses an empty name.
    if before == b'.' { Err(RequestError::HostInvalid) } else { Ok(()) }
}

/// Appends the normal form of `raw` to the empty `path`, and tells whether it differs from `raw`.
///
/// Percent-encoded unreserved characters are decoded once, then dot segments are removed.
/// Everything else stays: repeated slashes, the case of hexadecimal digits, `%2F`. The result of
/// normalising twice is that of doing it once. An empty path becomes `/`.
///
/// # Errors
/// The client's fault: [`RequestError::TargetEncoding`], [`RequestError::TargetAboveRoot`],
/// [`RequestError::TargetForm`] if it does not begin with a slash.
///
/// Source: RFC 3986 sections 5.2.4 and 6.2.2.
pub fn normalise_path(raw: &[u8], path: &mut Vec<u8>) -> Result<bool, RequestError> {
    if raw.is_empty() {
        path.push(b'/');
        return Ok(true);
    }
    if raw.first() != Some(&b'/') {
        return Err(RequestError::TargetForm);
    }
    if is_plain(raw) {
        path.extend_from_slice(raw);
        return Ok(false);
    }
    let mut writer = PathWriter { path, segment: 0 };
    let mut rest = raw;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'/' => writer.begin_segment()?,
            b'%' => {
                let (octet, behind) = decode(behind)?;
                if is_unreserved(octet) {
                    writer.path.push(octet);
                } else {
                    let digits = rest.get(..2).unwrap_or_default();
                    writer.path.push(b'%');
                    writer.path.extend_from_slice(digits);
                }
                rest = behind;
            }
            _ => writer.path.push(*byte),
        }
    }
    writer.end_segment()?;
    Ok(path.as_slice() != raw)
}

/// Whether nothing in `raw` can need a change: no `%`, no segment that begins with a dot.
fn is_plain(raw: &[u8]) -> bool {
    memchr::memchr2_iter(b'%', b'.', raw).all(|at| {
        let before = at.checked_sub(1).and_then(|before| raw.get(before));
        raw.get(at) == Some(&b'.') && before != Some(&b'/')
    })
}

struct PathWriter<'a> {
    path: &'a mut Vec<u8>,
    /// Where the current segment begins, behind its slash; 0 before the first.
    segment: usize,
}

impl PathWriter<'_> {
    fn begin_segment(&mut self) -> Result<(), RequestError> {
        // A dot segment that ended here took the slash before it as its own.
        if self.segment == 0 || !self.end_segment()? {
            self.path.push(b'/');
            self.segment = self.path.len();
        }
        Ok(())
    }

    /// Removes the current segment if it is `.`, with its parent if it is `..`. The path then ends
    /// in the slash before, and the result is true.
    fn end_segment(&mut self) -> Result<bool, RequestError> {
        match self.path.get(self.segment..).unwrap_or_default() {
            b"." => {}
            b".." => {
                // Each byte looked at here is removed: the work stays linear.
                let parents = self.path.get(..self.segment.saturating_sub(1)).unwrap_or_default();
                let slash = memchr::memrchr(b'/', parents).ok_or(RequestError::TargetAboveRoot)?;
                self.segment = slash + 1;
            }
            _ => return Ok(false),
        }
        self.path.truncate(self.segment);
        Ok(true)
    }
}

/// Reads the two digits behind `%`; gives the octet and what follows.
fn decode(digits: &[u8]) -> Result<(u8, &[u8]), RequestError> {
    let [high, low, rest @ ..] = digits else {
        return Err(RequestError::TargetEncoding);
    };
    let digit = |byte: u8| (byte as char).to_digit(16);
    let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
        return Err(RequestError::TargetEncoding);
    };
    match u8::try_from(high << 4 | low) {
        Ok(octet) if octet != 0 => Ok((octet, rest)),
        _ => Err(RequestError::TargetEncoding),
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
