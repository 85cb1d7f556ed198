//! RFC 9113 and RFC 7541 case by case: what is sent after the handshake, and the reaction.
//!
//! A stream error may be answered by one of the connection (section 5.4.1), so both pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::for_each_driver;
use crate::harness::frames::*;
use crate::harness::{Backend, Client, Driver, Http2, Proxy, manifest};

for_each_driver!(
    preface,
    frame_format_and_size,
    field_blocks,
    stream_states,
    identifiers_and_priority,
    data_headers_priority_reset,
    settings_frames,
    ping_goaway_push,
    window_updates,
    continuation,
    hpack,
    settings_are_acknowledged,
    settings_in_one_frame_apply_in_order,
    ping_is_answered_with_its_octets,
    one_stream_more_than_allowed,
    connection_error_is_told_by_goaway,
    preface_in_pieces,
    wrong_preface,
    preface_without_settings,
);

/// What must follow.
enum Expect {
    /// Stream gets a 200.
    Served(u32),
    /// Connection error with one of these codes.
    Connection(&'static [u32]),
    /// RST_STREAM or 4xx on the stream, or a connection error, with one of these codes.
    Stream(u32, &'static [u32]),
}
use Expect::{Connection, Served, Stream};

struct Case {
    name: &'static str,
    /// A whole exchange on stream 1 comes first.
    is_after_exchange: bool,
    octets: Vec<u8>,
    expect: Expect,
}

fn case(name: &'static str, octets: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case { name, is_after_exchange: false, octets: octets.into(), expect }
}

/// The same, on stream 3 or above, behind a whole exchange on stream 1.
fn after(name: &'static str, octets: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case { name, is_after_exchange: true, octets: octets.into(), expect }
}

#[track_caller]
fn run(driver: Driver, cases: &[Case]) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut failures = String::new();
    for case in cases {
        let result = catch_unwind(AssertUnwindSafe(|| run_case(&proxy, case)));
        if let Err(payload) = result {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
            failures += &format!("- {}: {}\n", case.name, text.unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "of {} cases these failed:\n{failures}", cases.len());
    assert_eq!(Http2::connect(proxy.http).get(1, "/after").status, 200, "serves after all cases");
}

fn run_case(proxy: &Proxy, case: &Case) {
    let mut http2 = Http2::connect(proxy.http);
    if case.is_after_exchange {
        assert_eq!(http2.get(1, "/first").status, 200);
    }
    // A server that closed at the first wrong octet is right.
    drop(http2.send_if_open(&case.octets));
    let is_right = |code: u32, codes: &[u32]| codes.contains(&code);
    match case.expect {
        Served(stream) => {
            let answer = http2.answer(stream);
            let end = (answer.reset, http2.goaway);
            assert_eq!((answer.status, answer.is_ended), (200, true), "{end:?}");
        }
        Connection(codes) => {
            let code = http2.end();
            let answers = (http2.so_far(1), http2.so_far(3));
            assert!(code.is_some_and(|code| is_right(code, codes)), "{code:?}; {answers:?}");
        }
        Stream(stream, codes) => {
            http2.read_until(|http2| {
                let answer = http2.so_far(stream);
                answer.reset.is_some() || (400..500).contains(&answer.status) && answer.is_ended
            });
            let (answer, goaway) = (http2.so_far(stream), http2.goaway);
            let code = http2.error_of(stream);
            let is_refused = (400..500).contains(&answer.status);
            let is_told = code.is_some_and(|code| is_right(code, codes));
            assert!(is_refused || is_told, "{answer:?} {goaway:?}");
        }
    }
}

/// A field block that is too large for one frame of 16,384 octets.
fn large_block() -> Vec<u8> {
    let value = "v".repeat(5000);
    let mut fields = request("GET", "/");
    fields.extend([("x-a", value.as_str()), ("x-b", &value), ("x-c", &value), ("x-d", &value)]);
    block(&fields)
}

/// Octets that are no frame: an unknown type of 5 MB.
const NO_FRAME: &[u32] = &[PROTOCOL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM];

/// Section 3.4.
fn preface(driver: Driver) {
    run(
        driver,
        &[
            case("a request right behind the handshake", get(1, "/"), Served(1)),
            case("a second preface", PREFACE, Connection(NO_FRAME)),
        ],
    );
}

/// Sections 4.1, 4.2, 5.5.
fn frame_format_and_size(driver: Driver) {
    let mut reserved = get(1, "/");
    reserved[5] |= 0x80;
    let mut ping = frame(PING, 0, 0, [0; 8]);
    ping[5] |= 0x80;
    let full = data(1, vec![b'x'; 16_384], END_STREAM);
    let over = data(1, vec![b'x'; 16_385], END_STREAM);
    let size: &[u32] = &[FRAME_SIZE_ERROR];
    run(
        driver,
        &[
            case("unknown type", [frame(0x16, 0, 0, [1; 20]), get(1, "/")].concat(), Served(1)),
            case(
                "unknown type on a stream",
                [frame(0xff, 255, 5, []), get(1, "/")].concat(),
                Served(1),
            ),
            case(
                "undefined flags",
                [frame(PING, 0xfe, 0, [0; 8]), get(1, "/")].concat(),
                Served(1),
            ),
            case("undefined flags of HEADERS", headers(1, &request("GET", "/"), 0x41), Served(1)),
            case("reserved bit of a stream", reserved, Served(1)),
            case("reserved bit of stream 0", [ping, get(1, "/")].concat(), Served(1)),
            case("DATA of 16,384 octets", [post(1, "/"), full].concat(), Served(1)),
            case("DATA above our maximum", [post(1, "/"), over].concat(), Stream(1, size)),
            case(
                "HEADERS above our maximum",
                frame(HEADERS, END_STREAM | END_HEADERS, 1, large_block()),
                Connection(&[FRAME_SIZE_ERROR]),
            ),
            case(
                "SETTINGS above our maximum",
                frame(SETTINGS, 0, 0, vec![0; 16_386]),
                Connection(&[FRAME_SIZE_ERROR]),
            ),
        ],
    );
}

/// Sections 4.3, 5.5.
fn field_blocks(driver: Driver) {
    let open = frame(HEADERS, END_STREAM, 1, block(&request("GET", "/")));
    let inside = |other: Vec<u8>| [open.clone(), other].concat();
    let end = frame(CONTINUATION, END_HEADERS, 1, []);
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    run(
        driver,
        &[
            case(
                "broken HPACK",
                frame(HEADERS, END_STREAM | END_HEADERS, 1, [0xff; 5]),
                Connection(&[COMPRESSION_ERROR]),
            ),
            case(
                "block that stops within a literal",
                frame(HEADERS, END_STREAM | END_HEADERS, 1, [0, 5, b'a']),
                Connection(&[COMPRESSION_ERROR]),
            ),
            case("PING inside", inside(frame(PING, 0, 0, [0; 8])), Connection(protocol)),
            case("SETTINGS inside", inside(settings(&[])), Connection(protocol)),
            case("PRIORITY inside", inside(priority(1, 0)), Connection(protocol)),
            case("DATA inside", inside(data(1, "x", 0)), Connection(protocol)),
            case("another stream inside", inside(get(3, "/")), Connection(protocol)),
            case(
                "unknown frame inside",
                inside([frame(0x16, 0, 0, [0; 8]), end].concat()),
                Connection(protocol),
            ),
            case(
                "broken trailers",
                [post(1, "/"), frame(HEADERS, END_STREAM | END_HEADERS, 1, [0xff; 5])].concat(),
                Connection(&[COMPRESSION_ERROR]),
            ),
        ],
    );
}

/// Section 5.1.
fn stream_states(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let closed: &[u32] = &[STREAM_CLOSED];
    // A block on a stream that ended cannot be told from a continuation of nothing.
    let either: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
    let block = block(&request("GET", "/"));
    let more = frame(CONTINUATION, END_HEADERS, 1, &block);
    let open_and_reset = [post(1, "/"), reset(1, CANCEL)].concat();
    run(
        driver,
        &[
            case("DATA on idle", data(1, "x", END_STREAM), Connection(protocol)),
            case("RST_STREAM on idle", reset(1, CANCEL), Connection(protocol)),
            case("WINDOW_UPDATE on idle", window_update(1, 100), Connection(protocol)),
            case("CONTINUATION on idle", more.clone(), Connection(protocol)),
            case("DATA on half-closed", [get(1, "/"), data(1, "x", 0)].concat(), Stream(1, closed)),
            case("HEADERS on half-closed", [get(1, "/"), get(1, "/")].concat(), Stream(1, either)),
            case(
                "CONTINUATION on half-closed",
                [get(1, "/"), more.clone()].concat(),
                Connection(either),
            ),
            case(
                "DATA after our reset",
                [open_and_reset.clone(), data(1, "x", 0)].concat(),
                Stream(1, closed),
            ),
            case(
                "HEADERS after our reset",
                [open_and_reset.clone(), get(1, "/")].concat(),
                Stream(1, either),
            ),
            case(
                "CONTINUATION after our reset",
                [open_and_reset, more.clone()].concat(),
                Connection(either),
            ),
            after("DATA on closed", data(1, "x", 0), Stream(1, closed)),
            after("HEADERS on closed", get(1, "/"), Stream(1, either)),
            after("CONTINUATION on closed", more, Connection(either)),
            after(
                "RST_STREAM on closed is late, not wrong",
                [reset(1, CANCEL), get(3, "/")].concat(),
                Served(3),
            ),
            after(
                "WINDOW_UPDATE on closed is late, not wrong",
                [window_update(1, 10), get(3, "/")].concat(),
                Served(3),
            ),
            after("PRIORITY on closed", [priority(1, 0), get(3, "/")].concat(), Served(3)),
            case("PRIORITY on idle", [priority(7, 0), get(1, "/")].concat(), Served(1)),
        ],
    );
}

/// Sections 5.1.1, 5.3.
fn identifiers_and_priority(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let fields = block(&request("GET", "/"));
    let depending = |on: u32| [&on.to_be_bytes()[..], &[15], &fields[..]].concat();
    let flags = END_STREAM | END_HEADERS | WITH_PRIORITY;
    run(
        driver,
        &[
            case("even number", get(2, "/"), Connection(protocol)),
            case(
                "lower than an earlier one",
                [get(5, "/"), get(3, "/")].concat(),
                Connection(&[PROTOCOL_ERROR, STREAM_CLOSED]),
            ),
            case("numbers may be skipped", [get(3, "/"), get(101, "/")].concat(), Served(101)),
            case("HEADERS with priority", frame(HEADERS, flags, 1, depending(0)), Served(1)),
            case(
                "HEADERS that depends on itself",
                frame(HEADERS, flags, 1, depending(1)),
                // RFC 9113 drops the scheme, and with it the error.
                Stream(1, protocol),
            ),
            case(
                "PRIORITY that depends on itself",
                [get(1, "/"), priority(1, 1)].concat(),
                Stream(1, protocol),
            ),
        ],
    );
}

/// Sections 6.1 to 6.4.
fn data_headers_priority_reset(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let size: &[u32] = &[FRAME_SIZE_ERROR];
    let fields = block(&request("GET", "/"));
    let padded = [&[3][..], &fields, &[0; 3]].concat();
    let over = [&[255][..], &fields].concat();
    let all = END_STREAM | END_HEADERS;
    run(
        driver,
        &[
            case("DATA on stream 0", data(0, "x", 0), Connection(protocol)),
            case(
                "DATA with padding",
                [post(1, "/"), data(1, b"\x02x\0\0", PADDED | 1)].concat(),
                Served(1),
            ),
            case(
                "DATA with padding as long as its payload",
                [post(1, "/"), data(1, b"\x03x\0", PADDED)].concat(),
                Connection(protocol),
            ),
            case(
                "DATA with padding of no payload",
                [post(1, "/"), data(1, b"", PADDED)].concat(),
                Connection(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
            ),
            case("HEADERS on stream 0", get(0, "/"), Connection(protocol)),
            case("HEADERS with padding", frame(HEADERS, all | PADDED, 1, padded), Served(1)),
            case(
                "HEADERS with padding longer than its payload",
                frame(HEADERS, all | PADDED, 1, over),
                Connection(protocol),
            ),
            case("PRIORITY on stream 0", priority(0, 1), Connection(protocol)),
            case(
                "PRIORITY of another length",
                [post(1, "/"), frame(PRIORITY, 0, 1, [0; 4])].concat(),
                Stream(1, size),
            ),
            case("RST_STREAM on stream 0", reset(0, CANCEL), Connection(protocol)),
            case(
                "RST_STREAM of another length",
                [post(1, "/"), frame(RST_STREAM, 0, 1, [0; 3])].concat(),
                Connection(size),
            ),
            case(
                "unknown code of RST_STREAM",
                [post(1, "/"), reset(1, 0xfff), get(3, "/")].concat(),
                Served(3),
            ),
        ],
    );
}

/// Section 6.5.
fn settings_frames(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let size: &[u32] = &[FRAME_SIZE_ERROR];
    let and_get = |values: &[(u16, u32)]| [settings(values), get(1, "/")].concat();
    run(
        driver,
        &[
            case("ACK with payload", frame(SETTINGS, ACK, 0, [0; 6]), Connection(size)),
            case("stream not 0", frame(SETTINGS, 0, 1, []), Connection(protocol)),
            case("length not a multiple of 6", frame(SETTINGS, 0, 0, [0; 5]), Connection(size)),
            case("ENABLE_PUSH of 2", settings(&[(ENABLE_PUSH, 2)]), Connection(protocol)),
            case("ENABLE_PUSH of 0", and_get(&[(ENABLE_PUSH, 0)]), Served(1)),
            case(
                "window over 2^31-1",
                settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]),
                Connection(&[FLOW_CONTROL_ERROR]),
            ),
            case(
                "frame size too small",
                settings(&[(MAX_FRAME_SIZE, 16_383)]),
                Connection(protocol),
            ),
            case(
                "frame size too large",
                settings(&[(MAX_FRAME_SIZE, 1 << 24)]),
                Connection(protocol),
            ),
            case("largest frame size", and_get(&[(MAX_FRAME_SIZE, (1 << 24) - 1)]), Served(1)),
            case("unknown identifier", and_get(&[(0xff, 1), (0xfff0, u32::MAX)]), Served(1)),
            case("header table of 0", and_get(&[(HEADER_TABLE_SIZE, 0)]), Served(1)),
            case("huge header table", and_get(&[(HEADER_TABLE_SIZE, u32::MAX)]), Served(1)),
            case("no streams of ours", and_get(&[(MAX_CONCURRENT_STREAMS, 0)]), Served(1)),
        ],
    );
}

/// Sections 6.6 to 6.8, 7, 8.4.
fn ping_goaway_push(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let goaway =
        |stream: u32, code: u32| frame(GOAWAY, 0, stream, [[0; 4], code.to_be_bytes()].concat());
    let push = [&2_u32.to_be_bytes()[..], &block(&request("GET", "/"))].concat();
    run(
        driver,
        &[
            case("PING on a stream", frame(PING, 0, 1, [0; 8]), Connection(protocol)),
            case(
                "PING of another length",
                frame(PING, 0, 0, [0; 6]),
                Connection(&[FRAME_SIZE_ERROR]),
            ),
            case("GOAWAY on a stream", goaway(1, NO_ERROR), Connection(protocol)),
            case(
                "request before GOAWAY with an unknown code",
                [get(1, "/"), goaway(0, 0xff)].concat(),
                Served(1),
            ),
            case(
                "PUSH_PROMISE of a client",
                [post(1, "/"), frame(PUSH_PROMISE, END_HEADERS, 1, push)].concat(),
                Connection(protocol),
            ),
        ],
    );
}

/// Section 6.9.
fn window_updates(driver: Driver) {
    let most = (1 << 31) - 1;
    run(
        driver,
        &[
            case("increment 0", window_update(0, 0), Connection(&[PROTOCOL_ERROR])),
            case(
                "increment 0 of a stream",
                [post(1, "/"), window_update(1, 0)].concat(),
                Stream(1, &[PROTOCOL_ERROR]),
            ),
            case(
                "another length",
                frame(WINDOW_UPDATE, 0, 0, [0; 3]),
                Connection(&[FRAME_SIZE_ERROR]),
            ),
            case(
                "sum over 2^31-1",
                [window_update(0, most), window_update(0, most)].concat(),
                Connection(&[FLOW_CONTROL_ERROR]),
            ),
            case(
                "sum over 2^31-1 of a stream",
                [post(1, "/"), window_update(1, most), window_update(1, most)].concat(),
                Stream(1, &[FLOW_CONTROL_ERROR]),
            ),
            case(
                "initial window that lifts a stream over 2^31-1",
                [post(1, "/"), window_update(1, most - 65_535), settings(&[(4, 65_536)])].concat(),
                Connection(&[FLOW_CONTROL_ERROR]),
            ),
        ],
    );
}

/// Section 6.10.
fn continuation(driver: Driver) {
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let fields = block(&request("GET", "/"));
    let open = frame(HEADERS, END_STREAM, 1, &fields[..5]);
    let middle = frame(CONTINUATION, 0, 1, &fields[5..20]);
    let end = frame(CONTINUATION, END_HEADERS, 1, &fields[20..]);
    let end_of = |stream: u32| frame(CONTINUATION, END_HEADERS, stream, &fields[5..]);
    let empty = frame(CONTINUATION, 0, 1, []);
    run(
        driver,
        &[
            case("one", [open.clone(), end_of(1)].concat(), Served(1)),
            case("several", [open.clone(), middle, end].concat(), Served(1)),
            case("an empty one", [open.clone(), empty, end_of(1)].concat(), Served(1)),
            case("seven behind padded HEADERS", padded_and_seven(), Served(1)),
            case("of another stream", [open.clone(), end_of(3)].concat(), Connection(protocol)),
            case("on stream 0", [open, end_of(0)].concat(), Connection(protocol)),
            case("without HEADERS", end_of(1), Connection(protocol)),
            case("after END_HEADERS", [post(1, "/"), end_of(1)].concat(), Connection(protocol)),
            case(
                "behind DATA",
                [post(1, "/"), data(1, "x", 0), end_of(1)].concat(),
                Connection(protocol),
            ),
        ],
    );
}

/// A head in padded HEADERS and seven CONTINUATION frames.
fn padded_and_seven() -> Vec<u8> {
    let block = large_block();
    let mut pieces = block.chunks(block.len() / 8 + 1);
    let first = [&[7][..], pieces.next().unwrap_or_default(), &[0; 7]].concat();
    let mut frames = frame(HEADERS, END_STREAM | PADDED, 1, first);
    while let Some(piece) = pieces.next() {
        let last = if pieces.len() == 0 { END_HEADERS } else { 0 };
        frames.extend(frame(CONTINUATION, last, 1, piece));
    }
    frames
}

/// RFC 7541 sections 2.3.3, 4.2, 5.2, 6.1, 6.3.
fn hpack(driver: Driver) {
    let whole = |octets: Vec<u8>| frame(HEADERS, END_STREAM | END_HEADERS, 1, octets);
    let fields = block(&request("GET", "/"));
    let with = |more: &[u8]| whole([&fields[..], more].concat());
    let wrong = || Connection(&[COMPRESSION_ERROR]);
    let before = |update: Vec<u8>| whole([update, fields.clone()].concat());
    let value = |octets: &[u8]| {
        let length = u8::try_from(octets.len()).expect("short");
        with(&[&[0, 3, b'x', b'-', b'a', 0x80 | length][..], octets].concat())
    };
    run(
        driver,
        &[
            case("index 0", with(&[0x80]), wrong()),
            case("index out of range", with(&[0x80 | 70]), wrong()),
            case("name out of range", with(&[0x40 | 0x3f, 10, 1, b'x']), wrong()),
            case("integer without end", with(&[0xff; 12]), wrong()),
            case("size update first", before(integer(0x20, 5, 100)), Served(1)),
            case("size update to 0", before(vec![0x20]), Served(1)),
            case("size update over the limit", before(integer(0x20, 5, 4097)), wrong()),
            case("size update at the end", with(&[0x20]), wrong()),
            // '0' is 00000, followed by padding.
            case("Huffman", value(&[0b0000_0111]), Served(1)),
            case("Huffman padding longer than 7 bits", value(&[0b0000_0111, 0xff]), wrong()),
            case("Huffman padding of zeros", value(&[0]), wrong()),
            case("Huffman with EOS", value(&[0xff; 4]), wrong()),
            case(
                "static table",
                whole(vec![0x82, 0x86, 0x84, 0x41, 9].into_iter().chain(*b"a.example").collect()),
                Served(1),
            ),
        ],
    );
}

/// Section 6.5.3: each one, also an empty one.
fn settings_are_acknowledged(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    http2.send([settings(&[]), settings(&[(0xff, 1)])].concat());
    let mut count = 0;
    while count < 3 {
        let frame = http2.read_frame().expect("a frame").expect("a frame");
        count += usize::from(frame.kind == SETTINGS && frame.is_ack() && frame.payload.is_empty());
    }
    http2.sync();
}

/// Section 6.5.3: the last value counts, and a wrong one before it is still wrong.
fn settings_in_one_frame_apply_in_order(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    http2.grants_window = false;
    http2.send(settings(&[(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)]));
    http2.sync();
    http2.send(get(1, "/"));
    http2.read_until(|http2| !http2.so_far(1).body.is_empty());
    http2.sync();
    assert_eq!(http2.so_far(1).body.len(), 1);
    let mut http2 = Http2::connect(proxy.http);
    http2.send(settings(&[(ENABLE_PUSH, 2), (ENABLE_PUSH, 0)]));
    assert_eq!(http2.end(), Some(PROTOCOL_ERROR));
}

/// Section 6.7: the same octets come back; an ACK is not answered.
fn ping_is_answered_with_its_octets(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    http2.send(
        [frame(PING, ACK, 0, b"unasked!"), frame(PING, 0, 0, b"\0\x01abc\xff\xfe!")].concat(),
    );
    let answer = loop {
        let frame = http2.read_frame().expect("a frame").expect("a frame");
        if frame.kind == PING {
            break frame;
        }
    };
    assert!(answer.is_ack());
    assert_eq!(answer.payload, b"\0\x01abc\xff\xfe!");
}

/// Section 5.1.2.
fn one_stream_more_than_allowed(driver: Driver) {
    let backend = Backend::scripted(|mut connection| connection.read_to_end().map(drop));
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    let limit = http2.server_settings.iter().rfind(|(id, _)| *id == MAX_CONCURRENT_STREAMS);
    let limit = limit.expect("a limit of concurrent streams is announced").1;
    assert!((1..=1000).contains(&limit), "{limit}");
    // The limit binds once the client has said that it knows it.
    http2.sync();
    let octets: Vec<u8> = (0..=limit).flat_map(|index| get(1 + 2 * index, "/")).collect();
    http2.send(octets);
    let last = 1 + 2 * limit;
    let answer = http2.answer(last);
    let code = http2.error_of(last);
    assert!(matches!(code, Some(REFUSED_STREAM | PROTOCOL_ERROR)), "{answer:?} {code:?}");
    if !http2.is_closed {
        http2.send(reset(1, CANCEL));
        http2.sync();
        assert_eq!(http2.so_far(3).reset, None, "the others live on");
    }
}

/// Section 5.4.1: GOAWAY names the last stream taken in, then the connection ends.
fn connection_error_is_told_by_goaway(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::connect(proxy.http);
    assert_eq!(http2.get(1, "/").status, 200);
    assert_eq!(http2.get(3, "/").status, 200);
    http2.send(data(0, "x", 0));
    assert_eq!(http2.end(), Some(PROTOCOL_ERROR));
    assert_eq!(http2.goaway, Some((PROTOCOL_ERROR, 3)));
}

/// The preface is told from HTTP/1.1 whatever the segments.
fn preface_in_pieces(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::raw(proxy.http);
    for octet in &PREFACE[..PREFACE.len() - 1] {
        http2.send([*octet]);
        crate::harness::pause(std::time::Duration::from_millis(5));
    }
    http2.send([&PREFACE[PREFACE.len() - 1..], &settings(&[])].concat());
    assert_eq!(http2.get(1, "/").status, 200);
    assert!(!http2.server_settings.is_empty());
    // The beginning of a preface that goes on as HTTP/1.1.
    let mut client = proxy.client();
    client.send("P");
    client.send("RI /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.response().json()["method"], "PRI");
}

/// Neither HTTP/2 nor HTTP/1.1: refused or closed, and nothing reaches the backend.
fn wrong_preface(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    for octets in ["PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"] {
        let mut client: Client = proxy.client();
        client.send(octets);
        client.finish_sending();
        let text = String::from_utf8_lossy(&client.read_until_close()).into_owned();
        assert!(!text.contains(" 200 "), "{octets:?}: {text}");
    }
    assert_eq!(backend.request_count(), 0);
}

/// Section 3.4: SETTINGS is part of the preface.
fn preface_without_settings(driver: Driver) {
    let backend = Backend::echo("a");
    let proxy = Proxy::start(driver, manifest::one_host("a.example", backend.address()));
    let mut http2 = Http2::raw(proxy.http);
    http2.send([PREFACE, &get(1, "/")].concat());
    http2.read_until(|http2| http2.so_far(1).is_ended);
    assert_eq!(http2.so_far(1).status, 0);
    assert_eq!(http2.goaway.map(|(code, _)| code), Some(PROTOCOL_ERROR));
    assert_eq!(backend.request_count(), 0);
}
