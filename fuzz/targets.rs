//! What the fuzz targets assert: plain functions of bytes, so that the same code runs under
//! libFuzzer and, over the committed corpora and generated input, under `cargo test`. They panic on
//! a violation.

#![allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "part of the fuzz crate and of tests; a target that cannot go on has found something"
)]

use ringway::filter::{
    AddressRanges, AuthDurations, CookieFlags, Cors, CorsAnswer, CorsRequest, FieldEdits, Flag,
    ForwardedPolicy, NewKey, OnFailure, OriginPattern, PathPattern, Replaced, Replacement,
    ReturnedPlaces, Scheme, Secure, SessionCookie, SessionMode, Setting, SiteFlag, Text, Variable,
    Variables,
};
use ringway::http1::body::{BodyDecoder, Sender};
use ringway::http1::encode::{
    CRLF, LAST_CHUNK, put_chunk_head, put_decimal, put_field, put_request_line, put_status_line,
};
use ringway::http1::error::BodyError;
use ringway::http1::fields::{FieldKind, is_hop_by_hop, is_token};
use ringway::http1::framing::BodyLength;
use ringway::http1::head::{
    Field, HeadScan, RequestHead, RequestKind, ResponseHead, Version, check_partial_request,
    check_partial_response, parse_request, parse_response,
};
use ringway::http1::target::{TargetForm, is_target_byte, lax_path, normalise_path};
use ringway::http2::PREFACE;
use ringway::http2::client::put_response;
use ringway::http2::connection::{Connection, WindowBudget};
use ringway::http2::follows::Follows;
use ringway::http2::frame::{ErrorCode, FRAME_HEAD_BYTES, FrameHead, flag, kind};
use ringway::http2::hpack::{self, Decoder, FieldList, HpackError, RequestTarget};
use ringway::http2::request::{Facts, put_request};
use ringway::limits::{
    HTTP2_FRAME_BYTES_MAX, HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_STREAMS_MAX, SESSION_KEY_BYTES_MAX,
};
use ringway::proxy_protocol::{self, Parsed};
use ringway::tls::{Hello, read_hello};

/// A request head never panics; an accepted one means the same when written anew and read again.
pub fn request_head(data: &[u8]) {
    let Some(end) = find_end(data) else {
        check_partial_request(data, &mut scanned(data)).ok();
        return;
    };
    let mut head = RequestHead::default();
    if parse_request(data, end, &mut head).is_err() {
        return;
    }
    for len in 0..end {
        let part = &data[..len];
        let result = check_partial_request(part, &mut scanned(part));
        assert_eq!(result, Ok(()), "refused early at {len}");
    }
    check_request(data, &head);
    let written = write_request(data, &head, head.body);
    let again = read_request(&written).expect("our own request is accepted");
    same_request(data, &head, &written, &again);
}

/// The same for a response head. The first byte says whether it answers HEAD.
pub fn response_head(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let request = RequestKind { is_head: first & 1 == 1 };
    let Some(end) = find_end(data) else {
        check_partial_response(data).ok();
        return;
    };
    let mut head = ResponseHead::default();
    if parse_response(data, end, request, &mut head).is_err() {
        return;
    }
    for len in 0..end {
        assert_eq!(check_partial_response(&data[..len]), Ok(()), "refused early at {len}");
    }
    assert!(!(head.is_persistent && head.is_framing_suspect));
    assert!(!(head.is_persistent && head.body == BodyLength::UntilClose));
    let written = write_response(data, &head, head.body);
    let mut again = ResponseHead::default();
    let written_end = find_end(&written).expect("our own head ends");
    assert_eq!(written_end, written.len());
    parse_response(&written, written_end, request, &mut again).expect("our own is accepted");
    assert_eq!((head.status, head.body), (again.status, again.body));
    assert_eq!(head.reason.of(data), again.reason.of(&written));
    assert!(!again.is_framing_suspect);
    assert_eq!(forwarded(data, &head.fields), forwarded(&written, &again.fields));
}

/// Whatever message we accept with its body, written anew and followed by another one, ends at the
/// same place for the next reader. The first byte chooses between request and response.
pub fn framing(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    if first & 1 == 0 {
        request_framing(data);
    } else {
        response_framing(data, RequestKind { is_head: first & 2 == 2 });
    }
}

