//! Integers with a prefix of 1 to 8 bits, RFC 7541 section 5.1.

use super::error::HpackError;

/// Octets behind the first one that a value of 32 bits takes.
const MORE_MAX: usize = 5;

/// Reads an integer from the beginning of `input`: value and count of octets. `None`: it is not all
/// there.
///
/// # Errors
/// [`HpackError::Integer`].
#[inline]
pub(super) fn decode(input: &[u8], prefix_bits: u32) -> Result<Option<(u32, usize)>, HpackError> {
    let [first, rest @ ..] = input else { return Ok(None) };
    let full = full(prefix_bits);
    let value = first & full;
    if value < full { Ok(Some((u32::from(value), 1))) } else { decode_more(full, rest) }
}

fn decode_more(full: u8, rest: &[u8]) -> Result<Option<(u32, usize)>, HpackError> {
    let mut value = u64::from(full);
    for (at, octet) in rest.iter().take(MORE_MAX).enumerate() {
        // 35 bits at most: far from overflow.
        value += u64::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            let value = u32::try_from(value).or(Err(HpackError::Integer))?;
            return Ok(Some((value, at + 2)));
        }
    }
    if rest.len() < MORE_MAX { Ok(None) } else { Err(HpackError::Integer) }
}

/// Appends `value`; `pattern` has the bits above the prefix.
#[inline]
pub(super) fn encode(out: &mut Vec<u8>, pattern: u8, prefix_bits: u32, value: usize) {
    let full = full(prefix_bits);
    if value < usize::from(full) {
        out.push(pattern | low_octet(value));
        return;
    }
    out.push(pattern | full);
    let mut left = value - usize::from(full);
    while left >= 0x80 {
        out.push(0x80 | low_octet(left));
        left >>= 7;
    }
    out.push(low_octet(left));
}

#[expect(clippy::cast_possible_truncation, reason = "the low octet is what is wanted")]
const fn low_octet(value: usize) -> u8 {
    value as u8
}

const fn full(prefix_bits: u32) -> u8 {
    u8::MAX >> (8 - prefix_bits)
}
