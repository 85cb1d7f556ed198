//! A connection fed with frames, as a client sends them and as none may.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::super::super::PREFACE;
use super::super::super::follows::Follows::{self, More, Nothing};
use super::super::super::frame::{
    ErrorCode, FRAME_HEAD_BYTES, FrameHead, WINDOW_MAX, flag, kind, setting, settings,
};
use super::super::super::hpack::Overrun;
use super::super::{Arrival, Closed, Connection, WindowBudget};
use super::{
    Row, Seen, View, block, data, frame, frames_of, lines, nothing, reset, run, setting_of, update,
};
use crate::limits::{
    HTTP2_BLOCK_BYTES_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_FRAME_BYTES_MAX,
    HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_HEADER_TABLE_BYTES_MAX, HTTP2_LOCAL_RESETS_MAX,
    HTTP2_OUTBOX_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX,
};

fn server() -> Connection {
    Connection::serving(0, HTTP2_STREAMS_MAX, WindowBudget::default())
}

const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

fn get(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block(GET))
}

fn post(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS, stream, &block(GET))
}

/// A server, and a client's view of it.
struct Pair {
    server: Connection,
    view: View,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self { server: server(), view: View::default() };
        pair.send(&[&PREFACE[..], &frame(kind::SETTINGS, 0, 0, &[])].concat());
        assert!(pair.server.is_greeted());
        let first = pair.seen();
        assert_eq!(first[0], Seen::Settings);
        assert_eq!(first.last(), Some(&Seen::SettingsAck));
        pair
    }

    #[track_caller]
    fn send(&mut self, octets: &[u8]) {
        assert_eq!(self.server.receive(octets, 0), Ok(()));
    }

    /// Takes the server's octets in.
    fn seen(&mut self) -> Vec<Seen> {
        let out = self.server.take_output();
        self.view.seen(&out)
    }

    fn open(&mut self, stream: u32, request: &[u8]) {
        self.send(request);
        let opened = self.server.opened().unwrap();
        assert_eq!(opened.id, stream);
        self.server.recycle(opened.fields);
    }

    /// Sends all of `octets` that go now.
    fn write(&mut self, stream: u32, octets: usize, follows: Follows) -> usize {
        let context = Context::from_waker(Waker::noop());
        let octets = vec![b'x'; octets];
        let mut at = 0;
        while at < octets.len()
            && let Poll::Ready(sent) =
                self.server.poll_data(&context, stream, &octets[at..], follows)
        {
            at += sent.unwrap();
        }
        at
    }

    fn respond(&mut self, stream: u32) {
        self.server.respond(stream, 200, nothing(), More).unwrap();
    }
}

const OK: &str = ":status: 200\n";

// ---- The whole exchange -------------------------------------------------------------------------

