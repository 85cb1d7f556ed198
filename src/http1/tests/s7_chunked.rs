//! Section 7: the chunked coding, and section 8: incomplete messages.

use crate::http1::body::{BodyDecoder, Decoded, Sender};
use crate::http1::error::BodyError;
use crate::http1::framing::BodyLength;
use crate::limits::{
    CHUNK_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, CHUNK_EXTENSIONS_BYTES_MAX, TRAILER_BYTES_MAX,
};

/// Octets, trailers, and what is left of the input; in one piece and byte by byte.
fn decode(sender: Sender, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>, usize), BodyError> {
    let whole = decode_by(bytes.len().max(1), sender, bytes);
    assert_eq!(decode_by(1, sender, bytes), whole, "byte by byte");
    whole
}

fn decode_by(
    piece: usize,
    sender: Sender,
    bytes: &[u8],
) -> Result<(Vec<u8>, Vec<u8>, usize), BodyError> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, sender);
    let mut body = Vec::new();
    let mut consumed = 0;
    for piece in bytes.chunks(piece) {
        let mut buf = piece.to_vec();
        let decoded = decoder.decode(&mut buf)?;
        body.extend_from_slice(&buf[..decoded.body]);
        consumed += decoded.consumed;
        if decoder.is_done() {
            break;
        }
    }
    Ok((body, decoder.finish()?.into_trailers(), bytes.len() - consumed))
}

#[track_caller]
fn check(bytes: &[u8], body: &[u8], trailers: &[u8], left: usize) {
    for sender in [Sender::Client, Sender::Upstream] {
        let expected = Ok((body.to_vec(), trailers.to_vec(), left));
        assert_eq!(decode(sender, bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[track_caller]
fn refused(bytes: &[u8], error: BodyError) {
    for sender in [Sender::Client, Sender::Upstream] {
        assert_eq!(decode(sender, bytes), Err(error), "{sender:?} {}", bytes.escape_ascii());
    }
}

#[test]
fn chunks_are_joined_up_to_the_last_one() {
    check(b"0\r\n\r\n", b"", b"", 0);
    check(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", b"", 0);
    check(b"00A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b"", 0);
    check(b"9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n\r\n", b"", 0);
}

#[test]
fn the_next_message_is_not_touched() {
    check(b"1\r\na\r\n0\r\n\r\nGET /", b"a", b"", 5);
    let mut buf = *b"3\r\nabc\r\n0\r\n\r\nGET /";
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Client);
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded { body: 3, consumed: 13 }));
    assert_eq!((&buf[..3], &buf[13..]), (&b"abc"[..], &b"GET /"[..]));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded { body: 0, consumed: 0 }));
}

#[test]
fn sizes_are_1_to_16_hexadecimal_digits() {
    check(b"0000000000000001\r\na\r\n0\r\n\r\n", b"a", b"", 0);
    for size in ["", "+5", "-1", "0x5", "5h", "g", "5,5", " 5", "\t5", "00000000000000001"] {
        refused(format!("{size}\r\nhello\r\n0\r\n\r\n").as_bytes(), BodyError::ChunkSize);
    }
    refused(b";a=b\r\nhello\r\n0\r\n\r\n", BodyError::ChunkSize);
    refused(b"1\r\na\r\n\r\n0\r\n\r\n", BodyError::ChunkSize);
}

#[test]
fn sizes_have_a_limit() {
    let most = format!("{CHUNK_BYTES_MAX:x}\r\n");
    refused(most.as_bytes(), BodyError::Truncated);
    refused(format!("{:x}\r\n", CHUNK_BYTES_MAX + 1).as_bytes(), BodyError::ChunkTooLarge);
    refused(b"ffffffffffffffff\r\n", BodyError::ChunkTooLarge);
}

#[test]
fn lines_end_in_crlf_exactly() {
    refused(b"5\nhello\r\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\r\r\nhello\r\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\rhello\r\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\r\nhello\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\r\nhello0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\r\nhelloX\r\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"5\r\nhello\rX0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"4\r\nhello\r\n0\r\n\r\n", BodyError::ChunkLineEnd);
    refused(b"0\r\n\n", BodyError::Trailer);
}

#[test]
fn extensions_are_thrown_away() {
    check(b"5;a;b=c;d=\"e \xff\"\t\r\nhello\r\n0;x\r\n\r\n", b"hello", b"", 0);
    for byte in [0, b'\n', 0x0b, 0x1f, 0x7f] {
        let bytes = [b"5;a", &[byte][..], b"\r\nhello\r\n0\r\n\r\n"].concat();
        refused(&bytes, BodyError::ChunkExtension);
    }
}

#[test]
fn extensions_have_limits() {
    let chunk = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes - 1));
    let lines = CHUNK_EXTENSIONS_BYTES_MAX / CHUNK_EXTENSION_BYTES_MAX;
    let most = chunk(CHUNK_EXTENSION_BYTES_MAX).repeat(lines);
    check(format!("{most}0\r\n\r\n").as_bytes(), "a".repeat(lines).as_bytes(), b"", 0);
    refused(format!("{most}0;\r\n\r\n").as_bytes(), BodyError::ChunkExtensionTooLong);
    let over = chunk(CHUNK_EXTENSION_BYTES_MAX + 1);
    refused(over.as_bytes(), BodyError::ChunkExtensionTooLong);
}

