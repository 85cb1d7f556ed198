//! A connection to a backend, fed with frames as one sends them and as none may.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::super::super::PREFACE;
use super::super::super::follows::Follows::{self, More, Nothing};
use super::super::super::frame::{
    ErrorCode, FRAME_HEAD_BYTES, FrameHead, WINDOW_MAX, flag, kind, setting, settings,
};
use super::super::super::hpack::RequestTarget;
use super::super::{Arrival, Closed, Connection, WindowBudget};
use super::{
    Seen, View, block, data, frame, frames_of, lines, nothing, reset, run, setting_of, update,
};
use crate::limits::{
    HTTP2_FRAME_BYTES_MAX, HTTP2_GROWN_CONNECTION_BYTES_MAX, HTTP2_GROWN_CORE_BYTES_MAX,
    HTTP2_HEADER_TABLE_BYTES_MAX, HTTP2_LOCAL_RESETS_MAX, HTTP2_RESET_STREAMS_MAX,
    HTTP2_RESPONSE_LIST_BYTES_MAX, HTTP2_ROUND_TRIP_MAX, HTTP2_STREAM_WINDOW_BYTES_MAX,
    HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES, HTTP2_UPSTREAM_STREAM_WINDOW_BYTES,
    INFORMATIONAL_RESPONSES_MAX,
};

const WINDOW: u32 = HTTP2_UPSTREAM_STREAM_WINDOW_BYTES;
const ALL: u8 = flag::END_HEADERS | flag::END_STREAM;

const TARGET: RequestTarget<'_> =
    RequestTarget { method: b"POST", scheme: b"http", authority: Some(b"a"), path: b"/x" };

fn head(stream: u32, status: &str, flags: u8) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flags, stream, &block(&[(":status", status)]))
}

fn ok(stream: u32) -> Vec<u8> {
    head(stream, "200", flag::END_STREAM)
}

