//! A raw HTTP/2 client: any frame out as given, frames in; it enforces no rule of the protocol.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use super::client::Client;
use super::message::{self, Source as _};

/// RFC 9113 section 3.4.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Frame types, RFC 9113 section 6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

// Flags.
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

// Error codes, RFC 9113 section 7.
pub(crate) const NO_ERROR: u32 = 0x0;
pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const INTERNAL_ERROR: u32 = 0x2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(crate) const STREAM_CLOSED: u32 = 0x5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(crate) const REFUSED_STREAM: u32 = 0x7;
pub(crate) const CANCEL: u32 = 0x8;
pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;

// Settings, RFC 9113 section 6.5.2 and RFC 8441 section 3.
pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;
pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// A list of fields, pseudo-fields first.
pub(crate) type Fields<'a> = [(&'a str, &'a str)];

/// One frame as received.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The 32 bits at an offset of the payload.
    pub(crate) fn word(&self, at: usize) -> u32 {
        let octets = self.payload.get(at..at + 4).expect("a payload of that length");
        u32::from_be_bytes(octets.try_into().expect("four octets"))
    }

    /// Whether this is a SETTINGS or PING that says yes.
    pub(crate) fn is_ack(&self) -> bool {
        matches!(self.kind, SETTINGS | PING) && self.has(ACK)
    }
}

/// A frame as octets; the payload may be of any length and need not fit the type.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("length").to_be_bytes();
    let mut octets = length[1..].to_vec();
    octets.extend([kind, flags]);
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let octets = |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, values.iter().flat_map(octets).collect::<Vec<u8>>())
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

/// PRIORITY: a dependency of weight 16.
pub(crate) fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, [&on.to_be_bytes()[..], &[15]].concat())
}

/// An HPACK integer behind the bits of `first`, RFC 7541 section 5.1.
pub(crate) fn integer(first: u8, prefix_bits: u32, value: usize) -> Vec<u8> {
    let limit = (1_usize << prefix_bits) - 1;
    let low = |value: usize| u8::try_from(value).expect("an octet");
    if value < limit {
        return vec![first | low(value)];
    }
    let mut octets = vec![first | low(limit)];
    let mut rest = value - limit;
    while rest >= 128 {
        octets.push(low(rest % 128) | 128);
        rest /= 128;
    }
    octets.push(low(rest));
    octets
}

/// A field block: literals with new names, without indexing and without Huffman.
pub(crate) fn block(fields: &Fields<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    for (name, value) in fields {
        octets.push(0);
        for text in [name, value] {
            octets.extend(integer(0, 7, text.len()));
            octets.extend(text.as_bytes());
        }
    }
    octets
}

/// Pseudo-fields of a request to `a.example`.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "a.example")]
}

/// One whole HEADERS frame.
pub(crate) fn headers(stream: u32, fields: &Fields<'_>, flags: u8) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, block(fields))
}

/// A whole GET.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, &request("GET", path), END_STREAM)
}

/// Head of a POST; DATA follows.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, &request("POST", path), 0)
}

pub(crate) fn data(stream: u32, octets: impl AsRef<[u8]>, flags: u8) -> Vec<u8> {
    frame(DATA, flags, stream, octets)
}

/// What came on one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// Final status; 0: none came.
    pub(crate) status: u16,
    /// Interim statuses.
    pub(crate) interim: Vec<u16>,
    pub(crate) body: Vec<u8>,
    /// Field block behind the content.
    pub(crate) trailers: Option<Vec<u8>>,
    /// Code of RST_STREAM.
    pub(crate) reset: Option<u32>,
    /// END_STREAM came.
    pub(crate) is_ended: bool,
}

impl Answer {
    /// Body of an echo backend as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {text:?} {:?}", self.status, self.reset))
    }

    /// Values of every line of a field as the echo backend received them.
    #[track_caller]
    pub(crate) fn echoed_fields(&self, name: &str) -> Vec<String> {
        let message = message::Message { body: self.body.clone(), ..Default::default() };
        message.echoed_fields(name)
    }
}

/// One connection.
pub(crate) struct Http2 {
    client: Client,
    decoder: Decoder,
    /// HEADERS whose CONTINUATION is awaited.
    open_block: Option<Frame>,
    answers: BTreeMap<u32, Answer>,
    /// SETTINGS of the server, in order.
    pub(crate) server_settings: Vec<(u16, u32)>,
    /// Code and last stream of the first GOAWAY that told an error, else of the last one.
    pub(crate) goaway: Option<(u32, u32)>,
    /// The server closed.
    pub(crate) is_closed: bool,
    /// Whether DATA is answered with new window.
    pub(crate) grants_window: bool,
}

impl Http2 {
    /// Sends nothing.
    #[track_caller]
    pub(crate) fn raw(address: SocketAddr) -> Self {
        Self::over(Client::connect(address))
    }