/// RFC 9113 section 3.4: they are the first frame.
#[test]
fn our_settings_are_sent_first() {
    let mut server = server();
    let out = server.take_output();
    let (head, rest) = out.split_first_chunk::<FRAME_HEAD_BYTES>().unwrap();
    let head = FrameHead::read(*head);
    assert_eq!((head.kind, head.flags, head.stream), (kind::SETTINGS, 0, 0));
    let found: Vec<_> = settings(&rest[..head.len as usize]).collect();
    for expected in [
        (setting::HEADER_TABLE_SIZE, HTTP2_HEADER_TABLE_BYTES_MAX),
        (setting::MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX),
        (setting::INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES),
        (setting::MAX_FRAME_SIZE, HTTP2_FRAME_BYTES_MAX),
        (setting::MAX_HEADER_LIST_SIZE, HTTP2_HEADER_LIST_BYTES_MAX),
        (setting::ENABLE_CONNECT_PROTOCOL, 1),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    let update = update(0, HTTP2_CONNECTION_WINDOW_BYTES - 65_535);
    assert_eq!(rest[head.len as usize..], update);
}

#[test]
fn a_request_with_body_and_trailers_is_answered_with_trailers() {
    let mut pair = Pair::new();
    pair.open(1, &post(1));
    assert_eq!(pair.server.poll_arrival(1, None), Poll::Pending);
    pair.send(&[data(1, b"hello", 0), data(1, b" world", 0)].concat());
    assert_eq!(pair.server.poll_arrival(1, None), Poll::Ready(Ok(Arrival::Data)));
    assert_eq!(pair.server.unread(1), b"hello world");
    pair.server.consume(1, 11);
    pair.server.credit(1, 11);
    let trailers = block(&[("x-sum", "c0ffee"), ("content-length", "9")]);
    pair.send(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &trailers));
    assert_eq!(pair.server.poll_arrival(1, None), Poll::Ready(Ok(Arrival::End)));
    assert_eq!(pair.server.take_trailers(1).unwrap(), b"x-sum: c0ffee\r\n");
    pair.server.inform(1, 103, [(&b"Link"[..], &b"</a>"[..])].into_iter()).unwrap();
    pair.server.respond(1, 200, [(&b"X-A"[..], &b"b"[..])].into_iter(), More).unwrap();
    assert_eq!(pair.server.respond(1, 200, nothing(), More), Err(Closed), "one head");
    assert_eq!(pair.server.inform(1, 103, nothing()), Err(Closed), "behind the head");
    assert_eq!(pair.write(1, 3, More), 3);
    pair.server.end(1, Some([(&b"Grpc-Status"[..], &b"0"[..])].into_iter())).unwrap();
    assert_eq!(pair.server.end(1, Some(nothing())), Err(Closed), "one end");
    pair.server.release(1);
    let head = |text: &str, is_end| Seen::Head(1, text.to_owned(), is_end);
    assert_eq!(
        pair.seen(),
        [
            head(":status: 103\nlink: </a>\n", false),
            head(":status: 200\nx-a: b\n", false),
            Seen::Data(1, 3, false),
            head("grpc-status: 0\n", true),
        ]
    );
    assert_eq!(pair.server.stream_count(), 0);
}

#[test]
fn a_response_may_end_with_its_head_its_data_or_an_empty_frame() {
    let mut pair = Pair::new();
    for stream in [1, 3, 5] {
        pair.open(stream, &get(stream));
    }
    pair.server.respond(1, 204, nothing(), Nothing).unwrap();
    pair.respond(3);
    assert_eq!(pair.write(3, 2, Nothing), 2);
    pair.respond(5);
    pair.server.end(5, None::<std::iter::Empty<_>>).unwrap();
    let head = |stream, text: &str, is_end| Seen::Head(stream, text.to_owned(), is_end);
    assert_eq!(
        pair.seen(),
        [
            head(1, ":status: 204\n", true),
            head(3, OK, false),
            Seen::Data(3, 2, true),
            head(5, OK, false),
            Seen::Data(5, 0, true),
        ]
    );
}

/// A block above one frame goes on in CONTINUATION frames, ours and theirs.
#[test]
fn large_heads_pass_both_ways() {
    let mut pair = Pair::new();
    let value = "\u{1}".repeat(20_000);
    let mut fields = GET.to_vec();
    fields.push(("x-large", &value));
    let block = block(&fields);
    // Padded HEADERS, and seven CONTINUATION frames.
    let mut pieces = block.chunks(block.len() / 8 + 1);
    let first = [&[3][..], pieces.next().unwrap(), &[0; 3]].concat();
    let mut octets = frame(kind::HEADERS, flag::PADDED | flag::END_STREAM, 1, &first);
    let mut count = 0;
    while let Some(piece) = pieces.next() {
        let last = if pieces.len() == 0 { flag::END_HEADERS } else { 0 };
        octets.extend(frame(kind::CONTINUATION, last, 1, piece));
        count += 1;
    }
    assert_eq!(count, 7);
    pair.send(&octets);
    let opened = pair.server.opened().unwrap();
    let (name, found) = opened.fields.iter().last().unwrap();
    assert_eq!((name, found), (&b"x-large"[..], value.as_bytes()));
    let field = (&b"x-large"[..], value.as_bytes());
    pair.server.respond(1, 200, [field, field].into_iter(), Nothing).unwrap();
    let line = format!("x-large: {value}\n");
    assert_eq!(pair.seen(), [Seen::Head(1, format!("{OK}{line}{line}"), true)]);
}

