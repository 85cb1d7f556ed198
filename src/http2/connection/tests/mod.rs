//! Connections of both roles, fed with frames.

mod client;
mod peers;
mod server;

use super::super::follows::Follows;
use super::super::frame::{ErrorCode, FRAME_HEAD_BYTES, FrameHead, flag, kind, put_frame_head};
use super::super::hpack::{Decoder, FieldList, put_field};
use crate::limits::HTTP2_FRAME_BYTES_MAX;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame_head(&mut frame, payload.len(), kind, flags, stream);
    frame.extend_from_slice(payload);
    frame
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        put_field(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

/// A block in as many frames as it takes.
fn frames_of(block: &[u8], flags: u8, stream: u32) -> Vec<u8> {
    let mut pieces = block.chunks(HTTP2_FRAME_BYTES_MAX as usize).peekable();
    let (mut begun, mut frames) = ((kind::HEADERS, flags), Vec::new());
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        frames.extend(frame(begun.0, begun.1 | last, stream, piece));
        begun = (kind::CONTINUATION, 0);
    }
    frames
}

fn data(stream: u32, octets: &[u8], flags: u8) -> Vec<u8> {
    frame(kind::DATA, flags, stream, octets)
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn setting_of(identifier: u16, value: u32) -> Vec<u8> {
    let payload = [&identifier.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(kind::SETTINGS, 0, 0, &payload)
}

fn nothing() -> std::iter::Empty<(&'static [u8], &'static [u8])> {
    std::iter::empty()
}

/// What a peer finds in our octets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Head(u32, String, bool),
    Data(u32, usize, bool),
    Reset(u32, u32),
    Goaway(u32, u32),
    Update(u32, u32),
    Settings,
    SettingsAck,
    Ping([u8; 8], bool),
}

/// Name, octets, what the peer sees.
type Row<'a> = (&'a str, Vec<u8>, Result<&'a [Seen], ErrorCode>);

#[track_caller]
fn run(check: fn(&str, &[u8], Result<&[Seen], ErrorCode>), rows: &[Row<'_>]) {
    for (name, octets, expected) in rows {
        check(name, octets, *expected);
    }
}

/// A peer's view of a connection.
#[derive(Default)]
struct View {
    decoder: Decoder,
    block: FieldList,
}

impl View {
    /// Takes our octets in.
    fn seen(&mut self, out: &[u8]) -> Vec<Seen> {
        let mut rest = out;
        let mut seen = Vec::new();
        let mut block: Option<(u32, bool)> = None;
        while let Some((head, behind)) = rest.split_first_chunk::<FRAME_HEAD_BYTES>() {
            let head = FrameHead::read(*head);
            assert!(head.len <= HTTP2_FRAME_BYTES_MAX, "{head:?}");
            let (payload, behind) = behind.split_at(head.len as usize);
            rest = behind;
            let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            let is_end = head.flags & flag::END_STREAM != 0;
            assert!(block.is_none() || head.kind == kind::CONTINUATION, "{head:?} inside a block");
            match head.kind {
                kind::HEADERS | kind::CONTINUATION => {
                    let (stream, is_end) = *block.get_or_insert((head.stream, is_end));
                    assert_eq!(stream, head.stream);
                    let follows = Follows::read(head.flags, flag::END_HEADERS);
                    self.decoder.decode(payload, follows, &mut self.block).unwrap();
                    if follows == Follows::Nothing {
                        let text = lines(&self.block);
                        self.block.clear();
                        seen.push(Seen::Head(stream, text, is_end));
                        block = None;
                    }
                }
                kind::DATA => seen.push(Seen::Data(head.stream, payload.len(), is_end)),
                kind::RST_STREAM => seen.push(Seen::Reset(head.stream, word(0))),
                kind::GOAWAY => seen.push(Seen::Goaway(word(0), word(4))),
                kind::WINDOW_UPDATE => seen.push(Seen::Update(head.stream, word(0))),
                kind::SETTINGS if head.flags & flag::ACK != 0 => seen.push(Seen::SettingsAck),
                kind::SETTINGS => seen.push(Seen::Settings),
                kind::PING => seen.push(Seen::Ping(payload.try_into().unwrap(), is_end)),
                other => panic!("a frame of type {other}"),
            }
        }
        assert!(rest.is_empty(), "half a frame");
        seen
    }
}

fn lines(list: &FieldList) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    list.iter().map(|(name, value)| format!("{}: {}\n", text(name), text(value))).collect()
}