fn goaway(last: u32, code: ErrorCode) -> Vec<u8> {
    let payload = [last.to_be_bytes(), (code as u32).to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// A client, and a backend's view of it.
struct Pair {
    client: Connection,
    view: View,
}

impl Pair {
    fn new() -> Self {
        Self::with(0, WindowBudget::default())
    }

    /// The acknowledgement of our SETTINGS takes so long.
    fn with(round_trip: u64, budget: WindowBudget) -> Self {
        let mut pair = Self { client: Connection::asking(0, budget), view: View::default() };
        assert_eq!(pair.client.streams_allowed(), 0, "before its SETTINGS");
        let out = pair.client.take_output();
        let seen = pair.view.seen(out.strip_prefix(&PREFACE[..]).unwrap());
        let more = HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES - 65_535;
        assert_eq!(seen, [Seen::Settings, Seen::Update(0, more)]);
        let greeting =
            [frame(kind::SETTINGS, 0, 0, &[]), frame(kind::SETTINGS, flag::ACK, 0, &[])].concat();
        assert_eq!(pair.client.receive(&greeting, round_trip), Ok(()));
        assert_eq!(pair.seen(), [Seen::SettingsAck]);
        pair
    }

    #[track_caller]
    fn send(&mut self, octets: &[u8]) {
        assert_eq!(self.client.receive(octets, 0), Ok(()));
    }

    fn seen(&mut self) -> Vec<Seen> {
        let out = self.client.take_output();
        self.view.seen(&out)
    }

    fn open(&mut self, follows: Follows) -> u32 {
        self.client.open(TARGET, nothing(), follows).unwrap()
    }

    fn arrival(&mut self, stream: u32) -> Poll<Result<Arrival, Closed>> {
        self.client.poll_arrival(stream, None)
    }

    fn write(
        &mut self,
        stream: u32,
        octets: &[u8],
        follows: Follows,
    ) -> Poll<Result<usize, Closed>> {
        let context = Context::from_waker(Waker::noop());
        self.client.poll_data(&context, stream, octets, follows)
    }

    fn head(&mut self, stream: u32) -> String {
        let fields = self.client.take_head(stream).unwrap();
        let text = lines(&fields);
        self.client.recycle(fields);
        text
    }

    /// So many octets come and are taken.
    fn pass(&mut self, stream: u32, octets: u32, now: u64) {
        for at in (0..octets).step_by(HTTP2_FRAME_BYTES_MAX as usize) {
            let count = (octets - at).min(HTTP2_FRAME_BYTES_MAX);
            let octets = data(stream, &vec![b'x'; count as usize], 0);
            assert_eq!(self.client.receive(&octets, now), Ok(()));
            self.client.consume(stream, count as usize);
            self.client.credit(stream, count);
        }
    }
}

// ---- The whole exchange -------------------------------------------------------------------------

/// RFC 9113 section 3.4.
#[test]
fn our_preface_and_settings_are_sent_first() {
    let out = Connection::asking(0, WindowBudget::default()).take_output();
    let rest = out.strip_prefix(&PREFACE[..]).unwrap();
    let (head, rest) = rest.split_first_chunk::<FRAME_HEAD_BYTES>().unwrap();
    let head = FrameHead::read(*head);
    assert_eq!((head.kind, head.flags, head.stream), (kind::SETTINGS, 0, 0));
    let found: Vec<_> = settings(&rest[..head.len as usize]).collect();
    assert_eq!(
        found,
        [
            (setting::HEADER_TABLE_SIZE, HTTP2_HEADER_TABLE_BYTES_MAX),
            (setting::INITIAL_WINDOW_SIZE, WINDOW),
            (setting::MAX_FRAME_SIZE, HTTP2_FRAME_BYTES_MAX),
            (setting::ENABLE_PUSH, 0),
            (setting::MAX_HEADER_LIST_SIZE, HTTP2_RESPONSE_LIST_BYTES_MAX),
        ]
    );
}

#[test]
fn a_request_with_body_and_trailers_gets_its_heads_body_and_trailers() {
    let mut pair = Pair::new();
    let field = (&b"X-A"[..], &b"b"[..]);
    let id = pair.client.open(TARGET, [field].into_iter(), More).unwrap();
    assert_eq!(pair.write(id, b"hello", More), Poll::Ready(Ok(5)));
    pair.client.end(id, Some([(&b"X-Sum"[..], &b"1"[..])].into_iter())).unwrap();
    assert_eq!(pair.client.end(id, Some(nothing())), Err(Closed), "one end");
    let asked = ":method: POST\n:scheme: http\n:authority: a\n:path: /x\nx-a: b\n";
    let seen_head = |text: &str, is_end| Seen::Head(1, text.to_owned(), is_end);
    assert_eq!(
        pair.seen(),
        [seen_head(asked, false), Seen::Data(1, 5, false), seen_head("x-sum: 1\n", true)]
    );
    assert_eq!(pair.arrival(id), Poll::Pending);
    let trailers = block(&[("grpc-status", "0"), ("content-length", "9")]);
    let octets = [
        head(id, "103", 0),
        head(id, "200", 0),
        data(id, b"hello", 0),
        frame(kind::HEADERS, ALL, id, &trailers),
    ];
    pair.send(&octets.concat());
    for text in [":status: 103\n", ":status: 200\n"] {
        assert_eq!(pair.arrival(id), Poll::Ready(Ok(Arrival::Head)));
        assert_eq!(pair.head(id), text);
    }
    assert_eq!(pair.client.follows(id), More);
    assert_eq!(pair.arrival(id), Poll::Ready(Ok(Arrival::Data)));
    assert_eq!(pair.client.unread(id), b"hello");
    pair.client.consume(id, 5);
    assert_eq!(pair.arrival(id), Poll::Ready(Ok(Arrival::End)));
    assert_eq!(pair.client.take_trailers(id).unwrap(), b"grpc-status: 0\r\n");
    pair.client.release(id);
    assert_eq!((pair.seen(), pair.client.stream_count()), (vec![], 0));
    // The next one has memory that was used, and nothing of what was in it.
    let id = pair.open(Nothing);
    assert_eq!(pair.arrival(id), Poll::Pending);
    pair.send(&ok(id));
    assert_eq!(pair.head(id), ":status: 200\n");
    assert_eq!(pair.client.follows(id), Nothing);
    let plain = ":method: POST\n:scheme: http\n:authority: a\n:path: /x\n";
    assert_eq!(pair.seen(), [Seen::Head(3, plain.to_owned(), true)]);
}

/// What most requests have is an index of the table, the rest a literal.
#[test]
fn pseudo_fields_are_short() {
    let mut pair = Pair::new();
    let target =
        |method, scheme, authority, path| RequestTarget { method, scheme, authority, path };
    let rows: [(RequestTarget<'_>, &[u8]); 3] = [
        (target(b"GET", b"http", None, b"/"), &[0x82, 0x86, 0x84]),
        (target(b"POST", b"https", None, b"/"), &[0x83, 0x87, 0x84]),
        (target(b"HEAD", b"https", Some(b"~"), b"*"), &[]),
    ];
    for (target, expected) in rows {
        let RequestTarget { method, scheme, authority, path } = target;
        pair.client.open(target, nothing(), Nothing).unwrap();
        let out = pair.client.take_output();
        if authority.is_none() {
            assert_eq!(&out[FRAME_HEAD_BYTES..], expected);
        }
        let [Seen::Head(_, text, true)] = &pair.view.seen(&out)[..] else { panic!("{out:?}") };
        let line =
            |name: &str, value: &[u8]| format!(":{name}: {}\n", String::from_utf8_lossy(value));
        let host = authority.map_or(String::new(), |host| line("authority", host));
        let all = [line("method", method), line("scheme", scheme), host, line("path", path)];
        assert_eq!(*text, all.concat());
    }
}

// ---- Errors -------------------------------------------------------------------------------------

/// What must come of `octets` behind a whole exchange on stream 1, and a request on stream 3 whose
/// body is open.
#[track_caller]
fn check(name: &str, octets: &[u8], expected: Result<&[Seen], ErrorCode>) {
    let start = || {
        let mut pair = Pair::new();
        pair.open(Nothing);
        pair.send(&ok(1));
        pair.head(1);
        pair.client.release(1);
        pair.open(More);
        pair.seen();
        pair
    };
    let mut whole = start();
    let result = whole.client.receive(octets, 0);
    let seen = whole.seen();
    match expected {
        Ok(expected) => assert_eq!((result, &seen[..]), (Ok(()), expected), "{name}"),
        Err(code) => {
            assert_eq!(result.map_err(|ended| ended.code), Err(code), "{name}");
            assert_eq!(seen.last(), Some(&Seen::Goaway(0, code as u32)), "{name}");
            assert!(whole.client.is_over() && whole.client.is_closed(3), "{name}");
            assert!(!whole.client.is_refused(3), "{name}");
            assert_eq!(whole.client.receive(&ok(9), 0), Ok(()), "no longer read");
            assert_eq!(whole.client.open(TARGET, nothing(), Nothing), Err(Closed));
        }
    }
    for step in [1, 7] {
        let mut split = start();
        for piece in octets.chunks(step) {
            if split.client.receive(piece, 0).is_err() {
                break;
            }
        }
        assert_eq!(split.seen(), seen, "{name}, {step} at a time");
    }
}

fn failed(code: ErrorCode) -> [Seen; 1] {
    [Seen::Reset(3, code as u32)]
}

#[test]
fn errors_of_streams_have_their_exact_codes() {
    use ErrorCode as E;
    let trailers = |block: &[u8]| [head(3, "200", 0), frame(kind::HEADERS, ALL, 3, block)].concat();
    let own_parent = [&3_u32.to_be_bytes()[..], &[0], &block(&[(":status", "200")])].concat();
    let protocol = failed(E::ProtocolError);
    run(
        check,
        &[
            ("DATA on idle", data(5, b"x", 0), Err(E::ProtocolError)),
            ("DATA on an even number", data(2, b"x", 0), Err(E::ProtocolError)),
            ("HEADERS on idle", ok(5), Err(E::ProtocolError)),
            ("HEADERS on an even number", ok(2), Err(E::ProtocolError)),
            ("RST_STREAM on idle", reset(5), Err(E::ProtocolError)),
            ("WINDOW_UPDATE on idle", update(5, 1), Err(E::ProtocolError)),
            (
                "CONTINUATION of nothing",
                frame(kind::CONTINUATION, 4, 3, b""),
                Err(E::ProtocolError),
            ),
            (
                "PUSH_PROMISE",
                frame(kind::PUSH_PROMISE, 4, 3, &[0, 0, 0, 2, 0x88]),
                Err(E::ProtocolError),
            ),
            (
                "another frame in a block",
                [frame(1, 0, 3, &[0x88]), data(3, b"", 0)].concat(),
                Err(E::ProtocolError),
            ),
            (
                "another stream in a block",
                [frame(1, 0, 3, &[0x88]), frame(9, 4, 1, &[])].concat(),
                Err(E::ProtocolError),
            ),
            ("broken block", frame(kind::HEADERS, ALL, 3, &[0xff, 0x40]), Err(E::CompressionError)),
            ("DATA on closed", data(1, b"x", 0), Ok(&[Seen::Reset(1, 5)])),
            ("HEADERS on closed", ok(1), Err(E::StreamClosed)),
            ("RST_STREAM on closed", reset(1), Ok(&[])),
            ("WINDOW_UPDATE on closed", update(1, 1), Ok(&[])),
            ("DATA before the head", data(3, b"x", 0), Ok(&protocol)),
            ("DATA behind 103", [head(3, "103", 0), data(3, b"x", 0)].concat(), Ok(&protocol)),
            ("103 that ends", head(3, "103", flag::END_STREAM), Ok(&protocol)),
            (
                "DATA behind the end",
                [ok(3), data(3, b"x", 0)].concat(),
                Ok(&failed(E::StreamClosed)),
            ),
            ("HEADERS behind the end", [ok(3), ok(3)].concat(), Ok(&failed(E::StreamClosed))),
            (
                "DATA behind their reset",
                [reset(3), data(3, b"x", 0)].concat(),
                Ok(&failed(E::StreamClosed)),
            ),
            (
                "trailers without end",
                [head(3, "200", 0), head(3, "200", 0)].concat(),
                Ok(&protocol),
            ),
            ("status in trailers", [head(3, "200", 0), ok(3)].concat(), Ok(&protocol)),
            ("bad trailers", trailers(&[0, 1, b'x', 1, b'\n']), Ok(&protocol)),
            ("HEADERS that hang on themselves", frame(1, 0x24, 3, &own_parent), Ok(&[])),
            ("PRIORITY on itself", frame(2, 0, 3, &[0, 0, 0, 3, 0]), Ok(&protocol)),
            ("PRIORITY of 4", frame(2, 0, 3, &[0; 4]), Ok(&failed(E::FrameSizeError))),
        ],
    );
}

#[test]
fn errors_of_windows_settings_and_frames_have_their_exact_codes() {
    use ErrorCode as E;
    let large = vec![b'x'; HTTP2_FRAME_BYTES_MAX as usize];
    let protocol = failed(E::ProtocolError);
    run(
        check,
        &[
            ("increment 0", update(0, 0), Err(E::ProtocolError)),
            ("increment 0 of a stream", update(3, 0), Ok(&protocol)),
            ("window too large", update(0, WINDOW_MAX), Err(E::FlowControlError)),
            ("window of a stream", update(3, WINDOW_MAX), Ok(&failed(E::FlowControlError))),
            (
                "above the window",
                [head(3, "200", 0), data(3, &large, 0).repeat(4), data(3, b"x", 0)].concat(),
                Ok(&failed(E::FlowControlError)),
            ),
            ("initial window too large", setting_of(4, 1 << 31), Err(E::FlowControlError)),
            ("ENABLE_PUSH of 1", setting_of(2, 1), Err(E::ProtocolError)),
            ("ENABLE_PUSH of 0", setting_of(2, 0), Ok(&[Seen::SettingsAck])),
            ("frames too small", setting_of(5, 16_383), Err(E::ProtocolError)),
            ("frames too large", setting_of(5, 1 << 24), Err(E::ProtocolError)),
            ("SETTINGS of 5", frame(4, 0, 0, &[0; 5]), Err(E::FrameSizeError)),
            ("a large frame", vec![0, 0x40, 1, 0, 0, 0, 0, 0, 3], Err(E::FrameSizeError)),
            ("padding too long", frame(0, flag::PADDED, 3, &[1]), Err(E::ProtocolError)),
            ("PING of 7", frame(6, 0, 0, &[0; 7]), Err(E::FrameSizeError)),
            ("PING", frame(6, 0, 0, b"01234567"), Ok(&[Seen::Ping(*b"01234567", true)])),
            ("PING of ours", frame(6, flag::ACK, 0, b"01234567"), Ok(&[])),
            ("GOAWAY on a stream", frame(7, 0, 3, &[0; 8]), Err(E::ProtocolError)),
            ("GOAWAY of 7", frame(7, 0, 0, &[0; 7]), Err(E::FrameSizeError)),
            ("unknown setting", setting_of(99, 1), Ok(&[Seen::SettingsAck])),
            ("unknown frame", frame(99, 255, 0, b"x"), Ok(&[])),
            (
                "heads without end",
                head(3, "103", 0).repeat(INFORMATIONAL_RESPONSES_MAX as usize + 2),
                Ok(&failed(E::EnhanceYourCalm)),
            ),
        ],
    );
}

#[test]
fn whoever_does_not_speak_http2_is_left() {
    for octets in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &ok(1)] {
        let mut client = Connection::asking(0, WindowBudget::default());
        assert_eq!(client.receive(octets, 0).unwrap_err().code, ErrorCode::ProtocolError);
        assert!(client.is_over() && client.streams_allowed() == 0);
    }
}

#[test]
fn heads_that_wait_are_few_octets() {
    let mut pair = Pair::new();
    let id = pair.open(Nothing);
    let value = "\u{1}".repeat(60_000);
    let octets = block(&[(":status", "103"), ("x", &value)]);
    let frames = frames_of(&octets, 0, id);
    pair.seen();
    pair.send(&frames);
    assert_eq!(pair.seen(), []);
    pair.send(&frames);
    assert_eq!(pair.seen(), [Seen::Reset(id, ErrorCode::EnhanceYourCalm as u32)]);
}

/// Of streams that were given up, frames may still come; of more than are remembered, too.
#[test]
fn frames_that_cross_our_resets_are_ignored() {
    let mut pair = Pair::new();
    let ids: Vec<u32> = (0..2 * HTTP2_RESET_STREAMS_MAX).map(|_| pair.open(Nothing)).collect();
    for id in ids.iter().rev() {
        pair.client.release(*id);
    }
    let resets = pair.seen().iter().filter(|seen| matches!(seen, Seen::Reset(_, 8))).count();
    assert_eq!(resets, ids.len());
    for id in ids {
        pair.send(&[head(id, "200", 0), data(id, b"x", flag::END_STREAM)].concat());
    }
    assert_eq!(pair.seen(), []);
}

#[test]
fn a_backend_that_makes_us_reset_streams_is_left() {
    let mut pair = Pair::new();
    for _ in 0..HTTP2_LOCAL_RESETS_MAX {
        let id = pair.open(Nothing);
        pair.send(&data(id, b"x", 0));
        pair.client.release(id);
    }
    let id = pair.open(Nothing);
    let ended = pair.client.receive(&data(id, b"x", 0), 0).unwrap_err();
    assert_eq!(ended.code, ErrorCode::EnhanceYourCalm);
}

/// What a busy backend sends is no flood, and what nothing explains is one.
#[test]
fn floods_end_and_refusals_do_not() {
    let mut pair = Pair::new();
    for _ in 0..20_000 {
        let id = pair.open(Nothing);
        pair.send(&reset(id));
        pair.client.release(id);
        pair.seen();
    }
    let floods = [frame(6, 0, 0, &[0; 8]), frame(4, 0, 0, &[]), frame(99, 0, 0, &[]), update(0, 1)];
    for flood in floods {
        let mut pair = Pair::new();
        let ended = (0..20_000).find_map(|_| pair.client.receive(&flood, 0).err());
        assert_eq!(ended.map(|ended| ended.code), Some(ErrorCode::EnhanceYourCalm), "{flood:?}");
    }
}

// ---- Ends ---------------------------------------------------------------------------------------

#[test]
fn streams_above_goaway_are_refused_and_the_others_end() {
    let mut pair = Pair::new();
    let ids: Vec<u32> = (0..4).map(|_| pair.open(More)).collect();
    pair.seen();
    pair.send(&goaway(WINDOW_MAX, ErrorCode::NoError));
    assert_eq!((pair.client.streams_allowed(), pair.client.is_spent()), (0, true));
    assert_eq!(pair.client.open(TARGET, nothing(), Nothing), Err(Closed));
    assert!(pair.client.is_leaving());
    pair.send(&[ok(ids[3]), goaway(3, ErrorCode::EnhanceYourCalm)].concat());
    let refused: Vec<_> = ids.iter().map(|id| pair.client.is_refused(*id)).collect();
    // The last one has its whole response.
    assert_eq!(refused, [false, false, true, false]);
    assert_eq!(pair.arrival(ids[2]), Poll::Ready(Err(Closed)));
    assert_eq!(pair.write(ids[2], b"x", Nothing), Poll::Ready(Err(Closed)));
    assert_eq!(pair.head(ids[3]), ":status: 200\n");
    assert_eq!(pair.write(ids[1], b"x", Nothing), Poll::Ready(Ok(1)));
    pair.send(&ok(ids[1]));
    for id in ids {
        assert!(!pair.client.is_over());
        pair.client.release(id);
    }
    assert!(pair.client.is_over());
    let seen = pair.seen();
    assert_eq!(seen, [Seen::Data(3, 1, true), Seen::Reset(1, 8), Seen::Goaway(0, 0)]);
}

#[test]
fn a_reset_says_whether_anything_was_done() {
    let mut pair = Pair::new();
    let rst = |id, code: u32| frame(kind::RST_STREAM, 0, id, &code.to_be_bytes());
    for (code, is_refused) in [(ErrorCode::RefusedStream as u32, true), (8, false), (77, false)] {
        let id = pair.open(More);
        pair.send(&rst(id, code));
        assert_eq!((pair.client.is_refused(id), pair.client.is_closed(id)), (is_refused, true));
        pair.client.release(id);
    }
    pair.seen();
    assert_eq!(pair.seen(), [], "no reset of ours");
}

/// RFC 9113 section 8.1: a response may be whole before its request is. What ends the stream or the
/// connection then takes nothing of it away.
#[test]
fn a_whole_response_outlives_its_stream() {
    let enders: [fn(&mut Pair, u32); 3] = [
        |pair, id| pair.send(&frame(kind::RST_STREAM, 0, id, &[0; 4])),
        |pair, _| pair.client.disconnect(),
        |pair, _| assert!(pair.client.receive(&frame(kind::PING, 0, 0, &[]), 0).is_err()),
    ];
    for end in enders {
        let mut pair = Pair::new();
        let (id, other) = (pair.open(More), pair.open(More));
        pair.send(&[head(id, "200", 0), data(id, b"all", flag::END_STREAM)].concat());
        pair.send(&[head(other, "200", 0), data(other, b"part", 0)].concat());
        end(&mut pair, id);
        assert_eq!(pair.write(id, b"x", Nothing), Poll::Ready(Err(Closed)));
        assert_eq!(pair.head(id), ":status: 200\n");
        assert_eq!(pair.client.unread(id), b"all");
        pair.client.consume(id, 3);
        assert_eq!(pair.arrival(id), Poll::Ready(Ok(Arrival::End)));
        pair.client.release(id);
        if pair.client.is_over() {
            assert_eq!(pair.arrival(other), Poll::Ready(Err(Closed)));
        }
    }
}

#[test]
fn a_connection_that_is_left_ends_with_its_last_stream() {
    let mut pair = Pair::new();
    let id = pair.open(More);
    pair.client.retire();
    assert!(!pair.client.is_over() && pair.client.is_spent());
    pair.client.reset(id, ErrorCode::Cancel);
    pair.client.reset(id, ErrorCode::Cancel);
    pair.client.release(id);
    assert!(pair.client.is_over());
    assert_eq!(pair.seen()[1..], [Seen::Reset(id, 8), Seen::Goaway(0, 0)]);
}

#[test]
fn a_malformed_response_costs_its_stream() {
    let mut pair = Pair::new();
    let (id, other) = (pair.open(More), pair.open(Nothing));
    pair.seen();
    pair.client.reset(id, ErrorCode::ProtocolError);
    pair.client.reset(id, ErrorCode::ProtocolError);
    assert_eq!(pair.seen(), [Seen::Reset(id, ErrorCode::ProtocolError as u32)]);
    pair.send(&[ok(id), ok(other)].concat());
    assert_eq!(pair.head(other), ":status: 200\n");
}

#[test]
fn a_probe_waits_for_its_own_answer() {
    let mut pair = Pair::new();
    let context = Context::from_waker(Waker::noop());
    pair.client.probe();
    let [Seen::Ping(octets, false)] = pair.seen()[..] else { panic!("a PING") };
    assert!(pair.client.poll_probe(&context).is_pending());
    pair.send(&frame(kind::PING, flag::ACK, 0, b"01234567"));
    assert!(pair.client.poll_probe(&context).is_pending());
    pair.send(&frame(kind::PING, flag::ACK, 0, &octets));
    assert_eq!(pair.client.wakes().len(), 1);
    assert!(pair.client.poll_probe(&context).is_ready());
}

// ---- Windows ------------------------------------------------------------------------------------

#[test]
fn streams_and_windows_follow_the_settings() {
    let mut pair = Pair::new();
    assert_eq!(pair.client.streams_allowed(), u32::MAX);
    let id = pair.open(More);
    pair.send(&[setting_of(3, 7), setting_of(4, 5)].concat());
    assert_eq!(pair.client.streams_allowed(), 7);
    assert_eq!(pair.write(id, &[0; 9], Nothing), Poll::Ready(Ok(5)));
    assert_eq!(pair.write(id, &[0; 4], Nothing), Poll::Pending);
    pair.send(&setting_of(4, 2));
    pair.send(&update(id, 4));
    assert_eq!(pair.write(id, &[0; 4], Nothing), Poll::Ready(Ok(1)));
    pair.send(&[setting_of(3, 0), setting_of(4, 9)].concat());
    assert_eq!(pair.client.streams_allowed(), 0);
    assert_eq!(pair.write(id, &[0; 3], Nothing), Poll::Ready(Ok(3)));
    assert!(!pair.client.is_spent(), "it may allow some again");
}

#[test]
fn a_backend_that_does_not_read_gets_no_more_streams() {
    let mut pair = Pair::new();
    let value = [b'a'; 8_000];
    let mut opened = 0;
    while pair.client.streams_allowed() > 0 {
        let fields = std::iter::once((&b"x-long"[..], &value[..]));
        assert!(pair.client.open(TARGET, fields, Nothing).is_ok());
        opened += 1;
    }
    assert!(pair.client.is_unread() && !pair.client.is_spent(), "after {opened}");
    assert!(pair.client.open(TARGET, nothing(), Nothing).is_err(), "whoever does not ask first");
    assert!(!pair.client.take_output().is_empty());
    assert!(pair.client.streams_allowed() > 0, "it reads again");
}

fn response(pair: &mut Pair) -> u32 {
    let id = pair.open(Nothing);
    pair.send(&head(id, "200", 0));
    pair.head(id);
    id
}

fn increments(seen: &[Seen], stream: u32) -> u32 {
    let each = seen.iter().map(|seen| match seen {
        Seen::Update(id, increment) if *id == stream => *increment,
        _ => 0,
    });
    each.sum()
}

/// Over 100 ms of delay, one window each round trip; what is taken more slowly needs no more.
#[test]
fn windows_grow_with_what_is_taken() {
    let budget = WindowBudget::default();
    let mut pair = Pair::with(100, budget.clone());
    let id = response(&mut pair);
    pair.seen();
    let (mut now, mut window) = (100, WINDOW);
    let (mut taken, mut announced) = (0, 0);
    while window < HTTP2_STREAM_WINDOW_BYTES_MAX {
        now += 100;
        pair.pass(id, window, now);
        let seen = pair.seen();
        assert_eq!(increments(&seen, id), 2 * window, "what was taken, and as much again");
        taken += window;
        announced += increments(&seen, 0);
        window *= 2;
    }
    let grown = HTTP2_STREAM_WINDOW_BYTES_MAX - WINDOW;
    assert_eq!(announced + pair.client.unannounced, taken + grown, "of the connection");
    now += 100;
    pair.pass(id, window, now);
    let seen = pair.seen();
    assert_eq!(increments(&seen, id), window, "the largest");
    assert_eq!(budget.left(), HTTP2_GROWN_CORE_BYTES_MAX - grown);
    pair.send(&reset(id));
    pair.client.release(id);
    // What the connection may send more goes back as octets are taken.
    let id = response(&mut pair);
    pair.seen();
    let slow = |pair: &mut Pair, octets: u32, now: &mut u64| {
        for _ in 0..octets / WINDOW {
            *now += 200;
            pair.pass(id, WINDOW, *now);
        }
    };
    slow(&mut pair, 63 * WINDOW, &mut now);
    assert_eq!(budget.left(), HTTP2_GROWN_CORE_BYTES_MAX);
    let seen = pair.seen();
    assert_eq!(increments(&seen, id), 63 * WINDOW, "it did not grow");
    assert_eq!(grown, 63 * WINDOW);
}

#[test]
fn windows_do_not_grow_where_the_way_is_short_or_the_budget_is_spent() {
    let short = WindowBudget::default();
    let mut pair = Pair::with(0, short.clone());
    let id = response(&mut pair);
    pair.pass(id, 100 * WINDOW, 0);
    assert_eq!(short.left(), HTTP2_GROWN_CORE_BYTES_MAX);
    // As many connections as the budget is for, each with as much as one may have.
    let budget = WindowBudget::default();
    let mut pairs = Vec::new();
    for _ in 0..=HTTP2_GROWN_CORE_BYTES_MAX / HTTP2_GROWN_CONNECTION_BYTES_MAX {
        // No round trip is believed to take an hour.
        let mut pair = Pair::with(3_600_000, budget.clone());
        for _ in 0..3 {
            let id = response(&mut pair);
            let most = u64::try_from(HTTP2_ROUND_TRIP_MAX.as_millis()).unwrap();
            for round in 1..8 {
                pair.pass(id, WINDOW << (round - 1), 3_600_000 + round * most);
            }
        }
        pairs.push(pair);
    }
    assert!(budget.left() < HTTP2_STREAM_WINDOW_BYTES_MAX, "{} left", budget.left());
    for pair in pairs.drain(..) {
        drop(pair);
    }
    assert_eq!(budget.left(), HTTP2_GROWN_CORE_BYTES_MAX);
}

proptest! {
    /// Whatever comes, it comes to the same in pieces, and nothing panics.
    #[test]
    fn the_result_does_not_depend_on_splits(
        frames in proptest::collection::vec(
            (0_u8..11, any::<u8>(), 0_u32..10, proptest::collection::vec(any::<u8>(), 0..30)),
            0..20,
        ),
        step in 1_usize..50,
    ) {
        let octets: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload))
            .collect();
        let octets = [head(1, "200", 0), octets].concat();
        let run = |step: usize| {
            let mut pair = Pair::new();
            let ids: Vec<u32> = (0..4).map(|_| pair.open(More)).collect();
            for piece in octets.chunks(step) {
                if pair.client.receive(piece, 0).is_err() {
                    break;
                }
            }
            let mut told = Vec::new();
            for id in ids {
                while let Some(fields) = pair.client.take_head(id) {
                    told.push(lines(&fields));
                }
                told.push(format!("{:?} {}", pair.client.unread(id), pair.client.is_refused(id)));
                pair.client.release(id);
            }
            (told, pair.client.take_output())
        };
        prop_assert_eq!(run(octets.len()), run(step));
    }
}
