//! Octets of protocol buffers: of what is sent what OTLP and Envoy's authorization need, of what
//! comes all.
//!
//! Source: Protocol Buffers, "Encoding".

/// Appends a number in seven bits an octet.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(low_octet(number) | 0x80);
        number >>= 7;
    }
    out.push(low_octet(number));
}

fn low_octet(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

fn put_key(out: &mut Vec<u8>, field: u32, wire_type: u64) {
    put_varint(out, u64::from(field) << 3 | wire_type);
}

/// Appends a field of an integer type, or of an enumeration.
pub fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    put_key(out, field, 0);
    put_varint(out, number);
}

/// Appends a field of type `fixed64`.
pub fn put_fixed64(out: &mut Vec<u8>, field: u32, number: u64) {
    put_key(out, field, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a field of type `fixed32`.
pub fn put_fixed32(out: &mut Vec<u8>, field: u32, number: u32) {
    put_key(out, field, 5);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a field of type `bytes`, or of type `string` from text.
pub fn put_octets(out: &mut Vec<u8>, field: u32, octets: &[u8]) {
    put_key(out, field, 2);
    put_varint(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// Appends a field of type `string` from octets that may be anything, cut to `bytes_max`: what is
/// no text becomes U+FFFD.
pub fn put_text(out: &mut Vec<u8>, field: u32, octets: &[u8], bytes_max: usize) {
    put_message(out, field, |out| {
        let end = out.len() + bytes_max;
        for chunk in octets.utf8_chunks() {
            let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            for char in chunk.valid().chars().chain(invalid) {
                if out.len() + char.len_utf8() > end {
                    return;
                }
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    });
}

/// Appends a field whose content `put` appends: a message, or a string.
pub fn put_message(out: &mut Vec<u8>, field: u32, put: impl FnOnce(&mut Vec<u8>)) {
    put_key(out, field, 2);
    let start = out.len();
    put(out);
    let content = out.len() - start;
    // PERF: behind the content, then turned round: no message has to be measured before.
    put_varint(out, content as u64);
    if let Some(turned) = out.get_mut(start..) {
        turned.rotate_left(content);
    }
}

/// A field of a message as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Of an integer type.
    Number(u64),
    /// A message, text or octets.
    Octets(&'a [u8]),
    /// Of a type with a fixed length.
    Fixed,
}

/// The fields of a message, in order; it ends where what follows cannot be understood.
pub fn fields(mut octets: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || take_field(&mut octets))
}

/// All fields of a message, in order; `None`: it cannot be understood to its end.
pub fn whole_message(mut octets: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !octets.is_empty() {
        fields.push(take_field(&mut octets)?);
    }
    Some(fields)
}

fn take_field<'a>(octets: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = take_varint(octets)?;
    let value = match key & 7 {
        0 => Value::Number(take_varint(octets)?),
        1 => take(octets, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(take_varint(octets)?).ok()?;
            Value::Octets(take(octets, length)?)
        }
        5 => take(octets, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, value))
}

fn take<'a>(octets: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = octets.split_at_checked(count)?;
    *octets = rest;
    Some(taken)
}

fn take_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let octet = take(octets, 1)?.first()?;
        number |= u64::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
