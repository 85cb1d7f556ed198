//! Fields to field blocks: names of the static table as indices, everything else as literals. It
//! keeps no table, so that no field of one response tells anything about another one (RFC 7541
//! section 7.1) and a connection costs no memory for it.

use super::{huffman, integer, statics};
use crate::limits::HTTP2_HEADER_TABLE_BYTES_MAX;

/// Writes the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Encoder {
    /// What the peer thinks the table may hold.
    size_max: u32,
    /// To be said at the beginning of the next block.
    update: Option<u32>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder before any SETTINGS of the peer.
    #[must_use]
    pub const fn new() -> Self {
        Self { size_max: HTTP2_HEADER_TABLE_BYTES_MAX, update: None }
    }

    /// Follows SETTINGS_HEADER_TABLE_SIZE. Only a smaller table has to be acknowledged (RFC 7541
    /// section 4.2); more room is not asked for.
    pub const fn limit(&mut self, size_max: u32) {
        if size_max < self.size_max {
            self.size_max = size_max;
            self.update = Some(size_max);
        }
    }

    /// Begins a block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(size) = self.update.take() {
            integer::encode(out, 0x20, 5, size as usize);
        }
    }
}

/// Octets of literals that are worth the coding.
const WORTH_CODING: usize = 64;

/// Of `:status`, with whatever value.
const STATUS_INDEX: usize = 8;

/// Appends `:status`, three digits.
pub fn put_status(out: &mut Vec<u8>, status: u16) {
    if let Some(index) = statics::find_status(status) {
        return integer::encode(out, 0x80, 7, index);
    }
    integer::encode(out, 0, 4, STATUS_INDEX);
    put_text(out, [status / 100, status / 10 % 10, status % 10].map(digit).into_iter(), 3);
}

const fn digit(value: u16) -> u8 {
    b'0' + (value % 10) as u8
}

/// What a request asks for, as RFC 9113 section 8.3.1 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTarget<'t> {
    /// A token.
    pub method: &'t [u8],
    /// `http` or `https`.
    pub scheme: &'t [u8],
    /// `None`: it is not known.
    pub authority: Option<&'t [u8]>,
    /// With the query.
    pub path: &'t [u8],
}

/// Appends the pseudo-fields of a request.
pub fn put_target(out: &mut Vec<u8>, target: RequestTarget<'_>) {
    put_pseudo(out, 2, &[b"GET", b"POST"], target.method);
    put_pseudo(out, 6, &[b"http", b"https"], target.scheme);
    if let Some(authority) = target.authority {
        put_pseudo(out, 1, &[], authority);
    }
    put_pseudo(out, 4, &[b"/"], target.path);
}

/// Appends the field that `index` names with one of its values in the table, which begin there, or
/// with another one.
fn put_pseudo(out: &mut Vec<u8>, index: usize, known: &[&[u8]], value: &[u8]) {
    if let Some(at) = known.iter().position(|known| *known == value) {
        return integer::encode(out, 0x80, 7, index + at);
    }
    integer::encode(out, 0, 4, index);
    put_text(out, value.iter().copied(), value.len());
}

/// Appends a field; its name goes out in lower case.
pub fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if let Some(index) = statics::find_name(name) {
        integer::encode(out, 0, 4, index);
    } else {
        out.push(0);
        put_text(out, name.iter().map(u8::to_ascii_lowercase), name.len());
    }
    put_text(out, value.iter().copied(), value.len());
}

/// Appends a string literal, a long one in the shorter of its two forms.
///
/// PERF: on a short one Huffman's code costs ten times what the copy does, for a few octets less in
/// a segment that is sent all the same.
fn put_text(out: &mut Vec<u8>, text: impl Iterator<Item = u8> + Clone, len: usize) {
    let coded = if len < WORTH_CODING { len } else { huffman::encoded_len(text.clone()) };
    if coded < len {
        integer::encode(out, 0x80, 7, coded);
        huffman::encode(text, out);
    } else {
        integer::encode(out, 0, 7, len);
        out.extend(text);
    }
}
