//! Section 5: field lines.

use super::{RequestError, get, parse, refused, respond, response_refused};
use crate::http1::error::{HeadError, RequestFault};
use crate::http1::fields::FieldKind;
use crate::limits::{FIELDS_MAX, RESPONSE_FIELDS_MAX};

fn with(line: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat()
}

#[track_caller]
fn check(line: &[u8], name: &[u8], value: &[u8]) {
    let bytes = with(line);
    let head = parse(&bytes).expect("the head is accepted");
    let field = head.fields[1];
    assert_eq!((field.name.of(&bytes), field.value.of(&bytes)), (name, value));
}

#[test]
fn values_lose_blanks_and_tabs_around_them_and_nothing_else() {
    check(b"A: b", b"A", b"b");
    check(b"A:b", b"A", b"b");
    check(b"A: \t b c\t \t", b"A", b"b c");
    check(b"A:", b"A", b"");
    check(b"A: \t ", b"A", b"");
    check(b"A: b:c", b"A", b"b:c");
    // NBSP and NEL of Latin-1 are obs-text and belong to the value.
    check(b"A: \xa0\x85b\xff\xa0 ", b"A", b"\xa0\x85b\xff\xa0");
}

#[test]
fn a_blank_before_the_colon_is_refused_in_requests() {
    refused(&with(b"A : b"), HeadError::FieldName);
    refused(&with(b"A\t: b"), HeadError::FieldName);
    refused(&with(b"Content-Length : 5"), HeadError::FieldName);
}

#[test]
fn a_blank_before_the_colon_is_removed_from_responses() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n";
    let head = respond(bytes).expect("the head is accepted");
    assert_eq!(head.fields[0].name.of(bytes), b"Content-Length");
    assert_eq!(head.declared_length, Some(5));
}

#[test]
fn names_are_tokens() {
    for line in [
        &b": b"[..],
        b"A",
        b"A B: c",
        b"A(: b",
        b"A\0: b",
        b"A\xe9: b",
        b"A\x7f: b",
        b"\"A\": b",
        b":path: /",
    ] {
        refused(&with(line), HeadError::FieldName);
        let response = [b"HTTP/1.1 200 OK\r\n", line, b"\r\n\r\n"].concat();
        response_refused(&response, HeadError::FieldName);
    }
}

#[test]
fn folded_lines_are_refused() {
    for line in [&b"A: b\r\n c"[..], b"A: b\r\n\tc", b"A: b\r\n \r\nC: d", b"A:\r\n b"] {
        refused(&with(line), HeadError::FoldedLine);
        let response = [b"HTTP/1.1 200 OK\r\n", line, b"\r\n\r\n"].concat();
        response_refused(&response, HeadError::FoldedLine);
    }
}

#[test]
fn control_characters_are_refused_in_values() {
    for byte in (0..0x20).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
        for line in [[b'A', b':', b'b', byte, b'c'], [b'A', b':', byte, b'b', b'c']] {
            refused(&with(&line), HeadError::FieldValue);
            let response = [b"HTTP/1.1 200 OK\r\n", &line[..], b"\r\n\r\n"].concat();
            response_refused(&response, HeadError::FieldValue);
        }
    }
    // Far enough into a value for vector code.
    let long = [b"A: ", &[b'b'; 70][..], b"\x7f", &[b'b'; 70][..]].concat();
    refused(&with(&long), HeadError::FieldValue);
}

#[test]
fn bare_line_feeds_are_accepted_in_responses() {
    let head = respond(b"HTTP/1.1 200 OK\nA: b\nC: d\r\n\n").expect("the head is accepted");
    assert_eq!(head.fields.len(), 2);
    response_refused(b"HTTP/1.1 200 OK\r\nA: b\r\n\rx\r\n\r\n", HeadError::LineEnd);
}

#[test]
fn field_lines_are_counted() {
    let most = "A: b\r\n".repeat(FIELDS_MAX - 1);
    assert_eq!(get(&most).map(|head| head.fields.len()), Ok(FIELDS_MAX));
    assert_eq!(get(&format!("{most}A: b\r\n")).err(), Some(HeadError::TooManyFields.into()));
    assert_eq!(
        RequestError::from(HeadError::TooManyFields).category(),
        RequestFault::FieldsTooLarge
    );
    let response = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
    let head = respond(response(RESPONSE_FIELDS_MAX).as_bytes());
    assert_eq!(head.map(|head| head.fields.len()), Ok(RESPONSE_FIELDS_MAX));
    let over = response(RESPONSE_FIELDS_MAX + 1);
    response_refused(over.as_bytes(), HeadError::TooManyFields);
}

#[test]
fn repeated_fields_keep_their_order() {
    let bytes = with(b"A: 1\r\nB: 2\r\nA: 3");
    let head = parse(&bytes).expect("the head is accepted");
    let values: Vec<&[u8]> = head.fields.iter().map(|field| field.value.of(&bytes)).collect();
    assert_eq!(values, [b"a", b"1", b"2", b"3"]);
    assert_eq!(head.find_name(&bytes, b"a"), Some(&b"1"[..]));
    assert_eq!(head.find_name(&bytes, b"c"), None);
    assert_eq!(head.find(&bytes, FieldKind::Host), Some(&b"a"[..]));
}

#[test]
fn names_with_underscores_are_marked() {
    let head = get("Content_Length: 5\r\nX-A: b\r\n").expect("the head is accepted");
    let kinds: Vec<FieldKind> = head.fields.iter().map(|field| field.kind).collect();
    assert_eq!(kinds, [FieldKind::Host, FieldKind::Ambiguous, FieldKind::Other]);
}
