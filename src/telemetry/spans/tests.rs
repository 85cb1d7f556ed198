//! What becomes of requests in octets of OTLP.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::filter::{Call, Incoming, IncomingSpans, Sampler, SpanId, Trace};
use crate::limits::SPAN_TEXT_BYTES_MAX;
use crate::protobuf::{Value, fields, put_message, put_number, put_octets, put_text};
use crate::telemetry::record::{Attempt, ExchangeRecord};
use crate::telemetry::samples::{address, attempt, backend, origin, record, started_at};
use crate::telemetry::{Bounds, telemetry};

const PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn call(span: u64, begun: u64, ended: u64) -> Call {
    Call { span: SpanId::new(span).unwrap(), begun, ended }
}

fn trace() -> Trace {
    let fields = [(&b"traceparent"[..], PARENT)];
    let incoming = Incoming::of(fields.into_iter());
    Trace::begin(&incoming, IncomingSpans::Continued, Sampler::default(), || 7)
}

fn spans_of<'a>(trace: &'a Trace, exchange: &'a ExchangeRecord<'a>) -> RequestSpans<'a> {
    RequestSpans {
        trace,
        state: b"a=b",
        name: b"/shop",
        route: "/shop",
        exchange,
        began: 1000,
        scheme: "https",
        host: b"shop.example",
        port: 443,
        peer: address("10.1.1.1:5000"),
        question: None,
    }
}

/// A span: fields of numbers and octets in hexadecimal, texts as they are, attributes by key.
type Span = BTreeMap<String, String>;

fn read(octets: &[u8]) -> Vec<Span> {
    let spans = fields(octets).map(|(field, span)| match span {
        Value::Octets(span) if field == 2 => read_span(span),
        other => panic!("{field}: {other:?}"),
    });
    spans.collect()
}

fn read_span(span: &[u8]) -> Span {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let mut found = Span::new();
    for (field, value) in fields(span) {
        match (field, value) {
            (9, Value::Octets(attribute)) => {
                let mut parts = fields(attribute).map(|(_, part)| part);
                let (Some(Value::Octets(key)), Some(Value::Octets(value))) =
                    (parts.next(), parts.next())
                else {
                    panic!("no attribute")
                };
                let value = match fields(value).next() {
                    Some((1, Value::Octets(octets))) => text(octets),
                    Some((3, Value::Number(number))) => number.to_string(),
                    other => panic!("{other:?}"),
                };
                let double = found.insert(text(key), value);
                assert_eq!(double, None, "{}", text(key));
            }
            (15, Value::Octets(status)) => {
                let code = fields(status).next();
                found.insert("status".into(), format!("{code:?}"));
            }
            (3 | 5, Value::Octets(octets)) => drop(found.insert(field.to_string(), text(octets))),
            (_, Value::Octets(octets)) => {
                let mut hex = Vec::new();
                crate::filter::put_hex(&mut hex, octets);
                found.insert(field.to_string(), text(&hex));
            }
            (_, Value::Number(number)) => drop(found.insert(field.to_string(), number.to_string())),
            (_, Value::Fixed) => {}
        }
    }
    found
}

#[track_caller]
fn has(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        let found = span.get(*key).map_or("nothing", |value| value);
        assert_eq!(&found, value, "{key} of {span:?}");
    }
}

const FAILED: &str = "Some((3, Number(2)))";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_request_and_what_it_asked_others_are_spans() {
    let (origin, key) = (origin(), backend());
    let attempts = [
        Attempt { call: Some(call(21, 1100, 1200)), ..attempt(8080, None, 0, 1) },
        Attempt { call: Some(call(22, 1300, 1400)), ..attempt(8081, Some(200), 9, 1) },
        attempt(8082, Some(200), 9, 1),
    ];
    let exchange = ExchangeRecord {
        origin: Some(&origin),
        backend: Some(&key),
        status: 200,
        attempts: &attempts,
        ..record()
    };
    let mut trace = trace();
    trace.call = Some((call(23, 1500, 0), address("10.0.0.9:1")));
    let question = Question { call: call(20, 1050, 1090), status: Some(401) };
    let spans = RequestSpans { question: Some((question, &key)), ..spans_of(&trace, &exchange) };
    let mut out = Vec::new();
    assert_eq!(spans.put(&mut out), 5);
    let found = read(&out);
    let id = "0af7651916cd43dd8448eb211c80319c";
    let (own, none) = ("0000000000000007", "nothing");
    has(
        &found[0],
        &[
            ("1", id),
            ("2", own),
            ("3", "a=b"),
            ("4", "b7ad6b7169203331"),
            ("5", "/shop"),
            ("6", "2"),
            ("http.request.method", "GET"),
            ("url.scheme", "https"),
            ("url.path", "/a"),
            ("url.query", "b=c"),
            ("http.route", "/shop"),
            ("server.address", "shop.example"),
            ("server.port", "443"),
            ("client.address", "192.0.2.7"),
            ("client.port", "40000"),
            ("network.peer.address", "10.1.1.1"),
            ("network.protocol.version", "1.1"),
            ("user_agent.original", "curl/8"),
            ("http.response.status_code", "200"),
            ("error.type", none),
            ("status", none),
            ("http.method", "GET"),
            ("http.flavor", "1.1"),
            ("http.target", "/a?b=c"),
            ("http.status_code", "200"),
            ("net.peer.ip", "192.0.2.7"),
            ("ingress.name", "front"),
            ("ingress.service_name", "cart"),
        ],
    );
    let client = [("1", id), ("4", own), ("6", "3")];
    found[1..].iter().for_each(|span| has(span, &client));
    has(
        &found[1],
        &[("5", "external-auth"), ("http.response.status_code", "401"), ("status", none)],
    );
    has(
        &found[2],
        &[
            ("2", "0000000000000015"),
            ("5", "GET"),
            ("server.address", "10.0.0.1"),
            ("server.port", "8080"),
            ("error.type", "timeout"),
            ("status", FAILED),
            ("http.response.status_code", none),
            ("http.request.resend_count", none),
        ],
    );
    has(
        &found[3],
        &[
            ("2", "0000000000000016"),
            ("http.request.resend_count", "1"),
            ("http.response.status_code", "200"),
            ("status", none),
        ],
    );
    has(
        &found[4],
        &[("server.address", "10.0.0.9"), ("error.type", "given_up"), ("status", FAILED)],
    );
}