    pub(crate) fn over(client: Client) -> Self {
        Self {
            client,
            decoder: Decoder::default(),
            open_block: None,
            answers: BTreeMap::new(),
            server_settings: Vec::new(),
            goaway: None,
            is_closed: false,
            grants_window: true,
        }
    }

    /// Preface by prior knowledge, SETTINGS both ways.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    #[track_caller]
    pub(crate) fn connect_with(address: SocketAddr, values: &[(u16, u32)]) -> Self {
        let mut http2 = Self::raw(address);
        http2.start(values);
        http2
    }

    /// Sends the preface and reads the SETTINGS of the server, which must come first.
    #[track_caller]
    pub(crate) fn start(&mut self, values: &[(u16, u32)]) {
        self.send([PREFACE, &settings(values)].concat());
        let first = self.read_frame().expect("a frame").expect("a frame");
        assert!(first.kind == SETTINGS && !first.is_ack(), "first frame: {first:?}");
        self.take_in(first);
    }

    #[track_caller]
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.client.send(octets);
    }

    /// Sends as far as the peer takes it.
    pub(crate) fn send_if_open(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.client.send_if_open(octets)
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The next frame; `None`: the server closed, a reset counts.
    pub(crate) fn read_frame(&mut self) -> io::Result<Option<Frame>> {
        while self.client.buffer().len() < 9 {
            match self.client.fill() {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if is_end(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let head = message::take_exact(&mut self.client, 9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = match message::take_exact(&mut self.client, length as usize) {
            Err(error) if is_end(&error) => return Ok(None),
            payload => payload?,
        };
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Some(Frame { kind: head[3], flags: head[4], stream, payload }))
    }

    /// Reads one frame and takes it in; false: the server closed.
    #[track_caller]
    pub(crate) fn step(&mut self) -> bool {
        match self.read_frame() {
            Ok(Some(frame)) => self.take_in(frame),
            Ok(None) => self.is_closed = true,
            Err(error) => panic!("no frame: {error}; answers so far: {:?}", self.answers),
        }
        !self.is_closed
    }

    /// Accounts for a frame, and says what a client must say to it.
    pub(crate) fn take_in(&mut self, frame: Frame) {
        match frame.kind {
            SETTINGS if !frame.is_ack() => {
                let values = frame.payload.chunks_exact(6).map(|entry| {
                    let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
                    (u16::from_be_bytes([entry[0], entry[1]]), value)
                });
                self.server_settings.extend(values);
                drop(self.send_if_open(self::frame(SETTINGS, ACK, 0, [])));
            }
            PING if !frame.is_ack() => {
                drop(self.send_if_open(self::frame(PING, ACK, 0, &frame.payload)));
            }
            GOAWAY => {
                let code = frame.word(4);
                if self.goaway.is_none_or(|(code, _)| code == NO_ERROR) {
                    self.goaway = Some((code, frame.word(0)));
                }
            }
            RST_STREAM => self.answers.entry(frame.stream).or_default().reset = Some(frame.word(0)),
            HEADERS if frame.has(END_HEADERS) => self.take_block(&frame),
            HEADERS => self.open_block = Some(frame),
            CONTINUATION => {
                let mut head = self.open_block.take().expect("HEADERS before CONTINUATION");
                head.payload.extend(&frame.payload);
                if frame.has(END_HEADERS) {
                    self.take_block(&head);
                } else {
                    self.open_block = Some(head);
                }
            }
            DATA => {
                let answer = self.answers.entry(frame.stream).or_default();
                answer.body.extend(&frame.payload);
                answer.is_ended |= frame.has(END_STREAM);
                let length = u32::try_from(frame.payload.len()).expect("length");
                if self.grants_window && length > 0 {
                    let mut updates = window_update(0, length);
                    if !frame.has(END_STREAM) {
                        updates.extend(window_update(frame.stream, length));
                    }
                    drop(self.send_if_open(updates));
                }
            }
            _ => {}
        }
    }

    fn take_block(&mut self, frame: &Frame) {
        let status = self.decoder.status(&frame.payload);
        let answer = self.answers.entry(frame.stream).or_default();
        match status {
            Some(status @ 100..200) => answer.interim.push(status),
            Some(status) => answer.status = status,
            None => answer.trailers = Some(frame.payload.clone()),
        }
        answer.is_ended |= frame.has(END_STREAM);
    }

    /// What came on a stream so far.
    pub(crate) fn so_far(&self, stream: u32) -> Answer {
        self.answers.get(&stream).cloned().unwrap_or_default()
    }

    /// Code of RST_STREAM on a stream, else of GOAWAY.
    pub(crate) fn error_of(&self, stream: u32) -> Option<u32> {
        self.so_far(stream).reset.or_else(|| self.goaway.map(|(code, _)| code))
    }

    /// Reads until the stream or the connection ended.
    #[track_caller]
    pub(crate) fn answer(&mut self, stream: u32) -> Answer {
        self.read_until(|http2| {
            http2.answers.get(&stream).is_some_and(|a| a.is_ended || a.reset.is_some())
        });
        self.so_far(stream)
    }

    /// Reads until `is_enough` or the end of the connection.
    #[track_caller]
    pub(crate) fn read_until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) && self.step() {}
    }

    /// A GET on a new stream.
    #[track_caller]
    pub(crate) fn get(&mut self, stream: u32, path: &str) -> Answer {
        self.send(get(stream, path));
        self.answer(stream)
    }

    /// Sends a PING and reads until its answer: everything sent before has been taken in.
    #[track_caller]
    pub(crate) fn sync(&mut self) {
        self.send(frame(PING, 0, 0, b"syncsync"));
        loop {
            match self.read_frame().expect("a frame") {
                Some(frame) if frame.kind == PING && frame.is_ack() => {
                    assert_eq!(frame.payload, b"syncsync");
                    return;
                }
                Some(frame) => self.take_in(frame),
                None => panic!("closed: {:?}", self.goaway),
            }
        }
    }

    /// Reads to the end of the connection; the code of GOAWAY.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<u32> {
        while self.step() {}
        self.goaway.map(|(code, _)| code)
    }
}

