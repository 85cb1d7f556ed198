//! Section 6: where a message ends.

use super::{RequestError, get, parse, refused, respond, respond_to};
use crate::http1::error::{FramingError, HeadError, RequestFault};
use crate::http1::framing::BodyLength;
use crate::http1::head::RequestKind;

#[track_caller]
fn check(lines: &str, expected: Result<BodyLength, FramingError>) {
    let found = get(lines).map(|head| head.body);
    assert_eq!(found, expected.map_err(|error| HeadError::Framing(error).into()), "{lines:?}");
}

#[test]
fn without_framing_fields_a_request_has_no_body() {
    check("", Ok(BodyLength::None));
    let head = parse(b"POST / HTTP/1.0\r\n\r\n");
    assert_eq!(head.map(|head| head.body), Ok(BodyLength::None));
}

#[test]
fn bodies_are_framed_for_every_method() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "X"] {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        let found = parse(bytes.as_bytes()).map(|head| head.body);
        assert_eq!(found, Ok(BodyLength::Known(3)), "{method}");
    }
}

#[test]
fn a_length_is_1_to_18_digits() {
    check("Content-Length: 0\r\n", Ok(BodyLength::Known(0)));
    check("content-length:\t5 \r\n", Ok(BodyLength::Known(5)));
    check("Content-Length: 000000000000000005\r\n", Ok(BodyLength::Known(5)));
    check("Content-Length: 999999999999999999\r\n", Ok(BodyLength::Known(999_999_999_999_999_999)));
    for value in [
        "",
        "+5",
        "-5",
        "5 5",
        "5.0",
        "0x5",
        "5a",
        "a",
        ",",
        "5,",
        ",5",
        "5;",
        "1_000",
        "\u{b2}",
        "1000000000000000000",
        "18446744073709551621",
        "5\t5",
        "\u{a0}5",
        "٥",
    ] {
        check(&format!("Content-Length: {value}\r\n"), Err(FramingError::LengthInvalid));
    }
}

#[test]
fn several_lengths_must_be_the_same() {
    check("Content-Length: 5\r\nContent-Length: 5\r\n", Ok(BodyLength::Known(5)));
    check("Content-Length: 5, 5,5\r\n", Ok(BodyLength::Known(5)));
    let disagree = Err(FramingError::LengthsDisagree);
    check("Content-Length: 5\r\nContent-Length: 6\r\n", disagree);
    check("Content-Length: 5, 6\r\n", disagree);
    check("Content-Length: 5, 05\r\n", disagree);
    check("Content-Length: 5\r\nContent-Length: x\r\n", Err(FramingError::LengthInvalid));
}

#[test]
fn chunked_is_the_only_coding() {
    check("Transfer-Encoding: chunked\r\n", Ok(BodyLength::Chunked));
    check("transfer-encoding:\tCHUNKED\t\r\n", Ok(BodyLength::Chunked));
    let unknown = Err(FramingError::CodingUnknown);
    for value in
        ["gzip, chunked", "gzip", "identity", "xchunked", "chunked;a=b", "\"chunked\"", "chunke d"]
    {
        check(&format!("Transfer-Encoding: {value}\r\n"), unknown);
    }
    check("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", unknown);
    let fault = RequestError::from(HeadError::Framing(FramingError::CodingUnknown)).category();
    assert_eq!(fault, RequestFault::NotImplemented);
}

#[test]
fn malformed_codings_are_refused() {
    let invalid = Err(FramingError::CodingInvalid);
    for value in ["", ",", "chunked,", ",chunked", "chunked, chunked", "chunked, gzip"] {
        check(&format!("Transfer-Encoding: {value}\r\n"), invalid);
    }
    check("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", invalid);
    check("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", invalid);
    let fault = RequestError::from(HeadError::Framing(FramingError::CodingInvalid)).category();
    assert_eq!(fault, RequestFault::BadRequest);
}

#[test]
fn a_length_beside_a_coding_is_refused_in_requests() {
    let both = Err(FramingError::LengthAndCoding);
    check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", both);
    check("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", both);
    check("Transfer-Encoding: gzip\r\nContent-Length: x\r\n", both);
}

#[test]
fn http_1_0_has_no_codings() {
    let error = HeadError::Framing(FramingError::CodingInHttp10);
    refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", error);
    refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n", error);
}

