//! What is translated, refused and metered.

use proptest::prelude::*;

use super::PREFACE;
use super::body::{RequestBody, RequestBodyError, TrailerRefusal, trailer_lines};
use super::follows::Follows;
use super::guard::{FrameMeter, Glitch, Verdict};
use super::hpack::FieldList;
use super::request::{Facts, RequestRefusal, RequestShape, put_request};
use super::response::{Event, ResponseFault, ResponseReader};
use crate::http1::body::{BodyDecoder, Sender};
use crate::http1::error::{BodyError, ResponseError};
use crate::http1::framing::BodyLength;
use crate::http1::head::{HeadScan, RequestHead, parse_request};
use crate::limits::{FIELDS_MAX, HTTP2_CONTINUATIONS_MAX, HTTP2_GLITCHES_MAX};

// ---- Requests -----------------------------------------------------------------------------------

const NONCE: [u8; 16] = *b"0123456789abcdef";

type Line = (&'static str, &'static str);

const METHOD: Line = (":method", "GET");
const SCHEME: Line = (":scheme", "https");
const AUTHORITY: Line = (":authority", "a");
const PATH: Line = (":path", "/");

fn list<'t>(lines: impl IntoIterator<Item = (&'t str, &'t str)>) -> FieldList {
    let mut list = FieldList::default();
    for (name, value) in lines {
        list.push(name.as_bytes(), value.as_bytes());
    }
    list
}

/// A GET of `/` with these fields.
fn with(fields: &[Line]) -> FieldList {
    list([METHOD, SCHEME, AUTHORITY, PATH].into_iter().chain(fields.iter().copied()))
}

const ALONE: Facts = Facts { is_secure: false, follows: Follows::Nothing, whole: None };

fn translate(list: &FieldList, facts: Facts) -> Result<(String, RequestShape), RequestRefusal> {
    let mut out = b"before".to_vec();
    let shape = put_request(&mut out, list, facts, || NONCE);
    assert!(out.starts_with(b"before"));
    if shape.is_err() {
        assert_eq!(out, b"before", "nothing is left of a refused head");
    }
    Ok((String::from_utf8(out.split_off(6)).unwrap(), shape?))
}

/// The head in parsed form; it must be one head and nothing else.
fn parse(text: &str) -> RequestHead {
    let mut head = RequestHead::default();
    let end = HeadScan::default().find_end(text.as_bytes()).unwrap();
    assert_eq!(end, text.len());
    parse_request(text.as_bytes(), end, &mut head).unwrap();
    head
}

#[track_caller]
fn check_text(list: &FieldList, expected: &str) {
    let (text, _) = translate(list, ALONE).unwrap();
    assert_eq!(text, expected);
    parse(&text);
}

#[track_caller]
fn check_refused(list: &FieldList, refusal: RequestRefusal, status: u16) {
    assert_eq!(translate(list, ALONE).map(|(text, _)| text), Err(refusal));
    assert_eq!(refusal.status(), status);
    assert!(!refusal.label().is_empty());
}

