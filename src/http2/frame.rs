//! Frames of HTTP/2, sans-IO: heads and payloads read with every check that needs no state of the
//! connection, and frames of ours written.
//!
//! Source: RFC 9113 sections 4 and 6.

use super::follows::Follows;
use crate::limits::HTTP2_FRAME_BYTES_MAX;

/// Octets in front of each payload.
pub const FRAME_HEAD_BYTES: usize = 9;

/// Largest window, section 6.9.1.
pub const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Why a stream or a connection ends, section 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
#[repr(u32)]
pub enum ErrorCode {
    NoError = 0,
    ProtocolError = 1,
    InternalError = 2,
    FlowControlError = 3,
    StreamClosed = 5,
    FrameSizeError = 6,
    RefusedStream = 7,
    Cancel = 8,
    CompressionError = 9,
    EnhanceYourCalm = 11,
}

/// The type octets of section 6.
pub mod kind {
    #![expect(missing_docs, reason = "the names are those of the RFC")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flags of section 6.
pub mod flag {
    #![expect(missing_docs, reason = "the names are those of the RFC")]
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// What a malformed frame ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The connection.
    Connection(ErrorCode),
    /// The stream, if it is open.
    Stream(u32, ErrorCode),
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Octets of the payload.
    pub len: u32,
    /// Type.
    pub kind: u8,
    /// Those not defined for the type mean nothing.
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
}

impl FrameHead {
    /// Reads a head; the reserved bit is ignored.
    #[must_use]
    pub const fn read(octets: [u8; FRAME_HEAD_BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = octets;
        Self {
            len: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    /// Section 4.2, before the payload is waited for. All of it is an error of the connection, as
    /// is allowed for any frame: the octets of a stream's frame would have to be thrown away.
    ///
    /// # Errors
    /// FRAME_SIZE_ERROR.
    pub const fn check_len(&self) -> Result<(), FrameError> {
        if self.len > HTTP2_FRAME_BYTES_MAX {
            return Err(FrameError::Connection(ErrorCode::FrameSizeError));
        }
        Ok(())
    }

    const fn follows(&self, end: u8) -> Follows {
        Follows::read(self.flags, end)
    }

    fn parent(&self, [d0, rest @ ..]: [u8; 4]) -> Parent {
        let [d1, d2, d3] = rest;
        match word([d0 & 0x7f, d1, d2, d3]) == self.stream {
            true => Parent::Itself,
            false => Parent::Other,
        }
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What a deprecated priority makes a stream depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// Itself, which nobody may say.
    Itself,
    /// Another stream, or none.
    Other,
}

/// A frame in parsed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Octets of a body.
    Data {
        /// Not 0.
        stream: u32,
        /// Without padding.
        octets: &'a [u8],
        /// What it takes from the windows, padding included.
        flow: u32,
        /// Of the message: END_STREAM.
        follows: Follows,
    },
    /// The beginning of a field block.
    Headers {
        /// Not 0.
        stream: u32,
        /// Without padding and priority.
        fragment: &'a [u8],
        /// Of the message: END_STREAM.
        follows: Follows,
        /// What follows of the block: END_HEADERS.
        block: Follows,
        /// Of its priority.
        parent: Parent,
    },
    /// More of a field block.
    Continuation {
        /// Not 0.
        stream: u32,
        /// Octets.
        fragment: &'a [u8],
        /// What follows of the block: END_HEADERS.
        block: Follows,
    },
    /// Deprecated, and without effect.
    Priority {
        /// Not 0.
        stream: u32,
        /// What the stream would depend on.
        parent: Parent,
    },
    /// The peer gives a stream up.
    Reset {
        /// Not 0.
        stream: u32,
        /// Why; any number, see [`ErrorCode`].
        code: u32,
    },
    /// Values, each of six octets.
    Settings(&'a [u8]),
    /// Ours are known.
    SettingsAck,
    /// To be answered with the same octets.
    Ping([u8; 8]),
    /// The answer to ours.
    PingAck([u8; 8]),
    /// The peer wants no more streams.
    GoAway {
        /// Those above it were not and will not be looked at.
        last: u32,
    },
    /// More room for octets of ours.
    WindowUpdate {
        /// 0: for all streams together.
        stream: u32,
        /// Up to [`WINDOW_MAX`]; 0 is an error of whom it is for.
        increment: u32,
    },
    /// Of a type that is not known, to be ignored.
    Unknown,
}

const PROTOCOL: FrameError = FrameError::Connection(ErrorCode::ProtocolError);
const SIZE: FrameError = FrameError::Connection(ErrorCode::FrameSizeError);

impl<'a> Frame<'a> {
    /// Reads a payload, which has the length that its head says.
    ///
    /// # Errors
    /// What no peer may send whatever the state of the connection; nobody may push.
    pub fn read(head: FrameHead, payload: &'a [u8]) -> Result<Self, FrameError> {
        let stream = head.stream;
        let is_connection = stream == 0;
        match head.kind {
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::CONTINUATION
                if is_connection =>
            {
                Err(PROTOCOL)
            }
            kind::SETTINGS | kind::PING | kind::GOAWAY if !is_connection => Err(PROTOCOL),
            kind::DATA => {
                let octets = without_padding(head, payload)?;
                let follows = head.follows(flag::END_STREAM);
                Ok(Self::Data { stream, octets, flow: head.len, follows })
            }
            kind::HEADERS => Self::headers(head, payload),
            kind::CONTINUATION => {
                let block = head.follows(flag::END_HEADERS);
                Ok(Self::Continuation { stream, fragment: payload, block })
            }
            kind::PRIORITY => {
                let [d0, d1, d2, d3, _] = payload else {
                    return Err(FrameError::Stream(stream, ErrorCode::FrameSizeError));
                };
                let parent = head.parent([*d0, *d1, *d2, *d3]);
                Ok(Self::Priority { stream, parent })
            }
            kind::RST_STREAM => {
                let code = <[u8; 4]>::try_from(payload).or(Err(SIZE))?;
                Ok(Self::Reset { stream, code: word(code) })
            }
            kind::SETTINGS if head.has(flag::ACK) => {
                if payload.is_empty() {
                    Ok(Self::SettingsAck)
                } else {
                    Err(SIZE)
                }
            }
            kind::SETTINGS if payload.len().is_multiple_of(SETTING_BYTES) => {
                Ok(Self::Settings(payload))
            }
            kind::PUSH_PROMISE => Err(PROTOCOL),
            kind::PING => {
                let octets = <[u8; 8]>::try_from(payload).or(Err(SIZE))?;
                let is_ack = head.has(flag::ACK);
                Ok(if is_ack { Self::PingAck(octets) } else { Self::Ping(octets) })
            }
            kind::GOAWAY => {
                let [l0, l1, l2, l3, _, _, _, _, ..] = payload else { return Err(SIZE) };
                Ok(Self::GoAway { last: word([*l0 & 0x7f, *l1, *l2, *l3]) })
            }
            kind::WINDOW_UPDATE => {
                let [i0, i1, i2, i3] = payload else { return Err(SIZE) };
                let increment = word([*i0 & 0x7f, *i1, *i2, *i3]);
                Ok(Self::WindowUpdate { stream, increment })
            }
            kind::SETTINGS => Err(SIZE),
            _ => Ok(Self::Unknown),
        }
    }

    fn headers(head: FrameHead, payload: &'a [u8]) -> Result<Self, FrameError> {
        let mut fragment = without_padding(head, payload)?;
        let mut parent = Parent::Other;
        if head.has(flag::PRIORITY) {
            let [d0, d1, d2, d3, _, rest @ ..] = fragment else { return Err(SIZE) };
            parent = head.parent([*d0, *d1, *d2, *d3]);
            fragment = rest;
        }
        Ok(Self::Headers {
            stream: head.stream,
            fragment,
            follows: head.follows(flag::END_STREAM),
            block: head.follows(flag::END_HEADERS),
            parent,
        })
    }
}

const fn word(octets: [u8; 4]) -> u32 {
    u32::from_be_bytes(octets)
}

/// Section 6.1: one octet says how many follow the data.
fn without_padding(head: FrameHead, payload: &[u8]) -> Result<&[u8], FrameError> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(SIZE)?;
    let end = rest.len().checked_sub(usize::from(*padding)).ok_or(PROTOCOL)?;
    Ok(rest.get(..end).unwrap_or_default())
}

/// Of one value of SETTINGS: identifier and number.
pub(super) const SETTING_BYTES: usize = 6;

/// Identifiers and values of a SETTINGS payload, in order.
pub fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload.as_chunks::<SETTING_BYTES>().0.iter().map(|[i0, i1, v0, v1, v2, v3]| {
        (u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes([*v0, *v1, *v2, *v3]))
    })
}

/// The identifiers of section 6.5.2 and RFC 8441 section 3.
pub mod setting {
    #![expect(missing_docs, reason = "the names are those of the RFCs")]
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Appends the head of a frame of ours.
///
/// Shape: `len` is at most 2^24 - 1; all frames of ours are far smaller.
pub fn put_frame_head(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    let [_, l0, l1, l2] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]);
}

/// Appends RST_STREAM.
pub fn put_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    put_frame_head(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

/// Appends GOAWAY: streams above `last` were not and will not be looked at.
pub fn put_goaway(out: &mut Vec<u8>, last: u32, code: ErrorCode) {
    put_frame_head(out, 8, kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

/// Appends WINDOW_UPDATE; `stream` 0: for the connection.
pub fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_frame_head(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Appends PING.
pub fn put_ping(out: &mut Vec<u8>, flags: u8, octets: [u8; 8]) {
    put_frame_head(out, octets.len(), kind::PING, flags, 0);
    out.extend_from_slice(&octets);
}

#[cfg(test)]
mod tests {
    use super::ErrorCode::{FrameSizeError, ProtocolError};
    use super::FrameError::{Connection, Stream};
    use super::*;

    fn read(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<Frame<'_>, FrameError> {
        let mut octets = Vec::new();
        put_frame_head(&mut octets, payload.len(), kind, flags, stream);
        let mut head = [0; FRAME_HEAD_BYTES];
        head.copy_from_slice(&octets);
        head[5] |= 0x80;
        let head = FrameHead::read(head);
        assert_eq!((head.len as usize, head.kind, head.stream), (payload.len(), kind, stream));
        head.check_len()?;
        Frame::read(head, payload)
    }

    #[test]
    fn each_violation_has_its_code() {
        let protocol = Connection(ProtocolError);
        let size = Connection(FrameSizeError);
        let large = vec![0; HTTP2_FRAME_BYTES_MAX as usize + 1];
        let rows: &[(u8, u8, u32, &[u8], FrameError)] = &[
            (kind::DATA, 0, 0, b"x", protocol),
            (kind::DATA, flag::PADDED, 1, b"", size),
            (kind::DATA, flag::PADDED, 1, b"\x01", protocol),
            (kind::DATA, 0, 1, &large, size),
            (kind::HEADERS, 0, 0, b"x", protocol),
            (kind::HEADERS, flag::PADDED, 1, b"\x03xx", protocol),
            (kind::HEADERS, flag::PRIORITY, 1, b"\0\0\0\0", size),
            (kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, b"\x01\0\0\0\0\0", size),
            (kind::PRIORITY, 0, 0, &[0; 5], protocol),
            (kind::PRIORITY, 0, 1, &[0; 4], Stream(1, FrameSizeError)),
            (kind::RST_STREAM, 0, 0, &[0; 4], protocol),
            (kind::RST_STREAM, 0, 1, &[0; 5], size),
            (kind::SETTINGS, 0, 1, b"", protocol),
            (kind::SETTINGS, 0, 0, &[0; 5], size),
            (kind::SETTINGS, flag::ACK, 0, &[0; 6], size),
            (kind::PUSH_PROMISE, 0, 1, &[0; 8], protocol),
            (kind::PING, 0, 1, &[0; 8], protocol),
            (kind::PING, 0, 0, &[0; 7], size),
            (kind::GOAWAY, 0, 1, &[0; 8], protocol),
            (kind::GOAWAY, 0, 0, &[0; 7], size),
            (kind::WINDOW_UPDATE, 0, 0, &[0; 3], size),
            (kind::CONTINUATION, 0, 0, b"x", protocol),
            (0xff, 0, 0, &large, size),
        ];
        for (kind, flags, stream, payload, error) in rows {
            let found = read(*kind, *flags, *stream, payload);
            assert_eq!(found, Err(*error), "type {kind}, flags {flags:#x}, {} octets", {
                payload.len()
            });
        }
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        let data = read(kind::DATA, flag::PADDED | flag::END_STREAM, 1, b"\x02abc\0\0");
        assert_eq!(
            data,
            Ok(Frame::Data { stream: 1, octets: b"abc", flow: 6, follows: Follows::Nothing })
        );
        let all = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
        let (stream, fragment) = (3, &b"abc"[..]);
        let headers = |parent| {
            let (follows, block) = (Follows::More, Follows::Nothing);
            Ok(Frame::Headers { stream, fragment, follows, block, parent })
        };
        assert_eq!(
            read(kind::HEADERS, all, 3, b"\x01\x80\0\0\x01\xffabc\0"),
            headers(Parent::Other)
        );
        assert_eq!(
            read(kind::HEADERS, all, 3, b"\x01\x80\0\0\x03\xffabc\0"),
            headers(Parent::Itself)
        );
        assert_eq!(read(kind::DATA, flag::PADDED, 1, b"\x00").map(|_| ()), Ok(()));
    }

    #[test]
    fn what_has_no_meaning_is_ignored() {
        assert_eq!(read(0x16, 0xff, 7, b"x"), Ok(Frame::Unknown));
        assert_eq!(read(kind::PING, 0xfe, 0, b"01234567"), Ok(Frame::Ping(*b"01234567")));
        assert_eq!(read(kind::PING, 0xff, 0, b"01234567"), Ok(Frame::PingAck(*b"01234567")));
        let update = Frame::WindowUpdate { stream: 1, increment: WINDOW_MAX };
        assert_eq!(read(kind::WINDOW_UPDATE, 0, 1, &[0xff; 4]), Ok(update));
        let reset = Frame::Reset { stream: 1, code: 0x0102_0304 };
        assert_eq!(read(kind::RST_STREAM, 0xff, 1, &[1, 2, 3, 4]), Ok(reset));
        let goaway = Frame::GoAway { last: 5 };
        assert_eq!(read(kind::GOAWAY, 0, 0, b"\x80\0\0\x05\0\0\0\0why"), Ok(goaway));
    }

    #[test]
    fn settings_come_in_order() {
        let payload = [0, 4, 0, 0, 0, 1, 0xff, 0xff, 0x80, 0, 0, 0];
        assert_eq!(settings(&payload).collect::<Vec<_>>(), [(4, 1), (0xffff, 1 << 31)]);
    }
}
