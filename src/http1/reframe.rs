//! How a message goes on to its receiver: length, coding, trailers and framing, all from one value.
//! The framing of the sender is never copied; what is known of the body is.
//!
//! Source: RFC 9110 sections 6.4.1, 6.5.1 and 8.6, RFC 9112 sections 6.1 and 7.1.

use super::encode::{CRLF, ChunkHead, LAST_CHUNK, put_decimal};
use super::framing::BodyLength;
use super::head::parts::Version;

/// What the framing of a response depends on. Its method is in `body`: HEAD has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Version of the request.
    pub version: Version,
    /// Status of the response.
    pub status: u16,
    /// How its body ends on the way in.
    pub body: BodyLength,
    /// What happens to its octets on the way.
    pub recoding: Recoding,
    /// Whether the client has use for trailers.
    pub trailers: Trailers,
}

/// What a coder does to the octets of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recoding {
    /// Nothing: what is known of the length holds.
    Untouched,
    /// Others come out, and nobody knows how many.
    Recoded,
}

/// Whether trailers go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trailers {
    /// The receiver can take them.
    Kept,
    /// It did not say that it can (RFC 9110 section 6.5.1).
    Dropped,
}

/// How the body goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none; a Content-Length of the sender (HEAD, 304) is kept.
    None,
    /// There is none and no length may be said (1xx, 204), or none is known (HEAD with a coder).
    Bodiless,
    /// As many octets.
    Known(u64),
    /// Chunked coding.
    Chunked(Trailers),
    /// Until close, for HTTP/1.0 clients.
    UntilClose,
}

impl Framing {
    /// That of a request, which goes on as it came.
    #[must_use]
    pub const fn of_request(body: BodyLength) -> Self {
        match body {
            BodyLength::None | BodyLength::UntilClose => Self::Bodiless,
            BodyLength::Known(length) => Self::Known(length),
            BodyLength::Chunked => Self::Chunked(Trailers::Kept),
        }
    }

    /// That of a response.
    #[must_use]
    pub const fn of_response(facts: ResponseFacts) -> Self {
        match (facts.body, facts.recoding) {
            (BodyLength::None, _) if facts.status == 204 || facts.status < 200 => Self::Bodiless,
            (BodyLength::None, Recoding::Recoded) => Self::Bodiless,
            (BodyLength::None, Recoding::Untouched) => Self::None,
            (BodyLength::Known(length), Recoding::Untouched) => Self::Known(length),
            _ => match facts.version {
                Version::Http10 => Self::UntilClose,
                Version::Http11 => Self::Chunked(facts.trailers),
            },
        }
    }