/// The chunked decoder gives the same, however its input is split. The first two bytes choose
/// sender and split.
pub fn chunked(data: &[u8]) {
    let [sender, seed, data @ ..] = data else { return };
    let sender = if sender & 1 == 0 { Sender::Client } else { Sender::Upstream };
    let whole = decode_pieces(data, sender, std::iter::repeat(usize::MAX));
    assert_eq!(whole, decode_pieces(data, sender, std::iter::repeat(1)), "byte by byte");
    let mut state = u32::from(*seed);
    let pieces = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 23 + 1
    });
    assert_eq!(whole, decode_pieces(data, sender, pieces), "in pieces");
}

const NEXT: &[u8] = b"NEXT / HTTP/1.1\r\nHost: next\r\n\r\n";

/// What a decoder made of its input.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    octets: Vec<u8>,
    consumed: usize,
    is_done: bool,
    trailers: Vec<u8>,
}

fn decode_pieces(
    data: &[u8],
    sender: Sender,
    pieces: impl Iterator<Item = usize>,
) -> Result<Body, BodyError> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, sender);
    let mut octets = Vec::new();
    let mut buf = Vec::new();
    let mut consumed = 0;
    for piece in pieces {
        let rest = &data[consumed..];
        buf.clear();
        buf.extend_from_slice(&rest[..piece.min(rest.len())]);
        let decoded = decoder.decode(&mut buf)?;
        assert!(decoded.body <= decoded.consumed && decoded.consumed <= buf.len());
        assert_eq!(buf[decoded.consumed..], rest[decoded.consumed..buf.len()], "touched the rest");
        assert!(decoder.is_done() || decoded.consumed == buf.len(), "left input unread");
        octets.extend_from_slice(&buf[..decoded.body]);
        consumed += decoded.consumed;
        if decoder.is_done() || consumed == data.len() {
            break;
        }
    }
    let (is_done, trailers) = (decoder.is_done(), decoder.trailers().to_vec());
    let end = decoder.finish();
    assert_eq!(end.is_ok(), is_done);
    assert!(end.is_ok_and(|end| end.trailers() == trailers) || !is_done);
    Ok(Body { octets, consumed, is_done, trailers })
}

/// A scan that found no end in `data`.
fn scanned(data: &[u8]) -> HeadScan {
    let mut scan = HeadScan::default();
    scan.find_end(data);
    scan
}

/// The end of the head in `data`, which must not depend on how it arrived.
fn find_end(data: &[u8]) -> Option<usize> {
    let end = HeadScan::default().find_end(data);
    let mut scan = HeadScan::default();
    let by_byte = (1..=data.len()).find_map(|len| scan.find_end(&data[..len]));
    assert_eq!(end, by_byte, "the end of the head depends on the split");
    end
}

fn check_request(buf: &[u8], head: &RequestHead) {
    assert!(is_token(head.method.of(buf)));
    assert!(head.path == b"*" || head.path.first() == Some(&b'/'));
    assert_eq!(head.path == b"*", head.form == TargetForm::Asterisk);
    assert!(head.path.iter().all(u8::is_ascii_graphic));
    assert!(head.path.split(|byte| *byte == b'/').all(|part| part != b"." && part != b".."));
    assert!(!head.host.iter().any(u8::is_ascii_uppercase));
    assert!(head.target.of(buf).iter().all(|byte| is_target_byte(*byte)));
    if head.form != TargetForm::Asterisk {
        let mut again = Vec::new();
        assert_eq!(normalise_path(&head.path, &mut again), Ok(false), "not a normal form");
        assert_eq!(again, head.path);
        check_lax_reading(head.raw_path.of(buf), head);
    }
    for field in &head.fields {
        let value = field.value.of(buf);
        assert!(is_token(field.name.of(buf)));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0 | 0x7f)));
        assert!(!matches!(value.first(), Some(b' ' | b'\t')));
        assert!(!matches!(value.last(), Some(b' ' | b'\t')));
    }
}