// ---- Errors -------------------------------------------------------------------------------------

/// What must come of `octets` behind a whole exchange on stream 1 and a request on stream 3 whose
/// body is open.
#[track_caller]
fn check(name: &str, octets: &[u8], expected: Result<&[Seen], ErrorCode>) {
    let start = || {
        let mut pair = Pair::new();
        pair.open(1, &get(1));
        pair.server.respond(1, 200, nothing(), Nothing).unwrap();
        pair.server.release(1);
        pair.open(3, &post(3));
        pair.respond(3);
        pair.seen();
        pair
    };
    let mut whole = start();
    let result = whole.server.receive(octets, 0);
    let seen = whole.seen();
    match expected {
        Ok(expected) => assert_eq!((result, &seen[..]), (Ok(()), expected), "{name}"),
        Err(code) => {
            assert_eq!(result.map_err(|ended| ended.code), Err(code), "{name}");
            let last = match seen.last() {
                Some(Seen::Goaway(last, found)) if *found == code as u32 => *last,
                other => panic!("{name}: {other:?}"),
            };
            assert!(last >= 3 && whole.server.is_over(), "{name}");
            assert!(whole.server.is_closed(3), "{name}");
            assert_eq!(whole.server.receive(&get(9), 0), Ok(()), "no longer read");
        }
    }
    let mut single = start();
    for octet in octets {
        if single.server.receive(&[*octet], 0).is_err() {
            break;
        }
    }
    assert_eq!(single.seen(), seen, "{name}, octet by octet");
}

#[test]
fn errors_of_streams_have_their_exact_codes() {
    use ErrorCode as E;
    let failed = |stream, code: E| [Seen::Reset(stream, code as u32)];
    let own_parent = [&7_u32.to_be_bytes()[..], &[0], &block(GET)].concat();
    let all = flag::END_HEADERS | flag::END_STREAM;
    let rows: &[Row<'_>] = &[
        ("DATA on idle", data(5, b"x", 0), Err(E::ProtocolError)),
        ("DATA on an even number", data(2, b"x", 0), Err(E::ProtocolError)),
        ("RST_STREAM on idle", reset(5), Err(E::ProtocolError)),
        ("WINDOW_UPDATE on idle", update(5, 1), Err(E::ProtocolError)),
        ("CONTINUATION of nothing", frame(kind::CONTINUATION, 4, 3, b""), Err(E::ProtocolError)),
        ("DATA on closed", data(1, b"x", 0), Ok(&failed(1, E::StreamClosed))),
        ("HEADERS on closed", get(1), Err(E::StreamClosed)),
        ("RST_STREAM on closed", reset(1), Ok(&[])),
        ("WINDOW_UPDATE on closed", update(1, 1), Ok(&[])),
        (
            "DATA behind the end",
            [data(3, b"", flag::END_STREAM), data(3, b"x", 0)].concat(),
            Ok(&failed(3, E::StreamClosed)),
        ),
        (
            "HEADERS behind the end",
            [data(3, b"", flag::END_STREAM), get(3)].concat(),
            Ok(&failed(3, E::StreamClosed)),
        ),
        (
            "DATA behind their reset",
            [reset(3), data(3, b"x", 0)].concat(),
            Ok(&failed(3, E::StreamClosed)),
        ),
        ("even number", get(4), Err(E::ProtocolError)),
        ("lower than an earlier one", [get(7), get(5)].concat(), Err(E::StreamClosed)),
        (
            "HEADERS on themselves",
            frame(kind::HEADERS, all | flag::PRIORITY, 7, &own_parent),
            Ok(&failed(7, E::ProtocolError)),
        ),
        (
            "PRIORITY on itself",
            frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 3, 0]),
            Ok(&failed(3, E::ProtocolError)),
        ),
        ("PRIORITY on itself, idle", frame(kind::PRIORITY, 0, 9, &[0, 0, 0, 9, 0]), Ok(&[])),
        ("PRIORITY of 4", frame(kind::PRIORITY, 0, 3, &[0; 4]), Ok(&failed(3, E::FrameSizeError))),
        ("PRIORITY of 4, idle", frame(kind::PRIORITY, 0, 9, &[0; 4]), Err(E::FrameSizeError)),
        ("PRIORITY of 4, closed", frame(kind::PRIORITY, 0, 1, &[0; 4]), Ok(&[])),
    ];
    run(check, rows);
}