    /// Whether the sender's Content-Length is repeated.
    #[must_use]
    pub const fn keeps_length(self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the end of the connection is the end of the body, so that nothing else tells a
    /// whole body from one that was cut.
    #[must_use]
    pub const fn is_until_close(self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Appends the field line that says it, if one does.
    pub fn put_field(self, out: &mut Vec<u8>) {
        match self {
            Self::Known(length) => {
                out.extend_from_slice(b"Content-Length: ");
                put_decimal(out, length);
                out.extend_from_slice(CRLF);
            }
            Self::Chunked(_) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Self::None | Self::Bodiless | Self::UntilClose => {}
        }
    }

    /// What stands before a piece of `octets`.
    #[must_use]
    pub fn before(self, octets: usize) -> ChunkHead {
        match self {
            Self::Chunked(_) if octets > 0 => ChunkHead::new(octets),
            _ => ChunkHead::NONE,
        }
    }

    /// Appends what stands behind a piece of `octets`; `last`: it is the last one, and these are
    /// the trailer lines.
    pub fn put_behind(self, out: &mut Vec<u8>, octets: usize, last: Option<&[u8]>) {
        let Self::Chunked(trailers) = self else { return };
        if octets > 0 {
            out.extend_from_slice(CRLF);
        }
        match (last, trailers) {
            (None, _) => {}
            (Some(_), Trailers::Dropped) => out.extend_from_slice(LAST_CHUNK),
            (Some(lines), Trailers::Kept) => {
                out.extend_from_slice(b"0\r\n");
                out.extend_from_slice(lines);
                out.extend_from_slice(CRLF);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Framing::{Bodiless, Chunked, Known, UntilClose};
    use super::Recoding::{Recoded, Untouched};
    use super::Trailers::{Dropped, Kept};
    use super::*;
    use crate::http1::head::{HeadScan, RequestKind, ResponseHead, parse_response};

    /// Heads as upstreams send them, with the framing without and with a coder, for HTTP/1.1 and
    /// HTTP/1.0. `*`: chunked, with trailers where the client takes them.
    const STAR: Framing = Chunked(Kept);
    const RESPONSES: &[(&str, &str, [Framing; 4])] = &[
        ("GET", "200 OK\r\n", [STAR, STAR, UntilClose, UntilClose]),
        ("GET", "200 OK\r\nContent-Length: 5\r\n", [Known(5), STAR, Known(5), UntilClose]),
        ("GET", "200 OK\r\nContent-Length: 0\r\n", [Known(0), STAR, Known(0), UntilClose]),
        ("POST", "500 No\r\nContent-Length: 5\r\n", [Known(5), STAR, Known(5), UntilClose]),
        ("GET", "200 OK\r\nTransfer-Encoding: chunked\r\n", [STAR, STAR, UntilClose, UntilClose]),
        ("GET", "206 Part\r\nContent-Length: 9\r\n", [Known(9), STAR, Known(9), UntilClose]),
        ("HEAD", "200 OK\r\n", [Framing::None, Bodiless, Framing::None, Bodiless]),
        (
            "HEAD",
            "200 OK\r\nContent-Length: 5\r\n",
            [Framing::None, Bodiless, Framing::None, Bodiless],
        ),
        (
            "HEAD",
            "200 OK\r\nTransfer-Encoding: chunked\r\n",
            [Framing::None, Bodiless, Framing::None, Bodiless],
        ),
        (
            "GET",
            "304 Same\r\nContent-Length: 5\r\n",
            [Framing::None, Bodiless, Framing::None, Bodiless],
        ),
        ("GET", "204 Nothing\r\n", [Bodiless; 4]),
        ("GET", "204 Nothing\r\nContent-Length: 5\r\n", [Bodiless; 4]),
        ("HEAD", "204 Nothing\r\n", [Bodiless; 4]),
        ("GET", "103 Early\r\n", [Bodiless; 4]),
    ];

    fn head(method: &str, lines: &str) -> ResponseHead {
        let text = format!("HTTP/1.1 {lines}\r\n");
        let end = HeadScan::default().find_end(text.as_bytes()).expect("a head");
        let mut head = ResponseHead::default();
        let request = RequestKind { is_head: method == "HEAD" };
        parse_response(text.as_bytes(), end, request, &mut head).expect("a response");
        head
    }

    #[test]
    fn version_method_status_length_coder_and_trailers_decide() {
        let ways = [
            (Version::Http11, Untouched),
            (Version::Http11, Recoded),
            (Version::Http10, Untouched),
            (Version::Http10, Recoded),
        ];
        for (method, lines, expected) in RESPONSES {
            let ResponseHead { status, body, .. } = head(method, lines);
            for ((version, recoding), expected) in ways.into_iter().zip(*expected) {
                for trailers in [Kept, Dropped] {
                    let facts = ResponseFacts { version, status, body, recoding, trailers };
                    let expected = if expected == STAR { Chunked(trailers) } else { expected };
                    assert_eq!(Framing::of_response(facts), expected, "{method} {lines} {facts:?}");
                }
            }
        }
    }

    #[test]
    fn requests_go_on_as_they_came() {
        for (body, expected, field) in [
            (BodyLength::None, Bodiless, ""),
            (BodyLength::Known(0), Known(0), "Content-Length: 0\r\n"),
            (BodyLength::Known(7), Known(7), "Content-Length: 7\r\n"),
            (BodyLength::Chunked, Chunked(Kept), "Transfer-Encoding: chunked\r\n"),
        ] {
            let framing = Framing::of_request(body);
            let mut out = Vec::new();
            framing.put_field(&mut out);
            assert_eq!((framing, out.as_slice()), (expected, field.as_bytes()), "{body:?}");
        }
    }

    #[test]
    fn no_field_says_what_is_not_known() {
        for (framing, keeps_length, is_until_close) in
            [(Framing::None, true, false), (Bodiless, false, false), (UntilClose, false, true)]
        {
            let mut out = Vec::new();
            framing.put_field(&mut out);
            assert!(out.is_empty(), "{framing:?}");
            assert_eq!(framing.keeps_length(), keeps_length, "{framing:?}");
            assert_eq!(framing.is_until_close(), is_until_close, "{framing:?}");
        }
    }

    #[test]
    fn pieces_stand_between_size_and_crlf_only_where_they_are_chunks() {
        for (framing, piece, last, expected) in [
            (Chunked(Kept), "hello", None, "5\r\nhello\r\n"),
            (Chunked(Kept), "", None, ""),
            (Chunked(Kept), "", Some(""), "0\r\n\r\n"),
            (Chunked(Kept), "hi", Some("a: b\r\n"), "2\r\nhi\r\n0\r\na: b\r\n\r\n"),
            (Chunked(Dropped), "hi", Some("a: b\r\n"), "2\r\nhi\r\n0\r\n\r\n"),
            (Known(2), "hi", Some("a: b\r\n"), "hi"),
            (UntilClose, "hi", Some("a: b\r\n"), "hi"),
            (Bodiless, "", Some(""), ""),
        ] {
            let mut out = framing.before(piece.len()).as_bytes().to_vec();
            out.extend_from_slice(piece.as_bytes());
            framing.put_behind(&mut out, piece.len(), last.map(str::as_bytes));
            assert_eq!(out, expected.as_bytes(), "{framing:?} {piece}");
        }
    }
}