/// The lax reading is a path without what it resolves; where there is none it is the normal form.
fn check_lax_reading(raw: &[u8], head: &RequestHead) {
    let mut lax = Vec::new();
    if raw.is_empty() || lax_path(raw, &mut lax).is_err() {
        return;
    }
    assert!(head.has_lax_reading || lax == head.path);
    assert_eq!(lax.first(), Some(&b'/'));
    assert!(!lax.iter().any(|byte| matches!(byte, b';' | b'\\')));
    assert!(lax.split(|byte| *byte == b'/').all(|part| part != b"." && part != b".."));
    let mut again = Vec::new();
    assert_eq!(lax_path(&lax, &mut again), Ok(false), "not settled");
    assert_eq!(again, lax);
}

fn read_request(buf: &[u8]) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    let end = find_end(buf)?;
    parse_request(buf, end, &mut head).ok()?;
    Some(head)
}

fn same_request(buf: &[u8], head: &RequestHead, written: &[u8], again: &RequestHead) {
    assert_eq!(head.method.of(buf), again.method.of(written));
    assert_eq!(head.path, again.path);
    assert_eq!(head.sent_path(buf), again.sent_path(written));
    assert_eq!(head.has_lax_reading, again.has_lax_reading);
    assert_eq!(head.query.map(|q| q.of(buf)), again.query.map(|q| q.of(written)));
    assert!(head.host.is_empty() || head.host == again.host);
    assert_eq!(head.body, again.body);
    assert_eq!(head.is_upgrade, again.is_upgrade);
    assert_eq!(head.expects_continue, again.expects_continue);
    assert_eq!(forwarded(buf, &head.fields), forwarded(written, &again.fields));
}

/// The lines that a proxy passes on unchanged.
fn forwarded<'a>(buf: &'a [u8], fields: &[Field]) -> Vec<(&'a [u8], &'a [u8])> {
    let ours = [FieldKind::Host, FieldKind::ContentLength, FieldKind::Expect];
    let is_forwarded = |f: &&Field| !f.dropped && !is_hop_by_hop(f.kind) && !ours.contains(&f.kind);
    let lines = fields.iter().filter(is_forwarded);
    lines.map(|field| (field.name.of(buf), field.value.of(buf))).collect()
}

fn write_request(buf: &[u8], head: &RequestHead, body: BodyLength) -> Vec<u8> {
    let mut out = Vec::new();
    let query = head.query.map(|query| query.of(buf));
    put_request_line(&mut out, head.method.of(buf), head.sent_path(buf), query);
    let host = if head.authority.is_empty() { b"none" } else { head.authority.of(buf) };
    put_field(&mut out, b"Host", host);
    for (name, value) in forwarded(buf, &head.fields) {
        put_field(&mut out, name, value);
    }
    if head.is_upgrade {
        put_field(&mut out, b"Connection", b"upgrade");
        for protocol in head.protocols(buf) {
            put_field(&mut out, b"Upgrade", protocol);
        }
    }
    if head.expects_continue {
        put_field(&mut out, b"Expect", b"100-continue");
    }
    put_framing(&mut out, body);
    out
}

fn write_response(buf: &[u8], head: &ResponseHead, body: BodyLength) -> Vec<u8> {
    let mut out = Vec::new();
    put_status_line(&mut out, Version::Http11, head.status, head.reason.of(buf));
    for (name, value) in forwarded(buf, &head.fields) {
        put_field(&mut out, name, value);
    }
    put_framing(&mut out, body);
    out
}

fn put_framing(out: &mut Vec<u8>, body: BodyLength) {
    match body {
        BodyLength::None | BodyLength::UntilClose => {}
        BodyLength::Chunked => put_field(out, b"Transfer-Encoding", b"chunked"),
        BodyLength::Known(octets) => {
            let mut length = Vec::new();
            put_decimal(&mut length, octets);
            put_field(out, b"Content-Length", &length);
        }
    }
    out.extend_from_slice(CRLF);
}