#[test]
fn what_failed_is_told_by_the_conventions() {
    for (status, method, protocol, expected) in [
        (
            200,
            &b"GET"[..],
            "HTTP/1.0",
            [("status", "nothing"), ("network.protocol.version", "1.0")],
        ),
        (404, b"GET", "HTTP/2.0", [("status", "nothing"), ("network.protocol.version", "2")]),
        (499, b"BREW", "HTTP/1.1", [("status", "nothing"), ("http.request.method", "_OTHER")]),
        (502, b"GET", "HTTP/1.1", [("status", FAILED), ("error.type", "502")]),
        (0, b"BREW", "HTTP/1.1", [("status", FAILED), ("http.request.method_original", "BREW")]),
    ] {
        let exchange = ExchangeRecord { status, method, protocol, ..record() };
        let (trace, mut out) = (trace(), Vec::new());
        assert_eq!(spans_of(&trace, &exchange).put(&mut out), 1);
        has(&read(&out)[0], &expected);
    }
}

#[test]
fn what_clients_send_is_text_and_bounded() {
    let long = [b'x'; 3 * SPAN_TEXT_BYTES_MAX];
    for (agent, expected) in [
        (&b"a\xffb"[..], "a\u{fffd}b".to_owned()),
        ("é".as_bytes(), "é".to_owned()),
        (&long, "x".repeat(SPAN_TEXT_BYTES_MAX)),
        (b"", "nothing".to_owned()),
    ] {
        let exchange = ExchangeRecord { user_agent: agent, ..record() };
        let (trace, mut out) = (trace(), Vec::new());
        spans_of(&trace, &exchange).put(&mut out);
        has(&read(&out)[0], &[("user_agent.original", &expected)]);
    }
    let (mut out, odd) = (Vec::new(), "é".repeat(4));
    put_text(&mut out, 1, odd.as_bytes(), 5);
    assert_eq!(fields(&out).next(), Some((1, Value::Octets("éé".as_bytes()))));
}

#[test]
fn moments_are_those_of_the_wall_clock() {
    let exchange = record();
    let (trace, mut out) = (trace(), Vec::new());
    spans_of(&trace, &exchange).put(&mut out);
    let start = started_at().duration_since(std::time::UNIX_EPOCH).unwrap();
    for moment in [start, start + Duration::from_millis(12)] {
        let octets = u64::try_from(moment.as_nanos()).unwrap().to_le_bytes();
        assert!(out.windows(8).any(|window| window == octets), "{moment:?}");
    }
}

#[test]
fn messages_are_read_as_they_were_written() {
    for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
        let mut out = Vec::new();
        put_message(&mut out, 3, |out| put_octets(out, 1, &vec![7; length]));
        put_number(&mut out, 4, u64::MAX);
        let found: Vec<_> = fields(&out).collect();
        let Value::Octets(inner) = found[0].1 else { panic!("{length}") };
        assert_eq!(fields(inner).next(), Some((1, Value::Octets(&vec![7; length]))));
        assert_eq!((found[0].0, found[1]), (3, (4, Value::Number(u64::MAX))));
    }
    // What is cut off, too long or of no type is the end.
    for octets in [&b"\x08"[..], b"\x0a\x05ab", b"\x0b", b"\x09\x01", &[0xff; 12]] {
        assert_eq!(fields(octets).count(), 0, "{octets:?}");
    }
}

#[test]
fn spans_without_room_are_counted() {
    let (mut ends, mut batches) = spans(2);
    let (shards, mut scrape) = telemetry(1, Bounds::default());
    let (trace, exchange) = (trace(), record());
    let mut write = |end: usize| {
        ends[end].write(&spans_of(&trace, &exchange), &shards[0]);
        ends[end].flush(&shards[0]);
        ends[end].flush(&shards[0]);
    };
    (0..SPAN_BATCHES_MAX + 3).for_each(|turn| write(turn % 2));
    let count = |scrape: &mut crate::telemetry::Scrape| {
        let snapshot = scrape.snapshot();
        snapshot.counters.iter().find(|(name, ..)| *name == "spans_dropped").unwrap().2
    };
    assert_eq!(count(&mut scrape), 3);
    let batch = batches.try_recv().unwrap();
    assert_eq!((batch.spans, read(&batch.octets).len()), (1, 1));
    write(0);
    assert_eq!(count(&mut scrape), 3);
}
