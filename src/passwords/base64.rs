//! Groups of six bits as characters: as MIME has it, and as crypt does.

/// `.`, `/`, digits, letters: not the alphabet of MIME, and lowest bits first.
const CRYPT: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Appends the lowest `characters` groups of three octets, of which the first is the highest.
pub(super) fn put_crypt(out: &mut Vec<u8>, octets: [u8; 3], characters: usize) {
    let [a, b, c] = octets.map(u32::from);
    let mut bits = a << 16 | b << 8 | c;
    for _ in 0..characters {
        out.push(CRYPT[(bits & 63) as usize]);
        bits >>= 6;
    }
}

/// The value of a character of crypt.
pub(super) fn crypt_value(character: u8) -> Option<u8> {
    let index = CRYPT.iter().position(|known| *known == character)?;
    u8::try_from(index).ok()
}

/// Whether all of it is spelled so.
pub(super) fn is_crypt(text: &[u8]) -> bool {
    text.iter().all(|character| crypt_value(*character).is_some())
}

/// Decodes RFC 4648 section 4 into `room`, with all of its padding or none. `None`: it is no such
/// text, or longer than the room.
pub(super) fn decode<'r>(text: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    use base64ct::{Base64, Base64Unpadded, Encoding};
    match text.ends_with(b"=") {
        true => Base64::decode(text, room).ok(),
        false => Base64Unpadded::decode(text, room).ok(),
    }
}