#[test]
fn a_head_is_written_in_order_with_one_host_and_one_cookie_line() {
    check_text(
        &list([
            METHOD,
            SCHEME,
            (":authority", "Shop.example"),
            (":path", "/a?b=%20?"),
            ("cookie", "a=1"),
            ("accept", " */* "),
            ("cookie", "b=2"),
            ("host", "shop.example:443"),
            ("te", "trailers"),
        ]),
        "GET /a?b=%20? HTTP/1.1\r\nhost: Shop.example\r\naccept: */*\r\ncookie: a=1; b=2\r\n\
         te: trailers\r\nconnection: te\r\n\r\n",
    );
    let hosted = |method, path| list([(":method", method), SCHEME, (":path", path), ("host", "a")]);
    check_text(&hosted("GET", "/"), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    check_text(&hosted("HEAD", "/?"), "HEAD /? HTTP/1.1\r\nhost: a\r\n\r\n");
    check_text(&hosted("OPTIONS", "*"), "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    for path in ["/<\"`>", "/{}|\\^", "/\u{e9}?\u{e9}", "/%zz"] {
        let (text, _) = translate(&hosted("GET", path), ALONE).unwrap();
        assert_eq!(text, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    let (text, _) = translate(&with(&[("te", "trailers")]), ALONE).unwrap();
    assert!(parse(&text).accepts_trailers);
    assert!(parse(&text).is_persistent);
}

#[test]
fn the_framing_is_that_of_what_is_known() {
    let body = |fields: &[Line], follows, whole| {
        translate(&with(fields), Facts { is_secure: false, follows, whole }).map(|(text, shape)| {
            assert_eq!(parse(&text).body, shape.body);
            shape.body
        })
    };
    let refused = Err(RequestRefusal::Length);
    assert_eq!(body(&[], Follows::Nothing, None), Ok(BodyLength::None));
    assert_eq!(body(&[], Follows::More, None), Ok(BodyLength::Chunked));
    assert_eq!(body(&[], Follows::More, Some(7)), Ok(BodyLength::Known(7)));
    assert_eq!(body(&[], Follows::More, Some(0)), Ok(BodyLength::Known(0)));
    let sized = |text| [("content-length", text)];
    assert_eq!(body(&sized("12"), Follows::More, None), Ok(BodyLength::Known(12)));
    assert_eq!(body(&sized("0"), Follows::Nothing, None), Ok(BodyLength::Known(0)));
    assert_eq!(body(&sized("12"), Follows::More, Some(12)), Ok(BodyLength::Known(12)));
    assert_eq!(body(&sized("12"), Follows::More, Some(11)), refused);
    assert_eq!(body(&sized("1"), Follows::Nothing, None), refused);
    for text in ["", "+1", "1, 1", "0x1", "1000000000000000000"] {
        assert_eq!(body(&sized(text), Follows::More, None), refused, "{text}");
    }
    assert_eq!(body(&[sized("1"), sized("1")].concat(), Follows::More, None), refused);
}

#[test]
fn pseudo_fields_are_known_single_and_in_front() {
    use RequestRefusal as R;
    check_refused(&list([SCHEME, AUTHORITY, PATH]), R::PseudoField, 400);
    check_refused(&list([METHOD, AUTHORITY, PATH]), R::PseudoField, 400);
    check_refused(&list([METHOD, SCHEME, AUTHORITY]), R::PseudoField, 400);
    check_refused(&list([METHOD, METHOD, SCHEME, AUTHORITY, PATH]), R::PseudoField, 400);
    check_refused(&list([METHOD, SCHEME, AUTHORITY, ("a", "b"), PATH]), R::PseudoField, 400);
    check_refused(&list([(":status", "200"), METHOD, SCHEME, PATH]), R::PseudoField, 400);
    check_refused(&with(&[(":protocol", "websocket")]), R::PseudoField, 400);
    check_refused(&list([]), R::PseudoField, 400);
    for method in ["", "G ET", "GET / HTTP/1.1\r\nx:"] {
        check_refused(&list([(":method", method), SCHEME, AUTHORITY, PATH]), R::Method, 400);
    }
    for path in ["", "a", "*", "?x", "http://b/", "/a b", "/\r\nx: y", "/\0", "/\x7f", "/a#b"] {
        check_refused(&list([METHOD, SCHEME, AUTHORITY, (":path", path)]), R::Path, 400);
    }
    check_refused(&list([METHOD, (":scheme", "ftp"), AUTHORITY, PATH]), R::Scheme, 400);
    let plain = list([METHOD, (":scheme", "http"), AUTHORITY, PATH]);
    assert!(translate(&plain, ALONE).is_ok());
    let secure = Facts { is_secure: true, ..ALONE };
    assert_eq!(translate(&plain, secure).map(|_| ()), Err(R::Scheme));
    assert!(translate(&with(&[]), secure).is_ok());
}

#[test]
fn what_text_could_not_show_is_refused() {
    use RequestRefusal as R;
    check_refused(&list([(":method", "CONNECT"), (":authority", "a:1")]), R::Connect, 405);
    check_refused(&list([METHOD, SCHEME, PATH]), R::HostMissing, 400);
    let host = ("host", "a");
    check_refused(&list([METHOD, SCHEME, PATH, host, host]), R::HostDisagrees, 400);
    check_refused(&with(&[("host", "b")]), R::HostDisagrees, 400);
    check_refused(&with(&[("host", "a:80")]), R::HostDisagrees, 400);
    for authority in ["a b", "a\r\nx: y", "\u{e9}"] {
        let lines = [METHOD, SCHEME, PATH, (":authority", authority)];
        check_refused(&list(lines), R::FieldValue, 400);
    }
    for name in [
        "connection",
        "proxy-connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "te",
    ] {
        check_refused(&with(&[(name, "chunked")]), R::ConnectionSpecific, 400);
    }
    for name in ["", "X-A", "x a", "x:a", "x\r\ny", "x\x7f", "\u{e9}"] {
        check_refused(&with(&[(name, "1")]), R::FieldName, 400);
    }
    for value in ["a\0b", "a\rb", "a\nb", "a\r\ntransfer-encoding: chunked", "\x7f"] {
        check_refused(&with(&[("x", value)]), R::FieldValue, 400);
    }
    check_refused(&with(&[("content-length", "x")]), R::Length, 400);
    let crumbs = |count| with(&vec![("cookie", "a"); count]);
    assert!(translate(&crumbs(FIELDS_MAX), ALONE).is_ok());
    check_refused(&crumbs(FIELDS_MAX + 1), R::TooManyFields, 431);
    check_refused(&crumbs(10 * FIELDS_MAX), R::TooManyFields, 431);
    let large = |octets| {
        let value = "b".repeat(octets);
        list([METHOD, SCHEME, AUTHORITY, PATH, ("a", value.as_str())])
    };
    check_refused(&large(40_000), R::HeadTooLarge, 431);
    check_refused(&large(400_000), R::HeadTooLarge, 431);
}

fn extended(protocol: &'static str, fields: &[Line]) -> FieldList {
    let pseudo = [(":method", "CONNECT"), (":protocol", protocol), SCHEME, AUTHORITY];
    list(pseudo.into_iter().chain([(":path", "/chat")]).chain(fields.iter().copied()))
}

#[test]
fn extended_connect_becomes_an_upgrade() {
    let fields = [("sec-websocket-key", "theirs"), ("origin", "https://a")];
    let open = Facts { follows: Follows::More, ..ALONE };
    let (text, shape) = translate(&extended("websocket", &fields), open).unwrap();
    assert_eq!(
        text,
        "GET /chat HTTP/1.1\r\nhost: a\r\norigin: https://a\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\
         sec-websocket-version: 13\r\n\r\n"
    );
    assert!(parse(&text).is_upgrade);
    assert!(shape.is_websocket);
    let (text, _) =
        translate(&extended("websocket", &[("sec-websocket-version", "8")]), open).unwrap();
    assert_eq!(text.matches("version").count(), 1);
    check_refused(&extended("connect-udp", &[]), RequestRefusal::Protocol, 400);
    let sized = extended("websocket", &[("content-length", "1")]);
    check_refused(&sized, RequestRefusal::Protocol, 400);
}

proptest! {
    #[test]
    fn a_head_reads_as_the_same_request(
        method in "[A-Z]{1,8}",
        path in "/[!-~]{0,40}",
        host in "[a-z]{1,10}(\\.[a-z]{1,5}){0,2}(:[0-9]{1,4})?",
        fields in proptest::collection::vec(("[a-z-]{1,12}", "[ -~]{0,20}"), 0..20),
        follows in prop_oneof![Just(Follows::More), Just(Follows::Nothing)],
    ) {
        let pseudo = [(":method", &method), (":path", &path), (":authority", &host)];
        let lines = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let sent = list(pseudo.map(|(name, value)| (name, value.as_str())).into_iter()
            .chain([SCHEME]).chain(lines));
        let mut out = Vec::new();
        let facts = Facts { follows, ..ALONE };
        let Ok(shape) = put_request(&mut out, &sent, facts, || NONCE) else {
            return Ok(());
        };
        let mut head = RequestHead::default();
        prop_assert_eq!(HeadScan::default().find_end(&out), Some(out.len()));
        // The parser may refuse more, but never reads something else.
        if parse_request(&out, out.len(), &mut head).is_err() {
            return Ok(());
        }
        prop_assert_eq!(head.method.of(&out), method.as_bytes());
        prop_assert_eq!(head.target.of(&out), path.as_bytes());
        prop_assert_eq!(head.authority.of(&out), host.as_bytes());
        prop_assert_eq!(head.body, shape.body);
        let special = ["host", "cookie", "te", "content-length"];
        for (name, _) in fields.iter().filter(|(name, _)| !special.contains(&name.as_str())) {
            let sent: Vec<_> = fields
                .iter()
                .filter(|(other, _)| other == name)
                .map(|(_, value)| value.as_bytes().trim_ascii())
                .collect();
            let read: Vec<_> = head
                .fields
                .iter()
                .filter(|field| field.name.of(&out) == name.as_bytes())
                .map(|field| field.value.of(&out))
                .collect();
            prop_assert_eq!(sent, read);
        }
    }
}

// ---- Request bodies -----------------------------------------------------------------------------

fn shape(body: BodyLength) -> RequestShape {
    RequestShape { body, is_head: false, is_websocket: false }
}

#[test]
fn a_chunked_body_decodes_to_its_octets_and_trailers() {
    let mut body = RequestBody::new(shape(BodyLength::Chunked));
    let mut out = Vec::new();
    for piece in [&b"hello"[..], b"", b" world"] {
        body.put_data(piece, &mut out).unwrap();
    }
    let lines = [("grpc-status", " 0"), ("content-length", "9"), ("x-forwarded-for", "9")];
    let text = trailer_lines(&list(lines)).unwrap();
    body.put_end_with(Some(&text), &mut out).unwrap();
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Client);
    let decoded = decoder.decode(&mut out).unwrap();
    assert!(decoder.is_done());
    assert_eq!(&out[..decoded.body], b"hello world");
    assert_eq!(decoded.consumed, out.len());
    assert_eq!(decoder.trailers(), b"grpc-status: 0\r\n");
    assert_eq!(body.put_data(b"x", &mut out), Err(RequestBodyError::TooLong));
}

#[test]
fn an_announced_length_is_kept() {
    let mut out = Vec::new();
    let mut body = RequestBody::new(shape(BodyLength::Known(3)));
    body.put_data(b"ab", &mut out).unwrap();
    assert_eq!(body.put_end_with(None, &mut out), Err(RequestBodyError::TooShort));
    assert_eq!(body.put_data(b"cd", &mut out), Err(RequestBodyError::TooLong));
    body.put_data(b"c", &mut out).unwrap();
    body.put_end_with(Some(b"a: b\r\n"), &mut out).unwrap();
    assert_eq!(out, b"abc");
    let mut body = RequestBody::new(shape(BodyLength::None));
    assert_eq!(body.put_data(b"c", &mut out), Err(RequestBodyError::TooLong));
}

#[test]
fn a_large_trailer_section_is_refused() {
    let value = "b".repeat(9000);
    assert_eq!(trailer_lines(&list([("a", value.as_str())])), Err(TrailerRefusal));
}

#[test]
fn malformed_trailers_are_refused() {
    for line in [
        (":path", "/"),
        ("X-T", "1"),
        ("", "1"),
        ("x", "a\nb"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(trailer_lines(&list([("a", "b"), line])), Err(TrailerRefusal), "{line:?}");
    }
    let many = vec![("a", "b"); FIELDS_MAX + 1];
    assert_eq!(trailer_lines(&list(many)), Err(TrailerRefusal));
    assert!(trailer_lines(&list([])).unwrap().is_empty());
}

#[test]
fn a_websocket_carries_raw_octets() {
    let mut body = RequestBody::new(RequestShape { is_websocket: true, ..shape(BodyLength::None) });
    let mut out = Vec::new();
    body.put_data(b"\x81\x00", &mut out).unwrap();
    body.put_end_with(None, &mut out).unwrap();
    assert_eq!(out, b"\x81\x00");
}

// ---- Responses ----------------------------------------------------------------------------------

/// Everything that an HTTP/2 client would get.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    informational: Vec<(u16, String)>,
    status: u16,
    fields: String,
    body: Vec<u8>,
    trailers: String,
    is_ended: bool,
}

fn lines<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> String {
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    fields.map(|(n, v)| format!("{}: {}\n", text(n).to_lowercase(), text(v))).collect()
}

fn read(shape: RequestShape, pieces: &[&[u8]], is_closed: bool) -> Result<Got, ResponseFault> {
    let mut reader = ResponseReader::new(shape);
    let mut got = Got::default();
    for piece in pieces {
        let mut buf = piece.to_vec();
        let mut at = 0;
        while let Some(event) = reader.next(&mut buf, &mut at)? {
            take(&mut got, &reader, event, &buf);
        }
        assert_eq!(at, buf.len());
    }
    if is_closed && let Some(event) = reader.finish()? {
        take(&mut got, &reader, event, &[]);
    }
    assert_eq!(reader.is_done(), got.is_ended);
    Ok(got)
}

fn take(got: &mut Got, reader: &ResponseReader, event: Event, buf: &[u8]) {
    assert!(!got.is_ended, "nothing follows the end");
    match event {
        Event::Informational { status } => {
            got.informational.push((status, lines(reader.fields(buf))));
        }
        Event::Head { status, follows } => {
            got.status = status;
            got.fields = lines(reader.fields(buf));
            got.is_ended = follows == Follows::Nothing;
        }
        Event::Data { range, follows } => {
            assert!(!range.is_empty());
            got.body.extend_from_slice(&buf[range]);
            got.is_ended = follows == Follows::Nothing;
        }
        Event::End => {
            got.trailers = reader.trailers().map(lines).unwrap_or_default();
            got.is_ended = true;
        }
    }
}

/// Whole, at every split, and octet by octet the result is the same.
#[track_caller]
fn check_response(shape: RequestShape, octets: &[u8], is_closed: bool) -> Got {
    let whole = read(shape, &[octets], is_closed).unwrap();
    for at in 0..=octets.len() {
        let (front, back) = octets.split_at(at);
        assert_eq!(read(shape, &[front, back], is_closed).unwrap(), whole, "split at {at}");
    }
    let single: Vec<_> = octets.chunks(1).collect();
    assert_eq!(read(shape, &single, is_closed).unwrap(), whole, "octet by octet");
    whole
}

const PLAIN: RequestShape =
    RequestShape { body: BodyLength::None, is_head: false, is_websocket: false };

#[test]
fn a_response_of_known_length() {
    let got = check_response(
        PLAIN,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: X-Gone, keep-alive\r\nX-Gone: 1\r\n\
          Keep-Alive: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nETag: \"x\"\r\n\r\nhello",
        false,
    );
    assert_eq!((got.status, got.is_ended), (200, true));
    assert_eq!(got.body, b"hello");
    assert_eq!(got.fields, "content-length: 5\nset-cookie: a\nset-cookie: b\netag: \"x\"\n");
}

#[test]
fn a_chunked_response_with_informational_ones_and_trailers() {
    let got = check_response(
        PLAIN,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
          HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n\
          0\r\ngrpc-status: 0\r\nContent-Length: 1\r\n\r\n",
        false,
    );
    let early = (103, "link: </a>\n".to_owned());
    assert_eq!(got.informational, [(100, String::new()), early]);
    assert_eq!(got.body, b"hello world");
    assert_eq!((got.fields.as_str(), got.trailers.as_str()), ("", "grpc-status: 0\n"));
    assert!(got.is_ended);
}

#[test]
fn a_chunked_response_without_trailers_ends_with_its_last_data() {
    let octets = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    assert!(check_response(PLAIN, octets, false).is_ended);
    let mut buf = octets.to_vec();
    let mut reader = ResponseReader::new(PLAIN);
    let mut at = 0;
    assert!(matches!(
        reader.next(&mut buf, &mut at),
        Ok(Some(Event::Head { follows: Follows::More, .. }))
    ));
    assert!(matches!(
        reader.next(&mut buf, &mut at),
        Ok(Some(Event::Data { follows: Follows::Nothing, .. }))
    ));
}

#[test]
fn responses_without_body_end_with_their_head() {
    let head = RequestShape { is_head: true, ..PLAIN };
    let got = check_response(head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false);
    assert_eq!((got.fields.as_str(), got.is_ended), ("content-length: 5\n", true));
    for head in ["204 No Content", "304 Not Modified", "200 OK\r\nContent-Length: 0"] {
        let octets = format!("HTTP/1.1 {head}\r\n\r\n");
        assert!(check_response(PLAIN, octets.as_bytes(), false).is_ended);
    }
}

#[test]
fn a_response_until_close() {
    let got = check_response(PLAIN, b"HTTP/1.1 200 OK\r\n\r\nabc", true);
    assert_eq!((got.body.as_slice(), got.is_ended), (&b"abc"[..], true));
}

#[test]
fn a_websocket_opens_with_200_and_then_carries_raw_octets() {
    let shape = RequestShape { is_websocket: true, ..PLAIN };
    let got = check_response(
        shape,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x00",
        true,
    );
    assert_eq!((got.status, got.fields.as_str()), (200, "sec-websocket-protocol: chat\n"));
    assert_eq!(got.body, b"\x81\x00");
    let got = check_response(shape, b"HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx", false);
    assert_eq!((got.status, got.is_ended), (403, true));
}

#[test]
fn broken_responses_are_faults() {
    let fault = |shape, octets: &[u8]| read(shape, &[octets], true).unwrap_err();
    assert_eq!(fault(PLAIN, b"HTTP/1.1 101 S\r\n\r\n"), ResponseFault::UpgradeUnasked);
    let websocket = RequestShape { is_websocket: true, ..PLAIN };
    assert_eq!(fault(websocket, b"HTTP/1.1 200 OK\r\n\r\n"), ResponseFault::UpgradeIgnored);
    assert_eq!(fault(PLAIN, b"HTTP/1.1 200 OK\r\n"), ResponseFault::Truncated);
    assert_eq!(fault(PLAIN, b"SSH-2.0"), ResponseFault::Head(ResponseError::StatusLine));
    assert_eq!(fault(PLAIN, b"HTTP/1.1 204 OK\r\n\r\nx"), ResponseFault::Surplus);
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx";
    assert_eq!(fault(PLAIN, short), ResponseFault::Body(BodyError::Truncated));
}

// ---- Meter --------------------------------------------------------------------------------------

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn meter() -> FrameMeter {
    let mut meter = FrameMeter::new(0);
    assert_eq!(meter.feed(PREFACE, 0), Verdict::Fine);
    assert_eq!(meter.feed(&frame(4, 0, 0, &[0; 12]), 0), Verdict::Fine);
    meter
}

/// Rounds of the frames of `round` until the end, in octets one by one.
#[track_caller]
fn check_flood(glitch: Glitch, round: impl Fn(u32) -> Vec<u8>) {
    let mut meter = meter();
    for at in 0..20_000 {
        for octet in round(at).chunks(1) {
            if let Verdict::Exhausted(found) = meter.feed(octet, u64::from(at) / 100) {
                assert_eq!(found, glitch);
                assert_eq!(meter.feed(&[], u64::MAX), Verdict::Exhausted(glitch));
                assert!(!glitch.label().is_empty());
                return;
            }
        }
    }
    panic!("{glitch:?} never ends");
}

#[test]
fn every_flood_ends() {
    check_flood(Glitch::Ping, |_| frame(6, 0, 0, &[0; 8]));
    check_flood(Glitch::Settings, |_| frame(4, 0, 0, &[]));
    check_flood(Glitch::Priority, |at| frame(2, 0, 2 * at + 1, &[0; 5]));
    check_flood(Glitch::WindowUpdate, |_| frame(8, 0, 0, &[0, 0, 0, 1]));
    check_flood(Glitch::Empty, |_| frame(0, 0, 1, &[]));
    check_flood(Glitch::Empty, |_| frame(0, 8, 1, &[255; 257]));
    check_flood(Glitch::Empty, |_| frame(1, 4, 1, &[]));
    check_flood(Glitch::Unknown, |_| frame(0xb0, 0, 0, &[0; 40]));
    check_flood(Glitch::Reset, |at| {
        [frame(1, 5, 2 * at + 1, b"x"), frame(3, 0, 2 * at + 1, &[0; 4])].concat()
    });
}

#[test]
fn a_field_block_has_few_continuations() {
    let mut meter = meter();
    let next = frame(9, 0, 1, b"x");
    for _ in 0..2 {
        assert_eq!(meter.feed(&frame(1, 1, 1, b"x"), 0), Verdict::Fine);
        for _ in 0..HTTP2_CONTINUATIONS_MAX {
            assert_eq!(meter.feed(&next, 0), Verdict::Fine);
        }
    }
    assert_eq!(meter.feed(&next, 0), Verdict::Exhausted(Glitch::Continuation));
    check_flood(Glitch::Empty, |at| [frame(1, 0, 1, &[]), frame(9, 4, 2 * at + 1, &[])].concat());
}

#[test]
fn clients_that_fetch_something_never_get_near() {
    let mut meter = meter();
    // gRPC: a PING and two WINDOW_UPDATE frames for each message of 12 octets we sent; browsers: a
    // hint of priority with each request; every fifth request is given up. No time passes.
    for at in 0..100_000_u32 {
        let stream = 2 * at + 1;
        let mut octets = frame(1, 5, stream, b"x");
        octets.extend(frame(0x10, 0, 0, b"u=1, i"));
        assert_eq!(meter.feed(&octets, 0), Verdict::Fine);
        meter.sent(12);
        octets.clear();
        octets.extend(frame(6, 0, 0, &[0; 8]));
        octets.extend(frame(8, 0, 0, &[0, 0, 0, 12]));
        octets.extend(frame(8, 0, stream, &[0, 0, 0, 12]));
        if at % 5 == 0 {
            octets.extend(frame(3, 0, stream, &[0; 4]));
        }
        assert_eq!(meter.feed(&octets, 0), Verdict::Fine);
        assert!(meter.tokens() > HTTP2_GLITCHES_MAX / 2);
    }
    // A client that resets each stream whose answer came before its own end.
    for at in 0..10_000 {
        meter.answered();
        assert_eq!(meter.feed(&frame(3, 0, at, &[0; 4]), 0), Verdict::Fine);
    }
    // An upload and a download with an update for each frame.
    for _ in 0..10_000 {
        meter.sent(1000);
        let update = frame(8, 0, 1, &[0, 0, 3, 232]);
        assert_eq!(meter.feed(&update.repeat(2), 0), Verdict::Fine);
        assert_eq!(meter.feed(&frame(0, 8, 1, &[0; 2000]), 0), Verdict::Fine);
    }
    assert!(meter.tokens() > HTTP2_GLITCHES_MAX / 2);
}

#[test]
fn time_refills_in_fractions() {
    let mut meter = meter();
    let before = meter.tokens();
    for _ in 0..40 {
        assert_eq!(meter.feed(&frame(2, 0, 1, &[0; 5]), 0), Verdict::Fine);
    }
    assert_eq!(meter.tokens(), before - 80);
    for millis in 0..=100 {
        assert_eq!(meter.feed(&[], millis), Verdict::Fine);
    }
    assert_eq!(meter.tokens(), before - 70);
    assert_eq!(meter.feed(&[], u64::MAX), Verdict::Fine);
    assert_eq!(meter.tokens(), HTTP2_GLITCHES_MAX);
}

proptest! {
    #[test]
    fn the_meter_does_not_depend_on_splits(
        octets in proptest::collection::vec(any::<u8>(), 0..400),
        cut in 0_usize..400,
    ) {
        let mut whole = FrameMeter::new(0);
        let mut split = whole.clone();
        let (front, back) = octets.split_at(cut.min(octets.len()));
        let expected = whole.feed(&octets, 0);
        let verdicts = [split.feed(front, 0), split.feed(back, 0)];
        prop_assert_eq!(verdicts[1], expected);
        prop_assert_eq!(split.tokens(), whole.tokens());
        prop_assert_eq!(split.progress(), whole.progress());
    }
}