#[test]
fn errors_of_the_connection_have_their_exact_codes() {
    use ErrorCode as E;
    let failed = |stream, code: E| [Seen::Reset(stream, code as u32)];
    let all = flag::END_HEADERS | flag::END_STREAM;
    let open = frame(kind::HEADERS, flag::END_STREAM, 5, &block(GET));
    let rows: &[Row<'_>] = &[
        ("PUSH_PROMISE", frame(kind::PUSH_PROMISE, 4, 3, &[0; 8]), Err(E::ProtocolError)),
        ("PING inside", [open.clone(), frame(6, 0, 0, &[0; 8])].concat(), Err(E::ProtocolError)),
        ("unknown inside", [open.clone(), frame(99, 0, 5, b"")].concat(), Err(E::ProtocolError)),
        ("another stream inside", [open.clone(), get(7)].concat(), Err(E::ProtocolError)),
        (
            "another CONTINUATION",
            [open, frame(kind::CONTINUATION, 4, 7, b"")].concat(),
            Err(E::ProtocolError),
        ),
        ("broken block", frame(kind::HEADERS, all, 5, &[0x80]), Err(E::CompressionError)),
        ("broken trailers", frame(kind::HEADERS, all, 3, &[0x80]), Err(E::CompressionError)),
        ("broken block, late", frame(kind::HEADERS, all, 5, &[0, 9]), Err(E::CompressionError)),
        ("trailers without end", post(3), Ok(&failed(3, E::ProtocolError))),
        ("pseudo-field of trailers", get(3), Ok(&failed(3, E::ProtocolError))),
        (
            "bad trailers",
            frame(kind::HEADERS, all, 3, &[0, 1, b'x', 1, b'\n']),
            Ok(&failed(3, E::ProtocolError)),
        ),
        ("increment 0", update(0, 0), Err(E::ProtocolError)),
        ("increment 0 of a stream", update(3, 0), Ok(&failed(3, E::ProtocolError))),
        ("window too large", update(0, WINDOW_MAX), Err(E::FlowControlError)),
        ("window of a stream", update(3, WINDOW_MAX), Ok(&failed(3, E::FlowControlError))),
        (
            "windows lifted too far",
            [update(3, WINDOW_MAX - 65_535), setting_of(4, 65_536)].concat(),
            Err(E::FlowControlError),
        ),
        ("initial window too large", setting_of(4, 1 << 31), Err(E::FlowControlError)),
        ("ENABLE_PUSH of 2", setting_of(2, 2), Err(E::ProtocolError)),
        ("frames too small", setting_of(5, 16_383), Err(E::ProtocolError)),
        ("frames too large", setting_of(5, 1 << 24), Err(E::ProtocolError)),
        ("a large frame", vec![0, 0x40, 1, 0, 0, 0, 0, 0, 3], Err(E::FrameSizeError)),
        ("unknown setting", setting_of(99, 1), Ok(&[Seen::SettingsAck])),
        ("unknown frame", frame(99, 255, 0, b"x"), Ok(&[])),
        ("GOAWAY of theirs", frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 99]), Ok(&[])),
        ("PING", frame(6, 0, 0, b"01234567"), Ok(&[Seen::Ping(*b"01234567", true)])),
        ("PING of ours", frame(6, flag::ACK, 0, b"01234567"), Ok(&[])),
    ];
    run(check, rows);
}

#[test]
fn what_is_no_preface_ends_at_once() {
    for octets in [&b"PRI * HTTP/2.0\r\n\r\nSX"[..], b"G", &[PREFACE, &get(1)[..]].concat()] {
        let mut server = server();
        let ended = server.receive(octets, 0).unwrap_err();
        assert_eq!(ended.code, ErrorCode::ProtocolError);
        assert!(server.is_over() && server.opened().is_none());
    }
}

