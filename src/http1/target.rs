//! Request targets: their parts, the host they name, the one normal form of a path, and what else a
//! backend could read into it.
//!
//! Rules match a path as ingress-nginx reads it ([`read_path`]); what is forwarded is the path as
//! it was sent. The normal form of RFC 3986 never decodes `%2F`, `%5C` or `%00`, and none of them
//! decodes twice. Backends may read as one, as the other, or do more: [`lax_path`] is what the
//! laxest one reads, so that a spelling cannot lead past a rule.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::error::RequestError;
use crate::limits::HOST_BYTES_MAX;

/// The forms of a request target that are served, RFC 9112 section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `*`, also the absolute form of OPTIONS without a path.
    Asterisk,
}

/// The parts of a target, in bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetParts {
    pub(super) form: TargetForm,
    /// Absolute form only.
    pub(super) authority: Option<Range<usize>>,
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
}

/// Whether `byte` may stand in a request target, of HTTP/1.1 and HTTP/2 alike: everything but
/// controls, blank and DEL, as nginx has it, and `#`.
///
/// More than a URI may hold on purpose: applications get raw UTF-8, `|` or `"` from their clients.
/// A fragment never leaves a client (RFC 9110 section 4.2.4), and readers would disagree about what
/// stands behind it.
#[must_use]
pub const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0x80..) && byte != b'#'
}

/// Appends `%` and the two digits of `octet`, in upper case (RFC 3986 section 2.1).
pub fn put_percent_encoded(out: &mut Vec<u8>, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let [high, low] = [octet >> 4, octet & 15].map(|half| DIGITS[usize::from(half)]);
    out.extend_from_slice(&[b'%', high, low]);
}

/// Appends `path`, a normal form, percent-decoded. What may not stand in a field value stays as it
/// is.
pub fn put_decoded(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        let decoded = if byte == b'%' { decode(behind).ok() } else { None };
        match decoded {
            Some((octet, behind)) if !octet.is_ascii_control() => {
                out.push(octet);
                rest = behind;
            }
            _ => {
                out.push(byte);
                rest = behind;
            }
        }
    }
}

/// Appends `text` with all but unreserved characters percent-encoded.
pub fn put_escaped(text: &[u8], out: &mut Vec<u8>) {
    for &octet in text {
        match is_unreserved(octet) {
            true => out.push(octet),
            false => put_percent_encoded(out, octet),
        }
    }
}

/// Splits the target of a request.
///
/// Shape: `target` has no blanks or control characters; the head parser saw to that.
///
/// Source: RFC 9112 section 3.2.
pub(super) fn split(target: &[u8], method: &[u8]) -> Result<TargetParts, RequestError> {
    // Without an early exit the loop becomes vector code.
    if target.iter().fold(false, |is_bad, byte| is_bad | !is_target_byte(*byte)) {
        return Err(RequestError::TargetCharacter);
    }
    if target == b"*" && method == b"OPTIONS" {
        let form = TargetForm::Asterisk;
        return Ok(TargetParts { form, authority: None, path: 0..1, query: None });
    }
    if target.first() == Some(&b'/') {
        let (path, query) = split_query(target, 0);
        return Ok(TargetParts { form: TargetForm::Origin, authority: None, path, query });
    }
    split_absolute(target, method)
}

