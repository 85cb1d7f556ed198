//! Looks for pseudo-fields that no response may have, which h2 drops without a word.
//!
//! ```text
//!  octets of the backend ─┬─▶ Screen ─▶ streams whose response is malformed
//!                         └─▶ h2
//! ```
//!
//! Errors of frames and of HPACK are left to h2, which ends the connection for them.
//!
//! Source: RFC 9113 sections 8.1, 8.1.1 and 8.3.

use super::frame::{FRAME_HEAD_BYTES, Frame, FrameHead, kind};
use super::hpack::{Decoder, FieldList};

/// What came on a stream that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// The head; another block is trailers.
    Head,
    Malformed,
}

/// Follows what one backend sends on one connection.
#[derive(Debug, Default)]
pub struct Screen {
    decoder: Decoder,
    /// The block under way.
    list: FieldList,
    /// A frame of fields, or the head of any, that is not all there.
    partial: Vec<u8>,
    /// Octets of a payload without fields that are to come.
    skip: usize,
    /// Nothing can be said any more.
    is_lost: bool,
    streams: Vec<(u32, Progress)>,
}

impl Screen {
    /// A response is waited for on this stream.
    pub fn expect(&mut self, id: u32) {
        self.streams.push((id, Progress::Nothing));
    }

    /// It is not any more.
    pub fn forget(&mut self, id: u32) {
        self.streams.retain(|(other, _)| *other != id);
    }

    /// Whether the response is not to be passed on, as far as it came; h2 may be behind.
    #[must_use]
    pub fn is_malformed(&self, id: u32) -> bool {
        self.is_lost || self.streams.contains(&(id, Progress::Malformed))
    }