/// How a connection may end under a client that still sends.
pub(crate) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// Just enough HPACK (RFC 7541) to find `:status`: names and values are otherwise skipped.
#[derive(Default)]
struct Decoder {
    /// Dynamic table, newest first: the status that an entry holds.
    table: Vec<Option<u16>>,
}

impl Decoder {
    fn status(&mut self, block: &[u8]) -> Option<u16> {
        let mut rest = block;
        let mut found = None;
        while let Some(&first) = rest.first() {
            let status = if first & 0x80 != 0 {
                self.indexed(read_integer(&mut rest, 7))
            } else if first & 0xe0 == 0x20 {
                read_integer(&mut rest, 5);
                continue;
            } else {
                let is_kept = first & 0x40 != 0;
                let index = read_integer(&mut rest, if is_kept { 6 } else { 4 });
                let is_status = match index {
                    0 => read_string(&mut rest).1 == b":status",
                    8..=14 => true,
                    _ => self.indexed(index).is_some(),
                };
                let (is_huffman, value) = read_string(&mut rest);
                let status = is_status.then(|| number(is_huffman, value));
                if is_kept {
                    self.table.insert(0, status);
                }
                status
            };
            found = found.or(status);
        }
        found
    }

    fn indexed(&self, index: usize) -> Option<u16> {
        match index {
            8..=14 => Some([200, 204, 206, 304, 400, 404, 500][index - 8]),
            62.. => self.table.get(index - 62).copied().flatten(),
            _ => None,
        }
    }
}

fn take_octet(rest: &mut &[u8]) -> u8 {
    let (&first, others) = rest.split_first().expect("more of the field block");
    *rest = others;
    first
}

fn read_integer(rest: &mut &[u8], prefix_bits: u32) -> usize {
    let limit = (1_usize << prefix_bits) - 1;
    let mut value = usize::from(take_octet(rest)) & limit;
    if value < limit {
        return value;
    }
    let mut shift = 0;
    loop {
        let octet = take_octet(rest);
        value += usize::from(octet & 127) << shift;
        shift += 7;
        if octet < 128 {
            return value;
        }
    }
}

/// Whether it is Huffman-coded, and the octets.
fn read_string<'a>(rest: &mut &'a [u8]) -> (bool, &'a [u8]) {
    let is_huffman = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = read_integer(rest, 7);
    let (value, others) = rest.split_at(length);
    *rest = others;
    (is_huffman, value)
}

/// A number; digits have codes of 5 (0 to 2) and 6 bits (3 to 9) in RFC 7541 appendix B.
fn number(is_huffman: bool, value: &[u8]) -> u16 {
    if !is_huffman {
        return String::from_utf8_lossy(value).parse().expect("a status");
    }
    let bits: String = value.iter().map(|octet| format!("{octet:08b}")).collect();
    let mut rest = bits.as_str();
    let mut status = 0;
    let code = |text: &str| u16::from_str_radix(text, 2).expect("bits");
    while rest.len() >= 5 {
        let short = code(&rest[..5]);
        if short < 3 {
            status = status * 10 + short;
            rest = &rest[5..];
        } else if let Some(long @ 25..=31) = rest.get(..6).map(code) {
            status = status * 10 + long - 25 + 3;
            rest = &rest[6..];
        } else {
            break;
        }
    }
    status
}