fn split_absolute(target: &[u8], method: &[u8]) -> Result<TargetParts, RequestError> {
    let start = scheme_len(target).ok_or(RequestError::TargetForm)?;
    let rest = target.get(start..).unwrap_or_default();
    let end = start + memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let authority = start..end;
    let (path, query) = split_query(target, end);
    // RFC 9112 section 3.2.4: this is what `OPTIONS *` becomes on its way through a proxy.
    let is_asterisk = method == b"OPTIONS" && path.is_empty() && query.is_none();
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
///
/// # Errors
/// It is no `host[:port]`; who wrote it is at fault.
pub fn read_authority(authority: &[u8], host: &mut Vec<u8>) -> Result<(), RequestError> {
    host.clear();
    read_host_and_port(authority, host).map_err(|error| match authority.contains(&b'@') {
        true => RequestError::UserInfo,
        false => error,
    })
}

fn read_host_and_port(authority: &[u8], host: &mut Vec<u8>) -> Result<(), RequestError> {
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

/// Each octet that a name may have, in lower case; 0: it may not.
const NAME_OCTETS: [u8; 256] = {
    let mut octets = [0; 256];
    let mut octet: u8 = 0;
    while octet < 128 {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.') {
            octets[octet as usize] = octet.to_ascii_lowercase();
        }
        octet += 1;
    }
    octets
};

fn read_name(name: &[u8], host: &mut Vec<u8>) -> Result<(), RequestError> {
    if name.len() > HOST_BYTES_MAX {
        return Err(RequestError::HostInvalid);
    }
    host.resize(name.len(), 0);
    let mut before = b'.';
    for (place, byte) in host.iter_mut().zip(name) {
        *place = NAME_OCTETS[usize::from(*byte)];
        if *place == 0 || (*place == b'.' && before == b'.') {
            return Err(RequestError::HostInvalid);
        }
        before = *place;
    }
    // Also refuses an empty name.
    if before == b'.' { Err(RequestError::HostInvalid) } else { Ok(()) }
}

/// Appends the normal form of `raw` to the empty `path`, and tells whether it differs from `raw`.
///
/// Percent-encoded unreserved characters are decoded once, octets that are not ASCII become
/// percent-encodings in upper case, then dot segments are removed. Everything else stays: repeated
/// slashes, the case of other hexadecimal digits, `%2F`. What comes out is ASCII, and normalising
/// it again changes nothing. An empty path becomes `/`.
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
    while let Some((letter, behind)) = next_letter(rest)? {
        match letter {
            Letter::Plain(b'/') => writer.begin_segment()?,
            letter => writer.push(letter),
        }
        rest = behind;
    }
    writer.end_segment()?;
    Ok(path.as_slice() != raw)
}

/// Whether nothing in `raw` can need a change: ASCII alone, no `%`, no segment that begins with a
/// dot.
fn is_plain(raw: &[u8]) -> bool {
    raw.is_ascii()
        && memchr::memchr2_iter(b'%', b'.', raw).all(|at| {
            let before = at.checked_sub(1).and_then(|before| raw.get(before));
            raw.get(at) == Some(&b'.') && before != Some(&b'/')
        })
}

/// Whether [`lax_path`] can be another path than the normal form of `raw`.
///
/// PERF: asked of every request; most paths are done with after the first line.
pub(super) fn has_lax_reading(raw: &[u8]) -> bool {
    let pairs = raw.iter().zip(raw.get(1..).unwrap_or_default());
    raw.iter().fold(false, |is_odd, byte| is_odd | matches!(byte, b'\\' | b';'))
        || pairs.fold(false, |is_odd, pair| is_odd | (pair == (&b'/', &b'/')))
        || memchr::memchr_iter(b'%', raw).any(|at| {
            matches!(
                raw.get(at + 1..at + 3),
                Some([b'2', b'f' | b'F'] | [b'5', b'c' | b'C'] | [b'3', b'b' | b'B'])
            )
        })
}

/// Appends to the empty `path` what the laxest backend may take `raw` for, and tells whether a
/// segment `..` was resolved on the way.
///
/// A backslash and the coded forms of both slashes end a segment, repeated slashes are one, and
/// what follows a semicolon in a segment is no part of it. The rest is as in [`normalise_path`].
/// Real backends do some of this each: Tomcat drops parameters, IIS turns backslashes, nginx and
/// Apache merge slashes and decode them.
///
/// # Errors
/// As [`normalise_path`], which `raw` has passed; [`RequestError::TargetAboveRoot`] here means that
/// such a backend would leave its root.
pub fn lax_path(raw: &[u8], path: &mut Vec<u8>) -> Result<bool, RequestError> {
    let mut writer = PathWriter { path, segment: 0 };
    let mut is_parameter = false;
    let mut climbs = false;
    let mut rest = raw;
    while let Some((letter, behind)) = next_letter(rest)? {
        match letter.octet() {
            b'/' | b'\\' => {
                climbs |= writer.is_parent();
                writer.begin_lax_segment()?;
                is_parameter = false;
            }
            b';' => is_parameter = true,
            _ if is_parameter => {}
            _ => writer.push(letter),
        }
        rest = behind;
    }
    climbs |= writer.is_parent();
    writer.end_segment()?;
    Ok(climbs)
}