/// The list is refused on its stream, and the next block reads as it is meant.
#[test]
fn a_list_above_the_limit_costs_its_stream_only() {
    let mut pair = Pair::new();
    // 200 kB, which the table does not take, and an entry behind it.
    let value = "\u{1}".repeat(200_000);
    let mut octets = block(&[(":method", "GET"), ("x-large", &value)]);
    octets.extend([0x40, 1, b'b', 1, b'w']);
    pair.send(&frames_of(&octets, 0, 1));
    let opened = pair.server.opened().unwrap();
    assert_eq!(opened.fields.overrun(), Some(Overrun::Bytes));
    pair.server.recycle(opened.fields);
    pair.send(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 3, &[0x80 | 62]));
    let opened = pair.server.opened().unwrap();
    assert_eq!((opened.id, lines(&opened.fields)), (3, "b: w\n".to_owned()));
}

#[test]
fn a_block_without_end_ends_the_connection() {
    let mut pair = Pair::new();
    let piece = vec![0x82; HTTP2_FRAME_BYTES_MAX as usize];
    pair.send(&frame(kind::HEADERS, 0, 1, &piece));
    let frames = HTTP2_BLOCK_BYTES_MAX / piece.len();
    for _ in 1..frames {
        pair.send(&frame(kind::CONTINUATION, 0, 1, &piece));
    }
    let ended = pair.server.receive(&frame(kind::CONTINUATION, 0, 1, &piece), 0).unwrap_err();
    assert_eq!(ended.code, ErrorCode::EnhanceYourCalm);
}

#[test]
fn a_malformed_request_is_answered_with_400_unless_something_was_said() {
    let mut pair = Pair::new();
    pair.open(1, &post(1));
    pair.open(3, &get(3));
    pair.open(5, &post(5));
    pair.respond(5);
    for stream in [1, 3, 5] {
        pair.server.refuse(stream);
        assert!(pair.server.is_closed(stream));
        assert_eq!(pair.server.respond(stream, 200, nothing(), Nothing), Err(Closed));
        pair.server.refuse(stream);
        pair.server.release(stream);
    }
    let refused = |stream| Seen::Head(stream, ":status: 400\n".to_owned(), true);
    assert_eq!(
        pair.seen(),
        [
            Seen::Head(5, OK.to_owned(), false),
            refused(1),
            Seen::Reset(1, 0),
            refused(3),
            Seen::Reset(5, 1)
        ]
    );
    // What was under way is ignored.
    pair.send(&[data(1, b"x", 0), get(1), data(5, b"x", 0)].concat());
    assert_eq!(pair.seen(), []);
}

#[test]
fn streams_that_the_client_makes_us_reset_are_few() {
    let mut pair = Pair::new();
    let mut stream = 1;
    let mut round = |pair: &mut Pair| {
        let result = pair.server.receive(&[get(stream), update(stream, 0)].concat(), 0);
        while let Some(opened) = pair.server.opened() {
            pair.server.release(opened.id);
        }
        stream += 2;
        result
    };
    for _ in 0..HTTP2_LOCAL_RESETS_MAX {
        assert_eq!(round(&mut pair), Ok(()));
    }
    assert_eq!(round(&mut pair).unwrap_err().code, ErrorCode::EnhanceYourCalm);
}

/// A proxy that gathers clients and now and then passes on an error of one of them.
#[test]
fn streams_that_end_well_make_up_for_errors() {
    let mut pair = Pair::new();
    for round in 0..10 * u32::try_from(HTTP2_LOCAL_RESETS_MAX).unwrap() {
        let (wrong, right) = (4 * round + 1, 4 * round + 3);
        pair.open(wrong, &get(wrong));
        pair.send(&update(wrong, 0));
        pair.server.release(wrong);
        pair.open(right, &get(right));
        pair.server.respond(right, 200, nothing(), Nothing).unwrap();
        pair.server.release(right);
        pair.seen();
    }
}