/// RFC 9112 section 7.1.1 has blanks around `;` and `=`, and none at the end of the line.
#[test]
fn blanks_are_taken_around_extensions() {
    for line in ["1 ;a", "1 \t;a", "1; a", "1;a =b", "1;a= b", "1 ; a\t=\t\"b c\" ; d", "1;a=b "] {
        let bytes = format!("{line}\r\na\r\n0 ;e = f\r\n\r\n");
        check(bytes.as_bytes(), b"a", b"", 0);
    }
    for line in ["1 ;a\r", "1 ;a\n", "1 ;a=\"b\rc\"", "1 ;a=\"b\nc\"", "1;\0"] {
        let bytes = format!("{line}b\r\na\r\n0\r\n\r\n");
        assert!(decode(Sender::Client, bytes.as_bytes()).is_err(), "{line:?}");
        assert!(decode(Sender::Upstream, bytes.as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn blanks_at_the_end_of_a_size_line_are_tolerated_from_upstreams_only() {
    for bytes in [&b"1  \r\na\r\n0 \r\n\r\n"[..], b"1\t\r\na\r\n0\r\n\r\n"] {
        assert_eq!(decode(Sender::Client, bytes), Err(BodyError::ChunkSize));
        assert_eq!(decode(Sender::Upstream, bytes), Ok((b"a".to_vec(), Vec::new(), 0)));
    }
    refused(b"1 =a\r\na\r\n0\r\n\r\n", BodyError::ChunkSize);
    refused(b"1 1\r\na\r\n0\r\n\r\n", BodyError::ChunkSize);
    let padded = format!("1{}\r\n", " ".repeat(CHUNK_EXTENSION_BYTES_MAX + 1));
    let result = decode(Sender::Upstream, padded.as_bytes());
    assert_eq!(result, Err(BodyError::ChunkExtensionTooLong));
}

#[test]
fn trailers_are_kept_unless_they_belong_into_the_head() {
    check(b"0\r\nGrpc-Status: 0\r\nX:\r\n\r\nGET", b"", b"Grpc-Status: 0\r\nX:\r\n", 3);
    let bytes = b"1\r\na\r\n0\r\nContent-Length: 5\r\nA: b\r\nTransfer-Encoding: chunked\r\n\
        host: x\r\nX-Forwarded-For: y\r\nAuthorization: z\r\nC: d\r\nA_B: c\r\n\r\n";
    check(bytes, b"a", b"A: b\r\nC: d\r\n", 0);
}

#[test]
fn malformed_trailers_are_refused() {
    for line in
        [&b"A"[..], b": b", b"A : b", b" A: b", b"A: b\r\n c", b"A: \0", b"A: b\rc", b"A: \x7f"]
    {
        let bytes = [b"0\r\n", line, b"\r\n\r\n"].concat();
        refused(&bytes, BodyError::Trailer);
    }
    refused(b"0\r\nA: b\nC: d\r\n\r\n", BodyError::Trailer);
}

#[test]
fn trailers_have_a_limit() {
    let section = |bytes: usize| format!("A: {}\r\n\r\n", "b".repeat(bytes - 7)).into_bytes();
    let most = section(TRAILER_BYTES_MAX);
    let bytes = [b"0\r\n", &most[..]].concat();
    check(&bytes, b"", &most[..most.len() - 2], 0);
    let bytes = [b"0\r\n", &section(TRAILER_BYTES_MAX + 1)[..]].concat();
    refused(&bytes, BodyError::TrailerTooLarge);
    // Dropped lines count too.
    let bytes = [b"0\r\n", &b"Host: a\r\n".repeat(TRAILER_BYTES_MAX / 9 + 1)[..]].concat();
    refused(&bytes, BodyError::TrailerTooLarge);
}

#[test]
fn an_incomplete_chunked_body_is_truncated() {
    let bytes = b"5;a\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for len in 0..bytes.len() {
        refused(&bytes[..len], BodyError::Truncated);
    }
}