fn put_body(out: &mut Vec<u8>, length: BodyLength, body: &Body) {
    if length != BodyLength::Chunked {
        out.extend_from_slice(&body.octets);
        return;
    }
    for chunk in body.octets.chunks(7) {
        put_chunk_head(out, chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(CRLF);
    }
    out.extend_from_slice(&LAST_CHUNK[..3]);
    out.extend_from_slice(&body.trailers);
    out.extend_from_slice(CRLF);
}

/// Decodes a whole body from the beginning of `data`; `None`: malformed or not all there.
fn read_body(length: BodyLength, sender: Sender, data: &[u8]) -> Option<Body> {
    let mut decoder = BodyDecoder::new(length, sender);
    let mut buf = data.to_vec();
    let decoded = decoder.decode(&mut buf).ok()?;
    buf.truncate(decoded.body);
    let is_done = decoder.is_done();
    let trailers = decoder.finish().ok()?.into_trailers();
    Some(Body { octets: buf, consumed: decoded.consumed, is_done, trailers })
}

fn request_framing(data: &[u8]) {
    let Some(head) = read_request(data) else { return };
    let Some(body) = read_body(head.body, Sender::Client, &data[head.head_bytes..]) else { return };
    let mut written = write_request(data, &head, head.body);
    put_body(&mut written, head.body, &body);
    let end = written.len();
    written.extend_from_slice(NEXT);
    let again = read_request(&written).expect("our own request is accepted");
    same_request(data, &head, &written, &again);
    same_end(again.body, Sender::Client, &written[again.head_bytes..end + NEXT.len()], &body);
}

fn response_framing(data: &[u8], request: RequestKind) {
    let Some(end) = find_end(data) else { return };
    let mut head = ResponseHead::default();
    if parse_response(data, end, request, &mut head).is_err() {
        return;
    }
    let Some(body) = read_body(head.body, Sender::Upstream, &data[end..]) else { return };
    // What ends with its connection upstream is chunked downstream.
    let length = if head.body == BodyLength::UntilClose { BodyLength::Chunked } else { head.body };
    let mut written = write_response(data, &head, length);
    put_body(&mut written, length, &body);
    written.extend_from_slice(NEXT);
    let mut again = ResponseHead::default();
    let end = find_end(&written).expect("our own head ends");
    parse_response(&written, end, request, &mut again).expect("our own response is accepted");
    assert_eq!(again.body, length);
    same_end(again.body, Sender::Upstream, &written[end..], &body);
}

fn same_end(length: BodyLength, sender: Sender, written: &[u8], body: &Body) {
    let again = read_body(length, sender, written).expect("our own body is complete");
    assert_eq!(again.octets, body.octets);
    assert_eq!(again.trailers, body.trailers);
    assert_eq!(&written[again.consumed..], NEXT, "the message ends elsewhere");
}

/// A ClientHello never panics and, once complete, does not change with what follows it.
pub fn hello(data: &[u8]) {
    let whole = read_hello(data);
    let Ok(Hello::Complete(hello)) = whole else { return };
    if let Some(name) = &hello.server_name {
        assert!(!name.is_empty() && !name.ends_with('.'), "{name}");
        assert_eq!(*name, name.to_ascii_lowercase());
    }
    let followed = [data, &[22, 3, 3, 0, 1, 0]].concat();
    assert_eq!(read_hello(&followed), Ok(Hello::Complete(hello)));
}

/// A PROXY header never panics, lies within its octets and means the same whatever follows it. A
/// list of proxies names nobody to whom does not trust its sender, and an address of it where all
/// are trusted.
pub fn proxy_header(data: &[u8]) {
    let peer = ([10, 0, 0, 1], 9).into();
    let trusting = |ranges| ForwardedPolicy {
        trusted: AddressRanges::parse(ranges).expect("ranges"),
        ..ForwardedPolicy::default()
    };
    assert_eq!(trusting("192.0.2.1").client(peer, [data].into_iter()), peer);
    let first = trusting("0.0.0.0/0,::/0").client(peer, [data].into_iter());
    assert!(first == peer || data.iter().any(u8::is_ascii_hexdigit) || data.contains(&b':'));
    let Ok(parsed @ Parsed::Header { bytes, .. }) = proxy_protocol::parse(data) else { return };
    assert!(bytes > 0 && bytes <= data.len());
    assert_eq!(proxy_protocol::parse(&data[..bytes]), Ok(parsed));
    assert_eq!(proxy_protocol::parse(&data[..bytes - 1]), Ok(Parsed::Incomplete));
}

/// A list of durations never panics; what it keeps decides something, and blanks mean nothing.
pub fn auth_durations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(durations) = AuthDurations::new(text) else { return };
    for status in 0..=999 {
        let is_kept = !durations.of(status).is_zero();
        assert!(!is_kept || matches!(status, 200..=299 | 401 | 403), "{status}");
    }
    assert_eq!(AuthDurations::new(&text.replace(',', " , ")), Ok(durations));
}