#[test]
fn one_stream_more_than_allowed_is_refused() {
    let mut pair = Pair::new();
    for at in 0..HTTP2_STREAMS_MAX {
        pair.open(2 * at + 1, &get(2 * at + 1));
    }
    let next = 2 * HTTP2_STREAMS_MAX + 1;
    pair.send(&[post(next), data(next, b"x", 0)].concat());
    assert!(pair.server.opened().is_none());
    assert_eq!(pair.seen(), [Seen::Reset(next, 7)]);
    // One that the client gave up counts until its work is over.
    pair.send(&[reset(1), get(next + 2)].concat());
    assert_eq!(pair.seen(), [Seen::Reset(next + 2, 7)]);
    pair.server.release(1);
    pair.open(next + 4, &get(next + 4));
    assert_eq!(pair.seen(), []);
}

// ---- Windows ------------------------------------------------------------------------------------

#[test]
fn the_windows_of_the_client_are_kept() {
    let mut pair = Pair::new();
    pair.send(&setting_of(4, 5));
    pair.open(1, &get(1));
    pair.respond(1);
    assert_eq!(pair.write(1, 100, Nothing), 5);
    pair.send(&setting_of(4, 2));
    pair.send(&update(1, 3));
    assert_eq!(pair.write(1, 95, Nothing), 0, "the window is 0");
    pair.send(&update(1, 1));
    assert_eq!(pair.write(1, 95, Nothing), 1);
    pair.send(&setting_of(4, 65_535));
    assert_eq!(pair.write(1, 94, Nothing), 94);
    let sent: Vec<_> =
        pair.seen().into_iter().filter(|seen| matches!(seen, Seen::Data(..))).collect();
    assert_eq!(sent, [Seen::Data(1, 5, false), Seen::Data(1, 1, false), Seen::Data(1, 94, true)]);
}

#[test]
fn a_frame_is_at_most_as_large_as_any_client_takes() {
    let mut pair = Pair::new();
    pair.send(&setting_of(5, 1 << 20));
    pair.open(1, &get(1));
    pair.respond(1);
    assert_eq!(pair.write(1, 40_000, Nothing), 40_000);
    let sent: Vec<_> =
        pair.seen().into_iter().filter(|seen| matches!(seen, Seen::Data(..))).collect();
    let sizes = [(16_384, false), (16_384, false), (7232, true)];
    assert_eq!(sent, sizes.map(|(octets, is_end)| Seen::Data(1, octets, is_end)));
}

/// Streams that wait for the connection's window get one frame each, in turn, and one that waits
/// for its own does not hold up the others.
#[test]
fn waiting_streams_take_turns() {
    let mut pair = Pair::new();
    pair.send(&setting_of(4, WINDOW_MAX));
    for stream in [1, 3, 5, 7] {
        pair.open(stream, &get(stream));
        pair.respond(stream);
    }
    assert_eq!(pair.write(1, 1 << 20, More), 65_535, "all that the connection has");
    for stream in [3, 5, 7] {
        assert_eq!(pair.write(stream, 1 << 20, More), 0);
    }
    pair.seen();
    // The one at the front is given up.
    pair.send(&reset(1));
    pair.send(&update(0, 40_000));
    assert_eq!(pair.write(5, 1 << 20, More), 0, "not its turn");
    assert_eq!(pair.write(3, 1 << 20, More), 16_384);
    assert_eq!(pair.write(3, 1 << 20, More), 0);
    assert_eq!(pair.write(7, 1 << 20, More), 0);
    assert_eq!(pair.write(5, 1 << 20, More), 16_384);
    assert_eq!(pair.write(7, 5000, Nothing), 5000);
    assert_eq!(pair.write(3, 1 << 20, More), 40_000 - 2 * 16_384 - 5000);
    pair.server.release(5);
    pair.server.release(3);
    assert!(pair.server.turn.is_empty());
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let mut pair = Pair::new();
    pair.send(&[setting_of(4, WINDOW_MAX), update(0, 1 << 30)].concat());
    pair.open(1, &get(1));
    pair.respond(1);
    let sent = pair.write(1, 10 << 20, More);
    assert!(
        sent >= HTTP2_OUTBOX_BYTES_MAX
            && pair.server.output_len() < HTTP2_OUTBOX_BYTES_MAX + 20_000
    );
    assert!(pair.server.wakes().is_empty());
    pair.seen();
    assert_eq!(pair.server.wakes().len(), 1, "there is room again");
    assert!(pair.write(1, 1, More) == 1);
}