#[test]
fn framing_fields_hide_behind_no_other_spelling() {
    check("Transfer_Encoding: chunked\r\n", Ok(BodyLength::None));
    check("Content_Length: 5\r\n", Ok(BodyLength::None));
    let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n";
    refused(bytes, HeadError::FieldValue);
}

/// What decides about a response: its body, the declared length, suspicion, persistence.
type Framing = (BodyLength, Option<u64>, bool, bool);

#[track_caller]
fn check_response(is_head: bool, head: &str, expected: Framing) {
    let found = respond_to(RequestKind { is_head }, format!("{head}\r\n").as_bytes());
    let found = found
        .map(|head| (head.body, head.declared_length, head.is_framing_suspect, head.is_persistent));
    assert_eq!(found, Ok(expected), "{head:?}");
}

#[test]
fn some_responses_have_no_body_whatever_they_say() {
    let length = "Content-Length: 5\r\n";
    let none = BodyLength::None;
    check_response(true, &format!("HTTP/1.1 200 a\r\n{length}"), (none, Some(5), false, true));
    check_response(false, &format!("HTTP/1.1 304 a\r\n{length}"), (none, Some(5), false, true));
    check_response(false, "HTTP/1.1 304 a\r\n", (none, None, false, true));
    check_response(false, "HTTP/1.1 204 a\r\n", (none, None, false, true));
    check_response(false, "HTTP/1.1 204 a\r\nContent-Length: 0\r\n", (none, None, false, true));
    check_response(false, "HTTP/1.1 100 a\r\n", (none, None, false, true));
    check_response(false, "HTTP/1.1 101 a\r\n", (none, None, false, false));
    let coding = "Transfer-Encoding: chunked\r\n";
    check_response(true, &format!("HTTP/1.1 200 a\r\n{coding}"), (none, None, false, true));
}

#[test]
fn a_body_announced_where_none_may_be_makes_the_connection_suspect() {
    let none = BodyLength::None;
    for status in [100, 101, 103, 204] {
        for line in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let head = format!("HTTP/1.1 {status} a\r\n{line}\r\n");
            check_response(false, &head, (none, None, true, false));
            let dropped = respond(format!("{head}\r\n").as_bytes()).map(|h| h.fields[0].dropped);
            assert_eq!(dropped, Ok(true), "{head}");
        }
    }
}

#[test]
fn a_response_is_framed_by_coding_length_or_close() {
    let v11 = "HTTP/1.1 200 a\r\n";
    let chunked = BodyLength::Chunked;
    let known = BodyLength::Known(5);
    check_response(false, v11, (BodyLength::UntilClose, None, false, false));
    check_response(false, &format!("{v11}Content-Length: 5, 5\r\n"), (known, Some(5), false, true));
    check_response(
        false,
        &format!("{v11}Transfer-Encoding: chunked\r\n"),
        (chunked, None, false, true),
    );
}

#[test]
fn a_coding_beats_a_length_in_responses_and_ends_reuse() {
    let head = "HTTP/1.1 200 a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    check_response(false, head, (BodyLength::Chunked, None, true, false));
    let fields = respond(format!("{head}\r\n").as_bytes()).map(|head| head.fields);
    let dropped = fields.map(|fields| fields.iter().map(|f| f.dropped).collect::<Vec<_>>());
    assert_eq!(dropped, Ok(vec![true, false]));
    let head = "HTTP/1.0 200 a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n";
    check_response(false, head, (BodyLength::Chunked, None, true, false));
}

#[test]
fn bad_framing_in_responses_is_refused() {
    for (lines, error) in [
        ("Content-Length: +5", FramingError::LengthInvalid),
        ("Content-Length: 5, 6", FramingError::LengthsDisagree),
        ("Transfer-Encoding: gzip", FramingError::CodingUnknown),
        ("Transfer-Encoding: chunked, gzip", FramingError::CodingInvalid),
        ("Transfer-Encoding: chunked\r\nContent-Length: x", FramingError::LengthInvalid),
    ] {
        for line in ["HTTP/1.1 200 a", "HTTP/1.1 304 a", "HTTP/1.0 200 a"] {
            let found = respond(format!("{line}\r\n{lines}\r\n\r\n").as_bytes());
            assert_eq!(found.err(), Some(HeadError::Framing(error).into()), "{line} {lines}");
        }
    }
}