/// How a path is read, percent-decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As rules do, and ingress-nginx: a coded slash is a slash, and repeated ones are one.
    Rules,
    /// To the letter: a coded slash is none and stays coded, and between two slashes is an empty
    /// segment.
    Strict,
}

/// Appends to the empty `path` how `raw` is read, which [`normalise_path`] took.
///
/// # Errors
/// As [`normalise_path`]; a path that it took may all the same lead above the root by another
/// reading.
pub fn read_path(raw: &[u8], reading: Reading, path: &mut Vec<u8>) -> Result<(), RequestError> {
    let mut writer = PathWriter { path, segment: 0 };
    let mut rest = raw;
    while let Some((letter, behind)) = next_letter(rest)? {
        match (letter, letter.octet(), reading) {
            (_, b'/', Reading::Rules) => writer.begin_lax_segment()?,
            (Letter::Plain(_), b'/', Reading::Strict) => writer.begin_segment()?,
            (_, b'/', Reading::Strict) => writer.path.extend_from_slice(b"%2F"),
            (_, octet, _) => writer.path.push(octet),
        }
        rest = behind;
    }
    writer.end_segment()?;
    Ok(())
}

/// One octet of a path, and how the normal form shows it.
#[derive(Debug, Clone, Copy)]
enum Letter<'a> {
    /// As it is.
    Plain(u8),
    /// `%` and these two digits.
    Coded(u8, &'a [u8]),
    /// `%` and two digits of ours: not ASCII.
    Foreign(u8),
}

impl Letter<'_> {
    const fn octet(self) -> u8 {
        match self {
            Self::Plain(octet) | Self::Coded(octet, _) | Self::Foreign(octet) => octet,
        }
    }
}

/// The first octet of `path`, percent-decoded, and what follows; `None` at the end.
fn next_letter(path: &[u8]) -> Result<Option<(Letter<'_>, &[u8])>, RequestError> {
    let [byte, rest @ ..] = path else { return Ok(None) };
    if *byte != b'%' {
        let is_ascii = byte.is_ascii();
        let letter = if is_ascii { Letter::Plain(*byte) } else { Letter::Foreign(*byte) };
        return Ok(Some((letter, rest)));
    }
    let (octet, behind) = decode(rest)?;
    let letter = if is_unreserved(octet) {
        Letter::Plain(octet)
    } else if octet.is_ascii() {
        Letter::Coded(octet, rest.get(..2).unwrap_or_default())
    } else {
        Letter::Foreign(octet)
    };
    Ok(Some((letter, behind)))
}

struct PathWriter<'a> {
    path: &'a mut Vec<u8>,
    /// Where the current segment begins, behind its slash; 0 before the first.
    segment: usize,
}

impl PathWriter<'_> {
    fn push(&mut self, letter: Letter<'_>) {
        match letter {
            Letter::Plain(octet) => self.path.push(octet),
            Letter::Coded(_, digits) => {
                self.path.push(b'%');
                self.path.extend_from_slice(digits);
            }
            Letter::Foreign(octet) => put_percent_encoded(self.path, octet),
        }
    }

    fn is_parent(&self) -> bool {
        self.path.get(self.segment..) == Some(b"..")
    }

    /// Like [`Self::begin_segment`], but an empty segment is none.
    fn begin_lax_segment(&mut self) -> Result<(), RequestError> {
        if self.segment == 0 || self.path.len() > self.segment {
            self.begin_segment()?;
        }
        Ok(())
    }

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