    /// Takes in octets, split anywhere, before h2 does.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() && !self.is_lost {
            if self.skip > 0 {
                let count = self.skip.min(rest.len());
                self.skip -= count;
                rest = rest.get(count..).unwrap_or_default();
            } else if self.partial.is_empty() {
                let count = self.frame(rest);
                if count == 0 {
                    return self.partial.extend_from_slice(rest);
                }
                rest = rest.get(count..).unwrap_or_default();
            } else {
                let (part, behind) = rest.split_at(self.missing().min(rest.len()));
                rest = behind;
                let mut partial = std::mem::take(&mut self.partial);
                partial.extend_from_slice(part);
                if self.frame(&partial) == 0 {
                    self.partial = partial;
                }
            }
        }
    }

    /// Octets that the partial frame lacks, or its head.
    fn missing(&self) -> usize {
        let Some((head, rest)) = self.partial.split_first_chunk::<FRAME_HEAD_BYTES>() else {
            return FRAME_HEAD_BYTES - self.partial.len();
        };
        (FrameHead::read(*head).len as usize).saturating_sub(rest.len())
    }

    /// Reads the first frame, or its head if it has no fields; gives the octets, 0 if they are not
    /// all there.
    fn frame(&mut self, octets: &[u8]) -> usize {
        let Some((head, rest)) = octets.split_first_chunk::<FRAME_HEAD_BYTES>() else { return 0 };
        let head = FrameHead::read(*head);
        let len = head.len as usize;
        if !matches!(head.kind, kind::HEADERS | kind::CONTINUATION) {
            self.skip = len;
            return FRAME_HEAD_BYTES;
        }
        if head.check_len().is_err() {
            self.is_lost = true;
            return octets.len();
        }
        let Some(payload) = rest.get(..len) else { return 0 };
        match Frame::read(head, payload) {
            Ok(Frame::Headers { stream, fragment, is_whole, .. }) => {
                self.list.clear();
                self.fragment(stream, fragment, is_whole);
            }
            Ok(Frame::Continuation { stream, fragment, is_whole }) => {
                self.fragment(stream, fragment, is_whole);
            }
            _ => self.is_lost = true,
        }
        FRAME_HEAD_BYTES + len
    }

    fn fragment(&mut self, id: u32, fragment: &[u8], is_whole: bool) {
        if self.decoder.decode(fragment, is_whole, &mut self.list).is_err() {
            self.is_lost = true;
        }
        if !is_whole {
            return;
        }
        let pseudo = self.list.pseudo();
        if let Some((_, progress)) = self.streams.iter_mut().find(|(other, _)| *other == id) {
            *progress = match *progress {
                Progress::Nothing if pseudo.has_others => Progress::Malformed,
                Progress::Nothing if pseudo.is_informational => Progress::Nothing,
                Progress::Head if pseudo.has_status || pseudo.has_others => Progress::Malformed,
                Progress::Nothing | Progress::Head => Progress::Head,
                Progress::Malformed => Progress::Malformed,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{flag, put_frame_head};
    use super::*;
    use crate::limits::FIELDS_MAX;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame_head(&mut out, payload.len(), kind, flags, stream);
        out.extend_from_slice(payload);
        out
    }

    /// Literals that enter the table.
    fn block(fields: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for field in fields {
            let (name, value) = field.rsplit_once('=').unwrap();
            out.push(0x40);
            for text in [name, value] {
                out.push(u8::try_from(text.len()).unwrap());
                out.extend_from_slice(text.as_bytes());
            }
        }
        out
    }

    fn headers(stream: u32, fields: &[&str]) -> Vec<u8> {
        frame(kind::HEADERS, flag::END_HEADERS, stream, &block(fields))
    }

    #[test]
    fn pseudo_fields_that_no_response_may_have_are_seen() {
        let early = headers(1, &[":status=103"]);
        let head = headers(1, &[":status=200", "x=1"]);
        let many = vec!["x=1"; FIELDS_MAX + 10];
        let rows: [(&str, Vec<Vec<u8>>, bool); 12] = [
            ("nothing", vec![], false),
            ("a response", vec![early, head.clone(), headers(1, &["t=1"])], false),
            ("a field of a request", vec![headers(1, &[":status=200", ":path=/"])], true),
            ("in front", vec![headers(1, &[":method=GET", ":status=200"])], true),
            ("of no kind", vec![headers(1, &[":status=200", ":x=1"])], true),
            (
                "before the response",
                vec![headers(1, &[":status=103", ":path=/"]), head.clone()],
                true,
            ),
            ("a status in trailers", vec![head.clone(), headers(1, &[":status=200"])], true),
            ("a path in trailers", vec![head.clone(), headers(1, &[":path=/", "t=1"])], true),
            ("many fields", vec![headers(1, &[&[":path=/"][..], &many[..]].concat())], true),
            ("another stream", vec![headers(3, &[":path=/"]), head], false),
            (
                "from the table",
                vec![headers(3, &[":path=/"]), frame(kind::HEADERS, flag::END_HEADERS, 1, &[0xbe])],
                true,
            ),
            (
                "in pieces and padded",
                vec![
                    frame(kind::DATA, 0, 3, &[kind::HEADERS; 40]),
                    frame(
                        kind::HEADERS,
                        flag::PADDED,
                        1,
                        &[&[2][..], &[0x40, 5], &[0, 0]].concat(),
                    ),
                    frame(kind::CONTINUATION, flag::END_HEADERS, 1, b":path\x01/"),
                ],
                true,
            ),
        ];
        for (name, frames, is_malformed) in rows {
            let octets = frames.concat();
            for step in [octets.len().max(1), 1, 7] {
                let mut screen = Screen::default();
                screen.expect(1);
                octets.chunks(step).for_each(|piece| screen.feed(piece));
                assert_eq!(screen.is_malformed(1), is_malformed, "{name}, {step} at a time");
                assert!(!screen.is_lost && screen.partial.is_empty(), "{name}");
                screen.forget(1);
                assert!(!screen.is_malformed(1) && screen.streams.is_empty());
            }
        }
    }

    /// h2 ends the connection; until then nothing passes.
    #[test]
    fn what_cannot_be_read_is_no_response() {
        let long = [0, 0x40, 1, kind::HEADERS, 0, 0, 0, 0, 1];
        let index = frame(kind::HEADERS, flag::END_HEADERS, 1, &[0xff, 0x40]);
        let nobody = frame(kind::HEADERS, flag::END_HEADERS, 0, &[]);
        for octets in [&long[..], &index, &nobody] {
            let mut screen = Screen::default();
            screen.expect(1);
            screen.feed(octets);
            screen.feed(&headers(1, &[":status=200"]));
            assert!(screen.is_malformed(1), "{octets:?}");
        }
    }
}