/// An origin that is let in is one of those that are written, or has one label in the place of `*`.
/// Places are replaced within a value: nothing ends a line that did not before.
///
/// Shape: lines pattern, Origin, `FROM TO`, value of a field.
pub fn answers(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (pattern, origin, pair, value) = (next(), next(), next(), next());
    if let Ok(pattern) = std::str::from_utf8(pattern) {
        check_origin(pattern, origin);
    }
    let Some((from, to)) = std::str::from_utf8(pair).ok().and_then(|pair| pair.split_once(' '))
    else {
        return;
    };
    let from = match from.strip_prefix('~') {
        Some(source) => PathPattern::new(source, source).ok().map(Replaced::Matching),
        None => Text::new(from, |_| false).ok().map(Replaced::Text),
    };
    let (Some(from), Ok(to)) = (from, Text::new(to, |_| false)) else { return };
    let flags = CookieFlags {
        cookie: from.clone(),
        secure: Some(Flag::Set),
        http_only: Some(Flag::Cleared),
        same_site: Some(SiteFlag::Lax),
    };
    let replacement = [Replacement { from, to }];
    let places = ReturnedPlaces {
        cookie_domain: replacement.clone().into(),
        cookie_path: replacement.clone().into(),
        cookie_flags: [flags].into(),
        location: replacement.into(),
    };
    let controls = |octets: &[u8]| octets.iter().filter(|octet| octet.is_ascii_control()).count();
    for name in [&b"location"[..], b"refresh", b"set-cookie", b"other"] {
        let mut out = b"before".to_vec();
        let is_put = places.put(name, value, &Nothing, &mut out).is_some();
        assert!(out.starts_with(b"before"));
        assert!(is_put || out.len() == 6, "something of what is not put");
        assert!(controls(value) > 0 || controls(&out) == 0, "a control character of its own");
    }
}

fn check_origin(pattern: &str, origin: &[u8]) {
    let Ok(parsed) = OriginPattern::parse(pattern) else { return };
    let cors = Cors::Listed { origins: Box::new([parsed]), fields: FieldEdits::default() };
    let request = CorsRequest { origin: Some(origin), ..CorsRequest::default() };
    let CorsAnswer::Allowed { origin: told, .. } = cors.answer(&request) else { return };
    assert_eq!(told, origin);
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    let origin = String::from_utf8(origin).expect("what is let in is ASCII");
    let Some((before, after)) = pattern.split_once('*') else { return assert_eq!(origin, pattern) };
    let label = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let label = label.expect("all but the label is there");
    assert!(!label.is_empty() && !label.contains(['.', ':', '/']), "{label}");
}

/// Knows a scheme and a host.
struct Nothing;

impl Variables for Nothing {
    fn put(&self, variable: &Variable, out: &mut Vec<u8>) {
        match variable {
            Variable::Scheme => out.extend_from_slice(b"https"),
            Variable::Host => out.extend_from_slice(b"a.example"),
            _ => {}
        }
    }
}

/// A session that is found in a Cookie field stands there under its name, and nothing that is no
/// key is one. What we set is found again whatever else the client sends.
pub fn session_cookie(data: &[u8]) {
    let cookie = SessionCookie {
        name: "route".into(),
        mode: SessionMode::Persistent,
        on_failure: OnFailure::Kept,
        path: None,
        domain: None,
        expires: None,
        max_age: None,
        secure: Secure::OverHttps,
        same_site: None,
    };
    for session in cookie.sessions(data) {
        assert!(!session.key.is_empty() && session.key.len() <= SESSION_KEY_BYTES_MAX);
        let value = [&b"route="[..], session.key].concat();
        assert!(data.windows(value.len()).any(|part| part == value));
        if let Some(number) = NewKey::number_of(session.key) {
            assert_eq!(NewKey::new(number).as_bytes(), session.key);
        }
    }
    let key = NewKey::new(data.len() as u64);
    let setting = Setting { key, tag: "tag", scheme: Scheme::Http, user_agent: data };
    let mut ours = Vec::new();
    cookie.put(&mut ours, &setting, |_, _| {});
    let ours = ours.split(|octet| *octet == b';').next().unwrap_or_default();
    let found = cookie.find([data, ours].into_iter(), "tag").expect("ours is there");
    assert_eq!(found.tag, b"tag");
}

