//! The fuzz targets without a fuzzer: over the committed corpora, and as properties of generated
//! messages that are closer to good ones than random bytes are.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../fuzz/targets/access.rs"]
mod access;
#[path = "../fuzz/targets/directives.rs"]
mod directives_target;
#[path = "../fuzz/targets/expressions.rs"]
mod expressions_target;
#[path = "../fuzz/targets/ext_authz.rs"]
mod ext_authz_target;
#[path = "../fuzz/targets/lookup.rs"]
mod lookup_target;
#[path = "../fuzz/targets.rs"]
mod targets;
#[path = "../fuzz/targets/traces.rs"]
mod traces_target;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

/// Runs `target` over its corpus and tells each file's name if it fails.
#[track_caller]
fn run(name: &str, target: fn(&[u8])) {
    let mut files = corpus(name);
    files.sort();
    assert!(files.len() >= 10, "{name}: the corpus has only {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a corpus file is readable");
        let result = std::panic::catch_unwind(|| {
            target(&bytes);
            // Every message is also one that broke off somewhere.
            for len in 0..bytes.len() {
                target(&bytes[..len]);
            }
        });
        assert!(result.is_ok(), "{} failed", file.display());
    }
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = fs::read_dir(folder).expect("the corpus is in the repository");
    entries.map(|entry| entry.expect("a corpus entry is readable").path()).collect()
}

#[test]
fn request_heads() {
    run("request_head", targets::request_head);
}

#[test]
fn response_heads() {
    run("response_head", targets::response_head);
}

#[test]
fn expressions() {
    run("expressions", expressions_target::expressions);
}

#[test]
fn contexts_of_traces() {
    run("trace_context", traces_target::trace_context);
}

#[test]
fn answers_of_ext_authz() {
    run("ext_authz", ext_authz_target::ext_authz);
}

#[test]
fn framing() {
    run("framing", targets::framing);
}

#[test]
fn session_cookies() {
    run("session_cookie", targets::session_cookie);
}

#[test]
fn hello() {
    run("hello", targets::hello);
}

#[test]
fn proxy_header() {
    run("proxy_header", targets::proxy_header);
}

#[test]
fn auth_durations() {
    run("auth_durations", targets::auth_durations);
}

#[test]
fn answers() {
    run("answers", targets::answers);
}

#[test]
fn passwords() {
    run("passwords", access::passwords);
}

#[test]
fn addresses() {
    run("addresses", access::addresses);
}

#[test]
fn directives() {
    run("directives", directives_target::directives);
}

#[test]
fn http2_request() {
    run("http2_request", targets::http2_request);
}

#[test]
fn hpack() {
    run("hpack", targets::field_blocks);
}

#[test]
fn http2_frames() {
    run("http2_frames", targets::http2_frames);
}

#[test]
fn chunked() {
    run("chunked", targets::chunked);
}

#[test]
fn lookup() {
    run("lookup", lookup_target::lookup);
}

/// One of the pieces that requests and the attacks on them are made of.
fn piece(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

fn joined(pieces: impl Strategy<Value = Vec<u8>>, most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(pieces, 0..most).prop_map(|pieces| pieces.concat())
}

const METHODS: &[&[u8]] = &[b"GET", b"POST", b"HEAD", b"OPTIONS", b"X-y"];
const TARGETS: &[&[u8]] = &[
    b"/",
    b"a",
    b"/..",
    b"/.",
    b"%2e",
    b"%2F",
    b"%41",
    b"%",
    b"?",
    b"*",
    b"http://b",
    b":80",
    b"//",
    b"~",
];
const VERSIONS: &[&[u8]] = &[b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"];
const REQUEST_LINES: &[&[u8]] = &[
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: upgrade\r\n",
    b"Connection: close, x-a\r\n",
    b"Connection: TE\r\n",
    b"Upgrade: websocket, h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"X-A: b\r\n",
    b"x-a:\t\xa0c \r\n",
    b"X_B:\r\n",
    b"Keep-Alive: timeout=5\r\n",
];
const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 304 \r\n",
    b"HTTP/1.1 204\n",
    b"HTTP/1.0 200 \xe9\r\n",
    b"HTTP/1.1 100 Continue\r\n",
];
const BODIES: &[&[u8]] = &[
    b"hello",
    b"5\r\nhello\r\n",
    b"1;a=b\r\nx\r\n",
    b"a\r\n0123456789\r\n",
    b"0\r\n\r\n",
    b"0\r\nA: b\r\nHost: c\r\n\r\n",
    b"2 \r\nhi\r\n",
];

fn request() -> impl Strategy<Value = Vec<u8>> {
    let target = (piece(TARGETS), joined(piece(TARGETS), 4));
    let fields = joined(piece(REQUEST_LINES), 5);
    (piece(METHODS), target, piece(VERSIONS), fields, joined(piece(BODIES), 4)).prop_map(
        |(method, (first, rest), version, fields, body)| {
            let host = b"Host: Shop.Example:80\r\n".to_vec();
            let blank = |bytes: &[u8]| bytes.to_vec();
            [method, blank(b" "), first, rest, version, host, fields, blank(b"\r\n"), body].concat()
        },
    )
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    (piece(STATUS_LINES), joined(piece(REQUEST_LINES), 5), joined(piece(BODIES), 4))
        .prop_map(|(line, fields, body)| [line, fields, b"\r\n".to_vec(), body].concat())
}

fn prefixed(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefix, bytes].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_request_means_the_same_when_written_anew(bytes in request()) {
        targets::request_head(&bytes);
        targets::framing(&prefixed(&[0], &bytes));
    }

    #[test]
    fn an_accepted_response_means_the_same_when_written_anew(
        bytes in response(),
        is_head in any::<bool>(),
    ) {
        targets::response_head(&prefixed(&[u8::from(is_head)], &bytes));
        targets::framing(&prefixed(&[1 | u8::from(is_head) << 1], &bytes));
    }

    #[test]
    fn a_chunked_body_does_not_depend_on_the_split(
        bytes in joined(piece(BODIES), 12),
        prefix in any::<[u8; 2]>(),
    ) {
        targets::chunked(&prefixed(&prefix, &bytes));
    }

    #[test]
    fn the_fast_lookup_agrees_with_the_oracle(
        data in prop::collection::vec(any::<u8>(), 0..1024),
    ) {
        lookup_target::lookup(&data);
    }
}

/// Guards the properties against passing because nothing is accepted.
#[test]
fn generated_messages_are_often_good() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use ringway::http1::head::{HeadScan, RequestHead, parse_request};

    let mut runner = TestRunner::deterministic();
    let is_good = |bytes: Vec<u8>| {
        let mut head = RequestHead::default();
        let end = HeadScan::default().find_end(&bytes).unwrap_or(0);
        parse_request(&bytes, end, &mut head).is_ok()
    };
    let tries = 500;
    let good = (0..tries)
        .filter(|_| is_good(request().new_tree(&mut runner).expect("a request").current()))
        .count();
    assert!(good > tries / 20, "only {good} of {tries} are accepted");
}
