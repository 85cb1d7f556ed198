//! Pieces of a body as they stand on a connection: framed in place.

use crate::http1::encode::CHUNK_HEAD_BYTES_MAX;
use crate::http1::reframe::Framing;
use crate::proxy::rt::buffer::Buffer;

/// Octets in front of a body buffer for the head of a chunk.
pub const HEADROOM: usize = CHUNK_HEAD_BYTES_MAX;

/// Frames the unread octets; with `last`, trailer lines, also the end of the body.
///
/// Shape: needs [`HEADROOM`] octets in front unless the buffer is empty.
pub fn frame(piece: &mut Buffer, framing: Framing, last: Option<&[u8]>) {
    let octets = piece.len();
    piece.prepend(framing.before(octets).as_bytes());
    framing.put_behind(piece.as_vec(), octets, last);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::reframe::Trailers;
    use crate::proxy::rt::buffer::Class;

    #[track_caller]
    fn check(body: &[u8], last: Option<&[u8]>, expected: &[u8]) {
        let mut buffer = Buffer::with_headroom(Class::Small, HEADROOM);
        buffer.as_vec().extend_from_slice(body);
        frame(&mut buffer, Framing::Chunked(Trailers::Kept), last);
        assert_eq!(buffer.unread(), expected);
    }

    #[test]
    fn chunks_are_framed_in_place() {
        check(b"hello", None, b"5\r\nhello\r\n");
        check(b"", None, b"");
        check(b"", Some(b""), b"0\r\n\r\n");
        check(b"hi", Some(b"a: b\r\n"), b"2\r\nhi\r\n0\r\na: b\r\n\r\n");
        let long = vec![b'x'; 4000];
        let mut expected = b"fa0\r\n".to_vec();
        expected.extend_from_slice(&long);
        expected.extend_from_slice(b"\r\n0\r\n\r\n");
        check(&long, Some(b""), &expected);
    }
}