#[test]
fn octets_that_are_through_widen_the_windows_and_padding_at_once() {
    let mut pair = Pair::new();
    pair.open(1, &post(1));
    let half = HTTP2_STREAM_WINDOW_BYTES / 2;
    let piece = vec![b'x'; 16_384];
    pair.send(&data(1, &piece, 0).repeat(3));
    assert_eq!(pair.seen(), []);
    pair.server.consume(1, 3 * 16_384);
    pair.server.credit(1, half - 1);
    assert_eq!(pair.seen(), []);
    pair.server.credit(1, 1);
    assert_eq!(pair.seen(), [Seen::Update(1, half)]);
    // 150 frames of padding: 150 × 256 octets.
    let padded = [&[255, b'x'][..], &[0; 255]].concat();
    pair.send(&frame(kind::DATA, flag::PADDED, 1, &padded).repeat(150));
    assert_eq!(pair.seen(), [Seen::Update(1, half)]);
    assert_eq!(pair.server.unread(1).len(), 150);
}

#[test]
fn a_client_above_its_window_is_stopped() {
    let mut pair = Pair::new();
    pair.open(1, &post(1));
    let piece = data(1, &[b'x'; 16_384], 0);
    pair.send(&piece.repeat(4));
    pair.send(&data(1, b"x", 0));
    assert_eq!(pair.seen(), [Seen::Reset(1, ErrorCode::FlowControlError as u32)]);
    // The window of the connection is the bound of all of them.
    let mut pair = Pair::new();
    let count = HTTP2_CONNECTION_WINDOW_BYTES / HTTP2_STREAM_WINDOW_BYTES;
    for at in 0..count {
        pair.open(
            2 * at + 1,
            &[post(2 * at + 1), data(2 * at + 1, &[0; 16_384], 0).repeat(4)].concat(),
        );
    }
    pair.open(2 * count + 1, &post(2 * count + 1));
    let ended = pair.server.receive(&data(2 * count + 1, b"x", 0), 0).unwrap_err();
    assert_eq!(ended.code, ErrorCode::FlowControlError);
}

/// Whatever ends a stream, its octets are given back once.
#[test]
fn the_window_of_the_connection_never_leaks() {
    let enders: [fn(&mut Pair, u32); 5] = [
        |pair, id| pair.send(&reset(id)),
        |pair, id| pair.send(&update(id, 0)),
        |pair, id| pair.server.refuse(id),
        |pair, id| pair.server.reset(id, ErrorCode::InternalError),
        |pair, id| pair.send(&data(id, b"x", flag::END_STREAM)),
    ];
    let mut pair = Pair::new();
    let mut window = i64::from(HTTP2_CONNECTION_WINDOW_BYTES);
    for round in 0..400_u32 {
        let id = 2 * round + 1;
        pair.open(id, &post(id));
        let octets = vec![b'x'; 1000 + round as usize % 15_000];
        pair.send(&data(id, &octets, 0));
        window -= octets.len() as i64;
        pair.server.consume(id, 700);
        pair.server.credit(id, 700);
        let end = round as usize % enders.len();
        enders[end](&mut pair, id);
        window -= i64::from(end == 4);
        pair.send(&data(id, &[], 0));
        pair.server.credit(id, 300);
        pair.server.release(id);
        // Other streams that end well keep the count of errors low.
        pair.server.errors = 0;
        for seen in pair.seen() {
            if let Seen::Update(0, increment) = seen {
                window += i64::from(increment);
            }
        }
        assert_eq!(window, i64::from(pair.server.receive_window));
        let lacking = i64::from(HTTP2_CONNECTION_WINDOW_BYTES) - window;
        assert_eq!(lacking, i64::from(pair.server.unannounced), "round {round}");
    }
}