/// What is made of an HTTP/2 head is one request of HTTP/1.1 and no octet more.
///
/// Shape: lines `method`, `target`, `authority`, then `name:value` for each field; the colon of a
/// pseudo-field is part of its name.
pub fn http2_request(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (method, target, authority) = (next(), next(), next());
    let mut list = FieldList::default();
    list.push(b":method", method);
    list.push(b":scheme", b"https");
    list.push(b":authority", authority);
    list.push(b":path", target);
    for line in lines {
        let colon = line.iter().skip(1).position(|octet| *octet == b':');
        let (name, value) = line.split_at(colon.map_or(line.len(), |at| at + 1));
        list.push(name, value.get(1..).unwrap_or_default());
    }
    let mut out = Vec::new();
    let facts = Facts { is_secure: true, follows: Follows::Nothing, whole: None };
    if put_request(&mut out, &list, facts, || [7; 16]).is_err() {
        assert!(out.is_empty());
        return;
    }
    assert_eq!(find_end(&out), Some(out.len()), "more than one head");
    let mut head = RequestHead::default();
    if parse_request(&out, out.len(), &mut head).is_ok() {
        assert_eq!(head.head_bytes, out.len());
        check_request(&out, &head);
    }
}

/// Field blocks of one connection read the same, however their octets are split, and what is read
/// can be written and read again. The first byte chooses the split; each block has its length in
/// front, two octets.
pub fn field_blocks(data: &[u8]) {
    let Some((step, mut rest)) = data.split_first() else { return };
    let (mut whole, mut split) = (Decoder::new(), Decoder::new());
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (block, behind) = behind.split_at(behind.len().min(u16::from_be_bytes(*len).into()));
        rest = behind;
        let result = read_block(&mut whole, block, usize::MAX);
        assert_eq!(result, read_block(&mut split, block, usize::from(*step) % 23 + 1), "in pieces");
        let Ok(fields) = result else { return };
        let mut written = Vec::new();
        for (name, value) in &fields {
            hpack::put_field(&mut written, name, value);
        }
        let again = read_block(&mut Decoder::new(), &written, usize::MAX).expect("our own block");
        let lower: Vec<_> =
            fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        assert_eq!(again, lower, "written anew");
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Nothing if the list is above a limit.
fn read_block(decoder: &mut Decoder, block: &[u8], step: usize) -> Result<Fields, HpackError> {
    let mut list = FieldList::default();
    let mut pieces = block.chunks(step.min(block.len().max(1))).peekable();
    while let Some(piece) = pieces.next() {
        let follows = pieces.peek().map_or(Follows::Nothing, |_| Follows::More);
        decoder.decode(piece, follows, &mut list)?;
    }
    if block.is_empty() {
        decoder.decode(block, Follows::Nothing, &mut list)?;
    }
    let size: usize = list.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert!(size <= HTTP2_HEADER_LIST_BYTES_MAX as usize);
    Ok(list.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

/// Whatever frames come behind the preface, the server makes the same of them in pieces, says only
/// whole frames of a lawful size, and keeps its windows. The first byte chooses the split.
pub fn http2_frames(data: &[u8]) {
    let Some((step, frames)) = data.split_first() else { return };
    let octets = [&PREFACE[..], &[0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0], frames].concat();
    let whole = serve(&octets, usize::MAX);
    let split = serve(&octets, usize::from(*step) % 37 + 1);
    // A flood is noticed before anything that came with it is looked at.
    let is_flood = |out: &[u8]| out.ends_with(&(ErrorCode::EnhanceYourCalm as u32).to_be_bytes());
    if !is_flood(&whole.1) && !is_flood(&split.1) {
        assert_eq!(whole, split, "in pieces");
    }
    let octets = [&[0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0], frames].concat();
    let whole = ask(&octets, usize::MAX);
    let split = ask(&octets, usize::from(*step) % 37 + 1);
    if !is_flood(&whole.1) && !is_flood(&split.1) {
        assert_eq!(whole, split, "of a backend, in pieces");
    }
}

/// Heads and body of an answer, and whether it was refused.
type Answered = (Vec<Fields>, Vec<u8>, bool);

/// What is told of each of four requests to a backend that sends these octets, and what it is told.
fn ask(octets: &[u8], step: usize) -> (Vec<Answered>, Vec<u8>) {
    let mut client = Connection::asking(0, WindowBudget::default());
    let greeting = client.take_output();
    check_frames(greeting.strip_prefix(&PREFACE[..]).expect("the preface"));
    let target = RequestTarget { method: b"GET", scheme: b"http", authority: None, path: b"/" };
    use Follows::{More, Nothing};
    let ids: Vec<u32> = [Nothing, More, Nothing, More]
        .iter()
        .filter_map(|follows| client.open(target, std::iter::empty(), *follows).ok())
        .collect();
    for piece in octets.chunks(step.min(octets.len())) {
        if client.receive(piece, 0).is_err() {
            break;
        }
    }
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut told = Vec::new();
    for id in ids {
        let mut heads = Vec::new();
        while let Some(fields) = client.take_head(id) {
            let lines = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
            heads.push(lines.collect());
            let mut text = Vec::new();
            if put_response(&mut text, &fields, RequestKind::default(), client.follows(id)).is_ok()
            {
                assert_eq!(find_end(&text), Some(text.len()), "more than one head");
            }
            client.recycle(fields);
        }
        let body = client.unread(id).to_vec();
        client.consume(id, body.len());
        client.credit(id, u32::try_from(body.len()).expect("below the window"));
        told.push((heads, body, client.is_refused(id)));
        let _sent = client.poll_data(&context, id, &[b'x'; 20_000], Nothing);
        client.release(id);
    }
    assert_eq!(client.stream_count(), 0);
    client.retire();
    assert!(client.is_over());
    let out = client.take_output();
    check_frames(&out);
    (told, out)
}

/// Requests, and what the client is told: before they are looked at, and then.
fn serve(octets: &[u8], step: usize) -> (Vec<(u32, Fields)>, Vec<u8>, Vec<u8>) {
    let mut server = Connection::serving(0, HTTP2_STREAMS_MAX, WindowBudget::default());
    let mut opened = Vec::new();
    for piece in octets.chunks(step.min(octets.len())) {
        let is_over = server.receive(piece, 0).is_err();
        while let Some(request) = server.opened() {
            let fields = request.fields.iter();
            let fields = fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            opened.push((request.id, fields));
            server.recycle(request.fields);
        }
        if is_over {
            break;
        }
    }
    let received = server.take_output();
    check_frames(&received);
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    for (id, _) in &opened {
        let unread = server.unread(*id).len();
        server.consume(*id, unread);
        server.credit(*id, u32::try_from(unread).expect("below the window"));
        let fields = [(&b"X-A"[..], &b"b"[..])].into_iter();
        if server.respond(*id, 200, fields, Follows::More).is_ok() {
            let _sent = server.poll_data(&context, *id, &[b'x'; 20_000], Follows::Nothing);
        }
        server.release(*id);
    }
    assert_eq!(server.stream_count(), 0);
    let answered = server.take_output();
    check_frames(&answered);
    (opened, received, answered)
}

/// Whole frames, none above the limit, none within the block of another one.
fn check_frames(mut octets: &[u8]) {
    let mut is_in_block = false;
    while let Some((head, rest)) = octets.split_first_chunk::<FRAME_HEAD_BYTES>() {
        let head = FrameHead::read(*head);
        assert!(head.len <= HTTP2_FRAME_BYTES_MAX, "{head:?}");
        assert_eq!(is_in_block, head.kind == kind::CONTINUATION, "{head:?}");
        if matches!(head.kind, kind::HEADERS | kind::CONTINUATION) {
            is_in_block = head.flags & flag::END_HEADERS == 0;
        }
        octets = rest.get(head.len as usize..).expect("a whole frame");
    }
    assert!(octets.is_empty() && !is_in_block, "half a frame");
}