// ---- Ends ---------------------------------------------------------------------------------------

#[test]
fn a_drain_serves_what_goaway_names() {
    let mut pair = Pair::new();
    pair.open(1, &get(1));
    pair.server.begin_drain();
    pair.server.begin_drain();
    let seen = pair.seen();
    let [Seen::Goaway(WINDOW_MAX, 0), Seen::Ping(octets, false)] = seen[..] else {
        panic!("{seen:?}")
    };
    // This one crossed our GOAWAY.
    pair.open(3, &get(3));
    pair.send(&frame(kind::PING, flag::ACK, 0, &octets).repeat(2));
    assert_eq!(pair.seen(), [Seen::Goaway(3, 0)]);
    // These come too late; the table of fields follows all the same.
    let entry = [&block(GET)[..], &[0x40, 1, b'b', 1, b'w']].concat();
    pair.send(&[frame(kind::HEADERS, flag::END_HEADERS, 5, &entry), data(5, b"x", 0)].concat());
    pair.send(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 5, &[0x80 | 62]));
    assert!(pair.server.opened().is_none());
    for stream in [1, 3] {
        assert!(!pair.server.is_over());
        pair.server.respond(stream, 200, nothing(), Nothing).unwrap();
        pair.server.release(stream);
    }
    assert!(pair.server.is_over());
    assert_eq!(pair.seen().len(), 2);
    pair.server.abort(ErrorCode::NoError);
    assert_eq!(pair.seen(), [Seen::Goaway(3, 0)]);
}

#[test]
fn the_end_of_the_connection_fails_its_streams() {
    let mut pair = Pair::new();
    pair.open(1, &post(1));
    assert_eq!(pair.server.poll_arrival(1, Some(Waker::noop())), Poll::Pending);
    pair.server.disconnect();
    assert_eq!(pair.server.wakes().len(), 1);
    assert_eq!(pair.server.poll_arrival(1, None), Poll::Ready(Err(Closed)));
    assert_eq!(pair.server.respond(1, 200, nothing(), Nothing), Err(Closed));
    pair.server.release(1);
    pair.server.begin_drain();
    pair.server.abort(ErrorCode::InternalError);
    assert_eq!(pair.seen(), []);
}

#[test]
fn a_stream_that_is_let_go_of_says_how_it_ended() {
    let mut pair = Pair::new();
    for stream in [1, 3, 5] {
        pair.open(stream, &post(stream));
    }
    pair.server.release(1);
    pair.server.respond(3, 200, nothing(), Nothing).unwrap();
    pair.server.release(3);
    pair.respond(5);
    pair.server.reset(5, ErrorCode::InternalError);
    pair.server.reset(5, ErrorCode::InternalError);
    pair.server.release(5);
    let resets: Vec<_> = pair.seen().into_iter().filter(|s| matches!(s, Seen::Reset(..))).collect();
    assert_eq!(resets, [Seen::Reset(1, 2), Seen::Reset(3, 0), Seen::Reset(5, 2)]);
}

#[test]
fn a_table_that_the_client_makes_smaller_is_acknowledged() {
    let mut pair = Pair::new();
    pair.send(&setting_of(1, 0));
    pair.open(1, &get(1));
    pair.server.respond(1, 200, nothing(), Nothing).unwrap();
    let out = pair.server.take_output();
    assert!(out.ends_with(&[0x20, 0x88]), "{out:?}");
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
        let octets = [get(1), post(3), octets].concat();
        let run = |step: usize| {
            let mut pair = Pair::new();
            let mut opened = Vec::new();
            for piece in octets.chunks(step) {
                let result = pair.server.receive(piece, 0);
                while let Some(next) = pair.server.opened() {
                    opened.push((next.id, lines(&next.fields)));
                }
                if result.is_err() {
                    break;
                }
            }
            let out = pair.server.take_output();
            (opened, out)
        };
        prop_assert_eq!(run(octets.len()), run(step));
    }
}
